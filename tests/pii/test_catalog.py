"""The catalogue as tables: every kind with values that must be found exactly, and near misses that must not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.kinds import KINDS, ON_REQUEST
from guard.pii.catalog import ROWS
from guard.pii.checks import CHECKS
from guard.pii.cues import CUES
from guard.pii.reach import BEFORE
from guard.pii.ready import Ready
from guard.pii.resolve import STRONG
from guard.pii.rows import Road, Row
from guard.pii.scan import Scanner

DEFAULT = Scanner(skip=())
ON_ASKING = {kind: Scanner(kinds=frozenset({kind}), skip=()) for kind in ON_REQUEST}


def _scanner(kind: str) -> Scanner:
    """Everything that is on by default, or the kind alone where it must be asked for."""
    return ON_ASKING.get(kind, DEFAULT)


def _cases() -> list[tuple[str, str, list[tuple[int, int]]]]:
    """Each case: the kind, the text without marks, and where the values stand."""
    tables = sorted(Path(__file__).parent.glob("*_cases.tsv"))
    cases = []
    for line in "".join(table.read_text(encoding="utf-8") for table in tables).splitlines():
        if line.startswith("#"):
            continue
        kind, _, marked = line.partition("\t")
        spans, text = [], ""
        for part in re.split("(⟦[^⟧]*⟧)", marked.replace("\\n", "\n")):
            value = part.strip("⟦⟧")
            if part.startswith("⟦"):
                spans.append((len(text), len(text) + len(value)))
            text += value
        cases.append((kind, text, spans))
    return cases


CASES = _cases()


KINDS_OF_TABLES = sorted({kind for kind, _, _ in CASES})


@pytest.mark.parametrize("kind", KINDS_OF_TABLES)
def test_a_value_is_found_at_exactly_its_place(kind: str) -> None:
    """B05, B07, B28: each value of the table, and nothing more of its kind."""
    for text, spans in [case[1:] for case in CASES if case[0] == kind and case[2]]:
        assert [(f.start, f.end) for f in _scanner(kind).scan(text) if f.kind == kind] == spans, text


@pytest.mark.parametrize("kind", KINDS_OF_TABLES)
def test_a_near_miss_is_not_found(kind: str) -> None:
    """B41: what only looks like a value is none."""
    for text in [case[1] for case in CASES if case[0] == kind and not case[2]]:
        assert [text[f.start : f.end] for f in _scanner(kind).scan(text) if f.kind == kind] == [], text


def test_innocent_texts_are_left_alone() -> None:
    """B41: orders, versions, hashes, times, prices, code and talk of personal data hold none that a policy acts on."""
    lines = Path(__file__).with_name("innocent_texts.txt").read_text(encoding="utf-8").splitlines()
    scanner = Scanner()
    for text in (line.replace("\\n", "\n") for line in lines):
        assert [(f.kind, text[f.start : f.end]) for f in scanner.scan(text) if f.score >= STRONG] == [], text


def test_every_kind_of_the_catalogue_has_values_and_near_misses() -> None:
    """A row without a table is not tested."""
    kinds = {row.kind for row in ROWS}
    assert kinds == {kind for kind, _, spans in CASES if spans}
    assert kinds == {kind for kind, _, spans in CASES if not spans}


def test_every_row_names_what_exists() -> None:
    """Kinds, checks and cues are known; what no wildcard reaches is on request."""
    for row in ROWS:
        assert row.kind in KINDS
        assert not row.check or row.check in CHECKS
        assert not row.cue or row.cue in CUES
        assert not row.unless or row.unless in CUES
        assert 0 <= row.score <= row.cued <= 1, row.kind
        assert row.cued == row.score or row.cue, row.kind
    assert {"pii.url", "pii.uuid", "pii.date"} <= ON_REQUEST


@given(st.data())
@pytest.mark.parametrize("row", [row for row in ROWS if row.opening], ids=lambda row: row.kind)
def test_what_a_row_opens_with_is_in_all_its_matches(row: Row, data: st.DataObject) -> None:
    """What is not searched without its opening must not be without it, wherever it stands."""
    assert row.road is Road.DIGITS
    before = data.draw(st.sampled_from([b"", b"x ", b"(", b"\x1a"]))
    value = data.draw(st.from_regex(re.compile(row.core.encode("ascii")), fullmatch=True))
    text = before + value
    assert re.compile(row.opening.encode("ascii")).search(text, len(before), len(text))


NUMBERS = [row for row in ROWS if row.road in (Road.DIGITS, Road.NATION)]


@settings(max_examples=20)
@given(st.data())
@pytest.mark.parametrize(
    "row", [row for row in NUMBERS if Ready(row).before < BEFORE], ids=lambda row: row.kind
)
def test_a_match_without_letters_begins_no_further_before_its_digits_than_is_searched(
    row: Row, data: st.DataObject
) -> None:
    """A search that begins too late would see a part of a value, or none."""
    value = data.draw(st.from_regex(re.compile(row.core.encode("ascii")), fullmatch=True))
    digit = re.search(rb"[0-9]", value)
    assert digit is not None
    assert digit.start() <= Ready(row).before


def test_every_check_names_its_standard() -> None:
    """A check without a source is a guess: its docstring says which rule it applies."""
    assert all(check.__doc__ for check in CHECKS.values())


@pytest.mark.parametrize("row", [row for row in ROWS if row.road is not Road.AFTER], ids=lambda row: row.kind)
def test_no_match_is_longer_than_its_row_declares(row: object) -> None:
    """Streams rely on `longest`: the widest match of the pattern stays within it."""
    from re import _parser  # type: ignore[attr-defined]

    from guard.pii.rows import BLOCK_LONGEST, Row

    assert isinstance(row, Row)
    tree = _parser.parse(row.core.encode("ascii"))
    value = tree.state.groupdict.get("value")
    groups = [item for item in tree if value and str(item[0]) == "SUBPATTERN" and item[1][0] == value]
    width = groups[0][1][3].getwidth()[1] if groups else tree.getwidth()[1]
    assert width + (BLOCK_LONGEST if row.road is Road.BLOCK else 0) <= row.longest


def test_no_value_of_one_kind_is_taken_for_the_secret_of_another() -> None:
    """Kinds that resemble each other keep apart: the finding that is settled on is the table's."""
    for kind, text, spans in CASES:
        if len(spans) == 1 and kind != "pii.cn.hm_permit":
            settled = [f for f in _scanner(kind).scan(text) if f.start < spans[0][1] and spans[0][0] < f.end]
            assert [f.kind for f in settled] == [kind], text
