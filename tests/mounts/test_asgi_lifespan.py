"""How an application with the middleware starts and stops: bad set-ups fail the start, in one sentence."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from guard import Guard, GuardMiddleware, PolicyError, install, uninstall
from guard.errors import SetupError

pytestmark = pytest.mark.anyio


async def test_the_lifespan_of_the_application_passes(run_lifespan: Any, quiet: Guard) -> None:
    """A16: start-up and shutdown reach the application and its state reaches the requests."""
    events: list[str] = []

    @contextlib.asynccontextmanager
    async def life(app: Any) -> Any:
        events.append("up")
        yield {"database": "there"}
        events.append("down")

    app = Starlette(lifespan=life, middleware=[Middleware(GuardMiddleware, guard=quiet)])
    async with run_lifespan(app) as answer:
        assert answer["type"] == "lifespan.startup.complete"
        assert events == ["up"]
    assert events == ["up", "down"]


async def test_the_start_line_names_what_is_not_guarded(
    run_lifespan: Any, make_guard: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A16: one line at start says which routes are unguarded, sub-applications and static files too."""

    async def page(request: Any) -> PlainTextResponse:
        return PlainTextResponse("")

    inner = Starlette(routes=[Route("/v1/chat/completions", page, methods=["POST"]), Route("/help", page)])
    routes = [
        Route("/", page),
        Route("/ask", page, methods=["POST"]),
        Mount("/static", StaticFiles(directory=tmp_path)),
        Mount("/sub", inner),
    ]
    guard = make_guard(make_guard.quiet + 'routes: {"POST /ask": {input: [$.question], output: []}}\n')
    app = Starlette(routes=routes, middleware=[Middleware(GuardMiddleware, guard=guard)])
    with caplog.at_level(logging.WARNING, logger="guard"):
        async with run_lifespan(app):
            pass
    (line,) = [r.getMessage() for r in caplog.records if "unguarded routes" in r.getMessage()]
    assert "unguarded routes: /, /static, /sub/help;" in line
    assert "guarded_client()" in line
    assert "\n" not in line


@pytest.mark.parametrize("policy", ["no-such-pack", "bad.yaml"])
async def test_a_bad_policy_fails_the_start(run_lifespan: Any, tmp_path: Path, policy: str) -> None:
    """A16: a policy that does not load is `lifespan.startup.failed` with the loader's sentence."""
    (tmp_path / "bad.yaml").write_text('policy: bad\nversion: "1"\nmoed: enforce\n')
    source = tmp_path / policy if policy.endswith("yaml") else policy
    app = Starlette(middleware=[Middleware(GuardMiddleware, policy=source)])
    async with run_lifespan(app) as answer:
        assert answer["type"] == "lifespan.startup.failed"
    if policy == "bad.yaml":
        assert "bad.yaml:3:moed" in answer["message"]
    assert "Traceback" not in answer["message"]


async def test_nothing_is_served_under_a_bad_policy(kit: Any) -> None:
    """A16: where a server does not ask for a lifespan, every request fails, guarded or not."""
    echo = kit.Echo()
    app = GuardMiddleware(echo, policy="no-such-pack")
    for path in ("/v1/chat/completions", "/health"):
        with pytest.raises(PolicyError):
            await kit.request(app, path, kit.chat("hi"))
    assert echo.scopes == []


@pytest.mark.parametrize("fault", ["404", "nobody"])
async def test_a_missing_judge_fails_the_start(
    run_lifespan: Any, kit: Any, make_guard: Any, provider: Any, fault: str
) -> None:
    """A16: moderation rules without a judge are a failed start in one sentence that names the choices."""
    url = provider.state.url if fault == "404" else "http://127.0.0.1:9/v1"
    provider.state.script.fail("moderations", "404", forever=True)
    guard = make_guard(make_guard.judging, moderation_url=url, moderation_key="sk-judge")
    app = Starlette(middleware=[Middleware(GuardMiddleware, guard=guard)])
    async with run_lifespan(app) as answer:
        assert answer["type"] == "lifespan.startup.failed"
    assert "GUARD_MODERATION_URL" in answer["message"]
    assert "\n" not in answer["message"]
    assert "sk-judge" not in answer["message"]


async def test_a_missing_judge_is_an_outage_where_nobody_asked_before(
    kit: Any, make_guard: Any, provider: Any
) -> None:
    """A16: without a lifespan a guarded request is 503 while there is no judge, and served once there is."""
    provider.state.script.fail("moderations", "404", "404")
    guard = make_guard(
        make_guard.judging + "owner: late\n", moderation_url=provider.state.url, moderation_key="k"
    )
    echo = kit.Echo()
    app = GuardMiddleware(echo, guard=guard)
    for expected in (503, 503, 200):
        answer = await kit.request(app, body=kit.chat("hi"))
        assert answer.status == expected
    assert len(echo.scopes) == 1


async def test_an_error_of_the_application_s_own_start_is_its_own(run_lifespan: Any, quiet: Guard) -> None:
    """A16: an application that fails to start says so once, in its own words, also where it raises guard's errors."""

    @contextlib.asynccontextmanager
    async def life(app: Any) -> Any:
        raise SetupError("the application's own")
        yield

    app = Starlette(lifespan=life, middleware=[Middleware(GuardMiddleware, guard=quiet)])
    answers = []
    with pytest.raises(SetupError, match="own"):
        async with run_lifespan(app) as answer:
            answers.append(answer)
    assert answers[0]["type"] == "lifespan.startup.failed"
    assert "Traceback" in answers[0]["message"]


async def test_installed_in_one_line(run_lifespan: Any, kit: Any, quiet: Guard) -> None:
    """A16: `guard.install(app)` adds the same middleware, and the application starts."""
    app = Starlette()
    install(app, guard=quiet)
    try:
        async with run_lifespan(app) as answer:
            assert answer["type"] == "lifespan.startup.complete"
    finally:
        uninstall()


APP = """
from starlette.applications import Starlette
from guard import GuardMiddleware
app = Starlette()
app.add_middleware(GuardMiddleware, policy="no-such-pack")
"""


@pytest.mark.slow
def test_a_server_does_not_start_under_a_bad_policy(tmp_path: Path) -> None:
    """A16: uvicorn exits with an error and prints the sentence, no traceback."""
    (tmp_path / "served.py").write_text(APP)
    command = [sys.executable, "-m", "uvicorn", "served:app", "--app-dir", str(tmp_path), "--port", "0"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode != 0
    assert "no-such-pack" in ran.stderr
    assert "Traceback" not in ran.stderr
