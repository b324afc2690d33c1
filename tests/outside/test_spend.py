"""The store of spend: the same in every process, whole after a `kill -9`, and honest when it cannot be written."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guard.errors import SetupError, Unavailable
from guard.outside.stores.spend import LINES, Account, SpendStore

DAY = Account("total", "2026-11-26", 1_000_000)
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "spend.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[SpendStore]:
    made = SpendStore(path)
    yield made
    made.close()


def denied(store: SpendStore, amount: int, *accounts: Account) -> Account | None:
    return store.reserve(accounts or (DAY,), amount).result(10).denied


def spent(store: SpendStore, account: Account = DAY) -> int:
    return store.spent(account).result(10)


def test_up_to_the_limit_and_no_further(store: SpendStore) -> None:
    """D29: at limit − 1, at the limit, and one above it; what was denied is not counted."""
    assert denied(store, DAY.limit - 1) is None  # type: ignore[operator]
    assert denied(store, 1) is None
    assert denied(store, 1) == DAY
    assert spent(store) == DAY.limit


def test_on_all_accounts_or_on_none(store: SpendStore) -> None:
    """C44: a call that one account denies is counted on none."""
    small = Account("tenant:a", "2026-11", 10)
    assert denied(store, 11, DAY, small) == small
    assert (spent(store), spent(store, small)) == (0, 0)
    assert denied(store, 10, DAY, small) is None
    assert (spent(store), spent(store, small)) == (10, 10)


def test_settling_corrects_and_never_goes_below_zero(store: SpendStore) -> None:
    """C38: what was reserved too much comes back, what was too little is added; no sum is negative."""
    denied(store, 100)
    store.settle((DAY,), -60).result(10)
    assert spent(store) == 40
    store.settle((DAY,), 1_000_000).result(10)
    assert spent(store) == 1_000_040
    store.settle((DAY,), -5_000_000).result(10)
    assert spent(store) == 0


def test_an_account_without_a_limit_is_counted(store: SpendStore) -> None:
    """What is spent with the cheaper model counts too."""
    assert denied(store, 5_000_000, Account(DAY.scope, DAY.period)) is None
    assert spent(store) == 5_000_000


def test_a_hostile_amount_is_denied(store: SpendStore) -> None:
    """C45: `n` of any size fits no limit, and no integer overflows."""
    assert denied(store, 10**40) == DAY
    assert denied(store, 10**40, Account("free", "2026-11")) is None
    assert denied(store, 10**40, Account("free", "2026-11")) is None


def test_each_line_is_told_once_a_period(store: SpendStore, path: Path) -> None:
    """Alert lines at 50, 80 and 100 %: once, whichever process reached them; a refusal is the last one."""
    other = SpendStore(path)
    told = []
    for number in range(20):
        reserved = (other if number % 2 else store).reserve((DAY,), 99_000).result(10)
        told += [crossed.percent for crossed in reserved.crossed]
        store.settle((DAY,), -40_000).result(10)
    assert told == list(LINES)
    other.close()


def test_the_file_is_the_owners(store: SpendStore, path: Path) -> None:
    """Nobody else of the machine reads it."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_it_is_still_there_after_a_restart(store: SpendStore, path: Path) -> None:
    """C36: what was spent in a period stays, whatever the clock did in between."""
    denied(store, 77)
    store.close()
    again = SpendStore(path)
    assert spent(again) == 77
    again.close()


def test_a_file_that_cannot_be_used_stops_the_start(spoiled: Callable[[Path], bytes], path: Path) -> None:
    """C34: damaged, of a newer guard, not writable: a sentence, not a traceback, and nothing is overwritten."""
    before = spoiled(path)
    with pytest.raises(SetupError, match=r"spend\.sqlite3"):
        SpendStore(path)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_lock_that_lasts_is_told(path: Path) -> None:
    """C33: another process holds the file: a bounded wait, a clear error, and it works again afterwards."""
    store = SpendStore(path, wait_s=0.2)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        denied(store, 1)
    holder.execute("ROLLBACK")
    holder.close()
    assert denied(store, 1) is None
    store.close()


