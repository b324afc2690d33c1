"""The providers of a policy with their keys: which of them a model is asked of, at which URL, with which headers.

A key goes to its own provider only, and so do a caller's headers: to a provider by name goes what no other is meant by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx2

from guard.policy.providers import Provider as Row
from guard.policy.providers import owner_of

Header = tuple[bytes, bytes]
Headers = Sequence[Header]

_PATHS = {
    "chat": "/chat/completions",
    "responses": "/responses",
    "completions": "/completions",
    "embeddings": "/embeddings",
    "moderations": "/moderations",
}
"""Where a provider has the endpoints whose requests name a model, under its base URL."""

_SHARED = (b"content-type", b"accept", b"accept-encoding", b"user-agent", b"idempotency-key")
"""Headers of a caller that name no provider, no account and no key."""


@dataclass(slots=True, repr=False)
class Provider:
    """One provider by name; `key` is the header that it knows its caller by."""

    name: str
    row: Row
    base: str
    key: Header | None
    urls: Mapping[str, httpx2.URL] = field(init=False)

    def __post_init__(self) -> None:
        self.urls = {endpoint: httpx2.URL(self.base + path) for endpoint, path in _PATHS.items()}

    @property
    def unset(self) -> str:
        """The variable that should hold its key and does not; empty where it does, or none is needed."""
        return self.row.key if self.key is None else ""

    def headers(self, sent: Headers) -> list[Header]:
        """The headers of a call to this provider, of those that would go to another."""
        kept = [(name, value) for name, value in sent if name.lower() in _SHARED]
        return kept if self.key is None else [*kept, self.key]


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """A model at a provider: `name` is how a policy and the record call it, `model` how the provider does."""

    provider: Provider
    model: str

    @property
    def name(self) -> str:
        """`provider/model`."""
        return f"{self.provider.name}/{self.model}"


class Providers:
    """The providers of one policy. Thread-safe."""

    def __init__(
        self, rows: Mapping[str, Row], secret: Callable[[str], str], base: Callable[[Row], str]
    ) -> None:
        self._rows = rows
        self.by_name = {name: Provider(name, row, base(row), _key(row, secret)) for name, row in rows.items()}

    def find(self, model: str) -> Target | None:
        """Whom a model is asked of; None where it is nobody by name."""
        found = owner_of(self._rows, model)
        return None if found is None else Target(self.by_name[found[0]], found[1])


def _key(row: Row, secret: Callable[[str], str]) -> Header | None:
    value = secret(row.key).strip() if row.key else ""
    if not value:
        return None
    if row.wants == "bearer":
        return b"authorization", f"Bearer {value}".encode()
    return row.wants.encode(), value.encode()
