"""Cuts of streamed text when own patterns and Presidio look at it too."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.pii.scan import Scanner
from guard.services.detection import compiled, spans
from guard.services.seams import REACH, Seams, may_span

SCANNER = Scanner()
PATTERNS = [r"\bbadge [0-9]{3} [0-9]{3}\b", r"工号\d{3}", r"x.{1,5}y"]


def matches(text: str) -> set[tuple[int, int]]:
    return {span for pattern in PATTERNS for span in spans(compiled(pattern), text)}


@pytest.mark.parametrize(
    ("pattern", "spans_blanks"),
    [
        (r"\b[0-9]{8,17}\b", False),
        (r"ACME-\d{4}", False),
        (r"a\.b", False),
        (r"a b", True),
        (r"a\sb", True),
        (r"a.b", True),
        (r"a[^b]c", True),
        (r"a\Wb", True),
        (r"工号", True),
        (r"\pL+", True),
        (r"[[:space:]]", True),
        (r"a\x20b", True),
    ],
)
def test_a_pattern_that_may_hold_a_blank_or_more_than_ascii_is_minded(
    pattern: str, spans_blanks: bool
) -> None:
    assert may_span(pattern) is spans_blanks


def test_without_such_a_pattern_the_catalogues_cuts_stand() -> None:
    text = "one two three " * 40
    assert Seams(SCANNER.cuts, [r"\b[0-9]{8,17}\b"]).cuts(text, 0) == SCANNER.cuts(text, 0)


words = st.lists(
    st.sampled_from(
        ["badge ", "123 ", "456 ", "工号", "工号123", "x a ", "y ", "plain words here. ", "中文 "]
    ),
    max_size=60,
).map("".join)


@given(words, st.data())
def test_no_cut_lies_in_a_match_and_pieces_give_what_the_whole_gives(text: str, data: st.DataObject) -> None:
    """B23: a value of an own kind is never released in parts."""
    cuts = Seams(SCANNER.cuts, PATTERNS).cuts(text, 0, True)
    assert cuts == sorted(set(cuts))
    assert not [(low, high) for low, high in matches(text) for cut in cuts if low < cut < high]
    chosen = sorted(data.draw(st.sets(st.sampled_from(cuts)))) if cuts else []
    bounds = [0, *chosen, len(text)]
    pieces = {
        (low + start, low + end) for low, high in pairwise(bounds) for start, end in matches(text[low:high])
    }
    covered = {at for low, high in matches(text) for at in range(low, high)}
    assert covered == {at for low, high in pieces for at in range(low, high)}


@given(words, words)
def test_a_cut_is_never_taken_back(text: str, more: str) -> None:
    """What is a cut now is one for any text that follows, and what follows adds none before."""
    text = text + "plain words here. " * 12
    seams = Seams(SCANNER.cuts, PATTERNS)
    now = seams.cuts(text, 0)
    later = seams.cuts(text + more, 0)
    assert all(cut <= len(text) - REACH for cut in now)
    assert now == [cut for cut in later if cut <= (now[-1] if now else -1)]


@given(words)
def test_the_end_of_a_text_is_its_last_cut(text: str) -> None:
    cuts = Seams(SCANNER.cuts, PATTERNS).cuts(text, 0, True)
    assert not text or cuts[-1:] == [len(text)] or re.search(r"\s\Z", text) is None
