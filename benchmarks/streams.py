"""What streaming changes: nothing but the time. Cuts of one stream, characters held back, time added.

    python benchmarks/streams.py [--traffic FILE] [--random N] [--step N] [--json FILE]

`--traffic` is a file of recorded exchanges (one JSON object a line: path, stream, content_type, response); without it
the streams made here are cut alone. `--step N` cuts at every Nth place only. Judged by simulated scores, in process.
Times are of this process and this run; the same text passes the SSE decoder and a JSON parser alone beside it.

Exit code 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import _recut
from _texts import clean, prompt

from guard import Guard
from guard.holdback import Check, HoldBack
from guard.services.drivers import drive_stream
from guard.settings import Settings
from guard.simulator.scores import simulated_scores
from guard.stream import StreamGate
from guard.streaming.ops import Ask, Emit, End
from guard.types import Finding, Identity, Redaction
from guard.wire.openai import CHAT
from guard.wire.sse import Decoder

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


class Target(NamedTuple):
    """One figure beside what was asked of it."""

    name: str
    value: float
    bound: float
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether the value keeps the bound."""
        return self.value <= self.bound

    def __str__(self) -> str:
        asked = "told, not asked" if self.bound == float("inf") else f"at most {self.bound:g} {self.unit}"
        return f"  {self.name:<74} {self.value:8.2f}  {asked}{'' if self.holds else '  MISSED'}"


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


def meaning(source: _recut.Recording, outcome: Outcome) -> tuple[Any, ...]:
    """What must not depend on the deltas. Between lanes the numbers of new values go by who comes first."""
    texts = _recut.told(source.endpoint, outcome.data)
    if len(texts) > 1:
        texts = {lane: re.sub(r"<([A-Z_]+)_\d+>", r"<\1>", text) for lane, text in texts.items()}
    return texts, outcome.ends, outcome.action, outcome.findings


def byte_cuts(guard: Guard, sources: Sequence[_recut.Recording], step: int) -> tuple[int, int]:
    """Cut every stream at every byte: the decoder's events are the same; whole runs, some sizes, equal bytes."""
    tried = unequal = 0
    for source in sources:
        events = Decoder().feed(source.data)
        for event in events:
            for place in range(1, len(event.raw), step):
                decoder = Decoder()
                again = decoder.feed(event.raw[:place]) + decoder.feed(event.raw[place:])
                tried += 1
                # A comment or a line end of its own may come as an event without data.
                unequal += b"".join(e.raw for e in again) != event.raw or event.data not in [
                    e.data for e in again
                ]
        whole = run(guard, source, [source.data])
        for size in (1, 2, 3, 17, 64):
            chunks = [source.data[at : at + size] for at in range(0, len(source.data), size)]
            tried += 1
            unequal += run(guard, source, chunks) != whole
    return tried, unequal


def delta_cuts(guard: Guard, sources: Sequence[_recut.Recording], step: int) -> tuple[int, int]:
    """Cut each lane's text in two at every place, and once a character a delta."""
    tried = unequal = 0
    for source in sources:
        for lane, text in _recut.lanes(source).items():
            expected = meaning(source, run(guard, source, [_recut.cut(source, lane, [])]))
            ways = [[place] for place in range(1, len(text), step)] + [list(range(1, len(text)))]
            for places in ways:
                tried += 1
                unequal += meaning(source, run(guard, source, [_recut.cut(source, lane, places)])) != expected
    return tried, unequal


def random_cuts(guard: Guard, sources: Sequence[_recut.Recording], count: int) -> tuple[int, int]:
    """Cut all lanes of a stream at random places, many times, in deltas and in bytes."""
    chance = random.Random(4)
    expected = [meaning(source, run(guard, source, [source.data])) for source in sources]
    unequal = 0
    for number in range(count):
        place = number % len(sources)
        data = _recut.random_cut(sources[place], chance)
        size = chance.choice([1, 7, 100, 10_000])
        chunks = [data[at : at + size] for at in range(0, len(data), size)]
        unequal += meaning(sources[place], run(guard, sources[place], chunks)) != expected[place]
    return count, unequal


def held_back(guard: Guard, text: str) -> list[int]:
    """How many characters wait after each one of a text that comes a character at a time."""
    hold = HoldBack(cuts=guard.detector.cuts("default"), first=0, step=0, context=0)
    waiting, left = [], 0
    for at, character in enumerate(text):
        events = hold.feed(character)
        while events:
            event = events.pop(0)
            if isinstance(event, Check):
                events += hold.checked(event.window, event.text)
            left += len(getattr(event, "text", "")) if type(event).__name__ == "Release" else 0
        waiting.append(at + 1 - left)
    return waiting


def tokens(text: str) -> list[bytes]:
    """A stream as the API cuts it: a word and the blank before it a chunk, in an envelope of the usual size."""
    pieces = re.findall(r"\s?\S+|\s+", text)
    head = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion.chunk",
        "created": 1764000000,
        "model": "gpt-5.6-sol",
        "service_tier": "default",
        "system_fingerprint": "fp_34a54ae93c",
    }
    said = [
        {"index": 0, "delta": {"content": piece}, "logprobs": None, "finish_reason": None} for piece in pieces
    ]
    said.append({"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"})
    chunks = [
        f"data: {json.dumps({**head, 'choices': [choice]}, separators=(',', ':'))}\n\n" for choice in said
    ]
    return [chunk.encode() for chunk in (*chunks, "data: [DONE]\n\n")]


