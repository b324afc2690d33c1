"""The gates let through whatever a row finds, and learn little from one text that helps with no other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.pii.catalog import ROWS
from guard.pii.gates import Gate, alone, gate_of, gate_pattern, shape_of, shape_pattern
from guard.pii.roads import roads
from guard.pii.rows import Road
from tests.pii.conftest import GLUE, values

NUMBERS = [row for row in ROWS if row.road in (Road.DIGITS, Road.NATION)]
SAMPLES = [value.encode("ascii") for value in values() if value.isascii()]


@pytest.fixture(scope="module")
def shapes() -> Sequence[int]:
    """The gate of all number rows over shapes."""
    return gate_of(shape_pattern(gate_pattern(row)) for row in NUMBERS)  # type: ignore[no-any-return]


@pytest.mark.parametrize("before", ["", "tel ", "号\x1a", "("])
def test_what_a_row_asks_of_digits_its_shape_lets_through(shapes: Sequence[int], before: str) -> None:
    """No number is lost because its digits and letters are not looked at."""
    asked = 0
    for sample in SAMPLES:
        text = before.encode("ascii", "replace") + sample + b" then"
        let_through = set(shapes.Match(shape_of(text)) or ())  # type: ignore[attr-defined]
        wanted = {place for place, row in enumerate(NUMBERS) if alone(row)(text)}
        assert wanted <= let_through, sample
        asked += len(wanted)
    assert asked > len(SAMPLES)


def test_digits_and_letters_make_no_difference_to_a_shape() -> None:
    """Two numbers of one form are one to the gate, so the second costs nothing new."""
    assert shape_pattern(r"[13][0-8]{2}(?:AB|\x1a)\.?") == r"[\x39][\x39]{2}(?:[\x61][\x61]|\x1a)\.?"
    assert shape_of(b"AB-12 x@y.z \x1a") == shape_of(b"cd-90 q@r.s \x1a") == b"aa-99 a@a.a \x1a"
    assert shape_pattern(r"(?i:[b-d]{2,3})\b[^A-Za-z0-9]$") == r"(?i:[\x61]{2,3})\b[^A-Za-z0-9]$"


@given(st.lists(st.sampled_from([*SAMPLES, *(glue.encode("ascii", "replace") for glue in GLUE)]), max_size=8))
def test_a_gate_of_several_sets_lets_through_what_one_does(pieces: list[bytes]) -> None:
    """Split by what rows begin with, and without what only digits can match where a text has none."""
    ready = roads(tuple(ROWS))
    patterns = [gate_pattern(row.row) for row in ready.gated]
    whole = Gate([list(enumerate(patterns))])
    text = b"".join(pieces)
    words = text.translate(None, b"0123456789")
    for let_through, wanted in (
        (ready.gate.hits(text), whole.hits(text)),
        (ready.gate.words(words), whole.hits(words)),
    ):
        assert {place for place in let_through if place < ready.spelled} == set(wanted)
