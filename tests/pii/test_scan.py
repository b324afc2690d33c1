# ruff: noqa: E501
"""The scanner finds the same as each pattern one by one, in every disguise of the round, and nobody's values not."""

from __future__ import annotations

import base64
import textwrap
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.pii.resolve import resolve
from guard.pii.scan import Scanner
from guard.types import Finding

Found = list[tuple[str, int, int, float]]
LOOSE = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))


def key(findings: list[Finding]) -> Found:
    """Findings as sorted plain values."""
    return sorted({(f.kind, f.start, f.end, f.score) for f in findings})


def agree(fast: list[Finding], plain: Found) -> bool:
    """Whether the fast road found what the plain one did, but for what yields to a surer match around it."""
    missed = [Finding(*hit, "pattern") for hit in set(plain).difference(key(fast))]
    return set(key(fast)).issubset(plain) and key(resolve(fast + missed)) == key(resolve(fast))


def found(scanner: Scanner, text: str) -> list[tuple[str, str]]:
    """Kind and original text of each finding."""
    return [(f.kind, text[f.start : f.end]) for f in scanner.scan(text)]


class TestFastIsPlain:
    """The gate, the regions and the roads change the speed, never the result."""

    @LOOSE
    @given(data=st.data())
    def test_on_mixes_of_values_and_prose(
        self,
        everything: Scanner,
        plain: Callable[[str], Found],
        mixed: st.SearchStrategy[str],
        data: st.DataObject,
    ) -> None:
        """E04: the fast road finds exactly what the plain one finds."""
        text = data.draw(mixed)
        assert agree(everything.candidates(text), plain(text))
        assert everything.everything(text) == everything.candidates(text) + everything.beside(text)

    @pytest.mark.parametrize("tail", ["", "\n", "\r\n> ", "。\n"])
    @pytest.mark.parametrize("width", [32, 60, 64, 76])
    def test_on_lines_of_base64(self, everything: Scanner, samples: list[str], width: int, tail: str) -> None:
        """Lines that the gate saw no run in are not read: none is lost."""
        for value in samples[::5]:
            packed = base64.b64encode(f"{value}, {value}, {value}, {value}".encode()).decode()
            text = "\n".join(["see 42:", *textwrap.wrap(packed, width)]) + tail
            assert everything.everything(text) == everything.candidates(text) + everything.beside(text), text

    @pytest.mark.parametrize(
        "frame", ["{}", "是{}的", "（{}）", "[{}]", "({})", '"{}"', "ab {} cd", "，{}。", "{}\n{}", "{} {}"]
    )
    def test_on_every_value_between_hanzi_and_brackets(
        self, everything: Scanner, plain: Callable[[str], Found], samples: list[str], frame: str
    ) -> None:
        """Trap 1 of the recipe: no kind is lost by the grammar of the regions."""
        for value in samples:
            text = frame.format(*[value] * frame.count("{}"))
            assert agree(everything.candidates(text), plain(text)), text

    def test_on_every_value_in_full_width(
        self, everything: Scanner, plain: Callable[[str], Found], samples: list[str]
    ) -> None:
        """B02: a value in full width is found by both, at the same places."""
        wide = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
        for value in samples:
            text = value.translate(wide)
            assert agree(everything.candidates(text), plain(text)), text

    @settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def test_on_long_texts_scanned_in_pieces(
        self,
        everything: Scanner,
        plain: Callable[[str], Found],
        mixed: st.SearchStrategy[str],
        data: st.DataObject,
    ) -> None:
        """B37: what lies on a seam of the pieces of a long text is found."""
        filler = data.draw(
            st.sampled_from(["plain words without numbers ", "没有数字的中文句子，", "UPPER CASE TEXT "])
        )
        text = "".join(filler * data.draw(st.integers(0, 260)) + data.draw(mixed) + " " for _ in range(4))
        assert agree(everything.candidates(text), plain(text))

    @pytest.mark.parametrize("after", ["", " or +44 20 7946 0958", " or 2128751234 extension 212-875-1234"])
    def test_on_a_value_that_runs_into_the_digits_of_a_surer_one(
        self, everything: Scanner, plain: Callable[[str], Found], after: str
    ) -> None:
        """A number and what looks like its extension: the surer number there goes first, though it stands behind."""
        text = "call 2125551234 extension 212-555-1234" + after
        phones = [text[f.start : f.end] for f in everything.candidates(text) if f.kind == "pii.phone"]
        assert "212-555-1234" in phones
        assert "2125551234 extension 212" not in phones
        assert agree(everything.candidates(text), plain(text))


