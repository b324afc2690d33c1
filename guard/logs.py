"""Floor 6, log redaction from a policy: the `logs` rules, compiled into a logging filter and a structlog processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from guard.build import load_keys, scanner_args
from guard.pii import fakes
from guard.pii.resolve import resolve
from guard.pii.scan import Scanner
from guard.policy.decide import decide, wanted
from guard.policy.load import load_policy
from guard.policy.model import Policy
from guard.services import logs
from guard.settings import Settings
from guard.types import Decision, Finding, Stage


def redactor(policy: str | Path | Policy = "default", settings: Settings | None = None) -> logs.LogRedactor:
    """Make the redactor of a policy's `logs` rules; it runs in-process, without workers."""
    loaded = load_policy(policy)
    fakes.warm(loaded.logs.locale)
    scanner = Scanner(**scanner_args(loaded, wanted(loaded, Stage.LOGS)))

    def detect(text: str) -> list[Finding]:
        return resolve(scanner.candidates(text))

    def decisions(findings: list[Finding]) -> tuple[Decision, ...]:
        return decide(loaded, Stage.LOGS, findings).decisions

    return logs.LogRedactor(detect, decisions, load_keys(settings or Settings()), loaded.logs.locale)


def install_log_redaction(policy: str | Path | Policy = "default", settings: Settings | None = None) -> None:
    """Keep originals out of every log record of this process, uvicorn's access log included."""
    logs.install_log_redaction(redactor(policy, settings))


def structlog_processor(policy: str | Path | Policy = "default", settings: Settings | None = None) -> Any:
    """Make a structlog processor that puts Faker placeholders in place of personal data."""
    return logs.structlog_processor(redactor(policy, settings))
