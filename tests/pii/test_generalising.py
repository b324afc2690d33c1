"""`as: generalise`: what HIPAA's Safe Harbor leaves of a value (45 CFR 164.514(b)(2)(i)), else a token."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.keys import Keys
from guard.kinds import KINDS
from guard.pii.generalising import GENERAL, generalise
from guard.pii.mapping import Mapping
from guard.types import Redaction

YEAR = 2026
AS = Redaction("generalise")

FORMS = [
    ("pii.age", "34", "30-39"),
    ("pii.age", "7", "0-9"),
    ("pii.age", "89", "80-89"),
    ("pii.age", "90", "90+"),
    ("pii.age", "104", "90+"),
    ("pii.age", "34 years old", "30-39 years old"),
    ("pii.age", "34-year-old", "30-39-year-old"),
    ("pii.age", "aged 92", "aged 90+"),
    ("pii.age", "34岁", "30-39岁"),
    ("pii.age", "９２周岁", "90+周岁"),
    ("pii.birth_date", "1985-03-12", "1985"),
    ("pii.birth_date", "12 March 1985", "1985"),
    ("pii.birth_date", "03/12/1985", "1985"),
    ("pii.birth_date", "19850312", "1985"),
    ("pii.birth_date", "1985年3月12日", "1985年"),
    ("pii.birth_date", "1937-01-01", "1937"),
    ("pii.birth_date", "1936-12-31", "1936 or earlier"),
    ("pii.birth_date", "1801-01-01", "1936 or earlier"),
    ("pii.date", "2024-02-29T10:00", "2024"),
    ("pii.cn.postcode", "100020", "10****"),
    ("pii.de.plz", "80331", "80***"),
    ("pii.us.zip", "94110", "941**"),
    ("pii.us.zip", "94110-1234", "941**"),
    ("pii.us.zip", "03601", "000**"),
    ("pii.us.zip", "89301", "000**"),
]


@pytest.mark.parametrize(("kind", "value", "general"), FORMS)
def test_what_may_stay(kind: str, value: str, general: str) -> None:
    """Ages to bands with one for all over 89, dates to years, ZIP codes to three digits where enough people live."""
    assert generalise(kind, value, YEAR) == general


NOTHING = [
    ("pii.email", "jane@corp.de"),
    ("pii.age", "ninety"),
    ("pii.age", "9 months"),
    ("pii.age", "3个月"),
    ("pii.age", "131"),
    ("pii.age", "34 or 35"),
    ("pii.birth_date", "03/12/85"),
    ("pii.birth_date", "1985-1986"),
    ("pii.birth_date", "一九八五年三月"),
    ("pii.us.zip", "941100"),
    ("pii.cn.postcode", "10002"),
]


@pytest.mark.parametrize(("kind", "value"), NOTHING)
def test_what_leaves_nothing_that_may_stay(kind: str, value: str) -> None:
    """What is not understood whole is not shown in part."""
    assert generalise(kind, value, YEAR) is None
    assert re.fullmatch(r"<[A-Z_]+_1>", Mapping(Keys(b"test"), year=YEAR).placeholder(kind, value, AS))


def test_without_the_present_year_no_date_is_generalised() -> None:
    """Nobody can say then whose year of birth tells of an age over 89."""
    assert generalise("pii.birth_date", "1985-03-12") is None
    assert generalise("pii.age", "34") == "30-39"


@given(st.sampled_from(sorted(GENERAL)), st.text(alphabet="0123456789-/.年月日岁 aoldyer", max_size=14))
def test_no_more_than_a_year_or_three_digits_are_left(kind: str, value: str) -> None:
    """Whatever is written, no exact age, day or postcode is left of it."""
    general = generalise(kind, value, YEAR)
    if general is not None and kind != "pii.age":
        assert re.fullmatch(r"(?:19|20|18)\d\d(?:年| or earlier)?|\d{2,3}\*+", general)
    elif general is not None:
        assert re.search(r"\d0-\d9|0-9|90\+", general)


def test_many_values_share_a_general_form_and_none_comes_back() -> None:
    """A general form is text, no placeholder: nothing in an answer stands for it, and nothing is restored."""
    mapping = Mapping(Keys(b"test"), year=YEAR)
    assert {mapping.placeholder("pii.age", age, AS) for age in ("31", "38")} == {"30-39"}
    assert mapping.spans("people of 30-39") == []
    assert mapping.restore("30-39") == "30-39"
    assert mapping.redact_originals("she is 31 years") == "she is 30-39 years"
    assert mapping.placeholder("pii.email", "a@corp.de", AS) == "<EMAIL_1>"
    assert mapping.restore("<EMAIL_1>") == "<EMAIL_1>"


def test_the_kinds_are_known() -> None:
    """A general form belongs to a kind that a rule can name."""
    assert GENERAL <= KINDS
