import { setTimeout as pause } from 'node:timers/promises';
import type { FlushReason } from '../generated/prisma/enums.ts';
import { identityFor, requireScope, type Actor, type Context } from './context.ts';
import { ENVELOPE } from './enqueue.ts';
import { newId, publicId } from './ids.ts';
import type { JobTypeName } from './job-types/index.ts';
import { moveJobs } from './states.ts';
import { submitBatch } from './submit.ts';
import { now, nothing, sql, type Sql } from './sql.ts';

/** Which due jobs to seal into a batch; all of them, as far as they fit, unless said otherwise. */
export interface FlushChoice {
  tenantId: string;
  reason: FlushReason;
  maxJobs?: number | undefined;
  jobTypes?: readonly JobTypeName[] | undefined;
  minPriority?: number | undefined;
}

/** A batch just sealed. */
export interface SealedBatch {
  batchId: string;
  jobs: number;
  estimatedTokens: bigint;
}

/**
 * Seals the most urgent due jobs of one tenant into one batch, in one statement; undefined when nothing is due. The
 * batch is for the provider account of this process: another's, simulated or real, will not submit it.
 * Two flushes at once never take the same job: each skips what the other has locked.
 *
 * Jobs go by `rank` = created_at − priority/100 × bound, which never changes: one index range gives both priority and
 * aging, and nobody waits longer than the bound behind newer work. They are found by ctid: joining on the id was
 * planned as a scan of the whole table from about 10,000 rows on (measured at a million: 544 ms against 182).
 */
export async function sealBatch(context: Context, choice: FlushChoice): Promise<SealedBatch | undefined> {
  const { policy } = context;
  const batchId = newId();
  const limit = Math.min(choice.maxJobs ?? policy.batchRequests, policy.batchRequests);
  const identity = await context.provider.identity();
  const at = now(context.clock);
  const [sealed] = await context.db.$queryRaw<{ jobs: bigint; tokens: bigint }[]>(sql`
    WITH candidates AS MATERIALIZED (
      SELECT ctid, rank, id, request_bytes FROM job
       WHERE claimable AND tenant_id = ${choice.tenantId}::uuid AND due_at <= ${at} ${matching(choice)}
       ORDER BY rank, id LIMIT ${limit} FOR UPDATE SKIP LOCKED
    ), packed AS (
      -- One byte more for each but the first: the comma between two requests. The first goes in any case: it was
      -- taken when the limit was higher, and everything behind it would wait for ever.
      SELECT ctid, sum(request_bytes + 1) OVER first_on - 1 AS bytes, row_number() OVER first_on AS place
        FROM candidates WINDOW first_on AS (ORDER BY rank, id)
    ), ${moveJobs(['claimed'], {
      at,
      batchId,
      set: sql`, submission = job.submission + 1`,
      where: sql`job.ctid = ANY(ARRAY(SELECT ctid FROM packed WHERE bytes <= ${policy.batchBytes - ENVELOPE} OR place = 1))`,
    })}, sealed AS (
      INSERT INTO batch (id, tenant_id, provider_identity, reason, request_count, bytes, estimated_tokens, created_at)
      SELECT ${batchId}::uuid, ${choice.tenantId}::uuid, ${identity}, ${choice.reason}::flush_reason, count(*),
             sum(request_bytes + 1) - 1 + ${ENVELOPE}, sum(estimated_tokens), ${at}
        FROM job JOIN moved USING (id) HAVING count(*) > 0
      RETURNING request_count, estimated_tokens
    )
    SELECT request_count::bigint AS jobs, estimated_tokens AS tokens FROM sealed`);
  if (!sealed) return undefined;
  context.hub.nudge();
  context.log.info(
    { batch: publicId('batch', batchId), jobs: Number(sealed.jobs), reason: choice.reason },
    'batch sealed',
  );
  return { batchId, jobs: Number(sealed.jobs), estimatedTokens: sealed.tokens };
}

function matching({ jobTypes, minPriority }: FlushChoice): Sql {
  const ofTypes = jobTypes?.length ? sql`AND type = ANY(${[...jobTypes]}::text[])` : nothing;
  return sql`${ofTypes} ${minPriority ? sql`AND priority >= ${minPriority}` : nothing}`;
}

/** The tenants whose due jobs call for a batch now, and why; by the policy's count and age. */
export async function dueTenants(context: Context): Promise<{ tenantId: string; reason: FlushReason }[]> {
  const { flushCount, flushAge } = context.policy;
  const at = now(context.clock);
  const rows = await context.db.$queryRaw<{ tenant_id: string; due: bigint; age: number }[]>(sql`
    SELECT tenant_id, count(*) AS due, (extract(epoch FROM ${at} - min(due_at)) * 1000)::float8 AS age
      FROM job WHERE claimable AND due_at <= ${at} GROUP BY tenant_id ORDER BY min(due_at)`);
  return rows.flatMap((row) => {
    const reason = reasonFor(Number(row.due), row.age, flushCount, flushAge);
    return reason ? [{ tenantId: row.tenant_id, reason }] : [];
  });
}

function reasonFor(
  due: number,
  age: number,
  flushCount?: number,
  flushAge?: number,
): FlushReason | undefined {
  if (flushCount !== undefined && due >= flushCount) return 'count';
  if (flushAge !== undefined && age >= flushAge) return 'age';
  return undefined;
}

/** A flush that an operator asks for. */
export interface FlushRequest extends Omit<FlushChoice, 'tenantId' | 'reason'> {
  /** Seal at most so many batches. */
  maxBatches: number;
  /** Submit here and now, and wait at most so long, in milliseconds, until each batch is settled. 0: the worker submits. */
  wait: number;
}

/**
 * Seals the caller's due jobs into batches, by hand. `maxJobs` bounds all batches together. Needs `operator`; throws
 * ProviderUnavailableError, with nothing sealed, while nobody knows whose account the provider answers for.
 */
export async function flushJobs(
  context: Context,
  actor: Actor,
  request: FlushRequest,
): Promise<SealedBatch[]> {
  requireScope(actor, 'operator');
  const { maxBatches, wait, maxJobs = Infinity, ...choice } = request;
  await identityFor(context);
  const batches: SealedBatch[] = [];
  for (let left = maxJobs; left > 0 && batches.length < maxBatches; left -= batches.at(-1)!.jobs) {
    const sealed = await sealBatch(context, {
      ...choice,
      maxJobs: left,
      tenantId: actor.tenantId,
      reason: 'manual',
    });
    if (!sealed) break;
    batches.push(sealed);
  }
  const until = Date.now() + wait;
  if (wait > 0) for (const { batchId } of batches) await submitUntil(context, batchId, until);
  return batches;
}

/** Submits as any worker would; while another POST is under way, or a worker has taken the batch, looks again. */
async function submitUntil(context: Context, batchId: string, until: number): Promise<void> {
  for (;;) {
    const { outcome } = await submitBatch(context, batchId);
    const batch = await context.db.batch.findUniqueOrThrow({
      where: { id: batchId },
      select: { status: true },
    });
    const open = outcome === 'busy' || batch.status === 'submitting';
    if (!open || Date.now() >= until) return;
    await pause(50);
  }
}
