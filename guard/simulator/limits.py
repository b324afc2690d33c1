"""A simulated quota of requests a minute: headers as OpenAI sends them, and 429 beyond it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

Headers = list[tuple[bytes, bytes]]


@dataclass
class Quota:
    """So many requests a minute, coming back evenly; `clock` in seconds."""

    limit: int
    clock: Callable[[], float] = time.monotonic
    _left: float = -1.0
    _at: float = 0.0

    def take(self) -> tuple[bool, Headers]:
        """Count a request: whether it is within the quota, and the headers that say what is left."""
        now, rate = self.clock(), self.limit / 60
        left = float(self.limit) if self._left < 0 else min(self.limit, self._left + (now - self._at) * rate)
        within = left >= 1
        self._left, self._at = left - within, now
        return within, self._headers(rate)

    def _headers(self, rate: float) -> Headers:
        named = {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(int(self._left)),
            "x-ratelimit-reset-requests": f"{int((self.limit - self._left) / rate * 1000)}ms",
        }
        if self._left < 1:
            named["retry-after-ms"] = str(int((1 - self._left) / rate * 1000) + 1)
        return [(name.encode(), value.encode()) for name, value in named.items()]
