-- The auditor's views over guard's exports, for any DuckDB from 1.3 on; guard itself is not needed:
--   duckdb -cmd "SET VARIABLE exports = 'guard-exports/*.jsonl'" -init audit.sql
-- Times are UTC. Attributes are texts in a map: attrs['guard.tenant']; arrays among them are JSON texts.
-- A torn last line, or a line that is no JSON, is passed over here; `guard audit verify` names it.

CREATE VIEW IF NOT EXISTS lines AS
SELECT json, filename
FROM read_json_objects(
  getvariable('exports'), format = 'newline_delimited', filename = true, ignore_errors = true,
  maximum_object_size = 67108864
);

CREATE OR REPLACE MACRO otlp_scalar(v) AS
  coalesce(v ->> 'stringValue', v ->> 'intValue', v ->> 'doubleValue', v ->> 'boolValue');

CREATE OR REPLACE MACRO otlp_list(v) AS
  list_transform(TRY_CAST(v -> 'arrayValue' -> 'values' AS JSON[]), lambda item: otlp_scalar(item));

CREATE OR REPLACE MACRO otlp_value(v) AS
  coalesce(otlp_scalar(v), CAST(to_json(otlp_list(v)) AS VARCHAR), CAST(v -> 'kvlistValue' AS VARCHAR));

CREATE OR REPLACE MACRO otlp_map(j) AS
  TRY(map_from_entries(list_transform(
    TRY_CAST(coalesce(j, '[]') AS JSON[]),
    lambda item: struct_pack(k := item ->> 'key', v := otlp_value(item -> 'value'))
  )));

