"""Checks that could not run, in the log: once at once, then once a minute, whichever road they came by."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from guard.errors import Unavailable
from guard.services import drivers
from guard.services.outages import Outages
from guard.types import Score


def test_an_outage_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """The operator learns why, without a line for each request; each check is told for itself."""
    clock = [0.0]
    outages = Outages(lambda: clock[0])
    for at, what in (
        (0, "moderation"),
        (1, "moderation"),
        (2, "record"),
        (59, "moderation"),
        (60, "moderation"),
    ):
        clock[0] = at
        outages.tell(Unavailable(what, f"reason {at}"))
    assert caplog.messages == [
        "guard: a check could not run: moderation: reason 0 (guard doctor)",
        "guard: a check could not run: record: reason 2 (guard doctor)",
        "guard: a check could not run: moderation: reason 60, 2 times more since the line before (guard doctor)",
    ]


class Shut:
    """A door that is shut."""

    def score(self, texts: Any) -> Any:
        """Raise what a judge that is down raises."""
        raise Unavailable("moderation", "no answer within 5 s")


def test_a_door_that_is_shut_is_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the rules make of it: the flow goes on, and the log has the reason."""

    def flow() -> Any:
        with pytest.raises(Unavailable):
            yield Score(("text",))
        return "went on"

    doors: Any = Shut()
    for drive in (drivers.drive_sync, lambda flow, doors: asyncio.run(drivers.drive(flow, doors))):
        monkeypatch.setattr(drivers, "OUTAGES", Outages())
        assert drive(flow(), doors) == "went on"
    told = "guard: a check could not run: moderation: no answer within 5 s (guard doctor)"
    assert caplog.messages == [told, told]
