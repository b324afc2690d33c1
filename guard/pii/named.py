"""Values behind their names where more than a sign stands between: markup, forms, SQL, code, emphasis, folded lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

Named = tuple[int, int, str]
"""Where a value stands, and its name."""

Speaks = Callable[[str], bool]
"""Whether a name says what its value is."""

HINT = (
    r"""</[A-Za-z\x1a]|value=["']|name="[^"\r\n]{1,40}"\r?\n|["']\][ \t\r\n]{0,4}[=:]"""
    r"""|[Vv](?:alues|ALUES)[ \t\r\n]{0,8}\("""
    r"""|[*_`][ ]?[:=]|[:=][ \t]{0,3}[*_`]|(?i:value|answer)\\?["'][ \t]{0,3}:|:[ ][|>][+-]?\r?\n"""
    r"""|\x1a[A-Za-z0-9]{0,4}\)?\\?["']?[ \t\r\n]{0,4}[:=\x1a]>?[ \t\r\n]{0,4}\\?["']"""
)
"""What a projection with such a value contains, for the gate (RE2)."""

_MARKUP = re.compile(
    r"<(?:t[dh]|dt|key|label|b|strong|span|div|p|li)\b[^<>]{0,120}>\s{0,8}([^<>\n]{1,40}?)\s{0,4}[:\uff1a]?\s{0,4}</[a-z]{1,6}>"
    r"(?:\s{0,40}<[a-z]{1,8}\b[^<>]{0,120}>){1,2}\s{0,8}([^<>\n]{1,200}?)\s{0,8}</",
    re.IGNORECASE,
)
_CELL = r"<t[hd]\b[^<>]{0,120}>([^<>]{0,200})</t[hd]>"
_ROW = re.compile(rf"<tr\b[^<>]{{0,120}}>\s{{0,40}}(?:{_CELL}\s{{0,40}}){{2,64}}", re.IGNORECASE)
_CELLS = re.compile(_CELL, re.IGNORECASE)
_FIELD = re.compile(r"""(?:name|id)=["']([^"'<>]{1,40})["'][^<>]{0,60}\bvalue=["']([^"'<>]{1,200})["']""")
_PART = re.compile(
    r'name="([^"\r\n]{1,40})"\r?\n(?:[A-Za-z-]{1,30}: [^\r\n]{0,80}\r?\n){0,3}\r?\n([^\r\n]{1,200})'
)
_SUBSCRIPT = re.compile(
    r"""\[["']([^"'\[\]\n]{1,40})["']\]\s{0,4}(?:=>?|:)\s{0,4}(?:["']([^"'\n]{1,200})["']|([^"'\s,;]{1,200}))"""
)
_MARK = r"(?:\*{1,3}|__?|`)"
_EMPHASIS = re.compile(
    rf"""{_MARK}([^\s*_`:\uff1a][^*`:\uff1a\n]{{0,39}}?)(?:[:\uff1a][ ]?{_MARK}|{_MARK}[ ]?[:\uff1a=])"""
    rf"""[ \t]{{0,3}}(?:{_MARK}|["'])?([^\s*`"'|][^\n*`"|]{{0,199}})"""
)
_EMPHASISED = re.compile(rf"(?:[:\uff1a]|=>?)[ \t]{{0,3}}{_MARK}([^\s*`][^\n*`]{{0,199}})")
_BOLD = re.compile(
    r"<(?:b|strong|em|i|u|span|label|font)\b[^<>]{0,120}>\s{0,4}([^<>\n]{1,40}?)\s{0,2}[:\uff1a]?\s{0,2}</[a-z]{1,6}>"
    r"[ \t]{0,3}[:\uff1a=-]?[ \t]{0,3}([^\s<:\uff1a][^<\n]{0,199})",
    re.IGNORECASE,
)
_LINES = re.compile(r"<([A-Za-z_][\w.-]{0,39})>[ \t]{0,4}\r?\n\s{0,40}([^\s<][^<\n]{0,199}?)\s{0,40}</")
_FOLDED = re.compile(r"([A-Za-z_][\w. -]{0,39}):[ ][|>][+-]?\r?\n[ \t]{1,20}([^\s][^\n]{0,199})")
_PAIR = re.compile(
    r"""\\?["'](?i:name|key|field|label|title|attribute|property|param|question|column)\\?["']\s{0,3}:\s{0,3}\\?["']"""
    r"""([^"'\\\n]{1,40})\\?["'](?:\s{0,3},\s{0,20}\\?["']\w{1,20}\\?["']\s{0,3}:\s{0,3}(?:\\?["'][^"'\\\n]{0,40}\\?["']|\w{1,8})){0,3}?"""
    r"""\s{0,3},\s{0,20}\\?["'](?i:value|answer)\\?["']\s{0,3}:\s{0,3}(?:\\?["'])?([^"'\\\n,}]{1,200})"""
)
_TAG = re.compile(r"<([^<>/\s\x00-\x7f][^<>/\s]{0,23})>([^<>\n]{1,200})</")
_SET = re.compile(r"""(?:[:\uff1a]|=>?)\s{0,4}\\?["']([^"'\n\\]{1,200})""")
_SET_BACKWARDS = re.compile(
    r"""\s{0,4}["']?\\?([^\s"'<>=:\uff1a,;{}\[\]\\*`][^"'<>=:\uff1a,;{}\[\]\\*`\n]{0,23})"""
)
_REACH = 30
_INSERT = re.compile(r"(?i:insert)\s[^()]{1,120}\(([^()]{1,1000})\)\s{0,8}(?i:values)\s{0,8}")
_STRING = r"""'(?:[^']|''){0,400}+'|"[^"]{0,400}+\""""
_CALL = r"""\([^()'"]{0,80}\)"""
_TUPLE = re.compile(rf"""\s{{0,8}}\(((?:[^()'"]|{_STRING}|{_CALL}){{1,4000}}+)\)\s{{0,8}},?""")
_VALUE = re.compile(rf"""{_STRING}|(?:[^,'"()]|{_CALL}){{1,400}}""")
_AROUND = " \t\r\n\"'`"
_MOST_ROWS, _LONGEST_NAME = 1000, 40


def named(text: str, speaks: Speaks, near: Speaks) -> Iterator[Named]:
    """The values in a text whose names speak; `near` tells those that do with no more than a sign or quotes between."""
    for marks, pattern in _PATTERNS:
        if any(mark in text for mark in marks):
            yield from _behind(pattern, text, speaks)
    if any(mark in text for mark in _MARKS):
        yield from _set(_EMPHASISED, text, speaks)
    if not text.isascii():
        if "</" in text:
            yield from _behind(_TAG, text, near)
        yield from _set(_SET, text, lambda name: not name.isascii() and near(name))
    if "<tr" in text or "<TR" in text:
        yield from _rows(text, speaks)
    if ("nsert" in text or "NSERT" in text) and ("alues" in text or "ALUES" in text):
        for match in _INSERT.finditer(text):
            yield from _inserted(text, match, speaks)


_MARKS = ("*", "`", "__")
_PATTERNS = (
    (("</",), _MARKUP),
    (("</",), _BOLD),
    (("</",), _LINES),
    (_MARKS, _EMPHASIS),
    ((": |", ": >"), _FOLDED),
    (("alue", "nswer"), _PAIR),
    (("value=",), _FIELD),
    (('name="',), _PART),
    (("]",), _SUBSCRIPT),
)
"""What a text holds in which a pattern is looked for."""


def _behind(pattern: re.Pattern[str], text: str, speaks: Speaks) -> Iterator[Named]:
    """The values that a pattern finds, each in the last of its groups, behind names in the first."""
    for match in pattern.finditer(text):
        name, place = match.group(1), match.lastindex
        if place is not None and speaks(name):
            yield (*match.span(place), name)


def _set(pattern: re.Pattern[str], text: str, speaks: Speaks) -> Iterator[Named]:
    """The values that a pattern finds from the sign on which sets them, with the name before it."""
    for match in pattern.finditer(text):
        start = match.start()
        before = _SET_BACKWARDS.match(text[max(0, start - _REACH) : start][::-1])
        if before and speaks(name := before.group(1)[::-1].strip()):
            yield (*match.span(1), name)


def _rows(text: str, speaks: Speaks) -> Iterator[Named]:
    """The cells of the rows of a table under the names in the row before them, of as many cells."""
    names: list[str] = []
    for row in _ROW.finditer(text):
        cells = [cell.span(1) for cell in _CELLS.finditer(text, *row.span())]
        if len(cells) != len(names) or "<th" in row.group().lower():
            names = _speaking((text[low:high].strip() for low, high in cells), speaks)
        else:
            yield from _under(names, cells)


def _inserted(text: str, statement: re.Match[str], speaks: Speaks) -> Iterator[Named]:
    """The values of a statement that inserts rows, each behind the name of its column."""
    names = _speaking((name.strip(_AROUND) for name in statement.group(1).split(",")), speaks)
    at = statement.end()
    for _ in range(_MOST_ROWS):
        row = _TUPLE.match(text, at)
        if row is None:
            return
        at = row.end()
        values = [value.span() for value in _VALUE.finditer(text, *row.span(1)) if value.group().strip()]
        if len(values) == len(names):
            yield from _under(names, [trimmed(text, *value, _AROUND) for value in values])


def _speaking(names: Iterable[str], speaks: Speaks) -> list[str]:
    """Some names, empty where they do not speak."""
    return [name if 0 < len(name) <= _LONGEST_NAME and speaks(name) else "" for name in names]


def _under(names: list[str], values: list[tuple[int, int]]) -> Iterator[Named]:
    """Values, each with its name, where that speaks."""
    return ((*value, name) for name, value in zip(names, values, strict=True) if name)


def trimmed(text: str, low: int, high: int, around: str) -> tuple[int, int]:
    """Where a value stands without some characters around it."""
    value = text[low:high]
    low += len(value) - len(value.lstrip(around))
    return low, max(low, high - len(value) + len(value.rstrip(around)))
