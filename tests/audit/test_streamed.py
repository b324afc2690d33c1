"""Marks: an ended export is checked as a stream, and what that cannot tell is found out by line."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.audit.streamed import streamed, unmarked
from guard.audit.verify import verify
from guard.trace import chain
from guard.trace.ledger import Ledger
from guard.trace.signing import Signer, load_signer

Write = Callable[..., list[Path]]
Edit = Callable[[list[bytes]], object]

OLD_KEY = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OLD_LINES = '{"n":1}\n{"n":2}\n{"n":"张三"}\n'
OLD_CHAIN = (
    '{"guard-chain":1,"file":"traces-20261125T120000000000Z-1-00000001.jsonl","writer":"1-00000001","firs'
    't":1,"key":"56475aa75463474c","sign_every":2,"created":"2026-11-25T12:00:00.000000Z","previous":null'
    ',"seen":[]}\n'
    "head 0 4839d53fdb674ea9b64f868a2b7786f8ad739ae6797757a6473a09c6df93847c TYQyx42lJtSnUQ7UUkHLw7Wpy3L+"
    "ariD0igR7Cxsf4XtGyBxmfQX7cfD1rGMk/ukDytCeIIFfCJltZe3RVGrCg==\n"
    "record 1 954dd35bfd39096f6be012b5f4121ae4b9d2ff5ae76d9e5e4099282c5652172b\n"
    "record 2 32d0f9b5a7d8a979cc43ba5cd2c71b593d2898eb7b2068f5ee08960beb8633f8\n"
    "head 2 32d0f9b5a7d8a979cc43ba5cd2c71b593d2898eb7b2068f5ee08960beb8633f8 NhsT4mQbEnRXO3P1z0k9VyKyRD+B"
    "zcHtzSrS/2m8McJxDkJihtrUU/gqIkOdm8GdKfJ4TJiYb2J8h2k7ICIpCQ==\n"
    "record 3 074095506b4e7017139c8474bdeff8eaacdc34e14c9413a8bfb490a7e3b4af07\n"
    "close 3 074095506b4e7017139c8474bdeff8eaacdc34e14c9413a8bfb490a7e3b4af07 5MQYrn6vTqZqAVqSJDdf5fe3PkG"
    "k2m0SUAJN4o2roXXv1iCtsv5iqo1A2WF7g05tjUnrHlDIpfS2xoT/kfziAA==\n"
)
"""The example of docs/chain.md as it stood for version 1, written by that release."""


def old_file(folder: Path) -> Path:
    """An export of version 1."""
    path = folder / "traces-20261125T120000000000Z-1-00000001.jsonl"
    path.write_text(OLD_LINES, encoding="utf-8")
    path.with_suffix(".chain").write_text(OLD_CHAIN)
    return path


def known(*signers: Signer) -> dict[str, Signer]:
    return {signer.key_id: signer for signer in signers}


def stream(path: Path, *signers: Signer) -> bool:
    """Whether the marks alone prove a file."""
    return streamed(path, known(*signers), lambda size: None) is not None


def edit(path: Path, change: Edit) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    change(lines)
    path.write_bytes(b"".join(lines))


def sign_anew(path: Path, signer: Signer, *, all_heads: bool) -> None:
    """Do what only a holder of the key can: new marks for other bytes, under the hashes of the old ones."""
    running, made, lines = chain.Running(), list[bytes](), path.read_bytes().splitlines(keepends=True)
    for old in path.with_suffix(".chain").read_bytes().splitlines(keepends=True):
        entry, line = old, b""
        if old.startswith(b"record"):
            line = lines.pop(0)
        elif old.startswith(b"close") or (all_heads and old.startswith(b"head")):
            was = chain.read_entry(old[:-1])
            entry = chain.signed_entry(was.word, was.seq, was.digest, signer, running.mark())
        made.append(entry)
        running.add(line, entry)
    path.with_suffix(".chain").write_bytes(b"".join(made))


def test_an_ended_file_is_proved_by_its_marks(write: Write, signer: Signer) -> None:
    """Every file that was ended, whatever was signed when; without its key none."""
    paths = [*write(30, rotate_bytes=100), *write(4), *write(1, sign_every=100)]
    assert len(paths) > 4
    assert all(stream(path, signer) for path in paths)
    assert not any(stream(path, OLD_KEY) for path in paths)
    assert not unmarked(paths), "each link is to the end of a file, with its mark"
    [open_one] = write(9, close=False)
    assert not stream(open_one, signer)


def test_heads_within_one_batch_have_marks_that_hold(folder: Path, signer: Signer) -> None:
    """Group commit: of records that are written at once, each fourth has a head, marked as if it were the last."""
    ledger = Ledger(folder, signer=signer, sign_every=4, linger_s=60)
    for number in range(20):
        ledger.append(b'{"n":%d}' % number)
    ledger.commit_sync(b"{}")
    ledger.append(b"{}")
    ledger.close()
    [path] = folder.glob("*.jsonl")
    assert path.with_suffix(".chain").read_bytes().count(b"\nhead ") == 6
    assert stream(path, signer)


def test_a_second_end_is_none(write: Write, folder: Path, signer: Signer) -> None:
    """Even signed: nothing follows an end."""
    [path] = write(3)
    sidecar, running = path.with_suffix(".chain"), chain.Running()
    running.add(path.read_bytes(), sidecar.read_bytes())
    end = chain.read_entry(sidecar.read_bytes().splitlines()[-1])
    again = chain.signed_entry(chain.CLOSE, end.seq, end.digest, signer, running.mark())
    sidecar.write_bytes(sidecar.read_bytes() + again)
    assert not stream(path, signer)
    assert [p.what for p in verify(folder, signer.public_pem).problems] == ["chain"]


def test_a_file_of_version_1_is_read_by_line(write: Write, folder: Path, signer: Signer) -> None:
    """Mixed versions: what an earlier release wrote is proved, what was done to it is named, beside newer files."""
    write(9, rotate_bytes=40)
    path = old_file(folder)
    keys = signer.public_pem + OLD_KEY.public_pem
    assert not stream(path, OLD_KEY)
    report = verify(folder, keys)
    assert (report.ok, report.records, report.signed) == (True, 12, 12)
    edit(path, lambda lines: lines.__setitem__(1, b'{"n":7}\n'))
    assert [(p.what, p.line, p.record) for p in verify(folder, keys).problems] == [("changed", 2, 2)]


CHAINS: dict[str, tuple[Edit, list[str]]] = {
    "a record's entry": (lambda lines: lines.__setitem__(4, lines[4][:-6] + b"00000\n"), ["chain"]),
    "a head left out": (lambda lines: lines.pop(6), ["signature"]),
    "the end and its head swapped": (
        lambda lines: lines.__setitem__(slice(-3, None), [lines[-1], lines[-2], lines[-3]]),
        ["chain"],
    ),
    "a mark left out": (
        lambda lines: lines.__setitem__(
            -1, b" ".join([*lines[-1].split()[:3], lines[-1].split()[-1]]) + b"\n"
        ),
        ["signature"],
    ),
    "all marks left out, as in version 1": (
        lambda lines: lines.__setitem__(
            slice(None),
            [
                b" ".join([*line.split()[:3], line.split()[-1]]) + b"\n" if line[:1] in b"hc" else line
                for line in [lines[0].replace(b'n":2', b'n":1', 1), *lines[1:]]
            ],
        ),
        ["signature"],
    ),
    "goes on after its end": (lambda lines: lines.append(lines[5]), ["chain"]),
    "a torn entry after its end": (lambda lines: lines.append(b"record"), ["chain"]),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_that_was_changed_under_a_whole_export(
    write: Write, folder: Path, signer: Signer, name: str
) -> None:
    """D22: the marks do not hold, and the reading by line says what it always said."""
    change, expected = CHAINS[name]
    [path] = write(12)
    edit(path.with_suffix(".chain"), change)
    assert not stream(path, signer)
    found = [problem.what for problem in verify(folder, signer.public_pem).problems]
    assert found[:1] == expected


def test_ends_swapped_between_two_files(write: Write, folder: Path, signer: Signer) -> None:
    """A signed end is of its own file: neither is proved with the other's."""
    paths = [*write(4), *write(4)]
    chains = [path.with_suffix(".chain").read_bytes().splitlines(keepends=True) for path in paths]
    for path, mine, other in zip(paths, chains, reversed(chains), strict=True):
        path.with_suffix(".chain").write_bytes(b"".join([*mine[:-1], other[-1]]))
    assert not any(stream(path, signer) for path in paths)
    assert {p.file for p in verify(folder, signer.public_pem).problems} == {
        path.with_suffix(".chain").name for path in paths
    }


