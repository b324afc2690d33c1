"""What leaves a lane, in which order, and what never does."""

from __future__ import annotations

import pytest

from guard.holdback import LIMIT, LOOK_BACK, Check, Event, HoldBack, Release, Stop
from guard.text import tokens


def every(text: str, start: int, final: bool) -> list[int]:
    """A cut behind every space, known as soon as it is there."""
    return [i + 1 for i in range(start, len(text)) if text[i] == " "]


def nowhere(text: str, start: int, final: bool) -> list[int]:
    return []


def lane(**changes: object) -> HoldBack:
    return HoldBack(**{"cuts": every, "first": 0, "step": 0, "context": 0, "reach": 0, **changes})  # type: ignore[arg-type]


def drain(hold: HoldBack, events: list[Event]) -> list[Event]:
    """Answer every check with its own text, until nothing is asked any more."""
    seen: list[Event] = []
    queue = list(events)
    while queue:
        event = queue.pop(0)
        seen.append(event)
        if isinstance(event, Check):
            queue += hold.checked(event.window, event.text)
    return seen


def windows(events: list[Event]) -> list[str]:
    return [e.text for e in events if isinstance(e, Check)]


def test_nothing_leaves_before_its_check_came_back() -> None:
    """A window is released by `checked`, with the text that the check gave, and by nothing else."""
    hold = lane()
    assert hold.feed("my card ") == [Check(0, "my "), Check(1, "card ")]
    assert hold.released == ""
    assert hold.checked(0, "MY ") == [Release(0, "MY ")]
    assert hold.released == "MY "


def test_without_moderation_every_safe_cut_is_a_window() -> None:
    """first=0, step=0: prose flows word by word, and the unfinished word waits."""
    hold = lane()
    assert windows(drain(hold, hold.feed("one two thr"))) == ["one ", "two "]
    assert windows(drain(hold, hold.feed("ee four"))) == ["three "]
    assert windows(drain(hold, hold.finish())) == ["four"]
    assert hold.released == "one two three four"
    assert hold.done


def test_windows_double_from_first_to_step() -> None:
    """Windows grow from about `first` tokens to about `step`, so that the first text leaves early (A28)."""
    hold = lane(first=12, step=96)
    sizes = [tokens(w) for w in windows(drain(hold, hold.feed("word " * 2000)))]
    assert sizes[:4] == pytest.approx([15, 30, 60, 120], abs=2)
    assert set(sizes[4:]) <= {120, 121, 122}


def test_windows_end_at_sentences_where_one_is_near() -> None:
    """A cut near a sentence end is taken there, in English and in Chinese."""
    for first, second in (
        ("This is a sentence of ordinary length here. ", "The second one follows. "),
        ("今天我们讨论图书馆的事。", "然后大家一起去吃饭了。"),
    ):
        hold = lane(first=12, step=12, cuts=lambda text, start, final: list(range(start + 1, len(text) + 1)))
        assert windows(drain(hold, hold.feed(first + second)))[0] == first


def test_two_windows_in_flight_stop_the_reading() -> None:
    """`full` says that the upstream must wait; text that comes anyway is kept for later windows."""
    hold = lane()
    assert not hold.full
    assert hold.feed("a b c d ") == [Check(0, "a "), Check(1, "b ")]
    assert hold.full
    assert hold.feed("e ") == []
    assert hold.checked(0, "a ") == [Release(0, "a "), Check(2, "c ")]
    assert hold.full


def test_answers_out_of_order_are_released_in_order() -> None:
    """The later window waits for the earlier one."""
    hold = lane()
    hold.feed("a b ")
    assert hold.checked(1, "B ") == []
    assert hold.checked(0, "A ") == [Release(0, "A "), Release(1, "B ")]


def test_a_stop_discards_everything_after_it() -> None:
    """What was in flight behind a stopped window, and what comes later, never leaves."""
    hold = lane()
    hold.feed("a b c ")
    assert hold.checked(0, None) == [Stop(0, "checked")]
    assert hold.checked(1, "b ") == []
    assert hold.feed("d ") == []
    assert hold.finish() == []
    assert hold.released == ""
    assert hold.done


