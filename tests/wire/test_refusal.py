"""What a refused caller receives, read by the real SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from guard.wire.openai import CHAT, COMPLETIONS, EMBEDDINGS, MODELS, RESPONSES, Endpoint
from guard.wire.refusal import blocked_events, blocked_response, error_body, error_event, status
from guard.wire.sse import encode

SECRET = "the blocked words"
MAIL = "mara@harbor.io"
MESSAGE = "This answer was withheld."


def client(reply: Callable[[], httpx2.Response]) -> OpenAI:
    transport = httpx2.MockTransport(lambda request: reply())
    return OpenAI(
        api_key="k", base_url="http://upstream.test/v1", http_client=httpx2.Client(transport=transport)
    )


def streamed(*chunks: bytes) -> OpenAI:
    headers = {"content-type": "text/event-stream"}
    return client(lambda: httpx2.Response(200, headers=headers, content=b"".join(chunks)))


def answered(body: Any, code: int = 200) -> OpenAI:
    return client(lambda: httpx2.Response(code, json=body, headers={"x-should-retry": "false"}))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("pii.card", 403),
        ("secret.aws_key", 403),
        ("moderation.hate", 403),
        ("guard.opaque.image", 403),
        ("guard.opaque.endpoint", 403),
        ("guard.unavailable.moderation", 503),
        ("guard.unavailable.record", 503),
        ("egress.jurisdiction", 451),
        ("egress.redirect", 451),
        ("custom.kind", 403),
    ],
)
def test_the_status_follows_the_kind(kind: str, expected: int) -> None:
    """The table of the design: 403, 451 for a destination, 503 for a check that could not run."""
    assert status(kind) == expected


def test_a_refusal_is_the_sdks_permission_error() -> None:
    """The envelope carries message, type, code and param to the SDK's exception."""
    body = error_body("pii.card", "no cards", "messages[0].content")
    with pytest.raises(openai.PermissionDeniedError) as caught:
        answered(body, 403).chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    error = caught.value
    assert (error.code, error.param, error.type) == ("pii.card", "messages[0].content", "guard_refused")
    assert "no cards" in error.message


def test_an_outage_in_a_stream_is_an_error_never_a_filter() -> None:
    """A stream whose check could not run ends with one error event, and the SDK raises with guard's code."""
    event = error_event("guard.unavailable.moderation", "a check could not run")
    assert b"[DONE]" not in event
    assert b"content_filter" not in event
    for make in (chat_stream, responses_stream):
        with pytest.raises(openai.APIError) as caught:
            list(make(streamed(event)))
        assert caught.value.code == "guard.unavailable.moderation"


def chat_stream(sdk: OpenAI) -> Iterator[Any]:
    return iter(
        sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], stream=True)
    )


def responses_stream(sdk: OpenAI) -> Iterator[Any]:
    return iter(sdk.responses.create(model="m", input="x", stream=True))


LOGPROBS = {"content": [{"token": SECRET, "logprob": -1, "bytes": [], "top_logprobs": []}]}
CHOICE = {
    "finish_reason": "stop",
    "logprobs": LOGPROBS,
    "brand_new": SECRET,
    "message": {
        "role": "assistant",
        "content": SECRET,
        "refusal": SECRET,
        "reasoning_content": SECRET,
        "annotations": [{"type": "url_citation", "url_citation": {"title": SECRET}}],
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": SECRET}}],
    },
}
CHAT_BODY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    "brand_new": SECRET,
    "choices": [{"index": i, **CHOICE} for i in range(3)],
}


def test_a_blocked_chat_answer_holds_the_message_only() -> None:
    """D30: every choice is replaced, with content_filter; nothing of what was blocked stays, in no field."""
    body = blocked_response(CHAT, CHAT_BODY, MESSAGE)
    assert SECRET not in json.dumps(body)
    answer = answered(body).chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    assert [(c.index, c.finish_reason, c.message.content) for c in answer.choices] == [
        (i, "content_filter", MESSAGE) for i in range(3)
    ]
    assert answer.choices[0].message.tool_calls is None
    assert (answer.id, answer.model, answer.usage.total_tokens if answer.usage else 0) == (
        "chatcmpl-1",
        "gpt-4o",
        3,
    )


