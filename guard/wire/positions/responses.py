"""Positions of the Responses API: `POST /v1/responses`, requests, answers and stream events."""

from __future__ import annotations

from typing import Any

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
    SCHEMA,
    SEALED,
    TEXT,
    VALUE,
    WORD,
)
from guard.wire.nodes import Keyed, Many, Object, Tagged
from guard.wire.positions.chat import BREAKPOINT, MODERATED, MODERATION_POLICY

ANNOTATION = Tagged(
    "type",
    {
        "url_citation": {"title": TEXT, "url": TEXT, "start_index": VALUE, "end_index": VALUE},
        "file_citation": {"file_id": ID, "filename": TEXT, "index": VALUE},
        "container_file_citation": {
            "container_id": ID,
            "file_id": ID,
            "filename": TEXT,
            "start_index": VALUE,
            "end_index": VALUE,
        },
        "file_path": {"file_id": ID, "index": VALUE},
    },
)

PART = Tagged(
    "type",
    {
        "text": {"text": TEXT},
        "input_text": {"text": TEXT, "prompt_cache_breakpoint": BREAKPOINT},
        "input_image|computer_screenshot": {
            "detail": WORD,
            "file_id": IMAGE,
            "image_url": IMAGE,
            "prompt_cache_breakpoint": BREAKPOINT,
        },
        "input_file": {
            "detail": WORD,
            "file_data": FILE,
            "file_id": FILE,
            "file_url": FILE,
            "filename": TEXT,
            "prompt_cache_breakpoint": BREAKPOINT,
        },
        "input_audio": {"input_audio": {"data": AUDIO, "format": WORD}},
        "output_text": {"text": LANE_TEXT, "annotations": [ANNOTATION], "logprobs": DERIVED},
        "refusal": {"refusal": LANE_TEXT},
        "reasoning_text": {"text": LANE_TEXT},
        "summary_text": {"text": LANE_TEXT},
        "encrypted_content": {"encrypted_content": SEALED},
    },
    name="part",
)
PARTS = Many(PART, limit="parts", grouped=True)

SCREENSHOT = {"type": WORD, "file_id": IMAGE, "image_url": IMAGE}
CALLER = {"type": WORD, "caller_id": ID}
ENVIRONMENT_FIELDS: dict[str, Any] = {
    "type": WORD,
    "container_id": ID,
    "file_ids": [ID],
    "memory_limit": WORD,
    "network_policy": {
        "type": WORD,
        "allowed_domains": [FIXED],
        "domain_secrets": [{"domain": FIXED, "name": FIXED, "value": FIXED}],
    },
    "skills": [
        {
            "type": WORD,
            "name": FIXED,
            "description": FIXED,
            "path": FIXED,
            "skill_id": ID,
            "version": FIXED,
            "source": {"type": WORD, "media_type": WORD, "data": FILE},
        }
    ],
}
CHECKS = [{"id": ID, "code": FIXED, "message": TEXT}]

_ACTION = {
    "type": WORD,
    "button": WORD,
    "x": VALUE,
    "y": VALUE,
    "scroll_x": VALUE,
    "scroll_y": VALUE,
    "keys": [FIXED],
    "path": [{"x": VALUE, "y": VALUE}],
    "text": TEXT,
}

# The beta of the same endpoint (`?beta=true`): which agent of several an item or event comes from.
AGENT = {"agent_name": FIXED}

# What every item may carry beside its own fields.
_ITEM = {"id": ID, "status": WORD, "created_by": FIXED, "agent": AGENT}

REASONING = {"context": WORD, "effort": WORD, "generate_summary": WORD, "mode": WORD, "summary": WORD}

TEXT_CONFIG = {
    "format": Tagged(
        "type",
        {
            "text|json_object": {},
            "json_schema": {"name": FIXED, "schema": SCHEMA, "description": FIXED, "strict": VALUE},
        },
    ),
    "verbosity": WORD,
}

