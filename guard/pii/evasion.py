"""The one normalised copy of a text that every recognizer sees, and the way back to the original offsets.

Disguises fall away in the copy: widths, digit sets, dashes, spaces, accents and look-alike letters become ASCII;
invisible, bidi and combining code points vanish. One byte a kept code point, so offsets need no table unless
something vanished. ASCII text is its own copy. What several characters spell together (an entity, a percent code)
is read in copies of its own, where a text has any (`readings`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from guard.pii.spelling import (
    DIGITS,
    FIRST_NUMERAL,
    NUMERALS,
    Pairs,
    count_together,
    numerals_in,
    together,
    units_in,
)
from guard.pii.splice import Splice, Unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_GONE = 0xFF
_OTHER = 0x1A
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@cache
def _table() -> NDArray[np.uint8]:
    """The fold of every code point as one byte (1.1 MB, made once from the shipped runs)."""
    import numpy as np

    from guard.pii.folds import RUNS

    table = np.full(0x110000, _OTHER, dtype=np.uint8)
    table[:0x80] = np.arange(0x80)
    for start, targets in RUNS:
        folds = np.frombuffer(targets.encode("ascii"), dtype=np.uint8)
        table[start : start + len(folds)] = np.where(folds == 0, _GONE, folds)
    for numeral, digit in zip(NUMERALS, DIGITS, strict=True):
        table[ord(numeral)] = FIRST_NUMERAL + int(digit)
    return table


_MANY = 8192
"""In so many characters numerals are looked for all at once, which takes some steps however few there are."""
_PLAIN = bytes(_OTHER if code >= FIRST_NUMERAL else code for code in range(256))


def _folded(raw: bytes, kept: NDArray[np.intp] | None = None) -> Projection:
    """The projection of folded bytes, numerals kept apart."""
    if raw.isascii():
        return Projection(raw, kept)
    text = raw.translate(_PLAIN)
    if len(raw) < _MANY:
        return Projection(text, kept, raw, count_together(raw))
    pairs = together(raw)
    return Projection(text, kept, raw, len(pairs[0]) > 0, pairs)


def _code_points(text: str) -> NDArray[Any]:
    import numpy as np

    narrow = text.encode("utf-16-le", "surrogatepass")
    if len(narrow) == 2 * len(text):
        return np.frombuffer(narrow, _types()[0])
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), _types()[1])


@cache
def _types() -> tuple[np.dtype[Any], np.dtype[Any]]:
    import numpy as np

    return np.dtype("<u2"), np.dtype("<u4")


class Projection:
    """A text as ASCII bytes, one a kept code point (SUB, 0x1A, where nothing ASCII stands for it).

    `kept` holds the original offset of every byte where code points vanished, else None. `raw` is the same
    bytes with Chinese numerals as 0x80 (zero) to 0x89, where there are any, else None; `counts` says that some
    of them stand together, as digits do, and `pairs`, if that is known, which.
    """

    __slots__ = ("_pairs", "_read_out", "_reads", "counts", "kept", "known", "raw", "text")

    def __init__(
        self,
        text: bytes,
        kept: NDArray[np.intp] | None = None,
        raw: bytes | None = None,
        counts: bool = False,
        pairs: Pairs | None = None,
    ) -> None:
        self.text = text
        self.kept = kept
        self.raw = raw
        self.counts = counts
        self.known: list[Unit] | None = None
        self._read_out: Splice | None = None
        self._pairs = pairs
        self._reads: frozenset[str] | None = None

    def units(self) -> list[Unit]:
        """What is spelled out in the whole text, `known` once it was asked for."""
        if self.known is None:
            self.known = units_in(self.text, self.raw)
        return self.known

    def reads(self) -> frozenset[str]:
        """What the units of the whole text say, told once."""
        if self._reads is None:
            self._reads = frozenset([unit[2] for unit in self.units()])
        return self._reads

    def read_out(self) -> Splice:
        """The whole text with its units read, made once."""
        if self._read_out is None:
            self._read_out = Splice(self.text.decode("latin-1"), self.units())
        return self._read_out

    def read(self, low: int, high: int) -> list[Unit]:
        """What is spelled out in a stretch that is all there is, by its places in it."""
        return units_in(self.text[low:high], self.raw[low:high] if self.raw and self.counts else None)

    def count(self, low: int, high: int) -> bool:
        """Whether numerals stand together in a stretch."""
        return next(self.counted(low, high), None) is not None

    def counted(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """Where in a stretch each two numerals stand that stand together."""
        if self.raw is None:
            return
        if self._pairs is None:
            self._pairs = together(self.raw)
        first, second = self._pairs
        at = int(first.searchsorted(low))
        while at < len(first) and (end := int(second[at])) < high:
            yield int(first[at]), end
            at += 1

    def numerals(self, low: int, high: int) -> list[Unit]:
        """The numerals that stand together in a stretch, with the digits they say."""
        return [] if self.raw is None else list(numerals_in(self.raw[low:high]))

    def to_original(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the original that a non-empty stretch of the projection stands for."""
        if self.kept is None:
            return start, end
        return int(self.kept[start]), int(self.kept[end - 1]) + 1

    def place(self, position: int) -> int:
        """The original offset just after the byte before a position; what vanished there lies to its right."""
        if self.kept is None or position == 0:
            return position
        return int(self.kept[position - 1]) + 1

    def position(self, offset: int) -> int:
        """The first position whose original offset is at least `offset`."""
        return offset if self.kept is None else int(self.kept.searchsorted(offset))


def project(text: str) -> Projection:
    """Fold a text, lone surrogates included, to its projection in linear time."""
    if text.isascii():
        return Projection(text.encode())
    folded = _table().take(_code_points(text))
    raw = folded.tobytes()
    if _GONE not in raw:
        return _folded(raw)
    keep = folded != _GONE
    return _folded(folded[keep].tobytes(), keep.nonzero()[0])


def readable(text: str) -> str:
    """The text with a question mark for each lone surrogate, which RE2 cannot be given; offsets stay."""
    return text if text.isascii() else _LONE_SURROGATE.sub("?", text)


def undisguised(text: str) -> tuple[str, Projection]:
    """The projection with the characters back for which nothing ASCII stands: own patterns may name Hanzi."""
    import numpy as np

    projection = project(text)
    points = np.frombuffer(readable(text).encode("utf-32-le"), dtype="<u4")
    kept = points if projection.kept is None else points[projection.kept]
    folded = np.frombuffer(projection.text, dtype=np.uint8)
    mixed = np.where(folded == _OTHER, kept, folded).astype("<u4")
    return mixed.tobytes().decode("utf-32-le"), projection
