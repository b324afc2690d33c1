"""How people write long numbers, as patterns: in one run, in equal groups, digit by digit, in a form's own groups.

One separator throughout; so a table of numbers is not read as one long number, and hostile text fails fast.
"""

from __future__ import annotations

import re
from itertools import count
from typing import NamedTuple

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
    whole = [f"[0-9]{{{low - 1},{high - 1}}}{last}", *(_grouped(layout, last) for layout in layouts)]
    even = [_even(size, low, high, last) for size in range(1, min(_WIDEST, high // 2) + 1)]
    begun = min([low - 1, *(layout[0] for layout in layouts)])
    parts = (_digits(begun, whole), _where(_ALONE, even[:_FEW]), _digits(_FEW + 1, even[_FEW:]))
    return f"(?:{'|'.join(filter(None, parts))})"


_MOST = 23
"""One less than the groups that no number has."""
_SMALL_GROUPS = re.compile(
    rf"[0-9]{{1,{_FEW}}}({_WIDE})(?:[0-9]{{1,{_FEW}}}\1){{{_MOST}}}[0-9]".encode("ascii")
).match
_LAID_OUT = re.compile(r"\(\?:\(\?=\[0-9\]\{(\d+)\}\)").match
_SIGNS_OF_ROWS = bytes(
    ord("9" if chr(code) in "0123456789" else "-" if chr(code) in " \t\r\n./_-" else "!")
    for code in range(256)
)


def is_vain(core: str, stretch: bytes) -> bool:
    """Whether no number of `laid_out` begins in a stretch of digits: it is one row of small groups, and too long."""
    laid = _LAID_OUT(core)
    if laid is None:
        return False
    signs = stretch.translate(_SIGNS_OF_ROWS)
    one = b"!" not in signs and b"-" * (_FEW + 1) not in signs
    return one and b"9" * int(laid[1]) not in signs and _SMALL_GROUPS(stretch) is not None


def _digits(least: int, forms: list[str]) -> str:
    """Forms that all begin with so many digits: amid shorter groups one look tells that none begins there."""
    return _where(f"(?=[0-9]{{{least}}})", forms)


def _where(start: str, forms: list[str]) -> str:
    """Forms that all ask the same of their start."""
    return f"{start}(?:{'|'.join(forms)})" if forms else ""


def _separator() -> tuple[str, str]:
    """A named group for the separator, and the reference to it."""
    name = f"s{next(_names)}"
    return f"(?P<{name}>{_WIDE})", f"(?P={name})"


def _ending(size: int, last: str) -> str:
    return last if size == 1 else f"[0-9]{{{size - 1}}}{last}"


def _grouped(layout: tuple[int, ...], last: str) -> str:
    """Groups of given sizes, one separator between."""
    first, again = _separator()
    lone = _alone_in_lines(layout[0])
    middle = "".join(f"{again}[0-9]{{{size}}}" for size in layout[1:-1])
    head = f"[0-9]{{{layout[0]}}}"
    if len(layout) == 2:
        return f"{head}{_WIDE}{_ending(layout[1], last)}"
    body = middle.replace(again, first + lone, 1)
    return f"{head}{body}{again}{_ending(layout[-1], last)}{_no_line_more(again)}"


def _even(size: int, low: int, high: int, last: str) -> str:
    """Groups of one size but for a shorter last one."""
    first, again = _separator()
    if size == 1:
        return f"[0-9]{first}{_singles(again, low, high, last)}(?!{again}[0-9])"
    rest = _groups(size, again, low, high, last)
    if size <= _FEW:
        return f"[0-9]{{{size}}}{first}{rest}(?!{again}[0-9])"
    return f"[0-9]{{{size}}}{first}{_alone_in_lines(size)}{rest}{_no_line_more(again)}"


def _alone_in_lines(size: int) -> str:
    """Not behind a line that ends with a digit, where the first group is a line: a column of numbers goes on."""
    return rf"(?<![0-9]\n[0-9]{{{size}}}\n)"


def _no_line_more(again: str) -> str:
    """No digits on the next line, where the groups are lines."""
    return rf"(?!(?=\n){again}[0-9])"


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


SLOT = "[ ./_-]"
"""What may stand for a separator of an official form."""

_SIGNS = {"9": "[0-9]", "A": "[A-Za-z]", "X": "[A-Za-z0-9]"}
_TOKEN = re.compile(r"\[[^\]]*\]|\(\?:[^()]*\)|\{[0-9,]*\}|.")
_GROUPED = r"(?<![0-9][./_-])"
_CLOSED = r"(?![./_-][0-9])"


class Written(NamedTuple):
    """A pattern, what the gate asks in its place, and the longest match."""

    core: str
    gate: str
    longest: int


def written(*forms: str) -> Written:
    """Numbers in official forms: 9 a digit, A a letter, X either, a class in brackets, a group of alternatives
    `(?:one|two)`, a small letter itself in any case; blanks and signs are separators, which stand as they are,
    all as one other, or not at all. No match is a part of a longer chain of digits.
    """
    cores = [_form(form) for form in forms]
    gates = [
        "".join(f"{SLOT}?" if _is_slot(token) else _sign(token) for token in _tokens(form)) for form in forms
    ]
    return Written(
        f"{_GROUPED}(?:{'|'.join(cores)}){_CLOSED}", f"(?:{'|'.join(gates)})", max(map(_width, forms))
    )


def _tokens(form: str) -> list[str]:
    return _TOKEN.findall(form)


def _is_slot(token: str) -> bool:
    return token in " ./_-"


def _sign(token: str) -> str:
    """The pattern of one character of a form."""
    if token.isalpha() and token.islower():
        return f"[{token.upper()}{token}]"
    return _SIGNS.get(token, token)


def _width(form: str) -> int:
    """The most characters that a form takes."""
    total = last = 0
    for token in _tokens(form):
        if token[0] == "{":
            total += last * (int(token[1:-1].split(",")[-1]) - 1)
        elif token not in "?+":
            last = max(map(_width, token[3:-1].split("|"))) if token[0] == "(" else 1
            total += last
    return total


def _form(form: str) -> str:
    """One form without separators, with one separator throughout, or as it is."""
    slots = [token for token in _tokens(form) if _is_slot(token)]
    if len(slots) < 2:
        return "".join(f"{SLOT}?" if _is_slot(token) else _sign(token) for token in _tokens(form))
    bare = "".join(_sign(token) for token in _tokens(form) if not _is_slot(token))
    kinds = [bare, _repeated(form)]
    if len(set(slots)) > 1:
        kinds.append("".join(f"[{token}]" if _is_slot(token) else _sign(token) for token in _tokens(form)))
    return "|".join(kinds)


def _repeated(form: str) -> str:
    """A form with whatever its first separator is in every place of one."""
    name = f"s{next(_names)}"
    first, *rest = (i for i, token in enumerate(_tokens(form)) if _is_slot(token))
    parts = [_sign(token) for token in _tokens(form)]
    parts[first] = f"(?P<{name}>{SLOT})"
    for at in rest:
        parts[at] = f"(?P={name})"
    return "".join(parts)


def set_by(signs: str) -> str:
    """What stands between a key and its value, around one of some signs: blanks, and quotes that may be escaped."""
    return rf"""(?:\\?["'])?[ \t]{{0,3}}(?:{signs})[ \t]{{0,3}}(?:\\?["'])?"""


ASSIGNED = set_by("=>|[:=>]")
"""What stands between a key and its value: in JSON (escaped, too), YAML, code, a form, XML."""

TABLED = set_by("=>|[:=>|]")
"""The same and the bar of a table, for values with digits: a heading has headings behind its bar."""
