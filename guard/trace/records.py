"""What is recorded of each step, as attributes: pure functions from the words of guard to span attributes.

Of texts that a caller or a provider chose (models, ids, finish reasons) only what looks like an identifier is
recorded; anything else is `_OTHER`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from guard.trace import spans
from guard.trace.spans import Recorder
from guard.types import Admission, Receipts, Stage, Tally, Verdict

ADMITTED, REFUSED = "admitted", "refused"
OTHER = "_OTHER"

_IDENTIFIER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/+-]{0,127}")

GOOD = frozenset(("success", "resolved", "accepted", "converted", "deflected"))
"""Outcomes that a call was made for: the report of costs divides by them."""

OUTCOMES = GOOD | {"partial", "rejected", "escalated", "abandoned", "retried", "failure", "unknown"}
"""What a caller may say came of the work that a call belongs to (`x-guard-outcome`); other words are `_OTHER`."""

_REQUEST = {
    "max_tokens": spans.REQUEST_MAX_TOKENS,
    "max_completion_tokens": spans.REQUEST_MAX_TOKENS,
    "max_output_tokens": spans.REQUEST_MAX_TOKENS,
    "temperature": spans.REQUEST_TEMPERATURE,
    "top_p": spans.REQUEST_TOP_P,
    "frequency_penalty": spans.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": spans.REQUEST_PRESENCE_PENALTY,
    "seed": spans.REQUEST_SEED,
}

_ASKED = frozenset(("stream", "n", "reasoning_effort", "reasoning", *_REQUEST))
"""Fields of a request that are recorded beside its model; most requests have none or a few."""

_NO_FIELDS: dict[str, Any] = {}
_NO_RESIDENCY = dict.fromkeys(value for name, value in vars(spans).items() if name.startswith("RESIDENCY_"))
"""What is said of a place, unsaid: all its attributes, each None."""

_API = {"chat": "chat_completions", "responses": "responses"}

# Well-known values of gen_ai.provider.name by host suffix.
_PROVIDERS = {
    "openai.azure.com": "azure.ai.openai",
    "openai.azure.us": "azure.ai.openai",
    "services.ai.azure.com": "azure.ai.inference",
    "amazonaws.com": "aws.bedrock",
    "amazonaws.com.cn": "aws.bedrock",
    "api.aws": "aws.bedrock",
    "aiplatform.googleapis.com": "gcp.vertex_ai",
    "rep.googleapis.com": "gcp.vertex_ai",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "anthropic.com": "anthropic",
    "mistral.ai": "mistral_ai",
    "deepseek.com": "deepseek",
    "moonshot.cn": "moonshot_ai",
    "cohere.com": "cohere",
    "groq.com": "groq",
    "x.ai": "x_ai",
    "perplexity.ai": "perplexity",
}


class NamedPolicy(Protocol):
    """What is recorded of a policy."""

    @property
    def policy(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def mode(self) -> str: ...


class Judge(Protocol):
    """What is recorded of a policy's `moderation`."""

    @property
    def model(self) -> str: ...


class JudgingPolicy(Protocol):
    """A policy whose answers are judged."""

    @property
    def moderation(self) -> Judge: ...


