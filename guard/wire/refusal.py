"""What a refused caller receives: error bodies, blocked answers and the last events of a blocked stream.

Nothing here ever quotes a screened text; `message` comes from the policy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from guard.wire.openai import RESPONSES, Endpoint, response_reading
from guard.wire.sse import encode
from guard.wire.strictjson import dump

CONTENT_FILTER = "content_filter"
# By prefix of the kind that decided; anything else is 403.
_STATUS = (("guard.unavailable.", 503), ("egress.", 451))
_CHOICE = re.compile(r"choices\[(\d+)\]")
_LANE = re.compile(r"output\[(\d+)\]\.content\[(\d+)\]\.text")

# Fields of an answer that hold no text of the model or the caller: all that a blocked answer keeps.
_KEPT = (
    "id",
    "object",
    "created",
    "created_at",
    "model",
    "service_tier",
    "system_fingerprint",
    "usage",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "previous_response_id",
)


def status(code: str) -> int:
    """The HTTP status of a refusal by the kind that decided: 503 unavailable, 451 egress, else 403."""
    return next((number for prefix, number in _STATUS if code.startswith(prefix)), 403)


def error_body(
    code: str, message: str, param: str | None = None, type: str = "guard_refused"
) -> dict[str, dict[str, str | None]]:
    """The error envelope of the OpenAI API."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def error_event(code: str, message: str, type: str = "guard_refused") -> bytes:
    """The event that ends a stream which cannot go on; no `[DONE]` follows."""
    return encode(dump(error_body(code, message, type=type)).decode())


def blocked_response(
    endpoint: Endpoint, body: Mapping[str, Any], message: str, choices: set[int] | None = None
) -> dict[str, Any] | None:
    """The answer with its blocked choices replaced by the policy's message; None: all choices.

    Chat and completions keep their other choices and end the blocked ones with `content_filter`; a Responses
    answer becomes incomplete with one message. Returns None for endpoints whose answers hold no prose: the
    caller sends `error_body` instead.
    """
    if endpoint.name == "responses":
        return _incomplete(body, message)
    if endpoint.name not in ("chat", "completions"):
        return None
    whole = endpoint.name == "chat"
    kept = _identity(endpoint, body)
    answers = body.get("choices")
    listed = answers if isinstance(answers, list) and answers else [{"index": 0}]
    return {**kept, "choices": [_choice(i, old, message, choices, whole) for i, old in enumerate(listed)]}


def _identity(endpoint: Endpoint, body: Mapping[str, Any]) -> dict[str, Any]:
    """What a blocked answer keeps of the provider's: only what has the shape of an id, a model or a number.

    Anything else there may be what it was blocked for. `id` and `model` have a stand-in, since clients need them.
    """
    kept: dict[str, Any] = {}
    for name in _KEPT:
        if name in body and not response_reading(endpoint, {name: body[name]}).segments:
            kept[name] = body[name]
        elif name in ("id", "model") and name in body:
            kept[name] = "guard"
    return kept


def _choice(position: int, old: Any, message: str, blocked: set[int] | None, chat: bool) -> Any:
    if blocked is not None and position not in blocked:
        return old
    index = old.get("index", position) if isinstance(old, dict) else position
    text: dict[str, Any] = {"text": message}
    if chat:
        text = {"message": {"role": "assistant", "content": message, "refusal": None}}
    return {"index": index, **text, "logprobs": None, "finish_reason": CONTENT_FILTER}


def _incomplete(body: Mapping[str, Any], message: str) -> dict[str, Any]:
    kept = _identity(RESPONSES, body)
    return {
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "metadata": {},
        **kept,
        "object": "response",
        "status": "incomplete",
        "incomplete_details": {"reason": CONTENT_FILTER},
        "error": None,
        "output": [_message("msg_guard", message)],
    }


def _message(ident: str, text: str, status: str = "incomplete") -> dict[str, Any]:
    return {"id": ident, "type": "message", "role": "assistant", "status": status, "content": [_part(text)]}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def blocked_events(
    endpoint: Endpoint,
    template: Mapping[str, Any] | None,
    lane: str,
    message: str,
    *,
    released: str = "",
    item_id: str = "",
) -> list[dict[str, Any]]:
    """The events that end a blocked lane, as JSON values.

    `template` is an earlier event of the stream (any chunk; for Responses the latest that carries
    `response`, with the last `sequence_number`), from which identity is copied. Chat and completions: one
    chunk with the message and `finish_reason: content_filter` for the lane's choice. Responses: the closing
    events of the open text (`released` is what the caller has of it, `item_id` its item) or of a new
    message item, then `response.incomplete`; send each with its `type` as the event name.
    """
    seen = template or {}
    if endpoint.name == "responses":
        return _blocked_responses(seen, lane, message, released, item_id)
    index = int(found.group(1)) if (found := _CHOICE.match(lane)) else 0
    text: dict[str, Any] = (
        {"text": message} if endpoint.name == "completions" else {"delta": {"content": message}}
    )
    choice = {"index": index, **text, "logprobs": None, "finish_reason": CONTENT_FILTER}
    kept = _identity(endpoint, {name: value for name, value in seen.items() if name != "usage"})
    return [{**kept, "choices": [choice]}]


def _blocked_responses(
    seen: Mapping[str, Any], lane: str, message: str, released: str, item_id: str
) -> list[dict[str, Any]]:
    text = released + message
    place = _LANE.fullmatch(lane)
    if place is not None and item_id:
        output, content, ident = int(place.group(1)), int(place.group(2)), item_id
        opening: list[dict[str, Any]] = []
    else:
        output, content, ident, text = _next_output(lane), 0, "msg_guard", message
        opening = _opening(ident)
    at = {"item_id": ident, "output_index": output, "content_index": content}
    events = [
        *({**at, **event} for event in opening),
        {"type": "response.output_text.delta", **at, "delta": message, "logprobs": []},
        {"type": "response.output_text.done", **at, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": _part(text)},
        {"type": "response.output_item.done", "output_index": output, "item": _message(ident, text)},
        {"type": "response.incomplete", "response": _last_response(seen, ident, text)},
    ]
    first = seen.get("sequence_number")
    start = first + 1 if isinstance(first, int) else 0
    return [{**event, "sequence_number": start + number} for number, event in enumerate(events)]


def _next_output(lane: str) -> int:
    """The place of a new item behind the one that the blocked lane belongs to."""
    found = re.match(r"output\[(\d+)\]", lane)
    return int(found.group(1)) + 1 if found else 0


def _opening(ident: str) -> list[dict[str, Any]]:
    item = {"id": ident, "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    return [
        {"type": "response.output_item.added", "item": item},
        {"type": "response.content_part.added", "part": _part("")},
    ]


def _last_response(seen: Mapping[str, Any], ident: str, text: str) -> dict[str, Any]:
    response = seen.get("response")
    answer = _incomplete(response if isinstance(response, Mapping) else {}, "")
    return {**answer, "output": [_message(ident, text)]}
