"""Cuts with names on: pieces of a text give the names of the whole, and a cut is never taken back."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.pii import cuts, scan
from guard.pii.addresses import hold_addresses
from guard.pii.evasion import project
from guard.pii.names import Names
from guard.pii.scan import Scanner

LOOSE = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
SCANNER = Scanner(names=0.0)
PIECES = st.sampled_from(
    [
        "Maria",
        "Holloway",
        "Mr",
        "Dr",
        "J",
        "von",
        "de la",
        "O'Brien",
        "van der Berg",
        "priya",
        "sharma",
        "Otieno",
        "Smith",
        "Will",
        "my name is",
        "Name",
        "said",
        "the",
        "weather",
        "in",
        "Paris",
        "and",
        "ask",
        "or",
        "dear",
        "with",
        "him",
        "221B",
        "Baker Street",
        "London",
        "NW1 6XE",
        "12",
        "Hauptstraße 12",
        "rue de la Paix",
        "IL 62704",
        "Flat 3",
        "王小明",
        "先生",
        "我叫",
        "姓名",
        "今天天气很好",
        "北京市朝阳区",
        "建国路",
        "88",
        "号",
        "欧阳修",
        "奥尔加·托卡尔丘克",
        "表示",
        "KOWALSKI",
        "McDonald",
        "Xylofar",
        "Bank",
        "a@b.example",
        "José",
        "e\u0301",
        "\u200b",
        "４１",
        "Ltd",
        "wonderful",
        "hello",
    ]
)
SIGNS = st.sampled_from(
    [
        " ",
        " ",
        " ",
        " ",
        " ",
        ", ",
        ". ",
        ".",
        "-",
        "\n",
        ": ",
        "：",
        "，",
        "。",
        "'s ",
        "  ",
        "",
        '"',
        "(",
        ") ",
        "; ",
        "; ",
        "、",
    ]
)
TEXTS = st.lists(st.tuples(PIECES, SIGNS), max_size=22).map(lambda parts: "".join(itertools.chain(*parts)))
LONG = st.lists(st.tuples(PIECES, SIGNS), max_size=90).map(lambda parts: "".join(itertools.chain(*parts)))
Found = set[tuple[str, int, int, float]]


def whole(text: str, start: int = 0) -> Found:
    return {(f.kind, f.start, f.end, f.score) for f in SCANNER.candidates(text, start)}


def in_pieces(text: str, bounds: list[int], tell: bool = False) -> Found:
    found: Found = set()
    for low, high in zip([0, *bounds], [*bounds, len(text)], strict=True):
        base = max(0, low - SCANNER.context)
        findings = whole(text[base:high], low - base if tell else 0)
        found |= {(kind, s + base, e + base, score) for kind, s, e, score in findings if s + base >= low}
    return found


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small bound, so that forced cuts are met in short texts."""
    monkeypatch.setattr(cuts, "BOUND", 200)
    monkeypatch.setattr(scan, "BOUND", 200)
    monkeypatch.setattr(scan, "_PIECE_NAMED", 300)


@LOOSE
@given(data=st.data())
def test_pieces_find_what_the_whole_finds(data: st.DataObject) -> None:
    """B23: wherever a stream is cut, the names are the same."""
    text = data.draw(TEXTS)
    every = [cut for cut in SCANNER.cuts(text, 0, True) if cut < len(text)]
    assert in_pieces(text, every) == whole(text)
    assert in_pieces(text, [cut for cut in every if data.draw(st.booleans())]) == whole(text)


@LOOSE
@given(data=st.data())
def test_long_texts_are_cut_by_the_bound_alike(tight: None, data: st.DataObject) -> None:
    """A forced cut splits the whole text in the same place as the stream."""
    text = data.draw(LONG)
    every = [cut for cut in SCANNER.cuts(text, 0, True) if cut < len(text)]
    assert in_pieces(text, every, tell=True) == whole(text)


@LOOSE
@given(data=st.data())
def test_the_cuts_of_a_beginning_stay_cuts(data: st.DataObject) -> None:
    """Whatever text follows, no cut is taken back."""
    text = data.draw(TEXTS)
    size = data.draw(st.integers(0, len(text)))
    assert set(SCANNER.cuts(text[:size], 0)) <= set(SCANNER.cuts(text, 0, True))


@LOOSE
@given(data=st.data())
def test_asking_as_the_text_grows_gives_the_same_cuts(data: st.DataObject) -> None:
    """From each cut on, in chunks of any size, the cuts of the whole text come out, in order."""
    text = data.draw(TEXTS)
    size, start, found = 0, 0, []
    while size < len(text):
        size = min(len(text), size + data.draw(st.integers(1, 12)))
        found += SCANNER.cuts(text[:size], start, size == len(text))
        start = found[-1] if found else 0
    assert found == SCANNER.cuts(text, 0, True)


