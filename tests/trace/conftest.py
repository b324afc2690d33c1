"""What the trace's tests share: one signing pair, ledgers in a temporary folder, lines read back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guard.trace.ledger import Ledger
from guard.trace.signing import Signer, load_signer


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return load_signer(tmp_path_factory.mktemp("home"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "exports"


@pytest.fixture
def open_ledger(folder: Path, signer: Signer) -> Iterator[Callable[..., Ledger]]:
    opened: list[Ledger] = []

    def make(**options: Any) -> Ledger:
        opened.append(Ledger(folder, **{"signer": signer, "retry_s": 0.05, **options}))
        return opened[-1]

    yield make
    for ledger in opened:
        if not ledger.closed:
            ledger.close()


@pytest.fixture
def lines(folder: Path) -> Callable[[], list[bytes]]:
    """The lines of all exports, in the order of the files' names."""

    def read() -> list[bytes]:
        return [
            line for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().split(b"\n")[:-1]
        ]

    return read


@pytest.fixture
def numbered() -> Callable[[int], bytes]:
    """A record that says its number."""
    return lambda number: json.dumps({"n": number, "pad": "x" * 100}).encode()
