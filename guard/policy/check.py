"""What an officer should look at before a policy goes live: choices that fail open, and rules without effect."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from guard.kinds import OPAQUE, UNAVAILABLE
from guard.policy.decide import judges, rule_for, wanted
from guard.policy.model import Policy
from guard.policy.names import ENGINE_KINDS, PRESIDIO_RECOGNIZERS, countries
from guard.policy.providers import owner_of
from guard.policy.resolve import Loaded, combine
from guard.types import Action, Stage

# Where OpenAI's moderation endpoint both processes and stores inside: eu. and us.api.openai.com.
_MODERATED = (countries("US"), countries("EEA") | countries("CH"))


def warnings(loaded: Loaded, today: datetime.date) -> list[str]:
    """List what fails open, is only observed, cannot be judged in place, or finds what no rule acts on."""
    policy = loaded.policy
    found = [
        *_observed(policy),
        *_failing_open(policy),
        *_unjudged(policy),
        *_unlabelled(policy),
        *_idle(policy),
        *_idle_traffic(policy),
        *_idle_alerts(policy),
        *_judged_where_it_fails(policy),
        *_kept_content(policy),
        *_dates(policy, today),
        *_excepted(policy, today),
        *_nowhere(policy),
    ]
    return list(dict.fromkeys(found))


def _observed(policy: Policy) -> Iterator[str]:
    if policy.mode == "observe":
        yield "mode: observe: nothing is changed or refused, verdicts are only recorded"
    if policy.egress.mode == "observe":
        yield "egress.mode: observe: destinations outside the jurisdictions are reached all the same"
    for stage in (Stage.INPUT, Stage.OUTPUT):
        for pattern, rule in getattr(policy, stage).rules.items():
            if any(step.enforced is not step.action for step in rule.steps):
                yield f"{stage}.rules.{pattern} ({rule.origin}): mode: observe: what it finds passes"


def _kept_content(policy: Policy) -> Iterator[str]:
    trace = policy.trace
    if trace.content == "encrypted":
        yield f"trace.content: encrypted: {trace.what} texts of every call are kept for whoever holds the auditor's key"
    elif trace.auditor_key or trace.what != "redacted":
        yield "trace.auditor_key, trace.what: without effect: content is none"


def _failing_open(policy: Policy) -> Iterator[str]:
    for stage in (Stage.INPUT, Stage.OUTPUT, Stage.LOGS):
        for kind in (
            *(f"guard.unavailable.{w}" for w in UNAVAILABLE),
            *(f"guard.opaque.{w}" for w in OPAQUE),
        ):
            step = rule_for(policy, stage, kind).step(1.0)
            if step.action is not Action.BLOCK:
                yield f"{stage}.rules.{step.rule} ({step.origin}): {step.action.word}: {kind} fails open"
    if policy.output.stream.hold == "none":
        yield "output.stream.hold: none: a stream is released before it is judged"
    if "*" in policy.restore.tools:
        yield 'restore.tools: "*": originals go into the arguments of whatever tool the model calls'
    for endpoint in policy.endpoints.allow:
        yield f"endpoints.allow: {endpoint} passes unscreened"
    for terms in policy.recognizers.lists:
        if terms.allow:
            whose = f" for {', '.join(terms.tenants)}" if terms.tenants else ""
            yield f"recognizers.lists: {terms.name}: its {len(terms.words)} terms are no findings{whose}"


def _unjudged(policy: Policy) -> Iterator[str]:
    acting = any(kind.startswith("moderation.") for kind in wanted(policy, Stage.OUTPUT))
    if acting and not judges(policy):
        yield "moderation.by: off: the moderation rules of the output are never asked for"
    places = policy.egress.jurisdictions
    if places is None or policy.moderation.url or policy.moderation.by != "openai" or not judges(policy):
        return
    inside = frozenset[str]().union(*map(countries, places))
    if not any(whole <= inside for whole in _MODERATED):
        where = ", ".join(places)
        yield f"egress.jurisdictions: no host of OpenAI moderates inside {where}: set moderation.url, or by: off"


def _unlabelled(policy: Policy) -> Iterator[str]:
    """What a guard model cannot say, though a rule acts on it; and labels that lead to nothing."""
    judge = policy.moderation
    if judge.by != "guard-model":
        return
    acting = {kind for kind in wanted(policy, Stage.OUTPUT) if kind.startswith("moderation.")}
    missing = sorted(acting - {f"moderation.{category}" for category in judge.categories})
    if missing:
        yield f"moderation.by: guard-model: {judge.model} has no label for {', '.join(missing)}: no rule acts on it"
    for label, kinds in judge.labels.items():
        if not kinds:
            yield f"moderation.labels: {label}: what the model marks so passes"


def _idle(policy: Policy) -> Iterator[str]:
    acted = frozenset[str]().union(
        *(wanted(policy, stage) for stage in (Stage.INPUT, Stage.OUTPUT, Stage.LOGS))
    )
    for name in policy.recognizers.presidio.recognizers:
        kind = PRESIDIO_RECOGNIZERS[name]
        if kind not in acted:
            yield f"recognizers.presidio: {name} finds {kind}, on which no rule acts: name the kind in a rule"
    engine = policy.recognizers.presidio.engine
    if engine != "none" and acted.isdisjoint(ENGINE_KINDS):
        yield f"recognizers.presidio.engine: {engine} finds people and places, on which no rule acts: name pii.person"
    for custom in policy.recognizers.custom:
        if custom.kind not in acted:
            yield f"recognizers.custom: {custom.name} finds {custom.kind}, on which no rule acts"
    for terms in policy.recognizers.lists:
        if terms.deny and terms.deny not in acted:
            yield f"recognizers.lists: {terms.name} finds {terms.deny}, on which no rule acts: name it in one"


def _idle_traffic(policy: Policy) -> Iterator[str]:
    budget = policy.traffic.budget
    if budget.then.use and budget.usd_per_month is None and budget.tenant_usd_per_month is None:
        yield "traffic.budget.then: no limit stops the cheaper model: write usd_per_month to have one"


def _judged_where_it_fails(policy: Policy) -> Iterator[str]:
    """Fallbacks at other providers for the outage of an upstream that is the judge's, too."""
    if policy.moderation.url or policy.moderation.by != "openai" or not judges(policy):
        return
    for model, others in policy.traffic.fallbacks.items():
        elsewhere = [other for other in others if owner_of(policy.providers, other) is not None]
        if elsewhere and owner_of(policy.providers, model) is None:
            yield (
                f"traffic.fallbacks.{model}: {elsewhere[0]} answers when the upstream is out, and the judge is asked"
                " there, too: its answers are refused until it is back; set moderation.url, or GUARD_MODERATION_URL"
            )


