"""Where attributes stand on a line: those that questions are asked of have a column of their own, behind a tab each.

JSON takes a tab between two tokens for a space, and holds none inside a text. So a line is OTLP JSON for whoever reads
it so, and a row of columns for whoever cuts it at its tabs (`guard/audit/audit.sql` does, in a third of the time; so
does `cut -f`). docs/trace.md numbers the columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from guard.trace.otlpjson import LEAST, MOST, dumps, key_values

_SHAPES = 1024
"""Most orders of keys whose places are kept, and most names: a running guard has some dozens."""

_KEY = b'{"key":'
_OPEN, _CLOSE = b"[" + _KEY, b"}]"

_TEXTS, _SHORT = 256, 64
"""How many short texts are kept as JSON for each name: most come again with each call (kinds, rules, models)."""

_Place = tuple[Callable[[Sequence[bytes]], Sequence[bytes]], tuple[bytes, ...]]


class Encoded(NamedTuple):
    """Attributes as JSON: their keys, and for each what stands behind `"key":` in its KeyValue."""

    keys: tuple[str, ...]
    pieces: list[bytes]

    def and_then(self, other: Encoded) -> Encoded:
        """These, and others behind them."""
        return Encoded(self.keys + other.keys, self.pieces + other.pieces)


class _Name:
    """A name as a key, with what stands behind it: short texts as they came, alone in a list, numbers, lists."""

    __slots__ = ("list", "lone", "number", "text", "texts")

    def __init__(self, key: str) -> None:
        self.texts: dict[str, bytes] = {}
        self.lone: dict[str, bytes] = {}
        self.text = _any(key, "")[: -len(b'""}')]
        self.number = _any(key, 0)[: -len(b'0"}')].decode()
        self.list = _any(key, [])[: -len(b"]}}")]

    def told(self, text: str) -> bytes:
        """A short text behind the name; from now on it is known."""
        return _kept(self.texts, text, b"%b%b}" % (self.text, dumps(text)))

    def alone(self, text: str) -> bytes:
        """A list of one short text behind the name; from now on it is known."""
        return _kept(self.lone, text, b'%b{"stringValue":%b}]}}' % (self.list, dumps(text)))


def _kept(known: dict[str, bytes], text: str, made: bytes) -> bytes:
    if len(known) >= _TEXTS:
        known.clear()
    known[text] = made
    return made


_NAMES: dict[str, _Name] = {}
"""Names by their keys. Plain dicts, here and in each name: a look-up in them is what a record spends its time on."""


def _name(key: str) -> _Name:
    if len(_NAMES) >= _SHAPES:
        _NAMES.clear()
    _NAMES[key] = made = _Name(key)
    return made


def encode(attributes: Mapping[str, Any]) -> Encoded:
    """Encode attributes, without those that are None; raises as `otlpjson.key_values`."""
    keys, pieces = [], []
    for key, value in attributes.items():
        if value is None:
            continue
        kind, name = value.__class__, _NAMES.get(key) or _name(key)
        if kind is str and len(value) <= _SHORT:
            piece = name.texts.get(value) or name.told(value)
        elif kind is int and LEAST <= value <= MOST:
            piece = f'{name.number}{value}"}}'.encode()
        elif kind is list and len(value) == 1 and (lone := _lone(name, value[0])):
            piece = lone
        else:
            piece = _any(key, value)
        keys.append(key)
        pieces.append(piece)
    return Encoded(tuple(keys), pieces)


def _any(key: str, value: Any) -> bytes:
    return dumps(key_values({key: value}))[len(_OPEN) : -len(_CLOSE)]


def _lone(name: _Name, value: Any) -> bytes:
    """The one item of a list, where it is as short and plain as most: of a finding each list has one."""
    kind = value.__class__
    if kind is str and len(value) <= _SHORT:
        return name.lone.get(value) or name.alone(value)
    if kind is int and LEAST <= value <= MOST:
        return b'%b{"intValue":"%d"}]}}' % (name.list, value)
    if kind is float and value - value == 0.0:  # what is finite less itself is nothing
        return b'%b{"doubleValue":%b}]}}' % (name.list, dumps(value))
    return b""


class Columns:
    """Names that have a column each, in order; `together` is the start of names that share the one after these.

    What has no column stands in the last. Of a name that comes twice, the second has none: as for a reader of JSON
    who looks for a name, the first is the one that counts.
    """

    __slots__ = ("_place", "names", "together")

    def __init__(self, names: Iterable[str], *, together: str = "") -> None:
        self.names, self.together = tuple(names), together
        self._place = lru_cache(_SHAPES)(self._placed)

    @property
    def tabs(self) -> int:
        """How many tabs any attributes have: one before each column, one before the last."""
        return len(self.names) + bool(self.together) + 1

    def spread(self, encoded: Encoded) -> bytes:
        """The attributes as JSON, without the brackets around them, in columns."""
        take, between = self._place(encoded.keys)
        parts: list[bytes] = [b""] * (2 * len(encoded.keys) + 1)
        parts[::2], parts[1::2] = between, take(encoded.pieces)
        return b"".join(parts)

    def _placed(self, keys: tuple[str, ...]) -> _Place:
        """The order in which pieces are taken, and what stands before, between and behind them."""
        columns = list(self._filled(keys))
        order = [at for column in columns for at in column]
        between, text = [], b""
        for column in columns:
            text += b"\t"
            for at in column:
                between.append(text + _KEY)
                text = b"} " if at == order[-1] else b"},"
        return _taken(order), (*between, text)

    def _filled(self, keys: Sequence[str]) -> Iterator[list[int]]:
        """For each column the places in `keys` of what stands in it."""
        columns = [[keys.index(name)] if name in keys else [] for name in self.names]
        if self.together:
            columns.append([at for at, key in enumerate(keys) if key.startswith(self.together)])
        yield from columns
        taken = {at for column in columns for at in column}
        yield [at for at in range(len(keys)) if at not in taken]


def _taken(order: Sequence[int]) -> Callable[[Sequence[bytes]], Sequence[bytes]]:
    if len(order) > 1:
        return itemgetter(*order)
    return lambda pieces: pieces
