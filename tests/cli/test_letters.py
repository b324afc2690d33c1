"""`guard letters`, as operators call it: what is listed, shown, sent again and dropped, and what is on record of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from typer.testing import CliRunner, Result

from guard.build import build, open_letters
from guard.cli import doctor
from guard.cli.letters import app
from guard.keyring import load_keys
from guard.settings import Settings
from guard.trace.signing import load_signer
from guard.traffic.letters import Letter, Letters
from guard.traffic.waiting import wait_sync

BODY = {"model": "m", "messages": [{"role": "user", "content": "to <EMAIL_1>"}]}
POLICY = """
policy: today
extends: [default]
recognizers: {presidio: {recognizers: []}}
output: {rules: {"moderation.*": allow, "moderation.sexual/minors": allow, "moderation.self-harm*": allow}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: Starlette) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GUARD_EXPORTS", str(tmp_path / "exports"))
    monkeypatch.setenv("GUARD_POLICY", str(tmp_path / "policy.yaml"))
    monkeypatch.setenv("GUARD_UPSTREAM_KEY", "sk-replay")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def letters(folder: Path) -> Iterator[Letters]:
    settings = Settings()
    made = open_letters(settings, load_keys(settings))
    load_signer(settings.home)
    yield made
    made.close()


@pytest.fixture
def put(letters: Letters, provider: Starlette) -> Callable[..., str]:
    """Stores a letter for the simulated provider; gives its id."""

    def make(**more: Any) -> str:
        letter = Letter(
            tenant="acme",
            user="",
            model="m",
            endpoint="chat",
            method="POST",
            url=f"{provider.state.url}/chat/completions",
            policy="p",
            sha256="0" * 64,
            reason="retries_exhausted",
            attempts=3,
            trace="0" * 32,
            tools=False,
            streamed=False,
            headers=[(b"idempotency-key", b"order-7"), (b"authorization", b"Bearer sk-app")],
            body=json.dumps(BODY).encode(),
        )
        return wait_sync(letters.keep(replace(letter, **more)), 10)

    return make


