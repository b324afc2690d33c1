"""The catalogue and a policy's own patterns in a worker process: for long texts, and for patterns not ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import re2

from guard.outside.worker_main import alive
from guard.pii.evasion import readable, undisguised
from guard.pii.scan import Scanner
from guard.services.gate import options
from guard.types import Finding


class Own(NamedTuple):
    """One recognizer of a policy's own: its name, RE2 pattern, kind and score."""

    name: str
    pattern: str
    kind: str
    score: float


class Wanted(NamedTuple):
    """A text, whether to scan it by the catalogue, and the places of the own recognizers to run."""

    text: str
    catalogue: bool
    own: tuple[int, ...]


class OwnPatterns:
    """A policy's own recognizers, compiled."""

    def __init__(self, own: Iterable[Own]) -> None:
        self._own = [(row, compiled(row.pattern)) for row in own]

    def find(self, text: str, chosen: Iterable[int] | None = None) -> list[Finding]:
        """Find with those at the places chosen, or with all; nothing is resolved yet."""
        rows = self._own if chosen is None else [self._own[index] for index in chosen]
        return [
            Finding(row.kind, *span, row.score, f"custom:{row.name}")
            for row, pattern in rows
            for span in spans(pattern, text)
        ]


class Detection:
    """A scanner and the compiled own recognizers; called with what is wanted, text by text."""

    def __init__(self, scanner_args: Mapping[str, Any], own: Sequence[Own]) -> None:
        self._scanner = Scanner(**scanner_args, beat=alive)
        self._scanner.warm()
        self._own = OwnPatterns(own)

    def __call__(self, request: Sequence[Wanted]) -> list[list[Finding]]:
        """Find in each text; nothing is resolved yet."""
        return [self._text(wanted) for wanted in request]

    def _text(self, wanted: Wanted) -> list[Finding]:
        found: list[Finding] = []
        if wanted.catalogue:
            found = self._scanner.everything(wanted.text)
        return found + self._own.find(wanted.text, wanted.own)


def compiled(pattern: str) -> Any:
    """Compile a pattern of the policy's own."""
    return re2.compile(pattern, options=options())


def spans(pattern: Any, text: str) -> list[tuple[int, int]]:
    """Where a pattern matches, in the text as it is and without its disguises."""
    found = {match.span() for match in pattern.finditer(readable(text))}
    if not text.isascii():
        plain, projection = undisguised(text)
        found.update(
            projection.to_original(*m.span()) for m in pattern.finditer(plain) if m.start() < m.end()
        )
    return sorted(span for span in found if span[0] < span[1])


def build(scanner_args: Mapping[str, Any], own: Sequence[tuple[str, str, str, float]]) -> Detection:
    """Build the scanner in a worker process, and warm it."""
    detection = Detection(scanner_args, [Own(*row) for row in own])
    detection([Wanted("warm-up é 1", True, tuple(range(len(own))))])
    return detection
