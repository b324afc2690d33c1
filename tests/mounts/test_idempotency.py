"""A caller's Idempotency-Key: one call, one answer, whoever asks again; nothing readable is kept of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import client_kit as clients
import openai
import pytest
from starlette.applications import Starlette

from guard import Guard, identity
from guard.errors import Refused
from guard.outside.stores.answers import KEPT_S, AnswerStore
from guard.outside.stores.holders import new_holder
from guard.traffic.idempotency import Idempotency, Kept, Ticket
from guard.traffic.waiting import wait_sync

Connect = Callable[..., Any]
MAIL = "alice@corp.com"
KEY = {"Idempotency-Key": "order-7"}


@pytest.fixture
def guarded(housed: Callable[..., Guard], kit: Any) -> Callable[..., Guard]:
    def make(traffic: str = "idempotency: true", base: str = "", **settings: Any) -> Guard:
        return housed(f"{base or kit.quiet}traffic: {{{traffic}}}\n", **settings)

    return make


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def client(request: pytest.FixtureRequest, provider: Starlette, quiet: Guard) -> Iterator[Connect]:
    with clients.connecting(request.param, quiet, provider.state.url) as make:
        yield lambda guard: make(guard, max_retries=0)


def raw(sdk: Any, text: str = f"to {MAIL}", key: dict[str, str] = KEY, **more: Any) -> Any:
    """The HTTP answer to one message."""
    messages = [{"role": "user", "content": text}]
    made = dict(model="m", messages=messages, extra_headers=key, **more)
    return sdk(lambda c: c.chat.completions.with_raw_response.create(**made)).http_response


def kept(guard: Guard) -> Idempotency:
    assert guard.dispatch is not None
    assert guard.dispatch.idempotency is not None
    return guard.dispatch.idempotency


def test_the_first_answer_is_given_again(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C43: status and body of the first call, originals restored; the provider hears of one call."""
    sdk = client(guarded())
    first, again = raw(sdk), raw(sdk)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert MAIL in again.text
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert again.headers["x-guard-trace"] != first.headers["x-guard-trace"]
    assert len(provider.state.received) == 1


