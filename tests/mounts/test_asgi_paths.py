"""Which requests are guarded: every spelling that reaches a handler, under every mount; sockets are refused."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route, WebSocketRoute

from guard import Guard, GuardMiddleware
from guard.simulator.server import serve

pytestmark = pytest.mark.anyio

CARD = "4111 1111 1111 1111"
CHAT = "/v1/chat/completions"

SPELLINGS = [
    "/v1/chat/completions",
    "/v1/chat/completions/",
    "//v1/chat/completions",
    "/v1//chat/completions",
    "/v1/chat//completions",
    "/v1/%63hat/completions",
    "/v1/chat%2Fcompletions",
    "/v1/chat%2fcompletions",
    "%2Fv1%2Fchat%2Fcompletions",
    "/v1/%2563hat/completions",
    "/v1/chat/completions%00",
    "/v1/chat/completions%20",
    "/v1/chat/completions%0A",
    "/v1/./chat/completions",
    "/v1/x/../chat/completions",
    "/v1/chat/x/../completions",
    "/v1/%2E/chat/completions",
    "/v1/x/%2E%2E/chat/completions",
    "/v1/chat/completions;x",
    "/v1/chat;x=1/completions",
    "/v1/chat/completions;jsessionid=1",
    "/V1/CHAT/COMPLETIONS",
    "/v1/Chat/Completions",
    "/v1\\chat\\completions",
    "/v1/chat%5Ccompletions",
    "/v1/chat/completions?x=1",
    "/v1/chat/completions%3Fx=1",
    "/v1/chat/completions%23x",
    "/v1/chat/completions.",
    "/v1/chat/completions%E2%80%8B",
    "/v1/ｃｈａｔ/completions",
    "/api/v1/chat/completions",
    "/openai/deployments/gpt/chat/completions",
    "/chat/completions",
    "http://app.test/v1/chat/completions",
]


class Handler:
    """A chat handler that keeps the text it was given."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def chat(self, request: Any) -> JSONResponse:
        body = orjson.loads(await request.body())
        self.texts.append(body["messages"][0]["content"])
        return JSONResponse({"id": "x", "object": "chat.completion", "choices": []})


