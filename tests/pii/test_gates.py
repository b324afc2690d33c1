"""The gates let through whatever a row finds, and learn little from one text that helps with no other."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.pii import gates
from guard.pii.catalog import ROWS
from guard.pii.cues import CUES, words_of
from guard.pii.evasion import project
from guard.pii.gates import (
    BEGINNINGS,
    Gate,
    Spoken,
    alone,
    framed,
    gate_of,
    gate_pattern,
    hint_place,
)
from guard.pii.mentions import Vocabulary
from guard.pii.packing import LETTERS
from guard.pii.patterns import least_run, loosened, shape_of, shape_pattern, skipping_repeats
from guard.pii.ready import Ready
from guard.pii.roads import _GLANCES, _RUN, _is_token, foreign_words, roads
from guard.pii.rows import Edge, Road, Row
from guard.pii.scan import Scanner
from guard.pii.view import View
from tests.pii.conftest import GLUE, values

NUMBERS = [row for row in ROWS if row.road in (Road.DIGITS, Road.NATION)]
SAMPLES = [value.encode("ascii") for value in values() if value.isascii()]

DIGITS = frozenset(b"0123456789")
SPOKEN, VOCABULARY = Spoken(list(CUES.values())), Vocabulary(foreign_words(CUES.values()), ())


@pytest.fixture(scope="module")
def shapes() -> Sequence[int]:
    """The gate of all number rows over shapes."""
    return gate_of(shape_pattern(gate_pattern(row)) for row in NUMBERS)  # type: ignore[no-any-return]


@pytest.mark.parametrize("before", ["", "tel ", "号\x1a", "("])
def test_what_a_row_asks_of_digits_its_shape_lets_through(shapes: Sequence[int], before: str) -> None:
    """No number is lost because its digits and letters are not looked at."""
    asked = 0
    for sample in SAMPLES:
        text = before.encode("ascii", "replace") + sample + b" then"
        let_through = set(shapes.Match(framed(shape_of(text))) or ())  # type: ignore[attr-defined]
        wanted = {place for place, row in enumerate(NUMBERS) if alone(row)(text)}
        assert wanted <= let_through, sample
        asked += len(wanted)
    assert asked > len(SAMPLES)


def test_digits_and_letters_make_no_difference_to_a_shape() -> None:
    """Two numbers of one form are one to the gate, so the second costs nothing new."""
    assert shape_pattern(r"[13][0-8]{2}(?:AB|\x1a)\.?") == r"[\x39][\x39]{2}(?:[\x61][\x61]|\x1a)\.?"
    assert shape_of(b"AB-12 x@y.z \x1a") == shape_of(b"cd-90 q@r.s \x1a") == b"aa-99 a@a.a \x1a"
    assert shape_pattern(r"(?i:[b-d]{2,3})\b[^A-Za-z0-9]$") == r"(?i:[\x61]{2,3})\b[^A-Za-z0-9]$"


def test_what_is_remembered_of_a_text_is_shapes_alone() -> None:
    """The stretches around numbers are known again by their shape: no digit and no letter of a text is kept."""
    scanner = Scanner(skip=())
    ready = roads(scanner.rows)
    ready.asked.clear()
    for sample in SAMPLES[::8] * (_GLANCES + 1):
        scanner.scan(f"call {sample.decode()} or {sample.decode()}")
    assert len(ready.asked) > 50
    kept = b"".join(ready.asked)
    assert kept == shape_of(kept)
    size = len(ready.asked)
    scanner.scan("7" * 5000 + " " + "1-" * 300)
    assert len(ready.asked) == size


def test_a_shape_is_studied_when_it_is_seen_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Till then it is only glanced at, and not remembered: most shapes are never seen again."""
    monkeypatch.setattr("guard.pii.roads._GLANCES", 4)
    ready = roads(Scanner().rows)
    shape = bytes(9) + b"999 9999 9999 aaa zzz"
    assert [(ready.ask(shape), shape in ready.asked)[1] for _ in range(6)] == [False] * 4 + [True] * 2


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *GLUE,
                "SSN",
                "bank",
                "身份证",
                "卡号",
                "xpan",
                "Tel.",
                "карта",
                "passportNo",
                "Number",
                "银",
                "z" * 19,
                "\u200b" * 70,
            ]
        ),
        max_size=10,
    ),
    st.integers(0, 9),
)
def test_a_cue_is_said_where_it_stands_in_a_window(pieces: list[str], base: int) -> None:
    """No row waits in vain: whatever cue stands before a place is among those said in the stretch up to it.

    And no cue that a glance tells is one that the window has not.
    """
    text = "x" * base + "".join(pieces) + "7"
    projection = project(text)
    view = View(text, projection, base, projection.text[base:])
    place = len(view.text) - 1
    view.letters(), view.cases()
    foreign = view.hearing(VOCABULARY, dense=True)(0, place + 1)
    assert foreign == view.hearing(VOCABULARY, dense=False)(0, place + 1)
    said = SPOKEN.said(words_of(view.text[:place])) | foreign
    assert all(said >> at & 1 for at, cue in enumerate(CUES.values()) if cue.stands_in(view.window(place)))
    seen = [cue for at, cue in enumerate(CUES.values()) if view.in_hanzi(1 << at, place)]
    assert all(cue.stands_in(view.window(place)) for cue in seen)
    assert view.last_word(place) in {b"", *view.words(place)}


