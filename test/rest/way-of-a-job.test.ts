import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startOffpeak, type TestOffpeak } from '../harness/offpeak.ts';
import { callAs, serveRest, type Caller, type RestServer } from './server.ts';

let offpeak: TestOffpeak;
let rest: RestServer;
let call: Caller;

beforeAll(async () => {
  offpeak = await startOffpeak();
  rest = await serveRest(offpeak.core);
  call = callAs(rest, await offpeak.token());
});
afterAll(async () => {
  await rest[Symbol.asyncDispose]();
  await offpeak[Symbol.asyncDispose]();
});

const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$/;
const HOUR = 3_600_000;

/** A caller of a new tenant, so that no other test's jobs are in sight. */
async function stranger(...args: Parameters<TestOffpeak['token']>): Promise<Caller> {
  const [tenant = crypto.randomUUID(), scopes] = args;
  return callAs(rest, await offpeak.token(tenant, scopes));
}

const enqueue = async (by: Caller, more: object = {}) =>
  by('POST', '/enqueue', { job_type: 'risk_report', payload: { a: 1 }, ...more });

describe('a job goes the whole way', () => {
  let id: string;

  test('enqueued, it is pending, with every key of a job', async () => {
    const { status, json } = await enqueue(call, { priority: '7', run_after: '2020-01-01T12:00:00.5+02:00' });
    expect(status).toBe(200);
    expect(Object.keys(json)).toEqual(['success', 'job', 'message', 'estimated_completion']);
    expect(json).toMatchObject({ success: true, estimated_completion: expect.stringMatching(DATE_TIME) });
    expect(json.job).toEqual({
      id: expect.stringMatching(/^job_/),
      job_type: 'risk_report',
      status: 'pending',
      priority: 7,
      custom_id: null,
      batch_id: null,
      created_at: expect.stringMatching(DATE_TIME),
      updated_at: expect.stringMatching(DATE_TIME),
      run_after: '2020-01-01T10:00:00.500000Z',
      completed_at: null,
      tokens_used: 0,
      error_message: null,
    });
    ({ id } = json.job);
  });

  test('its result is a conflict until it has one', async () => {
    const { status, json } = await call('GET', `/jobs/${id}/result`);
    expect(status).toBe(409);
    expect(json.detail).toEqual({
      code: 'JOB_NOT_FINISHED',
      message: expect.any(String),
      status: 'pending',
    });
  });

  test('a flush gives the id that the provider has for its batch', async () => {
    const flushed = await call('POST', '/internal/flush', {});
    expect(flushed.json).toEqual({
      success: true,
      batch_id: expect.stringMatching(/^msgbatch_/),
      jobs_count: 1,
      estimated_tokens: expect.any(Number),
      message: expect.any(String),
    });
    const { json: job } = await call('GET', `/jobs/${id}`);
    expect(job).toMatchObject({ id, status: 'processing', batch_id: flushed.json.batch_id });
    const { json: list } = await call('GET', '/jobs?status=processing');
    expect(list).toEqual({ jobs: [job], total_count: 1, pending_count: 0, processing_count: 1 });
  });

  test('a flush with nothing due seals nothing', async () => {
    const { json } = await call('POST', '/internal/flush', {});
    expect(json).toMatchObject({ success: true, batch_id: null, jobs_count: 0, estimated_tokens: 0 });
  });

  test('a poll hands the result over once, and the job is completed', async () => {
    const { json: job } = await call('GET', `/jobs/${id}`);
    const { batch_id: batchId } = job;
    const poll = async () => (await call('POST', '/internal/poll', { batch_id: batchId })).json;
    expect(await poll()).toMatchObject({
      success: true,
      status: 'in_progress',
      results: [],
      jobs_remaining: 1,
    });
    await offpeak.emulator.advance(2 * HOUR);
    const polled = await poll();
    expect(polled).toEqual({
      success: true,
      batch_id: batchId,
      status: 'ended',
      results: [
        {
          job_id: id,
          job_type: 'risk_report',
          status: 'succeeded',
          result: expect.any(Object),
          error: null,
          tokens_used: expect.any(Number),
          processing_time_ms: expect.any(Number),
        },
      ],
      jobs_processed: 1,
      jobs_remaining: 0,
      message: expect.any(String),
    });
    expect(await poll()).toMatchObject({
      status: 'ended',
      results: [],
      jobs_processed: 0,
      jobs_remaining: 0,
    });
    const { status, json: result } = await call('GET', `/jobs/${id}/result`);
    expect(status).toBe(200);
    expect(result).toEqual(polled.results[0].result);
    expect((await call('GET', `/jobs/${id}`)).json).toMatchObject({
      status: 'completed',
      completed_at: expect.stringMatching(DATE_TIME),
      tokens_used: polled.results[0].tokens_used,
    });
  });

  test('the figures know what it cost', async () => {
    const { json } = await call('GET', '/stats');
    expect(json).toEqual({
      total_jobs_queued: 1,
      pending_jobs: 0,
      processing_jobs: 0,
      completed_jobs: 1,
      failed_jobs: 0,
      total_tokens_used: expect.any(Number),
      total_cost_usd: expect.any(Number),
      total_savings_usd: expect.any(Number),
      avg_processing_time_hours: expect.any(Number),
    });
    expect(json.total_cost_usd).toBeGreaterThan(0);
    expect(json.total_savings_usd).toBeCloseTo(json.total_cost_usd, 5);
    expect(String(json.total_cost_usd)).toMatch(/^\d+(\.\d{1,6})?$/);
  });
});

