"""Floor 6, what stands between a screened call and the door: budget, retries. Made only where a policy asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import httpx2
import orjson

from guard.call import Prepared, failed_as
from guard.errors import Unavailable
from guard.outside.upstream import Timeouts, UpstreamError
from guard.traffic.budget import Ask, Budget
from guard.traffic.budget import Claim as Claim
from guard.traffic.sending import Headers, Note, Outbound, Sender, Tried, keyed
from guard.traffic.usage import bound
from guard.traffic.waiting import Waiting, wait, wait_sync
from guard.wire import jsonbody

if TYPE_CHECKING:
    from guard.call import Call
    from guard.outside.egress import Answer
    from guard.policy.traffic import Traffic

Forwarded = Callable[[str, httpx2.URL, Headers, bytes, Timeouts | None], Awaitable[Any]]
Send = Callable[[httpx2.Request], httpx2.Response]

# What costs money by the token, and which of it another model can answer.
_PRICED = ("chat", "responses", "completions", "embeddings")
_ANSWERED = ("chat", "responses", "completions")


class Dispatch:
    """Sends screened calls as a policy's `traffic` says. Thread-safe; one for a guard."""

    def __init__(self, traffic: Traffic, budget: Budget | None = None) -> None:
        self.sender = Sender(traffic.retries)
        self.budget = budget
        self._answer_tokens = traffic.budget.answer_tokens

    def close(self) -> None:
        """Write what is queued."""
        if self.budget is not None:
            self.budget.close()

    # before the call

    async def claim(self, call: Call, prepared: Prepared, url: httpx2.URL) -> Prepared:
        """Reserve what the call may cost; gives the request that goes out. Raises Refused (403, 429, 503)."""
        if self.budget is None:
            return prepared
        try:
            return await wait(self._claiming(self.budget, call, prepared, url.host), 2 * self.budget.wait_s)
        except BaseException as failure:
            call.finish(None, error=failed_as(failure))
            raise

    def claim_sync(self, call: Call, prepared: Prepared, url: httpx2.URL) -> Prepared:
        """Reserve as `claim` does, blocking."""
        if self.budget is None:
            return prepared
        try:
            return wait_sync(self._claiming(self.budget, call, prepared, url.host), 2 * self.budget.wait_s)
        except BaseException as failure:
            call.finish(None, error=failed_as(failure))
            raise

    def _claiming(self, budget: Budget, call: Call, prepared: Prepared, host: str) -> Waiting[Prepared]:
        ask = self._ask(call, prepared, host)
        if ask is None:
            return prepared
        cheaper = None
        if budget.cheaper and call.endpoint is not None and call.endpoint.name in _ANSWERED:
            cheaper = Ask(ask.tenant, host, budget.cheaper, ask.tokens, ask.tier)
        try:
            call.claim = yield from budget.claim(ask, cheaper)
        except Unavailable as failure:
            call.failed("store", failure)  # raises where the policy blocks
            return prepared
        return _switched(call, prepared, call.claim.ask.model) if call.claim.ask is cheaper else prepared

    def _ask(self, call: Call, prepared: Prepared, host: str) -> Ask | None:
        """What the call may use; None for a call that costs nothing (a list of models, a moderation)."""
        if call.unscreened:
            free = call.method in ("GET", "HEAD", "OPTIONS", "DELETE")
            return None if free else Ask(call.tenant, host, "", None)
        if call.endpoint is None or call.endpoint.name not in _PRICED or not isinstance(call.body, dict):
            return None
        answers = call.endpoint.name in _ANSWERED
        tokens = bound(call.body, prepared.body, self._answer_tokens, answers=answers)
        return Ask(call.tenant, host, prepared.model, tokens, call.body.get("service_tier"))

    def settle(self, claim: Claim, answer: Any) -> int:
        """Settle what a call cost, in micro-dollars; `answer` is its body with its `usage`."""
        assert self.budget is not None
        return self.budget.settle(claim, answer)

    # the call

    def forwarder(self, call: Call, prepared: Prepared) -> Forwarded:
        """What forwards this call: with retries, or once for an endpoint that guard does not read."""
        egress, claim = call.guard.egress, call.claim

        async def forward(
            method: str, url: httpx2.URL, headers: Headers, body: bytes, timeouts: Timeouts | None
        ) -> Any:
            async def once(fields: Headers, sent: bytes) -> Answer:
                if claim is not None:
                    claim.sent()
                return await egress.forward(method, url, fields, sent, timeouts)

            if call.unscreened:
                return await _counted(once(headers, body), claim)
            return await self.sender.send(_outbound(method, url, headers, prepared), once, _note(call))

        return forward

    def send_sync(self, call: Call, prepared: Prepared, request: httpx2.Request, send: Send) -> httpx2.Response:
        """Send a blocking client's request."""
        claim = call.claim

        def once(fields: Headers, body: bytes, within_s: float) -> httpx2.Response:
            if claim is not None:
                claim.sent()
            return send(_again(request, fields, body, within_s))

        headers = [(k.lower(), v) for k, v in request.headers.raw]
        if call.unscreened:
            return _counted_sync(lambda: once(headers, prepared.body, self.sender.deadline_s), claim)
        outbound = _outbound(request.method, request.url, headers, prepared)
        return self.sender.send_sync(outbound, once, _note(call))


async def _counted(answer: Awaitable[Answer], claim: Claim | None) -> Answer:
    try:
        given = await answer
    except UpstreamError as failure:
        if claim is not None:
            claim.ended(0, failure.kind)
        raise
    if claim is not None:
        claim.ended(given.status, "")
    return given


def _counted_sync(send: Callable[[], httpx2.Response], claim: Claim | None) -> httpx2.Response:
    given = send()
    if claim is not None:
        claim.ended(given.status_code, "")
    return given


def _switched(call: Call, prepared: Prepared, model: str) -> Prepared:
    """The same request to another model."""
    call.switch(model)
    body = {**orjson.loads(prepared.body), "model": model}
    return Prepared(jsonbody.dump(body), prepared.stream, model)


def _outbound(method: str, url: httpx2.URL, headers: Headers, prepared: Prepared) -> Outbound:
    origin = (url.scheme, url.host, url.port)
    fields = keyed(headers) if method == "POST" else headers
    return Outbound(method, origin, fields, ((prepared.model, prepared.body),))


def _note(call: Call) -> Note:
    def note(tried: Tried) -> None:
        if call.claim is not None:
            call.claim.ended(tried.status, tried.error)
        call.tried(tried.number, tried.model, tried.status, tried.error, tried.seconds)

    return note


def _again(request: httpx2.Request, fields: Headers, body: bytes, within_s: float) -> httpx2.Request:
    """The request once more, each of its waits cut to the time that is left."""
    asked = request.extensions.get("timeout", {})
    waits = {name: min(within_s, asked.get(name) or within_s) for name in ("connect", "read", "write", "pool")}
    headers = [(k, v) for k, v in fields if k != b"content-length"]
    return httpx2.Request(
        request.method,
        request.url,
        headers=[*headers, (b"content-length", str(len(body)).encode())],
        content=body,
        extensions={**request.extensions, "timeout": waits},
    )
