"""The chain beside every export file, as bytes (docs/chain.md specifies them; no I/O here).

A `.chain` file is text: a JSON header, a `head SEQ HASH SIZE EXPORT CHAIN SIGNATURE` that signs it, then
`record SEQ HASH` for every line of the export, a further `head` now and then, and a `close` of the same form at the
end of a file that was ended well. In files of version 1 heads have no SIZE, EXPORT and CHAIN.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import NamedTuple

from guard.trace.signing import Signer, Verifier

VERSION = 2
KNOWN = frozenset({1, VERSION})
MAX_SEQ = 2**63
RECORD, HEAD, CLOSE = "record", "head", "close"

_FIELDS = {RECORD: (0,), HEAD: (1, 4), CLOSE: (1, 4)}
"""How many fields follow a line's hash: of a head the signature, from version 2 on with the mark before it."""

_DOMAINS = {False: b"guard-chain/1 ", True: b"guard-chain/2 "}
"""What a signature is over, in front of the line: without and with a mark."""

_COPIED = 64 * 1024
"""Up to so many bytes a line is hashed in one call, with what stands before it."""


class Mark(NamedTuple):
    """How far both files went at a head: the export's bytes, SHA-256 of these, SHA-256 of the chain before the head."""

    size: int
    export: bytes
    chain: bytes

    def json(self) -> dict[str, object]:
        """The form inside a link."""
        return {"size": self.size, "export": self.export.hex(), "chain": self.chain.hex()}


class Running:
    """The two files of an export as they grow, to be marked at any moment."""

    def __init__(self) -> None:
        self._size, self._export, self._chain = 0, hashlib.sha256(), hashlib.sha256()

    def add(self, export: bytes, chain: bytes) -> None:
        """Go on by what was appended to each."""
        self._size += len(export)
        self._export.update(export)
        self._chain.update(chain)

    def copy(self) -> Running:
        """The same, to be gone on with on trial."""
        other = Running()
        other._size, other._export, other._chain = self._size, self._export.copy(), self._chain.copy()
        return other

    def mark(self) -> Mark:
        """The mark of a head that is written now."""
        return Mark(self._size, self._export.digest(), self._chain.digest())


class Link(NamedTuple):
    """A point in a chain: the export file's name, a record's sequence number and its hash; at its end the mark."""

    file: str
    seq: int
    digest: bytes
    mark: Mark | None = None

    def json(self) -> dict[str, object]:
        """The form inside a header."""
        mark = self.mark.json() if self.mark else {}
        return {"file": self.file, "seq": self.seq, "hash": self.digest.hex(), **mark}


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
    version: int = VERSION

    def line(self) -> bytes:
        """The exact bytes of the header line, without the newline."""
        return json.dumps(
            {
                "guard-chain": self.version,
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
    mark: Mark | None = None


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


def signed_entry(word: str, seq: int, digest: bytes, signer: Signer, mark: Mark | None = None) -> bytes:
    """A `head` or `close` line, signed over `guard-chain/2 ` and what is before (without mark: `guard-chain/1 `)."""
    body = _body(word, seq, digest, mark)
    return body + b" " + base64.b64encode(signer.sign(_DOMAINS[mark is not None] + body)) + b"\n"


def holds(entry: Entry, verifier: Verifier, version: int = VERSION) -> bool:
    """Whether a `head` or `close` was signed by this key, in a file of this version."""
    if (entry.mark is None) != (version == 1):
        return False
    body = _body(entry.word, entry.seq, entry.digest, entry.mark)
    return verifier.verifies(entry.signature, _DOMAINS[entry.mark is not None] + body)


def read_header(line: bytes) -> Header:
    """Read a header line; raises ValueError where it is none of this version."""
    try:
        data = json.loads(line)
        if (version := data["guard-chain"]) not in KNOWN:
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
            version=int(version),
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("no header of a chain") from error


def read_entry(line: bytes) -> Entry:
    """Read a line after the header, without its newline; raises ValueError where it is none."""
    word, seq, digest, *rest = line.decode("ascii").split(" ")
    if len(rest) not in _FIELDS.get(word, ()) or len(digest) != 64:
        raise ValueError("no line of a chain")
    try:
        signature = base64.b64decode(rest[-1], validate=True) if rest else b""
    except binascii.Error as error:
        raise ValueError("no signature") from error
    mark = _mark(*rest[:-1]) if len(rest) > 1 else None
    return Entry(word, _number(seq), bytes.fromhex(digest), signature, mark)


def _number(text: str) -> int:
    if not (text.isdigit() and int(text) < MAX_SEQ):
        raise ValueError("no number")
    return int(text)


def _mark(size: str, export: str, chain: str) -> Mark:
    if (len(export), len(chain)) != (64, 64):
        raise ValueError("no mark")
    return Mark(_number(size), bytes.fromhex(export), bytes.fromhex(chain))


def _body(word: str, seq: int, digest: bytes, mark: Mark | None) -> bytes:
    marked = f" {mark.size} {mark.export.hex()} {mark.chain.hex()}" if mark else ""
    return f"{word} {seq} {digest.hex()}{marked}".encode()


def _link(data: dict[str, object]) -> Link:
    marked = (str(data["size"]), str(data["export"]), str(data["chain"])) if "export" in data else None
    mark = _mark(*marked) if marked else None
    return Link(str(data["file"]), int(str(data["seq"])), bytes.fromhex(str(data["hash"])), mark)
