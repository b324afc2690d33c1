# ruff: noqa: E501
"""What is spelled out or packed is found, and the whole of its original is the finding."""

from __future__ import annotations

import base64
import quopri
import re
from html import escape
from itertools import pairwise
from unittest import mock
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.pii import evasion, packing, readings, spelling
from guard.pii.cuts import BOUND
from guard.pii.evasion import project
from guard.pii.scan import Scanner, _joined
from guard.pii.splice import Splice

MAIL, CARD, SSN, IBAN, RESIDENT, MOBILE = (
    "mara.lindt@harbor-labs.com", "4104332181960018", "536-22-8421", "DE05763116566701065133", "110105198503123221", "13812345678",
)  # fmt: skip
VALUES = (
    (MAIL, "pii.email"),
    (CARD, "pii.card"),
    (SSN, "pii.us.ssn"),
    (IBAN, "pii.iban"),
    (RESIDENT, "pii.cn.resident_id"),
    (MOBILE, "pii.phone"),
)


def found(text: str) -> list[tuple[str, str]]:
    """Kind and original of each finding."""
    return [(f.kind, text[f.start : f.end]) for f in Scanner().scan(text)]


def every(form: str, value: str) -> str:
    """A value with each character in one form: {0} the character, {1} its number."""
    return "".join(form.format(char, ord(char)) for char in value)