@given(st.lists(st.sampled_from([*SAMPLES, *(glue.encode("ascii", "replace") for glue in GLUE)]), max_size=8))
def test_a_gate_of_several_sets_lets_through_what_one_does(pieces: list[bytes]) -> None:
    """Split by what rows begin with, and without what only digits can match where a text has none."""
    ready = roads(tuple(ROWS))
    whole = gate_of(gate_pattern(row.row) for row in ready.gated).Match
    text = b"".join(pieces)
    words = text.translate(None, b"0123456789")
    for let_through, asked in ((ready.gate.hits(text), text), (ready.gate.words(words), words)):
        wanted = set(whole(framed(asked)) or ())
        kept_back = wanted.difference(let_through)
        assert {place for place in let_through if place < ready.spelled} == wanted - kept_back
        assert not kept_back or not re.search(rb"[A-Za-z0-9+/_-]{16}", asked)
        assert not any(re.search(ready.gated[place].row.core.encode("ascii"), asked) for place in kept_back)


def test_patterns_that_say_the_same_are_one_look_for_all_their_places() -> None:
    gate = Gate([[(0, "a[0-9]?b"), (2, "[^0-9]ab[^0-9]")], [(1, "a[0-9]?b")]], [])
    assert sorted(gate.hits(b"ab")) == [0, 1, 2]
    assert sorted(gate.words(b"ab")) == [0, 1, 2]
    assert sorted(gate.hits(b"ab1")) == [0, 1]


def test_what_has_a_hint_is_asked_where_that_matches_and_the_hint_itself_is_no_place() -> None:
    gate = Gate(
        [[(0, "x"), (hint_place(0), "key"), (hint_place(1), "[0-9]k")]], [[(1, "my key")], [(2, "1k")]]
    )
    assert sorted(gate.hits(b"x my key")) == sorted(gate.words(b"x my key")) == [0, 1]
    assert gate.hits(b"a key") == gate.words(b"a key") == []
    assert sorted(gate.hits(b"my key 1k")) == [1, 2]


@pytest.mark.parametrize("row", [row for row in ROWS if row.hint], ids=lambda row: row.core[:40])
@given(data=st.data())
def test_what_a_gate_lets_through_holds_its_hint(row: Row, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(re.compile(gate_pattern(row).encode("ascii")), fullmatch=True))
    assert _look(gate_pattern(row))(framed(text))
    assert _look(row.hint)(framed(text))


