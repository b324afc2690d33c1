"""What a body of an own endpoint is, by its media type, and the shape in which every such body is screened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from guard.types import Limits
from guard.wire.jsonbody import dump, replace
from guard.wire.strictjson import embedded

Kind = Literal[
    "json", "lines", "form", "multipart", "text", "markup", "unknown", "image", "audio", "file", "encoding"
]
"""How a media type is read; `image`, `audio`, `file` and `encoding` are not, hence `guard.opaque.<kind>`."""

OPAQUE = frozenset({"image", "audio", "file", "encoding"})

_KINDS: dict[str, Kind] = {
    "": "unknown",
    "application/octet-stream": "unknown",
    "application/json": "json",
    "text/json": "json",
    "application/x-ndjson": "lines",
    "application/ndjson": "lines",
    "application/jsonl": "lines",
    "application/x-jsonlines": "lines",
    "application/x-www-form-urlencoded": "form",
    "multipart/form-data": "multipart",
    # Events come in pieces that follow each other: as one text, a value split over two would be missed.
    "text/event-stream": "encoding",
    "text/plain": "text",
    "text/csv": "text",
    "text/markdown": "text",
    "text/tab-separated-values": "text",
    "text/yaml": "text",
    "application/yaml": "text",
    "application/x-yaml": "text",
    "application/toml": "text",
    "text/html": "markup",
    "text/xml": "markup",
    "application/xml": "markup",
    "application/xhtml+xml": "markup",
    "image/svg+xml": "markup",
}


def kind_of(media_type: str) -> Kind:
    """How a media type (lower-case, without parameters) is read."""
    known = _KINDS.get(media_type)
    if known is not None:
        return known
    if media_type.endswith("+json"):
        return "json"
    if media_type.endswith("+xml"):
        return "markup"
    main = media_type.partition("/")[0]
    return "image" if main == "image" else "audio" if main == "audio" else "file"


class Document(NamedTuple):
    """One body as a value like JSON, and the way back to its bytes.

    `opaque`: places that cannot be read, and what they hold. `fixed`: places whose texts are refused rather than
    rewritten. `whole`: the body is one text or none, so that no path can select a part of it. `content_type` is
    what the written body must be called where that is not what it was called.
    """

    value: Any
    write: Callable[[Any], bytes]
    opaque: tuple[tuple[str, str], ...] = ()
    fixed: tuple[str, ...] = ()
    whole: bool = False
    content_type: str = ""

    def __repr__(self) -> str:
        return object.__repr__(self)  # it holds texts

    def written(self, changes: Mapping[str, str]) -> bytes:
        """The body with new texts at the paths given."""
        return self.write(replace(self.value, changes))


def text_document(data: bytes, limits: Limits) -> Document | None:
    """Read plain text; JSON under that name is JSON (case A31). None for what is no text in UTF-8.

    Raises BadRequest 400 for a JSON object or array that two parsers could read differently.
    """
    text = text_of(data)
    if text is None:
        return None
    try:
        value = embedded(text, limits.depth)
    except ValueError:
        return Document(text, str.encode, whole=True)
    return Document(value, lambda new: data if new is value else dump(new))


def text_of(data: bytes) -> str | None:
    """The text of bytes in UTF-8; None for anything that holds a NUL or is not UTF-8: that is no text."""
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
