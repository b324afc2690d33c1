"""Serving an app for as long as a block lasts."""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from guard.simulator.app import create_app
from guard.simulator.server import serve


def listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(url).port or 0)) == 0


def test_it_listens_on_loopback_while_the_block_lasts() -> None:
    """The port is open inside the block and closed behind it, and the thread is gone."""
    before = threading.active_count()
    with serve(create_app()) as url:
        assert urlsplit(url).hostname == "127.0.0.1"
        assert listens(url)
    assert not listens(url)
    assert threading.active_count() == before


def test_several_servers_run_side_by_side() -> None:
    """A provider, a gateway and an app each have their own port."""
    with serve(create_app()) as one, serve(create_app()) as two:
        assert one != two
        assert httpx2.get(f"{one}/v1/models", trust_env=False).status_code == 200
        assert httpx2.get(f"{two}/v1/models", trust_env=False).status_code == 200


def test_it_stops_although_a_client_still_waits() -> None:
    """A hanging request ends with the server instead of keeping it."""
    app = create_app()
    app.state.script.fail("models", "hang")
    with httpx2.Client(trust_env=False, timeout=30) as http:
        with serve(app) as url:
            failed: list[Exception] = []

            def wait() -> None:
                try:
                    http.get(f"{url}/v1/models")
                except httpx2.HTTPError as failure:
                    failed.append(failure)

            client = threading.Thread(target=wait)
            client.start()
            while not app.state.received:
                threading.Event().wait(0.01)
        client.join(20)
        assert not client.is_alive()


def test_an_app_that_does_not_start_is_an_error() -> None:
    """A failed start-up raises instead of waiting for ever."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    with pytest.raises(RuntimeError, match="did not start"), serve(app):
        pass


def test_an_error_in_the_block_stops_the_server() -> None:
    """The port is free again whatever happens inside."""
    with pytest.raises(ZeroDivisionError), serve(create_app()) as url:
        raise ZeroDivisionError
    assert not listens(url)
