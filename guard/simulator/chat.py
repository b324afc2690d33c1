"""The simulated answers of chat completions and legacy completions, whole and streamed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import orjson

from guard.simulator import inline
from guard.simulator.script import Script, ToolCall
from guard.text import tokens

Json = dict[str, Any]


def completion(body: Json, script: Script) -> Json:
    """An `openai.types.chat.ChatCompletion` with `n` choices."""
    texts, calls = script.texts(body), [_call(c, script) for c in script.tools(body)]
    return {
        **_head(body, script, "chat.completion"),
        "choices": [
            {
                "index": index,
                "message": _message(text, calls),
                "logprobs": None,
                "finish_reason": "tool_calls" if calls else script.finish_reason,
            }
            for index, text in enumerate(texts)
        ],
        "usage": usage(body, texts),
        **inline.told(body, texts, script, single=False),
    }


def chunks(body: Json, script: Script) -> Iterator[Json]:
    """The `openai.types.chat.ChatCompletionChunk`s of a stream, the choices interleaved."""
    texts, calls = script.texts(body), [_call(c, script) for c in script.tools(body)]
    head = _head(body, script, "chat.completion.chunk")
    wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))
    blank = {"usage": None} if wants_usage else {}
    deltas = [[*_deltas("" if calls else text, calls, script)] for text in texts]
    for row in zip_longest(*deltas):
        for index, delta in enumerate(row):
            if delta is not None:
                yield {
                    **head,
                    "choices": [_choice(index, delta)],
                    **blank,
                    "obfuscation": "k3Zq7Lw"[: index % 7 + 1],
                }
    end = "tool_calls" if calls else script.finish_reason
    for index in range(len(texts)):
        yield {**head, "choices": [_choice(index, {}, end)], **blank}
    judged = inline.told(body, texts, script, single=False)
    if judged:
        yield {**head, "choices": [], **judged, **blank}
    if wants_usage:
        yield {**head, "choices": [], "usage": usage(body, texts)}


def text_completion(body: Json, script: Script) -> Json:
    """An `openai.types.Completion`."""
    texts = script.texts(body)
    choices = [_text_choice(index, text, "stop") for index, text in enumerate(texts)]
    return {**_head(body, script, "text_completion"), "choices": choices, "usage": usage(body, texts)}


def text_chunks(body: Json, script: Script) -> Iterator[Json]:
    """The `openai.types.Completion`s of a stream."""
    texts = script.texts(body)
    head = _head(body, script, "text_completion")
    for index, text in enumerate(texts):
        for piece in script.pieces(text):
            yield {**head, "choices": [_text_choice(index, piece, None)]}
        yield {**head, "choices": [_text_choice(index, "", "stop")]}


def usage(body: Json, texts: list[str]) -> Json:
    """Token counts by estimate."""
    asked, answered = tokens(orjson.dumps(body).decode()), sum(map(tokens, texts))
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _head(body: Json, script: Script, kind: str) -> Json:
    prefix = "cmpl-" if kind == "text_completion" else "chatcmpl-"
    return {
        "id": script.new_id(prefix),
        "object": kind,
        "created": int(time.time()),
        "model": body.get("model", "simulated"),
        "system_fingerprint": "fp_simulated",
    }


def _message(text: str, calls: list[Json]) -> Json:
    message: Json = {
        "role": "assistant",
        "content": None if calls else text,
        "refusal": None,
        "annotations": [],
    }
    return {**message, "tool_calls": calls} if calls else message


def _call(call: ToolCall, script: Script) -> Json:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": script.new_id("call_"), "type": "function", "function": function}


def _deltas(text: str, calls: list[Json], script: Script) -> Iterator[Json]:
    yield {"role": "assistant", "content": None if calls else "", "refusal": None}
    for piece in script.pieces(text):
        yield {"content": piece}
    for index, call in enumerate(calls):
        function = call["function"]
        yield {"tool_calls": [{**call, "index": index, "function": {**function, "arguments": ""}}]}
    parts = [script.pieces(call["function"]["arguments"]) for call in calls]
    for row in zip_longest(*parts):  # parallel calls, interleaved
        for index, piece in enumerate(row):
            if piece is not None:
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _choice(index: int, delta: Json, finish_reason: str | None = None) -> Json:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _text_choice(index: int, text: str, finish_reason: str | None) -> Json:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}
