"""An ASGI server by hand, guards of small policies that are made once, and the simulated provider."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette

from guard import Guard
from guard.build import build
from guard.settings import Settings
from guard.simulator.app import create_app
from guard.simulator.script import Script
from guard.simulator.server import serve


# Tests are no package: the kit is put where `import client_kit` finds it.
def _kit(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault(name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


clients, providers = _kit("client_kit"), _kit("providers_kit")

QUIET = """
policy: quiet
version: "1"
extends: [default]
recognizers: {presidio: {recognizers: []}}
restore: {tools: [send, pay]}
output: {rules: {"moderation.*": allow, "moderation.sexual/minors": allow, "moderation.self-harm*": allow}}
"""
JUDGING = (
    'policy: judging\nversion: "1"\nextends: [default]\nrecognizers: {presidio: {recognizers: []}}\n'
    "restore: {tools: [send, pay]}\n"
)


class Answer:
    """What an ASGI server was sent: every message, and what they mean together."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return list(self.messages[0]["headers"])

    def header(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) < 2, f"{name} was sent twice"
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        return [v.decode() for k, v in self.headers if k.decode().lower() == name]

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages if m["type"] == "http.response.body")

    @property
    def complete(self) -> bool:
        last = self.messages[-1] if self.messages else {"type": ""}
        return last["type"] == "http.response.body" and not last.get("more_body", False)

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


class Connection:
    """One request as a server hands it to an application: `pieces` one a message, then silence, then the end.

    `leave` is set by the test (or after `leave_after` messages were sent) to let the client go.
    """

    def __init__(self, pieces: Sequence[bytes | dict[str, Any]], leave_after: int | None = None) -> None:
        self.answer = Answer()
        self.leave = asyncio.Event()
        self.ended = asyncio.Event()
        self.received = 0
        self._messages = [self._message(p, i < len(pieces) - 1) for i, p in enumerate(pieces)]
        self._leave_after = leave_after

    @staticmethod
    def _message(piece: bytes | dict[str, Any], more: bool) -> dict[str, Any]:
        if isinstance(piece, dict):
            return {"type": "http.request", **piece}
        return {"type": "http.request", "body": piece, "more_body": more}

    async def receive(self) -> dict[str, Any]:
        self.received += 1
        if self._messages:
            return self._messages.pop(0)
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.answer.messages.append(dict(message))
        if self._leave_after is not None and len(self.answer.messages) >= self._leave_after:
            self.leave.set()
        if self.answer.complete:
            self.ended.set()
        await asyncio.sleep(0)


def http_scope(path: str, method: str = "POST", headers: Any = (), **more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"app.test"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        **more,
    }


