"""Heads kept elsewhere, and keys that were replaced: what the folder alone could not tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guard.audit.query import run
from guard.audit.verify import Report, verify
from guard.cli.audit import app
from guard.errors import Unavailable
from guard.trace import chain, signing
from guard.trace.ledger import Ledger
from guard.trace.signing import Signer, load_signer, load_verifiers


@pytest.fixture
def heads(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere" / "heads"


@pytest.fixture
def paths(folder: Path, signer: Signer, heads: Path) -> list[Path]:
    """Forty records of one writer in several files, every fourth one signed elsewhere too."""
    ledger = Ledger(folder, signer=signer, rotate_bytes=100, sign_every=4, heads=heads)
    for number in range(40):
        ledger.commit_sync(b'{"n":%d}' % number)
    ledger.close()
    return sorted(folder.glob("*.jsonl"))


@pytest.fixture
def check(folder: Path, signer: Signer, heads: Path) -> Iterator[Callable[[], Report]]:
    return lambda: verify(folder, signer.public_pem, heads=heads)


def whats(report: Report) -> set[str]:
    return {problem.what for problem in report.problems}


def test_what_is_whole_is_whole_with_its_heads(
    paths: list[Path], check: Callable[[], Report], heads: Path
) -> None:
    """And verify says what even they cannot tell."""
    report = check()
    assert report.ok
    assert "after the newest of them" in report.notes[-1]
    assert len(list(heads.iterdir())) == len(paths)


def test_a_newest_file_that_is_gone_shows(
    paths: list[Path], check: Callable[[], Report], folder: Path, signer: Signer
) -> None:
    """No other file names it; its head elsewhere does."""
    for path in (paths[-1], paths[-1].with_suffix(".chain")):
        path.unlink()
    assert verify(folder, signer.public_pem).ok
    assert [(p.what, p.file) for p in check().problems] == [("missing", paths[-1].name)]


def test_a_tail_cut_from_both_files_shows(
    folder: Path, signer: Signer, heads: Path, check: Callable[[], Report]
) -> None:
    """A killed process's file may be cut back to an earlier head, and nothing inside tells."""
    ledger = Ledger(folder, signer=signer, sign_every=4, heads=heads)
    for number in range(12):
        ledger.commit_sync(b'{"n":%d}' % number)
    [path] = folder.glob("*.jsonl")
    lines, entries = (
        path.read_bytes().splitlines(True),
        path.with_suffix(".chain").read_bytes().splitlines(True),
    )
    ledger.close()
    path.write_bytes(b"".join(lines[:4]))
    path.with_suffix(".chain").write_bytes(b"".join(entries[:7]))
    assert verify(folder, signer.public_pem).ok
    assert [(p.what, p.record) for p in check().problems] == [("cut", 8)]


def test_a_key_holder_who_rewrites_is_seen(
    paths: list[Path], check: Callable[[], Report], folder: Path, signer: Signer
) -> None:
    """With the private key anybody can sign another history; the heads elsewhere are of the first one."""
    last = paths[-1]
    lines = last.read_bytes().replace(b"3", b"4").splitlines()
    last.write_bytes(b"".join(line + b"\n" for line in lines))
    sidecar = last.with_suffix(".chain")
    header, first, *_ = sidecar.read_bytes().splitlines()
    seq, digest = chain.read_header(header).first, chain.start(header)
    made = [header + b"\n", first + b"\n"]
    for line in lines:
        digest = chain.follow(digest, seq, line)
        made.append(chain.record_entry(seq, digest))
        seq += 1
    running = chain.Running()
    running.add(last.read_bytes(), b"".join(made))
    sidecar.write_bytes(
        b"".join([*made, chain.signed_entry(chain.CLOSE, seq - 1, digest, signer, running.mark())])
    )
    assert verify(folder, signer.public_pem).ok
    assert [(p.what, p.file) for p in check().problems] == [("link", last.name)]


