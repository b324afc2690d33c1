"""Cuts of streamed text when own patterns and Presidio look at it too."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.pii.lists import Terms
from guard.pii.scan import Scanner
from guard.services.detection import compiled, spans
from guard.services.seams import REACH, Seams, TermSeams, may_span

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


TERMS = ["Blue Heron", "blue heron nest", "nest of 蓝鹭 eggs", "蓝鹭计划", "of it all", "Łódź", "plain"]
LISTS = [Terms(TERMS[:3]), Terms(TERMS[3:])]
WORDS = "Blue |HERON |heron nest |heron|nest of |蓝鹭|计划|\u200b| eggs |of it |all. |ｂｌｕｅ |lód|ź |plain words |x|é"
listed = st.lists(st.sampled_from(WORDS.split("|")), max_size=60).map("".join)


def denied(text: str) -> set[tuple[int, int]]:
    return {span for terms in LISTS for span in terms.spans(text)}


@given(listed, st.data())
def test_no_cut_lies_in_a_denied_term(text: str, data: st.DataObject) -> None:
    """B23: a term with a blank or Hanzi in it is never released in parts, however disguised."""
    cuts = TermSeams(SCANNER.cuts, LISTS).cuts(text, 0, True)
    assert cuts == sorted(set(cuts))
    assert not [(low, high) for low, high in denied(text) for cut in cuts if low < cut < high]
    chosen = sorted(data.draw(st.sets(st.sampled_from(cuts)))) if cuts else []
    bounds = [0, *chosen, len(text)]
    pieces = {(low + s, low + e) for low, high in pairwise(bounds) for s, e in denied(text[low:high])}
    assert pieces == denied(text)


@given(listed, listed, st.data())
def test_a_cut_beside_terms_is_never_taken_back(text: str, more: str, data: st.DataObject) -> None:
    """Whatever follows, and from whichever cut the rest is asked for; the tail is held by the longest term."""
    text = text + "plain words here. " * 5
    seams = TermSeams(SCANNER.cuts, LISTS)
    now = seams.cuts(text, 0)
    later = seams.cuts(text + more, 0)
    assert all(cut < len(text) - len(TERMS[2]) for cut in now)
    assert now == [cut for cut in later if cut <= (now[-1] if now else -1)]
    if now:
        since = data.draw(st.sampled_from(now))
        assert seams.cuts(text + more, since) == [cut for cut in later if cut > since]


def test_a_disguised_term_is_not_cut_as_it_arrives() -> None:
    """B29: characters that are not seen make a term longer in the text, and no cut falls in what has come of it."""
    term = "the secret plan of the blue heron and of all who nest in the old mill by the river"
    disguised, lists = "\u200b".join(term), [Terms([term])]
    text = f"plain words, {disguised} here. " + "plain words here. " * 16
    ((low, high),) = lists[0].spans(text)
    assert text[low:high] == disguised
    for end in range(len(text) + 1):
        cuts = TermSeams(SCANNER.cuts, lists).cuts(text[:end], 0)
        assert not [cut for cut in cuts if low < cut < high]
    assert any(cut >= high for cut in cuts)


def test_words_without_blanks_hold_nothing_back() -> None:
    """The catalogue never cuts inside a word."""
    text = "one two three " * 40
    assert TermSeams(SCANNER.cuts, [Terms(["three", "C++"])]).cuts(text, 0) == SCANNER.cuts(text, 0)
    assert len(TermSeams(SCANNER.cuts, [Terms(["two three"])]).cuts(text, 0)) < len(SCANNER.cuts(text, 0))