class TestDisguises:
    """One normalised copy, the exact original span."""

    CARD = "4104332181960018"
    SSN = "536-22-8421"

    @pytest.mark.parametrize(
        "char",
        "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202e\u2066\u2069\ufe00\ufe0f\U000e0101\u034f",
    )
    def test_invisible_characters_inside_a_value(self, everything: Scanner, char: str) -> None:
        """B01: zero width, bidi marks, variation selectors between all characters; the whole span is found."""
        for value, kind in ((self.CARD, "pii.card"), (self.SSN, "pii.us.ssn"), ("DE05763116566701065133", "pii.iban"),
                            ("mara.lindt@harbor-labs.com", "pii.email"), ("13812345678", "pii.phone")):  # fmt: skip
            hidden = char.join(value)
            assert found(everything, f"x {hidden} y") == [(kind, hidden)]

    @pytest.mark.parametrize("zero", "０٠۰०০๐𝟎𝟘𝟬߀០᠐")
    def test_every_digit_set(self, everything: Scanner, zero: str) -> None:
        """B02, B03: full width, Arabic-Indic, Persian, Devanagari, Bengali, Thai, mathematical and other digits."""
        other = self.CARD.translate({ord("0") + n: chr(ord(zero) + n) for n in range(10)})
        assert found(everything, f"卡号{other}。") == [("pii.card", other)]

    def test_full_width_signs(self, everything: Scanner) -> None:
        """B02: ＠ and ．stand for @ and the stop."""
        assert found(everything, "写信到ｍａｒａ＠ｈａｒｂｏｒ．ｉｏ，谢谢") == [
            ("pii.email", "ｍａｒａ＠ｈａｒｂｏｒ．ｉｏ")
        ]

    @pytest.mark.parametrize(
        "separator",
        [" ", "  ", ".", "-", "/", "_", "\t", "\n", "\u00a0", "\u2013", "\u2011", "\u2212", "\u3000", "·"],
    )
    def test_separators_between_all_groups(self, everything: Scanner, separator: str) -> None:
        """B04: between groups of four, and for blanks and stops between all digits."""
        card = separator.join(self.CARD[i : i + 4] for i in range(0, 16, 4))
        resident = separator.join("110105198503123221"[i : i + 4] for i in range(0, 18, 4))
        assert found(everything, f"a {card} b") == [("pii.card", card)]
        assert found(everything, f"a {resident} b") == [("pii.cn.resident_id", resident)]
        apart = separator.join(self.CARD)
        assert found(everything, f"a {apart} b") == [("pii.card", apart)]

    @pytest.mark.parametrize("dash", "\u2010\u2011\u2012\u2013\u2014\u2212\uff0d")
    def test_dashes_in_a_social_security_number(self, everything: Scanner, dash: str) -> None:
        """B04: en dash, non-breaking hyphen and minus sign stand for the hyphen."""
        value = self.SSN.replace("-", dash)
        assert found(everything, value) == [("pii.us.ssn", value)]

    @pytest.mark.parametrize("text", ["card{}", "_{}_", "x{}y", "号{}是", "no{},"])
    def test_glued_text(self, everything: Scanner, text: str) -> None:
        """B05: a run with a checksum needs no word boundary."""
        assert found(everything, text.format(self.CARD)) == [("pii.card", self.CARD)]

    def test_a_cue_glued_to_its_number(self, everything: Scanner) -> None:
        """B05: `ssn536228421`."""
        assert found(everything, "ssn536228421") == [("pii.us.ssn", "536228421")]

    def test_look_alike_letters(self, everything: Scanner) -> None:
        """B06: Cyrillic and Greek letters in an address, an IBAN and a passport."""
        for text, kind in (
            ("mаrа@hаrbоr.iо", "pii.email"),
            ("DЕ05763116566701065133", "pii.iban"),
            ("护照Е87654321", "pii.cn.passport"),
        ):
            assert [kind] == [f.kind for f in everything.scan(text)], text

    def test_russian_and_greek_prose_gives_no_hits(self) -> None:
        """B06: a thousand ordinary sentences stay untouched."""
        from faker import Faker

        for locale in ("ru_RU", "el_GR"):
            fake = Faker(locale)
            fake.seed_instance(7)
            text = "\n".join(fake.sentence(nb_words=12) for _ in range(500))
            assert found(Scanner(), text) == []


