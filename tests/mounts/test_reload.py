"""Hot reload: one version a request, the old one where the new is bad, each change on record before it holds."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from starlette.applications import Starlette

from guard import Gateway, Guard, GuardMiddleware
from guard.errors import PolicyError, Refused, SetupError
from guard.guard import Exchange
from guard.mounts.sdk import guarded_client
from guard.reload import Watch
from guard.settings import Settings
from guard.types import Identity

MAIL = "write to jo.weber@kontor-nord.org"
FORMS = {"token": "<EMAIL_1>", "mask": "****"}


class House:
    """A guard whose policy file a test rewrites: as: token, as: mask, or something else."""

    def __init__(self, folder: Path, text: str) -> None:
        self.text, self.file = text, folder / "house.yaml"
        self.write("token")
        self.guard = Guard.from_policy(self.file, Settings(home=folder / "home", exports=folder / "exports"))

    def write(self, form: str, more: str = "") -> None:
        """Write the file as an editor does: whole, then in the place of the old one."""
        rule = f"input: {{rules: {{pii.email: {{action: redact, as: {form}}}}}}}\n"
        draft = self.file.with_suffix(".new")
        draft.write_text(self.text.replace("policy: quiet", "policy: house") + rule + more)
        draft.replace(self.file)


@pytest.fixture
def house(tmp_path: Path, make_guard: Any) -> Iterator[House]:
    made = House(tmp_path, make_guard.quiet)
    yield made
    made.guard.close()


def until(true: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.anyio
async def test_every_request_sees_one_version(
    house: House, provider: Starlette, kit: Any, spans: Any
) -> None:
    """C47: while the policy changes under load no request fails, and each is sent, restored and recorded by one."""
    gateway = Gateway(house.guard, upstream=provider.state.url)
    digests = {house.guard.policy.sha256: "token"}
    ended = asyncio.Event()
    answers: list[Any] = []

    async def client(number: int) -> None:
        while not ended.is_set():
            answers.append(await kit.request(gateway, body=kit.chat(MAIL, user=f"u{number}")))

    async def officer() -> None:
        for form in ("mask", "token", "mask", "token", "mask"):
            house.write(form)
            policy = await asyncio.to_thread(house.guard.reload)
            digests[policy.sha256] = form
            await asyncio.sleep(0.1)
        ended.set()

    await asyncio.gather(officer(), *(client(n) for n in range(8)))
    assert {answer.status for answer in answers} == {200}
    rows = await spans(house.guard, "", 2 * len(answers))
    calls = [row for row in rows if row["name"] == "guard.screen"]
    traces: dict[str, set[str]] = {}
    for row in rows:
        traces.setdefault(row["trace"], set()).add(row.get("guard.policy.sha256", ""))
    forms = {
        a.header("x-guard-trace"): digests[d] for a in answers for d in traces[a.header("x-guard-trace")]
    }
    assert all(len(traces[answer.header("x-guard-trace")]) == 1 for answer in answers)
    assert set(forms.values()) == {"token", "mask"}
    assert len(calls) == len(answers)
    sent = Counter("token" if b"EMAIL_1" in row.body else "mask" for row in provider.state.received)
    assert sent == Counter(forms[answer.header("x-guard-trace")] for answer in answers)
    loaded = [row for row in rows if row["name"] == "guard.policy.loaded"]
    assert [digests[row["guard.policy.sha256"]] for row in loaded] == ["token", "mask"] * 3
    assert [row.get("guard.policy.before", "") for row in loaded[1:]] == [
        row["guard.policy.sha256"] for row in loaded[:-1]
    ]
    await house.guard.disconnect()


@pytest.mark.anyio
async def test_a_bad_file_keeps_the_old_version(
    house: House, provider: Any, kit: Any, spans: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """C47: what does not load changes nothing, and the log, the guard and the trace say so; the next good one holds."""
    gateway = Gateway(house.guard, upstream=provider.state.url)
    before = house.guard.current
    house.write("token", "modus: observe\n")
    for _ in range(2):
        with pytest.raises(PolicyError):
            house.guard.reload()
    assert house.guard.current is before
    assert "house.yaml:9:modus: is an unknown key" in house.guard.refused_reload
    assert caplog.text.count("the old one stays") == 1
    assert (await kit.request(gateway, body=kit.chat(MAIL))).status == 200
    refused = [r for r in await spans(house.guard, "", 5) if r["name"] == "guard.policy.refused"]
    assert [(r["guard.policy.sha256"], r["error.type"]) for r in refused] == [
        (before.policy.sha256, "PolicyError")
    ]
    healthy = await kit.request(gateway, "/healthz", method="GET")
    assert (healthy.status, "was not loaded" in healthy.json["policy"]) == (200, True)
    assert "modus" in healthy.json["problem"]
    assert b"guard_policy_stale 1" in house.guard.metering.prometheus()
    house.write("mask")
    assert house.guard.reload().sha256 == house.guard.current.policy.sha256 != before.policy.sha256
    assert house.guard.refused_reload == ""
    assert (await kit.request(gateway, "/healthz", method="GET")).json == {"status": "ok"}
    assert house.guard.current.policy.sha256.encode() in house.guard.metering.prometheus()
    await house.guard.disconnect()


def test_what_is_not_on_record_does_not_hold(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 5: the change is durable before the first request meets it."""
    with house.guard.exchange() as exchange:
        exchange.redact("hi")
    seen: list[str] = []
    commit = house.guard.ledger.commit_sync

    def committing(line: bytes) -> None:
        seen.append(house.guard.current.policy.sha256)
        commit(line)

    monkeypatch.setattr(house.guard.ledger, "commit_sync", committing)
    before = house.guard.policy.sha256
    house.write("mask")
    assert house.guard.reload().sha256 != before
    assert seen == [before]


