"""Mount (b) with the official client, blocking and not: the model sees placeholders, the app sees originals."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import openai
import pytest
from starlette.applications import Starlette

from guard import Guard
from guard.simulator.script import ToolCall

MAIL, MAIL2, CARD = "alice@corp.com", "bob@corp.com", "4111 1111 1111 1111"
STRICT = "input: {rules: {pii.card: block}}\n"


Connect = Callable[..., Any]


@pytest.fixture
def judged(make_guard: Any) -> Guard:
    """`default` without Presidio, judged at the model call's own host; no score is remembered."""
    guard: Guard = make_guard(make_guard.judging + "moderation: {cache_s: 0}\n", "client")
    return guard


@pytest.fixture
def strict(make_guard: Any) -> Guard:
    """Cards are refused."""
    guard: Guard = make_guard(make_guard.quiet + STRICT)
    return guard


def received(provider: Starlette, end: str = "/chat/completions") -> list[dict[str, Any]]:
    """The bodies that the provider was sent."""
    return [json.loads(row.body) for row in provider.state.received if row.path.endswith(end)]


def told(chunks: list[Any], index: int = 0) -> str:
    choices = [c for chunk in chunks for c in chunk.choices if c.index == index]
    return "".join(c.delta.content or "" for c in choices)


# what comes back


def test_chat_is_redacted_and_restored(connect: Connect, provider: Starlette) -> None:
    """The provider gets `<EMAIL_1>`, the app reads the address; ids, usage and model are the provider's."""
    answer = connect().chat(f"Write to {MAIL}")
    assert received(provider)[0]["messages"][0]["content"] == "Write to <EMAIL_1>"
    assert answer.choices[0].message.content == f"You wrote: Write to {MAIL}"
    assert answer.id.startswith("chatcmpl-simulated")
    assert answer.usage.total_tokens > 0


@pytest.mark.parametrize("recut", [0, 1])
def test_streamed_chat_is_redacted_and_restored(connect: Connect, provider: Starlette, recut: int) -> None:
    """B26: the same for a stream, whatever its cuts; the SDK reads usage and the end."""
    provider.state.script.recut = recut
    provider.state.script.chunk = 1
    chunks = connect().chat_stream(f"Write to {MAIL}", stream_options={"include_usage": True})
    assert told(chunks) == f"You wrote: Write to {MAIL}"
    assert chunks[-1].usage.total_tokens > 0
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_responses_are_redacted_and_restored(connect: Connect, provider: Starlette) -> None:
    """B17 B25: Responses, whole and streamed: every repeat says the same."""
    sdk = connect()
    answer = sdk(lambda c: c.responses.create(model="m", input=f"Ask {MAIL}", instructions=f"Serve {MAIL2}"))
    assert answer.output_text == f"You wrote: Ask {MAIL}"
    assert answer.instructions == f"Serve {MAIL2}"
    events = sdk.stream(lambda c: c.responses.create(model="m", input=f"Ask {MAIL}", stream=True))
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == f"You wrote: Ask {MAIL}"
    assert "".join(e.delta for e in events if e.type.endswith("text.delta")) == f"You wrote: Ask {MAIL}"
    assert MAIL not in json.dumps(received(provider, "/responses"))
    assert MAIL2 not in json.dumps(received(provider, "/responses"))


def test_legacy_completions_are_redacted_and_restored(connect: Connect, provider: Starlette) -> None:
    """B18: `prompt`, whole and streamed."""
    sdk = connect()
    answer = sdk(lambda c: c.completions.create(model="m", prompt=f"Ask {MAIL}"))
    assert answer.choices[0].text == f"You wrote: Ask {MAIL}"
    chunks = sdk.stream(lambda c: c.completions.create(model="m", prompt=f"Ask {MAIL}", stream=True))
    assert "".join(c.choices[0].text for c in chunks) == f"You wrote: Ask {MAIL}"
    assert [body["prompt"] for body in received(provider, "/completions")] == ["Ask <EMAIL_1>"] * 2


def test_embeddings_are_redacted(connect: Connect, provider: Starlette) -> None:
    """B18 D30: the text of an embedding leaves without personal data; the vectors come back."""
    answer = connect()(lambda c: c.embeddings.create(model="e", input=[f"Ask {MAIL}", "calm"]))
    assert len(answer.data) == 2
    assert len(answer.data[0].embedding) == 8
    assert received(provider, "/embeddings")[0]["input"] == ["Ask <EMAIL_1>", "calm"]


