"""A path that a server could route to a handler of the model API is recognised, however it is spelled."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import Message, Scope

from guard.wire.openai import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    MODEL,
    MODELS,
    MODERATIONS,
    RESPONSES,
    Endpoint,
    endpoint,
)

KNOWN: list[tuple[str, str, Endpoint]] = [
    ("POST", "/v1/chat/completions", CHAT),
    ("POST", "/chat/completions", CHAT),
    ("POST", "/v1/responses", RESPONSES),
    ("POST", "/responses", RESPONSES),
    ("POST", "/v1/completions", COMPLETIONS),
    ("POST", "/v1/embeddings", EMBEDDINGS),
    ("POST", "/v1/moderations", MODERATIONS),
    ("GET", "/v1/models", MODELS),
    ("GET", "/v1/models/gpt-4o", MODEL),
    ("GET", "/v1/models/org/name", MODEL),
    ("POST", "/openai/deployments/my-gpt/chat/completions", CHAT),
    ("POST", "/openai/deployments/my-gpt/completions", COMPLETIONS),
    ("POST", "/openai/deployments/my-gpt/embeddings", EMBEDDINGS),
    ("POST", "/openai/v1/responses", RESPONSES),
    ("POST", "/openai/responses", RESPONSES),
    ("POST", "/v1/engines/davinci/completions", COMPLETIONS),
    ("POST", "/api/v1/chat/completions", CHAT),
    ("POST", "/v1beta/openai/chat/completions", CHAT),
    ("POST", "/compatible-mode/v1/embeddings", EMBEDDINGS),
    ("POST", "/api/paas/v4/embeddings", EMBEDDINGS),
    ("POST", "/mounted/deeper/v1/responses", RESPONSES),
    ("GET", "/v1/chat/completions", CHAT),
    ("PUT", "/v1/chat/completions", CHAT),
]


@pytest.mark.parametrize(("method", "path", "expected"), KNOWN)
def test_a_known_endpoint_is_named(method: str, path: str, expected: Endpoint) -> None:
    """A14, A40: with and without a version, under mounts and Azure deployments, and with any method that has a body."""
    assert endpoint(method, path) == expected


UNKNOWN = [
    ("POST", "/"),
    ("POST", ""),
    ("POST", "/v1"),
    ("POST", "/v1/files"),
    ("POST", "/v1/batches"),
    ("POST", "/v1/audio/speech"),
    ("POST", "/v1/images/generations"),
    ("POST", "/v1/fine_tuning/jobs"),
    ("POST", "/v1/vector_stores"),
    ("POST", "/v1/conversations"),
    ("POST", "/v1/evals"),
    ("POST", "/v1/containers"),
    ("POST", "/v1/videos"),
    ("POST", "/v1/realtime/sessions"),
    ("GET", "/v1/responses/resp_1"),
    ("DELETE", "/v1/responses/resp_1"),
    ("POST", "/v1/responses/resp_1/cancel"),
    ("POST", "/v1/responses/compact"),
    ("POST", "/v1/responses/input_tokens"),
    ("GET", "/v1/chat/completions/chatcmpl_1/messages"),
    ("OPTIONS", "/v1/chat/completions"),
    ("HEAD", "/v1/chat/completions"),
    ("POST", "/survey/responses"),
    ("POST", "/chat"),
    ("POST", "/completions/chat"),
    ("GET", "/docs"),
]


@pytest.mark.parametrize(("method", "path"), UNKNOWN)
def test_other_endpoints_are_not_known(method: str, path: str) -> None:
    """B20, A13: what guard cannot read is not taken for what it can, and a preflight calls no model."""
    assert endpoint(method, path) is None


SPELLINGS = [
    "/v1/%63hat/completions",
    "/v1/chat%2Fcompletions",
    "/v1/chat%2fcompletions",
    "/v1%2Fchat%2Fcompletions",
    "/%76%31/chat/completions",
    "/v1/%2563hat/completions",
    "/v1/chat%252Fcompletions",
    "//v1/chat/completions",
    "/v1//chat///completions",
    "/v1/chat/completions/",
    "/v1/chat/completions//",
    "/v1/./chat/completions",
    "/v1/x/../chat/completions",
    "/x/../v1/chat/completions",
    "/v1/chat/../chat/completions",
    "/v1/chat/completions/.",
    "/v1/chat/completions/x/..",
    "/v1/%2e%2e/v1/chat/completions",
    "/../v1/chat/completions",
    "/v1/chat/completions;x",
    "/v1/chat;a=b/completions",
    "/v1;jsessionid=1/chat/completions",
    "/v1/chat/completions%00",
    "/v1/chat/completions%00.json",
    "/v1/chat/completions%20",
    "/v1/chat/completions%0a",
    "/V1/Chat/Completions",
    "/v1/CHAT/COMPLETIONS",
    "\\v1\\chat\\completions",
    "/v1\\chat/completions",
    "/v1/chat%5Ccompletions",
    "/v1/chat/completions%3Fx=1",
    "/v1/chat/completions%23x",
    "/v1/chat/ｃompletions",
    "v1/chat/completions",
]


@pytest.mark.parametrize("path", SPELLINGS)
def test_spellings_of_one_path_are_the_same_endpoint(path: str) -> None:
    """A39: raw or decoded once by the server, every spelling is recognised."""
    assert endpoint("POST", path) is CHAT
    assert endpoint("POST", unquote(path)) is CHAT


def connection(path: str) -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": [],
        "query_string": b"",
        "root_path": "",
    }


def reached(scope: Scope) -> bool:
    """Whether Starlette runs the handler for an ASGI scope."""
    ran: list[bool] = []

    async def handler(request: Request) -> PlainTextResponse:
        ran.append(True)
        return PlainTextResponse("")

    names = ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/completions"]
    routes = [Route(name, handler, methods=["POST"]) for name in names]
    app = Starlette(routes=[*routes, Mount("/mounted", routes=routes)])

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        pass

    try:
        app(scope, receive, send).send(None)
    except StopIteration:
        pass
    return bool(ran)


PIECES = [
    "v1",
    "V1",
    "chat",
    "completions",
    "responses",
    "embeddings",
    "/",
    "//",
    "%2F",
    "%63hat",
    ".",
    "..",
    ";x",
    "\\",
]
PIECES += ["mounted", "%00", "x", " ", "%2e", "chat%2Fcompletions", "/v1/chat/completions", "/v1/responses"]


@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_whenever_a_handler_runs_the_endpoint_was_recognised(pieces: list[str]) -> None:
    """A39, A40: over random spellings, no path reaches a handler of a real router unrecognised."""
    path = unquote("/" + "".join(pieces))
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": [],
        "query_string": b"",
        "root_path": "",
    }
    if reached(scope):
        assert endpoint("POST", path) is not None


@given(st.text(max_size=200))
def test_any_path_is_answered(path: str) -> None:
    """No path, however strange, raises."""
    endpoint("POST", path)
