"""What a request leaves in memory: nothing that waits for the garbage collector."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import openai
import pytest

from guard import Gateway, Guard, GuardMiddleware, guarded_client

pytestmark = pytest.mark.anyio

TEXT = "write to ann@corp.org, my card is 4111 1111 1111 1111"
JSON = (b"content-type", b"application/json")
BEARER = (b"authorization", b"Bearer sk-mine")
OF_A_CALL = {
    "Call",
    "Account",
    "Exchange",
    "Span",
    "Screened",
    "Verdict",
    "Segment",
    "Mapping",
    "Responder",
    "HoldBack",
    # What came from the provider, with its body and its headers.
    "Answer",
    "Held",
    "Response",
    "StreamReader",
}

Leaves = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Counter[str]]]


@pytest.fixture
def leaves() -> Iterator[Leaves]:
    """What a call leaves of what is made for each call, the second time, if nothing is collected while it runs."""

    async def left_by(call: Callable[[], Awaitable[Any]]) -> Counter[str]:
        for _ in range(2):
            gc.collect()
            gc.garbage.clear()
            await call()
            for _ in range(5):  # what was cancelled ends
                await asyncio.sleep(0)
        gc.collect()
        return Counter(type(found).__name__ for found in gc.garbage if type(found).__name__ in OF_A_CALL)

    gc.collect()
    gc.freeze()  # what is there already need not be looked at each time
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    yield left_by
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()
    gc.unfreeze()


async def test_a_call_through_the_gateway_is_freed_as_it_ends(
    quiet: Guard, provider: Any, kit: Any, leaves: Leaves
) -> None:
    """No cycle holds it: its memory is used again while it is hot, and no collector has to look for it."""
    gateway = Gateway(quiet, upstream=provider.state.url)

    async def call() -> None:
        answer = await kit.request(gateway, body=kit.chat(TEXT), headers=[JSON, BEARER])
        assert (answer.status, answer.header("x-guard-action")) == (200, "redact")

    assert await leaves(call) == {}


async def test_a_call_through_the_middleware_is_freed_as_it_ends(
    quiet: Guard, kit: Any, leaves: Leaves
) -> None:
    """The same on an application."""
    app = GuardMiddleware(kit.Echo(), guard=quiet)

    async def call() -> None:
        answer = await kit.request(app, body=kit.chat(TEXT))
        assert (answer.status, answer.header("x-guard-action")) == (200, "redact")

    assert await leaves(call) == {}


async def test_a_streamed_answer_frees_its_call(
    quiet: Guard, provider: Any, kit: Any, leaves: Leaves
) -> None:
    """What beats, pumps and holds back for a stream lets go of it as it ends, in the gateway and on an application."""
    pieces = kit.sse(kit.chunk("fine"), kit.chunk(None, "stop"), kit.done)
    gateway = Gateway(quiet, upstream=provider.state.url)
    app = GuardMiddleware(kit.Stream([pieces]), guard=quiet)

    async def call() -> None:
        body = kit.chat(TEXT, stream=True)
        for answer in (
            await kit.request(gateway, body=body, headers=[JSON, BEARER]),
            await kit.request(app, body=body),
        ):
            assert answer.complete

    assert await leaves(call) == {}


async def test_a_call_of_a_guarded_client_is_freed_as_it_ends(
    quiet: Guard, provider: Any, leaves: Leaves
) -> None:
    """The same in the SDK's client."""
    http = guarded_client(guard=quiet, base_url=provider.state.url)
    messages: Any = [{"role": "user", "content": TEXT}]
    async with openai.AsyncOpenAI(api_key="sk-mine", base_url=provider.state.url, http_client=http) as client:

        async def call() -> None:
            answer = await client.chat.completions.create(model="m", messages=messages)
            assert answer.choices

        assert await leaves(call) == {}
