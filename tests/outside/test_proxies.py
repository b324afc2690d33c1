"""A declared proxy (C25): what goes through it, what it sees, and what is never sent through one."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from guard import proxies, residency
from guard.errors import Refused, SetupError
from guard.outside.admission import PublicNames
from guard.outside.egress import AsyncAdmittingTransport, Egress, SyncAdmittingTransport
from guard.outside.upstream import proxy_fields
from guard.policy.model import Egress as Rules
from guard.types import Admission
from tests.outside.conftest import Upstream
from tests.outside.test_tls import HERE, PROMPT, ROOT, issue, serving, trusting

pytestmark = pytest.mark.anyio
ELSEWHERE = "llm.example.org"
GOOD = issue(ELSEWHERE, ROOT)
WRONG = issue("other.example.org", ROOT)
both = pytest.mark.parametrize("kind", ["sync", "async"])


class Proxy(Upstream):
    """An http proxy that carries every CONNECT to one server here, or answers it with a status of its own."""

    def __init__(self, to: int, status: int = 200) -> None:
        self.asked: list[bytes] = []
        self.carried = b""
        self._to, self._status = to, status
        super().__init__()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            self._carry(client)

    def _carry(self, client: socket.socket) -> None:
        client.settimeout(5)
        head = b""
        while not head.endswith(b"\r\n\r\n") and (more := client.recv(1)):
            head += more
        self.asked.append(head)
        client.sendall(b"HTTP/1.1 %d said\r\n\r\n" % self._status)
        if self._status == 200:
            with socket.create_connection((HERE, self._to), timeout=5) as server:
                forth = threading.Thread(target=self._pipe, args=(client, server))
                forth.start()
                self._pipe(server, client)
                client.shutdown(socket.SHUT_RD)
                forth.join(5)

    def _pipe(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.carried += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxying(url: str, status: int = 200) -> Iterator[Proxy]:
    proxy = Proxy(httpx2.URL(url).port or 0, status)
    try:
        yield proxy
    finally:
        proxy.close()


def rules(proxy: str = "", **more: Any) -> Rules:
    return Rules.model_validate({"proxy": {"url": proxy, "except": more.pop("but", ())}, **more})


def deciding(egress: Rules, *named: str) -> Any:
    """What a guard's own `admit` does."""

    def admit(url: httpx2.URL) -> Admission:
        found = residency.admit(
            url.host,
            port=url.port,
            scheme=url.scheme,
            jurisdictions=egress.jurisdictions,
            declared=egress.hosts,
            named=named,
        )
        return proxies.through(found, url.scheme, url.port, egress)

    return admit


def posted(admit: Any, url: str, folder: Path, auth: SecretStr | None) -> int:
    transport = SyncAdmittingTransport(admit, context=trusting(folder), proxy_auth=auth)
    with httpx2.Client(transport=transport) as client:
        return client.post(url, content=PROMPT, headers={"authorization": "Bearer sk-canary"}).status_code


async def apost(admit: Any, url: str, folder: Path, auth: SecretStr | None) -> int:
    gate = Egress(admit, context=trusting(folder), proxy_auth=auth)
    async with httpx2.AsyncClient(transport=AsyncAdmittingTransport(gate, owns=True)) as client:
        found = await client.post(url, content=PROMPT, headers={"authorization": "Bearer sk-canary"})
        return found.status_code


async def post(kind: str, admit: Any, url: str, folder: Path, auth: SecretStr | None = None) -> int:
    if kind == "async":
        return await apost(admit, url, folder, auth)
    return await asyncio.to_thread(posted, admit, url, folder, auth)


