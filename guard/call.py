"""Floor 6, the law of one exchange: screen, admit, record, forward, screen, record. Every mount runs it.

`Call` is sans-I/O like the engine: its flows yield effects, its mount forwards between them. It raises
`Refused` or `BadRequest` for what may not go on (`guard.refusals` turns those into answers).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from guard import answers, intake
from guard.account import Account
from guard.answers import Headers
from guard.clearance import Cleared, clear
from guard.engine import Exchange, Screened, lasting, screen_input, screen_output
from guard.errors import BadRequest, Refused, Unavailable
from guard.moderation import ask_inline
from guard.pii.kept import Kept
from guard.placement import Request, forgetful, settle
from guard.policy.decide import decide, judges
from guard.refusals import Reply, choices_of, refused
from guard.sentences import message_for
from guard.services.outages import OUTAGES
from guard.stream import StreamGate
from guard.trace import records
from guard.trace.spans import Span
from guard.types import (
    Action,
    Admission,
    Commit,
    Finding,
    Flow,
    Receipt,
    Segment,
    Stage,
    Verdict,
)
from guard.wire import jsonbody, legacy, refusal
from guard.wire.calls import calls
from guard.wire.documents import Places
from guard.wire.hints import hinted
from guard.wire.media import Document
from guard.wire.openai import RESPONSES, Endpoint, endpoint

if TYPE_CHECKING:
    import httpx2

    from guard.candidates import Candidate
    from guard.dispatch import Entered
    from guard.guard import Guard
    from guard.traffic.providers import Target
    from guard.traffic.sending import Tried

log = logging.getLogger("guard")

Mount = Literal["gateway", "client", "edge", "replay"]
# Where a named route has its texts, in and out.
RoutePlaces = tuple[Places, Places]

_KEYLESS = Finding("guard.unavailable.store", 0, 0, 1.0, "guard")
"""What a request is of which no record could say whom it is about: the key of its tenant's subjects is out of reach."""


class Prepared(NamedTuple):
    """A request that may go on: the body as it was screened, written out again, and what it is now called."""

    body: Cleared
    stream: bool
    model: str
    content_type: str = ""

    def __repr__(self) -> str:
        return object.__repr__(self)  # it holds texts


