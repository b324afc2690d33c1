# ruff: noqa: E501
"""Checks against the published examples of their standards, and against every single-digit error."""

from __future__ import annotations

import random
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.pii import borrowed, credentials, nobody, phones, plans, sums
from guard.pii import checks_americas as us
from guard.pii import checks_china as cn
from guard.pii import checks_europe as eu
from guard.pii import validators as v
from guard.pii.checks import CHECKS

PUBLISHED = [
    # (check, accepted in full, refused)
    (v.iban, "GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 33"),  # ISO 13616 registry
    (v.iban, "MT84MALT011000012345MTLCAST001S", "MT84MALT011000012345MTLCAST002S"),
    (v.iban, "NO9386011117947", "NO9386011117948"),
    (cn.cn_resident_id, "11010519491231002X", "110105194912310021"),  # GB 11643-1999, annex
    (cn.cn_uscc, "91350100M000100Y43", "91350100M000100Y44"),  # GB 32100-2015
    (eu.uk_nhs, "943 476 5919", "943 476 5918"),  # NHS Data Dictionary
    (cn.hk_id, "A123456(3)", "A123456(4)"),
    (cn.tw_id, "A123456789", "A123456788"),
    (v.imei, "490154203237518", "490154203237519"),  # 3GPP TS 23.003
    (v.vin, "1M8GDM9AXKP042788", "1M8GDM9A1KP042788"),  # 49 CFR 565
    (v.base58check, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb"),
    (
        v.bech32,
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
    ),  # BIP 173
    (
        v.bech32,
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
    ),  # BIP 350
    (v.card, "4111111111111111", "4111111111111112"),
    (v.card, "2223000048400011", "2223000048400012"),  # Mastercard 2-series
    (us.us_itin, "912-70-1234", "912-69-1234"),
    (us.us_ssn, "219-09-9998", "219-00-9998"),
    (v.ipv4, "84.112.9.17:65535", "84.112.9.256"),
    (v.ipv6, "2a02:8388:e103::1f/48", "2a02:8388:e103::1f::1"),
]


@pytest.mark.parametrize(("check", "accepted", "refused"), PUBLISHED)
def test_published_examples(check: sums.Check, accepted: str, refused: str) -> None:
    """Each standard's own example passes in full; one character off does not."""
    assert check(accepted.encode()) == len(accepted)
    assert check(refused.encode()) == 0


@pytest.mark.parametrize("name", sorted(borrowed._NEEDED))
def test_what_is_asked_before_the_library_refuses_nothing_that_it_accepts(name: str) -> None:
    """Numbers with a date in their front, in every order: all that python-stdnum accepts are asked of it."""
    sizes, may = borrowed._NEEDED[name]
    rng = random.Random(20261127)
    accepted = refused = 0
    for _ in range(6000):
        front = rng.choice(["", str(rng.randint(1, 9))]) + "".join(f"{rng.randint(1, 12):02}" for _ in "123")
        if name == "nz.bankaccount" and rng.random() < 0.5:
            front = "010902"  # a bank and a branch
        size = rng.choice(sizes)
        number = (front + "".join(rng.choices("0123456789", k=size)))[:size]
        valid = import_module(f"stdnum.{name}").is_valid(number)
        accepted += valid
        refused += not may(sums.digits_of(number.encode()))
        assert CHECKS[name](number.encode()) == (len(number) if valid else 0)
    assert accepted > 10
    assert refused > 1000


def test_no_card_is_sought_where_no_issuer_is() -> None:
    """The first digits tell: 1234 is nobody's; a number of 13 among longer groups is found by its groups."""
    assert v.card(b"0102 0102 0102 0102 0102") == 0
    assert v.card(b"4111 1111 1111 1111 123") == 19


@given(st.binary(max_size=30).map(lambda raw: bytes(byte & 0x7F for byte in raw)), st.integers(0, 12))
def test_the_end_after_so_many_letters_and_digits(view: bytes, count: int) -> None:
    """Whatever stands between them."""
    places = [at for at, code in enumerate(view) if chr(code).isalnum()]
    assert v._end_after(view, count) == (places[count - 1] + 1 if 0 < count <= len(places) else 0)


@given(
    st.binary(max_size=40).map(lambda raw: bytes(byte & 0x7F for byte in raw)),
    st.sampled_from(sorted(CHECKS)),
)
def test_a_check_accepts_no_more_than_it_was_given(view: bytes, name: str) -> None:
    """Length checks hold for whatever the patterns let through."""
    if name in (
        "password",
        "password_said",
        "token",
        "credential",
        "connection_string",
        "email",
        "url",
        "plate",
    ):
        assert 0 <= CHECKS[name](view) <= len(view)


@given(st.text("0123456789", min_size=12, max_size=18), st.integers(0, 17), st.integers(1, 9))
def test_luhn_catches_every_single_digit_error(body: str, at: int, by: int) -> None:
    """ISO/IEC 7812-1: changing one digit always breaks the check."""
    number = next(body + d for d in "0123456789" if sums.luhn(sums.digits_of((body + d).encode())))
    at %= len(number)
    wrong = number[:at] + str((int(number[at]) + by) % 10) + number[at + 1 :]
    assert not sums.luhn(sums.digits_of(wrong.encode()))


class TestCards:
    """Issuer ranges and lengths."""

    @pytest.mark.parametrize(
        "prefix", ["4", "51", "55", "2221", "2720", "62", "81", "65", "6011", "3528", "3589"]
    )
    def test_sixteen_digits(self, prefix: str) -> None:
        """Visa, Mastercard and its 2-series, UnionPay, RuPay, Discover, JCB."""
        assert v.card_length_fits(sums.digits_of(prefix.ljust(16, "0").encode()))

    @pytest.mark.parametrize(
        "number",
        [
            "2220" + "0" * 12,
            "2721" + "0" * 12,
            "51" + "0" * 13,
            "34" + "0" * 14,
            "1" * 16,
            "0" * 16,
            "9" * 16,
        ],
    )
    def test_what_no_issuer_has(self, number: str) -> None:
        """The ranges beside the 2-series, wrong lengths, unassigned first digits."""
        assert not v.card_length_fits(sums.digits_of(number.encode()))

    def test_a_card_before_its_check_value(self) -> None:
        """The shorter number is taken where the longer one is none."""
        assert v.card(b"4111 1111 1111 1111 123") == 19


class TestPhones:
    """Plans are libphonenumber's."""

    def test_agree_with_libphonenumber(self) -> None:
        """The example number of every region is valid; a foreign calling code is not."""
        import phonenumbers

        for region in sorted(phonenumbers.SUPPORTED_REGIONS):
            example = phonenumbers.example_number(region)
            if example is not None:
                number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
                assert phones.phone_international(number.encode()) == len(number), region
        assert not plans.valid(b"999123456789")

    def test_a_trailing_group_that_does_not_belong_is_left_out(self) -> None:
        """The number ends where its plan says."""
        assert phones.phone_international(b"+44 20 7946 0958 77") == len("+44 20 7946 0958")

    @pytest.mark.parametrize("text", ["2024-01-15", "15.01.2024", "192.168.1.1", "1111111", "123456"])
    def test_dates_addresses_and_repetitions_are_no_numbers(self, text: str) -> None:
        """Whatever a cue word says."""
        assert phones.phone_said(text.encode()) == 0

    @pytest.mark.parametrize("text", ["138-1234-5678", "1381 2345 678", "+86 138 1234 5678", "8613812345678"])
    def test_layouts_of_a_mainland_mobile_number(self, text: str) -> None:
        """3-4-4, 4-4-3, with and without the country code."""
        assert phones.phone_cn_mobile(text.encode()) == len(text)


class TestCredentials:
    """English prose is never a secret."""

    @pytest.mark.parametrize(
        "value",
        [
            "required",
            "incorrect",
            "${X}",
            "<password>",
            "****",
            "xxxxxxxx",
            "config.value",
            "getpass()",
            "abc",
            "None",
        ],
    )
    def test_talk_of_passwords_is_none(self, value: str) -> None:
        """Placeholders, words about passwords, code."""
        assert credentials.password(value.encode()) == 0

    @pytest.mark.parametrize("value", ["letmein", "Tr0ub4dor&3", "hunter2", "correct-horse-1"])
    def test_passwords(self, value: str) -> None:
        """Weak ones too: they are somebody's."""
        assert credentials.password(value.encode()) == len(value)

    def test_the_punctuation_of_the_sentence_is_left_out(self) -> None:
        """A full stop ends the sentence, not the password."""
        assert credentials.password(b"hunter2.") == len("hunter2")

    @pytest.mark.parametrize(
        "value", ["your-api-key-1", "get_secret", "patience-and-time", "12345678901", "example_token_1"]
    )
    def test_hollow_tokens(self, value: str) -> None:
        """What stands for a token is none."""
        assert credentials.token(value.encode()) == 0


class TestNobody:
    """Reserved and private ranges, exact at their edges."""

    @pytest.mark.parametrize(
        ("value", "who"),
        [("172.15.0.1", ""), ("172.16.0.1", "private"), ("172.31.255.255", "private"), ("172.32.0.1", ""), ("192.0.2.1", "reserved"),
         ("192.0.3.1", ""), ("100.64.0.1", "private"), ("100.63.0.1", ""), ("2001:db8::1", "reserved"), ("2001:db9::1", ""),
         ("fd00::1", "private"), ("224.0.0.1", "private"), ("127.0.0.1:80", "private"), ("10.0.0.0/8", "private")],
    )  # fmt: skip
    def test_addresses(self, value: str, who: str) -> None:
        """RFC 1918, 5737, 3849, 4193, 6598, 6890."""
        assert nobody.ip(value.encode()) == who

    @pytest.mark.parametrize(
        ("value", "who"),
        [
            ("a@example.com", "reserved"),
            ("a@b.example.net", "reserved"),
            ("a@x.invalid", "reserved"),
            ("a@example.co", ""),
            ("a@myexample.com", ""),
        ],
    )
    def test_mailboxes(self, value: str, who: str) -> None:
        """RFC 2606, RFC 6761."""
        assert nobody.email(value.encode()) == who

    @pytest.mark.parametrize(
        ("value", "who"),
        [
            ("(212) 555-0100", "reserved"),
            ("1-212-555-0199", "reserved"),
            ("212-555-0200", ""),
            ("212-554-0100", ""),
        ],
    )
    def test_numbers_of_fiction(self, value: str, who: str) -> None:
        """555-0100 to 555-0199."""
        assert nobody.phone(value.encode()) == who


@given(st.integers(1700, 2200), st.integers(0, 14), st.integers(0, 33))
def test_a_written_date_is_a_date(year: int, month: int, day: int) -> None:
    """The 29 February of leap years alone, and the years that a person can name."""
    assert sums.is_written_date(b"%04d%02d%02d" % (year, month, day)) is sums.is_date(year, month, day)


@given(st.binary(max_size=20) | st.from_regex(rb"[0-9A-Za-z]{0,20}", fullmatch=True))
def test_what_leaves_nothing_out_reads_the_same(view: bytes) -> None:
    """Digits alone, or letters and digits, are read without looking for what else there is."""
    glued = view + b"-"
    assert sums.digits_of(view) == sums.digits_of(glued)
    assert sums.plain_digits(view) == sums.plain_digits(glued)
    assert sums.compact(view) == sums.compact(glued)
    assert sums.values_of(view) == sums.values_of(glued)
