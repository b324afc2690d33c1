"""Which of the Parquet files hold one trace: by an index, so that its story is read from one day of many."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from guard.audit.parquet import Generation, literal, parts, source

PART = "day=[^/]+/b[0-9]+"
"""A day of a batch: its spans and its findings stand in files whose names begin so, each in its folder."""


def holding(
    connection: duckdb.DuckDBPyConnection, folder: Path, generations: Sequence[Generation], trace: str
) -> list[Generation]:
    """The generations without the spans and findings of other days than those of one trace.

    One file of each table stays in any case: the views have its columns.
    """
    if not (files := parts(folder, generations, "traces")):
        return list(generations)
    told = f"SELECT part FROM {source(files)} WHERE key = md5_number_lower($trace)"
    found = {row[0] for row in connection.execute(told, {"trace": trace}).fetchall()}
    return [_only(generation, found) for generation in generations]


def _only(generation: Generation, found: Collection[str]) -> Generation:
    def of(table: str) -> tuple[str, ...]:
        files = generation.files[table]
        return tuple(file for file in files if _part(generation, file) in found) or files[:1]

    return replace(generation, files={**generation.files, "spans": of("spans"), "findings": of("findings")})


def _part(generation: Generation, file: str) -> str:
    found = re.search(PART, file)
    return f"{generation.name}/{found[0] if found else ''}"


def index(name: str, files: Sequence[Path]) -> str:
    """SQL for the index of a generation by its name and its files of spans: keys in order, and where each stands."""
    part = f"{literal(name + '/')} || regexp_extract(filename, {literal(PART)})"
    return (
        f"SELECT DISTINCT md5_number_lower(trace_id) AS key, {part} AS part FROM {source(files, filename=True)}"
        " WHERE trace_id IS NOT NULL ORDER BY key, part"
    )
