"""Floor 6, who may answer a call: the models that a policy lists, each with its provider, its place and its request."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import httpx2

from guard.traffic.sending import Headers, Outbound, Sending, keyed
from guard.wire import dialects

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guard.call import Call, Prepared
    from guard.clearance import Cleared
    from guard.traffic.providers import Target
    from guard.types import Admission


class Candidate(NamedTuple):
    """A model that may answer: `name` is how the policy and the record call it, `model` how its provider does.

    `target` is None at the mount's own upstream. `admission` is what was decided of this call to it.
    """

    name: str
    model: str
    url: httpx2.URL
    target: Target | None
    admission: Admission | None

    @property
    def host(self) -> str:
        """The host that it is asked at."""
        return self.url.host


def first(call: Call, model: str, url: httpx2.URL) -> Candidate:
    """The one that the call goes to by itself."""
    return Candidate(call.target.name if call.target else model, model, url, call.target, call.admission)


def another(call: Call, name: str, before: Candidate) -> Candidate:
    """Another model for a call that would go to `before`: at the provider of that name, else at the upstream."""
    providers = call.guard.providers
    target = providers.find(name) if providers is not None else None
    url = None if target is None or call.endpoint is None else target.provider.urls.get(call.endpoint.name)
    if target is None or url is None:
        url, target = call.home or before.url, None
    model = name if target is None else target.model
    admission = call.admitted_to(model, None if call.url is None else url, elsewhere=target is not None)
    return Candidate(name, model, url, target, admission)


def may_answer(call: Call, candidate: Candidate, before: Candidate) -> bool:
    """Whether a call may go to another (law 9): inside its places, and where what it goes on from is known."""
    stays = candidate.admission is None or candidate.admission.allowed
    there, here = candidate.url, before.url
    return stays and ((there.host, there.port) == (here.host, here.port) or not call.goes_on)


def outbound(
    call: Call, candidates: Sequence[Candidate], prepared: Prepared, url: httpx2.URL, headers: Headers
) -> Outbound:
    """The requests of a call, one for each who may answer: a key or a header of one provider is never another's."""
    home, own = (url, headers) if call.home is None else (call.home, call.homeward)
    own = keyed(own) if call.method == "POST" else own
    call.idempotency_key = next((v for k, v in own if k == b"idempotency-key"), b"")
    home = home.copy_with(path=call.called(home.path)) if call.called(home.path) != home.path else home
    return Outbound(
        call.method,
        tuple(_sending(call, n, candidate, prepared, home, own) for n, candidate in enumerate(candidates)),
    )


def _sending(
    call: Call, number: int, candidate: Candidate, prepared: Prepared, home: httpx2.URL, own: Headers
) -> Sending:
    target = candidate.target
    url, fields = (home, own) if target is None else (candidate.url, target.provider.headers(own))
    body, fields = to(call, candidate, prepared), _numbered(fields, number)
    return Sending(number, candidate.name, candidate.model, url, fields, body, candidate.admission)


def _numbered(headers: Headers, number: int) -> Headers:
    """All tries at one candidate carry one idempotency key, another candidate's another."""
    if not number:
        return headers
    return [(k, v + b"-%d" % number if k == b"idempotency-key" else v) for k, v in headers]


def to(call: Call, candidate: Candidate, prepared: Prepared) -> Cleared:
    """The body as a candidate gets it: its model, in the words of its API, storing nothing where that is asked."""
    api = candidate.target.provider.row.api if candidate.target is not None else ""
    forget = candidate.url != call.url and call.forgets(candidate.admission, candidate.model)
    if candidate.model == prepared.model and not forget and not dialects.differs(api):
        return prepared.body
    return prepared.body.of(candidate.model, api, forget=forget)
