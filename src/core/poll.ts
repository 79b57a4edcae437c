import { identityFor, requireScope, type Actor, type Context } from './context.ts';
import { publicId } from './ids.ts';
import { NotFoundError } from './errors.ts';
import { ingestBatch } from './ingest.ts';
import type { ItemOutcome } from '../generated/prisma/enums.ts';
import { ProviderError, type ProviderBatch } from './ports.ts';
import { moveBatch, type BatchStatus } from './states.ts';
import { now, sql, timestamp, transaction } from './sql.ts';

interface DueBatch {
  id: string;
  provider_batch_id: string;
  status: Extract<BatchStatus, 'in_progress' | 'canceling'>;
  cancel_asked: boolean;
}

/**
 * Takes the batches whose next look is due and puts it off, so that no other process looks at them too and a broken
 * one comes last the next time. Batches of another provider identity are left alone.
 */
export async function takeDueBatches(context: Context, limit: number): Promise<DueBatch[]> {
  const identity = await context.provider.identity();
  return take(
    context,
    identity,
    sql`id IN (
    SELECT id FROM batch
     WHERE status IN ('in_progress', 'canceling') AND provider_identity = ${identity}
       AND next_poll_at <= ${now(context.clock)} ORDER BY next_poll_at LIMIT ${limit} FOR UPDATE SKIP LOCKED)`,
  );
}

/** Takes one batch for a look now, due or not; undefined when the provider is not working on it. */
export async function takeBatch(context: Context, batchId: string): Promise<DueBatch | undefined> {
  const [batch] = await take(context, await context.provider.identity(), sql`id = ${batchId}::uuid`);
  return batch;
}

function take(context: Context, identity: string, which: ReturnType<typeof sql>): Promise<DueBatch[]> {
  const { pollInterval, pollBackoff } = context.policy;
  return context.db.$queryRaw<DueBatch[]>(sql`
    UPDATE batch SET next_poll_at = ${now(context.clock)} + make_interval(secs => least(
           ${pollInterval / 1000}::float8 * power(2, least(poll_failures, 16)), ${pollBackoff / 1000}::float8))
     WHERE status IN ('in_progress', 'canceling') AND provider_identity = ${identity} AND ${which}
    RETURNING id, provider_batch_id, status,
              -- A batch without a live job is called off: its results would be paid for and dropped.
              NOT EXISTS (
                SELECT FROM job WHERE job.batch_id = batch.id AND job.status = 'processing') AS cancel_asked`);
}

/** Asks the provider about one batch and stores what changed; passes on a cancellation first. */
export async function pollBatch(context: Context, batch: DueBatch): Promise<void> {
  try {
    const asked = batch.cancel_asked && batch.status === 'in_progress';
    const seen = asked
      ? await cancelAtProvider(context, batch)
      : await context.provider.retrieve(batch.provider_batch_id);
    await store(context, batch, seen);
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    context.log.warn(
      { batch: publicId('batch', batch.id), status: error.status, message: error.message },
      'a look at a batch failed',
    );
    await context.db.batch.update({
      where: { id: batch.id },
      data: { pollFailures: { increment: 1 } },
      select: { id: true },
    });
  }
}

/** A batch that ended in between refuses its cancellation; it is simply looked at then. */
async function cancelAtProvider(context: Context, batch: DueBatch): Promise<ProviderBatch> {
  try {
    return await context.provider.cancel(batch.provider_batch_id);
  } catch (error) {
    if (error instanceof ProviderError && error.effect === 'refused')
      return context.provider.retrieve(batch.provider_batch_id);
    throw error;
  }
}

async function store(context: Context, batch: DueBatch, seen: ProviderBatch): Promise<void> {
  const { counts } = seen;
  const at = now(context.clock);
  await transaction(context.db, async (tx) => {
    if (seen.status === 'ended') {
      await moveBatch(
        tx,
        batch.id,
        batch.status,
        'ended',
        sql`, poll_failures = 0, next_poll_at = ${at},
        ended_at = ${seen.endedAt ? timestamp(seen.endedAt) : at}, succeeded = ${counts.succeeded},
        errored = ${counts.errored}, canceled = ${counts.canceled}, expired = ${counts.expired}`,
      );
    } else if (seen.status === 'canceling' && batch.status === 'in_progress') {
      await moveBatch(tx, batch.id, 'in_progress', 'canceling', sql`, poll_failures = 0`);
    } else {
      await tx.$executeRaw`UPDATE batch SET poll_failures = 0 WHERE id = ${batch.id}::uuid AND poll_failures > 0`;
    }
  });
  if (seen.status === 'ended')
    context.log.info({ batch: publicId('batch', batch.id), counts }, 'batch ended at the provider');
}

/** One booked result, as `pollNow` hands it over. */
export interface DeliveredResult {
  job_id: string | null;
  job_type: string | null;
  outcome: ItemOutcome;
  result: string | null;
  error: string | null;
  tokens: bigint;
  duration_ms: number | null;
}

export interface Delivery {
  batchId: string;
  results: DeliveredResult[];
  /** Requests of the batch whose results were not handed over yet, by this call or an earlier one. */
  remaining: number;
}

/**
 * Looks at one batch now, whether due or not, books its results if it has ended, and hands over those that no earlier
 * call handed over, at most `limit`. Needs `operator`; throws NotFoundError and ProviderUnavailableError.
 */
export async function pollNow(
  context: Context,
  actor: Actor,
  batchId: string,
  limit: number,
): Promise<Delivery> {
  requireScope(actor, 'operator');
  await identityFor(context);
  const batch = await context.db.batch.findFirst({
    where: { id: batchId, tenantId: actor.tenantId },
    select: { id: true },
  });
  if (!batch) throw new NotFoundError('Batch');
  const due = await takeBatch(context, batchId);
  if (due) await pollBatch(context, due);
  await ingestBatch(context, batchId);
  return deliver(context, batchId, limit);
}

function deliver(context: Context, batchId: string, limit: number): Promise<Delivery> {
  return transaction(context.db, async (tx) => {
    // Locked, so that two callers at once do not both get the same results.
    const [batch] = await tx.$queryRaw<[{ request_count: number; delivered_seq: bigint }]>`
      SELECT request_count, delivered_seq FROM batch WHERE id = ${batchId}::uuid FOR UPDATE`;
    const rows = await tx.$queryRaw<(DeliveredResult & { seq: bigint })[]>`
      SELECT i.seq, i.job_id, i.job_type, i.outcome, o.result, coalesce(o.error_message, i.error_message) AS error,
             (i.input_tokens::bigint + i.cache_write_5m_tokens + i.cache_write_1h_tokens + i.cache_read_tokens
               + i.output_tokens) AS tokens,
             (extract(epoch FROM i.ingested_at - b.submitted_at) * 1000)::float8 AS duration_ms
        FROM batch_item i JOIN batch b ON b.id = i.batch_id LEFT JOIN job_outcome o ON o.job_id = i.job_id
       WHERE i.batch_id = ${batchId}::uuid AND i.seq > ${batch.delivered_seq} ORDER BY i.seq LIMIT ${limit}`;
    const last = rows.at(-1)?.seq ?? batch.delivered_seq;
    await tx.$executeRaw`UPDATE batch SET delivered_seq = ${last} WHERE id = ${batchId}::uuid`;
    const delivered = await tx.batchItem.count({ where: { batchId, seq: { lte: last } } });
    return { batchId, results: rows, remaining: Math.max(0, batch.request_count - delivered) };
  });
}