class Url(Protocol):
    """Where something is."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int | None: ...


class Placed(Protocol):
    """Who is asked, and what was decided of that."""

    @property
    def url(self) -> Url: ...
    @property
    def admission(self) -> Admission | None: ...


class Operation(Protocol):
    """What is recorded of an endpoint: its name and the operation of the GenAI conventions."""

    @property
    def name(self) -> str: ...
    @property
    def operation(self) -> str: ...


def policy_attributes(policy: NamedPolicy) -> dict[str, Any]:
    """Name the policy version that decides."""
    return {
        spans.POLICY_NAME: policy.policy,
        spans.POLICY_VERSION: policy.version,
        spans.POLICY_SHA256: policy.sha256,
        spans.POLICY_MODE: str(policy.mode),
    }


def verdict_attributes(verdict: Verdict) -> dict[str, Any]:
    """Say what was decided and what of it was enforced."""
    return {
        spans.STAGE: verdict.stage._value_,
        spans.ACTION: verdict.action.word,
        spans.ENFORCED: verdict.enforced.word,
    }


def residency_attributes(admission: Admission | None) -> dict[str, Any]:
    """Say where the destination is and whether it may be reached; nothing where none was asked for."""
    if admission is None:
        return {}
    found: dict[str, Any] = {
        spans.RESIDENCY_HOST: admission.host,
        spans.RESIDENCY_JURISDICTION: admission.jurisdiction,
        spans.RESIDENCY_DECISION: ADMITTED if admission.allowed else REFUSED,
    }
    if admission.code:
        found[spans.RESIDENCY_CODE] = admission.code
    if admission.source:
        found[spans.RESIDENCY_SOURCE] = admission.source
    if admission.place:
        found[spans.RESIDENCY_PROCESSING] = list(admission.place.processing)
        found[spans.RESIDENCY_STORAGE] = list(admission.place.storage)
    if admission.rules:
        found[spans.RESIDENCY_RULES] = list(admission.rules)
    if admission.within:
        found[spans.RESIDENCY_WITHIN] = list(admission.within)
    if admission.proxy:
        found[spans.RESIDENCY_PROXY] = f"{admission.proxy.host}:{admission.proxy.port}"
    return found


def screen_attributes(
    verdict: Verdict,
    *,
    endpoint: str,
    screened_bytes: int,
    forwarded_bytes: int,
    receipts: Receipts,
    admission: Admission | None = None,
) -> dict[str, Any]:
    """Describe the intent of one call: its verdict, its destination, what was checked and what goes out."""
    return {
        **verdict_attributes(verdict),
        **residency_attributes(admission),
        **receipts.attributes(),
        spans.ENDPOINT: endpoint,
        spans.BYTES_SCREENED: screened_bytes,
        spans.BYTES_FORWARDED: forwarded_bytes,
    }


def outcome_attributes(
    verdict: Verdict | None, answer: Any, receipts: Receipts, screened_bytes: int = 0
) -> dict[str, Any]:
    """Describe the outcome of one call; without a verdict there was no answer to judge."""
    found: dict[str, Any] = verdict_attributes(verdict) if verdict else {spans.STAGE: Stage.OUTPUT._value_}
    found.update(receipts.attributes())
    found.update(usage_attributes(answer))
    if screened_bytes:
        found[spans.BYTES_SCREENED] = screened_bytes
    return found


def restore_attributes(tally: Tally) -> dict[str, int | None]:
    """Describe how placeholders came back: sent, seen again, put back, withheld, and mangled by the model."""
    if not (tally.sent or tally.restored or tally.withheld or tally.mangled):
        return {}
    return {
        spans.RESTORED: tally.restored or None,
        spans.PLACEHOLDERS_SENT: tally.sent or None,
        spans.PLACEHOLDERS_SEEN: len(tally.seen) if tally.sent else None,
        spans.PLACEHOLDERS_WITHHELD: tally.withheld or None,
        spans.PLACEHOLDERS_MANGLED: tally.mangled or None,
    }


def model_span_name(endpoint: Operation | None, model: str) -> str:
    """The span name of the GenAI conventions: `chat gpt-5.6-sol`."""
    return " ".join(filter(None, (_operation(endpoint), identifier(model))))


def request_attributes(
    endpoint: Operation | None, body: Any, host: str, port: int | None = None
) -> dict[str, Any]:
    """Describe a model request: operation, provider, host, model and the numbers asked for."""
    fields = body if isinstance(body, dict) else {}
    found: dict[str, Any] = {
        spans.OPERATION: _operation(endpoint),
        spans.PROVIDER: provider(host),
        spans.SERVER_ADDRESS: host,
        spans.SERVER_PORT: port,
        spans.OPENAI_API: _API.get(endpoint.name) if endpoint else None,
        spans.REQUEST_MODEL: identifier(fields.get("model")),
    }
    if not _ASKED.isdisjoint(fields):
        found[spans.REQUEST_STREAM] = True if fields.get("stream") is True else None
        found[spans.REQUEST_CHOICES] = _number(fields.get("n")) if fields.get("n") != 1 else None
        found[spans.REQUEST_REASONING] = identifier(_reasoning(fields))
        found |= {name: _number(fields[key]) for key, name in _REQUEST.items() if key in fields}
    return found


def attempt_attributes(
    number: int, model: str, status: int, error: str, seconds: float, where: Admission | None = None
) -> dict[str, Any]:
    """Describe one try of a model call: which model, the HTTP status or the kind of failure, how long it took.

    `where` is told where models have providers of their own: each try may go to another host.
    """
    place = {} if where is None else {spans.HOST: where.host, spans.JURISDICTION: where.jurisdiction}
    return {
        **place,
        spans.NUMBER: number,
        spans.MODEL: identifier(model),
        spans.STATUS: status or None,
        spans.ERROR: error or None,
        spans.SECONDS: seconds,
    }


def place_attributes(candidate: Placed) -> dict[str, Any]:
    """Say to which provider and host a call went on, and where that is; what was said of another goes (None)."""
    url = candidate.url
    return {
        spans.PROVIDER: provider(url.host),
        spans.SERVER_ADDRESS: url.host,
        spans.SERVER_PORT: url.port,
        **(_NO_RESIDENCY if candidate.admission else {}),
        **residency_attributes(candidate.admission),
    }


def cost_attributes(asked: str, micro_usd: int | None) -> dict[str, Any]:
    """Say what a call cost (in US dollars), and which model the caller had named where another was asked."""
    cost = None if micro_usd is None else micro_usd / 1_000_000
    return {spans.COST: cost, spans.MODEL_ASKED: identifier(asked)}


def outcome_word(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """The outcome that a caller tags its request with; None where it does not."""
    for name, value in headers:
        if len(name) == _OUTCOME_LENGTH and name.lower() == _OUTCOME:
            word = value.decode("latin-1").strip().lower()
            return word if word in OUTCOMES else OTHER
    return None


_OUTCOME = b"x-guard-outcome"
_OUTCOME_LENGTH = len(_OUTCOME)


def usage_attributes(answer: Any) -> dict[str, Any]:
    """Describe an answer of Chat Completions, Responses or Embeddings: id, model, ends, tokens."""
    if not isinstance(answer, dict):
        return {}
    found: dict[str, Any] = {
        name: identifier(value) for name, key in _ANSWER.items() if (value := answer.get(key)) is not None
    }
    found[spans.FINISH_REASONS] = _finish_reasons(answer) or None
    usage = answer.get("usage")
    if isinstance(usage, dict):
        found[spans.INPUT_TOKENS] = _count(usage, "prompt_tokens", "input_tokens")
        found[spans.OUTPUT_TOKENS] = _count(usage, "completion_tokens", "output_tokens")
        for field, name, key in _DETAILS:
            if (detail := usage.get(field)) and isinstance(detail, dict):
                found[name] = _count(detail, key)
    return found


_ANSWER = {
    spans.RESPONSE_ID: "id",
    spans.RESPONSE_MODEL: "model",
    spans.OPENAI_FINGERPRINT: "system_fingerprint",
    spans.OPENAI_TIER: "service_tier",
}
# Where an answer has the details of both of its APIs, those of Chat Completions count.
_DETAILS = (
    ("input_tokens_details", spans.CACHED_TOKENS, "cached_tokens"),
    ("prompt_tokens_details", spans.CACHED_TOKENS, "cached_tokens"),
    ("output_tokens_details", spans.REASONING_TOKENS, "reasoning_tokens"),
    ("completion_tokens_details", spans.REASONING_TOKENS, "reasoning_tokens"),
)


def moderation_span_name(model: str) -> str:
    """The span name of a moderation call: `moderation omni-moderation-latest`."""
    return f"moderation {identifier(model)}"


def moderation_attributes(policy: JudgingPolicy, admission: Admission) -> dict[str, Any]:
    """Describe a moderation request: its model, its host, and where that is."""
    return {
        spans.OPERATION: "moderation",
        spans.PROVIDER: provider(admission.host),
        spans.REQUEST_MODEL: identifier(policy.moderation.model),
        spans.SERVER_ADDRESS: admission.host,
        **residency_attributes(admission),
    }


def score_attributes(scores: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Record every category's score: arrays, one number a text, in the order of the texts (the first 64)."""
    listed = scores[: spans.ARRAY_LIMIT]
    categories = dict.fromkeys(category for score in listed for category in score)
    found: dict[str, Any] = {
        spans.MODERATION_SCORE + (identifier(category) or OTHER): [
            float(score.get(category, -1.0)) for score in listed
        ]
        for category in categories
    }
    return {spans.MODERATION_TEXTS: len(scores), **found}


