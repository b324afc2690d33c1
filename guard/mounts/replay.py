"""Dead letters sent again: screened, admitted and budgeted under the policy of today, at most once after a success.

A letter is claimed before it is sent and settled afterwards. A replay that dies in between leaves it uncertain; one
that is stopped settles it so. An answer is delivered before its success is recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx2

from guard.answers import Headers
from guard.call import Call
from guard.doors import CallDoors
from guard.errors import BadRequest, GuardError, Refused, SetupError, Unavailable
from guard.guard import Guard
from guard.judging import Moderation
from guard.mounts.transport import Streaming, base_of, header, outgoing, run
from guard.outside.stores.holders import new_holder
from guard.outside.stores.letters import (
    ANSWERED,
    POISONED,
    SENDING,
    UNCERTAIN,
    WAITING,
    Row,
    Settled,
)
from guard.outside.upstream import Timeouts
from guard.policy.decide import judges
from guard.refusals import failed_as
from guard.routing import check_keys
from guard.traffic.letters import Letters, Opened
from guard.types import Finding, Identity

ATTEMPTS = 5
"""Replays that may fail before a letter counts as poisoned."""

BACKOFF_S, LONGEST_BACKOFF_S = 60.0, 3600.0
"""How long a letter rests after its first failed replay, doubled with each, up to an hour."""

LEASE_S = 60.0
"""How long a claim holds that its process does not renew."""

_CONNECT_S = 10.0


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """A screened answer to a replay, as it goes to whoever asked for it."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one letter: its state, why in a word, and the trace of this replay, if it came to one."""

    id: str
    state: str
    outcome: str
    trace: str = ""


Deliver = Callable[[Row, Answer], None]


