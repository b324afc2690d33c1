"""Find what the catalogue describes, in one pass: project, gate, then each row that hit on its own road."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache

from guard.kinds import ON_REQUEST
from guard.pii.catalog import ROWS
from guard.pii.catalog_everyone import HOST
from guard.pii.cues import NEVER, Window, window_of
from guard.pii.cuts import BOUND, block_end, cut_positions
from guard.pii.endings import IDN_ENDINGS
from guard.pii.evasion import Projection, project
from guard.pii.resolve import resolve
from guard.pii.roads import AFTER, BEFORE, SHORTEST, Ready, Roads, regions, roads
from guard.pii.rows import CUE_REACH, Road, Row
from guard.types import Finding

CONTEXT = 64
"""Characters of left context within which every cue word and every look-behind lies."""

_PIECE = 16384
_LOOKBACK = 1024
_SURE_CUT = re.compile(rb"[a-z]{5}[ \n]|\x1a\x1a(?=\x1a)")
_UUID = re.compile(rb"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}")
_TOKEN_LEFT = re.compile(rb"[A-Za-z0-9]{1,64}\Z")
_TOKEN_RIGHT = re.compile(rb"[A-Za-z0-9]{0,64}")
_LOCAL_BACKWARDS = re.compile(rb"""[A-Za-z0-9.!#$%&'*+/=^_`{|}~-]{0,63}[A-Za-z0-9_+]|"[!#-~]{1,62}\"""")
_ASCII_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_USERINFO = re.compile(rb"://[^\s/@]{0,64}\Z")
_PLAIN = frozenset([b"", b" ", b",", b":", b"\n", b"(", b")", b'"', b"\x1a"])
_DIGIT = re.compile(rb"[0-9]")
_EU = frozenset("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE".split())  # noqa: SIM905

class _View:
    """One piece of a projection with its left context, and the way to the original."""

    __slots__ = ("_stretches", "_windows", "ascii", "base", "projection", "source", "text")

    def __init__(self, source: str, projection: Projection, base: int, text: bytes) -> None:
        self.source = source
        self.projection = projection
        self.base = base
        self.ascii = source.isascii()
        self.text = text
        self._stretches: dict[int, Window] = {}
        self._windows: dict[int, Window] = {}

    def char(self, at: int) -> str:
        """The original character that the byte at a place stands for."""
        start, end = self.projection.to_original(self.base + at, self.base + at + 1)
        return self.source[start:end]

    def original(self, start: int, end: int) -> str:
        """The original of a stretch."""
        start, end = self.projection.to_original(self.base + start, self.base + end)
        return self.source[start:end]

    def window(self, at: int) -> Window:
        """What stands before a place, as far as cue words reach."""
        found = self._windows.get(at)
        if found is None:
            found = self._windows[at] = self._window(at)
        return found

    def stretch(self, begin: int, end: int) -> Window:
        """A stretch with all that stands as near before it as a cue word may."""
        found = self._stretches.get(begin)
        if found is None:
            start = max(0, begin - CUE_REACH)
            found = window_of(self.text[start:end], "" if self.ascii else self.original(start, end))
            self._stretches[begin] = found
        return found

    def _window(self, at: int) -> Window:
        start = max(0, at - CUE_REACH)
        if self.projection.kept is not None:
            first = self.projection.to_original(self.base + at, self.base + at + 1)[0]
            start = max(start, self.projection.position(first - CONTEXT + 1) - self.base)
        if start and self.text[start - 1 : start].isalpha():
            start = at - len(self.text[start:at].lstrip(_ASCII_LETTERS))
        return window_of(self.text[start:at], "" if self.ascii or start >= at else self.original(start, at))


Candidate = tuple[str, int, int, float]


class Scanner:
    """Find personal data and secrets in text: fast, linear, and the same in pieces as in the whole.

    `kinds` narrows to these and adds the kinds on request that it names (None: everything that is on by
    default); `countries` narrows the national kinds to ISO codes (`EU` for its members; None: all);
    `skip` leaves out values that are nobody's: `reserved` (documentation, fiction), `private` (networks).
    """

    context = CONTEXT

    def __init__(
        self,
        *,
        kinds: frozenset[str] | None = None,
        countries: Collection[str] | None = None,
        skip: Collection[str] = ("reserved", "private"),
    ) -> None:
        self.rows = _choose(kinds, None if countries is None else frozenset(countries))
        self._roads = roads(self.rows)
        self._skip = frozenset(skip)

    def scan(self, text: str, start: int = 0) -> list[Finding]:
        """Find and settle overlaps: one finding a stretch, in order; those before `start` (a cut) are left out."""
        return resolve(self.candidates(text, start))

    def candidates(self, text: str, start: int = 0) -> list[Finding]:
        """Everything that a row matches, overlaps included; what begins before `start` is only context."""
        projection = project(text)
        found: list[Candidate] = []
        for low, high in self._pieces(projection, projection.position(start)):
            found += self._piece(text, projection, low, high)
        if projection.kept is None:
            return [Finding(kind, low, high, score, "pattern") for kind, low, high, score in found]
        return [Finding(kind, *projection.to_original(low, high), score, "pattern") for kind, low, high, score in found]

    def cuts(self, text: str, start: int, final: bool = False) -> list[int]:
        """Where the text after the cut `start` may be cut: no match spans these offsets, whatever follows.

        Each is settled by the text around it and never taken back; without `final` the tail that more text
        could change has none. Pieces between any of them, scanned with `context` characters before them,
        give the findings of the whole.
        """
        origin = max(0, start - _LOOKBACK)
        projection = project(text[origin:])
        first = projection.position(start - origin)
        found = [origin + projection.place(position) for position, _ in cut_positions(projection, first, final)]
        if final and start < len(text) and (not found or found[-1] < len(text)):
            found.append(len(text))
        return found

    def _pieces(self, projection: Projection, start: int) -> Iterable[tuple[int, int]]:
        """The stretches to scan one by one: cut where the bound forces it, and at leisure in long texts."""
        end = len(projection.text)
        if end - start <= BOUND and projection.kept is None:
            return ((start, end),)
        return _long_pieces(projection, start, end)

    def _piece(self, source: str, projection: Projection, low: int, high: int) -> list[Candidate]:
        base = max(0, low - CONTEXT)
        ready = self._roads
        text = projection.text if base == 0 and high == len(projection.text) else projection.text[base:high]
        hits = ready.gate.Match(text) if ready.gate is not None else None
        mail = bool(ready.mail) and b"@" in text
        if not hits and not mail and (not ready.after or source.isascii()):
            return []
        hunt = _Hunt(_View(source, projection, base, text), self._skip)
        hunt.run(ready, hits or (), mail)
        first = low - base
        return [(kind, s + base, e + base, score) for kind, s, e, score in hunt.belonging() if s >= first]


class _Hunt:
    """The search of one view: what was found, and which stretches are nobody's."""

    __slots__ = ("_claims", "_skip", "found", "nobodys", "text", "view")

    def __init__(self, view: _View, skip: frozenset[str]) -> None:
        self.view = view
        self.text = view.text
        self.found: list[Candidate] = []
        self.nobodys: list[tuple[int, int]] = []
        self._skip = skip
        self._claims: dict[str, bytearray] = {}

    def run(self, ready: Roads, hits: Iterable[int], mail: bool) -> None:
        """Search the rows that the gate let through, addresses, and what follows a head."""
        numbers = False
        for index in hits:
            row = ready.gated[index]
            if row.row.road is Road.DIGITS:
                numbers = True
            elif row.row.road is Road.BLOCK:
                self.blocks(row)
            else:
                self.search(row, 0, len(self.text), len(self.text))
        if numbers:
            self.numbers(ready)
        if mail:
            self.mail(ready.mail[0])
        if not self.view.ascii:
            for row in ready.after:
                self.after(row)

    def belonging(self) -> list[Candidate]:
        """What was found, without what lies inside a value that is nobody's."""
        if not self.nobodys:
            return self.found
        return [hit for hit in self.found if not any(s <= hit[1] and hit[2] <= e for s, e in self.nobodys)]

    def search(self, ready: Ready, start: int, last_start: int, end: int) -> int:
        """Take every match that begins before `last_start`; returns where the next may begin."""
        search, text, group = ready.search, self.text, ready.group
        at = start
        while at < last_start and (match := search(text, at, end)):
            begin = match.start()
            if begin >= last_start:
                break
            taken = self.take(ready, match.start(group), match.end(group))
            at = max(match.start(group), begin + 1) if group else taken or begin + 1
        return at

    def numbers(self, ready: Roads) -> None:
        """Search the number rows in the regions of digits, each only where its gate lets it through."""
        text, gate = self.text, ready.number_gate.Match
        wanted: dict[int, list[tuple[int, int]]] = {}
        for low, high in regions(text):
            if high - low < SHORTEST:
                continue
            begin = low - BEFORE if low > BEFORE else 0
            for index in gate(text[begin - 1 if begin else 0 : high + AFTER + 1]) or ():
                wanted.setdefault(index, []).append((begin, high))
        for index in sorted(wanted):
            row, reached = ready.numbers[index], 0
            for begin, high in wanted[index]:
                if self._worth(row, begin, high):
                    reached = self.search(row, begin if begin > reached else reached, high, high + AFTER + 2)

    def _worth(self, ready: Ready, begin: int, high: int) -> bool:
        """Whether a region can still give a row something: not all claimed, and a cue word near where it needs one."""
        claim = self._claims.get(ready.kind) if ready.yields else None
        if claim is not None and claim.find(0, begin + BEFORE, high) < 0:
            return False
        if ready.score or ready.cue is None:
            return True
        return ready.cue.stands_in(self.view.stretch(begin, high))

    def blocks(self, ready: Ready) -> None:
        """Take PEM blocks from their opening line to their end."""
        at = 0
        while match := ready.search(self.text, at):
            end, _ = block_end(self.text, match.end())
            at = max(end, match.end())
            if end - match.end() >= 16:
                self.found.append((ready.row.kind, match.start(), end, ready.row.score))

    def mail(self, ready: Ready) -> None:
        """Take addresses around each @: the host to its right, the local part to its left."""
        text = self.text
        reached = 0
        at = text.find(b"@")
        while at >= 0:
            host = HOST.match(text, at + 1)
            start = _local_start(text, at, reached) if host else -1
            if host and start >= 0:
                reached = self.take(ready, start, host.end()) or reached
            at = text.find(b"@", at + 1)

    def after(self, ready: Ready) -> None:
        """Take what follows a head, at most one letter of the row's tail between."""
        view = self.view
        for head in ready.row.heads:
            at = view.source.find(head)
            while at >= 0:
                place = view.projection.position(at + len(head)) - view.base
                match = ready.search(self.text, place) if 0 <= place < len(self.text) else None
                if match and (self.text[place] != 0x1A or view.char(place) in ready.row.tail):
                    self.take(ready, match.start(1), match.end(1))
                at = view.source.find(head, at + 1)

    def take(self, ready: Ready, start: int, end: int) -> int:
        """Judge one match; returns its end where it is taken, else 0."""
        text = self.text
        if ready.literal and not ready.left(text, start):
            return 0
        if ready.lead and not self._foreign(ready.row, start, end):
            return 0
        if ready.mail:
            end = start if _USERINFO.search(text, max(0, start - 70), start) else self._mail_end(start, end)
        score = 0.0 if ready.score else self._score(ready, start)
        if not ready.score and not score:
            return 0
        if ready.check is not None:
            end = start + ready.check(text[start:end])
            if end <= start:
                return 0
        if ready.trim and not ready.right(text, end):
            return 0
        if ready.number and self._part_of_other(ready, start, end):
            return 0
        if ready.shared and self._claimed(ready, start, end):
            return 0
        score = score or self._score(ready, start)
        if score:
            self._note(ready, start, end, score)
        return end if score else 0

    def _note(self, ready: Ready, start: int, end: int, score: float) -> None:
        if ready.nobody is not None and self._skip and ready.nobody(self.text[start:end]) in self._skip:
            self.nobodys.append((start, end))
        else:
            self.found.append((ready.kind, start, end, score))
        claim = self._claims.get(ready.kind) if ready.shared else None
        if claim is not None:
            claim[start:end] = b"\1" * (end - start)

    def _claimed(self, ready: Ready, start: int, end: int) -> bool:
        """Whether a surer row of the kind has taken part of a stretch."""
        claim = self._claims.get(ready.kind)
        if claim is None:
            self._claims[ready.kind] = bytearray(len(self.text))
            return False
        return ready.yields and claim.find(1, start, end) >= 0

    def _foreign(self, row: Row, start: int, end: int) -> bool:
        """Whether the characters outside ASCII at the ends of a match are those the row means."""
        last = self.text[end - 1] != 0x1A or self.view.char(end - 1) in row.tail
        return last and self.view.char(start) in row.lead

    def _score(self, ready: Ready, start: int) -> float:
        """The score of a match by the cue words before it, 0 where they rule it out or are wanting."""
        cue = ready.cue
        if cue is None and ready.unless is None:
            return ready.score
        window = self.view.window(start)
        near = cue.distance(window) if cue is not None else NEVER
        against = ready.unless.distance(window) if ready.unless is not None else NEVER
        if against < NEVER:
            near = cue.distance(window, weak=False) if cue is not None else NEVER
            if against <= near:
                return 0.0
        return ready.cued if near < NEVER else ready.score

    def _part_of_other(self, ready: Ready, start: int, end: int) -> bool:
        """Whether digits belong to a longer token: a decimal number, a hash, a UUID."""
        text = self.text
        before, after = text[start - 1 : start] if start else b"", text[end : end + 1]
        if before in _PLAIN and after in _PLAIN:
            return False
        if (before == b"." or after == b".") and self._decimal(start, end):
            return True
        if (before == b"-" or after == b"-") and self._in_uuid(start, end):
            return True
        return ready.loose and (before.isalpha() or after.isalpha()) and _in_mixed_token(text, start, end)

    def _decimal(self, start: int, end: int) -> bool:
        """Whether a bare number is the fraction or the whole part of another."""
        text = self.text
        if not text[start:end].isdigit():
            return False
        fraction = start > 1 and text[start - 2 : start - 1].isdigit() and self.view.char(start - 1) in ".．"
        whole = text[end + 1 : end + 2].isdigit() and self.view.char(end) in ".．" if end < len(text) else False
        return fraction or whole

    def _in_uuid(self, start: int, end: int) -> bool:
        low = max(0, start - 36)
        return any(low + m.start() < end and start < low + m.end() for m in _UUID.finditer(self.text[low : end + 36]))

    def _mail_end(self, start: int, end: int) -> int:
        """The end of an address; where its last label is Han or kana, the end of the known top-level domain."""
        if self.text[end - 1] != 0x1A:
            return end
        dot = self.text.rindex(b".", start, end)
        label = self.view.original(dot + 1, end)
        if not any("぀" <= char <= "鿿" for char in label):
            return end
        ending = max((name for name in IDN_ENDINGS if label.startswith(name)), key=len, default="")
        return dot + 1 + len(ending) if ending else start


def _in_mixed_token(text: bytes, start: int, end: int) -> bool:
    """Whether the letters around a number go with more digits, as in a hash."""
    left = _TOKEN_LEFT.search(text, max(0, start - 64), start)
    right = _TOKEN_RIGHT.match(text, end)
    around = (left.group() if left else b"") + (right.group() if right else b"")
    return _DIGIT.search(around) is not None or len(around) > 24


@lru_cache(maxsize=64)
def _choose(kinds: frozenset[str] | None, countries: frozenset[str] | None) -> tuple[Row, ...]:
    """The rows of a choice of kinds and countries."""
    if countries is not None and "EU" in countries:
        countries |= _EU
    if countries is not None and "UK" in countries:
        countries |= {"GB"}
    return tuple(
        row
        for row in ROWS
        if (row.kind in kinds if kinds is not None else row.kind not in ON_REQUEST)
        and (not row.country or countries is None or row.country in countries)
    )


def _long_pieces(projection: Projection, start: int, end: int) -> Iterator[tuple[int, int]]:
    low = start
    while low < end:
        high = _piece_end(projection, low)
        yield low, high
        low = high


def _local_start(text: bytes, at: int, reached: int) -> int:
    """Where the local part before an @ begins, -1 where there is none (RFC 5321: at most 64 characters)."""
    before = text[max(reached, at - 64) : at][::-1]
    match = _LOCAL_BACKWARDS.match(before)
    return at - match.end() if match else -1


def _piece_end(projection: Projection, low: int) -> int:
    """Where the piece that begins at a cut ends: at a forced cut, at a sure one after a while, or at the end."""
    text, end = projection.text, len(projection.text)
    at = low
    blocks = b"-----BEGIN" in text
    while end > at and projection.place(end) - projection.place(at) > BOUND:
        sure = None if blocks else _sure_cut(projection, at)
        if sure is None:
            position, forced = next(iter(cut_positions(projection, at, True)))
            if forced:
                return position
            sure = position
        at = sure
        if at - low >= _PIECE:
            return at
    return end


def _sure_cut(projection: Projection, at: int) -> int | None:
    """A cut within the bound that a glance shows: after a long word, or amid foreign characters."""
    text = projection.text
    match = _SURE_CUT.search(text, at + BOUND // 2, at + BOUND) or _SURE_CUT.search(text, at + 1, at + BOUND)
    if match is None:
        return None
    cut = match.start() + 1 if match.group()[0] == 0x1A else match.end()
    inside_host = b"@" in text[max(0, cut - 66) : cut]
    near = projection.place(cut) - projection.place(at) <= BOUND
    return cut if near and not inside_host else None
