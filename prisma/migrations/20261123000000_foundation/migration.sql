-- Offpeak's first tables. Runs on PostgreSQL 15 and later. docs/architecture.md draws them and gives the reasons;
-- comments here are about what the SQL alone shows.

CREATE TYPE job_status AS ENUM ('pending', 'processing', 'completed', 'failed', 'cancelled');
CREATE TYPE job_move AS ENUM ('enqueued', 'claimed', 'released', 'completed', 'failed', 'cancelled', 'retried');
CREATE TYPE batch_status AS ENUM (
  'sealed', 'submitting', 'unknown', 'in_progress', 'canceling', 'ended', 'ingested', 'rejected'
);
CREATE TYPE batch_role AS ENUM ('primary', 'surplus');
CREATE TYPE flush_reason AS ENUM ('manual', 'count', 'bytes', 'age', 'deadline', 'priority');
CREATE TYPE item_outcome AS ENUM ('succeeded', 'errored', 'canceled', 'expired');

-- Who --------------------------------------------------------------------------------------------------------------

CREATE TABLE tenant (
  id         uuid PRIMARY KEY,
  name       text NOT NULL,
  created_at timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE UNIQUE INDEX tenant_name_key ON tenant (name);

CREATE TABLE api_key (
  id           uuid PRIMARY KEY,
  tenant_id    uuid NOT NULL,
  name         text NOT NULL,
  hash         bytea NOT NULL CHECK (length(hash) = 32),
  scopes       text[],
  created_at   timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
  expires_at   timestamptz(3),
  revoked_at   timestamptz(3),
  last_used_at timestamptz(3)
);
CREATE UNIQUE INDEX api_key_hash_key ON api_key (hash);
CREATE INDEX api_key_tenant_id_idx ON api_key (tenant_id);

-- Jobs -------------------------------------------------------------------------------------------------------------

-- Half of each page stays free and no index (nor index predicate) names a column that completion changes, so that
-- the completion of a job is a HOT update. That is why `claimable` exists beside `status`.
CREATE TABLE job (
  id               uuid PRIMARY KEY,
  tenant_id        uuid NOT NULL,
  type             text NOT NULL,
  status           job_status NOT NULL DEFAULT 'pending',
  priority         smallint NOT NULL,
  rank             timestamptz(3) NOT NULL,
  due_at           timestamptz(3) NOT NULL,
  run_after        timestamptz(3),
  deadline         timestamptz(3),
  claimable        boolean NOT NULL DEFAULT true,
  batch_id         uuid,
  attempt          smallint NOT NULL DEFAULT 0,
  max_attempts     smallint NOT NULL,
  submission       smallint NOT NULL DEFAULT 0,
  expiries         smallint NOT NULL DEFAULT 0,
  version          integer NOT NULL DEFAULT 1,
  request_bytes    integer NOT NULL,
  estimated_tokens integer NOT NULL,
  custom_id        text,
  created_at       timestamptz(3) NOT NULL,
  updated_at       timestamptz(3) NOT NULL,
  CONSTRAINT job_claimable_when_pending CHECK (claimable = (status = 'pending')),
  CONSTRAINT job_batch_by_status CHECK (
    CASE status WHEN 'pending' THEN batch_id IS NULL WHEN 'processing' THEN batch_id IS NOT NULL
                WHEN 'completed' THEN batch_id IS NOT NULL ELSE true END
  ),
  CONSTRAINT job_priority_range CHECK (priority BETWEEN 0 AND 100),
  CONSTRAINT job_attempt_range CHECK (attempt BETWEEN 0 AND max_attempts AND max_attempts >= 1),
  CONSTRAINT job_counters_not_negative CHECK (submission >= 0 AND expiries >= 0 AND version >= 1),
  CONSTRAINT job_deadline_after_start CHECK (deadline IS NULL OR run_after IS NULL OR deadline > run_after),
  CONSTRAINT job_custom_id_length CHECK (custom_id IS NULL OR length(custom_id) BETWEEN 1 AND 255)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX job_tenant_id_custom_id_key ON job (tenant_id, custom_id) WHERE custom_id IS NOT NULL;
CREATE INDEX job_claim_idx ON job (tenant_id, rank, id) WHERE claimable;
CREATE INDEX job_tenant_id_created_at_id_idx ON job (tenant_id, created_at, id);
CREATE INDEX job_tenant_id_type_created_at_id_idx ON job (tenant_id, type, created_at, id);
CREATE INDEX job_batch_id_idx ON job (batch_id) WHERE batch_id IS NOT NULL;

-- Text, not jsonb: \u0000, 1.0 and big integers survive, and nothing is compressed below 4 kB on the hot path.
CREATE TABLE job_payload (
  job_id      uuid PRIMARY KEY,
  payload     text NOT NULL,
  options     text,
  fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32)
) WITH (toast_tuple_target = 4080);

CREATE TABLE job_outcome (
  job_id        uuid PRIMARY KEY,
  tenant_id     uuid NOT NULL,
  status        job_status NOT NULL CHECK (status IN ('completed', 'failed', 'cancelled')),
  error_code    text,
  error_message text,
  completed_at  timestamptz(3) NOT NULL,
  result        text,
  raw_text      text,
  CONSTRAINT job_outcome_error_unless_completed CHECK ((status = 'failed') = (error_code IS NOT NULL)),
  CONSTRAINT job_outcome_result_when_completed CHECK ((status = 'completed') = (result IS NOT NULL))
) WITH (toast_tuple_target = 4080);
CREATE INDEX job_outcome_tenant_id_completed_at_job_id_idx ON job_outcome (tenant_id, completed_at, job_id);
CREATE INDEX job_outcome_error_idx ON job_outcome (tenant_id, error_code, completed_at, job_id)
  WHERE error_code IS NOT NULL;

-- Batches ----------------------------------------------------------------------------------------------------------

CREATE TABLE batch (
  id                uuid PRIMARY KEY,
  tenant_id         uuid NOT NULL,
  provider_identity text NOT NULL,
  provider_batch_id text,
  status            batch_status NOT NULL DEFAULT 'sealed',
  role              batch_role NOT NULL DEFAULT 'primary',
  reason            flush_reason NOT NULL,
  request_count     integer NOT NULL CHECK (request_count >= 0),
  bytes             bigint NOT NULL CHECK (bytes >= 0),
  estimated_tokens  bigint NOT NULL CHECK (estimated_tokens >= 0),
  body_hash         bytea,
  intent_at         timestamptz(3),
  succeeded         integer NOT NULL DEFAULT 0,
  errored           integer NOT NULL DEFAULT 0,
  canceled          integer NOT NULL DEFAULT 0,
  expired           integer NOT NULL DEFAULT 0,
  error_code        text,
  error_message     text,
  created_at        timestamptz(3) NOT NULL,
  submitted_at      timestamptz(3),
  ended_at          timestamptz(3),
  expires_at        timestamptz(3),
  ingested_at       timestamptz(3),
  next_poll_at      timestamptz(3),
  poll_failures     smallint NOT NULL DEFAULT 0,
  lease_owner       uuid,
  lease_until       timestamptz(3),
  delivered_seq     bigint NOT NULL DEFAULT 0,
  CONSTRAINT batch_intent_before_post CHECK (
    status IN ('sealed', 'rejected') OR role = 'surplus'
    OR (intent_at IS NOT NULL AND body_hash IS NOT NULL)
  ),
  CONSTRAINT batch_provider_id_by_status CHECK (
    CASE WHEN status IN ('in_progress', 'canceling', 'ended', 'ingested') THEN provider_batch_id IS NOT NULL
         WHEN status IN ('sealed', 'submitting', 'unknown') THEN provider_batch_id IS NULL ELSE true END
  ),
  CONSTRAINT batch_rejected_says_why CHECK (status <> 'rejected' OR error_code IS NOT NULL)
);
CREATE UNIQUE INDEX batch_provider_identity_provider_batch_id_key ON batch (provider_identity, provider_batch_id);
CREATE INDEX batch_tenant_id_created_at_id_idx ON batch (tenant_id, created_at, id);
CREATE INDEX batch_due_idx ON batch (next_poll_at) WHERE status IN ('in_progress', 'canceling', 'ended', 'unknown');
CREATE INDEX batch_sealed_idx ON batch (created_at) WHERE status = 'sealed';
-- One POST at a time per provider identity, and no two unsettled intents of one size: recovery tells them apart by
-- their request count alone, since a provider batch carries no name of ours until its results are readable.
CREATE UNIQUE INDEX batch_one_submitter ON batch (provider_identity) WHERE status = 'submitting';
CREATE UNIQUE INDEX batch_unsettled_sizes_differ ON batch (provider_identity, request_count)
  WHERE status IN ('submitting', 'unknown');

CREATE TABLE batch_request (
  batch_id     uuid NOT NULL,
  job_id       uuid NOT NULL,
  submission   smallint NOT NULL,
  type_version integer NOT NULL,
  model        text NOT NULL,
  max_tokens   integer NOT NULL,
  PRIMARY KEY (batch_id, job_id)
);
CREATE INDEX batch_request_job_id_idx ON batch_request (job_id);

-- The ledger -------------------------------------------------------------------------------------------------------

CREATE TABLE batch_item (
  batch_id              uuid NOT NULL,
  custom_id             text NOT NULL,
  seq                   bigserial NOT NULL,
  job_id                uuid,
  tenant_id             uuid NOT NULL,
  provider_identity     text NOT NULL,
  job_type              text,
  outcome               item_outcome NOT NULL,
  stop_reason           text,
  error_type            text,
  error_message         text,
  request_id            text,
  model                 text,
  input_tokens          integer NOT NULL DEFAULT 0,
  output_tokens         integer NOT NULL DEFAULT 0,
  cache_write_5m_tokens integer NOT NULL DEFAULT 0,
  cache_write_1h_tokens integer NOT NULL DEFAULT 0,
  cache_read_tokens     integer NOT NULL DEFAULT 0,
  thinking_tokens       integer NOT NULL DEFAULT 0,
  web_searches          integer NOT NULL DEFAULT 0,
  cost_usd              numeric(26,16),
  standard_cost_usd     numeric(26,16),
  ingested_at           timestamptz(3) NOT NULL,
  PRIMARY KEY (batch_id, custom_id),
  CONSTRAINT batch_item_only_success_costs CHECK (outcome = 'succeeded' OR (cost_usd = 0 AND standard_cost_usd = 0))
);
CREATE INDEX batch_item_job_id_idx ON batch_item (job_id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is a ledger: its rows are never changed or deleted', TG_TABLE_NAME;
END $$;
CREATE TRIGGER batch_item_immutable BEFORE UPDATE OR DELETE ON batch_item
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The log ----------------------------------------------------------------------------------------------------------

CREATE TABLE log_state (
  singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  epoch      integer NOT NULL DEFAULT 1,
  pruned_xid bigint NOT NULL DEFAULT 0,
  pruned_id  bigint NOT NULL DEFAULT 0
);
INSERT INTO log_state DEFAULT VALUES;

-- A reader stops below pg_snapshot_xmin: whatever is at or above it may still commit, in any order. A plain serial
-- would lose the rows of a transaction that commits late. xid is the 64-bit transaction id (xid8) as bigint, which
-- Prisma can read.
CREATE TABLE job_event (
  epoch     integer NOT NULL,
  xid       bigint NOT NULL DEFAULT ((pg_current_xact_id())::text)::bigint,
  id        bigserial NOT NULL,
  job_id    uuid NOT NULL,
  tenant_id uuid NOT NULL,
  version   integer NOT NULL,
  status    job_status NOT NULL,
  move      job_move NOT NULL,
  batch_id  uuid,
  detail    text,
  at        timestamptz(3) NOT NULL,
  PRIMARY KEY (epoch, xid, id)
);
CREATE INDEX job_event_job_id_version_idx ON job_event (job_id, version);

-- Kept counts and sums ---------------------------------------------------------------------------------------------

-- Rows are deltas, added by the statements below and folded in the background; a counter row updated in place would
-- make every writer of a tenant wait for every other.
CREATE TABLE job_count (
  id          bigserial PRIMARY KEY,
  tenant_id   uuid NOT NULL,
  type        text NOT NULL,
  status      job_status NOT NULL,
  jobs        bigint NOT NULL,
  duration_ms bigint NOT NULL DEFAULT 0
);
CREATE INDEX job_count_tenant_id_idx ON job_count (tenant_id);

CREATE FUNCTION count_new_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO job_count (tenant_id, type, status, jobs)
    SELECT tenant_id, type, status, count(*) FROM new_rows GROUP BY tenant_id, type, status;
  RETURN NULL;
END $$;
CREATE TRIGGER job_count_insert AFTER INSERT ON job
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_new_jobs();

CREATE FUNCTION count_moved_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO job_count (tenant_id, type, status, jobs, duration_ms)
    SELECT tenant_id, type, status, sum(jobs), sum(duration_ms)
      FROM (SELECT n.tenant_id, n.type, n.status, 1 AS jobs,
                   CASE WHEN n.status = 'completed'
                        THEN (extract(epoch FROM n.updated_at - n.created_at) * 1000)::bigint ELSE 0 END AS duration_ms
              FROM new_rows n JOIN old_rows o USING (id) WHERE n.status <> o.status
            UNION ALL
            SELECT o.tenant_id, o.type, o.status, -1, 0
              FROM new_rows n JOIN old_rows o USING (id) WHERE n.status <> o.status) AS moves
     GROUP BY tenant_id, type, status;
  RETURN NULL;
END $$;
CREATE TRIGGER job_count_update AFTER UPDATE ON job
  REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_moved_jobs();

CREATE TABLE ledger_total (
  id                bigserial PRIMARY KEY,
  tenant_id         uuid NOT NULL,
  provider_identity text NOT NULL,
  items             bigint NOT NULL,
  input_tokens      bigint NOT NULL,
  output_tokens     bigint NOT NULL,
  cost_usd          numeric(32,16) NOT NULL,
  standard_cost_usd numeric(32,16) NOT NULL,
  unpriced_items    bigint NOT NULL
);
CREATE INDEX ledger_total_tenant_id_provider_identity_idx ON ledger_total (tenant_id, provider_identity);

CREATE FUNCTION total_new_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ledger_total (tenant_id, provider_identity, items, input_tokens, output_tokens,
                            cost_usd, standard_cost_usd, unpriced_items)
    SELECT tenant_id, provider_identity, count(*),
           sum(input_tokens::bigint + cache_write_5m_tokens + cache_write_1h_tokens + cache_read_tokens),
           sum(output_tokens::bigint),
           coalesce(sum(cost_usd), 0), coalesce(sum(standard_cost_usd), 0), count(*) FILTER (WHERE cost_usd IS NULL)
      FROM new_rows GROUP BY tenant_id, provider_identity;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_total_insert AFTER INSERT ON batch_item
  REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION total_new_items();

-- Prices -----------------------------------------------------------------------------------------------------------

CREATE TABLE price (
  model              text NOT NULL,
  effective_from     date NOT NULL,
  above_input_tokens integer NOT NULL DEFAULT 0,
  input              numeric(12,6) NOT NULL,
  output             numeric(12,6) NOT NULL,
  cache_write_5m     numeric(12,6) NOT NULL,
  cache_write_1h     numeric(12,6) NOT NULL,
  cache_read         numeric(12,6) NOT NULL,
  batch_factor       numeric(6,4) NOT NULL DEFAULT 0.5,
  source             text NOT NULL,
  PRIMARY KEY (model, effective_from, above_input_tokens)
);

-- USD per million tokens at the standard rate. '2025-01-01' stands for "since the model exists, as far as known".
INSERT INTO price (model, effective_from, above_input_tokens, input, output, cache_write_5m, cache_write_1h,
                   cache_read, source) VALUES
  ('claude-fable-5-2',           '2026-11-09', 0,  8.00, 40.00, 10.000, 16.00, 0.20, 'release notes; cache columns third party'),
  ('claude-mythos-5-2',          '2026-11-09', 0,  8.00, 40.00, 10.000, 16.00, 0.20, 'release notes; cache columns third party'),
  ('claude-fable-5-1',           '2025-01-01', 0, 10.00, 50.00, 12.500, 20.00, 0.25, 'pricing page'),
  ('claude-mythos-5-1',          '2025-01-01', 0, 10.00, 50.00, 12.500, 20.00, 0.25, 'pricing page'),
  ('claude-fable-5',             '2025-01-01', 0, 10.00, 50.00, 12.500, 20.00, 1.00, 'pricing page'),
  ('claude-mythos-5',            '2025-01-01', 0, 10.00, 50.00, 12.500, 20.00, 1.00, 'pricing page'),
  ('claude-opus-5-5',            '2025-01-01', 0,  4.00, 20.00,  5.000,  8.00, 0.20, 'model page'),
  ('claude-opus-5',              '2025-01-01', 0,  5.00, 25.00,  6.250, 10.00, 0.50, 'pricing page'),
  ('claude-opus-4-8',            '2025-01-01', 0,  5.00, 25.00,  6.250, 10.00, 0.50, 'pricing page'),
  ('claude-opus-4-7',            '2025-01-01', 0,  5.00, 25.00,  6.250, 10.00, 0.50, 'pricing page'),
  ('claude-opus-4-6',            '2025-01-01', 0,  5.00, 25.00,  6.250, 10.00, 0.50, 'pricing page'),
  ('claude-opus-4-5',            '2025-01-01', 0,  5.00, 25.00,  6.250, 10.00, 0.50, 'pricing page'),
  ('claude-opus-4-5-20251101',   '2025-01-01', 0,  5.00, 25.00,  6.250, 10.00, 0.50, 'pricing page'),
  ('claude-sonnet-5-5',          '2025-01-01', 0,  2.00, 10.00,  2.500,  4.00, 0.20, 'release notes'),
  ('claude-sonnet-5-5',          '2026-10-07', 0,  2.00, 10.00,  2.500,  4.00, 0.10, 'release notes'),
  ('claude-sonnet-5',            '2025-01-01', 0,  2.00, 10.00,  2.500,  4.00, 0.20, 'pricing page'),
  ('claude-sonnet-4-6',          '2025-01-01', 0,  3.00, 15.00,  3.750,  6.00, 0.30, 'pricing page'),
  ('claude-sonnet-4-5',          '2025-01-01', 0,  3.00, 15.00,  3.750,  6.00, 0.30, 'pricing page'),
  ('claude-sonnet-4-5-20250929', '2025-01-01', 0,  3.00, 15.00,  3.750,  6.00, 0.30, 'pricing page'),
  ('claude-haiku-5-5',           '2025-01-01', 0,  0.10,  0.50,  0.125,  0.20, 0.01, 'model page; band third party'),
  ('claude-haiku-5-5',           '2025-01-01', 100000, 0.50, 2.50, 0.625, 1.00, 0.05, 'third party; batch halving assumed'),
  ('claude-haiku-4-5',           '2025-01-01', 0,  1.00,  5.00,  1.250,  2.00, 0.10, 'pricing page'),
  ('claude-haiku-4-5-20251001',  '2025-01-01', 0,  1.00,  5.00,  1.250,  2.00, 0.10, 'pricing page');
