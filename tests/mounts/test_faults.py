"""E05: a provider whose connection fails in every way, in every phase: each has its outcome, and nothing hangs."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import client_kit as clients
import openai
import pytest
from starlette.applications import Starlette

from guard import Guard

_spec = importlib.util.spec_from_file_location("fault_proxy", Path(__file__).with_name("fault_proxy.py"))
assert _spec is not None
assert _spec.loader is not None
proxies = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(proxies)

TEXT = "some words of an answer " * 12
PATIENCE_S = 0.25
Connect = Callable[..., Any]


@pytest.fixture(scope="module")
def _proxy(_provider: tuple[Starlette, str]) -> Iterator[Any]:
    proxy = proxies.FaultProxy(int(_provider[1].rpartition(":")[2]))
    yield proxy
    proxy.close()


@pytest.fixture
def proxy(_proxy: Any, provider: Starlette) -> Iterator[Any]:
    provider.state.script.reply = lambda body: TEXT
    yield _proxy
    _proxy.over()


@pytest.fixture(params=[True, False], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest, proxy: Any, quiet: Guard) -> Iterator[Connect]:
    with clients.connecting(request.param, quiet, f"http://127.0.0.1:{proxy.port}/v1") as make:
        yield make


def told(sdk: Any, kind: str, model: str = "m") -> str:
    """The text of an answer that came whole, or in a stream."""
    asked: Any = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    if kind == "whole":
        return str(sdk(lambda c: c.chat.completions.create(**asked)).choices[0].message.content)
    chunks = sdk.stream(lambda c: c.chat.completions.create(stream=True, **asked))
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def expected(fault: str, phase: str, kind: str) -> type[Exception] | None:
    """What a caller gets: what only takes its time is waited for; a stream is whole once its last event is here."""
    if fault in ("latency", "bandwidth") or (phase == "end" and kind == "stream"):
        return None
    return openai.APITimeoutError if fault == "slow close" else openai.APIConnectionError


@pytest.mark.parametrize("kind", ["whole", "stream"])
@pytest.mark.parametrize("phase", proxies.PHASES)
@pytest.mark.parametrize("fault", proxies.FAULTS)
def test_each_fault_has_its_outcome(connect: Connect, proxy: Any, fault: str, phase: str, kind: str) -> None:
    """E05: an answer, a broken connection or a timeout, by the SDK's own classes; a break is no timeout."""
    proxy.spoil(fault, phase)
    error = expected(fault, phase, kind)
    sdk = connect(max_retries=0, timeout=PATIENCE_S if error is openai.APITimeoutError else 60.0)
    if error is None:
        assert told(sdk, kind) == TEXT
    else:
        with pytest.raises(openai.APIConnectionError) as caught:
            told(sdk, kind)
        assert type(caught.value) is error
    assert proxy.connections == 1


@pytest.mark.parametrize("kind", ["whole", "stream"])
@pytest.mark.parametrize("phase", proxies.PHASES)
@pytest.mark.parametrize("fault", ["reset", "half close"])
def test_a_retry_mends_what_has_not_begun(
    connect: Connect, proxy: Any, make_guard: Any, fault: str, phase: str, kind: str
) -> None:
    """E05 C09: a second try before the first byte of a stream or the last of a whole answer, and none after it."""
    guard = make_guard(make_guard.quiet + "traffic: {retries: {attempts: 2, max_wait_s: 0.01}}\n")
    sdk = connect(guard, max_retries=0)
    model = f"{fault}/{phase}/{kind}/{sdk.sync}".replace(" ", "-")  # each has a circuit of its own
    proxy.spoil(fault, phase)
    if kind == "stream" and phase == "mid stream":
        with pytest.raises(openai.APIConnectionError):
            told(sdk, kind, model)
    else:
        assert told(sdk, kind, model) == TEXT
    assert proxy.connections == (1 if kind == "stream" and phase in ("mid stream", "end") else 2)
