"""Values under a heading: columns of CSV, tab-separated and Markdown text, lists of JSON under their key; named ones.

A heading is a cue word for every value under it, however far up it stands. The values of such a column are read
again in a copy of their own, each behind its heading, and searched there.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache

from guard.pii.cues import CUES, NAME_HOLDERS, NAME_LABELS, NAME_PARTS, Cue, Window, merged, words_of
from guard.pii.evasion import project
from guard.pii.named import named, trimmed

_HEADING = re.compile(r"(?=.{1,40}\Z)[^()\[\]{}=<>!?;。！？]{1,40}(?:[(（][^()（）]{0,30}[)）]|(?<![.:]))")
_LONGEST_CELL = 200
_DELIMITERS = (",", "\t", "|", ";")
_CELLS = {
    delimiter: re.compile(rf'"(?:[^"\n]|"")*"(?=[{delimiter}\n]|\Z)|[^{delimiter}\n]*')
    for delimiter in _DELIMITERS
}
_VALUES = re.compile(r"[\d@]")
_NO_NAME = re.compile(r"(?<![A-Za-z])\d|\d{3}|@")
"""What no heading has; `address2` is one."""
_LONGEST_ROW = 1000
_NO_HEADING = ".:!?;=<>[]{}。！？"
"""What the last heading of a line never ends with: most lines of prose are told by it."""
_NO_PROSE = re.compile(rf"\n(?:(?<=[^\s{re.escape(_NO_HEADING)}]\n)|(?<=[^{re.escape(_NO_HEADING)}]\s\n))")
"""The end of a line that ends otherwise, or in two blanks."""
_MOST_CELLS = 200
_RULE = re.compile(r"[|:\- \t]*-[|:\- \t]*")
_LIST = re.compile(r'"([^"\n]{1,40})"\s{0,8}:\s{0,8}\[([^\[\]{}]{1,16384})\]')
_ITEM = re.compile(r'"(?:[^"\\\n]|\\.){1,200}"|[^\s,"]{1,200}')
_CREDENTIALS = Cue(
    frozenset(
        b"""password passwd passcode passphrase pwd pw passwort kennwort senha contrasena secret token
        user username login account acct cvv cvc cvn csc security pin plate zip exp expiry expiration medical patient
        """.split()
    ),
    others=re.compile(
        "密码|密碼|口令|用户名|用戶名|登录名|登入名|账号|帐号|帳號|账户|安全码|安全碼|有效期|微信|邮编|邮政编码|QQ"
    ),
)
"""What patterns have directly before their values."""
_PERSON = re.compile(
    rf"(?i:(?:{NAME_PARTS}|{NAME_HOLDERS}|(?:account|card)?[ _-]?holder)[ _-]?names?|surnames?"
    r"|(?:account|card)[ _-]?holder|payee|beneficiary|recipient|consignee)"
    rf"|.{{0,6}}(?!(?<=用)户名)(?:{NAME_LABELS})"
)
"""A heading over names of people, and what it is read as."""
_NAMED = "full name"
_BETWEEN = re.compile(f"[{''.join(_DELIMITERS)}]")
_AROUND = ' \t\r"'
_END = "\x1a\n"

Cell = tuple[int, int, str]
"""Where a value stands, and the heading above it."""


class Columns:
    """The values under headings, one a line, each behind its heading."""

    __slots__ = ("_cells", "_starts", "text")

    def __init__(self, text: str, cells: list[Cell]) -> None:
        self._cells = cells
        self._starts: list[int] = []
        parts: list[str] = []
        size = 0
        for start, end, said in cells:
            heading = _NAMED if _PERSON.fullmatch(said.strip()) else said
            parts.append(f"{heading}: {text[start:end]}{_END}")
            self._starts.append(size + len(heading) + 2)
            size += len(parts[-1])
        self.text = "".join(parts)

    def back(self, start: int, end: int) -> tuple[int, int] | None:
        """The stretch of the text that a finding stands for, None where it is not within one value."""
        row = bisect_right(self._starts, start) - 1
        if row < 0:
            return None
        shift = self._cells[row][0] - self._starts[row]
        return (start + shift, end + shift) if end + shift <= self._cells[row][1] else None


def columns(text: str, hinted: bool = True) -> Columns | None:
    """The values of a text that stand under a heading with a cue word, None where there are none.

    Where it is not `hinted`, values behind their names (`named.HINT`) are not looked for.
    """
    cells = [*_tables(text), *_lists(text)]
    if hinted:
        cells += named(text, _speaks, _is_cue)
    return Columns(text, sorted(cells)) if cells else None


@cache
def _cues() -> Cue:
    """Every cue word that speaks for a kind."""
    speaking = [cue for name, cue in CUES.items() if not name.startswith("not_") and name != "version"]
    return merged([*speaking, _CREDENTIALS])


def _speaks(heading: str) -> bool:
    """Whether a heading has a cue word."""
    return _PERSON.fullmatch(heading.strip()) is not None or _is_cue(heading)


def _is_cue(heading: str) -> bool:
    """The same without names of people, which are sure behind their labels where they stand."""
    window = Window(words_of(project(heading).text), "" if heading.isascii() else heading)
    return _cues().stands_in(window)


def _lists(text: str) -> Iterator[Cell]:
    """The items of JSON lists whose key has a cue word."""
    if "[" not in text or '"' not in text:
        return
    for match in _LIST.finditer(text):
        if _speaks(match.group(1)):
            for item in _ITEM.finditer(text, *match.span(2)):
                yield item.start(), item.end(), match.group(1)


def _tables(text: str) -> Iterator[Cell]:
    """The cells of tables in columns whose heading has a cue word: rows of as many cells as the row of headings."""
    if not _NO_PROSE.search(text) or not (delimiters := [sign for sign in _DELIMITERS if sign in text]):
        return
    lines = text.split("\n")
    table: _Table | None = None
    at = 0
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        row = table.row(text, at, line) if table else None
        if row is None:
            prose = line.rstrip()[-1:] in _NO_HEADING
            table = None if prose else _table(text, at, line, below, delimiters)
        else:
            yield from row
        at += len(line) + 1


class _Table:
    """The headings with cue words, by their place in a row of a number of cells."""

    __slots__ = ("_count", "_delimiter", "_headings")

    def __init__(self, delimiter: str, count: int, headings: dict[int, str]) -> None:
        self._delimiter, self._count, self._headings = delimiter, count, headings

    def row(self, text: str, start: int, line: str) -> list[Cell] | None:
        """The cells of a line under the headings, None where it is no row of the table."""
        if self._delimiter == "|" and _ruled(line):
            return []
        if not self._count <= line.count(self._delimiter) + 1 <= _MOST_CELLS:
            return None
        cells = _cells(text, start, line, self._delimiter)
        if len(cells) != self._count:
            return None
        return [(*cells[place], heading) for place, heading in self._headings.items()]


def _table(text: str, start: int, line: str, below: str, delimiters: list[str]) -> _Table | None:
    """The table that begins with a line: short cells without digits, as many values or a rule below."""
    for delimiter in delimiters:
        if 0 < line.count(delimiter) <= below.count(delimiter) and _heads(line, below):
            cells = _cells(text, start, line, delimiter)
            headings = {place: text[low:high] for place, (low, high) in enumerate(cells)}
            if len(cells) > 1 and all(map(_HEADING.fullmatch, headings.values())):
                speaking = {place: heading for place, heading in headings.items() if _speaks(heading)}
                return _Table(delimiter, len(cells), speaking)
    return None


def _heads(line: str, below: str) -> bool:
    """Whether a line may hold headings: no values but a cue word, and values or a rule below; a name needs neither."""
    if len(line) > _LONGEST_ROW or _NO_NAME.search(line):
        return False
    if any(_PERSON.fullmatch(cell.strip(_AROUND)) for cell in _BETWEEN.split(line)):
        return True
    return bool(_VALUES.search(below) or _ruled(below)) and _speaks(line)


def _ruled(line: str) -> bool:
    """Whether a line is the rule under the headings of a Markdown table."""
    return _RULE.fullmatch(line.strip()) is not None


def _cells(text: str, start: int, line: str, delimiter: str) -> list[tuple[int, int]]:
    """Where the cells of a line stand, without blanks around them and without the bars at its ends."""
    body = line.rstrip()
    low = start + len(body) - len(body.lstrip())
    high = start + len(body)
    if delimiter == "|":
        low, high = low + (text[low:high][:1] == "|"), high - (text[low:high][-1:] == "|" and high - low > 1)
    found = []
    while low <= high:
        match = _CELLS[delimiter].match(text, low, high)
        end = match.end() if match else high
        found.append(_trimmed(text, low, end))
        low = end + 1
    return found


def _trimmed(text: str, low: int, high: int) -> tuple[int, int]:
    """A cell without blanks and quotes around it, cut to the longest value."""
    low, high = trimmed(text, low, high, _AROUND)
    return low, min(high, low + _LONGEST_CELL)
