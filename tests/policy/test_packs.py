"""The shipped packs: they load, mean what their names promise, and teach."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import yaml

import guard.policy.load
from guard import residency
from guard.errors import PolicyError
from guard.policy.check import warnings
from guard.policy.decide import decide, judges, rule_for, wanted
from guard.policy.load import load, load_policy, pack_names, pack_path
from guard.policy.schema import json_schema
from guard.policy.show import to_yaml
from guard.traffic.prices import Prices
from guard.traffic.usage import Tokens
from guard.types import Action, Finding, Redaction, Stage

A, F, R, B = Action.ALLOW, Action.FLAG, Action.REDACT, Action.BLOCK

CARD, EMAIL, NAME = "pii.card", "pii.email", "pii.person"
KEY, HATE, DOWN = "secret.openai_key", "moderation.hate", "guard.unavailable.moderation"

MEANING = [
    # pack, stage, kind, what it says, what it enforces
    ("default", Stage.INPUT, EMAIL, R, R),
    ("default", Stage.INPUT, KEY, R, R),
    ("default", Stage.INPUT, "guard.opaque.image", B, B),
    ("default", Stage.INPUT, "pii.url", A, A),
    ("default", Stage.OUTPUT, CARD, R, R),
    ("default", Stage.OUTPUT, EMAIL, F, F),
    ("default", Stage.OUTPUT, HATE, B, B),
    ("default", Stage.OUTPUT, DOWN, B, B),
    ("default", Stage.LOGS, EMAIL, R, R),
    ("strict", Stage.INPUT, EMAIL, B, B),
    ("strict", Stage.INPUT, KEY, B, B),
    ("strict", Stage.OUTPUT, EMAIL, B, B),
    ("strict", Stage.OUTPUT, CARD, B, B),
    ("strict", Stage.LOGS, EMAIL, R, R),
    ("eu", Stage.INPUT, EMAIL, R, R),
    ("eu", Stage.OUTPUT, HATE, B, B),
    ("observe", Stage.INPUT, EMAIL, R, A),
    ("observe", Stage.OUTPUT, HATE, B, A),
    ("observe", Stage.OUTPUT, EMAIL, F, F),
    ("observe", Stage.EGRESS, "egress.host", B, B),
    ("observe", Stage.LOGS, EMAIL, R, R),
    ("reversible", Stage.INPUT, EMAIL, R, R),
]


@pytest.mark.parametrize(("pack", "stage", "kind", "said", "enforced"), MEANING)
def test_a_pack_means_what_its_name_promises(
    pack: str, stage: Stage, kind: str, said: Action, enforced: Action
) -> None:
    """`strict` blocks where `default` redacts, `observe` changes nothing, the others do as `default`."""
    verdict = decide(load_policy(pack), stage, [Finding(kind, 0, 0, 1.0, "test")])
    assert (verdict.action, verdict.enforced) == (said, enforced)


def test_the_packs_are_these() -> None:
    """Every YAML file of the folder is a pack, and each calls itself by its file's name."""
    assert pack_names() == sorted(
        "default eu eu-ai-act finance gdpr-eu hipaa internal-dev minors observe pci-dss pipl-cn production reversible"
        " strict voice".split()
    )
    assert [load_policy(name).policy for name in pack_names()] == pack_names()


@pytest.mark.parametrize("name", pack_names())
def test_a_pack_teaches(name: str) -> None:
    """A pack opens with what it is for, and explains in its lines."""
    lines = pack_path(name).read_text("utf-8").splitlines()
    assert lines[0].startswith(f"# {name}: ")
    assert sum("#" in line for line in lines) >= 3


@pytest.mark.parametrize("name", pack_names())
def test_editors_complete_a_pack(name: str) -> None:
    """Each pack names the schema beside it, and the schema is that of this version."""
    path = pack_path(name)
    assert "\n# yaml-language-server: $schema=policy.schema.json\n" in path.read_text("utf-8")
    beside = json.loads((path.parent / "policy.schema.json").read_text("utf-8"))
    assert beside == json_schema(), "write it anew: guard policy schema > policies/policy.schema.json"


def test_strict_blocks_whatever_default_redacts() -> None:
    """At every score of every kind where `default` redacts what goes in or comes out, `strict` blocks."""
    default, strict = load_policy("default"), load_policy("strict")
    for stage in (Stage.INPUT, Stage.OUTPUT):
        for kind in wanted(default, stage):
            steps = rule_for(default, stage, kind).steps
            ats = [step.at or 0.0 for step in steps if step.action is R]
            assert all(rule_for(strict, stage, kind).step(at).enforced is B for at in ats), kind


def test_default_moderates_by_the_design_thresholds() -> None:
    """Scores block at 0.8, self-harm at 0.5, sexual content about minors at 0.2."""
    policy = load_policy("default")
    ats = {kind: rule_for(policy, Stage.OUTPUT, f"moderation.{kind}").steps[0].at for kind in _CATEGORIES}
    assert ats == _CATEGORIES
    assert judges(policy)


