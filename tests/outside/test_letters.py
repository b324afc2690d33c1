"""The store of dead letters: whole after a `kill -9`, shared by processes, honest when it cannot be written."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guard.errors import SetupError, Unavailable
from guard.outside.stores.holders import new_holder
from guard.outside.stores.letters import (
    ANSWERED,
    ROOM,
    SENDING,
    UNCERTAIN,
    WAITING,
    LetterStore,
    Row,
    Settled,
)

FORK = multiprocessing.get_context("fork")
NOW = 1_800_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "letters.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[LetterStore]:
    made = LetterStore(path)
    yield made
    made.close()


def letter(number: int = 0, **more: Any) -> Row:
    row = Row(
        id=f"{number:016x}",
        created=NOW + number,
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
        key_id="00000000",
        sealed=b"sealed",
        changed=NOW,
    )
    return replace(row, **more)


def test_what_is_kept_is_found(store: LetterStore) -> None:
    """Lists leave the bodies out; a letter is found by the beginning of its id; times and flags come back."""
    store.keep(letter(1, tools=True)).result(10)
    store.keep(letter(2, tenant="other")).result(10)
    assert [(row.id, row.sealed) for row in store.rows().result(10)] == [
        (letter(1).id, b""),
        (letter(2).id, b""),
    ]
    assert [row.tenant for row in store.rows([WAITING], "other").result(10)] == ["other"]
    assert store.rows([SENDING]).result(10) == []
    assert store.find(letter(1).id).result(10) == [letter(1, tools=True)]
    assert len(store.find("000").result(10)) == 2
    assert store.find("1").result(10) == []
    assert stat.S_IMODE(store.writer.path.stat().st_mode) == 0o600


def test_two_replayers_at_once(store: LetterStore, path: Path) -> None:
    """C40: of two that read the same letter one gets it; the other's claim, hold and settlement change nothing."""
    other = LetterStore(path)
    store.keep(letter()).result(10)
    [seen] = store.find(letter().id).result(10)
    mine, theirs = new_holder(), new_holder()
    assert store.claim(seen, mine, time.time() + 60, NOW + 1).result(10)
    assert not other.claim(seen, theirs, time.time() + 60, NOW + 2).result(10)
    assert not other.hold(seen.id, theirs, time.time() + 60).result(10)
    assert not other.settle(seen.id, theirs, Settled(WAITING, "x"), NOW + 2).result(10)
    assert store.settle(seen.id, mine, Settled(ANSWERED, "200"), NOW + 3).result(10)
    [row] = other.find(seen.id).result(10)
    assert (row.state, row.sealed, row.outcome) == (ANSWERED, b"", "200")
    other.close()


def test_nothing_is_claimed_after_a_recorded_success(store: LetterStore) -> None:
    """C40: an answered letter is no letter to send, however it is read."""
    store.keep(letter(state=ANSWERED)).result(10)
    [row] = store.find(letter().id).result(10)
    assert not store.claim(row, new_holder(), time.time() + 60, NOW).result(10)


def test_a_claim_that_was_not_settled_is_uncertain(store: LetterStore) -> None:
    """C40: of a process that died at once, of one of another machine when its claim runs out."""
    now = time.time()
    held = letter(state=SENDING, holder=new_holder(), until=now + 60)
    assert held.state_at(now) == SENDING
    assert held.state_at(now + 61) == UNCERTAIN
    host, _, token = held.holder.rsplit(":", 2)
    assert replace(held, holder=f"{host}:999999999:{token}").state_at(now) == UNCERTAIN
    assert replace(held, holder=f"other.host:999999999:{token}").state_at(now) == SENDING


def test_a_letter_that_is_being_sent_is_not_dropped(store: LetterStore) -> None:
    """What is on its way cannot be thrown away; everything else can."""
    now = time.time()
    store.keep(letter(1)).result(10)
    store.keep(letter(2, state=SENDING, holder=new_holder(), until=now + 60)).result(10)
    assert store.drop([letter(1).id, letter(2).id, "none"], now).result(10) == 1
    assert [row.id for row in store.rows().result(10)] == [letter(2).id]


def test_a_file_that_cannot_be_used_stops_the_start(spoiled: Callable[[Path], bytes], path: Path) -> None:
    """C34: damaged, of a newer guard, not writable: a sentence, and nothing is overwritten."""
    before = spoiled(path)
    with pytest.raises(SetupError, match=r"letters\.sqlite3"):
        LetterStore(path)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_lock_that_lasts_is_told(path: Path) -> None:
    """C33: a bounded wait, a clear error, and it works again afterwards."""
    store = LetterStore(path, wait_s=0.2)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="locked"):
        store.keep(letter()).result(10)
    holder.execute("ROLLBACK")
    holder.close()
    store.keep(letter()).result(10)
    store.close()


def test_a_full_file_has_no_room_and_recovers(store: LetterStore) -> None:
    """C32: that a letter would not fit is known before there is one; a smaller one of the same batch still fits."""
    assert store.prove().result(10)

    with sqlite3.connect(store.writer.path, isolation_level=None) as connection:
        connection.execute("VACUUM")
    connection.close()
    pages = store.writer.submit(lambda c: c.execute("PRAGMA page_count").fetchone()[0]).result(10)
    store.writer.submit(lambda c: c.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall()).result(10)
    proof, kept = store.prove(), store.keep(letter())
    assert proof.result(10) is False
    kept.result(10)
    with pytest.raises(Unavailable, match="full"):
        store.keep(letter(2, sealed=bytes(ROOM))).result(10)
    store.writer.submit(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchall()).result(10)
    assert store.prove().result(10)
    assert [row.id for row in store.rows().result(10)] == [letter().id]


@pytest.mark.parametrize("seed", range(2))
def test_killed_while_writing_nothing_acknowledged_is_lost(path: Path, seed: int) -> None:
    """C37: kill -9 at any step: each letter is whole or absent, and each that was acknowledged is there."""
    LetterStore(path).close()
    receipts, draw = path.with_name("acknowledged"), random.Random(seed)
    for number in range(6):
        child = FORK.Process(target=_keep_until_killed, args=(path, receipts, number * 100_000))
        child.start()
        time.sleep(0.05 + draw.random() / 8)
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
    acknowledged = receipts.read_text().split()
    store = LetterStore(path)
    rows = {row.id: row for row in store.rows().result(10)}
    assert acknowledged
    assert rows.keys() >= set(acknowledged)
    for row in rows.values():
        [whole] = store.find(row.id).result(10)
        assert whole.sealed == bytes(2000) + row.id.encode()
    store.close()


def _keep_until_killed(path: Path, receipts: Path, first: int) -> None:
    store = LetterStore(path, wait_s=30)
    told = os.open(receipts, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in range(first, first + 100_000):
        row = letter(number)
        store.keep(replace(row, sealed=bytes(2000) + row.id.encode())).result(60)
        os.write(told, f"{row.id}\n".encode())
