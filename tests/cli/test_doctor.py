"""`guard doctor`: one look at everything, which changes nothing and says what to do."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from typer.testing import CliRunner

from guard import Guard, SetupError, guarded_client
from guard.cli.main import _verbs, app
from guard.mounts.gateway import Gateway
from guard.outside.stores.clientkeys import KeyFile
from guard.outside.stores.spend import Account, SpendStore
from guard.settings import Settings
from guard.simulator.limits import Quota
from guard.trace import exportfile

Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module", autouse=True)
def verbs() -> None:
    """The command line with its verbs."""
    _verbs()


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: Starlette) -> Run:
    """Run the verb in an empty place, beside the simulated provider."""
    for name, value in {"HOME": tmp_path / "home", "EXPORTS": tmp_path / "exports"}.items():
        monkeypatch.setenv(f"GUARD_{name}", str(value))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, policy: str = "", upstream: str = "") -> tuple[int, str]:
        if policy:
            (tmp_path / "own.yaml").write_text(policy)
            arguments = (*arguments, "--policy", "own.yaml")
        result = CliRunner().invoke(app, ["doctor", *arguments, "--upstream", upstream or provider.state.url])
        return result.exit_code, result.output

    return run


def facts(out: str) -> dict[str, Any]:
    return {check["name"]: check for check in json.loads(out)["checks"]}


def test_each_provider_is_looked_at(
    doctor: Run, provider: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its place and whether its key is there, which is never shown."""
    monkeypatch.setenv("KEY_A", "sk-canary")
    here = "{'127.0.0.1': {processing: [DE], storage: [DE]}}"
    own = (
        f"moderation: {{by: 'off'}}\negress: {{jurisdictions: [EU, EFTA], hosts: {here}}}\n"
        f"providers:\n  a: {{url: '{provider.state.url}', key: KEY_A}}\n  b: {{api: mistral, key: KEY_B}}\n"
    )
    code, out = doctor("--json", policy=own)
    checks = facts(out)
    assert (code, "sk-canary" in out) == (1, False)
    assert (checks["providers.a"]["state"], checks["providers.a"]["facts"]["processing"]) == ("ok", "DE")
    assert (checks["providers.b"]["facts"]["host"], checks["providers.b"]["facts"]["admitted"]) == (
        "api.eu.mistral.ai",
        True,
    )
    assert checks["provider keys"]["what"] == "not set, neither in the environment nor in .env: KEY_B (b)"
    assert "providers.a" in doctor(policy=own)[1]


def test_all_is_well_and_nothing_is_made(doctor: Run, tmp_path: Path) -> None:
    """Everything is looked at, the judge answers, and no key, folder or record has come into being."""
    code, out = doctor("--json")
    assert code == 0
    assert json.loads(out)["ok"] is True
    checks = facts(out)
    assert list(checks) == ["import name", "policy", "keys", "record", "model", "judge", "judge answers"]
    assert {check["state"] for check in checks.values()} == {"ok"}
    assert list(tmp_path.iterdir()) == []


def test_what_policy_check_warns_of_is_counted(doctor: Run) -> None:
    """A rule that can never fire is worth a look here as well."""
    idle = "input: {rules: {pii.fr.nir: {action: redact, as: mask}}}\nrecognizers: {countries: [CN]}\n"
    code, out = doctor("--json", policy=f"extends: [default]\n{idle}")
    told = facts(out)["policy"]
    assert (code, told["state"]) == (0, "look")
    assert any("pii.fr.nir" in line for line in told["facts"]["warnings"])


def test_a_policy_for_a_key_that_is_not_there(doctor: Run) -> None:
    """What is attached to a name that no active virtual key has never holds: that is worth a look."""
    code, out = doctor("--json", policy="extends: [default]\nattach: [{keys: [partner-a], policy: strict}]\n")
    told = facts(out)["policy"]
    assert (code, told["state"]) == (0, "look")
    assert any("no active virtual key is called partner-a" in line for line in told["facts"]["warnings"])


def test_the_quota_in_answers_a_minute(doctor: Run, provider: Starlette) -> None:
    """What the judge's headers allow, counted in answers: alone by the windows of the policy, shared by requests."""
    provider.state.script.quota = Quota(600)
    code, out = doctor("--json")
    told = facts(out)["judge answers"]["facts"]
    assert code == 0
    # 500 tokens: windows of 12, 24, 48 and then 96 are 8 requests; 9 texts with the whole answer, 32 to a request
    assert told["answers_a_minute"] == 600 // 8
    assert told["answers_a_minute_shared"] == 600 * 32 // 9
    assert told["requests"] == 600
    _, shown = doctor()
    assert "enough for 75 streamed answers of 500 tokens a minute" in " ".join(shown.split())


