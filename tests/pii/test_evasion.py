# ruff: noqa: E501
"""The projection: one ASCII byte a kept code point, and the exact way back."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.pii.evasion import project
from guard.pii.folding import DELETED, OTHER, fold
from guard.pii.folds import RUNS
from guard.pii.scan import Scanner

ANY = st.text(st.characters(codec=None), max_size=80)
HIDDEN = "\u200b\u200d\u2060\ufeff\u00ad\u202e\u0301\ufe0f"


@given(ANY)
def test_one_byte_a_kept_code_point(text: str) -> None:
    """Each byte is the fold of the code point it maps back to; what has no byte was deleted."""
    projection = project(text)
    kept = [projection.to_original(i, i + 1)[0] for i in range(len(projection.text))]
    assert kept == sorted(set(kept))
    for offset, byte in zip(kept, projection.text, strict=True):
        assert len(text[offset]) == 1
        assert chr(byte) == _fold(text[offset])
    assert all(_fold(char) == DELETED for offset, char in enumerate(text) if offset not in set(kept))


def _fold(char: str) -> str:
    """The shipped fold of a code point."""
    for start, targets in RUNS:
        if start <= ord(char) < start + len(targets):
            return targets[ord(char) - start]
    return char if char.isascii() else OTHER


@given(ANY)
def test_a_stretch_maps_to_its_first_and_last_character(text: str) -> None:
    """Offsets in the original refer to code points, whatever vanished between."""
    projection = project(text)
    size = len(projection.text)
    for start in range(size):
        for end in range(start + 1, min(size, start + 4) + 1):
            low, high = projection.to_original(start, end)
            assert low == projection.to_original(start, start + 1)[0]
            assert high == projection.to_original(end - 1, end)[1]


@given(ANY)
def test_positions_and_places_are_inverse(text: str) -> None:
    """A position's place leads back to the position."""
    projection = project(text)
    for position in range(len(projection.text) + 1):
        assert projection.position(projection.place(position)) == position


@given(st.text(st.characters(codec="ascii")))
def test_ascii_is_its_own_projection(text: str) -> None:
    """The common case costs nothing and changes nothing."""
    projection = project(text)
    assert projection.text == text.encode()
    assert projection.kept is None


def test_the_shipped_table_is_what_the_rules_say() -> None:
    """Every fold of the file follows from the rules on this Python's Unicode data."""
    for start, targets in RUNS:
        for offset, target in enumerate(targets):
            assert fold(chr(start + offset)) == target, hex(start + offset)


def test_every_decimal_digit_folds_to_itself() -> None:
    """B03: all digit sets of Unicode 14 and before."""
    for code in range(0x80, 0x20000):
        digit = unicodedata.decimal(chr(code), None)
        if digit is not None and _fold(chr(code)) != OTHER:
            assert _fold(chr(code)) == str(digit), hex(code)
    for zero in "٠۰०০๐０𝟎᠐":
        assert project("".join(chr(ord(zero) + n) for n in range(10))).text == b"0123456789"


def test_dashes_spaces_and_stops() -> None:
    """B04: what looks like a separator is one."""
    assert project("–—‑−‐－﹣").text == b"-------"
    assert project("\u00a0\u2003\u3000\u202f").text == b"    "
    assert project("．。·•").text == b"...."


def test_letters_with_accents_and_look_alikes() -> None:
    """B06: an accent is dropped, a look-alike is the letter it looks like; Hanzi and emoji stand apart."""
    assert project("éÅñüøß").text == b"eAnuos"
    assert project("аеорсху").text == b"aeopcxy"
    assert project("ΑΒΕ").text == b"ABE"
    assert project("e\u0301").text == b"e"
    assert project("中😊한").text == b"\x1a\x1a\x1a"


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_value_is_found_at_its_place_in_any_surroundings(data: st.DataObject) -> None:
    """B29: emoji, combining marks, right-to-left text and expanding characters before a value do not move it."""
    before = data.draw(
        st.text(st.sampled_from("😊👩‍👩‍👧e\u0301\u202eשלום مرحبا㍘ﬁﬃ½①Ⅷ中文\u200b \n"), max_size=30)
    )
    after = data.draw(st.text(st.sampled_from("😊\u0301ש\u202c中 \n"), max_size=10))
    value, kind = data.draw(
        st.sampled_from(
            [("4104332181960018", "pii.card"), ("mara.lindt@harbor-labs.com", "pii.email"), ("536-22-8421", "pii.us.ssn"),
             ("DE05763116566701065133", "pii.iban"), ("13812345678", "pii.phone"), ("110105198503123221", "pii.cn.resident_id")]
        )
    )  # fmt: skip
    hidden = (
        "".join(char + data.draw(st.sampled_from(["", "", "", *HIDDEN])) for char in value[:-1]) + value[-1]
    )
    text = f"{before} {hidden}中{after}"
    start = len(before) + 1
    assert (kind, start, start + len(hidden)) in {(f.kind, f.start, f.end) for f in Scanner().scan(text)}
