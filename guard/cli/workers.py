"""The worker processes of `guard serve`: each is made until it can be, and one that ends is replaced.

SIGHUP is handed to each, which loads its policy anew and stays.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import uvicorn
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from guard.errors import GuardError

if TYPE_CHECKING:
    from guard.mounts.gateway import Gateway

log = logging.getLogger("guard")

T = TypeVar("T")

_AGAIN_S = 1.0
"""Seconds until a worker that could not be made is tried again, as often as a policy's files are looked at."""


class Worker(Process):
    """A process that serves once its gateway is made. Until then it says why not, and the others go on."""

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, in the new process."""
        threading.Thread(target=self.always_pong, daemon=True).start()
        gateway = made()
        self.config.app = lambda: gateway
        self.server.run(sockets)


class Workers(Multiprocess):
    """uvicorn's supervisor, which would start every worker anew at SIGHUP, and stop all where one cannot start."""

    def init_processes(self) -> None:
        """Start all."""
        self.processes.extend(self._started() for _ in range(self.processes_num))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    def keep_subprocess_alive(self) -> None:
        """Replace each that ended, or that does not answer any more."""
        for place, process in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if not process.is_alive(timeout=self.config.timeout_worker_healthcheck):
                self.processes[place] = self._replaced(process)

    def handle_hup(self) -> None:
        """Hand the signal to each worker."""
        for process in self.processes:
            if process.pid is not None:
                os.kill(process.pid, signal.SIGHUP)

    def _replaced(self, process: Process) -> Process:
        process.kill()
        process.join()
        log.error("worker %d ended (%s): another takes its place", process.pid, _how(process.exitcode))
        return self._started()

    def _started(self) -> Process:
        process = Worker(self.config, self.sockets)
        with hangups_held():
            process.start()
        return process


@contextmanager
def hangups_held() -> Iterator[None]:
    """Let SIGHUP wait, in processes started within, too: before the watch of a policy takes it, it would kill."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def made() -> Gateway:
    """A gateway whose judge answers, as soon as there can be one."""
    from guard.mounts.gateway import from_environment

    gateway = tried(from_environment)
    tried(lambda: asyncio.run(gateway.start()))
    return gateway


def tried(step: Callable[[], T], again_s: float = _AGAIN_S) -> T:
    """Do a step of a start until it succeeds. What is in the way (a policy that is being changed, a judge that is
    down) is said once.
    """
    said = ""
    while True:
        try:
            return step()
        except GuardError as failure:
            if str(failure) != said:
                log.error("worker %d cannot start yet, the others go on: %s", os.getpid(), failure)
            said = str(failure)
        time.sleep(again_s)


def _how(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def run_workers(workers: int, options: Mapping[str, Any], sockets: Sequence[socket.socket]) -> None:
    """Serve in that many processes until told to end."""
    config = uvicorn.Config("guard.mounts.gateway:from_environment", factory=True, workers=workers, **options)
    Workers(config, sockets=list(sockets)).run()
