"""A call with an Idempotency-Key runs once: its answer is kept as it leaves, and given again to who asks again."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from guard.answers import Headers
from guard.call import Call
from guard.errors import BadRequest, Refused, Unavailable
from guard.refusals import Reply
from guard.traffic.idempotency import LONGEST_ANSWER, Idempotency, Kept, Ticket
from guard.traffic.waiting import Waiting, wait, wait_sync

log = logging.getLogger("guard")

_KEY = b"idempotency-key"
_OF_ONE_CALL = (b"x-guard-trace", b"date")


class Streamed(Protocol):
    """A streamed answer, whose chunks may be watched; `leave` is called when it is closed."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    chunks: Any
    leave: Any


_S = TypeVar("_S", bound=Streamed)
Wrote = Callable[[Refused | BadRequest, Call], Reply]
"""How a refusal is written for the caller."""


def once(call: Call, headers: Headers, wrote: Wrote) -> Once | None:
    """What guards a call against being sent twice: where the policy asks for it and the caller gave a key."""
    dispatch = call.guard.dispatch
    if dispatch is None or dispatch.idempotency is None or call.mount == "replay":
        return None
    key = next((value for name, value in headers if name.lower() == _KEY), None)
    if key is None or call.method != "POST" or call.unscreened:
        return None
    return Once(call, dispatch.idempotency, key, dispatch.wait_s, wrote)


@dataclass(frozen=True, slots=True)
class Once:
    """Runs one call, unless its key has an answer."""

    call: Call
    idempotency: Idempotency
    key: bytes
    wait_s: float
    wrote: Wrote

    async def run(self, work: Callable[[], Awaitable[Reply | _S]]) -> Reply | _S:
        """Run a call, or give its first answer; raises Refused for a key that came otherwise or is under way."""
        ticket = await wait(self._beginning(), self.wait_s)
        if not isinstance(ticket, Ticket):
            return await work() if ticket is None else self._again(ticket)
        try:
            answer = await work()
        except (Refused, BadRequest) as refusal:
            await wait(self._refused(ticket, refusal), self.wait_s)
            raise
        except BaseException:
            self.idempotency.release(ticket)
            raise
        if isinstance(answer, Reply):
            await wait(self._keeping(ticket, answer), self.wait_s)
        else:
            answer.chunks = self._watched(ticket, answer, answer.chunks)
            answer.leave = partial(self.idempotency.release, ticket)
        return answer

    def run_sync(self, work: Callable[[], Reply | _S]) -> Reply | _S:
        """Run a call as `run` does, blocking."""
        ticket = wait_sync(self._beginning(), self.wait_s)
        if not isinstance(ticket, Ticket):
            return work() if ticket is None else self._again(ticket)
        try:
            answer = work()
        except (Refused, BadRequest) as refusal:
            wait_sync(self._refused(ticket, refusal), self.wait_s)
            raise
        except BaseException:
            self.idempotency.release(ticket)
            raise
        if isinstance(answer, Reply):
            wait_sync(self._keeping(ticket, answer), self.wait_s)
        else:
            answer.chunks = self._watched_sync(ticket, answer, answer.chunks)
            answer.leave = partial(self.idempotency.release, ticket)
        return answer

    def _whose(self) -> str:
        """Whose keys they are: a tenant's, apart for each of its virtual keys, which may be held to other policies."""
        who = self.call.exchange.identity
        return "\0".join((who.tenant, *(who.called or ())[-1:]))

    def _beginning(self) -> Waiting[Ticket | Kept | None]:
        call = self.call
        try:
            return (yield from self.idempotency.begin(self._whose(), call.path, self.key, call.body))
        except Unavailable as failure:
            call.failed("store", failure)  # raises where the policy blocks
            return None
        except (Refused, BadRequest) as refusal:
            call.finish(None, error=refusal.code)
            raise

    def _again(self, kept: Kept) -> Reply:
        """The first answer, under the trace of this request."""
        self.call.notes += ("idempotency.kept",)
        self.call.finish(None, status=kept.status)
        headers = [header for header in kept.headers if header[0].lower() not in _OF_ONE_CALL]
        own = [(b"x-guard-trace", self.call.trace_id.encode()), (b"idempotent-replayed", b"true")]
        return Reply(kept.status, kept.body, (*headers, *own))

    def _refused(self, ticket: Ticket, refusal: Refused | BadRequest) -> Waiting[None]:
        """Keep a refusal that came after the model was called; before it nothing happened that could happen twice."""
        if self.call.begun:
            yield from self._keeping(ticket, self.wrote(refusal, self.call))
        else:
            self.idempotency.release(ticket)

    def _keeping(self, ticket: Ticket, reply: Reply) -> Waiting[None]:
        try:
            yield from self.idempotency.keep(ticket, Kept(reply.status, reply.headers, reply.body))
        except Unavailable as failure:
            log.error("an answer could not be kept for its idempotency key: %s", failure)

    def _ended(self, ticket: Ticket, answer: Streamed, kept: bytearray) -> Waiting[None]:
        """Keep a stream that came to its end; one that was cut has no answer to give again."""
        if self.call.cut or self.call.failure.startswith("guard.unavailable."):
            self.idempotency.release(ticket)
        else:
            yield from self._keeping(ticket, Reply(answer.status, bytes(kept), answer.headers))

    async def _watched(
        self, ticket: Ticket, answer: Streamed, chunks: AsyncGenerator[bytes]
    ) -> AsyncGenerator[bytes]:
        kept = bytearray()
        async with contextlib.aclosing(chunks):
            try:
                async for data in chunks:
                    _add(kept, data)
                    yield data
            except GeneratorExit:
                if self.call.whole:  # the SDK leaves at `[DONE]`
                    async for data in chunks:
                        _add(kept, data)
                    await wait(self._ended(ticket, answer, kept), self.wait_s)
                raise
        await wait(self._ended(ticket, answer, kept), self.wait_s)

    def _watched_sync(self, ticket: Ticket, answer: Streamed, chunks: Generator[bytes]) -> Generator[bytes]:
        kept = bytearray()
        with contextlib.closing(chunks):
            try:
                for data in chunks:
                    _add(kept, data)
                    yield data
            except GeneratorExit:
                if self.call.whole:  # the SDK leaves at `[DONE]`
                    for data in chunks:
                        _add(kept, data)
                    wait_sync(self._ended(ticket, answer, kept), self.wait_s)
                raise
        wait_sync(self._ended(ticket, answer, kept), self.wait_s)


def _add(kept: bytearray, data: bytes) -> None:
    """Collect a stream, up to one byte more than is kept."""
    kept += data[: LONGEST_ANSWER + 1 - len(kept)]