def test_an_operation_that_fails_leaves_nothing(store: SpendStore) -> None:
    """What it had written is taken back, its caller hears of it, and the others go on."""

    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO spend VALUES ('total', '2026-11-26', 5)")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        store.writer.submit(broken).result(10)
    assert denied(store, 1) is None
    assert spent(store) == 1


def test_the_queue_is_bounded(path: Path) -> None:
    """C33: while the file is locked only so many wait; the others hear it at once."""
    store = SpendStore(path, wait_s=1.0)
    store.writer._waiting = 8
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    futures = [store.reserve((DAY,), 1) for _ in range(100)]
    refused = [future for future in futures if future.done() and isinstance(future.exception(), Unavailable)]
    assert len(refused) > 80
    holder.execute("ROLLBACK")
    holder.close()
    store.close()


def test_a_full_disk_denies_and_recovers(store: SpendStore) -> None:
    """C32: what cannot be written is Unavailable, and nothing of it is counted; with space it works again."""

    def cap(connection: sqlite3.Connection, pages: int) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    denied(store, 1)
    pages = store.writer.submit(lambda c: c.execute("PRAGMA page_count").fetchone()[0]).result(10)
    store.writer.submit(lambda c: cap(c, pages)).result(10)
    with pytest.raises(Unavailable, match="full"):
        fill(store)
    store.writer.submit(lambda c: cap(c, 1_000_000)).result(10)
    assert denied(store, 1) is None
    assert spent(store) == 2


def fill(store: SpendStore) -> None:
    for number in range(5000):
        denied(store, 1, Account(f"tenant:{number:0100}", "2026-11-26", 10))


def test_a_child_is_a_writer_of_its_own(store: SpendStore) -> None:
    """A server that forks after the guard was made: parent and children write to the same sums."""
    denied(store, 1)
    children = [FORK.Process(target=_reserve_some, args=(store, 20)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert spent(store) == 61


def _reserve_some(store: SpendStore, count: int) -> None:
    for _ in range(count):
        store.reserve((DAY,), 1).result(30)
    store.close()


def test_many_workers_one_dollar(path: Path) -> None:
    """C44: 8 processes with 50 calls in flight each and a dollar left: never a micro-dollar more than it."""
    store = SpendStore(path, wait_s=30)
    children = [FORK.Process(target=_spend, args=(path, seed)) for seed in range(8)]
    for child in children:
        child.start()
    for child in children:
        child.join(110)
    assert all(child.exitcode == 0 for child in children)
    assert 300_000 < spent(store) <= 1_000_000
    assert spent(store) % 3_000 == 0  # no settlement was lost
    store.close()


def _spend(path: Path, seed: int) -> None:
    """Fifty calls at once: reserve 10 cents, settle at 3."""
    store, draw = SpendStore(path, wait_s=30), random.Random(seed)

    def call() -> None:
        time.sleep(draw.random() / 100)
        if store.reserve((DAY,), 10_000).result(60).denied is None:
            time.sleep(draw.random() / 100)
            store.settle((DAY,), -7_000).result(60)

    threads = [threading.Thread(target=call) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_point_nothing_is_under_counted(path: Path, seed: int) -> None:
    """C38: kill -9 between reserve, call and settle: every call that went out is counted with its cost, at least."""
    store = SpendStore(path, wait_s=30)
    receipts = path.with_name("sent")
    wide = Account("total", "2026-11-26", 10**12)
    draw = random.Random(seed)
    for _ in range(6):
        child = FORK.Process(target=_call_until_killed, args=(path, wide, receipts, draw.random()))
        child.start()
        time.sleep(0.05 + draw.random() / 5)
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
    calls = receipts.stat().st_size if receipts.exists() else 0
    assert calls
    assert spent(store, wide) >= calls * 3_000
    store.close()


def _call_until_killed(path: Path, account: Account, receipts: Path, seed: float) -> None:
    store, draw = SpendStore(path, wait_s=30), random.Random(seed)
    provider = os.open(receipts, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    while True:
        store.reserve((account,), 10_000).result(60)
        os.write(provider, b"x")  # the call itself: from here on it costs 3,000
        time.sleep(draw.random() / 1000)
        store.settle((account,), -7_000).result(60)
