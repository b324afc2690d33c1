"""Checks of python-stdnum: the rules of numbers that are rare enough to be asked only after their cue word or shape."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from guard.pii.sums import Check, digits_of, luhn, mod_11_10, weighted


@cache
def _module(name: str) -> Any:
    return import_module(f"stdnum.{name}")


def borrowed(name: str) -> Check:
    """The check of one module of python-stdnum, which is imported when first asked."""

    size, may = _NEEDED.get(name, (0, None))

    def check(view: bytes) -> int:
        if may is not None and len(digits := digits_of(view)) == size and not may(digits):
            return 0
        return len(view) if _module(name).is_valid(view.decode("ascii")) else 0

    check.__name__ = name
    check.__doc__ = f"Accept what stdnum.{name} accepts (python-stdnum names the authority)."
    return check


def _egn(digits: bytes) -> bool:
    return weighted(digits, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == digits[9]


def _rodne_cislo(digits: bytes) -> bool:
    return (sum(digits[0:9:2]) - sum(digits[1:9:2])) % 11 % 10 == digits[9]


def _cpr(digits: bytes) -> bool:
    return 0 < digits[0] * 10 + digits[1] < 32 and 0 < digits[2] * 10 + digits[3] < 13


def _isikukood(digits: bytes) -> bool:
    check = weighted(digits, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = weighted(digits, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return check == digits[10]


def _pvn(digits: bytes) -> bool:
    if digits[0] > 3:
        return weighted(digits, (9, 1, 4, 8, 3, 10, 2, 5, 7, 6, 1)) % 11 == 3
    return (1 + weighted(digits, (10, 5, 8, 4, 2, 1, 6, 3, 7, 9))) % 11 % 10 == digits[10]


def _kennitala(digits: bytes) -> bool:
    return weighted(digits, (3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def _fodselsnummer(digits: bytes) -> bool:
    return -weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11 == digits[9]


def _thirteenth(*weights: int) -> Callable[[bytes], bool]:
    """Whether the thirteenth digit is what the sum of the twelve before it lacks to a multiple of 11, or 0 for 10."""
    return lambda digits: -weighted(digits, weights) % 11 % 10 == digits[12]


def _npwp(digits: bytes) -> bool:
    return luhn(digits[:9])


_NEEDED: dict[str, tuple[int, Callable[[bytes], bool]]] = {
    "bg.egn": (10, _egn),
    "br.cnpj": (14, _thirteenth(5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)),
    "cz.rc": (10, _rodne_cislo),
    "dk.cpr": (10, _cpr),
    "ee.ik": (11, _isikukood),
    "gr.amka": (11, luhn),
    "hr.oib": (11, mod_11_10),
    "id.npwp": (15, _npwp),
    "is_.kennitala": (10, _kennitala),
    "lt.asmens": (11, _isikukood),
    "lv.pvn": (11, _pvn),
    "no.fodselsnummer": (11, _fodselsnummer),
    "si.emso": (13, _thirteenth(7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)),
}
"""What so many digits must keep before python-stdnum is asked, which takes ten times as long."""
