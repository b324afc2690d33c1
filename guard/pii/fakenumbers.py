"""Fakes of numbers with a known plan: in a range never issued, or with a check digit that fails."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.pii import sums
from guard.pii.draw import Draw
from guard.pii.shapes import (
    alike,
    alnums,
    check,
    digits,
    fill,
    fill_digits,
    generic,
    is_generic,
    padded,
)


def card(value: str, draw: Draw) -> str:
    """The digits that name the issuer, five zeros, and a last digit that misses Luhn's (ISO/IEC 7812-1) by five."""
    places = digits(value)
    body = (_issuer(places) + "00000" + draw.digits(len(places)))[: max(1, len(places) - 1)]
    right = next(d for d in range(10) if _luhn(f"{body}{d}"))
    return fill_digits(value, f"{body}{(right + 5) % 10}")


def is_card(value: str) -> bool:
    """Whether a number of a card's length starts like `card`'s and misses Luhn by five."""
    places = digits(value)
    if not 12 <= len(places) <= 19 or not places.startswith("00000", len(_issuer(places))):
        return False
    return _luhn(f"{places[:-1]}{(int(places[-1]) + 5) % 10}")


# Mastercard's 2-series, American Express, Diners, JCB, Mastercard, Discover, UnionPay, Maestro; of others one digit.
_ISSUER = re.compile(
    r"2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|3(?:[47]|0[0-5]|5|[689])|5[1-5]|6(?:011|4[4-9]|5|2|0|[37])|[0-9]"
)


def _issuer(places: str) -> str:
    """The first digits by which a card's issuer is known (ISO/IEC 7812 ranges)."""
    match = _ISSUER.match(places)
    return match.group() if match else ""


def iban(value: str, draw: Draw) -> str:
    """The same country with the check digits 00, which ISO 13616 never assigns, and which fail here."""
    places = alnums(value)
    for _ in range(8):
        head = places[:2] + "00" + "".join(alike(c, draw) for c in places[4:-2])
        made = head + check(head, places[-2:])
        if mod97(made) != 1:
            return fill(value, made)
    return generic(value, draw)


def is_iban(value: str) -> bool:
    """Whether the check digits are 00 and fail, and the last two signs are `iban`'s."""
    places = alnums(value)
    known = places[2:4] == "00" and places[-2:] == check(places[:-2], places[-2:]) and mod97(places) != 1
    return known or is_generic(value)


def mod97(places: str) -> int:
    """The remainder of ISO 7064 MOD 97-10 over an IBAN; 1 is right."""
    return int("".join(str(int(c, 36)) for c in places[4:] + places[:4])) % 97


def ssn(value: str, draw: Draw) -> str:
    """Area 000, which the Social Security Administration never issues."""
    return fill_digits(value, padded("000", len(digits(value)), draw))


def is_ssn(value: str) -> bool:
    """Whether it is a number of area 000."""
    return len(digits(value)) == 9 and digits(value).startswith("000")


def itin(value: str, draw: Draw) -> str:
    """Group 00, which neither an SSN nor an ITIN has."""
    return fill_digits(value, padded(f"9{draw.digits(2)}00", len(digits(value)), draw))


def is_itin(value: str) -> bool:
    """Whether the group is 00."""
    places = digits(value)
    return len(places) == 9 and places[0] == "9" and places[3:5] == "00"


def nhs(value: str, draw: Draw) -> str:
    """000, which the NHS never issues, with a failing check digit.

    Its test range 999 would not do: as a telephone number it may be an Indian's.
    """
    body = "000" + draw.digits(6)
    right = 11 - sum(int(d) * (10 - i) for i, d in enumerate(body)) % 11
    wrong = next(d for d in _digits_from(draw.below(10)) if d != right % 11)
    return fill_digits(value, padded(f"{body}{wrong}", len(digits(value)), draw))


def _digits_from(start: int) -> Iterator[int]:
    """The ten digits, from one on."""
    return ((start + step) % 10 for step in range(10))


def is_nhs(value: str) -> bool:
    """Whether a number begins with 000 and fails its check digit."""
    places = digits(value)
    total = sum(int(d) * (10 - i) for i, d in enumerate(places[:10]))
    return len(places) == 10 and places.startswith("000") and total % 11 != 0


def nino(value: str, draw: Draw) -> str:
    """Prefix QQ, which HMRC never allocates."""
    places = alnums(value)
    return fill(value, "QQ" + draw.digits(6) + "ABCD"[draw.below(4)] + places[9:])


def is_nino(value: str) -> bool:
    """Whether the prefix is QQ."""
    return alnums(value).upper().startswith("QQ")


def resident_id(value: str, draw: Draw) -> str:
    """Region 99, which GB/T 2260 does not have; of 18 characters the last fails MOD 11-2 (GB 11643)."""
    places = alnums(value)
    born = f"{1950 + draw.below(50)}{1 + draw.below(12):02}{1 + draw.below(28):02}"
    if len(places) != 18:
        head = "99" + draw.digits(4) + born[2:]
        return fill(value, head + check(head, "000"))
    body = "99" + draw.digits(4) + born + draw.digits(3)
    right = _resident_check(body)
    return fill(value, body + str(next(d for d in _digits_from(draw.below(10)) if str(d) != right)))


def is_resident_id(value: str) -> bool:
    """Whether the region is 99, the day of birth is one, and the last of 18 characters fails."""
    match = _RESIDENT.fullmatch(alnums(value).upper())
    if match is None or len(match.group()) not in (15, 18):
        return False
    body, last = match.group()[:-1], match.group()[-1]
    return last != _resident_check(body) if len(body) == 17 else check(body[:12], "000") == body[12:] + last


_RESIDENT = re.compile(r"99\d{4}(?:19)?[5-9]\d(?:0[1-9]|1[0-2])(?:0[1-9]|1\d|2[0-8])\d{2,3}[\dX]")


def _resident_check(body: str) -> str:
    return "10X98765432"[sum(int(d) * pow(2, 17 - i, 11) for i, d in enumerate(body)) % 11]


def plate(value: str, draw: Draw) -> str:
    """The province 假 ("fake"), which is none."""
    places = alnums(value)
    return "假" + fill(value[1:], "".join(alike(c, draw) for c in places))


def is_plate(value: str) -> bool:
    """Whether the province is 假."""
    return value.startswith("假")


def _luhn(number: str) -> bool:
    return sums.luhn(sums.digits_of(number.encode()))
