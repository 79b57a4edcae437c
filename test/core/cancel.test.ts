import { expect, test } from 'vitest';
import { otherProcess, stage, type Stage } from './setup.ts';

const cancels = ({ emulator }: Stage) => emulator.requests().filter(({ route }) => route === 'cancel').length;

test('a pending job is cancelled at once and never goes out', async () => {
  const it = await stage();
  const [job, other] = await it.jobs(2);
  await it.core.cancelJob(it.caller, job!);
  expect(await it.job(job!)).toMatchObject({
    status: 'cancelled',
    claimable: false,
    batchId: null,
    version: 2,
  });
  expect(await it.db.jobOutcome.findUnique({ where: { jobId: job! } })).toMatchObject({
    status: 'cancelled',
    errorCode: null,
    result: null,
  });
  expect(
    await it.db.jobEvent.findMany({ where: { jobId: job! }, orderBy: { version: 'asc' } }),
  ).toMatchObject([
    { move: 'enqueued', version: 1 },
    { move: 'cancelled', version: 2, status: 'cancelled' },
  ]);
  await it.run();
  expect(it.emulator.accepted()[0]!.custom_ids).toHaveLength(1);
  expect((await it.job(other!)).status).toBe('completed');
});

test('cancelling what has ended says so and changes nothing', async () => {
  const it = await stage();
  const [done, gone] = await it.jobs(2);
  await it.core.cancelJob(it.caller, gone!);
  await it.run();
  for (const [id, status] of [
    [done!, 'completed'],
    [gone!, 'cancelled'],
  ] as const) {
    const before = await it.job(id);
    await expect(it.core.cancelJob(it.caller, id)).rejects.toMatchObject({
      code: 'ALREADY_FINISHED',
      message: expect.stringContaining(status),
    });
    expect(await it.job(id)).toEqual(before);
  }
});

test('a job that does not exist, or is another tenant’s, is not found', async () => {
  const it = await stage();
  const [job] = await it.jobs(1);
  const stranger = await it.actor('stranger');
  await expect(it.core.cancelJob(stranger, job!)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(it.core.cancelJob(it.caller, crypto.randomUUID())).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
  const reader = await it.actor('default', ['jobs:read', 'operator']);
  await expect(it.core.cancelJob(reader, job!)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  expect((await it.job(job!)).status).toBe('pending');
});

test('a batch is cancelled at the provider once no live job is left in it, and not before', async () => {
  const it = await stage({ policy: { pollInterval: 60_000, pollBackoff: 60_000 } });
  const [first, second] = await it.jobs(2);
  const { id } = await it.submit();
  await it.core.cancelJob(it.caller, first!);
  await it.worker.poll();
  expect([cancels(it), (await it.batch(id)).status]).toEqual([0, 'in_progress']);
  await it.core.cancelJob(it.caller, second!);
  await it.worker.poll();
  expect([cancels(it), (await it.batch(id)).status]).toEqual([1, 'canceling']);
  await it.db.$executeRaw`UPDATE batch SET next_poll_at = now()`;
  await it.end();
  await it.worker.ingest();
  expect(await it.batch(id)).toMatchObject({ status: 'ingested', canceled: 2 });
  expect(await it.job(first!)).toMatchObject({ status: 'cancelled' });
  expect(cancels(it)).toBe(1);
});

test('a batch that ends before its cancellation arrives is simply ended', async () => {
  const it = await stage();
  const [job] = await it.jobs(1);
  const { id } = await it.submit();
  await it.core.cancelJob(it.caller, job!);
  await it.end();
  expect([cancels(it), (await it.batch(id)).status]).toEqual([1, 'ended']);
  await it.worker.ingest();
  expect((await it.batch(id)).status).toBe('ingested');
  expect((await it.job(job!)).status).toBe('cancelled');
});

test('a cancellation whose answer is lost is asked again', async () => {
  const it = await stage();
  const [job] = await it.jobs(1);
  const { id } = await it.submit();
  await it.core.cancelJob(it.caller, job!);
  it.emulator.addFaults([{ route: 'cancel', action: { kind: 'reset-after' } }]);
  await it.worker.poll();
  expect(await it.batch(id)).toMatchObject({ status: 'in_progress', pollFailures: 1 });
  await it.worker.poll();
  expect(await it.batch(id)).toMatchObject({ status: 'canceling', pollFailures: 0 });
});

test('a job is cancelled or claimed or completed, never two of them, however they race', async () => {
  const it = await stage({ policy: { ingestRows: 3 } });
  const other = otherProcess(it);
  const cancelAll = (jobs: readonly string[]) =>
    Promise.all(jobs.map((job) => other.cancelJob(it.caller, job).catch(() => undefined)));
  const jobs = await it.jobs(30);
  const [sealed] = await Promise.all([
    it.core.sealBatch({ tenantId: it.caller.tenantId, reason: 'manual' }),
    cancelAll(jobs.slice(0, 10)),
  ]);
  await it.core.submitBatch(sealed!.batchId);
  await it.end();
  await Promise.all([it.worker.ingest(), cancelAll(jobs.slice(10))]);
  for (const id of jobs) {
    const { status, version } = await it.job(id);
    expect(await it.db.jobOutcome.findUnique({ where: { jobId: id } })).toMatchObject({ status });
    const events = await it.db.jobEvent.findMany({ where: { jobId: id }, orderBy: { version: 'asc' } });
    expect(events.map((event) => event.version)).toEqual(events.map((_event, n) => n + 1));
    expect(events.at(-1)).toMatchObject({ version, status });
  }
  expect(await it.db.job.count({ where: { status: { in: ['completed', 'cancelled'] } } })).toBe(30);
});
