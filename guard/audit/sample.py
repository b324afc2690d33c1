"""Draw a sample of calls for work papers: who has the exports and the seed draws the same one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from guard.audit.contents import kept
from guard.audit.query import Table, ask
from guard.audit.questions import SINCE, TENANT, UNTIL, QueryError, Question

_MOST = 10_000

# The order is that of SHA-256(seed, trace, span), so that it is no one's choice and any tool can repeat it.
_DRAW = """
SELECT start_ts, tenant, user_hash, purpose, outcome, model, host, jurisdiction, input_enforced, output_enforced,
  policy, policy_version, trace_id, file, seq
FROM calls
WHERE {when}
ORDER BY sha256($seed || ' ' || trace_id || ' ' || coalesce(intent_span_id, call_span_id)), call_span_id
LIMIT $n
"""
_WHEN = "start_ts >= $since AND start_ts < $until AND ($tenant = '' OR tenant = $tenant)"
_COMMON = (SINCE, UNTIL, TENANT)

_TRACE = 12
"""The column of the trace id in what is drawn; what is kept of its texts stands behind it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The drawn calls, how many there were to draw from, and the keys that texts of them are sealed to."""

    table: Table
    population: int
    keys: tuple[str, ...] = ()

    @property
    def kept(self) -> int:
        """Of how many of the drawn calls texts are kept."""
        return sum(row[_TRACE + 1] is not None for row in self.table.rows)


def draw(folder: Path, size: int, seed: str, parameters: Mapping[str, str]) -> Sample:
    """Draw `size` calls (all, where there are fewer); `parameters` are since, until and tenant as texts."""
    if not 0 < size <= _MOST:
        raise QueryError(f"a sample has 1 to {_MOST} calls")
    if not seed:
        raise QueryError("write --seed: the same seed draws the same sample")
    drawn = Question("sample", "", _DRAW.format(when=_WHEN), _COMMON)
    counted = Question("population", "", f"SELECT count(*) FROM calls WHERE {_WHEN}", _COMMON)
    table = ask(folder, drawn, parameters, {"n": size, "seed": seed})
    table, keys = _with_content(folder, table)
    return Sample(table, ask(folder, counted, parameters).rows[0][0], keys)


def _with_content(folder: Path, drawn: Table) -> tuple[Table, tuple[str, ...]]:
    """Add whether the texts of each call are kept (`redacted`, `original`, or nothing), and name the keys."""
    found = kept(folder, [row[_TRACE] for row in drawn.rows])
    at = _TRACE + 1
    columns = (*drawn.columns[:at], "content", *drawn.columns[at:])
    rows = [(*row[:at], found.get(row[_TRACE], (None,))[0], *row[at:]) for row in drawn.rows]
    return Table(columns, rows), tuple(sorted({key for _, key in found.values()}))
