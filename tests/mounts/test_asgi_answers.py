"""What leaves an application through the middleware: restored, redacted, refused, with headers that are true."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest
from starlette.middleware.gzip import GZipMiddleware

from guard import Guard, GuardMiddleware
from guard.errors import Unavailable

pytestmark = pytest.mark.anyio

CARD = "4111 1111 1111 1111"
JSON = (b"content-type", b"application/json")


@pytest.fixture
def echo(kit: Any) -> Any:
    return kit.Echo()


@pytest.fixture
def app(echo: Any, quiet: Guard) -> GuardMiddleware:
    return GuardMiddleware(echo, guard=quiet)


async def test_originals_come_back_and_new_values_do_not(app: Any, echo: Any, kit: Any) -> None:
    """A08: the caller's own value is restored, one that the model brings is redacted, the length is right."""
    echo.reply = kit.completion("yours is <CARD_1>, mine is 5500 0000 0000 0004")
    answer = await kit.request(app, body=kit.chat(f"my card is {CARD}"))
    text = answer.json["choices"][0]["message"]["content"]
    assert text.startswith(f"yours is {CARD}, mine is <")
    assert "0004" not in text
    assert answer.header("content-length") == str(len(answer.body))


STALE = ("ETag", "Content-MD5", "Digest", "Repr-Digest", "Content-Digest", "Accept-Ranges", "Last-Modified")


async def test_what_was_true_of_the_old_bytes_is_gone(app: Any, echo: Any, kit: Any) -> None:
    """A08: validators and digests of bytes that guard has changed are removed; the application's cookies stay."""
    echo.reply = kit.completion("your card is <CARD_1>")
    cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-app", b"yes"), (b"vary", b"origin")]
    echo.headers = [JSON, *cookies, *((name.encode(), b"x") for name in STALE)]
    answer = await kit.request(app, body=kit.chat(f"my card is {CARD}"))
    assert [name for name in STALE if answer.header(name.lower()) is not None] == []
    assert (answer.all("set-cookie"), answer.header("x-app")) == (["a=1", "b=2"], "yes")
    assert answer.header("content-length") == str(len(answer.body))


async def test_what_is_true_of_the_same_bytes_stays(app: Any, echo: Any, kit: Any) -> None:
    """A08: where nothing changes, the answer leaves byte for byte, with all of its headers."""
    echo.headers = [JSON, *((name.encode(), b"x") for name in STALE)]
    answer = await kit.request(app, body=kit.chat("hi"))
    assert answer.body == orjson.dumps(echo.reply)
    assert [name for name in STALE if answer.header(name.lower()) is None] == []


@pytest.mark.parametrize(
    ("status", "headers"),
    [(204, []), (304, [(b"etag", b'"1"')]), (307, [(b"location", b"/v1/chat/completions")]), (200, [JSON])],
)
async def test_an_answer_without_a_body_passes(
    app: Any, echo: Any, kit: Any, status: int, headers: Any
) -> None:
    """A08: a 204, a 304 or a redirect has nothing to screen and leaves as it is."""
    echo.status, echo.headers, echo.reply = status, headers, b""
    answer = await kit.request(app, body=kit.chat("hi"))
    assert (answer.status, answer.body) == (status, b"")
    assert set(headers) <= set(answer.headers)


async def test_an_error_of_the_application_is_screened_too(app: Any, echo: Any, kit: Any) -> None:
    """C14: an error that repeats the prompt is redacted and not restored: errors end in logs."""
    echo.status, echo.reply = 400, {"error": {"message": "bad: <CARD_1>, ops@corp.org 5500 0000 0000 0004"}}
    answer = await kit.request(app, body=kit.chat(f"my card is {CARD}"))
    assert answer.status == 400
    assert answer.json["error"]["message"] == "bad: <CARD_1>, ops@corp.org <CARD_2>"


@pytest.mark.parametrize("text", ["no", "no card 5500 0000 0000 0004 here", "您的卡 <CARD_1>"])
async def test_a_plain_error_stays_plain(app: Any, echo: Any, kit: Any, text: str) -> None:
    """A08: Starlette writes HTTPException as plain text; on an application it stays that, screened."""
    echo.status, echo.headers, echo.reply = (
        400,
        [(b"content-type", b"text/plain; charset=utf-8")],
        text.encode(),
    )
    answer = await kit.request(app, body=kit.chat(f"my card is {CARD}"))
    assert answer.status == 400
    assert answer.header("content-type") == "text/plain; charset=utf-8"
    assert "0004" not in answer.body.decode()
    assert answer.body.decode() == text.replace("5500 0000 0000 0004", "<CARD_2>")


