"""Dead letters: calls that failed for good, stored screened and sealed before their callers hear of it.

The body is sealed with AES-256-GCM under a key of its own (`guard.keys`), bound to the letter that it stands in.
"""

from __future__ import annotations

import secrets
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from guard.errors import SetupError, Unavailable
from guard.keys import Keys
from guard.outside.stores.letters import LetterStore, Row
from guard.traffic.waiting import Waiting

Headers = Sequence[tuple[bytes, bytes]]

PROVEN_S = 1.0
"""How long a store that took a write is taken to take the next one, too (seconds)."""

FREE = 16 * 1024 * 1024
"""Bytes that must be free on the disk for a call to go out: the longest letters of one commit."""

_NONCE = 12
_KEPT = (b"openai-organization", b"openai-project", b"openai-beta", b"openai-version", b"idempotency-key")
_KEYS = (b"authorization", b"api-key", b"x-api-key")


@dataclass(frozen=True, slots=True, repr=False)
class Letter:
    """A call that failed for good: the screened body with its headers, whose it was, and how it failed.

    `user` is a keyed hash. `tools` says that the call bears tools, `streamed` that a part of its answer has left.
    `paths`, `asked` and `keys` are what its policy was chosen by, beside tenant and model; `found` the kinds that were
    found in it before it was screened, with their scores: they may decide where it may go. `routes` says that its
    provider is told by its model.
    """

    tenant: str
    user: str
    model: str
    endpoint: str
    method: str
    url: str
    policy: str
    sha256: str
    reason: str
    attempts: int
    trace: str
    tools: bool
    streamed: bool
    headers: Headers
    body: bytes
    paths: Sequence[str] = ()
    asked: Sequence[str] = ()
    found: Mapping[str, float] = field(default_factory=dict)
    keys: Sequence[str] | None = None
    routes: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """What was sealed: the screened body, the headers to send along, and in which header the provider wants its key.

    `paths`, `asked` and `keys` are what its policy was chosen by, beside tenant and model; `found` the kinds that were
    found in it before it was screened, with their scores: they may decide where it may go. `routes` says that its
    provider is told by its model.
    """

    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    key_header: bytes
    paths: tuple[str, ...]
    asked: tuple[str, ...]
    found: Mapping[str, float]
    keys: tuple[str, ...] | None
    routes: bool


class Letters:
    """Stores letters, opens them again, and says before a call whether one could be stored. Thread-safe."""

    def __init__(
        self,
        store: LetterStore,
        keys: Keys,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self._key, self._key_id = keys.letters, keys.key_id
        self._clock, self._wall = clock, wall
        self._proven = -PROVEN_S

    def ready(self) -> Waiting[None]:
        """Pass where a letter could be stored; raises Unavailable. A busy process is not made to wait for it."""
        age = self._clock() - self._proven
        if age < PROVEN_S / 2:
            return
        self._look()
        proof = self.store.prove()
        proof.add_done_callback(self._note)
        if age < PROVEN_S:
            return
        if not (yield proof):
            raise Unavailable("store", "there is no room for a dead letter")

    def keep(self, letter: Letter) -> Waiting[str]:
        """Store a letter; gives its id once it is on the disk. Raises Unavailable."""
        row = self._sealed(uuid.uuid4().hex[:16], letter)
        kept = self.store.keep(row)
        kept.add_done_callback(self._note)
        yield kept
        return row.id

    def open(self, row: Row) -> Opened:
        """Open a letter; raises SetupError where it is sealed under another key, or was changed."""
        if not row.sealed:
            raise SetupError(f"letter {row.id} was answered: nothing is kept of its body")
        nonce, box = row.sealed[:_NONCE], row.sealed[_NONCE:]
        try:
            plain = AESGCM(self._key).decrypt(nonce, box, _bound(row))
        except (InvalidTag, ValueError):
            other = f"under another key ({row.key_id})" if row.key_id != self._key_id else "and was changed"
            raise SetupError(f"letter {row.id} is sealed {other}: it cannot be opened") from None
        head, _, body = plain.partition(b"\n")
        said = orjson.loads(head)
        headers = tuple((k.encode(), v.encode("latin-1")) for k, v in said["headers"])
        keys = said.get("keys")  # of letters from before keys had policies nobody knows
        chosen = (
            tuple(said["paths"]),
            tuple(said["asked"]),
            said["found"],
            None if keys is None else tuple(keys),
            said.get("routes", False),
        )
        return Opened(body, headers, said["key"].encode(), *chosen)

    def reach(self) -> Future[Any]:
        """Ask the store whether it can be written."""
        return self.store.writer.reach()

    def close(self) -> None:
        """Write what is queued."""
        self.store.close()

    def _look(self) -> None:
        """What a small write would not show: a disk that is almost full."""
        try:
            free = shutil.disk_usage(self.store.writer.path.parent).free
        except OSError as failure:
            raise Unavailable("store", str(failure.strerror)) from None
        if free < FREE:
            self._proven = -PROVEN_S
            raise Unavailable("store", "the disk is full")

    def _note(self, written: Future[Any]) -> None:
        failed = written.cancelled() or written.exception() is not None or written.result() is False
        self._proven = self._clock() - (PROVEN_S if failed else 0)

    def _sealed(self, id: str, letter: Letter) -> Row:
        kept = [(k.decode(), v.decode("latin-1")) for k, v in letter.headers if k in _KEPT]
        key = next((k.decode() for k, _ in letter.headers if k in _KEYS), "")
        chosen: dict[str, Any] = {
            "paths": list(letter.paths),
            "asked": list(letter.asked),
            "found": dict(letter.found),
            "keys": None if letter.keys is None else list(letter.keys),
            **({"routes": True} if letter.routes else {}),
        }
        plain = orjson.dumps({"headers": kept, "key": key, **chosen}) + b"\n" + letter.body
        row = Row(
            id=id,
            created=self._wall(),
            **{name: getattr(letter, name) for name in _SAID},
            key_id=self._key_id,
            sealed=b"",
            changed=self._wall(),
        )
        nonce = secrets.token_bytes(_NONCE)
        return replace(row, sealed=nonce + AESGCM(self._key).encrypt(nonce, plain, _bound(row)))


_SAID = "tenant user model endpoint method url policy sha256 reason attempts trace tools streamed".split()


def _bound(row: Row) -> bytes:
    """What a sealed body is bound to: moved to another letter, tenant or address it does not open."""
    return "\0".join((row.id, row.tenant, row.method, row.url)).encode()