@cache
def _look(pattern: str) -> Callable[[bytes], object]:
    return gate_of([pattern]).Match  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("pattern", "least"),
    [
        ("sk-[A-Za-z0-9]{20,250}", 23),
        ("(?:sk|rk)-[a-z]{20}", 23),
        (r"[0-9]{3}\.[0-9]{9}", 9),
        ("[a-z]{15}-?", 15),
        ("[a-z]{15}-{0,2}[0-9]", 16),
        ("a?b*c+", 1),
        ("[a-z]{2,}+[0-9]", 3),
        ("(?:ab){9}[a-z]{2}", 20),
        ("[a-z]{4}(?:x{9})?[a-z]{3}", 7),
        ("[a-z]{30}|[0-9]{9}", 9),
        ("[^a]{9}", 0),
    ],
)
def test_the_least_run_of_a_pattern_stands_in_every_match(pattern: str, least: int) -> None:
    assert least_run(pattern, LETTERS) == least


@pytest.mark.parametrize(
    ("pattern", "least"),
    [
        (r"\b[0-9]{8,17}\b", 8),
        (r"(?ims:[a-z]{1}[A-Z]{1}\d{7}|[a-z]{1}9\d{6})", 7),
        (r"\d{3}-\d{4}", 4),
        (r"(\d{2}-\d{3}){2}", 5),
        (r"(?:\d{2}){3}[1-9]", 7),
        (r"(12|345)6", 3),
        (r"1(\d-)?2", 1),
        (r"(?:1|2-)3", 1),
        (r"1(?:2|x)3", 1),
        (r"\d{3}\d*\d+?", 3),
        (r"\d{2}?3", 1),
        (r"12^\A3", 3),
        (r"\d{2}\D\d{2}", 2),
        (r"[0-9a]{5}1", 1),
        (r"[^a]{5}", 0),
        (r"\d{9}|[a-z]", 0),
        (r"(?:)", 0),
        ("", 0),
        (r"\x31{4}", 4),
        (r"\p{Nd}{4}", 0),
        (r"1{,4}2", 1),
        (r"(?<![0-9]{2})12(?=34)", 2),
        (r"1(?!23)4", 2),
        (r"(?P<a>12)(?P=a)3", 2),
        ("[０-９]{4}", 0),
    ],
)
def test_the_digits_of_a_pattern_stand_in_every_match(pattern: str, least: int) -> None:
    assert least_run(pattern, DIGITS) == least


_PARTS = st.sampled_from([r"\d", "[0-9]", "[3-5]", "7", "x", "[0-9x]", "-", r"\b"])
_TIMES = st.sampled_from(["", "", "", "+", "*", "?", "{2}", "{2,3}", "{0,2}", "{2,}?"])
_FEW = st.sampled_from(["", "", "?", "{2}", "{0,2}"])
"""What is repeated without end within what is, `re` takes all time for."""


