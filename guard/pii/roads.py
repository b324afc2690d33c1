"""The rows made ready: compiled once for a choice of kinds and countries, and searched each on its road."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from guard.pii.checks import CHECKS
from guard.pii.cues import CUES, Cue
from guard.pii.rows import Edge, Road, Row
from guard.pii.validators import Check

_LEFT = {
    Edge.WORD: r"(?<![A-Za-z0-9])",
    Edge.DIGIT: r"(?<![0-9])",
    Edge.DOTTED: r"(?<![A-Za-z0-9])(?<![0-9]\.)",
    Edge.FREE: "",
}
_RIGHT = {
    Edge.WORD: r"(?![A-Za-z0-9])",
    Edge.DIGIT: r"(?![0-9])",
    Edge.DOTTED: r"(?![A-Za-z0-9])(?!\.[0-9])",
    Edge.FREE: "",
}
_GATE_EDGE = {Edge.WORD: "[^A-Za-z0-9]", Edge.DIGIT: "[^0-9]", Edge.DOTTED: "[^A-Za-z0-9]", Edge.FREE: ""}
_LONG_REPEAT = re.compile(r"\{(\d+),\d{3,}\}")


@dataclass(frozen=True, slots=True)
class Ready:
    """A row with its compiled patterns, check and cues."""

    row: Row
    search: Any
    left: Any
    right: Any
    check: Check | None
    cue: Cue | None
    unless: Cue | None
    group: int


def _ready(row: Row) -> Ready:
    left, right = _LEFT[row.edge], "" if row.trim else _RIGHT[row.edge]
    inside = "" if row.road is Road.LITERAL else left
    pattern = re.compile(f"{inside}(?:{row.core}){right}".encode("ascii"))
    return Ready(
        row,
        pattern.match if row.road is Road.AFTER else pattern.search,
        re.compile(left.encode("ascii")).match,
        re.compile(_RIGHT[row.edge].encode("ascii")).match,
        CHECKS[row.check] if row.check else None,
        CUES[row.cue] if row.cue else None,
        CUES[row.unless] if row.unless else None,
        1 if pattern.groups else 0,
    )


def gate_pattern(row: Row) -> str:
    """What the gate asks of a row: its core between edges, which may let through more than the row finds."""
    core = row.gate or _LONG_REPEAT.sub(r"{\1,}", row.core)
    edge = _GATE_EDGE[row.edge]
    if not edge:
        return core
    return f"(?:^|{edge})(?:{core})" + ("" if row.trim else f"(?:$|{edge})")


def _gate(rows: list[Row]) -> Any:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = 64 << 20
    gate = re2.Set.SearchSet(options)
    for row in rows:
        gate.Add(gate_pattern(row))
    gate.Compile()
    return gate


class Roads:
    """The compiled rows of one choice, by road."""

    def __init__(self, rows: tuple[Row, ...]) -> None:
        gated = [row for row in rows if row.road not in (Road.MAIL, Road.AFTER)]
        self.gated = [_ready(row) for row in gated]
        self.numbers = [ready for ready in self.gated if ready.row.road is Road.DIGITS]
        self.mail = [_ready(row) for row in rows if row.road is Road.MAIL]
        self.after = [_ready(row) for row in rows if row.road is Road.AFTER]
        self.gate = _gate([ready.row for ready in self.gated]) if self.gated else None
        self.number_gate = _gate([ready.row for ready in self.numbers])


@cache
def roads(rows: tuple[Row, ...]) -> Roads:
    """Compile a choice of rows, once a process."""
    return Roads(rows)


_CLASS = bytearray(b"!" * 256)
for _code in range(256):
    _char = chr(_code)
    if _char in "0123456789":
        _CLASS[_code] = ord("9")
    elif _char.isascii() and _char.isalpha():
        _CLASS[_code] = ord("a")
    elif _char in " \t\r\n./_()+,:;#~-":
        _CLASS[_code] = ord("-")
_CLASSES = bytes(_CLASS)
_REGION = re.compile(rb"9[9a]*(?:-{1,5}a{0,6}9[9a]*)*")
BEFORE, AFTER = 8, 20
"""How far a match of a row on the digits road may reach out of its region."""


def regions(text: bytes) -> Iterator[tuple[int, int]]:
    """The stretches that hold digits, with the letters and separators between them."""
    for match in _REGION.finditer(text.translate(_CLASSES)):
        yield match.start(), match.end()
