"""Overlaps are settled once over all sources: no two results overlap, and the best of the rivals wins."""

from __future__ import annotations

import itertools
import random
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from guard.pii.resolve import STRONG, resolve
from guard.types import Finding
from tests.pii.conftest import calls

KINDS = st.sampled_from(["pii.email", "pii.url", "pii.us.ssn", "pii.phone", "pii.person"])


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    """A finding anywhere in a short text."""
    start = draw(st.integers(0, 30))
    score = draw(st.sampled_from([0.2, 0.4, 0.5, 0.85, 0.95]))
    return Finding(
        draw(KINDS),
        start,
        start + draw(st.integers(1, 12)),
        score,
        draw(st.sampled_from(["pattern", "presidio:X"])),
    )


def span(kind: str, start: int, end: int, score: float = 0.9) -> Finding:
    """A finding of the catalogue."""
    return Finding(kind, start, end, score, "pattern")


@given(st.lists(findings(), max_size=12))
def test_results_are_in_order_and_never_overlap(given_findings: list[Finding]) -> None:
    """B27: one replacement a stretch."""
    results = resolve(given_findings)
    assert all(one.end <= other.start for one, other in itertools.pairwise(results))


@given(st.lists(findings(), max_size=12), st.integers())
def test_the_order_of_the_sources_does_not_matter(given_findings: list[Finding], seed: int) -> None:
    """Deterministic: any order of candidates gives the same results."""
    shuffled = given_findings[:]
    random.Random(seed).shuffle(shuffled)
    assert resolve(shuffled) == resolve(given_findings)


@given(st.lists(findings(), max_size=12))
def test_what_a_sure_finding_covers_stays_covered(given_findings: list[Finding]) -> None:
    """Nothing is eaten: each character of a sure finding lies in some result."""
    covered = {at for f in resolve(given_findings) for at in range(f.start, f.end)}
    assert all(at in covered for f in given_findings if f.score >= STRONG for at in range(f.start, f.end))


@given(st.lists(findings(), max_size=12))
def test_resolving_again_changes_nothing(given_findings: list[Finding]) -> None:
    """The results are settled."""
    assert resolve(resolve(given_findings)) == resolve(given_findings)


def test_a_row_of_overlaps_is_settled_in_linear_time() -> None:
    """Numbers of which each may end in the next, as columns of digits have them: twice as many take twice the steps."""
    rivals = [
        span("pii.phone", at + shift, at + shift + size, score)
        for at in range(0, 24000, 12)
        for shift, size, score in ((0, 11, 0.6), (8, 7, 0.4), (4, 7, 0.9))
    ]
    few, more = (calls(partial(resolve, rivals[:count])) for count in (3000, 6000))
    assert more < 2.5 * few


def test_the_longest_wins() -> None:
    """B27: a person in an address in a URL."""
    url, mail, person = (
        span("pii.url", 0, 40, 0.6),
        span("pii.email", 8, 30, 0.95),
        span("pii.person", 8, 12, 0.85),
    )
    assert resolve([person, mail, url]) == [url]


def test_of_equals_the_surer_then_the_more_specific_wins() -> None:
    """The same stretch: the validated kind, then the national kind."""
    assert resolve([span("pii.phone", 0, 11, 0.6), span("pii.us.ssn", 0, 11, 0.9)]) == [
        span("pii.us.ssn", 0, 11, 0.9)
    ]
    assert resolve([span("pii.phone", 0, 11), span("pii.us.ssn", 0, 11)]) == [span("pii.us.ssn", 0, 11)]


def test_a_guess_yields_to_what_is_sure() -> None:
    """However long the guess, a sure finding inside it wins."""
    guess, sure = span("pii.phone", 0, 30, 0.4), span("pii.card", 5, 21)
    assert resolve([guess, sure]) == [sure]


def test_a_partial_overlap_of_sure_findings_becomes_one_stretch() -> None:
    """Neither end is left in the text; the better kind names the stretch."""
    assert resolve([span("pii.card", 0, 16), span("pii.phone", 12, 24)]) == [span("pii.card", 0, 24)]


def test_neighbours_stay_apart() -> None:
    """B28: touching is not overlapping."""
    neighbours = [span("pii.email", 0, 5), span("pii.email", 5, 9)]
    assert resolve(neighbours[::-1]) == neighbours


def test_findings_about_a_whole_field_stay() -> None:
    """`guard.*` findings have no span and are never rivals."""
    field = Finding("guard.unavailable.presidio", 0, 0, 1.0, "guard")
    assert resolve([span("pii.email", 0, 5), field]) == [field, span("pii.email", 0, 5)]
