"""Floor 3, screening one streamed answer: an event machine without I/O.

Bytes of a server-sent event stream go in, operations come out: `Find` (detect in a text), `Ask` (judge a
text), `Emit` (bytes for the caller), `End`. Each lane (a choice's content, a tool call's arguments) has
its hold-back; events leave in the order in which they came, each with the text that was released for it.
What a caller receives is a function of the provider's text alone, never of how it was cut, nor of the judge's
pace: what the model brought gets its number when its text leaves, not when it is found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from guard.engine import Exchange
from guard.errors import BadRequest, Unavailable
from guard.holdback import Cuts, Quiet
from guard.moderation import inline_scores
from guard.policy.model import Policy
from guard.sentences import sentence
from guard.streaming.inline import Inline
from guard.streaming.judging import judged
from guard.streaming.lanes import UNSCREENED, Lanes
from guard.streaming.ops import Emit, Op
from guard.streaming.others import Others
from guard.streaming.outlet import Outlet
from guard.streaming.parts import Item, Job, Lane, Piece, Seen
from guard.streaming.state import State
from guard.types import Decision, Finding, Limits, Stage, Verdict
from guard.wire import jsonbody, sse
from guard.wire.calls import calls
from guard.wire.openai import Endpoint
from guard.wire.stencils import LONGEST, Stencil, stencil
from guard.wire.streams import StreamEvent, read_event

ASKS = 16
"""Questions to the judge that may be open at once."""

QUEUE_BYTES = 32 * 1024 * 1024
"""Bytes of events that may wait for one that cannot leave yet (100 K tokens, a token an event)."""

KNOWN = 8
"""Forms of events that are known again by their bytes: one a lane, those of the lanes that spoke last."""

TRIES = 32
"""How often a stream's events may turn out to be new ones: a stencil costs more than the event that it is made of."""

LANES = 4096
"""Texts that one answer may stream side by side: choices, parts, calls."""


