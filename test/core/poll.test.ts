import { expect, test } from 'vitest';
import { StoppedClock } from '../../src/adapters/clock.ts';
import { enqueued, otherProcess, stage, type Stage } from './setup.ts';

const looks = ({ emulator }: Stage) => emulator.requests().filter(({ route }) => route === 'retrieve').length;
const wait = { pollInterval: 60_000, pollBackoff: 600_000 };

test('a batch is looked at when its time has come, and not before', async () => {
  const clock = new StoppedClock(new Date());
  const it = await stage({ clock, policy: wait });
  await it.jobs(1);
  const { id } = await it.submit();
  await it.worker.poll();
  expect(looks(it)).toBe(0);
  clock.advance(60_000);
  await it.worker.poll();
  await it.worker.poll();
  expect(looks(it)).toBe(1);
  expect((await it.batch(id)).status).toBe('in_progress');
});

test('looks that fail come further and further apart, up to a limit, and the batch lives on', async () => {
  const clock = new StoppedClock(new Date());
  const it = await stage({ clock, policy: wait });
  await it.jobs(1);
  const { id } = await it.submit();
  clock.advance(60_000);
  it.emulator.addFaults([
    { route: 'retrieve', times: 3, action: { kind: 'status', status: 503 } },
    { route: 'retrieve', times: 3, action: { kind: 'status', status: 404 } },
  ]);
  const pauses: number[] = [];
  for (let failures = 1; failures <= 6; failures += 1) {
    await it.worker.poll();
    const { nextPollAt, pollFailures } = await it.batch(id);
    expect(pollFailures).toBe(failures);
    const pause = nextPollAt!.getTime() - clock.pinned().getTime();
    pauses.push(pause / 60_000);
    clock.advance(pause);
  }
  expect(pauses).toEqual([1, 2, 4, 8, 10, 10]);
  expect(looks(it)).toBe(6);
  await it.worker.poll();
  expect(await it.batch(id)).toMatchObject({ status: 'in_progress', pollFailures: 0 });
});

test('a provider that asks for an hour’s patience does not hold up the other batches', async () => {
  const it = await stage();
  for (let n = 1; n <= 2; n += 1) {
    await it.jobs(n);
    await it.submit();
  }
  it.emulator.addFaults([
    { route: 'retrieve', action: { kind: 'status', status: 429, headers: { 'retry-after': '3600' } } },
  ]);
  await it.end();
  expect(await it.db.batch.count({ where: { status: 'ended' } })).toBe(1);
});

test('two processes never look at the same batch at the same time', async () => {
  const it = await stage({ policy: wait });
  for (let n = 1; n <= 6; n += 1) {
    await it.jobs(n);
    await it.submit();
  }
  await it.db.$executeRaw`UPDATE batch SET next_poll_at = now() - interval '1 second'`;
  const taken = await Promise.all(
    [it.core, otherProcess(it, wait), otherProcess(it, wait)].map((core) => core.takeDueBatches(4)),
  );
  const ids = taken.flat().map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test('batches of another account are left alone', async () => {
  const it = await stage();
  await it.jobs(1);
  const { id } = await it.submit();
  await it.db.$executeRaw`UPDATE batch SET provider_identity = 'simulated:another'`;
  await it.end();
  await it.core.pollNow(it.caller, id, 10);
  expect(looks(it)).toBe(0);
  expect((await it.batch(id)).status).toBe('in_progress');
});

test('an operator’s look hands every result over once, in portions', async () => {
  const it = await stage({ policy: { ...wait, ingestRows: 2 } });
  await it.jobs(5);
  const { id } = await it.submit();
  expect(await it.core.pollNow(it.caller, id, 10)).toMatchObject({ results: [], remaining: 5 });
  await it.emulator.advance(7_200_000);
  const first = await it.core.pollNow(it.caller, id, 2);
  expect(first).toMatchObject({ remaining: 3 });
  expect(first.results).toHaveLength(2);
  expect(first.results[0]).toMatchObject({ outcome: 'succeeded', error: null, job_type: 'risk_report' });
  const portions = await Promise.all([1, 2, 3].map(() => it.core.pollNow(it.caller, id, 1)));
  const all = [first, ...portions].flatMap(({ results }) => results.map((result) => result.job_id));
  expect(new Set(all).size).toBe(5);
  expect(await it.core.pollNow(it.caller, id, 10)).toMatchObject({ results: [], remaining: 0 });
});

test('results handed over while two processes book them are each handed over once', async () => {
  const it = await stage({ policy: { ingestRows: 1 } });
  await it.jobs(40);
  const { id } = await it.submit();
  await it.end();
  const seen: (string | null)[] = [];
  let booking = true;
  const book = Promise.all(
    [it.core, otherProcess(it, { ingestRows: 2 }), otherProcess(it, { ingestRows: 3 })].map(async (core) => {
      await it.db.$executeRaw`UPDATE batch SET lease_until = NULL`;
      await core.ingestBatch(id);
    }),
  ).finally(() => (booking = false));
  const reader = otherProcess(it);
  const hand = async () => {
    const { results } = await reader.pollNow(it.caller, id, 100);
    seen.push(...results.map((result) => result.job_id));
  };
  while (booking) await hand();
  await book;
  await hand();
  expect(seen).toHaveLength(40);
  expect(new Set(seen).size).toBe(40);
});

test('a batch of another tenant does not exist for an operator', async () => {
  const it = await stage();
  const neighbour = await it.actor('neighbour');
  await enqueued(it.core, neighbour, [{}]);
  const sealed = await it.core.sealBatch({ tenantId: neighbour.tenantId, reason: 'manual' });
  await expect(it.core.pollNow(it.caller, sealed!.batchId, 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const reader = await it.actor('neighbour', ['jobs:read']);
  await expect(it.core.pollNow(reader, sealed!.batchId, 1)).rejects.toMatchObject({ code: 'FORBIDDEN' });
});
