"""Checks on the numbers of European countries."""

from __future__ import annotations

from guard.pii.sums import (
    compact,
    digits_of,
    icao,
    is_day,
    luhn,
    mod_11_10,
    plain_digits,
    values_of,
    weighted,
)

# --------------------------------------------------------------------------- United Kingdom


def uk_nhs(view: bytes) -> int:
    """Accept an NHS number by its check digit (NHS Data Dictionary, MOD 11)."""
    digits = digits_of(view)
    rest = 11 - weighted(digits[:9], (10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return len(view) if len(set(digits)) > 1 and rest % 11 == digits[9] and rest != 10 else 0


_NINO_NEVER = frozenset([b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"])


def uk_nino(view: bytes) -> int:
    """Accept a national insurance number whose prefix is issued (HMRC NIM39110)."""
    return len(view) if view[:2].upper() not in _NINO_NEVER else 0


# --------------------------------------------------------------------------- Germany


def icao_9(view: bytes) -> int:
    """Accept nine characters whose last is the check digit of the others (ICAO Doc 9303 part 3, section 4.9)."""
    values = values_of(view)
    return len(view) if icao(values[:8]) == values[8] and len(set(values)) > 2 else 0


def de_tax_id(view: bytes) -> int:
    """Accept a tax identification number: ISO 7064 MOD 11,10; no digit of the first ten more than thrice (BZSt)."""
    digits = digits_of(view)
    often = max(map(digits[:10].count, set(digits[:10])))
    return len(view) if often <= 3 and mod_11_10(digits) else 0


def de_vat_id(view: bytes) -> int:
    """Accept a VAT number by ISO 7064 MOD 11,10 (BZSt, USt-IdNr.)."""
    return len(view) if mod_11_10(digits_of(view)) else 0


def de_health_insurance(view: bytes) -> int:
    """Accept an insured person's number: the letter's place in two digits, then Luhn's weights (SGB V, section 290)."""
    values = values_of(view)
    letter = values[0] - 9
    digits = bytes((letter // 10, letter % 10)) + values[1:9]
    total = sum(digits[::2]) + sum(n * 2 - (9 if n > 4 else 0) for n in digits[1::2])
    return len(view) if total % 10 == values[9] else 0


_RVNR = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)


def de_social_security(view: bytes) -> int:
    """Accept a pension insurance number: digit sums of weighted digits, MOD 10 (VKVV, section 4)."""
    values = values_of(view)
    letter = values[8] - 9
    digits = values[:8] + bytes((letter // 10, letter % 10)) + values[9:11]
    products = (n * weight for n, weight in zip(digits, _RVNR, strict=True))
    return len(view) if sum(n // 10 + n % 10 for n in products) % 10 == values[11] else 0


def de_lanr(view: bytes) -> int:
    """Accept a physician's number by its seventh digit and its speciality (KBV, Arztnummern-Richtlinie)."""
    digits = digits_of(view)
    known = 1 <= digits[7] * 10 + digits[8] <= 69 or digits[7:] == b"\x09\x09"
    return len(view) if known and -weighted(digits[:6], (4, 9, 4, 9, 4, 9)) % 10 == digits[6] else 0


_KV = frozenset(
    [1, 2, 3, 17, 20, 38, 46, 51, 52, 71, 72, 73, 78, 83, 88, 93, 98, 99, *range(5, 17), *range(18, 20)]
)


def de_bsnr(view: bytes) -> int:
    """Accept an establishment's number that begins with a physicians' association (KBV, Schluessel S_KBV_KV)."""
    digits = digits_of(view)
    return len(view) if digits[0] * 10 + digits[1] in _KV and len(set(digits)) > 2 else 0


# --------------------------------------------------------------------------- Spain, Italy, Portugal

_NIF = b"TRWAGMYFPDXBNJZSQVHLCKE"


def es_nif(view: bytes) -> int:
    """Accept a DNI by its letter, MOD 23 (Real Decreto 1553/2005)."""
    plain = compact(view)
    return len(view) if _NIF[int(plain[:-1]) % 23] == plain[-1] else 0


def es_nie(view: bytes) -> int:
    """Accept a foreigner's number by its letter, X, Y and Z as 0, 1 and 2 (Orden INT/2058/2008)."""
    plain = compact(view)
    return len(view) if _NIF[int(b"%d" % (plain[0] - 88) + plain[1:-1]) % 23] == plain[-1] else 0


_ODD = bytes((1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23))
_ODD_VALUE = _ODD[:10] + _ODD


def it_fiscal_code(view: bytes) -> int:
    """Accept a codice fiscale by its check letter (Decreto Ministeriale of 23 December 1976)."""
    values = values_of(view)
    even = sum(n if n < 10 else n - 10 for n in values[1:15:2])
    total = even + sum(_ODD_VALUE[n] for n in values[:15:2])
    return len(view) if total % 26 + 10 == values[15] else 0


def it_vat_code(view: bytes) -> int:
    """Accept a partita IVA by Luhn, of a province that exists (Agenzia delle Entrate)."""
    digits = digits_of(view)
    office = digits[7] * 100 + digits[8] * 10 + digits[9]
    known = 1 <= office <= 100 or office in (120, 121, 888, 999)
    return len(view) if luhn(digits) and any(digits[:7]) and known else 0


def pt_nif(view: bytes) -> int:
    """Accept a NIF by its check digit, MOD 11 (Decreto-Lei 14/2013)."""
    digits = digits_of(view)
    fits = -weighted(digits[:8], (9, 8, 7, 6, 5, 4, 3, 2)) % 11 % 10 == digits[8]
    return len(view) if fits and digits[0] not in (0, 4) else 0


# --------------------------------------------------------------------------- Poland and the north

_PESEL = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)


def pl_pesel(view: bytes) -> int:
    """Accept a PESEL: check digit, and a date whose century is in the month (Ustawa o ewidencji ludnosci)."""
    digits = digits_of(view)
    month, day = (digits[2] * 10 + digits[3]) % 20, digits[4] * 10 + digits[5]
    return len(view) if 1 <= month <= 12 and 1 <= day <= 31 and weighted(digits, _PESEL) % 10 == 0 else 0


_HETU = b"0123456789ABCDEFHJKLMNPRSTUVWXY"


def fi_personal_identity_code(view: bytes) -> int:
    """Accept a henkilotunnus: its date, and the check character, MOD 31 (Valtioneuvoston asetus 128/2010)."""
    number = view[:6] + view[7:10]
    dated = is_day(int(view[4:6]), int(view[2:4]), int(view[:2]))
    return len(view) if dated and _HETU[int(number) % 31] == view[10:11].upper()[0] else 0


def se_personnummer(view: bytes) -> int:
    """Accept a personnummer or samordningsnummer: date (day plus 60) and Luhn (Folkbokforingslagen, section 18)."""
    digits = digits_of(view)[-10:]
    day = digits[4] * 10 + digits[5]
    dated = is_day(digits[0] * 10 + digits[1], digits[2] * 10 + digits[3], day - 60 if day > 60 else day)
    return len(view) if dated and luhn(digits) else 0


def se_organisationsnummer(view: bytes) -> int:
    """Accept an organisation's number: Luhn, and a third digit of at least 2 (Lag 1974:174)."""
    digits = digits_of(view)
    return len(view) if digits[2] >= 2 and luhn(digits) else 0


def nl_bsn(view: bytes) -> int:
    """Accept a burgerservicenummer by the eleven test (Wet algemene bepalingen burgerservicenummer)."""
    digits = digits_of(view)
    fits = weighted(digits[:8], (9, 8, 7, 6, 5, 4, 3, 2)) % 11 == digits[8]
    return len(view) if fits and any(digits[:2]) else 0


def be_nn(view: bytes) -> int:
    """Accept a rijksregisternummer: date, MOD 97, from 2000 on with a 2 before (KB of 3 April 1984)."""
    number = plain_digits(view)
    body, check = int(number[:9]), int(number[9:])
    dated = int(number[2:4]) <= 12 and int(number[4:6]) <= 31
    young = int(number[:2]) < 50 and check == 97 - (2_000_000_000 + body) % 97
    return len(view) if dated and (young or check == 97 - body % 97) else 0


def fr_nir(view: bytes) -> int:
    """Accept a numero de securite sociale by its key, MOD 97, Corsica's 2A and 2B as 19 and 18 (INSEE)."""
    number = compact(view).replace(b"2A", b"19").replace(b"2B", b"18")
    return len(view) if number.isdigit() and 97 - int(number[:13]) % 97 == int(number[13:]) else 0


def ch_ahv(view: bytes) -> int:
    """Accept an AHV number by its check digit (EAN-13; Weisungen der ZAS)."""
    digits = digits_of(view)
    return len(view) if -weighted(digits[:12], (1, 3) * 6) % 10 == digits[12] else 0


def ro_cnp(view: bytes) -> int:
    """Accept a CNP: date, county and check digit, MOD 11 (Hotararea 1375/2006)."""
    digits = digits_of(view)
    rest = weighted(digits[:12], (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    county = digits[7] * 10 + digits[8]
    dated = is_day(*(digits[i] * 10 + digits[i + 1] for i in (1, 3, 5))) and (
        1 <= county <= 48 or county in (51, 52)
    )
    return len(view) if dated and (1 if rest == 10 else rest) == digits[12] else 0