class Lenient:
    """What some servers and routers do: undo codes again, merge slashes, resolve dots, cut parameters, ignore case."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = unquote(unquote(scope["path"])).replace("\\", "/").lower()
        path = path.split("?")[0].split("#")[0].replace("\0", "").strip(" \n")
        kept: list[str] = []
        for part in (p.split(";")[0] for p in path.split("/") if p not in ("", ".")):
            kept = kept[:-1] if part == ".." else [*kept, part]
        tail = kept[-2:] if kept[-2:] == ["chat", "completions"] else kept
        await self.app({**scope, "path": "/v1/" + "/".join(tail), "root_path": ""}, receive, send)


@pytest.mark.parametrize("router", ["starlette", "lenient"])
async def test_whenever_the_handler_runs_guard_ran(kit: Any, quiet: Guard, router: str) -> None:
    """A39: 35 spellings of one path: each either misses the handler or reaches it with the screened text."""
    handler = Handler()
    app: Any = Starlette(routes=[Route(CHAT, handler.chat, methods=["POST"])])
    app = GuardMiddleware(Lenient(app) if router == "lenient" else app, guard=quiet)
    for spelling in SPELLINGS:
        await kit.request(app, unquote(spelling.split("?")[0]), kit.chat(f"my card is {CARD}"))
    assert set(handler.texts) == {"my card is <CARD_1>"}
    assert len(handler.texts) >= (3 if router == "starlette" else 28)


async def test_raw_spellings_on_a_real_server(quiet: Guard) -> None:
    """A39: the same spellings as request targets on uvicorn, byte for byte."""
    handler = Handler()
    app = Starlette(routes=[Route(CHAT, handler.chat, methods=["POST"])])
    body = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": f"my card is {CARD}"}]})
    with serve(GuardMiddleware(app, guard=quiet)) as url:
        port = int(url.rsplit(":", 1)[1])
        for spelling in SPELLINGS:
            with socket.create_connection(("127.0.0.1", port)) as client:
                head = f"POST {spelling} HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\n"
                head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
                client.sendall(head.encode() + body)
                while client.recv(65536):
                    pass
    assert set(handler.texts) == {"my card is <CARD_1>"}
    assert len(handler.texts) >= 3


def mounted(handler: Handler, path: str = CHAT, *, middleware: Any = ()) -> Starlette:
    return Starlette(routes=[Route(path, handler.chat, methods=["POST"])], middleware=list(middleware))


@pytest.mark.parametrize(
    ("build", "path", "root"),
    [
        ("outer", "/v1/chat/completions", ""),
        ("outer", "/proxy/v1/chat/completions", "/proxy"),
        ("outer over a mount", "/sub/v1/chat/completions", ""),
        ("outer over a mount", "/proxy/sub/v1/chat/completions", "/proxy"),
        ("outer over two mounts", "/a/b/v1/chat/completions", ""),
        ("on the sub-app", "/sub/v1/chat/completions", ""),
        ("on the sub-app", "/proxy/sub/v1/chat/completions", "/proxy"),
        ("on both", "/sub/v1/chat/completions", ""),
    ],
)
async def test_every_mount_is_guarded(kit: Any, quiet: Guard, build: str, path: str, root: str) -> None:
    """A40: on the outer app, on a sub-app, under nested mounts and a root path, no route escapes."""
    handler, guarded = Handler(), [Middleware(GuardMiddleware, guard=quiet)]
    apps: dict[str, Any] = {
        "outer": lambda: mounted(handler, middleware=guarded),
        "outer over a mount": lambda: Starlette(routes=[Mount("/sub", mounted(handler))], middleware=guarded),
        "outer over two mounts": lambda: Starlette(
            routes=[Mount("/a", Starlette(routes=[Mount("/b", mounted(handler))]))], middleware=guarded
        ),
        "on the sub-app": lambda: Starlette(routes=[Mount("/sub", mounted(handler, middleware=guarded))]),
        "on both": lambda: Starlette(
            routes=[Mount("/sub", mounted(handler, middleware=guarded))], middleware=guarded
        ),
    }
    answer = await kit.request(apps[build](), path, kit.chat(f"my card is {CARD}"), root_path=root)
    assert answer.status == 200, answer.body
    assert handler.texts == ["my card is <CARD_1>"]


@pytest.mark.parametrize("name", ["/v1/responses", "/v1/completions", "/v1/embeddings", "/v1/moderations"])
async def test_every_known_endpoint_is_guarded(kit: Any, quiet: Guard, name: str) -> None:
    """A40: the other model endpoints too, under any prefix."""
    echo = kit.Echo()
    field = "prompt" if name.endswith("/completions") else "input"
    for prefix in ("", "/mounted", "/openai"):
        await kit.request(
            GuardMiddleware(echo, guard=quiet), prefix + name, {"model": "m", field: f"card {CARD}"}
        )
    assert [orjson.loads(body)[field] for body in echo.bodies] == ["card <CARD_1>"] * 3


async def test_the_host_decides_nothing(kit: Any, quiet: Guard) -> None:
    """A41: `Host: x/health?` and an absolute target do not change the path that is guarded."""
    handler = Handler()
    app = Starlette(
        routes=[Route(CHAT, handler.chat, methods=["POST"])],
        middleware=[Middleware(GuardMiddleware, guard=quiet)],
    )
    body = kit.chat(f"my card is {CARD}")
    for host in (b"x/health?", b"x/health#", b"127.0.0.1:80@evil.test/", b""):
        headers = [(b"host", host), (b"content-type", b"application/json")]
        await kit.request(app, CHAT, body, headers=headers, query_string=b"path=/health")
    assert handler.texts == ["my card is <CARD_1>"] * 4


async def test_what_is_not_guarded_passes_untouched(kit: Any, quiet: Guard) -> None:
    """A40: another route gets the very scope, receive and send of the server."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend((scope, receive, send))

    connection = kit.Connection([b"x"])
    for path in ("/", "/health", "/models", "/responses", "/v1", "/chat", "/v1/chat", "/v1/models", "/login"):
        seen.clear()
        scope = kit.scope(path)
        await GuardMiddleware(app, guard=quiet)(scope, connection.receive, connection.send)
        assert seen[0] is scope
        assert seen[1:] == [connection.receive, connection.send]


SOCKETS = ["/v1/realtime", "/v1/responses", CHAT, "/v1/%72ealtime", "/mounted/v1/realtime/", "/v1/live"]


@pytest.mark.parametrize("path", SOCKETS)
async def test_websockets_on_guarded_paths_are_refused(kit: Any, quiet: Guard, path: str) -> None:
    """A15: guard cannot screen a socket: it is closed with 1008 before the application hears of it."""
    echo = kit.Echo()
    sent = await connect(GuardMiddleware(echo, guard=quiet), kit, path)
    assert [(m["type"], m["code"]) for m in sent] == [("websocket.close", 1008)]
    assert echo.scopes == []


