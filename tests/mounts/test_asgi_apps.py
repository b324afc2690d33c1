"""Whole applications, Starlette and FastAPI, with and without guard: what it does not guard is byte-equal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Form, HTTPException, UploadFile
from fastapi.security import OAuth2PasswordRequestForm
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from guard import Guard, GuardMiddleware, Identity

CARD = "4111 1111 1111 1111"
ROUTES = 'routes: {"POST /ask": {input: [$.question], output: [$.answer]}}\n'


class Question(BaseModel):
    question: str
    note: str = ""


def fastapi_app(folder: Path) -> FastAPI:
    """An application as people write them: docs, a log-in form, an upload, static files, a model route."""
    app = FastAPI(title="shop")
    app.mount("/static", StaticFiles(directory=folder), name="static")

    @app.post("/login")
    def login(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, str]:
        return {"user": form.username, "secret": form.password}

    @app.post("/form")
    def form(card: Annotated[str, Form()]) -> dict[str, str]:
        return {"card": card}

    @app.post("/upload")
    async def upload(file: UploadFile) -> dict[str, Any]:
        return {"name": file.filename, "size": len(await file.read()), "type": file.content_type}

    @app.get("/items/{item}")
    def item(item: int, q: str = "") -> dict[str, Any]:
        return {"item": item, "q": q}

    @app.post("/ask")
    def ask(body: Question) -> dict[str, str]:
        if not body.question:
            raise HTTPException(400, "no question")
        return {"answer": f"you asked: {body.question}", "note": body.note}

    return app


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logo.svg").write_bytes(b"<svg>ann@corp.org</svg>")
    (tmp_path / "big.bin").write_bytes(bytes(range(256)) * 2000)
    return tmp_path


@pytest.fixture(scope="session")
def routed(make_guard: Any) -> Guard:
    made: Guard = make_guard(make_guard.quiet + ROUTES)
    return made


REQUESTS: dict[str, dict[str, Any]] = {
    "the docs": {"method": "GET", "url": "/docs"},
    "the schema": {"method": "GET", "url": "/openapi.json"},
    "the other docs": {"method": "GET", "url": "/redoc"},
    "a log-in form": {
        "method": "POST",
        "url": "/login",
        "data": {"username": "ann@corp.org", "password": "x"},
    },
    "a form": {"method": "POST", "url": "/form", "data": {"card": CARD}},
    "an upload": {
        "method": "POST",
        "url": "/upload",
        "files": {"file": ("ann@corp.org.txt", CARD.encode() * 99)},
    },
    "a static file": {"method": "GET", "url": "/static/logo.svg"},
    "a large file": {"method": "GET", "url": "/static/big.bin"},
    "a range": {"method": "GET", "url": "/static/big.bin", "headers": {"range": "bytes=5-9"}},
    "a HEAD": {"method": "HEAD", "url": "/static/big.bin"},
    "not modified": {"method": "GET", "url": "/static/logo.svg", "headers": {"if-none-match": "*"}},
    "a query": {"method": "GET", "url": "/items/7?q=ann@corp.org"},
    "a bad query": {"method": "GET", "url": "/items/x"},
    "not found": {"method": "GET", "url": "/nothing"},
    "not allowed": {"method": "DELETE", "url": "/login"},
}


@pytest.mark.parametrize("case", REQUESTS)
def test_what_is_not_guarded_is_byte_equal(folder: Path, routed: Guard, case: str) -> None:
    """A40: docs, log-in forms, uploads and static files answer as without guard: status, headers and bytes."""
    plain, guarded = fastapi_app(folder), fastapi_app(folder)
    guarded.add_middleware(GuardMiddleware, guard=routed)
    answers = []
    for app in (plain, guarded):
        with TestClient(app, follow_redirects=False) as client:
            request = {
                "headers": {"content-type": f"multipart/form-data; boundary=b{case!r}"},
                **REQUESTS[case],
            }
            if "files" not in request:
                request = REQUESTS[case]
            answers.append(client.request(**request))
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].content == answers[1].content
    assert answers[0].headers.raw == answers[1].headers.raw


def test_a_named_route_on_fastapi(folder: Path, routed: Guard) -> None:
    """A40: of a route that the policy names only the named texts change, in and out; the rest is the application's."""
    app = fastapi_app(folder)
    seen: list[str] = []
    app.add_middleware(GuardMiddleware, guard=routed)

    @app.middleware("http")
    async def watch(request: Any, call_next: Any) -> Any:
        seen.append((await request.body()).decode())
        return await call_next(request)

    app.user_middleware.reverse()  # the watcher stands inside of guard
    with TestClient(app) as client:
        answer = client.post("/ask", json={"question": f"is {CARD} mine?", "note": CARD})
    assert answer.json() == {"answer": f"you asked: is {CARD} mine?", "note": CARD}
    assert seen == ['{"question":"is <CARD_1> mine?","note":"' + CARD + '"}']
    assert len(answer.headers["x-guard-trace"]) == 32