def guard(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def told(result: Result) -> list[dict[str, Any]]:
    """The JSON lines of a replay."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def spans(folder: Path, name: str) -> list[dict[str, Any]]:
    """The attributes of each span of a name, from the desk's record."""
    found = []
    for file in sorted((folder / "exports").glob("*.jsonl")):
        for line in file.read_text().splitlines():
            [span] = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
            if span["name"] == name:
                found.append({a["key"]: next(iter(a["value"].values())) for a in span["attributes"]})
    return found


def test_list_and_show(folder: Path, put: Callable[..., str]) -> None:
    """What waits, for people and machines; the screened body on request only; each look is on record."""
    one, two = put(), put(tenant="other", tools=True, reason="circuit_open")
    assert "retries_exhausted" in guard("list").stdout
    rows = json.loads(guard("list", "--json", "--state", "waiting").stdout)
    assert [(row["letter"], row["reason"], row["bears"]) for row in rows] == [
        (one, "retries_exhausted", ""),
        (two, "circuit_open", "tools"),
    ]
    assert [row["letter"] for row in json.loads(guard("list", "--json", "--tenant", "other").stdout)] == [two]
    said = json.loads(guard("show", one[:8], "--json").stdout)
    assert (said["id"], said["tenant"], said["attempts"], said["state"]) == (one, "acme", 3, "waiting")
    assert "EMAIL_1" not in str(said)
    assert json.loads(guard("show", one, "--body", "--json").stdout)["body"] == BODY
    assert "to <EMAIL_1>" in guard("show", one, "--body").stdout
    verbs = [span["guard.audit.verb"] for span in spans(folder, "guard.audit.read")]
    assert verbs == ["letters list"] * 3 + ["letters show"] * 3


def test_exit_codes(folder: Path, letters: Letters) -> None:
    """0 ok, 1 nothing found, 2 what cannot be understood."""
    assert guard("list").exit_code == 1
    assert guard("list", "--state", "lost").exit_code == 2
    assert guard("show", "abc").exit_code == 2
    assert guard("replay").exit_code == 2
    assert guard("replay", "x", "--all").exit_code == 2
    assert guard("drop").exit_code == 2
    assert guard("drop", "--state", "answered").exit_code == 1


def test_without_letters_it_says_so(folder: Path) -> None:
    """No file is made by looking for one."""
    result = guard("list")
    assert "traffic.dead_letters" in str(result.exception)
    assert not (folder / "home" / "letters.sqlite3").exists()


def test_all_are_sent_again(folder: Path, provider: Starlette, put: Callable[..., str]) -> None:
    """C40: answers into a file of JSON lines, 0600; a second run sends nothing."""
    ids = [put(), put()]
    again = ("replay", "--all", "--upstream", provider.state.url, "-o", "answers.jsonl", "--json")
    result = guard(*again)
    assert result.exit_code == 0, result.output
    assert [(line["letter"], line["state"]) for line in told(result)] == [(id, "answered") for id in ids]
    answers = [json.loads(line) for line in (folder / "answers.jsonl").read_text().splitlines()]
    assert [answer["letter"] for answer in answers] == ids
    assert answers[0]["answer"]["choices"][0]["message"]["content"] == "You wrote: to <EMAIL_1>"
    assert (folder / "answers.jsonl").stat().st_mode & 0o077 == 0
    assert guard(*again).exit_code == 0
    assert len(provider.state.received) == 2


def test_what_failed_and_what_is_held_back(
    folder: Path, provider: Starlette, put: Callable[..., str]
) -> None:
    """C42: one that fails does not stop the next; what needs --force says so; exit code 1."""
    bad, tools, good = put(), put(tools=True), put()
    provider.state.script.fail("chat", "400")
    result = guard("replay", "--all", "--upstream", provider.state.url, "-o", "out", "--json")
    assert result.exit_code == 1
    assert [(line["letter"], line["state"], line["outcome"][:3]) for line in told(result)] == [
        (bad, "waiting", "400"),
        (tools, "waiting", "it "),
        (good, "answered", "200"),
    ]
    assert [path.name for path in (folder / "out").iterdir()] == [f"{good}.json"]
    forced = guard("replay", bad, tools, "--force", "--upstream", provider.state.url, "--json")
    assert forced.exit_code == 0
    assert [line["answer"]["model"] for line in told(forced) if "answer" in line] == ["m", "m"]


def test_nothing_is_sent_where_answers_cannot_be_kept(
    folder: Path, provider: Starlette, put: Callable[..., str]
) -> None:
    """The place for answers is tried before anything goes out."""
    put()
    result = guard("replay", "--all", "--upstream", provider.state.url, "-o", "no/such/folder/a.jsonl")
    assert "no/such/folder" in str(result.exception)
    assert provider.state.received == []


def test_drop_is_on_record_before(folder: Path, letters: Letters, put: Callable[..., str]) -> None:
    """Who dropped which; by age and state; the file holds nothing of them afterwards."""
    one, two = put(), put(tenant="other")
    assert guard("drop", "--older", "1d").exit_code == 1
    assert json.loads(guard("drop", one, "--json").stdout) == {"dropped": 1}
    [said] = spans(folder, "guard.letters.dropped")
    assert said["guard.letters.count"] == "1"
    assert said["guard.audit.by"]
    assert [row.id for row in letters.store.rows().result(10)] == [two]


def test_drop_refuses_without_a_record(
    folder: Path, letters: Letters, put: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be recorded is not dropped."""
    one = put()
    (folder / "exports").write_text("no folder")
    assert guard("drop", one).exit_code != 0
    assert [row.id for row in letters.store.rows().result(10)] == [one]


def test_a_replay_that_is_killed(
    folder: Path, provider: Starlette, letters: Letters, put: Callable[..., str]
) -> None:
    """C40: kill -9 while the call is out: the letter is uncertain, and only --force sends it again."""
    one = put()
    provider.state.script.fail("chat", "hang")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-m", "guard", "letters", "replay", one, "--upstream", provider.state.url]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(3000):
        time.sleep(0.02)
        if provider.state.received or child.poll() is not None:
            break
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert len(provider.state.received) == 1
    [row] = json.loads(guard("list", "--json").stdout)
    assert row["state"] == "uncertain"
    left = guard("replay", "--all", "--upstream", provider.state.url, "--json")
    assert (left.exit_code, told(left)[0]["state"]) == (1, "uncertain")
    assert guard("replay", one, "--force", "--upstream", provider.state.url).exit_code == 0
    first, second = (dict(received.headers)[b"idempotency-key"] for received in provider.state.received)
    assert first == second == b"order-7"


def test_the_doctor_counts_them(folder: Path, put: Callable[..., str]) -> None:
    """Open letters are a row to look at; a policy that keeps none has no row."""
    put()
    (folder / "keeps.yaml").write_text(POLICY + "traffic: {dead_letters: true}\n")
    for policy, rows in (("keeps", [("look", {"waiting": 1})]), ("policy", [])):
        made = build(folder / f"{policy}.yaml", Settings(), detecting=False)
        assert [(check.state, check.facts) for check in doctor._letters(made)] == rows
        made.close()
