"""Stream events: which texts arrive in pieces, which lane each belongs to, and where an event repeats a lane.

A lane is one text of the whole answer, named by its place there: `choices[0].content`,
`choices[0].tool_calls[1].arguments`, `output[0].content[0].text`.
"""

from __future__ import annotations

import re
from collections.abc import Container
from functools import lru_cache
from types import NoneType
from typing import Any, NamedTuple

from guard.wire.jsonbody import at
from guard.wire.leaves import JSON_TEXT, TEXT
from guard.wire.openai import NOTHING, Endpoint, Reading, reading
from guard.wire.positions import chat, others
from guard.wire.positions.events import COMMON, EVENTS, Kind
from guard.wire.reading import Hold, Node, Reader

ALL_LANES = "*"


class Delta(NamedTuple):
    """A piece of a lane's text, and where it stands in the event.

    `hold`: "window" for prose, "full" for texts that only make sense whole (tool arguments, JSON, commands).
    """

    lane: str
    path: str
    text: str
    hold: Hold


class StreamEvent(NamedTuple):
    """What one stream event says.

    `closes` names the lanes that end with it: a lane, a stem that all its lanes share, or `*` for all.
    `repeats` are (path, lane): the event holds the lane's whole text again at the path. `other` is
    everything else in the event, to be screened as a body. `last`: nothing follows in a whole stream.
    """

    deltas: tuple[Delta, ...] = ()
    closes: tuple[str, ...] = ()
    repeats: tuple[tuple[str, str], ...] = ()
    other: Reading = NOTHING
    error: bool = False
    last: bool = False

    def ends(self, lane: str) -> bool:
        """Whether the event closes a lane."""
        return any(
            stem in (ALL_LANES, lane) or lane.startswith((f"{stem}.", f"{stem}[")) for stem in self.closes
        )


def read_event(endpoint: Endpoint, data: Any, lanes: Container[str] | None = None) -> StreamEvent:
    """Read the JSON of one event of an endpoint's stream.

    With `lanes` (the lanes that had a delta so far), a repeat of a lane that never had one is no repeat: its
    text is in `other`, to be screened as a whole. Without it, every repeat is reported as one.
    """
    if not isinstance(data, dict):
        return StreamEvent(other=_free(data))
    if data.get("error") and data.get("type") != "response.failed":
        return StreamEvent(other=_free(data), error=True, closes=(ALL_LANES,), last=True)
    if endpoint.name == "responses":
        return _plain_delta(data) or _responses_event(data, lanes)
    plain = _plain_chunk(data) if endpoint.name == "chat" else None
    return plain or _choices_event(_CHUNKS[endpoint.name], data)


def _free(value: Any) -> Reading:
    out = Reader(strict=False)
    out.unmapped("", value)
    return reading(out)


# Most events bring a piece of an answer's text and nothing else. These two read them as the maps do, only sooner.

_CHOICE = frozenset({"index", "delta", "logprobs", "finish_reason"})
_DELTA = "response.output_text.delta"
_DELTA_FIELDS = frozenset(
    {
        "type",
        "item_id",
        "output_index",
        "content_index",
        "delta",
        "sequence_number",
        "logprobs",
        "obfuscation",
    }
)
_NUMBERS = ("output_index", "content_index", "sequence_number")


def _plain_chunk(data: dict[str, Any]) -> StreamEvent | None:
    """A chunk of chat with one choice that says one text; None for any other."""
    choices = data.get("choices")
    if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict:
        return None
    choice = choices[0]
    delta, index = choice.get("delta"), choice.get("index")
    text = delta.get("content") if type(delta) is dict and len(delta) == 1 else None
    if type(text) is not str or type(index) is not int or not choice.keys() <= _CHOICE:
        return None
    if choice.get("logprobs") is not None or choice.get("finish_reason") is not None or not _padded(data):
        return None
    envelope = tuple(pair for pair in data.items() if pair[0] not in ("choices", "obfuscation"))
    if not all(type(value) in (str, int, NoneType) for _, value in envelope) or not _says_nothing(envelope):
        return None
    piece = Delta(f"choices[{index}].content", "choices[0].delta.content", text, "window")
    return StreamEvent((piece,) if text else ())


def _padded(data: dict[str, Any]) -> bool:
    padding = data.get("obfuscation", "")
    return (
        type(padding) is str
        and len(padding) <= 64
        and padding.isascii()
        and (padding.isalnum() or not padding)
    )


@lru_cache(maxsize=1024)
def _says_nothing(envelope: tuple[tuple[str, Any], ...]) -> bool:
    """Whether what stands around the choices is the API's own and needs no screening."""
    out = Reader(strict=False)
    chat.CHUNK.read(dict(envelope), "", out)
    return reading(out) is NOTHING


def _plain_delta(data: dict[str, Any]) -> StreamEvent | None:
    """An `output_text.delta` of Responses without log-probabilities; None for any other event."""
    text = data.get("delta")
    if data.get("type") != _DELTA or type(text) is not str or not data.keys() <= _DELTA_FIELDS:
        return None
    numbers = [data.get(name, 0) for name in _NUMBERS]
    if (
        not all(type(number) is int for number in numbers)
        or data.get("logprobs", []) != []
        or not _padded(data)
    ):
        return None
    item = data.get("item_id", "")
    if type(item) is not str or not _names_an_item(item):
        return None
    piece = Delta(f"output[{numbers[0]}].content[{numbers[1]}].text", "delta", text, "window")
    return StreamEvent((piece,) if text else ())


