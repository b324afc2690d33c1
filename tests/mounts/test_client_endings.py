"""How calls of a guarded client end when somebody fails or leaves: the provider, the judge, guard itself, the app."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import client_kit as clients
import openai
import orjson
import pytest
from starlette.applications import Starlette

from guard import Guard, guarded_client
from guard.simulator.server import serve

MAIL = "alice@corp.com"
Connect = Callable[..., Any]


# the provider


@pytest.mark.parametrize(("fault", "calls"), [("500", 2), ("429", 2), ("400", 1), ("401", 1), ("404", 1)])
def test_errors_of_the_provider_are_the_providers(
    connect: Connect, provider: Starlette, fault: str, calls: int
) -> None:
    """C05 C06: its status and headers come through, and the SDK's own rules for retries hold."""
    provider.state.script.fail("chat", fault, forever=True)
    with pytest.raises(openai.APIStatusError) as caught:
        connect(max_retries=1).chat("hi", extra_headers={"x-stainless-retry-count": "0"})
    assert caught.value.status_code == int(fault)
    assert "simulated failure" in str(caught.value)
    assert "x-should-retry" not in caught.value.response.headers
    assert len(provider.state.received) == calls


def test_an_error_that_repeats_the_prompt_is_masked(connect: Connect, provider: Starlette) -> None:
    """C14: the provider saw a placeholder, and the error that quotes it says no more than that."""
    provider.state.script.fail("chat", "echo")
    with pytest.raises(openai.BadRequestError) as caught:
        connect().chat(f"Ask {MAIL}")
    assert "<EMAIL_1>" in str(caught.value)
    assert MAIL not in str(caught.value) + caught.value.response.text


@pytest.mark.parametrize("fault", ["bad_json", "html", "truncated"])
def test_an_answer_that_cannot_be_read_is_not_passed(
    connect: Connect, provider: Starlette, fault: str
) -> None:
    """C12: half a JSON, HTML with 200: 502, never unscreened bytes."""
    provider.state.script.fail("chat", fault, forever=True)
    with pytest.raises(openai.APIStatusError) as caught:
        connect(max_retries=0).chat("hi")
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_not_json")
    assert "html" not in caught.value.response.text


def test_a_connection_that_is_refused(connect: Connect, make_guard: Any) -> None:
    """C08: nobody listens: the SDK's own connection error, after its own retries."""
    with pytest.raises(openai.APIConnectionError):
        connect(make_guard(owner="refused"), "http://127.0.0.1:9/v1", max_retries=1).chat("hi")


def test_a_connection_that_breaks_is_retried_by_the_sdk(connect: Connect, provider: Starlette) -> None:
    """C05: a reset before the answer is whole is an error that the SDK knows how to retry."""
    provider.state.script.fail("chat", "disconnect")
    assert connect(max_retries=1).chat("hi").choices[0].message.content == "You wrote: hi"
    assert len(provider.state.received) == 2


def test_a_stream_that_breaks_is_a_connection_error(connect: Connect, provider: Starlette) -> None:
    """C09: a reset in mid stream is the SDK's connection error, not an end, and not an error of guard's own."""
    provider.state.script.fail("chat", "disconnect")
    provider.state.script.reply = lambda body: "some words of an answer " * 30
    with pytest.raises(openai.APIConnectionError):
        connect(max_retries=0).chat_stream("hi")


def test_a_provider_that_hangs_meets_the_apps_own_limit(connect: Connect, provider: Starlette) -> None:
    """C08: `timeout=` of the SDK is kept by guard's transport."""
    provider.state.script.fail("chat", "hang")
    with pytest.raises(openai.APITimeoutError):
        connect(max_retries=0, timeout=0.2).chat("hi")


# guard itself


