"""How far matches of number rows may reach is told from their patterns; so is what a region's shape asks for."""

from __future__ import annotations

import math

import pytest
import re2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.pii.asked import settling
from guard.pii.catalog import ROWS
from guard.pii.evasion import project
from guard.pii.gates import _options
from guard.pii.hunt import Hunt
from guard.pii.patterns import shape_of, told
from guard.pii.reach import LEAD, TRAIL, reach_of
from guard.pii.ready import Ready
from guard.pii.roads import _GLANCES, regions, roads
from guard.pii.rows import Road, Row
from guard.pii.scan import Scanner
from guard.pii.view import View
from tests.pii.conftest import GLUE, values

NUMBERS = [Ready(row) for row in ROWS if row.road in (Road.DIGITS, Road.NATION)]
SAMPLES = sorted(value for value in values() if value.isascii() and any(map(str.isdigit, value)))
LINKS = [
    *(glue for glue in GLUE if glue.isascii()),
    " ",
    "+",
    "(",
    "-",
    ", ",
    " ext. 5",
    " x12",
    "K",
    " 3",
    "/A",
]


@pytest.mark.parametrize(
    ("pattern", "begins", "ends", "holds", "empty", "letters"),
    [
        ("a|b", b"ab", b"ab", b"ab", False, 1),
        ("ab?", b"a", b"ab", b"ab", False, 2),
        ("a?1b", b"a1", b"b", b"a1b", False, 2),
        ("a(?:b|c?)[0-1]{0,2}", b"a", b"abc01", b"abc01", False, 2),
        ("a[bc]{2,3}", b"a", b"bc", b"abc", False, 4),
        ("a(?=b)", b"a", b"a", b"a", False, 1),
        ("(?<!x)1(?!b(?:c|d))(?P<one>[ef])+", b"1", b"ef", b"1ef", False, math.inf),
        ("(?:a|b)*", b"ab", b"ab", b"ab", True, math.inf),
        (r"[0-1](?<![0-9]\.)\x28", b"01", b"(", b"01(", False, 0),
        ("(?P<one>[ -])1(?P=one)", b" -", b" -", b" -1", False, 0),
        ("1|(?i:ab)(?:c|dd)", b"1aA", b"1cd", b"1abABcd", False, 4),
    ],
)
def test_what_a_pattern_tells(
    pattern: str, begins: bytes, ends: bytes, holds: bytes, empty: bool, letters: float
) -> None:
    """Alternatives, what may be left out, what is only looked at, what stands again."""
    assert told(pattern) == (frozenset(begins), frozenset(ends), frozenset(holds), empty, letters)


@pytest.mark.parametrize("row", NUMBERS, ids=lambda ready: f"{ready.kind}-{NUMBERS.index(ready)}")
def test_no_match_begins_with_what_its_pattern_does_not_tell(row: Ready) -> None:
    """Else its search would pass over it: RE2 tells it from the pattern that the gate asks."""
    pattern = re2.compile((row.row.gate or row.row.core).encode("ascii"), _options())
    least, most = pattern.possiblematchrange(8)
    assert (row.reach.least, row.reach.most) == (least[0], most[0])


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(parts=st.lists(st.tuples(st.sampled_from(SAMPLES), st.sampled_from(LINKS)), min_size=1, max_size=4))
def test_what_cannot_leave_its_region_does_not(parts: list[tuple[str, str]]) -> None:
    """Where the shapes around a region say so, all that is found of a row in it lies within."""
    text = "".join(map("".join, parts)).encode("ascii", "replace")
    shapes = bytes(LEAD) + shape_of(text)
    for low, high in regions(shape_of(text)):
        before, behind = shapes[low : low + LEAD], shapes[high + LEAD : high + LEAD + TRAIL]
        for row in NUMBERS:
            if row.reach.leaves(before, behind):
                continue
            at = max(0, low - row.before)
            while (match := row.search(text, at)) and match.start() < high:
                at = match.start() + 1
                assert match.end() <= low or low <= match.start() <= match.end() <= high, (row.kind, match)


