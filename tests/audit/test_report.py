"""The evidence pack: a regime's answers, the proof beside them, and means to check both without guard."""

from __future__ import annotations

import csv
import html
import importlib.util
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from guard.audit.query import QUESTIONS, run
from guard.audit.regimes import EVERY, REGIMES, Asked
from guard.audit.verify import verify
from guard.cli.audit import app
from guard.cli.report import RegimeName
from guard.errors import SetupError
from guard.trace import records, spans
from guard.trace.ledger import Ledger
from guard.trace.signing import load_signer

HOSTILE = "=cmd|' /C calc'!A1<script>alert(1)</script>\x1b[31m"

_spec = importlib.util.spec_from_file_location("audit_gateway", Path(__file__).with_name("test_query.py"))
assert _spec is not None
assert _spec.loader is not None
kit = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kit)

Desk = Callable[..., Result]


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """Calls of two tenants that stayed, left, failed and were blocked; one tenant's name is hostile."""
    ledger = Ledger(tmp_path / "exports", signer=load_signer(tmp_path / "home"), sign_every=4)
    gateway = kit.Gateway(ledger)
    for tenant in ("acme", HOSTILE):
        gateway.call(gateway.intent(kit.GLOBAL, tenant=tenant))
        gateway.call(gateway.intent(kit.EU, tenant=tenant))
        gateway.intent(kit.EU, action=kit.Action.BLOCK, tenant=tenant)
    ledger.append(records.lifecycle(gateway.recorder, spans.START, kit.POLICY))
    ledger.close()
    return tmp_path / "exports"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    environment = {
        "GUARD_HOME": str(tmp_path / "home"),
        "GUARD_EXPORTS": str(tmp_path / "exports"),
        "COLUMNS": "100",
    }
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)), env=environment)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_pack_answers_by_article(desk: Desk, exports: Path, tmp_path: Path) -> None:
    """Every question of the regime has its file with all rows; the index names article, question and count."""
    pack = tmp_path / "pack"
    made = desk("report", "--regime", "gdpr", "-o", pack)
    assert (made.exit_code, "intact" in made.output) == (0, True)
    names = {asked.name for asked in REGIMES["gdpr"].questions}
    assert {path.stem for path in (pack / "answers").iterdir()} == names
    # The second processes in Switzerland too, which is a third country.
    left = {row["host"] for row in rows(pack / "answers" / "left-region-eea.csv")}
    assert left == {"api.openai.com", "eu.api.openai.com"}
    told = json.loads((pack / "report.json").read_text())
    assert told["answers"][0]["rows"] == len(rows(pack / told["answers"][0]["file"]))
    page = (pack / "index.html").read_text()
    for article in REGIMES["gdpr"].articles:
        assert html.escape(article.article) in page
    assert all(f'href="#{name}"' in page and f'id="{name}"' in page for name in names)


def test_what_others_named_can_do_nothing(desk: Desk, exports: Path, tmp_path: Path) -> None:
    """D05: a name from the record is no formula in a spreadsheet, no markup on the page, no escape code."""
    desk("report", "--regime", "pci", "-o", tmp_path / "pack")
    blocked = rows(tmp_path / "pack" / "answers" / "blocked.csv")
    assert any(row["tenant"].startswith("'=cmd") for row in blocked)
    page = (tmp_path / "pack" / "index.html").read_text()
    assert "<script" not in page
    assert "\x1b" not in page
    assert html.escape("'!A1<script>") in page
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)


def test_a_pack_proves_itself_without_guard(desk: Desk, exports: Path, tmp_path: Path) -> None:
    """The sums cover every other file and are signed; a changed answer shows."""
    pack = tmp_path / "pack"
    desk("report", "--regime", "pci", "-o", pack)
    listed = {line.split("  ")[1] for line in (pack / "SHA256SUMS").read_text().splitlines()}
    there = {path.relative_to(pack).as_posix() for path in pack.rglob("*") if path.is_file()}
    assert there - listed == {"SHA256SUMS", "SHA256SUMS.sig"}
    signer = load_signer(tmp_path / "home")
    assert signer.verifies((pack / "SHA256SUMS.sig").read_bytes(), (pack / "SHA256SUMS").read_bytes())
    if tool := shutil.which("sha256sum"):
        check = [tool, "--quiet", "-c", "SHA256SUMS"]
        assert subprocess.run(check, cwd=pack, check=False).returncode == 0
        (pack / "answers" / "life.csv").write_text("")
        assert subprocess.run(check, cwd=pack, check=False, capture_output=True).returncode == 1


def test_its_heads_are_an_outside_copy(desk: Desk, exports: Path, tmp_path: Path) -> None:
    """Who keeps a pack can show later that the exports were cut since."""
    pack = tmp_path / "pack"
    desk("report", "--regime", "eu-ai-act", "-o", pack)
    public = (pack / "guard.pub.pem").read_bytes()
    assert verify(exports, public, None, pack / "heads").ok
    for path in sorted(exports.iterdir()):
        path.unlink()
    assert verify(exports, public).ok, "an empty folder cannot tell"
    assert not verify(exports, public, None, pack / "heads").ok


