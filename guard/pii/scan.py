"""Find what the catalogue describes, in one pass: project, gate, then each row that hit on its own road."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from typing import TYPE_CHECKING

from guard.kinds import NAMES, ON_REQUEST
from guard.pii import packing
from guard.pii.catalog import ROWS
from guard.pii.checks import PLANNED
from guard.pii.cuts import BEFORE, BOUND, Ground, cut_positions, far_cut, splits
from guard.pii.evasion import Projection, project
from guard.pii.hunt import Hunt
from guard.pii.numbers import Candidate
from guard.pii.plaincuts import PlainCuts
from guard.pii.readings import Readings
from guard.pii.resolve import resolve
from guard.pii.roads import Seen, Span, roads
from guard.pii.rows import Row
from guard.pii.samples import SAMPLES
from guard.pii.tables import columns
from guard.pii.view import CONTEXT, View
from guard.pii.wrapped import wrapped
from guard.types import Finding

if TYPE_CHECKING:
    from guard.pii.names import Names, Reading

_AT = ord("@")
_OTHER = 0x1A
_PIECE, _PIECE_NAMED = 8192, 16384
"""After so many characters a long text is cut to be searched, and where names are read anew at each seam."""
_LOOKBACK = 1024
_GLANCES, _FEW = 100, 8
_BESIDE, _PAIRS = 256, 64
"""So near numerals a cut is looked for, to read them in a stretch of their own; of so many it is not."""
_AHEAD = 5
_SURE_CUT = re.compile(  # so written, `re` skips to the first blank or foreign character
    rb"[ \t\r\n\x1a](?:(?<=[A-Za-z]{5}[ \n])(?=[A-Za-z])(?!(?:[Aa][Tt]|[Dd][Oo][Tt]|[Dd][Ee]) )"
    rb"|[ \t\r\n](?<=[ \t\r\n]{2})[ \t\r\n]{3}|[,.;!?](?<=\x1a.)(?=\x1a\x1a)|\x1a(?<=\x1a\x1a)(?=\x1a))"
)
_LETTERS, _NEAR, _SENTENCES, _LATE = 5, 16, 2, 512
_CLASSES = bytes(
    97 if chr(code).isalpha() and code < 128 else 32 if code in b" \t\r\n" else code for code in range(256)
)
_CUT_SIGNS = (b"a" * _LETTERS + b" ", b" " * 5, b"\x1a")
"""A long word, blanks, a foreign character: what `_SURE_CUT` matches beside, in letters and blanks alone."""
_SIGNS = bytes(0 if code in b"%&\\=[({<" else code | 32 for code in range(256))
"""What a disguise of a value begins with (`spelling.HINT`) as zeros, and small letters for capitals."""
_LEFT, _RIGHT, _LABEL = 80, 16, 3
"""How far around a cut it is looked for: as far as the grammar of cuts looks, and as long as a unit is; a numeral as
near as a label stands behind a day."""
_DIGITS = b"0123456789"
_DIGIT = re.compile(rb"[0-9]").search
_SENTENCE_ENDS = re.compile(rb"[A-Za-z]{5}\. [A-Za-z]{4}").match
"""Around the end of a sentence no passphrase goes on, so there is nothing to look up."""
_EU = frozenset("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE".split())


class Scanner:
    """Find personal data and secrets in text: fast, linear, and the same in pieces as in the whole.

    `kinds` narrows to these and adds the kinds on request that it names (None: everything that is on by
    default); `countries` narrows the national kinds to ISO codes (`EU` for its members; None: all);
    `skip` leaves out values that are nobody's: `reserved` (documentation, fiction), `private` (networks);
    `names`: also people, places, organisations and addresses among the kinds, from this score on (None: not).
    `beat` is called after each piece of a text, for those who wait.
    """

    context = CONTEXT

    def __init__(
        self,
        *,
        kinds: frozenset[str] | None = None,
        countries: Collection[str] | None = None,
        skip: Collection[str] = ("reserved", "private"),
        names: float | None = None,
        beat: Callable[[], None] | None = None,
    ) -> None:
        self._beat = beat
        self.rows = _choose(kinds, None if countries is None else frozenset(countries))
        self._roads = roads(self.rows)
        self._skip = frozenset(skip)
        self.names = (
            None if names is None else _names(NAMES - ON_REQUEST if kinds is None else NAMES & kinds, names)
        )

    def scan(self, text: str, start: int = 0) -> list[Finding]:
        """Find and settle overlaps: one finding a stretch, in order; those before `start` (a cut) are left out."""
        found = self.candidates(text, start) if start else self.everything(text)
        return resolve(found) if len(found) > 1 else found

    def everything(self, text: str) -> list[Finding]:
        """Everything that is found in a text, overlaps included, under headings and over lines too."""
        projection = project(text)
        if not self._is_one_piece(text, projection):
            found, hits = self._in_pieces(text, projection, 0)
        else:
            found, hits = self._in_one_piece(text, projection)
        hinted = self._roads.named in hits
        if not is_flat(text):
            found += self.under_headings(text, hinted)
            if self._roads.packed in hits:  # a line of base64 is a run of letters
                found += self.over_lines(text)
        elif hinted:
            found += self.under_headings(text, hinted)
        return found

    def _in_one_piece(self, text: str, projection: Projection) -> tuple[list[Finding], list[int]]:
        """Everything that a row matches in a text of one piece, and what the gate let through."""
        seen = self._roads.look(projection.text)
        found = self._searched(text, projection, (0, len(text)), projection.text, seen)
        if self._beat is not None:
            self._beat()
        return found, seen[0]

    def _is_one_piece(self, text: str, projection: Projection) -> bool:
        """Whether a text is scanned in one piece, as most are: its characters are those of its projection."""
        return self.names is None and projection.kept is None and 0 < len(text) <= _bound(projection)

    def candidates(self, text: str, start: int = 0) -> list[Finding]:
        """Everything that a row matches, overlaps included; what begins before `start` is only context."""
        projection = project(text)
        if not start and self._is_one_piece(text, projection):
            return self._in_one_piece(text, projection)[0]
        return self._in_pieces(text, projection, start)[0]

    def _in_pieces(
        self, text: str, projection: Projection, start: int
    ) -> tuple[list[Finding], Collection[int]]:
        """Everything that a row matches, piece by piece, and the names; and what the gate let through."""
        reading = None if self.names is None else self.names.reading(text, projection)
        found: list[Finding] = []
        named: list[Candidate] = []
        hits: set[int] = set()
        for low, high in _pieces(projection, projection.position(start), reading):
            more, seen = self._piece(text, projection, low, high)
            found += more
            hits.update(seen)
            if reading is not None:
                named += reading.find(max(0, low - CONTEXT), low, high)
            if self._beat is not None:
                self._beat()
        return found + _findings(projection, named, "names"), hits

    def beside(self, text: str) -> list[Finding]:
        """What is found under headings and over lines."""
        return self.under_headings(text) + self.over_lines(text)

    def warm(self) -> None:
        """Make what the first texts would wait for, most of all what is compiled for the first number of a kind."""
        for text in SAMPLES:
            self.scan(text)
        if self.names is not None:
            self.names.warm()

    def under_headings(self, text: str, hinted: bool = True) -> list[Finding]:
        """What is found under headings and behind names that are cue words, however far up they stand.

        `hinted` says whether the gate saw a hint of such a name (`named.HINT`).
        A stream sees a heading only where it stands in the window or its context.
        """
        copy = columns(text, hinted)
        if copy is None:
            return []
        found = ((finding, copy.back(finding.start, finding.end)) for finding in self.candidates(copy.text))
        return [
            Finding(finding.kind, *span, finding.score, finding.source) for finding, span in found if span
        ]

    def over_lines(self, text: str) -> list[Finding]:
        """What is found in base64 that is wrapped over lines, as the whole lines that hold it.

        A stream sees it only where all these lines stand in the window or its context.
        """
        return [
            Finding(finding.kind, *block.back(finding.start, finding.end), finding.score, finding.source)
            for block in wrapped(text)
            for finding in self.candidates(block.text)
        ]

    def silent(self, text: str, flat: bool = False) -> bool:
        """Whether one look at an ASCII text shows that no row matches in it, nor in any of its lines taken alone.

        `flat` says that it is made of texts of one line, without lists (`is_flat`), that are told of one by one.
        """
        if self.names is not None and not self.names.silent(text):
            return False
        ready, data = self._roads, text.encode("ascii")
        hits, digits, shape = ready.look(data)
        if (ready.mail and _AT in data) or (hits and hits != [ready.packed]):
            return False
        if hits and any(packing.packed_in(data)):
            return False
        if digits:
            hunt = Hunt(View(text, Projection(data), 0, data), self._skip)
            if hunt.called_for(ready, digits, shape):
                return False
        return flat or is_flat(text) or (columns(text, False) is None and not any(wrapped(text)))

    def cuts(self, text: str, start: int, final: bool = False) -> list[int]:
        """Where the text after the cut `start` may be cut: no match spans these offsets, whatever follows.

        Each is settled by the text around it and never taken back; without `final` the tail that more text
        could change has none. Pieces between any of them, scanned with `context` characters before them,
        give the findings of the whole. A stretch without a place for a cut is cut after `cuts.BOUND`
        characters; only a PEM block is held longer, to its end or `rows.BLOCK_LONGEST`.
        """
        return self._cuts(PlainCuts(), text, start, final)

    def cutter(self) -> Callable[[str, int, bool], list[int]]:
        """Make what says as `cuts` does, and is quick where it is asked about a text that grows."""
        return partial(self._cuts, PlainCuts())

    def _cuts(self, plain: PlainCuts, text: str, start: int, final: bool) -> list[int]:
        origin = max(0, start - _LOOKBACK)
        if not final and self.names is None:
            words = plain.cuts(text, start, origin)
            if words is not None:
                return words
        projection = project(text[origin:])
        first = projection.position(start - origin)
        seams = None if self.names is None else self.names.reading(text[origin:], projection).seams(final)
        ground = Ground(projection, first, final, seams)
        cuts = cut_positions(projection, first, final, ground)
        found = [origin + projection.place(position) for position, _ in cuts]
        if final and start < len(text) and (not found or found[-1] < len(text)):
            found.append(len(text))
        return found

    def _piece(
        self, source: str, projection: Projection, low: int, high: int
    ) -> tuple[list[Finding], list[int]]:
        base = max(0, low - CONTEXT)
        text = projection.text if base == 0 and high == len(projection.text) else projection.text[base:high]
        seen = self._roads.look(text)
        return self._searched(source, projection, (low, high), text, seen), seen[0]

    def _searched(
        self,
        source: str,
        projection: Projection,
        piece: Span,
        text: bytes,
        seen: Seen,
    ) -> list[Finding]:
        """What is found in a piece; `text` is its projection with what stands before it, of which all was seen."""
        (low, high), (hits, digits, shape), ready = piece, seen, self._roads
        base = max(0, low - CONTEXT)
        mail = bool(ready.mail) and _AT in text
        counts = projection.counts and (len(text) == len(projection.text) or projection.count(base, high))
        if not (hits or digits or mail or (counts and self._numerals_wake(source, projection, base, high))):
            return []
        found: list[Finding] = []
        beside: Readings | None = None
        if counts or (hits and max(hits) >= ready.spelled):
            spelled = ready.spelled in hits
            packed = list(packing.packed_in(text)) if ready.packed in hits else []
            hits = [hit for hit in hits if hit < ready.spelled]
            if spelled or packed or counts:
                beside = Readings(
                    source, projection, base, high, spelled=spelled, packed=packed, context=base < low
                )
                read = [hit for hit in self._disguised(projection, beside) if hit[1] >= low]
                found = _findings(projection, read, "pattern")
                if beside.suffices:
                    return found
        hunt = Hunt(View(source, projection, base, text), self._skip, low - base)
        hunt.run(ready, (hits, digits, shape), mail)
        plain = hunt.belonging() if beside is None else beside.counting(hunt.belonging(), base)
        return found + _findings(projection, plain, "pattern", base, low - base)

    def _numerals_wake(self, source: str, projection: Projection, low: int, high: int) -> bool:
        """Whether numerals that stand together in a stretch without anything else wake a row: in prose they do not."""
        read, runs = bytearray(projection.text[low:high]), projection.numerals(low, high)
        for start, end, digits, _ in runs:
            read[start:end] = digits.encode("ascii")
        hits, regions, _ = self._roads.look(bytes(read))
        if regions or not hits or max(hits) >= self._roads.spelled:
            return bool(regions or hits)
        rows = [self._roads.gated[hit] for hit in hits]
        if any(not row.own for row in rows):
            return True
        heads = {head for row in rows for head in row.row.heads}
        longest = max(map(len, heads))
        reach = max(row.row.longest for row in rows) + longest + 1  # a letter of the tail
        begins = [low + start for start, *_ in runs if start]
        near = _joined(((max(low, begin - reach), begin) for begin in begins), longest)
        before = [projection.to_original(*stretch) for stretch in near]
        return any(source.find(head, *stretch) >= 0 for head in heads for stretch in before)

    def _disguised(self, projection: Projection, beside: Readings) -> Iterator[Candidate]:
        """What is found in the copies of a piece that say plainly what it spells out or packs."""
        ready = self._roads
        for reading in beside.copies:
            copy = project(reading.text)
            # What falls away makes no others needless: what begins before the piece, or is not all unpacked.
            first = 0 if reading.whole and not beside.context else len(copy.text)
            hunt = Hunt(View(reading.text, copy, 0, copy.text, reading.floor), self._skip, first)
            hits, digits, shape = ready.look(copy.text)
            mail = bool(ready.mail) and _AT in copy.text
            hunt.run(ready, ([hit for hit in hits if hit < ready.spelled], digits, shape), mail)
            for kind, start, end, score in hunt.belonging():
                if span := reading.back(*copy.to_original(start, end)):
                    low, high = (projection.position(beside.first + place) for place in span)
                    yield kind, low, high, score


@lru_cache(maxsize=64)
def _choose(kinds: frozenset[str] | None, countries: frozenset[str] | None) -> tuple[Row, ...]:
    """The rows of a choice of kinds and countries."""
    if countries is not None and "EU" in countries:
        countries |= _EU
    if countries is not None and "UK" in countries:
        countries |= {"GB"}
    return tuple(
        row if countries is None or row.check not in PLANNED else replace(row, plans=tuple(sorted(countries)))
        for row in ROWS
        if (row.kind in kinds if kinds is not None else row.kind not in ON_REQUEST)
        and (not row.country or countries is None or not countries.isdisjoint(row.country.split()))
    )


def _names(kinds: frozenset[str], least: float) -> Names | None:
    """The finder of names, where a kind of it is wanted; what it needs is not even imported before."""
    from guard.pii.names import Names

    return Names(kinds, least) if kinds else None


def _findings(
    projection: Projection, found: list[Candidate], source: str, base: int = 0, first: int = 0
) -> list[Finding]:
    """What was found from a place on in a projection, or in a piece of it that begins at `base`, in the original."""
    if not found:
        return []
    rest, new = (source, ""), tuple.__new__  # a text full of findings makes thousands
    if projection.kept is not None:
        original = projection.to_original
        return [
            new(Finding, (kind, *original(start + base, end + base), score, *rest))
            for kind, start, end, score in found
            if start >= first
        ]
    if not base and not first:
        return [new(Finding, one + rest) for one in found]
    return [
        new(Finding, (kind, start + base, end + base, score, source, ""))
        for kind, start, end, score in found
        if start >= first
    ]


def _pieces(projection: Projection, start: int, reading: Reading | None) -> Iterable[tuple[int, int]]:
    """The stretches to scan one by one: cut where the bound forces it, and at leisure in long texts."""
    end = len(projection.text)
    if start < end <= start + _bound(projection) and projection.kept is None:
        return ((start, end),)
    return _long_pieces(projection, start, end, reading)


def _bound(projection: Projection) -> int:
    """So long a text is scanned in one piece: with numerals in it a shorter one pays (`_around_numerals`)."""
    return BOUND // 2 if projection.counts else BOUND


def _long_pieces(
    projection: Projection, start: int, end: int, reading: Reading | None
) -> Iterator[tuple[int, int]]:
    ground = Ground(projection, start, True, None if reading is None else reading.seams(True))
    low = start
    while low < end:
        high = _piece_end(projection, low, ground, reading)
        yield from _around_numerals(projection, low, high, ground, reading)
        low = high


def _around_numerals(
    projection: Projection, low: int, high: int, ground: Ground, reading: Reading | None
) -> Iterator[tuple[int, int]]:
    """A piece in stretches, of which those are short in which numerals stand together, if they are few.

    What holds such is searched once more, with the numerals read: not all of a piece with a number in it, for one
    `三五` among its words. Their stretch goes on until they are no context of the next.
    """
    text = projection.raw or projection.text
    pairs = list(islice(projection.counted(low, high), _PAIRS)) if projection.counts else []
    runs = _joined(pairs, -_BESIDE) if len(pairs) < _PAIRS else []
    if not runs or len(runs) > _FEW or ground.blocks or max(text.find(d, low, high) for d in _DIGITS) < 0:
        runs = []
    for first, second in runs:
        if first < low:
            continue
        free = partial(_free, projection, reading, max(low, first - _BESIDE))
        before = _sure_from(text, max(low, first - _BESIDE), first, _GLANCES, ground, free)
        if low < before <= first:
            yield low, before
            low = before
        behind = _sure_from(text, second + CONTEXT + 1, second + CONTEXT + _BESIDE, _GLANCES, ground, free)
        if low < behind < high:
            yield low, behind
            low = behind
    yield low, high


def _piece_end(projection: Projection, low: int, ground: Ground, reading: Reading | None) -> int:
    """Where the piece that begins at a cut ends: at a forced cut, at another after a while, or at the end."""
    end, most = len(projection.text), _PIECE if reading is None else _PIECE_NAMED
    at = low
    while end > at and projection.place(end) - projection.place(at) > BOUND:
        sure = 0 if ground.blocks else _sure_cut(projection, at, ground, reading)
        at, forced = (sure, False) if sure else _far_cut(projection, at, ground)
        if forced or at - low >= most:
            return at
    return end


def _far_cut(projection: Projection, at: int, ground: Ground) -> tuple[int, bool]:
    """The first forced cut after a cut, or a natural one at some distance."""
    if position := far_cut(projection, at, ground):
        return position, False
    position, forced = at, False
    for position, forced in cut_positions(projection, at, True, ground):
        if forced or position - at >= BOUND // 2:
            break
    return position, forced


def _sure_cut(projection: Projection, at: int, ground: Ground, reading: Reading | None) -> int:
    """A cut within the bound that a glance shows (after a long word, or amid foreign characters), else 0.

    Late if there is one: each costs a look around it.
    """
    text, free = projection.raw or projection.text, partial(_free, projection, reading, at)
    half = at + BOUND // 2
    late = max(half, at + BOUND - _LATE)
    if text.find(b"\x1a", late, late + _NEAR) < 0:  # amid foreign characters there are cuts everywhere
        end = at + BOUND
        for _ in range(_SENTENCES):
            end = text.rfind(b". ", half, end)
            if end < 0:
                break
            if _SENTENCE_ENDS(text, end - _LETTERS) and free(text, end + 2):
                return end + 2
    ends = at + BOUND + _AHEAD
    cut = _sure_from(text, late, ends, _FEW, ground, free) if late > half else 0
    return cut or _sure_from(text, half, ends, _GLANCES, ground, free)


def _sure_from(
    text: bytes, low: int, high: int, most: int, ground: Ground, free: Callable[[bytes, int], bool]
) -> int:
    """The first sure cut from a place on, looked for at so many places at most; else 0."""
    first = _sign(text, low, high) if text.find(b"\x1a", low, low + _NEAR) < 0 else low
    behind = 0
    for match in islice(_SURE_CUT.finditer(text, first, high), most):
        found = match.group()
        cut = match.start() + 1 if found == b"\x1a\x1a" else match.end()
        if cut < behind or (found[0] == _OTHER and not _undisguised(text, cut)):
            continue
        behind = ground.phrases.over(cut)
        if not behind and free(text, cut):
            return cut
    return 0


def _sign(text: bytes, low: int, high: int) -> int:
    """The first place from which `_SURE_CUT` may match, told by what each of its matches holds."""
    begin = max(0, low - _LETTERS)
    classes = text[begin:high].translate(_CLASSES)
    found = [place for sign in _CUT_SIGNS if (place := classes.find(sign)) >= 0]
    return max(low, begin + min(found, default=len(classes)))


def _free(projection: Projection, reading: Reading | None, at: int, text: bytes, cut: int) -> bool:
    """Whether a cut is within the bound and neither in the host of an address, behind a number, nor in a name."""
    if text.find(b"@", cut - 66, cut) >= 0 or projection.place(cut) - projection.place(at) > BOUND:
        return False
    if _DIGIT(text, max(0, cut - BEFORE), cut + _AHEAD) and splits(projection.text, cut, True) is not True:
        return False
    return reading is None or reading.clear(cut)


def _joined(stretches: Iterable[Span], least: int) -> list[Span]:
    """Stretches in order, as one where two share so many characters: what is no longer stands in one of them, then.

    If less than none, where so few stand between them.
    """
    joined: list[Span] = []
    for low, high in stretches:
        if joined and joined[-1][1] - low >= least:
            low = joined.pop()[0]
        joined.append((low, high))
    return joined


def _undisguised(text: bytes, cut: int) -> bool:
    """Whether nothing around a cut beside foreign characters may be a disguise."""
    if not text[cut - _LABEL : cut].isascii():
        return False
    near = text[max(0, cut - _LEFT) : cut + _RIGHT].translate(_SIGNS)
    return near.find(0) < 0 and near.find(b"dot") < 0


def is_flat(text: str) -> bool:
    """Whether a text is one line without a list: no table, heading or wrapped line can be in it."""
    return "\n" not in text and "[" not in text
