"""`guard.install`, both mounts in one line: the model sees placeholders, the app originals, the judge all once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fastapi
import httpx2
import openai
import pytest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import guard
from guard import Guard, SetupError
from guard.mounts.sdk import is_guarded
from guard.simulator.server import serve

MAIL, CARD = "alice@corp.com", "4111 1111 1111 1111"
CALM = "A fine day it is, they say, and so it will be. "
ROUTES = "routes: {'POST /ask': {input: [$.question], output: [$.answer]}}\n"


@pytest.fixture(autouse=True)
def _uninstalled() -> Iterator[None]:
    yield
    guard.uninstall()
    openai._reset_client()  # type: ignore[attr-defined]


@pytest.fixture
def judged(make_guard: Any) -> Guard:
    """`default` without Presidio, judged where the model is; cards are refused; nothing is remembered."""
    text = make_guard.judging + "moderation: {cache_s: 0}\ninput: {rules: {pii.card: block}}\n" + ROUTES
    found: Guard = make_guard(text, "install")
    return found


class App:
    """An application that calls a model, blocking or not, and keeps what its own code saw."""

    def __init__(self, framework: str, url: str) -> None:
        self.url = url
        self.seen: list[str] = []
        self.threaded = False
        self.asgi: Any = fastapi.FastAPI() if framework == "fastapi" else Starlette()
        for path, endpoint in (
            ("/v1/chat/completions", self.chat),
            ("/ask", self.ask),
            ("/health", self.health),
        ):
            if framework == "fastapi":
                self.asgi.add_api_route(path, endpoint, methods=["POST", "GET"])
            else:
                self.asgi.router.routes.append(Route(path, endpoint, methods=["POST", "GET"]))

    async def chat(self, request: Request) -> Response:
        body = await request.json()
        self.seen.append(json.dumps(body))
        if self.threaded:
            answer = await run_in_threadpool(self.blocking, body)
            self.seen.append(answer)
            return Response(answer, media_type="application/json")
        client = openai.AsyncOpenAI(api_key="sk-app", base_url=self.url, max_retries=0)
        if not body.get("stream"):
            whole = await client.chat.completions.create(**body)
            await client.close()
            self.seen.append(whole.model_dump_json())
            return Response(whole.model_dump_json(), media_type="application/json")
        return StreamingResponse(self.streamed(client, body), media_type="text/event-stream")

    async def streamed(self, client: Any, body: Any) -> Any:
        async for chunk in await client.chat.completions.create(**body):
            self.seen.append(chunk.choices[0].delta.content or "" if chunk.choices else "")
            yield f"data: {chunk.model_dump_json(exclude_unset=True)}\n\n"
        await client.close()
        yield "data: [DONE]\n\n"

    def blocking(self, body: Any) -> str:
        with openai.OpenAI(api_key="sk-app", base_url=self.url, max_retries=0) as client:
            return str(client.chat.completions.create(**body).model_dump_json())

    async def ask(self, request: Request) -> Response:
        question = (await request.json())["question"]
        self.seen.append(question)
        async with openai.AsyncOpenAI(api_key="sk-app", base_url=self.url) as client:
            messages = [{"role": "user", "content": question}]
            answer = await client.chat.completions.create(model="m", messages=messages)  # type: ignore[arg-type]
        text = answer.choices[0].message.content
        self.seen.append(text or "")
        return JSONResponse({"answer": f"Well: {text}"})

    async def health(self, request: Request) -> Response:
        return JSONResponse({"mail": MAIL})


Make = Callable[..., Any]


@pytest.fixture(params=["starlette", "fastapi"])
def installed(request: pytest.FixtureRequest, provider: Starlette, judged: Guard) -> Make:
    """Install guard on an app of the framework and serve it: (app, HTTP client)."""

    @contextmanager
    def make(found: Guard | None = None) -> Iterator[tuple[App, Any]]:
        app = App(request.param, provider.state.url)
        assert guard.install(app.asgi, guard=found or judged) is (found or judged)
        with serve(app.asgi) as url, httpx2.Client(base_url=url, timeout=30) as http:
            yield app, http

    return make


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def asked(provider: Starlette) -> list[str]:
    """Every text that the judge was asked about."""
    rows = [r for r in provider.state.received if r.path == "/v1/moderations"]
    return [text for row in rows for text in json.loads(row.body)["input"]]


def sent(provider: Starlette) -> str:
    """All that the model was sent."""
    return "".join(r.body.decode() for r in provider.state.received if r.path.endswith("completions"))


def told(body: str) -> str:
    rows = [json.loads(line[6:]) for line in body.split("\n") if line.startswith("data: {")]
    return "".join(c["delta"].get("content") or "" for row in rows for c in row["choices"])


# both mounts


@pytest.mark.parametrize("threaded", [False, True])
def test_the_app_sees_originals_and_the_model_placeholders(
    installed: Make, provider: Starlette, threaded: bool
) -> None:
    """One line guards edge and model call, also from a thread: one exchange, and the answer is judged once."""
    with installed() as (app, http):
        app.threaded = threaded
        answer = http.post("/v1/chat/completions", json=chat(f"Ask {MAIL}"))
    assert answer.json()["choices"][0]["message"]["content"] == f"You wrote: Ask {MAIL}"
    assert "x-guard-trace" in answer.headers
    assert "<EMAIL_1>" in sent(provider)
    assert MAIL not in sent(provider)
    assert MAIL in app.seen[0]
    assert f"You wrote: Ask {MAIL}" in app.seen[1]
    assert asked(provider) == ["You wrote: Ask <EMAIL_1>"]


def test_a_stream_through_both_mounts_is_judged_once(installed: Make, provider: Starlette) -> None:
    """The inner gate judges and restores, the outer passes what it knows; no window is asked about twice.

    Four windows, and the whole answer before the last of them leaves; fewer where text comes faster than verdicts.
    """
    text = CALM * 10 + "Write to <EMAIL_1>. " + CALM
    provider.state.script.reply = lambda body: text
    with installed() as (app, http):
        answer = http.post("/v1/chat/completions", json=chat(f"Ask {MAIL}", stream=True))
    expected = text.replace("<EMAIL_1>", MAIL)
    assert told(answer.text) == expected
    assert answer.text.endswith("data: [DONE]\n\n")
    assert "".join(app.seen[1:]) == expected
    whole = asked(provider)
    assert 2 < len(whole) == len(set(whole)) <= 5
    assert max(whole, key=len) == text
    assert MAIL not in "".join(whole)


def test_what_the_app_adds_is_judged_too(installed: Make, provider: Starlette) -> None:
    """The edge judges text that the inner mount did not release, without the originals (B19)."""
    with installed() as (app, http):
        answer = http.post("/ask", json={"question": f"Ask {MAIL}"})
    assert answer.json() == {"answer": f"Well: You wrote: Ask {MAIL}"}
    assert app.seen == [f"Ask {MAIL}", f"You wrote: Ask {MAIL}"]
    assert asked(provider) == ["You wrote: Ask <EMAIL_1>", "Well: You wrote: Ask <EMAIL_1>"]


def test_a_blocked_request_reaches_nobody(installed: Make, provider: Starlette) -> None:
    """The edge decides blocks: 403 before the app runs."""
    with installed() as (app, http):
        answer = http.post("/v1/chat/completions", json=chat(f"My card is {CARD}"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "pii.card")
    assert app.seen == []
    assert provider.state.received == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_answer_is_blocked_for_both(installed: Make, provider: Starlette, stream: bool) -> None:
    """The app and its caller read the policy's sentence with `content_filter`; it is not judged in its turn."""
    provider.state.script.reply = lambda body: "I will hurt you."
    with installed() as (app, http):
        answer = http.post("/v1/chat/completions", json=chat("hi", stream=stream))
    assert answer.status_code == 200
    assert "content_filter" in answer.text
    assert "hurt" not in answer.text + "".join(app.seen)
    assert asked(provider) == ["I will hurt you."]