@pytest.mark.parametrize(
    ("before", "behind", "leaves"),
    [
        (b"aaa ", b" aaa", False),
        (b"aaa+", b" aaa", True),
        (b"a (+", b"", True),
        (b"(+\x1a\x1a", b"", False),
        (b"aaa ", b" aaa 99", True),
        (b"aaa ", b"\x1a99", False),
    ],
)
def test_a_phone_leaves_by_its_sign_or_its_extension(before: bytes, behind: bytes, leaves: bool) -> None:
    """A sign that touches the digits, or digits after what may stand before an extension."""
    phone = next(row for row in NUMBERS if row.kind == "pii.phone" and row.score == 0.9)
    assert phone.reach.leaves(bytes(LEAD - len(before)) + before, behind) is leaves


@pytest.mark.parametrize(
    ("behind", "leaves"), [(b" a", True), (b" a,", True), (b" aa", False), (b",a", False)]
)
def test_one_letter_behind_a_number_may_be_its_last(behind: bytes, leaves: bool) -> None:
    """A word is longer, and the check letter of a number is not the beginning of one."""
    rut = next(row for row in NUMBERS if row.kind == "pii.cl.rut")
    assert rut.reach.leaves(bytes(LEAD), behind) is leaves


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        ("身份证号440106198809171376，", True),
        ("银行卡号4881004349595510，", True),
        ("银行卡号4881 0043 4959 5510，", True),
        ("身份证号440106198809171377，", False),
        ("card 4881 0043 4959 5510 to", True),
        ("card 4881 0043 4959 5510 K", True),
        ("RUT 4881 0043 4959 5510 K", False),
        ("RUT 4881 0043 4959 5510", True),
        ("a4881004349595510", True),
        ("+4881004349595510", False),
        ("tel +44 20 7728 5282 then", True),
        ("tel 44 20 7728 5282 then", False),
        ("tel +1 212 555 0123 then", False),
        ("tel + 0044 20 7728 5282 then", False),
        ("IBAN DE82883086271497094009", True),
        ("IBAN DE82883086271497094008", False),
        ("SSN 546-95-6350", True),
        ("ITIN 546-95-6350", False),
        ("NIT 546-95-6350", False),
        ("order no. 546-95-6350", False),
        ("phone 546-95-6350 ext. 12", False),
        ("call (571) 818-6524 then", True),
        ("order (571) 818-6524 then", False),
        ("电话17649505976，", True),
        ("call (571) 800-6524 then", False),
        ("+ (571) 818-6524 then", False),
        ("from 52.248.60.211 then", True),
        ("version 52.248.60.211 then", False),
        ("NHS 52.248.60.211 then", False),
        ("the card is 4881 0043 4959 5510 to", True),
        ("card no. is 4881004349595510 to", True),
        ("card MT 4881 0043 4959 5510 to", False),
        ("answers at 52.248.60.211 then", True),
        ("call me at (571) 818-6524 then", True),
    ],
)
def test_what_nothing_may_win_is_settled_at_once(text: str, settled: bool) -> None:
    """By its check digit or shape; not where another may begin before, or a word rules it out or lifts others."""
    assert _settled(text, 0) is settled


def test_what_begins_before_a_piece_settles_nothing() -> None:
    """It is found by the piece before, and here only context."""
    assert _settled("身份证号440106198809171376，", 3) is False


def test_what_is_settled_is_not_searched_for_nations() -> None:
    """All that a national row may find in it would yield."""
    ready = roads(Scanner().rows)
    text = "tel +44 20 7728 5282 then"
    _, *seen = ready.look(text.encode())
    for _ in range(_GLANCES + 1):
        hunt = Hunt(View(text, project(text), 0, text.encode()), frozenset())
        national = hunt.numbers(ready, *seen)
    assert len(hunt.found) == 1
    assert national == []


def _row(kind: str) -> Ready:
    """The first number row of a kind, by the places of cues in the whole catalogue."""
    return next(row for row in roads(Scanner().rows).numbers if row.kind == kind)


