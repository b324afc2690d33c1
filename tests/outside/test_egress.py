"""The one gate: what is admitted, what is sent, and what is refused before and after connecting."""

from __future__ import annotations

import asyncio
import gc
import gzip
import socket
import threading
import weakref
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx2
import openai
import pytest
import uvicorn

import guard.outside.egress
import guard.outside.sessions
from guard.errors import BadRequest, Refused
from guard.outside.egress import (
    AsyncAdmittingTransport,
    Egress,
    SyncAdmittingTransport,
    Timeouts,
    UpstreamError,
    admitter,
)
from guard.outside.sessions import KEPT_ALIVE_S, SHORT_CUT
from guard.outside.upstream import Decoder, decoding, outgoing
from guard.types import Place

pytestmark = pytest.mark.anyio
EU = ("EEA", "CH")
CANARY = b"4111 1111 1111 1111"


def naming(*hosts: str, jurisdictions: tuple[str, ...] | None = None) -> Any:
    return admitter(jurisdictions=jurisdictions, declared={}, named=hosts)


@pytest.fixture(params=["short cut", "as aiohttp goes"])
async def egress(
    upstream: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Egress]:
    """The gate, also as it is with an aiohttp that takes other arguments than the one we know."""
    if request.param != "short cut":
        monkeypatch.setattr(guard.outside.sessions, "SHORT_CUT", False)
    gate = Egress(naming(upstream.url))
    yield gate
    await gate.aclose()


def sync_post(admit: Any, url: str, content: bytes = b"x", **options: Any) -> httpx2.Response:
    with httpx2.Client(transport=SyncAdmittingTransport(admit), follow_redirects=True) as client:
        return client.post(url, content=content, **options)


async def async_post(admit: Any, url: str, content: bytes = b"x", **options: Any) -> httpx2.Response:
    transport = AsyncAdmittingTransport(Egress(admit), owns=True)
    async with httpx2.AsyncClient(transport=transport, follow_redirects=True) as client:
        return await client.post(url, content=content, **options)


async def post(kind: str, admit: Any, url: str, content: bytes = b"x", **options: Any) -> httpx2.Response:
    if kind == "async":
        return await async_post(admit, url, content, **options)
    return await asyncio.to_thread(sync_post, admit, url, content, **options)


both = pytest.mark.parametrize("kind", ["sync", "async"])


async def test_forward_sends_the_body_as_it_is_and_only_headers_that_may_travel(
    upstream: Any, egress: Egress
) -> None:
    headers = [
        (b"authorization", b"Bearer k"),
        (b"x-note", "é".encode()),
        (b"host", b"evil.example"),
        (b"connection", b"keep-alive, x-note"),
        (b"accept-encoding", b"gzip, br"),
        (b"content-length", b"999"),
        (b"transfer-encoding", b"chunked"),
        (b"te", b"trailers"),
    ]
    answer = await egress.forward("POST", upstream.url + "/v1/a%2Fb?q=%41", headers, b'{"a":1}')
    assert await answer.read(100) == b"ok"
    assert (answer.status, answer.peer) == (200, "127.0.0.1")
    assert upstream.requests == [
        b"POST /v1/a%2Fb?q=%41 HTTP/1.1\r\n"
        + f"Host: 127.0.0.1:{upstream.port}\r\n".encode()
        + b"accept-encoding: identity\r\nauthorization: Bearer k\r\nx-note: \xc3\xa9\r\nContent-Length: 7"
        b'\r\n\r\n{"a":1}'
    ]


async def test_a_connection_is_used_again(upstream: Any, egress: Egress) -> None:
    for _ in range(3):
        await (await egress.forward("POST", upstream.url, [], b"x")).read(100)
    assert (len(upstream.requests), upstream.connections) == (3, 1)


