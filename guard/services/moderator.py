"""The judge at work: asks a moderation service for the scores of texts, once a text, inside one deadline.

Texts that are asked about at the same time share a request. Long texts are judged in pieces, and each category
counts with its highest piece. Answers are kept for a while under a keyed hash. Requests stay under the quota
that the answers' headers tell. What goes wrong is `Unavailable`, with a reason that quotes nothing.
"""

from __future__ import annotations

import asyncio
import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from guard.errors import GuardError, Unavailable
from guard.moderation import Judge, highest, undisguised
from guard.outside.upstream import UpstreamError
from guard.quota import Pace, Quota, read_quota
from guard.services.blocking import LoopThread, in_thread
from guard.services.flights import Flight, Flights, Landed, Scores
from guard.services.hedge import Passing, hedged, together
from guard.text import split, tokens


class Reply(NamedTuple):
    """A service's answer: status, body, headers by name in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}


Post = Callable[[bytes], Awaitable[Reply]]
SyncPost = Callable[[bytes], Reply]
Clock = Callable[[], float]

PIECE = 2000
"""Characters judged at once: OpenAI's guide asks for less than 2,000 for accuracy; 6,000 Hanzi are an error."""

GATHER_S = 0.015
"""Seconds for which the windows of one stream wait for those of others."""

ENTRIES = 4096
"""Answers kept."""

_ODD = (400, 413, 422)
"""What a service says to a request of which one text may be at fault."""


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


class Moderator:
    """The judge for asynchronous callers. `post` sends one body and brings the answer.

    `timeout_s` bounds everything, retries and waiting included; `key` keys the cache's hashes; `clock` counts its
    seconds.
    """

    def __init__(
        self,
        post: Post,
        judge: Judge,
        *,
        model: str,
        timeout_s: float,
        cache_s: float,
        key: bytes,
        entries: int = ENTRIES,
        clock: Clock = time.monotonic,
    ) -> None:
        self._post = post
        self._judge = judge
        self._model = model
        self._timeout_s = timeout_s
        self._key = key
        self._cache = _Cache(cache_s, entries, clock)
        self._flights = Flights(self._fly, judge.batch)
        self._pace = Pace()
        self._streams = 0
        self._lock = threading.Lock()

    @property
    def quota(self) -> Quota:
        """What the last answers said of their limits."""
        return self._pace.quota

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Count a stream as open while the block lasts: where there are several, their windows share requests."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._streams += change

    async def score(self, texts: Sequence[str]) -> list[Scores]:
        """Score each text, category to score in [0, 1]; raises Unavailable. A blank text scores 0 unasked."""
        pieces = [_pieces(text) for text in texts]
        known = await self._known(dict.fromkeys(piece for group in pieces for piece in group))
        blank = dict.fromkeys(self._judge.categories, 0.0)
        return [highest(known[p] for p in group) if group else dict(blank) for group in pieces]

    async def _known(self, pieces: Iterable[str]) -> dict[str, Scores]:
        names = {piece: self._name(piece) for piece in pieces}
        found = {name: scores for name in names.values() if (scores := self._cache.get(name)) is not None}
        missing = {name: piece for piece, name in names.items() if name not in found}
        found |= await self._flights.bring(missing, alone=self._streams < 2)
        return {piece: found[name] for piece, name in names.items()}

    def _name(self, piece: str) -> bytes:
        text = f"{self._model}\0{piece}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, "sha256")

    async def _fly(self, flight: Flight) -> Landed:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._gather(flight)
                landed = await self._asked(flight.depart())
        except TimeoutError:
            raise Unavailable("moderation", f"no answer within {self._timeout_s:g} s") from None
        for name, scores in landed.items():
            if not isinstance(scores, Unavailable):
                self._cache.put(name, scores)
        return landed

    async def _gather(self, flight: Flight) -> None:
        """Let others board for a moment, and for as long as the quota keeps the request back."""
        try:
            async with asyncio.timeout(GATHER_S):
                await flight.ready.wait()
        except TimeoutError:
            pass
        await self._turn(lambda: _size(flight.batch.values()))

    async def _turn(self, size: Callable[[], int]) -> None:
        while (delay := self._pace.delay(time.monotonic(), size())) > 0:
            if delay > self._timeout_s:
                raise Unavailable("moderation", "its quota is used up")
            await asyncio.sleep(delay)

    async def _asked(self, batch: dict[bytes, str]) -> Landed:
        try:
            answers = await self._answers(list(batch.values()))
        except _Odd as failure:
            if len(batch) == 1:
                return dict.fromkeys(batch, failure)
            alone = await together(self._asked({name: text}) for name, text in batch.items())
            return {name: scores for landed in alone for name, scores in landed.items()}
        return dict(zip(batch, answers, strict=True))

    async def _answers(self, texts: list[str]) -> list[Scores]:
        bodies, size = self._judge.bodies(texts), _size(texts)
        tries = [hedged(partial(self._try, body, size), self._timeout_s) for body in bodies]
        return self._judge.scores(await together(tries) if len(tries) > 1 else [await tries[0]], len(texts))

    async def _try(self, body: bytes, size: int) -> bytes:
        await self._turn(lambda: size)
        self._pace.spend(time.monotonic(), size)
        said, refused = Quota(), False
        try:
            status, answer, headers = await self._post(body)
            said, refused = read_quota(headers), status == 429
        except UpstreamError as failure:
            raise Passing("moderation", f"no connection ({failure.kind})") from None
        except GuardError as failure:
            reason = getattr(failure, "reason", "") or getattr(failure, "code", "")
            raise Unavailable("moderation", f"not sent ({reason or type(failure).__name__})") from None
        except Exception as failure:
            raise Passing("moderation", f"no connection ({type(failure).__name__})") from None
        finally:
            self._pace.answered(time.monotonic(), size, said, refused=refused)
        if status == 200:
            return answer
        raise _refusal(status)