CREATE OR REPLACE MACRO otlp_time(nanoseconds) AS
  make_timestamp(TRY_CAST(nanoseconds AS BIGINT) // 1000);

-- One row a span.
CREATE OR REPLACE VIEW spans AS
WITH
  resources AS (SELECT unnest(TRY_CAST(json -> 'resourceSpans' AS JSON[])) AS r, filename FROM lines),
  scopes AS (
    SELECT r -> 'resource' -> 'attributes' AS res, unnest(TRY_CAST(r -> 'scopeSpans' AS JSON[])) AS s, filename
    FROM resources
  ),
  raw AS (SELECT res, unnest(TRY_CAST(s -> 'spans' AS JSON[])) AS x, filename FROM scopes)
SELECT
  x ->> 'traceId' AS trace_id,
  x ->> 'spanId' AS span_id,
  x ->> 'parentSpanId' AS parent_span_id,
  x ->> 'name' AS name,
  CASE x ->> 'kind' WHEN '1' THEN 'internal' WHEN '2' THEN 'server' WHEN '3' THEN 'client' END AS kind,
  otlp_time(x ->> 'startTimeUnixNano') AS start_ts,
  otlp_time(x ->> 'endTimeUnixNano') AS end_ts,
  (TRY_CAST(x ->> 'endTimeUnixNano' AS BIGINT) - TRY_CAST(x ->> 'startTimeUnixNano' AS BIGINT)) / 1e6
    AS duration_ms,
  otlp_map(x -> 'attributes') AS attrs,
  otlp_map(res) AS resource,
  coalesce(TRY_CAST(x -> 'events' AS JSON[]), []) AS events,
  coalesce(x -> 'status' ->> 'code', '0') = '2' AS failed,
  parse_filename(filename) AS file
FROM raw;

-- One row a decision: what was decided at one stage of one exchange.
CREATE OR REPLACE VIEW decisions AS
SELECT
  trace_id,
  span_id,
  coalesce(attrs['guard.exchange'], CASE WHEN name = 'guard.screen' AND attrs['guard.stage'] = 'input'
    THEN span_id ELSE parent_span_id END) AS exchange,
  start_ts,
  duration_ms,
  name,
  attrs['guard.stage'] AS stage,
  attrs['guard.action'] AS action,
  attrs['guard.enforced'] AS enforced,
  attrs['error.type'] AS error_type,
  attrs['guard.mount'] AS mount,
  attrs['guard.endpoint'] AS endpoint,
  attrs['guard.tenant'] AS tenant,
  attrs['guard.user'] AS user_hash,
  attrs['guard.policy.name'] AS policy,
  attrs['guard.policy.version'] AS policy_version,
  attrs['guard.policy.sha256'] AS policy_sha256,
  attrs['guard.policy.mode'] AS policy_mode,
  TRY_CAST(attrs['guard.bytes.screened'] AS BIGINT) AS bytes_screened,
  TRY_CAST(attrs['guard.bytes.forwarded'] AS BIGINT) AS bytes_forwarded,
  attrs['guard.residency.host'] AS host,
  attrs['guard.residency.jurisdiction'] AS jurisdiction,
  attrs['guard.residency.decision'] AS residency_decision,
  attrs['guard.residency.code'] AS residency_code,
  attrs,
  file
FROM spans
WHERE attrs['guard.stage'] IS NOT NULL;

-- One row a finding event: a kind that a rule matched (or none did) at one path.
CREATE OR REPLACE VIEW findings AS
SELECT
  trace_id,
  span_id,
  start_ts,
  stage,
  f['kind'] AS kind,
  f['source'] AS source,
  f['rule'] AS rule,
  f['origin'] AS origin,
  f['action'] AS action,
  f['enforced'] AS enforced,
  f['path'] AS path,
  TRY_CAST(f['count'] AS BIGINT) AS count,
  TRY_CAST(TRY_CAST(f['scores'] AS JSON) AS DOUBLE[]) AS scores,
  TRY_CAST(TRY_CAST(f['starts'] AS JSON) AS BIGINT[]) AS starts,
  TRY_CAST(TRY_CAST(f['ends'] AS JSON) AS BIGINT[]) AS ends,
  TRY_CAST(TRY_CAST(f['subjects'] AS JSON) AS VARCHAR[]) AS subjects,
  coalesce(f['truncated'] = 'true', false) AS truncated,
  tenant,
  user_hash,
  policy,
  policy_version,
  policy_sha256,
  file
FROM (
  SELECT
    trace_id, span_id, start_ts, file, attrs['guard.stage'] AS stage, attrs['guard.tenant'] AS tenant,
    attrs['guard.user'] AS user_hash, attrs['guard.policy.name'] AS policy,
    attrs['guard.policy.version'] AS policy_version, attrs['guard.policy.sha256'] AS policy_sha256,
    otlp_map(event -> 'attributes') AS f
  FROM (SELECT *, unnest(events) AS event FROM spans)
  WHERE event ->> 'name' = 'guard.finding'
);

-- One row a check: what became of it (ran, not_applicable, failed_closed, failed_open, skipped).
CREATE OR REPLACE VIEW checks AS
SELECT
  trace_id,
  span_id,
  start_ts,
  stage,
  tenant,
  policy,
  policy_version,
  substr(entry.key, length('guard.check.') + 1) AS "check",
  entry.value AS receipt,
  file
FROM (SELECT *, unnest(map_entries(attrs)) AS entry FROM decisions)
WHERE starts_with(entry.key, 'guard.check.');

-- One row a call to a model or to a moderation service.
-- outcome: refused (before the call) | answered | blocked (the answer) | failed | unknown (no record of an end).
CREATE OR REPLACE VIEW calls AS
WITH
  intents AS (SELECT * FROM decisions WHERE name = 'guard.screen' AND stage = 'input'),
  ends AS (
    SELECT
      trace_id, span_id, start_ts, end_ts, duration_ms, name, attrs, file,
      coalesce(attrs['guard.exchange'], parent_span_id) AS exchange
    FROM spans
    WHERE (attrs['gen_ai.operation.name'] IS NOT NULL AND attrs['gen_ai.operation.name'] <> 'moderation')
      OR (name = 'guard.screen' AND attrs['guard.stage'] = 'output')
  ),
  pairs AS (
    SELECT
      coalesce(i.trace_id, e.trace_id) AS trace_id,
      coalesce(i.exchange, e.exchange) AS exchange,
      coalesce(e.start_ts, i.start_ts) AS start_ts,
      e.duration_ms AS duration_ms,
      i.span_id AS intent_span_id,
      e.span_id AS call_span_id,
      i.attrs AS i,
      e.attrs AS e,
      coalesce(i.file, e.file) AS file
    FROM intents i FULL OUTER JOIN ends e ON i.trace_id = e.trace_id AND i.exchange = e.exchange
  )
SELECT
  trace_id,
  exchange,
  'model' AS purpose,
  CASE
    WHEN i['error.type'] IS NOT NULL OR i['guard.enforced'] = 'block' OR i['guard.residency.decision'] = 'refused'
      THEN 'refused'
    WHEN call_span_id IS NULL THEN 'unknown'
    WHEN e['guard.enforced'] = 'block' THEN 'blocked'
    WHEN e['error.type'] IS NOT NULL THEN 'failed'
    ELSE 'answered'
  END AS outcome,
  coalesce(e['error.type'], i['error.type']) AS error_type,
  start_ts,
  duration_ms,
  coalesce(i['guard.tenant'], e['guard.tenant']) AS tenant,
  coalesce(i['guard.user'], e['guard.user']) AS user_hash,
  coalesce(i['guard.mount'], e['guard.mount']) AS mount,
  coalesce(i['guard.endpoint'], e['gen_ai.operation.name']) AS endpoint,
  e['gen_ai.provider.name'] AS provider,
  coalesce(e['gen_ai.request.model'], i['gen_ai.request.model']) AS model,
  e['gen_ai.response.model'] AS response_model,
  e['gen_ai.response.id'] AS response_id,
  coalesce(e['server.address'], i['guard.residency.host']) AS host,
  coalesce(i['guard.residency.jurisdiction'], e['guard.residency.jurisdiction']) AS jurisdiction,
  coalesce(i['guard.residency.decision'], e['guard.residency.decision']) AS residency_decision,
  i['guard.action'] AS input_action,
  i['guard.enforced'] AS input_enforced,
  e['guard.action'] AS output_action,
  e['guard.enforced'] AS output_enforced,
  coalesce(i['guard.policy.name'], e['guard.policy.name']) AS policy,
  coalesce(i['guard.policy.version'], e['guard.policy.version']) AS policy_version,
  TRY_CAST(i['guard.bytes.screened'] AS BIGINT) AS bytes_screened,
  TRY_CAST(i['guard.bytes.forwarded'] AS BIGINT) AS bytes_forwarded,
  TRY_CAST(e['gen_ai.usage.input_tokens'] AS BIGINT) AS input_tokens,
  TRY_CAST(e['gen_ai.usage.output_tokens'] AS BIGINT) AS output_tokens,
  intent_span_id IS NOT NULL AS intent,
  intent_span_id,
  call_span_id,
  file
FROM pairs
WHERE i['guard.residency.host'] IS NOT NULL OR e['gen_ai.operation.name'] IS NOT NULL
UNION ALL
SELECT
  trace_id, attrs['guard.exchange'], 'moderation',
  CASE
    WHEN attrs['guard.residency.decision'] = 'refused' THEN 'refused'
    WHEN attrs['error.type'] IS NOT NULL THEN 'failed'
    ELSE 'answered'
  END,
  attrs['error.type'], start_ts, duration_ms, attrs['guard.tenant'], attrs['guard.user'], attrs['guard.mount'],
  'moderations', attrs['gen_ai.provider.name'], attrs['gen_ai.request.model'], attrs['gen_ai.response.model'],
  attrs['gen_ai.response.id'], coalesce(attrs['server.address'], attrs['guard.residency.host']),
  attrs['guard.residency.jurisdiction'], attrs['guard.residency.decision'], NULL, NULL, NULL, NULL,
  attrs['guard.policy.name'], attrs['guard.policy.version'], NULL, NULL, NULL, NULL, true, NULL, span_id, file
FROM spans
WHERE attrs['gen_ai.operation.name'] = 'moderation';
