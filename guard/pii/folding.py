"""How each code point is folded to one ASCII byte: the rules behind `folds.py`, which is made by this module.

`python -m guard.pii.folding > guard/pii/folds.py` writes the table anew (Unicode data of the running Python).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

DELETED = "\x00"
"""Marks a code point that leaves no trace in the projection (invisible, bidi, combining)."""

OTHER = "\x1a"
"""What every code point without a fold becomes: Hanzi, emoji, and the scripts that write without ASCII."""

_FIXED = {
    "\u0085": "\n",
    "\u2028": "\n",
    "\u2029": "\n",
    "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0": DELETED,
    "\u2800": " ",
    "−ー－ｰ⁃": "-",
    "。｡·•・･‧∙⋅۔": ".",
    "⁄∕⧸": "/",
    "°˚": "*",
    "‘’‚‛′": "'",
    "“”„‟«»″「」『』": '"',
    "、，": ",",
    "【〔": "[",
    "】〕": "]",
    "《〈": "<",
    "》〉": ">",
    "øɵ": "o",
    "Ø": "O",
    "đɖð": "d",
    "ĐÐ": "D",
    "ł": "l",
    "Ł": "L",
    "ßſ": "s",
    "æɑ": "a",
    "Æ": "A",
    "œ": "o",
    "Œ": "O",
    "ı": "i",
    "þ": "p",
    "Þ": "P",
    "ħ": "h",
    "Ħ": "H",
    "ŋ": "n",
    "Ŋ": "N",
    "ɡ": "g",
}
"""Folds that no Unicode property gives: a star for the sign of degrees, dashes, stops and quotes for the ASCII sign,
letters with a stroke."""

_LOOKALIKES = (
    ("АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЁІЇЄЅЈҐЎ", "ABBTDEXZNNKJMHOPPCTYOXUYWWBBBEOREIIESJTY"),
    ("абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєѕјґўһԁԛԝӏ", "abbrgexznnkjmhonpctyoxuywwbbbeoreiiesjtyhdqwl"),
    ("ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ", "ABTDEZHOIKLMNXONPSTYOXWW"),
    ("αβγδεζηθικλμνξοπρσςτυφχψωϲϳ", "abydeznoiklmvxonpsstuoxwwcj"),
)
"""Cyrillic and Greek letters: the ASCII letter each looks like, else one that keeps it a letter (UTS #39, by eye)."""

_COMBINING = (
    (0x300, 0x36F), (0x483, 0x489), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F)
)  # fmt: skip
_SELECTORS = ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF), (0xE0000, 0xE007F))


def _fixed() -> dict[str, str]:
    folds = {char: target for chars, target in _FIXED.items() for char in chars}
    for sources, targets in _LOOKALIKES:
        folds.update(zip(sources, targets, strict=True))
    return folds


_BY_CHAR = _fixed()


def _within(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(low <= code <= high for low, high in ranges)


def _base(char: str) -> str:
    """The letter under the accents, where the rest of the decomposition is combining marks only."""
    parts = unicodedata.normalize("NFKD", char)
    return parts[0] if all(unicodedata.combining(mark) for mark in parts[1:]) else OTHER


def fold(char: str) -> str:
    """The ASCII character that stands for a code point, `OTHER`, or `DELETED`."""
    if char.isascii():
        return char
    if char in _BY_CHAR:
        return _BY_CHAR[char]
    category = unicodedata.category(char)
    if category in ("Cf", "Cc") or _within(ord(char), _COMBINING + _SELECTORS):
        return DELETED
    if category == "Zs":
        return " "
    if category == "Pd":
        return "-"
    digit = unicodedata.digit(char, None)
    if digit is not None:
        return str(digit)
    base = _base(char)
    return _BY_CHAR.get(base, base if base.isascii() else OTHER)


def runs() -> Iterator[tuple[int, str]]:
    """Every stretch of neighbouring code points with a fold, as (first code point, targets)."""
    start, targets = 0, ""
    for code in range(0x80, 0x110000):
        target = fold(chr(code)) if not 0xD800 <= code <= 0xDFFF else OTHER
        if target != OTHER:
            start, targets = start if targets else code, targets + target
        elif targets:
            yield start, targets
            targets = ""
    if targets:
        yield start, targets


def _literal(targets: str) -> str:
    if len(set(targets)) == 1 and len(targets) > 3:
        return f"{_quoted(targets[0])} * {len(targets)}"
    return _quoted(targets)


def _quoted(text: str) -> str:
    body = text
    for char, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\x00", "\\x00"), ("\t", "\\t")):
        body = body.replace(char, escape)
    return f'"{body}"'


def source() -> str:
    """The text of `folds.py`."""
    version = unicodedata.unidata_version
    lines = [
        "# ruff: noqa: E501",
        f'"""Stretches of code points and their folds, made by guard.pii.folding (Unicode {version})."""',
        "",
        "RUNS: tuple[tuple[int, str], ...] = (",
    ]
    for start, targets in runs():
        if len(set(targets)) == 1:
            lines.append(f"    (0x{start:X}, {_literal(targets)}),")
            continue
        for at in range(0, len(targets), 64):
            lines.append(f"    (0x{start + at:X}, {_quoted(targets[at : at + 64])}),")
    return "\n".join([*lines, ")", ""])


if __name__ == "__main__":
    print(source(), end="")
