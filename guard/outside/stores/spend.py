"""What was spent, by scope and period, in whole micro-dollars (a millionth of a US dollar).

What is reserved counts as spent at once, and is corrected when the call is settled: a process that is killed in between
leaves too much counted, never too little. Rows are never reset: a clock that jumps back finds the old ones again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from guard.outside.stores.sqlite import Writer

VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS spend (
  scope TEXT NOT NULL, period TEXT NOT NULL, micro INTEGER NOT NULL CHECK (micro >= 0),
  PRIMARY KEY (scope, period)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lines (
  scope TEXT NOT NULL, period TEXT NOT NULL, percent INTEGER NOT NULL,
  PRIMARY KEY (scope, period, percent)) WITHOUT ROWID;
"""

LINES = (50, 80, 100)
"""Percent of a limit at which somebody should hear of it, once a period."""

MOST = 1 << 52
"""The most that one amount may be: no sum of them leaves SQLite's integers."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who pays in which period, and up to which limit (micro-dollars); None: counted, never refused."""

    scope: str
    period: str
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Crossed:
    """An account reached a line (percent of its limit) for the first time in its period."""

    account: Account
    percent: int
    spent: int


@dataclass(frozen=True, slots=True)
class Reserved:
    """Whether an amount was reserved on all accounts, or which of them denied it; and the lines that were reached."""

    denied: Account | None
    crossed: tuple[Crossed, ...]


class SpendStore:
    """Spend in one SQLite file, shared by all processes of this machine."""

    def __init__(self, path: Path, *, wait_s: float = 2.0) -> None:
        self.writer = Writer(path, SCHEMA, VERSION, wait_s=wait_s)
        self.writer.check()

    def reserve(self, accounts: Sequence[Account], amount: int) -> Future[Reserved]:
        """Count an amount on every account, or on none where one of them would pass its limit."""
        return self.writer.submit(partial(_reserve, accounts=accounts, amount=min(amount, MOST)))

    def settle(self, accounts: Sequence[Account], delta: int) -> Future[Reserved]:
        """Correct what was reserved by the difference to what the call cost."""
        return self.writer.submit(partial(_settle, accounts=accounts, delta=max(-MOST, min(delta, MOST))))

    def spent(self, account: Account) -> Future[int]:
        """What was spent on an account."""
        return self.writer.submit(partial(_spent, account=account))

    def periods(self, *periods: str) -> Future[list[tuple[str, str, int]]]:
        """Scope, period and what was spent, in each of the periods; the most first, 1,000 at most."""
        return self.writer.submit(partial(_periods, periods=periods))

    def close(self) -> None:
        """Write what is queued."""
        self.writer.close()


def _reserve(connection: sqlite3.Connection, accounts: Sequence[Account], amount: int) -> Reserved:
    before = {account: _spent(connection, account) for account in accounts}
    for account, spent in before.items():
        if account.limit is not None and spent + amount > account.limit:
            return Reserved(account, _new_lines(connection, [Crossed(account, 100, spent)]))
    return Reserved(None, _add(connection, before, amount))


def _settle(connection: sqlite3.Connection, accounts: Sequence[Account], delta: int) -> Reserved:
    return Reserved(
        None, _add(connection, {account: _spent(connection, account) for account in accounts}, delta)
    )


def _add(connection: sqlite3.Connection, before: dict[Account, int], delta: int) -> tuple[Crossed, ...]:
    crossed = []
    for account, spent in before.items():
        after = max(0, spent + delta)
        connection.execute(
            "INSERT INTO spend VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET micro = excluded.micro",
            (account.scope, account.period, after),
        )
        reached = [
            line for line in LINES if account.limit and spent * 100 < line * account.limit <= after * 100
        ]
        crossed += [Crossed(account, line, after) for line in reached]
    return _new_lines(connection, crossed)


def _new_lines(connection: sqlite3.Connection, crossed: list[Crossed]) -> tuple[Crossed, ...]:
    """Those that were not reached before in their period, by any process."""
    new = []
    for line in crossed:
        row = (line.account.scope, line.account.period, line.percent)
        if connection.execute("INSERT OR IGNORE INTO lines VALUES (?, ?, ?)", row).rowcount:
            new.append(line)
    return tuple(new)


def _periods(connection: sqlite3.Connection, periods: Sequence[str]) -> list[tuple[str, str, int]]:
    marks = ", ".join("?" * len(periods))
    asked = f"SELECT scope, period, micro FROM spend WHERE period IN ({marks}) ORDER BY micro DESC LIMIT 1000"
    return connection.execute(asked, list(periods)).fetchall()


def _spent(connection: sqlite3.Connection, account: Account) -> int:
    row = connection.execute(
        "SELECT micro FROM spend WHERE scope = ? AND period = ?", (account.scope, account.period)
    ).fetchone()
    return int(row[0]) if row else 0
