"""Name what happened to an export whose lines do not fit its chain: changed, removed, inserted, reordered.

Each record can be checked alone: the chain file holds the hash before it and the hash after it. So lines and
records are aligned like two texts, a window at a time, and what is left over on either side is the damage.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import BinaryIO

from guard.audit.chainfile import ChainFile, Problem, hash_line

_WINDOW = 64
_LIMIT = 100


class Damage:
    """The alignment of one export's lines with its chain, from the first line that does not fit.

    Lines count from 0 here; problems count from 1. `lost` are the runs of records that no line was found for.
    """

    def __init__(self, file: BinaryIO, name: str, chain: ChainFile) -> None:
        self._file, self._name, self._chain = file, name, chain
        self._starts = _line_starts(file)
        self._lines = len(self._starts) - 1
        self._moved_lines: set[int] = set()
        self._moved_records: set[int] = set()
        self.problems: list[Problem] = []
        self.lost: list[tuple[int, int]] = []

    def explain(self, line: int, seq: int) -> list[Problem]:
        """Explain everything from a line that should hold record `seq` on."""
        while len(self.problems) < _LIMIT and (line < self._lines or seq <= self._chain.last):
            line, seq = self._advance(line, seq)
        if seq <= self._chain.last:  # too much is wrong to look on
            self.lost.append((seq, self._chain.last))
        return self.problems

    def _advance(self, line: int, seq: int) -> tuple[int, int]:
        if line in self._moved_lines:
            return line + 1, seq
        if seq in self._moved_records:
            return line, seq + 1
        if self._fits(line, seq):
            return line + 1, seq + 1
        if self._chain_was_changed(line, seq):
            return line + 1, seq + 1
        return self._resolve(line, seq, *self._anchor(line, seq))

    def _fits(self, line: int, seq: int) -> bool:
        before, after = self._chain.digest(seq - 1), self._chain.digest(seq)
        if before is None or after is None or line >= self._lines:
            return False
        return self._hash(line, before, seq) == after

    def _hash(self, line: int, before: bytes, seq: int) -> bytes:
        self._file.seek(self._starts[line])
        return hash_line(self._file, before, seq)[0]

    def _chain_was_changed(self, line: int, seq: int) -> bool:
        """Whether the entry of the record was changed and not the record: the next one fits after it."""
        before, after = self._chain.digest(seq - 1), self._chain.digest(seq + 1)
        if before is None or after is None or line + 1 >= self._lines:
            return False
        digest = self._hash(line, before, seq)
        if self._hash(line + 1, digest, seq + 1) != after:
            return False
        self._say("chain", f"the chain's entry of record {seq} was changed, the record was not", line, seq)
        self._chain.put(seq, digest)
        return True

    def _anchor(self, line: int, seq: int) -> tuple[int, int]:
        """The next pair of line and record that fit and stand in order."""
        matches = self._matches(line, seq)
        ordered = _longest_rising(matches)
        lines, records = {at for at, _ in ordered}, {record for _, record in ordered}
        for at, record in matches:
            if (
                at not in lines and record not in records
            ):  # else it is a copy of a record that is in its place
                self._moved_lines.add(at)
                self._moved_records.add(record)
                lines.add(at)
                records.add(record)
                self._say("reordered", f"record {record} was moved to this line", at, record)
        if ordered:
            return ordered[0]
        return self._far(line, seq) or (self._lines, self._chain.last + 1)

    def _matches(self, line: int, seq: int) -> list[tuple[int, int]]:
        """All lines and records of the window that fit; of one line, the later records first."""
        lines = set(range(line, min(line + _WINDOW, self._lines))) - self._moved_lines
        records = set(range(seq, min(seq + _WINDOW, self._chain.last + 1))) - self._moved_records
        pairs = ((at, record) for at in sorted(lines) for record in sorted(records, reverse=True))
        return [(at, record) for at, record in pairs if self._fits(at, record)]

    def _far(self, line: int, seq: int) -> tuple[int, int] | None:
        """Look past the window: many records were removed before this line, or many lines inserted."""
        for record in range(seq + _WINDOW, self._chain.last + 1):
            if self._fits(line, record):
                return line, record
        for at in range(line + _WINDOW, self._lines):
            if self._fits(at, seq):
                return at, seq
        return None

    def _resolve(self, line: int, seq: int, next_line: int, next_seq: int) -> tuple[int, int]:
        """Pair what stands between here and the next anchor; what has no partner was removed or inserted."""
        lines = [at for at in range(line, next_line) if at not in self._moved_lines]
        records = [s for s in range(seq, next_seq) if s not in self._moved_records]
        for at, record in list(zip(lines, records, strict=False))[:_LIMIT]:
            if self._chain.digest(record - 1) is not None and self._chain.digest(record) is not None:
                self._say("changed", f"record {record} was changed", at, record)
        self.lost += _runs(records)
        at_end = next_line >= self._lines and next_seq > self._chain.last
        for first, last in _runs(records[len(lines) :]):
            lost = records_named(first, last)
            text = f"{lost} missing at the end" if at_end else f"{lost} missing"
            self._say("cut" if at_end else "removed", text, line, first)
        for first, last in _runs(lines[len(records) :]):
            one = "this line is no record of the chain"
            several = f"this line is no record of the chain (nor are those up to line {last + 1})"
            self._say("inserted", several if last > first else one, first, None)
        return next_line, next_seq

    def _say(self, what: str, text: str, line: int, record: int | None) -> None:
        self.problems.append(Problem(what, self._name, text, line + 1, record))


def _line_starts(file: BinaryIO) -> array[int]:
    starts, at = array("Q", [0]), 0
    file.seek(0)
    while piece := file.readline(1024 * 1024):
        at += len(piece)
        if piece.endswith(b"\n"):
            starts.append(at)
    return starts


def records_named(first: int, last: int) -> str:
    """`record 7 is`, `records 7 to 9 are`: the start of a sentence about a run of records."""
    return f"record {first} is" if first == last else f"records {first} to {last} are"


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def _longest_rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest part of pairs in which lines and records both rise (patience sorting).

    Pairs are in order of lines, those of one line by falling record, so that no line is taken twice.
    """
    tails: list[int] = []
    chains: list[list[tuple[int, int]]] = []
    for pair in pairs:
        at = bisect_left(tails, pair[1])
        longest = [*(chains[at - 1] if at else []), pair]
        tails[at : at + 1], chains[at : at + 1] = [pair[1]], [longest]
    return chains[-1] if chains else []
