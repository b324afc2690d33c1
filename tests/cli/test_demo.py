"""The main job: one command shows every promise of guard kept, and what it says is what happened."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from guard.audit.query import run
from guard.audit.verify import verify
from guard.trace.signing import PUBLIC

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

STEPS = ["gateway", "client", "stream", "app", "blocked", "presidio", "strict", "residency", "log"]


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run the demonstration with a hostile environment, which it must ignore."""
    environment = {
        **os.environ,
        "COLUMNS": "80",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "OPENAI_API_KEY": "sk-of-the-user",
        "OPENAI_BASE_URL": "https://elsewhere.invalid/v1",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "OTEL_SDK_DISABLED": "true",
    }
    command = [sys.executable, "-m", "guard", "demo", "--folder", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, env=environment, check=False, timeout=150)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The report of one run, for machines."""
    folder = tmp_path_factory.mktemp("demo")
    done = demo(folder, "--json")
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What people see of one run, its values drawn from a seed."""
    done = demo(tmp_path_factory.mktemp("pages"), "--seed", "7")
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout.decode()


def _steps(report: dict[str, object]) -> dict[str, dict[str, object]]:
    steps = report["steps"]
    assert isinstance(steps, list)
    return {step["step"]: step for step in steps}


def test_every_promise_is_kept(report: dict[str, object]) -> None:
    """All steps run, and each says that its promise was kept."""
    steps = _steps(report)
    assert [name for name in steps if ":" not in name] == [*STEPS, "verify"]
    assert report["ok"] is True
    assert all(step["ok"] for step in steps.values())


def test_random_planted_values_reach_the_caller_and_not_the_provider(report: dict[str, object]) -> None:
    """What is typed goes out as placeholders and comes back as it was typed."""
    planted = report["planted"]
    assert isinstance(planted, dict)
    for name in ("gateway", "client", "stream", "app"):
        step = _steps(report)[name]
        typed, sent, got = (str(step[key]) for key in ("typed", "provider_received", "caller_got"))
        inside = [value for value in planted.values() if value in typed]
        assert inside
        assert all(value not in sent and value in got for value in inside)


def test_the_export_answers_and_verifies_by_itself(report: dict[str, object]) -> None:
    """The folder that the demonstration leaves is an auditor's folder: it verifies, and holds no original."""
    folder = Path(str(report["folder"]))
    assert verify(folder / "exports", (folder / "home" / PUBLIC).read_bytes()).ok
    assert run(folder / "exports", "blocked").rows
    planted = report["planted"]
    assert isinstance(planted, dict)
    held = b"".join(path.read_bytes() for path in (folder / "exports").iterdir())
    assert not any(str(value).encode() in held for value in planted.values())


def test_two_runs_plant_two_sets_of_values(report: dict[str, object], pages: str, tmp_path: Path) -> None:
    """Nothing shown is hard-coded: another run has other values; a seed repeats them, for machines and for people."""
    seeded = json.loads(demo(tmp_path / "json", "--json", "--seed", "7").stdout)["planted"]
    assert seeded != report["planted"]
    unwrapped = "".join(pages.replace("│", "").split())
    assert seeded
    assert [value for value in seeded.values() if "".join(value.split()) not in unwrapped] == []


def test_the_pages_fit_80_columns_and_say_what_to_do_next(pages: str) -> None:
    """People read it in a terminal of 80 columns; it ends with the next commands."""
    assert max(map(cell_len, pages.splitlines())) <= 80
    assert "NOT KEPT" not in pages
    command = "guard" if shutil.which("guard") else "python -m guard"
    assert f"{command} audit query blocked --folder" in pages
    assert "simulated" in pages
