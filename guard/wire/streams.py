"""Stream events: which texts arrive in pieces, which lane each belongs to, and where an event repeats a lane.

A lane is one text of the whole answer, named by its place there: `choices[0].content`,
`choices[0].tool_calls[1].arguments`, `output[0].content[0].text`.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from guard.wire.jsonbody import strings
from guard.wire.leaves import AUDIO, FIXED, ID, JSON_TEXT, TEXT, VALUE, WORD
from guard.wire.nodes import Object
from guard.wire.openai import Endpoint, Reading, reading
from guard.wire.positions import chat, others
from guard.wire.positions.events import EVENTS, Kind
from guard.wire.positions.words import WORDS
from guard.wire.reading import Hold, Node, Reader

_NOTHING = Reading()
ALL_LANES = "*"


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a lane's text, and where it stands in the event.

    `hold`: "window" for prose, "full" for texts that only make sense whole (tool arguments, JSON, commands).
    """

    lane: str
    path: str
    text: str
    hold: Hold


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """What one stream event says.

    `closes` names the lanes that end with it: a lane, a stem that all its lanes share, or `*` for all.
    `repeats` are (path, lane): the event holds the lane's whole text again at the path. `other` is
    everything else in the event, to be screened as a body. `last`: nothing follows in a whole stream.
    """

    deltas: tuple[Delta, ...] = ()
    closes: tuple[str, ...] = ()
    repeats: tuple[tuple[str, str], ...] = ()
    other: Reading = _NOTHING
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
        return _responses_event(data, lanes)
    return _choices_event(_CHUNKS[endpoint.name], data)


def _free(value: Any) -> Reading:
    out = Reader(strict=False)
    out.unmapped("", value)
    return reading(out)


# Chat and legacy completions: an envelope and choices, each choice with its own lanes.

_CHUNKS: dict[str, Object] = {"chat": chat.CHUNK, "completions": others.COMPLETIONS_CHUNK}
_DELTA: dict[str, Node] = {"role": WORD}
_AUDIO: dict[str, Node] = {"id": ID, "data": AUDIO, "expires_at": VALUE}
_NAME: dict[str, Node] = {"name": FIXED}
_CALL: dict[str, Node] = {"id": ID, "index": VALUE, "type": WORD}


class _Pieces:
    """The deltas and closed lanes gathered from one event."""

    def __init__(self) -> None:
        self.out = Reader(strict=False)
        self.deltas: list[Delta] = []
        self.closes: list[str] = []

    def delta(self, lane: str, path: str, text: Any, hold: Hold) -> None:
        """Note a piece of a lane; what is no string there is screened as it is."""
        if isinstance(text, str):
            self.deltas.extend([Delta(lane, path, text, hold)] if text else [])
        else:
            self.out.unmapped(path, text)

    def rest(self, value: dict[str, Any], path: str, lane: str, known: dict[str, Node]) -> None:
        """Read the other fields; an unknown string may come in pieces, so it gets its own lane."""
        for position, (name, item) in enumerate(value.items()):
            if name in known:
                known[name].read(item, f"{path}.{name}", self.out)
            else:
                self.out.name(f"{path}{{{position}}}", name)
                self.unknown(item, f"{path}<{position}>", f"{lane}.{_lane_name(name)}")

    def unknown(self, item: Any, path: str, lane: str) -> None:
        """Give every string of an unknown field a lane of its own; keys and words are whole as they are."""
        for segment in strings(item, path):
            if segment.path.endswith("}"):
                self.out.text(segment.path, segment.text)
            elif segment.text not in WORDS:
                self.delta(lane + segment.path.removeprefix(path), segment.path, segment.text, "window")


def _lane_name(name: str) -> str:
    return name if name.isascii() and name.isidentifier() else "other"


