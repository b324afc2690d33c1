"""What of a streamed answer may leave, and when: an event machine for one lane, without I/O or clock.

Text goes in as the provider sends it. `Check` asks for a window to be screened, `checked` brings the answer,
`Release` lets a window's text go, in order, and `Stop` ends the lane. A window in which one look shows nothing is
released unchecked, and may be several windows in one. The windows are a function of the
provider's whole text alone, never of how it was split: the first ends near `first` tokens, each later target
is twice the one before up to `step`, at a sentence end where one is near, always at a safe cut.

A safe cut comes from `cuts(text, start, final)`: ascending positions behind `start` that no finding can span
whatever follows. What it says of a text must be the head of what it says of any continuation.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from typing import Literal

from guard.text import QUARTERS, good_cut, weigh

Cuts = Callable[[str, int, bool], list[int]]
Quiet = Callable[[str], bool]
Hold = Literal["window", "full", "none"]

IN_FLIGHT = 2
LIMIT = 512 * 1024
"""Characters that may wait for one window: the longest answer of today's models (128 K tokens of English)."""

LOOK_BACK = 1024
"""Characters before a cut that `cuts` may look at; what it says may not depend on text before them."""

_STRIDES = 24
"""Cuts after which the context of a look is made shorter again: to do it at each would cost more than the look."""


@dataclass(frozen=True, slots=True)
class Check:
    """Screen this window; `context` is the provider's text before it, from a safe cut on; `last`: none follows."""

    window: int
    text: str = field(repr=False)
    context: str = field(repr=False, default="")
    last: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """Let this text go to the caller: the window as it came back from its check, or as it came where it needs none."""

    window: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stop:
    """End the lane: nothing from this window on may leave.

    `reason`: `checked` (a check said so), `limit` (no safe cut within the limit), `late` (text came after the
    end), `stopped` (the owner said so).
    """

    window: int
    reason: Literal["checked", "limit", "late", "stopped"]


Event = Check | Release | Stop


