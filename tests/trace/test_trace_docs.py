"""docs/trace.md is held to the code: every name is explained, none that is gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guard.audit.query import QUESTIONS, VIEWS
from guard.trace import spans

PAGE = (Path(__file__).parents[2] / "docs" / "trace.md").read_text()
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
