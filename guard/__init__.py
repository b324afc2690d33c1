"""guard: compliance and safety middleware for applications that call large language models.

    from guard import Guard, GuardMiddleware, Identity, guarded_client, install, load_policy

Everything here is loaded at first use, so that `import guard` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guard.errors import BadRequest, GuardError, PolicyError, Refused, SetupError, Unavailable
    from guard.guard import Guard, identity
    from guard.logs import install_log_redaction, structlog_processor
    from guard.mounts.asgi import GuardMiddleware
    from guard.mounts.gateway import Gateway
    from guard.mounts.install import install, uninstall
    from guard.mounts.sdk import guarded_client
    from guard.policy.load import load_policy
    from guard.policy.model import Policy
    from guard.types import Action, Finding, Identity, Stage, Verdict

__version__ = "0.1.0"

_HOMES = {
    "Action": "guard.types",
    "BadRequest": "guard.errors",
    "Finding": "guard.types",
    "Gateway": "guard.mounts.gateway",
    "Guard": "guard.guard",
    "GuardError": "guard.errors",
    "GuardMiddleware": "guard.mounts.asgi",
    "Identity": "guard.types",
    "Policy": "guard.policy.model",
    "PolicyError": "guard.errors",
    "Refused": "guard.errors",
    "SetupError": "guard.errors",
    "Stage": "guard.types",
    "Unavailable": "guard.errors",
    "Verdict": "guard.types",
    "guarded_client": "guard.mounts.sdk",
    "identity": "guard.guard",
    "install": "guard.mounts.install",
    "install_log_redaction": "guard.logs",
    "load_policy": "guard.policy.load",
    "structlog_processor": "guard.logs",
    "uninstall": "guard.mounts.install",
}

__all__ = [
    "Action",
    "BadRequest",
    "Finding",
    "Gateway",
    "Guard",
    "GuardError",
    "GuardMiddleware",
    "Identity",
    "Policy",
    "PolicyError",
    "Refused",
    "SetupError",
    "Stage",
    "Unavailable",
    "Verdict",
    "guarded_client",
    "identity",
    "install",
    "install_log_redaction",
    "load_policy",
    "structlog_processor",
    "uninstall",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'guard' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
