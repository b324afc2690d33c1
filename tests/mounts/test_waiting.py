"""Streams that wait: for a provider that thinks, for one that has gone silent; nobody is kept for nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from guard import Gateway, Guard
from guard.mounts.pulse import COMMENT, Pulse
from guard.simulator.server import serve

pytestmark = pytest.mark.anyio

JSON = (b"content-type", b"application/json")
BEARER = (b"authorization", b"Bearer sk-mine")


class Slow:
    """A provider that begins its stream, sends `first`, waits, and goes on once the test lets it."""

    def __init__(self, kit: Any, first: int) -> None:
        self.events = [kit.sse(kit.chunk(f"word{n} ")) for n in range(20)]
        self.first, self.end = first, kit.sse(kit.chunk(None, "stop"), kit.done)
        self.go_on, self.left = asyncio.Event(), asyncio.Event()
        self.loop = asyncio.get_running_loop()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body", False):
            pass
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for event in self.events[: self.first]:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        leaves = asyncio.ensure_future(receive())
        going = asyncio.ensure_future(
            asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.go_on.wait(), self.loop))
        )
        await asyncio.wait({leaves, going}, return_when=asyncio.FIRST_COMPLETED)
        if leaves.done():
            self.loop.call_soon_threadsafe(self.left.set)
            return
        for event in (*self.events[self.first :], self.end):
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def asked(guard: Guard, url: str, kit: Any) -> Any:
    gateway = Gateway(guard, upstream=f"{url}/v1")
    return await kit.request(gateway, body=kit.chat("hi", stream=True), headers=[JSON, BEARER])


async def test_a_provider_that_goes_silent_is_left(make_guard: Any, kit: Any, spans: Any) -> None:
    """C10: 20 tokens, then nothing with the connection open: after GUARD_READ_TIMEOUT_S what was held leaves, an error
    ends the stream without [DONE], the connection to the provider is closed, and the outcome is on record."""
    guard = make_guard("output: {rules: {}}\nmoderation: {by: 'off'}\nowner: idle\n", read_timeout_s=0.3)
    upstream = Slow(kit, first=20)
    with serve(upstream) as url:
        answer = await asyncio.wait_for(asked(guard, url, kit), 20)
        await asyncio.wait_for(upstream.left.wait(), 20)
    assert kit.told(answer.body).startswith("word0 word1 ")
    assert b'"error"' in answer.body
    assert b"[DONE]" not in answer.body
    [outcome] = [
        s
        for s in await spans(guard, answer.header("x-guard-trace"))
        if "guard.stage" in s and "error.type" in s
    ]
    assert outcome["error.type"]


async def test_a_provider_that_thinks_long_is_waited_for(make_guard: Any, kit: Any) -> None:
    """C11: no token for many times GUARD_HEARTBEAT_S: the client gets comments meanwhile, then the whole answer."""
    guard = make_guard("output: {rules: {}}\nmoderation: {by: 'off'}\nowner: slow\n", heartbeat_s=0.05)
    upstream = Slow(kit, first=0)
    with serve(upstream) as url:
        asyncio.get_running_loop().call_later(1.0, upstream.go_on.set)
        answer = await asyncio.wait_for(asked(guard, url, kit), 20)
    assert answer.body.startswith(COMMENT)
    assert kit.told(answer.body) == "".join(f"word{n} " for n in range(20))
    assert answer.body.endswith(kit.done)


async def test_text_that_is_held_for_its_judge_shows_a_sign_of_life(
    make_guard: Any, provider: Any, kit: Any
) -> None:
    """C17 C11: a slow judge holds the text; the client sees comments, no text before its check, and then all of it."""
    guard = make_guard(
        "extends: [default]\nmoderation: {cache_s: 0, timeout_s: 30}\nowner: held\n",
        moderation_url=provider.state.url,
        heartbeat_s=0.05,
    )
    judging = guard.moderation(provider.state.url, "Bearer sk-mine", sync=False)
    go_on, real = asyncio.Event(), judging._moderator._post

    async def post(body: bytes) -> Any:
        await go_on.wait()
        return await real(body)

    judging._moderator._post = post
    asyncio.get_running_loop().call_later(1.0, go_on.set)
    provider.state.script.reply = lambda body: "It rains in Spain again, they say. " * 3
    gateway = Gateway(guard, upstream=provider.state.url)
    answer = await kit.request(gateway, body=kit.chat("hi", stream=True), headers=[JSON, BEARER])
    head, comment, _ = answer.body.partition(COMMENT)
    assert comment
    assert b"rains" not in head
    assert kit.told(answer.body) == "It rains in Spain again, they say. " * 3


async def test_a_pulse_is_silent_while_there_is_something_to_say() -> None:
    """No comment stands between messages that follow one another, and none comes after the block."""
    sent: list[bytes] = []

    async def send(message: Any) -> None:
        sent.append(message["body"])

    async with Pulse(send, 1.0) as pulse:
        for n in range(10):
            await pulse.send({"type": "http.response.body", "body": b"%d" % n, "more_body": True})
            await asyncio.sleep(0.001)
    await asyncio.sleep(1.2)
    assert sent == [b"%d" % n for n in range(10)]


async def test_a_comment_never_stands_inside_a_message() -> None:
    """A client that reads slowly: what is being sent is finished before a comment is."""
    log: list[str] = []

    async def send(message: Any) -> None:
        log.append("begin")
        await asyncio.sleep(0.05)
        log.append("end")

    async with Pulse(send, 0.01) as pulse:
        for _ in range(3):
            await pulse.send({"type": "http.response.body", "body": b"data", "more_body": True})
            await asyncio.sleep(0.03)
    if log[-1] == "begin":  # a comment that the end of the stream overtook
        log.pop()
    assert log == ["begin", "end"] * (len(log) // 2)
    assert len(log) > 6
