"""What the verbs read: files, folders, standard input, and the strings of JSON lines."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from guard.errors import SetupError

JSON_LINES = (".jsonl", ".ndjson")
_PASSED_OVER = frozenset({".git", ".hg", ".svn", "__pycache__"})
_PEEK = 8192
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,40}")


@dataclass(frozen=True, slots=True)
class Piece:
    """One text to scan: the source it is of, the line (from 0) where it begins, its place in a JSON line.

    The first `lead` characters say what the text is (the key of a JSON string) and are no part of it.
    """

    source: str
    text: str = field(repr=False)
    line: int = 0
    path: str = ""
    lead: int = 0


def read_text(source: str) -> str:
    """Read a file or standard input as UTF-8; raises SetupError with what is wrong."""
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as failure:
        raise SetupError(f"{source}: {failure.strerror}") from None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as failure:
        raise SetupError(f"{source}: not UTF-8 (byte {failure.start}); convert it first") from None


def write_text(text: str, out: str, *, private: bool = False) -> None:
    """Write a whole text to a file (0600 if `private`), or to standard output; raises SetupError with what is wrong."""
    data = text.encode("utf-8", "surrogatepass")
    if not out:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    draft = Path(out).with_name(Path(out).name + ".part")
    try:
        draft.unlink(missing_ok=True)
        draft.touch(0o600 if private else 0o666)
        draft.write_bytes(data)
        draft.replace(out)
    except OSError as failure:
        raise SetupError(f"{out}: {failure.strerror}") from None


def listed(sources: Sequence[str]) -> list[str]:
    """Name every file of the sources, folders from top to bottom in order; links are not followed.

    Raises SetupError for a source that is not there.
    """
    found: list[str] = []
    for source in sources:
        if source != "-" and not os.path.lexists(source):
            raise SetupError(f"{source}: No such file or directory")
        found += _files(source) if source != "-" and Path(source).is_dir() else [source]
    return found


def _files(folder: str) -> Iterator[str]:
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - _PASSED_OVER)
        paths = (os.path.join(where, name) for name in sorted(files))
        yield from (path for path in paths if os.path.isfile(path) and not os.path.islink(path))


def is_binary(path: str) -> bool:
    """Whether a file of a folder is no text: a NUL byte early on, or not UTF-8 there."""
    try:
        with open(path, "rb") as file:
            head = file.read(_PEEK)
    except OSError as failure:
        raise SetupError(f"{path}: {failure.strerror}") from None
    if b"\0" in head:
        return True
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as failure:
        return failure.start < len(head) - 4 or len(head) < _PEEK
    return False


def pieces(source: str, text: str, *, json_lines: bool) -> Iterator[Piece]:
    """Cut a text into what is scanned: all of it, or the strings of each of its JSON lines."""
    if not json_lines:
        yield Piece(source, text)
        return
    for number, line in enumerate(text.split("\n")):
        if line.strip():
            yield from _strings(source, number, line)


def _strings(source: str, number: int, line: str) -> Iterator[Piece]:
    try:
        value = orjson.loads(line)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        raise SetupError(f"{source}:{number + 1}: this line is not JSON") from None
    for path, lead, text in _walk(value, "$", ""):
        yield Piece(source, lead + text, number, path, len(lead))


def _walk(value: Any, path: str, key: str) -> Iterator[tuple[str, str, str]]:
    """Every string of a JSON value with its place, behind the key that says what it is; keys too."""
    if isinstance(value, str):
        yield path, f"{key}: " if key else "", value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path, f"{key}: " if key else "", str(value)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _walk(item, f"{path}[{place}]", key)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield f"{path} (key)", "", name
            # A key may be anybody's data: only what looks like a name of a field is repeated.
            yield from _walk(item, f"{path}.{name if _NAME.fullmatch(name) else '*'}", name)
