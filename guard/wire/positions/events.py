"""The stream events of the Responses API: their positions, and which lane a text in them belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from guard.wire.leaves import (
    AUDIO,
    DERIVED,
    FIXED,
    ID,
    IMAGE,
    LANE_JSON,
    LANE_TEXT,
    PADDING,
    TEXT,
    VALUE,
    WORD,
)
from guard.wire.nodes import Object, Shape
from guard.wire.positions.responses import AGENT, ANNOTATION, ITEM, PART, RESPONSE

Closes = Literal["", "lane", "all"]

# What every event may carry beside its own fields.
_COMMON: dict[str, Shape] = {
    "type": WORD,
    "sequence_number": VALUE,
    "item_id": ID,
    "output_index": VALUE,
    "content_index": VALUE,
    "summary_index": VALUE,
    "command_index": VALUE,
    "annotation_index": VALUE,
    "obfuscation": PADDING,
    "agent": AGENT,
}

COMMON = Object(_COMMON)

_ITEM = "output[{output_index}]"
_CONTENT = _ITEM + ".content[{content_index}]"
_SUMMARY = _ITEM + ".summary[{summary_index}]"
_COMMAND = _ITEM + ".action.commands[{command_index}]"
_SHELL_OUTPUT = _ITEM + ".output[{command_index}]"


@dataclass(frozen=True)
class Kind:
    """One event kind: `lanes` maps a place of the event to the lane template that its text belongs to.

    `piece`: the texts there are the next pieces of their lanes; else they repeat the whole.
    `closes`: whether the event ends its lane or stem ("lane") or every lane ("all").
    """

    fields: Mapping[str, Shape] = field(default_factory=dict)
    lanes: tuple[str, str] = ("", "")
    piece: bool = False
    closes: Closes = ""
    last: bool = False
    error: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", Object({**_COMMON, **self.fields}))

    shape: Object = field(init=False, repr=False, compare=False)

    def stem(self, data: Mapping[str, Any]) -> str:
        """The lane, or the stem of lanes, that this event is about."""
        return self.lanes[1].format_map(_Indexes(data))


class _Indexes(dict[str, Any]):
    """The event's index fields, 0 where one is missing or no number: its values become names of lanes."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__((name, value) for name, value in data.items() if type(value) is int)

    def __missing__(self, name: str) -> int:
        return 0


def _text(event: str, lane: str, done: str, shape: Shape = LANE_TEXT, **more: Shape) -> dict[str, Kind]:
    """A text sent as `<event>.delta` events and repeated in `<event>.done` under the field `done`."""
    return {
        f"{event}.delta": Kind({"delta": shape, **more}, ("delta", lane), piece=True),
        f"{event}.done": Kind({done: shape, **more}, (done, lane), closes="lane"),
    }


def _part(name: str, stem: str, part: str, shape: Shape) -> dict[str, Kind]:
    """A part or item that `<name>.added` opens and `<name>.done` repeats whole."""
    return {
        f"{name}.added": Kind({part: shape}, (part, stem), piece=True),
        f"{name}.done": Kind({part: shape, "status": WORD}, (part, stem), closes="lane"),
    }


def _progress(name: str, *steps: str) -> dict[str, Kind]:
    return {f"{name}.{step}": Kind() for step in steps}


def _life(*steps: str, last: bool = False) -> dict[str, Kind]:
    closes: Closes = "all" if last else ""
    return {
        f"response.{step}": Kind({"response": RESPONSE}, ("response", ""), closes=closes, last=last)
        for step in steps
    }


_SHELL_STREAMS = {"stdout": LANE_TEXT, "stderr": LANE_TEXT}

EVENTS: dict[str, Kind] = {
    **_life("created", "queued", "in_progress"),
    **_life("completed", "incomplete", "failed", "cancelled", last=True),
    **_text("response.output_text", _CONTENT + ".text", "text", logprobs=DERIVED),
    **_text("response.refusal", _CONTENT + ".refusal", "refusal"),
    **_text("response.reasoning_text", _CONTENT + ".text", "text"),
    **_text("response.reasoning_summary_text", _SUMMARY + ".text", "text"),
    **_text("response.function_call_arguments", _ITEM + ".arguments", "arguments", LANE_JSON, name=FIXED),
    **_text("response.mcp_call_arguments", _ITEM + ".arguments", "arguments", LANE_JSON),
    **_text("response.custom_tool_call_input", _ITEM + ".input", "input", LANE_JSON),
    **_text("response.code_interpreter_call_code", _ITEM + ".code", "code"),
    **_text("response.shell_call_command", _COMMAND, "command", LANE_JSON),
    "response.shell_call_command.added": Kind({"command": LANE_JSON}, ("command", _COMMAND), piece=True),
    "response.shell_call_output_content.delta": Kind(
        {"delta": _SHELL_STREAMS}, ("delta", _SHELL_OUTPUT), piece=True
    ),
    "response.shell_call_output_content.done": Kind(
        {"output": [{**_SHELL_STREAMS, "outcome": {"type": WORD, "exit_code": VALUE}, "created_by": FIXED}]},
        ("output[0]", _SHELL_OUTPUT),
        closes="lane",
    ),
    "response.audio.delta": Kind({"delta": AUDIO}),
    "response.audio.done": Kind(),
    "response.audio.transcript.delta": Kind({"delta": LANE_TEXT}, ("delta", "audio.transcript"), piece=True),
    "response.audio.transcript.done": Kind({}, ("transcript", "audio.transcript"), closes="lane"),
    **_part("response.output_item", _ITEM, "item", ITEM),
    **_part("response.content_part", _CONTENT, "part", PART),
    **_part("response.reasoning_summary_part", _SUMMARY, "part", PART),
    "response.output_text.annotation.added": Kind({"annotation": ANNOTATION}),
    **_progress("response.code_interpreter_call", "in_progress", "interpreting", "completed"),
    **_progress("response.file_search_call", "in_progress", "searching", "completed"),
    **_progress("response.web_search_call", "in_progress", "searching", "completed"),
    **_progress("response.image_generation_call", "in_progress", "generating", "completed"),
    "response.image_generation_call.partial_image": Kind(
        {
            "partial_image_b64": IMAGE,
            "partial_image_index": VALUE,
            "background": WORD,
            "output_format": WORD,
            "quality": WORD,
            "size": WORD,
        }
    ),
    **_progress("response.mcp_call", "in_progress", "completed", "failed"),
    **_progress("response.mcp_list_tools", "in_progress", "completed", "failed"),
    "response.compaction.compacting": Kind(),
    "keepalive": Kind(),
    "error": Kind({"code": WORD, "message": TEXT, "param": FIXED}, closes="all", last=True, error=True),
}
