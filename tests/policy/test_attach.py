"""Attached policies: which hold for a request, and that they only ever tighten."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from guard.cli.policy import app
from guard.keyring import key_file
from guard.kinds import KINDS
from guard.policy.attach import Asked, Attachment, bound, foreseen
from guard.policy.decide import rule_for
from guard.policy.fields import days
from guard.policy.load import load, pack_names
from guard.policy.model import Policy
from guard.policy.resolve import Loaded, combine
from guard.policy.values import VALUES
from guard.settings import Settings
from guard.types import Stage

Problems = Callable[[str], list[str]]
Files = Callable[..., Loaded]
Write = Callable[[str, str], Path]

ROWS = [
    Attachment(tenants=("acme", "bank-*"), policy="eu"),
    Attachment(paths=("/v1/embeddings", "/ask/*"), policy="strict"),
    Attachment(models=("gpt-*",), tenants=("acme",), policy="strict"),
    Attachment(header="kids", policy="minors"),
    Attachment(
        keys=("partner-*", "1a2b3c4d5e6f"), tenants=("delta",), paths=("/v1/embeddings",), policy="strict"
    ),
]
HELD = [
    (Asked("beta", ("/x",), ("m",)), set()),
    (Asked("acme", ("/x",), ("m",)), {0}),
    (Asked("bank-of-x", ("/x",), ("m",)), {0}),
    (Asked("bank", ("/x",), ("m",)), set()),
    (Asked("beta", ("/v1/embeddings",), ("m",)), {1}),
    (Asked("beta", ("/ask/me", "/x"), ("m",)), {1}),
    (Asked("acme", ("/x",), ("m", "gpt-9")), {0, 2}),
    (Asked("acme", ("/x",), ("GPT-9",)), {0, 2}),
    (Asked("beta", ("/x",), ("gpt-9",)), set()),
    (Asked("beta", ("/x",), ("m",), ("kids",)), {3}),
    # what is not known counts as met; what is asked for is always known
    (Asked("default", ("/x",), ("m",)), {0}),
    (Asked("acme", ("/x",), None), {0, 2}),
    (Asked("beta", None, ("m",)), {1}),
    (Asked("default"), {0, 1, 2, 4}),
    (Asked("delta", ("/v1/embeddings",), ("m",), (), None), {1, 4}),
    (Asked("delta", ("/v1/embeddings",), ("m",), (), ()), {1}),
    (Asked("delta", ("/v1/embeddings",), ("m",), (), ("0" * 12, "inner")), {1}),
    (Asked("delta", ("/v1/embeddings",), ("m",), (), ("0" * 12, "Partner-a")), {1, 4}),
    (Asked("delta", ("/v1/embeddings",), ("m",), (), ("1a2b3c4d5e6f",)), {1, 4}),
    (Asked("gamma", ("/v1/embeddings",), ("m",), (), ("1a2b3c4d5e6f",)), {1}),
]


@pytest.mark.parametrize(("asked", "held"), HELD)
def test_an_attachment_holds_where_every_condition_is_met(asked: Asked, held: set[int]) -> None:
    """Conditions of one row are all needed, words of one condition each suffice, the unknown counts as met."""
    assert bound(ROWS, asked) == held


def test_what_requests_can_meet_is_foreseen() -> None:
    """Every set that a request of one path, model and name meets is compiled before one comes."""
    assert {bound(ROWS, asked) for asked, _ in HELD if len(asked.paths or "-") == 1} <= {
        bound(ROWS, asked) for asked in foreseen(ROWS)
    }


PACKS = {name: load(name) for name in pack_names()}
names = st.sampled_from(sorted(PACKS))


def reach(policy: Policy) -> list[tuple[int, int]]:
    """What every known kind meets at every stage and score: the action, and what of it is enforced."""
    rules = [rule_for(policy, stage, kind) for stage in Stage for kind in sorted(KINDS)]
    steps = (rule.step(score) for rule in rules for score in SCORES)
    return [(step.action, step.enforced) for step in steps]


@functools.cache
def reach_of(name: str) -> list[tuple[int, int]]:
    return reach(PACKS[name].policy)


@example(base="pipl-cn", others=["production"])
@settings(max_examples=8)
@given(base=names, others=st.lists(names, min_size=1, max_size=2))
def test_attaching_only_tightens(base: str, others: list[str]) -> None:
    """A total check: for every known kind, stage and score the action is at least that of each, alone; values too."""
    combined = combine(PACKS[base].policy, [PACKS[name] for name in others]).policy
    after = reach(combined)
    for name in (base, *others):
        assert all(n[0] >= b[0] and n[1] >= b[1] for b, n in zip(reach_of(name), after, strict=True))
    for path, value in VALUES.items():
        if value.ordered and path not in (("attach",), ("egress", "jurisdictions"), ("trace", "keep")):
            assert not value.is_looser(_get(combined, path), _get(PACKS[base].policy, path)), path
    traces = [PACKS[name].policy.trace for name in (base, *others)]
    kept = [days(trace.keep) for trace in traces if trace.keep]
    # The record is kept no longer than any of them asks, but as long as another must.
    least = max(days(trace.at_least) for trace in traces)
    assert days(combined.trace.keep) == (max(least, min(kept)) if kept else 0)


SCORES = (0.0, 0.2, 0.35, 0.5, 0.8, 1.0)


def _get(policy: Policy, path: Any) -> Any:
    node: Any = policy
    for key in path:
        node = getattr(node, {"except": "except_", "self-harm": "self_harm"}.get(key, key))
    return node


@pytest.mark.parametrize("other", ["strict", "minors", "gdpr-eu", "pci-dss"])
def test_attaching_combines_as_extending_does(load_files: Files, other: str) -> None:
    """What two packs mean under `extends`, the second means where it is attached to the first."""
    both = load_files(both=f"policy: p\nextends: [voice, {other}]\n").policy
    attached = combine(load("voice").policy, [load(other)]).policy
    named = both.model_copy(update={"policy": attached.policy, "version": attached.version})
    assert named.sha256 == attached.sha256


@pytest.mark.parametrize(
    ("own", "carries"), [("http://first:3128", "http://first:3128"), ("", "http://other:8080")]
)
def test_what_is_attached_leads_nothing_to_another_proxy(load_files: Files, own: str, carries: str) -> None:
    """It may bring the first one, with its exceptions; one that is there stays."""
    policy = load_files(
        more="egress: {proxy: {url: 'http://other:8080', except: [a.example]}}",
        p=f"egress: {{proxy: {{url: '{own}'}}}}\nattach:\n- {{tenants: [a], policy: ./more.yaml}}",
    ).policy
    proxy = combine(policy, [row.under for row in policy.attach]).policy.egress.proxy
    assert (proxy.url, proxy.except_) == (carries, () if own else ("a.example",))


def test_places_with_nothing_in_common_leave_none(load_files: Files) -> None:
    """Two tenants in two countries may stand in one policy; who is neither goes nowhere."""
    policy = load_files(
        cn="extends: [default]\negress: {jurisdictions: [CN]}",
        p="extends: [default]\nattach:\n- {tenants: [a], policy: eu}\n- {tenants: [b], policy: ./cn.yaml}",
    ).policy
    combined = combine(policy, [row.under for row in policy.attach]).policy
    assert combined.egress.jurisdictions == ()
    assert combined.policy == "p+eu+cn"


def test_the_digest_tells_attachments_apart(load_files: Files) -> None:
    """Another condition, or another meaning of the attached file, is another policy."""
    digests = {
        load_files(
            a=f"extends: [default]\ninput: {{rules: {{pii.email: {action}}}}}",
            p=f"policy: p\nextends: [default]\nattach: [{{tenants: [{tenant}], policy: ./a.yaml}}]",
        ).policy.sha256
        for tenant in ("a", "b")
        for action in ("flag", "block")
    }
    assert len(digests) == 4


def test_attachments_are_handed_on(load_files: Files) -> None:
    """A file has those of what it extends, and its own; none can be taken out by extending."""
    loaded = load_files(
        house="extends: [default]\nattach: [{tenants: [acme], policy: eu}]",
        p="extends: [./house.yaml]\nattach: [{models: [gpt-*], policy: strict}]",
    )
    assert [(row.policy, row.origin) for row in loaded.policy.attach] == [
        ("eu", "house.yaml:2"),
        ("strict", "p.yaml:2"),
    ]
    assert not loaded.loosenings


WRONG = [
    ("attach: [{policy: eu}]", "1:attach[0]: holds for every request"),
    ("attach: [{tenants: [a], policy: euu}]", "1:attach[0].policy: there is no pack or file of this name"),
    ("attach: [{tenants: [a], policy: ./x.yaml}]", "1:attach[0].policy: there is no file x.yaml there"),
    ("attach: [{tenants: ['*a'], policy: eu}]", "1:attach[0].tenants[0]: cannot be read"),
    ("attach: [{keys: ['*a'], policy: eu}]", "1:attach[0].keys[0]: cannot be read"),
    (f"attach: [{{keys: [gk-{'0' * 12}-x], policy: eu}}]", "1:attach[0].keys[0]: is a key itself"),
    ("attach: [{keys: [sk-proj-9], policy: eu}]", "1:attach[0].keys[0]: is a key itself"),
    ("tests: [{input: a, key: sk-proj-9, expect: {action: allow}}]", "1:tests[0].key: is a key itself"),
    ("attach: [{tenants: [a]}]", "1:attach[0].policy: is missing"),
    ("attach: [{tenants: [a], policy: eu, loosen: true}]", "1:attach[0].loosen: is an unknown key"),
    (
        "egress: {jurisdictions: [CN]}\nattach: [{tenants: [a], policy: ./p.yaml}]",
        "2:attach[0].policy: p.yaml",
    ),
]


@pytest.mark.parametrize(("text", "expected"), WRONG)
def test_what_is_wrong_says_where_and_what_instead(problems: Problems, text: str, expected: str) -> None:
    """D12: each mistake of an attachment by its file, line and key."""
    assert [problem for problem in problems(text) if problem.startswith(expected)]


def test_a_broken_attached_file_is_named(write: Write) -> None:
    """The mistake of an attached file is told as its own, by its own line."""
    write("eu2.yaml", "extends: [eu]\nmodus: observe\n")
    path = write("p.yaml", "extends: [default]\nattach: [{tenants: [a], policy: ./eu2.yaml}]\n")
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 2
    assert "eu2.yaml:2:modus: is an unknown key" in result.stderr


def test_resolve_explains(write: Write) -> None:
    """`guard policy resolve` says which hold, from which line, and what they make tighter."""
    path = write(
        "p.yaml",
        "policy: p\nextends: [default]\nattach:\n- {tenants: [acme], policy: eu}\n- {header: kids, policy: minors}\n",
    )
    result = CliRunner().invoke(
        app, ["resolve", str(path), "--tenant", "acme", "--path", "/x", "--model", "m"]
    )
    assert result.exit_code == 0
    assert "p+eu decides, sha256 " in result.stdout
    assert "p.yaml:4  eu: holds" in result.stdout
    assert "p.yaml:5  minors: does not hold: it is not asked for" in result.stdout
    assert "egress.jurisdictions: any → [EEA, CH]" in result.stdout
    as_json = CliRunner().invoke(
        app, ["resolve", str(path), "--tenant", "beta", "--header", "kids", "--json"]
    )
    said = json.loads(as_json.stdout)
    assert [row["holds"] for row in said["attach"]] == [False, True]
    assert said["sha256"] == combine(load(path).policy, [load("minors")]).policy.sha256
    unknown = CliRunner().invoke(app, ["resolve", str(path), "--header", "kid"])
    assert (unknown.exit_code, "known are: kids" in unknown.stderr) == (2, True)


def test_resolve_explains_keys(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual key is asked about by its name or its id, with its tenant, as the installation knows it."""
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    path = write(
        "p.yaml",
        "extends: [default]\nattach:\n- {keys: [partner-*], policy: strict}\n- {tenants: [acme], policy: eu}\n",
    )

    def held(*arguments: str) -> list[bool]:
        result = CliRunner().invoke(app, ["resolve", str(path), "--json", *arguments])
        return [row["holds"] for row in json.loads(result.stdout)["attach"]]

    assert held("--key", "partner-a", "--tenant", "beta") == [True, False]
    assert held("--key", "inner", "--tenant", "beta") == [False, False]
    assert held("--tenant", "beta") == [True, False]
    assert not (tmp_path / "home").exists()
    made, _ = key_file(Settings()).create("acme", "caller", name="partner-a")
    assert held("--key", made.id) == held("--key", "partner-a") == [True, True]
    told = CliRunner().invoke(app, ["resolve", str(path), "--key", "inner"])
    assert "p.yaml:3  strict: does not hold: the key is another" in told.stdout
