"""Texts that only make sense whole: the JSON of a tool call's arguments, read and written again in a stream."""

from __future__ import annotations

from collections.abc import Mapping

from guard.types import Segment
from guard.wire import jsonbody
from guard.wire.leaves import JSON_TEXT
from guard.wire.reading import Reader


def document(text: str) -> tuple[Segment, ...]:
    """The texts of a value that only makes sense whole: of each string in it if it is JSON, else the text itself."""
    out = Reader(strict=False)
    JSON_TEXT.read(text, "value", out)
    return tuple(out.segments)


def rewritten(text: str, changes: Mapping[str, str]) -> str:
    """The value with new texts; byte for byte the same where nothing changed."""
    new = {s.path: changes[s.path] for s in document(text) if changes[s.path] != s.text}
    return str(jsonbody.replace({"value": text}, new)["value"]) if new else text
