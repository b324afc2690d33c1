"""What `guard policy check` wants looked at: choices that fail open, and findings on which no rule acts."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from guard.detecting import idle_rules
from guard.policy.check import warnings
from guard.policy.load import load, pack_names

TODAY = datetime.date(2026, 12, 1)
JUDGED = "output: {rules: {moderation.*: block}}"

ELSEWHERE = (
    "providers: {near: {url: 'https://near.example/v1'}}\n"
    "traffic: {fallbacks: {gpt-5.6-terra: [gpt-5.6-terra, near/m]}}"
)

WARNED = [
    (
        f"{JUDGED}\n{ELSEWHERE}",
        "traffic.fallbacks.gpt-5.6-terra: near/m answers when the upstream is out, and the judge is asked there",
    ),
    ("mode: observe", "mode: observe: nothing is changed or refused"),
    ("egress: {mode: observe}", "egress.mode: observe: destinations outside"),
    (
        "input:\n  rules:\n    pii.*: {action: block, mode: observe}",
        "input.rules.pii.* (p.yaml:3): mode: observe: what it finds passes",
    ),
    (
        "output:\n  rules:\n    guard.unavailable.*: flag",
        "output.rules.guard.unavailable.* (p.yaml:3): flag: guard.unavailable.moderation fails open",
    ),
    ("input: {rules: {'*': flag}}", "input.rules.* (p.yaml:1): flag: guard.unavailable.record fails open"),
    ("input: {rules: {guard.opaque.image: allow}}", "allow: guard.opaque.image fails open"),
    (
        "logs: {rules: {guard.*: flag}}",
        "logs.rules.guard.* (p.yaml:1): flag: guard.unavailable.detect fails open",
    ),
    ("output: {stream: {hold: none}}", "output.stream.hold: none: a stream is released before it is judged"),
    ("endpoints: {allow: [files]}", "endpoints.allow: files passes unscreened"),
    (
        "traffic: {alerts: {webhook: 'https://hooks.example.org/x'}}",
        "traffic.alerts.webhook: it hears of break-glass only",
    ),
    (
        "traffic: {budget: {usd_per_day: 9, then: {use: m}}}",
        "traffic.budget.then: no limit stops the cheaper model",
    ),
    (
        'restore: {tools: ["*"]}',
        'restore.tools: "*": originals go into the arguments of whatever tool the model calls',
    ),
    (
        "extends: [default]\nmoderation: {by: off}",
        "moderation.by: off: the moderation rules of the output are never asked",
    ),
    (f"{JUDGED}\negress: {{jurisdictions: [AE]}}", "no host of OpenAI moderates inside AE"),
    (f"{JUDGED}\negress: {{jurisdictions: [DE]}}", "no host of OpenAI moderates inside DE"),
    (f"{JUDGED}\negress: {{jurisdictions: [CN, HK]}}", "no host of OpenAI moderates inside CN, HK"),
    (
        "recognizers: {presidio: {recognizers: [UrlRecognizer]}}\ninput: {rules: {pii.*: block}}",
        "UrlRecognizer finds pii.url, on which no rule acts: name the kind in a rule",
    ),
    (
        "recognizers: {presidio: {engine: spacy}}\ninput: {rules: {secret.*: block}}",
        "recognizers.presidio.engine: spacy finds people and places, on which no rule acts",
    ),
    ("recognizers: {custom: [{name: b, pattern: x, kind: pii.x}]}", "b finds pii.x, on which no rule acts"),
    (
        "extends: [gdpr-eu]\nattach:\n- {tenants: [cn-*], policy: pipl-cn}",
        "attach (p.yaml:3): no place is in both p and pipl-cn: every call of its requests is refused (451)",
    ),
    ("review_by: 2026-11-30", "review_by: 2026-11-30 has passed"),
    ("effective: 2027-01-01", "effective: 2027-01-01 is still to come"),
]


@pytest.mark.parametrize(("text", "expected"), WARNED)
def test_a_doubtful_choice_is_named(write: Callable[[str, str], Path], text: str, expected: str) -> None:
    """Every choice that fails open, is only observed or finds for nobody is one line that says where."""
    found = warnings(load(write("p.yaml", text)), TODAY)
    assert any(expected in warning for warning in found), found


QUIET = [
    ELSEWHERE,
    f"{JUDGED}\n{ELSEWHERE}\nmoderation: {{url: 'https://judge.example'}}",
    "input: {rules: {guard.*: block}}",
    f"{JUDGED}\negress: {{jurisdictions: [EEA, CH]}}",
    f"{JUDGED}\negress: {{jurisdictions: [EEA, CH, GB]}}",
    f"{JUDGED}\negress: {{jurisdictions: [US]}}",
    f"{JUDGED}\negress: {{jurisdictions: [AE]}}\nmoderation: {{url: 'https://judge.example'}}",
    "egress: {jurisdictions: [AE]}",
    "recognizers: {presidio: {recognizers: [UrlRecognizer]}}\nlogs: {rules: {pii.url: redact}}",
    "recognizers: {presidio: {engine: spacy}}\ninput: {rules: {pii.*: block}}",
    "attach:\n- {tenants: [eu-*], policy: gdpr-eu}\n- {tenants: [cn-*], policy: pipl-cn}",
    "review_by: 2026-12-01\neffective: 2026-12-01",
]


@pytest.mark.parametrize("text", QUIET)
def test_what_is_sound_is_not_warned_of(write: Callable[[str, str], Path], text: str) -> None:
    """A policy that blocks what it cannot check, and judges in place, has no warnings."""
    assert warnings(load(write("p.yaml", text)), TODAY) == []


@pytest.mark.parametrize("pack", pack_names())
def test_the_packs_are_sound(pack: str) -> None:
    """No shipped pack but `observe` has anything to warn of."""
    assert bool(warnings(load(pack), TODAY)) is (pack == "observe")


BANKS = "recognizers: {presidio: {recognizers: [UsBankRecognizer]}}"

IDLE = [
    (
        "input: {rules: {pii.sg.nric_fin: block}}",
        "input.rules.pii.sg.nric_fin (p.yaml:1): nothing looks for it",
    ),
    ("recognizers: {countries: [SG]}\ninput: {rules: {pii.sg.nric_fin: block}}", ""),
    (
        "recognizers: {countries: [SG]}\ninput: {rules: {pii.us.ssn: block}}",
        "input.rules.pii.us.ssn (p.yaml:2)",
    ),
    (
        "input: {rules: {pii.person: block}}",
        "input.rules.pii.person (p.yaml:1): nothing looks for it under these",
    ),
    ("recognizers: {names: gazetteer}\ninput: {rules: {pii.person: block}}", ""),
    ("recognizers: {presidio: {engine: spacy}}\ninput: {rules: {pii.person: block}}", ""),
    ("input: {rules: {pii.us.bank_number: block}}", "input.rules.pii.us.bank_number"),
    (
        BANKS + "\ninput: {rules: {pii.us.bank_number: block}}",
        "",
    ),
    (
        BANKS + "\nlogs: {rules: {pii.us.bank_number: redact}}",
        "logs.rules.pii.us.bank_number (p.yaml:2): nothing looks for it in log lines",
    ),
    ("recognizers: {custom: [{name: b, pattern: x, kind: pii.x}]}\ninput: {rules: {pii.x: block}}", ""),
    ("recognizers: {lists: [{name: b, deny: pii.x, terms: [y]}]}\nlogs: {rules: {pii.x: redact}}", ""),
    ("input: {rules: {pii.nrp: allow}}", ""),
    ("output: {rules: {guard.*: flag, moderation.*: block}}", ""),
]


@pytest.mark.parametrize(("text", "warning"), IDLE)
def test_a_rule_that_can_never_fire_is_named(
    write: Callable[[str, str], Path], text: str, warning: str
) -> None:
    """A kind for which no recognizer of the policy looks: the rule would promise what nobody does."""
    told = idle_rules(load(write("p.yaml", f"{text}\n")).policy)
    assert told == [] if not warning else warning in told[0]


@pytest.mark.parametrize("name", pack_names())
def test_no_pack_has_a_rule_without_effect(name: str) -> None:
    """What a pack says it does."""
    assert idle_rules(load(name).policy) == []
