"""Where a destination is, and whether a list of jurisdictions admits it: pure, from one dated table."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from guard.types import Admission, Place

_DATA: dict[str, Any] = json.loads(files("guard").joinpath("data/hosts.json").read_text("utf-8"))

TABLE_VERSION: str = _DATA["version"]
"""Version of the shipped hosts table; it goes into traces beside each admission."""

TABLE_DATE: str = _DATA["date"]
"""The day on which the providers' documentation said so."""

_GROUPS: dict[str, list[str]] = _DATA["groups"]
_REGIONS: dict[str, dict[str, str]] = _DATA["regions"]
PORTS = {"https": 443, "http": 80}
_NOWHERE = frozenset({"GLOBAL", "UNKNOWN"})
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291 2.5.5.1, deprecated; :: and ::1 are themselves
_METADATA = ipaddress.IPv6Address("fd00:ec2::254")
_INTERNAL = (".localhost", ".local", ".internal", ".lan", ".svc", ".home.arpa")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the hosts table that matched: who answers there, where, and what to know about it.

    `request` names what of a request says where it goes (`bedrock`: its model id, `anthropic`: `inference_geo`),
    `endpoints` are those that are processed there (none: all); without `stores` a request is to say `store: false`.
    """

    host: str
    provider: str
    place: Place
    family: str = ""
    note: str = ""
    request: str = ""
    endpoints: frozenset[str] = frozenset()
    stores: bool = True


class _Name(NamedTuple):
    """A destination as an operator writes it: `host`, `*.host`, `host:port` or `scheme://host[:port]`."""

    scheme: str
    host: str
    port: int | None


@lru_cache(maxsize=1024)
def canonical(host: str) -> str | None:
    """Return a host as DNS sees it, or None for what is no host.

    Lower case, without one trailing dot, IDNA 2008 for other scripts (which maps nothing to ASCII, so that
    full-width digits never spell a known host), addresses in their one spelling. `127.1`, `0x7f000001` and
    zone ids are refused: a resolver reads them as addresses, a table does not.
    """
    name = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    name = name.removesuffix(".")
    address = _address(name)
    if address is not None:
        return str(address)
    labels = [label.lower() if label.isascii() else _idna(label.lower()) for label in name.split(".")]
    return ".".join(labels) if _is_dns_name(labels) else None


def _address(name: str) -> Address | None:
    if not name.isascii() or "%" in name:
        return None
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _idna(label: str) -> str:
    import idna

    try:
        encoded = idna.alabel(label).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return ""
    return encoded if encoded.startswith("xn--") else ""


def _is_dns_name(labels: list[str]) -> bool:
    return (
        len(labels) + sum(map(len, labels)) <= 254
        and all(_LABEL.fullmatch(label) for label in labels)
        and _NUMBER.fullmatch(labels[-1]) is None
    )


def is_public(address: str) -> bool:
    """Whether an IP address is on the public Internet: not loopback, private, link-local or reserved.

    An IPv4 address inside an IPv6 one (mapped, compatible, 6to4, NAT64 of RFC 6052) is judged itself.
    """
    found = _innermost(address)
    if found is None or not found.is_global or found.is_multicast:
        return False
    return not (isinstance(found, ipaddress.IPv6Address) and found.is_site_local)


def is_host(address: str) -> bool:
    """Whether an IP address can be a server's: not link-local (a cloud's metadata), unspecified or multicast."""
    found = _innermost(address)
    if found is None or found == _METADATA:
        return False
    return not (found.is_link_local or found.is_unspecified or found.is_multicast)


def is_address(name: str) -> bool:
    """Whether a canonical host is an IP address."""
    return _address(name) is not None


def _innermost(address: str) -> Address | None:
    """An address, or the IPv4 address inside it."""
    found = _address(address.partition("%")[0])
    if not isinstance(found, ipaddress.IPv6Address):
        return found
    holds = found in _NAT64 or (found in _COMPATIBLE and int(found) > 1)
    return ipaddress.IPv4Address(found.packed[12:]) if holds else found.sixtofour or found


def is_internal(name: str) -> bool:
    """Whether a canonical host says itself that it is in one's own network: `ollama`, `llm.internal`, `10.0.0.7`."""
    address = _address(name)
    if address is not None:
        return not is_public(name)
    return "." not in name or name.endswith(_INTERNAL)


