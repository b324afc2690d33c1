"""Presidio by name: offline, with context words, linear where Presidio is not, and never silently skipping."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from presidio_analyzer import predefined_recognizers

from guard.errors import SetupError
from guard.policy.names import PRESIDIO_RECOGNIZERS
from guard.services import presidio
from guard.services.presidio import Analysis, build, gate_patterns, recognizer, slices

TABLES = Path(__file__).parents[2] / ".." / "shared" / "data" / "presidio_recognizer_tables.jsonl"
ROOT = Path(presidio.__file__).parents[2]


def found(name: str, text: str) -> list[tuple[str, str, float]]:
    analysis = Analysis([name])
    return [(entity, text[s:e], score) for _, entity, s, e, score in analysis([(text, None)])[0]]


@pytest.mark.parametrize(
    ("name", "text", "entity", "value", "score"),
    [
        ("UsBankRecognizer", "my bank account number is 945456787654", "US_BANK_NUMBER", "945456787654", 0.4),
        ("UsSsnRecognizer", "my ssn is 536-22-8421", "US_SSN", "536-22-8421", 0.85),
        ("UsSsnRecognizer", "the value 536-22-8421", "US_SSN", "536-22-8421", 0.5),
        ("MedicalLicenseRecognizer", "certificate AB1234563", "MEDICAL_LICENSE", "AB1234563", 1.0),
        ("SgFinRecognizer", "his fin G1122144L", "SG_NRIC_FIN", "G1122144L", 0.85),
        ("EmailRecognizer", "write to a@corp.internal now", "EMAIL_ADDRESS", "a@corp.internal", 1.0),
        ("EmailRecognizer", "write to a@example.de now", "EMAIL_ADDRESS", "a@example.de", 1.0),
        (
            "EmailRecognizer",
            "write to a@xn--80ak6aa92e.xn--p1ai",
            "EMAIL_ADDRESS",
            "a@xn--80ak6aa92e.xn--p1ai",
            1.0,
        ),
        ("PhoneRecognizer", "call (425) 882-9090", "PHONE_NUMBER", "(425) 882-9090", 0.75),
        ("InPanRecognizer", "pan ABCPD1234F", "IN_PAN", "ABCPD1234F", 0.85),
    ],
)
def test_a_recognizer_finds_with_the_score_that_its_context_words_give(
    name: str, text: str, entity: str, value: str, score: float
) -> None:
    """B07, and facts on context: without words as lemmas a weak pattern stays weak."""
    assert (entity, value, pytest.approx(score)) in found(name, text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("卡号945456787654，谢谢", "945456787654"),
        ("卡号９４５４５６７８７６５４", "９４５４５６７８７６５４"),
        ("卡号9454\u200b5678\u200b7654。", "9454\u200b5678\u200b7654"),
    ],
)
def test_disguises_and_hanzi_do_not_hide_a_value_from_presidio(text: str, value: str) -> None:
    """B01, B02: Presidio sees the projection; offsets are the original's."""
    assert [v for _, v, _ in found("UsBankRecognizer", text)] == [value]


def test_an_address_at_no_name_is_no_address() -> None:
    assert found("EmailRecognizer", "a@1.2") == []


def test_every_recognizer_that_a_policy_may_name_runs_here(caplog: pytest.LogCaptureFixture) -> None:
    """B32, B40: made by name, without a download, a look-up or a warning."""
    analysis = Analysis(tuple(PRESIDIO_RECOGNIZERS))
    text = (
        "Call +1 425 882 9090, mail a@b.de, see https://a.de/x, 10.1.2.3, 536-22-8421, ABCPD1234F, K 12-345"
    )
    with caplog.at_level(logging.WARNING, logger="presidio-analyzer"):
        results = analysis([(text, tuple(range(len(PRESIDIO_RECOGNIZERS))))])
    assert len(results[0]) > 5
    assert caplog.records == []


def test_the_shipped_gate_is_that_of_the_installed_presidio() -> None:
    """Each recognizer's patterns as RE2 reads them. Another version needs the table written anew."""
    table = json.loads(files("guard").joinpath("data/presidio.json").read_text("utf-8"))
    assert table["version"] == metadata.version("presidio-analyzer")
    current = {name: gate_patterns(name) for name in PRESIDIO_RECOGNIZERS}
    assert {n: p and tuple(p) for n, p in table["patterns"].items()} == current


