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
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any

from guard import moderation
from guard.engine import Exchange, by_path, fix, lies_inside, merge, note_moderation, own_spans, unavailable
from guard.errors import BadRequest, Unavailable
from guard.holdback import Check, Cuts, HoldBack, Release, Stop
from guard.pii.redact import answer, for_judge
from guard.policy.decide import decide, judges
from guard.policy.model import Policy
from guard.sentences import message_for, sentence
from guard.types import Action, Change, Decision, Finding, Limits, Segment, Stage, Verdict
from guard.wire import jsonbody, refusal, sse
from guard.wire.leaves import JSON_TEXT, TEXT
from guard.wire.openai import Endpoint
from guard.wire.reading import Reader
from guard.wire.streams import Delta, StreamEvent, read_event


@dataclass(frozen=True, slots=True)
class Find:
    """Detect in each of the texts and call `found(key, lists)`."""

    key: int
    texts: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ask:
    """Judge each of the texts and call `scored(key, answers | Unavailable)`."""

    key: int
    texts: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Emit:
    """Send these bytes to the caller now."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class End:
    """The answer is over for the caller; close the upstream. `code` is empty when it ended well."""

    code: str = ""


Op = Find | Ask | Emit | End


ASKS = 16
"""Questions to the judge that may be open at once."""

QUEUE_BYTES = 32 * 1024 * 1024
"""Bytes of events that may wait for one that cannot leave yet (100 K tokens, a token an event)."""

LANES = 4096
"""Texts that one answer may stream side by side: choices, parts, calls."""

KEPT = 64
"""Decisions of one kind, rule and place that are kept apart: as many as a record shows; it counts them all."""

_UNSCREENED = Finding("guard.unavailable.detect", 0, 0, 1.0, "guard")


@dataclass(slots=True, repr=False)
class _Window:
    start: int
    end: int
    text: str
    decisions: Sequence[Decision] = ()
    segments: tuple[Segment, ...] = ()
    released: str | None = None
    blocking: Decision | None = None


@dataclass(slots=True, repr=False, eq=False)
class _Lane:
    name: str
    hold: HoldBack
    fed: int = 0
    asked: int = 0
    done: int = 0
    closed: bool = False
    dead: bool = False
    blocking: Decision | None = None
    windows: dict[int, _Window] = field(default_factory=dict)
    judged_tail: str = ""
    document: bool = False
    item_id: str = ""
    released: StringIO | None = None

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
        return self.over or self.done >= end

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
        for key in [k for k, w in self.windows.items() if w.end <= before]:
            del self.windows[key]


@dataclass(slots=True, repr=False)
class _Item:
    """An event that waits: `ranges` are its pieces of lanes, `blocking` and `failure` refuse at its place."""

    event: sse.Event
    parsed: StreamEvent | None = None
    sequence: int | None = None
    ranges: tuple[tuple[Delta, _Lane, int, int], ...] = ()
    waiting: bool = False
    texts: list[tuple[Segment, Sequence[Decision]]] = field(default_factory=list)
    changes: dict[str, str] = field(default_factory=dict)
    blocking: Decision | None = None
    failure: tuple[str, str] | None = None

    @property
    def last(self) -> bool:
        """Whether the stream is over with this event."""
        return self.parsed is None or self.parsed.last

    def data(self, limits: Limits) -> dict[str, Any]:
        """The event's JSON: read again, since a long queue of read events would take ten times the memory."""
        data = self.event.data
        assert data is not None
        return jsonbody.parse(data.encode("utf-8", "surrogatepass"), limits)  # type: ignore[no-any-return]