_CATEGORIES = {
    "violence/graphic": 0.8,
    "hate": 0.8,
    "sexual": 0.8,
    "self-harm/intent": 0.5,
    "sexual/minors": 0.2,
}


def test_default_restores_what_it_redacted_and_never_a_secret() -> None:
    """Personal data comes back into the answer; a pasted key does not."""
    policy = load_policy("default")
    assert rule_for(policy, Stage.INPUT, EMAIL).redaction == Redaction("token", restore=True)
    assert rule_for(policy, Stage.INPUT, KEY).redaction == Redaction("token", restore=False)
    assert rule_for(policy, Stage.LOGS, EMAIL).redaction == Redaction("faker")
    assert rule_for(policy, Stage.LOGS, KEY).redaction == Redaction("mask")


def test_the_kinds_of_default_reach_presidio() -> None:
    """The recognizers that `default` names find kinds on which it acts."""
    policy = load_policy("default")
    assert policy.recognizers.presidio.recognizers == ("MedicalLicenseRecognizer", "UsBankRecognizer")
    assert {"pii.medical_license", "pii.us.bank_number"} <= wanted(policy, Stage.INPUT)


def test_reversible_encrypts_and_routes_more_kinds_through_presidio() -> None:
    """The pack for reversible placeholders uses `as: encrypt` and more recognizers than `default`."""
    policy = load_policy("reversible")
    assert rule_for(policy, Stage.INPUT, EMAIL).redaction == Redaction("encrypt", restore=True)
    default = set(load_policy("default").recognizers.presidio.recognizers)
    assert default < set(policy.recognizers.presidio.recognizers)


def test_production_has_the_numbers_of_a_check_list() -> None:
    """3 tries, 200 requests and 40,000 tokens a minute, a fallback, 200 USD a day and then a cheaper model, lines."""
    traffic = load_policy("production").traffic
    limits, budget, alerts = traffic.limits, traffic.budget, traffic.alerts
    assert traffic.retries.attempts == 3
    assert (limits.requests_per_minute, limits.tokens_per_minute, limits.per) == (200, 40_000, "tenant")
    assert (budget.usd_per_day, traffic.dead_letters, alerts.p99_s, alerts.p999_s) == (200, True, 2, 5)
    [(model, (first, second))] = traffic.fallbacks.items()
    prices = Prices({})
    assert model == first
    assert [prices.problem(each) for each in (first, second, budget.then.use)] == ["", "", ""]
    dear, cheap = (prices.of(each, "api.openai.com") for each in (first, budget.then.use))
    assert dear is not None
    assert cheap is not None
    assert cheap.most(Tokens(1000, 1000)) < dear.most(Tokens(1000, 1000))
    assert not [told for told in warnings(load("production"), date(2026, 11, 26)) if "traffic" in told]


@pytest.mark.parametrize(
    ("host", "admitted"),
    [
        ("eu.api.openai.com", True),
        ("api.eu.mistral.ai", True),
        ("api.openai.com", False),
        ("us.api.openai.com", False),
        ("api.mistral.ai", False),
        ("api.deepseek.com", False),
    ],
)
def test_eu_admits_what_stays_in_the_eea_and_switzerland(host: str, admitted: bool) -> None:
    """`eu` admits the EU hosts of OpenAI and Mistral and refuses global and foreign ones."""
    egress = load_policy("eu").egress
    answer = residency.admit(
        host, port=None, scheme="https", jurisdictions=egress.jurisdictions, declared=egress.hosts, named=()
    )
    assert answer.allowed is admitted


@pytest.mark.parametrize("name", pack_names())
@pytest.mark.parametrize("why", [False, True])
def test_what_show_prints_loads_again_with_the_same_digest(tmp_path: Path, name: str, why: bool) -> None:
    """`guard policy show` is a policy: the resolved one, without what it extended."""
    path = tmp_path / "shown.yaml"
    path.write_text(to_yaml(load(name), why=why), encoding="utf-8")
    again = load(path)
    assert again.policy.sha256 == load_policy(name).sha256
    assert again.policy.extends == ()
    assert yaml.safe_load(path.read_text("utf-8"))["policy"] == name


def test_packs_are_found_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed wheel has its packs in `guard/packs`; a checkout has them beside the package."""
    assert pack_path("default").parent.name in ("policies", "packs")
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "default.yaml").write_text("policy: default\n")
    monkeypatch.setattr(guard.policy.load, "_PACKAGE", tmp_path)
    assert pack_path("default") == tmp_path / "packs" / "default.yaml"
    assert pack_names() == ["default"]
    with pytest.raises(PolicyError, match="did you mean default"):
        pack_path("defaults")


def test_a_packs_name_is_never_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that lies around under a pack's name does not replace the pack; with a path it is loaded."""
    (tmp_path / "eu").write_text("policy: fake\n")
    (tmp_path / "own").write_text("policy: own\n")
    monkeypatch.chdir(tmp_path)
    assert load_policy("eu").policy == "eu"
    assert load_policy("./eu").policy == "fake"
    assert load_policy(Path("eu")).policy == "fake"
    assert load_policy("own").policy == "own"


