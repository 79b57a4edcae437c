import type { BatchResult, Caller, Face, Job, Refused } from './face.ts';

const JOB = `id type status priority customId batch { providerBatchId } createdAt updatedAt runAfter completedAt
  usage { totalTokens } error { message }`;
const ERROR = '... on Error { code }';

/** The GraphQL endpoint of a server. */
export function graphqlFace(serverUrl: string): Face {
  /**
   * The only field of an operation, or the refusal: an error beside the data, or the error member of a mutation's
   * union. `read` gives no value for what is not there.
   */
  async function ask<T>(
    by: Caller,
    operation: string,
    variables: object,
    take: (data: any) => T | Refused,
  ): Promise<T | Refused> {
    const response = await fetch(`${serverUrl}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(by && { authorization: `Bearer ${by}` }) },
      body: JSON.stringify({ query: operation, variables }),
    });
    const { data, errors }: any = await response.json();
    if (errors) {
      const { code } = errors[0].extensions;
      return { refused: code === 'UNAUTHENTICATED' ? 'NO_KEY' : code };
    }
    return take(data);
  }

  /** A mutation's union: `take` reads its success. */
  function change<T>(
    by: Caller,
    name: string,
    input: object,
    success: string,
    take: (outcome: any) => T,
  ): Promise<T | Refused> {
    const type = `${name[0]!.toUpperCase()}${name.slice(1)}`;
    const operation = `mutation ($input: ${type}Input!) { ${name}(input: $input) {
      __typename ... on ${type}Success { ${success} } ${ERROR}
      ${name === 'enqueueJob' ? '... on IdempotencyConflictError { existingJob { id } }' : ''} } }`;
    return ask(by, operation, { input }, ({ [name]: outcome }) =>
      'code' in outcome
        ? { refused: outcome.code, ...(outcome.existingJob && { existing: outcome.existingJob.id }) }
        : take(outcome),
    );
  }

  const readJob = <T>(by: Caller, id: string, fields: string, take: (job: any) => T | Refused) =>
    ask(by, `query ($id: ID!) { job(id: $id) { ${fields} } }`, { id }, ({ job }) =>
      job ? take(job) : { refused: 'NOT_FOUND' },
    );

  return {
    enqueue: (by, { type, ...rest }) =>
      change(
        by,
        'enqueueJob',
        { type: type.toUpperCase(), ...rest },
        `replayed estimatedCompletion job { ${JOB} }`,
        ({ job, replayed, estimatedCompletion }) => ({
          job: toJob(job),
          replayed,
          estimatedCompletion: new Date(estimatedCompletion),
        }),
      ),
    list: (by, { status, type, limit, after } = {}) =>
      ask(
        by,
        `query ($filter: JobFilter, $first: Int, $after: String) {
          jobs(filter: $filter, first: $first, after: $after) {
            totalCount { count } pageInfo { hasNextPage endCursor } edges { node { ${JOB} } }
          }
          stats { pendingJobs processingJobs }
        }`,
        {
          filter: {
            ...(status && { status: [status.toUpperCase()] }),
            ...(type && { type: [type.toUpperCase()] }),
          },
          first: limit,
          after,
        },
        ({ jobs, stats }) => ({
          jobs: jobs.edges.map(({ node }: any) => toJob(node)),
          total: jobs.totalCount.count,
          pending: stats.pendingJobs,
          processing: stats.processingJobs,
          next: jobs.pageInfo.hasNextPage ? jobs.pageInfo.endCursor : null,
        }),
      ),
    get: (by, id) => readJob(by, id, JOB, toJob),
    cancel: (by, id) => change(by, 'cancelJob', { id }, 'job { id }', () => ({ cancelled: true })),
    result: (by, id) =>
      readJob(by, id, 'status resultJson error { code }', ({ status, resultJson, error }) => {
        if (status === 'COMPLETED') return { result: resultJson };
        if (status === 'CANCELLED') return { refused: 'CANCELLED' };
        return { refused: error?.code ?? 'JOB_NOT_FINISHED' };
      }),
    stats: (by) =>
      ask(
        by,
        `{ stats { totalJobs pendingJobs processingJobs completedJobs failedJobs inputTokens outputTokens
             costUsd savedUsd meanDurationMs } }`,
        {},
        ({ stats }) => ({
          total: stats.totalJobs,
          pending: stats.pendingJobs,
          processing: stats.processingJobs,
          completed: stats.completedJobs,
          failed: stats.failedJobs,
          tokens: stats.inputTokens + stats.outputTokens,
          cost: Number(Number(stats.costUsd).toFixed(6)),
          saved: Number(Number(stats.savedUsd).toFixed(6)),
          meanHours: (stats.meanDurationMs ?? 0) / 3_600_000,
        }),
      ),
    flush: (by, { types, ...choice } = {}) =>
      change(
        by,
        'flushJobs',
        { ...choice, types: types?.map((type) => type.toUpperCase()), maxBatches: 1, waitSeconds: 10 },
        'jobsCount estimatedTokens batches { providerBatchId status }',
        ({ jobsCount, estimatedTokens, batches: [batch] }) =>
          batch?.status === 'REJECTED'
            ? { accepted: false, batch: null, jobs: 0, estimatedTokens: 0 }
            : { accepted: true, batch: batch?.providerBatchId ?? null, jobs: jobsCount, estimatedTokens },
      ),
    poll: (by, id) =>
      change(
        by,
        'pollBatch',
        { id },
        `remaining batch { providerBatchId status }
         results { jobId jobType outcome resultJson error totalTokens durationMs }`,
        ({ remaining, batch, results }) => ({
          batch: batch.providerBatchId,
          state: batch.status === 'INGESTED' ? ('ended' as const) : batch.status.toLowerCase(),
          results: results.map(toResult),
          remaining,
        }),
      ),
  };
}

function toJob(node: any): Job {
  const time = (text: string | null) => text && new Date(text);
  return {
    id: node.id,
    type: node.type.toLowerCase(),
    status: node.status.toLowerCase(),
    priority: node.priority,
    customId: node.customId,
    batch: node.batch?.providerBatchId ?? null,
    createdAt: new Date(node.createdAt),
    updatedAt: new Date(node.updatedAt),
    runAfter: time(node.runAfter) || null,
    completedAt: time(node.completedAt) || null,
    tokens: node.usage.totalTokens,
    error: node.error?.message ?? null,
  };
}

function toResult(row: any): BatchResult {
  return {
    job: row.jobId,
    type: row.jobType.toLowerCase(),
    outcome: row.outcome.toLowerCase(),
    result: row.resultJson,
    error: row.error,
    tokens: row.totalTokens,
    duration: Math.round(row.durationMs),
  };
}
