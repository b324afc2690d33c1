"""The ledger: what is acknowledged is durable, what fails is said, and it recovers by itself."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from guard.audit.verify import verify
from guard.errors import Unavailable
from guard.trace.exportfile import Disk
from guard.trace.ledger import Ledger
from guard.trace.signing import Signer
from guard.trace.waiters import Awaited, Bell

Open = Callable[..., Ledger]
Lines = Callable[[], list[bytes]]
Numbered = Callable[[int], bytes]


def until(condition: Callable[[], bool]) -> None:
    """Wait for what must come; the test's own time-out is the limit."""
    while not condition():
        time.sleep(0.005)


def test_a_commit_is_on_disk_when_it_returns(open_ledger: Open, lines: Lines) -> None:
    """From a thread without a loop, the line is in the file, exactly as it was given."""
    open_ledger().commit_sync(b'{"a":1}')
    assert lines() == [b'{"a":1}']


def test_a_ring_before_the_wait_is_kept_once() -> None:
    """Else a writer that was just going to sleep would miss a commit, or never sleep again."""
    bell = Bell()
    bell.ring()
    bell.ring()
    assert [bell.wait(0), bell.wait(0)] == [True, False]


def test_who_waits_in_a_thread_is_told_once() -> None:
    """The deadline and the writer may both tell: the first holds, and what came first is what is raised."""
    waiter = Awaited()
    assert not waiter.done()
    assert not waiter.wait(0)
    assert [waiter.tell(Unavailable("record", "late")), waiter.tell(None)] == [True, False]
    assert waiter.done()
    with pytest.raises(Unavailable, match="late"):
        waiter.wait()


def test_a_commit_is_durable_before_it_is_acknowledged(open_ledger: Open) -> None:
    """fdatasync was called on the export after the write and before the commit returned."""
    calls: list[tuple[str, str]] = []

    def write(descriptor: int, data: bytes) -> int:
        calls.append(("write", os.readlink(f"/proc/self/fd/{descriptor}").rpartition(".")[2]))
        return os.write(descriptor, data)

    def sync(descriptor: int) -> None:
        calls.append(("sync", os.readlink(f"/proc/self/fd/{descriptor}").rpartition(".")[2]))

    open_ledger(disk=Disk(write, sync)).commit_sync(b"{}")
    assert calls[-3:] == [("write", "jsonl"), ("sync", "jsonl"), ("write", "chain")]


