"""How the middleware reads a request: in any pieces, any coding, strictly, and hands on what it screened."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import orjson
import pytest

from guard import Guard, GuardMiddleware

pytestmark = pytest.mark.anyio

CARD = "4111 1111 1111 1111"
BODY = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": f"my card is {CARD}"}]})
SCREENED = {"model": "m", "messages": [{"role": "user", "content": "my card is <CARD_1>"}]}
JSON = (b"content-type", b"application/json")


@pytest.fixture
def echo(kit: Any) -> Any:
    return kit.Echo()


@pytest.fixture
def app(echo: Any, quiet: Guard) -> GuardMiddleware:
    return GuardMiddleware(echo, guard=quiet)


async def test_a_body_cut_at_every_byte_is_the_same_body(app: Any, echo: Any, kit: Any) -> None:
    """A01: a body in two pieces, cut at every byte with an empty message between, is screened as the whole one."""
    cuts = range(len(BODY) + 1)
    await asyncio.gather(*(kit.request(app, pieces=[BODY[:cut], b"", BODY[cut:]]) for cut in cuts))
    assert len(echo.bodies) == len(cuts)
    assert {orjson.dumps(orjson.loads(body)) for body in echo.bodies} == {orjson.dumps(SCREENED)}
    assert len(set(echo.bodies)) == 1


async def test_a_body_of_single_bytes_is_the_same_body(app: Any, echo: Any, kit: Any) -> None:
    """A01: one byte a message, with empty messages between them, changes neither verdict nor forwarded bytes."""
    single = [piece for at in range(len(BODY)) for piece in (BODY[at : at + 1], b"")]
    await kit.request(app, pieces=single)
    await kit.request(app, body=BODY)
    assert echo.bodies[0] == echo.bodies[1]
    assert orjson.loads(echo.bodies[0]) == SCREENED


async def test_messages_may_lack_body_and_more_body(app: Any, echo: Any, kit: Any) -> None:
    """A02: a message without `body` is empty, one without `more_body` is the last."""
    await kit.request(app, pieces=[{"more_body": True}, {"body": BODY}])
    assert echo.body == SCREENED
    answer = await kit.request(app, pieces=[{}])
    assert (answer.status, answer.code) == (400, "invalid_json")


async def test_a_client_that_leaves_in_its_body_reaches_nobody(
    echo: Any, kit: Any, make_guard: Any, spans: Any
) -> None:
    """A04: 4 of 100 bytes and then a disconnect: no application call, no answer, one record that says so."""
    guard = make_guard(owner="the one who leaves")
    connection = kit.Connection([{"body": b'{"mo', "more_body": True}])
    connection.leave.set()
    app = GuardMiddleware(echo, guard=guard)
    await kit.request(app, headers=[JSON, (b"content-length", b"100")], connection=connection)
    assert echo.scopes == []
    assert connection.answer.messages == []
    found = await spans(guard, "", 3)
    assert [span["error.type"] for span in found if span.get("guard.mount") == "edge"] == ["client_left"]


@pytest.mark.parametrize("text", ["my card is " + CARD, "上海 🙂 " * 9 + CARD + " 好的"])
async def test_the_length_is_that_of_the_screened_body(app: Any, echo: Any, kit: Any, text: str) -> None:
    """A07: the application sees exactly one Content-Length, the one of what it receives."""
    await kit.request(app, body=kit.chat(text))
    lengths = [v for k, v in echo.scopes[0]["headers"] if k == b"content-length"]
    assert lengths == [str(len(echo.bodies[0])).encode()]
    assert CARD.encode() not in echo.bodies[0]


async def test_a_chunked_request_gets_a_length(app: Any, echo: Any, kit: Any) -> None:
    """A07: a chunked request is whole when it is forwarded: a length, and no Transfer-Encoding beside it."""
    for body in (BODY, orjson.dumps(kit.chat("hello"))):
        await kit.request(app, body=body, headers=[JSON, (b"transfer-encoding", b"chunked")])
    for scope, body in zip(echo.scopes, echo.bodies, strict=True):
        names = [k for k, _ in scope["headers"]]
        assert b"transfer-encoding" not in names
        assert (b"content-length", str(len(body)).encode()) in scope["headers"]


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        (b"gzip", gzip.compress(BODY, mtime=0)),
        (b"GZIP", gzip.compress(BODY, mtime=0)),
        (b"x-gzip", gzip.compress(BODY[:40], mtime=0) + gzip.compress(BODY[40:], mtime=0)),
        (b"deflate", zlib.compress(BODY)),
        (b"identity", BODY),
    ],
    ids=["gzip", "upper case", "two members", "deflate", "identity"],
)
async def test_a_coded_body_is_decoded_and_handed_on_plain(
    app: Any, echo: Any, kit: Any, coding: bytes, data: bytes
) -> None:
    """A09: gzip and deflate are undone, screened, and the application gets plain JSON without the header."""
    length = (b"content-length", str(len(data)).encode())
    await kit.request(app, body=data, headers=[JSON, length, (b"content-encoding", coding)])
    assert echo.body == SCREENED
    left = dict(echo.scopes[0]["headers"])
    assert b"content-encoding" not in left
    assert left[b"content-length"] == str(len(echo.bodies[0])).encode()


@pytest.mark.parametrize(
    "coding", [b"compress", b"br", b"zstd", b"gzip, br", b"gzip, gzip", b"aes128gcm", b"x"]
)
async def test_unknown_and_stacked_codings_are_refused(app: Any, echo: Any, kit: Any, coding: bytes) -> None:
    """A09: what cannot be decoded is 415, and the application never sees it."""
    answer = await kit.request(app, body=gzip.compress(BODY), headers=[JSON, (b"content-encoding", coding)])
    assert (answer.status, answer.code) == (415, "guard.opaque.encoding")
    assert echo.scopes == []


async def test_a_compressed_body_that_grows_stops_at_the_limit(app: Any, echo: Any, kit: Any) -> None:
    """A09: the limit counts decoded bytes: 5 MB of one letter in 5 KB of gzip is 413."""
    bomb = gzip.compress(orjson.dumps(kit.chat("a" * 5_000_000)))
    answer = await kit.request(app, body=bomb, headers=[JSON, (b"content-encoding", b"gzip")])
    assert (answer.status, answer.code) == (413, "body_too_large")
    assert echo.scopes == []


async def test_a_body_above_the_limit_is_refused_before_it_is_whole(app: Any, echo: Any, kit: Any) -> None:
    """A09: a body beyond the limit is 413 as soon as it is, however much would follow."""
    connection = kit.Connection([{"body": b" " * 1_000_000, "more_body": True}] * 100)
    answer = await kit.request(app, connection=connection)
    assert (answer.status, answer.code, connection.received) == (413, "body_too_large", 5)
    assert echo.scopes == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get"])
async def test_a_body_is_screened_whatever_the_method(app: Any, echo: Any, kit: Any, method: str) -> None:
    """A14: servers deliver the body of a GET as well; it is screened like that of a POST."""
    await kit.request(app, body=BODY, method=method)
    assert echo.body == SCREENED


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_method_override_changes_nothing(app: Any, echo: Any, kit: Any, method: str) -> None:
    """A14: `X-HTTP-Method-Override: POST` may turn a GET into a POST behind guard: the body is screened before."""
    await kit.request(app, body=BODY, method=method, headers=[JSON, (b"x-http-method-override", b"POST")])
    assert echo.body == SCREENED


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE"])
async def test_a_preflight_without_body_passes_untouched(app: Any, echo: Any, kit: Any, method: str) -> None:
    """A14: HEAD and OPTIONS without a body call no model: the application's own answer goes out, no record."""
    echo.reply, echo.headers = (
        b"OK",
        [(b"content-type", b"text/plain"), (b"access-control-allow-origin", b"*")],
    )
    answer = await kit.request(app, method=method, headers=[(b"origin", b"https://ui.test")])
    assert (answer.status, answer.body) == (200, b"OK")
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("x-guard-trace") is None


