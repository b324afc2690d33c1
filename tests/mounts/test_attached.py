"""Attached policies, end to end: whose call it is, where and for which model decides; a header only tightens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import client_kit as clients
import openai
import pytest
from starlette.applications import Starlette

from guard import Gateway, Guard, GuardMiddleware
from guard.errors import Refused
from guard.guard import current_exchange, identity
from guard.keyring import key_file
from guard.mounts.sdk import guarded_client
from guard.types import Identity

Connect = Callable[..., Any]
MAIL = "write to jo.weber@kontor-nord.org"


@pytest.fixture(scope="module")
def house(make_guard: Any, tmp_path_factory: pytest.TempPathFactory) -> Guard:
    """A quiet policy that replaces addresses, and four that are attached: blocking, masking, and one in the EEA."""
    folder = tmp_path_factory.mktemp("attached")
    for name, text in {
        "blocks": "input: {rules: {pii.email: block}}",
        "masks": "input: {rules: {pii.email: {action: redact, as: mask}}}",
        "union": "egress: {jurisdictions: [EEA]}",
    }.items():
        (folder / f"{name}.yaml").write_text(
            make_guard.quiet.replace("policy: quiet", f"policy: {name}") + text
        )
    rows = [
        f"- {{tenants: [acme], policy: {folder}/blocks.yaml}}",
        f"- {{tenants: [union-*], policy: {folder}/union.yaml}}",
        f"- {{tenants: [beta], models: [fine-*], policy: {folder}/masks.yaml}}",
        f"- {{tenants: [beta], paths: ['/v1/embeddings', '/ask'], policy: {folder}/blocks.yaml}}",
        f"- {{tenants: [beta], header: tight, policy: {folder}/blocks.yaml}}",
    ]
    guard: Guard = make_guard(
        make_guard.quiet
        + "traffic: {fallbacks: {m-backed: [fine-2]}, budget: {prices: {fine-2: {input: 1}}}}\n"
        + "routes: {'POST /ask': {input: [$.q]}}\nattach:\n"
        + "\n".join(rows)
        + "\n",
        client_keys="acme:key-acme, beta:key-beta, union-1:key-union",
        upstream_key="sk-up",
    )
    return guard


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest, provider: Starlette, house: Guard) -> Iterator[Connect]:
    with clients.connecting(request.param, house, provider.state.url) as make:
        yield make


def sent(provider: Starlette) -> str:
    return b"".join(row.body for row in provider.state.received).decode()


def test_the_tenant_decides(connect: Connect, provider: Starlette) -> None:
    """D16: one running guard holds acme to a stricter policy than gamma, and union-1 inside the EEA."""
    sdk = connect()
    with identity("gamma"):
        sdk.chat(MAIL)
    assert "<EMAIL_1>" in sent(provider)
    with identity("acme"), pytest.raises(openai.PermissionDeniedError) as refused:
        sdk.chat(MAIL)
    assert refused.value.code == "pii.email"
    with identity("union-1"), pytest.raises(openai.APIStatusError) as outside:
        sdk.chat("hi")
    assert outside.value.status_code == 451
    assert len(provider.state.received) == 1


def test_nobody_known_meets_the_strictest(connect: Connect, provider: Starlette) -> None:
    """Who says nothing of itself has no less to fear than anybody: what is attached to any tenant holds."""
    with pytest.raises(openai.APIStatusError) as refused:
        connect().chat("hi")
    assert refused.value.status_code == 451
    assert provider.state.received == []


@pytest.mark.parametrize(
    ("model", "word"), [("m", "<EMAIL_1>"), ("fine-1", "****"), ("FINE-1", "****"), ("m-backed", "****")]
)
def test_the_model_decides(connect: Connect, provider: Starlette, model: str, word: str) -> None:
    """C18: what is attached to a model holds where that model is only the fallback, too, and whatever its case."""
    sdk = connect()
    with identity("beta"):
        sdk(lambda c: c.chat.completions.create(model=model, messages=[{"role": "user", "content": MAIL}]))
    assert word in sent(provider)


def test_the_path_decides(connect: Connect, provider: Starlette) -> None:
    """The same tenant and text: embeddings are refused, a chat is not."""
    sdk = connect()
    with identity("beta"), pytest.raises(openai.PermissionDeniedError):
        sdk(lambda c: c.embeddings.create(model="m", input=[MAIL]))
    with identity("beta"):
        sdk.chat(MAIL)
    assert "<EMAIL_1>" in sent(provider)


def test_a_header_tightens_and_goes_no_further(connect: Connect, provider: Starlette) -> None:
    """`x-guard-policy` asks for a listed policy; a name that is not listed is a clear 400, and nothing is sent."""
    sdk = connect()
    with identity("beta"), pytest.raises(openai.PermissionDeniedError):
        sdk.chat(MAIL, extra_headers={"X-Guard-Policy": "tight"})
    with identity("beta"), pytest.raises(openai.BadRequestError) as unknown:
        sdk.chat("hi", extra_headers={"x-guard-policy": "tight, quiet"})
    assert (unknown.value.code, "write tight" in str(unknown.value)) == ("unknown_policy", True)
    assert provider.state.received == []
    with identity("acme"), pytest.raises(openai.PermissionDeniedError):  # it does not loosen
        sdk.chat(MAIL, extra_headers={"x-guard-policy": "tight"})
    with identity("beta"):
        sdk.chat("hi")
    assert b"x-guard-policy" not in dict(provider.state.received[-1].headers)


def test_where_nothing_is_attached_the_header_is_refused(
    provider: Starlette, quiet: Guard, connect: Connect
) -> None:
    """A client that asks for more than there is must not believe that it got it."""
    with pytest.raises(openai.BadRequestError) as unknown:
        connect(quiet).chat("hi", extra_headers={"x-guard-policy": "tight"})
    assert unknown.value.code == "unknown_policy"
    assert provider.state.received == []


@pytest.mark.anyio
async def test_the_gateway_holds_each_key_to_its_policy(
    house: Guard, provider: Any, kit: Any, spans: Any
) -> None:
    """C47: the record names the policy that decided, by name and digest, on every span of the exchange."""
    gateway = Gateway(house, upstream=provider.state.url)
    rows = {}
    for key, status in (("acme", 403), ("beta", 200), ("union", 451)):
        headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer key-{key}".encode())]
        answer = await kit.request(gateway, body=kit.chat(MAIL, stream=key == "beta"), headers=headers)
        assert answer.status == status
        rows[key] = await spans(house, answer.header("x-guard-trace"), 2 if status == 200 else 1)
    names = {key: {row["guard.policy.name"] for row in found} for key, found in rows.items()}
    assert names == {"acme": {"quiet+blocks"}, "beta": {"quiet"}, "union": {"quiet+union"}}
    digests = {row["guard.policy.sha256"] for found in rows.values() for row in found}
    assert len(digests) == 3
    assert digests <= {guard.policy.sha256 for guard in house.members}


@pytest.mark.anyio
async def test_a_virtual_key_decides(
    make_guard: Any, tmp_path: Path, provider: Any, kit: Any, spans: Any
) -> None:
    """Two keys of one tenant: the one that is named is held to more; listed keys are none of them, nobody is any."""
    (tmp_path / "blocks.yaml").write_text(make_guard.quiet + "input: {rules: {pii.email: block}}")
    attached = f"attach: [{{keys: [partner-*], policy: {tmp_path}/blocks.yaml}}]\n"
    settings = {"virtual_keys": tmp_path / "keys.json", "upstream_key": "sk-up"}
    guard = make_guard(make_guard.quiet + attached, client_keys="acme:key-acme", **settings)
    file = key_file(guard.settings, guard.keys)
    _, partner = file.create("acme", "caller", name="partner-a")
    _, inner = file.create("acme", "caller")
    gateway = Gateway(guard, upstream=provider.state.url)

    async def call(key: str, **more: Any) -> Any:
        headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {key}".encode())]
        return await kit.request(gateway, body=kit.chat(MAIL), headers=headers)

    answers = [await call(key) for key in (partner, inner, "key-acme")]
    assert [answer.status for answer in answers] == [403, 200, 200]
    [refused] = await spans(guard, answers[0].header("x-guard-trace"), 1)
    assert (refused["guard.client_key.name"], refused["guard.policy.name"]) == ("partner-a", "quiet+quiet")
    with guard.exchange(tenant="acme") as exchange, pytest.raises(Refused):
        exchange.redact(MAIL)


@pytest.mark.anyio
async def test_what_holds_at_the_edge_holds_inside(house: Guard, provider: Any, kit: Any) -> None:
    """An app's route that a policy is attached to binds its model calls; what is attached to models waits for them."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        exchange = current_exchange.get()
        assert exchange is not None
        seen.append(exchange.paths)
        async with openai.AsyncOpenAI(
            api_key="sk-app",
            base_url=provider.state.url,
            http_client=guarded_client(guard=house, base_url=provider.state.url),
            max_retries=0,
        ) as client:
            try:
                await client.chat.completions.create(
                    model="fine-1", messages=[{"role": "user", "content": MAIL}]
                )
            except openai.PermissionDeniedError as refused:
                seen.append(refused.code)
        await kit.Echo()(scope, receive, send)

    mounted = GuardMiddleware(app, guard=house, identify=lambda scope: Identity("beta"), inner=True)
    answer = await kit.request(mounted, "/ask", body={"q": "hello"})
    assert answer.status == 200
    assert seen == [("/ask",), "pii.email"]
    await house.disconnect()


