"""Texts that exports keep for the auditor, opened with the auditor's private key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from guard.audit.questions import QueryError
from guard.audit.story import trace_id_of
from guard.trace import spans
from guard.trace.content import Opener, Sealed


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
