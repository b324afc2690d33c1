"""Killable worker processes: deadlines, crashes, bounds, and an end that leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import guard.outside.workers
from guard.errors import SetupError, Unavailable
from guard.outside.workers import WorkerPool

pytestmark = pytest.mark.anyio

TARGET = """
import os, re, socket, sys, time

class Echo:
    hello = {"pid": os.getpid()}
    def __init__(self, suffix): self.suffix = suffix
    def __call__(self, request):
        verb, *rest = request
        return getattr(self, verb)(*rest)
    def echo(self, text): return text + self.suffix
    def pid(self): return os.getpid()
    def nap(self, seconds): time.sleep(seconds); return "awake"
    def step(self, seconds, steps):
        from guard.outside.worker_main import alive
        for _ in range(steps): time.sleep(seconds); alive()
        return "there"
    def spin(self): re.match(r"(a+)+$", "a" * 60 + "b")
    def fail(self, text): raise ValueError(text)
    def die(self): os._exit(3)
    def talk(self):
        for stream in (sys.stdout, sys.stderr):
            print("noise", file=stream, flush=True)
            os.write(stream.fileno(), b"noise")
        return "quiet"
    def connect(self): socket.create_connection(("127.0.0.1", 9))
    def look_up(self): socket.getaddrinfo("publicsuffix.org", 443)
    def collector(self):
        import gc
        return gc.get_freeze_count() > 0, gc.get_threshold()[0]
    def argv(self): return sys.modules["__main__"].__dict__.get("__file__", "none")

def build(suffix="!"): return Echo(suffix)
def broken(): raise RuntimeError("no model")
def slow(): time.sleep(0.5); return Echo("?")
def endless(): time.sleep(3600)
"""


@pytest.fixture
def pools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., WorkerPool]]:
    (tmp_path / "echo_target.py").write_text(TARGET)
    monkeypatch.syspath_prepend(tmp_path)
    made: list[WorkerPool] = []

    def make(function: str = "build", *arguments: Any, **options: Any) -> WorkerPool:
        made.append(WorkerPool(f"echo_target:{function}", arguments, **options))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def children() -> set[int]:
    """All descendants of this process that are not gone, zombies included."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def replaced_one(before: set[int]) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        after = children()
        if len(before - after) == 1 and len(after - before) == 1:
            return True
        time.sleep(0.02)
    return False


def gone(pids: set[int]) -> bool:
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


async def test_a_worker_answers_asynchronous_and_synchronous_callers(
    pools: Callable[..., WorkerPool],
) -> None:
    pool = pools("build", " there")
    assert await pool.submit(("echo", "hello")) == "hello there"
    assert await asyncio.to_thread(pool.submit_sync, ("echo", "hi")) == "hi there"
    assert pool.hello()["pid"] != os.getpid()
    assert pool.ready


def test_a_workers_collector_looks_seldom(pools: Callable[..., WorkerPool]) -> None:
    """What the first process built is spared, and a text full of findings is no reason to look ten times."""
    spared, after = pools().submit_sync(("collector",))
    assert spared
    assert after > 10 * gc.get_threshold()[0]


async def test_work_that_overruns_its_deadline_is_killed_and_the_next_call_is_served(
    pools: Callable[..., WorkerPool],
) -> None:
    """B36: a runaway regular expression holds the interpreter lock of its own process only."""
    pool = pools(deadline_s=0.3)
    pool.hello()
    before = children()
    with pytest.raises(Unavailable) as late:
        await pool.submit(("spin",))
    assert (late.value.kind, late.value.reason) == ("guard.unavailable.detect", "the deadline passed")
    assert await pool.submit(("echo", "still here")) == "still here!"
    assert await asyncio.to_thread(replaced_one, before)


async def test_signs_of_life_set_the_deadline_anew(pools: Callable[..., WorkerPool]) -> None:
    """Long work in steps goes on for as long as each step keeps the deadline; then its caller is told as ever."""
    pool = pools(deadline_s=0.5)
    pool.hello()
    assert await pool.submit(("step", 0.1, 10)) == "there"
    assert pool.submit_sync(("step", 0.1, 10)) == "there"
    with pytest.raises(Unavailable, match="the deadline passed"):
        await pool.submit(("step", 2.0, 1))
    with pytest.raises(Unavailable, match="the deadline passed"):
        pool.submit_sync(("step", 2.0, 1))
    assert await pool.submit(("echo", "next")) == "next!"


async def test_other_calls_go_on_while_one_overruns(pools: Callable[..., WorkerPool]) -> None:
    pool = pools(workers=1, deadline_s=5)
    pool.hello()
    slow = asyncio.create_task(pool.submit(("nap", 3)))
    for number in range(20):
        assert await pool.submit(("echo", str(number))) == f"{number}!"
    assert not slow.done()
    slow.cancel()


