"""What was spent of a policy's budget, as `guard doctor` says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from guard.errors import Unavailable
from guard.outside.stores.spend import LINES

if TYPE_CHECKING:
    from guard.policy.traffic import Budget as Rules
    from guard.traffic.budget import Budget, Spending

_HALF, _NEAR, _WHOLE = LINES


class Row(NamedTuple):
    """One row of doctor's: what it is about, how it is, in words, and for machines."""

    name: str
    state: Literal["ok", "look", "failed"]
    what: str
    facts: dict[str, Any]


def budget_rows(budget: Budget, rules: Rules) -> Iterator[Row]:
    """A row for each limit of all together, and one for the tenants, where they have limits."""
    try:
        spent = budget.spending()
    except (Unavailable, TimeoutError):
        yield Row("budget", "failed", "what was spent cannot be read: another process holds the store", {})
        return
    for name, period, limit in (
        ("budget today", "day", rules.usd_per_day),
        ("budget this month", "month", rules.usd_per_month),
    ):
        if limit is not None:
            yield _total(name, period, limit, spent, rules.then.use)
    if rules.tenant_usd_per_day is not None or rules.tenant_usd_per_month is not None:
        yield _tenants([row for row in spent if row.scope != "total" and row.limit is not None])


def _total(name: str, period: str, limit: float, spent: list[Spending], cheaper: str) -> Row:
    from guard.traffic.budget import Spending

    none = Spending("total", period, 0.0, limit)
    row = next((row for row in spent if (row.scope, row.period) == ("total", period)), none)
    what = f"{row.spent:.2f} of {limit:.2f} USD ({row.percent} %)"
    if row.percent >= _WHOLE:
        on = cheaper and period == "day"
        what = f"{what}; calls go on with {cheaper}" if on else f"{what}; calls are refused"
    return Row(name, _state([row]), what, _facts([row]))


def _tenants(rows: list[Spending]) -> Row:
    past = [row for row in rows if row.percent >= _HALF]
    told = ", ".join(f"{row.scope.removeprefix('tenant:')} ({row.percent} %/{row.period})" for row in past)
    what = f"past half of their limits: {told}" if past else "no tenant has spent half of its limit"
    return Row("budgets of tenants", _state(past), what, _facts(rows))


def _state(rows: list[Spending]) -> Literal["ok", "look"]:
    return "look" if any(row.percent >= _NEAR for row in rows) else "ok"


def _facts(rows: list[Spending]) -> dict[str, Any]:
    return {"spending": [{**asdict(row), "percent": row.percent} for row in rows]}
