"""Every place where a request or an answer carries text is screened, refused or dropped, case by case."""

from __future__ import annotations

import json
from typing import Any

import pytest

from guard.errors import BadRequest
from guard.types import Change, Limits
from guard.wire import openai
from guard.wire.jsonbody import at, replace
from guard.wire.openai import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    MODERATIONS,
    RESPONSES,
    request_reading,
    response_reading,
)

V = "alice@leak.example"
T, F = Change.TEXT, Change.FIXED
ASK = {"role": "user", "content": "hi"}


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [ASK], **fields}


def says(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": role, "content": content, **more}]}


def item(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "input": [fields]}


CHAT_TEXTS: list[tuple[str, dict[str, Any], str, Change]] = [
    ("B16 system", says("system", V), "messages[0].content", T),
    ("B16 developer", says("developer", V), "messages[0].content", T),
    ("B16 user", says("user", V), "messages[0].content", T),
    ("B13 assistant", says("assistant", V), "messages[0].content", T),
    ("B13 refusal", says("assistant", None, refusal=V), "messages[0].refusal", T),
    ("B16 name", says("user", "hi", name=V), "messages[0].name", F),
    ("parts", says("user", [{"type": "text", "text": V}]), "messages[0].content[0].text", T),
    (
        "refusal part",
        says("assistant", [{"type": "refusal", "refusal": V}]),
        "messages[0].content[0].refusal",
        T,
    ),
    ("B14 tool string", says("tool", V, tool_call_id="c"), "messages[0].content", T),
    (
        "B14 tool parts",
        says("tool", [{"type": "text", "text": V}], tool_call_id="c"),
        "messages[0].content[0].text",
        T,
    ),
    ("B14 tool JSON", says("tool", json.dumps({"to": V}), tool_call_id="c"), "messages[0].content#<0>", T),
    ("B14 function", says("function", V, name="f"), "messages[0].content", T),
    ("tool call id", says("tool", "x", tool_call_id=V), "messages[0].tool_call_id", F),
    (
        "B13 tool call",
        says(
            "assistant",
            None,
            tool_calls=[
                {
                    "id": "c",
                    "type": "function",
                    "function": {"name": "f", "arguments": json.dumps({"a": {"b": V}})},
                }
            ],
        ),
        "messages[0].tool_calls[0].function.arguments#<0><0>",
        T,
    ),
    (
        "B13 tool call name",
        says(
            "assistant",
            None,
            tool_calls=[{"id": "c", "type": "function", "function": {"name": V, "arguments": "{}"}}],
        ),
        "messages[0].tool_calls[0].function.name",
        F,
    ),
    (
        "B13 custom tool call",
        says(
            "assistant", None, tool_calls=[{"id": "c", "type": "custom", "custom": {"name": "f", "input": V}}]
        ),
        "messages[0].tool_calls[0].custom.input",
        T,
    ),
    (
        "B13 function call",
        says("assistant", None, function_call={"name": "f", "arguments": V}),
        "messages[0].function_call.arguments",
        T,
    ),
    (
        "thinking of compatible providers",
        says("assistant", "x", reasoning_content=V),
        "messages[0].reasoning_content",
        T,
    ),
    (
        "file name",
        says("user", [{"type": "file", "file": {"filename": V}}]),
        "messages[0].content[0].file.filename",
        T,
    ),
    (
        "B15 description",
        chat(tools=[{"type": "function", "function": {"name": "f", "description": V}}]),
        "tools[0].function.description",
        F,
    ),
    ("B15 name", chat(tools=[{"type": "function", "function": {"name": V}}]), "tools[0].function.name", F),
    (
        "B15 enum",
        chat(
            tools=[
                {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "enum": [V]}}}
            ]
        ),
        "tools[0].function.parameters<1>[0]",
        F,
    ),
    (
        "B15 default",
        chat(
            tools=[
                {
                    "type": "function",
                    "function": {"name": "f", "parameters": {"properties": {"to": {"default": V}}}},
                }
            ]
        ),
        "tools[0].function.parameters<0><0><0>",
        F,
    ),
    (
        "B15 schema key",
        chat(tools=[{"type": "function", "function": {"name": "f", "parameters": {"properties": {V: {}}}}}]),
        "tools[0].function.parameters<0>{0}",
        F,
    ),
    (
        "B15 legacy functions",
        chat(functions=[{"name": "f", "description": V}]),
        "functions[0].description",
        F,
    ),
    (
        "B15 grammar",
        chat(
            tools=[
                {
                    "type": "custom",
                    "custom": {
                        "name": "f",
                        "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": V}},
                    },
                }
            ]
        ),
        "tools[0].custom.format.grammar.definition",
        F,
    ),
    (
        "B15 tool choice",
        chat(tool_choice={"type": "function", "function": {"name": V}}),
        "tool_choice.function.name",
        F,
    ),
    (
        "B16 response format",
        chat(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"title": V}}}),
        "response_format.json_schema.schema<0>",
        F,
    ),
    ("B16 prediction", chat(prediction={"type": "content", "content": V}), "prediction.content", T),
    (
        "B16 prediction parts",
        chat(prediction={"type": "content", "content": [{"type": "text", "text": V}]}),
        "prediction.content[0].text",
        T,
    ),
    ("B16 stop", chat(stop=V), "stop", T),
    ("B16 stops", chat(stop=["a", V]), "stop[1]", T),
    ("B16 logit bias key", chat(logit_bias={V: 1}), "logit_bias{0}", F),
    ("B16 metadata value", chat(metadata={"k": V}), "metadata<0>", T),
    ("B16 metadata key", chat(metadata={V: "x"}), "metadata{0}", T),
    ("B16 user", chat(user=V), "user", T),
    ("B16 safety identifier", chat(safety_identifier=V), "safety_identifier", T),
    ("B16 cache key", chat(prompt_cache_key=V), "prompt_cache_key", T),
    (
        "B16 place",
        chat(web_search_options={"user_location": {"type": "approximate", "approximate": {"city": V}}}),
        "web_search_options.user_location.approximate.city",
        T,
    ),
    ("model", chat(model=V), "model", F),
    ("a word that is none", chat(reasoning_effort=V), "reasoning_effort", F),
    ("a number that is text", chat(temperature=V), "temperature", F),
    ("a role that is part of the map", chat(service_tier=V), "service_tier", F),
]

