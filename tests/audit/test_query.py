"""The auditor's views and questions over exports that the real recorder and ledger wrote."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from guard.audit.query import QUESTIONS, VIEWS, QueryError, Table, bound, connect, run
from guard.audit.questions import inside, moment
from guard.trace import records, spans
from guard.trace.ledger import Ledger
from guard.trace.signing import Signer
from guard.trace.spans import Recorder, Span, finding_events
from guard.types import Action, Admission, Decision, Finding, Place, Receipt, Receipts, Stage, Verdict

POLICY = {spans.POLICY_NAME: "eu", spans.POLICY_VERSION: "2026.1", spans.POLICY_SHA256: "ab" * 32}
EU = Admission(True, "eu.api.openai.com", "EEA+CH", place=Place(("EEA", "CH"), ("EEA", "CH")), source="table")
GLOBAL = Admission(True, "api.openai.com", "GLOBAL", place=Place(("GLOBAL",), ("GLOBAL",)), source="table")
US = Admission(False, "us.api.openai.com", "US", place=Place(("US",), ("US",)), code="egress.jurisdiction")


class Gateway:
    """Write the spans of exchanges as the mounts do: intent, call, moderation."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.recorder = Recorder()

    def intent(
        self, admission: Admission | None, *, action: Action = Action.ALLOW, tenant: str = "acme", **more: Any
    ) -> Span:
        span = self.recorder.start(spans.SCREEN, attributes=POLICY)
        finding = Finding("pii.email", 3, 9, 0.9, "pattern", "messages[0].content")
        decision = Decision(finding, action, action, "pii.*", "eu.yaml:7")
        receipts = Receipts()
        receipts.note("detect", more.get("detect", Receipt.RAN))
        span.set_all(
            records.screen_attributes(
                Verdict(Stage.INPUT, action, action, (decision,)),
                endpoint="chat",
                screened_bytes=more.get("screened", 100),
                forwarded_bytes=0 if action is Action.BLOCK else 120,
                receipts=receipts,
                admission=admission,
            )
        )
        span.set_all({spans.TENANT: tenant, spans.USER: "u" * 32, spans.EXCHANGE: span.span_id})
        for name, attributes in finding_events(
            Verdict(Stage.INPUT, action, action, (decision,)), lambda _: "5" * 32
        ):
            span.event(name, attributes)
        if action is Action.BLOCK:
            span.error("pii.email")
        elif admission is not None and not admission.allowed:
            span.error("egress.jurisdiction")
        self.ledger.append(span.end())
        return span

    def call(self, intent: Span, action: Action = Action.ALLOW, error: str = "", response: str = "") -> None:
        body = {
            "id": response or None,
            "model": "gpt-x",
            "choices": [{"finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3},
        }
        span = self.recorder.start("chat gpt-x", kind="client", parent=intent, attributes=POLICY)
        span.set_all({spans.OPERATION: "chat", spans.REQUEST_MODEL: "gpt-x", spans.TENANT: "acme"})
        span.set_all(records.outcome_attributes(Verdict(Stage.OUTPUT, action, action), body, Receipts()))
        if error:
            span.error(error)
        self.ledger.append(span.end())

    def moderate(self, admission: Admission, parent: Span) -> None:
        span = self.recorder.start("moderation omni-moderation-latest", kind="client", parent=parent)
        span.set_all(
            {spans.OPERATION: "moderation", spans.SERVER_ADDRESS: admission.host, spans.TENANT: "acme"}
        )
        span.set_all(records.residency_attributes(admission))
        span.set_all(records.score_attributes([{"violence": 0.9}, {"violence": 0.1}]))
        self.ledger.append(span.end())


@pytest.fixture
def exports(folder: Path, signer: Signer) -> Path:
    """One exchange of every kind."""
    ledger = Ledger(folder, signer=signer)
    gateway = Gateway(ledger)
    answered = gateway.intent(EU)
    gateway.call(answered)
    gateway.moderate(GLOBAL, answered)
    gateway.call(gateway.intent(GLOBAL), Action.BLOCK, "moderation.violence")
    gateway.call(gateway.intent(GLOBAL, tenant="other"), Action.ALLOW, "APIConnectionError")
    gateway.intent(GLOBAL, detect=Receipt.FAILED_OPEN, screened=0)
    gateway.intent(EU, action=Action.BLOCK)
    gateway.intent(US)
    gateway.intent(None)
    orphan = gateway.recorder.start("outer")
    gateway.call(orphan)
    ledger.append(records.lifecycle(gateway.recorder, spans.START, POLICY))
    for version in ("1", "1", "2"):
        loaded = {**POLICY, spans.POLICY_SHA256: version, spans.POLICY_VERSION: version}
        ledger.append(records.lifecycle(gateway.recorder, spans.POLICY_LOADED, loaded))
    ledger.close()
    return folder


def column(table: Table, name: str) -> list[Any]:
    at = table.columns.index(name)
    return [row[at] for row in table.rows]


def test_every_call_has_its_outcome(exports: Path) -> None:
    """Refused, answered, blocked, failed, unknown; a screened request that calls no model is no call."""
    table = run(exports, "SELECT purpose, outcome, count(*) AS n FROM calls GROUP BY ALL ORDER BY ALL")
    assert table.rows == [
        ("model", "answered", 2),
        ("model", "blocked", 1),
        ("model", "failed", 1),
        ("model", "refused", 2),
        ("model", "unknown", 1),
        ("moderation", "answered", 1),
    ]


def test_left_region_tells_moderation_calls_too_and_no_refused_ones(exports: Path) -> None:
    """What went to GLOBAL left the EEA and Switzerland; a refused call did not leave; an unplaced one may have."""
    table = run(exports, "left-region", {"region": "EEA"})
    hosts = set(column(table, "host"))
    assert "us.api.openai.com" not in hosts
    assert ("moderation", "api.openai.com") in zip(
        column(table, "purpose"), column(table, "host"), strict=True
    )
    assert "unknown" in column(table, "outcome")
    assert "EEA+CH" in column(table, "jurisdiction"), "Switzerland is not in the EEA"


def test_left_region_knows_groups(exports: Path) -> None:
    """DE lies in the EU, the EU in the EEA; the EEA does not lie in the EU."""
    assert {"DE", "EU", "EEA", "NO"} <= set(inside("EEA"))
    assert "EEA" not in inside("EU")
    assert inside("us") == ["US"]


EXPECTED: dict[str, tuple[dict[str, str], int]] = {
    "left-region": ({"region": "EU"}, 6),
    "blocked": ({"rule": "pii.*"}, 1),
    "failed-open": ({}, 1),
    "failed-closed": ({}, 0),
    "unknown-outcome": ({}, 1),
    "without-intent": ({}, 1),
    "findings-by-kind": ({}, 2),
    "who-used-which-model": ({}, 4),
    "subject": ({"subject": "5" * 32}, 7),
    "residency-refusals": ({}, 1),
    "policy-versions": ({}, 1),
    "unscreened-bytes": ({}, 1),
    "latency": ({}, 4),
    "checks": ({}, 2),
    "exchange": ({"trace": "0" * 32}, 0),
    "transfers": ({}, 2),
    "recipients": ({}, 4),
    "data-categories": ({}, 2),
    "findings-by-day": ({}, 2),
    "blocked-by-rule": ({}, 1),
    "observed-only": ({}, 0),
    "observe-report": ({}, 3),
    "waived": ({}, 0),
    "policy-changes": ({}, 2),
    "life": ({}, 4),
    "log-reads": ({}, 0),
    "reveals": ({}, 0),
    "gaps": ({}, 0),
    "ended-badly": ({}, 1),
    "subject-access": ({"subject": "5" * 32}, 5),
    "cost": ({}, 3),
    "cost-by-route": ({}, 3),
    "errors": ({}, 4),
    "slowest": ({"top": "3"}, 3),
    "outcomes-by-day": ({}, 6),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_has_its_answer(exports: Path, name: str) -> None:
    """Each named question, on an export with one exchange of every kind."""
    parameters, rows = EXPECTED[name]
    table = run(exports, name, parameters)
    assert len(table.rows) == rows, table.rows


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_takes_time_and_tenant(exports: Path, name: str) -> None:
    """`since`, `until` and `tenant` narrow every answer."""
    question, parameters = QUESTIONS[name], EXPECTED[name][0]
    with closing(connect(exports, plain=True)) as connection:
        for narrow in ({"until": "2020-01-01"}, {"tenant": "nobody"}):
            values = bound(question, {**parameters, **narrow})
            assert connection.execute(question.sql, values).fetchall() == []


def test_an_exchange_tells_its_spans(exports: Path) -> None:
    """Intent, call and moderation of one trace, in order."""
    trace_id = column(run(exports, "SELECT trace_id FROM calls WHERE purpose = 'moderation'"), "trace_id")[0]
    names = column(run(exports, "exchange", {"trace": trace_id}), "name")
    assert names == ["guard.screen", "chat gpt-x", "moderation omni-moderation-latest"]


def test_ids_are_taken_as_they_were_copied(exports: Path) -> None:
    """Bad input: the end of a line of CSV, capitals; a trace id that is none is told, not looked for in vain."""
    trace = column(run(exports, "SELECT min(trace_id) AS t FROM calls"), "t")[0]
    whole = run(exports, "exchange", {"trace": trace}).rows
    assert whole
    assert run(exports, "exchange", {"trace": f" {trace.upper()}\r"}).rows == whole
    with pytest.raises(QueryError, match="32 hex digits"):
        run(exports, "exchange", {"trace": trace[:-1]})
    [(subject,)] = run(exports, "SELECT max(subjects[1]) FROM findings").rows
    for name in ("subject", "subject-access"):
        assert (
            run(exports, name, {"subject": f"{subject}\r\n"}).rows
            == run(exports, name, {"subject": subject}).rows
        )


def test_findings_have_typed_arrays(exports: Path) -> None:
    """Scores are numbers, offsets are integers, subjects are texts."""
    table = run(exports, "SELECT scores, starts, ends, subjects, truncated, origin FROM findings LIMIT 1")
    assert table.rows == [([0.9], [3], [9], ["5" * 32], False, "eu.yaml:7")]


def test_all_scores_of_a_moderation_call_can_be_asked(exports: Path) -> None:
    """An array attribute is a JSON text in the map."""
    sql = "SELECT attrs['guard.moderation.score.violence']::JSON::DOUBLE[] FROM spans WHERE name LIKE 'moderation%'"
    assert run(exports, sql).rows == [([0.9, 0.1],)]


def test_guards_own_life_can_be_asked(exports: Path) -> None:
    """A start is a span like any other."""
    sql = "SELECT name, attrs['guard.policy.name'], resource['service.name'] FROM spans WHERE name = 'guard.start'"
    assert run(exports, sql).rows == [("guard.start", "eu", "guard")]


def test_an_empty_folder_gives_empty_answers(tmp_path: Path) -> None:
    """Bad input: nothing was recorded yet."""
    for name, (parameters, _) in EXPECTED.items():
        assert run(tmp_path, name, parameters).rows == []
    with pytest.raises(QueryError, match="no folder"):
        run(tmp_path / "none", "checks")


def test_a_torn_line_and_foreign_files_spoil_no_answer(exports: Path) -> None:
    """Bad input: the end of a killed process's file, other JSON, no JSON, repeated keys."""
    before = run(exports, "checks").rows
    [path] = exports.glob("*.jsonl")
    with path.open("ab") as file:
        file.write(path.read_bytes()[:500])
    twice = [{"key": "guard.stage", "value": {"stringValue": "x"}}] * 2
    foreign = [
        {},
        5,
        "x",
        {"resourceSpans": 7},
        {
            "resourceSpans": [
                {
                    "scopeSpans": [
                        {
                            "spans": [
                                {"attributes": twice},
                                {"attributes": 5, "events": 5, "startTimeUnixNano": "x"},
                            ]
                        }
                    ]
                }
            ]
        },
    ]
    (exports / "foreign.jsonl").write_text("\n".join([*map(json.dumps, foreign), "no json", ""]))
    (exports / "empty.jsonl").write_text("")
    assert run(exports, "checks").rows == before


def test_a_folder_with_any_name(exports: Path, tmp_path: Path) -> None:
    """Quotes and glob characters in a path are a path."""
    strange = tmp_path / "it's [a] fold*r?"
    shutil.copytree(exports, strange)
    assert len(run(strange, "checks").rows) == 2


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{dir}/out.csv'",
        "COPY spans TO '{file}' (USE_TMP_FILE false)",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{dir}/out.csv'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('{dir}/secret.csv')",
        "FROM '{dir}/secret.csv'",
        "SELECT * FROM glob('/etc/*')",
        "ATTACH '{dir}/x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "CREATE TABLE t AS SELECT 1",
        "CREATE OR REPLACE VIEW calls AS SELECT 1",
        "DROP VIEW spans",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "EXPORT DATABASE '{dir}/x'",
        "CALL pragma_version()",
        "SELECT 1; SELECT 2",
        "",
    ],
)
def test_sql_reads_the_exports_and_nothing_else(exports: Path, tmp_path: Path, sql: str) -> None:
    """D02: no file outside is read or written, no setting changed, no second statement run."""
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    [path] = exports.glob("*.jsonl")
    before, content = sorted(tmp_path.rglob("*")), path.read_bytes()
    with pytest.raises(QueryError):
        run(exports, sql.format(dir=tmp_path, file=path))
    assert sorted(tmp_path.rglob("*")) == before
    assert path.read_bytes() == content


@pytest.mark.parametrize("text", ["' OR 1=1 --", "%", "x'; DROP VIEW spans; --", '"', "\x00"])
def test_parameters_are_values_never_sql(exports: Path, text: str) -> None:
    """D02: injection strings in any parameter find nothing."""
    for name in ("tenant", "rule"):
        assert run(exports, "blocked", {name: text}).rows == []
    assert run(exports, "subject", {"subject": text}).rows == []


def test_errors_are_explained_with_the_columns(exports: Path) -> None:
    """A wrong column gets the columns of the views that were named; a wrong question gets the way."""
    with pytest.raises(QueryError, match="findings: trace_id, span_id") as caught:
        run(exports, "SELECT colour FROM findings")
    assert "colour" in str(caught.value)
    assert "calls:" not in str(caught.value)
    with pytest.raises(QueryError, match="calls: trace_id"):
        run(exports, "SELECT * FROM nothing")
    with pytest.raises(QueryError, match="--list"):
        run(exports, "PRAGMA x")
    with pytest.raises(QueryError, match="needs --region"):
        run(exports, "left-region")
    with pytest.raises(QueryError, match="has no colour"):
        run(exports, "left-region", {"colour": "x"})
    with pytest.raises(QueryError, match="no time"):
        run(exports, "checks", {"since": "soon"})
    with pytest.raises(QueryError, match="no country or group"):
        run(exports, "left-region", {"region": "Mars"})
    with pytest.raises(QueryError, match="is left-region meant"):
        run(exports, "leftregion")
    with pytest.raises(QueryError, match="calls is a view"):
        run(exports, "calls")


def test_moments() -> None:
    """Ago, dates and times with a zone, all as naive UTC."""
    week = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=7)
    assert abs(moment("7d") - week) < timedelta(minutes=1)
    assert moment("2026-11-25T12:00+02:00") == datetime(2026, 11, 25, 10)
    assert moment("2026-11-25") == datetime(2026, 11, 25)
    with pytest.raises(QueryError):
        moment("999999w")


