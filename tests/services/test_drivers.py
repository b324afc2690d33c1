"""The two drivers: one awaiting, one blocking, the same law; nobody waits for what he need not wait for."""

from __future__ import annotations

import asyncio
import importlib.util
import random
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guard.engine import screen_output
from guard.errors import Unavailable
from guard.services.drivers import drive, drive_stream, drive_stream_sync, drive_sync
from guard.streaming.ops import Emit
from guard.types import Commit, Detect, Finding, Flow, Score, Segment

_kit = Path(__file__).parents[1] / "stream_kit.py"
_spec = importlib.util.spec_from_file_location("stream_kit", _kit)
assert _spec is not None
assert _spec.loader is not None
kit = sys.modules.setdefault("stream_kit", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(kit)

pytestmark = pytest.mark.anyio

CALM = "It rains in Spain again, they say. The sun comes out at noon. We all go for a walk. "
NONE = kit.JUDGED.replace("context: 8", "context: 8, hold: none")
ASK = "The quick brown fox jumps over the dog. "


class Doors:
    """Both kinds of doors in one: the catalogue, and a judge that the test moves."""

    def __init__(self, policy: str = kit.JUDGED, judge: Callable[[str], Any] = kit.simulated_scores) -> None:
        self.scan = kit.scanner(policy).scan
        self.judge = judge
        self.committed: list[bytes] = []
        self.streams: list[int] = []

    def detect(self, texts: Sequence[str]) -> list[list[Finding]]:
        return [self.scan(text) for text in texts]

    def score(self, texts: Sequence[str]) -> list[dict[str, float]]:
        return [self.judge(text) for text in texts]

    @contextmanager
    def streaming(self) -> Iterator[None]:
        self.streams.append(1)
        yield
        self.streams.append(-1)

    def commit(self, record: bytes) -> None:
        self.committed.append(record)


class AsyncDoors:
    """The same, awaited; `pause` is what the judge waits for."""

    def __init__(self, doors: Doors, pause: Callable[[], Any] | None = None) -> None:
        self.doors = doors
        self.pause = pause
        self.begun = asyncio.Event()
        self.asked = self.running = self.cancelled = 0

    async def detect(self, texts: Sequence[str]) -> list[list[Finding]]:
        await asyncio.sleep(0)
        return self.doors.detect(texts)

    async def score(self, texts: Sequence[str]) -> list[dict[str, float]]:
        self.asked += 1
        self.running += 1
        self.begun.set()
        try:
            await (self.pause() if self.pause else asyncio.sleep(0))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.running -= 1
        return self.doors.score(texts)

    def streaming(self) -> AbstractContextManager[None]:
        return self.doors.streaming()

    async def commit(self, record: bytes) -> None:
        self.doors.commit(record)


def flow(seen: list[Any]) -> Flow[str]:
    """A flow that asks for everything once and keeps what it is sent."""
    seen.append((yield Detect(("Mail alice@corp.com",))))
    try:
        seen.append((yield Score(("calm",))))
    except Unavailable as failure:
        seen.append(failure.kind)
    seen.append((yield Commit(b"record")))
    return "value"


def failing(text: str) -> Any:
    raise Unavailable("moderation", "down")


# whole bodies


@pytest.mark.parametrize("judge", [kit.simulated_scores, failing])
async def test_both_drivers_answer_a_flow_alike(judge: Any) -> None:
    """One law for both SDK clients: the same answers, the same failures, the same value."""
    one: list[Any] = []
    other: list[Any] = []
    doors = Doors(judge=judge)
    assert drive_sync(flow(one), doors) == "value"
    assert await drive(flow(other), AsyncDoors(doors)) == "value"
    assert one == other
    assert one[0][0][0].kind == "pii.email"
    assert one[1] == ("guard.unavailable.moderation" if judge is failing else [kit.simulated_scores("calm")])
    assert doors.committed == [b"record", b"record"]


async def test_a_commit_that_fails_is_thrown_into_the_flow() -> None:
    """Law 5: the flow decides what an unrecorded call means."""

    class Full(Doors):
        def commit(self, record: bytes) -> None:
            raise Unavailable("record", "disk full")

    def committing() -> Flow[str]:
        try:
            yield Commit(b"x")
        except Unavailable as failure:
            return failure.kind
        return "committed"

    assert drive_sync(committing(), Full()) == "guard.unavailable.record"
    assert await drive(committing(), AsyncDoors(Full())) == "guard.unavailable.record"


async def test_other_errors_of_a_door_are_not_swallowed() -> None:
    """A door that breaks otherwise breaks the call: there is no `except: go on`."""

    class Broken(Doors):
        def detect(self, texts: Sequence[str]) -> list[list[Finding]]:
            raise RuntimeError("broken")

    def fresh() -> Flow[Any]:
        return screen_output(kit.policy(kit.JUDGED), kit.exchange(), [Segment("x", "y")], ())

    with pytest.raises(RuntimeError):
        drive_sync(fresh(), Broken())
    with pytest.raises(RuntimeError):
        await drive(fresh(), AsyncDoors(Broken()))


# streams


async def chunks_of(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        await asyncio.sleep(0)
        yield piece


async def awaited(policy: str, pieces: Sequence[bytes], doors: Any, **more: Any) -> bytes:
    gate = kit.gate(policy, "chat", **more)
    return b"".join([data async for data in drive_stream(gate, chunks_of(pieces), doors)])


def blocked(policy: str, pieces: Sequence[bytes], doors: Any, **more: Any) -> bytes:
    return b"".join(drive_stream_sync(kit.gate(policy, "chat", **more), iter(pieces), doors))


TEXTS = st.lists(
    st.sampled_from(["alice@corp.com", CALM, "I will hurt you. ", "上海🙂", "one two three four five "]),
    max_size=8,
)


@settings(max_examples=25)
@example(first=[CALM, "alice@corp.com"], second=[CALM, "alice@corp.com", "alice@corp.com"], size=0, seed=3)
@given(first=TEXTS, second=TEXTS, size=st.sampled_from([0, 9, 100]), seed=st.integers(0, 999))
def test_both_drivers_stream_alike(first: list[str], second: list[str], size: int, seed: int) -> None:
    """B26: awaiting or blocking, whatever the pace of the judge: byte for byte what a driver by hand sends.

    The numbers of new placeholders too: those of two choices go by the place of their text in the stream.
    """
    texts = ["".join(first), "".join(second)]
    pieces = kit.cut(kit.wire(kit.provider("chat", texts, chunk=5)), size)
    by_hand = kit.run(kit.JUDGED, "chat", pieces, seed=seed, choices=2).out
    chance = random.Random(seed)

    async def pause() -> None:
        for _ in range(chance.randrange(5)):
            await asyncio.sleep(0)

    doors = Doors()
    assert blocked(kit.JUDGED, pieces, doors, choices=2) == by_hand
    out = asyncio.run(awaited(kit.JUDGED, pieces, AsyncDoors(doors, pause), choices=2))
    assert out == by_hand


@pytest.mark.parametrize("judge", [failing, lambda text: 1 / 0, lambda text: {}])
async def test_a_judge_that_fails_ends_a_stream_as_an_outage(judge: Any) -> None:
    """C16: Unavailable, a crash or an empty answer: one error event in both drivers."""
    pieces = [kit.wire(kit.provider("chat", [CALM]))]
    doors = Doors(judge=judge)
    for out in (blocked(kit.JUDGED, pieces, doors), await awaited(kit.JUDGED, pieces, AsyncDoors(doors))):
        assert b"guard.unavailable.moderation" in out
        assert b"[DONE]" not in out
        assert b"Spain" not in out


def event(text: str) -> bytes:
    (found,) = [e for e in kit.provider("chat", [text], chunk=10_000) if kit.told([e])]
    return bytes(kit.event_bytes(found))


async def test_two_windows_are_judged_at_a_time() -> None:
    """C17: the second window is asked before the first is answered, a third is not, and reading stops."""
    release = asyncio.Event()
    doors = AsyncDoors(Doors(), release.wait)
    pulled = 0

    async def upstream() -> AsyncIterator[bytes]:
        nonlocal pulled
        for _ in range(1000):
            pulled += 1
            yield event(ASK)

    stream = drive_stream(kit.gate(kit.JUDGED, "chat"), upstream(), doors)
    first = asyncio.ensure_future(anext(stream))
    for _ in range(300):
        await asyncio.sleep(0)
    assert doors.running == 2
    assert pulled < 20
    release.set()
    assert ASK[:10] in (await first).decode()
    await stream.aclose()


async def test_judged_text_leaves_while_the_upstream_is_silent() -> None:
    """No stall: what was judged does not wait for the provider's next byte."""

    doors = AsyncDoors(Doors())

    async def upstream() -> AsyncIterator[bytes]:
        while not doors.asked:
            yield event("words ")
            await asyncio.sleep(0)
        await asyncio.Event().wait()

    stream = drive_stream(kit.gate(kit.JUDGED, "chat"), upstream(), doors)
    assert "words " in (await anext(stream)).decode()
    assert doors.asked == 1
    await stream.aclose()


def test_judged_text_leaves_before_a_blocking_read() -> None:
    """No stall: the blocking driver hands out what is judged before it reads on, which may take for ever."""
    received: list[bytes] = []

    def upstream() -> Iterator[bytes]:
        yield event(ASK) + event(ASK)
        assert ASK in b"".join(received).decode(), "read on while judged text was held"
        yield kit.DONE

    for data in drive_stream_sync(kit.gate(kit.JUDGED, "chat"), upstream(), Doors()):
        received.append(data)
    assert b"".join(received).endswith(kit.DONE)


def test_the_blocking_driver_judges_two_windows_at_a_time() -> None:
    """C17: two windows that are there at once are judged at once: each judge waits for the other."""
    both, met = threading.Barrier(2), threading.Event()

    def judge(text: str) -> Any:
        if not met.is_set():
            both.wait(timeout=60)
            met.set()
        return kit.simulated_scores(text)

    policy = kit.JUDGED.replace("first: 4, step: 16", "first: 16, step: 16")
    text = ASK * 4
    out = blocked(policy, [kit.wire(kit.provider("chat", [text], chunk=200))], Doors(judge=judge))
    assert ASK in out.decode()


async def test_what_may_leave_at_the_same_moment_leaves_together() -> None:
    """The events of one read are one send where nothing holds them, and no event waits for the next read."""
    words = [event(f" window{letter} and") for letter in "abcdefgh"]
    reads = [words[0], b"".join(words[1:5]), *words[5:], kit.DONE]
    by_hand = kit.gate(kit.QUIET, "chat")
    left = [b"".join(op.data for op in by_hand.feed(read) if isinstance(op, Emit)) for read in reads]
    left = [data for data in left if data]
    assert max(data.count(b"data:") for data in left) > 2
    out = [d async for d in drive_stream(kit.gate(kit.QUIET, "chat"), chunks_of(reads), AsyncDoors(Doors()))]
    assert out[:-1] == left
    assert b"".join(out) == b"".join(reads)
    assert list(drive_stream_sync(kit.gate(kit.QUIET, "chat"), iter(reads), Doors())) == out


async def test_hold_none_does_not_wait_for_the_judge() -> None:
    """hold: none: the text is with the caller before the judge answers, in both drivers."""
    told = threading.Event()

    def judge(text: str) -> Any:
        assert told.wait(timeout=60)
        return kit.simulated_scores(text)

    received = []
    pieces = [event(ASK), event(ASK), kit.DONE]
    for data in drive_stream_sync(kit.gate(NONE, "chat"), iter(pieces), Doors(judge=judge)):
        received.append(data)
        if ASK in data.decode():
            told.set()
    assert b"".join(received).endswith(kit.DONE)
    free = asyncio.Event()
    seen = []
    async for data in drive_stream(kit.gate(NONE, "chat"), chunks_of(pieces), AsyncDoors(Doors(), free.wait)):
        seen.append(data)
        if ASK in data.decode():
            free.set()
    assert b"".join(seen) == b"".join(received)


# endings


async def test_a_caller_who_leaves_cancels_the_judge_and_the_read() -> None:
    """A05: closing the stream cancels the questions and the read that are under way; nothing is left behind."""
    doors = AsyncDoors(Doors(), asyncio.Event().wait)
    closed = asyncio.Event()

    async def upstream() -> AsyncIterator[bytes]:
        try:
            yield kit.event_bytes({"choices": []})
            yield event(ASK)
            await asyncio.Event().wait()
        finally:
            closed.set()

    before = asyncio.all_tasks()
    stream = drive_stream(kit.gate(kit.JUDGED, "chat"), upstream(), doors)
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await doors.begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert doors.cancelled == doors.asked == 1
    assert closed.is_set()
    assert asyncio.all_tasks() == before


def test_a_caller_who_leaves_does_not_wait_for_the_judge() -> None:
    """A05: the blocking driver lets a running question go and starts no other."""
    free = threading.Event()
    asked = []

    def judge(text: str) -> Any:
        asked.append(text)
        assert free.wait(timeout=60)
        return kit.simulated_scores(text)

    pieces = [kit.event_bytes({"choices": []}), *(event(ASK) for _ in range(50))]
    stream = drive_stream_sync(kit.gate(NONE, "chat"), iter(pieces), Doors(judge=judge))
    for _ in range(5):
        next(stream)
    stream.close()
    count = len(asked)
    free.set()
    assert count <= 2
    assert list(stream) == []


@pytest.mark.parametrize("error", [ConnectionError, KeyError])
async def test_an_upstream_that_breaks_breaks_the_stream(error: type[Exception]) -> None:
    """C09: a reset is an error, not an end: it reaches the mount, and no `[DONE]` is made up."""

    async def upstream() -> AsyncIterator[bytes]:
        yield event(ASK)
        raise error

    def upstream_sync() -> Iterator[bytes]:
        yield event(ASK)
        raise error

    seen: list[bytes] = []

    async def read() -> None:
        async for data in drive_stream(kit.gate(kit.REDACTING, "chat"), upstream(), AsyncDoors(Doors())):
            seen.append(data)

    with pytest.raises(error):
        await read()
    with pytest.raises(error):
        seen.extend(drive_stream_sync(kit.gate(kit.REDACTING, "chat"), upstream_sync(), Doors()))
    assert b"[DONE]" not in b"".join(seen)


async def test_nothing_is_read_behind_a_refusal() -> None:
    """A25: when an answer is blocked the upstream is read no further."""
    pulled = 0

    async def upstream() -> AsyncIterator[bytes]:
        nonlocal pulled
        for _ in range(1000):
            pulled += 1
            yield event("I will hurt you. ")

    out = [d async for d in drive_stream(kit.gate(kit.JUDGED, "chat"), upstream(), AsyncDoors(Doors()))]
    assert b"".join(out).endswith(kit.DONE)
    assert pulled < 30

    def upstream_sync() -> Iterator[bytes]:
        for _ in range(30):
            yield event("I will hurt you. ")
        raise AssertionError("read on behind the refusal")

    assert b"".join(drive_stream_sync(kit.gate(kit.JUDGED, "chat"), upstream_sync(), Doors())).endswith(
        kit.DONE
    )


async def test_a_stream_is_counted_as_long_as_it_lasts() -> None:
    """The judge knows how many streams are open, in both drivers: that is what makes their windows share requests."""
    for driver in (awaited_once, blocked_once):
        doors = Doors()
        seen = await driver(doors)
        assert seen == [1]
        assert doors.streams == [1, -1]


async def awaited_once(doors: Doors) -> list[int]:
    gate = kit.gate(kit.JUDGED, "chat")
    data = drive_stream(gate, chunks_of([event(ASK * 3)]), AsyncDoors(doors))
    await anext(data)
    seen = list(doors.streams)
    async for _ in data:
        pass
    return seen


async def blocked_once(doors: Doors) -> list[int]:
    gate = kit.gate(kit.JUDGED, "chat")
    data = drive_stream_sync(gate, iter([event(ASK * 3)]), doors)
    next(data)
    seen = list(doors.streams)
    for _ in data:
        pass
    return seen