def test_a_guard_model_takes_a_request_for_each_text(doctor: Run, provider: Starlette) -> None:
    """Its windows share nothing: 9 texts are 9 requests, for ShieldGemma 4 times as many."""
    provider.state.script.quota = Quota(720)
    for model, allowed in (("llama-guard3:8b", 80), ("shieldgemma:9b", 20)):
        judge = f"{{by: guard-model, url: '{provider.state.url}', model: '{model}'}}"
        code, out = doctor("--json", policy=f"extends: [default]\nmoderation: {judge}\n")
        told = facts(out)["judge answers"]["facts"]
        assert (code, told["answers_a_minute"], told["answers_a_minute_shared"]) == (0, allowed, allowed)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("401", "HTTP 401: the key was refused; set GUARD_MODERATION_KEY, or the provider's key"),
        ("404", "HTTP 404"),
        ("no_scores", "a result has no category_scores; answers are refused until it judges: try again"),
    ],
)
def test_a_judge_that_cannot_judge_is_said(doctor: Run, provider: Starlette, fault: str, reason: str) -> None:
    """Reachable is not enough: it must answer in a form that can be read. The row says what to do."""
    provider.state.script.fail("moderations", fault, forever=True)
    code, out = doctor("--json")
    assert code == 1
    assert facts(out)["judge answers"]["state"] == "failed"
    assert reason in facts(out)["judge answers"]["what"]


def test_a_judge_that_is_not_there_is_said(doctor: Run) -> None:
    """Nobody listens: one row says so, the others stand."""
    code, out = doctor("--json", upstream="http://127.0.0.1:9/v1")
    assert code == 1
    assert "no connection (connect); is it up, and this its address" in facts(out)["judge answers"]["what"]
    assert facts(out)["policy"]["state"] == "ok"


def test_a_destination_outside_the_jurisdictions_is_said(doctor: Run, provider: Starlette) -> None:
    """Each destination has its verdict; a judge that may not be reached is not asked."""
    code, out = doctor("--json", "--policy", "eu", upstream="https://api.openai.com/v1")
    assert code == 1
    checks = facts(out)
    assert checks["model"]["state"] == checks["judge"]["state"] == "failed"
    assert "eu.api.openai.com" in checks["model"]["what"]
    assert "judge answers" not in checks
    assert provider.state.received == []


@pytest.mark.parametrize(
    ("total", "acme", "said"),
    [
        (None, None, {"today": "0.00 of 10.00 USD (0 %)", "this month": "0.00 of 100.00 USD (0 %)"}),
        (7.99, 0.99, {"today": "7.99 of 10.00 USD (79 %)", "this month": "7.99 of 100.00 USD (7 %)"}),
        (8, 1, {"today": "look 8.00 of 10.00 USD (80 %)", "tenants": "past half of their limits: acme (50 %/day)"}),
        (10, 1.6, {"today": "look 10.00 of 10.00 USD (100 %); calls go on with cheap",
                   "tenants": "look past half of their limits: acme (80 %/day)"}),
        (100, 0, {"today": "look 100.00 of 10.00 USD (1000 %); calls go on with cheap",
                  "this month": "look 100.00 of 100.00 USD (100 %); calls are refused"}),
    ],
)  # fmt: skip
def test_the_budget_is_shown(
    doctor: Run, tmp_path: Path, total: float | None, acme: float | None, said: dict[str, str]
) -> None:
    """All together, whatever was spent, and the tenants that are past half of theirs; from 80 % on worth a look."""
    day = datetime.now(UTC).date()
    periods = {str(other): f"{other:%Y-%m}" for other in (day, day + timedelta(days=1))}  # midnight may come
    (tmp_path / "home").mkdir(mode=0o700)
    store = SpendStore(tmp_path / "home" / "spend.sqlite3")
    for scope, usd in (("total", total), ("tenant:acme", acme)):
        accounts = [Account(scope, period) for period in {*periods, *periods.values()}]
        if usd is not None:
            store.reserve(accounts, round(usd * 1_000_000)).result(10)
    store.close()
    limits = "usd_per_day: 10, usd_per_month: 100, tenant_usd_per_day: 2"
    budget = f"{{{limits}, then: {{use: cheap}}, prices: {{cheap: {{input: 1, output: 1}}}}}}"
    quiet = "output: {rules: {}}\nmoderation: {by: 'off'}\n"
    code, out = doctor("--json", policy=f"{quiet}traffic: {{budget: {budget}}}\n")
    found = facts(out)
    assert code == 0
    expected = {"tenants": "no tenant has spent half of its limit", **said}
    for period, words in expected.items():
        row = found["budgets of tenants" if period == "tenants" else f"budget {period}"]
        assert f"{row['state']} {row['what']}".removeprefix("ok ") == words