RESPONSES_TEXTS: list[tuple[str, dict[str, Any], str, Change]] = [
    ("B17 instructions", {"instructions": V}, "instructions", T),
    ("B17 input", {"input": V}, "input", T),
    ("B17 easy message", item(role="user", content=V), "input[0].content", T),
    (
        "B17 message",
        item(type="message", role="user", content=[{"type": "input_text", "text": V}]),
        "input[0].content[0].text",
        T,
    ),
    (
        "B17 output message",
        item(
            type="message",
            id="m",
            role="assistant",
            content=[{"type": "output_text", "text": V, "annotations": []}],
        ),
        "input[0].content[0].text",
        T,
    ),
    (
        "B17 function call",
        item(type="function_call", call_id="c", name="f", arguments=json.dumps([V])),
        "input[0].arguments#[0]",
        T,
    ),
    ("B17 function output", item(type="function_call_output", call_id="c", output=V), "input[0].output", T),
    (
        "B17 function output JSON",
        item(type="function_call_output", call_id="c", output=json.dumps({"k": V})),
        "input[0].output#<0>",
        T,
    ),
    (
        "B17 function output parts",
        item(type="function_call_output", call_id="c", output=[{"type": "input_text", "text": V}]),
        "input[0].output[0].text",
        T,
    ),
    ("B17 custom call", item(type="custom_tool_call", call_id="c", name="f", input=V), "input[0].input", T),
    ("B17 custom output", item(type="custom_tool_call_output", call_id="c", output=V), "input[0].output", T),
    (
        "B17 shell",
        item(type="shell_call", call_id="c", action={"commands": ["ls", V]}),
        "input[0].action.commands[1]",
        T,
    ),
    (
        "B17 shell output",
        item(type="shell_call_output", call_id="c", output=[{"stdout": V, "stderr": ""}]),
        "input[0].output[0].stdout",
        T,
    ),
    (
        "B17 shell errors",
        item(type="shell_call_output", call_id="c", output=[{"stderr": V}]),
        "input[0].output[0].stderr",
        T,
    ),
    (
        "B17 local shell",
        item(type="local_shell_call", action={"type": "exec", "command": [V]}),
        "input[0].action.command[0]",
        T,
    ),
    (
        "B17 local shell env",
        item(type="local_shell_call", action={"env": {"MAIL": V}}),
        "input[0].action.env<0>",
        T,
    ),
    (
        "B17 local shell env key",
        item(type="local_shell_call", action={"env": {V: "x"}}),
        "input[0].action.env{0}",
        F,
    ),
    ("B17 local shell output", item(type="local_shell_call_output", id="i", output=V), "input[0].output", T),
    (
        "B17 computer",
        item(type="computer_call", action={"type": "type", "text": V}),
        "input[0].action.text",
        T,
    ),
    (
        "B17 computer actions",
        item(type="computer_call", actions=[{"type": "type", "text": V}]),
        "input[0].actions[0].text",
        T,
    ),
    (
        "B17 MCP arguments",
        item(type="mcp_call", id="i", name="f", server_label="s", arguments=json.dumps({"k": V})),
        "input[0].arguments#<0>",
        T,
    ),
    (
        "B17 MCP output",
        item(type="mcp_call", id="i", name="f", server_label="s", arguments="{}", output=V),
        "input[0].output",
        T,
    ),
    (
        "B17 MCP error",
        item(type="mcp_call", error={"type": "http_error", "message": V}),
        "input[0].error.message",
        T,
    ),
    (
        "B17 MCP approval",
        item(type="mcp_approval_request", arguments=json.dumps({"k": V})),
        "input[0].arguments#<0>",
        T,
    ),
    (
        "B17 MCP approval reason",
        item(type="mcp_approval_response", approve=True, reason=V),
        "input[0].reason",
        T,
    ),
    (
        "B17 MCP tools",
        item(type="mcp_list_tools", tools=[{"name": "f", "description": V}]),
        "input[0].tools[0].description",
        F,
    ),
    ("B17 file search", item(type="file_search_call", queries=[V]), "input[0].queries[0]", T),
    (
        "B17 file search results",
        item(type="file_search_call", results=[{"text": V}]),
        "input[0].results[0].text",
        T,
    ),
    (
        "B17 file search attributes",
        item(type="file_search_call", results=[{"attributes": {"k": V}}]),
        "input[0].results[0].attributes<0>",
        T,
    ),
    (
        "B17 web search",
        item(type="web_search_call", action={"type": "search", "query": V}),
        "input[0].action.query",
        T,
    ),
    ("B17 code interpreter", item(type="code_interpreter_call", code=V), "input[0].code", T),
    (
        "B17 code interpreter logs",
        item(type="code_interpreter_call", outputs=[{"type": "logs", "logs": V}]),
        "input[0].outputs[0].logs",
        T,
    ),
    (
        "B17 reasoning",
        item(type="reasoning", summary=[{"type": "summary_text", "text": V}]),
        "input[0].summary[0].text",
        T,
    ),
    (
        "B17 reasoning text",
        item(type="reasoning", content=[{"type": "reasoning_text", "text": V}]),
        "input[0].content[0].text",
        T,
    ),
    (
        "B17 ciphertext that is none",
        item(type="reasoning", encrypted_content=V),
        "input[0].encrypted_content",
        F,
    ),
    (
        "B17 patch",
        item(type="apply_patch_call", operation={"type": "update_file", "path": "p", "diff": V}),
        "input[0].operation.diff",
        T,
    ),
    ("B17 patch output", item(type="apply_patch_call_output", output=V), "input[0].output", T),
    ("B17 image prompt", item(type="image_generation_call", revised_prompt=V), "input[0].revised_prompt", T),
    ("B17 tool search", item(type="tool_search_call", arguments={"q": V}), "input[0].arguments<0>", T),
    ("B17 program", item(type="program", code=V), "input[0].code", T),
    ("B17 program output", item(type="program_output", result=V), "input[0].result", T),
    ("B17 item reference", item(type="item_reference", id=V), "input[0].id", F),
    ("B17 prompt variable", {"prompt": {"id": "p", "variables": {"who": V}}}, "prompt.variables<0>", T),
    (
        "B17 prompt variable part",
        {"prompt": {"id": "p", "variables": {"who": {"type": "input_text", "text": V}}}},
        "prompt.variables<0>.text",
        T,
    ),
    ("B17 prompt variable key", {"prompt": {"id": "p", "variables": {V: "x"}}}, "prompt.variables{0}", F),
    (
        "B15 tool",
        {"tools": [{"type": "function", "name": "f", "parameters": {"description": V}}]},
        "tools[0].parameters<0>",
        F,
    ),
    (
        "B15 MCP url",
        {"tools": [{"type": "mcp", "server_label": "s", "server_url": V}]},
        "tools[0].server_url",
        F,
    ),
    (
        "B15 MCP headers",
        {"tools": [{"type": "mcp", "server_label": "s", "headers": {"x": V}}]},
        "tools[0].headers<0>",
        F,
    ),
    (
        "B15 namespace",
        {
            "tools": [
                {
                    "type": "namespace",
                    "name": "n",
                    "description": "d",
                    "tools": [{"type": "function", "name": "f", "description": V}],
                }
            ]
        },
        "tools[0].tools[0].description",
        F,
    ),
    (
        "B16 text format",
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"const": V}}}},
        "text.format.schema<0>",
        F,
    ),
    ("B16 metadata", {"metadata": {"k": V}}, "metadata<0>", T),
    ("B16 user", {"user": V}, "user", T),
    ("B16 safety identifier", {"safety_identifier": V}, "safety_identifier", T),
    ("B16 cache key", {"prompt_cache_key": V}, "prompt_cache_key", T),
    ("previous response", {"previous_response_id": V}, "previous_response_id", F),
    ("conversation", {"conversation": V}, "conversation", F),
]

