"""Base64 over several lines, as mailers and key files wrap it (RFC 2045, 6.8; RFC 7468): one level, any length."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from guard.pii import packing

_LEAST = 60
_BREAK = re.compile(
    # Most lines of prose are told by their last character.
    rf"\n(?<=[A-Za-z0-9+/\r]\n)(?:(?<=[A-Za-z0-9+/]{{{_LEAST}}}\n)|(?<=[A-Za-z0-9+/]{{{_LEAST}}}\r\n))"
)
_FIRST = re.compile(r"[A-Za-z0-9+/]{1,1000}\Z")
_NEXT = re.compile(r"[ \t>]{0,16}([A-Za-z0-9+/]{1,1000}={0,2})[ \t]*\r?(?:\n|\Z)")
_CONTINUES = bytes(range(0x80, 0xC0))

Line = tuple[int, int]
"""Where the base64 of one line stands in the text."""


class Wrapped:
    """What the lines of one block unpack to; a finding in it stands for the whole lines that hold it."""

    __slots__ = ("_data", "_lines", "_places", "_starts", "text")

    def __init__(self, lines: list[Line], text: str) -> None:
        self.text = text
        self._data = data = text.encode()
        self._lines = lines
        self._places = [0]
        self._starts = [0]
        for start, end in lines:
            low = self._places[-1]
            high = low + (end - start) * 3 // 4
            self._starts.append(self._starts[-1] + len(data[low:high].translate(None, _CONTINUES)))
            self._places.append(high)

    def back(self, start: int, end: int) -> tuple[int, int]:
        """The lines of the text that a stretch of what they unpack to stands for."""
        first, last = (bisect_right(self._starts, place) - 1 for place in (start, end - 1))
        begun = self._data[self._places[last + 1] :][:1].translate(None, _CONTINUES) == b""
        if end == self._starts[last + 1] and begun and last + 1 < len(self._lines):
            last += 1  # the last character's bytes go on in the next line
        return self._lines[first][0], self._lines[last][1]


def wrapped(text: str) -> Iterator[Wrapped]:
    """Each block of lines of one length, the last shorter or padded, that unpacks to text."""
    if "\n" not in text:
        return
    reached = 0
    for match in _BREAK.finditer(text):
        if match.start() >= reached:
            lines = _block(text, match.start(), match.end())
            reached = lines[-1][1]
            yield from _unpacked(text, lines)


def _block(text: str, end: int, after: int) -> list[Line]:
    """The lines of the block whose first line ends at a break."""
    end -= text[end - 1] == "\r"
    first = _FIRST.search(text, text.rfind("\n", 0, end) + 1, end)
    start = first.start() if first else end
    width = end - start
    lines = [(start, end)]
    while width % 4 == 0 and (line := _NEXT.match(text, after)) and len(line.group(1)) <= width:
        lines.append(line.span(1))
        after = line.end()
        if len(line.group(1)) < width or line.group(1).endswith("="):
            break
    return lines


def _unpacked(text: str, lines: list[Line]) -> Iterator[Wrapped]:
    """A block as text, with its last line or, where that is prose, without."""
    for count in {len(lines): 0, len(lines) - 1: 0}:
        run = "".join(text[start:end] for start, end in lines[:count])
        if count > 1 and (read := packing.unpack(run.rstrip("=").encode("ascii"))):
            yield Wrapped(lines[:count], read)
            return
