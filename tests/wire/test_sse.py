"""The event stream codec: any split gives the same events, and what is untouched leaves byte for byte."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from guard.errors import BadRequest
from guard.wire.sse import Decoder, Event, encode

TRAFFIC = Path(__file__).parents[3] / "shared" / "data" / "openai_traffic.jsonl"

Read = tuple[str | None, str | None, str | None, int | None]


def read(chunks: Iterable[bytes]) -> tuple[list[Event], bool]:
    decoder = Decoder()
    return read_all(decoder, chunks), decoder.finish()


def read_all(decoder: Decoder, chunks: Iterable[bytes]) -> list[Event]:
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def meaning(events: Iterable[Event]) -> list[Read]:
    return [(e.data, e.event, e.id, e.retry) for e in events]


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


GRAMMAR: list[tuple[bytes, list[Read]]] = [
    (b"data: x\n\n", [("x", None, None, None)]),
    (b"data:x\n\n", [("x", None, None, None)]),
    (b"data:  x\n\n", [(" x", None, None, None)]),
    (b"data: a\ndata: b\n\n", [("a\nb", None, None, None)]),
    (b"data\n\n", [("", None, None, None)]),
    (b"data:\n\n", [("", None, None, None)]),
    (b"data\ndata\n\n", [("\n", None, None, None)]),
    (b"event: e\ndata: x\nid: 7\nretry: 10\n\n", [("x", "e", "7", 10)]),
    (b"data: x\r\n\r\n", [("x", None, None, None)]),
    (b"data: x\r\r", [("x", None, None, None)]),
    (b"data: x\r\ndata: y\rdata: z\n\n", [("x\ny\nz", None, None, None)]),
    (b"\xef\xbb\xbfdata: x\n\n", [("x", None, None, None)]),
    (b": ping\n\ndata: x\n\n", [(None,) * 4, (None,) * 4, ("x", None, None, None)]),
    (b"data: x\n: inside\n\n", [("x", None, None, None)]),
    (b"id: 3\n\n", [(None, None, "3", None)]),
    (b"retry: 2500\n\n", [(None, None, None, 2500)]),
    (b"retry: soon\nid: a\0b\n\n", [(None,) * 4]),
    (b"\n\n", [(None,) * 4, (None,) * 4]),
    (b"data: [DONE]\n\n", [("[DONE]", None, None, None)]),
    (b"data: a:b: c\n\n", [("a:b: c", None, None, None)]),
    ("data: 张伟 é 😀\n\n".encode(), [("张伟 é 😀", None, None, None)]),
    ("data: a\u2028b\x85c\x0bd\n\n".encode(), [("a\u2028b\x85c\x0bd", None, None, None)]),
]


@pytest.mark.parametrize(("stream", "expected"), GRAMMAR)
def test_the_grammar_of_the_standard(stream: bytes, expected: list[Read]) -> None:
    """A24: several data lines, no space, no colon, CR, LF, CRLF, a BOM: as the HTML standard says."""
    events, truncated = read([stream])
    assert meaning(events) == expected
    assert not truncated


@pytest.mark.parametrize(("stream", "expected"), GRAMMAR)
def test_every_single_cut_gives_the_same(stream: bytes, expected: list[Read]) -> None:
    """A21, A22, A24: cut at every byte, a CRLF and a character included, and sent byte by byte."""
    for place in range(len(stream) + 1):
        events, truncated = read(cut(stream, [place]))
        assert (meaning(events), truncated) == (expected, False)
        assert b"".join(e.raw for e in events) == stream.removesuffix(
            b"\n" if stream.endswith(b"\r\n") and place == len(stream) - 1 else b""
        )
    assert meaning(read(bytes([b]) for b in stream)[0]) == expected


NAMES = st.sampled_from([b"data", b"event", b"id", b"retry", b""])
VALUE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=12).map(
    str.encode
)
END = st.sampled_from([b"\n", b"\r\n", b"\r"])
LINE = st.builds(lambda n, gap, v, e: n + b":" + gap + v + e, NAMES, st.sampled_from([b"", b" "]), VALUE, END)
STREAM = st.lists(LINE | END, max_size=20).map(b"".join)


@given(STREAM, st.lists(st.integers(0, 10_000), max_size=8))
def test_any_split_gives_the_same_events(stream: bytes, places: list[int]) -> None:
    """A22: over random streams and splits the events, the truncation and the bytes forwarded are the same."""
    whole, truncated = read([stream])
    pieces, also = read(cut(stream, places))
    assert meaning(pieces) == meaning(whole)
    assert also == truncated
    joined = b"".join(e.raw for e in pieces)
    assert joined == b"".join(e.raw for e in whole)[: len(joined)] or joined == stream[: len(joined)]
    assert truncated or stream.removeprefix(joined) in (b"", b"\n")


@given(st.lists(st.tuples(VALUE, END), max_size=6), END)
def test_the_sdk_reads_the_same_data(lines: list[tuple[bytes, bytes]], end: bytes) -> None:
    """A24: the SDK's own decoder agrees about the data of every event."""
    stream = b"".join(
        b"data: " + value + mark + end for value, mark in lines if mark != b"\r" or end != b"\n"
    )
    theirs = [e.data for e in SSEDecoder().iter_bytes(iter([stream]))]
    assert [e.data for e in read([stream])[0] if e.data is not None] == theirs


