"""Counts and times of one process, by instrument and labels: fixed numbers in a table, no sample is kept.

The SDK's instruments are not used: one `record` of theirs takes 11 to 14 µs and a call has eight or more; here it is
under one. What is counted leaves in OpenTelemetry's own form (`guard.trace.exposition`).
"""

from __future__ import annotations

import os
import threading
import weakref
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from typing import Any

from guard.trace.instruments import BY_NAME, INSTRUMENTS, Instrument
from guard.trace.records import OTHER

Labels = tuple[str, ...]
Numbers = tuple[float, ...]
"""A counter's or gauge's number; a histogram's sum, then how many were in each bucket, above all bounds last."""

Snapshot = Mapping[str, Mapping[Labels, Numbers]]
"""The numbers at one moment: by the instrument's name, by labels."""

SERIES = 1000
"""Sets of labels of one instrument; what comes beyond is counted together, under `_OTHER`."""


Row = list[float]
"""The numbers of one series, as they change; only under the meter's lock."""

_REMEMBERED = 4096

_TOLD = 1024
"""So many events are counted at once: one by one each costs ten times as much."""


class Meter:
    """The numbers of one process. Thread-safe, bounded; a forked child begins at zero.

    `rows` remembers the rows that something counts on, so that their labels are written once: it is emptied at will.
    What is told (`tell`) is counted before anybody reads the numbers.
    """

    def __init__(self) -> None:
        self._reset()
        _METERS.add(self)

    def _reset(self) -> None:
        self.lock = threading.Lock()
        self._rows: dict[Instrument, dict[Labels, Row]] = {one: {} for one in INSTRUMENTS}
        self._remembered: dict[object, tuple[Row, ...]] = {}
        self._told: deque[tuple[Any, ...]] = deque()

    def rows(self, key: object) -> tuple[Row, ...] | None:
        """The rows that were remembered under a key."""
        return self._remembered.get(key)

    def remember(self, key: object, *series: tuple[Instrument, Labels]) -> tuple[Row, ...]:
        """Find or make the rows of some series, and remember them under a key, if there is one."""
        with self.lock:
            return self._remember(key, *series)

    def tell(self, events: Iterable[tuple[Any, ...]]) -> None:
        """Count events, each on a counter: a function and what it makes the instrument and the labels of."""
        self._told.extend(events)
        if len(self._told) >= _TOLD:
            with self.lock:
                self._count()

    def add(self, what: Instrument, labels: Labels = (), amount: float = 1) -> None:
        """Add to a counter, or to a gauge."""
        with self.lock:
            self._row(what, labels)[0] += amount

    def observe(self, what: Instrument, labels: Labels, value: float) -> None:
        """Count one value of a histogram."""
        with self.lock:
            place(self._row(what, labels), what.bounds, value)

    def replace(self, what: Instrument, numbers: Iterable[tuple[Labels, float]]) -> None:
        """Put numbers that are counted elsewhere in place of all of an instrument's."""
        with self.lock:
            self._rows[what] = {}
            for labels, number in numbers:
                self._row(what, labels)[0] = number

    def snapshot(self) -> Snapshot:
        """Copy the numbers of what was ever counted."""
        with self.lock:
            self._count()
            return {
                what.name: {labels: tuple(row) for labels, row in rows.items()}
                for what, rows in self._rows.items()
                if rows
            }

    def _count(self) -> None:
        """Add up what was told; the caller holds the lock, others may tell more meanwhile."""
        told = [self._told.popleft() for _ in range(len(self._told))]
        for event, times in Counter(told).items():
            [row] = self._remembered.get(event) or self._remember(event, event[0](*event[1:]))
            row[0] += times

    def _remember(self, key: object, *series: tuple[Instrument, Labels]) -> tuple[Row, ...]:
        found = tuple(self._row(what, labels) for what, labels in series)
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        if key is not None:
            self._remembered[key] = found
        return found

    def _row(self, what: Instrument, labels: Labels) -> Row:
        rows = self._rows[what]
        row = rows.get(labels)
        if row is None:
            if len(rows) >= SERIES:
                labels = (OTHER,) * len(labels)
            row = rows.setdefault(labels, [0.0] * (len(what.bounds) + 2 if what.bounds else 1))
        return row


def place(row: Row, bounds: tuple[float, ...], value: float) -> None:
    """Count one value on a histogram's row; the caller holds the lock."""
    row[0] += value
    row[1 + bisect_left(bounds, value)] += 1


def merged(snapshots: Iterable[Snapshot]) -> Snapshot:
    """The numbers of several processes together."""
    found: dict[str, dict[Labels, Numbers]] = {}
    for snapshot in snapshots:
        for name, rows in snapshot.items():
            mine = found.setdefault(name, {})
            for labels, numbers in rows.items():
                mine[labels] = _both(BY_NAME[name], mine[labels], numbers) if labels in mine else numbers
    return found


def lasting(snapshot: Snapshot) -> Snapshot:
    """What of a process's numbers still holds once it has ended: all but gauges."""
    return {name: rows for name, rows in snapshot.items() if BY_NAME[name].kind != "gauge"}


def _both(what: Instrument, first: Numbers, second: Numbers) -> Numbers:
    if what.highest:
        return max(first, second)
    return tuple(map(sum, zip(first, second, strict=True)))


_METERS: weakref.WeakSet[Meter] = weakref.WeakSet()


def _after_fork() -> None:
    for meter in list(_METERS):
        meter._reset()


os.register_at_fork(after_in_child=_after_fork)
