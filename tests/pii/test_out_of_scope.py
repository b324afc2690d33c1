"""B11: what is not looked for is said in docs/detection.md, and counted here: the page's figure is this table's."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard.pii.scan import Scanner

PAGE = " ".join((Path(__file__).parents[2] / "docs" / "detection.md").read_text("utf-8").split())

OUT_OF_SCOPE = [
    ("my card is four one zero four three three two one eight one nine six zero zero one eight", "pii.card"),
    ("call me on one three eight one two three four five six seven eight", "pii.phone"),
    ("her social security number is five three six, two two, eight four two one", "pii.us.ssn"),
    ("die Karte ist vier eins null vier drei drei zwei eins acht eins neun sechs null null eins acht", "pii.card"),
    ("the card from right to left: 1111111111111114", "pii.card"),
    ("her social security number backwards is 1248-22-635", "pii.us.ssn"),
    ("身份证号倒过来是 122321305891501011", "pii.cn.resident_id"),
]  # fmt: skip


def kinds(text: str) -> set[str]:
    return {finding.kind for finding in Scanner().scan(text)}


def test_the_page_says_what_is_out_of_scope_and_what_of_it_is_found() -> None:
    """No claim of full coverage; whoever finds more of it writes the new figure."""
    hits = sum(kind in kinds(text) for text, kind in OUT_OF_SCOPE)
    assert f"{hits} of {len(OUT_OF_SCOPE)} such values are found" in PAGE


@pytest.mark.parametrize("text", ["我的手机是一三八一二三四五六七八", "手机：一三八 一二三四 五六七八"])
def test_chinese_numerals_are_in_scope(text: str) -> None:
    """Numbers are written so every day."""
    assert "pii.phone" in kinds(text)
