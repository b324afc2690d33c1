"""Text in which one look shows nothing leaves at once, events of a known form are read by their bytes: nothing else."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.stream import StreamGate
from guard.streaming.ops import Emit, Find
from guard.wire.openai import endpoint

_spec = importlib.util.spec_from_file_location("stream_kit", Path(__file__).with_name("stream_kit.py"))
assert _spec is not None
assert _spec.loader is not None
kit = sys.modules.setdefault("stream_kit", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(kit)

TRAFFIC = Path(__file__).parents[2] / "shared" / "data" / "openai_traffic.jsonl"
CAROL = ("pii.email", "carol@corp.org")
SAYS = [
    "The committee met on Tuesday, and everyone agreed to try it in May. ",
    "Write to alice@corp.com or dora at corp dot org. ",
    "Call +1 415 555 2671; the card is 4111 1111 1111 1111. ",
    "Dear <EMAIL_1>, &lt;EMAIL_1&gt; and EMAIL_7, see ![](https://x.example/?q=<EMAIL_1>). ",
    "name,email\nAnn,12\nBob,15\n\n",
    "| passport | city |\n|---|---|\n| C01X00T47 | Rom |\n",
    "身份证号是11010519491231002X，谢谢。上海很大。",
    'He said "no\\way" twice.\n\n- a\n- b\t**c** 🙂🏽 ',
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n",
    "the dot at the end of a word. ",
]


def outcome(run: Any) -> tuple[Any, ...]:
    """What was sent and found; between lanes the order of findings goes by who was asked about first."""
    gate = run.gate
    decisions = sorted(gate.decisions, key=lambda decision: decision.finding.path)
    verdict = gate.verdict()
    return run.out, run.ends, verdict.action, verdict.enforced, gate.screened_bytes, gate.seen, decisions


def both_roads(
    name: str, chunks: list[bytes], policy: str = kit.REDACTING, choices: int = 1
) -> tuple[Any, Any]:
    """The outcome with looks, known forms and plain words sooner cut, and with none of these."""
    short = kit.run(policy, name, chunks, kit.exchange(CAROL), choices=choices)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("guard.stream.TRIES", 0)
        patch.setattr("guard.pii.plaincuts.PlainCuts.cuts", lambda *_: None)
        long = kit.run(policy, name, chunks, kit.exchange(CAROL), choices=choices, quiet=None)
    return short, long


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["chat", "completions", "responses"]),
    st.lists(st.lists(st.sampled_from(SAYS), min_size=1, max_size=6).map("".join), min_size=1, max_size=2),
    st.sampled_from([1, 3, 5, 11, 40]),
    st.sampled_from([0, 1, 7, 400, 5000]),
    st.sampled_from([kit.REDACTING, kit.JUDGED]),
)
def test_both_roads_send_the_same_bytes(
    name: str, texts: list[str], chunk: int, size: int, policy: str
) -> None:
    """Whatever is said, however it is cut: bytes, verdict and findings are those of the long road."""
    texts = texts[:1] if name == "responses" else texts
    data = kit.wire(kit.provider(name, texts, chunk=chunk), done=name != "responses")
    short, long = both_roads(name, kit.cut(data, size), policy, len(texts))
    assert outcome(short) == outcome(long)


@pytest.mark.parametrize("name", ["chat", "responses"])
def test_tool_calls_take_both_roads_alike(name: str) -> None:
    arguments = [
        json.dumps({"to": say, "n": [1.5, None]}, ensure_ascii=number % 2 > 0)
        for number, say in enumerate(SAYS)
    ]
    data = kit.wire(kit.provider(name, ["unused"], tools=arguments, chunk=5), done=name != "responses")
    for size in (0, 13):
        short, long = both_roads(name, kit.cut(data, size))
        assert outcome(short) == outcome(long)


@pytest.mark.skipif(not TRAFFIC.exists(), reason="recorded traffic is not here")
def test_recorded_traffic_takes_both_roads_alike() -> None:
    seen = 0
    for line in TRAFFIC.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        known = endpoint("POST", row["path"].partition("?")[0]) if row["stream"] else None
        if known is None or not known.streams or not row["content_type"].startswith("text/event-stream"):
            continue
        size = 61 * (seen % 2)
        short, long = both_roads(known.name, kit.cut(row["response"].encode(), size), choices=4)
        assert outcome(short) == outcome(long)
        seen += 1
    assert seen > 10


def plain_stream(words: int) -> list[bytes]:
    """Chunks of one word each in an envelope that stays the same."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1764000000, "model": "m"}
    rows = [
        {**head, "choices": [{"index": 0, "delta": {"content": f" {word}"}, "finish_reason": None}]}
        for word in random.Random(3).choices(SAYS[0].split(), k=words)
    ]
    return [f"data: {json.dumps(row)}\n\n".encode() for row in rows]


