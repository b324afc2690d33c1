"""The hold-back with the real scanner's cuts: what is found in a stream is what is found in the whole."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.holdback import Check, Event, HoldBack, Release
from guard.pii.scan import Scanner
from guard.types import Finding

SCANNER = Scanner()
PIECES = st.lists(
    st.sampled_from(
        [
            "word ",
            "Please write to ",
            "alice.smith@example-host.org",
            "4111 1111 1111 1111",
            "+86 138 0013 8000",
            "身份证号11010519491231002X",
            "，请联系",
            "card: ",
            "415-555-0132",
            "http://user:secret@db.internal:5432/x",
            "DE89 3704 0044 0532 0130 00",
            "\u200b",
            ". ",
            "。",
            "\n",
            "1",
            " ",
            "<EMAIL_1>",
            "🙂",
            "x" * 70,
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n",
        ]
    ),
    max_size=30,
)


def stream(text: str, first: int, step: int, seed: int) -> tuple[list[tuple[str, str]], str]:
    """Feed a text in random pieces; every window is released as it is."""
    chance = random.Random(seed)
    hold = HoldBack(cuts=SCANNER.cuts, first=first, step=step, context=0, reach=Scanner.context)
    checks: list[tuple[str, str]] = []

    def take(events: list[Event]) -> None:
        queue = list(events)
        while queue:
            event = queue.pop(0)
            if isinstance(event, Check):
                checks.append((event.text, event.context))
                queue += hold.checked(event.window, event.text)
            else:
                assert isinstance(event, Release)

    while text:
        size = chance.choice([1, 1, 3, 17, 500])
        take(hold.feed(text[:size]))
        text = text[size:]
    take(hold.finish())
    return checks, hold.released


def found_in_windows(checks: list[tuple[str, str]]) -> list[Finding]:
    """Scan each window with its context; what begins in the context belongs to an earlier window."""
    findings: list[Finding] = []
    at = 0
    for text, context in checks:
        shift = at - len(context)
        findings += [
            Finding(f.kind, f.start + shift, f.end + shift, f.score, f.source)
            for f in SCANNER.scan(context + text)
            if f.start >= len(context)
        ]
        at += len(text)
    return findings


@settings(max_examples=60)
@given(PIECES, st.sampled_from([(0, 0), (12, 96)]), st.integers())
def test_windows_find_what_the_whole_text_holds(pieces: list[str], shape: tuple[int, int], seed: int) -> None:
    """B23: a value split over any deltas is found, once, and no window makes one up."""
    text = "".join(pieces)
    checks, released = stream(text, *shape, seed)
    assert released == text
    assert found_in_windows(checks) == SCANNER.scan(text)


@settings(max_examples=60)
@given(PIECES, st.sampled_from([(0, 0), (12, 96)]), st.integers(), st.integers())
def test_the_scanner_cuts_every_split_alike(
    pieces: list[str], shape: tuple[int, int], seed: int, other: int
) -> None:
    """A22: the windows, and the context of each, are those of the whole text."""
    text = "".join(pieces)
    assert stream(text, *shape, seed) == stream(text, *shape, other)


@pytest.mark.parametrize("seed", range(3))
def test_long_answers_are_cut_alike(seed: int) -> None:
    """Dropping what was passed on leaves the scanner enough text to decide on."""
    chance = random.Random(seed)
    words = ["prose ", "好", "4111 1111 1111 1111 ", "a@b.example ", "12 ", "\u200b", "end. ", "x" * 50]
    text = "".join(chance.choice(words) for _ in range(1500))
    assert stream(text, 12, 96, seed) == stream(text, 12, 96, seed + 100)


def test_prose_is_held_for_a_few_characters_only() -> None:
    """A28: with the catalogue alone, ordinary prose flows: at most the word that is being written waits."""
    text = (
        "The committee met on Tuesday to discuss the new library, and everyone agreed to try it in May. " * 4
    )
    hold = HoldBack(cuts=SCANNER.cuts, first=0, step=0, context=0)
    waiting = []
    for at, character in enumerate(text):
        queue = hold.feed(character)
        while queue:
            event = queue.pop(0)
            if isinstance(event, Check):
                queue += hold.checked(event.window, event.text)
        waiting.append(at + 1 - len(hold.released))
    assert max(waiting) < 40
