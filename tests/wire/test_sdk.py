"""Law 2: every place where the SDK's own types carry text is in the map; a new field fails here, not at the user."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sdk_kit as kit
from openai.types import Completion
from openai.types.chat import ChatCompletionChunk

from guard.types import Limits
from guard.wire import openai, reading
from guard.wire.jsonbody import at
from guard.wire.openai import Reading, request_reading, response_reading
from guard.wire.positions.events import EVENTS
from guard.wire.streams import StreamEvent, read_event
from guard.wire.words import WORDS


@pytest.mark.parametrize(
    ("name", "shape", "place"), kit.CASES, ids=[f"{n}-{s.__name__}" for n, s, _ in kit.CASES]
)
def test_every_field_of_the_sdk_is_named(name: str, shape: Any, place: reading.Node) -> None:
    """Each field of each request type, answer model and stream event of the SDK has a place in the map."""
    gaps = kit.Gaps()
    gaps.compare(shape, place, name)
    assert gaps.found == []


def test_every_stream_event_of_the_sdk_is_known() -> None:
    """The table of events names every kind of the SDK's union."""
    assert {*kit.STREAM_EVENTS, *kit.BETA_EVENTS} - set(EVENTS) == set()
    assert set(EVENTS) <= WORDS


def covered(text: str, body: Any, reading: Reading, event: StreamEvent | None = None) -> bool:
    """Whether a planted text is a segment, in one, a lane's, or under a refused or derived path."""
    if any(text in segment.text for segment in reading.segments):
        return True
    if event is not None:
        if any(text in delta.text for delta in event.deltas):
            return True
        if any(text in str(at(body, path)) for path, _ in event.repeats):
            return True
    dropped = (*(finding.path for finding in reading.opaque), *reading.derived)
    return any(text in json.dumps(at(body, path)) for path in dropped)


def missed(kind: Any, read: Any) -> list[str]:
    """The planted texts of all samples of a type that a reading does not cover."""
    samples = kit.Samples()
    bodies = samples.of(kind)
    assert samples.planted
    found: set[str] = set()
    for body in bodies:
        written = json.dumps(body)
        reading, event = read(body)
        found |= {text for text in samples.planted if text in written and covered(text, body, reading, event)}
    return sorted(set(samples.planted) - found)


@pytest.mark.parametrize("name", kit.REQUESTS)
def test_a_value_planted_in_any_field_of_a_request_is_seen(name: str) -> None:
    """B13-B18: samples built from the SDK's types, a canary in every string, and none goes unseen."""
    for shape in kit.REQUESTS[name]:
        assert missed(shape, lambda b: (request_reading(kit.ENDPOINTS[name], b, Limits()), None)) == []


@pytest.mark.parametrize("name", kit.ANSWERS)
def test_a_value_planted_in_any_field_of_an_answer_is_seen(name: str) -> None:
    """D30: the same for the answers' models."""
    for shape in kit.ANSWERS[name]:
        assert missed(shape, lambda b: (response_reading(kit.ENDPOINTS[name], b), None)) == []


@pytest.mark.parametrize("name", kit.STREAM_EVENTS)
def test_a_value_planted_in_any_field_of_an_event_is_seen(name: str) -> None:
    """B23-B25: the same for every stream event of the Responses API."""

    def read(body: Any) -> tuple[Reading, StreamEvent]:
        event = read_event(openai.RESPONSES, body)
        return event.other, event

    kind = kit.STREAM_EVENTS[name]
    if any(kit.plain(field) is str for field in kit.fields(kind).values()):
        assert missed(kind, read) == []


@pytest.mark.parametrize(
    ("shape", "endpoint"), [(ChatCompletionChunk, openai.CHAT), (Completion, openai.COMPLETIONS)]
)
def test_a_value_planted_in_any_field_of_a_chunk_is_seen(shape: Any, endpoint: openai.Endpoint) -> None:
    """B23: the same for the chunks of chat and completions."""

    def read(body: Any) -> tuple[Reading, StreamEvent]:
        event = read_event(endpoint, body)
        return event.other, event

    assert missed(shape, read) == []