def _idle_alerts(policy: Policy) -> Iterator[str]:
    alerts = policy.traffic.alerts
    if alerts.webhook and not alerts.watched and not alerts.budget:
        yield "traffic.alerts.webhook: it hears of break-glass only: write p99_s: 2, or budget: [80, 100], for more"


def _excepted(policy: Policy, today: datetime.date) -> Iterator[str]:
    for row in policy.exceptions:
        what = f"exceptions ({row.origin}): {row.kind} for {row.tenant} ({row.ticket}, {row.approved_by})"
        ended = datetime.date.fromisoformat(row.until) < today
        yield (
            f"{what}: ended on {row.until}: take it out"
            if ended
            else f"{what}: only flagged until {row.until}"
        )


def _nowhere(policy: Policy) -> Iterator[str]:
    """Attached policies whose places have nothing in common with those of this one."""
    for row in policy.attach:
        if combine(policy, [row.under]).policy.egress.jurisdictions == ():
            yield (
                f"attach ({row.origin}): no place is in both {policy.policy} and {row.policy}: every call of its"
                " requests is refused (451); attach each to tenants of its own"
            )


def _dates(policy: Policy, today: datetime.date) -> Iterator[str]:
    if policy.review_by and datetime.date.fromisoformat(policy.review_by) < today:
        yield f"review_by: {policy.review_by} has passed"
    if policy.effective and datetime.date.fromisoformat(policy.effective) > today:
        yield f"effective: {policy.effective} is still to come, but the policy holds from the moment it is loaded"
