"""`trace.content: encrypted`: the auditor reads prompts, answers and streams; nobody else finds a word of them."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from click.testing import Result
from starlette.applications import Starlette
from typer.testing import CliRunner

from guard import Guard, identity
from guard.audit.compact import compact
from guard.audit.query import QueryError, run
from guard.audit.story import why
from guard.cli.audit import app
from guard.errors import SetupError
from guard.settings import Settings
from guard.trace.content import Auditor, make_pair

MAIL, CARD, BACK = "canary.alice@corp.com", "4111 1111 1111 1111", "canary.bob@corp.com"
QUIET = """
policy: quiet
version: "1"
extends: [default]
recognizers: {presidio: {recognizers: []}}
input: {rules: {pii.card: block}}
output:
  rules: {"moderation.*": allow, "moderation.sexual/minors": allow, "moderation.self-harm*": allow, pii.email: redact}
"""
Connect = Callable[..., Any]


class Desk:
    """An auditor's desk: a pair, and a guard that keeps texts for it."""

    def __init__(self, base: Path) -> None:
        self.base, self.key = base, base / "auditor.pem"
        made = json.loads(self.audit("keygen", "-o", self.key, "--json").stdout)
        self.public, self.key_id = made["auditor_key"], made["key_id"]

    def guard(self, what: str, more: str = "") -> Guard:
        path = self.base / "policy.yaml"
        path.write_text(
            f"{QUIET}{more}trace: {{content: encrypted, auditor_key: {self.public}, what: {what}}}\n"
        )
        settings = Settings(home=self.base / "home", exports=self.base / "exports")
        return Guard.from_policy(path, settings)

    def audit(self, *arguments: object) -> Result:
        environment = {"GUARD_HOME": str(self.base / "home"), "GUARD_EXPORTS": str(self.base / "exports")}
        return CliRunner().invoke(app, list(map(str, arguments)), env=environment)

    def opened(self) -> list[tuple[str, dict[str, str]]]:
        """Stage and texts of every record of the one exchange of each trace, in the order of the record."""
        asked = "SELECT DISTINCT trace_id, min(seq) FROM spans WHERE attrs['guard.content.key'] IS NOT NULL"
        traces = run(self.base / "exports", f"{asked} GROUP BY 1 ORDER BY 2").rows
        told = [
            json.loads(self.audit("open", trace, "--key", self.key, "--json").stdout) for trace, _ in traces
        ]
        rows = [(one["stage"], dict(one["texts"])) for found in told for one in found]
        return [(stage, {p: t for p, t in texts.items() if p != "model"}) for stage, texts in rows]

    def held(self) -> bytes:
        """Every byte that guard wrote."""
        folders = (self.base / "home", self.base / "exports")
        return b"".join(p.read_bytes() for folder in folders for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def calls(connect: Connect, provider: Starlette, guard: Guard) -> None:
    """A call, a stream and a block, with values in both directions."""
    provider.state.script.reply = lambda body: f"Write to <EMAIL_1> and to {BACK}, please do it today."
    sdk = connect(guard)
    sdk.chat(f"Ask {MAIL}")
    sdk.chat_stream(f"Ask {MAIL}")
    with pytest.raises(openai.PermissionDeniedError):
        sdk.chat(f"Pay with {CARD}")
    guard.close()


def test_originals_are_for_the_auditor_alone(
    connect: Connect, provider: Starlette, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """C31: prompt and answer, whole and streamed, blocked too; in no sink is a word of them in the clear."""
    with caplog.at_level(logging.DEBUG):
        calls(connect, provider, desk.guard("original"))
    answer = f"Write to <EMAIL_1> and to {BACK}, please do it today."
    assert [(stage, list(texts.values())) for stage, texts in desk.opened()] == [
        ("input", [f"Ask {MAIL}"]),
        ("output", [answer]),
        ("input", [f"Ask {MAIL}"]),
        ("output", [answer]),
        ("input", [f"Pay with {CARD}"]),
    ]
    seen = desk.held() + caplog.text.encode()
    for word in (MAIL, BACK, CARD, "Pay with", "please do it"):
        assert word.encode() not in seen
    private = desk.key.read_bytes().split(b"\n")[1]
    assert private not in desk.held()
    assert desk.audit("verify").exit_code == 0


def test_redacted_holds_no_original(connect: Connect, provider: Starlette, desk: Desk) -> None:
    """What a rule takes out or stops is not even for the auditor; placeholders stay as the model saw them."""
    calls(connect, provider, desk.guard("redacted"))
    texts = [text for _, found in desk.opened() for text in found.values()]
    assert texts == [
        "Ask <pii.email>",
        "Write to <EMAIL_1> and to <pii.email>, please do it today.",
        "Ask <pii.email>",
        "Write to <EMAIL_1> and to <pii.email>, please do it today.",
        "Pay with <pii.card>",
    ]


def test_what_is_only_observed_is_taken_out_as_well(
    connect: Connect, provider: Starlette, desk: Desk
) -> None:
    """In `mode: observe` originals reach the model and come back; kept as redacted they are neither."""
    provider.state.script.reply = lambda body: f"Yes, {MAIL} it is."
    guard = desk.guard("redacted", "mode: observe\n")
    connect(guard).chat(f"Ask {MAIL}")
    guard.close()
    assert MAIL not in str(desk.opened())
    assert len(desk.opened()) == 2


def test_the_verbs_of_the_desk(connect: Connect, provider: Starlette, desk: Desk, tmp_path: Path) -> None:
    """Opening is on record; another key opens nothing; `why` says that there is something; Parquet has none of it."""
    calls(connect, provider, desk.guard("original"))
    [trace] = run(
        tmp_path / "exports", "SELECT trace_id FROM spans WHERE attrs['error.type'] = 'pii.card'"
    ).rows[0]
    shown = desk.audit("open", trace, "--key", desk.key)
    assert (shown.exit_code, f"Pay with {CARD}" in shown.stdout) == (0, True)
    assert run(tmp_path / "exports", "log-reads").rows[-1][2] == "open"
    assert desk.audit("keygen", "-o", tmp_path / "other.pem").exit_code == 0
    other = desk.audit("open", trace, "--key", tmp_path / "other.pem")
    assert (other.exit_code, "stays closed" in other.stdout, "Pay" in other.stdout) == (1, True, False)
    assert isinstance(desk.audit("open", "f" * 32, "--key", desk.key).exception, QueryError)
    assert isinstance(desk.audit("keygen", "-o", desk.key).exception, SetupError)
    assert desk.key.stat().st_mode & 0o777 == 0o600
    told = " ".join(line for step in why(tmp_path / "exports", trace).steps for line in step.sentences)
    assert f"kept (original), for the auditor's key {desk.key_id} alone" in told
    drawn = [desk.audit("sample", "--seed", "s", "--json")]
    compact(tmp_path / "exports")
    drawn.append(desk.audit("sample", "--seed", "s", "--json"))
    for sample in drawn:
        assert [row["content"] for row in json.loads(sample.stdout)] == ["original"] * 3
        assert f"of 3 of them texts are kept, sealed to the auditor's key {desk.key_id}" in sample.stderr
    asked = "SELECT count(attrs['guard.content']), count(attrs['guard.content.key']) FROM spans"
    assert run(tmp_path / "exports", asked).rows == [(0, 5)]


def test_an_erased_persons_texts_stay_closed(connect: Connect, provider: Starlette, desk: Desk) -> None:
    """A tombstone says what it does not reach; opening honours it, and what opens it all the same is on record."""
    calls(connect, provider, desk.guard("original"))
    where = "FROM spans WHERE attrs['guard.content.key'] IS NOT NULL"
    erased, stream, other = (
        trace
        for trace, _ in run(
            desk.base / "exports", f"SELECT trace_id, min(seq) {where} GROUP BY 1 ORDER BY 2"
        ).rows
    )
    done = desk.audit("erase", "--subject", MAIL, "--ticket", "DSR-12")
    assert "of 2 exchanges with this person texts are kept" in done.stderr
    for trace in (erased, stream):
        refused = desk.audit("open", trace, "--key", desk.key)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "ticket DSR-12" in refused.stderr
    assert desk.audit("open", other, "--key", desk.key).exit_code == 0
    assert desk.audit("open", erased, "--key", desk.key, "--erased", "for the court").exit_code == 2
    opened = desk.audit("open", erased, "--key", desk.key, "--erased", "LIT-7")
    assert (opened.exit_code, MAIL in opened.stdout) == (0, True)
    read = "SELECT attrs['guard.audit.question'] FROM spans WHERE attrs['guard.audit.verb'] = 'open' ORDER BY start_ts"
    assert run(desk.base / "exports", read).rows == [(None,), ("erased LIT-7",)]
    assert desk.audit("verify").exit_code == 0


def test_nothing_is_kept_unless_the_policy_says_so(connect: Connect, tmp_path: Path) -> None:
    """Off, no call makes a content, and nothing of it is on record."""
    path = tmp_path / "policy.yaml"
    path.write_text(QUIET)
    guard = Guard.from_policy(path, Settings(home=tmp_path / "home", exports=tmp_path / "exports"))
    connect(guard).chat(f"Ask {MAIL}")
    guard.close()
    sample = Desk(tmp_path).audit("sample", "--seed", "s", "--json")
    assert [row["content"] for row in json.loads(sample.stdout)] == [None]
    assert "texts are kept" not in sample.stderr
    (tmp_path / "auditor.pem").unlink()
    assert (guard.auditor, b"guard.content" in Desk(tmp_path).held()) == (None, False)


def test_an_attached_policy_decides_for_its_tenant(connect: Connect, tmp_path: Path) -> None:
    """What is attached may only tighten: it takes the keeping away, and cannot bring it."""
    desk = Desk(tmp_path)
    (tmp_path / "none.yaml").write_text('policy: none\nversion: "1"\nextends: [default]\n')
    guard = desk.guard("original", "attach: [{tenants: [acme], policy: none.yaml}]\n")
    for tenant in ("acme", "other"):
        with identity(tenant=tenant):
            connect(guard).chat(f"Ask {MAIL}")
    guard.close()
    asked = "SELECT DISTINCT attrs['guard.tenant'] FROM spans WHERE attrs['guard.content.key'] IS NOT NULL"
    assert run(tmp_path / "exports", asked).rows == [("other",)]


def test_a_long_text_is_cut_and_says_so(
    connect: Connect, provider: Starlette, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many characters of a stage are kept (65,536); a stream of more is bounded like any other."""
    monkeypatch.setattr("guard.pii.kept.LIMIT", 1_000)
    provider.state.script.reply = lambda body: "word " * 300
    guard = desk.guard("original")
    connect(guard).chat_stream("Say much")
    guard.close()
    [(_, asked), (_, told)] = desk.opened()
    assert (list(asked.values()), [len(text) for text in told.values()]) == (["Say much"], [1_000])
    cut = "SELECT attrs['gen_ai.operation.name'] FROM spans WHERE attrs['guard.content.cut'] = 'true'"
    assert run(desk.base / "exports", cut).rows == [("chat",)]


def test_a_policy_loaded_anew_has_its_own_reader(connect: Connect, desk: Desk, tmp_path: Path) -> None:
    """Another auditor's key holds from the next call on; what was sealed before stays the first one's."""
    guard = desk.guard("original")
    connect(guard).chat("One")
    private, desk.public = make_pair()
    desk.guard("original").close()
    guard.reload()
    connect(guard).chat("Two")
    guard.close()
    asked = "SELECT DISTINCT attrs['guard.content.key'] AS key FROM spans WHERE key IS NOT NULL"
    keys = {key for (key,) in run(tmp_path / "exports", asked).rows}
    assert keys == {desk.key_id, Auditor(desk.public).key_id}
    assert private not in desk.held()
