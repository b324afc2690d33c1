"""The words in which a map of positions is written: what stands at a place of a body and how it is read.

A map is data: dicts name fields, lists repeat, tuples choose by JSON type, and the leaves below say what
becomes of a value. `Node.read` walks a body along its map and fills a `Reader`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from guard.errors import BadRequest
from guard.types import Change, Finding, Limits, Segment
from guard.wire.jsonbody import strings, text_of
from guard.wire.positions.words import ROUTING, WORDS
from guard.wire.strictjson import ExactFloat, ExactInt, embedded

# Field names that may stand in a path: the API's own, as the maps collect them, and those always refused.
_NAMES: set[str] = set(ROUTING)

_MOST_FINDINGS = 256
_MOST_LEVELS = 4
_LONGEST_TOKEN = 32
_LONGEST_URL = 4096

# Made by machines, not by people: UUIDs and long hex or base-62 runs behind a short prefix.
_RANDOM_ID = re.compile(
    r"(?:[a-z][a-z_]{0,23}[-_])?"
    r"(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32,64}"
    r"|(?=[a-zA-Z0-9]*[a-z])(?=[a-zA-Z0-9]*[A-Z])(?!\w*\d{7})[A-Za-z0-9]{20,64})"
)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{64,}={0,2}")
_NUMBER_TYPES = frozenset({int, float, ExactInt, ExactFloat})
_CIPHERTEXT = re.compile(r"(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])(?=\D*\d)[A-Za-z0-9+/_=-]{64,}")

Hold = Literal["window", "full"]
Row = tuple[str, str]
Shape = Any
"""A Node, or a dict, list or tuple that `node()` makes one of."""


@dataclass(slots=True)
class Reader:
    """What was found so far in one body, and how strict the reading is.

    `strict`: what the map does not name is refused (requests); else all its strings are screened (answers).
    `streams`: texts that a stream sends in pieces go to `streamed` as (path, text, hold), not to `segments`.
    """

    strict: bool
    limits: Limits = field(default_factory=Limits)
    segments: list[Segment] = field(default_factory=list)
    opaque: list[Finding] = field(default_factory=list)
    derived: list[str] = field(default_factory=list)
    streamed: list[tuple[str, str, Hold]] = field(default_factory=list)
    streams: bool = False
    counts: dict[str, int] = field(default_factory=dict)

    def text(self, path: str, text: str, change: Change = Change.TEXT, group: str = "") -> None:
        """Note a text to be screened; an empty one needs no screening."""
        if text:
            self.segments.append(Segment(path, text, change, group))

    def refuse(self, what: str, path: str) -> None:
        """Note what cannot be read as a finding of kind `guard.opaque.<what>`."""
        if len(self.opaque) < _MOST_FINDINGS:
            self.opaque.append(Finding(f"guard.opaque.{what}", 0, 0, 1.0, "guard", path))

    def unmapped(self, path: str, value: Any) -> None:
        """Note a place that the map does not name; its strings are screened wherever it is let pass."""
        if value is None:
            return
        if self.strict:
            self.refuse("field", path)
        FREE.read(value, path, self)

    def count(self, what: str, number: int, path: str) -> None:
        """Hold the number of messages, tools or parts to its limit; raises BadRequest 413."""
        self.counts[what] = self.counts.get(what, 0) + number
        most = getattr(self.limits, what)
        if self.strict and self.counts[what] > most:
            raise BadRequest(413, f"too_many_{what}", f"the body holds more than {most} {what}", param=path)


class Node:
    """One place of a map; `treatment` is its word in the coverage table."""

    treatment = ""

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Note what stands at this place."""
        raise NotImplementedError

    def rows(self, path: str, above: tuple[Node, ...] = ()) -> Iterator[Row]:
        """List this place and all below it as (path pattern, treatment)."""
        yield (path, self.treatment)


