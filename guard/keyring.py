"""Floor 6, the keys of an installation: where they lie, made at the first start, read by whoever needs them."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from guard.errors import SetupError
from guard.keys import Keys
from guard.settings import Settings

if TYPE_CHECKING:
    from guard.outside.stores.clientkeys import KeyFile, VirtualKey
    from guard.outside.stores.subjectkeys import SubjectKeys

KEY_LENGTH = 16
"""The least bytes of a master key."""

_MASTER = "master.key"
_CLIENTS = "client-keys.json"


def load_keys(settings: Settings) -> Keys:
    """Read the master key: `GUARD_KEY`, else the file in GUARD_HOME, made 0600 at first start; and GUARD_SEAL_KEYS."""
    seals = _seal_keys(settings)
    if settings.key is not None:
        value = settings.key.get_secret_value().encode()
        if len(value) < KEY_LENGTH:
            raise SetupError(f"GUARD_KEY is shorter than {KEY_LENGTH} characters")
        return Keys(value, seals)
    return Keys(_key_file(home_of(settings) / _MASTER), seals)


def key_file(settings: Settings, keys: Keys | None = None) -> KeyFile:
    """The file of the gateway's virtual keys, with the installation's key of their hashes."""
    from guard.outside.stores.clientkeys import KeyFile

    path = settings.virtual_keys.expanduser() if settings.virtual_keys else home_of(settings) / _CLIENTS
    return KeyFile(path, (keys or load_keys(settings)).clients)


def client_keys(settings: Settings) -> dict[str, VirtualKey]:
    """The virtual keys that there are, by id; makes nothing. Raises SetupError for a file that cannot be read."""
    from guard.outside.stores.clientkeys import KeyFile

    path = settings.virtual_keys or settings.home / _CLIENTS
    return KeyFile(path.expanduser(), b"").read()


def subject_keys(settings: Settings, keys: Keys) -> SubjectKeys:
    """The keys of subject hashes, in the folder of GUARD_SUBJECT_KEYS, else in GUARD_HOME."""
    from guard.outside.stores.subjectkeys import FOLDER, SubjectKeys

    folder = settings.subject_keys or settings.home / FOLDER
    return SubjectKeys(folder.expanduser(), keys)


def has_key(settings: Settings) -> bool:
    """Whether there is a master key already: else the first start makes one."""
    return settings.key is not None or (settings.home.expanduser() / _MASTER).exists()


def _seal_keys(settings: Settings) -> list[bytes]:
    """The keys of GUARD_SEAL_KEYS, the present one first."""
    text = settings.seal_keys.get_secret_value() if settings.seal_keys is not None else ""
    keys = [key.strip().encode() for key in text.split(",") if key.strip()]
    if any(len(key) < KEY_LENGTH for key in keys):
        raise SetupError(f"a key in GUARD_SEAL_KEYS is shorter than {KEY_LENGTH} characters")
    if len(set(keys)) < len(keys):
        raise SetupError("a key stands twice in GUARD_SEAL_KEYS")
    return keys


def home_of(settings: Settings) -> Path:
    """GUARD_HOME, made 0700 if it is not there."""
    home = settings.home.expanduser()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as failure:
        raise SetupError(f"GUARD_HOME ({home}) cannot be made: {failure.strerror}") from None
    return home


def _key_file(path: Path) -> bytes:
    try:
        return _made_once(path)
    except OSError as failure:
        raise SetupError(f"the master key {path} cannot be read or made: {failure.strerror}") from None


def _made_once(path: Path) -> bytes:
    """Read the key, or make it so that two processes that start at once agree on one."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_bytes()
