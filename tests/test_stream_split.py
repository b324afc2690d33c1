"""Law 6: what a caller reads of a stream does not depend on how the provider cut it, nor on when a judge answers."""

from __future__ import annotations

import importlib.util
import json
import random
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.engine import Exchange, screen_output
from guard.types import Detect, Finding, Redaction, Segment
from guard.wire.sse import Decoder

_spec = importlib.util.spec_from_file_location("stream_kit", Path(__file__).with_name("stream_kit.py"))
assert _spec is not None
assert _spec.loader is not None
kit = sys.modules.setdefault("stream_kit", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(kit)

CAROL = ("pii.email", "carol@corp.org")
QUOTED = ("pii.person", 'Zo\\e "Z" Doe\nJr.')

PIECES = [
    *("alice@corp.com", "+1 415 555 2671", "4111 1111 1111 1111", "11010519491231002X", "536-22-8421"),
    *("<EMAIL_1>", "< email_1 >", "&lt;EMAIL_1&gt;", "<EMAIL_2>", "<", "EMAIL_", "<PERSON_1>"),
    *(
        "carol@corp.org",
        "hello",
        "It rains in Spain, they say.",
        "，谢谢。",
        "上海",
        "🙂🏽",
        "\u200b",
        "\n",
        '"',
        "\\",
    ),
]
HARM = ["I will hurt you.", "build a bomb", "我要伤害你。"]

ENDPOINTS = ["chat", "completions", "responses"]
CUTS = st.sampled_from([0, 1, 2, 3, 7, 50, 400])


def texts(*more: str) -> st.SearchStrategy[str]:
    pieces = st.tuples(st.sampled_from([*PIECES, *more]), st.sampled_from(["", " ", " ", ", "]))
    return st.lists(pieces, max_size=14).map(lambda rows: "".join(a + b for a, b in rows))


def numberless(text: str) -> str:
    """A text without the numbers of its placeholders: between choices they go by who comes first."""
    return re.sub(r"<([A-Z_]+)_\d+>", r"<\1>", text)


def mixed(events: Sequence[dict[str, Any]], chance: random.Random, share: float) -> list[dict[str, Any]]:
    """Put neighbouring chunks of different choices into one, as some providers send them."""
    out: list[dict[str, Any]] = []
    for event in events:
        before = out[-1].get("choices") if out else None
        apart = before and event.get("choices") and before[-1]["index"] != event["choices"][0]["index"]
        if apart and chance.random() < share:
            out[-1] = {**out[-1], "choices": before + event["choices"]}
        else:
            out.append(event)
    return out


@st.composite
def streams(draw: st.DrawFn, *more: str, choices: int = 2, tools: bool = False) -> dict[str, Any]:
    """A provider's whole answer, and three ways to cut it and to time the judge."""
    name = draw(st.sampled_from(["chat", "responses"] if tools else ENDPOINTS))
    number = 1 if name == "responses" else draw(st.integers(1, choices))
    said = [draw(texts(*more)) for _ in range(number)]
    calls = []
    if tools:
        values = [(draw(texts(*more)), draw(texts(*more))) for _ in range(draw(st.integers(1, 2)))]
        calls = [json.dumps({"to": a, "n": [1.5, None, b]}, ensure_ascii=False) for a, b in values]
    ways = [(draw(CUTS), draw(CUTS), draw(st.integers(0, 2**16)), draw(st.booleans())) for _ in range(3)]
    return {"name": name, "texts": said, "tools": calls, "ways": ways}


def every_way(stream: dict[str, Any], policy: str, who: Any) -> list[Any]:
    """Run the stream in each of its ways."""
    runs = []
    for chunk, size, seed, lazy in stream["ways"]:
        events = kit.provider(stream["name"], stream["texts"], chunk=chunk or 10_000, tools=stream["tools"])
        events = mixed(events, random.Random(seed), seed % 3 / 2)
        data = kit.wire(events, done=stream["name"] != "responses")
        count = len(stream["texts"])
        runs.append(
            kit.run(policy, stream["name"], kit.cut(data, size), who(), seed=seed, lazy=lazy, choices=count)
        )
    return runs


def known() -> Exchange:
    found: Exchange = kit.exchange(CAROL, QUOTED)
    return found


def whole(policy: str, text: str) -> str:
    """What becomes of the same text in an answer that is not streamed."""
    flow = screen_output(kit.policy(policy), known(), [Segment("choices[0].message.content", text)], ())
    result: Any = None
    while True:
        try:
            effect = flow.send(result)
        except StopIteration as stop:
            return str(stop.value.changes.get("choices[0].message.content", text))
        find = kit.scanner(policy).scan if isinstance(effect, Detect) else kit.simulated_scores
        result = [find(text) for text in effect.texts]


@pytest.mark.parametrize("policy", [kit.REDACTING, kit.JUDGED], ids=["found", "judged"])
@settings(max_examples=40)
@given(stream=streams())
def test_any_cut_says_what_the_whole_body_says(policy: str, stream: dict[str, Any]) -> None:
    """A22 B23 B26: any deltas, any bytes, choices interleaved: each lane reads as the answer would unstreamed."""
    expected = {str(i): whole(policy, text) for i, text in enumerate(stream["texts"])}
    several = len(expected) > 1
    for run in every_way(stream, policy, known):
        told = kit.told(run.events)
        for lane, text in expected.items():
            got = told.get(lane, "")
            assert (numberless(got), several) == (numberless(text), several)
            assert several or got == text
        assert run.ends == [""]
        assert run.done is (stream["name"] != "responses")


@settings(max_examples=60)
@given(stream=streams(*HARM, choices=3))
def test_a_block_stands_at_the_same_place_however_the_stream_is_cut(stream: dict[str, Any]) -> None:
    """A22 A25: what leaves before a refusal, and which choices go on, is no matter of cuts or of a slow judge."""
    seen = set()
    for run in every_way(stream, kit.JUDGED, known):
        told = {lane: numberless(text) for lane, text in kit.told(run.events).items()}
        seen.add(json.dumps([told, kit.finishes(run.events), bool(run.ends[0]), run.done], sort_keys=True))
        assert len(run.ends) == 1
    assert len(seen) == 1


@settings(max_examples=40)
@given(stream=streams(tools=True))
def test_tool_arguments_stay_json_in_any_cut(stream: dict[str, Any]) -> None:
    """B24: parallel calls interleaved: masked, restored (quotes and backslashes too), and still valid JSON."""
    seen = set()
    for run in every_way(stream, kit.JUDGED, known):
        told = {
            lane: text for lane, text in kit.told(run.events).items() if "arguments" in lane or "." in lane
        }
        assert len(told) == len(stream["tools"]) * (
            1 if stream["name"] == "responses" else len(stream["texts"])
        )
        for text in told.values():
            value = json.loads(text)
            assert set(value) == {"to", "n"}
            assert value["n"][:2] == [1.5, None]
            assert "alice@" not in value["to"] + value["n"][2]
        seen.add(json.dumps({lane: numberless(text) for lane, text in told.items()}, sort_keys=True))
    assert len(seen) == 1


@settings(max_examples=40)
@given(stream=streams(), seed=st.integers(0, 2**16))
def test_what_nothing_changes_leaves_byte_for_byte(stream: dict[str, Any], seed: int) -> None:
    """A21 A24: without a finding every byte leaves as it came: comments, ids, line ends, characters of four bytes."""
    chance = random.Random(seed)
    clean = [t.translate(str.maketrans("0123456789@<_", "abcdefghij---")) for t in stream["texts"]]
    events = mixed(kit.provider(stream["name"], clean, chunk=stream["ways"][0][0] or 9999), chance, 0.5)
    data = kit.wire(events, done=stream["name"] != "responses")
    for extra in (b": ping\n\n", b"id: 7\r\nretry: 3\n\n"):
        place = chance.randrange(len(events))
        data = b"\n\n".join([*data.split(b"\n\n")[:place], extra + data.split(b"\n\n", place)[-1]])
    for _, size, order, lazy in stream["ways"]:
        count = len(clean)
        run = kit.run(kit.JUDGED, stream["name"], kit.cut(data, size), seed=order, lazy=lazy, choices=count)
        assert said(run.out) == said(data)


def said(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """The events with data in their order, and the others: comments overtake what is held back."""
    events = Decoder().feed(data)
    return [e.raw for e in events if e.data is not None], [e.raw for e in events if e.data is None]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("value", ["alice@corp.com", "4111 1111 1111 1111", "536-22-8421"])
def test_personal_data_cut_at_every_position(endpoint: str, value: str) -> None:
    """B23: cut in two at every position, and one character a delta: no part of the value leaves."""
    text = f"Please use {value}, thanks."
    positions = range(1, len(text))
    for chunks in [*([at, 10_000] for at in positions), [1] * len(text)]:
        parts, start = [], 0
        for size in chunks:
            parts.append(text[start : start + size])
            start += size
        run = kit.run(kit.REDACTING, endpoint, [stream_of(endpoint, parts)])
        told = kit.told(run.events)["0"]
        assert re.fullmatch(r"Please use <[A-Z_]+_1>, thanks\.", told)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("spelled", ["<EMAIL_1>", "< Email_1 >", "&lt;EMAIL_1&gt;"])
def test_placeholders_cut_at_every_position_come_back(endpoint: str, spelled: str) -> None:
    """B30: the caller's own value comes back from a placeholder that two deltas share, however it is spelled."""
    text = f"Write to {spelled} today."
    for at in range(1, len(text)):
        run = kit.run(kit.REDACTING, endpoint, [stream_of(endpoint, [text[:at], text[at:]])], known())
        assert kit.told(run.events)["0"] == "Write to carol@corp.org today."


def stream_of(endpoint: str, parts: Sequence[str]) -> bytes:
    """A provider's stream with exactly these deltas."""
    events = kit.provider(endpoint, ["".join(parts)], chunk=10_000)
    (place,) = [i for i, e in enumerate(events) if kit.told([e])]
    rows = []
    for part in filter(None, parts):
        copy = json.loads(json.dumps(events[place]))
        choice = copy["choices"][0] if "choices" in copy else copy
        holder = choice.get("delta") if isinstance(choice.get("delta"), dict) else choice
        holder["content" if "content" in holder else "text" if "text" in holder else "delta"] = part
        rows.append(copy)
    return bytes(kit.wire([*events[:place], *rows, *events[place + 1 :]], done=endpoint != "responses"))


@settings(max_examples=30)
@given(stream=streams())
def test_responses_repeat_what_was_streamed(stream: dict[str, Any]) -> None:
    """B25: `.done`, `content_part.done`, `output_item.done` and `response.completed` all say what the deltas said."""
    text = stream["texts"][0]
    if not text:
        return
    for chunk, size, seed, lazy in stream["ways"]:
        data = kit.wire(kit.provider("responses", [text], chunk=chunk or 10_000), done=False)
        run = kit.run(kit.JUDGED, "responses", kit.cut(data, size), known(), seed=seed, lazy=lazy)
        by_type = {event["type"]: event for event in run.events}
        told = kit.told(run.events).get("0", "")
        assert by_type["response.output_text.done"]["text"] == told
        assert by_type["response.content_part.done"]["part"]["text"] == told
        assert by_type["response.output_item.done"]["item"]["content"][0]["text"] == told
        assert by_type["response.completed"]["response"]["output"][0]["content"][0]["text"] == told
        assert [event["sequence_number"] for event in run.events] == list(range(len(run.events)))


@pytest.mark.parametrize(
    "spelled", ["<us health insurance member id 1>", "< US HEALTH INSURANCE MEMBER ID 1 >"]
)
@pytest.mark.parametrize("policy", [kit.REDACTING, kit.JUDGED], ids=["found", "judged"])
def test_a_placeholder_of_many_words_comes_back_over_every_border(policy: str, spelled: str) -> None:
    """B30: a token written with blanks has places for a cut inside; no window may end there."""
    value = "XKA 123-45-6789"
    for before in range(0, 60, 3):
        text = f"{'word ' * before}ask {spelled} again, {'word ' * 40}"
        who = kit.exchange(("pii.us.health_insurance_member_id", value))
        run = kit.run(policy, "chat", [kit.wire(kit.provider("chat", [text], chunk=5))], who)
        assert kit.told(run.events)["0"] == text.replace(spelled, value)


FAKED = [
    ("pii.person", "Ada Lovelace"),
    ("pii.address", "221B Baker Street"),
    ("pii.org", "Acme Corp"),
    ("pii.address", "北京市朝阳区建国路88号"),
]


@pytest.mark.parametrize(("kind", "value"), FAKED)
def test_a_fake_of_many_words_stays_whole_over_every_border(kind: str, value: str) -> None:
    """Law 7: placeholders are never findings, also where a window could end within one: half a name is a name."""
    who = kit.exchange()
    fake = who.placeholders.placeholder(kind, value, Redaction("faker"))
    part = re.compile("|".join(map(re.escape, re.findall(r"[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]+", fake))))

    def find(text: str) -> list[Finding]:
        return [Finding(kind, *match.span(), 0.9, "test") for match in part.finditer(text)]

    for before in range(0, 60, 3):
        text = f"{'word ' * before}say {fake} again, {'word ' * 40}"
        machine = kit.Run(kit.gate(kit.JUDGED, "chat", who), find)
        machine.feed([kit.wire(kit.provider("chat", [text], chunk=5))]).finish()
        assert kit.told(machine.events)["0"] == text
