-- The auditor's views over guard's exports, for any DuckDB from 1.3 on; guard itself is not needed:
--   duckdb -cmd "SET VARIABLE exports = 'guard-exports/*.jsonl'" -init audit.sql
-- Times are UTC. Attributes are texts in a map: attrs['guard.tenant']; arrays among them are JSON texts.
-- A torn last line, or a line that is no JSON, is passed over here; `guard audit verify` names it.

-- `seq` is the number of a line's record in its chain; here it is left out, guard itself reads it from the chain.
CREATE VIEW IF NOT EXISTS lines AS
SELECT json, filename, NULL::BIGINT AS seq
FROM read_json_objects(
  getvariable('exports'), format = 'newline_delimited', filename = true, ignore_errors = true,
  maximum_object_size = 67108864
);

-- The values of an OTLP array; each AnyValue has one member, whatever its type.
CREATE OR REPLACE MACRO otlp_list(text) AS CAST(to_json(text ->> '$.values[*].*') AS VARCHAR);

CREATE OR REPLACE MACRO otlp_map(attributes) AS
  TRY(map(
    attributes ->> '$[*].key',
    list_transform(attributes ->> '$[*].value.*', lambda v:
      CASE WHEN starts_with(v, '{"values":') THEN otlp_list(v) ELSE v END)
  ));

