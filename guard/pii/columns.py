"""Many numbers at once: where in a piece one may begin whose digits add up, told digit by digit for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from operator import mul
from typing import TYPE_CHECKING, Any

from guard.pii.checks_china import CN_REGIONS
from guard.pii.sums import PRODUCT, TURNED
from guard.pii.validators import issued

if TYPE_CHECKING:
    from numpy.typing import NDArray

Column = Any
"""The same digit of many numbers, as an array; or of one, as an integer."""

Test = Callable[[Sequence[Column]], Column]
"""Whether a check may accept numbers that begin with some digits."""


def _weighted(digits: Sequence[Column], weights: Sequence[int]) -> Column:
    return sum(map(mul, digits, weights))


def _sum(modulus: int, weights: str, *rests: int) -> Test:
    """Digits of which the weighted sum leaves one of some rests, else none."""
    numbers, wanted = tuple(map(int, weights.split())), rests or (0,)

    def test(digits: Sequence[Column]) -> Column:
        left = _weighted(digits, numbers) % modulus
        fits = left == wanted[0]
        for rest in wanted[1:]:
            fits = fits | (left == rest)
        return fits

    return test


def _powers(size: int) -> str:
    """The weights of so many digits that are one number, for MOD 97."""
    return " ".join(str(10**place % 97) for place in reversed(range(size)))


def _both(one: Test, other: Test) -> Test:
    return lambda digits: one(digits) & other(digits)


def _either(one: Test, other: Test) -> Test:
    return lambda digits: one(digits) | other(digits)


def _doubled(digit: Column) -> Column:
    return digit * 2 - 9 * (digit > 4)


def _luhn(digits: Sequence[Column]) -> Column:
    """ISO/IEC 7812-1 annex B."""
    return (sum(digits[-1::-2]) + sum(map(_doubled, digits[-2::-2]))) % 10 == 0


def _mod_11_10(digits: Sequence[Column]) -> Column:
    """ISO/IEC 7064 MOD 11,10, the check digit last."""
    check: Column = 5
    for digit in digits:
        check = ((check + 10 * (check == 0)) * 2 % 11 + digit) % 10
    return check == 1


def _verhoeff(digits: Sequence[Column]) -> Column:
    """Verhoeff's dihedral check, the check digit last."""
    product, turned = _dihedral()
    state: Column = 0
    for at, digit in enumerate(reversed(digits)):
        state = product.take(state * 10 + turned.take(at % 8 * 10 + digit))
    return state == 0


@cache
def _dihedral() -> tuple[NDArray[Any], NDArray[Any]]:
    import numpy as np

    return np.frombuffer(b"".join(PRODUCT), np.uint8), np.frombuffer(b"".join(TURNED), np.uint8)


def _card(digits: Sequence[Column]) -> Column:
    """ISO/IEC 7812 for any of the lengths of cards that begin here: issuer and length, and Luhn."""
    import numpy as np

    four = _weighted(digits, (1000, 100, 10, 1))
    even: Column = 0
    odd: Column = 0
    fits: Column = False
    for size, digit in enumerate(digits, 1):
        even, odd = (
            even + (digit if size % 2 else _doubled(digit)),
            odd + (_doubled(digit) if size % 2 else digit),
        )
        if size >= _SHORTEST_CARD:
            flags = np.frombuffer(issued(size), np.bool_)
            fits = fits | (((odd if size % 2 == 0 else even) % 10 == 0) & flags.take(four))
    return fits


def _resident(digits: Sequence[Column]) -> Column:
    """GB 11643: the digits of a province, and of a month and a day."""
    province, month, day = (digits[at] * 10 + digits[at + 1] for at in (0, 10, 12))
    born = (month > 0) & (month < 13) & (day > 0) & (day < 32)
    return (
        born
        & (province >= min(CN_REGIONS))
        & (province <= max(CN_REGIONS))
        & (digits[6] > 0)
        & (digits[6] < 3)
    )


_SHORTEST_CARD, _LONGEST_CARD = 13, 19

_BELGIAN = _sum(97, f"{_powers(9)} 10 1", 0, -2_000_000_000 % 97)
"""Nine digits, behind a 2 for those born from 2000 on, and what they lack to a multiple of 97."""
_BALTIC = _either(_sum(11, "1 2 3 4 5 6 7 8 9 1 -1"), _sum(11, "1 2 3 4 5 6 7 8 9 1", 10))
"""The rest of the sum, or of another where it is 10."""

