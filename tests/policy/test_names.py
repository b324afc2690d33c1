"""The names that a policy may use agree with the packages and tables that they come from."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from guard import residency
from guard.kinds import KINDS
from guard.policy import names


def package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def test_every_predefined_recognizer_of_presidio_is_known() -> None:
    """The list is that of the installed presidio-analyzer, split by whether a model or service is needed."""
    source = package("presidio_analyzer") / "predefined_recognizers" / "__init__.py"
    imported = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    exported = {name for name in imported if name.endswith("Recognizer")}
    assert set(names.PRESIDIO_RECOGNIZERS) | names.PRESIDIO_ENGINES == exported
    assert not set(names.PRESIDIO_RECOGNIZERS) & names.PRESIDIO_ENGINES


def test_what_presidio_finds_is_a_known_kind() -> None:
    """Every named recognizer finds a kind that a rule can name."""
    assert set(names.PRESIDIO_RECOGNIZERS.values()) <= KINDS


@pytest.mark.slow
def test_each_recognizer_finds_what_the_list_says() -> None:
    """The kinds of the list are those of the recognizers' own entities."""
    import presidio_analyzer.predefined_recognizers as predefined

    from guard.kinds import presidio_kind

    for name, kind in names.PRESIDIO_RECOGNIZERS.items():
        assert [presidio_kind(e) for e in getattr(predefined, name)().supported_entities] == [kind], name


def test_every_resource_of_the_sdk_is_guarded_or_can_be_allowed() -> None:
    """An endpoint is one that guard screens, or one that a policy can let pass by name."""
    found = {
        path.stem for path in (package("openai") / "resources").iterdir() if not path.stem.startswith("_")
    }
    screened = {"chat", "completions", "responses", "embeddings"}
    elsewhere = {"beta", "admin", "webhooks"}  # folders of other resources; verified on receipt, not called
    assert found - screened - elsewhere <= names.ENDPOINTS
    assert not screened & names.ENDPOINTS


def test_jurisdictions_are_those_of_the_hosts_table() -> None:
    """A group has the same countries here and where hosts are admitted."""
    for name in names.JURISDICTIONS:
        assert names.countries(name) == residency.countries(name)


@pytest.mark.parametrize(
    ("one", "two", "both"),
    [
        (("EEA", "CH"), ("EEA", "CH"), ("EEA", "CH")),
        (("EEA",), ("EU",), ("EU",)),
        (("EEA",), ("DE", "US"), ("DE",)),
        (("EU", "CH"), ("EFTA",), ("CH",)),
        (("UK",), ("GB",), ("UK", "GB")),
        (("US",), ("CN",), ()),
        (("EEA", "DE"), ("EEA",), ("EEA",)),
    ],
)
def test_intersections_keep_names_and_lose_no_country(
    one: tuple[str, ...], two: tuple[str, ...], both: tuple[str, ...]
) -> None:
    """Two lists intersect by their countries, written in their own names where these lie inside."""
    found = names.intersect(one, two)
    assert set(found) == set(both)
    inside = {c for name in one for c in names.countries(name)} & {
        c for name in two for c in names.countries(name)
    }
    assert {country for name in found for country in names.countries(name)} == inside


COVERS = [
    ("*", "pii.*", True),
    ("pii.*", "pii.c*", True),
    ("pii.*", "pii.*", True),
    ("pii.c*", "pii.*", False),
    ("pii.*", "pii.card", True),
    ("pii.card", "pii.card", True),
    ("pii.card", "pii.cards", False),
    ("pii.card", "pii.car*", False),
    ("pii.card", "pii.card*", False),
    ("pii.*", "pii.url", False),
    ("pii.url", "pii.url", True),
    ("*", "pii.url", False),
]


@pytest.mark.parametrize(("wide", "narrow", "expected"), COVERS)
def test_a_pattern_covers_what_it_matches_all_of(wide: str, narrow: str, expected: bool) -> None:
    """A full name covers itself, a wildcard all longer prefixes and names but those on request."""
    assert names.covers(wide, narrow) is expected


def test_there_are_249_countries() -> None:
    """ISO 3166-1 has 249 entries."""
    assert len(names.COUNTRIES) == 249
