"""Limits a minute: in no sixty seconds more than the limit, and every refusal says truly when it will fit."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.outside.stores.windows import MemoryWindows, Rate, SqliteWindows, Taken, Windows

Take = Callable[..., Taken]
THREE = Rate(3, None)
FORK = multiprocessing.get_context("fork")


@pytest.fixture(params=["memory", "sqlite"])
def windows(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Windows]:
    made = MemoryWindows() if request.param == "memory" else SqliteWindows(tmp_path / "limits.sqlite3")
    yield made
    made.close()


def take(windows: Windows, now: float, tokens: int = 1, rate: Rate = THREE, key: str = "acme") -> Taken:
    taken = windows.take(key, rate, tokens, now)
    return taken.result(10) if isinstance(taken, Future) else taken


def test_up_to_the_limit_and_no_further(windows: Windows) -> None:
    """D29: at limit − 1, at the limit, one above it; another key has its own."""
    assert [take(windows, 100.5).after_s for _ in range(3)] == [0, 0, 0]
    over = take(windows, 100.5)
    assert (over.after_s, over.what) == (60.5, "requests")
    assert take(windows, 100.5, key="other").after_s == 0


def test_a_refusal_tells_when(windows: Windows) -> None:
    """An honest Retry-After: a moment before it is refused again, at it the call fits."""
    for now in (100.0, 110.0, 120.0):
        take(windows, now)
    after = take(windows, 130.0).after_s
    assert take(windows, 130.0 + after - 0.01).after_s > 0
    assert take(windows, 130.0 + after).after_s == 0


def test_requests_and_tokens_in_one_step(windows: Windows) -> None:
    """Both limits or neither: what the tokens refuse is not counted as a request."""
    rate = Rate(2, 100)
    assert take(windows, 100.0, 90, rate).after_s == 0
    assert take(windows, 101.0, 20, rate) == Taken(60.0, 101, "tokens")
    assert take(windows, 102.0, 10, rate).after_s == 0
    assert take(windows, 103.0, 0, rate).what == "requests"


def test_what_was_not_used_comes_back(windows: Windows) -> None:
    """Settled from `usage`: room for others at once; nothing goes below zero; what is gone is left alone."""
    rate = Rate(None, 100)
    taken = take(windows, 100.0, 100, rate)
    windows.give("acme", taken.second, -60)
    assert take(windows, 100.0, 60, rate).after_s == 0
    assert take(windows, 100.0, 1, rate).after_s > 0
    windows.give("acme", taken.second, -10_000)
    assert take(windows, 100.0, 100, rate).after_s == 0
    assert take(windows, 100.0, 1, rate).after_s > 0
    windows.give("acme", 7, 50)
    windows.give("nobody", 7, 50)


def test_more_than_the_limit_never_fits(windows: Windows) -> None:
    """A wait that would never end is said to be one."""
    assert take(windows, 100.0, 101, Rate(None, 100)).after_s == float("inf")


def test_a_call_that_waited_for_its_turn_sees_what_came_meanwhile(windows: Windows) -> None:
    """C44: another worker's calls of the next seconds count although this one was made before them."""
    for now in (100.0, 101.0, 103.0):
        take(windows, now)
    late = take(windows, 100.9)
    assert late.after_s > 0
    assert take(windows, 161.0).after_s == 0  # only the first is gone: none was forgotten
    assert take(windows, 161.0).after_s > 0
    assert take(windows, 160.5, key="late").second == 160
    taken = take(windows, 159.0, key="late")
    assert (taken.after_s, taken.second) == (0, 160)


def test_a_clock_that_began_anew(windows: Windows) -> None:
    """C36: after a restart of the machine its steady clock begins at zero: old rows do not count."""
    for _ in range(3):
        take(windows, 1e6)
    if isinstance(windows, SqliteWindows):
        assert take(windows, 5.0).after_s == 0


@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 60), st.integers(0, 60)), max_size=80),
    st.integers(1, 10),
    st.integers(60, 150),
)
def test_in_no_window_more_than_the_limit(
    calls: list[tuple[float, int, int]], requests: int, tokens: int
) -> None:
    """Whatever comes when, and whatever is given back: any sixty seconds hold the limit at most."""
    windows, now, held = MemoryWindows(), 1000.0, list[tuple[float, int]]()
    for gap, wanted, unused in calls:
        now += gap
        taken = take(windows, now, wanted, Rate(requests, tokens))
        if not taken.after_s:
            windows.give("acme", taken.second, -min(wanted, unused))
            held.append((now, wanted - min(wanted, unused)))
    for start, _ in held:
        inside = [used for at, used in held if start <= at < start + 60]
        assert len(inside) <= requests
        assert sum(inside) <= tokens


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """C46: keys that somebody makes up push out the one that was idle longest, not all memory."""
    monkeypatch.setattr("guard.outside.stores.windows._KEYS", 10)
    windows = MemoryWindows()
    for number in range(100):
        take(windows, 100.0, key=f"key{number}")
        take(windows, 100.0, key="busy", rate=Rate(1000, None))
    assert len(windows._rows) == 10
    assert sum(requests for _, requests, _ in windows._rows["busy"]) == 100


def test_many_workers_share_one_limit(tmp_path: Path) -> None:
    """C44: 4 processes that take at once: together never more than the limit."""
    path = tmp_path / "limits.sqlite3"
    SqliteWindows(path).close()
    queue = FORK.SimpleQueue()
    workers = [FORK.Process(target=_take_many, args=(path, queue)) for _ in range(4)]
    for worker in workers:
        worker.start()
    admitted = sum(queue.get() for _ in workers)
    for worker in workers:
        worker.join(30)
    assert admitted == 50


def _take_many(path: Path, queue: multiprocessing.SimpleQueue[int]) -> None:
    windows = SqliteWindows(path, wait_s=30)
    futures = [windows.take("acme", Rate(50, None), 1, time.monotonic()) for _ in range(40)]
    queue.put(sum(not future.result(60).after_s for future in futures))
    windows.close()
