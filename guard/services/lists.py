"""The deny lists and allow lists of a policy, compiled once: what holds for one tenant, and for no other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, Protocol

from guard.pii.lists import Terms, denied, spared
from guard.types import Finding


class ListOfTerms(Protocol):
    """What a policy says about one list (`recognizers.lists`); one that denies nothing allows."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def deny(self) -> str:
        """The kind of its findings, or nothing."""

    @property
    def words(self) -> Sequence[str]:
        """Its terms."""

    @property
    def tenants(self) -> Sequence[str]:
        """For whom it holds; empty: for all."""


class _Denied(NamedTuple):
    terms: Terms
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class TenantLists:
    """The lists that hold for one tenant."""

    _denied: tuple[_Denied, ...] = ()
    _allowed: tuple[Terms, ...] = ()

    @property
    def denies(self) -> bool:
        """Whether it has any terms that are denied."""
        return bool(self._denied)

    @property
    def denying(self) -> list[Terms]:
        """The terms of its deny lists."""
        return [row.terms for row in self._denied]

    def denied(self, text: str) -> list[Finding]:
        """Every place of a denied term; nothing is resolved yet."""
        return [f for terms, kind, source in self._denied for f in denied(terms, text, kind, source)]

    def spared(self, text: str, findings: list[Finding]) -> list[Finding]:
        """The findings of any source without those that are an allowed term; one about the whole field stays."""
        for terms in self._allowed:
            findings = spared(terms, text, findings)
        return findings


class Lists:
    """All lists of a policy."""

    def __init__(self, rows: Iterable[ListOfTerms]) -> None:
        compiled = [(row, Terms(row.words)) for row in rows]
        named = set(chain.from_iterable(row.tenants for row, _ in compiled))
        self._everyone = _chosen([pair for pair in compiled if not pair[0].tenants])
        self._tenants = {
            tenant: _chosen(
                [(row, terms) for row, terms in compiled if not row.tenants or tenant in row.tenants]
            )
            for tenant in named
        }

    def of(self, tenant: str) -> TenantLists:
        """What holds for a tenant: its own lists, and those for all."""
        return self._tenants.get(tenant, self._everyone)


def _chosen(lists: Sequence[tuple[ListOfTerms, Terms]]) -> TenantLists:
    denying = tuple(_Denied(terms, row.deny, f"list:{row.name}") for row, terms in lists if row.deny)
    return TenantLists(denying, tuple(terms for row, terms in lists if not row.deny))