def _choices_event(envelope: Object, data: dict[str, Any]) -> StreamEvent:
    pieces = _Pieces()
    choices = data.get("choices")
    envelope.read({**data, "choices": None}, "", pieces.out)
    if not isinstance(choices, list):
        pieces.out.unmapped("choices", choices)
        choices = []
    for position, choice in enumerate(choices):
        _choice(choice, f"choices[{position}]", position, pieces)
    return StreamEvent(tuple(pieces.deltas), tuple(pieces.closes), (), reading(pieces.out))


def _choice(choice: Any, path: str, position: int, pieces: _Pieces) -> None:
    if not isinstance(choice, dict):
        pieces.out.unmapped(path, choice)
        return
    lane = f"choices[{_index(choice, position)}]"
    rest = dict(choice)
    if "text" in rest:
        pieces.delta(f"{lane}.text", f"{path}.text", rest["text"], "window")
        rest["text"] = None
    delta = rest.get("delta")
    if isinstance(delta, dict):
        _chat_delta(delta, f"{path}.delta", lane, pieces)
        rest["delta"] = None
    pieces.rest(rest, path, lane, chat.CHOICE.fields)
    if choice.get("finish_reason"):
        pieces.closes.append(lane)


def _index(value: dict[str, Any], position: int) -> int:
    index = value.get("index")
    return index if type(index) is int else position


def _chat_delta(delta: dict[str, Any], path: str, lane: str, pieces: _Pieces) -> None:
    rest = dict(delta)
    for name in chat.PROSE:
        if isinstance(rest.get(name), str):
            pieces.delta(f"{lane}.{name}", f"{path}.{name}", rest[name], "window")
            rest[name] = None
    if isinstance(audio := rest.get("audio"), dict):
        _call_text(audio, f"{path}.audio", f"{lane}.audio", "transcript", "window", _AUDIO, pieces)
        rest["audio"] = None
    if isinstance(call := rest.get("function_call"), dict):
        _call_text(call, f"{path}.function_call", f"{lane}.function_call", "arguments", "full", _NAME, pieces)
        rest["function_call"] = None
    if isinstance(calls := rest.get("tool_calls"), list):
        for position, call in enumerate(calls):
            _tool_call(call, f"{path}.tool_calls[{position}]", lane, position, pieces)
        rest["tool_calls"] = None
    pieces.rest(rest, path, lane, _DELTA)


def _call_text(
    value: dict[str, Any],
    path: str,
    lane: str,
    name: str,
    hold: Hold,
    known: dict[str, Node],
    pieces: _Pieces,
) -> None:
    pieces.delta(f"{lane}.{name}", f"{path}.{name}", value.get(name), hold)
    pieces.rest({**value, name: None}, path, lane, known)


def _tool_call(call: Any, path: str, lane: str, position: int, pieces: _Pieces) -> None:
    if not isinstance(call, dict):
        pieces.out.unmapped(path, call)
        return
    lane = f"{lane}.tool_calls[{_index(call, position)}]"
    rest = dict(call)
    for kind, name in chat.CALLS.items():
        if isinstance(rest.get(kind), dict):
            _call_text(rest[kind], f"{path}.{kind}", lane, name, "full", _NAME, pieces)
            rest[kind] = None
    pieces.rest(rest, path, lane, _CALL)


# Responses: typed events, read after the table in positions/events.py.


def _responses_event(data: dict[str, Any], lanes: Container[str] | None) -> StreamEvent:
    kind = EVENTS.get(str(data.get("type")))
    return _unknown_event(data) if kind is None else _known_event(kind, data, lanes)


def _unknown_event(data: dict[str, Any]) -> StreamEvent:
    """An event kind that the table lacks: a string `delta` may be a piece, so it gets its own lane."""
    pieces = _Pieces()
    delta = data.get("delta")
    if isinstance(delta, str):
        pieces.delta(_unknown_lane(data), "delta", delta, "window")
        data = {**data, "delta": None}
    pieces.out.unmapped("", data)
    return StreamEvent(tuple(pieces.deltas), (), (), reading(pieces.out))


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
