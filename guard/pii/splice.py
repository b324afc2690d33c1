"""A text with some stretches replaced, and the exact way between the offsets of both."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from operator import add, sub

Unit = tuple[int, int, str, int]
"""Start and end of a stretch, what is read in its place, and how many characters each character of that stands for:
0 where it is all of them."""


class Splice:
    """The map between a text and a copy in which units are replaced: one lookup costs the log of their number.

    What stands in a unit's place belongs to the whole unit, unless each of its characters stands for as many: one,
    as everywhere else, or the width of the codes of a run.
    """

    __slots__ = ("_copy_ends", "_copy_starts", "_ends", "_starts", "_widths")

    def __init__(self, units: Sequence[Unit]) -> None:
        grown = [unit for unit in units if len(unit[2]) != unit[1] - unit[0]]
        self._starts = [unit[0] for unit in grown]
        self._ends = [unit[1] for unit in grown]
        self._widths = [unit[3] for unit in grown]
        sizes = [len(unit[2]) for unit in grown]
        shifts = accumulate(map(add, sizes, map(sub, self._starts, self._ends)))
        self._copy_ends: list[int] = list(map(add, self._ends, shifts))
        self._copy_starts: list[int] = list(map(sub, self._copy_ends, sizes))

    def back(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the text that a non-empty stretch of the copy stands for, whole units only."""
        return self._origin(start)[0], self._origin(end - 1)[1]

    def _origin(self, at: int) -> tuple[int, int]:
        """Where one character of the copy comes from."""
        unit = bisect_right(self._copy_starts, at) - 1
        if unit < 0:
            return at, at + 1
        if at < self._copy_ends[unit]:
            width = self._widths[unit]
            if not width:
                return self._starts[unit], self._ends[unit]
            place = self._starts[unit] + (at - self._copy_starts[unit]) * width
            return place, place + width
        place = at - self._copy_ends[unit] + self._ends[unit]
        return place, place + 1

    def forward(self, at: int) -> int:
        """The first character of the copy that comes from a place or from what is behind it."""
        unit = bisect_left(self._starts, at) - 1
        if unit < 0:
            return at
        left = self._ends[unit] - at
        if left <= 0:
            return self._copy_ends[unit] - left
        width = self._widths[unit]
        return self._copy_ends[unit] - (left // width if width else 0)

    def inside(self, at: int) -> bool:
        """Whether a position of the text lies within a unit or a code of a run, not at its edge."""
        unit = bisect_left(self._starts, at) - 1
        if unit < 0 or at >= self._ends[unit]:
            return False
        width = self._widths[unit]
        return not width or (at - self._starts[unit]) % width > 0


def spliced(text: str, units: Sequence[Unit]) -> str:
    """The copy: the text with each unit replaced; units are in order and do not overlap."""
    parts: list[str] = []
    at = 0
    for start, end, read, _ in units:
        parts += (text[at:start], read)
        at = end
    return "".join([*parts, text[at:]])
