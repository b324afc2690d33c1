"""`egress.rules`: what was found decides where; how it is written, narrowed, shown, compared, tested."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guard.cases import Cases
from guard.detecting import idle_rules
from guard.policy.check import warnings
from guard.policy.decide import least_score, wanted
from guard.policy.difference import differences
from guard.policy.load import load
from guard.policy.resolve import Loaded
from guard.policy.schema import keys
from guard.policy.show import to_yaml
from guard.types import Place, Stage

Load = Callable[..., Loaded]
Problems = Callable[[str], list[str]]
CHINA = "egress: {rules: {pii.cn.*: {jurisdictions: [CN]}}}"


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ("{pii.cm.*: {jurisdictions: [CN]}}", "pii.cm.*: names no known kind: did you mean"),
        (
            "{moderation.*: {jurisdictions: [CN]}}",
            "moderation.*: moderation.* kinds are never found in a request",
        ),
        ("{egress.host: {jurisdictions: [CN]}}", "egress.host: egress.* kinds are never found in a request"),
        ("{pii.cn.*: {jurisdictions: []}}", "pii.cn.*.jurisdictions: is an empty list: name at least 1"),
        ("{pii.cn.*: {jurisdictions: any}}", "pii.cn.*.jurisdictions: is not a list"),
        ("{pii.cn.*: {jurisdictions: [China]}}", "pii.cn.*.jurisdictions[0]: 'China' is no country"),
        ("{pii.cn.*: {}}", "pii.cn.*.jurisdictions: is missing"),
        ("{pii.cn.*: {jurisdictions: [CN], at: 0.5}}", "pii.cn.*.at: is an unknown key"),
    ],
)
def test_what_cannot_mean_anything_is_refused(problems: Problems, rules: str, problem: str) -> None:
    """Each with its line, and what to write instead."""
    assert problems(f"egress: {{rules: {rules}}}")[0].startswith(f"1:egress.rules.{problem}")


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("{region: swedencentral, storage: [SE]}", "does not say where it is"),
        ("{deployments: {a: Standard}}", "does not say where it is"),
        ("{region: sweden, deployments: {a: Standard}}", "is no region of Azure: did you mean swedensouth?"),
        ("{region: swedencentral, deployments: {a: Datazone}}", "is no type of deployment of Azure"),
    ],
)
def test_a_place_is_written_in_one_of_two_forms(problems: Problems, place: str, problem: str) -> None:
    """Processing and storage, or an Azure resource's region and deployments."""
    assert problem in problems(f"egress: {{hosts: {{a.example: {place}}}}}")[0]


def test_a_rule_that_leaves_no_place_refuses_to_load(problems: Problems, load_files: Load) -> None:
    """Inside one file, between a file and its pack, and between packs."""
    [problem] = problems("egress:\n  jurisdictions: [EEA]\n  rules: {pii.cn.*: {jurisdictions: [CN]}}")
    assert problem.startswith("3:egress.rules.pii.cn.*: leaves no place inside [EEA]: name places inside")
    europe = "egress: {jurisdictions: [EEA]}"
    us = "egress: {rules: {pii.*: {jurisdictions: [US]}}}"
    for own in (f"extends: [./a.yaml]\n{CHINA}", "extends: [./a.yaml, ./b.yaml]"):
        with pytest.raises(Exception, match="no place"):
            load_files(a=us if "b.yaml" in own or "cn" in own else europe, b=CHINA, c=own)
    with pytest.raises(Exception, match="leaves no place"):
        load_files(a=europe, c=f"extends: [./a.yaml]\n{CHINA}")


def test_rules_are_narrowed_and_never_widened(load_files: Load) -> None:
    """At every kind the places of both are intersected, whichever pattern each file names."""
    pack = "egress: {rules: {pii.*: {jurisdictions: [EEA, CN]}, pii.cn.*: {jurisdictions: [CN]}}}"
    mine = "{pii.us.*: {jurisdictions: [DE, US]}, pii.*: {jurisdictions: [DE, CN]}}"
    own = f"extends: [./a.yaml]\negress: {{rules: {mine}}}"
    loaded = load_files(a=pack, b=own)
    assert {pattern: kept.jurisdictions for pattern, kept in loaded.policy.egress.rules.items()} == {
        "pii.*": ("CN", "DE"),
        "pii.cn.*": ("CN",),
        "pii.us.*": ("DE",),
    }
    assert loaded.loosenings == ()


