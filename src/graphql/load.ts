import { NotFoundError, type BatchQuery, type JobQuery } from '../core/index.ts';
import type { Batch, Job } from '../generated/prisma/client.ts';
import { actorOf, type GraphQLContext } from './context.ts';

/** The caller's job with what the client selected of it; null when there is none. */
export async function loadJob(context: GraphQLContext, jobId: string, query: JobQuery): Promise<Job | null> {
  return (await context.core.readJob<Job>(actorOf(context), jobId, nonEmpty(query))) ?? null;
}

/** The same for a job that certainly exists. */
export async function loadExistingJob(context: GraphQLContext, jobId: string, query: JobQuery): Promise<Job> {
  const job = await loadJob(context, jobId, query);
  if (!job) throw new NotFoundError('Job');
  return job;
}

/** The caller's batch, by our id or the provider's; null when there is none. */
export async function loadBatch(
  context: GraphQLContext,
  which: { id: string } | { providerBatchId: string },
  query: BatchQuery,
): Promise<Batch | null> {
  return (await context.core.readBatch<Batch>(actorOf(context), which, nonEmpty(query))) ?? null;
}

/** A client that selects nothing but `__typename` makes an empty select, which Prisma refuses. */
export function nonEmpty<Query extends { select?: object | null }>(query: Query): Query {
  return query.select && Object.keys(query.select).length === 0 ? { ...query, select: { id: true } } : query;
}
