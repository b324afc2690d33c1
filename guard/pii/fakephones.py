"""Fake telephone numbers: the ranges kept for fiction, else prefixes and country codes that nobody has."""

from __future__ import annotations

import re

from guard.pii.draw import Draw
from guard.pii.shapes import check, digits, fill_digits, padded

_EXTENSION = re.compile(r"(?i)\s*(?:ext\.?|x|#|转)\s*\d+\s*\Z")
# The numbers that NANPA keeps for fiction. 1611: no mobile prefix of China, and not 1 and an area of North America
# or Brazil either, whose numbers have as many digits.
_FICTION = re.compile(r"1?[2-9]\d\d55501\d\d|55501\d\d|(?:(?:00)?86)?1611\d{7}|0{1,6}")
# A country code that ITU-T E.164 keeps spare; an area that China lacks, with a subscriber that begins with 0 nowhere.
_ABROAD, _CHINA, _AREA = "999", "86260", "02600"


def phone(value: str, draw: Draw) -> str:
    """A number with the same digits and separators in a range that nobody answers."""
    extension = _EXTENSION.search(value)
    main, rest = (value[: extension.start()], value[extension.start() :]) if extension else (value, "")
    return fill_digits(main, _phone_digits(main, draw)) + re.sub(r"\d", "0", rest)


def is_dialled(value: str) -> bool:
    """Whether a number is written in digits alone: of `1-800-FLOWERS` letters would stay."""
    main = _EXTENSION.sub("", value)
    return any(c.isdigit() for c in main) and not any(c.isalpha() for c in main)


def is_phone(value: str) -> bool:
    """Whether a number lies in a range that `phone` writes to."""
    main = _EXTENSION.sub("", value)
    places = digits(main)
    if _FICTION.fullmatch(places) or _is_checked(_AREA, places):
        return True
    abroad = places if main.lstrip(" (").startswith("+") else places.removeprefix("00")
    return (abroad != places or "+" in main) and (_is_checked(_ABROAD, abroad) or _is_checked(_CHINA, abroad))


def _phone_digits(main: str, draw: Draw) -> str:
    places = digits(main)
    if main.lstrip(" (").startswith("+"):
        return _international(places, draw)
    if places.startswith("00") and len(places) > 9:
        return "00" + _international(places[2:], draw)
    return _national(main, places, draw)


def _international(places: str, draw: Draw) -> str:
    if places.startswith("1") and len(places) == 11:
        return "1" + _fiction(draw)
    if places.startswith("86") and len(places) > 8:
        mobile = len(places) == 13 and places[2] == "1"
        return padded("861611", 13, draw) if mobile else _checked(_CHINA, len(places), draw)
    return _checked(_ABROAD, len(places), draw)


def _national(main: str, places: str, draw: Draw) -> str:
    if len(places) == 10 and places[0] in "23456789":
        return _fiction(draw)
    if len(places) == 11 and places[0] == "1":
        american = [len(run) for run in re.findall(r"\d+", main)] == [1, 3, 3, 4]
        return "1" + _fiction(draw) if american else padded("1611", 11, draw)
    if len(places) == 7:
        return "55501" + draw.digits(2)
    return _checked(_AREA, len(places), draw) if len(places) > 7 else "0" * len(places)


def _fiction(draw: Draw) -> str:
    # An area code is 2-9, not 9, not 11; NANPA keeps 555-0100 to 555-0199 of each for fiction.
    area = f"{2 + draw.below(8)}{(0, 2, 3, 4, 5, 6, 7, 8)[draw.below(8)]}{draw.below(10)}"
    return f"{area}55501{draw.digits(2)}"


def _checked(prefix: str, length: int, draw: Draw) -> str:
    signs = _check_signs(prefix, length)
    head = padded(prefix, length - signs, draw)
    return head + check(head, "0" * signs)


def _is_checked(prefix: str, places: str) -> bool:
    head = places[: len(places) - _check_signs(prefix, len(places))]
    return head.startswith(prefix) and places == head + check(head, "0" * (len(places) - len(head)))


def _check_signs(prefix: str, length: int) -> int:
    free = length - len(prefix)
    return 0 if free < 4 else 1 if free < 7 else 2
