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
from functools import cache
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


@cache
def views() -> str:
    """The SQL of the views."""
    return resources.files("guard.audit").joinpath("audit.sql").read_text()


def macros() -> str:
    """What the views are made of, which stands above them."""
    return views()[: views().index(_VIEWS)]


def _statements(sql: str) -> list[str]:
    return re.split(r"^(?=CREATE )", sql, flags=re.MULTILINE)[1:]


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


_FOUND = "STRUCT(kind VARCHAR, enforced VARCHAR, count BIGINT, subjects VARCHAR[])[]"

SENT = """
SELECT
  c.start_ts AS start_ts, c.tenant AS tenant, c.host AS host, c.jurisdiction AS jurisdiction,
  year(f.start_ts) AS year, f.kind AS kind, f.enforced AS enforced, f.count AS count, f.subjects AS subjects,
  f.file AS file, f.seq AS seq, f.trace_id AS trace
FROM all_findings('finding_lines') f
JOIN all_calls('lines') c ON c.trace_id = f.trace_id AND c.intent_span_id = f.span_id
WHERE f.stage = 'input' AND c.purpose = 'model' AND c.outcome <> 'refused'
"""
"""What was sent, joined from findings and calls, which of stored spans stand in tables of their own."""


def spans_of(files: Sequence[Path]) -> str:
    """SQL for stored spans, with all columns of `read_spans` in their order."""
    if not files:
        return "SELECT * FROM read_spans('lines') WHERE false"
    later = ", ".join(f"{value} AS {name}" for name, value in LATER.items())
    columns = ", ".join(_COLUMNS)
    found = f"NULL::{_FOUND} AS found"
    return f"SELECT {columns}, {found} FROM (SELECT * REPLACE (events::JSON[] AS events), {later} FROM {source(files)})"


def over(folder: Path, generations: Sequence[Generation], *, lines: bool) -> Iterator[str]:
    """SQL that lays Parquet over the views; `lines`: there are exports that it does not cover.

    Calls are joined from spans, so those of an exchange with a span outside are joined anew.
    """
    files = {name: parts(folder, generations, name) for name in TABLES}
    yield f"CREATE VIEW stored_spans AS {spans_of(files['spans'])}"
    yield f"CREATE VIEW stored_calls AS {_calls(files)}"
    more = "UNION ALL SELECT * FROM read_" if lines else ""
    yield table("all_spans", f"SELECT * FROM stored_spans {more and more + 'spans(source)'}")
    if files["findings"]:
        found = f"SELECT * FROM {source(files['findings'])}"
        yield table("all_findings", f"{found} {more and more + 'findings(source)'}")
    if not lines:
        yield table("all_calls", "SELECT * FROM stored_calls")
        if files["sent"]:
            yield table("all_sent", _sent(files))
        return
    yield joined_with("stored_spans")
    yield table(
        "all_calls",
        "SELECT * FROM stored_calls WHERE purpose <> 'model' OR trace_id NOT IN"
        " (SELECT trace_id FROM read_spans('lines') WHERE trace_id IS NOT NULL)"
        " UNION ALL SELECT * FROM joined_calls('lines')",
    )
    yield table("all_sent", SENT)


def all_views(
    folder: Path, generations: Sequence[Generation], *, lines: bool, asked: str = ""
) -> Iterator[str]:
    """SQL of the views over Parquet, and over lines where there are any that it does not cover.

    Binding a view can take longer than an answer: those that `asked` does not name are left out, if it names any.
    """
    yield macros()
    yield from over(folder, generations, lines=lines) if generations else ()
    named = {statement: _PUBLIC.match(statement) for statement in _statements(views()[len(macros()) :])}
    wanted = {found[1] for found in named.values() if found and re.search(rf"(?i)\b{found[1]}\b", asked)}
    for statement, found in named.items():
        if found is None or not wanted or found[1] in wanted:
            yield statement


_VIEWS = "CREATE VIEW IF NOT EXISTS erasure_lines"
_PUBLIC = re.compile(r"CREATE OR REPLACE VIEW (spans|decisions|findings|checks|calls|sent) AS")


def table(name: str, rows: str) -> str:
    """SQL of a macro of the views that gives these rows; `source` is the view of lines that it may read."""
    return f"CREATE OR REPLACE MACRO {name}(source) AS TABLE {rows}"


def joined_with(earlier: str) -> str:
    """SQL by which calls are joined from the lines, and from what `earlier` holds of the same traces."""
    return table(
        "call_spans",
        "SELECT * FROM read_spans('lines') UNION ALL"
        f" SELECT * FROM {earlier} WHERE operation IS DISTINCT FROM 'moderation'"
        " AND trace_id IN (SELECT trace_id FROM read_spans('lines'))",
    )


def _calls(files: Mapping[str, Sequence[Path]]) -> str:
    """Calls of all generations, without those that a later one joined anew."""
    if not files["calls"]:
        return "SELECT * FROM joined_calls('lines') WHERE false"
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
