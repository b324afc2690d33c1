"""Floor 6, the cases of a policy, run: each through the same engine as a request, with its judge's scores given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any

from guard.build import build
from guard.engine import Screened, screen_input, screen_output
from guard.errors import BadRequest, Unavailable
from guard.guard import Guard
from guard.keys import Keys
from guard.logs import redactor
from guard.placement import Request, settle
from guard.policy.attach import Asked
from guard.policy.cases import Case, Placed
from guard.policy.decide import decide
from guard.policy.model import Policy
from guard.policy.resolve import STAGES
from guard.services.drivers import drive_sync
from guard.types import Action, Decision, Finding, Flow, Identity, Segment, Stage, Verdict
from guard.wire.openai import PATHS, endpoint, request_reading

# Not the installation's key: fakes and hashes in `expect.text` are the same on every machine, and open nothing.
_KEYS = Keys(b"guard policy test: a key that keeps no secret")

Rule = tuple[Stage, str, str]
"""A rule by stage, pattern and `file:line`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case: `problems` is empty where it came out as expected."""

    placed: Placed
    action: Action
    kinds: tuple[str, ...]
    text: str | None
    texts: Mapping[str, str]
    problems: tuple[str, ...]
    rules: frozenset[Rule]

    @property
    def name(self) -> str:
        """The case's name, or what it is about and where it stands."""
        return self.placed.case.name or f"{self.placed.case.subject} at {self.placed.origin}"


@dataclass(frozen=True, slots=True)
class _Result:
    action: Action
    decisions: Sequence[Decision] = ()
    kinds: tuple[str, ...] = ()
    text: str | None = None
    texts: Mapping[str, str] | None = None
    refused: str = ""


class Cases:
    """Runs cases under one policy; a context manager, since workers look at long texts."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._guard = build(policy, keys=_KEYS)

    def __enter__(self) -> Cases:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._guard.close()

    def run(self, placed: Placed) -> Outcome:
        """Run one case and compare."""
        case = placed.case
        try:
            result: _Result = getattr(self, f"_{case.subject}")(case)
        except BadRequest as bad:
            result = _Result(Action.BLOCK, refused=f"the body is refused: {bad.message}")
        return Outcome(
            placed,
            result.action,
            result.kinds,
            result.text,
            result.texts or {},
            tuple(_differences(case, result)),
            frozenset(self._rules(case, result.decisions)),
        )

    def _rules(self, case: Case, decisions: Sequence[Decision]) -> list[Rule]:
        """The rules that decided something: by an action, or by allowing what a wider rule would act on."""
        stage = {"output": Stage.OUTPUT, "logs": Stage.LOGS}.get(case.subject, Stage.INPUT)
        rules = getattr(self._policy, stage).rules
        return [
            (stage, d.rule, d.origin)
            for d in decisions
            if d.action > Action.ALLOW or (d.rule in rules and not rules[d.rule].steps)
        ]

    def _held(self, case: Case) -> Guard:
        """The guard of the policy that holds for a case."""
        attached, path = self._guard.attached, PATHS[case.endpoint]
        if attached is None:
            return self._guard
        body = case.body or {}
        models = attached.candidates(path, case.model or body.get("model"))
        keys = (case.key,) if case.key else None
        return attached.choose(Asked(case.tenant, (path,), models, keys=keys))

    def _input(self, case: Case) -> _Result:
        assert case.input is not None
        return self._screened(case, screen_input, [Segment("", case.input)], ())

    def _output(self, case: Case) -> _Result:
        assert case.output is not None
        return self._screened(case, screen_output, [Segment("", case.output)], ())

    def _body(self, case: Case) -> _Result:
        known = endpoint("POST", PATHS[case.endpoint])
        assert known is not None
        reading = request_reading(known, _plain(case.body), self._guard.limits)
        return self._screened(case, screen_input, reading.segments, reading.opaque)

    def _logs(self, case: Case) -> _Result:
        assert case.logs is not None
        findings = self._guard.detector.detect_sync([case.logs], case.tenant)[0]
        verdict = decide(self._policy, Stage.LOGS, findings)
        return _Result(
            verdict.enforced, verdict.decisions, _kinds(verdict.decisions), self._lines.redact(case.logs)
        )

    def _destination(self, case: Case) -> _Result:
        assert case.destination is not None
        admission = self._held(case).admit(case.destination)
        if admission.allowed:
            return _Result(Action.ALLOW)
        return _Result(Action.BLOCK, kinds=(admission.code,), refused=admission.reason)

    @cached_property
    def _lines(self) -> Any:
        return redactor(self._policy, keys=_KEYS)

    def _screened(
        self, case: Case, screen: Any, segments: Sequence[Segment], opaque: Sequence[Finding]
    ) -> _Result:
        guard = self._held(case)
        exchange = guard.unrecorded(Identity(case.tenant))
        flow: Flow[Screened] = screen(guard.policy, exchange, segments, opaque)
        screened = drive_sync(flow, _Doors(guard, case))
        if case.to and (refused := _outside(guard, case, screened.verdict)) is not None:
            return refused
        verdict, blocking = screened.verdict, screened.verdict.blocking
        whole = screened.changes.get("", segments[0].text) if len(segments) == 1 else None
        return _Result(
            verdict.enforced,
            verdict.decisions,
            _kinds(verdict.decisions),
            None if blocking else whole,
            {} if blocking else screened.changes,
            f"{blocking.finding.kind} blocks it ({blocking.rule}, {blocking.origin})" if blocking else "",
        )


def _outside(guard: Guard, case: Case, verdict: Verdict) -> _Result | None:
    """What becomes of a request that may not go where the case sends it; None where it may."""
    request = Request.of(case.endpoint, PATHS[case.endpoint], _plain(case.body))
    admission = settle(guard.admit(case.to), request, guard.policy.egress, verdict.findings)
    if admission.allowed:
        return None
    kinds = (*_kinds(verdict.decisions), admission.code)
    return _Result(Action.BLOCK, verdict.decisions, kinds, refused=admission.reason)


class _Doors:
    """The world of one case: real detection, the scores that the case gives, and no record."""

    def __init__(self, guard: Guard, case: Case) -> None:
        self._guard, self._case = guard, case

    def detect(self, texts: Sequence[str]) -> list[list[Finding]]:
        return self._guard.detector.detect_sync(texts, self._case.tenant)

    def score(self, texts: Sequence[str]) -> list[dict[str, float]]:
        return [
            dict.fromkeys(self._guard.policy.moderation.categories, 0.0) | dict(self._case.scores)
            for _ in texts
        ]

    def streaming(self) -> AbstractContextManager[None]:
        return nullcontext()

    def commit(self, record: bytes) -> None:
        raise Unavailable("record", "a case is not recorded")


def _plain(value: Any) -> Any:
    """Policy data as JSON data: the reader makes lists tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _kinds(decisions: Sequence[Decision]) -> tuple[str, ...]:
    return tuple(sorted({d.finding.kind for d in decisions if d.action > Action.ALLOW}))


