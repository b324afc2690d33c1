"""Floor 6, the moderation service at one base URL: asked through guard's own gate, each time inside a span."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import httpx2

from guard.errors import Refused, SetupError, Unavailable
from guard.moderation import judge_of
from guard.quota import Quota
from guard.services.moderator import Moderator, Reply, SyncModerator
from guard.trace import records, spans

if TYPE_CHECKING:
    from guard.guard import Guard

_Scores = list[dict[str, float]]

# The scores of a few hundred texts are far below this.
ANSWER_BYTES = 8 * 1024 * 1024

_ABSENT = (404, 405, 501)


class _Service:
    """What both kinds of callers share: where the service is, how it is asked, the span around a call."""

    def __init__(self, guard: Guard, base_url: str, authorization: str) -> None:
        settings = guard.policy.moderation
        self._guard = guard
        self._judge = judge_of(settings)
        self.url = base_url.rstrip("/") + self._judge.path
        self._headers = _headers(authorization)
        self._options: dict[str, Any] = {
            "model": settings.model,
            "timeout_s": settings.timeout_s,
            "cache_s": settings.cache_s,
            "key": guard.keys.memo,
        }

    @property
    def seats(self) -> float:
        """How many texts share a request; below 1 where one text takes several."""
        return self._judge.batch / len(self._judge.bodies(["ping"]))

    def _span(self, parent: Any) -> _Span:
        return _Span(self._guard, self.url, parent)


class _Span:
    """The span around one call of the judge: what was asked of whom, and every score."""

    def __init__(self, guard: Guard, url: str, parent: Any) -> None:
        self._guard = guard
        self._scores: _Scores | None = None
        self._span = guard.recorder.start(
            records.moderation_span_name(guard.policy.moderation.model),
            kind="client",
            parent=parent,
            attributes={
                **guard.policy_attributes,
                spans.EXCHANGE: parent.span_id if parent is not None else None,
                **records.moderation_attributes(guard.policy, guard.admit(url)),
            },
        )

    def __enter__(self) -> Callable[[_Scores], None]:
        """Hand out what takes the scores; those of several texts are arrays, in the order of the texts."""
        return lambda scores: self._span.set_all(records.score_attributes(scores)) if scores else None

    def __exit__(self, kind: Any, failure: BaseException | None, _: object) -> None:
        """Write the outcome; a refusal of the gate is a judge that could not be asked."""
        if failure is not None:
            self._span.error(_code(failure))
        self._guard.ledger.append(self._span.end())
        if isinstance(failure, Refused):
            raise Unavailable("moderation", failure.message) from None


def _code(failure: BaseException) -> str:
    if isinstance(failure, Unavailable):
        return failure.kind
    return failure.code if isinstance(failure, Refused) else type(failure).__name__


def _headers(authorization: str) -> list[tuple[bytes, bytes]]:
    headers = [(b"content-type", b"application/json"), (b"accept", b"application/json")]
    if authorization:
        headers.append((b"authorization", authorization.encode("latin-1", "ignore")))
    return headers


def _lower(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


class Moderation(_Service):
    """The service for asynchronous mounts, over guard's own egress."""

    def __init__(self, guard: Guard, base_url: str, authorization: str) -> None:
        super().__init__(guard, base_url, authorization)
        self._moderator = Moderator(self._post, self._judge, **self._options)

    async def _post(self, body: bytes) -> Reply:
        answer = await self._guard.egress.forward("POST", self.url, self._headers, body)
        try:
            return Reply(answer.status, await answer.read(ANSWER_BYTES), _lower(answer.headers))
        finally:
            await answer.aclose()

    async def score(self, texts: Sequence[str], parent: Any = None) -> _Scores:
        """Score each text, inside its own span; raises Unavailable."""
        with self._span(parent) as note:
            scores = await self._moderator.score(list(texts))
            note(scores)
        return scores

    def streaming(self) -> AbstractContextManager[None]:
        """Count a stream as open while the block lasts."""
        return self._moderator.streaming()

    def close(self) -> None:
        """Nothing to close: the connections are the egress's, which each event loop closes."""

    async def examine(self) -> Quota:
        """Let it judge one word, and return what it said of its limits; raises Unavailable."""
        await self._moderator.score(["ping"])
        return self._moderator.quota

    async def probe(self) -> None:
        """Ask once, at start, whether the service exists; raises SetupError with the choices."""
        try:
            reply = await self._post(self._judge.bodies(["ping"])[0])
        except Refused as failure:
            raise SetupError(_choices(f"the judge may not be reached: {failure.message}")) from None
        except Exception as failure:
            how = getattr(failure, "kind", type(failure).__name__)
            raise SetupError(_choices(f"the judge {self.url} cannot be reached ({how})")) from None
        if reply.status in _ABSENT:
            raise SetupError(_choices(f"{self.url} has no moderation endpoint (HTTP {reply.status})"))


class SyncModeration(_Service):
    """The service for blocking mounts."""

    def __init__(self, guard: Guard, base_url: str, authorization: str) -> None:
        super().__init__(guard, base_url, authorization)
        self._moderator = SyncModerator(self._post, self._judge, **self._options)

    def close(self) -> None:
        """End the moderator's own threads."""
        self._moderator.close()

    def _post(self, body: bytes) -> Reply:
        headers = [*self._headers, (b"content-length", str(len(body)).encode())]
        request = httpx2.Request("POST", self.url, headers=headers, content=body)
        answer = self._guard.blocking.handle_request(request)
        try:
            return Reply(answer.status_code, answer.read(), _lower(answer.headers.raw))
        finally:
            answer.close()

    def score(self, texts: Sequence[str], parent: Any = None) -> _Scores:
        """Score each text, inside its own span; raises Unavailable."""
        with self._span(parent) as note:
            scores = self._moderator.score(list(texts))
            note(scores)
        return scores

    def streaming(self) -> AbstractContextManager[None]:
        """Count a stream as open while the block lasts."""
        return self._moderator.streaming()


def _choices(problem: str) -> str:
    return (
        f"the policy judges answers, but {problem}: set GUARD_MODERATION_URL (and GUARD_MODERATION_KEY) to an"
        " OpenAI-compatible moderation API, or use a policy without moderation rules"
    )
