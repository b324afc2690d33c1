"""docs/verify.py: what an auditor without guard runs says what `guard audit verify` says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from guard.audit.verify import verify
from guard.trace.ledger import Ledger
from guard.trace.signing import Signer

DOCS = Path(__file__).parents[2] / "docs"
SCRIPT = DOCS / "verify.py"

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

Run = Callable[[], subprocess.CompletedProcess[str]]


@pytest.fixture
def alone(folder: Path, signer: Signer, tmp_path: Path) -> Run:
    """Run the script apart from guard: an empty environment's interpreter, nothing of ours on its path."""
    key = tmp_path / "key.pem"
    key.write_bytes(signer.public_pem)
    command = [sys.executable, "-I", "-S", str(SCRIPT), str(folder), str(key)]
    return lambda: subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)


def test_it_is_one_page_of_the_standard_library() -> None:
    """Short enough to be read before it is believed."""
    text = SCRIPT.read_text()
    assert len(text.splitlines()) <= 80
    assert set(re.findall(r"^import (\w+)", text, re.M)) <= set(sys.stdlib_module_names)
    assert not re.search(r"^from ", text, re.M)


def test_intact(write: Callable[..., list[Path]], alone: Run) -> None:
    """Several files of several writers, one that was not ended."""
    write(9, rotate_bytes=40)
    write(3)
    assert (alone().returncode, "12 records" in alone().stdout) == (0, True)
    write(3, close=False)
    assert alone().returncode == 0
    assert "not ended" in alone().stdout


DAMAGE: dict[str, Callable[[list[Path]], object]] = {
    "changed": lambda paths: paths[0].write_bytes(paths[0].read_bytes().replace(b"2", b"5")),
    "removed": lambda paths: paths[0].write_bytes(b"".join(paths[0].read_bytes().splitlines(True)[1:])),
    "cut": lambda paths: paths[-1].write_bytes(b"".join(paths[-1].read_bytes().splitlines(True)[:-1])),
    "added": lambda paths: paths[0].write_bytes(paths[0].read_bytes() + b"{}\n"),
    "export gone": lambda paths: paths[1].unlink(),
    "file gone": lambda paths: [path.unlink() for path in (paths[0], paths[0].with_suffix(".chain"))],
    "chain gone": lambda paths: paths[0].with_suffix(".chain").unlink(),
    "another signature": lambda paths: resign(paths[0]),
    "renamed": lambda paths: [
        p.rename(p.with_name("a" + p.name)) for p in (paths[-1], paths[-1].with_suffix(".chain"))
    ],
    "no chain": lambda paths: paths[0].with_suffix(".chain").write_text("x"),
}


def resign(path: Path) -> None:
    sidecar = path.with_suffix(".chain")
    lines = sidecar.read_bytes().splitlines(True)
    lines[-1] = lines[-1].rpartition(b" ")[0] + b" " + lines[1].rpartition(b" ")[2]
    sidecar.write_bytes(b"".join(lines))


@pytest.mark.parametrize("name", DAMAGE)
def test_damage(
    write: Callable[..., list[Path]], folder: Path, signer: Signer, alone: Run, name: str
) -> None:
    """D22: it fails where guard's own verify fails, and names the file."""
    paths = write(9, rotate_bytes=40)
    DAMAGE[name](paths)
    found = alone()
    assert found.returncode == 1
    assert "traces-" in found.stdout
    assert not verify(folder, signer.public_pem).ok


PEAK = """
import atexit, runpy, sys
atexit.register(lambda: print(next(x for x in open("/proc/self/status") if x.startswith("VmHWM")), file=sys.stderr))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process its peak")
def test_a_gigantic_line_is_hashed_in_pieces(folder: Path, signer: Signer, tmp_path: Path) -> None:
    """Bad input, gigabyte lines: a line of 64 MB is checked in less memory than it takes; a torn one is told."""
    ledger = Ledger(folder, signer=signer)
    ledger.commit_sync(b"{}")
    ledger.commit_sync(b"x" * 64_000_000)
    ledger.close()
    (tmp_path / "key.pem").write_bytes(signer.public_pem)
    command = [sys.executable, "-I", "-S", "-c", PEAK, str(SCRIPT), str(folder), str(tmp_path / "key.pem")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "intact: 1 files, 2 records\n"
    assert int(done.stderr.split()[1]) < 50_000
    [path] = folder.glob("*.jsonl")
    os.truncate(path, path.stat().st_size - 1)
    torn = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (torn.returncode, "record 2 does not fit" in torn.stdout) == (1, True)


def test_the_example_of_the_page(tmp_path: Path) -> None:
    """The test vectors of chain.md hold for this program too."""
    blocks = re.findall(r"```(?:pem|jsonl|text)\n(.*?)```", (DOCS / "chain.md").read_text(), re.S)
    key, lines, chain = blocks[-3:]
    name = re.search(r'"file":"([^"]+)[.]jsonl"', chain)
    assert name is not None
    for suffix, text in ((".jsonl", lines), (".chain", chain)):
        (tmp_path / f"{name[1]}{suffix}").write_text(text, encoding="utf-8")
    (tmp_path / "key.pem").write_text(key)
    command = [sys.executable, "-I", str(SCRIPT), str(tmp_path), str(tmp_path / "key.pem")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "intact: 1 files, 3 records\n"
