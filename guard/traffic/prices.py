"""What a call costs: the policy's own rows first, then the prices that ship with `genai-prices`, offline.

Money is whole numbers: pico-dollars a token (a US dollar a million tokens is a million of them), micro-dollars a
call, rounded up. A price that is not known is never zero.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any, Protocol

from guard.traffic.usage import BOUND, Tokens

PICO_A_MICRO = 1_000_000
PRIORITY = 2
"""How many times the standard price `service_tier: priority` costs at most (OpenAI's price list of 2026)."""

RESIDENT_PERCENT = 10
"""What a regional host of OpenAI adds (its data residency guide: models released from 2026-03-05 on)."""

_RESIDENT_SUFFIX = ".api.openai.com"
_KEEP_S = 600.0
_KEPT = 1024

Steps = tuple[tuple[int, int], ...]
"""Price by context length: from more than so many input tokens on, so many pico-dollars a token; ascending."""


class Row(Protocol):
    """A price as a policy writes it, in US dollars for a million tokens."""

    @property
    def input(self) -> float: ...
    @property
    def output(self) -> float: ...
    @property
    def cached(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Price:
    """What a model's tokens cost; in a longer context all of them cost more."""

    input: Steps
    output: Steps
    cached: Steps
    cache_writes: Steps
    context: int | None = None

    def micro(self, tokens: Tokens, *, times: int = 1, percent: int = 100) -> int:
        """The cost of so many tokens in micro-dollars, rounded up."""
        plain = tokens.input - tokens.cached - tokens.cache_writes
        pico = (
            plain * _at(self.input, tokens.input)
            + tokens.cached * _at(self.cached, tokens.input)
            + tokens.cache_writes * _at(self.cache_writes, tokens.input)
            + tokens.output * _at(self.output, tokens.input)
        )
        return -(-pico * times * percent // (PICO_A_MICRO * 100))

    def most(self, tokens: Tokens, *, times: int = 1, percent: int = 100) -> int:
        """The cost in micro-dollars where nothing comes from a cache and all of it may go into one."""
        dear = max(_at(self.input, tokens.input), _at(self.cache_writes, tokens.input))
        pico = tokens.input * dear + tokens.output * _at(self.output, tokens.input)
        return -(-pico * times * percent // (PICO_A_MICRO * 100))


def _at(steps: Steps, length: int) -> int:
    return next(price for start, price in reversed(steps) if length > start or start == 0)


class Prices:
    """Finds prices by model and host; a look-up is kept for some minutes. Thread-safe."""

    def __init__(self, own: Mapping[str, Row], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._own = {model: _own_price(row) for model, row in own.items()}
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[float, Price | None]] = {}

    def warm(self) -> None:
        """Read the list before a call would wait for it."""
        _listed("gpt-4o", "api.openai.com")

    def fits(self, model: str, host: str, tokens: Tokens, name: str = "") -> bool:
        """Whether a call fits into a model's context window; one that is not known may be large enough."""
        price = self.of(model, host, name)
        return (
            price is None or price.context is None or tokens.input // BOUND + tokens.output <= price.context
        )

    def problem(self, model: str, host: str = "") -> str:
        """Why a model should not be fallen back to: nobody knows it, or its provider has withdrawn it; or nothing."""
        if model in self._own:
            return ""
        found = _model(model, host)
        if found is None:
            return "is not known: write it with its price under traffic.budget.prices"
        return "is withdrawn by its provider: name another" if found.deprecated else ""

    def of(self, model: str, host: str, name: str = "") -> Price | None:
        """The price of a model at a host; None where it is not known. An own price of `provider/model` goes first."""
        if name in self._own:
            return self._own[name]
        if model in self._own:
            return self._own[model]
        now = self._clock()
        kept, price = self._known.get((model, host), (-_KEEP_S, None))
        if now - kept < _KEEP_S:
            return price
        price = _listed(model, host)
        with self._lock:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[model, host] = (now, price)
        return price


def surcharge(host: str) -> int:
    """The percent of the list price that a host asks: 110 at OpenAI's regional hosts."""
    return 100 + RESIDENT_PERCENT if host.endswith(_RESIDENT_SUFFIX) else 100


def times(tier: Any) -> int:
    """How many times the list price a service tier may cost; cheaper tiers are counted as the standard one."""
    return PRIORITY if tier == "priority" else 1


def _own_price(row: Row) -> Price:
    cached = row.input if row.cached is None else row.cached
    plain = _steps(Decimal(str(row.input)))
    return Price(plain, _steps(Decimal(str(row.output))), _steps(Decimal(str(cached))), plain)


def _listed(model: str, host: str) -> Price | None:
    found = _model(model, host)
    return None if found is None else _read(found.get_prices(datetime.now(UTC)), found.context_window)


def _model(model: str, host: str) -> Any:
    """A model of the list, the one of the provider at this host first."""
    from genai_prices.data_snapshot import get_snapshot

    snapshot = get_snapshot()
    for where in (f"https://{host}", None):
        try:
            return snapshot.find_provider_model(model, None, None, where)[1]
        except LookupError:
            continue
    return None


def _read(listed: Any, context: int | None) -> Price | None:
    """A price row of the list; None for one that prices no tokens (by the image, by the minute)."""
    if listed.input_mtok is None:
        return None
    plain = _steps(listed.input_mtok)
    cached = plain if listed.cache_read_mtok is None else _steps(listed.cache_read_mtok)
    writes = plain if listed.cache_write_mtok is None else _steps(listed.cache_write_mtok)
    output = ((0, 0),) if listed.output_mtok is None else _steps(listed.output_mtok)
    return Price(plain, output, cached, writes, context)


def _steps(price: Any) -> Steps:
    if isinstance(price, Decimal):
        return ((0, _pico(price)),)
    return ((0, _pico(price.base)), *((tier.start, _pico(tier.price)) for tier in price.tiers))


def _pico(dollars_a_million: Decimal) -> int:
    return int((dollars_a_million * PICO_A_MICRO).to_integral_value(ROUND_CEILING))
