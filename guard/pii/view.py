"""One piece of a projection with its left context, and the way back to the original."""

from __future__ import annotations

from guard.pii.cues import Window, window_of
from guard.pii.evasion import Projection
from guard.pii.rows import CUE_REACH

CONTEXT = 64
"""Characters of left context within which every cue word and every look-behind lies."""

_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class View:
    """The bytes of one piece; `base` is where they begin in the projection of `source`."""

    __slots__ = ("_stretches", "_windows", "ascii", "base", "projection", "source", "text")

    def __init__(self, source: str, projection: Projection, base: int, text: bytes) -> None:
        self.source = source
        self.projection = projection
        self.base = base
        self.text = text
        self.ascii = source.isascii()
        self._stretches: dict[int, Window] = {}
        self._windows: dict[int, Window] = {}

    def original(self, start: int, end: int) -> str:
        """The original of a non-empty stretch."""
        start, end = self.projection.to_original(self.base + start, self.base + end)
        return self.source[start:end]

    def char(self, at: int) -> str:
        """The original character that the byte at a place stands for."""
        return self.original(at, at + 1)

    def bounds(self) -> tuple[int, int]:
        """Where the piece lies in the original."""
        return self.projection.to_original(self.base, self.base + len(self.text))

    def window(self, at: int) -> Window:
        """What stands before a place, as far as cue words reach."""
        found = self._windows.get(at)
        if found is None:
            start = self._window_start(at)
            found = self._windows[at] = self._split(start, at)
        return found

    def stretch(self, begin: int, end: int) -> Window:
        """A stretch with all that stands as near before it as a cue word may."""
        found = self._stretches.get(begin)
        if found is None:
            found = self._stretches[begin] = self._split(max(0, begin - CUE_REACH), end)
        return found

    def _split(self, start: int, end: int) -> Window:
        return window_of(self.text[start:end], "" if self.ascii or start >= end else self.original(start, end))

    def _window_start(self, at: int) -> int:
        """The first character that a cue may hold: near enough, within the context, and not amid a word."""
        start = max(0, at - CUE_REACH)
        if self.projection.kept is not None:
            first = self.projection.to_original(self.base + at, self.base + at + 1)[0]
            start = max(start, self.projection.position(first - CONTEXT + 1) - self.base)
        if start and self.text[start - 1 : start].isalpha():
            start = at - len(self.text[start:at].lstrip(_LETTERS))
        return start
