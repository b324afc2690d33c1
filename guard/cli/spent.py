"""What was spent of a policy's budget, as `guard doctor` says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from guard.errors import Unavailable

if TYPE_CHECKING:
    from guard.policy.traffic import Budget as Rules
    from guard.traffic.budget import Budget, Spending


def budget_row(budget: Budget, rules: Rules) -> tuple[Literal["ok", "look", "failed"], str, dict[str, Any]]:
    """How it is, in words, and for machines: all together, and the tenants that are past half of their limit."""
    from guard.outside.stores.spend import LINES

    half, near, whole = LINES
    try:
        limited = sorted(
            _limited(budget, rules), key=lambda row: (row.scope != "total", row.scope, row.period)
        )
    except (Unavailable, TimeoutError):
        return "failed", "what was spent cannot be read: another process holds the store", {}
    told = [row for row in limited if row.scope == "total" or row.percent >= half]
    what = ", ".join(map(_words, told)) or "no tenant has spent half of its limit"
    over = {row.period for row in told if row.percent >= whole}
    if over:
        use = rules.then.use if "month" not in over else ""
        what += (
            f"; where a day is used up calls go on with {use}" if use else "; calls past a limit are refused"
        )
    facts = [{**asdict(row), "percent": row.percent} for row in limited]
    return "look" if any(row.percent >= near for row in told) else "ok", what, {"spending": facts}


def _limited(budget: Budget, rules: Rules) -> Iterator[Spending]:
    """Every account that has a limit; that of all together stands there before anything is spent."""
    from guard.traffic.budget import Spending

    rows = budget.spending()
    known = {(row.scope, row.period) for row in rows}
    for period, limit in (("day", rules.usd_per_day), ("month", rules.usd_per_month)):
        if limit is not None and ("total", period) not in known:
            yield Spending("total", period, 0.0, limit)
    yield from (row for row in rows if row.limit is not None)


def _words(row: Spending) -> str:
    whose = "" if row.scope == "total" else f"{row.scope.replace(':', ' ', 1)}: "
    when = "today" if row.period == "day" else "this month"
    return f"{whose}{row.spent:.2f} of {row.limit:.2f} USD {when} ({row.percent} %)"