class StreamGate:
    """The state of one streamed answer. Feed it bytes, answer its questions, send what it emits."""

    def __init__(
        self,
        policy: Policy,
        endpoint: Endpoint,
        exchange: Exchange,
        *,
        cuts: Cuts,
        reach: int,
        limits: Limits,
        choices: int = 1,
        inline: bool = False,
        hidden: bool = False,
        quiet: Quiet | None = None,
    ) -> None:
        """With `inline` the provider was asked to judge its answer; with `hidden` the caller did not ask for that.

        `quiet` says of a text whether one look shows that a detector would find nothing in it, nor in any stretch
        of it between two cuts; without it all is detected in.
        """
        self._state = State(policy, endpoint, exchange, limits, choices, inline)
        self._inline = Inline() if inline else None
        self._hidden = hidden
        self._lanes = Lanes(self._state, cuts, reach, quiet)
        self._others = Others(self._state)
        self._outlet = Outlet(self._state)
        self._decoder = sse.Decoder()
        self._known: list[tuple[Stencil, Lane]] = []
        self._tries = TRIES

    @property
    def full(self) -> bool:
        """Whether the upstream should wait: enough is in flight, or nothing more is wanted of it."""
        waiting = self._inline.open if self._inline else 0
        if self._state.over or len(self._state.jobs) - waiting >= ASKS:
            return True
        return any(lane.hold.full for lane in self._state.lanes.values() if not lane.over)

    @property
    def held(self) -> bool:
        """Whether an answer to an open question would let something leave."""
        return any(job.lane is None or not self._state.eager for job in self._state.jobs.values())

    @property
    def complete(self) -> bool:
        """Whether the answer came to its own end, or to a refusal: not cut."""
        return self._state.complete

    @property
    def ended(self) -> bool:
        """Whether nothing more will be emitted."""
        return self._state.ended

    @property
    def seen(self) -> Seen:
        """What the stream said of itself."""
        return self._state.seen

    @property
    def code(self) -> str:
        """Why the answer was ended early, if it was."""
        return self._state.code

    @property
    def screened_bytes(self) -> int:
        """How many bytes of text were screened."""
        return self._state.screened_bytes

    @property
    def unchecked_bytes(self) -> int:
        """How many bytes of text were let go before the judge had answered about them (`hold: none`)."""
        return self._state.unchecked_bytes

    @property
    def decisions(self) -> Sequence[Decision]:
        """All that was decided so far."""
        return self._state.decisions

    def verdict(self) -> Verdict:
        """The verdict over all that was screened so far."""
        return self._state.verdict()

    def feed(self, data: bytes) -> list[Op]:
        """Take bytes from the provider; what cannot be read ends the answer behind what came before it."""
        ops: list[Op] = []
        at = 0
        if self._known and self._decoder.fresh:
            run: list[Piece] = []
            while at < len(data) and (piece := self._recognise(data, at)) is not None:
                if run and run[0].lane is not piece.lane:
                    ops += self._take_pieces(run)
                    run = []
                self._line_up(piece)
                run.append(piece)
                at += len(piece.raw)
            if run:
                ops += self._take_pieces(run)
            if at == len(data):
                return ops
        try:
            for event in self._decoder.feed(data[at:] if at else data):
                if self._state.over:
                    continue
                piece = self._recognise(event.raw, 0)
                if piece is not None and len(piece.raw) == len(event.raw):
                    self._line_up(piece)
                    ops += self._take_pieces([piece])
                else:
                    ops += self._take(event)
        except BadRequest as bad:
            ops += self._break_off(bad.code, f"the provider's stream cannot be read: {bad.message}")
        return ops

    def finish(self) -> list[Op]:
        """The provider's stream is over: flush what is held; a cut stream is not completed for it."""
        return self._end(Item(sse.Event(raw=b"")))

    def found(self, key: int, lists: Sequence[Sequence[Finding]]) -> list[Op]:
        """Take the findings of a `Find`."""
        job = self._state.jobs[key]
        if self._late(job):
            del self._state.jobs[key]
            return self._outlet.drain()
        asked = self._others if job.lane is None else self._lanes
        return self._inlined(asked.found(key, job, lists)) + self._outlet.drain()

    def scored(self, key: int, answers: Sequence[Mapping[str, float]] | Unavailable) -> list[Op]:
        """Take the scores of an `Ask`, or the reason why there are none."""
        job = self._state.jobs.pop(key)
        if self._late(job):
            return self._outlet.drain()
        verdict = judged(self._state, job, answers)
        asked = self._others if job.lane is None else self._lanes
        return asked.settle(job, verdict.blocking) + self._outlet.drain()

    def _inlined(self, ops: list[Op]) -> list[Op]:
        """Answer the questions that the provider answers itself, or ask them where it has not by its end."""
        if self._inline is None:
            return ops
        ops = self._inline.keep(ops)
        for ask, answers in self._inline.answers():
            ops += self.scored(ask.key, answers)
        return [*ops, *self._inline.give_up()] if self._state.over else ops

    def _moderated(self, data: dict[str, Any]) -> list[Op]:
        """Take what the provider says of its own answer."""
        if self._inline is None or self._inline.told:
            return []
        try:
            results = inline_scores(_body(data))
        except Unavailable as failure:
            self._inline.tell(failure)
        else:
            if results is not None:
                self._inline.tell(results)
        return self._inlined([])

    def _late(self, job: Job) -> bool:
        """Whether the answer to a question can change nothing any more."""
        return self._state.ended or (job.lane is not None and job.lane.over)

    def _recognise(self, data: bytes, at: int) -> Piece | None:
        """The event at a position, where it differs from one before in its piece of text alone."""
        state = self._state
        if state.over or state.queued > QUEUE_BYTES - LONGEST:
            return None
        for form, lane in self._known:
            filled = form.fill(data, at)
            if filled is not None:
                if lane.over or lane.closed or form.model not in ("", state.seen.model):
                    return None
                return Piece(form, filled, data[at : filled.end], lane, lane.fed)
        return None

    def _line_up(self, piece: Piece) -> None:
        self._state.items.append(piece)
        self._state.queued += len(piece.raw)
        piece.lane.fed = piece.end

    def _take_pieces(self, run: Sequence[Piece]) -> list[Op]:
        """Take what the neighbouring pieces of one lane bring: one look for all that came at once."""
        text = run[0].found.text if len(run) == 1 else "".join([piece.found.text for piece in run])
        return self._lanes.take(run[0].lane, text) + self._outlet.drain()

    def _learn(self, item: Item, parsed: StreamEvent, data: dict[str, Any]) -> None:
        """Know events of this form again. Those of the provider's own judgement, and calls by name, are read whole."""
        free = not item.calls or "*" in self._state.policy.output.tools
        named = any(call.tool for call in item.calls)
        if self._inline is None and not item.silent and free and not named and self._tries and parsed.deltas:
            self._tries -= 1
            made = stencil(self._state.endpoint, item.event, data, parsed, self._state.limits)
            if made is not None:
                lane = self._state.lanes[parsed.deltas[0].lane]
                self._known = [(made, lane), *(row for row in self._known if row[1] is not lane)][:KNOWN]

    def _take(self, event: sse.Event) -> list[Op]:
        if event.data is None:
            return [Emit(event.raw)]
        if event.done:
            return self._end(Item(event))
        data = jsonbody.parse(event.data.encode("utf-8", "surrogatepass"), self._state.limits)
        if not isinstance(data, dict):
            return self._break_off("guard.opaque.field", self._said("guard.opaque.field"))
        lanes = self._state.lanes
        parsed = read_event(self._state.endpoint, data, lanes)
        if len(lanes) + sum(d.lane not in lanes for d in parsed.deltas) > LANES:
            raise BadRequest(502, "guard.opaque.field", "it has too many parts")
        item = Item(event, parsed, data.get("sequence_number"), calls=calls(self._state.endpoint, data))
        self._state.note_calls(item.calls)
        self._note(data)
        item.silent = self._hidden and "moderation" in data and not (data.get("choices") or data.get("usage"))
        ops = self._lanes.feed(item, parsed, data)
        ops += self._others.ask(item, parsed, data)
        self._queue(item)
        self._learn(item, parsed, data)
        ops += self._moderated(data)
        if parsed.last or (item.blocking and not self._state.ended):
            return ops + self._closed()
        for lane in [lane for lane in lanes.values() if parsed.closes and parsed.ends(lane.name)]:
            ops += self._lanes.close(lane)
        return ops + self._outlet.drain()

    def _queue(self, item: Item) -> None:
        self._state.items.append(item)
        self._state.queued += len(item.event.raw)
        if self._state.queued > QUEUE_BYTES:
            item.failure = (UNSCREENED.kind, self._said(UNSCREENED.kind))
            self._state.items = deque([item])

    def _said(self, kind: str) -> str:
        return sentence(kind, "", Stage.OUTPUT, self._state.exchange.languages)

    def _end(self, item: Item) -> list[Op]:
        """Take the last event: what is held of the lanes leaves before it."""
        if self._state.over:
            return []
        self._state.queued += len(item.event.raw)
        self._state.items.append(item)
        return self._closed()

    def _closed(self) -> list[Op]:
        self._state.over = True
        ops: list[Op] = []
        for lane in list(self._state.lanes.values()):
            ops += self._lanes.close(lane)
        return ops + self._inlined([]) + self._outlet.drain()

    def _break_off(self, code: str, message: str) -> list[Op]:
        return self._end(Item(sse.Event(raw=b""), failure=(code, message)))

    def _note(self, data: dict[str, Any]) -> None:
        body = _body(data)
        if self._state.template is None and ("choices" in data or "response" in data):
            self._state.template = data
        seen = self._state.seen
        seen.id = seen.id or str(body.get("id") or "")
        seen.model = str(body.get("model") or seen.model)
        if isinstance(body.get("usage"), dict):
            seen.usage = body["usage"]
        choices = data.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and isinstance(choice.get("finish_reason"), str):
                seen.finish_reasons.append(choice["finish_reason"])


def _body(data: dict[str, Any]) -> dict[str, Any]:
    """The answer that an event is about: a chunk itself, or the response in it."""
    response = data.get("response")
    return response if isinstance(response, dict) else data
