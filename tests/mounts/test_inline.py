"""`moderation.by: inline`: the provider judges its own answer, with the answer, and guard acts on what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openai
import orjson
import pytest

from guard import Gateway, Guard
from guard.simulator.server import serve

pytestmark = pytest.mark.anyio

JSON = (b"content-type", b"application/json")
BEARER = (b"authorization", b"Bearer sk-mine")
INLINE = "extends: [default]\nmoderation: {by: inline, cache_s: 0, timeout_s: 30}\n"
CALM = "It rains in Spain again. The sun comes out at noon, they say. " * 5
HURT = CALM + "I will hurt you. " + CALM


@pytest.fixture
def guard(make_guard: Any, provider: Any) -> Guard:
    made: Guard = make_guard(INLINE, moderation_url=provider.state.url)
    return made


def asked(provider: Any, path: str = "/moderations") -> list[Any]:
    return [orjson.loads(row.body) for row in provider.state.received if row.path.endswith(path)]


async def chat(guard: Guard, provider: Any, kit: Any, text: str, **body: Any) -> Any:
    provider.state.script.reply = lambda body: text
    gateway = Gateway(guard, upstream=provider.state.url)
    return await kit.request(gateway, body=kit.chat("hi", **body), headers=[JSON, BEARER])


def told(kit: Any, answer: Any) -> str:
    if b"data: " in answer.body:
        return str(kit.told(answer.body))
    return str(answer.json["choices"][0]["message"]["content"])


@pytest.mark.parametrize("stream", [False, True])
async def test_the_provider_judges_with_its_answer(
    guard: Guard, provider: Any, kit: Any, stream: bool
) -> None:
    """One request, none for the judge; a hit is refused as every hit is, and nothing of it leaves."""
    answer = await chat(guard, provider, kit, CALM, stream=stream)
    assert told(kit, answer) == CALM
    answer = await chat(guard, provider, kit, HURT, stream=stream)
    assert b"content_filter" in answer.body
    assert "rains" not in told(kit, answer)
    assert asked(provider) == []
    assert asked(provider, "/chat/completions")[0]["moderation"] == {
        "model": "omni-moderation-latest",
        "policy": {"output": {"mode": "score"}},
    }


@pytest.mark.parametrize("stream", [False, True])
async def test_its_error_arm_is_no_clean_answer(guard: Guard, provider: Any, kit: Any, stream: bool) -> None:
    """C16: the provider could not moderate: guard.unavailable.moderation, nothing leaves, no other judge is asked."""
    provider.state.script.inline = "error"
    answer = await chat(guard, provider, kit, CALM, stream=stream)
    assert b"guard.unavailable.moderation" in answer.body
    assert (kit.told(answer.body) if stream else "") == ""
    assert answer.status == (200 if stream else 503)
    assert asked(provider) == []


@pytest.mark.parametrize("stream", [False, True])
async def test_a_provider_that_does_not_offer_it(guard: Guard, provider: Any, kit: Any, stream: bool) -> None:
    """It says nothing: the moderation service is asked, before anything leaves."""
    provider.state.script.inline = "off"
    assert told(kit, await chat(guard, provider, kit, CALM, stream=stream)) == CALM
    answer = await chat(guard, provider, kit, HURT, stream=stream)
    assert b"content_filter" in answer.body
    assert "hurt" not in told(kit, answer)
    assert len(asked(provider)) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_sees_what_they_asked_for(guard: Guard, provider: Any, kit: Any, stream: bool) -> None:
    """Scores that guard asked for are not shown; those that the caller asked for are, and their own wishes stay."""
    usage = {"stream_options": {"include_usage": True}} if stream else {}
    hidden = await chat(guard, provider, kit, CALM, stream=stream, **usage)
    assert b"moderation" not in hidden.body
    assert b'"usage"' in hidden.body
    own = {"model": "theirs", "policy": {"input": {"mode": "block"}}}
    shown = await chat(guard, provider, kit, CALM, stream=stream, moderation=own)
    assert b"moderation_results" in shown.body
    sent = asked(provider, "/chat/completions")[-1]["moderation"]
    assert sent["policy"] == {"input": {"mode": "block"}, "output": {"mode": "score"}}
    assert sent["model"] == "omni-moderation-latest"


async def test_every_choice_is_judged(guard: Guard, provider: Any, kit: Any) -> None:
    """n: 2: what is said of one of the choices ends the answer: results are of the answer, not of a choice."""
    provider.state.script.reply = lambda body: [CALM, HURT]
    gateway = Gateway(guard, upstream=provider.state.url)
    answer = await kit.request(gateway, body=kit.chat("hi", n=2), headers=[JSON, BEARER])
    assert {choice["finish_reason"] for choice in answer.json["choices"]} == {"content_filter"}


@pytest.fixture
def client(guard: Guard, provider: Any) -> Iterator[Callable[[], openai.AsyncOpenAI]]:
    with serve(Gateway(guard, upstream=provider.state.url)) as url:
        yield lambda: openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-mine", max_retries=0)


async def test_the_sdk_reads_both_apis(client: Any, provider: Any) -> None:
    """Chat and Responses, whole and streamed, with the official client: what is clean comes, what is not does not."""
    async with client() as sdk:
        for text, blocked in ((CALM, False), (HURT, True)):
            provider.state.script.reply = lambda body, text=text: text
            whole = await sdk.responses.create(model="m", input="hi")
            assert (whole.status == "incomplete") is blocked
            assert ("rains" in whole.output_text) is not blocked
            events = [event async for event in await sdk.responses.create(model="m", input="hi", stream=True)]
            assert events[-1].type == ("response.incomplete" if blocked else "response.completed")
            said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
            assert (said == CALM) is not blocked
            assert "hurt" not in said
            stream = await sdk.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            chunks = [chunk async for chunk in stream]
            assert all(chunk.choices for chunk in chunks)
            assert chunks[-1].choices[0].finish_reason == ("content_filter" if blocked else "stop")
    assert asked(provider) == []


async def test_hold_none_cuts_when_the_scores_come(make_guard: Any, provider: Any, kit: Any) -> None:
    """Nothing is held; the scores at the end still end the answer as refused."""
    text = INLINE + "output: {stream: {hold: none}}\n"
    answer = await chat(make_guard(text, moderation_url=provider.state.url), provider, kit, HURT, stream=True)
    assert "rains" in kit.told(answer.body)
    assert b"content_filter" in answer.body


async def test_other_endpoints_are_judged_as_ever(guard: Guard, provider: Any, kit: Any) -> None:
    """Legacy completions have no such parameter: the moderation service is asked."""
    provider.state.script.reply = lambda body: HURT
    gateway = Gateway(guard, upstream=provider.state.url)
    answer = await kit.request(
        gateway, "/v1/completions", body={"model": "m", "prompt": "hi"}, headers=[JSON, BEARER]
    )
    assert b"content_filter" in answer.body
    assert len(asked(provider)) == 1
    assert "moderation" not in asked(provider, "/completions")[0]
