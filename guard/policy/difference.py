"""Two policies compared in words: each rule and value that differs, and which of the two is the stricter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from guard.policy.names import most_exact
from guard.policy.resolve import STAGES, Loaded
from guard.policy.rules import Rule, is_looser
from guard.policy.show import value_text
from guard.policy.source import dotted
from guard.policy.values import VALUES

Trend = Literal["tighter", "looser", "other"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that means something else in the second policy, and where each of the two says so."""

    key: str
    before: str
    after: str
    trend: Trend
    origins: tuple[str, str]

    def __str__(self) -> str:
        return f"{self.key}: {self.before} → {self.after} ({self.trend})"


def differences(before: Loaded, after: Loaded) -> list[Difference]:
    """List what differs from one policy to another, rules first; their names, versions and owners do not count.

    A pattern that only one of the two names is compared with what the other does with it by a wider pattern.
    `tighter` and `looser` hold at every score; `other` is neither, or has no order (a message, a model).
    """
    return [*_rules(before, after), *_values(before, after)]


def _rules(before: Loaded, after: Loaded) -> Iterator[Difference]:
    for stage in STAGES:
        old, new = (getattr(loaded.policy, stage).rules for loaded in (before, after))
        for pattern in dict.fromkeys((*old, *new)):
            first, second = _rule(old, pattern), _rule(new, pattern)
            if first.meaning() != second.meaning():
                yield Difference(
                    f"{stage}.rules.{pattern}",
                    str(first),
                    str(second),
                    _trend(is_looser(second, first), is_looser(first, second)),
                    (_origin(first), _origin(second)),
                )


def _rule(rules: Mapping[str, Rule], pattern: str) -> Rule:
    """The rule of the most specific pattern that covers another; none allows."""
    covering = most_exact(rules, pattern)
    return rules[covering] if covering is not None else Rule(())


def _origin(rule: Rule) -> str:
    return rule.steps[0].origin if rule.steps else rule.origin


def _values(before: Loaded, after: Loaded) -> Iterator[Difference]:
    for path, value in VALUES.items():
        (old, first), (new, second) = before.values[path], after.values[path]
        if old != new:
            trend = _trend(value.is_looser(new, old), value.is_looser(old, new)) if value.ordered else "other"
            texts = value_text(path, old), value_text(path, new)
            yield Difference(dotted(path), *texts, trend, (first, second))


def _trend(looser: bool, tighter: bool) -> Trend:
    if looser == tighter:
        return "other"
    return "looser" if looser else "tighter"
