"""The access log of a gateway: one JSON line a request, made of names and numbers of guard; no text, path or query.

Lines are gathered and written by a thread: a disk or a reader that is slow delays no call.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from guard.errors import SetupError
from guard.trace.ticker import Ticker

if TYPE_CHECKING:
    from guard.mounts.operations import Request

log = logging.getLogger("guard")

_EVERY_S = 0.25
_LINES = 10_000
"""Lines that may wait; beyond these the oldest are dropped, and the next line that is written says how many."""


class AccessLog:
    """Appends to a file, or with `-` to standard output; raises SetupError where the file cannot be opened."""

    def __init__(self, target: str) -> None:
        try:
            self._out = 1 if target == "-" else os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as failure:
            raise SetupError(f"GUARD_ACCESS_LOG: {target} cannot be opened: {failure.strerror}") from None
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._ticker = Ticker("guard-access-log", _EVERY_S, self._flush)
        self._ticker.start()

    def write(self, request: Request, method: str, endpoint: str, seconds: float) -> None:
        """Gather the line of a request that ended."""
        call = request.call
        line = {
            "time": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds"),
            "method": method if method.isalpha() and len(method) <= 16 else "_OTHER",
            "endpoint": endpoint,
            "status": request.status or None,
            "ms": round(seconds * 1000, 1),
            "bytes": request.bytes,
            "tenant": call.tenant if call is not None else None,
            "action": call.action.word if call is not None else None,
            "trace": call.trace_id if call is not None else None,
            "pid": os.getpid(),
        }
        if len(self._lines) >= _LINES:
            self._dropped += 1
            return
        self._lines.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        """Write what is gathered, and close the file."""
        self._ticker.close()
        out, self._out = self._out, -1  # its number may be another's from here on
        if out not in (1, -1):
            os.close(out)

    def _flush(self) -> None:
        while self._lines:
            batch = b"".join(self._lines.popleft() for _ in range(min(len(self._lines), 256)))
            try:
                os.write(self._out, batch)
            except OSError as failure:
                log.error("the access log cannot be written: %s", failure.strerror)
        dropped, self._dropped = self._dropped, 0
        if dropped:
            log.error("the access log was too slow: %d lines were dropped", dropped)