class TestNeighbours:
    """Neighbours are all found, overlaps are one."""

    def test_three_of_a_kind(self, everything: Scanner) -> None:
        """B28: the same type, one blank between."""
        text = "a@x.com b@y.org c@z.net"
        assert [value for _, value in found(everything, text)] == text.split()

    @pytest.mark.parametrize("between", [" ", ", ", "; ", "和", "、", "\n", "。", " and "])
    def test_two_numbers(self, everything: Scanner, between: str) -> None:
        """B28: a number never swallows the one after it."""
        for one, two in (
            ("4104332181960018", "5194026542351168"),
            ("13812345678", "13987654321"),
            ("536-22-8421", "219-09-9998"),
        ):
            assert [value for _, value in found(everything, f"{one}{between}{two}")] == [one, two]

    def test_overlapping_kinds_are_one_finding(self) -> None:
        """B27: an address in a URL with a password, a card in an IBAN: one replacement a stretch."""
        for text in (
            "see https://mara:pw-12345@harbor.dev",
            "DE05763116566701065133",
            "+1 (415) 555-2671 ext. 12",
        ):
            findings = Scanner(skip=()).scan(text)
            assert len(findings) == 1, findings


class TestNobody:
    """Reserved and private values are nobody's, unless asked for."""

    RESERVED = ("mara@example.com", "x@mail.example.org", "y@host.invalid", "192.0.2.7", "198.51.100.1", "203.0.113.9:80",
                "2001:db8::1", "(415) 555-0132", "+1 415 555 0199")  # fmt: skip
    PRIVATE = (
        "10.1.2.3",
        "192.168.1.1",
        "172.16.0.9",
        "127.0.0.1:8080",
        "169.254.1.1",
        "fe80::1",
        "::1",
        "0.0.0.0",
        "255.255.255.255",
    )
    SOMEBODY = (
        "mara@example.de",
        "x@myexample.com",
        "q@staging.test",
        "192.0.3.7",
        "172.32.0.9",
        "2a02:8388::1",
        "(415) 555-0232",
        "11.1.2.3",
    )

    @pytest.mark.parametrize("value", RESERVED + PRIVATE)
    def test_are_found_only_when_nothing_is_skipped(self, value: str) -> None:
        """RFC 2606, 5737, 3849, 1918 and 555-01xx; the switch is exact."""
        assert Scanner().scan(f"at {value} now") == []
        assert found(Scanner(skip=()), f"at {value} now")[0][1] == value

    def test_each_class_has_its_own_switch(self) -> None:
        """`skip` names the classes."""
        assert Scanner(skip=("reserved",)).scan("10.1.2.3")
        assert Scanner(skip=("private",)).scan("192.0.2.7")

    @pytest.mark.parametrize("value", SOMEBODY)
    def test_the_neighbours_of_reserved_ranges_are_somebodys(self, value: str) -> None:
        """B07: private suffixes are reported; only names that hold no mailbox are not."""
        assert [text for _, text in found(Scanner(), f"at {value} now")] == [value]

    def test_what_lies_inside_a_value_of_nobody_is_not_reported_either(self) -> None:
        """A part of a private address is no telephone number."""
        assert Scanner().scan("call 192.168.100.100 now") == []


