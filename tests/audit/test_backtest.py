"""Another policy over last week's record: what it would block, pass and refuse, from scores and kinds alone."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from guard.audit.backtest import Backtest, backtest
from guard.cli.policy import app
from guard.policy.load import load_policy
from guard.trace import records, spans
from guard.trace.ledger import Ledger
from guard.trace.signing import Signer
from guard.types import Action, Decision, Finding, Receipts, Stage, Verdict

_spec = importlib.util.spec_from_file_location("audit_gateway", Path(__file__).with_name("test_query.py"))
assert _spec is not None
assert _spec.loader is not None
kit = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kit)


def answer(gateway: Any, intent: Any, scores: dict[str, float], action: Action) -> None:
    """A model call whose answer was judged, as guard records it: every category, allowed ones too."""
    found = [
        Finding(f"moderation.{name}", 0, 0, score, "moderation:x", "choices[0]")
        for name, score in scores.items()
    ]
    decisions = tuple(Decision(one, action, action, "moderation.*", "old.yaml:9") for one in found)
    verdict = Verdict(Stage.OUTPUT, action, action, decisions)
    span = gateway.recorder.start("chat gpt-x", kind="client", parent=intent, attributes=kit.POLICY)
    span.set_all({spans.OPERATION: "chat", spans.TENANT: "acme"})
    usage = {"usage": {"prompt_tokens": 7, "completion_tokens": 3}}
    span.set_all(records.outcome_attributes(verdict, usage, Receipts()))
    for name, attributes in spans.finding_events(verdict, lambda _: ""):
        span.event(name, attributes)
    gateway.ledger.append(span.end())


@pytest.fixture
def exports(folder: Path, signer: Signer) -> Path:
    """Two e-mail addresses that passed, one that was blocked; answers judged 0.3, 0.6 and 0.9."""
    ledger = Ledger(folder, signer=signer)
    gateway = kit.Gateway(ledger)
    intents = [gateway.intent(kit.EU), gateway.intent(kit.GLOBAL, tenant="other")]
    gateway.intent(kit.EU, action=Action.BLOCK)
    gateway.intent(kit.US)
    for intent, score, action in zip(
        [*intents, intents[0]], (0.3, 0.6, 0.9), (Action.ALLOW, Action.ALLOW, Action.BLOCK), strict=True
    ):
        answer(gateway, intent, {"violence": score, "hate": 0.01}, action)
    ledger.close()
    return folder


def under(exports: Path, tmp_path: Path, text: str, **parameters: str) -> Backtest:
    path = tmp_path / "new.yaml"
    path.write_text('policy: new\nversion: "2"\n' + text)
    return backtest(exports, load_policy(path), parameters)


def verdicts(found: Backtest) -> list[tuple[Any, ...]]:
    return [row[:5] for row in found.verdicts.rows]


def test_a_stricter_policy_blocks_more(exports: Path, tmp_path: Path) -> None:
    """Per tenant, with the tokens of the calls that would not have been."""
    found = under(
        exports,
        tmp_path,
        "input: {rules: {pii.email: block}}\noutput: {rules: {moderation.*: {action: block, at: 0.5}}}\n",
    )
    assert sorted(verdicts(found)) == [
        ("input", "acme", "allow", "block", 2),
        ("input", "other", "allow", "block", 1),
        ("output", "acme", "allow", "block", 1),
    ]
    assert (found.count("", "block"), found.count("block", "")) == (4, 0)
    assert found.decisions == 7
    assert (
        "input",
        "other",
        "pii.email",
        "pii.*",
        "allow",
        "pii.email",
        "block",
        1,
        1,
    ) in found.findings.rows


def test_a_looser_policy_passes_more(exports: Path, tmp_path: Path) -> None:
    """What was blocked, and no longer would be."""
    found = under(
        exports,
        tmp_path,
        "input: {rules: {pii.*: flag}}\noutput: {rules: {moderation.violence: {action: block, at: 0.95}}}\n",
    )
    assert (found.count("block", ""), found.count("", "block")) == (2, 0)
    assert ("output", "acme", "block", "allow", 1) in verdicts(found)


@pytest.mark.parametrize(("at", "blocked"), [(0.2, 2), (0.3, 2), (0.31, 1), (0.6, 1), (0.61, 0)])
def test_a_score_at_the_limit_counts(exports: Path, tmp_path: Path, at: float, blocked: int) -> None:
    """Score ≥ at, as the gate itself decides."""
    rule = f"moderation.violence: {{action: block, at: {at}}}"
    found = under(exports, tmp_path, f"input: {{rules: {{pii.*: allow}}}}\noutput: {{rules: {{{rule}}}}}\n")
    assert sum(row[4] for row in verdicts(found) if row[0] == "output" and row[3] == "block") == blocked


def test_observing_enforces_nothing(exports: Path, tmp_path: Path) -> None:
    """`mode: observe` passes what was blocked."""
    found = under(exports, tmp_path, "mode: observe\ninput: {rules: {pii.*: block}}\n")
    assert {row[3] for row in verdicts(found)} == {"allow"}


def request(ledger: Ledger, tenant: str, **told: Any) -> None:
    """One request on record in which an address was found, and the answer of its model."""
    gateway = kit.Gateway(ledger)
    span = gateway.recorder.start(spans.SCREEN, attributes=kit.POLICY)
    found = Finding("pii.email", 3, 9, 0.9, "pattern", "messages[0].content")
    verdict = Verdict(
        Stage.INPUT, Action.ALLOW, Action.ALLOW, (Decision(found, *[Action.ALLOW] * 2, "pii.*"),)
    )
    model, endpoint = told.pop("model", ""), told.pop("endpoint", "chat")
    attributes = records.screen_attributes(
        verdict,
        endpoint=endpoint,
        screened_bytes=9,
        forwarded_bytes=9,
        receipts=Receipts(),
        admission=kit.GLOBAL,
    )
    common = {
        spans.TENANT: tenant,
        spans.MOUNT: told.pop("mount", "gateway"),
        spans.EXCHANGE: span.span_id,
        **told,
    }
    span.set_all({**attributes, **common})
    for name, event in spans.finding_events(verdict, lambda _: ""):
        span.event(name, event)
    ledger.append(span.end())
    if model:
        call = gateway.recorder.start(f"chat {model}", kind="client", parent=span, attributes=common)
        call.set_all({spans.OPERATION: "chat", spans.REQUEST_MODEL: model})
        call.set_all(records.outcome_attributes(Verdict(Stage.OUTPUT, *[Action.ALLOW] * 2), {}, Receipts()))
        ledger.append(call.end())


KEY, NAME, ASKED = spans.CLIENT_KEY, spans.CLIENT_KEY_NAME, spans.POLICY_ASKED
CALLS: list[tuple[str, dict[str, Any], set[str]]] = [
    ("acme", {"model": "m"}, {"tenants"}),
    ("beta", {"model": "m"}, set()),
    ("beta", {"model": "fine-1"}, {"models"}),
    ("beta", {"model": "m-backed"}, {"models"}),
    ("beta", {"model": "fine-1", "endpoint": "embeddings"}, {"models", "paths"}),
    ("beta", {"model": "m", "endpoint": "POST", "mount": "edge"}, {"paths", "keys"}),
    ("beta", {}, {"models"}),
    ("beta", {"model": "m", KEY: "0" * 12, NAME: "partner-a"}, {"keys"}),
    ("beta", {"model": "m", KEY: "0" * 12}, set()),
    ("beta", {"model": "m", "mount": "client"}, {"keys"}),
    ("beta", {"model": "m", ASKED: ["kids", "gone"]}, {"header"}),
    ("default", {"model": "m", "endpoint": "chat"}, {"tenants", "keys"}),
]


@pytest.mark.parametrize("word", ["tenants", "models", "paths", "keys", "header"])
def test_a_call_is_judged_by_what_is_attached_to_it(
    folder: Path, signer: Signer, tmp_path: Path, word: str
) -> None:
    """Tenant, model (a fallback, too), path, virtual key, header: as at a request, what is not known counts as met."""
    with_it = {"tenants": "[acme]", "models": "[fine-*]", "paths": "[/v1/embeddings]", "keys": "[partner-*]"}
    (tmp_path / "tight.yaml").write_text("policy: tight\ninput: {rules: {pii.email: block}}\n")
    ledger = Ledger(folder, signer=signer)
    for tenant, told, _ in CALLS:
        request(ledger, tenant, **told)
    ledger.close()
    found = under(
        folder,
        tmp_path,
        "traffic: {fallbacks: {m-backed: [fine-2]}}\n"
        f"attach: [{{{word}: {with_it.get(word, 'kids')}, policy: ./tight.yaml}}]\n",
    )
    expected = sum(word in words for *_, words in CALLS)
    assert found.count("", "block") == expected
    assert {row[0] for row in found.policies.rows} == {"new", "new+tight"}
    assert sum(row[2] for row in found.policies.rows) == found.decisions


def test_each_policy_admits_for_its_own(folder: Path, signer: Signer, tmp_path: Path) -> None:
    """A destination is refused to those to whom a place is attached; an exception that holds today loosens, too."""
    ledger = Ledger(folder, signer=signer)
    for tenant in ("acme", "beta"):
        request(ledger, tenant, model="m")
    ledger.close()
    found = under(folder, tmp_path, "attach: [{tenants: [acme], policy: eu}]\n")
    assert [row[3:] for row in found.destinations.rows] == [("refused", 1)]
    excepted = (
        "exceptions: [{kind: pii.email, tenant: acme, until: 2999-12-31, ticket: T-1, approved_by: jo}]\n"
    )
    found = under(folder, tmp_path, "input: {rules: {pii.email: block}}\n" + excepted)
    assert [row[1:4] for row in found.verdicts.rows] == [
        ("acme", "allow", "flag"),
        ("beta", "allow", "block"),
    ]


def test_destinations(exports: Path, tmp_path: Path) -> None:
    """Newly refused, and newly admitted."""
    found = under(exports, tmp_path, "egress: {jurisdictions: [EEA, CH]}\n")
    assert [row[1:] for row in found.destinations.rows if row[3] == "refused"] == [
        ("api.openai.com", "GLOBAL", "refused", 1)
    ]
    found = under(exports, tmp_path, "egress: {jurisdictions: any}\n")
    assert [row[1] for row in found.destinations.rows] == ["us.api.openai.com"]


def test_the_curve_of_a_category(exports: Path, tmp_path: Path) -> None:
    """How many exchanges reach which score, whatever the policy says."""
    curve = {(kind, at): n for kind, at, n in under(exports, tmp_path, "").curve.rows}
    assert [curve["moderation.violence", at] for at in (0.3, 0.35, 0.6, 0.65, 0.9, 0.95)] == [
        2,
        2,
        2,
        1,
        1,
        0,
    ]
    assert curve["moderation.hate", 0.05] == 0


def test_parameters_and_what_is_unseen(exports: Path, tmp_path: Path) -> None:
    """Only one tenant, only some days; kinds of which nothing is on record are named."""
    rules = "input: {rules: {pii.email: block, pii.card: block}}\n"
    assert under(exports, tmp_path, rules, tenant="other").decisions == 1
    assert under(exports, tmp_path, rules, until="2020-01-01").decisions == 0
    unseen = under(exports, tmp_path, rules).unseen
    assert "pii.card" in unseen
    assert "pii.email" not in unseen


def test_the_verb(exports: Path, tmp_path: Path) -> None:
    """For people, who are told what it cannot say, and for machines."""
    path = tmp_path / "new.yaml"
    path.write_text('policy: new\nversion: "2"\ninput: {rules: {pii.email: block}}\n')
    command = ["backtest", "--policy", str(path), "--traces", str(exports)]
    told = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    assert told.exit_code == 0
    assert "3 newly blocked" in told.output
    assert "Not to be known from traces" in told.output
    data = json.loads(CliRunner().invoke(app, [*command, "--json"]).output)
    assert (data["newly_blocked"], data["decisions"]) == (3, 7)
    assert [(row["policy"], row["decisions"]) for row in data["policies"]] == [("new", 7)]
    path.write_text(path.read_text() + "attach: [{tenants: [other], policy: strict}]\n")
    told = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    assert "Each call is judged by what the policy attaches" in told.output
    assert "new+strict" in told.output


def test_what_was_found_decides_where_on_record_too(exports: Path, tmp_path: Path) -> None:
    """`egress.rules`: the calls in which the kind was found would have been refused outside its places."""
    found = under(exports, tmp_path, "egress: {rules: {pii.email: {jurisdictions: [EEA, CH]}}}\n")
    refused = [row[1:] for row in found.destinations.rows if row[3] == "refused"]
    assert refused == [("api.openai.com", "GLOBAL", "refused", 1)]
    none = under(exports, tmp_path, "egress: {rules: {pii.card: {jurisdictions: [EEA, CH]}}}\n")
    assert [row for row in none.destinations.rows if row[3] == "refused"] == []
