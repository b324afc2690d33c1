"""Floor 3, screening one streamed answer: an event machine without I/O.

Bytes of a server-sent event stream go in, operations come out: `Find` (detect in a text), `Ask` (judge a
text), `Emit` (bytes for the caller), `End`. Each lane (a choice's content, a tool call's arguments) has
its hold-back; events leave in the order in which they came, each with the text that was released for it.
What a caller receives is a function of the provider's text alone, never of how it was cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from guard import moderation
from guard.engine import Exchange, fix, merge, note_moderation, own_spans, touches, unavailable
from guard.errors import Unavailable
from guard.holdback import Check, Cuts, HoldBack, Release, Stop
from guard.pii.redact import answer
from guard.policy.decide import decide, judges
from guard.policy.model import Policy
from guard.sentences import message_for, sentence
from guard.types import Action, Change, Decision, Finding, Limits, Segment, Stage, Verdict
from guard.wire import jsonbody, refusal, sse
from guard.wire.nodes import JSON_TEXT, Reader
from guard.wire.openai import Endpoint
from guard.wire.streams import StreamEvent, read_event


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


@dataclass(slots=True, repr=False)
class _Window:
    start: int
    end: int
    text: str
    released: str | None = None
    judged: str = ""
    decisions: list[Decision] = field(default_factory=list)


@dataclass(slots=True, repr=False)
class _Lane:
    name: str
    hold: HoldBack
    fed: int = 0
    asked: int = 0
    done: int = 0
    closed: bool = False
    dead: bool = False
    windows: dict[int, _Window] = field(default_factory=dict)
    judged_tail: str = ""
    document: bool = False
    item_id: str = ""

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
    event: sse.Event
    parsed: StreamEvent | None = None
    data: Any = None
    ranges: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    waiting: bool = False
    changes: dict[str, str] = field(default_factory=dict)
    last: bool = False


@dataclass(slots=True, repr=False)
class _Job:
    """One outstanding question: about a lane's window, or about the other texts of an event."""

    lane: _Lane | None = None
    window: int = 0
    context: int = 0
    item: _Item | None = None
    segments: tuple[Segment, ...] = ()


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
        self._reach = reach
        self._limits = limits
        self._choices = choices
        self._judging = judges(policy)
        self._decoder = sse.Decoder()
        self._lanes: dict[str, _Lane] = {}
        self._items: deque[_Item] = deque()
        self._jobs: dict[int, _Job] = {}
        self._next_job = 0
        self._dead_choices: set[str] = set()
        self._template: dict[str, Any] | None = None
        self._ended = False
        self._complete = False
        self.decisions: list[Decision] = []
        self.scores: list[tuple[str, Mapping[str, float]]] = []
        self.seen = Seen()
        self.screened_bytes = 0
        self.code = ""

    @property
    def full(self) -> bool:
        """Whether enough is in flight that the upstream should wait."""
        return any(lane.hold.full for lane in self._lanes.values() if not lane.dead)

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
        """Take bytes from the provider."""
        ops: list[Op] = []
        for event in self._decoder.feed(data):
            if self._ended:
                break
            ops += self._take(event)
        return ops

    def finish(self) -> list[Op]:
        """The provider's stream is over: flush what is held; a cut stream is not completed for it."""
        if self._ended:
            return []
        self._decoder.finish()
        ops: list[Op] = []
        for lane in list(self._lanes.values()):
            ops += self._close(lane)
        self._items.append(_Item(sse.Event(raw=b"", event=None, data=None), last=True))
        return ops + self._drain()

    def found(self, key: int, lists: Sequence[Sequence[Finding]]) -> list[Op]:
        """Take the findings of a `Find`."""
        job = self._jobs[key]
        if job.lane is None:
            return self._found_other(key, job, lists)
        return self._found_window(key, job, job.lane, lists)

    def scored(self, key: int, answers: Sequence[Mapping[str, float]] | Unavailable) -> list[Op]:
        """Take the scores of an `Ask`, or the reason why there are none."""
        job = self._jobs.pop(key)
        paths = [job.lane.name] if job.lane else [s.path for s in job.segments]
        if isinstance(answers, Unavailable):
            found = [unavailable(self._policy, self._exchange, answers, paths[0] if paths else "")]
        else:
            found = self._moderated(paths, answers)
        decisions = decide(self._policy, Stage.OUTPUT, found).decisions
        self.decisions += decisions
        if job.lane is None:
            return self._settle_other(job, decisions)
        return self._settle_window(job, job.lane, decisions)

    # events in

    def _take(self, event: sse.Event) -> list[Op]:
        if event.data is None:
            return [Emit(event.raw)]
        if event.done:
            return self._take_done(event)
        data = jsonbody.parse(event.data.encode("utf-8", "surrogatepass"), self._limits)
        if not isinstance(data, dict):
            return self._fail("guard.opaque.field")
        parsed = read_event(self._endpoint, data, self._lanes)
        item = _Item(event, parsed, data)
        self._note(data)
        ops = self._feed_lanes(item, parsed)
        ops += self._ask_other(item, parsed)
        self._items.append(item)
        for lane in [lane for lane in self._lanes.values() if parsed.ends(lane.name)]:
            ops += self._close(lane)
        return ops + self._drain()

    def _take_done(self, event: sse.Event) -> list[Op]:
        ops: list[Op] = []
        for lane in list(self._lanes.values()):
            ops += self._close(lane)
        self._items.append(_Item(event, last=True))
        return ops + self._drain()

    def _note(self, data: dict[str, Any]) -> None:
        body = data.get("response") if isinstance(data.get("response"), dict) else data
        assert isinstance(body, dict)
        if self._template is None or "choices" in data or "response" in data:
            self._template = data
        self.seen.id = self.seen.id or str(body.get("id") or "")
        self.seen.model = str(body.get("model") or self.seen.model)
        if isinstance(body.get("usage"), dict):
            self.seen.usage = body["usage"]
        for choice in data.get("choices") or ():
            if isinstance(choice, dict) and isinstance(choice.get("finish_reason"), str):
                self.seen.finish_reasons.append(choice["finish_reason"])

    def _feed_lanes(self, item: _Item, parsed: StreamEvent) -> list[Op]:
        ops: list[Op] = []
        for delta in parsed.deltas:
            lane = self._lanes.get(delta.lane) or self._open(delta.lane, delta.hold)
            if lane.dead or lane.closed:
                item.ranges[delta.path] = (lane.name, lane.fed, lane.fed)
                continue
            item.ranges[delta.path] = (lane.name, lane.fed, lane.fed + len(delta.text))
            lane.item_id = str(item.data.get("item_id") or lane.item_id)
            lane.fed += len(delta.text)
            ops += self._hold_ops(lane, lane.hold.feed(delta.text))
        return ops

    def _open(self, name: str, hold: str) -> _Lane:
        stream = self._policy.output.stream
        judging = self._judging
        lane = _Lane(
            name,
            HoldBack(
                cuts=self._safe_cuts,
                first=stream.first if judging else 0,
                step=stream.step if judging else 0,
                context=stream.context,
                hold="full" if hold == "full" else stream.hold,
                reach=self._reach,
                keep_provider=True,
            ),
            dead=choice_of(name) in self._dead_choices,
            document=hold == "full",
        )
        self._lanes[name] = lane
        return lane

    def _safe_cuts(self, text: str, start: int, final: bool) -> list[int]:
        """The catalogue's cuts, but for those inside what may be one of this exchange's placeholders."""
        cuts = self._cuts(text, start, final)
        placeholders = self._exchange.placeholders
        if not placeholders.restorable:
            return cuts
        reach = placeholders.longest
        return [
            cut for cut in cuts if placeholders.partial(head := text[max(0, cut - reach) : cut]) == len(head)
        ]

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
                if self._exchange.stacked:
                    self._exchange.streamed.setdefault(lane.name, []).append(step.text)
            elif step.reason != "checked":
                ops += self._fail("guard.unavailable.detect")
        return ops

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
            window.released = window.text
            return self._pass(lane, job.window)
        verdict = self._decide_window(job, lane, window, lists)
        if verdict.blocking is not None:
            del self._jobs[key]
            return self._stop(lane, verdict.blocking) + self._drain()
        judged = self._answer_window(job, window, verdict)
        if not self._judging or not judged.strip():
            del self._jobs[key]
            return self._pass(lane, job.window)
        text = lane.judged_tail + judged
        lane.judged_tail = text[-self._tail_chars() :]
        ops: list[Op] = [Ask(key, (text,))]
        return ops + self._pass(lane, job.window) if self._policy.output.stream.hold == "none" else ops

    def _decide_window(
        self, job: _Job, lane: _Lane, window: _Window, lists: Sequence[Sequence[Finding]]
    ) -> Verdict:
        if lane.document:
            found = self._placed(job.segments, lists)
            verdict = fix(self._policy, decide(self._policy, Stage.OUTPUT, found), job.segments)
        else:
            spans = own_spans(window.text, self._exchange.placeholders)
            placed = [shifted for f in lists[0] if (shifted := _shift(f, job.context, lane.name)) is not None]
            placed = [f for f in placed if not touches(f, spans)]
            for finding in placed:
                self._exchange.note_subject(window.text, finding)
            verdict = decide(self._policy, Stage.OUTPUT, placed)
        self.decisions += verdict.decisions
        return verdict

    def _answer_window(self, job: _Job, window: _Window, verdict: Verdict) -> str:
        """Set the window's released text; the redacted text for the judge."""
        placeholders = self._exchange.placeholders
        if not job.segments:
            window.released, judged, count = answer(window.text, verdict.decisions, placeholders)
            self._exchange.restored += count
            return judged
        released: dict[str, str] = {}
        parts: list[str] = []
        for segment in job.segments:
            rows = [d for d in verdict.decisions if d.finding.path == segment.path]
            released[segment.path], judged, count = answer(segment.text, rows, placeholders)
            self._exchange.restored += count
            parts.append(judged)
        window.released = rewritten(window.text, released)
        return "\n".join(parts)

    def _placed(self, segments: Sequence[Segment], lists: Sequence[Sequence[Finding]]) -> list[Finding]:
        found: list[Finding] = []
        for segment, hits in zip(segments, lists, strict=True):
            spans = own_spans(segment.text, self._exchange.placeholders)
            here = [replace(f, path=segment.path) for f in hits if not touches(f, spans)]
            for finding in here:
                self._exchange.note_subject(segment.text, finding)
            found += here
        return found

    def _tail_chars(self) -> int:
        return max(1, self._policy.output.stream.context * 4)

    def _pass(self, lane: _Lane, window: int) -> list[Op]:
        steps = lane.hold.checked(window, lane.windows[window].released)
        return self._hold_ops(lane, steps) + self._drain()

    def _settle_window(self, job: _Job, lane: _Lane, decisions: Sequence[Decision]) -> list[Op]:
        blocking = next((d for d in decisions if d.enforced is Action.BLOCK), None)
        if lane.dead or self._ended:
            return []
        if blocking is not None:
            steps = [] if self._policy.output.stream.hold == "none" else lane.hold.checked(job.window, None)
            return self._hold_ops(lane, steps) + self._stop(lane, blocking) + self._drain()
        if self._policy.output.stream.hold == "none":
            return []
        return self._pass(lane, job.window)

    def _moderated(self, paths: Sequence[str], answers: Sequence[Mapping[str, float]]) -> list[Finding]:
        found: list[Finding] = []
        for path, scores in zip(paths, answers, strict=True):
            self.scores.append((path, scores))
            found += moderation.findings(scores, path, self._policy.moderation.model, moderation.CATEGORIES)
        note_moderation(self._policy, self._exchange, found)
        return found

    # texts of an event that are no lane's

    def _ask_other(self, item: _Item, parsed: StreamEvent) -> list[Op]:
        segments = tuple(s for s in (*parsed.other.segments, *self._strays(item, parsed)) if s.text)
        if parsed.other.opaque:
            decisions = decide(self._policy, Stage.OUTPUT, parsed.other.opaque).decisions
            self.decisions += decisions
            blocking = next((d for d in decisions if d.enforced is Action.BLOCK), None)
            if blocking is not None:
                return self._fail(blocking.finding.kind)
        if not segments:
            return []
        item.waiting = True
        self.screened_bytes += sum(len(s.text.encode("utf-8", "surrogatepass")) for s in segments)
        return [Find(self._job(_Job(item=item, segments=segments)), tuple(s.text for s in segments))]

    def _strays(self, item: _Item, parsed: StreamEvent) -> list[Segment]:
        """Repeats whose text is not what the lane streamed: nobody has screened them yet."""
        strays = []
        for path, lane_name in parsed.repeats:
            text = jsonbody.at(item.data, path)
            lane = self._lanes.get(lane_name)
            if isinstance(text, str) and (lane is None or text != lane.hold.provider):
                strays.append(Segment(path, text))
        return strays

    def _found_other(self, key: int, job: _Job, lists: Sequence[Sequence[Finding]]) -> list[Op]:
        found = self._placed(job.segments, lists)
        verdict = fix(self._policy, decide(self._policy, Stage.OUTPUT, found), job.segments)
        self.decisions += verdict.decisions
        if verdict.blocking is not None:
            del self._jobs[key]
            return self._fail(verdict.blocking.finding.kind)
        to_judge = self._answer_other(job, verdict)
        if not self._judging or not to_judge:
            del self._jobs[key]
            return self._settle_other(job, ())
        job.segments = tuple(segment for segment, _ in to_judge)
        return [Ask(key, tuple(text for _, text in to_judge))]

    def _answer_other(self, job: _Job, verdict: Verdict) -> list[tuple[Segment, str]]:
        to_judge = []
        assert job.item is not None
        error = job.item.parsed is not None and job.item.parsed.error
        for segment in job.segments:
            rows = [d for d in verdict.decisions if d.finding.path == segment.path]
            restored, judged, count = answer(segment.text, rows, self._exchange.placeholders)
            self._exchange.restored += 0 if error else count
            released = judged if error else restored
            if released != segment.text:
                job.item.changes[segment.path] = released
            echo = self._exchange.digest(segment.text) in self._exchange.sent
            if segment.change is Change.TEXT and judged.strip() and not echo and not error:
                to_judge.append((segment, judged))
        return to_judge

    def _settle_other(self, job: _Job, decisions: Sequence[Decision]) -> list[Op]:
        assert job.item is not None
        blocking = next((d for d in decisions if d.enforced is Action.BLOCK), None)
        if blocking is not None:
            return self._fail(blocking.finding.kind)
        job.item.waiting = False
        return self._drain()

    # events out

    def _drain(self) -> list[Op]:
        ops: list[Op] = []
        while self._items and not self._ended and self._ready(self._items[0]):
            ops += self._emit(self._items.popleft())
        return ops

    def _ready(self, item: _Item) -> bool:
        if item.waiting:
            return False
        for name, _, end in item.ranges.values():
            if not self._lanes[name].dead and self._lanes[name].done < end:
                return False
        return all(lane.dead or lane.done >= lane.fed for lane in self._whole(item))

    def _whole(self, item: _Item) -> list[_Lane]:
        """The lanes that must be through before an event may leave: those it ends or repeats; all, for the last."""
        if item.parsed is None:
            return list(self._lanes.values())
        repeated = {name for _, name in item.parsed.repeats}
        return [lane for lane in self._lanes.values() if lane.name in repeated or item.parsed.ends(lane.name)]

    def _emit(self, item: _Item) -> list[Op]:
        if item.last:
            self._ended = True
            self._complete = self._complete or bool(item.event.raw)
            return [*([Emit(item.event.raw)] if item.event.raw else []), End(self.code)]
        assert item.parsed is not None
        if self._dead(item):
            return []
        over: list[Op] = []
        if item.parsed.last:
            self._ended = self._complete = True
            over = [End(self.code or ("upstream_error" if item.parsed.error else ""))]
        if self._template is not None and "sequence_number" in item.data:
            self._template = {**self._template, "sequence_number": item.data["sequence_number"]}
        changes = {**item.changes, **self._pieces(item)}
        if not changes:
            return [Emit(item.event.raw), *over]
        data = jsonbody.replace(item.data, changes)
        data = jsonbody.drop(data, item.parsed.other.stale(tuple(changes)))
        return [Emit(item.event.with_data(jsonbody.dump(data).decode())), *over]

    def _pieces(self, item: _Item) -> dict[str, str]:
        assert item.parsed is not None
        changes = {}
        for delta in item.parsed.deltas:
            name, start, end = item.ranges[delta.path]
            text = self._lanes[name].piece(start, end)
            self._lanes[name].forget(end)
            if text != delta.text:
                changes[delta.path] = text
        for path, name in item.parsed.repeats:
            lane = self._lanes.get(name)
            if lane is not None and path not in item.changes and not lane.dead:
                text = lane.hold.released
                if jsonbody.at(item.data, path) == lane.hold.provider != text:
                    changes[path] = text
        return changes

    def _dead(self, item: _Item) -> bool:
        assert item.parsed is not None
        if not self._dead_choices:
            return False
        lanes = [self._lanes[name] for name, _, _ in item.ranges.values()]
        lanes += [lane for lane in self._lanes.values() if item.parsed.ends(lane.name)]
        return bool(lanes) and all(lane.dead for lane in lanes)

    # endings

    def _stop(self, lane: _Lane, blocking: Decision) -> list[Op]:
        """End a lane's choice: what was released leaves, then the refusal, and nothing of what was blocked."""
        kind = blocking.finding.kind
        if kind.startswith("guard."):
            return self._fail(kind)
        ops = self._flush(lane)
        choice = choice_of(lane.name)
        self._dead_choices.add(choice)
        for other in self._lanes.values():
            other.dead = other.dead or choice_of(other.name) == choice
        self.code = kind
        message = message_for(self._policy, blocking, Stage.OUTPUT)
        events = refusal.blocked_events(
            self._endpoint,
            self._template,
            lane.name,
            message,
            released=lane.hold.released,
            item_id=lane.item_id,
        )
        ops += [Emit(sse.encode(jsonbody.dump(e).decode(), event=e.get("type"))) for e in events]
        if choice and len(self._dead_choices) < self._choices:
            return ops
        self._ended = self._complete = True
        return [*ops, *([Emit(sse.encode("[DONE]"))] if choice else []), End(kind)]

    def _flush(self, lane: _Lane) -> list[Op]:
        """Emit the released part of the events in which the blocked text begins."""
        ops: list[Op] = []
        for item in self._items:
            for delta in item.parsed.deltas if item.parsed else ():
                name, start, end = item.ranges[delta.path]
                text = lane.piece(start, end) if name == lane.name else ""
                if text:
                    data = jsonbody.replace(item.data, {delta.path: text})
                    ops.append(Emit(item.event.with_data(jsonbody.dump(data).decode())))
        return ops

    def _fail(self, kind: str) -> list[Op]:
        self._ended = self._complete = True
        self.code = kind
        return [Emit(refusal.error_event(kind, sentence(kind, "", Stage.OUTPUT))), End(kind)]


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


def _shift(finding: Finding, context: int, path: str) -> Finding | None:
    """Move a finding from context + window to the window; None if it begins in the context."""
    if finding.start == finding.end:
        return replace(finding, path=path)
    if finding.start < context:
        return None
    return replace(finding, start=finding.start - context, end=finding.end - context, path=path)
