"""What the shape of a region of digits asks for: which rows may match there, and which of them settles it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from guard.pii.ready import Ready
from guard.pii.resolve import STRONG
from guard.pii.rows import Row

Kind = tuple[tuple[Ready, ...], tuple[Ready, ...], float]
"""The rows of a kind, those of them whose matches may leave the region, and what a match may score at most."""


@dataclass(frozen=True, slots=True)
class Settling:
    """What settles a region where it takes all of it: then nothing else that is asked for is worth a search.

    Where its match may begin so far `before` the region it must: then it is longer than any within. But not where one
    of some openings is there (`shut`), or a cue of some is said (`deaf`); or that of a row of nations which is `near`
    and leaves the region, or such a row is sure. Where it `hears`, the words must be known, be it for the score alone.
    Where it has no match there is a `rest` to ask for.
    """

    row: Ready
    before: int
    shut: tuple[Callable[..., re.Match[bytes] | None], ...]
    deaf: int
    near: tuple[int, ...]
    rest: Asked
    hears: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hears", bool(self.deaf or self.row.called))


Wins = tuple[Ready, bool, tuple[Callable[..., re.Match[bytes] | None], ...], int]
"""A number row that may settle a region, and whether its match must begin before it, for it to be longer than others;
the openings that must not be there, and the cues that must not be said."""


def settling(kinds: Sequence[Kind], opened: Collection[Ready]) -> Wins | None:
    """What may settle a region, by the number rows that are asked for there."""
    first: Ready | None = None
    longer, shut, deaf = False, [], 0
    for rows, outer, _ in kinds:
        for row in rows:
            leaves = row in outer
            if first is not None and (
                row.kind == first.kind or (not leaves and (longer or yields(row, row.top, first)))
            ):
                continue
            if row.opens is not None and row not in opened:
                shut.append(row.opens)
            elif row.waits:
                deaf |= row.called
            elif first is None:
                first, longer = row, leaves and row.before > 0
            elif leaves or not yields(row, row.score, first):
                return None
            else:
                deaf |= row.called
    if first is None or first.score < STRONG:
        return None
    return first, longer, tuple(dict.fromkeys(shut)), deaf | first.denied


def yields(row: Ready | Row, score: float, first: Ready) -> bool:
    """Whether what a row has within a region yields (`resolve`) to a match of all of it."""
    best = first.score, first.kind.count("."), row.kind
    return (score, row.kind.count("."), first.kind) < best


@dataclass(frozen=True, slots=True)  # a slot is read in a fifth of the time of a field of a tuple
class Asked:
    """What the hits of the number gate in one region ask for.

    The number rows kind by kind, the surer first; whether a cue word matters to any row; of the rows of nations the
    bits of their cues in `spoken`; and those of all cues, if each row waits for its own. What `settles` the region
    leaves nothing else worth a search. In a long region the number rows go first of which the check tells by the digits
    where a number may begin.
    """

    kinds: tuple[Kind, ...]
    listens: bool
    nations: int
    alone: int
    sure: int
    waits: int
    settles: Settling | None = None
    sifted: tuple[Ready, ...] = ()
