"""Where one request goes, beyond what its host tells: by its model, fields and endpoint, and by what was found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from guard import residency
from guard.policy import names
from guard.policy.model import Egress
from guard.types import Admission, Finding, Place

_UNKNOWN, _ANYWHERE = ("UNKNOWN",), ("GLOBAL",)
_DEPLOYMENT = re.compile(r"/deployments/([^/]+)/")
_ARN = re.compile(r"arn:[a-z-]+:bedrock:[^/]*:(?:inference-profile|foundation-model)/(.+)")
_STORING = ("chat", "responses")


@dataclass(frozen=True, slots=True)
class Request:
    """What of a request decides where it is processed: its endpoint, its model or deployment, `inference_geo`.

    `endpoint` is the name of a known endpoint, else the first part of the path; empty where nobody knows it any more.
    """

    endpoint: str = ""
    model: str = ""
    geo: str = ""

    @classmethod
    def of(cls, endpoint: str, path: str, body: Any) -> Request:
        """Read it off a request; a deployment in the path stands above the model of the body."""
        fields: Mapping[str, Any] = body if isinstance(body, dict) else {}
        deployment = _DEPLOYMENT.search(path)
        named = deployment[1] if deployment else _text(fields.get("model"))
        first = path.removeprefix("/v1").strip("/").partition("/")[0]
        return cls(endpoint or first or "unknown", named, _text(fields.get("inference_geo")))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def settle(admission: Admission, request: Request, egress: Egress, found: Iterable[Finding]) -> Admission:
    """Decide anew about an admitted or refused destination, for this request and what was found in it.

    The places of `egress.rules` for the kinds found are intersected with `egress.jurisdictions`, and the place is
    the one that the request goes to. Returns the same object where nothing of that changes anything.
    """
    if admission.code == "egress.host":
        return admission
    place, note = place_of(admission, request)
    rules = governing(egress, found) if egress.rules else ()
    if not rules and place is admission.place:
        return admission
    places = tuple(egress.rules[pattern].jurisdictions for pattern in rules)
    within = _within(egress.jurisdictions, places)
    return _decided(admission, place, note, within, rules, egress.mode == "observe")


def governing(egress: Egress, found: Iterable[Finding]) -> tuple[str, ...]:
    """The patterns of `egress.rules` that what was found calls on: for each kind the most specific."""
    kinds = {finding.kind for finding in found if not finding.score < names.default_at(finding.kind)}
    return _governing(tuple(egress.rules), frozenset(kinds)) if kinds else ()


@lru_cache(maxsize=1024)
def _governing(patterns: tuple[str, ...], kinds: frozenset[str]) -> tuple[str, ...]:
    called = {names.most_exact(patterns, kind) for kind in kinds}
    return tuple(sorted(pattern for pattern in called if pattern is not None))


@lru_cache(maxsize=1024)
def _within(
    jurisdictions: tuple[str, ...] | None, places: tuple[tuple[str, ...], ...]
) -> tuple[str, ...] | None:
    within = jurisdictions
    for more in places:
        within = more if within is None else names.intersect(within, more)
    return within


@lru_cache(maxsize=1024)
def _decided(
    admission: Admission,
    place: Place | None,
    note: str,
    within: tuple[str, ...] | None,
    rules: tuple[str, ...],
    observing: bool,
) -> Admission:
    host, source, proxy = admission.host, admission.source, admission.proxy
    if within is not None and rules and proxy is not None and not _holds(within, proxy.place):
        decided = _carried_outside(admission, place, within, rules)
        decided = residency.observed(decided) if observing else decided
    elif within is None or (place is not None and residency.inside(place, within)):
        decided = Admission(True, host, residency.label(host, place), "", place, source=source)
    else:
        decided = residency.outside(host, source, place, within, note=note, rules=rules)
        decided = residency.observed(decided) if observing else decided
    return replace(decided, within=within if rules and within is not None else (), rules=rules, proxy=proxy)


def _holds(within: tuple[str, ...], place: Place | None) -> bool:
    return place is not None and residency.inside(place, within)


def _carried_outside(
    admission: Admission, place: Place | None, within: tuple[str, ...], rules: tuple[str, ...]
) -> Admission:
    """The refusal of a call whose proxy is outside the places that `egress.rules` leave."""
    where = f"egress.rules keeps {', '.join(rules)} in {', '.join(within) or 'no place at all'}"
    reason = f"{where}, and the proxy of egress.proxy is not there, or egress.hosts does not say so"
    label = residency.label(admission.host, place)
    return Admission(
        False, admission.host, label, reason, place, code="egress.jurisdiction", source=admission.source
    )


def depends(admission: Admission) -> bool:
    """Whether a request may go where its host alone may not: its model, deployment or fields say where it goes."""
    if admission.code != "egress.jurisdiction" or admission.place is None:
        return False
    row = residency.lookup(admission.host)
    return bool(admission.place.deployments or (row is not None and row.request == "bedrock"))


def forgetful(admission: Admission, request: Request, egress: Egress) -> bool:
    """Whether a request must say `store: false`: where residency is asked for, OpenAI's regional hosts keep nothing.

    Their use outside the United States needs modified abuse monitoring or zero data retention, and `store` is true by
    default in the Responses API.
    """
    if request.endpoint not in _STORING or (egress.jurisdictions is None and not admission.within):
        return False
    row = residency.lookup(admission.host)
    return row is not None and not row.stores


# Where the request goes.


def place_of(admission: Admission, request: Request) -> tuple[Place | None, str]:
    """The place of a request, and what to say of it; the host's own where the request changes nothing."""
    place = admission.place
    if place is None:
        return None, ""
    if place.region:
        return _deployed(place, request.model.lower())
    row = residency.lookup(admission.host)
    if row is None:
        return place, ""
    declared = admission.source == "declared"
    if row.request == "bedrock":
        return _profiled(place, request.model, declared=declared)
    if row.request == "anthropic" and request.geo:
        return _placed(place, names.ANTHROPIC_GEOS.get(request.geo, _ANYWHERE), declared=declared), ""
    if row.endpoints and not declared and request.endpoint and request.endpoint not in row.endpoints:
        return Place(_UNKNOWN, place.storage), "this endpoint is not documented as processed there"
    return place, ""


