"""The only place where an action is chosen: findings and rules in, a verdict out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from guard.kinds import KINDS
from guard.policy.model import Policy
from guard.policy.names import default_at, most_exact
from guard.policy.rules import TOKEN, Rule, Step, observed
from guard.policy.ruleset import BUILT_IN, built_in, extend, own_table, resolved
from guard.types import Action, Decision, Finding, Redaction, Stage, Verdict

_new = tuple.__new__
_REMEMBERED = 4096
_ALLOW = Rule((), "*", BUILT_IN)


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


@dataclass(slots=True)
class _Table:
    """What is compiled of a policy for one stage: its rules, and each kind's rule once it was asked for."""

    rules: dict[str, Rule]
    kinds: dict[str, EffectiveRule] = field(default_factory=dict)
    wanted: frozenset[str] | None = None
    judged: bool | None = None


def decide(policy: Policy, stage: Stage, findings: Iterable[Finding]) -> Verdict:
    """Decide what becomes of the findings of a stage; the verdict is the maximum over them."""
    kinds = _table(policy, stage).kinds
    decisions: list[Decision] = []
    action = enforced = Action.ALLOW
    for finding in findings:
        rule = kinds.get(finding.kind) or rule_for(policy, stage, finding.kind)
        step = rule.step(finding.score)
        acted, done = step.action, step.enforced
        # A tuple's own constructor, since a text full of findings makes thousands.
        decisions.append(_new(Decision, (finding, acted, done, step.rule, step.origin, step.redaction)))
        if acted > action:
            action = acted
        if done > enforced:
            enforced = done
    return Verdict(stage, action, enforced, tuple(decisions), policy.sha256)


def rule_for(policy: Policy, stage: Stage, kind: str) -> EffectiveRule:
    """Find what a kind meets at a stage: the most specific rule, as the policy's mode enforces it."""
    table = _table(policy, stage)
    found = table.kinds.get(kind)
    if found is None:
        found = _effective(table.rules, kind)
        if len(table.kinds) < _REMEMBERED:  # kinds of an unknown moderation model come from outside
            table.kinds[kind] = found
    return found


def _effective(rules: dict[str, Rule], kind: str) -> EffectiveRule:
    pattern = most_exact(rules, kind)
    rule = rules[pattern] if pattern is not None else _ALLOW
    return EffectiveRule(
        rule.steps[::-1], Step(0.0, Action.ALLOW, Action.ALLOW, TOKEN, rule.rule, rule.origin)
    )


def _table(policy: Policy, stage: Stage) -> _Table:
    found: _Table | None = policy.compiled.get(stage)
    if found is None:
        found = policy.compiled[stage] = _compile(policy, stage)
    return found


def _compile(policy: Policy, stage: Stage) -> _Table:
    written = {} if stage is Stage.EGRESS else getattr(policy, stage).rules
    own = own_table(stage, written, lambda pattern: "")
    rules = resolved(extend(built_in(stage), own))
    if _observes(policy, stage):
        rules = {pattern: _observed(rule) for pattern, rule in rules.items()}
    return _Table(rules)


def _observed(rule: Rule) -> Rule:
    return replace(rule, steps=tuple(replace(step, enforced=observed(step.enforced)) for step in rule.steps))


def _observes(policy: Policy, stage: Stage) -> bool:
    # Egress has a mode of its own; logs are always enforced, since a record does not undo a line that leaked.
    if stage is Stage.EGRESS:
        return policy.egress.mode == "observe"
    return stage is not Stage.LOGS and policy.mode == "observe"


def wanted(policy: Policy, stage: Stage) -> frozenset[str]:
    """Name the known kinds for which some score leads to more than allow at a stage, or that decide where it goes."""
    table = _table(policy, stage)
    if table.wanted is None:
        known = KINDS | policy.own_kinds
        acted = (kind for kind in known if rule_for(policy, stage, kind).action is not Action.ALLOW)
        table.wanted = frozenset(acted) | (kept(policy, known) if stage is Stage.INPUT else frozenset())
    return table.wanted


def kept(policy: Policy, kinds: Iterable[str]) -> frozenset[str]:
    """The kinds that, where they are found in a request, decide where it may go (`egress.rules`)."""
    rules = policy.egress.rules
    return frozenset(kind for kind in kinds if most_exact(rules, kind) is not None) if rules else frozenset()


def restores(policy: Policy, tool: str | None) -> bool:
    """Whether originals may be put back into a text: for people (None), or for the tool of a name."""
    return tool is None or tool in policy.restore.tools or "*" in policy.restore.tools


def may_call(policy: Policy, tool: str) -> bool:
    """Whether the model may call the tool of a name (OWASP LLM06: excessive agency)."""
    return tool in policy.output.tools or "*" in policy.output.tools


def numbers(policy: Policy) -> bool:
    """Whether requests may hold numbered placeholders that come back: `<EMAIL_1>` means what its exchange says."""
    rules = (rule_for(policy, Stage.INPUT, kind) for kind in wanted(policy, Stage.INPUT))
    steps = (step for rule in rules for step in rule.steps if step.enforced is Action.REDACT)
    return any(step.redaction.restore and step.redaction.form != "encrypt" for step in steps)


def judges(policy: Policy) -> bool:
    """Whether answers must be judged: some output rule acts on moderation scores and a judge is named."""
    table = _table(policy, Stage.OUTPUT)
    if table.judged is None:
        given = {f"moderation.{category}" for category in policy.moderation.categories}
        table.judged = policy.moderation.by != "off" and not given.isdisjoint(wanted(policy, Stage.OUTPUT))
    return table.judged


def least_score(policy: Policy, kinds: Iterable[str]) -> float | None:
    """The least score at which a rule of any stage acts on one of the kinds, None where none does."""
    rules = [rule_for(policy, stage, kind) for stage in Stage for kind in kinds]
    acting = [step.at or 0.0 for rule in rules for step in rule.steps if step.action is not Action.ALLOW]
    return min([*acting, *map(default_at, kept(policy, kinds))], default=None)
