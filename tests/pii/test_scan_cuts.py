# ruff: noqa: E501
"""Cuts: pieces of a text, scanned one by one, find what the whole finds; a cut is never taken back."""

from __future__ import annotations

import itertools
import re
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.pii import cuts, scan
from guard.pii.catalog import ROWS
from guard.pii.checks import CHECKS
from guard.pii.cues import CUES
from guard.pii.cuts import cut_positions
from guard.pii.evasion import Projection
from guard.pii.plaincuts import PlainCuts
from guard.pii.resolve import resolve
from guard.pii.rows import BLOCK_LONGEST, Road, Row
from guard.pii.scan import Scanner

LOOSE = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
Found = set[tuple[str, int, int, float]]


def whole(scanner: Scanner, text: str, start: int = 0) -> Found:
    """What one scan finds: what yields to a surer match may be looked for at the beginning of a piece alone."""
    return {(f.kind, f.start, f.end, f.score) for f in resolve(scanner.candidates(text, start))}


def in_pieces(scanner: Scanner, text: str, bounds: list[int], tell: bool = False) -> Found:
    """What scans of the pieces find, each with its left context; `tell` says where the context ends."""
    found: Found = set()
    for low, high in zip([0, *bounds], [*bounds, len(text)], strict=True):
        base = max(0, low - scanner.context)
        piece = text[base:high]
        findings = whole(scanner, piece, low - base if tell else 0)
        found |= {(kind, s + base, e + base, score) for kind, s, e, score in findings if s + base >= low}
    return found


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small bound, so that forced cuts are met in short texts."""
    monkeypatch.setattr(cuts, "BOUND", 100)
    monkeypatch.setattr(scan, "BOUND", 100)
    monkeypatch.setattr(scan, "_PIECE", 150)
    monkeypatch.setattr(scan, "_PIECE_NAMED", 150)


class TestPieces:
    """Any subset of the cuts, with the context, loses nothing and invents nothing."""

    @LOOSE
    @given(data=st.data())
    def test_find_what_the_whole_finds(
        self, everything: Scanner, mixed: st.SearchStrategy[str], data: st.DataObject
    ) -> None:
        """B23: wherever a stream is cut, the findings are the same."""
        text = data.draw(mixed)
        every = everything.cuts(text, 0, True)
        chosen = [cut for cut in every if cut < len(text) and data.draw(st.booleans())]
        assert in_pieces(everything, text, chosen) == whole(everything, text)
        assert in_pieces(everything, text, [cut for cut in every if cut < len(text)]) == whole(
            everything, text
        )

    @LOOSE
    @given(data=st.data())
    def test_find_it_in_stretches_that_the_bound_cuts(
        self, tight: None, everything: Scanner, long_mixed: st.SearchStrategy[str], data: st.DataObject
    ) -> None:
        """A forced cut splits the whole text in the same place as the stream."""
        text = data.draw(long_mixed)
        chosen = [
            cut for cut in everything.cuts(text, 0, True) if cut < len(text) and data.draw(st.booleans())
        ]
        assert in_pieces(everything, text, chosen, tell=True) == whole(everything, text)

    @pytest.mark.parametrize("hidden", [0, 20, 57, 58, 70, 500])
    def test_a_cue_counts_only_where_the_context_reaches_it(self, everything: Scanner, hidden: int) -> None:
        """B01: invisible characters between a cue and its number do not make pieces and the whole differ."""
        text = "telephone" + "\u200b" * hidden + " 2345678 thanks"
        assert in_pieces(everything, text, [hidden + 10]) == whole(everything, text)

    @pytest.mark.parametrize(
        "value",
        [
            "1985年7月12日出生",
            "一九八五年七月十二日出生",
            "95 years old",
            " mara%40harbor%2Eio身份证",
            "京A12345号车",
        ],
    )
    def test_a_long_text_is_cut_where_a_stream_may_be(
        self, tight: None, everything: Scanner, value: str
    ) -> None:
        """B37: nor between a day and the label behind it, nor in an age, wherever they stand."""
        for before in range(150):
            text = "甲" * before + value + "乙" * 200
            cuts = [cut for cut in everything.cuts(text, 0, True) if cut < len(text)]
            assert in_pieces(everything, text, cuts, tell=True) == whole(everything, text), before

    @pytest.mark.parametrize("after", ["", "Московский ", "，谢谢"])
    @pytest.mark.parametrize("between", ["ImE9YiJAeC5pbw ", "aBcDeFgHiJkLmNoPqR: "])
    def test_words_of_code_do_not_move_a_word_out_of_reach(
        self, everything: Scanner, between: str, after: str
    ) -> None:
        """B01: what rules a number out does so whatever script follows, though words of code are read twice."""
        text = f"ssn {between}06 48 29 17 30 "
        assert whole(everything, text + after) == whole(everything, text)


class TestSettled:
    """A cut depends on the text around it only."""

    @LOOSE
    @given(data=st.data())
    def test_the_cuts_of_a_beginning_stay_cuts(
        self, everything: Scanner, mixed: st.SearchStrategy[str], data: st.DataObject
    ) -> None:
        """Whatever text follows, no cut is taken back."""
        text = data.draw(mixed)
        size = data.draw(st.integers(0, len(text)))
        assert set(everything.cuts(text[:size], 0)) <= set(everything.cuts(text, 0, True))

    @pytest.mark.parametrize(
        "text",
        [
            ", - dot 00482913",
            "the b dot 5 is it",
            "ok, a dot 5",
            "ok, a(dot)5",
            "a1 b dot 5",
            "the bcde [dot] 5",
        ],
    )
    def test_a_word_that_a_spelled_dot_may_join_settles_no_cut_before_it(
        self, everything: Scanner, text: str
    ) -> None:
        """What a short word before it may span depends on more than the word: `the b` on `dot 5` behind it."""
        cuts = set(everything.cuts(text, 0, True))
        for size in range(1, len(text)):
            assert set(everything.cuts(text[:size], 0)) <= cuts

    @LOOSE
    @given(data=st.data())
    def test_asking_as_the_text_grows_gives_the_same_cuts(
        self, tight: None, everything: Scanner, long_mixed: st.SearchStrategy[str], data: st.DataObject
    ) -> None:
        """From each cut on, in chunks of any size, the cuts of the whole text come out, in order."""
        text = data.draw(long_mixed)
        size, start, found = 0, 0, []
        while size < len(text):
            size = min(len(text), size + data.draw(st.integers(1, 12)))
            found += everything.cuts(text[:size], start, size == len(text))
            start = found[-1] if found else 0
        assert found == everything.cuts(text, 0, True)

    @LOOSE
    @given(data=st.data())
    def test_the_cuts_are_ascending_and_the_last_is_the_end(
        self, everything: Scanner, mixed: st.SearchStrategy[str], data: st.DataObject
    ) -> None:
        """With `final` everything is released."""
        text = data.draw(mixed)
        found = everything.cuts(text, 0, True)
        assert found == sorted(set(found))
        assert found[-1:] == ([len(text)] if text else [])


class TestHold:
    """What is held is bounded, and prose is hardly held at all."""

    def test_prose_is_cut_at_every_blank(self, everything: Scanner) -> None:
        """A word is released as soon as the blank after it is there."""
        assert everything.cuts("hello wonderful world", 0) == [6, 16]
        assert everything.cuts("今天天气很好", 0) == [1, 2, 3, 4, 5]

    @pytest.mark.parametrize(
        "value",
        ["4104 3321 8196 0018", "DE05 7631 1656", "(415) 555-2671", "mara@harbor", "京A12345", "+44 20 7946"],
    )
    def test_a_value_is_held(self, everything: Scanner, value: str) -> None:
        """No cut inside, and none after it until something else follows."""
        assert everything.cuts(f"hello {value}", 0) == [6]

    @pytest.mark.parametrize("unit", ["a", "1", "1 ", "@", "(", "1-", "-"])
    def test_an_endless_run_is_cut_at_the_bound(self, everything: Scanner, unit: str) -> None:
        """The hold is at most `BOUND` characters."""
        text = unit * (3 * cuts.BOUND // len(unit))
        bounds = [0, *everything.cuts(text, 0)]
        assert max(high - low for low, high in itertools.pairwise(bounds)) <= cuts.BOUND
        assert len(text) - bounds[-1] <= cuts.BOUND

    def test_a_key_block_is_held_from_its_first_line_to_its_last(self, everything: Scanner) -> None:
        """PEM: nothing of the key is released before its end is known."""
        head, body = "reading -----BEGIN PRIVATE KEY-----\n", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 5
        tail = "-----END PRIVATE KEY-----"
        for size in range(9, len(head + body + tail)):
            assert everything.cuts((head + body + tail)[:size], 0) == [8]
        assert everything.cuts(head + body + tail + " bye now ", 0)[:2] == [8, len(head + body + tail) + 1]

    def test_an_endless_key_block_is_cut_at_its_own_bound(self, everything: Scanner) -> None:
        """A block without an end holds at most `BLOCK_LONGEST` characters after its header."""
        header = "-----BEGIN PRIVATE KEY-----\n"
        text = header + "A" * (BLOCK_LONGEST + 3 * cuts.BOUND)
        first = everything.cuts(text, 0)[0]
        assert BLOCK_LONGEST <= first <= len(header) + BLOCK_LONGEST + cuts.BOUND

    def test_a_glance_sees_the_word_behind_the_bound(self, tight: None, everything: Scanner) -> None:
        """A word of an address that the bound cuts is no place for a natural cut."""
        for size in range(60, 100):
            text = "=" * size + "mara at harbor dot io"
            chosen = [cut for cut in everything.cuts(text, 0, True) if cut < len(text)]
            assert in_pieces(everything, text, chosen, tell=True) == whole(everything, text)


DISGUISED = (
    "4104 &#51;321 8196&nbsp;0018", "4104&nbsp;&#51;&#51;&#50;&#49; 8196 0018", "4104 %33321 8196%200018", "4104 \\u0033321 8196 0018", "mara at harbor dot io",
    "mara [at] harbor [dot] io", "mara( at )mail dot harbor dot io", "mara dot lindt at harbor dot io", "mara  at  harbor  dot  io",
    "四一零四 三三二一 八一九六 零零一八", "四 一 零 四 三 三 二 一 八 一 九 六 零 零 一 八", "四一零四-三三二一-八一九六-零零一八", "&plus;44 20 7946 0958",
    "4 一 零 四 三 三 二 一 八 一 九 六 零 零 一 8", "bWFyYSBsaW5kdCBpcyBhdCBtYXJhQGhhcmJvci5pbw==", "536&ensp;22&ensp;8421", "DE05 &#55;631 1656 6701 0651 33",
)  # fmt: skip


@pytest.mark.parametrize("value", DISGUISED)
def test_a_disguised_value_is_held(everything: Scanner, value: str) -> None:
    """B08, B09, B10: no cut inside what is spelled out or packed, however much of it is there."""
    text = f"hello {value} thanks a lot"
    assert (6, 6 + len(value)) in {(f.start, f.end) for f in everything.scan(text)}
    for size in range(len(text) + 1):
        assert not [cut for cut in everything.cuts(text[:size], 0) if 6 < cut < 6 + len(value)], text[:size]
    assert everything.cuts(text, 0)[:2] == [6, 7 + len(value)]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.road not in (Road.BLOCK, Road.AFTER)], ids=lambda row: row.kind
)
def test_no_match_of_a_row_holds_a_cut(row: Row) -> None:
    """The grammar of the cuts covers every string that a row's pattern and check let through."""
    pattern = re.compile(row.core.encode("ascii"))
    shaped = row.alphabet == "ink" and row.kind.startswith("secret.")

    @settings(deadline=None, max_examples=5 if shaped else 30, suppress_health_check=list(HealthCheck))
    @given(st.from_regex(pattern, fullmatch=True))
    def holds(value: bytes) -> None:
        match = pattern.fullmatch(value)
        if match is None:
            return
        start, end = match.span("value" if "value" in pattern.groupindex else 0)
        if row.check:
            end = start + CHECKS[row.check](value[start:end])
        inside = [
            cut
            for cut, forced in cut_positions(Projection(value), 0, True)
            if start < cut < end and not forced
        ]
        assert inside == []

    holds()


