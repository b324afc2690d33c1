"""Whether one match is what its row means: its edges, its foreign letters, its cue words, the token around it."""

from __future__ import annotations

import re

from guard.pii.cues import NEVER
from guard.pii.endings import IDN_ENDINGS
from guard.pii.ready import Ready
from guard.pii.resolve import STRONG
from guard.pii.view import View

_UUID = re.compile(rb"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}")
_TOKEN_LEFT = re.compile(rb"[A-Za-z0-9]{1,64}\Z")
_TOKEN_RIGHT = re.compile(rb"[A-Za-z0-9]{0,64}")
_USERINFO = re.compile(rb"://[^\s/@]{0,64}\Z")
PLAIN = bytes(code in b' ,:\n()"\x1a' for code in range(256))
"""By byte, whether it may stand on both sides of digits that belong to no longer token."""

_DUMPED = re.compile(rb"(?<![0-9A-Za-z])[0-9A-Fa-f]{2}(?:[ :-][0-9A-Fa-f]{2})+")
_PARCEL = re.compile(rb"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{13}\Z")
"""How most Chinese carriers number parcels: the letters of the carrier, thirteen digits."""
_DIGIT = re.compile(rb"[0-9]")
_NUMBER = re.compile(rb"[0-9](?:[ ./-]?[0-9])*")
_OTHER = 0x1A


def admitted(view: View, ready: Ready, start: int, end: int) -> int:
    """The end of a match whose edge, foreign letters, host or what stands behind it are right, else 0."""
    if ready.literal and not ready.left(view.text, start):
        return 0
    if ready.lead and not _foreign(view, ready, start, end):
        return 0
    if ready.behind and not ready.behind(view.follows(end)):
        return 0
    return _mail_end(view, start, end) if ready.mail else end


def _foreign(view: View, ready: Ready, start: int, end: int) -> bool:
    """Whether the characters outside ASCII at the ends of a match are those the row means."""
    last = view.text[end - 1] != _OTHER or view.char(end - 1) in ready.row.tail
    return last and view.char(start) in ready.lead


def _mail_end(view: View, start: int, end: int) -> int:
    """The end of an address, 0 in the user part of a URL; a Han or kana label ends where a known domain does."""
    text = view.text
    low = start - 70 if start > 70 else 0
    if text.find(b"://", low, start) >= 0 and _USERINFO.search(text, low, start):
        return 0
    if text[end - 1] != _OTHER:
        return end
    dot = text.rindex(b".", start, end)
    label = view.original(dot + 1, end)
    if not any("぀" <= char <= "鿿" for char in label):
        return end
    ending = max((name for name in IDN_ENDINGS if label.startswith(name)), key=len, default="")
    return dot + 1 + len(ending) if ending else 0


def score_of(view: View, ready: Ready, start: int, end: int) -> float:
    """The score of a match by the cue words before it, 0 where they rule it out or are wanting."""
    window = view.window(start)
    unless, cue, words = ready.unless, ready.cue, window.words
    if window.original:
        if unless is not None and unless.stands_in(window) and _ruled_out(view, ready, start, end):
            return 0.0
        return ready.cued if cue is not None and cue.stands_in(window) else ready.score
    if unless is not None and not unless.every.isdisjoint(words) and _ruled_out(view, ready, start, end):
        return 0.0
    return ready.score if cue is None or cue.every.isdisjoint(words) else ready.cued


def _ruled_out(view: View, ready: Ready, start: int, end: int) -> bool:
    """Whether a ruling-out word is nearer than every strong cue word, and not about another number before this one."""
    window, unless, cue = view.window(start), ready.unless, ready.cue
    if (
        unless.far and not window.original
    ):  # all that a window holds is near enough: the order of the words tells
        return (cue is None or unless.last_in(window, cue.latin)) and not _spent(view, ready, start, end)
    against = unless.distance(window)
    # Where both end in one place, one is a part of the other: 編號 in 統一編號.
    nearer = against < NEVER and (cue is None or against < cue.distance(window, weak=False))
    return nearer and not _spent(view, ready, start, end)


def _spent(view: View, ready: Ready, start: int, end: int) -> bool:
    """Whether the last ruling-out word has a number of its own, of another length than a match of a shape that tells.

    `order 12345, call (212) 867-5309`; not so in a list of numbers of one kind, nor where digits are all there is.
    """
    if ready.score <= STRONG:
        return False
    between = view.text[max(0, start - ready.unless.distance(view.window(start))) : start]
    size = len(_DIGIT.findall(view.text[start:end]))
    return any(len(_DIGIT.findall(number)) != size for number in _NUMBER.findall(between))


def part_of_other(view: View, ready: Ready, start: int, end: int) -> bool:
    """Whether digits belong to a longer token: a decimal number, a UUID, a hash."""
    text = view.text
    before, after = text[start - 1 : start], text[end : end + 1]
    if (before == b"." or after == b".") and _decimal(view, start, end):
        return True
    if (before == b"-" or after == b"-") and _in_uuid(text, start, end):
        return True
    if not ready.loose or not (before.isalpha() or after.isalpha()):
        return False
    return (
        _in_mixed_token(text, start, end)
        or _in_uuid(text, start, end)
        or _in_dump(text, start - before.isalpha(), end + after.isalpha())
        or (start >= 2 and _PARCEL.match(text, start - 2, end) is not None)
    )


def _decimal(view: View, start: int, end: int) -> bool:
    """Whether a bare number is the fraction or the whole part of another (an ideographic stop ends a sentence)."""
    text = view.text
    if not text[start:end].isdigit():
        return False
    fraction = start > 1 and text[start - 2 : start - 1].isdigit() and view.char(start - 1) in ".．"
    return fraction or (text[end + 1 : end + 2].isdigit() and view.char(end) in ".．")


def _in_uuid(text: bytes, start: int, end: int) -> bool:
    low = max(0, start - 36)
    return any(low + m.start() < end and start < low + m.end() for m in _UUID.finditer(text[low : end + 36]))


def _in_dump(text: bytes, start: int, end: int) -> bool:
    """Whether digits and the one letter beside them are bytes of a dump in hex, pair by pair."""
    return _DUMPED.fullmatch(text, start, end) is not None and not text[end : end + 1].isalnum()


def _in_mixed_token(text: bytes, start: int, end: int) -> bool:
    """Whether the letters around a number go with more digits: an identifier, a hash; letters alone are a label."""
    left = _TOKEN_LEFT.search(text, max(0, start - 64), start)
    right = _TOKEN_RIGHT.match(text, end)
    around = (left.group() if left else b"") + (right.group() if right else b"")
    return _DIGIT.search(around) is not None
