"""OTLP JSON: attributes and values as the protocol's JSON mapping writes them.

The mapping is ProtoJSON with two exceptions of OTLP: trace and span ids are lower-case hex, enums are numbers
(opentelemetry-proto, docs/specification "JSON Protobuf Encoding").
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

TEXT_LIMIT = 8192
"""Longest text of one attribute, in code points; what is longer is cut and ends in an ellipsis (but for `Whole`)."""

# A line must stay one line for every reader, also for those that split at U+0085, U+2028 and U+2029,
# and must not steer a terminal (C1 controls). orjson escapes only what is below U+0020.
_UNSAFE = re.compile(rb"\xc2([\x80-\x9f])|\xe2\x80([\xa8\xa9])")

LEAST, MOST = -(2**63), 2**63 - 1

Json = dict[str, Any]


def quoted(value: str) -> bytes:
    """A text as JSON, as long as one in an attribute may be."""
    return dumps(_cut(value))


def _cut(value: str) -> str:
    return value if len(value) <= TEXT_LIMIT else value[:TEXT_LIMIT] + "…"


def _text(value: str) -> Json:
    return {"stringValue": _cut(value)}


def _int(value: int) -> Json:
    # An integer that int64 cannot hold would make the whole line unreadable for a decoder.
    fits = LEAST <= value <= MOST
    return {"intValue": str(value)} if fits else {"stringValue": str(value)[:TEXT_LIMIT]}


def _float(value: float) -> Json:
    return {"doubleValue": value} if math.isfinite(value) else {"doubleValue": _NOT_FINITE[str(value)]}


_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def _array(value: Sequence[Any]) -> Json:
    encoders = _ENCODERS
    # The kinds that nearly all items have cost no call; what is finite less itself is nothing.
    values = [
        {"stringValue": item}
        if item.__class__ is str and len(item) <= TEXT_LIMIT
        else {"intValue": f"{item}"}
        if item.__class__ is int and LEAST <= item <= MOST
        else {"doubleValue": item}
        if item.__class__ is float and item - item == 0.0
        else encoders.get(item.__class__, _other)(item)
        for item in value
    ]
    return {"arrayValue": {"values": values}}


def _other(value: Any) -> Json:
    """Encode a subclass (an enum, a number that keeps its digits) as its base."""
    for base in type(value).__mro__:
        if base in _ENCODERS:
            return _ENCODERS[base](base(value))
    raise TypeError(f"no span attribute can hold a {type(value).__name__}")


class Whole(str):
    """A text that is never cut: what is left of a sealed one opens no more."""

    __slots__ = ()


_ENCODERS: dict[type, Callable[[Any], Json]] = {
    str: _text,
    bool: lambda value: {"boolValue": value},
    int: _int,
    float: _float,
    list: _array,
    tuple: _array,
    Whole: lambda value: {"stringValue": str(value)},
}


def key_values(attributes: Mapping[str, Any]) -> list[Any]:
    """Encode attributes as a list of OTLP KeyValues; None means that the attribute is absent.

    Values are texts, numbers, booleans, enums of these and sequences of them; else TypeError.
    """
    return [
        {"key": key, "value": _ENCODERS.get(value.__class__, _other)(value)}
        for key, value in attributes.items()
        if value is not None
    ]


def dumps(value: Any) -> bytes:
    """Serialise to one line of JSON; a lone surrogate, which UTF-8 cannot hold, becomes `?`."""
    try:
        data = orjson.dumps(value)
    except TypeError:
        data = orjson.dumps(_without_surrogates(value))
    return data if data.isascii() else _UNSAFE.sub(_escape, data)


def _escape(match: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(match[0].decode())


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value


def request(lines: Iterable[bytes]) -> bytes:
    """Join lines into the JSON of one ExportTraceServiceRequest, byte for byte the same spans."""
    return b'{"resourceSpans":[' + b",".join(line[len(_OPEN) : -len(_CLOSE)] for line in lines) + b"]}"


_OPEN, _CLOSE = b'{"resourceSpans":[', b"]}"
