"""What a policy says of the traffic around model calls; a part of the tree of `guard.policy.model`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from guard.policy import fields
from guard.policy.fields import Node
from guard.policy.rules import wrong


def _or_any(value: Any) -> Any:
    if isinstance(value, str) and value != "any":
        raise wrong("is no number: write a number, or any for no limit")
    return None if value == "any" else value


_USD = {"type": "number", "exclusiveMinimum": 0}
Dollars = Annotated[
    Annotated[float, Field(gt=0, le=1e9)] | None,
    BeforeValidator(_or_any),
    WithJsonSchema({"oneOf": [{"const": "any"}, _USD]}),
]
"""A limit in US dollars, or `any`: none."""

Cached = Annotated[
    Annotated[float, Field(ge=0, le=1e6)] | None,
    BeforeValidator(_or_any),
    WithJsonSchema({"oneOf": [{"const": "any"}, {"type": "number", "minimum": 0}]}),
]

Model = Annotated[str, Field(min_length=1, max_length=128)]


class Retries(Node):
    """When a call that failed is tried again: 408, 409, 429, 5xx and failed connections, before the first byte."""

    attempts: int = Field(
        default=1,
        ge=1,
        le=10,
        description="how often a call is tried at most, the first time included; 1: once",
    )
    max_wait_s: float = Field(
        default=60.0,
        gt=0,
        le=600,
        description="longest wait between two tries, whatever the provider asks for",
    )
    deadline_s: float = Field(
        default=600.0, gt=0, le=3600, description="all tries and waits together, until the answer has begun"
    )


class Use(Node):
    """Where calls go on when a day's budget is used up; without a model they are refused."""

    use: Annotated[str, Field(max_length=128)] = Field(default="", description="the cheaper model")


def _use(value: Any) -> Any:
    return {} if value == "block" else value


Then = Annotated[
    Use,
    BeforeValidator(_use),
    WithJsonSchema(
        {"anyOf": [{"const": "block"}, {"type": "object", "properties": {"use": {"type": "string"}}}]},
    ),
]


class PriceRow(Node):
    """An own price, in US dollars for a million tokens."""

    input: float = Field(ge=0, le=1e6, description="a million tokens of input")
    output: float = Field(
        default=0.0, ge=0, le=1e6, description="a million tokens of output, reasoning included"
    )
    cached: Cached = Field(default=None, description="a million cached tokens of input; any: as input")


class Budget(Node):
    """How much may be spent, in US dollars; days and months are those of UTC."""

    usd_per_day: Dollars = Field(default=None, description="by all together in a day, or any")
    usd_per_month: Dollars = Field(default=None, description="by all together in a month, or any")
    tenant_usd_per_day: Dollars = Field(default=None, description="by each tenant in a day, or any")
    tenant_usd_per_month: Dollars = Field(default=None, description="by each tenant in a month, or any")
    then: Then = Field(default=Use(), description="at a day's limit: block, or {use: MODEL}")
    unknown_usd: Dollars = Field(
        default=None, description="what a call costs whose price is not known; any: such calls are refused"
    )
    prices: Mapping[Model, PriceRow] = Field(
        default={}, description="own prices by model, before those of genai-prices"
    )
    answer_tokens: int = Field(
        default=4096, ge=1, le=1_000_000, description="reserved for an answer whose request names no maximum"
    )

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        limits = (self.usd_per_day, self.usd_per_month, self.tenant_usd_per_day, self.tenant_usd_per_month)
        return any(limit is not None for limit in limits)


def _seconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not (found := _WAIT.fullmatch(value)):
        raise wrong("is no time: write one such as 2s or 500ms, or 0")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


_WAIT = re.compile(r"(\d+(?:\.\d+)?)(ms|s)", re.ASCII)
_COUNT = {"type": "integer", "minimum": 1}
Count = Annotated[
    Annotated[int, Field(ge=1, le=1_000_000_000)] | None,
    BeforeValidator(_or_any),
    WithJsonSchema({"oneOf": [{"const": "any"}, _COUNT]}),
]
"""A limit, or `any`: none."""

Wait = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(ge=0, le=60),
    WithJsonSchema({"oneOf": [{"type": "string", "pattern": _WAIT.pattern}, {"type": "number"}]}),
]


class Limits(Node):
    """How much may be asked for: in any 60 seconds, and at once."""

    requests_per_minute: Count = Field(default=None, description="calls in any 60 seconds, or any")
    tokens_per_minute: Count = Field(default=None, description="tokens in any 60 seconds, or any")
    concurrent: Count = Field(default=None, description="calls at once in each process, or any")
    per: Literal["tenant", "user", "key", "model", "route"] = Field(
        default="tenant", description="whose limits these are: of each tenant, user, key, model or route"
    )
    wait: Wait = Field(default=0.0, description="how long a call may wait for its turn, such as 2s")

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return any(n is not None for n in (self.requests_per_minute, self.tokens_per_minute, self.concurrent))


_NUMBER_OVER_0 = {"type": "number", "exclusiveMinimum": 0}
Line = Annotated[
    Annotated[float, Field(gt=0, le=86400000)] | None,
    BeforeValidator(_or_any),
    WithJsonSchema({"oneOf": [{"const": "any"}, _NUMBER_OVER_0]}),
]
"""A line that is watched, or `any`: none."""


class Alerts(Node):
    """When somebody is told: lines on times, on the use of tokens and on budgets."""

    p50_s: Line = Field(default=None, description="half of a model's calls are answered in so many seconds")
    p99_s: Line = Field(default=None, description="99 of 100 are")
    p999_s: Line = Field(default=None, description="999 of 1,000 are")
    first_token_ms: Line = Field(
        default=None, description="95 of 100 streamed answers begin in so many milliseconds"
    )
    token_spike_percent: Line = Field(
        default=None, description="how far the use of tokens may rise above its average of the last hour"
    )
    budget: tuple[Literal[50, 80, 100], ...] = Field(
        default=(), description="percent of a budget's limit of which the webhook is told: 50, 80, 100"
    )
    webhook: fields.BaseUrl = Field(
        default="", description="where alerts are posted as JSON; GUARD_ALERT_WEBHOOK goes before it"
    )

    @property
    def watched(self) -> bool:
        """Whether there is a line that numbers are compared with."""
        lines = (self.p50_s, self.p99_s, self.p999_s, self.first_token_ms, self.token_spike_percent)
        return any(line is not None for line in lines)


Fallbacks = Mapping[Model, Annotated[tuple[Model, ...], Field(min_length=1, max_length=8)]]


class Traffic(Node):
    """What surrounds a model call."""

    retries: Retries = Field(default=Retries(), description="when a failed call is tried again")
    limits: Limits = Field(default=Limits(), description="how much may be asked for")
    fallbacks: Fallbacks = Field(
        default={}, description="who may answer for a model: MODEL to a list, in order"
    )
    budget: Budget = Field(default=Budget(), description="how much may be spent")
    idempotency: bool = Field(
        default=False,
        description="whether a call that comes again with its Idempotency-Key gets its first answer",
    )
    dead_letters: bool = Field(
        default=False, description="whether a call that failed for good is stored, screened and sealed"
    )
    alerts: Alerts = Field(default=Alerts(), description="when somebody is told")
