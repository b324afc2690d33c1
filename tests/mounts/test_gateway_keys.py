"""Who may call the gateway, with which key, and what it asks for before it starts."""

from __future__ import annotations

import hmac
from typing import Any

import pytest

from guard import Gateway, Guard
from guard.errors import SetupError
from guard.mounts import gateway as module
from guard.mounts.gateway import ClientKeys

pytestmark = pytest.mark.anyio

JSON = (b"content-type", b"application/json")
KEYS = {"client_keys": "acme:key-acme, beta:key-beta", "upstream_key": "sk-upstream"}


def bearer(key: str) -> tuple[bytes, bytes]:
    return (b"authorization", f"Bearer {key}".encode())


@pytest.fixture
def keyed(make_guard: Any, provider: Any) -> Gateway:
    return Gateway(make_guard(**KEYS), upstream=provider.state.url)


async def test_a_known_key_is_served_and_never_forwarded(
    keyed: Gateway, provider: Any, kit: Any, spans: Any
) -> None:
    """D16: the provider sees the upstream key alone; the tenant of the client key is on record."""
    extra = [(b"api-key", b"key-acme"), (b"x-api-key", b"key-acme")]
    answer = await kit.request(keyed, body=kit.chat("hi"), headers=[JSON, bearer("key-acme"), *extra])
    assert answer.status == 200
    (row,) = provider.state.received
    assert dict(row.headers)[b"authorization"] == b"Bearer sk-upstream"
    assert b"key-acme" not in b"".join(k + v for k, v in row.headers)
    found = await spans(keyed.guard, answer.header("x-guard-trace"))
    assert {span["guard.tenant"] for span in found} == {"acme"}
    assert "key-acme" not in str(found)


@pytest.mark.parametrize(
    "header",
    [
        None,
        bearer(""),
        bearer("key-gamma"),
        bearer("key-acm"),
        bearer("key-acme2"),
        bearer("KEY-ACME"),
        bearer("acme:key-acme"),
        bearer("sk-upstream"),
        (b"authorization", b"key-acme"),
        (b"authorization", b"Basic key-acme"),
        (b"authorization", "Bearer key-acm\u00e9".encode("latin-1")),
        (b"api-key", b"key-acme"),
    ],
)
async def test_every_other_key_is_401(keyed: Gateway, provider: Any, kit: Any, header: Any) -> None:
    """D16 D21: no key, a wrong key, a key in another place: one and the same 401, nothing upstream."""
    answer = await kit.request(keyed, body=kit.chat("hi"), headers=[JSON, *([header] if header else [])])
    assert (answer.status, answer.code) == (401, "invalid_api_key")
    assert answer.json["error"]["message"] == "the gateway does not know this key"
    assert (answer.header("x-guard-action"), len(answer.header("x-guard-trace") or "")) == ("block", 32)
    assert answer.header("x-should-retry") == "false"
    assert provider.state.received == []


@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/files", "/docs", "/health"])
async def test_without_a_key_no_path_answers(keyed: Gateway, kit: Any, path: str) -> None:
    """D16: also what is unknown is 401 without a key."""
    assert (await kit.request(keyed, path, method="GET", headers=[])).status == 401


async def test_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """D16: digests are compared by `hmac.compare_digest`, all of them, whichever matches."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    class Watched:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(module, "hmac", Watched)
    keys = ClientKeys("a:key-a,b:key-b,c:key-c")
    for key, tenant in ((b"key-a", "a"), (b"key-c", "c"), (b"nobody", None)):
        compared.clear()
        assert keys.tenant(b"Bearer " + key) == tenant
        assert len(compared) == 3
        assert all(len(one) == len(other) == 32 for one, other in compared)
    assert "key-a" not in repr(vars(keys))


@pytest.mark.parametrize("spec", ["acme", "acme:", ":key", "acme:key,beta"])
def test_a_list_of_keys_that_cannot_be_read(spec: str) -> None:
    """D16: a mistyped list of keys stops the start and quotes none of them."""
    with pytest.raises(SetupError, match="tenant:key") as raised:
        ClientKeys(spec)
    assert "acme" not in str(raised.value)


def test_an_open_door_is_refused(make_guard: Any, quiet: Guard, provider: Any) -> None:
    """D16: bound elsewhere than loopback the gateway needs client keys, and with them an upstream key."""
    for host in ("0.0.0.0", "::", "10.0.0.7", "gateway.corp.org", ""):
        with pytest.raises(SetupError, match="GUARD_CLIENT_KEYS"):
            Gateway(quiet, upstream=provider.state.url).check(host)
    only_clients = make_guard(client_keys="acme:key-acme")
    for host in ("0.0.0.0", "127.0.0.1"):
        with pytest.raises(SetupError, match="GUARD_UPSTREAM_KEY"):
            Gateway(only_clients, upstream=provider.state.url).check(host)
    Gateway(quiet, upstream=provider.state.url).check("127.0.0.1")
    Gateway(make_guard(**KEYS), upstream=provider.state.url).check("0.0.0.0")


def test_an_upstream_outside_the_jurisdictions_is_refused_at_start(make_guard: Any, provider: Any) -> None:
    """D16: with `eu` an upstream that is not placed there stops the start; without one it is the EU's own host."""
    guard = make_guard(make_guard.quiet.replace("[default]", "[eu]"))
    with pytest.raises(SetupError, match="may not be reached"):
        Gateway(guard, upstream=provider.state.url).check("127.0.0.1")
    assert Gateway(guard).upstream == "https://eu.api.openai.com/v1"


async def test_the_owner_s_key_serves_loopback_clients(make_guard: Any, provider: Any, kit: Any) -> None:
    """D16: without client keys the upstream key is used for everyone on this machine, whatever they send."""
    for setting in ("upstream_key", "OPENAI_API_KEY"):
        gateway = Gateway(make_guard(**{setting: "sk-owner"}), upstream=provider.state.url)
        await kit.request(gateway, body=kit.chat("hi"), headers=[JSON, bearer("whatever")])
        sent = dict(provider.state.received[-1].headers)
        assert sent[b"authorization"] == b"Bearer sk-owner"


async def test_the_judge_is_asked_with_the_upstream_key(make_guard: Any, provider: Any, kit: Any) -> None:
    """D16: moderation goes to the upstream with the gateway's key, the client's key never does."""
    gateway = Gateway(make_guard(make_guard.judging, **KEYS), upstream=provider.state.url)
    await kit.request(gateway, body=kit.chat("hi"), headers=[JSON, bearer("key-beta")])
    asked = [row for row in provider.state.received if row.path.endswith("/moderations")]
    assert [dict(row.headers)[b"authorization"] for row in asked] == [b"Bearer sk-upstream"]


async def test_the_gateway_starts_and_stops(run_lifespan: Any, quiet: Guard, provider: Any) -> None:
    """A16: the lifespan of the gateway completes."""
    async with run_lifespan(Gateway(quiet, upstream=provider.state.url)) as answer:
        assert answer["type"] == "lifespan.startup.complete"


async def test_a_missing_judge_fails_the_start(run_lifespan: Any, make_guard: Any, provider: Any) -> None:
    """A16: with moderation rules and an upstream that has no moderation endpoint the start fails in a sentence."""
    provider.state.script.fail("moderations", "404", forever=True)
    gateway = Gateway(make_guard(make_guard.judging, **KEYS), upstream=provider.state.url)
    async with run_lifespan(gateway) as answer:
        assert answer["type"] == "lifespan.startup.failed"
    assert "GUARD_MODERATION_URL" in answer["message"]
    assert "\n" not in answer["message"]
    assert "sk-upstream" not in answer["message"]
