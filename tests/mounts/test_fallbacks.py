"""Another model answers when the first one's provider is out: for outages only, and everybody is told which it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import client_kit as clients
import openai
import orjson
import pytest
from starlette.applications import Starlette

from guard import Guard
from guard.errors import SetupError
from guard.mounts.gateway import Gateway
from guard.settings import Settings

Connect = Callable[..., Any]
MAIL = "alice@corp.com"
PRICES = "prices: {m: {input: 1000, output: 1000}, b: {input: 1, output: 1}}"
FALLBACKS = "fallbacks: {m: [m, b]}"


@pytest.fixture
def guarded(tmp_path: Path, kit: Any) -> Iterator[Callable[..., Guard]]:
    made: list[Guard] = []

    def make(traffic: str = FALLBACKS, budget: str = PRICES, more: str = "") -> Guard:
        file = tmp_path / f"{len(made)}.yaml"
        file.write_text(f"{kit.quiet}traffic:\n  {traffic}\n  budget: {{{budget}}}\n{more}")
        home = tmp_path / f"home{len(made)}"
        made.append(Guard.from_policy(file, Settings(home=home, exports=home / "exports")))
        return made[-1]

    yield make
    for guard in made:
        guard.close()


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def client(request: pytest.FixtureRequest, provider: Starlette, quiet: Guard) -> Iterator[Connect]:
    with clients.connecting(request.param, quiet, provider.state.url) as make:
        yield make


def models(provider: Starlette) -> list[str]:
    return [orjson.loads(received.body)["model"] for received in provider.state.received]


@pytest.mark.parametrize("fault", ["500", "503", "429", "disconnect"])
def test_the_next_model_answers_an_outage(
    client: Connect, provider: Starlette, guarded: Any, fault: str
) -> None:
    """C18: the same screened request, the restored answer, an honest `model`."""
    provider.state.script.fail("chat", fault)
    answer = client(guarded(), max_retries=0).chat(f"hi {MAIL}", temperature=0.5)
    assert answer.model == "b"
    assert answer.choices[0].message.content == f"You wrote: hi {MAIL}"
    first, second = (orjson.loads(received.body) for received in provider.state.received)
    assert second == {**first, "model": "b"}
    assert b"alice" not in provider.state.received[1].body
    keys = [dict(received.headers)[b"idempotency-key"] for received in provider.state.received]
    assert keys[1] == keys[0] + b"-1"


def test_a_stream_falls_back_before_its_first_byte(
    client: Connect, provider: Starlette, guarded: Any
) -> None:
    """C18: an error in place of a stream."""
    provider.state.script.fail("chat", "503")
    chunks = client(guarded(), max_retries=0).chat_stream("hi")
    assert {chunk.model for chunk in chunks} == {"b"}


def test_and_never_after_it(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C21: a stream that breaks is broken: no second model goes on with it."""
    provider.state.script.reply = lambda body: "some words of an answer " * 30
    provider.state.script.fail("chat", "disconnect")
    with pytest.raises(Exception, match=r"\S"):
        client(guarded(), max_retries=0).chat_stream("hi")
    assert models(provider) == ["m"]


@pytest.mark.parametrize("code", ["content_policy_violation", "content_filter"])
def test_a_refusal_is_not_answered_elsewhere(
    client: Connect, provider: Starlette, guarded: Any, code: str
) -> None:
    """C20: fallbacks answer outages, never refusals."""
    provider.state.script.error_code = code
    provider.state.script.fail("chat", "400")
    with pytest.raises(openai.BadRequestError):
        client(guarded(), max_retries=0).chat("hi")
    assert models(provider) == ["m"]


def test_guards_own_refusal_is_not_answered_elsewhere(
    client: Connect, provider: Starlette, guarded: Any
) -> None:
    """Law 9: what the policy blocks goes to no model."""
    guard = guarded(more="input: {rules: {pii.email: block}}\n")
    with pytest.raises(openai.PermissionDeniedError):
        client(guard, max_retries=0).chat(f"hi {MAIL}")
    assert provider.state.received == []


