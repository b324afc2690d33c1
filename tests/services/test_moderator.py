"""Asking the judge: once a text, inside one deadline, and closed on every failure."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
import pytest

from guard.errors import Refused, Unavailable
from guard.kinds import MODERATION
from guard.moderation import ModerationApi
from guard.outside.upstream import UpstreamError
from guard.services.moderator import PIECE, Moderator, Reply

INPUTS = ModerationApi.batch

CANARY = "alice.canary@example.org"
Step = Callable[[list[str]], Awaitable[Reply]]


def scores_of(text: str) -> dict[str, float]:
    """What the service of these tests says of a text: `violence=0.9` in it is its violence score."""
    scores = dict.fromkeys(MODERATION, 0.01)
    for word in text.split():
        name, _, score = word.partition("=")
        if name in scores:
            scores[name] = float(score)
    return scores


def good(texts: Sequence[str], **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = orjson.dumps({"results": [{"category_scores": scores_of(text)} for text in texts]})
    return Reply(200, body, named)


class Service:
    """A moderation service that follows a script of steps, then answers well; it remembers what it was asked."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.asked: list[list[str]] = []
        self.cancelled = 0
        self.second = asyncio.Event()

    async def __call__(self, body: bytes) -> Reply:
        texts = orjson.loads(body)["input"]
        self.asked.append(texts)
        if len(self.asked) == 2:
            self.second.set()
        step = self.steps.pop(0) if self.steps else good(texts)
        await asyncio.sleep(0)
        if isinstance(step, BaseException):
            raise step
        if step == "hang":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if isinstance(step, asyncio.Event):
            await step.wait()
            return good(texts)
        if isinstance(step, int):
            return Reply(step, orjson.dumps({"error": {"message": f"You said {texts}"}}))
        return Reply(*step) if isinstance(step, tuple) else Reply(200, step)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def moderator(service: Service, **changes: Any) -> Moderator:
    return Moderator(
        service,
        ModerationApi("omni"),
        **{"model": "omni", "timeout_s": 5.0, "cache_s": 300, "key": b"k" * 32, **changes},
    )


def score(service: Service, texts: Sequence[str], **changes: Any) -> list[dict[str, float]]:
    return asyncio.run(moderator(service, **changes).score(texts))


def test_one_call_judges_all_texts_in_order() -> None:
    """An answer's choices cost one request; equal texts are asked for once."""
    service = Service()
    got = score(service, ["violence=0.9", "calm", "violence=0.9", "hate=0.3"])
    assert [(s["violence"], s["hate"]) for s in got] == [(0.9, 0.01), (0.01, 0.01), (0.9, 0.01), (0.01, 0.3)]
    assert service.asked == [["violence=0.9", "calm", "hate=0.3"]]


def test_blank_texts_are_not_sent() -> None:
    """Nothing to judge is nothing to ask, and scores 0 in every category."""
    service = Service()
    assert score(service, ["", " \n\t"]) == [dict.fromkeys(MODERATION, 0.0)] * 2
    assert score(service, []) == []
    assert service.asked == []


def test_a_long_text_counts_with_its_worst_piece() -> None:
    """Pieces end at sentences, stay under the size, and each category is the maximum over them."""
    service = Service()
    calm = [f"Calm sentence {i}. " for i in range(500)]
    text = "".join([*calm[:300], "hate=0.8 . ", *calm[300:], "violence=0.6 . "])
    [scores] = score(service, [text])
    assert (scores["hate"], scores["violence"]) == (0.8, 0.6)
    pieces = [piece for call in service.asked for piece in call]
    assert "".join(pieces) == text
    assert max(map(len, pieces)) <= PIECE
    assert all(piece.endswith(". ") for piece in pieces)


