"""Floor 6, what stands between a screened call and the door, where a policy asks for it: limits, budget, tries."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx2

from guard.call import Prepared
from guard.candidates import Candidate, another, first, may_answer, outbound, to
from guard.errors import Refused, Unavailable
from guard.forwarding import forward, forward_sync
from guard.outside.upstream import Timeouts, UpstreamError
from guard.policy.providers import Provider, called
from guard.refusals import failed_as
from guard.trace.records import identifier
from guard.traffic.budget import Ask, Budget, Claim
from guard.traffic.idempotency import Idempotency
from guard.traffic.letters import Letter, Letters
from guard.traffic.limits import Limits, Pass, Per
from guard.traffic.prices import Prices
from guard.traffic.sending import Headers, Note, Sender, Sending, Tried
from guard.traffic.usage import Tokens, Tries, bound
from guard.traffic.waiting import Waiting, wait, wait_sync
from guard.wire.calls import acts

if TYPE_CHECKING:
    from guard.call import Call
    from guard.outside.egress import Answer
    from guard.policy.traffic import Traffic

Forwarded = Callable[[httpx2.URL, Headers, Timeouts | None], Awaitable[Any]]
Count = Callable[[Sequence[str], bytes], int | None]
"""How many tokens a text is, at most, to some models; None where that is not known."""

# What costs money by the token, and which of it another model can answer.
_PRICED = ("chat", "responses", "completions", "embeddings")
_ANSWERED = ("chat", "responses", "completions")
_FREE = ("GET", "HEAD", "OPTIONS", "DELETE")


@dataclass(slots=True)
class Entered:
    """What a call holds while it runs: who may answer it, its pass, its claim on the budget, its tries."""

    candidates: tuple[Candidate, ...]
    serving: str
    tries: Tries = field(default_factory=Tries)
    passed: Pass | None = None
    claim: Claim | None = None


class Dispatch:
    """Sends screened calls as a policy's `traffic` says. Thread-safe; one for a guard."""

    def __init__(
        self,
        traffic: Traffic,
        prices: Prices,
        *,
        limits: Limits | None = None,
        budget: Budget | None = None,
        letters: Letters | None = None,
        idempotency: Idempotency | None = None,
        count: Count | None = None,
        providers: Mapping[str, Provider] | None = None,
        wait_s: float = 2.0,
    ) -> None:
        self.sender = Sender(traffic.retries)
        self.limits, self.budget, self.letters = limits, budget, letters
        self.idempotency = idempotency
        self._named = partial(called, providers or {})
        listed = {self._named(m): tuple(map(self._named, others)) for m, others in traffic.fallbacks.items()}
        self._fallbacks, self._prices = listed, prices
        self._cheaper = (budget.cheaper,) if budget is not None and budget.cheaper else ()
        self._answer_tokens, self._count = traffic.budget.answer_tokens, count
        # A store may be locked for as long as it waits, and another batch may stand before this call's.
        self.wait_s = 2 * wait_s

    def stores(self) -> list[tuple[str, Future[Any]]]:
        """Ask each store in a file whether it can be written: its name, and the answer to be."""
        asked = {"limits": self.limits, "budget": self.budget, "letters": self.letters}
        answers = ((name, part.reach()) for name, part in asked.items() if part is not None)
        return [(name, answer) for name, answer in answers if answer is not None]

    def close(self) -> None:
        """Write what is queued."""
        for part in (self.limits, self.budget, self.letters, self.idempotency):
            if part is not None:
                part.close()

    # before the call

    @property
    def _idle(self) -> bool:
        """Whether nothing has to be asked before a call."""
        return (self.limits or self.budget or self.letters) is None and not self._fallbacks

    async def enter(self, call: Call, prepared: Prepared, url: httpx2.URL, headers: Headers) -> Prepared:
        """Let a call in and reserve what it may use; gives the request that goes out. Raises Refused."""
        if self._idle:
            return prepared
        try:
            return await wait(self._entering(call, prepared, url, headers), self.wait_s)
        except BaseException as failure:
            call.finish(None, error=failed_as(failure))
            raise

    def enter_sync(self, call: Call, prepared: Prepared, url: httpx2.URL, headers: Headers) -> Prepared:
        """Let a call in as `enter` does, blocking."""
        if self._idle:
            return prepared
        try:
            return wait_sync(self._entering(call, prepared, url, headers), self.wait_s)
        except BaseException as failure:
            call.finish(None, error=failed_as(failure))
            raise

    def _entering(
        self, call: Call, prepared: Prepared, url: httpx2.URL, headers: Headers
    ) -> Waiting[Prepared]:
        asked = first(call, prepared.model, url)
        entered = call.entered = Entered((asked,), asked.name)
        if call.method in _FREE:
            return prepared
        yield from self._provable(call)
        tokens = self._tokens(call, prepared, asked)
        entered.candidates = self._candidates(call, asked, tokens)
        try:
            if self.limits is not None:
                key = _key(self.limits.per, call, asked.name, headers)
                entered.passed = yield from self.limits.enter(key, tokens)
            if self.budget is not None and (tokens is not None or call.unscreened):
                prepared = yield from self._claiming(self.budget, entered, call, prepared, asked, tokens)
        except Unavailable as failure:
            call.failed("store", failure)  # raises where the policy blocks
        return prepared

    def _provable(self, call: Call) -> Waiting[None]:
        """Before a call goes out that may fail: whether it could be stored then."""
        if self.letters is None or call.unscreened:
            return
        try:
            yield from self.letters.ready()
        except Unavailable as failure:
            call.failed("store", failure)  # raises where the policy blocks

    def _claiming(
        self,
        budget: Budget,
        entered: Entered,
        call: Call,
        prepared: Prepared,
        asked: Candidate,
        tokens: Tokens | None,
    ) -> Waiting[Prepared]:
        tier = call.body.get("service_tier") if isinstance(call.body, dict) else None
        instead = self._switchable(call, asked)
        known = {c.name: c for c in (*entered.candidates, *((instead,) if instead else ()))}
        elsewhere = {name: (c.model, c.host) for name, c in known.items()} if call.guard.providers else {}
        ask = Ask(call.tenant, asked.host, asked.name, tokens, tier, elsewhere)
        cheaper = replace(ask, model=instead.name) if instead else None
        entered.claim = yield from budget.claim(ask, cheaper, [c.name for c in entered.candidates])
        entered.candidates = tuple(known[name] for name in entered.claim.models)
        if instead is None or entered.claim.ask is not cheaper:
            return prepared
        entered.serving = instead.name
        return _switched(call, prepared, instead)

    def _switchable(self, call: Call, asked: Candidate) -> Candidate | None:
        """Who goes on where a day's budget is used up, if a call may go there."""
        if not self._cheaper or call.endpoint is None or call.endpoint.name not in _ANSWERED:
            return None
        found = self._listed(call, self._named(self._cheaper[0]), asked)
        return found if may_answer(call, found, asked) else None

    def _candidates(self, call: Call, asked: Candidate, tokens: Tokens | None) -> tuple[Candidate, ...]:
        """Who may answer, in the policy's order: inside the residency, and long enough; else whom the caller named."""
        listed = self._fallbacks.get(self._named(asked.name))
        if not listed or tokens is None or call.endpoint is None or call.endpoint.name not in _ANSWERED:
            return (asked,)
        found = (self._listed(call, name, asked) for name in listed)
        admitted = (c for c in found if c is asked or may_answer(call, c, asked))
        return tuple(c for c in admitted if self._prices.fits(c.model, c.host, tokens, c.name)) or (asked,)

    def _listed(self, call: Call, name: str, asked: Candidate) -> Candidate:
        """One whom the policy lists; a client's own base URL is the one for the model that it asks for."""
        return asked if name == self._named(asked.name) else another(call, name, asked)

    def _tokens(self, call: Call, prepared: Prepared, asked: Candidate) -> Tokens | None:
        """The most that the call may use; None where it uses none (a moderation), or that cannot be told."""
        if call.endpoint is None or call.endpoint.name not in _PRICED or not isinstance(call.body, dict):
            return None
        answers = call.endpoint.name in _ANSWERED
        models = (prepared.model, *self._fallbacks.get(self._named(asked.name), ()), *self._cheaper)
        counted = self._count(models, prepared.body.body) if self._count is not None else None
        return bound(call.body, prepared.body.body, self._answer_tokens, answers=answers, counted=counted)

    def leave(self, entered: Entered, answer: Any) -> int | None:
        """Settle what a call used, by its answer's `usage`; returns its cost in micro-dollars under a budget."""
        if self.limits is not None and entered.passed is not None:
            self.limits.leave(entered.passed, answer, entered.tries)
        if self.budget is None or entered.claim is None:
            return None
        return self.budget.settle(entered.claim, answer, entered.tries)

    # after a call that failed for good

    async def keep(self, call: Call, url: httpx2.URL, headers: Headers, reason: str) -> None:
        """Store a call before its caller hears that it failed; raises Refused where it cannot be and must."""
        await wait(self._keeping(call, url, headers, reason), self.wait_s)

    def keep_sync(self, call: Call, url: httpx2.URL, headers: Headers, reason: str) -> None:
        """Store a call as `keep` does, blocking."""
        wait_sync(self._keeping(call, url, headers, reason), self.wait_s)

    def _keeping(self, call: Call, url: httpx2.URL, headers: Headers, reason: str) -> Waiting[None]:
        if self.letters is None or call.unscreened or call.method in _FREE or call.letter:
            return
        try:
            call.letter = yield from self.letters.keep(_letter(call, url, headers, reason))
            call.guard.metrics.kept(reason)
        except Unavailable as failure:
            call.failed("store", failure)  # raises where the policy blocks

    # the call

    def forwarder(self, call: Call, prepared: Prepared) -> Forwarded:
        """What forwards this call: with retries, or once for an endpoint that guard does not read."""
        tries = _tries(call)

        async def send(url: httpx2.URL, headers: Headers, timeouts: Timeouts | None) -> Any:
            async def once(to: Sending) -> Answer:
                _check_key(call, to)
                tries.sent()
                return await forward(call, to.url, to.headers, to.body, timeouts, to.settled)

            if call.unscreened:
                sending = Sending(0, "", prepared.model, url, headers, prepared.body, call.admission)
                return await _counted(once(sending), tries)
            sendings = outbound(call, _candidates(call, prepared, url), prepared, url, headers)
            held = await self.sender.send(sendings, once, _note(call, tries))
            held.headers = [*held.headers, *_served(call, tries.model)]
            return held

        return send

    def send_sync(self, call: Call, prepared: Prepared, request: httpx2.Request) -> httpx2.Response:
        """Send a blocking client's request, as `request` says."""
        tries = _tries(call)

        def once(to: Sending, within_s: float) -> httpx2.Response:
            tries.sent()
            return forward_sync(call, _within(request, to.url, within_s), to.headers, to.body, to.settled)

        url, headers = request.url, [(k.lower(), v) for k, v in request.headers.raw]
        if call.unscreened:
            sending = Sending(0, "", prepared.model, url, headers, prepared.body, call.admission)
            answer = once(sending, self.sender.deadline_s)
            tries.ended(answer.status_code, "")
            return answer
        sendings = outbound(call, _candidates(call, prepared, url), prepared, url, headers)
        held = self.sender.send_sync(sendings, once, _note(call, tries))
        held.headers.update(_served(call, tries.model))
        return held


