"""How long a provider asks to wait before the next try, read from the headers of its answer. Pure; never raises."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

from guard.quota import duration

_LONGEST = 64
"""Characters of a value that is looked at: no provider writes more."""

_NUMBER = re.compile(
    r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE
)
_EPOCH = 1e9
"""Seconds from which a plain number is a point in time, not a length: thirty years."""


def hint(status: int, headers: Iterable[tuple[bytes, bytes]], wall: float) -> float | None:
    """The seconds that an answer asks to wait; None where it says nothing that can be read.

    `wall` is the time of day as a Unix time, for dates. Hostile values come back as they are, also as infinity: the
    caller caps them. Order: `retry-after-ms`, `Retry-After` (RFC 9110 10.2.3: seconds or a date),
    `x-ratelimit-reset-after`, then for a 429 the later reset of the exhausted limits.
    """
    found = _texts(headers)
    readers = (
        _thousandth(found.get("retry-after-ms")),
        _seconds_or_date(found.get("retry-after"), wall),
        _length(found.get("x-ratelimit-reset-after"), wall),
        _exhausted(found, wall) if status == 429 else None,
    )
    return next((seconds for seconds in readers if seconds is not None), None)


def _texts(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers of interest; of several with one name the first."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        if key.startswith((b"retry-after", b"x-ratelimit-")) and len(value) <= _LONGEST:
            found.setdefault(key.decode("latin-1"), value.decode("latin-1").strip())
    return found


def _number(text: str | None) -> float | None:
    if not text or not _NUMBER.fullmatch(text):
        return None
    seconds = float(text)
    return seconds if seconds >= 0 else None


def _thousandth(text: str | None) -> float | None:
    milliseconds = _number(text)
    return None if milliseconds is None else milliseconds / 1000


def _seconds_or_date(text: str | None, wall: float) -> float | None:
    seconds = _number(text)
    return seconds if seconds is not None or not text else _until(text, wall)


def _until(text: str, wall: float) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - wall
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
    return seconds if seconds > 0 else None


def _length(text: str | None, wall: float) -> float | None:
    """A length such as `6m0s`, `120ms` or `23h47m36.648s` (Go's notation), plain seconds, or a Unix time."""
    seconds = _number(text)
    if seconds is not None:
        return max(0.0, seconds - wall) if _EPOCH <= seconds < math.inf else seconds
    return duration(text) if text else None


def _exhausted(found: Mapping[str, str], wall: float) -> float | None:
    """The later reset of the limits of which nothing remains; a limit that does not say what remains counts too."""
    resets = [
        _length(found.get(f"x-ratelimit-reset-{limit}"), wall)
        for limit in ("requests", "tokens")
        if not _number(found.get(f"x-ratelimit-remaining-{limit}"))
    ]
    return max((seconds for seconds in resets if seconds is not None), default=None)
