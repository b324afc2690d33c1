"""Where several words are one value, a passphrase or the words of a wallet: a text is not cut between them."""

from __future__ import annotations

import re

_BLANK = 0x20
_A, _Z = b"az"
_NAME = re.compile(rb"hrase|nemonic|[Ss]eed").search
"""How every name ends, but for the `words` behind some."""
_AMID_WORDS = (b"hrase ", b"nemonic ", b"seed ")
_SET_OFF = tuple(
    re.compile(rf"""{told}(?: ?[:=] ?| )["'`]?""".encode("ascii")).match
    for told in (r"""["']?""", r"""(?: [Ww]ords)?["']?""", r"""( [Ww]ords)?["']?( (?:is|was))?""")
)
"""What stands between a name and the first word, from the least to the most: `words` and `was` may be words of it."""
_BEHIND_FOREIGN = re.compile(rb"""\x1a[ :=]{0,3}["'`]?""").match
"""What stands between a name outside ASCII and the first word."""
_WORDS = re.compile(rb"[a-z]{3,10}(?![A-Za-z0-9])(?: [a-z]{3,10}(?![A-Za-z0-9]))*+").match
_MORE = re.compile(rb" ?[a-z]{0,10}").fullmatch
_AMONG_WORDS = b"abcdefghijklmnopqrstuvwxyz "
_LONGEST = 300
"""No phrase is longer: 24 words of ten letters, and `words was` before them."""
_NAMED = 24
"""No name and what stands behind it are longer."""
_REACH = _LONGEST + _NAMED

Words = tuple[int, int]
"""Where words begin that follow each other behind a name, and where they end."""


class Phrases:
    """The phrases of a text, looked for where a position is asked about; best in order.

    Behind a name all words that follow each other may be the phrase. The last such words are kept, with the names
    among them: each is looked at once.
    """

    __slots__ = ("_asked", "_at", "_final", "_foreign", "_place", "_text", "_words")

    def __init__(self, text: bytes, final: bool) -> None:
        self._text, self._final = text, final
        self._asked = self._at = 0
        self._words: Words = (0, 0)
        self._place = -1
        self._foreign: Words = (0, 0)

    def over(self, position: int) -> int:
        """The end of a phrase that spans a position, or may once more words have come; 0 where none does."""
        text = self._text
        if text[position - 1] != _BLANK or not (position == len(text) or _A <= text[position] <= _Z):
            return 0
        low = position - _REACH if position > _REACH else 0
        near = text[low:position]
        begun = len(near.rstrip(_AMONG_WORDS)) - _NAMED
        near = near[begun if begun > 0 else 0 :]
        if (
            near.find(b"eed") < 0
            and near.find(b"hrase") < 0
            and near.find(b"nemonic") < 0
            and near.find(b"\x1a") < 0
        ):
            return 0
        place = text.rfind(b"\x1a", low, position)
        if place >= 0 and (end := self._behind_foreign(place, position)):
            return end
        first, end = self._words
        if not first < position < end:
            if not self._seek(position, low):
                return 0
            first, end = self._words
        if position >= first + _LONGEST:
            first = self._last_name(max(first, low), position)
        end = min(first + _LONGEST, end)
        return end if position < end else 0

    def _last_name(self, low: int, position: int) -> int:
        """Where words begin behind the last name that stands among words before a position."""
        places = ((name, self._text.rfind(name, low, position - 1)) for name in _AMID_WORDS)
        return max((place + len(name) for name, place in places if place >= 0), default=low)

    def _behind_foreign(self, place: int, position: int) -> int:
        """The end of the words behind a foreign character, which may end what calls them a phrase."""
        if place != self._place:
            match = _BEHIND_FOREIGN(self._text, place)
            self._place, self._foreign = place, self._follow(match.end()) if match else (0, 0)
        start, end = self._foreign
        end = min(start + _LONGEST, end)
        return end if start < position < end else 0

    def _seek(self, position: int, low: int) -> bool:
        """Find the words behind a name that span a position."""
        text = self._text
        if position < self._asked or self._at < low:
            self._at, self._words = low, (0, 0)
        self._asked = position
        at, self._at = self._at, position
        while match := _NAME(text, at, position):
            at = match.end()
            for start in _starts(text, at):
                if start >= position:
                    self._at = match.start()
                    return False
                if start >= self._words[1]:
                    self._words = self._follow(start)
                if position < self._words[1]:
                    self._at = max(match.start(), self._words[1] - _NAMED)
                    return True
            at = max(at, self._words[1] - _NAMED)
        return False

    def _follow(self, start: int) -> Words:
        """The words that begin at a place, to beyond the text where more may come."""
        words = _WORDS(self._text, start)
        if words is None:
            return (0, 0)
        open_end = not self._final and _MORE(self._text, words.end()) is not None
        return (start, len(self._text) + 1 if open_end else words.end())


def _starts(text: bytes, name_end: int) -> list[int]:
    """Where the first word behind a name may begin."""
    most = _SET_OFF[-1](text, name_end)
    if most is None:
        return []
    if most.lastindex is None:
        return [most.end()]
    return sorted({told.end() for set_off in _SET_OFF if (told := set_off(text, name_end))})
