"""Dead letters as a caller meets them: the official client and the gateway, a real store, nothing lost or shown."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from typing import Any

import client_kit as clients
import openai
import orjson
import pytest
from starlette.applications import Starlette

from guard import Guard, identity
from guard.errors import SetupError
from guard.mounts.gateway import Gateway
from guard.outside.stores.letters import WAITING, Row
from guard.traffic.letters import FREE, Letters, Opened

Connect = Callable[..., Any]
MAIL = "alice@corp.com"
TOOLS = [{"type": "function", "function": {"name": "send", "parameters": {"type": "object"}}}]


@pytest.fixture
def guarded(housed: Callable[..., Guard], kit: Any) -> Callable[..., Guard]:
    """Guards that keep dead letters."""

    def make(traffic: str = "", more: str = "", **settings: Any) -> Guard:
        return housed(f"{kit.quiet}traffic: {{dead_letters: true, {traffic}}}\n{more}", **settings)

    return make


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def client(request: pytest.FixtureRequest, provider: Starlette, quiet: Guard) -> Iterator[Connect]:
    with clients.connecting(request.param, quiet, provider.state.url) as make:
        yield make


def letters(guard: Guard) -> Letters:
    assert guard.dispatch is not None
    assert guard.dispatch.letters is not None
    return guard.dispatch.letters


def kept(guard: Guard) -> list[Row]:
    """All letters, with their bodies."""
    store = letters(guard).store
    return [found for row in store.rows().result(10) for found in store.find(row.id).result(10)]


def opened(guard: Guard) -> Opened:
    [row] = kept(guard)
    return letters(guard).open(row)


def failing(sdk: Any, text: str = "hi", **more: Any) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.chat(text, **more)
    return caught.value


def test_a_call_that_failed_for_good_is_kept(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C22: one clear error of its own code, and one letter: screened, with all that a replay and an auditor need."""
    guard = guarded("retries: {attempts: 3, max_wait_s: 0.01}")
    provider.state.script.fail("chat", "503", forever=True)
    with identity(tenant="acme", user="u1"):
        failure = failing(client(guard), f"write to {MAIL}", extra_headers={"Idempotency-Key": "order-7"})
    assert (failure.status_code, failure.code) == (503, "retries_exhausted")
    [row] = kept(guard)
    assert failure.response.headers["x-guard-letter"] == row.id
    assert failure.response.headers["x-guard-trace"] == row.trace
    assert (row.tenant, row.model, row.endpoint, row.method) == ("acme", "m", "chat", "POST")
    assert (row.reason, row.attempts, row.state) == ("retries_exhausted", 3, WAITING)
    assert (row.policy, row.sha256) == (guard.policy.policy, guard.policy.sha256)
    assert row.url == f"{provider.state.url}/chat/completions"
    assert len(row.user) == 32
    assert not row.tools
    assert not row.streamed
    letter = letters(guard).open(row)
    assert orjson.loads(letter.body)["messages"][0]["content"] == "write to <EMAIL_1>"
    assert letter.headers == ((b"idempotency-key", b"order-7"),)
    assert letter.key_header == b"authorization"


