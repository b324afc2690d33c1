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
from guard.pii.rows import BLOCK_LONGEST, PHRASE

BOUND = 4096
"""The longest stretch without a cut, in characters of the original (a PEM block is held whole)."""

_OTHER, _BLANK = 0x1A, 0x20
_BLANKS = b" \t\r\n\x0b\x0c"
_BESIDE = re.compile(rb"[ \t\r\n\x0b\x0c\x1a](?:(?![0-9])|(?<![0-9][ \t\r\n\x0b\x0c]))")
"""What a cut may be beside: a foreign character, or after: a blank that does not part two digits."""
_MAX_BLANKS = 3

_HOST = re.compile(rb"@[\x1aA-Za-z0-9.-]{0,64}\Z")
_PLATE = re.compile(rb"\x1a[A-Za-z][ .-]?[A-Za-z0-9]{4,6}\Z")

_DIGIT = re.compile(rb"[0-9]")
_LEFT_DIGIT = re.compile(rb"[0-9][^0-9 \t\r\n\x0b\x0c\x1a]{0,3}\Z")
_LEFT_CAPITALS = re.compile(rb"(?<![A-Za-z0-9])[A-Z]{1,4}\Z")
_MONTH = rb"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_LEFT_OTHER = re.compile(
    rb"(?<![A-Za-z0-9])[A-Za-z]{1,4}\Z"
    rb"|[-+./_(),;#]\Z|(?<![A-Za-z0-9])(?i:x|ext(?:n|ension)?)[.:]?\Z"
    rb"|(?<![A-Za-z])" + _MONTH + rb"[A-Za-z]{0,6}[.,]{0,2}\Z"
)
"""A short word, a sign or `ext.`, a month."""
_RIGHT_MONTH = re.compile(_MONTH)
_RIGHT_DIGIT = re.compile(rb"[^0-9 \t\r\n\x0b\x0c\x1a]{0,3}[0-9]")
_RIGHT_SHORT = re.compile(rb"[A-Za-z]{1,4}(?![A-Za-z0-9])")
_RIGHT_CAPITALS = re.compile(rb"[A-Z]{1,4}(?![A-Za-z0-9])")
_RIGHT_SIGN = re.compile(rb"[-+./_(),;#]|(?i:ext)")
REACH = 5

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

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_GOES_ON = (
    (re.compile(rb"(?i)[0-9](?:st|nd|rd|th)? of\Z"), MONTHS),
    (re.compile(rb"[0-9]\Z"), ("yea",)),
    (re.compile(rb"(?i)[0-9] years?\Z"), ("old",)),
)
"""What a date or an age in words ends with so far, always behind a digit, and how it may go on: `3 of` May,
`95` years, `95 years` old."""

HEADER = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_HEADER_BEGUN = re.compile(rb"(?:-{1,5}|-----B(?:E|EG|EGI|EGIN(?: [A-Z0-9 ]{0,57}-{0,4})?)?)\Z")
_PHRASE = re.compile(PHRASE.encode("ascii"))
_MORE = re.compile(rb" ?[a-z]{0,10}").fullmatch
_LONGEST_PHRASE = 300
_BODY = re.compile(rb"(?:(?:Proc-Type|DEK-Info|Version|Comment|Hash): [^\r\n]{0,100}|[A-Za-z0-9+/=\s\\])*")
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
    if text[position - 2 : position - 1].isdigit() and text[position : position + 1].isdigit():
        return True
    window = text[max(0, position - 16) : position]
    left = window.rstrip(_BLANKS)
    if len(window) - len(left) > _MAX_BLANKS:
        return False
    left_digit = _DIGIT.search(left)
    if left_digit:
        worded = _worded(left, text[position : position + REACH], final)
        if worded is not False:
            return worded
        left_digit = _LEFT_DIGIT.search(left)
    if not left_digit and not _LEFT_OTHER.search(left):
        return False
    right = text[position : position + REACH]
    if right[:1] and right[0] in _BLANKS:
        return True
    capitals = _LEFT_CAPITALS.search(left) and _RIGHT_CAPITALS.match(right)
    if _RIGHT_DIGIT.match(right) or (left_digit and _RIGHT_SIGN.match(right)):
        return True
    if len(right) < REACH and not final and not re.search(rb"[\s\x1a]", right):
        return None
    return bool(capitals or (left_digit and (_RIGHT_SHORT.match(right) or _RIGHT_MONTH.match(right))))


def row_end(text: bytes, position: int, limit: int) -> int:
    """Where a row of groups ends, of which `grouped` holds every blank, or the position where none begins."""
    match = _ROW_OF_GROUPS.match(text, position, min(limit, position + BOUND))
    return match.end() if match else position


def _worded(left: bytes, right: bytes, final: bool) -> bool | None:
    """Whether a date or an age in words goes on; None: not yet known."""
    words = next((words for ending, words in _GOES_ON if ending.search(left)), ())
    begun = right[:3].decode("latin-1").lower()
    if begun in words:
        return True
    return None if not final and len(right) < 3 and any(word.startswith(begun) for word in words) else False


