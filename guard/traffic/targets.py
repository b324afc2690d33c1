"""The models that a policy's traffic names: which of them nobody knows, have stopped answering, or soon will."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

from guard.traffic.prices import Prices
from guard.wire.models import SHUTDOWNS, Shutdown, base

if TYPE_CHECKING:
    from guard.policy.traffic import Traffic

AHEAD = timedelta(days=90)
"""How long before a shutdown one is told."""


def named(traffic: Traffic) -> dict[str, str]:
    """The models that may be asked in another's place, and the key that names each first."""
    found = {m: f"traffic.fallbacks.{asked}" for asked, listed in traffic.fallbacks.items() for m in listed}
    if traffic.budget.then.use:
        found.setdefault(traffic.budget.then.use, "traffic.budget.then.use")
    return found


def problems(traffic: Traffic, today: date) -> Iterator[str]:
    """Say of each model that may not be asked why, and what to write instead; a model with an own price is known."""
    prices = Prices(traffic.budget.prices)
    for model, key in named(traffic).items():
        stop = _stop(model, traffic)
        if stop is not None and stop.date <= today:
            yield f"{key}: {model} stopped answering on {stop.date}: {_instead(stop)}"
        elif key.startswith("traffic.fallbacks") and (what := prices.problem(model)):
            yield f"{key}: {model} {what}"


def ending(traffic: Traffic, today: date) -> Iterator[str]:
    """Say of each model that will stop answering within 90 days when, and what to write instead."""
    for model in dict.fromkeys((*traffic.fallbacks, *named(traffic))):
        stop = _stop(model, traffic)
        if stop is not None and today < stop.date <= today + AHEAD:
            days = (stop.date - today).days
            yield f"{model} stops answering on {stop.date}, in {days} days: {_instead(stop)}"


def _stop(model: str, traffic: Traffic) -> Shutdown | None:
    return None if model in traffic.budget.prices else SHUTDOWNS.get(base(model))


def _instead(stop: Shutdown) -> str:
    return f"name {stop.instead}" if stop.instead else "name another"
