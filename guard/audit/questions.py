"""The auditor's named questions, as data: SQL over the views of audit.sql, with bound parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

from guard import residency
from guard.errors import GuardError

_HOSTS = resources.files("guard") / "data" / "hosts.json"
_GROUPS: tuple[str, ...] = tuple(json.loads(_HOSTS.read_text("utf-8"))["groups"])

_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class QueryError(GuardError):
    """A question cannot be answered as it was asked; the message says how to ask it."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a question: its text is read into the value that is bound; no default, no answer."""

    name: str
    about: str
    read: Callable[[str], Any] = str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A named question: what it answers, its SQL, and its parameters (`$name` in the SQL)."""

    name: str
    about: str
    sql: str
    parameters: tuple[Parameter, ...]


def moment(text: str) -> datetime:
    """Read `90m`, `24h`, `7d`, `2w` (ago) or an ISO date or time (UTC where it has no zone) as naive UTC."""
    try:
        found = _ago(text) or datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise QueryError(f"{text!r} is no time: write 7d, 24h, 2w or 2026-11-25T12:00") from error
    return (found.astimezone(UTC) if found.tzinfo else found).replace(tzinfo=None)


def _ago(text: str) -> datetime | None:
    ago = _AGO.fullmatch(text)
    return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])}) if ago else None


def inside(region: str) -> list[str]:
    """All names of places that lie inside a region, groups too: for EEA also EU, DE, NO …"""
    wanted = residency.countries(region)
    return sorted(wanted | {group for group in _GROUPS if residency.countries(group) <= wanted})


SINCE = Parameter("since", "from when on: 7d, 24h, or a date", moment, "1970-01-01")
UNTIL = Parameter("until", "until when: 7d, 24h, or a date", moment, "9999-01-01")
REGION = Parameter("region", "a country or group: EU, EEA, US, CN", inside)
RULE = Parameter("rule", "only this rule, as the policy writes it: pii.card", str, "")
TENANT = Parameter("tenant", "only this tenant", str, "")
SUBJECT = Parameter("subject", "the keyed hash of a value, as findings have it")
TRACE = Parameter("trace", "the trace id, as x-guard-trace gave it")

_WHEN = "start_ts >= $since AND start_ts < $until AND ($tenant = '' OR tenant = $tenant)"
_COMMON = (SINCE, UNTIL, TENANT)


def _question(name: str, about: str, sql: str, *parameters: Parameter) -> Question:
    return Question(name, about, sql.replace("{when}", _WHEN).strip(), (*parameters, *_COMMON))


_ALL = (
    _question(
        "left-region",
        "Which calls left a region, or cannot be shown to have stayed (moderation calls too)?",
        """
SELECT start_ts, tenant, user_hash, purpose, model, host, jurisdiction, outcome, bytes_forwarded, trace_id
FROM calls
WHERE outcome <> 'refused' AND {when}
  AND NOT list_has_all($region, string_split(coalesce(nullif(jurisdiction, ''), 'UNKNOWN'), '+'))
ORDER BY start_ts
""",
        REGION,
    ),
    _question(
        "blocked",
        "What was blocked, by which rule of which file?",
        """
SELECT start_ts, tenant, user_hash, stage, kind, rule, origin, path, count, policy, policy_version, trace_id
FROM findings
WHERE enforced = 'block' AND ($rule = '' OR rule = $rule) AND {when}
ORDER BY start_ts
""",
        RULE,
    ),
    _question(
        "failed-open",
        "Which checks could not run and let the text pass, as a policy allowed?",
        """
SELECT start_ts, tenant, stage, "check", policy, policy_version, trace_id
FROM checks
WHERE receipt = 'failed_open' AND {when}
ORDER BY start_ts
""",
    ),
    _question(
        "failed-closed",
        "Which checks could not run, so that the text was refused?",
        """
SELECT start_ts, tenant, stage, "check", policy, policy_version, trace_id
FROM checks
WHERE receipt = 'failed_closed' AND {when}
ORDER BY start_ts
""",
    ),
    _question(
        "unknown-outcome",
        "Which calls were begun and have no end on record?",
        """
SELECT start_ts, tenant, user_hash, mount, endpoint, host, jurisdiction, bytes_forwarded, trace_id, file
FROM calls
WHERE outcome = 'unknown' AND {when}
ORDER BY start_ts
""",
    ),
    _question(
        "without-intent",
        "Which calls have no record of intent before them?",
        """
