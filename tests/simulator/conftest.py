"""One running simulated provider for the tests of a module, with a fresh script for each test."""

from __future__ import annotations

from collections.abc import Iterator

import openai
import pytest
from starlette.applications import Starlette

from guard.simulator.app import create_app
from guard.simulator.script import Script
from guard.simulator.server import serve


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Starlette, str]]:
    app = create_app()
    with serve(app) as url:
        yield app, url


@pytest.fixture
def url(running: tuple[Starlette, str]) -> str:
    return running[1]


@pytest.fixture
def app(running: tuple[Starlette, str]) -> Starlette:
    running[0].state.script = Script()
    running[0].state.received.clear()
    return running[0]


@pytest.fixture
def script(app: Starlette) -> Script:
    script: Script = app.state.script
    return script


@pytest.fixture
def client(app: Starlette, url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="sk-simulated", max_retries=0) as client:
        yield client
