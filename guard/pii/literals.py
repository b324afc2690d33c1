"""Find many fixed strings in one pass: an index by their first characters, the longest wins."""

from __future__ import annotations

import re
from collections.abc import Iterator

_WIDEST = 8
# An alternation tries its branches at every character; up to about here that is faster than a look-up in Python.
_FEW = 48


class Literals:
    """A growing set of fixed strings; searching costs one look-up a character at most, however many there are."""

    def __init__(self) -> None:
        self._all: set[str] = set()
        self._width = 0
        self._by_head: dict[str, list[str]] = {}
        self._heads: re.Pattern[str] | None = None

    def __len__(self) -> int:
        return len(self._all)

    def add(self, literal: str) -> None:
        """Add a string; an empty one is nothing to find."""
        if literal and literal not in self._all:
            self._all.add(literal)
            self._width = 0

    def spans(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield (start, end, literal) from left to right, without overlaps."""
        if not self._all:
            return
        self._prepare()
        position = self._next(text, 0)
        while position < len(text):
            head = text[position : position + self._width]
            found = self._longest(text, position, self._by_head.get(head))
            if found:
                yield position, position + len(found), found
            position = self._next(text, position + (len(found) or 1))

    def _next(self, text: str, position: int) -> int:
        """The next place where a literal may begin; every place, where there are too many to look for at once."""
        if self._heads is None:
            return position
        match = self._heads.search(text, position)
        return match.start() if match else len(text)

    @staticmethod
    def _longest(text: str, position: int, candidates: list[str] | None) -> str:
        return next((c for c in candidates or () if text.startswith(c, position)), "")

    def _prepare(self) -> None:
        if self._width:
            return
        self._width = min(_WIDEST, min(map(len, self._all)))
        self._by_head = {}
        for literal in sorted(self._all, key=len, reverse=True):
            self._by_head.setdefault(literal[: self._width], []).append(literal)
        few = len(self._by_head) <= _FEW
        self._heads = re.compile("|".join(map(re.escape, self._by_head))) if few else None
