"""What a disguised text says, as copies that are scanned beside it, and the way back to its offsets.

The *spelled* copy has a character for every unit (`spelling`). It is what the text says, so it is searched in the
place of the text; the text as it stands counts only where a unit may not be what it looks like. The *packed* copy
is one text of all that runs of base64 or hex unpack to, each behind the words before its run. A finding in a copy
stands for whole units and whole runs.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from guard.pii import spelling
from guard.pii.evasion import Projection
from guard.pii.numbers import Candidate
from guard.pii.rows import CUE_REACH
from guard.pii.splice import Splice, Unit
from guard.pii.view import WITHIN

_WORDS = frozenset("@.")
_NEAR = 8
"""How far around a plain finding a doubtful unit may stand for the finding to count beside the spelled copy."""


class Spelled:
    """A piece with its units read; offsets of the piece are those of the original."""

    whole = True
    """Whether all that is found in it stands for something."""

    __slots__ = ("_splice", "text")

    def __init__(self, splice: Splice) -> None:
        self._splice, self.text = splice, splice.copy

    def floor(self, at: int) -> int:
        """The first character of the copy that a cue word for the value at a place may begin with."""
        return self._splice.forward(self._splice.back(at, at + 1)[0] - WITHIN + 1)

    def back(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the piece that a finding stands for."""
        return self._splice.back(start, end)


class Packed:
    """What the runs of a piece unpack to, as one text."""

    whole = False

    __slots__ = ("_begins", "_ends", "_runs", "text")

    def __init__(self, piece: str, runs: Sequence[Unit]) -> None:
        self._runs = [(start, end) for start, end, *_ in runs]
        self._begins: list[int] = []
        self._ends: list[int] = []
        parts: list[str] = []
        size = 0
        for start, _, read, _ in runs:
            before = piece[max(0, start - CUE_REACH) : start].translate(_WORDS_ONLY) + _FENCE
            parts += (before, read, _FENCE + "\n")
            self._begins.append(size + len(before))
            self._ends.append(size + len(before) + len(read))
            size = self._ends[-1] + len(_FENCE) + 1
        self.text = "".join(parts)

    def floor(self, at: int) -> int:
        """The first character that a cue word for the value at a place may begin with."""
        run = bisect_right(self._begins, at) - 1
        return self._ends[run - 1] + len(_FENCE) + 1 if run > 0 else 0

    def back(self, start: int, end: int) -> tuple[int, int] | None:
        """The run that a finding stands for, None where it is not within what was unpacked."""
        run = bisect_right(self._begins, start) - 1
        return self._runs[run] if run >= 0 and end <= self._ends[run] else None


_WORDS_ONLY = dict.fromkeys(map(ord, "0123456789@"), " ")
_FENCE = "\x1a"
"""No match runs over it: it stands for a character outside ASCII."""

_HOST = 300
"""The longest host name behind an `at` that makes it one, and what stands around it."""

Reading = Spelled | Packed


class Readings:
    """The copies of one piece, and which findings in the piece as it stands still count beside them.

    `context` says that some of the piece is only context.
    """

    __slots__ = ("_doubts", "_low", "context", "copies", "first", "spelled")

    def __init__(
        self,
        source: str,
        projection: Projection,
        low: int,
        high: int,
        *,
        spelled: bool,
        packed: Sequence[Unit],
        context: bool = True,
    ) -> None:
        self.context = context
        text = projection.text[low:high]
        self.first, last = projection.to_original(low, high)
        piece = source[self.first : last]
        units = _units(projection, low, high) if spelled or projection.counts else []
        self._low = low
        known = projection.known is not None and len(text) == len(projection.text)
        self._doubts = [] if known and projection.reads() <= _WORDS else list(_doubts(text, units))
        self.spelled = bool(units)
        self.copies: list[Reading] = []
        if units:
            whole = known and source.isascii()
            placed = () if whole else _placed(units, projection, low, self.first)
            self.copies.append(Spelled(projection.read_out() if whole else Splice(piece, placed)))
        if packed:
            self.copies.append(Packed(piece, _placed(packed, projection, low, self.first)))

    @property
    def suffices(self) -> bool:
        """Whether the spelled copy says all that the piece as it stands says."""
        return self.spelled and not self._doubts

    def counting(self, found: list[Candidate], base: int = 0) -> list[Candidate]:
        """What counts of what was found in the piece as it stands (by its places from `base` on).

        All, unless a spelled copy is beside it.
        """
        if not self.spelled:
            return found
        return [hit for hit in found if self._counts(hit[1] + base, hit[2] + base)]

    def _counts(self, start: int, end: int) -> bool:
        """Whether something doubtful stands near a finding."""
        near = bisect_left(self._doubts, (end - self._low + _NEAR,)) - 1
        return near >= 0 and self._doubts[near][1] > start - self._low - _NEAR


def _units(projection: Projection, low: int, high: int) -> list[Unit]:
    """What is spelled out in a piece: taken from what is known of the whole text, but for the end of the piece.

    There the whole may know of the host name behind an `at` what the piece does not.
    """
    known, end = projection.known, len(projection.text)
    if known is None:
        return projection.read(low, high)
    first, last = bisect_left(known, (low,)), bisect_left(known, (high - _HOST if high < end else end,))
    if (first and known[first - 1][1] > low) or (last > first and known[last - 1][1] > high):
        return projection.read(low, high)
    # Not amid codes that stand together, of which some are codes only beside the others.
    while first < last < len(known) and b" " not in projection.text[known[last][0] - 1 : known[last][0] + 1]:
        last -= 1
    told, place = _shifted(known[first:last], -low), known[last][0] if last < len(known) else end
    if place >= high:
        return told
    begin = max(low, place - 1)  # of what stands before a unit the last character matters
    rest = projection.read(begin, high)
    return told + _shifted([unit for unit in rest if unit[0] >= place - begin], begin - low)


def _shifted(units: list[Unit], by: int) -> list[Unit]:
    """Units by their places in another stretch."""
    return [(start + by, end + by, read, width) for start, end, read, width in units] if by else units


def _placed(units: Sequence[Unit], projection: Projection, low: int, first: int) -> Sequence[Unit]:
    """Units by their offsets in the original piece."""
    if projection.kept is None:
        return units
    placed: list[Unit] = []
    for unit in units:
        for start, end, read, width in _one_by_one(unit):
            begin, stop = projection.to_original(low + start, low + end)
            placed.append((begin - first, stop - first, read, width))
    return placed


def _one_by_one(unit: Unit) -> Sequence[Unit]:
    """A unit, or each of its characters where each stands for as many: something may have vanished between them."""
    start, _, read, width = unit
    if not width:
        return (unit,)
    return [
        (place, place + width, char, 0)
        for place, char in zip(range(start, start + width * len(read), width), read, strict=True)
    ]


def _doubts(text: bytes, units: Sequence[Unit]) -> Iterator[tuple[int, int]]:
    """Where units stand that may be no disguise: `at` and `dot` are one."""
    if _WORDS.issuperset([unit[2] for unit in units]):
        return
    for start, end, read, width in units:
        if width < 2:
            if spelling.doubtful(text[start], read):
                yield start, end
        else:
            for low, high in spelling.doubtful_in(text[start], read):
                yield start + low * width, start + high * width
