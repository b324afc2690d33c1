"""README.md shows what works: its blocks load, import and name verbs that exist."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import guard
from guard.policy.load import load_policy
from tests.cli import command

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def verbs() -> set[tuple[str, ...]]:
    """Every `guard …` that the page shows, cut before its first argument."""
    shown = "\n".join([*blocks("bash"), *re.findall(r"`guard [^`]+`", README)])
    groups = re.findall(r"\bguard (policy|audit) ([a-z]+)", shown)
    return {*groups, *((verb,) for verb in re.findall(r"\bguard ([a-z]+)", shown))}


def printed(name: str) -> str:
    """What .ci/run reads as the command `name`, by its own function."""
    script = 'eval "$(sed -n "/^printed()/,/^}/p" .ci/run)"; top=.; printed "$1"'
    line = ["bash", "-euc", script, "-", name]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(("name", "last"), [("demo", ".venv/bin/guard demo"), ("tests", "pytest")])
def test_ci_runs_the_commands_as_they_are_printed(name: str, last: str) -> None:
    """Each is one line, installs from hashes alone, and ends in what it promises."""
    line = printed(name)
    assert line.count("\n") == 1
    assert "--require-hashes" in line
    assert last in line.split("&&")[-1]
    assert line in blocks("bash")


@pytest.mark.parametrize("verb", sorted(verbs()), ids=" ".join)
def test_the_command_line_knows_every_verb_that_is_shown(verb: tuple[str, ...]) -> None:
    """`guard VERB --help` is there for each."""
    assert command.guard(*verb, "--help").returncode == 0


@pytest.mark.parametrize("block", blocks("python"))
def test_the_snippets_import_names_that_exist(block: str) -> None:
    """A snippet that a user copies starts with an import that works."""
    imports = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)]
    assert [node.module for node in imports] == ["guard"]
    assert {alias.name for node in imports for alias in node.names} <= set(guard.__all__)


def test_the_policy_loads(tmp_path: Path) -> None:
    """The policy in ten lines is a real one, and the packs that its comment names are those that ship."""
    (block,) = blocks("yaml")
    (tmp_path / "acme.yaml").write_text(block)
    assert load_policy(tmp_path / "acme.yaml").policy == "acme"
    assert len(block.splitlines()) <= 10


def test_what_is_out_of_scope_is_said() -> None:
    """D31: each of OWASP's ten risks has its row; poisoning and misinformation are out of scope, and said to be."""
    page = (ROOT / "SECURITY.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (LLM\d\d) [^|]*\| (.*) \|$", page, re.MULTILINE))
    assert [*rows] == [f"LLM{number:02}" for number in range(1, 11)]
    assert {name for name, text in rows.items() if text.startswith("out of scope")} == {"LLM04", "LLM09"}
    assert rows["LLM03"].startswith("covered for guard's own parts")
