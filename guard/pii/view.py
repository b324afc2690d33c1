"""One piece of a projection with its left context, and the way back to the original."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from guard.pii.cues import HUMP, Window, cases_of, letters_of, words_of
from guard.pii.evasion import Projection
from guard.pii.mentions import Mentions, Vocabulary
from guard.pii.rows import BEHIND, CUE_REACH

WITHIN = 64
"""Characters before a value within which every cue word and every look-behind lies."""

CONTEXT = WITHIN + 32
"""Characters of left context of a piece: the first of them may be the end of something spelled out."""

_GLANCE = 20
"""Characters before a value in which the word that says what it is most often stands."""


class View:
    """The bytes of one piece; `base` is where they begin in the projection of `source`.

    `floor` says how far back a cue word for the value at an offset of `source` may begin, where that is not
    `WITHIN` characters.
    """

    __slots__ = (
        "_cases", "_even", "_floor", "_heads", "_letters", "_mentions", "_windows", "ascii", "base", "projection",
        "source", "text",
    )  # fmt: skip

    def __init__(
        self,
        source: str,
        projection: Projection,
        base: int,
        text: bytes,
        floor: Callable[[int], int] | None = None,
    ) -> None:
        self._floor = floor
        self.source = source
        self.projection = projection
        self.base = base
        self.text = text
        self.ascii = source.isascii()
        self._even = projection.kept is None and floor is None
        self._mentions: Mentions | None = None
        self._heads: Mapping[str, Sequence[int]] | None = None
        self._letters = self._cases = b""
        self._windows: dict[int, Window] = {}

    def original(self, start: int, end: int) -> str:
        """The original of a non-empty stretch."""
        if self.projection.kept is None:
            return self.source[self.base + start : self.base + end]
        start, end = self.projection.to_original(self.base + start, self.base + end)
        return self.source[start:end]

    def char(self, at: int) -> str:
        """The original character that the byte at a place stands for."""
        kept, at = self.projection.kept, self.base + at
        return self.source[at if kept is None else kept[at]]

    def follows(self, at: int) -> str:
        """The original of what stands behind a place, as far as a row looks."""
        end = min(at + BEHIND, len(self.text))
        return self.original(at, end) if at < end else ""

    def stretch(self, start: int, end: int) -> tuple[int, int]:
        """Where a non-empty stretch lies in the original."""
        return self.projection.to_original(self.base + start, self.base + end)

    def hearing(self, vocabulary: Vocabulary, dense: bool) -> Callable[[int, int], int]:
        """Make what tells the cues with a word of a vocabulary in a stretch; if asked often, all are found at once."""
        if not dense:
            return lambda start, end: vocabulary.said(self.original(start, end))
        within, base = self._mentioned(vocabulary).within, self.base
        if self.projection.kept is not None:
            return lambda start, end: within(*self.stretch(start, end))
        return (lambda start, end: within(base + start, base + end)) if base else within

    def _mentioned(self, vocabulary: Vocabulary) -> Mentions:
        if self._mentions is None:
            low, high = self.stretch(0, len(self.text))
            self._mentions = vocabulary.mentions(self.source[low:high], low)
        return self._mentions

    def heads(self, vocabulary: Vocabulary) -> Mapping[str, Sequence[int]]:
        """The heads of a vocabulary in the whole piece, each with the places in the original at which it ends."""
        if self._heads is None:
            self._heads = self._mentioned(vocabulary).heads()
        return self._heads

    def letters(self) -> bytes:
        """The letters of the whole piece, made when first asked for."""
        if not self._letters:
            self._letters = letters_of(self.text)
        return self._letters

    def cases(self) -> bytes:
        """The cases of the letters of the whole piece, made when first asked for."""
        if not self._cases:
            self._cases = cases_of(self.text)
        return self._cases

    def hushed(self, at: int) -> bool:
        """Whether a glance shows that no letter stands before a place as far as cue words reach."""
        low = at - CUE_REACH if at > CUE_REACH else 0
        return self.ascii and self._even and not self.letters()[low:at].strip()

    def window(self, at: int) -> Window:
        """What stands before a place, as far as cue words reach: near enough, in the context, no part of a word."""
        found = self._windows.get(at)
        if found is None:
            found = self._windows[at] = self._before(at)
        return found

    def words(self, at: int) -> list[bytes]:
        """The Latin words of the window before a place."""
        return self._reached(at)[1].split()

    def last_word(self, at: int) -> bytes:
        """The last Latin word of the window before a place, where a glance tells: most cues stand right there."""
        if not (self._even and self._letters):
            return b""
        last = self._letters[max(0, at - _GLANCE) : at].rsplit(None, 1)
        return last[1] if len(last) > 1 else b""

    def in_hanzi(self, cues: int, at: int) -> bool:
        """Whether a word of Hanzi of some cues stands in the window before a place, where a glance tells.

        Hanzi are no part of a Latin word, so the window never begins within or behind such a word in reach.
        """
        if self._mentions is None or not self._even:
            return False
        low = self.base + (at - CUE_REACH if at > CUE_REACH else 0)
        return self._mentions.in_hanzi(low, self.base + at) & cues != 0

    def _before(self, at: int) -> Window:
        start, letters = self._reached(at)
        return Window(letters, "" if self.ascii or start >= at else self.original(start, at))

    def _reached(self, at: int) -> tuple[int, bytes]:
        """Where the window before a place begins, and the letters in it."""
        start = at - CUE_REACH if at > CUE_REACH else 0
        if not self._even:
            start = max(start, self._context_start(at))
        if not start:
            return 0, words_of(self.text[:at])
        low = start - 1
        if self._letters and self._cases:
            letters, cases = self._letters[low:at], self._cases[low:at]
        else:
            before = self.text[low:at]
            letters, cases = letters_of(before), cases_of(before)
        cut = letters.find(b" ")  # a word that is cut is none
        if cut < 0:
            return at, b""
        first = cut or 1
        if cases.find(HUMP) < 0:
            return low + first, letters[first:]
        return low + first, words_of(self.text[low + first : at])

    def _context_start(self, at: int) -> int:
        """The first position within the context of a place, where code points vanished or were spelled out."""
        first = self.projection.to_original(self.base + at, self.base + at + 1)[0]
        least = first - WITHIN + 1 if self._floor is None else self._floor(first)
        return max(0, min(at, self.projection.position(least) - self.base))
