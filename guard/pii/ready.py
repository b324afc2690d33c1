"""A row made ready: its patterns compiled, its check and its cues looked up, flattened for the search."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from guard.pii.checks import check_of
from guard.pii.columns import SUMS
from guard.pii.cues import CUES
from guard.pii.gates import Search, leaping
from guard.pii.nobody import NOBODY
from guard.pii.patterns import skipping_repeats
from guard.pii.reach import NOWHERE, reach_of
from guard.pii.rows import Edge, Road, Row

_LEFT = {
    Edge.WORD: r"(?<![A-Za-z0-9])",
    Edge.DIGIT: r"(?<![0-9])",
    Edge.DOTTED: r"(?<![A-Za-z0-9])(?<![0-9]\.)",
    Edge.COLON: r"(?<![A-Za-z0-9])(?<!::)(?<!(?<![G-Zg-z])[0-9A-Fa-f]{2}[:-])",  # MAC: is a word, no group
    Edge.SLASHED: r"(?<![A-Za-z0-9/])(?<![0-9][.-])",
    Edge.GROUPED: r"(?<![A-Za-z0-9])(?<![0-9][ ./_-])",
    Edge.FREE: "",
}
_RIGHT = {
    Edge.WORD: r"(?![A-Za-z0-9])",
    Edge.DIGIT: r"(?![0-9])",
    Edge.DOTTED: r"(?![A-Za-z0-9])(?!\.[0-9])",
    Edge.COLON: r"(?![A-Za-z0-9])(?![:-][0-9A-Fa-f:]|\.[0-9])",
    Edge.SLASHED: r"(?![A-Za-z0-9/])(?![.-][0-9])",
    Edge.GROUPED: r"(?![A-Za-z0-9])(?![ ./_-]{1,2}[0-9])",
    Edge.FREE: "",
}
ANY = -1
"""Every cue, by its bit."""

_SIGNED = r"\x1a[A-Za-z]"


@cache
def _opening(pattern: str) -> Callable[..., re.Match[bytes] | None]:
    """The search for the opening of some rows: one and the same for those that share it."""
    return re.compile(pattern.encode("ascii")).search


class Ready:
    """A row with its compiled patterns, check and cues, flattened for the search.

    `before` is how far before the digits of a region a match may begin; `opens` searches for what all matches begin
    with or have among their first characters. `called` has the bit of its cue among `Roads.spoken`, `denied` that of
    what rules it out, `heard` both; or all bits where only the words before each match tell. `top` is what a match may
    score at most; where a row is `inner`, each match lies within its region. `own` are its heads.
    """

    __slots__ = (
        "asks", "before", "behind", "called", "check", "cue", "cued", "denied", "fixed", "group", "heard", "inner",
        "kind", "lead", "left", "literal", "loose", "mail", "match", "midword", "nation", "nobody", "number", "opens",
        "own", "reach", "right", "row", "score", "search", "shared", "sifted", "signed", "special", "top", "trim",
        "unless", "waits", "yields",
    )  # fmt: skip

    def __init__(self, row: Row, yields: bool = False, shared: bool = False) -> None:
        left, right = _LEFT[row.edge], _RIGHT[row.edge]
        self.literal, self.mail, self.nation = (
            row.road is Road.LITERAL,
            row.road is Road.MAIL,
            row.road is Road.NATION,
        )
        self.number = row.road is Road.DIGITS or self.nation
        self.reach = reach_of(row) if self.number else NOWHERE
        # Elsewhere a search fails in one step.
        first = rf"(?=[\x{self.reach.least:02x}-\x{self.reach.most:02x}])" if self.number else ""
        core = skipping_repeats(row.core) if row.road is Road.WHOLE else row.core
        pattern = re.compile(f"{first}{'' if self.literal else left}(?:{core}){right}".encode("ascii"))
        self.row = row
        self.own = frozenset(row.heads)
        self.kind, self.score, self.cued, self.trim, self.lead = (
            row.kind,
            row.score,
            row.cued,
            row.trim,
            row.lead,
        )
        self.signed = row.core.startswith(_SIGNED)
        self.search: Search = pattern.search
        if row.road is Road.AFTER or self.signed:
            self.search = pattern.match
        elif row.road is Road.WHOLE:
            self.search = leaping(pattern, row.core, row.edge)
        self.match = pattern.match
        self.before = self.reach.before
        self.top = top_of(row)
        self.inner = self.number and self.reach.inner()
        self.sifted = self.number and not self.before and not row.opening and row.check in SUMS
        self.left = re.compile(left.encode("ascii")).match
        self.right = re.compile(right.encode("ascii")).match
        self.check: Any = check_of(row)
        self.cue: Any = CUES[row.cue] if row.cue else None
        self.unless: Any = CUES[row.unless].without(self.cue) if row.unless else None
        self.nobody: Any = NOBODY[row.nobody] if row.nobody else None
        self.behind: Any = re.compile(row.behind).match if row.behind else None
        self.special = row.road in (Road.LITERAL, Road.MAIL) or bool(row.lead or row.behind)
        self.fixed = row.score if not row.cue and not row.unless else 0.0
        self.waits = bool(row.cue) and not row.score
        self.opens = _opening(row.opening) if row.opening and not self.waits else None
        self.asks = self.waits or self.opens is not None
        self.called = self.denied = self.heard = 0 if self.fixed else ANY
        # Such a match may begin within a word, of which the words of a stretch show no half.
        self.midword = row.edge in (Edge.DIGIT, Edge.FREE) and self.reach.most >= ord("A")
        self.group = pattern.groupindex.get("value", 0)
        self.yields, self.shared, self.loose = yields, shared, row.edge is Edge.DIGIT


def top_of(row: Row) -> float:
    """What a match of a row may score at most."""
    return max(row.score, row.cued)
