"""Everything about one person, by keyed hashes: the export never holds the value, the key finds it again."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from guard.audit.desk import note
from guard.audit.query import Table, ask, connect
from guard.audit.questions import SINCE, TENANT, UNTIL, QueryError, Question
from guard.keys import Keys
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


@dataclass(frozen=True, slots=True)
class Found:
    """What is on record about a person, and when they were erased, if they were."""

    table: Table
    hashes: tuple[str, ...]
    erased: datetime | None
    ticket: str | None


def find(folder: Path, keys: Keys, value: str, parameters: Mapping[str, str]) -> Found:
    """List every finding of one value, in any spelling that `subject` folds; `parameters`: since, until, tenant.

    Each tenant and year has a key of its own, so the value is hashed once for each that is on record.
    """
    if not value.strip():
        raise QueryError("write the value that is looked for: an e-mail address, a number, a name")
    with closing(connect(folder)) as connection:
        seen = connection.execute(_WHERE).fetchall()
        hashes = hashes_of(keys, value, {(tenant or "", year) for tenant, year in seen})
        [erased, ticket] = connection.execute(_TOMBSTONES, {"hashes": list(hashes)}).fetchone() or (
            None,
            None,
        )
    question = Question("find", "", _FIND, (SINCE, UNTIL, TENANT))
    return Found(ask(folder, question, parameters, {"hashes": list(hashes)}), hashes, erased, ticket)


def hashes_of(keys: Keys, value: str, seen: set[tuple[str, int]]) -> tuple[str, ...]:
    """The hashes of a value under every tenant and year; an exchange at New Year may have the other year's."""
    periods = {(tenant, year + step) for tenant, year in seen for step in (-1, 0, 1)}
    return tuple(sorted(subject(keys.subjects_of(tenant, year), value) for tenant, year in periods))


def erase(folder: Path, home: Path, found: Found, ticket: str, by: str) -> bool:
    """Write a tombstone: from now on views and `find` no longer know this person; the lines and their chain stay.

    False where this home holds no signing key; raises Unavailable where it cannot be recorded.
    """
    told = {spans.AUDIT_SUBJECT: list(found.hashes), spans.AUDIT_TICKET: ticket, spans.AUDIT_BY: by}
    return note(home, folder, spans.AUDIT_ERASED, told, writer=ERASURE)
