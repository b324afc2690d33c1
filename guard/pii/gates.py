"""The gates: sets of patterns of which one look at a text tells those that could match in it (RE2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from guard.pii.cues import Cue
from guard.pii.rows import Edge, Road, Row

_EDGE = dict.fromkeys(Edge, "[^A-Za-z0-9]") | {Edge.DIGIT: "[^0-9]", Edge.FREE: ""}
_LONG_REPEAT = re.compile(r"\{(\d+),\d{3,}\}")
_GLANCE = 8


def _options() -> Any:
    import re2

    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.max_mem = (
        128 << 20
    )  # a gate that forgets what it learnt of texts, because this is full, is 3 times slower
    return options


def gate_of(patterns: Iterable[str]) -> Any:
    """A gate of patterns: its `Match` gives the places of those that match somewhere in some bytes, or None."""
    import re2

    gate = re2.Set.SearchSet(_options())
    for pattern in patterns:
        gate.Add(pattern)
    gate.Compile()
    return gate


def _core(row: Row) -> str:
    return row.gate or _LONG_REPEAT.sub(r"{\1,}", row.core)


def gate_pattern(row: Row) -> str:
    """What the gate asks of a row: its core between edges, which may let through more than the row finds."""
    core, edge = _core(row), _EDGE[row.edge]
    if row.road is Road.AFTER:
        return rf"\x1a(?:{core})"  # a head ends outside ASCII
    if not edge:
        return core
    return f"(?:^|{edge})(?:{core})(?:$|{edge})"


def first_of(row: Row) -> tuple[int, int]:
    """The least and the greatest byte that a match of a row can begin with."""
    import re2

    least, most = re2.compile(_core(row).encode("ascii"), _options()).possiblematchrange(_GLANCE)
    return least[0], most[0]


class Spoken:
    """Which of some cues have a word in a stretch: one look, however many cues and words there are."""

    __slots__ = ("_latin", "_others", "_places")

    def __init__(self, cues: Sequence[Cue | None]) -> None:
        others = {
            place: cue.others.pattern for place, cue in enumerate(cues) if cue and cue.others is not None
        }
        self._latin = gate_of(map(_words, cues))
        self._others = gate_of(pattern.replace(".", ".{1,4}") for pattern in others.values())
        self._places = list(others)

    def places(self, text: bytes, original: str) -> Sequence[int]:
        """The places of the cues with a word in a stretch, of which the original is given unless it is ASCII."""
        said: list[int] = self._latin.Match(text) or []
        if original:
            hits = self._others.Match(original.encode("utf-8", "surrogatepass")) or ()
            said += [self._places[hit] for hit in hits]
        return said


def _words(cue: Cue | None) -> str:
    """What a projection with a Latin word of a cue contains; without such words, what none contains."""
    if cue is None or not cue.every:
        return r"[^\x00-\xff]"
    words = "|".join(word.decode("ascii") for word in sorted(cue.every))
    return f"(?:^|[^A-Za-z])(?i:{words})(?:$|[^A-Za-z])"
