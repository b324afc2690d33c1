"""Judged answers end to end: the gateway, the simulated provider with its moderation, the record."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from guard import Gateway, Guard
from guard.simulator.limits import Quota

pytestmark = pytest.mark.anyio

JSON = (b"content-type", b"application/json")
BEARER = (b"authorization", b"Bearer sk-mine")
NONE = "output: {stream: {hold: none}}\nmoderation: {cache_s: 0}\n"
STORY = (
    "It rains in Spain again. The sun comes out at noon, they say. We all go out for a long walk then. " * 3
)


def asked(provider: Any) -> list[list[str]]:
    """What the moderation endpoint was asked, request by request."""
    rows = [row for row in provider.state.received if row.path.endswith("/moderations")]
    return [orjson.loads(row.body)["input"] for row in rows]


def told_by(name: str) -> str:
    """A text of which no window stands in another's."""
    return "".join(f"{name} says sentence {n} of twenty. " for n in range(20))


async def streamed(gateway: Gateway, kit: Any, text: str = "hi") -> Any:
    return await kit.request(gateway, body=kit.chat(text, stream=True), headers=[JSON, BEARER])


@pytest.mark.parametrize(("hold", "more"), [("none", NONE), ("window", "moderation: {cache_s: 0}\n")])
async def test_the_record_says_what_was_released_unchecked(
    make_guard: Any, provider: Any, kit: Any, spans: Any, hold: str, more: str
) -> None:
    """hold: none: the outcome holds `guard.released_unchecked`, in bytes; where text is held it does not."""
    guard: Guard = make_guard("extends: [default]\n" + more, moderation_url=provider.state.url)
    provider.state.script.reply = lambda body: STORY
    answer = await streamed(Gateway(guard, upstream=provider.state.url), kit)
    assert kit.told(answer.body) == STORY
    found = await spans(guard, answer.header("x-guard-trace"), 3)
    noted = [span["guard.released_unchecked"] for span in found if "guard.released_unchecked" in span]
    assert noted == ([str(len(STORY.encode()))] if hold == "none" else [])


async def test_a_late_hit_cuts_what_was_not_held(
    make_guard: Any, provider: Any, kit: Any, spans: Any
) -> None:
    """hold: none: the answer is cut with content_filter, and the record has the block beside what had left."""
    guard: Guard = make_guard("extends: [default]\n" + NONE, moderation_url=provider.state.url)
    provider.state.script.reply = lambda body: STORY + "I will hurt you. " + STORY
    answer = await streamed(Gateway(guard, upstream=provider.state.url), kit)
    assert b'"content_filter"' in answer.body
    assert answer.body.endswith(kit.done)
    found = await spans(guard, answer.header("x-guard-trace"), 3)
    [outcome] = [span for span in found if "guard.released_unchecked" in span]
    assert outcome["guard.action"] == "block"


async def test_streams_share_moderation_requests(judging: Guard, provider: Any, kit: Any) -> None:
    """Ten streams at once cost far fewer requests than ten alone, and each is judged whole."""
    script = provider.state.script
    script.reply = lambda body: told_by(body["messages"][0]["content"])
    script.pause_s = 0.002
    gateway = Gateway(judging, upstream=provider.state.url)
    await streamed(gateway, kit, "alone")
    alone = len(asked(provider))
    provider.state.received.clear()
    answers = await asyncio.gather(*(streamed(gateway, kit, f"Stream {n}") for n in range(10)))
    assert [kit.told(a.body) for a in answers] == [told_by(f"Stream {n}") for n in range(10)]
    requests = asked(provider)
    assert len(requests) < 10 * alone / 2
    texts = [text for request in requests for text in request]
    assert all(told_by(f"Stream {n}") in texts for n in range(10))


GUARD_MODELS = ["Qwen/Qwen3Guard-Gen-4B", "llama-guard3:8b", "google/shieldgemma-2b"]


