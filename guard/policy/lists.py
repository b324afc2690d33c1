"""Deny lists and allow lists of a policy: terms written in it or in a file beside it. No error quotes a term."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetPydanticSchema, model_validator
from pydantic_core import CoreSchema, core_schema

from guard.policy.custom import own_kind
from guard.policy.fields import Line, Name, Node
from guard.policy.rules import wrong
from guard.policy.source import place

MAX_TERMS = 100_000
MAX_TERM = 256
_MAX_BYTES = 32 << 20
_FOLDER = "folder"


def beside(path: Path) -> dict[str, Any]:
    """Say, as the context of a validation, from where the paths of a policy file are meant."""
    return {_FOLDER: path.parent}


@dataclass(frozen=True)
class TermFile:
    """A file of terms as it was read: one a line, without comments; the path of an empty one is empty."""

    path: str = ""
    terms: tuple[str, ...] = field(default=(), repr=False)


def _term_file(value: Any, read: Callable[[Any], str], info: core_schema.ValidationInfo) -> TermFile:
    if isinstance(value, TermFile):
        return value
    written = read(value)
    if not written:
        return TermFile()
    path = place(Path((info.context or {}).get(_FOLDER, "")), written).absolute()
    return TermFile(str(path), _terms_of(_text_of(path)))


def _text_of(path: Path) -> str:
    try:
        if not path.is_file():
            raise wrong("there is no such file: write its path from the policy file")
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise wrong(f"cannot be read ({error.strerror}): check its permissions") from None
    if len(data) > _MAX_BYTES:
        raise wrong(f"is over {_MAX_BYTES >> 20} MiB: split the list")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise wrong(f"is not UTF-8 in its line {line}: save it as UTF-8") from None


def _terms_of(text: str) -> tuple[str, ...]:
    lines = [line.strip() for line in text.split("\n")]
    long = next(
        (number for number, line in enumerate(lines, 1) if len(line) > MAX_TERM and line[0] != "#"), 0
    )
    if long:
        raise wrong(f"has a term that is too long in its line {long}: write at most {MAX_TERM} characters")
    terms = tuple(line for line in lines if line and line[0] != "#")
    if len(terms) > MAX_TERMS:
        raise wrong(f"has more than {MAX_TERMS} terms: split the list")
    return terms


_Path = Annotated[str, Field(max_length=4096)]


def _file_schema(_: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    write = core_schema.plain_serializer_function_ser_schema(lambda file: file.path)
    return core_schema.with_info_wrap_validator_function(
        _term_file, handler.generate_schema(_Path), serialization=write
    )


def _term(text: str) -> str:
    if not text.strip():
        raise wrong("is blank: write a term, or take it out")
    return text


def _kind(text: str) -> str:
    return text and own_kind(text)


Term = Annotated[str, AfterValidator(_term), Field(max_length=MAX_TERM)]


class TermList(Node):
    """One deny list or allow list, for all tenants or for some."""

    name: Name = Field(min_length=1, description="its name; findings have the source list:NAME")
    deny: Annotated[str, AfterValidator(_kind)] = Field(
        default="", description="the kind of its findings: pii.… or secret.…"
    )
    allow: bool = Field(default=False, description="true: a value that is one of the terms is no finding")
    terms: tuple[Term, ...] = Field(
        default=(), repr=False, description="the terms; case, width and accents make no difference"
    )
    file: Annotated[TermFile, GetPydanticSchema(_file_schema)] = Field(
        default=TermFile(),
        description="a file of more terms, its path from the policy file: UTF-8, one a line, # comments",
        json_schema_extra={"default": ""},
    )
    tenants: tuple[Line, ...] = Field(default=(), description="for whom it holds; empty: for all")

    @property
    def words(self) -> tuple[str, ...]:
        """All its terms."""
        return (*self.terms, *self.file.terms)

    @property
    def sha256(self) -> str:
        """SHA-256 of its terms as hex, whatever their order and wherever they are written."""
        return hashlib.sha256(json.dumps(sorted({word.strip() for word in self.words})).encode()).hexdigest()

    @model_validator(mode="after")
    def _says_one_thing(self) -> TermList:
        if self.deny and self.allow:
            raise wrong("says both deny and allow: make two lists of it")
        if not self.deny and not self.allow:
            raise wrong("says neither deny nor allow: write deny: pii.NAME (or secret.NAME), or allow: true")
        if not self.words:
            raise wrong("has no terms: write terms: [..] or file: PATH")
        if len(self.words) > MAX_TERMS:
            raise wrong(f"has more than {MAX_TERMS} terms: split the list")
        return self
