"""docs/laws.md maps each key of the packs for laws to its article; and the packs combine as an officer means it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from guard.errors import PolicyError
from guard.policy.decide import decide
from guard.policy.load import load, pack_path
from guard.policy.resolve import Loaded, combine
from guard.policy.source import dotted, read_source
from guard.types import Action, Finding, Stage

PAGE = (Path(__file__).parents[2] / "docs" / "laws.md").read_text("utf-8")
HEAD = ("policy", "version", "extends", "tests")
Files = Callable[..., Loaded]


def rows(pack: str) -> dict[str, str]:
    """The keys that the page has for a pack, and their articles."""
    section = PAGE.partition(f"## `{pack}`")[2].partition("\n## ")[0]
    table = re.findall(r"^\| (`.+?`) \| ([^|]+) \|", section, re.MULTILINE)
    return {key: articles for keys, articles in table for key in re.findall(r"`([^`]+)`", keys)}


def written(pack: str) -> set[str]:
    """The keys that a pack's file writes: its rules, and the leaves of the rest."""
    source = read_source(pack_path(pack))
    paths = [path for path in source.lines if path[0] not in HEAD]
    rules = {path[:3] for path in paths if path[1:2] == ("rules",) and len(path) >= 3}
    inner = {path[:depth] for path in paths for depth in range(1, len(path))}
    values = {path for path in paths if path not in inner and path[1:2] != ("rules",)}
    lists = {path[:-1] if isinstance(path[-1], int) else path for path in values}
    labels = {path[:2] if path[1:2] == ("labels",) else path for path in lists}
    return {dotted(path) for path in rules | labels}


@pytest.mark.parametrize("pack", ["pipl-cn", "eu-ai-act"])
def test_each_key_has_its_article(pack: str) -> None:
    """What the pack writes stands on the page with an article, and nothing else does."""
    assert set(rows(pack)) == written(pack)
    assert all(re.search(r"\d", articles) for articles in rows(pack).values())


def test_the_union_and_china_leave_no_place(load_files: Files) -> None:
    """Two packs whose places exclude each other do not load together; the sentence names both lines and the way out."""
    with pytest.raises(PolicyError) as caught:
        load_files(bank="extends: [gdpr-eu, pipl-cn]")
    (problem,) = caught.value.problems
    assert "no place is in both [EEA, CH] (eu.yaml:" in problem
    assert "[CN] (pipl-cn.yaml:" in problem
    assert problem.endswith("attach each to its own tenants")


def test_a_bank_holds_each_tenant_to_its_law(load_files: Files) -> None:
    """Attached, each tenant has its places, its judge and its rules; who is neither has all rules and no place."""
    bank = load_files(
        bank="extends: [default]\nattach:\n- {tenants: [eu-*], policy: gdpr-eu}\n- {tenants: [cn-*], policy: pipl-cn}"
    ).policy
    union, china = (combine(bank, [row.under]).policy for row in bank.attach)
    both = combine(bank, [row.under for row in bank.attach]).policy
    assert (union.egress.jurisdictions, china.egress.jurisdictions) == (("EEA", "CH"), ("CN",))
    assert both.egress.jurisdictions == ()
    assert (union.moderation.by, union.moderation.model) == ("openai", "omni-moderation-latest")
    for policy in (china, both):
        assert (policy.moderation.by, policy.moderation.model) == ("guard-model", "Qwen/Qwen3Guard-Gen-4B")
    for policy in (china, both):
        step = decide(policy, Stage.INPUT, [Finding("pii.cn.resident_id", 0, 1, 1.0, "t")]).decisions[0]
        assert (step.action, step.redaction.restore) == (Action.REDACT, False)


@pytest.mark.parametrize("turned", [False, True])
def test_a_judge_comes_with_its_model(load_files: Files, turned: bool) -> None:
    """Whichever pack is named first, the judge's url, model and labels are those of the pack whose judge it is."""
    own = (
        "moderation: {by: guard-model, url: 'http://j.internal/v1', model: llama-guard3:8b, labels: {S6: []}}"
    )
    order = "[./own.yaml, default]" if turned else "[default, ./own.yaml]"
    found = load_files(own=f"extends: [default]\n{own}", p=f"extends: {order}").policy.moderation
    assert (found.by, found.url, found.model) == ("guard-model", "http://j.internal/v1", "llama-guard3:8b")
    assert dict(found.labels) == {"S6": ()}


def test_the_act_goes_with_every_place(load_files: Files) -> None:
    """`[eu-ai-act, gdpr-eu]` and `[eu-ai-act, pipl-cn]` load, keep the places and the longer time."""
    union = load_files(p="extends: [eu-ai-act, gdpr-eu]").policy
    china = load_files(p="extends: [pipl-cn, eu-ai-act]").policy
    assert (union.egress.jurisdictions, china.egress.jurisdictions) == (("EEA", "CH"), ("CN",))
    assert (union.trace.at_least, china.trace.at_least) == ("184d", "1096d")
    assert load("eu-ai-act").policy.output.stream.at_least == "window"
