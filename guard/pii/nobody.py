"""Values that are nobody's: reserved for documentation and fiction, or private to every network."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

RESERVED = "reserved"
PRIVATE = "private"

_DOMAIN = re.compile(rb"(?:^|[@./])(?:example\.(?:com|net|org)|[a-z0-9-]+\.(?:example|invalid))$")
_DOCUMENTATION = tuple(
    ipaddress.ip_network(block)
    for block in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "233.252.0.0/24", "2001:db8::/32", "3fff::/20")
)
_FICTION = re.compile(rb"^1?[2-9][0-9]{2}55501[0-9]{2}$")


def email(view: bytes) -> str:
    """Second-level names and top levels of RFC 2606 and RFC 6761 that hold no mailbox."""
    return RESERVED if _DOMAIN.search(view.lower()) else ""


def url(view: bytes) -> str:
    """The same names as hosts of a URL, and loopback."""
    host = re.split(rb"[/?#]", view.lower().partition(b"://")[2] or view.lower(), maxsplit=1)[0].partition(b":")[0]
    if host in (b"localhost", b"127.0.0.1"):
        return PRIVATE
    return RESERVED if _DOMAIN.search(host) else ""


def ip(view: bytes) -> str:
    """Documentation blocks (RFC 5737, 3849, 9637); loopback, link-local and private ones (RFC 1918, 4193, 6890)."""
    address = _address(view)
    if address is None:
        return ""
    if any(address in block for block in _DOCUMENTATION if block.version == address.version):
        return RESERVED
    special = address.is_private or address.is_loopback or address.is_link_local or address.is_unspecified
    return PRIVATE if special or address.is_multicast or address == _BROADCAST else ""


_BROADCAST = ipaddress.ip_address("255.255.255.255")


def _address(view: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    text = view.decode("ascii").partition("/")[0].partition("%")[0]
    if text.count(":") == 1:
        text = text.partition(":")[0]
    if text.count(".") == 3 and ":" not in text:
        text = ".".join(str(int(part)) for part in text.split("."))
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def phone(view: bytes) -> str:
    """555-0100 to 555-0199 of every North American area (ATIS-0300115)."""
    number = re.split(rb"[xX#,;e]", view, maxsplit=1)[0]
    return RESERVED if _FICTION.match(re.sub(rb"[^0-9]", b"", number)) else ""


NOBODY: dict[str, Callable[[bytes], str]] = {"email": email, "url": url, "ip": ip, "phone": phone}
"""By the name that rows use."""
