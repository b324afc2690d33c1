"""What a threshold would do, counted on labelled texts: precision, recall, and what its mistakes cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

GRID = tuple(n / 20 for n in range(1, 20))
"""Thresholds that are tried for every category: 0.05 to 0.95."""


@dataclass(frozen=True, slots=True, repr=False)
class Judged:
    """One text: its scores, the categories it is labelled with, and those its label speaks of (None: all)."""

    scores: Mapping[str, float]
    expected: frozenset[str]
    labelled: frozenset[str] | None = None

    def speaks_of(self, category: str) -> bool:
        """Whether one knows if the text is of a category, and has a score for it."""
        return category in self.scores and (self.labelled is None or category in self.labelled)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a threshold does to the texts of one category: hits, false alarms, misses, and texts rightly let pass."""

    at: float
    hits: int
    alarms: int
    missed: int
    passed: int

    @property
    def texts(self) -> int:
        """How many texts were counted."""
        return self.hits + self.alarms + self.missed + self.passed

    @property
    def precision(self) -> float | None:
        """The share of the caught that are of the category; None where nothing is caught."""
        return _share(self.hits, self.alarms)

    @property
    def recall(self) -> float | None:
        """The share of the category that is caught; None where no text is of it."""
        return _share(self.hits, self.missed)

    def cost(self, miss: float) -> float:
        """The cost of a thousand such texts: a false alarm is 1, a missed text `miss`."""
        return 1000 * (self.alarms + miss * self.missed) / self.texts if self.texts else 0.0


def _share(part: int, rest: int) -> float | None:
    return part / (part + rest) if part + rest else None


def measure(texts: Iterable[Judged], category: str, at: float) -> Measured:
    """Count what a threshold (score ≥ at) does to the texts whose labels speak of a category."""
    counted = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    for text in texts:
        if text.speaks_of(category):
            counted[text.scores[category] >= at, category in text.expected] += 1
    return Measured(
        at, counted[True, True], counted[True, False], counted[False, True], counted[False, False]
    )


def measured(texts: Sequence[Judged], category: str, ats: Iterable[float]) -> list[Measured]:
    """Count at every threshold of the grid and at those named, in ascending order."""
    return [measure(texts, category, at) for at in sorted({*GRID, *ats})]


def cheapest(rows: Sequence[Measured], miss: float) -> Measured:
    """The threshold whose mistakes cost least; of equals the lowest, which catches more."""
    return min(rows, key=lambda row: (row.cost(miss), row.at))
