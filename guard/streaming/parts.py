"""The parts of a streamed answer: its lanes and their windows, the events that wait, the open questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from guard.holdback import HoldBack
from guard.pii.targets import Targets
from guard.types import Decision, Limits, Segment
from guard.wire import jsonbody, sse
from guard.wire.calls import Call
from guard.wire.stencils import Filled, Stencil
from guard.wire.streams import Delta, StreamEvent


@dataclass(slots=True, repr=False)
class Window:
    """A stretch of a lane's text: what was decided of it, and what was released for it."""

    start: int
    end: int
    text: str
    decisions: Sequence[Decision] = ()
    segments: tuple[Segment, ...] = ()
    released: str | None = None
    blocking: Decision | None = None


@dataclass(slots=True, repr=False, eq=False)
class Lane:
    """One text of the answer as it comes: how much was fed, asked about and let go (`done`), in characters.

    What was let go from `altered` on is the provider's text word for word.
    """

    name: str
    hold: HoldBack
    fed: int = 0
    asked: int = 0
    done: int = 0
    closed: bool = False
    dead: bool = False
    blocking: Decision | None = None
    windows: dict[int, Window] = field(default_factory=dict)
    judged_tail: str = ""
    said: StringIO = field(default_factory=StringIO)
    document: bool = False
    item_id: str = ""
    released: StringIO | None = None
    altered: int = 0
    targets: Targets = field(default_factory=Targets)

    @property
    def over(self) -> bool:
        """Whether nothing more will be released: a check has stopped the lane, or its choice has ended."""
        return self.dead or self.blocking is not None

    @property
    def told(self) -> str:
        """All that has left, where events repeat it."""
        return self.released.getvalue() if self.released else ""

    def settled(self, end: int) -> bool:
        """Whether all that will be released of the text before `end` has been."""
        return self.done >= end or self.over

    def piece(self, start: int, end: int) -> str:
        """The released text for the provider's range: verbatim where nothing changed, else once, at the first event."""
        parts = []
        for window in self.windows.values():
            if (
                window.released is None
                or window.end <= start
                or window.start >= end
                or window.start >= self.done
            ):
                continue
            if window.released == window.text:
                parts.append(window.text[max(start, window.start) - window.start : end - window.start])
            elif start <= window.start:
                parts.append(window.released)
        return "".join(parts)

    def forget(self, before: int) -> None:
        """Drop windows that no queued event needs any more."""
        windows = self.windows
        for key in list(windows):
            if windows[key].end > before:
                break
            del windows[key]


@dataclass(slots=True, repr=False)
class Item:
    """An event that waits: `ranges` are its pieces of lanes, `blocking` and `failure` refuse at its place."""

    event: sse.Event
    parsed: StreamEvent | None = None
    sequence: int | None = None
    ranges: tuple[tuple[Delta, Lane, int, int], ...] = ()
    waiting: bool = False
    texts: list[tuple[Segment, Sequence[Decision]]] = field(default_factory=list)
    changes: dict[str, str] = field(default_factory=dict)
    blocking: Decision | None = None
    failure: tuple[str, str] | None = None
    silent: bool = False
    calls: Sequence[Call] = ()

    @property
    def last(self) -> bool:
        """Whether the stream is over with this event."""
        return self.parsed is None or self.parsed.last

    def data(self, limits: Limits) -> dict[str, Any]:
        """The event's JSON: read again, since a long queue of read events would take ten times the memory."""
        data = self.event.data
        assert data is not None
        return jsonbody.parse(data.encode("utf-8", "surrogatepass"), limits)  # type: ignore[no-any-return]


class Piece:
    """An event that brings one piece of a lane and nothing else, by its bytes; made an item where they change."""

    __slots__ = ("end", "found", "lane", "raw", "start", "stencil")

    def __init__(self, stencil: Stencil, found: Filled, raw: bytes, lane: Lane, start: int) -> None:
        self.stencil, self.found, self.raw = stencil, found, raw
        self.lane, self.start, self.end = lane, start, start + len(found.text)

    def item(self) -> Item:
        """The event as one that was read as a whole."""
        (event,) = sse.Decoder().feed(self.raw)
        parsed = self.stencil.event(self.found)
        return Item(event, parsed, self.found.number, ((parsed.deltas[0], self.lane, self.start, self.end),))


@dataclass(slots=True, repr=False)
class Job:
    """One outstanding question: about a lane's window, or about the other texts of an event."""

    lane: Lane | None = None
    window: int = 0
    context: int = 0
    last: bool = False
    item: Item | None = None
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Ending:
    """Why a choice (empty: the whole answer) ends at an event, and where its text was going.

    `whole` says that the event itself is at fault: nothing of that choice leaves with it.
    """

    choice: str
    blocking: Decision
    lane: str
    released: str = ""
    item_id: str = ""
    whole: bool = False


@dataclass(slots=True)
class Seen:
    """What the stream said of itself, for the trace: no text."""

    id: str = ""
    model: str = ""
    usage: Mapping[str, Any] | None = None
    finish_reasons: list[str] = field(default_factory=list)


def choice_of(lane: str) -> str:
    """The choice that a lane belongs to (`choices[1]`), empty where the whole answer is one."""
    return lane[: lane.index("]") + 1] if lane.startswith("choices[") else ""
