"""Where a guarded client may go: named hosts inside their jurisdiction, whatever the environment says."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from starlette.applications import Starlette

from guard import Guard, Refused, SetupError, guarded_client
from guard.mounts.transport import destination, incoming, outgoing
from guard.simulator.app import create_app
from guard.simulator.server import serve
from tests.mounts.conftest import completion, read_spans
from tests.outside.test_proxies import ELSEWHERE, GOOD, proxying
from tests.outside.test_tls import serving, trusting

MAIL = "alice@corp.com"
EU = "egress: {jurisdictions: [EEA, CH]}\n"
Connect = Callable[..., Any]


@pytest.fixture
def european(make_guard: Any) -> Guard:
    """`default` kept inside Europe, with a guard of its own: a host that a test names stays named."""
    guard: Guard = make_guard(make_guard.quiet + EU)
    return guard


@pytest.fixture
def elsewhere() -> Iterator[Starlette]:
    """Another server of this machine, which must receive nothing."""
    app = create_app()
    with serve(app) as url:
        app.state.url = url
        yield app
    assert app.state.received == []


# hosts


@pytest.mark.parametrize("host", ["https://api.openai.com/v1", "https://us.api.openai.com/v1"])
def test_a_host_outside_the_jurisdictions_is_refused(connect: Connect, european: Guard, host: str) -> None:
    """451 before anything is resolved; the SDK does not retry."""
    with pytest.raises(openai.APIStatusError) as caught:
        connect(european, host).chat("hi")
    assert (caught.value.status_code, caught.value.code) == (451, "egress.jurisdiction")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.response.headers["x-guard-action"] == "block"


def test_a_refusal_names_the_resident_host(connect: Connect, european: Guard) -> None:
    """The message says which host of the provider would be inside."""
    with pytest.raises(openai.APIStatusError, match=r"eu\.api\.openai\.com"):
        connect(european, "https://api.openai.com/v1").chat("hi")


def test_naming_a_host_does_not_say_where_it_is(connect: Connect, european: Guard) -> None:
    """Law 4: `base_url` names the local server; under a list of jurisdictions only the policy says where it is."""
    with pytest.raises(openai.APIStatusError) as caught:
        connect(european).chat("hi")
    assert caught.value.status_code == 451


def test_a_declared_host_is_inside(connect: Connect, make_guard: Any, provider: Starlette) -> None:
    """`egress.hosts` says where a private endpoint is; then it is called."""
    text = make_guard.quiet + (
        "egress: {jurisdictions: [EEA], hosts: {127.0.0.1: {processing: [DE], storage: [DE]}}}\n"
    )
    assert connect(make_guard(text)).chat("hi").choices[0].message.content == "You wrote: hi"


@pytest.mark.parametrize("url", ["https://llm.invalid/v1", "http://api.openai.com/v1", "https://10.0.0.7/v1"])
def test_an_unnamed_host_is_refused(connect: Connect, url: str, make_guard: Any) -> None:
    """Law 4: only named hosts are reached, at the scheme that the table knows: nothing leaves, nothing is looked up."""
    sdk = connect(make_guard(owner="unnamed"))
    client = sdk.client.with_options(base_url=url)
    with pytest.raises(openai.APIStatusError) as caught:
        sdk(lambda c: client.chat.completions.create(model="m", messages=[]))
    assert (caught.value.status_code, caught.value.code) == (451, "egress.host")


def test_an_absolute_url_is_refused(connect: Connect, provider: Starlette, elsewhere: Starlette) -> None:
    """`client.post("https://other/…")` goes nowhere: the port is part of the name."""
    sdk = connect()
    for url in (f"{elsewhere.state.url}/v1/chat/completions", "https://other.example/v1/chat/completions"):
        with pytest.raises(openai.APIStatusError) as caught:
            sdk(lambda c, url=url: c.post(url, body={"messages": []}, cast_to=object))
        assert caught.value.status_code == 451
    assert provider.state.received == []


def test_a_client_of_the_options_stays_guarded(connect: Connect, provider: Starlette) -> None:
    """`with_options` shares the guarded transport: other options, the same law."""
    sdk = connect()
    client = sdk.client.with_options(max_retries=0, timeout=5)
    messages = [{"role": "user", "content": f"Ask {MAIL}"}]
    sdk(lambda c: client.chat.completions.create(model="m", messages=messages))
    assert MAIL not in provider.state.received[0].body.decode()


# redirects, proxies, the environment


@pytest.mark.parametrize("stream", [True, False])
def test_redirects_are_refused(
    connect: Connect, provider: Starlette, elsewhere: Starlette, stream: bool
) -> None:
    """C23: a 307 to another host would carry the whole prompt along: 451, and the SDK tries once."""
    provider.state.script.redirect_to = f"{elsewhere.state.url}/v1/chat/completions"
    provider.state.script.fail("chat", "redirect", forever=True)
    with pytest.raises(openai.APIStatusError) as caught:
        connect().chat("hi", stream=stream)
    assert (caught.value.status_code, caught.value.code) == (451, "egress.redirect")
    assert len(provider.state.received) == 1


def test_redirects_are_refused_whatever_the_caller_asks(connect: Connect, provider: Starlette) -> None:
    """C23: the raw HTTP client does not follow either, even where it is told to."""
    provider.state.script.fail("models", "redirect")
    sdk = connect()
    answer = sdk(lambda c: c._client.get(f"{provider.state.url}/models", follow_redirects=True))
    assert answer.status_code == 451


def test_proxies_of_the_environment_are_ignored(
    connect: Connect, provider: Starlette, elsewhere: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C25: HTTP_PROXY and its kin would receive key and prompt: they are not used, in any spelling."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, elsewhere.state.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    sdk = connect()
    assert sdk.chat("hi").choices[0].message.content == "You wrote: hi"
    assert len(sdk.chat_stream("hi")) > 1
    assert len(provider.state.received) == 2


def test_the_proxy_of_the_policy_carries_the_call_and_stands_on_record(
    connect: Connect, make_guard: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """C25: nothing but it; the call is screened as any, and the record names who carried it."""
    context = trusting(tmp_path)
    monkeypatch.setattr("guard.outside.sessions.tls", lambda: context)
    monkeypatch.setattr("guard.outside.blocking.tls", lambda: context)
    answer = json.dumps(completion("fine")).encode()
    with serving(GOOD, tmp_path, answer=answer) as (here, _), proxying(here) as proxy:
        guard = make_guard(make_guard.quiet + f"egress: {{proxy: {{url: '{proxy.url}'}}}}\n")
        sdk = connect(guard, f"https://{ELSEWHERE}/v1")
        assert sdk.chat(f"Write to {MAIL}").choices[0].message.content == "fine"
    assert [head.split()[:2] for head in proxy.asked] == [[b"CONNECT", f"{ELSEWHERE}:443".encode()]]
    carried = {s.get("guard.residency.proxy") for s in read_spans(guard.settings.exports)}
    assert proxy.url.removeprefix("http://") in carried


def test_a_proxy_that_may_not_be_reached_stops_the_start(tmp_path: Path) -> None:
    """One that lies nowhere, where the policy asks for a place."""
    file = tmp_path / "own.yaml"
    file.write_text("egress: {jurisdictions: [EEA], proxy: {url: 'http://proxy.example.org:3128'}}\n")
    with pytest.raises(SetupError, match=r"egress\.proxy \(proxy\) may not be reached: .*only egress\.hosts"):
        Guard.from_policy(file)


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "AZURE_OPENAI_ENDPOINT", "AWS_BEDROCK_BASE_URL"])
def test_an_environment_that_points_elsewhere_is_a_start_up_error(
    make_guard: Any, monkeypatch: pytest.MonkeyPatch, name: str, sync: bool
) -> None:
    """C26: said at start in one sentence, not at every call."""
    monkeypatch.setenv(name, "https://proxy.example/v1")
    guard = make_guard(owner="environment")
    with pytest.raises(SetupError, match=rf"{name} is set, but its host may not be reached"):
        guarded_client(guard=guard, sync=sync)  # type: ignore[call-overload]


def test_an_environment_that_points_to_a_named_host_is_fine(
    make_guard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C26: a base URL that was named, or that the table knows, is no mismatch."""
    guard = make_guard(owner="named environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example/v1")
    guarded_client(guard=guard, sync=True, base_url="https://proxy.example/v1").close()
    monkeypatch.setenv("OPENAI_BASE_URL", "https://eu.api.openai.com/v1")
    guarded_client(guard=guard, sync=True).close()


