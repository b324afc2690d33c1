"""The search of one piece: each row that the gate let through, on its road."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from functools import partial

from guard.pii.catalog_everyone import HOST
from guard.pii.credentials import past_key
from guard.pii.cues import Cue
from guard.pii.cuts import block_end
from guard.pii.gates import alone, shape_of
from guard.pii.judging import PLAIN, admitted, part_of_other, score_of
from guard.pii.resolve import STRONG
from guard.pii.roads import AFTER, BEFORE, Asked, Ready, Roads
from guard.pii.rows import CUE_REACH, Road, Row
from guard.pii.view import View

Candidate = tuple[str, int, int, float]
"""Kind, start and end in the view, score."""

Span = tuple[int, int]
"""Where a stretch of the view begins and ends."""

_LOCAL_BACKWARDS = re.compile(rb"""[A-Za-z0-9.!#$%&'*+=^_`{|}~-]{0,63}[A-Za-z0-9_+]|"[!#-~]{1,62}\"""")
_BEFORE_HOST = re.compile(rb"@(?=[A-Za-z0-9\x1a-]{1,63}+\.|localhost|\[)")
_AFTER_SIGN = re.compile(rb"[A-Za-z](?<=\x1a.)")  # so written, `re` skips to the letters
_SHORTEST_BLOCK = 16
_REACH = AFTER + 2
_LONG = 128
"""Of a longer region each row is asked by its digits first: a search in vain costs by the length, many times over."""
_NOTHING = bytearray()


class Hunt:
    """What was found in one view, and which stretches are nobody's."""

    __slots__ = ("_claims", "_nobodys", "_said", "_skip", "_sure", "found", "text", "view")

    def __init__(self, view: View, skip: frozenset[str]) -> None:
        self.view = view
        self.text = view.text
        self.found: list[Candidate] = []
        self._nobodys = bytearray()
        self._skip = skip
        self._claims: dict[str, bytearray] = {}
        self._said: dict[int, AbstractSet[int]] = {}
        self._sure = bytearray()

    def run(self, ready: Roads, hits: Iterable[int], regions: list[Span], mail: bool) -> None:
        """Search the rows that the gate let through, the regions of digits, and addresses."""
        for index in hits:
            self.whole(ready.gated[index])
        wanted, national = self._wanted(ready, regions)
        for index, spans in sorted(wanted.items()):  # of one kind, the surer rows first
            self._within(ready.numbers[index], spans)
        if mail:
            self.mail(ready.mail[0])
        if national:
            self.seal()
            self._nations(ready, national)

    def belonging(self) -> list[Candidate]:
        """What was found, without what lies inside a value that is nobody's."""
        nobodys = self._nobodys
        return [hit for hit in self.found if nobodys.find(0, hit[1], hit[2]) >= 0] if nobodys else self.found

    def whole(self, ready: Ready) -> None:
        """Search one row from end to end, where it need not wait for a cue word that stands nowhere."""
        if ready.waits and not self._named(ready.cue):
            return
        if ready.row.road is Road.BLOCK:
            self.blocks(ready)
        elif ready.row.road is Road.AFTER:
            self.after(ready)
        elif ready.number:
            self._within(ready, [(0, len(self.text))])
        elif ready.signed:
            self._signed(ready)
        else:
            self._search(ready)

    def _named(self, cue: Cue) -> bool:
        """Whether a word of a cue stands anywhere in the view, be it as a part of another."""
        view, letters = self.view, self.view.letters()
        others = None if view.ascii else cue.others
        said = others is not None and others.search(view.original(0, len(self.text))) is not None
        return said or any(word in letters for word in cue.every)

    def _search(self, ready: Ready) -> None:
        search, text, group, at = ready.search, self.text, ready.group, 0
        while match := search(text, at):
            begin = match.start()
            start, end = match.span(group)
            taken = self.take(ready, start, end)
            at = max(start, begin + 1) if group else taken or begin + 1

    def _signed(self, ready: Ready) -> None:
        """Search a row whose first character is outside ASCII and whose second is a letter, letter by letter."""
        reached = 0
        for letter in _AFTER_SIGN.finditer(self.text):
            at = letter.start() - 1
            if at >= reached and (match := ready.search(self.text, at)):
                reached = self.take(ready, *match.span())

    def _wanted(
        self, ready: Roads, regions: list[Span]
    ) -> tuple[dict[int, list[Span]], list[tuple[Span, Asked]]]:
        """The regions in which each number row may match, and those with national rows that may.

        A row that waits for a cue word may not where none stands that could be one for a match there.
        """
        if not regions:
            return {}, []
        text, shape, known = self.text, shape_of(self.text), ready.asked
        wanted: dict[int, list[Span]] = defaultdict(list)
        national = []
        for span in regions:
            low, high = span
            around = shape[low - BEFORE - 1 if low > BEFORE else 0 : high + AFTER + 1]
            if high - low > _LONG:
                asked = ready.narrowed(around, partial(self._fits, low=low, high=high))
            else:
                asked = known.get(around) or ready.ask(around)
            for index in asked.numbers:
                wanted[index].append(span)
            for opens, rows in asked.opened:
                if opens(text, max(0, low - BEFORE), high):
                    for index in rows:
                        wanted[index].append(span)
            if asked.waiting:
                said = self._said_at(ready, low, high)
                for index, place in asked.waiting:
                    if place in said:
                        wanted[index].append(span)
            if asked.nations:
                national.append((span, asked))
        return wanted, national

    def seal(self) -> None:
        """Note what is surely found so far: there no national number is guessed."""
        self._sure = bytearray(len(self.text))
        for _, start, end, score in self.found:
            if score >= STRONG:
                self._sure[start:end] = b"\1" * (end - start)

    def _nations(self, ready: Roads, national: list[tuple[Span, Asked]]) -> None:
        """Search the national rows: the sure ones, and others where a cue word stands or nothing sure is."""
        called: dict[int, list[Span]] = defaultdict(list)
        for span, asked in national:
            for place in self._called(ready, *span, asked):
                called[place].append(span)
        for place, spans in called.items():
            self._within(ready.nations.ready(place - ready.waiting), spans)

    def _called(self, ready: Roads, low: int, high: int, asked: Asked) -> frozenset[int]:
        """Of the national rows that may match in a region those that are to be searched."""
        taken = self._sure and self._sure.find(0, low, high) < 0
        silent = asked.sure if taken else asked.alone
        if len(silent) == len(asked.nations):
            return silent
        said = asked.nations.intersection(self._said_at(ready, low, high))
        return silent | said if said else silent

    def called_for(self, ready: Roads, regions: list[Span]) -> bool:
        """Whether a region of digits is worth a search."""
        wanted, national = self._wanted(ready, regions)
        for span, asked in national:
            called = self._called(ready, *span, asked)
            if any(self._fits(ready.nations.rows[place - ready.waiting], *span) for place in called):
                return True
        return any(
            self._fits(ready.numbers[index].row, *span) for index, spans in wanted.items() for span in spans
        )

    def _fits(self, row: Row, low: int, high: int) -> bool:
        """Whether a row may match in a region by its digits, not only by its shape."""
        return alone(row)(self.text[low - BEFORE - 1 if low > BEFORE else 0 : high + AFTER + 1]) is not None

    def _said_at(self, ready: Roads, low: int, high: int) -> AbstractSet[int]:
        """The places of the cues with a word where one for a match in a region may stand."""
        said = self._said.get(low)
        if said is None:
            start = max(0, low - BEFORE - CUE_REACH)
            original = "" if self.view.ascii else self.view.original(start, high)
            said = self._said[low] = ready.spoken.places(self.view.letters()[start:high], original)
        return said

    def _within(self, row: Ready, spans: list[Span]) -> None:
        """Take the matches of a number row that begin within some stretches, where it need not wait for a cue word.

        This is where a text full of findings spends its time: one function, and what seldom happens elsewhere.
        """
        text, view, waits, fixed, yields = self.text, self.view, row.waits, row.fixed, row.yields
        search, check, size, plain = row.search, row.check, len(self.text), PLAIN
        claim, skips, reached, score = self._claim(row), row.nobody is not None and self._skip, 0, 0.0
        for low, high in spans:
            if yields and claim.find(0, low, high) < 0:
                continue  # a surer row of the kind has taken it all
            begin = low - row.before
            if begin > reached:
                reached = begin
            while reached < high and (match := search(text, reached, high + _REACH)):
                start, end = match.span()
                if start >= high:
                    break
                reached = start + 1
                if waits and not (score := score_of(view, row, start)):
                    continue
                if check is not None and (taken := check(match[0])) != end - start:
                    end = start + taken
                    if not taken or (row.trim and not row.right(text, end)):
                        continue
                if not (
                    (not start or plain[text[start - 1]]) and (end == size or plain[text[end]])
                ) and part_of_other(view, row, start, end):
                    continue
                if yields and claim.find(1, start, end) >= 0:
                    continue
                if not waits and not (score := fixed or score_of(view, row, start)):
                    continue
                if row.nation and score < STRONG and self._sure.find(1, start, end) >= 0:
                    continue
                if skips and row.nobody(text[start:end]) in skips:
                    self._pass_over(start, end)
                else:
                    self.found.append((row.kind, start, end, score))
                if row.shared:
                    claim[start:end] = b"\1" * (end - start)
                reached = end

    def _claim(self, row: Ready) -> bytearray:
        """What surer rows of the kind have taken, as marks on the text."""
        if not row.shared:
            return _NOTHING
        claim = self._claims.get(row.kind)
        if claim is None:
            claim = self._claims[row.kind] = bytearray(len(self.text))
        return claim

    def blocks(self, ready: Ready) -> None:
        """Take PEM blocks from their opening line to their end."""
        at = 0
        while match := ready.search(self.text, at):
            end, _ = block_end(self.text, match.end())
            at = max(end, match.end())
            if len(self.text[match.end() : end].partition(b"-----END")[0]) >= _SHORTEST_BLOCK:
                self.found.append((ready.kind, match.start(), end, ready.score))

    def mail(self, ready: Ready) -> None:
        """Take addresses around each @: the host to its right, the local part to its left."""
        text, reached = self.text, 0
        for sign in _BEFORE_HOST.finditer(text):
            at = sign.start()
            host = HOST.match(text, at + 1)
            start = _local_start(text, at, reached) if host else -1
            if host and start >= 0:
                reached = self.take(ready, start, host.end()) or reached

    def after(self, ready: Ready) -> None:
        """Take what follows a head, at most one letter of the row's tail between."""
        view = self.view
        low, high = view.bounds()
        for head in ready.row.heads:
            at = view.source.find(head, low, high)
            while at >= 0:
                self._follow(ready, view.projection.position(at + len(head)) - view.base)
                at = view.source.find(head, at + 1, high)

    def _follow(self, ready: Ready, place: int) -> None:
        match = ready.search(self.text, place)
        if match and (self.text[place] != 0x1A or self.view.char(place) in ready.row.tail):
            self.take(ready, *match.span("value"))

    def take(self, ready: Ready, start: int, end: int) -> int:
        """Judge one match that is no number; returns its end where it is taken, else 0."""
        view, text = self.view, self.text
        if ready.mail:
            start = past_key(text, start, end)
        if ready.special and not (end := admitted(view, ready, start, end)):
            return 0
        if ready.check is not None and (size := ready.check(text[start:end])) != end - start:
            end = start + size
            if not size or (ready.trim and not ready.right(text, end)):
                return 0
        if not (score := ready.fixed or score_of(view, ready, start)):
            return 0
        if ready.nobody is not None and self._skip and ready.nobody(text[start:end]) in self._skip:
            self._pass_over(start, end)
        else:
            self.found.append((ready.kind, start, end, score))
        return end

    def _pass_over(self, start: int, end: int) -> None:
        """Note that a stretch is nobody's."""
        self._nobodys = self._nobodys or bytearray(len(self.text))
        self._nobodys[start:end] = b"\1" * (end - start)


def _local_start(text: bytes, at: int, reached: int) -> int:
    """Where the local part before an @ begins, -1 where there is none (RFC 5321: at most 64 characters)."""
    match = _LOCAL_BACKWARDS.match(text[max(reached, at - 64) : at][::-1])
    return at - match.end() if match else -1
