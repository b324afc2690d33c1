"""The Parquet beside the exports: which files of it are current, and the views that put it in the lines' place.

Derived data: each row names the file and the record that it was read from, and nothing here is evidence. A
generation is what one run of `guard audit compact` made of some exports; it counts as long as each of these is
as it was, and so are the generations before it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from guard.audit.overlong import Overlong

FOLDER = "parquet"
MANIFEST = "manifest.json"
TABLES = ("spans", "findings", "calls", "sent", "superseded", "traces")


@dataclass(frozen=True, slots=True)
class Source:
    """An export as it was when it was read."""

    file: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Source:
        """The export as it is now; raises OSError where it is gone."""
        found = path.stat()
        return cls(path.name, found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Generation:
    """What one run made: its folder, its sources, its files for each table, and the lines that it left out."""

    name: str
    sources: tuple[Source, ...]
    files: Mapping[str, tuple[str, ...]]
    left_out: tuple[Overlong, ...]


def views() -> str:
    """The SQL of the views."""
    return resources.files("guard.audit").joinpath("audit.sql").read_text()


def schema() -> str:
    """What Parquet was made by: other views, or another way to store them, make other columns."""
    return hashlib.sha256(repr((views(), TABLES, _COLUMNS, LATER)).encode()).hexdigest()


def read_manifest(folder: Path) -> list[Generation]:
    """All generations that were written by these views; none where the manifest cannot be read."""
    try:
        data = json.loads((folder / FOLDER / MANIFEST).read_text())
        if data["schema"] != schema():
            return []
        return [_generation(one) for one in data["generations"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def outdated(folder: Path) -> bool:
    """Whether there is Parquet, and other views made it: answers come from the lines until it is made anew."""
    try:
        return bool(json.loads((folder / FOLDER / MANIFEST).read_text())["schema"] != schema())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _generation(data: Any) -> Generation:
    files = {table: tuple(map(str, data["files"][table])) for table in TABLES}
    sources = tuple(Source(**one) for one in data["sources"])
    left_out = tuple(Overlong(**one) for one in data["left_out"])
    return Generation(str(data["name"]), sources, files, left_out)


def manifest(generations: Sequence[Generation]) -> str:
    """The manifest as text."""
    return json.dumps({"schema": schema(), "generations": [asdict(one) for one in generations]}, indent=1)


def current(folder: Path) -> list[Generation]:
    """The generations that still say what the exports say, oldest first."""
    found = []
    for generation in read_manifest(folder):
        if not (
            _unchanged(folder, generation) and all(path.is_file() for path in parts(folder, [generation]))
        ):
            break
        found.append(generation)
    return found


def _unchanged(folder: Path, generation: Generation) -> bool:
    try:
        return all(Source.of(folder / source.file) == source for source in generation.sources)
    except OSError:
        return False


def covered(generations: Sequence[Generation]) -> set[str]:
    """The names of the exports whose rows stand in Parquet."""
    return {source.file for generation in generations for source in generation.sources}


def parts(folder: Path, generations: Sequence[Generation], table: str = "") -> list[Path]:
    """The Parquet files of one table, or of all."""
    return [
        folder.resolve() / FOLDER / generation.name / file
        for generation in generations
        for name in ([table] if table else TABLES)
        for file in generation.files[name]
    ]


_COLUMNS = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "kind",
    "start_ts",
    "end_ts",
    "duration_ms",
    "failed",
    "attrs",
    "resource",
    "events",
    "receipts",
    "file",
    "seq",
    "stage",
    "exchange",
    "action",
    "enforced",
    "error_type",
    "mount",
    "endpoint",
    "tenant",
    "user_hash",
    "subject_key",
    "policy",
    "policy_version",
    "policy_sha256",
    "policy_mode",
    "bytes_screened",
    "bytes_forwarded",
    "host",
    "jurisdiction",
    "residency_decision",
    "residency_code",
    "detect",
    "operation",
    "provider",
    "model",
    "response_model",
    "response_id",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "address",
    "waived",
    "tag",
)

LATER = {
    "exchange": "attrs['guard.exchange']",
    "response_model": "attrs['gen_ai.response.model']",
    "response_id": "attrs['gen_ai.response.id']",
    "input_tokens": "TRY_CAST(attrs['gen_ai.usage.input_tokens'] AS BIGINT)",
    "output_tokens": "TRY_CAST(attrs['gen_ai.usage.output_tokens'] AS BIGINT)",
    "cost_usd": "TRY_CAST(attrs['guard.cost.usd'] AS DOUBLE)",
}
"""Columns of spans that differ from row to row and stand in the attributes too: they are stored once."""


def spans_of(files: Sequence[Path]) -> str:
    """SQL for stored spans, with all columns of `read_spans` in their order."""
    if not files:
        return "SELECT * FROM read_spans WHERE false"
    later = ", ".join(f"{value} AS {name}" for name, value in LATER.items())
    columns = ", ".join(_COLUMNS)
    return (
        f"SELECT {columns} FROM (SELECT * REPLACE (events::JSON[] AS events), {later} FROM {source(files)})"
    )


def over(folder: Path, generations: Sequence[Generation], *, lines: bool) -> Iterator[str]:
    """SQL that lays Parquet over the views; `lines`: there are exports that it does not cover.

    Calls are joined from spans, so those of an exchange with a span outside are joined anew.
    """
    files = {table: parts(folder, generations, table) for table in TABLES}
    yield f"CREATE VIEW stored_spans AS {spans_of(files['spans'])}"
    yield f"CREATE VIEW stored_calls AS {_calls(files)}"
    more = "UNION ALL SELECT * FROM read_" if lines else ""
    yield f"CREATE OR REPLACE VIEW all_spans AS SELECT * FROM stored_spans {more and more + 'spans'}"
    if files["findings"]:
        found = f"SELECT * FROM {source(files['findings'])}"
        yield f"CREATE OR REPLACE VIEW all_findings AS {found} {more and more + 'findings'}"
    if not lines:
        yield "CREATE OR REPLACE VIEW calls AS SELECT * FROM stored_calls"
        if files["sent"]:
            yield f"CREATE OR REPLACE VIEW all_sent AS {_sent(files)}"
        return
    yield from joined_with("stored_spans")
    yield (
        "CREATE OR REPLACE VIEW calls AS SELECT * FROM stored_calls WHERE purpose <> 'model' OR trace_id NOT IN"
        " (SELECT trace_id FROM read_spans WHERE trace_id IS NOT NULL) UNION ALL SELECT * FROM joined_calls"
    )


_OVER_LINES = frozenset(
    "read_spans all_spans finding_lines finding_spans read_findings all_findings call_spans joined_calls calls"
    " joined_sent all_sent".split()
)
_VIEW = re.compile(r"CREATE (?:OR REPLACE )?VIEW (?:IF NOT EXISTS )?(\w+)")


def all_views(folder: Path, generations: Sequence[Generation], *, lines: bool) -> Iterator[str]:
    """SQL of the views over Parquet, and over lines where there are any that it does not cover.

    Where there are none, the views over lines are left out: binding them takes longer than most answers.
    """
    if lines or not all(
        parts(folder, generations, table) for table in ("spans", "findings", "calls", "sent")
    ):
        yield views()
        yield from over(folder, generations, lines=lines) if generations else ()
        return
    yield from over(folder, generations, lines=False)
    for statement in re.split(r"^(?=CREATE )", views(), flags=re.MULTILINE)[1:]:
        found = _VIEW.match(statement)
        if found is None or found[1] not in _OVER_LINES:
            yield statement


def joined_with(earlier: str) -> Iterator[str]:
    """SQL by which calls are joined from the lines, and from what `earlier` holds of the same traces."""
    yield (
        "CREATE OR REPLACE VIEW call_spans AS SELECT * FROM read_spans UNION ALL"
        f" SELECT * FROM {earlier} WHERE operation IS DISTINCT FROM 'moderation'"
        " AND trace_id IN (SELECT trace_id FROM read_spans)"
    )


def _calls(files: Mapping[str, Sequence[Path]]) -> str:
    """Calls of all generations, without those that a later one joined anew."""
    if not files["calls"]:
        return "SELECT * FROM joined_calls WHERE false"
    calls = f"SELECT * EXCLUDE (generation) FROM {source(files['calls'])} c"
    if not files["superseded"]:
        return calls
    return (
        f"{calls} WHERE NOT EXISTS (SELECT 1 FROM {source(files['superseded'])} s"
        " WHERE s.trace_id = c.trace_id AND s.generation > c.generation AND c.purpose = 'model')"
    )


def _sent(files: Mapping[str, Sequence[Path]]) -> str:
    """What went to models, of all generations; of calls that were joined anew, what the last one says."""
    sent = source(files["sent"])
    rows = f"SELECT * EXCLUDE (generation, anew) FROM {sent} s"
    if not files["superseded"]:
        return rows
    return (
        f"{rows} WHERE NOT EXISTS (SELECT 1 FROM {sent} n WHERE n.anew AND n.generation > s.generation"
        " AND n.file = s.file AND n.seq = s.seq)"
    )


def source(files: Sequence[Path], *, filename: bool = False) -> str:
    """Parquet files as a table of SQL, if wished with the name of each row's file."""
    listed = ", ".join(literal(str(file)) for file in files)
    return f"read_parquet([{listed}], hive_partitioning = false{', filename = true' if filename else ''})"


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"