@dataclass(slots=True, repr=False)
class _Job:
    """One outstanding question: about a lane's window, or about the other texts of an event."""

    lane: _Lane | None = None
    window: int = 0
    context: int = 0
    item: _Item | None = None
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class _Ending:
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
    ) -> None:
        self._policy = policy
        self._endpoint = endpoint
        self._exchange = exchange
        self._cuts = cuts
        self._partials = exchange.placeholders.partials()
        self._reach = reach
        self._limits = limits
        self._choices = choices
        self._judging = judges(policy)
        self._eager = policy.output.stream.hold == "none"
        self._decoder = sse.Decoder()
        self._lanes: dict[str, _Lane] = {}
        self._items: deque[_Item] = deque()
        self._queued = 0
        self._jobs: dict[int, _Job] = {}
        self._next_job = 0
        self._dead: set[str] = set()
        self._template: dict[str, Any] | None = None
        self._sequence: int | None = None
        self._over = False
        self._ended = False
        self._complete = False
        self.decisions: list[Decision] = []
        self._alike: dict[tuple[str, str, str, Action], list[Decision]] = {}
        self.seen = Seen()
        self.screened_bytes = 0
        self.code = ""

    @property
    def full(self) -> bool:
        """Whether the upstream should wait: enough is in flight, or nothing more is wanted of it."""
        if self._over or len(self._jobs) >= ASKS:
            return True
        return any(lane.hold.full for lane in self._lanes.values() if not lane.over)

    @property
    def held(self) -> bool:
        """Whether an answer to an open question would let something leave."""
        return any(job.lane is None or not self._eager for job in self._jobs.values())

    @property
    def complete(self) -> bool:
        """Whether the answer came to its own end, or to a refusal: not cut."""
        return self._complete

    @property
    def ended(self) -> bool:
        """Whether nothing more will be emitted."""
        return self._ended

    def verdict(self) -> Verdict:
        """The verdict over all that was screened so far."""
        return merge(Stage.OUTPUT, self._policy, self.decisions)

    def feed(self, data: bytes) -> list[Op]:
        """Take bytes from the provider; what cannot be read ends the answer behind what came before it."""
        ops: list[Op] = []
        try:
            for event in self._decoder.feed(data):
                if not self._over:
                    ops += self._take(event)
        except BadRequest as bad:
            ops += self._break_off(bad.code, f"the provider's stream cannot be read: {bad.message}")
        return ops

    def finish(self) -> list[Op]:
        """The provider's stream is over: flush what is held; a cut stream is not completed for it."""
        return self._end(_Item(sse.Event(raw=b"")))

    def found(self, key: int, lists: Sequence[Sequence[Finding]]) -> list[Op]:
        """Take the findings of a `Find`."""
        job = self._jobs[key]
        if self._late(job):
            del self._jobs[key]
            return self._drain()
        if job.lane is None:
            return self._found_other(key, job, lists)
        return self._found_window(key, job, job.lane, lists)

    def scored(self, key: int, answers: Sequence[Mapping[str, float]] | Unavailable) -> list[Op]:
        """Take the scores of an `Ask`, or the reason why there are none."""
        job = self._jobs.pop(key)
        if self._late(job):
            return self._drain()
        paths = [job.lane.name] if job.lane else [s.path for s in job.segments]
        if isinstance(answers, Unavailable):
            found = [unavailable(self._policy, self._exchange, answers, paths[0] if paths else "")]
        else:
            found = self._moderated(paths, answers)
        verdict = decide(self._policy, Stage.OUTPUT, found)
        self._record(verdict.decisions)
        if job.lane is None:
            return self._settle_other(job, verdict.blocking)
        return self._settle_window(job.window, job.lane, verdict.blocking)

    def _record(self, decisions: Sequence[Decision]) -> None:
        """Keep decisions for the verdict; of many alike, the last one that was kept stands for the others."""
        for decision in decisions:
            finding = decision.finding
            alike = self._alike.setdefault((finding.kind, decision.rule, finding.path, decision.action), [])
            if len(alike) < KEPT:
                alike.append(decision)
            self.decisions.append(alike[-1] if len(alike) == KEPT else decision)

    def _late(self, job: _Job) -> bool:
        """Whether the answer to a question can change nothing any more."""
        return self._ended or (job.lane is not None and job.lane.over)

    # events in

    def _take(self, event: sse.Event) -> list[Op]:
        if event.data is None:
            return [Emit(event.raw)]
        if event.done:
            return self._end(_Item(event))
        data = jsonbody.parse(event.data.encode("utf-8", "surrogatepass"), self._limits)
        if not isinstance(data, dict):
            return self._break_off("guard.opaque.field", sentence("guard.opaque.field", "", Stage.OUTPUT))
        parsed = read_event(self._endpoint, data, self._lanes)
        if len(self._lanes) + sum(d.lane not in self._lanes for d in parsed.deltas) > LANES:
            raise BadRequest(502, "guard.opaque.field", "it has too many parts")
        item = _Item(event, parsed, data.get("sequence_number"))
        self._note(data)
        ops = self._feed_lanes(item, parsed, data)
        ops += self._ask_other(item, parsed, data)
        self._queue(item)
        if parsed.last or (item.blocking and not self._ended):
            return ops + self._closed()
        for lane in [lane for lane in self._lanes.values() if parsed.ends(lane.name)]:
            ops += self._close(lane)
        return ops + self._drain()

    def _queue(self, item: _Item) -> None:
        self._items.append(item)
        self._queued += len(item.event.raw)
        if self._queued > QUEUE_BYTES:
            item.failure = (_UNSCREENED.kind, sentence(_UNSCREENED.kind, "", Stage.OUTPUT))
            self._items = deque([item])

    def _end(self, item: _Item) -> list[Op]:
        """Take the last event: what is held of the lanes leaves before it."""
        if self._over:
            return []
        self._queued += len(item.event.raw)
        self._items.append(item)
        return self._closed()

    def _closed(self) -> list[Op]:
        self._over = True
        ops: list[Op] = []
        for lane in list(self._lanes.values()):
            ops += self._close(lane)
        return ops + self._drain()

    def _break_off(self, code: str, message: str) -> list[Op]:
        return self._end(_Item(sse.Event(raw=b""), failure=(code, message)))

    def _note(self, data: dict[str, Any]) -> None:
        body = data.get("response") if isinstance(data.get("response"), dict) else data
        assert isinstance(body, dict)
        if self._template is None and ("choices" in data or "response" in data):
            self._template = data
        self.seen.id = self.seen.id or str(body.get("id") or "")
        self.seen.model = str(body.get("model") or self.seen.model)
        if isinstance(body.get("usage"), dict):
            self.seen.usage = body["usage"]
        for choice in data.get("choices") or ():
            if isinstance(choice, dict) and isinstance(choice.get("finish_reason"), str):
                self.seen.finish_reasons.append(choice["finish_reason"])

    def _feed_lanes(self, item: _Item, parsed: StreamEvent, data: dict[str, Any]) -> list[Op]:
        ops: list[Op] = []
        ranges: list[tuple[Delta, _Lane, int, int]] = []
        for delta in parsed.deltas:
            lane = self._lanes.get(delta.lane) or self._open(delta.lane, delta.hold)
            start = lane.fed
            if not (lane.dead or lane.closed):
                lane.fed += len(delta.text)
                lane.item_id = str(data.get("item_id") or lane.item_id)
                ops += self._hold_ops(lane, lane.hold.feed(delta.text))
            ranges.append((delta, lane, start, lane.fed))
        item.ranges = tuple(ranges)
        return ops

    def _open(self, name: str, hold: str) -> _Lane:
        stream = self._policy.output.stream
        judging = self._judging
        repeats = self._endpoint.name == "responses"
        lane = _Lane(
            name,
            HoldBack(
                cuts=self._safe_cuts,
                first=stream.first if judging else 0,
                step=stream.step if judging else 0,
                context=stream.context,
                hold="full" if hold == "full" else stream.hold,
                reach=self._reach,
                keep_provider=repeats,
                keep_released=False,
            ),
            dead=choice_of(name) in self._dead,
            document=hold == "full",
            released=StringIO() if repeats else None,
        )
        self._lanes[name] = lane
        return lane

    def _safe_cuts(self, text: str, start: int, final: bool) -> list[int]:
        """The catalogue's cuts, but for those inside what may be one of this exchange's placeholders."""
        cuts, partials = self._cuts(text, start, final), self._partials
        if not partials:
            return cuts
        reach = partials.longest
        return [cut for cut in cuts if partials.at(head := text[max(0, cut - reach) : cut]) == len(head)]

    def _close(self, lane: _Lane) -> list[Op]:
        if lane.closed or lane.dead:
            return []
        lane.closed = True
        return self._hold_ops(lane, lane.hold.finish())

    # windows

    def _hold_ops(self, lane: _Lane, steps: Sequence[Check | Release | Stop]) -> list[Op]:
        ops: list[Op] = []
        for step in steps:
            if isinstance(step, Check):
                ops.append(self._check(lane, step))
            elif isinstance(step, Release):
                lane.done = lane.windows[step.window].end
            elif step.reason == "checked":
                lane.blocking = lane.windows[step.window].blocking
            elif lane.blocking is None:
                lane.blocking = self._unscreened(lane.name)
        return ops

    def _unscreened(self, path: str) -> Decision:
        """The block of a text that is too long to be held: no rule can let it pass unseen."""
        (decision,) = decide(self._policy, Stage.OUTPUT, [_UNSCREENED._replace(path=path)]).decisions
        block = replace(decision, action=Action.BLOCK, enforced=Action.BLOCK)
        self._record([block])
        return block

    def _check(self, lane: _Lane, check: Check) -> Find:
        start, lane.asked = lane.asked, lane.asked + len(check.text)
        lane.windows[check.window] = _Window(start, lane.asked, check.text)
        self.screened_bytes += len(check.text.encode("utf-8", "surrogatepass"))
        job = _Job(lane, check.window, len(check.context))
        if lane.document:
            job.segments = document(check.text)
            return Find(self._job(job), tuple(s.text for s in job.segments))
        return Find(self._job(job), (check.context + check.text,))

    def _job(self, job: _Job) -> int:
        self._next_job += 1
        self._jobs[self._next_job] = job
        return self._next_job

    def _found_window(self, key: int, job: _Job, lane: _Lane, lists: Sequence[Sequence[Finding]]) -> list[Op]:
        window = lane.windows[job.window]
        if self._exchange.passed(window.text):
            del self._jobs[key]
            return self._pass(lane, job.window)
        verdict = self._decide_window(job, lane, window, lists)
        if verdict.blocking is not None:
            del self._jobs[key]
            return self._block(lane, job.window, verdict.blocking)
        judged = self._answer_window(job, window, verdict)
        if not self._judging or not judged.strip():
            del self._jobs[key]
            return self._pass(lane, job.window)
        text = lane.judged_tail + judged
        lane.judged_tail = text[-self._tail_chars() :]
        return [Ask(key, (text,)), *(self._pass(lane, job.window) if self._eager else ())]

    def _decide_window(
        self, job: _Job, lane: _Lane, window: _Window, lists: Sequence[Sequence[Finding]]
    ) -> Verdict:
        if lane.document:
            found = self._placed(job.segments, lists)
            verdict = fix(self._policy, decide(self._policy, Stage.OUTPUT, found), job.segments)
        else:
            spans = own_spans(window.text, self._exchange)
            placed = [shifted for f in lists[0] if (shifted := _shift(f, job.context, lane.name)) is not None]
            placed = [f for f in placed if not lies_inside(f, spans)]
            for finding in placed:
                self._exchange.note_subject(window.text, finding)
            verdict = decide(self._policy, Stage.OUTPUT, placed)
        self._record(verdict.decisions)
        return verdict

    def _answer_window(self, job: _Job, window: _Window, verdict: Verdict) -> str:
        """Keep what a window's release will need; the redacted text for the judge."""
        placeholders = self._exchange.placeholders
        window.decisions, window.segments = verdict.decisions, job.segments
        if not job.segments:
            return for_judge(window.text, verdict.decisions, placeholders)
        rows = by_path(verdict.decisions)
        return "\n".join(for_judge(s.text, rows.get(s.path, ()), placeholders) for s in job.segments)

    def _placed(self, segments: Sequence[Segment], lists: Sequence[Sequence[Finding]]) -> list[Finding]:
        found: list[Finding] = []
        for segment, hits in zip(segments, lists, strict=True):
            spans = own_spans(segment.text, self._exchange)
            here = [f._replace(path=segment.path) for f in hits if not lies_inside(f, spans)]
            for finding in here:
                self._exchange.note_subject(segment.text, finding)
            found += here
        return found

    def _tail_chars(self) -> int:
        return max(1, self._policy.output.stream.context * 4)

    def _pass(self, lane: _Lane, window: int) -> list[Op]:
        steps = lane.hold.checked(window, lane.windows[window].text)
        return self._hold_ops(lane, steps) + self._drain()

    def _block(self, lane: _Lane, window: int, blocking: Decision) -> list[Op]:
        """Stop the lane at a window; windows before it may still be released."""
        lane.windows[window].blocking = blocking
        return self._hold_ops(lane, lane.hold.checked(window, None)) + self._drain()

    def _settle_window(self, window: int, lane: _Lane, blocking: Decision | None) -> list[Op]:
        if not self._eager:
            return self._pass(lane, window) if blocking is None else self._block(lane, window, blocking)
        if blocking is not None:
            lane.blocking = blocking
            lane.hold.stop()
        return self._drain()

    def _moderated(self, paths: Sequence[str], answers: Sequence[Mapping[str, float]]) -> list[Finding]:
        found: list[Finding] = []
        for path, scores in zip(paths, answers, strict=True):
            found += moderation.findings(scores, path, self._policy.moderation.model, moderation.CATEGORIES)
        note_moderation(self._policy, self._exchange, found)
        return found

    # texts of an event that are no lane's

    def _ask_other(self, item: _Item, parsed: StreamEvent, data: dict[str, Any]) -> list[Op]:
        if parsed.other.opaque:
            verdict = decide(self._policy, Stage.OUTPUT, parsed.other.opaque)
            self._record(verdict.decisions)
            item.blocking = verdict.blocking
        texts = (*parsed.other.segments, *self._strays(parsed, data))
        segments = tuple(s for s in texts if s.text and not self._exchange.passed(s.text))
        if not segments or item.blocking is not None:
            return []
        item.waiting = True
        self.screened_bytes += sum(len(s.text.encode("utf-8", "surrogatepass")) for s in segments)
        return [Find(self._job(_Job(item=item, segments=segments)), tuple(s.text for s in segments))]

    def _strays(self, parsed: StreamEvent, data: dict[str, Any]) -> list[Segment]:
        """Repeats whose text is not what the lane streamed: nobody has screened them yet."""
        out = Reader(strict=False)
        for path, name in parsed.repeats:
            text = jsonbody.at(data, path)
            lane = self._lanes.get(name)
            if isinstance(text, str) and (lane is None or text != lane.hold.provider):
                (JSON_TEXT if lane is not None and lane.document else TEXT).read(text, path, out)
        return out.segments

    def _found_other(self, key: int, job: _Job, lists: Sequence[Sequence[Finding]]) -> list[Op]:
        found = self._placed(job.segments, lists)
        verdict = fix(self._policy, decide(self._policy, Stage.OUTPUT, found), job.segments)
        self._record(verdict.decisions)
        to_judge = [] if verdict.blocking else self._answer_other(job, verdict)
        if not self._judging or not to_judge:
            del self._jobs[key]
            return self._settle_other(job, verdict.blocking)
        job.segments = tuple(segment for segment, _ in to_judge)
        return [Ask(key, tuple(text for _, text in to_judge))]

    def _answer_other(self, job: _Job, verdict: Verdict) -> list[tuple[Segment, str]]:
        to_judge = []
        assert job.item is not None
        error = job.item.parsed is not None and job.item.parsed.error
        decided = by_path(verdict.decisions)
        for segment in job.segments:
            rows = decided.get(segment.path, ())
            job.item.texts.append((segment, rows))
            judged = for_judge(segment.text, rows, self._exchange.placeholders)
            echo = self._exchange.echoes(segment)
            if segment.change is Change.TEXT and judged.strip() and not echo and not error:
                to_judge.append((segment, judged))
        return to_judge

    def _settle_other(self, job: _Job, blocking: Decision | None) -> list[Op]:
        assert job.item is not None
        job.item.blocking = blocking
        job.item.waiting = False
        return self._drain()

    # events out

    def _drain(self) -> list[Op]:
        ops: list[Op] = []
        while self._items and not self._ended and self._ready(self._items[0]):
            item = self._items.popleft()
            self._queued -= len(item.event.raw)
            ops += self._emit(item)
        return ops

    def _ready(self, item: _Item) -> bool:
        if item.failure is not None and item.parsed is not None:
            return True
        if item.waiting or any(not lane.settled(end) for _, lane, _, end in item.ranges):
            return False
        whole = self._whole(item)
        if self._eager and any(job.lane in whole for job in self._jobs.values()):
            return False  # text does not wait for the judge, but its end does
        return all(lane.settled(lane.fed) for lane in whole)

    def _whole(self, item: _Item) -> list[_Lane]:
        """The lanes that must be through before an event may leave: those it ends or repeats; all, for the last."""
        if item.parsed is None:
            return list(self._lanes.values())
        repeated = {name for _, name in item.parsed.repeats}
        return [lane for lane in self._lanes.values() if lane.name in repeated or item.parsed.ends(lane.name)]

    def _emit(self, item: _Item) -> list[Op]:
        if item.failure is not None:
            return self._fail(*item.failure)
        self._settle(item)
        endings = self._endings(item)
        ops = [] if item.parsed is None else self._leave(item, item.parsed, endings)
        for ending in endings:
            ops += self._refuse(ending)
            if self._ended:
                return ops
        return ops + self._last(item) if item.last else ops

    def _settle(self, item: _Item) -> None:
        """Set the text of what leaves with an event; new values are numbered here, in the provider's order."""
        for _, lane, _, end in item.ranges:
            for window in () if lane.dead else lane.windows.values():
                if window.released is None and window.start < min(end, lane.done):
                    self._release(lane, window)
        for segment, rows in () if item.blocking else item.texts:
            restored, redacted, _ = answer(segment.text, rows, self._exchange.placeholders)
            released = redacted if item.parsed is not None and item.parsed.error else restored
            if released != segment.text:
                item.changes[segment.path] = released

    def _release(self, lane: _Lane, window: _Window) -> None:
        window.released = self._released(window)
        if lane.released is not None:
            lane.released.write(window.released)
        if self._exchange.stacked:
            self._exchange.note_streamed(lane.name, window.released)

    def _released(self, window: _Window) -> str:
        placeholders = self._exchange.placeholders
        if not window.segments:
            return answer(window.text, window.decisions, placeholders)[0]
        decided = by_path(window.decisions)
        changes = {s.path: answer(s.text, decided.get(s.path, ()), placeholders)[0] for s in window.segments}
        return rewritten(window.text, changes)

    def _last(self, item: _Item) -> list[Op]:
        self._ended = True
        if item.parsed is None:
            self._complete = bool(item.event.raw)
            return [*([Emit(item.event.raw)] if item.event.raw else []), End(self.code)]
        self._complete = True
        return [End(self.code or ("upstream_error" if item.parsed.error else ""))]

    def _leave(self, item: _Item, parsed: StreamEvent, endings: Sequence[_Ending]) -> list[Op]:
        """Emit an event with what was released of its texts, without the choices that are over."""
        told = {delta.path: lane.piece(start, end) for delta, lane, start, end in item.ranges}
        speaking = {choice_of(lane.name) for delta, lane, _, _ in item.ranges if told[delta.path]}
        for _, lane, _, end in item.ranges:
            lane.forget(end)
        changes = {**item.changes, **{d.path: told[d.path] for d in parsed.deltas if told[d.path] != d.text}}
        changes |= self._repeated(item, parsed)
        whole = {e.choice for e in endings if e.whole}
        event = self._rewritten(item, changes, {e.choice for e in endings}, speaking - whole)
        if event is None:
            return []
        if type(item.sequence) is int:
            self._sequence = item.sequence
        return [Emit(event)]

    def _rewritten(
        self, item: _Item, changes: Mapping[str, str], ending: set[str], speaking: set[str]
    ) -> bytes | None:
        """The bytes of an event with new texts and without the choices that are over; None where nothing is left."""
        if not (changes or ending or self._dead) or item.parsed is None:
            return item.event.raw
        original = item.data(self._limits)
        data = jsonbody.replace(original, changes)
        data = jsonbody.drop(data, item.parsed.other.stale(tuple(changes)))
        left = self._left(data, ending, speaking)
        if left is None:
            return None
        return item.event.raw if left is original else item.event.with_data(jsonbody.dump(left).decode())

    def _repeated(self, item: _Item, parsed: StreamEvent) -> dict[str, str]:
        """The new text of each place where an event repeats a lane that has changed."""
        changes = {}
        for path, name in parsed.repeats:
            lane = self._lanes.get(name)
            if lane is None or lane.over or any(change.startswith(path) for change in item.changes):
                continue
            text = lane.told
            if jsonbody.at(item.data(self._limits), path) == lane.hold.provider != text:
                changes[path] = text
        return changes

    def _left(self, data: dict[str, Any], ending: set[str], speaking: set[str]) -> dict[str, Any] | None:
        """What is left of an event: without the choices that are over, and None where that is nothing."""
        choices = data.get("choices")
        if "" in ending:
            return data if "" in speaking else None
        if not isinstance(choices, list) or not (ending or self._dead):
            return data
        over = self._dead | (ending - speaking)
        named = [(_choice_name(choice, place), choice) for place, choice in enumerate(choices)]
        kept = [{**c, "finish_reason": None} if n in ending else c for n, c in named if n not in over]
        if not kept and choices:
            return None
        return {**data, "choices": kept} if ending or len(kept) < len(choices) else data

    # endings

    def _endings(self, item: _Item) -> list[_Ending]:
        """The choices that end at this event, each for its first reason."""
        found: dict[str, _Ending] = {}
        lanes = [lane for _, lane, _, end in item.ranges if lane.done < end]
        for lane in (*lanes, *self._whole(item)):
            if lane.blocking is not None and not lane.dead:
                choice = choice_of(lane.name)
                ending = _Ending(choice, lane.blocking, lane.name, lane.told, lane.item_id)
                found.setdefault(choice, ending)
        if item.blocking is not None:
            data = item.data(self._limits)
            choice = _choice_at(data, item.blocking.finding.path)
            index = data.get("output_index")
            lane_name = choice or f"output[{index if type(index) is int else len(self._lanes)}]"
            if choice not in self._dead:
                found[choice] = _Ending(choice, item.blocking, lane_name, whole=True)
        return list(found.values())

    def _refuse(self, ending: _Ending) -> list[Op]:
        """End a choice: the policy's message, `content_filter`, and nothing of what was blocked."""
        kind = ending.blocking.finding.kind
        message = message_for(self._policy, ending.blocking, Stage.OUTPUT)
        if kind.startswith("guard."):
            return self._fail(kind, message)
        self.code = kind
        if self._exchange.stacked:
            self._exchange.note_streamed(ending.lane, message)
        self._dead.add(ending.choice)
        for lane in self._lanes.values():
            lane.dead = lane.dead or choice_of(lane.name) == ending.choice
        events = refusal.blocked_events(
            self._endpoint,
            {**(self._template or {}), "sequence_number": self._sequence},
            ending.lane,
            message,
            released=ending.released,
            item_id=ending.item_id,
        )
        ops: list[Op] = [Emit(sse.encode(jsonbody.dump(e).decode(), event=e.get("type"))) for e in events]
        if ending.choice and len(self._dead) < self._choices:
            return ops
        self._ended = self._complete = True
        return [*ops, *([Emit(sse.encode("[DONE]"))] if self._endpoint.ends_with_done else []), End(kind)]

    def _fail(self, code: str, message: str) -> list[Op]:
        self._ended = self._complete = True
        self.code = code
        return [Emit(refusal.error_event(code, message)), End(code)]


