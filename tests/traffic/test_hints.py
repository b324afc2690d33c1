"""What a provider asks to wait is read from every header that says it, and nothing that it writes can hurt."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.traffic.hints import hint

WALL = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)
NOW = WALL.timestamp()


def asked(status: int = 429, **headers: str) -> float | None:
    return hint(status, [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()], NOW)


def date(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(NOW + seconds, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2.0),
        ("2.5", 2.5),
        (" 7 ", 7.0),
        ("0", 0.0),
        (date(30), 30.0),
        (date(-30), None),
        ("Thu, 26 Nov 2026 12:00:30 +0000", 30.0),
        ("Thu, 26 Nov 2026 13:00:30 +0100", 30.0),
        ("soon", None),
        ("", None),
        ("-1", None),
        ("nan", None),
        ("0x10", None),
        ("1_000", None),
        ("٣", None),
        ("86400", 86400.0),
        ("inf", math.inf),
        ("1e400", math.inf),
        ("9" * 400, None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    """C01 C04: seconds, a date, garbage, a date that has passed, and hostile numbers, which the caller caps."""
    assert asked(retry_after=value) == seconds
    assert asked(503, retry_after=value) == seconds


def test_milliseconds_win() -> None:
    """C02: `retry-after-ms` is the finer word; where it cannot be read the coarser one counts."""
    assert asked(retry_after_ms="250", retry_after="60") == 0.25
    assert asked(retry_after_ms="x", retry_after="60") == 60.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("6m0s", 360.0),
        ("1s", 1.0),
        ("120ms", 0.12),
        ("23h47m36.648s", 85656.648),
        ("1d2h", 93600.0),
        ("500us", 0.0005),
        ("12", 12.0),
        (str(NOW + 90), 90.0),
        ("6m 0s", None),
        ("6x", None),
        ("m", None),
        ("", None),
    ],
)
def test_resets(value: str, seconds: float | None) -> None:
    """C03: lengths as providers write them: Go's notation, plain seconds, a Unix time."""
    for name in ("after", "requests", "tokens"):
        found = asked(**{f"x_ratelimit_reset_{name}": value})
        assert found == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("requests", "tokens", "seconds"),
    [("0", "0", 360.0), ("0", "7", 0.12), ("7", "0", 360.0), ("7", "7", None), (None, None, 360.0)],
)
def test_the_later_of_the_exhausted_limits(requests: str | None, tokens: str | None, seconds: float) -> None:
    """C03: a limit of which something is left is not waited for."""
    left = {"x_ratelimit_remaining_requests": requests, "x_ratelimit_remaining_tokens": tokens}
    resets = {"x_ratelimit_reset_requests": "120ms", "x_ratelimit_reset_tokens": "6m0s"}
    assert asked(**resets, **{k: v for k, v in left.items() if v is not None}) == seconds


def test_resets_say_nothing_about_an_outage() -> None:
    """C03: a 503 that also tells when the minute's tokens come back is not waited for that long."""
    assert asked(503, x_ratelimit_reset_tokens="6m0s", x_ratelimit_remaining_tokens="0") is None


@given(
    st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset-after", "x-ratelimit-reset-tokens"]),
    st.one_of(
        st.binary(max_size=80), st.from_regex(rb"[0-9eE.+-]{0,80}|([0-9.]+(ms|m|s|h|d))+", fullmatch=True)
    ),
    st.sampled_from([429, 503]),
)
def test_no_value_hurts(name: str, value: bytes, status: int) -> None:
    """C04 E03: whatever bytes stand there, the hint is nothing, or a number that is not negative and not NaN."""
    found = hint(status, [(name.encode(), value)], NOW)
    assert found is None or found >= 0