async def first_token(guard: Guard, chunks: Sequence[bytes], rounds: int) -> list[float]:
    """Milliseconds from the first chunk's arrival to the first text's leaving, over those of the chunks alone."""

    async def source() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def first(stream: AsyncIterator[bytes]) -> float:
        begun = time.perf_counter()
        async for data in stream:
            if re.search(rb'"content": ?"[^"]', data):
                return (time.perf_counter() - begun) * 1e3
        return float("inf")

    doors: Any = guard.local_doors()
    added = []
    for _ in range(rounds):
        alone = await first(source())
        machine = gate(guard)
        guarded = drive_stream(machine, source(), Doors(guard, doors))
        added.append(await first(guarded) - alone)
        await guarded.aclose()
    return added


class Doors:
    """Detection in this process; nothing is judged."""

    def __init__(self, guard: Guard, doors: Any) -> None:
        self._guard = guard
        self.score, self.commit = doors.score, doors.commit
        self.streaming: Callable[[], Any] = getattr(doors, "streaming", None) or _nothing

    async def detect(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Find spans in each text."""
        return await self._guard.detector.detect(texts, "default")


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def chunk_cost(guard: Guard, chunks: Sequence[bytes], rounds: int) -> tuple[float, float]:
    """Microseconds a chunk through the gate, and through a decoder and a JSON parser alone: the best of rounds."""
    best, bare = float("inf"), float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        machine = gate(guard)
        for chunk in chunks:
            pending = machine.feed(chunk)
            while pending:
                op = pending.pop()
                if not isinstance(op, Emit | End):
                    pending += machine.found(op.key, guard.detector.detect_sync(op.texts, "default"))
        best = min(best, (time.process_time() - begun) / len(chunks))
        begun = time.process_time()
        decoder = Decoder()
        for chunk in chunks[:-1]:
            for event in decoder.feed(chunk):
                json.loads(event.data or "null")
        bare = min(bare, (time.process_time() - begun) / len(chunks))
    return best * 1e6, bare * 1e6


def percentile(values: Sequence[int], share: float) -> float:
    """The value below which a share of the values lies."""
    return float(sorted(values)[min(len(values) - 1, int(share * len(values)))])


def invariance(guards: dict[str, Guard], options: argparse.Namespace) -> list[Target]:
    """Cut streams and count what came out otherwise."""
    sources = list(_recut.own())
    if options.traffic and options.traffic.is_file():
        sources += _recut.recorded(options.traffic)
    characters = sum(len(text) for source in sources for text in _recut.lanes(source).values())
    print(f"{len(sources)} streams, {characters} characters of text that comes in deltas")
    rows = []
    for name in ("found", "judged"):
        for title, (tried, unequal) in (
            ("byte cuts", byte_cuts(guards[name], sources, options.step)),
            ("delta cuts", delta_cuts(guards[name], sources, options.step)),
            ("random cuts", random_cuts(guards[name], sources, options.random // 2)),
        ):
            rows.append(Target(f"{name}: {title} that came out otherwise, of {tried}", unequal, 0))
    return rows


def flow(guards: dict[str, Guard], options: argparse.Namespace) -> list[Target]:
    """Measure what waits, and for how long."""
    rng = random.Random(7)
    prose = clean(rng, 20_000) + "".join(prompt(rng) for _ in range(200))
    longest = sorted(len(word) for word in prose.split())
    two_words = 2 * (longest[int(0.99 * len(longest))] + 1)
    chunks = tokens(clean(rng, 6_000))
    cost, bare = chunk_cost(guards["found"], chunks, 5)
    added = asyncio.run(first_token(guards["found"], chunks[:40], 200))
    return [
        Target(
            "held back of prose, names off, p99",
            percentile(held_back(guards["found"], prose), 0.99),
            40,
            "characters",
        ),
        Target(
            "held back of prose, names on, p99",
            percentile(held_back(guards["names"], prose), 0.99),
            40 + two_words,
            "characters",
        ),
        Target("added to the first token, PII only, median", statistics.median(added), 2, "ms"),
        Target("a chunk of one word through the gate", cost, 50, "us"),
        Target("the same over decoding and parsing it alone (times)", cost / bare, float("inf")),
    ]


def main() -> int:
    """Measure, print asked beside measured, say which targets hold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--traffic", type=Path, help="recorded exchanges, one JSON object a line")
    parser.add_argument("--random", type=int, default=10_000, help="random cuts (10000)")
    parser.add_argument("--step", type=int, default=1, help="cut at every Nth place only (1)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        guards = {name: make(text, Path(folder) / name) for name, text in POLICIES.items()}
        try:
            rows = [*flow(guards, options), *invariance(guards, options)]
        finally:
            for guard in guards.values():
                guard.close()
    print("\n".join(map(str, rows)))
    if options.json:
        options.json.write_text(json.dumps({row.name: row.value for row in rows}, indent=1), encoding="utf-8")
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