# The shipped table.


def _rows() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    return [(re.compile(_expression(row["host"])), row) for row in _DATA["hosts"]]


def _expression(pattern: str) -> str:
    wild = r"(?:[a-z0-9_-]+\.)+" if pattern.startswith("*.") else ""
    pieces = re.split(r"\{([a-z-]+)\}", pattern.removeprefix("*."))
    literal = [re.escape(piece).replace(r"\*", "[a-z0-9_-]+") for piece in pieces[::2]]
    regions = ["(" + "|".join(map(re.escape, _REGIONS[name])) + ")" for name in pieces[1::2]] + [""]
    return wild + "".join(text + region for text, region in zip(literal, regions, strict=True))


_ROWS = _rows()


@lru_cache(maxsize=1024)
def lookup(host: str) -> Row | None:
    """Find the table's row for a canonical host: exact, or by an anchored pattern."""
    for expression, row in _ROWS:
        match = expression.fullmatch(host)
        if match is not None:
            return _row(row, match.group(1) if expression.groups else "")
    return None


def _row(row: Mapping[str, Any], region: str) -> Row:
    place = Place(_regional(row["processing"], region), _regional(row["storage"], region))
    endpoints = frozenset(_DATA["endpoints"].get(row.get("endpoints"), ()))
    words = {key: row.get(key, "") for key in ("family", "note", "request")}
    return Row(
        row["host"], row["provider"], place, **words, endpoints=endpoints, stores=row.get("store", True)
    )


def _regional(codes: list[str], region: str) -> tuple[str, ...]:
    return tuple(_REGIONS[code[1:-1]][region] if code.startswith("{") else code for code in codes)


# Jurisdictions.


@lru_cache(maxsize=256)
def countries(code: str) -> frozenset[str]:
    """Expand a jurisdiction to its countries: `EEA` is the EU's 27 and IS, LI, NO; a country is itself."""
    code = code.upper()
    if code not in _GROUPS:
        return frozenset({code})
    return frozenset().union(*(countries(part) for part in _GROUPS[code]))


def inside(place: Place, jurisdictions: Iterable[str]) -> bool:
    """Whether all places of processing and storage lie inside; GLOBAL and UNKNOWN never do."""
    return _inside(place, tuple(jurisdictions))


@lru_cache(maxsize=1024)
def _inside(place: Place, jurisdictions: tuple[str, ...]) -> bool:
    allowed: frozenset[str] = frozenset().union(*map(countries, jurisdictions)) - _NOWHERE
    return _within(place.processing, allowed) and _within(place.storage, allowed)


def _within(codes: tuple[str, ...], allowed: frozenset[str]) -> bool:
    return bool(codes) and all(countries(code) <= allowed for code in codes)


def resident_host(host: str, jurisdictions: tuple[str, ...] | None) -> str:
    """Name the same provider's host that lies inside the jurisdictions; empty where there is none."""
    name = canonical(host) or ""
    row = lookup(name)
    if row is None:
        return ""
    if jurisdictions is None or inside(row.place, jurisdictions):
        return name
    family = [other for _, other in _ROWS if row.family and other.get("family") == row.family]
    return next((o["host"] for o in family if inside(_row(o, "").place, jurisdictions)), "")


# Admission.


def admit(
    host: str,
    *,
    port: int | None,
    scheme: str,
    jurisdictions: tuple[str, ...] | None,
    declared: Mapping[str, Place],
    named: Collection[str],
) -> Admission:
    """Decide whether a destination may be reached.

    Only named hosts are: the shipped table (https on 443), `declared` (`egress.hosts`: pattern to place) and
    `named` (hosts or URLs that the operator typed). Under `jurisdictions` (None: any place) all places of the
    destination must be inside, and naming a host does not say where it is. Entries of `declared` and `named`
    are `host`, `*.host`, `host:port` or `scheme://host[:port]`; without a scheme, http is meant only for
    loopback, private addresses, internal names or a written port.
    """
    name = canonical(host)
    if name is None or scheme not in PORTS:
        return _refusal(
            "egress.host",
            "",
            "the destination is not an http or https host: write its base URL, as https://llm.example.org/v1",
        )
    found = _find(name, scheme, port or PORTS[scheme], declared, named)
    if found is None:
        return _refusal("egress.host", name, _unnamed(name, declared, named))
    source, place = found
    if jurisdictions is None or (place is not None and inside(place, jurisdictions)):
        return Admission(True, name, label(name, place), "", place, source=source)
    return outside(name, source, place, jurisdictions)


