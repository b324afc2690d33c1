# ruff: noqa: E501
"""A heading is a cue word for the values under it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.pii.scan import Scanner
from guard.pii.tables import columns

ROWS = [
    ("Mara", "536228421", "2345678"),
    ("Bob", "219099998", "3456789"),
    ("Wei", "472811234", "4567890"),
] * 4
VALUES = [value for row in ROWS for value in row[1:]]


def found(text: str) -> list[str]:
    """The original of each finding."""
    return [text[f.start : f.end] for f in Scanner().scan(text)]


def table(headings: tuple[str, ...], delimiter: str, edge: str = "", rule: str = "") -> str:
    """The rows under headings, as one text between two lines of prose."""
    lines = [edge + delimiter.join(row) + edge for row in (headings, *ROWS)]
    if rule:
        lines.insert(1, rule)
    return "Our people:\n" + "\n".join(lines) + "\nThat is all.\n"


class TestColumns:
    """Every row counts, however far from its heading."""

    @pytest.mark.parametrize(
        "headings",
        [("name", "ssn", "phone"), ("Name", "SSN", "Phone Number"), ("姓名", "社保号 SSN", "电话")],
    )
    @pytest.mark.parametrize(
        ("delimiter", "edge", "rule"),
        [(",", "", ""), ("\t", "", ""), (";", "", ""), (" | ", "", ""), ("|", "|", "|---|:--:|---|")],
    )
    def test_of_text_with_delimiters(
        self, headings: tuple[str, ...], delimiter: str, edge: str, rule: str
    ) -> None:
        """Cue words of both languages at the head of CSV, TSV and Markdown columns."""
        assert found(table(headings, delimiter, edge, rule)) == VALUES

    def test_a_quoted_cell_may_hold_the_delimiter(self) -> None:
        """RFC 4180: quotes around a cell."""
        text = 'name,ssn,phone\n"Lindt, Mara","536228421",2345678\n'
        assert found(text) == ["536228421", "2345678"]

    def test_a_heading_counts_for_its_own_column_only(self) -> None:
        """The same digits under another heading are nobody's, where no cue word is near."""
        rows = "".join(f"{5345670 + n},{2345670 + n}\n" for n in range(9))
        assert {"2345678", "5345678"} & set(found("count,phone\n" + rows)) == {"2345678"}
        assert "5345678" in found("phone,count\n" + rows)
        assert found("count,total\n" + rows) == []

    def test_a_table_ends_where_its_rows_end(self) -> None:
        """A line of another form is no row."""
        rows = "".join(f"{n},{2345670 + n}\n" for n in range(9))
        assert found(f"id,phone\n{rows}\nthen 1,2345679\n")[-1] == "2345678"

    def test_a_column_of_passwords(self) -> None:
        """What has no digits is found too, and seen where many texts are looked at together."""
        text = "user,password\nbob,Tr0ub4dor&3\nmara,hunter-x!x\n"
        assert found(text) == ["Tr0ub4dor&3", "hunter-x!x"]
        assert not Scanner().silent(text)

    def test_a_disguised_value_under_a_heading(self) -> None:
        """Findings in the copy lead to the whole of what is spelled out."""
        assert found("id,phone\n1,234&#53;678\n") == ["234&#53;678"]


class TestLists:
    """A key counts for every item of its list."""

    def test_of_json(self) -> None:
        """Strings and numbers, on any number of lines."""
        numbers = [f"{2345678 + n}" for n in range(30)]
        items = ",\n  ".join(f'"{number}"' for number in numbers)
        assert found(f'{{"phones": [\n  {items}\n], "n": [2345600, 2345601]}}') == numbers
        assert found('{"ssn": [219099998, 536228421, 472811234, 219099997]}')[-1] == "219099997"


@pytest.mark.parametrize(
    "text",
    [
        "First, call me, then go.\nThen 1, 2, 3 and 4567890, ok.\n", "call(phone, id)\nx = f(1234567, 2)\n", "a | b\n1 | 2\n", "phone\n2345678 2 3 4 5\n",
        "def phone(number, card):\n    return 12345678, 5\n", "phone, card\nhello, there\n", "phone 1, card 2\n2345678, 3\n", '{"sizes": [2345678]}',
        "if phone == a, b:\n  1, 2\n",
    ],
)  # fmt: skip
def test_prose_and_code_have_no_headings(text: str) -> None:
    """B41: two lines with as many commas are no table; a heading is short, and says only what is below."""
    assert columns(text) is None


@given(st.text(st.sampled_from('phone ssn,|\t;\n"[]:-12@电话'), max_size=80))
def test_each_value_is_copied_as_it_stands(text: str) -> None:
    """B29: the copy of any text leads back to the same characters."""
    copy = columns(text)
    if copy is None:
        return
    for at in range(len(copy.text)):
        span = copy.back(at, at + 1)
        assert span is None or text[slice(*span)] == copy.text[at]


def test_a_list_on_one_line_has_its_heading_however_long_it_is() -> None:
    values = [str(2345678 + number) for number in range(20)]
    assert found(json.dumps({"phone": values})) == values
