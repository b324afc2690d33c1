"""Stream events: each text on the lane it belongs to, each repeat known as one, everything else screened."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.types import Limits
from guard.wire import streams
from guard.wire.jsonbody import at, drop, parse, replace
from guard.wire.openai import CHAT, COMPLETIONS, RESPONSES, Endpoint, endpoint
from guard.wire.positions.events import EVENTS
from guard.wire.sse import Decoder
from guard.wire.streams import Delta, StreamEvent, read_event

TRAFFIC = Path(__file__).parents[3] / "shared" / "data" / "openai_traffic.jsonl"
V = "alice@leak.example"


def chunk(delta: dict[str, Any], **choice: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-D7QTHj77ZRYRXNAOcOCrmKKhtzYbv",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o",
        "choices": [{"index": 0, "delta": delta, "finish_reason": None, **choice}],
    }


def call(index: int, **function: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "type": "function", "function": function}]}


CHAT_DELTAS: list[tuple[str, dict[str, Any], tuple[str, str, str]]] = [
    ("content", chunk({"content": V}), ("choices[0].content", "choices[0].delta.content", "window")),
    ("refusal", chunk({"refusal": V}), ("choices[0].refusal", "choices[0].delta.refusal", "window")),
    (
        "second choice",
        chunk({"content": V}, index=1),
        ("choices[1].content", "choices[0].delta.content", "window"),
    ),
    (
        "thinking",
        chunk({"reasoning_content": V}),
        ("choices[0].reasoning_content", "choices[0].delta.reasoning_content", "window"),
    ),
    ("thinking", chunk({"reasoning": V}), ("choices[0].reasoning", "choices[0].delta.reasoning", "window")),
    (
        "transcript",
        chunk({"audio": {"transcript": V}}),
        ("choices[0].audio.transcript", "choices[0].delta.audio.transcript", "window"),
    ),
    (
        "function call",
        chunk({"function_call": {"arguments": V}}),
        ("choices[0].function_call.arguments", "choices[0].delta.function_call.arguments", "full"),
    ),
    (
        "tool call",
        chunk(call(0, arguments=V)),
        ("choices[0].tool_calls[0].arguments", "choices[0].delta.tool_calls[0].function.arguments", "full"),
    ),
    (
        "B24 parallel tool call",
        chunk(call(3, arguments=V), index=2),
        ("choices[2].tool_calls[3].arguments", "choices[0].delta.tool_calls[0].function.arguments", "full"),
    ),
    (
        "custom tool call",
        chunk({"tool_calls": [{"index": 1, "type": "custom", "custom": {"input": V}}]}),
        ("choices[0].tool_calls[1].input", "choices[0].delta.tool_calls[0].custom.input", "full"),
    ),
    ("unknown text", chunk({"brand_new": V}), ("choices[0].brand_new", "choices[0].delta<0>", "window")),
    ("unknown text of a choice", chunk({}, brand_new=V), ("choices[0].brand_new", "choices[0]<3>", "window")),
    (
        "unknown text of a call",
        chunk(call(0, thoughts=V)),
        ("choices[0].tool_calls[0].thoughts", "choices[0].delta.tool_calls[0].function<0>", "window"),
    ),
    (
        "nested unknown text",
        chunk({"details": [{"type": "reasoning.text", "say": V}]}),
        ("choices[0].details[0]<1>", "choices[0].delta<0>[0]<1>", "window"),
    ),
    ("unspeakable name", chunk({"姓名 <1>": V}), ("choices[0].other", "choices[0].delta<0>", "window")),
]


@pytest.mark.parametrize(("event", "expected"), [c[1:] for c in CHAT_DELTAS], ids=[c[0] for c in CHAT_DELTAS])
def test_a_text_of_a_chat_chunk_has_its_lane(event: dict[str, Any], expected: tuple[str, str, str]) -> None:
    """B23, B24: by choice and tool call index, whatever their order; unknown texts may come in pieces too."""
    found = read_event(CHAT, event)
    lane, path, hold = expected
    assert found.deltas == (Delta(lane, path, V, hold),)
    assert not any(V in s.text for s in found.other.segments)
    assert V not in json.dumps(replace(event, {path: "x"}))


def test_interleaved_choices_and_calls_keep_apart() -> None:
    """B23, B24: one chunk with two choices and two calls gives four lanes."""
    event = chunk({**call(0, arguments="a"), "content": "b"})
    event["choices"].append({"index": 1, "delta": {"content": "c"}, "finish_reason": None})
    event["choices"][0]["delta"]["tool_calls"].append({"index": 1, "function": {"arguments": "d"}})
    assert {d.lane: d.text for d in read_event(CHAT, event).deltas} == {
        "choices[0].tool_calls[0].arguments": "a",
        "choices[0].tool_calls[1].arguments": "d",
        "choices[0].content": "b",
        "choices[1].content": "c",
    }


UNHARMED = [
    {"choices": []},
    {"choices": None},
    {},
    {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}},
    {**chunk({}), "usage": None},
    chunk({"role": "assistant"}),
    chunk({"role": "assistant", "content": "", "refusal": None, "tool_calls": None}),
    chunk({"content": None}),
    chunk({}, finish_reason="content_filter"),
    chunk({}, finish_reason="stop", logprobs=None),
    {
        "choices": [],
        "prompt_filter_results": [
            {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}
        ],
    },
]


@pytest.mark.parametrize("event", UNHARMED)
def test_chunks_without_text_pass_unharmed(event: dict[str, Any]) -> None:
    """C15: empty choices, usage only, role only, null content and filter results hold nothing to screen."""
    found = read_event(CHAT, event)
    assert (found.deltas, found.repeats, found.other.segments, found.other.opaque) == ((), (), (), ())
    assert not found.error


STRANGE: list[Any] = [
    V,
    [V],
    {"choices": V},
    {"choices": [V]},
    {"choices": [{"delta": V}]},
    {"choices": [{"delta": [V]}]},
    chunk({"content": [V]}),
    chunk({"tool_calls": [V]}),
    chunk({"tool_calls": V}),
    chunk({"function_call": V}),
]


@pytest.mark.parametrize("event", STRANGE)
def test_a_chunk_of_any_shape_is_screened(event: Any) -> None:
    """Default-deny: a value where nobody expects one is a lane or a segment."""
    found = read_event(CHAT, event)
    texts = [*(d.text for d in found.deltas), *(s.text for s in found.other.segments)]
    assert V in texts


@pytest.mark.parametrize(
    ("event", "lane", "closed"),
    [
        (chunk({}, finish_reason="stop"), "choices[0].content", True),
        (chunk({}, finish_reason="tool_calls"), "choices[0].tool_calls[1].arguments", True),
        (chunk({}, finish_reason="stop"), "choices[1].content", False),
        (chunk({}, index=1, finish_reason="stop"), "choices[10].content", False),
        (chunk({"content": "x"}), "choices[0].content", False),
        ({"error": {"message": "x"}}, "choices[3].content", True),
    ],
)
def test_a_finish_reason_closes_the_lanes_of_its_choice(
    event: dict[str, Any], lane: str, closed: bool
) -> None:
    """A lane ends with its choice, not with another's."""
    assert read_event(CHAT, event).ends(lane) is closed


