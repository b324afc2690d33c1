"""The garbage collector of guard's own processes: what was made at start is spared, and it looks seldom."""

from __future__ import annotations

import gc

_AFTER = 50_000
"""New objects between two collections."""


def settle() -> None:
    """Spare the collector what was made at start: a request leaves no cycles, so looking often finds nothing.

    What is spared stays shared with processes that are forked from this one.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_AFTER)
