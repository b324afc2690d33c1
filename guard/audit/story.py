"""One exchange's story from the exports, in plain words: what was asked, found, decided, sent where, answered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from guard.audit.query import over
from guard.audit.questions import QueryError
from guard.trace import spans

_TRACE = re.compile(r"[0-9a-f]{32}")

_SPANS = """
SELECT name, start_ts, duration_ms, CAST(attrs AS JSON) AS attrs, file, seq, span_id
FROM spans WHERE trace_id = $trace ORDER BY start_ts, (name <> 'guard.screen'), span_id
"""
_FINDINGS = """
SELECT span_id, kind, source, rule, origin, action, enforced, path, count, scores
FROM findings WHERE trace_id = $trace ORDER BY kind, path
"""

_DONE = {
    "allow": "allowed",
    "flag": "flagged, and passed unchanged",
    "redact": "redacted",
    "block": "blocked",
}
_RECEIPTS = {
    "ran": "ran",
    "not_applicable": "had nothing to do",
    "failed_closed": "could not run, so that the text was refused",
    "failed_open": "could not run, and the text passed as the policy allows",
    "skipped": "was skipped",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One span of the exchange: its time since the first, its sentences, and the record that it stands in."""

    at_ms: float
    sentences: tuple[str, ...]
    file: str
    record: int | None


@dataclass(frozen=True, slots=True)
class Story:
    """A whole exchange: when, whose, and its steps in order."""

    trace_id: str
    began: datetime
    tenant: str
    user: str
    steps: tuple[Step, ...]


def why(folder: Path, trace_id: str) -> Story:
    """Tell one exchange by its trace id; raises QueryError for what is no trace id, or not on record."""
    trace_id = trace_id_of(trace_id)

    def ask(connection: duckdb.DuckDBPyConnection) -> list[list[tuple[Any, ...]]]:
        return [connection.execute(sql, {"trace": trace_id}).fetchall() for sql in (_SPANS, _FINDINGS)]

    found, findings = over(folder, ask, only=(trace_id,), trace=trace_id)
    if not found:
        raise QueryError(f"no record in {folder} has this trace id")
    rows = [(*row[:3], json.loads(row[3]), *row[4:]) for row in _in_order(found)]
    began = rows[0][1]
    first = [row[3] for row in rows]
    return Story(
        trace_id,
        began,
        _first(first, spans.TENANT),
        _first(first, spans.USER),
        tuple(_step(row, began, [f[1:] for f in findings if f[0] == row[6]]) for row in rows),
    )


