"""Old requests through the client and the gateway: named or translated, and old code reads its old answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import orjson
import pytest
from starlette.applications import Starlette

from guard import Gateway, Guard, GuardMiddleware
from guard.simulator.script import ToolCall

MAIL = "alice@corp.com"
WEATHER = {"name": "send", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
CALL = ToolCall("send", '{"city": "Bern", "mail": "<EMAIL_1>"}')
TOLD = {"city": "Bern", "mail": MAIL}
ASKS = [{"role": "user", "content": f"Weather for {MAIL}?"}]
Connect = Callable[..., Any]


@pytest.fixture
def translating(make_guard: Any) -> Guard:
    guard: Guard = make_guard(make_guard.quiet + "legacy: translate\n")
    return guard


@pytest.fixture
def calling(provider: Starlette) -> Starlette:
    """A provider whose model calls the tool twice, in small pieces."""
    provider.state.script.tools = lambda body: [CALL, ToolCall("send", "{}")] if body.get("tools") else []
    provider.state.script.chunk = 3
    return provider


def received(provider: Starlette) -> list[tuple[str, Any]]:
    return [(row.path, json.loads(row.body)) for row in provider.state.received]


def test_old_code_works_with_the_sdk(connect: Connect, calling: Starlette, translating: Guard) -> None:
    """The provider sees tools, once and redacted; the caller reads `function_call` with the original in it."""
    answer = connect(translating)(
        lambda c: c.chat.completions.create(
            model="m", messages=ASKS, functions=[WEATHER], function_call="auto"
        )
    )
    ((path, body),) = received(calling)
    assert path == "/v1/chat/completions"
    assert body["tools"] == [{"type": "function", "function": WEATHER}]
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("auto", False)
    assert not {"functions", "function_call"} & set(body)
    (choice,) = answer.choices
    assert (choice.finish_reason, choice.message.tool_calls) == ("function_call", None)
    assert choice.message.function_call.name == "send"
    assert json.loads(choice.message.function_call.arguments) == TOLD


def test_old_streaming_code_works_with_the_sdk(
    connect: Connect, calling: Starlette, translating: Guard
) -> None:
    """The same in pieces, whatever the cuts."""
    calling.state.script.recut = 1
    chunks = connect(translating).chat_stream(ASKS[0]["content"], functions=[WEATHER])
    deltas = [c.delta for chunk in chunks for c in chunk.choices]
    pieces = [d.function_call for d in deltas if d.function_call]
    assert [p.name for p in pieces if p.name] == ["send"]
    assert json.loads("".join(p.arguments or "" for p in pieces)) == TOLD
    assert not any(d.tool_calls for d in deltas)
    assert chunks[-1].choices[0].finish_reason == "function_call"


def test_the_next_turn_of_old_code_works_too(
    connect: Connect, calling: Starlette, translating: Guard
) -> None:
    """B13: the history's function call and its result go on as a tool call and its result, redacted."""
    calling.state.script.tools = lambda body: []
    call = {"name": "send", "arguments": json.dumps(TOLD)}
    history: Any = [
        *ASKS,
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": "send", "content": f"sunny for {MAIL}"},
    ]
    sdk = connect(translating)
    answer = sdk(lambda c: c.chat.completions.create(model="m", messages=history, functions=[WEATHER]))
    assert answer.choices[0].finish_reason == "stop"
    ((_, body),) = received(calling)
    asked, result = body["messages"][1:]
    assert json.loads(asked["tool_calls"][0]["function"]["arguments"]) == {
        "city": "Bern",
        "mail": "<EMAIL_1>",
    }
    assert result == {"role": "tool", "tool_call_id": "call_1", "content": "sunny for <EMAIL_1>"}


def test_without_the_policy_the_sdk_gets_a_clear_error(
    connect: Connect, provider: Starlette, quiet: Guard
) -> None:
    """Refused before anything is sent, with the words to write instead."""
    sdk = connect(quiet)
    with pytest.raises(openai.BadRequestError, match="write `tools` and `tool_choice`") as refused:
        sdk(lambda c: c.chat.completions.create(model="m", messages=ASKS, functions=[WEATHER]))
    assert (refused.value.code, refused.value.param) == ("legacy.functions", "functions")
    with pytest.raises(openai.BadRequestError, match="between -100 and 100"):
        sdk(lambda c: c.chat.completions.create(model="m", messages=ASKS, logit_bias={"1": 200}))
    assert provider.state.received == []