def _differences(case: Case, result: _Result) -> list[str]:
    expect = case.expect
    why = f": {result.refused}" if result.refused else ""
    found = []
    if expect.action is not None and expect.action != result.action.word:
        found.append(f"action: expected {expect.action}, got {result.action.word}{why}")
    if expect.kinds is not None and set(expect.kinds) != set(result.kinds):
        found.append(f"kinds: {_set_difference(set(expect.kinds), set(result.kinds))}")
    if expect.text is not None and expect.text != result.text:
        nothing = f"no text goes on{why}"
        found.append(
            f"text: expected {expect.text!r}, got {nothing if result.text is None else repr(result.text)}"
        )
    if expect.texts is not None and dict(expect.texts) != dict(result.texts or {}):
        found.append(f"texts: expected {dict(expect.texts)}, got {dict(result.texts or {})}{why}")
    return found


def _set_difference(expected: set[str], got: set[str]) -> str:
    parts = [
        f"{word} {', '.join(sorted(kinds))}"
        for word, kinds in (("missing", expected - got), ("unexpected", got - expected))
        if kinds
    ]
    return "; ".join(parts)


def acting_rules(policy: Policy) -> list[Rule]:
    """List the rules of a policy that do something or that say allow, and that a case could exercise.

    A wider rule that stands for a narrower pattern, too, is one rule; answers and log lines have no case of `guard.*`.
    """
    return [
        (stage, pattern, rule.steps[0].origin if rule.steps else rule.origin)
        for stage in STAGES
        for pattern, rule in getattr(policy, stage).rules.items()
        if stage is Stage.INPUT or not pattern.startswith("guard.")
        if not rule.steps or any(step.rule == pattern for step in rule.steps)
    ]


def unexercised(policy: Policy, outcomes: Sequence[Outcome]) -> list[Rule]:
    """The rules of a policy by which no case was decided."""
    used = {(stage, pattern) for outcome in outcomes for stage, pattern, _ in outcome.rules}
    return [rule for rule in acting_rules(policy) if rule[:2] not in used]
