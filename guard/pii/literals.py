"""Find many fixed strings in one pass; where several begin at one place the longest wins."""

from __future__ import annotations

from collections.abc import Iterator

_WIDEST = 8
# So many are looked for one by one, each at the speed of `str.find`; more share an index by first characters.
_FEW = 16

Span = tuple[int, int, str]


class Literals:
    """A growing set of fixed strings; searching costs one look-up a character at most, however many there are."""

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

    def spans(self, text: str) -> Iterator[Span]:
        """Yield (start, end, literal) from left to right, without overlaps."""
        if not self._all:
            return
        end = 0
        for start, stop, literal in self._few(text) if len(self._all) <= _FEW else self._many(text):
            if start >= end:
                yield start, stop, literal
                end = stop

    def _few(self, text: str) -> list[Span]:
        """Every place of every literal, in order, the longest of one place first."""
        found: list[Span] = []
        for literal in self._all:
            at = text.find(literal)
            while at >= 0:
                found.append((at, at + len(literal), literal))
                at = text.find(literal, at + 1)
        found.sort(key=lambda span: (span[0], -span[1]))
        return found

    def _many(self, text: str) -> Iterator[Span]:
        """The longest literal of every place."""
        self._prepare()
        width, by_head = self._width, self._by_head
        for at in range(len(text) - width + 1):
            candidates = by_head.get(text[at : at + width])
            if candidates and (found := self._longest(text, at, candidates)):
                yield at, at + len(found), found

    @staticmethod
    def _longest(text: str, position: int, candidates: list[str]) -> str:
        return next((c for c in candidates if text.startswith(c, position)), "")

    def _prepare(self) -> None:
        if self._width:
            return
        self._width = min(_WIDEST, min(map(len, self._all)))
        self._by_head = {}
        for literal in sorted(self._all, key=len, reverse=True):
            self._by_head.setdefault(literal[: self._width], []).append(literal)
