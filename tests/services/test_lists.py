"""Deny lists and allow lists in the detector: by tenant, at any length, beside every other source."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from guard.pii.resolve import resolve
from guard.services.detector import Detector
from guard.services.lists import Lists
from guard.types import Finding

pytestmark = pytest.mark.anyio


class Listed(NamedTuple):
    name: str
    deny: str
    words: tuple[str, ...]
    tenants: tuple[str, ...] = ()


class Own(NamedTuple):
    name: str
    pattern: str
    kind: str
    score: float


LISTS = (
    Listed("house", "pii.house", ("Nightjar", "Łódź works")),
    Listed("acme", "pii.acme.project", ("Blue Heron", "蓝鹭计划"), ("acme",)),
    Listed("known", "", ("help@harbor.io", "BADGE-77", "+44 20 7946 0959"), ("acme", "beta")),
    Listed("fine", "", ("Nightjar",), ("beta",)),
)


@pytest.fixture(scope="module")
def detector() -> Iterator[Detector]:
    """Lists beside the catalogue, an own pattern and Presidio."""
    made = Detector(
        scanner_args={"kinds": None, "countries": None, "skip": ()},
        presidio=("EmailRecognizer",),
        presidio_deadline_s=30,
        custom=(Own("badge", r"BADGE-\d+", "pii.badge", 0.8),),
        lists=LISTS,
        deadline_s=30,
    )
    made.start()
    made.wait()
    yield made
    made.close()


def found(detector: Detector, text: str, tenant: str) -> list[tuple[str, str, str]]:
    return [(f.kind, text[f.start : f.end], f.source) for f in detector.detect_sync([text], tenant)[0]]


DENIED = [
    ("we fund nightjar now", "other", [("pii.house", "nightjar", "list:house")]),
    ("we fund NIGHTJAR now", "acme", [("pii.house", "NIGHTJAR", "list:house")]),
    ("the Lodz Works", "other", [("pii.house", "Lodz Works", "list:house")]),
    ("our BLUE HERON", "acme", [("pii.acme.project", "BLUE HERON", "list:acme")]),
    ("我们的蓝鹭计划很好", "acme", [("pii.acme.project", "蓝鹭计划", "list:acme")]),
    ("our Ｂｌｕｅ Ｈéｒｏｎ", "acme", [("pii.acme.project", "Ｂｌｕｅ Ｈéｒｏｎ", "list:acme")]),
    ("our blue heron, 我们的蓝鹭计划", "other", []),
    ("our blue heron, 我们的蓝鹭计划", "default", []),
    ("our blue heron, 我们的蓝鹭计划", "beta", []),
    ("nightjars are birds", "other", []),
]


@pytest.mark.parametrize("filler", [0, 40_000])
@pytest.mark.parametrize(("text", "tenant", "expected"), DENIED)
def test_a_denied_term_is_found_for_its_tenants_alone(
    detector: Detector, text: str, tenant: str, expected: list[tuple[str, str, str]], filler: int
) -> None:
    """E04: case, width and accents make no difference; neither does the length, nor that nothing else is there."""
    assert found(detector, text + " and so on" * (filler // 10), tenant) == expected


def test_texts_in_which_nothing_else_is_are_looked_at() -> None:
    """One look that shows the catalogue that there is nothing does not hide a term."""
    made = Detector(
        scanner_args={"kinds": frozenset({"pii.card"}), "countries": None, "skip": ()}, lists=LISTS
    )
    assert made._silent("our blue heron\n\nplain")
    assert [[f.kind for f in row] for row in made.detect_sync(["our blue heron", "plain"], "acme")] == [
        ["pii.acme.project"],
        [],
    ]
    made.close()


async def test_several_texts_and_both_doors_agree(detector: Detector) -> None:
    texts = ["our Blue Heron", "", "plain", "Nightjar and jo@corp.io"]
    for tenant in ("acme", "other"):
        assert await detector.detect(texts, tenant) == detector.detect_sync(texts, tenant)
    assert [len(row) for row in detector.detect_sync(texts, "acme")] == [1, 0, 0, 2]
    assert [len(row) for row in detector.detect_sync(texts)] == [0, 0, 0, 2]


@pytest.mark.parametrize("filler", [0, 40_000])
def test_an_allowed_value_is_no_finding_for_its_tenants(detector: Detector, filler: int) -> None:
    """From whatever source; a value that only holds an allowed one stays, and so does everything for others."""
    text = "Help@Harbor.io, mara.help@harbor.io, BADGE-77, BADGE-770, Nightjar" + " and so on" * (
        filler // 10
    )
    values = ["Help@Harbor.io", "mara.help@harbor.io", "BADGE-77", "BADGE-770", "Nightjar"]
    assert [value for _, value, _ in found(detector, text, "other")] == values
    assert [value for _, value, _ in found(detector, text, "acme")] == [values[1], values[3], values[4]]
    assert [value for _, value, _ in found(detector, text, "beta")] == [values[1], values[3]]


def test_a_check_that_could_not_run_is_never_spared(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 1: neither a failing list nor an allow list leaves a text unchecked."""

    def crash(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("guard.services.lists.denied", crash)
    (findings,) = detector.detect_sync(["plain"], "acme")
    assert [f.kind for f in findings] == ["guard.unavailable.detect"]
    unavailable = [Finding("guard.unavailable.detect", 0, 0, 1.0, "guard")]
    assert Lists(LISTS).of("beta").spared("Nightjar", unavailable) == unavailable


def test_a_denied_term_in_a_longer_value_names_it() -> None:
    """A rule for the denied kind holds though an address is around the term; a key stays a key."""

    def kinds(*rows: tuple[str, int, int, str]) -> list[tuple[str, int, int]]:
        return [
            (f.kind, f.start, f.end) for f in resolve(Finding(k, s, e, 0.9, src) for k, s, e, src in rows)
        ]

    listed = ("pii.house", 4, 8, "list:house")
    assert kinds(("pii.email", 0, 20, "pattern"), listed) == [("pii.house", 0, 20)]
    assert kinds(("secret.env", 0, 20, "pattern"), listed) == [("secret.env", 0, 20)]
    assert kinds(("secret.env", 5, 7, "pattern"), listed) == [("secret.env", 4, 8)]
    assert kinds(("pii.card", 5, 7, "pattern"), listed) == [("pii.house", 4, 8)]


@pytest.mark.slow
def test_a_hundred_thousand_terms_cost_a_text_little() -> None:
    """E04: a hundred times the terms take a few times as long on one text, at most."""
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=9)) + " plan" for _ in range(100_000)]
    text = "the quick brown fox jumps over the lazy dog and the plan of it. " * 1500
    few, many = (Lists([Listed("l", "pii.l", tuple(words[:n]))]).of("") for n in (1_000, 100_000))

    def seconds(lists: object) -> float:
        times = []
        for _ in range(5):
            began = time.process_time()
            assert lists.denied(text) == []  # type: ignore[attr-defined]
            times.append(time.process_time() - began)
        return min(times)

    assert seconds(many) <= 6 * max(seconds(few), 1e-4)