def test_heads_that_are_no_heads(
    paths: list[Path], check: Callable[[], Report], heads: Path, tmp_path: Path
) -> None:
    """Bad input: another key's, a forged signature, no heads at all, a torn last line."""
    [first, second, third, *_] = sorted(heads.iterdir())
    data = first.read_bytes().splitlines(True)
    first.write_bytes(
        b"".join([*data[:-1], data[-1].rpartition(b" ")[0] + b" " + data[1].rpartition(b" ")[2]])
    )
    second.write_text("x\n")
    with third.open("ab") as file:
        file.write(b"head 5 torn")
    assert sorted(p.what for p in check().problems) == ["chain", "signature"]
    foreign = Ledger(tmp_path / "foreign", signer=load_signer(tmp_path / "other"), heads=heads)
    foreign.commit_sync(b"{}")
    foreign.close()
    assert sorted(p.what for p in check().problems) == ["chain", "key", "signature"]


def test_a_place_without_heads_is_not_taken_for_proof(
    paths: list[Path], check: Callable[[], Report], folder: Path, signer: Signer, heads: Path, tmp_path: Path
) -> None:
    """Fail closed: no folder is an error, and files without heads are counted."""
    with pytest.raises(OSError, match="none"):
        verify(folder, signer.public_pem, heads=tmp_path / "none")
    sorted(heads.iterdir())[0].unlink()
    assert [note for note in check().notes if "have no heads there" in note] == [
        f"1 files have no heads there: {paths[0].name} …"
    ]


def test_a_second_place_that_fails_stops_nothing(
    folder: Path, signer: Signer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The record goes on, and it is said once."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    ledger = Ledger(folder, signer=signer, sign_every=1, heads=blocked / "heads")
    for number in range(3):
        ledger.commit_sync(b'{"n":%d}' % number)
    ledger.close()
    assert verify(folder, signer.public_pem).ok
    assert [text for record in caplog.records if "GUARD_HEADS" in (text := record.getMessage())] == [
        "a signed head could not be written to GUARD_HEADS (NotADirectoryError)"
    ]


def test_a_key_is_replaced_and_the_old_exports_stay_proved(tmp_path: Path) -> None:
    """`guard audit key --rotate`: recorded under the old key, both public keys in one file."""
    home, exports = tmp_path / "home", tmp_path / "exports"
    environment = {"GUARD_HOME": str(home), "GUARD_EXPORTS": str(exports)}
    old = load_signer(home)
    ledger = Ledger(exports, signer=old)
    ledger.commit_sync(b"{}")
    ledger.close()
    printed = CliRunner().invoke(app, ["key", "--rotate"], env=environment)
    new = load_signer(home)
    assert new.key_id != old.key_id
    assert [key.key_id for key in load_verifiers(printed.output.encode())] == [new.key_id, old.key_id]
    ledger = Ledger(exports, signer=new)
    ledger.commit_sync(b"{}")
    ledger.close()
    assert verify(exports, printed.output.encode()).ok
    assert {p.what for p in verify(exports, new.public_pem).problems} == {"key"}
    told = run(
        exports,
        "SELECT attrs['guard.key.old'], attrs['guard.key.new'] FROM spans WHERE name = 'guard.key.rotated'",
    )
    assert told.rows == [(old.key_id, new.key_id)]
    assert (home / signing.PRIVATE).stat().st_mode & 0o077 == 0
    assert (
        json.loads(CliRunner().invoke(app, ["key", "--json"], env=environment).output)["key_id"] == new.key_id
    )


def test_a_rotation_that_cannot_be_recorded_changes_nothing(tmp_path: Path) -> None:
    """Fail closed."""
    old = load_signer(tmp_path)

    def full(*_: Signer) -> None:
        raise Unavailable("record", "no space")

    with pytest.raises(Unavailable):
        signing.rotate(tmp_path, full)
    assert load_signer(tmp_path).key_id == old.key_id
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("tmp")]
