"""Fallbacks across hosts: two real providers, each with its own key, place, price and health."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import client_kit as clients
import openai
import orjson
import providers_kit as named
import pytest
from starlette.applications import Starlette

from guard import Gateway, Guard
from guard.errors import SetupError
from guard.mounts.gateway import ClientKeys
from guard.mounts.replay import Replay
from guard.outside.upstream import UpstreamError
from guard.policy.providers import Provider
from guard.policy.traffic import Traffic
from guard.traffic.targets import problems

pytestmark = pytest.mark.anyio

CANARIES, ask, sent = named.CANARIES, named.ask, named.sent
Make = named.Make
Connect = Callable[..., Any]
TO_B = (
    "traffic: {fallbacks: {m: [m, small], large: [large, b/small], small: [small, m]},"
    " budget: {prices: {m: {input: 1}}}}\n"
)
JSON, MAIL = (b"content-type", b"application/json"), "alice@corp.com"


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def client(request: pytest.FixtureRequest, provider: Starlette, quiet: Guard) -> Iterator[Connect]:
    with clients.connecting(request.param, quiet, provider.state.url) as make:
        yield make


def gateway(guard: Guard, provider: Starlette) -> Gateway:
    return Gateway(guard, upstream=provider.state.url)


@pytest.mark.parametrize("asked", ["large", "a/large"])
async def test_another_provider_answers_an_outage(
    naming: Make, kit: Any, provider: Starlette, other: Starlette, asked: str
) -> None:
    """C18: the same screened body, the restored answer, and both say who answered."""
    provider.state.script.fail("chat", "503")
    answer = await ask(gateway(naming(TO_B), provider), kit, asked, f"I am {MAIL}", temperature=0.5)
    assert (answer.status, answer.header("x-guard-model"), answer.json["model"]) == (200, "b/small", "small")
    assert answer.json["choices"][0]["message"]["content"] == f"You wrote: I am {MAIL}"
    [first], [second] = provider.state.received, other.state.received
    assert orjson.loads(second.body) == {**orjson.loads(first.body), "model": "small"}
    assert b"alice" not in first.body + second.body


async def test_no_key_or_header_of_one_reaches_the_other(
    naming: Make, kit: Any, provider: Starlette, other: Starlette
) -> None:
    """Along every hop: by name to by name, upstream to by name, by name to upstream; each with its idempotency key."""
    door = gateway(naming(TO_B, upstream_key=CANARIES["UP"]), provider)
    mine = {"large": ("A", "B"), "m": ("UP", "B"), "small": ("B", "UP")}
    for asked, keys in mine.items():
        provider.state.received.clear(), other.state.received.clear()
        (other if asked == "small" else provider).state.script.fail("chat", "503")
        assert (await ask(door, kit, asked)).status == 200
        rows = [*provider.state.received, *other.state.received]
        rows = rows[::-1] if asked == "small" else rows
        for row, key in zip(rows, keys, strict=True):
            foreign = {*CANARIES.values()} - {CANARIES[key]}
            assert CANARIES[key] in str(row.headers)
            assert not any(canary in str(row.headers) for canary in foreign), (asked, key)
            assert ("org-canary" in str(row.headers)) == (key == "UP")
        assert [dict(row.headers)[b"idempotency-key"] for row in rows] == [b"once-1", b"once-1-1"]


def test_a_client_keeps_its_own_base_url_and_its_key(
    client: Connect, naming: Make, provider: Starlette, other: Starlette
) -> None:
    """The SDK's base_url is the primary, also for a model that a provider lists; its key goes nowhere else."""
    sdk = client(naming(TO_B), max_retries=0)
    listed = sdk(
        lambda c: c.chat.completions.create(model="large", messages=[{"role": "user", "content": "hi"}])
    )
    assert (listed.model, sent(other)) == ("large", [])
    assert b"sk-app-canary" in dict(provider.state.received[0].headers)[b"authorization"]
    provider.state.script.fail("chat", "503")
    assert sdk.chat(f"hi {MAIL}").choices[0].message.content == f"You wrote: hi {MAIL}"
    assert sent(other) == [("/v1/chat/completions", "small")]
    assert dict(other.state.received[0].headers)[b"authorization"] == f"Bearer {CANARIES['B']}".encode()
    assert "sk-app-canary" not in str(other.state.received[0].headers)


