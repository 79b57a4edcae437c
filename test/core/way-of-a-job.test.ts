import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Actor } from '../../src/core/index.ts';
import { startOffpeak, type TestOffpeak } from '../harness/offpeak.ts';

let offpeak: TestOffpeak;
let actor: Actor;

beforeAll(async () => {
  offpeak = await startOffpeak();
  actor = await offpeak.actor();
});
afterAll(() => offpeak[Symbol.asyncDispose]());

const HOUR = 3_600_000;

test('a job goes from pending to completed, and the ledger holds what it cost', async () => {
  const [enqueued] = await offpeak.core.enqueue(actor, [{ type: 'risk_report', payload: '{"a":1.0}' }]);
  expect(enqueued).toEqual({ jobId: expect.any(String), replayed: false });
  const { jobId } = enqueued as { jobId: string };
  const status = async () => (await offpeak.core.readJob<{ status: string }>(actor, jobId, {}))?.status;
  expect(await status()).toBe('pending');

  const [batch] = await offpeak.core.flushJobs(actor, { maxBatches: 1, wait: 0 });
  expect(batch?.jobs).toBe(1);
  expect(await status()).toBe('processing');

  await offpeak.worker.submit();
  await offpeak.worker.poll();
  expect(await status()).toBe('processing');
  await offpeak.emulator.advance(2 * HOUR);
  await offpeak.worker.poll();
  await offpeak.worker.ingest();
  expect(await status()).toBe('completed');
  const stats = await offpeak.core.readStats(actor);
  expect(stats).toMatchObject({ total: 1n, byStatus: { completed: 1n }, unpricedItems: 0n, simulated: true });
  expect(Number(stats.costUsd)).toBeGreaterThan(0);
  expect(Number(stats.costUsd) * 2).toBeCloseTo(Number(stats.standardCostUsd), 12);
  expect(offpeak.emulator.accepted()).toHaveLength(1);
});
