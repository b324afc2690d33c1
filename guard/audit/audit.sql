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

-- Few lines hold findings, and a text search is ten times as fast as reading JSON (which spells a text in one way,
-- except by a backslash).
CREATE OR REPLACE VIEW finding_lines AS
SELECT * FROM lines WHERE contains(json, 'guard.finding') OR contains(json, '\');

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

-- guard writes a tab before each column of a line (docs/trace.md), and JSON has none inside a text: such a line is cut
-- at its tabs, in a third of the time that its JSON takes. Lines of others, and those with a backslash, whose texts are
-- not what stands there, are read as JSON; both ways give the same rows (but of a line that was damaged between its
-- tabs what can be read, where JSON gives nothing; `guard audit verify` names it).
CREATE OR REPLACE MACRO otlp_cells(json, cells) AS
  CASE WHEN len(cells) >= 44 AND (len(cells) - 44) % 14 = 0 AND cells[-1] = '}]}]}]}'
    AND starts_with(cells[1], '{"resourceSpans":[{"resource":{') AND ends_with(cells[1], '"spans":[{')
    AND starts_with(cells[2], '"traceId":"') AND NOT contains(json, '\') THEN cells END;

-- The text of a member of the span: `"name":"text",`, or nothing.
CREATE OR REPLACE MACRO otlp_member(cell, name) AS
  CASE WHEN cell <> '' THEN substr(cell, length(name) + 5, length(cell) - length(name) - 6) END;

-- The value of an attribute: `{"key":"name","value":{"stringValue":"text"}},`, a space for the last comma; or nothing.
CREATE OR REPLACE MACRO otlp_value(cell, name, type, more) AS
  CASE
    WHEN starts_with(cell, '{"key":"' || name || '","value":{"' || type || 'Value":"')
      THEN substr(cell, length(name) + more, length(cell) - length(name) - more - 3)
    WHEN starts_with(cell, '{"key":"' || name || '",') THEN TRY((rtrim(cell, ', ') ->> '$.value.*')[1])
  END;

CREATE OR REPLACE MACRO otlp_text(cells, number, keys, texts, name) AS
  CASE WHEN cells IS NULL THEN otlp_get(keys, texts, name) ELSE otlp_value(cells[number], name, 'string', 35) END;

CREATE OR REPLACE MACRO otlp_number(cells, number, keys, texts, name) AS TRY_CAST(
  CASE WHEN cells IS NULL THEN otlp_get(keys, texts, name) ELSE otlp_value(cells[number], name, 'int', 32) END
  AS BIGINT);

-- The texts of an attribute that is a list: `{"key":"name","value":{"arrayValue":{"values":[{"stringValue":"text"}]}}},`.
CREATE OR REPLACE MACRO otlp_many(cells, number, keys, texts, name) AS
  CASE
    WHEN starts_with(cells[number], '{"key":"' || name || '","value":{"arrayValue":{"values":[{"stringValue":"')
      THEN string_split(
        substr(cells[number], length(name) + 60, length(cells[number]) - length(name) - 66), '"},{"stringValue":"')
    ELSE otlp_list(otlp_text(cells, number, keys, texts, name))
  END;

-- What a question about all that was sent asks of findings, from the line that it reads anyhow.
CREATE OR REPLACE MACRO otlp_found(line, cells) AS
  CASE
    WHEN cells IS NULL THEN list_transform(
      list_filter(otlp_events(line), lambda e: e ->> 'name' = 'guard.finding'),
      lambda e: otlp_finding(NULL, 1, e ->> '$.attributes[*].key', e ->> '$.attributes[*].value.*'))
    ELSE list_transform(
      list_filter(range(44, len(cells), 14), lambda place: otlp_is_finding(cells, place)),
      lambda place: otlp_finding(cells, place, NULL, NULL))
  END;

CREATE OR REPLACE MACRO otlp_finding(cells, place, keys, texts) AS {
  'kind': otlp_text(cells, place, keys, texts, 'kind'),
  'enforced': otlp_text(cells, place + 5, keys, texts, 'enforced'),
  'count': otlp_number(cells, place + 7, keys, texts, 'count'),
  'subjects': otlp_many(cells, place + 11, keys, texts, 'subjects')
};

CREATE OR REPLACE MACRO otlp_is_finding(cells, place) AS
  ends_with(cells[place - 1], '"name":"guard.finding","attributes":[');

-- What came of each check, from the one column of their attributes: names, or receipts.
CREATE OR REPLACE MACRO otlp_checks(cells, path) AS TRY(('[' || rtrim(cells[42], ', ') || ']') ->> path);

CREATE OR REPLACE MACRO otlp_receipts(keys, texts) AS list_transform(
  list_filter(list_zip(keys, texts), lambda p: starts_with(p[1], 'guard.check.')),
  lambda p: {'check': substr(p[1], length('guard.check.') + 1), 'receipt': p[2]}
);

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

CREATE OR REPLACE MACRO otlp_events(line) AS TRY(line -> '$.resourceSpans[0].scopeSpans[0].spans[0].events[*]');

-- One row a span, read from the lines that a view holds: what all views are made of. `events` are JSON as exported.
-- Each JSON function reads the whole line, so that there are few of them; attributes stay two lists until somebody
-- asks for the map: making maps costs more than reading the lines; and a line that is one span is not copied. They
-- stand before `unnest`, which no filter passes: a filter on three attributes would else read the line six times more.
CREATE OR REPLACE MACRO otlp_spans(source) AS TABLE
WITH
  cut AS (SELECT json, otlp_cells(json, string_split(json, chr(9))) AS cells, filename, seq FROM query_table(source)),
  lined AS (
    SELECT
      json, cells, CASE WHEN cells IS NULL THEN otlp_head(json) END AS head,
      CASE WHEN cells IS NULL THEN TRY(otlp_keys(json)) END AS keys,
      CASE WHEN cells IS NULL THEN TRY(otlp_texts(json)) END AS texts, filename, seq
    FROM cut
  ),
  raw AS (
    SELECT
      unnest(
        CASE
          WHEN cells IS NOT NULL THEN [NULL]
          WHEN head[1] IS NOT NULL AND coalesce(head[9], head[10], head[11]) IS NULL AND NOT contains(json, 'null')
            THEN [NULL]
          ELSE otlp_split(json)
        END
      ) AS part,
      CAST(json AS VARCHAR) AS whole, cells, head, keys, texts, filename, seq
    FROM lined
  ),
  parsed AS (
    SELECT
      coalesce(part, whole) AS line, cells, CASE WHEN part IS NULL THEN head ELSE otlp_head(part) END AS head,
      CASE WHEN part IS NULL THEN keys ELSE otlp_keys(part) END AS keys,
      CASE WHEN part IS NULL THEN texts ELSE otlp_texts(part) END AS texts, filename, seq
    FROM raw
  ),
  topped AS (
    SELECT
      line, cells, keys, texts, filename, seq,
      CASE WHEN cells IS NULL THEN head[1] ELSE otlp_member(cells[2], 'traceId') END AS trace_id,
      CASE WHEN cells IS NULL THEN head[2] ELSE otlp_member(cells[3], 'spanId') END AS span_id,
      CASE WHEN cells IS NULL THEN head[3] ELSE otlp_member(cells[4], 'parentSpanId') END AS parent_span_id,
      CASE WHEN cells IS NULL THEN head[4] ELSE otlp_member(cells[5], 'name') END AS name,
      CASE WHEN cells IS NULL THEN head[5] ELSE substr(cells[6], 8, 1) END AS kind,
      CASE WHEN cells IS NULL THEN head[6] ELSE otlp_member(cells[7], 'startTimeUnixNano') END AS began,
      CASE WHEN cells IS NULL THEN head[7] ELSE otlp_member(cells[8], 'endTimeUnixNano') END AS ended,
      CASE WHEN cells IS NULL THEN head[8] ELSE substr(cells[9], 18, 1) END AS code
    FROM parsed
  )
SELECT
  trace_id,
  span_id,
  parent_span_id,
  name,
  CASE kind WHEN '1' THEN 'internal' WHEN '2' THEN 'server' WHEN '3' THEN 'client' END AS kind,
  otlp_time(began) AS start_ts,
  otlp_time(ended) AS end_ts,
  (TRY_CAST(ended AS BIGINT) - TRY_CAST(began AS BIGINT)) / 1e6 AS duration_ms,
  coalesce(code, '0') = '2' AS failed,
  otlp_map(line -> '$.resourceSpans[0].scopeSpans[0].spans[0].attributes') AS attrs,
  otlp_map(line -> '$.resourceSpans[0].resource.attributes') AS resource,
  otlp_events(line) AS events,
  CASE WHEN cells IS NULL THEN otlp_receipts(keys, texts)
    ELSE otlp_receipts(otlp_checks(cells, '$[*].key'), otlp_checks(cells, '$[*].value.*')) END AS receipts,
  parse_filename(filename) AS file,
  seq,
  otlp_text(cells, 15, keys, texts, 'guard.stage') AS stage,
  otlp_text(cells, 16, keys, texts, 'guard.exchange') AS exchange,
  otlp_text(cells, 17, keys, texts, 'guard.action') AS action,
  otlp_text(cells, 18, keys, texts, 'guard.enforced') AS enforced,
  otlp_text(cells, 19, keys, texts, 'error.type') AS error_type,
  otlp_text(cells, 20, keys, texts, 'guard.mount') AS mount,
  otlp_text(cells, 21, keys, texts, 'guard.endpoint') AS endpoint,
  otlp_text(cells, 22, keys, texts, 'guard.tenant') AS tenant,
  otlp_text(cells, 23, keys, texts, 'guard.user') AS user_hash,
  otlp_text(cells, 24, keys, texts, 'guard.subject_key') AS subject_key,
  otlp_text(cells, 11, keys, texts, 'guard.policy.name') AS policy,
  otlp_text(cells, 12, keys, texts, 'guard.policy.version') AS policy_version,
  otlp_text(cells, 13, keys, texts, 'guard.policy.sha256') AS policy_sha256,
  otlp_text(cells, 14, keys, texts, 'guard.policy.mode') AS policy_mode,
  otlp_number(cells, 25, keys, texts, 'guard.bytes.screened') AS bytes_screened,
  otlp_number(cells, 26, keys, texts, 'guard.bytes.forwarded') AS bytes_forwarded,
  otlp_text(cells, 27, keys, texts, 'guard.residency.host') AS host,
  otlp_text(cells, 28, keys, texts, 'guard.residency.jurisdiction') AS jurisdiction,
  otlp_text(cells, 29, keys, texts, 'guard.residency.decision') AS residency_decision,
  otlp_text(cells, 30, keys, texts, 'guard.residency.code') AS residency_code,
  CASE WHEN cells IS NULL THEN otlp_get(keys, texts, 'guard.check.detect')
    ELSE otlp_get(otlp_checks(cells, '$[*].key'), otlp_checks(cells, '$[*].value.*'), 'guard.check.detect')
    END AS detect,
  otlp_text(cells, 31, keys, texts, 'gen_ai.operation.name') AS operation,
  otlp_text(cells, 32, keys, texts, 'gen_ai.provider.name') AS provider,
  otlp_text(cells, 33, keys, texts, 'gen_ai.request.model') AS model,
  otlp_text(cells, 34, keys, texts, 'gen_ai.response.model') AS response_model,
  otlp_text(cells, 35, keys, texts, 'gen_ai.response.id') AS response_id,
  otlp_number(cells, 36, keys, texts, 'gen_ai.usage.input_tokens') AS input_tokens,
  otlp_number(cells, 37, keys, texts, 'gen_ai.usage.output_tokens') AS output_tokens,
  TRY_CAST(otlp_text(cells, 38, keys, texts, 'guard.cost.usd') AS DOUBLE) AS cost_usd,
  otlp_text(cells, 39, keys, texts, 'server.address') AS address,
  otlp_text(cells, 40, keys, texts, 'guard.waived') AS waived,
  otlp_text(cells, 41, keys, texts, 'guard.outcome') AS tag,
  otlp_found(line, cells) AS found,
  line,
  cells
FROM topped;

CREATE OR REPLACE MACRO read_spans(source) AS TABLE SELECT * EXCLUDE (line, cells) FROM otlp_spans(source);

-- What the views stand on: `guard audit compact` puts Parquet in the place of lines that it has read before.
CREATE OR REPLACE MACRO all_spans(source) AS TABLE SELECT * FROM read_spans(source);

-- One row a finding event: a kind that a rule matched (or none did) at one path; `place` is its first column.
CREATE OR REPLACE MACRO read_findings(source) AS TABLE
SELECT
  trace_id,
  span_id,
  start_ts,
  stage,
  otlp_text(cells, place, keys, texts, 'kind') AS kind,
  otlp_text(cells, place + 1, keys, texts, 'source') AS source,
  otlp_text(cells, place + 2, keys, texts, 'rule') AS rule,
  otlp_text(cells, place + 3, keys, texts, 'origin') AS origin,
  otlp_text(cells, place + 4, keys, texts, 'action') AS action,
  otlp_text(cells, place + 5, keys, texts, 'enforced') AS enforced,
  otlp_text(cells, place + 6, keys, texts, 'path') AS path,
  otlp_number(cells, place + 7, keys, texts, 'count') AS count,
  TRY_CAST(otlp_list(otlp_text(cells, place + 8, keys, texts, 'scores')) AS DOUBLE[]) AS scores,
  TRY_CAST(otlp_list(otlp_text(cells, place + 9, keys, texts, 'starts')) AS BIGINT[]) AS starts,
  TRY_CAST(otlp_list(otlp_text(cells, place + 10, keys, texts, 'ends')) AS BIGINT[]) AS ends,
  otlp_many(cells, place + 11, keys, texts, 'subjects') AS subjects,
  coalesce(otlp_text(cells, place + 12, keys, texts, 'truncated') = 'true', false) AS truncated,
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
      policy_sha256, cells, unnest(CASE WHEN cells IS NULL THEN otlp_events(line) END) AS event,
      unnest(CASE WHEN cells IS NOT NULL THEN range(44, len(cells), 14) END) AS place
    FROM otlp_spans(source)
  )
  WHERE CASE WHEN cells IS NULL THEN event ->> 'name' = 'guard.finding'
    ELSE otlp_is_finding(cells, place) END
);

