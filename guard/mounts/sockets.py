"""The SDK's websockets: it opens them beside its HTTP client, so a guarded client may not open any (case C28)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from guard.errors import Refused


def shut_sockets(guarded: Callable[[object], bool]) -> None:
    """Let `connect` of every resource refuse where its client's HTTP client is `guarded`; once a process."""
    from openai._resource import AsyncAPIResource, SyncAPIResource

    for resource in (SyncAPIResource, AsyncAPIResource):
        if not hasattr(resource.__init__, "__wrapped__"):
            resource.__init__ = _shutting(resource.__init__, guarded)  # type: ignore[method-assign]


def _shutting(original: Callable[..., None], guarded: Callable[[object], bool]) -> Callable[..., None]:
    @functools.wraps(original)
    def __init__(self: Any, client: Any) -> None:
        original(self, client)
        if hasattr(type(self), "connect") and guarded(client._client):
            self.connect = _refuse

    return __init__


def _refuse(*args: Any, **options: Any) -> None:
    raise Refused(
        "guard.opaque.endpoint",
        "guard does not screen websockets: use the HTTP endpoints, or a client without guard",
    )
