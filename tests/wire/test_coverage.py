"""The coverage table is complete, and its page explains every word of it."""

from __future__ import annotations

from pathlib import Path

from guard.wire.coverage import OTHER, Row, coverage
from guard.wire.openai import ANSWERS, REQUESTS

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"


def test_the_table_has_at_least_sixty_positions_in_both_directions() -> None:
    """The figure of the project's issue: at least 60 positions over 4 APIs and 2 directions."""
    rows = coverage()
    places = {row for row in rows if "screened" in row.treatment or "refused" in row.treatment}
    assert len(places) >= 60
    assert len({row.endpoint for row in places}) >= 4
    assert {row.direction for row in rows} == {"request", "answer", "stream"}


def test_each_row_stands_once() -> None:
    """Endpoint, direction, place and treatment together are unique; tables of kinds are listed once."""
    rows = coverage()
    assert len(rows) == len(set(rows))


def test_every_body_says_what_becomes_of_other_fields() -> None:
    """Default-deny is part of the table: requests refuse, answers and streams screen."""
    rest = {(r.endpoint, r.direction): r.treatment for r in coverage() if r.path == OTHER}
    for name in REQUESTS:
        assert rest[name, "request"] == "refused: guard.opaque.field"
        assert rest[name, "answer"] == "screened, rewritten"
    assert {name for name, direction in rest if direction == "stream"} == {"chat", "completions", "responses"}
    assert set(REQUESTS) == set(ANSWERS)


def test_the_table_names_known_places() -> None:
    """A few places that everyone asks about stand in the table as the map has them."""
    rows = set(coverage())
    lane = "screened, rewritten; in a stream on its lane"
    assert Row("chat", "request", "messages[*](assistant).content", "screened, rewritten") in rows
    assert Row("chat", "request", "part(image_url).image_url.url", "refused: guard.opaque.image") in rows
    assert Row("chat", "request", "metadata.**", "screened, rewritten") in rows
    assert Row("chat", "answer", "choices[*].logprobs", "dropped when its text changes") in rows
    assert Row("chat", "stream", "choices[*].delta.content", lane) in rows
    assert Row("responses", "request", "part(output_text).text", "screened, rewritten") in rows
    assert Row("responses", "answer", "part(output_text).text", lane) in rows
    assert Row("responses", "stream", "response.output_text.delta.delta", lane) in rows
    assert Row("responses", "stream", "response.completed.response", "as the answer") in rows


def test_the_page_explains_every_treatment_and_endpoint() -> None:
    """Docs are held by tests: every word of the table stands on the page."""
    page = PAGE.read_text(encoding="utf-8")
    for row in coverage():
        base, _, lane = row.treatment.partition(" (endpoints:")[0].partition("; in a stream")
        words = base.replace("guard.opaque.audio", "guard.opaque.image").replace(
            "guard.opaque.file", "guard.opaque.image"
        )
        assert words in page, row.treatment
        assert not lane or "…; in a stream on its lane" in page
        assert f"`{row.endpoint}`" in page
