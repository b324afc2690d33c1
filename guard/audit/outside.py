"""Heads that were kept elsewhere against the exports: what the folder alone cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from guard.audit.chainfile import PIECE, Problem
from guard.trace import chain
from guard.trace.heads import SUFFIX
from guard.trace.signing import Verifier

_BODIES = (".jsonl", ".json")
_UNREADABLE = "this file of heads cannot be read"

Agrees = Callable[[chain.Entry], bool | None]
"""Whether an export's record is what a head says of it; None where it has no such record."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept of one export: its header, and its heads in order."""

    name: str
    header: chain.Header
    before: bytes
    heads: tuple[chain.Entry, ...]


def read_heads(place: Path) -> Iterator[Kept | Problem]:
    """Read a folder of `.heads` and of what a webhook got (`.jsonl`: a body a line), or one such file.

    A torn last line is what a crash leaves. Raises OSError where there is no such place.
    """
    paths = sorted(place.iterdir()) if place.is_dir() else [place]
    for path in paths:
        if path.suffix == SUFFIX:
            yield _kept(path)
        elif path.suffix in _BODIES or not place.is_dir():
            yield from _posted(path)


def _kept(path: Path) -> Kept | Problem:
    try:
        with path.open("rb") as file:
            header = file.readline(PIECE)[:-1]
            lines = [line[:-1] for line in file if line.endswith(b"\n")]
        return _read(path.name, header, lines)
    except (OSError, ValueError):
        return Problem("chain", path.name, _UNREADABLE)


def _posted(path: Path) -> Iterator[Kept | Problem]:
    """Sort what a webhook got by the chain that it belongs to; what came twice counts once."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    with path.open("rb") as file:
        for line in file:
            try:
                for item in orjson.loads(line)["heads"]:
                    found.setdefault((item["export"], item["header"]), {})[item["head"]] = None
            except (ValueError, KeyError, TypeError):
                if line.endswith(b"\n"):
                    yield Problem("chain", path.name, _UNREADABLE)
    for (export, header), heads in found.items():
        try:
            yield _read(f"{path.name}: {export}", header.encode(), [head.encode() for head in heads])
        except (ValueError, AttributeError):
            yield Problem("chain", path.name, _UNREADABLE)


def _read(name: str, header: bytes, lines: list[bytes]) -> Kept:
    entries = sorted(map(chain.read_entry, lines), key=lambda entry: entry.seq)
    return Kept(name, chain.read_header(header), chain.start(header), tuple(entries))


def compare(
    heads: Iterable[Kept | Problem], files: Mapping[str, Agrees], verifiers: Mapping[str, Verifier]
) -> Iterator[Problem]:
    """Hold the exports to heads kept elsewhere: every one must be in its file, as it was signed."""
    for kept in heads:
        if isinstance(kept, Problem):
            yield kept
        elif (verifier := verifiers.get(kept.header.key_id)) is None:
            yield Problem(
                "key", kept.name, f"it is signed with the key {kept.header.key_id}, which was not given"
            )
        else:
            yield from _compare(kept, files.get(kept.header.file), verifier)


def _compare(kept: Kept, agrees: Agrees | None, verifier: Verifier) -> Iterator[Problem]:
    file, newest = kept.header.file, max((head.seq for head in kept.heads), default=0)
    if forged := [head.seq for head in kept.heads if not chain.holds(head, verifier, kept.header.version)]:
        yield Problem(
            "signature", kept.name, f"the signature at record {forged[0]} is wrong", record=forged[0]
        )
    elif agrees is None:
        # Without a record the file may have been removed by the writer itself, that nobody was told of.
        if newest >= kept.header.first:
            yield Problem(
                "missing", file, f"the file is missing: {kept.name} has its head of record {newest}"
            )
    elif lost := [head for head in kept.heads if agrees(head) is None]:
        yield Problem(
            "cut", file, f"record {lost[0].seq} is missing, which {kept.name} names", record=lost[0].seq
        )
    elif other := [head for head in kept.heads if not agrees(head)]:
        text = f"it was rewritten: {kept.name} names another hash of record {other[0].seq}"
        yield Problem("link", file, text, record=other[0].seq)
