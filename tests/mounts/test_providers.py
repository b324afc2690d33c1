"""Providers by name at the gateway: two real hosts beside the upstream, and no key or header at the wrong one."""

from __future__ import annotations

import json
from typing import Any

import providers_kit as named
import pytest
from starlette.applications import Starlette

from guard import Gateway, SetupError

pytestmark = pytest.mark.anyio

CANARIES, ask, rewrite, sent = named.CANARIES, named.ask, named.rewrite, named.sent
Make = named.Make


@pytest.mark.parametrize("model", ["b/small", "small"])
async def test_a_model_goes_to_its_provider(
    naming: Make, kit: Any, provider: Starlette, other: Starlette, model: str
) -> None:
    """By the name before it, or because it is listed; screened, restored and recorded as any other call."""
    guard = naming()
    answer = await ask(Gateway(guard, upstream=provider.state.url), kit, model, "I am alice@corp.com")
    assert answer.status == 200
    assert answer.json["choices"][0]["message"]["content"] == "You wrote: I am alice@corp.com"
    assert (sent(other), sent(provider)) == ([("/v1/chat/completions", "small")], [])
    assert b"alice" not in other.state.received[0].body


async def test_any_other_model_goes_to_the_upstream(
    naming: Make, kit: Any, provider: Starlette, other: Starlette
) -> None:
    """With the caller's own headers, as if there were no providers."""
    gateway = Gateway(naming(), upstream=provider.state.url)
    assert (await ask(gateway, kit, "org/unknown-model")).status == 200
    assert (sent(provider), sent(other)) == ([("/v1/chat/completions", "org/unknown-model")], [])
    got = dict(provider.state.received[0].headers)
    assert got[b"authorization"].decode().endswith(CANARIES["CALLER"])
    assert got[b"openai-organization"] == b"org-canary"


@pytest.mark.parametrize("owner", ["a", "b"])
async def test_each_provider_gets_its_own_key_and_nobody_elses(
    naming: Make, kit: Any, provider: Starlette, other: Starlette, owner: str
) -> None:
    """Nor what of the caller's headers is meant for one account; what names none goes on."""
    gateway = Gateway(naming(upstream_key=CANARIES["UP"]), upstream=provider.state.url)
    assert (await ask(gateway, kit, f"{owner}/m")).status == 200
    [row] = [*provider.state.received, *other.state.received]
    got = dict(row.headers)
    header, value = {"a": (b"api-key", CANARIES["A"]), "b": (b"authorization", f"Bearer {CANARIES['B']}")}[
        owner
    ]
    assert got[header].decode() == value
    canaries = {*CANARIES.values()} - {CANARIES[owner.upper()]}
    assert not any(
        canary in str(row.headers) for canary in (*canaries, "org-canary", "proj-canary", "assistants")
    )
    assert (got[b"idempotency-key"], got[b"content-type"]) == (b"once-1", b"application/json")
    assert (b"authorization" in got, b"api-key" in got) == (owner == "b", owner == "a")


async def test_a_provider_without_a_key_gets_none(
    naming: Make, kit: Any, provider: Starlette, other: Any
) -> None:
    """Not the gateway's, not the caller's."""
    guard = naming(more=f"  c: {{url: '{other.state.url}'}}\n", upstream_key=CANARIES["UP"])
    assert (await ask(Gateway(guard, upstream=provider.state.url), kit, "c/m")).status == 200
    assert not any(canary in str(other.state.received[0].headers) for canary in CANARIES.values())


@pytest.mark.parametrize("path", ["responses", "completions", "embeddings"])
async def test_every_endpoint_that_names_a_model(
    naming: Make, kit: Any, provider: Starlette, other: Starlette, path: str
) -> None:
    """At the provider's own base URL."""
    body = {"model": "b/m", ("prompt" if path == "completions" else "input"): "hi"}
    answer = await kit.request(Gateway(naming(), upstream=provider.state.url), f"/v1/{path}", body)
    assert answer.status == 200
    assert (sent(other), sent(provider)) == ([(f"/v1/{path}", "m")], [])


async def test_residency_is_that_of_the_provider(naming: Make, kit: Any, provider: Any, other: Any) -> None:
    """Refused before anything is sent: the upstream is inside, this provider is not (C19)."""
    places = named.places(DE=provider.state.url, US=other.state.url)
    more = f"egress: {{hosts: {{{places}}}, rules: {{pii.email: {{jurisdictions: [EEA]}}}}}}\n"
    gateway = Gateway(naming(more), upstream=provider.state.url)
    gateway.check("127.0.0.1")
    refused = await ask(gateway, kit, "small", "I am alice@corp.com")
    assert (refused.status, refused.code, other.state.received) == (451, "egress.jurisdiction", [])
    assert (await ask(gateway, kit, "large", "I am alice@corp.com")).status == 200
    assert (await ask(gateway, kit, "small", "nothing")).status == 200