def test_a_last_chunk_may_bring_text() -> None:
    """Some providers send the last text and the finish reason in one chunk: both are seen."""
    found = read_event(CHAT, chunk({"content": "x"}, finish_reason="stop"))
    assert [d.text for d in found.deltas] == ["x"]
    assert found.ends("choices[0].content")


@pytest.mark.parametrize("kind", [CHAT, COMPLETIONS, RESPONSES])
@pytest.mark.parametrize("error", [{"message": V}, V, {"error": {"deep": [V]}}])
def test_an_error_in_a_stream_is_an_error(kind: Endpoint, error: Any) -> None:
    """C13, C14: a provider's error event is recognised, ends the stream, and its words are screened."""
    found = read_event(kind, {"error": error})
    assert found.error
    assert found.last
    assert [s.text for s in found.other.segments if V in s.text] == [V]


@pytest.mark.parametrize(("kind", "expected"), [(CHAT, False), (COMPLETIONS, False), (RESPONSES, False)])
def test_a_null_error_is_none(kind: Endpoint, expected: bool) -> None:
    """C13: `error: null` beside an ordinary event is no error."""
    assert read_event(kind, {"error": None, "choices": [], "type": "response.created"}).error is expected


def test_token_logprobs_are_a_copy() -> None:
    """Log-probabilities of a chunk spell its text: they go when it changes."""
    event = chunk({"content": "alice"}, logprobs={"content": [{"token": "alice"}]})
    found = read_event(CHAT, event)
    stale = found.other.stale(("choices[0].delta.content",))
    assert stale == ["choices[0].logprobs"]
    assert "alice" not in json.dumps(drop(replace(event, {"choices[0].delta.content": "x"}), stale))
    assert not found.other.segments


