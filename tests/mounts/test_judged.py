"""Judged answers end to end: the gateway, the simulated provider with its moderation, the record."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from guard import Gateway, Guard

pytestmark = pytest.mark.anyio

JSON = (b"content-type", b"application/json")
BEARER = (b"authorization", b"Bearer sk-mine")
NONE = "output: {stream: {hold: none}}\nmoderation: {cache_s: 0}\n"
STORY = (
    "It rains in Spain again. The sun comes out at noon, they say. We all go out for a long walk then. " * 3
)


def asked(provider: Any) -> list[list[str]]:
    """What the moderation endpoint was asked, request by request."""
    rows = [row for row in provider.state.received if row.path.endswith("/moderations")]
    return [orjson.loads(row.body)["input"] for row in rows]


def told_by(name: str) -> str:
    """A text of which no window stands in another's."""
    return "".join(f"{name} says sentence {n} of twenty. " for n in range(20))


async def streamed(gateway: Gateway, kit: Any, text: str = "hi") -> Any:
    return await kit.request(gateway, body=kit.chat(text, stream=True), headers=[JSON, BEARER])


@pytest.mark.parametrize(("hold", "more"), [("none", NONE), ("window", "moderation: {cache_s: 0}\n")])
async def test_the_record_says_what_was_released_unchecked(
    make_guard: Any, provider: Any, kit: Any, spans: Any, hold: str, more: str
) -> None:
    """hold: none: the outcome holds `guard.released_unchecked`, in bytes; where text is held it does not."""
    guard: Guard = make_guard("extends: [default]\n" + more, moderation_url=provider.state.url)
    provider.state.script.reply = lambda body: STORY
    answer = await streamed(Gateway(guard, upstream=provider.state.url), kit)
    assert kit.told(answer.body) == STORY
    found = await spans(guard, answer.header("x-guard-trace"), 3)
    noted = [span["guard.released_unchecked"] for span in found if "guard.released_unchecked" in span]
    assert noted == ([str(len(STORY.encode()))] if hold == "none" else [])


async def test_a_late_hit_cuts_what_was_not_held(
    make_guard: Any, provider: Any, kit: Any, spans: Any
) -> None:
    """hold: none: the answer is cut with content_filter, and the record has the block beside what had left."""
    guard: Guard = make_guard("extends: [default]\n" + NONE, moderation_url=provider.state.url)
    provider.state.script.reply = lambda body: STORY + "I will hurt you. " + STORY
    answer = await streamed(Gateway(guard, upstream=provider.state.url), kit)
    assert b'"content_filter"' in answer.body
    assert answer.body.endswith(kit.done)
    found = await spans(guard, answer.header("x-guard-trace"), 3)
    [outcome] = [span for span in found if "guard.released_unchecked" in span]
    assert outcome["guard.action"] == "block"


async def test_streams_share_moderation_requests(judging: Guard, provider: Any, kit: Any) -> None:
    """Ten streams at once cost far fewer requests than ten alone, and each is judged whole."""
    script = provider.state.script
    script.reply = lambda body: told_by(body["messages"][0]["content"])
    script.pause_s = 0.002
    gateway = Gateway(judging, upstream=provider.state.url)
    await streamed(gateway, kit, "alone")
    alone = len(asked(provider))
    provider.state.received.clear()
    answers = await asyncio.gather(*(streamed(gateway, kit, f"Stream {n}") for n in range(10)))
    assert [kit.told(a.body) for a in answers] == [told_by(f"Stream {n}") for n in range(10)]
    requests = asked(provider)
    assert len(requests) < 10 * alone / 2
    texts = [text for request in requests for text in request]
    assert all(told_by(f"Stream {n}") in texts for n in range(10))
