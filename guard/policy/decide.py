"""The only place where an action is chosen: findings and rules in, a verdict out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from guard.kinds import KINDS, MODERATION
from guard.policy.model import Policy
from guard.policy.names import most_exact
from guard.policy.rules import Rule, Step, observed
from guard.policy.ruleset import BUILT_IN, built_in, extend, own_table, resolved
from guard.types import Action, Decision, Finding, Redaction, Stage, Verdict

_CACHED = 4096
_ALLOW = Rule((), "*", BUILT_IN)
_JUDGED = frozenset(f"moderation.{category}" for category in MODERATION)


@dataclass(frozen=True, slots=True)
class EffectiveRule:
    """What one kind meets at one stage: `steps` from the greatest score down, as the policy's mode has it.

    `rule`, `origin` and `redaction` are those of the first step, the strictest.
    """

    steps: tuple[Step, ...]
    below: Step

    def step(self, score: float) -> Step:
        """The step that a score takes; a score that is no number takes the strictest."""
        for step in self.steps:
            if not score < step.at:  # type: ignore[operator]
                return step
        return self.below

    @property
    def action(self) -> Action:
        """The strictest action that a score can lead to."""
        return self.steps[0].action if self.steps else Action.ALLOW

    @property
    def rule(self) -> str:
        """The pattern behind the strictest step."""
        return (self.steps[0] if self.steps else self.below).rule

    @property
    def origin(self) -> str:
        """The `file:line` behind the strictest step."""
        return (self.steps[0] if self.steps else self.below).origin

    @property
    def redaction(self) -> Redaction:
        """How spans are replaced at the strictest step."""
        return (self.steps[0] if self.steps else self.below).redaction


def decide(policy: Policy, stage: Stage, findings: Iterable[Finding]) -> Verdict:
    """Decide what becomes of the findings of a stage; the verdict is the maximum over them."""
    table = policy._tables.setdefault(stage, {})
    decisions: list[Decision] = []
    action = enforced = Action.ALLOW
    for finding in findings:
        rule = table.get(finding.kind) or rule_for(policy, stage, finding.kind)
        step = rule.step(finding.score)
        decisions.append(
            Decision(finding, step.action, step.enforced, step.rule, step.origin, step.redaction)
        )
        if step.action > action:
            action = step.action
        if step.enforced > enforced:
            enforced = step.enforced
    return Verdict(stage, action, enforced, tuple(decisions), policy.sha256)


def rule_for(policy: Policy, stage: Stage, kind: str) -> EffectiveRule:
    """Find what a kind meets at a stage: the most specific rule, as the policy's mode enforces it."""
    table: dict[str, EffectiveRule] = policy._tables.setdefault(stage, {})
    found = table.get(kind)
    if found is None:
        found = _compile(policy, stage, kind)
        if len(table) < _CACHED:  # kinds of an unknown moderation model come from outside
            table[kind] = found
    return found


def _compile(policy: Policy, stage: Stage, kind: str) -> EffectiveRule:
    rules = _rules(policy, stage)
    pattern = most_exact(rules, kind)
    rule = rules[pattern] if pattern is not None else _ALLOW
    steps = tuple(_under(policy, stage, step) for step in reversed(rule.steps))
    return EffectiveRule(steps, Step(0.0, Action.ALLOW, Action.ALLOW, Redaction(), rule.rule, rule.origin))


def _rules(policy: Policy, stage: Stage) -> dict[str, Rule]:
    written = {} if stage is Stage.EGRESS else getattr(policy, stage).rules
    own = own_table(stage, written, lambda pattern: "")
    return resolved(extend(built_in(stage), own))


def _under(policy: Policy, stage: Stage, step: Step) -> Step:
    if not _observes(policy, stage):
        return step
    return Step(step.at, step.action, observed(step.enforced), step.redaction, step.rule, step.origin)


def _observes(policy: Policy, stage: Stage) -> bool:
    # Egress has a mode of its own; logs are always enforced, since a record does not undo a line that leaked.
    if stage is Stage.EGRESS:
        return policy.egress.mode == "observe"
    return stage is not Stage.LOGS and policy.mode == "observe"


def wanted(policy: Policy, stage: Stage) -> frozenset[str]:
    """Name the known kinds for which some score leads to more than allow at a stage."""
    found = policy._wanted.get(stage)
    if found is None:
        known = KINDS | {custom.kind for custom in policy.recognizers.custom}
        found = frozenset(kind for kind in known if rule_for(policy, stage, kind).action is not Action.ALLOW)
        policy._wanted[stage] = found
    return found


def judges(policy: Policy) -> bool:
    """Whether answers must be judged: some output rule acts on moderation scores and a judge is named."""
    if policy.moderation.by == "off":
        return False
    return not _JUDGED.isdisjoint(wanted(policy, Stage.OUTPUT))
