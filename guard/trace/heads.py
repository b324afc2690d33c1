"""Signed heads in a second place, so that a cut tail or a newest file that is gone shows."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

import orjson

from guard.trace.courier import Post
from guard.trace.deposit import Deposit

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


class _NotTaken(Exception):
    """The webhook answered, and did not take a head; the message is its status."""


class HeadsPost(Deposit):
    """Post heads to a webhook, each as `{"guard-heads": 1, "heads": [{"export", "header", "head"}]}`.

    Each comes with its chain's header, so that one that arrives proves something whatever became of the others. What
    the webhook does not take waits as a file, as heads for a bucket do.
    """

    def __init__(self, url: str, post: Post, folder: Path, **pace: float) -> None:
        def put(name: str, body: bytes) -> None:
            status = post(url, _body(body))
            if not 200 <= status < 300:
                raise _NotTaken(f"status {status}")

        super().__init__(put, folder, _why, **pace)


def _why(failure: Exception) -> str:
    return str(failure) if isinstance(failure, _NotTaken) else type(failure).__name__


def _body(waiting: bytes) -> bytes:
    """The JSON of one head as it waited: the header of its chain, and its line."""
    header, head = waiting.decode().splitlines()
    told = {"export": orjson.loads(header)["file"], "header": header, "head": head}
    return orjson.dumps({"guard-heads": _FORMAT, "heads": [told]})


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