def test_a_completions_chunk() -> None:
    """Legacy completions: text by choice, closed by its finish reason."""
    event = {
        "id": "c",
        "choices": [{"index": 1, "text": V, "finish_reason": "stop", "logprobs": {"tokens": [V]}}],
    }
    found = read_event(COMPLETIONS, event)
    assert found.deltas == (Delta("choices[1].text", "choices[0].text", V, "window"),)
    assert found.ends("choices[1].text")
    assert found.other.stale(("choices[0].text",)) == ["choices[0].logprobs"]


def event(kind: str, **fields: Any) -> dict[str, Any]:
    place = {
        "output_index": 2,
        "content_index": 1,
        "summary_index": 3,
        "command_index": 4,
        "item_id": "msg_1",
    }
    return {"type": kind, "sequence_number": 9, **place, **fields}


TEXTS: list[tuple[str, str, str, str]] = [
    # event, field that repeats the whole, lane, hold
    ("response.output_text", "text", "output[2].content[1].text", "window"),
    ("response.refusal", "refusal", "output[2].content[1].refusal", "window"),
    ("response.reasoning_text", "text", "output[2].content[1].text", "window"),
    ("response.reasoning_summary_text", "text", "output[2].summary[3].text", "window"),
    ("response.function_call_arguments", "arguments", "output[2].arguments", "full"),
    ("response.mcp_call_arguments", "arguments", "output[2].arguments", "full"),
    ("response.custom_tool_call_input", "input", "output[2].input", "full"),
    ("response.code_interpreter_call_code", "code", "output[2].code", "window"),
    ("response.shell_call_command", "command", "output[2].action.commands[4]", "full"),
]


@pytest.mark.parametrize(("name", "field", "lane", "hold"), TEXTS)
def test_a_text_of_the_responses_api_comes_in_pieces_and_again(
    name: str, field: str, lane: str, hold: str
) -> None:
    """B25: the delta is a piece of the lane, `.done` repeats and closes it; both are rewritten at their paths."""
    piece = read_event(RESPONSES, event(f"{name}.delta", delta=V))
    assert piece.deltas == (Delta(lane, "delta", V, hold),)
    assert (piece.repeats, piece.closes, piece.other.segments) == ((), (), ())
    done = read_event(RESPONSES, event(f"{name}.done", **{field: V}))
    assert done.repeats == ((field, lane),)
    assert done.ends(lane)
    assert (done.deltas, done.other.segments) == ((), ())


ITEMS: list[tuple[str, dict[str, Any], str]] = [
    (
        "message",
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": V}]},
        "content[0].text",
    ),
    (
        "refusal",
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": V}]},
        "content[0].refusal",
    ),
    ("reasoning", {"type": "reasoning", "summary": [{"type": "summary_text", "text": V}]}, "summary[0].text"),
    (
        "reasoning text",
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": V}]},
        "content[0].text",
    ),
    ("function call", {"type": "function_call", "name": "f", "arguments": V}, "arguments"),
    ("MCP call", {"type": "mcp_call", "name": "f", "arguments": V}, "arguments"),
    ("custom call", {"type": "custom_tool_call", "name": "f", "input": V}, "input"),
    ("code", {"type": "code_interpreter_call", "code": V}, "code"),
    ("shell", {"type": "shell_call", "action": {"commands": ["ls", V]}}, "action.commands[1]"),
    ("shell output", {"type": "shell_call_output", "output": [{"stdout": V}]}, "output[0].stdout"),
]


@pytest.mark.parametrize(("item", "inside"), [i[1:] for i in ITEMS], ids=[i[0] for i in ITEMS])
def test_items_and_whole_responses_repeat_their_lanes(item: dict[str, Any], inside: str) -> None:
    """B25: output_item.done and response.completed hold the same text again, on the same lane."""
    lane = f"output[2].{inside}"
    done = read_event(RESPONSES, event("response.output_item.done", item=item))
    assert (f"item.{inside}", lane) in done.repeats
    assert done.ends(lane)
    whole = {"id": "resp_1", "output": [{"type": "reasoning", "summary": []}] * 2 + [item]}
    for name in ("completed", "incomplete", "failed"):
        last = read_event(RESPONSES, {"type": f"response.{name}", "response": whole})
        assert (f"response.output[2].{inside}", lane) in last.repeats
        assert last.ends(lane)
        assert last.last
    first = read_event(RESPONSES, {"type": "response.created", "response": whole})
    assert not first.last
    assert not first.ends(lane)


