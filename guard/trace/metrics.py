"""What is counted of each call: numbers and names of guard, the model and the tenant; never a text.

Names that callers choose are bounded: a model has a row of its own once a call of it succeeded, a tenant where its name
is an identifier, a hundred of each; all others are `_OTHER`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from guard.trace import instruments as all_
from guard.trace.instruments import Instrument
from guard.trace.meter import Labels, Meter, Row, place
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


_DURABLE = "durable"


class Committing:
    """Times one commit of the record."""

    __slots__ = ("_begun", "_meter")

    def __init__(self, meter: Meter) -> None:
        self._meter, self._begun = meter, time.perf_counter()

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Count it, by the class of what it failed of."""
        seconds, meter = time.perf_counter() - self._begun, self._meter
        rows = meter.rows(kind or _DURABLE)
        if rows is None:
            rows = meter.remember(kind or _DURABLE, (all_.COMMIT, (kind.__name__ if kind else "",)))
        with meter.lock:
            place(rows[0], all_.COMMITS, seconds)


class Metrics:
    """The metrics of one guard. Thread-safe."""

    def __init__(self) -> None:
        self.meter = Meter()
        self.lines: tuple[Line, ...] = ()
        self._models: set[str] = set()
        self._tenants: set[str] = set()

    def decided(self, verdict: Verdict, tenant: str) -> None:
        """Count a verdict and its findings."""
        told = (
            _verdict,
            verdict.stage._value_,
            verdict.action.word,
            verdict.enforced.word,
            self.tenant(tenant),
        )
        self.meter.tell((told,))
        if verdict.decisions:
            self.found(verdict)

    def found(self, verdict: Verdict) -> None:
        """Count the findings of a verdict."""
        stage = verdict.stage._value_
        self.meter.tell(
            [(_finding, stage, found.kind, done.word) for found, _, done, _, _, _ in verdict.decisions]
        )

    def checked(self, receipts: Receipts) -> None:
        """Count what became of the checks since this was last told."""
        news = receipts.news()
        if news:
            self.meter.tell([(_check, name, receipt._value_) for name, receipt in news.items()])

    def admitted(self, admission: Admission) -> None:
        """Count what the residency rules said of a destination."""
        said = REFUSED if not admission.allowed else OBSERVED if admission.code else ADMITTED
        self.meter.tell(((_residency, said),))

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
        key = (
            call[:5],
            call.error,
            call.answered,
            call.first is None,
            call.input is None,
            call.output is None,
        )
        rows = iter(self.meter.rows(key) or self._call_rows(key, call))
        with self.meter.lock:
            place(next(rows), all_.TIMES, call.seconds)
            if call.first is not None:
                place(next(rows), all_.TIMES, call.first)
            if call.input is not None:
                place(next(rows), all_.TOKENS, max(0, call.input))
            if call.output is not None:
                place(next(rows), all_.TOKENS, max(0, call.output))
        if self.lines and call.error not in GAVE_UP:
            self._compare(call, self.model(call.model, call.answered))

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
        key = (method, endpoint, status)
        rows = self.meter.rows(key)
        if rows is None:
            rows = self.meter.remember(key, (all_.REQUESTS, (_method(method), endpoint, str(status or ""))))
        with self.meter.lock:
            place(rows[0], all_.REQUEST_TIMES, seconds)

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

    def _call_rows(self, key: object, call: Called) -> tuple[Row, ...]:
        """The rows of a call; remembered once its model has a name: until then it may come to have one."""
        series = list(self._series(call))
        named = self.model(call.model) == call.model
        return self.meter.remember(key if named else None, *series)

    def _series(self, call: Called) -> Iterator[tuple[Instrument, Labels]]:
        """The series that a call counts on: duration, first bytes, tokens in and out, as far as there are such."""
        model = self.model(call.model, call.answered)
        where = (call.operation, call.provider, model, call.host, str(call.port or ""))
        yield all_.DURATION, (*where, call.error)
        if call.first is not None:
            yield all_.FIRST, where
        if call.input is not None:
            yield all_.USAGE, (*where, "input")
        if call.output is not None:
            yield all_.USAGE, (*where, "output")


_Series = tuple[Instrument, Labels]


def _verdict(*labels: str) -> _Series:
    return all_.VERDICTS, labels


def _finding(*labels: str) -> _Series:
    return all_.FINDINGS, labels


def _check(*labels: str) -> _Series:
    return all_.CHECKS, labels


def _residency(*labels: str) -> _Series:
    return all_.RESIDENCY, labels


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
