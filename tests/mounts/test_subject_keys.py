"""The key of a call's subjects: its tenant's, of the period that the policy says; without one no call is made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from starlette.applications import Starlette

from guard import Guard, identity
from guard.audit.query import run
from guard.audit.subjects import find
from guard.keys import period_of
from guard.settings import Settings

MAIL = "canary.alice@corp.com"
QUIET = """
policy: quiet
version: "1"
extends: [default]
recognizers: {presidio: {recognizers: []}}
output: {rules: {"moderation.*": allow, "moderation.sexual/minors": allow, "moderation.self-harm*": allow}}
"""
MONTHLY = QUIET + "trace: {subjects: {period: month}}\n"
Connect = Callable[..., Any]


def made(tmp_path: Path, text: str, name: str = "exports") -> Guard:
    """A guard of this test's own home."""
    path = tmp_path / f"{name}.yaml"
    path.write_text(text)
    return Guard.from_policy(path, Settings(home=tmp_path / "home", exports=tmp_path / name))


def test_calls_name_the_key_of_their_tenants_month(connect: Connect, tmp_path: Path) -> None:
    """Two processes with one home use one key; who made it says so on record, once; find finds both calls."""
    import time

    guards = [made(tmp_path, MONTHLY, name) for name in ("one", "two")]
    for guard in guards:
        for tenant in ("acme", "acme", "other"):
            with identity(tenant=tenant):
                connect(guard).chat(f"Ask {MAIL}")
    for guard in guards:
        guard.close()
    keys = "SELECT DISTINCT tenant, subject_key FROM findings WHERE subject_key IS NOT NULL ORDER BY tenant"
    one, two = (run(tmp_path / name, keys).rows for name in ("one", "two"))
    assert one == two
    now = time.gmtime()
    month = period_of("month", now.tm_year, now.tm_mon)
    assert [(tenant, id.rpartition("-")[0]) for tenant, id in one] == [("acme", month), ("other", month)]
    created = "SELECT attrs['guard.tenant'], attrs['guard.subject_key'] FROM spans"
    created += " WHERE name = 'guard.subject_key.created'"
    told = [row for name in ("one", "two") for row in run(tmp_path / name, created).rows]
    assert sorted(told) == one
    store = guards[0].subject_keys
    for name in ("one", "two"):
        rows = find(tmp_path / name, guards[0].keys, MAIL, {}, store.stored()).table.rows
        assert sorted(row[1] for row in rows) == ["acme", "acme", "other"]
        assert find(tmp_path / name, guards[0].keys, MAIL, {}).table.rows == []


def test_a_span_without_a_subject_names_no_key(connect: Connect, tmp_path: Path) -> None:
    """Only where hashes are, the key that made them is named; texts that are not recorded make no key at all."""
    guard = made(tmp_path, QUIET)
    guard.redact(MAIL)
    assert not (tmp_path / "home" / "subject-keys").exists()
    connect(guard).chat("Hello")
    guard.close()
    asked = (
        "SELECT count(*) FROM spans WHERE attrs['guard.subject_key'] IS NOT NULL AND name = 'guard.screen'"
    )
    assert run(tmp_path / "exports", asked).rows == [(0,)]


def test_without_its_key_no_call_is_made(connect: Connect, provider: Starlette, tmp_path: Path) -> None:
    """Law 1: records that nobody could find again are a check that cannot run; it heals by itself."""
    guard = made(tmp_path, QUIET)
    (tmp_path / "home" / "subject-keys").write_text("in the way")
    sdk = connect(guard, max_retries=0)
    with pytest.raises(openai.InternalServerError) as caught:
        sdk.chat(f"Ask {MAIL}")
    assert (caught.value.status_code, caught.value.code) == (503, "guard.unavailable.store")
    assert not provider.state.received
    (tmp_path / "home" / "subject-keys").unlink()
    sdk.chat(f"Ask {MAIL}")
    guard.close()


def test_where_the_policy_lets_it_go_on_there_is_no_hash(connect: Connect, tmp_path: Path) -> None:
    """A rule may flag it: the call goes on, and its findings have no subjects rather than hashes under no key."""
    guard = made(tmp_path, QUIET + "input: {rules: {guard.unavailable.store: flag}}\n")
    (tmp_path / "home" / "subject-keys").write_text("in the way")
    connect(guard).chat(f"Ask {MAIL}")
    guard.close()
    asked = "SELECT subjects, subject_key FROM findings WHERE kind = 'pii.email'"
    assert run(tmp_path / "exports", asked).rows == [([""], None)]


def test_an_attached_policy_has_its_own_period(connect: Connect, tmp_path: Path) -> None:
    """What is attached to a tenant tightens the period of its keys, too."""
    (tmp_path / "month.yaml").write_text(MONTHLY)
    guard = made(tmp_path, QUIET + "attach: [{tenants: [acme], policy: month.yaml}]\n")
    for tenant in ("acme", "other"):
        with identity(tenant=tenant):
            connect(guard).chat(f"Ask {MAIL}")
    guard.close()
    asked = "SELECT tenant, subject_key FROM findings WHERE kind = 'pii.email' ORDER BY tenant"
    [(_, monthly), (_, yearly)] = run(tmp_path / "exports", asked).rows
    assert (monthly.count("-"), yearly.count("-")) == (2, 1)
    assert json.dumps(sorted(p.name for p in (tmp_path / "home" / "subject-keys").iterdir())) == json.dumps(
        sorted([monthly.rpartition("-")[0], yearly.rpartition("-")[0]])
    )
