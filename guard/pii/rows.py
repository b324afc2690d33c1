"""What one row of the catalogue says; the catalogue is data, this is its form."""

from __future__ import annotations

import enum
from dataclasses import dataclass

BLOCK_LONGEST = 8192
"""The longest body of a PEM block that is taken (an 8192-bit RSA key has 6.5 KB)."""

CUE_REACH = 40
"""How many characters before a value a cue word may begin; cues never act forwards."""

_PHRASE = "(?:[Pp]ass|[Ss]eed|[Rr]ecovery|[Bb]ackup|[Ss]ecret|[Mm]nemonic|[Ww]allet)[ _-]?[Pp]hrase"
PHRASE = (
    rf"""{_PHRASE}["']?(?: is)?[ ]?[:=][ ]?["'`]?"""
    r"(?P<value>[a-z]{3,10}(?:[ ][a-z]{3,10}){0,23})(?![A-Za-z0-9])"
)
"""A passphrase, or the 12 to 24 words of a wallet (BIP 39), behind what calls it so: the one match of several words."""

_CALLED = (
    rf"""(?:{_PHRASE}|(?:[Mm]nemonic|[Ss]eed)(?:[ ][Ww]ords)?)["']?"""
    r"""(?: (?:is|was))?(?:[ ]?[:=][ ]?|[ ])["'`]?"""
)

WALLET_WORDS = (
    r"(?!(?P<first>[a-z]{3,8}) (?:[a-z]{3,8} ){0,5}(?P=first)[ ])"
    r"(?P<value>[a-z]{3,8}(?:[ ][a-z]{3,8}){11,23})(?![A-Za-z0-9])"
)
"""The words of a wallet; the first does not come again soon, as it does where a text says one thing all over."""

TOLD_PHRASE = _CALLED + WALLET_WORDS
"""The same behind any of their names, with or without a colon: no sentence has twelve such words in a row."""

BEHIND = 4
"""How many characters behind a match a row with `behind` looks at."""


class Road(enum.Enum):
    """How the matches of a row are found fast; what is found is the same on every road."""

    LITERAL = "literal"  # the core begins with a fixed string
    DIGITS = "digits"  # within a region of digit groups, 8 characters before and 6 after included
    NATION = "nation"  # likewise, last of all: where a cue word of the row stands before, or nothing surer was found
    WHOLE = "whole"  # anywhere
    MAIL = "mail"  # around an @
    BLOCK = "block"  # a PEM block from its opening line
    AFTER = "after"  # directly after one of the row's heads (words outside ASCII)


class Edge(enum.Enum):
    """What may not touch a match: letters and digits, digits, or also a stop, colon or slash with more beyond.

    Or (`GROUPED`) what goes between groups of digits, with more digits beyond.
    """

    WORD = "word"
    DIGIT = "digit"
    DOTTED = "dotted"
    COLON = "colon"
    SLASHED = "slashed"
    GROUPED = "grouped"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Row:
    """One shape of one kind. A kind may have several rows, from the surest shape to the loosest.

    `core` is a pattern over the projection (ASCII bytes, 0x1A for what is not), without edges; of a core
    with a group named value, that is the value. `gate` stands for it in the gate, in RE2 syntax, where it
    has back-references or look-arounds; it may let more through. `hint` is what every match of that holds, likewise; it
    is shared by rows that are asked only where it matches. `opening`, of a number, is what every match
    begins with or has among its first characters, where that is rare. `check` names a function of `checks` (its
    docstring names the standard); one that may shorten the match says so (`trim`). `score` holds without a
    cue word, `cued` with one (0: dropped). `unless` names cue words that rule the row out where `cue` is
    not nearer. `alphabet` (`ink`: no blanks; `groups`: blanks between groups; `plate`: groups beside letters
    outside ASCII; `mail`: ink, and such letters after the @; `block`; `phrase`: words), `longest` and `ahead`
    (characters looked at after the end) bound a match for streams; `cuts` relies on them. `lead` and `tail` are
    the letters outside ASCII that the first and last byte may stand for; `behind` is a pattern of what must stand
    directly behind a match in the original (`BEHIND`). `nobody` names the test for reserved and private values.
    `country` says whose number it is, by ISO codes with blanks between; `plans` the countries whose numbering plans
    the check asks (none: all). `laws` names what counts the kind as personal.
    """

    kind: str
    core: str
    road: Road
    score: float
    cued: float = 0.0
    check: str = ""
    cue: str = ""
    unless: str = ""
    edge: Edge = Edge.WORD
    trim: bool = False
    heads: tuple[str, ...] = ()
    lead: str = ""
    tail: str = ""
    behind: str = ""
    nobody: str = ""
    country: str = ""
    plans: tuple[str, ...] = ()
    laws: tuple[str, ...] = ()
    alphabet: str = "ink"
    longest: int = 64
    ahead: int = 1
    gate: str = ""
    hint: str = ""
    opening: str = ""