def test_async_commits_of_several_loops_and_threads_share_the_files(
    open_ledger: Open, lines: Lines, numbered: Numbered, folder: Path, signer: Signer
) -> None:
    """Loops in three threads and sync callers in three more write one gapless chain."""
    ledger = open_ledger()

    async def work(start: int) -> None:
        await asyncio.gather(*(ledger.commit(numbered(n)) for n in range(start, start + 50)))

    def sync(start: int) -> None:
        for n in range(start, start + 20):
            ledger.commit_sync(numbered(n))

    threads = [threading.Thread(target=lambda s=s: asyncio.run(work(s))) for s in (0, 100, 200)]
    threads += [threading.Thread(target=sync, args=(s,)) for s in (300, 400, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.close()
    assert len({json.loads(line)["n"] for line in lines()}) == len(lines()) == 210
    assert verify(folder, signer.public_pem).ok


def test_one_sync_serves_everyone_who_waits(open_ledger: Open) -> None:
    """Commits that arrive while a batch is in flight ride together in the next one."""
    syncs = []

    def slow(descriptor: int) -> None:
        syncs.append(descriptor)
        time.sleep(0.05)

    ledger = open_ledger(disk=Disk(sync=slow))

    async def main() -> None:
        await ledger.commit(b"{}")
        before = len(syncs)
        await asyncio.gather(*(ledger.commit(b"{}") for _ in range(100)))
        assert len(syncs) - before <= 2

    asyncio.run(main())


def test_commits_of_one_round_share_one_batch(open_ledger: Open) -> None:
    """All that commit in one round of the loop wait for one sync, not the first for his and the others for theirs."""
    syncs: list[int] = []
    ledger = open_ledger(linger_s=60, disk=Disk(sync=syncs.append))

    async def commit() -> None:
        stop = time.perf_counter() + 0.001
        while time.perf_counter() < stop:  # time for a writer that was woken too early
            os.sched_yield()
        await ledger.commit(b"{}")

    async def main() -> int:
        await ledger.commit(b"{}")
        before = len(syncs)
        await asyncio.gather(*(commit() for _ in range(20)))
        return len(syncs) - before

    assert asyncio.run(main()) == 1


def test_a_loop_that_closes_in_its_round_is_not_held(open_ledger: Open, lines: Lines) -> None:
    """The ledger outlives loops: one that ended before its round did is let go by the next that commits."""
    ledger = open_ledger()
    loop = asyncio.new_event_loop()
    commit = ledger.commit(b'{"a":1}')
    asyncio._set_running_loop(loop)
    try:
        commit.send(None)
    finally:
        asyncio._set_running_loop(None)
    commit.close()
    held = weakref.ref(loop)
    loop.close()
    del commit, loop
    for _ in range(2):  # the writer has the batch before in hand
        asyncio.run(ledger.commit(b'{"b":2}'))
    gc.collect()
    assert held() is None
    assert lines()[-1] == b'{"b":2}'


def test_a_commit_never_waits_for_company(open_ledger: Open, lines: Lines) -> None:
    """In one loop after another, in each round of it, and from a thread: the writer is woken for every commit."""
    ledger = open_ledger(linger_s=60)

    async def main() -> None:
        for _ in range(3):
            await ledger.commit(b"{}")

    asyncio.run(main())
    asyncio.run(main())
    ledger.commit_sync(b"{}")
    assert len(lines()) == 7


def test_appended_records_ride_along_and_are_written_without_company(open_ledger: Open, lines: Lines) -> None:
    """A record that nobody awaits is written before a commit after it returns, or soon by itself."""
    ledger = open_ledger(linger_s=0.01)
    ledger.append(b'{"n":1}')
    ledger.commit_sync(b'{"n":2}')
    assert lines() == [b'{"n":1}', b'{"n":2}']
    ledger.append(b'{"n":3}')
    until(lambda: len(lines()) == 3)


def test_files_are_private(open_ledger: Open, folder: Path) -> None:
    """The folder is 0700; exports and chains are 0600, whatever the umask."""
    old = os.umask(0)
    try:
        open_ledger().commit_sync(b"{}")
    finally:
        os.umask(old)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert {path.suffix for path in folder.iterdir()} == {".jsonl", ".chain"}


def test_a_full_file_is_rotated_and_the_next_one_goes_on(
    open_ledger: Open, folder: Path, signer: Signer, numbered: Numbered
) -> None:
    """Sequence numbers go on through the files; each header names the end of the one before."""
    ledger = open_ledger(rotate_bytes=2000, writer="Gate Way!")
    for n in range(60):
        ledger.commit_sync(numbered(n))
    ledger.close()
    report = verify(folder, signer.public_pem)
    assert report.ok
    assert report.records == report.signed == 60
    assert report.files > 2
    assert all(path.name.startswith("traces-2") and "-gate-way-" in path.name for path in folder.iterdir())


def test_a_line_break_inside_a_record_is_refused(open_ledger: Open) -> None:
    """One record is one line, else the chain would mean something else to each reader."""
    with pytest.raises(ValueError, match="one line"):
        open_ledger().append(b"{}\n{}")


class Failing:
    """A disk whose n-th call fails, and those after it until it is mended."""

    def __init__(self, at: int, how: str, times: int = 1) -> None:
        self.at, self.how, self.times, self.calls = at, how, times, 0

    def _fails(self) -> bool:
        self.calls += 1
        return self.at <= self.calls < self.at + self.times

    def write(self, descriptor: int, data: bytes) -> int:
        if not self._fails():
            return os.write(descriptor, data)
        if self.how == "torn":
            os.write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "no space left")

    def sync(self, descriptor: int) -> None:
        if self._fails():
            raise OSError(errno.EIO, "input/output error")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(1, 40),
    how=st.sampled_from(["torn", "none"]),
    times=st.integers(1, 4),
    steps=st.lists(st.sampled_from(["commit", "append"]), min_size=1, max_size=14),
)
@example(at=7, how="torn", times=1, steps=["commit", "commit"])
@example(at=9, how="torn", times=1, steps=["commit", "append", "commit"])
def test_whatever_call_fails_nothing_acknowledged_is_lost(
    tmp_path: Path, signer: Signer, numbered: Numbered, at: int, how: str, times: int, steps: list[str]
) -> None:
    """C32: each acknowledged record is there once, each appended one too, no refused one; the chain holds."""
    folder = tmp_path / os.urandom(4).hex()
    failing = Failing(at, how, times)
    disk = Disk(failing.write, failing.sync)
    ledger = Ledger(
        folder, signer=signer, rotate_bytes=700, sign_every=3, retry_s=0.001, linger_s=0, disk=disk
    )
    kept: list[int] = []
    refused: list[int] = []
    for n, step in enumerate(steps):
        try:
            ledger.append(numbered(n)) if step == "append" else ledger.commit_sync(numbered(n))
            kept.append(n)
        except Unavailable:
            refused.append(n)
    until(lambda: ledger.ready)
    ledger.close()
    found = [
        json.loads(line)["n"]
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    assert sorted(found) == kept
    assert len(refused) <= times
    report = verify(folder, signer.public_pem)
    assert report.problems == ()


def test_a_full_disk_refuses_then_recovers_by_itself(open_ledger: Open, lines: Lines) -> None:
    """C32: not ready while nothing can be written; ready again without a new call once there is space."""
    failing = Failing(1, "none", 10**9)
    ledger = open_ledger(disk=Disk(failing.write, failing.sync))
    assert ledger.ready
    with pytest.raises(Unavailable, match="ENOSPC"):
        ledger.commit_sync(b'{"lost":1}')
    ledger.append(b'{"kept":1}')
    assert not ledger.ready
    failing.times = 0
    until(lambda: ledger.ready)
    assert lines() == [b'{"kept":1}']


def test_a_reason_names_no_path(open_ledger: Open, folder: Path) -> None:
    """D21: the sentence goes into an HTTP answer."""
    folder.write_text("a file where the folder should be")
    with pytest.raises(Unavailable) as caught:
        open_ledger().commit_sync(b"{}")
    assert str(folder) not in str(caught.value)
    folder.unlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_refuses_and_recovers(open_ledger: Open, folder: Path, lines: Lines) -> None:
    """C32: a folder that was made read-only is said as such."""
    folder.mkdir(mode=0o500)
    ledger = open_ledger()
    with pytest.raises(Unavailable, match="EACCES"):
        ledger.commit_sync(b"{}")
    folder.chmod(0o700)
    until(lambda: ledger.ready)
    ledger.commit_sync(b"{}")
    assert lines() == [b"{}"]


def test_a_deleted_folder_is_noticed_although_writes_succeed(
    open_ledger: Open, folder: Path, signer: Signer, lines: Lines
) -> None:
    """C32: an open descriptor of a deleted file takes every write; the ledger refuses, then starts anew."""
    ledger = open_ledger()
    ledger.commit_sync(b'{"n":1}')
    shutil.rmtree(folder)
    with pytest.raises(Unavailable, match="ENOENT"):
        ledger.commit_sync(b'{"n":2}')
    ledger.commit_sync(b'{"n":3}')
    assert ledger.ready
    assert lines() == [b'{"n":3}']
    ledger.close()
    assert [problem.what for problem in verify(folder, signer.public_pem).problems] == ["missing"]


@pytest.mark.parametrize("harm", ["append", "cut"])
def test_a_file_that_another_writes_to_is_given_up(
    open_ledger: Open, folder: Path, signer: Signer, harm: str
) -> None:
    """Bytes of another in the export are refused, not chained; the record goes on in a new file."""
    ledger = open_ledger()
    ledger.commit_sync(b'{"n":1}')
    [path] = folder.glob("*.jsonl")
    with path.open("ab") as file:
        file.write(b"intruder\n") if harm == "append" else file.truncate(3)
    with pytest.raises(Unavailable, match="ESTALE"):
        ledger.commit_sync(b'{"n":2}')
    ledger.commit_sync(b'{"n":3}')
    ledger.close()
    report = verify(folder, signer.public_pem)
    assert report.ok == (harm == "append")


def test_a_disk_that_hangs_is_unavailable_at_the_deadline(open_ledger: Open, lines: Lines) -> None:
    """A commit that was given up while it waited is not written later: its call never happened."""
    hang, blocked = threading.Event(), threading.Event()

    def sync(descriptor: int) -> None:
        if hang.is_set():
            blocked.set()
            until(lambda: not hang.is_set())

    ledger = open_ledger(timeout_s=0.1, disk=Disk(sync=sync))
    ledger.commit_sync(b'{"n":1}')
    hang.set()
    ledger.append(b'{"n":2}')
    blocked.wait()
    with pytest.raises(Unavailable, match="deadline"):
        ledger.commit_sync(b'{"n":3}')
    with pytest.raises(Unavailable, match="deadline"):
        asyncio.run(ledger.commit(b'{"n":4}'))
    assert not ledger.ready
    hang.clear()
    until(lambda: ledger.ready)
    ledger.commit_sync(b'{"n":5}')
    assert lines() == [b'{"n":1}', b'{"n":2}', b'{"n":5}']


def test_a_caller_who_leaves_harms_nobody(open_ledger: Open, lines: Lines) -> None:
    """A cancelled commit leaves the batch of the others whole."""
    ledger = open_ledger(disk=Disk(sync=lambda descriptor: time.sleep(0.02)))

    async def main() -> None:
        leaver = asyncio.create_task(ledger.commit(b'{"n":0}'))
        await asyncio.sleep(0)
        leaver.cancel()
        await asyncio.gather(*(ledger.commit(b'{"n":1}') for _ in range(5)))
        with pytest.raises(asyncio.CancelledError):
            await leaver

    asyncio.run(main())
    assert lines().count(b'{"n":1}') == 5


def test_close_writes_what_is_pending_and_says_what_it_could_not(open_ledger: Open, lines: Lines) -> None:
    """A16: a shutdown flushes; nothing is taken afterwards; closing twice is closing once."""
    ledger = open_ledger(linger_s=60)
    ledger.append(b'{"n":1}')
    ledger.close()
    ledger.close()
    assert lines() == [b'{"n":1}']
    assert not ledger.ready
    with pytest.raises(Unavailable, match="closed"):
        ledger.append(b"{}")
    broken = Failing(1, "none", 10**9)
    lost = open_ledger(linger_s=60, timeout_s=0.1, disk=Disk(broken.write, broken.sync))
    lost.append(b'{"n":2}')
    with pytest.raises(Unavailable, match="1 records could not be written"):
        lost.close()


def test_each_line_is_copied_once_it_is_durable(open_ledger: Open, numbered: Numbered) -> None:
    """The copy for a Collector is offered what the record holds, and only that."""
    copied: list[bytes] = []
    failing = Failing(10**9, "none")
    ledger = open_ledger(copy=copied.append, disk=Disk(failing.write, failing.sync))
    ledger.commit_sync(numbered(1))
    failing.at, failing.times = failing.calls + 1, 1
    with pytest.raises(Unavailable):
        ledger.commit_sync(numbered(2))
    ledger.close()
    assert copied == [numbered(1)]


def test_a_forked_worker_is_another_writer(folder: Path, signer: Signer, tmp_path: Path) -> None:
    """After a fork (a pre-forking server) parent and child write files of their own; both chains hold."""
    script = f"""
import os, pathlib, warnings
from guard.trace.ledger import Ledger, load_signer
warnings.simplefilter("ignore")
ledger = Ledger(pathlib.Path({str(folder)!r}), signer=load_signer(pathlib.Path({str(tmp_path / "home")!r})))
ledger.commit_sync(b'{{"who":"before"}}')
child = os.fork()
for n in range(20):
    ledger.commit_sync(b'{{"who":"%s"}}' % (b"parent" if child else b"child"))
ledger.close()
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    public = (tmp_path / "home" / "signing-key.pub.pem").read_bytes()
    report = verify(folder, public)
    assert (report.ok, report.files, report.records, report.signed) == (True, 2, 41, 41)


WRITER = """
import os, pathlib, sys, threading
from guard.trace.ledger import Ledger, load_signer
ledger = Ledger(pathlib.Path(sys.argv[1]), signer=load_signer(pathlib.Path(sys.argv[2])), rotate_bytes=20_000,
                sign_every=7)
def work(start):
    for n in range(start, start + 100_000):
        ledger.commit_sync(b'{"n":%d,"pad":"%s"}' % (n, b"x" * (n % 300)))
        os.write(1, b"%d\\n" % n)
for start in (0, 1_000_000, 2_000_000):
    threading.Thread(target=work, args=(start,), daemon=True).start()
sys.stdin.read()
"""


@pytest.mark.parametrize("seed", range(4))
def test_kill_minus_nine_loses_nothing_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    """C37, C39: at whatever moment the process dies, acknowledged records are there and the chain verifies."""
    folder, home = tmp_path / "exports", tmp_path / "home"
    acknowledged: set[int] = set()
    for _ in range(2):  # a second process in the same folder, after a torn end
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(random.Random(seed).uniform(0, 0.3))
        process.kill()
        output = first + process.communicate()[0]
        acknowledged |= {int(line) for line in output.split(b"\n")[:-1]}
    found = []
    for path in folder.glob("*.jsonl"):
        found += [json.loads(line)["n"] for line in path.read_bytes().split(b"\n")[:-1]]
    assert acknowledged <= set(found)
    report = verify(folder, (home / "signing-key.pub.pem").read_bytes())
    assert report.problems == ()
