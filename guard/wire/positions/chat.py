"""Positions of chat completions: `POST /v1/chat/completions`, requests, answers and chunks."""

from __future__ import annotations

from guard.wire.leaves import (
    AUDIO,
    DERIVED,
    FILE,
    FIXED,
    FREE,
    ID,
    IMAGE,
    JSON_TEXT,
    LANE_JSON,
    LANE_TEXT,
    MODEL,
    PADDING,
    SCHEMA,
    TEXT,
    VALUE,
    WORD,
)
from guard.wire.nodes import Keyed, Many, Object, Tagged

BREAKPOINT = {"mode": WORD, "ttl": WORD}

PARTS = Many(
    Tagged(
        "type",
        {
            "text": {"text": TEXT, "prompt_cache_breakpoint": BREAKPOINT},
            "refusal": {"refusal": TEXT},
            "image_url": {
                "image_url": (IMAGE, {"url": IMAGE, "detail": WORD}),
                "prompt_cache_breakpoint": BREAKPOINT,
            },
            "input_audio": {
                "input_audio": {"data": AUDIO, "format": WORD},
                "prompt_cache_breakpoint": BREAKPOINT,
            },
            "file": {
                "file": {"file_data": FILE, "file_id": FILE, "filename": TEXT},
                "prompt_cache_breakpoint": BREAKPOINT,
            },
        },
        name="part",
    ),
    limit="parts",
    grouped=True,
)

ANNOTATIONS = [
    Tagged(
        "type",
        {
            "url_citation": {
                "url_citation": {"title": TEXT, "url": TEXT, "start_index": VALUE, "end_index": VALUE}
            }
        },
    )
]

TOOL_CALLS = [
    Tagged(
        "type",
        {
            "function": {"id": ID, "index": VALUE, "function": {"name": FIXED, "arguments": JSON_TEXT}},
            "custom": {"id": ID, "index": VALUE, "custom": {"name": FIXED, "input": JSON_TEXT}},
        },
        default="function",
    )
]

# reasoning_content, reasoning: what DeepSeek, Qwen, vLLM and OpenRouter add to an assistant message.
ASSISTANT = {
    "content": (TEXT, PARTS),
    "name": FIXED,
    "refusal": TEXT,
    "audio": {"id": ID, "data": AUDIO, "transcript": TEXT, "expires_at": VALUE},
    "annotations": ANNOTATIONS,
    "function_call": {"name": FIXED, "arguments": JSON_TEXT},
    "tool_calls": TOOL_CALLS,
    "reasoning_content": TEXT,
    "reasoning": TEXT,
}

MESSAGE = Tagged(
    "role",
    {
        "developer|system|user": {"content": (TEXT, PARTS), "name": FIXED},
        "assistant": ASSISTANT,
        "tool": {"content": (JSON_TEXT, PARTS), "tool_call_id": ID, "name": FIXED},
        "function": {"content": (JSON_TEXT, PARTS), "name": FIXED},
    },
)

FUNCTION = {"name": FIXED, "description": FIXED, "parameters": SCHEMA, "strict": VALUE}

TOOLS = Many(
    Tagged(
        "type",
        {
            "function": {"function": FUNCTION},
            "custom": {
                "custom": {
                    "name": FIXED,
                    "description": FIXED,
                    "format": {"type": WORD, "grammar": {"definition": FIXED, "syntax": WORD}},
                }
            },
        },
    ),
    limit="tools",
)

TOOL_CHOICE = Object(
    {
        "type": WORD,
        "function": {"name": FIXED},
        "custom": {"name": FIXED},
        "allowed_tools": {"mode": WORD, "tools": [SCHEMA]},
    }
)

RESPONSE_FORMAT = Tagged(
    "type",
    {
        "text|json_object": {},
        "json_schema": {
            "json_schema": {"name": FIXED, "description": FIXED, "schema": SCHEMA, "strict": VALUE},
        },
    },
)

MODERATION_POLICY = {"input": {"mode": WORD}, "output": {"mode": WORD}}

