"""The placeholders of one exchange: which stand for what, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as ReadOnly
from copy import deepcopy
from types import MappingProxyType

from guard.keys import Keys
from guard.pii import fakes, sealing
from guard.pii.generalising import generalise
from guard.pii.literals import Literals
from guard.pii.partials import Partials
from guard.pii.placeholders import (
    REVERSIBLE,
    SLACK,
    TOKEN,
    hashed,
    masked,
    may_hold_tokens,
    name_of,
    names_in,
    token,
    token_key,
)
from guard.pii.targets import OPAQUE, Targets, host_follows
from guard.types import Redaction

_REDRAWS = 8
Span = tuple[int, int, str]


class Mapping:
    """One value has one placeholder, two values never share one, and only its own originals are restored.

    Tokens are numbered in one sequence a name, in the order of the calls; numbers that the caller typed as a
    literal (`reserve`) are left out. `year` is the present one, for `as: generalise`, whose results are no
    placeholders but text: many values may share one, and none comes back. Not for use by two threads at once.
    """

    def __init__(self, keys: Keys, *, locale: Sequence[str] = ("en_US", "zh_CN"), year: int = 0) -> None:
        self._keys = keys
        self._locale = tuple(locale)
        self._year = year
        self._by_value: dict[tuple[str, str, str], str] = {}
        self._original: dict[str, str] = {}
        self._restorable: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._names: set[str] = set()
        self._reserved: set[str] = set()
        self._originals = Literals()
        self._fixed = Literals()
        self._placeholder_of: dict[str, str] = {}
        self._fakes: set[str] = set()
        self._named: dict[str, str] = {}
        self._longest = 0

    def __repr__(self) -> str:
        return f"Mapping(placeholders={len(self._original)}, restorable={len(self._restorable)})"

    @property
    def restorable(self) -> ReadOnly[str, str]:
        """Placeholder to original, for those that a rule lets come back."""
        return MappingProxyType(self._restorable)

    @property
    def in_play(self) -> bool:
        """Whether any value has been replaced or noticed, so that a text could hold one or its placeholder."""
        return bool(self._original or self._named)

    @property
    def longest(self) -> int:
        """The most characters that a restorable placeholder can take in an answer, however it is spelled."""
        return self._longest

    def fork(self) -> Mapping:
        """A copy that goes its own way: what one makes from now on the other does not know."""
        return deepcopy(self, {id(self._keys): self._keys})

    def reserve(self, text: str) -> None:
        """Leave out of the numbering what a caller's text holds already: `<EMAIL_1>`, however spelled."""
        if may_hold_tokens(text):
            self._reserved.update(map(token_key, TOKEN.finditer(text)))

    def placeholder(self, kind: str, value: str, redaction: Redaction) -> str:
        """The placeholder of a value, made at its first appearance."""
        form = redaction.form
        if form == "generalise":
            general = generalise(kind, value, self._year)
            if general is not None:
                return self._general(value, general)
            form = "token"
        # A token says "the same thing again": one value has one, whatever kinds its mentions were found as.
        identity = form, "" if form == "token" else kind, value
        made = self._by_value.get(identity)
        if made is None:
            made = self._by_value[identity] = self._made(form, kind, value)
            self._original[made] = value
            self._originals.add(value)
            self._placeholder_of.setdefault(value, made)
        if redaction.restore and redaction.form in REVERSIBLE:
            self._restorable[made] = value
            reach = self._reach(form, made)
            if reach > self._longest:
                self._longest = reach
        return made

    def restore(self, text: str) -> str:
        """Put this exchange's originals back, in one pass over the text; never into the target of a link."""
        pieces, end, targets = [], 0, Targets()
        for start, stop, placeholder in self.spans(text):
            between, shown = text[end:start], text[start:stop]
            targets.feed(between)
            if placeholder in self._restorable and not host_follows(text, stop) and not targets.inside:
                shown = self._restorable[placeholder]
                targets.feed(shown)
            else:
                targets.feed(OPAQUE)
            pieces += [between, shown]
            end = stop
        return "".join([*pieces, text[end:]])

    def noticed(self, kind: str, value: str) -> str:
        """The name of a value that has no placeholder yet; from now on `redact_originals` takes it out too."""
        named = self._named.setdefault(value, f"<{name_of(kind)}>")
        self._originals.add(value)
        return named

    def redact_originals(self, text: str) -> str:
        """Put placeholders back where this exchange's originals stand in a text."""
        pieces, end = [], 0
        for start, stop, original in self._originals.spans(text):
            pieces += [text[end:start], self._placeholder_of.get(original) or self._named[original]]
            end = stop
        return "".join([*pieces, text[end:]])

    def absent(self, text: str) -> bool:
        """Whether a glance shows that no placeholder stands in a text, nor what could be made of one."""
        return (
            not self._fixed
            and "_" not in text
            and ">" not in text
            and (text.isascii() or "＞" not in text)
            and ("&" not in text and "%" not in text)
        )

    def spans(self, text: str) -> list[Span]:
        """Where placeholders of this exchange stand in a text: (start, end, placeholder), in order."""
        found = [*self._token_spans(text), *self._fixed.spans(text)]
        return _disjoint(found) if found else found

    def original_spans(self, text: str) -> list[Span]:
        """Where originals of this exchange stand in a text: (start, end, original), in order, not overlapping."""
        return list(self._originals.spans(text))

    def mangled(self, text: str, held: Sequence[Span]) -> int:
        """Count what a model made of this exchange's tokens that none of them is: `EMAIL_1`, `<EMAIL_99>`."""
        return sum(
            name in self._names
            and whole not in self._reserved
            and not any(start <= at < stop for start, stop, _ in held)
            for at, name, whole in (names_in(text) if self._restorable else ())
        )

    def partials(self) -> Partials:
        """What a cut text may hold the beginning of: placeholders that come back, and fakes."""
        tokens = self._tokens if self._restorable else ()
        sealed = [made for made in self._restorable if made[1:-1] not in self._tokens]
        return Partials(tokens, sealed, self._fakes, self._longest)

    def _token_spans(self, text: str) -> list[Span]:
        if not self._tokens or not may_hold_tokens(text):
            return []
        found = ((m.start(), m.end(), self._tokens.get(token_key(m), "")) for m in TOKEN.finditer(text))
        return [span for span in found if span[2]]

    @staticmethod
    def _reach(form: str, made: str) -> int:
        return len(made) + (SLACK + made.count("_") if form == "token" else 0)

    def _general(self, value: str, general: str) -> str:
        self._originals.add(value)
        self._placeholder_of.setdefault(value, general)
        return general

    def _made(self, form: str, kind: str, value: str) -> str:
        if form == "token":
            return self._numbered(name_of(kind))
        made = self._distinct(self._makers()[form], kind, value)
        self._fixed.add(made)
        if form == "faker":
            self._fakes.add(made)
        return made

    def _numbered(self, name: str) -> str:
        number = self._counts.get(name, 0) + 1
        while (key := f"{name}_{number}") in self._reserved or key in self._tokens:
            number += 1
        self._counts[name] = number
        self._names.add(name)
        made = self._tokens[key] = token(key)
        return made

    def _makers(self) -> dict[str, Callable[[str, str, int], str]]:
        return {"mask": self._mask, "hash": self._hash, "faker": self._fake, "encrypt": self._seal}

    def _distinct(self, make: Callable[[str, str, int], str], kind: str, value: str) -> str:
        made = ""
        for attempt in range(_REDRAWS):
            again = make(kind, value, attempt)
            if self._free(again, value):
                return again
            if again == made:
                break
            made = again
        return self._suffixed(make(kind, value, 0))

    def _suffixed(self, made: str) -> str:
        number = 2
        while f"{made}#{number}" in self._original:
            number += 1
        return f"{made}#{number}"

    def _free(self, made: str, value: str) -> bool:
        return made not in self._original and made not in self._placeholder_of and made != value

    def _mask(self, kind: str, value: str, attempt: int) -> str:
        return masked(kind, value)

    def _hash(self, kind: str, value: str, attempt: int) -> str:
        return hashed(self._keys.hash, name_of(kind), f"{value}\0{attempt}" if attempt else value)

    def _fake(self, kind: str, value: str, attempt: int) -> str:
        return fakes.fake(self._keys.faker, kind, value, locale=self._locale, attempt=attempt)

    def _seal(self, kind: str, value: str, attempt: int) -> str:
        return sealing.encrypt(self._keys, name_of(kind), value)


def _disjoint(spans: list[Span]) -> list[Span]:
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (s[0], -s[1])):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept
