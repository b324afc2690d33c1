"""What the parts of one streamed answer share: its policy and exchange, its lanes and events, what was decided."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guard.engine import Exchange, lies_inside, merge, own_spans
from guard.policy.decide import decide, judges, may_call, restores
from guard.policy.model import Policy
from guard.streaming.parts import Item, Job, Lane, Piece, Seen
from guard.types import Action, Decision, Finding, Limits, Segment, Stage, Verdict
from guard.wire.calls import Call, asked, below, dicts
from guard.wire.openai import Endpoint

KEPT = 64
"""Decisions of one kind, rule and place that are kept apart: as many as a record shows; it counts them all."""


@dataclass(slots=True, repr=False)
class State:
    """One streamed answer as far as it has come."""

    policy: Policy
    endpoint: Endpoint
    exchange: Exchange
    limits: Limits
    choices: int = 1
    inline: bool = False
    lanes: dict[str, Lane] = field(default_factory=dict)
    items: deque[Item | Piece] = field(default_factory=deque)
    queued: int = 0
    jobs: dict[int, Job] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    template: dict[str, Any] | None = None
    sequence: int | None = None
    over: bool = False
    ended: bool = False
    complete: bool = False
    code: str = ""
    screened_bytes: int = 0
    unchecked_bytes: int = 0
    seen: Seen = field(default_factory=Seen)
    decisions: list[Decision] = field(default_factory=list)
    judging: bool = field(init=False)
    calm: Verdict = field(init=False)
    eager: bool = field(init=False)
    _tools: dict[str, str] = field(default_factory=dict)
    _alike: dict[tuple[str, str, str, Action], list[Decision]] = field(default_factory=dict)
    _asked: int = 0

    def __post_init__(self) -> None:
        self.judging = judges(self.policy)
        self.calm = decide(self.policy, Stage.OUTPUT, ())
        self.eager = self.policy.output.stream.hold == "none"

    def verdict(self) -> Verdict:
        """The verdict over all that was screened so far."""
        return merge(Stage.OUTPUT, self.policy, self.decisions)

    def note_calls(self, calls: Sequence[Call]) -> None:
        """Remember which lanes are meant for which tool; a name may come in pieces."""
        for call in calls:
            known = self._tools.get(call.lane, "")
            same = call.tool == known or self.endpoint.name == "responses"
            self._tools[call.lane] = (call.tool or known) if same else known + call.tool

    def strangers(self, data: Mapping[str, Any]) -> list[Finding]:
        """The calls of an event to tools that the policy does not name.

        A name that comes in pieces may still become one that it names, until its arguments or its end come.
        """
        if "*" in self.policy.output.tools:
            return []
        called = [
            (call.path, self._tools.get(call.lane, ""), call.tool) for call in asked(self.endpoint, data)
        ]
        if any(choice.get("finish_reason") for choice in dicts(data.get("choices"))):
            called += [(lane, name, "") for lane, name in self._tools.items() if name]
        return [
            Finding("guard.tool", 0, 0, 1.0, "guard", path)
            for path, name, piece in called
            if not may_call(self.policy, name) and not self._grows(name, piece)
        ]

    def _grows(self, name: str, piece: str) -> bool:
        named = self.policy.output.tools
        return (
            self.endpoint.name != "responses" and bool(piece) and any(tool.startswith(name) for tool in named)
        )

    def restores(self, item: Item, path: str) -> bool:
        """Whether originals may be put back into the text at a path of an event."""
        if self.exchange.unknown:
            return False
        for call in item.calls:
            if below(path, call.path):
                return restores(self.policy, call.tool or self._tools.get(call.lane, ""))
        return True

    def restores_in(self, lane: Lane) -> bool:
        """Whether originals may be put back into a lane."""
        if self.exchange.unknown:
            return False
        tool = next((name for stem, name in self._tools.items() if below(lane.name, stem)), None)
        return restores(self.policy, "" if tool is None and lane.document else tool)

    def job(self, job: Job) -> int:
        """Keep a question until it is answered; its key."""
        self._asked += 1
        self.jobs[self._asked] = job
        return self._asked

    def record(self, decisions: Sequence[Decision]) -> None:
        """Keep decisions for the verdict; of many alike, the last one that was kept stands for the others."""
        for decision in decisions:
            finding = decision.finding
            alike = self._alike.setdefault((finding.kind, decision.rule, finding.path, decision.action), [])
            if len(alike) < KEPT:
                alike.append(decision)
            self.decisions.append(alike[-1] if len(alike) == KEPT else decision)

    def placed(self, segments: Sequence[Segment], lists: Sequence[Sequence[Finding]]) -> list[Finding]:
        """The findings of each segment at its path, without those inside what is guard's or the caller's own."""
        found: list[Finding] = []
        for segment, hits in zip(segments, lists, strict=True):
            spans = own_spans(segment.text, self.exchange)
            here = [f._replace(path=segment.path) for f in hits if not lies_inside(f, spans)]
            for finding in here:
                self.exchange.note_subject(segment.text, finding)
            found += here
        return found

    def through(self, item: Item) -> list[Lane]:
        """The lanes that must be through before an event may leave: those it ends or repeats; all, for the last."""
        if item.parsed is None:
            return list(self.lanes.values())
        if not item.parsed.repeats and not item.parsed.closes:
            return []
        repeated = {name for _, name in item.parsed.repeats}
        return [lane for lane in self.lanes.values() if lane.name in repeated or item.parsed.ends(lane.name)]
