"""`guard init`: what it writes loads, passes its own cases, and nothing is written over."""

from __future__ import annotations

import datetime
import itertools
import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from guard.cases import Cases
from guard.policy.check import warnings
from guard.policy.load import load

ROOT = Path(__file__).parents[2]


def run(folder: Path, *options: str, answers: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the verb in a folder, on a terminal where there are answers to its questions."""
    ours, theirs = pty.openpty() if answers is not None else (-1, subprocess.DEVNULL)
    if answers is not None:
        os.write(ours, answers.encode())
    try:
        return subprocess.run(
            [sys.executable, "-m", "guard", "init", *options],
            cwd=folder,
            stdin=theirs,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
    finally:
        if answers is not None:
            os.close(ours)
            os.close(theirs)


@pytest.mark.parametrize(
    ("where", "people"), list(itertools.product(("any", "eu", "CN"), ("replace", "refuse", "observe")))
)
def test_what_it_writes_is_a_policy_that_passes_its_cases(tmp_path: Path, where: str, people: str) -> None:
    """Whatever the answers: the policy loads, its cases pass, and where it stays is where it was told to."""
    from guard.cli.init import init

    init(tmp_path, where=where, people=people, mount="app", yes=False, force=False)
    loaded = load(tmp_path / "guard.yaml")
    assert loaded.policy.egress.jurisdictions == {"any": None, "eu": ("EEA", "CH"), "CN": ("CN",)}[where]
    with Cases(loaded.policy) as cases:
        assert [problem for placed in loaded.cases for problem in cases.run(placed).problems] == []
    assert json.loads((tmp_path / "guard.schema.json").read_text())["title"] == "guard policy"
    env = tmp_path / ".env"
    assert "GUARD_POLICY=guard.yaml" in env.read_text()
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert ("mode: observe" in str(warnings(loaded, datetime.date(2026, 1, 1)))) == (people == "observe")


def test_three_questions_are_asked_on_a_terminal(tmp_path: Path) -> None:
    """The answers are the terminal's; an empty line takes what is proposed; a wrong one is told, and asked again."""
    done = run(tmp_path, answers="mars\neu\n\nboat\nGateway\n")
    assert done.returncode == 0, done.stderr
    assert "'MARS' is no place: write any, eu, or codes of countries" in done.stdout
    assert "'boat' is not known: write one of app, client, gateway" in done.stdout
    assert load(tmp_path / "guard.yaml").policy.egress.jurisdictions == ("EEA", "CH")
    assert "guard serve --policy guard.yaml --port 8080" in done.stdout


def test_without_a_terminal_it_says_which_options_answer(tmp_path: Path) -> None:
    """In a script it does not wait for an answer, and it writes nothing."""
    done = run(tmp_path)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "--where, --people and --mount, or --yes" in done.stderr
    assert run(tmp_path, "--yes").returncode == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--yes", "--where", "mars"), "'MARS' is no place"),
        (
            ("--yes", "--people", "ignore"),
            "--people 'ignore' is not known: write one of replace, refuse, observe",
        ),
        (("--yes", "--mount", "tunnel"), "--mount 'tunnel' is not known: write one of app, client, gateway"),
    ],
)
def test_a_wrong_answer_is_told_and_nothing_is_written(
    tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    """B32: one clear line, and no half of a configuration."""
    done = run(tmp_path, *options)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert sentence in done.stderr


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A policy that is there stays, unless --force is given; an `.env` always stays."""
    (tmp_path / "guard.yaml").write_text("policy: mine\n")
    (tmp_path / ".env").write_text("OPENAI_API_KEY=x\n")
    done = run(tmp_path, "--yes")
    assert (done.returncode, (tmp_path / "guard.yaml").read_text()) == (2, "policy: mine\n")
    done = run(tmp_path, "--yes", "--force")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / ".env").read_text() == "OPENAI_API_KEY=x\n"
    assert "add: GUARD_POLICY=guard.yaml" in done.stdout