class TestSpelledOut:
    """A character written as several."""

    @pytest.mark.parametrize(
        "form", ["&#{1};", "&#{1}", "&#x{1:x};", "&#X{1:X}", "&#x000{1:x};", "&amp;#{1};"]
    )
    @pytest.mark.parametrize(("value", "kind"), VALUES)
    def test_entities(self, form: str, value: str, kind: str) -> None:
        """B08: decimal and hexadecimal character references, escaped once more or not."""
        hidden = every(form, value)
        assert found(f"so {hidden} it is") == [(kind, hidden)]

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("to mara&commat;harbor&period;io now", "mara&commat;harbor&period;io"),
            ("card 4104&nbsp;3321&nbsp;8196&nbsp;0018!", "4104&nbsp;3321&nbsp;8196&nbsp;0018"),
            ("ssn 536&hyphen;22&hyphen;8421.", "536&hyphen;22&hyphen;8421"),
            ("m&zwnj;ara@har&shy;bor.io", "m&zwnj;ara@har&shy;bor.io"),
            ("<p>mara&#64;harbor.io&lt;/p&gt;", "mara&#64;harbor.io"),
        ],
    )
    def test_named_entities(self, text: str, value: str) -> None:
        """B08: names of signs, blanks, dashes and of what is invisible."""
        assert [original for _, original in found(text)] == [value]

    @pytest.mark.parametrize("form", ["%{1:02x}", "%{1:02X}", "%25{1:02x}", "%2525{1:02X}"])
    @pytest.mark.parametrize(("value", "kind"), VALUES)
    def test_percent_codes(self, form: str, value: str, kind: str) -> None:
        """B08: percent-encoded once, twice and three times."""
        hidden = every(form, value)
        assert found(f"q: {hidden}&x=1") == [(kind, hidden)]

    def test_percent_codes_of_a_url(self) -> None:
        """B08: what a library encodes, in a query; what surrounds it stays."""
        text = f"https://harbor.io/to/{quote(MAIL, safe='')}?id=%E5%BC%A0"
        assert found(text) == [("pii.email", quote(MAIL, safe=""))]

    @pytest.mark.parametrize(
        "form", ["\\u{1:04x}", "\\\\u{1:04X}", "\\x{1:02x}", "\\u{{{1:x}}}", "\\U{1:08x}"]
    )
    @pytest.mark.parametrize(("value", "kind"), VALUES)
    def test_escapes(self, form: str, value: str, kind: str) -> None:
        """B10: escapes of JSON, JavaScript, C and Python, also inside one more string."""
        hidden = every(form, value)
        assert found(f"say '{hidden}' twice") == [(kind, hidden)]

    def test_escaped_pairs_of_surrogates(self) -> None:
        """B10: digits outside the first plane, as JSON writes them."""
        hidden = "".join(f"\\ud835\\u{0xDFCE + int(char):04x}" for char in CARD)
        assert found(f"card {hidden}.") == [("pii.card", hidden)]

    def test_an_escaped_line_break_is_no_letter_of_an_address(self) -> None:
        """B10: JSON inside a JSON string."""
        assert found('{\\"to\\":\\"x\\nmara@harbor.io\\"}') == [("pii.email", "mara@harbor.io")]
        assert found('{\\"password\\": \\"hunter2!x\\"}') == [("pii.password", "hunter2!x")]

    def test_quoted_printable(self) -> None:
        """B09: several codes in a row, and the signs that mailers encode alone."""
        hidden = every("={1:02X}", MAIL)
        assert found(f"To {hidden} now") == [("pii.email", hidden)]
        assert found("To mara=40harbor.io now") == [("pii.email", "mara=40harbor.io")]
        name = quopri.encodestring("电话".encode()).decode()
        assert found(f"{name} {MOBILE}")[0][1] == MOBILE

    @pytest.mark.parametrize(
        "hidden", ["=6Dara=40harbor.io", "ma=72a=40harb=6Fr=2Eio", "m=61ra=40=68arbor.io"]
    )
    @pytest.mark.parametrize("frame", ["{}", "to {} now", "<{}>", "写信到{}，谢谢"])
    def test_quoted_printable_letters_of_an_address(self, frame: str, hidden: str) -> None:
        """B09: single letters, at the start of a text too, count around an @ that is encoded itself."""
        assert found(frame.format(hidden)) == [("pii.email", hidden)]

    @pytest.mark.parametrize(
        "hidden",
        [
            "mara at harbor dot io", "mara AT harbor DOT io", "mara[at]harbor[dot]io", "mara(at)harbor(dot)io", "mara [at] harbor [dot] io",
            "mara{at}harbor{dot}io", "mara<at>harbor<dot>io", "mara( at )harbor.io", "mara [@] harbor[.]io", "mara dot l at mail dot harbor dot io",
            "mara at mail.harbor dot io", "ｍａｒａ at harbor dot io",
        ],
    )  # fmt: skip
    def test_addresses_in_words(self, hidden: str) -> None:
        """`(at)`, `[dot]` and the bare words, where a host name with a spelled dot follows."""
        assert [original for _, original in found(f"write to {hidden}, please")] == [hidden]

    @pytest.mark.parametrize(("value", "kind"), VALUES[1:])
    def test_chinese_numerals(self, value: str, kind: str) -> None:
        """Numerals stand for digits, in one run, in groups and beside Latin letters; 两 counts and does not spell."""
        hidden = value.translate(str.maketrans("0123456789", "零一二三四五六七八九"))
        assert (kind, hidden) in found(f"号码是{hidden}，谢谢")
        circle = hidden.replace("零", "〇")
        assert (kind, circle) in found(f"号码是{circle}，谢谢")
        counted = hidden.replace("二", "两")
        assert kind not in dict(found(f"号码是{counted}，谢谢")) or "二" not in hidden

    @pytest.mark.parametrize(
        ("text", "kind", "hidden"),
        [
            ("纬度三九。九，东边", "pii.gps", "三九。九"),
            ("他的昵称:八六一，记住", "pii.username", "八六一"),
            ("口令七。二八，别忘", "pii.password", "七。二八"),
        ],
    )
    def test_few_numerals_after_their_label(self, text: str, kind: str, hidden: str) -> None:
        """Where nothing else stands in a text, it is not passed over as prose; without the label it is."""
        assert (kind, hidden) in found(text)
        assert found(f"请帮我写{hidden}步计划") == []

    def test_a_numeral_that_begins_a_word_is_no_digit(self) -> None:
        """A number touched by 一 alone, or by numerals that count, is found as it stands."""
        assert found(f"电话{MOBILE}一直打不通") == [("pii.phone", MOBILE)]
        assert found(f"号{CARD}一一列举") == [("pii.card", CARD)]

    @pytest.mark.parametrize("digits", "1一１")
    @pytest.mark.parametrize("separator", [" ", "-", "."])
    def test_digits_spaced_apart(self, digits: str, separator: str) -> None:
        """B04: one by one, whatever digits they are."""
        table = {"1": "0123456789", "一": "零一二三四五六七八九", "１": "０１２３４５６７８９"}[digits]
        hidden = separator.join(CARD.translate(str.maketrans("0123456789", table)))
        assert found(f"a {hidden} b") == [("pii.card", hidden)]

    def test_a_cue_word_in_disguise_is_one(self) -> None:
        """Cue words count as they are read, in both languages."""
        assert found("&#112;hone 2345678") == [("pii.phone", "2345678")]
        assert found(f"{quote('电话')} 2345678") == [("pii.phone", "2345678")]
        assert found("order 2345678") == found("gr%20ay 2345678") == []

    def test_a_digit_in_disguise_does_not_hide_the_number_it_touches(self) -> None:
        """What a unit stands for may be no part of the value."""
        assert (CARD in original for _, original in found(f"{CARD}&#49;"))
        assert found(f"{CARD}&#49;") == [("pii.card", CARD)]
        assert found("password: ab%20cd9!") == [("pii.password", "ab%20cd9!")]


