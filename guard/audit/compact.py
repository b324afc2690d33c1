"""Turn sealed exports into Parquet by day, so that questions about a year take a second."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from guard.audit import parquet
from guard.audit.holding import index
from guard.audit.lines import lines_of, unread
from guard.audit.overlong import overlong
from guard.audit.parquet import FOLDER, MANIFEST, TABLES, Generation, Source, literal
from guard.audit.questions import QueryError
from guard.outside.folders import sync_folder
from guard.trace.chain import CLOSE

_BATCH = 256 * 1024 * 1024
_MANY = 24
"""So many generations are made into one: each adds a file a day and table."""

_QUIET_S = 3600.0
"""A file without an end that nobody wrote to for so long belongs to a process that was killed."""

Progress = Callable[[int], None]

_PARQUET = "FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd"
_OPTIONS = f"{_PARQUET}, PARTITION_BY (day), OVERWRITE_OR_IGNORE"
_INDEX = f"{_PARQUET}, ROW_GROUP_SIZE 16384"


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a run did: exports read, the bytes of them, and exports that are still written to."""

    files: int
    bytes: int
    open: int
    size: int


def compact(folder: Path, progress: Progress | None = None) -> Compacted:
    """Bring the Parquet of a folder up to date: what is new is added, what changed is made anew.

    Atomic: until the manifest is replaced, answers come from what was there. Raises QueryError where there is no
    such folder, where another run is at it, or where the disk refuses.
    """
    if not folder.is_dir():
        raise QueryError(f"there is no folder of exports at {folder}")
    try:
        with _alone(folder):
            return _compact(folder, progress or (lambda size: None))
    except (OSError, duckdb.Error) as error:
        raise QueryError(
            f"the exports cannot be compacted ({type(error).__name__}): {_reason(error)}"
        ) from None


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error).split("\n")[0]


def _compact(folder: Path, progress: Progress) -> Compacted:
    kept = parquet.current(folder)
    if len(kept) >= _MANY:
        kept = []
    exports = sorted(path for path in folder.iterdir() if path.suffix == ".jsonl")
    missing = [path for path in exports if path.name not in parquet.covered(kept)]
    sealed = [path for path in missing if _sealed(path)]
    generations = [*kept, *([_made(folder, kept, sealed, progress)] if sealed else [])]
    if generations != parquet.read_manifest(folder):
        _publish(folder / FOLDER, generations)
    size = sum(path.stat().st_size for path in parquet.parts(folder, generations))
    read = sum(path.stat().st_size for path in sealed)
    return Compacted(len(sealed), read, len(missing) - len(sealed), size)


def _sealed(path: Path) -> bool:
    """Whether nothing will be added to an export: it was ended, or its process was killed long ago."""
    try:
        with path.with_suffix(".chain").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1024))
            last = file.read().rstrip(b"\n").rpartition(b"\n")[2]
        return last.startswith(CLOSE.encode()) or time.time() - path.stat().st_mtime > _QUIET_S
    except OSError:
        return False


def _made(
    folder: Path, kept: Sequence[Generation], exports: Sequence[Path], progress: Progress
) -> Generation:
    """Write one generation; its folder has its final name, and nobody looks there before the manifest says so."""
    sources = tuple(map(Source.of, exports))
    name = f"g{secrets.token_hex(6)}"
    target = folder / FOLDER / name
    target.mkdir(mode=0o700, parents=True)
    for number, batch in enumerate(_batches(exports)):
        _read_batch(target, batch, number)
        progress(sum(path.stat().st_size for path in batch))
    _write_calls(folder, target, kept, len(kept))
    _write_traces(target)
    if tuple(map(Source.of, exports)) != sources:
        raise QueryError("an export was changed while it was read: start again")
    files = {table: tuple(_files(target, table)) for table in TABLES}
    left_out = tuple(line for path in exports for line in overlong(path))
    return Generation(name, sources, files, left_out)


def _files(target: Path, table: str) -> Iterator[str]:
    for path in sorted((target / table).rglob("*.parquet")):
        sync_folder(path)
        yield str(path.relative_to(target))