async def request(
    app: Any,
    path: str = "/v1/chat/completions",
    body: Any = b"",
    *,
    method: str = "POST",
    headers: Sequence[tuple[bytes, bytes]] | None = None,
    pieces: Sequence[Any] | None = None,
    leave_after: int | None = None,
    connection: Connection | None = None,
    **scope: Any,
) -> Answer:
    """Send one request by hand; a body that is no bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    if headers is None:
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
    connection = connection or Connection([data] if pieces is None else pieces, leave_after)
    await app(http_scope(path, method, headers, **scope), connection.receive, connection.send)
    return connection.answer


class Echo:
    """An application that keeps what it was given and answers with what the test says."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.scopes: list[dict[str, Any]] = []
        self.reply: Any = completion("fine")
        self.status = 200
        self.headers: list[tuple[bytes, bytes]] = [(b"content-type", b"application/json")]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        out = self.reply if isinstance(self.reply, bytes) else orjson.dumps(self.reply)
        headers = [*self.headers, (b"content-length", str(len(out)).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": out})

    @property
    def body(self) -> Any:
        assert len(self.bodies) == 1
        return orjson.loads(self.bodies[0])


class Stream:
    """An application that streams events, cut as the test says."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.pieces = pieces
        self.gone = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body", False):
            pass
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in self.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def completion(text: str, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m"}
    return {**head, "choices": [choice], **more}


def chat(text: Any, **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def sse(*events: Any) -> bytes:
    """Events as the provider sends them: JSON values, or lines as they are."""
    rows = [e if isinstance(e, bytes) else b"data: " + orjson.dumps(e) + b"\n\n" for e in events]
    return b"".join(rows)


def chunk(text: str | None = None, finish: str | None = None, index: int = 0) -> dict[str, Any]:
    delta = {} if text is None else {"content": text}
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**head, "choices": [choice]}


def told(body: bytes, index: int = 0) -> str:
    """The text of one choice that a client reads out of a stream."""
    rows = [line[6:] for line in body.decode().split("\n") if line.startswith("data: {")]
    choices = [c for row in rows for c in orjson.loads(row).get("choices", ()) if c["index"] == index]
    return "".join(c["delta"].get("content") or "" for c in choices)


class Kit:
    """The tools above, for tests."""

    Answer, Connection, Echo, Stream = Answer, Connection, Echo, Stream
    request = staticmethod(request)
    scope = staticmethod(http_scope)
    completion, chat, sse, chunk, told = map(staticmethod, (completion, chat, sse, chunk, told))
    done = b"data: [DONE]\n\n"
    quiet = QUIET


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    return Kit


Make = Any


@pytest.fixture(scope="session")
def make_guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Guards by policy text and settings, each made once a run, their exports in folders of their own."""
    made: dict[Any, Guard] = {}
    home = tmp_path_factory.mktemp("keys")

    def make(text: str = QUIET, owner: str = "", **settings: Any) -> Guard:
        text += f"owner: {owner}\n" if owner else ""
        key = (text, *sorted((name, str(value)) for name, value in settings.items()))
        if key not in made:
            folder = tmp_path_factory.mktemp("guard")
            (folder / "policy.yaml").write_text(text)
            made[key] = Guard.from_policy(
                folder / "policy.yaml", Settings(home=home, exports=folder / "exports", **settings)
            )
        return made[key]

    make.quiet, make.judging = QUIET, JUDGING  # type: ignore[attr-defined]
    yield make
    for guard in made.values():
        guard.close()


@pytest.fixture(scope="session")
def quiet(make_guard: Make) -> Guard:
    """`default` without moderation and without Presidio."""
    return make_guard()


@pytest.fixture(scope="session")
def _other() -> Iterator[tuple[Starlette, str]]:
    app = create_app()
    with serve(app) as url:
        yield app, url


@pytest.fixture
def other(_other: tuple[Starlette, str]) -> Starlette:
    """A second provider, at another host of this machine."""
    app, url = _other
    app.state.script = Script()
    app.state.received.clear()
    app.state.url = f"{url}/v1"
    return app


@pytest.fixture(scope="module")
def naming(
    tmp_path_factory: pytest.TempPathFactory, _provider: Any, _other: Any
) -> Iterator[Callable[..., Guard]]:
    """Guards whose policy names the first provider as `a` and the second as `b`, each with a key of its own."""
    with providers.making(
        lambda: tmp_path_factory.mktemp("providers"), QUIET, _provider[1], _other[1]
    ) as make:
        yield make


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def connect(
    request: pytest.FixtureRequest, provider: Starlette, quiet: Guard
) -> Iterator[Callable[..., Any]]:
    """The official client over mount (b), blocking and not."""
    with clients.connecting(request.param, quiet, provider.state.url) as make:
        yield make


@pytest.fixture
def judging(make_guard: Make, provider: Starlette) -> Guard:
    """`default` without Presidio, judged by the simulated provider; no score is remembered."""
    return make_guard(
        JUDGING + "moderation: {cache_s: 0}\n", moderation_url=provider.state.url, moderation_key="sk-judge"
    )


Spans = Callable[..., Awaitable[list[dict[str, Any]]]]


def read_spans(folder: Path, trace: str = "") -> list[dict[str, Any]]:
    """The spans of an exports folder in the order of the record: name, trace and attributes.

    A line that is just being written is no record yet.
    """
    found = []
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_bytes().split(b"\n")[:-1]:
            scopes = orjson.loads(line)["resourceSpans"][0]["scopeSpans"]
            found += [_flat(s) for scope in scopes for s in scope["spans"] if s["traceId"].startswith(trace)]
    return found


def _flat(span: dict[str, Any]) -> dict[str, Any]:
    values = {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}
    times = {"start": int(span["startTimeUnixNano"]), "end": int(span["endTimeUnixNano"])}
    return {
        "name": span["name"],
        "trace": span["traceId"],
        "events": span.get("events", []),
        **times,
        **values,
    }


@pytest.fixture(scope="session")
def spans() -> Spans:
    """Read the spans of one exchange, once there are as many as the test expects and no more are coming."""

    async def read(guard: Guard, trace: str, count: int = 2) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        still = 0
        for _ in range(1500):
            before, found = len(found), read_spans(guard.settings.exports, trace)
            still = still + 1 if len(found) == before else 0
            if len(found) >= count and still >= 8:  # an outcome rides with the ledger's next batch
                break
            await asyncio.sleep(0.02)
        return found

    return read


@contextlib.asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Run the lifespan of an application; yields the answer to its start-up."""
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    task = asyncio.ensure_future(app(scope, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    answer = asyncio.ensure_future(outbox.get())
    await asyncio.wait({task, answer}, return_when=asyncio.FIRST_COMPLETED)
    yield answer.result() if answer.done() else {"type": "none"}
    answer.cancel()
    if not task.done():
        await inbox.put({"type": "lifespan.shutdown"})
    await task


@pytest.fixture(scope="session")
def run_lifespan() -> Any:
    return lifespan


@pytest.fixture
def housed(tmp_path: Path) -> Iterator[Callable[..., Guard]]:
    """Guards of policies by their text, each in a home of its own, with the stores that it keeps there."""
    made: list[Guard] = []

    def make(text: str, **settings: Any) -> Guard:
        file = tmp_path / f"{len(made)}.yaml"
        file.write_text(text)
        home = tmp_path / f"home{len(made)}"
        made.append(build(file, Settings(home=home, exports=home / "exports", **settings), detecting=False))
        return made[-1]

    yield make
    for guard in made:
        guard.close()
