"""The judge as values: what is asked, what an answer says, and the findings it leads to.

Requests are `openai.types.ModerationCreateParams`, answers `openai.types.ModerationCreateResponse`; both are
read and written here as plain JSON, since the SDK's models cost more than the call.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

import orjson

from guard.errors import Unavailable
from guard.guardmodels import GuardModel
from guard.kinds import MODERATION
from guard.policy import model as policy
from guard.policy.labels import table
from guard.types import Finding

CATEGORIES = MODERATION
"""The categories of omni-moderation-latest, as the API spells them."""


class Judge(Protocol):
    """How one kind of service is asked about texts: an API as values, without I/O."""

    @property
    def path(self) -> str:
        """Where its requests go, behind the base URL."""

    @property
    def batch(self) -> int:
        """How many texts one call carries."""

    @property
    def categories(self) -> Collection[str]:
        """What it gives a score for, whatever the text."""

    def bodies(self, texts: Sequence[str]) -> list[bytes]:
        """Write the requests of one call; they are sent at the same time."""

    def scores(self, answers: Sequence[bytes], expected: int) -> list[dict[str, float]]:
        """Read the answers of one call, one to a request: the scores of each text. Raises Unavailable."""


class ModerationApi:
    """OpenAI's Moderation API, and whoever copies it."""

    path = "/moderations"
    batch = 32
    categories = CATEGORIES

    def __init__(self, model: str) -> None:
        self._model = model

    def bodies(self, texts: Sequence[str]) -> list[bytes]:
        """Write one request for all texts."""
        return [request_body(texts, self._model)]

    def scores(self, answers: Sequence[bytes], expected: int) -> list[dict[str, float]]:
        """Read the one answer; raises Unavailable."""
        return parse_scores(answers[0], expected)


def judge_of(settings: policy.Moderation) -> Judge:
    """Return the judge that a policy names."""
    if settings.by == "guard-model" and settings.speaks:
        return GuardModel(settings.model, settings.speaks, table(settings.speaks, settings.labels))
    return ModerationApi(settings.model)


def ask_inline(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Ask the provider in a request to score its own answer (`moderation=` of the SDK); what the caller asks stays."""
    own = body.get("moderation")
    own = own if isinstance(own, dict) else {}
    policy_ = own.get("policy") if isinstance(own.get("policy"), dict) else {}
    assert isinstance(policy_, dict)
    output = policy_.get("output") or {"mode": "score"}
    return {**body, "moderation": {**own, "model": model, "policy": {**policy_, "output": output}}}


def inline_scores(answer: Mapping[str, Any]) -> list[dict[str, float]] | None:
    """Read what the provider says of its own answer or chunk; None where it says nothing.

    Raises Unavailable for its `error` arm, and for what cannot be read: neither is a clean answer.
    """
    told = answer.get("moderation")
    if told is None:
        return None
    output = told.get("output") if isinstance(told, dict) else None
    if not isinstance(output, dict):
        raise Unavailable("moderation", "the inline result has no output")
    if output.get("type") == "error":
        raise Unavailable("moderation", "the provider could not moderate its answer")
    results = output.get("results", [output])
    if not isinstance(results, list) or not results:
        raise Unavailable("moderation", "the inline result has no results")
    return [_category_scores(result) for result in results]


_SPELLINGS = {re.sub("[/-]", "_", category): category for category in CATEGORIES}
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_/][a-z0-9]+){0,7}")
_NAME_LENGTH = 64
_ROUNDING = 1e-6


# What Unicode says a reader does not see (Default_Ignorable_Code_Point), tag characters apart.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]+"
)
_TAGS = range(0xE0020, 0xE007F)


def undisguised(text: str) -> str:
    """Return a text as the judge shall read it: without characters that nobody sees, tag characters as letters.

    Tag characters (U+E0020 to U+E007E) repeat ASCII invisibly, and models read them.
    """
    if text.isascii():
        return text
    return _UNSEEN.sub(lambda run: "".join(chr(ord(c) - 0xE0000) for c in run[0] if ord(c) in _TAGS), text)


def request_body(texts: Sequence[str], model: str) -> bytes:
    """Write the request that judges each text; halves of surrogate pairs are joined or replaced."""
    try:
        return orjson.dumps({"model": model, "input": texts})
    except TypeError:
        return orjson.dumps({"model": model, "input": [_encodable(text) for text in texts]})


def _encodable(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def parse_scores(body: bytes, expected: int) -> list[dict[str, float]]:
    """Read the scores of `expected` texts, category to score in [0, 1]; a score that is none is left out.

    Raises Unavailable where the answer has another shape; the reason never quotes it.
    """
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Unavailable("moderation", "the answer is not JSON") from None
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list):
        raise Unavailable("moderation", "the answer has no results")
    if len(results) != expected:
        raise Unavailable("moderation", f"the answer has {len(results)} results for {expected} texts")
    return [_category_scores(result) for result in results]


def _category_scores(result: Any) -> dict[str, float]:
    scores = result.get("category_scores") if isinstance(result, dict) else None
    if not isinstance(scores, dict):
        raise Unavailable("moderation", "a result has no category_scores")
    found: dict[str, float] = {}
    for name, value in scores.items():
        category, score = _category(name), _score(value)
        if score is not None:
            found[category] = max(score, found.get(category, 0.0))
    if not found:
        raise Unavailable("moderation", "a result has no score that can be read")
    return found


def _category(name: str) -> str:
    """The API's spelling of a category; the SDK's field names (`self_harm_intent`) mean the same."""
    if not _NAME.fullmatch(name) or len(name) > _NAME_LENGTH:
        raise Unavailable("moderation", "a category has no readable name")
    return _SPELLINGS.get(name, name)


def _score(value: object) -> float | None:
    """A score clipped to [0, 1]; None for what is no number or further outside than rounding explains."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return min(1.0, max(0.0, float(value))) if -_ROUNDING <= value <= 1 + _ROUNDING else None


def highest(scores: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Join the scores of a text's pieces: the maximum of every category that each piece has."""
    first, *others = scores
    shared = set(first).intersection(*others)
    return {name: max(piece[name] for piece in (first, *others)) for name in first if name in shared}


def findings(scores: Mapping[str, float], path: str, model: str, required: Collection[str]) -> list[Finding]:
    """Turn one text's scores into findings, one a category whatever its score.

    `required` are the categories (or their kinds) that a rule acts on: if the answer lacks a usable score of
    any, one `guard.unavailable.moderation` is found beside the others.
    """
    source = f"moderation:{model}"
    usable = {name: score for name, value in scores.items() if (score := _score(value)) is not None}
    found = [Finding(f"moderation.{name}", 0, 0, score, source, path) for name, score in usable.items()]
    if all(kind.removeprefix("moderation.") in usable for kind in required):
        return found
    return [*found, Finding("guard.unavailable.moderation", 0, 0, 1.0, source, path)]
