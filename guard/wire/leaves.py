"""The leaves of a map of positions: what becomes of one value, and the word for it in the coverage table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from guard.errors import BadRequest
from guard.types import Change
from guard.wire.jsonbody import strings, text_of
from guard.wire.reading import Node, Reader, Row
from guard.wire.strictjson import ExactFloat, ExactInt, embedded
from guard.wire.words import WORDS

# An enum looks up its members by name, and each text says one.
_TEXT, _FIXED = Change.TEXT, Change.FIXED

ON_LANE = "; in a stream on its lane"
_MOST_LEVELS = 4
_LONGEST_TOKEN = 32
_LONGEST_URL = 4096
_LONGEST_PADDING = 64

# Made by machines, not by people: UUIDs and long hex or base-62 runs behind a short prefix.
_RANDOM_ID = re.compile(
    r"(?:[a-z][a-z_]{0,23}[-_])?"
    r"(?:(?=(?:[0-9-]*[a-f]){4})(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32,64})"
    r"|(?<=fp_)[0-9a-f]{8,16}"
    r"|(?=[a-zA-Z0-9]*[a-z])(?=[a-zA-Z0-9]*[A-Z])(?!\w*\d{7})[A-Za-z0-9]{20,64})"
)
_SHORT_ID = re.compile(r"[a-z]{2,12}[-_][A-Za-z0-9_-]{1,128}")
_MODEL = re.compile(r"(?!.*\d{9})[A-Za-z][A-Za-z0-9._:/-]{0,95}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{64,}={0,2}")
_CIPHERTEXT = re.compile(r"(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])(?=\D*\d)[A-Za-z0-9+/_=-]{64,}")
_NUMBER_TYPES = frozenset({int, float, ExactInt, ExactFloat})


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

    def rows(self, path: str) -> Iterator[Row]:
        """List the place; a text that comes in pieces says so."""
        yield Row(path, self.treatment + ON_LANE if self.streamed else self.treatment)

    def string(self, text: str, path: str, out: Reader, group: str) -> None:
        """Note the text, or that it belongs to a lane."""
        if self.streamed and out.streams:
            out.streamed.append((path, text, "window"))
        else:
            out.text(path, text, _TEXT, group)


class Fixed(Scalar):
    """Names and identifiers: screened; what would have to be rewritten is refused instead."""

    treatment = "screened, refused on a hit"

    def string(self, text: str, path: str, out: Reader, group: str) -> None:
        """Note the text as one that must not change."""
        out.text(path, text, _FIXED)


class Identifier(Fixed):
    """An identifier: as Fixed, but for one that is random by its shape, which has nothing to say.

    In an answer the provider made it: there a prefix and one short alphanumeric word are enough.
    """

    treatment = "screened unless random, refused on a hit"

    def string(self, text: str, path: str, out: Reader, group: str) -> None:
        """Note the identifier unless its shape is a machine's."""
        plain = not out.strict and _SHORT_ID.fullmatch(text)
        if not plain and _RANDOM_ID.fullmatch(text) is None:
            out.text(path, text, _FIXED)


class Model(Fixed):
    """The name of a model: as Fixed in a request; an answer only repeats it, on every chunk of a stream."""

    def string(self, text: str, path: str, out: Reader, group: str) -> None:
        """Note the name, unless an answer gives one that looks like nothing else."""
        if out.strict or _MODEL.fullmatch(text) is None:
            out.text(path, text, _FIXED)


class Padding(Text):
    """Random characters that hide the length of a chunk."""

    treatment = "screened unless random, rewritten"

    def string(self, text: str, path: str, out: Reader, group: str) -> None:
        """Note the padding unless it is short and alphanumeric."""
        if not (text.isalnum() and text.isascii() and len(text) <= _LONGEST_PADDING):
            out.text(path, text)


class Word(Fixed):
    """A word of the API's closed vocabulary; any other string there is screened as Fixed."""

    treatment = "closed vocabulary, else screened"

    def string(self, text: str, path: str, out: Reader, group: str) -> None:
        """Note the string unless the vocabulary knows it."""
        if text not in WORDS:
            out.text(path, text, _FIXED)


class Value(Fixed):
    """A number, a truth value or null: no text; a string there is screened as Fixed."""

    treatment = "no text"
    silent = frozenset({int, float, bool, ExactInt, ExactFloat})

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Pass numbers and truth values."""
        if isinstance(value, str):
            out.text(path, value, _FIXED)
        elif isinstance(value, dict | list):
            out.unmapped(path, value)


class Sealed(Fixed):
    """The provider's own ciphertext, readable to nobody else; what is not ciphertext is screened as Fixed."""

    treatment = "ciphertext of the provider"

    def string(self, text: str, path: str, out: Reader, group: str) -> None:
        """Note the string unless it has the shape of ciphertext."""
        if _CIPHERTEXT.fullmatch(text) is None:
            out.text(path, text, _FIXED)


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
            elif segment.text not in WORDS:
                out.text(segment.path, segment.text)


class Free(Node):
    """Any JSON value of the caller's own: every string, key and long number in it is screened."""

    def __init__(self, change: Change = Change.TEXT) -> None:
        self.change = change
        self.treatment = Text.treatment if change is Change.TEXT else Fixed.treatment

    def read(self, value: Any, path: str, out: Reader, group: str = "") -> None:
        """Note every string below but for words of the closed vocabulary."""
        out.free(value, path, self.change)

    def rows(self, path: str) -> Iterator[Row]:
        """List the place with everything below it."""
        yield Row(f"{path}.**", self.treatment)


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
            out.text(path, value, _FIXED)


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
            out.free(value, path, Change.TEXT)


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


TEXT = Text()
LANE_TEXT = Text(streamed=True)
FIXED = Fixed()
ID = Identifier()
WORD = Word()
MODEL = Model()
PADDING = Padding()
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
