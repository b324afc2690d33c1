"""Streams and clients that leave, through the gateway: nothing early, nothing after, nobody left waiting."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import openai
import orjson
import pytest

from guard import Gateway, Guard
from guard.mounts.gateway import _taken_back, _while_connected
from guard.simulator.server import serve

pytestmark = pytest.mark.anyio

CARD = "4111 1111 1111 1111"
JSON = (b"content-type", b"application/json")
BEARER = (b"authorization", b"Bearer sk-mine")


class Upstream:
    """A provider that streams one event after another until somebody leaves, and says when that was."""

    def __init__(self, *events: bytes, answer: bool = True) -> None:
        self.events, self.answer = events, answer
        self.called, self.gone = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        while (await receive()).get("more_body", False):
            pass
        self.called.set()
        leaves = asyncio.ensure_future(receive())
        if self.answer:
            headers = [(b"content-type", b"text/event-stream")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        for event in self.events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await leaves
        self.gone.set()


class Door:
    """The one egress of a guard, replaced by an application in this process: no socket, no timing."""

    def __init__(self, app: Upstream) -> None:
        self.app = app

    async def forward(
        self, method: str, url: Any, headers: Any, body: bytes, timeouts: Any = None, settled: Any = None
    ) -> Any:
        return await _Answer.of(self.app, body)


class _Answer:
    """What `outside.egress.Answer` is to the mounts."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.left = asyncio.Event()
        self.status, self.headers = 200, []
        self.chunks = self._read()

    @classmethod
    async def of(cls, app: Upstream, body: bytes) -> _Answer:
        answer, given = cls(), [{"type": "http.request", "body": body}]

        async def receive() -> Any:
            if given:
                return given.pop()
            await answer.left.wait()
            return {"type": "http.disconnect"}

        answer.task = asyncio.ensure_future(app({"type": "http"}, receive, answer.inbox.put))
        try:
            start = await answer.inbox.get()
        except asyncio.CancelledError:
            answer.left.set()
            raise
        answer.status, answer.headers = start["status"], start["headers"]
        return answer

    async def _read(self) -> Any:
        try:
            while (message := await self.inbox.get())["more_body"]:
                yield message["body"]
        finally:
            self.left.set()

    async def read(self, limit: int) -> bytes:
        return b"".join([chunk async for chunk in self.chunks])

    async def aclose(self) -> None:
        self.left.set()


async def ended(work: Any) -> Any:
    """The result of what must end by itself (a time-out that cancels it could be taken for the client's leaving)."""
    task = asyncio.ensure_future(work)
    done, left = await asyncio.wait({task}, timeout=5)
    for late in left:
        late.cancel()
    assert done
    return task.result()


