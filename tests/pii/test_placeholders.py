"""What placeholders look like: names, masks, hashes, and the spellings in which models give them back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.kinds import KINDS
from guard.pii.placeholders import TOKEN, hashed, masked, name_of, open_end, token, token_key


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("pii.email", "EMAIL"),
        ("pii.cn.resident_id", "CN_RESIDENT_ID"),
        ("secret.openai_key", "OPENAI_KEY"),
        ("pii.us.ssn", "US_SSN"),
        ("pii.9lives", "X_9LIVES"),
    ],
)
def test_a_placeholder_is_named_by_its_kind(kind: str, name: str) -> None:
    """The name is the kind without its family, in capitals."""
    assert name_of(kind) == name


def test_every_kind_has_a_name_that_is_found_again() -> None:
    """No known kind makes a token that the token pattern would not find."""
    for kind in KINDS:
        written = token(f"{name_of(kind)}_12")
        match = TOKEN.fullmatch(written)
        assert match, kind
        assert token_key(match) == written[1:-1]


@pytest.mark.parametrize(
    "spelling",
    [
        "<CN_RESIDENT_ID_3>",
        "<cn_resident_id_3>",
        "< CN_RESIDENT_ID_3 >",
        "<CN RESIDENT ID 3>",
        "<CN-RESIDENT-ID-3>",
        r"<CN\_RESIDENT\_ID\_3>",
        r"\<CN_RESIDENT_ID_3\>",
        "&lt;CN_RESIDENT_ID_3&gt;",
        "＜CN_RESIDENT_ID_3＞",
    ],
)
def test_models_may_misspell_a_token(spelling: str) -> None:
    """Case, blanks, Markdown and HTML escapes, and full-width brackets stand for the same token."""
    match = TOKEN.fullmatch(spelling)
    assert match
    assert token_key(match) == "CN_RESIDENT_ID_3"


@pytest.mark.parametrize(
    "text",
    [
        "EMAIL_1",
        "<EMAIL1>",
        "<EMAIL_01>",
        "<EMAIL_0>",
        r"\<EMAIL_1>",
        "&lt;EMAIL_1>",
        "<EMAIL_>",
        "<_1>",
        "<h1>",
    ],
)
def test_what_is_no_token(text: str) -> None:
    """Without brackets, with brackets that do not agree, or numbered otherwise it is the text's own."""
    match = TOKEN.fullmatch(text)
    assert match is None


@given(
    st.sampled_from([r"<A_B_12>", r"\<A\_B\_12\>", "&lt; A B 12 &gt;", "＜a_b_12＞", "< A_B_12 >"]),
    st.text(max_size=9),
)
def test_a_cut_token_is_seen_at_every_place(written: str, before: str) -> None:
    """Wherever a text ends inside a token, in any spelling, its beginning is known, and so is its name so far."""
    before = re.sub(r"[<＜\\&]", "", before)
    for cut in range(1, len(written)):
        start, name = open_end(before + written[:cut])
        assert start == len(before)
        assert "A_B_12".startswith(name)


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        ("pii.card", "4111111111111111", "411111******1111"),
        ("pii.card", "4111 1111 1111 1111", "4111 11** **** 1111"),
        ("pii.card", "378282246310005", "37828******0005"),
        ("pii.card", "4222222222222", "422******2222"),
        ("pii.cn.bank_account", "6222021234567890128", "622202*********0128"),
        ("pii.card", "4111​1111​1111​1111", "411111******1111"),
        ("pii.email", "jane.doe@corp.de", "****.***@****.**"),
        ("pii.phone", "+1 (415) 555-2671", "+* (***) ***-****"),
        ("secret.openai_key", "sk-abcDEF123", "**-*********"),
        ("pii.person", "王小明", "***"),
        ("pii.person", "…", "*"),
        ("pii.person", "-", "*"),
    ],
)
def test_masks(kind: str, value: str, shown: str) -> None:
    """Stars for letters and digits, separators kept; of a card at most the first 6 and the last 4 digits."""
    assert masked(kind, value) == shown


@given(st.text(alphabet="0123456789", min_size=1, max_size=40))
def test_a_masked_card_hides_at_least_six_digits(number: str) -> None:
    """However short the number is, six digits or all of them stay hidden."""
    shown = masked("pii.card", number)
    assert shown.count("*") >= min(6, len(number))
    assert len(re.sub(r"\D", "", shown)) <= 10


@given(st.text(min_size=1, max_size=300))
def test_a_mask_shows_nothing_of_other_values(value: str) -> None:
    """Not one letter or digit of a value that is no card is left, and a mask is short."""
    shown = masked("secret.pem", value)
    assert shown != value or not any(c.isalnum() for c in value)
    assert not any(c.isalnum() for c in shown)
    assert 0 < len(shown) <= 300


def test_hashes_are_stable_keyed_and_without_digits() -> None:
    """One value has one hash under a key and another under another; no digit can look like a number again."""
    one = hashed(b"k" * 32, "PHONE", "13812345678")
    assert re.fullmatch(r"<PHONE:[a-p]{10}>", one)
    assert hashed(b"k" * 32, "PHONE", "13812345678") == one
    assert hashed(b"l" * 32, "PHONE", "13812345678") != one
    assert hashed(b"k" * 32, "PHONE", "13812345679") != one
