"""Many numbers at once: no number is lost that is found one by one, and rows of numbers cost a part of that."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from itertools import accumulate

import pytest
from phonenumbers import (
    SUPPORTED_REGIONS,
    PhoneNumberType,
    example_number_for_type,
    national_significant_number,
)

from guard.pii import numbers, phones, plans
from guard.pii.catalog import ROWS
from guard.pii.checks import CHECKS
from guard.pii.columns import SUMS, Columns
from guard.pii.evasion import project
from guard.pii.gates import alone
from guard.pii.hunt import Hunt
from guard.pii.layouts import is_vain
from guard.pii.plan_shapes import SHAPES
from guard.pii.ready import Ready
from guard.pii.rows import Row
from guard.pii.scan import Scanner
from guard.pii.view import View
from tests.pii.conftest import GLUE, calls, values

SIFTED = [row for row in ROWS if row.check in SUMS and Ready(row).sifted]
LAID_OUT = [row for row in ROWS if is_vain(row.core, b"1 " * 100)]
DIGITS = "0123456789"
BETWEEN = [
    "\n",
    " ",
    ",",
    ", ",
    "\t",
    ";",
    "-",
    ".",
    "  ",
    "\r\n",
    " | ",
    "(",
    ") ",
    "",
    '","',
    ",Anna,",
    " id ",
    "。",
]


def drawn(draw: random.Random, size: int) -> str:
    """Random digits."""
    return "".join(draw.choice(DIGITS) for _ in range(size))


def accepted(row: Row, tries: int) -> set[bytes]:
    """Numbers that a row takes: those of the tables, and what they become digit by digit."""
    search, check, draw = Ready(row).search, CHECKS[row.check], random.Random(row.core)

    def takes(number: bytes) -> bool:
        match = search(number)
        return match is not None and match.span() == (0, len(number)) and check(number) > 0

    found = {value.encode() for value in values() if value.isascii() and takes(value.encode())}
    rest = sorted(found) or [b"%d" % number for number in range(10**8, 10**8 + 60)]
    for _ in range(tries):
        number = bytearray(draw.choice(rest))
        for at in draw.sample([at for at, code in enumerate(number) if chr(code) in DIGITS], 2):
            number[at] = ord(draw.choice(DIGITS))
        if takes(bytes(number)) and bytes(number) not in found:
            found.add(bytes(number))
            rest.append(bytes(number))
    return found


def test_every_check_that_is_asked_of_a_column_belongs_to_a_row_of_digits() -> None:
    """A name without a row would never be asked."""
    assert {row.check for row in SIFTED} == set(SUMS)


@pytest.mark.parametrize("row", SIFTED, ids=lambda row: f"{row.kind}-{SIFTED.index(row)}")
def test_no_number_is_sifted_out_that_its_check_accepts(row: Row) -> None:
    """What digits keep is only what the check asks anyway; in a text that ends with the number, too."""
    found = sorted(accepted(row, 6000))
    assert len(found) > 4
    for number in found:
        assert 3 in Columns(b"no " + number).starts(row.check), number
    starts = Columns(b" x ".join(found)).starts(row.check)
    assert {*accumulate((len(number) + 3 for number in found[:-1]), initial=0)} <= {*starts}


@pytest.mark.parametrize("check", SUMS)
def test_most_numbers_are_sifted_out(check: str) -> None:
    """Else to look at their digits would be in vain."""
    draw = random.Random(check)
    text = "\n".join(drawn(draw, 19) for _ in range(1000)).encode()
    assert len(Columns(text).starts(check)) < 300


def table(draw: random.Random) -> str:
    """A table or a row of numbers, some of which are real."""
    known = [value for value in values() if sum(char in DIGITS for char in value) > 5 and len(value) < 40]
    sizes = draw.choice([[draw.randint(2, 18)], range(3, 20)])
    parts = [draw.choice(["", "id\n", "SSN ", "phone: ", "身份证 "])]
    between = draw.choice([[draw.choice(BETWEEN)], BETWEEN])
    for _ in range(draw.choice([60, 150, 300])):
        number = drawn(draw, draw.choice(sizes)) if draw.random() < 0.8 else draw.choice(known)
        if draw.random() < 0.2:
            step = draw.choice([1, 2, 3, 4])
            number = draw.choice(" -").join(number[at : at + step] for at in range(0, len(number), step))
        parts += [number, draw.choice(between) if draw.random() < 0.95 else draw.choice(GLUE)]
    return "".join(parts)


@pytest.mark.parametrize("seed", range(60))
def test_numbers_at_once_are_the_numbers_one_by_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands between them, and whichever words before them."""
    text = table(random.Random(seed))
    scanner = Scanner(skip=()) if seed % 2 else Scanner()
    at_once = scanner.scan(text)
    monkeypatch.setattr(numbers, "_MANY", 1 << 30)
    monkeypatch.setattr(numbers, "_LONG", 1 << 30)
    assert scanner.scan(text) == at_once


