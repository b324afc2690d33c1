"""Post what is durable to someone else: best effort, bounded, drops counted, and nobody waits for it."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

Post = Callable[[str, bytes], int]
"""Post a JSON body to a URL and give the status; it may raise, and it must not follow redirects."""

_BATCH = 256
_ATTEMPTS = 3
_RETRYABLE = frozenset({429, 502, 503, 504})  # OTLP/HTTP, "Failures"


class Courier:
    """Post lines to a URL from one thread; `offer` never blocks and never raises.

    `write` makes one body of a batch. `sent` and `dropped` count lines; dropped are those that found the queue full
    or the receiver deaf.
    """

    def __init__(
        self,
        url: str,
        post: Post,
        write: Callable[[Sequence[bytes]], bytes],
        *,
        name: str,
        queue_bytes: int = 16 * 1024 * 1024,
        linger_s: float = 1.0,
        backoff_s: float = 1.0,
    ) -> None:
        self._url, self._name = url, name
        self._post, self._write = post, write
        self._queue_bytes, self._linger_s, self._backoff_s = queue_bytes, linger_s, backoff_s
        self._closing = threading.Event()
        self.sent = self.dropped = 0
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._wake = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """How many lines wait to be sent."""
        return len(self._queue)

    def offer(self, line: bytes) -> None:
        """Queue one line; where the queue is full it is dropped and counted."""
        if self._pid != os.getpid():
            self._reset()  # a forked child has neither the thread nor a right to the parent's lines
        with self._wake:
            if self._closing.is_set() or self._bytes + len(line) > self._queue_bytes:
                self.dropped += 1
                return
            self._queue.append(line)
            self._bytes += len(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            if len(self._queue) in (1, _BATCH):
                self._wake.notify()

    def close(self, timeout_s: float = 5.0) -> None:
        """Send what is queued, for at most so long; what is left is counted as dropped."""
        self._closing.set()
        with self._wake:
            self._wake.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)
        with self._wake:
            self.dropped += len(self._queue)
            self._queue.clear()

    def _run(self) -> None:
        while batch := self._take():
            if self._send(self._write(batch)):
                self.sent += len(batch)
            else:
                self.dropped += len(batch)

    def _take(self) -> list[bytes]:
        """The next batch, once it is full or has lingered; empty when closing."""
        with self._wake:
            while not self._queue and not self._closing.is_set():
                self._wake.wait()
            until = time.monotonic() + self._linger_s
            while len(self._queue) < _BATCH and not self._closing.is_set():
                if (left := until - time.monotonic()) <= 0:
                    break
                self._wake.wait(left)
            batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
            self._bytes -= sum(map(len, batch))
            return batch

    def _send(self, body: bytes) -> bool:
        for attempt in range(_ATTEMPTS):
            if attempt and self._closing.wait(self._backoff_s * 2 ** (attempt - 1)):
                return False
            try:
                status = self._post(self._url, body)
            except Exception:  # whatever a copy fails of, it is a dropped copy
                continue
            if status not in _RETRYABLE:
                return 200 <= status < 300
        return False