def document(text: str) -> tuple[Segment, ...]:
    """The texts of a value that only makes sense whole: of each string in it if it is JSON, else the text itself."""
    out = Reader(strict=False)
    JSON_TEXT.read(text, "value", out)
    return tuple(out.segments)


def rewritten(text: str, changes: Mapping[str, str]) -> str:
    """The value with new texts; byte for byte the same where nothing changed."""
    new = {s.path: changes[s.path] for s in document(text) if changes[s.path] != s.text}
    return str(jsonbody.replace({"value": text}, new)["value"]) if new else text


def choice_of(lane: str) -> str:
    """The choice that a lane belongs to (`choices[1]`), empty where the whole answer is one."""
    return lane[: lane.index("]") + 1] if lane.startswith("choices[") else ""


def _choice_name(choice: Any, place: int) -> str:
    index = choice.get("index") if isinstance(choice, dict) else None
    return f"choices[{index if type(index) is int else place}]"


def _choice_at(data: dict[str, Any], path: str) -> str:
    """The choice that a path of an event is about: by the index it gives itself, as lanes are named."""
    if not path.startswith("choices["):
        return ""
    place = int(path[len("choices[") : path.index("]")])
    return _choice_name(data["choices"][place], place)


def _shift(finding: Finding, context: int, path: str) -> Finding | None:
    """Move a finding from context + window to the window; None if it begins in the context."""
    if finding.start == finding.end:
        return finding._replace(path=path)
    if finding.start < context:
        return None
    return finding._replace(start=finding.start - context, end=finding.end - context, path=path)
