"""Dead letters sent again: under today's policy, at most once after a success, and none stands in another's way."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import client_kit as clients
import orjson
import pytest
from starlette.applications import Starlette

from guard import Guard, identity
from guard.build import build
from guard.mounts.replay import ATTEMPTS, BACKOFF_S, Answer, Replay, Replayed
from guard.outside.stores.letters import ANSWERED, POISONED, SENDING, UNCERTAIN, WAITING, Row
from guard.settings import Settings
from guard.traffic.letters import Letters

MAIL = "alice@corp.com"
TOOLS = [{"type": "function", "function": {"name": "send", "parameters": {"type": "object"}}}]
KEY = {"Idempotency-Key": "order-7"}


class Desk:
    """One home with its letters, policies of yesterday and today, and the provider."""

    def __init__(self, folder: Path, quiet: str, provider: Starlette) -> None:
        self.folder, self.quiet, self.provider = folder, quiet, provider
        self.home = folder / "home"
        self.made: list[Guard] = []
        self.delivered: list[tuple[str, Answer]] = []
        self.now = time.time()
        self.letters = self.guard().dispatch.letters  # type: ignore[union-attr]

    def guard(self, traffic: str = "dead_letters: true", more: str = "", base: str = "") -> Guard:
        file = self.folder / f"{len(self.made)}.yaml"
        file.write_text(f"{base or self.quiet}traffic: {{{traffic}}}\n{more}")
        settings = Settings(home=self.home, exports=self.home / "exports", upstream_key="sk-replay")  # type: ignore[arg-type]
        self.made.append(build(file, settings, detecting=False))
        return self.made[-1]

    def dead(self, fault: str = "500", stream: bool = False, text: str = f"to {MAIL}", **more: Any) -> Row:
        """A letter of a call that failed."""
        self.provider.state.script.fail("chat", fault)
        before = {row.id for row in self.rows()}
        with (
            clients.connecting(True, self.made[0], self.provider.state.url) as make,
            contextlib.suppress(Exception),
        ):
            (make(max_retries=0).chat_stream if stream else make(max_retries=0).chat)(text, **more)
        self.provider.state.script.fail("chat")
        self.provider.state.received.clear()
        [row] = [row for row in self.rows() if row.id not in before]
        return row

    def rows(self) -> list[Row]:
        store = self._letters.store
        return [found for row in store.rows().result(10) for found in store.find(row.id).result(10)]

    def row(self, id: str) -> Row:
        [row] = self._letters.store.find(id).result(10)
        return row

    @property
    def _letters(self) -> Letters:
        assert self.letters is not None
        return self.letters

    def replay(self, guard: Guard | None = None, *, force: bool = False, url: str = "") -> Replay:
        def deliver(row: Row, answer: Answer) -> None:
            assert self.row(row.id).state == SENDING, "a success is recorded when its answer is safe"
            self.delivered.append((row.id, answer))

        made = guard or self.guard()
        upstream = url or self.provider.state.url
        return Replay(made, self._letters, upstream, deliver, force=force, wall=lambda: self.now)

    def send(self, row: Row, guard: Guard | None = None, **more: Any) -> Replayed:
        """Send one letter as it stands now."""
        return run(self.replay(guard, **more), self.row(row.id))

    def bodies(self) -> list[Any]:
        return [orjson.loads(received.body) for received in self.provider.state.received]


def run(replay: Replay, *rows: Row) -> Replayed:
    """Send letters one after the other; gives what became of the last."""

    async def work() -> Replayed:
        try:
            return [await replay.send(row) for row in rows][-1]
        finally:
            await replay._guard.disconnect()

    return asyncio.run(work())


@pytest.fixture
def desk(tmp_path: Path, kit: Any, provider: Starlette) -> Iterator[Desk]:
    made = Desk(tmp_path, kit.quiet, provider)
    yield made
    for guard in made.made:
        guard.close()


def test_a_letter_is_answered(desk: Desk) -> None:
    """C40: the same request and idempotency key, the settings' key, an answer that is delivered, no body left."""
    row = desk.dead(extra_headers=KEY)
    done = desk.send(row)
    assert (done.state, done.outcome) == (ANSWERED, "200")
    [received] = desk.provider.state.received
    sent = dict(received.headers)
    assert sent[b"idempotency-key"] == b"order-7"
    assert sent[b"authorization"] == b"Bearer sk-replay"
    assert orjson.loads(received.body)["messages"] == [{"role": "user", "content": "to <EMAIL_1>"}]
    [(id, answer)] = desk.delivered
    assert (id, answer.status, answer.content_type) == (row.id, 200, "application/json")
    assert orjson.loads(answer.body)["choices"][0]["message"]["content"] == "You wrote: to <EMAIL_1>"
    assert (desk.row(row.id).state, desk.row(row.id).sealed) == (ANSWERED, b"")


