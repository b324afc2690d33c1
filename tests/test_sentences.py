"""What a refused person reads: the rule that would allow it, never the text."""

from __future__ import annotations

import pytest

from guard.kinds import KINDS
from guard.policy.load import load_policy
from guard.sentences import HISTORY, message_for, sentence
from guard.types import Action, Decision, Finding, Stage


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_a_sentence(kind: str) -> None:
    """Each refusal names its kind or what it is about, so that an engineer can look it up."""
    said = sentence(kind, "messages[0].content")
    assert kind.rpartition(".")[2].split("/")[0] in said
    assert said[0].islower()


def test_what_cannot_be_read_names_the_rule_that_would_allow_it() -> None:
    """An image names its place and the rule, at the stage where it stands."""
    said = sentence("guard.opaque.image", "messages[0].content[0]", Stage.INPUT)
    assert "messages[0].content[0]" in said
    assert "`guard.opaque.image: allow` under input.rules" in said


def test_the_policys_own_words_come_first() -> None:
    """A policy's message is read as it stands; an outage keeps guard's sentence, since it is no violation."""
    policy = load_policy("default")
    own = policy.model_copy(
        update={"messages": policy.messages.model_copy(update={"input": "Ask {0}", "self_harm": "Call someone."})}
    )
    assert _said(own, "pii.card", Stage.INPUT) == "Ask {0}"
    assert _said(own, "moderation.self-harm/intent", Stage.OUTPUT) == "Call someone."
    assert _said(own, "guard.unavailable.moderation", Stage.INPUT).startswith("a check could not run")


def _said(policy: object, kind: str, stage: Stage) -> str:
    finding = Finding(kind, 0, 1, 1.0, "pattern", "messages[0].content")
    return message_for(policy, Decision(finding, Action.BLOCK, Action.BLOCK, kind), stage)  # type: ignore[arg-type]


def test_a_store_that_cannot_be_used_is_not_taken_for_a_lost_history() -> None:
    """The same kind has two causes: what is said names the one that it was."""
    assert "(store)" in sentence("guard.unavailable.store")
    for field in HISTORY:
        assert f"what {field} goes on from is not known here" in sentence("guard.unavailable.store", field)
