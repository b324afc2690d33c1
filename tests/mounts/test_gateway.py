"""The gateway: what reaches the provider, what never does, and what a client is told."""

from __future__ import annotations

import gc
import gzip
from typing import Any

import openai
import orjson
import pytest

from guard import Gateway, Guard
from guard.mounts import gateway as mount
from guard.services.outages import Outages
from guard.simulator.server import serve

pytestmark = pytest.mark.anyio

CARD = "4111 1111 1111 1111"
JSON = (b"content-type", b"application/json")
BEARER = (b"authorization", b"Bearer sk-mine")


@pytest.fixture
def gateway(quiet: Guard, provider: Any) -> Gateway:
    return Gateway(quiet, upstream=provider.state.url)


def model_calls(provider: Any) -> list[Any]:
    return [row for row in provider.state.received if not row.path.endswith("/moderations")]


async def test_the_provider_sees_placeholders_and_the_caller_their_own(
    gateway: Gateway, provider: Any, kit: Any
) -> None:
    """B30: the provider's bytes hold no original; the echo comes back with the original in it."""
    answer = await kit.request(gateway, body=kit.chat(f"my card is {CARD}"), headers=[JSON, BEARER])
    (row,) = provider.state.received
    assert orjson.loads(row.body) == kit.chat("my card is <CARD_1>")
    assert answer.json["choices"][0]["message"]["content"] == f"You wrote: my card is {CARD}"
    assert dict(row.headers)[b"content-length"] == str(len(row.body)).encode()
    assert answer.header("content-length") == str(len(answer.body))
    assert (answer.header("x-guard-action"), len(answer.header("x-guard-trace") or "")) == ("redact", 32)


async def test_only_headers_of_the_api_go_on(gateway: Gateway, provider: Any, kit: Any) -> None:
    """B22 A14: cookies, forwarded addresses, baggage and a query can carry personal data: they stay here."""
    private = [(name.encode(), b"ann@corp.org") for name in ("cookie", "referer", "x-user-email", "baggage")]
    more = [
        *private,
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-00"),
    ]
    api = [(b"openai-organization", b"org-1"), (b"idempotency-key", b"k1"), (b"x-stainless-lang", b"python")]
    await kit.request(
        gateway, body=kit.chat("hi"), headers=[JSON, BEARER, *more, *api], query_string=b"email=ann@corp.org"
    )
    (row,) = provider.state.received
    sent = dict(row.headers)
    assert {k for k, _ in [*private, *more]}.isdisjoint(sent)
    assert {k: sent[k] for k, _ in api} == dict(api)
    assert sent[b"authorization"] == b"Bearer sk-mine"
    assert sent[b"accept-encoding"] == b"identity"
    assert row.query == b""


@pytest.mark.parametrize("fault", ["", "400"])
async def test_an_answer_has_one_date_and_no_word_of_guard_from_a_provider(
    gateway: Gateway, provider: Any, kit: Any, fault: str
) -> None:
    """The gateway's server writes date and server itself; x-guard-* from outside would be a false "allowed"."""
    script = provider.state.script
    script.error_headers = [(b"X-Guard-Action", b"allow"), (b"x-guard-model", b"other"), (b"x-more", b"yes")]
    script.fail("chat", *filter(None, [fault]))
    answer = await kit.request(gateway, body=kit.chat(f"my card is {CARD}"), headers=[JSON, BEARER])
    assert (answer.status, answer.all("date"), answer.all("server")) == (int(fault or 200), [], [])
    assert (answer.all("x-guard-action"), answer.all("x-guard-model")) == (["redact"], [])
    assert answer.all("x-more") == (["yes"] if fault else [])


async def test_a_client_without_a_key_sends_none(gateway: Gateway, provider: Any, kit: Any) -> None:
    """D16: on loopback without any key nothing is invented: no empty Authorization goes out; api-key goes through."""
    await kit.request(gateway, body=kit.chat("hi"), headers=[JSON])
    await kit.request(gateway, body=kit.chat("hi"), headers=[JSON, (b"api-key", b"azure")])
    first, second = (dict(row.headers) for row in provider.state.received)
    assert b"authorization" not in first
    assert (second.get(b"authorization"), second[b"api-key"]) == (None, b"azure")


