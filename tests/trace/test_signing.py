"""The signing pair: made once, kept private, and half of it enough to verify."""

from __future__ import annotations

import pickle
import shutil
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from guard.errors import SetupError
from guard.trace.signing import PRIVATE, PUBLIC, Signer, load_signer, load_verifiers


def test_the_pair_is_made_at_the_first_start_and_kept(tmp_path: Path) -> None:
    """0600 in a folder 0700; the public half beside it; the next start finds the same key."""
    home = tmp_path / "deep" / "home"
    first = load_signer(home)
    assert stat.S_IMODE((home / PRIVATE).stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert load_signer(home).key_id == first.key_id
    assert (home / PUBLIC).read_bytes() == first.public_pem
    assert {path.name for path in home.iterdir()} == {PRIVATE, PUBLIC}


def test_workers_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    """Whoever loses the race takes the winner's key."""
    found: list[Signer] = []
    threads = [threading.Thread(target=lambda: found.append(load_signer(tmp_path))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({signer.key_id for signer in found}) == 1
    assert (tmp_path / PUBLIC).read_bytes() == found[0].public_pem


def test_the_public_half_verifies_and_several_may_be_given(tmp_path: Path) -> None:
    """A key file for the auditor may hold the keys of several installations."""
    one, two = load_signer(tmp_path / "1"), load_signer(tmp_path / "2")
    verifiers = load_verifiers(b"# two keys\n" + one.public_pem + b"\n" + two.public_pem)
    assert [verifier.key_id for verifier in verifiers] == [one.key_id, two.key_id]
    assert verifiers[1].verifies(two.sign(b"m"), b"m")
    assert not verifiers[0].verifies(two.sign(b"m"), b"m")
    assert not verifiers[1].verifies(b"", b"m")


@pytest.mark.parametrize(
    "pem", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_what_is_no_public_key_is_said(pem: bytes) -> None:
    """An auditor who gives the wrong file reads one sentence."""
    with pytest.raises(SetupError, match="key"):
        load_verifiers(pem)


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_a_broken_key_stops_the_start(tmp_path: Path, content: bytes) -> None:
    """A new key is never made over one that is there."""
    (tmp_path / PRIVATE).write_bytes(content)
    (tmp_path / PRIVATE).chmod(0o600)
    with pytest.raises(SetupError, match="cannot be used"):
        load_signer(tmp_path)
    assert (tmp_path / PRIVATE).read_bytes() == content


def test_a_key_that_everyone_can_read_stops_the_start(tmp_path: Path) -> None:
    """The message says what to do."""
    load_signer(tmp_path)
    (tmp_path / PRIVATE).chmod(0o644)
    with pytest.raises(SetupError, match="chmod 600"):
        load_signer(tmp_path)


def test_a_home_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    """A file in the folder's place gives one line, not a traceback."""
    (tmp_path / "home").write_text("")
    with pytest.raises(SetupError, match="cannot be used"):
        load_signer(tmp_path / "home" / "guard")


def test_a_signer_shows_and_ships_only_its_id(tmp_path: Path) -> None:
    """D06: neither the repr nor a pickle holds the private half."""
    signer = load_signer(tmp_path)
    assert repr(signer) == f"Signer(key_id={signer.key_id})"
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(signer)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_verifies_a_signature(tmp_path: Path) -> None:
    """The auditor needs nothing of ours."""
    signer = load_signer(tmp_path)
    (tmp_path / "message").write_bytes(b"guard-chain/1 head 0 00")
    (tmp_path / "signature").write_bytes(signer.sign(b"guard-chain/1 head 0 00"))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", PUBLIC, "-rawin", "-in", "message"]
    subprocess.run([*command, "-sigfile", "signature"], cwd=tmp_path, check=True, capture_output=True)
