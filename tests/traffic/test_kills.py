"""The figure of benchmarks/traffic.py that CI holds: nothing acknowledged is lost by a `kill -9`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location(
    "traffic_figures", Path(__file__).parents[2] / "benchmarks" / "traffic.py"
)
assert _spec is not None
assert _spec.loader is not None
figures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(figures)


@pytest.mark.slow
def test_fifty_kills(tmp_path: Path) -> None:
    """C37 C38: at random points of reserve, call, letter, settle: no letter is lost, no cent under-counted."""
    calls, missing, told, lost = figures.killed(tmp_path, 50)
    assert calls >= 40
    assert told >= 5
    assert (missing, lost) == (0, 0)
