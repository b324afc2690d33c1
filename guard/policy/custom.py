"""Own recognizers of a policy: RE2 patterns, linear by construction, with their own test strings."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any

import re2
from pydantic import AfterValidator, Field, model_validator

from guard.policy.fields import Name, Node
from guard.policy.rules import wrong

_KIND = re.compile(r"(?:pii|secret)(?:\.[a-z][a-z0-9_]*)+")
_MAX_MEM = 8 << 20
_PROBES = ("", "a", " 0-0 ", "\n", "中")  # where a pattern that needs no character shows it


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEM
    return options


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """Compile a pattern with RE2; raises re2.error for what cannot be matched in linear time."""
    return re2.compile(pattern, options=_options())


def _pattern(text: str) -> str:
    try:
        found = [compiled(text).search(probe) for probe in _PROBES]
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error.args[0])
        raise wrong(
            f"is no RE2 pattern ({reason[:80]}): write one without look-around and back-references"
        ) from None
    if any(match is not None and match.start() == match.end() for match in found):
        raise wrong("matches the empty text: let it need at least one character")
    return text


def own_kind(text: str) -> str:
    """Check that a text can be the kind of a policy's own; raises the error of a value."""
    if not _KIND.fullmatch(text):
        raise wrong(
            "is no kind of its own: write pii.NAME or secret.NAME in lower case, such as pii.acme.badge"
        )
    return text


class Custom(Node):
    """One recognizer of the policy's own."""

    name: Name = Field(min_length=1, description="its name; findings have the source custom:NAME")
    pattern: Annotated[str, AfterValidator(_pattern)] = Field(
        min_length=1, max_length=1000, description="RE2 syntax; the whole match is the finding"
    )
    kind: Annotated[str, AfterValidator(own_kind)] = Field(
        description="the kind of its findings: pii.… or secret.…"
    )
    score: float = Field(default=0.8, ge=0, le=1, description="the score of its findings")
    tests: tuple[str, ...] = Field(default=(), description="texts in which the pattern must find something")

    @model_validator(mode="after")
    def _finds_its_tests(self) -> Custom:
        for number, text in enumerate(self.tests):
            if compiled(self.pattern).search(text) is None:
                raise wrong(f"does not find its own tests[{number}]: mend the pattern or the test")
        return self
