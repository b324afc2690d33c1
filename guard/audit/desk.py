"""What is done at the auditor's desk is on record too: reads, exports, deletions, erasures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guard.errors import Unavailable
from guard.trace import records
from guard.trace.ledger import Ledger
from guard.trace.signing import PRIVATE, load_signer
from guard.trace.spans import Recorder


def note(
    home: Path, exports: Path, name: str, attributes: Mapping[str, Any], *, writer: str = "desk"
) -> bool:
    """Put one event of the desk on record, durably, in a file of its own beside the others.

    False where this home holds no signing key: an auditor's copy is not written to. Raises Unavailable where
    the record cannot be written; then nothing may be shown or done.
    """
    if not (home / PRIVATE).exists():
        return False
    line = records.lifecycle(Recorder(), name, attributes)
    ledger = Ledger(exports, signer=load_signer(home), writer=writer)
    try:
        ledger.commit_sync(line)
    except Unavailable as failure:
        raise Unavailable(
            "record", f"{failure.reason}; what is done here must be on record: work on a copy of the folder"
        ) from None
    finally:
        ledger.close()
    return True
