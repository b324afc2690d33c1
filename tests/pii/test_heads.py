"""The words that values stand after: one look for all of them finds what a look for each finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from guard.pii.catalog import ROWS
from guard.pii.roads import Heads
from guard.pii.rows import Road

WORDS = {head for row in ROWS if row.road is Road.AFTER for head in row.heads}
TEXTS = st.lists(st.sampled_from([*sorted(WORDS), *"军官证号微信加V字第 :1a"]), max_size=12).map("".join)


def one_by_one(words: set[str], text: str, low: int, high: int) -> dict[str, list[int]]:
    """Where each word ends, by a search for it alone."""
    places = (
        (word, at + len(word)) for word in words for at in range(low, high) if text.startswith(word, at, high)
    )
    found: dict[str, list[int]] = {}
    for word, end in places:
        found.setdefault(word, []).append(end)
    return found


@given(TEXTS, st.integers(0, 9), st.integers(0, 60))
def test_all_words_are_found_at_once(text: str, low: int, size: int) -> None:
    """Words within words and words that overlap, in any stretch."""
    high = min(len(text), low + size)
    assert dict(Heads(WORDS).ends(text, low, high)) == one_by_one(WORDS, text, low, high)


@given(st.sets(st.text("ab", min_size=1, max_size=3), min_size=1), st.text("ab", max_size=12))
def test_any_words_are(words: set[str], text: str) -> None:
    """Whatever the words are."""
    assert dict(Heads(words).ends(text, 0, len(text))) == one_by_one(words, text, 0, len(text))
