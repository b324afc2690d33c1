"""Values that are nobody's: reserved for documentation and fiction, or private to every network."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

RESERVED = "reserved"
PRIVATE = "private"

_DOMAIN = re.compile(rb"(?:^|[@./])(?:example\.(?:com|net|org)|[a-z0-9-]+\.(?:example|invalid))$")
_DOCUMENTATION = (ipaddress.ip_network("2001:db8::/32"), ipaddress.ip_network("3fff::/20"))
_DOCUMENTATION_4 = frozenset([(192, 0, 2), (198, 51, 100), (203, 0, 113), (233, 252, 0)])
_NEAR = frozenset([0, 10, 127])
_NEAR_PAIRS = frozenset([(192, 168), (169, 254)])
_BEGUN = _NEAR | {100, 172} | {block[0] for block in (*_NEAR_PAIRS, *_DOCUMENTATION_4)}
_PUBLIC = frozenset(b"%d" % octet for octet in range(224) if octet not in _BEGUN)
"""First octets, as most are written, with which no such block begins."""
_FICTION = re.compile(rb"^1?[2-9][0-9]{2}55501[0-9]{2}$")


def email(view: bytes) -> str:
    """Second-level names and top levels of RFC 2606 and RFC 6761 that hold no mailbox, and the user `git` of SSH."""
    lower = view.lower()
    if lower.startswith(b"git@"):  # whoever clones a repository is called so
        return RESERVED
    return (
        RESERVED
        if (lower.find(b"example") >= 0 or lower.find(b"invalid") >= 0) and _DOMAIN.search(lower)
        else ""
    )


def url(view: bytes) -> str:
    """The same names as hosts of a URL, and loopback."""
    host = re.split(rb"[/?#]", view.lower().partition(b"://")[2] or view.lower(), maxsplit=1)[0].partition(
        b":"
    )[0]
    if host in (b"localhost", b"127.0.0.1"):
        return PRIVATE
    return RESERVED if _DOMAIN.search(host) else ""


def ip(view: bytes) -> str:
    """Documentation blocks (RFC 5737, 3849, 9637); loopback, link-local and private ones (RFC 1918, 4193, 6890)."""
    if view[: view.find(b".")] in _PUBLIC:
        return ""
    if view.count(b".") == 3 and view.count(b":") < 2:
        first, second, third, _ = view.split(b".")
        return _ipv4(int(first), int(second), int(third))
    try:
        address = ipaddress.IPv6Address(re.split(rb"[/%]", view, maxsplit=1)[0].decode("ascii"))
    except ValueError:
        return ""
    if any(address in block for block in _DOCUMENTATION):
        return RESERVED
    return PRIVATE if address.is_private or address.is_multicast else ""


def _ipv4(first: int, second: int, third: int) -> str:
    if (first, second, third) in _DOCUMENTATION_4:
        return RESERVED
    if (
        first in _NEAR
        or first >= 224
        or (first, second) in _NEAR_PAIRS
        or (first == 172 and 16 <= second < 32)
    ):
        return PRIVATE
    return PRIVATE if first == 100 and 64 <= second < 128 else ""


def phone(view: bytes) -> str:
    """555-0100 to 555-0199 of every North American area (ATIS-0300115)."""
    if view.find(b"555") < 0:
        return ""
    number = re.split(rb"[xX#,;e]", view, maxsplit=1)[0]
    return RESERVED if _FICTION.match(re.sub(rb"[^0-9]", b"", number)) else ""


_FOUNDATION = frozenset([b"02110-1301", b"02110-1335", b"02111-1307", b"02139"])


def zip_code(view: bytes) -> str:
    """The ZIP codes of the Free Software Foundation, as the notices of the GPL have them."""
    return RESERVED if view in _FOUNDATION else ""


NOBODY: dict[str, Callable[[bytes], str]] = {
    "email": email,
    "url": url,
    "ip": ip,
    "phone": phone,
    "zip": zip_code,
}
"""By the name that rows use."""
