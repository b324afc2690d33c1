"""When a model call is tried again: a machine without I/O, clock or randomness that a driver steps (`sending`)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from guard.traffic.health import Entry, Health
from guard.traffic.hints import hint

FIRST_PAUSE_S, LONGEST_BACKOFF_S = 0.5, 8.0
"""The pause before the second try, doubled before each later one (as the official SDK has it)."""

HINT_JITTER = 0.1
"""How much longer than asked to wait, at most: callers that were told the same do not come back together."""

OUTAGES = ("connect", "timeout", "closed")
"""Failures of a connection; an answer that cannot be decoded is none, it would be the same again."""


class Rules(Protocol):
    """What a policy says of retries."""

    @property
    def attempts(self) -> int: ...
    @property
    def max_wait_s(self) -> float: ...
    @property
    def deadline_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Try:
    """Send the call to a candidate, answered within so many seconds; the result is an Outcome."""

    candidate: int
    within_s: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds; the result is the time afterwards."""

    seconds: float


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """How a try ended: an HTTP status with headers, or the kind of a connection's failure.

    `now` is the time of the steady clock, `wall` the time of day. `spent` says that the account has no money left.
    """

    now: float
    wall: float
    status: int = 0
    headers: Sequence[tuple[bytes, bytes]] = ()
    error: str = ""
    spent: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Ended:
    """How the call ended: with the last outcome's answer, or given up for a `code` after so many tries."""

    candidate: int
    tries: int
    code: str = ""
    outcome: Outcome | None = None
    retry_after_s: float | None = None


Steps = Generator[Try | Pause, Outcome | float, Ended]


def outage(outcome: Outcome) -> bool:
    """Whether the provider failed, so that the same call may succeed later, or elsewhere."""
    if outcome.error:
        return outcome.error in OUTAGES
    if outcome.status == 429:
        return not outcome.spent
    return outcome.status in (408, 409) or outcome.status >= 500


def retryable(outcome: Outcome) -> bool:
    """Whether to try again: an outage, unless the provider says that trying again is useless."""
    told = next((v for k, v in outcome.headers if k.lower() == b"x-should-retry"), b"")
    return outage(outcome) and told.strip().lower() != b"false"


def unhealthy(outcome: Outcome) -> bool:
    """Whether an outcome speaks against the destination's health: a full queue (429) or a conflict does not."""
    return outage(outcome) and outcome.status not in (409, 429)


def pause_before(number: int, outcome: Outcome, longest_s: float, draw: float) -> float:
    """Seconds to wait before try `number` (from 2): what the provider asks for, capped, else doubling with jitter.

    `draw` is a random number in [0, 1). The pause is never shorter than asked, up to the cap.
    """
    asked = hint(outcome.status, outcome.headers, outcome.wall)
    if asked:
        return min(longest_s, asked * (1 + HINT_JITTER * draw))
    backoff = min(LONGEST_BACKOFF_S, FIRST_PAUSE_S * 2.0 ** min(number - 2, 10))
    return min(longest_s, backoff * (0.5 + 0.5 * draw))


def trying(candidates: Sequence[Health], rules: Rules, now: float, draw: Callable[[], float]) -> Steps:
    """Try each candidate in order, `attempts` times at most, inside one deadline; close it where the caller leaves.

    A failed candidate that asks for patience is left for the next one at once; the last one is waited for.
    """
    machine = _Trying(rules, now + rules.deadline_s, draw)
    ended = Ended(0, 0)
    for index, health in enumerate(candidates):
        ended = yield from machine.candidate(index, health, last=index == len(candidates) - 1)
        if not ended.code or machine.over:
            break
    return ended


class _Trying:
    """The state of one call over its tries."""

    def __init__(self, rules: Rules, deadline: float, draw: Callable[[], float]) -> None:
        self._rules = rules
        self._deadline = deadline
        self._draw = draw
        self._tries = 0
        self._now = deadline - rules.deadline_s
        self._last: Outcome | None = None

    @property
    def over(self) -> bool:
        """Whether no time is left for another try."""
        return self._now >= self._deadline

    def candidate(self, index: int, health: Health, *, last: bool) -> Steps:
        """Try one candidate."""
        for number in range(1, self._rules.attempts + 1):
            entry = health.enter(self._now)
            if entry.shut_s:
                return self._gave_up(index, "circuit_open", entry.shut_s)
            outcome = yield from self._once(index, health, entry, number > 1)
            if not retryable(outcome):
                return Ended(index, self._tries, outcome=outcome)
            if number == self._rules.attempts:
                break
            pause = pause_before(number + 1, outcome, self._rules.max_wait_s, self._draw())
            if self._now + pause >= self._deadline or (pause > LONGEST_BACKOFF_S and not last):
                break
            if not health.spend_retry(self._now):
                break
            waited = yield Pause(pause)
            assert isinstance(waited, float)
            self._now = waited
        return self._gave_up(index, "retries_exhausted")

    def _once(
        self, index: int, health: Health, entry: Entry, retry: bool
    ) -> Generator[Try, Outcome | float, Outcome]:
        self._tries += 1
        failed: bool | None = None
        try:
            outcome = yield Try(index, max(0.0, self._deadline - self._now))
            assert isinstance(outcome, Outcome)
            self._now, self._last = outcome.now, outcome
            failed = unhealthy(outcome)
            return outcome
        finally:
            health.leave(self._now, entry, failed=failed, retry=retry)

    def _gave_up(self, index: int, code: str, shut: float | None = None) -> Ended:
        last = self._last
        asked = hint(last.status, last.headers, last.wall) if last is not None else None
        if code == "circuit_open" and last is not None:
            code = "retries_exhausted"  # it was tried, and failed; that the circuit opened then is the reason
        return Ended(index, self._tries, code, last, shut if shut is not None else asked)