async def test_a_compressed_request_and_a_compressed_answer(
    gateway: Gateway, provider: Any, kit: Any
) -> None:
    """A09: gzip comes in, plain JSON goes on; an answer that is compressed unasked comes out plain."""
    provider.state.script.gzip = True
    data = gzip.compress(orjson.dumps(kit.chat(f"my card is {CARD}")))
    headers = [JSON, BEARER, (b"content-encoding", b"gzip"), (b"content-length", str(len(data)).encode())]
    answer = await kit.request(gateway, body=data, headers=headers)
    (row,) = provider.state.received
    assert b"content-encoding" not in dict(row.headers)
    assert orjson.loads(row.body) == kit.chat("my card is <CARD_1>")
    assert answer.json["choices"][0]["message"]["content"] == f"You wrote: my card is {CARD}"


UNKNOWN = [
    ("POST", "/v1/files"),
    ("GET", "/v1/files/file-1/content"),
    ("POST", "/v1/batches"),
    ("POST", "/v1/images/generations"),
    ("POST", "/v1/audio/speech"),
    ("POST", "/v1/fine_tuning/jobs"),
    ("GET", "/v1/responses/resp_1"),
    ("GET", "/v1/chat/completions"),
    ("DELETE", "/v1/chat/completions"),
    ("DELETE", "/v1/models/ft:mine"),
    ("POST", "/v1/realtime/sessions"),
    ("POST", "/"),
    ("POST", "/admin"),
    ("HEAD", "/v1/chat/completions"),
    ("OPTIONS", "/v1/chat/completions"),
]
SMUGGLED = [
    ("POST", "/v1/batches/b1/cancel?/chat/completions"),
    ("POST", "/v1/batches/b1/cancel#/chat/completions"),
    ("DELETE", "/v1/files/f1?/chat/completions"),
    ("POST", "/v1/chat/completions/../../files"),
    ("POST", "/v1/files;/chat/completions"),
    ("POST", "/v1/x/../chat/completions"),
    ("POST", "/v1/%63hat/completions"),
    ("POST", "//evil.test/v1/chat/completions"),
    ("POST", "/v1/\\evil.test/chat/completions"),
    ("POST", "/@evil.test/chat/completions"),
    ("POST", "/v1/chat/completions\x00"),
    ("POST", "/v1/chat/completions\r\nx: y"),
]


@pytest.mark.parametrize(("method", "path"), UNKNOWN + SMUGGLED)
async def test_what_guard_does_not_know_goes_nowhere(
    gateway: Gateway, provider: Any, kit: Any, method: str, path: str
) -> None:
    """B20: every other endpoint, method or spelling is 403 guard.opaque.endpoint, in the API's envelope."""
    body = b"" if method in ("GET", "HEAD") else orjson.dumps(kit.chat("hi"))
    answer = await kit.request(gateway, path, body, method=method, headers=[JSON, BEARER])
    assert (answer.status, answer.code) == (403, "guard.opaque.endpoint")
    assert "endpoints" in answer.json["error"]["message"]
    assert (answer.header("x-guard-action"), answer.header("x-should-retry")) == ("block", "false")
    assert provider.state.received == []


async def test_the_known_endpoints_are_served(gateway: Gateway, provider: Any, kit: Any) -> None:
    """B20: chat, completions, responses, embeddings, models, with and without /v1 and a last slash."""
    calls = [
        ("POST", "/v1/chat/completions", kit.chat("hi")),
        ("POST", "/chat/completions", kit.chat("hi")),
        ("POST", "/v1/chat/completions/", kit.chat("hi")),
        ("POST", "/v1/completions", {"model": "m", "prompt": "hi"}),
        ("POST", "/v1/responses", {"model": "m", "input": "hi"}),
        ("POST", "/v1/embeddings", {"model": "m", "input": "hi"}),
        ("GET", "/v1/models", None),
        ("GET", "/v1/models/gpt-simulated", None),
    ]
    for method, path, body in calls:
        data = b"" if body is None else orjson.dumps(body)
        answer = await kit.request(gateway, path, data, method=method, headers=[JSON, BEARER])
        assert answer.status == 200, (path, answer.body)
    paths = ["/v1" + path.removeprefix("/v1").rstrip("/") for _, path, _ in calls]
    assert [row.path for row in provider.state.received] == paths


