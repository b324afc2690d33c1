"""`guard break-glass` and a running guard: on record before it holds, told, ended by itself, never for some kinds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import typer
from typer.testing import CliRunner, Result

from guard import Guard
from guard.audit import query
from guard.cli.breakglass import break_glass
from guard.errors import Refused, Unavailable
from guard.glass import FILE, Glass, read, write
from guard.keys import Keys
from guard.settings import Settings
from guard.trace.ledger import Ledger
from guard.traffic.webhook import Webhook

CARD = "my card is 4111 1111 1111 1111"
POLICY = """
policy: house
extends: [default]
recognizers: {presidio: {recognizers: []}}
input: {rules: {pii.card: block, pii.email: block}}
output: {rules: {"moderation.*": allow, "moderation.sexual/minors": allow, "moderation.self-harm*": allow}}
"""
ALERTS = "traffic: {alerts: {p99_s: 30}}\n"
NEVER = "break_glass: {never: [pii.email]}\n"

app = typer.Typer()
app.command()(break_glass)
Run = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "house.yaml").write_text(POLICY + ALERTS + NEVER)
    for name, value in {"HOME": "home", "EXPORTS": "exports", "POLICY": "house.yaml"}.items():
        monkeypatch.setenv(f"GUARD_{name}", str(tmp_path / value))
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.fixture
def running(folder: Path) -> Iterator[Guard]:
    """A guard that has begun its record, and so looks for broken glass."""
    guard = Guard.from_policy(folder / "house.yaml", Settings())
    assert guard.ledger.ready
    yield guard
    guard.close()


def look(guard: Guard) -> None:
    assert guard.glass_watch is not None
    guard.glass_watch.look()


def recorded(folder: Path) -> list[dict[str, Any]]:
    lines = [line for file in folder.glob("exports/*.jsonl") for line in file.read_bytes().split(b"\n")[:-1]]
    spans = [orjson.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0] for line in lines]
    return [
        {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}
        for span in spans
        if span["name"] == "guard.break_glass"
    ]


def life(folder: Path) -> list[dict[str, Any]]:
    """Who did what, as the auditor asks."""
    table = query.run(folder / "exports", "life")
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_a_rule_flags_for_a_while_and_acts_again_by_itself(
    running: Guard, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A running guard takes it up and says so; the digest stays; when the minutes are over the rule acts, unasked."""
    with pytest.raises(Refused):
        running.redact(CARD)
    told = run("--kind", "pii.card", "--minutes", "30", "--ticket", "INC-42", "--by", "jo.weber")
    assert (told.exit_code, told.stdout) == (0, "pii.card is only flagged for 30 more minutes (INC-42)\n")
    look(running)
    assert running.redact(CARD) == CARD
    assert {member.policy.sha256 for member in running.family} == {running.policy.sha256}
    assert "break-glass INC-42: pii.card is only flagged now" in caplog.text
    assert (
        "alert break_glass firing: pii.card is only flagged, INC-42 (docs/runbook.md#break_glass)"
        in caplog.text
    )
    asked = next(row for row in life(folder) if row["name"] == "guard.break_glass")
    assert asked["by"] == "jo.weber"
    assert asked["about"].startswith("pii.card INC-42 until 20")
    (row,) = recorded(folder)
    assert (row["guard.break_glass.kind"], row["guard.break_glass.by"]) == ("pii.card", "jo.weber")
    later = time.time() + 31 * 60
    monkeypatch.setattr(running.attached, "_now", lambda: later)
    monkeypatch.setattr(running.glass_watch, "_now", lambda: later)
    with pytest.raises(Refused):
        running.redact(CARD)
    look(running)
    assert "break-glass INC-42: pii.card meets its rule again" in caplog.text


