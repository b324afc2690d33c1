"""`guard coverage` prints the map of positions that the gateway really uses."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from guard.cli.main import _verbs, app
from guard.wire.coverage import WHOLE, coverage


@pytest.fixture(scope="module", autouse=True)
def verbs() -> None:
    """The command line with its verbs."""
    _verbs()


def run(*args: str) -> tuple[int, str]:
    """Exit code and output of one call."""
    result = CliRunner().invoke(app, ["coverage", *args])
    return result.exit_code, result.output


def test_the_whole_map_for_machines() -> None:
    """Every row of the map, and nothing else."""
    code, out = run("--json")
    assert code == 0
    assert json.loads(out) == [row._asdict() for row in coverage()]


def test_one_endpoint_and_direction_for_people() -> None:
    """The places of one body, what becomes of them, and what becomes of other endpoints."""
    code, out = run("embeddings", "--direction", "request")
    assert code == 0
    assert "embeddings: request" in out
    assert "input" in out
    assert "answer" not in out
    assert "guard.opaque.endpoint" in out


def test_an_unknown_name_says_which_there_are() -> None:
    """A typing error costs one line, not an empty table."""
    code, out = run("chta")
    assert code == 2
    assert "endpoints: chat, responses" in out


@pytest.mark.parametrize("columns", [80, 140])
def test_no_line_is_wider_than_the_terminal_and_no_name_is_cut(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 80 and at 140 columns every step of every place stands whole in one line."""
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out = run()
    assert code == 0
    assert max(map(len, out.splitlines())) <= columns
    steps = {name for row in coverage() if row.path != WHOLE for name in re.findall(r"\w+", row.path)}
    assert len(steps) > 200
    assert steps <= set(re.findall(r"\w+", out))


def test_what_is_refused_is_named_with_the_line_that_allows_it() -> None:
    """B20: each endpoint of the SDK that guard does not read stands in the table, with what a policy would say."""
    code, out = run("files")
    assert code == 0
    assert "endpoints: {allow: [files]}" in out
