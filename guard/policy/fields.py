"""Types of policy values: each reads one value and says what to write instead of a wrong one."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, core_schema

from guard.kinds import LABELLED, MODERATION
from guard.policy import names
from guard.policy.rules import Rule, wrong
from guard.types import Place

_HOST = re.compile(r"(?:https?://)?(?:\*\.)?(?:[^\s/?#@:*\[\]A-Z]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")
_LANGUAGE = re.compile("[a-z]{2}")
_SECRET = re.compile(r"gk-[0-9a-f]{12}-|sk-", re.IGNORECASE)
_PREFIX = re.compile(r"[^\s*]{1,200}\*?|\*")
_NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9_.-]{0,63})?")
_ROUTE = re.compile(r"(?:GET|POST|PUT|PATCH|DELETE|\*) (?:/[^\s?#]*|\*)|\*")
_SELECTOR = re.compile(r"\$(?:\.\.\w+|\.\w+|\['[^']+'\]|\[\d+\]|\[\*\]|\.\*)+")
_TOOL = re.compile(r"[A-Za-z0-9_.:-]{1,128}|\*")
_URL = re.compile(r"(?:https?://[^\s/?#@]+(?:/[^\s?#]*)?)?")

_PROXY = re.compile(r"(?:http://(?:[^\s/?#@:\[\]A-Z]+|\[[0-9a-f:.]+\]):\d{1,5}/?)?")

_NOTHING = {"maxItems": 0, "maxProperties": 0, "maxLength": 0}


class Node(BaseModel):
    """A mapping of the policy file: frozen, without unknown keys, types as written."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


def one_of(known: Collection[str], what: str) -> AfterValidator:
    """Accept the known words only; any other is answered with the nearest."""

    def check(word: str) -> str:
        if word not in known:
            raise wrong(f"{word[:60]!r} is no {what}: {names.did_you_mean(word, known)}")
        return word

    return AfterValidator(check)


def enum(known: Collection[str]) -> WithJsonSchema:
    """Describe the known words to editors."""
    return WithJsonSchema({"type": "string", "enum": sorted(known)})


def _list_or(word: str, known: Collection[str]) -> WithJsonSchema:
    items = {"type": "array", "minItems": 1, "items": {"enum": sorted(known)}}
    return WithJsonSchema({"oneOf": [{"const": word}, items]})


