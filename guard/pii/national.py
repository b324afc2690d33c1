"""How the catalogue says a national number: its official forms, its check, its cue words, and how sure it is alone."""

from __future__ import annotations

from guard.pii.layouts import written
from guard.pii.rows import Road, Row

# How sure digits are without a cue word, by the share of random ones that pass: all below what a policy acts on
# by default (0.5), and apart, so that of two kinds that pass the less likely accident wins.
RARE = 0.47
"""One number in a thousand passes, or fewer."""
SCARCE = 0.45
"""One in a hundred."""
FEW = 0.42
"""One in thirty."""
ELEVENTH = 0.4
"""One in eleven or twelve: MOD 11, or MOD 10 and a prefix."""
TENTH = 0.38
"""One in ten."""
MANY = 0.36
"""More: a prefix, a shape, no check digit."""

_EEA = frozenset(
    "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE IS LI NO GB".split()
)


def country_of(kind: str) -> str:
    """The ISO code in the name of a national kind (Presidio and people write UK for GB)."""
    code = kind.split(".")[1].upper()
    return "GB" if code == "UK" else code


_HIPAA = {
    7: "us.ssn us.itin us.atin",
    9: "us.mbi us.health_insurance_member_id us.claim_number us.prior_authorization_number us.referral_number",
    10: "us.aba_routing",
    11: "us.driver_license us.npi us.passport us.ptin",
    18: "us.prescription_number us.ein us.provider_tax_id",
}
_IDENTIFIER = {kind: number for number, kinds in _HIPAA.items() for kind in kinds.split()}
"""The Safe Harbor identifier that an American kind is (45 CFR 164.514(b)(2)(i), docs/hipaa.md)."""


def _laws(kind: str, country: str) -> tuple[str, ...]:
    if kind in _IDENTIFIER:
        return (f"hipaa:{_IDENTIFIER[kind]}",)
    return ("gdpr",) if country in _EEA else ()


def national(
    kind: str, *forms: str, alone: float = 0.0, cued: float = 0.85, check: str = "", cue: str = ""
) -> Row:
    """A row in official forms (layouts.written): `alone` is its score without a cue word, 0 for none.

    The cue words are those of `cue`, or of the kind's own name.
    """
    shape, country = written(*forms), country_of(f"pii.{kind}")
    return Row(
        f"pii.{kind}", shape.core, Road.NATION, alone, max(alone, cued), check=check, cue=cue or kind,
        unless="not_nation", country=country, laws=_laws(kind, country), alphabet="groups", longest=shape.longest,
        ahead=2, gate=shape.gate,
    )  # fmt: skip


def labelled(
    kind: str, label: str, value: str, longest: int, *, score: float = 0.6, tight: bool = True
) -> Row:
    """A row for what has no form of its own: directly after its label, a sign of which (`#`, `no`, `:`) is `tight`'s.

    `label` is a pattern in RE2 syntax, like the value.
    """
    sign = (
        r" ?(?:#|(?i:no|nr|num|number|id|identifier)\b\.?|[:=]) ?(?:[:#=] ?)?"
        if tight
        else r"(?: ?[:#=] ?| )"
    )
    country = country_of(f"pii.{kind}") if "." in kind else ""
    return Row(
        f"pii.{kind}", rf"(?:{label}){sign}(?P<value>{value})", Road.WHOLE, score, score, country=country,
        laws=_laws(kind, country), longest=longest,
    )  # fmt: skip
