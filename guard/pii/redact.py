"""Rewrite a text once: findings become placeholders, this exchange's placeholders originals again."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from guard.pii.mapping import Mapping, Span
from guard.pii.targets import OPAQUE, Targets, host_follows
from guard.types import Action, Decision

Edit = tuple[int, int, Decision]

_REDACT = Action.REDACT
_PLACE = itemgetter(0, 1)


def redact(text: str, decisions: Sequence[Decision], mapping: Mapping) -> str:
    """Replace every span whose redaction is enforced.

    Offsets refer to `text`. Placeholders are numbered from left to right; literals like `<EMAIL_1>` in the
    text are reserved first. Spans that overlap are cut, never replaced twice.
    """
    mapping.reserve(text)
    pieces, end = [], 0
    for start, stop, decision in _edits(text, decisions, []):
        pieces.append(text[end:start])
        pieces.append(_placeholder(text, start, stop, decision, mapping))
        end = stop
    pieces.append(text[end:])
    return "".join(pieces)


class Answer(NamedTuple):
    """What became of a provider's text: what leaves, what the judge may see, and what came back.

    `restored`: placeholders replaced by originals; `withheld`: those that stayed, since they stood in a URL, an
    image or a tool's arguments. `seen`: the restorable ones that stood in the text. `mangled`: what looks like one
    of this exchange's names and is none of its placeholders.
    """

    released: str
    judged: str
    restored: int = 0
    withheld: int = 0
    seen: frozenset[str] = frozenset()
    mangled: int = 0


def answer(
    text: str,
    decisions: Sequence[Decision],
    mapping: Mapping,
    *,
    targets: Targets | None = None,
    restoring: bool = True,
    judging: bool = True,
) -> Answer:
    """Redact findings and restore this exchange's placeholders, in one pass over the provider's text.

    `judged`: the same with placeholders left as they are and every original of the exchange taken out
    again, for the moderation service.
    A placeholder is never a finding: what a finding covers beyond it is redacted, the placeholder is not.
    `targets` has followed the text so far, where this is not its beginning; without `restoring` nothing comes back,
    without `judging` nothing is said for the judge.
    """
    if not decisions and not mapping.in_play:
        if targets is not None:
            targets.feed(text)
        return Answer(text, text)
    absent = mapping.absent(text)
    held = [] if absent else mapping.spans(text)
    if not decisions and not held:
        if targets is not None:
            targets.feed(text)
        judged_text = mapping.redact_originals(text) if judging else ""
        return Answer(text, judged_text, mangled=0 if absent else mapping.mangled(text, held))
    edits = _edits(text, decisions, held)
    follow = Targets() if targets is None else targets
    released, judged, restored, withheld, end = [], [], 0, 0, 0
    for start, stop, mark in _in_order(edits, held):
        between = text[end:start]
        released.append(between)
        follow.feed(between)
        judged.append(mapping.redact_originals(between) if judging else "")
        shown = placeholder = text[start:stop]
        if isinstance(mark, Decision):
            shown = placeholder = _placeholder(text, start, stop, mark, mapping)
        elif mark in mapping.restorable:
            if restoring and not host_follows(text, stop) and not follow.inside:
                shown = mapping.restorable[mark]
                restored += 1
            else:
                withheld += 1
        released.append(shown)
        follow.feed(OPAQUE if shown is placeholder else shown)
        judged.append(placeholder if judging else "")
        end = stop
    rest = text[end:]
    follow.feed(rest)
    return Answer(
        "".join([*released, rest]),
        "".join([*judged, mapping.redact_originals(rest)]) if judging else "",
        restored,
        withheld,
        frozenset(mark for _, _, mark in held if mark in mapping.restorable),
        mapping.mangled(text, held),
    )


def for_judge(text: str, decisions: Sequence[Decision], mapping: Mapping) -> str:
    """Take out of a provider's text what must not reach the judge: new values are named, not numbered (`<EMAIL>`).

    Numbers are given when a text leaves (`answer`); this makes none. Placeholders of the exchange stay.
    """
    held = mapping.spans(text)
    pieces, end = [], 0
    for start, stop, mark in _in_order(_edits(text, decisions, held), held):
        piece = text[start:stop]
        shown = mapping.noticed(mark.finding.kind, piece) if isinstance(mark, Decision) else piece
        pieces += [mapping.redact_originals(text[end:start]), shown]
        end = stop
    return "".join([*pieces, mapping.redact_originals(text[end:])])


def _placeholder(text: str, start: int, stop: int, decision: Decision, mapping: Mapping) -> str:
    return mapping.placeholder(decision.finding.kind, text[start:stop], decision.redaction)


def _in_order(edits: list[Edit], held: list[Span]) -> list[tuple[int, int, Decision | str]]:
    return sorted([*edits, *held], key=lambda mark: mark[:2])


def _edits(text: str, decisions: Sequence[Decision], held: list[Span]) -> list[Edit]:
    spans: list[Edit] = []
    for decision in decisions:
        if decision.enforced is _REDACT:
            finding = decision.finding
            spans.append((finding.start, finding.end, decision))
    spans.sort(key=_PLACE)
    edits: list[Edit] = []
    end, length = 0, len(text)
    for edit in spans:
        start, stop, decision = edit
        if not held and end <= start < stop <= length:  # as nearly all are
            edits.append(edit)
            end = stop
            continue
        for left, right in _outside(max(start, end), min(stop, length), held):
            if _says_something(text[left:right], left == start and right == stop):
                edits.append((left, right, decision))
        end = max(end, stop)
    return edits


def _outside(start: int, stop: int, held: list[Span]) -> Iterator[tuple[int, int]]:
    first = bisect.bisect_right(held, start, key=lambda span: span[1])
    while first < len(held) and held[first][0] < stop:
        held_start, held_stop, _ = held[first]
        first += 1
        if start < held_start:
            yield start, held_start
        start = held_stop
    if start < stop:
        yield start, stop


def _says_something(piece: str, whole: bool) -> bool:
    # The brackets and blanks that a finding leaves beside a placeholder are nobody's data.
    return whole or any(character.isalnum() for character in piece)
