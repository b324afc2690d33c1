"""The chain beside every export file, as bytes (docs/chain.md specifies them; no I/O here).

A `.chain` file is text: a JSON header, a `head SEQ HASH SIGNATURE` that signs it, then `record SEQ HASH` for
every line of the export, a further `head` now and then, and `close SEQ HASH SIGNATURE` at the end of a file
that was ended well.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import NamedTuple

from guard.trace.signing import Signer, Verifier

VERSION = 1
MAX_SEQ = 2**63
RECORD, HEAD, CLOSE = "record", "head", "close"

_DOMAIN = b"guard-chain/1 "

_COPIED = 64 * 1024
"""Up to so many bytes a line is hashed in one call, with what stands before it."""


class Link(NamedTuple):
    """A point in a chain: the export file's name, a record's sequence number and its hash."""

    file: str
    seq: int
    digest: bytes

    def json(self) -> dict[str, object]:
        """The form inside a header."""
        return {"file": self.file, "seq": self.seq, "hash": self.digest.hex()}


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a `.chain` file.

    `first` is the sequence number of the file's first record; `previous` is the end of the writer's previous
    file; `seen` are points of other writers' files in the same folder, so that each file vouches for others.
    """

    file: str
    writer: str
    first: int
    key_id: str
    sign_every: int
    created: str
    previous: Link | None = None
    seen: tuple[Link, ...] = ()

    def line(self) -> bytes:
        """The exact bytes of the header line, without the newline."""
        return json.dumps(
            {
                "guard-chain": VERSION,
                "file": self.file,
                "writer": self.writer,
                "first": self.first,
                "key": self.key_id,
                "sign_every": self.sign_every,
                "created": self.created,
                "previous": self.previous and self.previous.json(),
                "seen": [link.json() for link in self.seen],
            },
            separators=(",", ":"),
        ).encode()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a `.chain` file after the header."""

    word: str
    seq: int
    digest: bytes
    signature: bytes = b""


class UnknownVersion(ValueError):
    """A header is of a version that is not known here: the file may be whole."""


def start(header_line: bytes) -> bytes:
    """The hash before a file's first record: SHA-256 of the header line, which so binds the header."""
    return hashlib.sha256(header_line).digest()


def seed(before: bytes, seq: int) -> hashlib._Hash:
    """The hash of one record before its line's bytes are added."""
    return hashlib.sha256(before + seq.to_bytes(8, "big"))


def follow(before: bytes, seq: int, line: bytes) -> bytes:
    """The hash of one record: SHA-256(hash before ‖ sequence number, 8 bytes big-endian ‖ line)."""
    if len(line) > _COPIED:
        state = seed(before, seq)
        state.update(line)
        return state.digest()
    return hashlib.sha256(before + seq.to_bytes(8, "big") + line).digest()


def record_entry(seq: int, digest: bytes) -> bytes:
    """The `.chain` line of one record, with its newline."""
    return f"record {seq} {digest.hex()}\n".encode()


def signed_entry(word: str, seq: int, digest: bytes, signer: Signer) -> bytes:
    """A `head` or `close` line: the signature is over `guard-chain/1 ` and the line up to the hash."""
    body = _body(word, seq, digest)
    return body + b" " + base64.b64encode(signer.sign(_DOMAIN + body)) + b"\n"


def holds(entry: Entry, verifier: Verifier) -> bool:
    """Whether a `head` or `close` was signed by this key."""
    return verifier.verifies(entry.signature, _DOMAIN + _body(entry.word, entry.seq, entry.digest))


def read_header(line: bytes) -> Header:
    """Read a header line; raises ValueError where it is none of this version."""
    try:
        data = json.loads(line)
        if data["guard-chain"] != VERSION:
            raise UnknownVersion("unknown version of the chain")
        previous, first = data["previous"], int(data["first"])
        if not 0 < first < MAX_SEQ:
            raise ValueError("no sequence number")
        return Header(
            file=str(data["file"]),
            writer=str(data["writer"]),
            first=first,
            key_id=str(data["key"]),
            sign_every=int(data["sign_every"]),
            created=str(data["created"]),
            previous=_link(previous) if previous else None,
            seen=tuple(_link(link) for link in data["seen"]),
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("no header of a chain") from error


def read_entry(line: bytes) -> Entry:
    """Read a line after the header, without its newline; raises ValueError where it is none."""
    word, seq, digest, *rest = line.decode("ascii").split(" ")
    if (word, len(rest)) not in {(RECORD, 0), (HEAD, 1), (CLOSE, 1)} or len(digest) != 64:
        raise ValueError("no line of a chain")
    if not (seq.isdigit() and int(seq) < MAX_SEQ):
        raise ValueError("no sequence number")
    try:
        signature = base64.b64decode(rest[0], validate=True) if rest else b""
    except binascii.Error as error:
        raise ValueError("no signature") from error
    return Entry(word, int(seq), bytes.fromhex(digest), signature)


def _body(word: str, seq: int, digest: bytes) -> bytes:
    return f"{word} {seq} {digest.hex()}".encode()


def _link(data: dict[str, object]) -> Link:
    return Link(str(data["file"]), int(str(data["seq"])), bytes.fromhex(str(data["hash"])))
