"""The rows made ready: compiled once for a choice of kinds and countries, and searched each on its road."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from guard.pii import packing, spelling
from guard.pii.checks import CHECKS
from guard.pii.cues import CUES, merged
from guard.pii.nobody import NOBODY
from guard.pii.rows import Edge, Road, Row

_LEFT = {
    Edge.WORD: r"(?<![A-Za-z0-9])",
    Edge.DIGIT: r"(?<![0-9])",
    Edge.DOTTED: r"(?<![A-Za-z0-9])(?<![0-9]\.)",
    Edge.COLON: r"(?<![A-Za-z0-9])(?<!::)(?<![0-9A-Fa-f]{2}[:-])",
    Edge.FREE: "",
}
_RIGHT = {
    Edge.WORD: r"(?![A-Za-z0-9])",
    Edge.DIGIT: r"(?![0-9])",
    Edge.DOTTED: r"(?![A-Za-z0-9])(?!\.[0-9])",
    Edge.COLON: r"(?![A-Za-z0-9])(?![:-][0-9A-Fa-f:])",
    Edge.FREE: "",
}
_GATE_EDGE = dict.fromkeys(Edge, "[^A-Za-z0-9]") | {Edge.DIGIT: "[^0-9]", Edge.FREE: ""}
_LONG_REPEAT = re.compile(r"\{(\d+),\d{3,}\}")


class Ready:
    """A row with its compiled patterns, check and cues, flattened for the search."""

    __slots__ = (
        "check", "cue", "cued", "fixed", "group", "kind", "lead", "left", "literal", "loose", "mail", "nobody",
        "number", "right", "row", "score", "search", "shared", "special", "trim", "unless", "waits", "yields",
    )  # fmt: skip

    def __init__(self, row: Row, yields: bool = False, shared: bool = False) -> None:
        left, right = _LEFT[row.edge], _RIGHT[row.edge]
        inside = "" if row.road is Road.LITERAL else left
        pattern = re.compile(f"{inside}(?:{row.core}){right}".encode("ascii"))
        self.row = row
        self.kind, self.score, self.cued, self.trim, self.lead = row.kind, row.score, row.cued, row.trim, row.lead
        self.search = pattern.match if row.road is Road.AFTER else pattern.search
        self.left = re.compile(left.encode("ascii")).match
        self.right = re.compile(right.encode("ascii")).match
        self.check: Any = CHECKS[row.check] if row.check else None
        self.cue: Any = CUES[row.cue] if row.cue else None
        self.unless: Any = CUES[row.unless] if row.unless else None
        self.nobody = NOBODY[row.nobody] if row.nobody else None
        self.special = row.road in (Road.LITERAL, Road.MAIL) or bool(row.lead)
        self.literal, self.mail, self.number = row.road is Road.LITERAL, row.road is Road.MAIL, row.road is Road.DIGITS
        self.fixed = row.score if not row.cue and not row.unless else 0.0
        self.waits = bool(row.cue) and not row.score
        self.group = pattern.groupindex.get("value", 0)
        self.yields, self.shared, self.loose = yields, shared, row.edge is Edge.DIGIT


def _numbers(rows: list[Row]) -> dict[Row, bool]:
    """The rows on the digits road, each with whether an earlier, surer row of its kind goes before it."""
    seen: set[str] = set()
    found = {}
    for row in rows:
        if row.road is Road.DIGITS:
            found[row] = row.kind in seen
            seen.add(row.kind)
    return found


def gate_pattern(row: Row) -> str:
    """What the gate asks of a row: its core between edges, which may let through more than the row finds."""
    core = row.gate or _LONG_REPEAT.sub(r"{\1,}", row.core)
    edge = _GATE_EDGE[row.edge]
    if not edge:
        return core
    return f"(?:^|{edge})(?:{core})(?:$|{edge})"


def _gate(rows: list[Row], *hints: str) -> Any:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = 64 << 20
    gate = re2.Set.SearchSet(options)
    for row in rows:
        gate.Add(gate_pattern(row))
    for hint in hints:
        gate.Add(hint)
    gate.Compile()
    return gate


class Roads:
    """The compiled rows of one choice, by road.

    Number rows that need a cue word (`waiting`) are looked for only where a word of any of them stands, however
    many countries have one.
    """

    def __init__(self, rows: tuple[Row, ...]) -> None:
        numbers = _numbers(list(rows))
        shared = {row.kind for row, yields in numbers.items() if yields}
        ready = [Ready(row, numbers.get(row, False), row.kind in shared) for row in rows]
        by_road = {road: [row for row in ready if row.row.road is road] for road in Road}
        self.numbers, self.mail, self.after = by_road[Road.DIGITS], by_road[Road.MAIL], by_road[Road.AFTER]
        self.gated = [row for row in ready if row.row.road not in (Road.DIGITS, Road.MAIL, Road.AFTER)]
        self.spelled, self.packed = len(self.gated), len(self.gated) + 1
        self.gate = _gate([row.row for row in self.gated], spelling.HINT, packing.HINT) if rows else None
        self.number_gate = _gate([row.row for row in self.numbers])
        self.awaited = merged([row.cue for row in self.numbers if row.waits])


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
_REGION = re.compile(rb"9[9a]*(?:-{1,5}(?:a{1,4}-{0,3})?9[9a]*)*")
BEFORE, AFTER = 8, 20
"""How far a match of a row on the digits road may reach out of its region."""

SHORTEST = 6
"""The characters of the shortest region that can hold a match."""


def regions(text: bytes) -> list[tuple[int, int]]:
    """The stretches that hold digits, with the letters and separators between them, if long enough for a match."""
    classes = text.translate(_CLASSES)
    if b"9" not in classes:
        return []
    return [span for match in _REGION.finditer(classes) if (span := match.span())[1] - span[0] >= SHORTEST]
