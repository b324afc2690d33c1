"""Which lines of a policy are crossed: a machine that is told the numbers again and again and says what changed.

Pure: the time is an argument, in seconds of a clock that never jumps. A line must be crossed at each of a few looks
before an alert fires, and be met with room to spare at as many before it ends: one message a change, none in between.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

EVERY_S = 10.0
"""Seconds between two looks."""

_LOOKS = 3
"""Looks in a row that must say the same before a state changes: half a minute."""

_WINDOW, _LONGEST = 30, 360
"""Looks that are looked back on: five minutes, and where these hold too few calls up to an hour."""

_NOW = 6
"""Looks that the present use of tokens is averaged over: a minute."""

_LEAST_TOKENS = 1000.0
"""Tokens a minute below which a rise is no spike but a few calls."""

_ROOM = 0.5
"""The part of what a line allows that must be met before its alert ends."""

BUDGET, SPIKE, GLASS = "budget", "token_spike", "break_glass"


class Share(NamedTuple):
    """A line on a time: `share` of the calls, at least, stay under it."""

    key: str
    share: float
    first_token: bool = False

    @property
    def least(self) -> int:
        """The calls below which nothing is said: so few have no such percentile."""
        return max(20, math.ceil(1 / (1 - self.share) - 1e-9))


SHARES = {
    "latency_p50": Share("p50_s", 0.5),
    "latency_p99": Share("p99_s", 0.99),
    "latency_p999": Share("p999_s", 0.999),
    "first_token": Share("first_token_ms", 0.95, first_token=True),
}
"""The alerts on times, by name."""

NAMES = (*SHARES, SPIKE, BUDGET, GLASS)
"""Every alert; each has its part in docs/runbook.md."""


class Rules(Protocol):
    """What a policy says of alerts; None is no line."""

    @property
    def p50_s(self) -> float | None: ...
    @property
    def p99_s(self) -> float | None: ...
    @property
    def p999_s(self) -> float | None: ...
    @property
    def first_token_ms(self) -> float | None: ...
    @property
    def token_spike_percent(self) -> float | None: ...


def lines(rules: Rules) -> dict[str, float]:
    """The lines on times that a policy draws, in seconds, by the alert's name."""
    found = {name: getattr(rules, share.key) for name, share in SHARES.items()}
    return {
        name: line / (1000 if name == "first_token" else 1)
        for name, line in found.items()
        if line is not None
    }


@dataclass(frozen=True, slots=True)
class Sample:
    """What was counted so far: by alert and model the calls, and those of them over the line; and all tokens."""

    calls: Mapping[tuple[str, str], tuple[float, float]]
    tokens: float


@dataclass(frozen=True, slots=True)
class Change:
    """An alert that fires or ends: what was measured against which line, over so many calls.

    On times `value` is the part of the calls that were over the line of `line` seconds. Of a spike both are tokens a
    minute: the present use, and the average before it with what may be added.
    """

    name: str
    model: str
    firing: bool
    value: float
    line: float
    calls: int = 0


class _State:
    """One alert: whether it fires, and for how many looks it should change."""

    __slots__ = ("firing", "streak")

    def __init__(self) -> None:
        self.firing, self.streak = False, 0

    def changes(self, *, over: bool, well_under: bool) -> bool:
        """Take one look; True where the state changes."""
        wanted = over if not self.firing else not well_under
        self.streak = self.streak + 1 if wanted != self.firing else 0
        if self.streak < _LOOKS:
            return False
        self.firing, self.streak = wanted, 0
        return True


class Watch:
    """The alerts of one policy over the calls of all its processes."""

    def __init__(self, rules: Rules) -> None:
        self._lines = lines(rules)
        self._spike = rules.token_spike_percent
        self._counted: dict[tuple[str, str], deque[tuple[float, float]]] = {}
        self._tokens: deque[float] = deque(maxlen=_LONGEST)
        self._before: tuple[float, float] | None = None
        self._states: dict[tuple[str, str], _State] = {}

    @property
    def firing(self) -> list[tuple[str, str]]:
        """The alerts that fire, each with its model."""
        return [key for key, state in self._states.items() if state.firing]

    def look(self, now: float, sample: Sample) -> list[Change]:
        """Take the numbers of this moment; returns what changed."""
        return [*self._times(sample), *self._use(now, sample.tokens)]

    def _times(self, sample: Sample) -> Iterator[Change]:
        for key, counted in sample.calls.items():
            if key[0] in self._lines:
                calls, over = self._lately(key, counted)
                if (change := self._judge(key, calls, over)) is not None:
                    yield change

    def _lately(self, key: tuple[str, str], counted: tuple[float, float]) -> tuple[int, int]:
        """The calls of the last minutes and those over the line, as far back as it takes to have enough of them."""
        # What was counted before the first look was counted at some time; what is new since, since.
        since = (0.0, 0.0) if self._before is not None else counted
        past = self._counted.setdefault(key, deque([since], maxlen=_LONGEST + 1))
        if counted[0] < past[-1][0]:
            past.clear()  # another began to count anew
        past.append(counted)
        least, back = SHARES[key[0]].least, min(_WINDOW, len(past) - 1)
        while back < len(past) - 1 and counted[0] - past[-1 - back][0] < least:
            back += 1
        start = past[-1 - back]
        return round(counted[0] - start[0]), round(counted[1] - start[1])

    def _judge(self, key: tuple[str, str], calls: int, over: int) -> Change | None:
        share, state = SHARES[key[0]], self._states.setdefault(key, _State())
        allowed = (1 - share.share) * calls
        enough = calls >= share.least
        changed = state.changes(
            over=enough and over > allowed, well_under=not enough or over <= _ROOM * allowed
        )
        part = over / calls if calls else 0.0
        return Change(*key, state.firing, part, self._lines[key[0]], calls) if changed else None

    def _use(self, now: float, tokens: float) -> Iterator[Change]:
        """The tokens of the last minute against the average of up to an hour before it."""
        before, self._before = self._before, (now, tokens)
        if self._spike is None or before is None or now <= before[0]:
            return
        self._tokens.append(60 * max(0.0, tokens - before[1]) / (now - before[0]))
        past = list(self._tokens)[:-_NOW]
        if len(past) < _WINDOW:
            return
        present, usual = sum(list(self._tokens)[-_NOW:]) / _NOW, sum(past) / len(past)
        line = usual * (1 + self._spike / 100)
        state = self._states.setdefault((SPIKE, ""), _State())
        well = present <= usual * (1 + _ROOM * self._spike / 100)
        if state.changes(
            over=present > max(line, _LEAST_TOKENS), well_under=well or present <= _LEAST_TOKENS
        ):
            yield Change(SPIKE, "", state.firing, present, line)