def _joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Some parts one after the other, and these as options in brackets."""
    row = st.lists(parts, min_size=1, max_size=4).map("".join)
    options = st.lists(row, min_size=1, max_size=3).map("|".join)
    return st.builds("(?:{}){}".format, options, _FEW)


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_no_match_has_fewer_digits_in_a_row(data: st.DataObject) -> None:
    """Whatever stands in brackets, is repeated, or may be left out."""
    part = st.builds(lambda one, times: one + (times if one != r"\b" else ""), _PARTS, _TIMES)
    pattern = data.draw(_joined(st.one_of(part, part, _joined(part))))
    text = data.draw(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True))
    assert max(map(len, re.findall("[0-9]+", text)), default=0) >= least_run(pattern, DIGITS)


@pytest.mark.parametrize("row", [row for row in ROWS if _is_token(row)], ids=lambda row: row.kind)
@settings(deadline=None, max_examples=5, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_token_is_found_only_where_its_run_stands(row: Row, data: st.DataObject) -> None:
    """Else it would be lost behind its hint."""
    value = data.draw(st.from_regex(row.core.encode("ascii"), fullmatch=True))
    assert gate_of([_RUN]).Match(framed(value)), value


@pytest.mark.parametrize("text", [b"sk_0123456789ab", b"sk_abcdefabcdef"])
def test_tokens_are_asked_for_only_where_a_long_run_stands(text: bytes) -> None:
    """Nearly all keys hold a run of sixteen: what tells them apart is learnt only from texts with one."""
    ready = roads(tuple(ROWS))
    assert gate_of(gate_pattern(row.row) for row in ready.gated).Match(framed(text))
    assert not ready.gate.hits(text)
    assert not ready.gate.words(text)


def test_what_begins_at_an_edge_is_told_from_the_rest() -> None:
    """Else it would multiply with what may begin at any letter: right, but new texts would be learnt slowly."""
    edged = [row for row in ROWS if row.edge is not Edge.FREE or row.road is Road.AFTER]
    assert len(edged) > 200
    assert all(gate_pattern(row).startswith(BEGINNINGS) for row in edged)
    assert _RUN.startswith(BEGINNINGS)


WHOLE = [row for row in roads(tuple(ROWS)).gated if row.row.road is Road.WHOLE and not row.signed]


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.kind)
@settings(deadline=None, max_examples=6, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_an_automaton_leaps_to_where_a_match_begins(row: Ready, data: st.DataObject) -> None:
    """What is found from each place on is what `re` finds, be it after many places where nothing is."""
    value = st.from_regex(row.row.core.encode("ascii"), fullmatch=True)
    part = st.one_of(
        value, st.sampled_from([b" ", b"a", b"\n", b"1", b"pass", b"key", b"=", b"\x1a", b"\x0b"])
    )
    text = b"".join(data.draw(st.lists(part, min_size=1, max_size=5))) * data.draw(
        st.sampled_from([1, 1, 20])
    )
    plain, at = re.compile(row.match.__self__.pattern), 0  # type: ignore[attr-defined]
    while at <= len(text):
        found, expected = row.search(text, at), plain.search(text, at)
        assert (found and found.span()) == (expected and expected.span())
        at = expected.start() + 1 if expected else len(text) + 1


@pytest.mark.parametrize(
    ("pattern", "loose"),
    [
        (r"(?<!a)b(?=c)", r"[\x62]"),
        (r"(?P<value>[ab]{3,200})d?+", r"(?:[\x61\x62]{3,}?)[\x64]??"),
        (r"a++(?i:b)*?", r"[\x61]+?(?i:[\x62])*?"),
        (r"(?P<one>a)(?P=one)", None),
        (r"p=(?P<value>a)", r"(?:[\x70][\x3d])+?(?:[\x61])"),
    ],
)
def test_a_pattern_is_loosened_for_an_automaton(pattern: str, loose: str | None) -> None:
    assert loosened(pattern) == loose


@pytest.mark.parametrize(
    ("pattern", "skipping"),
    [
        (r"(?:pin|pw)=(?P<value>\w+)", r"(?P<head>(?:pin|pw)=)(?P=head){0,64}(?P<value>\w+)"),
        (r"[(]pw[)] (?P<value>[a(]|b)", r"(?P<head>[(]pw[)] )(?P=head){0,64}(?P<value>[a(]|b)"),
        (r"(?P<value>\w+)", None),
        (r"pw=\w+", None),
        (r"pin|pw=(?P<value>\w+)", None),
        (r"pw=(?P<value>\w+)|pin", None),
        (r"(?:pin|pw=(?P<value>\w+))", None),
        (r"(?<!a)pw=(?P<value>\w+)", None),
    ],
)
def test_a_pattern_skips_repeats_where_what_stands_before_its_value_is_told_apart(
    pattern: str, skipping: str | None
) -> None:
    assert skipping_repeats(pattern) == (skipping or pattern)


def test_where_a_match_begins_is_told_by_the_wrapper_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands inside the wrapper is no promise of its maker's."""
    import re2

    inside = gates._begins.__wrapped__("b+c")
    search = re2.compile(b"b+c").search
    monkeypatch.setattr(re2, "compile", lambda *_: SimpleNamespace(search=search))
    outside = gates._begins.__wrapped__("b+c")
    text = b"abbc bc b"
    assert [inside(text, at) for at in range(10)] == [outside(text, at) for at in range(10)]
    assert [inside(text, at) for at in (0, 2, 3, 6)] == [1, 2, 5, -1]
