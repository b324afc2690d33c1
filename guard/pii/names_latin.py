"""Names in Latin letters: chains, their features, the tagger, and what is certain beyond it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from guard.pii.chains import Chain, Word, chains
from guard.pii.cues import NAME_HOLDERS, NAME_PARTS
from guard.pii.gates import gate_of
from guard.pii.lexicon import BIG, NAMING, ORG, PERSONAL, PROPER, STREET, lexicon
from guard.pii.surroundings import TITLES
from guard.pii.tagger import Tagged, tagger
from guard.pii.traits import traits

Named = tuple[str, int, int, float]
"""Kind, start and end in the text, score."""

KINDS = {"PER": "pii.person", "LOC": "pii.place", "ORG": "pii.org"}

LEAN = 0.6
"""What is taken from O before the best path is sought (log odds a token): recall weighs more than precision."""

CUED = 0.85
"""The score of a name after a title, a label or "my name is": what a wildcard rule acts on."""

UNSURE = 0.49
"""The highest score of what only the tagger says."""

FAINT = 0.2
"""The lowest score: of places, and of organisations that bear nobody's name. They end below the least of people."""

_LOW = 0.35
_REACH, _TITLE_REACH = 40, 14
_TITLE_BEFORE = re.compile(r"(?<![^\W_])([A-Za-zñ]{2,10})\.? {1,2}\Z")
_TITLE_ENDS = tuple(sorted(TITLES))
_SET = r"(?:\\?[\"'])?[ \t]{0,3}(?:[:>]|=>?)"
_NAMED_BEFORE = re.compile(
    rf"(?i)(?<![^\W_])(?:(?:my|his|her|{NAME_PARTS}|{NAME_HOLDERS}|account ?holder|cardholder|user|nick)"
    rf"[ _-]?(?:name|surname)s?(?:['’]s| is| was|{_SET})?|(?:sur|full|first|last|nick)name(?: is|{_SET})"
    rf"|(?:card|account)[ _-]?holder{_SET}"
    r"|(?<![a-z] )(?<![a-z][_-])names?[:\t])[ \t]{0,3}\\?[\"'(*]{0,2}\Z"
)
_ABSTRACT = re.compile(r"(?:tion|sion|ness|ment|ance|ence|ism|ics|ity|ité|ities|ology|ware|ability)s?\Z")
_ANOTHER = re.compile(r"(?<![^\W_])[^\W\d_]{2,}")
_SYLLABLE = re.compile(r"-(?!(?:like|era|led|run|born|made|type|free|style)(?![a-z]))[a-z]{2,5}(?![\w-])")
"""The second syllable of a given name as Korean and Taiwanese names are romanised (Park Min-jun)."""
_NEXT = re.compile(r"[ ,\"'’()–—-]{1,4}([^\W\d_]{2,})")


@cache
def _cued() -> Callable[[bytes], object]:
    """What tells whether a text holds what a cue has: a title, "name" or "holder"."""
    titles = "|".join(sorted(TITLES)).replace("ñ", r"\xf1")
    no_letter = r"[^A-Za-z\xc0-\xff]"
    found: Callable[[bytes], object] = gate_of(
        [f"(?i:name|holder|(?:^|{no_letter})(?:{titles})(?:$|{no_letter}))"]
    ).Match
    return found


def may_be_sure(text: str) -> bool:
    """Whether anything in a text could make a name in Latin letters certain, at a glance."""
    return bool(_cued()(text.encode("latin-1", "replace")))


def find_latin(text: str, sure: bool = False) -> list[Named]:
    """The names in Latin letters in a text, in order; only those that a cue makes certain where `sure`."""
    found: list[Named] = []
    if sure and not may_be_sure(text):
        return found
    read = chains(text, lexicon())
    if sure:
        read = [chain for chain in read if _cue(text, chain[0].start) or any(w.role == "cued" for w in chain)]
    if not read:
        return found
    model = tagger("names_latin")
    for chain in read:
        rows = [model.score(*told) for told in traits(text, chain)]
        found += _settled(text, chain, model.tag(rows, LEAN))
    return found


