"""The auditor's named questions, as data: SQL over the views of audit.sql, with bound parameters."""

from __future__ import annotations

from guard.audit.questions import (
    REGION,
    RULE,
    SENSITIVE,
    SINCE,
    SUBJECT,
    TENANT,
    TOP,
    TRACE,
    UNTIL,
    Parameter,
    Question,
)
from guard.trace.records import GOOD

_WHEN = "start_ts >= $since AND start_ts < $until AND ($tenant = '' OR tenant = $tenant)"
_COMMON = (SINCE, UNTIL, TENANT)


def _question(
    name: str,
    about: str,
    sql: str,
    *parameters: Parameter,
    only: tuple[str, ...] = (),
    traces: tuple[str, ...] = (),
) -> Question:
    return Question(name, about, sql.replace("{when}", _WHEN).strip(), (*parameters, *_COMMON), only, traces)


_ALL = (
    _question(
        "left-region",
        "Which calls left a region, or cannot be shown to have stayed (moderation calls too)?",
        """
SELECT start_ts, tenant, user_hash, purpose, model, host, jurisdiction, outcome, bytes_forwarded, trace_id
FROM calls
WHERE outcome <> 'refused' AND {when}
  AND list_has_all($region, string_split(jurisdiction, '+')) IS NOT TRUE
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
        only=("block",),
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
        only=("failed_open",),
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
        only=("failed_closed",),
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
        only=("$subject",),
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
        only=("refused",),
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
SELECT start_ts, tenant, user_hash, endpoint, host, detect,
  coalesce(bytes_screened, 0) AS bytes_screened, bytes_forwarded, trace_id
FROM decisions
WHERE stage = 'input' AND bytes_forwarded > 0 AND {when}
  AND (coalesce(bytes_screened, 0) = 0 OR detect IN ('skipped', 'failed_open'))
ORDER BY start_ts
""",
        only=("guard.bytes.forwarded",),
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
        only=("$trace",),
    ),
    _question(
        "transfers",
        "To which countries did personal data go in each year, and of how many persons (values) at most?",
        # PIPL and the CAC's provisions of 22 March 2024 count persons since 1 January. `sent`: values went out
        # as they were; `redacted`: only placeholders did. One person may have several values, and none of
        # these are beyond the first 64 of an event.
        """
WITH found AS (
  SELECT year, coalesce(nullif(jurisdiction, ''), 'UNKNOWN') AS country, enforced, kind, trace,
    unnest(subjects) AS subject
  FROM sent WHERE starts_with(kind, 'pii.') AND {when}
),
told AS (SELECT * FROM found WHERE subject NOT IN ('', 'erased')),
persons AS (
  SELECT year, country, bool_or(enforced IN ('allow', 'flag')) AS sent,
    bool_or(enforced IN ('allow', 'flag') AND regexp_full_match(kind, $sensitive)) AS sensitive,
    bool_or(enforced = 'redact') AS redacted
  FROM told GROUP BY year, country, subject
)
SELECT p.year, p.country, any_value(exchanges) AS exchanges, count(*) FILTER (sent) AS persons_sent,
  count(*) FILTER (sensitive) AS persons_sensitive_sent, count(*) FILTER (redacted) AS persons_redacted
FROM persons p
JOIN (SELECT year, country, count(DISTINCT trace) AS exchanges FROM told GROUP BY year, country) e
  ON e.year IS NOT DISTINCT FROM p.year AND e.country = p.country
GROUP BY p.year, p.country
ORDER BY p.year, p.country
""",
        SENSITIVE,
    ),
    _question(
        "recipients",
        "Who received calls: hosts, where they are, who says so, and how much (GDPR Art. 30(1)(d), (e))?",
        """
SELECT purpose, provider, host, jurisdiction, count(*) AS calls, sum(bytes_forwarded) AS bytes_forwarded,
  count(DISTINCT user_hash) AS users, min(start_ts) AS first, max(start_ts) AS last
FROM calls
WHERE outcome <> 'refused' AND {when}
GROUP BY purpose, provider, host, jurisdiction
ORDER BY calls DESC, purpose, provider, host, jurisdiction
""",
    ),
    _question(
        "data-categories",
        "Which categories of data were found in calls to whom, sent or redacted (GDPR Art. 30(1)(c))?",
        """
SELECT host, jurisdiction, kind, enforced, sum(count) AS values, count(DISTINCT trace) AS exchanges
FROM sent
WHERE {when}
GROUP BY host, jurisdiction, kind, enforced
ORDER BY values DESC, host, jurisdiction, kind, enforced
""",
    ),
    _question(
        "findings-by-day",
        "How much of each kind was found for each tenant on each day?",
        """
SELECT CAST(start_ts AS DATE) AS day, tenant, kind, sum(count) AS values, count(DISTINCT trace_id) AS exchanges,
  sum(count) FILTER (enforced = 'block') AS blocked, sum(count) FILTER (enforced = 'redact') AS redacted
FROM findings
WHERE {when}
GROUP BY day, tenant, kind
ORDER BY day, tenant, kind
""",
    ),
    _question(
        "blocked-by-rule",
        "How often did each rule block?",
        """
SELECT stage, rule, origin, kind, sum(count) AS values, count(DISTINCT trace_id) AS exchanges,
  min(start_ts) AS first, max(start_ts) AS last
FROM findings
WHERE enforced = 'block' AND ($rule = '' OR rule = $rule) AND {when}
GROUP BY stage, rule, origin, kind
ORDER BY exchanges DESC, stage, rule, origin, kind
""",
        RULE,
        only=("block",),
    ),
    _question(
        "observed-only",
        "What would the rules have done that was not done (mode: observe)?",
        """
SELECT stage, kind, rule, origin, action, enforced, sum(count) AS values, count(DISTINCT trace_id) AS exchanges
FROM findings
WHERE action <> enforced AND NOT regexp_matches(origin, ', (exception|break-glass) ') AND {when}
GROUP BY stage, kind, rule, origin, action, enforced
ORDER BY exchanges DESC, stage, kind, rule, origin, action, enforced
""",
    ),
    _question(
        "observe-report",
        "Had all rules been enforced: how many requests and answers of whom would have been refused or changed?",
        """
SELECT tenant, policy, policy_mode, stage, count(*) AS decisions,
  count(*) FILTER (action = 'block' AND enforced <> 'block') AS would_refuse,
  count(*) FILTER (action = 'redact' AND enforced <> 'redact') AS would_change,
  count(*) FILTER (enforced = 'block') AS refused, count(*) FILTER (enforced = 'redact') AS changed
FROM decisions
WHERE NOT waived AND {when}
GROUP BY tenant, policy, policy_mode, stage
ORDER BY would_refuse DESC, would_change DESC, tenant, policy, policy_mode, stage
""",
    ),
    _question(
        "waived",
        "What went on by an exception or by broken glass, for whom, and what would the rules have done?",
        """
SELECT start_ts, tenant, user_hash, stage, attrs['guard.waived'] AS waived, action, enforced, policy, policy_version,
  trace_id
FROM decisions
WHERE waived AND {when}
ORDER BY start_ts
""",
        only=("guard.waived",),
    ),
    _question(
        "policy-changes",
        "When was another policy, or another mode, loaded than before?",
        """
SELECT start_ts, policy, policy_version, policy_mode, policy_sha256, before_version, before_mode, before_sha256,
  file, seq
FROM (
  SELECT start_ts, tenant, file, seq, policy, policy_version, policy_mode, policy_sha256,
    lag(policy_version) OVER loaded AS before_version,
    lag(policy_mode) OVER loaded AS before_mode,
    lag(policy_sha256) OVER loaded AS before_sha256
  FROM (
    SELECT start_ts, tenant, file, seq, attrs['guard.policy.name'] AS policy,
      attrs['guard.policy.version'] AS policy_version, attrs['guard.policy.mode'] AS policy_mode,
      attrs['guard.policy.sha256'] AS policy_sha256
    FROM spans WHERE name = 'guard.policy.loaded'
  )
  WINDOW loaded AS (PARTITION BY policy ORDER BY start_ts, file, seq)
)
WHERE (policy_sha256, policy_mode) IS DISTINCT FROM (before_sha256, before_mode) AND {when}
ORDER BY start_ts
""",
        only=("guard.policy.loaded",),
    ),
    _question(
        "life",
        "When was guard started, stopped, given another policy or key; what was read, deleted, erased?",
        """
SELECT start_ts, name, attrs['guard.policy.name'] AS policy, attrs['guard.policy.version'] AS policy_version,
  attrs['guard.policy.mode'] AS policy_mode,
  coalesce(attrs['guard.audit.by'], attrs['guard.break_glass.by'], attrs['guard.reveal.by']) AS by,
  nullif(concat_ws(' ', attrs['guard.break_glass.kind'], attrs['guard.break_glass.ticket'],
    'until ' || attrs['guard.break_glass.until'], attrs['guard.client_key'], attrs['guard.client_key.name'],
    attrs['guard.alert.name'], attrs['guard.alert.state']), '') AS about,
  attrs['guard.version'] AS version, file, seq
FROM spans
WHERE starts_with(name, 'guard.') AND name <> 'guard.screen' AND {when}
ORDER BY start_ts
""",
    ),
    _question(
        "log-reads",
        "Who read or exported the record, and by which question?",
        """
SELECT start_ts, attrs['guard.audit.by'] AS by, attrs['guard.audit.verb'] AS verb,
  attrs['guard.audit.question'] AS question, attrs['guard.audit.form'] AS form, file, seq
FROM spans
WHERE name = 'guard.audit.read' AND {when}
ORDER BY start_ts
""",
        only=("guard.audit.read",),
    ),
    _question(
        "reveals",
        "Who opened sealed placeholders, why, and how many?",
        """
SELECT start_ts, attrs['guard.reveal.by'] AS by, attrs['guard.reveal.ticket'] AS ticket,
  TRY_CAST(attrs['guard.reveal.opened'] AS BIGINT) AS opened,
  TRY_CAST(attrs['guard.reveal.closed'] AS BIGINT) AS closed, file, seq
FROM spans
WHERE name = 'guard.reveal' AND {when}
ORDER BY start_ts
""",
        only=("guard.reveal",),
    ),
    _question(
        "gaps",
        "Which records are missing by their numbers (removed, torn, or in a file that is not here)?",
        """
WITH files AS (
  SELECT file, regexp_extract(file, '^traces-[0-9TZ]+-(.+)[.]jsonl$', 1) AS writer, min(seq) AS first,
    max(seq) AS last, count(DISTINCT seq) AS here, min(start_ts) AS start_ts
  FROM spans GROUP BY file
),
joined AS (
  SELECT *, coalesce(lag(last) OVER (PARTITION BY writer ORDER BY file), 0) AS before FROM files
)
SELECT start_ts, writer, file, before + 1 AS expected_from, first, last, first - before - 1 AS missing_before,
  last - first + 1 - here AS missing_inside
FROM joined
WHERE (first <> before + 1 OR last - first + 1 <> here) AND $tenant = ''
  AND start_ts >= $since AND start_ts < $until
ORDER BY writer, file
""",
    ),
    _question(
        "ended-badly",
        "Which processes have a start on record and no stop (killed, or still running)?",
        """
WITH life AS (
  SELECT regexp_extract(file, '^traces-[0-9TZ]+-(.+)[.]jsonl$', 1) AS writer, name, start_ts, tenant,
    attrs['guard.policy.name'] AS policy, attrs['guard.version'] AS version
  FROM spans WHERE name IN ('guard.start', 'guard.stop')
)
SELECT start_ts, writer, policy, version
FROM life
WHERE name = 'guard.start' AND writer NOT IN (SELECT writer FROM life WHERE name = 'guard.stop') AND {when}
ORDER BY start_ts
""",
        only=("guard.start", "guard.stop"),
    ),
    _question(
        "subject-access",
        "What is held about one person, in sum: kinds, what was done, who received it (GDPR Art. 15)?",
        """
SELECT f.tenant, f.stage, f.kind, f.enforced, c.host AS recipient, c.jurisdiction, count(*) AS findings,
  min(f.start_ts) AS first, max(f.start_ts) AS last
FROM findings f
LEFT JOIN (SELECT * FROM calls WHERE purpose = 'model' AND outcome <> 'refused') c
  ON c.trace_id = f.trace_id AND c.intent_span_id = f.span_id
WHERE list_contains(f.subjects, $subject)
  AND f.start_ts >= $since AND f.start_ts < $until AND ($tenant = '' OR f.tenant = $tenant)
GROUP BY ALL
ORDER BY ALL
""",
        SUBJECT,
        traces=("$subject",),
    ),
    _question(
        "cost",
        "What did calls cost, as far as they were priced (USD)?",
        """
SELECT tenant, model, count(*) AS calls, count(cost_usd) AS priced, round(sum(cost_usd), 6) AS usd,
  sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens
FROM calls
WHERE outcome <> 'refused' AND {when}
GROUP BY tenant, model
ORDER BY usd DESC NULLS LAST, calls DESC, tenant, model
""",
    ),
    _question(
        "cost-by-route",
        "What did each tenant's calls cost by route and model, with how many tokens, and what came of them?",
        # `outcomes` are what callers tagged (x-guard-outcome); `good` those of them that calls are made for.
        """
WITH asked AS (
  SELECT tenant, nullif(concat_ws(' ', mount, endpoint), '') AS route,
    coalesce(model, response_model) AS model, outcome, cost_usd, input_tokens, output_tokens, tag
  FROM calls
  WHERE purpose = 'model' AND outcome <> 'refused' AND endpoint NOT IN ('models', 'model') AND {when}
),
tags AS (
  SELECT tenant, route, model, string_agg(tag || ' ' || n, ', ' ORDER BY n DESC, tag) AS outcomes
  FROM (SELECT tenant, route, model, tag, count(*) AS n FROM asked WHERE tag IS NOT NULL GROUP BY ALL)
  GROUP BY ALL
),
sums AS (
  SELECT tenant, route, model, count(*) AS calls, count(cost_usd) AS priced, round(sum(cost_usd), 6) AS usd,
    sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
    count(*) FILTER (outcome = 'answered') AS answered, count(*) FILTER (outcome = 'blocked') AS blocked,
    count(*) FILTER (outcome IN ('failed', 'unknown')) AS failed,
    count(*) FILTER (tag IN ({good})) AS good
  FROM asked GROUP BY ALL
)
SELECT s.*, round(s.usd / nullif(s.good, 0), 6) AS usd_per_good, g.outcomes
FROM sums s LEFT JOIN tags g ON g.tenant IS NOT DISTINCT FROM s.tenant AND g.route IS NOT DISTINCT FROM s.route
  AND g.model IS NOT DISTINCT FROM s.model
ORDER BY usd DESC NULLS LAST, calls DESC, s.tenant, s.route, s.model
""".replace("{good}", ", ".join(f"'{word}'" for word in sorted(GOOD))),
    ),
    _question(
        "errors",
        "What failed, how often, since when?",
        """
SELECT purpose, outcome, error_type, host, count(*) AS calls, min(start_ts) AS first, max(start_ts) AS last
FROM calls
WHERE error_type IS NOT NULL AND {when}
GROUP BY purpose, outcome, error_type, host
ORDER BY calls DESC, purpose, outcome, error_type, host
""",
    ),
    _question(
        "slowest",
        "Which calls took longest?",
        """
SELECT start_ts, round(duration_ms, 1) AS ms, purpose, tenant, model, host, outcome, output_tokens, trace_id
FROM calls
WHERE duration_ms IS NOT NULL AND {when}
ORDER BY duration_ms DESC, trace_id
LIMIT $top
""",
        TOP,
    ),
    _question(
        "outcomes-by-day",
        "How many calls ended how on each day?",
        """
SELECT CAST(start_ts AS DATE) AS day, tenant, purpose, outcome, count(*) AS calls
FROM calls
WHERE {when}
GROUP BY day, tenant, purpose, outcome
ORDER BY day, tenant, purpose, outcome
""",
    ),
)

QUESTIONS: dict[str, Question] = {question.name: question for question in _ALL}
