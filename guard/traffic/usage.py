"""How many tokens a call may use at most, read from its body, and how many it did, read from `usage`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guard.text import tokens

BOUND = 2
"""Tokens that are reserved for each token that the prompt is estimated to have: dense text has up to twice as many."""

_MOST_TOKENS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one call: all of the input, how much of that came from or went to a cache, and the output."""

    input: int
    output: int
    cached: int = 0
    cache_writes: int = 0

    @property
    def total(self) -> int:
        """Input and output together."""
        return self.input + self.output


_UNCERTAIN = ("timeout", "closed")
"""How a try may end after the provider took it on: it is counted as if it had been answered at full length."""


class Tries:
    """What became of the tries of one call: `sent` and `ended` frame each of them."""

    __slots__ = ("_open", "_uncertain", "answered", "model")

    def __init__(self) -> None:
        self._open = self._uncertain = self.answered = 0
        self.model = ""

    def sent(self) -> None:
        """Note that a try goes out."""
        self._open += 1

    def ended(self, status: int, error: str, model: str = "") -> None:
        """Note how it ended: an error status costs nothing, a connection that broke may have cost all."""
        self.model = model
        self._open -= 1
        self._uncertain += error in _UNCERTAIN
        self.answered += not error and status < 400

    @property
    def unheard(self) -> int:
        """The tries that were sent and of which nobody knows what they used."""
        return self._open + self._uncertain


def bound(
    body: Mapping[str, Any],
    sent: bytes,
    unnamed: int,
    *,
    answers: bool = True,
    counted: int | None = None,
) -> Tokens:
    """The most tokens that a call may use: its whole body as text, and the answer it allows, `n` times.

    `unnamed` is taken for an answer whose request names no maximum. Without `answers` (embeddings) there is none.
    `counted` are the tokens of the body where the model's tokenizer counted them: JSON and all they are more than
    what the model reads of it.
    """
    prompt = BOUND * tokens(sent.decode("utf-8", "replace")) if counted is None else counted
    if not answers:
        return Tokens(prompt, 0)
    most = next((count for name in _MOST_TOKENS if (count := _count(body.get(name)))), unnamed)
    return Tokens(prompt, most * choices(body))


def choices(body: Mapping[str, Any]) -> int:
    """How many answers a request asks for: `n` or `best_of`, for each prompt of a list."""
    wanted = max(1, _count(body.get("n")), _count(body.get("best_of")))
    prompts = body.get("prompt")
    many = isinstance(prompts, list) and prompts and not isinstance(prompts[0], int)
    return wanted * (len(prompts) if many and isinstance(prompts, list) else 1)


def used(usage: Any) -> Tokens | None:
    """The tokens that an answer's `usage` tells; None where it tells none. Reasoning is part of the output."""
    if not isinstance(usage, Mapping):
        return None
    read = _first(usage, "prompt_tokens", "input_tokens")
    if read is None:
        return None
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    parts = details if isinstance(details, Mapping) else {}
    written = _first(usage, "completion_tokens", "output_tokens") or 0
    total = _count(usage.get("total_tokens"))
    cached = min(_count(parts.get("cached_tokens")), read)
    writes = min(_count(parts.get("cache_write_tokens")), read - cached)
    return Tokens(read, max(written, total - read), cached, writes)


def _first(usage: Mapping[str, Any], *names: str) -> int | None:
    return next((_count(usage[name]) for name in names if isinstance(usage.get(name), int)), None)


def _count(value: Any) -> int:
    """A number of tokens; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
