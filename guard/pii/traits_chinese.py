# ruff: noqa: E501
"""What the tagger is told about each character of a window of Hanzi: itself, its neighbours, words, surnames."""

from __future__ import annotations

import re
from functools import lru_cache

from guard.pii.cues import NAME_HOLDERS, NAME_LABELS
from guard.pii.hanzi import Hanzi, hanzi

TITLE = re.compile(
    r"先生|女士|小姐|太太|老师|同学|经理|主任|教授|医生|总监|师傅|大夫|律师|警官|局长|处长|科长|部长|校长|院长|所长|厂长|书记|董事长|总裁"
    r"|某某|某(?![个些种样地人事])|总(?![是的会要共之而体数量统理部结算计经在分额和有])"
)
LABEL = re.compile(
    rf"(?:{NAME_LABELS}|名字|客户|患者|乘客|作者|法定代表人|签名|签字|本人|报修人|用户|委托人)(?:是|为)?"
    r"""(?:\\?["'”])?[ \t]{0,2}(?:[:：>]|=>?)?[ \t]{0,2}(?:\\?["'“（(])?\Z"""
)
KEY = re.compile(
    rf"""(?i:(?<![a-z0-9_.-])(?:(?:{NAME_HOLDERS}|full|legal|real|user|nick|member|owner|receiver|consignee|person"""
    r"""|account[ _]?holder|card[ _]?holder|buyer|payee|payer|driver|staff)[ _-]?)?name|cardholder|account_?holder|xingming)"""
    r"""(?:\\?["'])?[ \t]{0,2}(?:[:：>]|=>?)[ \t]{0,2}(?:\\?["'“])?\Z"""
)
"""What programs call the name of a person: a name in Hanzi is all that stands behind it."""
LABEL_REACH, KEY_REACH = 20, 32
_BUCKETS = (-2.0, 0.0, 1.5, 3.0, 4.5, 6.0)


@lru_cache(maxsize=32768)
def _codes(char: str) -> tuple[str, str, str, bool]:
    """How likely a character begins a surname, a given name, ends one (in buckets), and whether it writes foreign sounds."""
    book = hanzi()
    return (
        _bucket(book.surname.get(char)), _bucket(book.given.get(char)), _bucket(book.last.get(char)), char in book.foreign,
    )  # fmt: skip


def _bucket(odds: float | None) -> str:
    return "_" if odds is None else str(sum(odds >= edge for edge in _BUCKETS))


def _longest(run: str, start: int, book: Hanzi) -> str:
    """The longest word of the dictionary that begins at a place."""
    for size in (4, 3, 2):
        if (word := run[start : start + size]) in book.words and len(word) == size:
            return word
    return run[start : start + 1]


def _longest_before(run: str, end: int, book: Hanzi) -> str:
    for size in (4, 3, 2):
        if end >= size and run[end - size : end] in book.words:
            return run[end - size : end]
    return run[end - 1 : end] if end else ""


def _kind(word: str, book: Hanzi) -> str:
    value = book.words.get(word)
    return f"{len(word)}" if value is None else f"{len(word)}{value & 7}"


def traits_chinese(text: str, base: int, run: str, low: int, high: int, book: Hanzi) -> list[list[str]]:
    """What the tagger is told about each character of a window."""
    starts = {place: _longest(run, place, book) for place in range(low, min(len(run), high + 3))}
    ends = {place: _longest_before(run, place, book) for place in range(max(0, low - 2), high + 1)}
    edge = _edge(text, base)
    after = text[base + len(run) : base + len(run) + 1]
    after = "_" if after.isspace() else after
    return [_of(run, place, starts, ends, edge, after, book) for place in range(low, high)]


def _edge(text: str, base: int) -> str:
    """What stands before a run: a sign, and the label before a colon."""
    if not base:
        return "^"
    sign = text[base - 1]
    if sign.isspace():
        return "_"
    if sign in ":：=" and LABEL.search(text, max(0, base - LABEL_REACH), base):
        return "label"
    return sign


def _of(
    run: str, place: int, starts: dict[int, str], ends: dict[int, str], edge: str, after: str, book: Hanzi
) -> list[str]:
    size = len(run)
    char = run[place]
    before = run[place - 1] if place else edge
    ahead = run[place + 1] if place + 1 < size else after or "$"
    second = run[place + 2] if place + 2 < size else "$"
    earlier = run[place - 2] if place > 1 else "^"
    here, there = starts[place], ends[place] if place else edge
    following = starts.get(place + 1, "") if place + 1 < size else after or "$"
    later = starts.get(place + 2, "") if place + 2 < size else "$"
    ended = ends[place + 1]
    value = book.words.get(here, 0)
    surname, given, last, foreign = _codes(char)
    before_surname, before_given, _, before_foreign = _codes(before)
    _, ahead_given, ahead_last, ahead_foreign = _codes(ahead)
    second_last, earlier_surname = _codes(second)[2], _codes(earlier)[0]
    ending, leading, leaving = _kind(ended, book), _kind(there, book), _kind(following, book)
    kind = _kind(here, book)
    return [
        "*", f"0{char}", f"-{before}", f"+{ahead}", f"={earlier}", f"#{second}", f"<{before}{char}", f">{char}{ahead}",
        f"S{surname}", f"G{given}", f"L{last}", f"F{foreign}{before_foreign}{ahead_foreign}",
        f"S-{before_surname}|{given}|{last}", f"G+{ahead_given}|{surname}", f"L+{ahead_last}|{given}",
        f"L#{second_last}|{surname}|{ahead_given}", f"S={earlier_surname}|{last}|{before_given}",
        f"w{kind}{value >> 5}", f"e{ending}{book.words.get(ended, 0) >> 5}", f"l{leading}", f"l={there}", f"r{leaving}",
        f"r={following}", f"R={later}", f"R{_kind(later, book)}", f"x{leading}|{surname}|{kind}", f"y{leaving}|{last}|{ending}",
        f"t{TITLE.match(run, place + 1) is not None}{surname}",
    ]  # fmt: skip