def test_tls_is_not_switched_off(connect: Connect, provider: Starlette, make_guard: Any) -> None:
    """C27: a server that does not prove who it is, is not talked to; there is no fall back to http."""
    url = provider.state.url.replace("http://", "https://")
    with pytest.raises(openai.APIConnectionError):
        connect(make_guard(owner="tls"), url, max_retries=0).chat("hi")
    assert provider.state.received == []


SOCKETS = ["realtime", "responses", "live", "beta.realtime", "beta.responses", "realtime.translations"]


@pytest.mark.parametrize("name", SOCKETS)
def test_websockets_are_refused(connect: Connect, name: str) -> None:
    """C28: the SDK opens them beside its HTTP client, where nothing would be screened: `connect` refuses."""
    resource = operator.attrgetter(name)(connect().client)
    with pytest.raises(Refused, match="guard does not screen websockets") as caught:
        resource.connect(model="m")
    assert caught.value.code == "guard.opaque.endpoint"


@pytest.mark.parametrize("make", [openai.OpenAI, openai.AsyncOpenAI])
def test_websockets_of_other_clients_are_their_own(quiet: Guard, make: Any) -> None:
    """C28: a client that guard does not guard is left alone."""
    guarded_client(guard=quiet, sync=True).close()
    assert make(api_key="k").realtime.connect(model="m") is not None