@pytest.mark.parametrize(("item", "inside"), [i[1:] for i in ITEMS], ids=[i[0] for i in ITEMS])
def test_a_repeat_of_what_never_came_is_text(item: dict[str, Any], inside: str) -> None:
    """B25: a provider that sends no deltas has its whole texts screened where they first appear."""
    done = read_event(RESPONSES, event("response.output_item.done", item=item), lanes={"output[9].arguments"})
    assert done.repeats == ()
    assert f"item.{inside}" in [s.path for s in done.other.segments if s.text == V]


@pytest.mark.parametrize(("item", "inside"), [i[1:] for i in ITEMS], ids=[i[0] for i in ITEMS])
def test_what_an_opening_brings_is_a_first_piece(item: dict[str, Any], inside: str) -> None:
    """Text that output_item.added already holds precedes the deltas on the same lane."""
    added = read_event(RESPONSES, event("response.output_item.added", item=item))
    assert (f"output[2].{inside}", f"item.{inside}", V) in [(d.lane, d.path, d.text) for d in added.deltas]


def test_parts_open_and_close_their_lanes() -> None:
    """B25: content and summary parts: empty at first, whole at the end."""
    part = {"type": "output_text", "text": "", "annotations": []}
    assert read_event(RESPONSES, event("response.content_part.added", part=part)) == StreamEvent()
    done = read_event(RESPONSES, event("response.content_part.done", part={**part, "text": V}))
    assert done.repeats == (("part.text", "output[2].content[1].text"),)
    assert done.ends("output[2].content[1].text")
    assert not done.ends("output[2].content[0].text")
    summary = event("response.reasoning_summary_part.done", part={"type": "summary_text", "text": V})
    assert read_event(RESPONSES, summary).repeats == (("part.text", "output[2].summary[3].text"),)


def test_shell_output_streams_on_two_lanes() -> None:
    """What a command prints and complains comes on lanes of its own, by command."""
    piece = read_event(
        RESPONSES, event("response.shell_call_output_content.delta", delta={"stdout": "a", "stderr": "b"})
    )
    assert {d.lane: (d.path, d.text) for d in piece.deltas} == {
        "output[2].output[4].stdout": ("delta.stdout", "a"),
        "output[2].output[4].stderr": ("delta.stderr", "b"),
    }
    outputs = [{"stdout": "a", "stderr": "b"}, {"stdout": V, "stderr": ""}]
    done = read_event(RESPONSES, event("response.shell_call_output_content.done", output=outputs))
    assert ("output[0].stdout", "output[2].output[4].stdout") in done.repeats
    assert V in [s.text for s in done.other.segments]


OTHER: list[tuple[str, dict[str, Any], str]] = [
    (
        "annotation",
        event("response.output_text.annotation.added", annotation={"type": "url_citation", "title": V}),
        "annotation.title",
    ),
    (
        "web search",
        event(
            "response.output_item.done",
            item={"type": "web_search_call", "action": {"type": "search", "query": V}},
        ),
        "item.action.query",
    ),
    (
        "file search",
        event("response.output_item.done", item={"type": "file_search_call", "results": [{"text": V}]}),
        "item.results[0].text",
    ),
    ("MCP output", event("response.output_item.done", item={"type": "mcp_call", "output": V}), "item.output"),
    (
        "logs",
        event(
            "response.output_item.done",
            item={"type": "code_interpreter_call", "outputs": [{"type": "logs", "logs": V}]},
        ),
        "item.outputs[0].logs",
    ),
    ("instructions", {"type": "response.created", "response": {"instructions": V}}, "response.instructions"),
    ("error", {"type": "error", "code": "server_error", "message": V}, "message"),
    (
        "failure",
        {"type": "response.failed", "response": {"error": {"code": "server_error", "message": V}}},
        "response.error.message",
    ),
    ("unknown field", event("response.output_text.delta", delta="", brand_new=V), "<8>"),
    ("unknown event", {"type": "response.hologram.done", "text": V}, "text"),
    ("unknown type", {"type": [V]}, "type[0]"),
]


@pytest.mark.parametrize(("body", "path"), [o[1:] for o in OTHER], ids=[o[0] for o in OTHER])
def test_what_is_on_no_lane_is_a_segment(body: dict[str, Any], path: str) -> None:
    """B25: everything that comes whole is screened in its event."""
    found = read_event(RESPONSES, body)
    assert [at(body, s.path) for s in found.other.segments if s.text == V] == [V]
    assert path in [s.path for s in found.other.segments if s.text == V] or path in ("text", "type[0]")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (event("response.audio.delta", delta="AAAA"), "audio"),
        (event("response.image_generation_call.partial_image", partial_image_b64="AAAA"), "image"),
        (
            event("response.output_item.done", item={"type": "image_generation_call", "result": "AAAA"}),
            "image",
        ),
    ],
)
def test_media_in_a_stream_cannot_be_read(body: dict[str, Any], what: str) -> None:
    """Sound and pictures are guard.opaque in a stream as in a body."""
    assert [f.kind for f in read_event(RESPONSES, body).other.opaque] == [f"guard.opaque.{what}"]