def test_your_own_sql_takes_bound_values(exports: Path) -> None:
    """`$name` in SQL is bound, too."""
    table = run(exports, "SELECT count(*) AS n FROM calls WHERE tenant = $tenant", {"tenant": "other"})
    assert table == Table(("n",), [(1,)])


@pytest.fixture
def stock(exports: Path) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """DuckDB with audit.sql and nothing of ours."""
    import duckdb

    with closing(duckdb.connect()) as connection:
        connection.execute(f"SET VARIABLE exports = '{exports}/*.jsonl'")
        connection.execute((Path(__file__).parents[2] / "guard" / "audit" / "audit.sql").read_text())
        yield lambda sql: connection.execute(sql).fetchall()


def test_audit_sql_runs_in_stock_duckdb(exports: Path, stock: Callable[[str], list[tuple[Any, ...]]]) -> None:
    """An auditor without guard has the same views."""
    for view in VIEWS:
        assert stock(f"SELECT count(*) FROM {view}") == run(exports, f"SELECT count(*) FROM {view}").rows


def test_a_connection_stays_confined(exports: Path) -> None:
    """Who takes the connection itself cannot unlock it either."""
    import duckdb

    with closing(connect(exports)) as connection:
        for sql in ("SET lock_configuration = false", "SELECT * FROM read_text('/etc/passwd')"):
            with pytest.raises(duckdb.Error):
                connection.execute(sql)
        assert connection.execute("SELECT count(*) FROM spans").fetchone() == (16,)