def test_only_the_blocked_choice_is_replaced() -> None:
    """A block of one choice leaves the others as they are."""
    body = blocked_response(CHAT, CHAT_BODY, MESSAGE, {1})
    assert body is not None
    assert [c["finish_reason"] for c in body["choices"]] == ["stop", "content_filter", "stop"]
    assert body["choices"][0] == CHAT_BODY["choices"][0]  # type: ignore[index]


@pytest.mark.parametrize("choices", [None, [], "x", {"a": 1}, ["x", None], [{"message": SECRET}]])
def test_a_blocked_answer_of_any_shape_stays_an_answer(choices: Any) -> None:
    """An answer without proper choices is still replaced whole."""
    body = blocked_response(CHAT, {"id": "c", "choices": choices}, MESSAGE)
    assert SECRET not in json.dumps(body)
    answer = answered(body).chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    assert answer.choices[0].message.content == MESSAGE


def test_a_blocked_completion_holds_the_message_only() -> None:
    """Legacy completions: text and content_filter."""
    old = {
        "id": "cmpl-1",
        "model": "m",
        "choices": [{"index": 0, "text": SECRET, "logprobs": {"tokens": [SECRET]}}],
    }
    body = blocked_response(COMPLETIONS, old, MESSAGE)
    assert SECRET not in json.dumps(body)
    answer = answered(body).completions.create(model="m", prompt="x")
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == (MESSAGE, "content_filter")


RESPONSE_BODY = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-4o",
    "status": "completed",
    "instructions": SECRET,
    "metadata": {"k": SECRET},
    "tools": [{"type": "function", "name": "f", "description": SECRET}],
    "text": {"format": {"type": "text"}},
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": SECRET}]},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": SECRET, "annotations": []}],
        },
    ],
    "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
}


def test_a_blocked_response_is_incomplete() -> None:
    """Responses: status incomplete, reason content_filter, one message, nothing of what was blocked."""
    body = blocked_response(RESPONSES, RESPONSE_BODY, MESSAGE)
    assert SECRET not in json.dumps(body)
    answer = answered(body).responses.create(model="m", input="x")
    assert (answer.status, answer.output_text) == ("incomplete", MESSAGE)
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "content_filter"
    assert (answer.id, answer.model) == ("resp_1", "gpt-4o")


def test_other_endpoints_have_no_blocked_answer() -> None:
    """A vector or a list of models cannot carry a message: the caller sends the error envelope."""
    assert blocked_response(EMBEDDINGS, {"data": []}, MESSAGE) is None
    assert blocked_response(MODELS, {"data": []}, MESSAGE) is None


CHUNK = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "gpt-4o",
    "system_fingerprint": "fp_1",
    "usage": None,
    "choices": [{"index": 1, "delta": {"role": "assistant", "content": "released "}, "finish_reason": None}],
}


def lines(events: list[dict[str, Any]]) -> bytes:
    return b"".join(encode(json.dumps(event), event.get("type")) for event in events)


def test_a_blocked_chat_stream_ends_with_the_filter() -> None:
    """A25: one last chunk of the same completion with the message and content_filter, for the lane's choice."""
    events = blocked_events(CHAT, CHUNK, "choices[1].tool_calls[0].arguments", MESSAGE)
    chunks = list(chat_stream(streamed(encode(json.dumps(CHUNK)), lines(events), encode("[DONE]"))))
    assert [c.choices[0].delta.content for c in chunks] == ["released ", MESSAGE]
    last = chunks[-1]
    assert (last.id, last.model, last.choices[0].index) == ("chatcmpl-1", "gpt-4o", 1)
    assert last.choices[0].finish_reason == "content_filter"


def test_a_blocked_chat_stream_needs_no_template() -> None:
    """A block before any chunk came still gives a chunk that the SDK reads."""
    (chunk,) = list(chat_stream(streamed(lines(blocked_events(CHAT, None, "choices[0].content", MESSAGE)))))
    assert (chunk.choices[0].index, chunk.choices[0].delta.content) == (0, MESSAGE)


