"""The judge: asks the Moderation API for the scores of texts, once a text, inside one deadline.

One call carries all texts of an answer. Long texts are judged in pieces, and each category counts with its
highest piece. Equal pieces are asked for once: answers are kept for a while under a keyed hash, and calls that
run at the same time share one request. What goes wrong is `Unavailable`, with a reason that quotes nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from guard.errors import GuardError, Unavailable
from guard.moderation import CATEGORIES, highest, parse_scores, request_body
from guard.services.blocking import LoopThread, in_thread
from guard.services.hedge import Passing, hedged
from guard.text import split

Scores = dict[str, float]
Post = Callable[[bytes], Awaitable[tuple[int, bytes]]]
SyncPost = Callable[[bytes], tuple[int, bytes]]
Clock = Callable[[], float]
_Key = tuple[asyncio.AbstractEventLoop, bytes]

PIECE = 2000
"""Characters judged at once: OpenAI's guide asks for less than 2,000 for accuracy; 6,000 Hanzi are an error."""

INPUTS = 32
"""Pieces in one request."""

ENTRIES = 4096
"""Answers kept."""


class _Cache:
    """Scores by keyed hash, the least recently used forgotten first, none older than `seconds`."""

    def __init__(self, seconds: float, entries: int, clock: Clock) -> None:
        self._seconds = seconds
        self._entries = entries
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[float, Scores]] = OrderedDict()

    def get(self, name: bytes) -> Scores | None:
        with self._lock:
            until, scores = self._kept.get(name, (0.0, None))
            if scores is None:
                return None
            if self._clock() >= until:
                del self._kept[name]
                return None
            self._kept.move_to_end(name)
            return scores

    def put(self, name: bytes, scores: Scores) -> None:
        if self._seconds <= 0:
            return
        with self._lock:
            self._kept[name] = (self._clock() + self._seconds, scores)
            self._kept.move_to_end(name)
            while len(self._kept) > self._entries:
                self._kept.popitem(last=False)


@dataclass(eq=False, slots=True)
class _Flight:
    """One request under way: its answer by name, where it is listed, and how many wait for it."""

    task: asyncio.Task[dict[bytes, Scores]]
    keys: list[_Key]
    waiting: int = 0


class Moderator:
    """The judge for asynchronous callers. `post` sends one body and brings status and answer.

    `timeout_s` bounds everything, retries included; `key` keys the cache's hashes; `clock` counts its seconds.
    """

    def __init__(
        self,
        post: Post,
        *,
        model: str,
        timeout_s: float,
        cache_s: float,
        key: bytes,
        entries: int = ENTRIES,
        clock: Clock = time.monotonic,
    ) -> None:
        self._post = post
        self._model = model
        self._timeout_s = timeout_s
        self._key = key
        self._cache = _Cache(cache_s, entries, clock)
        self._flights: dict[_Key, _Flight] = {}

    def probe_body(self) -> bytes:
        """The smallest request that a working endpoint answers."""
        return request_body(["ping"], self._model)

    async def score(self, texts: Sequence[str]) -> list[Scores]:
        """Score each text, category to score in [0, 1]; raises Unavailable. A blank text scores 0 unasked."""
        pieces = [_pieces(text) for text in texts]
        known = await self._known(dict.fromkeys(piece for group in pieces for piece in group))
        return [
            highest(known[p] for p in group) if group else dict.fromkeys(CATEGORIES, 0.0) for group in pieces
        ]

    async def _known(self, pieces: Iterable[str]) -> dict[str, Scores]:
        names = {piece: self._name(piece) for piece in pieces}
        found = {name: scores for name in names.values() if (scores := self._cache.get(name)) is not None}
        missing = {name: piece for piece, name in names.items() if name not in found}
        for landed in await self._wait(self._board(missing)):
            found.update(landed)
        return {piece: found[name] for piece, name in names.items()}

    def _name(self, piece: str) -> bytes:
        text = f"{self._model}\0{piece}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, "sha256")

    def _board(self, missing: dict[bytes, str]) -> list[_Flight]:
        """Join the requests that already ask for a piece, and start those for the others."""
        loop = asyncio.get_running_loop()
        joined = dict.fromkeys(flight for name in missing if (flight := self._flights.get((loop, name))))
        fresh = {name: piece for name, piece in missing.items() if (loop, name) not in self._flights}
        return [*joined, *(self._depart(loop, batch) for batch in _batches(fresh))]

    def _depart(self, loop: asyncio.AbstractEventLoop, batch: dict[bytes, str]) -> _Flight:
        flight = _Flight(loop.create_task(self._fly(batch)), [(loop, name) for name in batch])
        self._flights.update(dict.fromkeys(flight.keys, flight))
        flight.task.add_done_callback(lambda task: self._forget(flight))
        return flight

    def _forget(self, flight: _Flight) -> None:
        for key in flight.keys:
            if self._flights.get(key) is flight:
                del self._flights[key]

    async def _wait(self, flights: Sequence[_Flight]) -> list[dict[bytes, Scores]]:
        """Wait for all of them or the first failure; a request that nobody waits for any more is cancelled."""
        if not flights:
            return []
        for flight in flights:
            flight.waiting += 1
        try:
            await asyncio.wait({flight.task for flight in flights}, return_when=asyncio.FIRST_EXCEPTION)
            return [_result(flight.task) for flight in sorted(flights, key=lambda f: not f.task.done())]
        finally:
            for flight in flights:
                flight.waiting -= 1
                if not flight.waiting and flight.task.cancel():
                    self._forget(flight)

    async def _fly(self, batch: dict[bytes, str]) -> dict[bytes, Scores]:
        body = request_body(list(batch.values()), self._model)
        try:
            answers = await hedged(partial(self._try, body, len(batch)), self._timeout_s)
        except TimeoutError:
            raise Unavailable("moderation", f"no answer within {self._timeout_s:g} s") from None
        scores = dict(zip(batch, answers, strict=True))
        for name, row in scores.items():
            self._cache.put(name, row)
        return scores

    async def _try(self, body: bytes, expected: int) -> list[Scores]:
        try:
            status, answer = await self._post(body)
        except GuardError as failure:
            reason = getattr(failure, "reason", "") or getattr(failure, "code", "")
            raise Unavailable("moderation", f"not sent ({reason or type(failure).__name__})") from None
        except Exception as failure:
            raise Passing("moderation", f"no connection ({type(failure).__name__})") from None
        if status == 200:
            return parse_scores(answer, expected)
        raise _refusal(status)


