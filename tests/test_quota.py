"""The quota of a judge: read from headers, kept by our own count, and what it is enough for."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.quota import (
    PATIENCE,
    Load,
    Pace,
    Quota,
    Reading,
    answers_a_minute,
    read_quota,
    seconds,
    streamed_load,
)


def headers(limit: int, remaining: int, reset: str, what: str = "requests") -> dict[str, str]:
    names = (f"x-ratelimit-{part}-{what}" for part in ("limit", "remaining", "reset"))
    return dict(zip(names, (str(limit), str(remaining), reset), strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1s", 1.0),
        ("120ms", 0.12),
        ("6m0s", 360.0),
        ("1m30.5s", 90.5),
        ("1h2m3s", 3723.0),
        ("1d", 86400.0),
        ("7", 7.0),
        ("0.25", 0.25),
        ("0s", 0.0),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("nan", None),
        ("inf", None),
        ("s", None),
        ("1s2m", None),
    ],
)
def test_durations_are_read_as_providers_write_them(text: str, expected: float | None) -> None:
    """Go's notation, and plain seconds; what is none is none, never a guess."""
    assert seconds(text) == expected


def test_headers_say_limits_and_pauses() -> None:
    """OpenAI's header names; a limit without what is left of it says nothing."""
    quota = read_quota(headers(500, 499, "120ms") | headers(10_000, 4_000, "36s", "tokens"))
    assert quota == Quota(Reading(500, 499, 0.12), Reading(10_000, 4_000, 36.0))
    assert quota.requests is not None
    assert quota.requests.rate == pytest.approx(500 / 60)
    assert read_quota({"x-ratelimit-limit-requests": "500"}) == Quota()
    assert read_quota({"x-ratelimit-limit-requests": "0", "x-ratelimit-remaining-requests": "0"}) == Quota()
    assert read_quota({"retry-after": "2"}).retry_after_s == 2
    assert read_quota({"retry-after": "2", "retry-after-ms": "150"}).retry_after_s == 0.15
    assert read_quota({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}) == Quota()


def test_an_unknown_quota_delays_nothing() -> None:
    """Services without such headers are asked as before."""
    pace = Pace()
    for _ in range(1000):
        assert pace.delay(0.0, 10_000) == 0
        pace.spend(0.0, 10_000)


@given(
    limit=st.integers(1, 600),
    remaining=st.integers(0, 600),
    reset=st.floats(0.001, 120),
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=40),
)
def test_no_more_leaves_than_the_quota_lets(
    limit: int, remaining: int, reset: float, gaps: list[float]
) -> None:
    """Whatever was left and whenever one asks: what leaves fits into what was left and what came back since."""
    pace, now = Pace(), 0.0
    reading = Reading(limit, min(remaining, limit), reset)
    pace.spend(now, 1)
    pace.answered(now, 1, Quota(reading))
    for sent, gap in enumerate(gaps, 1):
        now += gap
        now += pace.delay(now, 1)
        pace.spend(now, 1)
        assert sent <= reading.remaining + now * reading.rate + 1e-6


def test_requests_under_way_are_counted_before_they_are_answered() -> None:
    """An answer that left before three others were sent does not give their places away again."""
    pace = Pace()
    for _ in range(4):
        pace.spend(0.0, 1)
    pace.answered(0.0, 1, Quota(Reading(60, 4, 56)))
    assert pace.delay(0.0, 1) == 0
    pace.spend(0.0, 1)
    assert pace.delay(0.0, 1) == pytest.approx(1.0)


def test_tokens_are_a_limit_of_their_own() -> None:
    """A large text waits for tokens where a small one may leave; one above the whole limit waits for all of it."""
    pace = Pace()
    pace.spend(0.0, 0)
    pace.answered(0.0, 0, Quota(tokens=Reading(600, 100, 50)))
    assert pace.delay(0.0, 100) == 0
    assert pace.delay(0.0, 200) == pytest.approx(10)
    assert pace.delay(0.0, 60_000) == pytest.approx(50)


@pytest.mark.parametrize(
    ("quota", "pause"),
    [
        (Quota(retry_after_s=7), 7),
        (Quota(), PATIENCE),
        (Quota(Reading(60, 0, 12)), 12),
        (Quota(Reading(60, 30, 30)), PATIENCE),
    ],
)
def test_a_429_closes_for_as_long_as_it_says(quota: Quota, pause: float) -> None:
    """Retry-After, else the time of the empty limit, else a second; then it is open again."""
    pace = Pace()
    pace.spend(0.0, 1)
    pace.answered(0.0, 1, quota, refused=True)
    assert pace.delay(0.0, 1) == pytest.approx(pause)
    assert pace.delay(pause, 1) == 0


def test_the_load_of_a_streamed_answer() -> None:
    """Windows double from first to step, each carries context; the last request carries the whole answer too."""
    assert streamed_load(12, first=12, step=96, context=24) == Load(1, 12)
    assert streamed_load(36, first=12, step=96, context=24) == Load(2, 36 + 12 + 36)
    assert streamed_load(300, first=12, step=96, context=24).requests == 6  # 12 24 48 96 96 24


@given(st.integers(1, 5000), st.integers(1, 100), st.integers(0, 50), st.integers(0, 8))
def test_a_load_carries_at_least_the_answer(size: int, first: int, context: int, doublings: int) -> None:
    """No token of the answer is judged for nothing, and a larger step never costs more requests."""
    loads = [
        streamed_load(size, first=first, step=first * 2**n, context=context) for n in range(doublings + 1)
    ]
    assert all(load.tokens >= size for load in loads)
    assert all(one.requests >= two.requests for one, two in itertools.pairwise(loads))


def test_how_many_answers_a_quota_allows() -> None:
    """The scarcer of the two limits decides; without any there is no number to tell."""
    load = Load(6, 1000)
    assert answers_a_minute(Quota(Reading(600, 1, 1)), load) == 100
    assert answers_a_minute(Quota(Reading(600, 1, 1), Reading(10_000, 1, 1)), load) == 10
    assert answers_a_minute(Quota(tokens=Reading(10_000, 1, 1)), load) == 10
    assert answers_a_minute(Quota(retry_after_s=3), load) is None


def test_rates_of_an_untouched_limit() -> None:
    """Where nothing is used yet, the limit is taken as one a minute, as the names of these limits say."""
    assert math.isclose(Reading(120, 120, 0).rate, 2.0)
