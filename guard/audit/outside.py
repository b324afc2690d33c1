"""Heads that were kept elsewhere against the exports: what the folder alone cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from guard.audit.chainfile import PIECE, Problem
from guard.trace import chain
from guard.trace.heads import SUFFIX
from guard.trace.signing import Verifier

Digest = Callable[[int], bytes | None]


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept of one export: its header, and its heads in order."""

    name: str
    header: chain.Header
    before: bytes
    heads: tuple[chain.Entry, ...]


def read_heads(folder: Path) -> Iterator[Kept | Problem]:
    """Read every file of heads; a torn last line is what a crash leaves. Raises OSError where there is no folder."""
    for path in sorted(path for path in folder.iterdir() if path.suffix == SUFFIX):
        try:
            with path.open("rb") as file:
                header = file.readline(PIECE)[:-1]
                lines = [line[:-1] for line in file if line.endswith(b"\n")]
            entries = tuple(map(chain.read_entry, lines))
            yield Kept(path.name, chain.read_header(header), chain.start(header), entries)
        except (OSError, ValueError):
            yield Problem("chain", path.name, "this file of heads cannot be read")


def compare(
    folder: Path, files: Mapping[str, Digest], verifiers: Mapping[str, Verifier]
) -> Iterator[Problem]:
    """Hold the exports to heads kept elsewhere: every one must be in its file, as it was signed."""
    for kept in read_heads(folder):
        if isinstance(kept, Problem):
            yield kept
        elif (verifier := verifiers.get(kept.header.key_id)) is None:
            yield Problem(
                "key", kept.name, f"it is signed with the key {kept.header.key_id}, which was not given"
            )
        else:
            yield from _compare(kept, files.get(kept.header.file), verifier)


def _compare(kept: Kept, digest: Digest | None, verifier: Verifier) -> Iterator[Problem]:
    file, newest = kept.header.file, max((head.seq for head in kept.heads), default=0)
    if forged := [head.seq for head in kept.heads if not chain.holds(head, verifier)]:
        yield Problem(
            "signature", kept.name, f"the signature at record {forged[0]} is wrong", record=forged[0]
        )
    elif digest is None:
        # Without a record the file may have been removed by the writer itself, that nobody was told of.
        if newest >= kept.header.first:
            yield Problem(
                "missing", file, f"the file is missing: {kept.name} has its head of record {newest}"
            )
    elif lost := [head for head in kept.heads if digest(head.seq) is None]:
        yield Problem(
            "cut", file, f"record {lost[0].seq} is missing, which {kept.name} names", record=lost[0].seq
        )
    elif other := [head for head in kept.heads if digest(head.seq) != head.digest]:
        text = f"it was rewritten: {kept.name} names another hash of record {other[0].seq}"
        yield Problem("link", file, text, record=other[0].seq)