@pytest.mark.parametrize(
    "unit",
    ["there Maria Holloway wrote back again to them ", "the street with priya sharma inside it was quiet "],
)
def test_long_texts_are_parted_beside_no_name(tight: None, unit: str) -> None:
    """Wherever a long text is parted for the scan, each name in it is found as in a short one, as surely."""
    text = unit * 80
    found = sorted(whole(text), key=lambda one: one[1])
    inner = {
        (kind, s % len(unit), e - s, score)
        for kind, s, e, score in found
        if len(unit) < s < len(text) - len(unit)
    }
    assert len(inner) == 1
    assert len(found) == 80


WORDY = st.lists(
    st.tuples(st.sampled_from(["garden", "small", "no", "room", "between"]) | PIECES, SIGNS), max_size=30
).map(lambda parts: "".join(itertools.chain(*parts)))


@LOOSE
@given(text=WORDY)
def test_where_a_glance_sees_no_name_there_is_none(text: str) -> None:
    """Long texts are parted there without a look at what names hold."""
    projection = project(text)
    assert SCANNER.names is not None
    reading = SCANNER.names.reading(text, projection)
    stretches, _ = reading.held(0, reading.length, True)
    clear = [cut for cut in range(1, reading.length) if text[cut - 1] == " " and reading.clear(cut)]
    assert not [(cut, held) for cut in clear for held in stretches if held[0] < cut < held[1]]


@pytest.mark.parametrize(
    ("before", "after", "clear"),
    [
        ("we went through the quiet garden. ", "Then", True),
        ("we saw a letter from Maria. ", "Then", False),
        ("we went to a house with no. ", "Seven", False),
        ("a quiet garden between rivers ", "then", True),
        ("a quiet garden between rivers ", "Then", False),
    ],
)
def test_a_glance_knows_plain_words_and_the_ends_of_sentences(before: str, after: str, clear: bool) -> None:
    """A cut behind a sentence's last plain word needs no second look."""
    assert SCANNER.names is not None
    text = before + after
    assert SCANNER.names.reading(text, project(text)).clear(len(before)) is clear


def test_prose_is_still_cut_at_every_plain_word() -> None:
    """Names hold back only what they need."""
    assert SCANNER.cuts("hello wonderful world", 0) == [6, 16]
    assert SCANNER.cuts("今天天气很好，我们走", 0) == [7]


def test_a_name_is_held_until_two_words_behind_it_are_known() -> None:
    """What follows a name says whether it is one."""
    text = "we saw Maria Holloway there today again"
    assert [cut for cut in SCANNER.cuts(text, 0) if 7 < cut < 34] == []
    assert 34 in SCANNER.cuts(text, 0)


@pytest.mark.parametrize(
    "unit",
    [
        "Ab ",
        "Ab-",
        "A. ",
        "Maria, ",
        "12 ",
        "12 Abc ",
        "12 Abc Street, ",
        "王",
        "王小明",
        "北京市朝阳区",
        "路8号",
        "van ",
        "é ",
        "Name: ",
    ],
)
def test_no_text_is_held_without_end_nor_read_slowly(unit: str) -> None:
    """E04: the hold is bounded, and four times the text takes far less than sixteen times the time."""
    text = unit * (2 * cuts.BOUND // len(unit))
    bounds = [0, *SCANNER.cuts(text, 0, True)]
    assert max(high - low for low, high in itertools.pairwise(bounds)) <= cuts.BOUND
    held = SCANNER.cuts(text, 0)
    assert len(text) - (held[-1] if held else 0) <= cuts.BOUND + 400
    names = Names({"pii.person", "pii.address"})
    once, twice = (quickest(names.find, unit * (size // len(unit))) for size in (1_000, 4_000))
    assert twice < 14 * once + 0.02


@pytest.mark.parametrize("unit", ["1-", "A-", "1/-", "A'-", ",S-", "一-1", "-#一", "Rd, 1-"])
def test_the_end_of_a_text_is_not_read_in_all_ways(unit: str) -> None:
    """E04: of what may be an open address the signs belong to one token, and not, each time, to what is between two."""
    few, many = (quickest(partial(hold_addresses, final=False), unit * times + "!") for times in (6, 18))
    assert many < 100 * few + 0.002


@pytest.mark.parametrize("seed", range(12))
def test_no_unit_makes_a_short_text_endless(seed: int) -> None:
    """E04: twice the text takes no many times the time, whatever it says again and again before it stops."""
    draw = random.Random(seed)
    for _ in range(400):
        unit = "".join(draw.choices("aA1-.', /#:@=\"(\n+_é一７%&[Ss路号x", k=draw.randint(1, 4)))
        few, many = ((unit * size)[:size] + draw.choice("! -\x01") for size in (20, 44))
        for run in (SCANNER.everything, partial(SCANNER.cuts, start=0)):
            assert quickest(run, many) < 40 * quickest(run, few) + 0.003, unit


def quickest(run: Callable[[str], object], text: str) -> float:
    times = []
    for _ in range(3):
        begin = time.process_time()
        run(text)
        times.append(time.process_time() - begin)
    return min(times)