def test_models_are_listed(connect: Connect, provider: Starlette) -> None:
    """An endpoint without texts passes."""
    sdk = connect()
    assert sdk(lambda c: c.models.list()).data[0].id == "gpt-simulated"
    assert sdk(lambda c: c.models.retrieve("gpt-simulated")).id == "gpt-simulated"


def test_tool_calls_come_back_as_json(connect: Connect, provider: Starlette) -> None:
    """B13 B24: arguments are restored inside their JSON, whole and streamed, in history too."""
    provider.state.script.tools = lambda body: [ToolCall("send", '{"to": "<EMAIL_1>", "n": [1, 2.5]}')]
    sdk = connect()
    (call,) = sdk.chat(f"Write to {MAIL}").choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"to": MAIL, "n": [1, 2.5]}
    chunks = sdk.chat_stream(f"Write to {MAIL}")
    parts = [t.function.arguments for c in chunks if c.choices for t in c.choices[0].delta.tool_calls or ()]
    assert json.loads("".join(parts)) == {"to": MAIL, "n": [1, 2.5]}
    history = [
        {"role": "assistant", "tool_calls": [{**call.model_dump(), "id": "call_1"}]},
        {"role": "tool", "tool_call_id": "call_1", "content": json.dumps({"sent": MAIL})},
    ]
    sdk(lambda c: c.chat.completions.create(model="m", messages=history))
    assert MAIL not in provider.state.received[-1].body.decode()


def test_what_the_model_brings_is_redacted(connect: Connect, provider: Starlette, strict: Guard) -> None:
    """D30: personal data that was never sent is taken out of the answer, streamed or not."""
    provider.state.script.reply = lambda body: f"Her card is {CARD}, her mail is on <EMAIL_1>."
    sdk = connect()
    expected = "Her card is <CARD_1>, her mail is on <EMAIL_1>."
    assert sdk.chat("hi").choices[0].message.content == expected
    assert told(sdk.chat_stream("hi")) == expected


def test_raw_responses_carry_guards_headers(connect: Connect) -> None:
    """with_raw_response: the parsed object is the same, the headers say what guard did."""
    messages = [{"role": "user", "content": f"Write to {MAIL}"}]
    raw = connect()(lambda c: c.chat.completions.with_raw_response.create(model="m", messages=messages))
    assert raw.headers["x-guard-action"] == "redact"
    assert len(raw.headers["x-guard-trace"]) == 32
    assert raw.headers["content-type"] == "application/json"
    assert raw.parse().choices[0].message.content == f"You wrote: Write to {MAIL}"
    assert int(raw.headers["content-length"]) == len(raw.content)


def test_streaming_responses_are_screened_too(connect: Connect) -> None:
    """with_streaming_response: the bytes that the app reads itself are the screened ones."""
    sdk = connect()
    messages = [{"role": "user", "content": f"Write to {MAIL}"}]
    more = {"model": "m", "messages": messages, "stream": True}

    async def awaited() -> bytes:
        async with sdk.client.chat.completions.with_streaming_response.create(**more) as answer:
            return b"".join([chunk async for chunk in answer.iter_bytes()])

    if sdk.sync:
        with sdk.client.chat.completions.with_streaming_response.create(**more) as answer:
            body = b"".join(answer.iter_bytes())
    else:
        body = sdk.runner.run(awaited())
    assert MAIL.encode() in body
    assert b"<EMAIL_1>" not in body
    assert body.endswith(b"data: [DONE]\n\n")


def test_compressed_answers_are_read(connect: Connect, provider: Starlette) -> None:
    """A11: a provider that compresses unasked is decoded and screened, streamed or not."""
    provider.state.script.gzip = True
    sdk = connect()
    assert sdk.chat(f"Write to {MAIL}").choices[0].message.content == f"You wrote: Write to {MAIL}"
    assert told(sdk.chat_stream(f"Write to {MAIL}")) == f"You wrote: Write to {MAIL}"
    assert all(dict(r.headers)[b"accept-encoding"] == b"identity" for r in provider.state.received)


# what is refused


