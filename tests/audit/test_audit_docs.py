"""docs/audit.md is held to the code: its commands, questions and attributes are there."""

from __future__ import annotations

import re
from pathlib import Path

from guard.audit.query import QUESTIONS
from guard.audit.regimes import REGIMES
from guard.cli import audit, policy
from guard.trace import spans

PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()
NAMES = {
    value.rstrip(".") for name, value in vars(spans).items() if name.isupper() and isinstance(value, str)
}


def test_every_attribute_is_written() -> None:
    """A regime's field is a constant of spans.py, or a column."""
    told = set(re.findall(r"`((?:gen_ai|guard|server|error)\.[a-z0-9_.]+?)(?:\.<[a-z]+>)?`", PAGE))
    assert told
    assert told <= NAMES


def test_every_question_is_one() -> None:
    """Names in the lists of questions are named questions; verbs are verbs."""
    for found in re.findall(r"questions? ((?:`[a-z-]+`(?:, )?)+)", PAGE):
        assert set(re.findall(r"`([a-z-]+)`", found)) <= set(QUESTIONS)
    verbs = {(c.name or c.callback.__name__) for c in audit.app.registered_commands if c.callback}
    assert set(re.findall(r"guard audit ([a-z]+)", PAGE)) <= verbs
    assert {"backtest"} <= {
        (c.name or c.callback.__name__) for c in policy.app.registered_commands if c.callback
    }


def test_every_regime_has_its_row() -> None:
    """facts of the field: none may be dropped from the page."""
    for regime in ("AI Act", "GDPR", "SOC 2", "HIPAA", "PCI DSS", "PIPL", "NIST", "ISO 42001"):
        assert regime in PAGE


def test_a_pack_answers_what_the_page_promises() -> None:
    """The questions that a regime's row names are in that regime's pack."""
    titles = {"GDPR": "gdpr", "HIPAA": "hipaa", "PCI": "pci", "PIPL": "pipl", "EU AI Act": "eu-ai-act"}
    for start, regime in titles.items():
        asked = {one.question for one in REGIMES[regime].questions}
        for row in re.findall(rf"^\| {start}.*$", PAGE, re.M):
            named = set(re.findall(r"`([a-z-]+)`", row)) & set(QUESTIONS)
            assert {one for one in named if not one.startswith("subject")} <= asked, row
