"""One person: found by the key in every spelling, never by the export alone; erased by a tombstone."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from guard.audit.compact import compact
from guard.audit.query import QueryError, run
from guard.audit.subjects import find
from guard.cli.audit import app
from guard.errors import SetupError
from guard.keys import Keys
from guard.pii.subject import subject
from guard.trace import spans
from guard.trace.ledger import Ledger
from guard.trace.signing import load_signer
from guard.types import Action, Decision, Finding, Identity, Stage, Verdict

PERSON, OTHER = "zhang.san@example.com", "li.si@example.com"
MASTER = b"0123456789abcdef0123456789abcdef"

_spec = importlib.util.spec_from_file_location("audit_gateway", Path(__file__).with_name("test_query.py"))
assert _spec is not None
assert _spec.loader is not None
kit = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kit)


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """Findings of two people under two tenants."""
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "master.key").write_bytes(MASTER)
    ledger = Ledger(tmp_path / "exports", signer=load_signer(tmp_path / "home"))
    gateway, keys = kit.Gateway(ledger), Keys(MASTER)
    for tenant, value in (("acme", PERSON), ("acme", OTHER), ("other", PERSON), ("acme", PERSON.upper())):
        span = gateway.recorder.start(spans.SCREEN, attributes={spans.TENANT: tenant, spans.STAGE: "input"})
        year = span._clock[0] // 31_556_952_000_000_000 + 1970
        hashed = subject(keys.subjects_of(tenant, year), value)
        found = Finding("pii.email", 0, len(value), 1.0, "pattern", "messages[0].content")
        verdict = Verdict(
            Stage.INPUT,
            Action.REDACT,
            Action.REDACT,
            (Decision(found, Action.REDACT, Action.REDACT, "pii.*", "x:1"),),
        )
        for name, attributes in spans.finding_events(verdict, lambda _, hashed=hashed: hashed):
            span.event(name, attributes)
        ledger.append(span.end())
    ledger.close()
    return tmp_path / "exports"


@pytest.fixture
def audit(tmp_path: Path) -> Callable[..., Result]:
    environment = {
        "GUARD_HOME": str(tmp_path / "home"),
        "GUARD_EXPORTS": str(tmp_path / "exports"),
        "COLUMNS": "200",
    }
    return lambda *arguments, **more: CliRunner().invoke(
        app, list(map(str, arguments)), env=environment, **more
    )


def test_every_record_about_a_person(exports: Path) -> None:
    """Under every tenant, in every spelling; nobody else's; with another key nobody."""
    found = find(exports, Keys(MASTER), PERSON, {})
    assert [row[1] for row in found.table.rows] == ["acme", "other", "acme"]
    assert find(exports, Keys(MASTER), " ZHANG.SAN@Example.com", {"tenant": "other"}).table.rows == [
        found.table.rows[1]
    ]
    assert find(exports, Keys(b"another key of this length......"), PERSON, {}).table.rows == []
    assert b"zhang" not in b"".join(path.read_bytes().lower() for path in exports.iterdir())
    with pytest.raises(QueryError):
        find(exports, Keys(MASTER), " ", {})


def test_hashes_join_within_a_tenant_and_a_year_only() -> None:
    """What one tenant's findings tell cannot be joined with another's, nor with the next year's."""
    keys = Keys(MASTER)
    hashes = {
        subject(keys.subjects_of(tenant, year), PERSON) for tenant in ("a", "b", "") for year in (2025, 2026)
    }
    assert len(hashes) == 6
    assert keys.subjects_of("a", 2026) == Keys(MASTER).subjects_of("a", 2026)
    for number in range(3000):
        keys.subjects_of(str(number), 2026)
    assert len(keys._subjects) <= 1024


