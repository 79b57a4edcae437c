/**
 * The door of the rules. Everything that other rooms may use of core is exported here, and nothing else is theirs.
 */
import { cancelJob } from './cancel.ts';
import type { Actor, Context } from './context.ts';
import { enqueue, type EnqueueItem } from './enqueue.ts';
import { dueTenants, flushJobs, sealBatch, type FlushRequest } from './flush.ts';
import { forecastCompletion } from './forecast.ts';
import { endedBatches, ingestBatch } from './ingest.ts';
import { authenticate } from './keys.ts';
import { pollBatch, pollNow, takeDueBatches } from './poll.ts';
import {
  listJobs,
  readBatch,
  readJob,
  watchJob,
  type BatchQuery,
  type JobFilter,
  type JobQuery,
  type PageRequest,
} from './read.ts';
import { settleUnknown } from './recover.ts';
import { countJobs, foldCounts, readStats } from './stats.ts';
import { sealedBatches, submitBatch } from './submit.ts';

export { hasScope, requireScope, scopes, type Actor, type Policy, type Scope } from './context.ts';
export * from './errors.ts';
export { Hub, type Cursor, type JobEvent, type JobUpdate } from './events.ts';
export type { EnqueueItem, Enqueued } from './enqueue.ts';
export { parseId, publicId, type IdPrefix } from './ids.ts';
export { jobTypeNames, jobTypes, type JobTypeName } from './job-types/index.ts';
export { parseExact } from './json.ts';
export { hasKeys, MIN_KEY_LENGTH, newToken, storeEnvironmentKey, storeFirstKey, storeKey } from './keys.ts';
export { ProviderError, type Clock, type Log, type Provider, type ProviderBatch } from './ports.ts';
export type { Delivery, DeliveredResult } from './poll.ts';
export { MAX_PAGE_SIZE } from './read.ts';
export type { BatchQuery, JobFilter, JobQuery, Page, PageRequest } from './read.ts';
export type { Stats } from './stats.ts';
export { sql, type Database } from './sql.ts';
export type { BatchStatus, JobStatus } from './states.ts';

export type Core = ReturnType<typeof createCore>;

/** Binds the verbs to what they work with. */
export function createCore(context: Context) {
  const submitting = new Set<Promise<unknown>>();
  /** Remembers what posts to the provider, for `drain`. */
  const posting = <T>(work: Promise<T>): Promise<T> => {
    submitting.add(work);
    const forget = (): boolean => submitting.delete(work);
    work.then(forget, forget);
    return work;
  };
  return {
    hub: context.hub,
    /** For the GraphQL layer's fallback, which loads relations of rows that core has read already. */
    db: context.db,
    log: context.log,
    /** What clients ask for; each checks the caller's scopes and sees the caller's tenant only. */
    authenticate: (token: string) => authenticate(context, token),
    enqueue: (actor: Actor, items: readonly EnqueueItem[]) => enqueue(context, actor, items),
    cancelJob: (actor: Actor, jobId: string) => cancelJob(context, actor, jobId),
    flushJobs: (actor: Actor, request: FlushRequest) => posting(flushJobs(context, actor, request)),
    pollNow: (actor: Actor, batchId: string, limit: number) => pollNow(context, actor, batchId, limit),
    readJob: <T>(actor: Actor, jobId: string, query: JobQuery) => readJob<T>(context, actor, jobId, query),
    readBatch: <T>(actor: Actor, which: { id: string } | { providerBatchId: string }, query: BatchQuery) =>
      readBatch<T>(context, actor, which, query),
    listJobs: <T extends { id: string; createdAt: Date }>(
      actor: Actor,
      filter: JobFilter,
      page: PageRequest,
      query: JobQuery,
    ) => listJobs<T>(context, actor, filter, page, query),
    countJobs: (actor: Actor, filter: JobFilter) => countJobs(context, actor, filter),
    readStats: (actor: Actor) => readStats(context, actor),
    watchJob: (actor: Actor, jobId: string, after?: string) => watchJob(context, actor, jobId, after),
    forecastCompletion: (from: Date) => forecastCompletion(context, from),
    /** What the worker ticks, for all tenants. */
    dueTenants: () => dueTenants(context),
    sealBatch: (choice: Parameters<typeof sealBatch>[1]) => sealBatch(context, choice),
    sealedBatches: () => sealedBatches(context),
    submitBatch: (batchId: string) => posting(submitBatch(context, batchId)),
    settleUnknown: () => settleUnknown(context),
    takeDueBatches: (limit: number) => takeDueBatches(context, limit),
    pollBatch: (batch: Awaited<ReturnType<typeof takeDueBatches>>[number]) => pollBatch(context, batch),
    endedBatches: () => endedBatches(context),
    ingestBatch: (batchId: string) => ingestBatch(context, batchId),
    foldCounts: () => foldCounts(context),
    /** Waits for the answers to POSTs under way, so that the database is not closed before they are stored. */
    drain: async (): Promise<void> => void (await Promise.allSettled(submitting)),
  };
}
