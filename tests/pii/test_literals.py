"""Finding fixed strings: the longest wins, and few or many of them find the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from guard.pii import literals
from guard.pii.literals import Literals

WORDS = st.lists(st.text(alphabet="ab1@.é汉", min_size=1, max_size=6), max_size=12)


def _plain(words: list[str], text: str) -> list[tuple[int, int, str]]:
    """The meaning in three lines: at each place the longest literal, then on behind it."""
    found, at = [], 0
    while at < len(text):
        here = max((w for w in words if w and text.startswith(w, at)), key=len, default="")
        if here:
            found.append((at, at + len(here), here))
        at += len(here) or 1
    return found


@given(WORDS, st.text(alphabet="ab1@.é汉 ", max_size=60))
def test_the_longest_wins_from_left_to_right(words: list[str], text: str) -> None:
    """Both roads, for few literals and for many, find what the plain reading finds."""
    kept = literals._FEW
    for few in (kept, 0):
        literals._FEW = few
        try:
            made = Literals()
            for word in words:
                made.add(word)
            assert list(made.spans(text)) == _plain(words, text)
        finally:
            literals._FEW = kept


def test_a_literal_that_is_added_later_is_found() -> None:
    """The index follows the set."""
    made = Literals()
    made.add("one")
    assert list(made.spans("one two")) == [(0, 3, "one")]
    made.add("two")
    assert [span[2] for span in made.spans("one two")] == ["one", "two"]
