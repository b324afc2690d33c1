"""The simulated provider: an OpenAI-compatible API that makes answers by script and records every request."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from guard.simulator import guardmodels
from guard.simulator.answers import Answer, broken, error, stream, whole
from guard.simulator.chat import chunks, completion, text_chunks, text_completion, usage
from guard.simulator.responses import events, response
from guard.simulator.scores import moderation, spoil
from guard.simulator.script import Received, Script, no_tools

Json = dict[str, Any]
Make = Callable[[Json, Script, str], ASGIApp]

MODELS = ("gpt-simulated", "text-embedding-simulated", "omni-moderation-simulated")
DIMENSIONS = 8


def create_app(script: Script | None = None) -> Starlette:
    """Make the provider. `app.state.script` is its script, `app.state.received` what it was sent, in order."""
    app = Starlette(
        routes=[
            _post("/v1/chat/completions", "chat", "messages", _chat),
            _post("/v1/completions", "completions", "prompt", _completion),
            _post("/v1/responses", "responses", "input", _response),
            _post("/v1/embeddings", "embeddings", "input", _embeddings),
            _post("/v1/moderations", "moderations", "input", _moderation),
            Route("/v1/models", partial(_answer, "models", "", _models)),
            Route("/v1/models/{model}", partial(_answer, "models", "", _model)),
            Route("/{path:path}", _unknown, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]
    )
    app.state.script = script or Script()
    app.state.received = []
    return app


def _post(path: str, endpoint: str, needs: str, make: Make) -> Route:
    endpoint_function: Callable[[Request], Awaitable[ASGIApp]] = partial(_answer, endpoint, needs, make)
    return Route(path, endpoint_function, methods=["POST"])


async def _answer(endpoint: str, needs: str, make: Make, request: Request) -> ASGIApp:
    script: Script = request.app.state.script
    body = _read(await _record(request))
    if body is None or (needs and needs not in body):
        return error(400, f"Missing required parameter: '{needs}'.", script)
    asked = "moderations" if endpoint == "chat" and guardmodels.judging(body) else endpoint
    if asked == "moderations" and script.quota is not None:
        within, headers = script.quota.take()
        if not within:
            return error(429, "Rate limit reached (simulated)", script).add(headers)
    else:
        headers = []
    fault = script.next_fault(asked)
    answer = broken(fault, body, script) or make({**body, **request.path_params}, script, fault)
    return answer.add(headers) if isinstance(answer, Answer) else answer


async def _unknown(request: Request) -> ASGIApp:
    await _record(request)
    return error(404, f"Invalid URL ({request.method} {request.url.path})", request.app.state.script)


async def _record(request: Request) -> bytes:
    body = await request.body()
    scope = request.scope
    row = Received(scope["method"], scope["path"], scope["query_string"], list(scope["headers"]), body)
    request.app.state.received.append(row)
    return body


def _read(body: bytes) -> Json | None:
    try:
        value = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _cut(fault: str) -> Json:
    """What spoils a real answer on its way."""
    return {"cut": fault == "disconnect", "keep": 0.5 if fault == "truncated" else 1.0}


def _chat(body: Json, script: Script, fault: str) -> Answer:
    if guardmodels.judging(body):
        return whole(_verdict(body, script), script, **_cut(fault))
    if body.get("stream"):
        return stream(chunks(body, script), script, done=True, **_cut(fault))
    return whole(completion(body, script), script, **_cut(fault))


def _verdict(body: Json, script: Script) -> Json:
    told = replace(script, reply=lambda asked: guardmodels.verdict(asked, script.triggers), tools=no_tools)
    answer = completion(body, told)
    answer["choices"][0]["logprobs"] = guardmodels.logprobs(body, script.triggers)
    return answer


def _completion(body: Json, script: Script, fault: str) -> Answer:
    if body.get("stream"):
        return stream(text_chunks(body, script), script, done=True, **_cut(fault))
    return whole(text_completion(body, script), script, **_cut(fault))


def _response(body: Json, script: Script, fault: str) -> Answer:
    if body.get("stream"):
        return stream(events(body, script), script, done=False, **_cut(fault))
    return whole(response(body, script), script, **_cut(fault))


def _moderation(body: Json, script: Script, fault: str) -> Answer:
    answer = moderation(body, script.triggers, script.new_id("modr-"))
    return whole(spoil(answer, fault), script, **_cut(fault))


def _models(body: Json, script: Script, fault: str) -> Answer:
    return whole({"object": "list", "data": [_model_row(name) for name in MODELS]}, script, **_cut(fault))


def _model(body: Json, script: Script, fault: str) -> Answer:
    if body["model"] not in MODELS:
        return error(404, "The model does not exist", script)
    return whole(_model_row(body["model"]), script, **_cut(fault))


def _model_row(name: str) -> Json:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "simulator"}


def _embeddings(body: Json, script: Script, fault: str) -> Answer:
    size = body.get("dimensions") or DIMENSIONS
    packed = body.get("encoding_format") == "base64"
    rows = (
        body["input"]
        if isinstance(body["input"], list) and not _is_tokens(body["input"])
        else [body["input"]]
    )
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _pack(row, size) if packed else list(_vector(row, size)),
        }
        for index, row in enumerate(rows)
    ]
    counted = usage({}, [str(row) for row in rows])
    used = {"prompt_tokens": counted["completion_tokens"], "total_tokens": counted["completion_tokens"]}
    answer = {"object": "list", "data": data, "model": body.get("model", "simulated"), "usage": used}
    return whole(answer, script, **_cut(fault))


def _is_tokens(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], int)


def _vector(row: Any, size: int) -> tuple[float, ...]:
    seed = orjson.dumps(row)
    digest = b"".join(
        hashlib.sha256(seed + bytes([i % 256, i // 256])).digest() for i in range(-(-size // 32))
    )
    return tuple(byte / 127.5 - 1 for byte in digest[:size])


def _pack(row: Any, size: int) -> str:
    return base64.b64encode(struct.pack(f"<{size}f", *_vector(row, size))).decode()
