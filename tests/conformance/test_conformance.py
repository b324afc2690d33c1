"""The suites of Starlette and FastAPI with every application behind guard: no test fails that passes without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

# What the suites import beside the project itself; tests that need more fail with and without guard.
EXTRA = {
    "starlette": ("itsdangerous", "trio", "blockbuster", "importlib-metadata"),
    "fastapi": ("inline-snapshot", "dirty-equals", "email-validator", "pyjwt", "itsdangerous"),
}
LEAST = {"starlette": 600, "fastapi": 4000}

# An assertion fails alike without pytest's words for it, and finding those takes a quarter of a run.
OPTIONS = ["-q", "-p", "passthrough", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--assert=plain"]


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if ran.returncode:
        pytest.skip(f"the package index cannot be asked: {ran.stderr.strip().splitlines()[-1:]}")


def unpack(project: str, folder: Path) -> Path:
    """The suite of the installed version, from its source distribution; the package itself stays the installed one."""
    wanted = f"{project}=={metadata.version(project)}"
    pip("download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(folder), wanted)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    (source,) = (entry for entry in folder.iterdir() if entry.is_dir())
    (source / project).rename(folder / "unused")
    return source


def run(source: Path, folder: Path, mode: str, tests: list[str]) -> dict[str, Any]:
    """Run tests of a suite; the outcome as the plugin notes it."""
    report = folder / f"{mode}.json"
    own = {"MODE": mode, "REPORT": str(report), "EXTRA": str(folder / "extra")}
    environment = {
        **os.environ,
        **{f"GUARD_CONFORMANCE_{name}": value for name, value in own.items()},
        "PYTHONPATH": os.pathsep.join((str(HERE), str(ROOT))),
    }
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *OPTIONS, "--continue-on-collection-errors", *tests],
        cwd=source,
        env=environment,
        capture_output=True,
        text=True,
        timeout=2400,
        check=False,
    )
    assert report.exists(), ran.stdout[-3000:] + ran.stderr[-3000:]
    outcome: dict[str, Any] = json.loads(report.read_text())
    return outcome


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("project", ["starlette", "fastapi"])
def test_no_test_fails_that_passes_without_guard(tmp_path: Path, project: str) -> None:
    """E07: the project's own suite runs with guard around every application; what fails then fails without, too."""
    (tmp_path / "sdist").mkdir()
    with ThreadPoolExecutor() as both:
        extra = both.submit(pip, "install", "--quiet", "--target", str(tmp_path / "extra"), *EXTRA[project])
        source = unpack(project, tmp_path / "sdist")
        extra.result()
    guarded = run(source, tmp_path, "guarded", ["tests"])
    assert guarded["wrapped"] > 100
    assert guarded["passed"] > LEAST[project]
    without = run(source, tmp_path, "without", guarded["failed"]) if guarded["failed"] else {"failed": []}
    assert set(guarded["failed"]) - set(without["failed"]) == set()
