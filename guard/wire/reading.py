"""What the walk along a map of positions gathers: texts to screen, what cannot be read, and how strictly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from guard.errors import BadRequest
from guard.types import Change, Finding, Limits, Segment
from guard.wire.jsonbody import strings
from guard.wire.words import WORDS

if TYPE_CHECKING:
    from guard.wire.nodes import Tagged

_MOST_FINDINGS = 256
_IDENTIFIER = re.compile(r"(?!.*\d{5})[A-Za-z_][A-Za-z0-9_]{0,40}")

_DEFAULT_LIMITS = Limits()

Hold = Literal["window", "full"]


class Row(NamedTuple):
    """One line of a coverage table; `table` holds the kinds that the line only refers to."""

    path: str
    treatment: str
    table: Tagged | None = None


class Reader:
    """What was found so far in one body, and how strict the reading is.

    `strict`: what the map does not name is refused (requests); else all its strings are screened (answers).
    `streams`: texts that a stream sends in pieces go to `streamed` as (path, text, hold), not to `segments`;
    `pieces`: so do the strings below `choices` that nobody knows, since they may be pieces too.
    """

    __slots__ = (
        "counts",
        "derived",
        "limits",
        "opaque",
        "pieces",
        "segments",
        "streamed",
        "streams",
        "strict",
    )

    def __init__(
        self, *, strict: bool, limits: Limits = _DEFAULT_LIMITS, streams: bool = False, pieces: bool = False
    ) -> None:
        self.strict, self.limits, self.streams, self.pieces = strict, limits, streams, pieces
        self.segments: list[Segment] = []
        self.opaque: list[Finding] = []
        self.derived: list[str] = []
        self.streamed: list[tuple[str, str, Hold]] = []
        self.counts: dict[str, int] = {}

    def text(self, path: str, text: str, change: Change = Change.TEXT, group: str = "") -> None:
        """Note a text to be screened; an empty one needs no screening."""
        if text:
            self.segments.append(Segment(path, text, change, group))

    def refuse(self, what: str, path: str) -> None:
        """Note what cannot be read as a finding of kind `guard.opaque.<what>`."""
        if len(self.opaque) < _MOST_FINDINGS:
            self.opaque.append(Finding(f"guard.opaque.{what}", 0, 0, 1.0, "guard", path))

    def unmapped(self, path: str, value: Any) -> None:
        """Note a place that the map does not name; its strings are screened wherever it is let pass."""
        if value is None:
            return
        if self.strict:
            self.refuse("field", path)
        if self.pieces and path.startswith("choices["):
            self._unknown_pieces(value, path)
        else:
            self.free(value, path, Change.TEXT)

    def _unknown_pieces(self, value: Any, path: str) -> None:
        for segment in strings(value, path):
            if segment.path.endswith("}"):
                self.text(segment.path, segment.text, Change.FIXED)
            elif segment.text not in WORDS:
                self.streamed.append((segment.path, segment.text, "window"))

    def name(self, path: str, name: str) -> None:
        """Note the name of an unmapped field as a text; a plain identifier in an answer is the provider's."""
        if name not in WORDS and (self.strict or _IDENTIFIER.fullmatch(name) is None):
            self.text(path, name, Change.FIXED)

    def free(self, value: Any, path: str, change: Change) -> None:
        """Note every string, key and long number below a place, but for words of the closed vocabulary."""
        for segment in strings(value, path):
            if segment.text not in WORDS:
                self.text(segment.path, segment.text, change)

    def count(self, what: str, number: int, path: str) -> None:
        """Hold the number of messages, tools or parts to its limit; raises BadRequest 413."""
        self.counts[what] = self.counts.get(what, 0) + number
        most = getattr(self.limits, what)
        if self.strict and self.counts[what] > most:
            raise BadRequest(
                413,
                f"too_many_{what}",
                f"the body holds more than {most} {what} (GUARD_MAX_{what.upper()})",
                param=path,
            )


class Node:
    """One place of a map; `treatment` is its word in the coverage table."""

    treatment = ""
    # Types whose values at this place say nothing.
    silent: frozenset[type] = frozenset()

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Note what stands at this place."""
        raise NotImplementedError

    def rows(self, path: str) -> Iterator[Row]:
        """List this place and all below it."""
        yield Row(path, self.treatment)
