"""One look at several texts together: where it sees nothing, none of them holds anything."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.pii.scan import Scanner, is_flat

LINES = ["Hello", "", "a list of points", "You are careful.", "x = 1"]
LOOSE = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))


def silent(scanner: Scanner, texts: list[str]) -> bool:
    """Look at all texts together, as the detector does."""
    return scanner.silent("\n\n".join(texts), all(map(is_flat, texts)))


def test_every_value_is_seen_between_others(everything: Scanner, samples: list[str]) -> None:
    """A value that is found alone is seen where its text is looked at together with others."""
    unseen = [
        value
        for value in samples
        if value.isascii() and everything.candidates(value) and silent(everything, ["Hello", value, "Bye."])
    ]
    assert unseen == []


@LOOSE
@given(data=st.data())
def test_silence_means_that_nothing_is_found_in_any(
    everything: Scanner, mixed: st.SearchStrategy[str], data: st.DataObject
) -> None:
    """However values, words and separators follow each other."""
    piece = st.one_of(mixed.filter(str.isascii), st.sampled_from(LINES))
    texts = data.draw(st.lists(piece, min_size=1, max_size=4))
    if silent(everything, texts):
        assert [everything.candidates(text) for text in texts] == [[] for _ in texts]


def test_prose_is_silent() -> None:
    """The look is worth having: ordinary sentences are not looked at again."""
    assert silent(Scanner(), ["The team met on Monday and agreed.", "You are a careful assistant."])
