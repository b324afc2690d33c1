"""The search of one piece: each row that the gate let through, on its road."""

from __future__ import annotations

import re
from bisect import bisect_left

from guard.pii.catalog_everyone import HOST
from guard.pii.credentials import past_key
from guard.pii.cues import Cue
from guard.pii.cuts import block_end
from guard.pii.judging import admitted, score_of
from guard.pii.numbers import Numbers
from guard.pii.ready import Ready
from guard.pii.roads import Roads, Seen, Span
from guard.pii.rows import Road
from guard.pii.view import CONTEXT

_LOCAL_BACKWARDS = re.compile(rb"""[A-Za-z0-9.!#$%&'*+=^_`{|}~-]{0,63}[A-Za-z0-9_+]|"[!#-~]{1,62}\"""")
_BEFORE_HOST = re.compile(rb"@(?=[A-Za-z0-9\x1a-]{1,63}+\.|localhost|\[)")
_SIGNS = bytes(
    code if code == 0x1A else ord("a") if chr(code).isalpha() and code < 128 else 0 for code in range(256)
)
_SIGNED = b"\x1aa"
_SHORTEST_BLOCK = 16


class Hunt(Numbers):
    """What was found in one view, and which stretches are nobody's."""

    __slots__ = ()

    def run(self, ready: Roads, seen: Seen, mail: bool) -> None:
        """Search the rows that the gate let through, the regions of digits, and addresses."""
        hits, regions, shape = seen
        for index in hits:
            row = ready.gated[index]
            if not row.own or not row.own.isdisjoint(self.view.heads(ready.vocabulary)):
                self.whole(ready, row)
        national = self.numbers(ready, regions, shape) if regions else ()
        if mail:
            self.mail(ready.mail[0])
        if national:
            self.seal()
            self.nations(ready, national)

    def whole(self, ready: Roads, row: Ready) -> None:
        """Search one row from end to end, where it need not wait for a cue word that stands nowhere."""
        if row.waits and not self._named(row.cue):
            return
        if row.row.road is Road.BLOCK:
            self.blocks(row)
        elif row.row.road is Road.AFTER:
            self.after(ready, row)
        elif row.number:
            self.within(row, ((0, len(self.text)),))
        elif row.signed:
            self._signed(row)
        elif row.group and row.fixed:
            self._valued(row)
        else:
            self._search(row)

    def _named(self, cue: Cue) -> bool:
        """Whether a word of a cue stands anywhere in the view, be it as a part of another."""
        view, letters = self.view, self.view.letters()
        others = None if view.ascii else cue.others
        said = others is not None and others.search(view.original(0, len(self.text))) is not None
        return said or any(word in letters for word in cue.short)

    def _search(self, ready: Ready) -> None:
        search, text, group, at = ready.search, self.text, ready.group, 0
        while match := search(text, at):
            begin = match.start()
            start, end = match.span(group)
            taken = self.take(ready, start, end)
            at = max(start, begin + 1) if group else taken or begin + 1

    def _valued(self, ready: Ready) -> None:
        """Search a row whose values stand behind what calls them so, and so may hold others of the same row.

        Of the others only those count that reach further; the last reaches furthest, so it is judged first, and none
        twice. Not in the context of a piece, where what begins is left out and what it holds is not.
        """
        search, text, group, at = ready.search, self.text, ready.group, 0
        spans: list[Span] = []
        while match := search(text, at):
            spans.append(match.span(group))
            at = max(spans[-1][0], match.start() + 1)
        place = 0
        while place < len(spans):
            start, end = spans[place]
            place, reached = place + 1, self.take(ready, start, end)
            while reached and start >= CONTEXT:
                behind = bisect_left(spans, (reached,), place)
                start, reached = self._furthest(ready, spans[place:behind], reached)
                place = behind

    def _furthest(self, ready: Ready, inner: list[Span], reached: int) -> Span:
        """Take the last of some values that reaches further; returns where it begins and ends, else nothing."""
        for start, end in reversed(inner):
            if end > reached and (taken := self.take(ready, start, end)):
                return start, taken
        return 0, 0

    def _signed(self, ready: Ready) -> None:
        """Search a row whose first character is outside ASCII and whose second is a letter, letter by letter."""
        reached = 0
        # Not by `re`, which looks at each character of a Chinese text for a letter.
        signs = self.text.translate(_SIGNS)
        at = signs.find(_SIGNED)
        while at >= 0:
            if at >= reached and (match := ready.search(self.text, at)):
                reached = self.take(ready, *match.span())
            at = signs.find(_SIGNED, at + 1)

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

    def after(self, ready: Roads, row: Ready) -> None:
        """Take what follows a head, at most one letter of the row's tail between."""
        view = self.view
        heads = view.heads(ready.vocabulary)
        for head in row.own.intersection(heads):
            for end in heads[head]:
                self._follow(row, view.projection.position(end) - view.base)

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
        if not (score := ready.fixed or score_of(view, ready, start, end)):
            return 0
        if ready.nobody is not None and self._skip and ready.nobody(text[start:end]) in self._skip:
            self._nobodys.append((start, end))
        else:
            self.found.append((ready.kind, start, end, score))
        return end


def _local_start(text: bytes, at: int, reached: int) -> int:
    """Where the local part before an @ begins, -1 where there is none (RFC 5321: at most 64 characters)."""
    low = at - 64
    match = _LOCAL_BACKWARDS.match(text[low if low > reached else reached : at][::-1])
    return at - match.end() if match else -1