def test_both_fail(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C22: one clear error; each was tried as often as the policy says, and no more."""
    provider.state.script.fail("chat", "503", forever=True)
    guard = guarded("retries: {attempts: 2, max_wait_s: 0.01}\n  " + FALLBACKS)
    with pytest.raises(openai.APIStatusError) as caught:
        client(guard, max_retries=5).chat("hi")
    assert (caught.value.status_code, caught.value.code) == (503, "retries_exhausted")
    assert models(provider) == ["m", "m", "b", "b"]


def test_other_models_are_left_alone(client: Connect, provider: Starlette, guarded: Any) -> None:
    """Only whom the policy names falls back; embeddings have no other model."""
    provider.state.script.fail("chat", "503")
    sdk = client(guarded(), max_retries=0)
    with pytest.raises(openai.InternalServerError):
        sdk(lambda c: c.chat.completions.create(model="b", messages=[{"role": "user", "content": "hi"}]))
    provider.state.script.fail("embeddings", "503")
    with pytest.raises(openai.InternalServerError):
        sdk(lambda c: c.embeddings.create(model="m", input="hi"))
    assert models(provider) == ["b", "m"]


def test_the_dearest_is_reserved_and_the_served_one_counted(
    client: Connect, provider: Starlette, guarded: Any
) -> None:
    """C44: the budget holds whoever answers, and pays for who did."""
    guard = guarded(budget=f"usd_per_month: 0.3, {PRICES}")
    provider.state.script.fail("chat", "503")
    sdk = client(guard, max_retries=0)
    with pytest.raises(openai.RateLimitError):
        sdk.chat("hi", max_tokens=500)
    answer = sdk.chat("hi", max_tokens=50)
    assert answer.model == "b"
    budget = guard.dispatch.budget
    [account] = budget._accounts("default")
    assert budget._store.spent(account).result(10) == pytest.approx(answer.usage.total_tokens, abs=1)


def test_a_model_without_a_price_is_left_out(client: Connect, provider: Starlette, guarded: Any) -> None:
    """C45: the list prices this one by the hour, so that a budget cannot count its tokens: it is never asked."""
    guard = guarded("fallbacks: {m: [gpt-transcribe, m]}", f"usd_per_month: 100, {PRICES}")
    assert client(guard, max_retries=0).chat("hi", max_tokens=5).model == "m"
    assert models(provider) == ["m"]


def test_a_context_that_is_too_short_is_left_out(client: Connect, provider: Starlette, guarded: Any) -> None:
    """GLM-4-AirX reads 8,000 tokens: a longer call does not fall back to it."""
    guard = guarded("fallbacks: {m: [m, GLM-4-AirX]}")
    sdk = client(guard, max_retries=0)
    provider.state.script.fail("chat", "503")
    assert sdk.chat("hi", max_tokens=50).model == "GLM-4-AirX"
    provider.state.script.fail("chat", "503")
    with pytest.raises(openai.InternalServerError):
        sdk.chat("word " * 20_000, max_tokens=50)
    assert models(provider) == ["m", "GLM-4-AirX", "m"]


@pytest.mark.anyio
async def test_both_tries_stand_in_one_trace(guarded: Any, provider: Starlette, kit: Any, spans: Any) -> None:
    """C18: the record has each try, who served, and whom the caller had named; a header tells the caller."""
    guard = guarded()
    gateway = Gateway(guard, upstream=provider.state.url)
    provider.state.script.fail("chat", "503")
    answer = await kit.request(gateway, body=kit.chat("hi"))
    assert (answer.status, answer.json["model"], answer.header("x-guard-model")) == (200, "b", "b")
    [_, call] = await spans(guard, answer.header("x-guard-trace"))
    tried = [
        {a["key"]: next(iter(a["value"].values())) for a in event["attributes"]}
        for event in call["events"]
        if event["name"] == "guard.attempt"
    ]
    assert [(t["model"], t["status"]) for t in tried] == [("m", "503"), ("b", "200")]
    assert (call["gen_ai.request.model"], call["gen_ai.response.model"]) == ("b", "b")
    assert call["guard.model.asked"] == "m"
    answer = await kit.request(gateway, body=kit.chat("hi"))
    assert (answer.json["model"], answer.header("x-guard-model")) == ("m", None)
    await guard.egress.aclose()


def test_a_target_that_nobody_knows_stops_the_start(guarded: Any) -> None:
    """A fallback that would fail when it is needed is refused before."""
    with pytest.raises(SetupError, match="nobody-knows is not known: write it with its price"):
        guarded("fallbacks: {m: [m, nobody-knows]}")