CREATE OR REPLACE MACRO all_findings(source) AS TABLE SELECT * FROM read_findings(source);

CREATE OR REPLACE MACRO still_linked(subjects, gone) AS
  CASE WHEN list_has_any(subjects, gone)
    THEN list_transform(subjects, lambda s: CASE WHEN list_contains(gone, s) THEN 'erased' ELSE s END)
    ELSE subjects END;

-- The spans that calls are joined from (MATERIALIZED below: else each side of the join reads all lines).
CREATE OR REPLACE MACRO call_spans(source) AS TABLE SELECT * FROM all_spans(source);

-- One row a call to a model or to a moderation service.
-- outcome: refused (before the call) | answered | blocked (the answer) | failed | unknown (no record of an end).
CREATE OR REPLACE MACRO joined(source) AS TABLE
WITH
  flat AS MATERIALIZED (
    SELECT
      trace_id, span_id, parent_span_id, name, start_ts, duration_ms, file, seq, stage, exchange, action, enforced,
      error_type, tenant, user_hash, mount, endpoint, policy, policy_version, host, jurisdiction,
      residency_decision, bytes_screened, bytes_forwarded, operation, provider, model, response_model,
      response_id, input_tokens, output_tokens, cost_usd, address, tag, found
    FROM call_spans(source)
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
  CASE WHEN i.span_id IS NULL THEN e.seq ELSE i.seq END AS seq,
  i.start_ts AS asked_ts,
  i.found AS found
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
  policy_version, NULL, NULL, NULL, NULL, cost_usd, NULL, true, NULL, span_id, file, seq, NULL, NULL
FROM flat
WHERE operation = 'moderation';

CREATE OR REPLACE MACRO joined_calls(source) AS TABLE SELECT * EXCLUDE (asked_ts, found) FROM joined(source);

CREATE OR REPLACE MACRO all_calls(source) AS TABLE SELECT * FROM joined_calls(source);

-- One row a finding in what went to a model: what became of it, and who received the call, when, for whom.
-- `trace` tells traces apart and no more: of lines it is the id, of Parquet a number.
CREATE OR REPLACE MACRO all_sent(source) AS TABLE
SELECT
  start_ts, tenant, host, jurisdiction, year(asked_ts) AS year, f['kind'] AS kind, f['enforced'] AS enforced,
  f['count'] AS count, f['subjects'] AS subjects, file, seq, trace_id AS trace
FROM (SELECT *, unnest(found) AS f FROM joined(source) WHERE purpose = 'model' AND outcome <> 'refused');

-- The views. What they are made of stands above as macros that take the view they read as `source`: a macro with a
-- parameter costs nothing before somebody asks, where a view of views is bound anew for each that stands on it.

-- Persons that were erased: their hashes, from the files of the one writer of tombstones.
CREATE VIEW IF NOT EXISTS erasure_lines AS SELECT * FROM lines WHERE parse_filename(filename) LIKE '%-erasure-%';

CREATE OR REPLACE MACRO erasures(name) AS TABLE
SELECT
  x ->> '$.attributes[*].key' AS keys, x ->> '$.attributes[*].value.*' AS texts,
  otlp_time(x ->> 'startTimeUnixNano') AS start_ts
FROM (SELECT unnest(json -> '$.resourceSpans[*].scopeSpans[*].spans[*]') AS x FROM erasure_lines)
WHERE x ->> 'name' = name;

CREATE OR REPLACE VIEW erased AS
SELECT unnest(otlp_list(otlp_get(keys, texts, 'guard.audit.subject'))) AS subject, start_ts,
  otlp_get(keys, texts, 'guard.audit.ticket') AS ticket
FROM erasures('guard.audit.erased');

CREATE OR REPLACE VIEW spans AS
SELECT
  trace_id, span_id, parent_span_id, name, kind, start_ts, end_ts, duration_ms, attrs, resource, events, failed,
  tenant, file, seq
FROM all_spans('lines');

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
FROM all_spans('lines')
WHERE stage IS NOT NULL;

CREATE OR REPLACE VIEW findings AS
SELECT * EXCLUDE (gone) REPLACE (still_linked(subjects, gone) AS subjects)
FROM all_findings('finding_lines'), (SELECT coalesce(list(subject), []) AS gone FROM erased);

-- One row a check: what became of it (ran, not_applicable, failed_closed, failed_open, skipped).
CREATE OR REPLACE VIEW checks AS
SELECT
  trace_id, span_id, start_ts, stage, tenant, policy, policy_version,
  entry['check'] AS "check",
  entry['receipt'] AS receipt,
  file,
  seq
FROM (SELECT *, unnest(receipts) AS entry FROM all_spans('lines'));

CREATE OR REPLACE VIEW calls AS SELECT * FROM all_calls('lines');

CREATE OR REPLACE VIEW sent AS
SELECT * EXCLUDE (gone) REPLACE (still_linked(subjects, gone) AS subjects)
FROM all_sent('lines'), (SELECT coalesce(list(subject), []) AS gone FROM erased);
