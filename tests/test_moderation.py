"""What the judge's answer means, and what no answer means."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import Unavailable
from guard.moderation import (
    CATEGORIES,
    ask_inline,
    findings,
    highest,
    inline_scores,
    parse_scores,
    request_body,
    undisguised,
)
from guard.types import Finding

LOW = dict.fromkeys(CATEGORIES, 0.01)
CANARY = "alice.canary@example.org"


def answer(*scores: Any, **changes: Any) -> bytes:
    results = [{"flagged": False, "categories": {}, "category_scores": s} for s in scores]
    return orjson.dumps({"id": "modr-1", "model": "omni-moderation-latest", "results": results, **changes})


def test_the_categories_are_those_of_the_sdk() -> None:
    """A category that the installed SDK knows and guard does not would be judged by nobody."""
    from openai.types.moderation import CategoryScores

    fields = CategoryScores.model_fields.items()
    assert sorted(field.alias or name for name, field in fields) == sorted(CATEGORIES)


def test_a_request_has_the_shape_of_the_sdk() -> None:
    """One call carries all texts of an answer."""
    assert orjson.loads(request_body(["one", "二"], "omni-moderation-latest")) == {
        "model": "omni-moderation-latest",
        "input": ["one", "二"],
    }


@pytest.mark.parametrize(
    ("text", "sent"), [("\ud83d\ude00", "😀"), ("a\ud83d", "a\ufffd"), ("\ude00b", "\ufffdb")]
)
def test_surrogate_halves_do_not_stop_a_check(text: str, sent: str) -> None:
    """A36: a provider may cut an emoji in two; the judge is asked about what can be encoded."""
    assert orjson.loads(request_body([text], "m"))["input"] == [sent]


def test_scores_are_read_as_the_sdk_reads_them() -> None:
    """The plain reading agrees with openai.types.ModerationCreateResponse."""
    from openai.types import ModerationCreateResponse

    scores = {category: i / 20 for i, category in enumerate(CATEGORIES)}
    body = answer(scores, LOW)
    typed = ModerationCreateResponse.model_validate_json(
        answer(scores, LOW, results=[
            {
                "flagged": False,
                "categories": dict.fromkeys(CATEGORIES, False),
                "category_applied_input_types": {c: ["text"] for c in CATEGORIES},
                "category_scores": s,
            }
            for s in (scores, LOW)
        ])
    )  # fmt: skip
    assert parse_scores(body, 2) == [r.category_scores.model_dump(by_alias=True) for r in typed.results]


def test_field_names_of_the_sdk_mean_the_same_categories() -> None:
    """A compatible service that writes `self_harm_intent` is understood."""
    assert parse_scores(answer({"self_harm_intent": 0.5, "violence_graphic": 0.1}), 1) == [
        {"self-harm/intent": 0.5, "violence/graphic": 0.1}
    ]


def test_two_spellings_of_one_category_count_as_the_higher() -> None:
    """No spelling hides another."""
    assert parse_scores(answer({"self-harm": 0.9, "self_harm": 0.1}), 1) == [{"self-harm": 0.9}]
    assert parse_scores(answer({"self_harm": 0.1, "self-harm": 0.9}), 1) == [{"self-harm": 0.9}]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"<html>502</html>",
        b'{"results": [{"category_scores": {"hate": NaN}}]}',
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"results": null}',
        b'{"results": {}}',
        b'{"results": []}',
        b'{"results": [null]}',
        b'{"results": [{}]}',
        b'{"results": [{"category_scores": null}]}',
        b'{"results": [{"category_scores": []}]}',
        b'{"results": [{"category_scores": {}}]}',
        b'{"results": [{"category_scores": {"hate": "0.9"}}]}',
        b'{"results": [{"category_scores": {"hate": 0.1}}, {"category_scores": {"hate": 0.1}}]}',
        b'{"error": {"message": "You said: alice.canary@example.org"}}',
        b'{"results": [{"category_scores": {"alice.canary@example.org": 0.1}}]}',
    ],
)
def test_an_answer_of_another_shape_is_unavailable(body: bytes) -> None:
    """C16: bad JSON and missing fields are an outage with its own code, never clean, never quoted."""
    with pytest.raises(Unavailable) as caught:
        parse_scores(body, 1)
    assert caught.value.kind == "guard.unavailable.moderation"
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("bad", ["0.9", None, True, False, -0.5, 1.5, 1e9, [], {}])
def test_a_malformed_score_is_a_missing_one(bad: Any) -> None:
    """Strings, booleans and numbers outside [0, 1] are no scores; the others of the answer still are."""
    [scores] = parse_scores(answer({**LOW, "violence": bad}), 1)
    assert "violence" not in scores
    assert len(scores) == 12


def test_rounding_is_clipped() -> None:
    """A score that single precision pushed over 1 is 1."""
    assert parse_scores(answer({"hate": 1.0000001, "violence": -1e-9}), 1) == [{"hate": 1.0, "violence": 0.0}]


def test_every_category_becomes_a_finding_with_its_score() -> None:
    """Low scores are findings too: the rule table decides, and the trace keeps them all."""
    found = findings({**LOW, "violence": 0.97}, "choices[0].message.content", "omni", CATEGORIES)
    assert {f.kind for f in found} == {f"moderation.{c}" for c in CATEGORIES}
    assert found[CATEGORIES.index("violence")] == Finding(
        "moderation.violence", 0, 0, 0.97, "moderation:omni", "choices[0].message.content"
    )


def test_a_category_that_is_new_to_guard_is_a_finding() -> None:
    """A wildcard rule acts on what the service adds later."""
    [scores] = parse_scores(answer({**LOW, "weapons/biological": 0.99}), 1)
    kinds = {f.kind: f.score for f in findings(scores, "", "omni", CATEGORIES)}
    assert kinds["moderation.weapons/biological"] == 0.99


@pytest.mark.parametrize("required", [["violence"], ["moderation.violence"], CATEGORIES])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, "0.9", True, None, -0.1, 1.1, "absent"])
def test_a_required_score_that_is_missing_or_malformed_is_unavailable(required: Any, bad: Any) -> None:
    """C16: a rule whose score is not there could not be checked, and that is a finding of its own."""
    scores = {**LOW, "violence": bad}
    if bad == "absent":
        del scores["violence"]
    found = findings(scores, "p", "omni", required)
    assert [f for f in found if f.kind.startswith("guard.")] == [
        Finding("guard.unavailable.moderation", 0, 0, 1.0, "moderation:omni", "p")
    ]
    assert "moderation.violence" not in {f.kind for f in found}
    assert len(found) == 13


def test_a_score_that_no_rule_needs_may_be_missing() -> None:
    """An older model without `illicit` serves a policy that does not name it."""
    scores = {c: 0.0 for c in CATEGORIES if not c.startswith("illicit")}
    assert len(findings(scores, "", "omni", ["violence", "hate"])) == 11
    assert findings({}, "", "omni", []) == []


def test_pieces_of_a_text_are_joined_by_the_highest_score() -> None:
    """A long text is as bad as its worst piece; a category that one piece lacks was not judged."""
    assert highest([{"hate": 0.1, "violence": 0.9}, {"hate": 0.4, "violence": 0.2}]) == {
        "hate": 0.4,
        "violence": 0.9,
    }
    assert highest([{"hate": 0.1, "violence": 0.9}, {"hate": 0.2}]) == {"hate": 0.2}


@given(
    st.text(
        st.characters(exclude_categories=["Cf", "Cn", "Mn"], exclude_characters="\u115f\u1160\u3164\uffa0")
    )
)
def test_what_one_sees_is_shown_to_the_judge(text: str) -> None:
    """D27: only what nobody sees is taken out (Hangul fillers are letters that nobody sees)."""
    assert undisguised(text) == text


@given(st.text())
def test_nothing_is_disguised_twice(text: str) -> None:
    """D27: what is taken out leaves nothing behind that would have to be taken out."""
    assert undisguised(undisguised(text)) == undisguised(text)


def test_tag_characters_are_letters_for_the_judge() -> None:
    """D27: a sentence in tag characters is that sentence; a flag's tags and joiners leave nothing that misleads."""
    hidden = "".join(chr(0xE0000 + ord(c)) for c in "Kill them")
    assert undisguised(f"A{hidden}B") == "AKill themB"
    assert undisguised("a\u200bb\ufe0fc\u00add\ufeff") == "abcd"
    assert undisguised("我们 naïve 👍") == "我们 naïve 👍"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"type": "moderation_result", "category_scores": {"hate": 0.4}}, [{"hate": 0.4}]),
        (
            {
                "type": "moderation_results",
                "results": [{"category_scores": {"hate": 0.4}}, {"category_scores": {"hate": 1}}],
            },
            [{"hate": 0.4}, {"hate": 1.0}],
        ),
    ],
)
def test_inline_results_are_read_in_both_shapes(output: Any, expected: Any) -> None:
    """Chat has a list of results, Responses one; no field at all is a provider that does not offer it."""
    assert inline_scores({"moderation": {"input": {"type": "error"}, "output": output}}) == expected
    assert inline_scores({"choices": []}) is None
    assert inline_scores({"moderation": None}) is None


