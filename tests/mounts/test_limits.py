"""Limits as a caller meets them: the official client and the gateway, a clock that the test moves."""

from __future__ import annotations

import asyncio
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
from guard.outside.stores.windows import MemoryWindows, SqliteWindows
from guard.settings import Settings
from guard.traffic.limits import Limits

Connect = Callable[..., Any]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guarded(tmp_path: Path, kit: Any, clock: Clock) -> Iterator[Callable[..., Guard]]:
    """Guards with limits, each counting at the test's clock."""
    made: list[Guard] = []

    def make(limits: str, more: str = "", **settings: Any) -> Guard:
        file = tmp_path / f"{len(made)}.yaml"
        file.write_text(f"{kit.quiet}traffic:\n  limits: {{{limits}}}\n{more}")
        home = tmp_path / f"home{len(made)}"
        guard = Guard.from_policy(file, Settings(home=home, exports=home / "exports", **settings))
        assert guard.dispatch is not None
        assert guard.dispatch.limits is not None
        guard.dispatch.limits._clock = clock
        made.append(guard)
        return guard

    yield make
    for guard in made:
        guard.close()


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def client(request: pytest.FixtureRequest, provider: Starlette, quiet: Guard) -> Iterator[Connect]:
    with clients.connecting(request.param, quiet, provider.state.url) as make:
        yield make


def refused(sdk: Any, **more: Any) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.chat("hi", **more)
    return caught.value


def test_requests_a_minute(client: Connect, provider: Starlette, guarded: Any, clock: Clock) -> None:
    """D29: the third call of two is refused with the seconds until it fits, and fits then."""
    sdk = client(guarded("requests_per_minute: 2"), max_retries=0)
    sdk.chat("hi")
    sdk.chat("hi")
    error = refused(sdk)
    assert (error.status_code, error.code) == (429, "rate_limit_exceeded")
    assert "x-should-retry" not in error.response.headers
    after = int(error.response.headers["retry-after"])
    assert 60 <= after <= 61
    assert len(provider.state.received) == 2
    clock.now += after
    assert sdk.chat("hi").choices


def test_tokens_a_minute(client: Connect, provider: Starlette, guarded: Any) -> None:
    """The most that a call may use is reserved, and what it did not use comes back when it has ended."""
    sdk = client(guarded("tokens_per_minute: 3000"), max_retries=0)
    for _ in range(5):
        sdk.chat("hi", max_tokens=2500)  # each would fill the window, and each uses a few dozen
    provider.state.script.fail("chat", "500", "500")
    for _ in range(2):
        assert refused(sdk, max_tokens=2500).status_code == 500  # what failed used nothing
    assert sdk.chat("hi", max_tokens=2500).choices


def test_a_prompt_whose_tokens_are_counted(
    client: Connect, guarded: Any, tokenizer_files: Callable[..., Path]
) -> None:
    """What the estimate would never let in goes through where the model's tokenizer counts it, as a fallback's does."""
    text, limit = "a" * 4096, "tokens_per_minute: 700"
    chain = "  fallbacks: {gpt-5.6-terra: [gpt-5.6-terra, gpt-5.6-luna]}\n"
    estimated = client(guarded(limit), max_retries=0)
    counted = client(guarded(limit, chain, tokenizers=tokenizer_files("o200k_base")), max_retries=0)

    def ask(sdk: Any, model: str) -> Any:
        messages = [{"role": "user", "content": text}]
        return sdk(
            lambda c: c.chat.completions.create(model=model, messages=messages, max_completion_tokens=10)
        )

    for sdk, model in ((estimated, "gpt-5.6-terra"), (counted, "m")):
        with pytest.raises(openai.APIStatusError) as caught:
            ask(sdk, model)
        assert caught.value.status_code == 413
    assert ask(counted, "gpt-5.6-terra").choices


def test_a_stream_without_usage_keeps_what_it_reserved(
    client: Connect, provider: Starlette, guarded: Any
) -> None:
    """C45: nobody told what it used."""
    sdk = client(guarded("tokens_per_minute: 3000"), max_retries=0)
    sdk.chat_stream("hi", max_tokens=2500)
    assert "tokens a minute" in str(refused(sdk, max_tokens=2500))


def test_a_call_that_can_never_fit(client: Connect, provider: Starlette, guarded: Any) -> None:
    """It is not told to come back: 413."""
    error = refused(client(guarded("tokens_per_minute: 3000")), max_tokens=3000)
    assert (error.status_code, error.code) == (413, "rate_limit_exceeded")
    assert provider.state.received == []


def test_a_call_that_may_just_fit(client: Connect, provider: Starlette, guarded: Any) -> None:
    """What is reserved is twice the estimate, but never more than the limit: a long call is let in alone."""
    sdk = client(guarded("tokens_per_minute: 3000"), max_retries=0)
    assert sdk.chat("word " * 1500, max_tokens=100).choices


