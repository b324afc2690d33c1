"""The desk: stories, samples, reconciliation, files of answers; and that looking is on record."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from guard.audit.query import QueryError, run
from guard.audit.reconcile import read_usage, reconcile
from guard.audit.sample import draw
from guard.audit.story import _findings, why
from guard.cli import audit
from guard.cli.why import why as why_verb
from guard.errors import Unavailable
from guard.trace.ledger import Ledger
from guard.trace.signing import load_signer

_spec = importlib.util.spec_from_file_location("audit_gateway", Path(__file__).with_name("test_query.py"))
assert _spec is not None
assert _spec.loader is not None
kit = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kit)


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """Three answered calls, one blocked and one refused, in this installation's own folder."""
    ledger = Ledger(tmp_path / "exports", signer=load_signer(tmp_path / "home"))
    gateway = kit.Gateway(ledger)
    for number in range(3):
        gateway.call(gateway.intent(kit.EU), response=f"chatcmpl-{number}")
    intent = gateway.intent(kit.GLOBAL)
    gateway.moderate(kit.GLOBAL, intent)
    gateway.call(intent, kit.Action.BLOCK, "moderation.violence", response="chatcmpl-3")
    gateway.intent(kit.US)
    ledger.close()
    return tmp_path / "exports"


@pytest.fixture
def desk(tmp_path: Path) -> Callable[..., Result]:
    """Run a verb of `guard audit`, or `why`, in this installation."""
    environment = {
        "GUARD_HOME": str(tmp_path / "home"),
        "GUARD_EXPORTS": str(tmp_path / "exports"),
        "COLUMNS": "80",
    }
    import typer

    app = typer.Typer()
    app.add_typer(audit.app, name="audit")
    app.command("why")(why_verb)
    return lambda *arguments: CliRunner().invoke(
        app, [str(argument) for argument in arguments], env=environment
    )


def traces(exports: Path, outcome: str) -> list[str]:
    return [row[0] for row in run(exports, f"SELECT trace_id FROM calls WHERE outcome = '{outcome}'").rows]


def test_a_story_tells_rule_place_score_and_destination(exports: Path) -> None:
    """What an officer asks about one exchange is answered in sentences, with the record behind each."""
    story = why(exports, traces(exports, "blocked")[0])
    told = "\n".join(sentence for step in story.steps for sentence in step.sentences)
    assert [step.record for step in story.steps] == [7, 8, 9]
    assert (story.tenant, story.user) == ("acme", "u" * 32)
    for part in (
        "The request to chat was allowed under policy eu 2026.1",
        "Its destination api.openai.com in GLOBAL, says guard's table was admitted.",
        "pii.email at messages[0].content: allowed, by rule pii.* of eu.yaml:7; found by pattern, score 0.90.",
        "Checks: detect ran.",
        "100 bytes of text were screened, a body of 120 bytes went out.",
        "and failed (moderation.violence)",
        "Its answer was blocked (moderation.violence).",
        "It counted 7 tokens in, 3 out (response chatcmpl-3).",
        "Highest scores: violence 0.90.",
    ):
        assert part in told


def test_what_the_judge_let_pass_is_one_sentence() -> None:
    """The highest score stands for all that no rule acted on; what one did act on, or only observed, is told."""

    def row(kind: str, action: str, score: float, path: str = "a") -> tuple[Any, ...]:
        return kind, "judge", "moderation.*", "p:1", action, "allow", path, 1, [score]

    told = [
        *_findings(
            [
                row("moderation.hate", "allow", 0.1),
                row("moderation.sexual", "allow", 0.3),
                row("moderation.violence", "block", 0.9),
                row("moderation.hate", "allow", 0.2, "b"),
                ("pii.email", "pattern", None, None, "allow", "allow", "a", 1, [1.0]),
            ]
        )
    ]
    assert [sentence.partition(":")[0] for sentence in told] == [
        "moderation.violence at a",
        "pii.email at a",
        "moderation.sexual at a",
        "moderation.hate at b",
    ]
    assert told[2].endswith("score 0.30. 1 other categories scored no higher.")
    assert told[3].endswith("score 0.20.")