class Call:
    """One request and its answer under one policy version, with its trace."""

    def __init__(
        self,
        guard: Guard,
        mount: Mount,
        method: str,
        path: str,
        exchange: Exchange,
        *,
        route: RoutePlaces | None = None,
        url: httpx2.URL | None = None,
        parent: Any = None,
        links: Sequence[Any] = (),
        change: bool = True,
        defers: bool = False,
    ) -> None:
        self.guard = guard
        self.policy = guard.policy
        self.mount = mount
        self.method = method
        self.path = path
        self.exchange = exchange
        self.endpoint: Endpoint | None = _known(mount, method, path)
        self.route = route
        self.url = url
        self.admission: Admission | None = guard.admit(url) if url is not None else None
        self.action = Action.ALLOW
        self.body: Any = None
        self.notes: tuple[str, ...] = ()
        self.old: legacy.OldStream | None = None
        self.document: Document | None = None
        self.change = change
        self.defers = defers
        self.routes = mount == "gateway"  # elsewhere the client said where its calls go
        self._account = Account(self, parent=parent, links=links)

    @property
    def unscreened(self) -> bool:
        """Whether this is an endpoint that guard does not read and the policy lets pass."""
        return self.endpoint is None and self.route is None

    @property
    def parent(self) -> Span:
        """The span of intent: what belongs to the exchange stands below it."""
        return self._account.intent

    @property
    def begun(self) -> bool:
        """Whether the model call has begun: the provider may have seen it."""
        return self._account.begun

    @property
    def whole(self) -> bool:
        """Whether a streamed answer came to its own end, or to a refusal: what is left of it is here already."""
        return self._gate is not None and self._gate.complete

    @property
    def trace_id(self) -> str:
        """The trace id, 32 hex digits."""
        return str(self.parent.trace_id)

    # toward the model

    def open(self, headers: Headers, body: bytes) -> Flow[Prepared]:
        """Screen a request and commit the record of intent; raises Refused or BadRequest."""
        self._account.hear(headers)
        try:
            segments, opaque = intake.read(self, headers, body)
        except BadRequest as bad:
            yield from self._commit_bad(bad)
            raise
        exchange = self.exchange
        opaque = (*opaque, _KEYLESS) if exchange.keyless else opaque
        if self.policy.trace.content == "encrypted":
            exchange.kept = Kept(self.policy.trace.what == "original")
        screened = yield from screen_input(self.policy, exchange, segments, opaque, change=self.change)
        exchange.keep_all(segments, screened.verdict.decisions)
        self._settle(screened.verdict)
        refusal_ = self._refusal(screened.verdict)
        self._screened = segments, screened
        out = b"" if refusal_ else self._compile(screened, body)
        yield from self._commit(screened, out, refusal_)
        if refusal_:
            raise refusal_
        model = self.body.get("model") if isinstance(self.body, dict) else None
        stream = isinstance(self.body, dict) and self.body.get("stream") is True
        called = self.document.content_type if self.document else ""
        return Prepared(clear(screened, out), stream, model if isinstance(model, str) else "", called)

    def _remember(self, usage: Any) -> None:
        """Keep the placeholders of an answer that the provider stores, for a request that goes on from it."""
        answer = usage.get("id") if isinstance(usage, dict) and self.endpoint is RESPONSES else None
        stored = isinstance(self.body, dict) and self.body.get("store") is not False
        if isinstance(answer, str) and answer and stored and self.change and not self.exchange.unknown:
            self.guard.histories.remember(self.exchange.identity, answer, self.exchange.placeholders)

    def called(self, path: str) -> str:
        """The path that the provider is called at: an old engine's is today's, where it was translated."""
        return legacy.without_engine(path) if "legacy.engine_path" in self.notes else path

    def told(self, data: bytes) -> bytes:
        """What the caller gets for released bytes of a stream: in the old style, if the request spoke it."""
        return data if self.old is None else self.old.feed(data)

    def _compile(self, screened: Screened, body: bytes) -> bytes:
        if self.document is not None:
            return self.document.written(screened.changes)
        if self.body is None:
            return body
        changed = jsonbody.replace(self.body, screened.changes) if screened.changes else self.body
        self._inline = self._is_inline()
        example = next(iter(self.exchange.placeholders.restorable), "") if self.policy.restore.hint else ""
        changed = hinted(self.endpoint, changed, example) if example else changed
        return jsonbody.dump(ask_inline(changed, self.policy.moderation.model) if self._inline else changed)

    def lasting(self) -> bytes:
        """The screened request as it may be stored: what a rule only observes is taken out of it all the same."""
        if not isinstance(self.body, dict):
            return b""
        body = jsonbody.replace(self.body, lasting(*self._screened, self.exchange.placeholders))
        named = self.named or self.asked
        return jsonbody.dump({**body, "model": named} if named else body)

    @property
    def found(self) -> dict[str, float]:
        """The kinds that were found in the request, each with its greatest score."""
        best: dict[str, float] = {}
        for finding in self._screened[1].verdict.findings:
            best[finding.kind] = max(finding.score, best.get(finding.kind, 0.0))
        return best

    def _is_inline(self) -> bool:
        """Whether the provider is asked to judge its own answer: where the API has a parameter for that."""
        return (
            self.policy.moderation.by == "inline"
            and judges(self.policy)
            and self.mount != "edge"
            and self.endpoint is not None
            and self.endpoint.name in ("chat", "responses")
            and isinstance(self.body, dict)
        )

    @property
    def _hidden(self) -> bool:
        """Whether the caller did not ask for the provider's judgement, and is not shown it."""
        return self._inline and "moderation" not in self.body

    def _settle(self, verdict: Verdict) -> None:
        """Decide where this request may go: by what was found in it, and by what it says itself."""
        egress = self.policy.egress
        self._found = (*verdict.findings, *self.carried)
        if self.admission is None or not egress.restricts:
            return
        request = self._request(self.body)
        self.admission = settle(self.admission, request, egress, self._found)
        if (
            isinstance(self.body, dict)
            and self.body.get("store") is None
            and forgetful(self.admission, request, egress)
        ):
            self.body = {**self.body, "store": False}

    def _request(self, body: Any) -> Request:
        path = self.path if self.target is None or self.url is None else self.url.path
        return Request.of(self.endpoint.name if self.endpoint else "", path, body)

    def admitted_to(self, model: str, url: httpx2.URL | None, *, elsewhere: bool = False) -> Admission | None:
        """What is decided of the same request to another model, or `elsewhere` (law 9): it may be another place."""
        if url is None:
            return None
        admission, egress = self.guard.admit(url), self.policy.egress
        if not egress.restricts:
            return admission
        endpoint = self.endpoint.name if self.endpoint else ""
        request = Request.of(endpoint, url.path if elsewhere else self.path, {**self.body, "model": model})
        return settle(admission, request, egress, self._found)

    def forgets(self, admission: Admission | None, model: str) -> bool:
        """Whether the request to another provider must say that nothing is stored, and does not yet."""
        if admission is None or not isinstance(self.body, dict) or self.body.get("store") is not None:
            return False
        endpoint = self.endpoint.name if self.endpoint else ""
        return forgetful(admission, Request(endpoint, model), self.policy.egress)

    @property
    def goes_on(self) -> bool:
        """Whether the request goes on from an answer that only its own provider has."""
        return bool(intake.history(self.endpoint, self.body)[0])

    def _refusal(self, verdict: Verdict) -> Refused | None:
        self.action = max(self.action, verdict.enforced)
        if self.admission is not None and not self.admission.allowed:
            return Refused(
                self.admission.code or "egress.host", self.admission.reason, status=451, verdict=verdict
            )
        blocking = verdict.blocking
        if blocking is None:
            return None
        return refused(self.policy, blocking, verdict, self.exchange.languages)

    def _commit(self, screened: Screened, out: bytes, refusal_: Refused | None) -> Flow[None]:
        record = self._account.screened(self, screened, len(out), refusal_.code if refusal_ else "")
        try:
            yield Commit(record)
            self.exchange.receipts.note("record", Receipt.RAN)
        except Unavailable as failure:
            self.failed("record", failure)
        finally:
            self._account.count(self, screened.verdict)

    def failed(self, check: str, failure: Unavailable) -> None:
        """Decide what follows from a check that could not run; raises Refused where the policy blocks."""
        if check != "record":  # a commit's driver has told
            OUTAGES.tell(failure)
        finding = Finding(failure.kind, 0, 0, 1.0, "guard", "")
        verdict = decide(self.policy, Stage.INPUT, [finding])
        blocked = verdict.blocking
        self.guard.metrics.found(verdict)
        self.exchange.receipts.note(check, Receipt.FAILED_CLOSED if blocked else Receipt.FAILED_OPEN)
        if blocked:
            raise refused(self.policy, blocked, verdict, self.exchange.languages)

    def _commit_bad(self, bad: BadRequest) -> Flow[None]:
        try:
            yield Commit(self._account.unread(self, bad.code))
        except Unavailable as failure:
            self.failed("record", failure)

    @property
    def tenant(self) -> str:
        """Whose call it is."""
        return self.exchange.identity.tenant

    @property
    def user(self) -> str:
        """The caller as a keyed hash: `safety_identifier`, else `user`, else the identity (design, section 5)."""
        return self._account.user(self)

    # toward the caller

    def start_model(self, prepared: Prepared, host: str, port: int | None) -> None:
        """Begin the model call's own span."""
        self._account.start_model(self, prepared, host, port)

    def tried(self, tried: Tried) -> None:
        """Note one try of the model call."""
        self.attempts = tried.number
        self._account.tried(self, tried)

    def switch(self, candidate: Candidate) -> None:
        """Note that another model is asked than the caller named."""
        named = self.named or self.asked or str(self.body["model"])
        self.asked, self.body = named, {**self.body, "model": candidate.model}
        self._account.switch(self, candidate)

    def first_chunk(self) -> None:
        """Note that the model began its answer."""
        self._account.first_chunk()

    def answer(self, status: int, headers: Headers, body: bytes) -> Flow[Reply]:
        """Screen a whole answer; raises Refused or BadRequest where there is none to give."""
        self.heard = answers.good(status)
        own = self.route is not None
        document = answers.parsed(status, headers, body, self.guard.answer_limits, own=own)
        if document is None:
            return (yield from self._worded(status, headers, body))
        data = document.value
        reading = answers.reading(status, document, self.endpoint, self.route[1] if self.route else None)
        screening = screen_output(
            self.policy,
            self.exchange,
            reading.segments,
            (*reading.opaque, *answers.strangers(self.policy, self.endpoint, data)),
            judging=answers.good(status),
            calls=calls(self.endpoint, data),
        )
        screened = yield from (answers.inlined(screening, data) if self._inline else screening)
        self.exchange.keep_all(reading.segments, screened.verdict.decisions)
        self.action = max(self.action, screened.verdict.enforced)
        blocking = screened.verdict.blocking
        self.finish(
            screened.verdict, usage=data, error=blocking.finding.kind if blocking else "", status=status
        )
        if blocking is not None and (
            refusal.status(blocking.finding.kind) == 503 or not self._known(status, data)
        ):
            raise refused(self.policy, blocking, screened.verdict, self.exchange.languages)
        changed = jsonbody.replace(data, screened.changes)
        changed = jsonbody.drop(changed, reading.stale(tuple(screened.changes)))
        if blocking is not None:
            changed = self._blocked(screened.verdict, changed)
        if self._hidden and isinstance(changed, dict):
            changed = {key: value for key, value in changed.items() if key != "moderation"}
        if self.old is not None and answers.good(status):
            changed = legacy.old_answer(changed)
        return Reply(status, document.write(changed))

    def unreadable(self, status: int, headers: Headers) -> str:
        """What the good answer of a named route is, where its media type says that nobody can screen it."""
        return answers.unreadable(status, headers) if self.route is not None else ""

    def pass_unread(self, what: str) -> Refused | None:
        """Decide about an answer that cannot be read, and write the outcome; None where the policy lets it pass."""
        verdict = decide(self.policy, Stage.OUTPUT, [Finding(f"guard.opaque.{what}", 0, 0, 1.0, "guard", "")])
        self.action = max(self.action, verdict.enforced)
        blocking = verdict.blocking
        self.finish(verdict, error=blocking.finding.kind if blocking else "")
        return refused(self.policy, blocking, verdict, self.exchange.languages) if blocking else None

    def _worded(self, status: int, headers: Headers, body: bytes) -> Flow[Reply]:
        """An error that is not JSON: an application's own words stay, screened; a provider's page does not."""
        text = answers.words(headers, body) if self.mount == "edge" else None
        if text is None:
            self.finish(None, error=str(status))
            failure = refusal.error_body("upstream_error", "the answer is an error that is not JSON")
            return Reply(status, jsonbody.dump(failure), ((b"content-type", b"application/json"),))
        segment = Segment("", text)
        screened = yield from screen_output(self.policy, self.exchange, [segment], (), judging=False)
        self.exchange.keep_all([segment], screened.verdict.decisions)
        self.action = max(self.action, screened.verdict.enforced)
        self.finish(screened.verdict, error=str(status))
        if screened.verdict.blocking is not None:
            raise refused(self.policy, screened.verdict.blocking, screened.verdict, self.exchange.languages)
        return Reply(status, screened.changes.get("", text).encode())

    def _known(self, status: int, data: Any) -> bool:
        chosen = self.endpoint is not None and self.endpoint.streams and self.route is None
        return chosen and isinstance(data, dict) and answers.good(status)

    def _blocked(self, verdict: Verdict, data: Any) -> Any:
        assert self.endpoint is not None
        blocks = [d for d in verdict.decisions if d.enforced is Action.BLOCK]
        message = message_for(self.policy, blocks[0], Stage.OUTPUT, self.exchange.languages)
        self.exchange.released.add(self.exchange.digest(message))
        return refusal.blocked_response(self.endpoint, data, message, choices_of(blocks))

    def gate(self) -> StreamGate:
        """Make the machine that screens a streamed answer."""
        assert self.endpoint is not None
        self.heard = True
        choices = self.body.get("n") if isinstance(self.body, dict) else None
        self._gate = StreamGate(
            self.policy,
            self.endpoint,
            self.exchange,
            cuts=self.guard.detector.cuts(self.tenant),
            reach=self.guard.detector.context,
            limits=self.guard.answer_limits,
            choices=choices if isinstance(choices, int) else 1,
            inline=self._inline,
            hidden=self._hidden,
            quiet=self.guard.detector.quiet(self.tenant),
        )
        return self._gate

    def finish_stream(self, gate: StreamGate, error: str = "") -> None:
        """Write the outcome of a streamed answer."""
        self.action = max(self.action, gate.verdict().enforced)
        body: dict[str, Any] = {"id": gate.seen.id, "model": gate.seen.model, "usage": gate.seen.usage}
        body["choices"] = [{"finish_reason": reason} for reason in gate.seen.finish_reasons]
        self._unchecked = gate.unchecked_bytes
        self.finish(gate.verdict(), usage=body, error=error or gate.code, screened=gate.screened_bytes)

    def finish(
        self,
        verdict: Verdict | None,
        *,
        usage: Any = None,
        error: str = "",
        status: int = 200,
        screened: int = 0,
    ) -> None:
        """Write the outcome: once, not awaited (the answer is released; readiness waits for it).

        A mount that `defers` writes it by `write_outcome`: an answer need not wait for what is written of it.
        """
        if self._finished:
            return
        self._finished = True
        if self.stopped and error == "client_left":
            error = "guard_stopped"
        self.failure = error or (str(status) if status >= 400 else "")
        self._note_ends(usage)
        self._remember(usage)
        end = partial(
            self._account.end,
            self,
            self._account.stop(self),
            verdict,
            usage,
            self.failure,
            screened=screened,
            unchecked=self._unchecked,
            cost=self._leave(usage),
        )
        if self.defers:
            self._outcome = end
        else:
            end()

    def write_outcome(self) -> None:
        """Write what `finish` put off until the answer had gone; where guard fails at it, that is logged (law 5)."""
        end, self._outcome = self._outcome, None
        if end is None:
            return
        try:
            end()
        except Exception as failure:
            log.error("the outcome of a call is not on record: %s", type(failure).__name__)

    def _note_ends(self, answer: Any) -> None:
        choices = answer.get("choices") if isinstance(answer, dict) else None
        ends = (
            [c.get("finish_reason") for c in choices if isinstance(c, dict)]
            if isinstance(choices, list)
            else ()
        )
        if self.endpoint is not None and legacy.unknown_ends(self.endpoint, ends):
            self.notes += ("unknown_finish_reason",)

    def _leave(self, answer: Any) -> Mapping[str, Any]:
        """Settle what the call was let in for; gives what it cost, as the record has it."""
        if self.entered is None or self.guard.dispatch is None:
            return {}
        cost = self.guard.dispatch.leave(self.entered, answer)
        if cost is not None:
            self.guard.metrics.cost(self.tenant, self.entered.tries.model or self._account.asked, cost)
        return records.cost_attributes(self.asked, cost)

    def left(self) -> None:
        """The client went away before its request was whole: nothing goes on (case A04)."""
        self.finish(None, error="client_left")

    entered: Entered | None = None
    target: Target | None = None
    home: httpx2.URL | None = None
    homeward: Headers = ()
    entitled: Callable[[], bool] | None = None
    named = ""
    _found: Sequence[Finding] = ()
    _screened: tuple[Sequence[Segment], Screened]
    stopped = False
    asked = ""
    letter = ""
    failure = ""
    carried: Sequence[Finding] = ()
    heard = cut = False
    _gate: StreamGate | None = None
    idempotency_key = b""
    attempts = 0
    _finished = False
    _outcome: Callable[[], None] | None = None
    _unchecked = 0
    _inline = False


def _known(mount: Mount, method: str, path: str) -> Endpoint | None:
    """The endpoint; toward a provider another method is another endpoint (GET of chat lists what is stored)."""
    found = endpoint(method, path)
    return found if found is None or mount == "edge" or found.method == method.upper() else None
