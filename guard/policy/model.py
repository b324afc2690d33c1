"""A policy as a frozen tree: attribute names are the keys of the YAML; the JSON Schema comes from here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from guard.kinds import MODERATION
from guard.policy import fields, names
from guard.policy.attach import Attachment
from guard.policy.cases import Case
from guard.policy.custom import Custom
from guard.policy.digest import digest
from guard.policy.fields import Node
from guard.policy.labels import DIALECTS, Dialect, dialect_of, table
from guard.policy.lists import TermList
from guard.policy.providers import Providers
from guard.policy.rules import Mode, wrong
from guard.policy.traffic import Traffic
from guard.policy.waivers import ExceptionRow, Waiver, waived


class Input(Node):
    """Text toward the model."""

    rules: fields.Rules = Field(default={}, description="kind pattern to rule")


HOLDS = ("full", "window", "none")
"""What a stream can hold back until it is judged, the most first."""


class Stream(Node):
    """How a streamed answer is cut into windows for the judge, in estimated tokens."""

    first: int = Field(
        default=12, ge=1, le=4096, description="size of the first window; it doubles up to step"
    )
    step: int = Field(default=96, ge=1, le=4096, description="size of the later windows")
    context: int = Field(
        default=24, ge=0, le=4096, description="how much text before a window is judged with it"
    )
    hold: Literal["window", "full", "none"] = Field(
        default="window",
        description="what is held back until it is judged: a window, the full answer, or none",
    )

    at_least: Literal["window", "full", "none"] = Field(
        default="none", description="the least hold that a policy which extends this one may choose"
    )

    @model_validator(mode="after")
    def _grows(self) -> Stream:
        if self.first > self.step:
            raise wrong("first is larger than step: write a first of at most step")
        return self

    @model_validator(mode="after")
    def _holds_enough(self) -> Stream:
        if HOLDS.index(self.hold) > HOLDS.index(self.at_least):
            raise wrong(
                f"hold: {self.hold} releases text that at_least: {self.at_least} holds back:"
                f" write hold: {self.at_least}"
            )
        return self


class Output(Node):
    """Text toward the caller."""

    rules: fields.Rules = Field(default={}, description="kind pattern to rule")
    stream: Stream = Field(default=Stream(), description="windows of streamed answers")
    tools: tuple[fields.ToolName, ...] = Field(
        default=("*",),
        description='tools that the model may call, by name; any other call is guard.tool; "*": all',
    )


class Restore(Node):
    """Where originals come back beside what is said to people."""

    tools: tuple[fields.ToolName, ...] = Field(
        default=(),
        description='tools into whose arguments originals may be put, by name; "*" for all',
    )
    hint: bool = Field(
        default=False, description="tell the model in one line to leave placeholders as they are"
    )


class Messages(Node):
    """What a refused person reads: printed as it stands, never a template; empty: guard's own sentence."""

    input: fields.Message = Field(default="", description="for a refused request")
    output: fields.Message = Field(default="", description="in place of a blocked answer")
    self_harm: fields.Message = Field(
        default="", alias="self-harm", description="in place of an answer blocked for self-harm"
    )


class Logs(Node):
    """Log lines of the application."""

    rules: fields.Rules = Field(default={}, description="kind pattern to rule; a log line is never blocked")
    locale: tuple[fields.Locale, ...] = Field(
        default=("en_US", "zh_CN"), min_length=1, description="locales of faker placeholders"
    )


class Kept(Node):
    """Where a request may go in which something was found."""

    jurisdictions: fields.Places = Field(
        description="the places inside which the destination must lie whole, for such a request"
    )


class EgressProxy(Node):
    """The proxy through which what is outside one's own network is reached."""

    url: fields.ProxyUrl = Field(
        default="", description="such as http://proxy.example.org:3128; its password is GUARD_PROXY_AUTH"
    )
    except_: tuple[fields.Host, ...] = Field(
        default=(), alias="except", description="hosts to reach directly, beside what is internal by its name"
    )

    @model_validator(mode="after")
    def _leads_somewhere(self) -> EgressProxy:
        if self.except_ and not self.url:
            raise wrong("except has no proxy that it is an exception of: write url, or take it out")
        return self


