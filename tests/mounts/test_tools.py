"""D28: the model calls only the tools that the policy names, whole and streamed, in every API that has calls."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from guard import Guard, GuardMiddleware

pytestmark = pytest.mark.anyio

ARGUMENTS = '{"x": "secret words"}'
CUSTOM = {"id": "c", "type": "custom", "custom": {"name": "shell", "input": "secret words"}}

RULES = 'output: {rules: {"moderation.*": allow, "moderation.sexual/minors": allow, "moderation.self-harm*": allow}'


@pytest.fixture(scope="session")
def named(make_guard: Any) -> Guard:
    text: str = make_guard.quiet
    return make_guard(text.replace(RULES, f"{RULES}, tools: [get_weather, web_search]"))


def call(name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": "call_1",
        "type": "function",
        "function": {"name": name, "arguments": '{"x": "secret words"}'},
        **more,
    }


def item(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "id": "fc_1", "status": "completed", **more}


def function(name: str) -> dict[str, Any]:
    return item("function_call", call_id="call_1", name=name, arguments=ARGUMENTS)


ANSWERS = [
    ("/v1/chat/completions", {"tool_calls": [call("get_weather")]}, True),
    ("/v1/chat/completions", {"tool_calls": [call("get_weather"), call("delete_all")]}, False),
    ("/v1/chat/completions", {"tool_calls": [call("get")]}, False),
    ("/v1/chat/completions", {"function_call": {"name": "delete_all", "arguments": "{}"}}, False),
    (
        "/v1/chat/completions",
        {"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "shell", "input": "secret words"}}]},
        False,
    ),
    ("/v1/responses", [function("get_weather")], True),
    ("/v1/responses", [function("delete_all")], False),
    ("/v1/responses", [item("web_search_call", action={"type": "search", "query": "x"})], True),
    ("/v1/responses", [item("mcp_call", name="delete_all", server_label="s", arguments="{}")], False),
    ("/v1/responses", [item("mcp_list_tools", server_label="s", tools=[])], True),
]


@pytest.mark.parametrize(("path", "answer", "allowed"), ANSWERS)
async def test_only_named_tools_are_called(
    kit: Any, named: Guard, path: str, answer: Any, allowed: bool
) -> None:
    """D28: a call outside of the list blocks the answer, and nothing of its arguments leaves."""
    echo = kit.Echo()
    if path.endswith("responses"):
        echo.reply = {
            "id": "resp_1",
            "object": "response",
            "status": "completed",
            "model": "m",
            "output": answer,
        }
    else:
        echo.reply = kit.completion(None)
        echo.reply["choices"][0]["message"].update(answer)
    body = {"model": "m", "input": "hi"} if path.endswith("responses") else kit.chat("hi")
    said = await kit.request(GuardMiddleware(echo, guard=named), path, body)
    assert (said.header("x-guard-action") == "allow") is allowed, said.body
    assert (said.json == echo.reply) is allowed
    assert allowed or b"secret words" not in said.body


def pieces(kit: Any, *deltas: dict[str, Any], finish: str | None = "tool_calls") -> list[bytes]:
    rows = []
    for delta in deltas:
        chunk = kit.chunk()
        chunk["choices"][0]["delta"] = {"tool_calls": [{"index": 0, **delta}]}
        rows.append(kit.sse(chunk))
    return [*rows, kit.sse(kit.chunk(None, finish), kit.done)]


STREAMS: list[tuple[list[dict[str, Any]], bool]] = [
    ([call("get_weather")], True),
    ([call("delete_all")], False),
    ([{"id": "c", "function": {"name": "get_", "arguments": ""}}, {"function": {"name": "weather"}}], True),
    (
        [{"id": "c", "function": {"name": "get_", "arguments": ""}}, {"function": {"name": "secret words"}}],
        False,
    ),
    ([{"id": "c", "function": {"name": "get"}}, {"function": {"arguments": '{"x": "secret words"}'}}], False),
    ([{"id": "c", "function": {"name": "get"}}], False),
    ([{"id": "c", "function": {"name": "get_weather"}}, {"function": {"arguments": '{"x": 1}'}}], True),
]


@pytest.mark.parametrize(("deltas", "allowed"), STREAMS)
async def test_only_named_tools_are_called_in_a_stream(
    kit: Any, named: Guard, deltas: list[dict[str, Any]], allowed: bool
) -> None:
    """D28: in a stream too, with a name that comes in pieces: the arguments of another tool are not let go."""
    stream = kit.Stream(pieces(kit, *deltas))
    answer = await kit.request(GuardMiddleware(stream, guard=named), body=kit.chat("hi", stream=True))
    assert (b'"content_filter"' in answer.body) is not allowed, answer.body
    assert answer.body.endswith(b"[DONE]\n\n")
    assert allowed or b"secret words" not in answer.body


@pytest.mark.parametrize("name", ["get_weather", "delete_all"])
async def test_only_named_tools_are_called_in_a_stream_of_responses(
    kit: Any, named: Guard, name: str
) -> None:
    """D28: `response.output_item.added` names the tool before any of its arguments come."""
    added = {
        "type": "response.output_item.added",
        "output_index": 0,
        "item": {**function(name), "arguments": ""},
    }
    delta = {
        "type": "response.function_call_arguments.delta",
        "item_id": "fc_1",
        "output_index": 0,
        "delta": '{"x": "secret words"}',
    }
    done = {"type": "response.output_item.done", "output_index": 0, "item": function(name)}
    last = {
        "type": "response.completed",
        "response": {"id": "resp_1", "output": [function(name)], "status": "completed"},
    }
    stream = kit.Stream([kit.sse(event) for event in (added, delta, done, last)])
    answer = await kit.request(
        GuardMiddleware(stream, guard=named), "/v1/responses", {"model": "m", "input": "hi", "stream": True}
    )
    allowed = name == "get_weather"
    assert (b"response.incomplete" in answer.body) is not allowed, answer.body
    assert (b"secret words" in answer.body) is allowed


async def test_without_a_list_any_tool_is_called(kit: Any, quiet: Guard) -> None:
    """The default names all tools."""
    echo = kit.Echo()
    echo.reply = kit.completion(None)
    echo.reply["choices"][0]["message"]["tool_calls"] = [call("delete_all")]
    answer = await kit.request(GuardMiddleware(echo, guard=quiet), body=kit.chat("hi"))
    assert answer.body == orjson.dumps(echo.reply)