def test_a_stop_waits_for_the_windows_before_it() -> None:
    """Whichever check returns first, the caller gets the same text before the lane ends."""
    hold = lane()
    hold.feed("a b c ")
    assert hold.checked(1, None) == []
    assert not hold.done
    assert hold.checked(0, "a ") == [Release(0, "a "), Stop(1, "checked")]


def test_an_earlier_stop_wins() -> None:
    """Two windows that both failed stop the lane at the first of them."""
    hold = lane()
    hold.feed("a b c ")
    assert hold.checked(1, None) == []
    assert hold.checked(0, None) == [Stop(0, "checked")]


def test_the_owner_can_stop_at_once() -> None:
    """`stop` discards windows in flight, even those that are answered but wait for an earlier one."""
    hold = lane()
    hold.feed("a b ")
    hold.checked(1, "b ")
    assert hold.stop() == [Stop(0, "stopped")]
    assert hold.checked(0, "a ") == []
    assert hold.stop() == []


def test_hold_full_checks_the_whole_answer_once() -> None:
    """Nothing is asked before the end, then everything in one window."""
    hold = lane(hold="full", first=12, step=96)
    assert hold.feed("a b c " * 100) == []
    assert hold.finish() == [Check(0, "a b c " * 100, last=True)]
    assert hold.checked(0, "x") == [Release(0, "x")]
    assert hold.done


def test_hold_none_has_the_windows_of_window_mode() -> None:
    """The owner answers early; what is judged stays the same."""
    text = "word " * 300
    seen = []
    for mode in ("window", "none"):
        hold = lane(hold=mode, first=12, step=96)
        seen.append(windows(drain(hold, [*hold.feed(text), *hold.finish()])))
    assert seen[0] == seen[1]


def test_an_empty_answer_asks_nothing() -> None:
    """A lane without text is done when it ends."""
    for mode in ("window", "full", "none"):
        hold = lane(hold=mode)
        assert hold.feed("") == []
        assert hold.finish() == []
        assert hold.done


@pytest.mark.parametrize(("context", "reach"), [(8, 20), (1, 40), (16, 1)])
def test_context_begins_at_a_safe_cut_and_has_enough_text(context: int, reach: int) -> None:
    """The text before a window never begins inside a value, and is as long as asked in both units."""
    hold = lane(first=12, step=12, context=context, reach=reach)
    text = "".join(f"w{i} " for i in range(3000))
    checks = [e for e in drain(hold, hold.feed(text)) if isinstance(e, Check)]
    at = 0
    for check in checks:
        assert text[:at].endswith(check.context)
        assert at == 0 or text[at - len(check.context) - 1 : at - len(check.context)] in ("", " ")
        if at > 100:
            assert tokens(check.context) >= context
            assert reach <= len(check.context) <= max(reach, 4 * context) + 10
        at += len(check.text)


@pytest.mark.parametrize("pieces", [[("x" * 2001)], ["x"] * 2001, ["x" * 1999, "xx"]])
def test_a_text_without_a_safe_cut_stops_at_the_limit(pieces: list[str]) -> None:
    """C17: the buffer of a lane is bounded; what does not fit is stopped, never released unchecked."""
    hold = lane(cuts=nowhere, limit=2000)
    events = [event for piece in pieces for event in hold.feed(piece)]
    assert events == [Stop(0, "limit")]
    assert hold.done


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_cut_at_the_very_limit_is_still_taken(size: int) -> None:
    """Whether the limit stops a lane depends on the text, not on when the cuts were asked for."""
    text = "x" * 199 + " " + "y" * 50
    hold = lane(limit=200)
    seen: list[Event] = []
    for at in range(0, len(text), size):
        seen += drain(hold, hold.feed(text[at : at + size]))
    assert seen == [Check(0, "x" * 199 + " "), Release(0, "x" * 199 + " ")]


def test_the_limit_waits_for_the_windows_before_it() -> None:
    """Windows that were checked in time are still released."""
    hold = lane(limit=50)
    assert hold.feed("a b " + "x" * 51) == [Check(0, "a "), Check(1, "b ")]
    assert hold.checked(1, "b ") == []
    assert hold.checked(0, "a ") == [Release(0, "a "), Release(1, "b "), Stop(2, "limit")]


