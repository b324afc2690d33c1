"""The numbers of all workers of one gateway: each writes its own into a file, whoever is asked adds them up.

A file is written each second and moved into its place, so that a reader never sees half of one; a call pays nothing for
it. (A file mapped into memory, as Prometheus' own client has it, costs each count a write, and is current at once: here
numbers of others are up to a second old.) What a worker that died had counted stays counted.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from guard.trace.instruments import BY_NAME
from guard.trace.meter import Snapshot, lasting, merged

EVERY_S = 1.0
"""Seconds between two snapshots."""

_DEAD_S = 10.0
"""Seconds after which a worker that wrote nothing is taken for gone: its gauges do not count."""


class Shared:
    """The folder in which the workers of one gateway leave their numbers.

    `clock` counts seconds alike in all processes of the machine, and never jumps.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._pid, self._name = 0, ""

    @property
    def _mine(self) -> Path:
        """This process's file; a forked child has one of its own."""
        if self._pid != os.getpid():
            self._pid, self._name = os.getpid(), f"{os.getpid()}-{secrets.token_hex(4)}.json"
        return self._folder / self._name

    def write(self, snapshot: Snapshot) -> None:
        """Leave this process's numbers, for the others."""
        rows = [
            [name, labels, numbers] for name, rows in snapshot.items() for labels, numbers in rows.items()
        ]
        mine = self._mine
        draft = mine.with_suffix(".part")
        draft.write_bytes(orjson.dumps([self._clock(), rows]))
        os.replace(draft, mine)

    def with_others(self, mine: Snapshot) -> Snapshot:
        """This process's numbers and those that the others left, together."""
        return merged([mine, *self._others()])

    def _others(self) -> Iterator[Snapshot]:
        mine = self._mine
        for file in sorted(self._folder.glob("*.json")):
            if file != mine:
                with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
                    yield self._read(file)

    def _read(self, file: Path) -> Snapshot:
        written, rows = orjson.loads(file.read_bytes())
        found: dict[str, Any] = {}
        for name, labels, numbers in rows:
            found.setdefault(BY_NAME[name].name, {})[tuple(labels)] = tuple(numbers)
        return found if abs(self._clock() - written) < _DEAD_S else lasting(found)