def test_a_stream_falls_back_before_its_first_byte_and_never_after_it(
    client: Connect, naming: Make, provider: Starlette, other: Starlette
) -> None:
    """C21: across hosts, too."""
    sdk = client(naming(TO_B), max_retries=0)
    provider.state.script.fail("chat", "503")
    assert {chunk.model for chunk in sdk.chat_stream("hi")} == {"small"}
    other.state.received.clear()
    provider.state.script.reply = lambda body: "some words of an answer " * 30
    provider.state.script.fail("chat", "disconnect")
    with pytest.raises(Exception, match=r"\S"):
        sdk.chat_stream("hi")
    assert other.state.received == []


@pytest.mark.parametrize("fault", ["400", "401", "404"])
async def test_only_an_outage_leads_elsewhere(
    naming: Make, kit: Any, provider: Starlette, other: Starlette, fault: str
) -> None:
    """C20: a refusal of the provider is the answer."""
    provider.state.script.fail("chat", fault)
    assert (await ask(gateway(naming(TO_B), provider), kit, "large")).status == int(fault)
    assert other.state.received == []


async def test_no_call_leaves_the_region(
    naming: Make, kit: Any, provider: Starlette, other: Starlette
) -> None:
    """C19: the primary in the EU fails and the only fallback is in the US: an error, and nothing sent there."""
    hosts = named.places(DE=provider.state.url, US=other.state.url)
    more = f"{TO_B}egress: {{hosts: {{{hosts}}}, rules: {{pii.email: {{jurisdictions: [EEA]}}}}}}\n"
    door = gateway(naming(more), provider)
    provider.state.script.fail("chat", "503", forever=True)
    failed = await ask(door, kit, "large", f"I am {MAIL}")
    assert (failed.status, failed.code, other.state.received) == (503, "retries_exhausted", [])
    assert (await ask(door, kit, "large", "nothing of anybody")).status == 200
    assert len(other.state.received) == 1


async def test_nor_under_the_policy_of_a_tenant(
    naming: Make, kit: Any, provider: Starlette, other: Starlette
) -> None:
    """C19: whose calls must stay, whoever else's may go."""
    hosts = named.places(DE=provider.state.url, US=other.state.url)
    more = f"{TO_B}egress: {{hosts: {{{hosts}}}}}\nattach:\n- {{tenants: [acme], policy: eea.yaml}}\n"
    door = gateway(naming(more, client_keys="acme:k1,beta:k2", upstream_key=CANARIES["UP"]), provider)
    door.check("127.0.0.1")
    provider.state.script.fail("chat", "503", forever=True)
    statuses = {}
    for key in (b"k1", b"k2"):
        statuses[key] = (
            await ask(door, kit, "large", headers=[JSON, (b"authorization", b"Bearer " + key)])
        ).status
    assert (statuses, len(other.state.received)) == ({b"k1": 503, b"k2": 200}, 1)


async def test_a_key_that_ended_meanwhile_goes_no_further(
    naming: Make, kit: Any, provider: Starlette, other: Starlette
) -> None:
    """C19: the caller's key is looked at again at each hop."""
    door = gateway(naming(TO_B, client_keys="acme:k1", upstream_key=CANARIES["UP"]), provider)

    def revoke(body: Any) -> str:
        door._clients._listed = ClientKeys("acme:another")
        return "late"

    provider.state.script.reply = revoke
    provider.state.script.fail("chat", "disconnect")
    answer = await ask(door, kit, "large", headers=[JSON, (b"authorization", b"Bearer k1")])
    assert (answer.status, answer.code, other.state.received) == (401, "invalid_api_key", [])


async def test_an_answer_that_only_one_provider_has_is_not_asked_for_elsewhere(
    naming: Make, kit: Any, provider: Starlette, other: Starlette
) -> None:
    """What goes on from a stored response stays with who stored it."""
    door = gateway(naming(TO_B), provider)
    body = {"model": "large", "input": "hi"}
    stored = (await kit.request(door, "/v1/responses", body)).json["id"]
    provider.state.script.fail("responses", "503", "503")
    failed = await kit.request(door, "/v1/responses", {**body, "previous_response_id": stored})
    assert (failed.code, other.state.received) == ("retries_exhausted", [])
    assert (await kit.request(door, "/v1/responses", body)).status == 200
    assert sent(other) == [("/v1/responses", "small")]


