"""Guard models as judges: their words become scores of the same kinds, and what cannot be read is never safe."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest

from guard.errors import Unavailable
from guard.guardmodels import PRINCIPLES, GuardModel
from guard.kinds import LABELLED, MODERATION
from guard.policy.labels import DIALECTS, Dialect, dialect_of, table

MODELS: dict[Dialect, str] = {
    "qwen3guard": "Qwen/Qwen3Guard-Gen-4B",
    "llama-guard": "meta-llama/Llama-Guard-4-12B",
    "shieldgemma": "google/shieldgemma-9b",
}


def judge(dialect: Dialect, **own: list[str]) -> GuardModel:
    return GuardModel(MODELS[dialect], dialect, table(dialect, own))


def answer(content: Any, **choice: Any) -> bytes:
    return orjson.dumps(
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}, **choice}]}
    )


def scored(dialect: Dialect, content: str, **own: list[str]) -> dict[str, float]:
    """What one answer says, without the zeros."""
    [scores] = judge(dialect, **own).scores([answer(content)], 1)
    return {category: score for category, score in scores.items() if score}


@pytest.mark.parametrize(
    ("dialect", "content", "expected"),
    [
        ("qwen3guard", "Safety: Safe\nCategories: None", {}),
        ("qwen3guard", "Safety: Safe\nCategories: None\nRefusal: Yes", {}),
        (
            "qwen3guard",
            "Safety: Unsafe\nCategories: Violent\nRefusal: No",
            {"violence": 1.0, "illicit/violent": 1.0},
        ),
        ("qwen3guard", "Safety: Controversial\nCategories: Suicide & Self-Harm", {"self-harm": 0.5}),
        (
            "qwen3guard",
            "Safety: Unsafe\nCategories: PII, Copyright Violation",
            {"privacy": 1.0, "copyright": 1.0},
        ),
        ("qwen3guard", "<think>\n\n</think>\n\nSafety: Unsafe\nCategories: Jailbreak", {"jailbreak": 1.0}),
        ("llama-guard", "safe", {}),
        ("llama-guard", "\n\nsafe\n", {}),
        ("llama-guard", "unsafe\nS11", {"self-harm": 1.0}),
        ("llama-guard", "unsafe\nS4,S12", {"sexual/minors": 1.0, "sexual": 1.0}),
        ("llama-guard", "unsafe\ns2, s10", {"illicit": 1.0, "hate": 1.0}),
    ],
)
def test_answers_are_read_as_the_models_give_them(
    dialect: Dialect, content: str, expected: dict[str, float]
) -> None:
    """The forms of the model cards: the word for the text, then its labels; each label means its kinds."""
    assert scored(dialect, content) == expected


@pytest.mark.parametrize(
    ("dialect", "content", "reason"),
    [
        ("qwen3guard", "Safety: Unsafe\nCategories: None", "names no label"),
        ("qwen3guard", "Safety: Unsafe\nCategories: Something New", "does not hold"),
        ("qwen3guard", "Safety: Unsafe\nCategories: Violent, Something New", "does not hold"),
        ("qwen3guard", "I'd say that this is fine.", "neither safe nor unsafe"),
        ("qwen3guard", "Safety: Safe", "neither safe nor unsafe"),
        (
            "qwen3guard",
            "Safety: Safe\nCategories: None\nOn second thought it is not.",
            "neither safe nor unsafe",
        ),
        ("llama-guard", "unsafe", "names no label"),
        ("llama-guard", "unsafe\nS99", "does not hold"),
        ("llama-guard", "safely said: unsafe", "neither safe nor unsafe"),
        ("llama-guard", "safe, but only just", "neither safe nor unsafe"),
        ("llama-guard", "", "neither safe nor unsafe"),
    ],
)
def test_what_is_no_answer_of_the_dialect_is_unavailable(dialect: Dialect, content: str, reason: str) -> None:
    """Chatter, a label that nobody declared, unsafe without a label: a check that could not run, never safe."""
    with pytest.raises(Unavailable, match=reason):
        scored(dialect, content)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [1]}',
        answer(None),
        answer(7),
        answer([{"text": "safe"}]),
    ],
)
@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_an_answer_of_another_shape_is_unavailable(dialect: Dialect, body: bytes) -> None:
    """C16: bad JSON, missing fields, other types; the reason quotes none of it."""
    one = judge(dialect)
    with pytest.raises(Unavailable):
        one.scores([body] * len(one.bodies(["x"])), 1)


def test_answers_and_texts_are_counted() -> None:
    """An answer too few is no answer to somebody's text."""
    with pytest.raises(Unavailable):
        judge("llama-guard").scores([answer("safe")], 2)


