"""The rows made ready: compiled once for a choice of kinds and countries, and searched each on its road."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial, reduce
from operator import or_
from typing import Any, TypeVar

from guard.pii import named, packing, spelling
from guard.pii.asked import Asked, Settling, settling, yields
from guard.pii.cues import CUES, Cue
from guard.pii.gates import (
    BEGINNINGS,
    Gate,
    Spoken,
    framed,
    gate_of,
    gate_pattern,
    hint_place,
)
from guard.pii.mentions import Vocabulary, words_in
from guard.pii.patterns import least_run, shape_of, shape_pattern
from guard.pii.reach import LEAD, SEARCHED, SIGNS, Reach, reach_of
from guard.pii.ready import Ready, top_of
from guard.pii.resolve import STRONG
from guard.pii.rows import Road, Row

Span = tuple[int, int]
"""Where a stretch of a text begins and ends."""

Seen = tuple[list[int], list[Span], bytes]
"""What one look at a text shows: the gated rows that may match, the stretches that hold digits, its shape if any do."""


def _rank(rows: Sequence[Ready], opened: Collection[Ready]) -> float:
    """Kinds whose rows need no opening and no cue to be sure go first: what they settle is not looked for again."""
    return -max(0.0 if row.opens and row not in opened else row.score for row in rows)


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

    __slots__ = ("_reach", "_ready", "alone", "rows", "sure")

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.sure = frozenset(index for index, row in enumerate(rows) if row.score >= STRONG)
        self.alone = frozenset(index for index, row in enumerate(rows) if row.score)
        self._ready: dict[int, Ready] = {}
        self._reach: dict[int, Reach] = {}

    def yields(self, index: int, first: Ready, *, called: bool) -> bool:
        """Whether what one row has within a region yields to another's match of it, be a cue of the row said or not.

        Told without compiling it.
        """
        row = self.rows[index]
        return yields(row, top_of(row) if called else row.score, first)

    def reach(self, index: int) -> Reach:
        """How far matches of one row may reach out of their region."""
        found = self._reach.get(index)
        if found is None:
            found = self._reach[index] = reach_of(self.rows[index])
        return found

    def matches(self, index: int) -> Callable[..., re.Match[bytes] | None]:
        """The search for one row in a region, to be asked as openings are: in some text before it up to its end."""
        search = self.ready(index).search
        return lambda text, low, high: search(text, low, high + SEARCHED)

    def ready(self, index: int) -> Ready:
        """One row, compiled."""
        found = self._ready.get(index)
        if found is None:
            found = self._ready[index] = Ready(self.rows[index])
        return found


Told = tuple[tuple[int, ...], ...]
"""What is told of a shape: some rows, by their places in the number gate."""

_MOST_ASKED = 4096
_GLANCES = 2
"""So often a shape is seen before it is studied, which takes as long as five regions are then searched sooner."""


_Key = TypeVar("_Key", bound=tuple[Any, ...])
_Made = TypeVar("_Made")


def _remembered(memory: dict[_Key, _Made], told: _Key, make: Callable[..., _Made]) -> _Made:
    """What was made of what is told, made once; all is forgotten before it is too much."""
    found = memory.get(told)
    if found is None:
        if len(memory) >= _MOST_ASKED:
            memory.clear()
        found = memory[told] = make(*told)
    return found


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
        self.spelled, self.packed, self.named = range(len(self.gated), len(self.gated) + 3)
        self.gate = _gate([row.row for row in self.gated])
        counted = [*(row.row for row in self.numbers), *self.nations.rows]
        self.number_gate = gate_of(shape_pattern(gate_pattern(row)) for row in counted)
        cues = _heard(self.numbers)
        self.first_nation = len(cues)
        heard = [*cues, *(CUES.get(row.cue) for row in self.nations.rows)]
        self.spoken = Spoken(heard)
        self.vocabulary = Vocabulary(foreign_words(heard), {head for row in ready for head in row.own})
        self.asked: dict[bytes, Asked] = {}
        self._seen: dict[bytes, tuple[tuple[int, ...], int]] = {}
        self._by_hits: dict[Told, Asked] = {}
        self._by_told: dict[Told, Asked] = {}
        self._called: dict[tuple[int], tuple[Ready, ...]] = {}

    def look(self, text: bytes) -> Seen:
        """Look at a text once."""
        for digit in _DIGITS:
            if digit in text:
                shape = shape_of(text)
                return self.gate.hits(text), regions(shape), shape
        return self.gate.words(text), [], b""

    def ask(self, shape: bytes) -> Asked:
        """What the shape of a region, with what stands around it, asks for; remembered once it was seen often.

        Most shapes of a new text are hardly seen again: then it is not worth while to tell who may leave the region.
        """
        hits, times = self._seen.pop(shape, (None, 0))
        if hits is None:
            if len(self._seen) >= _MOST_ASKED:
                self._seen.clear()
            hits = self._hits(shape)
        if times < _GLANCES:
            self._seen[shape] = hits, times + 1
            return self._asked_by(hits)
        if len(self.asked) >= _MOST_ASKED:
            self.asked.clear()
        asked = self.asked[shape] = self._told(hits, shape)
        return asked

    def _told(self, hits: tuple[int, ...], shape: bytes) -> Asked:
        """What some hits of the number gate ask for, with what the shape of the region tells of them."""
        region = _REGION.match(shape, LEAD)
        around, sign = (
            (shape[:LEAD], shape[region.end() if region else LEAD :]),
            shape[LEAD - SIGNS : LEAD + 1],
        )
        rows = [(hit, self.numbers[hit]) for hit in hits if hit < len(self.numbers)]
        leaving = tuple(hit for hit, row in rows if row.reach.leaves(*around))
        opened = tuple(hit for hit, row in rows if row.opens is not None and row.opens(sign))
        return self._fitted(_remembered(self._by_told, (hits, leaving, opened), self._settled), *around)

    def _fitted(self, asked: Asked, *around: bytes) -> Asked:
        """The same where it is known what stands around the region: which rows of nations leave it."""
        settles, nations = asked.settles, self.nations
        if settles is None:
            return asked
        rest = self._fitted(settles.rest, *around)
        away = [index for index in settles.near if nations.reach(index).leaves(*around)]
        if not away and rest is settles.rest:
            return asked
        shut = settles.shut + tuple(map(nations.matches, nations.sure.intersection(away)))
        deaf = settles.deaf | self._bits(away)
        return replace(asked, settles=replace(settles, shut=shut, deaf=deaf, rest=rest))

    def _settled(self, hits: tuple[int, ...], leaving: tuple[int, ...], opened: tuple[int, ...]) -> Asked:
        """The same by what is told, with what settles the region where no row of nations leaves it."""
        asked, nations = self._asked_by(hits, leaving, opened), self.nations
        wins = settling(asked.kinds, {self.numbers[hit] for hit in opened})
        if wins is None:
            return asked
        first, longer, shut, deaf = wins
        lost: set[int] = set()
        others: set[int] = set()
        for hit in hits:
            if (index := hit - len(self.numbers)) >= 0:
                (lost if longer or nations.yields(index, first, called=True) else others).add(index)
        # Those win only where their cue is said; the sure ones need none.
        if not all(nations.yields(index, first, called=False) for index in others & nations.sure):
            return asked
        place = self.numbers.index(first)
        told = (tuple(hit for hit in some if hit != place) for some in (hits, leaving, opened))
        near = (index for index in lost | (others & nations.sure) if not nations.reach(index).inner())
        before, deaf = first.before if longer else 0, deaf | self._bits(others)
        # What most often is longer is an IBAN, for a word of two letters before the number: mostly there is none.
        rest = _remembered(self._by_told, tuple(told), self._settled) if longer else self._asked_by(*told)
        settles = Settling(first, before, shut, deaf, tuple(near), rest)
        return replace(asked, settles=settles)

    def _asked_by(self, *told: tuple[int, ...]) -> Asked:
        """The same by what is told (`_asked`): one and the same for all shapes of which that is told."""
        return _remembered(self._by_hits, told, self._asked)

    def _asked(
        self, hits: Collection[int], leaving: Collection[int] | None = None, begun: Collection[int] = ()
    ) -> Asked:
        """What some hits of the number gate, in order, ask for; some may leave the region, some surely are opened."""
        first = len(self.numbers)
        kinds: dict[str, list[Ready]] = {}
        for row in (self.numbers[hit] for hit in hits if hit < first):
            kinds.setdefault(row.kind, []).append(row)
        nations = {hit - first for hit in hits if hit >= first}
        rows = [row for group in kinds.values() for row in group]
        outer = (
            {row for row in rows if not row.inner}
            if leaving is None
            else {self.numbers[hit] for hit in leaving}
        )
        opened = {self.numbers[hit] for hit in begun}
        called, alone, sure = map(
            self._bits, (nations, nations & self.nations.alone, nations & self.nations.sure)
        )
        waits = not alone and all(row.waits for row in rows)
        found = [
            (tuple(group), tuple(row for row in group if row in outer), max(row.top for row in group))
            for group in sorted(kinds.values(), key=partial(_rank, opened=opened))
        ]
        return Asked(
            tuple(found),
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

    def called_rows(self, bits: int) -> tuple[Ready, ...]:
        """The same, compiled; many regions ask for the same."""
        return _remembered(self._called, (bits,), self._compiled)

    def _compiled(self, bits: int) -> tuple[Ready, ...]:
        return tuple(map(self.nations.ready, self.called(bits)))

    def glanced(self, shape: bytes) -> Asked:
        """What the shape of a stretch asks for; of a long one it is not worth remembering."""
        return self._asked_by(self._hits(shape))

    def _hits(self, shape: bytes) -> tuple[int, ...]:
        """The rows that may match in a shape, by their places in the number gate."""
        return tuple(sorted(self.number_gate.Match(framed(shape)) or ()))

    def narrowed(self, asked: Asked, said: int, fits: Callable[[Row], bool]) -> Asked:
        """What is asked for, of the rows that need no word that is not said, and pass a test."""
        rows = [row for kind in asked.kinds for row in kind[0]]
        kept = [row for row in rows if (said & row.called or not row.waits) and fits(row.row)]
        searched = {row for row in kept if not row.sifted}
        kinds = [
            (tuple(filter(searched.__contains__, rows)), tuple(filter(searched.__contains__, outer)), top)
            for rows, outer, top in asked.kinds
        ]
        wanted = asked.nations & said | asked.alone
        nations = self._bits(index for index in self.called(wanted) if fits(self.nations.rows[index]))
        return Asked(
            tuple(kind for kind in kinds if kind[0]),
            asked.listens,
            nations,
            asked.alone & nations,
            asked.sure & nations,
            0,
            sifted=tuple(row for row in kept if row.sifted),
        )


def _gate(rows: list[Row]) -> Gate:
    """The gate of some rows and of the readings beside them: what begins at an edge, the rest, what has a hint.

    What may begin at any letter multiplies with what counts letters from the beginning of a word.
    """
    asked = [*enumerate((spelling.HINT, _RUN, named.HINT), len(rows))]
    hinted: dict[str, list[tuple[int, str]]] = {}
    for place, row in enumerate(rows):
        pattern = gate_pattern(row)
        hint = _RUN if pattern.startswith(BEGINNINGS) and _is_token(row) else row.hint
        (hinted.setdefault(hint, []) if hint else asked).append((place, pattern))
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


_DIGITS = tuple(b"0123456789")
SHORTEST = 5
"""The characters of the shortest region that can hold a match."""
_GAP = r" \t\r\n./_()+,:;#~-"
# The glance ahead passes over most that are too short, without a match for each.
_REGION = re.compile(
    rf"9(?=[9a{_GAP}]{{{SHORTEST - 1}}})[9a]*+(?:[{_GAP}]{{1,5}}+(?:a{{1,4}}+[{_GAP}]{{0,3}}+)?+9[9a]*+)*+".encode()
)


def regions(shape: bytes) -> list[Span]:
    """The stretches that hold digits, with the letters and separators between them, if long enough for a match."""
    return [span for match in _REGION.finditer(shape) if (span := match.span())[1] - span[0] >= SHORTEST]
