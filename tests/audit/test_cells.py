"""Cells: no text from the record runs in a spreadsheet or steers a terminal, and no other text is touched."""

from __future__ import annotations

import pytest

from guard.audit.cells import cell, csv_cell, plain


@pytest.mark.parametrize("sign", "=+-@＝＋－＠")
@pytest.mark.parametrize("before", ["", " ", "x;", "x; ", 'x;"', "x;'"])
def test_no_cell_begins_with_a_sign(sign: str, before: str) -> None:
    """OWASP, CSV injection: half and full width, behind blanks, and behind the separator of other languages' lists."""
    separated, blanks = ("x;", before[2:]) if before.startswith("x;") else ("", before)
    assert csv_cell(f"{before}{sign}1+1") == f"{separated}'{blanks}{sign}1+1"


@pytest.mark.parametrize("text", ["a-b", "a@b.c", "x, -1", "[0.1, -2]", "a=b;c", "", "1;2", "张三; 李四"])
def test_other_texts_are_as_they_were(text: str) -> None:
    assert csv_cell(text) == text


@pytest.mark.parametrize("value", [None, 0, -7, -0.5, True])
def test_numbers_are_no_texts(value: object) -> None:
    assert csv_cell(value) is value


@pytest.mark.parametrize(
    "code", ["\x1b", "\x9b", "\x07", "\r", "\n", "\t", "\x00", "\u202e", "\u2028", "\ufeff"]
)
def test_what_does_not_print_is_its_code(code: str) -> None:
    """D05: neither a table, nor CSV, nor JSON steers a terminal or turns a line round."""
    assert code not in cell(f"a{code}b")
    assert csv_cell(f"{code}=1") == cell(code) + "=1"
    assert code == "\n" or code not in plain(f'"{code}"')
