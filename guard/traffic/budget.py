"""Spend under a limit: reserve the most that a call may cost before it is sent, settle what it did cost afterwards.

Sans-I/O but for the store: a flow yields the futures that its driver waits for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from guard.errors import Refused
from guard.outside.stores.spend import Account, Crossed, Reserved, SpendStore
from guard.traffic.prices import Price, Prices, surcharge, times
from guard.traffic.usage import Tokens, Tries, used
from guard.traffic.waiting import Waiting

log = logging.getLogger("guard")

MICRO = 1_000_000
"""Micro-dollars in a US dollar."""


class Rules(Protocol):
    """What a policy says of spend, in US dollars; None is no limit, `unknown_usd` None refuses unknown prices."""

    @property
    def usd_per_day(self) -> float | None: ...
    @property
    def usd_per_month(self) -> float | None: ...
    @property
    def tenant_usd_per_day(self) -> float | None: ...
    @property
    def tenant_usd_per_month(self) -> float | None: ...
    @property
    def unknown_usd(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Ask:
    """What a call asks for: of whom, at which host, how many tokens at most; no tokens where that cannot be told.

    `elsewhere` says of models with providers of their own what these call them, and their hosts.
    """

    tenant: str
    host: str
    model: str
    tokens: Tokens | None
    tier: Any = None
    elsewhere: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def at(self, name: str) -> tuple[str, str]:
        """What the provider of a model calls it, and at which host it is asked."""
        return self.elsewhere.get(name, (name, self.host))


@dataclass(frozen=True, slots=True)
class Spending:
    """What a scope (`total`, `tenant:…`) has spent in the running `day` or `month`, and its limit, in US dollars."""

    scope: str
    period: str
    spent: float
    limit: float | None

    @property
    def percent(self) -> int:
        """How much of the limit is spent, rounded down; 0 where there is none."""
        return int(100 * self.spent / self.limit) if self.limit else 0


class Claim:
    """What one call may cost and did cost, whichever of its `models` answers; it is settled once."""

    def __init__(
        self,
        store: SpendStore,
        accounts: tuple[Account, ...],
        ask: Ask,
        prices: Mapping[str, Price | None],
        amount: int,
    ) -> None:
        self.accounts, self.ask, self.amount = accounts, ask, amount
        self.models = tuple(prices)
        self._prices = prices
        self._store = store
        self._settled = False

    def reserve(self) -> Future[Reserved]:
        """Count the most that it may cost."""
        return self._store.reserve(self.accounts, self.amount)

    def settle(self, answer: Any, tries: Tries) -> tuple[int, Future[Reserved] | None]:
        """Correct what was reserved; returns the cost in micro-dollars, and the correction's future the first time.

        `answer` is the answer's body with its `usage`. Without one (a stream that does not tell, or was cut short) what
        was reserved is the cost.
        """
        cost = self.amount * tries.unheard + tries.answered * self._cost(answer, tries.model)
        if self._settled:
            return cost, None
        self._settled = True
        return cost, self._store.settle(self.accounts, cost - self.amount)

    def _cost(self, answer: Any, model: str) -> int:
        fields = answer if isinstance(answer, Mapping) else {}
        tokens, price = used(fields.get("usage")), self._prices.get(model or self.ask.model)
        if tokens is None or price is None:
            return self.amount
        tier = max(times(self.ask.tier), times(fields.get("service_tier")))
        return price.micro(tokens, times=tier, percent=surcharge(self.ask.at(model or self.ask.model)[1]))


class Budget:
    """The spend that a policy allows, and where calls go on when it is used up."""

    def __init__(
        self,
        rules: Rules,
        cheaper: str,
        store: SpendStore,
        prices: Prices,
        *,
        tell: Callable[[Crossed], None] = lambda crossed: None,
        wall: Callable[[], float] = time.time,
        wait_s: float = 2.0,
    ) -> None:
        self._wait_s = wait_s
        self._rules, self._store, self._prices = rules, store, prices
        self.cheaper = cheaper
        self._tell, self._wall = tell, wall

    def claim(self, ask: Ask, cheaper: Ask | None, instead: Sequence[str] = ()) -> Waiting[Claim]:
        """Reserve for a call, or for its `cheaper` form where a day's limit is reached; raises Refused (429, 403).

        `instead` are the models that may answer in its place: the dearest is reserved for, and one whose price is not
        known is left out.
        """
        claim = self._quote(ask, self._accounts(ask.tenant), instead)
        denied = yield from self._reserved(claim)
        if denied is not None and cheaper is not None and _daily(denied):
            claim = self._quote(cheaper, self._accounts(ask.tenant, daily=False))
            denied = yield from self._reserved(claim)
        if denied is not None:
            raise self._used_up(denied)
        return claim

    def settle(self, claim: Claim, answer: Any, tries: Tries) -> int:
        """Settle a call without waiting; returns its cost in micro-dollars."""
        cost, correction = claim.settle(answer, tries)
        if correction is not None:
            correction.add_done_callback(self._corrected)
        return cost

    def spending(self) -> list[Spending]:
        """Read what was spent in the running day and month; blocks on the store, raises Unavailable."""
        day, month = self._periods()
        rows = self._store.periods(day, month).result(self._wait_s)
        limits = self._limits("")
        found = []
        for scope, period, micro in rows:
            whose = "total" if scope == "total" else "tenant:"
            limit = limits[whose, "day" if period == day else "month"]
            found.append(Spending(scope, "day" if period == day else "month", micro / MICRO, limit))
        return found

    def reach(self) -> Future[Any]:
        """Ask the store whether it can be written."""
        return self._store.writer.reach()

    def close(self) -> None:
        """Write every correction that is queued."""
        self._store.close()

    def _corrected(self, correction: Future[Reserved]) -> None:
        if correction.cancelled() or (failure := correction.exception()) is not None:
            log.error(
                "the cost of a call could not be corrected: its reservation stays counted (%s)", failure
            )
            return
        self._lines(correction.result())

    def _reserved(self, claim: Claim) -> Generator[Future[Reserved], Reserved, Account | None]:
        reserved = yield claim.reserve()
        self._lines(reserved)
        return reserved.denied

    def _lines(self, reserved: Reserved) -> None:
        for crossed in reserved.crossed:
            account = crossed.account
            of = (account.limit or 0) / MICRO
            log.warning(
                "budget: %s in %s has reached %d %% of %.2f USD",
                account.scope,
                account.period,
                crossed.percent,
                of,
            )
            self._tell(crossed)

    def _quote(self, ask: Ask, accounts: tuple[Account, ...], instead: Sequence[str] = ()) -> Claim:
        prices = {model: self._price(ask, model) for model in instead or (ask.model,)}
        known = {model: price for model, price in prices.items() if price is not None}
        if len(known) < len(prices) and self._rules.unknown_usd is not None:
            known_or_not: Mapping[str, Price | None] = prices
        elif known:
            known_or_not = known
        else:
            raise Refused(
                "budget.unknown_price",
                "no price is known for this call: write one under traffic.budget.prices, or a ceiling as unknown_usd",
            )
        return Claim(
            self._store,
            accounts,
            ask,
            known_or_not,
            max(self._most(ask, model, price) for model, price in known_or_not.items()),
        )

    def _price(self, ask: Ask, model: str) -> Price | None:
        return self._prices.of(*ask.at(model), model) if ask.tokens is not None else None

    def _most(self, ask: Ask, model: str, price: Price | None) -> int:
        """The most that a call may cost at a price, or the ceiling of those that are not known."""
        if price is None or ask.tokens is None:
            return _micro(self._rules.unknown_usd or 0)
        return price.most(ask.tokens, times=times(ask.tier), percent=surcharge(ask.at(model)[1]))

    def _accounts(self, tenant: str, *, daily: bool = True) -> tuple[Account, ...]:
        day, month = self._periods()
        return tuple(
            Account(scope, day if per == "day" else month, _micro(limit) if daily or per == "month" else None)
            for (scope, per), limit in self._limits(tenant).items()
            if limit is not None
        )

    def _periods(self) -> tuple[str, str]:
        now = datetime.fromtimestamp(self._wall(), UTC)
        return f"{now:%Y-%m-%d}", f"{now:%Y-%m}"

    def _limits(self, tenant: str) -> dict[tuple[str, str], float | None]:
        """The limits in US dollars, by scope and period."""
        rules = self._rules
        return {
            ("total", "day"): rules.usd_per_day,
            ("total", "month"): rules.usd_per_month,
            (f"tenant:{tenant}", "day"): rules.tenant_usd_per_day,
            (f"tenant:{tenant}", "month"): rules.tenant_usd_per_month,
        }

    def _used_up(self, account: Account) -> Refused:
        whose = "the budget" if account.scope == "total" else "your budget"
        period = "day" if _daily(account) else "month"
        usd = (account.limit or 0) / MICRO
        return Refused(
            "insufficient_quota",
            f"{whose} of {usd:.2f} USD a {period} does not cover this call",
            status=429,
            retry_after_s=_until_next(account.period) - self._wall(),
        )


def _daily(account: Account) -> bool:
    return account.period.count("-") == 2


def _micro(usd: float) -> int:
    return round(usd * MICRO)


def _until_next(period: str) -> float:
    """The Unix time at which the period after this one begins (UTC)."""
    if period.count("-") == 2:
        return (datetime.fromisoformat(period).replace(tzinfo=UTC) + timedelta(days=1)).timestamp()
    year, month = map(int, period.split("-"))
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()
