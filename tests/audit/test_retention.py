"""Retention: whole verified files, on record before they go, never what is on hold; verify knows them afterwards."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from guard.audit.compact import compact
from guard.audit.query import QueryError, run
from guard.audit.retention import period
from guard.audit.verify import verify
from guard.cli.audit import app
from guard.errors import SetupError
from guard.trace import exportfile
from guard.trace.ledger import Ledger
from guard.trace.signing import Signer, load_signer

OLD = 1_600_000_000


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def exports(tmp_path: Path, home: Path) -> Path:
    """Six files of one writer, of which four are old, and a second writer that saw them."""
    folder, signer = tmp_path / "exports", load_signer(home)
    for rotate in (100, 10**9):
        ledger = Ledger(folder, signer=signer, rotate_bytes=rotate)
        for number in range(66):
            ledger.commit_sync(b'{"n":%d}' % number)
        ledger.close()
    for path in sorted(folder.glob("*.jsonl"))[:4]:
        os.utime(path, (OLD, OLD))
    return folder


@pytest.fixture
def desk(tmp_path: Path) -> Callable[..., Result]:
    environment = {
        "GUARD_HOME": str(tmp_path / "home"),
        "GUARD_EXPORTS": str(tmp_path / "exports"),
        "COLUMNS": "200",
    }
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)), env=environment)


Desk = Callable[..., Result]


def proved(exports: Path, home: Path) -> bool:
    return verify(exports, load_signer(home).public_pem).ok


def test_old_files_go_and_the_rest_is_still_whole(desk: Desk, exports: Path, home: Path) -> None:
    """Shown first, deleted on request, on record, and no problem for verify, with heads of Parquet or without."""
    before = sorted(exports.glob("*.jsonl"))
    compact(exports)
    shown = json.loads(desk("retain", "--keep", "400d", "--json").output)
    assert shown["files"] == [path.name for path in before[:4]]
    assert sorted(exports.glob("*.jsonl")) == before
    assert "4 exports were deleted" in desk("retain", "--keep", "400d", "--delete").output
    left = sorted(exports.glob("*.jsonl"))
    assert left[:-1] == before[4:]
    report = verify(exports, load_signer(home).public_pem)
    assert report.ok
    assert "4 files are not here because they were deleted, as the record says" in report.notes
    told = run(
        exports, "SELECT attrs['guard.audit.files'] FROM spans WHERE name = 'guard.audit.deleted'"
    ).rows
    assert [one.split(" ")[0] for one in json.loads(told[0][0])] == shown["files"]
    assert "0 exports" in desk("retain", "--keep", "400d", "--delete").output


def test_what_was_deleted_without_a_record_is_missing(desk: Desk, exports: Path, home: Path) -> None:
    """The record of four files does not excuse a fifth; nor does a record that was forged."""
    desk("retain", "--keep", "400d", "--delete")
    fifth = sorted(exports.glob("*.jsonl"))[0]
    for path in (fifth, fifth.with_suffix(".chain")):
        path.unlink()
    problems = verify(exports, load_signer(home).public_pem).problems
    assert {(problem.what, problem.file) for problem in problems} == {("missing", fifth.name)}
    [record] = exports.glob("*-retention-*.jsonl")
    record.write_bytes(
        record.read_bytes().replace(b"root", b"toor").replace(b"guard.audit.by", b"guard.audit.xy")
    )
    assert len({p.file for p in verify(exports, load_signer(home).public_pem).problems}) > 2


def test_a_hold_keeps(desk: Desk, exports: Path) -> None:
    """Until it is released; another time's hold does not."""
    desk("hold", "--ticket", "LIT-1", "--since", "2001-01-01", "--until", "2002-01-01")
    assert len(json.loads(desk("retain", "--keep", "400d", "--json").output)["files"]) == 4
    desk("hold", "--ticket", "LIT-7", "--since", "2020-01-01")
    assert "LIT-7" in desk("hold").output
    held = json.loads(desk("retain", "--keep", "400d", "--json").output)
    assert held["files"] == []
    assert list(held["kept"].values()) == ["it is on hold (LIT-7)"]
    desk("hold", "--ticket", "LIT-7", "--release")
    assert [one["ticket"] for one in json.loads(desk("hold", "--json").output)] == ["LIT-1"]
    assert len(json.loads(desk("retain", "--keep", "400d", "--json").output)["files"]) == 4


