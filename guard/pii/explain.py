"""Why a value was found: which row of the catalogue matched, what checked it, which cue words stood before it.

Slow on purpose: the search is done again, one row at a time, around one finding. Nothing here quotes the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from guard.pii.catalog import ROWS
from guard.pii.checks import CHECKS
from guard.pii.cues import CUES, Cue, words_of
from guard.pii.evasion import project
from guard.pii.roads import roads
from guard.pii.rows import CUE_REACH, Row
from guard.pii.scan import Scanner
from guard.types import Finding

_AROUND = 512


@dataclass(frozen=True, slots=True)
class Explanation:
    """One row that gives a finding: `number` counts the kind's rows from 1, from the surest shape on.

    `standard` is what its check says of itself; `cues` are the catalogue's words that stood before the value.
    """

    number: int
    row: Row
    standard: str
    cues: tuple[str, ...]
    score: float

    @property
    def pattern(self) -> str:
        """The pattern, over the projection of the text."""
        return self.row.core

    @property
    def weight(self) -> str:
        """What the cue words did to the score."""
        row = self.row
        if not row.cue:
            return "needs no cue word"
        if not self.cues:
            return "no cue word before it"
        return "found by its cue word alone" if not row.score else f"raises {row.score:g} to {row.cued:g}"


def explain(text: str, finding: Finding) -> Explanation | None:
    """Say which row gives a finding of source `pattern`; None for others, and where no row alone does."""
    if finding.source != "pattern":
        return None
    base = max(0, finding.start - _AROUND)
    around = text[base : finding.end + _AROUND]
    wanted = (finding.start - base, finding.end - base)
    tried = list(_tried(around, finding.kind, wanted))
    exact = [found for found in tried if found.score == finding.score]
    return next(iter([*exact, *tried]), None)


def _tried(text: str, kind: str, wanted: tuple[int, int]) -> Iterator[Explanation]:
    """Each row of a kind that finds something where the finding is, the exact stretch first."""
    partly = []
    for number, row in enumerate((row for row in ROWS if row.kind == kind), 1):
        for hit in _alone(row).candidates(text):
            if hit.start < wanted[1] and wanted[0] < hit.end:
                found = Explanation(number, row, _standard(row), _cues(row, text, hit.start), hit.score)
                if (hit.start, hit.end) == wanted:
                    yield found
                else:
                    partly.append(found)
    yield from partly


@cache
def _alone(row: Row) -> Scanner:
    """A scanner of one row, which leaves nothing out."""
    scanner = Scanner(kinds=frozenset({row.kind}), skip=())
    scanner.rows, scanner._roads = (row,), roads((row,))
    return scanner


def _standard(row: Row) -> str:
    return " ".join((CHECKS[row.check].__doc__ or "").split()) if row.check else ""


def _cues(row: Row, text: str, start: int) -> tuple[str, ...]:
    """The cue words of a row that stand within reach before a place, the nearest last."""
    return tuple(_words(CUES[row.cue], text[max(0, start - CUE_REACH) : start])) if row.cue else ()


def _words(cue: Cue, before: str) -> Iterator[str]:
    every = {word.decode() for word in cue.every}
    yield from dict.fromkeys(w for w in words_of(project(before).text).decode().split() if w in every)
    if cue.others is not None:
        yield from dict.fromkeys(match.group() for match in cue.others.finditer(before))