REQUEST = Object(
    {
        "messages": Many(MESSAGE, limit="messages"),
        "model": MODEL,
        "audio": {"format": WORD, "voice": (WORD, {"id": ID})},
        "frequency_penalty": VALUE,
        "function_call": (WORD, {"name": FIXED}),
        "functions": Many(FUNCTION, limit="tools"),
        "logit_bias": Keyed(VALUE),
        "logprobs": VALUE,
        "max_completion_tokens": VALUE,
        "max_tokens": VALUE,
        "metadata": FREE,
        "modalities": [WORD],
        "moderation": {"model": MODEL, "policy": MODERATION_POLICY},
        "n": VALUE,
        "parallel_tool_calls": VALUE,
        "prediction": {"type": WORD, "content": (TEXT, PARTS)},
        "presence_penalty": VALUE,
        "prompt_cache_key": TEXT,
        "prompt_cache_options": {"mode": WORD, "ttl": WORD},
        "prompt_cache_retention": WORD,
        "reasoning_effort": WORD,
        "response_format": RESPONSE_FORMAT,
        "safety_identifier": TEXT,
        "seed": VALUE,
        "service_tier": WORD,
        "stop": (TEXT, [TEXT]),
        "store": VALUE,
        "stream": VALUE,
        "stream_options": {"include_obfuscation": VALUE, "include_usage": VALUE},
        "temperature": VALUE,
        "tool_choice": (WORD, TOOL_CHOICE),
        "tools": TOOLS,
        "top_logprobs": VALUE,
        "top_p": VALUE,
        "user": TEXT,
        "verbosity": WORD,
        "web_search_options": {
            "search_context_size": WORD,
            "user_location": {
                "type": WORD,
                "approximate": {"city": TEXT, "country": TEXT, "region": TEXT, "timezone": TEXT},
            },
        },
        # Sampling and thinking switches of compatible providers: numbers and words only.
        "top_k": VALUE,
        "min_p": VALUE,
        "repetition_penalty": VALUE,
        "random_seed": VALUE,
        "safe_prompt": VALUE,
        "enable_thinking": VALUE,
        "thinking": {"type": WORD},
        "inference_geo": WORD,
    }
)

USAGE = {
    "completion_tokens": VALUE,
    "prompt_tokens": VALUE,
    "total_tokens": VALUE,
    "completion_tokens_details": {
        "accepted_prediction_tokens": VALUE,
        "audio_tokens": VALUE,
        "reasoning_tokens": VALUE,
        "rejected_prediction_tokens": VALUE,
        "text_tokens": VALUE,
    },
    "prompt_tokens_details": {
        "audio_tokens": VALUE,
        "cache_write_tokens": VALUE,
        "cached_tokens": VALUE,
        "image_tokens": VALUE,
        "text_tokens": VALUE,
    },
}

_VERDICT = {
    "categories": Keyed(VALUE),
    "category_applied_input_types": Keyed([WORD]),
    "category_scores": Keyed(VALUE),
    "flagged": VALUE,
    "model": MODEL,
    "type": WORD,
}

MODERATED = Object({**_VERDICT, "results": [_VERDICT], "code": WORD, "message": TEXT})
"""What the inline moderation of an input or an output said."""

_ENVELOPE = {
    "id": ID,
    "created": VALUE,
    "model": MODEL,
    "object": WORD,
    "metadata": FREE,
    "moderation": {"input": MODERATED, "output": MODERATED},
    "service_tier": WORD,
    "system_fingerprint": ID,
    "usage": USAGE,
    # What Azure OpenAI and OpenRouter add.
    "prompt_filter_results": FREE,
    "provider": FIXED,
}

COMPATIBLE_CHOICE = {
    "content_filter_results": FREE,
    "content_filter_offsets": FREE,
    "content_filter_result": FREE,
    "native_finish_reason": WORD,
    "stop_reason": WORD,
    "token_ids": DERIVED,
}
"""What Azure OpenAI, OpenRouter and vLLM add to a choice."""

RESPONSE = Object(
    {
        **_ENVELOPE,
        "choices": [
            {
                "finish_reason": WORD,
                "index": VALUE,
                "logprobs": DERIVED,
                "message": {"role": WORD, **ASSISTANT},
                **COMPATIBLE_CHOICE,
            }
        ],
    }
)

_FUNCTION_PIECE = {"name": FIXED, "arguments": LANE_JSON}

CHUNK = Object(
    {
        **_ENVELOPE,
        "obfuscation": PADDING,
        "choices": [
            {
                "index": VALUE,
                "finish_reason": WORD,
                "logprobs": DERIVED,
                "delta": {
                    "role": WORD,
                    "content": LANE_TEXT,
                    "refusal": LANE_TEXT,
                    "reasoning_content": LANE_TEXT,
                    "reasoning": LANE_TEXT,
                    "audio": {"id": ID, "data": AUDIO, "transcript": LANE_TEXT, "expires_at": VALUE},
                    "function_call": _FUNCTION_PIECE,
                    "tool_calls": [
                        {
                            "index": VALUE,
                            "id": ID,
                            "type": WORD,
                            "function": _FUNCTION_PIECE,
                            "custom": {"name": FIXED, "input": LANE_JSON},
                        }
                    ],
                },
                **COMPATIBLE_CHOICE,
            }
        ],
    }
)
