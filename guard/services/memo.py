"""What was found in texts that come again: a conversation is sent whole with each of its turns."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence

from guard.types import Finding

_SIZE = 16_384
"""Texts and findings of a generation, together: some 4 MB; two generations are kept."""


class Memo:
    """Findings by keyed digest, never a text: bounded, for any thread.

    The older of two generations goes when the younger is full; what is asked for again is moved into the younger.
    """

    def __init__(self, size: int = _SIZE) -> None:
        self._keyed = hashlib.blake2b(key=os.urandom(32), digest_size=16)
        self._size, self._taken = size, 0
        self._young: dict[bytes, tuple[Finding, ...]] = {}
        self._old: dict[bytes, tuple[Finding, ...]] = {}
        self._told: set[int] = set()

    def name(self, text: str, tenant: str = "") -> bytes:
        """The digest of a tenant's text, in this process: how long one waits tells of nobody else's texts."""
        digest = self._keyed.copy()
        digest.update(f"{tenant}\0{text}".encode("utf-8", "surrogatepass"))
        return digest.digest()

    def recall(self, name: bytes) -> list[Finding] | None:
        """What was found in the text; None where that is not known."""
        found = self._young.get(name)
        if found is None and (found := self._old.get(name)) is not None:
            self._put(name, found)
        return None if found is None else list(found)

    def keep(self, name: bytes, found: Sequence[Finding]) -> None:
        """Keep what was found, if every check ran: a failure is asked anew."""
        if not any(finding.kind.startswith("guard.unavailable.") for finding in found):
            self._put(name, tuple(found))

    def note(self, text: str, tenant: str = "") -> None:
        """Remember that something was found in a tenant's text, by nothing but a hash of 64 bits."""
        if len(self._told) >= self._size:
            self._told.clear()
        self._told.add(hash((tenant, text)))

    def noted(self, texts: Iterable[str], tenant: str = "") -> bool:
        """Whether something was found in one of a tenant's texts, as far as a glance can tell: it may err."""
        told = self._told
        return bool(told) and not told.isdisjoint([hash((tenant, text)) for text in texts])

    def _put(self, name: bytes, found: tuple[Finding, ...]) -> None:
        room = 1 + len(found)
        if room > self._size:
            return
        if self._taken + room > self._size:
            self._old, self._young, self._taken = self._young, {}, 0
        self._taken += room
        self._young[name] = found
