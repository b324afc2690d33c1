"""What was sent and only comes back is not judged; what the model says is, even where it repeats the prompt."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from guard.engine import Exchange, screen_input, screen_output
from guard.keys import Keys
from guard.pii.mapping import Mapping
from guard.policy.load import load_policy
from guard.types import Detect, Flow, Identity, Score, Segment

POLICY = load_policy("default")
TEXT = "I will describe it in every detail."


def _run(flow: Flow[object]) -> list[tuple[str, ...]]:
    """Step a flow by hand, find nothing and score everything low; the texts that were judged."""
    judged: list[tuple[str, ...]] = []
    answer: object = None
    while True:
        try:
            effect = flow.send(answer)
        except StopIteration:
            return judged
        if isinstance(effect, Detect):
            answer = [[] for _ in effect.texts]
        elif isinstance(effect, Score):
            judged.append(effect.texts)
            answer = [{} for _ in effect.texts]


def _exchange(sent: Sequence[Segment]) -> Exchange:
    keys = Keys(b"k" * 32)
    exchange = Exchange(Identity(), Mapping(keys), keys.memo, keys.subjects_of("default", 2026))
    _run(screen_input(POLICY, exchange, sent, ()))
    return exchange


@pytest.mark.parametrize(
    "path", ["choices[0].message.content", "output[0].content[0].text", "response.output[0].content[0].text"]
)
def test_a_model_that_repeats_the_prompt_is_judged(path: str) -> None:
    """ "Repeat my first message" must not be a way around the judge."""
    exchange = _exchange([Segment("messages[0].content", TEXT)])
    assert _run(screen_output(POLICY, exchange, [Segment(path, TEXT)], ())) == [(TEXT,)]


@pytest.mark.parametrize("path", ["instructions", "response.instructions", "metadata<0>"])
def test_a_setting_that_comes_back_is_not_judged(path: str) -> None:
    """The Responses API repeats the instructions in every answer: that is no output of the model."""
    exchange = _exchange([Segment("instructions", TEXT)])
    assert _run(screen_output(POLICY, exchange, [Segment(path, TEXT)], ())) == []


def test_a_setting_that_was_not_sent_is_judged() -> None:
    """Only word for word: instructions that nobody sent are text like any other."""
    exchange = _exchange([Segment("instructions", TEXT)])
    assert _run(screen_output(POLICY, exchange, [Segment("instructions", TEXT + "!")], ())) == [(TEXT + "!",)]
