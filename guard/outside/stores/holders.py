"""Who holds a claim in a store, and whether they are still there."""

from __future__ import annotations

import os
import secrets
import socket


def new_holder() -> str:
    """Name a holder of claims: this process on this machine, and nobody else that may have its number later."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def gone(holder: str) -> bool:
    """Whether a process of this machine has ended; of another's nobody knows, its claim runs out."""
    host, pid, _ = holder.rsplit(":", 2)
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False
