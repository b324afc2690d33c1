"""Streamed answers through the whole middleware: however they are cut, what leaves is the same."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import orjson
import pytest

from guard import Guard, GuardMiddleware

pytestmark = pytest.mark.anyio

CARD = "5500 0000 0000 0004"


async def streamed(kit: Any, guard: Guard, pieces: Any, **body: Any) -> Any:
    app = GuardMiddleware(kit.Stream(pieces), guard=guard)
    return await kit.request(app, body=kit.chat("hi", stream=True, **body))


@pytest.fixture
def clean(kit: Any) -> bytes:
    """A stream with every field of the grammar and characters of two, three and four bytes."""
    deltas = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in ("¿qué? ", "上海🙂🏽. ")]
    odd = b'id: 7\r\nevent: m\r\nretry: 5\r\ndata: {"choices":[],\r\ndata: "usage":null}\r\n\r\n'
    last = b'data:{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    return bytes(b": hi\n\n" + kit.sse(*deltas) + odd + last + kit.done)


async def test_a_clean_stream_leaves_byte_for_byte(kit: Any, quiet: Guard, clean: bytes) -> None:
    """A21 A24: cut at every byte, the same bytes leave: no U+FFFD, no field lost, no line end changed."""
    cuts = range(1, len(clean))
    answers = await asyncio.gather(*(streamed(kit, quiet, [clean[:cut], clean[cut:]]) for cut in cuts))
    assert [cut for cut, answer in zip(cuts, answers, strict=True) if answer.body != clean] == []
    assert "�" not in clean.decode()


async def test_a_clean_stream_of_single_bytes(kit: Any, quiet: Guard, clean: bytes) -> None:
    """A21: one byte a message, too."""
    answer = await streamed(kit, quiet, [clean[at : at + 1] for at in range(len(clean))])
    assert answer.body == clean
    assert answer.complete


@pytest.fixture
def personal(kit: Any) -> bytes:
    """A stream that spells a card number in deltas of three characters, between other words."""
    text = f"The number is {CARD}, 谢谢. Goodbye now."
    deltas = [text[at : at + 3] for at in range(0, len(text), 3)]
    return b"".join(kit.sse(kit.chunk(d)) for d in deltas) + kit.sse(kit.chunk(None, "stop"), kit.done)


def recut(data: bytes) -> list[bytes]:
    cuts = sorted(random.sample(range(1, len(data)), random.choice((1, 2, 9, 60))))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


async def test_a_value_in_pieces_is_found_however_it_is_cut(kit: Any, quiet: Guard, personal: bytes) -> None:
    """A22: cut anywhere, the same events leave, the card is redacted in each."""
    random.seed(22)
    expected = (await streamed(kit, quiet, [personal])).body
    assert kit.told(expected) == "The number is <CARD_1>, 谢谢. Goodbye now."
    answers = await asyncio.gather(*(streamed(kit, quiet, recut(personal)) for _ in range(60)))
    assert {answer.body for answer in answers} == {expected}


async def test_a_judged_stream_does_not_depend_on_its_cuts(kit: Any, judging: Guard) -> None:
    """A22: with a judge the windows are the same too, however the provider cut: same text, same ending."""
    text = "One sentence here. " * 30 + "Then I will hurt you. " + "And more. " * 10
    seen = set()
    for size in (1, 7, 50, 10_000):
        deltas = [text[at : at + size] for at in range(0, len(text), size)]
        body = b"".join(kit.sse(kit.chunk(d)) for d in deltas) + kit.sse(kit.chunk(None, "stop"), kit.done)
        seen.add(kit.told((await streamed(kit, judging, [body])).body))
    assert len(seen) == 1
    assert "hurt" not in next(iter(seen))


async def test_originals_come_back_in_a_stream(kit: Any, quiet: Guard) -> None:
    """A22: a placeholder in pieces of one character is restored, for this exchange."""
    reply = "Sent to <EMAIL_1>, not to <EMAIL_2>."
    app = GuardMiddleware(kit.Stream([kit.sse(kit.chunk(c)) for c in reply] + [kit.done]), guard=quiet)
    answer = await kit.request(app, body=kit.chat("I am ann@corp.org", stream=True))
    assert kit.told(answer.body) == "Sent to ann@corp.org, not to <EMAIL_2>."


async def test_comments_do_not_wait_for_text(
    kit: Any, judging: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A23: `: ping` leaves at once, while text before it is still being judged."""
    judged, pinged = asyncio.Event(), asyncio.Event()

    async def score(self: Any, texts: Any, parent: Any = None) -> Any:
        await judged.wait()
        from guard.moderation import CATEGORIES

        return [dict.fromkeys(CATEGORIES, 0.0) for _ in texts]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        held = kit.sse(kit.chunk("A first sentence that fills a window of twelve tokens, at least. "))
        for piece in (held, b": ping\n\n", b"retry: 10\n\n"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await pinged.wait()
        last = kit.sse(kit.chunk(None, "stop"), kit.done)
        await send({"type": "http.response.body", "body": last, "more_body": False})

    mount = GuardMiddleware(app, guard=judging)
    await mount._check({})
    monkeypatch.setattr("guard.judging.Moderation.score", score)
    connection = kit.Connection([orjson.dumps(kit.chat("hi", stream=True))])
    task = asyncio.ensure_future(kit.request(mount, connection=connection))
    while b"retry" not in connection.answer.body:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    assert connection.answer.body == b": ping\n\nretry: 10\n\n"
    judged.set()
    pinged.set()
    await task
    assert kit.told(connection.answer.body).startswith("A first sentence")


async def test_nothing_follows_done(kit: Any, quiet: Guard) -> None:
    """A25: `[DONE]` is sent once and last; what a provider sends after it is dropped."""
    late = kit.sse(kit.chunk("late")) + kit.done
    answer = await streamed(kit, quiet, [kit.sse(kit.chunk("a", "stop"), kit.done) + late, late])
    assert answer.body.count(b"[DONE]") == 1
    assert answer.body.endswith(kit.done)
    assert b"late" not in answer.body
    assert answer.complete


async def test_a_blocked_stream_ends_as_the_interface_says(kit: Any, judging: Guard, spans: Any) -> None:
    """A25: a last chunk with content_filter, then `[DONE]`; what was clean before has left, of the rest nothing."""
    good, bad = "A harmless sentence, nothing more. " * 20, "Now I will hurt you badly. "
    pieces = [
        kit.sse(kit.chunk(good)),
        kit.sse(kit.chunk(bad)),
        kit.sse(kit.chunk("and more " * 50)),
        kit.done,
    ]
    answer = await streamed(kit, judging, pieces)
    assert answer.body.endswith(kit.done)
    assert answer.body.count(b"[DONE]") == 1
    told = kit.told(answer.body)
    assert told.startswith("A harmless sentence")
    assert "hurt" not in told
    assert "and more" not in told
    last = orjson.loads(answer.body.removesuffix(kit.done).rsplit(b"data: ", 1)[1])
    assert last["choices"][0]["finish_reason"] == "content_filter"
    assert answer.complete
    outcomes = await spans(judging, answer.header("x-guard-trace"), 3)
    assert [s["guard.enforced"] for s in outcomes if s.get("guard.stage") == "output"] == ["block"]


async def test_an_application_is_stopped_once_its_answer_is_over(kit: Any, judging: Guard) -> None:
    """A25: an application that would go on for ever is told at its next `send`, and guard is quiet about it."""
    stopped: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            while True:
                piece = kit.sse(kit.chunk("I will hurt you. "))
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except OSError as over:
            stopped.append(type(over).__name__)
            raise

    request = kit.request(GuardMiddleware(app, guard=judging), body=kit.chat("hi", stream=True))
    answer = await asyncio.wait_for(request, 10)
    assert stopped == ["AnswerOver"]
    assert answer.body.endswith(kit.done)
    assert answer.complete


async def test_one_choice_is_blocked_and_the_other_goes_on(kit: Any, judging: Guard) -> None:
    """A25: with two choices only the blocked one ends with content_filter; the other is told to its end."""
    bad = [kit.chunk("I will hurt you. " * 3, index=0), kit.chunk(None, "stop", index=0)]
    good = [kit.chunk("All is well. " * 10, index=1), kit.chunk(None, "stop", index=1)]
    answer = await streamed(kit, judging, [kit.sse(*bad, *good), kit.done], n=2)
    assert "hurt" not in kit.told(answer.body, 0)
    assert kit.told(answer.body, 1) == "All is well. " * 10
    assert answer.body.count(b'"content_filter"') == 1
    assert answer.body.endswith(kit.done)


async def test_a_stream_that_is_cut_is_not_completed(kit: Any, quiet: Guard, spans: Any) -> None:
    """A25: without `[DONE]` from the provider none is sent, a half event is not delivered, the record says so."""
    answer = await streamed(kit, quiet, [kit.sse(kit.chunk("half. ")), kit.sse(kit.chunk("an event"))[:-9]])
    assert kit.told(answer.body) == "half. "
    assert b"[DONE]" not in answer.body
    outcomes = (await spans(quiet, answer.header("x-guard-trace")))[1:]
    assert [span["error.type"] for span in outcomes] == ["truncated"]


@pytest.mark.parametrize(
    "bad", [b"data: \xff\xfe\n\n", b'data: {"choices": [\n\n', b"data: hello\n\n", b'data: [{"a": 1}]\n\n']
)
async def test_an_event_that_cannot_be_read_ends_the_stream(kit: Any, quiet: Guard, bad: bytes) -> None:
    """A22: what is no event of the API is an error event and the end: no `[DONE]`, none of its bytes."""
    answer = await streamed(
        kit, quiet, [kit.sse(kit.chunk("fine. ")), bad, kit.sse(kit.chunk("late")), kit.done]
    )
    assert b"[DONE]" not in answer.body
    assert bad not in answer.body
    error = orjson.loads(answer.body.rstrip().rsplit(b"data: ", 1)[1])["error"]
    assert error["type"] == "guard_refused"
    assert answer.complete


@pytest.mark.parametrize(
    "check", ["guard.streaming.outlet.answer", "guard.streaming.lanes.decide", "guard.stream.read_event"]
)
async def test_a_check_that_raises_in_a_stream_releases_nothing(
    kit: Any, quiet: Guard, check: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A20: guard fails in mid-stream: one error event with a stable code, no `[DONE]`, nothing of the text."""

    def boom(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"boom {CARD}")

    monkeypatch.setattr(check, boom)
    answer = await streamed(
        kit, quiet, [kit.sse(kit.chunk(f"the canary {CARD}. "), kit.chunk(None, "stop")), kit.done]
    )
    assert b"[DONE]" not in answer.body
    assert b"canary" not in answer.body
    error = orjson.loads(answer.body.rstrip().rsplit(b"data: ", 1)[1])["error"]
    assert error["code"] == "guard.unavailable.detect"
    assert CARD not in caplog.text


async def test_an_outage_is_not_a_violation(kit: Any, judging: Guard, provider: Any) -> None:
    """A20 C16: the judge fails in mid-stream: an error event, never content_filter, no `[DONE]`."""
    mount = GuardMiddleware(kit.Stream([kit.sse(kit.chunk("Words. " * 40)), kit.done]), guard=judging)
    await mount._check({})
    provider.state.script.fail("moderations", "500", forever=True)
    answer = await kit.request(mount, body=kit.chat("hi", stream=True))
    assert b"[DONE]" not in answer.body
    assert b"content_filter" not in answer.body
    error = orjson.loads(answer.body.rstrip().rsplit(b"data: ", 1)[1])["error"]
    assert error["code"] == "guard.unavailable.moderation"
    assert kit.told(answer.body) == ""