def test_a_call_carries_a_limited_number_of_texts() -> None:
    """Many texts become several requests at the same time, and every text keeps its own scores."""
    service = Service()
    texts = [f"violence=0.{i:02d}" for i in range(2 * INPUTS + 5)]
    assert [s["violence"] for s in score(service, texts)] == [i / 100 for i in range(2 * INPUTS + 5)]
    assert sorted(map(len, service.asked)) == [5, INPUTS, INPUTS]


def test_a_category_that_one_piece_lacks_is_missing() -> None:
    """C16: a piece without a score was not judged; the others must not speak for it."""
    partial = {
        "results": [{"category_scores": {"hate": 0.1, "violence": 0.2}}, {"category_scores": {"hate": 0.3}}]
    }
    service = Service((200, orjson.dumps(partial)))
    assert score(service, ["a" * PIECE + " b"]) == [{"hate": 0.3}]


def test_answers_are_kept_until_they_are_old() -> None:
    """A text is asked for again after cache_s seconds of the injected clock, not before."""
    service, clock = Service(), Clock()
    judge = moderator(service, cache_s=300, clock=clock)
    for at, calls in ((0, 1), (299, 1), (300, 2), (301, 2)):
        clock.now = 1000.0 + at
        assert asyncio.run(judge.score(["violence=0.9"]))[0]["violence"] == 0.9
        assert len(service.asked) == calls


def test_a_caller_cannot_spoil_what_is_kept() -> None:
    """Each caller gets its own scores to keep."""
    judge = moderator(Service())
    asyncio.run(judge.score(["violence=0.9"]))[0]["violence"] = 0.0
    assert asyncio.run(judge.score(["violence=0.9"]))[0]["violence"] == 0.9


def test_the_cache_is_bounded_and_forgets_the_oldest_use() -> None:
    """Memory does not grow with traffic."""
    service = Service()
    judge = moderator(service, entries=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        asyncio.run(judge.score([text]))
    assert [texts for [texts] in service.asked] == ["a", "b", "c", "b"]


def test_without_a_cache_every_call_is_sent() -> None:
    """cache_s: 0 keeps nothing."""
    service = Service()
    judge = moderator(service, cache_s=0)
    asyncio.run(judge.score(["a"]))
    asyncio.run(judge.score(["a"]))
    assert len(service.asked) == 2
    assert not judge._cache._kept


def test_the_judge_keeps_no_text() -> None:
    """The cache knows texts by keyed hash only: nothing that lives on holds a judged text."""
    judge = moderator(Service())
    secret = "".join(["kept", "-", "canary", "-", "text"])
    asyncio.run(judge.score([secret]))
    gc.collect()
    assert secret.encode() not in b"".join(judge._cache._kept)
    assert secret not in repr(vars(judge)) + repr(judge._cache._kept)
    assert judge._flights.open == 0


def test_keys_of_two_installations_name_texts_differently() -> None:
    """Without the key a name cannot be guessed from its text."""
    one, two = moderator(Service(), key=b"1" * 32), moderator(Service(), key=b"2" * 32)
    assert one._name("text") != two._name("text")


def test_texts_that_are_asked_at_the_same_time_share_a_call() -> None:
    """Two answers with one text wait for one request, and each still sends what only it has."""
    gate = asyncio.Event()
    service = Service(gate)
    judge = moderator(service)

    async def main() -> list[list[dict[str, float]]]:
        first = asyncio.ensure_future(judge.score(["violence=0.9", "calm"]))
        await asyncio.sleep(0.01)
        second = asyncio.ensure_future(judge.score(["violence=0.9", "hate=0.2"]))
        await asyncio.sleep(0.01)
        gate.set()
        return await asyncio.gather(first, second)

    first, second = asyncio.run(main())
    assert first[0] == second[0] == scores_of("violence=0.9")
    assert second[1]["hate"] == 0.2
    assert service.asked == [["violence=0.9", "calm"], ["hate=0.2"]]


def test_a_failure_reaches_everyone_who_waits() -> None:
    """Sharing a request shares its failure."""
    service = Service("hang", "hang")
    judge = moderator(service, timeout_s=0.5)

    async def main() -> list[Any]:
        return await asyncio.gather(*(judge.score(["a"]) for _ in range(3)), return_exceptions=True)

    failures = asyncio.run(main())
    assert [str(f) for f in failures] == ["moderation is unavailable: no answer within 0.5 s"] * 3
    assert len({id(f) for f in failures}) == 3
    assert len(service.asked) == 2


def test_one_caller_who_leaves_does_not_take_the_call_along() -> None:
    """A client that goes away cancels a request only where nobody else waits for it (A06)."""
    gate = asyncio.Event()
    service = Service(gate, "hang")
    judge = moderator(service)

    async def main() -> tuple[float, int]:
        one = asyncio.ensure_future(judge.score(["violence=0.9"]))
        two = asyncio.ensure_future(judge.score(["violence=0.9"]))
        await asyncio.sleep(0.01)
        one.cancel()
        await asyncio.sleep(0.01)
        gate.set()
        got = (await two)[0]["violence"]
        alone = asyncio.ensure_future(judge.score(["other"]))
        await asyncio.sleep(0.01)
        alone.cancel()
        await asyncio.gather(alone, return_exceptions=True)
        await asyncio.sleep(0.01)
        return got, service.cancelled

    assert asyncio.run(main()) == (0.9, 1)
    assert judge._flights.open == 0


def test_a_text_whose_call_was_abandoned_is_asked_again() -> None:
    """Who comes after a cancelled request starts a new one."""
    service = Service("hang")
    judge = moderator(service)

    async def main() -> list[dict[str, float]]:
        first = asyncio.ensure_future(judge.score(["violence=0.9"]))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0)
        return await judge.score(["violence=0.9"])

    assert asyncio.run(main())[0]["violence"] == 0.9


