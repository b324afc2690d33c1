"""Keys of subject hashes: one a tenant and period, drawn by chance, each sealed in a file of its own.

No key can be made again from another: with its file a key is gone, and with the key every link from a person to
the records of that tenant and period.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from guard.errors import Unavailable
from guard.keys import PERIODS, Keys, derive, keyed_hash, period_of
from guard.outside.folders import sync_folder

FOLDER = "subject-keys"

_BOUND = b"guard subject key 1"
_NONCE = 12
_HELD = 4096


@dataclass(frozen=True)
class SubjectKey:
    """One key: of which tenant, for which period (`2026`, `2026-Q4`, `2026-11`), and where it lies."""

    tenant: str
    period: str
    value: bytes = field(repr=False)
    path: Path | None = None

    @cached_property
    def id(self) -> str:
        """The key's name in the record: its period and eight hex digits that reveal nothing of it."""
        return f"{self.period}-{derive(self.value, 'key-id', 4).hex()}"


class SubjectKeys:
    """The keys of an installation: all processes that share the folder agree on one for each tenant and period.

    Without a folder they live in this process's memory: for verbs that keep nothing. Thread-safe.
    """

    def __init__(self, folder: Path | None, keys: Keys) -> None:
        self.folder = folder
        self._keys = keys
        self._lock = threading.Lock()
        self._held: dict[tuple[str, str], SubjectKey] = {}
        self._running: frozenset[str] = frozenset()

    def of(self, tenant: str, period: str, made: Callable[[SubjectKey], None]) -> SubjectKey:
        """The key of a tenant's period, drawn where there is none: then `made` is told, in one process alone.

        Raises Unavailable where it can be neither read nor made.
        """
        found = self._held.get((tenant, period))
        if found is not None:
            return found
        with self._lock:
            found, new = self._found(tenant, period)
            self._hold(found)
        if new:
            made(found)
        return found

    def stored(self) -> Iterator[SubjectKey]:
        """Every key in the folder that this installation can open, by period."""
        if self.folder is not None:
            for path in sorted(self.folder.glob("*/*.key")):
                with contextlib.suppress(OSError, ValueError):
                    yield self._opened(path)

    @staticmethod
    def runs(key: SubjectKey) -> bool:
        """Whether a key's period still runs, here or with a clock an hour behind: processes may hold it."""
        return any(key.period in _running(time.gmtime(time.time() - late)) for late in (0, 3600))

    @staticmethod
    def destroy(key: SubjectKey) -> None:
        """Overwrite the file of a key and delete it; raises OSError. Nobody can make this key again."""
        if key.path is not None:
            with key.path.open("r+b") as file:
                file.write(secrets.token_bytes(key.path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
            key.path.unlink()
            sync_folder(key.path.parent)

    def _hold(self, key: SubjectKey) -> None:
        """Keep a key at hand; those of periods that are over are forgotten."""
        running = _running(time.gmtime())
        if running != self._running:
            self._running, self._held = running, {}
        elif len(self._held) >= _HELD:
            self._held = {}
        self._held[key.tenant, key.period] = key

    def _found(self, tenant: str, period: str) -> tuple[SubjectKey, bool]:
        if self.folder is None:
            held = self._held.get((tenant, period))
            return held or SubjectKey(tenant, period, secrets.token_bytes(32)), False
        path = self.folder / period / f"{keyed_hash(self._keys.subject_names, tenant)}.key"
        try:
            new = not path.exists() and self._made(path, tenant, period)
            key = self._opened(path)
        except (OSError, ValueError) as failure:
            said = failure.strerror if isinstance(failure, OSError) else "it cannot be opened"
            raise Unavailable("store", f"a subject key ({path}): {said}") from None
        if (key.tenant, key.period) != (tenant, period):
            raise Unavailable("store", f"a subject key ({path}): it is another's")
        return key, new

    def _made(self, path: Path, tenant: str, period: str) -> bool:
        """Draw a key; of several processes exactly one link succeeds, and that one is told True."""
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self._sealed(tenant, period))
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        sync_folder(path.parent)
        return True

    def _sealed(self, tenant: str, period: str) -> bytes:
        plain = json.dumps({"tenant": tenant, "period": period, "key": secrets.token_hex(32)}).encode()
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self._keys.subject_seal).encrypt(nonce, plain, _BOUND)

    def _opened(self, path: Path) -> SubjectKey:
        """Open one file; raises ValueError for one that was sealed under another master key, or changed."""
        data = path.read_bytes()
        try:
            plain = json.loads(AESGCM(self._keys.subject_seal).decrypt(data[:_NONCE], data[_NONCE:], _BOUND))
        except InvalidTag:
            raise ValueError("sealed under another master key, or changed") from None
        return SubjectKey(plain["tenant"], plain["period"], bytes.fromhex(plain["key"]), path)


def _running(now: time.struct_time) -> frozenset[str]:
    return frozenset(period_of(length, now.tm_year, now.tm_mon) for length in PERIODS)
