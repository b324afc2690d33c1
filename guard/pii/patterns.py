"""What a pattern can match, told from its text: characters, shapes, runs, ends."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from functools import cache
from itertools import chain

_LOOK = re.compile(r"\(\?<?[=!]")
_SAME = re.compile(r"\(\?P=\w+\)")
_ANYTHING, _NOTHING = r"[^\n]", r"\A"
_PERHAPS = ("?", "*", "{0")
_NEVER = r"[^\x00-\xff]"
_TOKEN = re.compile(r"\(\?(?:P<\w+>|[a-z]*:)|\{[0-9,]+\}|\\x[0-9A-Fa-f]{2}|\\.|\[\^?(?:\\.|[^\]\\])+\]|.")
_REPEAT = re.compile(r"\{(\d+)[\d,]*\}|[?*]")
_VERBATIM = re.compile(r"\(.*|\{.+\}|\\[bB]|[)|?*+^$]")
_SHAPE = bytes(
    ord("9" if chr(code).isdigit() else "a" if chr(code).isalpha() else chr(code)) if code < 128 else code
    for code in range(256)
)


def shape_of(text: bytes) -> bytes:
    """A text with every digit as 9 and every letter as a."""
    return text.translate(_SHAPE)


def shape_pattern(pattern: str) -> str:
    """What a pattern asks of the shape of a text.

    An automaton that tells digits or letters apart learns anew from every number; there are few shapes.
    """
    return "".join(map(_shape_token, _TOKEN.findall(pattern)))


@cache
def _shape_token(token: str) -> str:
    """One character or class of a pattern by the shapes of what it matches; what matches no character stays."""
    members = _members(token)
    shapes = set(members.translate(_SHAPE))
    return _class_of(shapes) if members and not shapes.issubset(members) else token


def without_digits(pattern: str) -> str:
    """What a pattern asks of a text without digits."""
    return "".join(map(_token_without_digits, _TOKEN.findall(pattern)))


@cache
def _token_without_digits(token: str) -> str:
    members = _members(token)
    rest = members.translate(None, b"0123456789")
    return token if len(rest) == len(members) else _class_of(rest)


@cache
def _members(token: str) -> bytes:
    """The characters that one part of a pattern stands for: none for brackets, repeats and edges."""
    if _VERBATIM.fullmatch(token):
        return b""
    one = re.compile(token.encode("ascii"), re.DOTALL)
    return bytes(code for code in range(256) if one.fullmatch(bytes([code])))


def _class_of(members: Iterable[int]) -> str:
    return "[" + "".join(rf"\x{code:02x}" for code in sorted(members)) + "]" if members else _NEVER


def least_run(pattern: str, alphabet: Container[int]) -> int:
    """The characters of an alphabet that stand in a row in every match of a pattern, at least.

    What stands in brackets counts for none: it may be left out, or be one of several.
    """
    least = run = depth = 0
    counts = False
    for token in _TOKEN.findall(pattern):
        repeat = _REPEAT.fullmatch(token)
        if repeat:
            run += counts * (int(repeat[1] or 0) - 1)
            continue
        least = max(least, run)
        if token[0] == "(" or token == ")":
            depth += 1 if token[0] == "(" else -1
            counts, run = False, 0
        elif depth == 0 and token == "|":
            return 0
        elif depth == 0 and token != "+":
            members = _members(token)
            counts = bool(members) and all(member in alphabet for member in members)
            run = run + 1 if counts else 0
    return max(least, run)


def characters(pattern: str) -> frozenset[int]:
    """All characters that a match of a pattern can hold."""
    return frozenset(chain.from_iterable(map(_members, _TOKEN.findall(_LOOK.sub("(?:", pattern)))))


def endings(pattern: str) -> set[int | None]:
    """The characters that a match of a pattern can end with; None where it can be empty."""
    # What is only looked at is nothing, and what is to stand again may be anything.
    plain = _LOOK.sub(lambda _: f"{_NOTHING}(?:", _SAME.sub(lambda _: _ANYTHING, pattern))
    return _ends(_TOKEN.findall(plain)[::-1])


def _ends(tokens: list[str]) -> set[int | None]:
    """The same of a part of a pattern up to the bracket that closes it, its tokens taken from the end of the list."""
    found: set[int | None] = set()
    ends: set[int | None] = {None}
    while tokens and (token := tokens.pop()) != ")":
        if token == "|":
            found, ends = found | ends, {None}
            continue
        if token == _NOTHING:
            tokens.pop()
            _ends(tokens)
            continue
        last: set[int | None] = _ends(tokens) if token[0] == "(" else {*_members(token)}
        while tokens and (tokens[-1] == "+" or _REPEAT.fullmatch(tokens[-1])):
            if tokens.pop()[:2] in _PERHAPS:
                last.add(None)
        ends = last - {None} | ends if None in last else last
    return found | ends
