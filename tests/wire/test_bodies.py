"""From the bytes of a request to its JSON: what can be decoded is bounded, what cannot is refused."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import BadRequest
from guard.wire.bodies import BodyDecoder, bounded, decode, form, json_form

LIMIT = 100_000
BODY = '{"messages":[{"role":"user","content":"张伟 alice@leak.example"}]}'.encode()


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED = [
    ("", BODY),
    ("gzip", gzip.compress(BODY, mtime=0)),
    ("x-gzip", gzip.compress(BODY, mtime=0)),
    ("gzip", gzip.compress(BODY[:10], mtime=0) + gzip.compress(BODY[10:], mtime=0)),
    ("deflate", zlib.compress(BODY)),
    ("deflate", raw_deflate(BODY)),
]


@pytest.mark.parametrize(("coding", "data"), PACKED)
@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_a_coded_body_is_decoded_however_it_is_cut(coding: str, data: bytes, size: int) -> None:
    """A01, A09: gzip, several members, deflate with and without a header, in chunks of any size."""
    decoder = BodyDecoder(coding, LIMIT)
    for start in range(0, len(data), size):
        decoder.feed(data[start : start + size])
        decoder.feed(b"")
    assert decoder.finish() == BODY
    assert decode(data, coding, LIMIT) == BODY


@given(st.binary(max_size=200_000), st.sampled_from(["gzip", "deflate", ""]), st.integers(0, 9))
def test_decoding_undoes_coding(data: bytes, coding: str, level: int) -> None:
    """A09: whatever was coded comes back, also beyond one inflating step."""
    packed = {"gzip": gzip.compress(data, level), "deflate": zlib.compress(data, level), "": data}[coding]
    assert decode(packed, coding, 300_000) == data


@pytest.mark.parametrize("unit", [b"\0", b"ab", b'{"a":'])
@pytest.mark.parametrize("length", [65_535, 65_536, 65_537, 131_072, 200_000])
@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, raw_deflate])
def test_output_is_whole_at_the_edge_of_a_step(unit: bytes, length: int, pack: object) -> None:
    """A09: nothing is lost where the input ends inside the packer's last step."""
    data = (unit * length)[:length]
    coding = "gzip" if pack is gzip.compress else "deflate"
    assert decode(pack(data), coding, LIMIT * 10) == data  # type: ignore[operator]


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, raw_deflate])
def test_a_bomb_stops_at_the_limit(pack: object) -> None:
    """A10: 50 MB behind 50 KB is 413 at the decoded limit, and memory stays by a few limits."""
    bomb = pack(b"\0" * 50_000_000)  # type: ignore[operator]
    coding = "gzip" if pack is gzip.compress else "deflate"
    tracemalloc.start()
    with pytest.raises(BadRequest) as caught:
        decode(bomb, coding, LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.status == 413
    assert "(GUARD_MAX_BODY_BYTES)" in caught.value.message
    assert peak < 20 * LIMIT


@pytest.mark.parametrize("coding", ["", "gzip", "deflate"])
def test_the_limit_is_exact_and_counts_decoded_bytes(coding: str) -> None:
    """A10: exactly the limit passes, one byte more does not, whatever the coding."""
    pack = {"": bytes, "gzip": gzip.compress, "deflate": zlib.compress}[coding]
    assert len(decode(pack(b"a" * LIMIT), coding, LIMIT)) == LIMIT
    with pytest.raises(BadRequest) as caught:
        decode(pack(b"a" * (LIMIT + 1)), coding, LIMIT)
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", gzip.compress(BODY, mtime=0)[:-1]),
        ("gzip", gzip.compress(BODY, mtime=0)[:-9]),
        ("gzip", gzip.compress(BODY, mtime=0) + b"x"),
        ("gzip", gzip.compress(BODY, mtime=0) + BODY),
        ("gzip", BODY),
        ("gzip", gzip.compress(BODY, mtime=0)[:-4] + b"\0\0\0\0"),
        ("deflate", zlib.compress(BODY)[:-1]),
        ("deflate", zlib.compress(BODY) + b"x"),
        ("deflate", raw_deflate(BODY)[:-2]),
        ("deflate", b"\xff\xff"),
        ("deflate", gzip.compress(BODY, mtime=0)),
    ],
)
def test_damaged_coding_is_refused(coding: str, data: bytes) -> None:
    """A09: cut off, extended or altered coded data is 400, never passed as far as it went."""
    with pytest.raises(BadRequest) as caught:
        decode(data, coding, LIMIT)
    assert caught.value.status == 400


