"""Serve an ASGI app on a free port of this machine, in a thread, for as long as a `with` block lasts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

PATIENCE_S = 1
"""Seconds that open requests get at the end."""

KEPT_ALIVE_S = 75
"""Seconds that an idle connection stays open, as public providers' front servers do."""


class _Server(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        # No logging configuration: the loggers of the process stay as they are.
        config = uvicorn.Config(
            app,
            log_config=None,
            ws="none",
            timeout_graceful_shutdown=PATIENCE_S,
            timeout_keep_alive=KEPT_ALIVE_S,
        )
        super().__init__(config)
        self.settled = threading.Event()
        self.thread = threading.Thread(
            target=self._run, args=(listener,), name="guard-simulator", daemon=True
        )

    def _run(self, listener: socket.socket) -> None:
        try:
            with suppress(SystemExit):  # how uvicorn says that the start-up failed
                self.run(sockets=[listener])
        finally:
            listener.close()
            self.settled.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()

    def stop(self) -> None:
        self.should_exit = True
        self.thread.join()


@contextmanager
def serve(app: ASGIApp) -> Iterator[str]:
    """Yield the base URL (`http://127.0.0.1:PORT`) of the running app; raises RuntimeError if it does not start."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(app, listener)
    server.thread.start()
    server.settled.wait()
    try:
        if not server.started:
            raise RuntimeError("the app did not start")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.stop()
