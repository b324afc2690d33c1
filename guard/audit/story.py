"""One exchange's story from the exports, in plain words: what was asked, found, decided, sent where, answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from guard.audit.query import over
from guard.audit.questions import QueryError, trace_id_of
from guard.trace import spans

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


Say = Callable[[str], str]
"""A sentence, or a part of one, in the reader's language."""


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


def why(folder: Path, trace_id: str, say: Say = str) -> Story:
    """Tell one exchange by its trace id, each sentence as `say` has it.

    Raises QueryError for what is no trace id, or not on record.
    """
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
        tuple(_step(row, began, [f[1:] for f in findings if f[0] == row[6]], say) for row in rows),
    )


def _in_order(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """By the clock; where it jumped, so that something stands before the record that came first, as recorded (C36)."""
    file, record = rows[0][4:6]
    jumped = any(row[0] == spans.SCREEN and row[4] == file and row[5] < record for row in rows if record)
    return sorted(rows, key=lambda row: (row[4], row[5] or 0)) if jumped else rows


def _first(attributes: list[dict[str, str]], name: str) -> str:
    return next((one[name] for one in attributes if one.get(name)), "")


def _step(row: tuple[Any, ...], began: datetime, findings: list[tuple[Any, ...]], say: Say) -> Step:
    name, start, duration, attrs, file, record, _ = row
    told = [
        *_heads(name, duration, attrs, say),
        *_findings(findings, say),
        *_checks(attrs, say),
        *_sizes(attrs, say),
    ]
    return Step((start - began).total_seconds() * 1000, tuple(told), file, record)


def _heads(name: str, duration: float | None, attrs: Mapping[str, str], say: Say) -> Iterator[str]:
    operation = attrs.get(spans.OPERATION)
    after = _took(duration, say) + _failed(attrs, say)
    if name == spans.SCREEN:
        where = say(f" to {attrs[spans.ENDPOINT]}") if attrs.get(spans.ENDPOINT) else ""
        done = _done(attrs, say) + _policy(attrs, say)
        asked = attrs.get(spans.STAGE) == "input"
        yield say(f"The request{where} was {done}." if asked else f"The answer{where} was {done}.")
        yield from _destination(attrs, say)
    elif operation == "moderation":
        yield say(f"{_called(attrs, say)} was asked to judge{after}.")
        yield from _scores(attrs, say)
    elif operation:
        yield say(f"{_called(attrs, say)} was asked ({operation}){after}.")
        if attrs.get(spans.ACTION):
            yield say(f"Its answer was {_done(attrs, say)}.")
        yield from _usage(attrs, say)
    else:
        yield f"{name}{after}."


def _done(attrs: Mapping[str, str], say: Say) -> str:
    action, enforced = attrs.get(spans.ACTION, ""), attrs.get(spans.ENFORCED, "")
    done = say(_DONE.get(enforced, "not decided"))
    if action != enforced and action in _DONE:
        done += say(f" (the rules said {action}: the policy only observes)")
    return f"{done} ({attrs[spans.ERROR_TYPE]})" if attrs.get(spans.ERROR_TYPE) else done


def _policy(attrs: Mapping[str, str], say: Say) -> str:
    if not attrs.get(spans.POLICY_NAME):
        return ""
    name = " ".join(filter(None, (attrs[spans.POLICY_NAME], attrs.get(spans.POLICY_VERSION))))
    mode, sha256 = attrs.get(spans.POLICY_MODE), attrs[spans.POLICY_SHA256][:12]
    return say(f" under policy {name} (mode {mode}, sha256 {sha256}…)")


def _destination(attrs: Mapping[str, str], say: Say) -> Iterator[str]:
    if host := attrs.get(spans.RESIDENCY_HOST):
        place = attrs.get(spans.RESIDENCY_JURISDICTION) or say("an unknown place")
        told = {"table": ", says guard's table", "declared": ", says the policy"}
        place += say(told.get(attrs.get(spans.RESIDENCY_SOURCE, ""), ""))
        decision = say(attrs.get(spans.RESIDENCY_DECISION, ""))
        code = f" ({attrs[spans.RESIDENCY_CODE]})" if attrs.get(spans.RESIDENCY_CODE) else ""
        yield say(f"Its destination {host} in {place} was {decision}{code}.")
    if rules := attrs.get(spans.RESIDENCY_RULES):
        within = _list(attrs.get(spans.RESIDENCY_WITHIN, "")) or say("no place at all")
        yield say(f"What was found keeps it in {within}, by egress.rules: {_list(rules)}.")


def _list(value: str) -> str:
    """An array of the record in words."""
    return ", ".join(json.loads(value)) if value else ""


def _called(attrs: Mapping[str, str], say: Say) -> str:
    model = attrs.get(spans.RESPONSE_MODEL) or attrs.get(spans.REQUEST_MODEL) or say("A model")
    host = attrs.get(spans.SERVER_ADDRESS)
    return model + say(f" at {host}") if host else model


def _took(duration: float | None, say: Say) -> str:
    return say(f", which took {duration:.1f} ms") if duration is not None else ""


def _failed(attrs: Mapping[str, str], say: Say) -> str:
    return say(f", and failed ({attrs[spans.ERROR_TYPE]})") if attrs.get(spans.ERROR_TYPE) else ""


def _usage(attrs: Mapping[str, str], say: Say) -> Iterator[str]:
    if attrs.get(spans.INPUT_TOKENS) or attrs.get(spans.OUTPUT_TOKENS):
        asked, answered = attrs.get(spans.INPUT_TOKENS, "0"), attrs.get(spans.OUTPUT_TOKENS, "0")
        answer = say(f" (response {attrs[spans.RESPONSE_ID]})") if attrs.get(spans.RESPONSE_ID) else ""
        yield say(f"It counted {asked} tokens in, {answered} out{answer}.")


def _scores(attrs: Mapping[str, str], say: Say) -> Iterator[str]:
    highest = {
        name.removeprefix(spans.MODERATION_SCORE): max(map(float, json.loads(scores)), default=0.0)
        for name, scores in attrs.items()
        if name.startswith(spans.MODERATION_SCORE)
    }
    told = sorted(highest.items(), key=lambda pair: -pair[1])[:3]
    if told:
        yield say(f"Highest scores: {', '.join(f'{name} {score:.2f}' for name, score in told)}.")


def _findings(rows: list[tuple[Any, ...]], say: Say = str) -> Iterator[str]:
    """Each finding in a sentence; what the judge scored and every rule allowed, in one for each place."""
    quiet: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        kind, *_, action, _, path, _, scores = row
        if kind.startswith("moderation.") and action == "allow" and scores:
            quiet.setdefault(path, []).append(row)
        else:
            yield _finding(row, say)
    for allowed in quiet.values():
        highest = max(allowed, key=lambda row: max(row[-1]))
        others = say(f" {len(allowed) - 1} other categories scored no higher.") if len(allowed) > 1 else ""
        yield _finding(highest, say) + others


def _finding(row: tuple[Any, ...], say: Say) -> str:
    kind, source, rule, origin, action, enforced, path, count, scores = row
    times = f" ×{count}" if count and count > 1 else ""
    where = say(f" at {path}") if path else ""
    by = say(f"by rule {rule} of {origin}") if rule else say("no rule matched")
    score = say(f", score {max(scores):.2f}") if scores else ""
    observed = say(f" (observed only: {action})") if action != enforced else ""
    done = say(_DONE.get(enforced, enforced)) + observed
    return say(f"{kind}{times}{where}: {done}, {by}; found by {source}{score}.")


def _checks(attrs: Mapping[str, str], say: Say) -> Iterator[str]:
    receipts = {
        name.removeprefix(spans.CHECK): word for name, word in attrs.items() if name.startswith(spans.CHECK)
    }
    if receipts:
        told = (f"{check} {say(_RECEIPTS.get(word, word))}" for check, word in sorted(receipts.items()))
        yield say(f"Checks: {', '.join(told)}.")


def _sizes(attrs: Mapping[str, str], say: Say) -> Iterator[str]:
    if forwarded := attrs.get(spans.BYTES_FORWARDED):
        out = say("nothing went out" if forwarded == "0" else f"a body of {forwarded} bytes went out")
        yield say(f"{attrs.get(spans.BYTES_SCREENED) or '0'} bytes of text were screened, {out}.")
    if restored := attrs.get(spans.RESTORED):
        yield say(f"{restored} originals were put back into the answer.")
    if key := attrs.get(spans.CONTENT_KEY):
        form = attrs.get(spans.CONTENT_FORM)
        yield say(f"Its texts are kept ({form}), for the auditor's key {key} alone: guard audit open.")
