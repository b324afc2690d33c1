"""A scripted upstream on loopback that keeps every byte and connection it sees; store files that cannot be used."""

from __future__ import annotations

import os
import random
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Script = Callable[[socket.socket], None]


class Upstream:
    """Answers each connection with `script`, after it has read one request."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.gone = threading.Event()
        self.reply = reply
        self.wait_for_end = wait_for_end
        self.received = threading.Event()
        self.script: Script = reply(b"ok")
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            client.settimeout(10)
            try:
                while (request := read_request(client)) is not None:
                    self.requests.append(request)
                    self.received.set()
                    self.script(client)
            except OSError:
                pass
        self.gone.set()


def read_request(client: socket.socket) -> bytes | None:
    """Read one request whose body is as long as its Content-Length says."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = client.recv(65536)
        if not chunk:
            return None
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields.get(b"content-length", b"0")):
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


def reply(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Script:
    """A script that sends one whole answer."""
    head = [b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *headers]
    return lambda client: client.sendall(b"\r\n".join(head) + b"\r\n\r\n" + body)


def wait_for_end(client: socket.socket) -> None:
    """Block until the other side closes."""
    while client.recv(65536):
        pass


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.close()


@pytest.fixture
def other() -> Iterator[Upstream]:
    server = Upstream()
    yield server
    server.close()


@pytest.fixture(params=["damaged", "newer", "folder", "readonly"])
def spoiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], bytes]:
    """Make the file of a store one that cannot be used; gives what is in it."""

    def spoil(path: Path) -> bytes:
        path.parent.mkdir(parents=True)
        if request.param == "damaged":
            path.write_bytes(b"SQLite format 3\0" + random.Random(1).randbytes(8192))
        elif request.param == "newer":
            with sqlite3.connect(path) as connection:
                connection.execute("PRAGMA user_version = 99")
            connection.close()
        elif request.param == "folder":
            path.mkdir()
        else:
            monkeypatch.setattr(os, "open", _refusing)
        return path.read_bytes() if path.is_file() else b""

    return spoil


def _refusing(*_: Any, **__: Any) -> int:
    raise PermissionError(13, "Permission denied")
