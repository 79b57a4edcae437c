import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { StoppedClock } from '../../src/adapters/clock.ts';
import { enqueued, HOUR, otherProcess, stage } from './setup.ts';

const START = new Date('2026-06-01T00:00:00Z');

test('nothing due seals nothing', async () => {
  const { core, caller, db } = await stage();
  expect(await core.flushJobs(caller, { maxBatches: 5, wait: 0 })).toEqual([]);
  expect(await db.batch.count()).toBe(0);
});

test('the most urgent go first, and of equals the oldest', async () => {
  const clock = new StoppedClock(START);
  const { core, caller, jobs, db } = await stage({ clock });
  const order: string[] = [];
  const add = async (priority: number) => {
    clock.advance(1000);
    order.push((await jobs([{ priority }]))[0]!);
  };
  for (const priority of [50, 50, 90, 10, 100]) await add(priority);
  const [first, second, third, fourth, fifth] = order;
  const sealed: string[] = [];
  for (let n = 0; n < 5; n += 1) {
    const [batch] = await core.flushJobs(caller, { maxBatches: 1, maxJobs: 1, wait: 0 });
    const [job] = await db.job.findMany({ where: { batchId: batch!.batchId } });
    sealed.push(job!.id);
  }
  expect(sealed).toEqual([fifth, third, first, second, fourth]);
});

test('no job waits longer than the bound behind newer work, whatever its priority', async () => {
  const clock = new StoppedClock(START);
  const { core, caller, jobs, job } = await stage({ clock, policy: { priorityBound: 24 * HOUR } });
  const [humble] = await jobs([{ priority: 0 }]);
  const next = () => core.sealBatch({ tenantId: caller.tenantId, reason: 'manual', maxJobs: 1 });

  clock.advance(23 * HOUR);
  await jobs([{ priority: 100 }]);
  await next();
  expect((await job(humble!)).status).toBe('pending');

  clock.advance(HOUR + 1);
  await jobs([{ priority: 100 }]);
  await next();
  expect((await job(humble!)).status).toBe('processing');
});

test('a job is not sealed before its time', async () => {
  const clock = new StoppedClock(START);
  const { core, caller, jobs, worker, job } = await stage({ clock, policy: { flushCount: 1 } });
  const [later] = await jobs([{ runAfter: new Date(START.getTime() + HOUR) }]);
  await worker.flush();
  clock.advance(HOUR - 1);
  await worker.flush();
  expect(await core.flushJobs(caller, { maxBatches: 1, wait: 0 })).toEqual([]);
  expect((await job(later!)).status).toBe('pending');
  clock.advance(1);
  await worker.flush();
  expect((await job(later!)).status).toBe('processing');
});

test('types, the least priority and the number of jobs narrow a flush', async () => {
  const { core, caller, jobs, db } = await stage();
  await jobs([
    { type: 'risk_report', priority: 80 },
    { type: 'risk_report', priority: 20 },
    { type: 'portfolio_summary', priority: 80 },
    { type: 'strategy_backtest', priority: 80 },
  ]);
  const flush = (choice: object) => core.flushJobs(caller, { maxBatches: 1, wait: 0, ...choice });
  expect(await flush({ jobTypes: ['model_evaluation'] })).toEqual([]);
  const [narrow] = await flush({ jobTypes: ['risk_report', 'portfolio_summary'], minPriority: 50 });
  expect(narrow!.jobs).toBe(2);
  const [single] = await flush({ maxJobs: 1 });
  expect(single!.jobs).toBe(1);
  expect(await db.job.count({ where: { status: 'pending' } })).toBe(1);
});

test('several batches together hold no more than the jobs asked for', async () => {
  const { core, caller, jobs } = await stage({ policy: { batchRequests: 3 } });
  await jobs(10);
  const batches = await core.flushJobs(caller, { maxBatches: 10, maxJobs: 8, wait: 0 });
  expect(batches.map((batch) => batch.jobs)).toEqual([3, 3, 2]);
  expect(await core.flushJobs(caller, { maxBatches: 1, wait: 0 })).toMatchObject([{ jobs: 2 }]);
});

test('no body is longer than the limit, and none is shorter than it has to be', async () => {
  const limit = 30_000;
  // The emulator refuses what is a byte too long.
  const { core, caller, jobs, db, emulator } = await stage({
    policy: { batchBytes: limit },
    emulator: { maxBodyBytes: limit },
  });
  await jobs(Array.from({ length: 25 }, (_, n) => ({ payload: `{"a":"${'é<'.repeat((n * 211) % 2000)}"}` })));
  await core.flushJobs(caller, { maxBatches: 25, wait: 10_000 });
  const batches = await db.batch.findMany({ orderBy: { id: 'asc' } });
  expect(batches.map(({ status }) => status)).toEqual(batches.map(() => 'in_progress'));
  expect(emulator.accepted().flatMap((batch) => batch.custom_ids)).toHaveLength(25);
  for (const [n, { bytes }] of batches.slice(0, -1).entries()) {
    expect(bytes).toBeLessThanOrEqual(limit);
    const { requestBytes: next } = await db.job.findFirstOrThrow({
      where: { batchId: batches[n + 1]!.id },
      orderBy: [{ rank: 'asc' }, { id: 'asc' }],
    });
    // 5 bytes a request stay free for the longer name of a later submission.
    expect(Number(bytes) + 1 + next + 5 * batches[n]!.requestCount).toBeGreaterThan(limit);
  }
});

