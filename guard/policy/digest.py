"""The digest of a policy: SHA-256 over the canonical JSON of what it means, not of how it is laid out."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guard.policy.model import Policy

_UNORDERED = frozenset(
    "countries jurisdictions recognizers except allow processing storage tenants keys paths models".split()
)

_NO_MEANING: Any = {"extends": True, "tests": True, "recognizers": {"lists": {"__all__": {"terms", "file"}}}}


def canonical(policy: Policy) -> dict[str, Any]:
    """List all that a resolved policy means as plain JSON data: no origins, no order where none matters.

    An attached policy stands as its digest.
    The terms of a list stand as their SHA-256: they may be what no log should hold, and there may be many.
    """
    data = policy.model_dump(mode="json", by_alias=True, exclude=_NO_MEANING)
    for row, attachment in zip(data["attach"], policy.attach, strict=True):
        row["policy"] = attachment.under and attachment.under.policy.sha256
    for row, terms in zip(data["recognizers"]["lists"], policy.recognizers.lists, strict=True):
        row["terms"] = terms.sha256
    if not data["providers"]:
        del data["providers"]  # a policy without them means what it did before there were any
    sorted_data = _sorted(data)
    assert isinstance(sorted_data, dict)
    return sorted_data


def _sorted(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _sorted(item, name) for name, item in sorted(value.items())}
    if isinstance(value, list):
        return sorted(set(value)) if key in _UNORDERED else [_sorted(item) for item in value]
    return value


def digest(policy: Policy) -> str:
    """Digest a policy as 64 hex digits."""
    text = json.dumps(canonical(policy), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