class TestPacked:
    """A text packed into a run."""

    @pytest.mark.parametrize(("value", "kind"), VALUES)
    def test_base64_and_hex(self, value: str, kind: str) -> None:
        """B09: one level, standard and URL alphabet, padded or not, with what stands around the value."""
        for inner in (value, f"note: {value}, ok", f"邮件 {value} 谢谢"):
            data = inner.encode()
            for run in (
                base64.b64encode(data), base64.b64encode(data).rstrip(b"="), base64.urlsafe_b64encode(data), data.hex().encode(),
                data.hex().upper().encode(), b"0x" + data.hex().encode(),
            ):  # fmt: skip
                hidden = run.decode()
                if len(hidden.rstrip("=")) >= packing.SHORTEST:
                    assert found(f'{{"data": "{hidden}"}}') == [(kind, hidden)], hidden

    def test_a_run_in_a_data_url_or_a_path(self) -> None:
        """B21: `data:text/plain;base64`, and a part of a path."""
        run = base64.b64encode(f"write to {MAIL}".encode()).decode()
        assert found(f"data:text/plain;base64,{run} end") == [("pii.email", run)]
        assert found(f"https://harbor.io/u/{run}?x") == [("pii.email", run)]

    def test_a_cue_word_before_a_run_counts_inside(self) -> None:
        """The words before a run say what is in it."""
        run = base64.b64encode(b"-- 2345678 --").decode()
        assert found(f"phone: {run}") == [("pii.phone", run)]
        assert found(f"order: {run}") == []

    @pytest.mark.parametrize("width", [76, 64])
    @pytest.mark.parametrize("end", ["\r\n", "\n", "\n    ", "\r\n> "])
    @pytest.mark.parametrize("before", range(0, 58, 3))
    def test_base64_wrapped_over_lines(self, width: int, end: str, before: int) -> None:
        """B09: 76 columns as in MIME, 64 as in key files; a value on a seam is the lines that hold it."""
        data = f"{'约' * before} Dear all, write to {MAIL} or call {MOBILE}{'。' * 70}".encode()
        run = base64.b64encode(data).decode()
        lines = [run[at : at + width] for at in range(0, len(run), width)]
        hit = {
            at for at in range(len(lines)) for value in (MAIL, MOBILE) if self._holds(data, value, at, width)
        }
        head = f"Content-Transfer-Encoding: base64{end}"
        text = f"{head}{end.join(lines)}\n\nBye {CARD}"
        *spans, last = [(f.start, f.end) for f in Scanner().scan(text)]
        assert text[slice(*last)] == CARD
        starts = [len(head) + at * (width + len(end)) for at in range(len(lines))]
        assert {
            at for at, start in enumerate(starts) if any(low <= start < high for low, high in spans)
        } == hit
        assert {low for low, _ in spans} <= {*starts}

    @pytest.mark.parametrize("before", range(40, 52))
    def test_a_value_whose_last_character_two_lines_share(self, before: int) -> None:
        """B29: the line with the last byte of the last character is replaced too."""
        value = "иван@почта.рф"
        data = f"{'x' * (before - 22)} {value}，好的，谢谢，再见，明天见，后天见".encode()
        run = base64.b64encode(data).decode()
        lines = [run[at : at + 64] for at in range(0, len(run), 64)]
        last = (data.index(value.encode()) + len(value.encode()) - 1) // 48
        assert found("\n".join(lines))[-1][1].split("\n")[-1] == lines[last]

    @staticmethod
    def _holds(data: bytes, value: str, line: int, width: int) -> bool:
        start = data.index(value.encode())
        return start < (line + 1) * width // 4 * 3 and line * width // 4 * 3 < start + len(value)

    def test_wrapped_base64_ends_before_prose_and_is_no_image(self) -> None:
        """B41: a short line of prose behind the last full line is none of its lines; bytes that are no text are left."""
        run = base64.b64encode(f"{'x' * 43} {MAIL} ok {'y' * 40}".encode()).decode()
        assert len(run) % 76 == 0
        lines = [run[at : at + 76] for at in range(0, len(run), 76)]
        assert found("\n".join([*lines, "Thanks"])) == [("pii.email", "\n".join(lines))]
        image = base64.b64encode(bytes(range(256)) * 3).decode()
        assert found("\n".join(image[at : at + 76] for at in range(0, len(image), 76))) == []

    def test_two_levels_are_left(self) -> None:
        """B09: one level deep, as the documents say."""
        assert found(base64.b64encode(base64.b64encode(MAIL.encode())).decode()) == []

    def test_a_run_longer_than_a_hold_is_left(self) -> None:
        """B09: a stream holds a run of up to `BOUND` characters, so none longer is unpacked."""
        assert packing.LONGEST <= BOUND
        run = base64.b64encode(
            (MAIL.encode() + b" ok" * packing.LONGEST)[: packing.LONGEST // 4 * 3]
        ).decode()
        assert len(run) == packing.LONGEST
        assert found(f"see {run} end") == [("pii.email", run)]
        assert list(packing.packed_in(run.encode() + b"YWJj")) == []

    @pytest.mark.parametrize(
        "text",
        [
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 4).decode(),
            "getElementsByTagName(document)", "/usr/local/lib/python3/site-packages/guard", "A" * 64, "0" * 64, "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            base64.b64encode(b"nothing personal in here at all").decode(),
        ],
    )  # fmt: skip
    def test_hashes_images_names_and_paths_are_no_text(self, text: str) -> None:
        """B41: what does not unpack to text with a value in it."""
        assert found(text) == []


