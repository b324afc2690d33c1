"""The simulated answers of the Responses API, whole and as the full sequence of stream events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count
from typing import Any

from guard.simulator import inline
from guard.simulator.chat import usage
from guard.simulator.script import Script, ToolCall

Json = dict[str, Any]


def response(body: Json, script: Script) -> Json:
    """An `openai.types.responses.Response` that is complete."""
    output = _output(body, script)
    return _response(body, script, "completed", output)


def events(body: Json, script: Script) -> Iterator[Json]:
    """The events of a stream, from `response.created` to `response.completed`, numbered."""
    numbers = count()
    for event in _events(body, script):
        yield {**event, "sequence_number": next(numbers)}


def _events(body: Json, script: Script) -> Iterator[Json]:
    output = _output(body, script)
    opened = _response(body, script, "in_progress", [])
    yield {"type": "response.created", "response": opened}
    yield {"type": "response.in_progress", "response": opened}
    for index, item in enumerate(output):
        place = {"item_id": item["id"], "output_index": index}
        empty: Json = {"content": []} if "content" in item else {"arguments": ""}
        begun = {**item, "status": "in_progress", **empty}
        yield {"type": "response.output_item.added", "output_index": index, "item": begun}
        inside = _message_events if "content" in item else _call_events
        yield from inside(item, place, script)
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    judged = inline.told(body, _texts(output), script, single=True)
    done = {**opened, "status": "completed", "output": output, "usage": _usage(body, output), **judged}
    yield {"type": "response.completed", "response": done}


def _message_events(item: Json, place: Json, script: Script) -> Iterator[Json]:
    part = item["content"][0]
    place = {**place, "content_index": 0}
    yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
    for piece in script.pieces(part["text"]):
        delta = {"delta": piece, "logprobs": [], "obfuscation": "k3Zq7"}
        yield {"type": "response.output_text.delta", **place, **delta}
    yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}


def _call_events(item: Json, place: Json, script: Script) -> Iterator[Json]:
    for piece in script.pieces(item["arguments"]):
        yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
    yield {"type": "response.function_call_arguments.done", **place, "arguments": item["arguments"]}


def _output(body: Json, script: Script) -> list[Json]:
    calls = [_call(call, script) for call in script.tools(body)]
    return calls or [_message(script.texts(body)[0], script)]


def _message(text: str, script: Script) -> Json:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    head = {"id": script.new_id("msg_"), "type": "message", "status": "completed", "role": "assistant"}
    return {**head, "content": [part]}


def _call(call: ToolCall, script: Script) -> Json:
    head = {"id": script.new_id("fc_"), "type": "function_call", "status": "completed"}
    return {**head, "call_id": script.new_id("call_"), "name": call.name, "arguments": call.arguments}


def _response(body: Json, script: Script, status: str, output: list[Json]) -> Json:
    return {
        "id": script.new_id("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": body.get("model", "simulated"),
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "store": body.get("store", True),
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(body, output) if output else None,
        **(inline.told(body, _texts(output), script, single=True) if output else {}),
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
    }


def _texts(output: list[Json]) -> list[str]:
    return [item["content"][0]["text"] if "content" in item else item["arguments"] for item in output]


def _usage(body: Json, output: list[Json]) -> Json:
    counted = usage(body, _texts(output))
    return {
        "input_tokens": counted["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": counted["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": counted["total_tokens"],
    }
