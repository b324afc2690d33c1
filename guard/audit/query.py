"""Ask exports: five views over a folder of OTLP JSON lines, read-only and confined to that folder."""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from guard.audit import parquet
from guard.audit.holding import holding
from guard.audit.lines import beside, lines_of, unread
from guard.audit.named import QUESTIONS
from guard.audit.overlong import meet, readable
from guard.audit.parquet import literal
from guard.audit.questions import QueryError, Question

__all__ = ["QUESTIONS", "VIEWS", "QueryError", "Table", "ask", "bound", "connect", "over", "rows_of", "run"]

VIEWS = ("spans", "calls", "decisions", "findings", "checks")

ROWS = 100_000
"""Most rows of one answer."""

FEW_BYTES = 256 * 1024 * 1024
"""Size of all lines up to which rows without an ORDER BY come as they stand in the files.

Of more, DuckDB may take files beside each other: where order must be kept, one thread copies all spans into a join.
Lines keep their numbers, since each file is numbered by itself.
"""

_BATCH = 10_000

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Table:
    """An answer: columns, rows, and whether there were more than `ROWS`."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    more: bool = False


def connect(
    folder: Path,
    out: Path | None = None,
    only: Sequence[str] = (),
    trace: str = "",
    *,
    traces: Sequence[str] = (),
    plain: bool = False,
    asked: str = "",
) -> duckdb.DuckDBPyConnection:
    """Open the views over a folder's exports; the connection can read those files and nothing else.

    What `guard audit compact` has read comes from its Parquet, the rest from the lines. An empty folder gives
    empty views. `out` is the one file that it may write; with `only`, lines that hold none of these texts are left
    out (`Question.only`; for `traces` see there, too), and with `trace` Parquet of other days than that trace's may
    be. `plain` is as for `lines_of`; of `asked`, SQL, the views that it names are there, all of them if it names none.
    Raises QueryError where there is no such folder.
    """
    if not folder.is_dir():
        raise QueryError(f"there is no folder of exports at {folder}")
    stored = parquet.current(folder)
    for generation in stored:
        meet(generation.left_out)
    read = parquet.covered(stored)
    connection = duckdb.connect(":memory:")
    if trace:
        stored = holding(connection, folder, stored, trace)
    paths = sorted(p.resolve() for p in folder.iterdir() if p.suffix == ".jsonl" and p.name not in read)
    # DuckDB would draw its bar into the answer on standard output.
    connection.execute("SET enable_progress_bar = false")
    if sum(path.stat().st_size for path in paths) > FEW_BYTES:
        connection.execute("SET preserve_insertion_order = false")
    lines = lines_of(paths, only, plain=plain)
    if trace:  # of which there are few lines: they are looked for once
        connection.execute(f"CREATE TEMP TABLE traced AS {lines}")
        lines = "SELECT * FROM traced"
    elif traces and not stored:  # a stored call is joined anew with every line of its trace
        wanted, lines = beside(lines, traces)
        connection.execute(f"CREATE TEMP TABLE wanted AS {wanted}")
        connection.execute(f"CREATE TEMP TABLE traced AS {lines}")
        lines = "SELECT * FROM traced"
    connection.execute(f"CREATE VIEW lines AS {lines}")
    erasures = sorted(path.resolve() for path in folder.glob("*-erasure-*.jsonl"))
    connection.execute(f"CREATE VIEW erasure_lines AS {lines_of(erasures)}")
    for statement in parquet.all_views(folder, stored, lines=bool(paths), asked=asked):
        connection.execute(statement)
    lined = map(readable, [*paths, *erasures])
    _confine(connection, [*lined, *parquet.parts(folder, stored), *filter(None, [out])])
    return connection


def _confine(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> None:
    """Shut every door but these files, for good."""
    scratch = os.path.join(tempfile.gettempdir(), f"guard-audit-{os.getpid()}")
    connection.execute(f"SET temp_directory = {literal(scratch)}")
    connection.execute(f"SET allowed_paths = [{', '.join(literal(str(path)) for path in paths)}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def over(
    folder: Path,
    work: Callable[[duckdb.DuckDBPyConnection], Answer],
    out: Path | None = None,
    only: Sequence[str] = (),
    trace: str = "",
    traces: Sequence[str] = (),
    asked: str = "",
) -> Answer:
    """Do some work over the views (`connect`), with lines read as text; where they are none, again as JSON."""
    try:
        with closing(connect(folder, out, only, trace, traces=traces, plain=True, asked=asked)) as connection:
            return work(connection)
    except (QueryError, duckdb.Error) as error:
        if not (unread(error) or unread(error.__cause__)):
            raise
    with closing(connect(folder, out, only, trace, traces=traces, asked=asked)) as connection:
        return work(connection)


def run(
    folder: Path, question: str, parameters: Mapping[str, str] | None = None, out: Path | None = None
) -> Table:
    """Answer a named question, or one SELECT over the views; parameters are texts.

    With `out` all rows go into that Parquet file, and the table holds only its columns. Raises QueryError for
    what is neither, with the columns that there are.
    """
    named = QUESTIONS.get(question)
    values = bound(named, dict(parameters or {})) if named else dict(parameters or {})
    sql, only, traces = (
        (named.sql, _texts(named.only, values), _texts(named.traces, values)) if named else (question, (), ())
    )
    trace = str(values["trace"]) if named and "trace" in values else ""

    def answer(connection: duckdb.DuckDBPyConnection) -> Table:
        return _answer(connection, sql, values, ROWS) if out is None else _write(connection, sql, values, out)

    return over(folder, answer, out, only, trace, traces, sql)


def ask(
    folder: Path,
    question: Question,
    parameters: Mapping[str, str],
    more: Mapping[str, Any] | None = None,
    most: int | None = ROWS,
) -> Table:
    """Answer a question of guard's own: `parameters` are texts, `more` are values; `most` rows at most."""
    values = {**bound(question, dict(parameters)), **(more or {})}
    return over(
        folder,
        lambda connection: _answer(connection, question.sql, values, most),
        only=_texts(question.only, values),
        traces=_texts(question.traces, values),
        asked=question.sql,
    )


