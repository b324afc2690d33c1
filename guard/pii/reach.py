"""How far the matches of a number row may reach out of their region of digits, told from the pattern of the row."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import takewhile
from typing import NamedTuple

from guard.pii.gates import core_of, first_of
from guard.pii.patterns import characters, endings, shape_of
from guard.pii.rows import Row

BEFORE, AFTER = 8, 20
"""How far a match of a row on the digits road may reach out of its region."""
LEAD, TRAIL = BEFORE + 1, AFTER + 1
"""The characters before and behind a region that belong to its shape; where the text has none, NUL before it."""
SIGNS = 4
"""The most characters before the first digit of a match without letters: `(+ (`."""

_DIGITS = frozenset(b"0123456789")
_SPACED = frozenset(b"0123456789 \t\r\n./_(+,:;#~-")
"""Digits, and what a region of digits goes on over; it would end before a closing bracket."""


class Reach(NamedTuple):
    """What the matches of a row begin with, hold and end with, as far as it tells whether one may leave its region.

    A match begins with a byte from `least` to `most`, which has one of the shapes of `begins`, and at most `before`
    characters before its region. Where a row is `spaced`, it ends where its region does; else it holds only some
    shapes, and where a row is `digital`, it ends in a digit.
    """

    least: int
    most: int
    before: int
    begins: frozenset[int]
    spaced: bool
    holds: frozenset[int]
    digital: bool

    def inner(self) -> bool:
        """Whether each match lies within its region, whatever stands around that."""
        return self.spaced and not self.before

    def leaves(self, before: bytes, behind: bytes) -> bool:
        """Whether a match may leave its region, by the shapes of what stands before and behind that."""
        if not self.begins.isdisjoint(self._held(before[::-1][: self.before])):
            return True
        if self.spaced or not self.holds.issuperset(behind[:1]):
            return False
        return not self.digital or b"9" in behind

    def _held(self, shape: bytes) -> Iterable[int]:
        """The first characters of a shape that may all be part of a match."""
        return takewhile(self.holds.__contains__, shape)


NOWHERE = Reach(0, 0xFF, 0, frozenset(), False, frozenset(), False)
"""Of rows that know no regions."""


@cache
def reach_of(row: Row) -> Reach:
    """How far the matches of a number row may reach."""
    least, most = first_of(row)
    return Reach(
        least,
        most,
        BEFORE if most >= ord("A") else SIGNS if least < ord("0") else 0,
        frozenset(shape_of(bytes(range(least, most + 1)))),
        characters(core_of(row)) <= _SPACED,
        frozenset(shape_of(bytes(characters(row.core)))),
        endings(row.core) <= _DIGITS,
    )
