"""Deny lists and allow lists: exact terms, many of them, at their place in the original."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.pii.lists import Terms, _folded, denied, spared
from guard.pii.scan import Scanner

PROJECTS = Terms(["Nightjar", "Project Blue Heron", "蓝鹭计划", "O'Hara & Sons", "C++", "Łódź", "  ", ""])


def found(text: str) -> list[str]:
    """The original of each denied term."""
    return [text[start:end] for start, end in PROJECTS.spans(text)]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("the nightjar and NIGHTJAR, Nightjar.", ["nightjar", "NIGHTJAR", "Nightjar"]),
        ("Nightjars and xnightjar and nightjar2 are others", []),
        ("see project blue heron now", ["project blue heron"]),
        ("我们的蓝鹭计划很好", ["蓝鹭计划"]),
        ("at o'hara & sons, c++ only", ["o'hara & sons", "c++"]),
        ("łódź, Lodz and LÓDŹ", ["łódź", "Lodz", "LÓDŹ"]),
        ("the Night\u200bjar and ｎｉｇｈｔｊａｒ", ["Night\u200bjar", "ｎｉｇｈｔｊａｒ"]),
        ("蓝鹭计划nightjar蓝鹭计划", ["蓝鹭计划", "nightjar", "蓝鹭计划"]),
        ("", []),
        ("lone \ud800 nightjar", ["nightjar"]),
    ],
)
def test_terms_are_found_whatever_their_case_and_width(text: str, terms: list[str]) -> None:
    """Whole words in Latin letters, anything in Hanzi; disguises fall away as for every recognizer."""
    assert found(text) == terms


def test_the_longest_term_of_a_place_wins() -> None:
    """B27: no two overlap."""
    terms = Terms(["blue", "blue heron", "heron nest", "heron"])
    text = "a blue heron nest, a heron nest, blue"
    assert [text[s:e] for s, e in terms.spans(text)] == ["blue heron", "heron nest", "blue"]


def test_a_denied_term_is_a_finding_and_an_allowed_one_none() -> None:
    """A finding that is an allowed term goes; one that only holds it stays."""
    text = "write to help@harbor.io or to mara.help@harbor.io about Nightjar"
    findings = Scanner().scan(text) + denied(PROJECTS, text, "pii.org", "list:projects")
    kept = spared(Terms(["HELP@harbor.io"]), text, findings)
    assert [(f.kind, text[f.start : f.end], f.source) for f in kept] == [
        ("pii.email", "mara.help@harbor.io", "pattern"),
        ("pii.org", "Nightjar", "list:projects"),
    ]


def test_no_terms_find_nothing() -> None:
    """An empty list is a list."""
    assert Terms([]).spans("anything") == []
    assert not Terms([]).holds("")


@given(st.text(st.characters(codec=None), max_size=60))
def test_folding_is_one_for_one(text: str) -> None:
    """B29: each character of the folded text leads back to the one it stands for."""
    folded, projection = _folded(text)
    assert len(folded) == (len(text) if text.isascii() else len(projection.text))


@given(st.lists(st.text("ab 中é", min_size=1, max_size=4), max_size=6), st.text("ab 中é\u200b", max_size=30))
def test_what_is_found_is_a_term(terms: list[str], text: str) -> None:
    """Any list, any text: every span is a term as a whole, in order and apart."""
    compiled, reached = Terms(terms), 0
    for start, end in compiled.spans(text):
        assert reached <= start < end
        assert compiled.holds(text[start:end])
        reached = end


@pytest.mark.slow
def test_a_hundred_thousand_terms_cost_a_search_little() -> None:
    """E04: ten times the terms take no five times as long; four times the text at most ten times."""
    words = [f"term {n:x} of the list" for n in range(100_000)]
    few, many = Terms(words[:10_000]), Terms(words)
    text = "".join(f"a term {n:x} of the list and term {n:x}z. " for n in range(0, 10_000, 4))
    assert len(many.spans(text)) == len(range(0, 10_000, 4))
    assert _seconds(many, text) <= 5 * max(_seconds(few, text), 1e-3)
    assert _seconds(many, text * 4) <= 10 * _seconds(many, text)


def _seconds(terms: Terms, text: str) -> float:
    times = []
    for _ in range(3):
        began = time.process_time()
        terms.spans(text)
        times.append(time.process_time() - began)
    return min(times)
