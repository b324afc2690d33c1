"""Work in processes that can be killed: at its deadline, whatever it is doing and whatever lock it holds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from guard.errors import SetupError, Unavailable
from guard.outside.worker_main import FORK, KILL, receive_exactly, receive_frame, send_frame

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from guard.outside.worker_main import main; main()"
)
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_ALONE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}  # nothing is fetched
_FORKED = {
    "PRESIDIO_DEVICE": "cpu",
    "TOKENIZERS_PARALLELISM": "false",
}  # neither a GPU nor threads outlive a fork
_START_S = 120.0
_FORK_S = 10.0
_END_S = 5.0
_GRACE_S = 0.1  # the worker's own deadline answers first; this one is for work that is still queued


class _Worker:
    """One forked process and the channel to it."""

    def __init__(self, template: _Template, pid: int, channel: socket.socket) -> None:
        self._template = template
        self._pid = pid
        self._channel = channel

    def call(self, job: _Job) -> tuple[bool, Any]:
        """Send one request and read its answer; raises TimeoutError, EOFError or OSError.

        A sign of life from the worker sets the job's deadline anew.
        """
        self._channel.settimeout(job.left())
        send_frame(self._channel, job.request)
        while True:
            self._channel.settimeout(job.left())
            done, value = receive_frame(self._channel)
            if done is not None:
                return done, value
            job.begin()

    def kill(self) -> None:
        """End the process now."""
        self._template.kill(self._pid)
        self._channel.close()


class _Template:
    """The process that has built the target, and forks a worker in milliseconds."""

    def __init__(self, target: str, arguments: tuple[Any, ...]) -> None:
        self._lock = threading.Lock()
        self._built = False
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOT, str(theirs.fileno()), json.dumps(sys.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # a library's warning might quote the text
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                env=os.environ | _ONE_THREAD | _ALONE | _FORKED,
            )
        send_frame(self._control, (target, arguments))

    def hello(self) -> Any:
        """Wait until the target is built and return what it has to say; raises SetupError."""
        try:
            self._control.settimeout(_START_S)  # closed already, where a pool ends before it has begun
            built, hello = receive_frame(self._control)
            self._control.settimeout(_FORK_S)
        except (OSError, EOFError):
            raise SetupError("a worker process could not be started") from None
        if not built:
            raise SetupError(f"a worker process could not be started: {hello}")
        self._built = True
        return hello

    def fork(self) -> _Worker:
        """Start a worker; raises OSError or EOFError if this process is gone."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                return _Worker(self, self._command(FORK, theirs.fileno()), ours)
        except BaseException:
            ours.close()
            raise

    def kill(self, pid: int) -> None:
        """End a worker; if this process is gone, its workers went with it."""
        try:
            self._command(KILL + struct.pack("!Q", pid))
        except (OSError, EOFError):
            pass

    def _command(self, command: bytes, *descriptors: int) -> int:
        with self._lock:
            socket.send_fds(self._control, [command], descriptors)
            return int.from_bytes(receive_exactly(self._control, 8), "big")

    def close(self) -> None:
        """End this process; it ends its workers."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits on it, as close would not
        self._control.close()
        if not self._built:
            self._process.kill()  # it has no workers yet, and would not look up before it is built
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass(slots=True)
class _Job:
    request: object
    seconds: float
    due: float | None
    future: Future[Any] = field(default_factory=Future)

    def begin(self) -> None:
        """Set the deadline from now on."""
        self.due = time.monotonic() + self.seconds

    def left(self) -> float:
        """The seconds until the deadline, a little more than none where it has passed or is not set."""
        return max((self.due or 0.0) - time.monotonic(), 0.001)

    def outlives(self) -> float:
        """The seconds for which its caller still waits once its first patience is over, 0 for none."""
        late = self.due is None or self.due + _GRACE_S < time.monotonic()
        return 0.0 if late or self.future.cancel() else self.left() + _GRACE_S


class _State:
    """What the lanes share. It does not know the pool, so that a forgotten pool can be collected."""

    def __init__(self, target: str, arguments: tuple[Any, ...], what: str, lanes: int) -> None:
        self.pid = os.getpid()
        self.what = what
        self.closed = False
        self.failure = ""
        self.hello: Any = None
        self.ready = threading.Event()
        self.queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._target, self._arguments = target, arguments
        self._template = _Template(target, arguments)
        self._lock = threading.Lock()
        self._first: list[_Worker | None] = [None] * lanes
        self._threads = [threading.Thread(target=self._greet, name=f"guard-{what}-start", daemon=True)]
        self._threads += [
            threading.Thread(target=self._lane, args=(i,), name=f"guard-{what}-{i}", daemon=True)
            for i in range(lanes)
        ]
        for thread in self._threads:
            thread.start()

    def _greet(self) -> None:
        try:
            self.hello = self._template.hello()
            self._first = [self._fork() for _ in self._first]
        except SetupError as error:
            self.failure = str(error)
        self.ready.set()

    def _lane(self, number: int) -> None:
        self.ready.wait()
        worker = self._first[number]
        while (job := self.queue.get()) is not None:
            if job.future.set_running_or_notify_cancel():
                worker = self._run(job, worker)
        if worker is not None:
            worker.kill()

    def _run(self, job: _Job, worker: _Worker | None) -> _Worker | None:
        worker = worker or self._fork()
        if job.due is None:
            job.begin()
        if worker is None or self.closed or (job.due or 0.0) < time.monotonic():
            job.future.set_exception(self._unavailable("no worker process is free"))
            return worker
        try:
            done, value = worker.call(job)
        except Exception as error:
            reason = "the deadline passed" if isinstance(error, TimeoutError) else "a worker process died"
            job.future.set_exception(self._unavailable(reason))
            worker.kill()
            return self._fork()
        if done:
            job.future.set_result(value)
        else:
            job.future.set_exception(self._unavailable(f"the work failed ({value})"))
        return worker

    def _unavailable(self, reason: str) -> Unavailable:
        return Unavailable(self.what, self.failure or reason)

    def _fork(self) -> _Worker | None:
        with self._lock:
            if self.closed or self.failure:
                return None
            try:
                return self._template.fork()
            except (OSError, EOFError):
                return self._fork_from_a_new_template()

    def _fork_from_a_new_template(self) -> _Worker | None:
        self._template.close()
        self._template = _Template(self._target, self._arguments)
        try:
            self._template.hello()
            return self._template.fork()
        except (OSError, EOFError, SetupError):
            return None

    def close(self) -> None:
        """End all processes and lanes; what is still running or waiting is Unavailable."""
        if self.closed or self.pid != os.getpid():
            return
        self.closed = True
        with self._lock:
            self._template.close()
        for _ in self._threads:
            self.queue.put(None)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_END_S)


class WorkerPool:
    """Processes that are started ahead, killed at a deadline and replaced at once.

    `target` is "module:function"; the function is called once with `arguments` (picklable) in a child and
    returns the callable that does the work. An attribute `hello` of that callable is handed to the parent.
    One process more than `workers` stands ready, so that work which must be killed does not hold up the rest.
    Usable from any thread and any event loop; a process that was forked from this one starts its own.
    """

    def __init__(
        self,
        target: str,
        arguments: tuple[Any, ...] = (),
        *,
        what: str = "detect",
        workers: int = 1,
        deadline_s: float = 2.0,
        waiting: int = 256,
    ) -> None:
        self._start = (target, arguments, what, workers + 1)
        self._what = what
        self._deadline_s = deadline_s
        self._waiting = waiting
        self._lock = threading.Lock()
        self._state: _State | None = None
        self._finalizer: weakref.finalize[..., Any] | None = None

    def start(self) -> None:
        """Start the processes without waiting for them; safe to call again."""
        self._running()

    def hello(self) -> Any:
        """Wait until the target is built and return its `hello`; raises SetupError if it cannot be built."""
        state = self._running()
        state.ready.wait()
        if state.failure:
            raise SetupError(state.failure)
        return state.hello

    @property
    def ready(self) -> bool:
        """Whether the target is built and work can be done."""
        state = self._state
        return state is not None and state.ready.is_set() and not state.failure and not state.closed

    async def submit(self, request: object, deadline_s: float | None = None) -> Any:
        """Have a worker answer a request; raises Unavailable after the deadline (seconds) or a crash.

        The deadline begins anew with each sign of life that the work gives (`worker_main.alive`).
        """
        job, patience = self._enqueue(request, deadline_s)
        answer = asyncio.wrap_future(job.future)
        try:
            while patience:
                await asyncio.wait((answer,), timeout=patience)
                if answer.done():
                    return answer.result()
                patience = job.outlives()
        finally:
            answer.cancel()
        raise Unavailable(self._what, "the deadline passed")

    def submit_sync(self, request: object, deadline_s: float | None = None) -> Any:
        """Have a worker answer a request, blocking this thread; raises Unavailable as `submit` does."""
        job, patience = self._enqueue(request, deadline_s)
        while patience:
            try:
                return job.future.result(patience)
            except CancelledError:
                break
            except TimeoutError:
                patience = job.outlives()
        raise Unavailable(self._what, "the deadline passed")

    def close(self) -> None:
        """End all processes; a later `submit` starts new ones."""
        with self._lock:
            state, self._state = self._state, None
        if state is not None and self._finalizer is not None:
            self._finalizer()

    def _enqueue(self, request: object, deadline_s: float | None) -> tuple[_Job, float]:
        state = self._running()
        if state.queue.qsize() >= self._waiting:
            raise Unavailable(self._what, "too much work is waiting")
        seconds = deadline_s or self._deadline_s
        started = state.ready.is_set()
        job = _Job(request, seconds, time.monotonic() + seconds if started else None)
        state.queue.put(job)
        return job, seconds + _GRACE_S + (0 if started else _START_S)

    def _running(self) -> _State:
        with self._lock:
            if self._state is None or self._state.pid != os.getpid():
                self._state = _State(*self._start)
                self._finalizer = weakref.finalize(self, self._state.close)
            return self._state