@pytest.mark.skipif(shutil.which("duckdb") is None, reason="the duckdb command is not installed")
def test_the_line_in_audit_sql_works(exports: Path) -> None:
    """As its head says."""
    sql = Path(__file__).parents[2] / "guard" / "audit" / "audit.sql"
    set_ = f"SET VARIABLE exports = '{exports}/*.jsonl'"
    command = ["duckdb", "-cmd", set_, "-init", str(sql), "-c", "SELECT count(*) FROM spans"]
    assert b"16" in subprocess.run(command, check=True, capture_output=True).stdout


def test_numbers_go_through_all_files_and_what_is_missing_shows(folder: Path, signer: Signer) -> None:
    """Bad input: a file out of the middle, and a line in it, are gaps; numbers are those of the chain."""
    ledger = Ledger(folder, signer=signer, rotate_bytes=2000)
    recorder = Recorder()
    for _ in range(20):
        ledger.commit_sync(records.lifecycle(recorder, spans.START, POLICY))
    ledger.close()
    paths = sorted(folder.glob("*.jsonl"))
    assert len(paths) >= 4
    assert run(folder, "SELECT min(seq), max(seq), count(DISTINCT seq) FROM spans").rows == [(1, 20, 20)]
    assert run(folder, "gaps").rows == []
    each = dict(run(folder, "SELECT file, count(*) FROM spans GROUP BY file").rows)
    lines = paths[2].read_bytes().splitlines(keepends=True)
    paths[2].write_bytes(b"".join([b"torn\n", *lines[1:]]))
    paths[1].unlink()
    [gap] = run(folder, "gaps").rows
    assert gap[2] == paths[2].name
    assert gap[3] == each[paths[0].name] + 1
    assert gap[6] == each[paths[1].name] + 1