def test_each_text_is_one_request() -> None:
    """The text is the user's message as it is, at temperature 0; halves of surrogate pairs do not stop a check."""
    bodies = [orjson.loads(body) for body in judge("qwen3guard").bodies(["one", "two \ud83d"])]
    assert [body["messages"] for body in bodies] == [
        [{"role": "user", "content": "one"}],
        [{"role": "user", "content": "two \ufffd"}],
    ]
    assert {(body["model"], body["temperature"]) for body in bodies} == {(MODELS["qwen3guard"], 0)}


def odds(yes: float, no: float) -> dict[str, Any]:
    rows = [{"token": t, "logprob": math.log(p)} for t, p in (("Yes", yes), (" No", no), ("Maybe", 0.1))]
    return {"logprobs": {"content": [{"token": "No", "logprob": -0.1, "top_logprobs": rows}]}}


def test_shieldgemma_is_asked_by_principle_and_scores_by_probability() -> None:
    """One request a principle, in the model's chat template; the score is the chance of Yes against No."""
    one = judge("shieldgemma")
    bodies = [orjson.loads(body) for body in one.bodies(["a text"])]
    guidelines = [body["chat_template_kwargs"]["guideline"] for body in bodies]
    assert [g.partition('":')[0].strip('"') for g in guidelines] == list(PRINCIPLES)
    answers = [answer("No", **odds(0.1, 0.3)), answer("Yes"), answer("No."), answer("no", logprobs=None)]
    [scores] = one.scores(answers, 1)
    assert scores["illicit"] == scores["self-harm"] == pytest.approx(0.25)
    assert scores["harassment"] == 1.0
    assert scores["hate"] == scores["sexual"] == 0.0
    with pytest.raises(Unavailable, match="neither Yes nor No"):
        one.scores([answer("Perhaps")] * 4, 1)


def test_own_labels_are_laid_over_those_of_the_dialect() -> None:
    """A policy's table renames, adds and takes out; a new principle is asked by its own words."""
    assert scored("llama-guard", "unsafe\nS99", S99=["moderation.violence"]) == {"violence": 1.0}
    assert scored("llama-guard", "unsafe\nS13", S13=[]) == {}
    own = GuardModel(
        "m", "shieldgemma", table("shieldgemma", {"No Advice": ["moderation.illicit"], "No Harassment": []})
    )
    asked = [orjson.loads(body)["chat_template_kwargs"]["guideline"] for body in own.bodies(["x"])]
    assert any(guideline.startswith('"No Advice"') for guideline in asked)
    assert not any("Harassment" in guideline for guideline in asked)


@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_every_label_means_a_known_kind(dialect: Dialect) -> None:
    """The tables hold kinds that a rule can name; the judge gives a score for each of them, whatever the text."""
    categories = {category for found in DIALECTS[dialect].values() for category in found}
    assert categories <= {*MODERATION, *LABELLED}
    assert set(judge(dialect).categories) == categories
    assert set(PRINCIPLES) == set(DIALECTS["shieldgemma"])


@pytest.mark.parametrize(
    ("model", "dialect"),
    [
        ("Qwen/Qwen3Guard-Gen-0.6B", "qwen3guard"),
        ("llama-guard3:8b", "llama-guard"),
        ("meta-llama/Llama-Guard-3-8B", "llama-guard"),
        ("shieldgemma:2b", "shieldgemma"),
        ("omni-moderation-latest", None),
        ("qwen3-32b", None),
    ],
)
def test_a_model_is_known_by_its_name(model: str, dialect: Dialect | None) -> None:
    """As hubs and local servers write it; another model's dialect must be written."""
    assert dialect_of(model) == dialect
