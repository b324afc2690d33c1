"""The search of one piece: each row that the gate let through, on its road."""

from __future__ import annotations

import re
from collections.abc import Iterable

from guard.pii.catalog_everyone import HOST
from guard.pii.cuts import block_end
from guard.pii.judging import admitted, part_of_other, score_of
from guard.pii.resolve import STRONG
from guard.pii.roads import AFTER, BEFORE, Nations, Ready, Roads
from guard.pii.rows import Road
from guard.pii.view import View

Candidate = tuple[str, int, int, float]
"""Kind, start and end in the view, score."""

_LOCAL_BACKWARDS = re.compile(rb"""[A-Za-z0-9.!#$%&'*+=^_`{|}~-]{0,63}[A-Za-z0-9_+]|"[!#-~]{1,62}\"""")
_SHORTEST_BLOCK = 16


class Hunt:
    """What was found in one view, and which stretches are nobody's."""

    __slots__ = ("_claims", "_nobodys", "_skip", "_sure", "found", "text", "view")

    def __init__(self, view: View, skip: frozenset[str]) -> None:
        self.view = view
        self.text = view.text
        self.found: list[Candidate] = []
        self._nobodys = bytearray()
        self._skip = skip
        self._claims: dict[str, bytearray] = {}
        self._sure = bytearray()

    def run(self, ready: Roads, hits: Iterable[int], regions: list[tuple[int, int]], mail: bool) -> None:
        """Search the rows that the gate let through, the regions of digits, addresses, and what follows a head."""
        for index in hits:
            self.whole(ready.gated[index])
        if regions:
            self.numbers(ready, regions)
        if mail:
            self.mail(ready.mail[0])
        if not self.view.ascii:
            for row in ready.after:
                self.after(row)
        if regions and ready.nations is not None:
            self.seal()
            self.nations(ready.nations, regions)

    def belonging(self) -> list[Candidate]:
        """What was found, without what lies inside a value that is nobody's."""
        nobodys = self._nobodys
        return [hit for hit in self.found if nobodys.find(0, hit[1], hit[2]) >= 0] if nobodys else self.found

    def whole(self, ready: Ready) -> None:
        """Search one row from end to end."""
        if ready.row.road is Road.BLOCK:
            self.blocks(ready)
        else:
            self.search(ready, 0, len(self.text), len(self.text))

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

    def numbers(self, ready: Roads, regions: list[tuple[int, int]]) -> None:
        """Search the number rows in the regions of digits, each only where its gate lets it through."""
        wanted = self.wanted(ready, regions)
        for index in sorted(wanted):
            row, reached = ready.numbers[index], 0
            claim = self._claims.get(row.kind) if row.yields else None
            for begin, high in wanted[index]:
                if claim is not None and claim.find(0, begin + BEFORE, high) < 0:
                    continue  # a surer row of the kind has taken it all
                reached = self.search(row, begin if begin > reached else reached, high, high + AFTER + 2)

    def wanted(self, ready: Roads, regions: list[tuple[int, int]]) -> dict[int, list[tuple[int, int]]]:
        """The regions in which each number row may match: from where it may begin to where it must."""
        text, gate = self.text, ready.number_gate.Match
        wanted: dict[int, list[tuple[int, int]]] = {}
        for low, high in regions:
            begin = low - BEFORE if low > BEFORE else 0
            hits = gate(text[begin - 1 if begin else 0 : high + AFTER + 1])
            for index in self._said(ready, begin, high, hits) if hits else ():
                wanted.setdefault(index, []).append((begin, high))
        return wanted

    def _said(self, ready: Roads, begin: int, high: int, hits: list[int]) -> list[int]:
        """Of the rows that could match in a region, those that need no cue word or have one there."""
        rows = ready.numbers
        if not any(rows[index].waits for index in hits):
            return hits
        stretch = self.view.stretch(begin, high)
        if not ready.awaited.stands_in(stretch):
            return [index for index in hits if not rows[index].waits]
        return [index for index in hits if not rows[index].waits or rows[index].cue.stands_in(stretch)]

    def seal(self) -> None:
        """Note what is surely found so far: there no national number is guessed."""
        self._sure = bytearray(len(self.text))
        for _, start, end, score in self.found:
            if score >= STRONG:
                self._sure[start:end] = b"\1" * (end - start)

    def nations(self, ready: Nations, regions: list[tuple[int, int]]) -> None:
        """Search the national rows in the regions of digits, each where its cue word stands or nothing sure is."""
        wanted: dict[int, list[tuple[int, int]]] = {}
        for low, high in regions:
            for index in self.called(ready, low, high):
                wanted.setdefault(index, []).append((max(0, low - BEFORE), high))
        for index in sorted(wanted):
            row, reached = ready.ready(index), 0
            for begin, high in wanted[index]:
                reached = self.search(row, max(begin, reached), high, high + AFTER + 2)

    def called_for(self, ready: Roads, regions: list[tuple[int, int]]) -> bool:
        """Whether a region of digits is worth a search."""
        if not regions:
            return False
        nations = ready.nations
        national = nations is not None and any(self.called(nations, low, high) for low, high in regions)
        return national or bool(self.wanted(ready, regions))

    def called(self, ready: Nations, low: int, high: int) -> list[int]:
        """The national rows to search in a region."""
        begin = low - BEFORE if low > BEFORE else 0
        taken = bool(self._sure) and self._sure.find(0, low, high) < 0
        stretch = self.text[begin - 1 if begin else 0 : high + AFTER + 1]
        return ready.called(stretch, self.view.stretch(begin, high), taken)

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
        """Judge one match; returns its end where it is taken, else 0."""
        if ready.special and not (end := admitted(self.view, ready, start, end)):
            return 0
        score = ready.fixed or (score_of(self.view, ready, start) if ready.waits else 0.0)
        if ready.waits and not score:
            return 0
        if ready.check is not None and not (end := self._checked(ready, start, end)):
            return 0
        if ready.number and (part_of_other(self.view, ready, start, end) or self._claimed(ready, start, end)):
            return 0
        if not (score := score or score_of(self.view, ready, start)):
            return 0
        if ready.nation and score < STRONG and self._sure.find(1, start, end) >= 0:
            return 0
        self._note(ready, start, end, score)
        return end

    def _checked(self, ready: Ready, start: int, end: int) -> int:
        """The end of as much of a match as its check accepts, 0 where it accepts nothing or touches more."""
        accepted = ready.check(self.text[start:end])
        if not accepted or (ready.trim and not ready.right(self.text, start + accepted)):
            return 0
        return start + int(accepted)

    def _note(self, ready: Ready, start: int, end: int, score: float) -> None:
        if ready.nobody is not None and self._skip and ready.nobody(self.text[start:end]) in self._skip:
            self._nobodys = self._nobodys or bytearray(len(self.text))
            self._nobodys[start:end] = b"\1" * (end - start)
        else:
            self.found.append((ready.kind, start, end, score))
        if ready.shared:
            self._claims[ready.kind][start:end] = b"\1" * (end - start)

    def _claimed(self, ready: Ready, start: int, end: int) -> bool:
        """Whether a surer row of the kind has taken part of a stretch."""
        if not ready.shared:
            return False
        claim = self._claims.get(ready.kind)
        if claim is None:
            self._claims[ready.kind] = bytearray(len(self.text))
            return False
        return ready.yields and claim.find(1, start, end) >= 0


def _local_start(text: bytes, at: int, reached: int) -> int:
    """Where the local part before an @ begins, -1 where there is none (RFC 5321: at most 64 characters)."""
    match = _LOCAL_BACKWARDS.match(text[max(reached, at - 64) : at][::-1])
    return at - match.end() if match else -1
