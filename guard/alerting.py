"""Floor 6, alerts: looks at the numbers of all workers, and tells the log, the record and a webhook what changed."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from guard.trace import instruments as all_
from guard.trace import records
from guard.trace.instruments import Instrument
from guard.trace.metrics import Line
from guard.trace.ticker import Ticker
from guard.traffic.alerts import BUDGET, EVERY_S, GLASS, SHARES, SPIKE, Change, Sample, Watch, lines
from guard.traffic.webhook import Webhook

if TYPE_CHECKING:
    from guard.guard import Guard
    from guard.policy.traffic import Alerts

log = logging.getLogger("guard")

_Rows = list[tuple[tuple[str, ...], float]]

RUNBOOK = "docs/runbook.md"


class Alerting:
    """The alerts of one guard.

    Of several processes that count together one looks at the numbers (`lookout`); all tell of their budgets.
    """

    def __init__(
        self,
        guard: Guard,
        rules: Alerts,
        webhook: Webhook | None,
        *,
        lookout: Lookout,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._guard, self._rules, self._webhook = guard, rules, webhook
        self._lookout, self._clock = lookout, clock
        self._watch = Watch(rules)
        self._ticker = Ticker("guard-alerts", EVERY_S, self.look)

    def start(self) -> None:
        """Hold calls to the lines, and begin to look if there are any."""
        drawn = lines(self._rules).items()
        self._guard.metrics.lines = tuple(Line(name, s, SHARES[name].first_token) for name, s in drawn)
        self._guard.metering.also("alerts", self._numbers)
        if self._rules.watched:
            self._ticker.start()

    def close(self) -> None:
        """Look once more, and send what waits."""
        self._ticker.close()
        self._guard.metrics.lines = ()
        self._lookout.release()
        if self._webhook is not None:
            self._webhook.close()

    def look(self) -> None:
        """Compare the numbers with the lines, and tell what changed."""
        if not self._lookout.holds():
            return
        for change in self._watch.look(self._clock(), self._sample()):
            self._tell(
                change.name,
                _words(change),
                change.firing,
                change.value,
                change.line,
                change.model,
                change.calls,
            )

    def budget(self, scope: str, period: str, percent: int, spent: float, limit: float) -> None:
        """Tell of a budget that reached a part of its limit, where the policy asks for that part."""
        if percent in self._rules.budget:
            words = f"{scope} has used {percent} % of {limit:.2f} USD in {period}"
            self._tell(
                BUDGET, words, True, spent, limit, scope=records.identifier(scope) or "", percent=percent
            )

    def glass(self, kind: str, ticket: str, until: float, broken: bool) -> None:
        """Tell that a rule only flags for a while (`guard break-glass`), and that it acts again."""
        if self._lookout.holds():
            words = (
                f"{kind} is only flagged, {ticket}" if broken else f"{kind} meets its rule again, {ticket}"
            )
            self._tell(GLASS, words, broken, until, 0.0, ticket=ticket, kind=kind)

    def _sample(self) -> Sample:
        counted = self._guard.metering.counted()
        timed, over = (counted.get(what.name, {}) for what in (all_.TIMED, all_.OVER))
        calls = {
            (name, model): (n[0], over.get((model, name), (0.0,))[0]) for (model, name), n in timed.items()
        }
        return Sample(calls, sum(row[0] for row in counted.get(all_.USAGE.name, {}).values()))

    def _tell(
        self,
        name: str,
        words: str,
        firing: bool,
        value: float,
        line: float,
        model: str = "",
        calls: int = 0,
        **more: Any,
    ) -> None:
        page = f"{RUNBOOK}#{name}"
        state = "firing" if firing else "resolved"
        log.warning("alert %s %s: %s (%s)", name, state, words, page)
        guard = self._guard
        told = records.alert_line(
            guard.recorder, name=name, state=state, value=value, line=line, model=model, calls=calls or None
        )
        guard.ledger.append(told)
        if self._webhook is not None:
            row: dict[str, Any] = {
                "alert": name,
                "state": state,
                "text": f"guard: {name} {state}: {words} ({page})",
                "runbook": page,
                "value": value,
                "line": line,
                "policy": guard.policy.policy,
                **more,
            }
            row |= {"model": model} if model else {}
            self._webhook.offer(orjson.dumps(row))

    def _numbers(self) -> dict[Instrument, _Rows]:
        firing: _Rows = [(key, 1.0) for key in self._watch.firing]
        if self._webhook is None:
            return {all_.FIRING: firing}
        sent, dropped = self._webhook.sent, self._webhook.dropped
        return {all_.FIRING: firing, all_.MESSAGES: [(("sent",), sent), (("dropped",), dropped)]}


def _words(change: Change) -> str:
    if change.name == SPIKE:
        return f"{change.value:.0f} tokens a minute, the line is at {change.line:.0f}"
    share = SHARES[change.name]
    over = f"{100 * change.value:.3g} % of {change.calls} calls of {change.model}"
    what = "began" if share.first_token else "were answered"
    return f"{over} {what} after more than {change.line:g} s, {100 * (1 - share.share):.3g} % may"


class Lookout:
    """Which of the processes that share a folder looks: who holds its lock, while it lives. Without one each does."""

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._held, self._pid = folder, -1, 0

    def holds(self) -> bool:
        """Take the lock where it is free; whether this process has it."""
        # A forked child has the parent's handle, and not its lock.
        if self._folder is None or (self._held >= 0 and self._pid == os.getpid()):
            return True
        import fcntl

        handle = os.open(self._folder / "alerts.lock", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._held, self._pid = handle, os.getpid()
        return True

    def release(self) -> None:
        """Let another look."""
        if self._held >= 0 and self._pid == os.getpid():
            held, self._held = self._held, -1
            os.close(held)
