"""`as: encrypt`: a reversible placeholder, AES-256-GCM inside presidio-anonymizer's operator framework.

Presidio's own `encrypt` is AES-CBC without authentication: a changed or moved ciphertext decrypts to garbage
instead of failing. guard adds an operator of its own to the same engine and leaves the others in place.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from guard.keys import Keys, derive

OPERATOR = "guard_seal"
SEALED = re.compile(r"<([A-Z][A-Z0-9_]*)~([A-Za-z0-9_-]{43,})>")
_KEY_ID, _NONCE = 4, 12


def seal(keys: Keys, name: str, value: str) -> str:
    """Write a value as `<NAME~base64url(key id, nonce, ciphertext, tag)>`.

    The nonce is an HMAC of the plaintext (a synthetic IV, as in RFC 5297), so that this stays a pure
    function: one value has one placeholder, turn after turn, and two values never meet under one nonce.
    """
    sealer = keys.sealers[0]
    plain, name_bytes = value.encode("utf-8", "surrogatepass"), name.encode()
    nonce = hmac.digest(derive(sealer.encrypt, "nonce"), name_bytes + b"\0" + plain, "sha256")[:_NONCE]
    box = AESGCM(sealer.encrypt).encrypt(nonce, plain, name_bytes)
    payload = bytes.fromhex(sealer.key_id) + nonce + box
    return f"<{name}~{base64.urlsafe_b64encode(payload).decode().rstrip('=')}>"


def unseal(keys: Keys, placeholder: str) -> str:
    """Read a sealed placeholder back; raises ValueError if it is of none of the keys, or was changed."""
    match = SEALED.fullmatch(placeholder)
    payload = _decoded(match.group(2)) if match else b""
    sealer = _sealer(keys, payload)
    if match is None or sealer is None:
        raise ValueError("not a sealed placeholder of these keys")
    nonce, box = payload[_KEY_ID : _KEY_ID + _NONCE], payload[_KEY_ID + _NONCE :]
    try:
        plain = AESGCM(sealer.encrypt).decrypt(nonce, box, match.group(1).encode())
    except (InvalidTag, ValueError):
        raise ValueError("a sealed placeholder that was changed") from None
    return plain.decode("utf-8", "surrogatepass")


def _sealer(keys: Keys, payload: bytes) -> Keys | None:
    """Whose key a payload names."""
    named = payload[:_KEY_ID].hex()
    return next((sealer for sealer in keys.sealers if sealer.key_id == named), None)


@dataclass(frozen=True, slots=True)
class Revealed:
    """A text with its sealed placeholders opened: how many, under which keys, and how many stayed closed."""

    text: str = field(repr=False)
    opened: int
    closed: int
    key_ids: tuple[str, ...]


def reveal(keys: Keys, text: str) -> Revealed:
    """Put the originals back for which there is a key; a placeholder of another key, or a changed one, stays."""
    pieces, end, opened, closed, used = [], 0, 0, 0, set()
    for match in SEALED.finditer(text):
        pieces.append(text[end : match.start()])
        end = match.end()
        try:
            pieces.append(unseal(keys, match.group()))
        except ValueError:
            closed += 1
            pieces.append(match.group())
        else:
            opened += 1
            used.add(_decoded(match.group(2))[:_KEY_ID].hex())
    return Revealed("".join([*pieces, text[end:]]), opened, closed, tuple(sorted(used)))


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return b""


@lru_cache(maxsize=1)
def engine() -> Any:
    """Presidio's AnonymizerEngine with guard's operator added; the first call imports Presidio (seconds)."""
    from presidio_anonymizer import AnonymizerEngine
    from presidio_anonymizer.operators import Operator, OperatorType

    class Seal(Operator):
        """Seal the text under `keys`."""

        def operate(self, text: str, params: dict[str, Any] | None = None) -> str:
            settings = params or {}
            return seal(settings["keys"], settings["entity_type"], text)

        def validate(self, params: dict[str, Any] | None = None) -> None:
            if not isinstance((params or {}).get("keys"), Keys):
                raise TypeError("the operator needs keys")

        def operator_name(self) -> str:
            return OPERATOR

        def operator_type(self) -> Any:
            return OperatorType.Anonymize

    made = AnonymizerEngine()  # type: ignore[no-untyped-call]
    made.add_anonymizer(Seal)
    return made


def encrypt(keys: Keys, name: str, value: str) -> str:
    """Seal one value through Presidio's engine."""
    # First: a package that another thread is importing is waited for, but not one of its modules, which would be
    # taken half made (Presidio's import each other).
    through = engine()
    from presidio_anonymizer.entities import OperatorConfig, RecognizerResult

    whole = RecognizerResult(entity_type=name, start=0, end=len(value), score=1.0)
    operators = {name: OperatorConfig(OPERATOR, {"keys": keys})}
    return str(through.anonymize(value, [whole], operators).text)
