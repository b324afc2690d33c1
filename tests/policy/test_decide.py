"""What one file means: a truth table of rules, kinds, scores and what becomes of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from guard.policy.decide import decide, judges, rule_for, wanted
from guard.policy.load import load_policy
from guard.policy.model import Policy
from guard.types import Action, Finding, Redaction, Stage

Load = Callable[[str], Policy]

A, F, R, B = Action.ALLOW, Action.FLAG, Action.REDACT, Action.BLOCK


def finding(kind: str, score: float = 1.0) -> Finding:
    return Finding(kind, 0, 4, score, "test")


def action(policy: Policy, stage: Stage, kind: str, score: float = 1.0) -> Action:
    return decide(policy, stage, [finding(kind, score)]).action


RULES = """
output:
  rules:
    pii.*: redact
    pii.c*: flag
    pii.card: {action: block, at: 0.7}
    pii.cn.*: {flag: 0.2, redact: 0.4, block: 0.9, as: mask}
    pii.cn.passport: allow
    pii.url: block
    secret.*: {action: flag, at: 0}
    secret.jwt: {action: block, at: 1}
    moderation.*: block
    moderation.hate*: {action: flag, at: 0.3}
    moderation.hate/threatening: {action: block, at: 0.1}
    guard.opaque.*: flag
    guard.opaque.image: allow
"""

TABLE = [
    # The default `at` is 0.5 for spans and 0.8 for moderation; a score at it counts.
    ("pii.email", 0.5, R),
    ("pii.email", 0.49, A),
    ("moderation.violence", 0.8, B),
    ("moderation.violence", 0.79, A),
    # The longest literal prefix is the most specific, an exact name above all.
    ("pii.crypto", 0.9, F),
    ("pii.card", 0.9, B),
    ("pii.cn.plate", 0.9, B),
    ("pii.cn.passport", 1.0, A),
    ("secret.jwt", 1.0, B),
    ("secret.pem", 0.0, F),
    # A score below its `at` does not fall through to a wider rule.
    ("pii.card", 0.69, A),
    ("secret.jwt", 0.99, A),
    # A ladder takes the highest step that the score reaches.
    ("pii.cn.plate", 0.19, A),
    ("pii.cn.plate", 0.2, F),
    ("pii.cn.plate", 0.4, R),
    ("pii.cn.plate", 0.89, R),
    # `*` crosses `.` and `/`.
    ("pii.us.ssn", 0.5, R),
    ("moderation.self-harm/intent", 0.8, B),
    ("moderation.hate", 0.3, F),
    ("moderation.hate/threatening", 0.1, B),
    ("moderation.hate/threatening", 0.09, A),
    # On-request kinds answer to their own name only.
    ("pii.url", 0.5, B),
    ("pii.uuid", 1.0, A),
    ("pii.place", 1.0, A),
    ("pii.org", 1.0, A),
    ("pii.date", 1.0, A),
    # Where no rule matches, guard.* blocks at any score and the rest is allowed.
    ("guard.unavailable.moderation", 0.0, B),
    ("guard.unavailable.presidio", 1.0, B),
    ("guard.opaque.audio", 1.0, F),
    ("guard.opaque.image", 1.0, A),
    ("something.else", 1.0, A),
    # A score that is no number is the worst score.
    ("pii.card", math.nan, B),
    ("pii.cn.plate", math.nan, B),
]


@pytest.mark.parametrize(("kind", "score", "expected"), TABLE)
def test_the_most_specific_rule_alone_decides(
    load_text: Load, kind: str, score: float, expected: Action
) -> None:
    """Kind and score lead to the action of the most specific rule of the file."""
    assert action(load_text(RULES), Stage.OUTPUT, kind, score) is expected


def test_a_rule_is_whole(load_text: Load) -> None:
    """Keys that a specific rule leaves out take the documented defaults, never those of a wider rule."""
    policy = load_text(
        """
        input:
          rules:
            pii.*: {action: redact, as: token, restore: true, at: 0.9}
            pii.email: redact
        """
    )
    assert action(policy, Stage.INPUT, "pii.email", 0.5) is R
    assert rule_for(policy, Stage.INPUT, "pii.email").redaction == Redaction("token", restore=False)
    assert rule_for(policy, Stage.INPUT, "pii.phone").redaction == Redaction("token", restore=True)


@pytest.mark.parametrize("form", ["token", "faker", "mask", "hash", "encrypt"])
def test_a_redaction_says_how(load_text: Load, form: str) -> None:
    """`as` reaches the decision."""
    policy = load_text(f"input: {{rules: {{pii.*: {{action: redact, as: {form}}}}}}}")
    [decision] = decide(policy, Stage.INPUT, [finding("pii.email")]).decisions
    assert decision.redaction == Redaction(form, restore=False)


def test_a_star_alone_covers_every_family_with_its_own_default_score(load_text: Load) -> None:
    """`*` is one rule for all families; each keeps the least score of its own."""
    policy = load_text("output: {rules: {'*': block}}")
    assert action(policy, Stage.OUTPUT, "pii.email", 0.5) is B
    assert action(policy, Stage.OUTPUT, "moderation.hate", 0.79) is A
    assert action(policy, Stage.OUTPUT, "moderation.hate", 0.8) is B
    assert action(policy, Stage.OUTPUT, "guard.opaque.image", 0.0) is B
    assert action(policy, Stage.OUTPUT, "pii.url", 1.0) is A


def test_a_decision_names_its_rule_and_line(load_text: Load) -> None:
    """A decision carries the pattern and file:line that decided, also where the score stays below."""
    policy = load_text("input:\n  rules:\n    pii.*: redact\n    pii.card: block\n")
    verdict = decide(
        policy, Stage.INPUT, [finding("pii.email"), finding("pii.card", 0.1), finding("pii.url")]
    )
    assert [(d.rule, d.origin) for d in verdict.decisions] == [
        ("pii.*", "p.yaml:3"),
        ("pii.card", "p.yaml:4"),
        ("*", "built-in"),
    ]
    assert rule_for(policy, Stage.INPUT, "pii.card").rule == "pii.card"
    assert rule_for(policy, Stage.INPUT, "pii.url").origin == "built-in"
    [unread] = decide(policy, Stage.INPUT, [finding("guard.opaque.image")]).decisions
    assert (unread.rule, unread.origin) == ("guard.*", "built-in")


def test_a_verdict_is_the_maximum_and_keeps_the_order(load_text: Load) -> None:
    """The verdict is the maximum over its findings, carries the policy's digest and keeps their order."""
    policy = load_text("input: {rules: {pii.*: redact, pii.ip: flag, secret.*: block}}")
    found = [finding("pii.ip"), finding("secret.jwt"), finding("pii.email")]
    verdict = decide(policy, Stage.INPUT, found)
    assert (verdict.action, verdict.enforced, verdict.policy) == (B, B, policy.sha256)
    assert list(verdict.findings) == found
    assert verdict.blocking is verdict.decisions[1]
    assert decide(policy, Stage.INPUT, []).action is A


