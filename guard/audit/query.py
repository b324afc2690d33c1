"""Ask exports: five views over a folder of OTLP JSON lines, read-only and confined to that folder."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb

from guard.audit.questions import QUESTIONS, QueryError, Question

__all__ = ["QUESTIONS", "VIEWS", "QueryError", "Table", "connect", "run"]

VIEWS = ("spans", "calls", "decisions", "findings", "checks")

ROWS = 100_000
"""Most rows of one answer."""


@dataclass(frozen=True, slots=True)
class Table:
    """An answer: columns, rows, and whether there were more than `ROWS`."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    more: bool = False


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """Open the views over a folder's exports; the connection can read those files and nothing else.

    An empty folder gives empty views. Raises QueryError where there is no such folder.
    """
    if not folder.is_dir():
        raise QueryError(f"there is no folder of exports at {folder}")
    paths = sorted(str(path.resolve()) for path in folder.iterdir() if path.suffix == ".jsonl")
    files = ", ".join(map(_literal, paths))
    connection = duckdb.connect(":memory:")
    connection.execute(f"CREATE VIEW lines AS {_source(files)}")
    connection.execute(resources.files("guard.audit").joinpath("audit.sql").read_text())
    scratch = os.path.join(tempfile.gettempdir(), f"guard-audit-{os.getpid()}")
    connection.execute(f"SET temp_directory = {_literal(scratch)}")
    connection.execute(f"SET allowed_paths = [{files}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def run(folder: Path, question: str, parameters: Mapping[str, str] | None = None) -> Table:
    """Answer a named question, or one SELECT over the views; parameters are texts.

    Raises QueryError for what is neither, with the columns that there are.
    """
    named = QUESTIONS.get(question)
    values = _values(named, dict(parameters or {})) if named else dict(parameters or {})
    with closing(connect(folder)) as connection:
        return _answer(connection, named.sql if named else question, values)


def _answer(connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any]) -> Table:
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise QueryError(_NEITHER)
        result = connection.execute(statements[0], values or None)
        columns = tuple(column[0] for column in result.description or ())
        rows = result.fetchmany(ROWS + 1)
    except duckdb.Error as error:
        raise QueryError(_explain(connection, sql, error)) from error
    return Table(columns, rows[:ROWS], len(rows) > ROWS)


_NEITHER = (
    "this is neither a named question (see --list) nor one SELECT: exports are only read. The views are "
    + ", ".join(VIEWS)
)


def _values(question: Question, given: dict[str, str]) -> dict[str, Any]:
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


def _source(files: str) -> str:
    if not files:
        return "SELECT NULL::JSON AS json, NULL::VARCHAR AS filename WHERE false"
    return (
        f"SELECT json, filename FROM read_json_objects([{files}], format = 'newline_delimited',"
        " filename = true, ignore_errors = true, maximum_object_size = 67108864)"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
