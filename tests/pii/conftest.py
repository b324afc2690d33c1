# ruff: noqa: E501
"""What the scanner's tests share: a scanner for everything, its plain reference, and mixes of values and prose."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import strategies as st

from guard.pii.catalog import ROWS
from guard.pii.evasion import project
from guard.pii.hunt import Hunt
from guard.pii.roads import roads
from guard.pii.scan import Scanner
from guard.pii.view import View

Found = list[tuple[str, int, int, float]]

GLUE = [
    *" ,.-/_()+@\"':=?#\n\t", "", "  ", "   ", "    ", " - ", "。", "，", "是", "号码", "（", "）", "电话", "身份证", "密码", "0", "1",
    "7", "12", "x", "A", "ab", "the", "hello ", "USA ", "Московский ", "😊", "e\u0301", "\u200b", "\u202e", "\ufe0f", "\u00a0",
    "–", "\x1a", "１２", "٣", "\ud800", "phone ", "ssn ", "order ", "call me at ", "ext. 12", "x 123", "passport ", "id ",
    "-----BEGIN ", "PRIVATE KEY-----",
]  # fmt: skip


def values() -> list[str]:
    """Every value of the catalogue's tables."""
    tables = sorted(Path(__file__).parent.glob("*_cases.tsv"))
    table = "".join(table.read_text(encoding="utf-8") for table in tables).replace("\\n", "\n")
    return sorted(set(re.findall("⟦([^⟧]*)⟧", table)))


def mixes(size: int = 14) -> st.SearchStrategy[str]:
    """Texts in which values, words, digits, Hanzi and separators follow each other without order."""
    piece = st.one_of(st.sampled_from(values()), st.sampled_from(GLUE), st.sampled_from(GLUE))
    return st.lists(piece, max_size=size).map("".join)


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
    ready = roads(Scanner(kinds=frozenset(row.kind for row in ROWS)).rows)

    def find(text: str) -> Found:
        projection = project(text)
        if not projection.text:
            return []
        hunt = Hunt(View(text, projection, 0, projection.text), frozenset())
        for row in [*ready.gated, *ready.numbers, *ready.mail]:
            hunt.whole(row)
        for row in ready.after:
            hunt.after(row)
        return sorted({(kind, *projection.to_original(s, e), score) for kind, s, e, score in hunt.belonging()})

    return find
