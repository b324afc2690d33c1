"""The OpenAI API as guard knows it: which endpoints there are, and where their bodies carry text."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from guard.types import Finding, Limits, Segment
from guard.wire.positions import chat, others, responses
from guard.wire.reading import Node, Reader
from guard.wire.urlpath import spellings


class Reading(NamedTuple):
    """What one body holds: texts to screen, what cannot be read, and paths that must go when a text changes.

    A `derived` path (token log-probabilities) is emptied with `jsonbody.drop` whenever a text below the
    same parent is changed: `choices[0].logprobs` with anything under `choices[0].`.
    """

    segments: tuple[Segment, ...] = ()
    opaque: tuple[Finding, ...] = ()
    derived: tuple[str, ...] = ()

    def stale(self, changed: tuple[str, ...]) -> list[str]:
        """The derived paths that no longer fit once the texts at `changed` were rewritten."""
        texts = sorted(changed)
        return [path for path in self.derived if _any_below(_parent(path), texts)]


NOTHING = Reading()
"""The reading of a body without text."""


def _parent(path: str) -> str:
    front, dot, _ = path.rpartition(".")
    return front + dot


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One known endpoint; `operation` is the value of `gen_ai.operation.name` ("" where there is none).

    `method` is the one that the API documents. The same path with another method is recognised too,
    because servers hand over the body of a GET as well.
    """

    name: str
    operation: str
    method: str = "POST"

    @property
    def streams(self) -> bool:
        """Whether `stream: true` makes the answer an event stream."""
        return self.name in ("chat", "responses", "completions")

    @property
    def ends_with_done(self) -> bool:
        """Whether a whole stream ends with `data: [DONE]` (Responses ends with its last event)."""
        return self.name in ("chat", "completions")


CHAT = Endpoint("chat", "chat")
RESPONSES = Endpoint("responses", "chat")
COMPLETIONS = Endpoint("completions", "text_completion")
EMBEDDINGS = Endpoint("embeddings", "embeddings")
MODERATIONS = Endpoint("moderations", "")
MODELS = Endpoint("models", "", "GET")
MODEL = Endpoint("model", "", "GET")

REQUESTS: dict[str, Node] = {
    "chat": chat.REQUEST,
    "responses": responses.REQUEST,
    "completions": others.COMPLETIONS_REQUEST,
    "embeddings": others.EMBEDDINGS_REQUEST,
    "moderations": others.MODERATIONS_REQUEST,
    "models": others.NOTHING,
    "model": others.NOTHING,
}
ANSWERS: dict[str, Node] = {
    "chat": chat.RESPONSE,
    "responses": responses.RESPONSE,
    "completions": others.COMPLETIONS_RESPONSE,
    "embeddings": others.EMBEDDINGS_RESPONSE,
    "moderations": others.MODERATIONS_RESPONSE,
    "models": others.MODELS_RESPONSE,
    "model": others.MODELS_RESPONSE,
}

_TAILS: dict[tuple[str, ...], Endpoint] = {
    ("chat", "completions"): CHAT,
    ("responses",): RESPONSES,
    ("completions",): COMPLETIONS,
    ("embeddings",): EMBEDDINGS,
    ("moderations",): MODERATIONS,
    ("models",): MODELS,
}
PATHS = {end.name: "/".join(("/v1", *tail)) for tail, end in _TAILS.items()}
"""Where the API itself has each endpoint, by its name."""

# What stands before an endpoint at OpenAI, Azure and compatible providers; anything may stand before that.
_VERSION = re.compile(r"v\d+(?:(?:alpha|beta)\d*)?|openai|openai-compatible|engines|deployments")
_MANY = ("engines", "deployments")


def _any_below(parent: str, texts: list[str]) -> bool:
    """Whether one of the sorted paths stands below a parent."""
    first = bisect_left(texts, parent)
    return first < len(texts) and texts[first].startswith(parent)


@lru_cache(maxsize=1024)
def endpoint(method: str, path: str) -> Endpoint | None:
    """Name the known endpoint of a request, or None; `path` is the decoded ASGI path, without the query.

    Every spelling that a server could route to the endpoint's handler is recognised, under any prefix:
    `/v1/chat/completions`, `/chat/completions`, `/openai/deployments/NAME/chat/completions`,
    `/mounted/v1/responses`. HEAD, OPTIONS and TRACE call no model.
    """
    if method.upper() in ("HEAD", "OPTIONS", "TRACE"):
        return None
    found = (_match(segments) for segments in spellings(path))
    return next((match for match in found if match is not None), None)


def _match(segments: tuple[str, ...]) -> Endpoint | None:
    if segments[-2:] == ("chat", "completions"):
        return CHAT
    known = _TAILS.get(segments[-1:])
    if known is not None and _prefixed(segments[:-1]):
        return known
    return MODEL if _one_model(segments) else None


def _prefixed(front: tuple[str, ...]) -> bool:
    if not front or _VERSION.fullmatch(front[-1]):
        return True
    return len(front) > 1 and front[-2] in _MANY


def _one_model(segments: tuple[str, ...]) -> bool:
    """Whether the path is `…/models/ID`; an ID may hold slashes (`org/name`)."""
    if "models" not in segments[:-1]:
        return False
    at = segments.index("models")
    return _prefixed(segments[:at]) and len(segments) - at <= 3


def request_reading(endpoint: Endpoint, body: Any, limits: Limits) -> Reading:
    """Read a request body: every text, and as opaque whatever the map does not name.

    Raises BadRequest 413 where messages, tools or parts exceed the limits.
    """
    return _read(REQUESTS[endpoint.name], body, Reader(strict=True, limits=limits))


def response_reading(endpoint: Endpoint, body: Any) -> Reading:
    """Read an answer: every text; a field that the map does not name is screened, not refused.

    An error envelope (`{"error": …}`) repeats texts of the request and is screened whole.
    """
    return _read(ANSWERS[endpoint.name], body, Reader(strict=False))


def _read(place: Node, body: Any, out: Reader) -> Reading:
    place.read(body, "", out)
    return reading(out)


def reading(out: Reader) -> Reading:
    """The finished reading of a filled reader."""
    if not (out.segments or out.opaque or out.derived):
        return NOTHING
    return Reading(tuple(out.segments), tuple(out.opaque), tuple(out.derived))
