"""Read a policy file into plain data with the line of every key: bounded, without aliases, tags or guesses.

Plain scalars are read as YAML 1.2 reads them: `NO`, `off` and `yes` are text, `2026-12-31` is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from guard.errors import PolicyError

MAX_BYTES = 1 << 20
"""A policy of a thousand rules has 60 KB; nothing near a megabyte is a policy."""
MAX_DEPTH = 16
MAX_VALUES = 5_000
MAX_PROBLEMS = 50

KeyPath = tuple[str | int, ...]

_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Problem(str):
    """One mistake: the line `file:line:key: what is wrong: what to write instead`, which also knows its parts."""

    file: str
    line: int
    key: str
    message: str

    @classmethod
    def at(cls, file: str, line: int, key: str, message: str) -> Problem:
        """Make the line of its parts; a mistake of the whole file has the key `(file)`."""
        problem = cls(f"{file}:{line}:{key or '(file)'}: {message}")
        problem.file, problem.line, problem.key, problem.message = file, line, key, message
        return problem


@dataclass
class Source:
    """One policy file as plain data, and where each of its keys stands."""

    path: Path
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: KeyPath) -> int:
        """The line of a key, or of the nearest key above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def origin(self, path: KeyPath) -> str:
        """Say where a key stands as `file:line`, without the folder."""
        return f"{self.path.name}:{self.line(path)}"

    @property
    def full(self) -> bool:
        """Whether enough problems are noted: looking for more would only cost time."""
        return len(self.problems) >= MAX_PROBLEMS

    def problem(self, path: KeyPath, text: str) -> None:
        """Note what is wrong with a key and what to write instead."""
        self.problem_at(self.line(path), dotted(path), text)

    def problem_at(self, line: int, key: str, text: str) -> None:
        """Note a problem at a line; at most 50 are kept, so that the list stays readable."""
        if not self.full:
            self.problems.append(Problem.at(str(self.path), line, key, text))

    def error(self, *more: str) -> PolicyError:
        """The one error that holds all problems of the file, in the order of its lines."""
        mine = sorted(dict.fromkeys(self.problems), key=lambda problem: (problem.line, problem))
        return PolicyError([*mine, *more])


def dotted(path: KeyPath) -> str:
    """Write a path as an officer reads it: `input.rules.pii.*.at`, `extends[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in path)
    return text.removeprefix(".")


def shown(text: object) -> str:
    """Shorten what is quoted in a message, and keep it on one line."""
    one_line = "".join(c if c.isprintable() else "?" for c in str(text)[:61])
    return one_line if len(one_line) <= 60 else one_line[:60] + "…"


def read_source(path: Path) -> Source:
    """Read one policy file; raises PolicyError for what is no readable policy file at all.

    Problems that leave the rest readable (duplicate keys) are noted in `Source.problems`.
    """
    source = Source(path)
    text = _text(source)
    try:
        _Reader(source, text).read()
    except yaml.YAMLError as error:
        _note_syntax(source, error)
    except _Unreadable:
        pass
    else:
        return source
    raise source.error()


class _Unreadable(Exception):
    """Reading cannot go on; the problem is noted already."""


def place(folder: Path, text: str | Path) -> Path:
    """The path that a policy writes, from the folder of its file; what cannot be a path is one that is not there."""
    path = Path(str(text).replace("\0", "\ufffd"))
    try:
        return folder / path.expanduser()
    except RuntimeError:  # ~somebody, who has no home here
        return folder / path


def _text(source: Source) -> str:
    data = _bytes(source)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        source.problem_at(line, "", "this line is not UTF-8: save the file as UTF-8")
        raise source.error() from None
    return text


def _bytes(source: Source) -> bytes:
    try:
        if not source.path.is_file():
            source.problem_at(
                1, "", "there is no such file: write the path of a policy file or the name of a pack"
            )
            raise source.error()
        with source.path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        source.problem_at(1, "", f"the file cannot be read ({error.strerror}): check its permissions")
        raise source.error() from None
    if len(data) > MAX_BYTES:
        source.problem_at(1, "", "the file is over 1 MiB: a policy is a page or two; take the data out of it")
        raise source.error()
    return data


def _note_syntax(source: Source, error: yaml.YAMLError) -> None:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else 1
    what = getattr(error, "problem", None) or "a character is not allowed here"
    if "nesting" in what:
        what = f"is nested deeper than {MAX_DEPTH} levels"
    source.problem_at(
        line, "", f"is not YAML ({shown(what)}): check indentation, colons, brackets and quotes"
    )


class _Reader:
    """Turns parser events into data, bounded in size, depth and number of values."""

    def __init__(self, source: Source, text: str) -> None:
        self._source = source
        self._seen: set[KeyPath] = set()
        self._values = 0
        self._events: Iterator[Any] = yaml.parse(text, Loader=yaml.CSafeLoader)

    def read(self) -> None:
        next(self._events)
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            self._stop(1, (), "the file is empty: write at least `policy: NAME`")
        value = self._value(next(self._events), ())
        next(self._events)
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            self._stop(
                1, (), "the file holds several documents: write one policy a file, without `---` inside"
            )
        if not isinstance(value, dict):
            self._stop(1, (), "the file is not a mapping: write `key: value` lines, such as `policy: NAME`")
        self._source.data = value

    def _stop(self, line: int, path: KeyPath, text: str) -> None:
        self._source.problem_at(line, dotted(path), text)
        raise _Unreadable

    def _value(self, event: Any, path: KeyPath) -> Any:
        line = event.start_mark.line + 1
        self._refuse_magic(event, line, path)
        self._values += 1
        if self._values > MAX_VALUES:
            self._stop(line, path, f"is the value after {MAX_VALUES}: a policy needs hundreds")
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if len(path) >= MAX_DEPTH:
            self._stop(line, path, f"is nested deeper than {MAX_DEPTH} levels: a policy needs six")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._mapping(path)

    def _refuse_magic(self, event: Any, line: int, path: KeyPath) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._stop(line, path, f"the alias *{shown(event.anchor)} is not read: write the value out")
        if event.anchor is not None:
            self._stop(line, path, f"the anchor &{shown(event.anchor)} is not read: take it out")
        if event.tag is not None:
            self._stop(
                line,
                path,
                f"the tag {shown(event.tag)} is not read: write a plain value, in quotes if it is text",
            )

    def _sequence(self, path: KeyPath) -> tuple[Any, ...]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            item = (*path, len(items))
            self._source.lines[item] = event.start_mark.line + 1
            items.append(self._value(event, item))
        return tuple(items)

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            child = (*path, self._key(event, path))
            self._place(child, event.start_mark.line + 1)
            value = self._value(next(self._events), child)
            if value is None:
                self._source.problem(child, "has no value: write one, or take the key out")
            else:
                items.setdefault(str(child[-1]), value)
        return items

    def _place(self, key: KeyPath, line: int) -> None:
        first = self._source.lines.setdefault(key, line)
        if key in self._seen:
            self._source.problem_at(line, dotted(key), f"stands twice (first in line {first}): keep one")
        self._seen.add(key)

    def _key(self, event: Any, path: KeyPath) -> str:
        line = event.start_mark.line + 1
        self._refuse_magic(event, line, path)
        if not isinstance(event, yaml.ScalarEvent):
            self._stop(line, path, "a list or mapping stands where a key belongs: write `key: value`")
        return str(event.value)


def _scalar(event: yaml.ScalarEvent) -> Any:
    text: str = event.value
    if event.style:  # quoted or a block
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return (
        float(text.replace(".inf", "inf").replace(".nan", "nan")) if _FLOAT.fullmatch(text.lower()) else text
    )