def test_plain_prose_asks_no_detector_and_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred chunks of prose the first is read as JSON, the others by their bytes; no window is asked about."""
    chunks = plain_stream(100)
    gate: StreamGate = kit.gate(kit.REDACTING, "chat")
    ops = gate.feed(chunks[0])
    monkeypatch.setattr("guard.stream.jsonbody.parse", None)
    for chunk in chunks[1:]:
        ops += gate.feed(chunk)
    assert not [op for op in ops if isinstance(op, Find)]
    sent = b"".join(op.data for op in ops if isinstance(op, Emit))
    assert b"".join(chunks[:98]) in sent + chunks[-3]
    assert b"".join(chunks).startswith(sent)


def test_several_events_in_one_read_are_known_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = plain_stream(40)
    gate: StreamGate = kit.gate(kit.REDACTING, "chat")
    gate.feed(chunks[0])
    monkeypatch.setattr("guard.stream.jsonbody.parse", None)
    ops = gate.feed(b"".join(chunks[1:]))
    assert len(ops) >= 36


CHUNK = (
    '{"id":"chatcmpl-1","model":"%s","choices":[{"index":%s,"delta":{"content":"%s"%s},"finish_reason":%s}]}'
)


@pytest.mark.parametrize(
    "other",
    [
        ("m", 1, " b", "", "null"),
        ("m", 0, " b", ',"refusal":"4111 1111 1111 1111"', "null"),
        ("other", 0, " b", "", "null"),
        ("m", 0, " b\\ud800", "", "null"),
        ("m", 0, " b\\x", "", "null"),
        ("m", 0, " b", "", 'null,"finish_reason":"stop"'),
        ("m", 0, "", "", "null"),
        ("m", 0, " b", "", '"stop"'),
    ],
)
def test_an_event_of_another_form_takes_the_whole_road(other: tuple[Any, ...]) -> None:
    """A choice, a field, a model, an escape, a repeated key, no text, an end: each is read, none is guessed."""
    known = CHUNK % ("m", 0, " a", "", "null")
    chunks = [f"data: {text}\n\n".encode() for text in (known, known, CHUNK % other, known)]
    short, long = both_roads("chat", chunks, choices=2)
    assert outcome(short) == outcome(long)
    first = kit.gate(kit.REDACTING, "chat")
    first.feed(chunks[0])
    form, _ = first._known[0]
    assert form.fill(chunks[3]) is not None
    assert form.fill(chunks[2]) is None


def test_the_model_that_spoke_last_is_known_on_both_roads() -> None:
    """Two choices that name two models: a known form says no less than an event that is read."""
    rows = [("a", 0), ("b", 1), ("a", 0), ("b", 1), ("a", 0)]
    chunks = [f"data: {CHUNK % (model, index, ' it', '', 'null')}\n\n".encode() for model, index in rows]
    short, long = both_roads("chat", chunks, choices=2)
    assert short.gate.seen.model == "a"
    assert outcome(short) == outcome(long)


def test_choices_that_take_turns_in_one_read_keep_their_texts() -> None:
    """Two choices side by side, all events known, several a read: each text is its own choice's."""
    said = [
        (" Write", " Dear"),
        (" to", " reader"),
        (" dora@corp", " of"),
        (".org", " this"),
        (" soon", " text"),
        (" and", ","),
    ]
    rows = [(index, pair[index]) for pair in said for index in (0, 1)]
    events = [f"data: {CHUNK % ('m', index, text, '', 'null')}\n\n".encode() for index, text in rows]
    for size in (1, 3, 4, len(events)):
        reads = [*events[:2], *(b"".join(events[at : at + size]) for at in range(2, len(events), size))]
        short, long = both_roads("chat", reads, choices=2)
        assert outcome(short) == outcome(long)
