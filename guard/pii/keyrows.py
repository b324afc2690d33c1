"""How the rows of provider keys are written: a fixed beginning, then so many characters of an alphabet."""

from __future__ import annotations

import re

from guard.pii.rows import Edge, Road, Row

B64 = "[A-Za-z0-9_-]"
B64STD = "[A-Za-z0-9+/]"
AN = "[A-Za-z0-9]"
LOWER = "[a-z0-9]"
UPPER = "[A-Z0-9]"
HEX = "[0-9a-f]"
UUID = f"{HEX}{{8}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{12}}"

_COUNTED = 12
_REPEAT = re.compile(r"\{(\d+)(?:,(\d+))?\}")
_AROUND = re.compile(r"\(\?<?![^()]*\)")
_ASSIGNED = r"""["'`)\]]{0,2}[ \t]{0,3}(?:=|:|:=|=>|>)[ \t]{0,3}["'`]?"""


def _gate(core: str) -> str:
    """A pattern that lets through what the core does, in few states: long repeats count to a dozen only."""
    return _REPEAT.sub(_loosened, _AROUND.sub("", core))


def _loosened(match: re.Match[str]) -> str:
    least, most = int(match.group(1)), int(match.group(2) or match.group(1))
    return match.group() if most <= 2 * _COUNTED else f"{{{min(least, _COUNTED)},}}"


def key(
    kind: str,
    core: str,
    longest: int,
    *,
    check: str = "key",
    road: Road = Road.LITERAL,
    edge: Edge = Edge.WORD,
    score: float = 0.95,
) -> Row:
    """A row for keys of a shape of their own; `longest` in characters."""
    name, gate = f"secret.{kind}", _gate(core)
    return Row(name, core, road, score, score, check=check, edge=edge, longest=longest, gate=gate)


def inside(kind: str, core: str, anchor: str, longest: int, check: str = "key") -> Row:
    """A row for keys whose mark (`anchor`, for the gate) stands inside or at the end, between edges of words."""
    core = rf"(?<![A-Za-z0-9])(?:{core})(?![A-Za-z0-9])"
    return Row(
        f"secret.{kind}",
        core,
        Road.WHOLE,
        0.95,
        0.95,
        check=check,
        edge=Edge.FREE,
        longest=longest,
        gate=anchor,
    )


def begun(kind: str, beginnings: str, alphabet: str, least: int, most: int = 0, check: str = "key") -> Row:
    """A row for keys that begin with one of some words and go on for `least` to `most` characters."""
    words = beginnings.split()
    start = "|".join(re.escape(word) for word in words)
    core = (start if len(words) == 1 else f"(?:{start})") + f"{alphabet}{{{least},{most or least}}}"
    return key(kind, core, max(map(len, words)) + (most or least), check=check)


def said(kind: str, names: str, value: str, longest: int, *, bare: bool = False, score: float = 0.85) -> Row:
    """A row for keys without a shape: a value assigned to a name that holds the provider's name.

    The name ends in a word such as key or token, unless `bare`.
    """
    word = "" if bare else r"[A-Za-z_ .-]{0,16}(?:key|token|secret|password|credential|auth|pat)s?(?:_?id)?"
    core = rf"(?i:(?:{names}){word}){_ASSIGNED}(?P<value>{value})"
    return key(kind, core, longest, check="random_key", road=Road.WHOLE, score=score)