def _texts(texts: Sequence[str], values: Mapping[str, Any]) -> Sequence[str]:
    found = [str(values[text[1:]]) if text.startswith("$") else text for text in texts]
    return () if "erased" in found else found  # the views' word for whoever a tombstone names: no line has it


def rows_of(
    connection: duckdb.DuckDBPyConnection, question: Question, parameters: Mapping[str, str]
) -> tuple[tuple[str, ...], Iterator[tuple[Any, ...]]]:
    """Answer a named question over an open connection without holding the rows: its columns, and all of them."""
    values = bound(question, dict(parameters))
    try:
        result = connection.execute(question.sql, values)
    except duckdb.Error as error:
        raise QueryError(_explain(connection, question.sql, error)) from error
    columns = tuple(column[0] for column in result.description or ())
    return columns, (row for rows in iter(lambda: result.fetchmany(_BATCH), []) for row in rows)


def _answer(
    connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any], most: int | None
) -> Table:
    try:
        result = connection.execute(_select(connection, sql), values or None)
        columns = tuple(column[0] for column in result.description or ())
        rows = result.fetchall() if most is None else result.fetchmany(most + 1)
    except duckdb.Error as error:
        raise QueryError(_explain(connection, sql, error)) from error
    return Table(columns, rows[:most], most is not None and len(rows) > most)


def _write(connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any], out: Path) -> Table:
    try:
        _select(connection, sql)
        connection.execute(f"CREATE TEMP TABLE answer AS {sql.rstrip().rstrip(';')}", values or None)
        connection.execute(f"COPY answer TO {literal(str(out))} (FORMAT parquet, USE_TMP_FILE false)")
        return Table(tuple(_columns(connection, "answer")), [])
    except duckdb.Error as error:
        raise QueryError(_explain(connection, sql, error)) from error


def _select(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """The one SELECT that a text is; raises QueryError for anything else."""
    if _WORD.fullmatch(sql):
        raise QueryError(_unknown(sql))
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryError(_NEITHER)
    return statements[0]


_NEITHER = (
    "this is neither a named question (see --list) nor one SELECT: exports are only read. The views are "
    + ", ".join(VIEWS)
)


_WORD = re.compile(r"\s*[\w-]+\s*")


def _unknown(word: str) -> str:
    """What to write instead of one word that is no question."""
    if word.strip() in VIEWS:
        return f"{word.strip()} is a view, and no question: write SELECT * FROM {word.strip()}"
    if near := difflib.get_close_matches(word.strip(), QUESTIONS, 1):
        return f"there is no such question: is {near[0]} meant? --list shows them all"
    return "there is no such question: --list shows them all"


def bound(question: Question, given: dict[str, str]) -> dict[str, Any]:
    """The values of a question's parameters, read from texts; raises QueryError for one too many or too few."""
    known = [parameter.name for parameter in question.parameters]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise QueryError(f"{question.name} has no {unknown[0]}: it takes {', '.join(known)}")
    values = {}
    for parameter in question.parameters:
        text = given.get(parameter.name, parameter.default)
        if text is None:
            raise QueryError(f"{question.name} needs --{parameter.name}: {parameter.about}")
        values[parameter.name] = parameter.read(text)
    return values


def _explain(connection: duckdb.DuckDBPyConnection, sql: str, error: duckdb.Error) -> str:
    """DuckDB's sentence, and the columns of the views that the query names."""
    sentence = str(error).strip().split("\n\n")[0].removesuffix("!")
    named = [view for view in VIEWS if re.search(rf"\b{view}\b", sql, re.IGNORECASE)] or list(VIEWS)
    columns = [f"{view}: {', '.join(_columns(connection, view))}" for view in named]
    return "\n".join([sentence, *columns])


def _columns(connection: duckdb.DuckDBPyConnection, view: str) -> list[str]:
    try:
        return [str(row[0]) for row in connection.execute(f"DESCRIBE {view}").fetchall()]
    except duckdb.Error:  # the exports were removed meanwhile: the first sentence says so
        return []
