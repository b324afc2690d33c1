"""Attached policies: which further policy holds for which tenants, API keys, paths, models, or for who asks for it.

What is attached can only tighten: it combines with the policy as two packs do that a file extends
(`resolve.combine`). What is not known of a request counts as met, so that the stricter holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

from pydantic import Field, PrivateAttr, model_validator

from guard.policy import fields
from guard.policy.fields import Node
from guard.policy.rules import wrong

NOBODY = ("", "default")
"""What a request's tenant is called where nobody says whose it is."""


class Asked(NamedTuple):
    """What is known of a request; None is not known, and no name is asked for by most."""

    tenant: str
    paths: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    names: tuple[str, ...] = ()
    keys: tuple[str, ...] | None = None


class Attachment(Node):
    """One further policy, and the requests for which it holds: those that meet every condition written."""

    tenants: tuple[fields.Prefix, ...] = Field(
        default=(), description="for whose requests; a caller of no known tenant may be any of them"
    )
    keys: tuple[fields.KeyName, ...] = Field(
        default=(),
        description="for requests by these virtual keys: name or id, never the key; one of no known key may be any",
    )
    paths: tuple[fields.Prefix, ...] = Field(default=(), description="for requests at these paths")
    models: tuple[fields.Prefix, ...] = Field(
        default=(), description="for requests that one of these models may answer, as a fallback too"
    )
    header: fields.Name = Field(
        default="", description="for requests that ask for it themselves: x-guard-policy: NAME"
    )
    policy: fields.Line = Field(
        min_length=1, description="a pack by name, or a file by its path from here; it can only tighten"
    )

    # Set once, by the loader: the policy as it was loaded (`resolve.Loaded`), and `file:line`.
    _under: Any = PrivateAttr(default=None)
    _origin: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _binds_to_something(self) -> Attachment:
        if not (self.tenants or self.keys or self.paths or self.models or self.header):
            raise wrong(
                "holds for every request: write it under extends, or name tenants, keys, paths or models"
            )
        return self

    @property
    def origin(self) -> str:
        """Where it is written, as `file:line`."""
        return self._origin

    @property
    def under(self) -> Any:
        """The attached policy as it was loaded, None where it was not."""
        return self._under

    def placed(self, under: Any, origin: str) -> None:
        """Take the policy that was loaded for it, and where it is written."""
        self._under, self._origin = under, origin

    def unmet(self, asked: Asked) -> str:
        """The first condition that a request does not meet; empty where the attached policy holds for it."""
        if self.header and self.header not in asked.names:
            return "header"
        if self.tenants and asked.tenant not in NOBODY and not _any(self.tenants, (asked.tenant,)):
            return "tenants"
        if self.keys and asked.keys is not None and not _any(self.keys, asked.keys):
            return "keys"
        if self.paths and asked.paths is not None and not _any(self.paths, asked.paths):
            return "paths"
        if self.models and asked.models is not None and not _any(self.models, asked.models):
            return "models"
        return ""


def _any(patterns: Iterable[str], words: Iterable[str]) -> bool:
    """Whether one of the words is one of the patterns, whatever its case; `*` at the end is any end."""
    folded = [word.casefold() for word in words]
    return any(covers(pattern.casefold(), word) for pattern in patterns for word in folded)


def covers(pattern: str, word: str) -> bool:
    """Whether a pattern means a word: the same, or its beginning where the pattern ends in `*`."""
    return word.startswith(pattern[:-1]) if pattern.endswith("*") else word == pattern


def bound(rows: Sequence[Attachment], asked: Asked) -> frozenset[int]:
    """The numbers of the attachments that hold for a request."""
    return frozenset(number for number, row in enumerate(rows) if not row.unmet(asked))


def names(rows: Iterable[Attachment]) -> list[str]:
    """The names that a request may ask for by header."""
    return sorted({row.header for row in rows if row.header})


def foreseen(rows: Sequence[Attachment], more_tenants: Iterable[str] = ()) -> Iterator[Asked]:
    """Requests that will come, one for each that is told apart: every condition met, none, and nothing known."""
    tenants = [*_samples([*(row.tenants for row in rows), more_tenants]), "default"]
    paths = [(path,) for path in _samples(row.paths for row in rows)]
    models = [*((model,) for model in _samples(row.models for row in rows)), None]
    asked = [(), *((name,) for name in names(rows))]
    keys = [*((key,) for key in _samples(row.keys for row in rows)), None]
    return (Asked(*each) for each in product(tenants, paths, models, asked, keys))


def _samples(patterns: Iterable[Iterable[str]]) -> list[str]:
    """A word for each pattern, and one that none of them means."""
    return ["\N{REPLACEMENT CHARACTER}", *dict.fromkeys(p.removesuffix("*") for row in patterns for p in row)]