def test_stages_have_their_own_rules(load_text: Load) -> None:
    """Rules of one stage decide nothing in another."""
    policy = load_text("input: {rules: {pii.*: block}}\nlogs: {rules: {pii.*: {action: redact, as: faker}}}")
    assert [action(policy, stage, "pii.email") for stage in Stage] == [B, A, A, R]


def test_egress_blocks_by_itself(load_text: Load) -> None:
    """At egress what is not admitted, and what could not be checked, blocks without any rule."""
    policy = load_text("policy: p")
    assert action(policy, Stage.EGRESS, "egress.jurisdiction") is B
    assert action(policy, Stage.EGRESS, "guard.unavailable.record") is B
    assert action(policy, Stage.EGRESS, "pii.email") is A


OBSERVED = [
    # mode, egress.mode, stage, kind, what the verdict says, what is enforced
    ("observe", "enforce", Stage.INPUT, "pii.card", B, A),
    ("observe", "enforce", Stage.INPUT, "pii.email", R, A),
    ("observe", "enforce", Stage.INPUT, "pii.ip", F, F),
    ("observe", "enforce", Stage.INPUT, "guard.opaque.image", B, A),
    ("observe", "enforce", Stage.EGRESS, "egress.host", B, B),
    ("observe", "observe", Stage.EGRESS, "egress.host", B, A),
    ("enforce", "observe", Stage.EGRESS, "egress.host", B, A),
    ("enforce", "observe", Stage.INPUT, "pii.card", B, B),
    ("observe", "enforce", Stage.LOGS, "pii.email", R, R),
]


