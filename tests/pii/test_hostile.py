"""Texts made to be slow: they cost a few times what a text full of values costs, counted in calls, never in time."""

from __future__ import annotations

import random
from functools import partial
from string import ascii_letters, digits

import pytest

from guard.pii.evasion import project
from guard.pii.hunt import Hunt
from guard.pii.readings import _units
from guard.pii.resolve import resolve
from guard.pii.scan import Scanner
from guard.pii.view import View
from guard.types import Finding
from tests.pii.conftest import GLUE, calls

SIZE = 10240
SPELLED = [
    "a",
    "b",
    " at ",
    " dot ",
    " at ",
    " dot ",
    "harbor",
    "com",
    "%31",
    "&#64;",
    " (at) ",
    "=31=32",
    "\\u0031",
    "一三",
]

VALUES = [
    "haslo:",
    "password=",
    "pwd: ",
    "token: ",
    "secret:",
    "api_key=",
    '"',
    "hunter2",
    "aB3$",
    "&a=",
    "a1B" * 40,
]


def repeated(unit: str, size: int = SIZE) -> str:
    """A text that says one thing again and again."""
    return (unit * size)[:size]


@pytest.fixture(scope="module")
def scanner() -> Scanner:
    """A scanner of what is on by default."""
    return Scanner()


@pytest.fixture(scope="module")
def full(scanner: Scanner) -> int:
    """The calls for a text full of values."""
    values = "mail jo.w7@harbormail.com or call (212) 867-5309 at the port, card 4111 1111 1111 1111 from 81.2.69.142, "
    text = repeated(values + "and with it the usual words of a letter. ")
    scanner.scan(text)
    return calls(lambda: scanner.scan(text))


@pytest.mark.parametrize(
    ("unit", "times"),
    [
        ("haslo:", 2),
        ("thehaslo:", 2),
        (":password", 2),
        ("pwd=", 0.3),
        ("password ", 0.3),
        ("a::b ", 2),
    ],
)
def test_a_hostile_text_takes_few_times_the_calls_of_a_full_one(
    scanner: Scanner, full: int, unit: str, times: float
) -> None:
    """B23: no unit makes the scan of a text much longer than its values do."""
    text = repeated(unit)
    scanner.scan(text)
    assert calls(lambda: scanner.scan(text)) < times * full


@pytest.mark.parametrize(
    ("unit", "times"), [("ts=9999999999 ", 5), ("order 999999999 ", 5), ("tel:+1-628-555-9999 ", 4)]
)
def test_many_numbers_take_few_times_the_calls_of_a_full_text(
    scanner: Scanner, full: int, unit: str, times: float
) -> None:
    """Logs, lists and books of addresses hold seven times as many numbers: what many regions ask for is told once."""
    draw = random.Random(1)
    text = "".join(draw.choice(digits) if sign == "9" else sign for sign in repeated(unit))
    scanner.scan(text)
    assert calls(lambda: scanner.scan(text)) < times * full


@pytest.mark.parametrize("times", [1, 2, 65, 200])
@pytest.mark.parametrize("head", ["pwd=", "password: ", 'password="', "my password is "])
def test_a_password_is_found_behind_its_word_written_many_times(
    scanner: Scanner, head: str, times: int
) -> None:
    """What is taken in one step is the same word again, never a part of the value."""
    text = head * times + "hunter2xyz9"
    found = scanner.scan(text)
    assert (found[-1].kind, found[-1].end) == ("pii.password", len(text))
    assert found[-1].start <= len(head * times)


def test_numerals_among_many_values_do_not_have_all_searched_twice(scanner: Scanner) -> None:
    """They are read in a short stretch of their own, as far as there are cuts around them; a value there is found."""
    prose = "请帮我写信，老师说学生明天散步，我们在公园里看花，下午去图书馆读书，晚上回家吃饭。" * 4
    text = f"我的手机号是13912345678，邮箱是wang.wei@corp-mail.cn。{prose}" * 40
    plain = calls(lambda: scanner.scan(text))
    half = len(text) // 2
    for words, more in (("一共有七八个人来，", 0), ("电话一三九一二三四五六七八，", 1)):
        spelled = text[:half] + words + text[half:]
        assert len(scanner.scan(spelled)) == 80 + more
        assert calls(partial(scanner.scan, spelled)) < 1.3 * plain


@pytest.mark.parametrize(
    "words", ["电话13912345678，一共有七八个人来，{}，再见。", "{}一共有七八个人来，电话13912345678。"]
)
def test_numerals_beside_a_block_do_not_cut_it(scanner: Scanner, words: str) -> None:
    """A key is taken to its end, whatever stands before it."""
    letters = random.Random(1)
    lines = ["".join(letters.choices(ascii_letters, k=64)) for _ in range(25)]
    block = "\n".join(["-----BEGIN RSA PRIVATE KEY-----", *lines, "-----END RSA PRIVATE KEY-----"])
    prose = "请帮我写信，老师说学生明天散步，我们在公园里看花，下午去图书馆读书，晚上回家吃饭。" * 20
    text = prose + words.format(block) + prose
    (key,) = (finding for finding in scanner.scan(text) if finding.kind == "secret.pem")
    assert text[key.start : key.end] == block


@pytest.mark.parametrize("code", ["%2B", "%252B", "&#43;", "&amp;#x2b;", "\\u002b"])
def test_a_block_goes_on_over_codes_of_its_characters(scanner: Scanner, code: str) -> None:
    """Where its end is missing, and in a text that is cut, too: the copy that reads them has it in one."""
    for words in (10, 146, 200):
        text = "-----BEGIN PRIVATE KEY----- " + "plain words without numbers " * words + code + "AbCd"
        (key,) = scanner.scan(text)
        assert (key.kind, key.start, key.end) == ("secret.pem", 0, len(text))


def test_words_that_spell_no_address_are_not_read_twice(scanner: Scanner) -> None:
    """B23: hosts of one letter are none, and what is read for the cuts is not read again for the pieces."""
    spelled, plain = repeated("a at b dot "), repeated("a or b not ")
    for text in (spelled, plain):
        scanner.scan(text)
    assert calls(lambda: scanner.scan(spelled)) < calls(lambda: scanner.scan(plain)) + SIZE


@pytest.mark.parametrize("seed", range(40))
def test_what_is_known_of_the_whole_is_what_a_piece_says(seed: int) -> None:
    """B23: a piece is read the same alone, however it ends: an `at` may stand before a host that it lacks."""
    draw = random.Random(seed)
    projection = project("".join(draw.choice(draw.choice((SPELLED, GLUE))) for _ in range(200)))
    projection.units()
    for high in range(1, len(projection.text) + 1, 7):
        assert _units(projection, 0, high) == projection.read(0, high)


@pytest.mark.parametrize("seed", range(40))
def test_values_within_values_are_covered_as_if_each_was_taken(scanner: Scanner, seed: int) -> None:
    """Nothing is lost: of values that hold others of their row as much is found as when all are judged."""
    draw = random.Random(seed)
    text = "".join(draw.choice(draw.choice((VALUES, GLUE))) for _ in range(60))
    projection = project(text)
    for row in scanner._roads.gated:
        if row.group and row.fixed and not row.own:
            found = []
            for search in (Hunt._search, Hunt._valued):
                hunt = Hunt(View(text, projection, 0, projection.text), frozenset())
                search(hunt, row)
                found.append(resolve([Finding(*hit, "pattern") for hit in hunt.belonging()]))
            assert found[0] == found[1]
