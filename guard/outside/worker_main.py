"""The child's side of `workers`: one process that builds the target once, and forks a worker when asked.

Forking from this small, single-threaded process takes milliseconds where a fresh start takes seconds, so
that killing a worker at its deadline costs little. Parent and child speak in frames (8 bytes length, then a
pickle) over socket pairs: nothing that a library prints can disturb them, and nothing here imports the
application's `__main__`.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import struct
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, NoReturn

from guard.errors import SetupError
from guard.outside.collecting import settle

FORK, KILL = b"F", b"K"
_NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostby", "socket.sendto", "socket.bind")


_told: list[Callable[[], None]] = []


def alive() -> None:
    """Tell the parent that the work goes on, so that its deadline begins anew; outside a worker this does nothing."""
    for tell in _told:
        tell()


def send_frame(channel: socket.socket, value: object) -> None:
    """Write one value; raises OSError if the other side is gone, TimeoutError at the channel's timeout."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    channel.sendall(struct.pack("!Q", len(data)) + data)


def receive_frame(channel: socket.socket) -> Any:
    """Read one value; raises EOFError at the end of the channel."""
    (length,) = struct.unpack("!Q", receive_exactly(channel, 8))
    return pickle.loads(receive_exactly(channel, length))


def receive_exactly(channel: socket.socket, length: int) -> bytearray:
    """Read `length` bytes; raises EOFError at the end of the channel."""
    data = bytearray(length)
    view = memoryview(data)
    while view:
        count = channel.recv_into(view)
        if count == 0:
            raise EOFError
        view = view[count:]
    return data


def _without_network(event: str, _: object) -> None:
    if event.startswith(_NETWORK):
        raise PermissionError("a worker has no network")


def _build(target: str, arguments: tuple[Any, ...]) -> Callable[[Any], Any]:
    module, _, function = target.partition(":")
    built: Callable[[Any], Any] = getattr(import_module(module), function)(*arguments)
    return built


def main() -> NoReturn:
    """Build the target that the parent names, then fork workers until the parent is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the parent decides when its workers end
    sys.addaudithook(_without_network)
    control = socket.socket(fileno=int(sys.argv[1]))
    target, arguments = receive_frame(control)
    try:
        work = _build(target, arguments)
    except BaseException as error:
        said = str(error) if isinstance(error, SetupError) else f"{type(error).__name__}: {error}"
        send_frame(control, (False, said))
        os._exit(1)
    settle()
    send_frame(control, (True, getattr(work, "hello", None)))
    _fork_until_gone(control, work)


def _fork_until_gone(control: socket.socket, work: Callable[[Any], Any]) -> NoReturn:
    children: set[int] = set()
    while True:
        command, descriptors, _, _ = socket.recv_fds(control, 9, 1)
        if command[:1] == FORK:
            pid = _fork(control, descriptors[0], work)
            children.add(pid)
        elif command[:1] == KILL:
            (pid,) = struct.unpack("!Q", command[1:])
            _kill({pid} & children)
            children.discard(pid)
        else:
            _kill(children)
            os._exit(0)
        control.sendall(struct.pack("!Q", pid))


def _kill(children: set[int]) -> None:
    # Here and nowhere else a worker is killed and reaped, so its number never means another process.
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _fork(control: socket.socket, descriptor: int, work: Callable[[Any], Any]) -> int:
    pid = os.fork()
    if pid == 0:
        _die_with_parent()
        control.close()
        _work_until_gone(socket.socket(fileno=descriptor), work)
    os.close(descriptor)
    return pid


def _die_with_parent() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _work_until_gone(channel: socket.socket, work: Callable[[Any], Any]) -> NoReturn:
    _told[:] = [lambda: send_frame(channel, (None, None))]
    try:
        while True:
            send_frame(channel, _answer(work, receive_frame(channel)))
    finally:
        os._exit(0)


def _answer(work: Callable[[Any], Any], request: Any) -> tuple[bool, Any]:
    try:
        return True, work(request)
    except Exception as error:
        return False, type(error).__name__  # never its message: that may quote the text
