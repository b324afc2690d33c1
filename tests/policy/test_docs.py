"""docs/policy.md names every key, kind and pack, and its examples load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from guard.kinds import KINDS
from guard.policy.load import load, pack_names
from guard.policy.schema import keys

PAGE = (Path(__file__).parents[2] / "docs" / "policy.md").read_text("utf-8")
CODE = set(re.findall(r"`([^`\n]+)`", PAGE))
DETAILS = ("action", "as", "at", "restore", "flag", "redact", "block", "mode")


@pytest.mark.parametrize("key", keys())
def test_every_key_is_documented(key: str) -> None:
    """A key that can be written stands on the page: in full, or a rule's detail by its name."""
    stage, _, detail = key.partition(".rules.")
    if detail in DETAILS and stage in ("input", "output", "logs"):
        assert detail in CODE
    else:
        assert key in CODE or any(code.startswith(f"{key}.") for code in CODE)


def test_every_kind_is_documented() -> None:
    """A kind that a rule can name stands on the page, and no other."""
    assert KINDS <= CODE
    families = ("pii", "secret", "moderation", "guard", "egress")
    listed = set(re.findall(r"`([a-z]+\.[^`\s]+)`", PAGE.partition("## Every kind")[2]))
    assert {kind for kind in listed if kind.startswith(families)} == KINDS


def test_every_pack_is_documented() -> None:
    """A shipped pack stands on the page."""
    assert set(pack_names()) <= CODE


def test_the_examples_load(tmp_path: Path) -> None:
    """Each YAML block of the page is a policy that loads."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 6
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block, encoding="utf-8")
        load(path)
