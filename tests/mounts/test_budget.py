"""Budgets as a caller meets them: the official client and the gateway, a real store, prices of the policy."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import client_kit as clients
import openai
import orjson
import pytest
from starlette.applications import Starlette

from guard import Guard, identity
from guard.mounts.gateway import Gateway
from guard.outside.stores.spend import Account
from guard.settings import Settings

Connect = Callable[..., Any]
PRICES = "prices: {m: {input: 1000, output: 1000}, cheap: {input: 1, output: 1}}"
MAIL = "alice@corp.com"


@pytest.fixture
def guarded(tmp_path: Path, kit: Any) -> Iterator[Callable[..., Guard]]:
    """Guards of a budget (a tenth of a cent a token for the model `m`), each with a store of its own."""
    made: list[Guard] = []

    def make(budget: str, more: str = "", **settings: Any) -> Guard:
        file = tmp_path / f"{len(made)}.yaml"
        file.write_text(f"{kit.quiet}traffic:\n  budget: {{{budget}, {PRICES}}}\n{more}")
        home = tmp_path / f"home{len(made)}"
        made.append(Guard.from_policy(file, Settings(home=home, exports=home / "exports", **settings)))
        return made[-1]

    yield make
    for guard in made:
        guard.close()


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def client(request: pytest.FixtureRequest, provider: Starlette, quiet: Guard) -> Iterator[Connect]:
    with clients.connecting(request.param, quiet, provider.state.url) as make:
        yield make


def spent(guard: Guard, scope: str = "total") -> float:
    """What was spent this month, in US dollars."""
    guard.ledger  # noqa: B018
    store = guard.dispatch.budget._store  # type: ignore[union-attr]
    [period] = {a.period for a in guard.dispatch.budget._accounts("x")}  # type: ignore[union-attr]
    return store.spent(Account(scope, period)).result(10) / 1e6


def bodies(provider: Starlette) -> list[Any]:
    return [orjson.loads(received.body) for received in provider.state.received]


def test_what_was_used_is_counted(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C44: a thousandth of a dollar a token, as the answer's own usage tells; nothing of the call is changed."""
    guard = guarded("usd_per_month: 100")
    answer = client(guard).chat(f"hi {MAIL}", max_tokens=50)
    assert answer.usage.total_tokens > 0
    assert spent(guard) == pytest.approx(answer.usage.total_tokens / 1000)
    assert bodies(provider)[0]["model"] == "m"


