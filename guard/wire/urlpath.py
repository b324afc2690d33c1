"""The spellings of one URL path, over-inclusive: whatever a server might route to a handler."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

_MOST_CODINGS = 4
_LONGEST = 8192
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0]+")
_CUTS = re.compile(r"[?#\x00\r\n]")


def spellings(path: str) -> set[tuple[str, ...]]:
    """List the segment sequences that a path may mean to one server or another, lower-case.

    Percent codes (several levels), backslashes, repeated and trailing slashes, dot segments, path
    parameters (`;x`), control characters and width variants are undone in each way that servers do it.
    """
    found: set[tuple[str, ...]] = set()
    for plain in _decoded(path[:_LONGEST]):
        for cut in (plain, _CUTS.split(plain, maxsplit=1)[0]):
            segments = [_clean(segment) for segment in cut.replace("\\", "/").split("/")]
            found.add(tuple(_without_dots(segments)))
            found.add(tuple(s for s in segments if s not in ("", ".", "..")))
    return found


def _decoded(path: str) -> Iterator[str]:
    """The path as given and after each level of percent-decoding."""
    yield path
    for _ in range(_MOST_CODINGS):
        decoded = unquote(path)
        if decoded == path:
            return
        path = decoded
        yield path


def _clean(segment: str) -> str:
    plain = _CONTROL.sub("", segment.partition(";")[0])
    return plain if plain.isascii() and plain.islower() else unicodedata.normalize("NFKC", plain).casefold()


def _without_dots(segments: list[str]) -> list[str]:
    """Resolve dot segments as RFC 3986, section 5.2.4."""
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    return kept