def _splits(text: bytes, position: int, final: bool) -> bool | None:
    """Whether no match spans a position beside a blank or a foreign character; None: not yet known."""
    before = text[position - 1]
    after = text[position] if position < len(text) else None
    if after is None and not final and before == _OTHER:
        return None
    if before == _OTHER or after == _OTHER:
        return not _foreign_match(text, position, before, after)
    spans = grouped(text, position, final)
    return None if spans is None else not spans


def _foreign_match(text: bytes, position: int, before: int, after: int | None) -> bool:
    """Whether a plate, an angle (39度54分), the label of a day (12日出生) or the host of an address may go on here."""
    if before == _OTHER and after == _OTHER and _labelled(text, position):
        return True
    if before == _OTHER and after is not None and after < 0x80 and _goes_on(text, position, chr(after)):
        return True
    if after == _OTHER and (chr(before).isdigit() or _PLATE.search(text, max(0, position - 9), position)):
        return True
    goes_on = after is not None and (after == _OTHER or chr(after).isalnum() or after in b".-")
    return goes_on and _HOST.search(text, max(0, position - 65), position) is not None


def _labelled(text: bytes, position: int) -> bool:
    """Whether a digit stands one or two foreign characters before a position: what they say is read with it."""
    near = text[max(0, position - 3) : position - 1]
    return near[-1:].isdigit() or (near[:1].isdigit() and near[-1:] == b"\x1a")


def _goes_on(text: bytes, position: int, after: str) -> bool:
    """Whether a plate or an angle may go on after a foreign character."""
    return after.isalpha() or (after.isdigit() and text[position - 2 : position - 1].isdigit())


def in_phrase(text: bytes, position: int, final: bool) -> bool:
    """Whether a passphrase of several words spans a position, or may once more words have come."""
    if text[position - 1] != _BLANK or not (position == len(text) or chr(text[position]).islower()):
        return False
    low = max(0, position - _LONGEST_PHRASE)
    # The signs that set it behind its name are looked for first: that is quick, and they are seldom there.
    if text.rfind(b":", low, position) < 0 and text.rfind(b"=", low, position) < 0:
        return False
    if text.find(b"hrase", low, position) < 0:
        return False
    return any(
        match.start("value") < position
        and (position < match.end() or not (final or _MORE(text, match.end()) is None))
        for match in _PHRASE.finditer(text, low, position + _LONGEST_PHRASE)
    )


Block = tuple[int, int]
"""Where a PEM block begins and ends."""


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


class Ground:
    """What is known of a text before it is cut: its PEM blocks, and where disguised values and names forbid a cut."""

    __slots__ = ("_held", "_projection", "blocks", "final", "seams", "text")

    def __init__(self, projection: Projection, start: int, final: bool, seams: Seams | None = None) -> None:
        self.text = projection.text
        self.seams = seams
        self.final = final
        self.blocks = blocks_from(self.text, start, final)
        self._projection = projection
        self._held: Held | None = None

    def splits(self, position: int) -> bool | None:
        """Whether no match spans a position, disguised or not; None: not yet known."""
        verdict = _splits(self.text, position, self.final)
        if verdict is False or in_phrase(self.text, position, self.final):
            return False
        if self._held is None:
            self._held = Held(self._projection, _splits, row_end)
        return self._held.splits(position, self.final) and verdict

    def behind(self, position: int) -> int:
        """Where the next position may be asked for after one that is spanned."""
        return position + 1 if self._held is None else self._held.behind(position)


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
    low, high = _block_at(blocks, position)
    return high if low < position < high else position


def _block_at(blocks: list[Block], position: int) -> Block:
    """The last block that begins before a position."""
    index = bisect_left(blocks, position, key=lambda block: block[0]) - 1
    return blocks[index] if index >= 0 else (-1, -1)


def _candidate(text: bytes, at: int, limit: int) -> int:
    """The first position of a stretch where a cut may be, 0 where there is none."""
    match = _BESIDE.search(text, at - 1, limit + 1)
    if match is None:
        return 0
    place = match.start()
    position = place if place >= at and text[place] == _OTHER else place + 1
    return position if position <= limit else 0


def _next(ground: Ground, last: int, limit: int) -> tuple[int | None, bool]:
    """The first natural cut after a cut up to a limit, and whether that is known yet."""
    at, again = last + 1, False
    while at <= limit and (position := _candidate(ground.text, at, limit)):
        at = position + 1
        low, high = _block_at(ground.blocks, position)
        if low < position < high:
            at = high
            continue
        if ground.seams is not None:
            if position > ground.seams.settled:
                return position, False
            if high := ground.seams.over(position):
                at = high
                continue
        verdict = ground.splits(position)
        if verdict is not False:
            return position, verdict is True
        at = ground.behind(position)
        if again:  # one alone is passed over sooner by itself
            at = max(at, row_end(ground.text, position, limit))
        again = True
    return None, True