def test_a_worker_whose_patterns_are_not_the_gates_does_not_start() -> None:
    with pytest.raises(SetupError):
        build(["UsBankRecognizer"], [("other",)])


def rows() -> Iterator[dict[str, Any]]:
    if TABLES.exists():
        with TABLES.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


@pytest.mark.skipif(not TABLES.exists(), reason="the shared test tables are not here")
def test_presidios_own_tables_hold_and_no_gate_hides_a_row() -> None:
    """Presidio's own tests, through guard: all texts in ASCII, with the gate deciding."""
    by_kind = {}
    for name in PRESIDIO_RECOGNIZERS:
        made = recognizer(name)
        by_kind.update({entity: (name, Analysis([name])) for entity in made.supported_entities})
    missed, total = [], 0
    for row in rows():
        name, analysis = by_kind.get(row["scope"][0], ("", None))
        if analysis is None or not row["text"].isascii() or name == "PhoneRecognizer":
            continue
        spans = {(s, e) for _, _, s, e, _ in analysis([(row["text"], None)])[0]}
        ungated = {(s, e) for _, _, s, e, _ in ungated_analysis(analysis)([(row["text"], (0,))])[0]}
        assert spans == ungated
        total += 1
        if {(span["start"], span["end"]) for span in row["spans"]} - spans:
            missed.append(row["id"])
    assert total > 300
    assert len(missed) <= total // 50


def ungated_analysis(analysis: Analysis) -> Analysis:
    copy = Analysis.__new__(Analysis)
    copy.__dict__.update(analysis.__dict__)
    copy._gate = type(analysis._gate)([None])
    return copy


def test_the_weak_pan_pattern_looks_no_further_than_its_own_ten_characters() -> None:
    """Presidio's pull request 2068: the shipped look-ahead is quadratic in the text."""
    patterns = [pattern.regex for pattern in recognizer("InPanRecognizer").patterns]
    theirs = [pattern.regex for pattern in predefined_recognizers.InPanRecognizer.PATTERNS]
    assert any(".*?" in pattern for pattern in theirs)
    assert not any(".*" in pattern for pattern in patterns)
    assert found("InPanRecognizer", "ABCPD1234F") != []


@given(st.text(alphabet="ab \n.", max_size=200), st.integers(0, 6))
def test_slices_cover_a_text_once(text: str, repeat: int) -> None:
    text = text * 10**repeat if len(text) * 10**repeat < 100_000 else text
    at = 0
    for left, start, end, right in slices(text):
        assert left <= start == at < end <= right
        at = end
    assert at == len(text)


@pytest.mark.parametrize("offset", [*range(-40, 40, 3), -600, -500, 500, 1100])
def test_a_value_on_the_seam_of_two_slices_is_found_once(offset: int) -> None:
    """B37: overlapping slices, each value by the one in which it begins."""
    start = 16_384 + offset
    text = ("word " * 4000)[:start] + " 945456787654 " + "word " * 4000
    values = [value for _, value, _ in found("UsBankRecognizer", text)]
    assert values == ["945456787654"]


PROBE = """
import logging, sys
from guard.services.presidio import build
work = build(["UsBankRecognizer"], None)
text = "bank account 945456787654 " + "x" * 20000
{before}
try:
    print(len(work([(text, None)])[0]))
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("before", "outcome"),
    [
        ("", "1"),
        (
            "logging.getLogger('presidio-analyzer').warning('Regex pattern timed out, skipping.')",
            "RuntimeError",
        ),
        ("work._recognizers[0].validate_result = lambda text: 1 / 0", "ZeroDivisionError"),
    ],
)
@pytest.mark.parametrize("seconds", ["0", "60"])
def test_a_timeout_inside_presidio_drops_nothing(before: str, outcome: str, seconds: str) -> None:
    """B35: its own time-out is off, its warnings are failures, and so is every exception."""
    script = PROBE.format(
        before=f"try:\n    {before or 'pass'}\nexcept RuntimeError as e:\n    print(type(e).__name__); sys.exit()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT), "REGEX_TIMEOUT_SECONDS": seconds, "PATH": ""},
        check=True,
    )
    assert done.stdout.strip() == outcome