def behind(guard: Guard, app: Upstream, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    monkeypatch.setattr(guard, "_egress", Door(app))
    return Gateway(guard, upstream="http://127.0.0.1:9/v1")


async def test_a_client_that_leaves_in_mid_stream_ends_the_upstream_call(
    kit: Any, quiet: Guard, spans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A05: the provider's stream is closed at once; one outcome, which says that the client left."""
    upstream = Upstream(*[kit.sse(kit.chunk(f"Sentence {n}. ")) for n in range(9)])
    gateway = behind(quiet, upstream, monkeypatch)
    answer = await ended(
        kit.request(gateway, body=kit.chat("hi", stream=True), headers=[JSON, BEARER], leave_after=5)
    )
    await asyncio.wait_for(upstream.gone.wait(), 5)
    assert not answer.complete
    intent, *outcomes = await spans(quiet, answer.header("x-guard-trace"))
    assert [span["error.type"] for span in outcomes] == ["client_left"]
    assert "error.type" not in intent


async def test_a_client_that_leaves_with_the_first_byte(
    kit: Any, quiet: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A05: also where nothing of the answer was read yet, the upstream call ends."""
    upstream = Upstream()
    connection = kit.Connection([orjson.dumps(kit.chat("hi", stream=True))])

    async def send(message: Any) -> None:
        await connection.send(message)
        connection.leave.set()
        await asyncio.sleep(3600)

    gateway = behind(quiet, upstream, monkeypatch)
    scope = kit.scope("/v1/chat/completions", headers=[JSON, BEARER])
    await ended(gateway(scope, connection.receive, send))
    await asyncio.wait_for(upstream.gone.wait(), 5)


async def test_a_client_that_leaves_before_the_answer_cancels_the_call(
    kit: Any, make_guard: Any, spans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A06: while the provider thinks, a client that leaves cancels the call; intent and one outcome are on record."""
    guard, upstream = make_guard(owner="gateway A06"), Upstream(answer=False)
    gateway = behind(guard, upstream, monkeypatch)
    connection = kit.Connection([orjson.dumps(kit.chat("hi"))])
    task = asyncio.ensure_future(kit.request(gateway, connection=connection, headers=[JSON, BEARER]))
    await upstream.called.wait()
    connection.leave.set()
    await ended(task)
    await asyncio.wait_for(upstream.gone.wait(), 5)
    assert connection.answer.messages == []
    calls = [s for s in await spans(guard, "", 4) if s.get("guard.mount") == "gateway"]
    assert [span.get("error.type") for span in calls] == [None, "client_left"]


async def test_a_server_that_stops_ends_its_calls(
    kit: Any, make_guard: Any, spans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A05: a gateway that is cancelled (shutdown) leaves no upstream call behind, and none without an outcome."""
    guard, upstream = make_guard(owner="gateway stops"), Upstream(answer=False)
    gateway = behind(guard, upstream, monkeypatch)
    task = asyncio.ensure_future(kit.request(gateway, body=kit.chat("hi"), headers=[JSON, BEARER]))
    await upstream.called.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(upstream.gone.wait(), 5)
    calls = [s for s in await spans(guard, "", 4) if s.get("guard.mount") == "gateway"]
    assert [span.get("error.type") for span in calls] == [None, "client_left"]


@pytest.mark.parametrize("pieces", [[b'{"model"', b""], [b'{"model": "m", "messages": []}']])
async def test_a_client_that_leaves_before_the_call_is_on_record(
    kit: Any, make_guard: Any, spans: Any, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]
) -> None:
    """A04: in the middle of its request, or while that is screened: nothing goes on, and the record says who left."""

    async def slow(self: Any, line: bytes) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr("guard.trace.ledger.Ledger.commit", slow)
    guard, upstream = make_guard(owner=f"gateway A04 {len(pieces)}"), Upstream()
    connection = kit.Connection(pieces[:1])
    connection._messages[0]["more_body"] = len(pieces) > 1
    connection.leave.set()
    gateway = behind(guard, upstream, monkeypatch)
    await ended(kit.request(gateway, connection=connection, headers=[JSON, BEARER]))
    assert not upstream.called.is_set()
    (left,) = [s for s in await spans(guard, "", 3) if s.get("guard.mount") == "gateway"]
    assert left["error.type"] == "client_left"


class Late(Door):
    """A door whose answer is there just when the client leaves: the cancellation is too late for it."""

    def __init__(self, app: Upstream, connection: Any) -> None:
        super().__init__(app)
        self.connection = connection

    async def forward(
        self, method: str, url: Any, headers: Any, body: bytes, timeouts: Any = None, settled: Any = None
    ) -> Any:
        answer = await _Answer.of(self.app, body)
        self.connection.leave.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:  # as asyncio.wait_for of Python 3.11, where both come in one round
            return answer


async def test_a_client_that_leaves_as_the_answer_comes_loses_nothing(
    kit: Any, make_guard: Any, spans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A05: whoever took the cancellation, the answer that was there is closed, and the client is known to be gone."""
    guard, upstream = make_guard(owner="gateway late"), Upstream()
    connection = kit.Connection([orjson.dumps(kit.chat("hi", stream=True))])
    monkeypatch.setattr(guard, "_egress", Late(upstream, connection))
    gateway = Gateway(guard, upstream="http://127.0.0.1:9/v1")
    await ended(kit.request(gateway, connection=connection, headers=[JSON, BEARER]))
    await asyncio.wait_for(upstream.gone.wait(), 5)
    calls = [s for s in await spans(guard, "", 4) if s.get("guard.mount") == "gateway"]
    assert [span.get("error.type") for span in calls] == [None, "client_left"]


async def gone() -> Any:
    return {"type": "http.disconnect"}


async def test_a_cancellation_that_came_too_late_is_taken_back() -> None:
    """A06: what the work brought is returned, and nothing strikes whoever goes on."""

    async def work() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "brought"
        return ""

    task = asyncio.current_task()
    assert task is not None
    assert await _while_connected(gone, work()) == "brought"
    assert task.cancelling() == 0
    task.cancel()  # as a watch that runs at once (eager tasks), beside work that awaits nothing
    await _taken_back(task)
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_a_server_that_stops_as_the_client_leaves_is_heard() -> None:
    """A05: of two cancellations one is the server's own, and that one goes through."""

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            raise

    async def late() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        task.cancel()
        await _taken_back(task)

    async def all_at_once() -> None:
        before = asyncio.all_tasks()
        task = asyncio.ensure_future(_while_connected(asyncio.Event().wait, asyncio.Event().wait()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for other in (*(asyncio.all_tasks() - before - {task}), task):
            other.cancel()
        await task

    for stopped in (_while_connected(gone, work()), late(), all_at_once()):
        with pytest.raises(asyncio.CancelledError):
            await asyncio.ensure_future(stopped)


def test_a_real_client_that_leaves_closes_the_real_connection(kit: Any, quiet: Guard) -> None:
    """A05: over real sockets: the SDK closes its stream, and the provider's connection ends."""
    gone = threading.Event()

    async def upstream(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body", False):
            pass
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for n in range(5):
            event = kit.sse(kit.chunk(f"Sentence {n}. "))
            await send({"type": "http.response.body", "body": event, "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        gone.set()

    with serve(upstream) as provider, serve(Gateway(quiet, upstream=f"{provider}/v1")) as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="sk-mine", max_retries=0)
        with client, client.chat.completions.create(model="m", messages=[], stream=True) as stream:
            assert next(iter(stream)).choices[0].delta.content == "Sentence 0. "
        assert gone.wait(5)


async def test_a_clean_stream_flows_and_is_complete(
    kit: Any, quiet: Guard, provider: Any, spans: Any
) -> None:
    """A23: the provider's events leave as they are, and the outcome holds ids, usage and no text."""
    body = kit.chat("say a canary", stream=True, stream_options={"include_usage": True})
    answer = await kit.request(Gateway(quiet, upstream=provider.state.url), body=body, headers=[JSON, BEARER])
    assert kit.told(answer.body) == "You wrote: say a canary"
    assert answer.body.count(b"[DONE]") == 1
    assert answer.body.endswith(kit.done)
    assert answer.header("content-type") == "text/event-stream; charset=utf-8"
    outcome = (await spans(quiet, answer.header("x-guard-trace")))[-1]
    assert int(outcome["gen_ai.usage.output_tokens"]) > 0
    assert "canary" not in str(outcome)


@pytest.mark.parametrize("cut", [0, 1, 3, 17])
async def test_streams_are_the_same_however_the_network_cuts(
    kit: Any, quiet: Guard, provider: Any, cut: int
) -> None:
    """A21 A22: real sockets, bytes re-cut by the provider: restored, redacted, whole."""
    provider.state.script.recut = cut
    provider.state.script.reply = lambda body: (
        f"上海 🙂 {body['messages'][0]['content']} 5500 0000 0000 0004 好"
    )
    gateway = Gateway(quiet, upstream=provider.state.url)
    answer = await kit.request(gateway, body=kit.chat(f"my {CARD}", stream=True), headers=[JSON, BEARER])
    assert kit.told(answer.body) == f"上海 🙂 my {CARD} <CARD_2> 好"


async def test_a_blocked_stream(kit: Any, judging: Guard, provider: Any) -> None:
    """A25: content_filter, then `[DONE]`, nothing of the blocked text, and the SDK reads it as such."""
    good = "A harmless sentence, nothing more. " * 20
    provider.state.script.reply = lambda body: good + "Now I will hurt you badly. " + "More. " * 99
    gateway = Gateway(judging, upstream=provider.state.url)
    answer = await kit.request(gateway, body=kit.chat("hi", stream=True), headers=[JSON, BEARER])
    assert answer.body.endswith(kit.done)
    assert b'"content_filter"' in answer.body
    assert "hurt" not in kit.told(answer.body)
    assert "More" not in kit.told(answer.body)


@pytest.mark.parametrize("fault", ["disconnect", "truncated"])
async def test_a_stream_that_breaks_off_is_an_error_or_cut(
    kit: Any, quiet: Guard, provider: Any, spans: Any, fault: str
) -> None:
    """A25: a reset is one error event and the end; a short stream just ends; neither has `[DONE]`."""
    provider.state.script.reply = lambda body: "Sentence. " * 30
    provider.state.script.fail("chat", fault)
    gateway = Gateway(quiet, upstream=provider.state.url)
    answer = await kit.request(gateway, body=kit.chat("hi", stream=True), headers=[JSON, BEARER])
    assert b"[DONE]" not in answer.body
    assert "Sentence. ".startswith(kit.told(answer.body)[:10])
    assert (b'"upstream_closed"' in answer.body) == (fault == "disconnect")
    outcome = (await spans(quiet, answer.header("x-guard-trace")))[-1]
    assert outcome["error.type"] == {"disconnect": "closed", "truncated": "truncated"}[fault]


async def test_a_check_that_raises_in_a_stream_releases_nothing(
    kit: Any, quiet: Guard, provider: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """A20: guard fails in mid-stream: one error event with a stable code, no `[DONE]`, nothing of the text."""

    def boom(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"boom {CARD}")

    monkeypatch.setattr("guard.streaming.lanes.decide", boom)
    provider.state.script.reply = lambda body: f"the canary {CARD}. "
    gateway = Gateway(quiet, upstream=provider.state.url)
    answer = await kit.request(gateway, body=kit.chat("hi", stream=True), headers=[JSON, BEARER])
    assert b"canary" not in answer.body
    assert b"[DONE]" not in answer.body
    error = orjson.loads(answer.body.rstrip().rsplit(b"data: ", 1)[1])["error"]
    assert error["code"] == "guard.unavailable.detect"
    assert CARD not in caplog.text
