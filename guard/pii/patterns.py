"""What a pattern can match, told from its text: characters, shapes, runs, ends."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

_LOOK = re.compile(r"\(\?<?[=!]")
_UNSEEN = "(?x:"
_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_ALL = bytes(range(256))
_NEVER = r"[^\x00-\xff]"
_TOKEN = re.compile(r"\(\?(?:P<\w+>|[a-z]*:)|\{[0-9,]+\}|\\x[0-9A-Fa-f]{2}|\\.|\[\^?(?:\\.|[^\]\\])+\]|.")
_SYNTAX = re.compile(rf"\(\?P=\w+\)|{_TOKEN.pattern}")
_REPEAT = re.compile(r"\{[\d,]+\}|[?*]")
_LONG_REPEAT = re.compile(r"\{(\d+),\d{3,}\}")
_EDGES = frozenset({r"\b", r"\A", r"\z", "^", "$"})
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


def endless(pattern: str) -> str:
    """A pattern whose long repeats have no end: an automaton counts up to no end that is a hundred or more away."""
    return _LONG_REPEAT.sub(r"{\1,}", pattern)


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
    return b"".join(re.findall(token.encode("ascii"), _ALL, re.DOTALL))


def _class_of(members: Iterable[int]) -> str:
    return "[" + "".join(rf"\x{code:02x}" for code in sorted(members)) + "]" if members else _NEVER


class _Run(NamedTuple):
    """How many characters of an alphabet every match of a part begins with, ends with and has in a row, at least.

    Where a match is `only` such characters, they are as many as it begins with.
    """

    begin: int
    end: int
    run: int
    only: bool


_NONE, _NO_TEXT = _Run(0, 0, 0, False), _Run(0, 0, 0, True)


def least_run(pattern: str, alphabet: frozenset[int]) -> int:
    """The characters of an alphabet that stand in a row in every match of a pattern of `re` or RE2, at least.

    Of what is unknown none are counted.
    """
    return _any_of(_SYNTAX.findall(_LOOK.sub(_UNSEEN, pattern))[::-1], alphabet).run


def _any_of(tokens: list[str], alphabet: frozenset[int]) -> _Run:
    """The same of a part up to the bracket that closes it: the tokens are taken from the end of the list."""
    options = [_NO_TEXT]
    while tokens and (token := tokens.pop()) != ")":
        if token == "|":
            options.append(_NO_TEXT)
            continue
        part = _any_of(tokens, alphabet) if token[0] == "(" and token[-1] != ")" else _run(token, alphabet)
        while tokens and (tokens[-1] == "+" or _REPEAT.fullmatch(tokens[-1])):
            part = _times(part, tokens.pop())
        options[-1] = options[-1] if token == _UNSEEN else _then(options[-1], part)
    begin, end, run, only = zip(*options, strict=True)
    return _Run(min(begin), min(end), min(run), all(only))


def _run(token: str, alphabet: frozenset[int]) -> _Run:
    """The same of one character or class."""
    if token in _EDGES:
        return _NO_TEXT
    try:
        members = _members(token)
    except (re.error, UnicodeEncodeError):  # what RE2 alone reads, or is not in ASCII
        return _NONE
    return _Run(1, 1, 1, True) if members and alphabet.issuperset(members) else _NONE


def _then(one: _Run, other: _Run) -> _Run:
    """What a match of one part and then one of another have."""
    return _Run(
        one.begin + other.begin if one.only else one.begin,
        other.end + one.end if other.only else other.end,
        max(one.run, other.run, one.end + other.begin),
        one.only and other.only,
    )


def _times(part: _Run, times: str) -> _Run:
    """What a part has that is repeated so many times."""
    least = _least(times)
    if part.only or not least:
        return _Run(*(part.begin * least,) * 3, part.only)
    return _then(part, part) if least > 1 else part


def _least(times: str) -> int:
    return int(times.strip("{}").partition(",")[0] or 0) if times[0] == "{" else int(times == "+")


class Told(NamedTuple):
    """What matches of a pattern begin with, end with and hold, whether one may be empty, the most letters one holds."""

    begins: frozenset[int]
    ends: frozenset[int]
    holds: frozenset[int]
    empty: bool
    letters: float


_EMPTY = Told(frozenset(), frozenset(), frozenset(), True, 0)


def told(pattern: str) -> Told:
    """What the text of a pattern tells of its matches; rather more than there is of it than less."""
    tokens = _SYNTAX.findall(_LOOK.sub(_UNSEEN, pattern))
    return _alternatives(tokens[::-1], {})


def _alternatives(tokens: list[str], named: dict[str, Told]) -> Told:
    """The same of a part up to the bracket that closes it: the tokens are taken from the end of the list."""
    options, whole = [], _EMPTY
    while tokens and (token := tokens.pop()) != ")":
        if token == "|":
            options.append(whole)
            whole = _EMPTY
            continue
        part = named[token[4:-1]] if token.startswith("(?P=") else _one(token)
        if token[0] == "(" and token[-1] != ")":
            part = named[token[4:-1]] = _alternatives(tokens, named)
            part = _in_either_case(part) if token.startswith("(?i") else part
        while tokens and (tokens[-1] == "+" or _REPEAT.fullmatch(tokens[-1])):
            part = _repeated(part, tokens.pop())
        whole = whole if token == _UNSEEN else _followed(whole, part)
    if not options:
        return whole
    begins, ends, holds, empty, letters = zip(*options, whole, strict=True)
    return Told(
        _EMPTY.begins.union(*begins),
        _EMPTY.ends.union(*ends),
        _EMPTY.holds.union(*holds),
        any(empty),
        max(letters),
    )


def _in_either_case(part: Told) -> Told:
    begins, ends, holds = (_EMPTY.holds.union(*map(_cases, some)) for some in part[:3])
    return part._replace(begins=begins, ends=ends, holds=holds)


def _cases(code: int) -> bytes:
    return bytes([code]).lower() + bytes([code]).upper()


@cache
def _one(token: str) -> Told:
    members = frozenset(_members(token))
    return Told(members, members, members, False, int(not members.isdisjoint(_LETTERS)))


def _followed(one: Told, other: Told) -> Told:
    begins = one.begins | other.begins if one.empty else one.begins
    ends = one.ends | other.ends if other.empty else other.ends
    return Told(begins, ends, one.holds | other.holds, one.empty and other.empty, one.letters + other.letters)


def _repeated(part: Told, times: str) -> Told:
    most = times.strip("{}").rpartition(",")[2] if times[0] == "{" else "1" * (times == "?")
    letters = part.letters * (int(most) if most else math.inf) if part.letters else 0
    return part._replace(empty=part.empty or not _least(times), letters=letters)


def loosened(pattern: str) -> str | None:
    """A pattern of RE2 that matches wherever one of `re` does, from the same place on; None where there is none.

    What it looks at around a match is left out, and that it gives nothing back. A match is as short as can be. What
    stands before a value may be there many times (`skipping_repeats`).
    """
    head, value = _head_of(pattern)
    pattern = f"(?:{head})+{value}" if head else pattern
    if "(?P=" in pattern or "(?>" in pattern:
        return None
    parts: list[str] = []
    tokens = _SYNTAX.findall(_LOOK.sub(_UNSEEN, pattern))[::-1]
    while tokens:
        token = tokens.pop()
        if token == _UNSEEN:
            _any_of(tokens, frozenset())  # up to the bracket that closes it
        elif token == "+" or _REPEAT.fullmatch(token):
            parts.append(endless(token) + "?")
            if tokens and tokens[-1] in ("?", "+"):
                tokens.pop()
        else:
            parts.append(_loose(token))
    return "".join(parts)


def skipping_repeats(pattern: str) -> str:
    """A pattern of `re` that takes what stands before its value in one step where that is written many times in a row.

    Else each would be judged with what follows as its value, which is the next.
    """
    head, value = _head_of(pattern)
    return f"(?P<head>{head})(?P=head){{0,{_MOST_REPEATS}}}{value}" if head else pattern


_MOST_REPEATS = 64
"""So often, once more; then a value is looked for, be it the same again."""


def _head_of(pattern: str) -> tuple[str, str]:
    """What stands before the value of a pattern, if it can be told apart and looks around nowhere, and the rest."""
    head, named, value = pattern.partition("(?P<value>")
    if _LOOK.search(head) or not (named and _is_whole(head) and _is_whole(named + value)):
        return "", pattern
    return head, named + value


def _is_whole(part: str) -> bool:
    """Whether a part of a pattern closes its brackets and is not one of two alternatives."""
    depth = 0
    for token in _SYNTAX.findall(part):
        depth += (token[0] == "(" and token[-1] != ")") - (token == ")")
        if depth < 0 or (not depth and token == "|"):
            return False
    return not depth


def _loose(token: str) -> str:
    members = _members(token)
    return "(?:" if token.startswith("(?P<") else _class_of(members) if members else token
