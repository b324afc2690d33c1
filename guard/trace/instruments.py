"""Every metric in one table: OpenTelemetry's GenAI names and buckets, and guard's own. docs/metrics.md explains each.

The GenAI names are those of the released packages (semantic conventions up to 1.41); later ones call the first
`gen_ai.client.inference.duration`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from guard.trace import spans

TIMES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Bounds of a model call's times in seconds (semantic-conventions-genai, metrics)."""

TOKENS = tuple(4.0**power for power in range(14))
"""Bounds of a call's tokens (ibid.): 1, 4, 16, … 67,108,864."""

REQUEST_TIMES = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Bounds of an HTTP request's duration in seconds (semantic conventions, HTTP metrics)."""

COMMITS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bounds of a commit in seconds: around the time of one fdatasync."""


@dataclass(frozen=True, eq=False, slots=True)
class Instrument:
    """One metric: its OpenTelemetry name, its unit (UCUM), what it counts, and the labels that it is told by.

    `bounds` are a histogram's; of a gauge the numbers of several processes are added, or with `highest` the highest
    holds.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    about: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    highest: bool = False


CHECK, OUTCOME, QUEUE, KIND = "guard.check", "guard.outcome", "guard.queue", "guard.kind"
TOKEN_TYPE, DECISION, LINE = "gen_ai.token.type", "guard.decision", "guard.line"
ALERT = spans.ALERT_NAME
METHOD, STATUS = "http.request.method", "http.response.status_code"
MODEL = spans.REQUEST_MODEL

_CALL = (spans.OPERATION, spans.PROVIDER, MODEL, spans.SERVER_ADDRESS, spans.SERVER_PORT)

DURATION = Instrument(
    "gen_ai.client.operation.duration",
    "histogram",
    "s",
    "Duration of model calls, all tries together",
    (*_CALL, spans.ERROR_TYPE),
    TIMES,
)
USAGE = Instrument(
    "gen_ai.client.token.usage",
    "histogram",
    "{token}",
    "Tokens of model calls, as the provider counts them",
    (*_CALL, TOKEN_TYPE),
    TOKENS,
)
FIRST = Instrument(
    "gen_ai.client.operation.time_to_first_chunk",
    "histogram",
    "s",
    "Time until the first bytes of a streamed answer",
    _CALL,
    TIMES,
)
VERDICTS = Instrument(
    "guard.verdicts",
    "counter",
    "{verdict}",
    "Verdicts: what the rules said, and what was enforced",
    (spans.STAGE, spans.ACTION, spans.ENFORCED, spans.TENANT),
)
FINDINGS = Instrument(
    "guard.findings",
    "counter",
    "{finding}",
    "Findings by kind, and what was enforced",
    (spans.STAGE, KIND, spans.ENFORCED),
)
CHECKS = Instrument(
    "guard.checks",
    "counter",
    "{exchange}",
    "Exchanges by what became of a check; failed_open: it could not run and the text passed",
    (CHECK, OUTCOME),
)
RESIDENCY = Instrument(
    "guard.residency",
    "counter",
    "{call}",
    "Calls by what the residency rules said of their destination; observed: refused in words only",
    (DECISION,),
)
COMMIT = Instrument(
    "guard.ledger.commit.duration",
    "histogram",
    "s",
    "Time until the record of a call's intent was durable",
    (spans.ERROR_TYPE,),
    COMMITS,
)
DEPTH = Instrument(
    "guard.queue.depth", "gauge", "{record}", "Records that wait to be written or sent", (QUEUE,)
)
COPIES = Instrument(
    "guard.trace.copies", "counter", "{record}", "Records copied to the Collector, or dropped", (OUTCOME,)
)
HEADS = Instrument(
    "guard.trace.heads", "counter", "{head}", "Signed heads posted to a second place, or dropped", (OUTCOME,)
)
ATTEMPTS = Instrument(
    "guard.attempts",
    "counter",
    "{attempt}",
    "Tries of model calls, by how each ended",
    (MODEL, spans.ERROR_TYPE),
)
RETRIES = Instrument("guard.retries", "counter", "{attempt}", "Tries after the first", (MODEL,))
BREAKER = Instrument(
    "guard.breaker.state",
    "gauge",
    "1",
    "Circuit to a model at a host: 0 closed, 1 probing, 2 open",
    (spans.SERVER_ADDRESS, MODEL),
    highest=True,
)
_SPEND = (spans.SPEND_SCOPE, spans.SPEND_PERIOD)
SPENT = Instrument(
    "guard.budget.spent",
    "gauge",
    "USD",
    "Spent or reserved in the running period, the open calls included",
    _SPEND,
    highest=True,
)
LIMIT = Instrument("guard.budget.limit", "gauge", "USD", "Limit of the same", _SPEND, highest=True)
COST = Instrument("guard.cost", "counter", "USD", "Cost of calls under a budget", (spans.TENANT, MODEL))
LETTERS = Instrument(
    "guard.letters", "counter", "{letter}", "Calls that failed for good and were kept", (spans.ERROR_TYPE,)
)
TIMED = Instrument(
    "guard.alert.calls", "counter", "{call}", "Calls that were held to a line of an alert", (MODEL, ALERT)
)
OVER = Instrument("guard.alert.calls.over", "counter", "{call}", "Those of them over it", (MODEL, ALERT))
FIRING = Instrument(
    "guard.alert.firing", "gauge", "1", "1 for each alert that fires", (ALERT, MODEL), highest=True
)
MESSAGES = Instrument(
    "guard.alert.messages", "counter", "{message}", "Messages to the webhook, or dropped", (OUTCOME,)
)
REQUESTS = Instrument(
    "http.server.request.duration",
    "histogram",
    "s",
    "Duration of requests to the gateway",
    (METHOD, spans.ENDPOINT, STATUS),
    REQUEST_TIMES,
)
ACTIVE = Instrument("http.server.active_requests", "gauge", "{request}", "Requests that run at the gateway")
DRAINING = Instrument(
    "guard.draining", "gauge", "{process}", "Processes of the gateway that end and take no new request"
)
INFO = Instrument(
    "guard.info",
    "gauge",
    "1",
    "1 for each process, by guard's version and the policy that it enforces",
    (spans.GUARD_VERSION, spans.POLICY_NAME, spans.POLICY_VERSION, spans.POLICY_SHA256),
)
STALE = Instrument(
    "guard.policy.stale",
    "gauge",
    "1",
    "1 for each process that could not load its changed policy and keeps the old",
)

INSTRUMENTS = tuple(value for value in list(vars().values()) if isinstance(value, Instrument))
BY_NAME = {instrument.name: instrument for instrument in INSTRUMENTS}