@pytest.mark.parametrize(
    "kind", [None, b"text/plain", b"text/plain; charset=utf-8", b"application/vnd.x+json"]
)
async def test_json_under_another_name_is_screened(app: Any, echo: Any, kit: Any, kind: bytes | None) -> None:
    """A31: JSON without a content type or as text/plain is read as JSON."""
    await kit.request(app, body=BODY, headers=[(b"content-type", kind)] if kind else [])
    assert echo.body == SCREENED


@pytest.mark.parametrize(
    "kind",
    [
        b"application/json; charset=utf-16",
        b"application/json; charset=shift_jis",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"application/xml",
    ],
)
async def test_what_is_not_json_in_utf8_is_refused(app: Any, echo: Any, kit: Any, kind: bytes) -> None:
    """A31: another charset or another form of body at a model's path is 415, never passed unscreened."""
    answer = await kit.request(app, body=BODY, headers=[(b"content-type", kind)])
    assert (answer.status, answer.code) == (415, "guard.opaque.encoding")
    assert echo.scopes == []


def nested(open_: bytes, middle: bytes, close: bytes, times: int = 100_000) -> bytes:
    return b'{"model":"m","messages":' + open_ * times + middle + close * times + b"}"


BAD = {
    "A32 repeated key": b'{"model":"m","messages":[],"messages":[{"role":"user","content":"x"}]}',
    "A32 repeated key in escapes": b'{"model":"m","messages":[],"mess\\u0061ges":[]}',
    "A32 repeated key deep inside": b'{"model":"m","messages":[{"role":"user","content":"a","content":"b"}]}',
    "A33 NaN": b'{"model":"m","messages":[],"temperature":NaN}',
    "A33 Infinity": b'{"model":"m","messages":[],"temperature":-Infinity}',
    "A33 an exponent beyond every double": b'{"model":"m","messages":[],"temperature":1e999999}',
    "A33 5,000 digits": b'{"model":"m","messages":[],"seed":' + b"7" * 5000 + b"}",
    "A34 nested arrays": nested(b"[", b"", b"]"),
    "A34 a hundred levels": nested(b"[", b"", b"]", 100),
    "A34 nested objects": nested(b'{"a":', b"1", b"}"),
    "A34 nested and never closed": b'{"messages":' + b"[" * 100_000,
    "A35 0xFF": b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}',
    "A35 overlong": b'{"model":"m","messages":[{"role":"user","content":"\xc0\xaf\xe0\x80\xaf"}]}',
    "A36 a lone surrogate in a text": b'{"model":"m","messages":[{"role":"user","content":"\\ud83d"}]}',
    "A36 a lone surrogate in a key": b'{"model":"m","messages":[],"\\udc00":1}',
    "no JSON": b"hello",
    "no object": b"[1]",
    "nothing": b"",
    "null": b"null",
}


