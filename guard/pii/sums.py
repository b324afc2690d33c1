"""The arithmetic of check digits: what standards and many countries share. Digits are small integers in bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from operator import mul

Check = Callable[[bytes], int]
"""Takes the matched bytes of the projection; returns how many of them, from the start, are the value (0: none)."""

_ALL_BUT_DIGITS = bytes(set(range(256)) - set(b"0123456789"))
_TO_INT = bytes(code - 48 if 48 <= code <= 57 else 0 for code in range(256))
_DOUBLED = bytes((n * 2 if n < 5 else n * 2 - 9) if n < 10 else 0 for n in range(256))
_UPPER = bytes(code - 32 if 97 <= code <= 122 else code for code in range(256))
_NOT_ALNUM = bytes(
    code for code in range(256) if not (48 <= code <= 57 or 65 <= code <= 90 or 97 <= code <= 122)
)
_VALUES = bytes(
    code - 48
    if 48 <= code <= 57
    else code - 55
    if 65 <= code <= 90
    else code - 87
    if 97 <= code <= 122
    else 0
    for code in range(256)
)
_GROUP = re.compile(rb"[0-9A-Za-z]+")


def digits_of(view: bytes) -> bytes:
    """The digits of a view as small integers, everything else left out."""
    if view.isdigit():  # what leaves out takes four times as long
        return view.translate(_TO_INT)
    return view.translate(_TO_INT, _ALL_BUT_DIGITS)


def plain_digits(view: bytes) -> bytes:
    """The digits of a view as they are written, everything else left out."""
    return view if view.isdigit() else view.translate(None, _ALL_BUT_DIGITS)


def compact(view: bytes) -> bytes:
    """The letters and digits of a view, letters in upper case."""
    return view.upper() if view.isalnum() else view.translate(_UPPER, _NOT_ALNUM)


def values_of(view: bytes) -> bytes:
    """The letters and digits of a view as integers: 0 to 9, A is 10, Z is 35."""
    if view.isalnum():
        return view.translate(_VALUES)
    return view.translate(_VALUES, _NOT_ALNUM)


def group_sizes(view: bytes) -> list[int]:
    """The lengths of the groups of letters and digits."""
    return [len(group) for group in _GROUP.findall(view)]


def is_date(year: int, month: int, day: int) -> bool:
    """Whether a day was or will be one between 1850 and 2100."""
    try:
        return 1850 <= date(year, month, day).year < 2100
    except ValueError:
        return False


_DAYS = frozenset(
    b"%02d%02d" % (month, day) for month in range(1, 13) for day in range(1, 32) if is_date(2000, month, day)
)


def is_written_date(eight: bytes) -> bool:
    """Whether eight digits are a year, a month and a day, as `is_date` has them."""
    if eight[4:] not in _DAYS or not b"1850" <= eight[:4] < b"2100":
        return False
    return eight[4:] != b"0229" or is_date(int(eight[:4]), 2, 29)


def is_day(year: int, month: int, day: int) -> bool:
    """Whether a year of two digits, a month and a day can be a date (29 February where either century has it)."""
    return is_date(1900 + year, month, day) or is_date(2000 + year, month, day)


def luhn(digits: bytes) -> bool:
    """ISO/IEC 7812-1 annex B, on integers."""
    return (sum(digits[-1::-2]) + sum(digits[-2::-2].translate(_DOUBLED))) % 10 == 0


def weighted(digits: bytes, weights: tuple[int, ...]) -> int:
    """The weighted sum of the digits."""
    return sum(map(mul, weights, digits))


def mod_11_10(digits: bytes) -> bool:
    """ISO/IEC 7064 MOD 11,10, the check digit last."""
    check = 5
    for digit in digits:
        check = ((check or 10) * 2 % 11 + digit) % 10
    return check == 1


def icao(values: bytes) -> int:
    """The check digit of ICAO Doc 9303 part 3, section 4.9, over letters and digits as integers."""
    return (sum(values[::3]) * 7 + sum(values[1::3]) * 3 + sum(values[2::3])) % 10


def _verhoeff_tables() -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The group table of D5, and its permutation applied 0 to 7 times (J. Verhoeff, 1969)."""
    product = []
    for a in range(10):
        rotated = [(a + b) % 5 + b // 5 * 5 if a < 5 else (a - b) % 5 + (1 - b // 5) * 5 for b in range(10)]
        product.append(bytes(rotated))
    turned = [bytes(range(10))]
    for _ in range(7):
        turned.append(bytes(b"\x01\x05\x07\x06\x02\x08\x03\x00\x09\x04"[n] for n in turned[-1]))
    return tuple(product), tuple(turned)


PRODUCT, TURNED = _verhoeff_tables()


def verhoeff(digits: bytes) -> bool:
    """Verhoeff's dihedral check, the check digit last."""
    state = 0
    for at, digit in enumerate(reversed(digits)):
        state = PRODUCT[state][TURNED[at % 8][digit]]
    return state == 0