async def test_an_endpoint_that_the_policy_names_passes(make_guard: Any, provider: Any, kit: Any) -> None:
    """B20: `endpoints: {allow: [files]}` lets files pass unread, and only files."""
    guard = make_guard(make_guard.quiet + "endpoints: {allow: [files]}\n")
    gateway = Gateway(guard, upstream=provider.state.url)
    upload = [(b"content-type", b"multipart/form-data; boundary=b"), BEARER]
    await kit.request(gateway, "/v1/files", b"--b\r\n...", headers=upload)
    for path in ("/v1/batches", "/v1/files/../batches", "/v1/files?/../batches", "/v1/x/files"):
        refused = await kit.request(gateway, path, b"{}", headers=[JSON, BEARER])
        assert (refused.status, refused.code) == (403, "guard.opaque.endpoint")
    (row,) = provider.state.received
    assert (row.path, row.body, dict(row.headers)[b"content-type"]) == (
        "/v1/files",
        b"--b\r\n...",
        upload[0][1],
    )


@pytest.mark.parametrize(
    "name", ["api_base", "base_url", "api_key", "api_type", "organization", "fallbacks", "router"]
)
async def test_a_body_cannot_route_itself(gateway: Gateway, provider: Any, kit: Any, name: str) -> None:
    """D16: routing fields in the body are unknown fields: 403, and nothing goes anywhere."""
    answer = await kit.request(
        gateway, body=kit.chat("hi", **{name: "http://evil.test"}), headers=[JSON, BEARER]
    )
    assert (answer.status, answer.code) == (403, "guard.opaque.field")
    assert b"evil" not in answer.body
    assert provider.state.received == []


@pytest.mark.parametrize(
    "name", ["x-api-base", "x-openai-base-url", "x-upstream", "x-forwarded-host", "host"]
)
async def test_a_header_cannot_route_itself(gateway: Gateway, provider: Any, kit: Any, name: str) -> None:
    """D16: routing headers change nothing and do not go on."""
    await kit.request(gateway, body=kit.chat("hi"), headers=[JSON, BEARER, (name.encode(), b"evil.test")])
    (row,) = provider.state.received
    assert b"evil.test" not in dict(row.headers).values()


BAD = [
    (400, "invalid_json", b"{", [JSON]),
    (400, "invalid_body", b"[]", [JSON]),
    (400, "invalid_json", b'{"model":"m","model":"n","messages":[]}', [JSON]),
    (400, "repeated_header", b"{}", [JSON, JSON]),
    (413, "body_too_large", b" " * (4 * 1024 * 1024 + 1), [JSON]),
    (415, "guard.opaque.encoding", b"x", [(b"content-type", b"multipart/form-data")]),
    (415, "guard.opaque.encoding", b"x", [JSON, (b"content-encoding", b"gzip, br")]),
]


@pytest.mark.parametrize(("status", "code", "body", "headers"), BAD, ids=range(len(BAD)))
async def test_a_bad_request_is_one_clear_answer(
    gateway: Gateway, provider: Any, kit: Any, status: int, code: str, body: bytes, headers: Any
) -> None:
    """A32 A09: 400, 413 and 415 with a stable code, no retry, both headers, nothing upstream."""
    answer = await kit.request(gateway, body=body, headers=[*headers, BEARER])
    assert (answer.status, answer.code) == (status, code)
    assert answer.header("x-should-retry") == "false"
    assert (answer.header("x-guard-action"), len(answer.header("x-guard-trace") or "")) == ("block", 32)
    assert provider.state.received == []


