import { toWord } from './jobs.ts';
import type { BatchFields, BatchState, BigNumber, ResultFields } from './operations.ts';

/** What a flush has sealed: no batch or one. */
export interface Flushed {
  batches: BatchFields[];
  jobsCount: number;
  estimatedTokens: BigNumber;
}

/** The legacy answer to a flush. */
export function toFlushed({ batches: [batch], jobsCount, estimatedTokens }: Flushed): object {
  if (!batch) return notFlushed(true, 'No job is due');
  if (batch.status === 'REJECTED') return notFlushed(false, whyRefused(batch));
  return {
    success: true,
    batch_id: batch.providerBatchId ?? batch.id,
    jobs_count: jobsCount,
    estimated_tokens: estimatedTokens,
    message: batch.providerBatchId
      ? `${jobsCount} jobs sent to the provider`
      : `${jobsCount} jobs are on their way; the provider has not confirmed the batch yet`,
  };
}

/** The legacy answer to a flush that sent nothing. */
export function notFlushed(success: boolean, message: string): object {
  return { success, batch_id: null, jobs_count: 0, estimated_tokens: 0, message };
}

/** What a poll gives. */
export interface Polled {
  batch: BatchFields;
  results: ResultFields[];
  remaining: number;
}

/** The legacy answer to a poll. */
export function toPolled({ batch, results, remaining }: Polled): object {
  const refused = batch.status === 'REJECTED';
  return {
    success: !refused,
    batch_id: batch.providerBatchId ?? batch.id,
    status: providerStatus[batch.status],
    results: results.map(toResult),
    jobs_processed: results.length,
    jobs_remaining: refused ? 0 : remaining,
    message: refused ? whyRefused(batch) : `${results.length} results handed over, ${remaining} remain`,
  };
}

function whyRefused(batch: BatchFields): string {
  return `The provider did not accept the batch: ${batch.message ?? 'no reason given'}`;
}

/** Clients of the legacy service wait for `ended`; a batch that the provider never took has ended for them too. */
const providerStatus: Record<BatchState, 'in_progress' | 'canceling' | 'ended'> = {
  SEALED: 'in_progress',
  SUBMITTING: 'in_progress',
  UNKNOWN: 'in_progress',
  IN_PROGRESS: 'in_progress',
  CANCELING: 'canceling',
  ENDED: 'ended',
  INGESTED: 'ended',
  REJECTED: 'ended',
};

function toResult(row: ResultFields): object {
  return {
    job_id: row.jobId,
    job_type: row.jobType && toWord(row.jobType),
    status: toWord(row.outcome),
    result: row.resultJson ?? null,
    error: row.error,
    tokens_used: row.totalTokens,
    processing_time_ms: row.durationMs === null ? null : Math.round(row.durationMs),
  };
}