@both
async def test_what_is_outside_goes_through_the_proxy_which_reads_nothing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C25: it sees the host and its own password, never the key or the prompt; nobody else resolves the name."""
    looked_up: list[str] = []
    lookup = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **o: looked_up.append(host) or lookup(host, *a, **o)
    )
    url = f"https://{ELSEWHERE}/v1/x"
    with serving(GOOD, tmp_path) as (here, begun), proxying(here) as proxy:
        admit = deciding(rules(proxy.url), url)
        assert await post(kind, admit, url, tmp_path, SecretStr("ann:pä:ss")) == 200
    [head] = proxy.asked
    assert head.startswith(f"CONNECT {ELSEWHERE}:443 HTTP/1.1\r\n".encode())
    given = base64.b64encode("ann:pä:ss".encode())
    assert b"proxy-authorization: basic " + given.lower() in head.lower()
    assert begun == [b"\x16\x03\x01"]
    assert PROMPT not in proxy.carried
    assert b"sk-canary" not in proxy.carried + head
    assert ELSEWHERE not in looked_up


@both
@pytest.mark.parametrize("but", [(), ("*.example.org",)])
async def test_what_is_inside_or_excepted_is_reached_directly(
    tmp_path: Path, kind: str, but: tuple[str, ...]
) -> None:
    """A written address that is private, an internal name, and what `except` names."""
    with serving(issue(HERE, ROOT), tmp_path) as (here, _), proxying(here) as proxy:
        egress = rules(proxy.url, but=but)
        assert await post(kind, deciding(egress, here), here, tmp_path) == 200
        found = deciding(egress, f"https://{ELSEWHERE}")(httpx2.URL(f"https://{ELSEWHERE}/"))
        assert (found.allowed, found.proxy is None) == (True, bool(but))
    assert not proxy.asked


@both
async def test_plain_http_is_never_sent_through_a_proxy(tmp_path: Path, kind: str) -> None:
    """C25: it would receive the bearer key and the prompt; in `mode: observe` as well."""
    url = f"http://{ELSEWHERE}/v1/x"
    for mode in ("enforce", "observe"):
        with proxying("http://127.0.0.1:9") as proxy:
            with pytest.raises(Refused, match="plain http is not sent through a proxy"):
                await post(kind, deciding(rules(proxy.url, mode=mode), url), url, tmp_path)
            assert not proxy.asked


@both
@pytest.mark.parametrize(
    ("status", "failure", "words"),
    [
        (407, httpx2.ProxyError, "GUARD_PROXY_AUTH"),
        (403, httpx2.ProxyError, "does it allow the host"),
        (302, httpx2.ProxyError, "refused the connection"),
        (502, httpx2.ConnectError, "could not be reached"),
        (504, httpx2.ConnectError, "could not be reached"),
    ],
)
async def test_a_proxy_that_refuses_is_told_from_an_upstream_that_fails(
    tmp_path: Path, kind: str, status: int, failure: type[Exception], words: str
) -> None:
    """The first is nothing that a retry mends; the second is an outage."""
    url = f"https://{ELSEWHERE}/"
    with proxying("http://127.0.0.1:9", status) as proxy, pytest.raises(failure, match=words):
        await post(kind, deciding(rules(proxy.url), url), url, tmp_path)


@both
async def test_a_proxy_that_is_not_there_is_an_outage(tmp_path: Path, kind: str) -> None:
    url = f"https://{ELSEWHERE}/"
    with socket.create_server((HERE, 0)) as gone:
        proxy = f"http://{HERE}:{gone.getsockname()[1]}"
    with pytest.raises(httpx2.ConnectError):
        await post(kind, deciding(rules(proxy), url), url, tmp_path)


@both
async def test_who_answers_behind_a_proxy_proves_who_it_is(tmp_path: Path, kind: str) -> None:
    """C27: the proxy resolves the name, and the certificate says whether it led there."""
    url = f"https://{ELSEWHERE}/"
    with serving(WRONG, tmp_path) as (here, _), proxying(here) as proxy, pytest.raises(httpx2.ConnectError):
        await post(kind, deciding(rules(proxy.url), url), url, tmp_path)
    assert PROMPT not in proxy.carried


def test_a_client_keeps_what_is_carried_apart_from_what_is_not(tmp_path: Path) -> None:
    """One client may reach one host directly and another through the proxy."""
    url = f"https://{ELSEWHERE}/"
    with serving(GOOD, tmp_path) as (here, _), proxying(here) as proxy:
        transport = SyncAdmittingTransport(deciding(rules(proxy.url), url, here), context=trusting(tmp_path))
        with httpx2.Client(transport=transport) as client:
            assert client.post(url, content=PROMPT).status_code == 200
            with pytest.raises(httpx2.ConnectError):  # the certificate is not of this address
                client.post(here, content=PROMPT)
    assert len(proxy.asked) == 1


@pytest.mark.parametrize(
    ("where", "allowed"),
    [
        ({}, False),
        ({"http://proxy.example.org:3128": {"processing": ("DE",), "storage": ("DE",)}}, True),
        ({"proxy.example.org:3128": {"processing": ("DE",), "storage": ("DE",)}}, True),
        ({"http://proxy.example.org:3128": {"processing": ("DE",), "storage": ("US",)}}, False),
        ({"proxy.example.org:8080": {"processing": ("DE",), "storage": ("DE",)}}, False),
    ],
)
def test_a_proxy_is_held_to_the_jurisdictions_as_any_destination(where: Any, allowed: bool) -> None:
    """A region: no byte goes through a host that lies elsewhere, or nobody knows where."""
    egress = rules("http://proxy.example.org:3128", jurisdictions=("EEA", "CH"), hosts=where)
    found = deciding(egress)(httpx2.URL("https://eu.api.openai.com/v1"))
    assert found.allowed is allowed
    assert bool(found.proxy) is allowed
    assert (found.code, found.reason) == ("", "") if allowed else found.code == "egress.host"
    refused = deciding(egress)(httpx2.URL("https://api.openai.com/v1"))
    assert not refused.allowed


def test_observed_jurisdictions_let_the_proxy_pass_as_well() -> None:
    egress = rules("http://proxy.example.org:3128", jurisdictions=("EEA",), mode="observe")
    assert proxies.proxy_of(egress).reason.startswith("observed only")  # type: ignore[union-attr]


def test_an_ipv6_address_is_not_asked_of_a_proxy() -> None:
    """One of the two doors would write it without brackets."""
    url = "https://[2001:4860:4860::8888]/"
    found = deciding(rules("http://127.0.0.1:3128"), url)(httpx2.URL(url))
    assert (found.allowed, found.code) == (False, "egress.host")


def test_a_typed_proxy_is_no_way_into_ones_own_network() -> None:
    """C24: its own name is held to public addresses; where it leads, nobody here looks up."""
    public = PublicNames()
    url = f"https://{ELSEWHERE}/"
    public.note(deciding(rules("http://proxy.example.org:3128"), url)(httpx2.URL(url)))
    with pytest.raises(Refused, match="not public"):
        public.check("proxy.example.org", ["10.0.0.7"])
    public.check(ELSEWHERE, ["10.0.0.7"])


@pytest.mark.parametrize("auth", ["", "ann", ":x", "ann:"])
def test_a_password_that_is_none_is_said(auth: str) -> None:
    with pytest.raises(SetupError, match="GUARD_PROXY_AUTH: write user:password"):
        proxy_fields(SecretStr(auth))
