import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runBatches, startServer, type TestServer } from '../harness/http.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

const ENQUEUE = `mutation ($input: EnqueueJobInput!) {
  enqueueJob(input: $input) {
    __typename
    ... on EnqueueJobSuccess { replayed job { id status customId payload } }
    ... on Error { code message }
    ... on ValidationError { field }
    ... on IdempotencyConflictError { existingJob { id } }
  }
}`;

interface Enqueue {
  enqueueJob: {
    __typename: string;
    code?: string;
    field?: string;
    message?: string;
    replayed?: boolean;
    job: { id: string; payload: unknown };
    existingJob?: { id: string };
  };
}

const enqueue = async (input: object, token?: string) =>
  (await server.ask<Enqueue>(ENQUEUE, { input: { type: 'RISK_REPORT', payload: {}, ...input } }, token)).data
    .enqueueJob;

describe('enqueueJob', () => {
  test('stores the job and gives it back', async () => {
    const { job, ...rest } = await enqueue({ payload: { symbols: ['MSFT'] }, customId: 'first' });
    expect(rest).toEqual({ __typename: 'EnqueueJobSuccess', replayed: false });
    expect(job).toEqual({
      id: expect.stringMatching(/^job_[0-9a-z]{26}$/),
      status: 'PENDING',
      customId: 'first',
      payload: { symbols: ['MSFT'] },
    });
  });

  test('gives the first job again for the same custom id and content, whatever the order of keys', async () => {
    const first = await enqueue({ payload: { a: 1, b: 2 }, customId: 'again' });
    const second = await enqueue({ payload: { b: 2, a: 1 }, customId: 'again', priority: 90 });
    expect(second).toMatchObject({ replayed: true, job: { id: first.job.id } });
  });

  test('names the first job when the custom id comes with other content', async () => {
    const first = await enqueue({ payload: { a: 1 }, customId: 'conflict' });
    expect(await enqueue({ payload: { a: 2 }, customId: 'conflict' })).toMatchObject({
      __typename: 'IdempotencyConflictError',
      code: 'IDEMPOTENCY_CONFLICT',
      existingJob: { id: first.job.id },
    });
  });

  test.each([
    ['priority', { priority: 101 }, /0 to 100/],
    ['payload', { payload: [1] }, /must be a JSON object/],
    ['customId', { customId: '' }, /1 to 255 characters/],
    ['customId', { customId: 'a\0b' }, /U\+0000/],
    ['runAfter', { runAfter: '9999-12-31T23:59:59-10:00' }, /years 1 to 9999/],
    ['runAfter', { runAfter: '0001-01-01T00:00:00+05:00' }, /years 1 to 9999/],
  ])('says what is wrong with %s', async (field, input, message) => {
    expect(await enqueue(input)).toMatchObject({
      __typename: 'ValidationError',
      field,
      message: expect.stringMatching(message),
    });
  });

  test('needs the scope jobs:write', async () => {
    const reader = await server.offpeak.token('default', ['jobs:read']);
    expect(await enqueue({}, reader)).toMatchObject({ __typename: 'ForbiddenError', code: 'FORBIDDEN' });
  });

  test('is done even if the client selects nothing but __typename', async () => {
    const { data, errors } = await server.ask<Enqueue>(
      'mutation { enqueueJob(input: { type: RISK_REPORT, payload: {}, customId: "bare" }) { __typename ... on EnqueueJobSuccess { job { __typename } } } }',
    );
    expect(errors).toBeUndefined();
    expect(data.enqueueJob).toEqual({ __typename: 'EnqueueJobSuccess', job: { __typename: 'Job' } });
  });

  test('changes no number of the payload, sent as a variable or written in the query', async () => {
    const numbers = '{"big":12345678901234567890,"one":1.0,"tiny":1e-7,"__proto__":{"x":-0}}';
    const send = async (body: string) => {
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${server.token}` },
        body,
      });
      return response.text();
    };
    const select = '{ ... on EnqueueJobSuccess { job { payload } } }';
    expect(
      await send(
        `{"query":"mutation ($p: JSON!) { enqueueJob(input: { type: RISK_REPORT, payload: $p }) ${select} }","variables":{"p":${numbers}}}`,
      ),
    ).toContain(`"payload":${numbers}`);
    expect(
      await send(
        `{"query":"mutation { enqueueJob(input: { type: RISK_REPORT, payload: { big: 12345678901234567890, one: 1.0 } }) ${select} }"}`,
      ),
    ).toContain('"payload":{"big":12345678901234567890,"one":1.0}');
    expect(await send('{"query":"{__typename}","variables":{"p":1e400}}')).toContain('out of range');
  });
});

describe('the list of jobs', () => {
  let token: string;
  beforeAll(async () => {
    token = await server.offpeak.token('list');
    for (let n = 0; n < 7; n += 1) {
      await enqueue({ customId: `job-${n}`, type: n % 2 ? 'RISK_REPORT' : 'PORTFOLIO_SUMMARY' }, token);
    }
  });

  interface Page {
    jobs: {
      totalCount: { count: number; exact: boolean };
      edges: { cursor: string; node: { customId: string } }[];
      pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string; endCursor: string };
    };
  }
  const LIST = `query ($first: Int, $last: Int, $after: String, $before: String, $filter: JobFilter) {
    jobs(first: $first, last: $last, after: $after, before: $before, filter: $filter) {
      totalCount { count exact }
      edges { cursor node { customId } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }`;
  const list = (variables: object) => server.ask<Page>(LIST, variables, token);
  const names = ({ data }: { data: Page }) => data.jobs.edges.map(({ node }) => node.customId);

  test('goes from the newest to the oldest, and back, without a gap or a repetition', async () => {
    const first = await list({ first: 3 });
    expect(names(first)).toEqual(['job-6', 'job-5', 'job-4']);
    expect(first.data.jobs.totalCount).toEqual({ count: 7, exact: true });
    expect(first.data.jobs.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false });
    const second = await list({ first: 10, after: first.data.jobs.pageInfo.endCursor });
    expect(names(second)).toEqual(['job-3', 'job-2', 'job-1', 'job-0']);
    expect(second.data.jobs.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
    const back = await list({ last: 2, before: second.data.jobs.pageInfo.startCursor });
    expect(names(back)).toEqual(['job-5', 'job-4']);
    expect(back.data.jobs.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true });
  });

  test('can be filtered, and counts what the filter matches', async () => {
    const risk = await list({ filter: { type: ['RISK_REPORT'], status: ['PENDING'] } });
    expect(names(risk)).toEqual(['job-5', 'job-3', 'job-1']);
    expect(risk.data.jobs.totalCount).toEqual({ count: 3, exact: true });
    expect(names(await list({ filter: { status: ['COMPLETED'] } }))).toEqual([]);
  });

  test('refuses a cursor of another filter, and one that is none', async () => {
    const { data } = await list({ first: 1 });
    const elsewhere = await list({
      first: 1,
      after: data.jobs.pageInfo.endCursor,
      filter: { type: ['RISK_REPORT'] },
    });
    expect(elsewhere.errors?.[0]?.extensions?.code).toBe('CURSOR_INVALID');
    expect((await list({ after: 'nonsense' })).errors?.[0]?.extensions?.code).toBe('CURSOR_INVALID');
  });

  test('has at most 1000 rows a page', async () => {
    expect((await list({ first: 1001 })).errors?.[0]).toMatchObject({
      message: expect.stringContaining('at most 1000'),
      extensions: { code: 'VALIDATION' },
    });
  });

  test('shows nothing of another tenant, not even by id', async () => {
    const { job } = await enqueue({}, token);
    const stranger = await server.offpeak.token('stranger');
    const { data, errors } = await server.ask<{ jobs: Page['jobs']; job: null; node: null }>(
      'query ($id: ID!) { jobs { totalCount { count } edges { node { id } } } job(id: $id) { id } node(id: $id) { id } }',
      { id: job.id },
      stranger,
    );
    expect(errors).toBeUndefined();
    expect(data).toMatchObject({ jobs: { totalCount: { count: 0 }, edges: [] }, job: null, node: null });
  });
});

test('a job goes all the way, and its result, usage and cost can be read', async () => {
  const token = await server.offpeak.token('whole-way');
  const { job } = await enqueue({ payload: { name: 'whole way' } }, token);
  await runBatches(server.offpeak);
  const { data, errors } = await server.ask<{
    node: Record<string, unknown>;
    stats: Record<string, unknown>;
  }>(
    `query ($id: ID!) {
      node(id: $id) { ... on Job {
        status resultJson rawText error { code } attempt version completedAt submittedAt
        batch { status simulated reason providerBatchId counts { requests succeeded } }
        usage { inputTokens outputTokens totalTokens } cost { actualUsd standardUsd savedUsd }
      } }
      stats { totalJobs completedJobs costUsd standardCostUsd savedUsd inputTokens unpricedItems simulated }
    }`,
    { id: job.id },
    token,
  );
  expect(errors).toBeUndefined();
  expect(data.node).toMatchObject({
    status: 'COMPLETED',
    resultJson: { summary: expect.stringContaining('[simulated]') },
    rawText: null,
    error: null,
    attempt: 0,
    version: 3,
    completedAt: expect.any(String),
    batch: { status: 'INGESTED', simulated: true, reason: 'MANUAL', counts: { requests: 1, succeeded: 1 } },
    cost: { actualUsd: expect.stringMatching(/^0\.\d+$/) },
  });
  const { cost, usage } = data.node as { cost: Record<string, string>; usage: Record<string, number> };
  expect(data.stats).toEqual({
    totalJobs: 1,
    completedJobs: 1,
    costUsd: cost['actualUsd'],
    standardCostUsd: cost['standardUsd'],
    savedUsd: cost['savedUsd'],
    inputTokens: usage['inputTokens'],
    unpricedItems: 0,
    simulated: true,
  });
});

describe('cancelJob', () => {
  const CANCEL = `mutation ($id: ID!) {
    cancelJob(input: { id: $id }) { __typename ... on CancelJobSuccess { job { status } } ... on Error { code } }
  }`;

  test('calls a pending job off, once', async () => {
    const { job } = await enqueue({});
    expect((await server.ask(CANCEL, { id: job.id })).data).toEqual({
      cancelJob: { __typename: 'CancelJobSuccess', job: { status: 'CANCELLED' } },
    });
    expect((await server.ask(CANCEL, { id: job.id })).data).toMatchObject({
      cancelJob: { code: 'ALREADY_FINISHED' },
    });
  });

  test.each(['job_00000000000000000000000000', 'nonsense'])('finds nothing under %s', async (id) => {
    expect((await server.ask(CANCEL, { id })).data).toEqual({
      cancelJob: { __typename: 'NotFoundError', code: 'NOT_FOUND' },
    });
  });
});

describe('flushJobs and pollBatch', () => {
  test('seal what is due, say which batch, and hand over each result once', async () => {
    const token = await server.offpeak.token('operator');
    for (const priority of [10, 90]) await enqueue({ priority }, token);
    const flushed = await server.ask<{
      flushJobs: { jobsCount: number; batches: { id: string; status: string; providerBatchId: string }[] };
    }>(
      'mutation { flushJobs(input: { minPriority: 50, waitSeconds: 10 }) { ... on FlushJobsSuccess { jobsCount batches { id status providerBatchId } } } }',
      {},
      token,
    );
    expect(flushed.data.flushJobs).toEqual({
      jobsCount: 1,
      batches: [
        {
          id: expect.stringMatching(/^batch_/),
          status: 'IN_PROGRESS',
          providerBatchId: expect.stringMatching(/^msgbatch_/),
        },
      ],
    });
    const [batch] = flushed.data.flushJobs.batches;
    const POLL = `mutation ($id: ID!) { pollBatch(input: { id: $id }) {
      ... on PollBatchSuccess { remaining batch { status } results { outcome totalTokens resultJson job { status } } } ... on Error { code }
    } }`;
    expect((await server.ask(POLL, { id: batch!.providerBatchId }, token)).data).toEqual({
      pollBatch: { remaining: 1, batch: { status: 'IN_PROGRESS' }, results: [] },
    });
    await server.offpeak.emulator.advance(3_600_000);
    expect((await server.ask(POLL, { id: batch!.id }, token)).data).toMatchObject({
      pollBatch: {
        remaining: 0,
        batch: { status: 'INGESTED' },
        results: [{ outcome: 'SUCCEEDED', job: { status: 'COMPLETED' } }],
      },
    });
    expect((await server.ask(POLL, { id: batch!.id }, token)).data).toMatchObject({
      pollBatch: { remaining: 0, results: [] },
    });
  });

  test('need the scope operator', async () => {
    const writer = await server.offpeak.token('default', ['jobs:write']);
    const { data } = await server.ask('mutation { flushJobs(input: {}) { __typename } }', {}, writer);
    expect(data).toEqual({ flushJobs: { __typename: 'ForbiddenError' } });
  });
});