def test_a_clock_that_jumps_back_turns_no_story_round(exports: Path) -> None:
    """C36: the record of intent comes first, whatever the clock says of the call after it."""
    [trace] = traces(exports, "blocked")
    [path] = exports.glob("*.jsonl")
    lines = path.read_text().splitlines()
    for number in (7, 8):
        span = json.loads(lines[number])
        one = span["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        for name in ("startTimeUnixNano", "endTimeUnixNano"):
            one[name] = str(int(one[name]) - 3_600_000_000_000)
        lines[number] = json.dumps(span)
    path.write_text("\n".join(lines) + "\n")
    steps = why(exports, trace).steps
    assert [step.record for step in steps] == [7, 8, 9]
    assert (steps[0].at_ms, steps[1].at_ms < -3_000_000) == (0, True)


def test_a_story_of_a_refused_destination(exports: Path) -> None:
    """Why it was refused stands in the first step, and nothing went out."""
    [first] = why(exports, traces(exports, "refused")[0]).steps
    assert "Its destination us.api.openai.com in US was refused (egress.jurisdiction)." in first.sentences


@pytest.mark.parametrize("trace", ["", "x", "0" * 32, "'; DROP VIEW spans; --"])
def test_no_story_without_a_trace(exports: Path, trace: str) -> None:
    """Bad input: no trace id, or one that is not on record."""
    with pytest.raises(QueryError):
        why(exports, trace)


def test_the_verb_why(desk: Callable[..., Result], exports: Path) -> None:
    """For people, and for machines."""
    [trace] = traces(exports, "blocked")
    assert "1. +0.0 ms  The request" in desk("why", trace).output
    assert json.loads(desk("why", trace, "--json").output)["steps"][0]["record"] == 7


def test_the_same_seed_draws_the_same_sample(exports: Path) -> None:
    """And another seed another one; the population is said."""
    first, again, other = (draw(exports, 3, seed, {}) for seed in ("a", "a", "b"))
    assert first == again
    assert first.table.rows != other.table.rows
    assert first.population == 6
    assert len(draw(exports, 25, "a", {"tenant": "acme"}).table.rows) == 6
    for wrong in ((0, "a"), (5, "")):
        with pytest.raises(QueryError):
            draw(exports, *wrong, {})


def usage(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "usage"
    path.write_text(text)
    return path


ROWS = [
    {"id": f"chatcmpl-{n}", "model": "gpt-x", "prompt_tokens": 7, "completion_tokens": 3} for n in range(4)
]


def test_books_that_agree(exports: Path, tmp_path: Path) -> None:
    """By ids, as JSON, JSON lines or CSV; by sums a day and model, as OpenAI's usage API answers."""
    day = str(run(exports, "SELECT min(start_ts) AS t FROM calls").rows[0][0].timestamp())
    bucket = {"num_model_requests": 4, "input_tokens": 28, "output_tokens": 12, "model": None}
    as_csv = "id,model,prompt_tokens,completion_tokens\n" + "".join(
        f"chatcmpl-{n},gpt-x,7,3\n" for n in range(4)
    )
    for text in (
        json.dumps(ROWS),
        "\n".join(map(json.dumps, ROWS)),
        "\ufeff" + as_csv,
        json.dumps({"object": "page", "data": [{"start_time": float(day), "results": [bucket]}]}),
        json.dumps([{**row, "usage": {"input_tokens": 7, "output_tokens": 3}} for row in ROWS]),
    ):
        found = reconcile(exports, usage(tmp_path, text), {})
        assert found.table.rows == [], text
        assert (found.provider_calls, found.record_calls) == (4, 4)


def test_every_difference_is_listed(exports: Path, tmp_path: Path) -> None:
    """A call that went round guard, one that the provider does not know, one with other tokens, one told twice."""
    told = [*ROWS[1:3], {**ROWS[3], "completion_tokens": 9}, {**ROWS[1], "id": "chatcmpl-round"}, ROWS[2]]
    found = reconcile(exports, usage(tmp_path, json.dumps(told)), {})
    assert sorted((row[0], row[1]) for row in found.table.rows) == [
        ("not at the provider", "chatcmpl-0"),
        ("not on record", "chatcmpl-round"),
        ("tokens differ", "chatcmpl-3"),
        ("twice at the provider", "chatcmpl-2"),
    ]
    sums = reconcile(
        exports, usage(tmp_path, "model,n_requests,input_tokens,output_tokens\ngpt-x,5,30,12\n"), {}
    )
    assert [row[0] for row in sums.table.rows] == ["calls differ", "input tokens differ"]


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "{", "[1]", '{"data": 5}', "input_tokens\nmany\n", "\x00\xff"]
)
def test_what_is_no_usage_export(tmp_path: Path, text: str) -> None:
    """Bad input: one sentence says what is looked for."""
    with pytest.raises(QueryError):
        read_usage(usage(tmp_path, text))
    with pytest.raises(QueryError):
        read_usage(tmp_path / "none")


def test_the_verbs_sample_and_reconcile(desk: Callable[..., Result], exports: Path, tmp_path: Path) -> None:
    """Exit code 1 where the books differ."""
    drawn = desk("audit", "sample", "-n", 2, "--seed", "Q4", "--csv")
    assert len(list(csv.reader(drawn.stdout.splitlines()))) == 3
    assert "2 of 6 calls, seed 'Q4'" in drawn.stderr
    same = desk("audit", "reconcile", "--usage", usage(tmp_path, json.dumps(ROWS)))
    assert (same.exit_code, "the same" in same.output) == (0, True)
    other = desk("audit", "reconcile", "--usage", usage(tmp_path, json.dumps(ROWS[1:])), "--json")
    assert other.exit_code == 1
    assert [row["request"] for row in json.loads(other.output)["differences"]] == ["chatcmpl-0"]


