"""The words outside Latin letters of cues and of heads of rows, all found in one look at a text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

_PART = re.compile(r"\\(.)|\[([^\]]+)\]|(.)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_CHARACTER = "�"
_HANZI = re.compile("[\u4e00-\u9fff]+")

Match = tuple[int, int, int]
"""The number of a word, where it begins and where it ends."""


class Mentions:
    """Where words stand in a stretch of a text, in order of their ends; the stretch begins at a place of the text.

    `bits` says of which cues each word is, by its number, `hanzi` the same of words of Hanzi alone; `heads` which words
    are heads.
    """

    __slots__ = ("_bits", "_ends", "_first", "_found", "_hanzi", "_heads")

    def __init__(
        self,
        found: Sequence[Match],
        bits: Sequence[int],
        hanzi: Sequence[int],
        heads: Mapping[int, str],
        first: int,
    ) -> None:
        self._found = found
        self._ends = [end for _, _, end in found]
        self._bits = bits
        self._hanzi = hanzi
        self._heads = heads
        self._first = first

    def within(self, low: int, high: int) -> int:
        """The cues with a word that lies in a stretch of the text."""
        return self._within(self._bits, low, high)

    def in_hanzi(self, low: int, high: int) -> int:
        """The cues with a word of Hanzi alone that lies in a stretch of the text."""
        return self._within(self._hanzi, low, high)

    def _within(self, bits: Sequence[int], low: int, high: int) -> int:
        ends, low, high, said = self._ends, low - self._first, high - self._first, 0
        at = bisect_right(ends, low)
        while at < len(ends) and ends[at] <= high:
            index, start, _ = self._found[at]
            if start >= low:
                said |= bits[index]
            at += 1
        return said

    def heads(self) -> Mapping[str, Sequence[int]]:
        """The heads, each with the places in the text at which it ends."""
        heads, found = self._heads, defaultdict[str, list[int]](list)
        for index, _, end in self._found:
            if index in heads:
                found[heads[index]].append(self._first + end)
        return found


class Vocabulary:
    """Words to look for: `bits` says of which cues each is, `heads` are what values stand directly after.

    The time of a look does not depend on their number (Aho and Corasick, CACM 18, 1975).
    """

    __slots__ = ("_bits", "_find", "_hanzi", "_heads")

    def __init__(self, bits: Mapping[str, int], heads: Collection[str]) -> None:
        import ahocorasick_rs

        words = sorted({*bits, *heads})
        self._bits = [bits.get(word, 0) for word in words]
        self._hanzi = [bits.get(word, 0) if _HANZI.fullmatch(word) else 0 for word in words]
        self._heads = {index: word for index, word in enumerate(words) if word in heads}
        # The default reads 1 KB in 9 µs, this in 8; of so few words it is made in 2 ms.
        kind = ahocorasick_rs.Implementation.DFA
        self._find: Any = ahocorasick_rs.AhoCorasick(words, implementation=kind).find_matches_as_indexes

    def said(self, text: str) -> int:
        """The cues with a word in a text."""
        found = 0
        for word, _, _ in self._all(text):
            found |= self._bits[word]
        return found

    def mentions(self, text: str, first: int = 0) -> Mentions:
        """Where the words stand in a text that begins at a place of another."""
        return Mentions(self._all(text), self._bits, self._hanzi, self._heads, first)

    def _all(self, text: str) -> Sequence[Match]:
        try:
            return self._find(text, overlapping=True)  # type: ignore[no-any-return]
        except UnicodeEncodeError:  # half of a pair: JSON can say it
            return self._find(_SURROGATE.sub(_NO_CHARACTER, text), overlapping=True)  # type: ignore[no-any-return]


def words_in(pattern: str) -> Iterator[str]:
    """Words of which one stands in whatever a pattern of a cue matches: alternatives of characters, classes and `.`."""
    for form in pattern.split("|"):
        parts: list[list[str]] = [[]]
        for escaped, members, char in _PART.findall(form):
            if char == ".":
                parts.append([])
            else:
                parts[-1].append(escaped or members or char)
        yield from map("".join, product(*max(parts, key=len)))
