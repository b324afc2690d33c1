"""The coverage table: endpoint, direction, place, and what becomes of what stands there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from guard.policy import names
from guard.wire.leaves import ON_LANE
from guard.wire.nodes import Tagged
from guard.wire.openai import ANSWERS, REQUESTS
from guard.wire.positions import chat, others
from guard.wire.positions.events import COMMON, EVENTS
from guard.wire.reading import Row as Place


class Row(NamedTuple):
    """One line: a place of an endpoint's bodies in one direction (request, answer or stream)."""

    endpoint: str
    direction: str
    path: str
    treatment: str


OTHER = "any other field"
WHOLE = "the whole endpoint"
_STREAMED = ("chat", "responses", "completions")
_UNMAPPED = {
    "request": "refused: guard.opaque.field",
    "answer": "screened, rewritten",
    "stream": "screened, rewritten",
}


def coverage() -> list[Row]:
    """List every mapped place, endpoint by endpoint, what becomes of all others, and the refused endpoints."""
    rows: list[Row] = []
    for name in REQUESTS:
        places = {
            "request": REQUESTS[name].rows(""),
            "answer": ANSWERS[name].rows(""),
            "stream": _stream(name),
        }
        for direction, found in places.items():
            rows += [Row(name, direction, path, treatment) for path, treatment in _with_tables(found)]
            if direction != "stream" or name in _STREAMED:
                rows.append(Row(name, direction, OTHER, _UNMAPPED[direction]))
    return [_as_sent(row) if row.direction == "request" else row for row in rows] + _refused()


def _refused() -> list[Row]:
    """The endpoints that nobody reads, each with the line of a policy that lets it pass unscreened."""
    allowing = "refused: guard.opaque.endpoint (endpoints: {{allow: [{}]}})"
    others = sorted(names.ENDPOINTS - set(REQUESTS))
    return [Row(name, "request", WHOLE, allowing.format(name)) for name in others]


def _as_sent(row: Row) -> Row:
    """A request's row: what an answer streams in pieces, a request sends whole."""
    return row._replace(treatment=row.treatment.removesuffix(ON_LANE))


def _with_tables(places: Iterable[Place]) -> Iterator[tuple[str, str]]:
    """The lines, and after them each table of kinds that a line refers to, once."""
    tables: dict[str, Tagged] = {}
    waiting = list(places)
    done: set[str] = set()
    while waiting:
        for path, treatment, table in waiting:
            yield path, treatment
            if table is not None:
                tables.setdefault(table.name, table)
        new = [table for name, table in tables.items() if name not in done]
        done.update(tables)
        waiting = [place for table in new for place in table.table(table.name)]


def _stream(name: str) -> Iterator[Place]:
    """The places of an endpoint's stream events; a text in pieces says what its lane holds back."""
    if name == "responses":
        yield from _events()
    elif name in ("chat", "completions"):
        yield from (chat.CHUNK if name == "chat" else others.COMPLETIONS_CHUNK).rows("")


def _events() -> Iterator[Place]:
    for field, node in COMMON.fields.items():
        yield from node.rows(f"(any event).{field}")
    for kind, event in EVENTS.items():
        for field in event.fields:
            if field == "response":
                yield Place(f"{kind}.response", "as the answer")
            else:
                yield from event.shape.fields[field].rows(f"{kind}.{field}")
