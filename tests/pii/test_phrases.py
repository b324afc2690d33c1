# ruff: noqa: E501
"""Phrases: where words behind a name hold a text together, as a plain definition says it, asked in any order."""

from __future__ import annotations

import re
from functools import partial
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.pii.phrases import Phrases
from guard.pii.scan import Scanner
from tests.pii.conftest import calls

SET_OFF = [
    re.compile(told + rb"(?: ?[:=] ?| )[\"'`]?")
    for told in (b"[\"']?", b"(?: [Ww]ords)?[\"']?", b"(?: [Ww]ords)?[\"']?(?: (?:is|was))?")
]
WORDS = re.compile(rb"[a-z]{3,10}(?![A-Za-z0-9])(?: [a-z]{3,10}(?![A-Za-z0-9]))*")


def spanned(text: bytes, position: int, final: bool) -> bool:
    """Whether words behind a name span a position, looked for at every name of the text."""
    if text[position - 1 : position] != b" " or not re.match(rb"[a-z]|\Z", text[position:]):
        return False
    names = [
        sorted({told.end() for set_off in SET_OFF if (told := set_off.match(text, name.end()))})
        for name in re.finditer(rb"hrase|nemonic|[Ss]eed", text)
    ]
    names += [[sign.end()] for sign in re.finditer(rb"\x1a[ :=]{0,3}[\"'`]?", text)]
    return any(_reached(text, starts, position, final) > position for starts in names)


def _reached(text: bytes, starts: list[int], position: int, final: bool) -> int:
    """How far the words reach that begin before a position and span it."""
    for start in starts:
        words = WORDS.match(text, start)
        if start < position and words is not None:
            more = not final and re.fullmatch(rb" ?[a-z]{0,10}", text[words.end() :])
            end = len(text) + 1 if more else words.end()
            if position < end:
                return min(start + 300, end)
    return 0


PARTS = [
    "seed ", "Seed ", "seed", "seeds ", "birdseed ", "SEED ", "mnemonic ", "seed phrase ", "passphrase: ", "phrase", "words ", "Words ", "was ", "is ",
    ": ", "=", '"', "'", "abc ", "abcdefgh ", "abcdefghijkl ", "of ", "a ", "ab", "X ", "x1 ", "\x1a", "\x1a: ", ". ", ", ", "\n", "  ",
    "word " * 13, "word " * 60, "abc def ghi jkl mno pqr ",
]  # fmt: skip


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(PARTS), min_size=2, max_size=16), st.booleans(), st.booleans(), st.randoms())
def test_words_are_held_as_the_plain_definition_holds_them(
    parts: list[str], final: bool, shuffled: bool, random: Random
) -> None:
    """B23: what is kept of the text changes nothing, and what is passed over is held."""
    text = "".join(parts).encode("latin-1")
    phrases = Phrases(text, final)
    positions = [position for position in range(1, len(text) + 1) if text[position - 1] == 0x20]
    if shuffled:
        random.shuffle(positions)
    for position in positions:
        end = phrases.over(position)
        assert bool(end) == spanned(text, position, final), (text, position)
        passed = [other for other in positions if position < other < min(end, len(text))]
        assert all(spanned(text, other, final) for other in passed), (text, position, end)


@pytest.mark.parametrize(
    "unit",
    ["seed ", "seeds ", "mnemonic abc def ", "passphrase: ", "seed words was ", "phrase abc ", "助记词 abc def ", "3 de mayo ", "septiembre de 1985 ", "3월 4일 ", "京 A 12345 "],
)  # fmt: skip
def test_a_text_that_says_one_thing_again_and_again_is_cut_in_linear_time(
    everything: Scanner, unit: str
) -> None:
    """B23: twice the text takes twice the steps, and few: whatever a hold looks for, it does not look for it again."""
    once, twice = ((unit * size)[:size] for size in (10000, 20000))
    for work in (everything.scan, everything.cuts):
        few, more = (calls(partial(work, text, 0)) for text in (once, twice))
        assert more < 2.5 * few + 1000
        assert few < 20 * len(once)