@pytest.mark.parametrize(("mode", "egress", "stage", "kind", "said", "enforced"), OBSERVED)
def test_observing_records_and_changes_nothing(
    load_text: Load, mode: str, egress: str, stage: Stage, kind: str, said: Action, enforced: Action
) -> None:
    """In `mode: observe` verdicts are recorded and nothing is enforced but flags, egress and logs."""
    policy = load_text(
        f"""
        mode: {mode}
        egress: {{mode: {egress}}}
        input: {{rules: {{pii.*: redact, pii.card: block, pii.ip: flag}}}}
        logs: {{rules: {{pii.*: redact}}}}
        """
    )
    verdict = decide(policy, stage, [finding(kind)])
    assert (verdict.action, verdict.enforced) == (said, enforced)


def test_one_rule_can_observe(load_text: Load) -> None:
    """A rule with `mode: observe` is recorded and not enforced; the others are."""
    policy = load_text(
        "input: {rules: {pii.*: redact, pii.card: {flag: 0.2, block: 0.6, mode: observe}}}",
    )
    verdict = decide(
        policy, Stage.INPUT, [finding("pii.card"), finding("pii.card", 0.3), finding("pii.email")]
    )
    assert [(d.action, d.enforced) for d in verdict.decisions] == [(B, A), (F, F), (R, R)]
    assert (verdict.action, verdict.enforced) == (B, R)


def test_wanted_names_every_kind_that_a_rule_may_act_on(load_text: Load) -> None:
    """`wanted` lists the known kinds, the policy's own too, that some score could take beyond allow."""
    policy = load_text(
        """
        input: {rules: {pii.c*: flag, pii.card: allow, pii.url: {action: block, at: 1}, pii.acme.*: block}}
        recognizers: {custom: [{name: badge, pattern: 'ACME-[0-9]{4}', kind: pii.acme.badge}]}
        """
    )
    found = wanted(policy, Stage.INPUT)
    assert {"pii.crypto", "pii.cn.plate", "pii.url", "pii.acme.badge", "guard.opaque.file"} <= found
    assert not {"pii.card", "pii.email", "pii.uuid", "secret.jwt"} & found


SHIELD = "moderation: {by: guard-model, model: shieldgemma-2b, url: 'http://127.0.0.1:9/v1'}"
JUDGED = [
    ("output: {rules: {moderation.*: block}}", True),
    ("output: {rules: {moderation.hate: flag}}", True),
    ("output: {rules: {'*': flag}}", True),
    ("output: {rules: {pii.*: block, moderation.*: allow}}", False),
    ("output: {rules: {pii.*: block}}", False),
    ("extends: [default]\nmoderation: {by: off}", False),
    ("extends: [default]\nmode: observe", True),
    (f"output: {{rules: {{moderation.copyright: block}}}}\n{SHIELD}", False),
    (f"output: {{rules: {{moderation.harassment: block}}}}\n{SHIELD}", True),
]


@pytest.mark.parametrize(("text", "expected"), JUDGED)
def test_answers_are_judged_where_a_moderation_rule_acts(load_text: Load, text: str, expected: bool) -> None:
    """No moderation rule that the judge has scores for, no call; `by: off` asks nobody; observed ones count."""
    assert judges(load_text(text)) is expected


def test_a_policy_made_in_python_decides_too() -> None:
    """A tree built without a file has the same semantics, without origins."""
    policy = Policy.model_validate({"input": {"rules": {"*": "block", "pii.email": {"flag": 0.5}}}})
    assert load_policy(policy) is policy
    assert action(policy, Stage.INPUT, "pii.email") is F
    assert action(policy, Stage.INPUT, "pii.card", 0.5) is B


def test_kinds_from_outside_do_not_fill_the_memory(load_text: Load) -> None:
    """What a moderation model invents is decided, and remembered only up to a bound."""
    policy = load_text("output: {rules: {moderation.*: block}}")
    for number in range(5000):
        assert action(policy, Stage.OUTPUT, f"moderation.new-{number}") is B
    assert len(policy.compiled[Stage.OUTPUT].kinds) <= 4096
