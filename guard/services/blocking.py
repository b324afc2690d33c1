"""Asynchronous work for blocking callers: an event loop in a thread, and threads for calls that block."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

_A = TypeVar("_A")
_T = TypeVar("_T")


class _Running:
    """The loop and threads of one process."""

    def __init__(self, threads: int, name: str) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix=name))
        thread = threading.Thread(target=_serve, args=(self.loop,), name=name, daemon=True)
        thread.start()
        self.stop = weakref.finalize(self, _stop, self.pid, self.loop, thread)


async def in_thread(function: Callable[[_A], _T], argument: _A) -> _T:
    """Call a blocking function in a thread of the running loop; a cancelled call goes on there, unheard."""
    return await asyncio.get_running_loop().run_in_executor(None, function, argument)


class LoopThread:
    """Run coroutines for blocking callers; starts with the first one, and anew in a forked process."""

    def __init__(self, threads: int, name: str) -> None:
        self._threads = threads
        self._name = name
        self._lock = threading.Lock()
        self._running: _Running | None = None

    def run(self, work: Coroutine[Any, Any, _T], timeout_s: float) -> _T:
        """Run to the end; raises TimeoutError after `timeout_s` seconds, or if the threads were stopped."""
        future = asyncio.run_coroutine_threadsafe(work, self._current().loop)
        try:
            return future.result(timeout_s)
        except concurrent.futures.CancelledError:
            raise TimeoutError from None
        finally:
            future.cancel()

    def stop(self) -> None:
        """End the loop; coroutines that still run are cancelled."""
        with self._lock:
            running, self._running = self._running, None
        if running:
            running.stop()

    def _current(self) -> _Running:
        with self._lock:
            if self._running is None or self._running.pid != os.getpid():  # a fork has no threads
                self._running = _Running(self._threads, self._name)
            return self._running


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(_cancel_all())
    finally:
        loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _stop(pid: int, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    if os.getpid() != pid or loop.is_closed():
        return
    loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():
        thread.join()
