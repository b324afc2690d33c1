"""Each example, run as its first lines say, against the simulated provider."""

from __future__ import annotations

import importlib.util
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

import guard
from guard.simulator.app import create_app
from guard.simulator.server import serve

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
MAIL = "ann.bell@corp-mail.org"
CARD = "4111 1111 1111 1111"


@pytest.fixture(scope="module")
def _running() -> Iterator[tuple[Starlette, str]]:
    app = create_app()
    with serve(app) as url:
        yield app, f"{url}/v1"


@pytest.fixture
def provider(_running: tuple[Starlette, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Starlette]:
    """The provider that the environment names, as a user would name it."""
    app, url = _running
    app.state.received.clear()
    app.state.url = url
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-simulated")
    monkeypatch.setenv("GUARD_MODERATION_URL", url)
    yield app
    guard.uninstall()


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def seen(provider: Starlette) -> str:
    return b"".join(row.body for row in provider.state.received).decode()


def test_every_example_is_run_here() -> None:
    """An example that no test names is an example that may be broken."""
    text = Path(__file__).read_text()
    assert [file.name for file in EXAMPLES.iterdir() if file.is_file() and file.stem not in text] == []


def test_starlette_app(provider: Starlette) -> None:
    """starlette_app.py: the provider sees a placeholder, the caller their own address, a card is refused."""
    module = load("starlette_app")
    with TestClient(module.app) as client:
        answer = client.post("/ask", json={"question": f"Write to {MAIL}"})
        refused = client.post("/ask", json={"question": f"Pay with {CARD}"})
    assert answer.json() == {"answer": f"You wrote: Write to {MAIL}"}
    assert "<EMAIL_1>" in seen(provider)
    assert (refused.status_code, refused.json()["error"]["message"]) == (
        403,
        "Please leave out card numbers.",
    )
    assert MAIL not in seen(provider)
    assert "4111" not in seen(provider)
    module.guard.close()


def test_fastapi_app(provider: Starlette) -> None:
    """fastapi_app.py: the same with one line, with Responses, and with a stream on a route of its own."""
    with TestClient(load("fastapi_app").app) as client:
        assert client.get("/docs").status_code == 200
        assert client.post("/ask", json={"question": f"Write to {MAIL}"}).json() == {
            "answer": f"You wrote: Write to {MAIL}"
        }
        assert (
            client.post("/tell", json={"question": f"Write to {MAIL}"}).text == f"You wrote: Write to {MAIL}"
        )
    assert "<EMAIL_1>" in seen(provider)
    assert MAIL not in seen(provider)


def test_sdk_client(provider: Starlette, capsys: pytest.CaptureFixture[str]) -> None:
    """sdk_client.py: the script prints a streamed answer with the original in it, and a refusal as one line."""
    main = load("sdk_client").main
    assert main(f"Write to {MAIL}") == 0
    assert capsys.readouterr().out == f"You wrote: Write to {MAIL}\n"
    assert main(f"Pay with {CARD}") == 1
    assert capsys.readouterr().err == "refused (pii.card): Please leave out card numbers.\n"
    assert MAIL not in seen(provider)


def test_plain_text(
    provider: Starlette, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """plain_text.py: text out and in again, without any model."""
    monkeypatch.setattr(sys, "stdin", iter([f"Dear {MAIL}\n"]))
    told: list[str] = []
    module = load("plain_text")
    own = guard.Guard.from_policy("default")
    assert (
        module.answer(own, f"Dear {MAIL}", lambda text: told.append(text) or f"To {text}")
        == f"To Dear {MAIL}"
    )
    own.close()
    assert told == ["Dear <EMAIL_1>"]
    runpy.run_path(str(EXAMPLES / "plain_text.py"), run_name="__main__")
    assert capsys.readouterr().out == f"[what the model saw] Dear {MAIL}\n"


@pytest.mark.slow
def test_gateway(provider: Starlette, tmp_path: Path) -> None:
    """gateway.sh: the shell script serves the real client, under policy.yaml."""
    shim = tmp_path / "guard"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m guard "$@"\n')
    shim.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
    more = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PORT": port,
        "UPSTREAM": provider.state.url,
    }
    process = subprocess.Popen(["sh", str(EXAMPLES / "gateway.sh")], env={**os.environ, **more})
    try:
        with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", max_retries=0) as client:
            while True:
                try:
                    client.models.list()
                    break
                except openai.APIConnectionError:
                    assert process.poll() is None
                    time.sleep(0.1)
            ask: Any = [{"role": "user", "content": f"Write to {MAIL}"}]
            said = client.chat.completions.create(model="m", messages=ask).choices[0].message.content
            with pytest.raises(openai.PermissionDeniedError):
                client.responses.create(model="m", input=CARD)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert said == f"You wrote: Write to {MAIL}"
    assert MAIL not in seen(provider)
