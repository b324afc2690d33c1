"""What of an exchange's texts is kept for its auditor: bounded, as they are or without what the rules take out."""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO

from guard.types import Action, Decision

LIMIT = 64 * 1024
"""Most characters that are kept for one record."""


_OWN = "own"


class Kept:
    """Texts by their paths, in the order in which they came; `cut` says that there was more of them."""

    def __init__(self, original: bool) -> None:
        self.original = original
        self._texts: dict[str, StringIO] = {}
        self._left = LIMIT
        self._cut = False

    def note(
        self, path: str, text: str, decisions: Iterable[Decision], own: Iterable[tuple[int, int, str]]
    ) -> None:
        """Keep a text, or the next piece of one; offsets of decisions and of the caller's `own` values are its own."""
        text = text if self.original else _without(text, decisions, own)
        piece = text[: self._left]
        self._cut = self._cut or len(piece) < len(text)
        if piece:
            self._texts.setdefault(path, StringIO()).write(piece)
            self._left -= len(piece)

    def take(self) -> tuple[list[tuple[str, str]], bool]:
        """What was kept since the last time, and whether it was cut."""
        found = [(path, text.getvalue()) for path, text in self._texts.items()], self._cut
        self._texts, self._left, self._cut = {}, LIMIT, False
        return found


def _without(text: str, decisions: Iterable[Decision], own: Iterable[tuple[int, int, str]]) -> str:
    """A text with the kind in the place of each value that a rule takes out or stops, done or only observed."""
    spans = [(d.finding.start, d.finding.end, d.finding.kind) for d in decisions if d.action >= Action.REDACT]
    spans += [(start, end, _OWN) for start, end, _ in own]
    pieces, at = [], 0
    for start, end, kind in sorted((s for s in spans if s[0] < s[1]), key=lambda s: (s[0], s[2] == _OWN)):
        if start >= at:
            pieces.append(f"{text[at:start]}<{kind}>")
        at = max(at, end)
    return "".join((*pieces, text[at:]))
