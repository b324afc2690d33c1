"""The rows made ready: compiled once for a choice of kinds and countries, and searched each on its road."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from guard.pii import packing, spelling
from guard.pii.checks import CHECKS
from guard.pii.cues import CUES, Window, merged
from guard.pii.nobody import NOBODY
from guard.pii.resolve import STRONG
from guard.pii.rows import Edge, Road, Row

_LEFT = {
    Edge.WORD: r"(?<![A-Za-z0-9])",
    Edge.DIGIT: r"(?<![0-9])",
    Edge.DOTTED: r"(?<![A-Za-z0-9])(?<![0-9]\.)",
    Edge.COLON: r"(?<![A-Za-z0-9])(?<!::)(?<![0-9A-Fa-f]{2}[:-])",
    Edge.SLASHED: r"(?<![A-Za-z0-9/])(?<![0-9][.-])",
    Edge.FREE: "",
}
_RIGHT = {
    Edge.WORD: r"(?![A-Za-z0-9])",
    Edge.DIGIT: r"(?![0-9])",
    Edge.DOTTED: r"(?![A-Za-z0-9])(?!\.[0-9])",
    Edge.COLON: r"(?![A-Za-z0-9])(?![:-][0-9A-Fa-f:]|\.[0-9])",
    Edge.SLASHED: r"(?![A-Za-z0-9/])(?![.-][0-9])",
    Edge.FREE: "",
}
_GATE_EDGE = dict.fromkeys(Edge, "[^A-Za-z0-9]") | {Edge.DIGIT: "[^0-9]", Edge.FREE: ""}
_LONG_REPEAT = re.compile(r"\{(\d+),\d{3,}\}")


class Ready:
    """A row with its compiled patterns, check and cues, flattened for the search."""

    __slots__ = (
        "check", "cue", "cued", "fixed", "group", "kind", "lead", "left", "literal", "loose", "mail", "nation",
        "nobody", "number", "right", "row", "score", "search", "shared", "special", "trim", "unless", "waits", "yields",
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
        self.literal, self.mail, self.nation = row.road is Road.LITERAL, row.road is Road.MAIL, row.road is Road.NATION
        self.number = row.road is Road.DIGITS or self.nation
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


class Nations:
    """The rows of national numbers: which of them a stretch of text calls for, compiled when first searched."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self._gate = _gate(rows)
        self._sure = [index for index, row in enumerate(rows) if row.score >= STRONG]
        self._sure_gate = _gate([rows[index] for index in self._sure]) if self._sure else None
        self._alone = frozenset(index for index, row in enumerate(rows) if row.score)
        self._words = _by_word(rows)
        self._others = _by_other_words(rows)
        self._any_other = merged([CUES[row.cue] for row in rows if row.cue]).others
        self._ready: dict[int, Ready] = {}

    def ready(self, index: int) -> Ready:
        """One row, compiled."""
        found = self._ready.get(index)
        if found is None:
            found = self._ready[index] = Ready(self.rows[index])
        return found

    def called(self, stretch: bytes, window: Window, taken: bool) -> list[int]:
        """The rows that could match in a stretch, by the cue words in the window before and in it.

        Where all of it is taken by what was surely found, a row without a cue word must be as sure.
        """
        cued = self.cued(window)
        if taken and not cued:
            hits = self._sure_gate.Match(stretch) if self._sure_gate else None
            return [self._sure[hit] for hit in hits or ()]
        alone = self._alone.intersection(self._sure) if taken else self._alone
        return [hit for hit in self._gate.Match(stretch) or () if hit in cued or hit in alone]

    def cued(self, window: Window) -> frozenset[int]:
        """The rows with a cue word in a stretch."""
        found = [self._words[word] for word in window.words if word in self._words]
        if window.original and self._any_other is not None and self._any_other.search(window.original):
            found += (rows for others, rows in self._others if others.search(window.original))
        return frozenset().union(*found) if found else _NONE


_NONE: frozenset[int] = frozenset()


def _by_word(rows: list[Row]) -> dict[bytes, frozenset[int]]:
    """The rows that each Latin cue word calls for."""
    found: dict[bytes, set[int]] = {}
    for index, row in enumerate(rows):
        for word in CUES[row.cue].every if row.cue else ():
            found.setdefault(word, set()).add(index)
    return {word: frozenset(indexes) for word, indexes in found.items()}


def _by_other_words(rows: list[Row]) -> list[tuple[re.Pattern[str], frozenset[int]]]:
    """The rows that the cue words outside ASCII call for, cue by cue."""
    found: dict[re.Pattern[str], set[int]] = {}
    for index, row in enumerate(rows):
        if row.cue and (others := CUES[row.cue].others) is not None:
            found.setdefault(others, set()).add(index)
    return [(others, frozenset(indexes)) for others, indexes in found.items()]


class Roads:
    """The compiled rows of one choice, by road.

    Number rows that need a cue word (`waiting`) are looked for only where a word of any of them stands, however
    many countries have one.
    """

    def __init__(self, rows: tuple[Row, ...]) -> None:
        numbers = _numbers(list(rows))
        shared = {row.kind for row, yields in numbers.items() if yields}
        nations = [row for row in rows if row.road is Road.NATION]
        self.nations = Nations(nations) if nations else None
        others = (row for row in rows if row.road is not Road.NATION)
        ready = [Ready(row, numbers.get(row, False), row.kind in shared) for row in others]
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

SHORTEST = 5
"""The characters of the shortest region that can hold a match."""


def regions(text: bytes) -> list[tuple[int, int]]:
    """The stretches that hold digits, with the letters and separators between them, if long enough for a match."""
    classes = text.translate(_CLASSES)
    if b"9" not in classes:
        return []
    return [span for match in _REGION.finditer(classes) if (span := match.span())[1] - span[0] >= SHORTEST]
