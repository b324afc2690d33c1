"""`guard migrate check` for people and machines, and its dates asked anew from the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from typer.testing import CliRunner

from guard.cli.main import _verbs, app
from guard.errors import SetupError
from guard.simulator.server import serve
from guard.wire.models import TABLE_DATE

NEW = "from openai import OpenAI\nOpenAI().responses.create(model='gpt-99', input='x')\n"


@pytest.fixture(scope="module", autouse=True)
def verbs() -> None:
    """The command line with its verbs."""
    _verbs()


def run(*args: str) -> tuple[int, str]:
    """Exit code and output of one call."""
    result = CliRunner().invoke(app, ["migrate", "check", *args], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_old_code_for_people(tmp_path: Path) -> None:
    """A table with file and line, what stands there, what to write; exit code 1."""
    (tmp_path / "a.py").write_text("import openai\n\nopenai.ChatCompletion.create(engine='gpt-4')\n")
    (tmp_path / "b.bin.py").write_bytes(b"\0")
    code, out = run(str(tmp_path))
    assert code == 1
    rows = [line for line in out.splitlines() if "a.py:3" in line]
    assert len(rows) == 3
    assert any("openai.ChatCompletion" in row and "client.chat.completions.create" in row for row in rows)
    assert "2 files: 1 engine, 1 model-gone, 1 sdk-0" in out
    assert "b.bin.py: binary" in out
    assert TABLE_DATE in out


def test_old_code_for_machines(tmp_path: Path) -> None:
    """One JSON object."""
    (tmp_path / "a.js").write_text("model: 'gpt-4'")
    code, out = run(str(tmp_path), "--json")
    told = json.loads(out)
    assert code == 1
    assert told["found"] == [
        {
            "file": str(tmp_path / "a.js"),
            "line": 1,
            "rule": "model-gone",
            "what": "gpt-4: shut down on 2026-10-23",
            "instead": "gpt-5.6-sol",
        }
    ]
    assert (told["files"], told["left_out"]) == (1, {})
    assert told["models"] == {"date": TABLE_DATE, "refreshed": False}


def test_code_of_today_is_fine(tmp_path: Path) -> None:
    """Exit code 0."""
    (tmp_path / "a.py").write_text(NEW)
    assert run(str(tmp_path))[0] == 0


def test_a_path_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    """The command line makes it exit code 2."""
    with pytest.raises(SetupError, match="No such file"):
        run(str(tmp_path / "nothing"))


@pytest.fixture
def provider() -> Any:
    """An API that announces the end of a model."""
    asked: list[str] = []

    async def models(request: Any) -> JSONResponse:
        asked.append(request.headers["authorization"])
        row = {"object": "model", "created": 1, "owned_by": "o"}
        dates = {"gpt-99": "2001-02-03", "gpt-98": None, "gpt-97": "soon"}
        rows = [{**row, "id": name, "shutdown_date": day} for name, day in dates.items()]
        return JSONResponse({"object": "list", "data": rows})

    app = Starlette(routes=[Route("/v1/models", models)])
    app.state.asked = asked
    with serve(app) as url:
        app.state.url = f"{url}/v1"
        yield app


QUIET = 'policy: quiet\nversion: "1"\nextends: [default]\noutput: {rules: {"moderation.*": allow, "moderation.sexual/minors": allow, "moderation.self-harm*": allow}}\n'  # noqa: E501


def test_dates_are_asked_anew(provider: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--refresh` asks GET /v1/models through guard; what has no date there is left as it is."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    (tmp_path / "policy.yaml").write_text(QUIET)
    (tmp_path / "a.py").write_text(NEW)
    args = ["--refresh", "--base-url", provider.state.url, "--policy", str(tmp_path / "policy.yaml")]
    code, out = run(str(tmp_path / "a.py"), *args)
    assert code == 1
    assert "gpt-99: shut down on 2001-02-03" in out
    assert provider.state.asked == ["Bearer sk-mine"]


def test_the_egress_gate_stands_before_the_api(
    provider: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a list of jurisdictions a host that is nowhere declared is not asked."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    (tmp_path / "policy.yaml").write_text(QUIET + "egress: {jurisdictions: [CH]}\n")
    (tmp_path / "a.py").write_text(NEW)
    args = ["--refresh", "--base-url", provider.state.url, "--policy", str(tmp_path / "policy.yaml")]
    with pytest.raises(SetupError, match="cannot be listed"):
        run(str(tmp_path / "a.py"), *args)
    assert provider.state.asked == []
