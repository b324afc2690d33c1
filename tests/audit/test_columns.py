"""Lines that are cut at their tabs: the rows of their JSON, whatever it says, and columns where SQL looks for them."""

from __future__ import annotations

import json
import random
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from guard.audit import parquet
from guard.audit.query import connect
from guard.trace import spans
from guard.trace.columns import encode
from guard.trace.spans import Recorder

VIEWS = ("spans", "decisions", "findings", "checks", "calls", "sent")
TEXTS = [
    "",
    "x",
    "张伟",
    "e\u0301",
    '"',
    "\\",
    "a\tb",
    "},",
    '"}},{"key":"guard.tenant"',
    " ",
    "\u2028",
    "9" * 60,
]
NAMES = [
    *spans.COLUMNS.names,
    "guard.check.detect",
    "guard.check.moderation",
    "other",
    "guard.checked",
    "guard.",
]


def value(draw: random.Random, *, plain: bool) -> Any:
    """A value of an attribute: what guard writes there, or anything that one can be."""
    if plain or draw.random() < 0.6:
        return draw.choice(
            ["input", "chat", "block", "answer", "moderation", str(draw.randrange(99)), draw.randrange(9)]
        )
    return draw.choice(
        [draw.choice(TEXTS), draw.random(), True, 2**70, [1, "a"], [], ["x", "}]"], None, float("nan"), -5]
    )


def lines(recorder: Recorder, draw: random.Random, count: int) -> list[bytes]:
    """Spans with any attributes in any order, findings and other events, parents and links."""
    made: list[bytes] = []
    parent = None
    for _ in range(count):
        plain = draw.random() < 0.7
        names = draw.sample(NAMES, draw.randrange(len(NAMES)))
        span = recorder.start(
            draw.choice(["guard.screen", "guard.screen", "chat x", "y" if plain else '"y\\']),
            kind=draw.choice(["client", "internal"]),
            parent=parent,
            links=[parent.context] if parent and draw.random() < 0.2 else [],
            attributes={name: value(draw, plain=plain) for name in names},
            prepared=encode({"p": 1, spans.POLICY_NAME: "p"}) if spans.POLICY_NAME not in names else None,
        )
        span.set(spans.STAGE, draw.choice(["input", "input", "output"]))
        if draw.random() < 0.6:  # a call that went out
            span.set_all(
                {spans.RESIDENCY_HOST: "h", spans.ENFORCED: "redact", spans.RESIDENCY_DECISION: "admitted"}
            )
            span.set_all({spans.OPERATION: None, spans.ERROR_TYPE: None})
        for _ in range(draw.randrange(4)):
            found = draw.sample(spans.FINDING_COLUMNS.names, draw.randrange(14))
            told = {name: value(draw, plain=plain) for name in found}
            told |= (
                {"subjects": draw.choice([["s"], ["s", ""], [], ["a", "b"]])} if draw.random() < 0.5 else {}
            )
            told |= {"more": 1} if draw.random() < 0.2 else {}
            span.event(draw.choice(["guard.finding", "guard.finding", "guard.attempt"]), told)
        if draw.random() < 0.2:
            span.error("x")
        made.append(span.end())
        parent = draw.choice([span, None])
    return made


def rows(folder: Path, view: str) -> list[str]:
    """All rows of a view, with JSON as what it says and not as it is spelled."""
    with closing(connect(folder, plain=True)) as connection:
        found = connection.execute(f"SELECT * FROM {view}").fetchall()
    return sorted(json.dumps([meant(cell) for cell in row], default=str) for row in found)


def meant(cell: Any) -> Any:
    """A list of JSON (events) as values; anything else as it is."""
    if isinstance(cell, list) and cell and all(isinstance(one, str) and one.startswith("{") for one in cell):
        return [json.loads(one) for one in cell]
    return cell


def write(folder: Path, written: list[bytes]) -> Path:
    """An export of these lines."""
    folder.mkdir()
    (folder / "traces-1.jsonl").write_bytes(b"".join(line + b"\n" for line in written))
    return folder