def test_texts_without_a_request_are_held_to_their_tenant(house: Guard) -> None:
    """`exchange(tenant=…)` and `redact` meet what is attached; a text of nobody meets all of it."""
    with house.exchange(tenant="gamma") as exchange:
        assert "<EMAIL_1>" in exchange.redact(MAIL)
    with house.exchange(tenant="acme") as exchange, pytest.raises(Refused):
        exchange.redact(MAIL)
    with pytest.raises(Refused):
        house.redact(MAIL)


def test_one_detector_serves_policies_that_look_for_the_same(house: Guard) -> None:
    """Attached policies that find the same share the workers; each has its own egress, under its own places."""
    assert len({id(guard.detector) for guard in house.members}) == 1
    places = {guard.policy.policy: guard.policy.egress.jurisdictions for guard in house.members}
    assert places["quiet"] is None
    assert places["quiet+union"] == ("EEA",)


def test_cases_meet_what_is_attached(make_guard: Any, tmp_path: Path) -> None:
    """`guard policy test` holds a case to the policy of its tenant, endpoint and model."""
    from guard.cli.casereport import run
    from guard.policy.load import load

    (tmp_path / "blocks.yaml").write_text(make_guard.quiet + "input: {rules: {pii.email: block}}")
    file = tmp_path / "p.yaml"
    file.write_text(
        make_guard.quiet
        + "attach:\n- {tenants: [acme], policy: ./blocks.yaml}\n- {models: [fine-*], policy: ./blocks.yaml}\ntests:\n"
        + f"- {{tenant: beta, model: m, input: {MAIL}, expect: {{action: redact}}}}\n"
        + f"- {{tenant: beta, model: fine-1, input: {MAIL}, expect: {{action: block}}}}\n"
        + f"- {{tenant: acme, model: m, input: {MAIL}, expect: {{action: block}}}}\n"
    )
    loaded = load(file)
    assert [outcome.problems for outcome in run(loaded.policy, loaded.cases)] == [(), (), ()]
    file.write_text(
        make_guard.quiet
        + "attach: [{keys: [partner-a], policy: ./blocks.yaml}]\ntests:\n"
        + f"- {{key: partner-a, input: {MAIL}, expect: {{action: block}}}}\n"
        + f"- {{key: inner, input: {MAIL}, expect: {{action: redact}}}}\n"
        + f"- {{input: {MAIL}, expect: {{action: block}}}}\n"
    )
    loaded = load(file)
    assert [outcome.problems for outcome in run(loaded.policy, loaded.cases)] == [(), (), ()]