def lifecycle(recorder: Recorder, name: str, attributes: Mapping[str, Any]) -> bytes:
    """The line of an event of guard's own life: `spans.START`, `spans.STOP`, `spans.POLICY_LOADED`."""
    return recorder.start(name, attributes={spans.GUARD_VERSION: recorder.version, **attributes}).end()


def spend_line(
    recorder: Recorder, *, scope: str, period: str, percent: int, spent: float, limit: float
) -> bytes:
    """The line of a budget that reached a part of its limit: whose, in which period, amounts in US dollars."""
    attributes = {
        spans.SPEND_SCOPE: identifier(scope),
        spans.SPEND_PERIOD: period,
        spans.SPEND_PERCENT: percent,
        spans.SPEND_USD: spent,
        spans.SPEND_LIMIT: limit,
        spans.GUARD_VERSION: recorder.version,
    }
    return recorder.start(spans.SPEND, attributes=attributes).end()


def alert_line(
    recorder: Recorder, *, name: str, state: str, value: float, line: float, model: str, calls: int | None
) -> bytes:
    """The line of an alert that fires or ends: what was measured, against which line, over how many calls."""
    attributes = {
        spans.ALERT_NAME: name,
        spans.ALERT_STATE: state,
        spans.ALERT_VALUE: value,
        spans.ALERT_LINE: line,
        spans.ALERT_CALLS: calls,
        spans.REQUEST_MODEL: identifier(model),
        spans.GUARD_VERSION: recorder.version,
    }
    return recorder.start(spans.ALERT, attributes=attributes).end()