class Egress(Node):
    """Where any connection may go."""

    jurisdictions: fields.Jurisdictions = Field(
        default=None, description="any, or the places inside which a destination must lie whole"
    )
    hosts: Mapping[fields.Host, fields.DeclaredPlace] = Field(
        default={}, description="own hosts: host pattern to {processing: [..], storage: [..]}"
    )
    mode: Mode = Field(
        default="enforce", description="observe: record what would be refused, and connect all the same"
    )
    rules: Mapping[str, Kept] = Field(
        default={}, description="what was found decides where: kind pattern to {jurisdictions: [CN]}"
    )
    proxy: EgressProxy = Field(
        default=EgressProxy(),
        description="the proxy to go through: {url: ..., except: [..]}; else none is used",
    )

    @property
    def restricts(self) -> bool:
        """Whether a named destination may be outside."""
        return self.jurisdictions is not None or bool(self.rules)


class Presidio(Node):
    """Presidio's pattern recognizers and NER engines beside the catalogue, in worker processes."""

    recognizers: tuple[fields.PresidioRecognizer, ...] = Field(
        default=(), description="class names of Presidio's predefined recognizers"
    )
    engine: fields.Engine = Field(
        default="none", description="NER engine whose library and model are installed, or none"
    )
    model: fields.Models = Field(
        default="",
        description="its model (a name or a folder), or language to model; empty: Presidio's default",
    )
    deadline_ms: int = Field(
        default=1000,
        ge=10,
        le=60000,
        description="deadline of each 16,384 characters; after it guard.unavailable.presidio",
    )

    @model_validator(mode="after")
    def _is_loaded_by_an_engine(self) -> Presidio:
        if self.model and self.engine == "none":
            raise wrong(
                "model has no engine that loads it: write engine: spacy, stanza, transformers or gliner"
            )
        return self

    @property
    def models(self) -> tuple[tuple[str, str], ...]:
        """Language and model of the engine; a model that names no language is of its engine's usual one."""
        if isinstance(self.model, str):
            model = self.model or names.ENGINES.get(self.engine, "")
            return ((names.language_of(self.engine, model), model),) if model else ()
        return tuple(self.model.items())


class Recognizers(Node):
    """What is looked for."""

    countries: fields.Countries = Field(
        default=("CN", "HK", "TW", "MO", "US", "GB", "EU"),
        description="whose national numbers and phone numbers without + are looked for, or all",
    )
    names: fields.NamesBy = Field(
        default="off", description="people, places, organisations, addresses: gazetteer or off"
    )
    presidio: Presidio = Field(default=Presidio(), description="Presidio's recognizers by name")
    except_: tuple[Literal["reserved", "private"], ...] = Field(
        default=("reserved", "private"),
        alias="except",
        description="values that are nobody's: example.com and RFC 5737; loopback and RFC 1918",
    )
    custom: tuple[Custom, ...] = Field(default=(), description="own recognizers, with their own test strings")
    lists: tuple[TermList, ...] = Field(
        default=(), description="terms that are findings (deny) or that are none (allow), by tenant"
    )

    @model_validator(mode="after")
    def _has_one_of_each_name(self) -> Recognizers:
        if twice := _twice(custom.name for custom in self.custom):
            raise wrong(f"custom has two recognizers of the name {twice}: rename one")
        if twice := _twice(terms.name for terms in self.lists):
            raise wrong(f"lists has two lists of the name {twice}: rename one")
        return self


def _twice(names: Iterable[str]) -> str:
    """The first name that stands twice, if any."""
    return next((name for name, count in Counter(names).items() if count > 1), "")


