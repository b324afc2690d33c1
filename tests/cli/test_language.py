"""GUARD_LANG: the way from init to serve in English and in Chinese; what machines read is the same in both."""

from __future__ import annotations

import ast
import errno
import os
import re
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import CliRunner
from rich.cells import cell_len
from typer import rich_utils

from guard.cli import casereport, language, main
from guard.cli.language import table, told
from guard.errors import SetupError
from guard.policy.load import load
from tests.cli.program import FILES, GUARD, HANZI, parsed, sample

FIELD = re.compile(r"\{(\w+)\}")
SAYS = ("told", "SetupError", "BadParameter")
"""What is said by these is said to a person at a terminal, wherever it stands."""
MISTAKES = ("wrong", "problem")
PRINTS = ("print", "echo", "rule", "confirm")
UNSAID = {"guard", "key", "trace", "content", "encrypted", "auditor", "text"}
"""Words of bare output that are names, or what another program reads."""
OTHERS = {  # said by the system, by typer and click
    *(f"{{path}}: {os.strerror(number)}" for number in errno.errorcode),
    *("Options", "Arguments", "Commands"),
    "Install completion for the current shell.",
    "Show completion for the current shell, to copy it or customize the installation.",
    "Show this message and exit.",
    *("Invalid value: {why}", "Invalid value for {option}: {why}", "Missing parameter: {name}"),
    *("Missing argument {name}.", "Missing option {name}.", "Option {name} requires an argument."),
    *("No such option: {name}", "No such option: {name} Did you mean {other}?"),
    "No such option: {name} (Possible options: {other})",
    *("No such command {name}.", "No such command {name}. Did you mean {other}?"),
    *("Got unexpected extra argument ({name})", "Got unexpected extra arguments ({name})"),
    *("{value} is not a valid {type}.", "{value} is not one of {words}."),
    "{value} is not in the range {range}.",
}


@pytest.fixture(autouse=True)
def headings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages of help are typer's own again after each test."""
    monkeypatch.setattr(rich_utils, "_make_rich_text", rich_utils._make_rich_text)
    for name in ("ARGUMENTS", "OPTIONS", "COMMANDS", "ERRORS"):
        monkeypatch.setattr(rich_utils, f"{name}_PANEL_TITLE", getattr(rich_utils, f"{name}_PANEL_TITLE"))


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_LANG", "zh")


def texts(tree: ast.AST) -> Iterator[str]:
    """The texts of a program, each on one line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield " ".join(node.value.split())


def test_each_sentence_is_translated() -> None:
    """Chinese, with the same fields, none lost and none made up."""
    for english, said in table().items():
        assert HANZI.search(said) or said == "guard：{why}", english
        assert sorted(FIELD.findall(english)) == sorted(FIELD.findall(said)), english


def test_each_sentence_is_said_somewhere() -> None:
    """No translation outlives its sentence: guard's own code has the words between the fields."""
    known = "\n".join(" ".join(texts(parsed(file))) for file in FILES)
    gone = [
        english
        for english in sorted(table().keys() - OTHERS)
        for words in FIELD.sub("\0", english).split("\0")
        if " ".join(words.split()).strip(" :;,()") not in known
    ]
    assert gone == []


def yielded(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Yield) and isinstance(node.value, ast.Constant | ast.JoinedStr):
            yield node.value


def called(*names: str) -> Callable[[ast.AST], Iterator[ast.AST]]:
    def find(tree: ast.AST) -> Iterator[ast.AST]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names:
                yield from (a for a in node.args if isinstance(a, ast.Constant | ast.JoinedStr))

    return find


@pytest.mark.parametrize(
    ("file", "find"),
    [
        ("policy/check.py", yielded),
        ("cli/doctor.py", called("Check", "told")),
        ("cli/init.py", called("SetupError", "told")),
        ("cli/serve.py", called("SetupError", "told")),
        ("cli/policy.py", called("told")),
        ("cli/casereport.py", called("told")),
        ("cli/attachments.py", called("told")),
    ],
)
@pytest.mark.usefixtures("chinese")
def test_the_way_is_whole(file: str, find: Callable[[ast.AST], Iterator[ast.AST]]) -> None:
    """Everything that these files say to a person has its translation: states and numbers aside."""
    said = [sample(node) for node in find(parsed(GUARD / file))]
    assert len(said) > 2
    assert [
        text for text in said if text.strip("1: ") and not HANZI.search(told(text.strip().rstrip("1")))
    ] == []