def test_another_body_is_refused(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C43: 422, whatever of it is other; the first answer stays."""
    sdk = client(guarded())
    raw(sdk)
    for other in ({"text": "another"}, {"temperature": 0.5}):
        with pytest.raises(openai.UnprocessableEntityError) as caught:
            raw(sdk, **other)
        assert caught.value.code == "idempotency_key_reuse"
        assert caught.value.response.headers["x-should-retry"] == "false"
    assert raw(sdk).headers["idempotent-replayed"] == "true"
    assert len(provider.state.received) == 1


def test_a_call_that_is_under_way(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C43: 409 while the first one has no answer; then the answer."""
    guard = guarded()
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    ticket = wait_sync(kept(guard).begin("default", "/v1/chat/completions", b"order-7", body), 10)
    assert isinstance(ticket, Ticket)
    sdk = client(guard)
    with pytest.raises(openai.ConflictError) as caught:
        raw(sdk, "hi")
    assert caught.value.code == "idempotency_in_flight"
    assert provider.state.received == []
    wait_sync(kept(guard).keep(ticket, Kept(201, ((b"content-type", b"application/json"),), b"{}")), 10)
    assert raw(sdk, "hi").status_code == 201


def test_a_key_is_its_tenants_and_endpoints(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C43: what another tenant chose, or what went to another endpoint, is another key."""
    sdk = client(guarded())
    raw(sdk)
    with identity(tenant="acme"):
        assert "idempotent-replayed" not in raw(sdk).headers
    sdk(lambda c: c.responses.create(model="m", input="hi", extra_headers=KEY))
    assert len(provider.state.received) == 3


def test_a_key_is_its_virtual_keys(client: Connect, provider: Starlette, guarded: Any) -> None:
    """Two virtual keys of one tenant may be held to different policies: neither gets what the other was answered."""
    sdk = client(guarded())
    for key in ("partner-a", "partner-b", "partner-a"):
        with identity(tenant="acme", key=key):
            replayed = "idempotent-replayed" in raw(sdk).headers
    assert replayed
    assert len(provider.state.received) == 2


def test_failures_are_kept_too(client: Connect, provider: Starlette, guarded: Any) -> None:
    """E10: the first result, 5xx as well, and the one dead letter that it made."""
    guard = guarded("idempotency: true, dead_letters: true")
    sdk = client(guard)
    provider.state.script.fail("chat", "500")
    told = []
    for _ in range(3):
        with pytest.raises(openai.InternalServerError) as caught:
            raw(sdk)
        told.append(
            (caught.value.status_code, caught.value.code, caught.value.response.headers["x-guard-letter"])
        )
    assert len(set(told)) == 1
    assert len(provider.state.received) == 1
    assert len(guard.dispatch.letters.store.rows().result(10)) == 1


def test_the_provider_s_refusal_is_kept(client: Connect, provider: Starlette, guarded: Any) -> None:
    """E10: a 400 is the call's result."""
    sdk = client(guarded())
    provider.state.script.fail("chat", "400")
    for _ in range(2):
        with pytest.raises(openai.BadRequestError):
            raw(sdk)
    assert len(provider.state.received) == 1


def test_what_never_went_out_is_not_kept(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C43: a limit that was reached leaves the key free for the next try."""
    budget = "budget: {usd_per_month: 0.3, prices: {m: {input: 1000, output: 1000}}}"
    sdk = client(guarded(f"idempotency: true, {budget}"))
    for _ in range(2):
        with pytest.raises(openai.RateLimitError) as caught:
            raw(sdk, max_tokens=500)
        assert "idempotent-replayed" not in caught.value.response.headers
    assert raw(sdk, "hi", max_tokens=50).status_code == 200


def test_an_answer_that_nobody_could_screen_is_kept(
    client: Connect, provider: Starlette, guarded: Any
) -> None:
    """C43: the model was called: asking again does not call it again."""
    guard = guarded(base="extends: [default]\nrecognizers: {presidio: {recognizers: []}}\n")
    sdk = client(guard)
    provider.state.script.fail("moderations", "500", forever=True)
    for _ in range(2):
        with pytest.raises(openai.InternalServerError) as caught:
            raw(sdk)
        assert caught.value.code == "guard.unavailable.moderation"
    assert [received.path for received in provider.state.received].count("/v1/chat/completions") == 1


def test_a_stream_is_given_again_whole(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C43: the same events, as one piece."""
    sdk = client(guarded())
    first = sdk.chat_stream(f"to {MAIL}", extra_headers=KEY)
    again = sdk.chat_stream(f"to {MAIL}", extra_headers=KEY)
    assert again == first
    assert len(provider.state.received) == 1


def test_a_stream_that_was_cut_is_not_kept(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C43: there is no answer to give again: the next try is a call, with the same key."""
    sdk = client(guarded())
    provider.state.script.reply = lambda body: "some words of an answer " * 30
    provider.state.script.fail("chat", "disconnect")
    with pytest.raises(Exception, match=r"\S"):
        sdk.chat_stream("hi", extra_headers=KEY)
    assert sdk.chat_stream("hi", extra_headers=KEY)
    keys = [dict(received.headers)[b"idempotency-key"] for received in provider.state.received]
    assert keys == [b"order-7"] * 2


def test_a_stream_that_nobody_read_leaves_the_key_free(provider: Starlette, guarded: Any) -> None:
    """C43: a client that leaves before the first event."""
    guard = guarded()
    with clients.connecting(True, guard, provider.state.url) as make:
        messages = [{"role": "user", "content": "hi"}]
        create = make(max_retries=0).client.chat.completions.create
        create(model="m", messages=messages, stream=True, extra_headers=KEY).close()
        assert list(create(model="m", messages=messages, stream=True, extra_headers=KEY))


def test_after_a_day_it_is_a_new_call(client: Connect, provider: Starlette, guarded: Any) -> None:
    """E10: kept 24 hours."""
    guard = guarded()
    sdk = client(guard)
    raw(sdk)
    now = kept(guard)._wall()
    kept(guard)._wall = lambda: now + KEPT_S - 60
    assert "idempotent-replayed" in raw(sdk).headers
    kept(guard)._wall = lambda: now + KEPT_S + 60
    assert "idempotent-replayed" not in raw(sdk).headers


def test_nothing_readable_is_kept(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C43: neither the answer nor the key lies in the file; without the caller's key nobody opens it."""
    guard = guarded()
    raw(client(guard))
    guard.close()
    found = b"".join(file.read_bytes() for file in guard.settings.home.glob("answers.sqlite3*"))
    for secret in (b"alice", b"You wrote", b"order-7", b"EMAIL_1"):
        assert secret not in found


def test_without_the_policys_word_keys_only_pass(client: Connect, provider: Starlette, guarded: Any) -> None:
    """A policy that does not ask for it calls the provider each time, with the caller's key."""
    sdk = client(guarded("retries: {attempts: 2}"))
    raw(sdk)
    raw(sdk)
    assert len(provider.state.received) == 2


def test_a_key_that_is_none(client: Connect, provider: Starlette, guarded: Any) -> None:
    """E10: up to 255 characters."""
    with pytest.raises(openai.BadRequestError) as caught:
        raw(client(guarded()), key={"Idempotency-Key": "k" * 256})
    assert caught.value.code == "invalid_idempotency_key"


def test_a_store_that_is_locked_refuses_before_the_call(
    client: Connect, provider: Starlette, guarded: Any
) -> None:
    """C33: what could be sent twice is not sent."""
    guard = guarded(store_timeout_s=0.2)
    holder = sqlite3.connect(guard.settings.home / "answers.sqlite3", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    sdk = client(guard)
    with pytest.raises(openai.InternalServerError) as caught:
        raw(sdk)
    assert caught.value.code == "guard.unavailable.store"
    assert provider.state.received == []
    holder.execute("ROLLBACK")
    holder.close()
    assert raw(sdk).status_code == 200


def test_a_call_whose_process_died_is_nobodys(tmp_path: Path, quiet: Guard) -> None:
    """C43: what a killed process held is free at once; what a living one of another machine holds, after an hour."""
    store = AnswerStore(tmp_path / "answers.sqlite3")
    host, _, token = new_holder().rsplit(":", 2)
    store.begin("a", "p", f"{host}:999999999:{token}", 1e12, 1.0).result(10)
    store.begin("b", "p", f"other.host:1:{token}", 3600.0, 1.0).result(10)
    assert store.begin("a", "p", new_holder(), 1e12, 2.0).result(10).ours
    assert not store.begin("b", "p", new_holder(), 1e12, 2.0).result(10).ours
    assert store.begin("b", "p", new_holder(), 1e12, 3601.0).result(10).ours
    store.close()


def test_two_at_once(tmp_path: Path, quiet: Guard) -> None:
    """C43: of two calls with one key one goes out."""
    store = AnswerStore(tmp_path / "answers.sqlite3")
    idempotency = Idempotency(store, quiet.keys)
    flows = [idempotency.begin("acme", "/v1/x", b"k", {"a": 1}) for _ in range(2)]
    futures = [next(flow) for flow in flows]
    ended = []
    for flow, future in zip(flows, futures, strict=True):
        try:
            flow.send(future.result(10))  # type: ignore[union-attr]
        except StopIteration as stop:
            ended.append(type(stop.value))
        except Refused as refusal:
            ended.append(refusal.status)
    assert ended == [Ticket, 409]
    store.close()
