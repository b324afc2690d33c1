"""What is done at the auditor's desk is on record too: reads, exports, deletions, erasures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guard.elsewhere import desk_heads
from guard.errors import Unavailable
from guard.settings import Settings
from guard.trace import records
from guard.trace.ledger import Ledger
from guard.trace.signing import PRIVATE, load_signer
from guard.trace.spans import Recorder


def note(
    home: Path, exports: Path, name: str, attributes: Mapping[str, Any], *, writer: str = "desk"
) -> bool:
    """Put one event of the desk on record, durably, in a file of its own beside the others.

    Its heads go where those of this installation go (GUARD_HEADS): a record of the desk that is removed shows, too.
    False where this home holds no signing key: an auditor's copy is not written to. Raises Unavailable where
    the record cannot be written; then nothing may be shown or done.
    """
    if not (home / PRIVATE).exists():
        return False
    settings = Settings()
    heads = desk_heads(settings) if settings.home.expanduser() == home else None
    line = records.lifecycle(Recorder(), name, attributes)
    ledger = Ledger(exports, signer=load_signer(home), writer=writer, heads=heads)
    try:
        ledger.commit_sync(line)
    except Unavailable as failure:
        raise Unavailable(
            "record", f"{failure.reason}; what is done here must be on record: work on a copy of the folder"
        ) from None
    finally:
        ledger.close()
        if heads is not None and not isinstance(heads, Path):
            heads.close()
    return True
