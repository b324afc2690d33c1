"""Checks on the numbers of the United States and Canada."""

from __future__ import annotations

from guard.pii.sums import digits_of, luhn, plain_digits, weighted


def us_ssn(view: bytes) -> int:
    """Accept a social security number: area, group and serial that are issued (SSA POMS RM 10201.030)."""
    digits = plain_digits(view)
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return (
        len(view)
        if area not in (b"000", b"666") and group != b"00" and serial != b"0000" and area < b"900"
        else 0
    )


_SPECIMENS = frozenset([b"078051120", b"219099999", b"123456789"])


def us_ssn_bare(view: bytes) -> int:
    """Accept nine digits in a run that could be issued, no specimen (SSA: 078-05-1120 and others are void)."""
    digits = plain_digits(view)
    return us_ssn(view) if digits not in _SPECIMENS and len(set(digits)) > 2 else 0


def us_ssn_said(view: bytes) -> int:
    """Accept nine digits that their text calls a social security number."""
    digits = plain_digits(view)
    issued = digits[:3] not in (b"000", b"666") and digits[3:5] != b"00" and digits[5:] != b"0000"
    return len(view) if issued and len(set(digits)) > 1 else 0


def us_itin(view: bytes) -> int:
    """Accept a taxpayer number: 9xx with the groups 50-65, 70-88, 90-92, 94-99 (IRM 3.21.263)."""
    group = int(plain_digits(view)[3:5])
    return len(view) if 50 <= group <= 65 or 70 <= group <= 88 or (90 <= group <= 99 and group != 93) else 0


def us_dea(view: bytes) -> int:
    """Accept a registration number of the DEA: the sum of its odd digits and twice the others ends as it does."""
    digits = digits_of(view[2:])
    return len(view) if (sum(digits[:6:2]) + 2 * sum(digits[1:6:2])) % 10 == digits[6] else 0


_ABA_WEIGHTS = (3, 7, 1, 3, 7, 1, 3, 7, 1)


def us_aba_routing(view: bytes) -> int:
    """Accept a routing number: a Federal Reserve prefix and the check digit (ABA Routing Number Policy)."""
    digits = digits_of(view)
    prefix = digits[0] * 10 + digits[1]
    known = prefix <= 12 or 21 <= prefix <= 32 or 61 <= prefix <= 72 or prefix == 80
    return len(view) if known and any(digits) and weighted(digits, _ABA_WEIGHTS) % 10 == 0 else 0


def us_npi(view: bytes) -> int:
    """Accept a provider identifier: Luhn over 80840 and the ten digits (45 CFR 162.406)."""
    digits = digits_of(view)
    return len(view) if luhn(b"\x08\x00\x08\x04\x00" + digits) and len(set(digits[:9])) > 1 else 0


_EIN_NEVER = frozenset([0, 7, 8, 9, 17, 18, 19, 28, 29, 49, 69, 70, 78, 79, 89, 96, 97])


def us_ein(view: bytes) -> int:
    """Accept an employer number whose prefix a campus of the IRS gives out (IRS, EIN prefixes)."""
    return len(view) if int(plain_digits(view)[:2]) not in _EIN_NEVER else 0


def ca_sin(view: bytes) -> int:
    """Accept a social insurance number by Luhn; none begins with 0 or 8 (Service Canada)."""
    digits = digits_of(view)
    return len(view) if digits[0] not in (0, 8) and luhn(digits) and len(set(digits)) > 1 else 0


def ca_bn(view: bytes) -> int:
    """Accept a business number, its programme account included, by Luhn over nine digits (CRA RC2)."""
    return len(view) if luhn(digits_of(view)[:9]) else 0


def br_cpf(view: bytes) -> int:
    """Accept a CPF by its two check digits, MOD 11 (Receita Federal, IN RFB 1548/2015)."""
    digits = digits_of(view)
    one = weighted(digits[:9], (10, 9, 8, 7, 6, 5, 4, 3, 2)) * 10 % 11 % 10
    two = weighted(digits[:10], (11, 10, 9, 8, 7, 6, 5, 4, 3, 2)) * 10 % 11 % 10
    return len(view) if digits[9:] == bytes((one, two)) and len(set(digits)) > 1 else 0


_CUIT = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)
_CUIT_TYPES = frozenset([20, 23, 24, 25, 26, 27, 30, 33, 34, 50, 51, 55])


def ar_cuit(view: bytes) -> int:
    """Accept a CUIT or CUIL by type and check digit, MOD 11 (AFIP RG 10/1997)."""
    digits = digits_of(view)
    return len(view) if digits[0] * 10 + digits[1] in _CUIT_TYPES and weighted(digits, _CUIT) % 11 == 0 else 0


def cl_rut(view: bytes) -> int:
    """Accept a RUT by its check character, MOD 11 (Registro Civil)."""
    body, check = view[:-1], view[-1:].upper()
    digits = digits_of(body)[::-1]
    rest = (11 - weighted(digits, (2, 3, 4, 5, 6, 7, 2, 3, 4)) % 11) % 11
    return len(view) if b"0123456789K"[rest : rest + 1] == check else 0
