"""One export file and its chain: what is appended is durable when the call returns, or OSError is raised."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from guard.outside.folders import sync_folder
from guard.trace import chain
from guard.trace.heads import Heads, Receiver
from guard.trace.signing import Signer

_LOG = logging.getLogger("guard.trace")

FULL = 80
"""From how many percent on a disk is said to fill up."""

_SEEN = 16
_TAIL = 1024


class Disk(NamedTuple):
    """The two calls that a disk can fail."""

    write: Callable[[int, bytes], int] = os.write
    sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class Origin(NamedTuple):
    """What every file of one writer shares."""

    folder: Path
    writer: str
    signer: Signer
    sign_every: int
    sign_after_s: float
    disk: Disk
    heads: Path | Receiver | None = None


class ExportFile:
    """An open `traces-<UTC>-<writer>.jsonl` with its `.chain`; both 0600, in a folder made 0700.

    `end` is the last durable record: where the writer's next file links to.
    """

    def __init__(self, origin: Origin, previous: chain.Link | None) -> None:
        self._origin = origin
        self._created: dict[Path, int] = {}
        origin.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        now = datetime.now(UTC)
        self.path = origin.folder / f"traces-{now:%Y%m%dT%H%M%S%fZ}-{origin.writer}.jsonl"
        self._name = str(self.path)  # `stat` of a Path takes twice as long, after each sync
        first = previous.seq + 1 if previous else 1
        header = self._header(first, previous, now).line()
        self.end = chain.Link(self.path.name, first - 1, chain.start(header))
        self.size = 0
        self._running, self._behind = chain.Running(), list[tuple[bytes, bytes]]()
        self._signed, self._signed_at = self.end.seq, time.monotonic()
        self._heads = Heads(origin.heads, self.path.name)
        try:
            self._open(header)
        except OSError:
            self.abandon()
            raise
        _warn_when_full(origin.folder)

    def append(self, lines: Sequence[bytes]) -> None:
        """Write lines, make them durable, then chain them."""
        data = _joined(lines)
        entries, heads, end = self._chain(lines)
        self._write(self._file, data)
        # Before the sync, which leaves everything cold: behind it, it made a lone commit 50 us longer.
        self._check(self.size + len(data))
        self._origin.disk.sync(self._file)
        self._write(self._chainfile, entries)
        self.size += len(data)
        self._chain_size += len(entries)
        self._behind.append((data, entries))
        self.end = end
        if heads:
            self._heads.add(heads)

    def sign_if_due(self) -> None:
        """Sign a head where the last one is too old; after OSError the file must be abandoned."""
        self._catch_up()
        if self._signed < self.end.seq and time.monotonic() - self._signed_at >= self._origin.sign_after_s:
            self._sign(chain.HEAD)

    def close(self) -> None:
        """Sign the last head as the file's end, and close; after OSError the file must be abandoned."""
        self._sign(chain.CLOSE)
        self.forget()

    def abandon(self) -> None:
        """After a failure: cut what was never acknowledged, and end the file as well as the disk allows.

        A file without a durable record is removed: nobody was told that it holds one.
        """
        with contextlib.suppress(OSError):
            if self.size and self._created:
                _cut(self._file, self.size)
                _cut(self._chainfile, self._chain_size)
                self._sign(chain.CLOSE)
            else:
                for path in self._created:
                    path.unlink(missing_ok=True)
        self.forget()

    def forget(self) -> None:
        """Close the descriptors and nothing else (a forked child must not touch its parent's files)."""
        created, self._created = self._created, {}  # a number that is closed may be another's from here on
        for descriptor in created.values():
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _open(self, header: bytes) -> None:
        # The chain comes first: an export without a chain is what verify reports as foreign.
        self._chainfile = self._create(self.path.with_suffix(".chain"))
        self._chain_size = len(header) + 1
        self._write(self._chainfile, header + b"\n")
        self._running.add(b"", header + b"\n")
        self._heads.add(header + b"\n")
        self._sign(chain.HEAD)
        self._file = self._create(self.path)
        self._inode = os.fstat(self._file).st_ino
        sync_folder(self._origin.folder)

    def _create(self, path: Path) -> int:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._created[path] = descriptor
        return descriptor

    def _header(self, first: int, previous: chain.Link | None, now: datetime) -> chain.Header:
        origin = self._origin
        return chain.Header(
            file=self.path.name,
            writer=origin.writer,
            first=first,
            key_id=origin.signer.key_id,
            sign_every=origin.sign_every,
            created=f"{now:%Y-%m-%dT%H:%M:%S.%fZ}",
            previous=previous,
            seen=tuple(_neighbours(origin.folder, origin.writer)),
        )

    def _chain(self, lines: Sequence[bytes]) -> tuple[bytes, bytes, chain.Link]:
        seq, digest, signed = self.end.seq, self.end.digest, self._signed
        entries: list[bytes] = []
        heads, running, at = [], None, (0, 0)
        for number, line in enumerate(lines, 1):
            seq += 1
            digest = chain.follow(digest, seq, line)
            entries.append(chain.record_entry(seq, digest))
            if seq - signed >= self._origin.sign_every:
                running = running or self._on_trial()
                running.add(_joined(lines[at[0] : number]), b"".join(entries[at[1] :]))
                at = number, len(entries)
                heads.append(chain.signed_entry(chain.HEAD, seq, digest, self._origin.signer, running.mark()))
                entries.append(heads[-1])
                signed = seq
        self._signed = signed
        return b"".join(entries), b"".join(heads), chain.Link(self.end.file, seq, digest)

    def _on_trial(self) -> chain.Running:
        self._catch_up()
        return self._running.copy()

    def _catch_up(self) -> None:
        """Hash what was written for the next mark: nobody waits for this meanwhile."""
        behind, self._behind = self._behind, []
        for data, entries in behind:
            self._running.add(data, entries)

    def _sign(self, word: str) -> None:
        self._catch_up()
        mark = self._running.mark()
        entry = chain.signed_entry(word, self.end.seq, self.end.digest, self._origin.signer, mark)
        self._write(self._chainfile, entry)
        self._origin.disk.sync(self._chainfile)
        self._chain_size += len(entry)
        self._running.add(b"", entry)
        self._heads.add(entry)
        self._signed, self._signed_at = self.end.seq, time.monotonic()
        if word == chain.CLOSE:
            self.end = self.end._replace(mark=mark)

    def _write(self, descriptor: int, data: bytes) -> None:
        while data:
            data = data[self._origin.disk.write(descriptor, data) :]

    def _check(self, size: int) -> None:
        # A file that was deleted, moved, cut or written to by another takes writes without complaint.
        found = os.stat(self._name)
        if (found.st_ino, found.st_size) != (self._inode, size):
            raise OSError(errno.ESTALE, "the export file was changed by another")


