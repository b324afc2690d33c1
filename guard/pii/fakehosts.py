"""Fake addresses of machines: the ranges that RFCs keep for documentation."""

from __future__ import annotations

import ipaddress
import re

from guard.pii.draw import Draw
from guard.pii.shapes import alnums, fill_as, generic, is_generic

_IPV4 = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}")
_IPV6 = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_SCHEME = re.compile(r"(?i)[a-z][a-z0-9+.-]*://")
_TEST_NETS = ("192.0.2.", "198.51.100.", "203.0.113.")  # RFC 5737
_RESERVED = [ipaddress.ip_network(net) for net in (*(f"{net}0/24" for net in _TEST_NETS), "2001:db8::/32")]


def ip(value: str, draw: Draw) -> str:
    """An address of the documentation ranges (RFC 5737, RFC 3849)."""
    if match := _IPV4.match(value):
        return _TEST_NETS[draw.below(3)] + str(draw.below(256)) + value[match.end() :]
    match = _IPV6.search(value)
    if match is None:
        return generic(value, draw)
    made = "2001:db8:" + ":".join(f"{draw.below(65535) + 1:x}" for _ in range(6))
    made = made.upper() if match.group().isupper() else made
    return value[: match.start()] + made + value[match.end() :]


def is_ip(value: str) -> bool:
    """Whether an address is of the documentation ranges."""
    try:
        address = ipaddress.ip_address(_bare(value))
    except ValueError:
        return is_generic(value)
    return any(address in net for net in _RESERVED if net.version == address.version)


def _bare(value: str) -> str:
    text = value.partition("/")[0].partition("%")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text.strip("[]")


def mac(value: str, draw: Draw) -> str:
    """An address of the documentation range 00-00-5E-00-53-xx (RFC 9542)."""
    places = alnums(value)
    if len(places) not in (12, 16):
        return generic(value, draw)
    prefix = "00005e0053" if len(places) == 12 else "02005e10000000"
    return fill_as(value, prefix + draw.hexes(2))


def is_mac(value: str) -> bool:
    """Whether an address is of the documentation range."""
    places = alnums(value).lower()
    return places.startswith(("00005e0053", "02005e10000000")) or is_generic(value)


def uuid(value: str, draw: Draw) -> str:
    """A UUID whose first 32 bits are zero."""
    places = alnums(value)
    return fill_as(value, ("00000000" + draw.hexes(len(places)))[: len(places)])


def is_uuid(value: str) -> bool:
    """Whether the first 32 bits are zero."""
    return alnums(value).startswith("00000000")


def url(value: str, draw: Draw) -> str:
    """A page of example.com (RFC 2606) under the same scheme."""
    scheme = _SCHEME.match(value)
    return f"{scheme.group() if scheme else 'https://'}example.com/{draw.hexes(8)}"


def is_url(value: str) -> bool:
    """Whether a URL is one that `url` draws."""
    return re.fullmatch(r"(?i)(?:[a-z][a-z0-9+.-]*://)?example\.com/[0-9a-f]{8}", value) is not None
