"""What another policy would have done to the traffic on record: from kinds, scores and hosts, without any text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from guard import residency
from guard.audit.query import Table, bound, connect
from guard.audit.questions import SINCE, TENANT, UNTIL, Question
from guard.audit.whose import under
from guard.placement import Request, settle
from guard.policy.decide import kept, rule_for, wanted
from guard.policy.model import Policy
from guard.types import Action, Admission, Finding, Stage

_WORDS = [action.word for action in sorted(Action)]
_STAGES = (Stage.INPUT, Stage.OUTPUT)

_WHEN = "start_ts >= $since AND start_ts < $until AND ($tenant = '' OR tenant = $tenant)"
_QUESTION = Question("backtest", "", "", (SINCE, UNTIL, TENANT))

# An event stands for several findings; what was enforced on it is the greatest, so what would be is that, too.
_EVENTS = f"""
CREATE TEMP TABLE events AS
SELECT trace_id, span_id, tenant, stage, kind, rule AS rule_then, enforced AS enforced_then, path,
  coalesce(nullif(scores, []), [1.0]) AS scores, under
FROM findings JOIN (SELECT trace_id, span_id, under FROM decisions JOIN under USING (trace_id, exchange))
  USING (trace_id, span_id)
WHERE stage IN ('input', 'output') AND {_WHEN}
"""
_DECIDED = """
CREATE TEMP TABLE decided AS
SELECT e.trace_id, e.span_id, e.tenant, e.stage, e.kind, e.rule_then, e.enforced_then, max(l.level) AS level,
  arg_max(l.rule, l.level) AS rule_now
FROM (SELECT *, unnest(scores) AS score FROM events) e
JOIN ladder l ON l.under = e.under AND l.stage = e.stage AND l.kind = e.kind AND e.score >= l.low AND e.score < l.high
GROUP BY e.trace_id, e.span_id, e.tenant, e.stage, e.kind, e.rule_then, e.enforced_then, e.path
"""
_CHANGES = """
SELECT stage, tenant, kind, rule_then, enforced_then, rule_now, $words[level + 1] AS enforced_now,
  count(*) AS findings, count(DISTINCT trace_id) AS exchanges
FROM decided
WHERE enforced_then <> $words[level + 1]
GROUP BY ALL
ORDER BY exchanges DESC, stage, tenant, kind, rule_then, enforced_then, rule_now
"""
_VERDICTS = f"""
SELECT stage, tenant, before, after, count(*) AS decisions, sum(input_tokens) AS input_tokens,
  sum(output_tokens) AS output_tokens, sum(cost_usd) AS cost_usd
FROM (
  SELECT d.stage, d.tenant, d.enforced AS before, $words[n.level + 1] AS after, c.input_tokens, c.output_tokens,
    c.cost_usd
  FROM (SELECT * FROM decisions WHERE {_WHEN}) d
  JOIN (SELECT trace_id, span_id, max(level) AS level FROM decided GROUP BY ALL) n USING (trace_id, span_id)
  LEFT JOIN (
    SELECT trace_id, span_id, sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,
      sum(cost_usd) AS cost_usd
    FROM (SELECT *, unnest([intent_span_id, call_span_id]) AS span_id FROM calls)
    GROUP BY trace_id, span_id
  ) c ON c.trace_id = d.trace_id AND c.span_id = d.span_id
)
WHERE before <> after
GROUP BY stage, tenant, before, after
ORDER BY decisions DESC, stage, tenant, before, after
"""
# What was found in a request decides where it may go; a judge is asked about its answer.
_HOSTS = f"""
SELECT purpose, host, coalesce(model, '') AS model, coalesce(endpoint, '') AS endpoint,
  coalesce(f.kinds, []) AS kinds, count(*) FILTER (outcome <> 'refused') AS passed,
  count(*) FILTER (residency_decision = 'refused') AS held, coalesce(under, 0) AS under
