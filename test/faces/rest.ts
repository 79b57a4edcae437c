import type { BatchResult, Caller, Face, Job, Refused } from './face.ts';

/** The legacy endpoints of a server. */
export function restFace(serverUrl: string): Face {
  const prefix = `${serverUrl}/api/v1/batch`;

  /** The body of a 200, or the refusal. Bodies are snake_case objects that each method below takes apart. */
  async function call<T>(
    by: Caller,
    method: 'GET' | 'POST',
    path: string,
    take: (body: any, headers: Headers) => T,
    body?: object,
  ): Promise<T | Refused> {
    const headers = {
      ...(by && { authorization: `Bearer ${by}` }),
      ...(body && { 'content-type': 'application/json' }),
    };
    const sent = body && { body: JSON.stringify(body) };
    const response = await fetch(prefix + path, { method, headers, ...sent });
    const answer: any = await response.json();
    return response.status === 200
      ? take(answer, response.headers)
      : toRefused(response.status, answer.detail);
  }

  return {
    enqueue: (by, { type, payload, priority, customId, runAfter }) =>
      call(
        by,
        'POST',
        '/enqueue',
        (body, headers) => ({
          job: toJob(body.job),
          replayed: headers.get('idempotent-replayed') === 'true',
          estimatedCompletion: new Date(body.estimated_completion),
        }),
        { job_type: type, payload, priority, custom_id: customId, run_after: runAfter },
      ),
    list: (by, { status, type, limit, after } = {}) => {
      const query = new URLSearchParams({
        ...(status && { status }),
        ...(type && { job_type: type }),
        ...(limit !== undefined && { limit: String(limit) }),
        ...(after && { cursor: after }),
      });
      return call(by, 'GET', `/jobs?${query}`, (body, headers) => ({
        jobs: body.jobs.map(toJob),
        total: body.total_count,
        pending: body.pending_count,
        processing: body.processing_count,
        next: nextCursor(headers.get('link')),
      }));
    },
    get: (by, id) => call(by, 'GET', `/jobs/${id}`, toJob),
    cancel: async (by, id) => {
      const success = await call(by, 'POST', `/jobs/${id}/cancel`, (body) => body.success === true);
      if (typeof success === 'object') return success;
      return success ? { cancelled: true } : { refused: 'ALREADY_FINISHED' };
    },
    result: (by, id) => call(by, 'GET', `/jobs/${id}/result`, (result: unknown) => ({ result })),
    stats: (by) =>
      call(by, 'GET', '/stats', (body) => ({
        total: body.total_jobs_queued,
        pending: body.pending_jobs,
        processing: body.processing_jobs,
        completed: body.completed_jobs,
        failed: body.failed_jobs,
        tokens: body.total_tokens_used,
        cost: body.total_cost_usd,
        saved: body.total_savings_usd,
        meanHours: body.avg_processing_time_hours,
      })),
    flush: (by, { maxJobs, types, minPriority } = {}) =>
      call(
        by,
        'POST',
        '/internal/flush',
        (body) => ({
          accepted: body.success,
          batch: body.batch_id,
          jobs: body.jobs_count,
          estimatedTokens: body.estimated_tokens,
        }),
        { max_jobs: maxJobs, job_types: types, min_priority: minPriority },
      ),
    poll: (by, batchId) =>
      call(
        by,
        'POST',
        '/internal/poll',
        (body) => ({
          batch: body.batch_id,
          state: body.status,
          results: body.results.map(toResult),
          remaining: body.jobs_remaining,
        }),
        { batch_id: batchId },
      ),
  };
}

function toRefused(status: number, detail: any): Refused {
  if (status === 401) return { refused: 'NO_KEY' };
  if (status === 403) return { refused: 'FORBIDDEN' };
  if (status === 404) return { refused: 'NOT_FOUND' };
  if (status === 422) {
    return { refused: detail[0].loc.at(-1) === 'cursor' ? 'CURSOR_INVALID' : 'VALIDATION' };
  }
  return { refused: detail.code, ...(detail.job_id && { existing: detail.job_id }) };
}

function toJob(body: any): Job {
  const time = (text: string | null) => text && new Date(text);
  return {
    id: body.id,
    type: body.job_type,
    status: body.status,
    priority: body.priority,
    customId: body.custom_id,
    batch: body.batch_id,
    createdAt: new Date(body.created_at),
    updatedAt: new Date(body.updated_at),
    runAfter: time(body.run_after) || null,
    completedAt: time(body.completed_at) || null,
    tokens: body.tokens_used,
    error: body.error_message,
  };
}

function toResult(body: any): BatchResult {
  return {
    job: body.job_id,
    type: body.job_type,
    outcome: body.status,
    result: body.result,
    error: body.error,
    tokens: body.tokens_used,
    duration: body.processing_time_ms,
  };
}

function nextCursor(link: string | null): string | null {
  const url = /^<(.+)>; rel="next"$/.exec(link ?? '')?.[1];
  return url ? new URL(url).searchParams.get('cursor') : null;
}
