#!/usr/bin/env python3
# ruff: noqa: E501
"""Build guard/data/lexicon.bin: what a Latin word may be (a first name, a surname, a place, a plain word).

Needs, besides guard itself (for Faker): `pip install names` (MIT; name counts of the US census, public domain) and
the word lists of SCOWL (Debian: `apt-get install scowl`; free to use, copy, modify, distribute and sell with its
notice, see guard/data/NOTICE). Everything is read from these packages; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re
import sys
import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import names
import numpy as np
from faker.providers import address, person
from words import BRANDS, FOREIGN, NEVER, ORG_WORDS, PART_WORDS, SOFTWARE, STREET_WORDS

from guard.pii.lexicon import (
    BIG,
    BUCKET,
    FIRST,
    FUNCTION,
    LAST,
    ORG,
    PART,
    PLACE,
    PROPER,
    STREET,
)  # fmt: skip

ROOT = Path(__file__).resolve().parents[2]
_LEVELS = {10: 1, 20: 2, 35: 3, 40: 4, 50: 4, 55: 5, 60: 5, 70: 6}
_SURNAMES = 40_000
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def latin(word: str) -> bool:
    """Whether a word is written in Latin letters."""
    return all(ord(char) < 0x250 or 0x1E00 <= ord(char) < 0x1F00 for char in word)


def plain(word: str) -> str:
    """The word without its accents, as it is typed in a hurry."""
    special = word.translate(
        str.maketrans(
            {"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "ð": "d"}
        )
    )
    return "".join(char for char in unicodedata.normalize("NFKD", special) if not unicodedata.combining(char))


def strings(provider: Any, pattern: str) -> Iterator[str]:
    """Every string in the lists of a Faker provider whose name matches."""
    for name in dir(provider):
        if re.search(pattern, name) and not name.startswith("_"):
            yield from _strings_in(getattr(provider, name))


def _strings_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple, set)) or hasattr(value, "keys"):
        for item in value:
            yield from _strings_in(item)


def providers(package: Any) -> Iterator[tuple[str, Any]]:
    """The providers of every locale in one of Faker's packages."""
    for module in pkgutil.iter_modules(package.__path__):
        if module.ispkg:
            yield module.name, importlib.import_module(f"{package.__name__}.{module.name}").Provider


def census(file: str, most: int) -> Iterator[str]:
    """The most frequent names of a list of the US census."""
    path = Path(names.__file__).with_name(file)
    for line in path.read_text().splitlines()[:most]:
        yield line.split()[0].lower()


def words_of(text: str) -> list[str]:
    """The Latin words of two letters and more, in lower case."""
    return [word.lower() for word in _WORD.findall(text.replace("’", "'")) if len(word) > 1 and latin(word)]


