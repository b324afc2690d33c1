"""The language of the command line: English, or Chinese with GUARD_LANG=zh. What machines read is the same in both."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from guard.errors import PolicyError, SetupError

LANGUAGES = ("en", "zh")

HELP = ["-h", "--help"]
"""The options that print a page of help."""

_TABLE = Path(__file__).resolve().parent.parent / "data" / "chinese.json"
_FIELD = re.compile(r"\{(\w+)\}")
_WORD = r"\w+"
_FIELDS = {
    "count": r"[-+]?[\d,.]*\d",
    "action": _WORD,
    "form": _WORD,
    "option": r"\S+",
    "date": r"[\d-]+",
    "restore": r"(?: and restore)?",
    "zone": r"[A-Z]{2,}(?:\+[A-Z]{2,})*",
}
"""What a field is whose name begins so: a number, a word, an option, a day, places; any other is any text."""

_BEFORE = ("guard: ", "Invalid value: ")
"""What may stand before any sentence."""

_RULE = re.compile(r"allow|(?:flag|redact|block)\b.* from .*")

_WAIVED = re.compile(r"\[\S+ for \S+ until .+\)\]")
_WAIVER = re.compile(r"(?<=\)), ")

_STEPS = re.compile(r", (?=(?:flag|redact|block)(?: as \w+(?: and restore)?)? from )")

_TOLD = ("hint", "why", "action", "restore")
"""Fields that are sentences or words of the table themselves."""


def language() -> str:
    """`en` or `zh`, by GUARD_LANG; raises SetupError for any other word."""
    word = os.environ.get("GUARD_LANG", "").strip() or "en"
    if word not in LANGUAGES:
        raise SetupError(f"GUARD_LANG is {word[:20]!r}: write en or zh")
    return word


def told(text: str) -> str:
    """A sentence in the language of the command line; one that the table does not have stays English."""
    return text if language() == "en" else _chinese(text)


def value(text: str) -> str:
    """A value of a policy: a rule and an exception are told, everything else stays as it is written."""
    return text if language() == "en" else _value(text)


def _value(text: str) -> str:
    if _WAIVED.fullmatch(text):
        return f"[{'，'.join(map(_chinese, _WAIVER.split(text[1:-1])))}]"
    return _chinese(text) if _RULE.fullmatch(text) else text


def tag() -> str:
    """The language as HTML names it (RFC 5646)."""
    return {"en": "en", "zh": "zh-CN"}[language()]


def speaker() -> Callable[[str], str]:
    """What says a sentence in the language of this moment, whatever becomes of the environment."""
    return str if language() == "en" else _chinese


def problems(error: PolicyError) -> str:
    """The problems of a policy, one a line: file, line and key as they are, what is wrong in the language."""
    return "\n".join(map(_problem, error.problems))


def _problem(problem: str) -> str:
    message = getattr(problem, "message", "")
    return problem.removesuffix(message) + told(message) if message else told(problem)


@cache
def table() -> dict[str, str]:
    """The sentences: English to Chinese, both with the same {fields}."""
    found: dict[str, str] = json.loads(_TABLE.read_text("utf-8"))
    return found


@cache
def _every() -> dict[str, str]:
    """The table, and what a refused person reads, which has its Chinese beside it."""
    return {**dict(_refusals()), **table()}


def _refusals() -> Iterator[tuple[str, str]]:
    from guard.sentences import CHINESE, ENGLISH

    for name in ENGLISH.keys() - {"place"}:
        pair = ENGLISH[name], CHINESE[name]
        for places in ((said["place"] for said in (ENGLISH, CHINESE)), ("", "")):
            english, chinese = (a.replace("{place}", b) for a, b in zip(pair, places, strict=True))
            yield _plain(english), _plain(chinese)


def _plain(text: str) -> str:
    """A text of `str.format` as it comes out."""
    return text.replace("{{", "{").replace("}}", "}")


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """The sentences with fields, those with the most words of their own first."""
    rows = [row for row in _every().items() if _FIELD.search(row[0])]
    rows.sort(key=lambda row: -len(_FIELD.sub("", row[0])))
    return [(_pattern(english), chinese) for english, chinese in rows]


def _pattern(english: str) -> re.Pattern[str]:
    parts = _FIELD.split(english)
    texts = (_field(part) if n % 2 else re.escape(part) for n, part in enumerate(parts))
    return re.compile("".join(texts), re.DOTALL)


def _field(name: str) -> str:
    kind = next((kind for start, kind in _FIELDS.items() if name.startswith(start)), ".*?")
    return f"(?P<{name}>{kind})"


def _chinese(text: str) -> str:
    if text in _every():
        return _every()[text]
    for pattern, chinese in _patterns():
        found = pattern.fullmatch(text)
        if found and not found[1].startswith(_BEFORE):
            return _filled(chinese, {name: _filler(name, v) for name, v in found.groupdict().items()})
    steps = _STEPS.split(text)  # of a rule
    return "，".join(map(_chinese, steps)) if len(steps) > 1 else text


def _filler(name: str, text: str) -> str:
    """What stands in a field: words of the table in Chinese, a value of a policy as it is written."""
    if name.startswith("set"):
        return _value(text)
    return _chinese(text) if name.startswith(_TOLD) else text


def _filled(text: str, values: dict[str, str]) -> str:
    return _FIELD.sub(lambda field: values[field[1]], text)


def spoken(command: Any) -> Any:
    """A command with all below it, whose help is in the language, its paragraphs as long as the terminal is wide."""
    if language() != "en":
        _titles()
        _fold()
    _speak(command)
    return command


def _speak(command: Any) -> None:
    import click

    options = (*command.params, command.get_help_option(click.Context(command, help_option_names=HELP)))
    for each in (command, *filter(None, options)):
        for word in ("help", "short_help", "epilog"):
            if text := getattr(each, word, None):
                setattr(each, word, _paragraphs(text))
    for below in getattr(command, "commands", {}).values():
        _speak(below)


def _paragraphs(text: str) -> str:
    return "\n\n".join(told(" ".join(part.split())) for part in text.split("\n\n"))


def _titles() -> None:
    """The headings of the pages of help."""
    from typer import rich_utils

    for name in ("ARGUMENTS", "OPTIONS", "COMMANDS", "ERRORS"):
        name += "_PANEL_TITLE"
        setattr(rich_utils, name, told(getattr(rich_utils, name)))


def _fold() -> None:
    """Let the pages of help go on in the next line where no blank allows it: Chinese has none."""
    from typer import rich_utils

    made: Any = rich_utils._make_rich_text

    def folding(**how: Any) -> Any:
        text = made(**how)
        text.overflow = "fold"
        return text

    if made.__name__ != folding.__name__:
        rich_utils._make_rich_text = folding