def test_other_routes_pass_untouched(installed: Make) -> None:
    """Law 8: a route that nobody named passes byte for byte."""
    with installed() as (_, http):
        answer = http.get("/health")
    assert answer.json() == {"mail": MAIL}
    assert "x-guard-trace" not in answer.headers


def test_requests_at_once_keep_their_own(installed: Make, provider: Starlette) -> None:
    """B30: each request's exchange is its own, with both mounts and many callers."""
    with installed() as (_, http):

        async def ask() -> list[str]:
            async with httpx2.AsyncClient(base_url=http.base_url, timeout=60) as client:
                posts = [
                    client.post("/v1/chat/completions", json=chat(f"p{i}@corp{i}.com")) for i in range(40)
                ]
                answers = await asyncio.gather(*posts)
                return [a.json()["choices"][0]["message"]["content"] for a in answers]

        assert asyncio.run(ask()) == [f"You wrote: p{i}@corp{i}.com" for i in range(40)]
    assert "@corp" not in sent(provider)
    assert sent(provider).count("<EMAIL_1>") == 40


# clients


def test_every_client_made_afterwards_is_guarded(quiet: Guard, provider: Starlette) -> None:
    """OpenAI, AsyncOpenAI, their aliases, Azure's classes, and the module's own client."""
    guard.install(guard=quiet)
    url = provider.state.url
    azure = {"api_key": "k", "azure_endpoint": url, "api_version": "2024-10-21"}
    made = [
        openai.OpenAI(api_key="k", base_url=url),
        openai.AsyncOpenAI(api_key="k", base_url=url),
        openai.Client(api_key="k", base_url=openai.NOT_GIVEN),
        openai.AsyncClient(api_key="k"),
        openai.AzureOpenAI(**azure),  # type: ignore[call-overload]
        openai.AsyncAzureOpenAI(**azure),  # type: ignore[call-overload]
    ]
    assert all(is_guarded(client._client) for client in made)
    assert all(is_guarded(client.with_options(max_retries=1)._client) for client in made)


