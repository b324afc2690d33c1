"""A sure match of a whole region of digits settles it: what is less sure and within it is not looked for."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.pii.catalog import ROWS
from guard.pii.patterns import shape_of
from guard.pii.ready import Ready
from guard.pii.roads import regions
from guard.pii.rows import Road, Row
from guard.pii.scan import Scanner

SETTLED = [row for row in ROWS if row.road in (Road.DIGITS, Road.NATION) and Ready(row).inner]


def test_many_rows_can_be_settled() -> None:
    """Cards and most national numbers are digits and what stands between them; a code with letters is not."""
    kinds = {row.kind for row in SETTLED}
    assert len(SETTLED) > 60
    assert {"pii.card", "pii.cn.bank_account", "pii.uk.nhs"} <= kinds
    assert not kinds & {"pii.iban", "pii.hk.id"}


@pytest.mark.parametrize("row", SETTLED, ids=lambda row: f"{row.kind}-{SETTLED.index(row)}")
@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_match_that_can_be_settled_lies_in_one_region(row: Row, data: st.DataObject) -> None:
    """Else a match that runs on behind the region would be lost with those within it."""
    value = data.draw(st.from_regex((row.gate or row.core).encode("ascii"), fullmatch=True))
    behind = data.draw(st.sampled_from([b"", b" then", b"-", b" 12345", b"\x1a"]))
    found = regions(shape_of(b"no. " + value + behind))
    assert len([low for low, high in found if low <= 4 and high >= 4 + len(value)]) == 1, value


def test_a_sure_number_leaves_nothing_to_look_for_within() -> None:
    """A resident ID is no card, a card no account."""
    found = Scanner().everything("身份证号440106198809171376，银行卡号4881004349595510")
    assert [finding.kind for finding in found] == ["pii.cn.resident_id", "pii.card"]


@pytest.mark.parametrize(("text", "score"), [("546-95-6350", 0.7), ("SSN 546-95-6350", 0.95)])
def test_a_word_lifts_what_settles_a_region(text: str, score: float) -> None:
    """What no other may win is found at once, and scored by the words before it all the same."""
    assert [(finding.kind, finding.score) for finding in Scanner().everything(text)] == [
        ("pii.us.ssn", score)
    ]


def test_what_begins_before_a_cut_settles_nothing() -> None:
    """It is not found behind the cut, so what lies within it is."""
    text = "fodselsnummer 3703 051064 23069"
    scanner = Scanner()
    assert [finding.kind for finding in scanner.everything(text)] == ["pii.card"]
    assert [finding.kind for finding in scanner.candidates(text, 18)] == ["pii.no.fodselsnummer"]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("SSN, phone 546-95-6350 ext. 12", {"pii.us.ssn", "pii.phone"}),
        ("SSN phone (546-95-6350", {"pii.us.ssn", "pii.phone"}),
        ("SSN, phone 546-95-6350", {"pii.us.ssn"}),
    ],
)
def test_what_leaves_the_region_is_still_looked_for(text: str, kinds: set[str]) -> None:
    """A less sure match that goes beyond a settled region is longer than the sure one: it is not within it."""
    assert {finding.kind for finding in Scanner().everything(text)} == kinds