async def test_a_body_above_a_megabyte_is_sent_without_a_warning(upstream: Any, egress: Egress) -> None:
    body = b"x" * (3 * 1024 * 1024)
    answer = await egress.forward("POST", upstream.url, [], body)
    assert await answer.read(100) == b"ok"
    assert upstream.requests[0].endswith(body)


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 1024 * 1024 + 1])
async def test_a_body_of_any_size_arrives_whole(upstream: Any, egress: Egress, size: int) -> None:
    body = CANARY * (size // len(CANARY)) + CANARY[: size % len(CANARY)]
    for _ in range(2):  # over a new connection, and over the same again
        answer = await egress.forward("POST", upstream.url, [(b"content-type", b"text/plain")], body)
        await answer.read(1024 * 1024)
        head, _, sent = upstream.requests[-1].partition(b"\r\n\r\n")
        assert sent == body
        assert f"content-length: {size}".encode() in head.lower().splitlines()


@pytest.mark.parametrize("egress", ["short cut"], indirect=True)
@pytest.mark.skipif(not SHORT_CUT, reason="this aiohttp takes other arguments than 3.14")
async def test_a_short_body_is_sent_without_a_task_of_its_own(upstream: Any, egress: Egress) -> None:
    """On Python 3.11 one waits for its turn: a quarter of what a call over a kept connection costs."""
    loop, made = asyncio.get_running_loop(), list[str]()

    def noted(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(coro.__qualname__)
        return asyncio.Task(coro, loop=loop, **options)

    await (await egress.forward("POST", upstream.url, [], CANARY)).read(1024)
    loop.set_task_factory(noted)  # type: ignore[arg-type]
    try:
        await (await egress.forward("POST", upstream.url, [], CANARY)).read(1024)
    finally:
        loop.set_task_factory(None)
    assert made == []


async def test_a_connection_that_nothing_was_sent_over_is_not_kept(
    upstream: Any, egress: Egress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written of the request, if anything, nobody knows: the next one goes over another."""
    await (await egress.forward("POST", upstream.url, [], CANARY)).read(1024)
    with monkeypatch.context() as patched:
        patched.setattr(guard.outside.sessions.Request, "send", _broken)
        with pytest.raises(UpstreamError):
            await egress.forward("POST", upstream.url, [], CANARY)
    await (await egress.forward("POST", upstream.url, [], CANARY)).read(1024)
    assert upstream.connections == 2


async def _broken(*_: Any) -> None:
    raise OSError


async def test_headers_are_looked_through_once(
    upstream: Any, egress: Egress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client sends the same ones with each call; other ones are other ones, and bad ones are refused each time."""
    looked: list[Any] = []

    def watched(headers: Any, *, sized: bool) -> list[tuple[bytes, bytes]]:
        looked.append(headers)
        return outgoing(headers, sized=sized)

    guard.outside.egress._forwarded.cache_clear()
    monkeypatch.setattr(guard.outside.egress, "outgoing", watched)
    good = [(b"x-one", b"once"), (b"x-one", b"twice")]
    for headers in (good, list(good), good[:1], good):
        await (await egress.forward("POST", upstream.url, headers, b"x")).read(100)
    assert len(looked) == 2
    assert [row.count(b"x-one: ") for row in upstream.requests] == [2, 2, 1, 2]
    for _ in range(2):
        with pytest.raises(BadRequest):
            await egress.forward("POST", upstream.url, [(b"x-one", b"a\r\nb: c")], b"x")
    assert len(looked) == 4


@both
async def test_a_client_gets_what_the_upstream_said(upstream: Any, kind: str) -> None:
    upstream.script = upstream.reply(b"body", b"x-request-id: r1", status=b"418 Short And Stout")
    response = await post(kind, naming(upstream.url), upstream.url, headers={"Host": "evil.example"})
    assert (response.status_code, response.content) == (418, b"body")
    assert (response.headers["x-request-id"], response.extensions["peer"]) == ("r1", "127.0.0.1")
    assert f"host: 127.0.0.1:{upstream.port}\r\n".encode() in upstream.requests[0].lower()
    assert b"accept-encoding: identity" in upstream.requests[0].lower()


async def test_each_call_is_admitted_anew_and_goes_to_its_own_url(upstream: Any) -> None:
    """Law 4: the gate remembers how it wrote the last URL, and neither that it was admitted nor another's path."""
    decided = naming(upstream.url)(httpx2.URL(upstream.url))
    gate = Egress(lambda url: decided)
    one, other = httpx2.URL(upstream.url + "/one"), httpx2.URL(upstream.url + "/other")
    for url in (one, other, other, one):
        await (await gate.forward("POST", url, [], b"x")).read(100)
    assert [row.split(b" ")[1] for row in upstream.requests] == [b"/one", b"/other", b"/other", b"/one"]
    decided = replace(decided, allowed=False, code="egress.jurisdiction")
    with pytest.raises(Refused):
        await gate.forward("POST", one, [], b"x")
    assert len(upstream.requests) == 4
    await gate.aclose()


async def test_a_url_that_is_admitted_otherwise_is_held_to_that(
    upstream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C24: a name that was the operator's own statement and is the table's now must lead outside."""
    resolving_to(monkeypatch, "127.0.0.1")
    url = httpx2.URL(f"http://mine.openai.azure.com:{upstream.port}")
    decided = replace(naming(str(url))(url), source="declared")
    gate = Egress(lambda url: decided)
    assert await (await gate.forward("POST", url, [], b"x")).read(100) == b"ok"
    await gate.aclose()
    decided = replace(decided, source="table")
    with pytest.raises(Refused, match="not public"):
        await gate.forward("POST", url, [], b"x")
    await gate.aclose()


@both
@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://evil.example/v1", "egress.host"),
        ("https://eu.api.openai.com.evil.example/v1", "egress.host"),
        ("https://eu.api.openai.com@evil.example/v1", "egress.host"),
        ("https://user@eu.api.openai.com/v1", "egress.host"),
        ("https://eu.api.openai.com:444/v1", "egress.host"),
        ("http://eu.api.openai.com/v1", "egress.host"),
        ("wss://eu.api.openai.com/v1", "egress.host"),
        ("https://10.0.0.1/v1", "egress.host"),
        ("https://api.openai.com/v1", "egress.jurisdiction"),
        ("https://api.mistral.ai/v1", "egress.jurisdiction"),
        ("https://api.deepseek.com/v1", "egress.jurisdiction"),
    ],
)
async def test_what_is_not_admitted_is_neither_looked_up_nor_connected_to(
    monkeypatch: pytest.MonkeyPatch, kind: str, url: str, code: str
) -> None:
    """Residency pitfall 12, at the transport."""
    looked_up: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: looked_up.append(a))
    with pytest.raises(Refused) as refused:
        await post(kind, naming(jurisdictions=EU), url)
    assert (refused.value.code, refused.value.status, looked_up) == (code, 451, [])


@both
async def test_what_is_no_host_is_refused_even_where_refusals_are_only_observed(kind: str) -> None:
    def observing(url: httpx2.URL) -> Any:
        return replace(naming()(url), allowed=True)

    with pytest.raises(Refused):
        await post(kind, observing, "wss://api.openai.com/v1")


async def test_the_refusal_names_the_resident_host() -> None:
    with pytest.raises(Refused, match=r"use eu\.api\.openai\.com"):
        await async_post(naming(jurisdictions=EU), "https://api.openai.com/v1")


@both
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_refused_and_the_other_host_sees_nothing(
    upstream: Any, other: Any, kind: str, status: int
) -> None:
    """C23: a 307 would post the full prompt to another host, even to an admitted one."""
    upstream.script = upstream.reply(b"", b"Location: " + other.url.encode(), status=b"%d Moved" % status)
    with pytest.raises(Refused) as refused:
        await post(kind, naming(upstream.url, other.url), upstream.url, CANARY)
    assert (refused.value.code, refused.value.status, other.connections) == ("egress.redirect", 451, 0)


@both
async def test_the_sdk_meets_a_redirect_once_and_raises_the_refusal(upstream: Any, kind: str) -> None:
    """C23, C26: with the official client, whose own transport follows."""
    upstream.script = upstream.reply(b"", b"Location: https://us.api.openai.com/", status=b"307 Moved")
    messages: list[Any] = [{"role": "user", "content": "hello"}]
    admit = naming(upstream.url)
    if kind == "sync":
        sync = openai.OpenAI(
            api_key="k",
            base_url=upstream.url,
            http_client=httpx2.Client(transport=SyncAdmittingTransport(admit)),
        )
        with sync, pytest.raises(Refused):
            await asyncio.to_thread(sync.chat.completions.create, model="m", messages=messages)
    else:
        transport = AsyncAdmittingTransport(Egress(admit), owns=True)
        client = openai.AsyncOpenAI(
            api_key="k", base_url=upstream.url, http_client=httpx2.AsyncClient(transport=transport)
        )
        async with client:
            with pytest.raises(Refused):
                await client.chat.completions.create(model="m", messages=messages)
    assert len(upstream.requests) == 1


@both
async def test_proxy_variables_are_not_used(
    upstream: Any, other: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """C25: with an http upstream a proxy would get the bearer key and the prompt."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other.url)
    assert (await post(kind, naming(upstream.url), upstream.url)).content == b"ok"
    assert (other.connections, upstream.connections) == (0, 1)


@both
@pytest.mark.parametrize(
    "address", ["127.0.0.1", "169.254.169.254", "10.1.2.3", "::ffff:127.0.0.1", "::1", "fe80::1"]
)
async def test_a_table_host_that_leads_inside_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: str, address: str
) -> None:
    """C24: the address is checked where it is used; it is resolved once."""
    calls = resolving_to(monkeypatch, address)
    with pytest.raises(Refused, match="not public"):
        await post(kind, naming(), "https://api.openai.com/v1")
    assert len(calls) == 1


@both
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "fd00::7"])
async def test_a_name_that_was_only_typed_does_not_lead_inside(
    monkeypatch: pytest.MonkeyPatch, kind: str, address: str
) -> None:
    """C24: nobody said that it is a private link; the error says where to say it."""
    resolving_to(monkeypatch, address)
    with pytest.raises(Refused, match=r"not public: say where it is under egress\.hosts"):
        await post(kind, naming("https://llm.example.org"), "https://llm.example.org/v1")


@both
@pytest.mark.parametrize("host", ["ollama", "llm.internal", "models.prod.svc", "localhost"])
async def test_a_name_that_says_so_itself_may_lead_inside(
    upstream: Any, monkeypatch: pytest.MonkeyPatch, kind: str, host: str
) -> None:
    """C24: a container's name or an internal one is where an operator meant it to be."""
    resolving_to(monkeypatch, "127.0.0.1")
    name = f"http://{host}:{upstream.port}"
    assert (await post(kind, naming(name), name)).content == b"ok"


@both
@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0", "fe80::1"])
async def test_no_name_leads_to_a_clouds_metadata(
    monkeypatch: pytest.MonkeyPatch, kind: str, address: str
) -> None:
    """C24: neither one that was typed nor one that was declared: no model is served there."""
    calls = resolving_to(monkeypatch, address)
    declared = {"llm.example.org": Place(("DE",), ("DE",))}
    for admit in (naming("llm.example.org"), admitter(jurisdictions=EU, declared=declared, named=())):
        with pytest.raises(Refused, match=r"no server's|not public"):
            await post(kind, admit, "https://llm.example.org/v1")
    assert len(calls) == 2


@both
async def test_an_answer_that_changes_is_of_no_use(
    upstream: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """C24: what was checked is what is connected to: no second look-up lies between (rebinding)."""
    calls = resolving_to(monkeypatch, "8.8.8.8", "127.0.0.1")
    admit = naming(f"http://mine.openai.azure.com:{upstream.port}")
    connected: list[Any] = []

    def refuse(self: socket.socket, address: Any, *args: Any) -> None:
        connected.append(address[0])
        raise OSError("not here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(httpx2.ConnectError):
        await post(kind, admit, f"http://mine.openai.azure.com:{upstream.port}/")
    assert (len(calls), set(connected)) == (1, {"8.8.8.8"})


@both
async def test_a_declared_host_may_lead_inside(
    upstream: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """C24: a private link is the operator's own statement."""
    resolving_to(monkeypatch, "127.0.0.1")
    place = Place(("DE",), ("DE",))
    name = f"http://mine.openai.azure.com:{upstream.port}"
    admit = admitter(jurisdictions=EU, declared={name: place}, named=())
    assert (await post(kind, admit, name)).content == b"ok"


def resolving_to(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[object]:
    """Every name leads to the first address, at the second look-up to the second, and so on."""
    calls: list[object] = []

    def fake(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        address = host if host in answers else answers[min(len(calls), len(answers) - 1)]
        calls.extend([host] * (host not in answers))
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        place = (address, port, 0, 0) if ":" in address else (address, port)
        return [(family, socket.SOCK_STREAM, 6, "", place)]

    monkeypatch.setattr(socket, "getaddrinfo", fake)
    return calls


async def test_closing_an_answer_in_mid_stream_closes_the_upstream_connection(
    upstream: Any, egress: Egress
) -> None:
    """A05: the client left, so the model stops."""

    def script(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        upstream.wait_for_end(client)

    upstream.script = script
    answer = await egress.forward("POST", upstream.url, [], b"x")
    assert await anext(answer.chunks) == b"hi"
    await answer.aclose()
    await answer.aclose()
    assert await asyncio.to_thread(upstream.gone.wait, 5)


async def test_leaving_before_the_answer_cancels_the_upstream_call(upstream: Any, egress: Egress) -> None:
    """A06: a call that nobody waits for is cut."""
    upstream.script = upstream.wait_for_end
    call = asyncio.create_task(egress.forward("POST", upstream.url, [], b"x"))
    assert await asyncio.to_thread(upstream.received.wait, 5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(upstream.gone.wait, 5)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (lambda client: client.close(), "closed"),
        (lambda client: client.sendall(b"nonsense\r\n\r\n"), "closed"),
        (None, "timeout"),
    ],
)
async def test_a_failure_of_the_upstream_has_a_kind_and_quotes_nothing(
    upstream: Any, egress: Egress, script: Callable[[socket.socket], None], kind: str
) -> None:
    """C08: each failure by its class."""
    upstream.script = script or upstream.wait_for_end
    with pytest.raises(UpstreamError) as failure:
        await egress.forward("POST", upstream.url, [], CANARY, Timeouts(read=0.2))
    assert failure.value.kind == kind
    assert CANARY.decode() not in repr(failure.value) + str(failure.value)
    assert failure.value.__cause__ is None


PACKED = gzip.compress(b"half of the answer")[:-6]
EARLY = [
    b"content-length: 10\r\n\r\nhalf",
    b"transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    b"transfer-encoding: chunked\r\n\r\n9\r\nhalf",
    b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(PACKED) + PACKED,
]


@pytest.mark.parametrize("early", EARLY, ids=range(len(EARLY)))
@pytest.mark.parametrize("limit", [2, 100])
async def test_an_answer_that_ends_early_is_a_failure(
    upstream: Any, egress: Egress, early: bytes, limit: int
) -> None:
    """C09, C12: half an answer is never taken for a whole one, whatever said how long it would be."""

    def script(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\n" + early)
        client.close()

    upstream.script = script
    answer = await egress.forward("POST", upstream.url, [], b"x")
    with pytest.raises(UpstreamError):
        await answer.read(limit)


def framed(how: str, body: bytes) -> bytes:
    if how == "chunked":
        return b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    coding, data = (b"content-encoding: gzip\r\n", gzip.compress(body)) if how == "gzip" else (b"", body)
    return coding + b"content-length: %d\r\n\r\n" % len(data) + data


@pytest.mark.parametrize("how", ["sized", "chunked", "gzip"])
async def test_an_answer_is_read_up_to_the_limit(upstream: Any, egress: Egress, how: str) -> None:
    """A11: of the plain bytes, whether their number was said or not; one more is a failure."""
    upstream.script = lambda client: client.sendall(b"HTTP/1.1 200 OK\r\n" + framed(how, b"x" * 1000))
    assert await (await egress.forward("POST", upstream.url, [], b"x")).read(1000) == b"x" * 1000
    with pytest.raises(UpstreamError):
        await (await egress.forward("POST", upstream.url, [], b"x")).read(999)


@pytest.mark.parametrize("how", ["sized", "chunked", "gzip"])
async def test_an_answer_is_freed_as_it_was_read(upstream: Any, egress: Egress, how: str) -> None:
    """With its body and headers, and without the collector: no cycle holds it, however it came."""
    upstream.script = lambda client: client.sendall(b"HTTP/1.1 200 OK\r\n" + framed(how, b"x" * 1000))
    gc.disable()
    try:
        answer = await egress.forward("POST", upstream.url, [], b"x")
        came = weakref.ref(answer._response)
        assert await answer.read(1000) == b"x" * 1000
        await answer.aclose()
        del answer
        await asyncio.sleep(0)
        assert came() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("head", [b"content-length: 9999999", b"transfer-encoding: chunked"])
async def test_what_is_over_the_limit_is_not_waited_for(upstream: Any, egress: Egress, head: bytes) -> None:
    """A11: the connection is closed as soon as an answer is too long, and the rest never comes."""

    def script(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        client.sendall((b"65\r\n%b\r\n" if b"chunked" in head else b"%b") % (b"x" * 101))
        upstream.wait_for_end(client)

    upstream.script = script
    answer = await egress.forward("POST", upstream.url, [], b"x")
    with pytest.raises(UpstreamError):
        await asyncio.wait_for(answer.read(100), 10)
    assert await asyncio.to_thread(upstream.gone.wait, 5)


@both
async def test_clients_see_their_own_error_classes(upstream: Any, kind: str) -> None:
    admit = naming(upstream.url, "http://127.0.0.1:1")
    with pytest.raises(httpx2.ConnectError):
        await post(kind, admit, "http://127.0.0.1:1")
    upstream.script = upstream.wait_for_end
    with pytest.raises(httpx2.ReadTimeout):
        await post(kind, admit, upstream.url, timeout=0.2)
    upstream.script = lambda client: client.close()
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
        await post(kind, admit, upstream.url)


@both
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_an_answer_that_comes_compressed_all_the_same_is_decoded(
    upstream: Any, kind: str, coding: str
) -> None:
    """A11: nothing passes that the checks could not read."""
    body = b'{"text":"' + CANARY * 10_000 + b'"}'
    packed = gzip.compress(body) if coding == "gzip" else zlib.compress(body)
    upstream.script = upstream.reply(packed, b"content-encoding: " + coding.encode())
    response = await post(kind, naming(upstream.url), upstream.url)
    assert response.content == body
    assert "content-encoding" not in response.headers


@both
@pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, gzip", b"rot13"])
async def test_an_answer_in_a_coding_that_cannot_be_read_is_refused(
    upstream: Any, kind: str, coding: bytes
) -> None:
    """A11: an unknown coding is a failure, never passed on unread."""
    upstream.script = upstream.reply(b"??", b"content-encoding: " + coding)
    with pytest.raises(httpx2.DecodingError):
        await post(kind, naming(upstream.url), upstream.url)


def test_a_compressed_bomb_stops_at_the_limit() -> None:
    """A11: decoding is bounded in each step and in all."""
    bomb = zlib.compress(b"\0" * 50_000_000)
    decoder = Decoder(b"deflate", 1_000_000)
    seen = 0
    with pytest.raises(UpstreamError):  # noqa: PT012
        for piece in decoder.feed(bomb):
            assert len(piece) <= Decoder.STEP
            seen += len(piece)
    assert seen <= 1_000_000


@pytest.mark.parametrize("cut", range(1, 40))
def test_decoding_does_not_depend_on_the_cuts(cut: int) -> None:
    packed = gzip.compress(b"first ") + gzip.compress(b"second")
    decoder = Decoder(b"gzip", 1000)
    pieces = [packed[i : i + cut] for i in range(0, len(packed), cut)]
    assert b"".join(out for piece in pieces for out in decoder.feed(piece)) == b"first second"
    decoder.finish()


def test_a_truncated_compressed_answer_is_a_failure() -> None:
    decoder = Decoder(b"gzip", 1000)
    list(decoder.feed(gzip.compress(b"text")[:-4]))
    with pytest.raises(UpstreamError):
        decoder.finish()


def test_two_codings_are_not_read() -> None:
    """A11: stacked, in one header or in two."""
    coding = (b"content-encoding", b"gzip")
    for headers in ([coding, coding], [(coding[0], b"gzip, gzip")]):
        with pytest.raises(UpstreamError):
            decoding(headers, 10)


def test_an_identity_coding_changes_nothing() -> None:
    headers = [(b"Content-Encoding", b"identity"), (b"Content-Length", b"2")]
    assert decoding(headers, 10) == (headers, None)


@pytest.mark.parametrize("header", [(b"x-a", b"1\r\nx-b: 2"), (b"x\n", b"1"), (b"x-a", b"1\0")])
def test_a_header_with_a_line_break_is_refused(header: tuple[bytes, bytes]) -> None:
    with pytest.raises(BadRequest):
        outgoing([header], sized=True)


def test_a_websocket_upgrade_is_refused() -> None:
    """A15, C28: no websocket leaves through the gate."""
    with pytest.raises(Refused) as refused:
        outgoing([(b"Upgrade", b"WebSocket")], sized=True)
    assert refused.value.status == 451


def test_each_event_loop_has_its_own_session_that_closes_with_it(upstream: Any) -> None:
    """A gate is shared by threads and by loops that come and go, and leaves no warning behind."""
    gate = Egress(naming(upstream.url))

    async def call() -> bytes:
        return await (await gate.forward("POST", upstream.url, [], b"x")).read(10)

    assert [asyncio.run(call()) for _ in range(3)] == [b"ok"] * 3
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(asyncio.run(call()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [b"ok"] * 4


async def test_a_streamed_request_body_arrives(upstream: Any) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"cd"

    transport = AsyncAdmittingTransport(Egress(naming(upstream.url)), owns=True)
    async with httpx2.AsyncClient(transport=transport) as client:
        response = await client.post(upstream.url, content=pieces(), headers={"content-length": "4"})
    assert response.content == b"ok"
    assert upstream.requests[0].endswith(b"\r\n\r\nabcd")


async def test_no_idle_connection_is_used_that_a_server_may_be_closing() -> None:
    """uvicorn, and so vLLM, and Node close after 5 seconds; both pools let go of theirs before."""
    assert KEPT_ALIVE_S < uvicorn.Config("app").timeout_keep_alive == 5
    gate, transport = Egress(naming()), SyncAdmittingTransport(naming())
    try:
        connector = (await gate._sessions.get()).connector
        assert (connector._keepalive_timeout, transport._pool(None)._keepalive_expiry) == (KEPT_ALIVE_S,) * 2  # type: ignore[union-attr]
    finally:
        await gate.aclose()
        transport.close()