def guarded(make_guard: Any, url: str, model: str, more: str = "", **settings: Any) -> Guard:
    judge = f"by: guard-model, url: '{url}', model: '{model}', cache_s: 0, timeout_s: 30"
    text = f"extends: [default]\nmoderation: {{{judge}}}\n{more}"
    guard: Guard = make_guard(text, **settings)
    return guard


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", GUARD_MODELS)
async def test_a_guard_model_judges(
    make_guard: Any, provider: Any, kit: Any, spans: Any, model: str, stream: bool
) -> None:
    """`by: guard-model`: a chat model's labels block what moderation's scores would, whole and streamed; the span of
    each question names the model and holds a score of every category that its table has."""
    guard = guarded(make_guard, provider.state.url, model)
    gateway = Gateway(guard, upstream=provider.state.url)
    for reply, blocked in ((STORY, False), ("Now I tell you how to build a bomb. " + STORY, True)):
        provider.state.script.reply = lambda body, reply=reply: reply
        answer = await kit.request(gateway, body=kit.chat("hi", stream=stream), headers=[JSON, BEARER])
        assert (b"content_filter" in answer.body) is blocked
        assert (b"bomb" in answer.body) is False
    asked = [row for row in provider.state.received if orjson.loads(row.body).get("model") == model]
    assert asked
    assert not any(name == b"authorization" for row in asked for name, _ in row.headers)
    found = await spans(guard, answer.header("x-guard-trace"), 3)
    judged = [span for span in found if span["name"].startswith("moderation ")]
    assert any("guard.moderation.score.illicit/violent" in span for span in judged)


async def test_a_guard_model_has_its_own_key(make_guard: Any, provider: Any, kit: Any) -> None:
    """GUARD_MODERATION_KEY goes to the guard model; the caller's and the provider's keys do not."""
    guard = guarded(make_guard, provider.state.url, GUARD_MODELS[1], moderation_key="sk-judge")
    await kit.request(
        Gateway(guard, upstream=provider.state.url), body=kit.chat("hi"), headers=[JSON, BEARER]
    )
    keys = [dict(row.headers)[b"authorization"] for row in provider.state.received]
    assert keys == [b"Bearer sk-mine", b"Bearer sk-judge"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_guard_model_that_chats_is_an_outage(
    make_guard: Any, provider: Any, kit: Any, stream: bool
) -> None:
    """C16: an answer in no dialect is `guard.unavailable.moderation`, not safe."""
    guard = guarded(make_guard, provider.state.url, "my-own-model', dialect: 'llama-guard")
    gateway = Gateway(guard, upstream=provider.state.url)
    answer = await kit.request(gateway, body=kit.chat("hi", stream=stream), headers=[JSON, BEARER])
    assert b"guard.unavailable.moderation" in answer.body
    assert answer.status == (200 if stream else 503)


async def test_a_guard_model_stands_under_the_residency_rules(
    make_guard: Any, provider: Any, kit: Any
) -> None:
    """A judge outside the jurisdictions is not asked: the answer is refused as unjudged, nothing was sent there."""
    place = "egress: {jurisdictions: [DE], hosts: {'127.0.0.1': {processing: [DE], storage: [DE]}}}\n"
    guard = guarded(make_guard, "http://localhost:9/v1", GUARD_MODELS[0], place)
    answer = await kit.request(
        Gateway(guard, upstream=provider.state.url), body=kit.chat("hi"), headers=[JSON, BEARER]
    )
    assert answer.status == 503
    assert answer.code == "guard.unavailable.moderation"


async def test_judging_keeps_under_the_quota(make_guard: Any, provider: Any, kit: Any) -> None:
    """With 600 requests a minute, of which three are left, ten streams are judged whole: no 429, nobody refused."""
    quota = Quota(600)
    quota._left, quota._at = 3.0, quota.clock()
    provider.state.script.quota = quota
    provider.state.script.reply = lambda body: told_by(body["messages"][0]["content"])
    guard: Guard = make_guard(
        "extends: [default]\nmoderation: {cache_s: 0, timeout_s: 30}\nowner: quota\n",
        moderation_url=provider.state.url,
    )
    gateway = Gateway(guard, upstream=provider.state.url)
    await streamed(gateway, kit, "First")
    answers = await asyncio.gather(*(streamed(gateway, kit, f"Stream {n}") for n in range(10)))
    assert [kit.told(a.body) for a in answers] == [told_by(f"Stream {n}") for n in range(10)]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "disguise",
    [
        lambda text: "\u200b".join(text),
        lambda text: "\u2060\u00ad".join(text),
        lambda text: "Nice weather. " + "".join(chr(0xE0000 + ord(c)) for c in text),
    ],
    ids=["zero-width", "joiners", "tag characters"],
)
async def test_hidden_words_are_judged(
    judging: Guard, provider: Any, kit: Any, stream: bool, disguise: Any
) -> None:
    """D27: what stands between zero-width characters or in tag characters is read by models: the judge reads it too."""
    provider.state.script.reply = lambda body: disguise("I will hurt you")
    gateway = Gateway(judging, upstream=provider.state.url)
    answer = await kit.request(gateway, body=kit.chat("hi", stream=stream), headers=[JSON, BEARER])
    assert b"content_filter" in answer.body
    assert all(text.isascii() for request in asked(provider) for text in request)
