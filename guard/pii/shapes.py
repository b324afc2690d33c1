"""Fakes that keep a shape: letters for letters, digits for digits, separators in their place."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from guard.pii.draw import Draw

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NO_ALNUM = re.compile(r"[^0-9A-Za-z]+")
_NO_DIGIT = re.compile(r"[^0-9]+")
_KEPT_HAN = frozenset("年月日号字第岁时分")


def fill(text: str, signs: Iterable[str]) -> str:
    """Write signs over the ASCII letters and digits of a text, each letter in its place's case."""
    source = iter(signs)
    out = (cased(next(source), c) if c.isascii() and c.isalnum() else c for c in text)
    return "".join(out)


def alnums(text: str) -> str:
    """The ASCII letters and digits of a text."""
    return _NO_ALNUM.sub("", text)


def digits(text: str) -> str:
    """The ASCII digits of a text."""
    return _NO_DIGIT.sub("", text)


def fill_digits(text: str, numbers: str) -> str:
    """Write digits over the digits of a text."""
    source = iter(numbers)
    return "".join(next(source) if c.isdigit() else c for c in text)


def fill_as(text: str, signs: str) -> str:
    """Write signs over the letters and digits of a text, in upper case if the text is."""
    source = iter(signs.upper() if text.isupper() else signs)
    return "".join(next(source) if c.isascii() and c.isalnum() else c for c in text)


def padded(prefix: str, length: int, draw: Draw) -> str:
    """A prefix and drawn digits, cut to a length."""
    return (prefix + draw.digits(max(0, length - len(prefix))))[:length]


def cased(sign: str, place: str) -> str:
    """A sign in the letter case of the place that it takes."""
    return sign.lower() if place.islower() else sign.upper()


# Anything without a range of its own: leading zeros and X's, and at the end a check over the rest that real
# values meet by chance only.


def generic(value: str, draw: Draw) -> str:
    """Letters for letters and digits for digits, marked at the front and checked at the end."""
    shown = "".join(_other(c) for c in value)
    places = alnums(shown)
    if not places and "某" not in shown:
        return "x" * max(1, len(value))
    front, back = _mark_lengths(len(places))
    middle = (alike(c, draw) for c in places[front : len(places) - back])
    head = "".join(blank(c) for c in places[:front]) + "".join(middle)
    return fill(shown, head + check(head, places[len(places) - back :] if back else ""))


def is_generic(value: str) -> bool:
    """Whether a value has the mark and the check of `generic`."""
    places = alnums(value)
    if not places:
        return set(value) <= {"某"} and value != ""
    front, back = _mark_lengths(len(places))
    head, tail = places[: len(places) - back], places[len(places) - back :]
    marked = all(c == blank(c) for c in places[:front])
    return marked and tail == check(head, tail)


def is_long_generic(value: str) -> bool:
    """Whether `is_generic` holds beyond doubt: 12 letters and digits, 6 of which had to fit."""
    return len(alnums(value)) >= 12 and is_generic(value)


def _mark_lengths(count: int) -> tuple[int, int]:
    for least, lengths in ((20, (3, 5)), (12, (3, 3)), (10, (2, 3)), (6, (2, 2))):
        if count >= least:
            return lengths
    return count, 0


def _other(c: str) -> str:
    if c.isascii() or not c.isalnum() or c in _KEPT_HAN:
        return c
    if c.isdigit():
        return "0"
    return "某" if "\u3400" <= c <= "\u9fff" else ("X" if c.isupper() else "x")


def blank(c: str) -> str:
    """0 for a digit, X for a letter."""
    return "0" if c.isdigit() else cased("X", c)


def alike(c: str, draw: Draw) -> str:
    """A drawn digit for a digit, a drawn letter for a letter."""
    return draw.digits(1) if c.isdigit() else cased(draw.letter(), c)


def check(head: str, places: str) -> str:
    """What must stand at `places` after `head` in a fake: a digit for a digit, a letter for a letter."""
    digest = hashlib.sha256(b"guard fake " + head.upper().encode()).digest()
    return "".join(
        str(byte % 10) if c.isdigit() else cased(_ALPHABET[byte % 26], c)
        for byte, c in zip(digest, places, strict=False)
    )