async def test_the_deployment_is_that_of_the_provider(
    naming: Make, kit: Any, provider: Any, other: Any
) -> None:
    """A path cannot claim another deployment than the one that is called."""
    host = other.state.url.split("/")[2]
    kinds = "{safe: Standard, wide: GlobalStandard}"
    more = (
        f"egress: {{hosts: {{'{host}': {{region: swedencentral, deployments: {kinds}}}}},"
        " rules: {pii.email: {jurisdictions: [EEA]}}}\n"
    )
    gateway = Gateway(naming(more), upstream=provider.state.url)
    body = kit.chat("I am alice@corp.com", model="b/wide")
    paths = ["/v1/chat/completions", "/v1/openai/deployments/safe/chat/completions"]
    assert [(await kit.request(gateway, path, body)).status for path in paths] == [451, 451]
    assert other.state.received == []
    assert (await kit.request(gateway, paths[0], {**body, "model": "b/safe"})).status == 200


async def test_an_attached_policy_holds_however_the_model_is_written(
    naming: Make, kit: Any, provider: Starlette, other: Starlette
) -> None:
    """A policy for a model is not got round by its provider's name."""
    guard = naming(
        "attach:\n- {models: [small], policy: strict.yaml}\n- {models: [b/x*], policy: strict.yaml}\n"
    )
    gateway = Gateway(guard, upstream=provider.state.url)
    found = {
        m: (await ask(gateway, kit, m, "I am a@corp.com")).status for m in ("small", "b/small", "b/xl", "b/m")
    }
    assert found == {"small": 403, "b/small": 403, "b/xl": 403, "b/m": 200}


async def test_an_attached_policy_leads_no_provider_elsewhere(
    naming: Make, kit: Any, provider: Starlette, other: Starlette
) -> None:
    """It may add a provider for those whom it is for; the name of another stays what it is."""
    guard = naming("attach:\n- {models: ['b/*', 'c/*'], policy: acme.yaml}\n")
    gateway = Gateway(guard, upstream=provider.state.url)
    for model in ("b/one", "c/two"):
        assert (await ask(gateway, kit, model)).status == 200
    assert [model for _, model in sent(other)] == ["one", "two"]


async def test_the_record_names_host_and_provider(
    naming: Make, kit: Any, provider: Starlette, other: Starlette, spans: Any
) -> None:
    """Where it went, and where that is; no key stands anywhere in it."""
    guard = naming()
    answer = await ask(Gateway(guard, upstream=provider.state.url), kit, "small")
    intent, call = await spans(guard, answer.header("x-guard-trace"))
    host, port = other.state.url.split("/")[2].split(":")
    assert intent["guard.residency.host"] == host
    assert (call["server.address"], call["server.port"], call["gen_ai.request.model"]) == (
        host,
        port,
        "small",
    )
    assert not any(canary in json.dumps([intent, call]) for canary in CANARIES.values())


def test_the_start_is_refused_where_a_provider_cannot_be_used(naming: Make, provider: Starlette) -> None:
    """Its key is not there, or it is outside the jurisdictions."""
    host = provider.state.url.split("/")[2]
    inside = f"egress: {{jurisdictions: [EEA], hosts: {{'{host}': {{processing: [DE], storage: [DE]}}}}}}\n"
    outside = Gateway(naming(inside), upstream=provider.state.url)
    with pytest.raises(
        SetupError, match=r"providers\.b \(provider\) may not be reached: .*egress\.hosts can say"
    ):
        outside.check("127.0.0.1")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KEY_B")
        keyless = Gateway(naming(owner="nobody"), upstream=provider.state.url)
    with pytest.raises(SetupError, match=r"providers\.b\.key: KEY_B is not set") as caught:
        keyless.check("127.0.0.1")
    assert "canary" not in str(caught.value)


async def test_a_reload_brings_providers_or_is_refused(
    naming: Make, kit: Any, provider: Starlette, other: Starlette
) -> None:
    """One without its key leaves the old policy in force."""
    guard = naming(owner="reloading")
    gateway = Gateway(guard, upstream=provider.state.url)
    rewrite(guard, "KEY_B", "KEY_THAT_IS_NOT_SET")
    with pytest.raises(SetupError, match="KEY_THAT_IS_NOT_SET is not set"):
        guard.reload()
    assert (await ask(gateway, kit, "small")).status == 200
    rewrite(guard, "KEY_THAT_IS_NOT_SET", "KEY_B")
    rewrite(guard, "models: [small]", "models: [other]")
    guard.reload()
    assert [(await ask(gateway, kit, m)).status for m in ("small", "other")] == [200, 200]
    assert (sent(provider)[0][1], sent(other)[-1][1]) == ("small", "other")
