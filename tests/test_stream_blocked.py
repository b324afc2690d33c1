"""How a stream ends when something in it is blocked: as the API itself would, readable by the official SDK."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from guard.types import Action

_spec = importlib.util.spec_from_file_location("stream_kit", Path(__file__).with_name("stream_kit.py"))
assert _spec is not None
assert _spec.loader is not None
kit = sys.modules.setdefault("stream_kit", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(kit)

CALM = "It rains in Spain again, they say. The sun comes out at noon. We all go for a walk. "
HARM = "Now I will hurt you badly. "
NO_MAIL = kit.HEAD + "output: {rules: {'pii.email': block, 'moderation.*': allow}}\n"
WORDS = kit.JUDGED + "messages: {output: 'Not here.', self-harm: 'Please call 112.'}\n"

Client = openai.OpenAI


@pytest.fixture
def sdk() -> Iterator[Any]:
    """The official client, answered with the bytes given."""
    answer: list[bytes] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=answer[0])

    http = httpx2.Client(transport=httpx2.MockTransport(handler))
    with openai.OpenAI(api_key="sk-test", base_url="http://sdk.test/v1", http_client=http) as client:

        def reading(data: bytes) -> openai.OpenAI:
            answer[:] = [data]
            return client

        yield reading


def streamed(endpoint: str, *texts: str, policy: str = WORDS, **more: Any) -> Any:
    size, seed = more.pop("size", 0), more.pop("seed", 0)
    data = kit.wire(kit.provider(endpoint, texts, **more), done=endpoint != "responses")
    return kit.run(policy, endpoint, kit.cut(data, size), seed=seed, choices=len(texts))


@pytest.mark.parametrize("seed", range(5))
def test_a_blocked_choice_ends_with_content_filter_and_done(sdk: Any, seed: int) -> None:
    """A25: what was clean has left; then the policy's words with `content_filter`, `[DONE]`, and nothing more."""
    run = streamed("chat", CALM + HARM + CALM, seed=seed, size=7)
    chunks = list(sdk(run.out).chat.completions.create(model="m", messages=[], stream=True))
    told = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert told.endswith("Not here.")
    assert CALM.startswith(told.removesuffix("Not here.")[:20])
    assert "hurt you badly" not in told
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    assert len({c.id for c in chunks}) == 1
    assert run.done
    assert run.ends == ["moderation.harassment/threatening"]
    assert run.gate.complete


def test_the_first_words_may_be_the_blocked_ones(sdk: Any) -> None:
    """A25: nothing of an answer that is bad from its first window leaves, but for its role."""
    run = streamed("chat", HARM)
    assert kit.told(run.events) == {"0": "Not here."}
    assert run.done


def test_legacy_completions_end_alike(sdk: Any) -> None:
    """A25: completions have `text` in place of a delta."""
    run = streamed("completions", CALM + HARM)
    chunks = list(sdk(run.out).completions.create(model="m", prompt="", stream=True))
    assert chunks[-1].choices[0].text == "Not here."
    assert chunks[-1].choices[0].finish_reason == "content_filter"


def test_words_for_self_harm() -> None:
    """A person who may hurt themselves reads the policy's words for that."""
    run = streamed("chat", "You should hurt myself. ")
    assert kit.told(run.events) == {"0": "Please call 112."}


