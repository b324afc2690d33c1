"""Who judges, as a policy says it: judges, dialects, labels, and what of it goes together."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

import pytest

from guard.errors import PolicyError
from guard.policy.check import warnings
from guard.policy.decide import judges
from guard.policy.labels import DIALECTS
from guard.policy.load import load
from guard.policy.resolve import Loaded

QWEN = "moderation: {by: guard-model, url: 'http://localhost:9/v1', model: Qwen/Qwen3Guard-Gen-4B"


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read(text: str) -> Loaded:
        path = tmp_path / "own.yaml"
        path.write_text(text)
        return load(path)

    return read


def told(loaded: Loaded) -> list[str]:
    return [line for line in warnings(loaded, datetime.date(2026, 1, 1)) if "moderation" in line]


def test_a_guard_model_is_a_judge(read: Any) -> None:
    """Its labels are the categories that rules can act on; to take it for OpenAI's loosens nothing."""
    loaded = read(f"extends: [default]\n{QWEN}}}")
    assert judges(loaded.policy)
    assert "privacy" in loaded.policy.moderation.categories
    assert "sexual/minors" not in loaded.policy.moderation.categories
    assert not [loosening for loosening in loaded.loosenings if "moderation" in str(loosening)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "moderation: {by: guard-model}",
            "omni-moderation-latest is no guard model by its name: write model:",
        ),
        ("moderation: {by: guard-model, model: my-model}", "my-model is no guard model by its name"),
        (
            "moderation: {dialect: llama-guard}",
            "dialect and labels are a guard model's: write by: guard-model",
        ),
        ("moderation: {labels: {S1: moderation.hate}}", "dialect and labels are a guard model's"),
        (
            QWEN + ", labels: {S1: moderation.hat}}",
            "'moderation.hat' is no kind that a judge finds: did you mean",
        ),
        (QWEN + ", labels: {S1: pii.email}}", "'pii.email' is no kind that a judge finds"),
        (QWEN + ", dialect: granite}", "'granite' is not known here"),
    ],
)
def test_a_judge_that_cannot_work_is_refused(read: Any, text: str, problem: str) -> None:
    """Each with file, line and what to write instead."""
    with pytest.raises(PolicyError) as caught:
        read(text)
    assert problem in str(caught.value)
    assert "own.yaml:1:moderation" in str(caught.value)


def test_labels_are_words_or_lists(read: Any) -> None:
    """One kind, several, or none; the dialect may be written where the name does not tell it."""
    labels = "{X: moderation.hate, Y: [], Z: [moderation.sexual, moderation.politics]}"
    text = f"moderation: {{by: guard-model, model: mine, dialect: llama-guard, labels: {labels}}}"
    judge = read(text).policy.moderation
    assert judge.speaks == "llama-guard"
    assert {"hate", "sexual", "politics"} <= judge.categories


def test_what_a_guard_model_cannot_say_is_told(read: Any) -> None:
    """`policy check`: kinds on which rules act and for which it has no label, and labels that are let pass."""
    lines = told(read(f"extends: [default]\n{QWEN}, labels: {{Jailbreak: []}}}}"))
    missing, passing = lines
    assert "has no label for moderation.harassment/threatening" in missing
    assert "moderation.sexual/minors" in missing
    assert passing == "moderation.labels: Jailbreak: what the model marks so passes"
    assert told(read("extends: [default]")) == []


def test_a_kind_that_only_guard_models_know_answers_to_its_name(read: Any) -> None:
    """`moderation.*` does not block talk of politics; a rule that names it does."""
    from guard.policy.decide import decide
    from guard.types import Action, Finding, Stage

    found = [Finding("moderation.politics", 0, 0, 1.0, "moderation:m")]
    wide = read(f"extends: [default]\n{QWEN}}}").policy
    named = read(f"extends: [default]\n{QWEN}}}\noutput: {{rules: {{moderation.politics: block}}}}").policy
    assert decide(wide, Stage.OUTPUT, found).action is Action.ALLOW
    assert decide(named, Stage.OUTPUT, found).action is Action.BLOCK


def test_tables_of_labels_of_packs_are_joined(tmp_path: Path) -> None:
    """A label of two packs means the kinds of both; the file's own table is laid over theirs."""
    for name, labels in (
        ("a", "{X: moderation.hate}"),
        ("b", "{X: moderation.sexual, Y: moderation.illicit}"),
    ):
        (tmp_path / f"{name}.yaml").write_text(f"{QWEN}, labels: {labels}}}")
    (tmp_path / "c.yaml").write_text(
        f"extends: [./a.yaml, ./b.yaml]\n{QWEN}, labels: {{Y: moderation.violence}}}}"
    )
    labels = load(tmp_path / "c.yaml").policy.moderation.labels
    assert labels == {"X": ("moderation.hate", "moderation.sexual"), "Y": ("moderation.violence",)}


def test_the_example_of_the_page_loads(read: Any) -> None:
    """docs/moderation.md: its policy is one, and its words are those of the code."""
    page = (Path(__file__).parents[2] / "docs" / "moderation.md").read_text("utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert [read(block).policy.moderation.by for block in blocks] == ["guard-model"]
    assert all(f"`{dialect}`" in page for dialect in DIALECTS)
