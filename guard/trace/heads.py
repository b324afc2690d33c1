"""Signed heads in a second place, so that a cut tail or a newest file that is gone shows."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import orjson

from guard.trace.courier import Courier, Post

_LOG = logging.getLogger("guard.trace")

SUFFIX = ".heads"

_FORMAT = 1


class Receiver(Protocol):
    """Takes heads for a place that is no folder; it counts them, and never raises."""

    sent: int
    dropped: int

    @property
    def waiting(self) -> int: ...

    def take(self, export: str, header: bytes, head: bytes) -> None: ...

    def close(self) -> None: ...


class HeadsPost(Courier):
    """Post heads to a webhook as `{"guard-heads": 1, "heads": [{"export", "header", "head"}, …]}`.

    Each head comes with its chain's header, so that one that arrives proves something whatever became of the others.
    """

    def __init__(self, url: str, post: Post, **bounds: Any) -> None:
        self._told = False
        super().__init__(url, self._noting(post), _body, name="guard-heads", **bounds)

    def take(self, export: str, header: bytes, head: bytes) -> None:
        """Queue one head with the header of its chain."""
        told = {"export": export, "header": header.decode(), "head": head.decode()}
        self.offer(orjson.dumps(told))

    def _noting(self, post: Post) -> Post:
        """Log once that the place does not take heads, and again after it did."""

        def noted(url: str, body: bytes) -> int:
            try:
                status = post(url, body)
            except Exception as error:
                self._tell(type(error).__name__)
                raise
            if 200 <= status < 300:
                self._told = False
            else:
                self._tell(f"status {status}")
            return status

        return noted

    def _tell(self, why: str) -> None:
        if not self._told:
            _LOG.warning("a signed head could not be posted to GUARD_HEADS (%s)", why)
        self._told = True


def _body(items: Sequence[bytes]) -> bytes:
    return b'{"guard-heads":%d,"heads":[%s]}' % (_FORMAT, b",".join(items))


class Heads:
    """The heads of one export: as `<export>.heads` in another folder (the chain's header, then `head` and `close`),
    or given to who posts them to a webhook or puts them into a bucket.

    The record does not wait for this place and does not fail with it: what is missing there shows in
    `guard audit verify --heads`, and is logged once a file.
    """

    def __init__(self, place: Path | Receiver | None, export: str) -> None:
        self._export = export
        self._path = place / Path(export).with_suffix(SUFFIX).name if isinstance(place, Path) else None
        self._receiver = None if isinstance(place, Path) else place
        self._header = b""
        self._told = False

    def add(self, lines: bytes) -> None:
        """Append whole lines."""
        if self._receiver is not None:
            self._give(self._receiver, lines)
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._path.open("ab", buffering=0) as file:
                file.write(lines)
        except OSError as error:
            if not self._told:
                _LOG.warning("a signed head could not be written to GUARD_HEADS (%s)", type(error).__name__)
            self._told = True

    def _give(self, receiver: Receiver, lines: bytes) -> None:
        for line in lines.splitlines():
            if line.startswith(b"{"):
                self._header = line
            else:
                receiver.take(self._export, self._header, line)