@pytest.mark.parametrize("path", ["/v1/realtime", "/v1/responses", "/anything"])
async def test_no_websocket_is_opened(gateway: Gateway, kit: Any, path: str) -> None:
    """A15: the gateway refuses every socket with 1008."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {k: v for k, v in kit.scope(path).items() if k != "method"}
    await gateway({**scope, "type": "websocket"}, receive, send)
    assert [(m["type"], m["code"]) for m in sent] == [("websocket.close", 1008)]


@pytest.mark.parametrize("fault", ["truncated", "html", "bad_json"])
async def test_an_answer_that_is_not_json_is_not_let_through(
    gateway: Gateway, provider: Any, kit: Any, fault: str
) -> None:
    """C12: half JSON, or HTML with 200: 502 with a code, none of its bytes."""
    provider.state.script.fail("chat", fault)
    answer = await kit.request(gateway, body=kit.chat("the canary"), headers=[JSON, BEARER])
    assert answer.status == 502
    assert answer.json["error"]["code"] == "upstream_not_json"
    assert b"html" not in answer.body
    assert b"canary" not in answer.body


async def test_json_with_another_content_type_is_still_screened(quiet: Guard, kit: Any) -> None:
    """C12: an answer that calls its JSON text/plain is screened and leaves as JSON."""
    upstream = kit.Echo()
    upstream.headers, upstream.reply = (
        [(b"content-type", b"text/plain")],
        kit.completion("5500 0000 0000 0004"),
    )
    with serve(upstream) as url:
        gateway = Gateway(quiet, upstream=f"{url}/v1")
        answer = await kit.request(gateway, body=kit.chat("hi"), headers=[JSON, BEARER])
    assert answer.json["choices"][0]["message"]["content"] == "<CARD_1>"
    assert answer.header("content-type") == "application/json"


async def test_an_error_that_repeats_the_prompt_is_masked(
    gateway: Gateway, provider: Any, kit: Any, spans: Any, quiet: Guard
) -> None:
    """C14: what the provider's error repeats is a placeholder for the client and nothing at all in the record."""
    provider.state.script.fail("chat", "echo")
    answer = await kit.request(gateway, body=kit.chat(f"my card is {CARD}"), headers=[JSON, BEARER])
    assert answer.status == 400
    assert answer.json["error"]["message"] == "Invalid prompt: my card is <CARD_1>"
    found = await spans(quiet, answer.header("x-guard-trace"))
    assert len(found) == 2
    assert "my card" not in str(found)


@pytest.mark.parametrize("status", ["400", "401", "403", "404", "429", "500", "503"])
async def test_the_provider_s_errors_keep_their_status(
    gateway: Gateway, provider: Any, kit: Any, status: str
) -> None:
    """C14: an error of the provider is told as it is, and the client's own rules for retries apply to it."""
    provider.state.script.fail("chat", status)
    answer = await kit.request(gateway, body=kit.chat("hi"), headers=[JSON, BEARER])
    assert answer.status == int(status)
    assert "simulated failure" in answer.json["error"]["message"]
    assert answer.header("x-should-retry") is None
    assert (answer.header("retry-after") is not None) == (status == "429")


