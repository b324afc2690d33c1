"""Words outside Latin letters: one look for all of them finds what a look for each finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.pii.catalog import ROWS
from guard.pii.cues import CUES
from guard.pii.mentions import Vocabulary, words_in
from guard.pii.rows import Road

HEADS = {head for row in ROWS if row.road is Road.AFTER for head in row.heads}
TEXTS = st.lists(st.sampled_from([*sorted(HEADS), *"军官证号微信加V字第 :1a\ud800𠀀"]), max_size=12).map(
    "".join
)


def one_by_one(words: set[str], text: str, low: int, high: int) -> set[tuple[str, int]]:
    """Where each word ends, by a search for it alone."""
    return {
        (word, at + len(word)) for word in words for at in range(low, high) if text.startswith(word, at, high)
    }


@given(TEXTS, st.integers(0, 9), st.integers(0, 60))
def test_all_heads_are_found_at_once(text: str, low: int, size: int) -> None:
    """Words within words and words that overlap, in any stretch, beside halves of pairs."""
    high = min(len(text), low + size)
    heads = Vocabulary({}, HEADS).mentions(text[low:high], low).heads()
    found = [(head, end) for head, ends in heads.items() for end in ends]
    assert len(found) == len(set(found))
    assert set(found) == one_by_one(HEADS, text, low, high)


@given(st.sets(st.text("ab", min_size=1, max_size=3), min_size=1), st.text("ab", max_size=12), st.data())
def test_any_words_are_said_where_they_stand(words: set[str], text: str, data: st.DataObject) -> None:
    """Of every stretch: a word that runs out of it is not said in it."""
    bits = {word: 1 << place for place, word in enumerate(sorted(words))}
    vocabulary = Vocabulary(bits, words)
    low = data.draw(st.integers(0, len(text)))
    high = data.draw(st.integers(low, len(text)))
    said = sum(bits[word] for word in {word for word, _ in one_by_one(words, text, low, high)})
    assert vocabulary.mentions("x" + text, -1).within(low, high) == said == vocabulary.said(text[low:high])


@pytest.mark.parametrize("name", sorted(name for name, cue in CUES.items() if cue.others is not None))
@given(st.data())
def test_what_a_cue_matches_holds_one_of_its_words(name: str, data: st.DataObject) -> None:
    """No word of a cue is overlooked because its pattern is more than letters."""
    pattern = CUES[name].others
    assert pattern is not None
    words = set(words_in(pattern.pattern))
    assert all(words)
    matched = data.draw(st.from_regex(pattern, fullmatch=True))
    assert any(word in matched for word in words)


def test_words_of_a_pattern() -> None:
    """Classes stand for each of their members; of what any character divides the longer part tells."""
    assert list(words_in(r"тел\.|账户[:：]|né\(e\).le|电话")) == ["тел.", "账户:", "账户：", "né(e)", "电话"]