def test_an_empty_body_is_empty_under_any_coding() -> None:
    """A GET may announce a coding and send nothing."""
    assert [decode(b"", coding, LIMIT) for coding in ("", "gzip", "deflate")] == [b""] * 3


@pytest.mark.parametrize(
    "value",
    [
        b"br",
        b"zstd",
        b"compress",
        b"gzip, br",
        b"gzip, gzip",
        b"br, gzip",
        b"gzip,identity",
        b"gzip;q=1",
        b"*",
        b"gzip\0",
    ],
)
def test_other_and_stacked_codings_are_refused(value: bytes) -> None:
    """A09: what guard does not undo is 415, never passed unscanned."""
    with pytest.raises(BadRequest) as caught:
        form([(b"content-encoding", value)])
    assert (caught.value.status, caught.value.code) == (415, "guard.opaque.encoding")


@pytest.mark.parametrize(
    ("value", "coding"),
    [
        (b"gzip", "gzip"),
        (b" GZIP ", "gzip"),
        (b"x-gzip", "x-gzip"),
        (b"deflate", "deflate"),
        (b"identity", ""),
        (b"", ""),
    ],
)
def test_one_known_coding_is_read(value: bytes, coding: str) -> None:
    """A09: in any case, with white space around."""
    assert form([(b"Content-Encoding", value)]).coding == coding


@pytest.mark.parametrize(
    "value",
    [
        b"application/json",
        b"Application/JSON; charset=UTF-8",
        b"application/json;charset=utf8",
        b'application/json; charset="utf-8"',
        b"text/plain",
        b"text/plain; charset=us-ascii",
        b"application/vnd.api+json",
        b"application/octet-stream",
        b"application/json; boundary=x",
        b"",
    ],
)
def test_json_under_any_of_its_names_is_read(value: bytes) -> None:
    """A31: JSON sent as text, as bytes or without a name is screened like JSON."""
    assert json_form([(b"content-type", value)]).json


def test_no_content_type_is_json() -> None:
    """A31: a body without a type at a known endpoint is read as JSON."""
    assert json_form([]).json


@pytest.mark.parametrize(
    "value",
    [
        b"application/json; charset=utf-16",
        b"application/json; charset=gbk",
        b"application/json; charset='utf-16'",
        b"application/json;CHARSET=latin-1",
        b"application/json; charset=",
        b"multipart/form-data; boundary=x",
        b"application/x-www-form-urlencoded",
        b"application/xml",
        b"image/png",
    ],
)
def test_other_types_and_charsets_are_refused(value: bytes) -> None:
    """A31: what is not JSON in UTF-8 is 415 at a known endpoint."""
    with pytest.raises(BadRequest) as caught:
        json_form([(b"content-type", value)])
    assert caught.value.status == 415


@pytest.mark.parametrize("name", [b"content-type", b"content-encoding"])
def test_two_of_one_header_are_refused(name: bytes) -> None:
    """A43: two headers that two servers may choose differently from are 400."""
    with pytest.raises(BadRequest) as caught:
        form([(name, b""), (b"x", b"y"), (name.title(), b"")])
    assert caught.value.status == 400


def test_chunks_are_joined_up_to_a_limit() -> None:
    """A11: an answer without end stops at its limit."""
    assert bounded([b"ab", b"", b"c"], 3) == b"abc"
    with pytest.raises(BadRequest):
        bounded(iter([b"ab"] * 1000), 3)