FROM calls LEFT JOIN under USING (trace_id, exchange) LEFT JOIN (
  SELECT trace_id, list(DISTINCT kind ORDER BY kind) AS kinds FROM events
  WHERE stage = 'input' AND list_contains($kept::TEXT[], kind)
    AND list_max(scores) >= CASE WHEN kind LIKE 'guard.%' THEN 0 ELSE 0.5 END
  GROUP BY trace_id
) f USING (trace_id)
WHERE host IS NOT NULL AND {_WHEN}
GROUP BY ALL ORDER BY count(*) DESC, purpose, host
"""
_DECIDING = f"""
SELECT under, count(*) AS decisions FROM decisions JOIN under USING (trace_id, exchange) WHERE {_WHEN}
GROUP BY under ORDER BY under
"""
_CURVE = """
SELECT kind, threshold / 20.0 AS at_least, count(DISTINCT trace_id) FILTER (highest >= threshold / 20.0) AS exchanges
FROM (
  SELECT kind, trace_id, max(list_max(scores)) AS highest FROM events
  WHERE starts_with(kind, 'moderation.') GROUP BY kind, trace_id
), range(1, 20) t(threshold)
GROUP BY kind, threshold
ORDER BY kind, threshold
"""


@dataclass(frozen=True, slots=True)
class Backtest:
    """What would change: findings by rule, verdicts by tenant, destinations; and the curve of each category.

    `unseen` are kinds that the policy acts on and of which nothing is on record: absent, or never looked for.
    `policies` are those that would decide: the policy alone, and with what it attaches to some requests.
    """

    decisions: int
    policies: Table
    findings: Table
    verdicts: Table
    destinations: Table
    curve: Table
    unseen: tuple[str, ...]

    def count(self, before: str, after: str) -> int:
        """How many decisions go from one action to another; `""` stands for any other."""
        return sum(
            row[4]
            for row in self.verdicts.rows
            if before in ("", row[2]) and after in ("", row[3]) and row[2] != row[3]
        )


def backtest(folder: Path, policy: Policy, parameters: Mapping[str, str]) -> Backtest:
    """Decide everything on record anew under a policy, with what it attaches to whoever called.

    `parameters` are since, until and tenant as texts.

    From what was found then: texts in which nothing was found, redactions in another form and kinds that nobody
    looked for are not to be known from traces.
    """
    values = bound(_QUESTION, dict(parameters))
    with closing(connect(folder)) as connection:
        policies = under(connection, policy)
        connection.execute(_EVENTS, values)
        _ladder(connection, policies)
        connection.execute(_DECIDED)
        words = {"words": _WORDS}
        [decisions] = connection.execute(
            f"SELECT count(*) FROM decisions WHERE {_WHEN}", values
        ).fetchone() or (0,)
        seen = {row[0] for row in connection.execute("SELECT DISTINCT kind FROM events").fetchall()}
        acted = frozenset().union(*(wanted(one, stage) for one in policies for stage in _STAGES))
        held = sorted(frozenset().union(*(kept(one, seen) for one in policies)))
        return Backtest(
            decisions,
            _deciding(_table(connection, _DECIDING, values), policies),
            _table(connection, _CHANGES, words),
            _table(connection, _VERDICTS, {**values, **words}),
            _destinations(_table(connection, _HOSTS, {**values, "kept": held}), policies),
            _table(connection, _CURVE, None),
            tuple(sorted(kind for kind in acted - seen if not kind.startswith("guard."))),
        )


def _table(connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any] | None) -> Table:
    result = connection.execute(sql, values)
    return Table(tuple(column[0] for column in result.description or ()), result.fetchall())


def _deciding(counted: Table, policies: Sequence[Policy]) -> Table:
    rows = [(policies[number].policy, policies[number].sha256, count) for number, count in counted.rows]
    return Table(("policy", "sha256", "decisions"), rows)


def _ladder(connection: duckdb.DuckDBPyConnection, policies: Sequence[Policy]) -> None:
    """For every policy, stage and kind on record: which scores take which step."""
    columns = "under INT, stage TEXT, kind TEXT, low DOUBLE, high DOUBLE, level INT, rule TEXT"
    connection.execute(f"CREATE TEMP TABLE ladder ({columns})")
    pairs = connection.execute("SELECT DISTINCT under, stage, kind FROM events").fetchall()
    rows = [
        (number, *row)
        for number, stage, kind in pairs
        for row in _steps(policies[number], Stage(stage), kind)
    ]
    if rows:
        connection.executemany("INSERT INTO ladder VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def _steps(policy: Policy, stage: Stage, kind: str) -> Iterator[tuple[Any, ...]]:
    rule, high = rule_for(policy, stage, kind), math.inf
    for step in (*rule.steps, rule.below):
        low = -math.inf if step is rule.below or step.at is None else step.at
        if low < high:
            yield str(stage), kind, low, high, _WORDS.index(step.enforced.word), step.rule
            high = low


def _destinations(hosts: Table, policies: Sequence[Policy]) -> Table:
    """The destinations on record that the policies would treat otherwise; each counts as named, as it was then."""
    calls: Counter[tuple[str, str, str, str]] = Counter()
    for purpose, host, model, endpoint, kinds, passed, held, number in hosts.rows:
        request = Request("" if endpoint.isupper() else endpoint, model)
        now = _admission(policies[number], host, request if purpose == "model" else Request(), kinds)
        if passed and not now.allowed:
            calls[purpose, host, now.jurisdiction, "refused"] += passed
        elif now.allowed and held:
            calls[purpose, host, now.jurisdiction, "admitted"] += held
    rows = [(*key, count) for key, count in calls.items()]
    return Table(("purpose", "host", "jurisdiction", "now", "calls"), rows)


def _admission(policy: Policy, host: str, request: Request, kinds: Iterable[str]) -> Admission:
    egress = policy.egress
    admission = residency.admit(
        host,
        port=None,
        scheme="https",
        jurisdictions=egress.jurisdictions,
        declared=egress.hosts,
        named=(host,),
    )
    return settle(admission, request, egress, [Finding(kind, 0, 0, 1.0, "record") for kind in kinds])