def _settled(text: str, first: int, rows: tuple[Row, ...] = ()) -> bool:
    """Whether the one region of a text is settled before each row is searched."""
    ready = roads(rows or Scanner().rows)
    view = View(text, project(text), 0, project(text).text)
    _, *seen = ready.look(view.text)
    for _ in range(_GLANCES + 1):
        hunt = Hunt(view, frozenset({"reserved"}), first)
        left = hunt._asked(ready, *seen, settle=True)
    assert len(hunt.found) + len(left) <= 1
    return bool(hunt.found)


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111-abcd-abcd-abcd-abcdefabcdef",
        "abcdefab-abcd-abcd-abcd-4111686595434238",
        "tel +44 20 79460958-abcd-abcd-abcd-abcdefabcdef",
        "MT61435262588518769364033010273-abcd-abcd-abcd-abcdefabcdef",
        "110101199003071233-abcd-abcd-abcd-abcdefabcdef",
    ],
)
def test_a_part_of_a_uuid_settles_nothing(text: str) -> None:
    """Its groups of letters are in no region of digits; what is found does not depend on what was seen before."""
    for _ in range(_GLANCES + 2):
        assert Scanner(skip=()).scan(text) == []


def test_what_has_no_match_is_not_searched_again() -> None:
    """Where the row that settles a shape has none in a region, it is not among what is asked for there."""
    ready = roads(Scanner().rows)
    view = View(
        "28% of 70455 quiets. Large method",
        project("28% of 70455 quiets. Large method"),
        0,
        b"28% of 70455 quiets. Large method",
    )
    for _ in range(_GLANCES + 1):
        asked = Hunt(view, frozenset())._asked(ready, *ready.look(view.text)[1:], settle=True)
    assert "pii.iban" not in [
        row.kind for _, _, wanted, _ in asked for kind in wanted.kinds for row in kind[0]
    ]


def test_nothing_settles_what_a_later_kind_may_win() -> None:
    """By a match that leaves the region, or that is surer."""
    card, phone, ssn = map(_row, ("pii.card", "pii.phone", "pii.us.ssn"))
    inner, leaving = ((phone,), (), phone.top), ((phone,), (phone,), phone.top)
    assert settling([((card,), (), card.top), inner], (phone,))[0] is card
    assert settling([((card,), (), card.top), leaving], (phone,)) is None
    assert settling([((ssn,), (), ssn.top), inner], (phone,)) is None
    assert settling([((phone,), (), phone.top)], ()) is None  # it needs its opening
    assert settling([((phone,), (), phone.top)], (phone,))[0] is phone


def test_what_may_win_must_be_shut_or_not_called() -> None:
    """A row that needs an opening has nothing where that is not, and one with a cue no more than it has without."""
    card, phone, ssn = map(_row, ("pii.card", "pii.phone", "pii.us.ssn"))
    shut = settling([((ssn,), (), ssn.top), ((phone,), (phone,), phone.top)], ())
    assert shut[:3] == (ssn, False, (phone.opens,))
    said = next(row for row in roads(Scanner().rows).numbers if row.kind == "pii.phone" and row.cued == 0.95)
    called = settling([((card,), (), card.top), ((said,), (), said.top)], ())
    assert called == (card, False, (), said.called)


@pytest.mark.parametrize(
    ("score", "letter", "settled"),
    [
        (0.55, "", True),
        (0.9, "", False),
        (0.55, "(?: [A-Z])?", False),
        (0.55, " [A-J]", True),
        (0.45, "", True),
    ],
)
def test_a_sure_row_of_a_nation_is_not_lost(score: float, letter: str, settled: bool) -> None:
    """It needs no cue word: where it is surer than what would settle the region, or may leave it, it is looked for."""
    first = Row("pii.card", "[0-9]{9}", Road.DIGITS, 0.6, 0.6)
    nation = Row("pii.us.ssn", f"[0-9]{{9}}{letter}", Road.NATION, score, score)
    assert _settled("no. 123456789 K", 0, (first, nation)) is settled


def test_a_refused_number_does_not_hide_the_next() -> None:
    """A row settles nothing where its first match is refused by the check; what stands behind is still its own."""
    ready = roads((Row("pii.nl.bsn", "[0-9]{9}", Road.DIGITS, 0.6, 0.6, check="nl_bsn"),))
    text = b"111111111 111222333"
    _, *seen = ready.look(text)
    for _ in range(_GLANCES + 1):
        hunt = Hunt(View(text.decode(), project(text.decode()), 0, text), frozenset())
        hunt.numbers(ready, *seen)
    assert [(start, end) for _, start, end, _ in hunt.found] == [(10, 19)]


def test_rows_tell_their_reach_once() -> None:
    """Two choices of rows share what was read from a pattern."""
    assert reach_of(NUMBERS[0].row) is reach_of(NUMBERS[0].row)
