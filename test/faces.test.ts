import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { graphqlFace } from './faces/graphql.ts';
import { restFace } from './faces/rest.ts';
import type { Enqueued, Face, Flushed, Job, NewJob, Page, Polled, Refused, Stats } from './faces/face.ts';
import type { Scope } from '../src/core/index.ts';
import { BATCH_TIME, runBatches, startServer, type TestServer } from './harness/http.ts';

let server: TestServer;
const faces: Record<string, Face> = {};
beforeAll(async () => {
  server = await startServer();
  faces['GraphQL'] = graphqlFace(server.url);
  faces['REST'] = restFace(server.url);
});
afterAll(() => server[Symbol.asyncDispose]());

/** The key of a new tenant, so that no other test's jobs are in sight. */
const newKey = (scopes?: readonly Scope[], tenant: string = crypto.randomUUID()) =>
  server.offpeak.token(tenant, scopes);

const risk = (more: Partial<NewJob> = {}): NewJob => ({ type: 'risk_report', payload: { a: 1 }, ...more });

/** What was done; fails when it was refused. */
function done<T extends object>(answer: T | Refused): T {
  if ('refused' in answer) throw new Error(`refused: ${answer.refused}`);
  return answer;
}

describe.each(['GraphQL', 'REST'])('through %s', (name) => {
  let face: Face;
  beforeAll(() => {
    face = faces[name]!;
  });
  const enqueue = async (key: string, more?: Partial<NewJob>): Promise<Job> =>
    done(await face.enqueue(key, risk(more))).job;
  /** A job in a batch that the provider works on. */
  const send = async (key: string, more?: Partial<NewJob>): Promise<{ job: Job; batch: string }> => {
    const job = await enqueue(key, more);
    return { job, batch: done(await face.flush(key)).batch! };
  };

  describe('enqueueing', () => {
    test('makes a pending job with what was asked for', async () => {
      const runAfter = '2030-01-01T10:00:00.500Z';
      const enqueued = await face.enqueue(await newKey(), {
        type: 'portfolio_summary',
        payload: { symbols: ['MSFT'] },
        priority: 7,
        customId: 'first',
        runAfter,
      });
      expect(enqueued).toEqual<Enqueued>({
        replayed: false,
        estimatedCompletion: expect.any(Date),
        job: {
          id: expect.stringMatching(/^job_[0-9a-z]{26}$/),
          type: 'portfolio_summary',
          status: 'pending',
          priority: 7,
          customId: 'first',
          batch: null,
          createdAt: expect.any(Date),
          updatedAt: expect.any(Date),
          runAfter: new Date(runAfter),
          completedAt: null,
          tokens: 0,
          error: null,
        },
      });
    });

    test('gives priority 50 and no time to wait for, unless asked otherwise', async () => {
      expect(await enqueue(await newKey())).toMatchObject({ priority: 50, customId: null, runAfter: null });
    });

    test('the same under the same custom id gives the first job again', async () => {
      const key = await newKey();
      const job = await enqueue(key, { customId: 'k', payload: { a: 1, b: 2 } });
      const again = await face.enqueue(
        key,
        risk({ customId: 'k', payload: { b: 2, a: 1 }, priority: 99, runAfter: '2031-01-01T00:00:00Z' }),
      );
      expect(again).toEqual({ job, replayed: true, estimatedCompletion: expect.any(Date) });
    });

    test('the same under the custom id of a cancelled job gives that job', async () => {
      const key = await newKey();
      const { id } = await enqueue(key, { customId: 'k' });
      await face.cancel(key, id);
      const again = done(await face.enqueue(key, risk({ customId: 'k' })));
      expect(again).toMatchObject({ replayed: true, job: { id, status: 'cancelled' } });
    });

    test.each<[string, Partial<NewJob>]>([
      ['another payload', { payload: { a: 2 } }],
      ['another type', { type: 'trading_analytics' }],
    ])('%s under the same custom id is a conflict that names the first job', async (_name, other) => {
      const key = await newKey();
      const { id } = await enqueue(key, { customId: 'k' });
      expect(await face.enqueue(key, risk({ customId: 'k', ...other }))).toEqual({
        refused: 'IDEMPOTENCY_CONFLICT',
        existing: id,
      });
    });

    test('under the custom id of another tenant makes a job of its own', async () => {
      const [mine, theirs] = [await newKey(), await newKey()];
      const { id } = await enqueue(theirs, { customId: 'k', payload: { b: 2 } });
      expect(await enqueue(mine, { customId: 'k' })).not.toMatchObject({ id });
    });

    test.each<[string, Partial<NewJob>]>([
      ['a priority above 100', { priority: 101 }],
      ['a payload that is no object', { payload: [1] }],
      ['a custom id of 256 characters', { customId: 'x'.repeat(256) }],
      ['a custom id with U+0000', { customId: 'a\0b' }],
      ['a time after the year 9999', { runAfter: '9999-12-31T23:59:59-10:00' }],
    ])('%s is refused, and nothing is stored', async (_name, wrong) => {
      const key = await newKey();
      expect(await face.enqueue(key, risk(wrong))).toEqual({ refused: 'VALIDATION' });
      expect(await face.stats(key)).toMatchObject({ total: 0 });
    });
  });

  describe('the list', () => {
    test('goes page by page from the newest job to the oldest', async () => {
      const key = await newKey();
      const jobs: Job[] = [];
      for (let n = 0; n < 5; n += 1) jobs.unshift(await enqueue(key, { payload: { n } }));
      const pages: Page[] = [];
      for (let after: string | null | undefined; after !== null; after = pages.at(-1)!.next) {
        pages.push(done(await face.list(key, { limit: 2, ...(after && { after }) })));
      }
      const counts = { total: 5, pending: 5, processing: 0 };
      expect(pages).toEqual([
        { ...counts, jobs: jobs.slice(0, 2), next: expect.any(String) },
        { ...counts, jobs: jobs.slice(2, 4), next: expect.any(String) },
        { ...counts, jobs: jobs.slice(4), next: null },
      ]);
    });

    test('has what its filter matches, and counts the whole tenant beside it', async () => {
      const key = await newKey();
      const sent = await send(key);
      const waiting = await enqueue(key, { type: 'trading_analytics' });
      const ids = async (which: Parameters<Face['list']>[1]) => {
        const { jobs, total, pending, processing } = done(await face.list(key, which));
        expect({ pending, processing }).toEqual({ pending: 1, processing: 1 });
        expect(total).toBe(jobs.length);
        return jobs.map(({ id }) => id);
      };
      expect(await ids({})).toEqual([waiting.id, sent.job.id]);
      expect(await ids({ status: 'processing' })).toEqual([sent.job.id]);
      expect(await ids({ type: 'trading_analytics' })).toEqual([waiting.id]);
      expect(await ids({ status: 'processing', type: 'trading_analytics' })).toEqual([]);
      expect(await ids({ status: 'failed' })).toEqual([]);
    });

    test('may be asked for no job at all, to count', async () => {
      const key = await newKey();
      await enqueue(key);
      expect(await face.list(key, { limit: 0 })).toMatchObject({ jobs: [], total: 1 });
    });

    test.each([
      ['that is none', {}],
      ['of another filter', { type: 'risk_report' } as const],
    ])('refuses a place %s', async (_name, filter) => {
      const key = await newKey();
      await enqueue(key);
      await enqueue(key);
      const { next } = done(await face.list(key, { limit: 1 }));
      const after = 'type' in filter ? next! : 'nonsense';
      expect(await face.list(key, { ...filter, after })).toEqual({ refused: 'CURSOR_INVALID' });
    });
  });

  describe('a job', () => {
    test('is read as it was enqueued, and as it goes on', async () => {
      const key = await newKey();
      const job = await enqueue(key);
      expect(await face.get(key, job.id)).toEqual(job);
      const { batch } = done(await face.flush(key));
      const sent = await face.get(key, job.id);
      expect(sent).toEqual({ ...job, status: 'processing', batch, updatedAt: expect.any(Date) });
      await runBatches(server.offpeak);
      expect(await face.get(key, job.id)).toEqual<Job>({
        ...job,
        status: 'completed',
        batch,
        updatedAt: expect.any(Date),
        completedAt: expect.any(Date),
        tokens: expect.any(Number),
      });
    });

    test.each(['job_00000000000000000000000000', 'nonsense', 'job_'])('is not found under %s', async (id) => {
      const key = await newKey();
      const nothing = { refused: 'NOT_FOUND' };
      expect(await face.get(key, id)).toEqual(nothing);
      expect(await face.cancel(key, id)).toEqual(nothing);
      expect(await face.result(key, id)).toEqual(nothing);
    });
  });

  describe('cancelling', () => {
    test('calls a pending job off once, so that it is never sent', async () => {
      const key = await newKey();
      const { id } = await enqueue(key);
      expect(await face.cancel(key, id)).toEqual({ cancelled: true });
      expect(await face.cancel(key, id)).toEqual({ refused: 'ALREADY_FINISHED' });
      expect(await face.get(key, id)).toMatchObject({ status: 'cancelled', completedAt: expect.any(Date) });
      expect(await face.flush(key)).toMatchObject({ batch: null, jobs: 0 });
    });

    test('takes a job that is being processed out of its batch', async () => {
      const key = await newKey();
      const { job } = await send(key);
      expect(await face.cancel(key, job.id)).toEqual({ cancelled: true });
      await runBatches(server.offpeak);
      expect(await face.get(key, job.id)).toMatchObject({ status: 'cancelled' });
      expect(await face.result(key, job.id)).toEqual({ refused: 'CANCELLED' });
    });

    test('changes nothing of a job that is completed', async () => {
      const key = await newKey();
      const { job } = await send(key);
      await runBatches(server.offpeak);
      expect(await face.cancel(key, job.id)).toEqual({ refused: 'ALREADY_FINISHED' });
      expect(await face.get(key, job.id)).toMatchObject({ status: 'completed' });
    });
  });

  describe('the result', () => {
    test('is refused until there is one', async () => {
      const key = await newKey();
      const { job } = await send(key);
      const waiting = await enqueue(key);
      for (const { id } of [job, waiting]) {
        expect(await face.result(key, id)).toEqual({ refused: 'JOB_NOT_FINISHED' });
      }
    });

    test('of a completed job is what the model answered', async () => {
      const key = await newKey();
      const { job } = await send(key);
      await runBatches(server.offpeak);
      expect(await face.result(key, job.id)).toEqual({
        result: expect.objectContaining({ summary: expect.stringContaining('[simulated]') }),
      });
    });

    test('of a failed job is its error', async () => {
      const key = await newKey();
      const { job } = await failed(key, name);
      expect(await face.result(key, job.id)).toEqual({ refused: 'INVALID_REQUEST' });
      expect(await face.get(key, job.id)).toMatchObject({ status: 'failed', error: 'out of order' });
    });
  });

  /** A job that the provider calls invalid. */
  async function failed(key: string, mark: string): Promise<{ job: Job; batch: string }> {
    const contains = `fails-${mark}-${crypto.randomUUID()}`;
    server.offpeak.emulator.addOutcomes([
      {
        match: { contains },
        outcome: { type: 'errored', errorType: 'invalid_request_error', message: 'out of order' },
      },
    ]);
    const sent = await send(key, { payload: { contains } });
    await runBatches(server.offpeak);
    return sent;
  }

  test('the figures of a tenant begin at zero and count every job where it stands', async () => {
    const key = await newKey();
    const nothing: Stats = {
      total: 0,
      pending: 0,
      processing: 0,
      completed: 0,
      failed: 0,
      tokens: 0,
      cost: 0,
      saved: 0,
      meanHours: 0,
    };
    expect(await face.stats(key)).toEqual(nothing);
    const { job } = await send(key);
    await runBatches(server.offpeak);
    await failed(key, name);
    await face.cancel(key, (await enqueue(key)).id);
    await send(key);
    await enqueue(key);
    const figures = done(await face.stats(key));
    expect(figures).toEqual<Stats>({
      total: 5,
      pending: 1,
      processing: 1,
      completed: 1,
      failed: 1,
      tokens: done(await face.get(key, job.id)).tokens,
      cost: expect.any(Number),
      saved: figures.cost,
      meanHours: expect.any(Number),
    });
    expect(figures.cost).toBeGreaterThan(0);
    expect(figures.meanHours).toBeGreaterThan(0);
  });

  describe('a flush', () => {
    test('sends what is due as one batch', async () => {
      const key = await newKey();
      const jobs = [await enqueue(key), await enqueue(key)];
      const later = await enqueue(key, { runAfter: '2100-01-01T00:00:00Z' });
      const flushed = await face.flush(key);
      expect(flushed).toEqual<Flushed>({
        accepted: true,
        batch: expect.stringMatching(/^msgbatch_/),
        jobs: 2,
        estimatedTokens: expect.any(Number),
      });
      const { batch } = done(flushed);
      for (const { id } of jobs)
        expect(await face.get(key, id)).toMatchObject({ status: 'processing', batch });
      expect(await face.get(key, later.id)).toMatchObject({ status: 'pending', batch: null });
    });

    test('takes only as many jobs, of the types and from the priority that it names', async () => {
      const key = await newKey();
      const ids = new Map<string, string>();
      for (const [label, more] of [
        ['urgent', { priority: 90 }],
        ['less urgent', { priority: 80 }],
        ['of another type', { priority: 99, type: 'model_evaluation' }],
        ['not urgent', { priority: 10 }],
      ] as const) {
        ids.set(label, (await enqueue(key, more)).id);
      }
      const choice = { maxJobs: 1, types: ['risk_report' as const], minPriority: 50 };
      for (const label of ['urgent', 'less urgent']) {
        expect(await face.flush(key, choice)).toMatchObject({ accepted: true, jobs: 1 });
        expect(await face.get(key, ids.get(label)!)).toMatchObject({ status: 'processing' });
      }
      expect(await face.flush(key, choice)).toMatchObject({ accepted: true, jobs: 0 });
      for (const label of ['of another type', 'not urgent']) {
        expect(await face.get(key, ids.get(label)!)).toMatchObject({ status: 'pending' });
      }
    });

    test('sends nothing when nothing is due', async () => {
      const nothing = { accepted: true, batch: null, jobs: 0, estimatedTokens: 0 };
      expect(await face.flush(await newKey())).toEqual(nothing);
    });

    test('that the provider refuses leaves the jobs pending', async () => {
      const key = await newKey();
      const job = await enqueue(key);
      server.offpeak.emulator.addFaults([{ route: 'create', action: { kind: 'status', status: 413 } }]);
      expect(await face.flush(key)).toMatchObject({ accepted: false, batch: null, jobs: 0 });
      expect(await face.get(key, job.id)).toMatchObject({ status: 'pending', batch: null });
      expect(await face.flush(key)).toMatchObject({ accepted: true, jobs: 1 });
    });
  });

  describe('a poll', () => {
    test('of a batch under way tells how many results are missing', async () => {
      const key = await newKey();
      const { batch } = await send(key);
      expect(await face.poll(key, batch)).toEqual({ batch, state: 'in_progress', results: [], remaining: 1 });
    });

    test('of a batch that has ended hands each result over once', async () => {
      const key = await newKey();
      const { job, batch } = await send(key);
      await server.offpeak.emulator.advance(BATCH_TIME);
      expect(await face.poll(key, batch)).toEqual<Polled>({
        batch,
        state: 'ended',
        remaining: 0,
        results: [
          {
            job: job.id,
            type: 'risk_report',
            outcome: 'succeeded',
            ...(done(await face.result(key, job.id)) as { result: unknown }),
            error: null,
            tokens: done(await face.get(key, job.id)).tokens,
            duration: expect.any(Number),
          },
        ],
      });
      expect(await face.poll(key, batch)).toEqual({ batch, state: 'ended', results: [], remaining: 0 });
    });

    test('hands over the error of a job that failed', async () => {
      const key = await newKey();
      const { job, batch } = await failed(key, name);
      const { results } = done(await face.poll(key, batch));
      expect(results).toMatchObject([
        { job: job.id, outcome: 'errored', result: null, error: 'out of order', tokens: 0 },
      ]);
    });

    test('takes our own id of the batch as well', async () => {
      const key = await newKey();
      const { batch } = await send(key);
      const own = await server.ask<{ batch: { id: string } }>(
        'query ($id: ID!) { batch(id: $id) { id } }',
        { id: batch },
        key,
      );
      expect(await face.poll(key, own.data.batch.id)).toMatchObject({ batch, state: 'in_progress' });
    });

    test.each(['msgbatch_nope', 'batch_00000000000000000000000000', 'nonsense', ''])(
      'finds no batch under "%s"',
      async (id) => {
        expect(await face.poll(await newKey(), id)).toEqual({ refused: 'NOT_FOUND' });
      },
    );
  });

  test('what is another tenant’s is not there', async () => {
    const [mine, theirs] = [await newKey(), await newKey()];
    const { job, batch } = await send(theirs);
    const nothing = { refused: 'NOT_FOUND' };
    expect(await face.get(mine, job.id)).toEqual(nothing);
    expect(await face.cancel(mine, job.id)).toEqual(nothing);
    expect(await face.result(mine, job.id)).toEqual(nothing);
    expect(await face.poll(mine, batch)).toEqual(nothing);
    expect(await face.list(mine)).toEqual({ jobs: [], total: 0, pending: 0, processing: 0, next: null });
    expect(await face.stats(mine)).toMatchObject({ total: 0 });
    expect(await face.flush(mine)).toMatchObject({ jobs: 0 });
    expect(await face.get(theirs, job.id)).toMatchObject({ status: 'processing' });
  });

  const forbidden = { refused: 'FORBIDDEN' };

  test('a key that may only read changes nothing', async () => {
    const tenant = crypto.randomUUID();
    const { id } = await enqueue(await newKey(undefined, tenant));
    const reader = await newKey(['jobs:read'], tenant);
    expect(await face.get(reader, id)).toMatchObject({ id });
    expect(await face.enqueue(reader, risk())).toEqual(forbidden);
    expect(await face.cancel(reader, id)).toEqual(forbidden);
    expect(await face.stats(reader)).toMatchObject({ total: 1, pending: 1 });
  });

  test('a key without the scope operator neither flushes nor polls', async () => {
    const tenant = crypto.randomUUID();
    const { batch } = await send(await newKey(undefined, tenant));
    const writer = await newKey(['jobs:read', 'jobs:write'], tenant);
    await enqueue(writer);
    expect(await face.flush(writer)).toEqual(forbidden);
    expect(await face.poll(writer, batch)).toEqual(forbidden);
    expect(await face.poll(writer, 'nonsense')).toEqual(forbidden);
    expect(await face.stats(writer)).toMatchObject({ pending: 1, processing: 1 });
  });

  test('a key with the scope operator alone may read what it flushes', async () => {
    const tenant = crypto.randomUUID();
    const { id } = await enqueue(await newKey(undefined, tenant));
    const operator = await newKey(['operator'], tenant);
    expect(done(await face.flush(operator)).jobs).toBe(1);
    expect(await face.get(operator, id)).toMatchObject({ status: 'processing' });
    expect(await face.enqueue(operator, risk())).toEqual(forbidden);
  });

  test.each([
    ['no key', null],
    ['a key that nobody has', 'nobody'],
  ])('with %s nothing can be done', async (_name, by) => {
    const { id } = await enqueue(await newKey());
    const answers = await Promise.all([
      face.enqueue(by, risk()),
      face.list(by),
      face.get(by, id),
      face.cancel(by, id),
      face.result(by, id),
      face.stats(by),
      face.flush(by),
      face.poll(by, 'msgbatch_x'),
    ]);
    expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toEqual(
      new Set(['{"refused":"NO_KEY"}']),
    );
  });
});