class Lexicon:
    """The bits of every word, gathered list by list."""

    def __init__(self) -> None:
        self.bits: dict[str, int] = defaultdict(int)

    def add(self, words: Iterable[str], bit: int) -> None:
        """Give each word a bit, with and without its accents."""
        for word in words:
            for part in word.split("'") if "'" in word else (word,):
                if len(part) > 1:
                    self.bits[part] |= bit
                    self.bits[plain(part)] |= bit

    def people(self) -> None:
        """First names and surnames: Faker's of every locale, and the US census's."""
        for _locale, provider in providers(person):
            for pattern, bit in (("first_name|first_romanized", FIRST), ("last_name|last_romanized", LAST)):
                for text in strings(provider, pattern):
                    if "{" not in text and len(text) < 40:
                        self.add(words_of(text), bit)
        self.add(census("dist.male.first", 1300), FIRST)
        self.add(census("dist.female.first", 4300), FIRST)
        self.add(census("dist.all.last", _SURNAMES), LAST)

    def places(self) -> None:
        """Countries, states and cities of Faker's locales; words of longer names are parts."""
        for _locale, provider in providers(address):
            for text in strings(provider, "^countries$"):
                self._place(text, BIG | PLACE)
            for text in strings(
                provider,
                "^(cities|city_names|states|provinces|regions|cantons|departments|counties|governorates)",
            ):
                self._place(text, PLACE)
            for text in strings(provider, "street_suffix|street_prefix"):
                if "{" not in text:
                    self.add(words_of(text), STREET)
        for _, provider in providers(address):
            self.add((w for t in strings(provider, "capital") for w in words_of(t)), PLACE | BIG)

    def _place(self, text: str, bit: int) -> None:
        if "{" in text or "#" in text or len(text) > 40:
            return
        parts = words_of(text)
        self.add(parts, bit if len(parts) == 1 else PART)

    def words(self, scowl: Path) -> None:
        """How common each plain word is: the level of the smallest SCOWL list that holds it."""
        for level in sorted(_LEVELS, reverse=True):
            for kind in ("english-words", "american-words", "british-words", "english-contractions"):
                file = scowl / f"{kind}.{level}"
                if file.exists():
                    for word in words_of(file.read_text("latin-1")):
                        self._bucket(word, _LEVELS[level])
        for kind in ("english-upper", "american-upper", "british-upper", "english-proper-names"):
            for level in (10, 35, 40, 50, 60):
                file = scowl / f"{kind}.{level}"
                if file.exists():
                    for line in file.read_text("latin-1").splitlines():
                        if not line.endswith("'s"):
                            self._proper(words_of(line), level)

    def _bucket(self, word: str, bucket: int) -> None:
        for part in word.split("'"):
            if len(part) > 1:
                self.bits[part] = (self.bits[part] & ~(7 << BUCKET)) | bucket << BUCKET

    def _proper(self, parts: list[str], level: int) -> None:
        if len(parts) == 1 and not self.bits.get(parts[0], 0) & (FIRST | LAST | PLACE | PART):
            self.bits[parts[0]] |= PROPER

    def settle(self) -> None:
        """Own lists last; function words are nothing else, and very common words are names only where many bear them."""
        self.add(
            "africa europe asia america americas oceania antarctica eurasia england scotland wales ireland".split(),
            PLACE | BIG,
        )
        for word in SOFTWARE.split():
            if not self.bits[word] >> BUCKET & 7:
                self.bits[word] |= 4 << BUCKET
        self.add(BRANDS.split(), PROPER)
        self.add(ORG_WORDS.split(), ORG)
        self.add(STREET_WORDS.split(), STREET)
        self.add(PART_WORDS.split(), PART)
        borne = {
            *census("dist.all.last", 600),
            *census("dist.male.first", 600),
            *census("dist.female.first", 400),
        }
        for word, bits in self.bits.items():
            bucket = bits >> BUCKET & 7
            if 0 < bucket <= 2 and word not in borne:
                self.bits[word] &= ~(FIRST | LAST | (0 if bits & BIG else PLACE))
            if 0 < bucket <= 3 and bits & PART and word not in PART_WORDS.split():
                self.bits[word] &= ~PART
        for word in NEVER.split():
            self.bits[word] = (self.bits.get(word, 0) & (7 << BUCKET)) or 1 << BUCKET
        for word in FOREIGN.split():
            for form in {word, plain(word)}:
                if form not in NEVER.split():
                    self.bits[form] = (self.bits.get(form, 0) & ~(FIRST | LAST | PLACE | PART)) | FUNCTION
        for word in [word for word in self.bits if len(word) < 2]:
            del self.bits[word]

    def packed(self) -> bytes:
        """The file: words sorted, one a line, then their bits as little-endian 16-bit numbers, compressed."""
        ordered = sorted(word for word, bits in self.bits.items() if bits)
        values = np.array([self.bits[word] for word in ordered], dtype="<u2")
        text = "\n".join(ordered).encode("utf-8")
        return zlib.compress(len(text).to_bytes(4, "little") + text + values.tobytes(), 9)


def main() -> None:
    """Write the lexicon."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--scowl", type=Path, default=Path("/usr/share/dict/scowl"), help="folder of SCOWL's word lists"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "guard" / "data" / "lexicon.bin")
    options = parser.parse_args()
    lexicon = Lexicon()
    lexicon.people()
    lexicon.places()
    lexicon.words(options.scowl)
    lexicon.settle()
    data = lexicon.packed()
    options.out.write_bytes(data)
    print(f"{len(lexicon.bits)} words, {len(data)} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
