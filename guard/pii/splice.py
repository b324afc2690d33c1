"""A text with some stretches replaced, and the exact way between the offsets of both."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

Unit = tuple[int, int, str]
"""Start and end of a stretch, and what is read in its place."""


class Splice:
    """The map between a text and a copy in which units are replaced: one lookup costs the log of their number.

    What stands in a unit's place belongs to the whole unit, unless both are of one length: then, as everywhere
    else, one character stands for one.
    """

    __slots__ = ("_copy_ends", "_copy_starts", "_ends", "_starts")

    def __init__(self, units: Sequence[Unit]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._copy_starts: list[int] = []
        self._copy_ends: list[int] = []
        shift = 0
        for start, end, text in units:
            grown = len(text) - end + start
            if grown:
                self._starts.append(start)
                self._ends.append(end)
                self._copy_starts.append(start + shift)
                shift += grown
                self._copy_ends.append(end + shift)

    def back(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the text that a non-empty stretch of the copy stands for, whole units only."""
        return self._origin(start)[0], self._origin(end - 1)[1]

    def _origin(self, at: int) -> tuple[int, int]:
        """Where one character of the copy comes from."""
        unit = bisect_right(self._copy_starts, at) - 1
        if unit < 0:
            return at, at + 1
        if at < self._copy_ends[unit]:
            return self._starts[unit], self._ends[unit]
        place = at - self._copy_ends[unit] + self._ends[unit]
        return place, place + 1

    def forward(self, at: int) -> int:
        """The first character of the copy that comes from a place or from what is behind it."""
        unit = bisect_left(self._starts, at) - 1
        if unit < 0:
            return at
        return self._copy_ends[unit] + max(0, at - self._ends[unit])

    def inside(self, at: int) -> bool:
        """Whether a position of the text lies within a unit, not at its edge."""
        unit = bisect_left(self._starts, at) - 1
        return unit >= 0 and at < self._ends[unit]


def spliced(text: str, units: Sequence[Unit]) -> str:
    """The copy: the text with each unit replaced; units are in order and do not overlap."""
    parts: list[str] = []
    at = 0
    for start, end, read in units:
        parts += (text[at:start], read)
        at = end
    return "".join([*parts, text[at:]])
