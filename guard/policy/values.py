"""Values that are no rules: which of two is the stricter, and what an extending file does to a pack's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from guard.policy import names
from guard.policy.fields import days
from guard.policy.model import HOLDS
from guard.policy.source import KeyPath
from guard.types import Place

Combine = Callable[[Any, Any], Any]


def _last(first: Any, second: Any) -> Any:
    """Take the later of two values of which neither is stricter, unless it is empty."""
    return second or first


def _least(first: Any, second: Any) -> Any:
    """The smaller of two limits; None is no limit."""
    return min((limit for limit in (first, second) if limit is not None), default=None)


def _shorter(first: str, second: str) -> str:
    """The shorter of two periods; an empty one is for ever."""
    return min((period for period in (first, second) if period), key=days, default="")


def _longer(first: str, second: str) -> str:
    return max(first, second, key=days)


def _any_engine(first: str, second: str) -> str:
    """Take an engine rather than none, the earlier of two."""
    return second if first == "none" else first


def _ranked(*strictest_first: str) -> Combine:
    return lambda first, second: min(first, second, key=strictest_first.index)


def _union(first: tuple[Any, ...] | None, second: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    """Join two lists; None stands for everything."""
    return None if first is None or second is None else tuple(dict.fromkeys((*first, *second)))


def _common(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(item for item in first if item in second)


def _tools(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """Keep the tools that both name; `*` names all."""
    if "*" in first or "*" in second:
        return second if "*" in first else first
    return _common(first, second)


def _inside_both(first: tuple[str, ...] | None, second: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if first is None or second is None:
        return second if first is None else first
    return names.intersect(first, second)


def _more_places(first: Mapping[str, Place], second: Mapping[str, Place]) -> dict[str, Place]:
    """Join declarations of hosts; a host that both declare is in all the places of both."""
    both = {host: _joined(first[host], second[host]) for host in first if host in second}
    return {**first, **second, **both}


def _narrower(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Join tables of places by kind: for each pattern the places that both leave; what repeats a wider is left out."""
    both = {pattern: _kept(first, second, pattern) for pattern in sorted({*first, *second})}
    return {pattern: kept for pattern, kept in both.items() if kept != _wider(both, pattern)}


def _kept(first: Mapping[str, Any], second: Mapping[str, Any], pattern: str) -> Any:
    found = [
        table[near] for table in (first, second) if (near := names.most_exact(table, pattern)) is not None
    ]
    places = found[0].jurisdictions
    for other in found:
        places = names.intersect(places, other.jurisdictions)
    return found[0].model_copy(update={"jurisdictions": tuple(sorted(places))})


def _wider(table: Mapping[str, Any], pattern: str) -> Any:
    near = names.most_exact((other for other in table if other != pattern), pattern)
    return None if near is None else table[near]


def _joined(first: Place, second: Place) -> Place:
    if first.region or second.region:
        shared = set(first.deployments) & set(second.deployments) if first.region == second.region else set()
        return replace(first if first.region else second, deployments=tuple(sorted(shared)))
    return Place(
        tuple(dict.fromkeys((*first.processing, *second.processing))),
        tuple(dict.fromkeys((*first.storage, *second.storage))),
    )