def test_a_cut_to_a_head_is_not_an_end(write: Write, folder: Path, signer: Signer) -> None:
    """Both files cut exactly where a signature stands: no end, which is said as of any file without one."""
    [path] = write(12)
    edit(path, lambda lines: lines.__delitem__(slice(8, None)))
    edit(path.with_suffix(".chain"), lambda lines: lines.__delitem__(slice(12, None)))
    assert path.with_suffix(".chain").read_bytes().splitlines()[-1].startswith(b"head 8 ")
    assert not stream(path, signer)
    report = verify(folder, signer.public_pem)
    assert (report.records, report.signed) == (8, 8)
    assert "a cut after record 8 would not show" in " ".join(report.notes)


@pytest.mark.parametrize(("all_heads", "by"), [(False, "marks"), (True, "heads"), (True, "link")])
def test_new_marks_under_the_old_hashes(
    folder: Path, signer: Signer, tmp_path: Path, all_heads: bool, by: str
) -> None:
    """Who holds the key may mark other bytes and keep the hashes, which are not computed: a mark that was not renewed,
    a head kept elsewhere and the link of a later file of another key know the bytes."""
    heads = tmp_path / "heads"
    ledger = Ledger(folder, signer=signer, sign_every=4, heads=heads)
    for number in range(10):
        ledger.commit_sync(b'{"n":%d}' % number)
    ledger.close()
    [path] = folder.glob("*.jsonl")
    later = load_signer(tmp_path / "later")
    keys = signer.public_pem + later.public_pem
    if by == "link":
        other = Ledger(folder, signer=later)
        other.commit_sync(b"{}")
        other.close()
    path.write_bytes(path.read_bytes().replace(b'{"n":3}', b'{"n":4}'))
    sign_anew(path, signer, all_heads=all_heads)
    assert stream(path, signer) == all_heads
    report = verify(folder, keys, heads=heads if by == "heads" else None)
    assert [p.what for p in report.problems] == ["changed" if by == "marks" else "link"]


