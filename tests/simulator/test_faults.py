"""What the simulated provider does wrong when it is told to."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import orjson
import pytest
from starlette.applications import Starlette

from guard.errors import Unavailable
from guard.moderation import CATEGORIES, findings, parse_scores
from guard.simulator.script import ENDPOINTS, Script

PROMPT = "the canary prompt"
ASK: list[Any] = [{"role": "user", "content": PROMPT}]
BODY = {"model": "m", "messages": ASK}


@pytest.fixture
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"{url}/v1", trust_env=False, timeout=10) as http:
        yield http


def ask(http: httpx2.Client, **changes: Any) -> httpx2.Response:
    return http.post("/chat/completions", json={**BODY, **changes})


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("400", openai.BadRequestError),
        ("401", openai.AuthenticationError),
        ("403", openai.PermissionDeniedError),
        ("404", openai.NotFoundError),
        ("429", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("503", openai.InternalServerError),
    ],
)
def test_statuses_are_the_errors_of_the_sdk(
    client: openai.OpenAI, script: Script, fault: str, error: type[openai.APIStatusError]
) -> None:
    """Each failure is the exception that a real provider causes, once, and then the endpoint works again."""
    script.fail("chat", fault)
    with pytest.raises(error, match="simulated"):
        client.chat.completions.create(model="m", messages=ASK)
    assert client.chat.completions.create(model="m", messages=ASK).choices


def test_a_failure_may_last(client: openai.OpenAI, script: Script) -> None:
    """`forever` fails until the script says otherwise; other endpoints go on."""
    script.fail("moderations", "500", forever=True)
    for _ in range(3):
        with pytest.raises(openai.InternalServerError):
            client.moderations.create(input="x")
    assert client.models.list().data
    script.fail("moderations")
    assert client.moderations.create(input="x").results


def test_the_sdk_retries_a_passing_failure(script: Script, url: str) -> None:
    """A sequence of faults is met one by one."""
    script.fail("chat", "500", "429")
    with openai.OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=2) as client:
        assert client.chat.completions.create(model="m", messages=ASK).choices


def test_an_unknown_name_is_an_error(script: Script) -> None:
    """A test that misspells a fault does not pass by accident."""
    for endpoint, fault in (("chat", "5OO"), ("caht", "500"), ("chat", "no_scores")):
        with pytest.raises(ValueError, match="unknown"):
            script.fail(endpoint, fault)
    for endpoint in ENDPOINTS:
        script.fail(endpoint, "500")


def test_an_error_may_repeat_the_prompt(http: httpx2.Client, script: Script) -> None:
    """C14: an upstream error body that quotes what it was sent."""
    script.fail("chat", "echo")
    answer = ask(http)
    assert answer.status_code == 400
    assert PROMPT in answer.json()["error"]["message"]


@pytest.mark.parametrize(("fault", "content_type"), [("bad_json", "application/json"), ("html", "text/html")])
def test_answers_may_be_no_json(http: httpx2.Client, script: Script, fault: str, content_type: str) -> None:
    """C12: truncated JSON and HTML come with status 200."""
    script.fail("chat", fault)
    answer = ask(http)
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
    with pytest.raises(ValueError):
        answer.json()


def test_a_redirect_names_another_host(http: httpx2.Client, script: Script) -> None:
    """C23: 307, which asks a client to post the prompt elsewhere."""
    script.redirect_to = "http://127.0.0.1:9/steal"
    script.fail("chat", "redirect")
    answer = ask(http)
    assert (answer.status_code, answer.headers["location"]) == (307, "http://127.0.0.1:9/steal")


@pytest.mark.parametrize("stream", [False, True])
def test_the_connection_may_break(http: httpx2.Client, script: Script, stream: bool) -> None:
    """C09: half an answer, then the end of the connection; the client sees that it is not whole."""
    script.fail("chat", "disconnect")
    got: list[bytes] = []
    with (
        http.stream("POST", "/chat/completions", json={**BODY, "stream": stream}) as answer,
        pytest.raises(httpx2.RemoteProtocolError),
    ):
        got.extend(answer.iter_raw())
    text = b"".join(got)
    assert b"chatcmpl-" in text
    assert b"[DONE]" not in text
    assert ask(http).status_code == 200


def test_a_stream_may_end_in_the_middle_of_an_event(http: httpx2.Client, script: Script) -> None:
    """A26: no blank line and no [DONE], yet the connection ends well."""
    script.fail("chat", "truncated")
    text = ask(http, stream=True).text
    assert "[DONE]" not in text
    assert not text.endswith("\n\n")


def test_an_answer_may_never_come(script: Script, url: str) -> None:
    """The client's own deadline ends it, and the server goes on."""
    script.fail("chat", "hang")
    with httpx2.Client(base_url=f"{url}/v1", trust_env=False, timeout=0.2) as http:
        with pytest.raises(httpx2.ReadTimeout):
            ask(http)
        assert ask(http).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_answers_may_be_compressed(http: httpx2.Client, script: Script, stream: bool) -> None:
    """A11: gzip, event by event where it is a stream; a decoder reads all of it."""
    plain = ask(http, stream=stream)
    script.gzip = True
    with http.stream("POST", "/chat/completions", json={**BODY, "stream": stream}) as answer:
        raw = b"".join(answer.iter_raw())
        assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw).count(b"chatcmpl-") == plain.content.count(b"chatcmpl-")
    first = zlib.decompressobj(wbits=31).decompress(raw[:200])
    assert first.startswith(b"data: " if stream else b"{")