class Scalar(Node):
    """A place that holds one string or number; anything else there is unmapped."""

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Read the string, or the digits of a long number."""
        if isinstance(value, str):
            self.string(value, path, out, group)
        elif isinstance(value, dict | list):
            out.unmapped(path, value)
        elif (digits := text_of(value)) is not None:
            self.string(digits, path, out, group)

    def string(self, text: str, path: str, out: Reader, group: str) -> None:
        """Note one string of this kind."""
        raise NotImplementedError


class Text(Scalar):
    """Human text: screened, and rewritten where something is found.

    A `streamed` text is one that a stream also sends in pieces, on a lane of its own.
    """

    treatment = "screened, rewritten"

    def __init__(self, streamed: bool = False) -> None:
        self.streamed = streamed

    def string(self, text: str, path: str, out: Reader, group: str) -> None:
        """Note the text, or that it belongs to a lane."""
        if self.streamed and out.streams:
            out.streamed.append((path, text, "window"))
        else:
            out.text(path, text, Change.TEXT, group)


class Fixed(Scalar):
    """Names and identifiers: screened; what would have to be rewritten is refused instead."""

    treatment = "screened, refused on a hit"

    def string(self, text: str, path: str, out: Reader, group: str) -> None:
        """Note the text as one that must not change."""
        out.text(path, text, Change.FIXED)


class Identifier(Fixed):
    """An identifier: as Fixed, but for one that is random by its shape, which has nothing to say."""

    treatment = "screened unless random, refused on a hit"

    def string(self, text: str, path: str, out: Reader, group: str) -> None:
        """Note the identifier unless it is a UUID or a long random run."""
        if _RANDOM_ID.fullmatch(text) is None:
            out.text(path, text, Change.FIXED)


class Word(Fixed):
    """A word of the API's closed vocabulary; any other string there is screened as Fixed."""

    treatment = "closed vocabulary, else screened"

    def string(self, text: str, path: str, out: Reader, group: str) -> None:
        """Note the string unless the vocabulary knows it."""
        if text not in WORDS:
            out.text(path, text, Change.FIXED)


class Value(Fixed):
    """A number, a truth value or null: no text; a string there is screened as Fixed."""

    treatment = "no text"

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Pass numbers and truth values."""
        if isinstance(value, str):
            out.text(path, value, Change.FIXED)
        elif isinstance(value, dict | list):
            out.unmapped(path, value)


class Sealed(Fixed):
    """The provider's own ciphertext, readable to nobody else; what is not ciphertext is screened as Fixed."""

    treatment = "ciphertext of the provider"

    def string(self, text: str, path: str, out: Reader, group: str) -> None:
        """Note the string unless it has the shape of ciphertext."""
        if _CIPHERTEXT.fullmatch(text) is None:
            out.text(path, text, Change.FIXED)


class JsonText(Text):
    """A JSON document inside a string: each string and key inside is screened at its own path.

    A string that is no JSON object or array is plain text. A document that two parsers could read
    differently is `guard.opaque.field`.
    """

    treatment = "screened inside its JSON, rewritten"

    def string(self, text: str, path: str, out: Reader, group: str) -> None:
        """Note every string of the document, or the text itself."""
        if self.streamed and out.streams:
            out.streamed.append((path, text, "full"))
        else:
            self._document(text, path, out, _MOST_LEVELS)

    def _document(self, text: str, path: str, out: Reader, levels: int) -> None:
        try:
            document = embedded(text, out.limits.depth)
        except ValueError:
            out.text(path, text)
            return
        except BadRequest:
            out.refuse("field", path)
            return
        for segment in strings(document, f"{path}#"):
            if levels > 1 and segment.text[:1] in "{[" and not segment.path.endswith("}"):
                self._document(segment.text, segment.path, out, levels - 1)
            else:
                out.text(segment.path, segment.text)


class Free(Node):
    """Any JSON value of the caller's own: every string, key and long number in it is screened."""

    def __init__(self, change: Change = Change.TEXT) -> None:
        self.change = change
        self.treatment = Text.treatment if change is Change.TEXT else Fixed.treatment

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Note every string below but for words of the closed vocabulary."""
        for segment in strings(value, path):
            if segment.text not in WORDS:
                out.text(segment.path, segment.text, self.change)

    def rows(self, path: str, above: tuple[Node, ...] = ()) -> Iterator[Row]:
        """List the place with everything below it."""
        yield (f"{path}.**", self.treatment)


class Opaque(Node):
    """What guard cannot read: refused as `guard.opaque.<what>`; a short address in it is screened too."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.treatment = f"refused: guard.opaque.{what}"

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Note the finding, and an address as a text that must not change."""
        if value is None or value == "":
            return
        out.refuse(self.what, path)
        if isinstance(value, str) and len(value) <= _LONGEST_URL and not value.startswith("data:"):
            out.text(path, value, Change.FIXED)


class Vector(Node):
    """The numbers of an embedding, as an array or in base64: no text."""

    treatment = "no text"

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Pass numbers; what is neither numbers nor base64 is unmapped."""
        if isinstance(value, str):
            if _BASE64.fullmatch(value) is None:
                out.text(path, value)
        elif not isinstance(value, list) or any(type(number) not in _NUMBER_TYPES for number in value):
            out.unmapped(path, value)