def test_a_stream_is_answered_whole(desk: Desk) -> None:
    """What is delivered of a stream is its screened events, to the end."""
    done = desk.send(desk.dead(stream=True))
    assert done.state == ANSWERED
    [(_, answer)] = desk.delivered
    assert answer.content_type == "text/event-stream"
    assert answer.body.rstrip().endswith(b"data: [DONE]")


def test_nothing_is_sent_after_a_recorded_success(desk: Desk) -> None:
    """C40: not again, not by force, not by one that read the letter before."""
    row = desk.dead()
    desk.send(row)
    for again in (desk.send(row), desk.send(row, force=True), run(desk.replay(force=True), row)):
        assert again.state != WAITING
    assert len(desk.provider.state.received) == len(desk.delivered) == 1


def test_two_replayers_at_once(desk: Desk) -> None:
    """C40: both have read the letter; one sends it."""
    row = desk.dead()
    one, two = desk.replay(), desk.replay()

    async def race() -> list[Replayed]:
        done = await asyncio.gather(one.send(row), two.send(row))
        for replay in (one, two):
            await replay._guard.disconnect()
        return done

    done = asyncio.run(race())
    assert sorted(each.state for each in done) == [ANSWERED, SENDING]
    assert len(desk.provider.state.received) == 1


def test_a_replay_that_is_stopped_leaves_its_letter_uncertain(desk: Desk) -> None:
    """C40: Ctrl-C while the call is out: sent again only with --force, and with the same idempotency key."""
    row = desk.dead(extra_headers=KEY)
    desk.provider.state.script.fail("chat", "hang")
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(_stopped(desk, row))
    assert desk.row(row.id).state_at(desk.now) == UNCERTAIN
    left = desk.send(row)
    assert (left.state, "--force" in left.outcome) == (UNCERTAIN, True)
    assert len(desk.provider.state.received) == 1
    assert desk.send(row, force=True).state == ANSWERED
    keys = {dict(received.headers)[b"idempotency-key"] for received in desk.provider.state.received}
    assert keys == {b"order-7"}
    assert len(desk.provider.state.received) == 2


async def _stopped(desk: Desk, row: Row) -> None:
    replay = desk.replay()
    sending = asyncio.ensure_future(replay.send(row))
    for _ in range(1000):
        await asyncio.sleep(0.01)
        if desk.provider.state.received:
            break
    sending.cancel()
    try:
        await sending
    finally:
        await replay._guard.disconnect()


def test_an_answer_that_cannot_be_delivered_is_uncertain(desk: Desk) -> None:
    """C40: the answer came and could not be kept: no success is recorded."""
    row = desk.dead()
    replay = desk.replay()

    def full(row: Row, answer: Answer) -> None:
        raise OSError(28, "No space left on device")

    replay._deliver = full
    with pytest.raises(OSError, match="No space"):
        run(replay, row)
    assert desk.row(row.id).state_at(desk.now) == UNCERTAIN


@pytest.mark.parametrize("kind", ["tools", "cut"])
def test_what_may_act_twice_needs_force(desk: Desk, kind: str) -> None:
    """C40: a call that bears tools, or of whose answer a part has left."""
    if kind == "tools":
        row = desk.dead(tools=TOOLS)
    else:
        desk.provider.state.script.reply = lambda body: "some words of an answer " * 30
        row = desk.dead("disconnect", stream=True)
    left = desk.send(row)
    assert (left.state, "--force" in left.outcome) == (WAITING, True)
    assert desk.provider.state.received == []
    assert desk.send(row, force=True).state == ANSWERED