class Windows:
    """Cut a growing text into windows; holds no more of it than the open window and its left context.

    All positions are in `_text`; where windows have a size, every cut is weighed once.
    """

    def __init__(self, cuts: Cuts, *, first: int, step: int, context: int, reach: int, limit: int) -> None:
        # A window of the target size must always fit: a token is at most four characters, plus the quarter.
        self._step = min(step, limit // 8)
        self._target = min(first or step, self._step)
        self._ask = cuts
        self._context = context * QUARTERS
        self._reach = reach
        self._limit = limit
        self._text = ""  # the left context and what is known of the open window
        self._incoming: list[str] = []  # what came since
        self._size = self._weight = 0  # of all that is not taken: characters, quarter tokens
        self._cuts: list[int] = []  # known safe cuts, ascending
        self._asked = 0  # how much of the text they come from
        self._retry = 0  # how long the text must be before another look is worth its cost
        self._start = 0  # of the open window
        self._seen = self._seen_to = self._seen_weight = 0  # cuts tried as its end, how far, the weight there
        self._head = self._next_head = 0  # of its context; the cut behind that
        self._looked = 0  # where a blank ends what a look was taken at
        self._final = False
        self.too_long = False

    def feed(self, text: str) -> None:
        """Append text."""
        self._incoming.append(text)
        self._size += len(text)
        if self._step:
            self._weight += weigh(text)

    def finish(self) -> None:
        """Say that the text is whole."""
        self._final = True

    def next(self) -> tuple[str, str] | None:
        """Take the next window and its left context; None until its end is certain, or when all is taken."""
        if not self._final and not self._worth_a_look():
            return None
        self._gather()
        end = self._end()
        return None if end is None else self._take(end)

    def stride(self, text: str, quiet: Quiet) -> str | None:
        """Append text and take at once all that may be cut off now, where a look shows nothing in it.

        Empty where nothing may be; None where it must be taken window by window. Only for windows without a size.
        """
        self._incoming.append(text)
        self._size = size = self._size + len(text)
        if self._start + size < self._retry and size <= self._limit:
            return ""
        self._gather()
        reach = len(self._text)
        if reach - self._start > self._limit:
            return None
        self._learn(reach, whole=False)
        if self._seen == len(self._cuts):
            self._look_later(reach)
            return ""
        end = self._cuts[-1]
        if self._seen - self._next_head > _STRIDES:
            end -= self._move_head()
        if not self._calm(end, quiet):
            return None
        calm = self._text[self._start : end]
        self._seen = len(self._cuts)
        self._go_on(end)
        return calm

    def _calm(self, end: int, quiet: Quiet) -> bool:
        """Whether a look shows nothing up to a cut: an earlier one, if what was expected then has come.

        Looks are taken at a blank behind all that is known: the next cut is most often there.
        """
        text = self._text
        if end == self._looked and text[end - 1] == " ":
            return True
        ahead = text[self._head :] + " "
        if quiet(ahead):
            self._looked = len(text) + 1
            return True
        return quiet(text[self._head : end])

    def _gather(self) -> None:
        if self._incoming:
            self._text += "".join(self._incoming)
            self._incoming.clear()

    def rest(self) -> tuple[str, str] | None:
        """Take all the text as one window once it is whole; None before, or when it is empty."""
        self.too_long = self._size > self._limit
        if not self._final or self.taken or self.too_long:
            return None
        self._size = 0
        return "".join(self._incoming), ""

    @property
    def taken(self) -> bool:
        """Whether the text is whole and every window was taken."""
        return self._final and self._size == 0

    def discard(self) -> None:
        """Forget all text."""
        self._text, self._incoming, self._cuts = "", [], []

    def _worth_a_look(self) -> bool:
        if self._size > self._limit:
            return True
        fed = self._start + self._size
        if fed <= self._asked and self._seen == len(self._cuts):
            return False  # nothing came since the last look, and each cut that it gave was weighed
        return self._weight >= 3 * self._target and fed >= self._retry

    def _end(self) -> int | None:
        """The end of the open window: known from its first `limit` characters, or it is too long."""
        reach = min(len(self._text), self._start + self._limit)
        whole = self._final and reach == len(self._text)
        end = self._choose()
        if end is None and (whole or reach > self._asked):
            self._learn(reach, whole)
            end = self._choose()
        if end is None and whole and reach > self._start:
            return reach
        self.too_long = end is None and len(self._text) > reach
        self._look_later(reach)
        return end

    def _look_later(self, reach: int) -> None:
        # The same text shows no more at a second look; a longer one is looked at less often, so that the work
        # stays linear.
        self._retry = reach + max(1, (reach - self._start) // 16)

    def _choose(self) -> int | None:
        while self._seen < len(self._cuts):
            cut = self._cuts[self._seen]
            if cut == len(self._text) and self._step and not self._final:
                break  # it may be the last window, and must know that it is
            self._seen += 1
            self._seen_weight += self._weigh(self._seen_to, cut)
            self._seen_to = cut
            if good_cut(self._text, cut, self._seen_weight, self._target):
                return cut
        return None

    def _weigh(self, start: int, end: int) -> int:
        """The weight of a stretch of a window, where windows have a size."""
        return weigh(self._text[start:end]) if self._step else 0

    def _learn(self, reach: int, whole: bool) -> None:
        since = self._cuts[-1] if self._cuts and self._cuts[-1] > self._start else self._start
        found = self._ask(self._text[:reach], since, whole)
        if found:
            self._cuts += found if found[0] > since else [cut for cut in found if cut > since]
        self._asked = reach

    def _take(self, end: int) -> tuple[str, str]:
        end -= self._move_head()
        text, context = self._text[self._start : end], self._text[self._head : self._start]
        self._weight -= self._seen_weight + self._weigh(self._seen_to, end)
        self._go_on(end)
        self._target = min(2 * self._target, self._step)
        return text, context

    def _go_on(self, end: int) -> None:
        """Begin the next window."""
        self._size -= end - self._start
        self._start = self._seen_to = end
        self._seen_weight = self._retry = 0

    def _move_head(self) -> int:
        """Let the context begin at the last known cut that leaves enough of it; how far all positions moved by that."""
        cuts, low = self._cuts, self._next_head
        if low < self._seen and self._leaves_enough(cuts[low]):
            low = bisect_left(cuts, True, low + 1, self._seen, key=lambda cut: not self._leaves_enough(cut))
            self._head, self._next_head = cuts[low - 1], low
        spare = min(self._head, self._start - LOOK_BACK)
        if spare <= max(LOOK_BACK, len(self._text) - spare):
            return 0
        self._trim(spare)
        return spare

    def _leaves_enough(self, cut: int) -> bool:
        return self._start - cut >= self._reach and weigh(self._text[cut : self._start]) >= self._context

    def _trim(self, spare: int) -> None:
        self._text = self._text[spare:]
        self._cuts = [cut - spare for cut in self._cuts[self._next_head :]]
        self._seen -= self._next_head
        self._next_head = 0
        self._head -= spare
        self._start -= spare
        self._seen_to -= spare
        self._asked -= spare
        self._looked -= spare
        self._retry = 0


class HoldBack:
    """Hold one lane's text back until its windows are checked; make one a lane, feed it, obey its events.

    `first`, `step` and `context` are in estimated tokens; `first=0, step=0` makes a window of every safe cut.
    `reach` is the least left context in characters, for a detector's cue words. `hold`: `window`; `full`, one
    window when all is there; `none`, windows as in `window` (the owner answers before the judge does). `limit`
    is in characters.
    """

    def __init__(
        self,
        *,
        cuts: Cuts,
        first: int,
        step: int,
        context: int,
        hold: Hold = "window",
        reach: int = 64,
        limit: int = LIMIT,
        keep_provider: bool = False,
        keep_released: bool = True,
    ) -> None:
        self._windows = Windows(cuts, first=first, step=step, context=context, reach=reach, limit=limit)
        self._next_window = self._windows.rest if hold == "full" else self._windows.next
        self._strides = step == 0 and hold != "full"
        self._asked = 0  # windows given out
        self._left = 0  # windows released
        self._answers: dict[int, str | None] = {}
        self._last: int | None = None  # the window at which the lane stops
        self._reason: Literal["checked", "limit", "late", "stopped"] = "checked"
        self._finished = self._stopped = False
        self._released = StringIO() if keep_released else None
        self._provider = StringIO() if keep_provider else None

    @property
    def full(self) -> bool:
        """Whether two windows are in flight: stop reading upstream."""
        return self._asked - self._left >= IN_FLIGHT

    @property
    def done(self) -> bool:
        """Whether no further event will come: all was released, or the lane was stopped."""
        return self._stopped or (self._finished and self._windows.taken and self._asked == self._left)

    @property
    def released(self) -> str:
        """All that was released, for the events that repeat it, unless `keep_released` is off."""
        return self._released.getvalue() if self._released else ""

    @property
    def provider(self) -> str:
        """All that was fed, where `keep_provider` asked for it."""
        return self._provider.getvalue() if self._provider else ""

    def feed(self, text: str, quiet: Quiet | None = None) -> list[Event]:
        """Take the provider's next piece of text.

        `quiet` says of a text whether one look shows that no check would find anything in it, or in any stretch
        of it between two cuts. It is asked where every safe cut ends a window.
        """
        if not text or self._last is not None:
            return []
        if self._finished:
            return self._close("late")
        if self._provider:
            self._provider.write(text)
        if quiet is None or not self._strides or self._asked != self._left:
            self._windows.feed(text)
            return self._advance()
        calm = self._windows.stride(text, quiet)
        if calm is None:
            return self._advance()
        if not calm:
            return []
        if self._released:
            self._released.write(calm)
        self._asked += 1
        self._left += 1
        return [Release(self._left - 1, calm)]

    def finish(self) -> list[Event]:
        """Take the end of the provider's text."""
        self._finished = True
        self._windows.finish()
        return self._advance()

    def checked(self, window: int, text: str | None) -> list[Event]:
        """Take a check's answer: the text to release for the window, or None to stop the lane there.

        Answers may come in any order. Raises ValueError for a window that is not in flight.
        """
        if self._stopped:
            return []
        if window in self._answers or not self._left <= window < self._asked:
            raise ValueError(f"window {window} is not in flight")
        self._answers[window] = text
        if text is None and (self._last is None or window < self._last):
            self._last, self._reason = window, "checked"
        return self._settle() + self._advance()

    def stop(self) -> list[Event]:
        """Stop the lane now: what is in flight is discarded too."""
        if self._stopped:
            return []
        self._last, self._reason = self._left, "stopped"
        return self._settle()

    def _close(self, reason: Literal["limit", "late"]) -> list[Event]:
        """Stop behind the windows that are in flight."""
        self._last, self._reason = self._asked, reason
        return self._settle()

    def _advance(self) -> list[Event]:
        events: list[Event] = []
        while self._last is None and not self.full:
            window = self._next_window()
            if self._windows.too_long:
                return events + self._close("limit")
            if window is None:
                return events
            events.append(Check(self._asked, *window, last=self._windows.taken))
            self._asked += 1
        return events

    def _settle(self) -> list[Event]:
        events: list[Event] = []
        while self._left != self._last and self._left in self._answers:
            text = self._answers.pop(self._left) or ""
            if self._released:
                self._released.write(text)
            events.append(Release(self._left, text))
            self._left += 1
        if self._left == self._last:
            self._stopped = True
            self._answers.clear()
            self._windows.discard()
            events.append(Stop(self._left, self._reason))
        return events
