"""JSON read strictly and written out again, so that no two parsers can disagree about what was screened."""

from __future__ import annotations

import json
import re
from array import array
from itertools import accumulate
from typing import Any

import orjson

from guard.errors import BadRequest
from guard.types import Limits

_BOM = b"\xef\xbb\xbf"
_MOST_DIGITS = 1000
# What the writer can write: orjson stops at 254 levels.
_DEEPEST = 250
# How numbers and brackets are seen outside of strings: digits and points as 9, brackets as steps.
_NUMBERS = bytes.maketrans(b"012345678.E+", b"9999999999e-")
_LONG_NUMBER = b"9" * 16
_HUGE_EXPONENT = re.compile(rb"9e-?999")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STEPS = bytes(1 if byte in b"[{" else 255 for byte in range(256))


class ExactInt(int):
    """An integer beyond 64 bits, kept as it was written."""

    literal: str


class ExactFloat(float):
    """A number that a double would change, kept as it was written."""

    literal: str


def parse(data: bytes, limits: Limits) -> Any:
    """Read one JSON document from UTF-8 bytes.

    Refused with 413: more than `limits.body_bytes`. Refused with 400: what RFC 8259 does not allow,
    repeated keys, nesting beyond `limits.depth` (at most 250), invalid UTF-8, lone surrogates, infinities,
    numbers of more than 1000 digits. Numbers keep every digit (`ExactInt`, `ExactFloat`).
    """
    if len(data) > limits.body_bytes:
        raise BadRequest(
            413, "body_too_large", f"the body is larger than {limits.body_bytes} bytes (GUARD_MAX_BODY_BYTES)"
        )
    data = data.removeprefix(_BOM)
    value = _loads(data)
    keys, brackets, doubles = _counted(value)
    depth = min(limits.depth, _DEEPEST)
    if _plain(data, keys, doubles) and brackets <= depth:
        return value
    skeleton = _outside_strings(data)
    if skeleton.count(b":") != keys:
        raise BadRequest(400, "invalid_json", "the body repeats a key in one JSON object: send each once")
    if _deeper_than(skeleton, depth):
        raise BadRequest(400, "invalid_json", f"the body is nested deeper than {depth} levels")
    return _exact(data) if doubles and _needs_exact_numbers(skeleton) else value


def dump(value: Any) -> bytes:
    """Write a parsed value as compact UTF-8 JSON, exact numbers as they were written."""
    return orjson.dumps(value, default=_literal, option=orjson.OPT_PASSTHROUGH_SUBCLASS)


def embedded(text: str, depth: int = 64) -> Any:
    """Read a JSON object or array that stands inside a string; raises ValueError if it is none.

    A document that two parsers could read differently (repeated keys, too deep) raises BadRequest.
    """
    if text.lstrip()[:1] not in ("{", "["):
        raise ValueError("not a JSON object or array")
    try:
        data = text.encode()
        orjson.loads(data)
    except ValueError:
        raise ValueError("not JSON") from None
    return parse(data, Limits(body_bytes=len(data), depth=depth))


def _loads(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    # Raised here, not in the handler: the decoder's error holds the whole document.
    raise BadRequest(400, "invalid_json", "the body is not valid JSON in UTF-8")


def _plain(data: bytes, keys: int, doubles: bool) -> bool:
    """Whether the whole text shows already that no key is repeated and no number to be kept, as of most.

    What is counted inside of strings as well can only be more than what stands outside of them.
    """
    return data.count(b":") == keys and not (doubles and _needs_exact_numbers(data))


def _outside_strings(data: bytes) -> bytes:
    """What a valid document holds outside of its strings: structure, numbers, literals, white space."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(data.split(b'"')[::2])


def _counted(value: Any) -> tuple[int, int, bool]:
    """How many members all objects of a value hold, how many objects and arrays, and whether a double is in it.

    Fewer members than are written mean that a key was repeated. No value is nested deeper than it has objects and
    arrays. What is no double was read with every digit: an integer beyond 64 bits has become one.
    """
    count, brackets, doubles = 0, 0, False
    stack = [value]
    while stack:
        top = stack.pop()
        kind = type(top)
        if kind is dict:
            count += len(top)
            brackets += 1
            stack.extend(top.values())
        elif kind is list:
            brackets += 1
            stack.extend(top)
        elif kind is float:
            doubles = True
    return count, brackets, doubles


def _deeper_than(skeleton: bytes, depth: int) -> bool:
    brackets = skeleton.translate(_STEPS, _NOT_BRACKETS)
    return len(brackets) > depth and max(accumulate(array("b", brackets))) > depth


def _needs_exact_numbers(skeleton: bytes) -> bool:
    """Whether some number may not survive a double: 16 digits or more, or an exponent of three."""
    numbers = skeleton.translate(_NUMBERS)
    return _LONG_NUMBER in numbers or (b"9e" in numbers and bool(_HUGE_EXPONENT.search(numbers)))


def _exact(data: bytes) -> Any:
    try:
        return json.loads(data, parse_int=_int, parse_float=_float)
    except ValueError:
        pass
    raise BadRequest(400, "invalid_json", "the body holds a number that is too long")


def _int(literal: str) -> int:
    if len(literal) > _MOST_DIGITS:
        raise ValueError("too long")
    value = int(literal)
    if -(2**63) <= value < 2**64:
        return value
    exact = ExactInt(value)
    exact.literal = literal
    return exact


def _float(literal: str) -> float:
    if len(literal) > _MOST_DIGITS:
        raise ValueError("too long")
    exact = ExactFloat(literal)
    exact.literal = literal
    return exact


def _literal(value: object) -> orjson.Fragment:
    if isinstance(value, ExactInt | ExactFloat):
        return orjson.Fragment(value.literal)
    raise TypeError("only parsed JSON values can be written")
