"""The two drivers of flows that wait for a store: they yield its futures, or seconds, and are sent the results."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from guard.errors import Unavailable

_T = TypeVar("_T")
Waiting = Generator[Future[Any] | float, Any, _T]
"""A flow that yields futures (it is sent the result, or Unavailable is thrown in) and seconds to sleep."""

_Step = Callable[[], Future[Any] | float]


def _late() -> Unavailable:
    return Unavailable("store", "it did not answer in time")


async def wait(flow: Waiting[_T], wait_s: float) -> _T:
    """Run a flow to its value, awaiting each future for `wait_s` at most: the event loop stays free."""
    step: _Step = partial(next, flow)
    while True:
        try:
            future = step()
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        if isinstance(future, float):
            await asyncio.sleep(future)
            step = partial(next, flow)
            continue
        try:
            step = partial(flow.send, await asyncio.wait_for(asyncio.wrap_future(future), wait_s))
        except TimeoutError:
            step = partial(flow.throw, _late())
        except Unavailable as failure:
            step = partial(flow.throw, failure)


def wait_sync(flow: Waiting[_T], wait_s: float) -> _T:
    """Run a flow as `wait` does, blocking."""
    step: _Step = partial(next, flow)
    while True:
        try:
            future = step()
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        if isinstance(future, float):
            time.sleep(future)
            step = partial(next, flow)
            continue
        try:
            step = partial(flow.send, future.result(wait_s))
        except concurrent.futures.TimeoutError:
            future.cancel()
            step = partial(flow.throw, _late())
        except Unavailable as failure:
            step = partial(flow.throw, failure)
