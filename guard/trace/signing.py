"""The Ed25519 pair that signs exports, apart from the master key: the public half suffices to verify."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from guard.errors import SetupError

PRIVATE, PUBLIC = "signing-key.pem", "signing-key.pub.pem"

_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


class Verifier:
    """The public half: checks signatures; `key_id` is 16 hex digits of the SHA-256 of the raw key."""

    def __init__(self, public: Ed25519PublicKey) -> None:
        self._public = public

    @cached_property
    def key_id(self) -> str:
        """The name of this key in every `.chain` header."""
        return hashlib.sha256(self._public.public_bytes_raw()).hexdigest()[:16]

    @cached_property
    def public_pem(self) -> bytes:
        """The public key as PEM (SubjectPublicKeyInfo), for the auditor and for openssl."""
        return self._public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the holder of the private half signed these bytes."""
        try:
            self._public.verify(signature, message)
        except InvalidSignature:
            return False
        return True


class Signer(Verifier):
    """The private half: signs heads of the chain; the repr shows only the key id."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        super().__init__(private.public_key())
        self._private = private

    def sign(self, message: bytes) -> bytes:
        """Sign bytes (64 bytes, RFC 8032)."""
        return self._private.sign(message)

    def __repr__(self) -> str:
        return f"Signer(key_id={self.key_id})"

    def __reduce__(self) -> str:
        raise TypeError("keys are never pickled")


def load_signer(home: Path) -> Signer:
    """Load the signing pair of this installation, making it (0600, in a folder 0700) at the first start.

    Raises SetupError where it cannot be made or read, or where everyone may read it.
    """
    home = home.expanduser()
    path = home / PRIVATE
    try:
        if not path.exists():
            _make(home)
        if path.stat().st_mode & stat.S_IROTH:
            raise SetupError(f"everyone can read the signing key {path}: chmod 600 it")
        private = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise SetupError(f"the signing key {path} cannot be used ({type(error).__name__})") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise SetupError(f"the signing key {path} is no Ed25519 key")
    return Signer(private)


def load_verifiers(pem: bytes) -> list[Verifier]:
    """Read one or several public keys from PEM text; raises SetupError where there is none."""
    try:
        keys = [serialization.load_pem_public_key(block) for block in _PEM.findall(pem)]
    except ValueError as error:
        raise SetupError("the public key is no PEM that can be read") from error
    verifiers = [Verifier(key) for key in keys if isinstance(key, Ed25519PublicKey)]
    if not verifiers:
        raise SetupError("there is no Ed25519 public key (PEM) in the key file")
    return verifiers


def rotate(home: Path, record: Callable[[Signer, Signer], None]) -> Signer:
    """Replace the signing pair; the public file keeps the old public keys behind the new one.

    `record` is told the old and the new pair before anything changes: what it raises keeps the old pair. A process
    that runs goes on with the old pair until it is started again. Raises SetupError as `load_signer` does.
    """
    home = home.expanduser()
    old, private = load_signer(home), Ed25519PrivateKey.generate()
    new = Signer(private)
    record(old, new)
    public = home / PUBLIC
    known = public.read_bytes() if public.exists() else old.public_pem
    # The public half first: what the new pair signs can be verified from the first moment.
    _put(public, new.public_pem + known, 0o644, os.replace)
    _put(home / PRIVATE, _pem(private), 0o600, os.replace)
    return new


def _make(home: Path) -> None:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = Ed25519PrivateKey.generate()
    # Of several workers that start at once exactly one link succeeds; the others load its key.
    with contextlib.suppress(FileExistsError):
        _put(home / PRIVATE, _pem(private), 0o600, os.link)
        _put(home / PUBLIC, Signer(private).public_pem, 0o644, os.link)


def _pem(private: Ed25519PrivateKey) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _put(path: Path, data: bytes, mode: int, place: Callable[[str, Path], None]) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(data)
            file.flush()
            os.fsync(handle)
        place(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
