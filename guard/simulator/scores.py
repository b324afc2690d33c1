"""Simulated moderation: scores from a table of phrases. They say nothing about real content."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from guard.moderation import CATEGORIES

Trigger = tuple[str, str, float]

MODEL = "omni-moderation-simulated"

TRIGGERS: tuple[Trigger, ...] = (
    ("i will hurt you", "violence", 0.93),
    ("i will hurt you", "harassment/threatening", 0.88),
    ("build a bomb", "illicit/violent", 0.96),
    ("pick a lock", "illicit", 0.62),
    ("hurt myself", "self-harm/intent", 0.91),
    ("you are worthless", "harassment", 0.86),
    ("我要伤害你", "violence", 0.93),
    ("制造炸弹", "illicit/violent", 0.96),
    ("伤害自己", "self-harm/intent", 0.91),
)
"""Phrase in lower case, category and score. Beside them `[simulate:CATEGORY]` or `[simulate:CATEGORY=0.42]`
in a text gives that category 0.95 or the number."""

_MARK = re.compile(r"\[simulate:([a-z/-]+)(?:=([01](?:\.\d+)?))?\]")
_MARKED = 0.95
_FLAGGED = 0.5
_IMAGE_TOO = ("self-harm", "sexual", "violence")


def simulated_scores(text: str, triggers: Sequence[Trigger] = TRIGGERS) -> dict[str, float]:
    """Score a text, every category in [0, 1]: low ones, but for the phrases and marks that stand in it."""
    scores = {category: (place + 1) / 10_000 for place, category in enumerate(CATEGORIES)}
    lower = text.lower()
    found = [(category, score) for phrase, category, score in triggers if phrase in lower]
    found += [(name, float(score or _MARKED)) for name, score in _MARK.findall(lower) if name in scores]
    for category, score in found:
        scores[category] = max(scores[category], score)
    return scores


def inputs(value: object) -> list[str]:
    """The texts of a request's `input`: a string, a list of them, or one list of content parts."""
    if isinstance(value, str):
        return [value]
    items = value if isinstance(value, list) else []
    if all(isinstance(item, str) for item in items):
        return items
    return [" ".join(str(item.get("text", "")) for item in items if isinstance(item, dict))]


def moderation(body: dict[str, Any], triggers: Sequence[Trigger], identifier: str) -> dict[str, Any]:
    """The answer to a moderation request (`openai.types.ModerationCreateResponse`)."""
    results = [_result(simulated_scores(text, triggers)) for text in inputs(body.get("input"))]
    return {"id": identifier, "model": MODEL, "results": results}


def _result(scores: dict[str, float]) -> dict[str, Any]:
    flags = {category: score >= _FLAGGED for category, score in scores.items()}
    return {
        "flagged": any(flags.values()),
        "categories": flags,
        "category_scores": scores,
        "category_applied_input_types": {
            category: ["text", "image"] if category.startswith(_IMAGE_TOO) else ["text"]
            for category in scores
        },
    }


def spoil(answer: dict[str, Any], fault: str) -> dict[str, Any]:
    """Take from a good answer what the fault says it lacks."""
    results = answer["results"]
    if fault == "wrong_count":
        return {**answer, "results": [*results, *results[:1]]}
    for result in results:
        if fault == "no_scores":
            del result["category_scores"]
        elif fault == "missing_category":
            del result["category_scores"]["violence"]
        elif fault == "text_score":
            result["category_scores"]["violence"] = "0.97"
    return answer