def _joined(lines: Sequence[bytes]) -> bytes:
    return b"".join([line + b"\n" for line in lines])


def _warn_when_full(folder: Path) -> None:
    """Say with each new file that the disk fills up: a full one refuses every call."""
    with contextlib.suppress(OSError):
        if (percent := fullness(folder)) >= FULL:
            _LOG.warning("the disk of the exports is %d %% full (guard audit retain)", percent)


def fullness(folder: Path) -> int:
    """How full the disk of a folder is, in percent; 0 where it has no size; raises OSError where there is none."""
    total, used, _ = shutil.disk_usage(folder)
    return used * 100 // total if total else 0


def _cut(descriptor: int, size: int) -> None:
    if os.fstat(descriptor).st_size > size:
        os.ftruncate(descriptor, size)


def _neighbours(folder: Path, writer: str) -> list[chain.Link]:
    """The ends, as far as can be read now, of the newest files of other writers."""
    others = sorted(path for path in folder.glob("traces-*.chain") if not path.stem.endswith(f"-{writer}"))
    ends = (_end_of(path) for path in others[-_SEEN:])
    return [end for end in ends if end is not None]


def _end_of(path: Path) -> chain.Link | None:
    """The last record that a chain file names, marked where the file was ended there.

    None for one without records, which may yet be removed.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            whole, _, _ = file.read().rpartition(b"\n")
        lines = whole.split(b"\n")
        entry = chain.read_entry(next(line for line in reversed(lines) if line.startswith(b"record ")))
        last = chain.read_entry(lines[-1])
    except (OSError, ValueError, StopIteration):
        return None
    mark = last.mark if last.word == chain.CLOSE else None
    return chain.Link(path.with_suffix(".jsonl").name, entry.seq, entry.digest, mark)
