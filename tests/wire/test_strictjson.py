"""A body is read strictly and written out again: no two parsers may disagree about what was screened."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import BadRequest
from guard.types import Limits
from guard.wire import strictjson
from guard.wire.strictjson import dump, embedded, parse

LIMITS = Limits()
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def refused(data: bytes, limits: Limits = LIMITS) -> int:
    with pytest.raises(BadRequest) as caught:
        parse(data, limits)
    return caught.value.status


@given(VALUES)
def test_every_json_value_comes_back_as_it_was(value: Any) -> None:
    """What the standard library writes is read to the same value, and written to bytes that it reads the same."""
    body = json.dumps(value).encode()
    assert parse(body, LIMITS) == value
    assert json.loads(dump(parse(body, LIMITS))) == value


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"messages":[],"mess\\u0061ges":[]}',
        b'{"x":[{"y":{"k":0,"\\u006b":0}}]}',
        b'{"":1,"":2}',
        b'{"a\\"":1,"a\\u0022":2}',
        b'{"a\\\\":1,"a\\u005c":2}',
        b'{"u":"\\\\","b":1,"b":"}"}',
    ],
)
def test_a_repeated_key_is_refused(body: bytes) -> None:
    """A32: repeated keys at any depth, also spelled with escapes, are 400."""
    assert refused(body) == 400


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":":","b":"\\":\\"","c":"\\\\"}',
        b'{"a":"\\\\\\":","b":{"a":"{\\"a\\":1,\\"a\\":2}"}}',
        b'[{"a":1},{"a":2}]',
        b'{ "a" : [ "x:y" , { "b" : 1 } ] }',
    ],
)
def test_colons_and_quotes_inside_strings_are_no_keys(body: bytes) -> None:
    """A32: the count of keys is not misled by what strings hold."""
    assert parse(body, LIMITS) == json.loads(body)


@given(st.dictionaries(TEXT, TEXT, min_size=1), st.data())
def test_any_repeated_key_is_found(value: dict[str, str], data: st.DataObject) -> None:
    """A32: whatever the keys and values are made of, one repeated key is found."""
    key = data.draw(st.sampled_from(sorted(value)))
    members = [f"{json.dumps(k)}:{json.dumps(v, ensure_ascii=False)}" for k, v in value.items()]
    escaped = '"' + "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in key) + '"'
    assert refused(f"{{{','.join([*members, f'{escaped}:0'])}}}".encode()) == 400


@pytest.mark.parametrize(
    "body",
    [
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"1e999999",
        b"[1e400]",
        b"-1e400",
        b"9" * 5000,
        b"[-" + b"9" * 5000 + b"]",
    ],
)
def test_what_is_no_number_is_refused(body: bytes) -> None:
    """A33: NaN, infinities, exponents out of range and integers of 5,000 digits are 400."""
    assert refused(body) == 400


@pytest.mark.parametrize(
    "number",
    [
        b"9007199254740993",
        b"18446744073709551615",
        b"18446744073709551616",
        b"-9223372036854775809",
        b"123456789012345678901234567890",
        b"0.1000000000000000055511151231257827",
        b"3.14159265358979323846264338327950288",
        b"1e-400",
        b"-4.9e-324",
        b"1234567890.1234567890",
    ],
)
def test_a_number_keeps_every_digit(number: bytes) -> None:
    """A33: integers above 2^53 and floats are forwarded with every digit, at any depth."""
    assert dump(parse(b'{"a":[' + number + b"]}", LIMITS)) == b'{"a":[' + number + b"]}"


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_keeps_its_value(number: float) -> None:
    """A33: for every number that Python can write, the value forwarded is the value received."""
    written = dump(parse(json.dumps(number).encode(), LIMITS))
    assert json.loads(written) == number
    assert math.copysign(1, json.loads(written)) == math.copysign(1, number) or number == 0


@pytest.mark.parametrize("depth", [64, 256])
def test_an_ordinary_body_is_read_once(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What shows no deep nesting, repeated key or double is not gone through again, whatever its limit on depth."""
    monkeypatch.setattr(strictjson, "_outside_strings", None)
    data = b'{"id":"a","created":12345678901234567,"choices":[{"text":"4111111111111111"}]}'
    assert dump(parse(data, Limits(depth=depth))) == data


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":', b' [ "x", '])
def test_deep_nesting_is_refused(opening: bytes) -> None:
    """A34: 100,000 levels are 400, without a RecursionError anywhere."""
    assert refused(opening * 100_000) == 400


