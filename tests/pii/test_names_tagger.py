"""The decoder of the taggers: the best path is the best of all paths, and a file holds what was packed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.pii.lexicon import FIRST, LAST, PLACE, lexicon, unaccented
from guard.pii.tagger import Tagger, pack, unpack

LABELS = ("O", "B-PER", "I-PER", "B-LOC")
FEATURES = ("*", "a", "b", "c")
NUMBERS = st.floats(-4, 4, width=16)


def made(weights: list[float], moves: list[float]) -> Tagger:
    return unpack(pack(LABELS, FEATURES, np.array(weights).reshape(4, 4), np.array(moves).reshape(4, 4)))


@settings(deadline=None, max_examples=150)
@given(
    weights=st.lists(NUMBERS, min_size=16, max_size=16),
    moves=st.lists(NUMBERS, min_size=16, max_size=16),
    rows=st.lists(st.lists(st.sampled_from(["a", "b", "c", "unknown"]), max_size=3), min_size=1, max_size=4),
)
def test_the_path_is_the_best_of_all(weights: list[float], moves: list[float], rows: list[list[str]]) -> None:
    """Viterbi against trying every path."""
    tagger = made(weights, moves)
    scores = tagger.scores(rows)
    table = np.array(moves).reshape(4, 4)

    def total(path: tuple[int, ...]) -> float:
        steps = sum(table[one, two] for one, two in itertools.pairwise(path))
        return float(sum(scores[place][label] for place, label in enumerate(path)) + steps)

    best = max(total(path) for path in itertools.product(range(4), repeat=len(rows)))
    assert total(tuple(tagger._best(scores))) == pytest.approx(best, abs=1e-3)


def test_scores_are_sums_of_weights() -> None:
    """Each known feature adds its row; the first row is every token's; unknown features add nothing."""
    tagger = made([1.0] * 4 + [2.0] * 4 + [4.0] * 4 + [8.0] * 4, [0.0] * 16)
    assert tagger.scores([["a", "c"], [], ["unknown"]]) == [[11.0] * 4, [1.0] * 4, [1.0] * 4]


@given(
    weights=st.lists(NUMBERS, min_size=16, max_size=16),
    groups=st.lists(st.lists(st.sampled_from(["a", "b", "c", "unknown"]), max_size=3).map(tuple), max_size=4),
)
def test_groups_of_features_say_what_the_features_say(
    weights: list[float], groups: list[tuple[str, ...]]
) -> None:
    """Whether a group is new or kept."""
    tagger = made(weights, [0.0] * 16)
    [plain] = tagger.scores([list(itertools.chain(*groups))])
    assert tagger.score(groups) == tagger.score(groups) == pytest.approx(plain, abs=1e-5)


def test_what_is_kept_of_groups_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts may hold groups without end."""
    monkeypatch.setattr("guard.pii.tagger._KEPT", 8)
    made_of = made([1.0] * 16, [0.0] * 16)
    for number in range(100):
        assert made_of.score([("a",), (f"unknown {number}",)]) == [2.0] * 4
    assert len(made_of._kept) <= 8


def test_leaning_finds_more_and_what_it_adds_is_less_sure() -> None:
    """What is taken from O is not counted as surety."""
    tagger = made([0.0, -0.3, -9.0, -9.0] + [0.0] * 12, [0.0] * 16)
    scores = tagger.scores([[]])
    assert tagger.tag(scores) == []
    [found] = tagger.tag(scores, 0.5)
    assert (found.label, found.first, found.last) == ("PER", 0, 1)
    assert found.surety == pytest.approx(0.426, abs=0.01)


def test_a_stretch_that_begins_inside_begins_all_the_same() -> None:
    """I after O, and I after another label, open a stretch of their own."""
    tagger = made([0.0] * 4 + [0.0, 0.0, 9.0, 0.0] + [0.0, 0.0, 0.0, 9.0] + [9.0, 0.0, 0.0, 0.0], [0.0] * 16)
    found = tagger.tag(tagger.scores([["c"], ["a"], ["a"], ["b"], ["a"]]))
    assert [one[:3] for one in found] == [("PER", 1, 3), ("LOC", 3, 4), ("PER", 4, 5)]


@pytest.mark.parametrize(
    ("word", "bits"),
    [("maria", FIRST), ("holloway", LAST), ("dvořák", LAST), ("dvorak", LAST), ("berlin", PLACE)],
)
def test_the_lexicon_knows_names_with_and_without_accents(word: str, bits: int) -> None:
    """Faker's lists and the census are in it."""
    assert lexicon().of(word) & bits


def test_the_lexicon_passes_over_prose_and_stops_at_names() -> None:
    """Common words in the three ways they are written, and letters; not those that many people bear."""
    skip = lexicon().skip
    assert {"weather", "Weather", "WEATHER", "the", "The", "would", "a", "I"} <= skip
    assert not {"Maria", "Grace", "Will", "Young", "Xylofar", "name", "Mr", "Dr"} & skip
    assert "will" in skip


def test_accents_fall_away() -> None:
    """Letters with a stroke too."""
    assert unaccented("søren łukasz þór müßig") == "soren lukasz thor mussig"
