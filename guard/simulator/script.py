"""What the simulated provider does and what it saw: one object that a test or the demo may change at any time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from guard.simulator.limits import Quota
from guard.simulator.scores import TRIGGERS, Trigger

Headers = list[tuple[bytes, bytes]]

ENDPOINTS = ("chat", "completions", "responses", "embeddings", "models", "moderations")
"""The names by which `Script.fail` knows the endpoints."""

STATUSES = ("400", "401", "403", "404", "408", "409", "413", "429", "500", "502", "503", "529")
FAULTS = (
    *STATUSES,
    "hang",  # no answer until the client leaves
    "bad_json",
    "html",
    "redirect",  # 307 to `Script.redirect_to`
    "disconnect",  # half an answer, then the connection is cut
    "truncated",  # half an answer that claims to be whole
    "echo",  # an error that repeats the prompt (C14)
)
"""What may go wrong with any answer."""

SPOILS = ("missing_category", "wrong_count", "no_scores", "text_score")
"""What may be wrong in a moderation answer."""


@dataclass(frozen=True)
class ToolCall:
    """A tool that the simulated model calls; `arguments` is JSON in a string, as in the API."""

    name: str
    arguments: str


@dataclass(frozen=True, repr=False)
class Received:
    """One request, byte for byte as it came."""

    method: str
    path: str
    query: bytes
    headers: Headers
    body: bytes

    def __repr__(self) -> str:
        return f"Received({self.method} {self.path}, {len(self.body)} bytes)"


def echo(body: dict[str, Any]) -> str:
    """Repeat what the user wrote last, so that one sees what the provider was given."""
    return f"You wrote: {last_text(body)}"


def last_text(body: dict[str, Any]) -> str:
    """The last user message of a chat or Responses request, or the prompt of a completion."""
    items = body.get("messages", body.get("input", body.get("prompt", "")))
    if isinstance(items, str):
        return items
    users = [i for i in items if isinstance(i, dict) and i.get("role") == "user"]
    content = users[-1].get("content", "") if users else ""
    return content if isinstance(content, str) else "".join(str(part.get("text", "")) for part in content)


def no_tools(body: dict[str, Any]) -> Sequence[ToolCall]:
    """Call no tool."""
    return ()


@dataclass
class Script:
    """The behaviour of the simulated provider.

    `reply` makes the text of a request's answer (a list: one text a choice), `tools` its tool calls;
    texts of chat end with `finish_reason`. Streams
    are sent in deltas of `chunk` characters, their bytes cut again every `recut` bytes where that is not 0,
    `pause_s` seconds apart. `gzip` compresses every answer. Errors carry `error_headers` (a 429 without any
    `Retry-After: 1`), and `error_code` where there is one. Judging (moderations, guard models) is limited by `quota`.
    Requests with `moderation` are told scores with their answer, unless `inline` is off or error.
    """

    reply: Callable[[dict[str, Any]], str | Sequence[str]] = echo
    tools: Callable[[dict[str, Any]], Sequence[ToolCall]] = no_tools
    chunk: int = 4
    recut: int = 0
    pause_s: float = 0.0
    finish_reason: str = "stop"
    gzip: bool = False
    error_headers: Headers = field(default_factory=list)
    error_code: str = ""
    redirect_to: str = "http://127.0.0.1:9/v1/elsewhere"
    triggers: Sequence[Trigger] = TRIGGERS
    quota: Quota | None = None
    inline: Literal["", "off", "error"] = ""
    _faults: dict[str, Iterator[str]] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def fail(self, endpoint: str, *faults: str, forever: bool = False) -> None:
        """Let the next requests to an endpoint fail, one fault each, or all of them with the first.

        Without a fault it works again. Raises ValueError for a name that is not in ENDPOINTS, FAULTS or (for
        moderations) SPOILS.
        """
        known = {*FAULTS, *(SPOILS if endpoint == "moderations" else ())}
        if endpoint not in ENDPOINTS or not known.issuperset(faults):
            raise ValueError(f"unknown endpoint or fault: {endpoint} {' '.join(faults)}")
        self._faults[endpoint] = itertools.repeat(faults[0]) if forever else iter(faults)

    def next_fault(self, endpoint: str) -> str:
        """Take the fault of the next request; empty where it shall succeed."""
        return next(self._faults.get(endpoint, iter(())), "")

    def texts(self, body: dict[str, Any]) -> list[str]:
        """The text of each of the request's `n` choices."""
        reply = self.reply(body)
        texts = [reply] if isinstance(reply, str) else list(reply)
        count = body.get("n") or 1
        return [texts[i % len(texts)] for i in range(count)]

    def pieces(self, text: str) -> list[str]:
        """Cut a text as the stream sends it."""
        return [text[at : at + self.chunk] for at in range(0, len(text), self.chunk)]

    def new_id(self, prefix: str) -> str:
        """An id that no other object of this provider has."""
        return f"{prefix}simulated{next(self._ids):08d}"
