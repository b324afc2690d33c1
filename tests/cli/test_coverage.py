"""`guard coverage` prints the map of positions that the gateway really uses."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from guard.cli.main import _verbs, app
from guard.wire.coverage import coverage


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
