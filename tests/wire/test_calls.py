"""Which texts of an answer are meant for a tool."""

from __future__ import annotations

from typing import Any

import pytest

from guard.wire.calls import calls, tool_at
from guard.wire.openai import CHAT, RESPONSES

CALL = {"id": "c", "type": "function", "function": {"name": "send", "arguments": "{}"}}
ITEM = {"type": "function_call", "name": "send", "arguments": "{}"}

PLACES: list[tuple[Any, dict[str, Any], str, str | None]] = [
    (
        CHAT,
        {"choices": [{"message": {"tool_calls": [CALL]}}]},
        "choices[0].message.tool_calls[0].function.arguments#",
        "send",
    ),
    (
        CHAT,
        {"choices": [{"message": {"function_call": {"name": "old"}}}]},
        "choices[0].message.function_call.arguments",
        "old",
    ),
    (CHAT, {"choices": [{"message": {"content": "x"}}]}, "choices[0].message.content", None),
    (
        CHAT,
        {"choices": [{"delta": {"tool_calls": [{"index": 4, "custom": {"name": "sql"}}]}}]},
        "choices[0].delta.tool_calls[0].custom.input",
        "sql",
    ),
    (RESPONSES, {"output": [{"type": "message"}, ITEM]}, "output[1].arguments", "send"),
    (RESPONSES, {"output": [{"type": "message"}, ITEM]}, "output[0].content[0].text", None),
    (RESPONSES, {"response": {"output": [ITEM]}}, "response.output[0].arguments", "send"),
    (RESPONSES, {"item": {"type": "shell_call"}, "output_index": 2}, "item.action.commands[0]", "shell"),
    (RESPONSES, {"item": {"content": []}}, "item.content[0].text", None),
    (RESPONSES, {"type": "response.function_call_arguments.done", "output_index": 2}, "arguments#.to", ""),
    (RESPONSES, {"type": "response.output_text.done"}, "text", None),
]


@pytest.mark.parametrize(("endpoint", "data", "path", "tool"), PLACES)
def test_a_text_for_a_tool_is_known_by_its_place(
    endpoint: Any, data: Any, path: str, tool: str | None
) -> None:
    """B24: of both APIs, in answers and in stream events; a tool without a name goes by its type."""
    assert tool_at(calls(endpoint, data), path) == tool


@pytest.mark.parametrize(
    "data",
    [
        {"choices": 5},
        {
            "choices": [
                7,
                {"delta": {"tool_calls": "x"}},
                {"message": {"tool_calls": [None, {"function": 1}]}},
            ]
        },
        {"item": {"type": ["x"]}, "output_index": "y"},
        {"response": {"output": {"a": 1}}, "type": None},
    ],
)
def test_bodies_of_another_shape_name_no_tool(data: Any) -> None:
    """A22: what is no answer of the API breaks nothing."""
    for endpoint in (CHAT, RESPONSES, None):
        assert all(isinstance(call.tool, str) for call in calls(endpoint, data))
