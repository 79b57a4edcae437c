import { expect, test } from 'vitest';
import { jobTypeNames } from '../../src/core/index.ts';
import { enqueued, otherProcess, stage, type Stage } from './setup.ts';

/** A generator of numbers below `n`, the same for the same seed. */
function dice(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * n);
  };
}

/** Compares what is kept with what the rows say. */
async function check({ db, core, caller }: Stage): Promise<void> {
  const kept = await db.$queryRaw`
    SELECT tenant_id, type, status, sum(jobs)::int AS jobs FROM job_count
     GROUP BY 1, 2, 3 HAVING sum(jobs) <> 0 ORDER BY 1, 2, 3`;
  const real = await db.$queryRaw`
    SELECT tenant_id, type, status, count(*)::int AS jobs FROM job GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`;
  expect(kept).toEqual(real);
  const sums = await db.$queryRaw`
    SELECT tenant_id, sum(items)::int AS items, sum(input_tokens)::int AS input, sum(output_tokens)::int AS output,
           sum(cost_usd)::text AS cost, sum(standard_cost_usd)::text AS standard FROM ledger_total GROUP BY 1 ORDER BY 1`;
  const ledger = await db.$queryRaw`
    SELECT tenant_id, count(*)::int AS items, sum(input_tokens + cache_read_tokens)::int AS input,
           sum(output_tokens)::int AS output, sum(cost_usd)::text AS cost, sum(standard_cost_usd)::text AS standard
      FROM batch_item GROUP BY 1 ORDER BY 1`;
  expect(sums).toEqual(ledger);
  const stats = await core.readStats(caller);
  const [{ mean }] = await db.$queryRaw<[{ mean: number | null }]>`
    SELECT avg(extract(epoch FROM completed_at - created_at) * 1000)::float8 AS mean
      FROM job JOIN job_outcome ON job_id = id WHERE job.status = 'completed' AND job.tenant_id = ${caller.tenantId}::uuid`;
  expect(stats.meanDurationMs ?? -1).toBeCloseTo(mean ?? -1, 3);
}

test.each([1, 2, 3])('counts and sums agree with the rows after history %i, folded or not', async (seed) => {
  const roll = dice(seed);
  const it = await stage({
    emulator: {
      outcomes: [
        { outcome: { type: 'errored', errorType: 'api_error' }, times: 5 },
        { outcome: { type: 'errored', errorType: 'invalid_request_error' }, times: 3 },
      ],
    },
  });
  const neighbour = await it.actor('neighbour');
  const tenants = [it.caller, neighbour];
  const jobs: string[] = [];
  const steps = [
    async () => {
      const items = Array.from({ length: 1 + roll(5) }, () => ({ type: jobTypeNames[roll(6)]! }));
      jobs.push(...(await enqueued(it.core, tenants[roll(2)]!, items)));
    },
    () => it.core.cancelJob(it.caller, jobs[roll(jobs.length)] ?? crypto.randomUUID()).catch(() => undefined),
    () => it.core.sealBatch({ tenantId: tenants[roll(2)]!.tenantId, reason: 'manual', maxJobs: 1 + roll(6) }),
    () => it.worker.submit(),
    async () => {
      await it.end();
      await it.worker.ingest();
    },
    () => it.worker.fold(),
  ];
  for (let step = 0; step < 40; step += 1) await steps[roll(steps.length)]!();
  await check(it);
  await it.worker.fold();
  await check(it);
  const [{ most }] = await it.db.$queryRaw<[{ most: number }]>`
    SELECT coalesce(max(n), 0)::int AS most FROM (
      SELECT count(*) AS n FROM job_count GROUP BY tenant_id, type, status
      UNION ALL SELECT count(*) FROM ledger_total GROUP BY tenant_id, provider_identity) AS rows`;
  expect(most).toBeLessThanOrEqual(1);
});

test('folding what is folded already writes nothing', async () => {
  const it = await stage();
  await it.jobs([{ type: 'risk_report' }, { type: 'portfolio_summary' }]);
  await it.jobs(3);
  await it.run();
  await it.worker.fold();
  const rows = () => it.db.$queryRaw`
    SELECT id, xmin::text, xmax::text FROM job_count UNION ALL SELECT id, xmin::text, xmax::text FROM ledger_total ORDER BY 1, 2`;
  const before = await rows();
  await it.worker.fold();
  expect(await rows()).toEqual(before);
});

test('a fold catches up with any number of changes', async () => {
  const it = await stage();
  await it.db.$executeRaw`
    INSERT INTO job_count (tenant_id, type, status, jobs)
    SELECT ${it.caller.tenantId}::uuid, 'risk_report', 'pending', 1 FROM generate_series(1, 25000)`;
  await it.worker.fold();
  expect(await it.db.jobCount.count()).toBe(1);
  expect((await it.core.readStats(it.caller)).byStatus.pending).toBe(25_000n);
});

test('figures stay right for whoever reads while others write and fold', async () => {
  const it = await stage();
  const folders = [it.core, otherProcess(it), otherProcess(it)];
  let writing = true;
  const write = (async () => {
    for (let n = 0; n < 30; n += 1) await it.jobs(1);
    writing = false;
  })();
  const fold = folders.map(async (core) => {
    while (writing) await core.foldCounts();
  });
  let last = 0n;
  while (writing) {
    const { total } = await it.core.readStats(it.caller);
    expect(total).toBeGreaterThanOrEqual(last);
    last = total;
  }
  await Promise.all([write, ...fold]);
  expect((await it.core.readStats(it.caller)).total).toBe(30n);
});

test('money of another account is not added up with today’s', async () => {
  const it = await stage();
  await it.jobs(1);
  await it.run();
  const { costUsd } = await it.core.readStats(it.caller);
  expect(Number(costUsd)).toBeGreaterThan(0);
  await it.db.$executeRaw`
    INSERT INTO ledger_total (tenant_id, provider_identity, items, input_tokens, output_tokens, cost_usd, standard_cost_usd, unpriced_items)
    VALUES (${it.caller.tenantId}::uuid, 'anthropic:wrkspc_1', 1, 1000, 1000, 5, 10, 0)`;
  expect((await it.core.readStats(it.caller)).costUsd).toBe(costUsd);
});