def _placed(place: Place, processing: tuple[str, ...], *, declared: bool) -> Place:
    """What a request says of processing stands for what the table does not know, and beside what was declared."""
    return replace(place, processing=_joined(place.processing if declared else (), processing))


@lru_cache(maxsize=1024)
def _deployed(place: Place, deployment: str) -> tuple[Place, str]:
    """Where an Azure deployment processes: in its region, in the data zone around it, or anywhere."""
    kind = next((kind for name, kind in place.deployments if name.lower() == deployment), "")
    country = names.AZURE_REGIONS[place.region]
    if not kind:
        return place, "this deployment is not among those declared under egress.hosts"
    reach = names.AZURE_TYPES[kind]
    zone = next(
        (zone for zone in names.AZURE_ZONES if names.countries(country) <= names.countries(zone)), "UNKNOWN"
    )
    return replace(place, processing=({"region": country, "zone": zone}.get(reach, "GLOBAL"),)), ""


@lru_cache(maxsize=1024)
def _profiled(place: Place, model: str, *, declared: bool) -> tuple[Place, str]:
    """Where a Bedrock model runs: in the host's region, and in the geography that its id begins with."""
    reached = _profile(model)
    if reached is None:
        if declared:
            return place, ""
        return Place(_UNKNOWN, place.storage), "the model id does not say where it runs"
    home = place.processing if declared else place.storage
    return Place(_joined(home, reached), _joined(place.storage, reached)), "as its model id says"


def _profile(model: str) -> tuple[str, ...] | None:
    """Where a model id may lead beside its own region; None where it does not say (an application's own profile)."""
    arn = _ARN.fullmatch(model)
    first, _, rest = (arn[1] if arn else model).partition(".")
    if first in names.BEDROCK_PROFILES:
        return names.BEDROCK_PROFILES[first]
    if first in names.BEDROCK_VENDORS and rest:
        return ()
    return _UNKNOWN if rest.partition(".")[0] in names.BEDROCK_VENDORS else None


def _joined(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))