def test_errors_of_a_named_route_stay_the_application_s(folder: Path, routed: Guard) -> None:
    """A40: FastAPI's 400 and 422 answers keep status and shape."""
    app = fastapi_app(folder)
    app.add_middleware(GuardMiddleware, guard=routed)
    with TestClient(app) as client:
        assert client.post("/ask", json={"question": ""}).json() == {"detail": "no question"}
        missing = client.post("/ask", json={"note": "x"})
    assert missing.status_code == 422
    assert missing.json()["detail"][0]["loc"] == ["body", "question"]


def test_a_named_route_on_starlette(routed: Guard) -> None:
    """A40: the same on Starlette; what the application makes up itself is redacted in the named answer."""

    async def ask(request: Any) -> JSONResponse:
        body = await request.json()
        return JSONResponse({"answer": f"{body['question']} or 5500 0000 0000 0004?", "n": [1, 2.50, None]})

    async def about(request: Any) -> PlainTextResponse:
        return PlainTextResponse(f"call us with {CARD}")

    app = Starlette(routes=[Route("/ask", ask, methods=["POST"]), Route("/about", about)])
    app.add_middleware(GuardMiddleware, guard=routed)
    with TestClient(app) as client:
        answer = client.post("/ask", json={"question": CARD})
        assert answer.json() == {"answer": f"{CARD} or <CARD_2>?", "n": [1, 2.5, None]}
        assert client.get("/about").text == f"call us with {CARD}"


def test_an_input_without_a_way_back_touches_no_answer(make_guard: Any) -> None:
    """A40: with `output: []` the answer of the route leaves as it is, whatever it is; the input is screened."""
    guard = make_guard(make_guard.quiet + 'routes: {"POST /ask": {input: [$.question], output: []}}\n')

    async def ask(request: Any) -> PlainTextResponse:
        body = await request.json()
        return PlainTextResponse(f"{body['question']} 5500 0000 0000 0004")

    app = Starlette(routes=[Route("/ask", ask, methods=["POST"])])
    app.add_middleware(GuardMiddleware, guard=guard)
    with TestClient(app) as client:
        assert client.post("/ask", json={"question": CARD}).text == "<CARD_1> 5500 0000 0000 0004"


def test_identify_says_who_calls(make_guard: Any, kit: Any, spans: Any) -> None:
    """A17: tenant and user of a request come from the application's own function; the user only as a hash."""
    guard = make_guard(owner="identify")

    def identify(scope: Any) -> Identity:
        headers = dict(scope["headers"])
        return Identity(tenant=headers[b"x-tenant"].decode(), user="ann@corp.org")

    async def chat(request: Any) -> JSONResponse:
        return JSONResponse(kit.completion("hi"))

    app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
    app.add_middleware(GuardMiddleware, guard=guard, identify=identify)
    with TestClient(app) as client:
        client.post("/v1/chat/completions", json=kit.chat("hi"), headers={"x-tenant": "acme"})
        found = client.portal.call(spans, guard, "", 4)  # type: ignore[union-attr]
    screens = [span for span in found if span["name"] == "guard.screen"]
    assert [span["guard.tenant"] for span in screens] == ["acme", "acme"]
    assert all(span["guard.user"] and "ann" not in span["guard.user"] for span in screens)