def _settled(text: str, chain: Chain, stretches: list[Tagged]) -> list[Named]:
    """What becomes of a chain's labelled stretches; what a title leads is a name whatever the tagger says."""
    found = []
    if not (stretches and stretches[0].first == 0) and _titled_at(text, chain[0].start):
        words = _titled(chain, stretches[0].first if stretches else len(chain))
        if words:
            found.append((KINDS["PER"], words[0].start, words[-1].end, CUED))
    for tagged in stretches:
        found += _judged(text, chain, tagged)
    return found


def _titled(chain: Chain, end: int) -> Chain:
    """The words of a name that a title leads."""
    words: Chain = []
    for word in chain[:end]:
        if word.role == "number" or len(words) == 4:
            break
        words.append(word)
    return words


def _judged(text: str, chain: Chain, tagged: Tagged) -> list[Named]:
    """What becomes of one labelled stretch."""
    words = chain[tagged.first : tagged.last]
    while words and words[-1].role == "number":
        words = words[:-1]
    if not words or (tagged.label == "PER" and words[0].role == "number"):
        return []
    start, end = words[0].start, words[-1].end
    if tagged.label == "PER" and len(words) > 1 and (syllable := _SYLLABLE.match(text, end)):
        end = syllable.end()
    cue = _cue(text, start)
    if cue == "title" or (cue and tagged.label == "PER"):
        return [(KINDS["PER"], start, end, CUED)]
    label = _relabelled(tagged.label, words)
    if _is_nobodys(text, words, label):
        return []
    faint = label == "LOC" or (label == "ORG" and not any(_bears(word) for word in words))
    return [(KINDS[label], start, end, score_of(tagged.surety, faint))]


def _bears(word: Word) -> bool:
    """Whether a word of an organisation's name is somebody's name, and nothing else."""
    return bool(word.bits & PERSONAL) and not word.bits & ~PERSONAL


def _relabelled(label: str, words: Chain) -> str:
    """The label of a lone word by what the lexicon knows of it: a country is a place, a bare surname a person."""
    if len(words) > 1:
        return label
    bits = words[0].bits
    if label == "PER" and bits & BIG:
        return "LOC"
    return "PER" if label == "ORG" and bits & PERSONAL and not bits & (ORG | STREET | PROPER) else label


def _cue(text: str, start: int) -> str:
    """What stands directly before a name: `title`, `label`, or nothing of either."""
    if _titled_at(text, start):
        return "title"
    before = text[max(0, start - _REACH) : start]
    low = before.lower()
    return "label" if ("name" in low or "holder" in low) and _NAMED_BEFORE.search(before) else ""


def _titled_at(text: str, start: int) -> bool:
    """Whether a title stands directly before a name."""
    before = text[max(0, start - _TITLE_REACH) : start]
    if not before.endswith(" ") or not before.rstrip(" .").lower().endswith(_TITLE_ENDS):
        return False
    title = _TITLE_BEFORE.search(before)
    return (
        title is not None
        and title.group(1).lower() in TITLES
        and (title.group(1)[0].isupper() or not text[start].isupper())
    )


def _is_nobodys(text: str, words: Chain, label: str) -> bool:
    """Whether a stretch is of plain words only, an abstract noun, or one word in capitals amid small letters."""
    if label == "PER" and all(word.bits and not word.bits & NAMING for word in words):
        return True
    if label == "ORG" and len(words) == 1 and words[0].bits & ORG:
        return True
    if len(words) > 1 or (label == "PER" and not words[0].bits and _ABSTRACT.search(words[0].low)):
        return len(words) == 1
    if not words[0].text.isupper() or len(words[0].text) < 2:
        return False
    return _amid_small(text, words[0])


def _amid_small(text: str, word: Word) -> bool:
    """Whether a word beside this one is not in capitals."""
    before = _ANOTHER.finditer(text, max(0, word.start - 24), word.start)
    if any(not match.group().isupper() for match in before):
        return True
    after = _NEXT.match(text, word.end)
    return after is not None and not after.group(1).isupper()


def score_of(surety: float, faint: bool = False) -> float:
    """A score below what a wildcard rule acts on, rising with what the tagger says; `faint`: it tells of nobody."""
    low, high = (FAINT, _LOW - 0.01) if faint else (_LOW, UNSURE)
    return round(low + (high - low) * surety, 2)
