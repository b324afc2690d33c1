"""Cases that travel with a policy (`tests`): what must become of a text, a body or a destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from guard.kinds import MODERATION
from guard.policy import fields
from guard.policy.fields import Node
from guard.policy.rules import ActionWord, wrong

SUBJECTS = ("input", "output", "logs", "body", "destination")
"""What a case is about; each case has one of them."""

Category = Annotated[str, fields.one_of(MODERATION, "moderation category"), fields.enum(MODERATION)]
Score = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(min_length=1, max_length=20_000)]


class Expect(Node):
    """What must come out; what is left out is not compared."""

    action: ActionWord | None = Field(default=None, description="what is done: allow, flag, redact or block")
    kinds: tuple[str, ...] | None = Field(
        default=None, description="exactly the kinds on which a rule acts, in any order; [] for none"
    )
    text: str | None = Field(default=None, description="the text that goes on")
    texts: Mapping[str, str] | None = Field(
        default=None, description="of a body: path to new text, exactly the texts that change"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Expect:
        if not self.model_fields_set:
            raise wrong("expects nothing: write an action, kinds or the text that goes on")
        return self


class Case(Node):
    """One case: a text, a body or a destination, and what must become of it."""

    name: fields.Line = Field(default="", description="what the case shows")
    input: Text | None = Field(default=None, description="a text toward the model")
    output: Text | None = Field(default=None, description="a text toward the caller")
    logs: Text | None = Field(default=None, description="a log line")
    body: Mapping[str, Any] | None = Field(
        default=None, description="a whole request, as its endpoint takes it"
    )
    destination: str | None = Field(
        default=None, min_length=1, max_length=500, description="a base URL that a model call would go to"
    )
    endpoint: Literal["chat", "responses", "completions", "embeddings"] = Field(
        default="chat", description="the endpoint of the body"
    )
    tenant: fields.Line = Field(
        default="default", min_length=1, description="whose lists and attached policies hold"
    )
    key: fields.CalledKey = Field(
        default="", description="name or id of the virtual key that it comes by; left out: not known"
    )
    model: fields.Line = Field(
        default="", description="the model that a text is for, where policies are attached to models"
    )
    to: str = Field(default="", max_length=500, description="the base URL that the input or body would go to")
    scores: Mapping[Category, Score] = Field(
        default={}, description="what the judge says of the output, by category; what is left out is 0"
    )
    expect: Expect = Field(description="what must come out")

    @model_validator(mode="after")
    def _is_about_one_thing(self) -> Case:
        given = [name for name in SUBJECTS if getattr(self, name) is not None]
        if len(given) != 1:
            raise wrong(f"is about {' and '.join(given) or 'nothing'}: write one of {', '.join(SUBJECTS)}")
        self._check_details(given[0])
        return self

    def _check_details(self, subject: str) -> None:
        if self.scores and subject != "output":
            raise wrong("`scores` go with an output: take them out")
        if self.model and subject in ("logs", "body"):
            raise wrong(f"`model` goes with a text: {_UNMODELLED[subject]}")
        if self.to and subject not in ("input", "body"):
            raise wrong("`to` goes with an input or a body: take it out")
        if self.endpoint != "chat" and subject != "body":
            raise wrong("`endpoint` goes with a body: take it out")
        if self.expect.text is not None and subject in ("body", "destination"):
            raise wrong(f"`expect.text` goes with a text: a {subject} has {_INSTEAD[subject]}")
        if self.expect.texts is not None and subject != "body":
            raise wrong("`expect.texts` goes with a body: write expect.text")

    @property
    def subject(self) -> str:
        """What the case is about: input, output, logs, body or destination."""
        return next(name for name in SUBJECTS if getattr(self, name) is not None)


_UNMODELLED = {"logs": "a log line is for none", "body": "a body names its own"}
_INSTEAD = {"body": "expect.texts", "destination": "an action and kinds only"}


class CaseFile(Node):
    """A file of cases beside a policy."""

    tests: tuple[Case, ...] = Field(min_length=1, description="cases")


@dataclass(frozen=True)
class Placed:
    """A case and where it is written, as `file:line`."""

    case: Case
    origin: str


def beside(path: Path) -> Path:
    """Where the cases of a policy file stand if not in it: `acme.tests.yaml` beside `acme.yaml`."""
    return path.with_name(f"{path.stem}.tests.yaml")