def test_a_slow_request_is_helped_by_a_second() -> None:
    """After 40 % of the deadline without an answer a second request is sent; the first good answer wins."""
    service = Service("hang")
    assert score(service, ["violence=0.9"], timeout_s=0.5)[0]["violence"] == 0.9
    assert len(service.asked) == 2
    assert service.cancelled == 1


def test_the_slow_request_may_still_win() -> None:
    """Whichever of the two answers first is taken, even if the second one fails."""
    gate = asyncio.Event()
    service = Service(gate, 401)
    judge = moderator(service, timeout_s=0.5)

    async def main() -> list[dict[str, float]]:
        call = asyncio.ensure_future(judge.score(["violence=0.9"]))
        await service.second.wait()
        await asyncio.sleep(0.01)
        gate.set()
        return await call

    assert asyncio.run(main())[0]["violence"] == 0.9


@pytest.mark.parametrize(
    "failure",
    [429, 500, 502, 503, 529, ConnectionError(CANARY), TimeoutError(), OSError(), UpstreamError("connect")],
)
def test_a_quick_failure_is_retried_once(failure: Any) -> None:
    """A passing failure costs a second request, not the answer."""
    service = Service(failure)
    assert score(service, ["violence=0.9"])[0]["violence"] == 0.9
    assert len(service.asked) == 2


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (429, "HTTP 429"),
        (500, "HTTP 500"),
        (503, "HTTP 503"),
        (ConnectionError(CANARY), "no connection (ConnectionError)"),
        (ValueError(CANARY), "no connection (ValueError)"),
    ],
)
def test_two_failures_are_unavailable(failure: Any, reason: str) -> None:
    """C16: 5xx, 429 and a dead connection fail closed, after two requests and never a third."""
    service = Service(failure, failure, b"never reached")
    with pytest.raises(Unavailable) as caught:
        score(service, [CANARY])
    assert (caught.value.kind, caught.value.reason) == ("guard.unavailable.moderation", reason)
    assert len(service.asked) == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (401, "HTTP 401: the key was refused"),
        (403, "HTTP 403: the key was refused"),
        (404, "HTTP 404: there is no such endpoint or model"),
        (400, "HTTP 400"),
        (413, "HTTP 413"),
        (307, "HTTP 307"),
        ((204, b""), "HTTP 204"),
        (b"", "the answer is not JSON"),
        (b"<html>" + CANARY.encode(), "the answer is not JSON"),
        (orjson.dumps({"error": CANARY}), "the answer has no results"),
        (b'{"results": []}', "the answer has 0 results for 1 texts"),
        (b'{"results": [{}]}', "a result has no category_scores"),
        (orjson.dumps({"results": [{"category_scores": {CANARY: 1}}]}), "a category has no readable name"),
        (Unavailable("store", "closed"), "not sent (closed)"),
        (Refused("egress.jurisdiction", CANARY, status=451), "not sent (egress.jurisdiction)"),
    ],
)
def test_other_failures_are_unavailable_at_once(answer: Any, reason: str) -> None:
    """C16: a refused key, a missing endpoint, bad JSON and missing fields fail closed; no reason quotes text."""
    service = Service(answer)
    with pytest.raises(Unavailable) as caught:
        score(service, [CANARY])
    assert (caught.value.kind, caught.value.reason) == ("guard.unavailable.moderation", reason)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert len(service.asked) == 1


