"""The operator's side of the gateway: probes, `/metrics`, the access log, and the end of the process."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette

from guard import Gateway, Guard
from guard.errors import SetupError
from guard.mounts.accesslog import AccessLog
from guard.mounts.draining import Draining
from guard.settings import Settings

pytestmark = pytest.mark.anyio

KEYS = {"client_keys": "acme:key-acme", "upstream_key": "sk-upstream"}
STRANGER = ("203.0.113.7", 5)
MAIL = "alice@corp.com"


def bearer(key: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {key}".encode())]


@pytest.fixture
def make(tmp_path: Path, kit: Any, provider: Starlette) -> Iterator[Any]:
    """Gateways with a record of their own."""
    made: list[Guard] = []

    def make(policy: str = "", **settings: Any) -> Gateway:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        (folder / "p.yaml").write_text(kit.quiet + policy)
        settings = {"home": folder / "home", "exports": folder / "exports", **settings}
        made.append(Guard.from_policy(folder / "p.yaml", Settings(**settings)))
        return Gateway(made[-1], upstream=provider.state.url)

    yield make
    for guard in made:
        guard.close()


async def get(kit: Any, gateway: Gateway, path: str, headers: Any = (), **more: Any) -> Any:
    return await kit.request(gateway, path, method=more.pop("method", "GET"), headers=list(headers), **more)


async def test_alive_is_not_ready(make: Any, kit: Any, run_lifespan: Any) -> None:
    """`/healthz` is 200 as soon as there is a process; `/readyz` once the start was done."""
    gateway = make()
    assert (await get(kit, gateway, "/healthz")).status == 200
    assert (await get(kit, gateway, "/readyz")).status == 503
    async with run_lifespan(gateway):
        ready = await get(kit, gateway, "/readyz")
        assert (ready.status, ready.json["status"]) == (200, "ready")
        assert set(ready.json["checks"].values()) == {"ok"}
        assert (await get(kit, gateway, "/healthz", method="POST")).status == 405


async def test_not_ready_while_an_outcome_is_not_written(
    make: Any, kit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call whose outcome cannot be written: no new calls until it is, and alive all the while; then ready again."""
    gateway = make()
    await gateway.start()
    monkeypatch.setattr("guard.readiness.REMEMBERED_S", 0)
    ledger = gateway.guard.ledger
    ledger.commit_sync(b"{}")
    assert (await get(kit, gateway, "/readyz")).status == 200
    broken = ledger._origin.disk._replace(write=_fails)
    ledger._origin, before = ledger._origin._replace(disk=broken), ledger._origin
    assert ledger._file is not None
    ledger._file.abandon()
    ledger._file = None
    ledger.append(b"{}")
    assert await _until(kit, gateway, 503) == {"record": "the last write failed"}
    assert (await get(kit, gateway, "/healthz")).status == 200
    ledger._origin = before
    assert await _until(kit, gateway, 200) == {}


async def _once(happened: Callable[[], Any]) -> None:
    for _ in range(2000):
        if happened():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


def _fails(*_: Any) -> int:
    raise OSError(28, "No space left on device")


async def _until(kit: Any, gateway: Gateway, status: int) -> dict[str, str]:
    """What is not ok once the gateway answers with a status."""
    for _ in range(400):
        answer = await get(kit, gateway, "/readyz")
        if answer.status == status:
            return {name: said for name, said in answer.json["checks"].items() if said != "ok"}
        await asyncio.sleep(0.02)
    raise AssertionError(f"it never answered {status}")


