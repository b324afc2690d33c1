"""Searching many fixed strings: leftmost, longest, the same for few and for many."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from guard.pii.literals import Literals

letters = st.text(alphabet="ab.<é", max_size=5)


def plainly(literals: set[str], text: str) -> list[tuple[int, int, str]]:
    """The slow reference: at each place the longest string that stands there."""
    found, place = [], 0
    while place < len(text):
        here = max((x for x in literals if x and text.startswith(x, place)), key=len, default="")
        if here:
            found.append((place, place + len(here), here))
        place += len(here) or 1
    return found


@given(
    st.lists(st.sets(letters, max_size=6), max_size=3), st.text(alphabet="ab.<é", max_size=40), st.booleans()
)
def test_every_literal_is_found(batches: list[set[str]], text: str, many: bool) -> None:
    """Strings may be added between searches; a hundred others in play change nothing."""
    literals, known = Literals(), set()
    if many:
        others = {f"{n:03}other" for n in range(100)}
        known |= others
        for other in others:
            literals.add(other)
    for batch in batches:
        for literal in batch:
            literals.add(literal)
        known |= batch
        assert list(literals.spans(text)) == plainly(known, text)
    assert len(literals) == len(known - {""})
