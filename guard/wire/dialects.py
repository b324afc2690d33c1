"""What other providers' APIs call otherwise than OpenAI's chat completions, and what they refuse. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_RENAMED = {"mistral": {"max_completion_tokens": "max_tokens", "seed": "random_seed"}}
"""Mistral answers 422 to fields that its API does not have (docs.mistral.ai/api, chat completions)."""

_UNKNOWN = {"mistral": frozenset({"store"})}
"""Fields without which the answer is the same."""


def differs(api: str) -> bool:
    """Whether an API has words of its own."""
    return api in _RENAMED


def spoken(api: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A request's body in the words of an API."""
    names, unknown = _RENAMED.get(api, {}), _UNKNOWN.get(api, frozenset())
    return {names.get(key, key): value for key, value in body.items() if key not in unknown}