# what goes along


def test_only_known_headers_go_out(connect: Connect, provider: Starlette) -> None:
    """B22: headers of the application stay here; those of the SDK go; the key is the app's own."""
    leaky = {"x-user-email": MAIL, "cookie": "who=alice", "referer": MAIL, "baggage": MAIL, "x-api-key": "k"}
    connect().chat("hi", extra_headers=leaky)
    sent = dict(provider.state.received[0].headers)
    assert set(leaky) & {name.decode() for name in sent} == {"x-api-key"}
    assert sent[b"authorization"] == b"Bearer sk-app-canary"
    assert sent[b"x-stainless-lang"] == b"python"
    assert sent[b"host"] == provider.state.url.split("/")[2].encode()
    assert MAIL not in repr(provider.state.received[0].headers)


def test_a_query_stays_here(connect: Connect, provider: Starlette) -> None:
    """B22: query parameters are not screened, so they do not leave; but for Azure's `api-version`."""
    sdk = connect()
    sdk.chat("hi", extra_query={"email": MAIL, "api-version": "2024-10-21"})
    sdk.chat("hi", extra_query={"api-version": MAIL})
    sdk(lambda c: c.models.list(extra_query={"q": MAIL}))
    assert [row.query for row in provider.state.received] == [b"api-version=2024-10-21", b"", b""]


def test_a_model_in_a_path_is_screened(connect: Connect, provider: Starlette) -> None:
    """B16: `models/NAME` holds a text of the caller: what would have to be redacted there is refused."""
    with pytest.raises(openai.PermissionDeniedError) as caught:
        connect()(lambda c: c.models.retrieve(MAIL))
    assert (caught.value.code, caught.value.param) == ("pii.email", "model")
    assert provider.state.received == []


def test_upstream_headers_that_are_about_other_bytes_are_dropped(quiet: Guard) -> None:
    """A08: lengths, encodings, digests and cookies of the provider's bytes do not go to the app."""
    call = type(
        "Call",
        (),
        {
            "action": type("A", (), {"word": "allow"}),
            "trace_id": "t",
            "unscreened": False,
            "notes": (),
            "letter": "",
            "mount": "client",
            "target": None,
        },
    )()
    names = [b"Content-Length", b"content-encoding", b"ETag", b"Digest", b"Set-Cookie", b"x-request-id"]
    kept = dict(incoming([(name, b"v") for name in names], call))
    assert set(kept) == {b"x-request-id", b"x-guard-action", b"x-guard-trace"}
    assert destination(httpx2.URL("https://a.b/c?d=e"), call) == httpx2.URL("https://a.b/c")
    assert (b"accept-encoding", b"identity") in outgoing([(b"Accept-Encoding", b"br")])


# the wrong client


@pytest.mark.parametrize("sync", [True, False])
def test_the_wrong_kind_of_client_is_an_error(quiet: Guard, sync: bool) -> None:
    """C29: a blocking client in an asynchronous SDK, or the other way round, is refused at construction."""
    http: Any = guarded_client(guard=quiet, sync=not sync)  # type: ignore[call-overload]
    make: Any = openai.OpenAI if sync else openai.AsyncOpenAI
    with pytest.raises(TypeError):
        make(api_key="k", http_client=http)


def test_the_host_is_admitted_at_every_call(connect: Connect, provider: Starlette) -> None:
    """Law 4: the gate stands at the transport: a base URL that is changed later is refused at the next call."""
    sdk = connect()
    sdk.chat("hi")
    sdk.client.base_url = "https://other.example/v1"
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.chat("hi")
    assert caught.value.status_code == 451
    assert len(provider.state.received) == 1


def test_a_body_is_written_once(connect: Connect, provider: Starlette) -> None:
    """A07: a body that became longer or shorter has exactly one length, the true one."""
    connect().chat(f"{MAIL} " * 20)
    (row,) = provider.state.received
    lengths = [value for name, value in row.headers if name == b"content-length"]
    assert lengths == [str(len(row.body)).encode()]
    assert json.loads(row.body)["messages"][0]["content"] == "<EMAIL_1> " * 20
