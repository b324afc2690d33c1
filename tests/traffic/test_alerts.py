"""When an alert fires and when it ends: a machine that is stepped by hand, and the webhook behind it."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.traffic.alerts import EVERY_S, NAMES, SHARES, Change, Sample, Watch, lines
from guard.traffic.webhook import Webhook

PAGE = (Path(__file__).parents[2] / "docs" / "runbook.md").read_text()


@dataclass
class Rules:
    p50_s: float | None = None
    p99_s: float | None = None
    p999_s: float | None = None
    first_token_ms: float | None = None
    token_spike_percent: float | None = None


class Bench:
    """A watch with the numbers that it is shown, look by look."""

    def __init__(self, **rules: float) -> None:
        self.watch = Watch(Rules(**rules))
        self.now, self.tokens = 1000.0, 0.0
        self.calls: dict[tuple[str, str], tuple[float, float]] = {}
        self.look()

    def look(
        self,
        calls: float = 0,
        over: float = 0,
        tokens: float = 0,
        name: str = "latency_p99",
        model: str = "m",
    ) -> list[Change]:
        """Ten seconds go by in which so much happens."""
        self.now += EVERY_S
        self.tokens += tokens
        if calls:
            before = self.calls.get((name, model), (0.0, 0.0))
            self.calls[name, model] = (before[0] + calls, before[1] + over)
        return self.watch.look(self.now, Sample(dict(self.calls), self.tokens))

    def looks(self, count: int, **more: float) -> list[Change]:
        return [change for _ in range(count) for change in self.look(**more)]  # type: ignore[arg-type]


def test_the_runbook_has_a_part_for_each_alert() -> None:
    """Each name is a heading of the page, with what it means, what to look at and what to do; no other is."""
    parts = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
    assert set(parts) == set(NAMES)
    for part in parts.values():
        assert all(f"**{word}:**" in part for word in ("Means", "Look at", "Do"))


def test_lines_are_read_in_seconds() -> None:
    """Milliseconds and seconds of the policy come to one unit; a line that is not drawn is none."""
    assert lines(Rules(p99_s=2, first_token_ms=600)) == {"latency_p99": 2, "first_token": 0.6}


@pytest.mark.parametrize(
    ("name", "rule", "calls", "at", "above"),
    [("latency_p50", "p50_s", 20, 10, 11), ("latency_p99", "p99_s", 100, 1, 2),
     ("latency_p999", "p999_s", 1000, 1, 2), ("first_token", "first_token_ms", 20, 1, 2)],
)  # fmt: skip
def test_at_the_line_nothing_above_it_an_alert(name: str, rule: str, calls: int, at: int, above: int) -> None:
    """D29: exactly the allowed part is within the line, one call more is not; and one call too few says nothing."""
    for number, over, fires in ((calls, at, 0), (calls, above, 1), (calls - 1, calls - 1, 0)):
        bench = Bench(**{rule: 2})
        changes = bench.look(number, over, name=name) + bench.looks(5)
        assert len(changes) == fires
        assert SHARES[name].least == calls


def test_one_message_for_each_change() -> None:
    """It fires once after three looks, ends once when there is room, and says nothing in between."""
    bench = Bench(p99_s=2)
    assert [bench.look(1000, 11), bench.look()] == [[], []]
    assert bench.look() == [Change("latency_p99", "m", True, 0.011, 2, 1000)]
    assert bench.watch.firing == [("latency_p99", "m")]
    assert bench.looks(45, calls=100, over=1) == []  # at the line, without room
    ended = bench.looks(60, calls=100)
    assert [(change.firing, change.model) for change in ended] == [(False, "m")]
    assert bench.watch.firing == []


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_it_does_not_flap(slow: list[bool]) -> None:
    """However the calls come, its messages alternate, and two of them are three looks apart at least."""
    bench, told = Bench(p50_s=1), list[tuple[int, bool]]()
    for number, over in enumerate(slow):
        told += [(number, change.firing) for change in bench.look(40, 40 if over else 0, name="latency_p50")]
    assert [firing for _, firing in told] == [n % 2 == 0 for n in range(len(told))]
    assert all(later - sooner >= 3 for (sooner, _), (later, _) in pairwise(told))


def test_few_calls_are_gathered_for_an_hour() -> None:
    """A model that is called three times a minute has a P99 too, after a while; one that is forgotten has none."""
    bench = Bench(p99_s=2)
    assert bench.looks(150, calls=0.5, over=0.25) == []
    assert [change.firing for change in bench.looks(100, calls=0.5, over=0.25)] == [True]
    assert [change.firing for change in bench.looks(400)] == [False]


def test_old_slowness_is_forgotten_after_five_minutes() -> None:
    """Enough calls in five minutes: what was before them does not count."""
    bench = Bench(p99_s=2)
    bench.looks(10, calls=100, over=50)
    assert bench.watch.firing
    bench.looks(34, calls=100)
    assert not bench.watch.firing


def test_models_are_watched_apart() -> None:
    """A slow model is not hidden by a fast one that is called more often."""
    bench = Bench(p50_s=1)
    fast = [bench.look(1000, 0, name="latency_p50", model="fast") for _ in range(4)]
    slow = [change for _ in range(4) for change in bench.look(30, 20, name="latency_p50", model="slow")]
    assert fast == [[], [], [], []]
    assert [(change.model, change.calls) for change in slow] == [("slow", 90)]


def test_a_spike_stands_above_its_average() -> None:
    """Tokens 30 % above the average of the time before: at the line nothing, above it an alert that ends by itself."""
    bench = Bench(token_spike_percent=30)
    assert bench.looks(60, tokens=1000) == []
    assert bench.looks(60, tokens=1250) == []
    spike = bench.looks(12, tokens=3000)
    assert [(change.name, change.firing) for change in spike] == [("token_spike", True)]
    assert spike[0].value > spike[0].line > 6000
    assert [change.firing for change in bench.looks(400, tokens=3000)] == [False]


def test_a_start_and_a_few_calls_are_no_spike() -> None:
    """Before there is an average nothing is said, nor where a minute has no more than a thousand tokens."""
    bench = Bench(token_spike_percent=30)
    assert bench.looks(20, tokens=5000) == []
    quiet = Bench(token_spike_percent=30)
    assert quiet.looks(60, tokens=1) == []
    assert quiet.looks(30, tokens=160) == []


def test_the_time_between_looks_may_be_any() -> None:
    """C36: use is counted by a steady clock: a process that stood still for an hour sees no spike, nor a clock that
    stands.
    """
    bench = Bench(token_spike_percent=30)
    bench.looks(60, tokens=1000)
    bench.now += 3600
    assert bench.look(tokens=361_000) == []
    bench.now -= EVERY_S
    assert bench.look(tokens=1000) == []
    assert bench.looks(6, tokens=1000) == []


def test_numbers_that_begin_anew_are_no_calls() -> None:
    """A worker that watches next, or numbers that were lost: what was counted before is not taken for new."""
    bench = Bench(p99_s=2)
    bench.calls["latency_p99", "m"] = (5000, 5000)
    bench.watch = Watch(Rules(p99_s=2))
    assert bench.looks(10) == []
    bench.calls["latency_p99", "m"] = (10, 10)
    assert bench.looks(10) == []
    assert [change.firing for change in bench.looks(4, calls=100, over=50)] == [True]


class Hook:
    """A webhook that answers as it is told, and keeps what it got."""

    def __init__(self, *answers: int) -> None:
        self.answers, self.got = list(answers), list[bytes]()
        self.block = threading.Event()
        self.block.set()

    def post(self, url: str, body: bytes) -> int:
        self.block.wait()
        self.got.append(body)
        answer = self.answers.pop(0) if self.answers else 200
        if not answer:
            raise ConnectionError
        return answer


@pytest.mark.parametrize(
    ("answers", "sent"),
    [((), 1), ((503, 200), 1), ((0, 429, 204), 1), ((0, 0, 0), 0), ((404,), 0), ((302,), 0)],
)
def test_a_message_is_tried_a_few_times(answers: tuple[int, ...], sent: int) -> None:
    """C30: outages three times, a refusal or a redirect once; what did not arrive is counted."""
    hook = Hook(*answers)
    webhook = Webhook("https://hooks.test/x", hook.post, backoff_s=0.001)
    webhook.offer(b"{}")
    for _ in range(2000):
        if webhook.sent + webhook.dropped:
            break
        time.sleep(0.005)
    assert (webhook.sent, webhook.dropped, len(hook.got)) == (sent, 1 - sent, max(1, len(answers)))
    webhook.close()


def test_a_webhook_that_hangs_delays_nobody() -> None:
    """C30: messages wait up to a bound, then they are dropped and counted; closing is bounded."""
    hook = Hook()
    hook.block.clear()
    webhook = Webhook("https://hooks.test/x", hook.post)
    for number in range(500):
        webhook.offer(b"%d" % number)
    assert webhook.dropped >= 399
    webhook.close(0.05)
    assert webhook.sent + webhook.dropped >= 499
    webhook.offer(b"late")
    hook.block.set()
    assert b"late" not in hook.got