class TestOrdinary:
    """What only looks like a spelling stays as it is."""

    @pytest.mark.parametrize(
        "text",
        [
            "look at the dot in the middle", "look at black dot in the middle", "look at the dot com bubble", "we met at noon, dot com bubble", "at example.com you find it", "5% of 40% is 2%", "width=40; height=2E5",
            "if (a < b && c > d) { x = y & 0x40; }", "printf(\"%d\\n\", x); re.compile(r\"\\d+\\.\\d\")", "C:\\new\\table\\users", "a&b=c&d=e",
            "第一，二是三个一一列举，二〇二四年一月一日", "100%25 sure", escape("<a href='x'>\"y\" & z</a>"), "array[at] (dot) product [.]", "十二三个人，七八十岁",
        ],
    )  # fmt: skip
    def test_prose_and_code(self, text: str) -> None:
        """B41: percent signs, ampersands, paths, regular expressions, counting in Chinese."""
        assert found(text) == []


@pytest.mark.parametrize("value", ["密码：⟦hunter%32abc⟧", "QQ号：⟦12345%3678⟧", "邮编：⟦1000&#56;&#56;⟧"])
def test_a_word_in_hanzi_calls_what_is_spelled_out_in_a_long_text(value: str) -> None:
    """B29: what is read of a whole text for its cuts has no Hanzi; what is searched has."""
    text = "a at b dot " * 400 + "，" + value.replace("⟦", "").replace("⟧", "") + "。"
    assert value.partition("⟦")[2][:-1] in [text[f.start : f.end] for f in Scanner().scan(text)]