CREATE OR REPLACE MACRO otlp_time(nanoseconds) AS make_timestamp(TRY_CAST(nanoseconds AS BIGINT) // 1000);

-- One row a span, read from the lines: what all views are made of. `events` are JSON as exported.
CREATE OR REPLACE VIEW read_spans AS
WITH
  resources AS (SELECT unnest(json -> '$.resourceSpans[*]') AS r, filename, seq FROM lines),
  raw AS (
    SELECT r -> '$.resource.attributes' AS res, unnest(r -> '$.scopeSpans[*].spans[*]') AS x, filename, seq
    FROM resources
  ),
  parsed AS (
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
      coalesce(x ->> '$.status.code', '0') = '2' AS failed,
      otlp_map(x -> 'attributes') AS attrs,
      otlp_map(res) AS resource,
      x -> '$.events[*]' AS events,
      parse_filename(filename) AS file,
      seq
    FROM raw
  )
SELECT
  *,
  attrs['guard.stage'] AS stage,
  attrs['guard.exchange'] AS exchange,
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
  attrs['guard.check.detect'] AS detect,
  attrs['gen_ai.operation.name'] AS operation,
  attrs['gen_ai.provider.name'] AS provider,
  attrs['gen_ai.request.model'] AS model,
  attrs['gen_ai.response.model'] AS response_model,
  attrs['gen_ai.response.id'] AS response_id,
  TRY_CAST(attrs['gen_ai.usage.input_tokens'] AS BIGINT) AS input_tokens,
  TRY_CAST(attrs['gen_ai.usage.output_tokens'] AS BIGINT) AS output_tokens,
  TRY_CAST(attrs['guard.cost.usd'] AS DOUBLE) AS cost_usd,
  attrs['server.address'] AS address
FROM parsed;

-- What the views stand on: `guard audit compact` puts Parquet in the place of lines that it has read before.
CREATE OR REPLACE VIEW all_spans AS SELECT * FROM read_spans;

CREATE OR REPLACE VIEW spans AS
SELECT
  trace_id, span_id, parent_span_id, name, kind, start_ts, end_ts, duration_ms, attrs, resource, events, failed,
  tenant, file, seq
FROM all_spans;

-- One row a decision: what was decided at one stage of one exchange.
CREATE OR REPLACE VIEW decisions AS
SELECT
  trace_id,
  span_id,
  coalesce(exchange, CASE WHEN name = 'guard.screen' AND stage = 'input' THEN span_id ELSE parent_span_id END)
    AS exchange,
  start_ts, duration_ms, name, stage, action, enforced, error_type, mount, endpoint, tenant, user_hash,
  policy, policy_version, policy_sha256, policy_mode, bytes_screened, bytes_forwarded,
  host, jurisdiction, residency_decision, residency_code, detect, attrs, file, seq
FROM all_spans
WHERE stage IS NOT NULL;

-- One row a finding event: a kind that a rule matched (or none did) at one path.
CREATE OR REPLACE VIEW read_findings AS
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
  file,
  seq
FROM (
  SELECT
    trace_id, span_id, start_ts, file, seq, stage, tenant, user_hash, policy, policy_version, policy_sha256,
    otlp_map(event -> 'attributes') AS f
  FROM (SELECT *, unnest(events) AS event FROM read_spans)
  WHERE event ->> 'name' = 'guard.finding'
);

CREATE OR REPLACE VIEW findings AS SELECT * FROM read_findings;

-- One row a check: what became of it (ran, not_applicable, failed_closed, failed_open, skipped).
-- MATERIALIZED, here and below: else a filter on an attribute parses all attributes a second time.
CREATE OR REPLACE VIEW read_checks AS
WITH parsed AS MATERIALIZED (
  SELECT trace_id, span_id, start_ts, stage, tenant, policy, policy_version, attrs, file, seq FROM read_spans
)
SELECT
  trace_id, span_id, start_ts, stage, tenant, policy, policy_version,
  substr(entry.key, length('guard.check.') + 1) AS "check",
  entry.value AS receipt,
  file,
  seq
FROM (SELECT *, unnest(map_entries(attrs)) AS entry FROM parsed)
WHERE starts_with(entry.key, 'guard.check.');

CREATE OR REPLACE VIEW checks AS SELECT * FROM read_checks;

-- The spans that calls are joined from.
CREATE OR REPLACE VIEW call_spans AS SELECT * FROM all_spans;

-- One row a call to a model or to a moderation service.
-- outcome: refused (before the call) | answered | blocked (the answer) | failed | unknown (no record of an end).
CREATE OR REPLACE VIEW joined_calls AS
WITH
  flat AS MATERIALIZED (
    SELECT
      trace_id, span_id, parent_span_id, name, start_ts, duration_ms, file, seq, stage, exchange, action, enforced,
      error_type, tenant, user_hash, mount, endpoint, policy, policy_version, host, jurisdiction,
      residency_decision, bytes_screened, bytes_forwarded, operation, provider, model, response_model,
      response_id, input_tokens, output_tokens, cost_usd, address
    FROM call_spans
  ),
  intents AS (
    SELECT *, coalesce(exchange, span_id) AS id FROM flat WHERE name = 'guard.screen' AND stage = 'input'
  ),
  ends AS (
    SELECT *, coalesce(exchange, parent_span_id) AS id FROM flat
    WHERE operation <> 'moderation' OR (name = 'guard.screen' AND stage = 'output')
  )
SELECT
  coalesce(i.trace_id, e.trace_id) AS trace_id,
  coalesce(i.id, e.id) AS exchange,
  'model' AS purpose,
  CASE
    WHEN i.error_type IS NOT NULL OR i.enforced = 'block' OR i.residency_decision = 'refused' THEN 'refused'
    WHEN e.span_id IS NULL THEN 'unknown'
    WHEN e.enforced = 'block' THEN 'blocked'
    WHEN e.error_type IS NOT NULL THEN 'failed'
    ELSE 'answered'
  END AS outcome,
  coalesce(e.error_type, i.error_type) AS error_type,
  coalesce(e.start_ts, i.start_ts) AS start_ts,
  e.duration_ms AS duration_ms,
  coalesce(i.tenant, e.tenant) AS tenant,
  coalesce(i.user_hash, e.user_hash) AS user_hash,
  coalesce(i.mount, e.mount) AS mount,
  coalesce(i.endpoint, e.operation) AS endpoint,
  e.provider AS provider,
  coalesce(e.model, i.model) AS model,
  e.response_model AS response_model,
  e.response_id AS response_id,
  coalesce(e.address, i.host) AS host,
  coalesce(i.jurisdiction, e.jurisdiction) AS jurisdiction,
  coalesce(i.residency_decision, e.residency_decision) AS residency_decision,
  i.action AS input_action,
  i.enforced AS input_enforced,
  e.action AS output_action,
  e.enforced AS output_enforced,
  coalesce(i.policy, e.policy) AS policy,
  coalesce(i.policy_version, e.policy_version) AS policy_version,
  i.bytes_screened AS bytes_screened,
  i.bytes_forwarded AS bytes_forwarded,
  e.input_tokens AS input_tokens,
  e.output_tokens AS output_tokens,
  e.cost_usd AS cost_usd,
  i.span_id IS NOT NULL AS intent,
  i.span_id AS intent_span_id,
  e.span_id AS call_span_id,
  coalesce(i.file, e.file) AS file,
  CASE WHEN i.span_id IS NULL THEN e.seq ELSE i.seq END AS seq
FROM intents i FULL OUTER JOIN ends e ON i.trace_id = e.trace_id AND i.id = e.id
WHERE i.host IS NOT NULL OR e.operation IS NOT NULL
UNION ALL
SELECT
  trace_id, exchange, 'moderation',
  CASE
    WHEN residency_decision = 'refused' THEN 'refused'
    WHEN error_type IS NOT NULL THEN 'failed'
    ELSE 'answered'
  END,
  error_type, start_ts, duration_ms, tenant, user_hash, mount, 'moderations', provider, model, response_model,
  response_id, coalesce(address, host), jurisdiction, residency_decision, NULL, NULL, NULL, NULL, policy,
  policy_version, NULL, NULL, NULL, NULL, cost_usd, true, NULL, span_id, file, seq
FROM flat
WHERE operation = 'moderation';

CREATE OR REPLACE VIEW calls AS SELECT * FROM joined_calls;
