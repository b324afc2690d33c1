"""What the served benchmarks share: bodies, a small HTTP load client, child servers, the disk's own speed.

The client is one asyncio protocol with keep-alive: it costs about 30 µs a request, the same to every server.
Latencies of the open loop count from the moment a request was due, so that a stall is seen by all it delayed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

_PROSE = (
    "Please summarise what was said about the new schedule and list the open points for the next meeting. "
    "The team agreed that the draft should be shorter, that the figures belong in a table, and that the "
    "second chapter can wait until the reviewers have answered. "
)
_FINDINGS = (
    "Write to wang.wei.000000000@corp-mail.cn or call +1 212 736 5000, the card is 4111 1111 1111 1111 and the "
    "server answers at 8.8.4.4. "
)


def _chat(text: str) -> bytes:
    messages = [
        {"role": "system", "content": "You are a careful assistant."},
        {"role": "user", "content": text},
    ]
    return json.dumps({"model": "gpt-bench", "messages": messages}).encode()


CLEAN = _chat((_PROSE * 4)[:900])
"""A chat body of 1 KB in which nothing is found."""
FINDINGS = _chat(_FINDINGS + (_PROSE * 4)[: 900 - len(_FINDINGS)])
"""The same with an e-mail address (another in each request), a phone number, a card and an IP address."""
AGAIN = FINDINGS.replace(b"000000000", b"again.and")
"""The same text each time, as the earlier turns of a conversation are."""

ANSWER = json.dumps(
    {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-bench",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {
                    "role": "assistant",
                    "content": "It is noted. Two points are open, both for Monday.",
                },
            }
        ],
        "usage": {"prompt_tokens": 200, "completion_tokens": 16, "total_tokens": 216},
    }
).encode()
"""What the upstream always answers."""

POLICY = """\
policy: bench
version: "1"
extends: [default]
output:
  rules: {moderation.*: allow, moderation.sexual/minors: allow, moderation.self-harm*: allow}
moderation: {by: "off"}
"""
"""Everything but moderation on."""


@dataclass(frozen=True)
class Load:
    """One measurement: seconds it took, latencies in milliseconds (sorted), answers that were not 200."""

    seconds: float
    latencies: tuple[float, ...]
    failures: int

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """The latency in milliseconds that `share` of the requests stayed within."""
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)]

    @property
    def p50(self) -> float:
        """Median latency in milliseconds."""
        return self.quantile(0.5)

    def __str__(self) -> str:
        text = f"{self.rate:8,.0f} req/s   p50 {self.p50:7.2f} ms   p99 {self.quantile(0.99):7.2f} ms"
        return text + (f"   {self.failures} FAILED" if self.failures else "")


class _Connection(asyncio.Protocol):
    """One keep-alive connection: a request out, an answer in, its status handed to whoever waits."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def ask(self, request: bytes) -> asyncio.Future[int]:
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if found and _whole(head.lower(), body) and self._answer:
            self._buffer = b""
            self._answer.set_result(int(head[9:12]))

    def connection_lost(self, failure: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(failure or ConnectionError("closed"))

    def close(self) -> None:
        self._transport.close()


def _whole(head: bytes, body: bytes) -> bool:
    length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length) if length else body.endswith(b"0\r\n\r\n")


def request(port: int, body: bytes, key: str) -> bytes:
    """Write the bytes of one chat request."""
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


_numbers = itertools.count(1)


def _new(wire: bytes) -> Iterator[bytes]:
    """A request without end, the address in it one that no server has seen."""
    return (wire.replace(b"000000000", b"%09d" % number) for number in _numbers)


async def _connect(port: int) -> _Connection:
    _, protocol = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", port)
    return protocol


