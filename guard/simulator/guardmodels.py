"""Simulated guard models: they answer in the words of the real ones, by the same table of phrases as moderation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from guard.policy.labels import DIALECTS, Dialect, dialect_of
from guard.simulator.scores import Trigger, simulated_scores

Json = dict[str, Any]

UNSAFE, CONTROVERSIAL = 0.8, 0.4
"""The simulated scores from which a text is called so."""


def judging(body: Json) -> Dialect | None:
    """Tell whether a chat request asks a guard model, by the model's name."""
    return dialect_of(str(body.get("model", "")))


def verdict(body: Json, triggers: Sequence[Trigger]) -> str:
    """What the guard model that a request names says of its last message."""
    dialect = judging(body)
    assert dialect is not None
    scores = simulated_scores(str(body["messages"][-1]["content"]), triggers)
    if dialect == "shieldgemma":
        return "Yes" if _violation(body, scores) >= UNSAFE else "No"
    labels = list(_labels(dialect, scores, UNSAFE))
    if dialect == "llama-guard":
        return "unsafe\n" + ",".join(labels) if labels else "safe"
    doubtful = list(_labels(dialect, scores, CONTROVERSIAL))
    word = "Unsafe" if labels else "Controversial" if doubtful else "Safe"
    return f"Safety: {word}\nCategories: {', '.join(labels or doubtful) or 'None'}"


def logprobs(body: Json, triggers: Sequence[Trigger]) -> Json | None:
    """The chances of Yes and No as ShieldGemma's first word, where the request asks for them."""
    if judging(body) != "shieldgemma" or not body.get("logprobs"):
        return None
    chance = min(
        0.999, max(0.001, _violation(body, simulated_scores(body["messages"][-1]["content"], triggers)))
    )
    rows = [
        {"token": word, "logprob": math.log(odds), "bytes": list(word.encode())}
        for word, odds in sorted((("Yes", chance), ("No", 1 - chance)), key=lambda row: -row[1])
    ]
    return {"content": [{**rows[0], "top_logprobs": rows}], "refusal": None}


def _violation(body: Json, scores: dict[str, float]) -> float:
    guideline = str(body.get("chat_template_kwargs", {}).get("guideline", ""))
    asked = [found for label, found in DIALECTS["shieldgemma"].items() if f'"{label}"' in guideline]
    return max((scores[category] for found in asked for category in found), default=0.0)


def _labels(dialect: Dialect, scores: dict[str, float], least: float) -> Iterator[str]:
    for label, categories in DIALECTS[dialect].items():
        if any(scores.get(category, 0.0) >= least for category in categories):
            yield label