@pytest.mark.parametrize("value", ["39度54分20秒", "39°54′20″", "39.9042度", "116度23分"])
def test_an_angle_is_held_by_its_foreign_signs(everything: Scanner, value: str) -> None:
    """An angle is not cut at its signs, which are words in Chinese; behind it a stream may be cut as ever."""
    text = f"他在北纬{value}，那里很冷"
    start = text.index(value)
    assert (start, start + len(value)) in {(f.start, f.end) for f in everything.scan(text)}
    for size in range(len(text) + 1):
        assert not [cut for cut in everything.cuts(text[:size], 0) if start < cut < start + len(value)], text[
            :size
        ]
    assert any(cut >= start + len(value) for cut in everything.cuts(text, 0))


WALLET = "scheme spot photo card baby mountain device kick cradle pact join borrow"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("well, my passphrase: correct horse battery staple and it is fine", "correct horse battery staple"),
        ("Seed phrase = abandon ability able about above, thanks a lot", "abandon ability able about above"),
        (f"my mnemonic was {WALLET}. Is it safe?", WALLET),
        (f"the seed words {WALLET} and nothing else", WALLET),
        (f"我的助记词是 {WALLET}，不要告诉别人", WALLET),
        ("原告李某，1985年7月12日出生于湖北省", "1985年7月12日"),
        ("原告李某，1985年7月12日生，女", "1985年7月12日"),
        ("患者今年102周岁，住在武汉", "102"),
    ],
)
def test_what_stands_behind_or_in_several_words_is_held(everything: Scanner, text: str, value: str) -> None:
    """B23: a stream is not cut in a passphrase, nor between a day or an age and the word that says whose it is."""
    every = everything.cuts(text, 0, True)
    for size in range(len(text) + 1):
        assert set(everything.cuts(text[:size], 0)) <= set(every), text[:size]
    start = text.index(value)
    assert (start, start + len(value)) in {(f.start, f.end) for f in everything.scan(text)}
    assert in_pieces(everything, text, [cut for cut in every if cut < len(text)]) == whole(everything, text)


