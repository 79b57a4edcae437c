import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { FaultAction } from '../../src/emulator/index.ts';
import { otherProcess, stage, type Stage } from './setup.ts';

const posts = ({ emulator }: Stage) => emulator.requests().filter(({ route }) => route === 'create');
const onCreate = (action: FaultAction) => ({ emulator: { faults: [{ route: 'create' as const, action }] } });

/** Waits until the POST under way has left its intent behind. */
async function underWay({ db }: Stage): Promise<void> {
  while ((await db.batch.count({ where: { status: 'submitting' } })) === 0) await pause(5);
}

test('a submitted batch is in progress under the provider’s id', async () => {
  const it = await stage();
  const [job] = await it.jobs(3);
  const batch = await it.submit();
  const [accepted] = it.emulator.accepted();
  expect(batch).toMatchObject({
    status: 'in_progress',
    providerBatchId: accepted!.id,
    providerIdentity: `simulated:${it.emulator.instanceId}`,
    requestCount: 3,
    leaseOwner: null,
  });
  expect(accepted!.custom_ids).toHaveLength(3);
  expect(await it.job(job!)).toMatchObject({ status: 'processing', submission: 1, attempt: 0 });
  expect(posts(it)).toHaveLength(1);
});

test('the intent is in the database before the POST is answered', async () => {
  const it = await stage(onCreate({ kind: 'delay', ms: 500 }));
  await it.jobs(2);
  const id = await it.seal();
  const submitted = it.core.submitBatch(id);
  await underWay(it);
  expect(await it.batch(id)).toMatchObject({
    status: 'submitting',
    providerIdentity: `simulated:${it.emulator.instanceId}`,
    bodyHash: expect.any(Uint8Array),
    intentAt: expect.any(Date),
    providerBatchId: null,
  });
  expect(await it.db.batchRequest.count({ where: { batchId: id } })).toBe(2);
  expect(await submitted).toMatchObject({ outcome: 'submitted' });
});

describe('a refusal releases the jobs, and says why', () => {
  test.each([400, 401, 402, 403, 404, 413, 422, 429])('status %i', async (status) => {
    const it = await stage(onCreate({ kind: 'status', status, headers: { 'retry-after': '3600' } }));
    const [job] = await it.jobs(2);
    const batch = await it.submit();
    expect(batch).toMatchObject({
      status: 'rejected',
      errorCode: expect.stringMatching(/_error$|^HTTP_|large/),
    });
    expect(batch.errorMessage).toBeTruthy();
    expect(await it.job(job!)).toMatchObject({ status: 'pending', batchId: null, attempt: 0, version: 3 });
    expect(
      await it.db.jobEvent.findMany({ where: { jobId: job! }, orderBy: { version: 'asc' } }),
    ).toMatchObject([
      { move: 'enqueued' },
      { move: 'claimed', batchId: batch.id },
      { move: 'released', detail: batch.errorCode },
    ]);
    expect(posts(it)).toHaveLength(1);
    expect((await it.submit()).status).toBe('in_progress');
  });

  test('a body refused before it reaches the API need not be answered in JSON', async () => {
    const it = await stage(onCreate({ kind: 'status', status: 413, body: '<html>too large</html>' }));
    await it.jobs(1);
    expect(await it.submit()).toMatchObject({ status: 'rejected', errorCode: 'HTTP_413' });
  });

  test('nobody listens, so nothing was sent', async () => {
    const it = await stage();
    const [job] = await it.jobs(1);
    await it.core.readStats(it.caller); // learns whose account it is while it can
    await it.emulator.close();
    expect(await it.submit()).toMatchObject({ status: 'rejected', errorCode: 'NOT_SENT' });
    expect((await it.job(job!)).status).toBe('pending');
  });
});

describe('what may have taken effect is neither sent again nor given up', () => {
  const unclear: [string, FaultAction][] = [
    ...[408, 409, 418, 500, 502, 503, 504, 529].map((status): [string, FaultAction] => [
      `status ${status}`,
      { kind: 'status-after', status, headers: { 'x-should-retry': 'true' } },
    ]),
    ['a connection lost before', { kind: 'reset-before' }],
    ['a connection lost after', { kind: 'reset-after' }],
    ['no answer in time', { kind: 'delay', ms: 2000 }],
    ['a 200 that is not JSON', { kind: 'status-after', status: 200, body: '<html>hello</html>' }],
    ['a 200 that is no batch', { kind: 'status-after', status: 200, body: { id: 'msgbatch_1' } }],
  ];
  test.each(unclear)('%s', async (_name, action) => {
    const it = await stage({ ...onCreate(action), policy: { submitTimeout: 300 } });
    const [job] = await it.jobs(1);
    const id = await it.seal();
    expect(await it.core.submitBatch(id)).toMatchObject({ outcome: 'unknown' });
    expect(await it.batch(id)).toMatchObject({
      status: 'unknown',
      errorCode: 'SUBMIT_UNKNOWN',
      providerBatchId: null,
    });
    expect(await it.job(job!)).toMatchObject({ status: 'processing', batchId: id });
    expect(await it.core.submitBatch(id)).toEqual({ outcome: 'gone' });
    expect(posts(it)).toHaveLength(1);
  });
});

