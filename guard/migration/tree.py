"""Walk a code base and read each file as what it is: bounded, links not followed, nothing run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from guard.migration import plain, python
from guard.migration.habits import Calendar, Hit

MOST_BYTES = 2 * 1024 * 1024
"""A larger file is data or made by a machine: it is left out, and counted."""

_CODE = frozenset(
    ".py .pyi .pyw .ipynb .js .jsx .mjs .cjs .ts .tsx .mts .vue .svelte .go .java .kt .scala .rb .php .cs .rs"
    " .swift .sh .bash .ps1 .yaml .yml .json .toml .ini .cfg .env .txt .tf .properties .gradle".split()
)
_PASSED_OVER = frozenset(
    ".git .hg .svn __pycache__ node_modules site-packages .venv venv .tox .nox .mypy_cache .ruff_cache"
    " .pytest_cache dist build target vendor".split()
)
_LOCKS = frozenset(("package-lock.json", "yarn.lock", "poetry.lock", "uv.lock", "Cargo.lock"))


@dataclass(frozen=True, slots=True)
class File:
    """What one file held; `left_out` says why it was not read ("" where it was)."""

    path: str
    hits: tuple[Hit, ...] = ()
    left_out: str = ""


def listed(path: str) -> Iterator[str]:
    """Name the files of code and configuration below a path, in order; a file that is named itself is read as it is."""
    if os.path.isfile(path):
        yield path
        return
    for where, folders, files in os.walk(path):
        folders[:] = sorted(set(folders) - _PASSED_OVER)
        for name in sorted(files):
            if name not in _LOCKS and (
                os.path.splitext(name)[1] in _CODE or name.startswith((".env", "Dockerfile"))
            ):
                yield os.path.join(where, name)


def read(path: str, calendar: Calendar) -> File:
    """Read one file; what cannot be read says so, and nothing is raised."""
    try:
        if os.path.islink(path) or not os.path.isfile(path):
            return File(path, left_out="no plain file")
        if os.path.getsize(path) > MOST_BYTES:
            return File(path, left_out=f"larger than {MOST_BYTES} bytes")
        data = Path(path).read_bytes()
    except OSError as failure:
        return File(path, left_out=failure.strerror or "unreadable")
    if b"\0" in data:
        return File(path, left_out="binary")
    return File(path, tuple(_hits(path, data.decode("utf-8-sig", "replace"), calendar)))


def _hits(path: str, text: str, calendar: Calendar) -> list[Hit]:
    if path.endswith((".py", ".pyi", ".pyw")):
        try:
            return python.read(text, calendar)
        except ValueError:
            pass  # Python 2, a template, a fragment: read as text
    return plain.read(text, calendar)
