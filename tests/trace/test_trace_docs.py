"""docs/trace.md is held to the code: every name is explained, none that is gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guard.audit.query import QUESTIONS, VIEWS
from guard.trace import spans

_WHOLE = (Path(__file__).parents[2] / "docs" / "trace.md").read_text()
COLUMNS = _WHOLE[_WHOLE.index("## A line has columns") : _WHOLE.index("## Spans")]
PAGE = _WHOLE.replace(COLUMNS, "")
NAMES = {value for name, value in vars(spans).items() if name.isupper() and isinstance(value, str)}


@pytest.mark.parametrize("name", sorted(NAMES | {*QUESTIONS, *VIEWS}))
def test_every_name_is_explained(name: str) -> None:
    """Spans, attributes, event attributes, views and questions stand on the page."""
    assert re.search(rf"`{re.escape(name)}(?:[<`]| )", PAGE)


def test_no_attribute_is_explained_that_is_not_written() -> None:
    """Names with a dot that the page gives to attributes are constants of spans.py."""
    told = set(re.findall(r"`((?:gen_ai|openai|server|guard)\.[a-z0-9_.]+?)\.?(?:<[a-z]+>)?`", PAGE))
    known = {name.rstrip(".") for name in NAMES} | {"guard.unavailable.record"}
    assert told <= known


def test_the_columns_of_a_line_are_the_ones_that_it_has() -> None:
    """Each number of the page is the place behind that many tabs."""
    told: dict[str, int] = {}
    for first, last, names in re.findall(r"^\| (\d+)(?: to (\d+))? \| (.*) \|$", COLUMNS, re.MULTILINE):
        listed = re.findall(r"`([\w.*]+)`", names.partition("; ")[0])
        assert not last or len(listed) == int(last) - int(first) + 1
        told |= {name: int(first) + at for at, name in enumerate(listed)}
    span = spans.Recorder().start(
        "n", parent=spans.Recorder().start("p"), attributes={"guard.check.x": "ran"}
    )
    columns = (spans.COLUMNS.names, spans.FINDING_COLUMNS.names)
    span.set_all(dict.fromkeys(columns[0], 1))
    span.event("guard.finding", dict.fromkeys(columns[1], 1))
    cells = span.end().decode().split("\t")
    found = {
        name: number
        for number, cell in enumerate(cells, 1)
        for name in re.findall(r'^(?:\{"key":)?"([\w.]+)"', cell)
        if name != "flags"
    }
    assert told == {
        **{name: at for name, at in found.items() if name != "guard.check.x"},
        "guard.check.*": 42,
    }
    assert found["guard.check.x"] == 42
