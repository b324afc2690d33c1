"""Explaining a finding: the row that gives it, found again alone; for every value of the catalogue's table."""

from __future__ import annotations

import re
from pathlib import Path

from guard.pii.catalog import ROWS
from guard.pii.cues import CUES
from guard.pii.explain import explain
from guard.pii.scan import Scanner
from guard.types import Finding

EVERYTHING = Scanner(kinds=frozenset(row.kind for row in ROWS), skip=())
TABLE = Path(__file__).with_name("catalog_cases.tsv")


def texts() -> list[str]:
    lines = TABLE.read_text(encoding="utf-8").replace("\\n", "\n").splitlines()
    marked = [line.partition("\t")[2] for line in lines if not line.startswith("#") and "⟦" in line]
    return [re.sub("[⟦⟧]", "", line) for line in marked]


def test_every_finding_of_the_catalogue_is_explained_by_a_row_of_its_kind() -> None:
    """The row's own score is the finding's, its validator has a standard, and its cue words are the catalogue's."""
    unexplained, total = 0, 0
    for text in texts():
        for finding in EVERYTHING.scan(text):
            why = explain(text, finding)
            total += 1
            if why is None or why.score != finding.score:
                unexplained += 1  # where two partly overlapping findings became one
                continue
            assert why.row.kind == finding.kind
            assert bool(why.standard) == bool(why.row.check)
            if why.cues:
                cue = CUES[why.row.cue]
                words = {word.decode() for word in cue.every}
                assert all(w in words or (cue.others and cue.others.fullmatch(w)) for w in why.cues)
    assert total > 200
    assert unexplained <= total // 50


def test_what_cue_words_did_is_told() -> None:
    """Raised, found by the word alone, in want of one, or in need of none."""
    told = {}
    for text in ("phone 415-626-1234", "415-626-1234", "born 1985-03-12", "a@kontor-nord.org"):
        [finding] = EVERYTHING.scan(text)[:1]
        why = explain(text, finding) if finding.kind != "pii.date" else None
        told[text] = why.weight if why else ""
    assert told["phone 415-626-1234"] == "raises 0.6 to 0.9"
    assert told["415-626-1234"] == "no cue word before it"
    assert told["born 1985-03-12"] == "found by its cue word alone"
    assert told["a@kontor-nord.org"] == "needs no cue word"


def test_the_place_in_a_long_text_does_not_matter() -> None:
    """The search is made around the finding: a value deep in a text is explained as one alone."""
    text = "word " * 50_000 + "电话 13398765421"
    [finding] = EVERYTHING.scan(text)
    why = explain(text, finding)
    assert why is not None
    assert why.cues == ("电话",)


def test_only_the_catalogue_is_explained_by_it() -> None:
    """Presidio, own patterns and the judge have their names as the reason."""
    finding = Finding("pii.us.ssn", 0, 11, 0.85, "presidio:UsSsnRecognizer")
    assert explain("536-22-8421", finding) is None
    assert explain("nothing here", Finding("pii.email", 0, 7, 0.9, "pattern")) is None
