"""Texts that only make sense whole: the JSON of a tool call's arguments, read and written again in a stream."""

from __future__ import annotations

from collections.abc import Mapping

from guard.types import Segment
from guard.wire import jsonbody
from guard.wire.leaves import JSON_TEXT
from guard.wire.reading import Reader


def document(text: str, path: str) -> tuple[Segment, ...]:
    """The texts of a value that only makes sense whole: of each string in it if it is JSON, else the text itself."""
    out = Reader(strict=False)
    JSON_TEXT.read(text, path, out)
    return tuple(out.segments)


def rewritten(text: str, path: str, changes: Mapping[str, str]) -> str:
    """The value with new texts, by their paths; byte for byte the same where nothing changed."""
    new = {s.path: changes[s.path] for s in document(text, path) if changes[s.path] != s.text}
    places = {f"value{place.removeprefix(path)}": changed for place, changed in new.items()}
    return str(jsonbody.replace({"value": text}, places)["value"]) if new else text