def test_an_unknown_delta_has_a_lane_of_its_own() -> None:
    """Law 2: an event kind that is new may carry pieces, which are held back like any text, by place."""
    first = read_event(RESPONSES, event("response.hologram.delta", delta="alice@")).deltas[0]
    second = read_event(RESPONSES, event("response.hologram.delta", delta="leak.example")).deltas[0]
    elsewhere = read_event(RESPONSES, event("response.hologram.delta", delta="x", output_index=3)).deltas[0]
    assert first.lane == second.lane != elsewhere.lane
    assert (first.path, first.hold) == ("delta", "window")


def test_progress_events_hold_no_text() -> None:
    """Events that only tell of progress give nothing to screen, so they leave at once behind their lane's text."""
    for name, kind in EVENTS.items():
        if not kind.fields:
            found = read_event(RESPONSES, event(name))
            assert (found.deltas, found.repeats, found.other.segments) == ((), (), ())


def _streams() -> list[tuple[Endpoint, str]]:
    rows = [json.loads(line) for line in TRAFFIC.read_text(encoding="utf-8").split("\n") if line]
    found = [(endpoint(row["method"], row["path"].partition("?")[0]), row) for row in rows if row["stream"]]
    return [(kind, row["response"]) for kind, row in found if kind is not None]


@pytest.mark.skipif(not TRAFFIC.exists(), reason="needs the recorded exchanges")
def test_recorded_streams_repeat_what_their_lanes_said() -> None:
    """B25, E08: in recorded streams every repeat equals its lane's pieces joined, and nothing is refused."""
    texts = 0
    for kind, stream in _streams():
        lanes: dict[str, str] = defaultdict(str)
        for found in Decoder().feed(stream.encode()):
            if found.data is None or found.done:
                continue
            body = parse(found.data.encode(), Limits())
            read = read_event(kind, body, lanes)
            for delta in read.deltas:
                assert at(body, delta.path) == delta.text
                lanes[delta.lane] += delta.text
            assert all(at(body, path) == lanes[lane] for path, lane in read.repeats)
            assert read.other.opaque == ()
        texts += len(lanes)
    assert texts > 100


ODD: list[Any] = [
    None,
    "",
    "word",
    "alice@corp.com",
    3,
    True,
    4.5,
    [],
    {},
    ["alice@corp.com"],
    {"a": "alice@corp.com"},
    "resp_1",
    "stop",
]
HEAD = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "gpt-5",
    "obfuscation": "k3Zq7",
}
PIECE = {
    "type": "response.output_text.delta",
    "item_id": "msg_1",
    "output_index": 2,
    "content_index": 1,
    "delta": "hi",
    "logprobs": [],
}


NAMES = [*HEAD, *PIECE, "index", "finish_reason", "content", "role", "usage", "extra"]


def same(where: str, odd: dict[str, Any]) -> None:
    """The short road and the map read one chunk and one event, changed at a place, alike."""
    choice = {
        "index": 1,
        "delta": {"content": "hi", **(odd if where == "delta" else {})},
        "finish_reason": None,
    }
    chunk = {
        **HEAD,
        "choices": [{**choice, **(odd if where == "choice" else {})}],
        **(odd if where == "top" else {}),
    }
    for known, body in ((CHAT, chunk), (RESPONSES, {**PIECE, **odd})):
        short = read_event(known, body, {})
        with mock.patch.multiple(streams, _plain_chunk=lambda data: None, _plain_delta=lambda data: None):
            assert short == read_event(known, body, {})


@pytest.mark.parametrize("name", sorted(set(NAMES)))
def test_the_short_road_passes_no_odd_field_over(name: str) -> None:
    """A22 B23: whatever stands in whichever field of a plain piece of text is read as the map reads it."""
    for where in ("top", "choice", "delta"):
        for odd in ODD:
            same(where, {name: odd})


@given(
    st.sampled_from(["top", "choice", "delta"]),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(ODD), max_size=3),
)
def test_the_short_road_reads_what_the_map_reads(where: str, odd: dict[str, Any]) -> None:
    """A22 B23: most events are one piece of text; with several fields odd or unknown, nothing is passed over."""
    same(where, odd)
