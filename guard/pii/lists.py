"""Terms that a tenant denies or allows, a hundred thousand in one pass (Aho and Corasick, CACM 18, 1975).

A term is matched exactly but for case, width, accents and what else the projection folds, and as a whole word
where it begins or ends with a Latin letter or a digit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from guard.pii.evasion import Projection, undisguised
from guard.types import Finding

_SPANS_CUTS = re.compile(r"[^!-~]")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


class Terms:
    """A list of terms, compiled once: about 15 µs a term, and then the time of a search does not depend on them."""

    __slots__ = ("_automaton", "_terms", "reach")

    def __init__(self, terms: Iterable[str]) -> None:
        import ahocorasick_rs

        self._terms = frozenset(folded for term in terms if (folded := _folded(term.strip())[0]))
        self._automaton: Any = ahocorasick_rs.AhoCorasick(sorted(self._terms))
        spanning = max((len(term) for term in self._terms if _SPANS_CUTS.search(term)), default=0)
        # Twice: what a disguise puts between two characters falls away when the term is folded.
        self.reach = 2 * spanning + 1 if spanning else 0
        """The longest term that holds a blank or more than ASCII, in characters of a text; 0 if none does."""

    def holds(self, text: str) -> bool:
        """Whether a text is one of the terms, as a whole."""
        return _folded(text.strip())[0] in self._terms

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where terms stand in a text, in code points: from left to right, the longest first, without overlaps."""
        folded, projection = _folded(text)
        found: list[tuple[int, int]] = []
        reached = 0
        for low, high in sorted(self._whole(folded), key=lambda span: (span[0], -span[1])):
            if low >= reached:
                reached = high
                found.append(projection.to_original(low, high))
        return found

    def spanning(self, text: str) -> list[tuple[int, int]]:
        """Where terms stand that hold a blank or more than ASCII, those that overlap others too."""
        folded, projection = _folded(text)
        spans = (span for span in self._whole(folded) if _SPANS_CUTS.search(folded, *span))
        return [projection.to_original(*span) for span in spans]

    def _whole(self, folded: str) -> Iterator[tuple[int, int]]:
        matches = self._automaton.find_matches_as_indexes(folded, overlapping=True)
        return ((low, high) for _, low, high in matches if _is_whole(folded, low, high))


def denied(terms: Terms, text: str, kind: str, source: str) -> list[Finding]:
    """Every place of a denied term, as a finding of a kind with the score 1."""
    return [Finding(kind, start, end, 1.0, source) for start, end in terms.spans(text)]


def spared(terms: Terms, text: str, findings: Sequence[Finding]) -> list[Finding]:
    """The findings without those that are an allowed term as a whole: a part of one is no exception."""
    return [finding for finding in findings if not terms.holds(text[finding.start : finding.end])]


def _is_whole(text: str, low: int, high: int) -> bool:
    """Whether a match is no part of a longer Latin word or number."""
    before = low > 0 and text[low - 1] in _WORD and text[low] in _WORD
    after = high < len(text) and text[high] in _WORD and text[high - 1] in _WORD
    return not before and not after


def _folded(text: str) -> tuple[str, Projection]:
    """The projection in lower case, with the characters back for which nothing ASCII stands: one for one."""
    if text.isascii():
        return text.lower(), Projection(b"")
    plain, projection = undisguised(text)
    return plain.lower(), projection