class _Odd(Unavailable):
    """A request that the service cannot take: one of its texts may be at fault, or all."""


def _pieces(text: str) -> list[str]:
    return [piece for piece in split(undisguised(text), PIECE, overlap=0, by="characters") if piece.strip()]


def _size(texts: Iterable[str]) -> int:
    return sum(map(tokens, texts))


def _refusal(status: int) -> Unavailable:
    if status == 429 or status >= 500:
        return Passing("moderation", f"HTTP {status}")
    why = {
        401: ": the key was refused",
        403: ": the key was refused",
        404: ": there is no such endpoint or model",
    }
    return (_Odd if status in _ODD else Unavailable)("moderation", f"HTTP {status}{why.get(status, '')}")


class SyncModerator:
    """The judge for blocking callers: the same law, run by an event loop in a thread of its own.

    `post` blocks, in one of up to `threads` threads; it cannot be cancelled, so it must itself end soon after
    `timeout_s`. No caller waits for it longer than that.
    """

    def __init__(
        self,
        post: SyncPost,
        judge: Judge,
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
            judge,
            model=model,
            timeout_s=timeout_s,
            cache_s=cache_s,
            key=key,
            entries=entries,
            clock=clock,
        )

    @property
    def quota(self) -> Quota:
        """What the last answers said of their limits."""
        return self._moderator.quota

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Count a stream as open while the block lasts: where there are several, their windows share requests."""
        with self._moderator.streaming():
            yield

    def score(self, texts: Sequence[str]) -> list[Scores]:
        """Score each text, category to score in [0, 1]; raises Unavailable. A blank text scores 0 unasked."""
        try:
            return self._threads.run(self._moderator.score(texts), self._timeout_s + 1)
        except TimeoutError:
            raise Unavailable("moderation", f"no answer within {self._timeout_s:g} s") from None

    def close(self) -> None:
        """End the threads; calls that are under way are unavailable."""
        self._threads.stop()
