"""Where a text may be cut: places that no match of any row can span, whatever text follows.

A match is one of four things (`Row.alphabet`): *ink*, a run without blanks; *groups* of digits or short letters
with up to three blanks between them; a PEM *block*; a *phrase* of several words behind what calls it so. So a cut is
possible after a blank unless groups or such words stand on both sides (the name of a month is one beside a number),
and beside a character outside ASCII unless it belongs to a plate, to the label of a day or to the host of an address.
A stretch without one is cut after `BOUND` characters, here and in whole texts alike, so a hold is bounded. A value
that is spelled out (`spelling`) is held by the same grammar on the text that it spells; what is packed (`packing`) is
ink.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Protocol

from guard.pii.evasion import Projection
from guard.pii.held import Held
from guard.pii.months import BEGUN, NAMES, PREFIXES
from guard.pii.phrases import Phrases
from guard.pii.rows import BLOCK_LONGEST

BOUND = 4096
"""The longest stretch without a cut, in characters of the original (a PEM block is held whole)."""

_OTHER, _BLANK = 0x1A, 0x20
_BLANKS = b" \t\r\n\x0b\x0c"
_BESIDE = re.compile(rb"[ \t\r\n\x0b\x0c\x1a](?:(?![0-9])|(?<![0-9][ \t\r\n\x0b\x0c]))")
"""What a cut may be beside: a foreign character, or after: a blank that does not part two digits."""
_MAX_BLANKS = 3

_HOST = re.compile(rb"@[\x1aA-Za-z0-9.-]{0,64}\Z")
_HOST_REACH = 65
_PLATE = re.compile(rb"\x1a[A-Za-z][ .-]?[A-Za-z0-9]{4,6}\Z")

_SPACED = re.compile(rb" (?:[0-9]|[A-Z][ .0-9A-Z-])")
_SPACED_BEGUN = re.compile(rb"(?: [A-Z]?)?")

_DIGIT = re.compile(rb"[0-9]")
_DIGITS = frozenset(b"0123456789")
_LEFT_DIGIT = re.compile(rb"[0-9][^0-9 \t\r\n\x0b\x0c\x1a]{0,3}\Z").search
_LEFT_CAPITALS = re.compile(rb"(?<![A-Za-z0-9])[A-Z]{1,4}\Z").search
_LEFT_WIDTH = 4
"""The most characters that either has: they are searched for in no others, as they would be at each place."""
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LEFT_SIGNS = frozenset(b"-+./_(),;#")
_EXTENSION = re.compile(rb"(?<![A-Za-z0-9])(?i:x|ext(?:n|ension)?):\Z").search
_SHORT_WORD = 4
_MONTHS = frozenset(map(str.encode, NAMES))
_MONTHS_BEGUN = frozenset(map(str.encode, BEGUN))
_ENGLISH_BEGUN = frozenset(map(str.encode, PREFIXES))
_ENGLISH_LONGEST = 9
_RIGHT_DIGIT = re.compile(rb"[^0-9 \t\r\n\x0b\x0c\x1a]{0,3}[0-9]")
_RIGHT_SHORT = re.compile(rb"[A-Za-z]{1,4}(?![A-Za-z0-9])")
_RIGHT_CAPITALS = re.compile(rb"[A-Z]{1,4}(?![A-Za-z0-9])")
_RIGHT_SIGN = re.compile(rb"[-+./_(),;#]|(?i:ext)")
REACH = 5
BEFORE = 20
"""How far behind and before a blank is looked: a day, `de` and the longest month stand in it."""

_INK, _GAP, _SIGN = rb"[^0-9 \t\r\n\x0b\x0c\x1a]", rb"[ \t\r\n\x0b\x0c]{1,3}+", rb"[-+./_(),;#]"
_SHORT = rb"(?<![A-Za-z0-9])[A-Za-z]{1,4}(?![A-Za-z0-9])"
_TO_DIGIT = (
    rb"(?:(?:%(short)b|%(sign)b)%(sign)b*+%(gap)b%(ink)b{0,3}+[0-9]|%(ink)b{0,3}+[0-9]|(?:%(short)b|%(sign)b)%(ink)b*+[0-9])"
    % {b"short": _SHORT, b"sign": _SIGN, b"gap": _GAP, b"ink": _INK}
)
_ROW_OF_GROUPS = re.compile(
    rb"%b(?:[0-9]*+(?:%b++[0-9]++)*+%b{0,3}+%b%b)*+" % (_TO_DIGIT, _INK, _INK, _GAP, _TO_DIGIT)
    + rb"|(?<![A-Za-z0-9])[A-Z]{1,4}+(?:%b[A-Z]{1,4}+(?=[ \t\r\n\x0b\x0c]))++" % _GAP
)
"""Groups one beside the other, each with a digit near its ends or a short word or signs between two; or capitals."""

_DAY_WIDTH = 7
_DAY = re.compile(rb"[0-9](?:\.?(?: de | ?)|(?:er|[oa*])(?: de | ))\Z").search
_DAY_OF = re.compile(rb"(?i)[0-9](?:st|nd|rd|th)? \Z").search
_DAY_DE = re.compile(rb"(?i)[0-9](?:\.|er|[oa*])? \Z").search
_NUMBER = re.compile(rb"[0-9] ?\Z").search
_GOES_ON = {
    **dict.fromkeys(_MONTHS, (_DAY, frozenset((b"de ",)))),
    b"of": (_DAY_OF, _MONTHS_BEGUN),
    b"de": (_DAY_DE, _MONTHS_BEGUN),
    b"": (_NUMBER, frozenset((b"yea",))),
    **dict.fromkeys((b"year", b"years"), (_NUMBER, frozenset((b"old",)))),
}
"""What a date or an age in words ends with so far, what stands before that, and how it may go on: `3 of` May,
`3 de mayo` de 1985, `95` years, `95 years` old."""

HEADER = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_HEADER_BEGUN = re.compile(rb"(?:-{1,5}|-----B(?:E|EG|EGI|EGIN(?: [A-Z0-9 ]{0,57}-{0,4})?)?)\Z")
_BODY = re.compile(
    rb"(?:(?:Proc-Type|DEK-Info|Version|Comment|Hash): [^\r\n]{0,100}|[A-Za-z0-9+/=\s\\]"
    rb"|%(?:25)?[0-9A-Fa-f]{2}|&(?:amp;)?#[xX]?[0-9A-Fa-f]{1,6};)*"
)
"""As it stands, escaped, or with characters of it as percent codes or references: the copy that reads them goes on."""
_FOOTER = re.compile(rb"-----END[A-Z0-9 ]{0,60}-----")
_FOOTER_LONGEST = 80


def block_end(text: bytes, header_end: int) -> tuple[int, bool]:
    """Where the PEM block after a header ends, and whether more text could still move that end (RFC 7468)."""
    limit = header_end + BLOCK_LONGEST
    body = _BODY.match(text, header_end, limit)
    end = body.end() if body else header_end
    footer = _FOOTER.match(text, end, end + _FOOTER_LONGEST)
    if footer:
        return footer.end(), False
    open_end = len(text) < min(limit, end + _FOOTER_LONGEST) + 1
    return header_end + len(text[header_end:end].rstrip()), open_end


def grouped(text: bytes, position: int, final: bool) -> bool | None:
    """Whether groups of one number may stand on both sides of the blanks before a position; None: not yet known."""
    left = text[max(0, position - BEFORE) : position].rstrip(_BLANKS)
    if min(position, BEFORE) - len(left) > _MAX_BLANKS:
        return False
    right = text[position : position + REACH]
    stem = left.rstrip(_LETTERS)
    word = left[len(stem) :].lower()
    left_digit = _DIGIT.search(left)
    if left_digit:
        worded = _worded(stem, word, right, final)
        if worded is not False:
            return worded
        left_digit = _LEFT_DIGIT(left, max(0, len(left) - _LEFT_WIDTH))
    if not left_digit and not _may_precede(stem, word):
        return False
    if right[:1] and right[0] in _BLANKS:
        return True
    if _RIGHT_DIGIT.match(right) or (left_digit and _RIGHT_SIGN.match(right)):
        return True
    if len(right) < REACH and not final and not re.search(rb"[\s\x1a]", right):
        return None
    if left_digit:
        return right[:3].lower() in _MONTHS_BEGUN or _RIGHT_SHORT.match(right) is not None
    capitals = _LEFT_CAPITALS(left, max(0, len(left) - _LEFT_WIDTH)) and _RIGHT_CAPITALS.match(right)
    return capitals is not None


def row_end(text: bytes, position: int, limit: int) -> int:
    """Where a row of groups ends, of which `grouped` holds every blank, or the position where none begins."""
    match = _ROW_OF_GROUPS.match(text, position, min(limit, position + BOUND))
    return match.end() if match else position


def _worded(stem: bytes, word: bytes, right: bytes, final: bool) -> bool | None:
    """Whether a date or an age in words goes on behind a word; None: not yet known."""
    ending, words = _GOES_ON.get(word, (None, frozenset()))
    if ending is None or not ending(stem, max(0, len(stem) - _DAY_WIDTH)):
        return False
    begun = right[:3].lower()
    if begun in words:
        return True
    return None if not final and len(right) < 3 and any(word.startswith(begun) for word in words) else False


def _may_precede(stem: bytes, word: bytes) -> bool:
    """Whether groups may go on behind a word and what stands before it: a short word, a sign or `ext.`, a month."""
    if not word:
        return bool(stem) and (
            stem[-1] in _LEFT_SIGNS or _EXTENSION(stem, max(0, len(stem) - 10)) is not None
        )
    if word in _MONTHS or (len(word) <= _ENGLISH_LONGEST and word[:3] in _ENGLISH_BEGUN):
        return True
    return (len(word) <= _SHORT_WORD or word == b"extension") and not stem[-1:].isdigit()


def splits(text: bytes, position: int, final: bool) -> bool | None:
    """Whether no match spans a position beside a blank or a foreign character; None: not yet known."""
    before = text[position - 1]
    after = text[position] if position < len(text) else None
    if after is None and not final and before == _OTHER:
        return None
    if before == _OTHER or after == _OTHER:
        if before == _OTHER and after == _BLANK:
            spaced = _spaced(text, position, final)
            return None if spaced is None else not spaced
        return not _foreign_match(text, position, before, after)
    if text[position - 2 : position - 1] == b"\x1a":
        spaced = _spaced(text, position - 1, final)
        if spaced is not False:
            return None if spaced is None else False
    spans = grouped(text, position, final)
    return None if spans is None else not spans


def _spaced(text: bytes, position: int, final: bool) -> bool | None:
    """Whether a plate (京 A 12345) or a day (4월 2일) may go on over the one blank behind a foreign character.

    None: not yet known.
    """
    right = text[position : position + 3]
    if _SPACED.match(right):
        return not right[1:2].isdigit() or text[position - 2 : position - 1].isdigit()
    return None if not final and _SPACED_BEGUN.fullmatch(right) else False


def _foreign_match(text: bytes, position: int, before: int, after: int | None) -> bool:
    """Whether a plate, an angle (39度54分), the label of a day (12日出生) or the host of an address may go on here."""
    if before == _OTHER and after == _OTHER and _labelled(text, position):
        return True
    if before == _OTHER and after is not None and after < 0x80 and _goes_on(text, position, chr(after)):
        return True
    if after == _OTHER and (chr(before).isdigit() or _PLATE.search(text, max(0, position - 9), position)):
        return True
    goes_on = after is not None and (after == _OTHER or chr(after).isalnum() or after in b".-")
    return goes_on and _in_host(text, position)


def _in_host(text: bytes, position: int) -> bool:
    """Whether the host of an address stands before a position."""
    low = max(0, position - _HOST_REACH)
    return text.find(b"@", low, position) >= 0 and _HOST.search(text, low, position) is not None


def _labelled(text: bytes, position: int) -> bool:
    """Whether a digit stands one or two foreign characters before a position: what they say is read with it."""
    near = text[max(0, position - 3) : position - 1]
    return near[-1:].isdigit() or (near[:1].isdigit() and near[-1:] == b"\x1a")


def _goes_on(text: bytes, position: int, after: str) -> bool:
    """Whether a plate or an angle may go on after a foreign character."""
    return after.isalpha() or (after.isdigit() and text[position - 2 : position - 1].isdigit())


Block = tuple[int, int]
"""Where a PEM block begins and ends."""
_NO_BLOCK = (-1, -1)


def blocks_from(text: bytes, start: int, final: bool) -> list[Block]:
    """The PEM blocks from a position on; one whose header or end is still open reaches beyond the text."""
    blocks: list[Block] = []
    at = start
    while header := HEADER.search(text, at):
        end, still_open = block_end(text, header.end())
        at = max(end, header.end())
        if still_open and not final:
            return [*blocks, (header.start(), len(text) + 1)]
        blocks.append((header.start(), at))
    begun = None if final else _HEADER_BEGUN.search(text, max(at, len(text) - 80))
    return [*blocks, (begun.start(), len(text) + 1)] if begun else blocks


class Seams(Protocol):
    """Where something else than the rows holds a text together."""

    settled: int
    """Up to where that is known."""

    def over(self, position: int) -> int:
        """The end of what holds a position inside, 0 where nothing does."""


_MOST_KEPT = 1024


class Ground:
    """What is known of a text before it is cut: its blocks and phrases, and where names and disguises forbid a cut."""

    __slots__ = ("_held", "_projection", "_spanned", "blocks", "final", "phrases", "seams", "text", "uncut")

    def __init__(self, projection: Projection, start: int, final: bool, seams: Seams | None = None) -> None:
        self.text = projection.text
        self.seams = seams
        self.final = final
        self.blocks = blocks_from(self.text, start, final)
        self.phrases = Phrases(self.text, final)
        self.uncut = (0, 0)
        self._spanned: set[bytes] = set()
        self._projection = projection
        self._held: Held | None = None

    def cuts(self, position: int) -> tuple[bool | None, int]:
        """Whether a text may be cut at a position (None: not yet known), and from where on to ask for the next."""
        if self.blocks:
            low, high = _block_at(self.blocks, position)
            if low < position < high:
                return False, high
        if self.seams is not None:
            if position > self.seams.settled:
                return None, position + 1
            if high := self.seams.over(position):
                return False, high
        # A text that says one thing again and again is spanned everywhere: what stands around a position is kept.
        around = self.text[position - BEFORE : position + REACH]
        if self._spanned and around in self._spanned:
            return False, self._behind(position, position + 1)
        verdict = self._splits(position, around)
        if verdict is False:
            return False, self._behind(position, row_end(self.text, position, len(self.text)))
        high = self.phrases.over(position)
        return (False, high) if high else (verdict, position + 1)

    def _behind(self, position: int, at: int) -> int:
        """Where to ask next behind a position that is spanned, as far as a place is."""
        return max(position + 1, at, 0 if self._held is None else self._held.behind(position))

    def _splits(self, position: int, around: bytes) -> bool | None:
        """Whether no match but a phrase spans a position, disguised or not; None: not yet known."""
        verdict = splits(self.text, position, self.final)
        if verdict is False:
            near = self.text.find(b"@", max(0, position - _HOST_REACH), position) < 0
            if near and len(around) == BEFORE + REACH and len(self._spanned) < _MOST_KEPT:
                self._spanned.add(around)
            return False
        if self._held is None:
            self._held = Held(self._projection, splits, row_end)
        return self._held.splits(position, self.final) and verdict


def cut_positions(
    projection: Projection, start: int, final: bool, ground: Ground | None = None
) -> Iterator[tuple[int, bool]]:
    """The cuts after a cut at `start` (projection positions), each with whether it is forced by the bound."""
    text = projection.text
    if ground is None:
        ground = Ground(projection, start, final)
    last = start
    while last < len(text):
        limit = _limit(projection, last, ground.blocks)
        position, known = _next(ground, last, min(limit, len(text)))
        if not known:
            return
        if position is None and limit >= len(text):
            if final:
                yield len(text), False
            return
        last, forced = (limit, True) if position is None else (position, False)
        yield last, forced


def far_cut(projection: Projection, last: int, ground: Ground) -> int:
    """A natural cut at some distance from a cut and within the bound, 0 where there is none."""
    limit = _limit(projection, last, ground.blocks)
    position, known = _next(ground, last + BOUND // 2, min(limit, len(ground.text)))
    return position if position and known else 0


def _limit(projection: Projection, last: int, blocks: list[Block]) -> int:
    """Where the bound cuts a stretch that began at a cut, never inside a PEM block."""
    position = max(last + 1, projection.position(projection.place(last) + BOUND))
    low, high = _block_at(blocks, position) if blocks else _NO_BLOCK
    return high if low < position < high else position


def _block_at(blocks: list[Block], position: int) -> Block:
    """The last block that begins before a position."""
    index = bisect_left(blocks, position, key=lambda block: block[0]) - 1
    return blocks[index] if index >= 0 else _NO_BLOCK


def _candidate(text: bytes, at: int, limit: int) -> int:
    """The first position of a stretch where a cut may be, 0 where there is none."""
    match = _BESIDE.search(text, at - 1, limit + 1)
    if match is None:
        return 0
    place = match.start()
    # What stands before a foreign character is not cut from it where it is a digit.
    before = place >= at and text[place] == _OTHER and text[place - 1] not in _DIGITS
    position = place if before else place + 1
    return position if position <= limit else 0


def _next(ground: Ground, last: int, limit: int) -> tuple[int | None, bool]:
    """The first natural cut after a cut up to a limit, and whether that is known yet."""
    at, (low, high) = last + 1, ground.uncut
    until = low if last < low <= limit <= high else limit  # behind it there is none
    while at <= until and (position := _candidate(ground.text, at, until)):
        if low < position <= high:
            at = high + 1
            continue
        cuts, at = ground.cuts(position)
        if cuts is not False:
            return position, cuts is True
    ground.uncut = (last, limit)
    return None, True