test('both faces tell the same of the same job, list and figures', async () => {
  const [one, other] = [faces['GraphQL']!, faces['REST']!];
  const key = await newKey();
  const { job } = done(await one.enqueue(key, risk({ customId: 'k', runAfter: '2020-01-01T00:00:00.25Z' })));
  expect(await other.enqueue(key, risk({ customId: 'k' }))).toMatchObject({ job, replayed: true });
  await other.flush(key);
  await runBatches(server.offpeak);
  await one.enqueue(key, risk({ type: 'model_evaluation' }));
  expect(await one.get(key, job.id)).toEqual(await other.get(key, job.id));
  expect(await one.result(key, job.id)).toEqual(await other.result(key, job.id));
  const list = done(await one.list(key, { limit: 1 }));
  expect(list).toEqual(await other.list(key, { limit: 1 }));
  // A place in the list that one face has given is good for the other.
  const rest = done(await other.list(key, { limit: 1, after: list.next! }));
  expect(rest).toMatchObject({ jobs: [{ id: job.id }], next: null });
  expect(await one.stats(key)).toEqual(await other.stats(key));
});

test('no request met a fault of the server', () => {
  const faults = server.offpeak.log.filter(({ message }) => message.includes('fault of the server'));
  expect(faults).toEqual([]);
});
