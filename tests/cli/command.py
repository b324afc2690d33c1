"""The whole command line in this process: what it says and how it ends, without importing guard each time anew."""

from __future__ import annotations

import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import CliRunner

from guard.__main__ import main
from guard.cli.main import app


def guard(
    *arguments: str, text: str = "", cwd: Path | None = None, **more: str
) -> subprocess.CompletedProcess[bytes]:
    """Run `guard` as a process of its own would: with its standard streams, folder, and 80 columns; `more` is set."""
    with (
        CliRunner().isolation(text, {"COLUMNS": "80", **more}) as (out, error, _),
        chdir(cwd or Path.cwd()),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "argv", ["guard", *arguments])
        patch.setattr(app, "registered_commands", [])
        patch.setattr(app, "registered_groups", [])
        code = main()
        sys.stdout.flush()
        sys.stderr.flush()
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), error.getvalue())
