"""Fakes made of words: people, addresses, places, organisations, e-mail addresses.

No range of names is reserved for nobody, so these carry a mark: `-Example` in Latin script (as in RFC 2606's
example.com), and in Chinese 某, "a certain", which newspapers and courts write for a name they withhold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from guard.pii import draw as lists
from guard.pii.draw import LATIN, Draw

MARK, HAN_MARK = "-Example", "某"
_HAN = re.compile(r"[\u3400-\u9fff]")
_LATIN_MARKED = re.compile(
    r"(?:\b[^\W\d_]+ )?\b[^\W\d_]+-Example\b(?:, [^\W\d_]+\b| (?:Inc|LLC|Group|PLC|Ltd)\b)?"
    r"|\b[0-9]{1,3} [^\W\d_]+-Example [^\W\d_]+\b",
    re.IGNORECASE,
)
DOMAIN = r"(?:example\.(?:com|org|net)|[a-z]{2,6}\.example)"
_EMAIL = re.compile(rf"[a-z]{{2,}}[._-]?[a-z]{{2,}}[0-9]{{2}}@{DOMAIN}", re.IGNORECASE)
_TOPS = ("com", "org", "net")
_FREE = re.compile(
    r"(?:gmail|googlemail|outlook|hotmail|live|msn|yahoo|ymail|icloud|aol|gmx|web|qq|foxmail|163|126|yeah|sina|sohu|proton|"
    r"protonmail|mail|yandex|naver)\.[a-z]{2,3}(?:\.[a-z]{2})?"
)
# What a domain tells of who keeps it, and the name below `.example` (RFC 6761) that tells the same.
_CLASSES = (
    (_FREE, "mail"),
    (re.compile(r"(?:.*\.)?(?:edu|ac)(?:\.[a-z]{2})?"), "edu"),
    (re.compile(r"(?:.*\.)?(?:gov|gob|gouv|govt|mil)(?:\.[a-z]{2})?"), "gov"),
    (
        re.compile(r"(?:.*\.)?(?:internal|intranet|intern|local|localdomain|lan|corp|home|localhost)"),
        "intern",
    ),
)
_MEN = frozenset("mr mister sir herr monsieur señor sr signor".split())
_WOMEN = frozenset("mrs ms miss madam frau fräulein madame mme señora sra signora".split())
_WORD = re.compile(r"[^\W\d_]+")


def email(value: str, draw: Draw) -> str:
    """An address at a domain of the same class that RFC 2606 or RFC 6761 reserves."""
    local, _, domain = value.rpartition("@")
    separator = next((c for c in local if c in "._-"), "")
    first, last = (draw.pick(_ascii_names(which)) for which in ("first", "last"))
    made = f"{first}{separator}{last}{draw.digits(2)}@{_domain(domain.lower(), draw)}".lower()
    return made.upper() if value.isupper() else made


def _domain(domain: str, draw: Draw) -> str:
    """A reserved domain that tells as much: free mail, a school, an office, an own network, a country, or com."""
    named = next((name for shape, name in _CLASSES if shape.fullmatch(domain)), "")
    last = domain.rpartition(".")[2]
    if not named and len(last) == 2 and last.isascii() and last.isalpha():
        named = last
    top = last if last in _TOPS else _TOPS[draw.below(3)]
    return f"{named}.example" if named else f"example.{top}"


def is_email(value: str) -> bool:
    """Whether an address is one that `email` draws."""
    return _EMAIL.fullmatch(value) is not None


def person(value: str, draw: Draw, locale: Sequence[str]) -> str:
    """A name in the script, the order and the letter case of the value, and of its gender where that is known."""
    if _chinese(value, locale):
        gender = _gender_han(value)
        ring = lists.given_characters() if gender is None else lists.gendered_characters()[gender]
        given = draw.pick(ring)
        more = draw.pick(ring) if len(_HAN.findall(value)) > 3 else ""
        return draw.pick(lists.surnames()) + HAN_MARK + given + more
    name = _latin(locale)
    first, last = draw.pick(_first_names(name, value)), draw.pick(lists.last_names(name)) + MARK
    if "," in value:
        return _cased(f"{last}, {first}", value)
    return _cased(f"{first} {last}" if len(value.split()) > 1 else f"{first}{MARK}", value)


def _first_names(locale: str, value: str) -> lists.Ring:
    """The first names to draw from: of one gender where a title, or a name that only one has, tells it."""
    words = set(_WORD.findall(value.casefold()))
    titled = (not words.isdisjoint(_MEN), not words.isdisjoint(_WOMEN))
    named = _named(words, locale) if not any(titled) else titled
    rings = lists.gendered(locale)
    chosen = [ring for ring, told in zip(rings, named, strict=True) if told and ring.words]
    return chosen[0] if len(chosen) == 1 else lists.first_names(locale)


def _named(words: set[str], locale: str) -> tuple[bool, ...]:
    sides = (_folded(name) for name in {locale, LATIN})
    told = [[not words.isdisjoint(side) for side in pair] for pair in sides]
    return tuple(any(side) for side in zip(*told, strict=True))


@lru_cache
def _folded(locale: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(word.casefold() for word in ring.words) for ring in lists.gendered(locale))


def _gender_han(value: str) -> int | None:
    """0 for a man's name, 1 for a woman's, by the title after it or the given name; None where neither tells."""
    for gender, titles in enumerate((("先生",), ("女士", "小姐", "太太"))):
        if value.endswith(titles):
            return gender
    men, women = (set(ring.words) for ring in lists.gendered(lists.HAN))
    given = {value[1:], value[2:]} - {""}
    told = (bool(given & men), bool(given & women))
    return told.index(True) if sum(told) == 1 else None


def address(value: str, draw: Draw, locale: Sequence[str]) -> str:
    """A street address in a city or a street that is not there."""
    number = 1 + draw.below(999)
    if _chinese(value, locale):
        street = draw.pick(lists.surnames()) + draw.pick(lists.given_characters())
        return f"{HAN_MARK}市{draw.pick(lists.districts())}区{street}路{number}号"
    street = f"{draw.pick(lists.last_names(_latin(locale)))}{MARK} {draw.pick(lists.street_suffixes())}"
    return _cased(f"{number} {street}", value)


def place(value: str, draw: Draw, locale: Sequence[str]) -> str:
    """A town that is not there."""
    if _chinese(value, locale):
        return HAN_MARK + draw.pick(lists.districts())
    return _cased(draw.pick(lists.last_names(_latin(locale))) + MARK, value)


def organisation(value: str, draw: Draw, locale: Sequence[str]) -> str:
    """A company that is not there."""
    if _chinese(value, locale):
        return f"{HAN_MARK}{draw.pick(lists.company_prefixes())}公司"
    made = f"{draw.pick(lists.last_names(_latin(locale)))}{MARK}"
    return _cased(f"{made} {draw.pick(lists.company_suffixes())}" if " " in value else made, value)


def is_marked(value: str) -> bool:
    """Whether the whole of a value is a fake of words."""
    return any(span == (0, len(value)) for span in marked_spans(value))


def marked_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where fakes of words stand in a text."""
    if MARK.lower() in text.lower():
        yield from (match.span() for match in _LATIN_MARKED.finditer(text))
    if HAN_MARK in text:
        yield from (match.span() for match in _han_marked().finditer(text))


