"""The connection behind the middleware: what an application receives, who leaves, what raises, who is who."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from guard import Guard, GuardMiddleware

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"


def starlette(endpoint: Any, guard: Guard, *around: Any) -> Starlette:
    """An application with one model route; `around` are middleware outside (first) and inside of guard."""
    outside, inside = around or ((), ())
    middleware = [*outside, Middleware(GuardMiddleware, guard=guard), *inside]
    return Starlette(routes=[Route(CHAT, endpoint, methods=["POST"])], middleware=middleware)


async def test_after_the_body_comes_what_really_comes(kit: Any, quiet: Guard) -> None:
    """A03: a second `receive()` waits for the real next message and gets the disconnect, not the body again."""
    seen: list[Any] = []
    connection = kit.Connection([orjson.dumps(kit.chat("my card is 4111 1111 1111 1111"))])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(await receive())
        second = asyncio.ensure_future(receive())
        await asyncio.sleep(0.01)
        assert not second.done()
        connection.leave.set()
        seen.append(await second)

    await kit.request(GuardMiddleware(app, guard=quiet), connection=connection)
    assert orjson.loads(seen[0]["body"])["messages"][0]["content"] == "my card is <CARD_1>"
    assert [m["type"] for m in seen] == ["http.request", "http.disconnect"]


@pytest.mark.parametrize("spec", ["2.0", "2.3", "2.4"])
async def test_a_streaming_response_is_not_emptied(kit: Any, quiet: Guard, spec: str) -> None:
    """A03: Starlette's StreamingResponse, which before 2.4 listens for the disconnect, sends all of its stream."""

    async def endpoint(request: Any) -> StreamingResponse:
        await request.json()
        pieces = [kit.sse(kit.chunk("hello ")), kit.sse(kit.chunk("you", "stop"), kit.done)]
        return StreamingResponse(aiter_of(pieces), media_type="text/event-stream")

    asgi = {"version": "3.0", "spec_version": spec}
    answer = await kit.request(starlette(endpoint, quiet), body=kit.chat("hi", stream=True), asgi=asgi)
    assert kit.told(answer.body) == "hello you"
    assert answer.body.endswith(kit.done)
    assert answer.complete


async def aiter_of(pieces: Any) -> Any:
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


async def test_a_client_that_leaves_ends_the_application_s_stream(kit: Any, quiet: Guard, spans: Any) -> None:
    """A05: the application's generator is closed when the client leaves; one outcome, which says so."""
    closed = asyncio.Event()

    async def endless() -> Any:
        try:
            while True:
                yield kit.sse(kit.chunk("word after word. "))
                await asyncio.sleep(0)
        finally:
            closed.set()

    async def endpoint(request: Any) -> StreamingResponse:
        return StreamingResponse(endless(), media_type="text/event-stream")

    answer = await asyncio.wait_for(
        kit.request(starlette(endpoint, quiet), body=kit.chat("hi", stream=True), leave_after=4), 5
    )
    await asyncio.wait_for(closed.wait(), 5)
    assert not answer.complete
    intent, *outcomes = await spans(quiet, answer.header("x-guard-trace"))
    assert [span["error.type"] for span in outcomes] == ["client_left"]
    assert "error.type" not in intent


async def test_a_server_that_says_so_when_it_sends_ends_the_stream_too(
    kit: Any, quiet: Guard, spans: Any
) -> None:
    """A05: from ASGI 2.4 on a server raises OSError in `send`; it reaches the application, and the record."""
    reached: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            while True:
                await send(
                    {"type": "http.response.body", "body": kit.sse(kit.chunk("a. ")), "more_body": True}
                )
        except OSError as failure:
            reached.append(str(failure))
            raise

    connection = kit.Connection([orjson.dumps(kit.chat("hi", stream=True))])

    async def send(message: Any) -> None:
        await connection.send(message)
        if len(connection.answer.messages) == 3:
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await GuardMiddleware(app, guard=quiet)(kit.scope(CHAT), connection.receive, send)
    assert reached == ["gone"]
    outcomes = (await spans(quiet, connection.answer.header("x-guard-trace")))[1:]
    assert [span["error.type"] for span in outcomes] == ["client_left"]


async def test_a_client_that_leaves_before_the_answer_cancels_the_call(
    kit: Any, make_guard: Any, spans: Any
) -> None:
    """A06: a cancelled application leaves one outcome, not none."""
    guard, called = make_guard(owner="A06"), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        called.set()
        await receive()
        await asyncio.sleep(60)

    task = asyncio.ensure_future(kit.request(GuardMiddleware(app, guard=guard), body=kit.chat("hi")))
    await called.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    mine = [s for s in await spans(guard, "", 4) if s["name"] == "guard.screen"]
    assert [span.get("error.type") for span in mine] == [None, "client_left"]


current = contextvars.ContextVar("current", default="")


class Before(BaseHTTPMiddleware):
    """Sets a context variable per request, as applications do."""

    async def dispatch(self, request: Any, call_next: Any) -> Any:
        current.set(request.headers["x-who"])
        return await call_next(request)


