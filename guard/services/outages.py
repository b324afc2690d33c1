"""Checks that could not run and providers that fail, in the log: the first at once, then one line a minute."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from guard.errors import Unavailable

log = logging.getLogger("guard")

EVERY_S = 60.0
"""Seconds between two lines on the same."""


class Outages:
    """What was told of each thing that fails, and how often it failed since. Safe in any thread."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now, self._lock = now, threading.Lock()
        self._told: dict[str, tuple[float, int]] = {}

    def tell(self, failure: Unavailable) -> None:
        """Log why a check could not run, unless that was told within the last minute."""
        self.say(failure.what, f"a check could not run: {failure.what}: {failure.reason}")

    def say(self, what: str, sentence: str) -> None:
        """Log a sentence, unless one on the same was told within the last minute; it holds no caller's text."""
        now = self._now()
        with self._lock:
            at, missed = self._told.get(what, (now - EVERY_S, 0))
            told = now - at >= EVERY_S
            self._told[what] = (now, 0) if told else (at, missed + 1)
        if told:
            since = f", {missed} times more since the line before" if missed else ""
            log.error("guard: %s%s (guard doctor)", sentence, since)


OUTAGES = Outages()
"""Those of this process."""
