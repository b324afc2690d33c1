"""The gates: sets of patterns of which one look at a text tells those that could match in it (RE2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from itertools import chain
from typing import Any

from guard.pii.cues import Cue
from guard.pii.patterns import endless, loosened, without_digits
from guard.pii.rows import Edge, Road, Row

_BESIDE = dict.fromkeys(Edge, "[^A-Za-z0-9]") | {Edge.DIGIT: "[^0-9]", Edge.FREE: ""}
"""What stands on both sides of a match, if anything does; of what may not stand further away nothing is said."""
_EDGE = {edge: (beside, beside) for edge, beside in _BESIDE.items()} | {
    Edge.GROUPED: (
        "(?:[^A-Za-z0-9 ./_-]|[^0-9][ ./_-])",
        "(?:[^A-Za-z0-9 ./_-]|[ ./_-](?:[^0-9 ./_-]|[ ./_-][^0-9]))",
    ),
}
_FOREIGN = r"\x1a"
BEGINNINGS = ("[^A-Za-z0-9", "(?:[^A-Za-z0-9", "[^0-9]", _FOREIGN)
"""What patterns begin with that match only from an edge on: no letter, no digit; or nothing of ASCII."""


def _options() -> Any:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.never_capture = True
    # A gate that forgets what it learnt of texts, because this is full, is 3 times slower.
    options.max_mem = 128 << 20
    return options


def framed(text: bytes) -> bytes:
    """A text between two characters that are no part of it, so that its edges are edges like any other.

    RE2 shares what patterns begin with where it is one class of characters, but not where it may be the beginning of
    the text instead: shared, what is new in a text is learnt in a fifth of the time.
    """
    return text.center(len(text) + 2, b"\0")


def gate_of(patterns: Iterable[str]) -> Any:
    """A gate of patterns: its `Match` gives the places of those that match somewhere in some bytes, if any."""
    import re2

    gate = re2.Set.SearchSet(_options())
    for pattern in patterns:
        gate.Add(pattern)
    gate.Compile()
    # The set itself, where its wrapper has it: the wrapper's look at the type takes 3 % of the time of 1 KB of prose.
    return getattr(gate, "_set", gate)


def _core(row: Row) -> str:
    return row.gate or endless(row.core)


def gate_pattern(row: Row) -> str:
    """What the gate asks of a row in a framed text: its core between edges; more may pass than the row finds."""
    core, (left, right) = _core(row), _EDGE[row.edge]
    if row.road is Road.AFTER:
        return f"{_FOREIGN}(?:{core})"  # a head ends outside ASCII
    return f"{left}(?:{core}){right}" if left else core


Patterns = Sequence[tuple[int, str]]
"""Patterns, each with its place."""

Part = tuple[Callable[[bytes], list[int] | None], Sequence[Sequence[int]]]
"""One set of patterns: what tells which of them match in a text, and the places of each."""


class Gate:
    """Patterns in a few sets, by their places: what one automaton tells apart multiplies, what several do adds up.

    Each learns what is new in a text much sooner. Those in `hinted` match only in a text that has what the hint says
    which stands, with `hint_place`, among the others: they are asked only then. A text without digits needs one set,
    and those behind hints, of what is asked of such.
    """

    __slots__ = ("_hinted", "_hinted_words", "_parts", "_words")

    def __init__(self, groups: Sequence[Patterns], hinted: Sequence[Patterns]) -> None:
        self._parts = [_part(group) for group in groups if group]
        self._hinted = [_part(patterns) for patterns in hinted]
        self._words = _part(_of_words(chain(*groups)))
        self._hinted_words = [_part(_of_words(patterns)) for patterns in hinted]

    def hits(self, text: bytes) -> list[int]:
        """The places of the patterns that match somewhere in a text."""
        text = framed(text)
        found: list[int] = []
        for match, places in self._parts:  # as `_hits`, without a call: every text with a digit comes here
            for hit in match(text) or ():
                found += places[hit]
        return _followed(found, self._hinted, text) if found and min(found) < 0 else found

    def words(self, text: bytes) -> list[int]:
        """The same in a text without digits."""
        text = framed(text)
        found = _hits(self._words, text)
        return _followed(found, self._hinted_words, text) if found and min(found) < 0 else found


def hint_place(index: int) -> int:
    """The place, among the patterns of a gate, of the hint that tells whether to ask one of the hinted sets."""
    return ~index


def _followed(found: list[int], hinted: Sequence[Part], text: bytes) -> list[int]:
    """What was found, with what is found behind hints for the hints."""
    hints = [place for place in found if place < 0]
    for place in hints:
        found.remove(place)
        found += _hits(hinted[~place], text)
    return found


def _part(patterns: Patterns) -> Part:
    """A set of patterns, in which a pattern with several places stands once."""
    places: dict[str, list[int]] = {}
    for place, pattern in patterns:
        places.setdefault(pattern, []).append(place)
    return gate_of(places).Match, [*places.values()]


def _of_words(patterns: Iterable[tuple[int, str]]) -> Patterns:
    """What patterns ask of a text without digits."""
    return [(place, without_digits(pattern)) for place, pattern in sorted(patterns)]


def _hits(part: Part, text: bytes) -> list[int]:
    match, places = part
    hits = match(text)
    return [place for hit in hits for place in places[hit]] if hits else []


@cache
def alone(row: Row) -> Callable[[bytes], object]:
    """What the gate asks of one row, digits and all, as a search in a stretch."""
    import re2

    search: Callable[[bytes], object] = re2.compile(gate_pattern(row).encode("ascii"), _options()).search
    return lambda stretch: search(framed(stretch))


Search = Callable[..., re.Match[bytes] | None]
"""What looks for a pattern in bytes, from a place on."""


def leaping(pattern: re.Pattern[bytes], core: str, edge: Edge) -> Search:
    """The search for a pattern with some core between edges, told by an automaton where it may begin.

    `re` looks for one of many words letter by letter, at a hundred times the cost. Where the automaton knows too little
    (of look-arounds it knows nothing), the rest is left to `re`: else it would be asked at every letter.
    """
    loose, beside = loosened(core), _BESIDE[edge]
    if loose is None:
        return pattern.search
    if not beside:
        return partial(_leap, pattern, loose, 0)
    return partial(_leap, pattern, rf"{beside}(?:{loose})(?:{beside}|\z)", 1)


def _leap(
    pattern: re.Pattern[bytes], loose: str, before: int, text: bytes, at: int = 0
) -> re.Match[bytes] | None:
    """Search from a place on; so many characters `before` a match belong to what the automaton looks for."""
    begins, match = _begins(loose), pattern.match
    if before and not at:
        if found := match(text):
            return found
        at = 1
    for _ in range(_LEAPS):
        at = begins(text, at - before)
        if at < 0:
            return None
        at += before
        if found := match(text, at):
            return found
        at += 1
    return pattern.search(text, at)


_LEAPS = 16
"""At so many places a match may not be, before all are asked for it."""


@cache
def _begins(pattern: str) -> Callable[[bytes, int], int]:
    """Make what tells where the first match of a pattern begins in a text, from a place on; -1 where there is none."""
    import re2

    compiled = re2.compile(pattern.encode("ascii"), _options())
    inner, anchors = getattr(compiled, "_regexp", None), getattr(re2, "_Anchor", None)
    if inner is None or anchors is None:
        return lambda text, at: found.start() if (found := compiled.search(text, at)) else -1
    # The automaton itself, where its wrapper has it: the wrapper takes five times as long to say where one word is.
    match, anywhere = inner.Match, anchors.UNANCHORED
    return lambda text, at: match(anywhere, text, at, len(text))[0][0]


class Spoken:
    """Which of some cues have a Latin word in a stretch: a look-up for each word of it.

    What is said is one integer, a bit for each cue by its place.
    """

    __slots__ = ("_latin", "_words")

    def __init__(self, cues: Sequence[Cue | None]) -> None:
        self._latin: dict[bytes, int] = {}
        for place, cue in enumerate(cues):
            for word in cue.every if cue is not None else ():
                self._latin[word] = self._latin.get(word, 0) | 1 << place
        self._words = frozenset(self._latin)

    def said(self, letters: bytes) -> int:
        """The cues with a word among the letters of a stretch."""
        found = 0
        for word in self._words.intersection(letters.split()):
            found |= self._latin[word]
        return found