@pytest.mark.parametrize("size", [9, 10, 11, 12])
def test_a_table_of_numbers_costs_a_part_of_its_numbers_one_by_one(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A column of a CSV file, of any numbers: not only of one and the same."""
    draw = random.Random(size)
    text, scanner = "\n".join(drawn(draw, size) for _ in range(300)), Scanner()
    scanner.scan(text)
    at_once = calls(lambda: scanner.scan(text))
    monkeypatch.setattr(numbers, "_MANY", 1 << 30)
    assert 4 * at_once < 3 * calls(lambda: scanner.scan(text))


def test_what_a_surer_guess_has_taken_is_not_looked_at_again() -> None:
    """This number is three: where there are many, the less sure ones are not even found."""
    one, many = (Scanner().everything(text) for text in ("48291730554", "48291730554\n" * 300))
    assert {finding.kind for finding in one} == {"pii.pl.pesel", "pii.de.tax_id", "pii.hr.oib"}
    assert {finding.kind for finding in many} == {"pii.pl.pesel"}


def asked(text: str) -> list[numbers.Region]:
    """The regions of a text and what is asked for in them."""
    ready, projection = Scanner()._roads, project(text)
    return Hunt(View(text, projection, 0, projection.text), frozenset())._asked(
        ready, *ready.look(projection.text)[1:]
    )


@pytest.mark.parametrize("unit", ["1 ", "1-", "12 ", "1.", "7_", "1 2 3 "])
def test_a_long_row_of_small_groups_holds_no_card_and_no_telephone_number(unit: str) -> None:
    """Neither begins within it, and at its beginning it is too long; to walk it would cost each of its characters."""
    for _, _, wanted, _ in asked(unit * 1000):
        assert "pii.card" not in {row.kind for rows, _, _ in wanted.kinds for row in rows if not row.opens}
        assert not wanted.nations


def test_a_row_of_small_groups_is_told_where_no_number_is() -> None:
    """Of what is laid out in groups no match begins in such a stretch."""
    assert len(LAID_OUT) > 4
    draw, told = random.Random(3), 0
    for _ in range(2000):
        sizes, between = (
            draw.choice([[1], [2], [1, 2], [3], [1, 2, 3, 4]]),
            draw.choice([" ", "-", " -", "\n"]),
        )
        groups = [drawn(draw, draw.choice(sizes)) + draw.choice(between) for _ in range(draw.randint(5, 60))]
        text = "".join(groups).encode() + draw.choice([b"7", b"1234", b"7 x", b"7  12"])
        for row in LAID_OUT:
            if is_vain(row.core, text):
                told += 1
                assert Ready(row).search(text) is None, text
    assert told > 500


def test_digits_spaced_apart_are_still_a_card() -> None:
    """Alone, or where the row ends in time."""
    card = " ".join("4532015112830366")
    for text in (card, f"{card}\n" * 20, f"1 2 3, {card}"):
        assert "pii.card" in {finding.kind for finding in Scanner().scan(text)}


def test_in_a_long_region_no_row_is_tested_that_waits_for_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be ten times as many as those that need none."""
    tested: list[Row] = []

    def noted(row: Row) -> Callable[[bytes], object]:
        tested.append(row)
        return alone(row)

    monkeypatch.setattr(numbers, "alone", noted)
    asked("\n".join(drawn(random.Random(1), 9) for _ in range(300)))
    assert tested
    assert all(row.score for row in tested)


def test_a_word_before_one_of_many_numbers_makes_it_surer() -> None:
    """Or rules it out, as before a number that is alone."""
    rows = "193456787\n" * 300
    found = Scanner().scan(f"{rows}SIN 193456787\n{rows}order 193456787\n{rows}")
    scores = [finding.score for finding in found if finding.kind == "pii.ca.sin"]
    assert scores[:301] == [0.4] * 300 + [0.85]
    assert 890 < len(scores) < 901


def test_a_long_row_of_groups_costs_a_part_of_its_groups_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each group may begin a card: only those are asked whose digits add up and are some issuer's."""
    draw = random.Random(4)
    text, scanner = " ".join(drawn(draw, 4) for _ in range(800)), Scanner()
    scanner.scan(text)
    at_once = calls(lambda: scanner.scan(text))
    monkeypatch.setattr(numbers, "_LONG", 1 << 30)
    assert 2 * at_once < calls(lambda: scanner.scan(text))


def test_a_run_without_signs_is_no_number_as_a_country_groups_its_own() -> None:
    """Of most tables that is all that stands there, and no plan has a shape without signs."""
    (row,) = (row for row in ROWS if row.check == "phone_national")
    assert Ready(row).search(b"5550123456\n5550123457") is None
    assert Ready(row).search(b"(555) 0123456") is not None
    assert not [shape for shape in SHAPES if set(shape) == {"#"}]


def test_a_plan_is_asked_about_no_part_of_a_length_that_it_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too long by its whole and too short without a group costs one look at the plan, not three."""
    told: list[bytes] = []
    monkeypatch.setattr(plans, "valid", told.append)
    assert phones.phone_international(b"001(001(001(001(001") == 0
    assert told == [b"1001001001001"]


@pytest.mark.parametrize("seed", range(20))
def test_a_number_is_accepted_whole_or_without_its_last_groups(seed: int) -> None:
    """As if each were tried as it is written, its bracket with it."""
    draw, found = random.Random(seed), 0
    signs, codes = (
        [" ", " ", "-", ".", "", ") ", " (", "/"],
        ["1", "44", "49", "86", "33", "52", "351", "999"],
    )
    for _ in range(2000):
        groups = (draw.choice(signs) + drawn(draw, draw.randrange(1, 6)) for _ in range(draw.randrange(1, 6)))
        end = draw.choice(["", "", ")", " x12"])
        number = f"{draw.choice(['+', '00', '(+'])}{draw.choice(codes)}{''.join(groups)}{end}".encode()
        body = number.removesuffix(b" x12")
        ends = [match.end() for match in re.finditer(rb"[0-9]+\)?", body)]
        for accepts, told in (
            (plans.valid, phones.phone_international),
            (plans.possible, phones.phone_possible),
        ):
            tried = [(body, len(number)), *((body[:end], end) for end in ends[-3:-1][::-1])]
            expected = (size for part, size in tried if _is_one(part, accepts, whole=part is body))
            assert told(number) == next(expected, 0)
            found += told(number) > 0
    assert found > 100


def _is_one(number: bytes, accepts: Callable[[bytes], bool], whole: bool) -> bool:
    digits = re.sub(rb"[^0-9]", b"", number)[0 if number[0] in b"+(" else 2 :]
    return (whole or len(digits) in plans.sizes(digits)) and accepts(digits)


def test_numbers_have_the_lengths_that_their_calling_code_is_said_to_have() -> None:
    """Of each calling code the published examples, with a spare digit and without."""
    for region in SUPPORTED_REGIONS:
        for kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.TOLL_FREE):
            example = example_number_for_type(region, kind)
            if example is not None:
                code, national = (
                    str(part).encode()
                    for part in (example.country_code, national_significant_number(example))
                )
                for number in (code + national, code + b"0" + national):
                    assert len(number) in plans.sizes(number), number


def test_bytes_in_pairs_are_refused_before_a_plan_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump of bytes may be long."""
    monkeypatch.setattr(plans, "valid_in", None)
    assert phones.phone_trunk(b"00 12 34 56") == 0
