"""Deny lists and allow lists end to end: whose call it is decides, in requests, answers, streams and text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import client_kit as clients
import openai
import pytest
from starlette.applications import Starlette

from guard import Gateway, Guard
from guard.errors import Refused
from guard.guard import identity
from guard.logs import redactor
from guard.settings import Settings

Connect = Callable[..., Any]
LISTS = """
input: {rules: {pii.acme.project: {action: redact, as: mask}, pii.acme.client: block}}
logs: {rules: {pii.acme.project: {action: redact, as: mask}}}
recognizers:
  presidio: {recognizers: []}
  lists:
  - {name: projects, deny: pii.acme.project, terms: [Project Blue Heron, 蓝鹭计划], tenants: [acme]}
  - {name: clients, deny: pii.acme.client, terms: [Ostrich & Sons], tenants: [acme]}
  - {name: desk, allow: true, terms: [help@harbor.io], tenants: [beta]}
"""
OUTPUT = "output: {rules: {moderation.*: allow, moderation.sexual/minors: allow, moderation.self-harm*: allow, %s}}\n"
PROJECT = "pii.acme.project: {action: redact, as: mask}"
BASE = "policy: lists\nextends: [default]\n"
TEXT = "Ask help@harbor.io about project blue heron and 蓝鹭计划 today"


@pytest.fixture
def listing(make_guard: Any) -> Guard:
    """Lists of two tenants over `default`, without a judge."""
    guard: Guard = make_guard(BASE + LISTS + OUTPUT % PROJECT, client_keys="acme:key-acme, beta:key-beta")
    return guard


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest, provider: Starlette, listing: Guard) -> Iterator[Connect]:
    with clients.connecting(request.param, listing, provider.state.url) as make:
        yield make


def asked(provider: Starlette) -> str:
    """What the provider was asked last."""
    return str(json.loads(provider.state.received[-1].body)["messages"][0]["content"])


def told(chunks: list[Any]) -> list[str]:
    return [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]


def test_a_request_meets_the_lists_of_its_tenant(connect: Connect, provider: Starlette) -> None:
    """E04: acme's projects are masked for acme alone; beta's desk is no finding for beta alone."""
    sdk = connect()
    for tenant, hidden, desk in (("acme", True, False), ("beta", False, True), ("default", False, False)):
        with identity(tenant):
            sdk.chat(TEXT)
        sent = asked(provider)
        assert ("heron" not in sent, "蓝鹭" not in sent, "help@harbor.io" in sent) == (hidden, hidden, desk)


def test_a_blocked_term_refuses_its_tenant_alone(connect: Connect, provider: Starlette) -> None:
    """The refusal names no term, and nothing is sent."""
    sdk = connect()
    with identity("acme"), pytest.raises(openai.PermissionDeniedError) as caught:
        sdk.chat("A letter to OSTRICH & sons")
    assert "ostrich" not in caught.value.response.text.lower()
    assert provider.state.received == []
    with identity("beta"):
        sdk.chat("A letter to OSTRICH & sons")
    assert asked(provider) == "A letter to OSTRICH & sons"


def test_a_streamed_answer_is_never_cut_inside_a_term(connect: Connect, provider: Starlette) -> None:
    """Law 6: wherever the provider cuts, no part of a term leaves for acme; beta reads the answer as it is."""
    answer = "".join(f"{'well ' * n}the Project Blue Heron and 我们的蓝鹭计划很好. " for n in range(12))
    provider.state.script.reply = lambda body: answer
    sdk = connect()
    with identity("acme"):
        seen = "".join(told(sdk.chat_stream("hi")))
    assert not any(part in seen for part in ("Project", "Blue", "Heron", "蓝鹭", "计划"))
    assert seen.count("我们的") == seen.count("很好") == 12
    with identity("beta"):
        assert "".join(told(sdk.chat_stream("hi"))) == answer


@pytest.mark.anyio
async def test_the_gateway_knows_the_tenant_by_its_key(listing: Guard, provider: Any, kit: Any) -> None:
    """D16: the client's key says whose lists hold, also for streams."""
    gateway = Gateway(listing, upstream=provider.state.url)
    provider.state.script.reply = lambda body: "this is Project Blue Heron " * 20
    for tenant, hidden in (("acme", True), ("beta", False)):
        headers = [
            (b"content-type", b"application/json"),
            (b"authorization", f"Bearer key-{tenant}".encode()),
        ]
        answer = await kit.request(gateway, body=kit.chat(TEXT), headers=headers)
        assert answer.status == 200
        assert ("heron" not in asked(provider)) is hidden
        assert ("Heron" not in answer.body.decode()) is hidden
        stream = await kit.request(gateway, body=kit.chat(TEXT, stream=True), headers=headers)
        assert ("Heron" not in kit.told(stream.body)) is hidden
        assert ("Blue" not in kit.told(stream.body)) is hidden


def test_text_meets_the_lists_of_the_exchange(listing: Guard) -> None:
    """The Python interface: an exchange has its tenant, and what has none is `default`'s."""
    with listing.exchange("acme") as exchange:
        assert "heron" not in exchange.redact(TEXT)
    with listing.exchange("beta") as exchange:
        assert exchange.redact(TEXT) == TEXT
    assert [finding.kind for finding in listing.detect(TEXT)] == ["pii.email"]
    with listing.exchange("acme") as exchange, pytest.raises(Refused) as caught:
        exchange.redact("to Ostrich & Sons")
    assert "Ostrich" not in f"{caught.value} {caught.value!r} {listing!r}"


def test_a_log_line_meets_every_deny_list(listing: Guard, tmp_path: Path) -> None:
    """A line does not say whose it is: what anybody denies is redacted, what only some allow is not allowed."""
    line = redactor(listing.policy, Settings(home=tmp_path))(TEXT)
    assert not any(part in line for part in ("heron", "蓝鹭", "help@harbor.io"))