def test_parquet_holds_the_whole_answer(desk: Callable[..., Result], exports: Path, tmp_path: Path) -> None:
    """`--parquet FILE`: readable by its owner only, whole or not there."""
    import duckdb

    target = tmp_path / "it's out.parquet"
    assert desk("audit", "query", "SELECT * FROM calls;", "--parquet", target).exit_code == 0
    path = str(target).replace("'", "''")
    [(count,)] = duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()
    assert count == 6
    assert target.stat().st_mode & 0o077 == 0
    left = sorted(tmp_path.iterdir())
    for sql in ("SELECT colour FROM calls", f"COPY calls TO '{tmp_path}/x'", f"FROM '{path}'"):
        assert desk("audit", "query", sql, "--parquet", tmp_path / "no.parquet").exit_code == 1
    assert sorted(tmp_path.iterdir()) == left
    assert desk("audit", "query", "checks", "--json", "--csv").exit_code == 2


def reads(exports: Path) -> list[tuple[Any, ...]]:
    return [row[1:5] for row in run(exports, "log-reads").rows]


def test_looking_into_the_record_is_on_record(
    desk: Callable[..., Result], exports: Path, tmp_path: Path
) -> None:
    """PCI DSS 10.2.1.3: who read, by which question, in which form; never what was asked in SQL."""
    from guard.cli.who import login

    desk("audit", "query", "checks", "--json")
    desk("audit", "query", "SELECT 'zhang.san@example.com'")
    desk("audit", "sample", "--seed", "s")
    desk("why", traces(exports, "blocked")[0])
    desk("audit", "query", "checks", "--parquet", tmp_path / "o.parquet")
    me = login()
    assert reads(exports) == [
        (me, "query", "checks", "json"),
        (me, "query", "SQL", "table"),
        (me, "sample", None, "table"),
        (me, "why", None, "table"),
        (me, "query", "checks", "parquet"),
    ]
    assert b"zhang" not in b"".join(path.read_bytes() for path in exports.glob("*.jsonl"))
    assert desk("audit", "verify").exit_code == 0


def test_a_record_of_the_desk_that_is_removed_shows(
    desk: Callable[..., Result], exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heads of reads go elsewhere as those of calls do: who looked cannot be taken away unseen."""
    monkeypatch.setenv("GUARD_HEADS", str(tmp_path / "heads"))
    assert desk("audit", "query", "life").exit_code == 0
    [read] = exports.glob("*-desk-*.jsonl")
    assert desk("audit", "verify").exit_code == 0
    read.unlink()
    read.with_suffix(".chain").unlink()
    told = desk("audit", "verify")
    assert (told.exit_code, f"{read.name}: the file is missing" in told.output.replace("\n", "")) == (1, True)


def test_a_copy_is_only_read(desk: Callable[..., Result], exports: Path, tmp_path: Path) -> None:
    """An auditor's folder, and one without a signing key, are not written to."""
    copy = tmp_path / "copy"
    exports.rename(copy)
    before = sorted(copy.iterdir())
    assert desk("audit", "query", "checks", "--folder", copy).exit_code == 0
    (tmp_path / "home").rename(tmp_path / "gone")
    copy.rename(exports)
    assert desk("audit", "query", "checks").exit_code == 0
    assert [path.name for path in sorted(exports.iterdir())] == [path.name for path in before]


def test_what_cannot_be_recorded_is_not_shown(
    desk: Callable[..., Result], exports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fail closed: a full disk shows no answer, and says to work on a copy."""

    def full(self: Ledger, line: bytes) -> None:
        raise Unavailable("record", "the record cannot be written (ENOSPC)")

    monkeypatch.setattr(Ledger, "commit_sync", full)
    result = desk("audit", "query", "checks")
    assert result.output == ""
    assert isinstance(result.exception, Unavailable)
    assert "copy" in str(result.exception)


def test_the_desk_speaks_chinese(
    exports: Path, desk: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GUARD_LANG=zh: no sentence of what an auditor reads is left in English; JSON is the same in both."""
    monkeypatch.setenv("GUARD_LANG", "zh")
    trace = traces(exports, "blocked")[0]
    told = json.loads(desk("why", trace, "--json").stdout)["steps"]
    assert tuple(told[0]["sentences"]) == why(exports, trace).steps[0].sentences
    (tmp_path / "usage.csv").write_text("id,input_tokens,output_tokens\nx,1,2\n")
    verbs = (
        ("why", trace),
        ("audit", "query", "--list"),
        ("audit", "verify"),
        ("audit", "reconcile", "--usage", tmp_path / "usage.csv"),
    )
    said = "\n".join(desk(*verb).output for verb in verbs)
    command = re.compile(r"guard( audit)? [a-z]+")
    english = re.compile(r"\b[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}")
    assert [line for line in said.splitlines() if english.search(command.sub("", line))] == []
    for words in ("其回答：已拦截", "哪些内容被哪个文件的哪条规则拒绝？", "✓ 完整", "记录中没有"):
        assert words in said