async def test_not_ready_while_a_store_is_out(make: Any, kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A budget's file that is locked by another: `/readyz` says so, and recovers with it."""
    gateway = make("traffic: {budget: {usd_per_day: 1}}\n", store_timeout_s=0.1)
    await gateway.start()
    monkeypatch.setattr("guard.readiness.REMEMBERED_S", 0)
    assert (await get(kit, gateway, "/readyz")).status == 200
    lock = sqlite3.connect(gateway.guard.settings.home / "spend.sqlite3", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    answer = await get(kit, gateway, "/readyz")
    assert (answer.status, [k for k, v in answer.json["checks"].items() if v != "ok"]) == (503, ["budget"])
    assert b"guard_budget_spent" not in (await get(kit, gateway, "/metrics")).body  # unknown is not zero
    lock.rollback()
    lock.close()
    assert await _until(kit, gateway, 200) == {}


@pytest.mark.parametrize(
    ("settings", "headers", "client", "status"),
    [
        ({}, (), None, 200),
        ({}, (), STRANGER, 404),
        ({}, (), False, 404),
        (KEYS, (), None, 404),
        (KEYS, bearer("key-acme"), None, 404),
        ({**KEYS, "metrics_key": "m-key"}, (), None, 404),
        ({**KEYS, "metrics_key": "m-key"}, bearer("key-acme"), None, 404),
        ({**KEYS, "metrics_key": "m-key"}, bearer("m-key2"), None, 404),
        ({**KEYS, "metrics_key": "m-key"}, [(b"authorization", b"Basic m-key")], None, 404),
        ({**KEYS, "metrics_key": "m-key"}, bearer("m-key"), STRANGER, 200),
        ({"metrics_key": "m-key"}, (), None, 404),
    ],
)
async def test_who_sees_metrics(
    make: Any, kit: Any, settings: Any, headers: Any, client: Any, status: int
) -> None:
    """With a key of their own, or keyless from this machine where callers need none; a client's key shows nothing.

    To the others `/readyz` says ready or not, and no reason.
    """
    gateway = make(**settings)
    peer = {} if client is None else {"client": client or None}
    answer = await get(kit, gateway, "/metrics", headers, **peer)
    assert answer.status == status
    assert (b"guard_info" in answer.body) == (status == 200)
    ready = await get(kit, gateway, "/readyz", headers, **peer)
    assert ready.status == 503
    assert ("checks" in ready.json) == (status == 200)


async def test_the_access_log_holds_names_and_numbers(make: Any, kit: Any, tmp_path: Path) -> None:
    """One JSON line a request, refused ones too; no body, no path or query as the client wrote it, no key."""
    file = tmp_path / "access.jsonl"
    gateway = make(access_log=str(file), **KEYS)
    headers = [(b"content-type", b"application/json"), *bearer("key-acme")]
    body = kit.chat(f"hi {MAIL}")
    first = await kit.request(gateway, body=body, headers=headers, query_string=b"api-version=alice")
    await kit.request(gateway, body=body, headers=[headers[0], *bearer("wrong-alice")])
    await kit.request(gateway, "/v1/alice/4111", method="ALICE-4111", headers=headers)
    await get(kit, gateway, "/healthz")
    gateway.operations.close()
    lines = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    assert [line["status"] for line in lines] == [200, 401, 403]
    assert lines[0]["trace"] == first.header("x-guard-trace")
    assert lines[0]["bytes"] == len(first.body)
    told = {key: lines[0][key] for key in ("method", "endpoint", "tenant", "action")}
    assert told == {"method": "POST", "endpoint": "chat", "tenant": "acme", "action": "redact"}
    assert (lines[2]["method"], lines[2]["endpoint"]) == ("_OTHER", "_OTHER")
    assert not {b for b in (b"alice", b"ALICE", b"4111", b"corp", b"key-acme") if b in file.read_bytes()}
    assert file.stat().st_mode & 0o077 == 0


def test_an_access_log_that_cannot_be_opened_stops_the_start(make: Any, tmp_path: Path) -> None:
    """A16: one sentence at the start, and not a log that is missing when it is looked for."""
    with pytest.raises(SetupError, match="GUARD_ACCESS_LOG"):
        make(access_log=str(tmp_path / "no" / "such" / "folder"))


async def test_a_gateway_that_ends_refuses_what_is_new(make: Any, kit: Any) -> None:
    """C48: new requests get 503 with Retry-After, which the SDK tries again; `/readyz` too; `/healthz` is alive."""
    gateway = make()
    await gateway.start()
    gateway.operations.draining = True
    answer = await kit.request(gateway, body=kit.chat("hi"))
    assert (answer.status, answer.code, answer.header("retry-after")) == (503, "guard.draining", "1")
    assert answer.header("connection") == "close"
    assert answer.header("x-should-retry") is None
    assert (await get(kit, gateway, "/readyz")).status == 503
    assert (await get(kit, gateway, "/healthz")).status == 200


@pytest.mark.parametrize(("streamed", "twice"), [(False, False), (True, False), (True, True)])
async def test_what_runs_too_long_is_cut_short(
    make: Any, kit: Any, provider: Starlette, spans: Any, streamed: bool, twice: bool
) -> None:
    """C48: at the limit, or when told twice to stop, an answer that has not begun is 503, a stream ends with an error;
    the record says why.
    """
    gateway = make()
    if streamed:
        provider.state.script.reply = lambda body: "some words more " * 400
        provider.state.script.pause_s = 0.02
    else:
        provider.state.script.fail("chat", "hang")
    connection = kit.Connection([orjson.dumps(kit.chat("hi", stream=streamed))])
    headers = [(b"content-type", b"application/json")]
    running = asyncio.ensure_future(kit.request(gateway, headers=headers, connection=connection))
    await _once(lambda: len(connection.answer.messages) > 2 if streamed else provider.state.received)
    passed: list[int] = []
    draining = Draining(gateway.operations, 60 if twice else 0.05)
    draining._loop = asyncio.get_running_loop()
    draining._before = {15: lambda number, frame: passed.append(number)}
    for _ in range(1 + twice):
        draining._caught(15, None)
    answer = await running
    await draining._task  # type: ignore[misc]
    assert passed == [15]
    assert answer.status == (200 if streamed else 503)
    assert answer.complete
    assert b'"guard.draining"' in answer.body[-200:]
    assert b"[DONE]" not in answer.body
    assert "guard_stopped" in {span.get("error.type") for span in await spans(gateway.guard, "")}


async def test_what_runs_is_waited_for(make: Any, kit: Any, provider: Starlette) -> None:
    """C48: a stream that ends within the limit is whole, and only then the signal goes on to the server."""
    gateway = make()
    provider.state.script.reply = lambda body: "some words more " * 20
    provider.state.script.pause_s = 0.005
    connection = kit.Connection([orjson.dumps(kit.chat("hi", stream=True))])
    headers = [(b"content-type", b"application/json")]
    running = asyncio.ensure_future(kit.request(gateway, headers=headers, connection=connection))
    await _once(lambda: len(connection.answer.messages) > 2)
    over: list[bool] = []
    draining = Draining(gateway.operations, 60)
    draining._before = {15: lambda number, frame: over.append(connection.answer.complete)}
    draining._begin(15)
    answer = await running
    await draining._task  # type: ignore[misc]
    assert over == [True]
    assert kit.told(answer.body) == "some words more " * 20
    assert answer.body.endswith(kit.done)


async def test_the_same_signal_again_does_not_wait(make: Any) -> None:
    """A second SIGTERM cuts short what runs, and a third one does not even wait for that; a SIGINT after a SIGTERM (a
    terminal's, and the parent's) is not the second.
    """
    gateway = make()
    passed: list[int] = []
    draining = Draining(gateway.operations, 60)
    draining._loop = asyncio.get_running_loop()
    draining._before = dict.fromkeys((2, 15), lambda number, frame: passed.append(number))
    running = gateway.operations.begin({}, None)
    running.task = None
    draining._caught(15, None)
    draining._caught(2, None)
    await asyncio.sleep(0.01)
    assert gateway.operations.draining
    assert (running.cut, passed) == (False, [])
    draining._caught(15, None)
    await asyncio.sleep(0.01)
    assert (running.cut, passed) == (True, [])
    draining._caught(15, None)
    assert passed == [15]
    draining._task.cancel()  # type: ignore[union-attr]


def test_an_access_log_that_is_closed_twice_closes_no_other_file(tmp_path: Path) -> None:
    """Its descriptor's number belongs to whoever opened something since."""
    log = AccessLog(str(tmp_path / "access.jsonl"))
    log.close()
    with (tmp_path / "other").open("wb") as other:
        log.close()
        other.write(b"kept")
    assert (tmp_path / "other").read_bytes() == b"kept"