def test_a_blocked_request_never_leaves(connect: Connect, provider: Starlette, strict: Guard) -> None:
    """403 with the kind and the path, which the SDK does not retry; the text is not quoted (D21)."""
    with pytest.raises(openai.PermissionDeniedError) as caught:
        connect(strict).chat(f"My card is {CARD}")
    error = caught.value
    assert (error.code, error.param) == ("pii.card", "messages[0].content")
    assert error.body["type"] == "guard_refused"  # type: ignore[index]
    assert error.response.headers["x-should-retry"] == "false"
    assert error.response.headers["x-guard-action"] == "block"
    assert "4111" not in str(error) + error.response.text
    assert provider.state.received == []


def test_a_part_that_cannot_be_read_is_refused(connect: Connect, provider: Starlette) -> None:
    """B21: an image is opaque: 403, and the message names the rule that would allow it."""
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    with pytest.raises(openai.PermissionDeniedError, match=r"guard\.opaque\.image: allow") as caught:
        connect()(
            lambda c: c.chat.completions.create(model="m", messages=[{"role": "user", "content": [part]}])
        )
    assert caught.value.code == "guard.opaque.image"
    assert provider.state.received == []


def test_an_unknown_field_is_refused(connect: Connect, provider: Starlette) -> None:
    """Law 2: a field that the map does not name may carry text: it is refused by its place, not its name."""
    with pytest.raises(openai.PermissionDeniedError) as caught:
        connect().chat("hi", extra_body={"alice_corp": MAIL})
    assert caught.value.code == "guard.opaque.field"
    assert "alice" not in str(caught.value)
    assert provider.state.received == []


REFUSED: dict[str, Callable[[Any], Any]] = {
    "files": lambda c: c.files.list(),
    "upload": lambda c: c.files.create(file=b"x", purpose="batch"),
    "batches": lambda c: c.batches.list(),
    "images": lambda c: c.images.generate(prompt=MAIL, model="m"),
    "speech": lambda c: c.audio.speech.create(input=MAIL, model="m", voice="alloy"),
    "fine-tuning": lambda c: c.fine_tuning.jobs.list(),
    "vector stores": lambda c: c.vector_stores.list(),
    "stored responses": lambda c: c.responses.retrieve("resp_1"),
    "conversations": lambda c: c.conversations.create(),
    "any other": lambda c: c.post("/brand/new", body={"text": MAIL}, cast_to=object),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_endpoints_are_refused(connect: Connect, provider: Starlette, name: str) -> None:
    """B20: what guard does not read it does not let pass; the message says what would."""
    with pytest.raises(openai.PermissionDeniedError) as caught:
        connect()(REFUSED[name])
    assert caught.value.code == "guard.opaque.endpoint"
    allowing = r"`guard.opaque.endpoint: allow`|`endpoints: \{allow: \[\w+\]\}`"
    assert re.search(allowing, caught.value.message)
    assert provider.state.received == []


def test_an_endpoint_that_the_policy_names_passes_unread(
    connect: Connect, provider: Starlette, make_guard: Any
) -> None:
    """B20: `endpoints: {allow: [files]}` lets files pass, query and all, and nothing else."""
    sdk = connect(make_guard(make_guard.quiet + "endpoints: {allow: [files]}\n"))
    with pytest.raises(openai.NotFoundError):  # the simulated provider has no files
        sdk(lambda c: c.files.list(purpose="batch"))
    (row,) = provider.state.received
    assert (row.path, row.query) == ("/v1/files", b"purpose=batch")
    with pytest.raises(openai.PermissionDeniedError):
        sdk(lambda c: c.batches.list())


def test_a_body_that_is_too_large_or_broken(connect: Connect, make_guard: Any, provider: Starlette) -> None:
    """D23: 413 and 400 in the API's envelope, not retried, nothing sent."""
    small = connect(make_guard(max_body_bytes=2000))
    with pytest.raises(openai.APIStatusError) as caught:
        small.chat("x" * 3000)
    assert caught.value.status_code == 413
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert provider.state.received == []


# what is judged


def test_a_blocked_answer_has_content_filter(connect: Connect, provider: Starlette, judged: Guard) -> None:
    """200 with the policy's sentence and `finish_reason: content_filter`; the other choice is kept."""
    provider.state.script.reply = lambda body: ["I will hurt you.", "A fine day."]
    answer = connect(judged).chat("hi", n=2)
    assert [c.finish_reason for c in answer.choices] == ["content_filter", "stop"]
    assert [c.message.content for c in answer.choices] == [
        "the answer was refused by the policy (moderation.harassment/threatening)",
        "A fine day.",
    ]


def test_a_blocked_stream_has_content_filter(connect: Connect, provider: Starlette, judged: Guard) -> None:
    """A25: the stream ends with `content_filter`; what was judged fine has been read."""
    calm = "A fine day it is, they say, and so it will be tomorrow. " * 3
    provider.state.script.reply = lambda body: calm + "I will hurt you. " * 40
    chunks = connect(judged).chat_stream("hi")
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    assert told(chunks).startswith(calm[:40])


def test_a_blocked_response_is_incomplete(connect: Connect, provider: Starlette, judged: Guard) -> None:
    """Responses: `status: incomplete`, `reason: content_filter`, streamed or not."""
    provider.state.script.reply = lambda body: "I will hurt you."
    sdk = connect(judged)
    answer = sdk(lambda c: c.responses.create(model="m", input="hi"))
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "content_filter")
    assert "hurt" not in answer.output_text
    last = sdk.stream(lambda c: c.responses.create(model="m", input="hi", stream=True))[-1]
    assert last.type == "response.incomplete"


