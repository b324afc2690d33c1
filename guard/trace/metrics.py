"""What is counted of each call: numbers and names of guard, the model and the tenant; never a text.

Names that callers choose are bounded: a model has a row of its own once a call of it succeeded, a tenant where its name
is an identifier, a hundred of each; all others are `_OTHER`.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from guard.trace import instruments as all_
from guard.trace.instruments import Instrument
from guard.trace.meter import Labels, Meter
from guard.trace.records import ADMITTED, OTHER, REFUSED, identifier
from guard.types import Admission, Receipts, Verdict

NAMES = 100
"""Models, and tenants, that are told apart."""

OBSERVED = "observed"

GAVE_UP = ("client_left", "guard_stopped")
"""Calls whose client, or gateway, ended them: how long they took says nothing of the model."""


class Called(NamedTuple):
    """One model call as it ended: where it went, how long it took and its first bytes (seconds), and its tokens.

    `first` is None for an answer that was not streamed, or never began; `answered` says that the model answered.
    """

    operation: str
    provider: str
    model: str
    host: str
    port: int | None
    seconds: float
    first: float | None
    error: str
    input: int | None
    output: int | None
    answered: bool


class Line(NamedTuple):
    """A line of an alert that calls are held to; with `streams` only streamed ones."""

    alert: str
    seconds: float
    streams: bool


class Committing:
    """Times one commit of the record."""

    __slots__ = ("_begun", "_meter")

    def __init__(self, meter: Meter) -> None:
        self._meter, self._begun = meter, time.perf_counter()

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Count it, by the class of what it failed of."""
        seconds = time.perf_counter() - self._begun
        self._meter.observe(all_.COMMIT, (kind.__name__ if kind else "",), seconds)


class Metrics:
    """The metrics of one guard. Thread-safe."""

    def __init__(self) -> None:
        self.meter = Meter()
        self.lines: tuple[Line, ...] = ()
        self._models: set[str] = set()
        self._tenants: set[str] = set()

    def decided(self, verdict: Verdict, tenant: str) -> None:
        """Count a verdict and its findings."""
        stage = str(verdict.stage)
        labels = (stage, verdict.action.word, verdict.enforced.word, self.tenant(tenant))
        self.meter.add(all_.VERDICTS, labels)
        if verdict.decisions:
            self.found(verdict)

    def found(self, verdict: Verdict) -> None:
        """Count the findings of a verdict."""
        found = Counter((d.finding.kind, d.enforced) for d in verdict.decisions)
        for (kind, enforced), count in found.items():
            self.meter.add(all_.FINDINGS, (str(verdict.stage), kind, enforced.word), count)

    def checked(self, receipts: Receipts) -> None:
        """Count what became of the checks since this was last told."""
        for check, receipt in receipts.news():
            self.meter.add(all_.CHECKS, (check, str(receipt)))

    def admitted(self, admission: Admission) -> None:
        """Count what the residency rules said of a destination."""
        said = REFUSED if not admission.allowed else OBSERVED if admission.code else ADMITTED
        self.meter.add(all_.RESIDENCY, (said,))

    def committing(self) -> Committing:
        """Count the commit that is awaited inside the block."""
        return Committing(self.meter)

    def tried(self, model: str, number: int, error: str) -> None:
        """Count one try of a model call; `error` is empty where it was answered."""
        name = self.model(model, not error)
        self.meter.add(all_.ATTEMPTS, (name, error))
        if number > 1:
            self.meter.add(all_.RETRIES, (name,))

    def called(self, call: Called) -> None:
        """Count one model call."""
        meter, where = self.meter, self._where(call)
        meter.observe(all_.DURATION, (*where, call.error), call.seconds)
        for kind, tokens in (("input", call.input), ("output", call.output)):
            if tokens is not None and tokens >= 0:
                meter.observe(all_.USAGE, (*where, kind), tokens)
        if call.first is not None:
            meter.observe(all_.FIRST, where, call.first)
        if self.lines and call.error not in GAVE_UP:
            self._compare(call, where[2])

    def _compare(self, call: Called, model: str) -> None:
        """Count a call for each line that it is held to: until the answer, of a stream until its first bytes."""
        until = call.seconds if call.first is None else call.first
        for line in self.lines:
            if line.streams and call.first is None:
                continue
            self.meter.add(all_.TIMED, (model, line.alert))
            if until > line.seconds:
                self.meter.add(all_.OVER, (model, line.alert))

    def cost(self, tenant: str, model: str, micro_usd: int) -> None:
        """Count what a call cost, in micro-dollars."""
        labels = (self.tenant(tenant), self.model(model))
        self.meter.add(all_.COST, labels, micro_usd / 1_000_000)

    def kept(self, reason: str) -> None:
        """Count a call that failed for good and was stored as a dead letter."""
        self.meter.add(all_.LETTERS, (reason,))

    def requested(self, method: str, endpoint: str, status: int, seconds: float) -> None:
        """Count one request to the gateway; status 0: its client left before an answer began."""
        self.meter.observe(all_.REQUESTS, (_method(method), endpoint, str(status or "")), seconds)

    def put(self, numbers: Mapping[Instrument, Sequence[tuple[Labels, float]]]) -> None:
        """Put in what is counted elsewhere."""
        for what, rows in numbers.items():
            self.meter.replace(what, rows)

    def tenant(self, name: str) -> str:
        """The tenant as a label."""
        return _bounded(self._tenants, name, True)

    def model(self, name: str, answered: bool = False) -> str:
        """The model as a label."""
        return _bounded(self._models, name, answered)

    def _where(self, call: Called) -> Labels:
        model = self.model(call.model, call.answered)
        return (call.operation, call.provider, model, call.host, str(call.port or ""))


def _bounded(known: set[str], name: str, new: bool) -> str:
    if name in known:
        return name
    if not new or len(known) >= NAMES or identifier(name) != name:
        return OTHER
    known.add(name)
    return name


_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))


def _method(name: str) -> str:
    return name if name in _METHODS else OTHER