def _find(
    name: str, scheme: str, port: int, declared: Mapping[str, Place], named: Collection[str]
) -> tuple[str, Place | None] | None:
    covering = [entry for entry in declared if covers(entry, name, scheme, port)]
    if covering:
        return "declared", declared[max(covering, key=_exactness)]
    row = lookup(name)
    if row is not None and (scheme, port) == ("https", 443):
        return "table", row.place
    return ("named", None) if any(covers(entry, name, scheme, port) for entry in named) else None


@lru_cache(maxsize=1024)
def _name(entry: str) -> _Name | None:
    scheme, _, rest = entry.rpartition("://")
    rest = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host, port = rest, ""
    if rest.count(":") == 1 or "]:" in rest:
        host, _, port = rest.rpartition(":")
    wild, bare = ("*.", host[2:]) if host.startswith("*.") else ("", host)
    name = canonical(bare)
    if name is None or (port and not (port.isascii() and port.isdigit())):
        return None
    return _Name(scheme.lower(), wild + name, int(port) if port else PORTS.get(scheme.lower()))


def covers(entry: str, host: str, scheme: str, port: int) -> bool:
    """Whether an entry of `declared` or `named` (see `admit`) is about a canonical host, its scheme and its port."""
    name = _name(entry)
    if name is None or not _matches(name.host, host):
        return False
    if name.port is not None and name.port != port:
        return False
    if name.scheme:
        return name.scheme == scheme
    return scheme == "https" or name.port is not None or is_internal(host)


def _matches(pattern: str, host: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and _address(host) is None
    return pattern == host


def _exactness(entry: str) -> tuple[bool, int, int]:
    name = _name(entry)
    assert name is not None
    return (not name.host.startswith("*."), len(name.host), (name.port is not None) + bool(name.scheme))


# What a refusal says. It names a host only if the table does: others may be internal.


def _refusal(code: str, host: str, reason: str) -> Admission:
    return Admission(False, host, "UNKNOWN", reason, code=code)


def _unnamed(name: str, declared: Mapping[str, Place], named: Collection[str]) -> str:
    known = [parsed for entry in (*declared, *named) if (parsed := _name(entry)) is not None]
    if lookup(name) is not None or any(_matches(entry.host, name) for entry in known):
        return (
            "the destination is named, but not with this scheme or port: https on 443 is meant unless "
            "egress.hosts names them"
        )
    return "the destination is not named: neither the hosts table nor egress.hosts has it"


def outside(
    name: str,
    source: str,
    place: Place | None,
    jurisdictions: tuple[str, ...],
    *,
    note: str = "",
    rules: Iterable[str] = (),
) -> Admission:
    """The refusal of a destination that is not inside; it names the same provider's host that is, if there is one.

    `note` says why it is where it is, `rules` are the patterns of what was found that asked for the jurisdictions.
    """
    resident = resident_host(name, jurisdictions)
    found, where = ", ".join(rules), _where(name, place, note)
    places = ", ".join(jurisdictions) or "no place at all"
    asks = f"{where}, and the policy asks for {places}"
    reason = f"{where}, and egress.rules keeps {found} in {places}" if found else asks
    reason += f": use {resident}" if resident and resident != name else ""
    return Admission(
        False, name, label(name, place), reason, place, resident, code="egress.jurisdiction", source=source
    )


def observed(admission: Admission) -> Admission:
    """The same, let pass: `egress.mode: observe` records what it would have refused."""
    return replace(admission, allowed=True, reason=f"observed only: {admission.reason}")


def _where(name: str, place: Place | None, note: str) -> str:
    row = lookup(name)
    if place is None:
        return "the destination is named, but only egress.hosts can say where it is"
    where = f"{name if row else 'the destination'} is {label(name, place)}"
    note = note or (row.note if row else "")
    return f"{where} ({note})" if note else where


def label(name: str, place: Place | None) -> str:
    """All places of a destination in one word: `EEA+CH`."""
    if place is None:
        return "LOCAL" if is_internal(name) else "UNKNOWN"
    return "+".join(dict.fromkeys(code.upper() for code in (*place.processing, *place.storage)))
