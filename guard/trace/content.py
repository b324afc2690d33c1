"""Texts of an exchange for its auditor alone: sealed to the auditor's public key by HPKE (RFC 9180), base mode.

KEM X25519, HKDF-SHA256, AES-256-GCM. guard holds no key that opens them: the private half is made by the auditor
and stays there. What was sealed opens for the span that it was sealed for, and for no other.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from guard.errors import GuardError, SetupError
from guard.trace import spans
from guard.trace.otlpjson import Whole
from guard.trace.spans import Span

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_MOST = 1024 * 1024


class Sealed(GuardError):
    """A content does not open: it is of another key or another span, or it was changed."""


class Auditor:
    """The auditor's public key: seals, and cannot open."""

    def __init__(self, key: str) -> None:
        self._public = X25519PublicKey.from_public_bytes(base64.b64decode(key)[-32:])

    @cached_property
    def key_id(self) -> str:
        """16 hex digits of the SHA-256 of the raw key."""
        return hashlib.sha256(self._public.public_bytes_raw()).hexdigest()[:16]

    def seal(self, span: Span, texts: Sequence[tuple[str, str]], *, original: bool, cut: bool) -> None:
        """Put texts (path, text) on a span, sealed."""
        plain = zlib.compress(orjson.dumps([[_whole(path), _whole(text)] for path, text in texts]))
        sealed = _SUITE.encrypt(plain, self._public, info=_bound(span.trace_id, span.span_id))
        told: dict[str, Any] = {
            spans.CONTENT: Whole(base64.b64encode(sealed).decode()),
            spans.CONTENT_KEY: self.key_id,
            spans.CONTENT_FORM: "original" if original else "redacted",
            spans.CONTENT_CUT: cut or None,
        }
        span.set_all(told)


class Opener:
    """The auditor's private key."""

    def __init__(self, pem: bytes) -> None:
        try:
            private = serialization.load_pem_private_key(pem, None)
        except (ValueError, TypeError):
            raise SetupError("this is no private key (PEM, without a password) that can be read") from None
        if not isinstance(private, X25519PrivateKey):
            raise SetupError("this is no X25519 key: `guard audit keygen` makes one")
        self._private = private

    def open(self, sealed: str, trace_id: str, span_id: str) -> list[tuple[str, str]]:
        """The texts (path, text) of a span; raises Sealed."""
        try:
            data = base64.b64decode(sealed, validate=True)
            plain = _SUITE.decrypt(data, self._private, info=_bound(trace_id, span_id))
            texts = orjson.loads(zlib.decompressobj().decompress(plain, _MOST))
            return [(str(path), str(text)) for path, text in texts]
        except (InvalidTag, ValueError, zlib.error):
            raise Sealed("it is sealed to another key, or it was changed") from None


def make_pair() -> tuple[bytes, str]:
    """Make an auditor's pair: the private half as PEM, the public half as a policy has it."""
    private = X25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem, base64.b64encode(public).decode()


def _whole(text: str) -> str:
    # A lone surrogate has no UTF-8.
    return text.encode("utf-8", "replace").decode()


def _bound(trace_id: str, span_id: str) -> bytes:
    return f"guard content 1 {trace_id} {span_id}".encode()
