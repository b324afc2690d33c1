"""The API's old style: what is refused, what it is translated to, and how an answer is told in it."""

from __future__ import annotations

import copy
import json
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import BadRequest
from guard.types import Limits, Segment
from guard.wire import legacy, models, sse
from guard.wire.openai import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, Endpoint

WEATHER = {"name": "weather", "description": "d", "parameters": {"type": "object", "properties": {}}}
CALL = {"name": "weather", "arguments": '{"city": "Bern"}'}
SAYS = {"role": "user", "content": "hi"}


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [SAYS], **more}


OLD: list[tuple[str, Endpoint, str, dict[str, Any], dict[str, Any], str]] = [
    (
        "engine",
        CHAT,
        "/v1/chat/completions",
        {"engine": "gpt-4o", "messages": [SAYS]},
        chat(),
        "engine",
    ),
    (
        "engine beside model",
        COMPLETIONS,
        "/v1/completions",
        {"engine": "m", "model": "m"},
        {"model": "m"},
        "engine",
    ),
    (
        "engine path",
        COMPLETIONS,
        "/v1/engines/davinci/completions",
        {"prompt": "x"},
        {"model": "davinci", "prompt": "x"},
        "engine_path",
    ),
    (
        "engine of embeddings",
        EMBEDDINGS,
        "/v1/engines/ada/embeddings",
        {"input": "x"},
        {"model": "ada", "input": "x"},
        "engine_path",
    ),
    (
        "limit of a reasoning model",
        CHAT,
        "",
        chat(model="gpt-5.1", max_tokens=5),
        chat(model="gpt-5.1", max_completion_tokens=5),
        "max_tokens",
    ),
    (
        "limit of a fine-tuned one",
        CHAT,
        "",
        chat(model="ft:o4-mini-2025-04-16:me::1", max_tokens=5),
        chat(model="ft:o4-mini-2025-04-16:me::1", max_completion_tokens=5),
        "max_tokens",
    ),
    (
        "functions",
        CHAT,
        "",
        chat(functions=[WEATHER], function_call="auto"),
        chat(
            tools=[{"type": "function", "function": WEATHER}], parallel_tool_calls=False, tool_choice="auto"
        ),
        "functions",
    ),
    (
        "one named function of a model that always calls in parallel",
        CHAT,
        "",
        chat(model="o3", functions=[WEATHER], function_call={"name": "weather"}),
        chat(
            model="o3",
            tools=[{"type": "function", "function": WEATHER}],
            tool_choice={"type": "function", "function": {"name": "weather"}},
        ),
        "functions",
    ),
]


@pytest.mark.parametrize(("name", "endpoint", "path", "old", "new", "what"), OLD, ids=[row[0] for row in OLD])
def test_each_old_habit_is_translated_or_named(
    name: str, endpoint: Endpoint, path: str, old: dict[str, Any], new: dict[str, Any], what: str
) -> None:
    """`translate` writes today's request; `refuse` says which word to write instead, and never the caller's."""
    before = copy.deepcopy(old)
    found = legacy.modern(endpoint, path, old, "translate")
    assert (found.body, found.translated, found.functions) == (new, (what,), what == "functions")
    assert old == before
    assert legacy.modern(endpoint, legacy.without_engine(path), new, "refuse").translated == ()
    with pytest.raises(BadRequest, match=r"write|call|keep") as refused:
        legacy.modern(endpoint, path, old, "refuse")
    assert (refused.value.status, refused.value.code) == (400, f"legacy.{what}")


def test_the_history_of_functions_becomes_one_of_tools() -> None:
    """B13: each call gets an id by its place, and the next result of that function answers to it."""
    asks = {"role": "assistant", "content": None, "function_call": CALL}
    history = [SAYS, asks, {"role": "function", "name": "weather", "content": "1"}, asks]
    history += [{"role": "function", "name": "weather", "content": "2"}, SAYS]
    found = legacy.modern(CHAT, "", chat(functions=[WEATHER], messages=history), "translate").body["messages"]
    calls = [m["tool_calls"][0]["id"] for m in found if "tool_calls" in m]
    assert calls == ["call_1", "call_3"]
    assert found[1] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": CALL}],
    }
    assert [m for m in found if m["role"] == "tool"] == [
        {"role": "tool", "tool_call_id": "call_1", "content": "1"},
        {"role": "tool", "tool_call_id": "call_3", "content": "2"},
    ]
    assert (found[0], found[5]) == (SAYS, SAYS)


