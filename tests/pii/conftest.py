# ruff: noqa: E501
"""What the scanner's tests share: a scanner for everything, its plain reference, and mixes of values and prose."""

from __future__ import annotations

import base64
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import strategies as st

from guard.pii.catalog import ROWS
from guard.pii.evasion import project
from guard.pii.hunt import Hunt
from guard.pii.numbers import Candidate
from guard.pii.packing import packed_in
from guard.pii.readings import Readings
from guard.pii.roads import Roads
from guard.pii.scan import Scanner
from guard.pii.view import View

Found = list[tuple[str, int, int, float]]

GLUE = [
    *" ,.-/_()+@\"':=?#\n\t", "", "  ", "   ", "    ", " - ", "。", "，", "是", "号码", "（", "）", "电话", "身份证", "密码", "0", "1",
    "7", "12", "x", "A", "ab", "the", "hello ", "USA ", "Московский ", "😊", "e\u0301", "\u200b", "\u202e", "\ufe0f", "\u00a0",
    "–", "\x1a", "１２", "٣", "\ud800", "phone ", "ssn ", "order ", "call me at ", "ext. 12", "x 123", "passport ", "id ",
    "-----BEGIN ", "PRIVATE KEY-----", "&#64;", "&#", "&commat;", "&nbsp;", "64;", "%40", "%2", "%2E", "\\u0034", "\\u00", "\\n", "=40", "=3D",
    "=31=32", " at ", " dot ", "[at]", " (dot) ", "at", "dot", "com", "一", "三八", "零 ", "bWFyYUBoYXJib3IuaW8", "NTM2LTIyLTg0MjE=",
    "6d61726140686172626f722e696f", "mara at harbor dot io", "mara%40harbor%2Eio", "&#112;hone ",
]  # fmt: skip


def disguised(value: str, letters: random.Random) -> str:
    """A value with some of its characters spelled out, or packed whole."""
    if letters.random() < 0.2:
        return base64.b64encode(value.encode("utf-8", "surrogatepass")).decode("ascii")
    forms = ["{0}", "{0}", "{0}", "&#{1};", "&#x{1:x};", "%{1:02x}", "\\u{1:04x}", "={1:02X}"]
    return "".join(letters.choice(forms).format(c, ord(c)) if 32 < ord(c) < 127 else c for c in value)


def values() -> list[str]:
    """Every value of the catalogue's tables."""
    tables = sorted(Path(__file__).parent.glob("*_cases.tsv"))
    table = "".join(table.read_text(encoding="utf-8") for table in tables).replace("\\n", "\n")
    return sorted(set(re.findall("⟦([^⟧]*)⟧", table)))


def mixes(size: int = 14) -> st.SearchStrategy[str]:
    """Texts in which values, words, digits, Hanzi and separators follow each other without order."""
    known = values()
    value = st.integers(0, len(known) - 1).map(
        lambda at: known[at]
    )  # hypothesis writes out what it samples from
    hidden = st.builds(disguised, value, st.randoms(use_true_random=False))
    piece = st.one_of(value, st.sampled_from(GLUE), st.sampled_from(GLUE), hidden)
    return st.lists(piece, max_size=size).map("".join)


def calls(asked: Callable[[], object]) -> int:
    """How many functions are called: the same on every machine, unlike time."""
    count = 0

    def tell(frame: FrameType, event: str, arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(tell)
    try:
        asked()
    finally:
        sys.setprofile(before)
    return count


@pytest.fixture(scope="session", autouse=True)
def studied() -> Iterator[None]:
    """Each shape is studied when it is first seen, as else only what is seen often: so that is what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("guard.pii.roads._GLANCES", 0)
        yield


@pytest.fixture(scope="session")
def everything() -> Scanner:
    """A scanner of every kind, those on request too, that skips nothing."""
    return Scanner(kinds=frozenset(row.kind for row in ROWS), skip=())


@pytest.fixture(scope="session")
def mixed() -> st.SearchStrategy[str]:
    """The strategy of mixed texts."""
    return mixes()


@pytest.fixture(scope="session")
def long_mixed() -> st.SearchStrategy[str]:
    """The strategy of longer mixed texts."""
    return mixes(60)


@pytest.fixture(scope="session")
def samples() -> list[str]:
    """Every value of the catalogue's table."""
    return values()


@pytest.fixture(scope="session")
def plain() -> Callable[[str], Found]:
    """The reference: each pattern of the catalogue one by one over the whole projection, without gate or regions."""
    ready = Roads(Scanner(kinds=frozenset(row.kind for row in ROWS)).rows)
    for row in ready.gated:
        if row.search != row.match:
            row.search = row.match.__self__.search  # type: ignore[attr-defined]  # no automaton says where

    def find(text: str) -> Found:
        projection = project(text)
        if not projection.text:
            return []
        packed = list(packed_in(projection.text))
        beside = Readings(text, projection, 0, len(projection.text), spelled=True, packed=packed)
        plain = list(_each(ready, View(text, projection, 0, projection.text)))
        found = {(k, *projection.to_original(s, e), score) for k, s, e, score in beside.counting(plain)}
        for reading in beside.copies:
            copy = project(reading.text)
            for kind, s, e, score in _each(ready, View(reading.text, copy, 0, copy.text, reading.floor)):
                span = reading.back(*copy.to_original(s, e))
                found |= {(kind, beside.first + span[0], beside.first + span[1], score)} if span else set()
        return sorted(found)

    return find


def _each(ready: Roads, view: View) -> Iterator[Candidate]:
    """What each row finds in a view, one by one."""
    hunt = Hunt(view, frozenset())
    for row in [*ready.gated, *ready.numbers, *ready.mail]:
        hunt.whole(ready, row)
    hunt.seal()
    for index in range(len(ready.nations.rows)):
        hunt.whole(ready, ready.nations.ready(index))
    return iter(hunt.belonging())
