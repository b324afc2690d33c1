"""Signed heads in a second place, so that a cut tail or a newest file that is gone shows."""

from __future__ import annotations

import logging
from pathlib import Path

_LOG = logging.getLogger("guard.trace")

SUFFIX = ".heads"


class Heads:
    """The heads of one export, as `<export>.heads` in another folder: the chain's header, then `head` and `close`.

    The record does not wait for this place and does not fail with it: what is missing there shows in
    `guard audit verify --heads`, and is logged once a file.
    """

    def __init__(self, folder: Path | None, export: str) -> None:
        self._path = folder / Path(export).with_suffix(SUFFIX).name if folder else None
        self._told = False

    def add(self, line: bytes) -> None:
        """Append one whole line."""
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._path.open("ab", buffering=0) as file:
                file.write(line)
        except OSError as error:
            if not self._told:
                _LOG.warning("a signed head could not be written to GUARD_HEADS (%s)", type(error).__name__)
            self._told = True
