"""The hold-back does not see how a provider cuts its stream, nor in which order checks return."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.holdback import Check, Cuts, Event, HoldBack, Release, Stop
from guard.text import ends_sentence, weigh

TEXTS = st.text(alphabet="ab1. 好。\n\u200b🙂", max_size=300)
"""Words, digits that glue, sentence ends in both languages, an invisible character, an emoji."""

SHAPES = st.fixed_dictionaries(
    {
        "first": st.sampled_from([0, 1, 3, 12]),
        "step": st.sampled_from([0, 4, 12, 96]),
        "context": st.sampled_from([0, 4, 24]),
        "reach": st.sampled_from([0, 10]),
        "hold": st.sampled_from(["window", "window", "full", "none"]),
        "limit": st.sampled_from([16, 64, 100_000]),
    }
)


def careful(look_ahead: int) -> Cuts:
    """Cuts behind a space or a Hanzi, unless a digit stands among the next `look_ahead` characters."""

    def cuts(text: str, start: int, final: bool) -> list[int]:
        end = len(text) if final else len(text) - look_ahead
        return [
            p
            for p in range(start + 1, end + 1)
            if text[p - 1] in " 好\n" and not any(c.isdigit() for c in text[p : p + look_ahead])
        ]

    return cuts


@dataclass
class Run:
    """What one run of a lane showed."""

    checks: list[tuple[str, str]] = field(default_factory=list)
    released: str = ""
    stop: str = ""
    open: list[int] = field(default_factory=list)

    def take(self, events: Sequence[Event]) -> None:
        for event in events:
            assert not self.stop, "nothing follows a stop"
            if isinstance(event, Check):
                assert event.window == len(self.checks)
                self.checks.append((event.text, event.context))
                self.open.append(event.window)
            elif isinstance(event, Release):
                self.released += event.text
            else:
                self.stop = f"{event.window} {event.reason}"


def run(pieces: Sequence[str], cuts: Cuts, shape: dict[str, object], seed: int, bad: int = -1) -> Run:
    """Feed the pieces and answer checks in a random order, as early or late as it falls."""
    chance = random.Random(seed)
    hold = HoldBack(cuts=cuts, **shape)  # type: ignore[arg-type]
    seen = Run()

    def answer() -> None:
        window = seen.open.pop(chance.randrange(len(seen.open)))
        text = seen.checks[window][0]
        seen.take(hold.checked(window, None if window == bad else f"<{text}>"))
        assert hold.released == seen.released

    for piece in pieces:
        seen.take(hold.feed(piece))
        assert len(seen.open) <= 2
        while seen.open and chance.random() < 0.4:
            answer()
    seen.take(hold.finish())
    while seen.open and not seen.stop:
        answer()
    assert hold.done
    return seen


def split(text: str, seed: int) -> list[str]:
    chance = random.Random(seed)
    pieces = []
    while text:
        size = min(len(text), chance.choice([1, 1, 2, 5, 40, 400]))
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def plain(text: str, cuts: Cuts, first: int, step: int) -> list[str]:
    """The windows of a whole text, written down as the rule says."""
    start, target, windows = 0, min(first or step, step), []
    for cut in cuts(text, 0, True):
        weight = weigh(text[start:cut])
        if cut > start and (weight >= 5 * target or (weight >= 3 * target and ends_sentence(text, cut))):
            windows.append(text[start:cut])
            start, target = cut, min(2 * target, step)
    return [*windows, text[start:]] if start < len(text) else windows


@settings(max_examples=400)
@given(TEXTS, SHAPES, st.integers(0, 4), st.integers(), st.integers())
def test_windows_and_releases_do_not_depend_on_the_split(
    text: str, shape: dict[str, object], look_ahead: int, seed: int, other: int
) -> None:
    """A22, B23: the same checks, text and end, whole or a character at a time, in any order of answers."""
    cuts = careful(look_ahead)
    whole = run([text], cuts, shape, seed)
    for pieces in (list(text), split(text, other)):
        assert run(pieces, cuts, shape, other) == whole


@settings(max_examples=200)
@given(TEXTS, SHAPES, st.integers(0, 4), st.integers())
def test_every_character_is_checked_once_and_released_once(
    text: str, shape: dict[str, object], look_ahead: int, seed: int
) -> None:
    """The windows joined are the provider's text; what leaves is what the checks gave back, in order."""
    seen = run(split(text, seed), careful(look_ahead), {**shape, "limit": 100_000}, seed)
    assert "".join(window for window, _ in seen.checks) == text
    assert seen.released == "".join(f"<{window}>" for window, _ in seen.checks)
    assert not seen.stop


@settings(max_examples=200)
@given(TEXTS, st.sampled_from([0, 1, 3, 12]), st.sampled_from([0, 4, 96]), st.integers(0, 4), st.integers())
def test_windows_are_those_of_the_plain_rule(
    text: str, first: int, step: int, look_ahead: int, seed: int
) -> None:
    """The machine finds the windows that one reads off the whole text."""
    cuts = careful(look_ahead)
    shape = {"first": first, "step": step, "context": 0}
    seen = run(split(text, seed), cuts, shape, seed)
    assert [window for window, _ in seen.checks] == plain(text, cuts, first, step)


@pytest.mark.parametrize(("first", "step"), [(0, 0), (3, 12), (12, 96)])
@pytest.mark.parametrize("seed", range(4))
def test_long_answers_keep_the_rule_while_old_text_is_dropped(first: int, step: int, seed: int) -> None:
    """Forgetting what was passed on changes neither the windows nor their context."""
    chance = random.Random(seed)
    words = ("word", "12", "好", "a.", "end.\n", "long-word-without-a-cut-" * 4)
    text = "".join(chance.choice(words) + chance.choice(" 1 ") for _ in range(4000))
    cuts = careful(2)
    shape = {"first": first, "step": step, "context": 24}
    whole, pieces = run([text], cuts, shape, seed), run(split(text, seed), cuts, shape, seed)
    assert [window for window, _ in whole.checks] == plain(text, cuts, first, step)
    assert pieces == whole


@settings(max_examples=200)
@given(TEXTS, SHAPES, st.integers(0, 4), st.integers(), st.integers(), st.integers(0, 5))
def test_a_refused_window_ends_the_lane_at_the_same_place(
    text: str, shape: dict[str, object], look_ahead: int, seed: int, other: int, bad: int
) -> None:
    """What leaves before a block does not depend on the split or on which check returned first."""
    cuts = careful(look_ahead)
    one, two = run([text], cuts, shape, seed, bad), run(split(text, other), cuts, shape, other, bad)
    assert (one.released, one.stop) == (two.released, two.stop)
    if len(one.checks) > bad:
        assert one.stop == f"{bad} checked"
        assert one.released == "".join(f"<{window}>" for window, _ in one.checks[:bad])


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_surrogate_half_and_zero_width_characters_pass_unchanged(size: int) -> None:
    """Text is opaque: nothing is normalised on its way."""
    text = "a\u200bb \ud83d\ude00 c\u0301 \u202e好。 " * 3
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    seen = run(pieces, careful(1), {"first": 1, "step": 4, "context": 4}, 0)
    assert "".join(window for window, _ in seen.checks) == text


def test_a_stop_is_an_event_like_the_others() -> None:
    """The union of events is closed: an engine can match it exhaustively."""
    assert Event == Check | Release | Stop