describe('a custom id', () => {
  test('by any of its names makes one job, and a replay says so', async () => {
    const by = await stranger();
    const first = await enqueue(by, { custom_id: 'k' });
    expect(first.headers).not.toHaveProperty('idempotent-replayed');
    const again = await enqueue(by, { idempotency_key: 'k', priority: 99, run_after: 0 });
    const third = await by(
      'POST',
      '/enqueue',
      { job_type: 'risk_report', payload: { a: 1 } },
      { 'idempotency-key': 'k' },
    );
    for (const reply of [again, third]) {
      expect(reply.headers['idempotent-replayed']).toBe('true');
      expect(reply.json).toMatchObject({ success: true, job: first.json.job });
    }
  });

  test('used for other content is a conflict that names the job', async () => {
    const by = await stranger();
    const { json } = await enqueue(by, { custom_id: 'k' });
    const { status, json: conflict } = await enqueue(by, { custom_id: 'k', payload: { a: 2 } });
    expect(status).toBe(409);
    expect(conflict).toEqual({
      detail: { code: 'IDEMPOTENCY_CONFLICT', message: expect.any(String), job_id: json.job.id },
    });
  });

  test('means nothing to another tenant', async () => {
    const [one, other] = [await stranger(), await stranger()];
    const ids = await Promise.all(
      [one, other].map(async (by) => (await enqueue(by, { custom_id: 'k' })).json.job.id),
    );
    expect(new Set(ids).size).toBe(2);
  });

  test('given as two different values is refused', async () => {
    const { status, json } = await enqueue(call, { custom_id: 'a', idempotency_key: 'b' });
    expect(status).toBe(422);
    expect(json.detail).toEqual([
      {
        type: 'value_error',
        loc: ['body'],
        msg: expect.stringMatching(/^Value error, /),
        input: { job_type: 'risk_report', payload: { a: 1 }, custom_id: 'a', idempotency_key: 'b' },
        ctx: { error: {} },
      },
    ]);
  });

  test('holds no U+0000', async () => {
    const { status, json } = await enqueue(call, { custom_id: 'a\0' });
    expect(status).toBe(422);
    expect(json.detail[0]).toMatchObject({ type: 'value_error', loc: ['body', 'custom_id'], input: 'a\0' });
  });
});

describe('a list', () => {
  test('comes in pages, newest first, each with a link to the next', async () => {
    const by = await stranger();
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) ids.unshift((await enqueue(by, { payload: { n } })).json.job.id);
    const pages: string[][] = [];
    const prefix = `${rest.url}/api/v1/batch`;
    let next: string | undefined = `${prefix}/jobs?status=pending&limit=2`;
    while (next) {
      expect(next).toMatch(/\/jobs\?status=pending&limit=2(&cursor=[\w-]+)?$/);
      const { json, headers } = await by('GET', next.slice(prefix.length));
      expect(json).toMatchObject({ total_count: 5, pending_count: 5, processing_count: 0 });
      pages.push(json.jobs.map((job: { id: string }) => job.id));
      next = /^<(.*)>; rel="next"$/.exec(String(headers['link']))?.[1];
    }
    expect(pages).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
  });

  test.each([
    ['-3', 0],
    ['0', 0],
    ['1', 1],
    ['1001', 2],
    ['99999999999999999999999', 2],
  ])('with limit %s has %i of 2 jobs', async (limit, length) => {
    const by = await stranger();
    await enqueue(by);
    await enqueue(by);
    const { status, json } = await by('GET', `/jobs?limit=${limit}`);
    expect(status).toBe(200);
    expect(json.jobs).toHaveLength(length);
    expect(json.total_count).toBe(2);
  });

  test('refuses a cursor that is not its own', async () => {
    const { status, json } = await call('GET', '/jobs?cursor=nonsense');
    expect(status).toBe(422);
    expect(json.detail[0]).toMatchObject({ type: 'value_error', loc: ['query', 'cursor'] });
  });
});