def test_today_s_policy_redacts(desk: Desk) -> None:
    """C41: what yesterday's policy let through today's takes out."""
    lax = desk.guard(more="input: {rules: {pii.email: flag}}\n")
    desk.made[0] = lax
    row = desk.dead()
    assert lax.dispatch is not None
    desk.send(row)
    assert "alice" not in str(desk.bodies())


def test_today_s_policy_refuses(desk: Desk) -> None:
    """C41: what today's rules block is not sent; the letter waits for the next policy."""
    lax = desk.guard(more="input: {rules: {pii.email: flag}}\n")
    desk.made[0] = lax
    row = desk.dead()
    strict = desk.guard(more="input: {rules: {pii.email: block}}\n")
    done = desk.send(row, strict)
    assert (done.state, done.outcome) == (WAITING, "pii.email")
    assert desk.provider.state.received == []
    desk.now += BACKOFF_S + 1
    assert desk.send(row).state == ANSWERED


def test_today_s_residency_refuses(desk: Desk) -> None:
    """C41: a host outside today's jurisdictions is not reached."""
    row = desk.dead()
    done = desk.send(row, desk.guard(more="egress: {jurisdictions: [EU]}\n"))
    assert (done.state, done.outcome) == (WAITING, "egress.jurisdiction")
    assert desk.provider.state.received == []


def test_what_was_found_still_decides_where(desk: Desk) -> None:
    """C41: under egress.rules of today a letter goes nowhere that its originals could not have gone."""
    mail, plain = desk.dead(), desk.dead(text="hi")
    ruled = desk.guard(more="egress: {rules: {pii.email: {jurisdictions: [CN]}}}\n")
    assert desk.send(mail, ruled).outcome == "egress.jurisdiction"
    assert desk.provider.state.received == []
    assert desk.send(plain, ruled).state == ANSWERED


def test_today_s_budget_refuses_without_blame(desk: Desk) -> None:
    """C41 C42: no money left is no failure of the letter: it waits until there is."""
    row = desk.dead(max_tokens=500)
    poor = desk.guard(
        "dead_letters: true, budget: {usd_per_month: 0.3, prices: {m: {input: 1000, output: 1000}}}"
    )
    done = desk.send(row, poor)
    assert (done.state, done.outcome) == (WAITING, "insufficient_quota")
    assert desk.provider.state.received == []
    kept = desk.row(row.id)
    assert (kept.replays, kept.due > desk.now) == (0, True)


def test_the_policy_that_is_attached_holds_again(desk: Desk) -> None:
    """C41: a letter is held to what is attached for its tenant, its virtual key, and for what it asked for."""
    attach = (
        "attach: [{tenants: [acme], policy: ./kids.yaml}, {header: kids, tenants: [beta], policy: ./kids.yaml},"
        " {keys: [partner-a], tenants: [gamma], policy: ./kids.yaml}]\n"
    )
    (desk.folder / "kids.yaml").write_text("policy: kids\n")
    desk.made[0] = desk.guard(more=attach)
    text, asks = "see https://kontor-nord.org/page", {"x-guard-policy": "kids"}
    with identity(tenant="acme"):
        acme = desk.dead(text=text)
    with identity(tenant="beta"):
        asking, free = desk.dead(text=text, extra_headers=asks), desk.dead(text=text)
    keyed = []
    for key in ("partner-a", "inner", ""):
        with identity(tenant="gamma", key=key):
            keyed.append(desk.dead(text=text))
    (desk.folder / "kids.yaml").write_text("policy: kids\ninput: {rules: {pii.url: block}}\n")
    held = desk.guard(more=attach)
    outcomes = [desk.send(row, held).outcome for row in (acme, asking, free, *keyed)]
    assert outcomes == ["pii.url", "pii.url", "200", "pii.url", "200", "pii.url"]


def test_a_poison_letter_stops_and_stands_in_nobodys_way(desk: Desk) -> None:
    """C42: a few attempts with longer and longer rests, then it is poisoned; the next letter goes out all the same."""
    poison, good = desk.dead(text="poison"), desk.dead(text="good")
    guard, rests = desk.guard(), []
    for _ in range(ATTEMPTS):
        desk.provider.state.script.fail("chat", "400")
        done = run(desk.replay(guard), desk.row(poison.id))
        rests.append(desk.row(poison.id).due - desk.now)
        assert "rests" in desk.send(poison, guard).outcome or done.state == POISONED
        desk.now += rests[-1] + 1
    assert rests == [BACKOFF_S * 2**number for number in range(ATTEMPTS)]
    assert desk.row(poison.id).state == POISONED
    desk.provider.state.received.clear()
    assert run(desk.replay(guard), desk.row(poison.id), desk.row(good.id)).state == ANSWERED
    assert [body["messages"][0]["content"] for body in desk.bodies()] == ["good"]
    assert desk.send(poison, guard, force=True).state == ANSWERED


