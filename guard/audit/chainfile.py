"""Read one export and its `.chain` into what verify compares: digests by sequence number, heads, problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from guard.trace import chain

PIECE = 1024 * 1024
DIGEST = 32
LARGEST = 256 * 1024 * 1024
"""The largest `.chain` file that is read at once, in bytes."""

_ABSENT = bytes(DIGEST)
_LIMIT = 100
_JUMP = 1_000_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where.

    `what` is changed, removed, inserted, reordered or cut (records); chain, signature or key (the `.chain`
    file); link, missing or foreign (whole files). `line` counts from 1 in the export.
    """

    what: str
    file: str
    text: str
    line: int | None = None
    record: int | None = None

    def __str__(self) -> str:
        return self.said()

    def said(self, say: Callable[[str], str] = str) -> str:
        """The place and what is wrong there, each as `say` has it."""
        place = self.file if self.line is None else self.file + say(f", line {self.line}")
        return f"{place}: {say(self.text)}"


@dataclass(slots=True)
class ChainFile:
    """A `.chain` file: its header, the digest of each record, and the signed heads in order.

    `streamed`: the last signature holds and every mark does, so that all of both files is as it was signed.
    """

    name: str
    header: chain.Header
    before: bytes
    heads: list[chain.Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    torn: bool = False
    streamed: bool = False
    _digests: bytearray = field(default_factory=bytearray)

    @property
    def last(self) -> int:
        """The sequence number of the last record that is chained."""
        return self.header.first - 1 + len(self._digests) // DIGEST

    @property
    def closed(self) -> bool:
        """Whether the file was ended well: nothing may follow."""
        return bool(self.heads) and self.heads[-1].word == chain.CLOSE

    def digest(self, seq: int) -> bytes | None:
        """The hash of a record (before the first one: of the header); None where the chain has none."""
        if seq == self.header.first - 1:
            return self.before
        at = (seq - self.header.first) * DIGEST
        found = bytes(self._digests[at : at + DIGEST]) if at >= 0 else b""
        return found if found and found != _ABSENT else None

    def agrees(self, point: chain.Link | chain.Entry) -> bool | None:
        """Whether a record is what somebody else says of it; None where there is none.

        Where no line was hashed, the mark counts as well: only it is of the bytes that are there.
        """
        if (digest := self.digest(point.seq)) is None:
            return None
        marked = not self.streamed or any(
            (one.seq, one.mark) == (point.seq, point.mark) for one in self.heads
        )
        return digest == point.digest and marked

    def put(self, seq: int, digest: bytes) -> None:
        """Set the hash of a record; records skipped over have none."""
        at = (seq - self.header.first) * DIGEST
        if at > len(self._digests):
            self._digests.extend(bytes(at - len(self._digests)))
        self._digests[at : at + DIGEST] = digest

    def add(self, digests: Sequence[bytes]) -> None:
        """Set the hashes of the records that follow the last one."""
        self._digests.extend(b"".join(digests))

    def says(self, what: str, text: str, record: int | None = None) -> None:
        """Note a problem of the `.chain` file; of thousands, the first hundred."""
        if len(self.problems) < _LIMIT:
            self.problems.append(Problem(what, self.name, text, record=record))


class Odd(Exception):
    """A file does not fit, or is not as it is written every time: it is left to another reading."""


def attempted(
    read: Callable[[Callable[[int], None]], ChainFile], progress: Callable[[int], None]
) -> ChainFile | None:
    """Read in a way that takes only what is as it should be; None where it is not, and the progress taken back."""
    done = 0

    def told(size: int) -> None:
        nonlocal done
        done += size
        progress(size)

    try:
        return read(told)
    except (Odd, ValueError):
        progress(-done)
        return None


def read_head(path: Path) -> tuple[chain.Header, bytes]:
    """Read the header of a `.chain` file and its hash; raises ValueError where there is none."""
    with path.open("rb") as file:
        line = file.readline(PIECE)
    if not line.endswith(b"\n"):
        raise ValueError("no header of a chain")
    return chain.read_header(line[:-1]), chain.start(line[:-1])


def read_chain(path: Path) -> ChainFile:
    """Read a whole `.chain` file: what is wrong inside is in `problems`; ValueError without a header."""
    header, before = read_head(path)
    found = ChainFile(path.name, header, before)
    for number, line in _lines(path):
        if not line.endswith(b"\n"):
            found.torn = True
            if found.closed:
                found.says("chain", "the chain goes on after its signed end")
            break
        try:
            entry = chain.read_entry(line[:-1])
        except ValueError:
            found.says("chain", f"line {number} of the chain cannot be read")
            continue
        _add(found, entry)
    return found


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        file.readline()
        yield from enumerate(iter(lambda: file.readline(PIECE), b""), 2)


def _add(found: ChainFile, entry: chain.Entry) -> None:
    if found.closed:
        found.says("chain", f"the chain goes on after its signed end (record {entry.seq})", entry.seq)
    if entry.word != chain.RECORD:
        found.heads.append(entry)
        return
    expected = found.last + 1
    if entry.digest == _ABSENT or not found.header.first <= entry.seq < expected + _JUMP:
        return found.says("chain", f"the chain's entry of record {entry.seq} is none", entry.seq)
    if entry.seq > expected:
        found.says("chain", f"the chain has no entries from record {expected} to {entry.seq}", expected)
    elif found.digest(entry.seq) is not None:
        return found.says("chain", f"the chain has a second entry of record {entry.seq}", entry.seq)
    elif entry.seq < expected:
        found.says("chain", f"the chain's entry of record {entry.seq} is not in its place", entry.seq)
    found.put(entry.seq, entry.digest)


def hash_line(file: BinaryIO, before: bytes, seq: int) -> tuple[bytes, int, bool]:
    """Hash the next line as a record: the digest, the bytes read, and whether the line is whole.

    A line may be larger than memory: it is read in pieces.
    """
    line = file.readline(PIECE)
    if line.endswith(b"\n"):
        return chain.follow(before, seq, line[:-1]), len(line), True
    state, size = chain.seed(before, seq), 0
    while line and not line.endswith(b"\n"):
        state.update(line)
        size += len(line)
        line = file.readline(PIECE)
    state.update(line[:-1])
    return state.digest(), size + len(line), bool(line)