def _batches(exports: Sequence[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    for path in exports:
        batch.append(path)
        if sum(one.stat().st_size for one in batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


@contextmanager
def _connected(exports: Sequence[Path], *, plain: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect(":memory:")) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"CREATE VIEW lines AS {lines_of(exports, plain=plain)}")
        connection.execute(parquet.macros())
        yield connection


def _read_batch(target: Path, batch: Sequence[Path], number: int) -> None:
    try:
        _write_spans(target, batch, number, plain=True)
    except duckdb.Error as error:
        if not unread(error):
            raise
        _write_spans(target, batch, number)


def _write_spans(target: Path, batch: Sequence[Path], number: int, *, plain: bool = False) -> None:
    """Write the spans and the findings of a batch of exports."""
    with _connected(batch, plain=plain) as connection:
        # What is kept for the auditor stays in the lines alone, and goes with them.
        light = "CASE WHEN attrs['guard.content'] IS NULL THEN attrs ELSE map_from_entries(list_filter("
        light += "map_entries(attrs), lambda e: e.key <> 'guard.content')) END AS attrs"
        stored = (
            f"SELECT * EXCLUDE (found, {', '.join(parquet.LATER)}) REPLACE ({light}) FROM read_spans('lines')"
        )
        for table, rows in (("spans", stored), ("findings", "SELECT * FROM read_findings('finding_lines')")):
            _copy(connection, f"{rows} ORDER BY start_ts, file, seq", target / table, f"b{number}")


def _write_calls(folder: Path, target: Path, kept: Sequence[Generation], number: int) -> None:
    """Join the calls of the new spans, and anew those that an earlier generation has a part of."""
    files = sorted((target / "spans").rglob("*.parquet"))
    if not files:  # lines that are no spans at all
        return
    spans = parquet.spans_of(files)
    with _connected([]) as connection:
        connection.execute(parquet.table("read_spans", spans))
        connection.execute("CREATE TEMP TABLE again (trace_id VARCHAR)")
        if kept:
            _join_earlier(connection, folder, kept)
        if connection.execute("SELECT count(*) FROM again").fetchone() != (0,):
            again = f"SELECT trace_id, {number} AS generation, DATE '1970-01-01' AS start_ts FROM again"
            _copy(connection, again, target / "superseded", "b")
        calls = f"SELECT *, {number} AS generation FROM joined_calls('lines') ORDER BY start_ts, trace_id"
        _copy(connection, calls, target / "calls", "b")
        _write_sent(connection, folder, target, kept, number)


def _join_earlier(connection: duckdb.DuckDBPyConnection, folder: Path, kept: Sequence[Generation]) -> None:
    """Lay earlier spans of the same traces beside the new ones, and note these traces."""
    earlier = parquet.spans_of(parquet.parts(folder, kept, "spans"))
    connection.execute(f"CREATE VIEW earlier AS {earlier}")
    connection.execute(parquet.joined_with("earlier"))
    connection.execute(
        "INSERT INTO again SELECT DISTINCT trace_id FROM earlier"
        " WHERE trace_id IN (SELECT trace_id FROM read_spans('lines'))"
    )


def _write_sent(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    target: Path,
    kept: Sequence[Generation],
    number: int,
) -> None:
    """Join the findings with the calls just written, which may be of earlier findings; traces get short numbers."""
    findings = [*sorted((target / "findings").rglob("*.parquet")), *parquet.parts(folder, kept, "findings")]
    calls = sorted((target / "calls").rglob("*.parquet"))
    if not (findings and calls):
        return
    for view, files in (("all_findings", findings), ("all_calls", calls)):
        connection.execute(parquet.table(view, f"SELECT * FROM {parquet.source(files)}"))
    connection.execute(f"CREATE TEMP TABLE going AS {parquet.SENT}")
    told = (
        "SELECT trace, row_number() OVER (ORDER BY min(start_ts), trace) AS number FROM going GROUP BY trace"
    )
    trace = f"({number} * 1_000_000_000_000 + t.number)::BIGINT AS trace"
    anew = "trace IN (SELECT trace_id FROM again) AS anew"
    rows = f"SELECT g.* REPLACE ({trace}), {number} AS generation, {anew} FROM going g JOIN ({told}) t USING (trace)"
    _copy(connection, f"{rows} ORDER BY start_ts, file, seq", target / "sent", "b")


def _write_traces(target: Path) -> None:
    """Note in which files each trace stands, sorted so that one is found by reading a few kilobytes."""
    files = sorted((target / "spans").rglob("*.parquet"))
    if not files:
        return
    (target / "traces").mkdir(mode=0o700)
    with _connected([]) as connection:
        connection.execute(
            f"COPY ({index(target.name, files)}) TO {literal(str(target / 'traces' / 't.parquet'))} ({_INDEX})"
        )


def _copy(connection: duckdb.DuckDBPyConnection, rows: str, target: Path, name: str) -> None:
    """Write rows into one folder a day; those without a time into `day=none`."""
    day = "coalesce(strftime(start_ts, '%Y-%m-%d'), 'none') AS day"
    options = f"{_OPTIONS}, FILENAME_PATTERN {literal(name + '-{i}')}"
    connection.execute(f"COPY (SELECT *, {day} FROM ({rows})) TO {literal(str(target))} ({options})")


def _publish(base: Path, generations: Sequence[Generation]) -> None:
    """Replace the manifest, then remove what no manifest names."""
    base.mkdir(mode=0o700, exist_ok=True)
    draft = base / f"{MANIFEST}.{secrets.token_hex(4)}"
    draft.write_text(parquet.manifest(generations))
    sync_folder(draft)
    draft.replace(base / MANIFEST)
    sync_folder(base)
    named = {generation.name for generation in generations}
    for path in base.iterdir():
        if path.is_dir() and path.name not in named:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process; raises QueryError where another run holds it."""
    import fcntl

    base = folder / FOLDER
    base.mkdir(mode=0o700, exist_ok=True)
    with (base / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise QueryError("another run is compacting this folder") from None
        with suppress(FileNotFoundError):
            for stale in base.glob(f"{MANIFEST}.*"):
                stale.unlink()
        yield
