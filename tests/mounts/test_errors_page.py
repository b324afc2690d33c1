"""docs/errors.md is held to the code: each code has its row, and errors are produced on purpose."""

from __future__ import annotations

import ast
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from guard import Gateway
from guard.cli import audit
from guard.cli.serve import _check_port
from guard.errors import SetupError
from guard.keyring import load_keys
from guard.kinds import KINDS
from guard.mounts.gateway import ClientKeys
from guard.outside.stores.clientkeys import KeyFile
from guard.settings import Settings
from guard.trace.signing import PRIVATE, load_signer

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text()
RAISED = {"Refused": 0, "BadRequest": 1, "Outage": 0, "error_body": 0, "error_event": 0}
JSON = (b"content-type", b"application/json")


def rows() -> list[tuple[str, str]]:
    """Statuses and codes of every row of the tables of refusals."""
    return re.findall(
        r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \| [^|]+ \|$", PAGE.split("## On the command line")[0], re.M
    )


def told() -> set[str]:
    return {code for _, codes in rows() for code in re.findall(r"`([a-z_]+(?:[./][a-z_]+)*)`", codes)}


def raised() -> Iterator[str]:
    """Every code that stands as a text where an error is made."""
    for path in (ROOT / "guard").rglob("*.py"):
        if "simulator" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            name = (
                getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            )
            at = RAISED.get(name)
            if at is not None and isinstance(node, ast.Call) and len(node.args) > at:
                code = node.args[at]
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    yield code.value


def test_every_code_has_its_row() -> None:
    """What is raised by name stands on the page; kinds stand there by family; no row tells of a code that is none."""
    found = set(raised())
    assert len(found) > 25
    assert found <= told() | KINDS
    families = {f"upstream_{kind}" for kind in ("connect", "closed", "timeout", "encoding")}
    families |= {"retries_exhausted", "circuit_open", "legacy.engine_path", "ambiguous_length"}
    families |= {f"too_many_{what}" for what in ("messages", "tools", "parts")}
    assert told() <= found | families | KINDS


@pytest.fixture
def gateway(make_guard: Any, provider: Any) -> Gateway:
    text = make_guard.quiet + "input: {rules: {pii.card: block}}\n"
    return Gateway(make_guard(text, max_body_bytes=20_000, max_messages=20), upstream=provider.state.url)


CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PRODUCED: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("403", "pii.card", {**CHAT, "user": "4929 1234 5678 9015"}, {}),
    ("403", "guard.opaque.field", {**CHAT, "own": 1}, {}),
    ("403", "guard.opaque.endpoint", {}, {"path": "/v1/files"}),
    ("400", "invalid_json", b"{", {}),
    ("400", "invalid_json", b'{"a":1,"a":2}', {}),
    ("400", "invalid_body", b"[]", {}),
    ("400", "repeated_header", CHAT, {"headers": [JSON, (b"authorization", b"a"), (b"authorization", b"b")]}),
    ("400", "unknown_policy", CHAT, {"headers": [JSON, (b"x-guard-policy", b"none")]}),
    ("400", "legacy.engine", {"engine": "m", "prompt": "x"}, {"path": "/v1/completions"}),
    ("400", "legacy.functions", {**CHAT, "functions": [{"name": "f", "parameters": {}}]}, {}),
    ("413", "body_too_large", {**CHAT, "user": "x" * 30_000}, {}),
    ("413", "too_many_messages", {**CHAT, "messages": CHAT["messages"] * 30}, {}),
    ("415", "guard.opaque.encoding", CHAT, {"headers": [JSON, (b"content-encoding", b"zstd")]}),
    ("415", "guard.opaque.encoding", CHAT, {"headers": [(b"content-type", b"text/html")]}),
    ("502", "upstream_closed", CHAT, {"fault": "disconnect"}),
    ("502", "upstream_not_json", CHAT, {"fault": "bad_json"}),
    ("451", "egress.redirect", CHAT, {"fault": "redirect"}),
]


@pytest.mark.parametrize(("status", "code", "body", "how"), PRODUCED)
async def test_refusals_on_purpose(
    gateway: Gateway, provider: Any, kit: Any, status: str, code: str, body: Any, how: dict[str, Any]
) -> None:
    """Each has the status and code of its row, a sentence, and the API's own form."""
    asked = dict(how)
    if fault := asked.pop("fault", ""):
        provider.state.script.fail("chat", fault)
    answer = await kit.request(gateway, asked.pop("path", "/v1/chat/completions"), body, **asked)
    assert (str(answer.status), answer.code) == (status, code)
    assert set(answer.json["error"]) == {"message", "type", "code", "param"}
    assert answer.json["error"]["message"]
    word = "a kind" if code.startswith("pii.") else f"`{code}`"
    assert [codes for statuses, codes in rows() if status in statuses and word in codes]


def sentences() -> list[re.Pattern[str]]:
    lines = re.findall(r"^\| `([^`]+)` \| [^|]+ \|$", PAGE.split("## On the command line")[1], re.M)
    return [re.compile(".+".join(map(re.escape, line.split("…")))) for line in lines]


def starts(make_guard: Any, provider: Any, folder: Path) -> Iterator[Callable[[], Any]]:
    """What must not start, one for each sentence of the page."""
    url, quiet = provider.state.url, make_guard()
    yield lambda: Gateway(quiet, upstream=url).check("0.0.0.0")
    yield lambda: Gateway(make_guard(client_keys="a:key-a"), upstream=url).check("127.0.0.1")
    yield lambda: ClientKeys("acme")
    yield lambda: load_keys(Settings(key="short"))
    eu = make_guard(make_guard.quiet.replace("[default]", "[eu]"))
    yield lambda: Gateway(eu, upstream=url).check("127.0.0.1")
    keys = KeyFile(folder / "keys.json", b"p" * 32)
    keys.create("acme", "caller")
    keys.path.chmod(0o644)
    yield keys.read
    load_signer(folder)
    (folder / PRIVATE).chmod(0o644)
    yield lambda: load_signer(folder)
    yield lambda: make_guard(heads="http://heads.example.org/")
    bucket = "s3+https://s3.eu-west-1.amazonaws.com/audit"
    yield lambda: make_guard(heads=bucket.replace("https", "http"))
    yield lambda: make_guard(heads=bucket)
    yield lambda: make_guard(heads=bucket, heads_key_id="id", heads_secret="secret")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield lambda: _check_port("127.0.0.1", taken.getsockname()[1])
    yield lambda: _verb(["key"], folder / "none")


def _verb(arguments: list[str], home: Path) -> None:
    ran = CliRunner().invoke(audit.app, arguments, env={"GUARD_HOME": str(home)})
    assert ran.exception is not None
    raise ran.exception


def test_starts_on_purpose(make_guard: Any, provider: Any, tmp_path: Path) -> None:
    """Each sentence of the page is said, once, by what it is about; and each of these is on the page."""
    left = sentences()
    for start in starts(make_guard, provider, tmp_path):
        with pytest.raises(SetupError) as stopped:
            start()
        [said] = [one for one in left if one.fullmatch(str(stopped.value))]
        left.remove(said)
    assert left == []
