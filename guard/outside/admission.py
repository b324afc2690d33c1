"""Who may be connected to: the residency table asked about a URL, and about the address a name leads to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache

import httpx2

from guard import residency
from guard.errors import Refused
from guard.types import Admission, Place

Admit = Callable[[httpx2.URL], Admission]


def admitter(
    *, jurisdictions: tuple[str, ...] | None, declared: Mapping[str, Place], named: Collection[str]
) -> Admit:
    """Make the function that admits URLs; the arguments are those of `residency.admit`."""
    declared, named = dict(declared), tuple(named)

    @lru_cache(maxsize=1024)
    def admit(scheme: str, host: str, port: int | None) -> Admission:
        return residency.admit(
            host, port=port, scheme=scheme, jurisdictions=jurisdictions, declared=declared, named=named
        )

    return lambda url: admit(url.scheme, url.raw_host.decode("ascii"), url.port)


def admitted(admit: Admit, url: httpx2.URL, settled: Admission | None = None) -> Admission:
    """Admit a URL or raise Refused (451); credentials inside a URL are refused.

    `settled` is what was decided of the one request that is sent: it stands where the host alone is outside the
    jurisdictions, since its model or deployment may say more.
    """
    if url.userinfo:
        raise Refused("egress.host", "guard connects to no URL that carries credentials", status=451)
    admission = admit(url)
    if settled is not None and admission.code == "egress.jurisdiction" and settled.host == admission.host:
        admission = settled
    if not admission.allowed or not admission.host:  # what is no host is not reached, whatever was decided
        raise Refused(admission.code or "egress.host", admission.reason, status=451)
    return admission


class PublicNames:
    """Where names may lead: those that the shipped table admitted, or that were only typed, to public addresses.

    C24: a table row says where a provider is; an answer of the resolver inside one's own network is not it, nor is it
    what `llm.example.org` says. What an operator declared may be inside, and so may a name that says so itself
    (`ollama`, `llm.internal`), but never link-local (a cloud's metadata), unspecified or multicast: no model is
    served there.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()

    def note(self, admission: Admission) -> None:
        """Remember a name that nobody declared to be inside."""
        met = admission.proxy or admission  # whose name is resolved here: a proxy resolves the destination's
        if met.source == "table" or (met.source == "named" and not residency.is_internal(met.host)):
            self._names.add(met.host)

    def check(self, name: str, addresses: Iterable[str]) -> None:
        """Raise Refused if one of the addresses that a name leads to may not be connected to."""
        if residency.is_address(name):
            return  # what was written as an address was admitted as one
        found = list(addresses)
        if name in self._names and not all(map(residency.is_public, found)):
            raise Refused(
                "egress.host",
                "the host's name leads to an address that is not public: say where it is under egress.hosts",
                status=451,
            )
        if not all(map(residency.is_host, found)):
            raise Refused(
                "egress.host", "the host's name leads to an address that is no server's", status=451
            )