@pytest.mark.parametrize("depth", [4, 64, 250])
def test_nesting_is_allowed_up_to_the_limit(depth: int) -> None:
    """A34: exactly the limit is read and written, one more is refused; brackets in strings do not count."""
    limits = Limits(depth=depth)
    body = b"[" * depth + b'"[[[[{{{{"' + b"]" * depth
    assert dump(parse(body, limits)) == body
    assert refused(b"[" + body + b"]", limits) == 400


def test_many_brackets_are_not_deep() -> None:
    """A34: width is not depth."""
    body = b"[" + b",".join([b'{"a":[]}'] * 1000) + b"]"
    assert len(parse(body, LIMITS)) == 1000


@pytest.mark.parametrize(
    "text", [b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe4\xb8"]
)
@pytest.mark.parametrize("frame", [b'{"a":"%s"}', b'{"%s":1}', b"%s"])
def test_invalid_utf8_is_refused(text: bytes, frame: bytes) -> None:
    """A35: invalid UTF-8, overlong forms and encoded surrogates are 400, in values and keys."""
    assert refused(frame % text) == 400


@pytest.mark.parametrize(
    "body", [b'"\\ud83d"', b'"\\ude00x"', b'{"\\ud83d":1}', b'["\\ud83d\\u0041"]', b'"\\ude00\\ud83d"']
)
def test_a_lone_surrogate_is_refused(body: bytes) -> None:
    """A36: a lone surrogate in a value or key is 400; a pair is one character."""
    assert refused(body) == 400
    assert parse(b'"\\ud83d\\ude00"', LIMITS) == "\U0001f600"


@pytest.mark.parametrize(
    "body", [b"", b" ", b"{", b"[1,]", b"{'a':1}", b"1 2", b'{"a":1}}', b'"\t"', b"01", b"nul", b"\xa01"]
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    """Malformed bodies are 400."""
    assert refused(body) == 400


def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    """More bytes than the limit are 413, even if they are no JSON."""
    assert refused(b"x" * 1025, Limits(body_bytes=1024)) == 413
    assert parse(b'"%s"' % (b"x" * 1022), Limits(body_bytes=1024)) == "x" * 1022


def test_a_byte_order_mark_is_skipped() -> None:
    """A UTF-8 BOM is no part of the document, and is not forwarded."""
    assert dump(parse(b'\xef\xbb\xbf{"a":1}', LIMITS)) == b'{"a":1}'


@pytest.mark.parametrize(
    "body",
    [
        b'{"card 4111111111111111": 1, ',
        b'{"x":"alice@leak.example","x":1}',
        b'["\\ud800 alice@leak.example"]',
    ],
)
def test_an_error_never_holds_the_body(body: bytes) -> None:
    """D21: neither the error nor anything chained to it quotes the text."""
    with pytest.raises(BadRequest) as caught:
        parse(body, LIMITS)
    chain = [caught.value, caught.value.__context__, caught.value.__cause__]
    assert not any("4111" in repr(vars(e)) + str(e) or "alice" in repr(vars(e)) + str(e) for e in chain if e)


def test_json_inside_a_string_is_read_with_the_same_strictness() -> None:
    """B10: an embedded document is read; plain text is told apart; a doubtful document is refused."""
    assert embedded(' {"a":[1]}') == {"a": [1]}
    for text in ("hello", "12", '"quoted"', "{not json}", "", "[1,", "{\ud83d"):
        with pytest.raises(ValueError, match="JSON"):
            embedded(text)
    for text in ('{"a":1,"a":2}', "[" * 80 + "]" * 80):
        with pytest.raises(BadRequest):
            embedded(text)