def test_everything_of_a_policy_is_swapped(house: House) -> None:
    """Rules, lists, attached policies, places and messages hold from the next request on, without a restart."""
    guard = house.guard
    assert guard.redact("Project Blue Heron") == "Project Blue Heron"
    keys = "input: {rules: {secret.*: block}}\n"
    house.file.with_name("keys.yaml").write_text(house.text + keys)
    house.write(
        "token",
        "messages: {input: Ask the desk.}\n"
        "egress: {jurisdictions: [EEA, CH]}\n"
        "attach: [{tenants: [acme], policy: ./keys.yaml}]\n"
        "recognizers:\n  presidio: {recognizers: []}\n"
        "  lists: [{name: p, deny: pii.acme.project, terms: [Project Blue Heron]}]\n",
    )
    text = house.file.read_text().replace("recognizers: {presidio: {recognizers: []}}\n", "", 1)
    house.file.write_text(text.replace("pii.email:", "pii.acme.project: block, pii.email:"))
    guard.reload()
    with pytest.raises(Refused, match=r"Ask the desk\."):
        guard.redact("Project Blue Heron")
    assert not guard.current.admit("https://api.openai.com/v1").allowed
    assert guard.current.admit("https://eu.api.openai.com/v1").allowed
    with guard.exchange("acme") as exchange, pytest.raises(Refused):
        exchange.redact("key AKIAQ3EGRZ7WT5LNVHYB")
    with guard.exchange("beta") as exchange:
        assert exchange.redact("key AKIAQ3EGRZ7WT5LNVHYB") == "key <AWS_KEY_1>"


