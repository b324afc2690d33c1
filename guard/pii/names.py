"""People, places, organisations and addresses in a text, without a model to download.

A name after a title, a label or "my name is" is sure enough for a wildcard rule; what only the tagger says scores
less, for rules that name the kind. What is found depends on the text nearby only, so that a stream can be cut.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator
from functools import cache

from guard.kinds import NAMES
from guard.pii.addresses import find_addresses, hold_addresses
from guard.pii.chains import candidates, prepare
from guard.pii.chains import holds as held_chains
from guard.pii.evasion import Projection
from guard.pii.hanzi import hanzi
from guard.pii.lexicon import lexicon
from guard.pii.names_chinese import CLAUSE, find_chinese
from guard.pii.names_latin import UNSURE, Named, find_latin, may_be_sure
from guard.pii.places_chinese import find_chinese_places
from guard.pii.surroundings import ABBREVIATED, PARTICLES
from guard.pii.tagger import tagger

_GLANCE = 48
_BEYOND = 1024
_WINDOW = 4096
_JOINING = PARTICLES | ABBREVIATED
_UNITS = frozenset("apt apartment suite ste unit flat floor fl room rm".split())


class Names:
    """Find names of the wanted kinds that score at least `least`."""

    __slots__ = ("_addresses", "_kinds", "_least", "_people", "_places", "_sure")

    def __init__(self, kinds: Collection[str], least: float = 0.0) -> None:
        self._kinds = NAMES.intersection(kinds)
        self._least = least
        self._sure = least > UNSURE
        self._addresses = "pii.address" in self._kinds
        self._people = bool(self._kinds - {"pii.address"})
        self._places = not self._sure and not self._kinds.isdisjoint(("pii.place", "pii.org"))

    def warm(self) -> None:
        """Read the lexicon and the taggers, which the first text would wait for."""
        find_latin("Dear Ms Otero")
        find_addresses("1")
        tagger("names_latin")
        hanzi()
        tagger("names_chinese")
        _plain_words()
        if self._people and not self._sure:
            prepare(lexicon())

    def find(self, text: str) -> list[Named]:
        """The names in a text: kind, start, end, score; those of addresses may overlap others."""
        found = find_latin(text, self._sure) if self._people else []
        if self._people and not text.isascii():
            found += find_chinese(text, self._sure)
            if self._places:
                found += find_chinese_places(text, self._kinds)
        if self._addresses:
            found += find_addresses(text)
        return [one for one in found if one[0] in self._kinds and one[3] >= self._least] if found else found

    def silent(self, text: str) -> bool:
        """Whether a glance shows that an ASCII text holds no name, whole or line by line."""
        if self._people and (may_be_sure(text) if self._sure else candidates(text, lexicon())):
            return False
        return not self._addresses or not find_addresses(text)

    def reading(self, text: str, projection: Projection) -> Reading:
        """A text as it is read for names, with the positions of its projection."""
        return Reading(self, plain(text, projection))

    def held(self, text: str, final: bool) -> tuple[list[tuple[int, int]], int]:
        """Where a text may not be cut, and how far that is known, whatever follows it (without `final`)."""
        stretches, settled = held_chains(text, lexicon(), final)
        if self._addresses:
            more, known = hold_addresses(text, final)
            stretches, settled = stretches + more, min(settled, known)
        if not text.isascii():
            stretches += [
                (run.start(), run.end() + 1) for run in CLAUSE.finditer(text) if not run.group().isascii()
            ]
        return stretches, settled


class Reading:
    """A text that is read for names: found in its pieces, held together at its seams."""

    __slots__ = ("_names", "_text")

    def __init__(self, names: Names, text: str) -> None:
        self._names = names
        self._text = text

    def find(self, base: int, low: int, high: int) -> list[Named]:
        """The names that begin from `low` on, in a piece with its context from `base` on."""
        whole = base == 0 and high == len(self._text)
        found = self._names.find(self._text if whole else self._text[base:high])
        return [(kind, s + base, e + base, score) for kind, s, e, score in found if s + base >= low]

    def seams(self, final: bool) -> Seams:
        """Where the text may not be cut, whatever follows it (without `final`)."""
        return Seams(self, final)

    def held(self, low: int, high: int, final: bool) -> tuple[list[tuple[int, int]], int]:
        """The stretches between two places inside which no cut may be, and up to where that is known."""
        base = max(0, low - _BEYOND)
        text = self._text[base : high + _BEYOND]
        stretches, settled = self._names.held(text, final and base + len(text) == len(self._text))
        return [(start + base, end + base) for start, end in _merged(stretches)], settled + base

    @property
    def length(self) -> int:
        """How long the text is."""
        return len(self._text)

    def clear(self, cut: int) -> bool:
        """Whether a glance shows that no name holds a cut.

        So it is behind three plain words, behind a plain one that ends a sentence, amid foreign text beside a sign.
        """
        text = self._text
        before = text[max(0, cut - _GLANCE) : cut]
        if not before.isascii():
            return not CLAUSE.match(before[-1]) and not any(
                char.isascii() and char.isalnum() for char in before
            )
        after = text[cut : cut + 1]
        words = before.split(" ")
        if len(words) < 5 or words[-1] or not after.isalpha():
            return False
        if words[-2].endswith(".") and after.isupper():
            return words[-2][:-1] in _plain_words()
        return after.islower() and _plain_words().issuperset(words[-4:-1])


class Seams:
    """Where a text may not be cut for its names: found stretch by stretch, as cuts are asked for."""

    __slots__ = ("_known", "_reading", "_stretches", "settled")

    def __init__(self, reading: Reading, final: bool) -> None:
        self._reading = reading
        self._known = 0 if final else 1 << 62
        self._stretches: list[tuple[int, int]] = []
        self.settled = 1 << 62
        if not final:
            self._stretches, self.settled = reading.held(0, reading.length, False)

    def over(self, position: int) -> int:
        """The end of the stretch that holds a position inside, 0 where none does."""
        if position >= self._known:
            self._known = position + _WINDOW
            self._stretches, _ = self._reading.held(position, self._known, True)
        index = bisect_left(self._stretches, position, key=lambda stretch: stretch[0]) - 1
        return self._stretches[index][1] if index >= 0 and position < self._stretches[index][1] else 0


@cache
def _plain_words() -> frozenset[str]:
    """The common words written small that no name holds."""
    return frozenset(word for word in lexicon().skip if word.islower() and len(word) > 1) - _JOINING - _UNITS


def _merged(stretches: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Stretches in order, those that overlap as one."""
    low = high = -1
    for start, end in sorted(stretches):
        if start < high:
            high = max(high, end)
            continue
        if high > low:
            yield low, high
        low, high = start, end
    if high > low:
        yield low, high


def plain(text: str, projection: Projection) -> str:
    """A text without what its projection leaves out, so that both have the same positions."""
    if projection.kept is None:
        return text
    return "".join(map(text.__getitem__, projection.kept.tolist()))
