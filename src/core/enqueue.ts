import { createHash } from 'node:crypto';
import { requireScope, type Actor, type Context } from './context.ts';
import { DomainError, IdempotencyConflictError, TooLargeError, ValidationError } from './errors.ts';
import { estimateTokens } from './forecast.ts';
import { newId, requestName } from './ids.ts';
import { buildParams, jobTypes, requestBytes, type JobTypeName } from './job-types/index.ts';
import { canonical, parseExact } from './json.ts';
import { now, sql } from './sql.ts';

/** One job to run. */
export interface EnqueueItem {
  type: JobTypeName;
  /** The client's JSON object, as text: it is stored and sent as it came. */
  payload: string;
  /** 0 to 100, higher is more urgent; 50 unless given. */
  priority?: number | undefined;
  /** Not before this time. */
  runAfter?: Date | undefined;
  /** The client's own name of the job, 1 to 255 characters; a second enqueue under it returns the first job. */
  customId?: string | undefined;
}

/** A job made, or found under the same custom id with the same content (`replayed`). */
export interface Enqueued {
  jobId: string;
  replayed: boolean;
}

/** One row of the statement's single jsonb parameter. */
interface Row {
  id: string;
  type: string;
  priority: number;
  run_after: string | undefined;
  custom_id: string | undefined;
  payload: string;
  fingerprint: string;
  request_bytes: number;
  estimated_tokens: number;
}

/**
 * Enqueues jobs, each answered for itself: a bad item never fails its neighbours. All good ones are in the database,
 * durably, when this resolves. Needs the scope `jobs:write`.
 */
export async function enqueue(
  context: Context,
  actor: Actor,
  items: readonly EnqueueItem[],
): Promise<(Enqueued | DomainError)[]> {
  requireScope(actor, 'jobs:write');
  const rows = items.map((item) => toRow(context, item));
  const good = rows.filter((row): row is Row => !(row instanceof DomainError));
  const inserted = await insertJobs(context, actor, good);
  const keyed = good.filter((row) => !inserted.has(row.id));
  const existing = keyed.length ? await readExisting(context, actor, keyed) : new Map<string, Existing>();
  if (inserted.size) context.hub.nudge();
  return rows.map((row) => {
    if (row instanceof DomainError) return row;
    if (inserted.has(row.id)) return { jobId: row.id, replayed: false };
    const earlier = existing.get(row.custom_id!)!;
    return earlier.fingerprint === row.fingerprint
      ? { jobId: earlier.id, replayed: true }
      : new IdempotencyConflictError(row.custom_id!, earlier.id);
  });
}

function toRow(context: Context, item: EnqueueItem): Row | DomainError {
  try {
    const { priority = 50, runAfter, customId, type, payload } = item;
    if (!Number.isInteger(priority) || priority < 0 || priority > 100) {
      throw new ValidationError('priority', 'The priority must be a whole number from 0 to 100.');
    }
    if (customId !== undefined) checkCustomId(customId);
    if (runAfter && !(runAfter.getTime() >= MIN_TIME && runAfter.getTime() <= MAX_TIME)) {
      throw new ValidationError('runAfter', 'The time must lie in the years 1 to 9999, in UTC.');
    }
    const fingerprint = fingerprintOf(type, payload);
    const id = newId();
    // The name of a later submission is longer by a few digits at most; 99999 is the widest there is.
    const bytes = requestBytes(requestName(id, 99_999), buildParams(jobTypes[type], payload));
    if (bytes > context.policy.batchBytes - ENVELOPE)
      throw new TooLargeError(bytes, context.policy.batchBytes);
    return {
      id,
      type,
      priority,
      run_after: runAfter?.toISOString(),
      custom_id: customId,
      payload,
      fingerprint,
      request_bytes: bytes,
      estimated_tokens: estimateTokens(bytes),
    };
  } catch (error) {
    if (error instanceof DomainError) return error;
    throw error;
  }
}

/** The bytes of `{"requests":[` and `]}` around the requests. */
export const ENVELOPE = 15;
const MIN_TIME = Date.parse('0001-01-01T00:00:00Z');
const MAX_TIME = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