def test_an_open_circuit_is_no_failure_of_the_letter(desk: Desk) -> None:
    """C42: a provider that is down does not poison what waits for it."""
    rows = [desk.dead(text=f"{number}") for number in range(3)]
    guard = desk.guard()
    desk.provider.state.script.fail("chat", "500", forever=True)
    for _ in range(ATTEMPTS - 1):
        for row in rows:
            desk.send(row, guard)
            desk.now += 4000
    desk.send(rows[0], guard)
    last = desk.send(rows[1], guard, force=True)
    assert last.outcome == "circuit_open"
    assert all(desk.row(row.id).state == WAITING for row in rows)


def test_a_failed_replay_makes_no_second_letter(desk: Desk) -> None:
    """C22: one letter a call, however often it fails; one that is cut now counts as partly streamed."""
    row = desk.dead(stream=True)
    desk.provider.state.script.reply = lambda body: "some words of an answer " * 30
    desk.provider.state.script.fail("chat", "disconnect")
    done = desk.send(row)
    assert (done.state, done.outcome) == (WAITING, "closed")
    [kept] = desk.rows()
    assert (kept.streamed, kept.replays) == (True, 1)


def test_an_answer_that_nobody_could_screen_is_uncertain(desk: Desk) -> None:
    """C40: the model answered, the judge did not: it is not sent again by itself."""
    row = desk.dead(text="hi")
    guard = desk.guard(base="extends: [default]\nrecognizers: {presidio: {recognizers: []}}\n")
    desk.provider.state.script.fail("moderations", "500", forever=True)
    done = desk.send(row, guard)
    assert (done.state, done.outcome) == (UNCERTAIN, "guard.unavailable.moderation")
    assert desk.delivered == []


def test_the_key_goes_to_its_own_host_only(desk: Desk) -> None:
    """A letter for another host is left, by force too: the key of the settings is not for everybody."""
    row = desk.dead()
    for force in (False, True):
        left = desk.send(row, url="https://api.openai.com/v1", force=force)
        assert "--upstream" in left.outcome
    assert desk.provider.state.received == []


def test_the_trace_tells_of_the_replay(desk: Desk) -> None:
    """The replay is a call of its own, under its mount, with the letter's id and tenant."""
    with identity(tenant="acme"):
        row = desk.dead()
    done = desk.send(row)
    for guard in desk.made:
        guard.close()
    lines = [
        line
        for file in (desk.home / "exports").glob("*.jsonl")
        for line in file.read_text().splitlines()
        if done.trace in line
    ]
    assert any(f'"guard.letter","value":{{"stringValue":"{row.id}"}}' in line for line in lines)
    assert all('"stringValue":"replay"' in line and '"stringValue":"acme"' in line for line in lines)


def test_a_letter_of_another_key_is_left(desk: Desk) -> None:
    """Sealed under a key that is not here: told, and nothing is sent."""
    from guard.keys import Keys

    row = desk.dead()
    desk.letters = Letters(desk._letters.store, Keys(b"another key"))
    left = desk.send(row)
    assert "under another key" in left.outcome
    assert desk.provider.state.received == []


def test_a_claim_is_renewed_while_it_is_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """C40: a slow answer does not make its letter uncertain."""
    monkeypatch.setattr("guard.mounts.replay.LEASE_S", 0.3)
    row = desk.dead()
    desk.provider.state.script.fail("chat", "hang")
    seen: list[float] = []

    async def watch() -> None:
        replay = desk.replay()
        replay._wall = time.time
        sending = asyncio.ensure_future(replay.send(row))
        for _ in range(40):
            await asyncio.sleep(0.02)
            seen.append(desk.row(row.id).until)
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending
        await replay._guard.disconnect()

    asyncio.run(watch())
    assert len({until for until in seen if until}) >= 3
