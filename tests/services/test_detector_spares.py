"""A recognizer whose matches the catalogue has settled already is not asked, and nothing is lost by that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.services.detector import Detector
from guard.services.memo import Memo

NAMES = ("MedicalLicenseRecognizer", "UsBankRecognizer", "UsSsnRecognizer")
PIECES = st.sampled_from(
    [
        "+14155552671",
        "4155552671",
        "13398765421",
        "+86 13398765421",
        "4929123456789015",
        "4929 1234 5678 9015",
        "110105198403077734",
        "BC7231599",
        "12345678",
        "account",
        "bank",
        "licence",
        " ",
        ", ",
        "-",
        "是",
        "123-45-6789",
        "536-22-8421",
        "GB29NWBK60161331926819",
        "jo@kontor-nord.org",
        "x",
        "8.8.4.4",
        "１２３４５６７８９",
    ]
)


@pytest.fixture(scope="module")
def detector() -> Iterator[Detector]:
    """The catalogue beside three recognizers, with workers."""
    made = Detector(scanner_args={"skip": ()}, presidio=NAMES, presidio_deadline_s=20.0)
    made.start()
    made.wait()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("call +14155552671 now", False),
        ("pay to bank account 12345678901 now", True),
        ("licence BC7231599", True),
        ("call +14155552671 or pay to account 12345678901", True),
        ("nothing here", False),
    ],
)
def test_presidio_is_asked_where_it_could_add(detector: Detector, text: str, asked: bool) -> None:
    """A phone number's digits look like a bank account; the phone is sure and longer, so nobody need be asked."""
    assert bool(detector._plan([text]).jobs) is asked


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(PIECES, min_size=1, max_size=8).map("".join))
def test_sparing_a_recognizer_changes_no_finding(detector: Detector, text: str) -> None:
    """With every gated recognizer asked, the findings are the same."""
    spared = detector.detect_sync([text])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Detector, "_adds", lambda *_: True)
        patch.setattr(detector, "_memo", Memo())
        assert detector.detect_sync([text]) == spared