READ = st.text(max_size=3)
UNITS = st.lists(
    st.tuples(
        st.text(max_size=5),
        st.one_of(
            st.tuples(st.text(min_size=1, max_size=4), READ, st.just(0)),
            st.tuples(st.integers(2, 7), st.text(min_size=1, max_size=5)).map(
                lambda run: ("x" * (run[0] * len(run[1])), run[1], run[0])
            ),
        ),
    ),
    max_size=6,
)


@given(UNITS, st.text(max_size=5))
def test_the_map_of_a_splice_is_exact(parts: list[tuple[str, tuple[str, str, int]]], rest: str) -> None:
    """B29: each character of the copy leads to where it comes from, each place to where it went."""
    text, copy, units, origin = "", "", [], []
    for plain, (unit, read, width) in parts:
        origin += [(len(text) + at, len(text) + at + 1) for at in range(len(plain))]
        text, copy = text + plain, copy + plain
        start, end = len(text), len(text) + len(unit)
        units.append((start, end, read, width))
        each = 1 if len(read) == len(unit) else width
        origin += [
            (start + at * each, start + (at + 1) * each) if each else (start, end) for at in range(len(read))
        ]
        text, copy = text + unit, copy + read
    origin += [(len(text) + at, len(text) + at + 1) for at in range(len(rest))]
    text, copy = text + rest, copy + rest
    splice = Splice(text, units)
    assert splice.copy == copy
    assert [splice.back(at, at + 1) for at in range(len(copy))] == origin
    edges = {edge for stretch in origin for edge in stretch} | {edge for unit in units for edge in unit[:2]}
    for place in range(len(text) + 1):
        ahead = [at for at, (start, _) in enumerate(origin) if start >= place]
        assert splice.forward(place) == (ahead[0] if ahead else len(copy))
        assert splice.inside(place) == (0 < place < len(text) and place not in edges)


CODES = ("%{:02X}", "%25{:02x}", "&#{};", "&#x{:x};", "&#X{:X};", "\\u{:04x}", "\\x{:02X}", "={:02X}")
BROKEN = (
    "", "%2", "%C3%A9", "%2541", "%252531", "&#128;&#129;&#128;&#129;", "&lt;", "&#49", "\\\\u0031", "\\n\\r\\t\\'\\\"", "\\u00e9", "=3D", "a", "一二", "&#109;", "%",
)  # fmt: skip