def _in_order(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """By the clock; where it jumped, so that something stands before the record that came first, as recorded (C36)."""
    file, record = rows[0][4:6]
    jumped = any(row[0] == spans.SCREEN and row[4] == file and row[5] < record for row in rows if record)
    return sorted(rows, key=lambda row: (row[4], row[5] or 0)) if jumped else rows


def trace_id_of(text: str) -> str:
    """Read a trace id; raises QueryError for what is none."""
    found = text.strip().lower()
    if not _TRACE.fullmatch(found):
        raise QueryError("a trace id has 32 hex digits: it is the header x-guard-trace of the answer")
    return found


def _first(attributes: list[dict[str, str]], name: str) -> str:
    return next((one[name] for one in attributes if one.get(name)), "")


def _step(row: tuple[Any, ...], began: datetime, findings: list[tuple[Any, ...]]) -> Step:
    name, start, duration, attrs, file, record, _ = row
    told = [*_heads(name, duration, attrs), *_findings(findings), *_checks(attrs), *_sizes(attrs)]
    return Step((start - began).total_seconds() * 1000, tuple(told), file, record)


def _heads(name: str, duration: float | None, attrs: Mapping[str, str]) -> Iterator[str]:
    operation = attrs.get(spans.OPERATION)
    if name == spans.SCREEN:
        what = "The request" if attrs.get(spans.STAGE) == "input" else "The answer"
        where = f" to {attrs[spans.ENDPOINT]}" if attrs.get(spans.ENDPOINT) else ""
        yield f"{what}{where} was {_done(attrs)}{_policy(attrs)}."
        yield from _destination(attrs)
    elif operation == "moderation":
        yield f"{_called(attrs)} was asked to judge{_took(duration)}{_failed(attrs)}."
        yield from _scores(attrs)
    elif operation:
        yield f"{_called(attrs)} was asked ({operation}){_took(duration)}{_failed(attrs)}."
        if attrs.get(spans.ACTION):
            yield f"Its answer was {_done(attrs)}."
        yield from _usage(attrs)
    else:
        yield f"{name}{_took(duration)}{_failed(attrs)}."


def _done(attrs: Mapping[str, str]) -> str:
    action, enforced = attrs.get(spans.ACTION, ""), attrs.get(spans.ENFORCED, "")
    done = _DONE.get(enforced, "not decided")
    if action != enforced and action in _DONE:
        done += f" (the rules said {action}: the policy only observes)"
    return f"{done} ({attrs[spans.ERROR_TYPE]})" if attrs.get(spans.ERROR_TYPE) else done


def _policy(attrs: Mapping[str, str]) -> str:
    if not attrs.get(spans.POLICY_NAME):
        return ""
    name = " ".join(filter(None, (attrs[spans.POLICY_NAME], attrs.get(spans.POLICY_VERSION))))
    return f" under policy {name} (mode {attrs.get(spans.POLICY_MODE)}, sha256 {attrs[spans.POLICY_SHA256][:12]}…)"


def _destination(attrs: Mapping[str, str]) -> Iterator[str]:
    if host := attrs.get(spans.RESIDENCY_HOST):
        place = attrs.get(spans.RESIDENCY_JURISDICTION) or "an unknown place"
        told = {"table": ", says guard's table", "declared": ", says the policy"}
        source = told.get(attrs.get(spans.RESIDENCY_SOURCE, ""), "")
        code = f" ({attrs[spans.RESIDENCY_CODE]})" if attrs.get(spans.RESIDENCY_CODE) else ""
        yield f"Its destination {host} in {place}{source} was {attrs.get(spans.RESIDENCY_DECISION)}{code}."
    if rules := attrs.get(spans.RESIDENCY_RULES):
        within = _list(attrs.get(spans.RESIDENCY_WITHIN, "")) or "no place at all"
        yield f"What was found keeps it in {within}, by egress.rules: {_list(rules)}."


def _list(value: str) -> str:
    """An array of the record in words."""
    return ", ".join(json.loads(value)) if value else ""


def _called(attrs: Mapping[str, str]) -> str:
    model = attrs.get(spans.RESPONSE_MODEL) or attrs.get(spans.REQUEST_MODEL) or "A model"
    host = attrs.get(spans.SERVER_ADDRESS)
    return f"{model} at {host}" if host else model


def _took(duration: float | None) -> str:
    return f", which took {duration:.1f} ms" if duration is not None else ""


def _failed(attrs: Mapping[str, str]) -> str:
    return f", and failed ({attrs[spans.ERROR_TYPE]})" if attrs.get(spans.ERROR_TYPE) else ""


def _usage(attrs: Mapping[str, str]) -> Iterator[str]:
    if attrs.get(spans.INPUT_TOKENS) or attrs.get(spans.OUTPUT_TOKENS):
        tokens = f"{attrs.get(spans.INPUT_TOKENS, '0')} tokens in, {attrs.get(spans.OUTPUT_TOKENS, '0')} out"
        answer = attrs.get(spans.RESPONSE_ID)
        yield f"It counted {tokens}{f' (response {answer})' if answer else ''}."


def _scores(attrs: Mapping[str, str]) -> Iterator[str]:
    highest = {
        name.removeprefix(spans.MODERATION_SCORE): max(map(float, json.loads(scores)), default=0.0)
        for name, scores in attrs.items()
        if name.startswith(spans.MODERATION_SCORE)
    }
    told = sorted(highest.items(), key=lambda pair: -pair[1])[:3]
    if told:
        yield "Highest scores: " + ", ".join(f"{name} {score:.2f}" for name, score in told) + "."


def _findings(rows: list[tuple[Any, ...]]) -> Iterator[str]:
    """Each finding in a sentence; what the judge scored and every rule allowed, in one for each place."""
    quiet: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        kind, *_, action, _, path, _, scores = row
        if kind.startswith("moderation.") and action == "allow" and scores:
            quiet.setdefault(path, []).append(row)
        else:
            yield _finding(row)
    for allowed in quiet.values():
        highest = max(allowed, key=lambda row: max(row[-1]))
        others = f" {len(allowed) - 1} other categories scored no higher." if len(allowed) > 1 else ""
        yield _finding(highest) + others


def _finding(row: tuple[Any, ...]) -> str:
    kind, source, rule, origin, action, enforced, path, count, scores = row
    times = f" ×{count}" if count and count > 1 else ""
    where = f" at {path}" if path else ""
    by = f"by rule {rule} of {origin}" if rule else "no rule matched"
    score = f", score {max(scores):.2f}" if scores else ""
    observed = f" (observed only: {action})" if action != enforced else ""
    return f"{kind}{times}{where}: {_DONE.get(enforced, enforced)}{observed}, {by}; found by {source}{score}."


def _checks(attrs: Mapping[str, str]) -> Iterator[str]:
    receipts = {
        name.removeprefix(spans.CHECK): word for name, word in attrs.items() if name.startswith(spans.CHECK)
    }
    if receipts:
        told = ", ".join(f"{check} {_RECEIPTS.get(word, word)}" for check, word in sorted(receipts.items()))
        yield f"Checks: {told}."


def _sizes(attrs: Mapping[str, str]) -> Iterator[str]:
    if forwarded := attrs.get(spans.BYTES_FORWARDED):
        out = "nothing went out" if forwarded == "0" else f"a body of {forwarded} bytes went out"
        yield f"{attrs.get(spans.BYTES_SCREENED) or '0'} bytes of text were screened, {out}."
    if restored := attrs.get(spans.RESTORED):
        yield f"{restored} originals were put back into the answer."
    if key := attrs.get(spans.CONTENT_KEY):
        form = attrs.get(spans.CONTENT_FORM)
        yield f"Its texts are kept ({form}), for the auditor's key {key} alone: guard audit open."
