"""Rules as functions from score to action: reading one, combining several by the stricter at every score."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from guard.types import Action, Redaction

ActionWord = Literal["allow", "flag", "redact", "block"]
Form = Literal["token", "faker", "mask", "hash", "generalise", "encrypt"]
Mode = Literal["enforce", "observe"]
StepWord = Literal["flag", "redact", "block"]

FORMS = ("encrypt", "generalise", "faker", "token", "hash", "mask")
"""Ways to replace a span, from the loosest to the strictest."""

RESTORABLE = ("token", "encrypt")
"""Forms that `restore: true` goes with: models shorten and inflect fakes; a mask or hash has no way back."""

EXAMPLES = "write block, {action: redact, as: token, at: 0.5} or {flag: 0.4, block: 0.8}"


def wrong(text: str) -> PydanticCustomError:
    """Make the error of a value: `text` says what is wrong: what to write instead."""
    return PydanticCustomError("policy", "{text}", {"text": text})


def observed(action: Action) -> Action:
    """What of an action is enforced in `mode: observe`: nothing is changed, a flag still records."""
    return action if action is Action.FLAG else Action.ALLOW


TOKEN = Redaction()


@dataclass(frozen=True, slots=True)
class Step:
    """From the score `at` on, take `action`; `enforced` is less than that where the rule only observes.

    `at` is None where the file leaves it to the default of the family. `rule` and `origin` (`file:line`)
    name the pattern behind the step.
    """

    at: float | None
    action: Action
    enforced: Action
    redaction: Redaction = TOKEN
    rule: str = ""
    origin: str = ""

    def meaning(self) -> tuple[float | None, int, int, str, bool]:
        """What the step does, without who said so."""
        return (self.at, self.action, self.enforced, self.redaction.form, self.redaction.restore)

    def __str__(self) -> str:
        redacts = Action.REDACT in (self.action, self.enforced)
        form = f" as {self.redaction.form}{' and restore' * self.redaction.restore}" if redacts else ""
        seen = "" if self.enforced is self.action else f" (observed, {self.enforced.word} enforced)"
        return f"{self.action.word}{form} from {self.at:g}{seen}"


class RuleForm(BaseModel):
    """A rule as it is written: one action with its least score, or a ladder of actions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    action: ActionWord | None = Field(default=None, description="what is done when a finding matches")
    as_: Form | None = Field(
        default=None,
        alias="as",
        description="how a span is replaced: token (<EMAIL_1>), faker, mask, hash, generalise or encrypt",
    )
    restore: bool = Field(
        default=False, description="put the original back into the answer (token and encrypt only)"
    )
    at: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="the least score; 0.5 for pii and secret, 0.8 for moderation if left out",
    )
    flag: float | None = Field(default=None, ge=0, le=1, description="ladder: record from this score on")
    redact: float | None = Field(
        default=None, ge=0, le=1, description="ladder: replace the span from this score on"
    )
    block: float | None = Field(default=None, ge=0, le=1, description="ladder: refuse from this score on")
    mode: Mode = Field(
        default="enforce", description="observe: record what the rule would do and change nothing"
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> RuleForm:
        ladder = [at for at in (self.flag, self.redact, self.block) if at is not None]
        if self.action is None and not ladder:
            raise wrong(f"has no action: {EXAMPLES}")
        if self.action is not None and ladder:
            raise wrong(f"has an action and a ladder: {EXAMPLES}")
        if self.at is not None and (ladder or self.action == "allow"):
            raise wrong("`at` goes with one action of flag, redact or block: take it out")
        if any(low >= high for low, high in pairwise(ladder)):
            raise wrong(
                "a step of the ladder is never reached: let the scores rise from flag to redact to block"
            )
        self._check_redaction()
        return self

    def _check_redaction(self) -> None:
        redacts = self.action == "redact" or self.redact is not None
        if not redacts and self.model_fields_set & {"as_", "restore"}:
            raise wrong("`as` and `restore` go with redact only: take them out, or write action: redact")
        if self.restore and self.redaction.form not in RESTORABLE:
            raise wrong(f"{self.as_} cannot be restored: write as: token or as: encrypt, or take restore out")

    @property
    def redaction(self) -> Redaction:
        """How spans are replaced; a rule that does not say so writes tokens."""
        return Redaction(self.as_ or "token", self.restore)

    def rule(self) -> Rule:
        """Read the form as steps from the least score up."""
        if self.action == "allow":
            return Rule(())
        written = (
            {self.action: self.at}
            if self.action
            else {w: getattr(self, w) for w in ("flag", "redact", "block")}
        )
        steps = ((Action.parse(word), at) for word, at in written.items() if self.action or at is not None)
        return Rule(tuple(self._step(action, at) for action, at in steps))

    def _step(self, action: Action, at: float | None) -> Step:
        enforced = observed(action) if self.mode == "observe" else action
        return Step(at, action, enforced, self.redaction if action is Action.REDACT else TOKEN)


class StepForm(BaseModel):
    """One step of a rule that is written step by step, as `guard policy show` writes what several files say."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    action: StepWord = Field(description="what is done from this score on")
    at: float = Field(ge=0, le=1, description="the least score")
    as_: Form | None = Field(default=None, alias="as", description="how a span is replaced")
    restore: bool = Field(default=False, description="put the original back into the answer")
    enforced: ActionWord | None = Field(
        default=None, description="what is really done, where that is less than the action"
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> StepForm:
        action, enforced = Action.parse(self.action), Action.parse(self.enforced or self.action)
        if enforced > action:
            raise wrong("enforces more than its action: write the greater of the two as the action")
        if Action.REDACT not in (action, enforced) and self.model_fields_set & {"as_", "restore"}:
            raise wrong("`as` and `restore` go with redact only: take them out")
        if self.restore and (self.as_ or TOKEN.form) not in RESTORABLE:
            raise wrong(f"{self.as_} cannot be restored: write as: token or as: encrypt, or take restore out")
        return self

    def step(self) -> Step:
        """Read the form."""
        action = Action.parse(self.action)
        enforced = Action.parse(self.enforced) if self.enforced else action
        return Step(self.at, action, enforced, Redaction(self.as_ or TOKEN.form, self.restore))


@dataclass(frozen=True, slots=True)
class Rule:
    """A function from score to action: steps with rising `at`; below the first nothing is done.

    `rule` and `origin` name who speaks below the first step.
    """

    steps: tuple[Step, ...]
    rule: str = ""
    origin: str = ""

    def step(self, score: float) -> Step:
        """The step that a score takes; a score that is no number takes the last one."""
        for step in reversed(self.steps):
            if not score < (step.at or 0.0):
                return step
        return Step(0.0, Action.ALLOW, Action.ALLOW, TOKEN, self.rule, self.origin)

    def placed(self, default_at: float, rule: str, origin: str) -> Rule:
        """Fill in the default least score, and who says so."""
        steps = (
            replace(s, at=default_at if s.at is None else s.at, rule=rule, origin=origin) for s in self.steps
        )
        return Rule(tuple(steps), rule, origin)

    def meaning(self) -> tuple[tuple[float | None, int, int, str, bool], ...]:
        """What the rule does at every score, without who said so."""
        return tuple(step.meaning() for step in self.steps)

    def __str__(self) -> str:
        return ", ".join(map(str, self.steps)) or "allow"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        forms = {"[steps]": tuple[StepForm, ...], "[rule]": RuleForm}
        return core_schema.no_info_wrap_validator_function(
            _read,
            core_schema.tagged_union_schema(
                {tag: handler.generate_schema(form) for tag, form in forms.items()},
                lambda value: "[steps]" if isinstance(value, tuple) else "[rule]",
            ),
            serialization=core_schema.plain_serializer_function_ser_schema(_write),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        words = {"type": "string", "enum": ["allow", "flag", "redact", "block"]}
        return {
            "anyOf": [words, *handler(schema)["oneOf"]],
            "description": "an action, an action with its details, a ladder, or a list of steps",
        }


def _read(value: Any, form: Callable[[Any], Any]) -> Rule:
    if isinstance(value, Rule):
        return value
    if isinstance(value, str):
        value = {"action": value}
    if isinstance(value, dict):
        written: RuleForm = form(value)
        return written.rule()
    if not isinstance(value, tuple) or not value or not all(isinstance(step, dict) for step in value):
        raise wrong(f"is no rule: {EXAMPLES}")
    return Rule(_rising([step.step() for step in form(value)]))


def _rising(steps: list[Step]) -> tuple[Step, ...]:
    """Check that each step begins above the one before, and does no less."""
    for low, high in pairwise(steps):
        if (low.at or 0.0) >= (high.at or 0.0):
            raise wrong("a step begins no higher than the one before: let `at` rise from step to step")
        if high.action < low.action:
            raise wrong("a step does less than the one before: let the actions rise from step to step")
    return tuple(steps)


def _write(rule: Rule) -> list[dict[str, Any]]:
    return [_written(step) for step in rule.steps]


def _written(step: Step) -> dict[str, Any]:
    words: dict[str, Any] = {"action": step.action.word, "at": step.at}
    if step.action is Action.REDACT or step.enforced is Action.REDACT:
        words |= {"as": step.redaction.form, "restore": step.redaction.restore}
    if step.enforced is not step.action:
        words["enforced"] = step.enforced.word
    return words


def combine(rules: Iterable[Rule]) -> Rule:
    """Combine rules by the greater action at every score, and of two redactions the stricter."""
    found = list(rules)
    steps: list[Step] = []
    for at in sorted({step.at or 0.0 for rule in found for step in rule.steps}):
        step = _strictest([rule.step(at) for rule in found], at)
        if not steps or steps[-1].meaning()[1:] != step.meaning()[1:]:
            steps.append(step)
    origin, rule = min(((rule.origin, rule.rule) for rule in found), default=("", ""))
    return Rule(tuple(steps), rule, origin)


def _strictest(steps: list[Step], at: float) -> Step:
    action = max(step.action for step in steps)
    enforced = max(step.enforced for step in steps)
    redaction = _redaction(steps, action, enforced)
    leads = [step for step in steps if step.action is action]
    lead = min(leads, key=lambda step: (-step.enforced, step.redaction != redaction, step.origin, step.rule))
    return Step(at, action, enforced, redaction, lead.rule, lead.origin)


def _redaction(steps: list[Step], action: Action, enforced: Action) -> Redaction:
    if enforced is Action.REDACT:
        return stricter([step.redaction for step in steps if step.enforced is Action.REDACT])
    return stricter([step.redaction for step in steps if step.action is action is Action.REDACT])


def stricter(redactions: list[Redaction]) -> Redaction:
    """Of several redactions: mask > hash > token > faker > generalise > encrypt, and no restoring over restoring."""
    if not redactions:
        return TOKEN
    form = max((redaction.form for redaction in redactions), key=FORMS.index)
    return Redaction(form, all(redaction.restore for redaction in redactions))


def is_looser(after: Rule, before: Rule) -> bool:
    """Whether a rule does less than another at some score."""
    return combine([after, before]).meaning() != combine([after]).meaning()
