"""Checks on telephone candidates; libphonenumber's plans are asked only about what the catalogue found."""

from __future__ import annotations

import re
from collections.abc import Callable

from guard.pii import plans
from guard.pii.plan_shapes import SHAPES
from guard.pii.sums import digits_of, group_sizes, plain_digits

_EXTENSION = re.compile(rb"[ ,;]{0,2}(?:x|ext(?:n|ension)?|#)[.:]? ?[0-9]{1,7}$", re.IGNORECASE)
_EXTENSION_SIGN = re.compile(rb"[xXeE#]")
_APART = b" ()./_-"


def _split(view: bytes) -> bytes:
    """The number without its extension."""
    return _EXTENSION.sub(b"", view) if _EXTENSION_SIGN.search(view) else view


def _international(number: bytes) -> bytes:
    """The digits of a number after its + or 00."""
    digits = plain_digits(number)
    return digits if number[0] in b"+(" else digits[2:]


def _accepted(view: bytes, accepts: Callable[[bytes], bool]) -> int:
    """How much of a view is a number that a plan accepts: all, or without its last group or two."""
    number = _split(view)
    digits = _international(number)
    if accepts(digits):
        return len(view)
    sizes, left, end = plans.sizes(digits), len(digits), len(number)
    for _ in range(2):
        group = number[:end].rstrip(b")")
        before = group.rstrip(b"0123456789")
        left -= len(group) - len(before)
        end = len(before.rstrip(_APART))
        if not end:
            break
        end += number.startswith(b")", end)
        if left in sizes and accepts(digits[:left]):
            return end
    return 0


def phone_international(view: bytes) -> int:
    """Accept a number with + or 00 whose range is in use (ITU-T E.164; libphonenumber), extension included."""
    return _accepted(view, plans.valid)


def phone_possible(view: bytes) -> int:
    """Accept a number with + whose country and length can be, though no operator has the range."""
    return _accepted(view, plans.possible)


def phone_us_bare(view: bytes) -> int:
    """Accept ten digits that are valid in the North American plan."""
    return len(view) if plans.valid_in(view, "US", "CA") else 0


def phone_cn_mobile(view: bytes) -> int:
    """Accept a mainland mobile number, in groups or digit by digit, not in pairs (MIIT numbering plan: 13 to 19)."""
    digits = plain_digits(view)
    if not b"13" <= digits[-11:-9] <= b"19":
        return 0
    return len(view) if digits is view or max(group_sizes(view)) != 2 else 0


_DATE = re.compile(
    rb"(?:19|20)[0-9]{2}[-./ ](?:0?[1-9]|1[0-2])[-./ ][0-3]?[0-9](?:[ ].*)?"
    rb"|[0-3]?[0-9][-./][0-3]?[0-9][-./](?:19|20)[0-9]{2}(?:[ ].*)?|(?:19|20)[0-9]{2}[- ]+(?:19|20)[0-9]{2}"
)
_OCTET = rb"(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]?[0-9])"
_DOTTED_QUAD = re.compile(_OCTET + rb"(?:\." + _OCTET + rb"){3}")


def phone_said(view: bytes) -> int:
    """Accept 7 to 15 digits that their text calls a telephone number, unless they are a date or an address."""
    number = _split(view)
    digits = digits_of(number)
    refused = _DATE.fullmatch(number) or _DOTTED_QUAD.fullmatch(number) or len(set(digits)) < 2
    return 0 if refused or not 7 <= len(digits) <= 15 else len(view)


_NO_BRACKETS = str.maketrans("", "", "()")
_TO_SHAPE = bytes(ord("#") if 48 <= code <= 57 else code for code in range(256))


def phone_national(view: bytes, regions: frozenset[str] = frozenset()) -> int:
    """Accept digits grouped as a country groups its numbers, and valid there (libphonenumber); no date, no sum.

    Of `regions` one must be the country, where there are any.
    """
    shape = view.translate(_TO_SHAPE).decode("ascii")
    shared = {*SHAPES.get(shape, "").split(), *SHAPES.get(shape.translate(_NO_BRACKETS), "").split()}
    alike = shared & regions if regions else shared
    if not alike or _DATE.fullmatch(view.strip(b"()")) or _THOUSANDS.search(view):
        return 0
    number = plain_digits(view)
    return len(view) if plans.written_in(number, frozenset(alike)) else 0


_THOUSANDS = re.compile(rb"(?<![0-9])000(?![0-9])")

_TRUNK_REGIONS = ("GB", "DE", "FR", "AU", "NZ", "JP", "IT", "NL", "ZA", "IN", "BR")


def _dumped(view: bytes, sizes: list[int]) -> bool:
    """Whether bytes in pairs (no plan has but five) or digits one by one with signs among them are the groups."""
    return (set(sizes) == {2} and len(sizes) != 5) or (max(sizes) == 1 and b"-" in view and b" " in view)


def phone_trunk(view: bytes, regions: frozenset[str] = frozenset()) -> int:
    """Accept a grouped number with a trunk 0 that is valid in one of the larger 0-dialling countries.

    Of `regions` one must be the country, where there are any.
    """
    sizes = group_sizes(view)
    if sizes == [3, 2, 4] or _dumped(view, sizes):
        return 0
    number = plain_digits(_split(view))
    asked = tuple(region for region in _TRUNK_REGIONS if region in regions) if regions else _TRUNK_REGIONS
    return len(view) if plans.valid_in(number, *asked) and not _DATE.fullmatch(view) else 0
