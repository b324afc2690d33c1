"""Keys of `traffic` that would do nothing beside the others of the policy: such a policy does not load."""

from __future__ import annotations

from collections.abc import Iterator

from guard.policy.fields import Node
from guard.policy.resolve import Loaded
from guard.policy.source import KeyPath, Problem, dotted
from guard.policy.traffic import Traffic


def without_effect(loaded: Loaded) -> list[Problem]:
    """What a policy asks for in vain, at the place that says it, and what to write beside it."""
    return [_problem(loaded, path, text) for path, text in _idle(loaded.policy.traffic)]


def _problem(loaded: Loaded, path: KeyPath, text: str) -> Problem:
    name, _, line = loaded.values[path][1].rpartition(":")
    file = next((file for file in loaded.files if file.name == name), loaded.files[-1])
    return Problem.at(str(file), int(line), dotted(path), text)


def _idle(traffic: Traffic) -> Iterator[tuple[KeyPath, str]]:
    budget = traffic.budget
    if traffic.retries.attempts == 1 and not traffic.fallbacks:
        for key in _changed(traffic.retries, "max_wait_s", "deadline_s"):
            yield (
                ("traffic", "retries", key),
                "has no effect, since nothing is tried again: write attempts: 2 or more",
            )
    if not traffic.limits.limited:
        for key in _changed(traffic.limits, "per", "wait"):
            yield (
                ("traffic", "limits", key),
                "has no effect without a limit: write requests_per_minute, or another",
            )
    if budget.then.use and budget.usd_per_day is None and budget.tenant_usd_per_day is None:
        yield ("traffic", "budget", "then"), "has no effect without a day's limit: write usd_per_day"
    if budget.unknown_usd is not None and not budget.limited:
        yield (
            ("traffic", "budget", "unknown_usd"),
            "has no effect without a limit: write usd_per_day or usd_per_month",
        )
    if traffic.alerts.budget and not budget.limited:
        yield (
            ("traffic", "alerts", "budget"),
            "has no effect without a budget: write traffic.budget.usd_per_day",
        )


def _changed(node: Node, *keys: str) -> Iterator[str]:
    """The keys of a mapping that are not as they are when nobody writes them."""
    return (key for key in keys if getattr(node, key) != type(node).model_fields[key].default)
