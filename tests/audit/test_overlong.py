"""Lines too long to be records: answers and Parquet are made without them, each is told, and no number shifts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard.audit import overlong as kit
from guard.audit.compact import compact
from guard.audit.overlong import Overlong, overlong, readable, taken
from guard.audit.query import QueryError, run
from guard.cli import main

LINE = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"%s","spanId":"s","name":"x","attributes":[]}]}]}]}'
HUGE = b'{"a":"' + b"x" * 3000 + b'"}'


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an overlong line amid others, and a killed writer's chain beside it; nothing left to tell."""
    monkeypatch.setattr(kit, "LONGEST", 1000)
    taken()
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "traces-1.jsonl").write_bytes(b"\n".join([LINE % b"a", HUGE, LINE % b"b", HUGE[:-9]]))
    (folder / "traces-1.chain").write_text("")
    os.utime(folder / "traces-1.jsonl", (1, 1))
    (folder / "traces-2.jsonl").write_bytes(LINE % b"c" + b"\n")
    yield folder
    taken()


ROWS = "SELECT file, seq, trace_id FROM spans ORDER BY ALL"
EXPECTED = [("traces-1.jsonl", 1, "a"), ("traces-1.jsonl", 3, "b"), ("traces-2.jsonl", 1, "c")]
TOLD = [Overlong("traces-1.jsonl", 2, len(HUGE)), Overlong("traces-1.jsonl", 4, len(HUGE) - 9)]


def test_answers_leave_overlong_lines_out_and_tell_them(exports: Path) -> None:
    """Bad input, gigabyte lines: the other records keep their numbers; a torn one at the end is told as well."""
    assert run(exports, ROWS).rows == EXPECTED
    assert taken() == TOLD
    assert taken() == [], "told once an answer"
    assert run(exports, ROWS).rows == EXPECTED
    assert taken() == TOLD, "and with each answer"


def test_parquet_leaves_them_out_and_every_answer_from_it_tells_them(exports: Path) -> None:
    """The file is not read again, and what is not in it is still told."""
    assert compact(exports).files == 1
    assert taken() == TOLD
    (exports / "traces-2.jsonl").unlink()
    assert run(exports, ROWS).rows == EXPECTED[:2]
    assert taken() == TOLD


@pytest.mark.parametrize("question", ["checks", "SELECT colour FROM calls"])
def test_the_command_says_so_and_by_its_exit_code(
    exports: Path, question: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 for an answer without them, 2 for a wrong question; file, line and bytes on standard error."""
    monkeypatch.setattr(sys, "argv", ["guard", "audit", "query", question, "--folder", str(exports)])
    assert main.run() == (1 if question == "checks" else 2)
    told = capfd.readouterr().err
    assert "left out: line 2 of traces-1.jsonl, 3008 bytes, too long to be a record" in told
    assert "line 4 of traces-1.jsonl, 2999 bytes" in told


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([b""], []),
        ([b"x" * 1000, b"x" * 1000, b"x"], []),
        ([b"x" * 1000], []),
        ([b"x" * 1001], [(1, 1001)]),
        ([b"", b"x" * 1001, b"", b"x" * 5000, b"x" * 5000, b"y"], [(2, 1001), (4, 5000), (5, 5000)]),
        ([b"x" * 300] * 9 + [b"x" * 1001], [(10, 1001)]),
    ],
)
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_the_longest_line_is_the_bound(
    exports: Path, lines: list[bytes], found: list[tuple[int, int]], end: bytes
) -> None:
    """One byte more is overlong, wherever it stands; the copy holds every other line as it was."""
    path = exports / "traces-3.jsonl"
    path.write_bytes(b"\n".join(lines) + end)
    assert [(one.line, one.bytes) for one in overlong(path)] == found
    kept = [b"{}" if len(line) > 1000 else line for line in lines]
    assert readable(path).read_bytes() == b"\n".join(kept) + end
    assert (readable(path) == path) == (not found)


def test_a_copy_that_cannot_be_made_is_an_error(exports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room for it there is no answer, and the file is named."""

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kit, "_copy", full)
    with pytest.raises(
        QueryError, match=r"traces-1[.]jsonl holds a line of more than 64 MB, .*No space left"
    ):
        run(exports, ROWS)