@pytest.mark.parametrize("bad", [0, 1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_other_choices_go_on(sdk: Any, bad: int, seed: int) -> None:
    """A25: with n=3, the blocked choice ends with `content_filter`, once; the others come whole."""
    texts = [CALM + (HARM + CALM) * (place == bad) for place in range(3)]
    run = streamed("chat", *texts, seed=seed)
    told, finishes = kit.told(run.events), kit.finishes(run.events)
    for place in range(3):
        assert finishes[place] == ["content_filter" if place == bad else "stop"]
        assert told[str(place)] == CALM or place == bad
    assert "badly" not in told[str(bad)]
    assert run.done
    with sdk(run.out).chat.completions.stream(model="m", messages=[], n=3) as stream:
        reasons = {
            c.chunk.choices[0].index: c.chunk.choices[0].finish_reason for c in stream if c.type == "chunk"
        }
    assert reasons[bad] == "content_filter"


def test_all_choices_may_be_blocked() -> None:
    """A25: when the last choice is refused the stream is over: one `[DONE]`."""
    run = streamed("chat", HARM + CALM * 9, CALM + HARM + CALM * 9)
    assert kit.finishes(run.events) == {0: ["content_filter"], 1: ["content_filter"]}
    assert run.done


def together(text: str, other: str, **more: Any) -> dict[str, Any]:
    """One chunk that holds two choices, or a choice with its finish reason."""
    choices = [
        {"index": place, "delta": {"content": content}, "logprobs": None, "finish_reason": None, **more}
        for place, content in enumerate((text, other))
    ]
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}


def test_two_choices_in_one_chunk() -> None:
    """A25: of a chunk that holds two choices, only the clean one leaves, redacted, and once."""
    data = kit.wire([together(HARM, "Mail alice@corp.com. "), together(CALM, CALM, finish_reason="stop")])
    run = kit.run(WORDS, "chat", [data], choices=2)
    assert kit.told(run.events) == {"0": "Not here.", "1": f"Mail <EMAIL_1>. {CALM}"}
    assert kit.finishes(run.events) == {0: ["content_filter"], 1: ["stop"]}
    assert b"alice" not in run.out
    assert b"hurt" not in run.out


def test_a_text_that_ends_in_its_own_chunk() -> None:
    """A25: text and `finish_reason: stop` in one chunk: the clean part leaves without the `stop`."""
    (choice,) = together(CALM + HARM, "")["choices"][:1]
    chunk = {**together("", ""), "choices": [{**choice, "finish_reason": "stop"}]}
    run = kit.run(WORDS, "chat", [kit.wire([chunk])])
    assert kit.finishes(run.events) == {0: ["content_filter"]}
    assert kit.told(run.events)["0"].startswith("It rains")


def test_a_found_value_can_block_too() -> None:
    """A rule that blocks what was found ends the choice as a judged text does, whatever the judge."""
    run = streamed("chat", "Write to alice@corp.com. ", policy=NO_MAIL)
    assert run.ends == ["pii.email"]
    assert b"alice" not in run.out
    assert kit.finishes(run.events) == {0: ["content_filter"]}


def test_blocked_arguments_leave_nothing_of_the_call(sdk: Any) -> None:
    """B24 A25: a call whose arguments are blocked ends as the choice does; its arguments never leave."""
    run = streamed("chat", "", policy=NO_MAIL, tools=['{"a": 1}', '{"to": "alice@corp.com"}'])
    assert "0.1" not in kit.told(run.events)
    assert b"alice" not in run.out
    assert kit.finishes(run.events) == {0: ["content_filter"]}
    list(sdk(run.out).chat.completions.create(model="m", messages=[], stream=True))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("text", [HARM, CALM + HARM, CALM * 3 + HARM + CALM])
def test_a_blocked_response_is_incomplete(sdk: Any, text: str, seed: int) -> None:
    """A25 B25: Responses: the open text, part and item are closed, then `response.incomplete`; the SDK reads it."""
    run = streamed("responses", text, seed=seed, size=50)
    assert not run.done
    numbers = [event["sequence_number"] for event in run.events]
    assert numbers == list(range(len(numbers)))
    with sdk(run.out).responses.stream(model="m", input="") as stream:
        events = list(stream)
    assert events[-1].type == "response.incomplete"
    final = events[-1].response
    assert final.status == "incomplete"
    assert final.incomplete_details.reason == "content_filter"
    told = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert final.output_text == told
    assert told.endswith("Not here.")
    assert "badly" not in run.out.decode()
    (done,) = [e for e in events if e.type == "response.output_text.done"]
    assert done.text == told


def test_blocked_arguments_of_a_response(sdk: Any) -> None:
    """B24 A25: Responses: a call that is blocked is followed by a message that says so."""
    run = streamed("responses", "", policy=NO_MAIL, tools=['{"to": "alice@corp.com"}'])
    assert b"alice" not in run.out
    with sdk(run.out).responses.stream(model="m", input="") as stream:
        events = list(stream)
    assert events[-1].type == "response.incomplete"
    assert events[-1].response.output_text == "the answer was refused by the policy (pii.email)"


def test_an_opaque_part_is_no_content_filter() -> None:
    """Law 1: what guard cannot read ends the stream with an error; what came before leaves first."""
    image = {
        "type": "response.image_generation_call.partial_image",
        "partial_image_b64": "iVBORw0KGgo=" * 20,
        "partial_image_index": 0,
        "item_id": "ig_1",
        "output_index": 1,
        "sequence_number": 7,
    }
    events = kit.provider("responses", [CALM], chunk=10_000)
    place = next(i for i, e in enumerate(events) if e["type"] == "response.output_text.done")
    for size, seed in itertools.product((0, 1, 100), range(3)):
        data = kit.wire([*events[:place], image, *events[place:]], done=False)
        run = kit.run(WORDS, "responses", kit.cut(data, size), seed=seed)
        assert kit.told(run.events) == {"0": CALM}
        assert run.events[-1]["error"]["code"] == "guard.opaque.image"
        assert b"iVBOR" not in run.out
        assert run.ends == ["guard.opaque.image"]


def test_an_outage_ends_every_choice() -> None:
    """C16: the judge is one for all choices: an outage ends the stream, whatever choice it met."""

    def judge(text: str) -> Any:
        from guard.errors import Unavailable

        if "Spain" in text:
            return kit.simulated_scores(text)
        raise Unavailable("moderation", "timeout")

    data = kit.wire(kit.provider("chat", ["It rains in Spain. ", "Hello there. "]))
    run = kit.run(WORDS, "chat", [data], judge=judge, choices=2)
    assert run.events[-1]["error"]["code"] == "guard.unavailable.moderation"
    assert not run.done
    assert "Hello" not in run.out.decode()


def test_the_sdk_raises_an_outage(sdk: Any) -> None:
    """C16: the official client raises APIError with guard's code."""
    run = kit.run(WORDS, "chat", [kit.wire(kit.provider("chat", [CALM]))], judge=lambda text: {})
    with pytest.raises(openai.APIError) as caught:
        list(sdk(run.out).chat.completions.create(model="m", messages=[], stream=True))
    assert caught.value.code == "guard.unavailable.moderation"


def test_a_block_is_on_record() -> None:
    """The verdict of a blocked stream says which kind, enforced, and at which choice."""
    run = streamed("chat", CALM, CALM + HARM)
    (block,) = {d.finding.path for d in run.gate.decisions if d.enforced is Action.BLOCK}
    assert block == "choices[1].content"
    assert run.gate.verdict().enforced is Action.BLOCK
    assert run.gate.code == "moderation.harassment/threatening"


def test_messages_are_printed_as_text() -> None:
    """D13: a template in the policy's words is text."""
    policy = kit.JUDGED + "messages: {output: \"{{ ''.__class__ }} {0.__class__}\"}\n"
    run = streamed("chat", HARM, policy=policy)
    assert kit.told(run.events) == {"0": "{{ ''.__class__ }} {0.__class__}"}
