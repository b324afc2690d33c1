"""Draw fake parts by HMAC, not by chance: same key and value, same draw; no state, safe in any thread."""

from __future__ import annotations

import bisect
import hashlib
import hmac
import importlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from guard.errors import SetupError

LISTS_VERSION = "1"
"""Raised only on purpose: it is part of every draw, so raising it changes every fake."""

LATIN, HAN = "en_US", "zh_CN"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Draw:
    """A stream of numbers under (key, kind, value, attempt): HMAC-SHA256 blocks in counter mode."""

    def __init__(self, key: bytes, kind: str, value: str, attempt: int = 0) -> None:
        label = f"{LISTS_VERSION}\0{kind}\0{attempt}\0{value}".encode("utf-8", "surrogatepass")
        self._seed = hmac.digest(key, label, "sha256")
        self._counter = 0
        self._pool = b""

    def number(self) -> int:
        """The next 32 bits."""
        if not self._pool:
            self._pool = hmac.digest(self._seed, self._counter.to_bytes(4, "big"), "sha256")
            self._counter += 1
        word, self._pool = self._pool[:4], self._pool[4:]
        return int.from_bytes(word, "big")

    def below(self, limit: int) -> int:
        """A number from 0 to limit - 1 (limit far below 2^32, so the bias does not matter)."""
        return self.number() % limit

    def digits(self, count: int) -> str:
        """`count` decimal digits."""
        return "".join(str(self.below(10)) for _ in range(count))

    def hexes(self, count: int) -> str:
        """`count` lower-case hexadecimal digits."""
        return "".join(f"{self.below(16):x}" for _ in range(count))

    def letter(self) -> str:
        """One letter A-Z."""
        return _LETTERS[self.below(26)]

    def pick(self, ring: Ring) -> str:
        """One word of a ring."""
        return ring.at(self.number())


class Ring:
    """Words on a circle of hashes: a word that a new list version adds or drops moves only its own arc."""

    def __init__(self, words: Iterable[str]) -> None:
        placed = sorted((_place(word), word) for word in set(words))
        self._places = [place for place, _ in placed]
        self.words = [word for _, word in placed]

    def at(self, number: int) -> str:
        """The first word at or after a 32-bit number on the circle."""
        return self.words[bisect.bisect_left(self._places, number) % len(self.words)]


def _place(word: str) -> int:
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")


def _provider(topic: str, locale: str) -> Any:
    # Imported here: faker takes a third of a second, and most processes never draw a fake.
    try:
        return importlib.import_module(f"faker.providers.{topic}.{locale}").Provider
    except ModuleNotFoundError as error:
        raise SetupError(f"faker has no {topic} list for the locale {locale!r}") from error


def _plain(words: Iterable[str]) -> list[str]:
    return [word for word in words if word.isalpha()]


def _names(which: str, locale: str) -> Ring:
    words = getattr(_provider("person", locale), which, ())
    ring = Ring(_plain(words) if isinstance(words, Iterable) else ())
    if not ring.words:
        raise SetupError(f"faker's locale {locale!r} has no {which.replace('_', ' ')} that are single words")
    return ring


@lru_cache
def first_names(locale: str) -> Ring:
    """Faker's first names of a locale; single words only. Raises SetupError for an unknown locale."""
    return _names("first_names", locale)


@lru_cache
def gendered(locale: str) -> tuple[Ring, Ring]:
    """Faker's first names of a locale that only men, and that only women have; empty where it does not say."""
    lists = [
        set(_plain(getattr(_provider("person", locale), f"first_names_{which}", ())))
        for which in ("male", "female")
    ]
    men, women = lists
    return Ring(men - women), Ring(women - men)


@lru_cache
def last_names(locale: str) -> Ring:
    """Faker's last names of a locale; single words only. Raises SetupError for an unknown locale."""
    return _names("last_names", locale)


@lru_cache
def surnames() -> Ring:
    """Faker's one-character Chinese surnames."""
    return Ring(name for name in _provider("person", HAN).last_names if len(name) == 1)


@lru_cache
def given_characters() -> Ring:
    """The characters of Faker's Chinese given names."""
    return Ring(character for name in _provider("person", HAN).first_names for character in name)


@lru_cache
def gendered_characters() -> tuple[Ring, Ring]:
    """The characters of Faker's Chinese given names that only men's, and that only women's hold."""
    men, women = ({c for name in ring.words for c in name} for ring in gendered(HAN))
    return Ring(men - women), Ring(women - men)


@lru_cache
def districts() -> Ring:
    """Faker's Chinese district names."""
    return Ring(_provider("address", HAN).districts)


@lru_cache
def street_suffixes() -> Ring:
    """Faker's American street suffixes."""
    return Ring(_plain(_provider("address", LATIN).street_suffixes))


@lru_cache
def company_prefixes() -> Ring:
    """Faker's Chinese company names, without their legal form."""
    return Ring(_provider("company", HAN).company_prefixes)


@lru_cache
def company_suffixes() -> Ring:
    """Faker's American legal forms, single words only."""
    return Ring(_plain(_provider("company", LATIN).company_suffixes))
