"""What the tagger is told about each token of a chain: its letters, its bits, its neighbours, the words around."""

from __future__ import annotations

import re

from guard.pii.chains import Chain, Word
from guard.pii.lexicon import BUCKET, NAMING, ORG, STREET
from guard.pii.surroundings import CLASS

LOOKBACK = 48
"""Characters before a chain within which the words before it are looked for."""

_WORDS = re.compile(r"[^\W_]+")
_AFTER = re.compile(r"(['’]s)?([ ,\"'’()–—-]{0,4})([^\W_]{1,40})?(?:([ ,\"'’()–—-]{0,4})([^\W_]{1,40}))?")
_LOWEST = 1 << BUCKET


def traits(text: str, chain: Chain) -> list[list[str]]:
    """The features of each token of a chain."""
    own = [_own(word) for word in chain]
    before, after = _before(text, chain[0].start), _after(text, chain[-1].end)
    common = _common(chain)
    last = len(chain) - 1
    found = []
    for place, word in enumerate(chain):
        features = own[place] + common
        features += _within(text, chain, place)
        if place < 2:
            features += before if place == 0 else ["1" + feature for feature in before[:4]]
        if place > last - 2:
            features += after if place == last else ["1" + feature for feature in after[:4]]
        if place == 0:
            features += (f"{before[0]}|{_kind(word)}", f"{before[3]}|{_kind(word)}")
        if place == last:
            features += (f"{after[0]}|{_kind(word)}",)
        found.append(features)
    return found


def _shape(word: Word) -> str:
    text = word.text
    if word.role in ("number", "initial", "particle"):
        return word.role[0] + ("A" if text[0].isupper() else "a")
    if text == word.low:
        return "aa"
    if text.isupper():
        return "AA"
    return "Aa" if text[1:].islower() else "AaA"


def _kind(word: Word) -> str:
    return f"{_shape(word)}{word.bits & (_LOWEST - 1)}"


def _own(word: Word) -> list[str]:
    low, bits = word.low, word.bits
    shape, bucket = _shape(word), bits >> BUCKET
    found = [
        f"s{shape}", f"b{bits & (_LOWEST - 1)}", f"k{bucket}", f"y{bits}{shape}",
        f"3{low[-3:]}", f"2{low[-2:]}", f"4{low[:3]}",
    ]  # fmt: skip
    if bucket:
        found.append(f"w{low}")
    if low in CLASS:
        found.append(f"c{CLASS[low]}")
    return found


def _common(chain: Chain) -> list[str]:
    """What holds for every token of a chain: its length, and what kinds of word it has."""
    bits = 0
    for word in chain:
        bits |= word.bits
    found = [f"n{min(len(chain), 5)}"]
    if bits & ORG:
        found.append("O")
    if bits & STREET:
        found.append("S")
    if any(word.role == "number" for word in chain):
        found.append("D")
    if not bits & NAMING:
        found.append("U")
    return found


def _within(text: str, chain: Chain, place: int) -> list[str]:
    """The neighbours of a token inside its chain."""
    found = [f"p{min(place, 3)}", f"q{min(len(chain) - 1 - place, 3)}"]
    if place:
        other = chain[place - 1]
        found += _beside("<", other, text[other.end : chain[place].start], chain[place])
    if place + 1 < len(chain):
        other = chain[place + 1]
        found += _beside(">", other, text[chain[place].end : other.start], chain[place])
        if other.bits & ORG:
            found.append("O>")
        if other.bits & STREET:
            found.append("S>")
    return found


def _beside(side: str, other: Word, gap: str, word: Word) -> tuple[str, ...]:
    """A neighbour by its kind, the sign between, its shape, and itself where it is a plain word."""
    itself = f"w{other.low}|{word.bits}" if other.bits >= _LOWEST else "w"
    return f"{side}{_kind(other)}", f"{side}g{gap}", f"{side}s{_shape(other)}{gap}", f"{side}{itself}"


def _case(word: str) -> str:
    if word.isupper():
        return "A"
    return "Aa" if word[0].isupper() else "a" if word.isalpha() else "9"


def _gap(gap: str) -> str:
    """The kind of what stands between a chain and a word: the sign that says most."""
    if "\n" in gap:
        return "n"
    for sign in ":.!?;,(\"'@=>-|*#[/":
        if sign in gap:
            return sign
    return "_" if gap else "0"


def _before(text: str, start: int) -> list[str]:
    """The two words before a chain: as they are, by class, by their ends, with the sign between."""
    low = max(0, start - LOOKBACK)
    words = list(_WORDS.finditer(text, low, start))
    if words and low and words[0].start() == low:
        words.pop(0)
    if not words:
        gap = _gap(text[low:start]) if low or start else "^"
        return [f"P^{gap}", "P^", "G^" + gap, "P^"]
    last = words[-1]
    gap = _gap(text[last.end() : start])
    word = last.group()
    small = word.lower()[:20]
    kind = CLASS.get(small, "")
    found = [
        f"P{kind}{gap}", f"P={small}{gap}", f"G{gap}", f"P3{small[-3:]}{gap}", f"P2{small[-2:]}",
        f"PC{_case(word)}{gap}", f"P{small}",
    ]  # fmt: skip
    if len(words) > 1:
        other = words[-2].group().lower()[:20]
        between = _gap(text[words[-2].end() : last.start()])
        found += (f"Q{other}", f"Q{CLASS.get(other, '')}|{kind}{between}{gap}", f"Q{other}|{small}")
    elif low == 0:
        found.append("Q^")
    return found


def _after(text: str, end: int) -> list[str]:
    """The two words after a chain, up to the end of its sentence, clause or line."""
    match = _AFTER.match(text, end)
    possessive, gap, word, _, second = match.groups() if match else (None,) * 5
    if word is None:
        sign = text[match.end() : match.end() + 1] if match else ""
        gap = _gap((gap or "") + sign) if sign else "$"
        return [f"N{gap}", f"N'{gap}" if possessive else "N", f"H{gap}", f"N={gap}"]
    gap = _gap(gap or "")
    small = word.lower()[:20]
    kind = CLASS.get(small, "")
    mark = "'" if possessive else ""
    found = [
        f"N{kind}{gap}{mark}", f"N={small}{gap}", f"H{gap}{mark}", f"N3{small[-3:]}{gap}", f"N2{small[-2:]}",
        f"NC{_case(word)}{gap}", f"N{small}",
    ]  # fmt: skip
    if second is not None:
        other = second.lower()[:20]
        found += (f"M{other}", f"M{kind}|{CLASS.get(other, '')}")
    return found