class Moderation(Node):
    """Who judges answers."""

    by: fields.Judge = Field(
        default="openai",
        description="openai (or whoever has its moderation API), inline (with the answer), guard-model, or off",
    )
    url: fields.BaseUrl = Field(
        default="", description="base URL of the moderation API or guard model; empty: the upstream's"
    )
    model: str = Field(
        default="omni-moderation-latest", min_length=1, max_length=100, description="moderation model"
    )
    timeout_s: float = Field(
        default=5.0, gt=0, le=60, description="deadline; after it guard.unavailable.moderation"
    )
    cache_s: int = Field(default=300, ge=0, le=86400, description="how long the scores of a text are kept")
    dialect: Dialect | Literal[""] = Field(
        default="", description="how a guard model answers; empty: as its model's name tells"
    )
    labels: Mapping[fields.Label, fields.LabelKinds] = Field(
        default={},
        description="labels of a guard model to kinds, over those of its dialect; [] is not acted on",
    )

    @model_validator(mode="after")
    def _answers_somehow(self) -> Moderation:
        if self.by == "guard-model" and self.speaks is None:
            raise wrong(
                f"{self.model} is no guard model by its name: write model: Qwen/Qwen3Guard-Gen-4B, or the dialect of"
                f" yours: {', '.join(DIALECTS)}"
            )
        if self.by != "guard-model" and (self.dialect or self.labels):
            raise wrong("dialect and labels are a guard model's: write by: guard-model, or take them out")
        return self

    @property
    def speaks(self) -> Dialect | None:
        """The dialect of the guard model, written or told by its name."""
        return self.dialect or dialect_of(self.model)

    @cached_property
    def categories(self) -> frozenset[str]:
        """The categories that the judge gives scores for."""
        if self.by != "guard-model" or self.speaks is None:
            return frozenset(MODERATION)
        return frozenset(c for found in table(self.speaks, self.labels).values() for c in found)


class Subjects(Node):
    """The keyed hashes by which the record knows whom a found value is about."""

    period: fields.SubjectPeriod = Field(
        default="year",
        description="how long one key serves, month, quarter or year (UTC): hashes join within it, and no further",
    )


