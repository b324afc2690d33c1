"""Gates of streams for the measurements, and streams stepped through them in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import _recut

from guard import Guard
from guard.settings import Settings
from guard.simulator.scores import simulated_scores
from guard.stream import StreamGate
from guard.streaming.ops import Ask, Emit, End
from guard.types import Finding, Identity, Redaction
from guard.wire.openai import CHAT

HEAD = """
policy: bench
version: "1"
extends: [default]
recognizers: {names: %s, presidio: {recognizers: []}}
output: {rules: {"pii.*": redact, "pii.email": redact, "pii.phone": redact%s}%s}
restore: {tools: [tool_0]}
"""
QUIET = ', "moderation.*": allow, "moderation.sexual/minors": allow, "moderation.self-harm*": allow'
POLICIES = {
    "found": HEAD % ("off", QUIET, ""),
    "names": HEAD % ("gazetteer", QUIET, ""),
    "judged": HEAD % ("off", "", ", stream: {first: 4, step: 16, context: 8}"),
}
MAIL = ("pii.email", "carol@corp.org")


def make(text: str, home: Path) -> Guard:
    """A guard of this policy with its files in a folder of its own."""
    home.mkdir()
    (home / "policy.yaml").write_text(text, encoding="utf-8")
    return Guard.from_policy(home / "policy.yaml", Settings(home=home, exports=home / "exports"))


def gate(guard: Guard, source: _recut.Recording | None = None, choices: int = 2) -> StreamGate:
    """A fresh gate; one placeholder is in play."""
    exchange = guard.open_exchange(Identity())
    exchange.placeholders.placeholder(*MAIL, Redaction("token", restore=True))
    exchange.own.add(MAIL[1])
    return StreamGate(
        guard.policy,
        source.endpoint if source else CHAT,
        exchange,
        cuts=guard.detector.cuts("default"),
        reach=guard.detector.context,
        limits=guard.answer_limits,
        choices=choices,
        quiet=guard.detector.quiet("default"),
    )


class Outcome(NamedTuple):
    """What a caller was sent, how it ended, and what was found where."""

    data: bytes
    ends: tuple[str, ...]
    action: str
    findings: tuple[Finding, ...]


def run(guard: Guard, source: _recut.Recording, chunks: Sequence[bytes]) -> Outcome:
    """Step a stream through its gate to the end, answering at once."""
    machine = gate(guard, source)
    out, ends = bytearray(), []
    for chunk in (*chunks, None):
        pending = [] if machine.ended else machine.finish() if chunk is None else machine.feed(chunk)
        while pending:
            op = pending.pop(0)
            if isinstance(op, Emit):
                out += op.data
            elif isinstance(op, End):
                ends.append(op.code)
            elif isinstance(op, Ask):
                pending += machine.scored(op.key, [simulated_scores(text) for text in op.texts])
            else:
                pending += machine.found(op.key, guard.detector.detect_sync(op.texts, "default"))
    verdict = machine.verdict()
    found = sorted(f for f in verdict.findings if f.start < f.end)
    return Outcome(bytes(out), tuple(ends), verdict.action.word, tuple(found))
