"""What the tagger is told about each token of a chain: its letters, its bits, its neighbours, the words around."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from guard.pii.chains import Chain, Word
from guard.pii.lexicon import BUCKET, NAMING, ORG, STREET
from guard.pii.surroundings import CLASS

LOOKBACK = 48
"""Characters before a chain within which the words before it are looked for."""

_LONGEST = 20
"""What is told of a word around a chain: so much of it as makes it known."""

_BACKWARDS = re.compile(r"([\W_]*)([^\W_]+)(?:([\W_]+)([^\W_]+))?")
_AFTER = re.compile(r"(['’]s)?([ ,\"'’()–—-]{0,4})([^\W_]{1,40})?(?:([ ,\"'’()–—-]{0,4})([^\W_]{1,40}))?")
_LOWEST = 1 << BUCKET
_LONE = ("p0", "q0")
_KEPT = 4096

Features = tuple[str, ...]
"""Features of a token that come of one cause and come again: what the tagger makes of them is worth keeping."""

Traits = tuple[list[Features], list[str]]
"""What is told of a token: groups of features, and features that seldom come again."""


class _Own(NamedTuple):
    """What a token says by itself: its shape, shape and bits as one, its features, all of them where it is alone."""

    shape: str
    kind: str
    features: Features
    alone: Features


def traits(text: str, chain: Chain) -> list[Traits]:
    """What is told of each token of a chain."""
    own = [_own(word) for word in chain]
    (before, earlier), (after, later) = _before(text, chain[0].start), _after(text, chain[-1].end)
    last = len(chain) - 1
    common = _common(chain) if last else ()
    found: list[Traits] = []
    for place, (_, kind, features, alone) in enumerate(own):
        groups: list[Features] = []
        rare: list[str] = []
        if chain[place].bits:
            groups.append(features if last else alone)
        else:
            rare += features if last else alone
        if last:
            groups += (common, (f"p{min(place, 3)}", f"q{min(last - place, 3)}"))
            rare += _within(text, chain, own, place)
        if place < 2:
            groups.append(_next_to(before[:4]) if place else before)
        if place > last - 2:
            groups.append(after if place == last else _next_to(after[:4]))
        if place == 0:
            rare += (*earlier, f"{before[0]}|{kind}", f"{before[3]}|{kind}")
        if place == last:
            rare += (*later, f"{after[0]}|{kind}")
        found.append((groups, rare))
    return found


@lru_cache(maxsize=_KEPT)
def _next_to(features: Features) -> Features:
    """What stands beside a chain, as it is told of the token that is one away."""
    return tuple("1" + feature for feature in features)


def _shape(text: str, low: str, role: str) -> str:
    if role in ("number", "initial", "particle"):
        return role[0] + ("A" if text[0].isupper() else "a")
    if text == low:
        return "aa"
    if text.isupper():
        return "AA"
    return "Aa" if text[1:].islower() else "AaA"


def _own(word: Word) -> _Own:
    """What a token says by itself; kept of the lexicon's own words, which are short and come again."""
    told = _known if word.bits and word.text.isascii() else _told
    return told(word.text, word.low, word.bits, word.role)


def _told(text: str, low: str, bits: int, role: str) -> _Own:
    shape, bucket = _shape(text, low, role), bits >> BUCKET
    kind = f"{shape}{bits & (_LOWEST - 1)}"
    found = [
        f"s{shape}", f"b{bits & (_LOWEST - 1)}", f"k{bucket}", f"y{bits}{shape}",
        f"3{low[-3:]}", f"2{low[-2:]}", f"4{low[:3]}",
    ]  # fmt: skip
    if bucket:
        found.append(f"w{low}")
    if low in CLASS:
        found.append(f"c{CLASS[low]}")
    lone = _holding(1, bits & (ORG | STREET | NAMING), role == "number")
    return _Own(shape, kind, tuple(found), (*found, *lone, *_LONE))


_known = lru_cache(maxsize=_KEPT)(_told)


def _common(chain: Chain) -> Features:
    """What holds for every token of a chain: its length, and what kinds of word it has."""
    bits = 0
    for word in chain:
        bits |= word.bits
    return _holding(
        min(len(chain), 5), bits & (ORG | STREET | NAMING), any(w.role == "number" for w in chain)
    )