OTHER_TEXTS: list[tuple[openai.Endpoint, dict[str, Any], str, Change]] = [
    (EMBEDDINGS, {"input": V}, "input", T),
    (EMBEDDINGS, {"input": ["a", V]}, "input[1]", T),
    (EMBEDDINGS, {"input": "x", "user": V}, "user", T),
    (COMPLETIONS, {"prompt": V}, "prompt", T),
    (COMPLETIONS, {"prompt": ["a", V]}, "prompt[1]", T),
    (COMPLETIONS, {"prompt": "a", "suffix": V}, "suffix", T),
    (COMPLETIONS, {"prompt": "a", "stop": [V]}, "stop[0]", T),
    (MODERATIONS, {"input": V}, "input", T),
    (MODERATIONS, {"input": [V]}, "input[0]", T),
    (MODERATIONS, {"input": [{"type": "text", "text": V}]}, "input[0].text", T),
]

_ALL = [(CHAT, body, path, change) for _, body, path, change in CHAT_TEXTS]
_ALL += [(RESPONSES, body, path, change) for _, body, path, change in RESPONSES_TEXTS]
_ALL += OTHER_TEXTS
_IDS = [name for name, *_ in (*CHAT_TEXTS, *RESPONSES_TEXTS)] + [
    f"B18 {e.name} {p}" for e, _, p, _ in OTHER_TEXTS
]


