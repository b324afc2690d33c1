"""Where a text that is a few plain words to its end may be cut: what the grammar of cuts says of it, sooner."""

from __future__ import annotations

import re

from guard.pii import cuts as grammar
from guard.pii.cuts import REACH, grouped
from guard.pii.held import chained, reaches
from guard.pii.months import NAMES, PREFIXES

_WORDS = re.compile(r"[A-Za-z ,.;:!?']*").fullmatch
_ONE_STEP = re.compile(r"([A-Za-z]*[a-z])([,;.]?) ([A-Za-z,.;:!?']+)").fullmatch
_NEAR_NAME = len("nemonic")
_SIGNS = "[({<%&\\="
_NEAR = 96
_SHORT = 512
_JOINING = frozenset(("at", "dot"))
_MAY_JOIN = frozenset(("", "a", "at", "d", "do", "dot", "."))
_STARTS_MONTH = frozenset(PREFIXES)
_GOES_ON = NAMES | {"extension"}
_BEFORE = grammar.BEFORE
_KNOWN = 4


class PlainCuts:
    """Look at a text that grows without going over it again: what it was like is remembered, for a few texts.

    What is remembered is the text itself: another one, or one that was shortened at its head, is looked at anew.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: list[tuple[str, int]] = []

    def cuts(self, text: str, start: int, origin: int) -> list[int] | None:
        """The cuts after a cut of an ASCII text of plain words; None where it is anything else.

        What `cut_positions` says of it: nothing is spelled out since `origin`, and no number, code or address
        stands near.
        """
        if len(text) - start > min(_SHORT, grammar.BOUND) or not self._plain(text, start, origin):
            return None
        if position := _step(text, start):
            return [position]
        end = _chained_words(text, max(origin, start - _NEAR))
        cuts: list[int] = []
        position = text.find(" ", start) + 1
        while 0 < position <= end and (spans := _spans(text, position)) is not None:
            if not spans and (position < end or _settled(text, position)):
                cuts.append(position)
            position = text.find(" ", position) + 1
        return cuts

    def _plain(self, text: str, start: int, origin: int) -> bool:
        """Whether a text is plain words from near a cut on, and nothing is spelled out since `origin`."""
        for place, (known, since) in enumerate(self._known):
            if start >= since and text.startswith(known):
                size = len(known)
                grown = text[max(size - _NEAR_NAME, origin) :].lower()
                if not _WORDS(text, size) or _joins(grown):
                    return False
                self._known[place] = (text, start)
                return True
        if not text.isascii() or not _WORDS(text, max(origin, start - _NEAR)):
            return False
        since_origin = text[origin:].lower()
        if any(map(since_origin.__contains__, _SIGNS)) or _joins(since_origin):
            return False
        self._known = [(text, start), *self._known[: _KNOWN - 1]]
        return True


def _joins(text: str) -> bool:
    """Whether a text in small letters has a `dot`, which joins words, or what calls words a phrase, held with them."""
    return "dot" in text or "hrase" in text or "seed" in text or "nemonic" in text


def _step(text: str, start: int) -> int:
    """The one cut after a cut that a word and the beginning of the next follow; 0 where it is not plain to see."""
    step = _ONE_STEP(text, start)
    if step is None:
        return 0
    word, sign, begun = step.groups()
    if (
        word.lower() in _JOINING
        or begun.lower() in _MAY_JOIN
        or not (len(begun) >= REACH or (not sign and _long(word)))
    ):
        return 0
    return step.start(3)


def _long(word: str) -> bool:
    """Whether a word has five letters or more and is no month: behind it groups do not go on."""
    return len(word) > 4 and word[:3].lower() not in _STARTS_MONTH and word.lower() not in _GOES_ON


def _settled(text: str, position: int) -> bool:
    """Whether no word that is yet to join the one behind a blank changes what is said of the blank."""
    word = text[text.rfind(" ", 0, position - 1) + 1 : position - 1]
    if word.isalpha() and _long(word):
        return True
    left = text[max(0, position - _BEFORE) : position].encode("ascii")
    ahead = text[position : position + REACH].encode("ascii")
    return reaches(ahead, 0) or grouped(left, len(left), False) is False


def _chained_words(text: str, near: int) -> int:
    """What `chained` says of a text of plain words since a position."""
    last = text.rfind(" ", near) + 1
    word = text[text.rfind(" ", near, last - 1) + 1 : last - 1] if last else ""
    if not word or word.lower() in _JOINING or text[last:].lower() in _MAY_JOIN:
        return chained(text.encode("ascii"))
    return last


def _spans(text: str, position: int) -> bool | None:
    """What `grouped` says of a blank between plain words."""
    word = text[text.rfind(" ", 0, position - 1) + 1 : position - 1]
    if word.isalpha() and _long(word):
        return False
    if word.isalpha() and word[-1].islower() and len(word) < 5 and not text.startswith(" ", position):
        return False if len(text) - position >= REACH or text.find(" ", position) > 0 else None
    low = max(0, position - _BEFORE)
    return grouped(text[low : position + REACH].encode("ascii"), position - low, False)
