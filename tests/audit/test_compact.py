"""Parquet beside the exports: the same answers, kept up to date piece by piece, and never in the evidence's place."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from guard.audit import compact as compacting
from guard.audit import parquet
from guard.audit.compact import compact
from guard.audit.query import QUESTIONS, VIEWS, QueryError, bound, connect, run
from guard.audit.story import why
from guard.audit.verify import verify
from guard.trace import records, spans
from guard.trace.ledger import Ledger
from guard.trace.signing import Signer

_spec = importlib.util.spec_from_file_location("audit_gateway", Path(__file__).with_name("test_query.py"))
assert _spec is not None
assert _spec.loader is not None
kit = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kit)


@pytest.fixture
def installation(folder: Path, signer: Signer) -> Any:
    """A gateway whose ledger begins a new file when told to."""

    class Installation:
        def __init__(self) -> None:
            self.open()

        def open(self) -> None:
            self.ledger = Ledger(folder, signer=signer)
            self.gateway = kit.Gateway(self.ledger)

        def seal(self) -> None:
            self.ledger.close()
            self.open()

    made = Installation()
    yield made
    made.ledger.close()


HOSTILE = (
    'a"b\\c\nd\u2028é","value":{"stringValue":"x"}},{"key":"guard.enforced","value":{"stringValue":"block'
)


def traffic(installation: Any) -> list[Any]:
    """Calls that end in this file, and two that are still to end."""
    gateway = installation.gateway
    answered = gateway.intent(kit.EU)
    gateway.moderate(kit.GLOBAL, answered)
    gateway.call(answered, response="chatcmpl-1")
    gateway.call(gateway.intent(kit.GLOBAL, tenant="other"), kit.Action.BLOCK, "moderation.violence")
    gateway.intent(kit.US)
    gateway.intent(kit.EU, action=kit.Action.BLOCK)
    gateway.call(gateway.intent(kit.EU, tenant=HOSTILE), kit.Action.ALLOW, HOSTILE, response=HOSTILE)
    gateway.call(gateway.recorder.start("outer"))
    for name in (spans.START, spans.POLICY_LOADED):
        installation.ledger.append(records.lifecycle(gateway.recorder, name, kit.POLICY))
    return [gateway.intent(kit.EU), gateway.intent(kit.GLOBAL)]


def answers(folder: Path) -> dict[str, list[str]]:
    """Every view and every question, rows as text in order of text."""
    found = {}
    with closing(connect(folder)) as connection:
        for view in VIEWS:
            rows = connection.execute(f"SELECT * FROM {view}").fetchall()
            found[view] = [str([c[0] for c in connection.description or ()]), *sorted(map(str, rows))]
        for name, question in QUESTIONS.items():
            values = bound(question, kit.EXPECTED[name][0])
            found[name] = sorted(map(str, connection.execute(question.sql, values).fetchall()))
    return found


def raw(folder: Path) -> dict[str, list[str]]:
    """The same from the lines alone."""
    copy = folder.with_name("raw")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy, ignore=lambda directory, names: {"parquet"})
    return answers(copy)


def test_parquet_gives_the_answers_of_the_lines(installation: Any, folder: Path) -> None:
    """Every row of every view and question: all sealed, some not, an exchange across files and across runs."""
    open_calls = traffic(installation)
    installation.seal()
    assert compact(folder).files == 1
    assert answers(folder) == raw(folder)
    installation.gateway.call(open_calls[0])
    traffic(installation)
    installation.ledger.commit_sync(records.lifecycle(installation.gateway.recorder, "x", {}))
    assert answers(folder) == raw(folder), "the open file is read beside the Parquet"
    installation.seal()
    installation.gateway.call(open_calls[1])
    assert compact(folder).files == 1
    installation.seal()
    assert answers(folder) == raw(folder)
    assert compact(folder).files == 1
    assert [len(one.sources) for one in parquet.current(folder)] == [1, 1, 1]
    assert answers(folder) == raw(folder)
    assert compact(folder) == compacting.Compacted(0, 0, 0, compact(folder).size)


def test_answers_come_from_parquet_where_it_is_current(
    installation: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines are not read again: a sealed file that was overwritten in place, with its time kept, shows it."""
    traffic(installation)
    installation.seal()
    compact(folder)
    [path, *_] = sorted(folder.glob("*.jsonl"))
    found, before = path.stat(), run(folder, "checks").rows
    path.write_bytes(b" " * found.st_size)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert run(folder, "checks").rows == before
    os.utime(path)
    assert run(folder, "checks").rows == [], "another time: it is no longer what was read"


def test_each_row_names_its_record(installation: Any, folder: Path) -> None:
    """File and number lead back to the line, in Parquet as in the lines."""
    traffic(installation)
    installation.seal()
    for _ in range(2):
        for trace, file, seq in run(folder, "SELECT trace_id, file, seq FROM spans").rows:
            line = (folder / file).read_bytes().split(b"\n")[seq - 1]
            assert json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] == trace
        compact(folder)