async def _closed(port: int, wire: bytes, connections: int, seconds: float) -> Load:
    latencies: list[float] = []
    statuses: list[int] = []
    wires = _new(wire)
    end = time.perf_counter() + seconds

    async def one() -> None:
        connection = await _connect(port)
        while (start := time.perf_counter()) < end:
            statuses.append(await connection.ask(next(wires)))
            latencies.append((time.perf_counter() - start) * 1e3)
        connection.close()

    begin = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return Load(time.perf_counter() - begin, tuple(sorted(latencies)), sum(s != 200 for s in statuses))


async def _open(port: int, wire: bytes, rate: float, seconds: float) -> Load:
    idle: list[_Connection] = []
    latencies: list[float] = []
    statuses: list[int] = []
    wires = _new(wire)

    async def one(due: float) -> None:
        connection = idle.pop() if idle else await _connect(port)
        statuses.append(await connection.ask(next(wires)))
        latencies.append((time.perf_counter() - due) * 1e3)
        idle.append(connection)

    begin = time.perf_counter()
    tasks = []
    for i in range(int(rate * seconds)):
        due = begin + i / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        # A timer of the loop fires up to a millisecond late: that is the client's lateness, not the server's.
        tasks.append(asyncio.ensure_future(one(max(due, time.perf_counter()))))
    await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()
    return Load(time.perf_counter() - begin, tuple(sorted(latencies)), sum(s != 200 for s in statuses))


def closed_loop(port: int, body: bytes, *, connections: int, seconds: float, key: str = "bench") -> Load:
    """Keep `connections` busy for a while: how many answers a second?"""
    return asyncio.run(_closed(port, request(port, body, key), connections, seconds))


def open_loop(port: int, body: bytes, *, rate: float, seconds: float, key: str = "bench") -> Load:
    """Send at a fixed rate, whatever comes back: how long does one request take?"""
    return asyncio.run(_open(port, request(port, body, key), rate, seconds))


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def child(command: Sequence[str], port: int, *, log: Path, wait: float = 60, **env: str) -> Iterator[None]:
    """Run a server until the block ends; raises RuntimeError with its last lines if it does not listen in time."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **env}, cwd=log.parent)
        try:
            _await_port(process, port, log, wait)
            yield
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path, wait: float) -> None:
    end = time.monotonic() + wait
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.1)
    raise RuntimeError(f"{command_name(process)} did not start:\n{log.read_text(errors='replace')[-2000:]}")


def command_name(process: subprocess.Popen[bytes]) -> str:
    """The program of a child, for a message."""
    args = process.args
    return " ".join(map(str, args)) if isinstance(args, list | tuple) else str(args)


class _Upstream(asyncio.Protocol):
    """Answers every request with the same bytes, as fast as asyncio can."""

    _reply = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
        len(ANSWER),
        ANSWER,
    )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if found and _whole(head.lower(), body):
            self._buffer = b""
            self._transport.write(self._reply)


async def _serve_upstream(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Upstream, "127.0.0.1", port)
    await server.serve_forever()


@contextlib.contextmanager
def upstream(folder: Path) -> Iterator[int]:
    """Run the fast loopback provider in a process of its own; gives its port."""
    port = free_port()
    with child([sys.executable, __file__, str(port)], port, log=folder / "upstream.log"):
        yield port


def fdatasync_ms(folder: Path, *, rate: float, samples: int = 100) -> float:
    """Median time of one append of 3 KB with fdatasync in a folder, in milliseconds, at `rate` of them a second.

    A disk that was asked just before answers in half the time of one that was left alone for 10 ms, so the pace
    has to be that of the load whose records it shall be compared with.
    """
    taken = []
    path = folder / "fdatasync.probe"
    with path.open("ab", buffering=0) as file:
        for _ in range(samples):
            start = time.perf_counter()
            file.write(b"x" * 3071 + b"\n")
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - start) * 1e3)
            time.sleep(max(0.0, 1 / rate - taken[-1] / 1e3))
    path.unlink()
    return statistics.median(taken)


if __name__ == "__main__":
    asyncio.run(_serve_upstream(int(sys.argv[1])))