def test_a_blocked_completions_stream_ends_with_the_filter() -> None:
    """Legacy completions: the same with `text`."""
    events = blocked_events(COMPLETIONS, {"id": "cmpl-1"}, "choices[2].text", MESSAGE)
    stream = streamed(lines(events), encode("[DONE]")).completions.create(model="m", prompt="x", stream=True)
    (chunk,) = list(stream)
    assert (chunk.choices[0].index, chunk.choices[0].text, chunk.choices[0].finish_reason) == (
        2,
        MESSAGE,
        "content_filter",
    )


def begun(*texts: str) -> list[dict[str, Any]]:
    """The opening of a Responses stream whose message has streamed some text."""
    response = {**RESPONSE_BODY, "status": "in_progress", "output": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events = [
        {"type": "response.created", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
        *({"type": "response.output_text.delta", **place, "delta": text, "logprobs": []} for text in texts),
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


@pytest.mark.parametrize(
    ("lane", "released", "item_id"),
    [
        ("output[0].content[0].text", "released ", "msg_1"),
        ("output[0].content[0].text", "released ", ""),
        ("output[0].arguments", "", ""),
    ],
)
def test_a_blocked_responses_stream_ends_incomplete(lane: str, released: str, item_id: str) -> None:
    """A25: the open text is closed, or a message item added, and response.incomplete says content_filter."""
    opening = begun("released ")
    template = {**opening[0], "sequence_number": opening[-1]["sequence_number"]}
    events = blocked_events(RESPONSES, template, lane, MESSAGE, released=released, item_id=item_id)
    assert SECRET not in json.dumps(events)
    seen = list(responses_stream(streamed(lines(opening), lines(events))))
    assert [e.sequence_number for e in seen] == list(range(len(seen)))
    last = seen[-1]
    assert last.type == "response.incomplete"
    assert last.response.id == "resp_1"
    assert last.response.incomplete_details.reason == "content_filter"
    assert last.response.output_text == (released if item_id else "") + MESSAGE
    assert "".join(e.delta for e in seen if e.type == "response.output_text.delta") == "released " + MESSAGE


@pytest.mark.parametrize("item_id", ["msg_1", ""])
def test_the_sdks_stream_helper_follows_a_blocked_stream(item_id: str) -> None:
    """The helper, which accumulates a snapshot and is strict about order, reads it to its end."""
    opening = begun("released ")
    template = {**opening[0], "sequence_number": opening[-1]["sequence_number"]}
    events = blocked_events(
        RESPONSES, template, "output[0].content[0].text", MESSAGE, released="released ", item_id=item_id
    )
    with streamed(lines(opening), lines(events)).responses.stream(model="m", input="x") as stream:
        types = [event.type for event in stream]
    assert types[-1] == "response.incomplete"


HELD = {
    "id": MAIL,
    "model": MAIL,
    "system_fingerprint": MAIL,
    "previous_response_id": MAIL,
    "service_tier": MAIL,
}


@pytest.mark.parametrize("endpoint", [CHAT, COMPLETIONS, RESPONSES])
def test_a_blocked_answer_keeps_nothing_that_could_be_why(endpoint: Endpoint) -> None:
    """D30: what stands in an id or a model's name may be what was found: only the shape of one is kept."""
    body = {**HELD, "usage": {"total_tokens": 3, "note": MAIL}, "choices": [{"index": 0}], "object": "x"}
    blocked = blocked_response(endpoint, body, "no")
    seen = {"response": body, "sequence_number": 1} if endpoint is RESPONSES else body
    events = blocked_events(endpoint, seen, "choices[0].content", "no")
    assert MAIL not in str(blocked) + str(events)
    assert blocked is not None
    assert (blocked["id"], blocked["model"]) == ("guard", "guard")


def test_a_blocked_answer_keeps_its_identity() -> None:
    """What has the shape of an id, a model and numbers is the provider's and stays."""
    body = {
        "id": "chatcmpl-1",
        "model": "gpt-4o",
        "system_fingerprint": "fp_44709d6fcb",
        "usage": {"total_tokens": 3},
    }
    blocked = blocked_response(CHAT, body, "no")
    assert blocked is not None
    assert {name: blocked[name] for name in body} == body
