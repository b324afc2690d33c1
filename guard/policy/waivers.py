"""Exceptions: a rule that flags instead of acting, for one tenant, until a day, with a ticket and who approved it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from pydantic import Field, PrivateAttr, model_validator

from guard.kinds import matches
from guard.policy import fields
from guard.policy.attach import NOBODY, covers
from guard.policy.fields import Node
from guard.policy.names import covers as pattern_covers
from guard.policy.names import most_exact
from guard.policy.rules import Rule, Step, wrong
from guard.types import Action

NEVER = ("egress.*", "guard.unavailable.record")
"""What nobody can be excepted from: where data goes, and that there is a record."""

STAGES = ("input", "output")
_DAY_S = 86_400


class Waiver(NamedTuple):
    """What holds for a request instead of the rules of a kind: it is flagged and goes on. `name` stands on its span."""

    kind: str
    stages: tuple[str, ...]
    name: str


class ExceptionRow(Node):
    """One exception; it ends by itself."""

    kind: fields.Line = Field(
        min_length=1, description="the kind, or kinds, whose rule flags instead of acting"
    )
    stage: fields.Stages = Field(default="both", description="input, output or both")
    tenant: fields.Prefix = Field(description="for whose requests; * at the end only, and alone it means all")
    until: fields.Date = Field(min_length=1, description="the last day on which it holds (UTC)")
    ticket: fields.Name = Field(min_length=1, description="where it was asked for; it stands on the spans")
    approved_by: fields.Line = Field(min_length=1, description="who allowed it")

    _origin: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _may_be(self) -> ExceptionRow:
        if never := forbidden(self.kind, NEVER):
            raise wrong(f"{self.kind} covers {never}, from which nobody is excepted: name another kind")
        return self

    def __str__(self) -> str:
        return f"{self.kind} for {self.tenant} until {self.until} ({self.ticket})"

    @property
    def origin(self) -> str:
        """Where it is written, as `file:line`."""
        return self._origin

    def placed(self, origin: str) -> ExceptionRow:
        """The same, with where it is written."""
        made = self.model_copy()
        made._origin = origin
        return made

    @property
    def ends(self) -> float:
        """When it ends, in seconds of the clock: with its last day."""
        day = datetime.date.fromisoformat(self.until).toordinal() - datetime.date(1970, 1, 1).toordinal()
        return float((day + 1) * _DAY_S)

    def holds(self, tenant: str, now: float) -> bool:
        """Whether it holds for a tenant's request; a caller of no known tenant has only what is for all."""
        known = tenant not in NOBODY
        return now < self.ends and (self.tenant == "*" or (known and covers(self.tenant, tenant)))

    @property
    def waiver(self) -> Waiver:
        """What holds while it holds."""
        stages = STAGES if self.stage == "both" else (self.stage,)
        return Waiver(self.kind, stages, f"exception {self.ticket}")


def forbidden(kind: str, never: Iterable[str]) -> str:
    """The first of the patterns that shares a kind with another pattern; empty if none does."""
    return next((n for n in never if pattern_covers(n, kind) or pattern_covers(kind, n)), "")


def waived(rules: Mapping[str, Rule], waiver: Waiver) -> dict[str, Rule]:
    """The rules of a stage under a waiver: of what it covers nothing more than a flag is enforced."""
    found = {p: _flagged(r, waiver) if pattern_covers(waiver.kind, p) else r for p, r in rules.items()}
    wider = most_exact(rules, waiver.kind)
    if waiver.kind not in rules and wider is not None:
        found[waiver.kind] = _flagged(rules[wider], waiver)
    return found


def _flagged(rule: Rule, waiver: Waiver) -> Rule:
    return replace(rule, steps=tuple(_lenient(step, waiver) for step in rule.steps))


def _lenient(step: Step, waiver: Waiver) -> Step:
    if step.enforced <= Action.FLAG:
        return step
    return replace(step, enforced=Action.FLAG, origin=f"{step.origin}, {waiver.name}")


def applied(
    waivers: Iterable[Waiver], stage: str, decided: Iterable[tuple[str, Action, Action]]
) -> list[str]:
    """Name the waivers that changed what became of findings, given as kind, action and what of it was enforced."""
    less = [kind for kind, action, enforced in decided if enforced < action]
    held = [w for w in waivers if stage in w.stages and any(matches(w.kind, kind) for kind in less)]
    return list(dict.fromkeys(waiver.name for waiver in held))
