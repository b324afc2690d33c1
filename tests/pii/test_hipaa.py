"""docs/hipaa.md is held to the catalogue: each of the 18 identifiers has its kinds, or is said not to be in text."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from guard.guard import Guard
from guard.kinds import KINDS, ON_REQUEST
from guard.pii.catalog import ROWS
from guard.policy.load import load
from guard.policy.names import PRESIDIO_RECOGNIZERS
from guard.types import Stage

PAGE = (Path(__file__).parents[2] / "docs" / "hipaa.md").read_text("utf-8")
LINES = {
    int(number): (kinds, unseen)
    for number, kinds, unseen in re.findall(
        r"^\| (\d+) \| \([A-R]\) [^|]+\| ([^|]+)\| ([^|]*)\|$", PAGE, re.MULTILINE
    )
}
LAWS = re.compile(r"gdpr|pipl|pci|hipaa:(?:[1-9]|1[0-8])")


def kinds(number: int) -> set[str]:
    return set(re.findall(r"`(pii\.[a-z0-9_.]+)`", LINES[number][0]))


def tagged(number: int) -> set[str]:
    return {row.kind for row in ROWS if f"hipaa:{number}" in row.laws}


@pytest.mark.parametrize("number", range(1, 19))
def test_each_identifier_has_kinds_or_is_not_in_text(number: int) -> None:
    """(A) to (R): kinds that a rule can name, of which each tagged row is one; or the words that text shows none."""
    named, unseen = kinds(number), LINES[number][1]
    assert named <= KINDS
    assert tagged(number) <= named
    assert bool(named) is not ("not in text" in unseen)
    assert bool(named) is ("none" not in LINES[number][0])


def test_there_are_eighteen() -> None:
    """45 CFR 164.514(b)(2)(i)(A) to (R)."""
    assert sorted(LINES) == list(range(1, 19))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind)
def test_tags_are_laws(row: object) -> None:
    """A tag is one of the laws that the documents explain, once a row."""
    laws = row.laws  # type: ignore[attr-defined]
    assert all(LAWS.fullmatch(law) for law in laws)
    assert len(set(laws)) == len(laws)


def test_rows_of_a_kind_agree_on_hipaa() -> None:
    """A kind that one row counts among an identifier is counted so by each row that is not of another country."""
    for kind in {row.kind for row in ROWS}:
        tags = {tuple(law for law in row.laws if law.startswith("hipaa")) for row in ROWS if row.kind == kind}
        assert len(tags - {()}) <= 1, kind


def test_the_page_says_who_finds_what() -> None:
    """What it calls Presidio's has a recognizer that a policy can name; on request is what no wildcard takes."""
    for number in LINES:
        cell = LINES[number][0]
        for kind in re.findall(r"`(pii\.[a-z0-9_.]+)` \(on request\)", cell):
            assert kind in ON_REQUEST
        for listed in re.findall(r"((?:`pii\.[a-z0-9_.]+`(?:, )?)+) \(Presidio\)", cell):
            found = {*PRESIDIO_RECOGNIZERS.values(), *(row.kind for row in ROWS)}
            assert set(re.findall(r"`([^`]+)`", listed)) <= found


def test_the_policy_of_the_page_loads_and_generalises(tmp_path: Path) -> None:
    """What the page shows can be used as it stands."""
    [block] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "hipaa.yaml"
    file.write_text(block, encoding="utf-8")
    from guard.policy.decide import rule_for

    policy = load(file).policy
    for kind in ("pii.age", "pii.birth_date", "pii.date", "pii.us.zip"):
        assert rule_for(policy, Stage.INPUT, kind).redaction.form == "generalise"


def test_a_guard_generalises_by_todays_year(tmp_path: Path) -> None:
    """The year of a birth that tells of an age over 89 goes, by the year in which the text is redacted."""
    text = "policy: p\nextends: [default]\nrecognizers: {presidio: {recognizers: []}}\ninput:\n  rules:\n"
    rules = [f"    {kind}: {{action: redact, as: generalise}}\n" for kind in ("pii.*", "pii.date")]
    (tmp_path / "p.yaml").write_text("".join([text, *rules]))
    guard = Guard.from_policy(tmp_path / "p.yaml")
    try:
        clean = guard.redact(
            "DOB 1985-03-12, age 93, zip code 94110, seen 2024-05-01, DOB 1901-02-03, a@kontor-nord.org"
        )
    finally:
        guard.close()
    oldest = time.gmtime().tm_year - 90
    expected = f"DOB 1985, age 90+, zip code 941**, seen 2024, DOB {oldest} or earlier, <EMAIL_1>"
    assert clean == expected
