"""Nothing goes unseen and nothing is lost: over recorded exchanges and over bodies of any shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._models import construct_type
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from guard.types import Limits
from guard.wire import nodes, openai, reading
from guard.wire.jsonbody import at, drop, dump, parse, replace, strings
from guard.wire.openai import Endpoint, Reading, endpoint, request_reading, response_reading
from guard.wire.positions.events import EVENTS
from guard.wire.streams import read_event
from guard.wire.words import WORDS

TRAFFIC = Path(__file__).parents[3] / "shared" / "data" / "openai_traffic.jsonl"
recorded = pytest.mark.skipif(not TRAFFIC.exists(), reason="needs the recorded exchanges")
LIMITS = Limits()
MODELS: dict[str, Any] = {
    "chat": ChatCompletion,
    "responses": Response,
    "completions": Completion,
    "embeddings": CreateEmbeddingResponse,
}


def rows() -> Iterator[tuple[Endpoint, dict[str, Any]]]:
    for line in TRAFFIC.read_text(encoding="utf-8").split("\n"):
        row = json.loads(line) if line else {}
        kind = endpoint(row["method"], row["path"].partition("?")[0]) if row else None
        if kind is not None:
            yield kind, row


def unseen(body: Any, found: Reading) -> list[str]:
    """Strings of a body that are no segment, not refused, not dropped with their text, and no word of the API."""
    texts = {s.text for s in found.segments}
    inside = "".join(texts)
    gone = [json.dumps(at(body, path)) for path in (*(f.path for f in found.opaque), *found.derived) if path]
    left = [s.text for s in strings(body) if s.text and s.text not in WORDS and s.text not in texts]
    names = nodes._NAMES
    return [
        t
        for t in left
        if t not in names and t not in inside and not any(json.dumps(t)[1:-1] in g for g in gone)
    ]


@recorded
def test_recorded_requests_are_read_whole() -> None:
    """B13-B18: every string of 500 real requests is a segment, refused, or a word or identifier of the API."""
    count = 0
    for kind, row in rows():
        body = row["request"]
        if not isinstance(body, dict):
            continue
        count += 1
        found = request_reading(kind, body, LIMITS)
        left = [t for t in unseen(body, found) if not _machine_made(t)]
        assert left == []
        assert {f.kind for f in found.opaque} <= {
            f"guard.opaque.{w}" for w in ("image", "audio", "file", "field")
        }
    assert count > 400


def _machine_made(text: str) -> bool:
    """An identifier or ciphertext, which the map passes unscreened, or an embedded document, screened inside."""
    document = text.strip()[:1] in ("{", "[")
    return document or (" " not in text and "@" not in text and len(text) >= 20)


@recorded
def test_recorded_bodies_come_back_as_they_were() -> None:
    """E08: with nothing to change, requests and answers are the same JSON values, and the same objects in the SDK."""
    count = 0
    for kind, row in rows():
        sent = dump(replace(parse(json.dumps(row["request"]).encode(), LIMITS), {}))
        assert json.loads(sent) == row["request"]
        if row["stream"] or row["status"] != 200 or kind.name not in MODELS:
            continue
        count += 1
        body = parse(row["response"].encode(), LIMITS)
        found = response_reading(kind, body)
        same = dump(drop(replace(body, {}), found.stale(())))
        assert json.loads(same) == json.loads(row["response"])
        model = MODELS[kind.name]
        ours, theirs = (
            construct_type(type_=model, value=json.loads(text)) for text in (same, row["response"])
        )
        assert ours == theirs
    assert count > 300


@recorded
def test_any_text_of_a_recorded_body_can_be_changed() -> None:
    """Every segment's path leads to its text, and a change there lands there and nowhere else."""
    for kind, row in rows():
        if not isinstance(row["request"], dict):
            continue
        found = request_reading(kind, row["request"], LIMITS).segments
        new = {s.path: f"new {i}" for i, s in enumerate(found) if not s.path.endswith("}")}
        changed = replace(row["request"], new)
        assert all(at(changed, path) == text for path, text in new.items())


CANARIES = st.integers(0, 10_000).map("c{} @ x".format)
NAMES = st.sampled_from(
    [
        "type",
        "role",
        "content",
        "text",
        "messages",
        "input",
        "output",
        "id",
        "name",
        "arguments",
        "function",
        "tool_calls",
        "tools",
        "parts",
        "delta",
        "item",
        "part",
        "response",
        "choices",
        "index",
        "metadata",
        "image_url",
        "url",
        "file",
        "prompt",
        "user",
        "summary",
        "action",
        "error",
        "x",
        "instructions",
    ]
)
TAGS = st.sampled_from(
    [
        "message",
        "user",
        "assistant",
        "tool",
        "function",
        "function_call",
        "function_call_output",
        "reasoning",
        "output_text",
        "input_text",
        "text",
        "image_url",
        "file",
        "mcp_call",
        "shell_call",
        "response.output_text.delta",
        "response.completed",
        "response.output_item.done",
    ]
)
BODIES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | CANARIES
    | TAGS
    | CANARIES.map(lambda c: json.dumps({"k": [c]})),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | CANARIES, inner, max_size=5),
    max_leaves=25,
)


def planted(body: Any) -> set[str]:
    return {s.text for s in strings(body) if s.text.endswith("@ x")}


@given(BODIES, st.sampled_from(sorted(openai.REQUESTS)))
def test_nothing_in_a_body_of_any_shape_goes_unseen(body: Any, name: str) -> None:
    """Law 2: whatever is where, a planted text is a segment or under a refused place, in requests and answers."""
    kind = Endpoint(name, "")
    for found in (request_reading(kind, body, LIMITS), response_reading(kind, body)):
        assert not planted(body) & set(unseen(body, found))


@given(BODIES, st.sampled_from(["chat", "completions", "responses"]), st.sampled_from(sorted(EVENTS)))
def test_nothing_in_an_event_of_any_shape_goes_unseen(body: Any, name: str, tag: str) -> None:
    """Law 2: the same for stream events."""
    event = {**body, "type": tag} if isinstance(body, dict) else body
    read = read_event(Endpoint(name, ""), event)
    texts = {*(d.text for d in read.deltas), *(str(at(event, path)) for path, _ in read.repeats)}
    missed = planted(event) & set(unseen(event, read.other))
    assert not {m for m in missed if not any(m in text for text in texts)}
    assert all(at(event, d.path) == d.text for d in read.deltas)


@pytest.mark.parametrize("size", [20_000])
def test_hostile_bodies_cost_time_in_proportion(size: int) -> None:
    """No stall: tens of thousands of unknown fields, renamed keys or derived copies are read and rewritten at once."""
    wide = {f"field {number}": "c0 @ x" for number in range(size)}
    assert len(request_reading(openai.CHAT, wide, LIMITS).segments) == 2 * size
    chunk = {"choices": [{"index": 0, "delta": wide}]}
    assert len(read_event(openai.CHAT, chunk).deltas) == size
    assert len(replace(wide, {f"{{{number}}}": "<KEY>" for number in range(size)})) == size
    answer = {"choices": [{"logprobs": {"content": [1]}, "message": {"content": "x"}}] * size}
    found = response_reading(openai.CHAT, answer)
    assert len(found.stale(tuple(s.path for s in found.segments))) == size


def test_the_reader_is_bounded_by_its_findings() -> None:
    """A reader that met everything still holds a bounded list of findings."""
    out = reading.Reader(strict=True)
    for number in range(1000):
        out.refuse("field", f"<{number}>")
    assert len(out.opaque) == 256
