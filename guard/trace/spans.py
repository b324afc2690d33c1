"""Every span and attribute name in one place, and the recorder that no environment variable can silence.

`gen_ai.*`, `openai.*`, `server.*` and `error.type` are OpenTelemetry's (semantic-conventions-genai); what is
ours is under `guard.*`. docs/trace.md explains each name.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

from guard.errors import SetupError
from guard.trace.columns import Columns, Encoded, encode
from guard.trace.otlpjson import dumps, key_values
from guard.trace.provider import IDS, always_on
from guard.types import Decision, Finding, Verdict

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext

__all__ = ["Recorder", "Span", "current_parent", "finding_events", "remote_parent"]

# Spans.
SCREEN = "guard.screen"
START, STOP, POLICY_LOADED = "guard.start", "guard.stop", "guard.policy.loaded"
POLICY_REFUSED = "guard.policy.refused"

REVEAL = "guard.reveal"
AUDIT_READ, AUDIT_ERASED = "guard.audit.read", "guard.audit.erased"
AUDIT_DELETED, AUDIT_HELD, AUDIT_RELEASED = "guard.audit.deleted", "guard.audit.held", "guard.audit.released"
LETTERS_DROPPED = "guard.letters.dropped"
KEY_ROTATED = "guard.key.rotated"
CLIENT_KEY_CREATED, CLIENT_KEY_REVOKED = "guard.client_key.created", "guard.client_key.revoked"
SUBJECT_KEY_CREATED, SUBJECT_KEY_DESTROYED = "guard.subject_key.created", "guard.subject_key.destroyed"
LOGINS_LIMITED = "guard.logins.limited"
SPEND = "guard.spend"
ALERT = "guard.alert"

# Attributes: OpenTelemetry GenAI.
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE = "gen_ai.request.temperature"
REQUEST_TOP_P = "gen_ai.request.top_p"
REQUEST_FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty"
REQUEST_PRESENCE_PENALTY = "gen_ai.request.presence_penalty"
REQUEST_SEED = "gen_ai.request.seed"
REQUEST_CHOICES = "gen_ai.request.choice.count"
REQUEST_REASONING = "gen_ai.request.reasoning.level"
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
OPENAI_API = "openai.api.type"
OPENAI_FINGERPRINT = "openai.response.system_fingerprint"
OPENAI_TIER = "openai.response.service_tier"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
ERROR_TYPE = "error.type"

# Attributes: guard.
POLICY_NAME = "guard.policy.name"
POLICY_VERSION = "guard.policy.version"
POLICY_SHA256 = "guard.policy.sha256"
POLICY_MODE = "guard.policy.mode"
WAIVED = "guard.waived"
GLASS = "guard.break_glass"
GLASS_KIND, GLASS_TICKET = "guard.break_glass.kind", "guard.break_glass.ticket"
GLASS_BY, GLASS_UNTIL = "guard.break_glass.by", "guard.break_glass.until"
POLICY_BEFORE = "guard.policy.before"
POLICY_PROBLEMS = "guard.policy.problems"
STAGE = "guard.stage"
ACTION = "guard.action"
ENFORCED = "guard.enforced"
TENANT = "guard.tenant"
USER = "guard.user"
CLIENT_KEY = "guard.client_key"
CLIENT_KEY_NAME = "guard.client_key.name"
CLIENT_KEY_ROLE = "guard.client_key.role"
SUBJECT_KEY = "guard.subject_key"
SUBJECT_KEYS = "guard.subject_key.ids"
CONTENT = "guard.content"
CONTENT_KEY, CONTENT_FORM = "guard.content.key", "guard.content.form"
CONTENT_CUT = "guard.content.cut"
LOGINS_FAILED = "guard.logins.failed"
EXCHANGE = "guard.exchange"
POLICY_ASKED = "guard.policy.asked"
MOUNT = "guard.mount"
ENDPOINT = "guard.endpoint"
RESIDENCY_HOST = "guard.residency.host"
RESIDENCY_JURISDICTION = "guard.residency.jurisdiction"
RESIDENCY_DECISION = "guard.residency.decision"
RESIDENCY_CODE = "guard.residency.code"
RESIDENCY_SOURCE = "guard.residency.source"
RESIDENCY_PROCESSING = "guard.residency.processing"
RESIDENCY_STORAGE = "guard.residency.storage"
RESIDENCY_RULES = "guard.residency.rules"
RESIDENCY_WITHIN = "guard.residency.within"
RESIDENCY_PROXY = "guard.residency.proxy"
BYTES_SCREENED = "guard.bytes.screened"
BYTES_FORWARDED = "guard.bytes.forwarded"
RESTORED = "guard.restored"
NOTES = "guard.notes"
PLACEHOLDERS_SENT = "guard.placeholders.sent"
PLACEHOLDERS_SEEN = "guard.placeholders.seen"
PLACEHOLDERS_WITHHELD = "guard.placeholders.withheld"
PLACEHOLDERS_MANGLED = "guard.placeholders.mangled"
RELEASED_UNCHECKED = "guard.released_unchecked"
CHECK = "guard.check."
MODERATION_SCORE = "guard.moderation.score."
MODERATION_TEXTS = "guard.moderation.texts"
GUARD_VERSION = "guard.version"
COST = "guard.cost.usd"
OUTCOME = "guard.outcome"
MODEL_ASKED = "guard.model.asked"
LETTER = "guard.letter"
LETTERS_COUNT, LETTERS_IDS = "guard.letters.count", "guard.letters.ids"
SPEND_SCOPE = "guard.spend.scope"
SPEND_PERIOD = "guard.spend.period"
SPEND_PERCENT = "guard.spend.percent"
SPEND_USD = "guard.spend.usd"
SPEND_LIMIT = "guard.spend.limit"
ALERT_NAME = "guard.alert.name"
ALERT_STATE = "guard.alert.state"
ALERT_VALUE = "guard.alert.value"
ALERT_LINE = "guard.alert.line"
ALERT_CALLS = "guard.alert.calls"
REVEAL_BY = "guard.reveal.by"
REVEAL_TICKET = "guard.reveal.ticket"
REVEAL_OPENED = "guard.reveal.opened"
REVEAL_CLOSED = "guard.reveal.closed"
REVEAL_KEYS = "guard.reveal.key_ids"
AUDIT_BY = "guard.audit.by"
AUDIT_VERB = "guard.audit.verb"
AUDIT_QUESTION = "guard.audit.question"
AUDIT_FORM = "guard.audit.form"
AUDIT_TICKET = "guard.audit.ticket"
AUDIT_SUBJECT = "guard.audit.subject"
AUDIT_FILES = "guard.audit.files"
AUDIT_SINCE = "guard.audit.since"
AUDIT_UNTIL = "guard.audit.until"
KEY_OLD = "guard.key.old"
KEY_NEW = "guard.key.new"

# The event of one finding, and its attributes.
FINDING = "guard.finding"
KIND = "kind"
SOURCE = "source"
RULE = "rule"
ORIGIN = "origin"
FINDING_ACTION = "action"
FINDING_ENFORCED = "enforced"
PATH = "path"
COUNT = "count"
SCORES = "scores"
STARTS = "starts"
ENDS = "ends"
SUBJECTS = "subjects"
TRUNCATED = "truncated"
MANY_PATHS = "*"

# The event of one try of a model call, and its attributes.
ATTEMPT = "guard.attempt"
NUMBER = "number"
MODEL = "model"
STATUS = "status"
ERROR = "error"
SECONDS = "seconds"
HOST = "host"
JURISDICTION = "jurisdiction"

COLUMNS = Columns(
    (
        POLICY_NAME,
        POLICY_VERSION,
        POLICY_SHA256,
        POLICY_MODE,
        STAGE,
        EXCHANGE,
        ACTION,
        ENFORCED,
        ERROR_TYPE,
        MOUNT,
        ENDPOINT,
        TENANT,
        USER,
        SUBJECT_KEY,
        BYTES_SCREENED,
        BYTES_FORWARDED,
        RESIDENCY_HOST,
        RESIDENCY_JURISDICTION,
        RESIDENCY_DECISION,
        RESIDENCY_CODE,
        OPERATION,
        PROVIDER,
        REQUEST_MODEL,
        RESPONSE_MODEL,
        RESPONSE_ID,
        INPUT_TOKENS,
        OUTPUT_TOKENS,
        COST,
        SERVER_ADDRESS,
        WAIVED,
        OUTCOME,
    ),
    together=CHECK,
    recurring=(
        STAGE,
        ACTION,
        ENFORCED,
        ERROR_TYPE,
        MOUNT,
        ENDPOINT,
        TENANT,
        CLIENT_KEY,
        CLIENT_KEY_NAME,
        SUBJECT_KEY,
        RESIDENCY_HOST,
        RESIDENCY_JURISDICTION,
        RESIDENCY_DECISION,
        RESIDENCY_CODE,
        RESIDENCY_SOURCE,
        OPERATION,
        PROVIDER,
        OPENAI_API,
        SERVER_ADDRESS,
        SERVER_PORT,
        REQUEST_MODEL,
        RESPONSE_MODEL,
        OUTCOME,
    ),
)
"""The attributes that questions are asked of; `guard/audit/audit.sql` counts on their order."""

FINDING_COLUMNS = Columns(
    (
        KIND,
        SOURCE,
        RULE,
        ORIGIN,
        FINDING_ACTION,
        FINDING_ENFORCED,
        PATH,
        COUNT,
        SCORES,
        STARTS,
        ENDS,
        SUBJECTS,
        TRUNCATED,
    )
)

ARRAY_LIMIT = 64
"""Longest array on an event; `count` says how many there were, `truncated` that some are not listed."""

EVENT_LIMIT = 1000
"""Most findings events of one span with a path of their own; those beyond are told once a kind and rule."""

# SpanKind of trace.proto
_KINDS = {"internal": 1, "server": 2, "client": 3}
_ERROR_TYPE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}")
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


class Recorder:
    """Start spans on guard's own tracer provider, whatever the environment says of OpenTelemetry.

    The line of a span is written from prepared bytes (a quarter of the time of SDK attributes plus exporter). A model
    call is a span of the SDK, too, where somebody listens: where `listeners` were given a processor of spans. Raises
    SetupError where the SDK would not record.
    """

    def __init__(self, *, service: str = "guard", instance: str = "") -> None:
        self.version = version = _version()
        resource = {"service.name": service, "service.version": version, "service.instance.id": instance}
        self.resource = resource = {key: value for key, value in resource.items() if value}
        self._tracer, self.listeners = always_on(resource, version)
        if not self._tracer.start_span("guard.probe").is_recording():
            raise SetupError("OpenTelemetry's SDK does not record: its version is not one that guard knows")
        # What every line begins with: up to the members of its one span.
        self._opening = (
            b'{"resourceSpans":[{"resource":{"attributes":%b},"scopeSpans":[{"scope":%b,"spans":[{'
            % (
                dumps(key_values(resource)),
                dumps({"name": "guard", "version": version}),
            )
        )

    def start(
        self,
        name: str,
        *,
        kind: str = "internal",
        parent: SpanContext | Span | None = None,
        links: Sequence[SpanContext] = (),
        attributes: Mapping[str, Any] | None = None,
        prepared: Encoded | None = None,
    ) -> Span:
        """Start a span: `kind` is internal, client or server.

        Without `parent` the current OpenTelemetry context is the parent (an app's own span, if there is one);
        `opentelemetry.trace.INVALID_SPAN_CONTEXT` makes a root. `prepared` are attributes encoded before.
        """
        above = _above(parent)
        clock = (time.time_ns(), time.perf_counter_ns())
        sdk = None
        if kind == "client" and self.listeners.heard:
            sdk = self._sdk_span(name, above, links, clock[0])
        return Span(self._opening, name, kind, above, links, clock, attributes, prepared, sdk)

    def _sdk_span(self, name: str, above: Above | None, links: Sequence[SpanContext], started: int) -> Any:
        otel = _otel()
        parent = otel.INVALID_SPAN if above is None else otel.NonRecordingSpan(above.context)
        return self._tracer.start_span(
            name,
            otel.set_span_in_context(parent),
            otel.SpanKind.CLIENT,
            links=[otel.Link(link) for link in links] if links else None,
            start_time=started,
            record_exception=False,
            set_status_on_exception=False,
        )


class Above(NamedTuple):
    """What a span stands below: ids as hex digits, and whether it is another process's."""

    trace_id: str
    span_id: str
    remote: bool = False

    @property
    def context(self) -> SpanContext:
        """It as OpenTelemetry's own, sampled."""
        otel = _otel()
        ids = int(self.trace_id, 16), int(self.span_id, 16)
        context: SpanContext = otel.SpanContext(*ids, self.remote, otel.SAMPLED)
        return context


class Span:
    """One span: collect attributes and events, then `end()` gives its line. Not for two threads at once.

    `trace_id` and `span_id` are 32 and 16 hex digits.
    """

    __slots__ = (
        "_above",
        "_attributes",
        "_clock",
        "_end",
        "_events",
        "_failed",
        "_kind",
        "_links",
        "_name",
        "_opening",
        "_prepared",
        "_sdk",
        "_stopped",
        "span_id",
        "trace_id",
    )

    def __init__(
        self,
        opening: bytes,
        name: str,
        kind: str,
        above: Above | None,
        links: Sequence[SpanContext],
        clock: tuple[int, int],
        attributes: Mapping[str, Any] | None,
        prepared: Encoded | None,
        sdk: Any = None,
    ) -> None:
        if sdk is None:
            self.trace_id = IDS.draw(16).hex() if above is None else above.trace_id
            self.span_id = IDS.draw(8).hex()
        else:
            context = sdk.get_span_context()
            self.trace_id, self.span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
        self._opening, self._name, self._kind = opening, name, _KINDS[kind]
        self._above, self._links, self._clock = above, links, clock
        self._prepared, self._sdk = prepared, sdk
        self._attributes: dict[str, Any] = {} if attributes is None else {**attributes}
        self._events: list[bytes] = []
        self._failed = False
        self._stopped = 0
        self._end: bytes | None = None

    @property
    def context(self) -> SpanContext:
        """Its OpenTelemetry context, as a parent or a link of other spans."""
        return Above(self.trace_id, self.span_id).context

    def set(self, name: str, value: Any) -> None:
        """Set one attribute; a later value replaces an earlier one, None removes it."""
        self._attributes[name] = value

    def set_all(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes as `set` does."""
        self._attributes.update(attributes)

    def event(self, name: str, attributes: Mapping[str, Any] | None = None) -> None:
        """Add an event that happens now."""
        self.events(((name, attributes or {}),))

    def events(self, events: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Add events that happen now, all at once: names and attributes."""
        opening = b'{"timeUnixNano":"%d","name":' % self._now()
        for name, attributes in events:
            if type(attributes) is _Found:
                self._events.append(opening + attributes.json)
                continue
            if name == FINDING:
                json = FINDING_COLUMNS.spread(encode(attributes))
            else:
                json = dumps(key_values(attributes))[1:-1]
            self._events.append(b'%b%b,"attributes":[%b]}' % (opening, _event_name(name), json))

    def prepare(self, prepared: Encoded) -> None:
        """Take other prepared attributes than those that it was started with."""
        self._prepared = prepared

    def error(self, error: BaseException | type[BaseException] | str) -> None:
        """Mark the span as failed: by the class of an exception, never its text, or by a short code."""
        self._failed = True
        self._attributes[ERROR_TYPE] = _error_type(error)

    @contextmanager
    def current(self) -> Iterator[Span]:
        """Make this the current span, so that what is started inside becomes its child."""
        otel = _otel()
        span = self._sdk or otel.NonRecordingSpan(self.context)
        # What `use_span` does where it keeps no exceptions, in half the time.
        token = otel.attach(otel.set_span_in_context(span))
        try:
            yield self
        finally:
            otel.detach(token)

    def stop(self) -> None:
        """Stop its clock: what is still said of it happened before now, and so does its end."""
        self._stopped = self._stopped or time.perf_counter_ns()

    def end(self) -> bytes:
        """End the span and give its OTLP JSON line, without a newline; again, the same line."""
        if self._end is None:
            ended = self._now()
            if self._sdk is not None:
                self._sdk.end(ended)
            self._end = self._line(ended)
        return self._end

    def _now(self) -> int:
        # The wall clock may jump; a span's length and its events' places may not.
        started, clock = self._clock
        return started + (self._stopped or time.perf_counter_ns()) - clock

    def _line(self, ended: int) -> bytes:
        """The whole line: a tab before each member that questions are asked of, and before each attribute's column."""
        above = b'"parentSpanId":"%b",' % self._above.span_id.encode() if self._above is not None else b""
        return b"".join(
            (
                self._opening,
                b'\t"traceId":"%b",\t"spanId":"%b",\t%b\t"name":%b,\t"kind":%d'
                b',\t"startTimeUnixNano":"%d",\t"endTimeUnixNano":"%d",\t"status":%b,\t"flags":%d,"links":%b'
                % (
                    self.trace_id.encode(),
                    self.span_id.encode(),
                    above,
                    dumps(self._name),
                    self._kind,
                    self._clock[0],
                    ended,
                    b'{"code":2}' if self._failed else b"{}",
                    _flags(self._above is not None and self._above.remote),
                    dumps([_link(link) for link in self._links]) if self._links else b"[]",
                ),
                b',"attributes":[',
                COLUMNS.row(self._attributes, self._prepared),
                b'],"events":[',
                b",".join(self._events),
                b"]\t}]}]}]}",
            )
        )


def finding_events(
    verdict: Verdict, subjects: Callable[[Finding], str]
) -> list[tuple[str, Mapping[str, Any]]]:
    """Describe a verdict's findings: one event for each (kind, rule, path), allowed ones too.

    `subjects` gives the keyed hash of a finding's value, or "" where there is none. Arrays and events are
    capped, counts and actions are not; an event that stands for several paths has the path `*`.
    """
    groups: dict[tuple[str, str, str], list[Decision]] = {}
    for decision in verdict.decisions:
        finding = decision.finding
        same = finding.kind, decision.rule, finding.path
        group = groups.get(same)
        if group is not None:
            group.append(decision)
        elif len(groups) < EVENT_LIMIT:
            groups[same] = [decision]
        else:
            groups.setdefault((finding.kind, decision.rule, MANY_PATHS), []).append(decision)
    return [(FINDING, _finding(path, group, subjects)) for (_, _, path), group in groups.items()]


class _Found(Mapping[str, Any]):
    """The attributes of an event of one finding, and its JSON from its name on: written often, hardly looked into."""

    __slots__ = ("_decision", "json", "subject")

    def __init__(self, decision: Decision, subject: str, json: bytes) -> None:
        self._decision, self.subject, self.json = decision, subject, json

    def __getitem__(self, name: str) -> Any:
        if name == SUBJECTS:
            return [self.subject]
        return _told(self._decision.finding.path, [self._decision], [self.subject])[name]

    def __iter__(self) -> Iterator[str]:
        return iter(FINDING_COLUMNS.names)

    def __len__(self) -> int:
        return len(FINDING_COLUMNS.names)


def _finding(path: str, group: list[Decision], subjects: Callable[[Finding], str]) -> Mapping[str, Any]:
    if len(group) == 1 and path != MANY_PATHS:  # as nearly all are
        return _found(group[0], subjects(group[0].finding))
    return _told(path, group, [subjects(decision.finding) for decision in group[:ARRAY_LIMIT]])


def _told(path: str, group: list[Decision], subjects: list[str]) -> dict[str, Any]:
    first, count = group[0], len(group)
    listed = [decision.finding for decision in group[:ARRAY_LIMIT]]
    return {
        KIND: first.finding.kind,
        SOURCE: ",".join(sorted({decision.finding.source for decision in group})),
        RULE: first.rule,
        ORIGIN: first.origin,
        FINDING_ACTION: max(decision.action for decision in group).word,
        FINDING_ENFORCED: max(decision.enforced for decision in group).word,
        PATH: path,
        COUNT: count,
        SCORES: [float(found.score) for found in listed],
        STARTS: [found.start for found in listed],
        ENDS: [found.end for found in listed],
        SUBJECTS: subjects,
        TRUNCATED: True if count > ARRAY_LIMIT or path == MANY_PATHS else None,
    }


def _found(decision: Decision, subject: str) -> _Found:
    # Taken apart at once: name by name takes half as long again.
    (kind, start, end, score, source, path), acted, done, rule, origin, _ = decision
    alike = _alike(kind, source, rule, origin, acted.word, done.word, path, float(score))
    return _Found(decision, subject, _ONE % (alike, start, end, dumps(subject)))


_ONE = (
    b'%b\t{"key":"starts","value":{"arrayValue":{"values":[{"intValue":"%d"}]}}}'
    b',\t{"key":"ends","value":{"arrayValue":{"values":[{"intValue":"%d"}]}}}'
    b',\t{"key":"subjects","value":{"arrayValue":{"values":[{"stringValue":%b}]}}} \t\t]}'
)
"""An event of one finding in its columns, from where findings differ that were found alike."""


@lru_cache(256)
def _event_name(name: str) -> bytes:
    """The name of an event as JSON: guard's own code names them, and a few."""
    return dumps(name)


@lru_cache(1024)
def _alike(
    kind: str, source: str, rule: str, origin: str, action: str, enforced: str, path: str, score: float
) -> bytes:
    """What stands before that: most findings are of a kind, at a place and with a score that were there before."""
    told = {
        KIND: kind,
        SOURCE: source,
        RULE: rule,
        ORIGIN: origin,
        FINDING_ACTION: action,
        FINDING_ENFORCED: enforced,
        PATH: path,
        COUNT: 1,
        SCORES: [score],
        STARTS: [0],
    }
    columns = FINDING_COLUMNS.spread(encode(told)).partition(b'\t{"key":"starts"')[0]
    return b'%b,"attributes":[%b' % (_event_name(FINDING), columns)


def remote_parent(headers: Mapping[str, str] | Iterable[tuple[bytes, bytes]]) -> SpanContext | None:
    """Read the caller's `traceparent` (W3C Trace Context); None where there is none, or two, or a broken one.

    `tracestate` is left alone: it is free text of the caller, and the export quotes no caller.
    """
    found = [match for value in _traceparents(headers) if (match := _TRACEPARENT.fullmatch(value))]
    if len(found) != 1:
        return None
    otel = _otel()
    trace_id, span_id, flags = (int(part, 16) for part in found[0].groups())
    context: SpanContext = otel.SpanContext(
        trace_id, span_id, is_remote=True, trace_flags=otel.TraceFlags(flags)
    )
    return context if context.is_valid else None


def current_parent() -> SpanContext | None:
    """The app's current span, as a parent for guard's; None where there is none."""
    otel = _otel()
    if not otel.get_current():  # as in a server that nobody has instrumented
        return None
    span = otel.get_current_span()
    if span is otel.INVALID_SPAN:
        return None
    context: SpanContext = span.get_span_context()
    return context if context.is_valid else None


def _traceparents(headers: Mapping[str, str] | Iterable[tuple[bytes, bytes]]) -> list[str]:
    if isinstance(headers, Mapping):
        return [value for key, value in headers.items() if key.lower() == "traceparent"]
    length = len(b"traceparent")
    return [
        value.decode("latin-1")
        for key, value in headers
        if len(key) == length and key.lower() == b"traceparent"
    ]


def _above(parent: SpanContext | Span | None) -> Above | None:
    """What a new span stands below; None for a root."""
    if isinstance(parent, Span):
        return Above(parent.trace_id, parent.span_id)
    context = current_parent() if parent is None else parent
    if context is None or not context.is_valid:
        return None
    return Above(f"{context.trace_id:032x}", f"{context.span_id:016x}", context.is_remote)


class _Otel:
    """What of OpenTelemetry each span needs: imported at the first, since it is heavy."""

    def __init__(self) -> None:
        import opentelemetry.context as context
        import opentelemetry.trace as trace

        self.get_current_span, self.set_span_in_context = trace.get_current_span, trace.set_span_in_context
        self.INVALID_SPAN, self.NonRecordingSpan = trace.INVALID_SPAN, trace.NonRecordingSpan
        self.SpanContext, self.TraceFlags, self.Link = trace.SpanContext, trace.TraceFlags, trace.Link
        self.SpanKind, self.attach, self.detach = trace.SpanKind, context.attach, context.detach
        self.get_current = context.get_current
        self.SAMPLED = trace.TraceFlags(trace.TraceFlags.SAMPLED)


_otel = cache(_Otel)


def _link(link: SpanContext) -> dict[str, Any]:
    return {
        "traceId": f"{link.trace_id:032x}",
        "spanId": f"{link.span_id:016x}",
        "flags": _flags(link.is_remote),
    }


def _flags(remote: bool) -> int:
    # SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK, SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK of trace.proto
    return 0x300 if remote else 0x100


def _error_type(error: BaseException | type[BaseException] | str) -> str:
    if isinstance(error, str):
        return error if _ERROR_TYPE.fullmatch(error) else "_OTHER"
    return (error if isinstance(error, type) else type(error)).__qualname__


def _version() -> str:
    try:
        return metadata.version("guard-middleware")
    except metadata.PackageNotFoundError:
        return "0"
