"""Who calls the gateway: by GUARD_CLIENT_KEYS, by virtual keys, or anyone on this machine where there are neither."""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from guard.errors import Refused
from guard.outside.stores.clientkeys import ACTIVE, CALLER, READER, VirtualKey, Watched
from guard.types import Identity

MOST, WITHIN_S = 20, 60.0
"""Failed logins that one address has in so many seconds; then only keys that it used well before are looked at."""

_HELD = 4096
_READING = ("GET", "HEAD")


class TenantKeys(Protocol):
    """Keys that each stand for a tenant."""

    def tenant(self, authorization: bytes) -> str | None:
        """The tenant whose key was presented, or None."""


class _Right(NamedTuple):
    """Whose a key is that was right, and among which virtual keys that was found."""

    who: Identity
    role: str
    key: VirtualKey | None
    among: object

    def holds(self, among: object) -> bool:
        """Whether it is still as it was found: no virtual key has changed since, and this one has not ended."""
        return self.among is among and (self.key is None or self.key.state(time.time()) == ACTIVE)


class Clients:
    """Tell who calls; raises Refused 401, the same for every wrong, ended or unknown key, and 429 for too many.

    Of a key that was right it is remembered by its hash whose it is: that it was right its caller has been told.
    """

    def __init__(
        self,
        listed: TenantKeys | None,
        virtual: Watched | None,
        limited: Callable[[int], None] = lambda failed: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listed, self._virtual = listed, virtual
        self._logins = Logins(limited, clock)
        self._right: OrderedDict[bytes, _Right] = OrderedDict()

    def __bool__(self) -> bool:
        return self._listed is not None or self._virtual is not None

    def of(self, scope: Any, authorization: bytes) -> Identity:
        """The identity of a caller; raises Refused."""
        if not self:
            return Identity()
        address, digest = _address(scope.get("client")), hashlib.sha256(authorization).digest()
        if wait := self._logins.wait(address, digest):
            raise Refused(
                "too_many_failed_logins",
                "too many wrong keys came from this address: try again later",
                status=429,
                retry_after_s=wait,
            )
        found = self._find(authorization, digest)
        if found is None:
            self._logins.failed(address)
            raise Refused("invalid_api_key", "the gateway does not know this key", status=401)
        self._logins.passed(address, digest)
        if found.role == READER and scope["method"] not in _READING:
            raise Refused("client_key.role", "this key may only read: its role is reader", status=403)
        return found.who

    def knows(self, authorization: bytes) -> bool:
        """Whether a key that was right holds still: looked at anew, whatever is remembered."""
        return self._tried(authorization, None) is not None

    def _find(self, authorization: bytes, digest: bytes) -> _Right | None:
        rows = self._virtual.rows() if self._virtual is not None else None
        found = self._right.get(digest)
        if found is None or not found.holds(rows):
            found = self._tried(authorization, rows)
            if found is not None:
                self._right[digest] = found
                _bound(self._right)
        return found

    def _tried(self, authorization: bytes, rows: object) -> _Right | None:
        """Both kinds of keys are tried whichever matches, so that the time tells nothing."""
        tenant = self._listed.tenant(authorization) if self._listed is not None else None
        scheme, _, key = authorization.partition(b" ")
        known = self._virtual.match(key.strip()) if self._virtual is not None else None
        if known is not None and scheme.lower() == b"bearer":
            who = Identity(known.tenant, key=known.id, keys=known.called)
            return _Right(who, known.role, known, rows)
        return _Right(Identity(tenant, keys=()), CALLER, None, rows) if tenant is not None else None


class Logins:
    """How many logins failed, by address; `limited` is told once each time that an address reaches the limit.

    A key that was used well from an address is still looked at from there, so that one who guesses locks out nobody
    beside them. Bounded: of more than 4,096 addresses the oldest are forgotten.
    """

    def __init__(self, limited: Callable[[int], None], clock: Callable[[], float]) -> None:
        self._limited, self._clock = limited, clock
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._well: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def wait(self, address: str, digest: bytes) -> float:
        """Seconds until this address may try another key; 0 where it may now."""
        if address not in self._failures or (address, digest) in self._well:
            return 0.0
        began, count = self._failures[address]
        left = began + WITHIN_S - self._clock()
        return left if count >= MOST and left > 0 else 0.0

    def failed(self, address: str) -> None:
        """Count a wrong key."""
        now = self._clock()
        began, count = self._failures.get(address, (now, 0))
        if now - began >= WITHIN_S:
            began, count = now, 0
        self._failures[address] = (began, count + 1)
        _bound(self._failures)
        if count + 1 == MOST:
            self._limited(MOST)

    def passed(self, address: str, digest: bytes) -> None:
        """Remember a key that was right."""
        self._well[address, digest] = None
        _bound(self._well)


def _bound(held: OrderedDict[Any, Any]) -> None:
    while len(held) > _HELD:
        held.popitem(last=False)


def _address(client: Any) -> str:
    """The caller's address; of IPv6 the network of 64 bits, which one caller has whole."""
    return _network(client[0]) if client else ""


@lru_cache(maxsize=_HELD)
def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return str(address)
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)
