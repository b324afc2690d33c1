"""`guard policy resolve`: which of the attached policies hold for a request, and what that makes tighter."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from guard.cli.language import told, value
from guard.errors import PolicyError

if TYPE_CHECKING:
    from guard.policy.attach import Asked
    from guard.policy.resolve import Loaded

_WHY = {
    "header": "does not hold: it is not asked for",
    "tenants": "does not hold: the tenant is another",
    "keys": "does not hold: the key is another",
    "paths": "does not hold: the path is another",
    "models": "does not hold: the model is another",
    "": "holds",
}


def asked(tenant: str, path: str, model: str, header: str, key: str) -> Asked:
    """What is known of a request; what is left out is not known."""
    from guard.policy.attach import Asked

    paths, models = (path,) if path else None, (model,) if model else None
    keys, whose = _called(key) if key else (None, "")
    return Asked(tenant or whose or "default", paths, models, (header,) if header else (), keys)


def _called(key: str) -> tuple[tuple[str, ...], str]:
    """What a virtual key of this installation is called by, and its tenant; what it does not know stands for itself."""
    from guard.keyring import client_keys
    from guard.settings import Settings

    found = [row for row in client_keys(Settings()).values() if key in row.called]
    names = (name for row in found for name in row.called)
    return tuple(dict.fromkeys((key, *names))), next((row.tenant for row in found), "")


def explain(loaded: Loaded, request: Asked) -> dict[str, Any]:
    """Say which attached policies hold for a request and why, what decides, and what is tighter than before."""
    from guard.policy.attach import names
    from guard.policy.difference import differences
    from guard.policy.resolve import combine

    rows = loaded.policy.attach
    if unknown := set(request.names) - set(names(rows)):
        known = ", ".join(names(rows)) or "none"
        raise PolicyError([f"--header {unknown.pop()}: no attachment has this header: known are: {known}"])
    unmet = [row.unmet(request) for row in rows]
    held = [row.under for row, why in zip(rows, unmet, strict=True) if not why]
    found = combine(loaded.policy, held) if held else loaded
    return {
        "policy": found.policy.policy,
        "sha256": found.policy.sha256,
        "attach": [
            {"policy": row.policy, "origin": row.origin, "holds": not why, "why": _WHY[why]}
            for row, why in zip(rows, unmet, strict=True)
        ],
        "exceptions": [
            f"{row.origin}  {row.kind} is only flagged until {row.until}: {row.ticket}, {row.approved_by}"
            for of in (loaded, *held)
            for row in of.policy.exceptions
            if row.holds(request.tenant, time.time())
        ],
        "differences": [
            asdict(d) for d in differences(loaded, found) if d.key not in ("attach", "exceptions")
        ],
    }


def lines(said: dict[str, Any]) -> list[str]:
    """The same for people."""
    rows = [f"{row['origin']}  {row['policy']}: {told(row['why'])}" for row in said["attach"]]
    changed = [
        f"  {d['key']}: {value(d['before'])} → {value(d['after'])}  ({told(d['origins'][1])})"
        for d in said["differences"]
    ]
    return [
        told(f"{said['policy']} decides, sha256 {said['sha256'][:16]}…"),
        *(rows or [told("nothing is attached")]),
        *map(_excepted, said["exceptions"]),
        *([told("tighter than the policy alone:"), *changed] if changed else []),
    ]


def _excepted(line: str) -> str:
    origin, _, what = line.partition("  ")
    return f"{origin}  {told(what)}"
