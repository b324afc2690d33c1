"""Messages to a webhook: from one thread, bounded, tried a few times; who sends one never waits."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable

Post = Callable[[str, bytes], int]
"""Post a JSON body to a URL and give the status; it may raise, and it must not follow redirects."""

_ATTEMPTS = 3
_WAITING = 100


class Webhook:
    """Posts messages to one URL; `offer` never blocks and never raises. `sent` and `dropped` count them."""

    def __init__(self, url: str, post: Post, *, backoff_s: float = 1.0) -> None:
        self._url, self._post, self._backoff_s = url, post, backoff_s
        self.sent = self.dropped = 0
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._wake = threading.Condition()
        self._closing = threading.Event()
        self._queue: deque[bytes] = deque()
        self._thread: threading.Thread | None = None

    def offer(self, body: bytes) -> None:
        """Queue a message; where too many wait it is dropped and counted."""
        if self._pid != os.getpid():
            self._reset()  # a forked child has neither the thread nor a right to the parent's messages
        with self._wake:
            if self._closing.is_set() or len(self._queue) >= _WAITING:
                self.dropped += 1
                return
            self._queue.append(body)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="guard-webhook", daemon=True)
                self._thread.start()
            self._wake.notify()

    def close(self, timeout_s: float = 5.0) -> None:
        """Send what waits, each once, for at most so long; what is left is counted as dropped."""
        self._closing.set()
        with self._wake:
            self._wake.notify()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join(timeout_s)
        with self._wake:
            self.dropped += len(self._queue)
            self._queue.clear()

    def _run(self) -> None:
        while (body := self._next()) is not None:
            if self._sent(body):
                self.sent += 1
            else:
                self.dropped += 1

    def _next(self) -> bytes | None:
        with self._wake:
            while not self._queue and not self._closing.is_set():
                self._wake.wait()
            return self._queue.popleft() if self._queue else None

    def _sent(self, body: bytes) -> bool:
        for attempt in range(_ATTEMPTS):
            if attempt and self._closing.wait(self._backoff_s * 2 ** (attempt - 1)):
                return False
            try:
                status = self._post(self._url, body)
            except Exception:  # whatever it fails of, it is a message that did not arrive
                continue
            if status < 500 and status != 429:
                return 200 <= status < 300
        return False