def test_the_workers_of_an_old_version_stop_when_its_last_exchange_is_done(house: House) -> None:
    """A request that runs keeps its version's workers; then they end; equal recognizers share them from the start."""
    house.write("mask")
    shared = house.guard.current.detector
    house.guard.reload()
    assert house.guard.current.detector is shared
    house.write("token", "output: {rules: {pii.url: flag}}\n")
    exchange: Exchange | None = house.guard.current.open_exchange(Identity())
    text = house.file.read_text().replace('"moderation.*": allow, ', '"moderation.*": allow, pii.url: flag, ')
    house.file.write_text(text.replace("output: {rules: {pii.url: flag}}\n", ""))
    house.guard.reload()
    assert house.guard.current.detector is not shared
    until(lambda: shared._pool.ready)
    assert exchange is not None
    exchange = None
    until(lambda: not shared._pool.ready)


@pytest.mark.anyio
async def test_stacked_mounts_share_one_version(house: House, provider: Any, kit: Any) -> None:
    """C47: a policy that changes between the edge and the model call does not change within the exchange."""
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        house.write("mask")
        await asyncio.to_thread(house.guard.reload)
        async with openai.AsyncOpenAI(
            api_key="sk-app",
            base_url=provider.state.url,
            http_client=guarded_client(guard=house.guard, base_url=provider.state.url),
        ) as client:
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": MAIL}])
        seen.append(provider.state.received[-1].body.decode())
        await kit.Echo()(scope, receive, send)

    mounted = GuardMiddleware(app, guard=house.guard, inner=True)
    assert (await kit.request(mounted, body=kit.chat(MAIL))).status == 200
    assert "<EMAIL_1>" in seen[0]
    await house.guard.disconnect()


@pytest.mark.anyio
async def test_the_middleware_takes_up_new_routes(house: House, kit: Any) -> None:
    """A route that the new version names is screened from then on."""
    echo = kit.Echo()
    mounted = GuardMiddleware(echo, guard=house.guard)
    await kit.request(mounted, "/ask", body={"q": MAIL})
    house.write("mask", "routes: {'POST /ask': {input: [$.q]}}\n")
    house.guard.reload()
    await kit.request(mounted, "/ask", body={"q": MAIL})
    assert [b"jo.weber" in body for body in echo.bodies] == [True, False]


def test_a_changed_file_is_taken_up_by_itself(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The watch sees a new file, a broken one, and a mended one; told by a signal it loads whatever has changed."""
    watch = Watch(house.guard, 0.02)
    watch.start()
    try:
        digests = {house.guard.current.policy.sha256}
        house.write("mask")
        until(lambda: house.guard.current.policy.sha256 not in digests)
        digests.add(house.guard.current.policy.sha256)
        house.write("hash", "extends: [x]\n")
        until(lambda: house.guard.refused_reload)
        assert house.guard.current.policy.sha256 in digests
        house.write("hash")
        until(lambda: house.guard.current.policy.sha256 not in digests)
        before = house.guard.current
        watch.now()
        until(lambda: house.guard.current is not before)
        assert house.guard.refused_reload == ""
    finally:
        watch.stop()


def test_a_mistake_in_a_file_not_yet_there_is_mended(house: House) -> None:
    """A policy that names a file before that is written loads once it is there."""
    watch = Watch(house.guard, 0.02)
    watch.start()
    try:
        before = house.guard.current
        house.write("token", "attach: [{tenants: [a], policy: ./later.yaml}]\n")
        until(lambda: house.guard.refused_reload)
        house.file.with_name("later.yaml").write_text(house.text)
        until(lambda: house.guard.current is not before)
        assert house.guard.current.attached is not None
    finally:
        watch.stop()


def test_a_policy_object_is_loaded_only_by_name(make_guard: Any, quiet: Guard, tmp_path: Path) -> None:
    """A guard that was made of a Policy has no file to look at again: it says what to do."""
    guard = Guard.from_policy(quiet.policy, Settings(home=tmp_path, exports=tmp_path / "exports"))
    try:
        with pytest.raises(SetupError, match=r"reload\(policy\)"):
            guard.reload()
        assert guard.reload(quiet.policy.model_copy(update={"version": "2"})).version == "2"
    finally:
        guard.close()
