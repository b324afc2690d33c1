"""Guard models as judges: chat models that answer with labels, behind any OpenAI-compatible URL.

Each text is one chat request, sent as a user's message, which all of these models judge by itself. What a model
answers in is its dialect; an answer that is none, or a label that the table does not hold, is a check that could
not run: it is never read as safe.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson

from guard.errors import Unavailable
from guard.policy.labels import Dialect, Labels

Scores = dict[str, float]

SEVERITY = {"safe": 0.0, "controversial": 0.5, "unsafe": 1.0}
"""The score of a text by the model's own word for it."""

ANSWER_TOKENS = 128

PRINCIPLES = {
    "No Dangerous Content": "must not harm oneself or others, nor help to: weapons, explosives, terrorism, suicide",
    "No Harassment": "must not be malicious, intimidating, bullying or abusive toward another person, nor threaten one",
    "No Hate Speech": "must not attack or demean people for race, ethnicity, religion, disability, age, nationality,"
    " sexual orientation, gender or another protected trait",
    "No Sexually Explicit Information": "must not hold references to sexual acts or other lewd content; medical and"
    " scientific terms are permitted",
}
"""What ShieldGemma is asked about, one principle a request; a label without a row here is asked by its own words."""

_QWEN = re.compile(
    r"Safety:\s*(Safe|Unsafe|Controversial)\s*\n\s*Categories:\s*([^\n]*)(?:\s*\n\s*Refusal:[^\n]*)?",
    re.IGNORECASE,
)
_LLAMA = re.compile(r"(safe|unsafe)(?:\s*\n\s*([^\n]*))?", re.IGNORECASE)
_YES_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


class GuardModel:
    """One guard model: `labels` is its whole table, label to categories."""

    path = "/chat/completions"
    batch = 1

    def __init__(self, model: str, dialect: Dialect, labels: Labels) -> None:
        self._model = model
        self._labels = {label.casefold(): categories for label, categories in labels.items()}
        self._by_principle = dialect == "shieldgemma"
        self._principles = [label for label in labels if labels[label]] if self._by_principle else []
        self._answer = _QWEN if dialect == "qwen3guard" else _LLAMA
        self.categories: Collection[str] = dict.fromkeys(c for found in labels.values() for c in found)

    def bodies(self, texts: Sequence[str]) -> list[bytes]:
        """Write the requests: one a text, or for ShieldGemma one a text and principle."""
        if not self._by_principle:
            return [self._body(text, max_tokens=ANSWER_TOKENS) for text in texts]
        return [self._ask(text, principle) for text in texts for principle in self._principles]

    def _ask(self, text: str, principle: str) -> bytes:
        rule = f'"{principle}": The text {PRINCIPLES.get(principle, "must not violate what this principle says")}.'
        # The guideline is an argument of the model's chat template; the probability of its first word is the score.
        return self._body(
            text, max_tokens=1, logprobs=True, top_logprobs=10, chat_template_kwargs={"guideline": rule}
        )

    def _body(self, text: str, **more: Any) -> bytes:
        plain = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        messages = [{"role": "user", "content": plain}]
        return orjson.dumps({"model": self._model, "messages": messages, "temperature": 0, **more})

    def scores(self, answers: Sequence[bytes], expected: int) -> list[Scores]:
        """Read the answers of `expected` texts; raises Unavailable for what is no answer of this dialect."""
        choices = [_choice(answer) for answer in answers]
        each = len(self._principles) or 1
        if len(choices) != expected * each:
            raise Unavailable("moderation", f"{len(choices)} answers for {expected} texts")
        return [self._scores(choices[at : at + each]) for at in range(0, len(choices), each)]

    def _scores(self, choices: Sequence[Mapping[str, Any]]) -> Scores:
        scores = dict.fromkeys(self.categories, 0.0)
        for label, score in self._found(choices):
            for category in self._categories(label):
                scores[category] = max(scores[category], score)
        return scores

    def _found(self, choices: Sequence[Mapping[str, Any]]) -> list[tuple[str, float]]:
        if self._by_principle:
            return [(p, _violates(choice)) for p, choice in zip(self._principles, choices, strict=True)]
        word, labels = _said(self._answer, _content(choices[0]))
        score = SEVERITY[word]
        if score and not labels:
            raise Unavailable("moderation", "the model names no label for what it finds unsafe")
        return [(label, score) for label in labels] if score else []

    def _categories(self, label: str) -> Sequence[str]:
        try:
            return self._labels[label.casefold()]
        except KeyError:
            raise Unavailable(
                "moderation", "the model names a label that moderation.labels does not hold"
            ) from None


def _choice(answer: bytes) -> Mapping[str, Any]:
    try:
        choice = orjson.loads(answer)["choices"][0]
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        raise Unavailable("moderation", "the answer is no chat completion") from None
    if not isinstance(choice, dict):
        raise Unavailable("moderation", "the answer is no chat completion")
    return choice


def _content(choice: Mapping[str, Any]) -> str:
    message = choice.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, str):
        raise Unavailable("moderation", "the answer has no text")
    # A model that may think aloud says what it finds behind that.
    return content.rpartition("</think>")[2].strip()


def _said(pattern: re.Pattern[str], content: str) -> tuple[str, list[str]]:
    """The model's word for a text, and the labels behind it."""
    match = pattern.fullmatch(content)
    if match is None:
        raise Unavailable("moderation", "the answer says neither safe nor unsafe")
    labels = [label.strip() for label in (match[2] or "").split(",")]
    return match[1].lower(), [label for label in labels if label and label.lower() != "none"]


def _violates(choice: Mapping[str, Any]) -> float:
    """The probability of Yes against No as the first word, where the server tells it; else 1 or 0 by the word."""
    odds = _first_words(choice)
    if odds is not None:
        yes, no = odds
        return yes / (yes + no)
    match = _YES_NO.match(_content(choice))
    if match is None:
        raise Unavailable("moderation", "the answer says neither Yes nor No")
    return 1.0 if match[1].lower() == "yes" else 0.0


def _first_words(choice: Mapping[str, Any]) -> tuple[float, float] | None:
    try:
        rows = choice["logprobs"]["content"][0]["top_logprobs"]
        odds = [(str(row["token"]).strip().lower(), math.exp(min(0.0, row["logprob"]))) for row in rows]
    except (KeyError, IndexError, TypeError):
        return None
    yes, no = (sum(chance for token, chance in odds if token == word) for word in ("yes", "no"))
    return (yes, no) if yes + no > 0 else None
