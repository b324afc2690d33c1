"""Forms of own endpoints, urlencoded and multipart: read into fields, and written out again from them alone.

What a field or file is called is a text of the caller like what it holds. Nothing of the original bytes goes on but
what was read, so that no second parser can find another field in them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from guard.errors import BadRequest
from guard.types import Limits
from guard.wire.jsonbody import dump, parse
from guard.wire.media import OPAQUE, Document, kind_of, text_document, text_of

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=?-]{1,70}")  # RFC 2046, section 5.1.1, without the space
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,64}/[a-z0-9!#$&^_.+-]{1,64}")
_EXTENDED = re.compile(r";\s*\w+\*\d*\*?\s*=")
_PLAIN_TRANSFER = frozenset({"", "7bit", "8bit", "binary"})
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_HEADER_BYTES = 8192
_HEADERS = 8


class _Fields:
    """Fields in their order, and as an object by name: of a name that stands more than once, all in a list."""

    def __init__(self, names: Sequence[str], items: Sequence[Any]) -> None:
        self.value: dict[str, Any] = {}
        self._steps: list[tuple[int, int | None]] = []
        many, positions = Counter(names), dict[str, int]()
        for name, item in zip(names, items, strict=True):
            position = positions.setdefault(name, len(positions))
            if many[name] == 1:
                self.value[name] = item
                self._steps.append((position, None))
            else:
                group = self.value.setdefault(name, [])
                self._steps.append((position, len(group)))
                group.append(item)
        charsets = self.value.get("_charset_", "utf-8")
        if not isinstance(charsets, str) or charsets.lower() not in _CHARSETS:
            raise BadRequest(415, "guard.opaque.encoding", "send the form in UTF-8")

    def places(self) -> list[str]:
        """Where each field stands in the object."""
        return [f"<{name}>" + ("" if item is None else f"[{item}]") for name, item in self._steps]

    def pairs(self, value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """The fields in their order, out of the object with new names and texts."""
        named = list(value.items())
        for position, item in self._steps:
            name, found = named[position]
            yield name, found if item is None else found[item]


def urlencoded(data: bytes, limits: Limits) -> Document:
    """Read `application/x-www-form-urlencoded`; raises BadRequest 400 for no UTF-8, 413 for too many fields."""
    if data.count(b"&") >= limits.parts:
        raise _too_many(limits)
    try:
        pairs = parse_qsl(data.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        pairs = None
    if pairs is None:  # raised here: the decoder's error holds the whole body
        raise _damaged("it is not in UTF-8")
    fields = _Fields([name for name, _ in pairs], [item for _, item in pairs])
    return Document(fields.value, lambda value: urlencode(list(fields.pairs(value))).encode())


@dataclass(slots=True, repr=False)
class _Part:
    """One part of a multipart body: what its headers say, and its bytes."""

    headers: dict[str, str] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)
    name: str = ""
    filename: str | None = None
    media_type: str = ""

    def understand(self) -> None:
        """Read the headers, of which only these go on: what the field and the file are called, and the media type."""
        disposition = self.headers.get("content-disposition", "")
        kind, options = _options(disposition)
        if kind != "form-data" or "name" not in options or _EXTENDED.search(disposition):
            raise _damaged("a part of it does not say which field it is")
        if self.headers.get("content-transfer-encoding", "").lower() not in _PLAIN_TRANSFER:
            raise BadRequest(
                415, "guard.opaque.encoding", "send the parts of a form without a transfer encoding"
            )
        self.name, filename = _plain_name(options["name"]), options.get("filename")
        self.filename = None if filename is None else _plain_name(filename.rpartition("\\")[2])
        self.media_type, parameters = _options(self.headers.get("content-type", ""))
        if self.media_type and not _MEDIA_TYPE.fullmatch(self.media_type):
            raise _damaged("a part of it has a media type that cannot be read")
        if parameters.get("charset", "utf-8").lower() not in _CHARSETS:
            raise BadRequest(415, "guard.opaque.encoding", "send the parts of a form in UTF-8")

    def read(self, limits: Limits) -> Document:
        """What the part holds."""
        kind, data = kind_of(self.media_type or "text/plain"), bytes(self.data)
        document = None
        if kind == "json":
            document = Document(parse(data, limits), dump)
        elif kind in ("text", "unknown", "lines", "form"):
            document = text_document(data, limits)
        elif kind == "markup" and (text := text_of(data)) is not None:
            document = Document(text, str.encode, fixed=("",))
        what = kind if kind in OPAQUE else "file"
        return document or Document("", lambda _: data, opaque=(("", what),))

    def head(self, name: str, filename: str | None) -> bytes:
        """The headers as they go on."""
        said = f'Content-Disposition: form-data; name="{_quoted(name)}"'
        said += "" if filename is None else f'; filename="{_quoted(filename)}"'
        said += f"\r\nContent-Type: {self.media_type}" if self.media_type else ""
        return f"{said}\r\n\r\n".encode()


def multipart(data: bytes, content_type: str, limits: Limits) -> Document:
    """Read `multipart/form-data`: text fields, text files, JSON parts; what is no text is opaque.

    A file becomes `{"filename", "content"}`, a field its text. Raises BadRequest 400 for what breaks off or is
    not well-formed, 413 for too many parts, 415 for another charset or transfer encoding.
    """
    boundary = _options(content_type)[1].get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise _damaged("it names no boundary that can be read")
    parts = _parts(data, boundary.encode(), limits)
    held = [part.read(limits) for part in parts]
    fields = _Fields([part.name for part in parts], [_item(*both) for both in zip(parts, held, strict=True)])
    places = [
        place + ("" if part.filename is None else "<1>")
        for place, part in zip(fields.places(), parts, strict=True)
    ]

    def write(value: dict[str, Any]) -> bytes:
        pieces = []
        for part, document, (name, item) in zip(parts, held, fields.pairs(value), strict=True):
            filename, content = (None, item) if part.filename is None else (item["filename"], item["content"])
            pieces.append(part.head(name, filename) + document.write(content))
        return _joined(pieces, boundary.encode())

    return Document(
        fields.value,
        write,
        opaque=tuple((place, what) for place, d in zip(places, held, strict=True) for _, what in d.opaque),
        fixed=tuple(place for place, d in zip(places, held, strict=True) if d.fixed),
        content_type=f"multipart/form-data; boundary={_parameter(boundary)}",
    )


def _item(part: _Part, document: Document) -> Any:
    if part.filename is None:
        return document.value
    return {"filename": part.filename, "content": document.value}


def _joined(pieces: Sequence[bytes], boundary: bytes) -> bytes:
    """The parts between their boundary; none of them may hold it, whatever a redaction has put there."""
    delimiter = b"\r\n--" + boundary
    if any(delimiter in b"\r\n" + piece for piece in pieces):
        raise _damaged("a part of it holds its boundary")
    opened = b"".join(b"--" + boundary + b"\r\n" + piece + b"\r\n" for piece in pieces)
    return opened + b"--" + boundary + b"--\r\n"


def _parts(data: bytes, boundary: bytes, limits: Limits) -> list[_Part]:
    """Cut a body into its parts, bounded in their number and in their headers (case A29)."""
    from python_multipart.exceptions import MultipartParseError
    from python_multipart.multipart import MultipartParser

    found = _Found(limits)
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": found.begin,
            "on_header_field": found.header_name,
            "on_header_value": found.header_value,
            "on_header_end": found.header_end,
            "on_headers_finished": found.headers_end,
            "on_part_data": found.content,
            "on_end": found.end,
        },
        max_header_count=_HEADERS,
        max_header_size=_HEADER_BYTES,
    )
    try:
        parser.write(data)
    except MultipartParseError:
        found.whole = False
    if not found.whole:
        raise _damaged("it is not well-formed, or breaks off")
    return found.parts


class _Found:
    """What the parser has found so far."""

    def __init__(self, limits: Limits) -> None:
        self.parts: list[_Part] = []
        self.whole = False
        self._limits = limits
        self._name = bytearray()
        self._value = bytearray()

    def begin(self) -> None:
        if len(self.parts) >= self._limits.parts:
            raise _too_many(self._limits)
        self.parts.append(_Part())

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        name, value = self._name.decode("latin-1").lower(), text_of(bytes(self._value))
        if value is None or name in self.parts[-1].headers:
            raise _damaged("a part of it has headers that cannot be read")
        self.parts[-1].headers[name] = value.strip()
        self._name.clear()
        self._value.clear()

    def headers_end(self) -> None:
        self.parts[-1].understand()

    def content(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].data += data[start:end]

    def end(self) -> None:
        self.whole = True


def _options(header: str) -> tuple[str, dict[str, str]]:
    """A header's value and its parameters."""
    from python_multipart.multipart import parse_options_header

    value, options = parse_options_header(header.encode().decode("latin-1"))
    return value.decode("latin-1"), {
        name.decode("latin-1").lower(): text.decode() for name, text in options.items()
    }


def _plain_name(name: str) -> str:
    """A name that every parser reads alike once it is quoted again."""
    if "\\" in name or not name.isprintable():
        raise _damaged("a name in it holds a backslash or a control character")
    return name


def _quoted(name: str) -> str:
    """A name as browsers quote it (WHATWG HTML, multipart/form-data encoding algorithm)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _parameter(boundary: str) -> str:
    return boundary if re.fullmatch(r"[\w+.'-]+", boundary) else f'"{boundary}"'


def _damaged(reason: str) -> BadRequest:
    return BadRequest(400, "invalid_form", f"the form cannot be read: {reason}")


def _too_many(limits: Limits) -> BadRequest:
    return BadRequest(
        413, "too_many_parts", f"the form holds more than {limits.parts} fields (GUARD_MAX_PARTS)"
    )
