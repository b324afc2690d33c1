"""Virtual keys: made by one verb, known to running gateways, hashed at rest, ended by another verb."""

from __future__ import annotations

import hmac
import json
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from guard import Gateway
from guard.audit.query import run
from guard.cli.keys import app
from guard.errors import Refused, SetupError
from guard.keyring import key_file
from guard.mounts.clients import MOST, WITHIN_S, Clients
from guard.mounts.gateway import ClientKeys
from guard.outside.stores import clientkeys
from guard.outside.stores.clientkeys import KeyFile, Watched

pytestmark = pytest.mark.anyio

JSON = (b"content-type", b"application/json")
PEPPER = b"p" * 32


def bearer(key: str) -> tuple[bytes, bytes]:
    return (b"authorization", f"Bearer {key}".encode())


@pytest.fixture
def guard(make_guard: Any) -> Any:
    return make_guard(upstream_key="sk-upstream")


@pytest.fixture
def file(guard: Any, tmp_path: Path) -> Any:
    """The installation's file of keys, empty again after the test: guards are shared."""
    held = key_file(guard.settings, guard.keys)
    held.path.unlink(missing_ok=True)
    yield held
    held.path.unlink(missing_ok=True)


@pytest.fixture
def verb(tmp_path: Path) -> Callable[..., Result]:
    environment = {
        "GUARD_HOME": str(tmp_path / "home"),
        "GUARD_EXPORTS": str(tmp_path / "exports"),
        "COLUMNS": "100",
    }
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)), env=environment)


async def test_a_virtual_key_is_served_and_its_id_is_on_record(
    guard: Any, file: KeyFile, provider: Any, kit: Any, spans: Any
) -> None:
    """D16: the tenant is the key's, the provider sees the upstream key alone, the record names the id and no key."""
    made, text = file.create("acme", "caller")
    gateway = Gateway(guard, upstream=provider.state.url)
    gateway.check("0.0.0.0")
    answer = await kit.request(gateway, body=kit.chat("hi"), headers=[JSON, bearer(text)])
    assert answer.status == 200
    assert dict(provider.state.received[-1].headers)[b"authorization"] == b"Bearer sk-upstream"
    found = await spans(guard, answer.header("x-guard-trace"))
    assert {span["guard.tenant"] for span in found} == {"acme"}
    assert made.id in {span.get("guard.client_key") for span in found}
    assert text[16:] not in str(found)
    assert text[16:] not in file.path.read_text() + repr(file.read()) + repr(file)


async def test_every_key_that_is_none_looks_the_same(
    guard: Any, file: KeyFile, provider: Any, kit: Any
) -> None:
    """D20: unknown, wrong, cut, revoked and expired keys: one answer, nothing upstream."""
    good, text = file.create("acme", "caller")
    revoked, gone = file.create("acme", "caller")
    file.revoke(revoked.id)
    _, late = file.create("acme", "caller", time.time() - 1)
    gateway = Gateway(guard, upstream=provider.state.url)
    other = "A" if text[-1] != "A" else "B"
    wrong = [
        "",
        "x",
        gone,
        late,
        text[:-1],
        text[:-1] + other,
        text.replace(good.id, "0" * 12),
        text + "A",
        good.id,
    ]
    answers = [await kit.request(gateway, body=kit.chat("hi"), headers=[JSON, bearer(key)]) for key in wrong]
    for header in (text, f"Basic {text}"):
        headers = [JSON, (b"authorization", header.encode())]
        answers.append(await kit.request(gateway, body=kit.chat("hi"), headers=headers))
    assert {(answer.status, answer.body) for answer in answers} == {(401, answers[0].body)}
    assert answers[0].code == "invalid_api_key"
    assert provider.state.received == []


def test_an_unknown_key_costs_what_a_wrong_one_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """D20: one comparison in constant time, whatever was presented."""
    file = KeyFile(tmp_path / "keys.json", PEPPER)
    _, text = file.create("acme", "caller")
    rows, compared = file.read(), []

    class Watching:
        digest = staticmethod(hmac.digest)

        @staticmethod
        def compare_digest(one: str, other: str) -> bool:
            compared.append((one, other))
            return hmac.compare_digest(one, other)

    monkeypatch.setattr(clientkeys, "hmac", Watching)
    for presented in (text.encode(), b"gk-000000000000-" + b"A" * 43, b"nothing", b"\xff"):
        compared.clear()
        assert (file.match(rows, presented, time.time()) is not None) == (presented == text.encode())
        assert [len(one) == len(other) == 64 for one, other in compared] == [True]


