"""The auditor's desk on generated exports: every named question, verify, the writer, bytes a call, `guard why`.

    python benchmarks/audit.py [--calls N] [--folder DIR] [--raw]

Exports are made by the real recorder and chain (two records a call, 30 days), then compacted. `--raw` also asks every
question of the lines alone, and both must give the same rows. `--folder` keeps the exports for another run. Times are
of the wall and of the CPU. Beside them stand floors of the same run: DuckDB counting the same lines, SHA-256 over the
same bytes in blocks, a bare fdatasync; on a machine that is shared the ratios say more than the times. The targets of
the issue are for 1,000,000 calls. Exit code 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
from _exports import write

from guard.audit.compact import compact
from guard.audit.parquet import FOLDER
from guard.audit.query import QUESTIONS, Table, run
from guard.audit.story import why
from guard.audit.verify import verify
from guard.trace.ledger import Ledger
from guard.trace.signing import load_signer

COMPACTED_S, RAW_S, WHY_S, BYTES, VERIFY, WRITER = 1.0, 10.0, 0.3, 300.0, 500e6, 5000.0
_ASKED = {
    "left-region": {"region": "EU"},
    "subject": {"subject": "0000000000001a4f"},
    "subject-access": {"subject": "0000000000001a4f"},
}


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds of the wall, seconds of the processor, and what it gave."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - processor, result


def told(what: str, value: str, holds: bool) -> bool:
    """Print one figure and whether it is on target."""
    print(f"  {what:34} {value:38} {'✓' if holds else '✗'}", flush=True)
    return holds


def questions(folder: Path, limit: float, answers: dict[str, list[str]]) -> bool:
    """Ask every named question once, of the first trace on record; the same rows as in `answers`, if they are there."""
    trace = run(folder, "SELECT min(trace_id) FROM calls").rows[0][0]
    asked, holds = {**_ASKED, "exchange": {"trace": trace}}, True
    for name in QUESTIONS:
        wall, processor, table = timed(lambda name=name: run(folder, name, asked.get(name, {})))  # type: ignore[misc]
        same = table.more or answers.setdefault(name, rows := _rows(table)) == rows
        value = f"{wall:6.2f} s, cpu {processor:6.2f} s, {len(table.rows)} rows"
        holds &= told(name, value if same else "other rows than of the lines", wall <= limit and same)
    wall, processor, _ = timed(lambda: why(folder, trace))
    return holds & told(
        "guard why (in process)", f"{wall:6.2f} s, cpu {processor:6.2f} s", wall <= WHY_S or limit > 1
    )


def _rows(table: Table) -> list[str]:
    return sorted(map(str, table.rows))


def counted(paths: list[Path]) -> None:
    """Have DuckDB count the objects in some files, which it must parse for that."""
    named = ", ".join(f"'{path}'" for path in paths)
    duckdb.sql(
        f"SELECT count(*) FROM read_json_objects([{named}], format = 'newline_delimited', ignore_errors = true)"
    ).fetchall()


def hashed(paths: list[Path]) -> None:
    """Hash some files in blocks: what a proof of every byte cannot go below."""
    for path in paths:
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")


def writer(home: Path, folder: Path, seconds: float = 3.0, threads: int = 64) -> bool:
    """Durable records a second of one process with many callers; a lone commit beside a bare fdatasync."""
    ledger, line, counts = Ledger(folder, signer=load_signer(home)), b"x" * 2000, [0] * threads
    stop = time.monotonic() + seconds

    def work(number: int) -> None:
        while time.monotonic() < stop:
            ledger.commit_sync(line)
            counts[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    median, sync = lone(ledger, line, folder)
    ledger.close()
    rate = sum(counts) / seconds
    holds = told("durable records a second", f"{rate:8.0f}", rate >= WRITER)
    added = f"{median * 1e3:.2f} ms; bare fdatasync {sync * 1e3:.2f} ms"
    return holds & told("one commit (median)", added, median <= sync + 0.15e-3)


def lone(ledger: Ledger, line: bytes, folder: Path) -> tuple[float, float]:
    """The medians of a lone commit and of a bare fdatasync on the same disk, by turns: a disk has its moods."""
    handle = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    commits, syncs = [], []
    try:
        for _ in range(400):
            os.write(handle, line)
            syncs.append(timed(lambda: os.fdatasync(handle))[0])
            commits.append(timed(lambda: ledger.commit_sync(line))[0])
    finally:
        os.close(handle)
        (folder / "bare").unlink()
    return statistics.median(commits), statistics.median(syncs)


def measure(base: Path, calls: int, raw: bool) -> bool:
    """Make, ask, prove."""
    exports, home = base / "exports", base / "home"
    signer = load_signer(home)
    if not exports.is_dir():
        wall, _, size = timed(lambda: write(exports, calls, signer))
        print(f"{calls} calls, {size / 1e6:.0f} MB of lines, made in {wall:.0f} s", flush=True)
    holds, answers = True, dict[str, list[str]]()
    paths = sorted(exports.glob("*.jsonl"))
    if raw and not (exports / FOLDER).exists():
        wall, processor, _ = timed(lambda: counted(paths))
        print(f"of the lines alone (DuckDB counts them in {wall:.2f} s, cpu {processor:.2f} s):")
        holds &= questions(exports, RAW_S, answers)
    wall, processor, done = timed(lambda: compact(exports))
    [(calls,)] = run(exports, "SELECT count(*) FROM calls").rows
    print(f"compacted in {wall:.0f} s (cpu {processor:.0f} s); of Parquet, {calls} calls:")
    holds &= told("bytes of Parquet a call", f"{done.size / calls:6.0f}", done.size / calls <= BYTES)
    holds &= questions(exports, COMPACTED_S, answers)
    size = sum(path.stat().st_size for path in paths)
    _, floor, _ = timed(lambda: hashed(paths))
    wall, processor, report = timed(lambda: verify(exports, signer.public_pem))
    rate = f"{size / processor / 1e6:5.0f} MB/s of a core, {floor / processor:.2f} of hashing in blocks"
    holds &= told(f"verify {report.records} records", rate, report.ok and size / processor >= VERIFY)
    return holds & writer(home, base / "written")


def main() -> int:
    """Measure in a folder of its own, or in the one named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--raw", action="store_true")
    options = parser.parse_args()
    if options.folder:
        return 0 if measure(options.folder, options.calls, options.raw) else 1
    with tempfile.TemporaryDirectory() as base:
        return 0 if measure(Path(base), options.calls, options.raw) else 1


if __name__ == "__main__":
    sys.exit(main())
