"""Counting what a threshold would do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.thresholds import GRID, Judged, Measured, cheapest, measure, measured


def text(score: float, *expected: str, labelled: tuple[str, ...] | None = None) -> Judged:
    return Judged({"hate": score}, frozenset(expected), None if labelled is None else frozenset(labelled))


def test_hits_alarms_misses() -> None:
    """score ≥ at catches; precision and recall are shares of what is caught and of what there is."""
    texts = [text(0.8, "hate"), text(0.5, "hate"), text(0.49, "hate"), text(0.9), text(0.1)]
    row = measure(texts, "hate", 0.5)
    assert (row.hits, row.alarms, row.missed, row.passed) == (2, 1, 1, 1)
    assert row.precision == row.recall == pytest.approx(2 / 3)
    assert row.cost(miss=5) == pytest.approx(1000 * (1 + 5) / 5)


def test_a_text_counts_where_its_label_speaks() -> None:
    """A text that nobody looked at for hate says nothing of hate; nor does one without a score for it."""
    texts = [text(0.9, labelled=("sexual",)), text(0.9, "hate", labelled=("hate",)), Judged({}, frozenset())]
    assert measure(texts, "hate", 0.5) == Measured(0.5, 1, 0, 0, 0)


def test_shares_of_nothing_are_unknown() -> None:
    """Where nothing is caught there is no precision, where nothing is there no recall."""
    assert measure([text(0.1)], "hate", 0.5).precision is None
    assert measure([text(0.1)], "hate", 0.5).recall is None
    assert measure([], "hate", 0.5).cost(1) == 0


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=60),
    st.floats(0, 100),
    st.sets(st.floats(0, 1), max_size=3),
)
def test_counts_add_up_and_fall_with_the_threshold(
    rows: list[tuple[float, bool]], miss: float, own: set[float]
) -> None:
    """Every text is counted once; a higher threshold catches no more; none is cheaper than the cheapest."""
    texts = [text(score, *(["hate"] if bad else [])) for score, bad in rows]
    found = measured(texts, "hate", own)
    assert [row.at for row in found] == sorted({*GRID, *own})
    assert all(row.texts == len(texts) for row in found)
    caught = [row.hits + row.alarms for row in found]
    assert caught == sorted(caught, reverse=True)
    assert all(cheapest(found, miss).cost(miss) <= row.cost(miss) for row in found)