def test_each_tenant_has_its_own(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C46 D24: by what guard knows of the caller: another `user` in the body or a made-up header changes nothing."""
    sdk = client(guarded("requests_per_minute: 1"), max_retries=0)
    with identity(tenant="a"):
        sdk.chat("hi", user="one")
        error = refused(sdk, user="two", extra_headers={"X-Forwarded-For": "10.9.9.9"})
    assert error.status_code == 429
    with identity(tenant="b"):
        assert sdk.chat("hi").choices


@pytest.mark.parametrize(
    ("per", "same"), [("tenant", True), ("user", False), ("key", True), ("model", True), ("route", True)]
)
def test_whose_limit_it_is(client: Connect, provider: Starlette, guarded: Any, per: str, same: bool) -> None:
    """Two users of one tenant with one key and model share every limit but their own."""
    sdk = client(guarded(f"requests_per_minute: 1, per: {per}"), max_retries=0)
    with identity(tenant="a", user="one"):
        sdk.chat("hi")
    with identity(tenant="a", user="two"):
        if same:
            assert f"this {per}" in str(refused(sdk))
        else:
            assert sdk.chat("hi").choices


@pytest.mark.anyio
async def test_the_spelling_of_a_key_does_not_matter(guarded: Any, provider: Starlette, kit: Any) -> None:
    """C46: `bearer` and `Bearer` are one key; another key is another."""
    guard = guarded("requests_per_minute: 1, per: key")
    gateway = Gateway(guard, upstream=provider.state.url)

    async def status(authorization: bytes) -> int:
        headers = [(b"content-type", b"application/json"), (b"authorization", authorization)]
        return int((await kit.request(gateway, body=kit.chat("hi"), headers=headers)).status)

    assert [await status(b"Bearer one"), await status(b"bearer  one"), await status(b"Bearer two")] == [
        200,
        429,
        200,
    ]
    await guard.egress.aclose()


@pytest.mark.anyio
async def test_calls_at_once(guarded: Any, provider: Starlette, kit: Any) -> None:
    """D29: the second of one at a time is refused, and let in when the first has ended or left."""
    guard = guarded("concurrent: 1")
    gateway = Gateway(guard, upstream=provider.state.url)
    provider.state.script.fail("chat", "hang")
    connection = kit.Connection([orjson.dumps(kit.chat("hi"))])
    headers = [(b"content-type", b"application/json")]
    first = asyncio.ensure_future(kit.request(gateway, connection=connection, headers=headers))
    for _ in range(500):
        if provider.state.received:
            break
        await asyncio.sleep(0.01)
    second = await kit.request(gateway, body=kit.chat("hi"))
    assert (second.status, second.code, second.header("retry-after")) == (429, "rate_limit_exceeded", "1")
    connection.leave.set()
    await asyncio.wait_for(first, 10)
    assert [(await kit.request(gateway, body=kit.chat("hi"))).status for _ in range(3)] == [200] * 3
    await guard.egress.aclose()


def test_a_call_may_wait_for_its_turn(
    client: Connect, provider: Starlette, guarded: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`wait: 2s`: not longer than that; within it the call goes when it fits."""
    sdk = client(guarded("requests_per_minute: 1, wait: 2s"), max_retries=0)
    sdk.chat("hi")
    assert refused(sdk).status_code == 429
    clock.now += 59.5
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock.now += seconds

    async def asleep(seconds: float) -> None:
        sleep(seconds)

    monkeypatch.setattr("guard.traffic.waiting.time.sleep", sleep)
    if not sdk.sync:
        real = asyncio.sleep
        monkeypatch.setattr("guard.traffic.waiting.asyncio.sleep", lambda s: asleep(s) if s > 1 else real(s))
    assert sdk.chat("hi").choices
    assert sum(s for s in slept if s > 1) <= 2


def test_one_worker_counts_in_memory_and_many_in_a_file(guarded: Any) -> None:
    """`guard serve --workers` says how many share the limits."""
    kinds = [
        type(limits._windows)
        for limits in (
            guarded("requests_per_minute: 1").dispatch.limits,
            guarded("requests_per_minute: 1", workers=2).dispatch.limits,
        )
    ]
    assert kinds == [MemoryWindows, SqliteWindows]
    assert isinstance(guarded("concurrent: 1").dispatch.limits, Limits)


def test_limits_in_a_file_hold_too(client: Connect, provider: Starlette, guarded: Any) -> None:
    """The same through the store of several workers."""
    sdk = client(guarded("requests_per_minute: 2, tokens_per_minute: 9000", workers=2), max_retries=0)
    sdk.chat("hi")
    sdk.chat("hi")
    assert refused(sdk).status_code == 429