@pytest.fixture
def spelled(exports: Path, signer: Signer) -> Path:
    """Also what narrowed questions look for, and all of it again by a writer that spells JSON with escapes."""
    ledger = Ledger(exports, signer=signer)
    gateway = Gateway(ledger)
    for name in ("guard.reveal", "guard.audit.read", spans.POLICY_LOADED):
        ledger.append(records.lifecycle(gateway.recorder, name, POLICY))
    gateway.intent(EU, detect=Receipt.FAILED_CLOSED)
    waived = gateway.recorder.start(spans.SCREEN, attributes=POLICY)
    waived.set_all({spans.STAGE: "input", "guard.waived": "x"})
    ledger.append(waived.end())
    ledger.close()
    lines = [line for path in sorted(exports.glob("*.jsonl")) for line in path.read_bytes().splitlines()]
    text = re.compile(rb'(?<=")[a-z0-9](?=[^"]*"[,}\]:])')
    escaped = [text.sub(lambda m: b"\\u%04x" % m[0][0], line) for line in lines]
    (exports / "traces-20300101T000000000000Z-other-1.jsonl").write_bytes(b"\n".join(escaped) + b"\n")
    return exports


@pytest.mark.parametrize("name", [name for name, asked in QUESTIONS.items() if asked.only or asked.traces])
def test_narrowed_questions_miss_no_row(spelled: Path, name: str) -> None:
    """What is left out of the lines by a text search is in no answer, however a writer spells JSON."""
    question = QUESTIONS[name]
    parameters = dict(EXPECTED[name][0])
    with closing(connect(spelled)) as connection:
        if "trace" in parameters:
            [(parameters["trace"],)] = connection.execute("SELECT min(trace_id) FROM calls").fetchall()
        values = bound(question, parameters)
        whole = connection.execute(question.sql, values).fetchall()
    assert whole
    assert sorted(map(str, run(spelled, name, parameters).rows)) == sorted(map(str, whole))


