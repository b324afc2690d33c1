"""The table of words: long texts are looked through by it, and give the same candidates as by sets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.pii import chains
from guard.pii.chains import candidates, prepare
from guard.pii.lexicon import Lexicon, lexicon
from guard.pii.wordtable import CAPITAL, SMALL, WordTable

LOOSE = settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
KNOWN = lexicon()
PLAIN = Lexicon(KNOWN.words)
WORDS = st.sampled_from(
    "Maria holloway Mr mr name Name named a I x the The THE garden Small River will Will priya McDonald mAria iPhone"
    " API Xylofar xylofar Abcdefgh abcdefgh Abcdefghi Abcdefghijklmno Abcdefghijklmnop Abcdefghijklmnopq"
    " unaccountability characteristically Characteristically Internationalisations"
    " rigoberta Rigoberta ID Otieno".split()
) | st.text("abehlnorstyABEHLNORSTY", min_size=1, max_size=20)
SIGNS = st.sampled_from(
    [
        " ",
        " ",
        " ",
        ". ",
        ", ",
        "\n",
        "-",
        "'",
        "@",
        "_",
        "[",
        "`",
        "{",
        "~",
        "7",
        "\x00",
        "\x01",
        "\x7f",
        "  ",
    ]
)
TEXTS = st.tuples(
    st.sampled_from(["", " ", "@", "\n"]),
    st.lists(st.tuples(WORDS, SIGNS), min_size=1, max_size=40),
    st.sampled_from(["", "end", "End"]),
).map(lambda parts: parts[0] + "".join(itertools.chain(*parts[1])) + parts[2])  # fmt: skip


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short texts are looked through by the table too."""
    prepare(KNOWN)
    monkeypatch.setattr(chains, "_LONG", 1)


@LOOSE
@given(text=TEXTS)
def test_the_table_gives_what_the_sets_give(looked_up: None, text: str) -> None:
    """Whatever stands between words, however long they are, wherever the text ends."""
    assert candidates(text, KNOWN) == candidates(text, PLAIN)


def in_lines() -> Iterator[str]:
    """Every word of the lexicon in three forms, some hundreds a text."""
    words = [word for word in KNOWN.words if word.isascii()][::5]
    for form in (str.lower, str.capitalize, str.upper):
        for at in range(0, len(words), 2000):
            yield "\n".join(map(form, words[at : at + 2000]))


def test_every_word_is_known_to_the_table_as_to_the_lexicon(looked_up: None) -> None:
    """Those too that found their place taken."""
    for text in in_lines():
        assert candidates(text, KNOWN) == candidates(text, PLAIN)


def test_a_place_is_that_of_the_lower_rank_and_what_has_none_is_named() -> None:
    """Of more words than there are places, none is passed over in error."""
    words = sorted({"".join(letters) for letters in itertools.product("abcde", repeat=8)})
    table = WordTable(words, bytes(len(words)), [1] * len(words))
    named = table.standing_out(" ".join(words))
    assert 0 < len(named) < len(words)
    last = named[-1][0]
    ranked = WordTable(words, bytes(len(words)), [0 if word == last else 1 for word in words])
    assert ranked.standing_out(f"{last} {last.upper()} xx Xx") == [("Xx", 21)]


def test_marks_say_in_which_form_a_word_stands_out() -> None:
    """Small, with a capital, in both or in neither; an unknown word with a capital only."""
    table = WordTable(["one", "two", "six", "ten"], bytes([0, SMALL, CAPITAL, SMALL | CAPITAL]), [1] * 4)
    named = table.standing_out("one One two Two six Six ten Ten new New ")
    assert [word for word, _ in named] == ["two", "Six", "ten", "Ten", "New"]


@LOOSE
@given(text=TEXTS)
def test_foreign_signs_change_nothing(text: str) -> None:
    """A text without a foreign Latin letter is read as plain, with the words that the careful way finds."""
    plain = chains._plain(text)
    assert not plain or (
        len(plain) == len(text) and chains._LATIN.findall(plain) == chains._LATIN.findall(text)
    )


@pytest.mark.parametrize("code", [0xC0, 0xD6, 0xD8, 0xF6, 0xF8, 0x24F, 0x1E00, 0x1EFF, 0x300, 0x36F])
def test_a_foreign_latin_letter_is_seen(code: int) -> None:
    """The first and the last of each stretch of them."""
    assert chains._LATIN.fullmatch(chr(code))
    assert not chains._plain(f"Jos{chr(code)}")
