"""Names in Hanzi: surnames gate, spans around them are weighed, and a character CRF reads only what remains."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from guard.pii.hanzi import LED, NICK, PLACE, Hanzi, hanzi
from guard.pii.namelike import is_namelike
from guard.pii.names_latin import CUED, Named, score_of
from guard.pii.tagger import Tagged, tagger
from guard.pii.traits_chinese import KEY, KEY_REACH, LABEL, LABEL_REACH, TITLE, traits_chinese

Span = tuple[int, int]

LEAN = 0.5
"""As in `names_latin`."""

RUN = re.compile(r"[㐀-䶿一-鿿·•・]+")
"""Hanzi with the dots of transliterated names: what stands between signs."""

CLAUSE = re.compile(r"[㐀-䶿一-鿿·•・0-9A-Za-z０-９#-]+")
"""Hanzi with letters and digits amid them: what is read as one, and so never cut."""

POLITE = re.compile("先生|女士|小姐|太太|老师|同学|教授|医生|师傅|律师|警官")
SELF = re.compile(r"(?:我叫|我是|名叫|叫做|我的名字是|我的名字叫|鄙人|自称|姓名)\Z")
_CUES = re.compile(
    rf"(?P<label>{LABEL.pattern[:-2]}(?<=[:：=> \t\"“'（(])(?=[一-鿿]))"
    rf"|{POLITE.pattern}|我叫|我是|名叫|叫做|名字|姓名|鄙人|自称"
)
_KEYS = re.compile(rf"{KEY.pattern[:-2]}(?=[一-鿿])")
_LABEL_ENDS = frozenset(":：=> \t\"“'（(")
_LONGEST = 4
_MARGIN = 3
_LEAST = 2.5


def find_chinese(text: str, sure: bool = False) -> list[Named]:
    """The people in Hanzi in a text, in order of their clauses; only those that a cue makes certain where `sure`."""
    book = hanzi()
    runs = (_cued if sure else RUN.finditer)(text)
    found_in = ((match.start(), match.group()) for match in runs)
    read = [(base, run, *window) for base, run in found_in for window in windows(text, base, run, book)]
    if not read:
        return []
    model = tagger("names_chinese")
    rows = [row for base, run, low, high in read for row in traits_chinese(text, base, run, low, high, book)]
    scores = model.scores(rows)
    found: list[Named] = []
    at = 0
    for base, run, low, high in read:
        for tagged in model.tag(scores[at : at + high - low], LEAN):
            found += _judged(text, base, run, low, tagged, book)
        at += high - low
    return [one for one in found if one[3] >= CUED] if sure else found


def _cued(text: str) -> Iterator[re.Match[str]]:
    """The runs in which a form of address or 我叫 stands, or that a label or a key leads."""
    reached = 0
    cues = list(_CUES.finditer(text))
    if "ame" in text or "AME" in text or "older" in text or "xingming" in text:
        cues = sorted(cues + list(_KEYS.finditer(text)), key=re.Match.start)
    for cue in cues:
        if cue.start() < reached:
            continue
        start = cue.end() if cue.lastgroup or cue.re is _KEYS else _begin(text, reached, cue.start())
        if run := RUN.match(text, start):
            reached = run.end()
            yield run


def _begin(text: str, low: int, place: int) -> int:
    """Where the run begins that holds a place."""
    while place > low and RUN.match(text, place - 1):
        place -= 1
    return place


def _judged(text: str, base: int, run: str, low: int, tagged: Tagged, book: Hanzi) -> list[Named]:
    """What becomes of one labelled stretch of a window."""
    start, end = _whole(run, low + tagged.first, low + tagged.last, book)
    if _vetoed(run[start:end], book):
        return []
    cued = _is_cued(text, base, run, start, end)
    if not cued and is_namelike(run[start:end]):
        return []
    return [("pii.person", base + start, base + end, CUED if cued else score_of(tagged.surety))]


def _is_cued(text: str, base: int, run: str, start: int, end: int) -> bool:
    """Whether a form of address follows a name, or a label or 我叫 leads it."""
    if POLITE.match(run, end) or SELF.search(run, max(0, start - 6), start):
        return True
    if start:
        return False
    return (_is_led(text, base) and text[base - 1] != "@") or (end == len(run) and _is_keyed(text, base))


def _whole(run: str, start: int, end: int, book: Hanzi) -> Span:
    """A transliterated name with all that its dots join."""
    sounds = _sounds()
    if end < len(run) and run[end - 1] in _DOTS:
        end -= 1
    while start > 1 and run[start - 1] in _DOTS and run[start - 2] in sounds:
        start = _back(run, start - 1, book)
    if any(dot in run[start:end] for dot in _DOTS) or run[end : end + 1] in _DOTTED:
        start = _back(run, start, book)
    while end + 1 < len(run) and run[end] in _DOTS and run[end + 1] in sounds:
        end += 1
        while end < len(run) and run[end] in sounds:
            end += 1
    return start, end


_DOTS = "·•・"
_DOTTED = frozenset(_DOTS)
_MINORITIES = (
    "买提卜古丽娜孜江热合依木苏甫汗努尔吐逊肉尼亚力玉艾麦吾守牙斯拜迪麻那扎阿布吉才仁次央尕桑格措图雅其乌日"
)
"""Characters in which Uyghur, Kazakh, Tibetan and Mongolian names are written, beside those of foreign sounds."""


@cache
def _sounds() -> frozenset[str]:
    return hanzi().foreign.union(_MINORITIES)


def _back(run: str, start: int, book: Hanzi) -> int:
    """Where the part of a name that ends at a place begins: before it a word of the dictionary ends, or no sound."""
    sounds = _sounds()
    while start and run[start - 1] in sounds and run[max(0, start - 2) : start] not in book.words:
        start -= 1
    return start


def _vetoed(name: str, book: Hanzi) -> bool:
    """Whether a span is a place, one character said twice, or ends as no name does."""
    value = book.words.get(name, 0)
    if value & 7 == PLACE and value:
        return True
    return len(name) > 1 and name[-1] in "的了是在和与及等就都也"


def windows(text: str, base: int, run: str, book: Hanzi) -> list[Span]:
    """The stretches of a run that may hold a name, with a margin; they do not overlap."""
    if len(run) < 2:
        return []
    found: list[list[int]] = []
    for start, end in _cores(text, base, run, book):
        low, high = max(0, start - _MARGIN), min(len(run), end + _MARGIN)
        if found and low <= found[-1][1]:
            found[-1][1] = max(found[-1][1], high)
        else:
            found.append([low, high])
    return [(low, high) for low, high in found]


def _cores(text: str, base: int, run: str, book: Hanzi) -> list[Span]:
    """Where a name may stand: what a label or 我叫 leads to, a surname with likely characters, a transliteration."""
    led = _is_led(text, base) or (len(run) <= _LONGEST and _is_keyed(text, base))
    cores: list[Span] = [(0, min(_LONGEST, len(run)))] if led else []
    for match in book.spots.finditer(run):
        place = match.start()
        char = run[place]
        if char in book.surname and _likely(run, place, book):
            cores.append((place, min(len(run), place + 3 + (run[place : place + 2] in book.compound))))
        elif char in NICK and run[place : place + 2] not in book.words:
            cores.append((place, min(len(run), place + 3)))
        elif char in LED and SELF.search(run, max(0, place - 5), place + 1):
            cores.append((place + 1, min(len(run), place + 5)))
    sounds = book.sounds.finditer(run)
    cores += [match.span() for match in sounds if _foreign(run, *match.span(), book)]
    return sorted(cores)


def _is_led(text: str, base: int) -> bool:
    """Whether a label for names, or the sign that mentions somebody, stands before a run."""
    before = text[base - 1] if base else ""
    return before == "@" or (
        before in _LABEL_ENDS and LABEL.search(text, max(0, base - LABEL_REACH), base) is not None
    )


def _is_keyed(text: str, base: int) -> bool:
    """Whether what programs call the name of a person stands before a run."""
    if not base or text[base - 1] not in _LABEL_ENDS:
        return False
    return KEY.search(text, max(0, base - KEY_REACH), base) is not None


def _likely(run: str, place: int, book: Hanzi) -> bool:
    """Whether a surname with what follows is likelier a name than words of the dictionary."""
    odds = book.surname[run[place]]
    one = run[place + 1 : place + 2]
    two = run[place + 2 : place + 3]
    if run[place : place + 2] in book.compound:
        return True
    if TITLE.match(run, place + 1):
        return True
    given = max(book.last.get(one, -3.0), book.given.get(one, -3.0) + max(-1.0, book.last.get(two, -3.0)))
    words = book.words
    against = 0.0
    for end in (2, 3, 4):
        value = words.get(run[place : place + end])
        if value is not None:
            against = max(against, 1.5 + (value >> 3) * 0.5 + end * 0.5)
    if place:
        value = words.get(run[place - 1 : place + 1])
        if value is not None:
            against = max(against, 0.5 + (value >> 3) * 0.5)
    value = words.get(run[place + 1 : place + 3])
    if value is not None:
        against += (value >> 3) * 0.25
    return odds + given - against >= _LEAST


def _foreign(run: str, start: int, end: int, book: Hanzi) -> bool:
    """Whether a run of characters used for foreign sounds is no row of words."""
    if any(dot in run[start:end] for dot in "·•・"):
        return True
    covered = place = start
    words = 0
    while place < end - 1:
        value = book.words.get(run[place : place + 3]) or book.words.get(run[place : place + 2])
        if value is not None and value >> 3 >= 2 and value & 7 != PLACE:
            words += 2
            place += 2
        else:
            place += 1
    return words * 2 <= covered - start + (end - start)