_CALLERS = {"allowed_callers": [WORD]}
_LOCATION = {"type": WORD, "city": TEXT, "country": TEXT, "region": TEXT, "timezone": TEXT}
_FUNCTION = {
    **_CALLERS,
    "async": VALUE,
    "name": FIXED,
    "description": FIXED,
    "parameters": SCHEMA,
    "output_schema": SCHEMA,
    "strict": VALUE,
    "defer_loading": VALUE,
}
_CUSTOM = {
    **_CALLERS,
    "async": VALUE,
    "name": FIXED,
    "description": FIXED,
    "defer_loading": VALUE,
    "format": {"type": WORD, "definition": FIXED, "syntax": WORD},
}
_TOOL_FILTER = {"read_only": VALUE, "tool_names": [FIXED]}

TOOL = Tagged(
    "type",
    {
        "function": _FUNCTION,
        "custom": _CUSTOM,
        "namespace": {
            "name": FIXED,
            "description": FIXED,
            "tools": [Tagged("type", {"function": _FUNCTION, "custom": _CUSTOM})],
        },
        "file_search": {
            "vector_store_ids": [ID],
            "filters": SCHEMA,
            "max_num_results": VALUE,
            "ranking_options": {
                "hybrid_search": {"embedding_weight": VALUE, "text_weight": VALUE},
                "ranker": WORD,
                "score_threshold": VALUE,
            },
        },
        "computer|computer_use|local_shell|programmatic_tool_calling": {},
        "computer_use_preview": {"display_height": VALUE, "display_width": VALUE, "environment": WORD},
        "web_search|web_search_2025_08_26|web_search_preview|web_search_preview_2025_03_11": {
            "external_web_access": VALUE,
            "filters": {"allowed_domains": [FIXED]},
            "search_content_types": [WORD],
            "search_context_size": WORD,
            "user_location": _LOCATION,
        },
        "mcp": {
            **_CALLERS,
            "server_label": FIXED,
            "server_description": FIXED,
            "server_url": FIXED,
            "authorization": FIXED,
            "connector_id": WORD,
            "tunnel_id": ID,
            "headers": SCHEMA,
            "defer_loading": VALUE,
            "allowed_tools": ([FIXED], Object(_TOOL_FILTER)),
            "require_approval": (WORD, {"always": _TOOL_FILTER, "never": _TOOL_FILTER}),
        },
        "code_interpreter": {**_CALLERS, "container": (ID, ENVIRONMENT_FIELDS)},
        "image_generation": {
            "action": WORD,
            "background": WORD,
            "complexity": WORD,
            "frame_count": VALUE,
            "frame_duration_ms": VALUE,
            "input_fidelity": WORD,
            "input_image_mask": {"file_id": IMAGE, "image_url": IMAGE},
            "model": MODEL,
            "moderation": WORD,
            "output_compression": VALUE,
            "output_format": WORD,
            "partial_images": VALUE,
            "quality": WORD,
            "size": WORD,
            "svg": {"model": MODEL, "reasoning": {"effort": WORD}},
        },
        "shell": {**_CALLERS, "environment": ENVIRONMENT_FIELDS},
        "tool_search": {"description": FIXED, "execution": WORD, "parameters": SCHEMA},
        "apply_patch": {**_CALLERS},
    },
    name="tool",
)
TOOLS = Many(TOOL, limit="tools")

TOOL_CHOICE = (
    WORD,
    Object({"type": WORD, "mode": WORD, "name": FIXED, "server_label": FIXED, "tools": [SCHEMA]}),
)

_CALL = {**_ITEM, "call_id": ID, "caller": CALLER}
_NAMED_CALL = {**_CALL, "async": VALUE, "name": FIXED, "namespace": FIXED}