async def test_the_application_s_own_websockets_pass(kit: Any, quiet: Guard) -> None:
    """A15: sockets on other paths are the application's own."""

    async def endpoint(websocket: Any) -> None:
        await websocket.accept()
        await websocket.close(4000)

    app = Starlette(
        routes=[WebSocketRoute("/ws", endpoint)], middleware=[Middleware(GuardMiddleware, guard=quiet)]
    )
    sent = await connect(app, kit, "/ws")
    assert [m["type"] for m in sent] == ["websocket.accept", "websocket.close"]


async def connect(app: Any, kit: Any, path: str) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {k: v for k, v in kit.scope(unquote(path)).items() if k != "method"}
    await app({**scope, "type": "websocket", "scheme": "ws", "subprotocols": []}, receive, send)
    return sent


ROUTES = """
routes:
  "POST /ask": {input: [$.question], output: [$.answer]}
  "POST /people/{id}/ask": {input: ["*"], output: ["*"]}
  "PUT /files/{rest:path}": {input: [$.text], output: []}
  "POST /export/{name}.csv": {input: ["*"], output: []}
"""


@pytest.fixture(scope="session")
def routed(make_guard: Any) -> Guard:
    return make_guard(make_guard.quiet + ROUTES)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/ask"),
        ("POST", "/ask/"),
        ("POST", "//ask"),
        ("POST", "/ASK"),
        ("POST", "/%61sk"),
        ("POST", "/ask;x"),
        ("POST", "/people/7/ask"),
        ("POST", "/people/../ask"),
        ("POST", "/people/;x/ask"),
        ("POST", "/people/%00/ask"),
        ("POST", "/people/ /ask"),
        ("PUT", "/files/a"),
        ("PUT", "/files/a/b/c"),
        ("PUT", "/files/../x"),
        ("PUT", "/files/"),
        ("POST", "/export/all.csv"),
    ],
)
async def test_named_routes_are_guarded_in_every_spelling(
    kit: Any, routed: Guard, method: str, path: str
) -> None:
    """A39: a route that the policy names is guarded however it is spelled, whatever its parameters are."""
    echo = kit.Echo()
    body = {"question": f"card {CARD}", "text": f"card {CARD}", "messages": []}
    await kit.request(GuardMiddleware(echo, guard=routed), unquote(path), body, method=method)
    assert "<CARD_1>" in echo.bodies[0].decode()


@pytest.mark.parametrize(
    ("path", "root"), [("/proxy/ask", "/proxy"), ("/a/b/ask", "/a/b"), ("/a/ask", "/a/")]
)
async def test_a_named_route_is_known_below_a_root_path(
    kit: Any, routed: Guard, path: str, root: str
) -> None:
    """A40: behind a proxy, or on a mounted sub-app, a policy's `/ask` is the application's own `/ask`."""
    echo = kit.Echo()
    await kit.request(GuardMiddleware(echo, guard=routed), path, {"question": CARD}, root_path=root)
    assert echo.body == {"question": "<CARD_1>"}


@pytest.mark.parametrize("name", [b"X-HTTP-Method-Override", b"x-method-override", b"X-HTTP-Method"])
async def test_an_override_names_the_route_too(kit: Any, routed: Guard, name: bytes) -> None:
    """A14: a GET that a header turns into the named POST is guarded as that POST."""
    echo = kit.Echo()
    headers = [(b"content-type", b"application/json"), (name, b"post")]
    body = {"question": f"card {CARD}"}
    await kit.request(GuardMiddleware(echo, guard=routed), "/ask", body, method="GET", headers=headers)
    assert echo.body == {"question": "card <CARD_1>"}


async def test_another_method_of_a_named_path_passes(kit: Any, routed: Guard) -> None:
    """A40: `POST /ask` is named, so `GET /ask` is not touched; a socket there is refused all the same."""
    echo = kit.Echo()
    echo.headers, echo.reply = [(b"content-type", b"text/html")], b"<form>"
    answer = await kit.request(GuardMiddleware(echo, guard=routed), "/ask", method="GET", headers=[])
    assert (answer.body, answer.header("x-guard-trace")) == (b"<form>", None)
    sent = await connect(GuardMiddleware(echo, guard=routed), kit, "/ask")
    assert [m["type"] for m in sent] == ["websocket.close"]
