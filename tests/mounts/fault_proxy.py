"""A TCP proxy on loopback that forwards one connection after another, and spoils one phase of the next one."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator

PHASES = ("connect", "headers", "first byte", "mid stream", "end")
"""Where a fault strikes: before the request is read, before the head, after it, within the body, before its end."""

FAULTS = ("latency", "bandwidth", "reset", "half close", "slow close")
"""What happens then: a wait, a trickle, an RST, a FIN with the connection still open, or nothing more and no end."""

_END = b"0\r\n\r\n"  # of a chunked body
_HELD_S = 20.0
_NO_LINGER = struct.pack("ii", 1, 0)


class _Struck(Exception):
    """The connection ends here."""


class FaultProxy:
    """Forwards to a port; `spoil` says what becomes of the next connection. `connections` counts them."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self._fault: tuple[str, str] = ("", "")
        self._over = threading.Event()
        self.connections = 0
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def spoil(self, fault: str, phase: str) -> None:
        """Let the next connection meet a fault."""
        self._fault, self.connections = (fault, phase), 0
        self._over.clear()

    def over(self) -> None:
        """Let go of connections that are held open."""
        self._over.set()

    def close(self) -> None:
        self.over()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            fault, self._fault = self._fault, ("", "")
            threading.Thread(target=self._serve, args=(client, *fault), daemon=True).start()

    def _serve(self, client: socket.socket, fault: str, phase: str) -> None:
        with contextlib.suppress(_Struck, OSError), client:
            _plain(client)
            if phase == "connect":
                self._strike(client, fault)
            with socket.create_connection(("127.0.0.1", self._target)) as server:
                server.sendall(_request(client))
                for piece in self._spoiled(client, server, fault, phase):
                    client.sendall(piece)

    def _spoiled(
        self, client: socket.socket, server: socket.socket, fault: str, phase: str
    ) -> Iterator[bytes]:
        """The answer's bytes, cut at its phases; the fault strikes at its own."""
        slow = False
        for place, data in _phases(server):
            if place == phase:
                if fault != "bandwidth":
                    self._strike(client, fault)
                slow = fault == "bandwidth"
            for start in range(0, len(data), 256) if slow else ():
                time.sleep(0.001)
                yield data[start : start + 256]
            if not slow:
                yield data

    def _strike(self, client: socket.socket, fault: str) -> None:
        if fault in ("latency", "bandwidth"):
            time.sleep(0.03)
            return
        if fault == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        elif fault == "half close":
            client.shutdown(socket.SHUT_WR)
            self._over.wait(_HELD_S)
        else:
            self._over.wait(_HELD_S)
        raise _Struck


def _plain(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _request(client: socket.socket) -> bytes:
    """One request, whole."""
    head, _, rest = _until(client, b"\r\n\r\n").partition(b"\r\n\r\n")
    while len(rest) < _length(head) and (more := client.recv(65536)):
        rest += more
    return head + b"\r\n\r\n" + rest


def _phases(server: socket.socket) -> Iterator[tuple[str, bytes]]:
    """An answer in parts: its head, the first byte, the middle, the end; the connection is not used again."""
    head, _, body = _until(server, b"\r\n\r\n").partition(b"\r\n\r\n")
    yield "headers", head + b"\r\nconnection: close\r\n\r\n"
    chunked = b"chunked" in head.lower()
    while not (body.endswith(_END) if chunked else len(body) >= _length(head)):
        if not (more := server.recv(65536)):
            raise _Struck
        body += more
    yield "first byte", body[:1]
    yield "between", body[1 : len(body) // 2]
    yield "mid stream", body[len(body) // 2 : -len(_END)]
    yield "end", body[-len(_END) :]


def _length(head: bytes) -> int:
    found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return int(found[1]) if found else 0


def _until(sock: socket.socket, mark: bytes) -> bytes:
    data = b""
    while mark not in data and (more := sock.recv(65536)):
        data += more
    return data
