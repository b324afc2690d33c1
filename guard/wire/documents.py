"""Bodies of own endpoints: read by their media type, and the texts in them by the paths of a route."""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from dataclasses import dataclass

from guard.errors import BadRequest
from guard.types import Change, Finding, Limits, Segment
from guard.wire.bodies import BodyForm
from guard.wire.forms import multipart, urlencoded
from guard.wire.jsonbody import dump, parse, places, strings
from guard.wire.media import OPAQUE, Document, kind_of, text_document, text_of
from guard.wire.openai import Reading

_EVERYTHING = ("$",)
_MOST_TEXTS = 65536
_STEP = re.compile(r"[\]>}]")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a named route has its texts in one direction: below which paths, and below which of these not."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.include)


def read(form: BodyForm, data: bytes, limits: Limits) -> Document:
    """Read a decoded body: JSON, lines of JSON, a form, text; anything else is one opaque place.

    Raises BadRequest for a body that is not what it says it is (400), is too large (413) or is written in
    another charset (415).
    """
    kind = kind_of(form.media_type)
    if kind == "form":
        return urlencoded(data, limits)
    if kind == "multipart":
        return multipart(data, form.content_type, limits)
    reader = _READERS.get(kind)
    document = reader(data, limits) if reader else None
    what = kind if kind in OPAQUE else "file"
    return document or Document(None, lambda _: data, opaque=(("", what),), whole=True)


def _json(data: bytes, limits: Limits) -> Document:
    return Document(parse(data, limits), dump)


def _lines(data: bytes, limits: Limits) -> Document:
    """JSON lines: one document a line, `$[*]` for all; empty lines go."""
    rows = [parse(row, limits) for row in data.split(b"\n") if row.strip()]
    return Document(rows, lambda value: b"".join(dump(row) + b"\n" for row in value))


def _markup(data: bytes, limits: Limits) -> Document | None:
    """HTML and XML as one text: a placeholder in it would be a tag, so what would be redacted is refused."""
    text = text_of(data)
    return None if text is None else Document(text, str.encode, fixed=("",), whole=True)


def _unnamed(data: bytes, limits: Limits) -> Document | None:
    """A body of unknown type: JSON if it reads as JSON, else text, else nothing that can be read."""
    try:
        return _json(data, limits)
    except BadRequest:
        return text_document(data, limits)


_READERS: dict[str, Callable[[bytes, Limits], Document | None]] = {
    "json": _json,
    "lines": _lines,
    "text": text_document,
    "markup": _markup,
    "unknown": _unnamed,
}


def reading(document: Document, where: Places, everywhere: bool = False) -> Reading:
    """The texts of a document below a route's paths, and what cannot be read there.

    A body that is one text is read whole: no path leads into it. Raises BadRequest 413 for more texts than any
    check could look at in time.
    """
    include = _EVERYTHING if everywhere or document.whole else where.include
    taken = dict(places(document.value, include))
    left = {place for place, _ in places(document.value, where.exclude)}
    found = (s for place, value in taken.items() for s in strings(value, place) if not _under(s.path, left))
    texts: dict[str, Segment] = {}
    for segment in found:
        texts[segment.path] = _fixed(segment, document.fixed)
        if len(texts) > _MOST_TEXTS:
            raise BadRequest(413, "too_many_texts", f"the body holds more than {_MOST_TEXTS} texts")
    opaque = [
        Finding(f"guard.opaque.{what}", 0, 0, 1.0, "guard", place)
        for place, what in document.opaque
        if _under(place, taken) and not _under(place, left)
    ]
    return Reading(tuple(texts.values()), tuple(opaque))


def _under(path: str, where: Container[str]) -> bool:
    """Whether a path is one of these places, or below one."""
    return "" in where or any(path[: step.end()] in where for step in _STEP.finditer(path))


def _fixed(segment: Segment, fixed: tuple[str, ...]) -> Segment:
    if any(segment.path.startswith(place) for place in fixed):
        return Segment(segment.path, segment.text, Change.FIXED)
    return segment
