"""A text with some stretches replaced, and the exact way between the offsets of both."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

Unit = tuple[int, int, str, int]
"""Start and end of a stretch, what is read in its place, and how many characters each character of that stands for:
0 where it is all of them."""


class Splice:
    """A text's copy in which units are replaced, and the map between both: one lookup costs the log of their number.

    Units are in order and do not overlap. What stands in a unit's place belongs to the whole unit, unless each of its
    characters stands for as many: one, as everywhere else, or the width of the codes of a run.
    """

    __slots__ = ("_copy_ends", "_starts", "_units", "copy")

    def __init__(self, text: str, units: Sequence[Unit]) -> None:
        self._units = units
        self._starts = [unit[0] for unit in units]
        self._copy_ends: list[int] = []
        parts: list[str] = []
        add, ends, at, copied = parts.append, self._copy_ends.append, 0, 0
        for start, end, read, _ in units:
            add(text[at:start])
            add(read)
            copied += start - at + len(read)
            ends(copied)
            at = end
        add(text[at:])
        self.copy = "".join(parts)

    def back(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the text that a non-empty stretch of the copy stands for, whole units only."""
        return self._origin(start)[0], self._origin(end - 1)[1]

    def _unit(self, at: int) -> tuple[int, int, int, int]:
        """Where a unit begins and ends, how much is read in its place, and the width of each character of that."""
        start, end, read, width = self._units[at]
        size = len(read)
        return start, end, size, width or int(size == end - start)

    def _origin(self, at: int) -> tuple[int, int]:
        """Where one character of the copy comes from."""
        unit = bisect_right(self._copy_ends, at)
        if unit < len(self._units):
            start, end, size, width = self._unit(unit)
            into = at - self._copy_ends[unit] + size
            if into >= 0:
                return (start + into * width, start + (into + 1) * width) if width else (start, end)
        place = at - self._copy_ends[unit - 1] + self._units[unit - 1][1] if unit else at
        return place, place + 1

    def forward(self, at: int) -> int:
        """The first character of the copy that comes from a place or from what is behind it."""
        unit = bisect_left(self._starts, at) - 1
        if unit < 0:
            return at
        _, end, _, width = self._unit(unit)
        left = end - at
        if left <= 0:
            return self._copy_ends[unit] - left
        return self._copy_ends[unit] - (left // width if width else 0)

    def inside(self, at: int) -> bool:
        """Whether a position of the text lies within a unit or a code of a run, not at its edge."""
        unit = bisect_left(self._starts, at) - 1
        if unit < 0:
            return False
        start, end, _, width = self._unit(unit)
        return at < end and (not width or (at - start) % width > 0)
