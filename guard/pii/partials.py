"""Where a placeholder that a text's end cuts off may begin: a stream may not be cut there."""

from __future__ import annotations

import re
from collections.abc import Iterable

from guard.pii.placeholders import open_end

_BEGINS = re.compile(r"[<＜\\&]")
"""What every spelling of a token begins with, and every sealed placeholder."""

LONGEST_FAKE = 96
"""Fakes up to this long are kept whole; only faked secrets are longer, and those have no blank to cut at."""


class Partials:
    """The placeholders of one moment: token names, sealed placeholders, and fakes; immutable.

    A stream asks one made at its start, so that where it is cut does not change with what it finds.
    """

    def __init__(
        self, tokens: Iterable[str], sealed: Iterable[str], fakes: Iterable[str], longest: int
    ) -> None:
        self._tokens = frozenset(tokens)
        self._sealed = tuple(sealed)
        kept = [fake for fake in fakes if len(fake) <= LONGEST_FAKE]
        self._heads = frozenset(fake[:size] for fake in kept for size in range(1, len(fake)))
        self._widest = max(map(len, kept), default=1) - 1
        self.longest = max(longest, self._widest)
        self._any = bool(self._tokens or self._sealed or self._heads)

    def __bool__(self) -> bool:
        return self._any

    def none_in(self, text: str, start: int) -> bool:
        """Whether no cut after a position can be inside a placeholder, as a glance shows."""
        return not self._heads and (
            not self._any or _BEGINS.search(text, max(0, start - self.longest)) is None
        )

    def at(self, text: str) -> int:
        """Where what the text's end cuts off may begin; len(text) if nowhere."""
        if not self:
            return len(text)
        return min(self._token(text), self._seal(text), self._fake(text))

    def _token(self, text: str) -> int:
        start, name = open_end(text) if self._tokens else (len(text), "")
        return start if any(key.startswith(name) for key in self._tokens) else len(text)

    def _seal(self, text: str) -> int:
        start = text.rfind("<", max(0, len(text) - self.longest)) if self._sealed else -1
        tail = text[start:] if start >= 0 else ""
        cut = tail and any(p.startswith(tail) and p != tail for p in self._sealed)
        return start if cut else len(text)

    def _fake(self, text: str) -> int:
        first = max(0, len(text) - self._widest) if self._heads else len(text)
        return next((start for start in range(first, len(text)) if text[start:] in self._heads), len(text))