async def test_a_running_gateway_learns_of_revocations(
    guard: Any, file: KeyFile, provider: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key made or ended elsewhere counts at the next look; a file that is gone or broken lets nobody in."""
    monkeypatch.setattr(clientkeys, "LOOK_S", 0.0)
    made, text = file.create("acme", "caller")
    gateway = Gateway(guard, upstream=provider.state.url)

    async def status(key: str) -> int:
        return int((await kit.request(gateway, "/v1/models", method="GET", headers=[bearer(key)])).status)

    assert await status(text) == 200
    file.revoke(made.id)
    assert await status(text) == 401
    _, later = file.create("beta", "caller")
    assert await status(later) == 200
    good = file.path.read_text()
    for bad in (
        "{",
        "[]",
        good.replace('"caller"', '"king"'),
        good.replace('"guard-keys": 1', '"guard-keys": 2'),
    ):
        file.path.write_text(bad)
        assert await status(later) == 401
        with pytest.raises(SetupError):
            Gateway(guard, upstream=provider.state.url)
    file.path.write_text(good)
    assert await status(later) == 200
    file.path.chmod(0o644)
    assert await status(later) == 401
    file.path.unlink()
    assert await status(later) == 401


async def test_a_reader_only_reads(guard: Any, file: KeyFile, provider: Any, kit: Any) -> None:
    """The role of a key: what costs money is refused before anything is read of it."""
    _, text = file.create("acme", "reader")
    gateway = Gateway(guard, upstream=provider.state.url)
    assert (await kit.request(gateway, "/v1/models", method="GET", headers=[bearer(text)])).status == 200
    refused = await kit.request(gateway, body=kit.chat("hi"), headers=[JSON, bearer(text)])
    assert (refused.status, refused.code) == (403, "client_key.role")
    assert not [row for row in provider.state.received if row.method == "POST"]


async def test_both_kinds_of_keys_side_by_side(
    make_guard: Any, file: KeyFile, provider: Any, kit: Any, spans: Any
) -> None:
    """GUARD_CLIENT_KEYS go on as before; without an upstream key neither kind starts."""
    guard = make_guard(upstream_key="sk-upstream", client_keys="beta:key-beta")
    _, text = file.create("acme", "caller")
    gateway = Gateway(guard, upstream=provider.state.url)
    for key, tenant in (("key-beta", "beta"), (text, "acme")):
        answer = await kit.request(gateway, body=kit.chat("hi"), headers=[JSON, bearer(key)])
        assert {span["guard.tenant"] for span in await spans(guard, answer.header("x-guard-trace"))} == {
            tenant
        }
    poor = make_guard()
    assert key_file(poor.settings, poor.keys).path == file.path
    with pytest.raises(SetupError, match="GUARD_UPSTREAM_KEY"):
        Gateway(poor, upstream=provider.state.url).check("127.0.0.1")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_failed_logins_are_limited(tmp_path: Path) -> None:
    """D20: after 20 in a minute an address waits, but for keys that it used well before; another address does not."""
    file, clock, told = KeyFile(tmp_path / "keys.json", PEPPER), Clock(), []
    _, used = file.create("acme", "caller")
    _, fresh = file.create("acme", "caller")
    clients = Clients(None, Watched(file), told.append, clock)

    def login(key: str, address: str = "192.0.2.7") -> tuple[int, float | None]:
        try:
            clients.of({"client": (address, 1), "method": "GET"}, f"Bearer {key}".encode())
        except Refused as refused:
            return refused.status, refused.retry_after_s
        return 200, None

    assert login(used) == (200, None)
    assert [login(f"guess-{n}")[0] for n in range(MOST)] == [401] * MOST
    clock.now += 10
    assert login("guess") == (429, WITHIN_S - 10)
    assert login(fresh) == (429, WITHIN_S - 10)
    assert login(used) == (200, None)
    assert login(fresh, "192.0.2.8") == (200, None)
    assert told == [MOST]
    clock.now += WITHIN_S
    assert login(fresh) == (200, None)
    assert login("guess")[0] == 401
    for n in range(MOST):
        login("guess", f"2001:db8::{n:x}")
    assert login("guess", "2001:db8::ffff")[0] == 429
    assert login("guess", "2001:db8:0:1::1")[0] == 401
    for n in range(5000):
        login("guess", f"10.0.{n // 250}.{n % 250}")
    assert len(clients._logins._failures) <= 4096


def test_a_key_that_was_right_is_remembered_until_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hash is taken once; it ends when it ends, and whatever changes in the file is looked at anew."""
    file, clock, tried, now = KeyFile(tmp_path / "keys.json", PEPPER), Clock(), [], time.time()
    ending, text = file.create("acme", "caller", now + 60)
    _, other = file.create("beta", "caller")
    clients = Clients(ClientKeys("gamma:key"), Watched(file, clock), clock=clock)
    theirs = KeyFile.match

    def watched(self: KeyFile, rows: Any, presented: bytes, at: float) -> Any:
        tried.append(presented)
        return theirs(self, rows, presented, at)

    monkeypatch.setattr(KeyFile, "match", watched)

    def tenant(key: str, method: str = "POST") -> str:
        try:
            return clients.of({"client": None, "method": method}, f"Bearer {key}".encode()).tenant
        except Refused as refused:
            return str(refused.status)

    assert [tenant(key) for key in (text, other, "key") * 3] == ["acme", "beta", "gamma"] * 3
    assert tried == [text.encode(), other.encode(), b"key"]
    assert [tenant("guess"), tenant("guess")] == ["401", "401"]
    assert tried[3:] == [b"guess"] * 2
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert [tenant(text), tenant(other)] == ["401", "beta"]
    monkeypatch.setattr(time, "time", lambda: now)
    assert tenant(text) == "acme"
    file.revoke(ending.id)
    clock.now += clientkeys.LOOK_S
    assert [tenant(text), tenant(other), tenant("key")] == ["401", "beta", "gamma"]


async def test_the_limit_is_an_answer_and_a_record(
    guard: Any, file: KeyFile, provider: Any, kit: Any
) -> None:
    """429 with Retry-After; that an address guesses is on record once, without the address."""
    file.create("acme", "caller")
    gateway = Gateway(guard, upstream=provider.state.url)
    for _ in range(MOST + 1):
        answer = await kit.request(gateway, body=b"{}", headers=[JSON, bearer("guess")])
    assert (answer.status, answer.code) == (429, "too_many_failed_logins")
    assert 0 < int(answer.header("retry-after") or 0) <= WITHIN_S
    guard.ledger.commit_sync(b"{}")
    [[count]] = run(
        guard.settings.exports,
        "SELECT attrs['guard.logins.failed'] FROM spans WHERE name = 'guard.logins.limited'",
    ).rows
    assert count == str(MOST)


def test_two_verbs_at_once_lose_nothing(tmp_path: Path) -> None:
    """Writers wait for each other; the file is 0600 from its first byte."""
    file = KeyFile(tmp_path / "home" / "keys.json", PEPPER)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: file.create(f"t{n}", "caller")[0].id, range(16)))
    assert set(file.read()) == set(made)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_the_verbs(verb: Callable[..., Result], tmp_path: Path) -> None:
    """A key is shown once; what was done is on record; a mistake is one sentence."""
    made = json.loads(verb("create", "--tenant", "acme", "--expires", "90d", "--by", "jo", "--json").output)
    assert made["key"].startswith(f"gk-{made['id']}-")
    assert verb("create", "--tenant", "beta", "--role", "reader").stdout.startswith("gk-")
    listed = verb("list")
    assert [word in listed.output for word in (made["id"], "acme", "active", "reader", "never")] == [True] * 5
    assert made["key"][16:] not in listed.output + (tmp_path / "home" / "client-keys.json").read_text()
    assert verb("revoke", made["id"], "--by", "jo").exit_code == 0
    assert {row["state"] for row in json.loads(verb("list", "--json").output)} == {"active", "revoked"}
    told = "SELECT name, attrs['guard.client_key'], attrs['guard.audit.by'] FROM spans ORDER BY start_ts"
    rows = run(tmp_path / "exports", told).rows
    assert rows[0] == ("guard.client_key.created", made["id"], "jo")
    assert rows[-1] == ("guard.client_key.revoked", made["id"], "jo")
    for wrong in (["revoke", "0" * 12], ["create", "--tenant", "a", "--expires", "2001-01-01"]):
        assert isinstance(verb(*wrong).exception, SetupError)
    assert isinstance(verb("create", "--tenant", "a", "--expires", "soon").exception, SetupError)
    assert verb("create", "--tenant", "not one word").exit_code == 2


def test_a_key_has_a_name(verb: Callable[..., Result]) -> None:
    """Named in the list; another key of the tenant may take the name over, another tenant's may not."""
    made = json.loads(verb("create", "--tenant", "acme", "--name", "partner-a", "--json").output)
    assert made["name"] == "partner-a"
    assert verb("create", "--tenant", "acme", "--name", "partner-a").exit_code == 0
    assert verb("list").output.count("partner-a") == 2
    assert isinstance(verb("create", "--tenant", "beta", "--name", "partner-a").exception, SetupError)
    assert verb("create", "--tenant", "acme", "--name", "not one word").exit_code == 2


def test_a_key_that_cannot_be_recorded_is_none(verb: Callable[..., Result], tmp_path: Path) -> None:
    """Fail closed: nobody gets a key of which there is no record."""
    (tmp_path / "exports").write_text("no folder")
    assert verb("create", "--tenant", "acme").exception is not None
    assert [row["state"] for row in json.loads(verb("list", "--json").output)] == ["revoked"]
