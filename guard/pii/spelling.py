"""Characters that are spelled out: entities, percent codes, escapes, `(at)` and `dot`, Chinese numerals.

Each spelling is a *unit* of bounded length that stands for one character; codes of one width in a row are read as one
unit, and numerals stand one for one. Whether a stretch is a unit depends on what stands in it, on one character before
it, and on the host name after an `at`; so a piece of a text has the units of the whole.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from html.entities import html5
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from guard.pii.splice import Unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONGEST = 24
"""The longest unit in characters of the projection: a code point of four bytes, percent-encoded twice."""

NUMERALS = "〇零一二三四五六七八九幺壹贰叁肆伍陆柒捌玖貳參陸㊀㊁㊂㊃㊄㊅㊆㊇㊈㈠㈡㈢㈣㈤㈥㈦㈧㈨"
DIGITS = "001234567891123456789236123456789123456789"
"""Chinese numerals, those of cheques, of lists and the spoken one (幺) too, and the digits they stand for.

No 两, which counts and does not spell.
"""

FIRST_NUMERAL = 0x80
"""The byte that stands for a numeral zero in the raw form of a projection."""

_HEX = "[0-9A-Fa-f]"
_ENTITY = (
    rf"(?:amp;)?(?:#0{{0,4}}[1-9][0-9]{{1,6}};?|#[xX]0{{0,4}}[1-9A-Fa-f]{_HEX}{{1,5}};?|[A-Za-z]{{2,10}};)"
)
_NEXT = rf"%(?:25)?[89ABab]{_HEX}"
_PERCENT = (
    rf"(?:(?:25){{0,2}}(?:0[9AaDd]|[2-7]{_HEX})|(?:25)?[CcDd]{_HEX}{_NEXT}"
    rf"|(?:25)?[Ee]{_HEX}(?:{_NEXT}){{2}}|(?:25)?[Ff][0-4](?:{_NEXT}){{3}})"
)
_ESCAPE = (
    rf"\\{{0,3}}(?:u[Dd][89ABab]{_HEX}{{2}}\\{{1,4}}u[Dd][C-Fc-f]{_HEX}{{2}}|u{_HEX}{{4}}|u\{{{_HEX}{{1,6}}\}}"
    rf"|U{_HEX}{{8}}|x[0-7]{_HEX}|[\"'nrt])"
)
"""What follows the sign of each family: `&`, `%`, a backslash."""

_QUOTED = rb"=(?:[0-9A-F]{2}(?:=[0-9A-F]{2})+|3D|2[BDE]|5F|(?<=[A-Za-z0-9]=)40(?=[A-Za-z]))"
_AT, _STOP = r"(?:[Aa][Tt]|@)", r"(?:[Dd][Oo][Tt]|\.)"

HINT = (
    rf"&{_ENTITY}|%{_PERCENT}|\\(?:[uU]\{{?{_HEX}|x[0-7]|[\"'nrt])|=(?:3D|40|2[BDE]|5F)|=[0-9A-F]{{2}}=[0-9A-F]{{2}}"
    rf"|(?i: dot  ?[a-z0-9])|[\[({{<] ?(?:{_AT}|{_STOP}) ?[\])}}>]"
)
"""What a text with a unit contains, numerals excepted, for the gate (RE2)."""

_LABEL = r"[A-Za-z0-9][A-Za-z0-9-]{0,62}+"
_DOT = rf"(?: {{1,2}}[Dd][Oo][Tt] {{1,2}}+| {{0,2}}+[\[({{<] ?{_STOP} ?[\])}}>] {{0,2}}+)"
_ARTICLE = r"(?!(?i:the|an?|this|that|each|every|one|any|some|another|his|her|its|my|your|our|their) )"
_PROSE = (
    r"(?!(?i:in|is|it|to|no|me|my|be|us|as|am|at|so|do|by) {1,2}(?!(?i:dot) )[a-z])"  # domains that are words
)
_LONE = r"(?! {1,2}(?![ \[({<]|[Dd][Oo][Tt] ))"  # no host ends in one letter
_SPELLED_HOST = rf"(?=(?>{_LABEL}(?:\.{_LABEL}){{0,3}}+{_DOT})(?=[A-Za-z0-9]{_LONE}){_PROSE}){_ARTICLE}"
_BEHIND = r"(?<=[A-Za-z0-9_+-]"
_OPEN, _CLOSE = r"[\[({<]", r" ?[\])}>] {0,2}"
_WORDS = re.compile(  # so written, `re` skips to the first blank or bracket
    (
        rf"(?: {_BEHIND} ) ?+(?:(?:[Aa][Tt](?:(?= {{1,2}}{_SPELLED_HOST})())?+|[Dd][Oo][Tt]()) {{1,2}}+(?=[A-Za-z0-9])"
        rf"|{_OPEN} ?(?:({_AT})|({_STOP})){_CLOSE}(?=[A-Za-z0-9]))"
        rf"|{_OPEN}{_BEHIND}{_OPEN}) ?(?:({_AT})|({_STOP})){_CLOSE}(?=[A-Za-z0-9]))"
    ).encode("ascii")
)
_SAYS = ("", "@", ".", "@", ".", "@", ".")
"""What the groups of `_WORDS` stand for."""
_WORD_HINT = re.compile(rf"[Dd][Oo][Tt]|[\[({{<] ?(?:{_AT}|{_STOP}) ?[\])}}>]".encode("ascii"))
_AS_DIGITS = bytes(
    code - FIRST_NUMERAL + 0x30 if code >= FIRST_NUMERAL else code for code in range(0x8A)
) + bytes(0x76)
_BRACKETS = (b"[", b"(", b"{", b"<")
_MARKED = bytes(
    ord("9" if code >= FIRST_NUMERAL else "-" if chr(code) in " .-" else "a") for code in range(256)
)
_RUN_OF_NUMERALS = re.compile(rb"9(?=-?9)9*+(?:-9++)*+")  # the glance ahead passes over lone ones in one step


def units_in(text: bytes, raw: bytes | None) -> list[Unit]:
    """The units of a piece of a projection, in order; `raw` has numerals as 0x80 (zero) to 0x89."""
    found: list[list[Unit]] = []
    for sign, family in _FAMILIES:
        if text.find(sign) >= 0:
            found.append(_decoded(family, text))
    if text.find(b"=") >= 0:
        found.append(_quoted(text))
    if (b"dot" in text.lower() or any(text.find(sign) >= 0 for sign in _BRACKETS)) and _WORD_HINT.search(
        text
    ):
        found.append(_words(text))
    if raw is not None:
        found.append(list(numerals_in(raw)))
    if len(found) < 2:
        return found[0] if found else []
    return _apart(sorted(chain(*found)))


@lru_cache(maxsize=4096)
def doubtful(sign: int, read: str) -> bool:
    """Whether a unit that begins with a sign may be no disguise: what it reads as could hide or cut a value."""
    return read[:1].isalnum() or (sign in b"%=" and (read.isspace() or read in "\"'<>"))


def doubtful_in(sign: int, read: str) -> Iterator[tuple[int, int]]:
    """Where the codes of a run are doubtful, one beside the other as one stretch."""
    return (match.span() for match in (_DOUBTFUL if sign in b"%=" else _ALNUM).finditer(read))


_ALNUM = re.compile("[0-9A-Za-z]+")
_DOUBTFUL = re.compile("[0-9A-Za-z\\s\"'<>]+", re.ASCII)


def _apart(units: list[Unit]) -> list[Unit]:
    """The units without those that begin within another."""
    kept: list[Unit] = []
    reached = 0
    for unit in units:
        if unit[0] >= reached:
            kept.append(unit)
            reached = unit[1]
    return kept


def _decoded(family: _Family, text: bytes, low: int = 0, high: int = sys.maxsize) -> list[Unit]:
    """The codes of a family in a stretch, several of one width in a row as one unit."""
    found: list[Unit] = []
    read = family.read
    for match in family.pattern.finditer(text, low, high):
        if match.lastindex:
            start, end = match.span()
            several = family.read_run(match[0])
            found.append((start, end, several, (end - start) // len(several)))
        elif (char := read(match[0])) is not None:
            found.append((match.start(), match.end(), char, 0))
    return found


def _words(text: bytes) -> list[Unit]:
    """`at` and `dot`, in brackets or bare; a bare `at` only before a host name with a spelled dot."""
    return [
        (match.start(), match.end(), _SAYS[said], 0)
        for match in _WORDS.finditer(text)
        if (said := match.lastindex)
    ]


def count_together(raw: bytes) -> bool:
    """Whether numerals (0x80 to 0x89) stand together, as digits do."""
    return _RUN_OF_NUMERALS.search(raw.translate(_MARKED)) is not None


Pairs = tuple["NDArray[np.intp]", "NDArray[np.intp]"]
"""Where the first and where the second of each two numerals stand that stand together."""


def together(raw: bytes) -> Pairs:
    """The numerals that stand together, told all at once: of a long text in a quarter of the time."""
    import numpy as np

    codes = np.frombuffer(raw, dtype=np.uint8)
    places = (codes >= FIRST_NUMERAL).nonzero()[0]
    one, other = places[:-1], places[1:]
    near = other - one < 3
    one, other = one[near], other[near]
    beside = (other - one == 1) | (np.frombuffer(_MARKED, dtype=np.uint8)[codes[one + 1]] == ord("-"))
    return one[beside], other[beside]


def numerals_in(raw: bytes) -> Iterator[Unit]:
    """Numerals beside another one, at most one separator between: alone they count or begin a word."""
    digits = raw.translate(_AS_DIGITS).decode("latin-1")
    for match in _RUN_OF_NUMERALS.finditer(raw.translate(_MARKED)):
        start, end = match.span()
        yield start, end, digits[start:end], 1


def _quoted(text: bytes) -> list[Unit]:
    """Quoted-printable codes (RFC 2045, 6.7): several in a row, a sign that mailers encode, all around an @."""
    codes = text.replace(b"=", b"%")
    found: list[Unit] = []
    for start, end in _quoted_runs(text):
        if end - start == 3 and codes[start + 1] in b"234567":
            found.append((start, end, chr(int(codes[start + 1 : end], 16)), 0))
        else:
            found += _decoded(_PERCENT_CODES, codes, start, end)
    return _apart(sorted(found))


def _quoted_runs(text: bytes) -> Iterator[tuple[int, int]]:
    for match in _QUOTED_RUNS.finditer(text):
        yield match.span()
    if b"=40" in text:
        for token in _QUOTED_TOKEN.finditer(text):
            if _QUOTED_AT.search(token.group()):
                for match in _QUOTED_CODES.finditer(text, *token.span()):
                    yield match.span()


def _char(code: int) -> str | None:
    """One character by its number, where it is one that texts hold."""
    if code > 0x10FFFF or 0xD800 <= code < 0xE000 or (code < 0x20 and chr(code) not in "\t\r\n"):
        return None
    return chr(code)


@lru_cache(maxsize=4096)
def _entity(token: bytes) -> str | None:
    """What an HTML character reference stands for (HTML, 13.5), escaped once more or not."""
    name = token.decode("ascii").replace("&amp;", "&", 1)[1:]
    if name.startswith(("#x", "#X")):
        return _char(int(name[2:].rstrip(";"), 16))
    if name.startswith("#"):
        return _char(int(name[1:].rstrip(";")))
    return html5.get(name)


@lru_cache(maxsize=4096)
def _percent(token: bytes) -> str | None:
    """The character of a percent code (RFC 3986, 2.1), encoded up to three times."""
    codes = b"".join(part[-2:] for part in token.split(b"%")[1:])
    try:
        return bytes.fromhex(codes.decode("ascii")).decode("utf-8")
    except UnicodeDecodeError:
        return None


@lru_cache(maxsize=4096)
def _escape(token: bytes) -> str | None:
    """The character of an escape of JSON, JavaScript, C or Python, its backslash escaped again or not."""
    parts = [part for part in token.decode("ascii").split("\\") if part]
    if parts[0] in _SIGNS:
        return _SIGNS[parts[0]]
    codes = [int(part.strip("uUx{}"), 16) for part in parts]
    if len(codes) == 1:
        return _char(codes[0])
    return chr(0x10000 + ((codes[0] - 0xD800) << 10) + (codes[1] - 0xDC00))


_SIGNS = {'"': '"', "'": "'", "n": "\n", "r": "\r", "t": "\t"}
_QUOTED_RUNS = re.compile(_QUOTED)
_QUOTED_TOKEN = re.compile(rb"(?:[A-Za-z0-9._+-]|=[0-9A-F]{2})++")
_QUOTED_AT = re.compile(rb"[A-Za-z0-9]=40[A-Za-z=]")
_QUOTED_CODES = re.compile(rb"(?:=[0-9A-F]{2})+")


def _hex_read(digits: bytes) -> str:
    return bytes.fromhex(digits.decode("ascii")).decode("ascii")


def _entity_run(token: bytes) -> str:
    """What character references in a row stand for, all in decimal or all in hex."""
    numbers = token[2:-1].split(b";&#")
    if token[2] in b"xX":
        return _hex_read(b"".join(number[1:] for number in numbers))
    return bytes(map(int, numbers)).decode("ascii")


def _percent_run(token: bytes) -> str:
    """What percent codes in a row stand for, all encoded once or all twice."""
    return _hex_read(token.replace(b"%25", b"").replace(b"%", b""))


def _escape_run(token: bytes) -> str:
    """What escapes in a row stand for, all with four digits, all with two, or all signs."""
    if token[1] in b"ux":
        return _hex_read(token.replace(b"\\u00", b"").replace(b"\\x", b""))
    return token[1::2].translate(_SIGN_OF).decode("ascii")


_SIGN_OF = bytes.maketrans(b"nrt", b"\n\r\t")


class _Family(NamedTuple):
    """Codes that begin with one sign: their pattern, a group for each form of several in a row, how to read it."""

    pattern: re.Pattern[bytes]
    read: Callable[[bytes], str | None]
    read_run: Callable[[bytes], str]


def _family(
    sign: str,
    one: str,
    runs: Sequence[str],
    read: Callable[[bytes], str | None],
    read_run: Callable[[bytes], str],
) -> _Family:
    """A family of codes by what follows its sign: in one code, in each of several of one width in a row."""
    first = re.escape(sign)
    several = "|".join(f"({code}(?:{first}{code}){{{_SHORTEST_RUN - 1},}}+)" for code in runs)
    pattern = re.compile(f"{first}(?:{several}|{one})".encode("ascii"))  # the sign apart: `re` skips to it
    return _Family(pattern, read, read_run)


_SHORTEST_RUN = 4
_ASCII = rf"[2-7]{_HEX}"
_ONCE = f"(?:0[9AaDd]|{_ASCII})"
_PERCENT_CODES = _family("%", _PERCENT, (f"(?!25){_ONCE}", f"25(?!25){_ONCE}"), _percent, _percent_run)
_REFERENCES = _family(
    "&",
    _ENTITY,
    ("#(?:3[2-9]|[4-9][0-9]);", "#1(?:[01][0-9]|2[0-7]);", f"#[xX]{_ASCII};"),
    _entity,
    _entity_run,
)
_ESCAPES = _family("\\", _ESCAPE, (f"u00{_ASCII}", f"x{_ASCII}", "[\"'nrt]"), _escape, _escape_run)
_FAMILIES = ((b"&", _REFERENCES), (b"%", _PERCENT_CODES), (b"\\", _ESCAPES))