def written(node: ast.AST) -> Iterator[ast.AST]:
    """The texts that an argument may be: as it stands, or either side of a choice."""
    if isinstance(node, ast.IfExp):
        yield from (*written(node.body), *written(node.orelse))
    elif isinstance(node, ast.BinOp):
        yield from (*written(node.left), *written(node.right))
    elif isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield node


def said_by(file: Path) -> Iterator[tuple[str, ast.AST]]:
    """Each text that a file gives to a call, with the call's name."""
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            arguments = node.args[-1:] if name == "problem" else node.args
            yield from ((name, text) for argument in arguments for text in written(argument))


@pytest.mark.usefixtures("chinese")
def test_each_sentence_has_its_row() -> None:
    """Errors of usage and of the start, mistakes of policies, what a verb tells: a new sentence needs its Chinese."""
    missing = []
    for file in FILES:
        names = {*SAYS, *(MISTAKES if file.parent == GUARD / "policy" else ())}
        for text in (sample(node) for name, node in said_by(file) if name in names):
            chinese = told(text) + told(text.strip())
            if re.search("[a-z]{2}", text) and not HANZI.search(chinese) and text != "guard: 1":
                missing.append(f"{file.relative_to(GUARD)}: {text}")
    assert missing == []


def test_no_sentence_goes_round_the_table() -> None:
    """What a verb prints is said by `told`, but for names and values."""
    bare = []
    for file in (file for file in FILES if file.parent.name == "cli"):
        for node in ast.walk(parsed(file)):
            name = getattr(node, "func", None)
            if not isinstance(node, ast.Call) or getattr(name, "attr", getattr(name, "id", "")) not in PRINTS:
                continue
            for text in (text for argument in node.args[:1] for text in written(argument)):
                parts = text.values if isinstance(text, ast.JoinedStr) else [text]
                fixed = " ".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
                words = re.findall("[a-z]{3,}", re.sub(r"\[/?[a-z ]+\]|guard audit \w+", "", fixed))
                bare += [f"{file.name}: {fixed}"] if {*words} - UNSAID else []
    assert bare == []


@pytest.mark.usefixtures("chinese")
def test_common_mistakes_of_policies() -> None:
    """The sentences of the types of values, of kinds and of rules."""
    tree = parsed(GUARD / "policy/lint.py")
    [sentences] = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_SENTENCES"
    ]
    assert isinstance(sentences, ast.Dict)
    for value in sentences.values:
        english = sample(value)
        filled = english.format(**dict.fromkeys((f[1] for f in string.Formatter().parse(english) if f[1]), 1))
        assert HANZI.search(told(filled)), english


def commands(command: Any) -> Iterator[Any]:
    yield command
    for below in getattr(command, "commands", {}).values():
        yield from commands(below)


@pytest.fixture
def root() -> Any:
    if not main.app.registered_groups:
        main._verbs()
    return typer.main.get_command(main.app)


