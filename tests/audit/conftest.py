"""What the auditor's tests share: a signing pair and exports written by the real ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
def write(folder: Path, signer: Signer) -> Callable[..., list[Path]]:
    """Write records with a fresh ledger (one more writer) and give its export files, oldest first."""

    def make(count: int, *, rotate_bytes: int = 10**9, sign_every: int = 4, close: bool = True) -> list[Path]:
        before = set(folder.glob("*.jsonl"))
        ledger = Ledger(folder, signer=signer, rotate_bytes=rotate_bytes, sign_every=sign_every)
        for n in range(1, count + 1):
            ledger.commit_sync(b'{"n":%d}' % n)
        if close:
            ledger.close()
        return sorted(set(folder.glob("*.jsonl")) - before)

    return make
