"""Floor 6, what an answer is before it is screened: how it reads, where its texts are, what in it nobody asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from guard.engine import Screened
from guard.errors import BadRequest, Unavailable
from guard.moderation import highest, inline_scores
from guard.outside.upstream import ANSWER_BYTES
from guard.policy.decide import may_call
from guard.policy.model import Policy
from guard.types import Effect, Finding, Flow, Limits, Score
from guard.wire import bodies, documents, jsonbody
from guard.wire.calls import asked
from guard.wire.documents import Places
from guard.wire.media import OPAQUE, Document, kind_of
from guard.wire.openai import Endpoint, Reading, response_reading

Headers = Sequence[tuple[bytes, bytes]]


def good(status: int) -> bool:
    """Whether a status says that this is what was asked for."""
    return 200 <= status < 300


def parsed(status: int, headers: Headers, body: bytes, limits: Limits, *, own: bool) -> Document | None:
    """The answer as it reads; None for an error that is no JSON; raises BadRequest 502 otherwise.

    `own` says that a named route of an application gave it, in whichever form.
    """
    try:
        form = bodies.form(headers) if own and status < 300 else bodies.json_form(headers)
        plain = bodies.decode(body, form.coding, ANSWER_BYTES)
        if own:
            return documents.read(form, plain, limits)
        return Document(jsonbody.parse(plain, limits), jsonbody.dump)
    except BadRequest as bad:
        if not good(status):
            return None
        why = bad.message.replace("send the body", "it did not come")
        raise BadRequest(502, "upstream_not_json", f"the answer cannot be read: {why}") from None


def reading(status: int, document: Document, endpoint: Endpoint | None, where: Places | None) -> Reading:
    """Where an answer has its texts; `where` are those of a named route."""
    if where is not None:  # an error may repeat anything, wherever a good answer has its texts
        return documents.reading(document, where, everywhere=status >= 400)
    data = document.value
    if not good(status) or endpoint is None or not isinstance(data, dict):
        return Reading(tuple(jsonbody.strings(data)))
    return response_reading(endpoint, data)


def words(headers: Headers, body: bytes) -> str | None:
    """The words of a plain answer; None for what is no text in UTF-8."""
    try:
        form = bodies.form(headers)
        plain = bodies.decode(body, form.coding, ANSWER_BYTES)
        return plain.decode() if form.media_type.startswith("text/") else None
    except (BadRequest, UnicodeDecodeError):
        return None


def unreadable(status: int, headers: Headers) -> str:
    """What a good answer is whose media type says that nobody can screen it; empty for others."""
    if not good(status):
        return ""
    try:
        kind = kind_of(bodies.form(headers).media_type)
    except BadRequest:  # another coding or charset: said where its body is read
        return ""
    return kind if kind in OPAQUE else ""


def strangers(policy: Policy, endpoint: Endpoint | None, data: Any) -> list[Finding]:
    """The calls of an answer to tools that the policy does not name."""
    if "*" in policy.output.tools:
        return []
    return [
        Finding("guard.tool", 0, 0, 1.0, "guard", call.path)
        for call in asked(endpoint, data)
        if not may_call(policy, call.tool)
    ]


def inlined(flow: Flow[Screened], data: Any) -> Flow[Screened]:
    """Answer the flow's question to the judge with what the provider says of its own answer, if it does."""
    result: Any = None
    failure: Unavailable | None = None
    while True:
        try:
            effect = flow.throw(failure) if failure else flow.send(result)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        result, failure = None, None
        try:
            result = _said_inline(effect, data) or (yield effect)
        except Unavailable as raised:
            failure = raised


def _said_inline(effect: Effect, data: Any) -> list[Mapping[str, float]] | None:
    """What the provider says of its own answer, for each text that the judge is asked about; None where it does not."""
    told = inline_scores(data) if isinstance(effect, Score) and isinstance(data, dict) else None
    return [highest(told)] * len(effect.texts) if told and isinstance(effect, Score) else None
