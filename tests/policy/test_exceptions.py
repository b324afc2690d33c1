"""Exceptions in a policy: each has an end, a ticket and an approver, and what may never be excepted never is."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from guard.cli.policy import app
from guard.kinds import KINDS, matches
from guard.policy.check import warnings
from guard.policy.decide import rule_for
from guard.policy.load import load
from guard.policy.resolve import Loaded
from guard.policy.waivers import STAGES, ExceptionRow, Waiver, applied
from guard.types import Action, Stage

Problems = Callable[[str], list[str]]
Files = Callable[..., Loaded]
Write = Callable[[str, str], Path]

WHOLE = {
    "kind": "pii.phone",
    "tenant": "acme",
    "until": "2026-12-31",
    "ticket": "SEC-12",
    "approved_by": "ciso",
}


def row(**changed: str | None) -> str:
    items = (f"{key}: {value}" for key, value in {**WHOLE, **changed}.items() if value)
    return f"extends: [default]\nexceptions: [{{{', '.join(items)}}}]"


WRONG = [
    ({"until": None}, "2:exceptions[0].until: is missing"),
    ({"ticket": None}, "2:exceptions[0].ticket: is missing"),
    ({"approved_by": None}, "2:exceptions[0].approved_by: is missing"),
    ({"tenant": None}, "2:exceptions[0].tenant: is missing"),
    ({"until": "soon"}, "2:exceptions[0].until: is no date"),
    ({"until": "''"}, "2:exceptions[0].until: is empty"),
    ({"kind": "pii.fone"}, "2:exceptions[0].kind: names no known kind"),
    (
        {"kind": "egress.jurisdiction"},
        "2:exceptions[0]: egress.jurisdiction covers egress.*, from which nobody",
    ),
    ({"kind": "guard.*"}, "2:exceptions[0]: guard.* covers guard.unavailable.record, from which nobody"),
    ({"kind": "'*'"}, "2:exceptions[0]: * covers egress.*, from which nobody"),
]


@pytest.mark.parametrize(("changed", "expected"), WRONG)
def test_an_exception_without_an_end_or_a_reason_does_not_load(
    problems: Problems, changed: dict[str, str | None], expected: str
) -> None:
    """D12: what is missing or never allowed is told by file, line and key."""
    assert [problem for problem in problems(row(**changed)) if problem.startswith(expected)]


def test_the_check_lists_what_holds_and_what_has_ended(write: Write) -> None:
    """`policy check` names each exception: until when, or that it has ended; it counts as looser."""
    loaded = load(write("p.yaml", row()))
    during, after = (warnings(loaded, datetime.date(2026, 12, day)) for day in (1, 31))
    assert during == after
    assert "exceptions (p.yaml:2): pii.phone for acme (SEC-12, ciso): only flagged until 2026-12-31" in during
    assert any(
        "ended on 2026-12-31: take it out" in line for line in warnings(loaded, datetime.date(2027, 1, 1))
    )
    assert [loosening.key for loosening in loaded.loosenings] == ["exceptions"]
    shown = CliRunner().invoke(
        app, ["resolve", str(write("q.yaml", row(until="2999-01-01"))), "--tenant", "acme"]
    )
    assert "q.yaml:2  pii.phone is only flagged until 2999-01-01: SEC-12, ciso" in shown.stdout


def test_a_pack_s_exception_needs_all_packs_to_say_it(load_files: Files) -> None:
    """Among packs the stricter wins: an exception of one is none where the other has none; a file hands on its own."""
    files = {"a": row(), "b": "extends: [default]"}
    assert load_files(**files, p="extends: [./a.yaml, ./b.yaml]").policy.exceptions == ()
    assert len(load_files(**files, p="extends: [./a.yaml]").policy.exceptions) == 1


@pytest.mark.parametrize(
    ("tenant", "asked", "day", "holds"),
    [
        ("acme", "acme", 31, True),
        ("acme", "acme", 32, False),
        ("acme", "acme2", 31, False),
        ("ac*", "acme", 31, True),
        ("acme", "default", 31, False),
        ("a*", "", 31, False),
        ("*", "default", 31, True),
    ],
)
def test_it_holds_for_its_tenant_until_its_day_is_over(
    tenant: str, asked: str, day: int, holds: bool
) -> None:
    """Days are those of UTC; nobody known is excepted only by `*`."""
    exception = ExceptionRow.model_validate({**WHOLE, "tenant": tenant})
    last_second = (
        datetime.datetime(2026, 12, 1, 23, 59, 59, tzinfo=datetime.UTC).timestamp() + (day - 1) * 86_400
    )
    assert exception.holds(asked, last_second) is holds


POLICY = load("strict").policy
PATTERNS = ["pii.*", "pii.email", "pii.cn.*", "secret.*", "moderation.hate*", "guard.opaque.image"]


@settings(max_examples=15)
@given(kind=st.sampled_from(PATTERNS), stage=st.sampled_from(STAGES))
def test_a_waiver_changes_what_it_names_and_nothing_else(kind: str, stage: str) -> None:
    """For every kind, stage and score: the action stays; what is enforced is at most a flag where it is named."""
    under = POLICY.waive([Waiver(kind, (stage,), "exception T")])
    assert under.sha256 == POLICY.sha256
    for where in Stage:
        for known in KINDS:
            before, after = (rule_for(policy, where, known) for policy in (POLICY, under))
            for score in (0.0, 0.3, 0.5, 0.9, 1.0):
                old, new = before.step(score), after.step(score)
                assert new.action is old.action
                named = str(where) == stage and matches(kind, known)
                assert new.enforced is (min(old.enforced, Action.FLAG) if named else old.enforced)


def test_only_what_changed_something_is_named() -> None:
    """A waiver stands on a span where a finding of its kind and stage went on because of it."""
    waivers = [
        Waiver("pii.*", ("input",), "exception A"),
        Waiver("secret.*", ("input", "output"), "break-glass B"),
    ]
    decided = [("pii.email", Action.BLOCK, Action.FLAG), ("secret.jwt", Action.FLAG, Action.FLAG)]
    assert applied(waivers, "input", decided) == ["exception A"]
    assert applied(waivers, "output", decided) == []