class TestChoice:
    """Kinds and countries narrow the catalogue."""

    TEXT = "mara@harbor.io SSN 536-22-8421 身份证110105198503123221 https://harbor.io 2024-01-02"

    def test_kinds_on_request_stay_out_of_the_default(self) -> None:
        """`pii.url` and `pii.date` answer only to their own names."""
        kinds = {f.kind for f in Scanner().scan(self.TEXT)}
        assert kinds == {"pii.email", "pii.us.ssn", "pii.cn.resident_id"}
        assert {f.kind for f in Scanner(kinds=frozenset({"pii.url", "pii.date"})).scan(self.TEXT)} == {
            "pii.url",
            "pii.date",
        }

    def test_countries_narrow_the_national_kinds_only(self) -> None:
        """A policy for China finds no social security number, and still every address."""
        assert {f.kind for f in Scanner(countries=["CN"]).scan(self.TEXT)} == {
            "pii.email",
            "pii.cn.resident_id",
        }
        assert {f.kind for f in Scanner(countries=["EU"]).scan(self.TEXT)} == {"pii.email"}

    def test_no_kind_finds_nothing(self) -> None:
        """An empty choice is a choice."""
        assert Scanner(kinds=frozenset()).scan(self.TEXT) == []


class TestRobust:
    """Any text, any size."""

    @LOOSE
    @given(st.text(st.characters(codec=None), max_size=300))
    def test_any_text_is_scanned(self, everything: Scanner, text: str) -> None:
        """Lone surrogates included; every span lies in the text and none overlap."""
        end = 0
        for finding in everything.scan(text):
            assert end <= finding.start < finding.end <= len(text)
            end = finding.end

    BENIGN = (
        "ts=1700000000 README.md v1.2.3 node 18.17.0 sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "order 12345678, invoice INV-2024-000123, commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        "550e8400-e29b-41d4-a716-446655440000 and card 7d1f9a52-3c44-4f0e-9b1a-446655440019",
        "pi is 3.141592653589793, e is 2.718281828459045, 0.4111111111111111",
        "[2024-01-15 10:30:00.123456] INFO worker-7 took 1532 ms, 98.6% of 1,234,567,890 rows",
        "for i in range(1000): total += items[i] * 0x7fff_ffff",
        "第3章 第12节，共1234567字，2024年1月15日", "ISBN 978-3-16-148410-0, DOI 10.1000/182",
    )  # fmt: skip

    @pytest.mark.parametrize("text", BENIGN)
    def test_what_is_nobodys_business_is_left_alone(self, text: str) -> None:
        """B41: time stamps, hashes, versions, order numbers, decimals and code give no finding."""
        assert found(Scanner(), text) == []

    HOSTILE = ("a.", "(", "7777", "1-", "1 ", "sk-", "ab:", "0x", "a@", "\u200b", "-----BEGIN ", "password: ", "eyJ", "é", "１", "::",
               "&", "%", "\\", "=", "&#", "&#1", "%4", "%41", "\\u0041", "&#65;", "=41", "A", "MTIz", "3131313131313131 ", " at ", "a dot ",
               "a at b dot ", "[at]", "一", "一 ", "&amp;", "x/")  # fmt: skip

    @pytest.mark.slow
    @pytest.mark.parametrize("unit", HOSTILE)
    def test_time_grows_with_the_text(self, unit: str) -> None:
        """B34, E04: four times the text takes at most ten times as long, whatever it says, spells or packs."""
        scanner = Scanner()
        small, large = unit * (20_000 // len(unit)), unit * (80_000 // len(unit))
        scanner.scan(small)
        most = 10 * max(min(_seconds(scanner, small) for _ in range(3)), 1e-4)
        assert any(_seconds(scanner, large) <= most for _ in range(3))


def _seconds(scanner: Scanner, text: str) -> float:
    began = time.process_time()
    scanner.scan(text)
    return time.process_time() - began