def test_a_stream_that_tells_its_usage(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C45: with include_usage what was used is counted …"""
    guard = guarded("usd_per_month: 100")
    chunks = client(guard).chat_stream("hi", max_tokens=50, stream_options={"include_usage": True})
    [usage] = [chunk.usage for chunk in chunks if chunk.usage]
    assert spent(guard) == pytest.approx(usage.total_tokens / 1000)


@pytest.mark.parametrize("fault", ["", "disconnect"])
def test_a_stream_that_does_not(client: Connect, provider: Starlette, guarded: Any, fault: str) -> None:
    """C45 A05: … and without it, or cut short, what was reserved: more than the answer's 50 tokens, never zero."""
    guard = guarded("usd_per_month: 100")
    if fault:
        provider.state.script.reply = lambda body: "some words of an answer " * 30
        provider.state.script.fail("chat", fault)
    try:
        client(guard, max_retries=0).chat_stream("hi", max_tokens=50)
    except (openai.APIError, Exception):
        assert fault
    assert 0.05 < spent(guard) < 0.5


@pytest.mark.parametrize("fault", ["400", "429", "500"])
def test_an_error_costs_nothing(client: Connect, provider: Starlette, guarded: Any, fault: str) -> None:
    """C38: the reservation comes back."""
    guard = guarded("usd_per_month: 100")
    provider.state.script.fail("chat", fault, forever=True)
    with pytest.raises(openai.APIStatusError):
        client(guard, max_retries=0).chat("hi")
    assert spent(guard) == 0


def test_at_the_limit_it_is_refused(client: Connect, provider: Starlette, guarded: Any) -> None:
    """D29: 429 insufficient_quota with the time until the month's end; the provider hears nothing of it."""
    guard = guarded("usd_per_month: 0.3")
    with pytest.raises(openai.RateLimitError) as caught:
        client(guard, max_retries=2).chat("hi", max_tokens=500)
    assert caught.value.code == "insufficient_quota"
    assert int(caught.value.response.headers["retry-after"]) > 0
    assert "x-should-retry" not in caught.value.response.headers
    assert caught.value.response.headers["x-guard-action"] == "block"
    assert provider.state.received == []
    assert spent(guard) == 0
    assert client(guard).chat("hi", max_tokens=50).choices


def test_n_multiplies(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C45: 128 answers of 10 tokens do not fit where one does."""
    guard = guarded("usd_per_month: 0.3")
    with pytest.raises(openai.RateLimitError):
        client(guard, max_retries=0).chat("hi", max_tokens=10, n=128)
    assert client(guard).chat("hi", max_tokens=10).choices


def test_then_the_cheaper_model(client: Connect, provider: Starlette, guarded: Any) -> None:
    """The same screened call goes to the cheaper model; the answer says which one it was, and so does the trace."""
    guard = guarded("usd_per_day: 0.3, then: {use: cheap}")
    provider.state.script.reply = lambda body: body["model"]
    answer = client(guard).chat(f"hi {MAIL}", max_tokens=500)
    [body] = bodies(provider)
    assert (body["model"], answer.model, answer.choices[0].message.content) == ("cheap", "cheap", "cheap")
    assert body["messages"] == [{"role": "user", "content": "hi <EMAIL_1>"}]
    assert client(guard).chat("hi", max_tokens=50).model == "m"


def test_a_price_that_is_not_known(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C45: refused before anything is sent."""
    guard = guarded("usd_per_day: 100")
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client(guard)(
            lambda c: c.chat.completions.create(model="other", messages=[{"role": "user", "content": "x"}])
        )
    assert caught.value.code == "budget.unknown_price"
    assert provider.state.received == []


def test_what_costs_nothing_is_not_counted(client: Connect, provider: Starlette, guarded: Any) -> None:
    """A list of models and a moderation need no price."""
    guard = guarded("usd_per_month: 100")
    client(guard)(lambda c: c.models.retrieve("gpt-simulated"))
    client(guard)(lambda c: c.moderations.create(model="omni-moderation-simulated", input="x"))
    assert spent(guard) == 0


def test_each_tenant_pays_for_itself(client: Connect, provider: Starlette, guarded: Any) -> None:
    """D17 C46: by the tenant that guard knows, never by what the body calls itself."""
    guard = guarded("tenant_usd_per_month: 100")
    with identity(tenant="acme"):
        client(guard).chat("hi", max_tokens=50, user="somebody-else")
    assert spent(guard, "tenant:acme") > 0
    assert spent(guard, "tenant:default") == 0


def test_all_tries_are_reserved_for_once(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C06 C44: retries under a budget: one reservation, one settlement."""
    guard = guarded("usd_per_month: 100", "  retries: {attempts: 3, max_wait_s: 0.01}\n")
    provider.state.script.fail("chat", "500", "503")
    answer = client(guard, max_retries=0).chat("hi", max_tokens=50)
    assert len(provider.state.received) == 3
    assert spent(guard) == pytest.approx(answer.usage.total_tokens / 1000)


def locked(guard: Guard, seconds: float) -> threading.Timer:
    """Hold the store's file as another process would."""
    holder = sqlite3.connect(
        guard.settings.home / "spend.sqlite3", isolation_level=None, check_same_thread=False
    )
    holder.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(seconds, lambda: (holder.execute("ROLLBACK"), holder.close()))
    timer.start()
    return timer


def test_a_store_that_is_locked_refuses(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C32 C33: nothing is sent that cannot be counted: 503 guard.unavailable.store; and then it works again."""
    guard = guarded("usd_per_month: 100", store_timeout_s=0.2)
    sdk = client(guard, max_retries=0)
    timer = locked(guard, 1.0)
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.chat("hi")
    assert (caught.value.status_code, caught.value.code) == (503, "guard.unavailable.store")
    assert provider.state.received == []
    timer.join()
    assert sdk.chat("hi", max_tokens=5).choices


@pytest.mark.anyio
async def test_the_event_loop_stays_free(guarded: Any, provider: Starlette, kit: Any) -> None:
    """C33: while a call waits for a locked store the others of the loop go on."""
    guard = guarded("usd_per_month: 100", store_timeout_s=5)
    gateway = Gateway(guard, upstream=provider.state.url)
    locked(guard, 0.5)
    ticks = 0
    waiting = asyncio.ensure_future(kit.request(gateway, body=kit.chat("hi", max_tokens=5)))
    while not waiting.done():
        await asyncio.sleep(0.005)
        ticks += 1
    assert (await waiting).status == 200
    assert ticks > 5
    await guard.egress.aclose()


@pytest.mark.anyio
async def test_a_policy_may_let_calls_pass_uncounted(
    guarded: Any, provider: Starlette, kit: Any, spans: Any
) -> None:
    """E11: only by a rule that says so, and the record tells that it failed open."""
    guard = guarded(
        "usd_per_month: 100", "input: {rules: {guard.unavailable.store: flag}}\n", store_timeout_s=0.1
    )
    gateway = Gateway(guard, upstream=provider.state.url)
    timer = locked(guard, 0.6)
    answer = await kit.request(gateway, body=kit.chat("hi"))
    assert answer.status == 200
    [_, call] = await spans(guard, answer.header("x-guard-trace"))
    assert call["guard.check.store"] == "failed_open"
    timer.join()
    await guard.egress.aclose()


@pytest.mark.anyio
async def test_the_trace_tells_the_cost(guarded: Any, provider: Starlette, kit: Any, spans: Any) -> None:
    """The model call's span has the cost, and where another model was asked the one that the caller named."""
    guard = guarded("usd_per_day: 0.3, then: {use: cheap}")
    gateway = Gateway(guard, upstream=provider.state.url)
    answer = await kit.request(gateway, body=kit.chat("hi", max_tokens=50))
    [_, call] = await spans(guard, answer.header("x-guard-trace"))
    assert call["guard.cost.usd"] == pytest.approx(answer.json["usage"]["total_tokens"] / 1000)
    assert "guard.model.asked" not in call
    answer = await kit.request(gateway, body=kit.chat("hi", max_tokens=500))
    [_, call] = await spans(guard, answer.header("x-guard-trace"))
    assert (call["gen_ai.request.model"], call["guard.model.asked"]) == ("cheap", "m")
    await guard.egress.aclose()


@pytest.mark.anyio
async def test_a_client_that_leaves_is_counted(guarded: Any, provider: Starlette, kit: Any) -> None:
    """A06: the call was sent, and cancelled: what it may have cost is counted once."""
    guard = guarded("usd_per_month: 100")
    gateway = Gateway(guard, upstream=provider.state.url)
    provider.state.script.fail("chat", "hang", forever=True)
    connection = kit.Connection([orjson.dumps(kit.chat("hi", max_tokens=50))])
    headers = [(b"content-type", b"application/json")]
    running = asyncio.ensure_future(kit.request(gateway, connection=connection, headers=headers))
    for _ in range(500):
        if provider.state.received:
            break
        await asyncio.sleep(0.01)
    reserved = spent(guard)
    connection.leave.set()
    await asyncio.wait_for(running, 10)
    assert spent(guard) == reserved > 0.05
    await guard.egress.aclose()


def test_a_cheaper_model_without_a_price_stops_the_start(guarded: Any) -> None:
    """C45: what would be refused at the limit is refused at start."""
    with pytest.raises(Exception, match="no price is known for nobody-knows"):
        guarded("usd_per_day: 1, then: {use: nobody-knows}")
