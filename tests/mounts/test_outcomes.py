"""The outcome of a whole answer is written once the answer has gone: its reader does not wait for the record."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from guard import Gateway, Guard, GuardMiddleware
from guard.errors import Unavailable

pytestmark = pytest.mark.anyio

BEARER = (b"authorization", b"Bearer sk-mine")
Mounts = Callable[[Guard], Any]


@pytest.fixture(params=["edge", "gateway"])
def mounted(request: pytest.FixtureRequest, provider: Any, kit: Any) -> Mounts:
    """Either mount, given its guard."""

    def mount(guard: Guard) -> Any:
        if request.param == "gateway":
            return Gateway(guard, upstream=provider.state.url)
        app = kit.Echo()
        app.reply = kit.completion("hello")
        return GuardMiddleware(app, guard=guard)

    return mount


class Sending:
    """A connection whose `send` does something at the last message of an answer."""

    def __init__(self, kit: Any, at_last: Callable[[], None]) -> None:
        self.inner, self._at_last = kit.Connection([orjson.dumps(kit.chat("hi"))]), at_last

    async def __call__(self, message: Any) -> None:
        await self.inner.send(message)
        if message["type"] == "http.response.body":
            self._at_last()

    async def through(self, app: Any, kit: Any) -> Any:
        scope = kit.scope("/v1/chat/completions", headers=[(b"content-type", b"application/json"), BEARER])
        await app(scope, self.inner.receive, self)
        return self.inner.answer


async def test_the_answer_goes_before_its_outcome_is_written(
    mounted: Mounts, make_guard: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last byte is with the server before the record is made; both are there when the request is over."""
    guard, order = make_guard(owner="outcomes"), []
    append = guard.ledger.append

    def noted(line: bytes) -> None:
        order.append(
            "outcome" if b'"guard.stage","value":{"stringValue":"output"' in line.replace(b"\t", b"") else ""
        )
        append(line)

    monkeypatch.setattr(guard.ledger, "append", noted)
    sending = Sending(kit, lambda: order.append("answer"))
    await sending.through(mounted(guard), kit)
    assert [what for what in order if what] == ["answer", "outcome"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_background_task_of_the_application_does_not_hold_the_outcome_back(
    make_guard: Any, kit: Any, spans: Any, stream: bool
) -> None:
    """An application is done only after its background tasks; the call was over when its answer was."""
    guard, told = make_guard(owner="background"), []

    async def background() -> None:
        told.extend(await spans(guard, answer.header("x-guard-trace")))

    async def endpoint(request: Any) -> Response:
        task = BackgroundTask(background)
        if stream:
            parts = (part for part in (kit.sse(kit.chunk("hello", "stop")), kit.done))
            return StreamingResponse(parts, media_type="text/event-stream", background=task)
        return JSONResponse(kit.completion("hello"), background=task)

    app = Starlette(routes=[Route("/v1/chat/completions", endpoint, methods=["POST"])])
    connection = kit.Connection([orjson.dumps(kit.chat("hi", stream=stream))])
    answer = connection.answer
    await kit.request(GuardMiddleware(app, guard=guard), connection=connection)
    assert [span["guard.stage"] for span in told] == ["input", "output"]


async def test_a_client_that_takes_its_time_does_not_make_the_call_longer(
    mounted: Mounts, make_guard: Any, kit: Any, spans: Any
) -> None:
    """The outcome says when the call ended, not when the last byte of its answer was taken."""
    guard, began = make_guard(owner="slow"), []

    def wait() -> None:
        began.append(time.time_ns())
        time.sleep(0.05)

    answer = await Sending(kit, wait).through(mounted(guard), kit)
    outcome = (await spans(guard, answer.header("x-guard-trace")))[-1]
    assert outcome["start"] <= outcome["end"] <= began[0]


async def test_a_client_that_is_gone_when_its_answer_comes_leaves_an_outcome(
    mounted: Mounts, make_guard: Any, kit: Any, spans: Any
) -> None:
    """A05: a server that raises in `send` costs no record."""
    guard = make_guard(owner="gone")

    def gone() -> None:
        raise OSError("gone")

    sending = Sending(kit, gone)
    with pytest.raises(OSError, match="gone"):
        await sending.through(mounted(guard), kit)
    found = await spans(guard, sending.inner.answer.header("x-guard-trace"))
    assert [span["guard.stage"] for span in found] == ["input", "output"]


async def test_an_outcome_that_cannot_be_written_is_said_and_the_answer_stays(
    mounted: Mounts, make_guard: Any, kit: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """Law 5: after the call the answer is released; what is not on record is in the log, by its kind alone."""
    guard = make_guard(owner="unwritten")

    def refuse(line: bytes) -> None:
        raise Unavailable("record", "the ledger is closed")

    app = mounted(guard)
    monkeypatch.setattr(guard.ledger, "append", refuse)
    with caplog.at_level(logging.ERROR, "guard"):
        answer = await Sending(kit, lambda: None).through(app, kit)
    assert (answer.status, answer.complete) == (200, True)
    assert "the outcome of a call is not on record: Unavailable" in caplog.text
