"""Check an export that was ended well by the marks in its heads: both files are hashed as streams, not by line.

A mark (chain files of version 2) is signed with the head and binds every byte of the export and of the chain before it.
So where the last signature and all marks hold, every line is as it was written. Whatever does not hold is left to the
reading by line, which finds out what was done.
"""

from __future__ import annotations

import contextlib
import re
from binascii import unhexlify
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from guard.audit.chainfile import DIGEST, LARGEST, ChainFile, Odd, attempted, read_head
from guard.trace import chain
from guard.trace.signing import Verifier

_BLOCK = 1024 * 1024
_HEADS = re.compile(rb"\n(?:head|close) [^\n]*(?=\n)")
_HEX = 2 * DIGEST


def streamed(
    path: Path, verifiers: Mapping[str, Verifier], progress: Callable[[int], None]
) -> ChainFile | None:
    """Read an export and its chain; None where not every byte of both is bound by a mark that holds.

    Memory grows with the chain file only, whatever the lines are.
    """

    def read(told: Callable[[int], None]) -> ChainFile:
        held = _read_chain(path.with_suffix(".chain"), verifiers)
        _follow(path, held, told)
        held.streamed = True
        return held

    return attempted(read, progress)


def unmarked(paths: Iterable[Path]) -> set[str]:
    """Files that a header names by a record's hash alone: only hashing each line shows that the record has it."""
    bare = set()
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            header, _ = read_head(path.with_suffix(".chain"))
            links = (*header.seen, *([header.previous] if header.previous else []))
            bare |= {link.file for link in links if link.mark is None}
    return bare


def _read_chain(path: Path, verifiers: Mapping[str, Verifier]) -> ChainFile:
    """Read a chain whose last line is a signed end that binds what is before it, each head with it."""
    if path.stat().st_size > LARGEST:
        raise Odd
    text = path.read_bytes()
    header, before = chain.read_header(line := text.partition(b"\n")[0]), chain.start(line)
    held, state = ChainFile(path.name, header, before), sha256()
    hashed, records = 0, len(line) + 1
    for found in _HEADS.finditer(text):
        at = found.start() + 1
        state.update(memoryview(text)[hashed:at])
        _take(held, text[records:at])
        _keep(held, chain.read_entry(text[at : found.end()]), state.digest())
        hashed, records = at, found.end() + 1
    _ended(held, verifiers)
    if records != len(text):
        raise Odd
    return held


def _take(held: ChainFile, records: bytes) -> None:
    lines = records.split(b"\n")[:-1]
    digests = unhexlify(b"".join([line[-_HEX:] for line in lines]))
    if len(digests) != DIGEST * len(lines):
        raise Odd
    held.add([digests])


def _keep(held: ChainFile, head: chain.Entry, before: bytes) -> None:
    if held.closed or head.mark is None or head.mark.chain != before:
        raise Odd
    if (head.seq, head.digest) != (held.last, held.digest(held.last)):
        raise Odd
    held.heads.append(head)


def _ended(held: ChainFile, verifiers: Mapping[str, Verifier]) -> None:
    verifier = verifiers.get(held.header.key_id)
    if not held.closed or verifier is None or not chain.holds(held.heads[-1], verifier, held.header.version):
        raise Odd


def _follow(path: Path, held: ChainFile, progress: Callable[[int], None]) -> None:
    """Hash the export from mark to mark; each must hold, and count the lines that its head says."""
    state, at, lines = sha256(), 0, held.header.first - 1
    with path.open("rb", buffering=_BLOCK) as file:
        for head in held.heads:
            assert head.mark is not None  # `_keep` took no other
            size, export, _ = head.mark
            while at < size and (piece := file.read(min(size - at, _BLOCK))):
                state.update(piece)
                at, lines = at + len(piece), lines + _ends(piece)
                progress(len(piece))
            if (at, lines, state.digest()) != (size, head.seq, export):
                raise Odd
        if file.read(1):
            raise Odd


def _ends(piece: bytes) -> int:
    """How many lines end in it; `bytes.count` takes twice as long."""
    ends, at = 0, piece.find(b"\n")
    while at >= 0:
        ends, at = ends + 1, piece.find(b"\n", at + 1)
    return ends