@pytest.mark.parametrize(("endpoint", "body", "path", "change"), _ALL, ids=_IDS)
def test_a_value_in_a_request_is_a_segment(
    endpoint: openai.Endpoint, body: dict[str, Any], path: str, change: Change
) -> None:
    """B13-B18: the value is found at its path, may be changed or not as the map says, and is gone after a change."""
    reading = request_reading(endpoint, body, Limits())
    found = [s for s in reading.segments if s.text == V]
    assert [(s.path, s.change) for s in found] == [(path, change)]
    changed = replace(body, {path: "<EMAIL_1>"})
    assert V not in json.dumps(changed)
    assert "<EMAIL_1>" in json.dumps(changed)


REFUSED: list[tuple[str, openai.Endpoint, dict[str, Any], str, str]] = [
    ("D16 api_base", CHAT, chat(api_base="https://evil.example"), "field", "api_base"),
    ("D16 base_url", CHAT, chat(base_url="https://evil.example"), "field", "base_url"),
    ("D16 api_key", RESPONSES, {"input": "x", "api_key": "k"}, "field", "api_key"),
    ("D16 routing", CHAT, chat(fallbacks=["other"]), "field", "fallbacks"),
    ("D16 extra body", EMBEDDINGS, {"input": "x", "extra_body": {}}, "field", "extra_body"),
    ("D16 data sources", CHAT, chat(data_sources=[{"type": "azure_search"}]), "field", "data_sources"),
    ("unknown field", CHAT, chat(brand_new=1), "field", "<2>"),
    ("unknown field of a message", CHAT, says("user", "x", brand_new="y"), "field", "messages[0]<2>"),
    (
        "unknown part",
        CHAT,
        says("user", [{"type": "hologram", "data": "x"}]),
        "field",
        "messages[0].content[0]",
    ),
    ("unknown role", CHAT, says("oracle", "x"), "field", "messages[0]"),
    ("no role", CHAT, {"messages": [{"content": "x"}]}, "field", "messages[0]"),
    ("unknown item", RESPONSES, item(type="hologram_call", data="x"), "field", "input[0]"),
    ("unknown tool", RESPONSES, {"tools": [{"type": "hologram"}]}, "field", "tools[0]"),
    ("a content that is an object", CHAT, says("user", {"text": "x"}), "field", "messages[0].content"),
    ("messages that are no list", CHAT, {"messages": {"role": "user"}}, "field", "messages"),
    ("a message that is no object", CHAT, {"messages": ["x"]}, "field", "messages[0]"),
    ("a body that is no object", CHAT, [1], "field", ""),  # type: ignore[list-item]
    (
        "doubtful arguments",
        CHAT,
        says("assistant", None, function_call={"name": "f", "arguments": '{"a":1,"a":2}'}),
        "field",
        "messages[0].function_call.arguments",
    ),
    ("B18 token ids", EMBEDDINGS, {"input": [1, 2, 3]}, "field", "input"),
    ("B18 lists of token ids", EMBEDDINGS, {"input": [[1, 2], [3]]}, "field", "input"),
    ("B18 texts and token ids", EMBEDDINGS, {"input": ["a", [3]]}, "field", "input"),
    ("B18 prompt tokens", COMPLETIONS, {"prompt": [1, 2]}, "field", "prompt"),
    (
        "image",
        CHAT,
        says("user", [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]),
        "image",
        "messages[0].content[0].image_url.url",
    ),
    (
        "audio",
        CHAT,
        says("user", [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]),
        "audio",
        "messages[0].content[0].input_audio.data",
    ),
    (
        "file",
        CHAT,
        says("user", [{"type": "file", "file": {"file_data": "AAAA"}}]),
        "file",
        "messages[0].content[0].file.file_data",
    ),
    (
        "file id",
        RESPONSES,
        item(role="user", content=[{"type": "input_file", "file_id": "file-1"}]),
        "file",
        "input[0].content[0].file_id",
    ),
    (
        "screenshot",
        RESPONSES,
        item(
            type="computer_call_output",
            call_id="c",
            output={"type": "computer_screenshot", "image_url": "data:x"},
        ),
        "image",
        "input[0].output.image_url",
    ),
    (
        "image to moderate",
        MODERATIONS,
        {"input": [{"type": "image_url", "image_url": {"url": "data:x"}}]},
        "image",
        "input[0].image_url.url",
    ),
    (
        "zipped skill",
        RESPONSES,
        {
            "tools": [
                {
                    "type": "shell",
                    "environment": {
                        "type": "container_auto",
                        "skills": [{"type": "inline", "source": {"data": "UEs"}}],
                    },
                }
            ]
        },
        "file",
        "tools[0].environment.skills[0].source.data",
    ),
]


