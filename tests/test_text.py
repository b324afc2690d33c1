"""Token estimates, sentence ends and cuts."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.text import (
    QUARTERS,
    ends_sentence,
    good_cut,
    split,
    stretches,
    tail,
    tokens,
    weigh,
    window_sizes,
)

PROSE = (
    "The committee met on Tuesday to discuss the new library. Several members asked whether the reading "
    "room could stay open later, since students often come after work. It was agreed to try this in May. "
)


@pytest.mark.parametrize(
    ("text", "quarters"),
    [
        ("", 0),
        ("abcd", 4),
        ("Zürich", 6),
        ("12", 4),
        ("...", 6),
        ("a b", 3),
        ("你好", 8),
        ("你好，世界。", 24),
        ("カナ", 8),
        ("한국", 8),
        ("４１", 8),
        ("🙂", 4),
        ("привет", 12),
        ("สวัสดี", 12),
        ("\ud83d", 2),
    ],
)
def test_a_text_weighs_what_its_script_classes_weigh(text: str, quarters: int) -> None:
    """Latin letters and white space weigh a quarter, digits and punctuation a half, CJK and emoji one."""
    assert weigh(text) == quarters


def test_english_prose_is_estimated_near_the_real_count() -> None:
    """1,024 characters of English are about 218 tokens in o200k: the estimate is 1.0 to 1.3 times that."""
    assert 218 <= tokens((PROSE * 6)[:1024]) <= 285


@given(st.text(), st.integers(0, 50))
def test_weight_is_additive(text: str, at: int) -> None:
    """Windows must not depend on how the text was cut, so the weight is the sum over any split."""
    assert weigh(text) == weigh(text[:at]) + weigh(text[at:])


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("One. Two", [5]),
        ("Really?! Yes", [9]),
        ('He said "no." Then', [14]),
        ("pi is 3.14 exactly", []),
        ("see example.com/a.b", []),
        ("line\nnext", [5]),
        ("你好。再见", [3]),
        ("他说：“好。”然后", [6, 7]),
        ("一；二！三？", [2, 4, 6]),
        ("Wait… what", [5, 6]),
        ("no end", []),
    ],
)
def test_sentences_end_in_english_and_chinese(text: str, ends: list[int]) -> None:
    """English ends need the white space behind the stop, Chinese ones do not."""
    assert [p for p in range(1, len(text) + 1) if ends_sentence(text, p)] == ends


@pytest.mark.parametrize(
    ("text", "weight", "target", "good"),
    [
        ("no sentence end ", 49, 10, False),
        ("no sentence end ", 50, 10, True),
        ("A sentence end. ", 29, 10, False),
        ("A sentence end. ", 30, 10, True),
        ("anything", 0, 0, True),
    ],
)
def test_a_piece_ends_near_its_target(text: str, weight: int, target: int, good: bool) -> None:
    """Behind a sentence from three quarters of the target on, anywhere allowed from five quarters on."""
    assert good_cut(text, len(text), weight, target) is good


@given(st.text(alphabet="ab. 。\n好", max_size=80), st.integers(0, 12), st.data())
def test_more_text_never_revises_a_cut(text: str, target: int, data: st.DataObject) -> None:
    """Whether a cut is good is told by the text before it."""
    at = data.draw(st.integers(0, len(text)))
    weight = weigh(text[:at])
    assert good_cut(text, at, weight, target) == good_cut(text[:at], at, weight, target)


PIECES = st.lists(st.sampled_from([*"ab .,7好。\n\r🙂”", ". ", "！", "\n\n", "word "]), max_size=120).map(
    "".join
)
SIZES = st.tuples(st.integers(1, 40), st.sampled_from([0.0, 0.1, 0.25, 0.5]))
UNITS = st.sampled_from(["tokens", "characters"])


@given(PIECES, SIZES, UNITS)
def test_split_loses_nothing_and_keeps_the_limit(text: str, sizes: tuple[float, float], by: Any) -> None:
    """Pieces follow one another over the whole text; each fits, goes on, and repeats no more than it may."""
    limit, overlap = int(sizes[0]), sizes[1]
    found = stretches(text, limit, overlap=overlap, by=by)
    size = weigh if by == "tokens" else len
    unit = 4 if by == "tokens" else 1
    assert split(text, limit, overlap=overlap, by=by) == [text[start:end] for start, end in found]
    assert (found[0][0], found[-1][1]) == (0, len(text))
    assert all(size(text[start:end]) <= limit * unit for start, end in found)
    for (start, end), (after, onward) in pairwise(found):
        assert start < after <= end < onward
        assert size(text[after:end]) <= overlap * limit * unit


@given(PIECES, PIECES, SIZES, UNITS)
def test_a_text_that_grows_keeps_its_pieces(text: str, more: str, sizes: tuple[int, float], by: Any) -> None:
    """Every piece but the last is told by the text alone that stands before its own furthest end."""
    limit, overlap = sizes
    short = stretches(text, limit, overlap=overlap, by=by)
    assert stretches(text + more, limit, overlap=overlap, by=by)[: len(short) - 1] == short[:-1]


def test_split_prefers_sentence_ends() -> None:
    """A long text for the judge is cut behind a sentence, so that no statement is torn."""
    cut = partial(split, overlap=0, by="characters")
    assert cut("Aaaa bbb. Cccc ddd. Eeee", 14) == ["Aaaa bbb. ", "Cccc ddd. Eeee"]
    assert cut("这是第一句话。这是第二句话。", 10) == ["这是第一句话。", "这是第二句话。"]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("aaaa aaaa\n\nbb. bb\nbb. bb bb", ["aaaa aaaa\n\n", "bb. bb\nbb. bb bb"]),
        ("aaaa aaaa\r\n\r\n\r\nbb. b\nbb", ["aaaa aaaa\r\n\r\n\r\n", "bb. b\nbb"]),
        ("aaaa aaa. aaa\nbb. bbb bb", ["aaaa aaa. aaa\n", "bb. bbb bb"]),
        ("aaaa aaaa. bbb bbb bbb", ["aaaa aaaa. ", "bbb bbb bbb"]),
        ("aaaa aaaa bbbb bbbb bb", ["aaaa aaaa bbbb ", "bbbb bb"]),
        ("aaaaaaaaaaaaaaaaaaaaab", ["aaaaaaaaaaaaaaaaaa", "aaab"]),
    ],
)
def test_split_takes_the_best_kind_of_cut(text: str, pieces: list[str]) -> None:
    """Paragraph before line before sentence before word before anywhere, in the second half of a piece."""
    assert split(text, 18, overlap=0, by="characters") == pieces


def test_pieces_begin_with_the_last_sentence_of_the_one_before() -> None:
    """800 tokens and a tenth of overlap by default; what is repeated begins with a sentence."""
    pieces = split("".join(f"It was sentence number {n} of the long report. " for n in range(400)))
    assert len(pieces) > 3
    assert all(600 < tokens(piece) <= 800 for piece in pieces[:-1])
    for before, after in pairwise(pieces):
        shared = next(n for n in range(len(after), 0, -1) if before.endswith(after[:n]))
        assert 40 < tokens(after[:shared]) <= 80
        assert after.startswith("It was")


@pytest.mark.parametrize(("limit", "overlap"), [(0, 0.1), (800, 0.6), (800, -0.1)])
def test_split_refuses_sizes_that_cannot_work(limit: int, overlap: float) -> None:
    """A piece must hold something new."""
    with pytest.raises(ValueError, match="limit is at least 1"):
        split("text", limit, overlap=overlap)


@given(st.text(), st.integers(0, 40))
def test_a_tail_is_the_longest_end_of_so_many_tokens(text: str, size: int) -> None:
    """The context of a window is measured as windows are: a Hanzi is a token, four Latin letters are one."""
    end = tail(text, size)
    assert text.endswith(end)
    assert weigh(end) <= size * QUARTERS
    assert end == text or weigh(text[len(text) - len(end) - 1 :]) > size * QUARTERS


def test_a_tail_counts_hanzi_as_tokens() -> None:
    """Ten tokens are ten Hanzi or forty letters."""
    assert tail("汉" * 50, 10) == "汉" * 10
    assert tail("a" * 50, 10) == "a" * 40
    assert tail("text", 0) == ""


@given(st.integers(0, 5000), st.integers(1, 64), st.integers(0, 6))
def test_windows_double_up_to_the_step(size: int, first: int, doublings: int) -> None:
    """They add up to the text, and each but the last is the smaller of twice its neighbour and the step."""
    step = first * 2**doublings
    sizes = window_sizes(size, first, step)
    assert sum(sizes) == size
    assert all(one == min(step, first * 2**place) for place, one in enumerate(sizes[:-1]))
