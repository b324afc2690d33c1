"""The search of number rows in the regions of digits of one piece, region by region, and of national rows after it."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from guard.pii.asked import Asked, Settling
from guard.pii.columns import Columns
from guard.pii.cues import HUMP, words_of
from guard.pii.gates import alone
from guard.pii.judging import PLAIN, part_of_other, score_of
from guard.pii.layouts import is_vain
from guard.pii.reach import BEFORE, LEAD, SEARCHED, TRAIL
from guard.pii.ready import ANY, Ready
from guard.pii.resolve import STRONG
from guard.pii.roads import Roads, Span
from guard.pii.rows import CUE_REACH, Row
from guard.pii.view import View

Candidate = tuple[str, int, int, float]
"""Kind, start and end in the view, score."""

Region = tuple[int, int, Asked, int]
"""Where a region of digits begins and ends, what its shape asks for, and which cues may be said in it."""

_CUED = BEFORE + CUE_REACH
_SPARSE = 256
"""With a region in every so many characters, all letters are told once; here both ways take as long."""
_LONG = 128
"""Of a longer region each row is asked by its digits first: a search in vain costs by the length, many times over."""
_MANY = 512
"""In so many characters of regions there may be many numbers: it pays to look at the digits of all at once."""
_NOTHING = bytearray()
_NOTHING_BEFORE = bytes(LEAD)
_AROUND = LEAD + TRAIL


class Numbers:
    """What was found in one view, and which stretches are nobody's; what begins before `first` is only context."""

    __slots__ = (
        "_ceiling", "_claims", "_columns", "_first", "_floor", "_gaps", "_nobodys", "_sealed", "_skip", "_sure",
        "_tangled", "_whole", "found", "text", "view",
    )  # fmt: skip

    def __init__(self, view: View, skip: frozenset[str], first: int = 0) -> None:
        self.view = view
        self.text = view.text
        self.found: list[Candidate] = []
        self._nobodys: list[Span] = []
        self._skip = skip
        self._first = first + BEFORE if first else 0
        self._claims: dict[str, bytearray] = {}
        self._sealed = 0
        self._whole: dict[int, float] = {}
        self._sure = _NOTHING
        self._columns: Columns | None = None
        self._floor, self._ceiling, self._tangled = 0, len(view.text), False
        self._gaps: list[int] = []

    def belonging(self) -> list[Candidate]:
        """What was found, without what lies inside a value that is nobody's."""
        if not self._nobodys:
            return self.found
        nobodys = bytearray(len(self.text))
        for start, end in self._nobodys:
            nobodys[start:end] = b"\1" * (end - start)
        return [hit for hit in self.found if nobodys.find(0, hit[1], hit[2]) >= 0]

    def numbers(self, ready: Roads, regions: Sequence[Span], shape: bytes) -> list[Region]:
        """Search the number rows; returns the regions in which national rows may match.

        Region by region: what a surer row of a kind took whole is not searched again. Only where a match runs into
        another region does the order tell: then each row is searched in all regions before the next.
        """
        found, nobodys = len(self.found), len(self._nobodys)
        asked = self._asked(ready, regions, shape, settle=True)
        if not asked:
            return asked
        national = self._region_by_region(asked)
        if self._tangled:
            del self.found[found:], self._nobodys[nobodys:]
            self._claims.clear()
            self._whole.clear()
            asked = self._asked(ready, regions, shape)
            self._row_by_row(ready, asked)
            national = [region for region in asked if region[2].nations]
        return national

    def _asked(
        self, ready: Roads, regions: Sequence[Span], shape: bytes, settle: bool = False
    ) -> list[Region]:
        """The regions in which a row may match; without those that one row settles, if so wanted.

        `_gaps` then has for each of them where the region before it ends, and where the next begins if there is one.
        """
        known, hear, size = ready.asked, self._hearing(ready, len(regions)), len(self.text)
        shape = _NOTHING_BEFORE + shape
        first = self._first if settle else size
        found, long, ended, behind, open_ = [], False, 0, 0, False
        self._gaps = gaps = []
        for low, high in regions:
            around = shape[low : high + _AROUND]
            if (asked := known.get(around)) is None:
                if high - low > _LONG:
                    asked, long = ready.glanced(around), True
                else:
                    asked = ready.ask(around)
            floor, ended, wanted, heard = ended, high, asked, None
            settles, settled = asked.settles if low >= first else None, None
            while settles is not None:
                if heard is None and settles.hears:
                    heard = hear(low, high)
                if heard and heard & settles.deaf:
                    break
                if (settled := self._settled(settles, low, high, floor, heard or 0)) is not None:
                    break
                wanted = settles.rest
                settles = wanted.settles
            if settled:
                if open_:
                    gaps.append(low)
                    open_ = False
                behind = high
                continue
            if wanted.listens:
                if heard is None:
                    heard = hear(low, high)
                if wanted.waits and not heard & wanted.waits:
                    continue
            elif not wanted.kinds:
                continue
            found.append((low, high, wanted, heard or 0))
            gaps += (low, behind) if open_ else (behind,)
            behind, open_ = high, True
        return [*map(partial(self._narrowed, ready), found)] if long else found

    def _hearing(self, ready: Roads, count: int) -> Callable[[int, int], int]:
        """Make what tells the cues that are said in a region or before it, one of so many."""
        text, view, said = self.text, self.view, ready.spoken.said
        dense, foreign = count * _SPARSE > len(text), None
        letters, cases = (view.letters(), view.cases()) if dense else (b"", b"")

        def hear(low: int, high: int) -> int:
            nonlocal foreign
            start = low - _CUED if low > _CUED else 0
            plain = dense and cases.find(HUMP, start, high) < 0  # then the words are the letters
            heard = said(letters[start:high] if plain else words_of(text[start:high]))
            if view.ascii:
                return heard
            if foreign is None:
                foreign = view.hearing(ready.vocabulary, dense)
            return heard | foreign(start, high)

        return hear

    def _narrowed(self, ready: Roads, region: Region) -> Region:
        """A region, if it is long without the rows that wait for a word, and those that its digits cannot match."""
        low, high, asked, said = region
        if high - low > _LONG:
            asked = ready.narrowed(asked, said, partial(self._fits, low=low, high=high))
        return low, high, asked, said

    def _settled(self, settles: Settling, low: int, high: int, floor: int, said: int) -> bool | None:
        """Take a region by a row that settles it, if a match takes it whole and is no part of another token.

        Returns None where the row has no value that begins behind the region before (at `floor`).
        """
        text, row = self.text, settles.row
        before, check = settles.before, row.check
        begin = low - before
        match = row.search(text, begin if begin > floor else floor, high + SEARCHED)
        if match is None:
            return None
        start, end = match.span()
        if check is not None and (taken := check(match[0])) != end - start:
            return None if not taken and row.search(text, start + 1, high + SEARCHED) is None else False
        if end != high or (start >= low if before else start != low):
            return False
        if not (
            (not start or PLAIN[text[start - 1]]) and (high == len(text) or PLAIN[text[high]])
        ) and part_of_other(self.view, row, start, high):
            return False
        if row.nobody is not None and self._skip and row.nobody(match[0]) in self._skip:
            return False
        for opens in settles.shut:
            if opens(text, low - BEFORE if low > BEFORE else 0, high):
                return False
        self.found.append((row.kind, start, high, self._cued(row, start) if said & row.called else row.score))
        return True

    def _fits(self, row: Row, low: int, high: int) -> bool:
        """Whether a row may match in a region by its digits, not only by its shape."""
        stretch = self.text[max(0, low - LEAD) : high + TRAIL]
        return alone(row)(stretch) is not None and not is_vain(row.core, self.text[low:high])

    def _region_by_region(self, asked: list[Region]) -> list[Region]:
        """Search each region for all its rows, and note whether any match runs into another region.

        Returns those that are left for national rows. Where a sure match takes a whole region, what could only be found
        within it, and less surely, is not looked for: it would yield (`resolve`).
        """
        text, claims, whole, gaps = self.text, self._claims, self._whole, self._gaps
        national: list[Region] = []
        for place, region in enumerate(asked):
            low, high, wanted, said = region
            self._floor = gaps[2 * place]
            end = gaps[2 * place + 1] - BEFORE if 2 * place + 1 < len(gaps) else len(text)
            self._ceiling = end if end > high else high
            until = high + SEARCHED
            opening, opened, settled = None, None, 0.0
            if high - low > _LONG:
                self._sift(wanted.sifted, low, high, said)
            for rows, outer, top in wanted.kinds:
                for row in outer if settled > top else rows:
                    if row.waits and not said & row.called:  # as `_may`, without a call
                        continue
                    yields = settled and settled > (row.top if said & row.called else row.score)
                    if yields and row not in outer:
                        continue
                    if row.opens is not None:
                        if row.opens is not opening:
                            opening = row.opens
                            opened = opening(text, low - BEFORE if low > BEFORE else 0, high)
                        if not opened:
                            continue
                    begin = low - row.before
                    first = row.search(text, begin if begin > 0 else 0, until)
                    if first and yields:
                        first = self._outside(row, first, low, high)
                    if first is None:
                        continue
                    if self._take_in(row, first, 0, low, high, said) < 0:
                        settled = whole.get(low, 0.0) if low >= self._first else 0.0
                        break
                    if claims and row.shared and self._claim(row).find(0, low, high) < 0:
                        break
            if wanted.nations & said or wanted.sure or (wanted.alone and low not in whole):
                national.append(region)
        return national

    def _outside(
        self, row: Ready, match: re.Match[bytes] | None, low: int, high: int
    ) -> re.Match[bytes] | None:
        """The first match of a row, from a known one on, that does not lie within a region."""
        while match and match.start() >= low and match.end() <= high:
            match = row.search(self.text, match.start() + 1, high + SEARCHED)
        return match

    def _row_by_row(self, ready: Roads, asked: list[Region]) -> None:
        """Search each row in all regions that ask for it."""
        wanted: dict[Ready, list[Span]] = defaultdict(list)
        for low, high, asks, said in asked:
            for rows in (asks.sifted, *(kind[0] for kind in asks.kinds)):
                for row in rows:
                    if not row.asks or self._may(row, low, high, said):
                        wanted[row].append((low, high))
        for row in ready.numbers:  # of one kind, the surer rows first
            self.within(row, wanted[row])

    def _may(self, row: Ready, low: int, high: int, said: int) -> bool:
        """Whether a row is to be searched in a region: its cue is said, or its opening is there."""
        if row.opens is None:
            return said & row.called != 0
        return row.opens(self.text, max(0, low - BEFORE), high) is not None

    def within(self, row: Ready, spans: Iterable[Span]) -> None:
        """Take the matches of a number row that begin within some stretches."""
        text, search, reached = self.text, row.search, 0
        for low, high in spans:
            if row.yields and self._claim(row).find(0, low, high) < 0:
                continue  # a surer row of the kind has taken it all
            reached = max(low - row.before, reached, 0)
            # Most are searched in vain: a call less.
            if reached < high and (first := search(text, reached, high + SEARCHED)):
                reached = self._take_in(row, first, reached, -1, high, ANY)

    def _take_in(
        self, row: Ready, first: re.Match[bytes] | None, reached: int, low: int, high: int, said: int
    ) -> int:
        """Take the matches of a number row in a region in which some cues are said; the first may be known.

        Returns how far it went, -1 where one match took the whole region. This is where a text full of findings
        spends its time: one function, and what seldom happens elsewhere.
        """
        text, check, until = self.text, row.check, high + SEARCHED
        claim = self._claim(row) if self._claims and row.yields else None
        while reached < high and (match := first or row.search(text, reached, until)):
            first = None
            start, end = match.span()
            if start >= high:
                break
            if claim is not None and claim[start]:  # a surer row of the kind has taken it
                free = claim.find(0, start)
                reached = free if free >= 0 else high
                continue
            reached = start + 1
            if check is not None and (taken := check(match[0])) != end - start:
                end = start + taken
                if not taken or (row.trim and not row.right(text, end)):
                    continue
            if not (
                (not start or PLAIN[text[start - 1]]) and (end == len(text) or PLAIN[text[end]])
            ) and part_of_other(self.view, row, start, end):
                continue
            score = row.score
            if said & row.heard:
                score = score_of(self.view, row, start, end) if said & row.denied else self._cued(row, start)
            if not score or (claim is not None and claim.find(1, start, end) >= 0):
                continue
            if row.nation and score < STRONG and self._surely().find(1, start, end) >= 0:
                continue
            whole = end >= high and start <= low
            if row.nobody is not None and self._skip and row.nobody(text[start:end]) in self._skip:
                self._nobodys.append((start, end))
            else:
                self.found.append((row.kind, start, end, score))
                if whole and score >= STRONG:
                    self._whole[low] = score
            if start < self._floor or end > self._ceiling:
                self._tangled = True
            if whole:
                return -1
            if row.shared:
                self._claim(row)[start:end] = b"\1" * (end - start)
            reached = end
        return reached

    def _cued(self, row: Ready, start: int) -> float:
        """The score of a match that no word near it rules out."""
        view, cue = self.view, row.cue
        if view.ascii:
            said = view.last_word(start) in cue.every or not cue.every.isdisjoint(view.words(start))
            return row.cued if said else row.score
        said = (row.called > 0 and view.in_hanzi(row.called, start)) or cue.stands_in(view.window(start))
        return row.cued if said else row.score

    def _claim(self, row: Ready) -> bytearray:
        """What surer rows of the kind have taken, as marks on the text."""
        claim = self._claims.get(row.kind)
        if claim is None:
            claim = self._claims[row.kind] = bytearray(len(self.text))
        return claim

    def seal(self) -> None:
        """Note what is surely found so far: there no national number is guessed."""
        self._sealed = len(self.found)
        self._sure = _NOTHING

    def _surely(self) -> bytearray:
        """What was surely found before the seal, as marks on the text."""
        if not self._sure:
            self._sure = bytearray(len(self.text))
            for _, start, end, score in self.found[: self._sealed]:
                if score >= STRONG:
                    self._sure[start:end] = b"\1" * (end - start)
        return self._sure

    def nations(self, ready: Roads, national: list[Region]) -> None:
        """Search the national rows: the sure ones, and others where a cue word stands or nothing sure is."""
        asking: dict[tuple[int, float], list[Span]] = defaultdict(list)
        size = 0
        for low, high, asked, said in national:
            size += high - low
            bits, settled = asked.nations & said | asked.sure, self._whole.get(low)
            if asked.alone & ~bits and settled is None and self._surely().find(0, low, high) >= 0:
                bits |= asked.alone
            if bits:
                asking[bits, settled if settled and low >= self._first else 0.0].append((low, high))
        called: dict[Ready, list[Span]] = defaultdict(list)
        for (bits, settled), spans in asking.items():  # many regions ask for the same
            for row in ready.called_rows(bits):
                if not (settled and row.inner and row.top < settled):
                    called[row] += spans
        if len(asking) > 1:
            for spans in called.values():
                spans.sort()
        if size >= _MANY:
            self._at_once(called)
            return
        for row, spans in called.items():
            self.within(row, spans)

    def _at_once(self, called: dict[Ready, list[Span]]) -> None:
        """Search national rows where there are many numbers, the surer rows first: they leave less to the others."""
        for row, spans in sorted(called.items(), key=lambda one: -one[0].score):
            counted = row.nobody is None and (row.inner or row.sifted)
            if counted and sum(high - low for low, high in spans) >= _MANY:
                self._of_many(row, spans)
            else:
                self.within(row, spans)

    def _of_many(self, row: Ready, spans: list[Span]) -> None:
        """Take the matches of a row of nations where there are many numbers: only of those whose digits add up.

        A run of digits that a surer guess has taken, with no word before it to make this row surer, is left to it.
        """
        text, taken, hushed, reached = self.text, self._digits().taken, self.view.hushed, 0
        for start, high in self._starts(row, spans):
            score, end = taken.get(start, (0.0, 0))
            surer = score > row.score
            if start < reached or (surer and row.row.longest <= end - start):
                continue
            match = row.match(text, start, high + SEARCHED)  # most have none: so first
            if match is None or (surer and match.end() == end):
                continue
            quiet, count = hushed(start), len(self.found)
            if quiet and not row.score:
                continue
            reached = self._take_in(row, match, start, -1, start + 1, 0 if quiet else ANY)
            if quiet and len(self.found) > count and not score and text[start:reached].isdigit():
                taken[start] = (row.score, reached)

    def _digits(self) -> Columns:
        """The digits of the view, made when first asked for."""
        if self._columns is None:
            self._columns = Columns(self.text)
        return self._columns

    def _starts(self, row: Ready, spans: Sequence[Span]) -> list[Span]:
        """Where in regions of many numbers one may begin that the check of a row accepts, with the region's end."""
        starts = self._digits().starts(row.row.check)
        if len(spans) == 1:
            low, high = spans[0]
            first = bisect_left(starts, low)
            return [(start, high) for start in starts[first : bisect_left(starts, high, first)]]
        lows, found = [low for low, _ in spans], []
        for start in starts:
            begun = bisect_right(lows, start)
            if begun and start < (high := spans[begun - 1][1]):
                found.append((start, high))
        return found

    def _sift(self, rows: Iterable[Ready], low: int, high: int, said: int) -> None:
        """Take the matches of some number rows in a long region: only of those numbers whose digits add up."""
        for row in rows:
            reached = low
            for start, _ in self._starts(row, ((low, high),)):
                if start >= reached and (match := row.match(self.text, start, high + SEARCHED)):
                    reached = self._take_in(row, match, start, -1, start + 1, said)

    def called_for(self, ready: Roads, regions: Sequence[Span], shape: bytes) -> bool:
        """Whether a region of digits is worth a search."""
        return any(
            self._fits(row, low, high)
            for low, high, asked, said in self._asked(ready, regions, shape)
            for row in self._worth(ready, low, high, asked, said)
        )

    def _worth(self, ready: Roads, low: int, high: int, asked: Asked, said: int) -> Iterator[Row]:
        """The rows that are to be searched in a region."""
        for rows in (asked.sifted, *(kind[0] for kind in asked.kinds)):
            yield from (row.row for row in rows if not row.asks or self._may(row, low, high, said))
        yield from (ready.nations.rows[at] for at in ready.called(asked.nations & said | asked.alone))
