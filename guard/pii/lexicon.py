"""What a Latin word may be: a first name, a surname, a place, a plain word; read once, when names are first looked for.

`tools/names/lexicon.py` makes the file; `guard/data/NOTICE` says from which lists.
"""

from __future__ import annotations

import string
import unicodedata
import zlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guard.pii.wordtable import WordTable

FIRST, LAST, PLACE, PART, ORG, STREET, BIG, PROPER, FUNCTION = (1 << bit for bit in range(9))
"""Bits of a word: first name, surname, place, part of a place's name, word of organisations, of streets, country or
capital, known capital word that is nobody's name, function word of a foreign language."""

BUCKET = 9
"""Above these bits how common the plain word is: 1 (most) to 6, 0 for no plain word."""

PERSONAL = FIRST | LAST
NAMING = FIRST | LAST | PLACE | PART | BIG
_COMMON = 3  # words of SCOWL's levels up to 35: what ordinary prose is made of

CUES = frozenset("name named names mr mrs ms miss dr prof professor sir madam dear called".split())
"""Plain words that are not skipped, since what follows them may be a name."""

_FOLDED = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th", "ð": "d"}
)


def unaccented(word: str) -> str:
    """A lower-case word without its accents."""
    parts = unicodedata.normalize("NFKD", word.translate(_FOLDED))
    return "".join(char for char in parts if not unicodedata.combining(char))


class Lexicon:
    """The bits of every known word, and the words that are passed over at a glance; for long texts a table of both."""

    __slots__ = ("skip", "table", "words")

    def __init__(self, bits: dict[str, int]) -> None:
        self.words = bits
        self.table: WordTable | None = None
        self.skip = frozenset(_skipped(bits))

    def of(self, word: str) -> int:
        """The bits of a word in lower case, 0 for an unknown one."""
        found = self.words.get(word)
        if found is None:
            return 0 if word.isascii() else self.words.get(unaccented(word), 0)
        return found


def _skipped(bits: dict[str, int]) -> list[str]:
    """Letters, and common words that no list of names holds, as they stand in prose, at its beginning, in headings."""
    skipped = list(string.ascii_letters)
    for word, value in bits.items():
        bucket = value >> BUCKET
        if 0 < bucket <= _COMMON and word not in CUES:
            skipped.append(word)
            if not value & NAMING:
                skipped += (word.capitalize(), word.upper())
    return skipped


@cache
def lexicon() -> Lexicon:
    """Read the shipped lexicon, once a process."""
    raw = zlib.decompress(files("guard").joinpath("data/lexicon.bin").read_bytes())
    size = int.from_bytes(raw[:4], "little")
    words = raw[4 : 4 + size].decode("utf-8").split("\n")
    return Lexicon(dict(zip(words, memoryview(raw[4 + size :]).cast("H").tolist(), strict=True)))