def _pieces(text: str) -> list[str]:
    return [piece for piece in split(text, PIECE) if piece.strip()]


def _batches(pieces: dict[bytes, str]) -> list[dict[bytes, str]]:
    rows = list(pieces.items())
    return [dict(rows[at : at + INPUTS]) for at in range(0, len(rows), INPUTS)]


def _result(task: asyncio.Task[dict[bytes, Scores]]) -> dict[bytes, Scores]:
    if task.cancelled():
        raise Unavailable("moderation", "the request was cancelled")
    failure = task.exception()
    if isinstance(failure, Unavailable):
        raise Unavailable(failure.what, failure.reason)  # its own, for each that waited
    if failure is not None:
        raise Unavailable("moderation", f"the request failed ({type(failure).__name__})")
    return task.result()


def _refusal(status: int) -> Unavailable:
    if status == 429 or status >= 500:
        return Passing("moderation", f"HTTP {status}")
    why = {401: ": the key was refused", 403: ": the key was refused", 404: ": no moderation endpoint there"}
    return Unavailable("moderation", f"HTTP {status}{why.get(status, '')}")


class SyncModerator:
    """The judge for blocking callers: the same law, run by an event loop in a thread of its own.

    `post` blocks, in one of up to `threads` threads; it cannot be cancelled, so it must itself end soon after
    `timeout_s`. No caller waits for it longer than that.
    """

    def __init__(
        self,
        post: SyncPost,
        *,
        model: str,
        timeout_s: float,
        cache_s: float,
        key: bytes,
        entries: int = ENTRIES,
        clock: Clock = time.monotonic,
        threads: int = 32,
    ) -> None:
        self._timeout_s = timeout_s
        self._threads = LoopThread(threads, "guard-moderation")
        self._moderator = Moderator(
            partial(in_thread, post),
            model=model,
            timeout_s=timeout_s,
            cache_s=cache_s,
            key=key,
            entries=entries,
            clock=clock,
        )

    def probe_body(self) -> bytes:
        """The smallest request that a working endpoint answers."""
        return self._moderator.probe_body()

    def score(self, texts: Sequence[str]) -> list[Scores]:
        """Score each text, category to score in [0, 1]; raises Unavailable. A blank text scores 0 unasked."""
        try:
            return self._threads.run(self._moderator.score(texts), self._timeout_s + 1)
        except TimeoutError:
            raise Unavailable("moderation", f"no answer within {self._timeout_s:g} s") from None

    def close(self) -> None:
        """End the threads; calls that are under way are unavailable."""
        self._threads.stop()