SAME = [
    ("policy: p\nmode: enforce\ninput: {rules: {pii.*: redact, secret.*: block}}", "a plain file"),
    (
        "# a comment\ninput:\n  rules:\n    'secret.*': block\n    pii.*: {action: redact}\npolicy: p\n",
        "other order",
    ),
    (
        "policy: p\ninput: {rules: {secret.*: {block: 0.50}, pii.*: {at: .5, as: token, action: redact}}}",
        "defaults out",
    ),
    (
        "policy: p\ninput: {rules: {pii.*: redact, secret.*: block}}\nmessages: {}\nextends: []\ntraffic: {}",
        "empties",
    ),
    (
        "policy: p\ninput: {rules: {pii.*: redact, secret.*: block, guard.*: block}}",
        "the built-in rule written out",
    ),
    ("policy: p\nextends: [./base.yaml]\ninput: {rules: {secret.*: block}}", "half of it extended"),
    (
        "policy: p\ninput: {rules: {pii.*: redact, secret.*: block}}\nrecognizers: {except: [private, reserved]}",
        "a set",
    ),
]


def test_the_digest_is_of_the_meaning(write: Callable[[str, str], Path]) -> None:
    """Layout, comments, order, defaults written out and where a rule came from do not change the digest."""
    write("base.yaml", "policy: base\nowner: x\ninput: {rules: {pii.*: redact}}")
    digests = {load_policy(write(f"{n}.yaml", text)).sha256 for n, (text, _) in enumerate(SAME)}
    assert len(digests) == 1
    assert all(len(digest) == 64 for digest in digests)


CHANGES = [
    "policy: q",
    "version: '2'",
    "mode: observe",
    "owner: ann",
    "input: {rules: {pii.*: {action: redact, at: 0.51}}}",
    "input: {rules: {pii.*: {action: redact, as: mask}}}",
    "input: {rules: {pii.*: {action: redact, restore: true}}}",
    "input: {rules: {pii.*: {action: redact, mode: observe}}}",
    "input: {rules: {pii.*: redact, pii.card: redact, pii.email: flag}}",
    "input: {rules: {pii.*: redact, guard.opaque.image: flag}}",
    "output: {rules: {pii.*: redact}}",
    "output: {stream: {hold: full}}",
    "messages: {input: no}",
    "logs: {locale: [zh_CN, en_US]}",
    "egress: {jurisdictions: [EU]}",
    "egress: {hosts: {a.example: {processing: [DE], storage: [DE]}}}",
    "egress: {mode: observe}",
    "recognizers: {countries: all}",
    "recognizers: {except: []}",
    "recognizers: {presidio: {recognizers: [UsSsnRecognizer]}}",
    "recognizers: {presidio: {deadline_ms: 999}}",
    "recognizers: {custom: [{name: a, pattern: b, kind: pii.c}]}",
    "recognizers: {lists: [{name: a, deny: pii.c, terms: [b]}]}",
    "recognizers: {lists: [{name: a, deny: pii.c, terms: [c]}]}",
    "recognizers: {lists: [{name: a, allow: true, terms: [b]}]}",
    "moderation: {by: off}",
    "moderation: {model: other}",
    "moderation: {timeout_s: 4.5}",
    "endpoints: {allow: [files]}",
    "routes: {'POST /a': {input: ['*']}}",
]


def test_any_change_of_meaning_changes_the_digest(write: Callable[[str, str], Path]) -> None:
    """No two policies that differ in any key have the same digest."""
    base = "input: {rules: {pii.*: redact}}"
    texts = [base, *(text if "input: {rules" in text else f"{text}\n{base}" for text in CHANGES)]
    named = [text if text.startswith("policy") else f"policy: p\n{text}" for text in texts]
    digests = [load_policy(write(f"{n}.yaml", text)).sha256 for n, text in enumerate(named)]
    assert len(set(digests)) == len(digests)


def test_a_policy_is_a_value() -> None:
    """Equal policies hash alike, a changed copy is digested anew, and nothing can be set."""
    one, two = load_policy("default"), load_policy("default")
    assert one == two
    assert hash(one) == hash(two)
    changed = one.model_copy(update={"mode": "observe"})
    assert changed.sha256 != one.sha256
    assert decide(changed, Stage.INPUT, [Finding(EMAIL, 0, 1, 1.0, "t")]).enforced is A
    assert decide(one, Stage.INPUT, [Finding(EMAIL, 0, 1, 1.0, "t")]).enforced is R
    with pytest.raises(ValueError, match="frozen"):
        one.mode = "observe"
    with pytest.raises(ValueError, match="frozen"):
        one.egress.mode = "observe"
