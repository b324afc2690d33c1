"""HTTP/1.1 byte for byte: what two servers could cut differently is refused; each request has its own verdict."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvicorn

from guard import Guard, GuardMiddleware
from guard.mounts.gateway import Gateway
from guard.simulator.server import _Server, serve

CARD = "4111 1111 1111 1111"
HEAD = b"Host: app.test\r\nAuthorization: Bearer k\r\nContent-Type: application/json\r\n"
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\n" + HEAD
SMUGGLED = b"GET /v1/models HTTP/1.1\r\nHost: app.test\r\n\r\n"


def chat(text: str) -> bytes:
    return orjson.dumps({"model": "m", "messages": [{"role": "user", "content": text}]})


def sized(body: bytes) -> bytes:
    return b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body


def talk(port: int, sent: bytes, patience: float = 5.0, pause: float = 0.0) -> tuple[bytes, bool]:
    """What a server answers to these bytes, and whether it closed the connection."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(patience)
        client.sendall(sent)
        time.sleep(pause)
        got = b""
        try:
            while data := client.recv(65536):
                got += data
        except TimeoutError:
            return got, False
        return got, True


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1])


BODY = chat("hi")
AMBIGUOUS = {
    "A37 length, then chunked": CHAT
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "A37 chunked, then length": CHAT
    + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    + SMUGGLED,
    "A38 two lengths": CHAT + b"Content-Length: 5\r\n" + sized(BODY),
    "A38 +2": CHAT + b"Content-Length: +2\r\n\r\n{}",
    "A38 0x2": CHAT + b"Content-Length: 0x2\r\n\r\n{}",
    "A38 xchunked": CHAT + b"Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
}
STRICT = {
    "A38 gzip, chunked": CHAT + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "A38 twice the same length": CHAT + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "A38 bare LF": CHAT.replace(b"\r\n", b"\n") + b"Content-Length: 2\n\n{}",
    "A38 one bare LF": CHAT + b"X-Y: z\n" + sized(BODY),
    "A38 a space before the colon": CHAT + b"Content-Length : 2\r\n\r\n{}",
    "A38 a folded header": CHAT + b"X-Y: a\r\n Content-Length: 3\r\n" + sized(BODY),
    "A38 a bare LF in a chunk": CHAT + b"Transfer-Encoding: chunked\r\n\r\n2;a\n{}\r\n0\r\n\r\n",
}


@contextlib.contextmanager
def served(app: Any, http: str) -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(app, listener)
    server.config = uvicorn.Config(app, log_config=None, ws="none", http=http, timeout_graceful_shutdown=1)  # type: ignore[arg-type]
    server.thread.start()
    server.settled.wait()
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.stop()


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_what_could_be_two_requests_is_none(quiet: Guard, provider: Any, kit: Any, http: str) -> None:
    """A37 A38: with either parser of uvicorn, on either mount: one 400, a closed connection, no more."""
    echo = kit.Echo()
    for app in (Gateway(quiet, upstream=provider.state.url), GuardMiddleware(echo, guard=quiet)):
        with served(app, http) as port:
            for case, raw in AMBIGUOUS.items():
                got, closed = talk(port, raw)
                assert got.startswith(b"HTTP/1.1 400"), (case, got)
                assert (got.count(b"HTTP/1.1 "), closed) == (1, True), (case, got)
    assert provider.state.received == []
    assert echo.bodies == []


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory, make_guard: Any) -> Iterator[tuple[int, Path]]:
    """`guard serve` as it is shipped, in front of an upstream that is not there."""
    folder = tmp_path_factory.mktemp("shipped")
    (folder / "quiet.yaml").write_text(make_guard.quiet)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GUARD_", "OPENAI_"))}
    told = {
        "GUARD_HOME": str(folder / "home"),
        "GUARD_EXPORTS": str(folder / "exports"),
        "GUARD_BODY_TIMEOUT_S": "1",
    }
    command = [
        sys.executable,
        "-m",
        "guard",
        "serve",
        "--port",
        str(port),
        "--policy",
        str(folder / "quiet.yaml"),
    ]
    command += ["--upstream", "http://127.0.0.1:9/v1"]
    process = subprocess.Popen(command, env={**kept, **told}, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            assert process.poll() is None
            time.sleep(0.05)
        yield port, folder
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@pytest.mark.slow
@pytest.mark.parametrize("case", [*AMBIGUOUS, *STRICT])
def test_the_shipped_command_refuses_what_is_ambiguous(shipped: tuple[int, Path], case: str) -> None:
    """A37 A38: `guard serve` answers each once with 400 and closes; there is one parser that it can use."""
    got, closed = talk(shipped[0], {**AMBIGUOUS, **STRICT}[case])
    assert got.startswith(b"HTTP/1.1 400"), got
    assert (got.count(b"HTTP/1.1 "), closed) == (1, True), got


@pytest.mark.slow
def test_the_shipped_command_ends_a_body_that_drips(shipped: tuple[int, Path]) -> None:
    """A44: half a body and then silence: 408 after the read limit, and the connection ends."""
    got, closed = talk(shipped[0], CHAT + b"Content-Length: 100\r\n\r\n{", patience=20)
    assert got.startswith(b"HTTP/1.1 408"), got
    assert closed


def test_each_of_two_pipelined_requests_has_its_own_verdict(make_guard: Any, provider: Any) -> None:
    """A42: two requests in one segment, the first blocked: the second is answered, in order."""
    guard = make_guard(make_guard.quiet.replace("[default]", "[strict]"))
    blocked, clean = CHAT + sized(chat(f"my card is {CARD}")), CHAT + sized(chat("hello there"))
    with serve(Gateway(guard, upstream=provider.state.url)) as url:
        got, _ = talk(port_of(url), blocked + clean + blocked, patience=2)
    statuses = [part[:3] for part in got.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"403", b"200", b"403"]
    traces = [line for line in got.lower().split(b"\r\n") if line.startswith(b"x-guard-trace")]
    assert len(set(traces)) == 3
    (row,) = provider.state.received
    assert b"hello there" in row.body


def test_two_callers_in_one_request_are_none(quiet: Guard, provider: Any) -> None:
    """A43: two Authorization headers are 400, whichever of them a provider would have read."""
    with serve(Gateway(quiet, upstream=provider.state.url)) as url:
        got, _ = talk(port_of(url), CHAT + b"Authorization: Bearer other\r\n" + sized(BODY), patience=2)
    assert got.startswith(b"HTTP/1.1 400"), got
    assert b"repeated_header" in got
    assert provider.state.received == []


@pytest.mark.anyio
@pytest.mark.parametrize("mount", ["gateway", "edge"])
async def test_a_body_that_drips_ends_at_the_read_limit(
    make_guard: Any, provider: Any, kit: Any, mount: str
) -> None:
    """A44: a body that is not whole in time is 408, closes its connection, and reaches neither app nor provider."""
    guard = make_guard(body_timeout_s=0.05)
    echo = kit.Echo()
    app = (
        Gateway(guard, upstream=provider.state.url)
        if mount == "gateway"
        else GuardMiddleware(echo, guard=guard)
    )
    for version, last in (("1.1", "close"), ("2", None)):
        connection = kit.Connection([{"body": b'{"mo', "more_body": True}])
        answer = await kit.request(app, connection=connection, http_version=version)
        assert (answer.status, answer.code) == (408, "request_timeout")
        assert answer.header("connection") == last
    assert (echo.scopes, provider.state.received) == ([], [])
