"""The rows made ready: compiled once for a choice of kinds and countries, and searched each on its road."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache, reduce
from operator import or_
from typing import Any, NamedTuple

from guard.pii import packing, spelling
from guard.pii.checks import check_of
from guard.pii.columns import SUMS
from guard.pii.cues import CUES, Cue
from guard.pii.gates import (
    BEGINNINGS,
    Gate,
    Spoken,
    first_of,
    framed,
    gate_of,
    gate_pattern,
    hint_place,
    is_spaced,
    least_run,
    shape_pattern,
)
from guard.pii.mentions import Vocabulary, words_in
from guard.pii.nobody import NOBODY
from guard.pii.resolve import STRONG
from guard.pii.rows import Edge, Road, Row

BEFORE, AFTER = 8, 20
"""How far a match of a row on the digits road may reach out of its region."""
SIGNS = 4
"""The most characters before the first digit of a match without letters: `(+ (`."""

_LEFT = {
    Edge.WORD: r"(?<![A-Za-z0-9])",
    Edge.DIGIT: r"(?<![0-9])",
    Edge.DOTTED: r"(?<![A-Za-z0-9])(?<![0-9]\.)",
    Edge.COLON: r"(?<![A-Za-z0-9])(?<!::)(?<!(?<![G-Zg-z])[0-9A-Fa-f]{2}[:-])",  # MAC: is a word, no group
    Edge.SLASHED: r"(?<![A-Za-z0-9/])(?<![0-9][.-])",
    Edge.GROUPED: r"(?<![A-Za-z0-9])(?<![0-9][ ./_-])",
    Edge.FREE: "",
}
_RIGHT = {
    Edge.WORD: r"(?![A-Za-z0-9])",
    Edge.DIGIT: r"(?![0-9])",
    Edge.DOTTED: r"(?![A-Za-z0-9])(?!\.[0-9])",
    Edge.COLON: r"(?![A-Za-z0-9])(?![:-][0-9A-Fa-f:]|\.[0-9])",
    Edge.SLASHED: r"(?![A-Za-z0-9/])(?![.-][0-9])",
    Edge.GROUPED: r"(?![A-Za-z0-9])(?![ ./_-]{1,2}[0-9])",
    Edge.FREE: "",
}
ANY = -1
"""Every cue, by its bit."""

_SIGNED = r"\x1a[A-Za-z]"


@cache
def _opening(pattern: str) -> Callable[..., re.Match[bytes] | None]:
    """The search for the opening of some rows: one and the same for those that share it."""
    return re.compile(pattern.encode("ascii")).search


class Ready:
    """A row with its compiled patterns, check and cues, flattened for the search.

    `before` is how far before the digits of a region a match may begin; `opens` searches for what all matches begin
    with or have among their first characters. `called` has the bit of its cue among `Roads.spoken`, `denied` that of
    what rules it out, `heard` both; or all bits where only the words before each match tell. `top` is what a match may
    score at most; where a row is `inner`, each match lies within its region. `own` are its heads.
    """

    __slots__ = (
        "asks", "before", "behind", "called", "check", "cue", "cued", "denied", "fixed", "group", "heard", "inner",
        "kind", "lead", "left", "literal", "loose", "mail", "match", "midword", "nation", "nobody", "number", "opens",
        "own", "right", "row", "score", "search", "shared", "sifted", "signed", "special", "top", "trim",
        "unless", "waits", "yields",
    )  # fmt: skip

    def __init__(self, row: Row, yields: bool = False, shared: bool = False) -> None:
        left, right = _LEFT[row.edge], _RIGHT[row.edge]
        self.literal, self.mail, self.nation = (
            row.road is Road.LITERAL,
            row.road is Road.MAIL,
            row.road is Road.NATION,
        )
        self.number = row.road is Road.DIGITS or self.nation
        least, most = first_of(row) if self.number else (0, 0xFF)
        # Elsewhere a search fails in one step.
        first = rf"(?=[\x{least:02x}-\x{most:02x}])" if self.number else ""
        pattern = re.compile(f"{first}{'' if self.literal else left}(?:{row.core}){right}".encode("ascii"))
        self.row = row
        self.own = frozenset(row.heads)
        self.kind, self.score, self.cued, self.trim, self.lead = (
            row.kind,
            row.score,
            row.cued,
            row.trim,
            row.lead,
        )
        self.signed = row.core.startswith(_SIGNED)
        self.search = pattern.match if row.road is Road.AFTER or self.signed else pattern.search
        self.match = pattern.match
        self.before = BEFORE if most >= ord("A") else SIGNS if least < ord("0") else 0
        self.top = max(row.score, row.cued)
        self.inner = self.number and not self.before and is_spaced(row)
        self.sifted = self.number and not self.before and not row.opening and row.check in SUMS
        self.left = re.compile(left.encode("ascii")).match
        self.right = re.compile(right.encode("ascii")).match
        self.check: Any = check_of(row)
        self.cue: Any = CUES[row.cue] if row.cue else None
        self.unless: Any = CUES[row.unless].without(self.cue) if row.unless else None
        self.nobody: Any = NOBODY[row.nobody] if row.nobody else None
        self.behind: Any = re.compile(row.behind).match if row.behind else None
        self.special = row.road in (Road.LITERAL, Road.MAIL) or bool(row.lead or row.behind)
        self.fixed = row.score if not row.cue and not row.unless else 0.0
        self.waits = bool(row.cue) and not row.score
        self.opens = _opening(row.opening) if row.opening and not self.waits else None
        self.asks = self.waits or self.opens is not None
        self.called = self.denied = self.heard = 0 if self.fixed else ANY
        # Such a match may begin within a word, of which the words of a stretch show no half.
        self.midword = row.edge in (Edge.DIGIT, Edge.FREE) and most >= ord("A")
        self.group = pattern.groupindex.get("value", 0)
        self.yields, self.shared, self.loose = yields, shared, row.edge is Edge.DIGIT


def _rank(rows: Sequence[Ready]) -> float:
    """Kinds whose rows need no opening and no cue to be sure go first: what they settle is not looked for again."""
    return -max(0.0 if row.opens else row.score for row in rows)


def _numbers(rows: list[Row]) -> dict[Row, bool]:
    """The rows on the digits road, each with whether an earlier, surer row of its kind goes before it."""
    seen: set[str] = set()
    found = {}
    for row in rows:
        if row.road is Road.DIGITS:
            found[row] = row.kind in seen
            seen.add(row.kind)
    return found


def _heard(numbers: list[Ready]) -> list[Cue]:
    """The cues of the number rows and what rules them out; each row learns the bits of its own."""
    cues: list[Cue] = []
    for row in numbers:
        for cue in (row.cue, row.unless):
            if cue is not None and cue not in cues:
                cues.append(cue)
        row.called = 1 << cues.index(row.cue) if row.cue else 0
        if not row.midword:
            row.denied = 1 << cues.index(row.unless) if row.unless else 0
            row.heard = row.called | row.denied
    return cues


def foreign_words(cues: Iterable[Cue | None]) -> dict[str, int]:
    """The words of cues outside Latin letters, each with the bits of its cues."""
    found: dict[str, int] = {}
    for place, cue in enumerate(cues):
        for word in words_in(cue.others.pattern) if cue is not None and cue.others is not None else ():
            found[word] = found.get(word, 0) | 1 << place
    return found


class Nations:
    """The rows of national numbers, compiled when first searched.

    Those in `sure` need no cue word; those in `alone`, among them the sure ones, need none where nothing surer is.
    """

    __slots__ = ("_ready", "alone", "rows", "sure")

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.sure = frozenset(index for index, row in enumerate(rows) if row.score >= STRONG)
        self.alone = frozenset(index for index, row in enumerate(rows) if row.score)
        self._ready: dict[int, Ready] = {}

    def ready(self, index: int) -> Ready:
        """One row, compiled."""
        found = self._ready.get(index)
        if found is None:
            found = self._ready[index] = Ready(self.rows[index])
        return found


class Asked(NamedTuple):
    """What the hits of the number gate in one region ask for.

    The number rows kind by kind, the surer first; whether a cue word matters to any row; of the rows of nations the
    bits of their cues in `spoken`; and those of all cues, if each row waits for its own. In a long region the number
    rows go first of which the check tells by the digits where a number may begin.
    """

    kinds: tuple[tuple[Ready, ...], ...]
    listens: bool
    nations: int
    alone: int
    sure: int
    waits: int
    sifted: tuple[Ready, ...] = ()


_MOST_ASKED = 4096


class Roads:
    """The compiled rows of one choice, by road.

    The number gate has the rows of numbers, then those of nations. The cues of `spoken` are those of the number rows,
    then (from `first_nation` on) those of nations, one a row. `asked` remembers what the shapes of short stretches
    ask for: digits and letters are no more to be told from a shape, and there are few.
    """

    def __init__(self, rows: tuple[Row, ...]) -> None:
        numbers = _numbers(list(rows))
        shared = {row.kind for row, yields in numbers.items() if yields}
        ready = [
            Ready(row, numbers.get(row, False), row.kind in shared)
            for row in rows
            if row.road is not Road.NATION
        ]
        self.numbers = [row for row in ready if row.number]
        self.mail = [row for row in ready if row.mail]
        self.nations = Nations([row for row in rows if row.road is Road.NATION])
        self.gated = [row for row in ready if not row.number and not row.mail]
        self.spelled, self.packed = len(self.gated), len(self.gated) + 1
        self.gate = _gate([row.row for row in self.gated])
        counted = [*(row.row for row in self.numbers), *self.nations.rows]
        self.number_gate = gate_of(shape_pattern(gate_pattern(row)) for row in counted)
        cues = _heard(self.numbers)
        self.first_nation = len(cues)
        heard = [*cues, *(CUES.get(row.cue) for row in self.nations.rows)]
        self.spoken = Spoken(heard)
        self.vocabulary = Vocabulary(foreign_words(heard), {head for row in ready for head in row.own})
        self.asked: dict[bytes, Asked] = {}
        self._by_hits: dict[tuple[int, ...], Asked] = {}

    def look(self, text: bytes) -> tuple[list[int], list[tuple[int, int]]]:
        """The gated rows that may match in a text, and its stretches that hold digits (`regions`)."""
        for digit in _DIGITS:
            if digit in text:
                return self.gate.hits(text), regions(text.translate(_CLASSES))
        return self.gate.words(text), []

    def ask(self, shape: bytes) -> Asked:
        """What the shape of a short stretch asks for; it is remembered."""
        asked = self.told(shape)
        if len(self.asked) >= _MOST_ASKED:
            self.asked.clear()
        self.asked[shape] = asked
        return asked

    def _asked_by(self, hits: tuple[int, ...]) -> Asked:
        """What some hits of the number gate ask for: one and the same for all shapes with these."""
        asked = self._by_hits.get(hits)
        if asked is None:
            if len(self._by_hits) >= _MOST_ASKED:
                self._by_hits.clear()
            asked = self._by_hits[hits] = self._asked(hits)
        return asked

    def _asked(self, hits: Collection[int]) -> Asked:
        first = len(self.numbers)
        kinds: dict[str, list[Ready]] = {}
        for row in (self.numbers[hit] for hit in sorted(hits) if hit < first):
            kinds.setdefault(row.kind, []).append(row)
        nations = {hit - first for hit in hits if hit >= first}
        rows = [row for group in kinds.values() for row in group]
        called, alone, sure = map(
            self._bits, (nations, nations & self.nations.alone, nations & self.nations.sure)
        )
        waits = not alone and all(row.waits for row in rows)
        return Asked(
            tuple(map(tuple, sorted(kinds.values(), key=_rank))),
            bool(nations) or any(row.heard for row in rows),
            called,
            alone,
            sure,
            reduce(or_, (row.called for row in rows), called) if waits else 0,
        )

    def _bits(self, nations: Iterable[int]) -> int:
        """Some rows of nations by the bits of their cues."""
        return sum(1 << self.first_nation + index for index in nations)

    def called(self, bits: int) -> Iterator[int]:
        """The rows of nations that some bits stand for."""
        bits >>= self.first_nation
        while bits:
            yield (bits & -bits).bit_length() - 1
            bits &= bits - 1

    def told(self, shape: bytes) -> Asked:
        """What the shape of a stretch asks for; of a long one it is not worth remembering."""
        return self._asked_by(tuple(self.number_gate.Match(framed(shape)) or ()))

    def narrowed(self, asked: Asked, said: int, fits: Callable[[Row], bool]) -> Asked:
        """What is asked for, of the rows that need no word that is not said, and pass a test."""
        rows = [
            [row for row in rows if (said & row.called or not row.waits) and fits(row.row)]
            for rows in asked.kinds
        ]
        kinds = (tuple(row for row in of_kind if not row.sifted) for of_kind in rows)
        wanted = asked.nations & said | asked.alone
        nations = self._bits(index for index in self.called(wanted) if fits(self.nations.rows[index]))
        return Asked(
            tuple(filter(None, kinds)),
            asked.listens,
            nations,
            asked.alone & nations,
            asked.sure & nations,
            0,
            tuple(row for of_kind in rows for row in of_kind if row.sifted),
        )


def _gate(rows: list[Row]) -> Gate:
    """The gate of some rows and of the readings beside them: what begins at an edge, the rest, what has a hint.

    What may begin at any letter multiplies with what counts letters from the beginning of a word.
    """
    spelled, packed = len(rows), len(rows) + 1
    asked = [(spelled, spelling.HINT), (packed, _RUN)]
    hinted: dict[str, list[tuple[int, str]]] = {}
    for place, row in enumerate(rows):
        hint = _RUN if _is_token(row) else row.hint
        (hinted.setdefault(hint, []) if hint else asked).append((place, gate_pattern(row)))
    asked += [(hint_place(index), hint) for index, hint in enumerate(hinted)]
    edged = [one for one in asked if one[1].startswith(BEGINNINGS)]
    return Gate([edged, [one for one in asked if one not in edged]], [*hinted.values()])


_RUN = f"[^A-Za-z0-9+/_-]{packing.HINT}"
"""A run that may be packed, from its beginning: counted from each of its letters it has many more states. Nearly all
keys of providers hold one."""


def _is_token(row: Row) -> bool:
    """Whether every match of a row holds a run as long as what is packed."""
    return least_run(row.core, packing.LETTERS) >= packing.SHORTEST


@cache
def roads(rows: tuple[Row, ...]) -> Roads:
    """Compile a choice of rows, once a process."""
    return Roads(rows)


_CLASS = bytearray(b"!" * 256)
for _code in range(256):
    _char = chr(_code)
    if _char in "0123456789":
        _CLASS[_code] = ord("9")
    elif _char.isascii() and _char.isalpha():
        _CLASS[_code] = ord("a")
    elif _char in " \t\r\n./_()+,:;#~-":
        _CLASS[_code] = ord("-")
_CLASSES = bytes(_CLASS)
_DIGITS = tuple(b"0123456789")
SHORTEST = 5
"""The characters of the shortest region that can hold a match."""
# The glance ahead passes over most that are too short, without a match for each.
_REGION = re.compile(
    rf"9(?=[9a-]{{{SHORTEST - 1}}})[9a]*+(?:-{{1,5}}+(?:a{{1,4}}+-{{0,3}}+)?+9[9a]*+)*+".encode("ascii")
)


def regions(classes: bytes) -> list[tuple[int, int]]:
    """The stretches that hold digits, with the letters and separators between them, if long enough for a match."""
    return [span for match in _REGION.finditer(classes) if (span := match.span())[1] - span[0] >= SHORTEST]