@pytest.mark.parametrize("case", BAD)
async def test_what_two_parsers_could_read_differently_is_refused(
    app: Any, echo: Any, kit: Any, case: str
) -> None:
    """A32 A33 A34 A35 A36: 400 with a code, never a 500, and the application is not called."""
    answer = await kit.request(app, body=BAD[case])
    assert answer.status == 400, answer.body
    assert answer.code in ("invalid_json", "invalid_body")
    assert answer.header("x-should-retry") == "false"
    assert echo.scopes == []


async def test_numbers_keep_every_digit(app: Any, echo: Any, kit: Any) -> None:
    """A33: integers above 2^53 and long decimals go on as they were written, in a body that is rewritten too."""
    numbers = b'"seed":123456789012345678901234567890,"temperature":0.1000000000000000055511151231257827'
    await kit.request(app, body=BODY[:-1] + b"," + numbers + b"}")
    assert numbers in echo.bodies[0]
    assert b"<CARD_1>" in echo.bodies[0]


async def test_two_of_a_header_are_refused(app: Any, echo: Any, kit: Any) -> None:
    """A31: two Content-Type or Content-Encoding headers mean two bodies: 400."""
    for name in (b"content-type", b"content-encoding"):
        answer = await kit.request(app, body=BODY, headers=[(name, b"identity"), (name, b"gzip")])
        assert (answer.status, answer.code) == (400, "repeated_header")
    assert echo.scopes == []