@pytest.mark.parametrize(
    ("endpoint", "body", "what", "path"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_what_cannot_be_read_is_a_finding(endpoint: openai.Endpoint, body: Any, what: str, path: str) -> None:
    """B18, B21, D16: what the map does not name, and what is no text, is guard.opaque at a safe path."""
    reading = request_reading(endpoint, body, Limits())
    assert [(f.kind, f.path, f.score) for f in reading.opaque] == [(f"guard.opaque.{what}", path, 1.0)]


@pytest.mark.parametrize("value", [V, [V], {"k": V}, {V: 1}, {"k": [{"d": V}]}, 4111111111111111])
def test_an_unknown_field_is_screened_too(value: Any) -> None:
    """Law 1: if a rule lets an unknown field pass, the strings in it are still screened."""
    reading = request_reading(CHAT, chat(guided={"deep": value}), Limits())
    assert any(s.text in (V, "4111111111111111") for s in reading.segments)


@pytest.mark.parametrize("key", [V, "4111111111111111", "姓名", "a.b", "x y", "<0>"])
def test_a_path_never_quotes_an_unknown_name(key: str) -> None:
    """Law 3: a key of the caller's own is written by its position, in findings and segments alike."""
    reading = request_reading(CHAT, chat(**{key: {key: "v"}}, metadata={key: "v"}), Limits())
    places = [*(f.path for f in reading.opaque), *(s.path for s in reading.segments)]
    assert places
    assert not any(key in place for place in places if key != "<0>")


@pytest.mark.parametrize(
    "url", ["https://files.example/alice@leak.example.png", "https://x.example/?q=13812345678"]
)
def test_an_address_of_an_image_is_screened_as_well(url: str) -> None:
    """B21: where a rule lets images pass, personal data in their address is still found."""
    reading = request_reading(
        CHAT, says("user", [{"type": "image_url", "image_url": {"url": url}}]), Limits()
    )
    assert [(s.text, s.change) for s in reading.segments if s.text == url] == [(url, F)]


def test_a_null_is_nothing() -> None:
    """Fields that the SDK sends as null are neither text nor unmapped."""
    body = chat(tools=None, brand_new=None, metadata=None, response_format=None, audio=None, stop=None)
    reading = request_reading(CHAT, body, Limits())
    assert reading.opaque == ()
    assert {s.path for s in reading.segments} == {"messages[0].content", "model", "{3}"}


def test_ordinary_options_hold_no_text() -> None:
    """Words of the API and numbers cost no screening: only the prompt and the model's name are segments."""
    body = chat(
        temperature=0.5, n=2, stream=True, stream_options={"include_usage": True}, service_tier="auto", store=False,
        reasoning_effort="low", response_format={"type": "json_object"}, tool_choice="auto", logit_bias={"50256": -100},
        modalities=["text"], verbosity="low", seed=4111111111111111, parallel_tool_calls=True, top_p=1,
        moderation={"model": "omni-moderation-latest", "policy": {"input": {"mode": "score"}}},
    )  # fmt: skip
    reading = request_reading(CHAT, body, Limits())
    assert reading.opaque == ()
    assert {s.path for s in reading.segments} == {"model", "messages[0].content", "moderation.model"}


def test_content_parts_of_one_message_are_neighbours() -> None:
    """B12: the texts of one message's parts share a group, so that a value split over them can be found."""
    parts = [{"type": "text", "text": "card 4111 1111"}, {"type": "text", "text": "1111 1111"}]
    body = {"messages": [{"role": "user", "content": parts}, {"role": "user", "content": [parts[0]]}]}
    groups = [s.group for s in request_reading(CHAT, body, Limits()).segments]
    assert groups == ["messages[0].content", "messages[0].content", ""]
    inputs = {"input": [{"role": "user", "content": [{"type": "input_text", "text": t} for t in "ab"]}]}
    assert {s.group for s in request_reading(RESPONSES, inputs, Limits()).segments} == {"input[0].content"}


NESTED = json.dumps({"a": json.dumps({"b": json.dumps({"c": json.dumps([V])})})})


def test_json_in_json_is_read_at_each_level() -> None:
    """B10: documents in strings are read several levels deep, and a change leaves valid JSON at each."""
    body = says("tool", NESTED, tool_call_id="c")
    (segment,) = [s for s in request_reading(CHAT, body, Limits()).segments if s.text == V]
    assert segment.path == "messages[0].content#<0>#<0>#<0>#[0]"
    changed = replace(body, {segment.path: 'x"\\'})["messages"][0]["content"]
    assert json.loads(json.loads(json.loads(json.loads(changed)["a"])["b"])["c"]) == ['x"\\']


def test_deeper_documents_are_still_seen_as_text() -> None:
    """B10: below the last level the document is one text, so nothing in it goes unseen."""
    body = says("tool", json.dumps([json.dumps([NESTED])]), tool_call_id="c")
    assert any(V in s.text for s in request_reading(CHAT, body, Limits()).segments)


@pytest.mark.parametrize(
    "text", ['{"mail": "\\u0061lice@leak.example"}', '["\\u0061lice\\u0040leak.example"]']
)
def test_escapes_in_an_embedded_document_are_undone(text: str) -> None:
    """B10: a value written in escapes is screened as what it means."""
    reading = request_reading(CHAT, says("tool", text, tool_call_id="c"), Limits())
    assert V in [s.text for s in reading.segments]


IDS = [
    "call_qLQ1cE6MlqfhbxeGig6LIw9D",
    "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "resp_" + "0123456789abcdef" * 3,
]
NOT_IDS = [
    V,
    "call_4111111111111111",
    "4111111111111111",
    "user-13812345678",
    "AliceSmith4111111111111111",
    "1" * 32,
]


@pytest.mark.parametrize(("ident", "screened"), [*((i, False) for i in IDS), *((i, True) for i in NOT_IDS)])
def test_only_random_identifiers_need_no_screening(ident: str, screened: bool) -> None:
    """An identifier that is random by its shape has nothing to say; any other is screened."""
    reading = request_reading(CHAT, says("tool", "x", tool_call_id=ident), Limits())
    assert (ident in [s.text for s in reading.segments]) is screened


@pytest.mark.parametrize(
    ("body", "limits", "code"),
    [
        ({"messages": [ASK] * 5}, Limits(messages=4), "too_many_messages"),
        (
            {"messages": [], "tools": [{"type": "function", "function": {"name": "f"}}] * 3},
            Limits(tools=2),
            "too_many_tools",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}] * 2}] * 2},
            Limits(parts=3),
            "too_many_parts",
        ),
    ],
)
def test_messages_tools_and_parts_have_limits(body: dict[str, Any], limits: Limits, code: str) -> None:
    """D23: each has its own limit and code, exact to one."""
    with pytest.raises(BadRequest) as caught:
        request_reading(CHAT, body, limits)
    assert (caught.value.status, caught.value.code) == (413, code)
    name = code.removeprefix("too_many_")
    more = {name: getattr(limits, name) + 1}
    assert request_reading(CHAT, body, Limits(**more)).opaque == ()