def test_a_search_leaves_lines_out(spelled: Path) -> None:
    """Of lines without an escape only those that hold a text are read."""
    with closing(connect(spelled, only=("guard.reveal",))) as connection:
        told = "SELECT count(*) FILTER (file NOT LIKE '%other%'), count(*) > 10 FROM spans"
        assert connection.execute(told).fetchall() == [(1, True)]


def test_a_question_about_few_traces_reads_their_lines_alone(exports: Path) -> None:
    """Both records of the one call that failed so, and nothing else."""
    with closing(connect(exports, traces=("APIConnectionError",))) as connection:
        rows = connection.execute("SELECT name FROM spans ORDER BY name").fetchall()
    assert rows == [("chat gpt-x",), ("guard.screen",)]


def test_a_filter_reads_no_line_again(spelled: Path) -> None:
    """What a question filters by is read once a line, with the rest of its attributes."""
    with closing(connect(spelled)) as connection:
        asked = "SELECT policy FROM decisions WHERE policy_sha256 IS NOT NULL AND action = 'block'"
        [(_, plan)] = connection.execute(f"EXPLAIN (FORMAT json) {asked}").fetchall()
    filters = re.sub(r"\s", "", plan)
    assert "'guard.policy.sha256'" in filters
    assert "whole)->>" not in filters


