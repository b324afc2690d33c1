"""Which texts of an answer are meant for a tool, and for which: a model may be talked into any of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from guard.wire.jsonbody import at
from guard.wire.openai import Endpoint

_SAID = frozenset({"message", "reasoning", "compaction", "agent_message"})
"""Item types of the Responses API that speak to a person; every other is for a tool, or comes from one."""

_PIECES = re.compile(r"response\.\w+_call\w*\.")
"""Events that bring a piece of a tool call, or repeat it, without saying whose."""


class Call(NamedTuple):
    """One tool call: where it stands in the body, the stem of its lanes in a stream, and its tool's name.

    `path` is empty where the whole event is about it, `tool` where this piece of the answer does not name it.
    """

    path: str
    lane: str
    tool: str


_ACTING = ("tools", "functions", "web_search_options", "conversation")
"""Fields of a request by which a call may do more than answer; a stored prompt may bring tools of its own."""


def acts(body: Any) -> bool:
    """Whether a call may do more than answer: it bears tools, or adds to a conversation that is kept elsewhere."""
    if not isinstance(body, dict):
        return False
    return any(body.get(field) for field in _ACTING) or isinstance(body.get("prompt"), dict)


def calls(endpoint: Endpoint | None, data: Any) -> list[Call]:
    """List the tool calls of an answer, or of one event of a streamed one."""
    if endpoint is None or not isinstance(data, dict):
        return []
    return list(_of_items(data) if endpoint.name == "responses" else _of_choices(data))


def asked(endpoint: Endpoint | None, data: Any) -> list[Call]:
    """List only what the model asks for: the calls themselves, not what tools gave back or could be called."""
    found = calls(endpoint, data)
    if endpoint is None or endpoint.name != "responses":
        return found
    return [call for call in found if call.path and _is_call(_at(data, call.path))]


def _is_call(item: Mapping[str, Any]) -> bool:
    kind = _text(item.get("type"))
    return kind.endswith("_call") or kind == "mcp_approval_request"


def _at(data: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    item = at(data, path)
    return item if isinstance(item, dict) else {}


def tool_at(found: Iterable[Call], path: str) -> str | None:
    """The tool that the text at a path is meant for; None where it is meant for people."""
    return next((call.tool for call in found if below(path, call.path)), None)


def below(path: str, stem: str) -> bool:
    """Whether a place is below a stem; everything is below the empty one."""
    return not stem or path.startswith((f"{stem}.", f"{stem}["))


def _of_choices(data: Mapping[str, Any]) -> Iterator[Call]:
    for place, choice in _dicts(data.get("choices")):
        for holder in ("message", "delta"):
            message = choice.get(holder)
            if isinstance(message, dict) and ("tool_calls" in message or "function_call" in message):
                lane = f"choices[{_index(choice, place)}]"
                yield from _of_message(message, f"choices[{place}].{holder}", lane)


def _of_message(message: Mapping[str, Any], path: str, lane: str) -> Iterator[Call]:
    for place, call in _dicts(message.get("tool_calls")):
        named = next((part for key in ("function", "custom") if isinstance(part := call.get(key), dict)), {})
        yield Call(
            f"{path}.tool_calls[{place}]",
            f"{lane}.tool_calls[{_index(call, place)}]",
            _text(named.get("name")),
        )
    function = message.get("function_call")
    if isinstance(function, dict):
        yield Call(f"{path}.function_call", f"{lane}.function_call", _text(function.get("name")))


def _of_items(data: Mapping[str, Any]) -> Iterator[Call]:
    item = data.get("item")
    if isinstance(item, dict):
        yield from _of_item(item, "item", data.get("output_index"))
    elif _PIECES.match(_text(data.get("type"))):
        yield Call("", _lane(data.get("output_index")), "")
    whole, front = (data["response"], "response.") if isinstance(data.get("response"), dict) else (data, "")
    for place, item in _dicts(whole.get("output")):
        yield from _of_item(item, f"{front}output[{place}]", place)


def _of_item(item: Mapping[str, Any], path: str, place: Any) -> Iterator[Call]:
    kind = _text(item.get("type")) or "message"
    if kind not in _SAID:
        yield Call(path, _lane(place), _text(item.get("name")) or kind.removesuffix("_call"))


def _lane(place: Any) -> str:
    return f"output[{place if type(place) is int else 0}]"


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects of an array."""
    return [row for _, row in _dicts(value)]


def _dicts(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = value if isinstance(value, list) else ()
    return ((place, row) for place, row in enumerate(rows) if isinstance(row, dict))


def _index(value: Mapping[str, Any], place: int) -> int:
    index = value.get("index")
    return index if type(index) is int else place


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