def test_a_result_answers_the_latest_open_call_of_its_function() -> None:
    """A call that was given up stays open behind the one that was made again; each call has one result."""
    asks = {"role": "assistant", "content": None, "function_call": CALL}
    result = {"role": "function", "name": "weather", "content": "1"}
    body = chat(functions=[WEATHER], messages=[asks, asks, result, result])
    found = legacy.modern(CHAT, "", body, "translate").body["messages"]
    assert [m["tool_call_id"] for m in found[2:]] == ["call_1", "call_0"]


CANNOT = [
    ("two models", chat(engine="o3"), "legacy.engine", "model"),
    (
        "two limits",
        chat(model="o3", max_tokens=1, max_completion_tokens=1),
        "legacy.max_tokens",
        "max_tokens",
    ),
    ("functions and tools", chat(functions=[WEATHER], tools=[]), "legacy.functions", "functions"),
    (
        "functions and a choice",
        chat(functions=[WEATHER], tool_choice="auto"),
        "legacy.functions",
        "functions",
    ),
    (
        "a result without its call",
        chat(functions=[WEATHER], messages=[{"role": "function", "name": "weather", "content": ""}]),
        "legacy.functions",
        "messages[0]",
    ),
    ("too strong a bias", chat(logit_bias={"1": 101}), "invalid_value", "logit_bias"),
    ("too weak a bias", chat(logit_bias={"1": 0, "2": -100.5}), "invalid_value", "logit_bias"),
]


@pytest.mark.parametrize(("name", "body", "code", "param"), CANNOT, ids=[row[0] for row in CANNOT])
def test_what_has_no_meaning_is_refused_before_it_costs(
    name: str, body: dict[str, Any], code: str, param: str
) -> None:
    """Two names for one thing, a result of nothing, B16: a bias outside [-100, 100]."""
    with pytest.raises(BadRequest) as refused:
        legacy.modern(CHAT, "", body, "translate")
    assert (refused.value.status, refused.value.code, refused.value.param) == (400, code, param)


SAME = [
    chat(max_tokens=5),
    chat(model="gpt-5-chat-latest", max_tokens=5),
    chat(model="o30", max_tokens=5),
    chat(tools=[], tool_choice="auto"),
    chat(logit_bias={"1": -100, "2": 100.0, "3": True, "4": "x"}),
    chat(messages=[SAYS, {"role": "assistant", "content": None, "function_call": CALL}]),
]


@pytest.mark.parametrize("body", SAME)
@pytest.mark.parametrize("how", ["refuse", "translate"])
def test_a_request_of_today_is_left_alone(body: dict[str, Any], how: Any) -> None:
    """The very same object: nothing is copied, nothing is refused that the API takes."""
    assert legacy.modern(CHAT, "/v1/chat/completions", body, how).body is body


PLAIN = "word " * 1000  # 1,000 tokens in truth, 1,250 by estimate, 1,000 without its white space


@pytest.mark.parametrize(
    ("endpoint", "texts", "fits"),
    [
        (CHAT, [PLAIN] * 16, True),
        (CHAT, [PLAIN] * 17, False),
        (RESPONSES, [PLAIN] * 17, False),
        (COMPLETIONS, [PLAIN] * 17, True),  # prompts of their own
        (COMPLETIONS, [PLAIN * 17], False),
        (EMBEDDINGS, ["你好" * 8193], False),
        (EMBEDDINGS, ["你好" * 8192], True),
        (EMBEDDINGS, [" " * 10**6], True),
    ],
)
def test_a_prompt_beyond_the_window_is_refused_only_where_that_is_sure(
    endpoint: Endpoint, texts: list[str], fits: bool
) -> None:
    """8,192 tokens: half the estimate must be beyond, since estimates err by up to a factor of two."""
    body = {"model": "text-embedding-3-small" if endpoint is EMBEDDINGS else "gpt-4"}
    segments = [Segment("x", text) for text in texts]
    size = sum(len(text.encode()) for text in texts)
    if fits:
        legacy.check_window(endpoint, body, size, segments)
        return
    with pytest.raises(BadRequest) as refused:
        legacy.check_window(endpoint, body, size, segments)
    assert (refused.value.status, refused.value.code) == (400, "context_length_exceeded")


