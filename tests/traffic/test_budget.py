"""Spend under a limit, without a network: a real store, prices of the test, a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from guard.errors import Refused
from guard.outside.stores.spend import Account, Crossed, SpendStore
from guard.traffic.budget import Ask, Budget, Claim
from guard.traffic.prices import Prices
from guard.traffic.usage import Tokens, Tries
from guard.traffic.waiting import wait_sync

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC).timestamp()


@dataclass
class Row:
    input: float
    output: float
    cached: float | None = None


@dataclass
class Rules:
    usd_per_day: float | None = None
    usd_per_month: float | None = None
    tenant_usd_per_day: float | None = None
    tenant_usd_per_month: float | None = None
    unknown_usd: float | None = None


class World:
    """One budget: a call for `dear` of 1,000 tokens in and out reserves 3 cents, for `cheap` 3 tenths of a cent."""

    def __init__(self, folder: Path) -> None:
        self.store = SpendStore(folder / "spend.sqlite3")
        self.prices = Prices({"dear": Row(10, 20), "cheap": Row(1, 2)})
        self.now = NOON
        self.told: list[Crossed] = []

    def budget(self, cheaper: str = "", **limits: float) -> Budget:
        rules = Rules(**limits)
        return Budget(rules, cheaper, self.store, self.prices, tell=self.told.append, wall=lambda: self.now)

    def claim(self, budget: Budget, model: str = "dear", tenant: str = "acme", **more: Any) -> Claim:
        ask = Ask(tenant, "api.openai.com", model, more.get("tokens", Tokens(1000, 1000)), more.get("tier"))
        cheaper = replace(ask, model=budget.cheaper) if budget.cheaper else None
        return wait_sync(budget.claim(ask, cheaper), 10)

    def spent(self, scope: str = "total", period: str = "2026-11-30") -> int:
        return self.store.spent(Account(scope, period)).result(10)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


def usage(read: int, written: int, **more: Any) -> dict[str, Any]:
    return {"usage": {"prompt_tokens": read, "completion_tokens": written}, **more}


def tried(*ends: tuple[int, str]) -> Tries:
    tries = Tries()
    for end in ends:
        tries.sent()
        tries.ended(*end)
    return tries


ANSWERED = tried((200, ""))


def test_reserve_then_settle(world: World) -> None:
    """C44 C45: the most it may cost is counted while it runs, what it did cost afterwards."""
    budget = world.budget(usd_per_day=1)
    claim = world.claim(budget)
    assert world.spent() == 30_000
    assert budget.settle(claim, usage(100, 50), ANSWERED) == 2_000
    assert world.spent() == 2_000


def test_settled_once(world: World) -> None:
    """A06: whoever ends the call second changes nothing."""
    budget = world.budget(usd_per_day=1)
    claim = world.claim(budget)
    for _ in range(3):
        budget.settle(claim, usage(100, 50), ANSWERED)
    assert world.spent() == 2_000


@pytest.mark.parametrize("answer", [None, {}, {"usage": None}, {"usage": {"total_tokens": 5}}])
def test_an_answer_that_does_not_tell_costs_what_was_reserved(world: World, answer: Any) -> None:
    """C45: a stream without usage, or cut short: an estimate, never zero."""
    budget = world.budget(usd_per_day=1)
    assert budget.settle(world.claim(budget), answer, ANSWERED) == 30_000


@pytest.mark.parametrize(
    ("tries", "cost"),
    [
        ([(500, ""), (200, "")], 2_000),
        ([(429, "")], 0),
        ([(400, "")], 0),
        ([(0, "connect")], 0),
        ([(0, "timeout"), (200, "")], 32_000),
        ([(0, "closed"), (0, "closed"), (503, "")], 60_000),
    ],
)
def test_each_try_is_counted(world: World, tries: list[tuple[int, str]], cost: int) -> None:
    """C38: an error costs nothing; a try that broke off after it was sent may have cost all of it."""
    budget = world.budget(usd_per_day=1)
    claim = world.claim(budget)
    assert budget.settle(claim, usage(100, 50), tried(*tries)) == cost
    assert world.spent() == cost


def test_a_client_that_leaves_while_it_runs(world: World) -> None:
    """A05 A06: the provider was asked, and nobody heard what it did: counted whole. Never asked: nothing."""
    budget = world.budget(usd_per_day=1)
    claim = world.claim(budget)
    asked = Tries()
    asked.sent()
    assert budget.settle(claim, None, asked) == 30_000
    assert budget.settle(world.claim(budget), None, Tries()) == 0
    assert world.spent() == 30_000


def test_tier_and_region_count(world: World) -> None:
    """Priority and regional hosts cost more, reserved and settled; a tier that only the answer names counts too."""
    budget = world.budget(usd_per_day=1)
    claim = world.claim(budget, tier="priority")
    assert claim.amount == 60_000
    assert budget.settle(claim, usage(100, 50), ANSWERED) == 4_000
    assert budget.settle(world.claim(budget), usage(100, 50, service_tier="priority"), ANSWERED) == 4_000


def test_used_up_until_the_next_day(world: World) -> None:
    """D29: the call that would pass the limit is refused with the time until midnight; the next day it goes."""
    budget = world.budget(usd_per_day=0.05)
    world.claim(budget)
    with pytest.raises(Refused) as caught:
        world.claim(budget)
    assert (caught.value.status, caught.value.code) == (429, "insufficient_quota")
    assert caught.value.retry_after_s == 12 * 3600
    assert "0.05 USD a day" in caught.value.message
    world.now += 12 * 3600
    world.claim(budget)


def test_the_months_end(world: World) -> None:
    """A month's limit ends with the month; in December the next is of another year."""
    budget = world.budget(usd_per_month=0.05)
    world.claim(budget)
    with pytest.raises(Refused) as caught:
        world.claim(budget)
    assert caught.value.retry_after_s == 12 * 3600
    world.now = datetime(2026, 12, 31, 23, 0, tzinfo=UTC).timestamp()
    world.claim(budget)
    with pytest.raises(Refused) as caught:
        world.claim(budget)
    assert caught.value.retry_after_s == 3600


