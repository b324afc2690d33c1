"""What the gate of a stream asks of its driver."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Find:
    """Detect in each of the texts and call `found(key, lists)`."""

    key: int
    texts: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ask:
    """Judge each of the texts and call `scored(key, answers | Unavailable)`."""

    key: int
    texts: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Emit:
    """Send these bytes to the caller now."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class End:
    """The answer is over for the caller; close the upstream. `code` is empty when it ended well."""

    code: str = ""


Op = Find | Ask | Emit | End
