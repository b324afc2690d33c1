"""Lines that are too long to be records: each is told by file, line and size, and left out of answers, never silently.

DuckDB stops at such a line, whatever is asked. So answers are made from a copy without it, in which an empty object
stands in its place: the numbers of the other records stay.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

LONGEST = 64 * 1024 * 1024
"""Longest line that answers are made from; a longer one is no record of guard's."""

_CHUNK = 16 * 1024 * 1024
_PLACE = b"{}"


@dataclass(frozen=True, slots=True)
class Overlong:
    """A line that no answer is made from: its file, its number from 1, its bytes."""

    file: str
    line: int
    bytes: int


_met: dict[Overlong, None] = {}


def meet(lines: Collection[Overlong]) -> None:
    """Note that an answer was made without some lines."""
    _met.update(dict.fromkeys(lines))


def taken() -> list[Overlong]:
    """The lines that answers since the last call were made without."""
    found = list(_met)
    _met.clear()
    return found


def overlong(path: Path) -> list[Overlong]:
    """The overlong lines of an export; few bytes of it are looked at where there are none."""
    return [Overlong(path.name, line, stop - start) for line, start, stop in _found(path)]


def readable(path: Path) -> Path:
    """Where an export can be read: itself, or, where lines of it are overlong, a copy without them, told by `taken`.

    The copy lies in a folder of this process (0700) and goes with it. Raises QueryError where it cannot be made.
    """
    if not (lines := overlong(path)):
        return path
    meet(lines)
    try:
        found = path.stat()
        return _copy(path, found.st_size, found.st_mtime_ns)
    except OSError as error:
        from guard.audit.questions import QueryError

        told = f"{path.name} holds a line of more than 64 MB, and a copy without it cannot be made"
        raise QueryError(f"{told}: {error.strerror}") from None


@cache
def _copy(path: Path, size: int, mtime_ns: int) -> Path:
    target = Path(_scratch().name) / f"{size}-{mtime_ns}-{path.name}"
    with path.open("rb") as source, open(os.open(target, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as copy:
        at = 0
        for _, start, stop in _found(path):
            _pass(source, copy, start - at)
            copy.write(_PLACE)
            at = source.seek(stop)
        _pass(source, copy, size - at)
    return target


@cache
def _scratch() -> TemporaryDirectory[str]:
    from tempfile import TemporaryDirectory

    return TemporaryDirectory(prefix="guard-audit-")


def _pass(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size and (chunk := source.read(min(size, _CHUNK))):
        target.write(chunk)
        size -= len(chunk)


def _found(path: Path) -> Sequence[tuple[int, int, int]]:
    """Number, start and stop of each overlong line; none in what cannot be read, which DuckDB will say."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return [(_number(data, start), start, stop) for start, stop in _spans(data)]
    except (OSError, ValueError):  # an empty file cannot be mapped
        return ()


def _spans(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Start and stop of each: from a line's start, no line end lies within the longest."""
    at, size = 0, len(data)
    while at + LONGEST < size:
        stop = data.rfind(b"\n", at, at + LONGEST + 1)
        if stop < 0:
            stop = data.find(b"\n", at + LONGEST)
            stop = size if stop < 0 else stop
            yield at, stop
        at = stop + 1


def _number(data: mmap.mmap, at: int) -> int:
    return 1 + sum(data[start : min(start + _CHUNK, at)].count(b"\n") for start in range(0, at, _CHUNK))
