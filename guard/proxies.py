"""Floor 3, through which proxy a destination is reached, as `egress.proxy` says: pure."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from guard import residency
from guard.policy.model import Egress
from guard.types import Admission, Proxy

_READABLE = (
    "plain http is not sent through a proxy, which would read it: "
    "use https, or name the host under egress.proxy.except"
)
_NUMBERED = "an IPv6 address is not reached through a proxy: write the host's name"


def proxy_of(egress: Egress) -> Admission | None:
    """Decide whether the policy's proxy may be reached: as any destination that was named; None where there is none."""
    if not egress.proxy.url:
        return None
    url = urlsplit(egress.proxy.url)
    found = residency.admit(
        url.hostname or "",
        port=url.port,
        scheme=url.scheme,
        jurisdictions=egress.jurisdictions,
        declared=egress.hosts,
        named=(egress.proxy.url,),
    )
    found = replace(found, proxy=Proxy(found.host, url.port or 80, found.place, found.source))
    return residency.observed(found) if not found.allowed and egress.mode == "observe" else found


def through(admission: Admission, scheme: str, port: int | None, egress: Egress) -> Admission:
    """Add the proxy that carries a destination, or refuse it where none may.

    What says itself that it is inside (`ollama`, `10.0.0.7`) and what `egress.proxy.except` names is reached directly.
    """
    proxy = proxy_of(egress)
    if proxy is None or not admission.host or _direct(admission.host, scheme, port, egress):
        return admission
    if not proxy.allowed:
        return _refused(admission, f"the proxy of egress.proxy may not be reached: {proxy.reason}")
    if scheme != "https":
        return _refused(admission, _READABLE)
    if ":" in admission.host:
        return _refused(admission, _NUMBERED)
    return replace(admission, proxy=proxy.proxy)


def _direct(host: str, scheme: str, port: int | None, egress: Egress) -> bool:
    if residency.is_internal(host):
        return True
    where = port or residency.PORTS[scheme]
    return any(residency.covers(entry, host, scheme, where) for entry in egress.proxy.except_)


def _refused(admission: Admission, reason: str) -> Admission:
    """Not `egress.jurisdiction`: nothing that a request says may lift it."""
    if not admission.allowed and admission.code == "egress.host":
        return admission
    return replace(admission, allowed=False, reason=reason, code="egress.host", resident_host="")
