"""How far the matches of a number row may reach out of their region of digits, told from the pattern of the row."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from guard.pii.patterns import shape_of, told
from guard.pii.rows import Edge, Row

BEFORE, AFTER = 8, 20
"""How far a match of a row on the digits road may reach out of its region."""
SEARCHED = AFTER + 2
"""So far behind a region a row is searched: with what its edge looks at."""
LEAD, TRAIL = BEFORE + 1, AFTER + 1
"""The characters before and behind a region that belong to its shape; where the text has none, NUL before it."""
SIGNS = 4
"""The most characters before the first digit of a match without letters: `(+ (`."""

_SPACED = frozenset(b"0123456789 \t\r\n./_(+,:;#~-")
"""Digits, and what a region of digits goes on over; it would end before a closing bracket."""
_LETTER = ord("a")


class Reach(NamedTuple):
    """What tells whether a match of a row may leave its region.

    A match begins with a byte from `least` to `most`, at most `before` characters before its region; where a row is
    `spaced`, it ends where its region does. By their shapes: what it `begins` and `ends` with and what it `holds`, with
    so many `letters` at most; where it is `loose`, letters may go on beyond it.
    """

    least: int
    most: int
    before: int
    spaced: bool
    begins: frozenset[int]
    ends: frozenset[int]
    holds: frozenset[int]
    letters: float
    loose: bool

    def inner(self) -> bool:
        """Whether each match lies within its region, whatever stands around that."""
        return self.spaced and not self.before

    def leaves(self, before: bytes, behind: bytes) -> bool:
        """Whether a match may leave its region, by the shapes of what stands before and behind that."""
        if self.before and self._goes(before[: -self.before - 2 : -1], self.begins):
            return True
        return not self.spaced and self._goes(behind, self.ends)

    def _goes(self, shape: bytes, last: frozenset[int]) -> bool:
        """Whether a match may go on over some characters, away from the region, up to one of the last."""
        holds, letters, loose = self.holds, self.letters, self.loose
        for place, char in enumerate(shape, 1):
            if char == _LETTER:
                letters -= 1
            if char not in holds or letters < 0:
                return False
            if char in last and (loose or not shape[place : place + 1].isalnum()):
                return True
        return False


NOWHERE = Reach(0, 0xFF, 0, False, frozenset(), frozenset(), frozenset(), 0, False)
"""Of rows that know no regions."""


@cache
def reach_of(row: Row) -> Reach:
    """How far the matches of a number row may reach."""
    of = told(row.core)
    begins = told(row.gate).begins if row.gate else of.begins
    least, most = min(begins), max(begins)
    return Reach(
        least,
        most,
        BEFORE if most >= ord("A") else SIGNS if least < ord("0") else 0,
        of.holds <= _SPACED,
        _shapes(begins),
        _shapes(of.ends),
        _shapes(of.holds),
        of.letters,
        row.edge in (Edge.DIGIT, Edge.FREE),
    )


def _shapes(characters: Iterable[int]) -> frozenset[int]:
    return frozenset(shape_of(bytes(characters)))
