"""Everything about one person, by keyed hashes: the export never holds the value, the keys find it again.

Each record names the key of its hashes (`guard.subject_key`); records without that name were hashed under a key
that is derived from the master key for their tenant and year.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from guard.audit.desk import note
from guard.audit.query import Table, ask, connect
from guard.audit.questions import SINCE, TENANT, UNTIL, QueryError, Question
from guard.audit.retention import holds
from guard.keys import Keys
from guard.outside.stores.subjectkeys import SubjectKey, SubjectKeys
from guard.pii.subject import subject
from guard.trace import spans

ERASURE = "erasure"
"""The writer of tombstones: views look for them in files of this name alone."""

_FIND = """
SELECT start_ts, tenant, user_hash, stage, kind, action, enforced, path, count, trace_id, file, seq
FROM findings
WHERE list_has_any(subjects, $hashes) AND start_ts >= $since AND start_ts < $until
  AND ($tenant = '' OR tenant = $tenant)
ORDER BY start_ts, file, seq
"""
_WHERE = "SELECT DISTINCT tenant, year(start_ts) AS year FROM findings WHERE start_ts IS NOT NULL"
_TOMBSTONES = (
    "SELECT start_ts, ticket FROM erased WHERE list_contains($hashes, subject) ORDER BY start_ts LIMIT 1"
)
_KEYS = """
SELECT subject_key, tenant, count(DISTINCT (file, seq)), min(start_ts), max(start_ts) FROM all_findings('finding_lines')
WHERE subject_key IS NOT NULL
GROUP BY ALL ORDER BY tenant, subject_key
"""
_DERIVED = """
SELECT count(DISTINCT (file, seq)) FROM all_findings('finding_lines')
WHERE subject_key IS NULL AND list_has_any([strftime(start_ts, '%Y'), strftime(start_ts, '%Y-%m'),
    strftime(start_ts, '%Y-Q') || quarter(start_ts)], $periods)
  AND tenant = $tenant AND len(list_filter(subjects, lambda s: s <> '')) > 0
"""
DESTROYED = """
SELECT unnest(otlp_list(otlp_get(keys, texts, 'guard.subject_key.ids'))) AS id, start_ts,
  otlp_get(keys, texts, 'guard.audit.ticket') AS ticket
FROM erasures('guard.subject_key.destroyed')
"""


@dataclass(frozen=True, slots=True)
class Used:
    """A key that records name: how many of them, from when to when; and when it was destroyed, and why."""

    id: str
    tenant: str
    records: int
    first: datetime | None
    last: datetime | None
    destroyed: datetime | None = None
    ticket: str | None = None

    @property
    def period(self) -> str:
        """The period that the key served."""
        return self.id.rpartition("-")[0]

    def __str__(self) -> str:
        if self.destroyed is not None:
            why = f"its key was destroyed on {self.destroyed:%Y-%m-%d}, ticket {self.ticket}"
        else:
            why = f"its key ({self.id}) is not among those given"
        return (
            f"{self.tenant or 'no tenant'}, {self.period}: {self.records} records cannot be searched: {why}"
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What is on record about a person, when they were erased, if they were, and what could not be searched."""

    table: Table
    hashes: tuple[str, ...]
    erased: datetime | None
    ticket: str | None
    unsearched: tuple[Used, ...] = field(default=())


def find(
    folder: Path, keys: Keys, value: str, parameters: Mapping[str, str], given: Iterable[SubjectKey] = ()
) -> Found:
    """List every finding of one value, in any spelling that `subject` folds; `parameters`: since, until, tenant.

    The value is hashed under each key that is `given`, and once for each tenant and year that is on record.
    """
    if not value.strip():
        raise QueryError("write the value that is looked for: an e-mail address, a number, a name")
    known = {key.id: key for key in given}
    with closing(connect(folder)) as connection:
        seen = connection.execute(_WHERE).fetchall()
        on_record = _used(connection)
        ours = [known[one.id].value for one in on_record if one.id in known]
        old = hashes_of(keys, value, {(tenant or "", year) for tenant, year in seen})
        hashes = tuple(sorted({*old, *(subject(key, value) for key in ours)}))
        [erased, ticket] = connection.execute(_TOMBSTONES, {"hashes": list(hashes)}).fetchone() or (
            None,
            None,
        )
    question = Question("find", "", _FIND, (SINCE, UNTIL, TENANT))
    table = ask(folder, question, parameters, {"hashes": list(hashes)})
    closed = [one for one in on_record if one.id not in known]
    return Found(table, hashes, erased, ticket, tuple(_asked_for(closed, parameters)))


