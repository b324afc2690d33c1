"""The machine that tries again, stepped by hand: no network, no waiting, a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from guard.traffic.health import FAILURES, FEW_RETRIES, OPEN_S, WINDOW_S, Destinations, Entry, Health
from guard.traffic.retries import Ended, Outcome, Pause, Try, trying


@dataclass
class Rules:
    attempts: int = 3
    max_wait_s: float = 60.0
    deadline_s: float = 600.0


class World:
    """Answers the machine's steps: outcomes in order (the last one for ever), and a clock."""

    def __init__(self, *outcomes: Outcome, took: float = 0.0) -> None:
        self.outcomes, self.took = list(outcomes), took
        self.now = 1000.0
        self.tries: list[int] = []
        self.pauses: list[float] = []

    def run(
        self, rules: Rules, healths: Sequence[Health] | None = None, draw: Callable[[], float] = lambda: 0.5
    ) -> Ended:
        steps = trying(healths or [Health()], rules, self.now, draw)
        try:
            step = next(steps)
            while True:
                step = steps.send(self._answer(step))
        except StopIteration as stop:
            ended: Ended = stop.value
            return ended

    def _answer(self, step: Try | Pause) -> Outcome | float:
        if isinstance(step, Pause):
            self.pauses.append(step.seconds)
            self.now += step.seconds
            return self.now
        self.tries.append(step.candidate)
        self.now += min(self.took, step.within_s)
        told = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        return Outcome(self.now, 0.0, told.status, told.headers, told.error, told.spent)


def http(status: int, spent: bool = False, **headers: str) -> Outcome:
    fields = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    return Outcome(0, 0, status, fields, spent=spent)


def broken(kind: str) -> Outcome:
    return Outcome(0, 0, error=kind)


@pytest.mark.parametrize("failure", [408, 409, 429, 500, 502, 503, 504, 529, "connect", "timeout", "closed"])
def test_outages_are_tried_again(failure: int | str) -> None:
    """C05 C08: what may pass is tried again, and the answer that comes then is the call's."""
    first = broken(failure) if isinstance(failure, str) else http(failure)
    world = World(first, first, http(200))
    ended = world.run(Rules())
    assert (ended.code, ended.tries, len(world.pauses)) == ("", 3, 2)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 413, 415, 422, 451])
def test_answers_are_not(status: int) -> None:
    """C05: an answer, and an error that would be the same again, ends the call at once."""
    assert World(http(status)).run(Rules()).tries == 1


def test_an_account_without_money_is_not_tried_again() -> None:
    """C05: 429 insufficient_quota is no matter of waiting; so says a provider's own x-should-retry: false."""
    assert World(http(429, spent=True)).run(Rules()).tries == 1
    assert World(http(503, x_should_retry="false")).run(Rules()).tries == 1
    assert World(broken("encoding")).run(Rules()).tries == 1


@pytest.mark.parametrize("attempts", [1, 2, 3, 10])
def test_never_more_than_the_policy_says(attempts: int) -> None:
    """C06 D29: at the limit it ends, with a code of its own."""
    world = World(http(503))
    ended = world.run(Rules(attempts=attempts))
    assert (ended.code, ended.tries, len(world.tries)) == ("retries_exhausted", attempts, attempts)
    assert len(world.pauses) == attempts - 1


@pytest.mark.parametrize("draw", [0.0, 0.5, 0.999])
def test_what_is_asked_is_waited(draw: float) -> None:
    """C01 C02: at least as long as asked, and a little longer, so that not all come back together."""
    world = World(http(429, retry_after="2"), http(503, retry_after_ms="250"), http(200))
    world.run(Rules(), draw=lambda: draw)
    assert 2.0 <= world.pauses[0] <= 2.2
    assert 0.25 <= world.pauses[1] <= 0.275


def test_without_a_word_the_pause_doubles_with_jitter() -> None:
    """C05: half to all of 0.5 s, 1 s, 2 s, … 8 s."""
    low, high = World(http(500)), World(http(500))
    low.run(Rules(attempts=8), draw=lambda: 0.0)
    high.run(Rules(attempts=8), draw=lambda: 1.0)
    assert low.pauses == [0.25, 0.5, 1, 2, 4, 4, 4]
    assert high.pauses == [0.5, 1, 2, 4, 8, 8, 8]


@pytest.mark.parametrize("value", ["86400", "inf", "1e400", "23h47m36.648s"])
def test_hostile_waits_are_capped(value: str) -> None:
    """C04: never longer than max_wait_s …"""
    name = "x_ratelimit_reset_tokens" if value.endswith("s") else "retry_after"
    world = World(http(429, **{name: value}), http(200))
    assert world.run(Rules(max_wait_s=5)).code == ""
    assert world.pauses == [5]


@pytest.mark.parametrize("value", ["86400", "inf", "7"])
def test_no_wait_outlasts_the_deadline(value: str) -> None:
    """C04: … and where the wait would outlast the deadline the call ends at once, and says what was asked."""
    world = World(http(429, retry_after=value))
    ended = world.run(Rules(deadline_s=5))
    assert (ended.code, ended.tries, world.pauses) == ("retries_exhausted", 1, [])
    assert ended.retry_after_s == float(value)


def test_one_deadline_holds_all_tries() -> None:
    """C08: tries and waits share it; no try is given more than what is left."""
    world = World(broken("timeout"), took=4.0)
    ended = world.run(Rules(attempts=10, deadline_s=10))
    assert ended.code == "retries_exhausted"
    assert world.now - 1000.0 <= 10
    assert len(world.tries) == 3


@pytest.mark.parametrize("value", ["-1", "nan", "yesterday"])
def test_nonsense_is_no_wait(value: str) -> None:
    """C04: what cannot be meant is as if nothing were said."""
    world = World(http(429, retry_after=value), http(200))
    world.run(Rules(), draw=lambda: 1.0)
    assert world.pauses == [0.5]


