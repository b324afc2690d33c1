"""Delete what is older than it must be kept: whole files, verified, not on hold, and on record before they go."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from guard.audit.chainfile import read_chain
from guard.audit.deletions import RETENTION, Deleted
from guard.audit.desk import note
from guard.audit.query import run
from guard.audit.questions import QueryError
from guard.audit.verify import verify
from guard.trace import spans

_SPARED = (f"-{RETENTION}-", "-erasure-")
"""Writers whose files stay: they say what was deleted, and who was erased."""

_HOLDS = """
SELECT attrs['guard.audit.ticket'] AS ticket, arg_max(name, start_ts) AS last,
  arg_max(attrs['guard.audit.since'], start_ts) AS since, arg_max(attrs['guard.audit.until'], start_ts) AS until
FROM spans WHERE name IN ('guard.audit.held', 'guard.audit.released') GROUP BY ticket
HAVING last = 'guard.audit.held' ORDER BY ticket
"""


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold: nothing written between two moments may be deleted."""

    ticket: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What may go, oldest first, and why other old files stay: (file, reason)."""

    files: tuple[Path, ...]
    kept: tuple[tuple[str, str], ...]


def period(text: str) -> timedelta:
    """Read `400d` or `26w`; raises QueryError."""
    found = re.fullmatch(r"(\d{1,5})([dw])", text)
    if not found:
        raise QueryError(f"{text!r} is no period: write 400d or 26w")
    return timedelta(days=int(found[1]) * (7 if found[2] == "w" else 1))


def holds(folder: Path) -> list[Hold]:
    """The holds that are in force, by the record."""
    rows = run(folder, _HOLDS).rows
    read = datetime.fromisoformat
    return [Hold(ticket, read(since), read(until)) for ticket, _, since, until in rows]


def plan(folder: Path, public_key: bytes, keep: timedelta, at_least: timedelta) -> Plan:
    """Choose the files whose last record is older than `keep`; raises QueryError where that is below `at_least`.

    Of each writer only the oldest files go, so that what stays has no holes.
    """
    if keep < at_least:
        raise QueryError(f"keep is {keep.days} days, and records must be kept {at_least.days} days at least")
    before, held = time.time() - keep.total_seconds(), holds(folder)
    chosen: list[Path] = []
    kept: list[tuple[str, str]] = []
    stopped: set[str] = set()
    for path in sorted(folder.glob("traces-*.jsonl")):
        writer = path.stem.split("-", 2)[-1]
        if path.stat().st_mtime >= before or writer in stopped:
            stopped.add(writer)
        elif reason := _reason(path, public_key, held):
            kept.append((path.name, reason))
            stopped.add(writer)
        else:
            chosen.append(path)
    return Plan(tuple(chosen), tuple(kept))


def _reason(path: Path, public_key: bytes, held: list[Hold]) -> str:
    """Why an old file stays; empty where it may go."""
    if any(word in path.name for word in _SPARED):
        return "it tells of deletions or erasures"
    began, ended = _began(path), datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
    for hold in held:
        if began < hold.until and ended >= hold.since:
            return f"it is on hold ({hold.ticket})"
    report = verify(path, public_key)
    return "" if report.ok and report.signed == report.records else "it cannot be verified"


def _began(path: Path) -> datetime:
    try:
        return datetime.strptime(path.name.split("-")[1], "%Y%m%dT%H%M%S%fZ")
    except (IndexError, ValueError):
        return datetime.min


def delete(folder: Path, home: Path, planned: Plan, by: str) -> bool:
    """Record the deletion, then delete; False where this home holds no signing key."""
    if not planned.files:
        return True
    told = [str(one) for one in map(_deleted, planned.files)]
    if not note(
        home, folder, spans.AUDIT_DELETED, {spans.AUDIT_BY: by, spans.AUDIT_FILES: told}, writer=RETENTION
    ):
        return False
    for path in planned.files:
        # The chain last: an export without one would be foreign, and no record could excuse it.
        path.unlink()
        path.with_suffix(".chain").unlink()
    return True


def _deleted(path: Path) -> Deleted:
    held = read_chain(path.with_suffix(".chain"))
    return Deleted(path.name, held.last, (held.digest(held.last) or b"").hex())


def hold(folder: Path, home: Path, what: Hold, by: str, *, release: bool = False) -> bool:
    """Put a hold, or its end, on record."""
    name = spans.AUDIT_RELEASED if release else spans.AUDIT_HELD
    since, until = (f"{moment:%Y-%m-%dT%H:%M:%S}" for moment in (what.since, what.until))
    told = {
        spans.AUDIT_TICKET: what.ticket,
        spans.AUDIT_SINCE: since,
        spans.AUDIT_UNTIL: until,
        spans.AUDIT_BY: by,
    }
    return note(home, folder, name, told, writer=RETENTION)
