"""Checks on Chinese numbers: the mainland, Hong Kong, Macau, Taiwan."""

from __future__ import annotations

from operator import mul

from guard.pii.sums import compact, digits_of, is_date, is_written_date, values_of, weighted

CN_REGIONS = frozenset(
    [
        *range(11, 16),
        *range(21, 24),
        *range(31, 38),
        *range(41, 47),
        *range(50, 55),
        *range(61, 66),
        71,
        81,
        82,
        83,
    ]
)
"""First two digits of a region code (GB/T 2260; 81 to 83: residence permits of HK, Macau, Taiwan)."""

_CN_CHECK = b"10X98765432"


_CN_LANDS = frozenset(b"%d" % land for land in CN_REGIONS)


def _cn_parts(view: bytes) -> bytes:
    """The 18 characters of a resident id whose region and birth date can be, else nothing."""
    number = compact(view)
    if len(number) != 18 or number[:2] not in _CN_LANDS or not number[:17].isdigit():
        return b""
    return number if is_written_date(number[6:14]) else b""


def cn_resident_id(view: bytes) -> int:
    """Accept 18 characters: region (GB/T 2260), date, check character (GB 11643, ISO 7064 MOD 11-2)."""
    number = _cn_parts(view)
    if not number:
        return 0
    # The weights are 2, 4, 8 … from the right, MOD 11, where 13 is 2: so the sum is a number read in base 13.
    return len(view) if _CN_CHECK[int(number[:17], 13) * 2 % 11] == number[17] else 0


def cn_resident_id_shape(view: bytes) -> int:
    """Accept 18 characters with a possible region and date, whatever the check character (a mistyped id)."""
    return len(view) if _cn_parts(view) else 0


def cn_resident_id_15(view: bytes) -> int:
    """Accept the 15 digits of the first generation: region, date of the 1900s (GB 11643-1989)."""
    digits = compact(view)
    known = int(digits[:2]) in CN_REGIONS
    return (
        len(view) if known and is_date(1900 + int(digits[6:8]), int(digits[8:10]), int(digits[10:12])) else 0
    )


_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_VALUES = bytes(max(0, _USCC.find(chr(code).upper())) if code < 128 else 0 for code in range(256))
_USCC_LETTERS = (_USCC + _USCC.lower()).encode("ascii")
_USCC_WEIGHTS = tuple(pow(3, i, 31) for i in range(17))


def cn_uscc(view: bytes) -> int:
    """Accept a unified social credit code by its check character (GB 32100-2015, MOD 31)."""
    if len(view) != 18 or view.translate(None, _USCC_LETTERS):
        return 0
    values = view.translate(_USCC_VALUES)
    return 18 if (31 - sum(map(mul, _USCC_WEIGHTS, values)) % 31) % 31 == values[17] else 0


_TW_LETTERS = b"ABCDEFGHJKLMNPQRSTUVXYWZIO"


def tw_id(view: bytes) -> int:
    """Accept a Taiwanese id (letter, 9 digits) by its weighted sum, MOD 10 (Household Registration rules)."""
    code = 10 + _TW_LETTERS.index(view[:1].upper())
    digits = digits_of(view[1:10])
    total = code // 10 + code % 10 * 9 + weighted(digits, (8, 7, 6, 5, 4, 3, 2, 1, 1))
    return len(view) if total % 10 == 0 else 0


def hk_id(view: bytes) -> int:
    """Accept a Hong Kong identity card number by its check character (MOD 11, blank counts as 36)."""
    values = list(values_of(view))
    if len(values) == 8:
        values.insert(0, 36)
    return len(view) if len(values) == 9 and sum(map(mul, range(9, 0, -1), values)) % 11 == 0 else 0
