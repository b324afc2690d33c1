"""Both mounts in one line: the middleware on an app, and a guarded client in every OpenAI client made afterwards."""

from __future__ import annotations

import functools
import gc
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from guard.errors import SetupError
from guard.guard import Guard
from guard.mounts.asgi import GuardMiddleware, Identify
from guard.mounts.sdk import guarded_client, is_guarded
from guard.policy.model import Policy

log = logging.getLogger("guard")

_originals: dict[type, Callable[..., None]] = {}


def install(
    app: Any = None,
    *,
    policy: str | Path | Policy = "default",
    identify: Identify | None = None,
    guard: Guard | None = None,
) -> Guard:
    """Add `GuardMiddleware` to the app given and guard every OpenAI client made from now on.

    A client that brings its own `http_client` raises SetupError at construction; clients that exist already
    are named in the start line, since they stay unguarded. `uninstall()` undoes the second part.
    """
    if _originals:
        raise SetupError("guard is installed already: call guard.uninstall() first")
    guard = guard or Guard.from_policy(policy)
    if app is not None:
        app.add_middleware(GuardMiddleware, guard=guard, identify=identify, inner=True)
    _patch(guard)
    older = _existing()
    if older:
        log.warning("guard: made before guard.install() and so unguarded: %s", "; ".join(older))
    return guard


def uninstall() -> None:
    """Give the OpenAI classes their own constructors back."""
    for cls, original in _originals.items():
        cls.__init__ = original  # type: ignore[misc]
    _originals.clear()


def _patch(guard: Guard) -> None:
    import openai

    for cls, sync in ((openai.OpenAI, True), (openai.AsyncOpenAI, False)):
        original = cls.__init__
        _originals[cls] = original
        cls.__init__ = _guarded_init(original, guard, sync)  # type: ignore[method-assign]


def _guarded_init(original: Callable[..., None], guard: Guard, sync: bool) -> Callable[..., None]:
    @functools.wraps(original)
    def __init__(self: Any, *args: Any, http_client: Any = None, **kwargs: Any) -> None:
        if http_client is None:
            http_client = _client(guard, sync, kwargs.get("base_url"))
        elif not is_guarded(http_client):
            raise SetupError(
                f"guard.install() is active, but this client brings its own http_client ({_type(http_client)}):"
                " leave it out, or hand over guarded_client(…)"
            )
        original(self, *args, http_client=http_client, **kwargs)

    return __init__


def _client(guard: Guard, sync: bool, base_url: Any) -> Any:
    named = (
        str(base_url) if isinstance(base_url, str | httpx2.URL) else None
    )  # else None, or the SDK's NOT_GIVEN
    if sync:
        return guarded_client(guard=guard, sync=True, base_url=named)
    return guarded_client(guard=guard, base_url=named)


def _existing() -> list[str]:
    """Each unguarded OpenAI client of the process, as its class and host."""
    import openai

    made = (openai.OpenAI, openai.AsyncOpenAI)
    found = [thing for thing in gc.get_objects() if issubclass(type(thing), made)]
    # A constructor that failed leaves an object without a client.
    unguarded = [c for c in found if hasattr(c, "_client") and not is_guarded(c._client)]
    return [f"{_type(client)} for {client.base_url.host}" for client in unguarded]


def _type(thing: object) -> str:
    """The class and the library that it comes from: `httpx.Client` is not `httpx2.Client`."""
    return f"{type(thing).__module__.partition('.')[0]}.{type(thing).__name__}"
