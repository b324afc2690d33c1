"""The walk along the SDK's types: samples that fill every field, and their comparison with the map of positions."""

from __future__ import annotations

import itertools
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

import pydantic
import typing_extensions
from openai.types import (
    Completion,
    CreateEmbeddingResponse,
    EmbeddingCreateParams,
    Model,
    ModerationCreateParams,
    ModerationCreateResponse,
    completion_create_params,
)
from openai.types.beta import BetaResponse, BetaResponseStreamEvent
from openai.types.beta import response_create_params as beta_params
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat import completion_create_params as chat_params
from openai.types.responses import Response, ResponseStreamEvent, response_create_params

from guard.wire import leaves, nodes, openai, reading
from guard.wire.positions import chat, others
from guard.wire.positions.events import EVENTS
from guard.wire.words import WORDS

CANARY = "canary-{:04d}@leak.example"


def plain(kind: Any) -> Any:
    """A type without Annotated, Required, NotRequired and aliases."""
    while True:
        origin = get_origin(kind)
        wrappers = (typing.Annotated, typing.Required, typing.NotRequired)
        if origin in wrappers or origin in (typing_extensions.Required, typing_extensions.NotRequired):
            kind = get_args(kind)[0]
        elif isinstance(kind, typing_extensions.TypeAliasType):
            kind = kind.__value__
        else:
            return kind


def members(kind: Any) -> list[Any]:
    """The members of a union but None; of any other type, itself."""
    kind = plain(kind)
    if get_origin(kind) not in (Union, types.UnionType):
        return [] if kind is type(None) else [kind]
    return [member for arg in get_args(kind) for member in members(arg)]


def is_shape(kind: Any) -> bool:
    """Whether a type is a TypedDict or a pydantic model."""
    if typing_extensions.is_typeddict(kind):
        return True
    return isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


def fields(shape: Any) -> dict[str, Any]:
    """The fields of a shape by the name they have on the wire."""
    if typing_extensions.is_typeddict(shape):
        return typing_extensions.get_type_hints(shape, include_extras=True)
    return {field.alias or name: field.annotation for name, field in shape.model_fields.items()}


def literals(kind: Any) -> list[Any]:
    """The values of all literals of a type."""
    kind = plain(kind)
    if get_origin(kind) is Literal:
        return list(get_args(kind))
    return [value for member in get_args(kind) if member is not kind for value in literals(member)]