async def test_the_event_loop_is_not_held_up(pools: Callable[..., WorkerPool]) -> None:
    """The rule of no stall: while a worker spins, the loop's ticks come as they came before."""
    pool = pools(deadline_s=1.0)
    pool.hello()
    quiet = await longest_pause(asyncio.sleep(1.0))
    busy = await longest_pause(asyncio.gather(pool.submit(("spin",)), return_exceptions=True))
    assert busy < quiet + 0.5  # the spinning would hold it for the whole second


async def longest_pause(work: Any) -> float:
    task, longest, last = asyncio.ensure_future(work), 0.0, time.perf_counter()
    while not task.done():
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    return longest


async def test_a_crash_is_unavailable_and_the_next_call_is_served(pools: Callable[..., WorkerPool]) -> None:
    pool = pools(what="presidio")
    for _ in range(5):
        with pytest.raises(Unavailable) as dead:
            await pool.submit(("die",))
        assert dead.value.kind == "guard.unavailable.presidio"
    assert await pool.submit(("echo", "x")) == "x!"


async def test_an_exception_is_unavailable_and_never_quoted(pools: Callable[..., WorkerPool]) -> None:
    """D06: an error of the work may hold the text; only its type comes back."""
    pool = pools()
    with pytest.raises(Unavailable) as failed:
        await pool.submit(("fail", "4111 1111 1111 1111"))
    assert "ValueError" in str(failed.value)
    assert "4111" not in repr(failed.value) + str(failed.value)


async def test_what_the_work_prints_does_not_disturb_it(pools: Callable[..., WorkerPool]) -> None:
    pool = pools()
    assert await pool.submit(("talk",)) == "quiet"


@pytest.mark.parametrize("verb", ["connect", "look_up"])
async def test_a_worker_has_no_network(pools: Callable[..., WorkerPool], verb: str) -> None:
    """B40: no library in a worker looks anything up, whatever it tries."""
    with pytest.raises(Unavailable, match="PermissionError"):
        await pools().submit((verb,))


async def test_a_target_that_cannot_be_built_is_said_at_start_and_never_hangs(
    pools: Callable[..., WorkerPool],
) -> None:
    pool = pools("broken")
    with pytest.raises(SetupError, match="RuntimeError: no model"):
        pool.hello()
    with pytest.raises(Unavailable):
        await pool.submit(("echo", "x"))
    with pytest.raises(SetupError, match="AttributeError"):
        pools("missing").hello()


async def test_the_time_to_start_is_not_taken_from_the_first_deadline(
    pools: Callable[..., WorkerPool],
) -> None:
    pool = pools("slow", deadline_s=0.3)
    assert await pool.submit(("echo", "x")) == "x?"


async def test_waiting_work_is_bounded(pools: Callable[..., WorkerPool]) -> None:
    pool = pools("slow", waiting=3)
    calls = [asyncio.create_task(pool.submit(("echo", "x"))) for _ in range(5)]
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert done[:3] == ["x?"] * 3
    assert [str(error) for error in done[3:]] == ["detect is unavailable: too much work is waiting"] * 2


@pytest.mark.parametrize("nap", [0.25, 1])
async def test_work_whose_deadline_passes_in_the_queue_costs_no_worker(
    pools: Callable[..., WorkerPool], nap: float
) -> None:
    pool = pools(workers=1)
    pool.hello()
    before = children()
    naps = [asyncio.create_task(pool.submit(("nap", nap), 30)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await pool.submit(("echo", "x"), 0.2)
    assert await asyncio.gather(*naps) == ["awake"] * 2
    assert await pool.submit(("echo", "x"), 30) == "x!"
    assert children() == before


async def test_a_caller_that_leaves_while_waiting_takes_its_work_along(
    pools: Callable[..., WorkerPool],
) -> None:
    pool = pools("slow")
    call = asyncio.create_task(pool.submit(("die",)))
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await pool.submit(("echo", "x")) == "x?"


def test_many_threads_and_loops_share_a_pool(pools: Callable[..., WorkerPool]) -> None:
    """B39: each caller gets the answer to its own question."""
    pool = pools(workers=2, deadline_s=30)

    def ask(number: int) -> bool:
        if number % 2:
            return bool(pool.submit_sync(("echo", str(number))) == f"{number}!")
        return bool(asyncio.run(pool.submit(("echo", str(number)))) == f"{number}!")

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(200)))