test('one POST at a time: a second batch waits, in any process', async () => {
  const it = await stage(onCreate({ kind: 'delay', ms: 500 }));
  await it.jobs(1);
  const first = await it.seal();
  await it.jobs(2);
  const second = await it.seal();
  const submitted = it.core.submitBatch(first);
  await underWay(it);
  expect(await it.core.submitBatch(second)).toEqual({ outcome: 'busy' });
  expect(await otherProcess(it).submitBatch(second)).toEqual({ outcome: 'busy' });
  expect(await otherProcess(it).submitBatch(first)).toEqual({ outcome: 'gone' });
  await submitted;
  expect(await it.core.submitBatch(second)).toMatchObject({ outcome: 'submitted' });
  expect(posts(it)).toHaveLength(2);
});

test('two processes that submit the same batch at once send it once', async () => {
  const it = await stage();
  const processes = [it.core, otherProcess(it), otherProcess(it)];
  for (let round = 1; round <= 5; round += 1) {
    await it.jobs(round);
    const id = await it.seal();
    const outcomes = await Promise.all(processes.map((core) => core.submitBatch(id)));
    expect(outcomes.filter(({ outcome }) => outcome === 'submitted')).toHaveLength(1);
    expect(posts(it)).toHaveLength(round);
  }
});

test('several processes that submit different batches at once send one at a time, and none fails', async () => {
  const it = await stage();
  const processes = Array.from({ length: 4 }, () => otherProcess(it));
  await Promise.all(processes.map((core) => core.readStats(it.caller))); // each learns whose account it is
  for (let round = 0; round < 5; round += 1) {
    const sealed: string[] = [];
    for (const [n] of processes.entries()) {
      await it.jobs(n + 1);
      sealed.push(await it.seal());
    }
    const outcomes = await Promise.all(processes.map((core, n) => core.submitBatch(sealed[n]!)));
    for (const { outcome } of outcomes) expect(['submitted', 'busy']).toContain(outcome);
    await it.worker.submit();
    expect(await it.db.batch.count({ where: { status: { not: 'in_progress' } } })).toBe(0);
  }
  expect(posts(it)).toHaveLength(20);
});

test('a batch of the size of one that is unsettled waits, another goes', async () => {
  const it = await stage(onCreate({ kind: 'reset-after' }));
  await it.jobs(2);
  expect((await it.submit()).status).toBe('unknown');
  await it.jobs(2);
  const same = await it.seal();
  expect(await it.core.submitBatch(same)).toEqual({ outcome: 'busy' });
  await it.jobs(3);
  expect((await it.submit()).status).toBe('in_progress');
  expect((await it.batch(same)).status).toBe('sealed');
});

test('a job cancelled after its batch was sealed is not sent', async () => {
  const it = await stage();
  const [kept, cancelled] = await it.jobs(2);
  const id = await it.seal();
  await it.core.cancelJob(it.caller, cancelled!);
  await it.core.submitBatch(id);
  expect(it.emulator.accepted()[0]!.custom_ids).toHaveLength(1);
  expect(await it.batch(id)).toMatchObject({ status: 'in_progress', requestCount: 1 });
  expect((await it.job(kept!)).status).toBe('processing');
});

test('a batch whose jobs are all cancelled is not sent', async () => {
  const it = await stage();
  const jobs = await it.jobs(2);
  const id = await it.seal();
  for (const job of jobs) await it.core.cancelJob(it.caller, job);
  await it.worker.submit();
  expect(await it.batch(id)).toMatchObject({ status: 'rejected', errorCode: 'EMPTY', requestCount: 0 });
  expect(posts(it)).toHaveLength(0);
});

test('an answer that comes after the batch was taken for abandoned is still believed', async () => {
  const it = await stage({ ...onCreate({ kind: 'delay', ms: 800 }), policy: { absentAfter: 3_600_000 } });
  await it.jobs(1);
  const id = await it.seal();
  const submitted = it.core.submitBatch(id);
  await underWay(it);
  await it.db.$executeRaw`UPDATE batch SET lease_until = now() - interval '1 second'`;
  await otherProcess(it, { absentAfter: 3_600_000 }).settleUnknown();
  expect((await it.batch(id)).status).toBe('unknown');
  await submitted;
  expect(await it.batch(id)).toMatchObject({ status: 'in_progress', providerBatchId: expect.any(String) });
});

test('one batch that cannot be built does not keep the others from the provider', async () => {
  const it = await stage();
  const [job] = await it.jobs(1);
  await it.seal();
  await it.db.$executeRaw`UPDATE job SET type = 'of a later version' WHERE id = ${job}::uuid`;
  await it.jobs(2);
  const sound = await it.seal();
  await it.worker.submit();
  expect((await it.batch(sound)).status).toBe('in_progress');
  expect(it.log.some(({ level }) => level === 'error')).toBe(true);
});

test('a provider that cannot be reached leaves the jobs pending', async () => {
  const it = await stage();
  const [job] = await it.jobs(1);
  await it.emulator.close();
  await expect(it.core.flushJobs(it.caller, { maxBatches: 1, wait: 1000 })).rejects.toMatchObject({
    code: 'PROVIDER_UNAVAILABLE',
  });
  expect((await it.job(job!)).status).toBe('pending');
});
