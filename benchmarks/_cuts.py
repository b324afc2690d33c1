"""Provider streams cut anew and compared: shares of the work, done here or in processes beside each other.

What a share finds depends on the share alone: the sums are the same, however many processes there are.
"""

from __future__ import annotations

import multiprocessing
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import _recut
from _gates import POLICIES, Outcome, make, run
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

from guard.wire.sse import Decoder

JUDGES = ("found", "judged")
TITLES = ("byte cuts", "delta cuts", "random cuts")
SIZES = (1, 2, 3, 17, 64)
PLACES = 40
"""Cuts in one share."""


class Order(NamedTuple):
    """What is asked for: recorded traffic beside the own streams, every Nth place, so many random cuts."""

    traffic: Path | None
    step: int
    random: int


class Share(NamedTuple):
    """A part of the work: cuts `low` to `high` of a kind, of one stream's lane where the kind has such."""

    policy: str
    title: str
    low: int
    high: int
    source: int = 0
    lane: str = ""


class Count(NamedTuple):
    """How many cuts were tried, and how many came out otherwise."""

    tried: int
    unequal: int


class Cutter:
    """The streams, and a guard of each policy with its files in a folder of its own."""

    def __init__(self, order: Order, home: Path) -> None:
        self._order = order
        self.sources = list(_recut.own())
        if order.traffic:
            self.sources += _recut.recorded(order.traffic)
        self._guards = {name: make(POLICIES[name], home / f"{name}-{uuid4().hex}") for name in JUDGES}
        self._whole = cache(self._run_whole)

    def close(self) -> None:
        """Let the guards go."""
        for guard in self._guards.values():
            guard.close()

    @property
    def characters(self) -> int:
        """How much text comes in deltas."""
        return sum(len(text) for source in self.sources for text in source.lanes.values())

    def shares(self) -> Iterator[Share]:
        """All of the work."""
        half = self._order.random // 2
        for number, name in enumerate(JUDGES):
            for place, source in enumerate(self.sources):
                yield Share(name, "byte cuts", 0, len(source.data), place)
                for lane, text in source.lanes.items():
                    ways = len(range(1, len(text), self._order.step)) + 1
                    for low in range(0, ways, PLACES):
                        yield Share(name, "delta cuts", low, min(low + PLACES, ways), place, lane)
            for low in range(number * half, (number + 1) * half, PLACES):
                yield Share(name, "random cuts", low, min(low + PLACES, (number + 1) * half))

    def work(self, share: Share) -> Count:
        """Try a share's cuts."""
        kinds = {"byte cuts": self._bytes, "delta cuts": self._deltas, "random cuts": self._random}
        return kinds[share.title](share)

    def _bytes(self, share: Share) -> Count:
        """Cut a stream at every byte: the decoder's events are the same; whole runs, some sizes, equal bytes."""
        source = self.sources[share.source]
        tried, unequal = _decoded(source, self._order.step)
        whole = run(self._guards[share.policy], source, [source.data])
        for size in SIZES:
            tried += 1
            unequal += run(self._guards[share.policy], source, _chunks(source.data, size)) != whole
        return Count(tried, unequal)

    def _deltas(self, share: Share) -> Count:
        """Cut a lane's text in two at every place, and once a character a delta."""
        source = self.sources[share.source]
        end = len(source.lanes[share.lane])
        ways = [*([place] for place in range(1, end, self._order.step)), list(range(1, end))]
        told = [
            self._meaning(share.policy, source, [_recut.cut(source, share.lane, places)])
            for places in ([], *ways[share.low : share.high])
        ]
        return Count(len(told) - 1, sum(one != told[0] for one in told))

    def _random(self, share: Share) -> Count:
        """Cut all lanes of a stream at random places, in deltas and in bytes."""
        unequal = 0
        for number in range(share.low, share.high):
            place = number % len(self.sources)
            chance = random.Random(number)
            data = _recut.random_cut(self.sources[place], chance)
            chunks = _chunks(data, chance.choice([1, 7, 100, 10_000]))
            unequal += self._meaning(share.policy, self.sources[place], chunks) != self._whole(
                share.policy, place
            )
        return Count(share.high - share.low, unequal)

    def _run_whole(self, policy: str, place: int) -> tuple[Any, ...]:
        return self._meaning(policy, self.sources[place], [self.sources[place].data])

    def _meaning(self, policy: str, source: _recut.Recording, chunks: Sequence[bytes]) -> tuple[Any, ...]:
        return meaning(source, run(self._guards[policy], source, chunks))


def _decoded(source: _recut.Recording, step: int) -> Count:
    tried = unequal = 0
    for event in Decoder().feed(source.data):
        for place in range(1, len(event.raw), step):
            decoder = Decoder()
            again = decoder.feed(event.raw[:place]) + decoder.feed(event.raw[place:])
            tried += 1
            # A comment or a line end of its own may come as an event without data.
            unequal += b"".join(e.raw for e in again) != event.raw or event.data not in [
                e.data for e in again
            ]
    return Count(tried, unequal)


def _chunks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def meaning(source: _recut.Recording, outcome: Outcome) -> tuple[Any, ...]:
    """What must not depend on the deltas. Between lanes the numbers of new values go by who comes first."""
    texts = _recut.told(source.endpoint, outcome.data)
    if len(texts) > 1:
        texts = {lane: re.sub(r"<([A-Z_]+)_\d+>", r"<\1>", text) for lane, text in texts.items()}
    return texts, outcome.ends, outcome.action, outcome.findings


def cut_all(order: Order, home: Path, jobs: int) -> dict[tuple[str, str], Count]:
    """Do all of the work in so many processes (one: this one), and say how much came out otherwise."""
    with closing(Cutter(order, home)) as cutter:
        print(
            f"{len(cutter.sources)} streams, {cutter.characters} characters of text that comes in deltas",
            flush=True,
        )
        shares = list(cutter.shares())
        tried: Counter[tuple[str, str]] = Counter()
        unequal: Counter[tuple[str, str]] = Counter()
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as shown:
            done = (
                ((share, cutter.work(share)) for share in shares)
                if jobs == 1
                else _beside(order, home, jobs, shares)
            )
            for share, count in shown.track(done, total=len(shares)):
                tried[share[:2]] += count.tried
                unequal[share[:2]] += count.unequal
    return {
        (name, title): Count(tried[name, title], unequal[name, title]) for name in JUDGES for title in TITLES
    }


_here: list[Cutter] = []
"""What a process of its own works with."""


def _begin(order: Order, home: Path) -> None:
    _here.append(Cutter(order, home))


def _work(share: Share) -> Count:
    return _here[0].work(share)


def _beside(order: Order, home: Path, jobs: int, shares: Sequence[Share]) -> Iterator[tuple[Share, Count]]:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, spawn, _begin, (order, home)) as pool:
        asked = {pool.submit(_work, share): share for share in shares}
        for future in as_completed(asked):
            yield asked[future], future.result()
