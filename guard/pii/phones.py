"""Checks on telephone candidates; libphonenumber is asked only about what the catalogue's shapes found."""

from __future__ import annotations

import re
from functools import cache
from types import ModuleType

from guard.pii.validators import digits_of, even, groups_of

_EXTENSION = re.compile(rb"[ ,;]{0,3}(?:x|ext\.?|extn|#)[ .:]{0,2}[0-9]{1,7}$", re.IGNORECASE)
_MAIN_GROUP = re.compile(rb"[0-9]+\)?")


@cache
def _library() -> ModuleType:
    import phonenumbers

    return phonenumbers


def _split(view: bytes) -> bytes:
    """The number without its extension."""
    return _EXTENSION.sub(b"", view)


def _valid(number: bytes, region: str | None) -> bool:
    library = _library()
    try:
        parsed = library.parse(number.decode("ascii"), region)
    except library.NumberParseException:
        return False
    return bool(library.is_valid_number(parsed))


def _possible(number: bytes) -> bool:
    library = _library()
    try:
        parsed = library.parse(number.decode("ascii"), None)
    except library.NumberParseException:
        return False
    return bool(library.is_possible_number(parsed))


def _shortened(number: bytes) -> list[bytes]:
    """The number, and the number without its last one or two groups."""
    ends = [match.end() for match in _MAIN_GROUP.finditer(number)]
    return [number, *(number[:end] for end in reversed(ends[-3:-1]))]


def _plus(number: bytes) -> bytes:
    return b"+" + number[2:] if number.startswith(b"00") else number


def phone_international(view: bytes) -> int:
    """Accept a number with + or 00 that libphonenumber calls valid (ITU-T E.164), extension included."""
    number = _split(view)
    for candidate in _shortened(number):
        if _valid(_plus(candidate), None):
            return len(view) if candidate == number else len(candidate)
    return 0


def phone_possible(view: bytes) -> int:
    """Accept a number with + whose country and length can be, though no operator has the range."""
    return len(view) if _possible(_plus(_split(view))) else 0


def phone_us_bare(view: bytes) -> int:
    """Accept ten digits that libphonenumber calls valid in the North American plan."""
    return len(view) if _valid(view, "US") else 0


_CN_CODE = re.compile(rb"^(?:\+|00)?86")


def phone_cn_mobile(view: bytes) -> int:
    """Accept a mainland mobile number in one of its usual layouts (MIIT numbering plan: 13 to 19)."""
    number = _CN_CODE.sub(b"", view) if len(digits_of(view)) > 11 else view
    sizes, separators = groups_of(number)
    usual = sizes in ([3, 4, 4], [4, 4, 3], [3, 3, 5], [3, 8], [7, 4], [4, 3, 4], [5, 6]) and len(separators) == 1
    return len(view) if len(digits_of(number)) == 11 and (usual or even(sizes, separators)) else 0


_DATE = re.compile(
    rb"(?:19|20)[0-9]{2}[-./ ](?:0?[1-9]|1[0-2])[-./ ][0-3]?[0-9](?:[ ].*)?"
    rb"|[0-3]?[0-9][-./][0-3]?[0-9][-./](?:19|20)[0-9]{2}(?:[ ].*)?|(?:19|20)[0-9]{2}[- ]+(?:19|20)[0-9]{2}"
)
_DOTTED_QUAD = re.compile(rb"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")


def phone_said(view: bytes) -> int:
    """Accept 7 to 15 digits that their text calls a telephone number, unless they are a date or an address."""
    number = _split(view)
    digits = digits_of(number)
    refused = _DATE.fullmatch(number) or _DOTTED_QUAD.fullmatch(number) or len(set(digits)) < 2
    return 0 if refused or not 7 <= len(digits) <= 15 else len(view)


_TRUNK_REGIONS = ("GB", "DE", "FR", "AU", "NZ", "JP", "IT", "NL", "ZA", "IN", "BR")


def phone_trunk(view: bytes) -> int:
    """Accept a grouped number with a trunk 0 that is valid in one of the larger 0-dialling countries."""
    if _DATE.fullmatch(view):
        return 0
    number = _split(view)
    return len(view) if any(_valid(number, region) for region in _TRUNK_REGIONS) else 0