@lru_cache(maxsize=_KEPT)
def _holding(size: int, bits: int, number: bool) -> Features:
    marks = (("O", bits & ORG), ("S", bits & STREET), ("D", number), ("U", not bits & NAMING))
    return f"n{size}", *(mark for mark, holds in marks if holds)


def _within(text: str, chain: Chain, own: list[_Own], place: int) -> list[str]:
    """The neighbours of a token inside its chain."""
    found: list[str] = []
    word = chain[place]
    if place:
        other = chain[place - 1]
        found += _beside("<", other, own[place - 1], text[other.end : word.start], word)
    if place + 1 < len(chain):
        other = chain[place + 1]
        found += _beside(">", other, own[place + 1], text[word.end : other.start], word)
        if other.bits & ORG:
            found.append("O>")
        if other.bits & STREET:
            found.append("S>")
    return found


def _beside(side: str, other: Word, own: _Own, gap: str, word: Word) -> Features:
    """A neighbour by its kind, the sign between, its shape, and itself where it is a plain word."""
    itself = f"w{other.low}|{word.bits}" if other.bits >= _LOWEST else "w"
    return f"{side}{own.kind}", f"{side}g{gap}", f"{side}s{own.shape}{gap}", f"{side}{itself}"


def _case(word: str) -> str:
    if word.isupper():
        return "A"
    return "Aa" if word[0].isupper() else "a" if word.isalpha() else "9"


def _gap(gap: str) -> str:
    """The kind of what stands between a chain and a word: the sign that says most."""
    if gap == " ":
        return "_"
    if "\n" in gap:
        return "n"
    for sign in ":.!?;,(\"'@=>-|*#[/":
        if sign in gap:
            return sign
    return "_" if gap else "0"


def _before(text: str, start: int) -> tuple[Features, list[str]]:
    """The two words before a chain: as they are, by class, by their ends, with the sign between."""
    low = max(0, start - LOOKBACK)
    window = text[low:start][::-1]
    match = _BACKWARDS.match(window)
    cut = len(window) if low else -1  # a word that reaches the window's edge is none that is seen whole
    if match is None or match.end(2) == cut:
        gap = _gap(window) if start else "^"
        return (f"P^{gap}", "P^", "G^" + gap, "P^"), []
    gap, word, between, second = match.groups()
    gap, word = _gap(gap), word[::-1]
    small = word.lower()[:_LONGEST]
    rare: list[str] = []
    if second is not None and match.end() != cut:
        other = second[::-1].lower()[:_LONGEST]
        kinds = f"{CLASS.get(other, '')}|{CLASS.get(small, '')}"
        rare += (f"Q{other}", f"Q{kinds}{_gap(between)}{gap}", f"Q{other}|{small}")
    elif low == 0:
        rare.append("Q^")
    return _preceding(small, _case(word), gap), rare


@lru_cache(maxsize=_KEPT)
def _preceding(small: str, case: str, gap: str) -> Features:
    return (
        f"P{CLASS.get(small, '')}{gap}", f"P={small}{gap}", f"G{gap}", f"P3{small[-3:]}{gap}", f"P2{small[-2:]}",
        f"PC{case}{gap}", f"P{small}",
    )  # fmt: skip


def _after(text: str, end: int) -> tuple[Features, list[str]]:
    """The two words after a chain, up to the end of its sentence, clause or line."""
    match = _AFTER.match(text, end)
    possessive, gap, word, _, second = match.groups() if match else (None,) * 5
    if word is None:
        sign = text[match.end() : match.end() + 1] if match else ""
        gap = _gap((gap or "") + sign) if sign else "$"
        return (f"N{gap}", f"N'{gap}" if possessive else "N", f"H{gap}", f"N={gap}"), []
    small = word.lower()[:_LONGEST]
    rare: list[str] = []
    if second is not None:
        other = second.lower()[:_LONGEST]
        rare += (f"M{other}", f"M{CLASS.get(small, '')}|{CLASS.get(other, '')}")
    return _following(small, _case(word), _gap(gap or ""), "'" if possessive else ""), rare


@lru_cache(maxsize=_KEPT)
def _following(small: str, case: str, gap: str, mark: str) -> Features:
    return (
        f"N{CLASS.get(small, '')}{gap}{mark}", f"N={small}{gap}", f"H{gap}{mark}", f"N3{small[-3:]}{gap}",
        f"N2{small[-2:]}", f"NC{case}{gap}", f"N{small}",
    )  # fmt: skip