async def test_a_provider_that_is_down_is_one_clear_error(
    quiet: Guard, kit: Any, spans: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """C12: nobody listens there: 502 in the API's envelope, no address in it; the client may retry; one outcome. The
    operator's log says so, too.
    """
    monkeypatch.setattr(mount, "OUTAGES", Outages())
    gateway = Gateway(quiet, upstream="http://127.0.0.1:9/v1")
    answer = await kit.request(gateway, body=kit.chat("hi"), headers=[JSON, BEARER])
    assert (answer.status, answer.code) == (502, "upstream_connect")
    assert answer.json["error"]["type"] == "upstream_error"
    assert "127.0.0.1" not in answer.body.decode()
    assert answer.header("x-should-retry") is None
    assert "guard: the upstream could not be reached (guard doctor)" in caplog.messages
    intent, outcome = await spans(quiet, answer.header("x-guard-trace"))
    assert ("error.type" in intent, outcome["error.type"]) == (False, "connect")


@pytest.mark.parametrize("fault", ["redirect", "disconnect"])
async def test_a_provider_that_misbehaves(gateway: Gateway, provider: Any, kit: Any, fault: str) -> None:
    """C23: a redirect is 451 and never followed; a connection that breaks off is 502."""
    provider.state.script.fail("chat", fault)
    answer = await kit.request(gateway, body=kit.chat("hi"), headers=[JSON, BEARER])
    expected = {"redirect": (451, "egress.redirect"), "disconnect": (502, "upstream_closed")}
    assert (answer.status, answer.code) == expected[fault]
    assert len(provider.state.received) == 1


@pytest.mark.parametrize(
    "check",
    ["guard.services.detector.Detector.detect", "guard.engine.decide", "guard.trace.ledger.Ledger.commit"],
)
async def test_a_check_that_raises_forwards_nothing(
    gateway: Gateway, provider: Any, kit: Any, check: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """A20 D21: guard fails in a check: 503 with a stable code, no text, no stack, nothing upstream."""

    def boom(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"boom {CARD}")

    monkeypatch.setattr(check, boom)
    answer = await kit.request(gateway, body=kit.chat(f"my card is {CARD}"), headers=[JSON, BEARER])
    assert (answer.status, answer.code) == (503, "guard.unavailable.detect")
    assert answer.header("x-should-retry") == "false"
    assert "4111" not in answer.body.decode() + caplog.text
    assert "RuntimeError" not in answer.body.decode()
    assert provider.state.received == []


async def test_a_refusal_says_nothing_of_the_text(make_guard: Any, provider: Any, kit: Any) -> None:
    """D21: a block is code, place and a sentence: no text, no pattern, no host, no rule's file."""
    gateway = Gateway(
        make_guard(make_guard.quiet.replace("[default]", "[strict]")), upstream=provider.state.url
    )
    secret = "AKIAIOSFODNN7EXAMPLF"
    answer = await kit.request(gateway, body=kit.chat(f"key {secret} and {CARD}"), headers=[JSON, BEARER])
    assert answer.status == 403
    assert set(answer.json["error"]) == {"message", "type", "param", "code"}
    told = answer.body.decode() + str(answer.headers)
    for hidden in (secret, "4111", "127.0.0.1", "policy.yaml", "Traceback", "\\d"):
        assert hidden not in told
    assert provider.state.received == []


async def test_a_refused_destination_is_451(make_guard: Any, provider: Any, kit: Any) -> None:
    """D21: under a list of jurisdictions an upstream that nobody placed inside is 451, and nothing is sent."""
    guard = make_guard(make_guard.quiet.replace("[default]", "[eu]"))
    answer = await kit.request(
        Gateway(guard, upstream=provider.state.url), body=kit.chat("hi"), headers=[JSON, BEARER]
    )
    assert (answer.status, answer.code) == (451, "egress.jurisdiction")
    assert answer.header("x-guard-action") == "block"
    assert provider.state.received == []


@pytest.mark.parametrize("owns", [False, True])
async def test_only_a_process_of_its_own_is_settled(
    make_guard: Any, provider: Any, run_lifespan: Any, owns: bool
) -> None:
    """Law 8: a gateway inside somebody's process leaves the collector of that process alone."""
    guard = make_guard(owner=f"settled {owns}")
    gateway = Gateway(guard, upstream=provider.state.url, owns=owns)
    before = (gc.get_threshold(), gc.get_freeze_count())
    try:
        async with run_lifespan(gateway) as answer:
            assert answer["type"] == "lifespan.startup.complete"
            assert ((gc.get_threshold(), gc.get_freeze_count()) != before) == owns
    finally:
        gc.set_threshold(*before[0])
        gc.unfreeze()


def test_the_real_sdk_over_a_real_server(gateway: Gateway, provider: Any) -> None:
    """E08: chat, Responses, embeddings and models, streamed and not, from the official client."""
    with (
        serve(gateway) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="sk-mine", max_retries=0) as client,
    ):
        ask: Any = [{"role": "user", "content": f"my card is {CARD}"}]
        said = f"You wrote: my card is {CARD}"
        assert client.chat.completions.create(model="m", messages=ask).choices[0].message.content == said
        chunks = client.chat.completions.create(model="m", messages=ask, stream=True)
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == said
        assert client.responses.create(model="m", input=ask).output_text == said
        events = client.responses.create(model="m", input=ask, stream=True)
        assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == said
        assert client.embeddings.create(model="m", input=[CARD]).data[0].embedding
        assert client.models.list().data
        with pytest.raises(openai.PermissionDeniedError) as refused:
            client.files.list()
    assert refused.value.code == "guard.opaque.endpoint"
    assert all(CARD.encode() not in row.body for row in provider.state.received)
