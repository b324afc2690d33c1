"""Calls that stay where their request says they must: what was found, the model's prefix, a deployment's type."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import openai
import pytest
from starlette.applications import Starlette

from guard import Guard, guarded_client
from guard.audit.story import why

ID = "请核对身份证 11010519491231002X"
Connect = Callable[..., Any]


def hosts(**places: str) -> str:
    return ", ".join(f"{host!r}: {{processing: [{p}], storage: [{p}]}}" for host, p in places.items())


@pytest.fixture
def china(other: Starlette) -> Starlette:
    """The other provider, which policies here declare in China."""
    return other


def kept(provider: Starlette, china: Starlette, *more: str) -> str:
    """The provider declared in the US, another one in China, where Chinese identifiers must stay."""
    us, cn = (app.state.url.split("/")[2] for app in (provider, china))
    rules = "rules: {pii.cn.*: {jurisdictions: [CN]}}"
    return f"egress: {{hosts: {{{hosts(**{us: 'US', cn: 'CN'})}}}, {rules}{''.join(more)}}}\n"


def refused(call: Callable[[], Any]) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        call()
    assert (caught.value.status_code, caught.value.code) == (451, "egress.jurisdiction")
    return caught.value


def test_chinese_identifiers_stay_in_china(
    connect: Connect, make_guard: Any, provider: Starlette, china: Starlette, spans: Any
) -> None:
    """One client, two hosts: a request in which one was found goes to China only; the record says why."""
    guard: Guard = make_guard(make_guard.quiet + kept(provider, china))
    abroad, home = connect(guard, provider.state.url), connect(guard, china.state.url)
    assert abroad.chat("hello").choices[0].message.content == "You wrote: hello"
    error = refused(lambda: abroad.chat(ID))
    assert "egress.rules keeps pii.cn.* in CN" in error.message
    assert "11010519491231002X" not in error.message
    home.chat(ID)
    assert (len(provider.state.received), len(china.state.received)) == (1, 1)
    [span] = asyncio.run(spans(guard, error.response.headers["x-guard-trace"], 1))
    assert span["guard.residency.decision"] == "refused"
    assert span["guard.residency.rules"] == {"values": [{"stringValue": "pii.cn.*"}]}
    assert span["guard.residency.within"] == {"values": [{"stringValue": "CN"}]}
    [step] = why(guard.settings.exports, span["trace"]).steps
    assert any("What was found keeps it in CN, by egress.rules: pii.cn.*." in line for line in step.sentences)


@pytest.mark.parametrize("mode", ["mode: observe\n", "input: {rules: {pii.cn.*: allow}}\n"])
def test_what_was_found_decides_whatever_the_other_rules_say(
    connect: Connect, make_guard: Any, provider: Starlette, china: Starlette, mode: str
) -> None:
    """Egress stays enforced where the rest observes; a kind that no other rule acts on is looked for."""
    guard: Guard = make_guard(make_guard.quiet + mode + kept(provider, china))
    refused(lambda: connect(guard, provider.state.url).chat(ID))
    assert provider.state.received == []


def test_observed_rules_of_egress_let_pass(
    connect: Connect, make_guard: Any, provider: Starlette, china: Starlette
) -> None:
    """`egress.mode: observe` is the only key that lets them pass."""
    guard: Guard = make_guard(make_guard.quiet + kept(provider, china, ", mode: observe"))
    connect(guard, provider.state.url).chat(ID)
    assert len(provider.state.received) == 1


def test_the_judge_is_kept_there_too(
    connect: Connect, make_guard: Any, provider: Starlette, china: Starlette
) -> None:
    """The answer is about what was found: a judge abroad is not asked, and what cannot be judged is no answer."""
    guard: Guard = make_guard(
        make_guard.judging + kept(provider, china),
        moderation_url=provider.state.url,
        moderation_key="sk-judge",
    )
    sdk = connect(guard, china.state.url, max_retries=0)
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.chat(ID)
    assert (caught.value.status_code, caught.value.code) == (503, "guard.unavailable.moderation")
    assert provider.state.received == []
    sdk.chat("hello")
    assert len(provider.state.received) == 1


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name leads to this machine."""
    real = socket.getaddrinfo

    def fake(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        return real("127.0.0.1", port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", fake)


def at(provider: Starlette, name: str) -> str:
    return f"http://{name}:{provider.state.url.rpartition(':')[2]}"


def bedrock(provider: Starlette) -> tuple[str, str]:
    """The provider under Bedrock's name in Frankfurt, and the policy that declares it so and asks for the EEA."""
    base = at(provider, "bedrock-runtime.eu-central-1.amazonaws.com")
    declared = hosts(**{base.removesuffix("/v1"): "DE"})
    return base, f"egress: {{jurisdictions: [EEA], hosts: {{{declared}}}}}\n"


@pytest.mark.usefixtures("here")
def test_a_bedrock_profile_that_leads_abroad_is_refused(
    connect: Connect, make_guard: Any, provider: Starlette
) -> None:
    """The host is declared in Germany; `global.` before the model says otherwise."""
    base, inside = bedrock(provider)
    guard: Guard = make_guard(make_guard.quiet + inside)
    sdk = connect(guard, base)
    messages = [{"role": "user", "content": "hi"}]
    for model in ("anthropic.claude-x", "eu.anthropic.claude-x"):
        sdk(lambda c, model=model: c.chat.completions.create(model=model, messages=messages))
    refused(lambda: sdk(lambda c: c.chat.completions.create(model="global.anthropic.x", messages=messages)))
    assert len(provider.state.received) == 2


LLAMAS = "prices: {eu.meta.llama: {input: 1000}, global.meta.llama: {input: 1}, us.meta.llama: {input: 1}}"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "listed", ["[eu.meta.llama, global.meta.llama, us.meta.llama]", "[global.meta.llama]"]
)
def test_no_fallback_leaves_the_place(
    connect: Connect, make_guard: Any, provider: Starlette, listed: str
) -> None:
    """C19: the model in the EU is out and the others run elsewhere: an error, and no call outside."""
    base, inside = bedrock(provider)
    guard: Guard = make_guard(
        make_guard.quiet
        + inside
        + f"traffic: {{fallbacks: {{eu.meta.llama: {listed}}}, budget: {{{LLAMAS}}}}}\n"
    )
    provider.state.script.fail("chat", "503")
    messages = [{"role": "user", "content": "hi"}]
    sdk = connect(guard, base, max_retries=0)
    with pytest.raises(openai.InternalServerError):
        sdk(lambda c: c.chat.completions.create(model="eu.meta.llama", messages=messages))
    assert asked_for(provider) == ["eu.meta.llama"]


@pytest.mark.usefixtures("here")
def test_no_budget_switches_to_a_model_elsewhere(
    connect: Connect, make_guard: Any, provider: Starlette
) -> None:
    """C19: at the limit the cheaper model is asked only where it stays inside; else the call is refused."""
    base, inside = bedrock(provider)
    guard: Guard = make_guard(
        make_guard.quiet
        + inside
        + f"traffic: {{budget: {{usd_per_day: 0.001, then: {{use: global.meta.llama}}, {LLAMAS}}}}}\n"
    )
    messages = [{"role": "user", "content": "hi"}]
    with pytest.raises(openai.RateLimitError):
        connect(guard, base, max_retries=0)(
            lambda c: c.chat.completions.create(model="eu.meta.llama", messages=messages)
        )
    assert provider.state.received == []


def asked_for(provider: Starlette) -> list[str]:
    return [json.loads(received.body)["model"] for received in provider.state.received]


@pytest.mark.usefixtures("here")
def test_an_azure_deployment_goes_where_its_type_says(
    connect: Connect, make_guard: Any, provider: Starlette
) -> None:
    """The host alone is outside every list: the gate lets through the requests that were settled inside, no other."""
    base = at(provider, "acme.openai.azure.com")
    host = base.removesuffix("/v1")
    place = "{region: swedencentral, deployments: {m: DataZoneStandard, world: GlobalStandard}}"
    guard: Guard = make_guard(
        make_guard.quiet + f"egress: {{jurisdictions: [EEA], hosts: {{'{host}': {place}}}}}\n"
    )
    sdk = connect(guard, base)
    assert sdk.chat("hi").choices[0].message.content == "You wrote: hi"
    messages = [{"role": "user", "content": "hi"}]
    for model in ("world", "other"):
        refused(lambda model=model: sdk(lambda c: c.chat.completions.create(model=model, messages=messages)))
    assert len(provider.state.received) == 1
    assert not guard.admit(base).allowed


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("asked", "sent"), [({}, False), ({"store": False}, False), ({"store": True}, True)])
def test_a_resident_host_is_told_to_keep_nothing(
    connect: Connect, make_guard: Any, provider: Starlette, asked: dict[str, Any], sent: bool
) -> None:
    """`store: false` is sent where the caller says nothing; what the caller says stands."""
    base = at(provider, "eu.api.openai.com")
    host = base.removesuffix("/v1")
    guard: Guard = make_guard(
        make_guard.quiet + f"egress: {{jurisdictions: [EEA, CH], hosts: {{{hosts(**{host: 'DE'})}}}}}\n"
    )
    connect(guard, base)(lambda c: c.responses.create(model="m", input="hi", **asked))
    assert json.loads(provider.state.received[0].body)["store"] is sent


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("region", ["us", "global", "ae"])
def test_the_sdks_own_data_residency_is_held_to_the_policy(make_guard: Any, sync: bool, region: str) -> None:
    """`OpenAI(data_residency=…)` chooses a host; the policy says whether it may be reached."""
    guard: Guard = make_guard(make_guard.quiet + "egress: {jurisdictions: [EEA, CH]}\n")
    error = refused(lambda: resident(guard, sync, region))
    assert error.message.endswith("use eu.api.openai.com")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("sync", [True, False])
def test_the_sdks_own_data_residency_is_understood(make_guard: Any, sync: bool) -> None:
    """`data_residency="eu"` is admitted, and gets as far as the address: C24, a name of the table leads outside."""
    guard: Guard = make_guard(make_guard.quiet + "egress: {jurisdictions: [EEA, CH]}\n")
    with pytest.raises(openai.APIStatusError, match="leads to an address that is not public"):
        resident(guard, sync, "eu")


def resident(guard: Guard, sync: bool, region: Any) -> Any:
    messages: Any = [{"role": "user", "content": "hi"}]
    http: Any = guarded_client(guard=guard, sync=sync)  # type: ignore[call-overload]
    if sync:
        with openai.OpenAI(api_key="sk-x", data_residency=region, http_client=http, max_retries=0) as client:
            return client.chat.completions.create(model="m", messages=messages)

    async def ask() -> Any:
        async with openai.AsyncOpenAI(
            api_key="sk-x", data_residency=region, http_client=http, max_retries=0
        ) as client:
            return await client.chat.completions.create(model="m", messages=messages)

    return asyncio.run(ask())
