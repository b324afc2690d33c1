"""The words of a long text that may stand out: all are looked up at once, as numbers, in a table made of a lexicon.

A word of up to sixteen letters is two numbers of eight bytes. Words that the table has no room for are named too, so
that whoever asks looks once more at each word that is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALL, CAPITAL = 1, 2
"""Marks of a word: it stands out written small, with a capital."""

LONGEST = 16
_HALF = LONGEST // 2
_SLOTS = 19
_SHIFT = np.uint64(64 - _SLOTS)
_FACTORS = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(_HALF + 1)], np.uint64)
_BLANK, _CASE, _A, _LETTERS = 0x20, 0x20, 0x61, 26


class WordTable:
    """Words in small ASCII letters with their marks; where two want one place, it is that of the lower rank."""

    __slots__ = ("_first", "_marks", "_second")

    def __init__(self, words: Sequence[str], marks: bytes, ranks: Sequence[int]) -> None:
        order = np.argsort(ranks, kind="stable")
        padded = _padded(" ".join(words))
        starts, sizes = _words(padded | _CASE)
        first, second = _spelled(padded | _CASE, starts, sizes)
        places, rows = np.unique(_places(first, second)[order], return_index=True)
        chosen = order[rows]
        self._first = np.zeros(1 << _SLOTS, np.uint64)
        self._second = np.zeros(1 << _SLOTS, np.uint64)
        self._marks = np.full(
            1 << _SLOTS, CAPITAL, np.uint8
        )  # an unknown word stands out with a capital only
        self._first[places], self._second[places] = first[chosen], second[chosen]
        self._marks[places] = np.frombuffer(marks, np.uint8)[chosen]

    def standing_out(self, text: str) -> list[tuple[str, int]]:
        """The words of an ASCII text that may stand out, each with its place, in order."""
        padded = _padded(text)
        folded = padded | _CASE
        starts, sizes = _words(folded)
        first, second = _spelled(folded, starts, sizes)
        places = _places(first, second)
        held, marks = self._first.take(places), self._marks.take(places)
        differs = held != first
        differs |= self._second.take(places) != second
        differs &= held != 0
        differs |= sizes > LONGEST
        marks[differs] = SMALL | CAPITAL
        marks >>= (padded.take(starts) & _CASE) == 0
        marks &= sizes != 0
        found = marks.view(np.bool_).nonzero()[0]
        spans = zip(starts.take(found).tolist(), sizes.take(found).tolist(), strict=True)
        return [(text[start : start + size], start) for start, size in spans]


def _padded(text: str) -> NDArray[Any]:
    """The letters of a text, and blanks behind it for a word's length."""
    size = len(text)
    padded = np.full(size + 1 + LONGEST, _BLANK, np.uint8)
    padded[:size] = np.frombuffer(text.encode("ascii"), np.uint8)
    return padded


def _words(folded: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Where each word begins and how long it is; between two signs stands one of no letters, unless there are many."""
    ends = ((folded[: len(folded) - LONGEST] - _A) >= _LETTERS).nonzero()[0]
    starts = np.empty_like(ends)
    starts[0], starts[1:] = 0, ends[:-1] + 1
    sizes = ends - starts
    words = sizes != 0
    return (starts, sizes) if 2 * np.count_nonzero(words) > len(words) else (starts[words], sizes[words])


def _spelled(
    folded: NDArray[Any], starts: NDArray[Any], sizes: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The first eight letters of each word and the next eight, as numbers."""
    windows: NDArray[Any] = np.ndarray((len(folded) - _HALF + 1,), "<u8", folded, 0, (1,))
    first = windows[starts] & _MASKS.take(sizes, mode="clip")
    second = np.zeros(len(starts), np.uint64)
    long = (sizes > _HALF).nonzero()[0]
    second[long] = windows[starts[long] + _HALF] & _MASKS.take(sizes[long] - _HALF, mode="clip")
    return first, second


def _places(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """Where words stand in the table."""
    mixed: NDArray[Any] = first * _FACTORS[0]
    mixed += second * _FACTORS[1]
    mixed >>= _SHIFT
    return mixed.view(np.int64)
