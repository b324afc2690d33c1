"""The rows made ready: compiled once for a choice of kinds and countries, and searched each on its road."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import cache
from typing import Any, NamedTuple

from guard.pii import packing, spelling
from guard.pii.checks import check_of
from guard.pii.cues import CUES
from guard.pii.gates import WORD_EDGE, Gate, Spoken, first_of, gate_of, gate_pattern, shape_pattern
from guard.pii.nobody import NOBODY
from guard.pii.resolve import STRONG
from guard.pii.rows import Edge, Road, Row

BEFORE, AFTER = 8, 20
"""How far a match of a row on the digits road may reach out of its region."""

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
_SIGNED = r"\x1a[A-Za-z]"


class Ready:
    """A row with its compiled patterns, check and cues, flattened for the search.

    `before` is how far before the digits of a region a match may begin, `place` that of its cue among `Roads.spoken`.
    """

    __slots__ = (
        "before", "check", "cue", "cued", "fixed", "group", "kind", "lead", "left", "literal", "loose", "mail",
        "nation", "nobody", "number", "place", "right", "row", "score", "search", "shared", "signed", "special", "trim",
        "unless", "waits", "yields",
    )  # fmt: skip

    def __init__(self, row: Row, yields: bool = False, shared: bool = False) -> None:
        left, right = _LEFT[row.edge], _RIGHT[row.edge]
        self.literal, self.mail, self.nation = (
            row.road is Road.LITERAL,
            row.road is Road.MAIL,
            row.road is Road.NATION,
        )
        self.number = row.road is Road.DIGITS or self.nation
        least, most = first_of(row) if self.number else (0, 0xFF)
        # Elsewhere a search fails in one step.
        first = rf"(?=[\x{least:02x}-\x{most:02x}])" if self.number else ""
        pattern = re.compile(f"{first}{'' if self.literal else left}(?:{row.core}){right}".encode("ascii"))
        self.row = row
        self.kind, self.score, self.cued, self.trim, self.lead = (
            row.kind,
            row.score,
            row.cued,
            row.trim,
            row.lead,
        )
        self.signed = row.core.startswith(_SIGNED)
        self.search = pattern.match if row.road is Road.AFTER or self.signed else pattern.search
        self.before = 0 if least >= ord("0") and most <= ord("9") else BEFORE
        self.left = re.compile(left.encode("ascii")).match
        self.right = re.compile(right.encode("ascii")).match
        self.check: Any = check_of(row)
        self.cue: Any = CUES[row.cue] if row.cue else None
        self.unless: Any = CUES[row.unless].without(self.cue) if row.unless else None
        self.nobody: Any = NOBODY[row.nobody] if row.nobody else None
        self.special = row.road in (Road.LITERAL, Road.MAIL) or bool(row.lead)
        self.fixed = row.score if not row.cue and not row.unless else 0.0
        self.waits, self.place = bool(row.cue) and not row.score, 0
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


class Nations:
    """The rows of national numbers, compiled when first searched.

    Those in `sure` need no cue word; those in `alone`, among them the sure ones, need none where nothing surer is.
    """

    __slots__ = ("_ready", "alone", "rows", "sure")

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.sure = frozenset(index for index, row in enumerate(rows) if row.score >= STRONG)
        self.alone = frozenset(index for index, row in enumerate(rows) if row.score)
        self._ready: dict[int, Ready] = {}

    def ready(self, index: int) -> Ready:
        """One row, compiled."""
        found = self._ready.get(index)
        if found is None:
            found = self._ready[index] = Ready(self.rows[index])
        return found


class Asked(NamedTuple):
    """What the hits of the number gate in one region ask for; rows of nations by the place of their cue in `spoken`.

    Of the number rows those that are searched at once, those that wait for a cue word (each with the place of its cue),
    and those whose matches all begin with one of a few strings, by the search for these.
    """

    numbers: tuple[int, ...]
    waiting: tuple[tuple[int, int], ...]
    opened: tuple[tuple[Callable[..., object], tuple[int, ...]], ...]
    nations: frozenset[int]
    alone: frozenset[int]
    sure: frozenset[int]


_MOST_ASKED = 4096


class Roads:
    """The compiled rows of one choice, by road.

    The number gate has the rows of numbers, then those of nations. The cues of `spoken` are those of the number rows
    that wait for one (`waiting`, so many), then those of nations. `asked` remembers what the shapes of short stretches
    ask for: digits and letters are no more to be told from a shape, and there are few.
    """

    def __init__(self, rows: tuple[Row, ...]) -> None:
        numbers = _numbers(list(rows))
        shared = {row.kind for row, yields in numbers.items() if yields}
        ready = [
            Ready(row, numbers.get(row, False), row.kind in shared)
            for row in rows
            if row.road is not Road.NATION
        ]
        self.numbers = [row for row in ready if row.number]
        self.mail = [row for row in ready if row.mail]
        self.nations = Nations([row for row in rows if row.road is Road.NATION])
        self.gated = [row for row in ready if not row.number and not row.mail]
        self.spelled, self.packed = len(self.gated), len(self.gated) + 1
        self.gate = Gate(_groups([row.row for row in self.gated]) if rows else [])
        counted = [*(row.row for row in self.numbers), *self.nations.rows]
        self.number_gate = gate_of(shape_pattern(gate_pattern(row)) for row in counted)
        waits = [row for row in self.numbers if row.waits]
        for place, row in enumerate(waits):
            row.place = place
        self.waiting = len(waits)
        self.spoken = Spoken([*(row.cue for row in waits), *(CUES.get(row.cue) for row in self.nations.rows)])
        self.asked: dict[bytes, Asked] = {}
        self._by_hits: dict[tuple[int, ...], Asked] = {}

    def look(self, text: bytes) -> tuple[list[int], list[tuple[int, int]]]:
        """The gated rows that may match in a text, and its stretches that hold digits (`regions`)."""
        classes = text.translate(_CLASSES)
        if b"9" not in classes:
            return self.gate.words(text) or [], []
        return self.gate.hits(text), regions(classes)

    def ask(self, shape: bytes) -> Asked:
        """What the shape of a short stretch asks for; it is remembered."""
        asked = self._asked_by(tuple(self.number_gate.Match(shape) or ()))
        if len(self.asked) >= _MOST_ASKED:
            self.asked.clear()
        self.asked[shape] = asked
        return asked

    def _asked_by(self, hits: tuple[int, ...]) -> Asked:
        """What some hits of the number gate ask for: one and the same for all shapes with these."""
        asked = self._by_hits.get(hits)
        if asked is None:
            if len(self._by_hits) >= _MOST_ASKED:
                self._by_hits.clear()
            asked = self._by_hits[hits] = self._asked(hits)
        return asked

    def _asked(self, hits: Collection[int]) -> Asked:
        first = len(self.numbers)
        rows = [(index, self.numbers[index]) for index in hits if index < first]
        nations = frozenset(index - first for index in hits if index >= first)
        opened = sorted({row.row.opening for _, row in rows if row.row.opening})
        return Asked(
            tuple(index for index, row in rows if not row.waits and not row.row.opening),
            tuple((index, row.place) for index, row in rows if row.waits),
            tuple(
                (
                    re.compile(opening.encode("ascii")).search,
                    tuple(index for index, row in rows if row.row.opening == opening and not row.waits),
                )
                for opening in opened
            ),
            *(
                frozenset(self.waiting + index for index in rows)
                for rows in (nations, nations & self.nations.alone, nations & self.nations.sure)
            ),
        )

    def narrowed(self, shape: bytes, fits: Callable[[Row], bool]) -> Asked:
        """What the shape of a stretch asks for, of the rows that pass a test."""
        rows = [*(row.row for row in self.numbers), *self.nations.rows]
        return self._asked([index for index in self.number_gate.Match(shape) or () if fits(rows[index])])


def _groups(rows: list[Row]) -> list[list[tuple[int, str]]]:
    """What the gate asks of some rows and of the readings beside them: fixed beginnings, whole words, the rest."""
    asked = [*((place, gate_pattern(row)) for place, row in enumerate(rows))]
    fixed = [one for one in asked if rows[one[0]].road is Road.LITERAL]
    words = [one for one in asked if one not in fixed and one[1].startswith(WORD_EDGE)]
    rest = [one for one in asked if one not in fixed and one not in words]
    return [fixed, words, [*rest, (len(rows), spelling.HINT), (len(rows) + 1, packing.HINT)]]


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
_REGION = re.compile(rb"9[9a]*+(?:-{1,5}+(?:a{1,4}+-{0,3}+)?+9[9a]*+)*+")
SHORTEST = 5
"""The characters of the shortest region that can hold a match."""


def regions(classes: bytes) -> list[tuple[int, int]]:
    """The stretches that hold digits, with the letters and separators between them, if long enough for a match."""
    return [span for match in _REGION.finditer(classes) if (span := match.span())[1] - span[0] >= SHORTEST]
