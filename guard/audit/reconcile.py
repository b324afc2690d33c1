"""Compare the record with the provider's own account.

A chain proves that nothing was removed; only the other side's books show that nothing went round.
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from guard.audit.query import Table, ask
from guard.audit.questions import SINCE, TENANT, UNTIL, QueryError, Question

COLUMNS = ("difference", "request", "day", "model", "provider_says", "record_says", "trace_id")

# How usage exports call what is compared: OpenAI's usage API and CSV, Azure's and Anthropic's reports, LiteLLM's.
_ID = ("response_id", "request_id", "x_request_id", "id", "completion_id")
_MODEL = ("model", "model_id", "model_name", "snapshot_id")
_INPUT = (
    "input_tokens",
    "prompt_tokens",
    "n_context_tokens_total",
    "context_tokens",
    "uncached_input_tokens",
)
_OUTPUT = ("output_tokens", "completion_tokens", "n_generated_tokens_total", "generated_tokens")
_CALLS = ("num_model_requests", "n_requests", "requests", "request_count")
_TIME = ("start_time", "created_at", "created", "timestamp", "date", "aggregation_timestamp", "usage_date")

_CALLED = """
SELECT response_id, coalesce(response_model, model, '') AS model, CAST(CAST(start_ts AS DATE) AS VARCHAR) AS day,
  coalesce(input_tokens, 0) AS input_tokens, coalesce(output_tokens, 0) AS output_tokens, outcome, trace_id
FROM calls
WHERE purpose = 'model' AND outcome IN ('answered', 'blocked', 'failed')
  AND start_ts >= $since AND start_ts < $until AND ($tenant = '' OR tenant = $tenant)
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """One row of the provider's export; `id` is empty where it counts many calls."""

    id: str
    model: str
    day: str
    input_tokens: int
    output_tokens: int
    calls: int


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The differences, and what was compared: rows with ids, and sums a day and model."""

    table: Table
    provider_calls: int
    record_calls: int
    by_id: bool

    @property
    def ok(self) -> bool:
        """Whether both accounts say the same."""
        return not self.table.rows


def reconcile(folder: Path, usage: Path, parameters: Mapping[str, str]) -> Reconciled:
    """Compare a usage export (CSV, JSON or JSON lines) with the calls on record.

    With ids: calls that only one side has, and tokens that differ. Without: calls and tokens a day and model.
    Raises QueryError for a file that cannot be read as a usage export.
    """
    told = read_usage(usage)
    question = Question("reconcile", "", _CALLED, (SINCE, UNTIL, TENANT))
    rows = ask(folder, question, parameters, most=None).rows
    by_id = bool(told) and all(one.id for one in told)
    found = list(_by_id(told, rows) if by_id else _by_sum(told, rows))
    return Reconciled(Table(COLUMNS, found), sum(one.calls for one in told), len(rows), by_id)


def _by_id(told: list[Usage], rows: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    known = {row[0]: row for row in rows if row[0]}
    seen = Counter(one.id for one in told)
    for one in told:
        row = known.get(one.id)
        mine = f"{one.input_tokens} + {one.output_tokens}"
        if row is None:
            yield "not on record", one.id, one.day, one.model, mine, None, None
        elif (one.input_tokens, one.output_tokens) != (row[3], row[4]) and seen[one.id] == 1:
            yield "tokens differ", one.id, row[2], row[1], mine, f"{row[3]} + {row[4]}", row[6]
    yield from (("twice at the provider", id_, None, None, n, None, None) for id_, n in seen.items() if n > 1)
    for row in rows:
        if row[0] not in seen and row[5] != "failed":
            mine = f"{row[3]} + {row[4]}"
            yield "not at the provider", row[0], row[2], row[1], None, mine, row[6]


def _by_sum(told: list[Usage], rows: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Compare sums a day and model; where the export has no days, or no models, those are summed over."""
    daily, named = all(one.day for one in told), all(one.model for one in told)
    theirs = _sums((one.day if daily else "", one.model if named else "", _numbers(one)) for one in told)
    ours = _sums((row[2] if daily else "", row[1] if named else "", (1, row[3], row[4])) for row in rows)
    for day, model in sorted({*theirs, *ours}):
        pair = zip(
            ("calls differ", "input tokens differ", "output tokens differ"),
            theirs[day, model],
            ours[day, model],
            strict=True,
        )
        for what, at_provider, on_record in pair:
            if at_provider != on_record and not (
                what == "calls differ" and not any(one.calls for one in told)
            ):
                yield what, None, day or None, model or None, at_provider, on_record, None


def _numbers(one: Usage) -> tuple[int, int, int]:
    return one.calls, one.input_tokens, one.output_tokens


def _sums(rows: Iterable[tuple[str, str, tuple[int, int, int]]]) -> dict[tuple[str, str], list[int]]:
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for day, model, numbers in rows:
        total = sums[day, model]
        for at, number in enumerate(numbers):
            total[at] += number
    return sums


def read_usage(path: Path) -> list[Usage]:
    """Read a provider's usage export; raises QueryError where no row of it counts tokens."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        rows = list(
            _json_rows(text) if text.lstrip()[:1] in ("{", "[") else csv.DictReader(io.StringIO(text))
        )
        told = [_usage(row) for row in rows if isinstance(row, dict) and _counts(row)]
    except OSError as error:
        raise QueryError(f"{path}: {error.strerror or 'cannot be read'}") from None
    except (ValueError, TypeError, csv.Error):
        raise QueryError(f"{path}: this is neither CSV nor JSON of a usage export") from None
    if not told:
        raise QueryError(
            f"{path}: no row counts tokens (columns such as {_INPUT[0]}, {_OUTPUT[0]}, {_ID[0]})"
        )
    return told


def _counts(row: Mapping[str, Any]) -> bool:
    return any(name in row for name in (*_INPUT, *_OUTPUT))


def _json_rows(text: str) -> Iterator[Any]:
    """Objects that count: those of a list, of `data`, of the buckets' `results`, or one a line."""
    try:
        whole = orjson.loads(text)
    except ValueError:
        whole = [orjson.loads(line) for line in text.splitlines() if line.strip()]
    yield from _unfold(whole, {})


def _unfold(value: Any, above: Mapping[str, Any]) -> Iterator[Any]:
    if isinstance(value, list):
        for one in value:
            yield from _unfold(one, above)
    elif isinstance(value, dict):
        inner = [value[key] for key in ("data", "results") if isinstance(value.get(key), list)]
        times = {key: value[key] for key in _TIME if key in value}
        if inner:
            yield from (row for one in inner for row in _unfold(one, {**above, **times}))
        else:
            usage = value.get("usage")
            yield {**above, **value, **(usage if isinstance(usage, dict) else {})}


def _usage(row: Mapping[str, Any]) -> Usage:
    id_ = _text(row, _ID)
    return Usage(
        id=id_,
        model=_text(row, _MODEL),
        day=_day(_text(row, _TIME)),
        input_tokens=_number(row, _INPUT),
        output_tokens=_number(row, _OUTPUT),
        calls=1 if id_ else _number(row, _CALLS),
    )


def _text(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((str(row[name]) for name in names if row.get(name) not in (None, "")), "")


def _number(row: Mapping[str, Any], names: tuple[str, ...]) -> int:
    return int(float(_text(row, names).replace(",", "") or 0))


def _day(text: str) -> str:
    """The UTC day of a Unix time or an ISO time; empty where there is none."""
    try:
        seconds = float(text)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return f"{moment.astimezone(UTC) if moment.tzinfo else moment:%Y-%m-%d}"
