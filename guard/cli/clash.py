"""Another distribution that also brings an import package `guard`, and the sentence that says so."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from types import ModuleType

OURS = "guard-middleware"

# Lines of a distribution's RECORD that claim the top-level name `guard`.
_CLAIMS = ("\nguard.py,", "\nguard/__init__.py,")


def others(installed: Iterable[Distribution] | None = None) -> list[str]:
    """Name the other installed distributions that bring `guard`, sorted.

    Reads their RECORD files: `importlib.metadata.packages_distributions` would say the same ten times slower.
    """
    found = distributions() if installed is None else installed
    return sorted({_name(dist) for dist in found if _claims(dist)} - {OURS})


def sentence(names: list[str]) -> str:
    """Say in one sentence who else owns the name, and what to do."""
    return (
        f"guard: the import package 'guard' also belongs to {' and '.join(names)}, one overwrites the other:"
        f" uninstall the other, then reinstall {OURS}"
    )


def warn() -> bool:
    """Print the sentence to standard error if there is a clash; tell whether there was one."""
    names = others()
    if names:
        print(sentence(names), file=sys.stderr)
    return bool(names)


def is_ours(module: ModuleType) -> bool:
    """Tell whether an imported `guard` is this one, without loading anything of it."""
    return "guarded_client" in getattr(module, "__all__", ())


def _name(dist: Distribution) -> str:
    return re.sub(r"[-_.]+", "-", dist.metadata["Name"] or "").lower()


def _claims(dist: Distribution) -> bool:
    record = "\n" + (dist.read_text("RECORD") or "")
    return any(claim in record for claim in _CLAIMS)