class Replay:
    """Sends letters again, one after the other; `deliver` takes an answer and has it safe when it returns.

    Letters go to the host of `upstream` only, since the key of the settings is that host's.
    """

    def __init__(
        self,
        guard: Guard,
        letters: Letters,
        upstream: str,
        deliver: Deliver,
        *,
        force: bool = False,
        wall: Callable[[], float] = time.time,
    ) -> None:
        guard.name(upstream)
        check_keys(guard)
        key = guard.settings.upstream_key or guard.settings.openai_api_key
        self._key = key.get_secret_value().encode() if key else b""
        self._guard, self._letters, self._deliver = guard, letters, deliver
        self._origin = _origin(upstream)
        self._force, self._wall = force, wall
        self._holder = new_holder()
        self._timeouts = Timeouts(_CONNECT_S, guard.settings.read_timeout_s)

    def held_back(self, row: Row) -> str:
        """Why a letter is not sent now; empty where it is."""
        now = self._wall()
        state = row.state_at(now)
        if state == ANSWERED:
            return "it was answered"
        if state == SENDING:
            return "another replay is sending it"
        if _origin(row.url) != self._origin:
            scheme, host, port = _origin(row.url)
            where = f"{scheme}://{host}:{port}" if port else host
            return (
                f"it goes to {where}: name that base URL with --upstream, and its key in GUARD_UPSTREAM_KEY"
            )
        if self._force:
            return ""
        return _needs_force(row, state) or (
            f"it rests for {row.due - now:.0f} s more (--force sends it now)" if row.due > now else ""
        )

    async def send(self, row: Row) -> Replayed:
        """Send one letter, if it may be sent; raises Unavailable where what became of it cannot be recorded."""
        if reason := self.held_back(row):
            return Replayed(row.id, row.state_at(self._wall()), reason)
        try:
            opened = self._letters.open(row)
        except SetupError as failure:
            return Replayed(row.id, row.state, str(failure))
        now = self._wall()
        store = self._letters.store
        if not await asyncio.wrap_future(store.claim(row, self._holder, now + LEASE_S, now)):
            return Replayed(row.id, SENDING, "another replay was first")
        call = self._call(row, opened)
        async with self._renewing(row.id):
            settled = await self._sent(call, row, opened)
        # Shielded: who stops the replay now does not take back what was done.
        await asyncio.shield(asyncio.wrap_future(store.settle(row.id, self._holder, settled, self._wall())))
        state = UNCERTAIN if settled.state == SENDING else settled.state
        return Replayed(row.id, state, settled.outcome, call.trace_id)

    async def _sent(self, call: Call, row: Row, opened: Opened) -> Settled:
        """Run the call; what stops it from outside is settled here, before it goes on its way."""
        try:
            answer = await self._answer(call, row, opened)
            if answer is None:
                return self._unanswered(row, call)
            await asyncio.to_thread(self._deliver, row, answer)
            return Settled(ANSWERED, str(answer.status))
        except (Refused, BadRequest) as refusal:
            return self._refused(call, row, refusal)
        except GuardError as failure:
            return self._failed(row, failed_as(failure), streamed=call.cut)
        except BaseException as failure:
            settled = self._stopped(call, failed_as(failure))
            self._letters.store.settle(row.id, self._holder, settled, self._wall()).result(10)
            raise

    async def _answer(self, call: Call, row: Row, opened: Opened) -> Answer | None:
        """The whole screened answer; None where there is none, and `call.failure` says why."""
        url, key = httpx2.URL(row.url), self._authorized(opened)
        headers = [(b"content-type", b"application/json"), *opened.headers]
        doors = CallDoors(call, self._judge(url), call.parent, call.tenant)
        sent = [*outgoing([*headers, *key])]
        given = await run(call, url, headers, sent, opened.body, doors, self._timeouts)
        if isinstance(given, Streaming):
            try:
                body = b"".join([chunk async for chunk in given.chunks])
            finally:
                await given.aclose()
            broken = call.cut or call.failure.startswith("guard.unavailable.")
            answer = None if broken else Answer(given.status, "text/event-stream", body)
        else:
            good = given.status < 400
            answer = (
                Answer(given.status, header(given.headers, b"content-type").decode(), given.body)
                if good
                else None
            )
        if answer is None and call.failure.startswith("guard.unavailable."):
            raise Refused(call.failure, "the answer could not be screened", status=503)
        return answer

    def _call(self, row: Row, opened: Opened) -> Call:
        url = httpx2.URL(row.url)
        exchange = self._guard.open_exchange(Identity(row.tenant, keys=opened.keys))
        exchange.paths, exchange.asked = opened.paths, opened.asked
        call = Call(self._guard, "replay", row.method, url.path, exchange, url=url)
        call.letter, call.routes = row.id, opened.routes
        call.carried = [Finding(kind, 0, 0, score, "letter") for kind, score in opened.found.items()]
        return call

    def _authorized(self, opened: Opened) -> Headers:
        """The key of the settings, in the header that the provider wants it in."""
        if not self._key:
            return ()
        if opened.key_header in (b"api-key", b"x-api-key"):
            return ((opened.key_header, self._key),)
        return ((b"authorization", b"Bearer " + self._key),)

    def _judge(self, url: httpx2.URL) -> Callable[[Guard], Moderation | None]:
        def judge(guard: Guard) -> Moderation | None:
            if not judges(guard.policy):
                return None
            found: Moderation = guard.moderation(base_of(url), f"Bearer {self._key.decode()}", sync=False)
            return found

        return judge

    def _unanswered(self, row: Row, call: Call) -> Settled:
        if call.failure == "circuit_open":  # it was not even tried
            return Settled(WAITING, call.failure, self._wall() + BACKOFF_S)
        return self._failed(row, call.failure, streamed=call.cut)

    def _failed(self, row: Row, outcome: str, *, streamed: bool = False) -> Settled:
        """One more failure of the letter itself: it rests, and after so many it is poisoned."""
        state = POISONED if row.replays + 1 >= ATTEMPTS else WAITING
        rest = min(LONGEST_BACKOFF_S, BACKOFF_S * 2.0 ** min(row.replays, 10))
        return Settled(state, outcome, self._wall() + rest, failed=1, streamed=streamed)

    def _refused(self, call: Call, row: Row, refusal: Refused | BadRequest) -> Settled:
        """A refusal of today's policy is the letter's failure; limits, budgets and outages of guard's own are not."""
        if call.heard:
            return self._stopped(call, refusal.code)
        after = getattr(refusal, "retry_after_s", None)
        if after is not None or refusal.code.startswith("guard.unavailable."):
            return Settled(WAITING, refusal.code, self._wall() + (BACKOFF_S if after is None else after))
        return self._failed(row, refusal.code)

    def _stopped(self, call: Call, outcome: str) -> Settled:
        """What is broken off once the provider may have seen the call is uncertain."""
        return Settled(SENDING if call.begun else WAITING, outcome)

    @contextlib.asynccontextmanager
    async def _renewing(self, id: str) -> AsyncIterator[None]:
        async def renew() -> None:
            while True:
                await asyncio.sleep(LEASE_S / 3)
                with contextlib.suppress(Unavailable):
                    await asyncio.wrap_future(
                        self._letters.store.hold(id, self._holder, self._wall() + LEASE_S)
                    )

        renewing = asyncio.ensure_future(renew())
        try:
            yield
        finally:
            renewing.cancel()


def _needs_force(row: Row, state: str) -> str:
    """Why a letter is only sent again by whoever takes the risk upon them."""
    if state == UNCERTAIN:
        return "nobody knows whether it went out: --force sends it with the same idempotency key"
    if state == POISONED:
        return f"{row.replays} replays of it failed: --force tries once more"
    if row.tools:
        return "it bears tools, which may act twice: --force"
    return "a part of its answer has left: --force" if row.streamed else ""


def _origin(url: str) -> tuple[str, str, int | None]:
    target = httpx2.URL(url)
    return target.scheme, target.host, target.port
