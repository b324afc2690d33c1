"""What a named question is, and how the texts of its parameters are read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

from guard import residency
from guard.errors import GuardError
from guard.policy.names import JURISDICTIONS

_HOSTS = resources.files("guard") / "data" / "hosts.json"
_GROUPS: tuple[str, ...] = tuple(json.loads(_HOSTS.read_text("utf-8"))["groups"])

_TRACE = re.compile(r"[0-9a-f]{32}")
_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class QueryError(GuardError):
    """A question cannot be answered as it was asked; the message says how to ask it."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a question: its text is read into the value that is bound; no default, no answer."""

    name: str
    about: str
    read: Callable[[str], Any] = str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A named question: what it answers, its SQL, and its parameters (`$name` in the SQL).

    Lines that hold none of the texts of `only` (`$name` for a parameter's value) make no row of the answer; nor do
    lines of traces no line of which holds one of `traces`, which are to be few: their lines are copied.
    """

    name: str
    about: str
    sql: str
    parameters: tuple[Parameter, ...]
    only: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()


def moment(text: str) -> datetime:
    """Read `90m`, `24h`, `7d`, `2w` (ago) or an ISO date or time (UTC where it has no zone) as naive UTC."""
    try:
        found = _ago(text) or datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise QueryError(f"{text!r} is no time: write 7d, 24h, 2w or 2026-11-25T12:00") from error
    return (found.astimezone(UTC) if found.tzinfo else found).replace(tzinfo=None)


def _ago(text: str) -> datetime | None:
    ago = _AGO.fullmatch(text)
    return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])}) if ago else None


def inside(region: str) -> list[str]:
    """All names of places that lie inside a region, groups too: for EEA also EU, DE, NO …"""
    if region.upper() not in JURISDICTIONS:
        raise QueryError(f"{region!r} is no country or group of countries: write EU, EEA, US, CN, …")
    wanted = residency.countries(region)
    return sorted(wanted | {group for group in _GROUPS if residency.countries(group) <= wanted})


def count(text: str) -> int:
    """Read how many rows are wanted: 1 to 100,000."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 100_000):
        raise QueryError(f"{text!r} is no number of rows: write 1 to 100000")
    return int(text)


def kinds(text: str) -> str:
    """Read kinds, separated by commas, `*` for what follows, as one regular expression."""
    names = [re.escape(name.strip()).replace(r"\*", ".*") for name in text.split(",") if name.strip()]
    return "|".join(names) or "none"


def trace_id_of(text: str) -> str:
    """Read a trace id; raises QueryError for what is none."""
    found = text.strip().lower()
    if not _TRACE.fullmatch(found):
        raise QueryError("a trace id has 32 hex digits: it is the header x-guard-trace of the answer")
    return found


SINCE = Parameter("since", "from when on: 7d, 24h, or a date", moment, "1970-01-01")
UNTIL = Parameter("until", "until when: 7d, 24h, or a date", moment, "9999-01-01")
REGION = Parameter("region", "a country or group: EU, EEA, US, CN", inside)
RULE = Parameter("rule", "only this rule, as the policy writes it: pii.card", str, "")
TENANT = Parameter("tenant", "only this tenant", str, "")
SUBJECT = Parameter("subject", "the keyed hash of a value, as findings have it", str.strip)
TRACE = Parameter("trace", "the trace id, as x-guard-trace gave it", trace_id_of)
TOP = Parameter("top", "how many rows", count, "20")
SENSITIVE = Parameter(
    "sensitive",
    "which kinds are sensitive: pii.card,pii.medical*",
    kinds,
    # PIPL Art. 28 (financial accounts, health, whereabouts, belief), GB/T 35273-2020 annex B (identity cards).
    "pii.card,pii.iban,pii.bank_account,pii.crypto,pii.medical*,pii.uk.nhs,pii.gps,pii.nrp,pii.cn.resident_id",
)