class Trace(Node):
    """What is recorded."""

    content: fields.Content = Field(default="none", description="text in traces: none or encrypted")
    auditor_key: fields.AuditorKey = Field(
        default="", description="with content: encrypted: the public key of whom the texts are for"
    )
    what: Literal["redacted", "original"] = Field(
        default="redacted", description="with content: encrypted: which texts are kept"
    )
    export: Literal["files"] = Field(default="files", description="where the record is written: files")
    subjects: Subjects = Field(default=Subjects(), description="keyed hashes of persons")
    keep: fields.Period = Field(
        default="", description="how long the record is kept: `guard audit retain` deletes what is older"
    )
    at_least: fields.Period = Field(
        default="", description="the least that any policy which extends this one may keep"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Trace:
        if self.content == "encrypted" and not self.auditor_key:
            raise wrong("content: encrypted needs a reader: write auditor_key (guard audit keygen makes one)")
        if self.keep and fields.days(self.keep) < fields.days(self.at_least):
            raise wrong(
                f"keep: {self.keep} is less than at_least: {self.at_least}: write keep: {self.at_least}, or longer"
            )
        return self


class Endpoints(Node):
    """Endpoints of the model API that guard does not screen."""

    allow: tuple[fields.Endpoint, ...] = Field(
        default=(), description="endpoints that pass unscreened; others are guard.opaque.endpoint"
    )


class RouteExcept(Node):
    """What of an own endpoint's bodies is not read."""

    input: tuple[fields.Part, ...] = Field(default=(), description="paths in the request")
    output: tuple[fields.Part, ...] = Field(default=(), description="paths in the answer")


class Route(Node):
    """Where text stands in the bodies of an own endpoint; without paths: everywhere, in both directions."""

    input: tuple[fields.Selector, ...] = Field(default=(), description='paths in the request, or "*"')
    output: tuple[fields.Selector, ...] = Field(default=(), description='paths in the answer, or "*"')
    except_: RouteExcept = Field(
        default=RouteExcept(), alias="except", description="paths below these not to read"
    )

    @property
    def inward(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The paths of the request that are read, and those that are not."""
        return self.input or self._unsaid, self.except_.input

    @property
    def outward(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The paths of the answer that are read, and those that are not."""
        return self.output or self._unsaid, self.except_.output

    @property
    def _unsaid(self) -> tuple[str, ...]:
        return () if self.input or self.output else ("$",)

    @model_validator(mode="after")
    def _excepts_from_something(self) -> Route:
        for name, (read, left) in {"input": self.inward, "output": self.outward}.items():
            if left and not read:
                raise wrong(
                    f'except.{name} has no effect, since {name} names no text: write {name}: ["*"], or take it out'
                )
        return self


class BreakGlass(Node):
    """What an emergency does not change."""

    never: tuple[fields.Line, ...] = Field(
        default=("moderation.sexual/minors",),
        description="kinds that `guard break-glass` refuses, beside egress.* and guard.unavailable.record",
    )


class Policy(Node):
    """What is allowed: a resolved policy, of which every rule knows its file and line."""

    policy: fields.Name = Field(default="", description="the policy's name; the file's name if left out")
    version: fields.Line = Field(default="", description="the officer's version, in quotes")
    extends: tuple[fields.Line, ...] = Field(
        default=(), description="packs or files; among them the stricter wins"
    )
    mode: Mode = Field(
        default="enforce",
        description="observe: decide and record, change nothing (egress and logs stay enforced)",
    )
    owner: fields.Line = Field(default="", description="who answers for the policy")
    approved_by: fields.Line = Field(default="", description="who approved it")
    effective: fields.Date = Field(default="", description="since when it holds")
    review_by: fields.Date = Field(default="", description="when it must be looked at again")
    input: Input = Field(default=Input(), description="text toward the model")
    output: Output = Field(default=Output(), description="text toward the caller")
    restore: Restore = Field(
        default=Restore(), description="where originals come back, beside answers to people"
    )
    messages: Messages = Field(default=Messages(), description="what a refused person reads")
    logs: Logs = Field(default=Logs(), description="log lines")
    egress: Egress = Field(default=Egress(), description="where connections may go")
    recognizers: Recognizers = Field(default=Recognizers(), description="what is looked for")
    moderation: Moderation = Field(default=Moderation(), description="who judges answers")
    legacy: Literal["refuse", "translate", "pass"] = Field(
        default="refuse", description="requests in the API's old style: refuse, translate, or pass"
    )
    providers: Providers = Field(
        default={}, description="providers by name, beside the upstream: NAME to {api, url, key, models}"
    )
    traffic: Traffic = Field(default=Traffic(), description="what surrounds a model call")
    trace: Trace = Field(default=Trace(), description="what is recorded")
    endpoints: Endpoints = Field(default=Endpoints(), description="endpoints that pass unscreened")
    routes: Mapping[fields.RouteKey, Route] = Field(
        default={}, description='own endpoints: "POST /ask" to {input: [$.question], output: [$.answer]}'
    )
    attach: tuple[Attachment, ...] = Field(
        default=(), max_length=100, description="further policies for some requests; they can only tighten"
    )
    exceptions: tuple[ExceptionRow, ...] = Field(
        default=(), max_length=100, description="rules that flag instead of acting, for a tenant, until a day"
    )
    break_glass: BreakGlass = Field(default=BreakGlass(), description="what `guard break-glass` may not open")
    tests: tuple[Case, ...] = Field(
        default=(), max_length=1000, description="cases that `guard policy test` runs; never inherited"
    )

    # What holds for one request instead of some rules; the digest is that of the policy as it was approved.
    _waivers: tuple[Waiver, ...] = PrivateAttr(default=())

    @cached_property
    def waivers(self) -> tuple[Waiver, ...]:
        """The exceptions that hold for the request that this is the policy of."""
        return self._waivers

    def waive(self, waivers: Sequence[Waiver]) -> Policy:
        """The policy under waivers: what they cover is flagged and goes on. Its digest stays that of this policy."""
        made = self
        for waiver in waivers:
            for stage in waiver.stages:
                node = getattr(made, stage)
                rules = waived(node.rules, waiver)
                made = made.model_copy(update={stage: node.model_copy(update={"rules": rules})})
        return made.standing_for(self, (*self._waivers, *waivers))

    def standing_for(self, approved: Policy, waivers: Sequence[Waiver]) -> Policy:
        """The same, under waivers, by the digest of the policy that was approved."""
        made = self.model_copy()
        made.__dict__["sha256"] = approved.sha256
        made._waivers = tuple(waivers)
        made.__dict__["waivers"] = made._waivers
        return made

    @property
    def own_kinds(self) -> frozenset[str]:
        """The kinds of its own recognizers and deny lists."""
        lists = (terms.deny for terms in self.recognizers.lists if terms.deny)
        return frozenset((*(custom.kind for custom in self.recognizers.custom), *lists))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of what the policy means, as hex: the same for every layout of the same meaning."""
        return digest(self)

    @cached_property
    def compiled(self) -> dict[str, Any]:
        """What `decide` compiled of the policy, by stage."""
        return {}

    def __hash__(self) -> int:
        return hash(self.sha256)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Policy:
        """Copy the policy with changed values; what was compiled and digested is not copied."""
        copied = super().model_copy(update=update, deep=deep)
        for derived in ("sha256", "compiled", "waivers"):
            copied.__dict__.pop(derived, None)
        return copied
