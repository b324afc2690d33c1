"""`guard audit`: for people at 80 columns, for machines, and for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from guard.cli.audit import app
from guard.errors import GuardError, SetupError
from guard.trace import records, spans
from guard.trace.ledger import Ledger
from guard.trace.signing import load_signer
from guard.trace.spans import Recorder

HOSTILE = "=cmd|' /C calc'!A1\x1b[31m\r\n[bold]\u202e"


@pytest.fixture
def guard_audit(tmp_path: Path) -> Callable[..., Result]:
    """Run a verb with its own home and exports, 80 columns wide."""
    environment = {
        "GUARD_HOME": str(tmp_path / "home"),
        "GUARD_EXPORTS": str(tmp_path / "exports"),
        "COLUMNS": "80",
    }
    return lambda *arguments: CliRunner().invoke(
        app, [str(argument) for argument in arguments], env=environment
    )


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """One decision by a tenant with a hostile name."""
    ledger = Ledger(tmp_path / "exports", signer=load_signer(tmp_path / "home"))
    attributes = {spans.STAGE: "input", spans.TENANT: HOSTILE, "guard.check.detect": "ran"}
    ledger.append(records.lifecycle(Recorder(), spans.SCREEN, attributes))
    ledger.close()
    return tmp_path / "exports"


SQL = "SELECT tenant, -7 AS n, start_ts FROM decisions"


def test_a_table_for_people(guard_audit: Callable[..., Result], exports: Path) -> None:
    """D05: markup is text, and what steers a terminal is written as its code."""
    result = guard_audit("query", SQL)
    assert result.exit_code == 0
    assert "\\u001b[31m\\u000d\\u000a[bold]\\u202e" in result.output
    assert "\x1b" not in result.output
    assert max(map(len, result.output.splitlines())) <= 80


def test_a_wide_answer_is_shown_as_records(guard_audit: Callable[..., Result], exports: Path) -> None:
    """At 80 columns every field of a wide row can still be read, whole."""
    result = guard_audit("query", "SELECT *, repeat('x', 70) AS long FROM decisions")
    assert "1 of 1" in result.output
    assert "x" * 70 in result.output


def test_json_for_machines(guard_audit: Callable[..., Result], exports: Path) -> None:
    """Values keep their type and every character; times say that they are UTC."""
    [row] = json.loads(guard_audit("query", SQL, "--json").output)
    assert (row["tenant"], row["n"]) == (HOSTILE, -7)
    assert row["start_ts"].endswith("Z")


def test_csv_for_spreadsheets(guard_audit: Callable[..., Result], exports: Path) -> None:
    """Formula injection: a text that would be one is quoted, a negative number is not."""
    rows = list(csv.reader(io.StringIO(guard_audit("query", SQL, "--csv").output)))
    assert rows[0] == ["tenant", "n", "start_ts"]
    assert rows[1][0].startswith("'=cmd")
    assert rows[1][1] == "-7"


def test_named_questions_and_their_options(guard_audit: Callable[..., Result], exports: Path) -> None:
    """`--list` shows them all; options that a question does not take are refused."""
    listed = guard_audit("query", "--list").output
    assert "left-region" in listed
    assert "--region" in listed
    assert len(json.loads(guard_audit("query", "--list", "--json").output)) >= 11
    assert "detect" in guard_audit("query", "checks", "--since", "1d").output
    assert guard_audit("query", "checks", "--since", "2999-01-01").output == "no rows\n"
    for wrong in (["checks", "--region", "EU"], ["left-region"], ["what left the EU?"], ["DROP VIEW spans"]):
        result = guard_audit("query", *wrong)
        assert isinstance(result.exception, GuardError), wrong


def test_verify_says_intact_or_what_is_wrong(guard_audit: Callable[..., Result], exports: Path) -> None:
    """D22: exit code 0 or 1; the file, the line and the record are named."""
    good = guard_audit("verify")
    assert (good.exit_code, "intact" in good.output) == (0, True)
    [path] = exports.glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b"ran", b"RAN"))
    bad = guard_audit("verify", exports)
    assert bad.exit_code == 1
    assert "record 1 was changed" in bad.output.replace("\n", "")
    report = json.loads(guard_audit("verify", path, "--json").output)
    assert report["ok"] is False
    assert report["problems"] == [
        {"what": "changed", "file": path.name, "line": 1, "record": 1, "text": "record 1 was changed"}
    ]


def test_a_handed_over_key_verifies_elsewhere(
    guard_audit: Callable[..., Result], exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The auditor has the folder and the key, and neither the home nor the private half."""
    printed = guard_audit("key")
    (tmp_path / "key.pem").write_text(printed.output)
    (tmp_path / "home").rename(tmp_path / "gone")
    assert guard_audit("verify", "--key", tmp_path / "key.pem").exit_code == 0
    assert "PRIVATE" not in printed.output