@pytest.mark.parametrize(
    "comment", [b": ping\n", b":\n", b": OPENROUTER PROCESSING\n\n", b": \xe4\xbd\xa0\r\n"]
)
def test_a_comment_flows_at_once(comment: bytes) -> None:
    """A23: a comment leaves as soon as its line is whole, before any event that follows."""
    decoder = Decoder()
    (first, *_) = decoder.feed(comment)
    assert first.data is None
    assert comment.startswith(first.raw)


@pytest.mark.parametrize("field", [b"id: 5\n\n", b"retry: 100\n\n", b"event: ping\n\n"])
def test_fields_without_data_flow_at_once(field: bytes) -> None:
    """A23: id, retry and event alone are forwarded as they are."""
    assert [(e.raw, e.data) for e in Decoder().feed(field)] == [(field, None)]


@pytest.mark.parametrize(
    ("stream", "events", "truncated"),
    [
        (b"data: a\n\ndata: b", 1, True),
        (b"data: a\n\ndata: b\n", 1, True),
        (b"data: a\n\nda", 1, True),
        (b"data: a\n\n", 1, False),
        (b"data: a\r\n\r\n", 1, False),
        (b"\xef\xbb", 0, True),
        (b"", 0, False),
    ],
)
def test_a_half_event_is_not_delivered(stream: bytes, events: int, truncated: bool) -> None:
    """A26: a stream that ends without a blank line is truncated, and its last half event stays behind."""
    found, cut_off = read([stream])
    assert (len(found), cut_off) == (events, truncated)


def test_done_is_noticed() -> None:
    """A25: the decoder tells whether the closing mark was seen."""
    decoder = Decoder()
    assert not any(e.done for e in decoder.feed(b"data: {}\n\n"))
    assert not decoder.done
    assert [e.done for e in decoder.feed(b"data:[DONE] \n\n")] == [True]
    assert decoder.done


@pytest.mark.parametrize(
    "line", [b" data: alice@leak.example\n", b"Data: alice@leak.example\n", b"dat\xc3\xa9: x\n", b"x\n"]
)
def test_lines_that_receivers_ignore_are_left_out(line: bytes) -> None:
    """Law 2: a field that the standard does not know is not forwarded unread."""
    (event,) = Decoder().feed(b"id: 1\n" + line + b"data: x\n\n")
    assert event.raw == b"id: 1\ndata: x\n\n"
    assert event.data == "x"


@given(VALUE, STREAM)
def test_an_event_with_other_data_keeps_the_rest(data: bytes, stream: bytes) -> None:
    """A rewritten event has the new data, and its name, id, retry and comments as before."""
    for event in read([stream])[0]:
        if event.data is None:
            continue
        changed = event.with_data(data.decode())
        again = [e for e in read([changed])[0] if e.data is not None]
        assert meaning(again) == [(data.decode(), event.event, event.id, event.retry)]


def test_the_old_data_is_gone_from_a_rewritten_event() -> None:
    """No spelling of a data line survives a rewrite: BOM, no space, several lines, CR."""
    stream = b"\xef\xbb\xbfdata:alice\r: c\rdata: alice\r\nevent: e\ndata:  alice\n\n"
    (event,) = read([stream])[0]
    assert event.with_data("x\ny") == b": c\nevent: e\ndata: x\ndata: y\n\n"


@given(VALUE.map(bytes.decode), st.none() | st.just("response.completed"))
def test_what_is_encoded_is_decoded(data: str, name: str | None) -> None:
    """Encoding and decoding are inverse."""
    (event,) = read([encode(data, name)])[0]
    assert (event.data, event.event) == (data, name)


@pytest.mark.parametrize(
    "stream", [b"data: \xff\n\n", b"event: \xc0\xaf\n\n", b"data: \xed\xa0\x80\n\n", b"id: \xe4\xb8\n\n"]
)
def test_bytes_that_are_not_utf8_are_refused(stream: bytes) -> None:
    """A21: nothing is replaced by U+FFFD; what cannot be read is not passed."""
    with pytest.raises(BadRequest) as caught:
        Decoder().feed(stream)
    assert caught.value.code == "guard.opaque.encoding"


@pytest.mark.parametrize("chunk", [b"x" * 1000, b"data: " + b"x" * 994, b"data: x\n" * 125, b": x" * 400])
def test_an_endless_event_is_bounded(chunk: bytes) -> None:
    """A27: at most `limit` bytes of an unfinished event are kept, in one line or in many."""
    decoder = Decoder(limit=10_000)
    with pytest.raises(BadRequest, match="larger than 10000"):
        read_all(decoder, [chunk] * 20)


def test_finished_events_do_not_count_against_the_bound() -> None:
    """A27: a long stream of small events passes a small bound."""
    decoder = Decoder(limit=100)
    assert sum(len(decoder.feed(b"data: 0123456789\n\n" * 50)) for _ in range(20)) == 1000


@pytest.mark.skipif(not TRAFFIC.exists(), reason="needs the recorded exchanges")
def test_recorded_streams_leave_byte_for_byte() -> None:
    """E08: each recorded stream, in pieces of seven bytes, gives the bytes it came as."""
    streams = [
        row["response"].encode()
        for row in map(json.loads, TRAFFIC.read_text(encoding="utf-8").splitlines())
        if row["stream"]
    ]
    assert len(streams) > 50
    for stream in streams:
        events, truncated = read(stream[i : i + 7] for i in range(0, len(stream), 7))
        joined = b"".join(e.raw for e in events)
        assert not truncated
        assert joined == stream or stream.startswith(b" data:")