@lru_cache(maxsize=1024)
def _names_an_item(text: str) -> bool:
    out = Reader(strict=False)
    COMMON.read({"item_id": text}, "", out)
    return reading(out) is NOTHING


# Chat and legacy completions: chunks of choices, each choice and tool call with an index of its own.

_CHUNKS = {"chat": chat.CHUNK, "completions": others.COMPLETIONS_CHUNK}
_PLACE = re.compile(
    r"choices\[(\d+)\](?:\.delta)?(?:\.tool_calls\[(\d+)\](?:\.function|\.custom)?)?(<\d+>)?(.*)"
)


def _choices_event(chunk: Node, data: dict[str, Any]) -> StreamEvent:
    out = Reader(strict=False, streams=True, pieces=True)
    chunk.read(data, "", out)
    names: dict[str, list[str]] = {}
    deltas = [
        Delta(_chunk_lane(path, data, names), path, text, hold) for path, text, hold in out.streamed if text
    ]
    choices = data.get("choices")
    closes = [
        f"choices[{_index(choice, position)}]"
        for position, choice in enumerate(choices if isinstance(choices, list) else ())
        if isinstance(choice, dict) and choice.get("finish_reason")
    ]
    return StreamEvent(tuple(deltas), tuple(closes), (), reading(out))


def _chunk_lane(path: str, data: dict[str, Any], names: dict[str, list[str]]) -> str:
    """The lane of a text in a chunk: by the indexes that choice and tool call give themselves.

    `names` keeps the field names of objects with unmapped fields from one text to the next.
    """
    place = _place(path)
    choice = data["choices"][place.choice]
    lane = f"choices[{_index(choice, place.choice)}]"
    if place.call is not None:
        lane += f".tool_calls[{_index(choice['delta']['tool_calls'][place.call], place.call)}]"
    if place.unknown is not None:
        if place.container not in names:
            names[place.container] = list(at(data, place.container))
        lane += f".{_lane_name(names[place.container][place.unknown])}"
    return lane + place.rest


class _Place(NamedTuple):
    """The parts of a text's path in a chunk; `unknown` is a field's position in the object `container`."""

    choice: int
    call: int | None
    unknown: int | None
    container: str
    rest: str


@lru_cache(maxsize=1024)
def _place(path: str) -> _Place:
    match = _PLACE.fullmatch(path)
    assert match is not None
    choice, call, unknown, rest = match.groups()
    container = path[: match.start(3)] if unknown else ""
    return _Place(
        int(choice), int(call) if call else None, int(unknown[1:-1]) if unknown else None, container, rest
    )


def _index(value: Any, position: int) -> int:
    index = value.get("index") if isinstance(value, dict) else None
    return index if type(index) is int else position


def _lane_name(name: str) -> str:
    return name if name.isascii() and name.isidentifier() else "other"


# Responses: typed events, read after the table in positions/events.py.


def _responses_event(data: dict[str, Any], lanes: Container[str] | None) -> StreamEvent:
    kind = EVENTS.get(str(data.get("type")))
    return _unknown_event(data) if kind is None else _known_event(kind, data, lanes)


def _unknown_event(data: dict[str, Any]) -> StreamEvent:
    """An event kind that the table lacks: a string `delta` may be a piece, so it gets its own lane."""
    delta = data.get("delta")
    if not isinstance(delta, str) or not delta:
        return StreamEvent(other=_free(data))
    piece = Delta(_unknown_lane(data), "delta", delta, "window")
    return StreamEvent((piece,), other=_free({**data, "delta": None}))


def _unknown_lane(data: dict[str, Any]) -> str:
    kind = _lane_name(str(data.get("type")).replace(".", "_"))
    indexes = [f"[{value}]" for name, value in data.items() if name.endswith("_index") and type(value) is int]
    return f"{kind}{''.join(indexes)}"


def _known_event(kind: Kind, data: dict[str, Any], lanes: Container[str] | None) -> StreamEvent:
    out = Reader(strict=False, streams=True)
    kind.shape.read(data, "", out)
    stem = kind.stem(data)
    deltas: list[Delta] = []
    repeats: list[tuple[str, str]] = []
    for path, text, hold in out.streamed:
        lane = _lane(kind.lanes[0], stem, path)
        if lane is not None and kind.piece:
            deltas.extend([Delta(lane, path, text, hold)] if text else [])
        elif lane is not None and (lanes is None or lane in lanes):
            repeats.append((path, lane))
        else:
            _whole(hold).read(text, path, out)
    closes = {"": (), "lane": (stem,), "all": (ALL_LANES,)}[kind.closes]
    return StreamEvent(tuple(deltas), closes, tuple(repeats), reading(out), kind.error, kind.last)


def _lane(place: str, stem: str, path: str) -> str | None:
    """The lane of a text at a path of the event, if the path stands at or below the event's own place."""
    if path == place:
        return stem
    rest = path.removeprefix(place)
    if rest == path or rest[0] not in ".[":
        return None
    return stem + rest if stem else rest.removeprefix(".")


def _whole(hold: Hold) -> Node:
    return JSON_TEXT if hold == "full" else TEXT
