"""One line to the model about placeholders, where a policy wants it."""

from __future__ import annotations

from typing import Any

from guard.wire.openai import Endpoint


def hinted(endpoint: Endpoint | None, body: Any, placeholder: str) -> Any:
    """The request with a line that tells the model to leave such placeholders as they are.

    Chat gets a system message ahead of the others, Responses a first line of its instructions; other requests
    have no place for it.
    """
    name = endpoint.name if endpoint is not None else ""
    if name == "chat" and isinstance(body, dict) and isinstance(body.get("messages"), list):
        return {**body, "messages": [{"role": "system", "content": _line(placeholder)}, *body["messages"]]}
    if name == "responses" and isinstance(body, dict):
        own = body.get("instructions")
        return {
            **body,
            "instructions": "\n".join([_line(placeholder), *([own] if isinstance(own, str) else [])]),
        }
    return body


def _line(placeholder: str) -> str:
    return (
        f"{placeholder} and others like it stand for real values that you are not shown: where you mean one, "
        "write its placeholder exactly as it stands, angle brackets included."
    )
