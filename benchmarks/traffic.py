"""Measure what stands around a model call: what it adds, and whether limits, budgets and fallbacks hold.

    python benchmarks/traffic.py [--kills 50]

Processes, files and `kill -9` are real; providers and, for availability and windows, clocks are simulated.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from guard.keys import Keys
from guard.outside.stores.letters import LetterStore
from guard.outside.stores.spend import Account, SpendStore
from guard.outside.stores.windows import MemoryWindows, Rate
from guard.policy.traffic import Limits as LimitRules
from guard.policy.traffic import Retries
from guard.traffic.health import Health
from guard.traffic.letters import Letter, Letters
from guard.traffic.limits import Limits
from guard.traffic.retries import Outcome, Pause, trying
from guard.traffic.usage import Tries, bound
from guard.traffic.waiting import wait_sync

FORK = multiprocessing.get_context("fork")
DAY = Account("total", "2026-11-26", 1_000_000)
BODY = {"model": "m", "messages": [{"role": "user", "content": "What is the weather in Paris today? " * 20}]}
SENT = (
    b'{"model":"m","messages":[{"role":"user","content":"'
    + b"What is the weather in Paris today? " * 20
    + b'"}]}'
)


def timed(work: Callable[[], object], rounds: int) -> float:
    """The median time of one call in microseconds."""
    spans = []
    for _ in range(rounds):
        started = time.perf_counter_ns()
        work()
        spans.append(time.perf_counter_ns() - started)
    return statistics.median(spans) / 1000


def added_in_memory() -> float:
    """Bound the tokens, enter and leave the limits, step the machine of tries: microseconds a call."""
    rules = LimitRules(requests_per_minute=1_000_000, tokens_per_minute=1_000_000_000)
    limits, health, retries = Limits(rules, MemoryWindows()), Health(), Retries(attempts=3)
    usage = {"usage": {"prompt_tokens": 200, "completion_tokens": 50}}

    def call() -> None:
        tries = Tries()
        passed = wait_sync(limits.enter("acme", bound(BODY, SENT, 4096)), 1)
        steps = trying([health], retries, 0.0, random.random)
        next(steps)
        tries.sent()
        tries.ended(200, "")
        try:
            steps.send(Outcome(0.0, 0.0, 200))
        except StopIteration:
            pass
        limits.leave(passed, usage, tries)

    return timed(call, 20_000)


def reserve_and_sync(folder: Path) -> tuple[float, float]:
    """A reservation that is on the disk, and one fdatasync of a file beside it: microseconds, in turns."""
    store = SpendStore(folder / "alone.sqlite3")
    wide = Account("total", "2026-11-26", 10**15)
    file = os.open(folder / "sync", os.O_WRONLY | os.O_CREAT)

    def sync() -> None:
        os.write(file, b"x" * 300)
        os.fdatasync(file)

    reserves, syncs = [], []
    for _ in range(300):
        reserves.append(timed(lambda: store.reserve((wide,), 1).result(10), 1))
        syncs.append(timed(sync, 1))
    store.close()
    os.close(file)
    return statistics.median(reserves), statistics.median(syncs)


def one_dollar(folder: Path) -> tuple[int, int]:
    """8 processes × 50 calls at once, a dollar left, 1 cent reserved, 0.3 spent: the sum, and settlements lost."""
    path = folder / "dollar.sqlite3"
    SpendStore(path).close()
    workers = [FORK.Process(target=_spend, args=(path, seed)) for seed in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    store = SpendStore(path)
    spent = store.spent(DAY).result(10)
    store.close()
    return spent, spent % 3_000


def _spend(path: Path, seed: int) -> None:
    store, draw = SpendStore(path, wait_s=60), random.Random(seed)

    def call() -> None:
        time.sleep(draw.random() / 100)
        if store.reserve((DAY,), 10_000).result(120).denied is None:
            time.sleep(draw.random() / 100)
            store.settle((DAY,), -7_000).result(120)

    threads = [threading.Thread(target=call) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()


def fullest_window(limit: int = 40_000) -> int:
    """The most tokens that any 60 seconds held, at three times the limit's demand for an hour."""
    windows, draw, now = MemoryWindows(), random.Random(5), 0.0
    held: list[tuple[float, int]] = []
    while now < 3600:
        now += draw.expovariate(2.0)
        most, used = draw.randint(200, 2000), draw.random()
        taken = windows.take("acme", Rate(None, limit), most, now)
        if not taken.after_s:
            windows.give("acme", taken.second, int(most * used) - most)
            held.append((now, int(most * used)))
    fullest = start = total = 0
    for at, tokens in held:
        total += tokens
        while held[start][0] <= at - 60:
            total -= held[start][1]
            start += 1
        fullest = max(fullest, total)
    return fullest