def test_what_cannot_be_verified_stays(desk: Desk, exports: Path) -> None:
    """And so does everything of that writer after it: no holes."""
    second = sorted(exports.glob("*.jsonl"))[1]
    second.write_bytes(second.read_bytes().replace(b"n", b"m"))
    os.utime(second, (OLD, OLD))
    found = json.loads(desk("retain", "--keep", "400d", "--json").output)
    assert (len(found["files"]), found["kept"]) == (1, {second.name: "it cannot be verified"})


def test_records_of_deletions_stay(desk: Desk, exports: Path, home: Path) -> None:
    """They are what tells why others are gone."""
    desk("retain", "--keep", "400d", "--delete")
    [record] = exports.glob("*-retention-*.jsonl")
    os.utime(record, (OLD, OLD))
    assert json.loads(desk("retain", "--keep", "400d", "--json").output)["files"] == []
    assert proved(exports, home)


def test_a_crash_between_record_and_deletion(desk: Desk, exports: Path, home: Path, tmp_path: Path) -> None:
    """What is left of a deleted file, or all of it, is no problem; the next run goes on."""
    copy = tmp_path / "copy"
    shutil.copytree(exports, copy)
    desk("retain", "--keep", "400d", "--delete")
    first, second = sorted(copy.glob("*.jsonl"))[:2]
    shutil.copy2(first.with_suffix(".chain"), exports)
    assert proved(exports, home)
    for path in (second, second.with_suffix(".chain")):
        shutil.copy2(path, exports)
    assert proved(exports, home)
    assert json.loads(desk("retain", "--keep", "400d", "--json").output)["files"] == [second.name]


def test_too_short(desk: Desk, exports: Path) -> None:
    """Bad input: less than must be kept, no period, no key."""
    assert isinstance(desk("retain", "--keep", "100d").exception, QueryError)
    assert isinstance(desk("retain", "--keep", "soon").exception, QueryError)
    assert period("26w").days == 182
    assert desk("retain", "--keep", "100d", "--at-least", "90d").exit_code == 0


def test_the_policy_says_how_long(desk: Desk, exports: Path, tmp_path: Path) -> None:
    """`trace.keep` and `trace.at_least` stand for the options; an option cannot go below the policy's least."""
    policy = tmp_path / "p.yaml"
    policy.write_text("trace: {keep: 400d, at_least: 365d}")
    assert len(json.loads(desk("retain", "--policy", policy, "--json").output)["files"]) == 4
    for short in (["--keep", "200d"], ["--keep", "200d", "--at-least", "100d"]):
        assert isinstance(desk("retain", "--policy", policy, *short).exception, QueryError)
    assert isinstance(desk("retain", "--policy", policy, "--at-least", "500d").exception, QueryError)
    assert desk("retain").exit_code == 2
    policy.write_text("trace: {at_least: 90d}")
    assert desk("retain", "--policy", policy, "--keep", "100d").exit_code == 0


def test_a_copy_deletes_nothing(desk: Desk, exports: Path, home: Path) -> None:
    """Without the signing key nothing can be recorded, so nothing goes."""
    (home / "signing-key.pem").unlink()
    before = sorted(exports.iterdir())
    assert isinstance(desk("retain", "--keep", "400d", "--delete").exception, SetupError)
    assert isinstance(desk("hold", "--ticket", "X").exception, SetupError)
    (home / "signing-key.pub.pem").unlink()
    assert "here is a copy" in str(desk("retain", "--keep", "400d").exception)
    assert sorted(exports.iterdir()) == before


def test_a_full_disk_is_said_early(
    tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At 80 % of the disk, with each new file; below it nothing is said."""
    for used, said in ((79, 0), (80, 1)):
        monkeypatch.setattr(exportfile.shutil, "disk_usage", lambda path, used=used: (100, used, 100 - used))
        with caplog.at_level(logging.WARNING):
            caplog.clear()
            ledger = Ledger(tmp_path / str(used), signer=signer)
            ledger.commit_sync(b"{}")
            ledger.close()
            assert len(caplog.records) == said
