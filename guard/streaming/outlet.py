"""Events on their way out: each in its order, with what was released of its texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from guard.engine import by_path
from guard.pii.redact import answer
from guard.pii.targets import Targets
from guard.streaming.documents import rewritten
from guard.streaming.endings import Endings
from guard.streaming.ops import Emit, End, Op
from guard.streaming.parts import Ending, Item, Lane, Piece, Window, choice_of
from guard.streaming.state import State
from guard.types import Decision
from guard.wire import jsonbody
from guard.wire.streams import StreamEvent


class Outlet:
    """Let events leave whose texts are through."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._endings = Endings(state)

    def drain(self) -> list[Op]:
        """Emit the events that may leave, in order."""
        ops: list[Op] = []
        items = self._state.items
        while items and not self._state.ended:
            item = items[0]
            if isinstance(item, Piece):
                if not item.lane.settled(item.end):
                    break
                items.popleft()
                self._state.queued -= len(item.raw)
                ops += self._pass(item)
            elif self._ready(item):
                items.popleft()
                self._state.queued -= len(item.event.raw)
                ops += self._emit(item)
            else:
                break
        return ops

    def _pass(self, piece: Piece) -> list[Op]:
        """Emit the event of a piece: as it came where its text leaves word for word."""
        lane, state = piece.lane, self._state
        self._settle_lane(lane, piece.end)
        if piece.start < lane.altered or lane.over or state.dead:
            return self._emit(piece.item())
        lane.forget(piece.end)
        if piece.found.number is not None:
            state.sequence = piece.found.number
        return [Emit(piece.raw)]

    def _ready(self, item: Item) -> bool:
        if item.failure is not None and item.parsed is not None:
            return True
        if item.waiting or any(not lane.settled(end) for _, lane, _, end in item.ranges):
            return False
        whole = self._state.through(item)
        if self._state.eager and any(job.lane in whole for job in self._state.jobs.values()):
            return False  # text does not wait for the judge, but its end does
        return all(lane.settled(lane.fed) for lane in whole)

    def _emit(self, item: Item) -> list[Op]:
        if item.failure is not None:
            return self._endings.fail(*item.failure)
        self._settle(item)
        endings = self._endings.at(item)
        ops = [] if item.parsed is None else self._leave(item, item.parsed, endings)
        for ending in endings:
            ops += self._endings.refuse(ending)
            if self._state.ended:
                return ops
        return ops + self._last(item) if item.last else ops

    def _settle(self, item: Item) -> None:
        """Set the text of what leaves with an event; new values are numbered here, in the provider's order."""
        for _, lane, _, end in item.ranges:
            self._settle_lane(lane, end)
        for segment, rows in () if item.blocking else item.texts:
            error = item.parsed is not None and item.parsed.error
            restoring = not error and self._state.restores(item, segment.path)
            made = answer(
                segment.text, rows, self._state.exchange.placeholders, restoring=restoring, judging=False
            )
            self._state.exchange.note_answer(made)
            if made.released != segment.text:
                item.changes[segment.path] = made.released

    def _settle_lane(self, lane: Lane, end: int) -> None:
        for window in () if lane.dead else lane.windows.values():
            if window.released is None and window.start < end and window.start < lane.done:
                self._release(lane, window)

    def _release(self, lane: Lane, window: Window) -> None:
        calm = not window.decisions and not window.segments
        if calm and self._state.exchange.placeholders.absent(window.text):
            lane.targets.feed(window.text)
            window.released = window.text
        else:
            window.released = self._released(lane, window)
        if window.released != window.text:
            lane.altered = window.end
        if lane.released is not None:
            lane.released.write(window.released)
        if self._state.exchange.stacked:
            self._state.exchange.note_streamed(lane.name, window.released)

    def _released(self, lane: Lane, window: Window) -> str:
        restoring = self._state.restores_in(lane)
        if not window.segments:
            return self._answered(window.text, window.decisions, restoring, lane.targets)
        decided = by_path(window.decisions)
        changes = {
            s.path: self._answered(s.text, decided.get(s.path, ()), restoring) for s in window.segments
        }
        return rewritten(window.text, lane.name, changes)

    def _answered(
        self, text: str, decisions: Sequence[Decision], restoring: bool, targets: Targets | None = None
    ) -> str:
        exchange = self._state.exchange
        made = answer(
            text, decisions, exchange.placeholders, targets=targets, restoring=restoring, judging=False
        )
        exchange.note_answer(made)
        return made.released

    def _last(self, item: Item) -> list[Op]:
        self._state.ended = True
        if item.parsed is None:
            self._state.complete = bool(item.event.raw)
            return [*([Emit(item.event.raw)] if item.event.raw else []), End(self._state.code)]
        self._state.complete = True
        return [End(self._state.code or ("upstream_error" if item.parsed.error else ""))]

    def _leave(self, item: Item, parsed: StreamEvent, endings: Sequence[Ending]) -> list[Op]:
        """Emit an event with what was released of its texts, without the choices that are over."""
        told = {delta.path: lane.piece(start, end) for delta, lane, start, end in item.ranges}
        speaking = {choice_of(lane.name) for delta, lane, _, _ in item.ranges if told[delta.path]}
        for _, lane, _, end in item.ranges:
            lane.forget(end)
        changes = {**item.changes, **{d.path: told[d.path] for d in parsed.deltas if told[d.path] != d.text}}
        changes |= self._repeated(item, parsed)
        whole = {e.choice for e in endings if e.whole}
        if item.silent:
            return []
        event = self._rewritten(item, changes, {e.choice for e in endings}, speaking - whole)
        if event is None:
            return []
        if type(item.sequence) is int:
            self._state.sequence = item.sequence
        return [Emit(event)]

    def _rewritten(
        self, item: Item, changes: Mapping[str, str], ending: set[str], speaking: set[str]
    ) -> bytes | None:
        """The bytes of an event with new texts and without the choices that are over; None where nothing is left."""
        if not (changes or ending or self._state.dead) or item.parsed is None:
            return item.event.raw
        original = item.data(self._state.limits)
        data = jsonbody.replace(original, changes)
        data = jsonbody.drop(data, item.parsed.other.stale(tuple(changes)))
        left = self._endings.left(data, ending, speaking)
        if left is None:
            return None
        return item.event.raw if left is original else item.event.with_data(jsonbody.dump(left).decode())

    def _repeated(self, item: Item, parsed: StreamEvent) -> dict[str, str]:
        """The new text of each place where an event repeats a lane that has changed."""
        changes = {}
        for path, name in parsed.repeats:
            lane = self._state.lanes.get(name)
            if lane is None or lane.over or any(change.startswith(path) for change in item.changes):
                continue
            text = lane.told
            if jsonbody.at(item.data(self._state.limits), path) == lane.hold.provider != text:
                changes[path] = text
        return changes
