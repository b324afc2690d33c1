"""How long a text is in tokens, where its sentences end, and where to cut it.

Tokens are estimated by script class, as measured on o200k: four Latin letters are one token, two digits or
punctuation marks, one Hanzi, kana, Hangul syllable or emoji. Weights are counted in quarter tokens, so that
the weight of a text is exactly the sum of the weights of its pieces, however it is split.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Literal

QUARTERS = 4
"""Weight units in one token."""

_LATIN, _DENSE, _WIDE = 1, 2, 4
_WIDE_RANGES = (
    (0x1100, 0x11FF),  # Hangul Jamo
    (0x2E80, 0xA4CF),  # CJK radicals, punctuation, kana, bopomofo, ideographs, Yi
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),  # Hangul syllables
    (0xF900, 0xFAFF),
    (0xFE30, 0xFE4F),
    (0xFF00, 0xFFEF),  # full-width forms
    (0x1F000, 0x3FFFF),  # emoji, ideographs of the other planes
)
_WIDE_STARTS = [start for start, _ in _WIDE_RANGES]
_DENSE_ASCII = bytes(c for c in range(128) if not (chr(c).isalpha() or chr(c).isspace()))


def _weigh_character(character: str) -> int:
    code = ord(character)
    row = bisect_right(_WIDE_STARTS, code) - 1
    if row >= 0 and code <= _WIDE_RANGES[row][1]:
        return _WIDE
    latin = character.isspace() or (code < 0x250 and character.isalpha())
    return _LATIN if latin else _DENSE


class _Weights(dict[str, int]):
    """The weight of each character met so far."""

    def __missing__(self, character: str) -> int:
        weight = _weigh_character(character)
        if len(self) < 65_536:
            self[character] = weight
        return weight


_WEIGHTS = _Weights()


def weigh(text: str) -> int:
    """Estimate the size of a text in quarter tokens; additive over any split."""
    if text.isascii():
        return 2 * len(text) - len(text.encode().translate(None, _DENSE_ASCII))
    return sum(map(_WEIGHTS.__getitem__, text))


def tokens(text: str) -> int:
    """Estimate the tokens of a text, rounded up."""
    return -(-weigh(text) // QUARTERS)


def tail(text: str, size: int) -> str:
    """Return the end of a text: at most `size` estimated tokens of it."""
    room, start = size * QUARTERS, len(text)
    while start and (room := room - weigh(text[start - 1])) >= 0:
        start -= 1
    return text[start:]


def window_sizes(size: int, first: int, step: int) -> list[int]:
    """Return the estimated tokens of each window of a streamed text of `size` tokens: `first`, doubling to `step`."""
    sizes, target = [], first
    while size > 0:
        sizes.append(min(target, size))
        size -= target
        target = min(2 * target, step)
    return sizes


_SENTENCE_END = re.compile(r"""(?:[.!?…]["'”’)\]]*\s|\n|[。！？；…][”’」』）》]*)\Z""")
_LOOK_BACK = 8
_BLANK = re.compile(r"\n(?:[^\S\n]*\n)+")


def ends_sentence(text: str, position: int) -> bool:
    """Whether a sentence ends right before `position`, told by the text before it alone.

    English sentences end after the white space that follows `.`, `!` or `?` (so `3.14` is no end), Chinese
    ones after 。！？； and the quotation marks that close there, any line after its line feed.
    """
    return _SENTENCE_END.search(text, max(0, position - _LOOK_BACK), position) is not None


def good_cut(text: str, position: int, weight: int, target: int) -> bool:
    """Whether a piece of about `target` tokens may end at an allowed cut: at a sentence end from ¾ of the
    target on, anywhere from 5⁄4 of it on (0: at once).

    `weight` is that of the piece, in quarter tokens. No text behind the cut is looked at, so that the first
    good cut stays the first however the text goes on.
    """
    return weight >= 5 * target or (weight >= 3 * target and ends_sentence(text, position))


def split(
    text: str, limit: int = 800, *, overlap: float = 0.1, by: Literal["tokens", "characters"] = "tokens"
) -> list[str]:
    """Split a long text into pieces that fit a model: at paragraphs, else lines, sentences, words, anywhere.

    No piece is larger than `limit` (estimated tokens, or characters); each begins with the end of the one
    before, at most `overlap` of the limit. A cut is told by the text before it, so a text that grows keeps all
    its pieces but the last. Raises ValueError for a limit below 1 or an overlap that is not within 0 and 0.5.
    """
    return [text[start:end] for start, end in stretches(text, limit, overlap=overlap, by=by)]


def stretches(
    text: str, limit: int = 800, *, overlap: float = 0.1, by: Literal["tokens", "characters"] = "tokens"
) -> list[tuple[int, int]]:
    """Where the pieces of `split` stand in the text: (start, end) in characters, in order."""
    if limit < 1 or not 0 <= overlap <= 0.5:
        raise ValueError("a limit is at least 1, an overlap between 0 and 0.5")
    unit = QUARTERS if by == "tokens" else 1
    sums = _sums(text) if by == "tokens" else range(len(text) + 1)
    return list(_stretches(text, sums, limit * unit, int(overlap * limit * unit)))


def _sums(text: str) -> Sequence[int]:
    """The weight of the text before each position."""
    return array("q", accumulate(map(_WEIGHTS.__getitem__, text), initial=0))


def _stretches(text: str, sums: Sequence[int], limit: int, overlap: int) -> Iterator[tuple[int, int]]:
    start = done = 0
    while (furthest := bisect_right(sums, sums[start] + limit) - 1) < len(text):
        if furthest <= done:  # what is repeated leaves no room for what comes next
            start = done
            continue
        half = bisect_left(sums, sums[start] + limit // 2)
        end = _last_cut(text, max(half, done + 1), furthest)
        yield start, end
        start, done = _first_start(text, bisect_left(sums, sums[end] - overlap), end), end
    yield start, len(text)


def _last_cut(text: str, first: int, last: int) -> int:
    """The best place to end a piece, `first` and `last` included: of the best kind, the last."""
    blank = [match.end() for match in _BLANK.finditer(text, max(0, first - 2), last) if match.end() >= first]
    if blank:
        return blank[-1]
    line = text.rfind("\n", first - 1, last) + 1
    back = range(last, first - 1, -1)
    sentence = line or next((p for p in back if ends_sentence(text, p)), None)
    return sentence or next((p for p in back if text[p - 1].isspace()), last)


def _first_start(text: str, first: int, end: int) -> int:
    """Where the next piece begins again before `end`: at the first sentence there, else the first word."""
    there = range(first, end)
    sentence = next((p for p in there if ends_sentence(text, p)), None)
    return next((p for p in there if text[p - 1].isspace()), first) if sentence is None else sentence