@pytest.mark.parametrize("seed", range(4))
def test_a_line_cut_at_its_tabs_gives_the_rows_of_its_json(tmp_path: Path, seed: int) -> None:
    """Any attributes, in any order, of any kind: every view has the same rows of the same lines without a tab."""
    draw = random.Random(seed)
    written = lines(Recorder(), draw, 120)
    cut = write(tmp_path / "cut", written)
    other = write(tmp_path / "json", [line.replace(b"\t", b"") for line in written])
    with closing(connect(cut, plain=True)) as connection:
        told = "SELECT count(cells), count(*) FROM otlp_spans('lines')"
        assert connection.execute(told).fetchall() == [(sum(b"\\" not in line for line in written), 120)]
    for view in VIEWS:
        found = rows(cut, view)
        assert found == rows(other, view), view
        assert len(found) > 5, view


def test_columns_stand_where_the_views_look_for_them() -> None:
    """A new column moves those behind it: SQL counts them, and tells lines of another layout by their tabs."""
    sql = parquet.views()
    head = "traceId spanId parentSpanId name kind startTimeUnixNano endTimeUnixNano status flags".split()
    first = 1 + len(head) + 1
    columns = {name: number for number, name in enumerate(spans.COLUMNS.names, first)}
    told = re.findall(r"otlp_(?:text|number)\(cells, (\d+), keys, texts, '([^']+)'\)", sql)
    assert {name: int(number) for number, name in told} == columns
    checks = first + len(columns)
    assert f"cells[{checks}]" in sql
    least, finding = checks + 2, spans.FINDING_COLUMNS.tabs
    assert f"len(cells) >= {least} AND (len(cells) - {least}) % {finding} = 0" in sql
    assert sql.count(f"range({least}, len(cells), {finding})") == 2
    places = re.findall(r"otlp_\w+\(cells, place(?: \+ (\d+))?, keys, texts, '([^']+)'\)", sql)
    assert {(int(place or 0), name) for place, name in places} == set(enumerate(spans.FINDING_COLUMNS.names))
    line = Recorder().start("x").end().split(b"\t")
    assert len(line) == least
    assert [re.match(rb'"(\w+)"|', cell)[1] for cell in line[1 : len(head) + 1]] == [  # type: ignore[index]
        None if name == "parentSpanId" else name.encode() for name in head
    ]


DAMAGE = [
    (b'"parentSpanId"', b'"parentSpanId'),
    (b'{"key":"guard.tenant"', b'{"key":"guard.tenant'),
    (b'"events":[{', b'"events":[{{'),
    (b'{"key":"guard.check.detect"', b'{{"key":"guard.check.detect"'),
    (b'{"key":"kind"', b"]"),
    (b'{"key":"subjects"', b"{"),
    (b"}]\t}]}]}]}", b"}]\t}]}]}"),
    (b"\t", b""),
]


def test_damaged_lines_stop_no_question(tmp_path: Path) -> None:
    """Of a line whose JSON is broken somewhere there is a row or none; the others are all there, in every view."""
    recorder = Recorder()
    parent = recorder.start("guard.screen", attributes={spans.STAGE: "input", "guard.check.detect": "ran"})
    span = recorder.start("guard.screen", parent=parent, attributes={spans.STAGE: "input", spans.TENANT: "t"})
    span.set("guard.check.detect", "ran")
    span.event("guard.finding", {"kind": "pii.email", "count": 1, "subjects": ["s"]})
    whole, bad = parent.end(), span.end()
    assert all(old in bad for old, _ in DAMAGE)
    folder = write(tmp_path / "exports", [whole, *(bad.replace(*change, 1) for change in DAMAGE), whole])
    for view in VIEWS:
        rows(folder, view)
    with closing(connect(folder, plain=True)) as connection:
        told = f"SELECT count(*) FROM spans WHERE span_id = '{parent.span_id}' AND attrs['guard.stage'] = 'input'"
        assert connection.execute(told).fetchall() == [(2,)]
