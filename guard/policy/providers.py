"""Providers by name: where each is, which API it speaks, which variable holds its key, which models are its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field, ValidationError, WithJsonSchema, model_validator
from pydantic_core import InitErrorDetails

from guard.policy import fields
from guard.policy.attach import covers
from guard.policy.fields import Node
from guard.policy.rules import wrong
from guard.policy.source import KeyPath


class Api(NamedTuple):
    """What is known of an API: its usual base URL, and the header in which it wants its key."""

    url: str
    header: str


APIS = {
    "openai": Api("https://api.openai.com/v1", "bearer"),
    "azure": Api("", "api-key"),
    "bedrock": Api("", "bearer"),
    "mistral": Api("https://api.mistral.ai/v1", "bearer"),
    "vllm": Api("http://127.0.0.1:8000/v1", "bearer"),
    "ollama": Api("http://127.0.0.1:11434/v1", "bearer"),
    "openai-compatible": Api("", "bearer"),
}
"""What providers speak, after their own documentation."""

_AZURE = "/openai/v1"
_EXAMPLES = {
    "azure": f"https://RESOURCE.openai.azure.com{_AZURE}",
    "bedrock": "https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1",
    "openai-compatible": "https://llm.example.org/v1",
}
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_VARIABLE = re.compile(r"(?:[A-Z][A-Z0-9_]{0,127})?")
_OF_THE_GATEWAY = "GUARD_UPSTREAM_KEY"


def _variable(text: str) -> str:
    """The name of a variable; what stands there instead may be a key, and is never repeated."""
    if not _VARIABLE.fullmatch(text):
        raise wrong(
            "is no name of a variable: write one such as MISTRAL_API_KEY, and the key into the environment or .env"
        )
    if text.startswith("GUARD_") and text != _OF_THE_GATEWAY:
        raise wrong("is a secret of guard's own, which no provider gets: write a variable of the provider's")
    return text


Variable = Annotated[
    str,
    AfterValidator(_variable),
    WithJsonSchema({"type": "string", "pattern": f"^{_VARIABLE.pattern}$"}),
]


class Provider(Node):
    """One provider of models; where its host is, the hosts table or `egress.hosts` says."""

    api: Literal["openai", "azure", "bedrock", "mistral", "vllm", "ollama", "openai-compatible"] = Field(
        default="openai-compatible", description="which API it speaks"
    )
    url: fields.BaseUrl = Field(
        default="", description="its base URL; empty: the usual one of openai, mistral, vllm and ollama"
    )
    key: Variable = Field(
        default="", description="the variable that holds its key, in the environment or .env; empty: no key"
    )
    header: Literal["", "bearer", "api-key", "x-api-key"] = Field(
        default="", description="the header for its key; empty: api-key for azure, else Authorization: Bearer"
    )
    models: tuple[fields.Prefix, ...] = Field(
        default=(), max_length=200, description="models that go to it without its name before them"
    )

    @model_validator(mode="after")
    def _is_somewhere(self) -> Provider:
        example = _EXAMPLES.get(self.api, "")
        if example and not self.url:
            raise wrong(f"has no url, and {self.api} has no usual one: write url: {example}")
        if self.api == "azure" and not self.url.rstrip("/").endswith(_AZURE):
            raise wrong(f"url is not that of Azure's v1 API: write url: {example}")
        return self

    @property
    def base(self) -> str:
        """Its base URL."""
        return (self.url or APIS[self.api].url).rstrip("/")

    @property
    def wants(self) -> str:
        """The header in which it wants its key."""
        return self.header or APIS[self.api].header


def problems(providers: Mapping[str, Provider]) -> Iterator[tuple[KeyPath, str]]:
    """Say of each name and model that could be read in two ways which those are, and what to write instead."""
    owners: dict[str, str] = {}
    for name, provider in providers.items():
        if not _NAME.fullmatch(name):
            yield (name,), "is no name for a provider: write lower-case letters, digits and dashes"
        for number, model in enumerate(provider.models):
            first, slash, rest = model.partition("/")
            if slash and first in providers:
                yield (
                    (name, "models", number),
                    f"{model} means the model {rest} of the provider {first}: rename that provider",
                )
            elif (owner := owners.setdefault(model, name)) != name:
                yield (
                    (name, "models", number),
                    f"{model} is listed by {owner}, too: take it out of one, which is then asked as {owner}/{model} or"
                    f" {name}/{model}",
                )


def _unambiguous(providers: Mapping[str, Provider]) -> Mapping[str, Provider]:
    found = [InitErrorDetails(type=wrong(text), loc=path, input=None) for path, text in problems(providers)]
    if found:
        raise ValidationError.from_exception_data("providers", found)
    return providers


Providers = Annotated[Mapping[str, Provider], AfterValidator(_unambiguous)]


def owner_of(providers: Mapping[str, Provider], model: str) -> tuple[str, str] | None:
    """The provider that a model is asked of, and what it calls it: `name/model`, else who lists it; None: nobody.

    Of those that list it the most exact pattern wins.
    """
    first, slash, rest = model.partition("/")
    if slash and rest and first in providers:
        return first, rest
    listed = {pattern: name for name, provider in providers.items() for pattern in provider.models}
    best = max((p for p in listed if covers(p, model)), key=_exactness, default=None)
    return None if best is None else (listed[best], model)


def called(providers: Mapping[str, Provider], model: str) -> str:
    """One name for a model, however it is written: `name/model` where a provider is asked for it."""
    owner = owner_of(providers, model) if providers else None
    return model if owner is None else f"{owner[0]}/{owner[1]}"


def _exactness(pattern: str) -> tuple[int, bool]:
    return len(pattern.removesuffix("*")), not pattern.endswith("*")
