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
CREATE OR REPLACE MACRO otlp_list(text) AS TRY(text ->> '$.values[*].*');

CREATE OR REPLACE MACRO otlp_map(attributes) AS
  TRY(map(
    attributes ->> '$[*].key',
    list_transform(attributes ->> '$[*].value.*', lambda v:
      CASE WHEN starts_with(v, '{"values":') THEN CAST(to_json(otlp_list(v)) AS VARCHAR) ELSE v END)
  ));

CREATE OR REPLACE MACRO otlp_time(nanoseconds) AS make_timestamp(TRY_CAST(nanoseconds AS BIGINT) // 1000);

CREATE OR REPLACE MACRO otlp_get(keys, texts, name) AS texts[list_position(keys, name)];

-- What guard writes on each line is one span; the columns below are read from that form.
CREATE OR REPLACE MACRO otlp_head(line) AS TRY(line ->> [
  '$.resourceSpans[0].scopeSpans[0].spans[0].traceId', '$.resourceSpans[0].scopeSpans[0].spans[0].spanId',
  '$.resourceSpans[0].scopeSpans[0].spans[0].parentSpanId', '$.resourceSpans[0].scopeSpans[0].spans[0].name',
  '$.resourceSpans[0].scopeSpans[0].spans[0].kind',
  '$.resourceSpans[0].scopeSpans[0].spans[0].startTimeUnixNano',
  '$.resourceSpans[0].scopeSpans[0].spans[0].endTimeUnixNano',
  '$.resourceSpans[0].scopeSpans[0].spans[0].status.code',
  '$.resourceSpans[1]', '$.resourceSpans[0].scopeSpans[1]', '$.resourceSpans[0].scopeSpans[0].spans[1]'
]);

-- Any other line of OTLP, brought to it: a line for each of its spans, which has a resource if it is the only one.
CREATE OR REPLACE MACRO otlp_split(json) AS TRY(list_transform(
  json_extract(json, '$.resourceSpans[*].scopeSpans[*].spans[*]'),
  lambda x: '{"resourceSpans":[{' || coalesce(
      CASE WHEN json_array_length(json, '$.resourceSpans') = 1
        THEN '"resource":{"attributes":' || json_extract(json, '$.resourceSpans[0].resource.attributes') || '},' END, '')
    || '"scopeSpans":[{"spans":[' || x || ']}]}]}'
));

CREATE OR REPLACE MACRO otlp_keys(line) AS line ->> '$.resourceSpans[0].scopeSpans[0].spans[0].attributes[*].key';

CREATE OR REPLACE MACRO otlp_texts(line) AS line ->> '$.resourceSpans[0].scopeSpans[0].spans[0].attributes[*].value.*';

-- One row a span, read from the lines that a view holds: what all views are made of. `events` are JSON as exported.
-- Each JSON function reads the whole line, so that there are few of them; attributes stay two lists until somebody
-- asks for the map: making maps costs more than reading the lines; and a line that is one span is not copied. They
-- stand before `unnest`, which no filter passes: a filter on three attributes would else read the line six times more.
CREATE OR REPLACE MACRO otlp_spans(source) AS TABLE
WITH
  lined AS (
    SELECT
      json, otlp_head(json) AS head, TRY(otlp_keys(json)) AS keys, TRY(otlp_texts(json)) AS texts, filename, seq
    FROM query_table(source)
  ),
  raw AS (
    SELECT
      unnest(
        CASE WHEN head[1] IS NOT NULL AND coalesce(head[9], head[10], head[11]) IS NULL AND NOT contains(json, 'null')
          THEN [NULL] ELSE otlp_split(json) END
      ) AS part,
      CAST(json AS VARCHAR) AS whole, head, keys, texts, filename, seq
    FROM lined
  ),
  parsed AS (
    SELECT
      coalesce(part, whole) AS line, CASE WHEN part IS NULL THEN head ELSE otlp_head(part) END AS head, filename, seq,
      CASE WHEN part IS NULL THEN keys ELSE otlp_keys(part) END AS keys,
      CASE WHEN part IS NULL THEN texts ELSE otlp_texts(part) END AS texts
    FROM raw
  )
SELECT
  head[1] AS trace_id,
  head[2] AS span_id,
  head[3] AS parent_span_id,
  head[4] AS name,
  CASE head[5] WHEN '1' THEN 'internal' WHEN '2' THEN 'server' WHEN '3' THEN 'client' END AS kind,
  otlp_time(head[6]) AS start_ts,
  otlp_time(head[7]) AS end_ts,
  (TRY_CAST(head[7] AS BIGINT) - TRY_CAST(head[6] AS BIGINT)) / 1e6 AS duration_ms,
  coalesce(head[8], '0') = '2' AS failed,
  otlp_map(line -> '$.resourceSpans[0].scopeSpans[0].spans[0].attributes') AS attrs,
  otlp_map(line -> '$.resourceSpans[0].resource.attributes') AS resource,
  line -> '$.resourceSpans[0].scopeSpans[0].spans[0].events[*]' AS events,
  list_transform(
    list_filter(list_zip(keys, texts), lambda p: starts_with(p[1], 'guard.check.')),
    lambda p: {'check': substr(p[1], length('guard.check.') + 1), 'receipt': p[2]}
  ) AS receipts,
  parse_filename(filename) AS file,
  seq,
  otlp_get(keys, texts, 'guard.stage') AS stage,
  otlp_get(keys, texts, 'guard.exchange') AS exchange,
  otlp_get(keys, texts, 'guard.action') AS action,
  otlp_get(keys, texts, 'guard.enforced') AS enforced,
  otlp_get(keys, texts, 'error.type') AS error_type,
  otlp_get(keys, texts, 'guard.mount') AS mount,
  otlp_get(keys, texts, 'guard.endpoint') AS endpoint,
  otlp_get(keys, texts, 'guard.tenant') AS tenant,
  otlp_get(keys, texts, 'guard.user') AS user_hash,
  otlp_get(keys, texts, 'guard.subject_key') AS subject_key,
  otlp_get(keys, texts, 'guard.policy.name') AS policy,
  otlp_get(keys, texts, 'guard.policy.version') AS policy_version,
  otlp_get(keys, texts, 'guard.policy.sha256') AS policy_sha256,
  otlp_get(keys, texts, 'guard.policy.mode') AS policy_mode,
  TRY_CAST(otlp_get(keys, texts, 'guard.bytes.screened') AS BIGINT) AS bytes_screened,
  TRY_CAST(otlp_get(keys, texts, 'guard.bytes.forwarded') AS BIGINT) AS bytes_forwarded,
  otlp_get(keys, texts, 'guard.residency.host') AS host,
  otlp_get(keys, texts, 'guard.residency.jurisdiction') AS jurisdiction,
  otlp_get(keys, texts, 'guard.residency.decision') AS residency_decision,
  otlp_get(keys, texts, 'guard.residency.code') AS residency_code,
  otlp_get(keys, texts, 'guard.check.detect') AS detect,
  otlp_get(keys, texts, 'gen_ai.operation.name') AS operation,
  otlp_get(keys, texts, 'gen_ai.provider.name') AS provider,
  otlp_get(keys, texts, 'gen_ai.request.model') AS model,
  otlp_get(keys, texts, 'gen_ai.response.model') AS response_model,
  otlp_get(keys, texts, 'gen_ai.response.id') AS response_id,
  TRY_CAST(otlp_get(keys, texts, 'gen_ai.usage.input_tokens') AS BIGINT) AS input_tokens,
  TRY_CAST(otlp_get(keys, texts, 'gen_ai.usage.output_tokens') AS BIGINT) AS output_tokens,
  TRY_CAST(otlp_get(keys, texts, 'guard.cost.usd') AS DOUBLE) AS cost_usd,
  otlp_get(keys, texts, 'server.address') AS address,
  otlp_get(keys, texts, 'guard.waived') AS waived,
  otlp_get(keys, texts, 'guard.outcome') AS tag
FROM parsed;

CREATE OR REPLACE VIEW read_spans AS SELECT * FROM otlp_spans('lines');

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
  host, jurisdiction, residency_decision, residency_code, detect, waived IS NOT NULL AS waived, attrs, file, seq
FROM all_spans
WHERE stage IS NOT NULL;

-- Few lines hold findings, and a text search is ten times as fast as reading JSON (which spells a text in one way,
-- except by a backslash).
CREATE OR REPLACE VIEW finding_lines AS
SELECT * FROM lines WHERE contains(json, 'guard.finding') OR contains(json, '\');

CREATE OR REPLACE VIEW finding_spans AS SELECT * FROM otlp_spans('finding_lines');

-- One row a finding event: a kind that a rule matched (or none did) at one path.
CREATE OR REPLACE VIEW read_findings AS
SELECT
  trace_id,
  span_id,
  start_ts,
  stage,
  otlp_get(keys, texts, 'kind') AS kind,
  otlp_get(keys, texts, 'source') AS source,
  otlp_get(keys, texts, 'rule') AS rule,
  otlp_get(keys, texts, 'origin') AS origin,
  otlp_get(keys, texts, 'action') AS action,
  otlp_get(keys, texts, 'enforced') AS enforced,
  otlp_get(keys, texts, 'path') AS path,
  TRY_CAST(otlp_get(keys, texts, 'count') AS BIGINT) AS count,
  TRY_CAST(otlp_list(otlp_get(keys, texts, 'scores')) AS DOUBLE[]) AS scores,
  TRY_CAST(otlp_list(otlp_get(keys, texts, 'starts')) AS BIGINT[]) AS starts,
  TRY_CAST(otlp_list(otlp_get(keys, texts, 'ends')) AS BIGINT[]) AS ends,
  TRY_CAST(otlp_list(otlp_get(keys, texts, 'subjects')) AS VARCHAR[]) AS subjects,
  coalesce(otlp_get(keys, texts, 'truncated') = 'true', false) AS truncated,
  tenant,
  user_hash,
  subject_key,
  policy,
  policy_version,
  policy_sha256,
  file,
  seq
FROM (
  SELECT
    *, event ->> '$.attributes[*].key' AS keys, event ->> '$.attributes[*].value.*' AS texts
  FROM (
    SELECT
      trace_id, span_id, start_ts, file, seq, stage, tenant, user_hash, subject_key, policy, policy_version,
      policy_sha256, unnest(events) AS event
    FROM finding_spans
  )
  WHERE event ->> 'name' = 'guard.finding'
);

CREATE OR REPLACE VIEW all_findings AS SELECT * FROM read_findings;

-- Persons that were erased: their hashes, from the files of the one writer of tombstones.
CREATE VIEW IF NOT EXISTS erasure_lines AS SELECT * FROM lines WHERE parse_filename(filename) LIKE '%-erasure-%';

CREATE OR REPLACE VIEW erased AS
SELECT unnest(otlp_list(otlp_get(keys, texts, 'guard.audit.subject'))) AS subject, start_ts,
  otlp_get(keys, texts, 'guard.audit.ticket') AS ticket
FROM (
  SELECT x ->> '$.attributes[*].key' AS keys, x ->> '$.attributes[*].value.*' AS texts,
    otlp_time(x ->> 'startTimeUnixNano') AS start_ts
  FROM (SELECT unnest(json -> '$.resourceSpans[*].scopeSpans[*].spans[*]') AS x FROM erasure_lines)
  WHERE x ->> 'name' = 'guard.audit.erased'
);

CREATE OR REPLACE MACRO still_linked(subjects, gone) AS
  CASE WHEN list_has_any(subjects, gone)
    THEN list_transform(subjects, lambda s: CASE WHEN list_contains(gone, s) THEN 'erased' ELSE s END)
    ELSE subjects END;

CREATE OR REPLACE VIEW findings AS
SELECT * EXCLUDE (gone) REPLACE (still_linked(subjects, gone) AS subjects)
FROM all_findings, (SELECT coalesce(list(subject), []) AS gone FROM erased);

-- One row a check: what became of it (ran, not_applicable, failed_closed, failed_open, skipped).
CREATE OR REPLACE VIEW checks AS
SELECT
  trace_id, span_id, start_ts, stage, tenant, policy, policy_version,
  entry['check'] AS "check",
  entry['receipt'] AS receipt,
  file,
  seq
FROM (SELECT *, unnest(receipts) AS entry FROM all_spans);

-- The spans that calls are joined from (MATERIALIZED below: else each side of the join reads all lines).
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
      response_id, input_tokens, output_tokens, cost_usd, address, tag
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
  coalesce(e.jurisdiction, i.jurisdiction) AS jurisdiction,
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
  i.tag AS tag,
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
  policy_version, NULL, NULL, NULL, NULL, cost_usd, NULL, true, NULL, span_id, file, seq
FROM flat
WHERE operation = 'moderation';

CREATE OR REPLACE VIEW calls AS SELECT * FROM joined_calls;

-- One row a finding in what went to a model: what became of it, and who received the call, when, for whom.
-- `trace` tells traces apart and no more: of lines it is the id, of Parquet a number.
CREATE OR REPLACE VIEW joined_sent AS
SELECT
  c.start_ts AS start_ts, c.tenant AS tenant, c.host AS host, c.jurisdiction AS jurisdiction,
  year(f.start_ts) AS year, f.kind AS kind, f.enforced AS enforced, f.count AS count, f.subjects AS subjects,
  f.file AS file, f.seq AS seq, f.trace_id AS trace
FROM all_findings f
JOIN calls c ON c.trace_id = f.trace_id AND c.intent_span_id = f.span_id
WHERE f.stage = 'input' AND c.purpose = 'model' AND c.outcome <> 'refused';

CREATE OR REPLACE VIEW all_sent AS SELECT * FROM joined_sent;

CREATE OR REPLACE VIEW sent AS
SELECT * EXCLUDE (gone) REPLACE (still_linked(subjects, gone) AS subjects)
FROM all_sent, (SELECT coalesce(list(subject), []) AS gone FROM erased);
