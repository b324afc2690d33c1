"""`guard audit report --cost` over exports of real calls: tokens, cost, and what callers say came of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from starlette.applications import Starlette
from typer.testing import CliRunner

from guard import Gateway, Guard
from guard.audit.query import run
from guard.cli.audit import app
from guard.settings import Settings
from guard.trace.records import GOOD, OTHER, OUTCOMES, outcome_word

PRICES = "prices: {m: {input: 1000, output: 1000}, n: {input: 1, output: 1}}"
KEYS = {"client_keys": "acme:ka, beta:kb", "upstream_key": "sk"}


def settings(folder: Path) -> dict[str, Any]:
    return {"home": folder / "home", "exports": folder / "exports"}


@pytest.fixture
def guard(tmp_path: Path, kit: Any) -> Iterator[Guard]:
    (tmp_path / "p.yaml").write_text(f"{kit.quiet}traffic: {{budget: {{usd_per_day: 100, {PRICES}}}}}\n")
    made = Guard.from_policy(tmp_path / "p.yaml", Settings(**settings(tmp_path), **KEYS))
    yield made
    made.close()


def desk(folder: Path, *arguments: str) -> Result:
    environment = {f"GUARD_{name.upper()}": str(path) for name, path in settings(folder).items()}
    return CliRunner().invoke(app, list(arguments), env={**environment, "COLUMNS": "220"})


async def called(guard: Guard, kit: Any, provider: Starlette, key: str, model: str, outcome: str = "") -> Any:
    headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {key}".encode())]
    headers += [(b"X-Guard-Outcome", outcome.encode())] if outcome else []
    gateway = Gateway(guard, upstream=provider.state.url)
    answer = await kit.request(gateway, body=kit.chat("hi", model=model, max_tokens=9), headers=headers)
    return answer.json["usage"]["total_tokens"] if answer.status == 200 else answer.status


@pytest.mark.anyio
async def test_the_weekly_table(guard: Guard, kit: Any, provider: Starlette, tmp_path: Path) -> None:
    """By tenant, route and model: calls, tokens, cost, how they ended, what came of them, the cost of a good one."""
    used = [
        await called(guard, kit, provider, "ka", "m", tag)
        for tag in ("resolved", "resolved", "escalated", "")
    ]
    used.append(await called(guard, kit, provider, "kb", "n", "my card is 4111 1111 1111 1111"))
    provider.state.script.fail("chat", "500")
    assert await called(guard, kit, provider, "kb", "n") == 500
    assert all(b"x-guard-outcome" not in dict(row.headers) for row in provider.state.received)
    guard.close()
    asked = desk(tmp_path, "report", "--cost", "--since", "7d", "--json")
    assert asked.exit_code == 0, asked.output
    first, second = json.loads(asked.stdout)
    usd = sum(used[:4]) / 1000
    assert (first["tenant"], first["route"], first["model"]) == ("acme", "gateway chat", "m")
    assert (first["calls"], first["priced"], first["answered"], first["good"]) == (4, 4, 4, 2)
    assert first["input_tokens"] + first["output_tokens"] == sum(used[:4])
    assert first["usd"] == pytest.approx(usd)
    assert first["usd_per_good"] == pytest.approx(usd / 2, abs=1e-6)
    assert first["outcomes"] == "resolved 2, escalated 1"
    assert (second["tenant"], second["calls"], second["answered"], second["failed"]) == ("beta", 2, 1, 1)
    assert (second["outcomes"], second["good"], second["usd_per_good"]) == ("_OTHER 1", 0, None)
    assert "4111" not in asked.stdout
    assert_forms(tmp_path, usd)


def assert_forms(folder: Path, usd: float) -> None:
    """A table with its sum for people, CSV for spreadsheets; the reading is on record, and a pack is another thing."""
    shown = desk(folder, "report", "--cost")
    assert "resolved 2, escalated 1" in shown.output
    assert f"{usd:.2f} USD for 6 of 6 calls" in shown.stderr
    rows = list(
        csv.DictReader(io.StringIO(desk(folder, "report", "--cost", "--tenant", "beta", "--csv").stdout))
    )
    assert [(row["tenant"], row["model"]) for row in rows] == [("beta", "n")]
    assert desk(folder, "report", "--cost", "--until", "2020-01-01", "--json").stdout.strip() == "[]"
    assert desk(folder, "report", "--cost", "--regime", "gdpr").exit_code == 2
    assert desk(folder, "report", "--csv").exit_code == 2
    reads = run(folder / "exports", "log-reads").rows
    assert {(row[2], row[3]) for row in reads} == {("report", "cost-by-route")}


def test_an_outcome_is_one_of_a_few_words() -> None:
    """No text of a caller reaches the record by this header: what is no known word is `_OTHER`."""
    assert GOOD < OUTCOMES
    for value, word in (
        (b" Resolved ", "resolved"),
        (b"", OTHER),
        (b"alice@corp.com", OTHER),
        (b"\xff" * 9000, OTHER),
    ):
        assert outcome_word([(b"accept", b"*/*"), (b"X-GUARD-OUTCOME", value)]) == word
    assert outcome_word([(b"x-guard-outcomes", b"resolved")]) is None
    page = (Path(__file__).parents[2] / "docs" / "traffic.md").read_text().partition("## What it costs")[2]
    assert {word for word in OUTCOMES if f"`{word}`" in page} == OUTCOMES