def _check_key(call: Call, to: Sending) -> None:
    """At each hop to another model: whether the caller's key holds still (C19)."""
    if to.number and call.entitled is not None and not call.entitled():
        raise Refused("invalid_api_key", "the gateway does not know this key any more", status=401)


def _tries(call: Call) -> Tries:
    return call.entered.tries if call.entered is not None else Tries()


async def _counted(answer: Awaitable[Answer], tries: Tries) -> Answer:
    try:
        given = await answer
    except UpstreamError as failure:
        tries.ended(0, failure.kind)
        raise
    tries.ended(given.status, "")
    return given


def _key(per: Per, call: Call, model: str, headers: Headers) -> str:
    """Whose limit it is: never what the body says of its caller, nor a header that a client may make up (C46)."""
    tenant, user = call.tenant, call.exchange.identity.user
    if per == "key":
        given = next((v for k, v in headers if k.lower() == b"authorization"), b"")
        return f"{tenant}/{hashlib.sha256(given.rpartition(b' ')[2]).hexdigest()[:32]}"
    route = call.endpoint.name if call.endpoint is not None else call.path
    return {"tenant": tenant, "user": f"{tenant}/{user}", "model": model, "route": route}[per]


def _candidates(call: Call, prepared: Prepared, url: httpx2.URL) -> Sequence[Candidate]:
    return call.entered.candidates if call.entered is not None else (first(call, prepared.model, url),)