def test_a_model_that_the_table_lacks_has_no_window() -> None:
    """An own model's window is not guessed from a longer name's beginning."""
    legacy.check_window(CHAT, {"model": "gpt-4-mine"}, 10**7, [Segment("x", "word" * 10**6)])
    known = ("gpt-4", "gpt-4-0613", "GPT-4", "openai/gpt-4", "ft:gpt-4-0613:me::1", "gpt-4o-2024-08-06")
    assert [models.window(name) for name in known] == [8192, 8192, 8192, 8192, 8192, 128_000]
    assert models.window("gpt-4-mine") is None


def test_the_table_is_dated_and_whole() -> None:
    """Every shutdown has a day; what is recommended instead is not itself in the table with an earlier one."""
    assert date.fromisoformat(models.TABLE_DATE) <= date(2026, 12, 31)
    assert models.SHUTDOWNS["gpt-4"].date == date(2026, 10, 23)
    for known in models.SHUTDOWNS.values():
        after = models.SHUTDOWNS.get(known.instead.partition(" ")[0])
        assert after is None or after.date > known.date


# answers


def called(*calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "tool_calls": [
            {"id": f"c{i}", "index": i, "type": "function", "function": c} for i, c in enumerate(calls)
        ],
        **more,
    }


def test_an_answer_is_told_in_the_old_style() -> None:
    """The first call is the `function_call` that the old style knows; the reason for the end follows."""
    other = {"index": 1, "message": {"role": "assistant", "content": "no"}, "finish_reason": "length"}
    answer = {
        "id": "1",
        "choices": [
            {"index": 0, "message": called(CALL, CALL, content=None), "finish_reason": "tool_calls"},
            other,
        ],
    }
    assert legacy.old_answer(answer) == {
        "id": "1",
        "choices": [
            {
                "index": 0,
                "message": {"content": None, "function_call": CALL},
                "finish_reason": "function_call",
            },
            other,
        ],
    }


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"error": {}},
        [],
        {"choices": None},
        {"choices": [1]},
        {"choices": [{"message": {"tool_calls": None}}]},
    ],
)
def test_odd_answers_do_not_break_it(answer: Any) -> None:
    """An error, or what no API sends, passes."""
    told = legacy.old_answer(answer)
    assert told == answer or told == {"choices": [{"message": {}}]}


def stream() -> bytes:
    def event(delta: Any, end: Any = None) -> bytes:
        return sse.encode(
            json.dumps({"id": "1", "choices": [{"index": 0, "delta": delta, "finish_reason": end}]})
        )

    rows = [event({"role": "assistant", "content": None}), b": ping\n\n"]
    rows += [event(called({"name": "weather", "arguments": ""}))]
    for place in range(0, len(CALL["arguments"]), 5):
        piece = CALL["arguments"][place : place + 5]
        second = {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}
        rows += [event({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}), event(second)]
    return b"".join([*rows, event({}, "tool_calls"), sse.encode("[DONE]")])


@given(st.lists(st.integers(0, len(stream())), max_size=12))
def test_a_stream_is_told_in_the_old_style_however_it_is_cut(cuts: list[int]) -> None:
    """Name first, then pieces of the arguments; comments and the end stay; later calls are left out."""
    data, old = stream(), legacy.OldStream(Limits())
    edges = sorted({0, *cuts, len(data)})
    out = b"".join(old.feed(data[a:b]) for a, b in pairwise(edges))
    assert out == legacy.OldStream(Limits()).feed(data)
    events = [json.loads(e.data) for e in sse.Decoder().feed(out) if e.data and not e.done]
    pieces = [c["choices"][0]["delta"].get("function_call", {}) for c in events]
    assert "".join(p.get("arguments", "") for p in pieces) == CALL["arguments"]
    assert [p["name"] for p in pieces if "name" in p] == ["weather"]
    assert b"tool_calls" not in out
    assert b": ping\n\n" in out
    assert out.endswith(b"data: [DONE]\n\n")
    assert events[-1]["choices"][0]["finish_reason"] == "function_call"


@pytest.mark.parametrize(
    ("endpoint", "reasons", "unknown"),
    [
        (CHAT, ["stop", "length", "tool_calls", "content_filter", "function_call", None], False),
        (CHAT, ["stop", "eos"], True),
        (COMPLETIONS, [3], True),
        (RESPONSES, ["completed"], False),
    ],
)
def test_unknown_ends_are_noticed(endpoint: Endpoint, reasons: list[Any], unknown: bool) -> None:
    """C15: what the API documents passes in silence; anything else is noted."""
    assert legacy.unknown_ends(endpoint, reasons) is unknown
