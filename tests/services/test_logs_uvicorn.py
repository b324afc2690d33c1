"""A real uvicorn, configured after guard was installed: its access and error logs show no original."""

from __future__ import annotations

import http.client
import logging
import re
import threading
import time
from collections.abc import Iterator, Sequence

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from guard.keys import Keys
from guard.services.logs import LogRedactor, install_log_redaction, uninstall_log_redaction
from guard.types import Action, Decision, Finding, Redaction

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]*\w")


def detect(text: str) -> list[Finding]:
    return [Finding("pii.email", *m.span(), 1.0, "test") for m in _EMAIL.finditer(text)]


def decide(findings: list[Finding]) -> Sequence[Decision]:
    return [Decision(f, Action.REDACT, Action.REDACT, "test", redaction=Redaction("faker")) for f in findings]


@pytest.fixture
def redacting() -> Iterator[None]:
    install_log_redaction(LogRedactor(detect, decide, Keys(b"a master key for tests")))
    yield
    uninstall_log_redaction()
    for name in ("uvicorn", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()


async def hello(request: Request) -> PlainTextResponse:
    mail = request.query_params["mail"]
    if "fail" in request.query_params:
        raise LookupError(f"no account for {mail}")
    return PlainTextResponse("hello")


def get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.usefixtures("redacting")
def test_access_and_error_log_of_a_server(capfd: pytest.CaptureFixture[str]) -> None:
    """Query strings, encoded or not, and the traceback of a failing endpoint are written redacted."""
    app = Starlette(routes=[Route("/hello", hello)])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        assert get(port, "/hello?mail=canary.jane@corp.de") == 200
        assert get(port, "/hello?mail=canary.jane%40corp.de") == 200
        assert get(port, "/hello?fail=1&mail=canary.jane@corp.de") == 500
    finally:
        server.should_exit = True
        thread.join()
    written = "".join(capfd.readouterr())
    assert "canary" not in written
    assert written.count("GET /hello?") == 3
    assert "LookupError: no account for" in written
    assert "Uvicorn running on" in written
