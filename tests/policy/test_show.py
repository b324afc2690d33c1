"""`guard policy show`: what is printed loads again and means the same, whatever the files behind it say."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.policy.load import load, pack_names
from guard.policy.resolve import Loaded
from guard.policy.rules import FORMS, RESTORABLE
from guard.policy.show import to_yaml

Problems = Callable[[str], list[str]]

ATS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
ACTIONS = ("flag", "redact", "block")


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    """A rule as a file may have it: any ladder, any way to redact, enforced or observed."""
    actions = sorted(draw(st.sets(st.sampled_from(ACTIONS), min_size=1)), key=ACTIONS.index)
    ats = sorted(draw(st.sets(st.sampled_from(ATS), min_size=len(actions), max_size=len(actions))))
    rule: dict[str, Any] = dict(zip(actions, ats, strict=True))
    if "redact" in rule:
        rule["as"] = draw(st.sampled_from(FORMS))
        rule["restore"] = rule["as"] in RESTORABLE and draw(st.booleans())
    return rule | {"mode": draw(st.sampled_from(["enforce", "observe"]))}


files = st.dictionaries(st.sampled_from(["pii.*", "pii.c*", "pii.card", "secret.*"]), rules(), max_size=3)


def loaded(packs: list[dict[str, Any]], own: dict[str, Any], folder: Path) -> Loaded:
    for number, pack in enumerate(packs):
        (folder / f"pack{number}.yaml").write_text(json.dumps({"input": {"rules": pack}}))
    extends = [f"./pack{number}.yaml" for number in range(len(packs))]
    file = folder / "own.yaml"
    file.write_text(json.dumps({"policy": "p", "extends": extends, "input": {"rules": own}}))
    return load(file)


def reloaded(text: str, folder: Path) -> Loaded:
    file = folder / "again.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file)


@settings(max_examples=60)
@given(st.lists(files, min_size=1, max_size=3), files, st.booleans())
def test_what_is_shown_loads_to_the_same_digest(
    packs: list[dict[str, Any]], own: dict[str, Any], why: bool
) -> None:
    """Files whose steps redact or observe differently give rules of several steps: those load again too."""
    with tempfile.TemporaryDirectory() as name:
        first = loaded(packs, own, Path(name))
        again = reloaded(to_yaml(first, why=why), Path(name))
    assert again.policy.sha256 == first.policy.sha256
    assert to_yaml(again) == to_yaml(first)


@pytest.mark.parametrize("pack", pack_names())
def test_every_pack_shown_loads_to_the_same_digest(pack: str, tmp_path: Path) -> None:
    """What an officer sees of a pack is the pack."""
    assert reloaded(to_yaml(load(pack)), tmp_path).policy.sha256 == load(pack).policy.sha256


def test_two_files_that_differ_over_scores_show_their_steps(tmp_path: Path) -> None:
    """Mask from 0.6, token below: the steps stand in a list, each with how it redacts and what is enforced."""
    packs: list[dict[str, Any]] = [
        {"pii.card": {"action": "redact", "at": 0.2, "as": "token", "restore": True}},
        {"pii.card": {"action": "redact", "at": 0.6, "as": "mask"}},
        {"pii.card": {"action": "block", "at": 0.8, "mode": "observe"}},
    ]
    shown = to_yaml(loaded(packs, {}, tmp_path))
    assert (
        "pii.card: [{action: redact, at: 0.2, as: token, restore: true}, {action: redact, at: 0.6, as: mask},"
        " {action: block, at: 0.8, as: mask, enforced: redact}]" in shown
    )


STEPS = [
    ("[]", "input.rules.pii.*: is no rule"),
    ("[block]", "input.rules.pii.*: is no rule"),
    ("[{action: redact}]", "input.rules.pii.*[0].at: is missing"),
    ("[{action: allow, at: 0.5}]", "input.rules.pii.*[0].action: 'allow' is not known here"),
    ("[{action: flag, at: 0.5, as: mask}]", "input.rules.pii.*[0]: `as` and `restore` go with redact only"),
    (
        "[{action: redact, at: 0.5, as: mask, restore: true}]",
        "input.rules.pii.*[0]: mask cannot be restored",
    ),
    ("[{action: flag, at: 0.5, enforced: block}]", "input.rules.pii.*[0]: enforces more than its action"),
    (
        "[{action: redact, at: 0.5}, {action: block, at: 0.5}]",
        "input.rules.pii.*: a step begins no higher",
    ),
    (
        "[{action: block, at: 0.5}, {action: redact, at: 0.6}]",
        "input.rules.pii.*: a step does less than the one before",
    ),
]


@pytest.mark.parametrize(("text", "expected"), STEPS)
def test_steps_that_mean_nothing_are_refused(problems: Problems, text: str, expected: str) -> None:
    """D12: a list of steps is held to the laws of a ladder."""
    [problem] = problems(f"input:\n  rules:\n    pii.*: {text}\n")
    assert problem.startswith(f"3:{expected}")


def test_words_by_language_are_shown_as_they_are_written(tmp_path: Path) -> None:
    """Tags, quotes and line breaks in them load again; an extending file's words stand for its pack's."""
    (tmp_path / "pack.yaml").write_text('messages: {input: "no", output: {en: "x"}}')
    said = {"zh-Hant": "不：#{}\n", "no": '"'}
    (tmp_path / "own.yaml").write_text(f"extends: [./pack.yaml]\nmessages: {json.dumps({'input': said})}")
    first = load(tmp_path / "own.yaml")
    assert (first.policy.messages.input, first.policy.messages.output) == (said, {"en": "x"})
    assert reloaded(to_yaml(first), tmp_path).policy.sha256 == first.policy.sha256
