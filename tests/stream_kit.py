"""A streamed answer by hand: policies, exchanges, provider streams, and a driver that answers in any order."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from guard.engine import Exchange
from guard.errors import Unavailable
from guard.keys import Keys
from guard.pii.mapping import Mapping
from guard.pii.scan import Scanner
from guard.policy.decide import wanted
from guard.policy.load import load_policy
from guard.policy.model import Policy
from guard.simulator import chat, responses
from guard.simulator.answers import event_bytes
from guard.simulator.scores import simulated_scores
from guard.simulator.script import Script, ToolCall
from guard.stream import StreamGate
from guard.streaming.ops import Ask, Emit, End, Find, Op
from guard.types import Identity, Limits, Redaction, Stage
from guard.wire.openai import Endpoint, endpoint
from guard.wire.sse import Decoder

DONE = b"data: [DONE]\n\n"
LIMITS = Limits(64 * 1024 * 1024, 256, 1 << 20, 1 << 20, 1 << 20)
PLAIN = 'policy: test\nversion: "1"\n'
HEAD = PLAIN + 'restore: {tools: ["*"]}\n'
QUIET = HEAD + "extends: [default]\nmoderation: {by: 'off'}\n"
REDACTING = HEAD + "output: {rules: {'pii.*': redact, 'secret.*': redact, 'moderation.*': allow}}\n"
JUDGED = HEAD + (
    "output:\n  rules: {'pii.*': redact, 'secret.*': redact, 'moderation.*': {action: block, at: 0.8}}\n"
    "  stream: {first: 4, step: 16, context: 8}\n"
)


@cache
def policy(text: str = REDACTING) -> Policy:
    """Load a policy from its YAML."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "policy.yaml"
        file.write_text(text)
        return load_policy(file)


@cache
def scanner(text: str) -> Scanner:
    """The catalogue as the policy wants it."""
    rules = policy(text)
    kinds = wanted(rules, Stage.INPUT) | wanted(rules, Stage.OUTPUT)
    return Scanner(kinds=kinds, countries=rules.recognizers.countries, skip=tuple(rules.recognizers.except_))


def exchange(*values: tuple[str, str], stacked: bool = False) -> Exchange:
    """An exchange in which these (kind, value) pairs were redacted as tokens that come back."""
    keys = Keys(b"k" * 32)
    placeholders = Mapping(keys)
    for kind, value in values:
        placeholders.placeholder(kind, value, Redaction("token", restore=True))
    own = {value for _, value in values}
    return Exchange(
        Identity(), placeholders, keys.memo, keys.subjects_of("default", 2026), own=own, stacked=stacked
    )


PATHS = {"chat": "/v1/chat/completions", "completions": "/v1/completions", "responses": "/v1/responses"}
_EVENTS: dict[str, Callable[..., Iterable[dict[str, Any]]]] = {
    "chat": chat.chunks,
    "completions": chat.text_chunks,
    "responses": responses.events,
}


def known(name: str) -> Endpoint:
    """The endpoint of a name."""
    found = endpoint("POST", PATHS[name])
    assert found is not None
    return found


def provider(
    name: str, texts: Sequence[str], *, chunk: int = 4, tools: Sequence[str] = (), **body: Any
) -> list[dict[str, Any]]:
    """The events of a provider that answers with these texts (one a choice) or calls tools with these arguments."""
    script = Script(
        reply=lambda _: list(texts),
        tools=lambda _: [ToolCall(f"tool_{i}", arguments) for i, arguments in enumerate(tools)],
        chunk=chunk,
    )
    return list(_EVENTS[name]({"model": "m", "n": len(texts), **body}, script))


def wire(events: Iterable[dict[str, Any] | bytes], *, done: bool = True) -> bytes:
    """The bytes of a stream."""
    rows = [e if isinstance(e, bytes) else event_bytes(e) for e in events]
    return b"".join(rows) + (DONE if done else b"")


