"""Floor 6, the doors of one call: detection, moderation, the ledger."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from guard.errors import Unavailable
from guard.judging import Moderation, SyncModeration
from guard.residency import inside
from guard.types import Admission, Finding

if TYPE_CHECKING:
    from guard.guard import Guard

_Scores = list[dict[str, float]]


def _check_judge(guard: Guard, url: str, settled: Admission | None) -> None:
    """Keep the judge inside the places of `egress.rules`, too: the answer is about what was found in the request."""
    if settled is None or not settled.within or guard.policy.egress.mode == "observe":
        return
    place = guard.admit(url).place
    if place is None or not inside(place, settled.within):
        where = ", ".join(settled.within)
        raise Unavailable(
            "moderation", f"the judge is not inside {where}, where egress.rules keeps this call"
        )


class Held(Protocol):
    """What is held to a guard: a call, once its request was read to the guard of the policy that holds for it."""

    @property
    def guard(self) -> Guard: ...


@dataclass(frozen=True, slots=True)
class To:
    """What is held to one guard from the start."""

    guard: Guard


class CallDoors:
    """The doors of one call, asynchronous; `judge` names the moderation service under the guard that holds."""

    def __init__(
        self, held: Held, judge: Callable[[Guard], Moderation | None], parent: Any, tenant: str
    ) -> None:
        self._held = held
        self._judge = judge
        self._parent = parent
        self._tenant = tenant
        self.settled: Admission | None = None

    @cached_property
    def _moderation(self) -> Moderation | None:
        return self._judge(self._held.guard)

    def detect(self, texts: Sequence[str]) -> Coroutine[Any, Any, list[list[Finding]]]:
        """Find spans in each text, by the lists of this tenant."""
        return self._held.guard.detector.detect(texts, self._tenant)

    async def score(self, texts: Sequence[str]) -> _Scores:
        """Ask the moderation service about each text."""
        if self._moderation is None:
            raise Unavailable("moderation", "no moderation service is configured for this call")
        _check_judge(self._held.guard, self._moderation.url, self.settled)
        return await self._moderation.score(texts, self._parent)

    def streaming(self) -> AbstractContextManager[None]:
        """Say, while the block lasts, that a stream is being judged."""
        return nullcontext() if self._moderation is None else self._moderation.streaming()

    async def commit(self, record: bytes) -> None:
        """Make a record durable."""
        with self._held.guard.metrics.committing():
            await self._held.guard.ledger.commit(record)


class SyncCallDoors:
    """The doors of one call, blocking; `judge` as for `CallDoors`."""

    def __init__(
        self, held: Held, judge: Callable[[Guard], SyncModeration | None], parent: Any, tenant: str
    ) -> None:
        self._held = held
        self._judge = judge
        self._parent = parent
        self._tenant = tenant
        self.settled: Admission | None = None

    @cached_property
    def _moderation(self) -> SyncModeration | None:
        return self._judge(self._held.guard)

    def detect(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Find spans in each text, by the lists of this tenant."""
        return self._held.guard.detector.detect_sync(texts, self._tenant)

    def score(self, texts: Sequence[str]) -> _Scores:
        """Ask the moderation service about each text."""
        if self._moderation is None:
            raise Unavailable("moderation", "no moderation service is configured for this call")
        _check_judge(self._held.guard, self._moderation.url, self.settled)
        return self._moderation.score(texts, self._parent)

    def streaming(self) -> AbstractContextManager[None]:
        """Say, while the block lasts, that a stream is being judged."""
        return nullcontext() if self._moderation is None else self._moderation.streaming()

    def commit(self, record: bytes) -> None:
        """Make a record durable."""
        with self._held.guard.metrics.committing():
            self._held.guard.ledger.commit_sync(record)


class LocalDoors(SyncCallDoors):
    """The doors of the Python interface: the moderation service that the settings name."""

    def __init__(self, guard: Guard, tenant: str = "default") -> None:
        super().__init__(To(guard), lambda g: g.moderation(*g.default_moderation(), sync=True), None, tenant)

    @property
    def asynchronous(self) -> CallDoors:
        """The same doors for an event loop."""
        return CallDoors(
            self._held, lambda g: g.moderation(*g.default_moderation(), sync=False), None, self._tenant
        )