def test_the_engine_hashes_under_the_callers_tenant(tmp_path: Path) -> None:
    """The key of an exchange is that of its tenant and of the running period, drawn by chance and not derived."""
    import time

    from guard import Guard
    from guard.settings import Settings

    guard = Guard.from_policy("default", Settings(home=tmp_path / "home", exports=tmp_path / "exports"))
    try:
        year = time.gmtime().tm_year
        [exchange, again, other] = (guard.open_exchange(Identity(t)) for t in ("acme", "acme", "other"))
        assert exchange.subject_key == again.subject_key != other.subject_key
        assert len(exchange.subject_key) == 32
        assert exchange.subject_key != guard.keys.subjects_of("acme", year)
        assert exchange.subject_key_id.rpartition("-")[0] == str(year)
    finally:
        guard.close()


@pytest.mark.parametrize("compacted", [False, True])
def test_an_erased_person_is_known_no_more(
    audit: Callable[..., Result], exports: Path, compacted: bool
) -> None:
    """Views and find honour the tombstone, over lines and Parquet; the chain stays valid; others stay."""
    if compacted:
        compact(exports)
    [before] = run(exports, "SELECT count(*) FROM findings").rows
    done = audit("erase", "--subject", "-", "--ticket", "DSR-12", "--by", "jo", input=f"{PERSON}\n")
    assert (done.exit_code, "3 findings" in done.output) == (0, True)
    again = audit("find", "--subject", PERSON)
    assert again.exit_code == 1
    assert "ticket DSR-12" in again.stderr
    assert audit("erase", "--subject", PERSON, "--ticket", "DSR-13").exit_code == 1
    assert len(find(exports, Keys(MASTER), OTHER, {}).table.rows) == 1
    assert run(exports, "SELECT count(*) FROM findings").rows == [before]
    assert run(exports, "SELECT count(*) FROM findings WHERE subjects = ['erased']").rows == [(3,)]
    assert len(run(exports, "subject", {"subject": "erased"}).rows) == 3, "no line has that word"
    if compacted:
        compact(exports)
        assert audit("find", "--subject", PERSON).exit_code == 1
    assert audit("verify").exit_code == 0
    assert run(
        exports, "SELECT attrs['guard.audit.by'] FROM spans WHERE name = 'guard.audit.erased'"
    ).rows == [("jo",)]
    assert b"zhang" not in b"".join(path.read_bytes() for path in exports.rglob("*") if path.is_file())


def test_a_copy_cannot_be_erased_from(audit: Callable[..., Result], exports: Path, tmp_path: Path) -> None:
    """Who holds no signing key can find with the master key, and not write."""
    for name in ("signing-key.pem", "signing-key.pub.pem"):
        (tmp_path / "home" / name).unlink()
    assert isinstance(audit("erase", "--subject", PERSON, "--ticket", "X").exception, SetupError)
    assert audit("find", "--subject", PERSON, "--json").exit_code == 0


def test_keys(audit: Callable[..., Result], exports: Path, tmp_path: Path) -> None:
    """`--key FILE`, or this installation's; looking makes no key where there is none."""
    key = tmp_path / "elsewhere.key"
    (tmp_path / "home" / "master.key").rename(key)
    assert len(json.loads(audit("find", "--subject", PERSON, "--key", key, "--json").output)) == 3
    assert isinstance(audit("find", "--subject", PERSON).exception, SetupError)
    assert isinstance(audit("find", "--subject", PERSON, "--key", tmp_path / "none").exception, SetupError)
    assert not (tmp_path / "home" / "master.key").exists()


def test_finding_is_on_record_and_the_value_is_not(audit: Callable[..., Result], exports: Path) -> None:
    """A subject access is a read like any other."""
    audit("find", "--subject", PERSON)
    assert [row[2] for row in run(exports, "log-reads").rows] == ["find"]
    assert b"zhang" not in b"".join(path.read_bytes() for path in exports.iterdir())


def test_a_reason_is_an_identifier(audit: Callable[..., Result], exports: Path) -> None:
    """Bad input: free text has no place in the record."""
    assert audit("erase", "--subject", PERSON, "--ticket", "because he asked").exit_code == 2
    assert find(exports, Keys(MASTER), PERSON, {}).erased is None
