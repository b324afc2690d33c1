"""How much may be asked for in a minute and at once, by tenant, user, key, model or route: enter, then leave."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from guard.errors import Refused
from guard.outside.stores.windows import Rate, Windows
from guard.traffic.usage import BOUND, Tokens, Tries, used
from guard.traffic.waiting import Waiting

Per = Literal["tenant", "user", "key", "model", "route"]


class Rules(Protocol):
    """What a policy says of limits; None is no limit."""

    @property
    def requests_per_minute(self) -> int | None: ...
    @property
    def tokens_per_minute(self) -> int | None: ...
    @property
    def concurrent(self) -> int | None: ...
    @property
    def per(self) -> Per: ...
    @property
    def wait(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Pass:
    """A call that was let in: under which key, in which second, with how many tokens; it leaves once."""

    key: str
    second: int
    tokens: int


class Limits:
    """The limits of one policy. Thread-safe; calls at once are counted in each process."""

    def __init__(
        self, rules: Rules, windows: Windows, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.per = rules.per
        self._rules, self._windows, self._clock = rules, windows, clock
        self._rate = Rate(rules.requests_per_minute, rules.tokens_per_minute)
        self.windows = windows
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()

    def enter(self, key: str, tokens: Tokens | None) -> Waiting[Pass]:
        """Let a call in, at once or within the policy's wait; raises Refused (429 with the seconds until it fits).

        What is reserved is the most that the call may use, though never more than the whole limit.
        """
        most = self._reserved(tokens)
        deadline = self._clock() + self._rules.wait
        self._begin(key)
        try:
            while True:
                taken = self._windows.take(key, self._rate, most, self._clock())
                if isinstance(taken, Future):
                    taken = yield taken
                if not taken.after_s:
                    return Pass(key, taken.second, most)
                if self._clock() + taken.after_s > deadline:
                    raise self._refused(taken.what, taken.after_s)
                yield taken.after_s
        except BaseException:
            self._end(key)
            raise

    def leave(self, passed: Pass, answer: Any, tries: Tries) -> None:
        """Give back what a call did not use; without its `usage` it used all, and where it failed nothing."""
        self._end(passed.key)
        fields = answer if isinstance(answer, dict) else {}
        tokens = used(fields.get("usage"))
        if not tries.answered and not tries.unheard:
            self._windows.give(passed.key, passed.second, -passed.tokens)
        elif tokens is not None:
            self._windows.give(passed.key, passed.second, tokens.total - passed.tokens)

    def reach(self) -> Future[Any] | None:
        """Ask the store whether it can be written; None where there is no file."""
        return self._windows.reach()

    def close(self) -> None:
        """Write what is queued."""
        self._windows.close()

    def _reserved(self, tokens: Tokens | None) -> int:
        limit = self._rate.tokens
        if limit is None or tokens is None:
            return 0
        if tokens.input // BOUND + tokens.output > limit:
            raise Refused(
                "rate_limit_exceeded",
                f"the call asks for more than the limit of {limit} tokens a minute: it can never fit",
                status=413,
            )
        return min(tokens.total, limit)

    def _begin(self, key: str) -> None:
        with self._lock:
            if self._rules.concurrent is not None and self._running[key] >= self._rules.concurrent:
                raise self._refused("concurrent", 1.0)
            self._running[key] += 1

    def _end(self, key: str) -> None:
        with self._lock:
            self._running[key] -= 1
            if self._running[key] <= 0:
                del self._running[key]

    def _refused(self, what: str, after_s: float) -> Refused:
        rules = self._rules
        limits = {
            "requests": f"{rules.requests_per_minute} requests a minute",
            "tokens": f"{rules.tokens_per_minute} tokens a minute",
            "concurrent": f"{rules.concurrent} calls at once",
        }
        message = f"the limit of {limits[what]} for this {rules.per} is reached"
        return Refused("rate_limit_exceeded", message, status=429, retry_after_s=after_s)
