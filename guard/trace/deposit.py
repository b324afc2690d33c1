"""Signed heads for a bucket or a webhook: each waits as a file until it is taken, over restarts, too."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

_LOG = logging.getLogger("guard.trace")

Put = Callable[[str, bytes], None]
"""Put an object by name; it raises whatever it fails of. The same object may be put twice."""

_ADOPTED_S = 60.0
"""Seconds after which a head that another process left waiting is sent by this one: it may have died."""

_LONGEST_S = 60.0
_DRAFT = ".draft"


class Deposit:
    """Put each head as an object of its own; `take` never raises, and waits for one small file only.

    What the store does not take is tried again, later and later, and after a restart; nothing is given up. `sent`
    counts heads; `dropped` are those that could not even wait, since their file could not be written.
    """

    def __init__(
        self,
        put: Put,
        folder: Path,
        why: Callable[[Exception], str],
        *,
        backoff_s: float = 1.0,
        adopted_s: float = _ADOPTED_S,
    ) -> None:
        self._put, self._folder, self._why = put, folder, why
        self._backoff_s, self._adopted_s = backoff_s, adopted_s
        self.sent = self.dropped = 0
        self._told = False
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._wake = threading.Condition()
        self._closing = threading.Event()
        self._own: list[str] = []
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """How many heads wait to be sent, those of other processes as well."""
        return len(self._names())

    def take(self, export: str, header: bytes, head: bytes) -> None:
        """Let one head wait for the store: the header of its chain, and its line, as `GUARD_HEADS` keeps them."""
        if self._pid != os.getpid():
            self._reset()  # a forked child has not the thread; what waits, the parent sends
        word, seq, *_ = head.split(b" ")
        name = f"{Path(export).stem}-{int(seq):012}-{word.decode()}.heads"
        try:
            self._write(name, header + b"\n" + head + b"\n")
        except OSError as error:
            self.dropped += 1
            return self._tell(f"it cannot wait in {self._folder.name}: {type(error).__name__}")
        with self._wake:
            self._own.append(name)
            self._start()
            self._wake.notify()

    def _start(self) -> None:
        if self._thread is None and not self._closing.is_set():
            self._thread = threading.Thread(target=self._run, name="guard-heads", daemon=True)
            self._thread.start()

    def close(self, timeout_s: float = 5.0) -> None:
        """Send what waits, each once, for at most so long; the rest waits for the next start."""
        self._closing.set()
        with self._wake:
            self._wake.notify()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join(timeout_s)

    def _write(self, name: str, body: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._folder / (name + _DRAFT)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(body)
        draft.rename(self._folder / name)  # whole or not at all: another process may be looking

    def _names(self) -> list[str]:
        with contextlib.suppress(OSError):
            return sorted(path.name for path in self._folder.iterdir() if path.suffix == ".heads")
        return []

    # In the thread.

    def _run(self) -> None:
        failures = 0
        while not self._closing.is_set():
            if self._send(self._next()):
                failures = 0
            else:
                failures += 1
                self._closing.wait(min(self._backoff_s * 2 ** min(failures - 1, 16), _LONGEST_S))
        with self._wake:
            own, self._own = self._own, []
        self._send(own)

    def _next(self) -> list[str]:
        """What this process was given, once there is any; and what others left."""
        with self._wake:
            if not self._own and not self._closing.is_set() and not self._left():
                self._wake.wait(self._adopted_s)
            own, self._own = self._own, []
        return list(dict.fromkeys([*own, *self._left()]))

    def _left(self) -> list[str]:
        before = time.time() - self._adopted_s
        found = []
        for name in self._names():
            with contextlib.suppress(OSError):
                if (self._folder / name).stat().st_mtime <= before:
                    found.append(name)
        return found

    def _send(self, names: list[str]) -> bool:
        """Send each; at the first that fails, leave the rest for later."""
        for at, name in enumerate(names):
            try:
                body = (self._folder / name).read_bytes()
            except OSError:
                continue  # another process has sent it
            try:
                self._put(name, body)
            except Exception as failure:  # whatever it is: the head is kept, and sent later
                self._tell(self._why(failure))
                with self._wake:
                    self._own[:0] = names[at:]
                return False
            self._told = False
            self.sent += 1
            (self._folder / name).unlink(missing_ok=True)
        return True

    def _tell(self, reason: str) -> None:
        if not self._told:
            _LOG.warning("a signed head could not be sent to GUARD_HEADS, and waits (%s)", reason)
        self._told = True
