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


def bound(body: Mapping[str, Any], sent: bytes, unnamed: int, *, answers: bool = True) -> Tokens:
    """The most tokens that a call may use: its whole body as text, and the answer it allows, `n` times.

    `unnamed` is taken for an answer whose request names no maximum. Without `answers` (embeddings) there is none.
    """
    prompt = BOUND * tokens(sent.decode("utf-8", "replace"))
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