def test_findings_are_read_from_the_lines_that_hold_any(spelled: Path) -> None:
    """The same rows as of all lines, escapes or not; each row stands there twice."""
    with closing(connect(spelled)) as connection:
        told = "SELECT count(*), count(DISTINCT span_id) FROM findings"
        [(rows, intents)] = connection.execute(told).fetchall()
        assert connection.execute("SELECT sum(len(events)) FROM spans").fetchall() == [(rows,)]
    assert rows == 2 * intents > 10


def test_files_taken_beside_each_other_keep_their_numbers(
    folder: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many lines DuckDB may take files in any order: each line has its number, and calls are joined as ever."""
    ledger = Ledger(folder, signer=signer, rotate_bytes=6000)
    gateway = Gateway(ledger)
    for _ in range(20):
        gateway.call(gateway.intent(EU))
        ledger.commit_sync(records.lifecycle(gateway.recorder, spans.START, POLICY))
    ledger.close()
    assert len(list(folder.glob("*.jsonl"))) >= 4

    def answers() -> list[Any]:
        with closing(connect(folder, plain=True)) as connection:
            asked = ("SELECT current_setting('preserve_insertion_order')", _NUMBERED, _JOINED)
            return [connection.execute(sql).fetchall() for sql in asked]

    [[kept], *few] = answers()
    monkeypatch.setattr("guard.audit.query.FEW_BYTES", 0)
    [[free], *many] = answers()
    assert (kept, free) == ((True,), (False,))
    assert few == many


_NUMBERED = "SELECT file, seq, span_id FROM spans ORDER BY ALL"
_JOINED = "SELECT file, seq, intent_span_id, call_span_id, outcome FROM calls ORDER BY ALL"