SUMS: dict[str, tuple[int, Test]] = {
    "ar_cuit": (11, _sum(11, "5 4 3 2 7 6 5 4 3 2 1")),
    "au_abn": (11, _sum(89, "10 1 3 5 7 9 11 13 15 17 19", 10)),
    "au_acn": (9, _sum(10, "8 7 6 5 4 3 2 1 1")),
    "au_medicare": (9, _sum(10, "1 3 7 9 1 3 7 9 -1")),
    "au_tfn": (9, _sum(11, "1 4 3 7 5 8 6 9 10")),
    "be.bis": (11, _BELGIAN),
    "be.eid": (12, _sum(97, f"{_powers(10)} -10 -1")),
    "be_nn": (11, _BELGIAN),
    "bg.egn": (10, _sum(11, "2 4 8 5 10 9 7 3 6 -1", 0, 10)),
    "br.cnpj": (13, _sum(11, "5 4 3 2 9 8 7 6 5 4 3 2 1", 0, 1)),
    "br_cpf": (11, _both(_sum(11, "10 9 8 7 6 5 4 3 2 1", 0, 1), _sum(11, "11 10 9 8 7 6 5 4 3 2 1", 0, 1))),
    "ca_sin": (9, _luhn),
    "card": (_LONGEST_CARD, _card),
    "cn_resident_id": (14, _resident),
    "cn_resident_id_shape": (14, _resident),
    "cz.rc": (10, _sum(11, "1 -1 1 -1 1 -1 1 -1 1 -1", 0, 10)),
    "de_lanr": (7, _sum(10, "4 9 4 9 4 9 1")),
    "de_tax_id": (11, _mod_11_10),
    "ee.ik": (11, _BALTIC),
    "gr.amka": (11, _luhn),
    "hr.oib": (11, _mod_11_10),
    "id.npwp": (9, _luhn),
    "il_idnr": (9, _luhn),
    "imei": (15, _luhn),
    "in_aadhaar": (12, _verhoeff),
    "is_.kennitala": (9, _sum(11, "3 2 7 6 5 4 3 2 1")),
    "it_vat_code": (11, _luhn),
    "jp_in": (12, _sum(11, "6 5 4 3 2 7 6 5 4 3 2 1", 0, 1)),
    "kr_brn": (10, lambda d: (_weighted(d, (1, 3, 7, 1, 3, 7, 1, 3, 5)) + d[8] * 5 // 10 + d[9]) % 10 == 0),
    "ng_nin": (11, _verhoeff),
    "lt.asmens": (11, _BALTIC),
    "nl_bsn": (9, _sum(11, "9 8 7 6 5 4 3 2 -1")),
    "no.fodselsnummer": (10, _sum(11, "3 7 6 1 8 9 4 5 2 1")),
    "ph_tin": (9, _sum(11, "9 8 7 6 5 4 3 2 -1")),
    "pl_pesel": (11, _sum(10, "1 3 7 9 1 3 7 9 1 3 1")),
    "pt_nif": (9, _sum(11, "9 8 7 6 5 4 3 2 1", 0, 1)),
    "ro_cnp": (13, _sum(11, "2 7 9 1 4 6 3 5 8 2 7 9 -1", 0, 9)),
    "se_organisationsnummer": (10, _luhn),
    "se_personnummer": (12, lambda d: _luhn(d[:10]) | _luhn(d[2:])),
    "si.emso": (13, _sum(11, "7 6 5 4 3 2 7 6 5 4 3 2 1", 0, 1)),
    "th_tnin": (13, _sum(11, "13 12 11 10 9 8 7 6 5 4 3 2 1", 0, 1)),
    "tr_national_id": (11, _both(_sum(10, "7 -1 7 -1 7 -1 7 -1 7 -1"), _sum(10, "1 1 1 1 1 1 1 1 1 1 -1"))),
    "uk_nhs": (10, _sum(11, "10 9 8 7 6 5 4 3 2 1")),
    "us_aba_routing": (9, _sum(10, "3 7 1 3 7 1 3 7 1")),
    "us_npi": (10, lambda d: (sum(d[1::2]) + sum(map(_doubled, d[::2]))) % 10 == 6),
    "za_id_number": (13, _luhn),
}  # fmt: skip
"""By the name of a check: how many digits are looked at, and what they keep where it accepts a number."""


class Columns:
    """The digits of one piece, so laid out that one step looks at the same digit of all numbers.

    In `taken` the search notes the runs of digits that a guess took: where each begins, its score and its end.
    """

    __slots__ = ("_columns", "_digits", "_heads", "_places", "_starts", "taken")

    def __init__(self, text: bytes) -> None:
        import numpy as np

        figures = np.frombuffer(text, np.uint8) - 48  # what stands before a 0 wraps around
        places = (figures < 10).nonzero()[0]
        self._heads = (np.diff(places, prepend=-2) > 1).nonzero()[0]
        self._places = places[self._heads]
        # Behind the end zeros: what they pass, no pattern does.
        self._digits = np.concatenate((figures[places], np.zeros(_LONGEST_CARD, np.uint8))).astype(np.int16)
        self._columns: list[NDArray[Any]] = []
        self._starts: dict[tuple[int, Test | None], list[int]] = {}
        self.taken: dict[int, tuple[float, int]] = {}

    def starts(self, check: str) -> list[int]:
        """Where a number may begin that a check accepts: behind no other digit, and its digits add up."""
        asked = size, test = SUMS.get(check, (0, None))
        found = self._starts.get(asked)
        if found is None:
            while len(self._columns) < size:
                self._columns.append(self._digits[self._heads + len(self._columns)])
            passed = self._places if test is None else self._places[test(self._columns[:size])]
            found = self._starts[asked] = passed.tolist()
        return found