class Samples:
    """Values of a type that together fill every field of every variant, each string a canary of its own."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self.planted: list[str] = []

    def of(self, kind: Any, above: tuple[Any, ...] = ()) -> list[Any]:
        """Sample values of a type, every variant at least once."""
        return [value for member in members(kind) for value in self._member(member, above)]

    def _member(self, kind: Any, above: tuple[Any, ...]) -> Iterator[Any]:
        origin = get_origin(kind)
        if origin is Literal:
            yield get_args(kind)[0]
        elif is_shape(kind):
            if kind not in above:
                yield from self._shape(kind, (*above, kind))
        elif origin is dict:
            yield {self._string(): value for value in self.of(get_args(kind)[1], above)}
        elif origin is not None:
            yield self.of(get_args(kind)[0], above)
        else:
            yield self._scalar(kind)

    def _shape(self, shape: Any, above: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
        """One object with the first sample of each field, and one more for each further sample."""
        found = {name: self.of(kind, above) for name, kind in fields(shape).items()}
        base = {name: values[0] for name, values in found.items() if values}
        yield base
        for name, values in found.items():
            tag = {"type": base["type"]} if "type" in base and name != "type" else {}
            role = {"role": base["role"]} if "role" in base and name != "role" else {}
            yield from ({**tag, **role, name: value} for value in values[1:])

    def _scalar(self, kind: Any) -> Any:
        if kind in (int, float):
            return kind(7)
        return True if kind is bool else self._string()

    def _string(self) -> str:
        text = CANARY.format(next(self._numbers))
        self.planted.append(text)
        return text


REQUESTS = {
    "chat": [chat_params.CompletionCreateParamsNonStreaming, chat_params.CompletionCreateParamsStreaming],
    "responses": [
        response_create_params.ResponseCreateParamsNonStreaming,
        response_create_params.ResponseCreateParamsStreaming,
    ],
    "completions": [
        completion_create_params.CompletionCreateParamsNonStreaming,
        completion_create_params.CompletionCreateParamsStreaming,
    ],
    "embeddings": [EmbeddingCreateParams],
    "moderations": [ModerationCreateParams],
}
ANSWERS = {
    "chat": [ChatCompletion],
    "responses": [Response],
    "completions": [Completion],
    "embeddings": [CreateEmbeddingResponse],
    "moderations": [ModerationCreateResponse],
    "model": [Model],
}
STREAM_EVENTS = {literals(fields(shape)["type"])[0]: shape for shape in members(ResponseStreamEvent)}
BETA_EVENTS = {literals(fields(shape)["type"])[0]: shape for shape in members(BetaResponseStreamEvent)}
ENDPOINTS = {e.name: e for e in (openai.CHAT, openai.RESPONSES, openai.COMPLETIONS, openai.EMBEDDINGS)}
ENDPOINTS |= {e.name: e for e in (openai.MODERATIONS, openai.MODEL)}
# The SDK sends these as headers; in a body they would be refused.
IN_HEADERS = {"betas"}
# A whole subtree below these nodes is screened, refused or dropped, whatever it holds.
WHOLE = (leaves.Free, leaves.Derived, leaves.Opaque, leaves.Prompt, leaves.Vector)
CASES = [(name, shape, openai.REQUESTS[name]) for name, shapes in REQUESTS.items() for shape in shapes]
CASES += [(name, shape, openai.ANSWERS[name]) for name, shapes in ANSWERS.items() for shape in shapes]
CASES += [(name, shape, EVENTS[name].shape) for name, shape in STREAM_EVENTS.items() if name in EVENTS]
CASES += [("chat", ChatCompletionChunk, chat.CHUNK), ("completions", Completion, others.COMPLETIONS_CHUNK)]
# The beta of the Responses API stands at the same path, told apart only by the query.
CASES += [("responses", beta_params.ResponseCreateParamsNonStreaming, openai.REQUESTS["responses"])]
CASES += [("responses", BetaResponse, openai.ANSWERS["responses"])]
CASES += [(name, shape, EVENTS[name].shape) for name, shape in BETA_EVENTS.items() if name in EVENTS]


class Gaps:
    """What a type has and the map lacks."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._seen: set[tuple[Any, int]] = set()

    def compare(self, kind: Any, place: reading.Node, path: str) -> None:
        for member in members(kind):
            self._member(member, _chosen(place, member), path)

    def _member(self, kind: Any, place: reading.Node, path: str) -> None:
        if isinstance(place, WHOLE):
            return
        origin = get_origin(kind)
        if is_shape(kind):
            self._shape(kind, place, path)
        elif origin is dict:
            self._expect(place, nodes.Keyed, path) and self.compare(
                get_args(kind)[1], place.value, f"{path}<>"
            )
        elif (origin is not None and not literals(kind)) or (
            origin is not None and get_args(kind) and not isinstance(place, leaves.Scalar)
        ):
            self._expect(place, nodes.Many, path) and self.compare(get_args(kind)[0], place.item, f"{path}[]")
        else:
            self._scalar(kind, place, path)

    def _expect(self, place: reading.Node, wanted: type, path: str) -> bool:
        if not isinstance(place, wanted):
            self.found.append(f"{path}: mapped as {type(place).__name__}, is {wanted.__name__}")
        return isinstance(place, wanted)

    def _shape(self, shape: Any, place: reading.Node, path: str) -> None:
        if isinstance(place, nodes.Keyed):
            self._keyed(shape, place, path)
            return
        if (shape, id(place)) in self._seen:
            return
        self._seen.add((shape, id(place)))
        for kind in _kinds(shape, place):
            if not isinstance(kind, nodes.Object):
                self.found.append(f"{path}: {shape.__name__} has no shape in the map")
                continue
            for name, field in fields(shape).items():
                if name in IN_HEADERS:
                    continue
                if name in kind.fields:
                    self.compare(field, kind.fields[name], f"{path}.{name}")
                else:
                    self.found.append(f"{path}.{name} of {shape.__name__} is not in the map")

    def _keyed(self, shape: Any, place: nodes.Keyed, path: str) -> None:
        for name, field in fields(shape).items():
            self.compare(field, place.value, f"{path}<>")
            self.found += [] if name in WORDS else [f"{path}.{name} is not in the vocabulary"]

    def _scalar(self, kind: Any, place: reading.Node, path: str) -> None:
        if not isinstance(place, leaves.Scalar):
            self.found.append(f"{path}: a plain value mapped as {type(place).__name__}")
        elif kind is str and type(place) is leaves.Value:
            self.found.append(f"{path}: a string mapped as a value without text")
        elif kind is object:
            self.found.append(f"{path}: any value mapped as {type(place).__name__}")
        elif isinstance(place, leaves.Word):
            unknown = [word for word in literals(kind) if isinstance(word, str) and word not in WORDS]
            self.found += [f"{path}: {word} is not in the vocabulary" for word in unknown]


def _chosen(place: reading.Node, kind: Any) -> reading.Node:
    """The node of a choice that a value of this type is read by."""
    if not isinstance(place, nodes.Either):
        return place
    wanted: type = dict if is_shape(kind) or get_origin(kind) is dict else str
    if get_origin(kind) is not None and not literals(kind) and get_origin(kind) is not dict:
        wanted = list
    return place.by_type.get(wanted, place.choices[0])


def _kinds(shape: Any, place: reading.Node) -> list[reading.Node | None]:
    """The mapped shapes that objects of this type are read by."""
    if not isinstance(place, nodes.Tagged):
        return [place]
    tag = fields(shape).get(place.tag)
    words = literals(tag) if tag is not None else []
    return [place.kinds.get(word) for word in words or [place.default]]
