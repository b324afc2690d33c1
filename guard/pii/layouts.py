"""How people write long numbers, as patterns: in one run, in equal groups, digit by digit, in a form's own groups.

One separator throughout; so a table of numbers is not read as one long number, and hostile text fails fast.
"""

from __future__ import annotations

from itertools import count

SEP = r"[ \t\r\n./_-]"
"""What may stand between the digits of a number (ASCII; the projection folds the rest to these)."""

_WIDE = SEP + "{1,3}"
_ALONE = rf"(?<![0-9]{SEP})(?<![0-9]{SEP}{SEP})(?<![0-9]{SEP}{SEP}{SEP})"
_FEW = 3
"""Groups up to this size are read only where the whole row of groups is the number."""

_WIDEST = 8

_names = count()


def loose(low: int, high: int, last: str = "[0-9]") -> str:
    """Any grouping of `low` to `high` characters: what the gate asks (RE2 has no back-references)."""
    return rf"[0-9](?:{SEP}{{0,3}}[0-9]){{{low - 2},{high - 2}}}{SEP}{{0,3}}{last}"


def laid_out(low: int, high: int, *layouts: tuple[int, ...], last: str = "[0-9]") -> str:
    """Numbers of `low` to `high` characters in one run, in equal groups, or in one of the layouts."""
    forms = [f"[0-9]{{{low - 1},{high - 1}}}{last}"]
    forms += [_grouped(layout, last) for layout in layouts]
    forms += [_even(size, low, high, last) for size in range(1, min(_WIDEST, high // 2) + 1)]
    return "(?:" + "|".join(forms) + ")"


def _separator() -> tuple[str, str]:
    """A named group for the separator, and the reference to it."""
    name = f"s{next(_names)}"
    return f"(?P<{name}>{_WIDE})", f"(?P={name})"


def _ending(size: int, last: str) -> str:
    return last if size == 1 else f"[0-9]{{{size - 1}}}{last}"


def _grouped(layout: tuple[int, ...], last: str) -> str:
    """Groups of given sizes, one separator between."""
    first, again = _separator()
    middle = "".join(f"{again}[0-9]{{{size}}}" for size in layout[1:-1])
    head = f"[0-9]{{{layout[0]}}}"
    if len(layout) == 2:
        return f"{head}{_WIDE}{_ending(layout[1], last)}"
    body = middle.replace(again, first, 1)
    return f"{head}{body}{again}{_ending(layout[-1], last)}"


def _even(size: int, low: int, high: int, last: str) -> str:
    """Groups of one size but for a shorter last one."""
    first, again = _separator()
    rest = _singles(again, low, high, last) if size == 1 else _groups(size, again, low, high, last)
    groups = f"[0-9]{{{size}}}{first}{rest}"
    return f"{_ALONE}{groups}(?!{again}[0-9])" if size <= _FEW else groups


def _singles(again: str, low: int, high: int, last: str) -> str:
    return f"(?:[0-9]{again}){{{low - 2},{high - 2}}}{last}"


def _groups(size: int, again: str, low: int, high: int, last: str) -> str:
    """What follows the first of several groups: more of its size, then what is left to the whole number."""
    forms = []
    for full in range(high // size + 1, 0, -1):
        least, most = max(1, low - full * size), min(size, high - full * size)
        if least <= most:
            forms.append(f"(?:[0-9]{{{size}}}{again}){{{full - 1}}}[0-9]{{{least - 1},{most - 1}}}{last}")
    return "(?:" + "|".join(forms) + ")"