@dataclass
class Run:
    """One stream, driven by hand; `out` is what the caller was sent."""

    gate: StreamGate
    find: Callable[[str], Any]
    judge: Callable[[str], Any] = simulated_scores
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    lazy: bool = False
    out: bytes = b""
    asked: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    open: list[Ask] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    def take(self, ops: Iterable[Op]) -> None:
        """Obey the gate."""
        pending = list(ops)
        while pending:
            op = pending.pop(0)
            if isinstance(op, Emit):
                assert not self.ends, "nothing follows the end"
                self.out += op.data
            elif isinstance(op, End):
                self.ends.append(op.code)
            elif isinstance(op, Ask):
                self.asked += op.texts
                self.open.append(op)
            else:
                assert isinstance(op, Find)
                self.found += op.texts
                pending += self.gate.found(op.key, [self.find(text) for text in op.texts])

    def answer(self, place: int | None = None) -> None:
        """Answer one open question, in any order."""
        ask = self.open.pop(self.chance.randrange(len(self.open)) if place is None else place)
        try:
            answers: Any = [self.judge(text) for text in ask.texts]
        except Unavailable as failure:
            answers = failure
        self.take(self.gate.scored(ask.key, answers))

    def feed(self, chunks: Iterable[bytes]) -> Run:
        """Feed bytes as a driver does: pause while the gate is full."""
        for chunk in chunks:
            while self.gate.full and not self.gate.ended:
                assert self.open, "the gate is full, but asks nothing: a deadlock"
                self.answer()
            if self.gate.ended:
                break
            self.take(self.gate.feed(chunk))
            while self.open and not self.lazy and self.chance.random() < 0.5:
                self.answer()
        return self

    def finish(self) -> Run:
        """The provider's stream is over: answer all that is open."""
        if not self.gate.ended:
            self.take(self.gate.finish())
        while self.open:
            self.answer()
        return self

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON of what was sent."""
        events = Decoder().feed(self.out)
        return [orjson.loads(e.data) for e in events if e.data is not None and not e.done]

    @property
    def done(self) -> bool:
        """Whether `[DONE]` was sent, once and last."""
        count = self.out.count(DONE)
        assert count == 0 or (count == 1 and self.out.endswith(DONE))
        return count == 1


def quiet(eye: Scanner) -> Callable[[str], bool]:
    """The look of a detector that has nothing but the catalogue."""
    return lambda text: eye.silent(text) if text.isascii() else not eye.scan(text)


def gate(text: str, name: str, who: Exchange | None = None, **more: Any) -> StreamGate:
    """The machine under test."""
    eye = scanner(text)
    more = {"cuts": eye.cutter(), "reach": eye.context, "limits": LIMITS, "quiet": quiet(eye), **more}
    return StreamGate(policy(text), known(name), who or exchange(), **more)


def run(
    text: str,
    name: str,
    chunks: Iterable[bytes],
    who: Exchange | None = None,
    *,
    seed: int = 0,
    judge: Callable[[str], Any] = simulated_scores,
    lazy: bool = False,
    **more: Any,
) -> Run:
    """Stream these bytes through a fresh gate to the end."""
    machine = Run(gate(text, name, who, **more), scanner(text).scan, judge, random.Random(seed), lazy)
    return machine.feed(chunks).finish()


def cut(data: bytes, size: int) -> list[bytes]:
    """Cut bytes into pieces of one size; 0 leaves them whole."""
    return [data[at : at + size] for at in range(0, len(data), size)] if size else [data]


def told(events: Iterable[dict[str, Any]]) -> dict[str, str]:
    """What a client reads, by lane: choices and tool calls of chat, choices of completions, items of Responses."""
    lanes: dict[str, str] = {}

    def add(lane: str, text: str | None) -> None:
        lanes[lane] = lanes.get(lane, "") + (text or "")

    for event in events:
        for choice in event.get("choices", ()):
            index, delta = choice["index"], choice.get("delta") or {}
            add(f"{index}", choice.get("text") or delta.get("content"))
            for call in delta.get("tool_calls", ()):
                add(f"{index}.{call['index']}", call["function"].get("arguments"))
        if str(event.get("type", "")).endswith("_text.delta"):
            add(f"{event['output_index']}", event["delta"])
        if event.get("type") == "response.function_call_arguments.delta":
            add(f"{event['output_index']}.arguments", event["delta"])
    return {lane: text for lane, text in lanes.items() if text}


def finishes(events: Iterable[dict[str, Any]]) -> dict[int, list[str]]:
    """The finish reasons of each choice, in order."""
    found: dict[int, list[str]] = {}
    for event in events:
        for choice in event.get("choices", ()):
            if choice.get("finish_reason"):
                found.setdefault(choice["index"], []).append(choice["finish_reason"])
    return found
