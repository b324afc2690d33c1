"""The texts of an event that are no lane's: screened as a body is, each in its event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guard.engine import by_path, fix
from guard.pii.redact import for_judge
from guard.policy.decide import decide
from guard.streaming.ops import Ask, Find, Op
from guard.streaming.parts import Item, Job
from guard.streaming.state import State
from guard.types import Change, Decision, Finding, Segment, Stage, Verdict
from guard.wire import jsonbody
from guard.wire.leaves import JSON_TEXT, TEXT
from guard.wire.reading import Reader
from guard.wire.streams import StreamEvent


class Others:
    """Ask about the other texts of events, and take the answers."""

    def __init__(self, state: State) -> None:
        self._state = state

    def ask(self, item: Item, parsed: StreamEvent, data: dict[str, Any]) -> list[Op]:
        """Ask what is in the texts of an event that no lane will bring."""
        known = (*parsed.other.opaque, *self._state.strangers(data))
        if known:
            verdict = decide(self._state.policy, Stage.OUTPUT, known)
            self._state.record(verdict.decisions)
            item.blocking = verdict.blocking
        texts = (*parsed.other.segments, *self._strays(parsed, data))
        segments = tuple(s for s in texts if s.text and not self._state.exchange.passed(s.text))
        if not segments or item.blocking is not None:
            return []
        item.waiting = True
        self._state.screened_bytes += sum(len(s.text.encode("utf-8", "surrogatepass")) for s in segments)
        return [Find(self._state.job(Job(item=item, segments=segments)), tuple(s.text for s in segments))]

    def found(self, key: int, job: Job, lists: Sequence[Sequence[Finding]]) -> list[Op]:
        """Take the findings of an event's texts."""
        found = self._state.placed(job.segments, lists)
        verdict = fix(self._state.policy, decide(self._state.policy, Stage.OUTPUT, found), job.segments)
        self._state.record(verdict.decisions)
        to_judge = [] if verdict.blocking else self._to_judge(job, verdict)
        if not self._state.judging or not to_judge:
            del self._state.jobs[key]
            return self.settle(job, verdict.blocking)
        job.segments = tuple(segment for segment, _ in to_judge)
        return [Ask(key, tuple(text for _, text in to_judge))]

    def settle(self, job: Job, blocking: Decision | None) -> list[Op]:
        """Take what was decided of an event's texts."""
        assert job.item is not None
        job.item.blocking = blocking
        job.item.waiting = False
        return []

    def _strays(self, parsed: StreamEvent, data: dict[str, Any]) -> list[Segment]:
        """Repeats whose text is not what the lane streamed: nobody has screened them yet."""
        out = Reader(strict=False)
        for path, name in parsed.repeats:
            text = jsonbody.at(data, path)
            lane = self._state.lanes.get(name)
            if isinstance(text, str) and (lane is None or text != lane.hold.provider):
                (JSON_TEXT if lane is not None and lane.document else TEXT).read(text, path, out)
        return out.segments

    def _to_judge(self, job: Job, verdict: Verdict) -> list[tuple[Segment, str]]:
        to_judge = []
        assert job.item is not None
        error = job.item.parsed is not None and job.item.parsed.error
        decided = by_path(verdict.decisions)
        for segment in job.segments:
            rows = decided.get(segment.path, ())
            job.item.texts.append((segment, rows))
            judged = for_judge(segment.text, rows, self._state.exchange.placeholders)
            echo = self._state.exchange.echoes(segment)
            if segment.change is Change.TEXT and judged.strip() and not echo and not error:
                to_judge.append((segment, judged))
        return to_judge
