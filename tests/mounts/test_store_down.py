"""C35: a shared store that is down, read-only or was replaced by an empty one: refused unless a rule lets it pass."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from guard.mounts.gateway import Gateway

pytestmark = pytest.mark.anyio

PRICES = "prices: {m: {input: 1000, output: 1000}}"
WHAT = {
    "limits": ("limits: {requests_per_minute: 100, tokens_per_minute: 100000}", "limits.sqlite3"),
    "budget": (f"budget: {{usd_per_month: 100, {PRICES}}}", "spend.sqlite3"),
}
LET_PASS = "input: {rules: {guard.unavailable.store: flag}}\n"


@contextlib.contextmanager
def down(path: Path, how: str) -> Iterator[None]:
    """Do to a store what another process or a failing disk may do to it."""
    other = sqlite3.connect(path, isolation_level=None)
    tables = [row[0] for row in other.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    if how == "locked":
        other.execute("BEGIN IMMEDIATE")
    for table in tables:
        if how == "empty":
            other.execute(f"DROP TABLE {table}")
        elif how == "read-only":
            for event in ("INSERT", "UPDATE", "DELETE"):
                other.execute(
                    f"CREATE TRIGGER no_{table}_{event} BEFORE {event} ON {table}"
                    " BEGIN SELECT RAISE(ABORT, 'attempt to write a readonly database'); END"
                )
    yield
    other.close()


@pytest.mark.parametrize("how", ["locked", "read-only", "empty"])
@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("rule", ["", LET_PASS], ids=["closed", "flag"])
async def test_a_store_that_is_down(
    housed: Any, provider: Starlette, kit: Any, what: str, how: str, rule: str
) -> None:
    """C35: neither is forgotten: 503 before anything is sent; where a rule lets calls pass, each one is counted."""
    traffic, name = WHAT[what]
    guard = housed(f"{kit.quiet}traffic: {{{traffic}}}\n{rule}", workers=2, store_timeout_s=0.1)
    gateway = Gateway(guard, upstream=provider.state.url)
    try:
        with down(guard.settings.home / name, how):
            answers = [await kit.request(gateway, body=kit.chat("hi", max_tokens=5)) for _ in range(2)]
        told = await kit.request(gateway, "/metrics", method="GET")
    finally:
        await guard.egress.aclose()
    opened = b'guard_checks_total{guard_check="store",guard_outcome="failed_open"} 2'
    closed = b'guard_checks_total{guard_check="store",guard_outcome="failed_closed"} 2'
    if rule:
        assert [answer.status for answer in answers] == [200, 200]
        assert opened in told.body
    else:
        assert [(a.status, a.code) for a in answers] == [(503, "guard.unavailable.store")] * 2
        assert closed in told.body
        assert provider.state.received == []
