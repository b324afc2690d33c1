"""GUARD_LANG=zh: whatever text the program has for people has its Chinese, wherever in the code it stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

import guard.__main__  # noqa: F401  (so that every error class is known)
from guard import errors
from guard.audit import packpage
from guard.audit.chainfile import Problem
from guard.audit.named import QUESTIONS
from guard.audit.pack import Answer, Order, Pack
from guard.audit.regimes import EVERY, REGIMES
from guard.audit.verify import Report
from guard.cli.language import table, tag, told
from guard.kinds import KINDS
from guard.pii import explain
from guard.sentences import sentence
from tests.cli.program import FILES, GUARD, HANZI, parsed, sample

PLACES = (
    *(
        "cli",
        "audit",
        "migration",
        "policy",
        "demo/show.py",
        "traffic/targets.py",
        "detecting.py",
        "residency.py",
    ),
    *("destinations.py", "attached.py", "cases.py", "build.py", "keyring.py", "settings.py"),
)
"""Code whose every sentence is read at a terminal or in an evidence pack."""

SENTENCE = re.compile(r"(?<![\w./:-])[A-Za-z]{2,} [a-z]{2,}(?![\w/])|[a-z]{2,} [a-z]{2,}")
SQL = re.compile(r"\b(?:SELECT|FROM|WHERE|CREATE|INSERT|SET|COPY|DESCRIBE|AS|AND|FORMAT|CASE)\b")
STYLE = re.compile(r"(?:(?:bold|dim|on|black|white|red|green|cyan|yellow) ?)+")
COMMAND = re.compile(r"\s*(?:(?:guard|openssl|python|duckdb|from|OPENAI_\w+=\S+|1 audit) .*)", re.DOTALL)
"""A line of a shell or of Python, which is typed as it is."""

MACHINES = ("description", "help", "epilog", "metavar", "style", "header_style", "title_style")
"""Arguments by name that are no output: of schemas and styles, and of the help, which has a test of its own."""
UNSAID = (
    "SecretStr",
    "on_record",
    "ValueError",
    "compile",
    "getLogger",
    "split",
    "suffixes",
    "replace",
    "startswith",
    "warning",
)
"""Calls whose texts nobody reads at a terminal: names in the record, of patterns, of the program's own mistakes."""


def quiet(tree: ast.AST) -> Iterator[ast.AST]:
    """What of a program is no output: docstrings, texts for machines, parts of texts that are taken whole."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
        if isinstance(node, ast.keyword) and node.arg in MACHINES:
            yield from ast.walk(node)
        if isinstance(node, ast.Call) and named(node.func) in UNSAID:
            yield from ast.walk(node)
        if isinstance(node, ast.JoinedStr):
            yield from node.values
        if isinstance(node, ast.Compare):
            yield from ast.walk(node)
        if isinstance(node, ast.Dict):
            yield from filter(None, node.keys)
            yield from (v for k, v in zip(node.keys, node.values, strict=True) if sample(k) in MACHINES)


def named(node: ast.AST) -> str:
    return str(getattr(node, "id", getattr(node, "attr", "")))


def texts(file: Path) -> Iterator[str]:
    """The texts of a file that may be output."""
    tree = parsed(file)
    passed = set(quiet(tree))
    for node in ast.walk(tree):
        if node not in passed and (
            isinstance(node, ast.JoinedStr)
            or (isinstance(node, ast.Constant) and isinstance(node.value, str))
        ):
            yield sample(node)


def is_sentence(text: str) -> bool:
    """Whether a person would read it as English: two words in a row that are no code, command, style or list."""
    words = {word.partition(":")[0] for word in text.split()}
    code = (
        SQL.search(text)
        or STYLE.fullmatch(text)
        or COMMAND.fullmatch(text)
        or text.count("\n") > 1
        or "(?" in text
    )
    return (
        bool(SENTENCE.search(re.sub("<[^>]*>|`[^`]*`", "", text))) and not code and not words <= {*QUESTIONS}
    )


def is_said(text: str) -> bool:
    """Whether it has a row, or is a piece of a longer sentence that has one."""
    piece = text.strip("1 ;:,")
    return any(piece in row for row in rows()) or bool(HANZI.search(told(text) + told(text.strip())))


@cache
def rows() -> list[str]:
    return [re.sub(r"\{\w+\}", "1", english) for english in table()]


@pytest.fixture(autouse=True)
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_LANG", "zh")


def logs(file: Path) -> bool:
    """Whether a file tells nobody anything but the log, whose lines are read by machines."""
    names = {named(node.func) for node in ast.walk(parsed(file)) if isinstance(node, ast.Call)}
    return "getLogger" in names and not names & {"told", "say", "print", "echo", *error_names()}


def test_what_people_read_is_in_the_table() -> None:
    """Each sentence of the verbs, the evidence pack, the findings of a migration: a new one needs its Chinese."""
    files = [
        file for file in FILES if file.relative_to(GUARD).as_posix().startswith(PLACES) and not logs(file)
    ]
    found = [(file, text) for file in files for text in texts(file) if is_sentence(text)]
    assert len(found) > 300
    assert [f"{file.relative_to(GUARD)}: {text}" for file, text in found if not is_said(text)] == []


@cache
def error_names() -> frozenset[str]:
    """The names of guard's errors, those of every module."""
    found, more = set[type]([errors.GuardError]), [errors.GuardError]
    while more:
        more = [below for one in more for below in one.__subclasses__()]
        found |= {*more}
    return frozenset(one.__name__ for one in found)


