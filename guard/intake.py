"""Floor 6, what a request is before it is screened: whose policy holds for it, in which form it comes, its texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from guard.answers import Headers
from guard.attached import unlisted, wanted
from guard.errors import BadRequest
from guard.policy import names
from guard.policy.attach import Asked
from guard.policy.decide import numbers
from guard.routing import route
from guard.sentences import HISTORY, spoken
from guard.types import Change, Finding, Receipt, Segment
from guard.wire import bodies, documents, jsonbody, legacy
from guard.wire.documents import Places
from guard.wire.openai import MODEL, RESPONSES, Endpoint, request_reading
from guard.wire.urlpath import spellings

if TYPE_CHECKING:
    from guard.call import Call
    from guard.guard import Guard

Read = tuple[Sequence[Segment], Sequence[Finding]]
"""The texts of a request, and what in it nobody can read."""

_UNKNOWN = Finding("guard.unavailable.store", 0, 0, 1.0, "guard")
"""What a request is that goes on from an answer whose placeholders are not known any more."""


def read(call: Call, headers: Headers, body: bytes) -> Read:
    """Read a request under the policy that holds for it; raises BadRequest."""
    if call.unscreened:
        _bind(call, headers)
        return (), _unread_endpoint(call)
    if call.route is not None:
        _bind(call, headers)
        return _own(call, call.route[0], headers, body)
    if not body and call.method in ("GET", "HEAD", "OPTIONS", "DELETE"):
        _bind(call, headers)
        return _named(call), ()
    limits = call.guard.limits
    plain = bodies.decode(body, bodies.json_form(headers).coding, limits.body_bytes)
    call.body = jsonbody.parse(plain, limits)
    assert call.endpoint is not None
    if not isinstance(call.body, dict):
        raise BadRequest(400, "invalid_body", "the body must be a JSON object")
    _bind(call, headers)
    how = _old_style(call)
    if how is not None:
        _modernise(call, call.endpoint, how)
    if call.routes and call.guard.providers is not None:
        route(call)
    call.exchange.unknown = _goes_on(call)
    reading = request_reading(call.endpoint, call.body, call.guard.limits)
    if how is not None:
        legacy.check_window(call.endpoint, call.body, len(plain), reading.segments)
    unknown = [_UNKNOWN._replace(path=history(call.endpoint, call.body)[0])] if call.exchange.unknown else []
    return reading.segments, (*reading.opaque, *unknown)


def history(endpoint: Endpoint | None, body: Any) -> tuple[str, str]:
    """The field that says what a request goes on from, and the id in it; empty where it begins anew."""
    for field in HISTORY:
        value = body.get(field) if endpoint is RESPONSES else None
        value = value.get("id", "") if isinstance(value, dict) else value
        if isinstance(value, str) and value:
            return field, value
    return "", ""


def _spelled(path: str) -> list[str]:
    """A path in every way that a server may read it."""
    return sorted({path, *("/" + "/".join(segments) for segments in spellings(path))})


def _bind(call: Call, headers: Headers) -> None:
    """Hold the call to the policy for its tenant, path and model, and for what it asks; raises BadRequest."""
    exchange = call.exchange
    exchange.languages = exchange.languages or spoken(headers)
    asked = wanted(headers)
    attached = call.guard.attached
    if attached is None:
        if asked:
            raise unlisted(frozenset())
        return
    attached.check(asked)
    exchange.paths += tuple(_spelled(call.path))
    exchange.asked += asked
    models = attached.candidates(call.path, call.body.get("model") if isinstance(call.body, dict) else None)
    # Where an inner mount knows the model, what is attached to models is its to hold.
    models = () if models is None and not call.change else models
    who = exchange.identity
    _hold(call, attached.choose(Asked(who.tenant, exchange.paths, models, exchange.asked, who.called)))


def _hold(call: Call, guard: Guard) -> None:
    if guard is call.guard:
        return
    if guard.policy.trace.subjects != call.policy.trace.subjects:
        guard.key(call.exchange)
    call.guard, call.policy = guard, guard.policy
    call.parent.prepare(guard.policy_group)
    call.admission = guard.admit(call.url) if call.url is not None else None


def _goes_on(call: Call) -> bool:
    """Take up the placeholders of what the request goes on from; True where they are needed and not known."""
    field, answer = history(call.endpoint, call.body)
    if not field or not call.change:
        return False
    known = call.guard.histories.recall(call.exchange.identity, answer)
    if known is None:
        return numbers(call.policy)
    call.exchange.placeholders = known
    return False


def _old_style(call: Call) -> legacy.How | None:
    """What becomes of the old style: nothing where the policy observes, or an application is to answer."""
    how = call.policy.legacy
    watched = call.mount == "edge" or call.policy.mode == "observe"
    return None if watched or how == "pass" else how


def _modernise(call: Call, endpoint: Endpoint, how: legacy.How) -> None:
    request = legacy.modern(endpoint, call.path, call.body, how)
    call.body = request.body
    call.notes = tuple(f"legacy.{name}" for name in request.translated)
    call.old = legacy.OldStream(call.guard.answer_limits) if request.functions else None


def _own(call: Call, where: Places, headers: Headers, body: bytes) -> Read:
    """The texts of a named route's body, in whichever form it comes."""
    if not (where and body):
        return (), ()
    form, limits = bodies.form(headers), call.guard.limits
    call.document = documents.read(form, bodies.decode(body, form.coding, limits.body_bytes), limits)
    call.body = call.document.value
    reading = documents.reading(call.document, where)
    return reading.segments, reading.opaque


def _named(call: Call) -> Sequence[Segment]:
    """The model that a path names: a text of the caller like any other."""
    if call.endpoint is not MODEL:
        return ()
    return (Segment("model", call.path.rpartition("/models/")[2], Change.FIXED),)


def _unread_endpoint(call: Call) -> Sequence[Finding]:
    first = call.path.removeprefix("/v1").strip("/").split("/")[0]
    if first in call.policy.endpoints.allow:
        call.exchange.receipts.note("detect", Receipt.SKIPPED)
        return ()
    named = first if first in names.ENDPOINTS else ""
    return (Finding("guard.opaque.endpoint", 0, 0, 1.0, "guard", named),)