def killed(folder: Path, kills: int) -> tuple[int, int, int, int]:
    """kill -9 at random points of reserve, call, letter, settle.

    Gives the calls that were sent, micro-dollars under-counted, letters acknowledged, and those lost or not whole.
    """
    wide, draw = Account("total", "2026-11-26", 10**15), random.Random(7)
    spend = SpendStore(folder / "killed.sqlite3", wait_s=60)
    letters = Letters(LetterStore(folder / "killed-letters.sqlite3", wait_s=60), Keys(b"master"))
    for number in range(kills):
        ours, theirs = FORK.Pipe(duplex=False)
        child = FORK.Process(target=_until_killed, args=(folder, spend, letters, wide, number, theirs))
        child.start()
        if number % 5:  # every fifth dies while it begins, the others in the middle of their work
            ours.recv()
        time.sleep(draw.random() / 30)
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
    calls, spent = _size(folder / "sent"), spend.spent(wide).result(60)
    acknowledged = (folder / "acknowledged").read_text().split() if _size(folder / "acknowledged") else []
    lost = sum(not _whole(letters, id) for id in acknowledged)
    spend.close()
    letters.close()
    return calls, max(0, calls * 3_000 - spent), len(acknowledged), lost


def _until_killed(
    folder: Path, spend: SpendStore, letters: Letters, account: Account, seed: int, parent: Connection
) -> None:
    draw = random.Random(seed)
    provider, caller = _appending(folder / "sent"), _appending(folder / "acknowledged")
    while True:
        spend.reserve((account,), 10_000).result(60)
        os.write(provider, b"x")  # the call itself: from here on it costs 3,000
        time.sleep(draw.random() / 1000)
        if draw.random() < 0.5:
            id = wait_sync(letters.keep(_LETTER), 60)
            os.write(caller, f"{id}\n".encode())  # the caller hears of it
        spend.settle((account,), -7_000).result(60)
        parent.send(None)


def _whole(letters: Letters, id: str) -> bool:
    """Whether a letter that a caller heard of is there, and opens."""
    found = letters.store.find(id).result(60)
    return bool(found) and letters.open(found[0]).body == SENT


def _appending(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


_LETTER = Letter(
    tenant="acme",
    user="",
    model="m",
    endpoint="chat",
    method="POST",
    url="https://api.openai.com/v1/chat/completions",
    policy="p",
    sha256="0" * 64,
    reason="retries_exhausted",
    attempts=3,
    trace="0" * 32,
    tools=False,
    streamed=False,
    headers=[(b"idempotency-key", b"order-7")],
    body=SENT,
)


def availability(calls: int = 60_000, rate: float = 1000.0) -> float:
    """The share of callers who get an answer: the provider fails 30 % of calls and goes dark for 10 s."""
    draw = random.Random(11)
    first, second, rules = Health(), Health(), Retries(attempts=3)
    done = sum(_answered(number / rate, (first, second), rules, draw) for number in range(calls))
    return done / calls


def _answered(now: float, healths: tuple[Health, Health], rules: Retries, draw: random.Random) -> bool:
    steps = trying(healths, rules, now, draw.random)
    try:
        step = next(steps)
        while True:
            if isinstance(step, Pause):
                now += step.seconds
                step = steps.send(now)
                continue
            dark = 20 <= now < 30
            failed = step.candidate == 0 and (dark or draw.random() < 0.3)
            now += 0.05
            error = "connect" if failed and dark else ""
            step = steps.send(Outcome(now, 0.0, 0 if error else 503 if failed else 200, error=error))
    except StopIteration as stop:
        return not stop.value.code


def main() -> None:
    """Print each figure with its bound."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=50, help="processes that are killed")
    kills = options.parse_args().kills
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"added in memory, a call          {added_in_memory():9.1f} µs   (bound 100)")
        reserve, sync = reserve_and_sync(folder)
        bound_us = 2 * sync + 300
        print(
            f"reserve on SQLite, synced        {reserve:9.1f} µs   (bound {bound_us:.0f}; fdatasync {sync:.0f})"
        )
        spent, lost = one_dollar(folder)
        print(
            f"8 × 50 calls, 1 USD left         {spent / 1e6:9.4f} USD  (bound 1.01), {lost} lost settlements"
        )
        print(f"fullest 60 s of 40,000 tokens    {fullest_window():9d}      (bound 40000)")
        calls, missing, told, lost = killed(folder, kills)
        print(f"{kills} × kill -9, {calls} calls sent   {missing:9d}      micro-USD under-counted (bound 0)")
        print(f"{kills} × kill -9, {told} letters told  {lost:9d}      acknowledged letters lost (bound 0)")
        print(f"30 % failures, 10 s dark         {availability():9.4%}    answered (bound 99.9 %)")


if __name__ == "__main__":
    main()
