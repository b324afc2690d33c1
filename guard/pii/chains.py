"""Chains: the stretches of a Latin text that may hold names, found at a glance and joined to what belongs to them.

Most words of prose are passed over by one look into a set. What remains are words that a list of names holds, and
unknown words with a capital; each is joined to its neighbours (initials, particles, capital words, numbers). A chain
and what its features look at are bounded by the text around it, so that pieces of a text give the chains of the whole.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from functools import cache
from itertools import filterfalse, repeat
from typing import NamedTuple

from guard.pii.lexicon import BUCKET, CUES, FIRST, FUNCTION, NAMING, PERSONAL, PROPER, Lexicon
from guard.pii.surroundings import ABBREVIATED, PARTICLES, TITLES

_LETTERS = "".join(chr(code) if chr(code).isalpha() else " " for code in range(128))
_LATIN = re.compile(r"[A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ\u0300-\u036f]+")
_NO_LATIN = bytes(set(range(256)) - {*range(0xC3, 0xCA), 0xCC, 0xCD, 0xE1})
"""The bytes of UTF-8 that begin no Latin letter outside ASCII and no accent."""
_RIGHT = re.compile(r"([ \-'’.,&]{1,3})([^\W_]+)")
_INITIAL = re.compile(r"(?<![^\W_])[A-Z](?:\. ?| |['’])\Z")
_PARTICLE = re.compile(r"(?<![^\W_])([A-Za-z]{1,6})(?: |-|['’])\Z")
_NUMBER = re.compile(r"(?<![^\W_])(?<![.,:-])([0-9]{1,5}[A-Za-z]?),? \Z")
_CUED = re.compile(r"(?:\.|'s|’s| is|:|=)? ?[\"'(*:=]{0,2} ?([^\W\d_]+)")
_GLUED = frozenset("_@/\\#$%~+*")
_JOINS = frozenset((" ", "-", "'", "’"))
_REACHED = re.compile(r"(?:['’]s)?[ ,\"'’()–—-]{0,4}(?:[^\W_]{1,40}[ ,\"'’()–—-]{0,4}[^\W_]{0,40})?")
_LEADING_ENDS = (" ", ".", "-", "'", "’")
_CAPITAL = re.compile(r"[ '’-](?:[a-z]{1,4}[ '’-]){0,2}[^\W\d_]")
_LEAD = rf"(?:[A-Z]|[0-9]{{1,5}}[A-Za-z]?,?|(?i:{'|'.join(sorted(PARTICLES))}))"
_PENDING = re.compile(rf"(?<![^\W_]){_LEAD}(?:[ .'’-]{{1,2}}{_LEAD}){{0,4}}(?:[ .'’-]{{1,2}}[^\W_]*)?\Z")

_LONG = 4096
"""From this length on a text is looked through by a table; before, asking numpy at all costs more than a set."""

_UNCOMMON = 7  # after every bucket: of words that want one place in the table, the more common has it
_RARE = 5  # the bucket from which a plain word written small may be a name


class Word(NamedTuple):
    """One token of a chain: where it stands, what it is, and the bits of the lexicon."""

    start: int
    end: int
    text: str
    low: str
    bits: int
    role: str
    """`name` (a candidate), `cued` (by its cue), `initial`, `particle`, `number`, `capital` (another capital word)."""


Chain = list[Word]


def candidates(text: str, lexicon: Lexicon) -> list[Word]:
    """The words that may be part of a name, in order."""
    plain = text if text.isascii() else _plain(text)
    if lexicon.table is not None and len(text) >= _LONG and plain:
        return _chosen(text, lexicon.table.standing_out(plain), lexicon)
    words = plain.translate(_LETTERS).split() if plain else _LATIN.findall(text)
    left = list(filterfalse(lexicon.skip.__contains__, words))
    return _chosen(text, zip(left, repeat(-1)), lexicon) if left else []


def _plain(text: str) -> str:
    """A text with a sign for each character outside ASCII; nothing where a Latin letter may be among these."""
    if text.encode("utf-8", "surrogatepass").translate(None, _NO_LATIN):
        return ""
    return text.encode("ascii", "replace").decode("ascii")


def prepare(lexicon: Lexicon) -> None:
    """Make the table that finds the words of long texts, once: for those who read more than one text."""
    from guard.pii.wordtable import LONGEST, WordTable

    if lexicon.table is not None:
        return
    words = dict.fromkeys(string.ascii_lowercase, 0) | lexicon.words
    known = {
        word: bits
        for word, bits in words.items()
        if len(word) <= LONGEST and word.isascii() and word.isalpha()
    }
    marks = bytes(_mark(bits, min(len(word), 4), word in CUES) for word, bits in known.items())
    lexicon.table = WordTable(list(known), marks, [bits >> BUCKET or _UNCOMMON for bits in known.values()])


@cache
def _mark(bits: int, size: int, cue: bool) -> int:
    """Written how a word may be a name or lead to one, by its bits and how many letters it has, up to four."""
    from guard.pii.wordtable import CAPITAL, SMALL

    if cue or size < 2:
        return SMALL | CAPITAL if cue else 0
    small, capital = "x" * size, "X" + "x" * (size - 1)
    return SMALL * _may_name(small, small, bits) | CAPITAL * _may_name(capital, small, bits)


def _chosen(text: str, words: Iterable[tuple[str, int]], lexicon: Lexicon) -> list[Word]:
    """Those of some words of a text, in order, that may be names; only they are looked for where a place is -1."""
    found: list[Word] = []
    at, cued = 0, -1
    for word, place in words:
        low = word.lower()
        bits = lexicon.of(low)
        cue = low in CUES
        if not cue and (len(word) < 2 or not _may_name(word, low, bits)):
            continue
        start = _place(text, word, at) if place < 0 else place
        at = start + len(word)
        if cue:
            cued = _after_cue(text, low, at)
            if cued >= 0 and (forced := _forced(text, cued, lexicon)):
                found.append(forced)
        elif start != cued and _stands_free(text, start, at, word[0] == low[0]):
            found.append(Word(start, at, word, low, bits, "name"))
    return found


def _place(text: str, word: str, at: int) -> int:
    """Where a word stands next that is no part of a longer one."""
    start = text.find(word, at)
    while _goes_on(text, start - 1) or _goes_on(text, start + len(word)):
        start = text.find(word, start + 1)
    return start


def _goes_on(text: str, place: int) -> bool:
    """Whether a Latin letter stands at a place."""
    if not 0 <= place < len(text):
        return False
    char = text[place]
    return char.isalpha() if char.isascii() else _LATIN.match(char) is not None


def _may_name(word: str, low: str, bits: int) -> bool:
    """Whether a word may be part of a name by its letters and the lexicon alone."""
    if word == low:
        if 0 < bits >> BUCKET < _RARE or bits & (PROPER | FUNCTION):
            return False
        return bool(bits & PERSONAL) and len(word) > (2 if bits & FIRST else 3)
    if word[0] == low[0]:
        return False
    if bits & NAMING:
        return not bits & FUNCTION
    return not bits and word[1:].islower() and len(word) > 2


def _stands_free(text: str, start: int, end: int, small: bool) -> bool:
    """Whether a word is no part of an identifier, a path, an address, a number."""
    before = text[start - 1] if start else " "
    after = text[end] if end < len(text) else " "
    if before == "@":
        return not small and (start < 2 or not text[start - 2].isalnum()) and after not in _GLUED
    if (
        before in _GLUED
        or (after in _GLUED and after != "\\")
        or before.isdigit()
        or after.isdigit()
        or after == "("
    ):
        return False
    if before == "." and start > 1 and text[start - 2].isalnum():
        return not small and (start < 3 or not text[start - 3].isalnum())
    if after == "." and (_goes_on(text, end + 1) or "0" <= text[end + 1 : end + 2] <= "9"):
        return False
    return not (small and (before in ".-=" or after in "-="))


def _after_cue(text: str, cue: str, end: int) -> int:
    """Where the word after a cue begins, -1 where there is none."""
    match = _CUED.match(text, end)
    if match is None or (cue in ("name", "names") and match.start(1) == end + 1 and text[end] == " "):
        return -1
    return match.start(1)


def _forced(text: str, start: int, lexicon: Lexicon) -> Word | None:
    """The word after a cue as a candidate, whatever its case, unless it is plain."""
    match = _LATIN.match(text, start)
    if match is None or len(match.group()) < 2:
        return None
    word = match.group()
    low = word.lower()
    if low in CUES or low in TITLES:
        return None
    bits = lexicon.of(low)
    plain = bits >> BUCKET and (word == low or not bits & NAMING)
    if plain or bits & FUNCTION or not _stands_free(text, start, match.end(), False):
        return None
    return Word(start, match.end(), word, low, bits, "cued")


def chains(text: str, lexicon: Lexicon) -> list[Chain]:
    """The candidates joined to their neighbours, in order; no two overlap."""
    words = candidates(text, lexicon)
    found: list[Chain] = []
    index, end = 0, 0
    while index < len(words):
        chain, index = _joined(text, words, index, lexicon)
        chain[:0] = _before(text, chain[0].start, end, lexicon)
        end = chain[-1].end
        found.append(chain)
    return found


def _joined(text: str, words: list[Word], index: int, lexicon: Lexicon) -> tuple[Chain, int]:
    """The chain that begins with a candidate, and the number of the next candidate."""
    chain = [words[index]]
    index += 1
    while match := _RIGHT.match(text, chain[-1].end):
        following = words[index] if index < len(words) and words[index].start == match.start(2) else None
        word = _next(text, chain[-1], match, following, lexicon)
        if word is None:
            break
        chain.append(word)
        index += word is following
    while chain[-1].role in ("particle",):
        chain.pop()
    return chain, index


def _next(
    text: str, last: Word, match: re.Match[str], following: Word | None, lexicon: Lexicon
) -> Word | None:
    """The next token of a chain, where it belongs to it."""
    gap, word = match.groups()
    if gap in (". ", "."):
        if last.role != "initial" and last.low not in ABBREVIATED:
            return None
    elif gap == ", " or gap == " & ":
        return following
    elif gap not in _JOINS:
        return None
    if following is not None:
        return following
    if gap in "'’" and word in ("s", "S", "t", "ll", "re", "ve", "d", "m"):
        return None
    return _neighbour(text, last, match.start(2), word, lexicon)


def _neighbour(text: str, last: Word, start: int, word: str, lexicon: Lexicon) -> Word | None:
    """A neighbour of a candidate that is none itself: an initial, a particle, a capital word, a number."""
    low, end = word.lower(), start + len(word)
    if len(word) == 1 and "A" <= word <= "Z":
        return Word(start, end, word, low, 0, "initial")
    if word[0].isdigit():
        return Word(start, end, word, low, 0, "number") if len(word) < 7 and last.role != "number" else None
    if low in PARTICLES and _capital_after(text, end):
        return Word(start, end, word, low, lexicon.of(low), "particle")
    if (
        last.role in ("particle", "initial", "name", "cued", "number")
        and word[0].isupper()
        and word.isalpha()
    ):
        return Word(start, end, word, low, lexicon.of(low), "capital")
    if last.role == "cued" or (last.role == "name" and last.text == last.low):
        return _small(start, end, word, low, lexicon)
    return None


def _small(start: int, end: int, word: str, low: str, lexicon: Lexicon) -> Word | None:
    """A surname written small after a first name written small."""
    bits = lexicon.of(low)
    if (
        word == low
        and word.isalpha()
        and len(word) > 2
        and not bits >> BUCKET
        and not bits & (PROPER | FUNCTION)
    ):
        return Word(start, end, word, low, bits, "name" if bits & PERSONAL else "capital")
    return None


def _capital_after(text: str, end: int) -> bool:
    match = _CAPITAL.match(text, end)
    return match is not None and match.group()[-1].isupper()


def _before(text: str, start: int, limit: int, lexicon: Lexicon) -> Chain:
    """The initials and particles, or the number, that lead a chain."""
    found: Chain = []
    if not _may_lead(text[max(limit, start - 10) : start]):
        return found
    for _ in range(5):
        low = max(limit, start - 10)
        match = _INITIAL.search(text, low, start)
        role = "initial"
        if match is None:
            match = _PARTICLE.search(text, low, start)
            role = "particle"
            if match is not None and match.group(1).lower() not in PARTICLES:
                match = None
        if match is None and not found:
            match = _NUMBER.search(text, low, start)
            role = "number"
        if match is None:
            break
        word = re.match(r"[^\W_]+", match.group())
        begin = match.start()
        text_of = word.group() if word else ""
        found.insert(0, Word(begin, begin + len(text_of), text_of, text_of.lower(), 0, role))
        start = begin
        if role == "number":
            break
    return found


def _may_lead(before: str) -> bool:
    """Whether what stands before a chain may lead it: it ends as a lead does, and not with a plain word and a blank."""
    if not before.endswith(_LEADING_ENDS):
        return False
    word = before[:-1].rpartition(" ")[2].rstrip(".,")
    return len(word) < 2 or not word.isalpha() or word.lower() in PARTICLES


def holds(text: str, lexicon: Lexicon, final: bool) -> tuple[list[tuple[int, int]], int]:
    """The stretches inside which no cut may be (chains, and what their features look at), and how far that is known."""
    stretches, settled = [], len(text)
    for chain in chains(text, lexicon):
        end = chain[-1].end
        reach = _reach(text, end)
        stretches.append((chain[0].start, reach + 1))
        if end == len(text):
            settled = min(settled, chain[max(0, len(chain) - 4)].start)
        elif reach == len(text):
            settled = min(settled, end)
    if final:
        return stretches, len(text)
    tail = _PENDING.search(text, max(0, len(text) - 80))
    return stretches, min(settled, tail.start()) if tail else settled


def _reach(text: str, end: int) -> int:
    match = _REACHED.match(text, end)
    return match.end() if match else end