def test_the_key_of_its_tries_is_kept(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C40: a call without a key of its own was given one; a replay must bear the same."""
    guard = guarded("retries: {attempts: 2, max_wait_s: 0.01}")
    provider.state.script.fail("chat", "503", "503")
    failing(client(guard, max_retries=0))
    sent = {dict(received.headers)[b"idempotency-key"] for received in provider.state.received}
    assert sent == {dict(opened(guard).headers)[b"idempotency-key"]}


def test_nothing_readable_lies_in_the_file(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C42: neither originals nor the screened words, nor the provider's key."""
    guard = guarded()
    provider.state.script.fail("chat", "500")
    failing(client(guard, max_retries=0), f"a word about {MAIL}")
    guard.close()
    found = b"".join(file.read_bytes() for file in guard.settings.home.glob("letters.sqlite3*"))
    assert b"retries_exhausted" in found
    for secret in (b"alice", b"a word", b"EMAIL_1", b"sk-app-canary"):
        assert secret not in found
    assert repr(guard.keys.letters) not in repr(letters(guard))


@pytest.mark.parametrize(
    "mode", ["mode: observe\n", "input: {rules: {pii.*: {action: block, mode: observe}}}\n"]
)
def test_what_is_only_observed_is_not_kept(
    client: Connect, provider: Starlette, guarded: Any, mode: str
) -> None:
    """C42: in observe the provider gets originals; a letter holds none all the same."""
    guard = guarded(more=mode)
    provider.state.script.fail("chat", "500")
    failing(client(guard, max_retries=0), f"write to {MAIL}")
    assert b"alice" in provider.state.received[0].body
    assert orjson.loads(opened(guard).body)["messages"][0]["content"] == "write to <EMAIL_1>"


def test_a_letter_moved_elsewhere_does_not_open(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C42: a body is bound to its letter, tenant and address; a changed one is told, and quotes nothing."""
    from dataclasses import replace

    guard = guarded()
    provider.state.script.fail("chat", "500")
    failing(client(guard, max_retries=0))
    [row] = kept(guard)
    for other in (
        replace(row, tenant="other"),
        replace(row, url="https://elsewhere.example/v1"),
        replace(row, id="0" * 16),
        replace(row, sealed=row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])),
    ):
        with pytest.raises(SetupError, match="was changed"):
            letters(guard).open(other)


@pytest.mark.parametrize("fault", ["disconnect", "truncated"])
def test_a_stream_that_was_cut_is_kept(
    client: Connect, provider: Starlette, guarded: Any, fault: str
) -> None:
    """C22 C40: what broke off after its first byte is kept as partly streamed."""
    guard = guarded()
    provider.state.script.reply = lambda body: "some words of an answer " * 30
    provider.state.script.fail("chat", fault)
    with pytest.raises(Exception, match=r"\S") if fault == "disconnect" else contextlib.nullcontext():
        client(guard, max_retries=0).chat_stream("hi")
    [row] = kept(guard)
    assert (row.reason, row.streamed, row.attempts) == ("cut", True, 1)


@pytest.mark.anyio
async def test_the_gateway_names_the_letter_of_a_stream_that_broke_off(
    provider: Starlette, guarded: Any, kit: Any
) -> None:
    """C22: in the last event, since the headers are gone."""
    guard = guarded()
    provider.state.script.reply = lambda body: "some words of an answer " * 30
    provider.state.script.fail("chat", "disconnect")
    gateway = Gateway(guard, upstream=provider.state.url)
    answer = await kit.request(gateway, body={"model": "m", "stream": True, **kit.chat("hi")})
    [row] = kept(guard)
    last = orjson.loads(answer.body.rstrip().rpartition(b"data: ")[2])["error"]
    assert last["code"] == "upstream_closed"
    assert last["message"].endswith(f"; the call is kept: guard letters show {row.id}")


def test_tools_are_noted(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C40: a call that bears tools may do more than answer."""
    guard = guarded()
    provider.state.script.fail("chat", "500")
    failing(client(guard, max_retries=0), tools=TOOLS)
    [row] = kept(guard)
    assert row.tools


def test_the_circuit_is_open(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C22: a call that was not even tried is kept too."""
    guard = guarded()
    provider.state.script.fail("chat", "500", forever=True)
    sdk = client(guard, max_retries=0)
    codes = [failing(sdk).code for _ in range(12)]
    assert codes[-1] == "circuit_open"
    rows = kept(guard)
    assert [row.reason for row in rows] == codes
    assert rows[-1].attempts == 0


def test_both_models_fail(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C22: all candidates were out: one letter for the call, under the name that the caller gave."""
    prices = "budget: {prices: {m: {input: 1}, b: {input: 1}}}"
    guard = guarded(f"fallbacks: {{m: [m, b]}}, {prices}")
    provider.state.script.fail("chat", "503", forever=True)
    failing(client(guard, max_retries=0))
    [row] = kept(guard)
    assert (row.model, row.attempts) == ("m", 2)


@pytest.mark.parametrize(
    ("fault", "more"),
    [("400", ""), ("401", ""), ("", "input: {rules: {pii.email: block}}\n"), ("", "")],
    ids=["400", "401", "blocked", "answered"],
)
def test_other_ends_are_not_kept(
    client: Connect, provider: Starlette, guarded: Any, fault: str, more: str
) -> None:
    """What the provider or guard refused, and what was answered, is no dead letter."""
    guard = guarded(more=more)
    if fault:
        provider.state.script.fail("chat", fault)
    sdk = client(guard, max_retries=0)
    if fault or more:
        assert "x-guard-letter" not in failing(sdk, MAIL).response.headers
    else:
        sdk.chat(MAIL)
    assert kept(guard) == []


def test_a_client_that_leaves_is_no_failure(provider: Starlette, guarded: Any) -> None:
    """A05: nobody waits for an answer any more."""
    guard = guarded()
    provider.state.script.reply = lambda body: "some words of an answer " * 30
    with clients.connecting(True, guard, provider.state.url) as make:
        messages = [{"role": "user", "content": "hi"}]
        stream = make().client.chat.completions.create(model="m", messages=messages, stream=True)
        next(iter(stream))
        stream.close()
    assert kept(guard) == []


def test_the_trace_names_the_letter(client: Connect, provider: Starlette, guarded: Any) -> None:
    """The outcome's span says as which letter the call was stored."""
    guard = guarded()
    provider.state.script.fail("chat", "500")
    failing(client(guard, max_retries=0))
    [row] = kept(guard)
    guard.close()
    spans = "".join(file.read_text() for file in guard.settings.exports.glob("*.jsonl"))
    assert f'{{"key":"guard.letter","value":{{"stringValue":"{row.id}"}}}}' in spans


def hold(guard: Guard) -> sqlite3.Connection:
    """Hold the store's file as another process would."""
    path = guard.settings.home / "letters.sqlite3"
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    return holder


def let_go(holder: sqlite3.Connection) -> None:
    holder.execute("ROLLBACK")
    holder.close()


def test_a_store_that_is_locked_refuses_before_the_call(
    client: Connect, provider: Starlette, guarded: Any
) -> None:
    """C32 C33: what could not be kept is not sent: 503 guard.unavailable.store; and then it works again."""
    guard = guarded(store_timeout_s=0.2)
    sdk, holder = client(guard, max_retries=0), hold(guard)
    failure = failing(sdk)
    assert (failure.status_code, failure.code) == (503, "guard.unavailable.store")
    assert provider.state.received == []
    let_go(holder)
    assert sdk.chat("hi").choices


def test_a_rule_may_let_it_pass(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C32: the same rules decide as for every check: with `flag` the call goes out, and its failure is told."""
    guard = guarded(more="input: {rules: {guard.unavailable.store: flag}}\n", store_timeout_s=0.2)
    sdk, holder = client(guard, max_retries=0), hold(guard)
    assert sdk.chat("hi").choices
    provider.state.script.fail("chat", "500")
    failure = failing(sdk)
    assert failure.code == "retries_exhausted"
    assert "x-guard-letter" not in failure.response.headers
    let_go(holder)


def test_a_letter_that_cannot_be_written_is_not_named(
    client: Connect, provider: Starlette, guarded: Any
) -> None:
    """C32: the file locked after the call went out: its caller hears of the store, and the next call is not sent."""
    guard = guarded("retries: {attempts: 2, max_wait_s: 0.5}", store_timeout_s=0.2)
    sdk, holders = client(guard, max_retries=0), []
    provider.state.script.fail("chat", "500", "500")
    provider.state.script.reply = lambda body: "x"
    timer = threading.Timer(0.1, lambda: holders.append(hold(guard)))
    letters(guard)._proven = letters(guard)._clock()
    timer.start()
    failure = failing(sdk)
    assert (failure.status_code, failure.code) == (503, "guard.unavailable.store")
    assert "x-guard-letter" not in failure.response.headers
    assert len(provider.state.received) == 2
    assert failing(sdk).code == "guard.unavailable.store"
    assert len(provider.state.received) == 2
    let_go(holders[0])
    assert kept(guard) == []


def test_a_full_disk_refuses_before_the_call(
    client: Connect, provider: Starlette, guarded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C32: refused while the disk is almost full, and let through once there is room again."""
    guard = guarded()
    usage = shutil.disk_usage(guard.settings.home)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=FREE - 1))
    sdk = client(guard, max_retries=0)
    assert failing(sdk).code == "guard.unavailable.store"
    assert provider.state.received == []
    monkeypatch.undo()
    assert sdk.chat("hi").choices


@pytest.mark.anyio
async def test_the_event_loop_stays_free(guarded: Any, provider: Starlette, kit: Any) -> None:
    """C33: while a failed call waits for a locked store the others of the loop go on."""
    guard = guarded(store_timeout_s=5)
    gateway = Gateway(guard, upstream=provider.state.url)
    holder, ticks = hold(guard), 0
    late = threading.Timer(3, lambda: let_go(holder))  # a loop that stands still lets nothing go
    late.start()

    async def tick() -> None:
        nonlocal ticks
        while ticks < 20:
            await asyncio.sleep(0.01)
            ticks += 1
        late.cancel()
        let_go(holder)

    ticking = asyncio.ensure_future(tick())
    provider.state.script.fail("chat", "500")
    answer = await kit.request(gateway, body={"model": "m", "messages": [{"role": "user", "content": "hi"}]})
    ticking.cancel()
    await guard.egress.aclose()
    assert answer.code == "retries_exhausted"
    assert answer.header("x-guard-letter") == kept(guard)[0].id
    assert ticks == 20


def test_a_busy_process_does_not_wait(guarded: Any) -> None:
    """A store that took a write is proven for a second; in its second half the next proof is already under way."""
    guard = guarded()
    now = 100.0
    made = Letters(letters(guard).store, guard.keys, clock=lambda: now)
    assert waited(made)
    now = 100.4
    assert not waited(made)
    before = proofs(guard)
    now = 100.8
    assert not waited(made)
    letters(guard).store.rows().result(10)
    assert proofs(guard) == before + 1
    assert made._proven == 100.8
    now = 102.0
    assert waited(made)


def waited(made: Letters) -> bool:
    """Whether a call had to wait for the proof."""
    steps = made.ready()
    try:
        future = next(steps)
        steps.send(future.result(10))  # type: ignore[union-attr]
    except StopIteration:
        return "future" in locals()
    raise AssertionError


def proofs(guard: Guard) -> int:
    return int(
        letters(guard)
        .store.writer.submit(lambda c: c.execute("SELECT number FROM proof").fetchone()[0])
        .result(10)
    )


def test_without_the_key_there_is_no_store(provider: Starlette, quiet: Guard) -> None:
    """A policy that does not ask for letters has no file and nothing between its calls and the provider."""
    assert quiet.dispatch is None
    assert not (quiet.settings.home / "letters.sqlite3").exists()