def test_a_clock_that_jumps_gives_no_second_budget(world: World) -> None:
    """C36: a day ahead and back again: what was spent on each day stays spent."""
    budget = world.budget(usd_per_day=0.03)
    for jump in (0, 86_400, 0, 86_400, -86_400):
        world.now = NOON + jump
        try:
            world.claim(budget)
        except Refused:
            continue
    assert [world.spent("total", f"2026-{day}") for day in ("11-29", "11-30", "12-01")] == [30_000] * 3


def test_each_tenant_has_its_own(world: World) -> None:
    """One tenant's spend does not use up another's, and all together stay under the total."""
    budget = world.budget(tenant_usd_per_day=0.03, usd_per_day=0.07)
    world.claim(budget, tenant="a")
    with pytest.raises(Refused, match="your budget"):
        world.claim(budget, tenant="a")
    world.claim(budget, tenant="b")
    with pytest.raises(Refused, match="the budget"):
        world.claim(budget, tenant="c")


def test_then_the_cheaper_model(world: World) -> None:
    """At a day's limit calls go on with the cheaper model, and its spend is counted; a month's limit refuses."""
    budget = world.budget("cheap", usd_per_day=0.05, usd_per_month=0.06)
    assert world.claim(budget).ask.model == "dear"
    claims = [world.claim(budget) for _ in range(10)]
    assert {claim.ask.model for claim in claims} == {"cheap"}
    assert world.spent() == 60_000
    with pytest.raises(Refused, match="a month"):
        world.claim(budget)


def test_an_unknown_price(world: World) -> None:
    """C45: refused, or counted with the ceiling that the policy declares; never zero."""
    with pytest.raises(Refused) as caught:
        world.claim(world.budget(usd_per_day=1), "nobody-knows")
    assert (caught.value.status, caught.value.code) == (403, "budget.unknown_price")
    budget = world.budget(usd_per_day=1, unknown_usd=0.25)
    assert budget.settle(world.claim(budget, "nobody-knows"), usage(1, 1), ANSWERED) == 250_000
    assert budget.settle(world.claim(budget, "", tokens=None), None, ANSWERED) == 250_000
    assert world.spent() == 500_000


def test_lines_are_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """At 50, 80 and 100 % the log says so, once a period."""
    budget = world.budget(usd_per_day=0.1)
    for _ in range(5):
        try:
            world.claim(budget)
        except Refused:
            continue
    assert [crossed.percent for crossed in world.told] == [50, 80, 100]
    assert "total in 2026-11-30 has reached 80 % of 0.10 USD" in caplog.text