def test_hold_full_is_bounded_too() -> None:
    """An answer that is longer than the limit is stopped while it comes."""
    hold = lane(hold="full", limit=10)
    assert hold.feed("0123456789") == []
    assert hold.feed("x") == [Stop(0, "limit")]


def test_a_target_beyond_the_limit_does_not_stop_prose() -> None:
    """A policy may ask for huge windows; they are cut to what the limit can hold."""
    hold = lane(first=10_000, step=10_000, limit=2000)
    events = drain(hold, [*hold.feed("word " * 2000), *hold.finish()])
    assert not [e for e in events if isinstance(e, Stop)]
    assert hold.released == "word " * 2000


def test_text_after_the_end_stops_the_lane() -> None:
    """A provider that goes on after it ended a lane gets nothing more through, and nothing unchecked."""
    hold = lane()
    hold.feed("a ")
    hold.finish()
    assert hold.feed("late") == []
    assert hold.checked(0, "a ") == [Release(0, "a "), Stop(1, "late")]


@pytest.mark.parametrize("window", [-1, 0, 7])
def test_an_answer_to_no_question_is_an_error(window: int) -> None:
    """An engine that answers a window twice, or one that was never asked, is wrong."""
    hold = lane()
    hold.feed("a b ")
    hold.checked(0, "a ")
    with pytest.raises(ValueError, match="not in flight"):
        hold.checked(window, "x")


def test_events_never_show_their_text() -> None:
    """A repr in a log or a traceback carries no text of the answer."""
    assert "canary" not in repr([Check(0, "canary", "canary"), Release(0, "canary")])


def test_the_provider_text_is_kept_only_on_request() -> None:
    """Repeats in a stream are compared with what the provider sent."""
    assert lane().provider == ""
    hold = lane(keep_provider=True)
    hold.feed("a b")
    hold.feed(" c")
    assert hold.provider == "a b c"


def test_released_text_is_not_kept_as_buffer() -> None:
    """A long stream holds the open window and its context, not what it has already passed on."""
    hold = lane(first=12, step=96, context=24)
    for _ in range(20_000):
        drain(hold, hold.feed("word "))
    assert len(hold._windows._text) < 8 * 1024
    assert len(hold._windows._cuts) < 2048


def test_the_work_on_a_text_without_cuts_is_linear() -> None:
    """A hostile answer without a safe cut is not scanned again for every delta (E04)."""
    asked = []

    def counting(text: str, start: int, final: bool) -> list[int]:
        asked.append(len(text) - start)
        return []

    for size in (10_000, 20_000):
        asked.append(0)
        hold = lane(cuts=counting)
        for _ in range(size):
            hold.feed("x")
        assert sum(asked) < 40 * size
        asked.clear()
    assert LIMIT > 20_000


def test_prose_flows_at_once_behind_a_long_word() -> None:
    """A long value makes the machine look less often; once it is over, words leave as they come."""
    hold = lane()
    for character in "x" * 2000:
        hold.feed(character)
    while not drain(hold, hold.feed("a ")):
        pass
    assert windows(drain(hold, hold.feed("b "))) == ["b "]


def test_cuts_see_enough_text_before_them() -> None:
    """However little context a check needs, what decides a cut keeps the text that it may look at."""
    seen = []

    def looking(text: str, start: int, final: bool) -> list[int]:
        seen.append(start >= LOOK_BACK or text.startswith("^"))
        return every(text, start, final)

    hold = lane(cuts=looking)
    for piece in ["^", *["word "] * 4000]:
        drain(hold, hold.feed(piece))
    assert len(hold._windows._text) < 8 * 1024
    assert all(seen)


@pytest.mark.parametrize("first", [0, 2])
def test_the_last_window_says_that_it_is(first: int) -> None:
    """Where the judge needs to know, a window that ends with the known text waits for more text or the end; where
    nobody is asked (first=0) it does not wait."""
    text = "One two three four. "
    hold = lane(
        first=first, step=first, cuts=lambda t, start, final: [c for c in (len(text),) if start < c <= len(t)]
    )
    early = hold.feed(text)
    assert [check.last for check in early] == ([] if first else [False])
    assert [check.last for check in hold.finish()] == ([True] if first else [])
