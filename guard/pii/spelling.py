"""Characters that are spelled out: entities, percent codes, escapes, `(at)` and `dot`, Chinese numerals.

Each spelling is a *unit* of bounded length that stands for one character; numerals stand one for one. Whether a
stretch is a unit depends on what stands in it, on one character before it, and on the host name after an `at`; so a
piece of a text has the units of the whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from html.entities import html5

from guard.pii.splice import Unit

LONGEST = 24
"""The longest unit in characters of the projection: a code point of four bytes, percent-encoded twice."""

NUMERALS = "〇零一二三四五六七八九"
DIGITS = "00123456789"
"""Chinese numerals and the digits they stand for (no 两, which counts and does not spell)."""

FIRST_NUMERAL = 0x80
"""The byte that stands for a numeral zero in the raw form of a projection."""

_HEX = "[0-9A-Fa-f]"
_ENTITY = (
    rf"&(?:amp;)?(?:#0{{0,4}}[1-9][0-9]{{1,6}};?|#[xX]0{{0,4}}[1-9A-Fa-f]{_HEX}{{1,5}};?|[A-Za-z]{{2,10}};)"
)
_NEXT = rf"%(?:25)?[89ABab]{_HEX}"
_PERCENT = (
    rf"(?:%(?:25){{0,2}}(?:0[9AaDd]|[2-7]{_HEX})|%(?:25)?[CcDd]{_HEX}{_NEXT}"
    rf"|%(?:25)?[Ee]{_HEX}(?:{_NEXT}){{2}}|%(?:25)?[Ff][0-4](?:{_NEXT}){{3}})"
)
_U4 = rf"\\{{1,4}}u{_HEX}{{4}}"
_ESCAPE = (
    rf"(?:\\{{1,4}}u[Dd][89ABab]{_HEX}{{2}}\\{{1,4}}u[Dd][C-Fc-f]{_HEX}{{2}}|{_U4}|\\{{1,4}}u\{{{_HEX}{{1,6}}\}}"
    rf"|\\{{1,4}}U{_HEX}{{8}}|\\{{1,4}}x[0-7]{_HEX}|\\{{1,4}}[\"'nrt])"
)
_QUOTED = rb"(?:=[0-9A-F]{2}){2,}|=(?:3D|2[BDE]|5F)|(?<=[A-Za-z0-9])=40(?=[A-Za-z])"
_AT, _STOP = r"(?:[Aa][Tt]|@)", r"(?:[Dd][Oo][Tt]|\.)"

HINT = (
    rf"{_ENTITY}|{_PERCENT}|\\(?:[uU]\{{?{_HEX}|x[0-7]|[\"'nrt])|=(?:3D|40|2[BDE]|5F)|=[0-9A-F]{{2}}=[0-9A-F]{{2}}"
    rf"|(?i: dot  ?[a-z0-9])|[\[({{<] ?(?:{_AT}|{_STOP}) ?[\])}}>]"
)
"""What a text with a unit contains, numerals excepted, for the gate (RE2)."""

_LABEL = r"[A-Za-z0-9][A-Za-z0-9-]{0,62}"
_DOT = rf"(?: {{1,2}}[Dd][Oo][Tt] {{1,2}}| {{0,2}}[\[({{<] ?{_STOP} ?[\])}}>] {{0,2}})"
_ARTICLE = r"(?!(?i:the|an?|this|that|each|every|one|any|some|another|his|her|its|my|your|our|their) )"
_PROSE = (
    r"(?!(?i:in|is|it|to|no|me|my|be|us|as|am|at|so|do|by) {1,2}(?!(?i:dot) )[a-z])"  # domains that are words
)
_SPELLED_HOST = re.compile(
    rf"{_ARTICLE}{_LABEL}(?:\.{_LABEL}){{0,3}}{_DOT}{_PROSE}[A-Za-z0-9]".encode("ascii")
)
_WORDS = re.compile(
    (
        rf"(?<=[A-Za-z0-9_+-])(?: {{1,2}}(?:(?P<at>[Aa][Tt])|(?P<dot>[Dd][Oo][Tt])) {{1,2}}"
        rf"| {{0,2}}[\[({{<] ?(?:(?P<AT>{_AT})|(?P<DOT>{_STOP})) ?[\])}}>] {{0,2}})(?=[A-Za-z0-9])"
    ).encode("ascii")
)
_WORD_HINT = re.compile(rf"[Dd][Oo][Tt]|[\[({{<] ?(?:{_AT}|{_STOP}) ?[\])}}>]".encode("ascii"))
_AS_DIGITS = bytes(
    code - FIRST_NUMERAL + 0x30 if code >= FIRST_NUMERAL else code for code in range(0x8A)
) + bytes(0x76)
_BRACKETS = (b"[", b"(", b"{", b"<")
_MARKED = bytes(
    ord("9" if code >= FIRST_NUMERAL else "-" if chr(code) in " .-" else "a") for code in range(256)
)
_RUN_OF_NUMERALS = re.compile(rb"9(?=-?9)(?:-?9)+")  # the glance ahead passes over lone ones in one step


def units_in(text: bytes, raw: bytes | None) -> list[Unit]:
    """The units of a piece of a projection, in order; `raw` has numerals as 0x80 (zero) to 0x89."""
    found: list[Unit] = []
    for sign, pattern, decode in _CODES:
        if text.find(sign) >= 0:
            found += _decoded(pattern, decode, text)
    if text.find(b"=") >= 0:
        found += _quoted(text)
    if (b"dot" in text.lower() or any(text.find(sign) >= 0 for sign in _BRACKETS)) and _WORD_HINT.search(
        text
    ):
        found += _words(text)
    if raw is not None:
        found += numerals_in(raw)
    return _apart(sorted(found))


@lru_cache(maxsize=4096)
def doubtful(sign: int, read: str) -> bool:
    """Whether a unit that begins with a sign may be no disguise: what it reads as could hide or cut a value."""
    return read[:1].isalnum() or (sign in b"%=" and (read.isspace() or read in "\"'<>"))


def _apart(units: list[Unit]) -> list[Unit]:
    """The units without those that begin within another."""
    kept: list[Unit] = []
    reached = 0
    for unit in units:
        if unit[0] >= reached:
            kept.append(unit)
            reached = unit[1]
    return kept


def _decoded(
    pattern: re.Pattern[bytes], decode: Callable[[bytes], str | None], text: bytes
) -> Iterator[Unit]:
    for match in pattern.finditer(text):
        read = decode(match[0])
        if read is not None:
            yield *match.span(), read


def _words(text: bytes) -> Iterator[Unit]:
    """`at` and `dot`, in brackets or bare; a bare `at` only before a host name with a spelled dot."""
    for match in _WORDS.finditer(text):
        word, (start, end) = match.lastgroup, match.span()
        if word != "at" or _SPELLED_HOST.match(text, end):
            yield start, end, "@" if word in ("at", "AT") else "."


def count_together(raw: bytes) -> bool:
    """Whether numerals (0x80 to 0x89) stand together, as digits do."""
    return _RUN_OF_NUMERALS.search(raw.translate(_MARKED)) is not None


def numerals_in(raw: bytes) -> Iterator[Unit]:
    """Numerals beside another one, at most one separator between: alone they count or begin a word."""
    for match in _RUN_OF_NUMERALS.finditer(raw.translate(_MARKED)):
        start, end = match.span()
        yield start, end, raw[start:end].translate(_AS_DIGITS).decode("ascii")


def _quoted(text: bytes) -> Iterator[Unit]:
    """Quoted-printable codes (RFC 2045, 6.7): several in a row, a sign that mailers encode, all around an @."""
    for match in _quoted_runs(text):
        low = match.start()
        for start, end, read in _decoded(_CODES[1][1], _percent, match.group().replace(b"=", b"%")):
            yield low + start, low + end, read


def _quoted_runs(text: bytes) -> Iterator[re.Match[bytes]]:
    yield from _QUOTED_RUNS.finditer(text)
    if b"=40" in text:
        for token in _QUOTED_TOKEN.finditer(text):
            if _QUOTED_AT.search(token.group()):
                yield from _QUOTED_CODES.finditer(text, *token.span())


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
_CODES = (
    (b"&", re.compile(_ENTITY.encode("ascii")), _entity),
    (b"%", re.compile(_PERCENT.encode("ascii")), _percent),
    (b"\\", re.compile(_ESCAPE.encode("ascii")), _escape),
)