def test_a_changed_export_is_compacted_anew(installation: Any, folder: Path) -> None:
    """So are those after it; what nobody names any more is removed."""
    for _ in range(3):
        traffic(installation)
        installation.seal()
        compact(folder)
    middle = sorted(folder.glob("*.jsonl"))[1]
    middle.write_bytes(middle.read_bytes().replace(b"acme", b"AC*E"))
    assert [len(one.sources) for one in parquet.current(folder)] == [1]
    assert answers(folder) == raw(folder)
    assert compact(folder).files == 2
    assert answers(folder) == raw(folder)
    named = {one.name for one in parquet.current(folder)}
    assert {path.name for path in (folder / "parquet").iterdir() if path.is_dir()} == named
    (folder / middle.name).unlink()
    assert answers(folder) == raw(folder)


def test_many_generations_become_one(
    installation: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small daily runs do not pile up."""
    monkeypatch.setattr(compacting, "_MANY", 2)
    for expected in (1, 2, 1):
        traffic(installation)
        installation.seal()
        compact(folder)
        assert len(parquet.current(folder)) == expected
    assert answers(folder) == raw(folder)


def test_a_run_that_dies_leaves_what_was_there(
    installation: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the manifest is replaced answers do not change; the next run tidies up."""
    traffic(installation)
    installation.seal()
    compact(folder)
    traffic(installation)
    installation.seal()
    before = parquet.current(folder)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(compacting, "_publish", die)
        with pytest.raises(KeyboardInterrupt):
            compact(folder)
    assert parquet.current(folder) == before
    assert answers(folder) == raw(folder)
    assert len(list((folder / "parquet").iterdir())) == 4
    compact(folder)
    assert len([path for path in (folder / "parquet").iterdir() if path.is_dir()]) == 2


def test_a_manifest_that_cannot_be_read_is_none(installation: Any, folder: Path) -> None:
    """Bad input: answers come from the lines, and the next run makes all anew."""
    traffic(installation)
    installation.seal()
    compact(folder)
    lines = raw(folder)
    for text in ("", "{", "[]", '{"schema": "x", "generations": []}', '{"generations": 5}'):
        (folder / "parquet" / "manifest.json").write_text(text)
        assert answers(folder) == lines, text
        assert compact(folder).files == 1, text


def test_parquet_of_another_version_is_left_aside_and_said_so(installation: Any, folder: Path) -> None:
    """Bad input: compacted by views that had other columns. Answers come from the lines, compact makes it anew."""
    from typer.testing import CliRunner

    from guard.cli.audit import app

    traffic(installation)
    installation.seal()
    compact(folder)
    manifest = folder / "parquet" / "manifest.json"
    ask = ["query", "checks", "--json", "--folder", str(folder)]
    current = CliRunner().invoke(app, ask)
    assert current.stderr == ""
    manifest.write_text(manifest.read_text().replace(parquet.schema(), "0" * 64))
    assert parquet.current(folder) == []
    old = CliRunner().invoke(app, ask)
    assert old.stdout == current.stdout
    assert "guard audit compact" in old.stderr
    assert compact(folder).files == 1
    assert CliRunner().invoke(app, ask).stderr == ""


def test_a_lost_parquet_file_is_not_an_empty_answer(installation: Any, folder: Path) -> None:
    """Bad input: what is not there is read from the lines."""
    traffic(installation)
    installation.seal()
    compact(folder)
    next((folder / "parquet").rglob("findings/**/*.parquet")).unlink()
    assert answers(folder) == raw(folder)


def test_what_is_still_written_to_stays_lines(installation: Any, folder: Path) -> None:
    """A killed process's file is taken after an hour without a write."""
    traffic(installation)
    installation.ledger.commit_sync(records.lifecycle(installation.gateway.recorder, "x", {}))
    assert (compact(folder).files, compact(folder).open) == (0, 1)
    [path] = folder.glob("*.jsonl")
    os.utime(path, (1, 1))
    assert compact(folder).files == 1
    assert answers(folder) == raw(folder)


def test_foreign_and_torn_files(installation: Any, folder: Path, signer: Signer) -> None:
    """Bad input: a file without a chain is read as lines; verify does not look at Parquet."""
    traffic(installation)
    installation.seal()
    (folder / "foreign.jsonl").write_text('{"resourceSpans": 5}\nno json\n{"torn')
    assert compact(folder).files == 1
    assert answers(folder) == raw(folder)
    assert [problem.what for problem in verify(folder, signer.public_pem).problems] == ["foreign"]


def test_lines_without_a_span(write: Callable[..., list[Path]], folder: Path) -> None:
    """Bad input: a sealed file in which no line is a record of guard's."""
    write(3)
    assert compact(folder).files == 1
    assert answers(folder) == raw(folder)


def test_two_runs_at_once_and_no_folder(folder: Path, tmp_path: Path, installation: Any) -> None:
    """Bad input: each is one sentence."""
    traffic(installation)
    installation.seal()
    with compacting._alone(folder), pytest.raises(QueryError, match="another run"):
        compact(folder)
    with pytest.raises(QueryError, match="no folder"):
        compact(tmp_path / "none")


def test_sql_reads_no_other_parquet(installation: Any, folder: Path, tmp_path: Path) -> None:
    """D02: the files of the views can be read, and nothing beside them."""
    traffic(installation)
    installation.seal()
    compact(folder)
    shutil.copytree(folder / "parquet", tmp_path / "elsewhere")
    other = next((tmp_path / "elsewhere").rglob("*.parquet"))
    for path in (other, folder / "parquet" / "manifest.json"):
        with pytest.raises(QueryError):
            run(folder, f"SELECT * FROM read_text('{path}')")


def test_the_verb(installation: Any, folder: Path) -> None:
    """`guard audit compact` says what it did, for people and machines."""
    from typer.testing import CliRunner

    from guard.cli.audit import app

    traffic(installation)
    installation.seal()
    told = CliRunner().invoke(app, ["compact", "--folder", str(folder)])
    assert "1 exports read" in told.output
    again = CliRunner().invoke(app, ["compact", "--folder", str(folder), "--json"])
    assert json.loads(again.output)["files"] == 0


def test_clock_jumps(
    installation: Any, folder: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C36: an hour back, a day forward, before 1970 and past 2200: order is by number, nothing is missing."""
    now = time.time_ns()
    for at in (now, now - 3_600 * 10**9, now + 86_400 * 10**9, -1, 8 * 10**18, now):
        with monkeypatch.context() as patch:
            patch.setattr(spans.time, "time_ns", lambda at=at: at)
            intent = installation.gateway.intent(kit.EU)
        installation.gateway.call(intent)
    installation.seal()
    assert verify(folder, signer.public_pem).ok
    lines = answers(folder)
    compact(folder)
    assert answers(folder) == lines
    assert lines["gaps"] == []
    assert run(folder, "SELECT count(*), count(DISTINCT seq), max(seq) FROM spans").rows == [(12, 12, 12)]


@pytest.fixture
def days(installation: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The traces of two runs over three days, each day with two calls; one ends on the next day, in the other run."""
    traces, now, last = [], time.time_ns(), None
    for run_ in range(2):
        for day in range(3):
            with monkeypatch.context() as patch:
                patch.setattr(spans.time, "time_ns", lambda day=day: now + day * 86_400 * 10**9)
                if last is not None:
                    installation.gateway.call(last)
                for admission in (kit.EU, kit.GLOBAL):
                    last = installation.gateway.intent(admission)
                    traces.append(last.trace_id)
        installation.seal()
        if run_ == 0:
            compact(folder)
    compact(folder)
    return traces


def test_one_trace_is_read_from_the_files_that_hold_it(days: list[str], folder: Path) -> None:
    """Its story and its spans are those of the lines; spans of other days are not even looked at."""
    copy = folder.with_name("raw")
    shutil.copytree(folder, copy, ignore=lambda directory, names: {"parquet"})
    told = "SELECT count(*), count(*) FILTER (trace_id = $trace) FROM stored_spans"
    for trace in [days[1], days[-2], "0" * 32]:
        parameters = {"trace": trace}
        answer = run(folder, "exchange", parameters)
        assert answer == run(copy, "exchange", parameters)
        with closing(connect(folder)) as connection:
            whole = connection.execute(told, parameters).fetchall()[0]
        with closing(connect(folder, trace=trace)) as connection:
            looked_at = connection.execute(told, parameters).fetchall()[0]
        assert looked_at[0] < whole[0]
        assert looked_at[1] == whole[1] == len(answer.rows)
    assert why(folder, days[1]) == why(copy, days[1])


def test_a_question_binds_only_the_views_that_it_names(installation: Any, folder: Path) -> None:
    """Binding them all takes longer than most answers; SQL that names none has them all."""
    traffic(installation)
    installation.seal()
    made = "SELECT view_name FROM duckdb_views() WHERE NOT internal"
    views = {"spans", "decisions", "findings", "checks", "calls", "sent"}
    with closing(connect(folder, asked='SELECT 1 FROM CALLS c JOIN "findings"')) as connection:
        assert {row[0] for row in connection.execute(made).fetchall()} & views == {"calls", "findings"}
    for asked in ("", "SELECT callsign FROM nowhere", made):
        with closing(connect(folder, asked=asked)) as connection:
            assert {row[0] for row in connection.execute(made).fetchall()} >= views
