"""The placeholders of answers that a provider stores, kept for a while, so that a conversation can go on from one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from guard.pii.mapping import Mapping
from guard.types import Identity

SECONDS = 3600.0
"""How long an answer can be gone on from; after that its placeholders are forgotten."""

MOST = 4096
"""How many answers are remembered; of more the oldest are forgotten."""


class _Kept(NamedTuple):
    placeholders: Mapping
    until: float


class Histories:
    """Placeholders by whose answer it was and the id that its provider gave it. In memory, for any thread.

    Only who got an answer can go on from it: another tenant's or user's id is not known.
    """

    def __init__(
        self, *, seconds: float = SECONDS, most: int = MOST, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._most = most
        self._now = now
        self._kept: OrderedDict[tuple[Identity, str], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, who: Identity, answer: str, placeholders: Mapping) -> None:
        """Keep a copy of the placeholders of an answer."""
        kept = _Kept(placeholders.fork(), self._now() + self._seconds)
        with self._lock:
            self._kept.pop((who, answer), None)
            self._kept[who, answer] = kept
            while len(self._kept) > self._most or next(iter(self._kept.values())).until <= self._now():
                self._kept.popitem(last=False)
                if not self._kept:
                    return

    def recall(self, who: Identity, answer: str) -> Mapping | None:
        """The placeholders of an answer, a copy of one's own; None where they are not known any more."""
        with self._lock:
            kept = self._kept.get((who, answer))
        return None if kept is None or kept.until <= self._now() else kept.placeholders.fork()