def test_what_was_shown_loads_again(load_files: Load, tmp_path: Path) -> None:
    """With the same digest, Azure's form of a place too."""
    place = "{region: swedencentral, deployments: {gpt-4o: DataZoneStandard}}"
    loaded = load_files(a=f"egress: {{hosts: {{acme.openai.azure.com: {place}}}, rules: {CHINA[16:-1]}}}")
    assert loaded.policy.egress.hosts["acme.openai.azure.com"] == Place(
        ("UNKNOWN",), ("SE",), "swedencentral", (("gpt-4o", "DataZoneStandard"),)
    )
    (tmp_path / "again.yaml").write_text(to_yaml(loaded))
    again = load(tmp_path / "again.yaml")
    assert again.policy.sha256 == loaded.policy.sha256
    assert {"egress.rules.jurisdictions", "egress.hosts.region", "egress.hosts.deployments"} <= set(keys())


def test_an_azure_resource_of_two_packs_has_the_deployments_of_both(load_files: Load) -> None:
    """What only one of them knows, or another type or region, is not known."""
    host = "egress: {hosts: {a.example: {region: %s, deployments: {x: Standard, %s: Standard}}}}"
    for region, left in (("swedencentral", (("x", "Standard"),)), ("eastus", ())):
        loaded = load_files(
            a=host % ("swedencentral", "y"), b=host % (region, "z"), c="extends: [./a.yaml, ./b.yaml]"
        )
        assert loaded.policy.egress.hosts["a.example"].deployments == left


def test_a_difference_says_which_is_the_stricter(load_files: Load) -> None:
    """More rules are tighter, and so are fewer places."""
    wide = "egress: {rules: {pii.cn.*: {jurisdictions: [CN, DE, EEA]}}}"
    for before, after, trend in (("", CHINA, "tighter"), (CHINA, wide, "looser"), (CHINA, "", "looser")):
        [found] = differences(load_files(a=f"version: '1'\n{before}"), load_files(a=f"version: '1'\n{after}"))
        assert (found.key, found.trend) == ("egress.rules", trend)


def test_a_kind_that_decides_where_is_looked_for(load_files: Load) -> None:
    """Though no other rule acts on it, and from the score on that rules act from; what nobody looks for is said."""
    policy = load_files(a="input: {rules: {pii.*: allow}}\n" + CHINA).policy
    assert "pii.cn.resident_id" in wanted(policy, Stage.INPUT)
    assert "pii.us.ssn" not in wanted(policy, Stage.INPUT)
    named = load_files(a="egress: {rules: {pii.person: {jurisdictions: [DE]}}}").policy
    assert least_score(named, ["pii.person"]) == 0.5
    assert idle_rules(named) == ["egress.rules.pii.person: nothing looks for it under these recognizers"]


def test_a_case_shows_where_a_text_may_go(tmp_path: Path) -> None:
    """`to` beside an input or a body: the text, the model and the host decide together."""
    path = tmp_path / "p.yaml"
    host = "bedrock-runtime.eu-central-1.amazonaws.com"
    path.write_text(
        "policy: p\nrecognizers: {countries: [CN], presidio: {recognizers: []}}\n"
        "moderation: {by: 'off'}\n"
        "egress: {rules: {pii.cn.*: {jurisdictions: [CN]}, pii.email: {jurisdictions: [EU]}}}\n"
        "tests:\n"
        "- {input: '身份证 11010519491231002X', to: 'https://api.deepseek.com', expect: {action: allow}}\n"
        "- {input: '身份证 11010519491231002X', to: 'https://api.openai.com', expect: {action: block,"
        " kinds: [egress.jurisdiction]}}\n"
        "- {input: '身份证 11010519491231002X', to: 'https://evil.example', expect: {action: block,"
        " kinds: [egress.host]}}\n"
        f"- {{body: {{model: eu.meta.llama, messages: [{{role: user, content: 'jo@kontor-nord.org'}}]}},"
        f" to: 'https://{host}', expect: {{action: allow}}}}\n"
        f"- {{body: {{model: us.meta.llama, messages: [{{role: user, content: 'jo@kontor-nord.org'}}]}},"
        f" to: 'https://{host}', expect: {{action: block, kinds: [egress.jurisdiction]}}}}\n"
    )
    loaded = load(path)
    with Cases(loaded.policy) as cases:
        assert [cases.run(placed).problems for placed in loaded.cases] == [()] * 5


def test_to_goes_with_what_is_sent(problems: Problems) -> None:
    """An output goes nowhere."""
    [problem] = problems("tests:\n- {output: x, to: 'https://a.example', expect: {action: allow}}")
    assert problem == "2:tests[0]: `to` goes with an input or a body: take it out"


def test_the_pack_stays_without_a_word(load_files: Load) -> None:
    """A policy with rules for where has nothing that needs a look."""
    loaded: Any = load_files(a="extends: [default]\n" + CHINA)
    assert not [w for w in warnings(loaded, datetime.date(2026, 1, 1)) if "egress" in w]