def test_a_broken_record_is_said_and_still_packed(desk: Desk, exports: Path, tmp_path: Path) -> None:
    """The pack of a record that was changed says so on its first page; exit code 1."""
    [path] = exports.glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"ran"', b'"RAN"', 1))
    made = desk("report", "--regime", "pci", "-o", tmp_path / "pack", "--json")
    assert (made.exit_code, json.loads(made.output)["verified"]) == (1, False)
    assert "was changed" in (tmp_path / "pack" / "index.html").read_text()
    assert json.loads((tmp_path / "pack" / "verify.json").read_text())["ok"] is False


def test_period_and_tenant(desk: Desk, exports: Path, tmp_path: Path) -> None:
    """Answers are of that tenant and time; what guard does for all tenants is told whole."""
    desk("report", "--regime", "pci", "--tenant", "acme", "-o", tmp_path / "one")
    assert {row["tenant"] for row in rows(tmp_path / "one" / "answers" / "blocked.csv")} == {"acme"}
    assert "guard.start" in {row["name"] for row in rows(tmp_path / "one" / "answers" / "life.csv")}
    assert HOSTILE[:4] not in (tmp_path / "one" / "index.html").read_text()
    desk("report", "--regime", "pci", "--until", "2001-01-01", "-o", tmp_path / "none")
    assert rows(tmp_path / "none" / "answers" / "life.csv") == []


def test_an_archive(desk: Desk, exports: Path, tmp_path: Path) -> None:
    """`.zip` at the end makes one; both are for the owner's eyes only."""
    assert desk("report", "--regime", "pipl", "-o", tmp_path / "pack.zip").exit_code == 0
    with zipfile.ZipFile(tmp_path / "pack.zip") as archive:
        assert {"pack/index.html", "pack/SHA256SUMS", "pack/answers/transfers.csv"} <= set(archive.namelist())
    assert (tmp_path / "pack.zip").stat().st_mode & 0o077 == 0
    desk("report", "--regime", "pipl", "-o", tmp_path / "pack")
    assert all(
        path.stat().st_mode & 0o077 == 0 for path in [tmp_path / "pack", *(tmp_path / "pack").rglob("*")]
    )


def test_the_reading_is_on_record_or_there_is_no_pack(
    desk: Desk, exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pack is a read like any other; where it cannot be recorded nothing is left behind."""
    desk("report", "--regime", "hipaa", "-o", tmp_path / "pack")
    assert [row[2:5] for row in run(exports, "log-reads").rows] == [("report", "hipaa", "folder")]
    monkeypatch.setattr(
        "guard.cli.report.on_record", lambda *_, **__: (_ for _ in ()).throw(SetupError("no"))
    )
    before = set(tmp_path.iterdir())
    assert isinstance(desk("report", "--regime", "pci", "-o", tmp_path / "second").exception, SetupError)
    assert set(tmp_path.iterdir()) == before


def test_bad_input(desk: Desk, exports: Path, tmp_path: Path) -> None:
    """What is there already stays; a time that is none, a folder that is none, a key that is none."""
    (tmp_path / "pack").mkdir()
    assert isinstance(desk("report", "--regime", "pci", "-o", tmp_path / "pack").exception, SetupError)
    assert desk("report", "--since", "yesterday", "-o", tmp_path / "x").exit_code == 1
    assert desk("report", "--folder", tmp_path / "none", "-o", tmp_path / "x").exit_code == 1
    assert desk("report", "--key", exports / "none.pem", "-o", tmp_path / "x").exit_code == 1
    assert desk("report", "--regime", "sox", "-o", tmp_path / "x").exit_code == 2
    assert not (tmp_path / "x").exists()


def test_an_auditors_copy_is_packed_unsigned(desk: Desk, exports: Path, tmp_path: Path) -> None:
    """Who has no signing key may sum up and not sign; the sums still hold."""
    desk("key")
    (tmp_path / "home" / "signing-key.pem").unlink()
    told = json.loads(desk("report", "-o", tmp_path / "pack", "--json").output)
    assert set(told["answers"]) == {asked.name for asked in EVERY.questions}
    assert (told["verified"], told["signed"]) == (True, False)
    assert not (tmp_path / "pack" / "SHA256SUMS.sig").exists()


def test_regimes_ask_what_there_is() -> None:
    """Each question of each regime exists, each article is answered, the verb offers each regime."""
    assert {one.value for one in RegimeName} == set(REGIMES)
    for regime in (*REGIMES.values(), EVERY):
        for article in regime.articles:
            assert article.questions
        for asked in regime.questions:
            needs = {p.name for p in QUESTIONS[asked.question].parameters if p.default is None}
            assert needs == ({"region"} if asked.region else set())
    assert Asked("left-region", "CN") in REGIMES["pipl"].questions
