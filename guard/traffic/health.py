"""How a destination has been doing lately: the circuit breaker and the retry budget, one of each a destination.

Pure but for a lock: the time is an argument, in seconds of a clock that never jumps.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Any, NamedTuple

WINDOW_S = 10
"""Seconds that are looked back on."""

FAILURES = 10
"""Failed tries in the window, at least, before the circuit opens …"""

FAILED_SHARE = 0.5
"""… and their least share of all tries."""

OPEN_S = 5.0
"""How long the circuit stays open at first; each probe that fails doubles it, up to LONGEST_OPEN_S."""

LONGEST_OPEN_S = 60.0

RETRY_SHARE = 0.1
"""Retries for each first try of the window (the `retry budget` of Envoy and Finagle): an outage is not made worse."""

FEW_RETRIES = 10
"""Retries in the window that are always allowed, so that little traffic is retried too."""

_DESTINATIONS = 1024


class _Second:
    """What happened in one second."""

    __slots__ = ("at", "failed", "first", "retried")

    def __init__(self, at: int) -> None:
        self.at = at
        self.first = self.retried = self.failed = 0


class Entry(NamedTuple):
    """Whether a try may go: `shut_s` is 0, or the seconds until one may. A `probe` decides if the circuit closes."""

    shut_s: float = 0.0
    probe: bool = False


class Health:
    """One destination. Every try is let in by `enter` and ended by `leave`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seconds: deque[_Second] = deque()
        self._open_until: float | None = None
        self._open_s = OPEN_S
        self._probing = False

    def state(self, now: float) -> int:
        """The circuit at this moment: 0 closed, 1 probing or ready for a probe, 2 open."""
        with self._lock:
            if self._open_until is None:
                return 0
            return 2 if now < self._open_until else 1

    def enter(self, now: float) -> Entry:
        """Let a try in, or say when; once a circuit has been open long enough one probe is let in at a time."""
        with self._lock:
            if self._open_until is None:
                return Entry()
            if now < self._open_until:
                return Entry(self._open_until - now)
            if self._probing:
                return Entry(1.0)
            self._probing = True
            return Entry(probe=True)

    def spend_retry(self, now: float) -> bool:
        """Whether the retry budget has one left; counts it."""
        with self._lock:
            self._forget(now)
            first = sum(second.first for second in self._seconds)
            retried = sum(second.retried for second in self._seconds)
            if retried >= max(FEW_RETRIES, int(RETRY_SHARE * first)):
                return False
            self._second(now).retried += 1
            return True

    def leave(self, now: float, entry: Entry, *, failed: bool | None, retry: bool) -> None:
        """Note how a try ended; `failed` is None where it was given up before it told anything."""
        with self._lock:
            self._forget(now)
            second = self._second(now)
            second.first += not retry
            second.failed += failed is True
            if entry.probe:
                self._probed(now, failed)
            elif self._open_until is None and failed and self._failing():
                self._open_until = now + self._open_s

    def _probed(self, now: float, failed: bool | None) -> None:
        self._probing = False
        if failed:
            self._open_s = min(LONGEST_OPEN_S, 2 * self._open_s)
            self._open_until = now + self._open_s
        elif failed is False:
            self._open_until, self._open_s = None, OPEN_S
            self._seconds.clear()

    def _failing(self) -> bool:
        failed = sum(second.failed for second in self._seconds)
        tried = sum(second.first + second.retried for second in self._seconds)
        return failed >= FAILURES and failed >= FAILED_SHARE * tried

    def _second(self, now: float) -> _Second:
        if not self._seconds or self._seconds[-1].at != int(now):
            self._seconds.append(_Second(int(now)))
        return self._seconds[-1]

    def _forget(self, now: float) -> None:
        while self._seconds and self._seconds[0].at <= now - WINDOW_S:
            self._seconds.popleft()


class Destinations:
    """The health of each destination; the least recently used is forgotten where there are too many."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, Health] = OrderedDict()

    def states(self, now: float) -> list[tuple[Any, int]]:
        """The circuit to each destination."""
        with self._lock:
            known = list(self._known.items())
        return [(destination, health.state(now)) for destination, health in known]

    def of(self, destination: Hashable) -> Health:
        """The health of one destination."""
        with self._lock:
            health = self._known.get(destination)
            if health is None:
                health = self._known[destination] = Health()
            self._known.move_to_end(destination)
            if len(self._known) > _DESTINATIONS:
                self._known.popitem(last=False)
            return health
