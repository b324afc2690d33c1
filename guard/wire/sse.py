"""Server-sent events, byte for byte: an incremental decoder that keeps what it read, and an encoder.

After the WHATWG grammar (HTML standard, 9.2.6): lines end with CR, LF or CRLF, a blank line ends an event,
several `data` lines join with LF, one space after the colon is dropped, a leading BOM is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from guard.errors import BadRequest

DONE = "[DONE]"
_BOM = b"\xef\xbb\xbf"
_FIELDS = (b"", b"data", b"event", b"id", b"retry")
_LINE = re.compile(rb"\r\n|\n|\r")


class Event(NamedTuple):
    """One event as it came: `raw` is every byte of it, the blank line included.

    `data` is None where the block has no data line: comments, `id`, `retry` or blank lines alone.
    """

    raw: bytes
    data: str | None = None
    event: str | None = None
    id: str | None = None
    retry: int | None = None

    @property
    def done(self) -> bool:
        """Whether this is the closing `data: [DONE]`."""
        return self.data is not None and self.data.strip() == DONE

    def with_data(self, data: str) -> bytes:
        """The event's bytes with other data; its name, id, retry and comments stay as they are."""
        if self.raw.count(b"\n") == 2 and b"\r" not in self.raw:
            return encode(data)
        lines = _LINE.split(self.raw.removeprefix(_BOM))
        kept = [line for line in lines if line and _field(line)[0] != b"data"]
        return b"".join(line + b"\n" for line in [*kept, *_data_lines(data)]) + b"\n"


def encode(data: str, event: str | None = None) -> bytes:
    """Write one event."""
    name = [b"event: " + event.encode()] if event else []
    return b"".join(line + b"\n" for line in [*name, *_data_lines(data)]) + b"\n"


def _data_lines(data: str) -> list[bytes]:
    lines = _LINE.split(data.encode()) if "\n" in data or "\r" in data else [data.encode()]
    return [b"data: " + line for line in lines]


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name, value.removeprefix(b" ")


class Decoder:
    """Cut a byte stream into events, whatever its chunks; joined, the events' bytes are the stream.

    A comment that stands before an event is delivered at once, as an event without data. Lines whose field
    the standard does not know, which receivers ignore, are left out. At most `limit` bytes of one unfinished
    event are kept; more, or bytes that are not UTF-8, raise BadRequest 502.
    """

    def __init__(self, limit: int = 16 * 1024 * 1024) -> None:
        self.done = False
        self._limit = limit
        self._head: bytes | None = b""
        self._after_cr = False
        self._pending = bytearray()
        self._raw = bytearray()
        self._lines: list[bytes] = []

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes; return the events that they complete."""
        if self._head is not None:
            chunk = self._after_bom(self._head + chunk)
        if _is_one_event(chunk) and self.fresh:
            return [self._noted(Event(chunk, _text(chunk[6:-2])))]
        events = [event for line in self._whole_lines(chunk) if (event := self._take(line)) is not None]
        if len(self._pending) + len(self._raw) > self._limit:
            raise BadRequest(502, "guard.opaque.encoding", f"an event is larger than {self._limit} bytes")
        return events

    def finish(self) -> bool:
        """End the stream; True if it broke off inside an event, which is then not delivered."""
        return bool(self._lines or self._pending or self._head)

    def _after_bom(self, chunk: bytes) -> bytes:
        """Set a leading BOM aside; nothing while its bytes are still coming."""
        if len(chunk) < 3 and _BOM.startswith(chunk):
            self._head = chunk
            return b""
        self._head = None
        if chunk.startswith(_BOM):
            self._raw += _BOM
        return chunk.removeprefix(_BOM)

    def _whole_lines(self, chunk: bytes) -> Iterator[bytes]:
        """Each line that the chunk ends, with its end. An LF cut from its CR stands ahead of the next."""
        start = 0
        for match in _LINE.finditer(chunk):
            if self._after_cr and match.end() == 1 and match.group() == b"\n":
                self._raw += b"\n"
            else:
                self._pending += chunk[start : match.end()]
                yield bytes(self._pending)
                self._pending.clear()
            start = match.end()
        if chunk:
            self._after_cr = chunk.endswith(b"\r")
        self._pending += chunk[start:]

    def _take(self, ended: bytes) -> Event | None:
        """Add a line to the block; return the event that a blank line or a free comment completes."""
        line = ended.rstrip(b"\r\n")
        name = _field(line)[0]
        if line and name not in _FIELDS:
            return None
        self._raw += ended
        if line and (name or self._lines):
            self._lines.append(line)
            return None
        event = _event(bytes(self._raw), self._lines)
        self._raw.clear()
        self._lines = []
        return self._noted(event)

    @property
    def fresh(self) -> bool:
        """Whether nothing of an earlier chunk is waiting."""
        return not (self._pending or self._raw or self._after_cr or self._head)

    def _noted(self, event: Event) -> Event:
        self.done = self.done or event.done
        return event


def _is_one_event(chunk: bytes) -> bool:
    """Whether a chunk is one event with one data line, as most are: the short road to the same result."""
    return (
        chunk.startswith(b"data: ")
        and chunk.endswith(b"\n\n")
        and chunk.count(b"\n") == 2
        and b"\r" not in chunk
    )


def _event(raw: bytes, lines: list[bytes]) -> Event:
    data: list[str] = []
    name = ident = None
    retry = None
    for line in lines:
        field, value = _field(line)
        if field == b"data":
            data.append(_text(value))
        elif field == b"event":
            name = _text(value)
        elif field == b"id" and b"\0" not in value:
            ident = _text(value)
        elif field == b"retry" and value.isdigit():
            retry = int(value)
    return Event(raw, "\n".join(data) if data else None, name or None, ident, retry)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        pass
    raise BadRequest(502, "guard.opaque.encoding", "the event stream is not valid UTF-8")