OLD_BODIES: list[tuple[str, str, dict[str, Any], str, dict[str, Any]]] = [
    ("engine", "/v1/chat/completions", {"engine": "e"}, "/v1/chat/completions", {"model": "e"}),
    ("engine path", "/v1/engines/e/completions", {}, "/v1/completions", {"model": "e"}),
    (
        "limit",
        "/v1/chat/completions",
        {"model": "o3", "max_tokens": 9},
        "/v1/chat/completions",
        {"model": "o3", "max_completion_tokens": 9},
    ),
]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "path", "old", "sent_to", "new"), OLD_BODIES, ids=[r[0] for r in OLD_BODIES]
)
async def test_raw_bodies_through_the_gateway(
    name: str,
    path: str,
    old: Any,
    sent_to: str,
    new: Any,
    provider: Any,
    kit: Any,
    translating: Guard,
    quiet: Guard,
) -> None:
    """B18: by default 400 and nothing is sent; by policy the provider sees today's request at today's path."""
    text = {"messages": ASKS} if "chat" in path else {"prompt": ASKS[0]["content"]}
    refused = await kit.request(Gateway(quiet, upstream=provider.state.url), path, {**text, **old})
    assert (refused.status, refused.code.partition(".")[0]) == (400, "legacy")
    assert refused.header("x-should-retry") == "false"
    assert provider.state.received == []
    gateway = Gateway(translating, upstream=provider.state.url)
    answer = await kit.request(gateway, path, {**text, **old})
    assert answer.status == 200
    ((called, body),) = received(provider)
    assert called == sent_to
    assert {k: v for k, v in body.items() if k not in text} == new
    assert MAIL not in json.dumps(body)
    assert (answer.header("x-guard-notes") or "").startswith("legacy.")


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [False, True])
async def test_old_streams_end_as_they_should(
    stream: bool, calling: Any, kit: Any, translating: Guard
) -> None:
    """A stream in the old style ends with `[DONE]`; both say in a header what was translated."""
    body = {"model": "m", "messages": ASKS, "functions": [WEATHER], "stream": stream}
    answer = await kit.request(Gateway(translating, upstream=calling.state.url), body=body)
    assert answer.header("x-guard-notes") == "legacy.functions"
    assert b"tool_calls" not in answer.body
    assert answer.body.endswith(b"data: [DONE]\n\n") is stream


@pytest.mark.anyio
async def test_a_prompt_that_cannot_fit_is_refused(provider: Any, kit: Any, quiet: Guard) -> None:
    """With the API's own code, so that code which shortens and tries again still does."""
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": "lorem ipsum dolor " * 8000}]}
    answer = await kit.request(Gateway(quiet, upstream=provider.state.url), body=body)
    assert (answer.status, answer.code) == (400, "context_length_exceeded")
    assert provider.state.received == []


@pytest.mark.anyio
@pytest.mark.parametrize("stream", [False, True])
async def test_an_unknown_end_is_said(stream: bool, provider: Any, kit: Any, quiet: Guard) -> None:
    """C15: an answer that ends for a reason nobody documents passes as it is, and is marked."""
    provider.state.script.finish_reason = "eos_token"
    body = {"model": "m", "messages": ASKS, "stream": stream}
    answer = await kit.request(Gateway(quiet, upstream=provider.state.url), body=body)
    assert b'"finish_reason":"eos_token"' in answer.body
    assert answer.header("x-guard-notes") == (None if stream else "unknown_finish_reason")
    provider.state.script.finish_reason = "length"
    answer = await kit.request(Gateway(quiet, upstream=provider.state.url), body=body)
    assert answer.header("x-guard-notes") is None


@pytest.mark.anyio
@pytest.mark.parametrize("policy", ["legacy: pass\n", "mode: observe\n"])
async def test_a_policy_may_let_the_old_style_pass(
    policy: str, provider: Any, kit: Any, make_guard: Any
) -> None:
    """`pass` is for providers that still speak it; a policy that only observes changes nothing."""
    gateway = Gateway(make_guard(make_guard.quiet + policy), upstream=provider.state.url)
    body = {
        "model": "o3",
        "messages": ASKS,
        "functions": [WEATHER],
        "max_tokens": 9,
        "logit_bias": {"1": 200},
    }
    answer = await kit.request(gateway, body=body)
    assert answer.status == 200
    ((_, sent),) = received(provider)
    assert {k: v for k, v in sent.items() if k != "messages"} == {
        k: v for k, v in body.items() if k != "messages"
    }


@pytest.mark.anyio
async def test_an_application_keeps_its_own_old_style(kit: Any, translating: Guard) -> None:
    """On an app the app decides what it understands: nothing is refused or translated at its edge."""
    app = kit.Echo()
    body = {
        "model": "o3",
        "messages": [{"role": "user", "content": "hi"}],
        "functions": [WEATHER],
        "max_tokens": 9,
    }
    answer = await kit.request(GuardMiddleware(app, guard=translating), body=body)
    assert (answer.status, orjson.loads(app.bodies[0])) == (200, body)


def test_the_judge_of_an_old_path_is_asked_at_the_new_one() -> None:
    """The moderation endpoint stands beside the API's others, not below an engine."""
    import httpx2

    from guard.mounts.transport import base_of

    assert base_of(httpx2.URL("http://h/v1/engines/e/completions")) == "http://h/v1"
