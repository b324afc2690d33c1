"""The official client against a model API of one's own, served by uvicorn behind the middleware."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from guard import Guard, GuardMiddleware
from guard.simulator.app import create_app
from guard.simulator.script import Script, ToolCall
from guard.simulator.server import serve

CARD = "4111 1111 1111 1111"
OTHER = "5500 0000 0000 0004"
BAD = "A harmless sentence, nothing more. " * 9 + "Now I will hurt you badly. " + "More of it. " * 30


class Served:
    """A running application and a client of it."""

    def __init__(self, app: Any, client: openai.OpenAI) -> None:
        self.app, self.client = app, client

    @property
    def script(self) -> Script:
        script: Script = self.app.state.script
        return script

    @property
    def bodies(self) -> str:
        return b"".join(row.body for row in self.app.state.received).decode()


@pytest.fixture
def served(judging: Guard) -> Iterator[Served]:
    app = create_app()
    with (
        serve(GuardMiddleware(app, guard=judging)) as url,
        openai.OpenAI(base_url=f"{url}/v1", api_key="sk-mine", max_retries=0) as client,
    ):
        yield Served(app, client)


def ask(text: str = f"my card is {CARD}") -> Any:
    return [{"role": "user", "content": text}]


def test_whole_answers(served: Served) -> None:
    """E08: chat, Responses and embeddings: the application sees placeholders, the client its own values."""
    client = served.client
    assert client.chat.completions.create(model="m", messages=ask()).choices[0].message.content == (
        f"You wrote: my card is {CARD}"
    )
    assert client.responses.create(model="m", input=ask()).output_text == f"You wrote: my card is {CARD}"
    assert client.embeddings.create(model="m", input=[CARD]).data[0].embedding
    assert "4111" not in served.bodies


@pytest.mark.parametrize(("chunk", "recut"), [(1, 0), (3, 1), (50, 7)])
def test_streamed_answers(served: Served, chunk: int, recut: int) -> None:
    """A21 A22: streams of both APIs, in small deltas and cut bytes: restored, redacted, complete."""
    served.script.chunk, served.script.recut = chunk, recut
    served.script.reply = lambda body: f"上海 🙂 <CARD_1>, {OTHER} 好。"
    told = f"上海 🙂 {CARD}, <CARD_2> 好。"
    chunks = served.client.chat.completions.create(model="m", messages=ask(), stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == told
    with served.client.responses.stream(model="m", input=ask()) as events:
        final = events.get_final_response()
    assert final.output_text == told
    assert final.status == "completed"


def test_blocked_answers(served: Served) -> None:
    """A25: content_filter and incomplete, as the SDK reads them, with the policy's words and nothing of the text."""
    served.script.reply = lambda body: BAD
    choice = served.client.chat.completions.create(model="m", messages=ask()).choices[0]
    response = served.client.responses.create(model="m", input=ask())
    assert choice.finish_reason == "content_filter"
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "content_filter")
    assert "hurt" not in str(choice.message.content) + response.output_text


def test_blocked_streams(served: Served) -> None:
    """A25: the same in streams: what was clean is told, then the words of the policy, then the end."""
    served.script.reply = lambda body: BAD
    chunks = list(served.client.chat.completions.create(model="m", messages=ask(), stream=True))
    text = "".join(c.choices[0].delta.content or "" for c in chunks)
    assert text.startswith("A harmless sentence")
    assert "hurt" not in text
    assert "More of it" not in text
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    with served.client.responses.stream(model="m", input=ask()) as stream:
        events = list(stream)
    assert events[-1].type == "response.incomplete"
    assert "hurt" not in str(events)
    assert "More of it" not in str(events)


def test_tool_calls(served: Served) -> None:
    """A22: streamed arguments of parallel tool calls are restored and redacted, and are JSON again."""
    served.script.tools = lambda body: [
        ToolCall("pay", '{"card": "<CARD_1>", "to": "' + OTHER + '"}'),
        ToolCall("note", '{"text": "nothing personal"}'),
    ]
    calls: dict[int, str] = {}
    for chunk in served.client.chat.completions.create(model="m", messages=ask(), stream=True):
        for call in chunk.choices[0].delta.tool_calls or () if chunk.choices else ():
            calls[call.index] = calls.get(call.index, "") + (call.function.arguments or "")
    assert calls == {0: '{"card":"' + CARD + '","to":"<CARD_2>"}', 1: '{"text": "nothing personal"}'}


def test_an_outage_of_the_judge(served: Served, provider: Any) -> None:
    """A20 C16: 503 that the SDK raises as its own error; in a stream an APIError, never content_filter."""
    served.client.chat.completions.create(model="m", messages=ask("warm"))
    provider.state.script.fail("moderations", "500", forever=True)
    with pytest.raises(openai.InternalServerError) as whole:
        served.client.chat.completions.create(model="m", messages=ask())
    with pytest.raises(openai.APIError) as streamed:
        list(served.client.chat.completions.create(model="m", messages=ask(), stream=True))
    assert (whole.value.status_code, whole.value.code) == (503, "guard.unavailable.moderation")
    assert streamed.value.code == "guard.unavailable.moderation"