def test_azure_calls_are_guarded(quiet: Guard, provider: Starlette) -> None:
    """An Azure client's deployment path is the same endpoint: redacted, with its `api-version`."""
    guard.install(guard=quiet)
    endpoint = provider.state.url.removesuffix("/v1")
    client = openai.AzureOpenAI(api_key="k", azure_endpoint=endpoint, api_version="2024-10-21", max_retries=0)
    with pytest.raises(openai.NotFoundError):  # the simulated provider is no Azure
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": MAIL}])
    (row,) = provider.state.received
    assert row.path == "/openai/deployments/m/chat/completions"
    assert row.query == b"api-version=2024-10-21"
    assert MAIL.encode() not in row.body
    assert dict(row.headers)[b"api-key"] == b"k"
    client.close()


def test_the_modules_own_client_is_guarded(
    quiet: Guard, provider: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`openai.chat.completions.create(…)` makes its client at first use: it is guarded like any other."""
    guard.install(guard=quiet)
    monkeypatch.setattr(openai, "api_key", "k")
    monkeypatch.setattr(openai, "base_url", f"{provider.state.url}/")
    answer = openai.chat.completions.create(model="m", messages=[{"role": "user", "content": MAIL}])
    assert answer.choices[0].message.content == f"You wrote: {MAIL}"
    assert MAIL.encode() not in provider.state.received[0].body


def test_an_own_http_client_is_refused(quiet: Guard) -> None:
    """C29: a client that brings its own HTTP client is an error that names it; a guarded one is welcome."""
    import httpx

    guard.install(guard=quiet)
    with httpx2.Client() as modern, httpx.Client() as legacy:
        with pytest.raises(SetupError, match=r"its own http_client \(httpx2\.Client\)"):
            openai.OpenAI(api_key="k", http_client=modern)
        with pytest.raises(SetupError, match=r"its own http_client \(httpx\.Client\)"):
            openai.OpenAI(api_key="k", http_client=legacy)  # type: ignore[arg-type]
    with guard.guarded_client(guard=quiet, sync=True) as own:
        assert openai.OpenAI(api_key="k", http_client=own)._client is own


def test_clients_that_exist_are_named(quiet: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """A client from before `install` stays as it is, is named at the start, and cannot be copied unguarded."""
    before = openai.OpenAI(api_key="k", base_url="https://llm.example/v1")
    older = openai.AzureOpenAI(api_key="k", azure_endpoint="https://a.openai.azure.com", api_version="v")
    guard.install(guard=quiet)
    (line,) = [r.getMessage() for r in caplog.records if "made before" in r.getMessage()]
    assert "openai.OpenAI for llm.example" in line
    assert "openai.AzureOpenAI for a.openai.azure.com" in line
    assert not is_guarded(before._client)
    with pytest.raises(SetupError):
        before.with_options(max_retries=1)
    before.close()
    older.close()


def test_uninstall_gives_the_constructors_back(quiet: Guard) -> None:
    """Clients made afterwards are the SDK's own again; those made in between stay guarded."""
    plain = (openai.OpenAI.__init__, openai.AsyncOpenAI.__init__)
    guard.install(guard=quiet)
    assert openai.OpenAI.__init__ is not plain[0]
    between = openai.OpenAI(api_key="k")
    guard.uninstall()
    assert (openai.OpenAI.__init__, openai.AsyncOpenAI.__init__) == plain
    after = openai.OpenAI(api_key="k")
    assert is_guarded(between._client)
    assert not is_guarded(after._client)
    guard.uninstall()
    guard.install(guard=quiet)
    assert is_guarded(openai.OpenAI(api_key="k")._client)
    after.close()


def test_installing_twice_is_an_error(quiet: Guard) -> None:
    """Two policies for one process would be a riddle: the second install says what to do."""
    guard.install(guard=quiet)
    with pytest.raises(SetupError, match=r"call guard\.uninstall\(\) first"):
        guard.install(guard=quiet)


def test_an_app_that_serves_already_changes_nothing(quiet: Guard) -> None:
    """Where the middleware cannot be added, no client is patched either."""
    app, plain = Starlette(), openai.OpenAI.__init__
    app.middleware_stack = app.build_middleware_stack()
    with pytest.raises(RuntimeError):
        guard.install(app, guard=quiet)
    assert openai.OpenAI.__init__ is plain


def test_an_environment_that_points_elsewhere_stops_the_client(
    make_guard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C26: OPENAI_BASE_URL to a host that the policy does not admit is an error at construction."""
    guard.install(guard=make_guard(owner="install environment"))
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/v1")
    with pytest.raises(SetupError, match="OPENAI_BASE_URL is set"):
        openai.OpenAI(api_key="k")


def test_a_policy_by_name(tmp_path: Path, make_guard: Any) -> None:
    """`install(policy=…)` makes its own guard of a pack or a file, and returns it."""
    (tmp_path / "p.yaml").write_text(make_guard.quiet)
    found = guard.install(policy=tmp_path / "p.yaml")
    assert found.policy.policy == "quiet"
    found.close()