def test_an_outage_opens_the_circuit_and_retries_stay_within_their_budget() -> None:
    """C07: a thousand callers of a dead provider: retries add 10 % at most, and most calls fail fast."""
    health, calls, retries, fast = Health(), 0, 0, 0
    for number in range(1000):
        world = World(broken("connect"))
        world.now = 1000.0 + number / 1000
        ended = world.run(Rules(), [health])
        calls += min(1, ended.tries)
        retries += max(0, ended.tries - 1)
        fast += ended.code == "circuit_open"
        assert ended.code
    assert retries <= 100
    assert fast > 900
    assert calls <= FAILURES


def test_the_retry_budget_alone_keeps_retries_to_a_tenth() -> None:
    """C07: also where so few fail that the circuit stays closed (a third of the calls, in one window)."""
    health = Health()
    retries = first = 0
    for number in range(3000):
        entry = health.enter(100.0 + number / 1000)
        first += 1
        failed = number % 3 == 0
        health.leave(100.0 + number / 1000, entry, failed=failed, retry=False)
        if failed and health.spend_retry(100.0 + number / 1000):
            retries += 1
    assert 200 <= retries <= first / 10


def test_a_call_without_retry_budget_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """C07: the call asks the budget before each further try."""
    health = Health()
    monkeypatch.setattr(health, "enter", lambda now: Entry())  # the circuit stays closed
    ended = [World(http(503)).run(Rules(deadline_s=5), [health]) for _ in range(20)]
    assert sum(end.tries - 1 for end in ended) == FEW_RETRIES
    assert ended[-1].code == "retries_exhausted"


def open_circuit(health: Health, now: float) -> None:
    for _ in range(FAILURES):
        health.leave(now, health.enter(now), failed=True, retry=False)


def test_one_probe_closes_the_circuit() -> None:
    """C07: after a while one call is let through; the others wait for what it finds."""
    health = Health()
    open_circuit(health, 0.0)
    assert health.enter(1.0).shut_s == OPEN_S - 1.0
    probe = health.enter(OPEN_S)
    assert (probe.shut_s, probe.probe) == (0.0, True)
    assert health.enter(OPEN_S).shut_s > 0
    health.leave(OPEN_S, probe, failed=False, retry=False)
    assert health.enter(OPEN_S) == (0.0, False)


def test_a_probe_that_fails_doubles_the_time() -> None:
    """C07: up to a minute."""
    health, now, spans = Health(), 0.0, []
    open_circuit(health, now)
    for _ in range(6):
        shut = health.enter(now).shut_s
        spans.append(shut)
        now += shut
        health.leave(now, health.enter(now), failed=True, retry=False)
    assert spans == [5, 10, 20, 40, 60, 60]


def test_a_probe_that_is_left_does_not_keep_the_circuit_shut() -> None:
    """A05 C07: a client that leaves told nothing about the provider; the next call is the probe."""
    health = Health()
    open_circuit(health, 990.0)
    steps = trying([health], Rules(), 1000.0, lambda: 0.5)
    assert isinstance(next(steps), Try)
    steps.close()
    assert health.enter(1000.0).probe


def test_a_late_answer_is_no_probe() -> None:
    """A call from before the outage that ends while a probe is out decides nothing."""
    health = Health()
    late = health.enter(0.0)
    open_circuit(health, 0.0)
    probe = health.enter(OPEN_S)
    health.leave(OPEN_S, late, failed=True, retry=False)
    health.leave(OPEN_S, probe, failed=False, retry=False)
    assert health.enter(OPEN_S).shut_s == 0


@pytest.mark.parametrize("status", [409, 429, 400])
def test_a_busy_provider_is_not_a_dead_one(status: int) -> None:
    """C07: throttling and callers' mistakes do not open the circuit."""
    health = Health()
    for _ in range(50):
        World(http(status)).run(Rules(attempts=1), [health])
    assert health.enter(1000.0).shut_s == 0


def test_what_lies_back_is_forgotten() -> None:
    """C07: failures count for ten seconds."""
    health = Health()
    for number in range(100):
        now = number * (WINDOW_S / (FAILURES - 1))
        health.leave(now, health.enter(now), failed=True, retry=False)
    assert health.enter(1e6) == (0.0, False)


def test_the_next_candidate_is_tried_when_one_is_out() -> None:
    """C18: each in its turn, all inside the one deadline; a long wait is not sat out where another could answer."""
    first, second = Health(), Health()
    world = World(http(503), http(503), http(503), http(200))
    ended = world.run(Rules(), [first, second])
    assert (world.tries, ended.candidate, ended.code) == ([0, 0, 0, 1], 1, "")
    world = World(http(429, retry_after="30"), http(200))
    assert world.run(Rules(), [first, second]).candidate == 1
    assert world.pauses == []


def test_an_open_circuit_is_passed_over() -> None:
    """C18: a candidate that is known to be out costs nothing."""
    dark, fine = Health(), Health()
    open_circuit(dark, 1000.0)
    world = World(http(200))
    assert world.run(Rules(), [dark, fine]).candidate == 1
    assert world.tries == [1]


def test_a_refusal_is_not_answered_elsewhere() -> None:
    """C20: a 400 of the first candidate is the answer."""
    world = World(http(400), http(200))
    assert world.run(Rules(), [Health(), Health()]).candidate == 0


def test_memory_is_bounded() -> None:
    """A caller who makes up models does not fill the memory; what is in use is kept."""
    known = Destinations()
    used = known.of("used")
    for number in range(5000):
        known.of(number)
        assert known.of("used") is used
    assert len(known._known) <= 1024
