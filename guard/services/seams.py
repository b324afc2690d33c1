"""Where a streamed text may be cut when others than the catalogue look at it too."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from guard.pii.evasion import readable, undisguised
from guard.pii.lists import Terms
from guard.services.detection import compiled

Cuts = Callable[[str, int, bool], list[int]]

REACH = 256
"""The longest match of an own or Presidio pattern that is never cut, in characters."""

_SPANS_BLANKS = re.compile(r"\\[sSWDBpPnrtx]|\[\^|(?<!\\)\.|[ \t\n]|\[:|[^\x00-\x7f]")


def may_span(pattern: str) -> bool:
    """Whether a match could run over a blank or a character outside ASCII, where the catalogue's cuts are."""
    return _SPANS_BLANKS.search(pattern) is not None


class Seams:
    """The catalogue's cuts, without those that a match of another pattern spans or could still span."""

    def __init__(self, cuts: Cuts, patterns: Sequence[str]) -> None:
        self._cuts = cuts
        self._patterns: list[Any] = [compiled(pattern) for pattern in patterns if may_span(pattern)]

    @property
    def holding(self) -> bool:
        """Whether a match of some pattern could run over a cut."""
        return bool(self._patterns)

    def cuts(self, text: str, start: int, final: bool = False) -> list[int]:
        """Ascending positions after the cut `start` that no match spans, whatever follows (without `final`)."""
        positions = self._cuts(text, start, final)
        if not self._patterns:
            return positions
        known = len(text) if final else len(text) - REACH
        return [
            p for p in positions if p == len(text) == known or (p <= known and not self._spanned(text, p))
        ]

    def _spanned(self, text: str, position: int) -> bool:
        low = max(0, position - REACH)
        window = text[low : position + REACH]
        if self._crossed(readable(window), position - low):
            return True
        if window.isascii():
            return False
        plain, projection = undisguised(window)
        return self._crossed(plain, projection.position(position - low))

    def _crossed(self, window: str, at: int) -> bool:
        return any(_crosses(pattern, window, at) for pattern in self._patterns)


def _crosses(pattern: Any, window: str, at: int) -> bool:
    start = 0
    while (match := pattern.search(window, start)) is not None and match.start() < at:
        if match.end() > at:
            return True
        start = match.start() + 1
    return False


class TermSeams:
    """Cuts, without those inside a denied term or inside what could still become one."""

    def __init__(self, cuts: Cuts, lists: Iterable[Terms]) -> None:
        self._cuts = cuts
        self._lists = [terms for terms in lists if terms.reach]
        self._reach = max((terms.reach for terms in self._lists), default=-1) + 1  # and what stands beside it

    def cuts(self, text: str, start: int, final: bool = False) -> list[int]:
        """Ascending positions after the cut `start` that no term spans, whatever follows (without `final`)."""
        positions = self._cuts(text, start, final)
        if not self._lists or not positions:
            return positions
        known, low = len(text) if final else len(text) - self._reach, max(0, start - self._reach)
        spans = _merged(span for terms in self._lists for span in terms.spanning(text[low:]))
        begins = [begin for begin, _ in spans]
        return [p for p in positions if p <= known and not _inside(spans, begins, p - low)]


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches in order, those that overlap as one; two that only touch stay apart."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if found and low < found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def _inside(spans: Sequence[tuple[int, int]], begins: Sequence[int], position: int) -> bool:
    at = bisect_left(begins, position) - 1
    return at >= 0 and position < spans[at][1]
