"""What the record itself says was deleted: files that are missing for a reason that is signed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson

from guard.trace import spans

RETENTION = "retention"
"""The writer of deletions and holds."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """A deleted export: its last record and the hash of it."""

    file: str
    last: int
    digest: str

    def __str__(self) -> str:
        return f"{self.file} {self.last} {self.digest}"


def deletions(exports: Iterable[Path]) -> dict[str, Deleted]:
    """Read the deletions from exports of their writer; the caller has verified these files."""
    found = {}
    for path in exports:
        if f"-{RETENTION}-" in path.name:
            for line in path.read_bytes().splitlines():
                found.update({one.file: one for one in _told(line)})
    return found


def _told(line: bytes) -> list[Deleted]:
    try:
        [span] = orjson.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
        if span["name"] != spans.AUDIT_DELETED:
            return []
        [value] = [one["value"] for one in span["attributes"] if one["key"] == spans.AUDIT_FILES]
        texts = [one["stringValue"].split(" ") for one in value["arrayValue"]["values"]]
        return [Deleted(file, int(last), digest) for file, last, digest in texts]
    except (ValueError, KeyError, TypeError, IndexError):
        return []
