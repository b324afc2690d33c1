"""What the judge of a stream is shown: windows behind their context, and the whole answer before its end leaves."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.moderation import CATEGORIES
from guard.text import tokens

_spec = importlib.util.spec_from_file_location("stream_kit", Path(__file__).with_name("stream_kit.py"))
assert _spec is not None
assert _spec.loader is not None
kit = sys.modules.setdefault("stream_kit", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(kit)

NONE = kit.JUDGED.replace("context: 8", "context: 8, hold: none")
FULL = kit.JUDGED.replace("context: 8", "context: 8, hold: full")
STORY = "First we take the blue wire out. Then it rains for a day. The sun comes out. At last we put the red wire in."
HANZI = "我们先把蓝线拿出来。然后下了一天的雨。太阳出来了。最后我们把红线放进去。"


def blocks(wanted: Callable[[str], bool]) -> Callable[[str], dict[str, float]]:
    """A judge that finds illicit what the function says."""
    return lambda text: {**dict.fromkeys(CATEGORIES, 0.0), "illicit": 0.95 if wanted(text) else 0.0}


def both(text: str) -> bool:
    return ("blue" in text and "red" in text) or ("蓝" in text and "红" in text)


def streamed(
    policy: str, text: str, judge: Any, *, chunk: int = 4, endpoint: str = "chat", **more: Any
) -> Any:
    data = kit.wire(kit.provider(endpoint, [text], chunk=chunk), done=endpoint != "responses")
    return kit.run(policy, endpoint, kit.cut(data, 0), judge=judge, **more)


@pytest.mark.parametrize("endpoint", ["chat", "completions", "responses"])
@pytest.mark.parametrize("story", [STORY, HANZI], ids=["english", "chinese"])
def test_what_builds_up_over_windows_is_seen_whole(story: str, endpoint: str) -> None:
    """No window says anything alone; together they do: the last window does not leave, and the answer is refused."""
    ran = streamed(kit.JUDGED, story, blocks(both), endpoint=endpoint)
    assert ran.ends == ["moderation.illicit"]
    assert sum(map(both, ran.asked)) == 1
    [told] = kit.told(ran.events).values()
    assert told.startswith(story[:12])
    assert not told.startswith(story)
    assert "red" not in told


@settings(max_examples=150, deadline=None)
@given(
    words=st.lists(
        st.sampled_from(["rain. ", "sun ", "cloud, ", "下雨。", "我们", "so it goes\n", "3.14 "]),
        min_size=1,
        max_size=60,
    ),
    size=st.integers(1, 40),
    seed=st.integers(0, 99),
    lazy=st.booleans(),
)
def test_the_last_window_waits_for_the_whole(words: list[str], size: int, seed: int, lazy: bool) -> None:
    """Wherever a text ends, at a cut or between: its last window is held until all of it was judged at once; what
    had left before is the same for every cut of the stream and every pace of the judge."""
    text = "".join(words)
    judge = blocks(lambda asked: asked == text)
    ran = streamed(kit.JUDGED, text, judge, chunk=size, seed=seed, lazy=lazy)
    whole = streamed(kit.JUDGED, text, judge, chunk=len(text))
    if not text.strip():
        return
    assert ran.ends == whole.ends == ["moderation.illicit"]
    left = kit.told(ran.events)["0"]
    assert left == kit.told(whole.events)["0"]
    assert not left.startswith(text)
    assert sorted(ran.asked) == sorted(whole.asked)


def test_a_short_answer_is_asked_about_once() -> None:
    """One window is the whole answer: nothing is judged twice."""
    ran = streamed(kit.JUDGED, "Yes, it does.", blocks(both))
    assert ran.asked == ["Yes, it does."]


@pytest.mark.parametrize("policy", [kit.JUDGED, FULL, NONE], ids=["window", "full", "none"])
def test_the_whole_answer_is_judged_in_every_hold(policy: str) -> None:
    """Also where all is held anyway, and where nothing is held: the last question shows all of it."""
    ran = streamed(policy, STORY, blocks(lambda _: False))
    assert ran.asked[-1] == STORY
    assert kit.told(ran.events) == {"0": STORY}


def test_context_is_counted_in_tokens() -> None:
    """A Hanzi is a token: a Chinese window comes behind 8 of them, an English one behind some 32 letters."""
    chinese = streamed(kit.JUDGED, HANZI * 4, blocks(lambda _: False)).asked[:-1]
    assert max(map(len, chinese)) <= 16 * 5 // 4 + 8
    english = streamed(kit.JUDGED, STORY * 4, blocks(lambda _: False)).asked[:-1]
    assert max(map(tokens, english)) <= 16 * 5 // 4 + 8 + 1
    assert any(len(text) > 16 * 4 for text in english)


def test_a_late_hit_cuts_and_says_what_had_left() -> None:
    """hold: none: text leaves before it is judged; a hit ends the answer, and how much left unchecked is counted."""
    ran = streamed(NONE, STORY, blocks(lambda text: "red" in text))
    assert ran.ends == ["moderation.illicit"]
    assert kit.finishes(ran.events) == {0: ["content_filter"]}
    assert 0 < ran.gate.unchecked_bytes <= len(STORY.encode())
    calm = streamed(NONE, HANZI, blocks(lambda _: False))
    assert calm.gate.unchecked_bytes == len(HANZI.encode())
    assert streamed(kit.JUDGED, HANZI, blocks(lambda _: False)).gate.unchecked_bytes == 0


def test_two_choices_are_whole_answers_of_their_own() -> None:
    """What builds up in one choice ends that one; the other, with the same end, is complete."""
    other = STORY.replace("blue", "long")
    data = kit.wire(kit.provider("chat", [STORY, other]))
    ran = kit.run(kit.JUDGED, "chat", kit.cut(data, 7), judge=blocks(both), choices=2)
    told = kit.told(ran.events)
    assert told["1"] == other
    assert "red" not in told["0"]
    assert kit.finishes(ran.events) == {0: ["content_filter"], 1: ["stop"]}
    assert ran.done


def test_the_judge_sees_no_original() -> None:
    """B19: the whole answer is shown as its windows are: found values and restored originals as placeholders."""
    text = "Write to <EMAIL_1> or to bob@corp.org now. " + STORY
    who = kit.exchange(("pii.email", "ann@corp.org"))
    data = kit.wire(kit.provider("chat", [text]))
    ran = kit.run(kit.JUDGED, "chat", kit.cut(data, 0), who, judge=blocks(lambda _: False))
    assert "ann@corp.org" in kit.told(ran.events)["0"]
    assert not any("@" in asked for asked in ran.asked)
    assert ran.asked[-1].startswith("Write to <EMAIL_1> or to <EMAIL> now. First")


def test_what_an_inner_mount_released_is_not_judged_again() -> None:
    """Stacked mounts: the inner one has judged the whole answer; the outer asks nothing."""
    who = kit.exchange(stacked=True)
    who.note_streamed("choices[0].content", STORY)
    data = kit.wire(kit.provider("chat", [STORY]))
    ran = kit.run(kit.JUDGED, "chat", kit.cut(data, 0), who, judge=blocks(lambda _: True))
    assert ran.asked == []
    assert kit.told(ran.events) == {"0": STORY}


HURT = STORY + " I will hurt you. " + STORY


@pytest.mark.parametrize("offered", [True, False])
@pytest.mark.parametrize("endpoint", ["chat", "responses"])
@pytest.mark.parametrize("text", [STORY, HURT], ids=["calm", "hurt"])
def test_inline_scores_end_a_stream_however_it_is_cut(text: str, endpoint: str, offered: bool) -> None:
    """`by: inline`: text is held until the provider's own scores come, or, where none come, until the judge has
    answered about all of it; what the caller receives is the same for every cut, and a calm answer is complete."""
    more = {"moderation": {"model": "m"}} if offered else {}
    data = kit.wire(kit.provider(endpoint, [text], **more), done=endpoint != "responses")
    outs = set()
    for size in (0, 1, 50, 400):
        ran = kit.run(kit.JUDGED, endpoint, kit.cut(data, size), inline=True)
        assert ran.asked == ([] if offered else [text])
        outs.add(ran.out)
    assert len(outs) == 1
    [told] = kit.told(ran.events).values()
    assert (told == STORY) if text is STORY else ("blue" not in told)
    assert ran.ends == ["" if text is STORY else "moderation.harassment/threatening"]


def test_an_inline_judge_that_failed_lets_nothing_leave() -> None:
    """C16: the error arm in a stream is an outage: an error event, no [DONE], no text."""
    data = kit.wire(kit.provider("chat", [STORY], moderation={"model": "m"}))
    failed = data.replace(b'"output":{"type":"moderation_results"', b'"output":{"type":"error"')
    for size in (0, 1, 50):
        ran = kit.run(kit.JUDGED, "chat", kit.cut(failed, size), inline=True)
        assert ran.ends == ["guard.unavailable.moderation"]
        assert kit.told(ran.events) == {}
        assert not ran.done
        assert ran.asked == []