function checkCustomId(customId: string): void {
  const { length } = Array.from(customId); // code points, as the legacy contract counts
  if (length < 1 || length > 255) {
    throw new ValidationError('customId', `A custom id has 1 to 255 characters; this one has ${length}.`);
  }
  if (customId.includes('\0') || !customId.isWellFormed()) {
    throw new ValidationError('customId', 'A custom id holds neither U+0000 nor half of a surrogate pair.');
  }
}

/** What makes two enqueues of one custom id the same; throws ValidationError unless the payload is a JSON object. */
function fingerprintOf(type: JobTypeName, payload: string): string {
  try {
    return createHash('sha256')
      .update(`${type}\n${canonical(parseObject(payload))}`)
      .digest('hex');
  } catch (error) {
    // Both the reader and the printer call themselves for each level, and the stack has an end.
    if (error instanceof RangeError) throw new ValidationError('payload', 'The payload is nested too deep.');
    throw error;
  }
}

function parseObject(payload: string): unknown {
  if (!payload.isWellFormed()) {
    throw new ValidationError(
      'payload',
      'The payload holds half of a surrogate pair, which has to be escaped.',
    );
  }
  let content: unknown;
  try {
    content = parseExact(payload);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ValidationError('payload', `The payload must be JSON: ${error.message}.`);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content) || JSON.isRawJSON(content)) {
    throw new ValidationError('payload', 'The payload must be a JSON object, such as {"symbols": ["MSFT"]}.');
  }
  return content;
}

/**
 * One statement for any number of jobs: one jsonb parameter measured 1.9 times pg-boss and 94 % of COPY, and it is
 * one commit. Returns the ids that are new; the others met an earlier job of the same custom id.
 */
async function insertJobs(context: Context, actor: Actor, rows: readonly Row[]): Promise<Set<string>> {
  if (rows.length === 0) return new Set();
  const at = now(context.clock);
  const inserted = await context.db.$queryRaw<{ id: string }[]>(sql`
    WITH input AS (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS row (
        id uuid, type text, priority smallint, run_after timestamptz(3), custom_id text,
        payload text, fingerprint text, request_bytes int, estimated_tokens int)
    ), inserted AS (
      INSERT INTO job (id, tenant_id, type, priority, rank, due_at, run_after, max_attempts, request_bytes,
                       estimated_tokens, custom_id, created_at, updated_at)
      SELECT id, ${actor.tenantId}::uuid, type, priority,
             ${at} - make_interval(secs => priority / 100.0 * ${context.policy.priorityBound / 1000}::float8),
             greatest(run_after, ${at}), run_after, ${context.policy.maxAttempts}, request_bytes,
             estimated_tokens, custom_id, ${at}, ${at}
        FROM input
       -- In one order for all: two calls that name the same keys in different orders would wait for each other.
       ORDER BY custom_id
      ON CONFLICT (tenant_id, custom_id) WHERE custom_id IS NOT NULL DO NOTHING
      RETURNING id, tenant_id, version, status, created_at
    ), payloads AS (
      INSERT INTO job_payload (job_id, payload, fingerprint)
      SELECT id, payload, decode(fingerprint, 'hex') FROM input JOIN inserted USING (id)
    ), logged AS (
      INSERT INTO job_event (epoch, job_id, tenant_id, version, status, move, at)
      SELECT (SELECT epoch FROM log_state), id, tenant_id, version, status, 'enqueued', created_at FROM inserted
    )
    SELECT id FROM inserted`);
  return new Set(inserted.map(({ id }) => id));
}

interface Existing {
  id: string;
  custom_id: string;
  fingerprint: string;
}

/** A statement of its own: the row that the insert ran into is not visible inside it. */
async function readExisting(
  context: Context,
  actor: Actor,
  rows: readonly Row[],
): Promise<Map<string, Existing>> {
  const found = await context.db.$queryRaw<Existing[]>(sql`
    SELECT job.id, custom_id, encode(fingerprint, 'hex') AS fingerprint
      FROM job JOIN job_payload ON job_id = job.id
     WHERE tenant_id = ${actor.tenantId}::uuid AND custom_id = ANY(${rows.map((row) => row.custom_id!)}::text[])`);
  return new Map(found.map((row) => [row.custom_id, row]));
}
