"""One question, asked twice at most: the second try beside a slow first one, or after a quick failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from guard.errors import Unavailable

_T = TypeVar("_T")

SLOW = 0.4
"""Share of the deadline after which a try counts as slow."""

PAUSE = 0.01
"""Share of the deadline between a quick failure and the second try."""


class Passing(Unavailable):
    """A failure that a second try may not meet."""


async def hedged(attempt: Callable[[], Awaitable[_T]], timeout_s: float) -> _T:
    """Return the first good answer of at most two tries, and cancel the other.

    Raises what the last try raised; TimeoutError after `timeout_s` seconds.
    """
    tries = [asyncio.ensure_future(attempt())]
    try:
        async with asyncio.timeout(timeout_s):
            if await _wants_another(tries[0], timeout_s):
                tries.append(asyncio.ensure_future(attempt()))
            return await _first_good(tries)
    finally:
        for running in tries:
            running.cancel()
        await asyncio.gather(*tries, return_exceptions=True)


async def _wants_another(first: asyncio.Future[_T], timeout_s: float) -> bool:
    await asyncio.wait([first], timeout=SLOW * timeout_s)
    if not first.done():
        return True
    if not isinstance(first.exception(), Passing):
        return False
    await asyncio.sleep(PAUSE * timeout_s)
    return True


async def _first_good(tries: Sequence[asyncio.Future[_T]]) -> _T:
    pending = set(tries)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for running in done:
            if running.exception() is None:
                return running.result()
    return tries[-1].result()


async def together(questions: Iterable[Awaitable[_T]]) -> list[_T]:
    """Return all answers in order; raises the first failure, and cancels the others then."""
    tasks = [asyncio.ensure_future(question) for question in questions]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