@pytest.mark.parametrize("stream", [True, False])
def test_a_check_that_crashes_fails_closed(
    connect: Connect, provider: Starlette, make_guard: Any, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    """A20: 503 with a stable code; nothing is forwarded, nothing of the crash is told, the SDK does not retry."""
    guard = make_guard(owner="crashing")
    sdk = connect(guard)

    def crash(*args: Any) -> Any:
        raise ValueError(f"secret of {MAIL}")

    async def crash_async(*args: Any) -> Any:
        crash()

    monkeypatch.setattr(guard.detector, "detect", crash_async)
    monkeypatch.setattr(guard.detector, "detect_sync", crash)
    with pytest.raises(openai.InternalServerError) as caught:
        sdk.chat("hi", stream=stream)
    assert (caught.value.status_code, caught.value.code) == (503, "guard.unavailable.detect")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert "secret" not in caught.value.response.text
    assert provider.state.received == []


def test_a_check_that_crashes_in_mid_stream_ends_it(
    connect: Connect, provider: Starlette, make_guard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A20: an error event is the last; the text that was not checked does not leave."""
    guard = make_guard(owner="crashing in a stream")
    sdk = connect(guard)
    find, find_sync, calls = guard.detector.detect, guard.detector.detect_sync, []

    def count() -> None:
        calls.append(1)
        if len(calls) > 3:
            raise ValueError(MAIL)

    async def detect(texts: Any, tenant: str) -> Any:
        count()
        return await find(texts, tenant)

    def detect_sync(texts: Any, tenant: str) -> Any:
        count()
        return find_sync(texts, tenant)

    monkeypatch.setattr(guard.detector, "detect", detect)
    monkeypatch.setattr(guard.detector, "detect_sync", detect_sync)
    provider.state.script.reply = lambda body: "one two ann.lee@corp.org four five six seven eight nine " * 10
    with pytest.raises(openai.APIError) as caught:
        sdk.chat_stream("hi")
    assert caught.value.code == "guard.unavailable.detect"
    assert MAIL not in str(caught.value)


def test_a_record_that_cannot_be_written_stops_the_call(
    connect: Connect, provider: Starlette, make_guard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C32 law 5: no intent on record, no call: 503; and it works again once the disk does."""
    from guard.errors import Unavailable

    guard = make_guard(owner="disk")
    sdk = connect(guard)

    def full(*args: Any) -> Any:
        raise Unavailable("record", "no space left")

    async def full_async(*args: Any) -> Any:
        full()

    with monkeypatch.context() as patch:
        patch.setattr(guard.ledger, "commit", full_async)
        patch.setattr(guard.ledger, "commit_sync", full)
        with pytest.raises(openai.InternalServerError) as caught:
            sdk.chat("hi")
    assert caught.value.code == "guard.unavailable.record"
    assert provider.state.received == []
    assert sdk.chat("hi").choices[0].message.content == "You wrote: hi"


# the app


class Endless:
    """A provider whose stream does not end; `gone` is set when its client has left."""

    def __init__(self) -> None:
        self.gone = threading.Event()
        self.sent = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await receive()
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        left = asyncio.ensure_future(receive())
        choice = {
            "index": 0,
            "delta": {"content": "many words of an endless answer. "},
            "finish_reason": None,
        }
        data = b"data: " + orjson.dumps({"id": "c", "object": "x", "choices": [choice]}) + b"\n\n"
        while not left.done():
            await send({"type": "http.response.body", "body": data, "more_body": True})
            self.sent += 1
            await asyncio.sleep(0.01)
        self.gone.set()


@pytest.fixture
def endless() -> Iterator[tuple[Endless, str]]:
    app = Endless()
    with serve(app) as url:
        yield app, f"{url}/v1"


def outcomes(guard: Guard) -> list[dict[str, Any]]:
    """The spans of the guard's export, once their number has settled."""
    found: list[dict[str, Any]] = []
    for _ in range(1000):
        lines = [
            line
            for file in guard.settings.exports.glob("*.jsonl")
            for line in file.read_bytes().split(b"\n")[:-1]
        ]
        found = [s for line in lines for s in json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]]
        if any(s["name"].startswith("chat") for s in found):
            break
        time.sleep(0.02)
    return [
        {a["key"]: next(iter(a["value"].values())) for a in s["attributes"]} | {"name": s["name"]}
        for s in found
    ]


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("how", ["break", "close", "unread"])
def test_leaving_a_stream_closes_the_upstream(
    make_guard: Any, endless: tuple[Endless, str], sync: bool, how: str
) -> None:
    """A05: breaking out, closing, or never reading: the provider's connection ends, and the outcome is on record."""
    app, url = endless
    guard = make_guard(owner=f"leaving {sync} {how}")
    messages: Any = [{"role": "user", "content": "hi"}]

    def leave() -> None:
        http = guarded_client(guard=guard, sync=True, base_url=url)
        with openai.OpenAI(api_key="k", base_url=url, http_client=http) as client:
            stream = client.chat.completions.create(model="m", messages=messages, stream=True)
            if how == "unread":
                stream.response.close()
            else:
                next(stream)
                stream.close()
            assert app.gone.wait(timeout=20)

    async def leave_async() -> None:
        http = guarded_client(guard=guard, base_url=url)
        async with openai.AsyncOpenAI(api_key="k", base_url=url, http_client=http) as client:
            stream = await client.chat.completions.create(model="m", messages=messages, stream=True)
            if how == "break":
                async for _ in stream:
                    break
                await stream.close()
            elif how == "close":
                await anext(stream)
                await stream.close()
            else:
                await stream.response.aclose()
            assert await asyncio.to_thread(app.gone.wait, 20)

    if sync:
        leave()
    else:
        asyncio.run(leave_async())
    (outcome,) = [s for s in outcomes(guard) if s["name"].startswith("chat")]
    assert outcome["error.type"] == "client_left"


def test_a_task_that_is_cancelled_closes_the_upstream(make_guard: Any, endless: tuple[Endless, str]) -> None:
    """A06: an app that cancels its call ends the provider's, and the outcome is on record."""
    app, url = endless
    guard = make_guard(owner="cancelled")

    async def run() -> None:
        http = guarded_client(guard=guard, base_url=url)
        async with openai.AsyncOpenAI(api_key="k", base_url=url, http_client=http) as client:
            call = client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}], stream=True
            )

            async def read() -> None:
                async for _ in await call:
                    pass

            task = asyncio.ensure_future(read())
            while app.sent < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await asyncio.to_thread(app.gone.wait, 20)

    asyncio.run(run())
    (outcome,) = [s for s in outcomes(guard) if s["name"].startswith("chat")]
    assert outcome["error.type"] == "client_left"


