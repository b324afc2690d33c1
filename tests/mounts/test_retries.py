"""Retries as a caller meets them: the official client and the gateway before a simulated provider that fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from typing import Any

import client_kit as clients
import openai
import orjson
import pytest
from starlette.applications import Starlette

from guard import Guard
from guard.mounts.gateway import Gateway
from guard.traffic.sending import Sender

Connect = Callable[..., Any]
POLICY = "traffic: {retries: {attempts: 3, max_wait_s: 5, deadline_s: 20}}\n"
MAIL = "alice@corp.com"


class Clock:
    """A clock that only moves when somebody waits, and that remembers the waits."""

    def __init__(self) -> None:
        self.now, self.waits = 1000.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def sleep_sync(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    async def sleep(self, seconds: float) -> None:
        self.sleep_sync(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guard(make_guard: Any, kit: Any, clock: Clock) -> Guard:
    """`quiet` with three tries, at a clock that does not make the test wait; no circuit is remembered."""
    made: Guard = make_guard(kit.quiet + POLICY)
    assert made.dispatch is not None
    draw = random.Random(7).random
    rules = made.policy.traffic.retries
    made.dispatch.sender = Sender(
        rules, clock=clock, draw=draw, sleep=clock.sleep, sleep_sync=clock.sleep_sync
    )
    return made


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def client(request: pytest.FixtureRequest, provider: Starlette, guard: Guard) -> Iterator[Connect]:
    """The official client over a guard that retries."""
    with clients.connecting(request.param, guard, provider.state.url) as make:
        yield make


def keys(provider: Starlette) -> list[bytes]:
    return [dict(received.headers)[b"idempotency-key"] for received in provider.state.received]


@pytest.mark.parametrize("fault", ["429", "500", "502", "503", "408", "409", "disconnect"])
def test_an_outage_that_passes_is_not_seen(client: Connect, provider: Starlette, fault: str) -> None:
    """C05: the caller gets the answer; the same bytes were sent each time, under one idempotency key."""
    provider.state.script.fail("chat", fault, fault)
    assert client(max_retries=0).chat(f"hi {MAIL}").choices[0].message.content == f"You wrote: hi {MAIL}"
    assert len(provider.state.received) == 3
    assert len({received.body for received in provider.state.received}) == 1
    assert b"alice" not in provider.state.received[0].body
    assert len(set(keys(provider))) == 1


@pytest.mark.parametrize("fault", ["500", "429", "disconnect"])
def test_the_sdks_own_retries_do_not_multiply(client: Connect, provider: Starlette, fault: str) -> None:
    """C06: three tries are three calls, whatever the SDK would do on its own."""
    provider.state.script.fail("chat", fault, forever=True)
    with pytest.raises(openai.APIStatusError) as caught:
        client(max_retries=5).chat("hi")
    assert len(provider.state.received) == 3
    assert caught.value.code == "retries_exhausted"
    assert caught.value.status_code == (502 if fault == "disconnect" else int(fault))
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.response.headers["x-guard-trace"]


@pytest.mark.parametrize("fault", ["400", "401", "404"])
def test_other_errors_are_the_providers(client: Connect, provider: Starlette, fault: str) -> None:
    """C05: not tried again, and the provider's own words."""
    provider.state.script.fail("chat", fault, forever=True)
    with pytest.raises(openai.APIStatusError) as caught:
        client(max_retries=5).chat("hi")
    assert "simulated failure" in str(caught.value)
    assert len(provider.state.received) == 1


def test_an_account_without_money_is_not_asked_again(client: Connect, provider: Starlette) -> None:
    """C05 C06: 429 insufficient_quota passes as it is, and the SDK leaves it at that."""
    provider.state.script.error_code = "insufficient_quota"
    provider.state.script.fail("chat", "429", forever=True)
    with pytest.raises(openai.RateLimitError) as caught:
        client(max_retries=5).chat("hi")
    assert caught.value.code == "insufficient_quota"
    assert len(provider.state.received) == 1


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"retry-after": "2"}, 2.0, 2.2),
        ({"retry-after": "60", "retry-after-ms": "250"}, 0.25, 0.28),
        ({"x-ratelimit-reset-tokens": "3s", "x-ratelimit-reset-requests": "120ms"}, 3.0, 3.3),
        ({"retry-after": "1e400"}, 5.0, 5.0),
        ({"retry-after": "never"}, 0.25, 0.5),
    ],
)
def test_the_provider_says_how_long(
    client: Connect, provider: Starlette, clock: Clock, headers: dict[str, str], low: float, high: float
) -> None:
    """C01 C02 C03 C04: as long as asked, up to the policy's longest wait."""
    provider.state.script.error_headers = [(k.encode(), v.encode()) for k, v in headers.items()]
    provider.state.script.fail("chat", "429")
    client(max_retries=0).chat("hi")
    [waited] = clock.waits
    assert low <= waited <= high


def test_a_stream_is_tried_again_before_its_first_byte(client: Connect, provider: Starlette) -> None:
    """C05: an error in place of the stream is no part of it."""
    provider.state.script.fail("chat", "503")
    chunks = client(max_retries=0).chat_stream("hi")
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "You wrote: hi"
    assert len(provider.state.received) == 2


def test_a_stream_is_never_tried_again_after_it(client: Connect, provider: Starlette) -> None:
    """C06 C09 C21: a reset in mid stream is an error, and nothing is sent twice."""
    provider.state.script.reply = lambda body: "some words of an answer " * 30
    provider.state.script.fail("chat", "disconnect")
    with pytest.raises(Exception, match=r"\S"):
        client(max_retries=5).chat_stream("hi")
    assert len(provider.state.received) == 1