def test_the_judge_is_asked_where_the_model_is(connect: Connect, provider: Starlette, judged: Guard) -> None:
    """B19: at the model's own host with the app's bearer, about the redacted text; once for an answer."""
    provider.state.script.reply = lambda body: f"Write to <EMAIL_1> or {MAIL2}."
    connect(judged).chat(f"mail of {MAIL}?")
    (row,) = [r for r in provider.state.received if r.path == "/v1/moderations"]
    assert dict(row.headers)[b"authorization"] == b"Bearer sk-app-canary"
    assert json.loads(row.body)["input"] == [f"Write to <EMAIL_1> or {MAIL2}."]


def test_without_a_moderation_rule_nobody_is_asked(connect: Connect, provider: Starlette) -> None:
    """No moderation rule, no call."""
    connect().chat("hi")
    assert [r.path for r in provider.state.received] == ["/v1/chat/completions"]


@pytest.mark.parametrize("fault", ["500", "401", "429", "bad_json", "missing_category", "no_scores"])
def test_an_outage_of_the_judge_fails_closed(
    connect: Connect, provider: Starlette, judged: Guard, fault: str
) -> None:
    """C16: 503 with its own code, and the model is called exactly once: the SDK is told not to retry."""
    provider.state.script.fail("moderations", fault, forever=True)
    sdk = connect(judged)
    with pytest.raises(openai.InternalServerError) as caught:
        sdk.chat("hi")
    assert (caught.value.status_code, caught.value.code) == (503, "guard.unavailable.moderation")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(received(provider)) == 1
    with pytest.raises(openai.APIError) as broken:
        sdk.chat_stream("hi")
    assert broken.value.code == "guard.unavailable.moderation"
    assert len(received(provider)) == 2


def test_a_detector_that_loses_a_text_fails_closed(
    connect: Connect, provider: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A20: fewer answers than texts: 503, and nothing leaves."""

    async def none(self: Any, texts: Any) -> list[Any]:
        return []

    monkeypatch.setattr("guard.services.detector.Detector.detect", none)
    monkeypatch.setattr("guard.services.detector.Detector.detect_sync", lambda self, texts: [])
    with pytest.raises(openai.InternalServerError) as caught:
        connect().chat(f"Write to {MAIL}")
    assert (caught.value.status_code, caught.value.code) == (503, "guard.unavailable.detect")
    assert provider.state.received == []


def test_observe_changes_nothing(connect: Connect, provider: Starlette, make_guard: Any) -> None:
    """mode: observe: the provider is sent what the app wrote, byte for byte in meaning."""
    sdk = connect(make_guard(make_guard.quiet + "mode: observe\n" + STRICT))
    answer = sdk.chat(f"{MAIL} {CARD}")
    assert received(provider)[0]["messages"][0]["content"] == f"{MAIL} {CARD}"
    assert answer.choices[0].message.content == f"You wrote: {MAIL} {CARD}"
