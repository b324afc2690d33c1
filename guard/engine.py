"""Floor 3, screening whole bodies: generators that ask for effects and are sent the results. No I/O.

`screen_input` and `screen_output` yield `Detect` and `Score`; a driver (services/drivers.py) answers
them. A check that could not run is thrown in as `Unavailable` and becomes a finding, which the same
rule table decides: there is one road.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from itertools import groupby
from types import MappingProxyType
from typing import Any, NamedTuple

from guard import moderation
from guard.errors import Unavailable
from guard.keys import keyed_hash
from guard.pii.hidden import hidden
from guard.pii.kept import Kept
from guard.pii.mapping import Mapping as Placeholders
from guard.pii.redact import Answer, answer, redact
from guard.pii.resolve import resolve
from guard.pii.subject import subject
from guard.policy.decide import decide, judges, restores
from guard.policy.model import Policy
from guard.types import (
    Action,
    Change,
    Decision,
    Detect,
    Finding,
    Flow,
    Identity,
    Receipt,
    Receipts,
    Score,
    Segment,
    Stage,
    Tally,
    Verdict,
)
from guard.wire.calls import Call, tool_at

# An enum looks up its members by name: in a loop over findings that is more than the comparison.
_REDACT = Action.REDACT

# Fields of an answer in which a provider repeats what the request set.
_SETTINGS = (
    "instructions",
    "metadata",
    "prompt",
    "tools",
    "tool_choice",
    "user",
    "safety_identifier",
    "input",
)


@dataclass(slots=True, repr=False)
class Exchange:
    """One request and its answer: who, the placeholders in play, what was sent and what was released.

    `own` are the caller's values that come back: where they stand in an answer they are no findings.
    `stacked` says that an outer mount shares it: what the inner one releases is remembered (`released`,
    `streamed`) and not screened twice. `judge` is the moderation service of its model call. `unknown` says that
    it goes on from what guard does not know any more: a placeholder could be another's, so none comes back.
    `kept` are its texts for the auditor. `subject_key` is its tenant's for the running period: without one no
    subjects are noted, and `keyless` says that there should be one. `paths` and `asked` are the paths of its mounts
    and the policies that it asks for, where some are attached; `lease` keeps the workers of its policy version.
    `languages` are those that the caller asks for.
    """

    identity: Identity
    placeholders: Placeholders
    memo_key: bytes
    subject_key: bytes = b""
    subject_key_id: str = ""
    keyless: bool = False
    kept: Kept | None = None
    receipts: Receipts = field(default_factory=Receipts)
    own: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)
    came_back: Tally = field(default_factory=Tally)
    closed: bool = False
    unknown: bool = False
    stacked: bool = False
    judge: tuple[str, str] | None = None
    paths: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    lease: Any = None
    streamed: dict[str, StringIO] = field(default_factory=dict)
    _subjects: dict[Finding, str] = field(default_factory=dict)

    def digest(self, text: str) -> str:
        """Name a text by keyed hash, so that no set of the exchange holds the text itself."""
        return keyed_hash(self.memo_key, text)

    def passed(self, text: str) -> bool:
        """Whether an inner mount of this exchange has released this text, whole or as a part of a stream."""
        if not self.stacked:
            return False
        return self.digest(text) in self.released or any(text in t.getvalue() for t in self.streamed.values())

    def note_answer(self, made: Answer) -> None:
        """Count how placeholders came back in one text of the answer."""
        tally = self.came_back
        tally.restored += made.restored
        tally.withheld += made.withheld
        tally.mangled += made.mangled
        tally.seen |= made.seen

    def note_streamed(self, lane: str, text: str) -> None:
        """Remember a released piece of a stream for an outer mount."""
        self.streamed.setdefault(lane, StringIO()).write(text)

    def echoes(self, segment: Segment) -> bool:
        """Whether an answer only repeats a setting that was sent (Responses' `instructions`), word for word.

        What the model itself says is never an echo, even where it repeats what it was told.
        """
        place = segment.path.removeprefix("response.")
        return place.startswith(_SETTINGS) and self.digest(segment.text) in self.sent

    def keep(self, path: str, text: str, decisions: Iterable[Decision]) -> None:
        """Keep a text, or the next piece of one, for the auditor, where the policy says so."""
        if self.kept is not None:
            own = (span for span in self.placeholders.original_spans(text) if span[2] in self.own)
            self.kept.note(path, text, decisions, own)

    def keep_all(self, segments: Iterable[Segment], decisions: Iterable[Decision]) -> None:
        """Keep texts for the auditor, where the policy says so."""
        if self.kept is not None:
            decided = by_path(decisions)
            for segment in segments:
                self.keep(segment.path, segment.text, decided.get(segment.path, ()))

    def note_subject(self, text: str, finding: Finding, before: int = 0) -> None:
        """Remember whom a found value is about, as a keyed hash, while the text is at hand.

        `before`: how much of the finding's text came before this piece of it.
        """
        start, end = finding.start, finding.end
        if start < end and self.subject_key:
            self._subjects[finding] = subject(self.subject_key, text[start - before : end - before])

    def subject(self, finding: Finding) -> str:
        """The keyed hash of the value of a finding; empty for a finding about no value."""
        return self._subjects.get(finding, "")


class Screened(NamedTuple):
    """What a screened body became: the verdict, the new text of each path that changes, the exchange's receipts.

    Only this file makes one: `guard.clearance` takes it as proof that the checks were run.
    """

    verdict: Verdict
    changes: Mapping[str, str]
    receipts: Receipts
    screened_bytes: int = 0
    scores: Mapping[str, Mapping[str, float]] = MappingProxyType({})

    def __repr__(self) -> str:
        return object.__repr__(self)  # it holds texts


def merge(stage: Stage, policy: Policy, decisions: Iterable[Decision]) -> Verdict:
    """Make one verdict of decisions taken apart: the maximum of each."""
    rows = tuple(decisions)
    return Verdict(
        stage=stage,
        action=max((row.action for row in rows), default=Action.ALLOW),
        enforced=max((row.enforced for row in rows), default=Action.ALLOW),
        decisions=rows,
        policy=policy.sha256,
    )


def screen_input(
    policy: Policy,
    exchange: Exchange,
    segments: Sequence[Segment],
    opaque: Sequence[Finding],
    *,
    change: bool = True,
) -> Flow[Screened]:
    """Find and decide over every segment toward the model, and redact what the rules say.

    With `change=False` only blocks are decided here and the redaction is left to the inner mount.
    """
    for segment in segments:
        exchange.placeholders.reserve(segment.text)
    findings = yield from _detect(policy, Stage.INPUT, exchange, segments)
    unseen = (finding for s in segments for finding in hidden(s.text, s.path))
    verdict = decide(policy, Stage.INPUT, [*opaque, *unseen, *findings])
    verdict = fix(policy, verdict, segments)
    changes: dict[str, str] = {}
    if change and verdict.blocking is None:
        changes = _redacted(segments, verdict, exchange.placeholders)
        restorable = exchange.placeholders.restorable
        exchange.own.update(restorable.values())
        exchange.came_back.sent = len(restorable)
    if judges(policy):
        exchange.sent.update(exchange.digest(changes.get(s.path, s.text)) for s in segments if s.text)
    return Screened(verdict, changes, exchange.receipts, _size(segments))


def screen_output(
    policy: Policy,
    exchange: Exchange,
    segments: Sequence[Segment],
    opaque: Sequence[Finding],
    *,
    judging: bool = True,
    calls: Sequence[Call] = (),
) -> Flow[Screened]:
    """Find, judge and decide over every segment toward the caller, and restore this exchange's placeholders.

    What is meant for a tool (`calls`) gets originals back only where the policy names the tool.

    Text that an inner mount of the same exchange has released is passed as it is; text that was sent to
    the model and only comes back (an echo of the instructions) is restored but not judged. An error of the
    provider is no answer of the model: it is redacted, neither judged nor restored (`judging=False`): errors
    end in logs (case C14).
    """
    fresh = [s for s in segments if s.text and not exchange.passed(s.text)]
    findings = yield from _detect(policy, Stage.OUTPUT, exchange, fresh)
    findings = _outside_own(fresh, findings, exchange)
    spans = fix(policy, decide(policy, Stage.OUTPUT, [*opaque, *findings]), fresh)
    coming_back = judging and not exchange.unknown
    told = {s.path for s in fresh if coming_back and restores(policy, tool_at(calls, s.path))}
    judging = judging and judges(policy)
    changes, judged = _answered(exchange, fresh, spans, told, judging=judging)
    to_judge: dict[str, str] = {}
    if judging:
        echoed = {s.path for s in fresh if s.change is Change.FIXED or exchange.echoes(s)}
        to_judge = {path: text for path, text in judged.items() if path not in echoed and text.strip()}
    moderated, scores = yield from judge(policy, exchange, to_judge)
    verdict = spans
    if moderated:
        decided = decide(policy, Stage.OUTPUT, moderated).decisions
        verdict = merge(Stage.OUTPUT, policy, [*spans.decisions, *decided])
    if exchange.stacked:
        blocked = {d.finding.path for d in verdict.decisions if d.enforced is Action.BLOCK}
        released = (changes.get(s.path, s.text) for s in fresh if s.path not in blocked)
        exchange.released.update(map(exchange.digest, released))
    return Screened(verdict, changes, exchange.receipts, _size(fresh), scores)


def judge(
    policy: Policy, exchange: Exchange, texts: Mapping[str, str]
) -> Flow[tuple[list[Finding], dict[str, Mapping[str, float]]]]:
    """Ask the moderation service about each text (path to text), if the policy has a rule for its answer."""
    if not texts or not judges(policy):
        exchange.receipts.note("moderation", Receipt.NOT_APPLICABLE)
        return [], {}
    try:
        answers: list[Mapping[str, float]] = yield Score(tuple(texts.values()))
    except Unavailable as failure:
        return [unavailable(policy, exchange, failure)], {}
    found: list[Finding] = []
    for path, scores in zip(texts, answers, strict=True):
        found += moderation.findings(scores, path, policy.moderation.model, policy.moderation.categories)
    note_moderation(policy, exchange, found)
    return found, dict(zip(texts, answers, strict=True))


def unavailable(policy: Policy, exchange: Exchange, failure: Unavailable, path: str = "") -> Finding:
    """Turn a check of an answer that could not run into the finding that the rules decide, and note its receipt."""
    finding = Finding(failure.kind, 0, 0, 1.0, "guard", path)
    _note(policy, Stage.OUTPUT, exchange, failure.what, [finding])
    return finding


def note_moderation(policy: Policy, exchange: Exchange, found: Sequence[Finding]) -> None:
    """Note what became of one moderation check."""
    _note(policy, Stage.OUTPUT, exchange, "moderation", found)


def _note(policy: Policy, stage: Stage, exchange: Exchange, check: str, found: Sequence[Finding]) -> None:
    """Note a check's receipt by what it found: a failure is closed or open as the rules decide it."""
    failed = [f for f in found if f.kind.startswith("guard.unavailable.")]
    if not failed:
        exchange.receipts.note(check, Receipt.RAN)
        return
    blocked = decide(policy, stage, failed).enforced is Action.BLOCK
    exchange.receipts.note(check, Receipt.FAILED_CLOSED if blocked else Receipt.FAILED_OPEN)


def _detect(
    policy: Policy, stage: Stage, exchange: Exchange, segments: Sequence[Segment]
) -> Flow[list[Finding]]:
    if not segments:
        exchange.receipts.note("detect", Receipt.NOT_APPLICABLE)
        return []
    groups = list(joined(segments)) if any(s.group for s in segments) else []
    texts = tuple([s.text for s in segments] + [text for text, _ in groups])
    try:
        lists: list[list[Finding]] = yield Detect(texts)
    except Unavailable as failure:
        lists = [[Finding(failure.kind, 0, 0, 1.0, "guard")] for _ in texts]
    if len(lists) != len(texts):
        raise ValueError("a detector answers once a text")
    _note(policy, stage, exchange, "detect", [f for found in lists for f in found])
    return _placed(exchange, segments, groups, lists) if any(lists) else []


def _placed(
    exchange: Exchange,
    segments: Sequence[Segment],
    groups: Sequence[tuple[str, list[tuple[int, Segment]]]],
    lists: Sequence[Sequence[Finding]],
) -> list[Finding]:
    """The findings of each segment at its path, and of each joined text at the paths that they lie over."""
    findings: list[Finding] = []
    for segment, found in zip(segments, lists[: len(segments)], strict=True):
        path, text = segment.path, segment.text
        for kind, start, end, score, source, _ in found:
            finding = tuple.__new__(Finding, (kind, start, end, score, source, path))
            exchange.note_subject(text, finding)
            findings.append(finding)
    if not groups:
        return findings
    pieces = [
        piece
        for (_, parts), found in zip(groups, lists[len(segments) :], strict=True)
        for f in found
        for piece in spread(f, parts)
    ]
    texts = {s.path: s.text for s in segments}
    for piece in pieces:
        exchange.note_subject(texts[piece.path], piece)
    return _once(findings + pieces) if pieces else findings


def joined(segments: Sequence[Segment]) -> Iterator[tuple[str, list[tuple[int, Segment]]]]:
    """Join the neighbours of each group, with the offset at which each part begins."""
    for group, members in groupby(segments, key=lambda s: s.group):
        parts = list(members)
        if not group or len(parts) < 2:
            continue
        offsets, at = [], 0
        for part in parts:
            offsets.append((at, part))
            at += len(part.text)
        yield "".join(part.text for part in parts), offsets


def spread(finding: Finding, parts: Sequence[tuple[int, Segment]]) -> list[Finding]:
    """Cut a finding of a joined text into one finding a part, if it lies over more than one part."""
    pieces = []
    for at, part in parts:
        start, end = max(finding.start, at), min(finding.end, at + len(part.text))
        if start < end:
            pieces.append(finding._replace(start=start - at, end=end - at, path=part.path))
    return pieces if len(pieces) > 1 else []


def _once(findings: list[Finding]) -> list[Finding]:
    """Resolve again where a joined text added findings: one replacement a stretch."""
    whole = [f for f in findings if f.start == f.end]
    spans = sorted((f for f in findings if f.start < f.end), key=lambda f: f.path)
    return whole + [f for _, found in groupby(spans, key=lambda f: f.path) for f in resolve(found)]


def fix(policy: Policy, verdict: Verdict, segments: Sequence[Segment]) -> Verdict:
    """Turn a redaction of what must not be rewritten (names, ids, schema keys) into a block."""
    if not verdict.decisions:
        return verdict
    fixed = {s.path for s in segments if s.change is Change.FIXED}
    if fixed.isdisjoint([d.finding.path for d in verdict.decisions]):
        return verdict
    return merge(
        verdict.stage, policy, [_hardened(d) if d.finding.path in fixed else d for d in verdict.decisions]
    )


def _hardened(decision: Decision) -> Decision:
    harder = {Action.REDACT: Action.BLOCK}
    return decision._replace(
        action=harder.get(decision.action, decision.action),
        enforced=harder.get(decision.enforced, decision.enforced),
    )


def by_path(decisions: Iterable[Decision]) -> dict[str, list[Decision]]:
    """Group decisions by the segment they stand in."""
    grouped: dict[str, list[Decision]] = {}
    for decision in decisions:
        grouped.setdefault(decision.finding.path, []).append(decision)
    return grouped


def _redacted(segments: Sequence[Segment], verdict: Verdict, placeholders: Placeholders) -> dict[str, str]:
    if verdict.enforced < Action.REDACT:
        return {}
    decided = by_path([d for d in verdict.decisions if d.enforced is _REDACT])
    return {s.path: redact(s.text, decided[s.path], placeholders) for s in segments if s.path in decided}


def lasting(segments: Sequence[Segment], screened: Screened, placeholders: Placeholders) -> Mapping[str, str]:
    """The new text of each path as it may be stored: what a rule only observes is taken out of it all the same."""
    if screened.verdict.action <= screened.verdict.enforced:
        return screened.changes
    hardened = (d._replace(enforced=Action.REDACT) for d in screened.verdict.decisions if _taken(d))
    decided = by_path(hardened)
    stored = {s.path: redact(s.text, decided[s.path], placeholders) for s in segments if s.path in decided}
    return {**screened.changes, **stored}


def _taken(decision: Decision) -> bool:
    return decision.action >= Action.REDACT and decision.finding.start < decision.finding.end


def _answered(
    exchange: Exchange,
    segments: Sequence[Segment],
    verdict: Verdict,
    restoring: Container[str],
    *,
    judging: bool,
) -> tuple[dict[str, str], dict[str, str]]:
    """The new text of each path that changes, and with `judging` the redacted text of each path for the judge.

    `restoring`: the paths where originals may come back.
    """
    if not verdict.decisions and not exchange.placeholders.in_play:
        return {}, {s.path: s.text for s in segments}
    decided = by_path(verdict.decisions)
    changes: dict[str, str] = {}
    judged: dict[str, str] = {}
    for segment in segments:
        rows = decided.get(segment.path, ())
        made = answer(
            segment.text,
            rows,
            exchange.placeholders,
            restoring=segment.path in restoring,
            judging=judging,
        )
        exchange.note_answer(made)
        judged[segment.path] = made.judged
        if made.released != segment.text:
            changes[segment.path] = made.released
    return changes, judged


def _outside_own(segments: Sequence[Segment], findings: list[Finding], exchange: Exchange) -> list[Finding]:
    """Drop findings inside this exchange's placeholders, or inside originals that an inner mount put back."""
    if not findings:
        return findings
    found_in = {f.path for f in findings}
    spans = {s.path: own_spans(s.text, exchange) for s in segments if s.path in found_in}
    return [f for f in findings if not lies_inside(f, spans.get(f.path, ()))]


def own_spans(text: str, exchange: Exchange) -> list[tuple[int, int, str]]:
    """Where a text holds what is guard's or the caller's own: placeholders in play, and what comes back for them.

    A value that the model brought itself, and that was taken out once, is nobody's own the second time.
    """
    placeholders = exchange.placeholders
    originals = [span for span in placeholders.original_spans(text) if span[2] in exchange.own]
    return [*placeholders.spans(text), *originals]


def lies_inside(finding: Finding, spans: Sequence[tuple[int, int, str]]) -> bool:
    """Whether a finding lies inside one of the spans; what reaches beyond one is cut when it is redacted."""
    return finding.start < finding.end and any(
        start <= finding.start and finding.end <= end for start, end, _ in spans
    )


def _size(segments: Iterable[Segment]) -> int:
    texts = [s.text for s in segments]
    return sum([len(t) if t.isascii() else len(t.encode("utf-8", "surrogatepass")) for t in texts])
