"""The quota of a judge, as its rate-limit headers tell it: reading them, keeping under it, what it is enough for.

The headers are those of OpenAI's API (`x-ratelimit-limit-requests`, `-remaining-`, `-reset-`, and the same for
tokens; https://platform.openai.com/docs/guides/rate-limits); other providers copy them. Time is passed in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from guard.text import window_sizes

_PREFIX = "x-ratelimit"
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)", re.ASCII)
_DURATION = re.compile(r"(?=\d)" + "".join(rf"(?:\d+(?:\.\d+)?{unit})?" for unit in _UNITS), re.ASCII)
_MINUTE = 60.0

PATIENCE = 1.0
"""Seconds to wait after a 429 that does not say for how long."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One limit as an answer told it: how much a minute, how much of it is left, when all of it is back (seconds)."""

    limit: float
    remaining: float
    reset_s: float

    @property
    def rate(self) -> float:
        """How much comes back a second."""
        used = self.limit - self.remaining
        return used / self.reset_s if used > 0 and self.reset_s > 0 else self.limit / _MINUTE


@dataclass(frozen=True, slots=True)
class Quota:
    """What one answer said of its limits; None where it said nothing that can be read."""

    requests: Reading | None = None
    tokens: Reading | None = None
    retry_after_s: float | None = None


def read_quota(headers: Mapping[str, str]) -> Quota:
    """Read the rate-limit headers of an answer; their names are in lower case."""
    after = _number(headers.get("retry-after", ""))
    milliseconds = _number(headers.get("retry-after-ms", ""))
    return Quota(
        _reading(headers, "requests"),
        _reading(headers, "tokens"),
        after if milliseconds is None else milliseconds / 1000,
    )


def _reading(headers: Mapping[str, str], what: str) -> Reading | None:
    limit = _number(headers.get(f"{_PREFIX}-limit-{what}", ""))
    remaining = _number(headers.get(f"{_PREFIX}-remaining-{what}", ""))
    if not limit or remaining is None:
        return None
    return Reading(limit, min(remaining, limit), seconds(headers.get(f"{_PREFIX}-reset-{what}", "")) or 0.0)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def seconds(text: str) -> float | None:
    """Read a duration such as `1.5`, `120ms` or `6m0s`, in seconds; None for what is none."""
    plain = _number(text)
    return duration(text.strip()) if plain is None else plain


def duration(text: str) -> float | None:
    """Read a length in Go's notation (`6m0s`, `120ms`, `23h47m36.648s`), in seconds; None for what is none."""
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


@dataclass(slots=True)
class _Level:
    """How much of one limit is left by our own count, between two readings."""

    reading: Reading
    level: float
    at: float

    def left(self, now: float) -> float:
        return min(self.reading.limit, self.level + (now - self.at) * self.reading.rate)

    def wait(self, now: float, amount: float) -> float:
        """Seconds until so much is there; more than the limit is let go when all of it is."""
        missing = min(amount, self.reading.limit) - self.left(now)
        return missing / self.reading.rate if missing > 1e-9 else 0.0

    def spend(self, now: float, amount: float) -> None:
        self.level, self.at = self.left(now) - amount, now


@dataclass(slots=True)
class Pace:
    """Keeps requests under a quota that is only known from answers: ask `delay`, then `spend`, then tell `answered`.

    What is under way has been spent already, whether or not the answer that is read next counts it.
    """

    _requests: _Level | None = None
    _tokens: _Level | None = None
    _closed_until: float = 0.0
    _flying: int = 0
    _flying_tokens: int = 0
    quota: Quota = field(default_factory=Quota)

    def delay(self, now: float, tokens: int) -> float:
        """Seconds until a request of so many tokens may leave."""
        waits = [self._closed_until - now]
        waits += [self._requests.wait(now, 1)] if self._requests else []
        waits += [self._tokens.wait(now, tokens)] if self._tokens else []
        return max(0.0, *waits)

    def spend(self, now: float, tokens: int) -> None:
        """Count a request that leaves."""
        self._flying += 1
        self._flying_tokens += tokens
        for level, amount in ((self._requests, 1), (self._tokens, tokens)):
            if level:
                level.spend(now, amount)

    def answered(self, now: float, tokens: int, quota: Quota, *, refused: bool = False) -> None:
        """Take what an answer said; `refused` is a 429. A request that got none is told with an empty quota."""
        self._flying -= 1
        self._flying_tokens -= tokens
        if refused:
            self._closed_until = max(self._closed_until, now + _pause(quota))
        if quota.requests:
            self._requests = _Level(quota.requests, quota.requests.remaining - self._flying, now)
        if quota.tokens:
            self._tokens = _Level(quota.tokens, quota.tokens.remaining - self._flying_tokens, now)
        if quota.requests or quota.tokens:
            self.quota = quota


def _pause(quota: Quota) -> float:
    if quota.retry_after_s is not None:
        return quota.retry_after_s
    empty = [r.reset_s for r in (quota.requests, quota.tokens) if r and r.remaining < 1 and r.reset_s]
    return max(empty, default=PATIENCE)


@dataclass(frozen=True, slots=True)
class Load:
    """What judging one answer costs: requests (shared ones count in part), and the tokens in them."""

    requests: float
    tokens: int


def streamed_load(tokens: int, *, first: int, step: int, context: int, seats: float = 0) -> Load:
    """What a streamed answer of so many tokens costs.

    Its last request carries the whole answer beside the last window, where there is more than one window. `seats`:
    how many texts share a request (below 1: how much of a request that makes one text); 0: a window goes alone.
    """
    sizes = window_sizes(tokens, first, step)
    texts = len(sizes) + (len(sizes) > 1)
    behind = sum(min(context, sum(sizes[:place])) for place in range(len(sizes)))
    carried = sum(sizes) + behind + (tokens if len(sizes) > 1 else 0)
    return Load(texts / seats if seats else len(sizes), carried)


def answers_a_minute(quota: Quota, load: Load) -> int | None:
    """How many answers of such a load a quota allows a minute; None where no limit is known."""
    bounds = [
        reading.limit / cost
        for reading, cost in ((quota.requests, load.requests), (quota.tokens, load.tokens))
        if reading and cost
    ]
    return int(min(bounds)) if bounds else None
