"""Where a disguised value forbids a cut: the grammar of cuts asked once more, on the text with its units read."""

from __future__ import annotations

import re
from collections.abc import Callable

from guard.pii.evasion import Projection, project
from guard.pii.splice import Splice

Split = Callable[[bytes, int, bool], bool | None]
"""The grammar of cuts: a text, a position beside a blank or a foreign character, whether no more text comes."""

RowEnd = Callable[[bytes, int, int], int]
"""Where a row of groups ends that begins at a position, at most at a limit: the grammar holds every blank within."""

REACH = 5
"""How many bytes behind a position the grammar looks at."""

_OTHER = 0x1A
_BLANKS = b" \t\r\n\x0b\x0c"
_BESIDE = re.compile(rb"[ \t\r\n\x0b\x0c\x1a]")
_LEAP = 1024
_BEGUN = re.compile(
    rb"(?:&[#A-Za-z0-9;]{0,16}|(?:%[0-9A-Fa-f]{0,6}){1,4}|\\[\\uUxX{}0-9A-Fa-f]{0,32}|(?:=[0-9A-F]{0,2}){1,8})\Z"
)
_LONGEST_BEGUN = 40
_NUMERAL = re.compile(rb"[\x80-\x89][ .-]?\Z")

_TOKEN = re.compile(rb"[^ \t\r\n\x0b\x0c\x1a]+")
_LINK = re.compile(
    rb"(?:[Aa][Tt]|[Dd][Oo][Tt]|.*[\[({<](?:[Aa][Tt]|[Dd][Oo][Tt]|[@.])?[\])}>]?|(?:[Aa][Tt]|[Dd][Oo][Tt]|[@.])?[\])}>].*)"
)
_LINK_BEGUN = re.compile(rb"[\[({<]?(?:[Aa][Tt]?|[Dd](?:[Oo][Tt]?)?|[@.])?[\])}>]?")
_LONG_WORD = re.compile(rb"[^ \t\r\n\x0b\x0c\x1a\[({<]{%d}" % REACH)
_LEFT = 80
"""How many bytes before a position the grammar looks at, and more."""
_TAIL = 640
_CHAIN = 8
_GAPS = (b" ", b"  ")
_NEVER = 1 << 40


class Held:
    """The units of a text and the grammar of cuts on the copy in which they are read."""

    __slots__ = ("_begun", "_chain", "_copy", "_row_end", "_splice", "_split", "_text")

    def __init__(self, projection: Projection, split: Split, row_end: RowEnd) -> None:
        text = self._text = projection.text
        units = projection.units()
        if all(map(str.isascii, projection.reads())):
            self._splice = projection.read_out()
        else:
            folded = [(start, end, _folded(read), width) for start, end, read, width in units]
            self._splice = Splice(text.decode("latin-1"), folded)
        self._copy = self._splice.copy.encode("ascii") if units else b""
        self._split, self._row_end = split, row_end
        self._begun = self._splice.forward(_begun(projection))
        self._chain = chained(text)

    def splits(self, position: int, final: bool) -> bool | None:
        """Whether no disguised value spans a position that no plain one spans; None: not yet known."""
        copy, at = self._copy, self._splice.forward(position)
        if not final and (position > self._chain or at + REACH > self._begun):
            return None
        if not final and position == self._chain and not self._settled(position):
            return None
        if not copy:
            return True
        if self._splice.inside(position) or not at:
            return False
        beside = copy[at - 1] in _BLANKS or copy[at - 1] == _OTHER or copy[at : at + 1] == b"\x1a"
        return self._split(copy, at, final) if beside else False

    def _settled(self, position: int) -> bool:
        """Whether no word that is yet to join the one behind a position changes what the grammar says there."""
        if reaches(self._text, position) or self._text[position - 1 : position] == b"\x1a":
            return True
        at = self._splice.forward(position)
        left = (self._copy or self._text)[max(0, at - _LEFT) : at]
        return self._split(left, len(left), False) is True

    def behind(self, position: int) -> int:
        """The next position at which the copy may be cut, or one that is no further."""
        if not self._copy:
            return position + 1
        at = self._splice.forward(position)
        settled = min(self._begun - REACH, self._splice.forward(self._chain))
        at = self._row_end(self._copy, at, settled) if at < settled else at
        match = _BESIDE.search(self._copy, at, at + _LEAP)
        found = match.start() if match else min(at + _LEAP, len(self._copy) - 1)
        return max(position + 1, self._splice.back(found, found + 1)[0])


def _folded(read: str) -> str:
    """What a unit says, in the characters of a projection."""
    return read if read.isascii() else project(read).text.decode("latin-1")


def _begun(projection: Projection) -> int:
    """Where a unit begins that more text may complete."""
    text = projection.text
    low = max(0, len(text) - _LONGEST_BEGUN)
    match = _BEGUN.search(text, low)
    if match is None and projection.raw is not None:
        match = _NUMERAL.search(projection.raw, low)
    return _NEVER if match is None else match.start()


def chained(text: bytes) -> int:
    """Where the words begin that more text may join by an `at` or a `dot`."""
    backwards = text[-_TAIL:][::-1]
    right, start, growing = b"", 0, True
    for count, match in enumerate(_TOKEN.finditer(backwards)):
        gap, word = backwards[start : match.start()], match.group()[::-1]
        if gap:
            joined = _links(word) or _links(right) or (growing and _LINK_BEGUN.fullmatch(right))
            if not joined or count > _CHAIN or gap not in _GAPS:
                break
            growing = False
        right, start = word, match.end()
    return len(text) - start


def reaches(text: bytes, position: int) -> bool:
    """Whether the word behind a position is longer than the grammar looks: what joins it, joins it beyond."""
    return _LONG_WORD.match(text, position) is not None


def _links(word: bytes) -> bool:
    return _LINK.fullmatch(word) is not None
