"""The JSON Schema of policy files, with a description of every key, for editors."""

from __future__ import annotations

from functools import cache
from typing import Any

from guard.policy.model import Policy


@cache
def json_schema() -> dict[str, Any]:
    """Describe policy files as JSON Schema (draft 2020-12)."""
    schema = Policy.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "guard policy"}


def keys(schema: dict[str, Any] | None = None) -> list[str]:
    """List every key of a policy file, dotted; what the officer names (kinds, hosts, routes) is left out."""
    root = schema or json_schema()
    return list(dict.fromkeys(_walk(root, root["$defs"], "")))


def _walk(node: dict[str, Any], defs: dict[str, Any], prefix: str) -> list[str]:
    node = follow(node, defs)
    found: list[str] = []
    for key, child in node.get("properties", {}).items():
        found += [f"{prefix}{key}", *_walk(child, defs, f"{prefix}{key}.")]
    for child in (node.get("additionalProperties"), node.get("items")):
        found += _walk(child, defs, prefix) if isinstance(child, dict) else []
    return found


def follow(node: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    """Follow references and alternatives to the mapping or list that a node may be."""
    while "$ref" in node or "anyOf" in node:
        node = defs[node["$ref"].rpartition("/")[2]] if "$ref" in node else node["anyOf"][-1]
    return node
