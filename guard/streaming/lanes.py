"""The lanes of a streamed answer: each is held back in windows, which are found in, judged and let go in order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from io import StringIO
from typing import Any

from guard.engine import by_path, fix, lies_inside, own_spans
from guard.holdback import LIMIT, Check, Cuts, Event, HoldBack, Quiet, Release
from guard.pii.partials import Partials
from guard.pii.redact import for_judge
from guard.policy.decide import decide
from guard.streaming.documents import document
from guard.streaming.ops import Ask, Find, Op
from guard.streaming.parts import Item, Job, Lane, Window, choice_of
from guard.streaming.state import State
from guard.text import tail
from guard.types import Action, Decision, Finding, Stage, Verdict
from guard.wire.streams import Delta, StreamEvent

UNSCREENED = Finding("guard.unavailable.detect", 0, 0, 1.0, "guard")
"""What a text is that is too long to be held until it can be screened."""


def _safe_cuts(ask: Cuts, partials: Partials, text: str, start: int, final: bool) -> list[int]:
    """The catalogue's cuts, but for those inside what may be one of this exchange's placeholders.

    No method: a window that held its lanes would keep all of a stream until the collector comes.
    """
    cuts = ask(text, start, final)
    if not cuts or partials.none_in(text, start):
        return cuts
    reach = partials.longest
    return [cut for cut in cuts if partials.at(head := text[max(0, cut - reach) : cut]) == len(head)]


class Lanes:
    """Feed the deltas of events to their lanes, and answer what the lanes ask."""

    def __init__(self, state: State, cuts: Cuts, reach: int, quiet: Quiet | None) -> None:
        self._state = state
        self._safe_cuts = partial(_safe_cuts, cuts, state.exchange.placeholders.partials())
        self._reach = reach
        self._quiet = None if state.exchange.stacked else quiet  # what an inner mount let go is not looked at

    def feed(self, item: Item, parsed: StreamEvent, data: dict[str, Any]) -> list[Op]:
        """Take the pieces of lanes that an event brings."""
        ops: list[Op] = []
        ranges: list[tuple[Delta, Lane, int, int]] = []
        for delta in parsed.deltas:
            lane = self._state.lanes.get(delta.lane) or self._open(delta.lane, delta.hold)
            start = lane.fed
            if not (lane.dead or lane.closed):
                lane.item_id = str(data.get("item_id") or lane.item_id)
                lane.fed += len(delta.text)
                ops += self.take(lane, delta.text)
            ranges.append((delta, lane, start, lane.fed))
        item.ranges = tuple(ranges)
        return ops

    def take(self, lane: Lane, text: str) -> list[Op]:
        """Take the next text of a lane, which is counted as fed."""
        steps = lane.hold.feed(text, self._quiet)
        return self._hold_ops(lane, steps) if steps else []

    def close(self, lane: Lane) -> list[Op]:
        """Take the end of a lane."""
        if lane.closed or lane.dead:
            return []
        lane.closed = True
        return self._hold_ops(lane, lane.hold.finish())

    def found(self, key: int, job: Job, lists: Sequence[Sequence[Finding]]) -> list[Op]:
        """Take the findings of a window."""
        lane = job.lane
        assert lane is not None
        window = lane.windows[job.window]
        judged = ""
        if not self._state.exchange.passed(window.text):
            verdict = self._decide_window(job, lane, window, lists)
            if lane.document:
                self._state.exchange.keep_all(job.segments, verdict.decisions)
            else:
                self._state.exchange.keep(lane.name, window.text, verdict.decisions)
            if verdict.blocking is not None:
                del self._state.jobs[key]
                return self._block(lane, job.window, verdict.blocking)
            window.decisions, window.segments = verdict.decisions, job.segments
            judged = self._for_judge(window) if self._state.judging else ""
        texts = self._to_judge(lane, judged, last=job.last) if self._state.judging else ()
        if not texts:
            del self._state.jobs[key]
            return self._pass(lane, job.window)
        return [Ask(key, texts), *(self._pass_unchecked(lane, job.window) if self._state.eager else ())]

    def _to_judge(self, lane: Lane, judged: str, *, last: bool) -> tuple[str, ...]:
        """What the judge is asked about a window: the window behind its context, and with the last one all of it.

        Thresholds are meant for whole answers: what builds up over several windows shows only there. A text that
        outgrows the longest answer is judged as one each time.
        """
        text = lane.judged_tail + judged if judged.strip() else ""
        lane.judged_tail = tail(lane.judged_tail + judged, self._state.policy.output.stream.context)
        lane.said.write(judged)
        whole = ""
        if last or lane.said.tell() > LIMIT:
            whole, lane.said = lane.said.getvalue(), StringIO()
        return tuple(t for t in dict.fromkeys((text, whole)) if t.strip())

    def settle(self, job: Job, blocking: Decision | None) -> list[Op]:
        """Take what was decided of a judged window."""
        lane = job.lane
        assert lane is not None
        if not self._state.eager:
            return (
                self._pass(lane, job.window) if blocking is None else self._block(lane, job.window, blocking)
            )
        if blocking is not None:
            lane.blocking = blocking
            lane.hold.stop()
        return []

    def _open(self, name: str, hold: str) -> Lane:
        stream = self._state.policy.output.stream
        judging = self._state.judging
        # The provider's own judgement comes at the end, and is about all of it.
        waits = "full" if self._state.inline and not self._state.eager else stream.hold
        repeats = self._state.endpoint.name == "responses"
        lane = Lane(
            name,
            HoldBack(
                cuts=self._safe_cuts,
                first=stream.first if judging else 0,
                step=stream.step if judging else 0,
                context=stream.context,
                hold="full" if hold == "full" else waits,
                reach=self._reach,
                keep_provider=repeats,
                keep_released=False,
            ),
            dead=choice_of(name) in self._state.dead,
            document=hold == "full",
            released=StringIO() if repeats else None,
        )
        self._state.lanes[name] = lane
        return lane

    def _hold_ops(self, lane: Lane, steps: Sequence[Event]) -> list[Op]:
        ops: list[Op] = []
        for step in steps:
            if isinstance(step, Release):
                window = lane.windows.get(step.window) or self._calm(lane, step)
                lane.done = window.end
            elif isinstance(step, Check):
                ops.append(self._check(lane, step))
            elif step.reason == "checked":
                lane.blocking = lane.windows[step.window].blocking
            elif lane.blocking is None:
                lane.blocking = self._unscreened(lane.name)
        return ops

    def _calm(self, lane: Lane, step: Release) -> Window:
        """Let a window go in which a look has shown that there is nothing."""
        start, text = lane.asked, step.text
        lane.asked = end = start + len(text)
        lane.windows[step.window] = window = Window(start, end, text)
        self._state.screened_bytes += size_of(text)
        self._state.exchange.keep(lane.name, text, ())
        return window

    def _unscreened(self, path: str) -> Decision:
        """The block of a text that is too long to be held: no rule can let it pass unseen."""
        (decision,) = decide(self._state.policy, Stage.OUTPUT, [UNSCREENED._replace(path=path)]).decisions
        block = decision._replace(action=Action.BLOCK, enforced=Action.BLOCK)
        self._state.record([block])
        return block

    def _check(self, lane: Lane, check: Check) -> Find:
        start, lane.asked = lane.asked, lane.asked + len(check.text)
        lane.windows[check.window] = Window(start, lane.asked, check.text)
        self._state.screened_bytes += size_of(check.text)
        job = Job(lane, check.window, len(check.context), check.last)
        if lane.document:
            job.segments = document(check.text, lane.name)
            return Find(self._state.job(job), tuple(s.text for s in job.segments))
        return Find(self._state.job(job), (check.context + check.text,))

    def _decide_window(
        self, job: Job, lane: Lane, window: Window, lists: Sequence[Sequence[Finding]]
    ) -> Verdict:
        if not any(lists):
            return self._state.calm
        if lane.document:
            found = self._state.placed(job.segments, lists)
            verdict = fix(self._state.policy, decide(self._state.policy, Stage.OUTPUT, found), job.segments)
        else:
            spans = own_spans(window.text, self._state.exchange)
            placed = [shifted for f in lists[0] if (shifted := _shift(f, job.context, lane.name)) is not None]
            placed = [f for f in placed if not lies_inside(f, spans)]
            verdict = decide(self._state.policy, Stage.OUTPUT, placed)
        self._state.record(self._recorded(lane, window, verdict))
        return verdict

    def _recorded(self, lane: Lane, window: Window, verdict: Verdict) -> Sequence[Decision]:
        """The decisions as the record has them: offsets count from the beginning of the lane's text."""
        if lane.document:
            return verdict.decisions
        moved = [d._replace(finding=_move(d.finding, window.start)) for d in verdict.decisions]
        for decision in moved:
            self._state.exchange.note_subject(window.text, decision.finding, window.start)
        return moved

    def _for_judge(self, window: Window) -> str:
        """A window's text as the judge may see it."""
        placeholders = self._state.exchange.placeholders
        if not window.segments:
            return for_judge(window.text, window.decisions, placeholders)
        rows = by_path(window.decisions)
        return "\n".join(for_judge(s.text, rows.get(s.path, ()), placeholders) for s in window.segments)

    def _pass(self, lane: Lane, window: int) -> list[Op]:
        steps = lane.hold.checked(window, lane.windows[window].text)
        return self._hold_ops(lane, steps)

    def _pass_unchecked(self, lane: Lane, window: int) -> list[Op]:
        """Let a window go before the judge has answered (`hold: none`), and count it."""
        self._state.unchecked_bytes += size_of(lane.windows[window].text)
        return self._pass(lane, window)

    def _block(self, lane: Lane, window: int, blocking: Decision) -> list[Op]:
        """Stop the lane at a window; windows before it may still be released."""
        lane.windows[window].blocking = blocking
        return self._hold_ops(lane, lane.hold.checked(window, None))


def size_of(text: str) -> int:
    """The bytes of a text as it is sent."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _shift(finding: Finding, context: int, path: str) -> Finding | None:
    """Move a finding from context + window to the window; None if it begins in the context."""
    if finding.start == finding.end:
        return finding._replace(path=path)
    if finding.start < context:
        return None
    return _move(finding, -context)._replace(path=path)


def _move(finding: Finding, by: int) -> Finding:
    """Move a finding about a span; one about the whole text stays."""
    if finding.start == finding.end:
        return finding
    return finding._replace(start=finding.start + by, end=finding.end + by)