def test_findings_of_one_body_are_bounded() -> None:
    """A body of 10,000 unknown fields gives a bounded number of findings."""
    reading = request_reading(CHAT, {f"f{i}": 1 for i in range(10_000)}, Limits())
    assert 0 < len(reading.opaque) <= 256


def answer(message: dict[str, Any], **choice: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", **message}, **choice}]}


ANSWERS: list[tuple[str, openai.Endpoint, dict[str, Any], str]] = [
    ("content", CHAT, answer({"content": V}), "choices[0].message.content"),
    ("refusal", CHAT, answer({"refusal": V}), "choices[0].message.refusal"),
    (
        "tool call",
        CHAT,
        answer(
            {
                "tool_calls": [
                    {
                        "id": "c",
                        "type": "function",
                        "function": {"name": "f", "arguments": json.dumps({"k": V})},
                    }
                ]
            }
        ),
        "choices[0].message.tool_calls[0].function.arguments#<0>",
    ),
    (
        "annotation",
        CHAT,
        answer({"annotations": [{"type": "url_citation", "url_citation": {"title": V}}]}),
        "choices[0].message.annotations[0].url_citation.title",
    ),
    (
        "transcript",
        CHAT,
        answer({"audio": {"id": "a", "transcript": V}}),
        "choices[0].message.audio.transcript",
    ),
    ("unknown field", CHAT, answer({"brand_new": {"deep": [V]}}), "choices[0].message<1><0>[0]"),
    (
        "second choice",
        CHAT,
        {
            "choices": [
                {"message": {"role": "assistant", "content": "x"}},
                {"message": {"role": "assistant", "content": V}},
            ]
        },
        "choices[1].message.content",
    ),
    (
        "moderation error",
        CHAT,
        {"moderation": {"input": {"type": "error", "message": V}}},
        "moderation.input.message",
    ),
    ("C14 error", CHAT, {"error": {"message": V}}, "error<0>"),
    ("completion", COMPLETIONS, {"choices": [{"text": V}]}, "choices[0].text"),
    (
        "output text",
        RESPONSES,
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": V}]}]},
        "output[0].content[0].text",
    ),
    (
        "summary",
        RESPONSES,
        {"output": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": V}]}]},
        "output[0].summary[0].text",
    ),
    (
        "arguments",
        RESPONSES,
        {"output": [{"type": "function_call", "arguments": json.dumps([V])}]},
        "output[0].arguments#[0]",
    ),
    ("unknown item", RESPONSES, {"output": [{"type": "hologram", "x": V}]}, "output[0]<1>"),
    ("error", RESPONSES, {"error": {"code": "server_error", "message": V}}, "error.message"),
    ("echoed instructions", RESPONSES, {"instructions": V}, "instructions"),
    (
        "echoed tools",
        RESPONSES,
        {"tools": [{"type": "function", "name": "f", "description": V}]},
        "tools[0].description",
    ),
    ("owner", openai.MODELS, {"data": [{"id": "m", "owned_by": V}]}, "data[0].owned_by"),
    ("a vector that is text", EMBEDDINGS, {"data": [{"embedding": V}]}, "data[0].embedding"),
]


@pytest.mark.parametrize(("endpoint", "body", "path"), [a[1:] for a in ANSWERS], ids=[a[0] for a in ANSWERS])
def test_a_value_in_an_answer_is_a_segment(
    endpoint: openai.Endpoint, body: dict[str, Any], path: str
) -> None:
    """C14, D30: every text of an answer is screened, in fields that nobody knows yet too; none is refused."""
    reading = response_reading(endpoint, body)
    assert [s.path for s in reading.segments if s.text == V] == [path]
    assert reading.opaque == ()
    assert at(body, path) == V


def test_copies_of_a_text_go_when_it_changes() -> None:
    """Token log-probabilities spell the text again: they are dropped with any change of their choice, only then."""
    logprobs = {"content": [{"token": "alice", "bytes": [97], "logprob": -1, "top_logprobs": []}]}
    body = {"choices": [answer({"content": "a"}, logprobs=logprobs)["choices"][0] for _ in range(2)]}
    reading = response_reading(CHAT, body)
    assert reading.derived == ("choices[0].logprobs", "choices[1].logprobs")
    assert reading.stale(()) == []
    assert reading.stale(("choices[1].message.content",)) == ["choices[1].logprobs"]
    output = {
        "output": [
            {
                "type": "message",
                "content": [{"type": "output_text", "text": "a", "logprobs": [{"token": "a"}]}],
            }
        ]
    }
    assert response_reading(RESPONSES, output).stale(("output[0].content[0].text",)) == [
        "output[0].content[0].logprobs"
    ]


def test_a_long_text_among_tokens_is_screened() -> None:
    """What is too long to be a token is text, wherever it stands."""
    reading = response_reading(
        CHAT, answer({"content": "a"}, logprobs={"content": [{"token": "x" * 40 + V}]})
    )
    assert any(V in s.text for s in reading.segments)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (answer({"audio": {"id": "a", "data": "AAAA"}}), "audio"),
        ({"output": [{"type": "image_generation_call", "result": "AAAA"}]}, "image"),
    ],
)
def test_media_in_an_answer_cannot_be_read(body: dict[str, Any], what: str) -> None:
    """Sound and pictures that come back are guard.opaque, as those that are sent."""
    endpoint = CHAT if "choices" in body else RESPONSES
    assert [f.kind for f in response_reading(endpoint, body).opaque] == [f"guard.opaque.{what}"]
