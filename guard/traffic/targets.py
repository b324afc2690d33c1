"""The models that a policy's traffic names: which of them nobody knows, have stopped answering, or soon will."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from guard.policy.attach import covers
from guard.policy.providers import Provider, called, owner_of
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


def problems(
    traffic: Traffic, today: date, providers: Mapping[str, Provider] = MappingProxyType({})
) -> Iterator[str]:
    """Say of each model that may not be asked why, and what to write instead.

    A model with an own price is known, and so is one that its provider lists.
    """
    prices = Prices(traffic.budget.prices)
    yield from _twice(traffic, providers)
    for model, key in named(traffic).items():
        owner = owner_of(providers, model)
        stop = _stop(model, traffic, providers)
        if stop is not None and stop.date <= today:
            yield f"{key}: {model} stopped answering on {stop.date}: {_instead(stop)}"
        elif key.startswith("traffic.fallbacks") and (what := _unknown(prices, model, owner, providers)):
            yield f"{key}: {model} {what}"


def _unknown(
    prices: Prices, model: str, owner: tuple[str, str] | None, providers: Mapping[str, Provider]
) -> str:
    """Why a model should not be fallen back to; nothing where it is known."""
    if owner is None:
        return prices.problem(model)
    provider = providers[owner[0]]
    if any(covers(pattern, owner[1]) for pattern in provider.models) or not prices.problem(model):
        return ""
    return prices.problem(owner[1], provider.base.split("/")[2])


def _twice(traffic: Traffic, providers: Mapping[str, Provider]) -> Iterator[str]:
    """Say which models have two lists, under two of their names."""
    seen: dict[str, str] = {}
    for asked in traffic.fallbacks:
        if (other := seen.setdefault(called(providers, asked), asked)) != asked:
            yield f"traffic.fallbacks.{asked}: means the same model as {other}: write one list"


def ending(
    traffic: Traffic, today: date, providers: Mapping[str, Provider] = MappingProxyType({})
) -> Iterator[str]:
    """Say of each model that will stop answering within 90 days when, and what to write instead."""
    for model in dict.fromkeys((*traffic.fallbacks, *named(traffic))):
        stop = _stop(model, traffic, providers)
        if stop is not None and today < stop.date <= today + AHEAD:
            days = (stop.date - today).days
            yield f"{model} stops answering on {stop.date}, in {days} days: {_instead(stop)}"


def _stop(model: str, traffic: Traffic, providers: Mapping[str, Provider]) -> Shutdown | None:
    """When a model of OpenAI stops answering; that says nothing of another provider's model of the same name."""
    owner = owner_of(providers, model)
    if owner is not None and providers[owner[0]].api != "openai":
        return None
    return None if model in traffic.budget.prices else SHUTDOWNS.get(base(owner[1] if owner else model))


def _instead(stop: Shutdown) -> str:
    return f"name {stop.instead}" if stop.instead else "name another"