SELECT start_ts, tenant, mount, endpoint, model, host, outcome, trace_id, file
FROM calls
WHERE NOT intent AND {when}
ORDER BY start_ts
""",
    ),
    _question(
        "findings-by-kind",
        "How much of each kind was found, and what was done about it?",
        """
SELECT stage, kind, action, enforced, sum(count) AS values, count(DISTINCT trace_id) AS exchanges
FROM findings
WHERE {when}
GROUP BY ALL
ORDER BY values DESC, stage, kind, action, enforced
""",
    ),
    _question(
        "who-used-which-model",
        "Who called which model, how often, with how many tokens?",
        """
SELECT tenant, user_hash, model, count(*) AS calls, sum(input_tokens) AS input_tokens,
  sum(output_tokens) AS output_tokens, min(start_ts) AS first, max(start_ts) AS last
FROM calls
WHERE purpose = 'model' AND outcome <> 'refused' AND {when}
GROUP BY tenant, user_hash, model
ORDER BY calls DESC, tenant, user_hash, model
""",
    ),
    _question(
        "subject",
        "What is on record about one person (by the keyed hash of a value)?",
        """
SELECT start_ts, tenant, user_hash, stage, kind, action, enforced, path, trace_id, file
FROM findings
WHERE list_contains(subjects, $subject) AND {when}
ORDER BY start_ts
""",
        SUBJECT,
    ),
    _question(
        "residency-refusals",
        "Which destinations were refused, and by which policy?",
        """
SELECT start_ts, tenant, user_hash, host, jurisdiction, residency_code AS code, policy, policy_version, trace_id
FROM decisions
WHERE residency_decision = 'refused' AND {when}
ORDER BY start_ts
""",
    ),
    _question(
        "policy-versions",
        "Which policy versions decided, from when to when?",
        """
SELECT policy, policy_version, policy_mode, policy_sha256, min(start_ts) AS first, max(start_ts) AS last,
  count(*) AS decisions
FROM decisions
WHERE policy_sha256 IS NOT NULL AND {when}
GROUP BY policy, policy_version, policy_mode, policy_sha256
ORDER BY first
""",
    ),
    _question(
        "unscreened-bytes",
        "Which bodies went out although nothing of them was screened, or detection did not run?",
        """
SELECT start_ts, tenant, user_hash, endpoint, host, attrs['guard.check.detect'] AS detect,
  coalesce(bytes_screened, 0) AS bytes_screened, bytes_forwarded, trace_id
FROM decisions
WHERE stage = 'input' AND bytes_forwarded > 0 AND {when}
  AND (coalesce(bytes_screened, 0) = 0 OR attrs['guard.check.detect'] IN ('skipped', 'failed_open'))
ORDER BY start_ts
""",
    ),
    _question(
        "latency",
        "How long did calls take (milliseconds)?",
        """
SELECT purpose, model, host, count(*) AS calls, round(quantile_cont(duration_ms, 0.5), 1) AS p50,
  round(quantile_cont(duration_ms, 0.95), 1) AS p95, round(quantile_cont(duration_ms, 0.99), 1) AS p99
FROM calls
WHERE duration_ms IS NOT NULL AND {when}
GROUP BY purpose, model, host
ORDER BY calls DESC, purpose, model, host
""",
    ),
    _question(
        "checks",
        "What became of each check?",
        """
SELECT stage, "check", receipt, count(*) AS times
FROM checks
WHERE {when}
GROUP BY ALL
ORDER BY ALL
""",
    ),
    _question(
        "exchange",
        "What happened in one trace, span by span?",
        """
SELECT start_ts, name, round(duration_ms, 1) AS ms, attrs['guard.stage'] AS stage,
  attrs['guard.action'] AS action, attrs['guard.enforced'] AS enforced, attrs['error.type'] AS error_type,
  coalesce(attrs['server.address'], attrs['guard.residency.host']) AS host, len(events) AS findings, file
FROM (SELECT *, attrs['guard.tenant'] AS tenant FROM spans)
WHERE trace_id = $trace AND {when}
ORDER BY start_ts
""",
        TRACE,
    ),
)

QUESTIONS: dict[str, Question] = {question.name: question for question in _ALL}