@pytest.mark.parametrize(
    ("headers", "reply"),
    [
        ([(b"content-type", b"text/plain")], b"just words with 5500 0000 0000 0004"),
        ([JSON], b'{"half": '),
        ([JSON, (b"content-encoding", b"br")], b"\x00\x01"),
        ([JSON, (b"content-encoding", b"gzip, gzip")], b"\x00\x01"),
        ([(b"content-type", b"image/png")], b"\x89PNG"),
        ([(b"content-type", b"text/event-stream"), (b"content-encoding", b"br")], b"data: x\n\n"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_not_let_through(
    app: Any, echo: Any, kit: Any, headers: Any, reply: bytes
) -> None:
    """A08: what a model's path answers and guard cannot read is 502 with a code, and none of its bytes leave."""
    echo.headers, echo.reply = headers, reply
    answer = await kit.request(app, body=kit.chat("hi"))
    assert (answer.status, answer.code) == (502, "guard.opaque.encoding")
    assert answer.header("x-should-retry") == "false"


async def test_a_compressed_answer_is_decoded_and_screened(app: Any, echo: Any, kit: Any) -> None:
    """A12: an application that compresses although nobody asked is read all the same."""
    echo.headers = [JSON, (b"content-encoding", b"gzip")]
    echo.reply = gzip.compress(orjson.dumps(kit.completion("mine is 5500 0000 0000 0004")))
    answer = await kit.request(app, body=kit.chat("hi"))
    assert "0004" not in answer.body.decode()
    assert answer.header("content-encoding") is None
    assert answer.json["choices"][0]["finish_reason"] == "stop"


async def test_an_application_is_asked_for_plain_answers(app: Any, echo: Any, kit: Any) -> None:
    """A12: the caller's Accept-Encoding stays at guard: what could not be read is not asked for."""
    await kit.request(app, body=kit.chat("hi"), headers=[JSON, (b"accept-encoding", b"br, zstd")])
    assert b"accept-encoding" not in dict(echo.scopes[0]["headers"])


@pytest.mark.parametrize("inside", [True, False])
async def test_gzip_middleware_on_either_side(echo: Any, kit: Any, quiet: Guard, inside: bool) -> None:
    """A12: a GZip middleware inside compresses nothing, one outside compresses what was screened."""
    echo.reply = kit.completion("mine is 5500 0000 0000 0004. " + "word " * 500)
    app: Any = GuardMiddleware(GZipMiddleware(echo), guard=quiet) if inside else None
    app = app or GZipMiddleware(GuardMiddleware(echo, guard=quiet))
    answer = await kit.request(app, body=kit.chat("hi"), headers=[JSON, (b"accept-encoding", b"gzip")])
    body = answer.body if inside else gzip.decompress(answer.body)
    assert answer.header("content-encoding") == (None if inside else "gzip")
    assert b"0004" not in body
    assert orjson.loads(body)["choices"][0]["message"]["content"].startswith("mine is <")


async def test_a_stream_flows_through_gzip_middleware(kit: Any, quiet: Guard) -> None:
    """A12: with GZip middleware on both sides an event stream is still sent event by event."""
    pieces = [kit.sse(kit.chunk(f"sentence {n}. ")) for n in range(20)]
    stream = kit.Stream([*pieces, kit.sse(kit.chunk(None, "stop"), kit.done)])
    app = GZipMiddleware(GuardMiddleware(GZipMiddleware(stream), guard=quiet))
    headers = [JSON, (b"accept-encoding", b"gzip")]
    answer = await kit.request(app, body=kit.chat("hi", stream=True), headers=headers)
    assert kit.told(answer.body) == "".join(f"sentence {n}. " for n in range(20))
    assert len(answer.messages) > 15


async def test_a_blocked_answer_says_so(echo: Any, kit: Any, judging: Guard) -> None:
    """A25: a judged answer that blocks is 200 with the policy's words and content_filter, and nothing of the text."""
    echo.reply = kit.completion("now I will hurt you")
    answer = await kit.request(GuardMiddleware(echo, guard=judging), body=kit.chat("hi"))
    assert answer.status == 200
    assert answer.header("x-guard-action") == "block"
    choice = answer.json["choices"][0]
    assert choice["finish_reason"] == "content_filter"
    assert b"hurt" not in answer.body


async def test_a_blocked_request_reaches_nobody(echo: Any, kit: Any, make_guard: Any) -> None:
    """D21: 403 in the API's envelope with a stable code and the place, never the text; no retry."""
    guard = make_guard(kit.quiet.replace("[default]", "[strict]"))
    answer = await kit.request(GuardMiddleware(echo, guard=guard), body=kit.chat(f"my card is {CARD}"))
    assert answer.status == 403
    assert answer.json["error"] == {
        "message": answer.json["error"]["message"],
        "type": "guard_refused",
        "code": "pii.card",
        "param": "messages[0].content",
    }
    assert "4111" not in answer.body.decode()
    assert (answer.header("x-guard-action"), answer.header("x-should-retry")) == ("block", "false")
    assert len(answer.header("x-guard-trace") or "") == 32
    assert echo.scopes == []


# Guard fails: each check in turn.


class Burning:
    """A door of guard that raises something nobody expected."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"boom {CARD}")


BROKEN = {
    "detect": "guard.services.detector.Detector.detect",
    "decide": "guard.engine.decide",
    "redact": "guard.engine.redact",
    "ledger": "guard.trace.ledger.Ledger.commit",
    "reading": "guard.intake.request_reading",
    "writing": "guard.call.Call._compile",
}


@pytest.mark.parametrize("check", BROKEN)
async def test_a_check_that_raises_lets_nothing_through(
    app: Any,
    echo: Any,
    kit: Any,
    check: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A20: whichever check of the request raises: 503 with a stable code, the application never sees the text."""
    await kit.request(app, body=kit.chat("warm"))
    echo.scopes.clear()
    with monkeypatch.context() as patch:
        patch.setattr(BROKEN[check], Burning())
        answer = await kit.request(app, body=kit.chat(f"my card is {CARD}"))
    assert (answer.status, answer.messages[0]["status"]) == (503, 503)
    assert answer.code.startswith("guard.unavailable.")
    assert echo.scopes == []
    assert "4111" not in answer.body.decode() + caplog.text


ANSWERING = {
    "decide": "guard.engine.decide",
    "redact": "guard.engine.answer",
    "moderation": "guard.judging.Moderation.score",
    "reading": "guard.answers.response_reading",
    "ledger": "guard.trace.ledger.Ledger.append",
}


@pytest.mark.parametrize("check", ANSWERING)
async def test_a_check_of_the_answer_that_raises_lets_nothing_through(
    echo: Any,
    kit: Any,
    judging: Guard,
    check: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A20: whichever check of the answer raises: 503 with a stable code, and nothing of the answer."""
    app = GuardMiddleware(echo, guard=judging)
    await kit.request(app, body=kit.chat("warm"))

    async def break_it(scope: Any, receive: Any, send: Any) -> None:
        monkeypatch.setattr(ANSWERING[check], Burning())
        await echo(scope, receive, send)

    app.app = break_it
    echo.reply = kit.completion(f"the canary {CARD}")
    answer = await kit.request(app, body=kit.chat("hi"))
    monkeypatch.undo()
    assert answer.status == 503
    assert answer.code.startswith("guard.unavailable.")
    assert "canary" not in answer.body.decode() + caplog.text


async def test_a_record_that_cannot_be_made_stops_the_call(
    app: Any, echo: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A20: the ledger says that it cannot: guard.unavailable.record, and the application is not called."""

    async def full(self: Any, line: bytes) -> None:
        raise Unavailable("record", "no space")

    await kit.request(app, body=kit.chat("warm"))
    echo.scopes.clear()
    monkeypatch.setattr("guard.trace.ledger.Ledger.commit", full)
    answer = await kit.request(app, body=kit.chat("hi"))
    assert (answer.status, answer.code) == (503, "guard.unavailable.record")
    assert echo.scopes == []


@pytest.mark.parametrize(
    "fault", ["500", "429", "401", "bad_json", "missing_category", "no_scores", "wrong_count"]
)
async def test_a_judge_that_fails_lets_nothing_through(
    echo: Any, kit: Any, judging: Guard, provider: Any, fault: str
) -> None:
    """A20 C16: no usable score, no answer: guard.unavailable.moderation, an outage and no violation."""
    app = GuardMiddleware(echo, guard=judging)
    await kit.request(app, body=kit.chat("warm"))
    provider.state.script.fail("moderations", fault, forever=True)
    answer = await kit.request(app, body=kit.chat(f"hi {fault}"))
    assert (answer.status, answer.code) == (503, "guard.unavailable.moderation")
    assert b"fine" not in answer.body
