"""One master key, one derived key a use: HKDF-SHA256 with a label (RFC 5869)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from functools import cached_property


def derive(master: bytes, label: str, length: int = 32) -> bytes:
    """Derive `length` bytes (at most 255 × 32) for one use from the master key."""
    pseudo_random_key = hmac.new(b"guard/v1", master, hashlib.sha256).digest()
    block, okm, counter = b"", b"", 1
    while len(okm) < length:
        block = hmac.new(
            pseudo_random_key, block + label.encode() + bytes([counter]), hashlib.sha256
        ).digest()
        okm += block
        counter += 1
    return okm[:length]


_PERIODS = 1024

PERIODS = ("month", "quarter", "year")
"""How long one key of subject hashes may serve."""


def period_of(length: str, year: int, month: int) -> str:
    """Name the period of a length that a month lies in: `2026-11`, `2026-Q4` or `2026`."""
    if length == "month":
        return f"{year}-{month:02}"
    return f"{year}-Q{(month + 2) // 3}" if length == "quarter" else str(year)


class Keys:
    """The keys of one installation, each derived for one use; the repr shows only the key id.

    `seals` are keys of `as: encrypt` alone, the present one first and those that it replaced behind it.
    """

    def __init__(self, master: bytes, seals: Sequence[bytes] = ()) -> None:
        self._master = master
        self._seals = tuple(seals)
        self._subjects: dict[tuple[str, int], bytes] = {}

    @cached_property
    def key_id(self) -> str:
        """Eight hex digits that name the master key without revealing it."""
        return derive(self._master, "key-id", 4).hex()

    @cached_property
    def faker(self) -> bytes:
        """Key of the fake values."""
        return derive(self._master, "faker")

    @cached_property
    def hash(self) -> bytes:
        """Key of `as: hash` placeholders."""
        return derive(self._master, "hash")

    @cached_property
    def encrypt(self) -> bytes:
        """Key of `as: encrypt` placeholders (AES-256)."""
        return derive(self._master, "tokens")

    @cached_property
    def sealers(self) -> tuple[Keys, ...]:
        """Whose `encrypt` key opens a sealed placeholder; the first seals. The master's own is always the last."""
        return (*map(Keys, self._seals), self)

    @cached_property
    def users(self) -> bytes:
        """Key of `guard.user` hashes."""
        return derive(self._master, "users")

    @cached_property
    def letters(self) -> bytes:
        """Key of dead letters at rest (AES-256)."""
        return derive(self._master, "letters")

    @cached_property
    def answers(self) -> bytes:
        """Key of answers that are kept for an idempotency key."""
        return derive(self._master, "answers")

    def subjects_of(self, tenant: str, year: int) -> bytes:
        """Key of the subject hashes on records that name none (`guard.subject_key`): one a tenant and year (UTC)."""
        found = self._subjects.get((tenant, year))
        if found is None:
            if len(self._subjects) >= _PERIODS:
                self._subjects = {}
            found = self._subjects[tenant, year] = derive(self._master, f"subjects {year} {tenant}")
        return found

    @cached_property
    def subject_seal(self) -> bytes:
        """Key of subject keys at rest (AES-256)."""
        return derive(self._master, "subject-keys")

    @cached_property
    def subject_names(self) -> bytes:
        """Key of the names of their files: a listing tells no tenant."""
        return derive(self._master, "subject-key-names")

    @cached_property
    def clients(self) -> bytes:
        """Key of the hashes of the gateway's virtual keys."""
        return derive(self._master, "clients")

    @cached_property
    def glass(self) -> bytes:
        """Key of the seal on what `guard break-glass` writes."""
        return derive(self._master, "break-glass")

    @cached_property
    def memo(self) -> bytes:
        """Key of in-process caches (moderation answers, screened segments)."""
        return derive(self._master, "memo")

    def __repr__(self) -> str:
        return f"Keys(key_id={self.key_id})"

    def __reduce__(self) -> str:
        raise TypeError("keys are never pickled")


def keyed_hash(key: bytes, value: str, length: int = 32) -> str:
    """Keyed BLAKE2b (RFC 7693) of a value as `length` hex digits, for records that must join without the value."""
    return keyed_digest(key, value.encode("utf-8", "surrogatepass"), length)


def keyed_digest(key: bytes, data: bytes, length: int = 32) -> str:
    """Hash bytes as `keyed_hash` does a text."""
    return hashlib.blake2b(data, digest_size=length // 2, key=key).hexdigest()


def hmac_hash(key: bytes, value: str, length: int = 32) -> str:
    """HMAC-SHA256 (RFC 2104) of a value as `length` hex digits, for placeholders that others may recompute."""
    return hmac.digest(key, value.encode("utf-8", "surrogatepass"), "sha256").hex()[:length]
