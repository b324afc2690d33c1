"""What a refused person reads: the rule that would allow it, never the text."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from guard.kinds import KINDS
from guard.policy.load import load_policy
from guard.sentences import CHINESE, ENGLISH, HISTORY, message_for, sentence, spoken
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
        update={
            "messages": policy.messages.model_copy(update={"input": "Ask {0}", "self_harm": "Call someone."})
        }
    )
    assert _said(own, "pii.card", Stage.INPUT) == "Ask {0}"
    assert _said(own, "moderation.self-harm/intent", Stage.OUTPUT) == "Call someone."
    assert _said(own, "guard.unavailable.moderation", Stage.INPUT).startswith("a check could not run")


def _said(policy: object, kind: str, stage: Stage, languages: tuple[str, ...] = ()) -> str:
    finding = Finding(kind, 0, 1, 1.0, "pattern", "messages[0].content")
    decision = Decision(finding, Action.BLOCK, Action.BLOCK, kind)
    return message_for(policy, decision, stage, languages)  # type: ignore[arg-type]


def test_a_store_that_cannot_be_used_is_not_taken_for_a_lost_history() -> None:
    """The same kind has two causes: what is said names the one that it was."""
    assert "(store)" in sentence("guard.unavailable.store")
    for field in HISTORY:
        assert f"what {field} goes on from is not known here" in sentence("guard.unavailable.store", field)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_sentence_has_a_chinese_one(kind: str) -> None:
    """It names the same kind, place and rule, and none is left in English."""
    for stage, path in ((Stage.INPUT, "messages[0].content"), (Stage.OUTPUT, "")):
        english, chinese = (sentence(kind, path, stage, tag) for tag in ((), ("zh-cn",)))
        assert any("\u4e00" <= c <= "\u9fff" for c in chinese)
        assert set(re.findall(r"`[^`]+`", english)) == set(re.findall(r"`[^`]+`", chinese))
        assert (path in english) == (path in chinese)


def test_both_languages_say_the_same_things() -> None:
    """Each sentence stands in both tables, with the same fields."""
    assert set(ENGLISH) == set(CHINESE)
    for name in ENGLISH:
        fields = [{f for _, f, _, _ in Formatter().parse(t[name]) if f} for t in (ENGLISH, CHINESE)]
        assert fields[0] - {"place"} == fields[1] - {"place"}, name


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", ("zh-cn", "zh", "en")),
        ("en;q=0.1, zh", ("zh", "en")),
        ("en;q=0, *", ()),
        ("", ()),
        ("\xff;;q=,q=1", ()),
        ("en;q=9", ()),
        (",".join(["de"] * 100), ("de",) * 8),
    ],
)
def test_accept_language(header: str, languages: tuple[str, ...]) -> None:
    """RFC 9110, 12.5.4: by weight, none of weight 0; what cannot be read counts as not there; bounded."""
    assert spoken([(b"Accept-Language", header.encode("latin-1"))]) == languages


def test_a_policys_words_by_language() -> None:
    """RFC 4647 lookup: the tag, then what it begins with; where none is asked for, the first that is written."""
    said = {"de": "Nein.", "zh": "不行。", "zh-Hant": "不可以。"}
    policy = load_policy("default")
    own = policy.model_copy(update={"messages": policy.messages.model_copy(update={"input": said})})
    for languages, words in (
        (("zh-cn",), "不行。"),
        (("zh-hant-tw", "de"), "不可以。"),
        (("fr", "zh"), "不行。"),
        (("fr",), "Nein."),
        ((), "Nein."),
    ):
        assert _said(own, "pii.card", Stage.INPUT, languages) == words
