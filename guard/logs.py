"""Floor 6, log redaction from a policy: the `logs` rules, compiled into a logging filter and a structlog processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from guard.detecting import acting_lists, scanner_args
from guard.keyring import load_keys
from guard.keys import Keys
from guard.pii import fakes
from guard.pii.resolve import resolve
from guard.pii.scan import Scanner
from guard.policy.decide import decide, wanted
from guard.policy.lists import TermList
from guard.policy.load import load_policy
from guard.policy.model import Policy
from guard.services import logs
from guard.services.detection import Own, OwnPatterns
from guard.services.lists import Lists
from guard.settings import Settings
from guard.types import Decision, Finding, Stage


def redactor(
    policy: str | Path | Policy = "default", settings: Settings | None = None, *, keys: Keys | None = None
) -> logs.LogRedactor:
    """Make the redactor of a policy's `logs` rules; it runs in-process, without workers."""
    loaded = load_policy(policy)
    fakes.warm(loaded.logs.locale)
    kinds = wanted(loaded, Stage.LOGS)
    scanner = Scanner(**scanner_args(loaded, kinds))
    own = OwnPatterns(
        Own(row.name, row.pattern, row.kind, row.score)
        for row in loaded.recognizers.custom
        if row.kind in kinds
    )
    lists = Lists(_for_lines(acting_lists(loaded, kinds))).of("")

    def detect(text: str) -> list[Finding]:
        return lists.spared(text, resolve(scanner.everything(text) + own.find(text) + lists.denied(text)))

    def decisions(findings: list[Finding]) -> tuple[Decision, ...]:
        return decide(loaded, Stage.LOGS, findings).decisions

    found = keys or load_keys(settings or Settings())
    return logs.LogRedactor(detect, decisions, found, loaded.logs.locale)


def _for_lines(lists: list[TermList]) -> list[TermList]:
    """Every deny list, and the allow lists that hold for all: a line does not say whose it is."""
    everyone = [terms for terms in lists if terms.deny or not terms.tenants]
    return [terms.model_copy(update={"tenants": ()}) for terms in everyone]


def install_log_redaction(policy: str | Path | Policy = "default", settings: Settings | None = None) -> None:
    """Keep originals out of every log record of this process, uvicorn's access log included."""
    logs.install_log_redaction(redactor(policy, settings))


def structlog_processor(policy: str | Path | Policy = "default", settings: Settings | None = None) -> Any:
    """Make a structlog processor that puts Faker placeholders in place of personal data."""
    return logs.structlog_processor(redactor(policy, settings))
