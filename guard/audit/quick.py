"""Check an export that fits its chain at the speed of the hash; anything odd is left to the careful reading."""

from __future__ import annotations

from binascii import hexlify
from collections.abc import Callable, Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from struct import Struct

from guard.audit.chainfile import LARGEST, ChainFile, Odd, attempted, read_head
from guard.trace import chain

_BUFFER = 512 * 1024
_LONGEST = 16 * 1024 * 1024

_before = Struct(">32sQ")
_FRONT = _before.size
_front = _before.pack_into


def quick(path: Path, progress: Callable[[int], None]) -> ChainFile | None:
    """Read an export and its chain; None where they do not fit, or the file was not ended well.

    The chain's entries are compared with those that the lines would give, and parsed only where they are heads.
    """
    return attempted(lambda told: _read(path, told), progress)


def _read(path: Path, progress: Callable[[int], None]) -> ChainFile:
    sidecar = path.with_suffix(".chain")
    if sidecar.stat().st_size > LARGEST:
        raise Odd
    header, before = read_head(sidecar)
    held = ChainFile(sidecar.name, header, before)
    entries = BytesIO(sidecar.read_bytes())
    entries.readline()
    seq = header.first
    with path.open("rb", buffering=0) as file:
        for digests in _digests(file.readinto, before, seq, progress):
            _match(entries, digests, seq, held)
            held.add(digests)
            seq += len(digests)
    while entry := entries.readline():
        _head(entry, held)
    if not held.closed:
        raise Odd
    return held


def _digests(
    read_into: Callable[[memoryview], int], before: bytes, seq: int, progress: Callable[[int], None]
) -> Iterator[list[bytes]]:
    """The hashes of the lines, a buffer at a time, without copies.

    What is hashed before a line is written over the bytes in front of it, which were hashed already.
    """
    buffer, kept = bytearray(_FRONT + _BUFFER), 0
    while size := read_into(memoryview(buffer)[_FRONT + kept :]):
        view, at, end = memoryview(buffer), _FRONT, _FRONT + kept + size
        digests = []
        while (stop := buffer.find(b"\n", at, end)) >= 0:
            _front(buffer, at - _FRONT, before, seq)
            before = sha256(view[at - _FRONT : stop]).digest()
            digests.append(before)
            at, seq = stop + 1, seq + 1
        progress(size)
        yield digests
        kept = end - at
        buffer = _moved(buffer, at, end)
    if kept:
        raise Odd


def _moved(buffer: bytearray, at: int, end: int) -> bytearray:
    """A buffer that begins with the line which the last one cut, and has room for more of it."""
    if at == _FRONT and end == len(buffer):
        if end > _LONGEST:
            raise Odd
        return buffer + bytes(len(buffer))
    buffer[_FRONT : _FRONT + end - at] = buffer[at:end]
    return buffer


def _match(entries: BytesIO, digests: list[bytes], seq: int, held: ChainFile) -> None:
    """Compare the entries of some records with what they must be: at once, or one by one where heads stand between."""
    expected = [b"record %d %b\n" % (number, hexlify(digest)) for number, digest in enumerate(digests, seq)]
    whole, at = b"".join(expected), entries.tell()
    if entries.read(len(whole)) == whole:
        return
    entries.seek(at)
    for record in expected:
        while (entry := entries.readline()) != record:
            _head(entry, held)


def _head(entry: bytes, held: ChainFile) -> None:
    """Keep a signed head; nothing may follow the last one."""
    if held.closed or not entry.endswith(b"\n"):
        raise Odd
    found = chain.read_entry(entry[:-1])
    if found.word == chain.RECORD:
        raise Odd
    held.heads.append(found)
