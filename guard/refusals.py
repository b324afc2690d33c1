"""Floor 6, refusals and outages: what a decision, a failure or an exception means, as an error and as an answer."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import NamedTuple

from guard.errors import BadRequest, Outage, Refused
from guard.policy.model import Policy
from guard.sentences import Languages, message_for
from guard.types import Decision, Verdict
from guard.wire import jsonbody, refusal

LONGEST_S = 31 * 86400.0
"""The longest Retry-After that is passed on: a month; a provider may write anything."""


class Reply(NamedTuple):
    """An answer for the caller."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def __repr__(self) -> str:
        return object.__repr__(self)  # it holds texts


def refused(policy: Policy, blocking: Decision, verdict: Verdict, languages: Languages = ()) -> Refused:
    """The refusal that a blocking decision means: its kind is the code, its path the parameter."""
    finding = blocking.finding
    return Refused(
        finding.kind,
        message_for(policy, blocking, verdict.stage, languages),
        param=finding.path,
        status=refusal.status(finding.kind),
        verdict=verdict,
    )


def choices_of(blocks: Iterable[Decision]) -> set[int] | None:
    """The choices that blocks stand in; None where one is not about a single choice."""
    found: set[int] = set()
    for decision in blocks:
        path = decision.finding.path
        if not path.startswith("choices["):
            return None
        found.add(int(path[len("choices[") : path.index("]")]))
    return found


def failed_as(failure: BaseException) -> str:
    """The word that the record has for how a call failed."""
    if isinstance(failure, asyncio.CancelledError | GeneratorExit):
        return "client_left"
    return getattr(failure, "code", "") or getattr(failure, "kind", "") or type(failure).__name__


def type_of(error: Refused | BadRequest | Outage) -> str:
    """Whose fault it was, as the `type` of the API's errors: the policy's, the caller's or the provider's."""
    if isinstance(error, Refused):
        return "guard_refused"
    return (
        "invalid_request_error" if isinstance(error, BadRequest) and error.status < 500 else "upstream_error"
    )


def refuse(error: Refused | BadRequest | Outage) -> Reply:
    """Write a refusal as the interface has it; only a 429 of guard's own limits may be retried."""
    body = refusal.error_body(error.code, error.message, getattr(error, "param", "") or None, type_of(error))
    headers = [(b"content-type", b"application/json")]
    if error.status != 429 or isinstance(error, Outage):
        headers.append((b"x-should-retry", b"false"))
    after = getattr(error, "retry_after_s", None)
    if after is not None:
        headers.append((b"retry-after", str(math.ceil(min(after, LONGEST_S))).encode()))
    return Reply(error.status, jsonbody.dump(body), tuple(headers))