describe('a cancelled job', () => {
  test('is cancelled once, has no result, and is not sent', async () => {
    const by = await stranger();
    const { id } = (await enqueue(by)).json.job;
    expect((await by('POST', `/jobs/${id}/cancel`)).json).toEqual({ success: true });
    const again = await by('POST', `/jobs/${id}/cancel`);
    expect([again.status, again.json]).toEqual([200, { success: false }]);
    expect((await by('GET', `/jobs/${id}`)).json.status).toBe('cancelled');
    const result = await by('GET', `/jobs/${id}/result`);
    expect(result.status).toBe(409);
    expect(result.json.detail).toMatchObject({ code: 'CANCELLED', status: 'cancelled' });
    expect((await by('POST', '/internal/flush', {})).json.batch_id).toBeNull();
  });
});

describe('what is not the caller’s', () => {
  test('job looks like one that never was', async () => {
    const { id } = (await enqueue(call)).json.job;
    const other = await stranger();
    const unknown = id.slice(0, -4) + '0000';
    const odd = [unknown, 'x', '%00', '%ff', 'job_', '%F0%9F%92%A9', id.toUpperCase()];
    for (const [by, name] of [[other, id], ...odd.map((name) => [call, name] as const)] as const) {
      for (const [method, path] of [
        ['GET', `/jobs/${name}`],
        ['GET', `/jobs/${name}/result`],
        ['POST', `/jobs/${name}/cancel`],
      ] as const) {
        const { status, json } = await by(method, path);
        expect([path, status, json]).toEqual([path, 404, { detail: 'Job not found' }]);
      }
    }
  });

  test('batch looks like one that never was', async () => {
    const by = await stranger();
    await enqueue(by);
    const { batch_id: batchId } = (await by('POST', '/internal/flush', {})).json;
    const other = await stranger();
    for (const id of [batchId, 'msgbatch_nope', 'batch_nope', '', 'a\0b']) {
      const { status, json } = await other('POST', '/internal/poll', { batch_id: id });
      expect([id, status, json]).toEqual([id, 404, { detail: 'Batch not found' }]);
    }
  });
});

describe('a key without the scope', () => {
  test('operator may neither flush nor poll, whatever the body', async () => {
    const by = await stranger(undefined, ['jobs:write']);
    for (const [path, body] of [
      ['/internal/flush', {}],
      ['/internal/poll', {}],
      ['/internal/poll', { batch_id: 'msgbatch_x' }],
    ] as const) {
      const { status, json } = await by('POST', path, body);
      expect([status, json]).toEqual([403, { detail: 'Not enough permissions' }]);
    }
    expect((await enqueue(by)).status).toBe(200);
    expect((await by('GET', '/jobs')).status).toBe(200);
  });

  test('jobs:write may read, not change', async () => {
    const by = await stranger(undefined, ['jobs:read']);
    expect((await by('GET', '/stats')).status).toBe(200);
    for (const reply of [await enqueue(by), await by('POST', `/jobs/x/cancel`)]) {
      expect([403, 404]).toContain(reply.status);
    }
    expect((await enqueue(by)).json).toEqual({ detail: 'Not enough permissions' });
  });
});

describe('a provider that refuses the batch', () => {
  test('leaves the jobs pending, and the flush says why', async () => {
    const by = await stranger();
    const { id } = (await enqueue(by)).json.job;
    offpeak.emulator.addFaults([{ route: 'create', action: { kind: 'status', status: 413 } }]);
    const { status, json } = await by('POST', '/internal/flush', {});
    expect(status).toBe(200);
    expect(json).toMatchObject({ success: false, batch_id: null, jobs_count: 0 });
    expect(json.message).toMatch(/./);
    expect((await by('GET', `/jobs/${id}`)).json).toMatchObject({ status: 'pending', batch_id: null });
  });
});
