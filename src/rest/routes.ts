import type { Actor, Core } from '../core/index.ts';
import { ok, refusal, unprocessable, type Answer } from './answers.ts';
import { answerFor } from './errors.ts';
import { notFlushed, toFlushed, toPolled } from './batches.ts';
import { sum, toDateTime, toDollars, toEnum, toJob, toWord } from './jobs.ts';
import * as operations from './operations.ts';
import { enqueueHeaders, enqueueRequest, flushRequest, listQuery, pollRequest } from './requests.ts';
import type { Fields, Values } from './validation/fields.ts';
import { valueError } from './validation/problems.ts';

/** A request whose every part is read and right. */
export interface Call<Query extends Fields, Headers extends Fields, Body extends Fields> {
  core: Core;
  actor: Actor;
  /** What stands for `{job_id}` in the path. */
  jobId: string;
  query: Values<Query>;
  headers: Values<Headers>;
  body: Values<Body>;
  /** The body as it came, to show in a refusal. */
  sent: unknown;
  /** The absolute URL of this route with another query. */
  url: (query: URLSearchParams) => string;
}

/** One endpoint: how it is called, and how it answers. The OpenAPI document is made from the same. */
export interface Route<
  Query extends Fields = Fields,
  Headers extends Fields = Fields,
  Body extends Fields = Fields,
> {
  method: 'GET' | 'POST';
  path: string;
  /** The name of the function in the legacy service, which makes the `operationId`. */
  name: string;
  description: string;
  /** Only operators may call it. */
  operator?: true;
  query?: Query;
  headers?: Headers;
  body?: { name: string; fields: Body };
  /** The schema of the answer. */
  answers: string;
  /** Which statuses of its own it may refuse with, and why. */
  refusals?: Readonly<Record<number, string>>;
  handle(call: Call<Query, Headers, Body>): Promise<Answer>;
}

function route<Q extends Fields = {}, H extends Fields = {}, B extends Fields = {}>(
  definition: Route<Q, H, B>,
): Route {
  // The router reads each part with the definition's own fields before it calls `handle`.
  return definition as unknown as Route;
}

const jobNotFound = refusal(404, 'Job not found');
/** The most jobs of one page. */
const MAX_LIMIT = 1000;
/** How long a flush waits for the provider's id of its batch, in seconds. */
const FLUSH_WAIT = 10;