test('a job taken while the limit was higher goes alone, and blocks nobody', async () => {
  const it = await stage();
  await it.jobs([{ payload: `{"a":"${'x'.repeat(50_000)}"}` }, {}, {}]);
  const lowered = otherProcess(it, { batchBytes: 30_000 });
  const batches = await lowered.flushJobs(it.caller, { maxBatches: 5, wait: 0 });
  expect(batches.map(({ jobs }) => jobs)).toEqual([1, 2]);
});

test('two flushes at once never take the same job', async () => {
  const it = await stage();
  await it.jobs(200);
  const processes = Array.from({ length: 4 }, () => otherProcess(it));
  const flush = async (core: (typeof processes)[number]) => {
    let jobs = 0;
    for (;;) {
      const sealed = await core.sealBatch({ tenantId: it.caller.tenantId, reason: 'count', maxJobs: 7 });
      if (!sealed) return jobs;
      jobs += sealed.jobs;
    }
  };
  const counts = await Promise.all(processes.map(flush));
  // What one flush has locked, another skips, and may find nothing more just then.
  const rest = await flush(it.core);
  expect(counts.reduce((sum, n) => sum + n, rest)).toBe(200);
  const claims = await it.db.jobEvent.groupBy({ by: ['jobId'], where: { move: 'claimed' }, _count: true });
  expect(claims).toHaveLength(200);
  expect(claims.every((claim) => claim._count === 1)).toBe(true);
  const [{ counted }] = await it.db.$queryRaw<[{ counted: bigint }]>`
    SELECT sum(request_count)::bigint AS counted FROM batch`;
  expect(counted).toBe(200n);
});

test('a job that somebody holds just now is left for the next flush, and nobody waits for it', async () => {
  const it = await stage();
  const [held] = await it.jobs(3);
  const client = new pg.Client(it.connection);
  await client.connect();
  onTestFinished(() => client.end());
  await client.query('BEGIN');
  await client.query('SELECT FROM job WHERE id = $1 FOR UPDATE', [held]);
  await it.seal();
  expect(await it.db.job.groupBy({ by: ['status'], _count: true, orderBy: { status: 'asc' } })).toEqual([
    { status: 'pending', _count: 1 },
    { status: 'processing', _count: 2 },
  ]);
  await client.query('ROLLBACK');
  await it.seal();
  expect((await it.job(held!)).status).toBe('processing');
});

test('a batch holds the jobs of one tenant', async () => {
  const it = await stage({ policy: { flushCount: 1 } });
  const neighbour = await it.actor('neighbour');
  await it.jobs(3);
  await enqueued(it.core, neighbour, [{}, {}]);
  await it.core.flushJobs(neighbour, { maxBatches: 5, wait: 0 });
  expect(await it.db.job.groupBy({ by: ['tenantId', 'status'], _count: true })).toEqual(
    expect.arrayContaining([
      { tenantId: it.caller.tenantId, status: 'pending', _count: 3 },
      { tenantId: neighbour.tenantId, status: 'processing', _count: 2 },
    ]),
  );
  await it.worker.flush();
  const batches = await it.db.batch.findMany({ orderBy: { createdAt: 'asc' } });
  expect(batches).toMatchObject([
    { tenantId: neighbour.tenantId, requestCount: 2, reason: 'manual' },
    { tenantId: it.caller.tenantId, requestCount: 3, reason: 'count' },
  ]);
});

test('the policy flushes by count and by age, and says which', async () => {
  const clock = new StoppedClock(START);
  const it = await stage({ clock, policy: { flushCount: 3, flushAge: HOUR } });
  await it.jobs(2);
  await it.worker.flush();
  expect(await it.db.batch.count()).toBe(0);
  await it.jobs(1);
  await it.worker.flush();
  await it.jobs(1);
  clock.advance(HOUR - 1);
  await it.worker.flush();
  expect(await it.db.batch.findMany()).toMatchObject([{ reason: 'count', requestCount: 3 }]);
  clock.advance(1);
  await it.worker.flush();
  expect(await it.db.batch.findMany({ where: { reason: 'age' } })).toMatchObject([{ requestCount: 1 }]);
});

test('only an operator flushes', async () => {
  const it = await stage();
  const writer = await it.actor('default', ['jobs:write']);
  await expect(it.core.flushJobs(writer, { maxBatches: 1, wait: 0 })).rejects.toMatchObject({
    code: 'FORBIDDEN',
  });
});
