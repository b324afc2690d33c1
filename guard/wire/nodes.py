"""The branches of a map of positions: objects, arrays and choices around the leaves.

A map is data: dicts name fields, lists repeat, tuples choose by JSON type, and leaves say what becomes of a
value. `Node.read` walks a body along its map and fills a `Reader`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from guard.types import Change
from guard.wire.leaves import JSON_TEXT as JSON_TEXT
from guard.wire.leaves import WORD, Fixed, Scalar, Text
from guard.wire.reading import Node, Row
from guard.wire.reading import Reader as Reader
from guard.wire.words import ROUTING, WORDS

Shape = Any
"""A Node, or a dict, list or tuple that `node()` makes one of."""

_String = Callable[[str, str, Reader, str], None]

# Field names that may stand in a path: the API's own, as the maps collect them, and those always refused.
_NAMES: set[str] = set(ROUTING)


class Object(Node):
    """A JSON object with named fields; other fields are unmapped."""

    def __init__(self, fields: Mapping[str, Shape]) -> None:
        self.fields = {name: node(shape) for name, shape in fields.items()}
        # Most fields hold a string: what reads one there is known beforehand, and called without a detour.
        self._strings = {name: said for name, place in self.fields.items() if (said := _string_at(place))}
        _NAMES.update(fields)

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Read each field by its own node."""
        if not isinstance(value, dict):
            if value is not None:
                out.unmapped(path, value)
            return
        fields, strings, front = self.fields, self._strings, f"{path}." if path else ""
        for position, (name, item) in enumerate(value.items()):
            place = fields.get(name)
            if place is None:
                out.name(f"{path}{{{position}}}", name)
                out.unmapped(f"{path}{_safe(name, position, path)}", item)
            elif item is None or (kind := type(item)) in place.silent:
                continue
            elif kind is not str or (said := strings.get(name)) is None:
                place.read(item, front + name, out, group)
            elif place is not WORD or item not in WORDS:
                said(item, front + name, out, group)

    def rows(self, path: str) -> Iterator[Row]:
        """List every field below."""
        for name, place in self.fields.items():
            yield from place.rows(f"{path}.{name}" if path else name)


def _string_at(place: Node) -> _String | None:
    """What `read` comes to for a string at a place; None where it does more than to pass it on."""
    while isinstance(place, Either):
        place = place.by_type[str]
    return place.string if isinstance(place, Scalar) and type(place).read is Scalar.read else None


def _safe(name: str, position: int, path: str) -> str:
    """A field's step in a path: by name where the API knows the name, else by position."""
    if name not in _NAMES:
        return f"<{position}>"
    return f".{name}" if path else name


class Tagged(Node):
    """An object whose field `tag` says which kind it is; an unknown kind is unmapped."""

    def __init__(
        self, tag: str, kinds: Mapping[str, Mapping[str, Shape]], default: str = "", name: str = ""
    ) -> None:
        self.tag = tag
        self.default = default
        self.name = name
        self.kinds: dict[str, Object] = {}
        for names, fields in kinds.items():
            shape = Object({tag: WORD, **fields})
            self.kinds.update((kind, shape) for kind in names.split("|"))

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Read the object as the kind that it says it is."""
        if value is None:
            return
        kind = value.get(self.tag, self.default) if isinstance(value, dict) else ""
        kind = self.default if kind is None else kind
        shape = self.kinds.get(kind) if isinstance(kind, str) else None
        if shape is None:
            out.unmapped(path, value)
        else:
            shape.read(value, path, out, group)

    def rows(self, path: str) -> Iterator[Row]:
        """List every kind, or only a reference where the kinds have a table of their own."""
        if self.name:
            yield Row(path, f"as {self.name}", self)
        else:
            yield from self.table(path)

    def table(self, path: str) -> Iterator[Row]:
        """List every kind, those that share a shape once."""
        shared: dict[int, list[str]] = {}
        for name, shape in self.kinds.items():
            shared.setdefault(id(shape), []).append(name)
        for names in shared.values():
            yield from self.kinds[names[0]].rows(f"{path}({'|'.join(names)})")


class Many(Node):
    """A JSON array; `limit` names the bound on its length, `grouped` says its texts follow each other."""

    def __init__(self, item: Shape, limit: str = "", grouped: bool = False) -> None:
        self.item = node(item)
        self.limit = limit
        self.grouped = grouped

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Read each element."""
        if not isinstance(value, list):
            if value is not None:
                out.unmapped(path, value)
            return
        if self.limit:
            out.count(self.limit, len(value), path)
        inner = path if self.grouped and len(value) > 1 else group
        for position, item in enumerate(value):
            self.item.read(item, f"{path}[{position}]", out, inner)

    def rows(self, path: str) -> Iterator[Row]:
        """List the element."""
        return self.item.rows(f"{path}[*]")


class Keyed(Node):
    """An object with keys of the caller's own: keys are screened, values read by one node."""

    def __init__(self, value: Shape, change: Change = Change.FIXED) -> None:
        self.value = node(value)
        self.change = change

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Read each key and each value, both named by position."""
        if not isinstance(value, dict):
            if value is not None:
                out.unmapped(path, value)
            return
        for position, (key, item) in enumerate(value.items()):
            if key not in WORDS and not (key.isdigit() and len(key) < 7):
                out.text(f"{path}{{{position}}}", key, self.change)
            self.value.read(item, f"{path}<{position}>", out)

    def rows(self, path: str) -> Iterator[Row]:
        """List keys and values."""
        yield Row(f"{path}{{*}}", Fixed.treatment if self.change is Change.FIXED else Text.treatment)
        yield from self.value.rows(f"{path}<*>")


class Either(Node):
    """A place that may hold different JSON types, each with its own node: a string, an array, an object."""

    def __init__(self, choices: tuple[Shape, ...]) -> None:
        self.choices = [node(choice) for choice in choices]
        first = self.choices[0]
        self.by_type: dict[type, Node] = {dict: first, list: first, str: first}
        self.by_type |= {_json_type(choice): choice for choice in self.choices}

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Read the value by the node of its type."""
        chosen = self.by_type.get(type(value)) or self.by_type[str]
        chosen.read(value, path, out, group)

    def rows(self, path: str) -> Iterator[Row]:
        """List every choice."""
        for choice in self.choices:
            yield from choice.rows(path)


def _json_type(choice: Node) -> type:
    if isinstance(choice, Many):
        return list
    return dict if isinstance(choice, Object | Tagged | Keyed) else str


def node(shape: Shape) -> Node:
    """Make a node of a shape: a dict is an object, a one-element list an array, a tuple a choice by type."""
    makers: dict[type, Callable[[Any], Node]] = {
        dict: Object,
        tuple: Either,
        list: lambda item: Many(item[0]),
    }
    if isinstance(shape, Node):
        return shape
    return makers[type(shape)](shape)
