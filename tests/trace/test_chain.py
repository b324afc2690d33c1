"""The bytes of the chain, as docs/chain.md specifies them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from guard.audit.verify import verify
from guard.trace import chain
from guard.trace.ledger import Ledger
from guard.trace.signing import Signer, load_verifiers

DOC = (Path(__file__).parents[2] / "docs" / "chain.md").read_text()
NAME = "traces-20261125T120000000000Z-1-00000001.jsonl"


def block(language: str) -> str:
    """The last fenced block of a language in the page."""
    return re.findall(rf"```{language}\n(.+?)```", DOC, re.DOTALL)[-1]


@pytest.fixture
def signer() -> Signer:
    return Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The page's example as files."""
    (tmp_path / NAME).write_text(block("jsonl"))
    (tmp_path / NAME).with_suffix(".chain").write_text(block("text"))
    return tmp_path


def test_the_page_has_the_bytes_that_guard_writes(signer: Signer) -> None:
    """Header, hashes, entries and signatures of the example are made by the code, byte for byte."""
    header = chain.Header(
        file=NAME,
        writer="1-00000001",
        first=1,
        key_id=signer.key_id,
        sign_every=2,
        created="2026-11-25T12:00:00.000000Z",
    )
    digest, made, running = chain.start(header.line()), list[bytes](), chain.Running()

    def add(entry: bytes, line: bytes = b"") -> None:
        made.append(entry)
        running.add(line, entry)

    add(header.line() + b"\n")
    add(chain.signed_entry(chain.HEAD, 0, digest, signer, running.mark()))
    for seq, line in enumerate(block("jsonl").encode().splitlines(), 1):
        digest = chain.follow(digest, seq, line)
        add(chain.record_entry(seq, digest), line + b"\n")
        if seq == 2:
            add(chain.signed_entry(chain.HEAD, seq, digest, signer, running.mark()))
    add(chain.signed_entry(chain.CLOSE, 3, digest, signer, running.mark()))
    assert b"".join(made).decode() == block("text")
    assert signer.public_pem.decode() == block("pem")


def test_the_example_verifies(example: Path) -> None:
    """And all its records are proved."""
    report = verify(example, block("pem").encode())
    assert (report.ok, report.records, report.signed) == (True, 3, 3)


def test_the_pages_own_program_checks_an_export(example: Path, tmp_path: Path) -> None:
    """An auditor without guard runs it as printed; it shows the line that was changed."""
    script = tmp_path / "check.py"
    script.write_text(block("python"))
    export = example / NAME
    export.write_bytes(export.read_bytes().replace(b'{"n":2}', b'{"n":7}'))
    run = subprocess.run([sys.executable, script, export], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[:2] == ["1 fits", "2 DOES NOT FIT"]


def test_a_ledger_writes_what_the_page_says(tmp_path: Path, signer: Signer) -> None:
    """Header, a signed head at once, an entry a line, a head every two records, a signed end."""
    ledger = Ledger(tmp_path, signer=signer, sign_every=2)
    for n in range(3):
        ledger.commit_sync(b'{"n":%d}' % n)
    ledger.close()
    [path] = tmp_path.glob("*.chain")
    words = [line.split(" ")[0] for line in path.read_text().splitlines()]
    assert words[1:] == ["head", "record", "record", "head", "record", "close"]


def test_a_head_is_signed_when_the_last_one_is_old(tmp_path: Path, signer: Signer) -> None:
    """At little traffic the tail is proved after seconds, not after `sign_every` records."""
    ledger = Ledger(tmp_path, signer=signer, sign_after_s=0)
    ledger.commit_sync(b"{}")
    ledger.commit_sync(b"{}")
    ledger.close()
    [path] = tmp_path.glob("*.chain")
    assert path.read_text().count("\nhead ") == 3


def test_headers_read_back(signer: Signer) -> None:
    """A header with links is the same value after writing and reading."""
    link = chain.Link("traces-x.jsonl", 7, bytes(range(32)))
    marked = link._replace(mark=chain.Mark(99, bytes(32), bytes(range(32))))
    header = chain.Header(NAME, "w", 8, signer.key_id, 256, "now", previous=marked, seen=(link, marked))
    assert chain.read_header(header.line()) == header


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_nothing_but_a_chain_is_read_as_one(data: bytes) -> None:
    """Readers of hostile files raise ValueError and nothing else."""
    for read in (chain.read_header, chain.read_entry):
        with pytest.raises(ValueError):
            read(data)


@pytest.mark.parametrize(
    "line",
    [
        b"record 1 ab",
        b"record -1 " + b"a" * 64,
        b"record 1 " + b"z" * 64,
        b"record 1 " + b"a" * 64 + b" c2ln",
        b"head 1 " + b"a" * 64,
        b"head 1 " + b"a" * 64 + b" ???",
        b"record %d " % 2**63 + b"a" * 64,
        b"other 1 " + b"a" * 64,
        b"head 1 %b 9 %b %b" % ((b"a" * 64,) * 3),
        b"head 1 %b -9 %b %b c2ln" % ((b"a" * 64,) * 3),
        b"head 1 %b 9 %b %b c2ln" % (b"a" * 64, b"a" * 62, b"a" * 64),
        b"record 1 %b 9 %b %b c2ln" % ((b"a" * 64,) * 3),
        "record ١ ".encode() + b"a" * 64,
    ],
)
def test_lines_that_are_nearly_right_are_not(line: bytes) -> None:
    """Each field has one spelling."""
    with pytest.raises(ValueError):
        chain.read_entry(line)


def test_a_signature_binds_word_number_hash_and_mark(signer: Signer) -> None:
    """None of them can be changed or left out, and another key signs nothing."""
    line = chain.signed_entry(chain.HEAD, 7, bytes(32), signer, chain.Mark(9, bytes(32), bytes(32)))
    entry = chain.read_entry(line[:-1])
    [verifier] = load_verifiers(signer.public_pem)
    assert chain.holds(entry, verifier)
    assert not chain.holds(entry, verifier, version=1)
    for field, other in ((0, b"close"), (1, b"8"), (2, b"a" * 64), (3, b"8"), (4, b"a" * 64), (5, b"a" * 64)):
        fields = line[:-1].split(b" ")
        fields[field] = other
        assert not chain.holds(chain.read_entry(b" ".join(fields)), verifier)
    bare = chain.read_entry(b" ".join([*line.split(b" ")[:3], line[:-1].split(b" ")[-1]]))
    assert not any(chain.holds(bare, verifier, version) for version in chain.KNOWN)
    other = Signer(Ed25519PrivateKey.generate())
    assert not chain.holds(entry, other)


def test_a_signature_of_version_1_holds_there_alone(signer: Signer) -> None:
    """Files that were written before marks are read as they were."""
    line = chain.signed_entry(chain.HEAD, 7, bytes(32), signer)
    entry = chain.read_entry(line[:-1])
    assert [chain.holds(entry, signer, version) for version in (1, 2)] == [True, False]
    forged = b"head 8 " + line.split(b" ", 2)[2]
    assert not chain.holds(chain.read_entry(forged[:-1]), signer, version=1)
