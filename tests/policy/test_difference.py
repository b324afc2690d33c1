"""Two policies compared: each rule and value that differs, in words, with the stricter of the two."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guard.cli.policy import app
from guard.policy.difference import differences
from guard.policy.load import load, pack_names

BASE = "input: {rules: {pii.*: {action: redact, restore: true}, pii.card: block}}"

CHANGES = [
    # another policy, its differences from BASE
    (BASE, []),
    ("input: {rules: {pii.card: block, pii.*: {restore: true, action: redact, as: token, at: 0.5}}}", []),
    (
        "input: {rules: {pii.*: {action: redact}, pii.card: block}}",
        ["input.rules.pii.*: redact as token and restore from 0.5 → redact as token from 0.5 (tighter)"],
    ),
    (
        "input: {rules: {pii.*: {action: redact, restore: true}, pii.card: flag}}",
        ["input.rules.pii.card: block from 0.5 → flag from 0.5 (looser)"],
    ),
    (
        f"{BASE[:-2]}, pii.email: block}}}}",
        ["input.rules.pii.email: redact as token and restore from 0.5 → block from 0.5 (tighter)"],
    ),
    (
        "input: {rules: {pii.*: {action: redact, restore: true}}}",
        ["input.rules.pii.card: block from 0.5 → redact as token and restore from 0.5 (looser)"],
    ),
    (
        "input: {rules: {pii.*: {action: redact, restore: true}, pii.card: {flag: 0.2, block: 0.9}}}",
        ["input.rules.pii.card: block from 0.5 → flag from 0.2, block from 0.9 (other)"],
    ),
    (f"{BASE}\negress: {{jurisdictions: [EEA]}}", ["egress.jurisdictions: any → [EEA] (tighter)"]),
    (f"{BASE}\nmessages: {{input: no}}", ['messages.input: "" → "no" (other)']),
    (f"{BASE}\nmode: observe", None),
    (
        f"{BASE}\nrecognizers: {{countries: all}}",
        ["recognizers.countries: [CN, HK, TW, MO, US, GB, EU] → all (tighter)"],
    ),
    (
        f"{BASE}\nrecognizers: {{lists: [{{name: house, allow: true, terms: [secret-term]}}]}}",
        ["recognizers.lists: [] → [house (1 terms)] (looser)"],
    ),
    (f"{BASE}\nowner: ann\nversion: '2'\ntests: [{{input: a, expect: {{action: allow}}}}]", []),
]


@pytest.mark.parametrize(("text", "expected"), CHANGES)
def test_each_difference_is_said_with_its_trend(
    write: Callable[[str, str], Path], text: str, expected: list[str] | None
) -> None:
    """Rules are compared as functions from score to action, a pattern also with what covers it elsewhere."""
    before = load(write("a.yaml", f"policy: p\n{BASE}"))
    after = load(write("b.yaml", f"policy: p\n{text}"))
    told = list(map(str, differences(before, after)))
    if expected is None:
        assert told[-1] == "mode: enforce → observe (looser)"
    else:
        assert told == expected
    assert (not told) == (before.policy.sha256 == after.policy.sha256) or "owner" in text


@pytest.mark.parametrize("name", pack_names())
def test_the_way_back_turns_every_trend_round(name: str) -> None:
    """What is tighter one way is looser the other; no pack differs from itself."""
    other = {"tighter": "looser", "looser": "tighter", "other": "other"}
    there = {d.key: d.trend for d in differences(load("default"), load(name))}
    back = {d.key: other[d.trend] for d in differences(load(name), load("default"))}
    assert there == back
    assert differences(load(name), load(name)) == []


def test_the_verb_says_it_in_words() -> None:
    """Exit code 1 where the two differ, 0 where they do not, 2 where one does not load."""
    result = CliRunner().invoke(app, ["diff", "default", "eu"])
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == "egress.jurisdictions  tighter"
    assert "+ [EEA, CH]" in result.stdout
    assert CliRunner().invoke(app, ["diff", "eu", "eu"]).exit_code == 0
    told = json.loads(CliRunner().invoke(app, ["diff", "default", "eu", "--json"]).stdout)
    assert [(d["key"], d["trend"]) for d in told] == [("egress.jurisdictions", "tighter")]
    assert CliRunner().invoke(app, ["diff", "default", "nothing-such"]).exit_code == 2
