"""The real openai SDK takes the simulated provider for a provider."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest
from openai.types.moderation import CategoryScores

from guard.simulator.scores import MODEL
from guard.simulator.script import Script, ToolCall

ASK: list[Any] = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Grüße, 世界!"}]
CALLS = [ToolCall("find", '{"city": "Paris"}'), ToolCall("书", '{"n": 12345678901234567890}')]
TOOLS: list[Any] = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]


def test_chat_answers_with_what_was_written(client: openai.OpenAI) -> None:
    """The default answer repeats the user's last message, so that one sees what arrived."""
    answer = client.chat.completions.create(model="gpt-5-mini", messages=ASK, n=2)
    assert [c.message.content for c in answer.choices] == ["You wrote: Grüße, 世界!"] * 2
    assert [(c.index, c.finish_reason) for c in answer.choices] == [(0, "stop"), (1, "stop")]
    assert answer.model == "gpt-5-mini"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_content_parts_are_read(client: openai.OpenAI) -> None:
    """A message in parts is repeated too."""
    parts: Any = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": parts}])
    assert answer.choices[0].message.content == "You wrote: one two"


@pytest.mark.parametrize("chunk", [1, 4, 1000])
@pytest.mark.parametrize("recut", [0, 1, 3, 1000])
def test_a_chat_stream_carries_the_text_of_every_choice(
    client: openai.OpenAI, script: Script, chunk: int, recut: int
) -> None:
    """Deltas of any size, bytes cut anywhere: the SDK joins the same texts, choices interleaved."""
    script.chunk, script.recut = chunk, recut
    script.reply = lambda body: ["first 答案 🙂", "second"]
    stream = client.chat.completions.create(
        model="m", messages=ASK, n=2, stream=True, stream_options={"include_usage": True}
    )
    texts, reasons, usage = ["", ""], ["", ""], None
    for chunk_ in stream:
        usage = chunk_.usage or usage
        for choice in chunk_.choices:
            texts[choice.index] += choice.delta.content or ""
            reasons[choice.index] += choice.finish_reason or ""
    assert texts == ["first 答案 🙂", "second"]
    assert reasons == ["stop", "stop"]
    assert usage is not None
    assert usage.completion_tokens > 0


def test_tool_calls_whole_and_streamed(client: openai.OpenAI, script: Script) -> None:
    """Parallel calls stream interleaved and join to the same JSON."""
    script.tools = lambda body: CALLS
    whole = client.chat.completions.create(model="m", messages=ASK, tools=TOOLS)
    calls: Any = whole.choices[0].message.tool_calls
    assert [(c.function.name, c.function.arguments) for c in calls] == [(c.name, c.arguments) for c in CALLS]
    assert whole.choices[0].finish_reason == "tool_calls"
    names, arguments = ["", ""], ["", ""]
    for chunk in client.chat.completions.create(model="m", messages=ASK, tools=TOOLS, stream=True):
        for call in chunk.choices[0].delta.tool_calls or ():
            assert call.function is not None
            names[call.index] += call.function.name or ""
            arguments[call.index] += call.function.arguments or ""
    assert (names, arguments) == ([c.name for c in CALLS], [c.arguments for c in CALLS])


def test_the_sdk_accumulates_a_chat_stream(client: openai.OpenAI) -> None:
    """The SDK's own stream helper ends with the whole answer."""
    with client.chat.completions.stream(model="m", messages=ASK) as stream:
        stream.until_done()
        assert stream.get_final_completion().choices[0].message.content == "You wrote: Grüße, 世界!"


def test_legacy_completions(client: openai.OpenAI) -> None:
    """The old endpoint answers too, whole and streamed."""
    assert client.completions.create(model="m", prompt="Hi").choices[0].text == "You wrote: Hi"
    stream = client.completions.create(model="m", prompt="Hi", stream=True)
    assert "".join(c.choices[0].text for c in stream) == "You wrote: Hi"


@pytest.mark.parametrize("asked", ["Grüße, 世界!", [{"role": "user", "content": "Grüße, 世界!"}]])
def test_responses(client: openai.OpenAI, asked: Any) -> None:
    """The Responses API answers text and items."""
    answer = client.responses.create(model="m", input=asked, metadata={"k": "v"})
    assert answer.output_text == "You wrote: Grüße, 世界!"
    assert answer.status == "completed"
    assert answer.usage is not None


