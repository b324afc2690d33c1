"""A caller's Idempotency-Key: the first answer is kept for a day, and the same call that comes again gets it.

After Stripe (docs.stripe.com/api/idempotent_requests) and draft-ietf-httpapi-idempotency-key-header. Answers are sealed
under a key that is made of the caller's own, which is not stored: nobody opens them without it.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from guard.errors import BadRequest, Refused
from guard.keys import Keys, keyed_hash
from guard.outside.stores.answers import AnswerStore, Found
from guard.outside.stores.holders import new_holder
from guard.traffic.waiting import Waiting

log = logging.getLogger("guard")

LONGEST_KEY = 255
LONGEST_ANSWER = 8 * 1024 * 1024
"""Bytes of an answer that are kept, at most; after a longer one its key is free again."""

LEASE_S = 3600.0
"""How long a call may be under way before its key is another's to take (seconds), where its process lives on."""

_NONCE = 12


@dataclass(frozen=True, slots=True, repr=False)
class Kept:
    """A first answer: status, headers, body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(slots=True, repr=False)
class Ticket:
    """A key that a call holds while it is under way, until it is `settled`."""

    id: str
    holder: str
    sealing: bytes
    settled: bool = False


class Idempotency:
    """First answers by tenant, endpoint and key. Thread-safe."""

    def __init__(self, store: AnswerStore, keys: Keys, *, wall: Callable[[], float] = time.time) -> None:
        self._store, self._key, self._wall = store, keys.answers, wall

    def begin(self, tenant: str, path: str, key: bytes, body: Any) -> Waiting[Ticket | Kept]:
        """Take a key for a call, or give the answer that was kept for it.

        Raises Refused 422 where it came with another body, 409 while its first call is under way; BadRequest for a
        key that is none; Unavailable.
        """
        if not 0 < len(key) <= LONGEST_KEY:
            raise BadRequest(
                400, "invalid_idempotency_key", f"an Idempotency-Key has 1 to {LONGEST_KEY} characters"
            )
        name = f"{tenant}\0{path}\0{key.decode('latin-1')}"
        ticket = Ticket(keyed_hash(self._key, name), new_holder(), self._sealing(name))
        said = json.dumps(body, sort_keys=True)
        now = self._wall()
        found: Found = yield self._store.begin(
            ticket.id, keyed_hash(self._key, said), ticket.holder, now + LEASE_S, now
        )
        if found.ours:
            return ticket
        if found.other:
            raise Refused(
                "idempotency_key_reuse",
                "this Idempotency-Key came with another request before: send a new one",
                status=422,
            )
        if found.sealed is None:
            raise Refused(
                "idempotency_in_flight",
                "the first call with this Idempotency-Key is under way: wait for it",
                status=409,
            )
        return _opened(ticket, found.sealed)

    def keep(self, ticket: Ticket, answer: Kept) -> Waiting[None]:
        """Keep an answer before it leaves; raises Unavailable."""
        if len(answer.body) > LONGEST_ANSWER:
            return self.release(ticket)
        ticket.settled = True
        yield self._store.keep(ticket.id, ticket.holder, _sealed(ticket, answer))

    def release(self, ticket: Ticket) -> None:
        """Give a key back without waiting, if it is still held: its call came to no answer."""
        if ticket.settled:
            return
        ticket.settled = True
        self._store.release(ticket.id, ticket.holder).add_done_callback(_noted)

    def close(self) -> None:
        """Write what is queued."""
        self._store.close()

    def _sealing(self, name: str) -> bytes:
        return hmac.digest(self._key, b"seal\0" + name.encode(), "sha256")


def _noted(released: Future[None]) -> None:
    if not released.cancelled() and released.exception() is not None:
        log.error("an idempotency key could not be given back: %s", released.exception())


def _sealed(ticket: Ticket, answer: Kept) -> bytes:
    headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in answer.headers]
    plain = orjson.dumps({"status": answer.status, "headers": headers}) + b"\n" + answer.body
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(ticket.sealing).encrypt(nonce, plain, ticket.id.encode())


def _opened(ticket: Ticket, sealed: bytes) -> Kept:
    plain = AESGCM(ticket.sealing).decrypt(sealed[:_NONCE], sealed[_NONCE:], ticket.id.encode())
    head, _, body = plain.partition(b"\n")
    said = orjson.loads(head)
    headers = tuple((k.encode("latin-1"), v.encode("latin-1")) for k, v in said["headers"])
    return Kept(said["status"], headers, body)