def test_a_long_text_is_not_cut_in_a_passphrase(everything: Scanner) -> None:
    """B37: wherever the seam of two pieces would fall, the words are found whole."""
    phrase = "correct horse battery staple orange window"
    for size in range(2040, 2120, 7):
        text = (
            "plain words of prose " * (size // 21)
            + "x" * (size % 21)
            + f" passphrase: {phrase}."
            + " and so on" * 400
        )
        found = [text[f.start : f.end] for f in everything.scan(text) if f.kind == "pii.password"]
        assert found == [phrase], size


WORDS = st.sampled_from(
    [
        "the ",
        "a ",
        "at ",
        "dot ",
        "I ",
        "Hello",
        "world ",
        "x ",
        "ext. ",
        "Mr. ",
        "UK ",
        "A",
        "B ",
        "d",
        "do",
        "t ",
        "at ",
        "At ",
        "window, ",
        "can't ",
        "  ",
        "1 ",
        "(at) ",
        "bob ",
        "12 ",
        "-",
        ".",
        " ",
        "it? ",
        "quick",
        "AB ",
        "name: ",
        "a\n",
        "PIN ",
        "de ",
        "De ",
        "mayo ",
        "May",
        "septiembre ",
        "seed ",
        "phrase",
        "mnemonic ",
        "@",
        "e",
        "W ",
        "&",
        "好",
    ]
)


@LOOSE
@given(words=st.lists(WORDS, max_size=60), ahead=st.lists(WORDS, max_size=12), data=st.data())
def test_plain_words_are_cut_as_the_grammar_cuts_them(
    everything: Scanner, words: list[str], ahead: list[str], data: st.DataObject
) -> None:
    """B23: the short road for plain words gives the cuts of the long one, wherever it is asked."""
    text = "".join([*words, *ahead])
    with mock.patch.object(PlainCuts, "cuts", return_value=None):
        every = everything.cuts(text, 0)
        start = data.draw(st.sampled_from([0, *every]))
        expected = everything.cuts(text, start)
    assert everything.cuts(text, start) == expected


@LOOSE
@given(texts=st.lists(st.lists(WORDS, max_size=40), min_size=1, max_size=6), data=st.data())
def test_texts_that_grow_side_by_side_are_cut_as_each_one_alone(
    everything: Scanner, texts: list[list[str]], data: st.DataObject
) -> None:
    """B23: what is remembered of a text changes no cut, however it grows, and whichever others are asked about."""
    cutter = everything.cutter()
    grown, starts = ["" for _ in texts], [0 for _ in texts]
    for number in data.draw(st.lists(st.sampled_from(range(len(texts))), max_size=60)):
        text, start = grown[number] + "".join(texts[number][:2]), starts[number]
        del texts[number][:2]
        with mock.patch.object(PlainCuts, "cuts", return_value=None):
            expected = everything.cuts(text, start)
        assert cutter(text, start, False) == expected
        shortened = start if data.draw(st.booleans()) else 0
        grown[number] = text[shortened:]
        starts[number] = (expected or [start])[-1] - shortened


def test_another_text_than_the_last_one_is_looked_at_from_its_beginning(everything: Scanner) -> None:
    """B23: only the same text is known again, only from the cut on from which it was seen, and at its seam too."""
    told = "please write to bob (at) corp dot org "
    texts = [
        ("some plain words that everyone reads ", 0),
        (told + "some plain words that everyone", 0),
        (f"{told * 2}{'and some more plain words ' * 50}everyone", len(told) * 2 + 1200),
        (f"{told * 2}{'and some more plain words ' * 50}everyone reads", len(told)),
        ("we met bob at corp do", 7),
        ("we met bob at corp dot org again", 7),
        (f"see 12 there {'and some more plain words ' * 8}", 200),
        (f"see 12 there {'and some more plain words ' * 8}too", 0),
    ]
    cutter = everything.cutter()
    for text, start in texts:
        with mock.patch.object(PlainCuts, "cuts", return_value=None):
            expected = everything.cuts(text, start)
        assert cutter(text, start, False) == expected, text


STEPS = "project and at At AT dot Dot March march May extension ext mayo eylul A AB I ok, well; end. no! it's its, sep".split()
BEGUN = "t to a d at dot DOT wonder wonders, May MARCH AB ABC, AB,cd x 'tis , ,and".split()


def test_a_word_and_the_beginning_of_the_next_are_cut_as_the_grammar_cuts_them(everything: Scanner) -> None:
    """B23: whatever stands before the last blank and behind it, seen from the word's own cut and from one before."""
    text = "some quite plain words of a text "
    for word, begun in itertools.product(STEPS, BEGUN):
        for start in (len(text), len(text) - len("text "), 11):
            grown = f"{text}{word} {begun}"
            with mock.patch.object(PlainCuts, "cuts", return_value=None):
                expected = everything.cuts(grown, start)
            assert everything.cuts(grown, start) == expected, grown


IN_WORDS = (
    "3 September 1985",
    "3rd of September, 1985",
    "12 of mAy 1985",
    "september 3, 1985",
    "SEPT. 3rd, 1985",
    "3 sep 1985",
    "31 December 1999",
    "3 de mayo de 1985",
    "3o de Septiembre de 1985",
    "1er janvier 1985",
    "3. pazdziernika 1985",
    "12 eylul 1985",
    "95 years old",
    "101 year old",
    "95 y/o",
)


@pytest.mark.parametrize("value", IN_WORDS)
def test_what_is_told_in_words_is_held(everything: Scanner, value: str) -> None:
    """B23: a birth or an age told in words is one value, however it comes."""
    text = f"hello, born {value} thanks a lot"
    assert 12 in {f.start for f in everything.scan(text)}
    for size in range(len(text) + 1):
        assert not [cut for cut in everything.cuts(text[:size], 0) if 12 < cut < 12 + len(value)], text[:size]


@settings(max_examples=1000)
@given(
    st.lists(
        st.sampled_from([b"word", b"words", b"a", b" ", b"  ", b"\n", b"\t", b"\x1a", b",", b"7", b"at "]),
        max_size=30,
    ),
    st.integers(0, 40),
)
def test_where_a_sure_cut_may_be_is_no_further_than_the_first(parts: list[bytes], low: int) -> None:
    """What none of its matches is without is looked for first: a search in vain costs as much as ten such looks."""
    text = b"".join(parts)
    first = scan._SURE_CUT.search(text, low)
    assert low <= scan._sign(text, low, len(text)) <= (first.start() if first else max(low, len(text)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.road not in (Road.BLOCK, Road.AFTER)], ids=lambda row: row.kind
)
def test_what_a_row_finds_beside_its_cue_is_found_in_pieces(everything: Scanner, row: Row) -> None:
    """B23: also what a row only looks at behind its value (`years old`) stands in no other piece."""
    cue = CUES.get(row.cue) if row.cue else None
    said = sorted(cue.latin)[:3] if cue and cue.latin else [""]

    @settings(deadline=None, max_examples=4, database=None, suppress_health_check=list(HealthCheck))
    @given(st.from_regex(re.compile(row.core.encode("ascii")), fullmatch=True), st.sampled_from(said))
    def found(value: bytes, word: str) -> None:
        text = f"hello {word} {value[:300].decode('latin-1')} thanks a lot"
        bounds = [cut for cut in everything.cuts(text, 0, True) if cut < len(text)]
        assert in_pieces(everything, text, bounds) == whole(everything, text)

    found()


GROUPS = st.sampled_from(
    (
        "1 12 0102 3 de of May jan abcd abcde AB ABCD ABCDE x=1 user= - ( + / _ # = % : , y st "
        "years old ext 1st (12) 12/ a1b2 abcd1 12abcd \x1a"
    ).split(" ")
)
GAPS = st.sampled_from([" ", " ", " ", "  ", "   ", "    ", "\t", "\n", ""])


@settings(max_examples=2000)
@given(st.lists(st.tuples(GROUPS, GAPS), min_size=1, max_size=14), st.data())
def test_a_row_of_groups_is_passed_over_as_the_grammar_holds_it(
    parts: list[tuple[str, str]], data: st.DataObject
) -> None:
    """No place within it is a cut, whether more text comes or not."""
    text = "".join(map("".join, parts)).encode("ascii")
    low = data.draw(st.integers(0, len(text)))
    end = cuts.row_end(text, low, data.draw(st.integers(low, len(text))))
    for position in range(low + 1, end):
        if text[position - 1] in b" \t\n\x1a" or text[position] == 0x1A:
            assert cuts.splits(text, position, True) is False
            assert cuts.splits(text, position, False) is False


@pytest.mark.parametrize(
    "row", ["3 de 4 de 5", "1 - 2 / 3", "x=1 user=2 user=3", "AB CD EF GH ", "12, (3) -4 of 5"]
)
def test_a_row_of_groups_is_passed_over_in_one_step(row: str) -> None:
    """A text that is one such row costs no more than its length."""
    assert cuts.row_end(row.encode("ascii"), 0, len(row)) == len(row.rstrip())