def reveal(
    recorder: Recorder, *, by: str, ticket: str, opened: int, closed: int, key_ids: Sequence[str]
) -> bytes:
    """The line of one use of the key: who opened how many sealed placeholders, under which keys; no value."""
    attributes = {
        spans.REVEAL_BY: identifier(by),
        spans.REVEAL_TICKET: identifier(ticket),
        spans.REVEAL_OPENED: opened,
        spans.REVEAL_CLOSED: closed,
        spans.REVEAL_KEYS: list(key_ids) or None,
        spans.GUARD_VERSION: recorder.version,
    }
    return recorder.start(spans.REVEAL, attributes=attributes).end()


def glass_line(recorder: Recorder, *, kind: str, ticket: str, by: str, until: str) -> bytes:
    """The line of one broken glass: whose rule only flags, why, who wanted it, until when (RFC 3339, UTC)."""
    attributes = {
        spans.GLASS_KIND: kind,
        spans.GLASS_TICKET: identifier(ticket),
        spans.GLASS_BY: identifier(by),
        spans.GLASS_UNTIL: until,
        spans.GUARD_VERSION: recorder.version,
    }
    return recorder.start(spans.GLASS, attributes=attributes).end()


@lru_cache(maxsize=256)
def provider(host: str) -> str:
    """The conventions' name of the provider at a host; `openai` for everyone who speaks its API."""
    return next((name for suffix, name in _PROVIDERS.items() if f".{host}".endswith(f".{suffix}")), "openai")


def identifier(value: Any) -> str | None:
    """A text that may be recorded because it is an identifier; `_OTHER` for other texts, None for no text."""
    if not isinstance(value, str) or not value:
        return None
    return value if _IDENTIFIER.fullmatch(value) else OTHER


def _operation(endpoint: Operation | None) -> str:
    return endpoint.operation if endpoint else OTHER


def _reasoning(fields: Mapping[str, Any]) -> Any:
    return fields.get("reasoning_effort") or _fields(fields, "reasoning").get("effort")


def _fields(value: Any, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else _NO_FIELDS


def _number(value: Any) -> int | float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(usage: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        if isinstance(value := usage.get(name), int):
            return value
    return None


def _finish_reasons(answer: Mapping[str, Any]) -> list[str]:
    choices = answer.get("choices")
    if isinstance(choices, list):
        reasons = [choice.get("finish_reason") for choice in choices if isinstance(choice, dict)]
    else:
        reasons = [_fields(answer, "incomplete_details").get("reason") or answer.get("status")]
    return [
        word for reason in reasons[: spans.ARRAY_LIMIT] if reason and (word := identifier(reason)) is not None
    ]
