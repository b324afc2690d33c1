"""A second witness: the API's own description has no field that the map of positions lacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from guard.wire import leaves, nodes, openai, reading
from guard.wire.positions.events import EVENTS

DESCRIPTION = Path(__file__).parents[3] / "shared" / "data" / "openai_openapi_subset.json"
pytestmark = pytest.mark.skipif(not DESCRIPTION.exists(), reason="needs the API's description")

REQUESTS = {
    "chat": "CreateChatCompletionRequest",
    "responses": "CreateResponse",
    "completions": "CreateCompletionRequest",
    "embeddings": "CreateEmbeddingRequest",
    "moderations": "CreateModerationRequest",
}
BETA = {"BetaCreateResponse": openai.REQUESTS["responses"], "BetaResponse": openai.ANSWERS["responses"]}
ANSWERS = {
    "chat": "CreateChatCompletionResponse",
    "responses": "Response",
    "completions": "CreateCompletionResponse",
    "embeddings": "CreateEmbeddingResponse",
    "moderations": "CreateModerationResponse",
    "models": "ListModelsResponse",
    "model": "Model",
}
WHOLE = (leaves.Free, leaves.Derived, leaves.Opaque, leaves.Prompt, leaves.Vector)

Schema = dict[str, Any]


@cache
def schemas() -> dict[str, Schema]:
    return dict(json.loads(DESCRIPTION.read_text(encoding="utf-8"))["components"]["schemas"])


def variants(schema: Schema) -> list[Schema]:
    """The alternatives of a schema, references followed, `allOf` merged into each."""
    if "$ref" in schema:
        return variants(schemas()[schema["$ref"].rpartition("/")[2]])
    choices = [v for part in ("anyOf", "oneOf") for choice in schema.get(part, ()) for v in variants(choice)]
    for part in schema.get("allOf", ()):
        choices = [_merged(a, b) for a in choices or [{}] for b in variants(part)]
    own = {k: v for k, v in schema.items() if k not in ("anyOf", "oneOf", "allOf")}
    return [_merged(own, choice) for choice in choices] if choices else [own]


def _merged(one: Schema, other: Schema) -> Schema:
    both = {**one, **other}
    both["properties"] = {**one.get("properties", {}), **other.get("properties", {})}
    return both


def words(schema: Schema) -> list[Any]:
    return [w for v in variants(schema) for w in v.get("enum", [v["const"]] if "const" in v else [])]


class Gaps:
    """What the description has and the map lacks."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self._seen: set[tuple[str, int]] = set()

    def compare(self, schema: Schema, place: reading.Node, path: str) -> None:
        key = (json.dumps(schema, sort_keys=True), id(place))
        if key in self._seen or isinstance(place, WHOLE):
            return
        self._seen.add(key)
        for variant in variants(schema):
            self._variant(variant, _chosen(place, variant), path)

    def _variant(self, schema: Schema, place: reading.Node, path: str) -> None:
        if isinstance(place, WHOLE):
            return
        if schema.get("type") == "array":
            if isinstance(place, nodes.Many):
                self.compare(schema.get("items", {}), place.item, f"{path}[]")
            else:
                self.found.add(f"{path}: an array mapped as {type(place).__name__}")
        elif schema.get("properties"):
            self._object(schema, place, path)
        elif schema.get("type") == "string" and type(place) is leaves.Value:
            self.found.add(f"{path}: a string mapped as a value without text")

    def _object(self, schema: Schema, place: reading.Node, path: str) -> None:
        if isinstance(place, nodes.Keyed):
            return
        for kind in _kinds(schema, place):
            if not isinstance(kind, nodes.Object):
                self.found.add(f"{path}: an object that the map lacks")
                continue
            for name, field in schema["properties"].items():
                if name in kind.fields:
                    self.compare(field, kind.fields[name], f"{path}.{name}")
                else:
                    self.found.add(f"{path}.{name}")


def _chosen(place: reading.Node, schema: Schema) -> reading.Node:
    if not isinstance(place, nodes.Either):
        return place
    kind = {"array": list, "object": dict}.get(
        schema.get("type", ""), dict if schema.get("properties") else str
    )
    return place.by_type.get(kind, place.choices[0])


def _kinds(schema: Schema, place: reading.Node) -> Iterator[reading.Node | None]:
    if not isinstance(place, nodes.Tagged):
        yield place
        return
    tags = words(schema["properties"].get(place.tag, {}))
    yield from (place.kinds.get(tag) for tag in tags or [place.default])


@pytest.mark.parametrize("name", REQUESTS)
def test_every_described_field_of_a_request_is_named(name: str) -> None:
    """Law 2, from the API's description instead of the SDK's types."""
    gaps = Gaps()
    gaps.compare(schemas()[REQUESTS[name]], openai.REQUESTS[name], name)
    assert gaps.found == set()


@pytest.mark.parametrize("name", ANSWERS)
def test_every_described_field_of_an_answer_is_named(name: str) -> None:
    """The same for answers."""
    gaps = Gaps()
    gaps.compare(schemas()[ANSWERS[name]], openai.ANSWERS[name], name)
    assert gaps.found == set()


@pytest.mark.parametrize("name", BETA)
def test_every_field_of_the_beta_is_named(name: str) -> None:
    """The beta of the Responses API stands at the same path, told apart only by the query."""
    gaps = Gaps()
    gaps.compare(schemas()[name], BETA[name], name)
    assert gaps.found == set()


@pytest.mark.parametrize("union", ["ResponseStreamEvent", "BetaResponseStreamEvent"])
def test_every_described_event_is_named(union: str) -> None:
    """The same for the stream events of the Responses API."""
    gaps = Gaps()
    for schema in variants(schemas()[union]):
        (name,) = words(schema["properties"]["type"])
        if name in EVENTS:
            gaps.compare(schema, EVENTS[name].shape, name)
        else:
            gaps.found.add(name)
    assert gaps.found == set()