def hashes_of(keys: Keys, value: str, seen: set[tuple[str, int]]) -> tuple[str, ...]:
    """The derived hashes of a value under every tenant and year; an exchange at New Year may have the other year's."""
    periods = {(tenant, year + step) for tenant, year in seen for step in (-1, 0, 1)}
    return tuple(sorted(subject(keys.subjects_of(tenant, year), value) for tenant, year in periods))


def used(folder: Path) -> list[Used]:
    """Every key that the record names."""
    with closing(connect(folder)) as connection:
        return _used(connection)


def _used(connection: duckdb.DuckDBPyConnection) -> list[Used]:
    gone = {id: (when, ticket) for id, when, ticket in connection.execute(DESTROYED).fetchall()}
    return [
        Used(id, tenant or "", count, first, last, *gone.get(id, (None, None)))
        for id, tenant, count, first, last in connection.execute(_KEYS).fetchall()
    ]


def _asked_for(keys: Iterable[Used], parameters: Mapping[str, str]) -> Iterable[Used]:
    """Those of the keys whose records a search was about."""
    since, until, tenant = (
        one.read(parameters.get(one.name, one.default or "")) for one in (SINCE, UNTIL, TENANT)
    )
    for key in keys:
        outside = (key.last is not None and key.last < since) or (
            key.first is not None and key.first >= until
        )
        if not outside and tenant in ("", key.tenant):
            yield key


def erase(folder: Path, home: Path, found: Found, ticket: str, by: str) -> bool:
    """Write a tombstone: from now on views and `find` no longer know this person; the lines and their chain stay.

    False where this home holds no signing key; raises Unavailable where it cannot be recorded.
    """
    told = {spans.AUDIT_SUBJECT: list(found.hashes), spans.AUDIT_TICKET: ticket, spans.AUDIT_BY: by}
    return note(home, folder, spans.AUDIT_ERASED, told, writer=ERASURE)


@dataclass(frozen=True, slots=True)
class Unlinking:
    """Keys that are to be destroyed, and how many records they link.

    What stays linked: records of keys that lie `elsewhere`, and of hashes that are `derived` from the master key.
    """

    keys: tuple[SubjectKey, ...]
    records: int
    elsewhere: tuple[Used, ...]
    derived: int


def unlinking(folder: Path, store: SubjectKeys, tenant: str, periods: Iterable[str]) -> Unlinking:
    """Choose a tenant's keys of some periods; raises QueryError for one that may not be destroyed, or is not there.

    A period that still runs cannot go: every process would go on with the key that it holds. Nor can one whose
    records are on hold.
    """
    wanted = set(periods)
    stored = [key for key in store.stored() if key.tenant == tenant]
    keys = tuple(key for key in stored if key.period in wanted)
    on_record = [one for one in used(folder) if one.tenant == tenant and one.period in wanted]
    missing = wanted - {key.period for key in keys} - {one.period for one in on_record}
    if missing:
        here = ", ".join(dict.fromkeys(key.period for key in stored)) or "none"
        raise QueryError(f"{tenant} has no key of {', '.join(sorted(missing))}; its periods here: {here}")
    running = [key.period for key in keys if store.runs(key)]
    if running:
        raise QueryError(f"{running[0]} still runs: its key can be destroyed when it is over")
    _check_holds(folder, on_record)
    ids = {key.id for key in keys}
    elsewhere = (one for one in on_record if one.id not in ids and one.destroyed is None)
    linked = sum(one.records for one in on_record if one.id in ids)
    return Unlinking(keys, linked, tuple(elsewhere), _derived(folder, tenant, wanted))


def _derived(folder: Path, tenant: str, periods: Iterable[str]) -> int:
    with closing(connect(folder)) as connection:
        asked = {"tenant": tenant, "periods": sorted(periods)}
        [found] = connection.execute(_DERIVED, asked).fetchone() or (0,)
    return int(found)


def _check_holds(folder: Path, keys: Iterable[Used]) -> None:
    held = holds(folder)
    for key in keys:
        for hold in held:
            if key.first and key.last and key.first < hold.until and key.last >= hold.since:
                raise QueryError(f"{key.period} is on hold ({hold.ticket}): release that first")


def unlink(folder: Path, home: Path, store: SubjectKeys, planned: Unlinking, ticket: str, by: str) -> bool:
    """Record which keys are destroyed, then destroy them: the lines and their chain stay.

    False where this home holds no signing key; raises Unavailable where it cannot be recorded.
    """
    told: dict[str, Any] = {
        spans.TENANT: planned.keys[0].tenant,
        spans.SUBJECT_KEYS: [key.id for key in planned.keys],
        spans.AUDIT_TICKET: ticket,
        spans.AUDIT_BY: by,
    }
    if not note(home, folder, spans.SUBJECT_KEY_DESTROYED, told, writer=ERASURE):
        return False
    for key in planned.keys:
        store.destroy(key)
    return True
