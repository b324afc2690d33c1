"""What `guard doctor` says of the environment: settings that are none, and the keys of the gateway's clients."""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Iterator

from guard.cli.spent import Row
from guard.errors import SetupError
from guard.settings import Settings, dotenv

_SET_BY_VERBS = ("GUARD_LANG", "GUARD_SERVE_POLICY", "GUARD_SERVE_UPSTREAM")
"""What guard reads, or hands to its workers, beside the settings."""


def settings_rows() -> Iterator[Row]:
    """A row for each GUARD_… of the environment or `.env` that nobody reads: what it was to say does not hold."""
    read = {*_SET_BY_VERBS, *(f"GUARD_{name.upper()}" for name in Settings.model_fields)}
    given = (name.upper() for name in (*os.environ, *dotenv()))
    for name in sorted({name for name in given if name.startswith("GUARD_")} - read):
        near = difflib.get_close_matches(name, read, 1, 0.8)
        facts = {"unknown": name, "near": near}
        if near:
            yield Row("settings", "look", f"{name[:60]} is no setting: did you mean {near[0]}?", facts)
        else:
            yield Row("settings", "look", f"{name[:60]} is no setting", facts)


def client_rows(settings: Settings) -> Iterator[Row]:
    """A row where the gateway's clients have keys: `guard serve` starts with them only if they can be used."""
    from guard.keyring import client_keys
    from guard.mounts.gateway import ClientKeys

    try:
        listed = bool(ClientKeys(settings.client_keys.get_secret_value() if settings.client_keys else ""))
        rows = client_keys(settings).values()
    except SetupError as failure:
        yield Row("clients", "failed", str(failure), {})
        return
    active = sum(row.state(time.time()) == "active" for row in rows)
    if not rows and not listed:
        return
    facts = {"virtual_keys": active, "listed": listed}
    if settings.upstream_key is None and settings.openai_api_key is None:
        what = "their keys go to no provider: set GUARD_UPSTREAM_KEY, or guard serve does not start"
        yield Row("clients", "failed", what, facts)
    elif not active and not listed:
        yield Row("clients", "look", "no key is active: guard keys create", facts)
    elif listed:
        yield Row("clients", "ok", f"{active} active virtual keys, beside those of GUARD_CLIENT_KEYS", facts)
    else:
        yield Row("clients", "ok", f"{active} active virtual keys", facts)
