"""Exports as a table of lines, each with its file and the number of its record in the chain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from guard.audit.overlong import LONGEST, readable
from guard.audit.parquet import literal
from guard.trace import chain

_HEADER = 64 * 1024


def lines_of(paths: Sequence[Path], only: Sequence[str] = (), *, plain: bool = False) -> str:
    """SQL for the lines of exports; with `only`, for those that can hold one of these texts.

    A text search is ten times as fast as reading JSON. JSON spells a text in one way, except by a backslash: lines
    with one are taken too. `plain` reads lines as text, in a fourth of the time; what is no such text (`unread`)
    must then be asked again without. Lines longer than `LONGEST` are left out, and told (`guard.audit.overlong`).
    """
    numbered = _plain if plain else _numbered
    lines = " UNION ALL ".join(numbered(path, readable(path)) for path in paths) or (
        "SELECT NULL::JSON AS json, NULL::VARCHAR AS filename, NULL::BIGINT AS seq WHERE false"
    )
    return f"SELECT * FROM ({lines}) WHERE {_holds(only)}" if only else lines


def _holds(texts: Sequence[str]) -> str:
    return " OR ".join(f"contains(json, {literal(text)})" for text in (*texts, "\\"))


def beside(lines: str, texts: Sequence[str]) -> tuple[str, str]:
    """SQL for the traces that lines with one of some texts tell of, and for the lines that can tell of such a trace.

    The second reads the first as the table `wanted`. Left out are lines that name one trace, in guard's own spelling,
    and it is none of these.
    """
    named = "unnest(TRY(json ->> '$.resourceSpans[*].scopeSpans[*].spans[*].traceId')) AS trace_id"
    wanted = f"SELECT DISTINCT trace_id FROM (SELECT {named} FROM ({lines}) WHERE {_holds(texts)})"
    # A line is parted at `Id"`, whose capital is rare: at a quote it takes four times as long.
    once = """ends_with(parts[1], '"trace') AND starts_with(parts[2], ':"')"""
    once += """ AND len(list_filter(parts[2:], lambda part: ends_with(part, '"trace'))) = 0"""
    known = "(SELECT trace_id FROM wanted WHERE trace_id IS NOT NULL)"
    other = f"{once} AND split_part(parts[2], '\"', 2) NOT IN {known}"
    rows = f"SELECT *, string_split(json, 'Id\"') AS parts FROM ({lines})"
    return wanted, f"SELECT * EXCLUDE (parts) FROM ({rows}) WHERE {_holds(texts)} OR NOT ({other})"


def unread(error: BaseException | None) -> bool:
    """Whether an error means that lines are not what `plain` reads: no UTF-8, control characters, 2 MB and more."""
    return isinstance(error, duckdb.InvalidInputException) and "CSV" in str(error)


def _numbered(path: Path, at: Path) -> str:
    # Lines come in order and a line that is no JSON is a row too, so that counting them is numbering them.
    return (
        f"SELECT json, {literal(str(path))} AS filename, {first_of(path) - 1} + row_number() OVER () AS seq"
        f" FROM read_json_objects({literal(str(at))}, format = 'newline_delimited', ignore_errors = true,"
        f" maximum_object_size = {LONGEST + 1})"
    )


def _plain(path: Path, at: Path) -> str:
    # One column and no quotes: nothing divides a line but its end, and an error is raised, never a line left out; but
    # where parts of a file are read side by side, DuckDB leaves out a line that alone fills more than a part (32 MB).
    return (
        f"SELECT json, {literal(str(path))} AS filename, {first_of(path) - 1} + row_number() OVER () AS seq FROM"
        f" read_csv({literal(str(at))}, columns = {{'json': 'VARCHAR'}}, auto_detect = false, header = false,"
        " delim = '\x01', quote = '', escape = '', comment = '', new_line = '\\n', strict_mode = true,"
        " ignore_errors = false, parallel = false, hive_partitioning = false) WHERE json IS NOT NULL"
    )


def first_of(path: Path) -> int:
    """The number of an export's first record, by its chain's header; 1 where there is none."""
    try:
        with path.with_suffix(".chain").open("rb") as file:
            return chain.read_header(file.readline(_HEADER).rstrip(b"\n")).first
    except (OSError, ValueError):
        return 1