def test_the_proxy_is_a_destination(doctor: Run) -> None:
    """Where it is, and why it may not be used, before the first call."""
    quiet = "output: {rules: {}}\nmoderation: {by: 'off'}\n"
    proxy = "proxy: {url: 'http://proxy.example.org:3128'}"
    code, out = doctor("--json", policy=f"{quiet}egress: {{{proxy}}}\n")
    assert (code, facts(out)["proxy"]["state"]) == (0, "ok")
    code, out = doctor("--json", policy=f"{quiet}egress: {{jurisdictions: [EEA], {proxy}}}\n")
    assert (code, facts(out)["proxy"]["state"]) == (1, "failed")
    assert "only egress.hosts can say where it is" in facts(out)["proxy"]["what"]


def test_nobody_is_asked_where_no_rule_judges(doctor: Run, provider: Starlette) -> None:
    """Without moderation rules there is no judge to look for."""
    code, out = doctor("--json", policy="output: {rules: {}}\nmoderation: {by: 'off'}\n")
    assert code == 0
    assert "nobody is asked" in facts(out)["judge"]["what"]
    assert provider.state.received == []


def test_keys_that_others_can_read_are_a_failure(doctor: Run, tmp_path: Path) -> None:
    """The folder and every key in it are the owner's alone."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    key = home / "master.key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    assert facts(doctor("--json")[1])["keys"]["state"] == "ok"
    key.chmod(0o644)
    code, out = doctor("--json")
    assert code == 1
    assert facts(out)["keys"]["facts"]["readable"] == [str(key)]
    assert stat.S_IMODE(key.stat().st_mode) == 0o644
    key.chmod(0o600)
    for name in ("signing-key.pem", "client-keys.json"):
        (home / name).touch()
        (home / name).chmod(0o640)
    assert facts(doctor("--json")[1])["keys"]["facts"]["readable"] == [
        str(home / "signing-key.pem"),
        str(home / "client-keys.json"),
    ]


def test_a_setting_that_nobody_reads_is_worth_a_look(
    doctor: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip of the pen in a name would be silent, in the environment and in `.env`."""
    monkeypatch.setenv("GUARD_EXPORT", "elsewhere")
    (tmp_path / ".env").write_text("GUARD_DRAINS=9\n")
    rows = json.loads(doctor("--json")[1])["checks"]
    assert [(row["state"], row["what"]) for row in rows if row["name"] == "settings"] == [
        ("look", "GUARD_DRAINS is no setting: did you mean GUARD_DRAIN_S?"),
        ("look", "GUARD_EXPORT is no setting: did you mean GUARD_EXPORTS?"),
    ]