/** Every endpoint, under /api/v1/batch. */
export const routes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/enqueue',
    name: 'enqueue_job',
    description: 'Stores a job to be run with one of the next batches.',
    headers: enqueueHeaders,
    body: { name: 'EnqueueRequest', fields: enqueueRequest },
    answers: 'EnqueueResponse',
    refusals: {
      409: 'The custom id names a job with other content',
      413: 'The request would not fit into a batch',
    },
    async handle({ core, actor, headers, body, sent }) {
      const keys = [body.custom_id, body.idempotency_key, headers['idempotency-key']];
      // An empty key was no key.
      const [customId = null, ...others] = new Set(keys.filter((key) => key));
      if (others.length > 0) {
        const message = 'custom_id, idempotency_key and the header Idempotency-Key name different keys';
        return unprocessable([valueError(['body'], message, sent)]);
      }
      const { enqueueJob: outcome } = await operations.enqueueJob(core, actor, {
        input: {
          type: toEnum(body.job_type),
          payload: body.payload,
          priority: body.priority,
          runAfter: body.run_after && body.run_after.toISOString(),
          customId,
        },
      });
      if (!('job' in outcome)) return enqueueRefused(outcome, sent);
      const { job, replayed, estimatedCompletion } = outcome;
      return ok(
        {
          success: true,
          job: toJob(job),
          message: replayed ? 'The job was enqueued before; this is the first one' : 'Job enqueued',
          estimated_completion: toDateTime(estimatedCompletion),
        },
        replayed ? { 'idempotent-replayed': 'true' } : undefined,
      );
    },
  }),
  route({
    method: 'GET',
    path: '/jobs',
    name: 'list_jobs',
    description: 'The jobs, newest first.',
    query: listQuery,
    answers: 'JobListResponse',
    async handle({ core, actor, query, url }) {
      const limit = Math.min(Math.max(query.limit, 0), MAX_LIMIT);
      const { jobs, stats } = await operations.listJobs(core, actor, {
        filter: {
          ...(query.status && { status: [toEnum(query.status)] }),
          ...(query.job_type && { type: [toEnum(query.job_type)] }),
        },
        first: limit,
        after: query.cursor,
      });
      const { hasNextPage, endCursor } = jobs.pageInfo;
      const next = new URLSearchParams({
        ...(query.status && { status: query.status }),
        ...(query.job_type && { job_type: query.job_type }),
        limit: String(limit),
        cursor: endCursor ?? '',
      });
      return ok(
        {
          jobs: jobs.edges.map(({ node }) => toJob(node)),
          total_count: jobs.totalCount.count,
          pending_count: stats.pendingJobs,
          processing_count: stats.processingJobs,
        },
        hasNextPage && endCursor ? { link: `<${url(next)}>; rel="next"` } : undefined,
      );
    },
  }),
  route({
    method: 'GET',
    path: '/jobs/{job_id}',
    name: 'get_job',
    description: 'One job.',
    answers: 'Job',
    refusals: { 404: 'No such job' },
    async handle({ core, actor, jobId }) {
      const { job } = await operations.readJob(core, actor, { id: jobId });
      return job ? ok(toJob(job)) : jobNotFound;
    },
  }),
  route({
    method: 'POST',
    path: '/jobs/{job_id}/cancel',
    name: 'cancel_job',
    description: 'Calls a job off; `success` is false when it had ended before.',
    answers: 'CancelResponse',
    refusals: { 404: 'No such job' },
    async handle({ core, actor, jobId }) {
      const { cancelJob: outcome } = await operations.cancelJob(core, actor, { input: { id: jobId } });
      if (!('code' in outcome)) return ok({ success: true });
      return outcome.code === 'ALREADY_FINISHED' ? ok({ success: false }) : answerFor(outcome);
    },
  }),
  route({
    method: 'GET',
    path: '/jobs/{job_id}/result',
    name: 'get_job_result',
    description: 'The result of a completed job; 409 for any other.',
    answers: 'JobResult',
    refusals: { 404: 'No such job', 409: 'The job has no result, or none yet' },
    async handle({ core, actor, jobId }) {
      const { job } = await operations.readResult(core, actor, { id: jobId });
      if (!job) return jobNotFound;
      const status = toWord(job.status);
      if (status === 'completed') return ok(job.resultJson);
      const refused = (code: string, message: string) => refusal(409, { code, message, status });
      if (status === 'cancelled') return refused('CANCELLED', 'The job was cancelled.');
      if (job.error) return refused(job.error.code, job.error.message);
      return refused('JOB_NOT_FINISHED', `The job is ${status}; it has no result yet.`);
    },
  }),
  route({
    method: 'GET',
    path: '/stats',
    name: 'get_stats',
    description: 'Figures of all jobs; money is of the provider account in use.',
    answers: 'StatsResponse',
    async handle({ core, actor }) {
      const { stats } = await operations.readStats(core, actor, {});
      return ok({
        total_jobs_queued: stats.totalJobs,
        pending_jobs: stats.pendingJobs,
        processing_jobs: stats.processingJobs,
        completed_jobs: stats.completedJobs,
        failed_jobs: stats.failedJobs,
        total_tokens_used: sum(stats.inputTokens, stats.outputTokens),
        total_cost_usd: toDollars(stats.costUsd),
        total_savings_usd: toDollars(stats.savedUsd),
        avg_processing_time_hours: (stats.meanDurationMs ?? 0) / 3_600_000,
      });
    },
  }),
  route({
    method: 'POST',
    path: '/internal/flush',
    name: 'flush_queue',
    description: 'Sends the most urgent due jobs to the provider now, as one batch.',
    operator: true,
    body: { name: 'FlushRequest', fields: flushRequest },
    answers: 'FlushResponse',
    async handle({ core, actor, body }) {
      const { flushJobs: outcome } = await operations.flushJobs(core, actor, {
        input: {
          maxJobs: body.max_jobs,
          types: body.job_types && [...new Set(body.job_types)].map(toEnum),
          minPriority: body.min_priority,
          maxBatches: 1,
          waitSeconds: FLUSH_WAIT,
        },
      });
      if ('batches' in outcome) return ok(toFlushed(outcome));
      const { code, message } = outcome;
      return code === 'PROVIDER_UNAVAILABLE' ? ok(notFlushed(false, message)) : answerFor(outcome);
    },
  }),
  route({
    method: 'POST',
    path: '/internal/poll',
    name: 'poll_batch',
    description:
      'Asks the provider about a batch now, and hands over results that no earlier call handed over.',
    operator: true,
    body: { name: 'PollRequest', fields: pollRequest },
    answers: 'PollResponse',
    refusals: { 404: 'No such batch', 503: 'The provider cannot be reached' },
    async handle({ core, actor, body }) {
      // PostgreSQL cannot even look for it.
      if (body.batch_id.includes('\0')) return refusal(404, 'Batch not found');
      const { pollBatch: outcome } = await operations.pollBatch(core, actor, {
        input: { id: body.batch_id },
      });
      if (!('batch' in outcome)) return answerFor(outcome);
      return ok(toPolled(outcome));
    },
  }),
];

function enqueueRefused(
  outcome: operations.Refusal & { field?: string; existingJob?: { id: string } | null },
  sent: unknown,
): Answer {
  const { code, message } = outcome;
  if (code === 'IDEMPOTENCY_CONFLICT') {
    return refusal(409, { code, message, job_id: outcome.existingJob?.id ?? null });
  }
  const field = outcome.field && legacyField[outcome.field];
  if (!field) return answerFor(outcome);
  return unprocessable([
    valueError(['body', field], message, (sent as Record<string, unknown>)[field] ?? null),
  ]);
}

/** Names of the fields in which core itself may find a fault. */
const legacyField: Record<string, keyof typeof enqueueRequest> = {
  payload: 'payload',
  priority: 'priority',
  runAfter: 'run_after',
  customId: 'custom_id',
};
