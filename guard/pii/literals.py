"""Find many fixed strings in one pass: an index by their first characters, the longest wins."""

from __future__ import annotations

from collections.abc import Iterator

_WIDEST = 8


class Literals:
    """A growing set of fixed strings; searching costs one look-up a character, however many there are."""

    def __init__(self) -> None:
        self._all: set[str] = set()
        self._width = 0
        self._by_head: dict[str, list[str]] = {}

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
        position, width, by_head = 0, self._width, self._by_head
        while position < len(text):
            found = self._longest(text, position, by_head.get(text[position : position + width]))
            if found:
                yield position, position + len(found), found
            position += len(found) or 1

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
