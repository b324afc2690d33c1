"""Find fakes in a text without knowing their kinds: a recognizer may see a part of one, or take it for another kind.

Only shapes that real values do not have: an exact length, or a check that had to fit.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator

from guard.pii import fakehosts, fakenumbers, fakephones, fakewords
from guard.pii.shapes import digits, is_long_generic

Span = tuple[int, int]
Mark = tuple[str, re.Pattern[str], Callable[[str], bool]]

_RUN = re.compile(r"\+?\d(?:[ .()/_-]{0,3}\d)+")
_GROUP = re.compile(r"\+?\d+")
_GROUPS, _LEAST = 24, 7
"""The groups of six cards, which a cue before them may join; and the digits of the shortest number."""
_TOO_SHORT = 4  # letters and digits beside a fake that a recognizer took along
_SIGNS = re.compile(r"000|55501|1611|86260|02600|999")  # one of these is in every fake of a number
_NUMBERS: tuple[Callable[[str], bool], ...] = (
    fakephones.is_phone,
    fakenumbers.is_card,
    fakenumbers.is_ssn,
    fakenumbers.is_nhs,
    is_long_generic,
)
_IBAN = re.compile(r"(?<![0-9A-Za-z])(?=([A-Za-z]{2}00(?:[ -]?[0-9A-Za-z]){11,60}))")
_ENDS = re.compile(r"(?<=[0-9A-Za-z])(?![0-9A-Za-z])")


def _surely(value: str) -> bool:
    return True


def _mark(sign: str, pattern: str, known: Callable[[str], bool] = _surely) -> Mark:
    return sign, re.compile(pattern, re.IGNORECASE), known


# What a text in lower case must hold, what is looked for then, and what it must pass.
_MARKS = (
    _mark("example", r"(?<![\w.+-])[a-z]{2,}[._-]?[a-z]{2,}\d\d@" + fakewords.DOMAIN + r"\b"),
    _mark("example", r"(?:\b[a-z][a-z0-9+.-]*://)?\bexample\.com/[0-9a-f]{8}\b"),
    _mark("-00-", r"\b9\d\d-00-\d{4}\b"),
    _mark("00000000-", r"\b0{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"),
    _mark("2001:db8", r"\b2001:db8(?::[0-9a-f]{1,4}){6}\b"),
    _mark("qq", r"\bqq ?\d\d ?\d\d ?\d\d ?[a-d]\b"),
    _mark("假", r"假[a-z][·. -]?[0-9a-z]{5,6}(?![0-9a-z])"),
    _mark("99", r"(?<![0-9a-z])99\d{12}(?:\d{3})?[0-9x](?![0-9a-z])", fakenumbers.is_resident_id),
    _mark("5e", r"\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b", fakehosts.is_mac),
    _mark("", r"(?<![^\s\"'<>,;=:&?()])[0x][^\s\"'<>,;=:&?()]{11,}", is_long_generic),
)


def covers(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] lies inside fakes, but for what is too short to be data of its own."""
    left = {place for place in range(start, end) if text[place].isalnum()}
    for low, high in itertools.chain(_marked(text), _numbers(text, start, end)):
        left.difference_update(range(low, high))
        if len(left) <= _TOO_SHORT and low < end and start < high:
            return True
    return False


def _marked(text: str) -> Iterator[Span]:
    lowered = text.lower()
    yield from fakewords.marked_spans(text)
    for sign, pattern, known in _MARKS:
        if sign in lowered:
            yield from (match.span() for match in pattern.finditer(text) if known(match.group()))
    yield from _ibans(text)


def _ibans(text: str) -> Iterator[Span]:
    for match in _IBAN.finditer(text):
        for end in _ENDS.finditer(match.group(1)):
            if fakenumbers.is_iban(match.group(1)[: end.start()]):
                yield match.start(), match.start() + end.start()


def _numbers(text: str, start: int, end: int) -> Iterator[Span]:
    for run in _RUN.finditer(text):
        if run.start() < end and start < run.end() and _SIGNS.search(digits(run.group())):
            groups = [group.span() for group in _GROUP.finditer(text, run.start(), run.end())]
            yield from (span for span in _stretches(groups) if _is_number(text[slice(*span)]))


def _stretches(groups: list[Span]) -> Iterator[Span]:
    for first, (start, _) in enumerate(groups):
        yield from ((start, end) for _, end in groups[first : first + _GROUPS])


def _is_number(piece: str) -> bool:
    return len(digits(piece)) >= _LEAST and any(known(piece) for known in _NUMBERS)