def test_a_stream_may_come_slowly(http: httpx2.Client, script: Script) -> None:
    """With a pause between events they arrive one by one."""
    script.pause_s, script.chunk = 0.05, 8
    with http.stream("POST", "/chat/completions", json={**BODY, "stream": True}) as answer:
        pieces = list(answer.iter_raw())
    assert len(pieces) >= 5


@pytest.mark.parametrize("fault", ["wrong_count", "no_scores"])
def test_moderation_answers_may_have_another_shape(http: httpx2.Client, script: Script, fault: str) -> None:
    """C16: such an answer is an outage for guard's own reading of it."""
    script.fail("moderations", fault)
    with pytest.raises(Unavailable):
        parse_scores(http.post("/moderations", json={"input": ["x"]}).content, 1)


@pytest.mark.parametrize("fault", ["missing_category", "text_score"])
def test_moderation_answers_may_lack_a_score(http: httpx2.Client, script: Script, fault: str) -> None:
    """C16: a category without a usable score is an outage too, never a clean text."""
    script.fail("moderations", fault)
    [scores] = parse_scores(http.post("/moderations", json={"input": ["x"]}).content, 1)
    assert "guard.unavailable.moderation" in {f.kind for f in findings(scores, "", "m", CATEGORIES)}


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b"{}", b'{"model": "m"}'])
def test_requests_that_cannot_be_read_are_refused(http: httpx2.Client, body: bytes) -> None:
    """The provider answers 400 as a real one, and records them all the same."""
    assert http.post("/chat/completions", content=body).status_code == 400


def test_unknown_paths_are_refused(http: httpx2.Client, app: Starlette) -> None:
    """What is not simulated is 404 and on record."""
    assert http.post("/files", content=b"x").status_code == 404
    assert http.delete("/anything/else").status_code == 404
    assert [r.path for r in app.state.received] == ["/v1/files", "/v1/anything/else"]


def test_everything_received_is_recorded_byte_for_byte(http: httpx2.Client, app: Starlette) -> None:
    """Path, query, headers and body as they came, so that a test can search them; the repr shows no body."""
    body = orjson.dumps(BODY) + b"  \n"
    headers = {"x-one": "Ä".encode(), "authorization": b"Bearer sk-canary"}
    http.post("/chat/completions?a=%20b", content=body, headers=headers)
    [row] = app.state.received
    assert (row.method, row.path, row.query, row.body) == ("POST", "/v1/chat/completions", b"a=%20b", body)
    assert (b"x-one", "Ä".encode()) in row.headers
    assert "canary" not in repr(row)


def test_many_clients_at_once_are_recorded_whole(http: httpx2.Client, app: Starlette, url: str) -> None:
    """Concurrent requests neither mix nor get lost."""
    bodies = [{"model": "m", "messages": [{"role": "user", "content": f"n{i}-" * 50}]} for i in range(24)]
    threads = [
        threading.Thread(target=http.post, args=("/chat/completions",), kwargs={"json": b}) for b in bodies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r.body for r in app.state.received) == sorted(
        httpx2.Request("POST", url, json=b).read() for b in bodies
    )
