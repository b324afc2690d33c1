"""Redact what a log call carries beside its message: arguments, extras, nested values, exceptions; within a bound."""

from __future__ import annotations

import logging
import sys
import traceback
import types
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

Redactor = Callable[[str], str]

WITHHELD = "[guard: message withheld, redaction failed]"
TOO_LARGE = "[guard: withheld, too deep or too large]"
UNREADABLE = "[guard: withheld, it cannot be written as text]"

_DEPTH, _NODES, _CHARACTERS = 8, 2000, 262_144
_SHORT_NUMBER = 1_000_000
_OPAQUE = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    logging.Logger,
    logging.LogRecord,
)
_SEQUENCES = (list, tuple, set, frozenset)


class RedactionFailed(Exception):
    """The redactor itself raised: nothing of the record may be shown."""


class StandIn(Exception):
    """What handlers get instead of an exception: its class name and redacted text, no frames, no causes."""


def exception_text(error: BaseException, redact: Redactor) -> str:
    """The traceback of an exception with its causes, notes and group, redacted as one text."""
    return redact("".join(traceback.format_exception(error)).rstrip("\n"))


def stand_in(error: BaseException, redact: Redactor) -> StandIn:
    """A harmless exception of the same name: frames hold locals, attributes hold requests."""
    if isinstance(error, StandIn):
        return error
    return _stand_in_class(type(error).__module__, type(error).__qualname__)(redact(_text(error)))


@lru_cache(maxsize=256)
def _stand_in_class(module: str, name: str) -> type[StandIn]:
    return type(name, (StandIn,), {"__module__": module, "__qualname__": name})


def current(exc_info: Any) -> BaseException | None:
    """The exception that an `exc_info` means: an exception, a triple, or a true value for the current one."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if not exc_info:
        return None
    triple = exc_info if isinstance(exc_info, tuple) else sys.exc_info()
    return triple[1] if len(triple) == 3 and isinstance(triple[1], BaseException) else None


class Walk:
    """One look at one record: every string redacted, what is clean returned as the same object.

    At most 8 levels, 2,000 values and 262,144 characters; what lies beyond is withheld.
    """

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        self._nodes = _NODES
        self._characters = _CHARACTERS

    def keyed(self, key: Any, value: Any, depth: int = 0) -> Any:
        """Redact a value that stands under a name: the name may be the cue that tells what the value is."""
        if not isinstance(key, str) or not isinstance(value, str | int) or isinstance(value, bool):
            return self.value(value, depth)
        before, text = f"{key}: ", str(self.value(value, depth))
        shown = self._text(before + text)
        if not shown.startswith(before):
            return shown
        return value if shown[len(before) :] == str(value) else shown[len(before) :]

    def value(self, value: Any, depth: int = 0) -> Any:
        """Redact a value of any type."""
        self._nodes -= 1
        if value is None or isinstance(value, bool):
            return value
        if depth > _DEPTH or self._nodes < 0:
            return TOO_LARGE
        if isinstance(value, str):
            return _same(value, self._text(value))
        if isinstance(value, int | float):
            return self._number(value)
        try:
            return self._compound(value, depth + 1)
        except RedactionFailed:
            raise
        except Exception:
            return UNREADABLE

    def _compound(self, value: Any, depth: int) -> Any:
        if isinstance(value, bytes | bytearray):
            return self._bytes(value)
        if isinstance(value, BaseException):
            return stand_in(value, self._text)
        if isinstance(value, types.TracebackType | types.FrameType):
            return None
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, _SEQUENCES):
            return self._sequence(value, depth)
        return self._object(value, depth)

    def _text(self, text: str) -> str:
        self._characters -= len(text)
        try:
            return self._redact(text) if self._characters >= 0 else TOO_LARGE
        except Exception:
            raise RedactionFailed from None

    def _number(self, value: int | float) -> Any:
        if abs(value) < _SHORT_NUMBER and isinstance(value, int):
            return value
        try:
            text = str(value)
        except ValueError:  # more digits than Python converts
            return UNREADABLE
        shown = self._text(text)
        return value if shown == text else shown

    def _bytes(self, value: bytes | bytearray) -> Any:
        text = bytes(value).decode("utf-8", "replace")
        shown = self._text(text)
        return value if shown == text else shown.encode()

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> Any:
        shown = {self.value(k, depth): self.keyed(k, v, depth) for k, v in value.items()}
        return (
            value if _unchanged(shown, value.keys()) and _unchanged(shown.values(), value.values()) else shown
        )

    def _sequence(self, value: Any, depth: int) -> Any:
        shown = [self.value(item, depth) for item in value]
        if _unchanged(shown, value):
            return value
        return type(value)._make(shown) if hasattr(value, "_make") else _base(value)(shown)

    def _object(self, value: Any, depth: int) -> Any:
        text = _text(value)
        shown = self._text(text)
        clean = shown == text and self._clean_repr(value) and self._clean_attributes(value, depth)
        return value if clean else shown

    def _clean_repr(self, value: Any) -> bool:
        text = _text(value, repr)
        return self._text(text) == text

    def _clean_attributes(self, value: Any, depth: int) -> bool:
        if isinstance(value, _OPAQUE):
            return True
        held = _attributes(value)
        return all(self.keyed(name, item, depth) is item for name, item in held)


def _attributes(value: Any) -> list[tuple[str, Any]]:
    names = [name for cls in type(value).__mro__ for name in _slots(cls) if hasattr(value, name)]
    return [*getattr(value, "__dict__", {}).items(), *((name, getattr(value, name)) for name in names)]


def _slots(cls: type) -> tuple[str, ...]:
    slots = cls.__dict__.get("__slots__", ())
    own = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(name for name in own if not name.startswith("__"))


def _text(value: Any, write: Callable[[Any], str] = str) -> str:
    try:
        return write(value)
    except Exception:
        return UNREADABLE


def _same(value: str, shown: str) -> str:
    return value if shown == value else shown


def _unchanged(shown: Iterable[Any], held: Iterable[Any]) -> bool:
    return all(a is b for a, b in zip(shown, held, strict=False))


def _base(value: Any) -> type:
    return next(cls for cls in _SEQUENCES if isinstance(value, cls))