def _shaped(pattern: re.Pattern[str], hint: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise wrong(f"cannot be read: {hint}")
        return text

    return AfterValidator(check)


def _or_word(word: str, hint: str) -> BeforeValidator:
    """Read a word that stands for "no list" as None, and refuse an empty list."""

    def read(value: Any) -> Any:
        if value == ():
            raise wrong(f"is an empty list: {hint}")
        if isinstance(value, str) and value != word:
            raise wrong(f"is no list: {hint}")
        return None if value == word else value

    return BeforeValidator(read)


def not_yet(*words: str) -> BeforeValidator:
    """Refuse words of the design whose effect is not built yet."""

    def check(word: Any) -> Any:
        if word in words:
            raise wrong(f"{word} is not built yet and would have no effect: take it out")
        return word

    return BeforeValidator(check)


def _unbuilt(value: Any) -> Any:
    if value not in ((), {}, ""):
        raise wrong("is not built yet and would have no effect: take it out")
    return value


Unbuilt = Annotated[
    Any,
    BeforeValidator(_unbuilt),
    WithJsonSchema({"description": "not built yet: refused unless empty", **_NOTHING}),
]
"""A key of the design whose effect is not built yet."""

_PERIOD = re.compile(r"([1-9]\d{0,4})([dw])|", re.ASCII)


def days(period: str) -> int:
    """How many days a period such as 400d or 26w has; an empty one has none."""
    found = _PERIOD.fullmatch(period)
    return int(found[1]) * (7 if found[2] == "w" else 1) if found and found[1] else 0


def _period(text: str) -> str:
    if not _PERIOD.fullmatch(text):
        raise wrong("is no period: write one such as 400d or 26w")
    return f"{days(text)}d" if text else ""


Period = Annotated[
    str, AfterValidator(_period), WithJsonSchema({"type": "string", "pattern": f"^(?:{_PERIOD.pattern})$"})
]
"""Whole days, as 400d; weeks are read as days, and nothing stands for no period."""

Rules = Mapping[str, Rule]
ToolName = Annotated[str, _shaped(_TOOL, 'write the name of a tool, such as send_mail, or "*" to mean all')]
Line = Annotated[str, Field(max_length=200)]
Name = Annotated[str, _shaped(_NAME, "write a short name of letters, digits, dots and dashes")]
Prefix = Annotated[str, _shaped(_PREFIX, "write it in full, or its beginning and *, such as gpt-*")]


def _key_name(text: str) -> str:
    if _SECRET.match(text):
        raise wrong("is a key itself, which no file should hold: write its name or its id (guard keys list)")
    return text


KeyName = Annotated[
    str,
    AfterValidator(_key_name),
    _shaped(_PREFIX, "write it in full, or its beginning and *, such as partner-*"),
]
"""What virtual keys are called: a name or an id, or the beginning of some."""

CalledKey = Annotated[str, AfterValidator(_key_name), Field(max_length=200)]
"""What one virtual key is called; empty for none that is known."""

Host = Annotated[
    str,
    _shaped(_HOST, "write a host in lower case, such as llm.example.org, *.example.org or localhost:8000"),
]
BaseUrl = Annotated[
    str,
    _shaped(_URL, "write a base URL such as https://eu.api.openai.com/v1, without user, query or fragment"),
]


def _port(url: str) -> str:
    if url and not 0 < int(url.rstrip("/").rpartition(":")[2]) < 65536:
        raise wrong("has a port that does not exist: write one such as 3128")
    return url.rstrip("/")


ProxyUrl = Annotated[
    str,
    _shaped(
        _PROXY,
        "write an http URL with its port, such as http://proxy.example.org:3128, without user (GUARD_PROXY_AUTH)",
    ),
    AfterValidator(_port),
]
RouteKey = Annotated[str, _shaped(_ROUTE, 'write method and path, such as "POST /ask", or "*" to mean all')]
Jurisdiction = Annotated[
    str, one_of(names.JURISDICTIONS, "country or group of countries"), enum(names.JURISDICTIONS)
]
Jurisdictions = Annotated[
    tuple[Jurisdiction, ...] | None,
    _or_word("any", "write any, or places such as [EEA, CH]"),
    _list_or("any", names.JURISDICTIONS),
]


def _some(value: Any) -> Any:
    if value == ():
        raise wrong("is an empty list: name at least 1")
    return value


Places = Annotated[tuple[Jurisdiction, ...], BeforeValidator(_some)]
Country = Annotated[str, one_of(names.RECOGNIZER_COUNTRIES, "country code")]
Countries = Annotated[
    tuple[Country, ...] | None,
    _or_word("all", "write all, or codes such as [CN, US]"),
    _list_or("all", names.RECOGNIZER_COUNTRIES),
]
Locale = Annotated[str, one_of(names.LOCALES, "locale of fakes"), enum(names.LOCALES)]
Endpoint = Annotated[str, one_of(names.ENDPOINTS, "endpoint that can be allowed"), enum(names.ENDPOINTS)]
Stages = Literal["input", "output", "both"]
NamesBy = Literal["gazetteer", "off"]
Engine = Literal["none", "spacy", "stanza", "transformers", "gliner"]
Language = Annotated[
    str, _shaped(_LANGUAGE, "write a language code of two letters such as en or zh, or xx for all")
]
Judge = Literal["openai", "inline", "guard-model", "off"]
# SubjectPublicKeyInfo of an X25519 key (RFC 8410, section 4): 44 bytes.
_AUDITOR_KEY = re.compile(r"(?:MCowBQYDK2VuAyEA[A-Za-z0-9+/]{43}=)?", re.ASCII)
_PEM_LINES = re.compile(r"-----(?:BEGIN|END) PUBLIC KEY-----|\s", re.ASCII)


def _auditor_key(text: str) -> str:
    found = _PEM_LINES.sub("", text)
    if not _AUDITOR_KEY.fullmatch(found):
        raise wrong("is no public X25519 key: write the one that `guard audit keygen` prints, or its PEM")
    return found


AuditorKey = Annotated[str, AfterValidator(_auditor_key)]
"""The auditor's public key, in base64 or as PEM."""
SubjectPeriod = Literal["month", "quarter", "year"]
Content = Annotated[
    Literal["none", "encrypted"], not_yet("redacted", "full", "original", "original+redacted")
]


_Models = Mapping[Language, Annotated[str, Field(min_length=1, max_length=200)]]


def _models(value: Any, read: Callable[[Any], Any]) -> Any:
    return value if isinstance(value, str) and len(value) <= 200 else read(value)


def _models_schema(_: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    write = core_schema.plain_serializer_function_ser_schema(lambda v: v if isinstance(v, str) else dict(v))
    return core_schema.no_info_wrap_validator_function(
        _models, handler.generate_schema(_Models), serialization=write
    )


_MODEL_SCHEMA = {"type": "string", "maxLength": 200}
Models = Annotated[
    str | Mapping[str, str],
    GetPydanticSchema(_models_schema),
    WithJsonSchema({"oneOf": [_MODEL_SCHEMA, {"type": "object", "additionalProperties": _MODEL_SCHEMA}]}),
]
"""A model of an engine, or several by language."""


def _kinds(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


_JUDGED = frozenset(f"moderation.{category}" for category in (*MODERATION, *LABELLED))
JudgedKind = Annotated[str, one_of(_JUDGED, "kind that a judge finds"), enum(_JUDGED)]
Label = Annotated[str, Field(min_length=1, max_length=100)]
LabelKinds = Annotated[tuple[JudgedKind, ...], BeforeValidator(_kinds)]


AzureRegion = Annotated[str, one_of(names.AZURE_REGIONS, "region of Azure"), enum(names.AZURE_REGIONS)]
AzureType = Annotated[str, one_of(names.AZURE_TYPES, "type of deployment of Azure"), enum(names.AZURE_TYPES)]


class PlaceForm(Node):
    """Where a host processes and stores data, or an Azure resource's region and the types of its deployments."""

    processing: tuple[Jurisdiction, ...] = Field(
        default=(), min_length=1, description="where requests are processed"
    )
    storage: tuple[Jurisdiction, ...] = Field(default=(), min_length=1, description="where data is kept")
    region: AzureRegion = Field(default="", description="an Azure resource's region")
    deployments: Mapping[str, AzureType] = Field(
        default={}, description="its deployments by name, and the type of each, such as DataZoneStandard"
    )

    @model_validator(mode="after")
    def _is_one_form(self) -> PlaceForm:
        plain, azure = (self.processing, self.storage), (self.region, self.deployments)
        if not (all(plain) and not any(azure)) and not (self.region and not any(plain)):
            raise wrong(
                "does not say where it is: write {processing: [DE], storage: [DE]}, or for an Azure resource"
                " {region: swedencentral, deployments: {gpt-4o: DataZoneStandard}}"
            )
        return self

    def place(self) -> Place:
        """Read the form: what is at rest stays in the region, a deployment processes as its type says."""
        if not self.region:
            return Place(self.processing, self.storage)
        storage = (names.AZURE_REGIONS[self.region],)
        return Place(("UNKNOWN",), storage, self.region, tuple(self.deployments.items()))


_PLACE = ("processing", "storage")


def _place(value: Any, read: Callable[[Any], PlaceForm]) -> Place:
    if isinstance(value, Place):
        return value
    if isinstance(value, dict) and value and {*value} <= {*_PLACE}:
        missing = [
            InitErrorDetails(type="missing", loc=(key,), input=value) for key in _PLACE if key not in value
        ]
        if missing:
            raise ValidationError.from_exception_data("place", missing)
    return read(value).place()


def written_place(place: Place) -> dict[str, Any]:
    """A place as a policy file writes it."""
    if place.region:
        return {"region": place.region, "deployments": dict(place.deployments)}
    return {"processing": place.processing, "storage": place.storage}


def _place_schema(_: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    write = core_schema.plain_serializer_function_ser_schema(written_place)
    return core_schema.no_info_wrap_validator_function(
        _place, handler.generate_schema(PlaceForm), serialization=write
    )


DeclaredPlace = Annotated[Place, GetPydanticSchema(_place_schema)]


def _recognizer(name: str) -> str:
    if name in names.PRESIDIO_ENGINES:
        raise wrong(
            f"{name} needs a model or a service: name engine and model beside recognizers, or take it out"
        )
    if name not in names.PRESIDIO_RECOGNIZERS:
        hint = names.did_you_mean(name, names.PRESIDIO_RECOGNIZERS)
        raise wrong(f"{name[:60]!r} is no predefined recognizer of Presidio: {hint}")
    return name


PresidioRecognizer = Annotated[str, AfterValidator(_recognizer), enum(names.PRESIDIO_RECOGNIZERS)]


_TAG = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


_LONGEST = 2000


def _message(value: Any) -> Any:
    texts = value if isinstance(value, Mapping) else {"en": value}
    if not texts or not all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in texts):
        raise wrong("is no text by language: write {en: Please ask otherwise., zh: 请换一种问法。}")
    if not all(isinstance(text, str) for text in texts.values()):
        raise wrong("is no text: put it in quotes")
    if any(len(text) > _LONGEST for text in texts.values()):
        raise wrong(f"is too long: write at most {_LONGEST} characters")
    if isinstance(value, Mapping) and not all(texts.values()):
        raise wrong("has an empty text: write one for each language, or take the language out")
    return value


_TEXT = {"type": "string", "maxLength": _LONGEST}
_TEXTS = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {"pattern": f"^{_TAG.pattern}$"},
    "additionalProperties": {**_TEXT, "minLength": 1},
}
Message = Annotated[
    str | Mapping[str, str], PlainValidator(_message), WithJsonSchema({"oneOf": [_TEXT, _TEXTS]})
]
"""One text, or language tag to text; the first is said where none of the languages is asked for."""


def _selector(path: str) -> str:
    if path in ("*", "$"):
        return "$"
    if not _SELECTOR.fullmatch(path):
        raise wrong(
            "is no path: write one such as $.question, $['user-name'], $.items[*].text or $..text,"
            ' or "*" for all text'
        )
    return path


def _part(path: str) -> str:
    if _selector(path) == "$":
        raise wrong("would leave no text to read: name a part, such as $.id, or take the route out")
    return path


Selector = Annotated[str, AfterValidator(_selector)]
Part = Annotated[str, AfterValidator(_part)]


def _date(text: str) -> str:
    try:
        return text and datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise wrong("is no date: write one such as 2026-12-31") from None


Date = Annotated[str, AfterValidator(_date)]