@settings(max_examples=500)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(CODES),
            st.text("09AZaz@.-+~ (%\x7f\x80", min_size=1, max_size=9),
            st.sampled_from(BROKEN),
        ),
        max_size=5,
    )
)
def test_a_run_of_codes_says_what_its_codes_say_one_by_one(runs: list[tuple[str, str, str]]) -> None:
    """B08: mixed widths, a run that another code or half a code breaks off: each character leads to its own code."""
    text = "".join("".join(code.format(ord(char)) for char in read) + broken for code, read, broken in runs)
    projection = project(text)
    with (
        mock.patch.object(spelling, "_FAMILIES", ONE_BY_ONE),
        mock.patch.object(spelling, "_PERCENT_CODES", ONE_BY_ONE[1][1]),
    ):
        single = spelling.units_in(projection.text, projection.raw)
    units = spelling.units_in(projection.text, projection.raw)
    assert [one for unit in units for one in split_up(unit)] == [
        one for unit in single for one in split_up(unit)
    ]
    shared, alone = Splice(text, units), Splice(text, single)
    assert shared.copy == alone.copy
    for place in range(len(text) + 1):
        assert shared.forward(place) == alone.forward(place)
        assert shared.inside(place) == alone.inside(place)
    said, lone = readings._doubts(projection.text, units), readings._doubts(projection.text, single)
    assert {at for stretch in said for at in range(*stretch)} == {
        at for stretch in lone for at in range(*stretch)
    }
    copied = len(shared.copy)
    assert [shared.back(at, at + 1) for at in range(copied)] == [
        alone.back(at, at + 1) for at in range(copied)
    ]


@given(st.sampled_from("%\\"), st.text(st.sampled_from("0Az .<'/+~"), min_size=4, max_size=12))
def test_a_run_is_doubtful_where_its_codes_are(sign: str, read: str) -> None:
    """A code that may be no disguise is one in a run, too."""
    lone = {at for at, char in enumerate(read) if spelling.doubtful(ord(sign), char)}
    assert lone == {at for low, high in spelling.doubtful_in(ord(sign), read) for at in range(low, high)}


@pytest.mark.parametrize("code", CODES)
def test_a_run_in_which_something_vanishes_leads_to_its_codes(code: str) -> None:
    """B10: a zero-width space before, between and within codes."""
    hidden = "".join(code.format(ord(char)) for char in "mara.lindt@harbor.io")
    for place in range(0, len(hidden), 5):
        text = f"to\u200b {hidden[:place]}\u200b{hidden[place:]}, bye"
        assert found(text) == [("pii.email", text[4 if place else 5 : -5])]


ONE_BY_ONE = tuple(
    (sign, family._replace(pattern=re.compile(rb"%b(?:%b)" % (re.escape(sign), one.encode("ascii")))))
    for (sign, family), one in zip(
        spelling._FAMILIES, (spelling._ENTITY, spelling._PERCENT, spelling._ESCAPE), strict=True
    )
)
"""The families of codes as they were without runs."""


def split_up(unit: tuple[int, int, str, int]) -> list[tuple[int, int, str]]:
    """The codes of a unit."""
    start, end, read, width = unit
    if width < 2:
        return [(start, end, read)]
    assert end - start == width * len(read)
    return [(start + at * width, start + (at + 1) * width, char) for at, char in enumerate(read)]


@pytest.mark.parametrize("code", CODES)
def test_a_run_of_codes_is_one_unit(code: str) -> None:
    """A text of nothing but codes costs one step, not one for each."""
    text = "".join(code.format(ord(char)) for char in "4155550123" * 3)
    units = spelling.units_in(text.encode("ascii"), None)
    assert [unit[2] for unit in units] == ["4155550123" * 3]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("filler", [0, 1, 3, 40])
