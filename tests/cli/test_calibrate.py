"""`guard policy calibrate`: from labelled texts and the live judge to what each threshold would do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette

from guard.simulator.limits import Quota
from tests.cli.command import guard

Run = Callable[..., subprocess.CompletedProcess[str]]
POLICY = "extends: [default]\nmoderation: {timeout_s: 30}\n"


def called(provider: Starlette, folder: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Arguments and settings of `guard` for a calibration in the folder."""
    (folder / "own.yaml").write_text(POLICY)
    settings = {
        "GUARD_HOME": str(folder / "home"),
        "GUARD_EXPORTS": str(folder / "exports"),
        "GUARD_MODERATION_URL": provider.state.url,
        "COLUMNS": "100",
    }
    return ["policy", "calibrate", "own.yaml", "--data", "data.jsonl", *arguments], settings


@pytest.fixture
def calibrate(provider: Starlette, tmp_path: Path) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        line, settings = called(provider, tmp_path, *arguments)
        done = guard(*line, cwd=tmp_path, **settings)
        return subprocess.CompletedProcess(line, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    (folder / "data.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def labelled() -> list[dict[str, Any]]:
    """Texts of which the simulated judge scores violence 0.01 to 0.99; those from 0.6 on are labelled so."""
    rows = [
        {"text": f"text {n} [simulate:violence={n / 100:.2f}]", "expected": ["violence"] if n >= 60 else []}
        for n in range(1, 100)
    ]
    return [*rows, {"text": "[simulate:violence=0.99]", "expected": [], "labelled": ["hate"]}]


def asked(provider: Starlette) -> list[str]:
    return [text for row in provider.state.received for text in orjson.loads(row.body)["input"]]


def test_each_threshold_is_measured(calibrate: Run, provider: Starlette, tmp_path: Path) -> None:
    """Precision, recall and cost by threshold; the policy's own are marked, the cheapest is found."""
    write(tmp_path, labelled())
    done = calibrate("--json", "--miss", "10")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["texts"], told["judged"]) == (100, 100)
    [violence] = told["categories"]
    assert (violence["category"], violence["of"], violence["in"]) == ("violence", 40, 99)
    by = {row["at"]: row for row in violence["at"]}
    assert (by[0.6]["precision"], by[0.6]["recall"], by[0.6]["cost"]) == (1.0, 1.0, 0.0)
    assert by[0.6]["cheapest"]
    assert (by[0.8]["missed"], by[0.8]["policy"]) == (20, "block")
    assert by[0.5]["alarms"] == 10
    assert by[0.8]["cost"] == pytest.approx(1000 * 200 / 99)
    assert len(provider.state.received) < 10


def test_a_second_run_asks_nothing(calibrate: Run, provider: Starlette, tmp_path: Path) -> None:
    """Another cost, another form, the same scores; what is new in the data is asked alone."""
    rows = labelled()[:20]
    write(tmp_path, rows)
    assert calibrate().returncode == 0
    provider.state.received.clear()
    done = calibrate("--miss", "1", "--every")
    assert done.returncode == 0
    assert asked(provider) == []
    write(tmp_path, [*rows, {"text": "one more", "expected": ["hate"]}])
    assert calibrate().returncode == 0
    assert asked(provider) == ["one more"]


def test_ctrl_c_loses_nothing(calibrate: Run, provider: Starlette, tmp_path: Path) -> None:
    """Stopped half way, with a line cut in its middle: the next run asks about the rest only, and counts all."""
    quota = Quota(60)
    quota._left, quota._at = 1.0, quota.clock()
    provider.state.script.quota = quota
    write(tmp_path, labelled())
    line, settings = called(provider, tmp_path)
    running = subprocess.Popen(
        [sys.executable, "-m", "guard", *line],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    kept = tmp_path / "data.jsonl.scores.jsonl"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (kept.exists() and kept.stat().st_size):
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 130
    assert b"run it again to go on" in stderr
    before = kept.read_bytes()
    assert 0 < before.count(b"\n") < 100
    kept.write_bytes(before + b'{"text":"half a li')
    provider.state.script.quota = None
    provider.state.received.clear()
    done = calibrate("--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["judged"] == 100
    assert len(asked(provider)) == 100 - before.count(b"\n")
    assert kept.read_bytes().startswith(before)
    assert json.loads(calibrate("--json").stdout)["judged"] == 100


def test_texts_are_shown_to_the_judge_redacted_and_kept_nowhere(
    calibrate: Run, provider: Starlette, tmp_path: Path
) -> None:
    """B19: the judge sees placeholders; neither the kept scores nor the record hold a text."""
    write(tmp_path, [{"text": "card 4111 1111 1111 1111 and hurt", "expected": ["violence"]}])
    assert calibrate().returncode == 0
    assert asked(provider) == ["card <CARD_1> and hurt"]
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "data.jsonl"]
    assert len(files) > 3
    assert not any(b"4111 1111" in path.read_bytes() or b"and hurt" in path.read_bytes() for path in files)


def test_the_table_for_people(calibrate: Run, tmp_path: Path) -> None:
    """The policy's thresholds and the cheapest one, in lines that fit; --every shows the grid."""
    write(tmp_path, labelled())
    shown = calibrate().stdout
    assert "violence (40 of 99)" in shown
    assert "the policy: block" in shown
    assert "cheapest" in shown
    assert "100 of 100 texts judged" in shown
    assert max(map(len, shown.splitlines())) <= 100
    assert len(calibrate("--every").stdout.splitlines()) > len(shown.splitlines()) + 10


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "data.jsonl:2: this line is not JSON"),
        (b"[]", "data.jsonl:2: this line is no JSON object"),
        (b'{"text": 1, "expected": []}', 'data.jsonl:2: write {"text"'),
        (b'{"text": "secret words"}', 'data.jsonl:2: write {"text"'),
        (b'{"text": "x", "expected": [], "labelled": "hate"}', "data.jsonl:2: write"),
    ],
)
def test_data_that_cannot_be_read_is_said_by_line(
    calibrate: Run, tmp_path: Path, line: bytes, problem: str
) -> None:
    """Exit code 2, the line, what to write; no text is quoted."""
    (tmp_path / "data.jsonl").write_bytes(b'{"text": "a", "expected": []}\n' + line)
    done = calibrate()
    assert done.returncode == 2
    assert problem in done.stderr
    assert "secret" not in done.stderr


def test_scores_of_another_judge_are_not_mixed(calibrate: Run, tmp_path: Path) -> None:
    """A file of scores is of one judge."""
    write(tmp_path, labelled()[:3])
    assert calibrate().returncode == 0
    kept = tmp_path / "data.jsonl.scores.jsonl"
    kept.write_bytes(kept.read_bytes().replace(b"omni-moderation-latest", b"another-judge"))
    done = calibrate()
    assert done.returncode == 2
    assert "another judge" in done.stderr


def test_labels_that_the_judge_does_not_know_are_named(calibrate: Run, tmp_path: Path) -> None:
    """An empty table would look like a clean one."""
    write(tmp_path, [{"text": "rude", "expected": ["offensive"]}])
    done = calibrate()
    assert done.returncode == 0
    assert "no scores for these labels: offensive" in done.stdout