def test_the_key_and_its_id(guard_audit: Callable[..., Result], exports: Path, tmp_path: Path) -> None:
    """As PEM with the id as a comment, or as JSON; where only the private file is left, from that."""
    signer = load_signer(tmp_path / "home")
    assert guard_audit("key").output == f"# guard, key {signer.key_id}\n{signer.public_pem.decode()}"
    (tmp_path / "home" / "signing-key.pub.pem").unlink()
    found = json.loads(guard_audit("key", "--json").output)
    assert found == {"key_id": signer.key_id, "public_pem": signer.public_pem.decode()}


@pytest.mark.parametrize(
    "arguments", [["key"], ["verify"], ["verify", "--key", "none.pem"], ["query", "checks"]]
)
def test_what_is_missing_is_one_sentence(guard_audit: Callable[..., Result], arguments: list[Any]) -> None:
    """Bad input: no key yet, no such key file, no folder."""
    result = guard_audit(*arguments)
    assert isinstance(result.exception, GuardError)
    assert "\n" not in str(result.exception)


def test_asking_for_the_key_makes_none(guard_audit: Callable[..., Result], tmp_path: Path) -> None:
    """Only a first start makes keys; an auditor's machine keeps clean."""
    assert isinstance(guard_audit("key").exception, SetupError)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("verb", ["query", "verify", "key"])
def test_every_verb_has_help_with_an_example(guard_audit: Callable[..., Result], verb: str) -> None:
    """`--help` ends with something to copy."""
    result = guard_audit(verb, "--help")
    assert result.exit_code == 0
    assert f"Example: guard audit {verb}" in result.output


def test_exit_codes_of_the_real_command(exports: Path, tmp_path: Path) -> None:
    """0 answered, 1 a problem, 2 usage, through `python -m guard`."""
    [path] = exports.glob("*.jsonl")
    environment = {**os.environ, "GUARD_HOME": str(tmp_path / "home"), "GUARD_EXPORTS": str(exports)}

    def code(*arguments: str) -> int:
        command = [sys.executable, "-m", "guard", "audit", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, check=False).returncode

    assert code("verify") == 0
    assert code("query", "SELECT colour FROM calls") == 2
    path.write_bytes(b"")
    assert code("verify") == 1


def test_names_of_columns_are_values_too(guard_audit: Callable[..., Result], exports: Path) -> None:
    """D05: a PIVOT makes column names of what is on record; neither they nor full-width signs run or steer."""
    sql = "SELECT ' ＝1' AS v, '＠a' AS w, tenant AS \"=cmd\x1b[31m\x9b2J\" FROM decisions"
    header, row = csv.reader(io.StringIO(guard_audit("query", sql, "--csv").output))
    assert header == ["v", "w", "'=cmd\\u001b[31m\\u009b2J"]
    assert row[:2] == ["' ＝1", "'＠a"]
    for form in ((), ("--json",), ("--csv",)):
        given = guard_audit("query", sql, *form)
        assert given.exit_code == 0
        assert all(c in "\r\n" or c.isprintable() for c in given.output), form
    assert json.loads(guard_audit("query", sql, "--json").output) == [
        {"v": " ＝1", "w": "＠a", "=cmd\x1b[31m\x9b2J": HOSTILE}
    ]
    small = guard_audit("query", 'SELECT 1 AS "[bold]\x9b"')
    assert "[bold]\\u009b" in small.output