def test_a_process_that_dies_under_the_workers_is_started_again(pools: Callable[..., WorkerPool]) -> None:
    pool = pools(deadline_s=10)
    template = pool.hello()["pid"]
    os.kill(template, 9)
    answers: list[str] = []
    while len(answers) < 4:
        try:
            answers.append(pool.submit_sync(("echo", "x")))
        except Unavailable:
            continue
    assert answers == ["x!"] * 4


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_work_does_not_outlive_the_process_that_forked_it(pools: Callable[..., WorkerPool]) -> None:
    pool, before = pools(deadline_s=60), children()
    template = pool.hello()["pid"]
    workers = children() - before - {template}
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(pool.submit_sync, ("nap", 60))
        time.sleep(0.2)
        os.kill(template, 9)
        with pytest.raises(Unavailable):
            call.result(30)
    assert gone(workers)


def test_the_parent_decides_when_its_workers_end(pools: Callable[..., WorkerPool]) -> None:
    """C48: a service manager signals every process of a service, while the server still drains."""
    pool, before = pools(deadline_s=10), children()
    pool.hello()
    for pid in children() - before:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, number)
    started = children() - before
    assert [pool.submit_sync(("echo", "x")) for _ in range(4)] == ["x!"] * 4
    assert children() - before == started


def test_closing_leaves_no_process_thread_or_warning(pools: Callable[..., WorkerPool]) -> None:
    threads, before = threading.active_count(), children()
    pool = pools(workers=3)
    pool.hello()
    assert pool.submit_sync(("echo", "x")) == "x!"
    started = children() - before
    assert len(started) >= 5
    pool.close()
    pool.close()
    assert gone(started)
    assert threading.active_count() == threads
    assert pool.submit_sync(("echo", "again")) == "again!"


def test_closing_ends_work_that_still_runs(pools: Callable[..., WorkerPool]) -> None:
    pool = pools(deadline_s=60)
    pool.hello()
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(pool.submit_sync, ("nap", 60))
        time.sleep(0.2)
        pool.close()
        with pytest.raises(Unavailable):
            call.result(10)


def test_closing_does_not_wait_for_a_target_that_is_still_being_built(
    pools: Callable[..., WorkerPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard.outside.workers, "_END_S", 3600)
    before = children()
    pool = pools("endless")
    pool.start()
    started = children() - before
    assert started
    pool.close()
    assert gone(started)


def test_a_forgotten_pool_ends_itself(pools: Callable[..., WorkerPool]) -> None:
    before = children()
    pool = WorkerPool("echo_target:build")
    assert pool.submit_sync(("echo", "x")) == "x!"
    started = children() - before
    del pool
    gc.collect()
    assert gone(started)


SCRIPT = """
import os, signal, sys, threading
sys.path.insert(0, {folder!r})
from guard.outside.workers import WorkerPool
pool = WorkerPool("echo_target:build", deadline_s=60)
pool.submit_sync(("talk",))
print(pool.submit_sync(("echo", "x")), pool.submit_sync(("argv",)), pool.hello()["pid"], flush=True)
{end}
"""


@pytest.mark.parametrize(
    "end",
    [
        "pass",
        "sys.exit(0)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "threading.Thread(target=pool.submit_sync, args=(('nap', 60),), daemon=True).start(); "
        "__import__('time').sleep(0.3); os.kill(os.getpid(), signal.SIGKILL)",
        "os.killpg(os.getpid(), signal.SIGINT)",
    ],
)
def test_workers_need_no_main_guard_and_die_with_their_parent(
    pools: Callable[..., WorkerPool], tmp_path: Path, end: str
) -> None:
    """A script on standard input, as in a shell or a notebook; every way to end it ends the workers."""
    script = SCRIPT.format(folder=str(tmp_path), end=end)
    root = Path(guard.outside.workers.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-"],
        input=script,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
        start_new_session=True,
        check=False,
    )
    answer, main_file, template = done.stdout.split()
    assert (answer, main_file) == ("x!", "none")
    assert "Warning" not in done.stderr
    assert "noise" not in done.stdout + done.stderr  # a library's own words might quote the text
    assert gone({int(template)})


def test_a_forked_process_starts_its_own_workers(pools: Callable[..., WorkerPool]) -> None:
    """A server that loads the application before it forks its own workers."""
    script = SCRIPT.format(
        folder=str(sys.path[0]),
        end="child = os.fork()\n"
        "status = 0 if child or pool.submit_sync(('echo', 'y')) == 'y!' else 7\n"
        "template = pool.hello()['pid']\n"
        "if not child: pool.close(); os._exit(status)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "print(pool.submit_sync(('echo', 'z')))",
    )
    root = Path(guard.outside.workers.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
        check=False,
    )
    assert done.stdout.split()[-1] == "z!", done.stderr
