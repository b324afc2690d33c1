"""Floor 6, broken glass: a rule that only flags for some minutes, in an emergency, on record and ended by itself.

`guard break-glass` writes a small file in GUARD_HOME, sealed by a key of the installation; running guards look for it
once a second. A file whose seal is wrong is as none.
"""

from __future__ import annotations

import hmac
import logging
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson

from guard.keys import Keys, hmac_hash
from guard.policy.waivers import STAGES, Waiver, forbidden
from guard.trace import records
from guard.trace.ticker import Ticker

if TYPE_CHECKING:
    from guard.guard import Guard

log = logging.getLogger("guard")

EVERY_S = 1.0
"""Seconds between two looks at the file."""

FILE = "break-glass.json"
MOST_MINUTES = 480
"""A working day: what takes longer is an exception, in the policy."""

_MAX_BYTES = 65_536


class Glass(NamedTuple):
    """One broken glass: the kind that is only flagged, why, and until when, in seconds of the wall clock."""

    kind: str
    ticket: str
    until: float

    @property
    def waiver(self) -> Waiver:
        """What holds while it holds."""
        return Waiver(self.kind, STAGES, f"break-glass {self.ticket}")


def read(path: Path, keys: Keys) -> tuple[Glass, ...]:
    """What the file says; nothing where there is none. Raises ValueError where its seal is wrong."""
    try:
        with path.open("rb") as file:
            data = orjson.loads(file.read(_MAX_BYTES))
    except FileNotFoundError:
        return ()
    rows, seal = data["rows"], data["seal"]
    if not hmac.compare_digest(seal, _seal(rows, keys)):
        raise ValueError("its seal is wrong")
    return tuple(Glass(*row) for row in rows)


def write(path: Path, keys: Keys, rows: Iterable[Glass]) -> None:
    """Put other rows in the place of the file's, in one step."""
    told = [list(row) for row in rows]
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(orjson.dumps({"rows": told, "seal": _seal(told, keys)}))
    draft.replace(path)


def _seal(rows: object, keys: Keys) -> str:
    return hmac_hash(keys.glass, orjson.dumps(rows).decode(), 64)


class GlassWatch:
    """Takes up what is broken while a guard runs, and says what began and what has ended."""

    def __init__(
        self, guard: Guard, path: Path, opened: Callable[[Guard], None], now: Callable[[], float] = time.time
    ) -> None:
        self._guard, self._path, self._opened, self._now = guard, path, opened, now
        self._seen: tuple[int, int] | None = None
        self._holding: frozenset[Glass] = frozenset()
        self._ticker = Ticker("guard-glass", EVERY_S, self.look)

    def start(self) -> None:
        """Look, and go on looking."""
        self.look()
        self._ticker.start()

    def close(self) -> None:
        """End."""
        self._ticker.close()

    def look(self) -> None:
        """Look whether the file has changed, and whether something in it has ended."""
        seen = _stamp(self._path)
        if seen != self._seen:
            self._seen, self._guard.glass = seen, self._read()
        holding = frozenset(row for row in self._guard.glass if self._now() < row.until)
        if holding and self._guard.current.attached is None:
            self._opened(self._guard.current)
        for row in holding - self._holding:
            self._tell(row, True)
        for row in self._holding - holding:
            self._tell(row, False)
        self._holding = holding

    def _read(self) -> tuple[Glass, ...]:
        try:
            return read(self._path, self._guard.keys)
        except (OSError, ValueError, KeyError, TypeError) as failure:
            log.error("guard: %s is left alone: %s", self._path, failure)
            return ()

    def _tell(self, row: Glass, broken: bool) -> None:
        if closed := forbidden(row.kind, self._guard.current.policy.break_glass.never):
            if broken:
                told = "guard: break-glass %s: %s stays closed here (break_glass.never: %s)"
                log.warning(told, row.ticket, row.kind, closed)
            return
        state = "is only flagged now" if broken else "meets its rule again"
        log.warning("guard: break-glass %s: %s %s", row.ticket, row.kind, state)
        if (alerting := self._guard.current.alerting) is not None:
            alerting.glass(row.kind, row.ticket, row.until, broken)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def record(guard: Guard, row: Glass, by: str) -> None:
    """Make durable who breaks which glass, before it holds; raises Unavailable."""
    line = records.glass_line(
        guard.recorder,
        kind=row.kind,
        ticket=row.ticket,
        by=by,
        until=time.strftime("%FT%TZ", time.gmtime(row.until)),
    )
    guard.ledger.commit_sync(line)