@pytest.mark.parametrize("model", ["c/m", "large"])
async def test_mistral_is_spoken_to_in_its_own_words(
    naming: Make, kit: Any, provider: Starlette, other: Starlette, model: str
) -> None:
    """C18: right parameters, as the primary and as a fallback; what its API does not have is an error there."""
    more = f"  c: {{api: mistral, url: '{other.state.url}', models: [m]}}\n"
    fallbacks = "traffic: {fallbacks: {large: [large, c/m]}}\n" if model == "large" else ""
    provider.state.script.fail("chat", "503")
    said = {"max_completion_tokens": 7, "seed": 3, "store": False, "temperature": 0.5}
    answer = await ask(gateway(naming(more + fallbacks), provider), kit, model, **said)
    assert answer.status == 200
    got = orjson.loads(other.state.received[0].body)
    assert {k: v for k, v in got.items() if k != "messages"} == {
        "model": "m",
        "max_tokens": 7,
        "random_seed": 3,
        "temperature": 0.5,
    }
    if fallbacks:
        assert orjson.loads(provider.state.received[0].body)["max_completion_tokens"] == 7


async def test_a_fallback_in_resident_mode_stores_nothing(
    naming: Make, kit: Any, provider: Starlette, other: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenAI's regional hosts are told so, also where the call was meant for a host that needs no telling."""
    heard = []

    async def forward(call: Any, url: Any, headers: Any, cleared: Any, *rest: Any) -> Any:
        heard.append((url.host, orjson.loads(cleared.body).get("store")))
        raise UpstreamError("connect")

    monkeypatch.setattr("guard.dispatch.forward", forward)
    hosts = named.places(DE=provider.state.url, FR=other.state.url)
    guard = naming(
        "  eu: {api: openai, models: [x]}\ntraffic: {fallbacks: {large: [large, x]}}\n"
        f"egress: {{jurisdictions: [EEA, CH], hosts: {{{hosts}}}}}\n"
    )
    assert (await ask(gateway(guard, provider), kit, "large")).code == "retries_exhausted"
    assert heard == [("127.0.0.1", None), ("eu.api.openai.com", False)]


async def test_both_tries_stand_in_one_trace(
    naming: Make, kit: Any, provider: Starlette, other: Starlette, spans: Any
) -> None:
    """Who was asked, where, and who answered; the call is the one of the host that answered."""
    hosts = named.places(DE=provider.state.url, US=other.state.url)
    guard = naming(f"{TO_B}egress: {{hosts: {{{hosts}}}}}\n")
    provider.state.script.fail("chat", "503")
    answer = await ask(gateway(guard, provider), kit, "large")
    intent, call = await spans(guard, answer.header("x-guard-trace"))
    values = [{a["key"]: next(iter(a["value"].values())) for a in e["attributes"]} for e in call["events"]]
    tried = [(v["model"], v["status"], v["jurisdiction"]) for v in values if "number" in v]
    assert tried == [("a/large", "503", "DE"), ("b/small", "200", "US")]
    assert (intent["guard.residency.jurisdiction"], call["guard.residency.jurisdiction"]) == ("DE", "US")
    assert call["server.port"] == other.state.url.split("/")[2].split(":")[1]
    assert (call["gen_ai.request.model"], call["guard.model.asked"]) == ("small", "large")
    assert not any(canary in json.dumps([intent, call]) for canary in CANARIES.values())


async def test_each_destination_has_a_circuit_of_its_own(
    naming: Make, kit: Any, provider: Starlette, other: Starlette
) -> None:
    """The same model at two hosts: where one is open the other is asked at once, and is asked no less."""
    guard = naming("traffic: {fallbacks: {large: [large, b/large]}, budget: {prices: {large: {input: 1}}}}\n")
    provider.state.script.fail("chat", "503", forever=True)
    for _ in range(12):
        assert (await ask(gateway(guard, provider), kit, "large")).status == 200
    assert (len(provider.state.received), len(other.state.received)) == (10, 12)
    assert sorted((model, state) for _, model, state in guard.dispatch.sender.circuits()) == [
        ("large", 0),
        ("large", 2),
    ]


async def test_the_budget_counts_who_answered_at_its_own_price(
    naming: Make, kit: Any, provider: Starlette, other: Starlette
) -> None:
    """C44: the dearest is reserved for, whoever has it; `provider/model` has a price of its own."""
    prices = (
        "{a/large: {input: 1000, output: 1000}, small: {input: 7, output: 7}, b/small: {input: 1, output: 1}}"
    )
    guard = naming(
        "traffic: {fallbacks: {large: [a/large, small]}, budget: {usd_per_month: 0.3, prices: "
        + prices
        + "}}\n"
    )
    door = gateway(guard, provider)
    assert (await ask(door, kit, "large", max_tokens=500)).code == "insufficient_quota"
    provider.state.script.fail("chat", "503")
    answer = await ask(door, kit, "a/large", max_tokens=50)
    assert answer.json["model"] == "small"
    [account] = guard.dispatch.budget._accounts("default")
    used = answer.json["usage"]["total_tokens"]
    assert guard.dispatch.budget._store.spent(account).result(10) == pytest.approx(used, abs=1)


async def test_a_day_that_is_used_up_goes_on_at_the_cheaper_provider(
    naming: Make, kit: Any, provider: Starlette, other: Starlette
) -> None:
    """`then: {use: …}` may name one, under its own key."""
    guard = naming(
        "traffic: {budget: {usd_per_day: 0.001, then: {use: b/small},"
        " prices: {large: {input: 1000, output: 1000}, small: {input: 1, output: 1}}}}\n"
    )
    answer = await ask(gateway(guard, provider), kit, "large")
    assert (answer.status, answer.header("x-guard-model")) == (200, "b/small")
    assert (provider.state.received, sent(other)) == ([], [("/v1/chat/completions", "small")])
    assert dict(other.state.received[0].headers)[b"authorization"] == f"Bearer {CANARIES['B']}".encode()


async def test_a_letter_goes_to_its_provider_again(
    naming: Make, kit: Any, provider: Starlette, other: Starlette
) -> None:
    """A replay is a call of today: routed by its model, with the key of that provider and no other."""
    more = "traffic: {dead_letters: true, fallbacks: {small: [small, large]}}\n"
    guard = naming(more, upstream_key=CANARIES["UP"])
    for app in (provider, other):
        app.state.script.fail("chat", "503")
    failed = await ask(gateway(guard, provider), kit, "b/small", f"I am {MAIL}")
    letters, got = guard.dispatch.letters, []
    [row] = letters.store.find(failed.header("x-guard-letter")).result(10)
    provider.state.received.clear(), other.state.received.clear()
    replay = Replay(guard, letters, provider.state.url, lambda row, answer: got.append(answer), force=True)
    assert ((await replay.send(row)).state, len(got)) == ("answered", 1)
    assert (sent(other), provider.state.received) == ([("/v1/chat/completions", "small")], [])
    headers = str(other.state.received[0].headers)
    assert [key for key, canary in CANARIES.items() if canary in headers] == ["B"]


def test_both_fail(client: Connect, naming: Make, provider: Starlette, other: Starlette) -> None:
    """C22: one clear error, each tried once."""
    for app in (provider, other):
        app.state.script.fail("chat", "503")
    with pytest.raises(openai.APIStatusError) as caught:
        client(naming(TO_B), max_retries=5).chat("hi")
    assert (caught.value.status_code, caught.value.code) == (503, "retries_exhausted")
    assert (len(provider.state.received), len(other.state.received)) == (1, 1)


@pytest.mark.parametrize(
    ("fallbacks", "problem"),
    [
        ({"x": ("b/small",)}, ""),
        ({"x": ("b/gpt-4o-mini",)}, ""),
        (
            {"x": ("b/nobody-knows",)},
            "traffic.fallbacks.x: b/nobody-knows is not known: write it with its price",
        ),
        ({"x": ("z/small",)}, "traffic.fallbacks.x: z/small is not known"),
        ({"x": ("b/text-davinci-003",)}, "traffic.fallbacks.x: b/text-davinci-003 is not known"),
        (
            {"small": ("b/small",), "b/small": ("small",)},
            "traffic.fallbacks.b/small: means the same model as small: write one list",
        ),
    ],
)
def test_a_target_that_nobody_knows_is_refused(fallbacks: Any, problem: str) -> None:
    """By its provider's list, by an own price, or by the list of prices."""
    from datetime import date

    rows = {"b": Provider(url="https://llm.example.org/v1", models=("small",))}
    found = [*problems(Traffic.model_validate({"fallbacks": fallbacks}), date(2026, 1, 1), rows)]
    assert [text.startswith(problem) for text in found] == ([True] if problem else [])


def test_and_stops_the_start(naming: Make) -> None:
    """As at `guard policy check`."""
    with pytest.raises(SetupError, match=r"traffic\.fallbacks\.m: b/nobody-knows is not known"):
        naming("traffic: {fallbacks: {m: [b/nobody-knows]}}\n")