def test_a_callers_key_is_kept(client: Connect, provider: Starlette) -> None:
    """E10: the application's own idempotency key goes upstream, the same at each try."""
    provider.state.script.fail("chat", "500")
    client(max_retries=0).chat("hi", extra_headers={"Idempotency-Key": "order-7"})
    assert keys(provider) == [b"order-7", b"order-7"]


def test_nobody_listens(client: Connect, guard: Guard, clock: Clock) -> None:
    """C08: a connection that is refused is tried again, then answered as such: 502."""
    with pytest.raises(openai.APIStatusError) as caught:
        client(guard, "http://127.0.0.1:9/v1", max_retries=5).chat("hi")
    assert (caught.value.status_code, caught.value.code) == (502, "retries_exhausted")
    assert len(clock.waits) == 2


def test_an_open_circuit_answers_at_once(client: Connect, provider: Starlette, clock: Clock) -> None:
    """C07: after enough failures nothing is sent, the caller is told when, and after that one call is."""
    provider.state.script.fail("chat", "503", forever=True)
    codes = []
    for _ in range(8):
        with pytest.raises(openai.APIStatusError) as caught:
            client(max_retries=0).chat("hi")
        codes.append(caught.value.code)
    sent = len(provider.state.received)
    assert sent < 24
    assert codes[-1] == "circuit_open"
    assert (caught.value.status_code, caught.value.response.headers["retry-after"]) == (503, "5")
    clock.now += 5
    provider.state.script.fail("chat")
    assert client(max_retries=0).chat("hi").choices
    assert len(provider.state.received) == sent + 1


def test_a_refusal_opens_nothing_and_is_not_tried_again(client: Connect, provider: Starlette) -> None:
    """C23: a redirect is refused once, and 451 as ever."""
    provider.state.script.fail("chat", "redirect", forever=True)
    with pytest.raises(openai.APIStatusError) as caught:
        client(max_retries=5).chat("hi")
    assert (caught.value.status_code, caught.value.code) == (451, "egress.redirect")
    assert len(provider.state.received) == 1


@pytest.mark.anyio
async def test_all_tries_stand_in_one_trace(guard: Guard, provider: Starlette, kit: Any, spans: Any) -> None:
    """C18: the record tells of each try: which model, how it ended; and the gateway answers as the client does."""
    gateway = Gateway(guard, upstream=provider.state.url)
    provider.state.script.fail("chat", "503", "disconnect")
    answer = await kit.request(gateway, body=kit.chat("hi"))
    assert answer.status == 200
    [_, call] = await spans(guard, answer.header("x-guard-trace"))
    tried = [
        {a["key"]: next(iter(a["value"].values())) for a in event["attributes"]}
        for event in call["events"]
        if event["name"] == "guard.attempt"
    ]
    assert [(t["model"], t.get("status"), t.get("error")) for t in tried] == [
        ("m", "503", None),
        ("m", None, "closed"),
        ("m", "200", None),
    ]
    provider.state.script.fail("chat", "503", forever=True)
    answer = await kit.request(gateway, body=kit.chat("hi"))
    assert (answer.status, answer.code, answer.header("x-should-retry")) == (
        503,
        "retries_exhausted",
        "false",
    )
    assert answer.json["error"]["type"] == "upstream_error"
    await guard.egress.aclose()


@pytest.mark.anyio
async def test_each_callers_own_key_is_used_at_every_try(guard: Guard, provider: Starlette, kit: Any) -> None:
    """D17: two callers at once, two tries that fail: none carries the other's credentials, nor its key of retries."""
    gateway = Gateway(guard, upstream=provider.state.url)
    provider.state.script.fail("chat", "503", "500")

    async def ask(who: str) -> int:
        headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {who}".encode())]
        return int((await kit.request(gateway, body=kit.chat(who), headers=headers)).status)

    assert await asyncio.gather(ask("one"), ask("two")) == [200, 200]
    seen = [
        (orjson.loads(r.body)["messages"][0]["content"], dict(r.headers)) for r in provider.state.received
    ]
    assert len(seen) == 4
    assert all(headers[b"authorization"] == f"Bearer {who}".encode() for who, headers in seen)
    assert len({(who, headers[b"idempotency-key"]) for who, headers in seen}) == 2
    await guard.egress.aclose()


@pytest.mark.anyio
async def test_a_client_that_leaves_ends_the_tries(guard: Guard, provider: Starlette, kit: Any) -> None:
    """A06: nothing is sent for somebody who is gone."""
    gateway = Gateway(guard, upstream=provider.state.url)
    provider.state.script.fail("chat", "hang", forever=True)
    connection = kit.Connection([orjson.dumps(kit.chat("hi"))])
    headers = [(b"content-type", b"application/json")]
    running = asyncio.ensure_future(kit.request(gateway, connection=connection, headers=headers))
    for _ in range(500):
        if provider.state.received:
            break
        await asyncio.sleep(0.01)
    connection.leave.set()
    await asyncio.wait_for(running, 10)
    assert len(provider.state.received) == 1
    await guard.egress.aclose()


@pytest.mark.anyio
async def test_silence_ends_at_the_deadline(make_guard: Any, provider: Starlette, kit: Any) -> None:
    """C08: a provider that never answers costs the policy's deadline, and no more: 504."""
    guard = make_guard(kit.quiet + "traffic: {retries: {attempts: 2, deadline_s: 0.3}}\n")
    provider.state.script.fail("chat", "hang", forever=True)
    answer = await asyncio.wait_for(
        kit.request(Gateway(guard, upstream=provider.state.url), body=kit.chat("hi")), 20
    )
    assert (answer.status, answer.code) == (504, "retries_exhausted")
    await guard.egress.aclose()


def test_without_retries_nothing_changes(quiet: Guard) -> None:
    """A policy that asks for nothing has nothing between its calls and the door."""
    assert quiet.dispatch is None