def test_a_setting_that_cannot_be_is_one_sentence(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A16, law 3: each by the name of its variable, and without its value, which may be a secret."""
    monkeypatch.setenv("GUARD_DRAIN_S", "sk-soon")
    monkeypatch.setenv("GUARD_HEADS_LOCK", "sk-maybe")
    with pytest.raises(SetupError) as caught:
        Settings()
    assert str(caught.value) == (
        "GUARD_HEADS_LOCK: Input should be 'compliance' or 'governance'; GUARD_DRAIN_S: Input should be a valid"
        " number, unable to parse string as a number"
    )
    assert caught.value.__cause__ is None


def test_the_keys_of_clients_are_looked_at(
    doctor: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would keep `guard serve` from starting is a failure here, too; without keys there is no such row."""
    assert "clients" not in facts(doctor("--json")[1])
    monkeypatch.setenv("GUARD_CLIENT_KEYS", "acme")
    assert "tenant:key" in facts(doctor("--json")[1])["clients"]["what"]
    monkeypatch.setenv("GUARD_CLIENT_KEYS", "")
    KeyFile(tmp_path / "home" / "client-keys.json", b"p" * 32).create("acme", "caller")
    code, out = doctor("--json")
    assert (code, facts(out)["clients"]["state"]) == (1, "failed")
    assert "set GUARD_UPSTREAM_KEY" in facts(out)["clients"]["what"]
    monkeypatch.setenv("GUARD_UPSTREAM_KEY", "k")
    code, out = doctor("--json")
    assert (code, facts(out)["clients"]["what"]) == (0, "1 active virtual keys")


def test_a_bad_policy_is_a_bad_file(doctor: Run) -> None:
    """Exit code 2, with file, line and what to write instead: as everywhere."""
    code, _ = doctor(policy="mode: off\n")
    assert code != 0


def test_what_is_worth_a_look_is_no_failure(doctor: Run) -> None:
    """Warnings of the policy are counted, and `policy check` is named."""
    code, out = doctor("--json", policy="extends: [default]\noutput: {stream: {hold: none}}\n")
    assert code == 0
    assert facts(out)["policy"]["state"] == "look"
    assert any("hold: none" in line for line in facts(out)["policy"]["facts"]["warnings"])


@pytest.mark.parametrize("columns", [80, 140])
def test_no_line_is_wider_than_the_terminal(
    doctor: Run, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 80 and at 140 columns the table is whole."""
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out = doctor()
    assert code == 0
    assert max(map(len, out.splitlines())) <= columns


def test_a_disk_that_fills_up_is_worth_a_look(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 80 % of the exports' disk; a full one refuses every call."""
    for used, state in ((79, "ok"), (80, "look")):
        monkeypatch.setattr(exportfile.shutil, "disk_usage", lambda path, used=used: (100, used, 100 - used))
        code, out = doctor("--json")
        assert (code, facts(out)["record"]["state"]) == (0, state)
        assert facts(out)["record"]["facts"]["disk_percent"] == used
    assert "80 % full" in facts(out)["record"]["what"]


def test_a_record_that_cannot_be_written_is_a_failure(
    doctor: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exports below what is no folder: said before the first call would be refused for it."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("GUARD_EXPORTS", str(tmp_path / "file" / "exports"))
    code, out = doctor("--json")
    assert code == 1
    assert facts(out)["record"]["state"] == "failed"
    assert "cannot be written to" in facts(out)["record"]["what"]


def test_every_endpoint_stands_in_one_table(
    doctor: Run, provider: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Host, purpose, both axes, admitted or why not: what is configured anywhere, in words and for machines."""
    monkeypatch.setenv("GUARD_OTLP_ENDPOINT", "https://collector.example.org")
    monkeypatch.setenv("GUARD_MODERATION_URL", "https://us.api.openai.com/v1")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://jp.api.openai.com/v1")
    arguments = {
        "policy": "extends: [eu]\n",
        "upstream": "https://bedrock-runtime.eu-central-1.amazonaws.com",
    }
    code, out = doctor("--json", **arguments)
    assert code == 1
    rows = {row["purpose"]: row for row in json.loads(out)["destinations"]}
    axes = {purpose: (row["processing"], row["storage"], row["admitted"]) for purpose, row in rows.items()}
    assert axes == {
        "model": ("UNKNOWN", "DE", True),
        "judge": ("US", "US", False),
        "trace copy": ("unknown", "unknown", False),
        "environment": ("GLOBAL", "JP", False),
    }
    assert rows["model"]["verdict"] == "by request"
    assert "use eu.api.openai.com" in rows["judge"]["verdict"]
    assert facts(out)["model"]["state"] == "look"
    _, shown = doctor(**arguments)
    told = shown.partition("Destinations")[2]
    for word in (
        "for",
        "host",
        "processing",
        "storage",
        "verdict",
        "OPENAI_BASE_URL",
        "collector.example.org",
    ):
        assert word in told


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("GUARD_OTLP_ENDPOINT", "https://collector.example.org"),
        ("GUARD_MODERATION_URL", "https://us.api.openai.com/v1"),
    ],
)
def test_what_is_configured_and_may_not_be_reached_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    """Said in one sentence at start, not as a check that fails at every call."""
    monkeypatch.setenv(name, url)
    with pytest.raises(SetupError, match=f"{name} is set, but its host may not be reached: "):
        guarded_client("eu")


def test_a_judge_of_the_policy_that_may_not_be_reached_stops_the_start(tmp_path: Path) -> None:
    """The policy's own url is named as such."""
    path = tmp_path / "p.yaml"
    path.write_text("extends: [eu]\nmoderation: {url: 'https://us.api.openai.com/v1'}\n")
    guard = Guard.from_policy(path)
    gateway = Gateway(guard, upstream="https://eu.api.openai.com/v1")
    for start in (lambda: guarded_client(guard=guard), lambda: gateway.check("127.0.0.1")):
        with pytest.raises(SetupError, match=r"moderation.url \(judge\) may not be reached: us"):
            start()
    guard.close()
