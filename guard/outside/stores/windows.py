"""Requests and tokens a minute, counted together over a sliding window; the time is an argument.

A bucket that refills admits almost twice its limit in one window. Here every second keeps what began in it, and is
counted until it lies a whole window back: in no 60 seconds is there more than the limit.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from guard.outside.stores.sqlite import Writer

WINDOW_S = 60
"""Seconds that a limit a minute looks back on."""

_KEYS = 65_536
"""Keys that are remembered; of more the one that was idle longest is forgotten."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit a minute on requests, on tokens, or on both; None is no limit."""

    requests: int | None
    tokens: int | None


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether a call was let in: 0, or the seconds after which it would fit; `second` is where it was counted."""

    after_s: float
    second: int
    what: str = ""


Row = tuple[int, int, int]
"""A second of the clock, the requests that began in it, and their tokens."""


def room(rows: Sequence[Row], rate: Rate, tokens: int, now: float) -> Taken:
    """Whether a call of so many tokens fits, or when, and which limit holds it up.

    `rows` are those of one key in ascending order; what lies back further than the window does not count. A call that
    waited for its turn while others came is counted where the last of them was.
    """
    now = max(now, rows[-1][0]) if rows else now
    counted = [row for row in rows if now - WINDOW_S < row[0] + 1]
    waits = (
        (_until(counted, 1, rate.requests, 1, now), "requests"),
        (_until(counted, 2, rate.tokens, tokens, now), "tokens"),
    )
    after, what = max(waits)
    return Taken(after, int(now), what)


def _until(rows: list[Row], column: int, limit: int | None, wanted: int, now: float) -> float:
    if limit is None:
        return 0.0
    over = sum(row[column] for row in rows) + wanted - limit
    for row in rows:
        if over <= 0:
            break
        over -= row[column]
        if over <= 0:
            return row[0] + 1 + WINDOW_S - now
    return 0.0 if over <= 0 else math.inf


class Windows(Protocol):
    """Where windows are kept; the same for one process and for many."""

    def take(self, key: str, rate: Rate, tokens: int, now: float) -> Taken | Future[Taken]:
        """Let one call in and count it, or say when: one step, whoever else asks."""

    def give(self, key: str, second: int, tokens: int) -> None:
        """Correct the tokens of a call that was let in, by a difference."""

    def reach(self) -> Future[Any] | None:
        """Ask the file whether it can be written; None where there is none."""

    def close(self) -> None:
        """Write what is queued."""


class MemoryWindows:
    """The windows of one process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: OrderedDict[str, list[Row]] = OrderedDict()

    def take(self, key: str, rate: Rate, tokens: int, now: float) -> Taken:
        """Let one call in and count it, or say when."""
        with self._lock:
            rows = [row for row in self._rows.get(key, ()) if row[0] + 1 > now - WINDOW_S]
            taken = room(rows, rate, tokens, now)
            if not taken.after_s:
                _count(rows, taken.second, tokens)
            self._rows[key] = rows
            self._rows.move_to_end(key)
            if len(self._rows) > _KEYS:
                self._rows.popitem(last=False)
            return taken

    def give(self, key: str, second: int, tokens: int) -> None:
        """Correct the tokens of a call that was let in."""
        with self._lock:
            rows = self._rows.get(key, [])
            for index, (at, requests, counted) in enumerate(rows):
                if at == second:
                    rows[index] = (at, requests, max(0, counted + tokens))

    def reach(self) -> None:
        """There is no file."""
        return

    def close(self) -> None:
        """Nothing is queued."""


def _count(rows: list[Row], second: int, tokens: int) -> None:
    if rows and rows[-1][0] == second:
        _, requests, counted = rows[-1]
        rows[-1] = (second, requests + 1, counted + tokens)
    else:
        rows.append((second, 1, tokens))


VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS windows (
  key TEXT NOT NULL, second INTEGER NOT NULL, requests INTEGER NOT NULL, tokens INTEGER NOT NULL,
  PRIMARY KEY (key, second)) WITHOUT ROWID;
"""


class SqliteWindows:
    """The windows of all processes of a machine, in one file; what a power cut takes of them is a minute old."""

    def __init__(self, path: Path, *, wait_s: float = 2.0) -> None:
        self.writer = Writer(path, SCHEMA, VERSION, wait_s=wait_s, synced=False)
        self.writer.check()

    def take(self, key: str, rate: Rate, tokens: int, now: float) -> Future[Taken]:
        """Let one call in and count it, or say when."""
        return self.writer.submit(partial(_take, key=key, rate=rate, tokens=tokens, now=now))

    def give(self, key: str, second: int, tokens: int) -> None:
        """Correct the tokens of a call that was let in."""
        self.writer.submit(partial(_give, key=key, second=second, tokens=tokens))

    def reach(self) -> Future[Any]:
        """Ask the file whether it can be written."""
        return self.writer.reach()

    def close(self) -> None:
        """Write what is queued."""
        self.writer.close()


def _take(connection: sqlite3.Connection, key: str, rate: Rate, tokens: int, now: float) -> Taken:
    second = int(now)
    # Rows of the far future are of a clock that began anew: the machine was started since.
    gone = (second - WINDOW_S - 1, second + WINDOW_S)
    connection.execute("DELETE FROM windows WHERE key = ? AND (second < ? OR second > ?)", (key, *gone))
    if second % WINDOW_S == 0:  # keys that nobody asks for any more
        connection.execute("DELETE FROM windows WHERE second < ? OR second > ?", gone)
    rows = connection.execute(
        "SELECT second, requests, tokens FROM windows WHERE key = ? ORDER BY second", (key,)
    ).fetchall()
    taken = room(rows, rate, tokens, now)
    if not taken.after_s:
        connection.execute(
            "INSERT INTO windows VALUES (?, ?, 1, ?)"
            " ON CONFLICT DO UPDATE SET requests = requests + 1, tokens = tokens + excluded.tokens",
            (key, taken.second, tokens),
        )
    return taken


def _give(connection: sqlite3.Connection, key: str, second: int, tokens: int) -> None:
    connection.execute(
        "UPDATE windows SET tokens = max(0, tokens + ?) WHERE key = ? AND second = ?", (tokens, key, second)
    )