def test_a_webhook_alone_is_told(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the policy draws no line, GUARD_ALERT_WEBHOOK hears of broken glass all the same."""
    (folder / "house.yaml").write_text(POLICY)
    monkeypatch.setenv("GUARD_ALERT_WEBHOOK", "http://127.0.0.1:9/hook")
    offered: list[bytes] = []
    monkeypatch.setattr(Webhook, "offer", lambda self, body: offered.append(body))
    guard = Guard.from_policy(folder / "house.yaml", Settings())
    assert guard.ledger.ready
    run("--kind", "pii.card", "--minutes", "30", "--ticket", "INC-42")
    look(guard)
    guard.close()
    assert [orjson.loads(body)["alert"] for body in offered] == ["break_glass"]


def test_it_holds_through_a_reload_and_ends_when_told(running: Guard, run: Run, folder: Path) -> None:
    """A policy that is loaded anew meets the same glass; `--end` closes it at once."""
    run("--kind", "pii.c*", "--ticket", "INC-42")
    look(running)
    running.reload()
    assert running.redact(CARD) == CARD
    assert "nothing is broken" in run("--end", "--by", "al.ba").stdout
    look(running)
    with pytest.raises(Refused):
        running.redact(CARD)
    until = {
        (row["guard.break_glass.by"], row["guard.break_glass.kind"]): row["guard.break_glass.until"]
        for row in recorded(folder)
    }
    (begun,) = (end for (by, _), end in until.items() if by != "al.ba")
    assert until["al.ba", "pii.c*"] < begun


@pytest.mark.parametrize(
    ("kind", "closed"),
    [
        ("egress.jurisdiction", "egress.*"),
        ("guard.unavailable.record", "guard.unavailable.record"),
        ("guard.*", "guard.unavailable.record"),
        ("*", "egress.*"),
        ("pii.email", "pii.email"),
        ("pii.*", "pii.email"),
        ("moderation.sexual/minors", "moderation.sexual/minors"),
    ],
)
def test_some_glass_is_never_broken(run: Run, folder: Path, kind: str, closed: str) -> None:
    """Egress, the record and what the policy names are refused; nothing is recorded or written."""
    result = run("--kind", kind, "--ticket", "INC-42")
    assert isinstance(result.exception, Refused)
    assert f"before {closed}" in result.exception.message
    assert recorded(folder) == []
    assert not (folder / "home" / FILE).exists()


def test_a_running_guard_keeps_closed_what_its_own_policy_does(
    running: Guard, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the file says, sealed or not: `break_glass.never` of the running policy stands above it, and it says so
    instead of telling the alert that a rule only flags.
    """
    write(folder / "home" / FILE, running.keys, [Glass("pii.*", "INC-42", time.time() + 60)])
    look(running)
    with pytest.raises(Refused):
        running.redact(CARD)
    assert "break-glass INC-42: pii.* stays closed here (break_glass.never: pii.email)" in caplog.text
    assert "only flagged" not in caplog.text


def test_a_forged_file_is_as_none(
    running: Guard, run: Run, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Only who has the installation's key can break glass; another's seal, or a changed time, opens nothing. The verb
    says so in a sentence, and writes it anew.
    """
    path, row = folder / "home" / FILE, Glass("pii.card", "INC-42", time.time() + 60)
    write(path, Keys(b"somebody else's key, long enough"), [row])
    look(running)
    write(path, running.keys, [row])
    assert read(path, running.keys) == (row,)
    path.write_bytes(path.read_bytes().replace(b"pii.card", b"pii.c*ard"))
    look(running)
    path.write_bytes(b"{")
    look(running)
    assert running.glass == ()
    assert caplog.text.count("is left alone") == 3
    with pytest.raises(Refused):
        running.redact(CARD)
    assert "was not written by this installation: --end writes it anew" in str(run().exception)
    assert run("--end").exit_code == run().exit_code == 0


def test_what_is_not_on_record_is_not_broken(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 5: where the record cannot be written the file is not, either."""

    def failing(ledger: Ledger, line: bytes) -> None:
        raise Unavailable("record", "the disk is full")

    monkeypatch.setattr(Ledger, "commit_sync", failing)
    assert isinstance(run("--kind", "pii.card", "--ticket", "INC-42").exception, Unavailable)
    assert not (folder / "home" / FILE).exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--kind", "pii.card"),
        ("--kind", "pii.kard", "--ticket", "T-1"),
        ("--kind", "pii.card", "--ticket", "a b"),
    ],
)
def test_what_is_missing_is_said(run: Run, arguments: tuple[str, ...]) -> None:
    """A ticket is asked for, an unknown kind is named; exit code 2."""
    assert run(*arguments).exit_code == 2
