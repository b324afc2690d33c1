"""Another distribution may own the import package `guard` as well: one sentence says so."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType

import pytest

import guard
from guard.cli import clash

PACKAGE = Path(guard.__file__).parent


def install(site: Path, name: str, *files: str) -> None:
    """Lay down what an installer leaves of a distribution."""
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in files))


@pytest.mark.parametrize(
    ("name", "files", "clashes"),
    [
        ("fastapi-guard", ["guard/__init__.py", "guard/middleware.py"], True),
        ("guard", ["guard.py", "guard-1.0.dist-info/METADATA"], True),
        ("Fastapi_Guard", ["guard/py.typed", "guard/__init__.py"], True),
        ("guard-middleware", ["guard/__init__.py"], False),
        ("Guard_Middleware", ["guard/__init__.py"], False),
        ("lifeguard", ["lifeguard/__init__.py", "lifeguard/guard.py"], False),
        ("guardian", ["guardian.py", "guardian/guard/__init__.py"], False),
    ],
)
def test_who_else_owns_the_name(tmp_path: Path, name: str, files: list[str], clashes: bool) -> None:
    """Only a top-level `guard` of a distribution that is not ours is a clash."""
    install(tmp_path, name, *files)
    assert bool(clash.others(distributions(path=[str(tmp_path)]))) is clashes


def test_the_sentence_names_every_other_owner_once(tmp_path: Path) -> None:
    """One sentence, whatever their number, that says what to do."""
    install(tmp_path, "guard", "guard.py")
    install(tmp_path, "fastapi-guard", "guard/__init__.py")
    told = clash.sentence(clash.others(distributions(path=[str(tmp_path)])))
    assert "belongs to fastapi-guard and guard," in told
    assert "uninstall" in told
    assert "\n" not in told


def test_a_foreign_module_is_told_from_ours() -> None:
    """Told by the public names alone, so that nothing heavy is loaded for it."""
    foreign = ModuleType("guard")
    foreign.__all__ = ["SecurityMiddleware"]  # type: ignore[attr-defined]
    assert clash.is_ours(guard)
    assert not clash.is_ours(foreign)
    assert not clash.is_ours(ModuleType("guard"))


def overwritten(site: Path) -> Path:
    """The package as it lies there after another distribution wrote its own `__init__` over ours."""
    (site / "guard" / "cli").mkdir(parents=True)
    for file in ("__main__.py", "cli/__init__.py", "cli/clash.py"):
        shutil.copy(PACKAGE / file, site / "guard" / file)
    (site / "guard" / "__init__.py").write_text("__all__ = ['SecurityMiddleware']\n")
    return site


def start(site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "guard", "--version"]
    return subprocess.run(command, cwd=site, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_line_stops_with_one_sentence_where_it_was_overwritten(tmp_path: Path) -> None:
    """Exit code 2, the other owner named, no traceback."""
    install(overwritten(tmp_path), "fastapi-guard", "guard/__init__.py")
    ran = start(tmp_path)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == clash.sentence(["fastapi-guard"]) + "\n"


def test_the_command_line_stops_where_the_owner_left_no_trace(tmp_path: Path) -> None:
    """A foreign `guard` that no distribution claims (a file on the path) is named too."""
    ran = start(overwritten(tmp_path))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == 1
    assert "is not guard-middleware" in ran.stderr
