"""The judge for blocking callers keeps the same law."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest

from guard.errors import Unavailable
from guard.kinds import MODERATION
from guard.moderation import ModerationApi
from guard.services.moderator import Reply, SyncModerator


def good(texts: list[str], score: float) -> Reply:
    scores = {**dict.fromkeys(MODERATION, 0.01), "violence": score}
    return Reply(200, orjson.dumps({"results": [{"category_scores": scores} for _ in texts]}))


class Service:
    """A blocking service that follows a script; `hang` waits until the test is over."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.asked: list[list[str]] = []
        self.over = threading.Event()

    def __call__(self, body: bytes) -> Reply:
        texts = orjson.loads(body)["input"]
        self.asked.append(texts)
        step = self.steps.pop(0) if self.steps else 0.9
        if step == "hang":
            self.over.wait(60)
        if isinstance(step, threading.Event):
            step.wait(60)
        if isinstance(step, BaseException):
            raise step
        return (
            Reply(step, b"")
            if isinstance(step, int)
            else good(texts, step if isinstance(step, float) else 0.9)
        )


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.over.set()


def moderator(service: Service, **changes: Any) -> SyncModerator:
    return SyncModerator(
        service,
        ModerationApi("omni"),
        **{"model": "omni", "timeout_s": 5.0, "cache_s": 300, "key": b"k" * 32, **changes},
    )


@pytest.fixture
def judge(service: Service) -> Iterator[SyncModerator]:
    judge = moderator(service)
    yield judge
    judge.close()


def test_a_blocking_caller_gets_scores(service: Service, judge: SyncModerator) -> None:
    """One call for all texts, and the next time none."""
    assert [s["violence"] for s in judge.score(["a", "b"])] == [0.9, 0.9]
    assert [s["violence"] for s in judge.score(["b", "a"])] == [0.9, 0.9]
    assert service.asked == [["a", "b"]]


@pytest.mark.parametrize("failure", [503, ConnectionError()])
def test_a_quick_failure_is_retried(service: Service, judge: SyncModerator, failure: Any) -> None:
    """A passing failure costs a second request."""
    service.steps = [failure]
    assert judge.score(["a"])[0]["violence"] == 0.9
    assert len(service.asked) == 2


@pytest.mark.parametrize("failure", [401, 404, 400])
def test_a_lasting_failure_is_unavailable(service: Service, judge: SyncModerator, failure: int) -> None:
    """C16: closed, with one request."""
    service.steps = [failure]
    with pytest.raises(Unavailable, match=str(failure)):
        judge.score(["a"])
    assert len(service.asked) == 1


def test_a_slow_request_is_helped_by_a_second(service: Service) -> None:
    """A thread that hangs does not keep the caller from the second request's answer."""
    service.steps = ["hang"]
    judge = moderator(service, timeout_s=0.5)
    assert judge.score(["a"])[0]["violence"] == 0.9
    assert len(service.asked) == 2
    judge.close()


def test_a_service_that_never_answers_is_unavailable(service: Service) -> None:
    """C16: the caller goes on at the deadline although the threads still hang."""
    service.steps = ["hang", "hang"]
    judge = moderator(service, timeout_s=0.2)
    with pytest.raises(Unavailable, match=r"no answer within 0\.2 s"):
        judge.score(["a"])
    judge.close()


def test_more_callers_than_threads_fail_closed(service: Service) -> None:
    """Where every thread hangs, a caller that finds none free is told so at its deadline."""
    service.steps = ["hang"] * 8
    judge = moderator(service, timeout_s=0.2, threads=1)
    for text in ("a", "b"):
        with pytest.raises(Unavailable):
            judge.score([text])
    judge.close()


def test_threads_with_one_text_share_a_call(service: Service, judge: SyncModerator) -> None:
    """Concurrent identical texts wait for one request."""
    gate = threading.Event()
    service.steps = [gate]
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(judge.score, ["a"]) for _ in range(4)]
        while not service.asked:
            threading.Event().wait(0.01)
        threading.Event().wait(0.05)
        gate.set()
        assert [call.result()[0]["violence"] for call in calls] == [0.9] * 4
    assert len(service.asked) == 1


def test_closing_frees_those_who_wait(service: Service) -> None:
    """A shutdown leaves nobody behind, and what was not judged is unavailable."""
    service.steps = ["hang", "hang"]
    judge = moderator(service)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(judge.score, ["a"])
        while not service.asked:
            threading.Event().wait(0.01)
        judge.close()
        with pytest.raises(Unavailable):
            call.result(10)
    judge.close()


def test_the_threads_end_with_their_owner(service: Service) -> None:
    """A judge that is no longer used leaves no thread behind."""
    judge = moderator(service)
    judge.score(["a"])
    before = threading.active_count()
    del judge
    assert threading.active_count() < before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_server_worker_starts_its_own_threads() -> None:
    """A judge that was used before the fork answers in the child too, instead of waiting for a dead thread."""
    script = """
import os
from tests_service import judge
assert judge.score(["a"])[0]["violence"] == 0.9
child = os.fork()
if child == 0:
    os._exit(0 if judge.score(["b"])[0]["violence"] == 0.9 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
judge.close()
"""
    setup = """
import orjson, sys, types
from guard.kinds import MODERATION
from guard.moderation import ModerationApi
from guard.services.moderator import Reply, SyncModerator
def post(body):
    scores = {**dict.fromkeys(MODERATION, 0.01), "violence": 0.9}
    return Reply(200, orjson.dumps({"results": [{"category_scores": scores}]}))
module = types.ModuleType("tests_service")
module.judge = SyncModerator(post, ModerationApi("m"), model="m", timeout_s=5, cache_s=0, key=b"k")
sys.modules["tests_service"] = module
"""
    done = subprocess.run([sys.executable, "-c", setup + script], timeout=60, check=False)
    assert done.returncode == 0