ITEM = Tagged(
    "type",
    {
        "message": {**_ITEM, "role": WORD, "phase": WORD, "content": (TEXT, PARTS)},
        "function_call": {**_NAMED_CALL, "arguments": LANE_JSON},
        "function_call_output": {**_NAMED_CALL, "output": (JSON_TEXT, PARTS)},
        "custom_tool_call": {**_NAMED_CALL, "input": LANE_JSON},
        "custom_tool_call_output": {**_CALL, "output": (JSON_TEXT, PARTS)},
        "reasoning": {**_ITEM, "summary": PARTS, "content": PARTS, "encrypted_content": SEALED},
        "compaction": {**_ITEM, "encrypted_content": SEALED},
        "compaction_trigger": {"id": ID, "agent": AGENT},
        "item_reference": {"id": ID, "agent": AGENT},
        "file_search_call": {
            **_ITEM,
            "queries": [TEXT],
            "results": [{"attributes": FREE, "file_id": ID, "filename": TEXT, "score": VALUE, "text": TEXT}],
        },
        "web_search_call": {
            **_ITEM,
            "action": {
                "type": WORD,
                "query": TEXT,
                "queries": [TEXT],
                "sources": [{"type": WORD, "url": TEXT, "name": TEXT}],
                "url": TEXT,
                "pattern": TEXT,
            },
        },
        "computer_call": {**_CALL, "action": _ACTION, "actions": [_ACTION], "pending_safety_checks": CHECKS},
        "computer_call_output": {**_CALL, "output": SCREENSHOT, "acknowledged_safety_checks": CHECKS},
        "code_interpreter_call": {
            **_ITEM,
            "code": LANE_TEXT,
            "container_id": ID,
            "outputs": [Tagged("type", {"logs": {"logs": TEXT}, "image": {"url": IMAGE}})],
        },
        "image_generation_call": {
            **_ITEM,
            "result": IMAGE,
            "action": WORD,
            "background": WORD,
            "output_format": WORD,
            "quality": WORD,
            "size": WORD,
            "revised_prompt": TEXT,
            "error": {
                "code": FIXED,
                "message": TEXT,
                "param": FIXED,
                "type": FIXED,
                "moderation_details": {"categories": [WORD], "moderation_stage": WORD},
            },
            "svg_usage": {
                "input_tokens": VALUE,
                "model": MODEL,
                "output_tokens": VALUE,
                "reasoning_tokens": VALUE,
                "total_tokens": VALUE,
            },
        },
        "local_shell_call": {
            **_CALL,
            "action": {
                "type": WORD,
                "command": [TEXT],
                "env": Keyed(TEXT),
                "timeout_ms": VALUE,
                "user": TEXT,
                "working_directory": TEXT,
            },
        },
        "local_shell_call_output": {**_CALL, "output": JSON_TEXT},
        "shell_call": {
            **_CALL,
            "action": {"commands": [LANE_JSON], "max_output_length": VALUE, "timeout_ms": VALUE},
            "environment": ENVIRONMENT_FIELDS,
        },
        "shell_call_output": {
            **_CALL,
            "max_output_length": VALUE,
            "output": [
                {
                    "outcome": {"type": WORD, "exit_code": VALUE},
                    "stdout": LANE_TEXT,
                    "stderr": LANE_TEXT,
                    "created_by": FIXED,
                }
            ],
        },
        "apply_patch_call": {**_CALL, "operation": {"type": WORD, "path": TEXT, "diff": TEXT}},
        "apply_patch_call_output": {**_CALL, "output": TEXT},
        "mcp_call": {
            **_ITEM,
            "approval_request_id": ID,
            "name": FIXED,
            "server_label": FIXED,
            "arguments": LANE_JSON,
            "output": JSON_TEXT,
            "error": (TEXT, {"type": WORD, "code": VALUE, "message": TEXT, "content": FREE}),
        },
        "mcp_list_tools": {
            **_ITEM,
            "server_label": FIXED,
            "tools": [{"name": FIXED, "description": FIXED, "input_schema": SCHEMA, "annotations": SCHEMA}],
            "error": (TEXT, {"type": WORD, "code": VALUE, "message": TEXT, "content": FREE}),
        },
        "mcp_approval_request": {**_ITEM, "name": FIXED, "server_label": FIXED, "arguments": JSON_TEXT},
        "mcp_approval_response": {
            **_ITEM,
            "approval_request_id": ID,
            "approve": VALUE,
            "reason": TEXT,
            "request_id": ID,
        },
        "tool_search_call": {**_CALL, "arguments": FREE, "execution": WORD},
        "tool_search_output": {**_CALL, "tools": TOOLS, "execution": WORD},
        "additional_tools": {**_ITEM, "role": WORD, "tools": TOOLS},
        "configuration_update": {**_ITEM, "reasoning": REASONING, "text": TEXT_CONFIG},
        "agent_message": {**_ITEM, "author": FIXED, "recipient": FIXED, "content": (TEXT, PARTS)},
        "multi_agent_call": {**_CALL, "action": WORD, "arguments": JSON_TEXT},
        "multi_agent_call_output": {**_CALL, "action": WORD, "output": PARTS},
        "program": {**_CALL, "code": TEXT, "fingerprint": ID},
        "program_output": {**_CALL, "result": JSON_TEXT},
    },
    default="message",
    name="item",
)
ITEMS = Many(ITEM, limit="messages")