# clients that share a guard


@pytest.mark.parametrize("sync", [True, False])
def test_closing_one_client_leaves_the_others_alone(provider: Starlette, quiet: Guard, sync: bool) -> None:
    """A client that is closed takes no connection from those that share its guard: also in mid stream."""
    provider.state.script.pause_s = 0.005
    url = provider.state.url
    with clients.connecting(sync, quiet, url) as make:
        sdk = make()

        def other() -> None:
            with openai.OpenAI(
                api_key="k", base_url=url, http_client=guarded_client(guard=quiet, sync=True, base_url=url)
            ) as client:
                client.models.list()

        async def other_async() -> None:
            http = guarded_client(guard=quiet, base_url=url)
            async with openai.AsyncOpenAI(api_key="k", base_url=url, http_client=http) as client:
                await client.models.list()

        messages: Any = [{"role": "user", "content": "words and words " * 10}]

        async def streaming() -> int:
            stream = await sdk.client.chat.completions.create(model="m", messages=messages, stream=True)
            await anext(stream)
            await other_async()
            return len([chunk async for chunk in stream])

        if sync:
            stream = sdk.client.chat.completions.create(model="m", messages=messages, stream=True)
            next(stream)
            other()
            count = len(list(stream))
        else:
            count = sdk.runner.run(streaming())
        assert count > 10


@pytest.mark.parametrize("sync", [True, False])
def test_a_guard_of_its_own_is_closed_with_the_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_guard: Any, sync: bool
) -> None:
    """A guard that was made for one client ends with it: no worker process outlives it."""
    (tmp_path / "p.yaml").write_text(make_guard.quiet)
    monkeypatch.setenv("GUARD_EXPORTS", str(tmp_path / "exports"))
    closed = []
    monkeypatch.setattr(Guard, "close", lambda self: closed.append(self))
    http: Any = guarded_client(policy=str(tmp_path / "p.yaml"), sync=sync)  # type: ignore[call-overload]
    made = http._transport.guard
    if sync:
        http.close()
    else:
        asyncio.run(http.aclose())
    assert closed == [made]
    monkeypatch.undo()
    made.close()
