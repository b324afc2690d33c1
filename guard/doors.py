"""Floor 6, the doors of one call: detection, moderation, the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from guard.errors import Unavailable
from guard.judging import Moderation, SyncModeration
from guard.types import Finding

if TYPE_CHECKING:
    from guard.guard import Guard

_Scores = list[dict[str, float]]


class CallDoors:
    """The doors of one call, asynchronous."""

    def __init__(self, guard: Guard, moderation: Moderation | None, parent: Any, tenant: str) -> None:
        self._guard = guard
        self._moderation = moderation
        self._parent = parent
        self._tenant = tenant

    async def detect(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Find spans in each text, by the lists of this tenant."""
        return await self._guard.detector.detect(texts, self._tenant)

    async def score(self, texts: Sequence[str]) -> _Scores:
        """Ask the moderation service about each text."""
        if self._moderation is None:
            raise Unavailable("moderation", "no moderation service is configured for this call")
        return await self._moderation.score(texts, self._parent)

    def streaming(self) -> AbstractContextManager[None]:
        """Say, while the block lasts, that a stream is being judged."""
        return nullcontext() if self._moderation is None else self._moderation.streaming()

    async def commit(self, record: bytes) -> None:
        """Make a record durable."""
        await self._guard.ledger.commit(record)


class SyncCallDoors:
    """The doors of one call, blocking."""

    def __init__(self, guard: Guard, moderation: SyncModeration | None, parent: Any, tenant: str) -> None:
        self._guard = guard
        self._moderation = moderation
        self._parent = parent
        self._tenant = tenant

    def detect(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Find spans in each text, by the lists of this tenant."""
        return self._guard.detector.detect_sync(texts, self._tenant)

    def score(self, texts: Sequence[str]) -> _Scores:
        """Ask the moderation service about each text."""
        if self._moderation is None:
            raise Unavailable("moderation", "no moderation service is configured for this call")
        return self._moderation.score(texts, self._parent)

    def streaming(self) -> AbstractContextManager[None]:
        """Say, while the block lasts, that a stream is being judged."""
        return nullcontext() if self._moderation is None else self._moderation.streaming()

    def commit(self, record: bytes) -> None:
        """Make a record durable."""
        self._guard.ledger.commit_sync(record)


class LocalDoors(SyncCallDoors):
    """The doors of the Python interface: the moderation service that the settings name."""

    def __init__(self, guard: Guard, tenant: str = "default") -> None:
        base, auth = guard.default_moderation()
        super().__init__(guard, guard.moderation(base, auth, sync=True), None, tenant)

    @property
    def asynchronous(self) -> CallDoors:
        """The same doors for an event loop."""
        base, auth = self._guard.default_moderation()
        moderation = self._guard.moderation(base, auth, sync=False)
        return CallDoors(self._guard, moderation, None, self._tenant)