def _served(call: Call, name: str) -> list[tuple[bytes, bytes]]:
    """Say who answered, where it is another than the caller named; in the record too."""
    entered = call.entered
    if entered is not None and isinstance(call.body, dict) and name != entered.serving:
        call.switch(next(c for c in entered.candidates if c.name == name))
        entered.serving = name
    return [(b"x-guard-model", name.encode("ascii", "replace"))] if call.asked else []


def _switched(call: Call, prepared: Prepared, candidate: Candidate) -> Prepared:
    """The same request to another model."""
    call.switch(candidate)
    return Prepared(to(call, candidate, prepared), prepared.stream, candidate.model)


def _letter(call: Call, url: httpx2.URL, headers: Headers, reason: str) -> Letter:
    body, policy = call.body, call.policy
    if call.home is not None:
        url, headers = call.home, call.homeward
    model = call.named or call.asked or (body.get("model") if isinstance(body, dict) else "")
    sent = [(k.lower(), v) for k, v in headers if k.lower() != b"idempotency-key"]
    return Letter(
        tenant=call.tenant,
        user=call.user,
        model=identifier(model) or "",
        endpoint=call.endpoint.name if call.endpoint else "",
        method=call.method,
        url=str(url),
        policy=policy.policy,
        sha256=policy.sha256,
        reason=reason,
        attempts=call.attempts,
        trace=call.trace_id,
        tools=acts(body),
        streamed=call.cut,
        headers=[*sent, *([(b"idempotency-key", call.idempotency_key)] if call.idempotency_key else [])],
        body=call.lasting(),
        paths=call.exchange.paths,
        asked=call.exchange.asked,
        keys=call.exchange.identity.called,
        found=call.found,
        routes=call.routes and call.guard.providers is not None,
    )


def _note(call: Call, tries: Tries) -> Note:
    def note(tried: Tried) -> None:
        tries.ended(tried.status, tried.error, tried.model)
        call.tried(tried)

    return note


def _within(request: httpx2.Request, url: httpx2.URL, within_s: float) -> httpx2.Request:
    """The request to whom it is sent now, with each of its waits cut to the time that is left."""
    asked = request.extensions.get("timeout", {})
    waits = {
        name: min(within_s, asked.get(name) or within_s) for name in ("connect", "read", "write", "pool")
    }
    return httpx2.Request(request.method, url, extensions={**request.extensions, "timeout": waits})
