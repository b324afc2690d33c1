"""`as: generalise`: what is left of a value that may stay: a band of ages, a year, the head of a postcode.

The rules are those of HIPAA's Safe Harbor (45 CFR 164.514(b)(2)(i)); a value that they leave nothing of has no
general form, and gets a token.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

OLD = 90
"""Ages above 89, and what tells of one, are one category (164.514(b)(2)(i)(C))."""

# First three digits of ZIP codes whose area has at most 20,000 people, by the Census of 2000 and of 2010
# (164.514(b)(2)(i)(B): 000 instead).
_SMALL = frozenset(
    "036 059 063 102 202 203 204 205 369 556 692 753 772 790 821 823 830 831 878 879 884 890 893".split()
)
_AGE = re.compile(
    r"(\D{0,16}?)([0-9]{1,3})((?:[ -]?(?:years?|yrs?|y|old|of|age|[./]|o)){0,6}|[ ]?(?:周岁|岁|歲|歳|세))",
    re.IGNORECASE,
)
_OLDEST = 130
_YEAR = re.compile(r"(?<![0-9])(1[89][0-9]{2}|20[0-9]{2})(?![0-9])")
_COMPACT = re.compile(r"(1[89][0-9]{2}|20[0-9]{2})(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_POSTCODES = {"pii.cn.postcode": (6, 2), "pii.de.plz": (5, 2)}


def generalise(kind: str, value: str, year: int = 0) -> str | None:
    """The general form of a value, None where it has none.

    `year` is the present one: without it no date has a general form, since nobody could say who is over 89.
    """
    plain = unicodedata.normalize("NFKC", value)
    return _FORMS[kind](plain, year) if kind in _FORMS else None


def _age(value: str, year: int) -> str | None:
    match = _AGE.fullmatch(value)
    if match is None or int(match.group(2)) > _OLDEST:
        return None
    age = int(match.group(2))
    band = f"{OLD}+" if age >= OLD else f"{age - age % 10}-{age - age % 10 + 9}"
    return value[: match.start(2)] + band + value[match.end(2) :]


def _date(value: str, year: int) -> str | None:
    compact = _COMPACT.fullmatch(value)
    years = {compact.group(1)} if compact else set(_YEAR.findall(value))
    if len(years) != 1 or not year:
        return None
    found = years.pop()
    suffix = "年" if f"{found}年" in value else ""
    return f"{year - OLD} or earlier" if int(found) <= year - OLD else found + suffix


def _zip(value: str, year: int) -> str | None:
    if re.fullmatch(r"[0-9]{5}(?:-?[0-9]{4})?", value) is None:
        return None
    return ("000" if value[:3] in _SMALL else value[:3]) + "**"


def _postcode(length: int, kept: int) -> Callable[[str, int], str | None]:
    """The head of a postcode that stands for a province or a large region."""
    shape = re.compile(f"[0-9]{{{length}}}")
    return lambda value, year: value[:kept] + "*" * (length - kept) if shape.fullmatch(value) else None


_FORMS: dict[str, Callable[[str, int], str | None]] = {
    "pii.age": _age,
    "pii.birth_date": _date,
    "pii.date": _date,
    "pii.us.zip": _zip,
    **{kind: _postcode(*sizes) for kind, sizes in _POSTCODES.items()},
}
GENERAL = frozenset(_FORMS)
"""The kinds that have a general form."""