def test_a_responses_stream_has_the_whole_sequence_of_events(client: openai.OpenAI, script: Script) -> None:
    """Every event from created to completed, numbered, the text repeated where the API repeats it (B25)."""
    script.chunk = 10
    events: list[Any] = list(client.responses.create(model="m", input="Hello there", stream=True))
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert [e.type.removeprefix("response.") for e in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        *["output_text.delta"] * 3,
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    text = "You wrote: Hello there"
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == text
    assert [events[7].text, events[8].part.text, events[9].item.content[0].text] == [text] * 3
    assert events[10].response.output_text == text
    assert len({events[0].response.id, events[1].response.id, events[10].response.id}) == 1


def test_responses_call_tools(client: openai.OpenAI, script: Script) -> None:
    """Function calls are items of their own, whole and streamed."""
    script.tools = lambda body: CALLS
    answer: Any = client.responses.create(model="m", input="go")
    assert [(i.type, i.name, i.arguments) for i in answer.output] == [
        ("function_call", c.name, c.arguments) for c in CALLS
    ]
    events: list[Any] = list(client.responses.create(model="m", input="go", stream=True))
    done = [e.arguments for e in events if e.type == "response.function_call_arguments.done"]
    assert done == [c.arguments for c in CALLS]
    deltas = [e for e in events if e.type == "response.function_call_arguments.delta"]
    assert "".join(e.delta for e in deltas if e.output_index == 1) == CALLS[1].arguments


def test_the_sdk_accumulates_a_responses_stream(client: openai.OpenAI) -> None:
    """The SDK's own stream helper ends with the whole answer."""
    with client.responses.stream(model="m", input="Hi") as stream:
        stream.until_done()
        assert stream.get_final_response().output_text == "You wrote: Hi"


@pytest.mark.parametrize("form", ["float", "base64"])
def test_embeddings(client: openai.OpenAI, form: Any) -> None:
    """Equal texts have equal vectors, in the SDK's default packing and as plain numbers."""
    answer = client.embeddings.create(model="m", input=["a", "b", "a"], encoding_format=form, dimensions=40)
    vectors = [row.embedding for row in answer.data]
    if form == "float":
        assert [len(v) for v in vectors] == [40] * 3
        assert all(-1 <= x <= 1 for v in vectors for x in v)
    assert vectors[0] == vectors[2] != vectors[1]
    assert len(client.embeddings.create(model="m", input="a").data[0].embedding) == 8
    assert len(client.embeddings.create(model="m", input=[1, 2, 3]).data) == 1


def test_models(client: openai.OpenAI) -> None:
    """The models say that they are simulated."""
    names = [model.id for model in client.models.list()]
    assert names
    assert all("simulated" in name for name in names)
    assert client.models.retrieve(names[0]).owned_by == "simulator"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")


def test_moderations_score_low_but_for_the_phrases_of_the_table(client: openai.OpenAI) -> None:
    """Every category has a score; marked texts and simple phrases score high; the model is named simulated."""
    texts = [
        "good morning",
        "I will hurt you",
        "我要伤害你。",
        "a [simulate:hate] b",
        "[simulate:self-harm=0.42]",
    ]
    answer = client.moderations.create(input=texts)
    assert answer.model == MODEL
    assert "simulated" in MODEL
    scores = [r.category_scores for r in answer.results]
    assert max(scores[0].model_dump().values()) < 0.01
    assert [r.flagged for r in answer.results] == [False, True, True, True, False]
    assert (scores[1].violence, scores[2].violence) == (0.93, 0.93)
    assert (scores[3].hate, scores[4].self_harm) == (0.95, 0.42)
    assert answer.results[1].categories.violence


@pytest.mark.parametrize("category", [f.alias or name for name, f in CategoryScores.model_fields.items()])
def test_every_category_can_be_simulated(client: openai.OpenAI, category: str) -> None:
    """A mark in the text sets any of the SDK's categories."""
    answer = client.moderations.create(input=f"see [simulate:{category}=0.61] here")
    assert answer.results[0].category_scores.model_dump(by_alias=True)[category] == 0.61


def test_moderation_takes_content_parts(client: openai.OpenAI) -> None:
    """One list of parts is one input."""
    parts: Any = [
        {"type": "text", "text": "[simulate:sexual]"},
        {"type": "image_url", "image_url": {"url": "x"}},
    ]
    assert [r.flagged for r in client.moderations.create(input=parts).results] == [True]


def test_the_asynchronous_client(app: Any, url: str) -> None:
    """The async SDK talks to it too: chat, streams, Responses, moderations."""

    async def main() -> tuple[Any, str, str, bool]:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
            chat = await client.chat.completions.create(model="m", messages=ASK)
            stream = await client.chat.completions.create(model="m", messages=ASK, stream=True)
            streamed = "".join([c.choices[0].delta.content or "" async for c in stream])
            events = await client.responses.create(model="m", input="Hi", stream=True)
            deltas = "".join([e.delta async for e in events if e.type == "response.output_text.delta"])
            judged = await client.moderations.create(input="[simulate:hate]")
            return chat.choices[0].message.content, streamed, deltas, judged.results[0].flagged

    text = "You wrote: Grüße, 世界!"
    assert asyncio.run(main()) == (text, text, "You wrote: Hi", True)
