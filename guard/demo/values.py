"""Made-up people: valid in form, drawn anew for every run, so that nothing shown can be hard-coded."""

from __future__ import annotations

import random
from dataclasses import dataclass

_CN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True, slots=True)
class Person:
    """One invented person's values."""

    email: str
    card: str
    mobile: str
    resident_id: str
    bank_number: str
    licence: str


def invent(rng: random.Random) -> Person:
    """Draw one person."""
    return Person(
        email=f"{_word(rng)}.{_word(rng)}@{_word(rng)}-{_word(rng)}.org",
        card=_card(rng),
        mobile=f"13{rng.randrange(10)}{rng.randrange(10**8):08d}",
        resident_id=_resident_id(rng),
        bank_number=f"{rng.randrange(10**9, 10**10)}",
        licence=_licence(rng),
    )


def _word(rng: random.Random) -> str:
    return "".join(rng.choice("bdfgklmnprstv") + rng.choice("aeiou") for _ in range(3))


def _card(rng: random.Random) -> str:
    digits = [4, *(rng.randrange(10) for _ in range(14))]
    total = sum(d if i % 2 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits))
    digits.append(-total % 10)
    text = "".join(map(str, digits))
    return " ".join(text[i : i + 4] for i in range(0, 16, 4))


def _resident_id(rng: random.Random) -> str:
    """GB 11643-1999: region, birth date, serial, MOD 11-2 check character."""
    born = f"{rng.randrange(1960, 2003)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}"
    body = f"110105{born}{rng.randrange(1000):03d}"
    total = sum(int(digit) * weight for digit, weight in zip(body, _CN_WEIGHTS, strict=True))
    return body + "10X98765432"[total % 11]


def _licence(rng: random.Random) -> str:
    """A DEA registration number: two letters, six digits and their check digit."""
    d = [rng.randrange(10) for _ in range(6)]
    check = (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10
    return f"B{rng.choice('BCDFGHK')}{''.join(map(str, d))}{check}"
