"""What streaming changes: nothing but the time. Cuts of one stream, characters held back, time added.

    python benchmarks/streams.py [--traffic FILE] [--random N] [--step N] [--jobs N] [--json FILE]

`--traffic` is a file of recorded exchanges (one JSON object a line: path, stream, content_type, response); without it
the streams made here are cut alone. `--step N` cuts at every Nth place only; `--jobs N` cuts in N processes, with the
same result as one. Judged by simulated scores, in process. Times are of this process and this run, before any cuts;
the same text passes the SSE decoder and a JSON parser alone beside it.

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

from _cuts import Order, cut_all
from _gates import POLICIES, gate, make
from _texts import clean, prompt

from guard import Guard
from guard.holdback import Check, HoldBack
from guard.services.drivers import drive_stream
from guard.streaming.ops import Emit, End
from guard.types import Finding
from guard.wire.sse import Decoder


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


def invariance(options: argparse.Namespace, home: Path) -> list[Target]:
    """Cut streams and count what came out otherwise."""
    traffic = options.traffic if options.traffic and options.traffic.is_file() else None
    if traffic is None:
        print(f"own streams only: no recorded traffic ({options.traffic or '--traffic names it'})")
    order = Order(traffic, options.step, options.random)
    return [
        Target(f"{name}: {title} that came out otherwise, of {count.tried}", count.unequal, 0)
        for (name, title), count in cut_all(order, home, options.jobs).items()
    ]


def flow(guards: dict[str, Guard]) -> list[Target]:
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
    parser.add_argument("--jobs", type=int, default=1, help="processes that cut beside each other (1)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        guards = {name: make(text, home / name) for name, text in POLICIES.items()}
        try:
            rows = flow(guards)
        finally:
            for guard in guards.values():
                guard.close()
        rows += invariance(options, home)
    print("\n".join(map(str, rows)))
    if options.json:
        options.json.write_text(json.dumps({row.name: row.value for row in rows}, indent=1), encoding="utf-8")
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
