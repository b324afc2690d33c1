"""What detection finds on labelled data from outside, held by a floor a group: a regression fails.

The data does not travel with the project; where it is not beside it, these tests are skipped. What must hold for
everyone stands as tables under tests/pii.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from guard import Guard
from guard.settings import Settings

ROOT = Path(__file__).parents[2]
TOOL = ROOT.parent / "shared" / "tools" / "eval_pii.py"
POLICY = ROOT / "benchmarks" / "eval-policy.yaml"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TOOL.exists(), reason="the labelled data is not beside the project"),
]

FLOORS = [
    ("group:en_spans", "f2", 0.98),
    ("group:en_spans", "p", 0.985),
    ("group:zh_spans", "f2", 0.98),
    ("group:phones", "f2", 0.97),
    ("group:national_ids", "f2", 0.93),
    ("group:evasion", "f2", 0.985),
    ("group:secrets", "f2", 0.928),
    ("secrets_labels", "f2", 0.975),
    ("secrets_labels", "p", 0.99),
]
"""Group, figure (`f2`: recall weighs more; `p`: precision), and what it may not fall below."""


def evaluated(engine: str, out: Path, *more: str) -> dict[str, Any]:
    """Run the tool on all data and read its figures."""
    command = [sys.executable, str(TOOL), "--engine", engine, "--json", str(out), *more]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "GUARD_HOME": str(out.parent / "home")}
    subprocess.run(command, check=True, env=env, capture_output=True, timeout=110)
    results: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))["results"]
    return results


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures with everything on, from the least sure score."""
    return evaluated(f"guard:{POLICY}", tmp_path_factory.mktemp("evaluation") / "all.json")


@pytest.mark.parametrize(("group", "figure", "floor"), FLOORS)
def test_a_group_keeps_its_floor(results: dict[str, Any], group: str, figure: str, floor: float) -> None:
    """No change of the catalogue may cost what was reached."""
    assert results[group][figure] >= floor


def test_nothing_crashes(results: dict[str, Any]) -> None:
    """Every row of every set is read to its end."""
    assert {name: row["crashed"] for name, row in results.items() if row.get("crashed")} == {}


def prompts() -> list[str]:
    """Ordinary prompts: hardly any holds personal data."""
    lines = (
        (TOOL.parents[1] / "data" / "negatives_user_prompts.jsonl").read_text(encoding="utf-8").splitlines()
    )
    return [json.loads(line)["text"] for line in lines]


def opened(policy: Path | str, home: Path) -> Guard:
    """A guard with keys of its own."""
    return Guard.from_policy(policy, Settings(home=home / "home", exports=home / "exports", _env_file=None))


def test_the_default_pack_changes_hardly_any_ordinary_prompt(tmp_path: Path) -> None:
    """A scrubber that garbles what people ask is switched off: at most 6 of about 360 are touched."""
    with contextlib.closing(opened("default", tmp_path)) as guard:
        changed = [number for number, text in enumerate(prompts()) if guard.redact(text) != text]
    assert len(changed) <= 6


def test_the_least_sure_scores_stay_quiet_on_ordinary_prompts(tmp_path: Path) -> None:
    """With everything named, from 0.35 on: few hits of kinds other than names, and not many of names.

    Some of the names are real: of people, places and firms that the prompts are about.
    """
    with contextlib.closing(opened(POLICY, tmp_path)) as guard:
        kinds = Counter(finding.kind for text in prompts() for finding in guard.detect(text))
    assert kinds.pop("pii.person", 0) <= 120
    assert kinds.total() <= 20


@pytest.mark.parametrize(
    ("data", "floor"), [("presidio_research_synth", 0.86), ("presidio_research_generated", 0.83)]
)
def test_names_of_people_keep_their_floor(results: dict[str, Any], data: str, floor: float) -> None:
    """English synthetic rows: without any model, F2 of people's names."""
    assert results[data]["types"]["PERSON"]["f2"] >= floor
