"""Fake telephone numbers: the ranges kept for fiction, else prefixes and country codes that nobody has."""

from __future__ import annotations

import re

from guard.pii.draw import Draw
from guard.pii.shapes import digits, fill_digits, padded

_EXTENSION = re.compile(r"(?i)\s*(?:ext\.?|x|#|转)\s*\d+\s*\Z")
_FAKE_PHONE = re.compile(
    r"1?[2-9]\d\d55501\d\d|55501\d\d"  # the numbers that NANPA keeps for fiction
    r"|(?:00)?(?:86)?169\d{8}|(?:00)?86260\d*|02600\d+"  # no such mobile prefix, no such area in China
    r"|0{1,6}"
)
_FAKE_ABROAD = re.compile(r"(?:\+|00)999\d+")  # the country code that ITU-T E.164 keeps spare


def phone(value: str, draw: Draw) -> str:
    """A number with the same digits and separators in a range that nobody answers."""
    extension = _EXTENSION.search(value)
    main, rest = (value[: extension.start()], value[extension.start() :]) if extension else (value, "")
    return fill_digits(main, _phone_digits(main, draw)) + re.sub(r"\d", "0", rest)


def is_phone(value: str) -> bool:
    """Whether a number lies in a range that `phone` writes to."""
    main = _EXTENSION.sub("", value)
    places, abroad = digits(main), main.lstrip(" (").startswith("+")
    return bool(_FAKE_PHONE.fullmatch(places) or _FAKE_ABROAD.fullmatch(("+" if abroad else "") + places))


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
        return padded("86169" if mobile else "86260", len(places), draw)
    return padded("999", len(places), draw)


def _national(main: str, places: str, draw: Draw) -> str:
    if len(places) == 10 and places[0] in "23456789":
        return _fiction(draw)
    if len(places) == 11 and places[0] == "1":
        american = [len(run) for run in re.findall(r"\d+", main)] == [1, 3, 3, 4]
        return "1" + _fiction(draw) if american else padded("169", 11, draw)
    if len(places) == 7:
        return "55501" + draw.digits(2)
    return padded("02600", len(places), draw) if len(places) > 7 else "0" * len(places)


def _fiction(draw: Draw) -> str:
    # An area code is 2-9, not 9, not 11; NANPA keeps 555-0100 to 555-0199 of each for fiction.
    area = f"{2 + draw.below(8)}{(0, 2, 3, 4, 5, 6, 7, 8)[draw.below(8)]}{draw.below(10)}"
    return f"{area}55501{draw.digits(2)}"
