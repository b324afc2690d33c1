"""Texts that exports keep for the auditor, opened with the auditor's private key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from guard.audit.query import ask, connect
from guard.audit.questions import QueryError, Question, trace_id_of
from guard.audit.subjects import DESTROYED
from guard.trace import spans
from guard.trace.content import Opener, Sealed

# One exchange has one form and one key.
_KEPT = f"""
SELECT trace_id, any_value(attrs['{spans.CONTENT_FORM}']), any_value(attrs['{spans.CONTENT_KEY}'])
FROM spans
WHERE list_contains($traces, trace_id) AND attrs['{spans.CONTENT_KEY}'] IS NOT NULL
GROUP BY trace_id
"""
_UNDER = f"""
SELECT count(DISTINCT trace_id) FROM spans
WHERE attrs['{spans.CONTENT_KEY}'] IS NOT NULL
  AND trace_id IN (SELECT trace_id FROM all_findings('finding_lines') WHERE list_contains($ids, subject_key))
"""
_ERASED = f"""
WITH persons AS (
  SELECT unnest(subjects) AS subject, subject_key FROM all_findings('finding_lines') WHERE trace_id = $trace
)
SELECT start_ts, ticket FROM erased WHERE subject IN (SELECT subject FROM persons)
UNION ALL
SELECT start_ts, ticket FROM ({DESTROYED}) WHERE id IN (SELECT subject_key FROM persons)
ORDER BY start_ts LIMIT 1
"""


class Kept(NamedTuple):
    """What is kept of an exchange's texts: `original` or `redacted`, and the key that they are sealed to."""

    form: str
    key: str


class Erased(NamedTuple):
    """When someone in an exchange was erased, and why."""

    when: datetime
    ticket: str


def kept(folder: Path, traces: Sequence[str]) -> dict[str, Kept]:
    """Tell of which of these exchanges texts are kept."""
    question = Question("content", "", _KEPT, (), only=(spans.CONTENT_KEY,))
    rows = ask(folder, question, {}, {"traces": list(traces)}, most=None).rows if traces else []
    return {trace: Kept(form, key) for trace, form, key in rows}


def kept_under(folder: Path, ids: Sequence[str]) -> int:
    """Of how many exchanges with persons under these subject keys texts are kept: unlinked, they stay closed."""
    with closing(connect(folder)) as connection:
        [count] = connection.execute(_UNDER, {"ids": list(ids)}).fetchone() or (0,)
    return int(count)


def erased(folder: Path, trace: str) -> Erased | None:
    """Tell whether a person in this exchange was erased, by a tombstone or with the key of their period."""
    trace = trace_id_of(trace)
    with closing(connect(folder, only=(trace,), trace=trace)) as connection:
        row = connection.execute(_ERASED, {"trace": trace}).fetchone()
    return Erased(*row) if row else None


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """The texts (path, text) of one span, or why they stay closed; `form` is original or redacted."""

    stage: str
    span_id: str
    form: str
    cut: bool
    file: str
    texts: list[tuple[str, str]]
    closed: str = ""


def contents(folder: Path, trace: str, opener: Opener) -> list[Opened]:
    """Open what is kept of one exchange; raises QueryError where nothing is."""
    wanted = trace_id_of(trace)
    found = [
        _opened(span, attributes, path.name, opener)
        for path in sorted(folder.glob("traces-*.jsonl"))
        for span, attributes in _spans(path, wanted.encode())
    ]
    if not found:
        raise QueryError(f"no content is kept of this exchange in {folder}")
    return found


def _spans(path: Path, wanted: bytes) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    with path.open("rb") as file:
        for line in file:
            if wanted in line and spans.CONTENT.encode() in line:
                yield from _read(line, wanted.decode())


def _read(line: bytes, wanted: str) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    try:
        [span] = orjson.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
        told = {one["key"]: str(next(iter(one["value"].values()))) for one in span["attributes"]}
        if span["traceId"] == wanted and spans.CONTENT in told:
            yield span, told
    except (ValueError, KeyError, TypeError, IndexError):
        return


def _opened(span: dict[str, Any], told: dict[str, str], file: str, opener: Opener) -> Opened:
    closed, texts = "", []
    try:
        texts = opener.open(told[spans.CONTENT], span["traceId"], span["spanId"])
    except Sealed as failure:
        closed = str(failure)
    form, cut = told.get(spans.CONTENT_FORM, ""), told.get(spans.CONTENT_CUT) == "True"
    return Opened(told.get(spans.STAGE, ""), span["spanId"], form, cut, file, texts, closed)