def test_a_service_that_never_answers_is_unavailable() -> None:
    """C16: at the deadline both requests are cancelled and the check has failed."""
    service = Service("hang", "hang")
    with pytest.raises(Unavailable, match=r"no answer within 0\.2 s"):
        score(service, ["a"], timeout_s=0.2)
    assert service.cancelled == 2


def test_a_failure_is_not_remembered() -> None:
    """The next answer asks again."""
    service = Service(401)
    judge = moderator(service)
    with pytest.raises(Unavailable):
        asyncio.run(judge.score(["violence=0.9"]))
    assert asyncio.run(judge.score(["violence=0.9"]))[0]["violence"] == 0.9


def test_one_failed_request_of_several_fails_the_answer() -> None:
    """An answer is judged whole or not at all; the other requests are cancelled."""
    service = Service("hang", 404)
    with pytest.raises(Unavailable, match="404"):
        score(service, [f"text {i}" for i in range(INPUTS + 1)])
    assert service.cancelled == 1


def test_two_failed_requests_leave_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    """The failure that nobody was told of is not logged by the event loop either."""
    texts = [f"text {i}" for i in range(INPUTS + 1)]

    async def main() -> list[Any]:
        return await asyncio.gather(moderator(Service(404, 404)).score(texts), return_exceptions=True)

    [failure] = asyncio.run(main())
    assert isinstance(failure, Unavailable)
    del failure
    gc.collect()
    assert caplog.records == []


def streams(judge: Moderator, texts: Sequence[str], *, gap_s: float = 0.0) -> list[dict[str, float]]:
    """Score texts as so many streams would, one window each, `gap_s` after one another."""

    async def one(place: int, text: str) -> dict[str, float]:
        with judge.streaming():
            await asyncio.sleep(place * gap_s)
            [scores] = await judge.score([text])
            return scores

    async def main() -> list[dict[str, float]]:
        return await asyncio.gather(*(one(place, text) for place, text in enumerate(texts)))

    return asyncio.run(main())


def test_streams_share_a_request() -> None:
    """Windows of several streams that come within a moment leave together, and each gets its own scores."""
    service = Service()
    got = streams(moderator(service), [f"violence=0.{i}" for i in range(1, 9)], gap_s=0.0005)
    assert [s["violence"] for s in got] == [i / 10 for i in range(1, 9)]
    assert len(service.asked) <= 2
    assert sum(map(len, service.asked)) == 8


