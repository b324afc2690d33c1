"""Lines of exports as a table: whichever way they are read, and whoever wrote them, the rows are the same."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from guard.audit import query
from guard.audit.compact import compact
from guard.audit.lines import beside, lines_of, unread
from guard.audit.query import connect, over, run

_ROWS = "SELECT seq, trace_id, name, attrs, resource, len(events) FROM spans ORDER BY ALL"
_FOUND = "SELECT seq, trace_id, kind FROM findings ORDER BY ALL"


def span(trace: Any, **more: Any) -> dict[str, Any]:
    """One span as OTLP has it, with a finding."""
    attributes = [
        {"key": "guard.stage", "value": {"stringValue": "input"}},
        {"key": "n", "value": {"intValue": "7"}},
    ]
    event = {
        "name": "guard.finding",
        "attributes": [{"key": "kind", "value": {"stringValue": "pii.email"}}],
    }
    return {"traceId": trace, "spanId": "s", "name": "x", "attributes": attributes, "events": [event], **more}


def line(*resources: list[list[Any]]) -> bytes:
    """A line: resources of scopes of spans."""
    named = {"attributes": [{"key": "service.name", "value": {"stringValue": "guard"}}]}
    whole = [
        {"resource": named, "scopeSpans": [{"spans": spans} for spans in scopes]} for scopes in resources
    ]
    return json.dumps({"resourceSpans": whole}, separators=(",", ":"), ensure_ascii=False).encode()


ONE, TWO = line([[span("a")]]), line([[span("b", name="y")]])


def write(folder: Path, *lines: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "traces-1.jsonl").write_bytes(b"".join(one + b"\n" for one in lines))
    return folder


ODD = [
    b"no json",
    b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"torn',
    b"",
    b'{"resourceSpans":[]} trailing',
    ONE.replace(b'"x"', b'"\x00"'),
    ONE.replace(b'"x"', '"张\u2028\u0085"'.encode()),
    ONE.replace(b'"x"', b'"\\u00e9\\"\\\\"'),
]


@pytest.mark.parametrize(
    ("bad", "plain"),
    [
        (ODD, True),
        ([ONE.replace(b'"x"', b'"\x01"')], False),
        ([ONE.replace(b'"x"', b'"\xff"')], False),
        ([ONE.replace(b'"x"', b'"\r"')], False),
        ([ONE.replace(b'"x"', b'"' + b"x" * 2_100_000 + b'"')], False),
    ],
)
def test_lines_read_as_text_give_the_rows_of_lines_read_as_json(
    tmp_path: Path, bad: list[bytes], plain: bool
) -> None:
    """Bad input: what is no line, or not what text can be, is in no answer of either, and shifts no number."""
    folder = write(tmp_path / "exports", ONE, *bad, TWO)
    told: list[Any] = []

    def ask(connection: duckdb.DuckDBPyConnection) -> Any:
        told.append(connection)
        return [connection.execute(sql).fetchall() for sql in (_ROWS, _FOUND)]

    with closing(connect(folder)) as connection:
        expected = ask(connection)
    assert over(folder, ask) == expected
    assert len(told) == (2 if plain else 3), "read as JSON only where it must be"
    assert run(folder, _ROWS).rows == expected[0]


def test_a_line_of_many_spans_gives_each(tmp_path: Path) -> None:
    """Whoever writes OTLP otherwise than guard: spans, scopes and resources by the dozen, spans without an id."""
    lines = [
        ONE,
        line([[span("c"), span("d", name="z")]]),
        line([[span("e")], [span("f")]]),
        line([[span("g")]], [[span("h")]]),
        line([[span(None)]], []),
        line([[{"name": "bare"}, 5, None]]),
        line([[span("i", attributes=5, events=5)]]),
        line([[]]),
        line([[span("j"), None]]),
    ]
    folder = write(tmp_path / "exports", *lines)
    attrs, guard = {"guard.stage": "input", "n": "7"}, {"service.name": "guard"}
    expected: list[tuple[Any, ...]] = [
        (1, "a", "x", attrs, guard, 1),
        (2, "c", "x", attrs, guard, 1),
        (2, "d", "z", attrs, guard, 1),
        (3, "e", "x", attrs, guard, 1),
        (3, "f", "x", attrs, guard, 1),
        (4, "g", "x", attrs, None, 1),
        (4, "h", "x", attrs, None, 1),
        (5, None, "x", attrs, None, 1),
        (6, None, "bare", None, guard, 0),
        (6, None, None, None, guard, 0),
        (6, None, None, None, guard, 0),
        (7, "i", "x", {}, guard, 0),
        (9, "j", "x", attrs, guard, 1),
        (9, None, None, None, guard, 0),
    ]
    assert sorted(map(str, run(folder, _ROWS).rows)) == sorted(map(str, expected))
    kinds = run(
        folder, "SELECT seq, count(*) FROM findings WHERE kind = 'pii.email' GROUP BY seq ORDER BY seq"
    )
    assert kinds.rows == [(1, 1), (2, 2), (3, 2), (4, 2), (5, 1), (9, 1)]


def test_lines_of_other_traces_are_left_out_however_a_trace_is_spelled(tmp_path: Path) -> None:
    """A line is left out only where it names one trace, plainly, and another one."""
    many = line([[span("other"), span("b")]])
    kept = [
        ONE.replace(b'"n"', b'"wanted"'),
        ONE.replace(b'"x"', b'"x wanted","links":[]'),
        TWO.replace(b'"b"', b'"\\u0062"'),
        TWO.replace(b'"traceId":', b'"traceId" : '),
        many,
        many.replace(b'"traceId":"b"', b'"traceId":\t"b"'),
        line([[span("other")]], [[span("b")]]),
        line([[span(None)]]),
        line([[span(5), span("b")]]),
    ]
    folder = write(tmp_path / "exports", *kept, line([[span("c")]]), line([[span("d")]]))
    export = lines_of([folder / "traces-1.jsonl"], plain=True)
    with closing(duckdb.connect()) as connection:
        wanted, rest = beside(export, ["wanted"])
        connection.execute(f"CREATE TABLE wanted AS {wanted}")
        rows = connection.execute(f"SELECT seq FROM ({rest}) ORDER BY seq")
        assert [seq for (seq,) in rows.fetchall()] == list(range(1, len(kept) + 1))


def test_what_is_not_text_is_compacted_all_the_same(tmp_path: Path) -> None:
    """Bad input: bytes that are no UTF-8 in a file of a killed writer."""
    folder = write(tmp_path / "exports", ONE, b"\xff", TWO)
    before = [run(folder, sql).rows for sql in (_ROWS, _FOUND)]
    (folder / "traces-1.chain").write_text("")
    os.utime(folder / "traces-1.jsonl", (1, 1))
    assert compact(folder).files == 1
    assert [run(folder, sql).rows for sql in (_ROWS, _FOUND)] == before


def test_an_error_of_a_question_is_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only lines are read in two ways: what is wrong in SQL is said at once, and quotes no line."""
    folder = write(tmp_path / "exports", ONE)
    opened = []
    monkeypatch.setattr(query, "connect", lambda *a, **k: opened.append(1) or connect(*a, **k))
    with pytest.raises(query.QueryError, match="spans: trace_id"):
        run(folder, "SELECT colour FROM spans")
    assert opened == [1]
    assert not unread(duckdb.InvalidInputException("Malformed JSON"))
    assert not unread(None)


@pytest.mark.parametrize("around", [b"", b'{"a":1}\n'], ids=["alone", "among others"])
def test_a_line_larger_than_what_is_read_at_once_is_not_left_out(tmp_path: Path, around: bytes) -> None:
    """Read as text, a line of 34 MB is an error, after which it is read as before: never no line."""
    export = tmp_path / "x.jsonl"
    export.write_bytes(around + b'{"a":"' + b"x" * 34_000_000 + b'"}\n' + around)
    with pytest.raises(duckdb.Error) as caught:
        duckdb.sql(f"SELECT count(*) FROM ({lines_of([export], plain=True)})").fetchall()
    assert unread(caught.value)
