"""What a Chinese word or character may be: words with class and frequency, surnames, characters of given names.

`tools/names/hanzi.py` makes the file; `guard/data/NOTICE` says from which lists.
"""

from __future__ import annotations

import re
import zlib
from functools import cache
from importlib.resources import files

import orjson

OTHER, VERB, FUNCTION, PLACE, ORGANISATION, NUMBER, ADJECTIVE, ROLE = range(8)
"""Classes of words, in the low three bits of a word's value; its frequency bucket (0 to 15) stands above them."""


NICK = frozenset("小老阿")
"""Characters before a familiar name."""

LED = frozenset("叫是称名人")
"""Characters that end what leads to a name: 我叫, 我是, 自称, 姓名, 鄙人."""

_UNLIKELY = -1.5
_FORMS = "先女小太老同经主教医总师大律警局处科部校院所厂书董某"


class Hanzi:
    """The dictionary and the tables of characters; odds are natural logarithms.

    `spots` finds where a surname, a familiar name or what leads to a name stands, `sounds` runs of foreign sounds;
    `places` are the first two characters of places.
    """

    __slots__ = ("compound", "foreign", "given", "last", "places", "sounds", "spots", "surname", "words")

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
        names = "".join({char for table in (given, last) for char, odds in table.items() if odds > _UNLIKELY})
        after = f"(?=[{names}{_FORMS}])"
        double = "|".join(f"{name[0]}(?={name[1]})" for name in sorted(compound))
        self.spots = re.compile(f"[{''.join(surname)}{''.join(NICK)}]{after}|{double}|[{''.join(LED)}]")
        sound = f"[{''.join(foreign)}]"
        self.sounds = re.compile(f"{sound}[{''.join(foreign)}·•・]{{2,}}")
        self.places = frozenset(word[:2] for word, value in words.items() if value & 7 == PLACE)


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