def test_a_stream_that_is_alone_does_not_wait() -> None:
    """Nobody else is there to share with: its window leaves at once."""
    service = Service()
    judge = moderator(service)

    async def main() -> int:
        with judge.streaming():
            task = asyncio.ensure_future(judge.score(["violence=0.9"]))
            for _ in range(5):
                await asyncio.sleep(0)
            asked = len(service.asked)
            await task
            return asked

    assert asyncio.run(main()) == 1


def test_a_full_request_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many windows at once fill a request: it leaves, and what is left over shares the next."""
    monkeypatch.setattr("guard.services.moderator.GATHER_S", 60)
    service = Service()
    texts = [f"violence=0.{i:02d}" for i in range(1, 2 * INPUTS + 1)]
    assert [s["violence"] for s in streams(moderator(service), texts)] == [float(t[9:]) for t in texts]
    assert list(map(len, service.asked)) == [INPUTS, INPUTS]


def test_a_text_that_the_service_refuses_fails_only_its_own_stream() -> None:
    """A shared request that is refused is asked again text by text: one odd text does not end other streams."""

    class Picky(Service):
        async def __call__(self, body: bytes) -> Reply:
            texts = orjson.loads(body)["input"]
            self.asked.append(texts)
            return Reply(400, b"{}") if "odd" in texts else good(texts)

    service = Picky()
    judge = moderator(service)

    async def one(text: str) -> Any:
        with judge.streaming():
            return await judge.score([text])

    async def main() -> list[Any]:
        return await asyncio.gather(*map(one, ("violence=0.9", "odd", "hate=0.3")), return_exceptions=True)

    calm, odd, rude = asyncio.run(main())
    assert (calm[0]["violence"], rude[0]["hate"]) == (0.9, 0.3)
    assert isinstance(odd, Unavailable)
    assert odd.reason == "HTTP 400"
    assert len(service.asked) == 4


def limited(limit: int, remaining: int, reset: str) -> dict[str, str]:
    return {
        "x_ratelimit_limit_requests": str(limit),
        "x_ratelimit_remaining_requests": str(remaining),
        "x_ratelimit_reset_requests": reset,
    }


def test_requests_wait_for_the_quota_and_share_it_meanwhile() -> None:
    """The last place is used up: the next three windows wait for one, and leave in one request."""
    service = Service((200, good(["a"], **limited(4, 0, "1s")).body, good([], **limited(4, 0, "1s")).headers))
    judge = moderator(service)

    async def main() -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        await judge.score(["a"])
        begun = loop.time()
        tasks = []
        for text in ("b", "c", "d"):
            tasks.append(asyncio.ensure_future(judge.score([text])))
            await asyncio.sleep(0.005)
        await asyncio.gather(*tasks)
        return len(service.asked), loop.time() - begun

    asked, waited = asyncio.run(main())
    assert asked == 2
    assert sorted(service.asked[1]) == ["b", "c", "d"]
    assert waited >= 0.1


def test_a_quota_that_comes_back_too_late_is_an_outage() -> None:
    """Text that could not be judged in time is not held for a minute to fail then: it is unavailable at once."""
    first = good(["a"], **limited(1, 0, "1m0s"))
    service = Service((200, first.body, first.headers))
    judge = moderator(service, timeout_s=1.0)

    async def main() -> None:
        await judge.score(["a"])
        await asyncio.wait_for(judge.score(["b"]), 0.5)

    with pytest.raises(Unavailable) as caught:
        asyncio.run(main())
    assert caught.value.reason == "its quota is used up"
    assert len(service.asked) == 1


def test_a_429_is_asked_again_when_it_says() -> None:
    """C16: the second try waits for Retry-After, not for a moment that is sure to fail."""
    service = Service((429, b"{}", {"retry-after-ms": "300"}))
    judge = moderator(service)

    async def main() -> float:
        begun = asyncio.get_running_loop().time()
        await judge.score(["violence=0.9"])
        return asyncio.get_running_loop().time() - begun

    assert asyncio.run(main()) >= 0.25
    assert len(service.asked) == 2