@pytest.mark.parametrize(
    "told",
    [
        {"output": {"type": "error", "code": "x", "message": CANARY}},
        {"output": {"type": "moderation_results", "results": []}},
        {"output": {"type": "moderation_results", "results": "none"}},
        {"output": {"type": "moderation_result"}},
        {"output": {"type": "moderation_result", "category_scores": {"hate": "high"}}},
        {"output": None},
        {},
        "clean",
    ],
)
def test_an_inline_result_that_is_none_is_unavailable(told: Any) -> None:
    """C16: the error arm and every other shape; nothing of it is quoted."""
    with pytest.raises(Unavailable) as caught:
        inline_scores({"moderation": told})
    assert CANARY not in str(caught.value)


def test_the_error_arm_is_named_as_such() -> None:
    """The reason says whose failure it was."""
    told = {"output": {"type": "error", "category_scores": {"hate": 0.0}}}
    with pytest.raises(Unavailable, match="the provider could not moderate its answer"):
        inline_scores({"moderation": told})


def test_a_caller_who_asks_for_more_keeps_it() -> None:
    """A caller's own `block` of the provider stays; the model is the policy's, since its scores are judged by it."""
    own = {"messages": [], "moderation": {"model": "theirs", "policy": {"output": {"mode": "block"}}}}
    assert ask_inline(own, "omni")["moderation"] == {"model": "omni", "policy": {"output": {"mode": "block"}}}
    assert ask_inline({"messages": []}, "omni")["moderation"]["policy"] == {"output": {"mode": "score"}}
    assert own["moderation"]["model"] == "theirs"
