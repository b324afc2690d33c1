"""Policies written by tests: `load_text` loads one from its YAML, `write` puts one beside others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from guard.errors import PolicyError
from guard.policy.load import load
from guard.policy.model import Policy
from guard.policy.resolve import Loaded

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(dedent(text), encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def load_text(write: Write) -> Callable[[str], Policy]:
    return lambda text: load(write("p.yaml", text)).policy


@pytest.fixture
def load_files(write: Write) -> Callable[..., Loaded]:
    """Write several policies and load the last."""

    def load_last(**files: str) -> Loaded:
        paths = [write(f"{name}.yaml", text) for name, text in files.items()]
        return load(paths[-1])

    return load_last


@pytest.fixture
def problems(write: Write) -> Callable[[str], list[str]]:
    """The problems of a policy text as `line:key: what: instead`."""

    def of(text: str) -> list[str]:
        path = write("p.yaml", text)
        with pytest.raises(PolicyError) as caught:
            load(path)
        return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]

    return of
