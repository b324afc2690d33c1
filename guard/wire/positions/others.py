"""Positions of legacy completions, embeddings, moderations and models."""

from __future__ import annotations

from guard.wire.leaves import (
    DERIVED,
    FIXED,
    ID,
    IMAGE,
    LANE_TEXT,
    MODEL,
    PADDING,
    TEXT,
    VALUE,
    VECTOR,
    WORD,
    Prompt,
)
from guard.wire.nodes import Keyed, Many, Object, Tagged
from guard.wire.positions.chat import COMPATIBLE_CHOICE, USAGE

COMPLETIONS_REQUEST = Object(
    {
        "model": MODEL,
        "prompt": Prompt(),
        "best_of": VALUE,
        "echo": VALUE,
        "frequency_penalty": VALUE,
        "logit_bias": Keyed(VALUE),
        "logprobs": VALUE,
        "max_tokens": VALUE,
        "n": VALUE,
        "presence_penalty": VALUE,
        "seed": VALUE,
        "stop": (TEXT, [TEXT]),
        "stream": VALUE,
        "stream_options": {"include_obfuscation": VALUE, "include_usage": VALUE},
        "suffix": TEXT,
        "temperature": VALUE,
        "top_p": VALUE,
        "user": TEXT,
        "top_k": VALUE,
        "min_p": VALUE,
        "repetition_penalty": VALUE,
    }
)

_COMPLETION = {
    "id": ID,
    "created": VALUE,
    "model": MODEL,
    "object": WORD,
    "system_fingerprint": ID,
    "usage": USAGE,
}

COMPLETIONS_RESPONSE = Object(
    {
        **_COMPLETION,
        "choices": [
            {"finish_reason": WORD, "index": VALUE, "logprobs": DERIVED, "text": TEXT, **COMPATIBLE_CHOICE}
        ],
    }
)

COMPLETIONS_CHUNK = Object(
    {
        **_COMPLETION,
        "obfuscation": PADDING,
        "choices": [
            {
                "finish_reason": WORD,
                "index": VALUE,
                "logprobs": DERIVED,
                "text": LANE_TEXT,
                **COMPATIBLE_CHOICE,
            }
        ],
    }
)

EMBEDDINGS_REQUEST = Object(
    {"input": Prompt(), "model": MODEL, "dimensions": VALUE, "encoding_format": WORD, "user": TEXT}
)

# A vector is no text; as base64 it is the same numbers in another form.
EMBEDDINGS_RESPONSE = Object(
    {
        "object": WORD,
        "data": [{"object": WORD, "index": VALUE, "embedding": VECTOR}],
        "model": MODEL,
        "id": ID,
        "usage": USAGE,
    }
)

MODERATIONS_REQUEST = Object(
    {
        "model": MODEL,
        "input": (
            TEXT,
            Many(
                (
                    TEXT,
                    Tagged("type", {"text": {"text": TEXT}, "image_url": {"image_url": {"url": IMAGE}}}),
                ),
                limit="messages",
            ),
        ),
    }
)

MODERATIONS_RESPONSE = Object(
    {
        "id": ID,
        "model": MODEL,
        "results": [
            {
                "categories": Keyed(VALUE),
                "category_applied_input_types": Keyed([WORD]),
                "category_scores": Keyed(VALUE),
                "flagged": VALUE,
            }
        ],
    }
)

NOTHING = Object({})
"""The body of a request that has none: whatever stands there is unmapped."""

_MODEL = {"id": FIXED, "created": VALUE, "object": WORD, "owned_by": FIXED, "shutdown_date": FIXED}

MODELS_RESPONSE = Object({**_MODEL, "data": [_MODEL], "has_more": VALUE, "first_id": FIXED, "last_id": FIXED})
"""One model, or the list of them."""