@pytest.mark.parametrize("place", ["alone", "before", "after", "both"])
async def test_two_hundred_requests_at_once_see_their_own(kit: Any, quiet: Guard, place: str) -> None:
    """A17: placeholders, context variables, threads and background tasks never mix between requests."""
    seen: dict[str, list[str]] = {}

    def note(who: str) -> None:
        seen.setdefault(who, []).append(current.get())

    async def endpoint(request: Any) -> JSONResponse:
        who = request.headers["x-who"]
        current.set(who)
        text = (await request.json())["messages"][0]["content"]
        await asyncio.sleep(0)
        await run_in_threadpool(note, who)
        reply = kit.completion(f"{text}, not <EMAIL_2>")
        return JSONResponse(reply, background=BackgroundTask(note, who))

    outside = [Middleware(Before)] if place in ("before", "both") else []
    inside = [Middleware(Before)] if place in ("after", "both") else []
    app = starlette(endpoint, quiet, outside, inside)

    async def one(number: int) -> None:
        mail = f"user{number}@mail.org"
        headers = [(b"content-type", b"application/json"), (b"x-who", mail.encode())]
        answer = await kit.request(app, body=kit.chat(f"I am {mail}"), headers=headers)
        assert answer.json["choices"][0]["message"]["content"] == f"I am {mail}, not <EMAIL_2>"

    await asyncio.gather(*(one(number) for number in range(200)))
    assert len(seen) == 200
    assert all(notes == [who, who] for who, notes in seen.items())


async def test_a_background_task_runs_after_the_answer(kit: Any, quiet: Guard) -> None:
    """A17: what an application does after its answer does not delay it."""
    release = asyncio.Event()

    async def endpoint(request: Any) -> JSONResponse:
        return JSONResponse(kit.completion("hi"), background=BackgroundTask(release.wait))

    connection = kit.Connection([orjson.dumps(kit.chat("hi"))])
    task = asyncio.ensure_future(kit.request(starlette(endpoint, quiet), connection=connection))
    await connection.ended.wait()
    assert not task.done()
    release.set()
    await task


class Broken(Exception):
    """What an application raises."""


async def test_an_application_that_raises_before_its_answer(kit: Any, make_guard: Any, spans: Any) -> None:
    """A19: the exception goes on to the server, Starlette's own 500 goes out, once; one outcome is on record."""

    async def endpoint(request: Any) -> JSONResponse:
        raise Broken

    guard = make_guard(owner="A19")
    connection = kit.Connection([orjson.dumps(kit.chat("hi"))])
    with pytest.raises(Broken):
        await kit.request(starlette(endpoint, guard), connection=connection)
    assert [m["type"] for m in connection.answer.messages] == ["http.response.start", "http.response.body"]
    assert connection.answer.status == 500
    mine = [s for s in await spans(guard, "", 4) if s["name"] == "guard.screen"]
    assert [span.get("error.type") for span in mine] == [None, "app_error"]


async def test_an_application_that_raises_in_its_answer(kit: Any, quiet: Guard) -> None:
    """A19: half a JSON answer is never sent: the server sends its own 500."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"half', "more_body": True})
        raise Broken

    connection = kit.Connection([orjson.dumps(kit.chat("hi"))])
    with pytest.raises(Broken):
        await kit.request(GuardMiddleware(app, guard=quiet), connection=connection)
    assert connection.answer.messages == []


@pytest.mark.parametrize("ending", ["raises", "returns"])
async def test_a_stream_that_breaks_off_never_looks_complete(
    kit: Any, quiet: Guard, spans: Any, ending: str
) -> None:
    """A19: after the first byte the exception reaches the server and no last message does; one outcome."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(4):
            await send({"type": "http.response.body", "body": kit.sse(kit.chunk("a. ")), "more_body": True})
        if ending == "raises":
            raise Broken

    connection = kit.Connection([orjson.dumps(kit.chat("hi"))])
    request = kit.request(GuardMiddleware(app, guard=quiet), connection=connection)
    if ending == "raises":
        with pytest.raises(Broken):
            await request
    else:
        await request
    assert connection.answer.messages[0]["type"] == "http.response.start"
    assert all(m["more_body"] for m in connection.answer.messages[1:])
    outcomes = (await spans(quiet, connection.answer.header("x-guard-trace")))[1:]
    assert [span["error.type"] for span in outcomes] == ["app_error"]


async def test_an_error_after_the_whole_answer_is_the_server_s_to_know(kit: Any, quiet: Guard) -> None:
    """A19: a background task that fails after a stream is not swallowed, and the answer stays whole."""

    def fail() -> None:
        raise Broken

    async def endpoint(request: Any) -> StreamingResponse:
        pieces = [kit.sse(kit.chunk("a", "stop"), kit.done)]
        return StreamingResponse(
            aiter_of(pieces), media_type="text/event-stream", background=BackgroundTask(fail)
        )

    connection = kit.Connection([orjson.dumps(kit.chat("hi", stream=True))])
    with pytest.raises(Broken):
        await kit.request(starlette(endpoint, quiet), connection=connection)
    assert connection.answer.complete
