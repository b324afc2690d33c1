"""Floor 6, the account of one call: the span of intent, the span of its outcome, and what is counted of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from guard.answers import Headers
from guard.engine import Screened
from guard.keys import keyed_hash
from guard.policy.waivers import applied
from guard.trace import records, spans
from guard.trace.metrics import Called
from guard.trace.spans import Span
from guard.types import Stage, Verdict

if TYPE_CHECKING:
    from guard.call import Call, Prepared
    from guard.candidates import Candidate
    from guard.traffic.sending import Tried


class Account:
    """What is recorded and counted of one call. The call says what happened; here stands how that is written.

    It is told of the call each time and does not hold it: what holds each other stays until the collector comes.
    """

    def __init__(self, call: Call, *, parent: Any, links: Sequence[Any]) -> None:
        self.intent: Span = call.guard.recorder.start(
            spans.SCREEN, parent=parent, links=links, prepared=call.guard.policy_group
        )
        self._model: Span | None = None
        self._requested: dict[str, Any] = {}
        self._outcome: str | None = None
        self._told: Mapping[str, Any] | None = None
        self._elsewhere: Mapping[str, Any] = {}
        self._asked = 0.0
        self._first: float | None = None
        self._took = 0.0

    @property
    def begun(self) -> bool:
        """Whether the model call has begun."""
        return self._model is not None

    @property
    def asked(self) -> str:
        """The model that was asked, as the record has it."""
        return self._requested.get(spans.REQUEST_MODEL) or ""

    def hear(self, headers: Headers) -> None:
        """Note what the caller says came of the call (`x-guard-outcome`)."""
        self._outcome = records.outcome_word(headers)

    def user(self, call: Call) -> str:
        """The caller as a keyed hash: `safety_identifier`, else `user`, else the identity (design, section 5)."""
        named, body = "", call.body
        if isinstance(body, dict):
            safety, user = body.get("safety_identifier"), body.get("user")
            named = safety if isinstance(safety, str) else user if isinstance(user, str) else ""
        user = named or call.exchange.identity.user
        return keyed_hash(call.guard.keys.users, user) if user else ""

    def _common(self, call: Call) -> Mapping[str, Any]:
        """What all spans of the call say: who calls, and how; known once its request was read."""
        if self._told is None:
            self._told = {spans.EXCHANGE: self.intent.span_id, spans.MOUNT: call.mount, **self._who(call)}
        return {**self._told, spans.NOTES: list(call.notes)} if call.notes else self._told

    def _who(self, call: Call) -> Mapping[str, Any]:
        who, asked = call.exchange.identity, call.exchange.asked
        told: dict[str, Any] = {spans.TENANT: who.tenant}
        if user := self.user(call):
            told[spans.USER] = user
        if who.key:
            told[spans.CLIENT_KEY] = who.key
        if who.keys and len(who.keys) > 1:
            told[spans.CLIENT_KEY_NAME] = who.keys[1]
        if asked:
            told[spans.POLICY_ASKED] = list(asked)
        if self._outcome is not None:
            told[spans.OUTCOME] = self._outcome
        return told

    def screened(self, call: Call, screened: Screened, forwarded: int, error: str) -> bytes:
        """The record of intent: what was found and decided, and where the request may go."""
        span = self.intent
        if call.admission is not None:
            call.guard.metrics.admitted(call.admission)
        span.set_all(self._common(call))
        span.set_all(
            records.screen_attributes(
                screened.verdict,
                endpoint=call.endpoint.name if call.endpoint else call.method,
                screened_bytes=screened.screened_bytes,
                forwarded_bytes=forwarded,
                receipts=call.exchange.receipts,
                admission=call.admission,
            )
        )
        self._decided(call, span, screened.verdict)
        if error:
            span.error(error)
        self._seal(call, span)
        return span.end()

    def _seal(self, call: Call, span: Span) -> None:
        """Put the texts that are kept for the auditor on a span."""
        kept, auditor = call.exchange.kept, call.guard.auditor
        if kept is not None and auditor is not None:
            texts, cut = kept.take()
            if texts:
                auditor.seal(span, texts, original=kept.original, cut=cut)

    def unread(self, call: Call, error: str) -> bytes:
        """The record of a request that could not be read."""
        span = self.intent
        span.set_all(self._common(call))
        span.set(spans.STAGE, str(Stage.INPUT))
        span.error(error)
        return span.end()

    def count(self, call: Call, verdict: Verdict | None) -> None:
        """Count a verdict, and what became of each check."""
        metrics = call.guard.metrics
        if verdict is not None:
            metrics.decided(verdict, call.tenant)
        metrics.checked(call.exchange.receipts)

    def _decided(self, call: Call, span: Span, verdict: Verdict) -> None:
        if not verdict.decisions:
            return
        if call.policy.waivers:
            span.set(spans.WAIVED, _waived(call, verdict) or None)
        exchange = call.exchange
        events = spans.finding_events(verdict, exchange.subject)
        span.events(events)
        if any(any(attributes.get(spans.SUBJECTS, ())) for _, attributes in events):
            span.set(spans.SUBJECT_KEY, exchange.subject_key_id)

    def start_model(self, call: Call, prepared: Prepared, host: str, port: int | None) -> None:
        """Begin the model call's own span."""
        self._asked = time.perf_counter()
        self._requested = records.request_attributes(call.endpoint, call.body, host, port)
        if self._elsewhere:
            told = {key: value for key, value in self._elsewhere.items() if key in self._requested}
            self._requested |= told
        self._model = call.guard.recorder.start(
            records.model_span_name(call.endpoint, prepared.model),
            kind="client",
            parent=self.intent,
            attributes={**self._common(call), **self._elsewhere, **self._requested},
            prepared=call.guard.policy_group,
        )

    def tried(self, call: Call, tried: Tried) -> None:
        """Note one try of the model call: both a failure and what answered stand in one trace."""
        failure = tried.error or (str(tried.status) if tried.status >= 400 else "")
        call.guard.metrics.tried(tried.model, tried.number, failure)
        if self._model is not None:
            where = tried.settled if call.guard.providers is not None else None
            self._model.event(
                spans.ATTEMPT,
                records.attempt_attributes(
                    tried.number, tried.model, tried.status, tried.error, tried.seconds, where
                ),
            )

    def switch(self, call: Call, candidate: Candidate) -> None:
        """Note that another model is asked than before, and where, if that is elsewhere."""
        told = {spans.REQUEST_MODEL: records.identifier(candidate.model)}
        where = {} if call.guard.providers is None else records.place_attributes(candidate)
        if self._model is None:
            self._elsewhere = where
            return
        self._requested |= told | {key: value for key, value in where.items() if key in self._requested}
        self._model.set_all(told | where)

    def first_chunk(self) -> None:
        """Note how long the model took to begin its answer (seconds, from the span's start)."""
        if self._model is not None and self._first is None:
            self._first = time.perf_counter() - self._asked
            self._model.set(spans.FIRST_CHUNK, self._first)

    def stop(self, call: Call) -> Span:
        """Note that the call has ended; gives the span of its outcome, which `end` may write later."""
        self._took = time.perf_counter() - self._asked
        span = self._model or call.guard.recorder.start(
            spans.SCREEN,
            parent=self.intent,
            attributes=self._common(call),
            prepared=call.guard.policy_group,
        )
        span.stop()
        return span

    def end(
        self,
        call: Call,
        span: Span,
        verdict: Verdict | None,
        usage: Any,
        error: str,
        *,
        screened: int,
        unchecked: int,
        cost: Mapping[str, Any],
    ) -> None:
        """Write the outcome, not awaited, and count it. `screened` and `unchecked` are bytes of a stream."""
        outcome = records.outcome_attributes(verdict, usage, call.exchange.receipts, screened)
        span.set_all(outcome)
        if call.notes:
            span.set(spans.NOTES, list(call.notes))
        if call.letter:
            span.set(spans.LETTER, call.letter)
        if unchecked:
            span.set(spans.RELEASED_UNCHECKED, unchecked)
        span.set_all(records.restore_attributes(call.exchange.came_back))
        if verdict is not None:
            self._decided(call, span, verdict)
        if error:
            span.error(error)
        span.set_all(cost)
        self._seal(call, span)
        call.guard.ledger.append(span.end())
        self.count(call, verdict)
        if call.endpoint is not None and call.endpoint.operation and self._requested:
            self._measure(call, outcome, error)

    def _measure(self, call: Call, outcome: Mapping[str, Any], error: str) -> None:
        asked = self._requested
        called = Called(
            asked[spans.OPERATION],
            asked[spans.PROVIDER],
            asked[spans.REQUEST_MODEL] or "",
            asked[spans.SERVER_ADDRESS],
            asked[spans.SERVER_PORT],
            self._took,
            self._first,
            error,
            outcome.get(spans.INPUT_TOKENS),
            outcome.get(spans.OUTPUT_TOKENS),
            bool(outcome.get(spans.RESPONSE_MODEL)),
        )
        call.guard.metrics.called(called)


def _waived(call: Call, verdict: Verdict) -> list[str]:
    """Name the exceptions by which something went on that the rules would have stopped or taken out."""
    decided = ((d.finding.kind, d.action, d.enforced) for d in verdict.decisions)
    return applied(call.policy.waivers, str(verdict.stage), decided)