def test_a_value_in_a_run_is_found_at_its_codes(code: str, filler: int) -> None:
    """B08, B29: also where the bound cuts the run, within a code or at its edge."""
    form = code.format
    value = "mara.lindt@harbor.io"
    hidden = "".join(form(ord(char)) for char in value)
    one = form(ord(" "))
    for lead in (filler, (BOUND - len(hidden) // 2) // len(one)):
        text = "x" * filler + one * lead + hidden + one * 900
        start = filler + len(one) * lead
        whole = {(f.kind, f.start, f.end) for f in Scanner().scan(text)}
        if start + len(hidden) <= BOUND:
            assert ("pii.email", start, start + len(hidden)) in whole
        scanner, found = Scanner(), set()
        for low, high in pairwise([0, *scanner.cuts(text, 0, final=True)]):
            base = max(0, low - scanner.context)
            found |= {
                (f.kind, f.start + base, f.end + base)
                for f in scanner.candidates(text[base:high], low - base)
                if f.start + base >= low
            }
        assert {hit for hit in found if hit[0] == "pii.email"} == {
            hit for hit in whole if hit[0] == "pii.email"
        }


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_a_value_in_any_mix_of_spellings_is_found_at_its_place(data: st.DataObject) -> None:
    """B08, B10, B29: whatever stands before it, and whatever vanishes inside."""
    forms = [
        "{0}",
        "{0}",
        "&#{1};",
        "&#x{1:x};",
        "%{1:02x}",
        "%25{1:02X}",
        "\\u{1:04x}",
        "\\x{1:02x}",
        "{0}\u200b",
        "{0}&shy;",
    ]
    value, kind = data.draw(st.sampled_from(VALUES))
    before = data.draw(st.text(st.sampled_from("😊e\u0301\u202eשע㍘½中文 \n"), max_size=20))
    last = value[-1]
    hidden = "".join(data.draw(st.sampled_from(forms)).format(char, ord(char)) for char in value[:-1]) + last
    text = f"{before} {hidden}中"
    start = len(before) + 1
    assert (kind, start, start + len(hidden)) in {(f.kind, f.start, f.end) for f in Scanner().scan(text)}


@given(st.text(st.sampled_from("&#x;%4125uU\\{}[]()<>= atdotATcom.@一二零 09afé\u200b"), max_size=60))
def test_units_are_apart_bounded_and_in_order(text: str) -> None:
    """E04: any text; a unit that is not one for one is no longer than streams allow for."""
    projection = project(text)
    reached = 0
    for start, end, read, width in spelling.units_in(projection.text, projection.raw):
        assert reached <= start < end
        alone = len(read) == 1 and width == 0 and end - start <= spelling.LONGEST
        assert alone or (len(read) * width == end - start and width <= spelling.LONGEST)
        reached = end


@given(st.text(st.sampled_from('&#x;%412\\u{}[](dot)at@ =AFmnrt"09'), max_size=40))
def test_the_gate_opens_for_every_unit(text: str) -> None:
    """What has a unit has the hint: the fast road looks where the plain one finds."""
    import re2

    if spelling.units_in(text.encode(), None):
        assert re2.search(spelling.HINT, text) is not None


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), max_size=8).map(sorted),
    st.integers(1, 6),
    st.integers(0, 40),
)
def test_joined_stretches_hold_the_same_words(pairs: list[tuple[int, int]], least: int, place: int) -> None:
    """A word of that length stands in one of them if and only if it stands in one that was joined."""
    stretches = [(low, low + 12) for low, _ in pairs]
    word = place, place + least
    held = [
        any(low <= word[0] and word[1] <= high for low, high in each)
        for each in (stretches, _joined(stretches, least))
    ]
    assert held[0] == held[1]


@pytest.mark.parametrize("read", sorted(readings._WORDS))
def test_what_words_spell_is_never_in_doubt(read: str) -> None:
    """So a text of `at` and `dot` is not gone through once more for what else they may be."""
    assert not any(spelling.doubtful(sign, read) for sign in range(128))
    assert {*spelling._SAYS} - {""} == readings._WORDS


@settings(max_examples=500)
@given(st.text(st.sampled_from("一二7a ,.-天"), max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_numerals_that_stand_together_are_found_in_long_texts_too(text: str, low: int, size: int) -> None:
    """All at once, or one by one: in the whole and in any stretch of it."""
    projection = project(text + "三")
    assert projection.raw is not None
    assert projection.count(low, low + size) == spelling.count_together(projection.raw[low : low + size])
    with mock.patch.object(evasion, "_MANY", 0):
        assert project(text + "三").counts == projection.counts