def test_every_error_is_in_the_table() -> None:
    """Whatever guard raises may end as a line at a terminal."""
    missing = []
    for file in FILES:
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.Call) and named(node.func) in {*error_names(), "Problem", "says", "_say"}:
                said = (text for each in node.args for text in whole(each) if re.search("[a-z]{2} ", text))
                missing += [f"{file.name}: {text}" for text in said if not is_said(text)]
    assert missing == []


def whole(node: ast.AST) -> Iterator[str]:
    """The texts that an argument may be: as it stands, either side of a choice, or both of a sum."""
    below = {ast.IfExp: ("body", "orelse"), ast.BinOp: ("left", "right")}.get(type(node), ())
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield sample(node)
    for name in below:
        yield from whole(getattr(node, name))


def test_each_check_explains_itself() -> None:
    """`guard scan --explain`: what each validator accepts, and by which standard."""
    for name, check in explain.CHECKS.items():
        assert HANZI.search(told(" ".join((check.__doc__ or "").split()))), name


def test_each_regime_asks_in_chinese() -> None:
    """The evidence pack: its title, what each article asks, and what else answers it; names of articles in numbers."""
    for regime in (*REGIMES.values(), EVERY):
        said = [regime.title, *(text for one in regime.articles for text in (one.asks, one.also) if text)]
        assert [text for text in said if not HANZI.search(told(text))] == []
    for question in QUESTIONS.values():
        assert HANZI.search(told(question.about)), question.name
        for parameter in question.parameters:
            assert HANZI.search(told(parameter.about)), parameter.name


def test_each_refusal_is_said() -> None:
    """`guard redact`: why a text is refused, in the words that a refused person reads."""
    for kind in sorted(KINDS):
        for path in ("", "messages[0].content"):
            assert told(sentence(kind, path)) == sentence(kind, path, languages=("zh",))


@pytest.mark.parametrize("name", [*REGIMES, "all"])
def test_the_evidence_pack_speaks_chinese(name: str) -> None:
    """Its index has no English sentence but what commands, names of columns and texts of the record are."""
    regime = REGIMES.get(name, EVERY)
    order = Order(Path("exports"), regime, "1970-01-01T00:00:00", "2027-01-01T00:00:00", "", b"")
    answers = {
        asked.name: Answer(
            asked, QUESTIONS[asked.question].about, "answers/a.csv", ("kind",), 2, (("pii.email",),)
        )
        for asked in regime.questions
    }
    problem = Problem("cut", "traces-1.jsonl", "record 7 is missing, which traces-2.jsonl names", 3)
    found = Report(1, 8, 4, (problem,), ("one file alone: its links to other files were not checked",))
    page = packpage.page(Pack(order, datetime.now(UTC), answers, found), told, tag())
    words = re.sub(r"(?s)<style>.*?</style>|<code>.*?</code>|<[^>]*>|guard audit \w+", "\n", page)
    assert re.findall(r"[A-Za-z]{2,} [a-z]{2,}", words) == []
    assert "traces-1.jsonl，第 3 行: 缺少 traces-2.jsonl 提到的第 7 条记录" in page
    assert '<html lang="zh-CN">' in page
