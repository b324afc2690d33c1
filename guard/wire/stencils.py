"""Events of a stream that differ from an earlier one in a few plain values alone, read by their bytes.

Most events of an answer bring one piece of its text in an envelope that stays the same. A stencil is the bytes of such
an event with holes for what may differ; what fits it says the same as the event it was made of, but for the holes.
That is proved when it is made: with other values in its holes the event is read once more, by the road that all take.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from guard.types import Limits
from guard.wire import jsonbody, sse
from guard.wire.calls import calls
from guard.wire.openai import Endpoint
from guard.wire.streams import Delta, StreamEvent, read_event

LONGEST = 65_536
"""The most bytes of an event that is read so."""

_Match = Callable[[bytes, int], "re.Match[bytes] | None"]
_STRING = re.compile(rb'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+"').match
_PADDING = re.compile(rb'"[A-Za-z0-9]{0,64}"').match
_NUMBER = re.compile(rb"(?:0|[1-9][0-9]{0,14})(?![0-9])").match
_HOLES: dict[str, _Match] = {"obfuscation": _PADDING, "sequence_number": _NUMBER}


class _Place(NamedTuple):
    """Where a value stands in the bytes of an event, and what it is like."""

    start: int
    end: int
    match: _Match


class Filled(NamedTuple):
    """What an event has in the holes of its stencil, and where the event ends."""

    text: str
    number: int | None
    end: int


class Stencil:
    """The bytes of an event with holes: for its one piece of text, for padding and for the number in its order."""

    __slots__ = ("_delta", "_holes", "_last", "longest", "model")

    def __init__(self, raw: bytes, places: list[_Place], delta: Delta, model: str, longest: int) -> None:
        """`model` is what the event says of it; no event longer than `longest` bytes fits."""
        starts = [0, *(place.end for place in places)]
        self._holes = [
            (raw[start : p.start], p.start - start, p.match) for start, p in zip(starts, places, strict=False)
        ]
        self._last = raw[starts[-1] :]
        self._delta = delta
        self.model, self.longest = model, longest

    def fill(self, data: bytes, at: int = 0) -> Filled | None:
        """What the event that begins at a position has in the holes; None where it is another, or may be."""
        start = at
        literal, number = b"", None
        for before, size, match in self._holes:
            if not data.startswith(before, at) or (found := match(data, at + size)) is None:
                return None
            if match is _STRING:
                literal = found[0]
            elif match is _NUMBER:
                number = int(found[0])
            at = found.end()
        end = at + len(self._last)
        if not data.startswith(self._last, at) or end - start > self.longest:
            return None
        text = _read(literal)
        return Filled(text, number, end) if text else None

    def event(self, filled: Filled) -> StreamEvent:
        """What the event says."""
        return StreamEvent((self._delta._replace(text=filled.text),))


def _read(literal: bytes) -> str:
    """The text of a literal that is a JSON string but for its escapes; empty where these are wrong."""
    try:
        text: str = orjson.loads(literal) if b"\\" in literal else literal[1:-1].decode()
    except ValueError:
        return ""
    return text


def stencil(
    endpoint: Endpoint, event: sse.Event, data: dict[str, Any], parsed: StreamEvent, limits: Limits
) -> Stencil | None:
    """Make the stencil of an event that brings one piece of text and says nothing else; None where that is not sure."""
    longest = min(LONGEST, limits.body_bytes)
    if len(parsed.deltas) != 1 or parsed != StreamEvent(parsed.deltas) or len(event.raw) > longest:
        return None
    (delta,) = parsed.deltas
    holes = {delta.path.rpartition(".")[2]: _STRING} | {key: _HOLES[key] for key in _HOLES if key in data}
    places = _places(event.raw, holes)
    if places is None:
        return None
    made = Stencil(event.raw, places, delta, str(data.get("model") or ""), longest)
    return made if _holds(made, endpoint, event.raw, places, data, limits) else None


def _places(raw: bytes, holes: dict[str, _Match]) -> list[_Place] | None:
    """Where the values of some keys stand, in order; None where one does not stand there once."""
    places: list[_Place] = []
    for key, match in holes.items():
        keys = list(re.finditer(rb'"%s"[ \t]*:[ \t]*' % re.escape(key.encode()), raw))
        value = match(raw, keys[0].end()) if len(keys) == 1 else None
        if value is None:
            return None
        places.append(_Place(*value.span(), match))
    return sorted(places, key=lambda place: place.start)


def _holds(
    made: Stencil, endpoint: Endpoint, raw: bytes, places: list[_Place], data: dict[str, Any], limits: Limits
) -> bool:
    """Whether an event that differs in the holes alone reads as what is said of it."""
    filled = made.fill(raw)
    if filled is None:
        return False
    other = raw
    for place in reversed(places):
        other = other[: place.start] + _other(raw[place.start : place.end], place.match) + other[place.end :]
    events = sse.Decoder().feed(other + other)
    if [event.raw for event in events] != [other, other] or events[0].data is None:
        return False
    read = jsonbody.parse(events[0].data.encode(), limits)
    changed = {key: read.get(key) for key in _HOLES if key in data}
    text = f"{filled.text}?"
    path = made.event(filled).deltas[0].path
    again = made.event(Filled(text, None, 0))
    return bool(
        read == jsonbody.replace({**data, **changed}, {path: text})
        and read_event(endpoint, read) == again
        and made.fill(other) == Filled(text, read.get("sequence_number"), len(other))
        and calls(endpoint, read) == calls(endpoint, data)
    )


def _other(literal: bytes, match: _Match) -> bytes:
    """Another value for a hole."""
    if match is _STRING:
        return orjson.dumps(_read(literal) + "?")
    if match is _NUMBER:
        return b"%d" % (int(literal) + 1)
    return b'"Z"' if literal != b'"Z"' else b'""'
