"""Checks of python-stdnum: the rules of numbers that are rare enough to be asked only after their cue word or shape."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

from guard.pii.sums import Check, digits_of, luhn, mod_11_10, weighted

_FIGURES = bytes(range(48, 58)) + bytes(246)
_LA_POSTE = 356_000_000
"""A company whose branches have a sum of their own."""


@cache
def _module(name: str) -> Any:
    return import_module(f"stdnum.{name}")


def borrowed(name: str) -> Check:
    """The check of one module of python-stdnum, which is imported when first asked."""

    sizes, may = _NEEDED.get(name, ((), None))

    def check(view: bytes) -> int:
        if may is not None and len(digits := digits_of(view)) in sizes and not may(digits):
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


def _closing(*weights: int) -> Callable[[bytes], bool]:
    """Whether the digit behind those that have weights is what their sum lacks to a multiple of 11, or 0 for 10."""
    return lambda digits: -weighted(digits, weights) % 11 % 10 == digits[len(weights)]


def _npwp(digits: bytes) -> bool:
    return luhn(digits[:9])


def _eid(digits: bytes) -> bool:
    return (_whole(digits[:10]) % 97 or 97) == _whole(digits[10:])


def _bis(digits: bytes) -> bool:
    born = _whole(digits[:9])
    return 97 - _whole(digits[9:]) in (born % 97, (born + 2_000_000_000) % 97)


def _siret(digits: bytes) -> bool:
    return luhn(digits[:9]) and (luhn(digits) or _whole(digits[:9]) == _LA_POSTE)


_newer_nit = _closing(2, 7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)


def _nit(digits: bytes) -> bool:
    if _whole(digits[10:13]) <= 100:
        return weighted(digits, tuple(range(14, 1, -1))) % 11 % 10 == digits[13]
    return _newer_nit(digits)


def _nik(digits: bytes) -> bool:
    return 0 < _whole(digits[6:8]) % 40 < 32 and 0 < _whole(digits[8:10]) < 13


def _nric(digits: bytes) -> bool:
    return 0 < _whole(digits[2:4]) < 13 and 0 < _whole(digits[4:6]) < 32 and _birth_place(digits[6:8])


def _nz_account(digits: bytes) -> bool:
    return _nz_branch(digits[:6])


def _written(digits: bytes) -> str:
    return digits.translate(_FIGURES).decode("ascii")


def _whole(digits: bytes) -> int:
    """Digits as one number."""
    return int(_written(digits))


@cache
def _birth_place(code: bytes) -> bool:
    """Whether Malaysia has given a code to a place."""
    return bool(_module("numdb").get("my/bp").info(_written(code))[0][1])


@lru_cache(maxsize=10_000)
def _nz_branch(code: bytes) -> bool:
    """Whether New Zealand has a bank and a branch of these numbers; to look for one takes 40 us."""
    known = _module("numdb").get("nz/banks").info(_written(code))
    return {"bank", "branch"} <= {name for _, found in known for name in found}


_NEEDED: dict[str, tuple[tuple[int, ...], Callable[[bytes], bool]]] = {
    "be.bis": ((11,), _bis),
    "be.eid": ((12,), _eid),
    "bg.egn": ((10,), _egn),
    "br.cnpj": ((14,), _closing(5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)),
    "cz.rc": ((10,), _rodne_cislo),
    "dk.cpr": ((10,), _cpr),
    "ee.ik": ((11,), _isikukood),
    "fr.siret": ((14,), _siret),
    "gr.amka": ((11,), luhn),
    "hr.oib": ((11,), mod_11_10),
    "id.nik": ((16,), _nik),
    "id.npwp": ((15,), _npwp),
    "is_.kennitala": ((10,), _kennitala),
    "lt.asmens": ((11,), _isikukood),
    "lv.pvn": ((11,), _pvn),
    "my.nric": ((12,), _nric),
    "no.fodselsnummer": ((11,), _fodselsnummer),
    "nz.bankaccount": ((15, 16), _nz_account),
    "pt.cc": ((12,), luhn),
    "si.emso": ((13,), _closing(7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)),
    "sv.nit": ((14,), _nit),
}
"""What so many digits must keep before python-stdnum is asked, which takes ten times as long."""
