"""Places and organisations in Hanzi, on request: words of the dictionary, and what ends as such a name does."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from guard.pii.hanzi import FUNCTION, PLACE, VERB, Hanzi, hanzi
from guard.pii.names_chinese import RUN
from guard.pii.names_latin import Named

_SCORE = 0.3  # as `names_latin.FAINT` says of places
_ENDING = re.compile(r"[省市区县州镇乡村岛]")
_ORGANISATION = re.compile(
    r"(?:有限公司|股份公司|公司|集团|大学|学院|中学|小学|银行|医院|法院|检察院|公安局|派出所|研究院|研究所|委员会|协会|基金会"
    r"|出版社|电视台|俱乐部|事务所|管理局|教育局|联合会|实验室|博物馆|图书馆)"
)
_LONGEST = 12


def find_chinese_places(text: str, kinds: Collection[str]) -> list[Named]:
    """The places and organisations in Hanzi in a text, of those kinds that are wanted."""
    book = hanzi()
    found: list[Named] = []
    for run in RUN.finditer(text):
        if "pii.place" in kinds:
            found += _places(run.group(), run.start(), book)
        if "pii.org" in kinds:
            found += _organisations(run.group(), run.start(), book)
    return found


def _places(run: str, base: int, book: Hanzi) -> Iterator[Named]:
    reached = 0
    for place in [at for at in range(len(run) - 1) if run[at : at + 2] in book.places]:
        size = next((n for n in (4, 3, 2) if book.words.get(run[place : place + n], 0) & 7 == PLACE), 0)
        if size and place >= reached:
            reached = min(len(run), place + size)
            reached += _ENDING.match(run, reached) is not None
            yield "pii.place", base + place, base + reached, _SCORE


def _organisations(run: str, base: int, book: Hanzi) -> Iterator[Named]:
    reached = 0
    for match in _ORGANISATION.finditer(run):
        start = _begin(run, max(reached, match.start() - _LONGEST), match.start(), book)
        if start < match.start():
            yield "pii.org", base + start, base + match.end(), _SCORE
        reached = match.end()


def _begin(run: str, low: int, end: int, book: Hanzi) -> int:
    """Where the name before an ending begins: after the last verb or particle."""
    while end > low:
        size = next((n for n in (4, 3, 2) if end - n >= low and run[end - n : end] in book.words), 1)
        word = run[end - size : end]
        if (
            size > 1 and book.words[word] & 7 in (VERB, FUNCTION)
        ) or word in "的在和与是了由从到对把被向于为及，":
            break
        end -= size
    return end