def test_help_is_translated(root: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page whole, option by option, an example for each verb; nothing is cut at 80 columns."""
    monkeypatch.setenv("GUARD_LANG", "zh")
    spoken = language.spoken(root)
    for command in commands(spoken):
        helps = (p.help for p in command.params if getattr(p, "help", None))
        pages = [*command.help.split("\n\n"), *helps, *filter(None, [command.epilog])]
        assert [text for text in pages if not HANZI.search(text)] == [], command.name
        shown = CliRunner().invoke(command, ["--help"], env={"COLUMNS": "80"}).output
        assert "选项" in shown
        assert "示例：" in shown or hasattr(command, "commands"), command.name
        assert [line for line in shown.splitlines() if cell_len(line) > 80] == []
        cuts = [line for line in shown.splitlines() if re.search("…│?$", line.rstrip("│ "))]
        assert [line for line in cuts if HANZI.search(line)] == []


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    """The command line as it is called; gives its exit code, output and errors."""
    if main.app.registered_groups:  # the verbs are there once, as in a process of its own
        monkeypatch.setattr(main, "_verbs", lambda: None)
    monkeypatch.setattr("sys.argv", ["guard", *arguments])
    code = main.run()
    return code, *capsys.readouterr()


@pytest.mark.parametrize("mistake", ["fr", "zh_CN.UTF-8x", "中文"])
def test_another_language_is_one_clear_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mistake: str
) -> None:
    """Whatever the verb: nothing is done in a language that nobody chose."""
    monkeypatch.setenv("GUARD_LANG", mistake)
    code, out, err = run(monkeypatch, capsys, "policy", "check", "default")
    assert (code, out) == (2, "")
    assert err == f"guard: GUARD_LANG is {mistake!r}: write en or zh\n"


def test_problems_keep_their_place_and_machines_their_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """file:line:key stay; JSON and exit codes are the same in both languages."""
    (tmp_path / "bad.yaml").write_text(
        "extends: [default]\nmodus: observe\ninput: {rules: {pii.emial: block}}\n"
    )
    (tmp_path / "ok.yaml").write_text(
        "extends: [default]\noutput: {rules: {guard.*: flag}}\n"
        "tests: [{name: t, input: a@kontor-nord.org, expect: {action: block, kinds: []}}]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    cases, first = casereport.run, dict[int, Any]()
    monkeypatch.setattr(casereport, "run", lambda *case: first.get(0) or first.setdefault(0, cases(*case)))
    said: dict[str, list[tuple[int, str, str]]] = {}
    verbs = [
        ("policy", "check", "bad.yaml"),
        ("policy", "check", "ok.yaml"),
        ("policy", "test", "ok.yaml"),
        ("policy", "diff", "default", "ok.yaml"),
        ("policy", "resolve", "ok.yaml"),
    ]
    for word in ("en", "zh"):
        monkeypatch.setenv("GUARD_LANG", word)
        for verb in verbs:
            said.setdefault(word, []).append(run(monkeypatch, capsys, *verb))
            said.setdefault(f"{word}.json", []).append(run(monkeypatch, capsys, *verb, "--json"))
    assert said["en.json"] == said["zh.json"]
    assert [code for code, *_ in said["en"]] == [code for code, *_ in said["zh"]] == [2, 0, 1, 1, 0]
    for (_, english, wrong), (_, chinese, falsch) in zip(said["en"], said["zh"], strict=True):
        assert english + wrong != chinese + falsch
        assert len((english + wrong).splitlines()) == len((chinese + falsch).splitlines())
    assert said["zh"][0][2].splitlines() == [
        "bad.yaml:2:modus: 是未知的键：您是否想写 mode？",
        "bad.yaml:3:input.rules.pii.emial: 不是已知的种类：您是否想写 pii.email？",
    ]
    for line in "".join(out + err for _, out, err in said["zh"]).splitlines():
        values = re.match(r"  [-+] |✗ t |\w+\.rules\.\S+  ", line)
        assert values or HANZI.search(line) or not line.strip(), line


@pytest.mark.usefixtures("chinese")
def test_init_in_chinese(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The policy that it writes teaches in Chinese, and loads."""
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    code, out, _ = run(monkeypatch, capsys, "init", str(tmp_path), "--where", "CN", "--yes")
    assert code == 0
    assert "已写入" in out
    comments = [line.partition("#")[2] for line in (tmp_path / "guard.yaml").read_text("utf-8").splitlines()]
    assert [line for line in comments if line and not HANZI.search(line)] == [
        " yaml-language-server: $schema=guard.schema.json"
    ]
    assert [placed.case.name for placed in load(tmp_path / "guard.yaml").cases] == ["邮箱地址", "粘贴的密钥"]


@pytest.mark.usefixtures("chinese")
def test_a_sentence_within_a_sentence() -> None:
    """What is wrong and what to write instead are put together from both; what has no translation stays."""
    assert told("is an unknown key: did you mean mode?") == "是未知的键：您是否想写 mode？"
    assert told("guard: the moon is made of cheese") == "guard：the moon is made of cheese"
    assert told("something else") == "something else"
    assert told("https://a.example/v1 is admitted: DE+FR by the policy") == (
        "https://a.example/v1 准许：DE+FR，依据策略的声明"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GUARD_LANG", "de")
        with pytest.raises(SetupError):
            told("ok")
