"""The exceptions of guard. None of them ever quotes the text that was screened.

GuardError
├── PolicyError    a policy file is wrong: file:line:key: what is wrong: what to write instead
├── Refused        the rules said no; carries the verdict
├── BadRequest     a body that cannot be read: status 400, 413 or 415
├── Outage         the provider failed for good: status, code
├── SetupError     guard cannot start as configured
└── Unavailable    a check could not run
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guard.types import Verdict


class GuardError(Exception):
    """The base of every error that guard raises."""


class PolicyError(GuardError):
    """A policy file does not say what it must; the message starts with file:line:key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Refused(GuardError):
    """The policy refused; `code` is the kind that decided, `param` the place, `status` the HTTP status."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        param: str = "",
        status: int = 403,
        verdict: Verdict | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.status = status
        self.verdict = verdict


class BadRequest(GuardError):
    """A body that cannot be read as what it claims to be."""

    def __init__(self, status: int, code: str, message: str, *, param: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param


class Outage(GuardError):
    """The provider failed, and it was given up: `code` is `retries_exhausted` or `circuit_open`."""

    def __init__(self, code: str, message: str, *, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.retry_after_s = retry_after_s


class SetupError(GuardError):
    """guard cannot start as configured; the message says what to do."""


class Unavailable(GuardError):
    """A check could not run; `what` is the last part of its `guard.unavailable.<what>` kind."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"{what} is unavailable: {reason}")
        self.what = what
        self.reason = reason

    @property
    def kind(self) -> str:
        """The kind that the rule table decides."""
        return f"guard.unavailable.{self.what}"