def _more_text(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Join routes; a route that both name is read at all the paths of both, but for what both leave out."""
    both = {key: _joined_route(first[key], second[key]) for key in first if key in second}
    return {**first, **second, **both}


def _joined_route(first: Any, second: Any) -> Any:
    (input_, less), (output, fewer) = (
        (_union(one[0], other[0]), _common(one[1], other[1]))
        for one, other in ((first.inward, second.inward), (first.outward, second.outward))
    )
    left = type(first.except_)(input=less, output=fewer)
    return type(first)(input=input_, output=output, **{"except": left})


_JUDGES = {"guard-model": 0, "openai": 1, "inline": 1, "off": 2}


def _some_judge(first: str, second: str) -> str:
    """Take a judge of one's own before a provider's, any before none; of a provider's two the first."""
    return min(first, second, key=_JUDGES.__getitem__)


def _more_labels(
    first: Mapping[str, tuple[str, ...]], second: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    """Join tables of labels; a label of both means the kinds of both."""
    both = {
        label: tuple(dict.fromkeys((*first[label], *second[label]))) for label in first if label in second
    }
    return {**first, **second, **both}


def _replaced(base: Any, own: Any) -> Any:
    return own


def _updated(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    return {**base, **own}


def _kept_first(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Join tables of which neither is stricter; of what both name the first stays: nothing leads it elsewhere."""
    return {**first, **{name: value for name, value in second.items() if name not in first}}


def _updated_by_name(base: tuple[Any, ...], own: tuple[Any, ...]) -> tuple[Any, ...]:
    mine = {item.name for item in own}
    return (*(item for item in base if item.name not in mine), *own)


def _stricter_lists(first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, ...]:
    """Join deny lists; of allow lists keep those that both have."""
    denying = [terms for terms in (*first, *second) if terms.deny]
    return tuple(dict.fromkeys((*denying, *(terms for terms in first if terms.allow and terms in second))))


@dataclass(frozen=True)
class Value:
    """How one value combines: `stricter` among packs, `extend` of the packs' value by the file's own."""

    stricter: Combine
    extend: Combine = _replaced
    ordered: bool = True

    def is_looser(self, after: Any, before: Any) -> bool:
        """Whether a value allows more than another; a value without an order is never looser."""
        return self.ordered and _plain(self.stricter(after, before)) != _plain(self.stricter(after, after))


def _plain(value: Any) -> Any:
    return frozenset(value) if isinstance(value, tuple) else value


def _first_proxy(first: Any, second: Any) -> Any:
    """Keep the first proxy there is: nothing leads it elsewhere."""
    return first if first.url else second


_MODE = Value(_ranked("enforce", "observe"))
_ANY = Value(_last, ordered=False)

VALUES: Mapping[KeyPath, Value] = {
    ("mode",): _MODE,
    ("output", "stream", "first"): Value(min),
    ("output", "stream", "step"): Value(min),
    ("output", "stream", "context"): Value(max),
    ("output", "stream", "hold"): Value(_ranked(*HOLDS)),
    ("output", "stream", "at_least"): Value(_ranked(*HOLDS), _ranked(*HOLDS)),
    ("output", "tools"): Value(_tools),
    ("restore", "tools"): Value(_tools),
    ("restore", "hint"): _ANY,
    ("messages", "input"): _ANY,
    ("messages", "output"): _ANY,
    ("messages", "self-harm"): _ANY,
    ("logs", "locale"): _ANY,
    ("egress", "jurisdictions"): Value(_inside_both, _inside_both),
    ("egress", "hosts"): Value(_more_places, _updated),
    ("egress", "mode"): _MODE,
    ("egress", "rules"): Value(_narrower, _narrower),
    ("egress", "proxy"): Value(_first_proxy, ordered=False),
    ("recognizers", "countries"): Value(_union),
    ("recognizers", "names"): _ANY,
    ("recognizers", "presidio", "recognizers"): Value(_union),
    ("recognizers", "presidio", "engine"): Value(_any_engine),
    ("recognizers", "presidio", "model"): _ANY,
    ("recognizers", "presidio", "deadline_ms"): Value(min),
    ("recognizers", "except"): Value(_common),
    ("recognizers", "custom"): Value(_union, _updated_by_name),
    ("recognizers", "lists"): Value(_stricter_lists, _updated_by_name),
    ("moderation", "by"): Value(_some_judge),
    ("moderation", "url"): _ANY,
    ("moderation", "model"): _ANY,
    ("moderation", "timeout_s"): Value(min),
    ("moderation", "cache_s"): Value(min),
    ("moderation", "dialect"): _ANY,
    ("moderation", "labels"): Value(_more_labels, _updated),
    ("legacy",): Value(_ranked("refuse", "translate", "pass")),
    ("providers",): Value(_kept_first, _updated, ordered=False),
    ("traffic", "idempotency"): _ANY,
    ("traffic", "dead_letters"): _ANY,
    ("traffic", "retries", "attempts"): _ANY,
    ("traffic", "retries", "max_wait_s"): _ANY,
    ("traffic", "retries", "deadline_s"): _ANY,
    ("traffic", "fallbacks"): Value(_updated, _updated, ordered=False),
    ("traffic", "limits", "requests_per_minute"): Value(_least),
    ("traffic", "limits", "tokens_per_minute"): Value(_least),
    ("traffic", "limits", "concurrent"): Value(_least),
    ("traffic", "limits", "per"): _ANY,
    ("traffic", "limits", "wait"): _ANY,
    ("traffic", "budget", "usd_per_day"): Value(_least),
    ("traffic", "budget", "usd_per_month"): Value(_least),
    ("traffic", "budget", "tenant_usd_per_day"): Value(_least),
    ("traffic", "budget", "tenant_usd_per_month"): Value(_least),
    ("traffic", "budget", "then"): _ANY,
    ("traffic", "budget", "unknown_usd"): _ANY,
    ("traffic", "budget", "prices"): Value(_updated, _updated, ordered=False),
    ("traffic", "budget", "answer_tokens"): _ANY,
    ("traffic", "alerts", "p50_s"): Value(_least),
    ("traffic", "alerts", "p99_s"): Value(_least),
    ("traffic", "alerts", "p999_s"): Value(_least),
    ("traffic", "alerts", "first_token_ms"): Value(_least),
    ("traffic", "alerts", "token_spike_percent"): Value(_least),
    ("traffic", "alerts", "budget"): Value(_union),
    ("traffic", "alerts", "webhook"): _ANY,
    ("trace", "content"): Value(_ranked("none", "encrypted")),
    ("trace", "auditor_key"): _ANY,
    ("trace", "what"): Value(_ranked("redacted", "original")),
    ("trace", "export"): _ANY,
    ("trace", "subjects", "period"): Value(_ranked("month", "quarter", "year")),
    ("trace", "keep"): Value(_shorter),
    ("trace", "at_least"): Value(_longer, _longer),
    ("endpoints", "allow"): Value(_common),
    ("routes",): Value(_more_text, _updated),
    ("attach",): Value(_union, _union),
    ("exceptions",): Value(_common, _union),
    ("break_glass", "never"): Value(_union, _union),
}
"""Every value that an extending file takes over; a longer context is stricter: the judge sees more."""