def test_a_hash_without_a_mark_is_held_to_the_lines(folder: Path, signer: Signer, tmp_path: Path) -> None:
    """A writer that began while the file was written names a record's hash alone: the lines are hashed for it."""
    ledger = Ledger(folder, signer=signer, sign_every=4)
    ledger.commit_sync(b'{"n":3}')
    later = load_signer(tmp_path / "later")
    other = Ledger(folder, signer=later)
    other.commit_sync(b"{}")
    other.close()
    [path] = folder.glob(f"*{ledger.writer}.jsonl")
    ledger.close()
    keys = signer.public_pem + later.public_pem
    assert verify(folder, keys).ok
    path.write_bytes(b'{"n":4}\n')
    sign_anew(path, signer, all_heads=True)
    assert stream(path, signer)
    assert [(p.what, p.line, p.record) for p in verify(folder, keys).problems] == [("changed", 1, 1)]


@pytest.mark.parametrize(("harm", "what"), [("cut", "cut"), ("grown", "inserted")])
def test_a_file_that_changes_while_it_is_read(folder: Path, signer: Signer, harm: str, what: str) -> None:
    """What the stream met is looked at once more by line, and the progress counts no byte twice."""
    ledger = Ledger(folder, signer=signer)
    for _ in range(6):
        ledger.commit_sync(b"x" * 1_000_000)
    ledger.close()
    [path] = folder.glob("*.jsonl")
    told: list[int] = []

    def progress(size: int) -> None:
        if not told:
            if harm == "cut":
                os.truncate(path, 4_000_004)
            else:
                with path.open("ab") as file:
                    file.write(b"{}\n")
        told.append(size)

    problems = verify(folder, signer.public_pem, progress).problems
    assert [problem.what for problem in problems] == [what]
    assert sum(told) <= 6_000_009
