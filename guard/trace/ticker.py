"""Something that is done again and again in a thread of its own, until it is closed."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

log = logging.getLogger("guard")


class Ticker:
    """Does `action` every `seconds`, and once more at the end; what it fails of is logged, and it goes on.

    `start` may be called again, also after a fork: there is one thread a process.
    """

    def __init__(self, name: str, seconds: float, action: Callable[[], None]) -> None:
        self._name, self._seconds, self._action = name, seconds, action
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def start(self) -> None:
        """Start the thread where there is none."""
        if self._pid == os.getpid():
            return
        with self._lock:
            self._pid, self._closing = os.getpid(), threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._closing,), name=self._name, daemon=True
            )
            self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Do it once more and end, within so many seconds."""
        if self._thread is not None and self._pid == os.getpid():
            self._closing.set()
            self._thread.join(timeout_s)

    def _run(self, closing: threading.Event) -> None:
        while not closing.wait(self._seconds):
            self._act()
        self._act()

    def _act(self) -> None:
        try:
            self._action()
        except Exception as failure:
            log.error("%s: %s", self._name, type(failure).__name__)
