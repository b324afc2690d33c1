"""Floor 6, the doors of one call: detection, moderation with its span, the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import httpx2

from guard.errors import Refused, SetupError, Unavailable
from guard.services.moderator import Moderator, SyncModerator
from guard.trace import records, spans
from guard.types import Finding

if TYPE_CHECKING:
    from guard.guard import Guard

_Scores = list[dict[str, float]]

# The scores of a few hundred texts are far below this.
ANSWER_BYTES = 8 * 1024 * 1024


class _Span:
    """The span around one moderation call: what was asked of whom, and every score."""

    def __init__(self, guard: Guard, url: str, parent: Any) -> None:
        self._guard = guard
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

    def end(self, scores: _Scores | None, error: str = "") -> None:
        """Write the outcome; the scores of several texts are arrays, in the order of the texts."""
        if scores:
            self._span.set_all(records.score_attributes(scores))
        if error:
            self._span.error(error)
        self._guard.ledger.append(self._span.end())


def _headers(authorization: str) -> list[tuple[bytes, bytes]]:
    headers = [(b"content-type", b"application/json"), (b"accept", b"application/json")]
    if authorization:
        headers.append((b"authorization", authorization.encode("latin-1", "ignore")))
    return headers


class Moderation:
    """The moderation service at one base URL, over guard's own egress, for asynchronous mounts."""

    def __init__(self, guard: Guard, base_url: str, authorization: str) -> None:
        self._guard = guard
        self.url = base_url.rstrip("/") + "/moderations"
        self._headers = _headers(authorization)
        settings = guard.policy.moderation
        self._moderator = Moderator(
            self._post,
            model=settings.model,
            timeout_s=settings.timeout_s,
            cache_s=settings.cache_s,
            key=guard.keys.memo,
        )

    async def _post(self, body: bytes) -> tuple[int, bytes]:
        answer = await self._guard.egress.forward("POST", self.url, self._headers, body)
        try:
            return answer.status, await answer.read(ANSWER_BYTES)
        finally:
            await answer.aclose()

    async def score(self, texts: Sequence[str], parent: Any = None) -> _Scores:
        """Score each text, inside its own span."""
        span = _Span(self._guard, self.url, parent)
        try:
            scores = await self._moderator.score(list(texts))
        except (Unavailable, Refused) as failure:
            span.end(
                None,
                getattr(failure, "code", "") or f"guard.unavailable.{getattr(failure, 'what', 'moderation')}",
            )
            raise (
                failure if isinstance(failure, Unavailable) else Unavailable("moderation", failure.message)
            ) from None
        except BaseException as failure:
            span.end(None, type(failure).__name__)
            raise
        span.end(scores)
        return scores

    def close(self) -> None:
        """Nothing to close: the connections are the egress's, which each event loop closes."""

    async def probe(self) -> None:
        """Ask once whether the endpoint exists; raises SetupError with the choices."""
        try:
            status, _ = await self._post(self._moderator.probe_body())
        except Refused as failure:
            raise SetupError(
                _choices(f"the moderation endpoint may not be reached: {failure.message}")
            ) from None
        except Exception as failure:
            raise SetupError(
                _choices(f"the moderation endpoint {self.url} cannot be reached ({type(failure).__name__})")
            ) from None
        if status in (404, 405, 501):
            raise SetupError(_choices(f"{self.url} has no moderation endpoint (HTTP {status})"))


class SyncModeration:
    """The moderation service at one base URL, for blocking mounts."""

    def __init__(self, guard: Guard, base_url: str, authorization: str) -> None:
        self._guard = guard
        self.url = base_url.rstrip("/") + "/moderations"
        self._headers = _headers(authorization)
        settings = guard.policy.moderation
        self._moderator = SyncModerator(
            self._post,
            model=settings.model,
            timeout_s=settings.timeout_s,
            cache_s=settings.cache_s,
            key=guard.keys.memo,
        )

    def close(self) -> None:
        """End the moderator's own threads."""
        self._moderator.close()

    def _post(self, body: bytes) -> tuple[int, bytes]:
        headers = [*self._headers, (b"content-length", str(len(body)).encode())]
        request = httpx2.Request("POST", self.url, headers=headers, content=body)
        answer = self._guard.blocking.handle_request(request)
        try:
            return answer.status_code, answer.read()
        finally:
            answer.close()

    def score(self, texts: Sequence[str], parent: Any = None) -> _Scores:
        """Score each text, inside its own span."""
        span = _Span(self._guard, self.url, parent)
        try:
            scores = self._moderator.score(list(texts))
        except (Unavailable, Refused) as failure:
            span.end(
                None,
                getattr(failure, "code", "") or f"guard.unavailable.{getattr(failure, 'what', 'moderation')}",
            )
            raise (
                failure if isinstance(failure, Unavailable) else Unavailable("moderation", failure.message)
            ) from None
        except BaseException as failure:
            span.end(None, type(failure).__name__)
            raise
        span.end(scores)
        return scores


def _choices(problem: str) -> str:
    return (
        f"the policy judges answers, but {problem}: set GUARD_MODERATION_URL (and GUARD_MODERATION_KEY) to an"
        " OpenAI-compatible moderation API, or use a policy without moderation rules"
    )


class CallDoors:
    """The doors of one call, asynchronous."""

    def __init__(self, guard: Guard, moderation: Moderation | None, parent: Any, tenant: str) -> None:
        self._guard = guard
        self._moderation = moderation
        self._parent = parent
        self._tenant = tenant

    async def detect(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Find spans in each text, by the lists of this tenant."""
        return await self._guard.detector.detect(texts, self._tenant)

    async def score(self, texts: Sequence[str]) -> _Scores:
        """Ask the moderation service about each text."""
        if self._moderation is None:
            raise Unavailable("moderation", "no moderation service is configured for this call")
        return await self._moderation.score(texts, self._parent)

    async def commit(self, record: bytes) -> None:
        """Make a record durable."""
        await self._guard.ledger.commit(record)


class SyncCallDoors:
    """The doors of one call, blocking."""

    def __init__(self, guard: Guard, moderation: SyncModeration | None, parent: Any, tenant: str) -> None:
        self._guard = guard
        self._moderation = moderation
        self._parent = parent
        self._tenant = tenant

    def detect(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Find spans in each text, by the lists of this tenant."""
        return self._guard.detector.detect_sync(texts, self._tenant)

    def score(self, texts: Sequence[str]) -> _Scores:
        """Ask the moderation service about each text."""
        if self._moderation is None:
            raise Unavailable("moderation", "no moderation service is configured for this call")
        return self._moderation.score(texts, self._parent)

    def commit(self, record: bytes) -> None:
        """Make a record durable."""
        self._guard.ledger.commit_sync(record)


class LocalDoors(SyncCallDoors):
    """The doors of the Python interface: the moderation service that the settings name."""

    def __init__(self, guard: Guard, tenant: str = "default") -> None:
        base, auth = guard.default_moderation()
        super().__init__(guard, guard.moderation(base, auth, sync=True), None, tenant)

    @property
    def asynchronous(self) -> CallDoors:
        """The same doors for an event loop."""
        base, auth = self._guard.default_moderation()
        moderation = self._guard.moderation(base, auth, sync=False)
        return CallDoors(self._guard, moderation, None, self._tenant)
