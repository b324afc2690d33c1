"""Virtual keys of the gateway's clients in one file, 0600: keyed hashes, tenants, roles, ends. A key is shown once.

A key is `gk-<id>-<secret>`; the id is public and names the key in lists and in the record. The hash is HMAC-SHA256
under a key of the installation, so that the file alone does not even let one test a guess.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from guard.errors import SetupError

log = logging.getLogger("guard")

CALLER, READER = "caller", "reader"
ROLES = (CALLER, READER)
"""What a key may do: call every endpoint that guard lets pass, or only read (GET)."""

LOOK_S = 1.0
"""How often a gateway looks whether the file has changed."""

ACTIVE = "active"

_FORMAT = 1
_KEY = re.compile(rb"gk-([0-9a-f]{12})-[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class VirtualKey:
    """One key as it is stored; times are seconds since 1970, 0 for never."""

    id: str
    tenant: str
    role: str
    digest: str = field(repr=False)
    created: float = 0.0
    expires: float = 0.0
    revoked: float = 0.0
    name: str = ""

    @property
    def called(self) -> tuple[str, ...]:
        """What a policy may call it by."""
        return (self.id, self.name) if self.name else (self.id,)

    def state(self, now: float) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked:
            return "revoked"
        return "expired" if self.expires and now >= self.expires else ACTIVE


_NOBODY = VirtualKey("", "", "", "0" * 64)


class KeyFile:
    """The file of keys; `pepper` is the installation's key of the hashes."""

    def __init__(self, path: Path, pepper: bytes) -> None:
        self.path = path
        self._peppered = hmac.new(pepper, digestmod="sha256")

    def read(self) -> dict[str, VirtualKey]:
        """Every key by its id; raises SetupError for a file that others may read, or that is none of these."""
        try:
            if stat.S_IMODE(self.path.stat().st_mode) & 0o077:
                raise SetupError(f"others may read the virtual keys {self.path}: chmod 600 it")
            held = json.loads(self.path.read_bytes())
            rows = [VirtualKey(**row) for row in held["keys"]] if held["guard-keys"] == _FORMAT else None
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SetupError(
                f"the virtual keys {self.path} cannot be read ({type(error).__name__})"
            ) from None
        if rows is None or any(row.role not in ROLES for row in rows):
            raise SetupError(f"the virtual keys {self.path} were written by another version of guard")
        return {row.id: row for row in rows}

    def create(self, tenant: str, role: str, expires: float = 0.0, name: str = "") -> tuple[VirtualKey, str]:
        """Make a key; its text is given here and never again. Raises SetupError.

        A key that takes another's place may have its name: policies are attached to names of keys, too.
        """
        with self._alone():
            rows = self.read()
            if name and any(row.name == name and row.tenant != tenant for row in rows.values()):
                raise SetupError(f"another tenant has a key of the name {name}: choose another name")
            text = f"gk-{secrets.token_hex(6)}-{secrets.token_urlsafe(32)}"
            made = VirtualKey(
                text[3:15], tenant, role, self._digest(text.encode()), round(time.time()), expires, name=name
            )
            self._write({**rows, made.id: made})
        return made, text

    def revoke(self, key_id: str) -> VirtualKey:
        """End a key now; a key that has ended stays as it is. Raises SetupError for an id that is none."""
        with self._alone():
            rows = self.read()
            if key_id not in rows:
                raise SetupError("there is no virtual key of this id (guard keys list)")
            if not rows[key_id].revoked:
                rows[key_id] = replace(rows[key_id], revoked=round(time.time()))
                self._write(rows)
        return rows[key_id]

    def match(self, rows: dict[str, VirtualKey], presented: bytes, now: float) -> VirtualKey | None:
        """The active key that was presented; an unknown id costs the same comparison as a wrong secret."""
        found = _KEY.fullmatch(presented)
        row = rows.get(found[1].decode(), _NOBODY) if found else _NOBODY
        same = hmac.compare_digest(row.digest, self._digest(presented))
        return row if same and row.state(now) == ACTIVE else None

    def _digest(self, text: bytes) -> str:
        keyed = self._peppered.copy()  # half the time of a new one: each request needs it
        keyed.update(text)
        return keyed.hexdigest()

    def _write(self, rows: dict[str, VirtualKey]) -> None:
        data = json.dumps({"guard-keys": _FORMAT, "keys": [asdict(row) for row in rows.values()]}, indent=1)
        draft = self.path.with_name(f".{self.path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        finally:
            draft.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other process write meanwhile; the lock ends with the process."""
        import fcntl

        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self.path.with_name(f"{self.path.name}.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise SetupError(f"the virtual keys {self.path} cannot be written: {error.strerror}") from None


class Watched:
    """The keys as they are now: a change of the file counts within `LOOK_S`; a bad file lets nobody in."""

    def __init__(self, file: KeyFile, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._clock = clock
        self._seen = self._stamp()
        self._rows = file.read()
        self._looked = clock()

    def rows(self) -> dict[str, VirtualKey]:
        """All keys by id, as they are now: the same object as long as none has changed."""
        if self._clock() - self._looked >= LOOK_S:
            self._look()
        return self._rows

    def match(self, presented: bytes) -> VirtualKey | None:
        """The active key that was presented, or None."""
        return self._file.match(self.rows(), presented, time.time())

    def _look(self) -> None:
        self._looked = self._clock()
        if (stamp := self._stamp()) == self._seen:
            return
        try:
            self._rows = self._file.read()
        except SetupError as error:
            log.error("virtual keys: nobody is let in by one: %s", error)
            self._rows = {}
        self._seen = stamp

    def _stamp(self) -> tuple[int, ...]:
        try:
            found = self._file.path.stat()
        except OSError:
            return ()
        return (found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode)
