import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { anthropicProvider } from '../../src/adapters/anthropic.ts';
import { systemClock } from '../../src/adapters/clock.ts';
import { createCore, Hub, type Core } from '../../src/core/index.ts';
import { startEmulator } from '../../src/emulator/index.ts';
import { createWorker, type Worker } from '../../src/worker/index.ts';
import { promptPolicy, startOffpeak, type TestOffpeak } from '../harness/offpeak.ts';

const HOUR = 3_600_000;
const silent = { info: () => {}, warn: () => {}, error: () => {} };

let offpeak: TestOffpeak;
/** Another process on the same database, whose provider account is another one. */
let stranger: Core;
let strangers: { emulator: Awaited<ReturnType<typeof startEmulator>>; worker: Worker };

beforeAll(async () => {
  offpeak = await startOffpeak();
  const emulator = await startEmulator({ seed: 2 });
  stranger = createCore({
    db: offpeak.db,
    hub: new Hub(),
    policy: promptPolicy,
    log: silent,
    clock: systemClock,
    provider: anthropicProvider({ apiKey: 'other', baseURL: emulator.url, submitTimeout: 10_000 }),
    owner: randomUUID(),
  });
  strangers = { emulator, worker: createWorker(stranger, silent) };
});
afterAll(async () => {
  await strangers.emulator.close();
  await offpeak[Symbol.asyncDispose]();
});

test('a batch sealed for one provider account is never submitted, polled or booked by a process of another', async () => {
  const actor = await offpeak.actor();
  await offpeak.core.enqueue(actor, [{ type: 'risk_report', payload: '{}' }]);
  const [batch] = await offpeak.core.flushJobs(actor, { maxBatches: 1, wait: 0 });

  expect(await stranger.sealedBatches()).toEqual([]);
  expect(await stranger.submitBatch(batch!.batchId)).toEqual({ outcome: 'gone' });
  await strangers.worker.submit();
  expect(strangers.emulator.accepted()).toEqual([]);

  await offpeak.worker.submit();
  expect(offpeak.emulator.accepted()).toHaveLength(1);
  await offpeak.emulator.advance(HOUR);
  expect(await stranger.takeDueBatches(10)).toEqual([]);
  await offpeak.worker.poll();
  expect(await stranger.endedBatches()).toEqual([]);
  expect(await stranger.ingestBatch(batch!.batchId)).toBe('busy');
  await offpeak.worker.ingest();

  expect((await offpeak.core.readStats(actor)).costUsd).not.toBe('0');
  expect((await stranger.readStats(actor)).costUsd).toBe('0');
});

test('the answer to a POST is stored before drain resolves', async () => {
  const actor = await offpeak.actor('drain');
  await offpeak.core.enqueue(actor, [{ type: 'risk_report', payload: '{}' }]);
  offpeak.emulator.addFaults([{ route: 'create', action: { kind: 'delay', ms: 200 } }]);
  const flushing = offpeak.core.flushJobs(actor, { maxBatches: 1, wait: 5000 });
  await offpeak.core.drain();
  const [batch] = await flushing;
  expect(
    await offpeak.db.batch.findUnique({ where: { id: batch!.batchId }, select: { status: true } }),
  ).toEqual({
    status: 'in_progress',
  });
});
