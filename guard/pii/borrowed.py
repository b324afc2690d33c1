"""Checks of python-stdnum: the rules of numbers that are rare enough to be asked only after their cue word or shape."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from guard.pii.sums import Check


@cache
def _module(name: str) -> Any:
    return import_module(f"stdnum.{name}")


def borrowed(name: str) -> Check:
    """The check of one module of python-stdnum, which is imported when first asked."""

    def check(view: bytes) -> int:
        return len(view) if _module(name).is_valid(view.decode("ascii")) else 0

    check.__name__ = name
    check.__doc__ = f"Accept what stdnum.{name} accepts (python-stdnum names the authority)."
    return check