PROMPT = {"id": ID, "version": FIXED, "variables": Keyed((TEXT, PART))}

# What a request says and an answer repeats.
_SHARED = {
    "access_programs": {"cyber": WORD},
    "background": VALUE,
    "conversation": (ID, {"id": ID}),
    "image": {"context_compression": WORD},
    "instructions": (TEXT, ITEMS),
    "max_output_tokens": VALUE,
    "max_tool_calls": VALUE,
    "metadata": FREE,
    "model": MODEL,
    "parallel_tool_calls": VALUE,
    "previous_response_id": ID,
    "prompt": PROMPT,
    "prompt_cache_key": TEXT,
    "prompt_cache_options": {"comparison_response_id": ID, "mode": WORD, "prewarm": VALUE, "ttl": WORD},
    "prompt_cache_retention": WORD,
    "reasoning": REASONING,
    "safety_identifier": TEXT,
    "service_tier": WORD,
    "store": VALUE,
    "temperature": VALUE,
    "text": TEXT_CONFIG,
    "tool_choice": TOOL_CHOICE,
    "tools": TOOLS,
    "top_logprobs": VALUE,
    "top_p": VALUE,
    "truncation": WORD,
    "user": TEXT,
}

REQUEST = Object(
    {
        **_SHARED,
        "background_options": {"completion_window": WORD, "continuation_id": ID},
        "context_management": [{"type": WORD, "compact_threshold": VALUE}],
        "include": [WORD],
        "input": (TEXT, ITEMS),
        "multi_agent": {"enabled": VALUE, "max_concurrent_subagents": VALUE},
        "moderation": {"model": MODEL, "policy": MODERATION_POLICY},
        "stream": VALUE,
        "stream_options": {"include_obfuscation": VALUE},
    }
)

_TOKENS = {"image_tokens": VALUE, "text_tokens": VALUE}

RESPONSE = Object(
    {
        **_SHARED,
        "id": ID,
        "object": WORD,
        "created_at": VALUE,
        "completed_at": VALUE,
        "status": WORD,
        "error": {
            "code": WORD,
            "message": TEXT,
            "param": FIXED,
            "type": FIXED,
            "misalignment": {
                "detailed_explanation": TEXT,
                "error_type": WORD,
                "review_target": TEXT,
                "steer": {"message": TEXT},
            },
        },
        "incomplete_details": {"reason": WORD},
        "input_transformations": [{"id": ID, "action": WORD, "reason": WORD, "type": WORD}],
        "moderation": {"input": MODERATED, "output": MODERATED},
        "output": Many(ITEM),
        "output_text": TEXT,
        "prompt_cache_diagnostics": {
            "type": WORD,
            "reason": WORD,
            "cache_missed_tokens": VALUE,
            "comparison_reusable_tokens": VALUE,
        },
        "tool_usage": {
            "image_gen": {
                "input_tokens": VALUE,
                "input_tokens_details": _TOKENS,
                "output_tokens": VALUE,
                "output_tokens_details": _TOKENS,
                "total_tokens": VALUE,
                "cached_tokens": VALUE,
                "cached_tokens_details": {"cached_image_tokens": VALUE, "cached_text_tokens": VALUE},
            },
            "web_search": {"num_requests": VALUE},
        },
        "usage": {
            "input_tokens": VALUE,
            "input_tokens_details": {
                "cache_write_tokens": VALUE,
                "cached_tokens": VALUE,
                "cache_write_tokens_details": {"ttl_12h_tokens": VALUE, "ttl_30m_tokens": VALUE},
            },
            "output_tokens": VALUE,
            "output_tokens_details": {"reasoning_tokens": VALUE},
            "total_tokens": VALUE,
        },
        # Echoed by the service, not yet in the SDK's model.
        "frequency_penalty": VALUE,
        "presence_penalty": VALUE,
        "billing": {"payer": WORD},
        "content_filters": FREE,
    }
)
