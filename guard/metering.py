"""Floor 6, the numbers of a guard as a whole: what its calls counted, its queues, circuits, budgets; of all workers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from guard.errors import Unavailable
from guard.trace import exposition
from guard.trace import instruments as all_
from guard.trace.instruments import Instrument
from guard.trace.meter import Labels, Snapshot
from guard.trace.otlp import Post
from guard.trace.snapshots import EVERY_S, Shared
from guard.trace.ticker import Ticker
from guard.traffic.budget import Budget, Spending

if TYPE_CHECKING:
    from guard.guard import Guard

COPY_EVERY_S = 30.0
"""Seconds between two copies of the numbers for a Collector."""

_Rows = list[tuple[Labels, float]]
_Numbers = dict[Instrument, _Rows]


class Metering:
    """Gathers the numbers of a guard.

    `post` is given where a Collector is to have a copy, `shared` where several processes count together.
    """

    def __init__(self, guard: Guard, *, post: Post | None = None, shared: Shared | None = None) -> None:
        self._guard, self._post, self._shared = guard, post, shared
        self._since = time.time_ns()
        self._tickers: list[Ticker] = []
        self._others: dict[str, Callable[[], _Numbers] | None] = {}
        if shared is not None:
            self._tickers.append(Ticker("guard-metrics", EVERY_S, self._leave))
        if post is not None:
            self._tickers.append(Ticker("guard-metrics-copy", COPY_EVERY_S, self._copy))

    def also(self, who: str, numbers: Callable[[], _Numbers] | None) -> None:
        """Take in what somebody else counts, from now on, or None: no more."""
        self._others = {**self._others, who: numbers}

    def start(self) -> None:
        """Begin what is done in the background, if anything is."""
        for ticker in self._tickers:
            ticker.start()

    def close(self) -> None:
        """Tell the last numbers."""
        for ticker in self._tickers:
            ticker.close()

    def numbers(self) -> Snapshot:
        """The numbers of all workers; blocks on the budget's store."""
        mine = self._mine({**self._standing(), **self._budget()})
        return mine if self._shared is None else self._shared.with_others(mine)

    def counted(self) -> Snapshot:
        """The numbers of all workers, without what a store would have to be asked for."""
        mine = self._mine(self._standing())
        return mine if self._shared is None else self._shared.with_others(mine)

    def prometheus(self) -> bytes:
        """The same, as Prometheus reads them."""
        return exposition.prometheus(self.numbers())

    def _leave(self) -> None:
        assert self._shared is not None
        self._shared.write(self._mine(self._standing()))

    def _copy(self) -> None:
        """Send this process's numbers; each process is an instance of its own at the Collector."""
        assert self._post is not None
        recorder = self._guard.recorder
        mine = self._mine({**self._standing(), **self._budget()})
        body = exposition.otlp(mine, recorder.resource, self._since, time.time_ns())
        self._post(self._guard.settings.otlp_endpoint.rstrip("/") + "/v1/metrics", body)

    def _mine(self, elsewhere: _Numbers) -> Snapshot:
        self._guard.metrics.put(elsewhere)
        return self._guard.metrics.meter.snapshot()

    def _standing(self) -> _Numbers:
        """What stands at this moment."""
        guard = self._guard
        ledger, copy = guard.recording, guard.collector
        policies = [member.policy for member in guard.family]
        depths: _Rows = [(("ledger",), ledger.waiting)] if ledger is not None else []
        found: _Numbers = {
            all_.INFO: [((guard.recorder.version, p.policy, p.version, p.sha256), 1) for p in policies],
            all_.STALE: [((), int(bool(guard.refused_reload)))],
            all_.DEPTH: depths,
            all_.BREAKER: [*self._circuits()],
        }
        if copy is not None:
            depths.append((("trace_copy",), copy.waiting))
            found[all_.COPIES] = [(("sent",), copy.sent), (("dropped",), copy.dropped)]
        if guard.heads is not None:
            depths.append((("heads",), guard.heads.waiting))
            found[all_.HEADS] = [(("sent",), guard.heads.sent), (("dropped",), guard.heads.dropped)]
        for numbers in self._others.values():
            found |= numbers() if numbers is not None else {}
        return found

    def _circuits(self) -> Iterator[tuple[Labels, float]]:
        metrics = self._guard.metrics
        circuits = [circuit for dispatch in self._guard.dispatches for circuit in dispatch.sender.circuits()]
        for host, model, state in sorted(circuits, key=lambda circuit: circuit[2]):
            yield (host, metrics.model(model)), state  # of several under one name the worst is written last

    def _budget(self) -> _Numbers:
        """What was spent; of several policies' limits on one account the smallest is told."""
        budgets = [dispatch.budget for dispatch in self._guard.dispatches if dispatch.budget is not None]
        found: _Numbers = {all_.SPENT: [], all_.LIMIT: []} if budgets else {}
        limits: dict[Labels, float] = {}
        for budget in budgets:
            for row in _spending(budget):
                labels = (self._scope(row.scope), row.period)
                if labels[0]:
                    found[all_.SPENT].append((labels, row.spent))
                    limits[labels] = min(limits.get(labels, math.inf), row.limit or math.inf)
        if budgets:
            found[all_.LIMIT] = [(labels, limit) for labels, limit in limits.items() if limit < math.inf]
        return found

    def _scope(self, scope: str) -> str:
        """The scope as a label; empty for tenants beyond those that are told apart."""
        tenant = scope.partition(":")[2]
        known = self._guard.metrics.tenant(tenant) if tenant else ""
        return scope if known == tenant else ""


def _spending(budget: Budget) -> list[Spending]:
    """What a budget's store tells; nothing while it does not answer: unknown is not zero."""
    try:
        return budget.spending()
    except (Unavailable, TimeoutError):
        return []
