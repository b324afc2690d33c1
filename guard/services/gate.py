"""One pass of RE2 over a text that says which recognizers could find anything in it, and hides nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import re2

from guard.pii.patterns import least_run

_MAX_MEM = 64 << 20

# What RE2 reads otherwise than Python's `re` and `regex` do, and does not refuse.
_UNLIKE = re.compile(r"\{,|\\[CQEzZGKXRhHvNmML]|\[\[|&&|--|\|\|~~")

# `\s` has these in Python, not in RE2: where one occurs, everything is let through.
_BLANKS = b"\x0b\x1c\x1d\x1e\x1f"


# What may match at the ends of a text and not at those of a line inside it.
_ANCHOR = re.compile(r"(?<!\[)\^|\$|\\[AzZ]")

_DECIMAL = frozenset(b"0123456789")
_DIGITS = bytes(ord("9") if chr(code) in "0123456789" else 0 for code in range(256))
"""Nines for digits, zeros for all else."""


class Gate:
    """Which of several recognizers to run on a text; one without patterns (None) always runs.

    `lines` says that a text for which it is closed has no line, taken alone, for which it would open.
    """

    def __init__(self, recognizers: Sequence[Sequence[str] | None]) -> None:
        self._all = tuple(range(len(recognizers)))
        self._always = tuple(i for i, patterns in enumerate(recognizers) if patterns is None)
        self._owners: list[int] = []
        told = [_digits(pattern) for patterns in recognizers for pattern in patterns or ()]
        self._least = b"9" * min(told, default=0)
        self._set = re2.Set.SearchSet(options())
        for index, patterns in enumerate(recognizers):
            for pattern in patterns or ():
                self._set.Add(pattern)
                self._owners.append(index)
        self._set.Add(f"[{_BLANKS.decode()}]")
        self._set.Compile()
        self.lines = not any(
            _ANCHOR.search(pattern) for patterns in recognizers for pattern in patterns or ()
        )
        self._patterns = [tuple(patterns or ()) for patterns in recognizers]
        self._compiled: dict[int, list[Any]] = {}

    def open(self, text: bytes | str) -> tuple[int, ...]:
        """The recognizers that must see this text."""
        data = text.encode() if isinstance(text, str) else text
        # RE2 takes longer to say the same of most texts, and lets another thread go first.
        if self._least not in data.translate(_DIGITS):
            return self._always
        hits = self._set.Match(data)
        if not hits:
            return self._always
        if len(self._owners) in hits:
            return self._all
        return tuple(sorted({self._owners[hit] for hit in hits} | set(self._always)))

    def spans(self, index: int, text: bytes) -> list[tuple[int, int]] | None:
        """Where one recognizer matches; None where RE2's matches may not be its own."""
        # One by one each is found by `memchr`; to look for all of them at once takes `re` ten times as long.
        if index in self._always or any(map(text.__contains__, _BLANKS)):
            return None
        found = self._compiled.get(index)
        if found is None:
            found = [re2.compile(pattern, options=options()) for pattern in self._patterns[index]]
            self._compiled[index] = found
        return [match.span() for pattern in found for match in pattern.finditer(text)]

    @staticmethod
    def translated(patterns: Sequence[str], flags: int) -> tuple[str, ...] | None:
        """Patterns of `re` or `regex` for this gate, over ASCII text; None if one cannot be had in RE2."""
        if not flags & re.MULTILINE and any("$" in pattern for pattern in patterns):
            return None
        letters = "".join(letter for letter, flag in _FLAGS if flags & flag)
        translated = tuple(f"(?{letters}:{pattern})" if letters else pattern for pattern in patterns)
        return translated if all(map(_same_in_re2, translated)) else None


def _digits(pattern: str) -> int:
    return 0 if _UNLIKE.search(pattern) else least_run(pattern, _DECIMAL)


_FLAGS = (("i", re.IGNORECASE), ("m", re.MULTILINE), ("s", re.DOTALL))


def _same_in_re2(pattern: str) -> bool:
    if _UNLIKE.search(pattern):
        return False
    try:
        re2.compile(pattern, options=options())
    except re2.error:
        return False
    return True


def options() -> Any:
    """RE2's options here: quiet, and with room for the largest of Presidio's lists."""
    chosen = re2.Options()
    chosen.log_errors = False
    chosen.max_mem = _MAX_MEM
    return chosen
