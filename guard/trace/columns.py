"""Where attributes stand on a line: those that questions are asked of have a column of their own, behind a tab each.

JSON takes a tab between two tokens for a space, and holds none inside a text. So a line is OTLP JSON for whoever reads
it so, and a row of columns for whoever cuts it at its tabs (`guard/audit/audit.sql` does, in a third of the time; so
does `cut -f`). docs/trace.md numbers the columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any, NamedTuple

from guard.trace.otlpjson import LEAST, MOST, dumps, key_values, quoted

_SHAPES = 1024
"""Most orders of keys whose places are kept, and most names: a running guard has some dozens."""

_KEY = b'{"key":'
_OPEN, _CLOSE = b"[" + _KEY, b"}]"

_TEXTS, _SHORT = 256, 64
"""How many short texts are kept as JSON for each name: most come again with each call (kinds, rules, models)."""

_FORMS = 256
"""Most forms of one order of keys: one for each tenant, model and decision that is on record now."""

_Take = Callable[[Sequence[Any]], Sequence[Any]]
_Place = tuple[_Take, tuple[bytes, ...]]


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
    told = [(key, value) for key, value in attributes.items() if value is not None]
    return Encoded(tuple([key for key, _ in told]), [_piece(key, value) for key, value in told])


def _piece(key: str, value: Any) -> bytes:
    """What stands behind `"key":` of one attribute."""
    kind, name = value.__class__, _NAMES.get(key) or _name(key)
    if kind is str and len(value) <= _SHORT:
        return name.texts.get(value) or name.told(value)
    if kind is int and LEAST <= value <= MOST:
        return f'{name.number}{value}"}}'.encode()
    if kind is list and len(value) == 1 and (lone := _lone(name, value[0])):
        return lone
    return _any(key, value)


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


_Gap = Callable[[Any], bytes] | None
"""How what stands in a gap is written: a text, or a whole piece; a whole number as it is."""


class _Form(NamedTuple):
    """Attributes as JSON in columns with gaps for values that only one record has, in the order of the gaps."""

    text: bytes
    gaps: tuple[_Gap, ...]
    own: _Take
    prepared: Encoded | None


class _Shape(NamedTuple):
    """An order of keys: how to take the values that recur, and what was written in this order."""

    recurring: _Take
    forms: dict[Any, _Form | None]


class Columns:
    """Names that have a column each, in order; `together` is the start of names that share the one after these.

    What has no column stands in the last. Of a name that comes twice, the second has none: as for a reader of JSON
    who looks for a name, the first is the one that counts. Values of the names that are `recurring`, or begin as
    those that stand together, are the same in many records: texts, whole numbers or None.
    """

    __slots__ = ("_place", "_shape", "names", "recurring", "together")

    def __init__(self, names: Iterable[str], *, together: str = "", recurring: Iterable[str] = ()) -> None:
        self.names, self.together, self.recurring = tuple(names), together, frozenset(recurring)
        self._place = lru_cache(_SHAPES)(self._placed)
        self._shape = lru_cache(_SHAPES)(self._shaped)

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

    def row(self, attributes: Mapping[str, Any], prepared: Encoded | None) -> bytes:
        """Attributes and what was prepared behind them, as `spread` writes them.

        Most of a record stands in one like it already: that is written once, and only the rest is filled in.
        """
        keys, values = (*attributes,), (*attributes.values(),)
        shape = self._shape(keys)
        # With their types, since 1, 1.0 and True are equal; `prepared` is held by the form, so its id is no other's.
        alike = id(prepared), (*map(type, values),), shape.recurring(values)
        try:
            form = shape.forms[alike]
        except (KeyError, TypeError) as unknown:  # or a list is among them
            if isinstance(unknown, KeyError):
                if len(shape.forms) >= _FORMS:
                    shape.forms.clear()
                shape.forms[alike] = None
            return self._written(attributes, prepared)
        if form is None:  # what came once may not come again, and to make a form takes twice as long
            form = shape.forms[alike] = self._formed(keys, values, prepared)
        made: list[Any] = []
        for gap, value in zip(form.gaps, form.own(values), strict=True):
            if gap is not None:
                made.append(gap(value))
            elif LEAST <= value <= MOST:
                made.append(value)
            else:
                return self._written(attributes, prepared)
        return form.text % (*made,)

    def _written(self, attributes: Mapping[str, Any], prepared: Encoded | None) -> bytes:
        encoded = encode(attributes)
        return self.spread(encoded if prepared is None else encoded.and_then(prepared))

    def _shaped(self, keys: tuple[str, ...]) -> _Shape:
        return _Shape(_each([at for at, key in enumerate(keys) if self._recurs(key)]), {})

    def _recurs(self, key: str) -> bool:
        return key in self.recurring or bool(self.together and key.startswith(self.together))

    def _formed(self, keys: Sequence[str], values: Sequence[Any], prepared: Encoded | None) -> _Form:
        """Write attributes with a gap for each of those that do not recur."""
        places = [at for at, value in enumerate(values) if value is not None]
        own = {at: _gap(keys[at], values[at]) for at in places if not self._recurs(keys[at])}
        texts = [own[at][0] if at in own else _escaped(_piece(keys[at], values[at])) for at in places]
        whole = Encoded(tuple(keys[at] for at in places), texts)
        if prepared is not None:
            whole = whole.and_then(Encoded(prepared.keys, [*map(_escaped, prepared.pieces)]))
        order = self._place(whole.keys)[0](range(len(whole.keys)))
        gaps = [places[at] for at in order if at < len(places) and places[at] in own]
        return _Form(self.spread(whole), tuple(own[at][1] for at in gaps), _each(gaps), prepared)

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


def _gap(key: str, value: Any) -> tuple[bytes, _Gap]:
    """What stands in a form for a value of one record, and how it is written: its type is the form's."""
    kind, name = value.__class__, _NAMES.get(key) or _name(key)
    if kind is int:
        return _escaped(name.number.encode()) + b'%d"}', None
    if kind is str:
        return _escaped(name.text) + b"%b}", quoted
    return b"%b", partial(_piece, key)


def _escaped(piece: bytes) -> bytes:
    return piece.replace(b"%", b"%%")


def _each(places: Sequence[int]) -> _Take:
    """What takes the values at some places, also where these are fewer than two."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple(values[at] for at in places)


def _taken(order: Sequence[int]) -> _Take:
    if len(order) > 1:
        return itemgetter(*order)
    return lambda pieces: pieces