class Prompt(Node):
    """A string or several; token ids, which nobody can read without the model's table, are refused."""

    treatment = "screened, rewritten; token ids refused: guard.opaque.field"

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Read the strings, or refuse the token ids as one finding."""
        if not isinstance(value, list):
            TEXT.read(value, path, out)
        elif all(isinstance(item, str) for item in value):
            out.count("messages", len(value), path)
            for position, item in enumerate(value):
                out.text(f"{path}[{position}]", item)
        else:
            out.refuse("field", path)
            FREE.read(value, path, out)


class Derived(Node):
    """A copy of a text in another form (tokens, their bytes): dropped wherever that text is changed."""

    treatment = "dropped when its text changes"

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Note the path; a string too long for a token is screened."""
        if not value:
            return
        out.derived.append(path)
        for segment in strings(value, path):
            if len(segment.text) > _LONGEST_TOKEN:
                out.text(segment.path, segment.text)


class Object(Node):
    """A JSON object with named fields; other fields are unmapped."""

    def __init__(self, fields: Mapping[str, Shape]) -> None:
        self.fields = {name: node(shape) for name, shape in fields.items()}
        _NAMES.update(fields)

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Read each field by its own node."""
        if not isinstance(value, dict):
            if value is not None:
                out.unmapped(path, value)
            return
        for position, (name, item) in enumerate(value.items()):
            if item is None:
                continue
            place = self.fields.get(name)
            if place is not None:
                place.read(item, f"{path}.{name}" if path else name, out, group)
            else:
                out.unmapped(f"{path}{_safe(name, position, path)}", item)

    def rows(self, path: str, above: tuple[Node, ...] = ()) -> Iterator[Row]:
        """List every field below."""
        if self in above:
            yield (f"{path}.…", "as above")
            return
        for name, place in self.fields.items():
            yield from place.rows(f"{path}.{name}" if path else name, (*above, self))


def _safe(name: str, position: int, path: str) -> str:
    """A field's step in a path: by name where the API knows the name, else by position."""
    if name not in _NAMES:
        return f"<{position}>"
    return f".{name}" if path else name


class Tagged(Node):
    """An object whose field `tag` says which kind it is; an unknown kind is unmapped."""

    def __init__(self, tag: str, kinds: Mapping[str, Mapping[str, Shape]], default: str = "") -> None:
        self.tag = tag
        self.default = default
        self.kinds: dict[str, Object] = {}
        self.add(kinds)

    def add(self, kinds: Mapping[str, Mapping[str, Shape]]) -> None:
        """Name further kinds; several that share one shape are written `a|b`."""
        for names, fields in kinds.items():
            shape = Object({self.tag: WORD, **fields})
            self.kinds.update((name, shape) for name in names.split("|"))

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Read the object as the kind that it says it is."""
        if value is None:
            return
        kind = value.get(self.tag) if isinstance(value, dict) else ""
        shape = (
            self.kinds.get(self.default if kind is None else kind) if isinstance(kind, str | None) else None
        )
        if shape is None:
            out.unmapped(path, value)
        else:
            shape.read(value, path, out, group)

    def rows(self, path: str, above: tuple[Node, ...] = ()) -> Iterator[Row]:
        """List every kind, shared shapes once."""
        if self in above:
            yield (f"{path}.…", "as above")
            return
        seen: dict[Object, list[str]] = {}
        for name, shape in self.kinds.items():
            seen.setdefault(shape, []).append(name)
        for shape, names in seen.items():
            yield from shape.rows(f"{path}({'|'.join(names)})", (*above, self))


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

    def rows(self, path: str, above: tuple[Node, ...] = ()) -> Iterator[Row]:
        """List the element."""
        return self.item.rows(f"{path}[*]", above)


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

    def rows(self, path: str, above: tuple[Node, ...] = ()) -> Iterator[Row]:
        """List keys and values."""
        yield (f"{path}{{*}}", Fixed.treatment if self.change is Change.FIXED else Text.treatment)
        yield from self.value.rows(f"{path}<*>", above)


class Either(Node):
    """A place that may hold different JSON types, each with its own node: a string, an array, an object."""

    def __init__(self, choices: tuple[Shape, ...]) -> None:
        self.choices = [node(choice) for choice in choices]
        self.by_type: dict[type, Node] = {_json_type(choice): choice for choice in self.choices}

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Read the value by the node of its type."""
        kind = type(value) if isinstance(value, dict | list) else str
        chosen = self.by_type.get(kind, self.choices[0])
        chosen.read(value, path, out, group)

    def rows(self, path: str, above: tuple[Node, ...] = ()) -> Iterator[Row]:
        """List every choice."""
        for choice in self.choices:
            yield from choice.rows(path, above)


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


TEXT = Text()
LANE_TEXT = Text(streamed=True)
FIXED = Fixed()
ID = Identifier()
WORD = Word()
VALUE = Value()
SEALED = Sealed()
JSON_TEXT = JsonText()
LANE_JSON = JsonText(streamed=True)
FREE = Free()
SCHEMA = Free(Change.FIXED)
DERIVED = Derived()
IMAGE = Opaque("image")
AUDIO = Opaque("audio")
FILE = Opaque("file")
VECTOR = Vector()
