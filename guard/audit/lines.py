"""Exports as a table of lines, each with its file and the number of its record in the chain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from guard.audit.parquet import literal
from guard.trace import chain

LINE = 64 * 1024 * 1024
"""Longest line that answers are made from; a longer one is no record of guard's."""

_HEADER = 64 * 1024


def lines_of(paths: Sequence[Path], only: Sequence[str] = ()) -> str:
    """SQL for the lines of exports; with `only`, for those that can hold one of these texts.

    A text search is ten times as fast as reading JSON. JSON spells a text in one way, except by a backslash: lines
    with one are taken too.
    """
    lines = " UNION ALL ".join(map(_numbered, paths)) or (
        "SELECT NULL::JSON AS json, NULL::VARCHAR AS filename, NULL::BIGINT AS seq WHERE false"
    )
    if not only:
        return lines
    holds = " OR ".join(f"contains(json, {literal(text)})" for text in (*only, "\\"))
    return f"SELECT * FROM ({lines}) WHERE {holds}"


def _numbered(path: Path) -> str:
    # Lines come in order and a line that is no JSON is a row too, so that counting them is numbering them.
    return (
        f"SELECT json, filename, {first_of(path) - 1} + row_number() OVER () AS seq FROM read_json_objects("
        f"{literal(str(path))}, format = 'newline_delimited', filename = true, ignore_errors = true,"
        f" maximum_object_size = {LINE})"
    )


def first_of(path: Path) -> int:
    """The number of an export's first record, by its chain's header; 1 where there is none."""
    try:
        with path.with_suffix(".chain").open("rb") as file:
            return chain.read_header(file.readline(_HEADER).rstrip(b"\n")).first
    except (OSError, ValueError):
        return 1
