"""Checks on the numbers of Asian, African and Oceanian countries outside China."""

from __future__ import annotations

from guard.pii.sums import compact, digits_of, is_day, luhn, verhoeff, weighted

# --------------------------------------------------------------------------- Australia


def au_abn(view: bytes) -> int:
    """Accept a business number: first digit less 1, weighted sum MOD 89 (Australian Business Register)."""
    digits = digits_of(view)
    fits = (weighted(digits, (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) - 10) % 89 == 0
    return len(view) if fits and digits[0] * 10 + digits[1] > 10 else 0


def au_acn(view: bytes) -> int:
    """Accept a company number by its check digit, MOD 10 (ASIC)."""
    digits = digits_of(view)
    return (
        len(view) if -weighted(digits[:8], (8, 7, 6, 5, 4, 3, 2, 1)) % 10 == digits[8] and any(digits) else 0
    )


def au_tfn(view: bytes) -> int:
    """Accept a tax file number by its weighted sum, MOD 11 (Australian Taxation Office)."""
    digits = digits_of(view)
    return len(view) if weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0 and any(digits[:3]) else 0


def au_medicare(view: bytes) -> int:
    """Accept a Medicare card number by its ninth digit (Department of Human Services, METeOR 270101)."""
    digits = digits_of(view)
    return len(view) if weighted(digits[:8], (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == digits[8] else 0


# --------------------------------------------------------------------------- India


def in_aadhaar(view: bytes) -> int:
    """Accept an Aadhaar number: Verhoeff; none begins with 0 or 1 or reads the same backwards (UIDAI)."""
    digits = digits_of(view)
    return len(view) if digits[0] > 1 and digits != digits[::-1] and verhoeff(digits) else 0


def in_gstin(view: bytes) -> int:
    """Accept a GSTIN: a state of 01 to 38 or 97, 99 before a PAN (CBIC, GST registration)."""
    state = int(view[:2])
    return len(view) if 1 <= state <= 38 or state in (97, 99) else 0


_IN_STATES = frozenset(
    b"""AN AP AR AS BR CG CH DD DL DN GA GJ HP HR JH JK KA KL LA LD MH ML MN MP MZ NL OD OR PB PY RJ SK TN TR TS UK UP
    WB""".split()
)


def in_vehicle(view: bytes) -> int:
    """Accept a registration mark of an Indian state (Motor Vehicles Act 1988, sections 39 and 41)."""
    return len(view) if compact(view)[:2] in _IN_STATES and compact(view)[-4:] != b"0000" else 0


# --------------------------------------------------------------------------- Korea


def kr_rrn(view: bytes) -> int:
    """Accept a resident registration number by date and check digit (before October 2020), or by date and region."""
    digits = digits_of(view)
    dated = is_day(*(digits[i] * 10 + digits[i + 1] for i in (0, 2, 4)))
    return len(view) if dated and digits[7] * 10 + digits[8] <= 95 else 0


def kr_frn(view: bytes) -> int:
    """Accept a foreigner's registration number by its date (Immigration Act, article 31)."""
    digits = digits_of(view)
    return len(view) if is_day(*(digits[i] * 10 + digits[i + 1] for i in (0, 2, 4))) else 0


def kr_brn(view: bytes) -> int:
    """Accept a business registration number by its check digit (National Tax Service)."""
    digits = digits_of(view)
    total = weighted(digits[:9], (1, 3, 7, 1, 3, 7, 1, 3, 5)) + digits[8] * 5 // 10
    issued = digits[0] and any(digits[1:3]) and any(digits[3:5]) and any(digits[5:9])
    return len(view) if issued and -total % 10 == digits[9] else 0


# --------------------------------------------------------------------------- South-east Asia, Turkey

_NRIC = (2, 7, 6, 5, 4, 3, 2)


def sg_nric_fin(view: bytes) -> int:
    """Accept an NRIC or FIN by its check letter, MOD 11 (ICA; M series of 2022)."""
    plain = compact(view)
    total = weighted(digits_of(plain), _NRIC) + {b"T": 4, b"G": 4, b"M": 3}.get(plain[:1], 0)
    letters = {b"S": b"JZIHGFEDCBA", b"T": b"JZIHGFEDCBA", b"M": b"KLJNPQRTUWX"}.get(
        plain[:1], b"XWUTRQPNMLK"
    )
    place = 10 - total % 11 if plain[:1] == b"M" else total % 11
    return len(view) if letters[place] == plain[8] else 0


_TH_PROVINCES = ((10, 27), (30, 49), (50, 58), (60, 67), (70, 77), (80, 86), (90, 96))
"""First and last of the first two digits of a place (ISO 3166-2:TH)."""


def th_tnin(view: bytes) -> int:
    """Accept a Thai identification number by its province and check digit, MOD 11 (Ministry of Interior)."""
    digits = digits_of(view)
    province = digits[1] * 10 + digits[2]
    known = any(low <= province <= high for low, high in _TH_PROVINCES)
    fits = (11 - weighted(digits[:12], tuple(range(13, 1, -1))) % 11) % 10 == digits[12]
    return len(view) if known and fits else 0


def tr_national_id(view: bytes) -> int:
    """Accept a T.C. kimlik number by its two check digits (5490 sayili Kanun, NVI)."""
    digits = digits_of(view)
    ten = (sum(digits[0:9:2]) * 7 - sum(digits[1:8:2])) % 10
    return len(view) if digits[0] and ten == digits[9] and sum(digits[:10]) % 10 == digits[10] else 0


def ph_tin(view: bytes) -> int:
    """Accept a Philippine taxpayer number by its ninth digit, MOD 11 (Bureau of Internal Revenue)."""
    digits = digits_of(view)
    return (
        len(view)
        if weighted(digits[:8], (9, 8, 7, 6, 5, 4, 3, 2)) % 11 == digits[8] and any(digits[:8])
        else 0
    )


# --------------------------------------------------------------------------- Africa, Israel


def za_id_number(view: bytes) -> int:
    """Accept a South African identity number: date, citizenship, Luhn (Identification Act 68 of 1997)."""
    digits = digits_of(view)
    return len(view) if is_day(*(digits[i] * 10 + digits[i + 1] for i in (0, 2, 4))) and luhn(digits) else 0


def ng_nin(view: bytes) -> int:
    """Accept a Nigerian identification number by Verhoeff (NIMC)."""
    digits = digits_of(view)
    return len(view) if verhoeff(digits) and len(set(digits)) > 2 else 0


def il_idnr(view: bytes) -> int:
    """Accept a mispar zehut by Luhn from the left (Population Registry Law 1965)."""
    digits = digits_of(view)
    return len(view) if luhn(digits) and any(digits) else 0


def jp_in(view: bytes) -> int:
    """Accept a Japanese individual number by its check digit, MOD 11 (Ordinance of MIC 85 of 2014)."""
    digits = digits_of(view)
    rest = weighted(digits[:11], (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return len(view) if (0 if rest < 2 else 11 - rest) == digits[11] else 0
