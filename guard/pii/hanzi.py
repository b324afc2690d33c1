"""What a Chinese word or character may be: words with class and frequency, surnames, characters of given names.

`tools/names/hanzi.py` makes the file; `guard/data/NOTICE` says from which lists.
"""

from __future__ import annotations

import zlib
from functools import cache
from importlib.resources import files

import orjson

OTHER, VERB, FUNCTION, PLACE, ORGANISATION, NUMBER, ADJECTIVE, ROLE = range(8)
"""Classes of words, in the low three bits of a word's value; its frequency bucket (0 to 15) stands above them."""


class Hanzi:
    """The dictionary and the tables of characters; odds are natural logarithms."""

    __slots__ = ("compound", "foreign", "given", "last", "surname", "words")

    def __init__(
        self,
        words: dict[str, int],
        surname: dict[str, float],
        compound: frozenset[str],
        given: dict[str, float],
        last: dict[str, float],
        foreign: frozenset[str],
    ) -> None:
        self.words = words
        self.surname = surname
        self.compound = compound
        self.given = given
        self.last = last
        self.foreign = foreign


@cache
def hanzi() -> Hanzi:
    """Read the shipped tables, once a process."""
    raw = zlib.decompress(files("guard").joinpath("data/hanzi.bin").read_bytes())
    size = int.from_bytes(raw[:4], "little")
    head = orjson.loads(raw[4 : 4 + size])
    words = head["words"].split(" ")
    values = raw[4 + size :]
    return Hanzi(
        dict(zip(words, values, strict=True)),
        {char: odds / 10 for char, odds in head["surname"].items()},
        frozenset(head["compound"]),
        {char: odds / 10 for char, odds in head["given"].items()},
        {char: odds / 10 for char, odds in head["last"].items()},
        frozenset(head["foreign"]),
    )
