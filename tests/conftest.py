"""What holds for every test: no connection leaves the machine, no file of the user is touched; one provider for all."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from starlette.applications import Starlette

# Slow machines must not make a property fail; in CI the same examples are drawn every time.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")

# What a developer's shell may hold and no test may see.
_FOREIGN = ("GUARD_", "OPENAI_", "OTEL_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")

_INTERNET = (socket.AF_INET, socket.AF_INET6)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """guard runs on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def _provider() -> Iterator[tuple[Starlette, str]]:
    from guard.simulator.app import create_app
    from guard.simulator.server import serve

    app = create_app()
    with serve(app) as url:
        yield app, url


@pytest.fixture
def provider(_provider: tuple[Starlette, str]) -> Starlette:
    """The simulated provider, as new: `state.script`, `state.received`, `state.url` (with /v1)."""
    from guard.simulator.script import Script

    app, url = _provider
    app.state.script = Script()
    app.state.received.clear()
    app.state.url = f"{url}/v1"
    return app


@pytest.fixture
def tokenizer_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put small tokenizers into a folder, and give it: every byte is a token, and so are runs of up to 128 `a`."""
    from guard.outside import tokenizers

    def put(*names: str, most: int = 8) -> Path:
        words = [*(bytes([code]) for code in range(256)), *(b"a" * 2**power for power in range(1, most))]
        data = b"".join(base64.b64encode(word) + b" %d\n" % rank for rank, word in enumerate(words))
        folder = tmp_path / "tokenizers"
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / f"{name}.tiktoken").write_bytes(data)
            monkeypatch.setitem(tokenizers.SHA256, name, hashlib.sha256(data).hexdigest())
        return folder

    return put


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys and exports go to a folder of this run, and no setting of the machine is seen."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.upper().startswith(_FOREIGN):
                patch.delenv(name)
        patch.setenv("GUARD_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("GUARD_EXPORTS", str(tmp_path_factory.mktemp("exports")))
        yield


@pytest.fixture(scope="session")
def _outward() -> Iterator[list[str]]:
    """Refuse and note every connection and look-up that would leave the machine."""
    noted: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for method in ("connect", "connect_ex", "sendto"):
            patch.setattr(socket.socket, method, _only_here(getattr(socket.socket, method), noted))
        patch.setattr(socket, "getaddrinfo", _only_local_names(socket.getaddrinfo, noted))
        yield noted


@pytest.fixture(autouse=True)
def outward(_outward: list[str]) -> Iterator[list[str]]:
    """Fail a test that tried to leave the machine, even where the code swallowed the refusal."""
    _outward.clear()
    yield _outward
    assert not _outward, f"this test tried to reach {_outward}"


def _only_here(method: Callable[..., Any], noted: list[str]) -> Callable[..., Any]:
    def guarded(self: socket.socket, *args: Any) -> Any:
        address = args[-1]
        if self.family in _INTERNET and isinstance(address, tuple) and not _is_local(address[0]):
            noted.append(f"{address[0]}:{address[1]}")
            raise OSError(f"tests may not connect to {address[0]}")
        return method(self, *args)

    return guarded


def _only_local_names(lookup: Callable[..., Any], noted: list[str]) -> Callable[..., Any]:
    def guarded(host: Any, *args: Any, **options: Any) -> Any:
        if not _is_local(host):
            noted.append(str(host))
            raise socket.gaierror(socket.EAI_NONAME, f"tests may not look up {host}")
        return lookup(host, *args, **options)

    return guarded


def _is_local(host: Any) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