def _chinese(value: str, locale: Sequence[str]) -> bool:
    return any(name.startswith("zh") for name in locale) and _HAN.search(value) is not None


def _latin(locale: Sequence[str]) -> str:
    return next((name for name in locale if not name.startswith("zh")), LATIN)


def _cased(made: str, value: str) -> str:
    if value.isupper():
        return made.upper()
    return made.lower() if value.islower() else made


@lru_cache
def _ascii_names(which: str) -> lists.Ring:
    ring = lists.first_names(LATIN) if which == "first" else lists.last_names(LATIN)
    return lists.Ring(word for word in ring.words if word.isascii() and len(word) > 1)


@lru_cache
def _han_marked() -> re.Pattern[str]:
    # Closed sets around the mark, since 某 is also an ordinary word: 张伟某天 holds no fake.
    names, given = "".join(lists.surnames().words), "".join(lists.given_characters().words)
    districts, companies = (
        "|".join(sorted(map(re.escape, ring.words), key=len, reverse=True))
        for ring in (lists.districts(), lists.company_prefixes())
    )
    return re.compile(
        rf"[{names}]某[{given}]{{1,2}}"
        rf"|某市(?:{districts})区[{names}][{given}]路[0-9]{{1,3}}号"
        rf"|某(?:{companies})公司"
        rf"|某(?:{districts})"
    )
