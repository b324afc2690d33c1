"""Exceptions, end to end: one tenant's rule flags instead of acting, on record, until its last day is over."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import client_kit as clients
import openai
import pytest
from starlette.applications import Starlette

from guard import Gateway, Guard
from guard.audit.query import run
from guard.guard import identity

Connect = Callable[..., Any]
MAIL = "write to jo.weber@kontor-nord.org"
CARD = "my card is 4111 1111 1111 1111"
ROW = "{{kind: {kind}, tenant: {tenant}, until: 2026-12-31, ticket: SEC-12, approved_by: ciso@acme.example}}"
LAST = datetime.datetime(2026, 12, 31, 23, 59, tzinfo=datetime.UTC).timestamp()


@pytest.fixture(scope="module")
def excepting(make_guard: Any, tmp_path_factory: pytest.TempPathFactory) -> Guard:
    """Cards are refused, addresses replaced; acme and beta are excepted from it, beta under a stricter policy."""
    stricter = tmp_path_factory.mktemp("exceptions") / "stricter.yaml"
    stricter.write_text(
        make_guard.quiet.replace("policy: quiet", "policy: stricter") + "input: {rules: {pii.email: block}}"
    )
    rows = (ROW.format(kind="pii.card", tenant="acme"), ROW.format(kind="pii.e*", tenant="acme"))
    more = ROW.format(kind="pii.email", tenant="beta")
    guard: Guard = make_guard(
        make_guard.quiet
        + "input: {rules: {pii.card: block}}\n"
        + f"exceptions: [{', '.join((*rows, more))}]\n"
        + f"attach: [{{tenants: [beta], policy: {stricter}}}]\n",
        client_keys="acme:key-acme, beta:key-beta",
        upstream_key="sk-up",
    )
    assert guard.attached is not None
    return guard


@pytest.fixture
def until(excepting: Guard, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the clock by which exceptions end."""

    def at(now: float) -> None:
        monkeypatch.setattr(excepting.attached, "_now", lambda: now)

    at(LAST)
    return at


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest, provider: Starlette, excepting: Guard) -> Iterator[Connect]:
    with clients.connecting(request.param, excepting, provider.state.url) as make:
        yield make


def test_an_exception_lets_one_tenant_s_values_pass(
    connect: Connect, provider: Starlette, until: Any
) -> None:
    """Acme's card and address go on as they are; gamma's card is refused, and whoever is not known is not excepted."""
    sdk = connect()
    with identity("acme"):
        sdk.chat(f"{MAIL}, {CARD}")
    assert b"jo.weber@kontor-nord.org, my card is 4111 1111 1111 1111" in provider.state.received[-1].body
    for tenant in ("gamma", "default"):
        with identity(tenant), pytest.raises(openai.PermissionDeniedError):
            sdk.chat(CARD)
    with identity("gamma"):
        sdk.chat(MAIL)
    assert b"<EMAIL_1>" in provider.state.received[-1].body


def test_it_ends_by_itself_with_its_last_day(connect: Connect, provider: Starlette, until: Any) -> None:
    """No reload, no restart: the next request after the last second of the day meets the rule again."""
    sdk = connect()
    with identity("acme"):
        sdk.chat(CARD)
        until(LAST + 61)
        with pytest.raises(openai.PermissionDeniedError):
            sdk.chat(CARD)
    assert len(provider.state.received) == 1


def test_it_does_not_loosen_what_is_attached(connect: Connect, provider: Starlette, until: Any) -> None:
    """Beta's exception is the base's to grant: the attached policy blocks addresses all the same."""
    with identity("beta"), pytest.raises(openai.PermissionDeniedError) as refused:
        connect().chat(MAIL)
    assert refused.value.code == "pii.email"


@pytest.mark.anyio
async def test_it_is_on_record_where_it_applied(
    excepting: Guard, provider: Any, kit: Any, spans: Any, until: Any
) -> None:
    """The span names the ticket and keeps the rule's action, under the digest that was approved."""
    gateway = Gateway(excepting, upstream=provider.state.url)
    headers = [(b"content-type", b"application/json"), (b"authorization", b"Bearer key-acme")]
    found = {}
    for text in (CARD, "hi"):
        answer = await kit.request(gateway, body=kit.chat(text), headers=headers)
        assert answer.status == 200
        (found[text], _) = await spans(excepting, answer.header("x-guard-trace"))
    assert "exception SEC-12" in str(found[CARD]["guard.waived"])
    assert "guard.waived" not in found["hi"]
    assert (found[CARD]["guard.action"], found[CARD]["guard.enforced"]) == ("block", "flag")
    assert found[CARD]["guard.policy.sha256"] == excepting.policy.sha256
    assert "exception SEC-12" in str(found[CARD]["events"])
    await excepting.disconnect()
    waived = run(excepting.settings.exports, "waived", {})
    rows = [dict(zip(waived.columns, row, strict=True)) for row in waived.rows]
    assert {(row["tenant"], row["action"], row["enforced"]) for row in rows} >= {("acme", "block", "flag")}
    assert run(excepting.settings.exports, "observed-only", {}).rows == []
    assert answer.header("x-guard-trace") not in {row["trace_id"] for row in rows}
